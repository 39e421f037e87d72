/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/librarian.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "drawdown/backoff.h"
#include "drawdown/deadline.h"
#include "drawdown/instant.h"
#include "drawdown/log.h"
#include "drawdown/schema_text.h"

#define FINDINGS_MAX LIBRARIAN_WANTED_MAX
#define TEXTS_MAX 16	 /* findings with a schema, not yet taken */
#define SLIPS_AT_ONCE 64 /* looked for in the database by one statement */
#define PAUSE_FIRST (100 * INSTANT_MILLISECOND)
#define PAUSE_MAX (10 * INSTANT_SECOND)
#define LOG_INTERVAL (30 * INSTANT_SECOND)
#define TOLD_MAX 64 /* refusals; so many in LOG_INTERVAL at most */

enum slip_state {
	SLIP_NEW,     /* to be looked for in the database */
	SLIP_TO_ASK,  /* the database does not keep it */
	SLIP_IN_HAND, /* the thread is at it */
};

/* What is wanted. */
struct slip {
	struct schema_ref ref;
	bool kept_only;
	enum slip_state state;
	unsigned reading; /* in which it was last asked for */
	unsigned failures_count;
	int64_t next_at; /* monotonic */
};

/* With someone who fails. */
struct patience {
	unsigned failures_count; /* in a row */
	int64_t next_at;	 /* monotonic; nothing is asked before */
	int64_t logged_at;
};

/* A schema whose refusal is in the log. */
struct told {
	struct schema_ref ref;
	int64_t at; /* monotonic; 0: none */
};

struct librarian {
	const struct library *library;
	void (*wake)(void *self);
	void *wake_self;
	pthread_t thread;
	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t changed;
	bool is_stopped;
	unsigned reading; /* counts librarian_forget */
	struct slip slips[LIBRARIAN_WANTED_MAX];
	size_t slips_count;
	struct finding findings[FINDINGS_MAX]; /* a ring */
	size_t findings_first, findings_count, texts_count;
	/* the thread's own */
	struct patience database, registry;
	struct told told[TOLD_MAX]; /* a ring */
	size_t told_next;
};

/* ---- the desk: any thread ---- */

static bool is_same(struct schema_ref a, struct schema_ref b)
{
	return a.kind == b.kind && a.value == b.value;
}

static struct slip *find_slip(struct librarian *librarian, struct schema_ref ref)
{
	for (size_t i = 0; i < librarian->slips_count; i++)
		if (is_same(librarian->slips[i].ref, ref))
			return &librarian->slips[i];
	return NULL;
}

static void remove_slip(struct librarian *librarian, struct slip *slip)
{
	*slip = librarian->slips[--librarian->slips_count];
}

/* Found, though perhaps not yet taken. */
static bool is_found(const struct librarian *librarian, struct schema_ref ref)
{
	for (size_t i = 0; i < librarian->findings_count; i++) {
		if (is_same(librarian->findings[(librarian->findings_first + i) % FINDINGS_MAX].ref, ref))
			return true;
	}
	return false;
}

void librarian_want(struct librarian *librarian, struct schema_ref ref, bool kept_only)
{
	pthread_mutex_lock(&librarian->mutex);
	struct slip *slip = find_slip(librarian, ref);
	if (slip) {
		slip->kept_only = slip->kept_only || kept_only;
		if (kept_only && slip->state == SLIP_TO_ASK)
			slip->state = SLIP_NEW;
	} else if (librarian->slips_count < LIBRARIAN_WANTED_MAX && !is_found(librarian, ref)) {
		librarian->slips[librarian->slips_count++] = (struct slip){.ref = ref, .kept_only = kept_only};
		pthread_cond_signal(&librarian->changed);
	}
	pthread_mutex_unlock(&librarian->mutex);
}

void librarian_forget(struct librarian *librarian)
{
	pthread_mutex_lock(&librarian->mutex);
	librarian->reading++;
	for (size_t i = librarian->slips_count; i-- > 0;)
		if (librarian->slips[i].state != SLIP_IN_HAND)
			remove_slip(librarian, &librarian->slips[i]);
	pthread_mutex_unlock(&librarian->mutex);
}

