/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what happens to consumption that the grants do not cover, under each over-limit policy, exactly at its edge
 * and the least digit beside it.
 * Method: small histories after RULES.md 4 and 16; every entry and every answer is compared as text.
 */
#include "money_events.h"

#define TINY "0.000000000001"
#define ALL "99999999999999999999999999.999999999999"

/* ---- allow ---- */

static void overdraft_may_go_to_its_limit_and_not_a_digit_deeper(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	configure(money, "limit", overdraft_limit("5"));
	struct record *beyond = consume(money, "c1", "15.000000000001"), *at = consume(money, "c2", "15");
	struct record *more = consume(money, "c3", TINY);
	run(money);
	assert_string_equal(outcome_of(money, beyond), "rejected overdraft_limit 0 of 15.000000000001, balance 10");
	assert_string_equal(outcome_of(money, at), "applied 15 of 15, balance -5, seq 2-3");
	assert_string_equal(outcome_of(money, more), "rejected overdraft_limit 0 of " TINY ", balance -5");
	assert_string_equal(written(money), "CREDITS_GRANTED 10 A left 10 balance 10\n"
					    "CREDITS_CONSUMED -10 A left 0 balance 0\n"
					    "CREDITS_CONSUMED -5 overdraft:tokens//2 left -5 balance -5\n");
}

static void what_is_overdrawn_already_counts_against_the_limit(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	money->store.currencies[0].has_overdraft_limit = true;
	money->store.currencies[0].overdraft_limit = credit("5");
	consume(money, "c1", "2");
	run(money);
	struct record *beyond = consume(money, "c2", "3.000000000001"), *at = consume(money, "c3", "3");
	run(money);
	assert_string_equal(outcome_of(money, beyond), "rejected overdraft_limit 0 of 3.000000000001, balance -2");
	assert_string_equal(outcome_of(money, at), "applied 3 of 3, balance -5, seq 2-2");
}

static void a_limit_of_0_allows_what_grants_cover(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "1"});
	configure(money, "limit", overdraft_limit("0"));
	struct record *beyond = consume(money, "c1", "1.000000000001"), *at = consume(money, "c2", "1");
	run(money);
	assert_string_equal(outcome_of(money, beyond), "rejected overdraft_limit 0 of 1.000000000001, balance 1");
	assert_string_equal(outcome_of(money, at), "applied 1 of 1, balance 0, seq 2-2");
}

/* The sum of limit and overdraft is below zero. */
static void a_limit_that_was_lowered_stops_what_goes_deeper(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	consume(money, "c1", "100");
	configure(money, "limit", overdraft_limit("5"));
	struct record *beyond = consume(money, "c2", TINY);
	run(money);
	assert_string_equal(outcome_of(money, beyond), "rejected overdraft_limit 0 of " TINY ", balance -100");
}

static void limits_at_the_end_of_the_range_do_not_overflow(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	configure(money, "limit", overdraft_limit(ALL));
	struct record *all = consume(money, "c1", ALL), *more = consume(money, "c2", TINY);
	configure(money, "none", overdraft_limit("0"));
	struct record *most = consume(money, "c3", ALL);
	run(money);
	assert_string_equal(outcome_of(money, all), "applied " ALL " of " ALL ", balance -" ALL ", seq 1-1");
	assert_string_equal(outcome_of(money, more), "rejected balance_out_of_range 0 of " TINY ", balance -" ALL);
	assert_string_equal(outcome_of(money, most), "rejected balance_out_of_range 0 of " ALL ", balance -" ALL);
}

/* ---- cap ---- */

static void cap_takes_what_is_there(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	configure(money, "cap", policy(OVER_LIMIT_CAP));
	struct record *within = consume(money, "c1", "4"), *beyond = consume(money, "c2", "6.000000000001");
	struct record *none = consume(money, "c3", "1"), *again = consume(money, "c2", "6.000000000001");
	run(money);
	assert_string_equal(outcome_of(money, within), "applied 4 of 4, balance 6, seq 2-2");
	assert_string_equal(outcome_of(money, beyond), "partial 6 of 6.000000000001, balance 0, seq 3-3");
	assert_string_equal(outcome_of(money, none), "partial 0 of 1, balance 0");
	assert_string_equal(outcome_of(money, again), "duplicate 6 of 6.000000000001, balance 0, seq 3-3");
	assert_int_equal(money->work.entries[2].outcome, RESULT_PARTIAL);
	assert_int_equal(money->work.entries_count, 3);
	assert_true(stored_account(money)->consumed == credit("10"));
}

static void cap_makes_an_open_overdraft_no_deeper(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	consume(money, "c1", "3");
	configure(money, "cap", policy(OVER_LIMIT_CAP));
	struct record *record = consume(money, "c2", "2");
	run(money);
	assert_string_equal(outcome_of(money, record), "partial 0 of 2, balance -3");
}

/* ---- reject ---- */

static void reject_takes_all_or_nothing(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	configure(money, "strict", policy(OVER_LIMIT_REJECT));
	struct record *beyond = consume(money, "c1", "10.000000000001"), *at = consume(money, "c2", "10");
	struct record *again = consume(money, "c1", "10.000000000001");
	run(money);
	assert_string_equal(
		outcome_of(money, beyond), "rejected insufficient_credits 0 of 10.000000000001, balance 10");
	assert_string_equal(outcome_of(money, at), "applied 10 of 10, balance 0, seq 2-2");
	assert_string_equal(
		outcome_of(money, again), "duplicate insufficient_credits 0 of 10.000000000001, balance 10");
}

