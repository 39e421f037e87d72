/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a lane's work knows what its records name, decides them one by one, and can be run again after a failure
 * as if for the first time.
 * Method: batches of records of several customers, some unreadable; the work's own lists and the receipts are
 * looked at.
 */
#include "money_fixture.h"

static void prepare(struct money *money)
{
	work_reset(&money->work);
	for (size_t i = 0; i < money->pending_count; i++)
		work_add_record(&money->work, money->pending[i]);
	money->pending_count = 0;
	work_prepare(&money->work);
}

/* ---- what the records name ---- */

static void accounts_are_distinct_and_in_the_order_of_locking(void **state)
{
	struct money *money = *state;
	static const char *const names[][3] = {
		{"b", "x", NULL},
		{"a", "y", NULL},
		{"a", "x", "r"},
		{"a", "x", NULL},
		{"a", "y", NULL},
	};
	struct record *records[5];
	for (size_t i = 0; i < 5; i++) {
		money->customer_id = names[i][0];
		money->currency_id = names[i][1];
		money->resource_id = names[i][2];
		records[i] = consume(money, "c", "1");
	}
	prepare(money);
	assert_int_equal(money->work.accounts_count, 4);
	for (size_t i = 1; i < 4; i++)
		assert_true(account_key_compare(&money->work.accounts[i - 1].key, &money->work.accounts[i].key) < 0);
	static const size_t places[] = {3, 2, 1, 0, 2};
	for (size_t i = 0; i < 5; i++) {
		assert_ptr_equal(records[i]->account, &money->work.accounts[places[i]]);
		assert_true(text_equal(records[i]->account->key.currency_id, text_of(names[i][1])));
	}
	const struct account *fresh = &money->work.accounts[0];
	assert_true(fresh->clock == INSTANT_NONE && fresh->next_due == INT64_MAX && fresh->freshness.input == -1);
	assert_false(fresh->exists || fresh->touched || fresh->currency_known || fresh->may_create);
}

static void only_a_permitted_grant_may_create_an_account(void **state)
{
	struct money *money = *state;
	struct record *consumed = consume(money, "c", "1");
	money->customer_id = "usage";
	money->input = INPUT_USAGE;
	struct record *not_permitted = grant(money, "A", (struct terms){.amount = "1"});
	money->customer_id = "commands";
	money->input = INPUT_COMMANDS;
	consume(money, "c", "1");
	struct record *granted = grant(money, "A", (struct terms){.amount = "1"});
	consume(money, "c2", "1");
	prepare(money);
	assert_false(consumed->account->may_create);
	assert_false(not_permitted->account->may_create);
	assert_true(granted->account->may_create);
}

static void records_of_one_key_share_its_slot(void **state)
{
	struct money *money = *state;
	struct record *first = consume(money, "k", "1"), *same = consume(money, "k", "2"),
		      *other = consume(money, "l", "1");
	struct record *command = void_grant(money, "k", "A");
	money->customer_id = "other";
	struct record *stranger = consume(money, "k", "1");
	prepare(money);
	assert_int_equal(money->work.key_slots_count, 4);
	assert_ptr_equal(first->key_slot, same->key_slot);
	assert_true(first->key_slot != other->key_slot && first->key_slot != command->key_slot);
	assert_true(text_equal(stranger->key_slot->customer_id, TEXT_LITERAL("other")));
	assert_null(first->key_slot->receipt);
}

static void grant_ids_are_found_by_customer_and_id(void **state)
{
	struct money *money = *state;
	struct record *granted = grant(money, "A", (struct terms){.amount = "1"}),
		      *voided = void_grant(money, "v", "A");
	struct record *b = void_grant(money, "v2", "B"), *consumed = consume(money, "c", "1");
	money->customer_id = "other";
	struct record *stranger = void_grant(money, "v", "A");
	prepare(money);
	assert_int_equal(money->work.grants_known_count, 3);
	assert_ptr_equal(granted->grant_known, voided->grant_known);
	assert_null(consumed->grant_known);
	assert_ptr_equal(work_find_grant(&money->work, text_of("acme"), text_of("A")), granted->grant_known);
	assert_ptr_equal(work_find_grant(&money->work, text_of("acme"), text_of("B")), b->grant_known);
	assert_ptr_equal(work_find_grant(&money->work, text_of("other"), text_of("A")), stranger->grant_known);
	assert_null(work_find_grant(&money->work, text_of("other"), text_of("B")));
	assert_null(work_find_grant(&money->work, text_of("aaaa"), text_of("A")));
}

