/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/schemas.h"

#include <pthread.h>
#include <stdlib.h>

#include "drawdown/batch.h"
#include "drawdown/instant.h"
#include "drawdown/librarian.h"
#include "drawdown/log.h"
#include "drawdown/metrics.h"

#define LOG_INTERVAL (30 * INSTANT_SECOND)

/* A schema that nobody knows. */
struct unknown {
	struct schema_ref ref;
	int64_t until; /* monotonic */
};

struct schemas {
	const struct config *config;
	struct library library;
	struct librarian *librarian;
	struct decoder *decoder;
	struct unknown unknown[DECODER_UNKNOWN_MAX]; /* a ring, in order of `until` */
	size_t unknown_first, unknown_count;
	size_t known_count;
	int64_t full_logged_at;
	pthread_mutex_t mutex; /* guards the two below */
	void (*wake)(void *self);
	void *wake_self;
};

/* ---- what the decoder learns ---- */

static void forget_oldest(struct schemas *schemas)
{
	decoder_forget_unknown(schemas->decoder, schemas->unknown[schemas->unknown_first].ref);
	schemas->unknown_first = (schemas->unknown_first + 1) % DECODER_UNKNOWN_MAX;
	schemas->unknown_count--;
}

static void learn_unknown(struct schemas *schemas, struct schema_ref ref, const char *why)
{
	if (schemas->unknown_count == DECODER_UNKNOWN_MAX)
		forget_oldest(schemas);
	size_t at = (schemas->unknown_first + schemas->unknown_count++) % DECODER_UNKNOWN_MAX;
	schemas->unknown[at] = (struct unknown){ref, monotonic_now() + schemas->config->registry_unknown_lifetime};
	(void)decoder_learn_unknown(schemas->decoder, ref, why);
	metrics_count(COUNTER_SCHEMAS_UNKNOWN, 1);
}

static void tell_full(struct schemas *schemas)
{
	int64_t now = monotonic_now();

	if (schemas->full_logged_at && now - schemas->full_logged_at < LOG_INTERVAL)
		return;
	schemas->full_logged_at = now;
	log_line(LOG_ERROR, "schemas.learn",
		"no room for another schema beside %zu: records of further ones are dead letters; hint=let producers "
		"register schemas, not one for each process",
		schemas->known_count);
}

static void format_ref(struct schema_ref ref, char text[64])
{
	if (ref.kind == SCHEMA_REF_ID)
		(void)snprintf(text, 64, "with id %llu", (unsigned long long)ref.value);
	else
		(void)snprintf(text, 64, "with fingerprint %016llx", (unsigned long long)ref.value);
}

/* False: there is no room. */
static bool learn(struct schemas *schemas, struct schema_ref ref, struct text schema)
{
	char why[DECODER_WHY_SIZE] = "", which[64];

	if (!decoder_learn(schemas->decoder, ref, schema, why)) {
		tell_full(schemas);
		return false;
	}
	schemas->known_count++;
	metrics_set_schemas_known(schemas->known_count);
	format_ref(ref, which);
	if (*why)
		log_line(LOG_WARNING, "schemas.learn", "the schema %s is of no use, its records are dead letters: %s",
			which, why);
	else
		log_line(LOG_DEBUG, "schemas.learn", "learnt the schema %s", which);
	return true;
}

static void take(struct schemas *schemas, const struct finding *finding)
{
	const char *why = finding->why;

	/* Where its fingerprint stands for another schema, that one is learnt first, and stays. */
	if (finding->fingerprint.kind != SCHEMA_REF_NONE && !text_equal(finding->fingerprint_schema, finding->schema))
		(void)learn(schemas, finding->fingerprint, finding->fingerprint_schema);
	if (finding->schema.data) {
		if (learn(schemas, finding->ref, finding->schema))
			return;
		why = "the worker has no room for another schema";
	}
	learn_unknown(schemas, finding->ref, why);
}

static enum outcome learn_kept(struct schemas *schemas, struct failure *reterr)
{
	struct kept_schema *kept;
	size_t count;
	struct arena arena;

	arena_init(&arena, 64 * 1024);
	enum outcome outcome =
		schemas->library.list(schemas->library.self, DECODER_SCHEMAS_MAX, &arena, &kept, &count, reterr);
	for (size_t i = 0; i < count && outcome == OUTCOME_OK; i++)
		if (!learn(schemas, kept[i].ref, kept[i].schema))
			break;
	arena_release(&arena);
	return outcome;
}

/* ---- life ---- */

static void wake(void *self)
{
	struct schemas *schemas = self;

	pthread_mutex_lock(&schemas->mutex);
	if (schemas->wake)
		schemas->wake(schemas->wake_self);
	pthread_mutex_unlock(&schemas->mutex);
}

enum outcome schemas_open(struct schemas **ret_schemas, const struct config *config, const struct library *library,
	struct failure *reterr)
{
	struct schemas *schemas = calloc(1, sizeof *schemas);

	if (!schemas)
		abort();
	schemas->config = config;
	schemas->library = *library;
	schemas->decoder = decoder_new();
	pthread_mutex_init(&schemas->mutex, NULL);
	enum outcome outcome = learn_kept(schemas, reterr);
	if (outcome != OUTCOME_OK) {
		(void)schemas_close(schemas, 0);
		return outcome;
	}
	schemas->librarian = librarian_new(&schemas->library, wake, schemas);
	*ret_schemas = schemas;
	return OUTCOME_OK;
}

bool schemas_close(struct schemas *schemas, int64_t timeout)
{
	if (!schemas)
		return true;
	if (!librarian_free(schemas->librarian, timeout))
		return false;
	schemas->library.close(schemas->library.self);
	decoder_free(schemas->decoder);
	pthread_mutex_destroy(&schemas->mutex);
	free(schemas);
	return true;
}

struct decoder *schemas_decoder(struct schemas *schemas)
{
	return schemas->decoder;
}

void schemas_set_wake(struct schemas *schemas, void (*function)(void *self), void *self)
{
	pthread_mutex_lock(&schemas->mutex);
	schemas->wake = function;
	schemas->wake_self = self;
	pthread_mutex_unlock(&schemas->mutex);
}

/* ---- while records are read ---- */

void schemas_turn(struct schemas *schemas, bool is_recovering)
{
	struct finding finding;

	while (schemas->unknown_count && schemas->unknown[schemas->unknown_first].until <= monotonic_now())
		forget_oldest(schemas);
	while (librarian_take(schemas->librarian, &finding)) {
		if (!finding.is_unasked || is_recovering)
			take(schemas, &finding);
		finding_release(&finding);
	}
}

bool schemas_admit(struct schemas *schemas, struct text value, bool is_recovering)
{
	struct schema_ref ref = decoder_missing(schemas->decoder, value);

	if (ref.kind == SCHEMA_REF_NONE)
		return true;
	librarian_want(schemas->librarian, ref, is_recovering);
	return false;
}

void schemas_expect(struct schemas *schemas, struct text value, bool is_recovering)
{
	/* each partition has room for the one that it waits for */
	if (librarian_wanted(schemas->librarian) < LIBRARIAN_WANTED_MAX - BATCH_SPANS_MAX)
		(void)schemas_admit(schemas, value, is_recovering);
}

void schemas_begin_anew(struct schemas *schemas)
{
	librarian_forget(schemas->librarian);
	while (schemas->unknown_count)
		forget_oldest(schemas);
}
