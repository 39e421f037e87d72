/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: grants that wait for their payment, and the commands that move no credits: confirm-payment, advance.
 * Method: small histories after RULES.md 2, 3 and 7; every entry, answer and notification is compared as text.
 */
#include "money_events.h"

/* ---- confirm-payment ---- */

static void a_pending_grant_pays_nothing_until_it_is_confirmed(void **state)
{
	struct money *money = *state;
	struct record *given = grant(money, "A", (struct terms){.amount = "10", .await_payment = true});
	consume(money, "c", "4");
	run(money);
	assert_string_equal(outcome_of(money, given), "applied 10 of 10, balance 0");
	assert_string_equal(written(money), "CREDITS_CONSUMED -4 overdraft:tokens//2 left -4 balance -4\n");
	assert_string_equal(told(money), "credit_grant.created A 10: balance 0 held 0 seq 0\n");
	struct record *confirmed = confirm(money, "k", "A");
	run(money);
	assert_string_equal(written(money),
		"CREDITS_GRANTED 10 A left 10 balance 6\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 4 overdraft:tokens//2 left 0 balance 10\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -4 A left 6 balance 6\n");
	assert_string_equal(outcome_of(money, confirmed), "applied 10 of 0, balance 6, seq 2-4");
	assert_true(text_equal(money->work.entries[0].idempotency_key, TEXT_LITERAL("k")));
	assert_string_equal(told(money), "");
}

static void confirmed_before_its_time_it_is_posted_when_that_comes(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10", .effective_at = AT(10), .await_payment = true});
	struct record *confirmed = confirm(money, "k1", "A"), *again = confirm(money, "k2", "A");
	run(money);
	assert_string_equal(outcome_of(money, confirmed), "applied 0 of 0, balance 0");
	assert_string_equal(outcome_of(money, again), "rejected grant_not_pending 0 of 0, balance 0");
	assert_string_equal(written(money), "");
	money->now = AT(12);
	advance_to(money, "a", AT(10));
	run(money);
	assert_string_equal(written(money), "CREDITS_GRANTED 10 A left 10 balance 10\n");
	assert_true(money->work.entries[0].recorded_at == AT(10));
}

static void confirmed_at_its_time_it_is_posted_at_once(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10", .effective_at = AT(10), .await_payment = true});
	money->now = AT(10);
	struct record *confirmed = confirm(money, "k", "A");
	run(money);
	assert_string_equal(outcome_of(money, confirmed), "applied 10 of 0, balance 10, seq 1-1");
}

/* It burns by the time at which it was given. */
static void without_a_time_it_keeps_the_one_at_which_it_was_given(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10", .await_payment = true});
	money->now = AT(5);
	grant(money, "B", (struct terms){.amount = "10"});
	money->now = AT(9);
	confirm(money, "k", "A");
	consume(money, "c", "1");
	run(money);
	assert_string_equal(written(money), "CREDITS_GRANTED 10 B left 10 balance 10\n"
					    "CREDITS_GRANTED 10 A left 10 balance 20\n"
					    "CREDITS_CONSUMED -1 A left 9 balance 19\n");
}

static void unpaid_it_expires_without_an_entry(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10", .expire_at = AT(10), .await_payment = true});
	run(money);
	money->now = AT(10);
	struct record *late = confirm(money, "k", "A"), *voided = void_grant(money, "v", "A");
	run(money);
	assert_string_equal(written(money), "");
	assert_string_equal(told(money), "credit_grant.expired A 0: balance 0 held 0 seq 0\n");
	assert_string_equal(outcome_of(money, late), "rejected grant_not_pending 0 of 0, balance 0");
	assert_string_equal(outcome_of(money, voided), "rejected grant_not_active 0 of 0, balance 0");
}

