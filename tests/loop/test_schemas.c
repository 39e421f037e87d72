/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: each schema is asked for once, kept before it is used, asked for again after a failure; what nobody knows is
 * asked for again after a while; nobody waits for whoever is slow, and an end comes soon.
 * Method: the real librarian and schemas over a library in memory that does as it is told and counts what it is asked.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture.h"
#include "drawdown/instant.h"
#include "drawdown/librarian.h"
#include "drawdown/log.h"
#include "drawdown/schema_text.h"
#include "drawdown/schemas.h"

static enum outcome refuse(struct failure *reterr, enum outcome outcome, const char *why)
{
	return fail(reterr, outcome, "fake", "%s", why);
}

static enum outcome refuse_id(struct failure *reterr, unsigned id)
{
	return fail(reterr, OUTCOME_REJECT, "fake", "no schema has what is asked for: %u", id);
}

#include <cmocka.h> /* last: it has a macro fail() */

#define PATIENCE (20 * INSTANT_SECOND)
#define KEPT_MAX 16
#define IDS_MAX 2048
#define USAGE(more)                                                                                            \
	"{\"type\":\"record\",\"name\":\"Consume\",\"namespace\":\"drawdown\",\"fields\":["                    \
	"{\"name\":\"customerId\",\"type\":\"string\"},{\"name\":\"currencyId\",\"type\":\"string\"},"         \
	"{\"name\":\"idempotencyKey\",\"type\":\"string\"},{\"name\":\"amount\",\"type\":{\"type\":\"bytes\"," \
	"\"logicalType\":\"decimal\",\"precision\":38,\"scale\":12}}" more "]}"

static const char usage[] = USAGE("");
static const char usage_with_doc[] = USAGE(",{\"name\":\"doc\",\"type\":\"string\",\"doc\":\"same canonical form\"}");
static const char usage_without_doc[] = USAGE(",{\"name\":\"doc\",\"type\":\"string\"}");

/* A record of schema `usage`, 1.5 credits, behind an id. */
static struct text value_of(unsigned id)
{
	static char values[IDS_MAX][64];
	static const char body[] = "\x08"
				   "acme\x02t\x02k\x0c\x01\x5d\x3e\xf7\x98\x00";
	char *value = values[id];

	memset(value, 0, 3);
	value[3] = (char)(id >> 8);
	value[4] = (char)id;
	memcpy(value + 5, body, sizeof body - 1);
	return (struct text){value, 5 + sizeof body - 1};
}

struct world {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct kept_schema kept[KEPT_MAX];
	size_t kept_count;
	const char *answers[IDS_MAX]; /* of the registry, by id; NULL: it knows none */
	unsigned failures[IDS_MAX];   /* so often before it answers */
	unsigned database_failures;
	bool hangs, is_interrupted;
	unsigned fetches[IDS_MAX], finds, wakes;
	int64_t last_fetch_at, pauses[5]; /* before the n-th question; of those for one id alone */
	char story[512];		  /* what was done, in order */
};

static struct world world;
static struct schemas *schemas;
static struct config config;

static void tell(const char *what, uint64_t which)
{
	size_t used = strlen(world.story);
	snprintf(world.story + used, sizeof world.story - used, "%s%s %u", used ? ", " : "", what,
		(unsigned)(which & 0xff));
}

static enum outcome fake_list(void *self, size_t count_max, struct arena *arena, struct kept_schema **ret_kept,
	size_t *ret_count, struct failure *reterr)
{
	(void)self, (void)count_max, (void)arena, (void)reterr;
	*ret_kept = world.kept;
	*ret_count = world.kept_count;
	return OUTCOME_OK;
}

static struct text find_kept(struct schema_ref ref)
{
	for (size_t i = 0; i < world.kept_count; i++)
		if (world.kept[i].ref.kind == ref.kind && world.kept[i].ref.value == ref.value)
			return world.kept[i].schema;
	return TEXT_NULL;
}