static void unreadable_records_name_nothing(void **state)
{
	struct money *money = *state;
	struct record *record = unreadable(money);
	prepare(money);
	assert_int_equal(money->work.accounts_count + money->work.key_slots_count + money->work.grants_known_count, 0);
	assert_null(record->account);
	assert_null(record->key_slot);
}

static void work_without_records_is_done_at_once(void **state)
{
	struct money *money = *state;
	assert_int_equal(run(money), OUTCOME_OK);
	assert_int_equal(money->work.accounts_count + money->work.entries_count + money->work.receipts_count, 0);
}

static void the_list_of_records_grows(void **state)
{
	struct money *money = *state;
	static struct record records[3000];
	for (size_t i = 0; i < 3000; i++)
		work_add_record(&money->work, &records[i]);
	for (size_t i = 0; i < 3000; i++)
		assert_ptr_equal(money->work.records[i], &records[i]);
	work_reset(&money->work);
	assert_int_equal(money->work.records_count, 0);
}

/* ---- deciding ---- */

static void records_behind_a_bad_one_still_count(void **state)
{
	struct money *money = *state;
	struct record *bad = unreadable(money), *granted = grant(money, "A", (struct terms){.amount = "5"});
	struct record *worse = unreadable(money), *consumed = consume(money, "c", "1");
	assert_int_equal(run(money), OUTCOME_OK);
	assert_int_equal(bad->result.kind, RESULT_DEAD_LETTERED);
	assert_int_equal(worse->result.kind, RESULT_DEAD_LETTERED);
	assert_int_equal(granted->result.kind, RESULT_APPLIED);
	assert_string_equal(outcome_of(money, consumed), "applied 1 of 1, balance 4, seq 2-2");
}

static void a_currency_is_unknown_until_the_customer_has_a_grant_in_it(void **state)
{
	struct money *money = *state;
	struct record *before = consume(money, "c1", "1"), *voided = void_grant(money, "v", "A");
	grant(money, "A", (struct terms){.amount = "5"});
	struct record *after = consume(money, "c2", "1");
	money->currency_id = "points";
	struct record *other_currency = consume(money, "c3", "1");
	money->currency_id = "tokens";
	money->customer_id = "other";
	struct record *other_customer = consume(money, "c4", "1");
	run(money);
	assert_string_equal(outcome_of(money, before), "rejected unknown_currency 0 of 1");
	assert_string_equal(outcome_of(money, voided), "rejected unknown_currency 0 of 0");
	assert_string_equal(outcome_of(money, after), "applied 1 of 1, balance 4, seq 2-2");
	assert_string_equal(outcome_of(money, other_currency), "rejected unknown_currency 0 of 1");
	assert_string_equal(outcome_of(money, other_customer), "rejected unknown_currency 0 of 1");
	assert_int_equal(money->work.receipts_count, 6);
	assert_null(stored_account(money));
}

static void a_grant_to_one_resource_makes_the_currency_known_to_all(void **state)
{
	struct money *money = *state;
	static const char *const resources[] = {NULL, "a", "b", "z"};
	money->resource_id = "b";
	grant(money, "B", (struct terms){.amount = "5"});
	for (size_t i = 0; i < 4; i++) {
		money->resource_id = resources[i];
		consume(money, arena_format(&money->arena, "c%zu", i).data, "1");
	}
	run(money);
	assert_string_equal(written(money), "CREDITS_GRANTED 5 B left 5 balance 5\n"
					    "CREDITS_CONSUMED -1 overdraft:tokens//1 left -1 balance -1\n"
					    "CREDITS_CONSUMED -1 overdraft:tokens/a/1 left -1 balance -1\n"
					    "CREDITS_CONSUMED -1 B left 4 balance 4\n"
					    "CREDITS_CONSUMED -1 overdraft:tokens/z/1 left -1 balance -1\n");
}

