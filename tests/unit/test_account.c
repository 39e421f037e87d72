/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the burn order is exactly the contract's, and an account's list of open grants keeps it.
 * Method: pairs of grants that differ in one thing, or in one thing against all that come after it.
 */
#include "money_fixture.h"

static const struct grant plain = {
	.grant_id = {"m", 1},
	.grant_type = GRANT_PAID,
	.status = GRANT_ACTIVE,
	.remaining = 1,
	.priority = 5,
	.effective_at = 50,
	.expire_at = 500,
	.created_at = 50,
	.ordinal = 5,
};

static void expect_before(struct grant first, struct grant second)
{
	assert_true(grant_compare_burn(&first, &second) < 0);
	assert_true(grant_compare_burn(&second, &first) > 0);
	assert_int_equal(grant_compare_burn(&first, &first), 0);
}

/* A grant that loses in everything that is looked at later than `rank`. */
static struct grant worse_after(int rank)
{
	struct grant grant = plain;
	grant.priority += rank < 1;
	grant.expire_at = rank < 2 ? INSTANT_NONE : plain.expire_at;
	grant.effective_at += rank < 4;
	grant.created_at += rank < 5;
	grant.ordinal += rank < 6;
	grant.grant_id = rank < 7 ? TEXT_LITERAL("z") : plain.grant_id;
	return grant;
}

static void lower_priority_burns_first(void **state)
{
	(void)state;
	struct grant first = worse_after(1);
	first.priority = -1;
	expect_before(first, plain);
}

static void sooner_expiry_burns_first_and_never_burns_last(void **state)
{
	(void)state;
	struct grant first = worse_after(2), never = plain;
	first.expire_at = plain.expire_at - 1;
	never.expire_at = INSTANT_NONE;
	expect_before(first, plain);
	expect_before(plain, never);
}

static void promotional_burns_before_paid(void **state)
{
	(void)state;
	struct grant first = worse_after(3);
	first.grant_type = GRANT_PROMOTIONAL;
	expect_before(first, plain);
}

static void earlier_effect_burns_first(void **state)
{
	(void)state;
	struct grant first = worse_after(4);
	first.effective_at = plain.effective_at - 1;
	expect_before(first, plain);
}

static void earlier_creation_burns_first_then_the_earlier_ordinal(void **state)
{
	(void)state;
	struct grant by_time = worse_after(5), by_ordinal = worse_after(6);
	by_time.created_at = plain.created_at - 1;
	by_ordinal.ordinal = plain.ordinal - 1;
	expect_before(by_time, plain);
	expect_before(by_ordinal, plain);
}

static void grant_id_breaks_the_last_tie(void **state)
{
	(void)state;
	struct grant first = plain;
	first.grant_id = TEXT_LITERAL("a");
	expect_before(first, plain);
}

static void overdraft_stands_behind_everything(void **state)
{
	(void)state;
	struct grant overdraft = plain;
	overdraft.grant_type = GRANT_OVERDRAFT;
	overdraft.priority = INT32_MIN;
	overdraft.expire_at = INSTANT_MIN;
	expect_before(plain, overdraft);
}

static struct grant *insert(struct money *money, struct account *account, const char *grant_id, int32_t priority)
{
	struct grant grant = plain;
	grant.grant_id = text_of(grant_id);
	grant.priority = priority;
	return account_insert_grant(account, &money->arena, &grant);
}

static void inserted_grants_keep_the_order_while_the_list_grows(void **state)
{
	struct money *money = *state;
	static const int32_t priorities[] = {3, 9, 1, 7, 5, 8, 2, 6, 4};
	const size_t count = sizeof priorities / sizeof *priorities;
	struct account account = {0};

	for (size_t i = 0; i < count; i++)
		assert_int_equal(insert(money, &account, "g", priorities[i])->priority, priorities[i]);
	assert_int_equal(account.grants_count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(account.grants[i].priority, i + 1);
}

static void removed_grant_leaves_the_others_in_place(void **state)
{
	struct money *money = *state;
	struct account account = {0};

	insert(money, &account, "a", 1);
	insert(money, &account, "b", 2);
	insert(money, &account, "c", 3);
	account_remove_grant(&account, 1);
	assert_int_equal(account.grants_count, 2);
	assert_null(account_find_grant(&account, TEXT_LITERAL("b")));
	assert_ptr_equal(account_find_grant(&account, TEXT_LITERAL("a")), &account.grants[0]);
	assert_ptr_equal(account_find_grant(&account, TEXT_LITERAL("c")), &account.grants[1]);
}

static void overdraft_is_found_only_where_there_is_one(void **state)
{
	struct money *money = *state;
	struct account account = {0};
	struct grant overdraft = plain;
	overdraft.grant_type = GRANT_OVERDRAFT;

	assert_null(account_overdraft(&account));
	insert(money, &account, "a", 1);
	assert_null(account_overdraft(&account));
	account_insert_grant(&account, &money->arena, &overdraft);
	assert_ptr_equal(account_overdraft(&account), &account.grants[1]);
}

static void due_time_is_the_posting_or_the_expiry_with_its_grace(void **state)
{
	(void)state;
	struct grant grant = plain;

	assert_int_equal(grant_due(&grant, 0), 500);
	assert_int_equal(grant_due(&grant, 20), 520);
	grant.status = GRANT_SCHEDULED;
	assert_int_equal(grant_due(&grant, 20), 50);
	grant.status = GRANT_ACTIVE;
	grant.expire_at = INSTANT_NONE;
	assert_true(grant_due(&grant, 20) == INT64_MAX);
}

static void next_due_is_the_earliest_of_all_once_the_currency_is_known(void **state)
{
	struct money *money = *state;
	const struct currency currency = {.expiry_grace = 7};
	struct account account = {0};

	insert(money, &account, "a", 1)->expire_at = 300;
	insert(money, &account, "b", 2)->expire_at = 100;
	account_find_next_due(&account);
	assert_true(account.next_due == INT64_MAX);
	account.currency = &currency;
	account_find_next_due(&account);
	assert_int_equal(account.next_due, 107);
	account_remove_grant(&account, 1);
	assert_int_equal(account.next_due, 307);
	account_remove_grant(&account, 0);
	assert_true(account.next_due == INT64_MAX);
}

static void accounts_are_ordered_by_customer_currency_resource(void **state)
{
	(void)state;
	static const struct account_key keys[] = {
		{{"a", 1}, {"x", 1}, {NULL, 0}},
		{{"a", 1}, {"x", 1}, {"r", 1}},
		{{"a", 1}, {"x", 1}, {"s", 1}},
		{{"a", 1}, {"y", 1}, {NULL, 0}},
		{{"ab", 2}, {"x", 1}, {NULL, 0}},
		{{"b", 1}, {"a", 1}, {NULL, 0}},
	};
	const size_t count = sizeof keys / sizeof *keys;

	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++) {
			int order = account_key_compare(&keys[i], &keys[j]);
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
			assert_int_equal(account_key_equal(&keys[i], &keys[j]), i == j);
		}
}

