/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: before an event touches its account, what was due is done, at its own time and in its own order, so that
 * a lazy account and a busy one keep the same books.
 * Method: grants with times, then a touch (a void of nothing, which is rejected but advances) at chosen instants.
 */
#include "money_fixture.h"

/* An event that does nothing itself. */
static struct record *touch(struct money *money, instant_t now)
{
	static const char *const keys[] = {"t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"};
	assert_true(money->offset < 8);
	money->now = now;
	return void_grant(money, keys[money->offset], "nothing");
}

static void scheduled_grant_is_posted_when_its_time_has_come(void **state)
{
	struct money *money = *state;
	grant(money, "later", (struct terms){.amount = "5", .effective_at = AT(10)});
	touch(money, AT(10) - 1);
	assert_int_equal(run(money), OUTCOME_OK);
	assert_string_equal(written(money), "");

	touch(money, AT(10));
	run(money);
	assert_string_equal(written(money), "CREDITS_GRANTED 5 later left 5 balance 5\n");
}

static void grant_expires_at_its_end_and_not_a_microsecond_earlier(void **state)
{
	struct money *money = *state;
	grant(money, "short", (struct terms){.amount = "5", .expire_at = AT(10)});
	touch(money, AT(10) - 1);
	run(money);
	assert_string_equal(written(money), "CREDITS_GRANTED 5 short left 5 balance 5\n");

	touch(money, AT(10));
	run(money);
	assert_string_equal(written(money), "CREDITS_EXPIRED -5 short left 0 balance 0\n");
	assert_int_equal(
		memory_store_find_grant(&money->store, text_of("acme"), text_of("short"))->end, GRANT_END_EXPIRED);
}

static void grace_delays_the_expiry(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 5 * INSTANT_SECOND);
	grant(money, "short", (struct terms){.amount = "5", .expire_at = AT(10)});
	touch(money, AT(15) - 1);
	run(money);
	assert_string_equal(written(money), "CREDITS_GRANTED 5 short left 5 balance 5\n");

	touch(money, AT(15));
	run(money);
	assert_string_equal(written(money), "CREDITS_EXPIRED -5 short left 0 balance 0\n");
	assert_true(money->store.entries[1].recorded_at == AT(15));
}

static void what_came_due_is_done_in_order_of_its_time(void **state)
{
	struct money *money = *state;
	grant(money, "second", (struct terms){.amount = "2", .expire_at = AT(20)});
	grant(money, "first", (struct terms){.amount = "1", .priority = 9, .expire_at = AT(10)});
	grant(money, "middle", (struct terms){.amount = "4", .effective_at = AT(15), .expire_at = AT(30)});
	run(money);
	touch(money, AT(40));
	run(money);
	assert_string_equal(written(money), "CREDITS_EXPIRED -1 first left 0 balance 2\n"
					    "CREDITS_GRANTED 4 middle left 4 balance 6\n"
					    "CREDITS_EXPIRED -2 second left 0 balance 4\n"
					    "CREDITS_EXPIRED -4 middle left 0 balance 0\n");
}

static void at_one_instant_posting_comes_before_expiry(void **state)
{
	struct money *money = *state;
	grant(money, "old", (struct terms){.amount = "1", .expire_at = AT(10)});
	grant(money, "new", (struct terms){.amount = "2", .effective_at = AT(10)});
	run(money);
	touch(money, AT(10));
	run(money);
	assert_string_equal(written(money), "CREDITS_GRANTED 2 new left 2 balance 3\n"
					    "CREDITS_EXPIRED -1 old left 0 balance 2\n");
}

