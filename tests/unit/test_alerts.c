/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a threshold is told of once when it is reached, and is armed again exactly where the rules say.
 * Method: small histories after RULES.md 12 and 13; what was told is compared as text, state by state, at the level
 * and the least digit beside it.
 */
#include "money_events.h"

#define TINY "0.000000000001"
#define ALL "99999999999999999999999999.999999999999"

static struct threshold at_amount(const char *amount, int32_t hysteresis)
{
	return (struct threshold){.amount = credit(amount), .hysteresis = hysteresis};
}

static struct threshold at_percent(int32_t percent, int32_t hysteresis)
{
	return (struct threshold){.is_percent = true, .percent = percent, .hysteresis = hysteresis};
}

static struct account_settings thresholds_of(struct money *money, const struct threshold *given, size_t count)
{
	struct threshold *items = arena_alloc_array(&money->arena, count + 1, sizeof *items);
	for (size_t i = 0; i < count; i++)
		items[i] = given[i];
	return (struct account_settings){.has_thresholds = true, .thresholds = {items, count}};
}

/* A grant G of `amount`, and one threshold; run, so that what follows is told of alone. */
static void begin(struct money *money, const char *amount, struct threshold threshold)
{
	memory_store_name_currency(&money->store, "tokens", 0);
	configure(money, "begin", thresholds_of(money, &threshold, 1));
	grant(money, "G", (struct terms){.amount = amount});
	run(money);
}

/* "100 armed, 20% new, 0 armed" */
static const char *states_of(struct money *money)
{
	struct account account = {0};
	struct text text = TEXT_LITERAL("");
	const struct account_key key = {
		text_of(money->customer_id), text_of(money->currency_id), text_of(money->resource_id)};
	const struct stored_account *stored = memory_store_find_account(&money->store, &key);

	assert_true(alerts_parse(&account.alerts, &money->arena, stored->alerts));
	for (size_t i = 0; i < account.alerts.count; i++)
		text = arena_format(&money->arena, "%.*s%s%s %s", TEXT_ARGS(text), i ? ", " : "",
			threshold_text(money, &account.alerts.items[i].threshold),
			alert_state_name(account.alerts.items[i].state));
	return arena_format(&money->arena, "%.*s", TEXT_ARGS(text)).data;
}

/* What consuming it tells. */
static const char *told_of(struct money *money, const char *key, const char *amount)
{
	consume(money, key, amount);
	run(money);
	return told(money);
}

static const char *told_of_grant(struct money *money, const char *key, const char *amount)
{
	grant(money, key, (struct terms){.amount = amount});
	run(money);
	return told(money);
}

/* ---- one level ---- */

static void balance_that_never_stood_above_the_level_is_not_low(void **state)
{
	struct money *money = *state;
	begin(money, "50", at_amount("100", 10));
	assert_string_equal(told(money), "credit_grant.created G 50: balance 50 held 0 seq 1\n");
	assert_string_equal(states_of(money), "100 new, 0 armed");
	assert_string_equal(told_of(money, "c", "1"), "");
}

static void level_is_armed_by_the_hysteresis_and_reached_at_itself(void **state)
{
	struct money *money = *state;
	begin(money, "109.999999999999", at_amount("100", 10));
	assert_string_equal(states_of(money), "100 new, 0 armed");
	(void)told_of_grant(money, "g1", TINY);
	assert_string_equal(states_of(money), "100 armed, 0 armed");
	assert_string_equal(told_of(money, "c1", "9.999999999999"), "");
	assert_string_equal(states_of(money), "100 armed, 0 armed");
	assert_string_equal(told_of(money, "c2", TINY), "credit_balance.low 100 at 100: balance 100 held 0 seq 4\n");
	assert_string_equal(states_of(money), "100 disarmed, 0 armed");
	assert_string_equal(told_of(money, "c3", "1"), "");
}

static void level_is_armed_again_by_the_hysteresis_only(void **state)
{
	struct money *money = *state;
	begin(money, "200", at_amount("100", 10));
	assert_string_equal(
		told_of(money, "c1", "100.5"), "credit_balance.low 100 at 100: balance 99.5 held 0 seq 2\n");
	assert_string_equal(told_of_grant(money, "g1", "10.499999999999"),
		"credit_grant.created g1 10.499999999999: balance 109.999999999999 held 0 seq 3\n");
	assert_string_equal(told_of(money, "c2", "20"), ""); /* below it again, and not armed meanwhile */
	assert_string_equal(told_of_grant(money, "g2", "20.000000000001"),
		"credit_grant.created g2 20.000000000001: balance 110 held 0 seq 5\n"
		"credit_balance.recovered: balance 110 held 0 seq 5\n");
	assert_string_equal(states_of(money), "100 armed, 0 armed");
}