static enum outcome fake_find(void *self, const struct schema_ref *refs, size_t count, struct arena *arena,
	struct text *ret_schemas, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	(void)self;
	pthread_mutex_lock(&world.mutex);
	world.finds++;
	if (world.database_failures) {
		world.database_failures--;
		outcome = refuse(reterr, OUTCOME_RETRY, "planted");
	}
	for (size_t i = 0; i < count; i++)
		ret_schemas[i] = arena_copy(arena, find_kept(refs[i]));
	pthread_mutex_unlock(&world.mutex);
	return outcome;
}

static enum outcome fake_keep(void *self, struct schema_ref ref, struct text schema, struct arena *arena,
	struct text *ret_schema, struct failure *reterr)
{
	(void)self, (void)reterr;
	pthread_mutex_lock(&world.mutex);
	tell(ref.kind == SCHEMA_REF_ID ? "keep id" : "keep fingerprint", ref.value);
	if (!find_kept(ref).data)
		world.kept[world.kept_count++] = (struct kept_schema){ref, schema}; /* all of them are static texts */
	*ret_schema = arena_copy(arena, find_kept(ref));
	pthread_mutex_unlock(&world.mutex);
	return OUTCOME_OK;
}

/* The registry is asked for the n-th time, from 0. */
static void note_pause(unsigned n)
{
	int64_t now = monotonic_now();

	if (n < sizeof world.pauses / sizeof *world.pauses)
		world.pauses[n] = now - world.last_fetch_at;
	world.last_fetch_at = now;
}

static enum outcome fake_fetch(
	void *self, uint32_t id, struct arena *arena, struct text *ret_schema, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	(void)self, (void)arena;
	pthread_mutex_lock(&world.mutex);
	note_pause(world.fetches[id]++);
	tell("fetch", id);
	pthread_cond_broadcast(&world.changed);
	while (world.hangs && !world.is_interrupted)
		pthread_cond_wait(&world.changed, &world.mutex);
	if (world.is_interrupted || world.failures[id]) {
		world.failures[id] -= world.failures[id] > 0;
		outcome = refuse(reterr, OUTCOME_RETRY, "planted");
	} else if (!world.answers[id]) {
		outcome = refuse_id(reterr, id);
	} else {
		*ret_schema = text_of(world.answers[id]);
	}
	pthread_mutex_unlock(&world.mutex);
	return outcome;
}

static void fake_interrupt(void *self)
{
	(void)self;
	pthread_mutex_lock(&world.mutex);
	world.is_interrupted = true;
	pthread_cond_broadcast(&world.changed);
	pthread_mutex_unlock(&world.mutex);
}

static void fake_close(void *self)
{
	(void)self;
}

static void note_wake(void *self)
{
	(void)self;
	pthread_mutex_lock(&world.mutex);
	world.wakes++;
	pthread_cond_broadcast(&world.changed);
	pthread_mutex_unlock(&world.mutex);
}

static void open_schemas(bool has_registry)
{
	const struct library library = {
		.self = &world,
		.list = fake_list,
		.find = fake_find,
		.keep = fake_keep,
		.fetch = has_registry ? fake_fetch : NULL,
		.interrupt = fake_interrupt,
		.close = fake_close,
	};
	struct failure failure;

	world.is_interrupted = false;
	assert_int_equal(schemas_open(&schemas, &config, &library, &failure), OUTCOME_OK);
	schemas_set_wake(schemas, note_wake, NULL);
}

static int begin(void **state)
{
	(void)state;
	log_configure(LOG_ERROR + 1, false);
	memset(&world, 0, sizeof world);
	pthread_mutex_init(&world.mutex, NULL);
	pthread_cond_init(&world.changed, NULL);
	config = (struct config){.registry_unknown_lifetime = INSTANT_SECOND};
	open_schemas(true);
	return 0;
}