/* That nobody knew it counts for the reading in which it was asked: another worker may have kept it since. */
bool librarian_take(struct librarian *librarian, struct finding *ret_finding)
{
	bool has_one = false;

	pthread_mutex_lock(&librarian->mutex);
	while (!has_one && librarian->findings_count > 0) {
		*ret_finding = librarian->findings[librarian->findings_first];
		librarian->findings_first = (librarian->findings_first + 1) % FINDINGS_MAX;
		librarian->findings_count--;
		librarian->texts_count -= ret_finding->schema.data != NULL;
		pthread_cond_signal(&librarian->changed);
		has_one = ret_finding->schema.data || ret_finding->reading == librarian->reading;
		if (!has_one)
			finding_release(ret_finding);
	}
	pthread_mutex_unlock(&librarian->mutex);
	return has_one;
}

size_t librarian_wanted(struct librarian *librarian)
{
	pthread_mutex_lock(&librarian->mutex);
	size_t count = librarian->slips_count;
	pthread_mutex_unlock(&librarian->mutex);
	return count;
}

/* ---- the thread ---- */

static struct text own(struct text text)
{
	if (!text.data)
		return TEXT_NULL;
	char *copy = malloc(text.size + 1);
	if (!copy)
		abort();
	memcpy(copy, text.data, text.size);
	return (struct text){copy, text.size};
}

void finding_release(struct finding *finding)
{
	union {
		const char *read;
		void *owned;
	} schema = {finding->schema.data}, fingerprint_schema = {finding->fingerprint_schema.data};

	free(schema.owned);
	free(fingerprint_schema.owned);
	free(finding->why);
}

/* The slip has served. The mutex is held. */
static void hand_over(struct librarian *librarian, const struct finding *finding)
{
	size_t at = (librarian->findings_first + librarian->findings_count) % FINDINGS_MAX;
	struct slip *slip = find_slip(librarian, finding->ref);

	librarian->findings[at] = *finding;
	if (slip)
		librarian->findings[at].reading = slip->reading;
	librarian->findings_count++;
	librarian->texts_count += finding->schema.data != NULL;
	if (slip)
		remove_slip(librarian, slip);
}

static int64_t pause_after(unsigned failures_count)
{
	return backoff_pause(PAUSE_FIRST, PAUSE_MAX, failures_count);
}

/* The mutex is held. */
static void note_failure(struct librarian *librarian, struct patience *patience, const struct failure *failure)
{
	int64_t now = monotonic_now();

	if (librarian->is_stopped)
		return;
	if (patience->failures_count++ == 0 || now - patience->logged_at >= LOG_INTERVAL) {
		patience->logged_at = now;
		log_failure(LOG_WARNING, failure);
	}
	/* what only a human mends is looked at less often */
	patience->next_at = now + pause_after(patience->failures_count + (failure->outcome == OUTCOME_RETRY ? 0 : 3));
}

static void note_success(struct patience *patience, const char *whose)
{
	if (patience->failures_count)
		log_line(LOG_INFO, "schemas.found", "%s answers again, after %u failures", whose,
			patience->failures_count);
	*patience = (struct patience){.logged_at = patience->logged_at};
}

/* Once a schema: it will be asked for again, and each of its records is a dead letter that says as much. */
static void note_refusal(struct librarian *librarian, struct schema_ref ref, const struct failure *failure)
{
	struct told *oldest = &librarian->told[librarian->told_next];
	int64_t now = monotonic_now();

	for (size_t i = 0; i < TOLD_MAX; i++)
		if (is_same(librarian->told[i].ref, ref))
			return;
	if (oldest->at && now - oldest->at < LOG_INTERVAL)
		return;
	*oldest = (struct told){ref, now};
	librarian->told_next = (librarian->told_next + 1) % TOLD_MAX;
	log_failure(LOG_WARNING, failure);
}

/* What the fingerprint of a schema that was got by its id stands for: the first one that was kept. */
static enum outcome find_fingerprint(struct librarian *librarian, struct text schema, bool keeps, struct arena *arena,
	struct finding *finding, struct failure *reterr)
{
	const struct library *library = librarian->library;
	struct schema_identity identity;
	char why[SCHEMA_WHY_SIZE];
	struct text kept = TEXT_NULL;

	if (!schema_text_identify(schema, arena, &identity, why))
		return OUTCOME_OK;
	finding->fingerprint = (struct schema_ref){SCHEMA_REF_FINGERPRINT, identity.fingerprint};
	enum outcome outcome = keeps ? library->keep(library->self, finding->fingerprint, schema, arena, &kept, reterr)
				     : library->find(library->self, &finding->fingerprint, 1, arena, &kept, reterr);
	if (outcome == OUTCOME_OK && kept.data)
		finding->fingerprint_schema = own(kept);
	else
		finding->fingerprint.kind = SCHEMA_REF_NONE;
	return outcome;
}

