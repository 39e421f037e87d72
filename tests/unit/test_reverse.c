/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a reversal gives back what a consumption took, to whom it was taken from, once, whatever became of them since.
 * Method: histories by hand after RULES.md 10 and 11; every entry and every answer is compared as text.
 */
#include "money_events.h"

#define TINY "0.000000000001"
#define ALL "99999999999999999999999999.999999999999"

/* Three grants of 5 that burn in the order of their names. */
static void grant_three(struct money *money)
{
	grant(money, "A", (struct terms){.amount = "5", .priority = 1});
	grant(money, "B", (struct terms){.amount = "5", .priority = 2});
	grant(money, "C", (struct terms){.amount = "5", .priority = 3});
}

/* ---- how much ---- */

static void without_an_amount_all_of_it_returns(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	consume(money, "c", "6");
	run(money);
	assert_true(stored_account(money)->consumed == credit("6"));
	struct record *record = reverse(money, "v", "c", NULL);
	run(money);
	assert_string_equal(written(money), "CREDITS_REVERSED 6 A left 10 balance 10\n");
	assert_string_equal(outcome_of(money, record), "applied 6 of 0, balance 10, seq 3-3");
	assert_false(money->work.entries[0].has_requested);
	assert_true(stored_account(money)->consumed == 0);
}

static void parts_return_up_to_the_last_digit_and_not_one_more(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	consume(money, "c", "1");
	struct record *first = reverse(money, "v1", "c", TINY), *beyond = reverse(money, "v2", "c", "1");
	struct record *rest = reverse(money, "v3", "c", "0.999999999999"), *more = reverse(money, "v4", "c", TINY);
	struct record *none = reverse(money, "v5", "c", NULL);
	run(money);
	assert_string_equal(outcome_of(money, first), "applied " TINY " of " TINY ", balance 9.000000000001, seq 3-3");
	assert_string_equal(outcome_of(money, beyond), "rejected exceeds_consumption 0 of 1, balance 9.000000000001");
	assert_string_equal(outcome_of(money, rest), "applied 0.999999999999 of 0.999999999999, balance 10, seq 4-4");
	assert_string_equal(outcome_of(money, more), "rejected already_reversed 0 of " TINY ", balance 10");
	assert_string_equal(outcome_of(money, none), "rejected already_reversed 0 of 0, balance 10");
}

static void what_was_reversed_counts_in_later_batches_too(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	consume(money, "c", "6");
	run(money);
	reverse(money, "v1", "c", "4");
	run(money);
	struct record *beyond = reverse(money, "v2", "c", "2.000000000001");
	run(money);
	assert_string_equal(outcome_of(money, beyond), "rejected exceeds_consumption 0 of 2.000000000001, balance 8");
	struct record *rest = reverse(money, "v3", "c", NULL);
	run(money);
	assert_string_equal(outcome_of(money, rest), "applied 2 of 0, balance 10, seq 4-4");
	struct record *none = reverse(money, "v4", "c", NULL);
	run(money);
	assert_string_equal(outcome_of(money, none), "rejected already_reversed 0 of 0, balance 10");
}

static void what_took_nothing_is_already_reversed(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "1"});
	configure(money, "cap", policy(OVER_LIMIT_CAP));
	consume(money, "c1", "1");
	struct record *capped = consume(money, "c2", "1");
	struct record *same_batch = reverse(money, "v1", "c2", NULL);
	run(money);
	assert_string_equal(outcome_of(money, capped), "partial 0 of 1, balance 0");
	assert_string_equal(outcome_of(money, same_batch), "rejected already_reversed 0 of 0, balance 0");
	struct record *later = reverse(money, "v2", "c2", "1");
	run(money);
	assert_string_equal(outcome_of(money, later), "rejected already_reversed 0 of 1, balance 0");
}