static void account_key_joins_its_parts(void **state)
{
	struct money *money = *state;
	struct account_key key = {TEXT_LITERAL("acme"), TEXT_LITERAL("tokens"), TEXT_NULL};

	assert_true(text_equal(account_key_format(&key, &money->arena), TEXT_LITERAL("acme/tokens")));
	key.resource_id = TEXT_LITERAL("r1");
	assert_true(text_equal(account_key_format(&key, &money->arena), TEXT_LITERAL("acme/tokens/r1")));
}

/* Two grants of 5 and 7, and a hold of those parts. */
static bool hold_fits(struct money *money, struct hold_part *parts, size_t count, const char *amount, credit_t held)
{
	struct account account = {.held = held};
	struct grant first = plain, second = plain, overdraft = plain;
	struct hold hold = {.amount = credit(amount), .parts = parts, .parts_count = count};

	first.grant_id = TEXT_LITERAL("first");
	first.remaining = credit("5");
	second.grant_id = TEXT_LITERAL("second");
	second.remaining = credit("7");
	second.status = GRANT_EXPIRED;
	second.ordinal++;
	overdraft.grant_id = TEXT_LITERAL("overdraft:x//1");
	overdraft.grant_type = GRANT_OVERDRAFT;
	overdraft.remaining = -1;
	account_insert_grant(&account, &money->arena, &first);
	account_insert_grant(&account, &money->arena, &second);
	account_insert_grant(&account, &money->arena, &overdraft);
	account_add_hold(&account, &money->arena, &hold);
	return account_apply_holds(&account) && account.grants[0].held + account.grants[1].held == hold.amount;
}

static void holds_fit_their_grants_or_are_refused(void **state)
{
	struct money *money = *state;
	struct hold_part good[] = {{TEXT_LITERAL("first"), credit("5")}, {TEXT_LITERAL("second"), credit("2")}};
	struct hold_part swapped[] = {good[1], good[0]}, twice[] = {good[1], good[1]};
	struct hold_part unknown[] = {{TEXT_LITERAL("none"), 1}}, none[] = {{TEXT_LITERAL("first"), 0}};
	struct hold_part overdrawn[] = {{TEXT_LITERAL("overdraft:x//1"), 1}};
	struct hold_part more[] = {{TEXT_LITERAL("first"), credit("5") + 1}};

	assert_true(hold_fits(money, good, 2, "7", credit("7")));
	assert_false(hold_fits(money, good, 2, "7", credit("6")));
	assert_false(hold_fits(money, good, 2, "6", credit("6")));
	assert_false(hold_fits(money, swapped, 2, "7", credit("7"))); /* they stand in burn order */
	assert_false(hold_fits(money, twice, 2, "4", credit("4")));
	assert_false(hold_fits(money, unknown, 1, "0.000000000001", 1));
	assert_false(hold_fits(money, none, 1, "0", 0));
	assert_false(hold_fits(money, overdrawn, 1, "0.000000000001", 1));
	assert_false(hold_fits(money, more, 1, "5.000000000001", credit("5") + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		money_test(lower_priority_burns_first),
		money_test(sooner_expiry_burns_first_and_never_burns_last),
		money_test(promotional_burns_before_paid),
		money_test(earlier_effect_burns_first),
		money_test(earlier_creation_burns_first_then_the_earlier_ordinal),
		money_test(grant_id_breaks_the_last_tie),
		money_test(overdraft_stands_behind_everything),
		money_test(inserted_grants_keep_the_order_while_the_list_grows),
		money_test(removed_grant_leaves_the_others_in_place),
		money_test(overdraft_is_found_only_where_there_is_one),
		money_test(due_time_is_the_posting_or_the_expiry_with_its_grace),
		money_test(next_due_is_the_earliest_of_all_once_the_currency_is_known),
		money_test(holds_fit_their_grants_or_are_refused),
		money_test(accounts_are_ordered_by_customer_currency_resource),
		money_test(account_key_joins_its_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