static int end(void **state)
{
	(void)state;
	return schemas_close(schemas, PATIENCE) ? 0 : -1;
}

/* Polls as the loop does, until the value may be decoded. */
static void await_admission(struct text value, bool is_recovering)
{
	int64_t deadline = monotonic_now() + PATIENCE;

	for (;;) {
		unsigned wakes;
		schemas_turn(schemas, is_recovering);
		pthread_mutex_lock(&world.mutex);
		wakes = world.wakes;
		pthread_mutex_unlock(&world.mutex);
		if (schemas_admit(schemas, value, is_recovering))
			return;
		assert_true(monotonic_now() < deadline);
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 20000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_mutex_lock(&world.mutex);
		if (world.wakes == wakes)
			pthread_cond_timedwait(&world.changed, &world.mutex, &until);
		pthread_mutex_unlock(&world.mutex);
	}
}

/* NULL: it is an event. */
static const struct defect *defect_of(struct text value)
{
	static struct defect defect;
	struct event event;
	struct arena arena;

	arena_init(&arena, 4096);
	bool is_event = decode_event(schemas_decoder(schemas), &arena, value, &event, &defect);
	arena_release(&arena);
	return is_event ? NULL : &defect;
}

static const char *reason_of(struct text value)
{
	const struct defect *defect = defect_of(value);
	return defect ? defect->reason : NULL;
}

static const char *text_of_defect(struct text value)
{
	const struct defect *defect = defect_of(value);
	return defect ? defect->text : "";
}

static uint64_t fingerprint_of(const char *schema)
{
	struct schema_identity identity;
	char why[SCHEMA_WHY_SIZE];
	struct arena arena;

	arena_init(&arena, 4096);
	assert_true(schema_text_identify(text_of(schema), &arena, &identity, why));
	arena_release(&arena);
	return identity.fingerprint;
}

static void a_schema_is_asked_for_once_and_kept_before_it_is_used(void **state)
{
	(void)state;
	char expected[128];

	world.answers[7] = usage;
	for (int i = 0; i < 50; i++)
		assert_false(schemas_admit(schemas, value_of(7), false));
	await_admission(value_of(7), false);
	assert_null(reason_of(value_of(7)));
	assert_int_equal(world.fetches[7], 1);
	snprintf(expected, sizeof expected, "fetch 7, keep fingerprint %u, keep id 7",
		(unsigned)(fingerprint_of(usage) & 0xff));
	assert_string_equal(world.story, expected);
}

static void what_is_kept_is_known_from_the_start_without_a_registry(void **state)
{
	world.answers[7] = usage;
	await_admission(value_of(7), false);
	assert_int_equal(end(state), 0);
	open_schemas(false);
	assert_true(schemas_admit(schemas, value_of(7), false));
	assert_null(reason_of(value_of(7)));
	assert_int_equal(world.fetches[7], 1);
}

static void what_another_worker_keeps_meanwhile_is_found_there(void **state)
{
	(void)state;
	world.kept[world.kept_count++] = (struct kept_schema){{SCHEMA_REF_ID, 9}, text_of(usage)};
	await_admission(value_of(9), false);
	assert_null(reason_of(value_of(9)));
	assert_int_equal(world.fetches[9], 0);
}

static void what_was_kept_first_counts(void **state)
{
	(void)state;
	struct schema_ref fingerprint = {SCHEMA_REF_FINGERPRINT, fingerprint_of(usage_with_doc)};

	assert_true(fingerprint.value == fingerprint_of(usage_without_doc));
	world.answers[1] = usage_with_doc;
	world.answers[2] = usage_without_doc;
	await_admission(value_of(1), false);
	await_admission(value_of(2), false);
	assert_string_equal(find_kept(fingerprint).data, usage_with_doc);
	assert_int_equal(world.kept_count, 3);
}

