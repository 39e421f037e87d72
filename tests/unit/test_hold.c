/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: holds keep credits for whoever reserved them, no longer than until their end, and lose none.
 * Method: small histories after RULES.md 9 and 11; every entry and every answer is compared as text.
 */
#include "money_events.h"

#define TINY "0.000000000001"

/* A 5 burns before B 10. */
static void grant_two(struct money *money)
{
	grant(money, "A", (struct terms){.amount = "5", .priority = 1});
	grant(money, "B", (struct terms){.amount = "10", .priority = 2});
}

static void assert_held(struct money *money, const char *amount)
{
	assert_string_equal(credit_text(money, stored_account(money)->held), amount);
}

/* ---- reserve ---- */

static void reservation_keeps_credits_in_burn_order_and_writes_nothing(void **state)
{
	struct money *money = *state;
	grant_two(money);
	run(money);
	struct record *record = reserve(money, "r", "7");
	run(money);
	assert_string_equal(written(money), "");
	assert_string_equal(outcome_of(money, record), "applied 7 of 7, balance 15");
	assert_held(money, "7");
	const struct stored_hold *stored =
		memory_store_find_hold(&money->store, &stored_account(money)->key, text_of("r"));
	assert_true(text_equal(stored->parts,
		TEXT_LITERAL("[{\"grantId\":\"A\",\"amount\":\"5\"},{\"grantId\":\"B\",\"amount\":\"2\"}]")));
	assert_true(stored->hold.expires_at == AT(3600));
	consume(money, "c", "9");
	run(money);
	assert_string_equal(written(money), "CREDITS_CONSUMED -8 B left 2 balance 7\n"
					    "CREDITS_CONSUMED -1 overdraft:tokens//3 left -1 balance 6\n");
}

static void reservation_is_all_or_nothing_whatever_the_policy(void **state)
{
	struct money *money = *state;
	static const char *const customers[] = {"allow", "cap", "reject"};
	static const enum over_limit policies[] = {OVER_LIMIT_ALLOW, OVER_LIMIT_CAP, OVER_LIMIT_REJECT};
	for (size_t i = 0; i < 3; i++) {
		money->customer_id = customers[i];
		grant_two(money);
		configure(money, "policy", policy(policies[i]));
		struct record *beyond = reserve(money, "r1", "15.000000000001"), *all = reserve(money, "r2", "15");
		struct record *more = reserve(money, "r3", TINY);
		run(money);
		assert_string_equal(
			outcome_of(money, beyond), "rejected insufficient_credits 0 of 15.000000000001, balance 15");
		assert_string_equal(outcome_of(money, all), "applied 15 of 15, balance 15");
		assert_string_equal(outcome_of(money, more), "rejected insufficient_credits 0 of " TINY ", balance 15");
		assert_null(stored_hold(money, "r1"));
		assert_held(money, "15");
	}
}

static void a_hold_ends_within_24_hours_and_after_now(void **state)
{
	struct money *money = *state;
	money->now = AT(50);
	grant(money, "A", (struct terms){.amount = "100"});
	run(money);
	const struct {
		int64_t ttl;
		instant_t expires_at;
		bool is_valid;
	} ends[] = {
		{0, INSTANT_NONE, false},
		{-INSTANT_SECOND, INSTANT_NONE, false},
		{INT64_MIN, INSTANT_NONE, false},
		{INT64_MAX, INSTANT_NONE, false},
		{1, INSTANT_NONE, true},
		{HOLD_TTL_MAX, INSTANT_NONE, true},
		{HOLD_TTL_MAX + 1, INSTANT_NONE, false},
		{0, AT(50), false},
		{0, AT(50) - 1, false},
		{0, INSTANT_MIN, false},
		{0, INSTANT_MAX, false},
		{0, AT(50) + 1, true},
		{0, AT(50) + HOLD_TTL_MAX, true},
		{0, AT(50) + HOLD_TTL_MAX + 1, false},
	};
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		const char *id = arena_format(&money->arena, "r%zu", i).data;
		struct record *record =
			add_hold_event(money, EVENT_RESERVE, id, id, "1", ends[i].ttl, ends[i].expires_at);
		run(money);
		assert_string_equal(outcome_of(money, record),
			ends[i].is_valid ? "applied 1 of 1, balance 100" : "rejected invalid_ttl 0 of 1, balance 100");
		if (!ends[i].is_valid)
			continue;
		instant_t end = ends[i].ttl ? AT(50) + ends[i].ttl : ends[i].expires_at;
		assert_true(stored_hold(money, id)->expires_at == end);
	}
	assert_held(money, "4");
}

