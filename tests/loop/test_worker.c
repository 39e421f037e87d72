/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: whatever fails, wherever, the loop loses nothing and doubles nothing.
 * Method: the real worker.c, lane.c and core run over a broker and a database
 * in memory (fakes.h). The books of an undisturbed run are the reference. Then
 * the Nth call of each seam fails with each outcome, before or after its
 * effect, N = 1, 2, ... until a run passes untouched; after each run (a FATAL
 * end is followed by a new worker) the output topics must be the reference's,
 * byte by byte and in order for each customer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "drawdown/log.h"
#include "fakes.h"

#include <cmocka.h>

#define DAY_MS (86400LL * 1000)
#define START_MS (20000 * DAY_MS)

static const char *const customers[] = {"acme", "bolt", "cargo", "delta", "echo", "fig"};
#define CUSTOMERS_COUNT (sizeof customers / sizeof customers[0])

static char usage_topic[] = "credits.usage", commands_topic[] = "credits.commands";

static struct config make_config(void)
{
	return (struct config){
		.database_lanes = 2,
		.input_topics = {usage_topic, commands_topic},
		.batch_records_max = 6,
		.batch_entries_max = 1000,
		.batch_bytes_max = 1 << 20,
		.batch_linger = 0,
		.encoding = {.format = FORMAT_JSON, .input_topics = {usage_topic, commands_topic}},
		.rules = {.dedupe_window = 30 * INSTANT_DAY,
			.future_tolerance = 300 * INSTANT_SECOND,
			.grants_open_max = 1000},
	};
}

static void append_usage(
	struct fake_world *world, const char *customer, int64_t at_ms, const char *key, const char *amount)
{
	char value[256];
	snprintf(value, sizeof value,
		"{\"customerId\":\"%s\",\"currencyId\":\"tokens\",\"amount\":%s,\"idempotencyKey\":\"%s\"}", customer,
		amount, key);
	fake_append(world, INPUT_USAGE, customer, at_ms, value);
}

static void append_grant(struct fake_world *world, const char *customer, int64_t at_ms, const char *key,
	const char *amount, const char *more)
{
	char value[512];
	snprintf(value, sizeof value,
		"{\"type\":\"grant\",\"customerId\":\"%s\",\"currencyId\":\"tokens\",\"amount\":%s,\"idempotencyKey\":"
		"\"%s\","
		"\"grantType\":\"PAID\"%s}",
		customer, amount, key, more);
	fake_append(world, INPUT_COMMANDS, customer, at_ms, value);
}

/* Grants, usage over several of them, an overdraft and its settlement, a posting and an expiry that fall
 * due, a void, duplicates, a conflict, an unknown currency, a kind that is not permitted, two that are unreadable. */
static void append_history(struct fake_world *world)
{
	const int64_t at = START_MS;
	char terms[128];

	for (size_t i = 0; i < CUSTOMERS_COUNT; i++)
		append_usage(world, customers[i], at, "early", "1");
	for (size_t i = 0; i < CUSTOMERS_COUNT; i++) {
		append_grant(world, customers[i], at + 1, "g1", "10", "");
		snprintf(
			terms, sizeof terms, ",\"priority\":-1,\"expireAt\":\"2024-10-04T00:00:00.%03dZ\"", (int)i + 9);
		append_grant(world, customers[i], at + 1, "g2", "8.5", terms);
	}
	for (size_t i = 0; i < CUSTOMERS_COUNT; i++) {
		append_usage(world, customers[i], at + 2, "u1", "7.000000000001");
		append_usage(world, customers[i], at + 2, "u1", "7.000000000001");
		append_usage(world, customers[i], at + 2, "u1", "8");
	}
	for (size_t i = 0; i < CUSTOMERS_COUNT; i++)
		append_usage(world, customers[i], at + 12, "u2", "20");
	for (size_t i = 0; i < CUSTOMERS_COUNT; i++) {
		append_grant(world, customers[i], at + 13, "g3", "3", "");
		append_grant(world, customers[i], at + 13, "g4", "30",
			",\"grantId\":\"four\",\"effectiveAt\":\"2024-10-04T00:00:00.014Z\"");
	}
	for (size_t i = 0; i < CUSTOMERS_COUNT; i++)
		append_usage(world, customers[i], at + 20, "u3", "1");
	fake_append(world, INPUT_USAGE, "acme", at + 21, "{not json");
	fake_append(world, INPUT_USAGE, "bolt", at + 21,
		"{\"type\":\"grant\",\"customerId\":\"bolt\",\"currencyId\":\"tokens\",\"amount\":1,\"idempotencyKey\":"
		"\"n\","
		"\"grantType\":\"PAID\"}");
	fake_append(world, INPUT_USAGE, "cargo", at + 21,
		"{\"customerId\":\"cargo\",\"currencyId\":\"minutes\",\"amount\":1,\"idempotencyKey\":\"x\"}");
	fake_append(world, INPUT_COMMANDS, "delta", at + 21,
		"{\"type\":\"void\",\"customerId\":\"delta\",\"currencyId\":\"tokens\",\"grantId\":\"four\","
		"\"idempotencyKey\":"
		"\"v\"}");
	append_usage(world, "delta", at + 22, "u4", "2");
	append_usage(world, "fig", 300000000000000, "late", "1"); /* a record timestamp past the year 9999 */
}