/* The same canonical form, but the amount is no decimal. */
static void a_fingerprint_stands_for_what_was_kept_for_it(void **state)
{
	(void)state;
	static const char plain[] =
		"{\"type\":\"record\",\"name\":\"Consume\",\"namespace\":\"drawdown\",\"fields\":["
		"{\"name\":\"customerId\",\"type\":\"string\"},{\"name\":\"currencyId\",\"type\":\"string\"},"
		"{\"name\":\"idempotencyKey\",\"type\":\"string\"},{\"name\":\"amount\",\"type\":\"bytes\"}]}";
	const struct schema_ref fingerprint = {SCHEMA_REF_FINGERPRINT, fingerprint_of(usage)};
	struct text value = value_of(3);
	char framed[64] = {(char)0xc3, 0x01};

	assert_true(fingerprint.value == fingerprint_of(plain));
	world.kept[world.kept_count++] = (struct kept_schema){fingerprint, text_of(usage)};
	world.answers[3] = plain;
	await_admission(value, false);
	assert_string_equal(reason_of(value), "unusable_schema");
	memcpy(framed + 2, &fingerprint.value, 8);
	memcpy(framed + 10, value.data + 5, value.size - 5);
	assert_true(schemas_admit(schemas, (struct text){framed, value.size + 5}, false));
	assert_null(reason_of((struct text){framed, value.size + 5}));
}

/* How they are spread is tested with backoff_pause. */
static void questions_that_fail_are_repeated_after_longer_and_longer_pauses(void **state)
{
	(void)state;
	world.answers[1] = usage;
	world.failures[1] = 4;
	await_admission(value_of(1), false);
	assert_int_equal(world.fetches[1], 5);
	for (int i = 1; i < 5; i++)
		assert_in_range(world.pauses[i], (50 << (i - 1)) * INSTANT_MILLISECOND, PATIENCE);
}

static void what_is_expected_is_asked_for_before_its_turn(void **state)
{
	(void)state;
	world.answers[7] = usage;
	schemas_expect(schemas, value_of(7), false);
	pthread_mutex_lock(&world.mutex);
	while (!world.wakes)
		pthread_cond_wait(&world.changed, &world.mutex);
	pthread_mutex_unlock(&world.mutex);
	schemas_turn(schemas, false);
	assert_true(schemas_admit(schemas, value_of(7), false));
}

/* Each partition's head may wait, beside all that was wanted ahead of its turn. */
static void what_is_only_expected_takes_no_place_of_what_is_waited_for(void **state)
{
	(void)state;
	const unsigned heads_at = LIBRARIAN_WANTED_MAX, kept = IDS_MAX - 1;

	for (unsigned id = 0; id < IDS_MAX; id++)
		world.failures[id] = UINT32_MAX;
	world.kept[world.kept_count++] = (struct kept_schema){{SCHEMA_REF_ID, kept}, text_of(usage)};
	for (unsigned id = 0; id < heads_at; id++)
		schemas_expect(schemas, value_of(id), false);
	for (unsigned id = heads_at; id < heads_at + BATCH_SPANS_MAX - 1; id++)
		assert_false(schemas_admit(schemas, value_of(id), false));
	await_admission(value_of(kept), false);
	assert_null(reason_of(value_of(kept)));
}

static void each_refused_schema_is_told_once(void **state)
{
	(void)state;
	static struct capture capture;
	const char *line = "msg=\"no schema has what is asked for: ";
	unsigned lines_count = 0;

	log_configure(LOG_WARNING, false);
	capture_begin(&capture);
	for (int round = 0; round < 2; round++) {
		await_admission(value_of(5), false);
		await_admission(value_of(6), false);
		schemas_begin_anew(schemas);
	}
	for (unsigned id = 100; id < 200; id++) /* nobody fills a log */
		await_admission(value_of(id), false);
	capture_end(&capture);
	log_configure(LOG_ERROR + 1, false);
	assert_int_equal(world.fetches[5], 2);
	assert_int_equal(world.fetches[6], 2);
	assert_int_equal(world.fetches[199], 1);
	for (const char *at = strstr(capture.err, line); at; at = strstr(at + 1, line)) {
		static const unsigned expected[] = {5, 6, 100, 101};
		if (lines_count < sizeof expected / sizeof *expected)
			assert_int_equal(strtoul(at + strlen(line), NULL, 10), expected[lines_count]);
		lines_count++;
	}
	assert_int_equal(lines_count, 64);
}