/* Its end counts from the account's clock, not from the event. */
static void a_late_reservation_counts_from_now(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	money->now = AT(100);
	reserve_for(money, "r", "r", "1", 10 * INSTANT_SECOND)->event.created_at = AT(50);
	run(money);
	assert_true(stored_hold(money, "r")->expires_at == AT(110));
}

/* What is written must be read again. */
static void a_hold_does_not_outlast_the_calendar(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	money->now = INSTANT_MAX - 10 * INSTANT_SECOND;
	struct record *last = reserve_for(money, "r1", "r1", "1", 10 * INSTANT_SECOND);
	struct record *past = reserve_for(money, "r2", "r2", "1", 10 * INSTANT_SECOND + 1);
	run(money);
	assert_string_equal(outcome_of(money, last), "applied 1 of 1, balance 10");
	assert_string_equal(outcome_of(money, past), "rejected invalid_ttl 0 of 1, balance 10");
}

static void reservation_id_is_used_once_in_an_account(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	reserve(money, "r", "1");
	struct record *open = reserve_for(money, "k1", "r", "100", 0);
	release(money, "f", "r");
	struct record *closed = reserve_for(money, "k2", "r", "100", 0);
	run(money);
	struct record *later = reserve_for(money, "k3", "r", "100", 0);
	struct record *invalid = reserve_for(money, "k4", "other", "100", 0);
	money->resource_id = "r1";
	grant(money, "B", (struct terms){.amount = "10"});
	struct record *elsewhere = reserve_for(money, "k5", "r", "1", HOLD_TTL_DEFAULT);
	run(money);
	assert_string_equal(outcome_of(money, open), "rejected reservation_exists 0 of 100, balance 10");
	assert_string_equal(outcome_of(money, closed), "rejected reservation_exists 0 of 100, balance 10");
	assert_string_equal(outcome_of(money, later), "rejected reservation_exists 0 of 100, balance 10");
	assert_string_equal(outcome_of(money, invalid), "rejected invalid_ttl 0 of 100, balance 10");
	assert_string_equal(outcome_of(money, elsewhere), "applied 1 of 1, balance 10");
}

/* ---- settle ---- */

static void settled_below_the_rest_returns(void **state)
{
	struct money *money = *state;
	grant_two(money);
	reserve(money, "r", "7");
	run(money);
	struct record *record = settle(money, "s", "r", "6"), *all = reserve(money, "r2", "9");
	run(money);
	assert_string_equal(written(money), "CREDITS_CONSUMED -5 A left 0 balance 10\n"
					    "CREDITS_CONSUMED -1 B left 9 balance 9\n");
	assert_string_equal(outcome_of(money, record), "applied 6 of 6, balance 9, seq 3-4");
	assert_string_equal(outcome_of(money, all), "applied 9 of 9, balance 9");
	assert_int_equal(stored_hold(money, "r")->state, HOLD_SETTLED);
	assert_true(stored_account(money)->consumed == credit("6"));
}

static void settled_at_its_amount_nothing_returns(void **state)
{
	struct money *money = *state;
	grant_two(money);
	reserve(money, "r", "15");
	struct record *record = settle(money, "s", "r", "15");
	run(money);
	assert_string_equal(outcome_of(money, record), "applied 15 of 15, balance 0, seq 3-4");
	assert_held(money, "0");
}

/* Those of the hold first, what is drawn on them besides included; then the others in burn order. */
static void settled_above_there_is_one_entry_a_grant(void **state)
{
	struct money *money = *state;
	static const char *const customers[] = {"within", "beyond"};
	static const char *const amounts[] = {"14", "20"};
	static const char *const entries[] = {
		"CREDITS_CONSUMED -5 A left 0 balance 13\n"
		"CREDITS_CONSUMED -6 B left 4 balance 7\n"
		"CREDITS_CONSUMED -3 C left 0 balance 4\n",
		"CREDITS_CONSUMED -5 A left 0 balance 13\n"
		"CREDITS_CONSUMED -10 B left 0 balance 3\n"
		"CREDITS_CONSUMED -3 C left 0 balance 0\n"
		"CREDITS_CONSUMED -2 overdraft:tokens//4 left -2 balance -2\n",
	};
	for (size_t i = 0; i < 2; i++) {
		money->customer_id = customers[i];
		grant_two(money);
		reserve(money, "r", "7");
		grant(money, "C", (struct terms){.amount = "3"});
		run(money);
		settle(money, "s", "r", amounts[i]);
		run(money);
		assert_string_equal(written(money), entries[i]);
		assert_held(money, "0");
	}
}