struct books {
	char *ledger[CUSTOMERS_COUNT];
	char *outcomes[CUSTOMERS_COUNT];
	char *dead_letters;
};

static struct books read_books(const struct fake_world *world)
{
	struct books books;
	for (size_t i = 0; i < CUSTOMERS_COUNT; i++) {
		books.ledger[i] = fake_read(world, OUTPUT_LEDGER, customers[i]);
		books.outcomes[i] = fake_read(world, OUTPUT_OUTCOMES, customers[i]);
	}
	books.dead_letters = fake_read(world, OUTPUT_DEAD_LETTERS, NULL);
	return books;
}

static void release_books(struct books *books)
{
	for (size_t i = 0; i < CUSTOMERS_COUNT; i++) {
		free(books->ledger[i]);
		free(books->outcomes[i]);
	}
	free(books->dead_letters);
}

static struct books reference;

static void assert_books_are_the_reference(const struct fake_world *world, const char *story)
{
	struct books books = read_books(world);
	for (size_t i = 0; i < CUSTOMERS_COUNT; i++) {
		if (strcmp(books.ledger[i], reference.ledger[i]) != 0 ||
			strcmp(books.outcomes[i], reference.outcomes[i]) != 0)
			print_error("after: %s\n", story);
		assert_string_equal(books.ledger[i], reference.ledger[i]);
		assert_string_equal(books.outcomes[i], reference.outcomes[i]);
	}
	assert_string_equal(books.dead_letters, reference.dead_letters);
	release_books(&books);
}

/* The last balance published for a customer is the one in the database. */
static void assert_balances_are_current(const struct fake_world *world)
{
	for (size_t i = 0; i < world->accounts_count; i++) {
		const struct account *account = &world->accounts[i];
		struct arena arena;
		arena_init(&arena, 4096);
		struct text key = account_key_format(&account->key, &arena);
		const struct fake_output *last = NULL;
		for (size_t j = 0; j < world->outputs_count; j++)
			if (world->outputs[j].output == OUTPUT_BALANCES && text_equal(world->outputs[j].key, key))
				last = &world->outputs[j];
		assert_non_null(last);
		char seq[64];
		snprintf(seq, sizeof seq, "\"seq\":%lld", (long long)account->seq);
		assert_non_null(memmem(last->value.data, last->value.size, seq, strlen(seq)));
		arena_release(&arena);
	}
}

static struct fake_world *make_world(void)
{
	struct fake_world *world = malloc(sizeof *world);
	fake_world_init(world);
	append_history(world);
	return world;
}

static void free_world(struct fake_world *world)
{
	fake_world_release(world);
	free(world);
}

static int make_reference(void **state)
{
	(void)state;
	log_configure(LOG_ERROR, false);
	struct config config = make_config();
	struct fake_world *world = make_world();
	fake_run(world, &config);
	reference = read_books(world);
	free_world(world);
	return 0;
}

static int release_reference(void **state)
{
	(void)state;
	release_books(&reference);
	return 0;
}

