/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: whatever fails, wherever, the loop loses nothing and doubles nothing.
 * Method: the real worker.c, lane.c and core run over a broker and a database
 * in memory (fakes.h). The books of an undisturbed run are the reference; they
 * are compared with what the rules ask for, worked out by hand. Then the Nth
 * call of each seam fails with each outcome, before or after its effect, N =
 * 1, 2, ... until a run passes untouched; after each run (a FATAL end is
 * followed by a new worker) the output topics must be the reference's, byte by
 * byte and in order for each customer, and the last balance published that of
 * the database. All of it over each of the stories.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "drawdown/encode.h"
#include "drawdown/json_tree.h"
#include "drawdown/log.h"
#include "fake_rows.h"
#include "stories.h"

#include <cmocka.h>

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
			.grants_open_max = 1000,
			.holds_open_max = 1000},
	};
}

static const struct story *const stories[] = {&story_of_usage, &story_of_holds};
#define STORIES_COUNT (sizeof stories / sizeof stories[0])

/* What a story left in the topics. Nobody may count on an order between customers, or between topics. */
struct books {
	char *ledger[STORY_CUSTOMERS_MAX];
	char *outcomes[STORY_CUSTOMERS_MAX];
	char *notifications[STORY_CUSTOMERS_MAX];
	char *dead_letters;
};

static struct books read_books(const struct fake_world *world, const struct story *story)
{
	struct books books = {0};
	for (size_t i = 0; i < story->customers_count; i++) {
		books.ledger[i] = fake_read(world, OUTPUT_LEDGER, story->customers[i]);
		books.outcomes[i] = fake_read(world, OUTPUT_OUTCOMES, story->customers[i]);
		books.notifications[i] = fake_read(world, OUTPUT_NOTIFICATIONS, story->customers[i]);
	}
	books.dead_letters = fake_read(world, OUTPUT_DEAD_LETTERS, NULL);
	return books;
}

static void release_books(struct books *books)
{
	for (size_t i = 0; i < STORY_CUSTOMERS_MAX; i++) {
		free(books->ledger[i]);
		free(books->outcomes[i]);
		free(books->notifications[i]);
	}
	free(books->dead_letters);
}

static struct books references[STORIES_COUNT];

static void assert_lines(const char *actual, const char *expected, const char *disturbance)
{
	if (strcmp(actual, expected) != 0)
		print_error("after: %s\n", disturbance);
	assert_string_equal(actual, expected);
}

static void assert_customers_are_the_reference(const struct books *books, size_t story, const char *disturbance)
{
	const struct books *reference = &references[story];
	for (size_t i = 0; i < stories[story]->customers_count; i++) {
		assert_lines(books->ledger[i], reference->ledger[i], disturbance);
		assert_lines(books->outcomes[i], reference->outcomes[i], disturbance);
		assert_lines(books->notifications[i], reference->notifications[i], disturbance);
	}
}

static void assert_books_are_the_reference(const struct fake_world *world, size_t story, const char *disturbance)
{
	struct books books = read_books(world, stories[story]);
	assert_customers_are_the_reference(&books, story, disturbance);
	assert_lines(books.dead_letters, references[story].dead_letters, disturbance);
	release_books(&books);
}

/* The last balance published for an account is the one in the database, in every field. */
static void assert_balances_are_current(const struct fake_world *world)
{
	const struct config config = make_config();
	struct arena arena;
	arena_init(&arena, 4096);
	for (size_t i = 0; i < world->accounts_count; i++) {
		struct account account = {.key = world->accounts[i].account.key};
		fake_rows_fill_account(&world->accounts[i], &account, &arena);
		struct text key = account_key_format(&account.key, &arena);
		const struct fake_output *last = NULL;
		for (size_t j = 0; j < world->outputs_count; j++)
			if (world->outputs[j].output == OUTPUT_BALANCES && text_equal(world->outputs[j].key, key))
				last = &world->outputs[j];
		assert_non_null(last);
		struct text expected = encode_balance(&arena, &account, &config.encoding);
		assert_int_equal(last->value.size, expected.size);
		assert_memory_equal(last->value.data, expected.data, expected.size);
	}
	arena_release(&arena);
}

static struct fake_world *make_world(size_t story)
{
	struct fake_world *world = malloc(sizeof *world);
	fake_world_init(world);
	stories[story]->append(world, stories[story]);
	return world;
}