static void what_others_hold_is_not_drawn_on(void **state)
{
	struct money *money = *state;
	grant_two(money);
	reserve(money, "r1", "3");
	reserve(money, "r2", "4");
	run(money);
	settle(money, "s", "r1", "12");
	run(money);
	assert_string_equal(written(money), "CREDITS_CONSUMED -3 A left 2 balance 12\n"
					    "CREDITS_CONSUMED -8 B left 2 balance 4\n"
					    "CREDITS_CONSUMED -1 overdraft:tokens//3 left -1 balance 3\n");
	assert_held(money, "4");
	settle(money, "s2", "r2", "4");
	run(money);
	assert_string_equal(written(money), "CREDITS_CONSUMED -2 A left 0 balance 1\n"
					    "CREDITS_CONSUMED -2 B left 0 balance -1\n");
}

static void settled_above_the_policy_decides(void **state)
{
	struct money *money = *state;
	static const char *const customers[] = {"cap", "reject", "limit"};
	const struct account_settings settings[] = {
		policy(OVER_LIMIT_CAP), policy(OVER_LIMIT_REJECT), overdraft_limit("0")};
	static const char *const outcomes[] = {
		"partial 15 of 15.000000000001, balance 0, seq 3-4",
		"rejected insufficient_credits 0 of 15.000000000001, balance 15",
		"rejected overdraft_limit 0 of 15.000000000001, balance 15",
	};
	for (size_t i = 0; i < 3; i++) {
		money->customer_id = customers[i];
		grant_two(money);
		configure(money, "policy", settings[i]);
		reserve(money, "r", "7");
		struct record *record = settle(money, "s1", "r", "15.000000000001");
		run(money);
		assert_string_equal(outcome_of(money, record), outcomes[i]);
		assert_held(money, i == 0 ? "0" : "7"); /* left untouched where it is rejected */
		struct record *again = settle(money, "s2", "r", "15");
		run(money);
		assert_string_equal(outcome_of(money, again), i == 0 ? "rejected reservation_closed 0 of 15, balance 0"
								     : "applied 15 of 15, balance 0, seq 3-4");
	}
}

static void settled_with_0_it_is_closed_without_an_entry(void **state)
{
	struct money *money = *state;
	grant_two(money);
	reserve(money, "r", "7");
	run(money);
	struct record *record = settle(money, "s", "r", "0");
	run(money);
	assert_string_equal(written(money), "");
	assert_string_equal(outcome_of(money, record), "applied 0 of 0, balance 15");
	assert_int_equal(stored_hold(money, "r")->state, HOLD_SETTLED);
	assert_held(money, "0");
}

static void what_is_wrong_with_a_settlement_is_said_in_order(void **state)
{
	struct money *money = *state;
	const char *all = "99999999999999999999999999";
	grant_two(money);
	configure(money, "strict", policy(OVER_LIMIT_REJECT));
	consume(money, "c", "1");
	reserve(money, "open", "1");
	reserve(money, "closed", "1");
	release(money, "f", "closed");
	struct record *unknown = settle(money, "s1", "none", all), *closed = settle(money, "s2", "closed", all);
	struct record *huge = settle(money, "s3", "open", all), *much = settle(money, "s4", "open", "15");
	money->resource_id = "r1";
	grant(money, "C", (struct terms){.amount = "1"});
	struct record *elsewhere = settle(money, "s5", "open", "1");
	run(money);
	assert_string_equal(
		outcome_of(money, unknown), "rejected unknown_reservation 0 of 99999999999999999999999999, balance 14");
	assert_string_equal(
		outcome_of(money, closed), "rejected reservation_closed 0 of 99999999999999999999999999, balance 14");
	assert_string_equal(
		outcome_of(money, huge), "rejected balance_out_of_range 0 of 99999999999999999999999999, balance 14");
	assert_string_equal(outcome_of(money, much), "rejected insufficient_credits 0 of 15, balance 14");
	assert_string_equal(outcome_of(money, elsewhere), "rejected unknown_reservation 0 of 1, balance 1");
}

