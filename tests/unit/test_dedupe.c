/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: an input is done once. Its own receipt comes before every other question; then what the record alone says;
 * then the same key with the same or with other content.
 * Method: pairs of records in one batch, in two batches, and the same record a second time.
 */
#include "money_fixture.h"

static struct record *read_again(struct money *money, const struct record *record)
{
	struct record *again = arena_alloc(&money->arena, sizeof *again);
	*again = *record;
	return add_record(money, again);
}

static void the_same_key_and_content_is_a_duplicate_within_a_batch(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	consume(money, "c", "2");
	consume(money, "other", "1");
	struct record *again = consume(money, "c", "2.000");
	run(money);
	assert_string_equal(outcome_of(money, again), "duplicate 2 of 2, balance 3, seq 2-2");
	assert_int_equal(money->work.entries_count, 3);
	assert_int_equal(money->work.receipts_count, 3);
}

static void the_same_key_and_content_is_a_duplicate_in_a_later_batch(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	consume(money, "c", "2");
	run(money);
	struct record *consumed = consume(money, "c", "2"), *granted = grant(money, "A", (struct terms){.amount = "5"});
	run(money);
	assert_string_equal(outcome_of(money, consumed), "duplicate 2 of 2, balance 3, seq 2-2");
	assert_string_equal(outcome_of(money, granted), "duplicate 5 of 5, balance 5, seq 1-1");
	assert_int_equal(money->work.entries_count, 0);
	assert_int_equal(money->work.receipts_count, 0);
}

static void usage_in_both_topics_shares_its_keys(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	money->input = INPUT_USAGE;
	consume(money, "c", "2");
	money->input = INPUT_COMMANDS;
	struct record *again = consume(money, "c", "2");
	run(money);
	assert_string_equal(outcome_of(money, again), "duplicate 2 of 2, balance 3, seq 2-2");
}

static void usage_cannot_burn_the_key_of_a_command(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	struct record *record = consume(money, "A", "2");
	run(money);
	assert_string_equal(outcome_of(money, record), "applied 2 of 2, balance 3, seq 2-2");
}

static void each_customer_has_keys_of_its_own(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	money->customer_id = "other";
	struct record *record = grant(money, "A", (struct terms){.amount = "6"});
	run(money);
	assert_int_equal(record->result.kind, RESULT_APPLIED);
}

static void the_same_key_with_other_content_is_a_conflict(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	consume(money, "c", "2");
	struct record *amount = consume(money, "c", "2.000000000001");
	struct record *kind = void_grant(money, "A", "A");
	struct record *priority = grant(money, "A", (struct terms){.amount = "5", .priority = 1});
	money->resource_id = "r1";
	struct record *resource = consume(money, "c", "2");
	run(money);
	assert_string_equal(outcome_of(money, amount), "conflict 0 of 2.000000000001");
	assert_string_equal(outcome_of(money, kind), "conflict 0 of 0");
	assert_string_equal(outcome_of(money, priority), "conflict 0 of 5");
	assert_string_equal(outcome_of(money, resource), "conflict 0 of 2");
	assert_int_equal(money->work.receipts_count, 2);
}

static void the_duplicate_of_a_rejection_is_answered_as_the_first_was(void **state)
{
	struct money *money = *state;
	struct record *unknown = consume(money, "c", "2");
	run(money);
	grant(money, "A", (struct terms){.amount = "5"});
	struct record *again = consume(money, "c", "2");
	void_grant(money, "v", "X");
	struct record *twice = void_grant(money, "v", "X");
	run(money);
	assert_string_equal(outcome_of(money, unknown), "rejected unknown_currency 0 of 2");
	assert_string_equal(outcome_of(money, again), "duplicate unknown_currency 0 of 2");
	assert_string_equal(outcome_of(money, twice), "duplicate unknown_grant 0 of 0, balance 5");
}

static void a_duplicate_and_a_conflict_do_not_advance_the_account(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5", .expire_at = AT(10)});
	consume(money, "c", "2");
	run(money);
	money->now = AT(20);
	consume(money, "c", "2");
	consume(money, "c", "3");
	run(money);
	assert_int_equal(money->work.entries_count, 0);
	assert_false(money->work.accounts[0].touched);
	assert_true(stored_account(money)->clock == AT(0));
}