static void a_rejected_grant_makes_no_currency_known(void **state)
{
	struct money *money = *state;
	money->now = AT(10);
	grant(money, "A", (struct terms){.amount = "5", .expire_at = AT(5)});
	struct record *record = consume(money, "c", "1");
	run(money);
	struct record *later = consume(money, "c2", "1");
	run(money);
	assert_string_equal(outcome_of(money, record), "rejected unknown_currency 0 of 1");
	assert_string_equal(outcome_of(money, later), "rejected unknown_currency 0 of 1");
}

static void a_currency_with_settings_or_open_currencies_need_no_grant(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	struct record *named = consume(money, "c1", "1");
	money->currency_id = "points";
	struct record *unknown = consume(money, "c2", "1");
	run(money);
	money->rules.currencies_open = true;
	struct record *open = consume(money, "c3", "1");
	run(money);
	assert_string_equal(outcome_of(money, named), "applied 1 of 1, balance -1, seq 1-1");
	assert_string_equal(outcome_of(money, unknown), "rejected unknown_currency 0 of 1");
	assert_string_equal(outcome_of(money, open), "applied 1 of 1, balance -1, seq 1-1");
}

static void a_receipt_says_what_was_done(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5", .effective_at = AT(10)});
	run(money);
	money->now = AT(20);
	money->resource_id = NULL;
	struct record *record = consume(money, "c", "2");
	run(money);
	assert_int_equal(money->work.receipts_count, 1);
	const struct receipt *receipt = &money->work.receipts[0];
	assert_true(text_equal(receipt->customer_id, TEXT_LITERAL("acme")));
	assert_true(text_equal(receipt->currency_id, TEXT_LITERAL("tokens")) && !receipt->resource_id.data);
	assert_true(text_equal(receipt->idempotency_key, TEXT_LITERAL("c")));
	assert_int_equal(receipt->event_class, CLASS_USAGE);
	assert_int_equal(receipt->kind, EVENT_CONSUME);
	assert_true(hash128_equal(receipt->key_hash, record->event.key_hash));
	assert_true(hash128_equal(receipt->fingerprint, record->event.fingerprint));
	assert_int_equal(receipt->outcome, RESULT_APPLIED);
	assert_int_equal(receipt->code, REJECT_NONE);
	assert_true(receipt->requested_amount == credit("2") && receipt->applied_amount == credit("2"));
	assert_true(receipt->balance == credit("3"));
	assert_int_equal(receipt->range_first, 1);
	assert_int_equal(receipt->range_last, 2);
	assert_int_equal(receipt->first_seq, 2);
	assert_int_equal(receipt->last_seq, 2);
	assert_memory_equal(&receipt->source, &record->source, sizeof receipt->source);
	assert_true(receipt->own_topic);
}

static void an_account_knows_the_newest_input_it_includes(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	money->now = AT(9);
	money->input = INPUT_USAGE;
	struct record *newest = consume(money, "c", "1");
	newest->event.created_at = AT(4);
	newest->source.partition = 3;
	consume(money, "c", "1");
	consume(money, "c2", "1")->event.created_at = AT(-90 * 86400);
	run(money);
	const struct freshness *freshness = &stored_account(money)->freshness;
	assert_int_equal(freshness->input, INPUT_USAGE);
	assert_int_equal(freshness->partition, 3);
	assert_int_equal(freshness->offset, newest->source.offset);
	assert_true(freshness->event_time == AT(4));
}