static void free_world(struct fake_world *world)
{
	fake_world_release(world);
	free(world);
}

static int make_references(void **state)
{
	(void)state;
	log_configure(LOG_ERROR, false);
	struct config config = make_config();
	for (size_t story = 0; story < STORIES_COUNT; story++) {
		struct fake_world *world = make_world(story);
		fake_run(world, &config);
		references[story] = read_books(world, stories[story]);
		free_world(world);
	}
	return 0;
}

static int release_references(void **state)
{
	(void)state;
	for (size_t story = 0; story < STORIES_COUNT; story++)
		release_books(&references[story]);
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

static const struct account *find_account(const struct fake_world *world, const char *customer)
{
	for (size_t i = 0; i < world->accounts_count; i++)
		if (text_equal(world->accounts[i].account.key.customer_id, text_of(customer)))
			return &world->accounts[i].account;
	return NULL;
}

/* Of each JSON object in `lines` these fields, by a space; null: a dash. Of times what follows the minute. */
static char *read_fields(const char *lines, const char *const *fields, size_t fields_count)
{
	static const char minute[] = "2024-10-04T00:00:";
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct arena arena;
	arena_init(&arena, 4096);

	for (const char *line = lines; *line; line = strchr(line, '\n') + 1) {
		const struct json_node *object =
			json_tree_parse((struct text){line, (size_t)(strchr(line, '\n') - line)}, &arena);
		for (size_t i = 0; i < fields_count; i++) {
			const struct json_node *field = json_tree_find(object, text_of(fields[i]));
			assert_non_null(field);
			struct text value = field->type == JSON_NULL ? TEXT_LITERAL("-") : field->text;
			if (value.size > strlen(minute) && memcmp(value.data, minute, strlen(minute)) == 0)
				value = (struct text){value.data + strlen(minute), value.size - strlen(minute)};
			fprintf(out, "%s%.*s", i ? " " : "", TEXT_ARGS(value));
		}
		fputc('\n', out);
	}
	fclose(out);
	arena_release(&arena);
	return text;
}

static void assert_fields(const char *lines, const char *const *fields, size_t fields_count, const char *expected)
{
	char *actual = read_fields(lines, fields, fields_count);
	assert_string_equal(actual, expected);
	free(actual);
}

static void an_undisturbed_run_keeps_the_books_that_the_rules_ask_for(void **state)
{
	(void)state;
	struct config config = make_config();
	struct fake_world *world = make_world(0);
	const struct books *reference = &references[0];
	fake_run(world, &config);

	/* 10 + 8.5 - 7.000000000001 - 20 + 3 + 30 - 1, less the 1.499999999999 of g2 where it ended before u2 came.
	 * delta's "four" (30, less the 7 that it settled, less u3's 1) is voided: 0, then u4. */
	static const char *const balances[] = {"22", "22", "22", "-2", "23.499999999999", "23.499999999999"};
	for (size_t i = 0; i < story_of_usage.customers_count; i++)
		assert_true(find_account(world, story_of_usage.customers[i])->balance == credit(balances[i]));
	assert_int_equal(world->accounts_count, story_of_usage.customers_count);
	assert_int_equal(count_lines(reference->dead_letters), 2);
	/* early, the duplicate, the conflict, the grant that is posted later; bolt's grant in usage; cargo's minutes */
	assert_int_equal(count_lines(reference->outcomes[0]), 4);
	assert_int_equal(count_lines(reference->outcomes[1]), 5);
	assert_int_equal(count_lines(reference->outcomes[2]), 5);
	assert_non_null(strstr(reference->outcomes[1], "not_permitted"));
	assert_non_null(strstr(reference->outcomes[2], "unknown_currency"));
	assert_balances_are_current(world);
	free_world(world);
}

/* Grants a 10, b 6 (burns first, ends at 30 ms), p 20 (pending until 15 ms), c 9, d 4 (ends at 40 ms), e 1.5.
 *
 * r1 keeps b 6 and a 6, r2 a 3 (16 - 15 are spendable); settling 13 takes b 6, a 6 and the 1 of a that is free. r2 runs
 * out at 12 ms: its 3 and an overdraft of 17 pay use-1. c's 9 and p's 8 settle it.
 * reverse-1 returns 5 of the overdraft's 17: p settled last. reverse-2 the other 15: p 3, c 9, then a 3.
 * reverse-3 returns settle-1: a 7, then b 6, which is past its end by then and goes out at once.
 * use-2 takes a 10, p 20, c 6.5: by effectiveAt.
 * d's end takes 1, the 3 that r5 keeps stay; settle-5 takes 2 of them, the last goes out. */
static void an_undisturbed_run_keeps_the_ledger_of_holds_and_reversals(void **state)
{
	(void)state;
	static const char *const fields[] = {"seq", "eventType", "grantId", "amount", "grantRemaining", "balanceAfter",
		"idempotencyKey", "recordedAt"};
	static const char expected[] =
		"1 CREDITS_GRANTED a 10 10 10 grant-a 00.001Z\n"
		"2 CREDITS_GRANTED b 6 6 16 grant-b 00.003Z\n"
		"3 CREDITS_CONSUMED b -6 0 10 settle-1 00.009Z\n"
		"4 CREDITS_CONSUMED a -7 3 3 settle-1 00.009Z\n"
		"5 CREDITS_CONSUMED a -3 0 0 use-1 00.013Z\n"
		"6 CREDITS_CONSUMED overdraft:tokens//4 -17 -17 -17 use-1 00.013Z\n"
		"7 CREDITS_GRANTED c 9 9 -8 grant-c 00.014Z\n"
		"8 CREDITS_CONSUMPTION_TRANSFER_SOURCE overdraft:tokens//4 9 -8 1 grant-c 00.014Z\n"
		"9 CREDITS_CONSUMPTION_TRANSFER_TARGET c -9 0 -8 grant-c 00.014Z\n"
		"10 CREDITS_GRANTED p 20 20 12 confirm-p 00.015Z\n"
		"11 CREDITS_CONSUMPTION_TRANSFER_SOURCE overdraft:tokens//4 8 0 20 confirm-p 00.015Z\n"
		"12 CREDITS_CONSUMPTION_TRANSFER_TARGET p -8 12 12 confirm-p 00.015Z\n"
		"13 CREDITS_REVERSED p 5 17 17 reverse-1 00.016Z\n"
		"14 CREDITS_REVERSED p 3 20 20 reverse-2 00.017Z\n"
		"15 CREDITS_REVERSED c 9 9 29 reverse-2 00.017Z\n"
		"16 CREDITS_REVERSED a 3 3 32 reverse-2 00.017Z\n"
		"17 CREDITS_REVERSED a 7 10 39 reverse-3 00.031Z\n"
		"18 CREDITS_REVERSED b 6 6 45 reverse-3 00.031Z\n"
		"19 CREDITS_EXPIRED b -6 0 39 - 00.031Z\n"
		"20 CREDITS_CONSUMED a -10 0 29 use-2 00.032Z\n"
		"21 CREDITS_CONSUMED p -20 0 9 use-2 00.032Z\n"
		"22 CREDITS_CONSUMED c -6.5 2.5 2.5 use-2 00.032Z\n"
		"23 CREDITS_VOIDED c -2.5 0 0 void-c 00.035Z\n"
		"24 CREDITS_GRANTED d 4 4 4 grant-d 00.037Z\n"
		"25 CREDITS_EXPIRED d -1 3 3 - 00.040Z\n"
		"26 CREDITS_CONSUMED overdraft:tokens//7 -0.5 -0.5 2.5 use-3 00.041Z\n"
		"27 CREDITS_CONSUMED d -2 1 0.5 settle-5 00.042Z\n"
		"28 CREDITS_EXPIRED d -1 0 -0.5 - 00.042Z\n"
		"29 CREDITS_GRANTED e 1.5 1.5 1 grant-e 00.044Z\n"
		"30 CREDITS_CONSUMPTION_TRANSFER_SOURCE overdraft:tokens//7 0.5 0 1.5 grant-e 00.044Z\n"
		"31 CREDITS_CONSUMPTION_TRANSFER_TARGET e -0.5 1 1 grant-e 00.044Z\n";
	for (size_t i = 0; i < story_of_holds.customers_count; i++)
		assert_fields(references[1].ledger[i], fields, sizeof fields / sizeof fields[0], expected);
}

/* What made no entry of its own. */
static void an_undisturbed_run_answers_holds_and_rejections_in_outcomes(void **state)
{
	(void)state;
	static const char *const fields[] = {"idempotencyKey", "type", "outcome", "code", "appliedAmount", "balance"};
	static const char expected[] = "configure-1 configure applied - 0 10\n"
				       "grant-p grant applied - 20 16\n"
				       "reserve-1 reserve applied - 12 16\n"
				       "reserve-2 reserve applied - 3 16\n"
				       "reserve-3 reserve rejected insufficient_credits 0 16\n"
				       "extend-2 extend applied - 0 16\n"
				       "settle-1b settle rejected reservation_closed 0 3\n"
				       "confirm-p2 confirm-payment rejected grant_not_pending 0 12\n"
				       "reverse-2b reverse rejected already_reversed 0 32\n"
				       "release-9 release rejected unknown_reservation 0 2.5\n"
				       "reserve-4 reserve applied - 2 2.5\n"
				       "release-4 release applied - 0 2.5\n"
				       "configure-2 configure applied - 0 0\n"
				       "reserve-1 reserve duplicate - 12 16\n"
				       "settle-1 settle conflict - 0 -\n"
				       "reserve-5 reserve applied - 3 4\n"
				       "reserve-6 reserve rejected insufficient_credits 0 -0.5\n"
				       "reserve-7 reserve applied - 1 1\n"
				       "advance-0 advance rejected not_due 0 -\n"
				       "advance-1 advance applied - 0 1\n";
	for (size_t i = 0; i < story_of_holds.customers_count; i++)
		assert_fields(references[1].outcomes[i], fields, sizeof fields / sizeof fields[0], expected);
	assert_int_equal(count_lines(references[1].dead_letters), 0);
}

/* Thresholds: 8 (armed from 8.8), 50 percent (of 16: 8; of 12: 6; armed above it) and 0, until configure-2 leaves 0
 * alone. Armed: all by configure-1; 0 as r2 runs out; all again by confirm-p; 0 by grant-d, grant-e, the end of r7.
 * The postings of c leave a balance of -8: no level. */
static void an_undisturbed_run_tells_what_the_rules_ask_for(void **state)
{
	(void)state;
	static const char *const fields[] = {
		"type", "grantId", "amount", "level", "balance", "held", "seq", "idempotencyKey", "recordedAt"};
	static const char expected[] = "credit_grant.created a 10 - 10 0 1 grant-a 00.001Z\n"
				       "credit_grant.created b 6 - 16 0 2 grant-b 00.003Z\n"
				       "credit_grant.created p 20 - 16 0 2 grant-p 00.004Z\n"
				       "credit_balance.low - - 8 16 12 2 reserve-1 00.005Z\n"
				       "credit_balance.low - - 8 16 12 2 reserve-1 00.005Z\n"
				       "credit_grant.depleted b - - 3 3 4 settle-1 00.009Z\n"
				       "credit_balance.depleted - - - 3 3 4 settle-1 00.009Z\n"
				       "credit_grant.depleted a - - -17 0 6 use-1 00.013Z\n"
				       "credit_balance.depleted - - - -17 0 6 use-1 00.013Z\n"
				       "credit_grant.created c 9 - -8 0 9 grant-c 00.014Z\n"
				       "credit_grant.depleted c - - -8 0 9 grant-c 00.014Z\n"
				       "credit_balance.recovered - - - 12 0 12 confirm-p 00.015Z\n"
				       "credit_grant.depleted a - - 2.5 0 22 use-2 00.032Z\n"
				       "credit_grant.depleted p - - 2.5 0 22 use-2 00.032Z\n"
				       "credit_balance.low - - 8 2.5 0 22 use-2 00.032Z\n"
				       "credit_balance.low - - 6 2.5 0 22 use-2 00.032Z\n"
				       "credit_grant.voided c 2.5 - 0 0 23 void-c 00.035Z\n"
				       "credit_balance.depleted - - - 0 0 23 void-c 00.035Z\n"
				       "credit_grant.created d 4 - 4 0 24 grant-d 00.037Z\n"
				       "credit_balance.recovered - - - 4 0 24 grant-d 00.037Z\n"
				       "credit_grant.expired d 1 - 3 3 25 - 00.040Z\n"
				       "credit_balance.depleted - - - 3 3 25 - 00.040Z\n"
				       "credit_grant.created e 1.5 - 1 0 31 grant-e 00.044Z\n"
				       "credit_balance.recovered - - - 1 0 31 grant-e 00.044Z\n"
				       "credit_balance.depleted - - - 1 1 31 reserve-7 00.045Z\n"
				       "credit_balance.recovered - - - 1 0 31 - 01.045Z\n";
	for (size_t i = 0; i < story_of_holds.customers_count; i++)
		assert_fields(references[1].notifications[i], fields, sizeof fields / sizeof fields[0], expected);
}

/* 10 + 6 + 9 + 20 + 4 + 1.5 granted; 13 + 20 - 20 - 13 + 36.5 + 0.5 + 2 consumed; 6 + 1 + 1 expired, 2.5 voided. */
static void an_undisturbed_run_leaves_the_accounts_that_the_rules_ask_for(void **state)
{
	(void)state;
	struct config config = make_config();
	struct fake_world *world = make_world(1);
	fake_run(world, &config);

	assert_int_equal(world->accounts_count, story_of_holds.customers_count);
	for (size_t i = 0; i < world->accounts_count; i++) {
		const struct fake_account *row = &world->accounts[i];
		assert_true(row->account.balance == credit("1"));
		assert_true(row->account.held == 0);
		assert_true(row->account.granted == credit("50.5"));
		assert_true(row->account.consumed == credit("39"));
		assert_int_equal(row->account.seq, 31);
		assert_int_equal(row->account.grants_made, 8); /* two overdrafts among them */
		assert_int_equal(row->account.holds_made, 5);
		assert_null(row->overrides.data);
		assert_true(row->due == INT64_MAX);
		assert_true(text_equal(row->alerts,
			TEXT_LITERAL("{\"posted\":\"1\",\"thresholds\":[{\"amount\":\"0\",\"hysteresis\":0,"
				     "\"state\":\"armed\"}]}")));
	}
	/* r1 settled, r2 run out, r4 released, r5 settled, r7 run out; their parts stay as they were */
	static const enum hold_state states[] = {HOLD_SETTLED, HOLD_RUN_OUT, HOLD_RELEASED, HOLD_SETTLED, HOLD_RUN_OUT};
	static const char *const parts[] = {
		"[{\"grantId\":\"b\",\"amount\":\"6\"},{\"grantId\":\"a\",\"amount\":\"6\"}]",
		"[{\"grantId\":\"a\",\"amount\":\"3\"}]",
		"[{\"grantId\":\"c\",\"amount\":\"2\"}]",
		"[{\"grantId\":\"d\",\"amount\":\"3\"}]",
		"[{\"grantId\":\"e\",\"amount\":\"1\"}]",
	};
	assert_int_equal(world->holds_count, 5 * story_of_holds.customers_count);
	for (size_t i = 0; i < world->holds_count; i++) {
		const struct fake_hold *row = &world->holds[i];
		assert_in_range(row->hold.ordinal, 1, 5);
		assert_int_equal(row->hold.state, states[row->hold.ordinal - 1]);
		assert_true(text_equal(row->parts, text_of(parts[row->hold.ordinal - 1])));
	}
	/* c 9 and p 8 for the first overdraft, all returned; e 0.5 for the second */
	assert_int_equal(world->transfers_count, 3 * story_of_holds.customers_count);
	for (size_t i = 0; i < world->transfers_count; i++) {
		const struct transfer *transfer = &world->transfers[i].transfer;
		assert_true(transfer->returned == (transfer->seq == 31 ? 0 : transfer->amount));
	}
	assert_int_equal(world->reversals_count, 2 * story_of_holds.customers_count);
	for (size_t i = 0; i < world->reversals_count; i++)
		assert_true(world->reversals[i].reversed == credit(world->reversals[i].first_seq == 3 ? "13" : "20"));
	assert_balances_are_current(world);
	free_world(world);
}

static void a_batch_of_one_and_a_batch_of_all_keep_the_same_books(void **state)
{
	(void)state;
	static const int sizes[] = {1, 2, 7, 1000};
	for (size_t i = 0; i < STORIES_COUNT * 4; i++) {
		struct config config = make_config();
		config.batch_records_max = sizes[i % 4];
		config.database_lanes = 1 + (int64_t)i % 4;
		struct fake_world *world = make_world(i / 4);
		world->poll_records_max = (size_t)sizes[i % 4];
		fake_run(world, &config);
		assert_books_are_the_reference(world, i / 4, "another batch size");
		assert_balances_are_current(world);
		free_world(world);
	}
}

/* Returns false where the fault's call was never reached: nothing is left to try. */
static bool run_with_fault(size_t story, enum seam seam, enum outcome outcome, bool after_effect, unsigned at)
{
	char disturbance[128];
	snprintf(disturbance, sizeof disturbance, "call %u of %s fails with %s %s its effect", at, seam_name(seam),
		outcome_name(outcome), after_effect ? "after" : "before");
	struct config config = make_config();
	config.batch_records_max = stories[story]->batch_records_max;
	struct fake_world *world = make_world(story);
	world->poll_records_max = stories[story]->poll_records_max;
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
	assert_books_are_the_reference(world, story, disturbance);
	assert_balances_are_current(world);
	bool fired = world->fault_fired;
	free_world(world);
	return fired;
}

static void try_all(enum seam seam, enum outcome outcome)
{
	for (size_t story = 0; story < STORIES_COUNT; story++) {
		unsigned fired_count = 0;
		for (int after_effect = 0; after_effect < 2; after_effect++)
			for (unsigned at = 1; run_with_fault(story, seam, outcome, after_effect, at); at++)
				fired_count++;
		assert_true(fired_count > 0);
	}
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
	for (unsigned i = 0; i < STORIES_COUNT * 60; i++) {
		struct config config = make_config();
		struct fake_world *world = make_world(i / 60);
		world->revoke_at_poll = i % 60 + 1;
		fake_run(world, &config);
		assert_books_are_the_reference(world, i / 60, "a revocation");
		free_world(world);
	}
}

static void being_fenced_at_any_batch_loses_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < STORIES_COUNT * 20; i++) {
		struct config config = make_config();
		struct fake_world *world = make_world(i / 20);
		world->fence_at_begin = i % 20 + 1;
		fake_run(world, &config);
		assert_books_are_the_reference(world, i / 20, "a fence");
		free_world(world);
	}
}