static void without_hysteresis_the_least_above_arms(void **state)
{
	struct money *money = *state;
	begin(money, "100", at_amount("100", 0));
	assert_string_equal(states_of(money), "100 new, 0 armed");
	(void)told_of_grant(money, "g", TINY);
	assert_string_equal(states_of(money), "100 armed, 0 armed");
}

/* 10 percent of the level is no whole digit: what is needed is the next one. */
static void hysteresis_of_a_part_of_a_digit_is_not_cut(void **state)
{
	struct money *money = *state;
	begin(money, "0.000000000016", at_amount("0.000000000015", 10));
	assert_string_equal(states_of(money), "0.000000000015 new, 0 armed");
	(void)told_of_grant(money, "g", TINY);
	assert_string_equal(states_of(money), "0.000000000015 armed, 0 armed");
}

static void zero_is_always_a_level(void **state)
{
	struct money *money = *state;
	grant(money, "G", (struct terms){.amount = "5"});
	run(money);
	assert_string_equal(states_of(money), "0 armed");
	assert_string_equal(told_of(money, "c1", "5"), "credit_grant.depleted G: balance 0 held 0 seq 2\n"
						       "credit_balance.depleted: balance 0 held 0 seq 2\n");
	assert_string_equal(told_of(money, "c2", "3"), "");
	assert_string_equal(told_of_grant(money, "g1", "3"), "credit_grant.created g1 3: balance 0 held 0 seq 6\n"
							     "credit_grant.depleted g1: balance 0 held 0 seq 6\n");
	assert_string_equal(told_of_grant(money, "g2", TINY),
		"credit_grant.created g2 " TINY ": balance " TINY " held 0 seq 7\n"
		"credit_balance.recovered: balance " TINY " held 0 seq 7\n");
	assert_string_equal(told_of(money, "c3", "1"),
		"credit_grant.depleted g2: balance -0.999999999999 held 0 seq 9\n"
		"credit_balance.depleted: balance -0.999999999999 held 0 seq 9\n");
}

/* ---- percent ---- */

static void percent_is_of_the_balance_when_credit_was_last_posted(void **state)
{
	struct money *money = *state;
	begin(money, "100", at_percent(20, 10));
	assert_string_equal(told_of(money, "c1", "79.999999999999"), "");
	assert_string_equal(told_of(money, "c2", TINY), "credit_balance.low 20% at 20: balance 20 held 0 seq 3\n");
	/* Now of 70: it is 14, and 70 is above that. */
	assert_string_equal(told_of_grant(money, "g1", "50"), "credit_grant.created g1 50: balance 70 held 0 seq 4\n"
							      "credit_balance.recovered: balance 70 held 0 seq 4\n");
	assert_string_equal(told_of(money, "c3", "55.999999999999"),
		"credit_grant.depleted G: balance 14.000000000001 held 0 seq 6\n");
	assert_string_equal(told_of(money, "c4", TINY), "credit_balance.low 20% at 14: balance 14 held 0 seq 7\n");
}

static void percent_of_it_is_cut_to_12_digits(void **state)
{
	struct money *money = *state;
	begin(money, "0.000000000009", at_percent(20, 0)); /* 1.8 of the least digit */
	assert_string_equal(told_of(money, "c1", "0.000000000007"), "");
	assert_string_equal(
		told_of(money, "c2", TINY), "credit_balance.low 20% at " TINY ": balance " TINY " held 0 seq 3\n");
}

static void percent_is_of_what_the_transfers_left(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	const struct threshold half = at_percent(50, 0);
	configure(money, "begin", thresholds_of(money, &half, 1));
	consume(money, "c1", "60");
	grant(money, "G", (struct terms){.amount = "100"});
	run(money);
	assert_string_equal(told_of(money, "c2", "20"), "credit_balance.low 50% at 20: balance 20 held 0 seq 5\n");
}