static void a_dead_letter_says_why_its_schema_is_not_to_be_had(void **state)
{
	(void)state;
	await_admission(value_of(5), false);
	assert_string_equal(text_of_defect(value_of(5)), "no schema has what is asked for: 5");
	schemas_begin_anew(schemas);
	await_admission(value_of(5), true);
	assert_string_equal(text_of_defect(value_of(5)), "no schema has the id 5");
}

static void a_failure_is_tried_again_and_holds_up_no_other(void **state)
{
	(void)state;
	world.answers[1] = world.answers[2] = usage;
	world.failures[1] = UINT32_MAX;
	assert_false(schemas_admit(schemas, value_of(1), false));
	await_admission(value_of(2), false);
	assert_null(reason_of(value_of(2)));
	assert_int_equal(world.fetches[2], 1);
	pthread_mutex_lock(&world.mutex);
	world.failures[1] = 0;
	pthread_mutex_unlock(&world.mutex);
	await_admission(value_of(1), false);
	assert_null(reason_of(value_of(1)));
	assert_in_range(world.fetches[1], 2, 20);
}

static void a_database_that_fails_is_tried_again(void **state)
{
	(void)state;
	world.answers[1] = usage;
	world.database_failures = 2;
	await_admission(value_of(1), false);
	assert_null(reason_of(value_of(1)));
}

static void what_nobody_knows_is_asked_for_again_after_its_lifetime(void **state)
{
	(void)state;
	await_admission(value_of(5), false);
	assert_string_equal(reason_of(value_of(5)), "unknown_schema");
	assert_int_equal(world.fetches[5], 1);
	assert_true(schemas_admit(schemas, value_of(5), false));
	world.answers[5] = usage;
	int64_t deadline = monotonic_now() + PATIENCE;
	while (reason_of(value_of(5)) && monotonic_now() < deadline)
		await_admission(value_of(5), false);
	assert_null(reason_of(value_of(5)));
	assert_int_equal(world.fetches[5], 2);
}

static void a_recovery_asks_no_registry_and_what_follows_does(void **state)
{
	(void)state;
	world.answers[5] = usage;
	await_admission(value_of(5), true);
	assert_string_equal(reason_of(value_of(5)), "unknown_schema");
	assert_int_equal(world.fetches[5], 0);
	schemas_begin_anew(schemas);
	await_admission(value_of(5), false);
	assert_null(reason_of(value_of(5)));
}

static void what_a_recovery_has_not_taken_says_nothing_afterwards(void **state)
{
	(void)state;
	world.answers[5] = usage;
	assert_false(schemas_admit(schemas, value_of(5), true));
	pthread_mutex_lock(&world.mutex);
	while (!world.wakes)
		pthread_cond_wait(&world.changed, &world.mutex);
	pthread_mutex_unlock(&world.mutex);
	schemas_begin_anew(schemas);
	await_admission(value_of(5), false);
	assert_null(reason_of(value_of(5)));
}

static void what_nobody_knew_before_a_recovery_is_looked_for_again_in_it(void **state)
{
	(void)state;
	assert_false(schemas_admit(schemas, value_of(5), false));
	pthread_mutex_lock(&world.mutex);
	while (!world.wakes)
		pthread_cond_wait(&world.changed, &world.mutex);
	world.kept[world.kept_count++] = (struct kept_schema){{SCHEMA_REF_ID, 5}, text_of(usage)};
	pthread_mutex_unlock(&world.mutex);
	schemas_begin_anew(schemas);
	await_admission(value_of(5), true);
	assert_null(reason_of(value_of(5)));
}