static void a_stop_and_an_abandoning_stop_at_any_poll_lose_nothing(void **state)
{
	(void)state;
	for (unsigned stops = 1; stops <= 2; stops++) {
		for (unsigned i = 0; i < STORIES_COUNT * 40; i++) {
			struct config config = make_config();
			struct fake_world *world = make_world(i / 40);
			struct failure failure;
			world->stop_at_poll = i % 40 + 1;
			world->stops_count = stops;
			assert_int_equal(fake_run_once(world, &config, &failure), OUTCOME_OK);
			world->stop_at_poll = 0;
			fake_run(world, &config);
			assert_books_are_the_reference(world, i / 40, "a stop");
			free_world(world);
		}
	}
}

/* At each record of a pair in turn, for a few polls or long; meanwhile the worker is disturbed, or not. */
static void run_held(size_t story, int64_t offset, unsigned polls, unsigned disturbance)
{
	struct config config = make_config();
	struct fake_world *world = make_world(story);
	struct failure failure;

	world->held_log = &world->logs[offset % 2 ? INPUT_COMMANDS : INPUT_USAGE][offset % 3 ? 0 : 1];
	world->held_offset = offset / 2;
	world->held_until_poll = polls;
	if (disturbance == 1)
		world->revoke_at_poll = polls - 2;
	if (disturbance == 2)
		world->fence_at_begin = 3;
	if (disturbance == 3) {
		world->stop_at_poll = polls - 2;
		assert_int_equal(fake_run_once(world, &config, &failure), OUTCOME_OK);
		world->stop_at_poll = 0;
		world->held_until_poll = world->calls[SEAM_POLL] + polls; /* it waits in the next worker, too */
	}
	fake_run(world, &config);
	struct books books = read_books(world, stories[story]);
	assert_customers_are_the_reference(&books, story, "a wait");
	assert_int_equal(count_lines(books.dead_letters), count_lines(references[story].dead_letters));
	release_books(&books);
	free_world(world);
}