/* Within the grace: it pays usage from before its end, and no deficit. */
static void confirmed_within_the_grace_it_pays_late_usage_only(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 60 * INSTANT_SECOND);
	grant(money, "A", (struct terms){.amount = "10", .expire_at = AT(10), .await_payment = true});
	consume(money, "c1", "4");
	money->now = AT(70) - 1;
	confirm(money, "k", "A");
	consume(money, "c2", "1")->event.created_at = AT(9);
	consume(money, "c3", "1");
	money->now++;
	advance_to(money, "a", AT(70));
	run(money);
	assert_string_equal(written(money), "CREDITS_CONSUMED -4 overdraft:tokens//2 left -4 balance -4\n"
					    "CREDITS_GRANTED 10 A left 10 balance 6\n"
					    "CREDITS_CONSUMED -1 A left 9 balance 5\n"
					    "CREDITS_CONSUMED -1 overdraft:tokens//2 left -5 balance 4\n"
					    "CREDITS_EXPIRED -9 A left 0 balance -5\n");
}

static void voided_it_can_no_longer_be_confirmed(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10", .await_payment = true});
	struct record *voided = void_grant(money, "v", "A"), *confirmed = confirm(money, "k", "A");
	run(money);
	assert_string_equal(outcome_of(money, voided), "applied 0 of 0, balance 0");
	assert_string_equal(outcome_of(money, confirmed), "rejected grant_not_pending 0 of 0, balance 0");
	assert_string_equal(written(money), "");
	assert_string_equal(told(money), "credit_grant.created A 10: balance 0 held 0 seq 0\n"
					 "credit_grant.voided A 0: balance 0 held 0 seq 0\n");
	struct record *later = confirm(money, "k2", "A");
	run(money);
	assert_string_equal(outcome_of(money, later), "rejected grant_not_pending 0 of 0, balance 0");
}

static void only_pending_grants_of_this_account_can_be_confirmed(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	money->resource_id = "r1";
	grant(money, "B", (struct terms){.amount = "10", .await_payment = true});
	struct record *elsewhere = confirm(money, "k1", "A");
	money->resource_id = NULL;
	struct record *posted = confirm(money, "k2", "A"), *other = confirm(money, "k3", "B");
	struct record *none = confirm(money, "k4", "none");
	run(money);
	assert_string_equal(outcome_of(money, elsewhere), "rejected unknown_grant 0 of 0, balance 0");
	assert_string_equal(outcome_of(money, posted), "rejected grant_not_pending 0 of 0, balance 10");
	assert_string_equal(outcome_of(money, other), "rejected unknown_grant 0 of 0, balance 10");
	assert_string_equal(outcome_of(money, none), "rejected unknown_grant 0 of 0, balance 10");
}

static void pending_grants_count_among_the_open_ones_and_in_the_range(void **state)
{
	struct money *money = *state;
	money->rules.grants_open_max = 2;
	grant(money, "A", (struct terms){.amount = "1", .await_payment = true});
	grant(money, "B", (struct terms){.amount = "1", .effective_at = AT(10)});
	struct record *third = grant(money, "C", (struct terms){.amount = "1"});
	void_grant(money, "v", "B");
	struct record *huge =
		grant(money, "D", (struct terms){.amount = "99999999999999999999999999", .await_payment = true});
	run(money);
	assert_string_equal(outcome_of(money, third), "rejected too_many_grants 0 of 1, balance 0");
	assert_string_equal(
		outcome_of(money, huge), "rejected balance_out_of_range 0 of 99999999999999999999999999, balance 0");
}

/* ---- advance ---- */

static void advance_does_what_is_due_and_nothing_else(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10", .expire_at = AT(10)});
	run(money);
	assert_false(stored_account(money)->due_stale);
	money->now = AT(10);
	struct record *record = advance_to(money, "a1", AT(10)), *again = advance_to(money, "a2", AT(10));
	run(money);
	assert_string_equal(written(money), "CREDITS_EXPIRED -10 A left 0 balance 0\n");
	assert_string_equal(outcome_of(money, record), "applied 0 of 0, balance 0");
	assert_string_equal(outcome_of(money, again), "applied 0 of 0, balance 0");
	assert_true(record->account->due_stale);
	assert_true(money->work.entries[0].source.offset == record->source.offset);
	assert_null(money->work.entries[0].idempotency_key.data);
}