/* What a hold gave back may have paid an overdraft: the settlement has entries, and took nothing. */
static void a_settlement_of_nothing_is_already_reversed(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	reserve(money, "r", "10");
	consume(money, "c", "4");
	struct record *settled = settle(money, "s", "r", "0");
	struct record *same_batch = reverse(money, "v1", "s", NULL);
	run(money);
	assert_string_equal(outcome_of(money, settled), "applied 0 of 0, balance 6, seq 3-4");
	assert_string_equal(outcome_of(money, same_batch), "rejected already_reversed 0 of 0, balance 6");
	struct record *later = reverse(money, "v2", "s", NULL);
	run(money);
	assert_string_equal(outcome_of(money, later), "rejected already_reversed 0 of 0, balance 6");
}

static void the_range_of_consumption_is_free_again(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = ALL});
	consume(money, "c1", ALL);
	struct record *beyond = consume(money, "c2", TINY);
	reverse(money, "v", "c1", TINY);
	struct record *again = consume(money, "c3", TINY);
	run(money);
	assert_string_equal(outcome_of(money, beyond), "rejected balance_out_of_range 0 of " TINY ", balance 0");
	assert_string_equal(outcome_of(money, again), "applied " TINY " of " TINY ", balance 0, seq 4-4");
}

/* ---- of what ---- */

static void only_consumptions_of_this_account_are_known(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	configure(money, "strict", policy(OVER_LIMIT_REJECT));
	consume(money, "too-much", "11");
	reserve(money, "held", "1");
	release(money, "freed", "held");
	money->resource_id = "r1";
	grant(money, "B", (struct terms){.amount = "10"});
	consume(money, "elsewhere", "1");
	money->resource_id = NULL;
	money->customer_id = "beta";
	grant(money, "A", (struct terms){.amount = "10"});
	consume(money, "of-beta", "1");
	money->customer_id = "acme";
	static const char *const keys[] = {"none", "too-much", "held", "freed", "elsewhere", "of-beta", "A", "v0"};
	struct record *records[2][8];
	for (size_t batch = 0; batch < 2; batch++) { /* the one in which they were handled, and a later one */
		for (size_t i = 0; i < 8; i++) {
			const char *key = arena_format(&money->arena, "v%zu", 8 * batch + i).data;
			records[batch][i] = reverse(money, key, keys[i], NULL);
		}
		run(money);
	}
	for (size_t i = 0; i < 16; i++)
		assert_string_equal(
			outcome_of(money, records[i / 8][i % 8]), "rejected unknown_key 0 of 0, balance 10");
}

static void consumption_is_known_for_the_length_of_the_dedupe_window(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	consume(money, "c", "5");
	run(money);
	money->now = AT(0) + money->rules.dedupe_window;
	struct record *in_time = reverse(money, "v1", "c", "1");
	run(money);
	assert_string_equal(outcome_of(money, in_time), "applied 1 of 1, balance 6, seq 3-3");
	money->now++;
	struct record *late = reverse(money, "v2", "c", "1");
	run(money);
	assert_string_equal(outcome_of(money, late), "rejected unknown_key 0 of 1, balance 6");
}

static void reversal_that_comes_first_finds_nothing_and_its_retry_neither(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	struct record *early = reverse(money, "v", "c", NULL);
	consume(money, "c", "4");
	struct record *retry = reverse(money, "v", "c", NULL), *later = reverse(money, "w", "c", NULL);
	run(money);
	assert_string_equal(outcome_of(money, early), "rejected unknown_key 0 of 0, balance 10");
	assert_string_equal(outcome_of(money, retry), "duplicate unknown_key 0 of 0, balance 10");
	assert_string_equal(outcome_of(money, later), "applied 4 of 0, balance 10, seq 3-3");
}

static void its_own_key_makes_it_idempotent(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	consume(money, "c", "4");
	reverse(money, "v", "c", "1");
	struct record *again = reverse(money, "v", "c", "1"), *more = reverse(money, "v", "c", "2"),
		      *whole = reverse(money, "v", "c", NULL);
	run(money);
	assert_string_equal(outcome_of(money, again), "duplicate 1 of 1, balance 7, seq 3-3");
	assert_string_equal(outcome_of(money, more), "conflict 0 of 2");
	assert_string_equal(outcome_of(money, whole), "conflict 0 of 0");
	assert_int_equal(money->work.entries_count, 3);
}