static size_t count_lines(const char *text)
{
	size_t count = 0;
	for (; *text; text++)
		count += *text == '\n';
	return count;
}

static credit_t credit(const char *text)
{
	credit_t amount = 0;
	assert_int_equal(credit_parse(text_of(text), &amount), CREDIT_PARSED);
	return amount;
}

static void an_undisturbed_run_keeps_the_books_that_the_rules_ask_for(void **state)
{
	(void)state;
	struct config config = make_config();
	struct fake_world *world = make_world();
	fake_run(world, &config);

	/* 10 + 8.5 - 7.000000000001 - 20 + 3 + 30 - 1, less the 1.499999999999 of g2 where it ended before u2 came.
	 * delta's "four" (30, less the 7 that it settled, less u3's 1) is voided: 0, then u4. */
	static const char *const balances[] = {"22", "22", "22", "-2", "23.499999999999", "23.499999999999"};
	for (size_t i = 0; i < world->accounts_count; i++) {
		const struct account *account = &world->accounts[i];
		size_t customer = 0;
		while (!text_equal(account->key.customer_id, text_of(customers[customer])))
			customer++;
		assert_true(account->balance == credit(balances[customer]));
	}
	assert_int_equal(world->accounts_count, CUSTOMERS_COUNT);
	assert_int_equal(count_lines(reference.dead_letters), 2);
	/* early, the duplicate, the conflict, the grant that is posted later; bolt's grant in usage; cargo's minutes */
	assert_int_equal(count_lines(reference.outcomes[0]), 4);
	assert_int_equal(count_lines(reference.outcomes[1]), 5);
	assert_int_equal(count_lines(reference.outcomes[2]), 5);
	assert_non_null(strstr(reference.outcomes[1], "not_permitted"));
	assert_non_null(strstr(reference.outcomes[2], "unknown_currency"));
	assert_balances_are_current(world);
	free_world(world);
}

static void a_batch_of_one_and_a_batch_of_all_keep_the_same_books(void **state)
{
	(void)state;
	static const int sizes[] = {1, 2, 7, 1000};
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct config config = make_config();
		config.batch_records_max = sizes[i];
		config.database_lanes = 1 + (int64_t)i;
		struct fake_world *world = make_world();
		world->poll_records_max = (size_t)sizes[i];
		fake_run(world, &config);
		assert_books_are_the_reference(world, "another batch size");
		free_world(world);
	}
}

/* Returns false where the fault's call was never reached: nothing is left to try. */
static bool run_with_fault(enum seam seam, enum outcome outcome, bool after_effect, unsigned at)
{
	char story[128];
	snprintf(story, sizeof story, "call %u of %s fails with %s %s its effect", at, seam_name(seam),
		outcome_name(outcome), after_effect ? "after" : "before");
	struct config config = make_config();
	struct fake_world *world = make_world();
	/* A revocation, a fence, a lost and an unsure publication besides, so that the calls of a takeover and of a
	 * lost producer are reached as well. */
	world->revoke_at_poll = 9;
	world->fence_at_begin = 5;
	world->lose_send_at = 4;
	world->unsure_send_at = 6;
	world->fault_seam = seam;
	world->fault_at = at;
	world->fault_outcome = outcome;
	world->fault_after_effect = after_effect;
	fake_run(world, &config);
	assert_books_are_the_reference(world, story);
	assert_balances_are_current(world);
	bool fired = world->fault_fired;
	free_world(world);
	return fired;
}

static void try_all(enum seam seam, enum outcome outcome)
{
	unsigned fired_count = 0;

	for (int after_effect = 0; after_effect < 2; after_effect++)
		for (unsigned at = 1; run_with_fault(seam, outcome, after_effect, at); at++)
			fired_count++;
	assert_true(fired_count > 0);
}

static void every_call_may_fail_with_retry(void **state)
{
	(void)state;
	for (int seam = 0; seam < SEAM_COUNT; seam++)
		try_all((enum seam)seam, OUTCOME_RETRY);
}