/* ---- release and extend ---- */

static void released_all_of_it_returns(void **state)
{
	struct money *money = *state;
	grant_two(money);
	reserve(money, "r", "15");
	run(money);
	struct record *record = release(money, "f1", "r"), *again = release(money, "f2", "r");
	struct record *none = release(money, "f3", "none"), *all = consume(money, "c", "15");
	run(money);
	assert_string_equal(outcome_of(money, record), "applied 0 of 0, balance 15");
	assert_string_equal(outcome_of(money, again), "rejected reservation_closed 0 of 0, balance 15");
	assert_string_equal(outcome_of(money, none), "rejected unknown_reservation 0 of 0, balance 15");
	assert_string_equal(outcome_of(money, all), "applied 15 of 15, balance 0, seq 3-4");
	assert_int_equal(stored_hold(money, "r")->state, HOLD_RELEASED);
}

static void an_end_can_be_moved_both_ways(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	reserve_until(money, "r1", "r1", "1", AT(20));
	reserve_until(money, "r2", "r2", "1", AT(20));
	money->now = AT(5);
	struct record *earlier = extend_until(money, "e1", "r1", AT(10));
	struct record *later = extend_for(money, "e2", "r2", 25 * INSTANT_SECOND);
	struct record *now = extend_until(money, "e3", "r2", AT(5)),
		      *far = extend_for(money, "e4", "r2", HOLD_TTL_MAX + 1);
	struct record *none = extend_for(money, "e5", "none", 0);
	run(money);
	assert_string_equal(outcome_of(money, earlier), "applied 0 of 0, balance 10");
	assert_string_equal(outcome_of(money, later), "applied 0 of 0, balance 10");
	assert_string_equal(outcome_of(money, now), "rejected invalid_ttl 0 of 0, balance 10");
	assert_string_equal(outcome_of(money, far), "rejected invalid_ttl 0 of 0, balance 10");
	assert_string_equal(outcome_of(money, none), "rejected unknown_reservation 0 of 0, balance 10");
	money->now = AT(10);
	struct record *closed = extend_for(money, "e6", "r1", 0);
	run(money);
	assert_string_equal(outcome_of(money, closed), "rejected reservation_closed 0 of 0, balance 10");
	assert_int_equal(stored_hold(money, "r1")->state, HOLD_RUN_OUT);
	money->now = AT(30) - 1;
	advance_to(money, "a1", AT(20));
	run(money);
	assert_int_equal(stored_hold(money, "r2")->state, HOLD_OPEN);
	money->now = AT(30);
	advance_to(money, "a2", AT(30));
	run(money);
	assert_int_equal(stored_hold(money, "r2")->state, HOLD_RUN_OUT);
}

/* ---- the end ---- */

static void hold_runs_out_at_its_end_and_not_a_microsecond_earlier(void **state)
{
	struct money *money = *state;
	static const char *const customers[] = {"before", "at"};
	static const char *const outcomes[] = {
		"applied 10 of 10, balance 0, seq 2-2", "rejected reservation_closed 0 of 10, balance 10"};
	for (size_t i = 0; i < 2; i++) {
		money->customer_id = customers[i];
		money->now = AT(0);
		grant(money, "A", (struct terms){.amount = "10"});
		reserve_for(money, "r", "r", "10", 20 * INSTANT_SECOND);
		run(money);
		money->now = i == 0 ? AT(20) - 1 : AT(20);
		struct record *record = settle(money, "s", "r", "10");
		run(money);
		assert_string_equal(outcome_of(money, record), outcomes[i]);
		assert_int_equal(stored_hold(money, "r")->state, i == 0 ? HOLD_SETTLED : HOLD_RUN_OUT);
		assert_true(stored_hold(money, "r")->closed_at == (i == 0 ? AT(20) - 1 : AT(20)));
		assert_held(money, "0");
	}
}