/* ---- to whom ---- */

static void grants_get_back_in_reverse_order_of_the_debits(void **state)
{
	struct money *money = *state;
	grant_three(money);
	consume(money, "c", "12");
	run(money);
	reverse(money, "v1", "c", "4");
	run(money);
	assert_string_equal(written(money), "CREDITS_REVERSED 2 C left 5 balance 5\n"
					    "CREDITS_REVERSED 2 B left 2 balance 7\n");
	struct record *record = reverse(money, "v2", "c", "8");
	run(money);
	assert_string_equal(written(money), "CREDITS_REVERSED 3 B left 5 balance 10\n"
					    "CREDITS_REVERSED 5 A left 5 balance 15\n");
	assert_string_equal(outcome_of(money, record), "applied 8 of 8, balance 15, seq 9-10");
}

static void a_used_up_grant_is_open_again(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5", .priority = 1, .expire_at = AT(20)});
	grant(money, "B", (struct terms){.amount = "5", .priority = 2});
	consume(money, "c", "5");
	run(money);
	assert_string_equal(told(money), "credit_grant.created A 5: balance 5 held 0 seq 1\n"
					 "credit_grant.created B 5: balance 10 held 0 seq 2\n"
					 "credit_grant.depleted A: balance 5 held 0 seq 3\n");
	money->now = AT(10);
	reverse(money, "v", "c", NULL);
	run(money);
	assert_int_equal(memory_store_find_grant(&money->store, text_of("acme"), text_of("A"))->end, GRANT_END_NONE);
	consume(money, "c2", "2");
	run(money);
	assert_string_equal(written(money), "CREDITS_CONSUMED -2 A left 3 balance 8\n");
	money->now = AT(20);
	advance_to(money, "a", AT(20));
	run(money);
	assert_string_equal(written(money), "CREDITS_EXPIRED -3 A left 0 balance 5\n");
	assert_string_equal(told(money), "credit_grant.expired A 3: balance 5 held 0 seq 6\n");
}

static void what_returns_to_ended_grants_goes_out_at_once(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5", .expire_at = AT(10)}); /* used up, then over */
	grant(money, "B", (struct terms){.amount = "5"});		       /* used up, then voided */
	grant(money, "C", (struct terms){.amount = "5", .priority = 1});       /* voided with something left */
	grant(money, "D", (struct terms){.amount = "5", .priority = 2, .expire_at = AT(10)}); /* expires so */
	consume(money, "c1", "13");
	void_grant(money, "x1", "B");
	void_grant(money, "x2", "C");
	consume(money, "c2", "3");
	run(money);
	money->now = AT(10);
	struct record *record = reverse(money, "v", "c1", NULL);
	run(money);
	assert_string_equal(written(money), "CREDITS_EXPIRED -2 D left 0 balance 0\n"
					    "CREDITS_REVERSED 3 C left 3 balance 3\n"
					    "CREDITS_REVERSED 5 B left 5 balance 8\n"
					    "CREDITS_REVERSED 5 A left 5 balance 13\n"
					    "CREDITS_EXPIRED -5 A left 0 balance 8\n"
					    "CREDITS_VOIDED -5 B left 0 balance 3\n"
					    "CREDITS_VOIDED -3 C left 0 balance 0\n");
	assert_string_equal(outcome_of(money, record), "applied 13 of 0, balance 0, seq 11-13");
	for (size_t i = 4; i < 7; i++) {
		assert_null(money->work.entries[i].idempotency_key.data);
		assert_int_equal(money->work.entries[i].first_seq, 14);
		assert_int_equal(money->work.entries[i].last_seq, 16);
	}
	assert_string_equal(told(money), "credit_grant.expired D 2: balance 0 held 0 seq 10\n"
					 "credit_balance.depleted: balance 0 held 0 seq 10\n");
	reverse(money, "w", "c2", NULL);
	run(money);
	assert_string_equal(written(money), "CREDITS_REVERSED 3 D left 3 balance 3\n"
					    "CREDITS_EXPIRED -3 D left 0 balance 0\n");
	assert_string_equal(told(money), "");
}