static void every_call_may_fail_with_rewind(void **state)
{
	(void)state;
	for (int seam = 0; seam < SEAM_COUNT; seam++)
		if (seam != SEAM_OPEN)
			try_all((enum seam)seam, OUTCOME_REWIND);
}

static void every_call_may_be_the_last_of_a_worker(void **state)
{
	(void)state;
	for (int seam = 0; seam < SEAM_COUNT; seam++)
		try_all((enum seam)seam, OUTCOME_FATAL);
}

static void a_revocation_at_any_poll_loses_nothing(void **state)
{
	(void)state;
	for (unsigned at = 1; at < 60; at++) {
		struct config config = make_config();
		struct fake_world *world = make_world();
		world->revoke_at_poll = at;
		fake_run(world, &config);
		assert_books_are_the_reference(world, "a revocation");
		free_world(world);
	}
}

static void being_fenced_at_any_batch_loses_nothing(void **state)
{
	(void)state;
	for (unsigned at = 1; at < 20; at++) {
		struct config config = make_config();
		struct fake_world *world = make_world();
		world->fence_at_begin = at;
		fake_run(world, &config);
		assert_books_are_the_reference(world, "a fence");
		free_world(world);
	}
}

static void a_stop_and_an_abandoning_stop_at_any_poll_lose_nothing(void **state)
{
	(void)state;
	for (unsigned stops = 1; stops <= 2; stops++) {
		for (unsigned at = 1; at < 40; at++) {
			struct config config = make_config();
			struct fake_world *world = make_world();
			struct failure failure;
			world->stop_at_poll = at;
			world->stops_count = stops;
			assert_int_equal(fake_run_once(world, &config, &failure), OUTCOME_OK);
			world->stop_at_poll = 0;
			fake_run(world, &config);
			assert_books_are_the_reference(world, "a stop");
			free_world(world);
		}
	}
}

static void a_batch_that_makes_too_many_entries_comes_again_smaller(void **state)
{
	(void)state;
	struct config config = make_config();
	config.batch_entries_max = 2;
	struct fake_world *world = make_world();
	fake_run(world, &config);
	assert_books_are_the_reference(world, "too many entries");
	free_world(world);
}

/* Killed after COMMIT and before the publication; then retention takes the records. Not those of the batch behind,
 * which one lane may have committed and another not: what no lane has handled nobody can bring back. */
static void what_retention_took_before_it_was_published_comes_from_the_database(void **state)
{
	(void)state;
	struct config config = make_config();
	struct fake_world *world = make_world();
	struct failure failure;

	world->fault_seam = SEAM_SEND;
	world->fault_at = 2;
	world->fault_outcome = OUTCOME_FATAL;
	assert_int_equal(fake_run_once(world, &config, &failure), OUTCOME_FATAL);
	for (int input = 0; input < INPUT_COUNT; input++)
		for (int partition = 0; partition < FAKE_PARTITIONS; partition++)
			world->logs[input][partition].log_start = world->logs[input][partition].offered;
	log_configure(LOG_ERROR + 1, false);
	fake_run(world, &config);
	log_configure(LOG_ERROR, false);

	struct books books = read_books(world);
	for (size_t i = 0; i < CUSTOMERS_COUNT; i++)
		assert_string_equal(books.ledger[i], reference.ledger[i]);
	release_books(&books);
	free_world(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_undisturbed_run_keeps_the_books_that_the_rules_ask_for),
		cmocka_unit_test(a_batch_of_one_and_a_batch_of_all_keep_the_same_books),
		cmocka_unit_test(every_call_may_fail_with_retry),
		cmocka_unit_test(every_call_may_fail_with_rewind),
		cmocka_unit_test(every_call_may_be_the_last_of_a_worker),
		cmocka_unit_test(a_revocation_at_any_poll_loses_nothing),
		cmocka_unit_test(being_fenced_at_any_batch_loses_nothing),
		cmocka_unit_test(a_stop_and_an_abandoning_stop_at_any_poll_lose_nothing),
		cmocka_unit_test(a_batch_that_makes_too_many_entries_comes_again_smaller),
		cmocka_unit_test(what_retention_took_before_it_was_published_comes_from_the_database),
	};
	return cmocka_run_group_tests(tests, make_reference, release_reference);
}