static void a_pair_that_waits_loses_nothing_whatever_happens_meanwhile(void **state)
{
	(void)state;
	for (size_t story = 0; story < STORIES_COUNT; story++)
		for (int64_t offset = 0; offset < 40; offset++)
			for (unsigned disturbance = 0; disturbance < 4; disturbance++)
				run_held(story, offset, 20, disturbance);
}

static void a_pair_that_waits_holds_up_no_other(void **state)
{
	(void)state;
	struct config config = make_config();
	struct fake_world *world = make_world(0);
	struct failure failure;

	world->held_log = &world->logs[INPUT_USAGE][0];
	world->held_until_poll = UINT_MAX;
	world->stop_at_poll = 120;
	assert_int_equal(fake_run_once(world, &config, &failure), OUTCOME_OK);
	const struct fake_log *held = world->logs[INPUT_USAGE], *others = held + 1;
	assert_true(held->log_end > 0 && others->log_end > 0);
	assert_int_equal(held->committed, 0);
	assert_int_equal(others->committed, others->log_end);
	world->held_until_poll = world->stop_at_poll = 0;
	fake_run(world, &config);
	free_world(world);
}

static void a_batch_that_makes_too_many_entries_comes_again_smaller(void **state)
{
	(void)state;
	for (size_t story = 0; story < STORIES_COUNT; story++) {
		struct config config = make_config();
		config.batch_entries_max = 2;
		struct fake_world *world = make_world(story);
		fake_run(world, &config);
		assert_books_are_the_reference(world, story, "too many entries");
		free_world(world);
	}
}