static void what_runs_out_pays_the_deficit_as_of_its_end(void **state)
{
	struct money *money = *state;
	grant_two(money);
	reserve_until(money, "r", "r", "15", AT(20));
	consume(money, "c", "7");
	run(money);
	money->now = AT(30);
	advance_to(money, "a", AT(20));
	run(money);
	assert_string_equal(written(money),
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 5 overdraft:tokens//3 left -2 balance 13\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -5 A left 0 balance 8\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 2 overdraft:tokens//3 left 0 balance 10\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -2 B left 8 balance 8\n");
	for (size_t i = 0; i < 4; i++) {
		const struct ledger_entry *entry = &money->work.entries[i];
		assert_true(entry->recorded_at == AT(20) && entry->event_time == AT(20));
		assert_null(entry->idempotency_key.data);
		assert_int_equal(entry->first_seq, 4);
		assert_int_equal(entry->last_seq, 7);
	}
}

static void what_is_released_pays_the_deficit_in_the_order_of_the_hold(void **state)
{
	struct money *money = *state;
	grant_two(money);
	reserve(money, "r", "15");
	grant(money, "C", (struct terms){.amount = "1"});
	consume(money, "c", "4");
	run(money);
	struct record *record = release(money, "f", "r");
	run(money);
	assert_string_equal(written(money),
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 3 overdraft:tokens//4 left 0 balance 15\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -3 A left 2 balance 12\n");
	assert_string_equal(outcome_of(money, record), "applied 0 of 0, balance 12, seq 6-7");
	assert_true(text_equal(money->work.entries[0].idempotency_key, TEXT_LITERAL("f")));
}

static void the_rest_of_a_settlement_pays_the_deficit(void **state)
{
	struct money *money = *state;
	grant_two(money);
	reserve(money, "r", "15");
	consume(money, "c", "4");
	run(money);
	struct record *record = settle(money, "s", "r", "3");
	run(money);
	assert_string_equal(written(money),
		"CREDITS_CONSUMED -3 A left 2 balance 8\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 2 overdraft:tokens//3 left -2 balance 10\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -2 A left 0 balance 8\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 2 overdraft:tokens//3 left 0 balance 10\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -2 B left 8 balance 8\n");
	assert_string_equal(outcome_of(money, record), "applied 3 of 3, balance 8, seq 4-8");
}

/* Past its expireAt and within the grace: it is held for late usage, and pays no deficit. */
static void what_returns_to_a_grant_past_its_end_pays_no_deficit(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 60 * INSTANT_SECOND);
	grant(money, "A", (struct terms){.amount = "5", .expire_at = AT(10)});
	money->now = AT(20);
	struct record *now = reserve(money, "r1", "5");
	reserve(money, "r2", "5")->event.created_at = AT(9);
	consume(money, "c", "2");
	release(money, "f", "r2");
	run(money);
	assert_string_equal(outcome_of(money, now), "rejected insufficient_credits 0 of 5, balance 5");
	assert_string_equal(written(money), "CREDITS_GRANTED 5 A left 5 balance 5\n"
					    "CREDITS_CONSUMED -2 overdraft:tokens//2 left -2 balance 3\n");
}

/* ---- grants that end under a hold ---- */

static void a_grant_that_expires_loses_only_what_is_not_held(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10", .expire_at = AT(20)});
	reserve_until(money, "r", "r", "6", AT(40));
	run(money);
	money->now = AT(25);
	struct record *usage = consume(money, "c", "1"), *voided = void_grant(money, "v", "A");
	run(money);
	assert_string_equal(written(money), "CREDITS_EXPIRED -4 A left 6 balance 6\n"
					    "CREDITS_CONSUMED -1 overdraft:tokens//2 left -1 balance 5\n");
	assert_string_equal(outcome_of(money, usage), "applied 1 of 1, balance 5, seq 3-3");
	assert_string_equal(outcome_of(money, voided), "rejected grant_not_active 0 of 0, balance 5");
	money->now = AT(30);
	struct record *record = settle(money, "s", "r", "5");
	run(money);
	assert_string_equal(written(money), "CREDITS_CONSUMED -5 A left 1 balance 0\n"
					    "CREDITS_EXPIRED -1 A left 0 balance -1\n");
	assert_string_equal(outcome_of(money, record), "applied 5 of 5, balance -1, seq 4-4");
	assert_null(money->work.entries[1].idempotency_key.data);
	assert_int_equal(money->work.entries[1].first_seq, 5);
	assert_string_equal(told(money), "");
}

static void what_returns_to_an_expired_grant_goes_out_with_the_hold(void **state)
{
	struct money *money = *state;
	static const char *const customers[] = {"released", "ran-out"};
	for (size_t i = 0; i < 2; i++) {
		money->customer_id = customers[i];
		money->now = AT(0);
		grant(money, "A", (struct terms){.amount = "10", .expire_at = AT(20)});
		reserve_until(money, "r", "r", "6", AT(40));
		money->now = AT(20);
		advance_to(money, "a1", AT(20));
		run(money);
		money->now = i == 0 ? AT(30) : AT(50);
		struct record *record = i == 0 ? release(money, "f", "r") : advance_to(money, "a2", AT(40));
		run(money);
		assert_string_equal(written(money), "CREDITS_EXPIRED -6 A left 0 balance 0\n");
		assert_string_equal(outcome_of(money, record), "applied 0 of 0, balance 0");
		assert_null(money->work.entries[0].idempotency_key.data);
		assert_true(money->work.entries[0].recorded_at == (i == 0 ? AT(30) : AT(40)));
		assert_string_equal(told(money), ""); /* spendable was 0 since it expired */
	}
}

static void a_grant_that_is_voided_loses_only_what_is_not_held(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	reserve(money, "r1", "3");
	reserve(money, "r2", "3");
	run(money);
	struct record *voided = void_grant(money, "v1", "A"), *again = void_grant(money, "v2", "A");
	run(money);
	assert_string_equal(written(money), "CREDITS_VOIDED -4 A left 6 balance 6\n");
	assert_string_equal(outcome_of(money, voided), "applied 4 of 0, balance 6, seq 2-2");
	assert_string_equal(outcome_of(money, again), "rejected grant_not_active 0 of 0, balance 6");
	settle(money, "s", "r1", "1");
	run(money);
	assert_string_equal(written(money), "CREDITS_CONSUMED -1 A left 5 balance 5\n"
					    "CREDITS_VOIDED -2 A left 3 balance 3\n");
	settle(money, "s2", "r2", "3");
	run(money);
	assert_string_equal(written(money), "CREDITS_CONSUMED -3 A left 0 balance 0\n");
	assert_string_equal(told(money), "");
}

static void a_grant_that_is_held_whole_ends_without_an_entry(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10", .expire_at = AT(20)});
	reserve_until(money, "r", "r", "10", AT(40));
	run(money);
	money->now = AT(20);
	advance_to(money, "a", AT(20));
	run(money);
	assert_string_equal(written(money), "");
	assert_string_equal(told(money), "credit_grant.expired A 0: balance 10 held 10 seq 1\n");
	settle(money, "s", "r", "10");
	run(money);
	assert_string_equal(written(money), "CREDITS_CONSUMED -10 A left 0 balance 0\n");
}

/* ---- at one instant ---- */

static void at_one_instant_postings_come_first_then_expiries_then_holds(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10", .expire_at = AT(10)});
	reserve_until(money, "r", "r", "4", AT(10));
	grant(money, "B", (struct terms){.amount = "5", .effective_at = AT(10)});
	run(money);
	money->now = AT(10);
	advance_to(money, "a", AT(10));
	run(money);
	assert_string_equal(written(money), "CREDITS_GRANTED 5 B left 5 balance 15\n"
					    "CREDITS_EXPIRED -6 A left 4 balance 9\n"
					    "CREDITS_EXPIRED -4 A left 0 balance 5\n");
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(money->work.entries[i].first_seq, 2 + i);
		assert_int_equal(money->work.entries[i].last_seq, 2 + i);
	}
}