static void advance_before_its_time_leaves_no_receipt(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10", .expire_at = AT(10)});
	run(money);
	money->now = AT(10) - 1;
	struct record *early = advance_to(money, "a", AT(10));
	run(money);
	assert_string_equal(outcome_of(money, early), "rejected not_due 0 of 0");
	assert_int_equal(money->work.receipts_count, 0);
	assert_false(early->account->touched || early->account->due_stale);
	money->now = AT(10);
	struct record *due = advance_to(money, "a", AT(10));
	run(money);
	assert_string_equal(outcome_of(money, due), "applied 0 of 0, balance 0");
	assert_int_equal(money->work.entries_count, 1);
}

static void advance_may_not_stand_among_usage(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10", .expire_at = AT(10)});
	money->now = AT(20);
	money->input = INPUT_USAGE;
	struct record *advance = advance_to(money, "a", AT(10)),
		      *configured = configure(money, "f", overdraft_limit("1"));
	struct record *confirmed = confirm(money, "k", "A"), *reversed = reverse(money, "v", "c", NULL);
	run(money);
	assert_string_equal(outcome_of(money, advance), "rejected not_permitted 0 of 0");
	assert_string_equal(outcome_of(money, configured), "rejected not_permitted 0 of 0");
	assert_string_equal(outcome_of(money, confirmed), "rejected not_permitted 0 of 0");
	assert_string_equal(outcome_of(money, reversed), "rejected not_permitted 0 of 0");
	assert_true(stored_account(money)->clock == AT(0));
}

static void advance_of_an_unknown_currency_makes_no_account(void **state)
{
	struct money *money = *state;
	struct record *record = advance_to(money, "a", AT(0));
	run(money);
	assert_string_equal(outcome_of(money, record), "rejected unknown_currency 0 of 0");
	assert_null(stored_account(money));
	assert_int_equal(money->work.receipts_count, 1);
}

/* ---- receipts that were dropped ---- */

static void records_from_before_the_receipts_are_too_old(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "10"});
	run(money);
	money->now = AT(100);
	struct record *older = consume(money, "c1", "1"), *first = consume(money, "c2", "1");
	older->source.timestamp--;
	work_reset(&money->work);
	work_add_record(&money->work, older);
	work_add_record(&money->work, first);
	money->pending_count = 0;
	work_prepare(&money->work);
	memory_store_lock(&money->store, &money->work, &money->rules);
	memory_store_look_up(&money->store, &money->work);
	money->work.receipts_from = AT(100);
	assert_int_equal(work_resolve(&money->work, &money->rules, SIZE_MAX, NULL), OUTCOME_OK);
	assert_string_equal(outcome_of(money, older), "rejected too_old 0 of 1");
	assert_string_equal(outcome_of(money, first), "applied 1 of 1, balance 9, seq 2-2");
	assert_int_equal(money->work.receipts_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		money_test(a_pending_grant_pays_nothing_until_it_is_confirmed),
		money_test(confirmed_before_its_time_it_is_posted_when_that_comes),
		money_test(confirmed_at_its_time_it_is_posted_at_once),
		money_test(without_a_time_it_keeps_the_one_at_which_it_was_given),
		money_test(unpaid_it_expires_without_an_entry),
		money_test(confirmed_within_the_grace_it_pays_late_usage_only),
		money_test(voided_it_can_no_longer_be_confirmed),
		money_test(only_pending_grants_of_this_account_can_be_confirmed),
		money_test(pending_grants_count_among_the_open_ones_and_in_the_range),
		money_test(advance_does_what_is_due_and_nothing_else),
		money_test(advance_before_its_time_leaves_no_receipt),
		money_test(advance_may_not_stand_among_usage),
		money_test(advance_of_an_unknown_currency_makes_no_account),
		money_test(records_from_before_the_receipts_are_too_old),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