static void more_entries_than_allowed_ask_for_a_smaller_batch(void **state)
{
	struct money *money = *state;
	struct failure failure = {0};
	for (int i = 0; i < 3; i++)
		grant(money, arena_format(&money->arena, "g%d", i).data, (struct terms){.amount = "1"});
	run(money);
	money->entries_max = 2;
	consume(money, "alone", "3");
	assert_int_equal(run(money), OUTCOME_OK);

	consume(money, "c1", "1");
	consume(money, "c2", "1");
	assert_int_equal(run(money), OUTCOME_OK);

	for (int i = 3; i < 6; i++)
		consume(money, arena_format(&money->arena, "c%d", i).data, "1");
	prepare(money);
	memory_store_lock(&money->store, &money->work, &money->rules);
	memory_store_look_up(&money->store, &money->work);
	assert_int_equal(work_resolve(&money->work, &money->rules, 2, &failure), OUTCOME_REJECT);
	assert_string_equal(failure.text, "3 records make more than 2 ledger entries");
	assert_string_equal(failure.where, "work.resolve");
}

static void a_work_run_again_decides_the_same(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5", .expire_at = AT(10)});
	run(money);
	money->now = AT(20);
	struct record *records[] = {
		consume(money, "c", "1"),
		consume(money, "c", "1"),
		grant_as(money, "k", "B", (struct terms){.amount = "5"}),
		void_grant(money, "v", "B"),
		unreadable(money),
		consume(money, "c", "2"),
	};
	const char *first[6];
	prepare(money);
	for (int attempt = 0; attempt < 3; attempt++) {
		assert_int_equal(
			memory_store_run(&(struct memory_store){0}, &money->work, &money->rules, 0), OUTCOME_REJECT);
		work_prepare(&money->work);
		for (size_t i = 0; i < 6; i++)
			assert_int_equal(records[i]->result.kind, 0);
		memory_store_lock(&money->store, &money->work, &money->rules);
		memory_store_look_up(&money->store, &money->work);
		assert_int_equal(work_resolve(&money->work, &money->rules, SIZE_MAX, NULL), OUTCOME_OK);
		assert_int_equal(money->work.entries_count, 6);
		assert_int_equal(money->work.receipts_count, 3);
		assert_int_equal(money->work.grants_made_count, 2);
		for (size_t i = 0; i < 6; i++) {
			if (attempt == 0)
				first[i] = outcome_of(money, records[i]);
			assert_string_equal(first[i], outcome_of(money, records[i]));
		}
	}
	memory_store_settle(&money->store, &money->work);
}

/* Beyond the first size of each list, so that what points into them is tried after they have moved. */
static void lists_grow_while_a_batch_is_decided(void **state)
{
	struct money *money = *state;
	for (int i = 0; i < 600; i++) {
		const char *key = arena_format(&money->arena, "g%d", i).data;
		grant(money, key, (struct terms){.amount = "2", .priority = 600 - i});
		consume(money, key, i % 2 ? "1" : "2.5");
		consume(money, key, i % 2 ? "1" : "2.5");
		if (i % 3 == 0)
			void_grant(money, arena_format(&money->arena, "v%d", i).data, key);
	}
	assert_int_equal(run(money), OUTCOME_OK);
	assert_true(money->work.entries_count > 1024 && money->work.grants_made_count > 512 &&
		    money->work.grants_ended_count > 128);
	for (size_t i = 0; i < money->work.records_count; i++)
		assert_true(money->work.records[i]->result.kind != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		money_test(accounts_are_distinct_and_in_the_order_of_locking),
		money_test(only_a_permitted_grant_may_create_an_account),
		money_test(records_of_one_key_share_its_slot),
		money_test(grant_ids_are_found_by_customer_and_id),
		money_test(unreadable_records_name_nothing),
		money_test(work_without_records_is_done_at_once),
		money_test(the_list_of_records_grows),
		money_test(records_behind_a_bad_one_still_count),
		money_test(a_currency_is_unknown_until_the_customer_has_a_grant_in_it),
		money_test(a_grant_to_one_resource_makes_the_currency_known_to_all),
		money_test(a_rejected_grant_makes_no_currency_known),
		money_test(a_currency_with_settings_or_open_currencies_need_no_grant),
		money_test(a_receipt_says_what_was_done),
		money_test(an_account_knows_the_newest_input_it_includes),
		money_test(more_entries_than_allowed_ask_for_a_smaller_batch),
		money_test(a_work_run_again_decides_the_same),
		money_test(lists_grow_while_a_batch_is_decided),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