static void percent_of_nothing_keeps_its_state(void **state)
{
	struct money *money = *state;
	begin(money, "100", at_percent(20, 10));
	(void)told_of(money, "c1", "90");
	assert_string_equal(states_of(money), "20% disarmed, 0 armed");
	consume(money, "c2", "20");
	grant(money, "g1", (struct terms){.amount = "10"}); /* the balance is 0 after it */
	run(money);
	assert_string_equal(states_of(money), "20% disarmed, 0 disarmed");
	consume(money, "c3", "20");
	grant(money, "g2", (struct terms){.amount = "10"}); /* and below 0 */
	reverse(money, "v", "c1", NULL);
	run(money);
	assert_true(stored_account(money)->balance == credit("80"));
	assert_string_equal(states_of(money), "20% disarmed, 0 armed");
	assert_string_equal(told_of_grant(money, "g3", "10"), "credit_grant.created g3 10: balance 90 held 0 seq 15\n"
							      "credit_balance.recovered: balance 90 held 0 seq 15\n");
}

/* ---- several ---- */

static void several_are_told_in_the_order_of_the_settings_and_0_last(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	const struct threshold items[] = {at_amount("10", 10), at_amount("50", 10), at_percent(30, 0)};
	configure(money, "begin", thresholds_of(money, items, 3));
	grant(money, "G", (struct terms){.amount = "100"});
	run(money);
	assert_string_equal(told_of(money, "c", "100"), "credit_grant.depleted G: balance 0 held 0 seq 2\n"
							"credit_balance.low 10 at 10: balance 0 held 0 seq 2\n"
							"credit_balance.low 50 at 50: balance 0 held 0 seq 2\n"
							"credit_balance.low 30% at 30: balance 0 held 0 seq 2\n"
							"credit_balance.depleted: balance 0 held 0 seq 2\n");
	assert_string_equal(told_of_grant(money, "g1", "54"), "credit_grant.created g1 54: balance 54 held 0 seq 3\n");
	assert_string_equal(states_of(money), "10 armed, 50 disarmed, 30% armed, 0 armed");
	assert_string_equal(told_of_grant(money, "g2", "1"), "credit_grant.created g2 1: balance 55 held 0 seq 4\n"
							     "credit_balance.recovered: balance 55 held 0 seq 4\n");
}

static void what_stays_in_the_settings_keeps_its_state(void **state)
{
	struct money *money = *state;
	begin(money, "200", at_amount("100", 10));
	(void)told_of(money, "c1", "150");
	assert_string_equal(states_of(money), "100 disarmed, 0 armed");
	const struct threshold items[] = {
		at_percent(10, 0), at_amount("100", 50), at_amount("40", 0), at_amount("60", 0)};
	configure(money, "more", thresholds_of(money, items, 4));
	run(money);
	assert_string_equal(states_of(money), "10% armed, 100 disarmed, 40 armed, 60 new, 0 armed");
	(void)told_of_grant(money, "g1", "99"); /* 149: by 10 percent it would be armed, not by 50 */
	assert_string_equal(states_of(money), "10% armed, 100 disarmed, 40 armed, 60 armed, 0 armed");
	configure(money, "none", (struct account_settings){0});
	run(money);
	assert_string_equal(told(money), "");
	assert_string_equal(states_of(money), "0 armed");
	configure(money, "again", thresholds_of(money, items + 1, 1));
	run(money);
	assert_string_equal(states_of(money), "100 new, 0 armed");
	assert_string_equal(told_of_grant(money, "g2", "1"), "credit_grant.created g2 1: balance 150 held 0 seq 4\n");
	assert_string_equal(states_of(money), "100 armed, 0 armed"); /* and not recovered: it was new */
}

static void an_account_without_its_own_follows_the_currency(void **state)
{
	struct money *money = *state;
	static struct threshold fifty = {.amount = 50 * CREDIT_ONE};
	grant(money, "G", (struct terms){.amount = "100"});
	memory_store_name_currency(&money->store, "tokens", 0);
	run(money);
	money->store.currencies[0].thresholds = (struct thresholds){&fifty, 1};
	void_grant(money, "v", "none"); /* rejected for the state: decided all the same */
	run(money);
	assert_string_equal(states_of(money), "50 armed, 0 armed");
	assert_string_equal(told_of(money, "c", "60"), "credit_balance.low 50 at 50: balance 40 held 0 seq 2\n");
	configure(money, "own", thresholds_of(money, NULL, 0)); /* none is another thing than the currency's */
	run(money);
	assert_string_equal(states_of(money), "0 armed");
}