static void settlement_is_reversed_as_a_consumption_is(void **state)
{
	struct money *money = *state;
	grant_three(money);
	reserve(money, "r", "7");
	settle(money, "s", "r", "12");
	run(money);
	reverse(money, "v", "s", "6");
	run(money);
	assert_string_equal(written(money), "CREDITS_REVERSED 2 C left 5 balance 5\n"
					    "CREDITS_REVERSED 4 B left 4 balance 9\n");
	assert_true(stored_account(money)->held == 0);
}

/* ---- overdrafts ---- */

static void an_open_overdraft_becomes_less(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	consume(money, "c", "8");
	run(money);
	reverse(money, "v1", "c", "2");
	run(money);
	assert_string_equal(written(money), "CREDITS_REVERSED 2 overdraft:tokens//2 left -1 balance -1\n");
	reverse(money, "v2", "c", NULL);
	consume(money, "c2", "6");
	run(money);
	assert_string_equal(written(money), "CREDITS_REVERSED 1 overdraft:tokens//2 left 0 balance 0\n"
					    "CREDITS_REVERSED 5 A left 5 balance 5\n"
					    "CREDITS_CONSUMED -5 A left 0 balance 0\n"
					    "CREDITS_CONSUMED -1 overdraft:tokens//3 left -1 balance -1\n");
}

static void what_was_settled_of_an_overdraft_returns_to_who_settled_it_newest_first(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	consume(money, "c", "10");
	run(money);
	grant(money, "A", (struct terms){.amount = "3"});
	grant(money, "B", (struct terms){.amount = "4"});
	run(money);
	grant(money, "C", (struct terms){.amount = "5"});
	run(money);
	assert_string_equal(written(money),
		"CREDITS_GRANTED 5 C left 5 balance 2\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 3 overdraft:tokens//1 left 0 balance 5\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -3 C left 2 balance 2\n");
	reverse(money, "v1", "c", "6");
	run(money);
	assert_string_equal(written(money), "CREDITS_REVERSED 3 C left 5 balance 5\n"
					    "CREDITS_REVERSED 3 B left 3 balance 8\n");
	reverse(money, "v2", "c", NULL);
	run(money);
	assert_string_equal(written(money), "CREDITS_REVERSED 1 B left 4 balance 9\n"
					    "CREDITS_REVERSED 3 A left 3 balance 12\n");
}

/* The same in one batch. */
static void transfers_of_the_same_batch_are_known(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	consume(money, "c", "10");
	grant(money, "A", (struct terms){.amount = "3"});
	grant(money, "B", (struct terms){.amount = "9"});
	reverse(money, "v", "c", "8");
	run(money);
	assert_int_equal(money->work.entries_count, 9);
	assert_string_equal(written(money),
		"CREDITS_CONSUMED -10 overdraft:tokens//1 left -10 balance -10\n"
		"CREDITS_GRANTED 3 A left 3 balance -7\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 3 overdraft:tokens//1 left -7 balance -4\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -3 A left 0 balance -7\n"
		"CREDITS_GRANTED 9 B left 9 balance 2\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 7 overdraft:tokens//1 left 0 balance 9\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -7 B left 2 balance 2\n"
		"CREDITS_REVERSED 7 B left 9 balance 9\n"
		"CREDITS_REVERSED 1 A left 1 balance 10\n");
}

static void an_overdraft_that_is_open_is_reduced_before_who_settled_a_part_gets_back(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	consume(money, "c1", "6");
	consume(money, "c2", "4");
	grant(money, "A", (struct terms){.amount = "5"});
	run(money);
	reverse(money, "v1", "c1", NULL);
	run(money);
	assert_string_equal(written(money), "CREDITS_REVERSED 5 overdraft:tokens//1 left 0 balance 0\n"
					    "CREDITS_REVERSED 1 A left 1 balance 1\n");
	reverse(money, "v2", "c2", NULL);
	run(money);
	assert_string_equal(written(money), "CREDITS_REVERSED 4 A left 5 balance 5\n");
}