/* From the registry, and kept. Its fingerprint is kept first: whoever knows the id by the database knows both. */
static enum outcome fetch(
	struct librarian *librarian, struct arena *arena, struct finding *finding, struct failure *reterr)
{
	const struct library *library = librarian->library;
	struct text schema, kept;
	enum outcome outcome = library->fetch(library->self, (uint32_t)finding->ref.value, arena, &schema, reterr);

	if (outcome == OUTCOME_OK)
		outcome = find_fingerprint(librarian, schema, true, arena, finding, reterr);
	if (outcome == OUTCOME_OK)
		outcome = library->keep(library->self, finding->ref, schema, arena, &kept, reterr);
	if (outcome == OUTCOME_OK)
		finding->schema = own(kept);
	return outcome;
}

/* The mutex is held, but not while the registry is asked. */
static void ask_registry(struct librarian *librarian, struct slip *slip, struct arena *arena)
{
	struct finding finding = {.ref = slip->ref};
	struct failure failure = {0};

	slip->state = SLIP_IN_HAND;
	slip->reading = librarian->reading;
	pthread_mutex_unlock(&librarian->mutex);
	enum outcome outcome = fetch(librarian, arena, &finding, &failure);
	pthread_mutex_lock(&librarian->mutex);
	if (outcome == OUTCOME_OK || outcome == OUTCOME_REJECT) {
		note_success(&librarian->registry, "the registry");
		if (outcome == OUTCOME_REJECT) {
			note_refusal(librarian, finding.ref, &failure);
			finding.why = strdup(failure.text);
		}
		hand_over(librarian, &finding);
		return;
	}
	finding_release(&finding);
	slip = find_slip(librarian, finding.ref);
	slip->state = SLIP_NEW; /* another worker may keep it meanwhile */
	slip->next_at = monotonic_now() + pause_after(++slip->failures_count);
	note_failure(librarian, &librarian->registry, &failure);
}

static enum outcome look_in_database(struct librarian *librarian, const struct schema_ref *refs, size_t count,
	struct arena *arena, struct finding *findings, struct failure *reterr)
{
	const struct library *library = librarian->library;
	struct text schemas[SLIPS_AT_ONCE];
	enum outcome outcome = library->find(library->self, refs, count, arena, schemas, reterr);

	for (size_t i = 0; i < count && outcome == OUTCOME_OK; i++) {
		if (refs[i].kind == SCHEMA_REF_ID && schemas[i].data)
			outcome = find_fingerprint(librarian, schemas[i], false, arena, &findings[i], reterr);
		if (outcome == OUTCOME_OK)
			findings[i].schema = own(schemas[i]);
	}
	return outcome;
}

/* The mutex is held, but not while the database is asked. */
static void look_up(struct librarian *librarian, const struct schema_ref *refs, size_t count, struct arena *arena)
{
	struct finding findings[SLIPS_AT_ONCE];
	struct failure failure = {0};

	for (size_t i = 0; i < count; i++)
		findings[i] = (struct finding){.ref = refs[i]};
	pthread_mutex_unlock(&librarian->mutex);
	enum outcome outcome = look_in_database(librarian, refs, count, arena, findings, &failure);
	pthread_mutex_lock(&librarian->mutex);
	if (outcome == OUTCOME_OK)
		note_success(&librarian->database, "the database");
	else
		note_failure(librarian, &librarian->database, &failure);
	for (size_t i = 0; i < count; i++) {
		struct slip *slip = find_slip(librarian, refs[i]);
		bool is_decided =
			outcome == OUTCOME_OK && (findings[i].schema.data || refs[i].kind == SCHEMA_REF_FINGERPRINT ||
							 slip->kept_only || !librarian->library->fetch);
		if (is_decided) {
			findings[i].is_unasked = refs[i].kind == SCHEMA_REF_ID && !findings[i].schema.data &&
						 librarian->library->fetch != NULL;
			hand_over(librarian, &findings[i]);
			continue;
		}
		slip->state = outcome == OUTCOME_OK ? SLIP_TO_ASK : SLIP_NEW;
		finding_release(&findings[i]);
	}
}