static void a_recovery_does_not_wait_for_a_registry_that_fails(void **state)
{
	(void)state;
	world.failures[5] = UINT32_MAX;
	assert_false(schemas_admit(schemas, value_of(5), false));
	pthread_mutex_lock(&world.mutex);
	while (world.fetches[5] < 2)
		pthread_cond_wait(&world.changed, &world.mutex);
	pthread_mutex_unlock(&world.mutex);
	await_admission(value_of(5), true);
	assert_string_equal(reason_of(value_of(5)), "unknown_schema");
}

static void more_unknown_schemas_than_are_remembered_do_no_harm(void **state)
{
	(void)state;
	assert_int_equal(end(state), 0);
	open_schemas(false);
	for (uint32_t i = 0; i < 3000; i++) {
		char value[10] = {(char)0xc3, 0x01, 1};
		memcpy(value + 3, &i, sizeof i);
		await_admission((struct text){value, sizeof value}, false);
		assert_string_equal(reason_of((struct text){value, sizeof value}), "unknown_schema");
	}
}

static void an_end_comes_though_the_registry_hangs(void **state)
{
	world.hangs = true;
	assert_false(schemas_admit(schemas, value_of(5), false));
	pthread_mutex_lock(&world.mutex);
	while (!world.fetches[5])
		pthread_cond_wait(&world.changed, &world.mutex);
	pthread_mutex_unlock(&world.mutex);
	assert_int_equal(end(state), 0);
	open_schemas(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_schema_is_asked_for_once_and_kept_before_it_is_used, begin, end),
		cmocka_unit_test_setup_teardown(what_is_kept_is_known_from_the_start_without_a_registry, begin, end),
		cmocka_unit_test_setup_teardown(what_another_worker_keeps_meanwhile_is_found_there, begin, end),
		cmocka_unit_test_setup_teardown(what_was_kept_first_counts, begin, end),
		cmocka_unit_test_setup_teardown(a_fingerprint_stands_for_what_was_kept_for_it, begin, end),
		cmocka_unit_test_setup_teardown(what_a_recovery_has_not_taken_says_nothing_afterwards, begin, end),
		cmocka_unit_test_setup_teardown(
			what_nobody_knew_before_a_recovery_is_looked_for_again_in_it, begin, end),
		cmocka_unit_test_setup_teardown(a_failure_is_tried_again_and_holds_up_no_other, begin, end),
		cmocka_unit_test_setup_teardown(a_database_that_fails_is_tried_again, begin, end),
		cmocka_unit_test_setup_teardown(
			questions_that_fail_are_repeated_after_longer_and_longer_pauses, begin, end),
		cmocka_unit_test_setup_teardown(what_is_expected_is_asked_for_before_its_turn, begin, end),
		cmocka_unit_test_setup_teardown(what_is_only_expected_takes_no_place_of_what_is_waited_for, begin, end),
		cmocka_unit_test_setup_teardown(each_refused_schema_is_told_once, begin, end),
		cmocka_unit_test_setup_teardown(a_dead_letter_says_why_its_schema_is_not_to_be_had, begin, end),
		cmocka_unit_test_setup_teardown(what_nobody_knows_is_asked_for_again_after_its_lifetime, begin, end),
		cmocka_unit_test_setup_teardown(a_recovery_asks_no_registry_and_what_follows_does, begin, end),
		cmocka_unit_test_setup_teardown(a_recovery_does_not_wait_for_a_registry_that_fails, begin, end),
		cmocka_unit_test_setup_teardown(more_unknown_schemas_than_are_remembered_do_no_harm, begin, end),
		cmocka_unit_test_setup_teardown(an_end_comes_though_the_registry_hangs, begin, end),
	};
	return cmocka_run_group_tests_name("schemas", tests, NULL, NULL);
}