static void what_returns_pays_the_deficit_first(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	consume(money, "c1", "5");
	consume(money, "c2", "3");
	run(money);
	struct record *record = reverse(money, "v1", "c1", NULL);
	run(money);
	assert_string_equal(written(money),
		"CREDITS_REVERSED 5 A left 5 balance 2\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 3 overdraft:tokens//2 left 0 balance 5\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -3 A left 2 balance 2\n");
	assert_string_equal(outcome_of(money, record), "applied 5 of 0, balance 2, seq 4-6");
	reverse(money, "v2", "c2", NULL); /* its overdraft was settled by A */
	run(money);
	assert_string_equal(written(money), "CREDITS_REVERSED 3 A left 5 balance 5\n");
}

/* All that returns first, then the transfers, in the same order. */
static void several_that_return_pay_the_deficit_in_their_order(void **state)
{
	struct money *money = *state;
	grant_three(money);
	consume(money, "c1", "15");
	consume(money, "c2", "7");
	run(money);
	reverse(money, "v", "c1", NULL);
	run(money);
	assert_string_equal(written(money),
		"CREDITS_REVERSED 5 C left 5 balance -2\n"
		"CREDITS_REVERSED 5 B left 5 balance 3\n"
		"CREDITS_REVERSED 5 A left 5 balance 8\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 5 overdraft:tokens//4 left -2 balance 13\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -5 C left 0 balance 8\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 2 overdraft:tokens//4 left 0 balance 10\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -2 B left 3 balance 8\n");
}

/* Within the grace it is open, but its time is over: it pays late usage, no deficit. */
static void what_returns_to_a_grant_past_its_end_pays_no_deficit(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 60 * INSTANT_SECOND);
	grant(money, "A", (struct terms){.amount = "5", .expire_at = AT(10)});
	consume(money, "c1", "5");
	consume(money, "c2", "3");
	run(money);
	money->now = AT(10);
	reverse(money, "v", "c1", NULL);
	run(money);
	assert_string_equal(written(money), "CREDITS_REVERSED 5 A left 5 balance 2\n");
	money->now = AT(70);
	advance_to(money, "a", AT(70));
	run(money);
	assert_string_equal(written(money), "CREDITS_EXPIRED -5 A left 0 balance -3\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		money_test(without_an_amount_all_of_it_returns),
		money_test(parts_return_up_to_the_last_digit_and_not_one_more),
		money_test(what_was_reversed_counts_in_later_batches_too),
		money_test(what_took_nothing_is_already_reversed),
		money_test(a_settlement_of_nothing_is_already_reversed),
		money_test(the_range_of_consumption_is_free_again),
		money_test(only_consumptions_of_this_account_are_known),
		money_test(consumption_is_known_for_the_length_of_the_dedupe_window),
		money_test(reversal_that_comes_first_finds_nothing_and_its_retry_neither),
		money_test(its_own_key_makes_it_idempotent),
		money_test(grants_get_back_in_reverse_order_of_the_debits),
		money_test(a_used_up_grant_is_open_again),
		money_test(what_returns_to_ended_grants_goes_out_at_once),
		money_test(settlement_is_reversed_as_a_consumption_is),
		money_test(an_open_overdraft_becomes_less),
		money_test(what_was_settled_of_an_overdraft_returns_to_who_settled_it_newest_first),
		money_test(transfers_of_the_same_batch_are_known),
		money_test(an_overdraft_that_is_open_is_reduced_before_who_settled_a_part_gets_back),
		money_test(what_returns_pays_the_deficit_first),
		money_test(several_that_return_pay_the_deficit_in_their_order),
		money_test(what_returns_to_a_grant_past_its_end_pays_no_deficit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