static void the_same_record_is_recalled_and_not_done_again(void **state)
{
	struct money *money = *state;
	money->rules.dedupe_window = 10 * INSTANT_SECOND;
	struct record *granted = grant(money, "A", (struct terms){.amount = "5"});
	money->now = AT(5);
	struct record *rejected = void_grant(money, "v", "X"), *consumed = consume(money, "c", "2");
	consumed->event.created_at = AT(0);
	run(money);
	/* Whatever else may be said of them now. */
	money->rules.dedupe_window = 0;
	granted = read_again(money, granted);
	rejected = read_again(money, rejected);
	consumed = read_again(money, consumed);
	run(money);
	assert_true(granted->result.recalled && rejected->result.recalled && consumed->result.recalled);
	assert_string_equal(outcome_of(money, granted), "applied 5 of 5, balance 5, seq 1-1");
	assert_string_equal(outcome_of(money, rejected), "rejected unknown_grant 0 of 0, balance 5");
	assert_string_equal(outcome_of(money, consumed), "applied 2 of 2, balance 3, seq 2-2");
	assert_int_equal(money->work.entries_count, 0);
	assert_int_equal(money->work.receipts_count, 0);
	assert_int_equal(money->work.recalled_count, 2);
}

static void a_record_is_its_own_only_if_all_of_its_source_is_the_same(void **state)
{
	struct money *money = *state;
	struct record *record = grant(money, "A", (struct terms){.amount = "5"});
	run(money);
	struct record *others[4];
	for (size_t i = 0; i < 4; i++)
		others[i] = read_again(money, record);
	others[0]->source.input = INPUT_USAGE;
	others[1]->source.partition++;
	others[2]->source.offset++;
	others[3]->source.timestamp++;
	run(money);
	assert_string_equal(outcome_of(money, others[0]), "rejected not_permitted 0 of 5");
	for (size_t i = 1; i < 4; i++) {
		assert_int_equal(others[i]->result.kind, RESULT_DUPLICATE);
		assert_false(others[i]->result.recalled);
	}
}

static void a_receipt_from_a_topic_that_is_ours_no_more_makes_duplicates(void **state)
{
	struct money *money = *state;
	struct record *record = grant(money, "A", (struct terms){.amount = "5"});
	run(money);
	money->store.receipts[0]->own_topic = false;
	record = read_again(money, record);
	run(money);
	assert_string_equal(outcome_of(money, record), "duplicate 5 of 5, balance 5, seq 1-1");
}

static void a_record_without_a_key_slot_is_not_recalled(void **state)
{
	(void)state;
	const struct record record = {0};
	assert_false(record_is_recalled(&record));
}

static void commands_are_not_permitted_among_usage(void **state)
{
	struct money *money = *state;
	money->input = INPUT_USAGE;
	struct record *granted = grant(money, "A", (struct terms){.amount = "5"});
	struct record *voided = void_grant(money, "v", "A"), *consumed = consume(money, "c", "1");
	money->input = INPUT_COMMANDS;
	struct record *after = grant(money, "A", (struct terms){.amount = "6"});
	run(money);
	assert_string_equal(outcome_of(money, granted), "rejected not_permitted 0 of 5");
	assert_string_equal(outcome_of(money, voided), "rejected not_permitted 0 of 0");
	assert_string_equal(outcome_of(money, consumed), "rejected unknown_currency 0 of 1");
	assert_string_equal(outcome_of(money, after), "applied 6 of 6, balance 6, seq 1-1");
}

static void created_at_may_be_as_old_as_the_window_and_no_older(void **state)
{
	struct money *money = *state;
	money->rules.dedupe_window = 10 * INSTANT_SECOND;
	grant(money, "A", (struct terms){.amount = "5"});
	money->now = AT(20);
	struct record *at = consume(money, "c1", "1"), *older = consume(money, "c2", "1");
	at->event.created_at = AT(10);
	older->event.created_at = AT(10) - 1;
	run(money);
	assert_int_equal(at->result.kind, RESULT_APPLIED);
	assert_string_equal(outcome_of(money, older), "rejected too_old 0 of 1");
}

static void created_at_may_be_ahead_by_the_tolerance_and_no_further(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	struct record *at = consume(money, "c1", "1"), *ahead = consume(money, "c2", "1");
	at->event.created_at = AT(300);
	ahead->event.created_at = AT(300) + 1;
	run(money);
	assert_int_equal(at->result.kind, RESULT_APPLIED);
	assert_true(money->work.entries[1].event_time == AT(0));
	assert_string_equal(outcome_of(money, ahead), "rejected in_the_future 0 of 1");
}