static void at_one_instant_creation_decides_and_not_the_burn_order(void **state)
{
	struct money *money = *state;
	grant(money, "a", (struct terms){.amount = "1", .priority = 9, .effective_at = AT(10), .expire_at = AT(20)});
	grant(money, "b", (struct terms){.amount = "2", .priority = 5, .effective_at = AT(10), .expire_at = AT(20)});
	money->now = AT(1);
	grant(money, "c", (struct terms){.amount = "4", .priority = 1, .effective_at = AT(10), .expire_at = AT(20)});
	run(money);
	touch(money, AT(20));
	run(money);
	assert_string_equal(written(money), "CREDITS_GRANTED 1 a left 1 balance 1\n"
					    "CREDITS_GRANTED 2 b left 2 balance 3\n"
					    "CREDITS_GRANTED 4 c left 4 balance 7\n"
					    "CREDITS_EXPIRED -1 a left 0 balance 6\n"
					    "CREDITS_EXPIRED -2 b left 0 balance 4\n"
					    "CREDITS_EXPIRED -4 c left 0 balance 0\n");
}

static void entries_of_advance_have_their_due_time_and_no_key(void **state)
{
	struct money *money = *state;
	grant(money, "later", (struct terms){.amount = "5", .effective_at = AT(10), .expire_at = AT(20)});
	run(money);
	struct record *record = touch(money, AT(30));
	record->event.dimensions = TEXT_LITERAL("{\"model\":\"x\"}");
	record->traceparent = TEXT_LITERAL("00-1-2-01");
	run(money);

	assert_int_equal(money->work.entries_count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct ledger_entry *entry = &money->work.entries[i];
		instant_t due = i == 0 ? AT(10) : AT(20);
		assert_true(entry->event_time == due && entry->recorded_at == due);
		assert_null(entry->idempotency_key.data);
		assert_null(entry->dimensions.data);
		assert_false(entry->has_requested);
		assert_int_equal(entry->first_seq, entry->seq);
		assert_int_equal(entry->last_seq, entry->seq);
		assert_int_equal(entry->outcome, RESULT_APPLIED);
		assert_int_equal(entry->source.offset, record->source.offset);
		assert_true(text_equal(entry->traceparent, record->traceparent));
	}
	assert_string_equal(outcome_of(money, record), "rejected unknown_grant 0 of 0, balance 0");
	const struct receipt *receipt = money->store.receipts[1];
	assert_int_equal(receipt->range_first, 1);
	assert_int_equal(receipt->range_last, 2);
	assert_int_equal(receipt->first_seq, 0);
}

static void posting_pays_an_overdraft_at_its_own_time(void **state)
{
	struct money *money = *state;
	grant(money, "later", (struct terms){.amount = "5", .effective_at = AT(10), .expire_at = AT(20)});
	consume(money, "c", "3");
	run(money);
	touch(money, AT(30));
	run(money);
	assert_string_equal(written(money),
		"CREDITS_GRANTED 5 later left 5 balance 2\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 3 overdraft:tokens//2 left 0 balance 5\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -3 later left 2 balance 2\n"
		"CREDITS_EXPIRED -2 later left 0 balance 0\n");
	for (size_t i = 0; i < 3; i++) {
		assert_true(money->work.entries[i].recorded_at == AT(10));
		assert_int_equal(money->work.entries[i].first_seq, 2);
		assert_int_equal(money->work.entries[i].last_seq, 4);
	}
	assert_int_equal(money->work.entries[3].first_seq, 5);
}

static void grant_that_settles_an_overdraft_whole_expires_no_more(void **state)
{
	struct money *money = *state;
	grant(money, "later", (struct terms){.amount = "5", .effective_at = AT(10), .expire_at = AT(20)});
	consume(money, "c", "8");
	run(money);
	touch(money, AT(30));
	run(money);
	assert_string_equal(written(money),
		"CREDITS_GRANTED 5 later left 5 balance -3\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 5 overdraft:tokens//2 left -3 balance 2\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -5 later left 0 balance -3\n");
}

static void what_is_overdue_is_written_at_the_clock_that_has_gone_on(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 100 * INSTANT_SECOND);
	grant(money, "short", (struct terms){.amount = "5", .expire_at = AT(10)});
	touch(money, AT(50));
	run(money);
	money->store.currencies[0].expiry_grace = 0;
	touch(money, AT(60));
	run(money);
	assert_string_equal(written(money), "CREDITS_EXPIRED -5 short left 0 balance 0\n");
	assert_true(money->store.entries[1].recorded_at == AT(50) && money->store.entries[1].event_time == AT(50));
}