static void at_one_instant_the_older_hold_runs_out_first(void **state)
{
	struct money *money = *state;
	grant_two(money);
	reserve_until(money, "z", "z", "5", AT(10));
	reserve_until(money, "a", "a", "10", AT(10));
	consume(money, "c", "7");
	run(money);
	money->now = AT(10);
	advance_to(money, "t", AT(10));
	run(money);
	assert_string_equal(written(money),
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 5 overdraft:tokens//3 left -2 balance 13\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -5 A left 0 balance 8\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 2 overdraft:tokens//3 left 0 balance 10\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -2 B left 8 balance 8\n");
	assert_int_equal(money->work.entries[1].last_seq, 5);
	assert_int_equal(money->work.entries[2].first_seq, 6);
}

/* Whatever the order in which they were made, moved and closed, and in which they are read again. */
static void many_holds_run_out_in_order_of_their_ends(void **state)
{
	struct money *money = *state;
	static const int ends[] = {50, 20, 70, 20, 90, 10, 60};
	grant(money, "A", (struct terms){.amount = "100"});
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		const char *id = arena_format(&money->arena, "r%zu", i).data;
		reserve_until(money, id, id, "1", AT(ends[i]));
		if (i == 3)
			run(money);
	}
	extend_until(money, "e0", "r0", AT(15)); /* to the front */
	extend_until(money, "e5", "r5", AT(80)); /* to the back */
	release(money, "f2", "r2");
	run(money);
	money->now = AT(80);
	advance_to(money, "a", AT(80));
	run(money);
	static const int closed_at[] = {15, 20, 0, 20, -1, 80, 60};
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		const struct hold *hold = stored_hold(money, arena_format(&money->arena, "r%zu", i).data);
		assert_int_equal(hold->state, i == 2 ? HOLD_RELEASED : i == 4 ? HOLD_OPEN : HOLD_RUN_OUT);
		assert_true(hold->closed_at == (i == 4 ? INSTANT_NONE : AT(closed_at[i])));
	}
	assert_held(money, "1");
}