static void the_engine_keeps_its_grant_ids_to_itself(void **state)
{
	struct money *money = *state;
	struct record *reserved = grant(money, "overdraft:", (struct terms){.amount = "5"});
	struct record *longer = grant(money, "overdraft:tokens//1", (struct terms){.amount = "5"});
	struct record *near = grant(money, "overdraft", (struct terms){.amount = "5"});
	struct record *upper = grant(money, "Overdraft:1", (struct terms){.amount = "5"});
	run(money);
	assert_string_equal(outcome_of(money, reserved), "rejected reserved_id 0 of 5");
	assert_string_equal(outcome_of(money, longer), "rejected reserved_id 0 of 5");
	assert_int_equal(near->result.kind, RESULT_APPLIED);
	assert_int_equal(upper->result.kind, RESULT_APPLIED);
}

static void a_grant_must_end_after_it_begins(void **state)
{
	struct money *money = *state;
	struct record *same =
		grant(money, "A", (struct terms){.amount = "5", .effective_at = AT(9), .expire_at = AT(9)});
	struct record *open_begin = grant(money, "B", (struct terms){.amount = "5", .expire_at = AT(9)});
	struct record *open_end = grant(money, "C", (struct terms){.amount = "5", .effective_at = AT(9)});
	struct record *longer =
		grant(money, "D", (struct terms){.amount = "5", .effective_at = AT(9), .expire_at = AT(9) + 1});
	run(money);
	assert_string_equal(outcome_of(money, same), "rejected invalid_period 0 of 5");
	assert_int_equal(open_begin->result.kind, RESULT_APPLIED);
	assert_int_equal(open_end->result.kind, RESULT_APPLIED);
	assert_int_equal(longer->result.kind, RESULT_APPLIED);
}

static void what_the_record_alone_decides_leaves_nothing_behind(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5", .expire_at = AT(10)});
	run(money);
	money->now = AT(20);
	consume(money, "c", "1")->event.created_at = AT(-31 * 86400);
	grant(money, "overdraft:", (struct terms){.amount = "5"});
	grant(money, "B", (struct terms){.amount = "5", .effective_at = AT(9), .expire_at = AT(9)});
	run(money);
	assert_int_equal(money->work.receipts_count, 0);
	assert_int_equal(money->work.entries_count, 0);
	assert_false(money->work.accounts[0].touched);

	struct record *same_key = consume(money, "c", "1");
	run(money);
	assert_int_equal(same_key->result.kind, RESULT_APPLIED);
}

static void only_some_codes_depend_on_the_record_alone(void **state)
{
	(void)state;
	static const enum reject_code of_record[] = {
		REJECT_NOT_PERMITTED,
		REJECT_TOO_OLD,
		REJECT_IN_THE_FUTURE,
		REJECT_RESERVED_ID,
		REJECT_INVALID_PERIOD,
		REJECT_NOT_DUE,
	};
	for (int code = REJECT_NONE; code < REJECT_CODE_COUNT; code++) {
		bool expected = false;
		for (size_t i = 0; i < sizeof of_record / sizeof *of_record; i++)
			expected = expected || of_record[i] == (enum reject_code)code;
		assert_int_equal(reject_is_of_record((enum reject_code)code), expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		money_test(the_same_key_and_content_is_a_duplicate_within_a_batch),
		money_test(the_same_key_and_content_is_a_duplicate_in_a_later_batch),
		money_test(usage_in_both_topics_shares_its_keys),
		money_test(usage_cannot_burn_the_key_of_a_command),
		money_test(each_customer_has_keys_of_its_own),
		money_test(the_same_key_with_other_content_is_a_conflict),
		money_test(the_duplicate_of_a_rejection_is_answered_as_the_first_was),
		money_test(a_duplicate_and_a_conflict_do_not_advance_the_account),
		money_test(the_same_record_is_recalled_and_not_done_again),
		money_test(a_record_is_its_own_only_if_all_of_its_source_is_the_same),
		money_test(a_receipt_from_a_topic_that_is_ours_no_more_makes_duplicates),
		money_test(a_record_without_a_key_slot_is_not_recalled),
		money_test(commands_are_not_permitted_among_usage),
		money_test(created_at_may_be_as_old_as_the_window_and_no_older),
		money_test(created_at_may_be_ahead_by_the_tolerance_and_no_further),
		money_test(the_engine_keeps_its_grant_ids_to_itself),
		money_test(a_grant_must_end_after_it_begins),
		money_test(what_the_record_alone_decides_leaves_nothing_behind),
		money_test(only_some_codes_depend_on_the_record_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