static void clock_never_goes_back(void **state)
{
	struct money *money = *state;
	grant(money, "g", (struct terms){.amount = "5"});
	touch(money, AT(50));
	run(money);
	touch(money, AT(20));
	run(money);
	assert_true(stored_account(money)->clock == AT(50));
	grant(money, "after", (struct terms){.amount = "5", .effective_at = AT(30)});
	run(money);
	assert_string_equal(written(money), "CREDITS_GRANTED 5 after left 5 balance 10\n");
	assert_true(money->store.entries[1].recorded_at == AT(50));
}

static void a_lazy_account_and_a_busy_one_keep_the_same_books(void **state)
{
	struct money *money = *state;
	static const char *const customers[] = {"lazy", "busy"};
	memory_store_name_currency(&money->store, "tokens", 2 * INSTANT_SECOND);
	for (size_t i = 0; i < 2; i++) {
		money->customer_id = customers[i];
		money->now = AT(0);
		grant(money, "a", (struct terms){.amount = "5", .effective_at = AT(3), .expire_at = AT(9)});
		grant(money, "b", (struct terms){.amount = "7", .effective_at = AT(9), .expire_at = AT(11)});
		consume(money, "c", "2");
		for (money->now = AT(1); i == 1 && money->now < AT(20); money->now += INSTANT_SECOND / 2)
			void_grant(money, arena_format(&money->arena, "t%lld", (long long)money->now).data, "nothing");
		money->now = AT(20);
		void_grant(money, "end", "nothing");
		run(money);
		assert_string_equal(written(money),
			"CREDITS_CONSUMED -2 overdraft:tokens//3 left -2 balance -2\n"
			"CREDITS_GRANTED 5 a left 5 balance 3\n"
			"CREDITS_CONSUMPTION_TRANSFER_SOURCE 2 overdraft:tokens//3 left 0 balance 5\n"
			"CREDITS_CONSUMPTION_TRANSFER_TARGET -2 a left 3 balance 3\n"
			"CREDITS_GRANTED 7 b left 7 balance 10\n"
			"CREDITS_EXPIRED -3 a left 0 balance 7\n"
			"CREDITS_EXPIRED -7 b left 0 balance 0\n");
		static const int due[] = {0, 3, 3, 3, 9, 11, 13};
		for (size_t j = 0; j < 7; j++) {
			assert_true(money->work.entries[j].recorded_at == AT(due[j]));
			assert_true(money->work.entries[j].event_time == AT(due[j]));
		}
	}
}

static void nothing_due_writes_nothing_but_moves_the_clock(void **state)
{
	struct money *money = *state;
	grant(money, "g", (struct terms){.amount = "5"});
	run(money);
	touch(money, AT(9));
	run(money);
	assert_string_equal(written(money), "");
	assert_true(stored_account(money)->clock == AT(9));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		money_test(scheduled_grant_is_posted_when_its_time_has_come),
		money_test(grant_expires_at_its_end_and_not_a_microsecond_earlier),
		money_test(grace_delays_the_expiry),
		money_test(what_came_due_is_done_in_order_of_its_time),
		money_test(at_one_instant_posting_comes_before_expiry),
		money_test(at_one_instant_creation_decides_and_not_the_burn_order),
		money_test(entries_of_advance_have_their_due_time_and_no_key),
		money_test(posting_pays_an_overdraft_at_its_own_time),
		money_test(grant_that_settles_an_overdraft_whole_expires_no_more),
		money_test(what_is_overdue_is_written_at_the_clock_that_has_gone_on),
		money_test(clock_never_goes_back),
		money_test(a_lazy_account_and_a_busy_one_keep_the_same_books),
		money_test(nothing_due_writes_nothing_but_moves_the_clock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