/* ---- keys ---- */

static void a_key_means_one_thing(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	reserve(money, "r", "4");
	run(money);
	money->now = AT(100);
	struct record *again = reserve(money, "r", "4"), *more = reserve(money, "r", "5");
	struct record *longer = reserve_for(money, "r", "r", "4", HOLD_TTL_DEFAULT + 1);
	struct record *end = reserve_until(money, "r", "r", "4", AT(3600));
	struct record *usage = consume(money, "r", "4"), *settled = settle(money, "r", "r", "4");
	run(money);
	assert_string_equal(outcome_of(money, again), "duplicate 4 of 4, balance 10");
	assert_string_equal(outcome_of(money, more), "conflict 0 of 5");
	assert_string_equal(outcome_of(money, longer), "conflict 0 of 4");
	assert_string_equal(outcome_of(money, end), "conflict 0 of 4");
	assert_string_equal(outcome_of(money, usage), "conflict 0 of 4");
	assert_string_equal(outcome_of(money, settled), "conflict 0 of 4");
	assert_true(stored_account(money)->clock == AT(0));
	assert_held(money, "4");
	settle(money, "s", "r", "3");
	run(money);
	struct record *twice = settle(money, "s", "r", "3"), *other = settle(money, "s", "r", "2");
	run(money);
	assert_string_equal(outcome_of(money, twice), "duplicate 3 of 3, balance 7, seq 2-2");
	assert_string_equal(outcome_of(money, other), "conflict 0 of 2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		money_test(reservation_keeps_credits_in_burn_order_and_writes_nothing),
		money_test(reservation_is_all_or_nothing_whatever_the_policy),
		money_test(a_hold_ends_within_24_hours_and_after_now),
		money_test(a_late_reservation_counts_from_now),
		money_test(a_hold_does_not_outlast_the_calendar),
		money_test(reservation_id_is_used_once_in_an_account),
		money_test(settled_below_the_rest_returns),
		money_test(settled_at_its_amount_nothing_returns),
		money_test(settled_above_there_is_one_entry_a_grant),
		money_test(what_others_hold_is_not_drawn_on),
		money_test(settled_above_the_policy_decides),
		money_test(settled_with_0_it_is_closed_without_an_entry),
		money_test(what_is_wrong_with_a_settlement_is_said_in_order),
		money_test(released_all_of_it_returns),
		money_test(an_end_can_be_moved_both_ways),
		money_test(hold_runs_out_at_its_end_and_not_a_microsecond_earlier),
		money_test(what_runs_out_pays_the_deficit_as_of_its_end),
		money_test(what_is_released_pays_the_deficit_in_the_order_of_the_hold),
		money_test(the_rest_of_a_settlement_pays_the_deficit),
		money_test(what_returns_to_a_grant_past_its_end_pays_no_deficit),
		money_test(a_grant_that_expires_loses_only_what_is_not_held),
		money_test(what_returns_to_an_expired_grant_goes_out_with_the_hold),
		money_test(a_grant_that_is_voided_loses_only_what_is_not_held),
		money_test(a_grant_that_is_held_whole_ends_without_an_entry),
		money_test(at_one_instant_postings_come_first_then_expiries_then_holds),
		money_test(at_one_instant_the_older_hold_runs_out_first),
		money_test(many_holds_run_out_in_order_of_their_ends),
		money_test(a_key_means_one_thing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