/* ---- the ends of the range ---- */

static void levels_at_the_end_of_the_range_do_not_overflow(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	const struct threshold items[] = {at_amount(ALL, 100), at_amount("90909090909090909090909090.909090909090", 10),
		at_percent(100, 100), at_percent(99, 1), at_percent(50, 100)};
	configure(money, "begin", thresholds_of(money, items, 5));
	grant(money, "G", (struct terms){.amount = ALL});
	run(money);
	assert_string_equal(states_of(money), ALL " new, 90909090909090909090909090.90909090909 armed, 100% new, "
						  "99% armed, 50% armed, 0 armed");
	consume(money, "c1", ALL);
	run(money);
	assert_string_equal(told(money),
		"credit_grant.depleted G: balance 0 held 0 seq 2\n"
		"credit_balance.low 90909090909090909090909090.90909090909 at 90909090909090909090909090.90909090909: "
		"balance 0 held 0 seq 2\n"
		"credit_balance.low 99% at 98999999999999999999999999.999999999999: balance 0 held 0 seq 2\n"
		"credit_balance.low 50% at 49999999999999999999999999.999999999999: balance 0 held 0 seq 2\n"
		"credit_balance.depleted: balance 0 held 0 seq 2\n");
}

static void deepest_overdraft_has_no_level(void **state)
{
	struct money *money = *state;
	begin(money, "1", at_amount(ALL, 100));
	(void)told_of(money, "c1", "99999999999999999999999999");
	assert_string_equal(states_of(money), ALL " new, 0 disarmed");
}

/* ---- when ---- */

static void what_is_held_is_not_spendable(void **state)
{
	struct money *money = *state;
	begin(money, "100", at_amount("10", 10));
	reserve(money, "r", "89.999999999999");
	run(money);
	assert_string_equal(told(money), "");
	reserve(money, "r2", TINY);
	run(money);
	assert_string_equal(told(money), "credit_balance.low 10 at 10: balance 100 held 90 seq 1\n");
	settle(money, "s", "r", "89.999999999999"); /* the spendable part stays */
	run(money);
	assert_string_equal(told(money), "");
	release(money, "f", "r2");
	run(money);
	assert_string_equal(told(money), ""); /* 10.000000000001: not by the hysteresis */
	reverse(money, "v", "s", "1");
	run(money);
	assert_string_equal(told(money), "credit_balance.recovered: balance 11.000000000001 held 0 seq 3\n");
}

static void each_step_of_advance_is_decided_on(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	const struct threshold ten = at_amount("10", 10);
	configure(money, "begin", thresholds_of(money, &ten, 1));
	grant(money, "G", (struct terms){.amount = "100", .expire_at = AT(10)});
	grant(money, "H", (struct terms){.amount = "50", .effective_at = AT(20)});
	run(money);
	money->now = AT(30);
	consume(money, "c", "45");
	run(money);
	assert_string_equal(told(money), "credit_grant.expired G 100: balance 0 held 0 seq 2\n"
					 "credit_balance.low 10 at 10: balance 0 held 0 seq 2\n"
					 "credit_balance.depleted: balance 0 held 0 seq 2\n"
					 "credit_balance.recovered: balance 50 held 0 seq 3\n"
					 "credit_balance.low 10 at 10: balance 5 held 0 seq 4\n");
	static const int times[] = {10, 10, 10, 20, 30};
	for (size_t i = 0; i < 5; i++) {
		const struct notification *told = &money->work.notifications[i];
		assert_int_equal(told->ordinal, i + 1);
		assert_true(told->recorded_at == AT(times[i]));
		assert_int_equal(!told->idempotency_key.data, i < 4);
		assert_int_equal(told->source.offset, money->offset - 1);
	}
}

static void a_hold_that_runs_out_recovers(void **state)
{
	struct money *money = *state;
	begin(money, "100", at_amount("10", 10));
	reserve_until(money, "r", "r", "95", AT(20));
	run(money);
	money->now = AT(20);
	advance_to(money, "a", AT(20));
	run(money);
	assert_string_equal(told(money), "credit_balance.recovered: balance 100 held 0 seq 1\n");
	assert_true(money->work.notifications[0].recorded_at == AT(20));
}