/* ---- all of them ---- */

static void the_accounts_override_comes_before_the_currency(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	money->store.currencies[0].over_limit = OVER_LIMIT_CAP;
	grant(money, "A", (struct terms){.amount = "1"});
	configure(money, "strict", policy(OVER_LIMIT_REJECT));
	struct record *rejected = consume(money, "c1", "2");
	run(money);
	assert_string_equal(outcome_of(money, rejected), "rejected insufficient_credits 0 of 2, balance 1");
	struct record *later = consume(money, "c2", "2");
	configure(money, "none", (struct account_settings){0});
	struct record *capped = consume(money, "c3", "2");
	run(money);
	assert_string_equal(outcome_of(money, later), "rejected insufficient_credits 0 of 2, balance 1");
	assert_string_equal(outcome_of(money, capped), "partial 1 of 2, balance 0, seq 2-2");
	money->resource_id = "r1"; /* another account of the currency has no overrides */
	grant(money, "B", (struct terms){.amount = "1"});
	struct record *other = consume(money, "c4", "2");
	run(money);
	assert_string_equal(outcome_of(money, other), "partial 1 of 2, balance 0, seq 2-2");
}

static void configure_sets_the_whole_set(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "1"});
	struct record *strict = configure(money, "strict", policy(OVER_LIMIT_REJECT));
	configure(money, "limit", overdraft_limit("1")); /* the policy is inherited again */
	struct record *within = consume(money, "c1", "2"), *beyond = consume(money, "c2", TINY);
	run(money);
	assert_string_equal(outcome_of(money, strict), "applied 0 of 0, balance 1");
	assert_string_equal(outcome_of(money, within), "applied 2 of 2, balance -1, seq 2-3");
	assert_string_equal(outcome_of(money, beyond), "rejected overdraft_limit 0 of " TINY ", balance -1");
}

static void held_credits_are_not_there_whatever_the_policy(void **state)
{
	struct money *money = *state;
	static const enum over_limit policies[] = {OVER_LIMIT_ALLOW, OVER_LIMIT_CAP, OVER_LIMIT_REJECT};
	static const char *const outcomes[] = {"applied 5 of 5, balance 5, seq 2-3",
		"partial 4 of 5, balance 6, seq 2-2", "rejected insufficient_credits 0 of 5, balance 10"};
	static const char *const customers[] = {"allow", "cap", "reject"};
	for (size_t i = 0; i < 3; i++) {
		money->customer_id = customers[i];
		grant(money, "A", (struct terms){.amount = "10"});
		reserve(money, "r", "6");
		configure(money, "policy", policy(policies[i]));
		struct record *record = consume(money, "c", "5");
		run(money);
		assert_string_equal(outcome_of(money, record), outcomes[i]);
		assert_true(stored_account(money)->held == credit("6"));
	}
}

static void the_range_is_asked_before_the_policy(void **state)
{
	struct money *money = *state;
	static const enum over_limit policies[] = {OVER_LIMIT_ALLOW, OVER_LIMIT_CAP, OVER_LIMIT_REJECT};
	static const char *const keys[] = {"allow", "cap", "reject"};
	grant(money, "A", (struct terms){.amount = "2"});
	consume(money, "c", "1");
	for (size_t i = 0; i < 3; i++) {
		configure(money, keys[i], policy(policies[i]));
		struct record *record = consume(money, arena_format(&money->arena, "c%zu", i).data, ALL);
		run(money);
		assert_string_equal(outcome_of(money, record), "rejected balance_out_of_range 0 of " ALL ", balance 1");
	}
}

/* What is 5 short of all stays within the range of numeric(38,12) in every sum on the way. */
static void policies_count_rightly_at_the_end_of_the_range(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = ALL});
	configure(money, "cap", policy(OVER_LIMIT_CAP));
	reserve(money, "r", "5");
	struct record *capped = consume(money, "c1", ALL), *none = consume(money, "c2", "5");
	struct record *settled = settle(money, "s", "r", "5");
	run(money);
	assert_string_equal(outcome_of(money, capped),
		"partial 99999999999999999999999994.999999999999 of " ALL ", balance 5, seq 2-2");
	assert_string_equal(outcome_of(money, none), "partial 0 of 5, balance 5");
	assert_string_equal(outcome_of(money, settled), "applied 5 of 5, balance 0, seq 3-3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		money_test(overdraft_may_go_to_its_limit_and_not_a_digit_deeper),
		money_test(what_is_overdrawn_already_counts_against_the_limit),
		money_test(a_limit_of_0_allows_what_grants_cover),
		money_test(a_limit_that_was_lowered_stops_what_goes_deeper),
		money_test(limits_at_the_end_of_the_range_do_not_overflow),
		money_test(cap_takes_what_is_there),
		money_test(cap_makes_an_open_overdraft_no_deeper),
		money_test(reject_takes_all_or_nothing),
		money_test(the_accounts_override_comes_before_the_currency),
		money_test(configure_sets_the_whole_set),
		money_test(held_credits_are_not_there_whatever_the_policy),
		money_test(the_range_is_asked_before_the_policy),
		money_test(policies_count_rightly_at_the_end_of_the_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