/* Killed after COMMIT and before the publication; then retention takes the records. Not those of the batch behind,
 * which one lane may have committed and another not: what no lane has handled nobody can bring back. */
static void lose_records_before_send(size_t story, unsigned at)
{
	struct config config = make_config();
	struct fake_world *world = make_world(story);
	struct failure failure;

	world->fault_seam = SEAM_SEND;
	world->fault_at = at;
	world->fault_outcome = OUTCOME_FATAL;
	assert_int_equal(fake_run_once(world, &config, &failure), OUTCOME_FATAL);
	for (int input = 0; input < INPUT_COUNT; input++)
		for (int partition = 0; partition < FAKE_PARTITIONS; partition++)
			world->logs[input][partition].log_start = world->logs[input][partition].offered;
	log_configure(LOG_ERROR + 1, false);
	fake_run(world, &config);
	log_configure(LOG_ERROR, false);

	struct books books = read_books(world, stories[story]);
	for (size_t i = 0; i < stories[story]->customers_count; i++) {
		assert_lines(books.ledger[i], references[story].ledger[i], "retention");
		assert_lines(books.notifications[i], references[story].notifications[i], "retention");
	}
	assert_balances_are_current(world);
	release_books(&books);
	free_world(world);
}

static void what_retention_took_before_it_was_published_comes_from_the_database(void **state)
{
	(void)state;
	for (size_t story = 0; story < STORIES_COUNT; story++)
		for (unsigned at = 2; at < 9; at++)
			lose_records_before_send(story, at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_undisturbed_run_keeps_the_books_that_the_rules_ask_for),
		cmocka_unit_test(an_undisturbed_run_keeps_the_ledger_of_holds_and_reversals),
		cmocka_unit_test(an_undisturbed_run_answers_holds_and_rejections_in_outcomes),
		cmocka_unit_test(an_undisturbed_run_tells_what_the_rules_ask_for),
		cmocka_unit_test(an_undisturbed_run_leaves_the_accounts_that_the_rules_ask_for),
		cmocka_unit_test(a_batch_of_one_and_a_batch_of_all_keep_the_same_books),
		cmocka_unit_test(every_call_may_fail_with_retry),
		cmocka_unit_test(every_call_may_fail_with_rewind),
		cmocka_unit_test(every_call_may_be_the_last_of_a_worker),
		cmocka_unit_test(a_revocation_at_any_poll_loses_nothing),
		cmocka_unit_test(being_fenced_at_any_batch_loses_nothing),
		cmocka_unit_test(a_stop_and_an_abandoning_stop_at_any_poll_lose_nothing),
		cmocka_unit_test(a_pair_that_waits_loses_nothing_whatever_happens_meanwhile),
		cmocka_unit_test(a_pair_that_waits_holds_up_no_other),
		cmocka_unit_test(a_batch_that_makes_too_many_entries_comes_again_smaller),
		cmocka_unit_test(what_retention_took_before_it_was_published_comes_from_the_database),
	};
	return cmocka_run_group_tests(tests, make_references, release_references);
}