/* As many as may be handed over. */
static size_t take_new_slips(struct librarian *librarian, struct schema_ref refs[SLIPS_AT_ONCE])
{
	size_t room = FINDINGS_MAX - librarian->findings_count, count = 0;

	for (size_t i = 0; i < librarian->slips_count && count < SLIPS_AT_ONCE && count < room; i++) {
		struct slip *slip = &librarian->slips[i];
		if (slip->state != SLIP_NEW)
			continue;
		slip->state = SLIP_IN_HAND;
		slip->reading = librarian->reading;
		refs[count++] = slip->ref;
	}
	return count;
}

static bool has_new_slips(const struct librarian *librarian)
{
	for (size_t i = 0; i < librarian->slips_count; i++)
		if (librarian->slips[i].state == SLIP_NEW)
			return true;
	return false;
}

/* The one whose turn it is to be asked for; NULL: none. */
static struct slip *next_to_ask(struct librarian *librarian)
{
	struct slip *next = NULL;

	for (size_t i = 0; i < librarian->slips_count; i++) {
		struct slip *slip = &librarian->slips[i];
		if (slip->state == SLIP_TO_ASK && (!next || slip->next_at < next->next_at))
			next = slip;
	}
	return next;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Something that can be done now is done. False: nothing can; *ret_next_at: until when (INT64_MAX: until told). */
static bool serve(struct librarian *librarian, struct arena *arena, int64_t *ret_next_at)
{
	struct schema_ref refs[SLIPS_AT_ONCE];
	int64_t now = monotonic_now();

	*ret_next_at = INT64_MAX;
	if (librarian->findings_count == FINDINGS_MAX || librarian->texts_count >= TEXTS_MAX)
		return false;
	if (has_new_slips(librarian)) {
		*ret_next_at = librarian->database.next_at;
		if (librarian->database.next_at <= now) {
			look_up(librarian, refs, take_new_slips(librarian, refs), arena);
			return true;
		}
	}
	struct slip *slip = next_to_ask(librarian);
	if (!slip)
		return false;
	int64_t next_at = later(slip->next_at, librarian->registry.next_at);
	if (next_at <= now) {
		ask_registry(librarian, slip, arena);
		return true;
	}
	if (next_at < *ret_next_at)
		*ret_next_at = next_at;
	return false;
}

static void wait_until(struct librarian *librarian, int64_t deadline)
{
	const struct timespec until = deadline_at(deadline);

	if (deadline == INT64_MAX)
		pthread_cond_wait(&librarian->changed, &librarian->mutex);
	else
		(void)pthread_cond_timedwait(&librarian->changed, &librarian->mutex, &until);
}

static void *run(void *argument)
{
	struct librarian *librarian = argument;
	struct arena arena;

	arena_init(&arena, 64 * 1024);
	pthread_mutex_lock(&librarian->mutex);
	while (!librarian->is_stopped) {
		int64_t next_at;
		if (!serve(librarian, &arena, &next_at)) {
			wait_until(librarian, next_at);
			continue;
		}
		bool has_found = librarian->findings_count > 0;
		pthread_mutex_unlock(&librarian->mutex);
		arena_reset(&arena);
		if (has_found)
			librarian->wake(librarian->wake_self);
		pthread_mutex_lock(&librarian->mutex);
	}
	pthread_mutex_unlock(&librarian->mutex);
	arena_release(&arena);
	return NULL;
}

struct librarian *librarian_new(const struct library *library, void (*wake)(void *self), void *wake_self)
{
	struct librarian *librarian = calloc(1, sizeof *librarian);

	if (!librarian)
		abort();
	librarian->library = library;
	librarian->wake = wake;
	librarian->wake_self = wake_self;
	pthread_mutex_init(&librarian->mutex, NULL);
	deadline_condition_init(&librarian->changed);
	if (pthread_create(&librarian->thread, NULL, run, librarian) != 0)
		abort();
	return librarian;
}

bool librarian_free(struct librarian *librarian, int64_t timeout)
{
	if (!librarian)
		return true;
	pthread_mutex_lock(&librarian->mutex);
	librarian->is_stopped = true;
	pthread_cond_broadcast(&librarian->changed);
	pthread_mutex_unlock(&librarian->mutex);
	librarian->library->interrupt(librarian->library->self);
	const struct timespec deadline = deadline_in(timeout);
	if (!deadline_join(librarian->thread, &deadline))
		return false;
	for (struct finding finding; librarian_take(librarian, &finding);)
		finding_release(&finding);
	pthread_cond_destroy(&librarian->changed);
	pthread_mutex_destroy(&librarian->mutex);
	free(librarian);
	return true;
}