/* What returns to an ended grant is gone by the time of the decision: it recovers nothing. */
static void what_goes_out_at_once_recovers_nothing(void **state)
{
	struct money *money = *state;
	begin(money, "100", at_amount("10", 10));
	consume(money, "c", "100");
	void_grant(money, "x", "G");
	run(money);
	reverse(money, "v", "c", NULL);
	run(money);
	assert_string_equal(written(money), "CREDITS_REVERSED 100 G left 100 balance 100\n"
					    "CREDITS_VOIDED -100 G left 0 balance 0\n");
	assert_string_equal(told(money), "");
}

static void nothing_is_told_twice(void **state)
{
	struct money *money = *state;
	begin(money, "100", at_amount("10", 10));
	consume(money, "c", "95");
	struct record *again = consume(money, "c", "95"), *conflict = consume(money, "c", "1");
	struct record *unknown = void_grant(money, "v", "none");
	run(money);
	assert_string_equal(told(money), "credit_balance.low 10 at 10: balance 5 held 0 seq 2\n");
	assert_int_equal(again->result.kind, RESULT_DUPLICATE);
	assert_int_equal(conflict->result.kind, RESULT_CONFLICT);
	assert_int_equal(unknown->result.kind, RESULT_REJECTED);
	void_grant(money, "v2", "none");
	consume(money, "c", "95");
	run(money);
	assert_string_equal(told(money), "");
}

static void end_of_a_grant_is_told_before_the_levels_that_it_reached(void **state)
{
	struct money *money = *state;
	begin(money, "100", at_amount("50", 10));
	void_grant(money, "v", "G");
	run(money);
	assert_string_equal(told(money), "credit_grant.voided G 100: balance 0 held 0 seq 2\n"
					 "credit_balance.low 50 at 50: balance 0 held 0 seq 2\n"
					 "credit_balance.depleted: balance 0 held 0 seq 2\n");
	assert_true(text_equal(money->work.notifications[0].idempotency_key, TEXT_LITERAL("v")));
}

/* Told of by the event that ends it; each balance as of the end of that event. */
static void grants_are_told_of_in_the_order_in_which_they_end(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5", .priority = 1});
	grant(money, "B", (struct terms){.amount = "5", .priority = 2});
	grant(money, "C", (struct terms){.amount = "5", .priority = 3, .effective_at = AT(5)});
	consume(money, "c", "12");
	run(money);
	assert_string_equal(told(money), "credit_grant.created A 5: balance 5 held 0 seq 1\n"
					 "credit_grant.created B 5: balance 10 held 0 seq 2\n"
					 "credit_grant.created C 5: balance 10 held 0 seq 2\n"
					 "credit_grant.depleted A: balance -2 held 0 seq 5\n"
					 "credit_grant.depleted B: balance -2 held 0 seq 5\n"
					 "credit_balance.depleted: balance -2 held 0 seq 5\n");
	static const int ordinals[] = {1, 1, 1, 1, 2, 3};
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(money->work.notifications[i].ordinal, ordinals[i]);
	money->now = AT(5);
	advance_to(money, "a", AT(5));
	run(money);
	assert_string_equal(told(money), "credit_balance.recovered: balance 3 held 0 seq 8\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		money_test(balance_that_never_stood_above_the_level_is_not_low),
		money_test(level_is_armed_by_the_hysteresis_and_reached_at_itself),
		money_test(level_is_armed_again_by_the_hysteresis_only),
		money_test(without_hysteresis_the_least_above_arms),
		money_test(hysteresis_of_a_part_of_a_digit_is_not_cut),
		money_test(zero_is_always_a_level),
		money_test(percent_is_of_the_balance_when_credit_was_last_posted),
		money_test(percent_of_it_is_cut_to_12_digits),
		money_test(percent_is_of_what_the_transfers_left),
		money_test(percent_of_nothing_keeps_its_state),
		money_test(several_are_told_in_the_order_of_the_settings_and_0_last),
		money_test(what_stays_in_the_settings_keeps_its_state),
		money_test(an_account_without_its_own_follows_the_currency),
		money_test(levels_at_the_end_of_the_range_do_not_overflow),
		money_test(deepest_overdraft_has_no_level),
		money_test(what_is_held_is_not_spendable),
		money_test(each_step_of_advance_is_decided_on),
		money_test(a_hold_that_runs_out_recovers),
		money_test(what_goes_out_at_once_recovers_nothing),
		money_test(nothing_is_told_twice),
		money_test(end_of_a_grant_is_told_before_the_levels_that_it_reached),
		money_test(grants_are_told_of_in_the_order_in_which_they_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
