/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: every readable record is answered once, in the ledger or in the outcomes; every other is a dead letter;
 * entries come in order of seq per account, what was recalled before what is new.
 * Method: a batch is run and encoded as JSON; of the values only what tells them apart is looked at.
 */
#include "money_fixture.h"

static const struct encoding encoding = {
	.format = FORMAT_JSON,
	.input_topics = {"credits.usage", "credits.commands"},
};

static bool holds(struct text value, const char *part)
{
	return memmem(value.data, value.size, part, strlen(part)) != NULL;
}

/* The `index`-th message of an output, or NULL. */
static const struct message *message_of(struct money *money, enum output output, size_t index)
{
	for (size_t i = 0; i < money->work.messages_count; i++)
		if (money->work.messages[i].output == output && index-- == 0)
			return &money->work.messages[i];
	return NULL;
}

static size_t count_of(struct money *money, enum output output)
{
	size_t count = 0;
	while (message_of(money, output, count))
		count++;
	return count;
}

static void run_and_encode(struct money *money, const struct encoding *how)
{
	assert_int_equal(run(money), OUTCOME_OK);
	work_encode(&money->work, how);
}

#define expect_message(money, output, index, part)                               \
	do {                                                                     \
		const struct message *found_ = message_of(money, output, index); \
		assert_non_null(found_);                                         \
		if (!holds(found_->value, part))                                 \
			print_error("%.*s\n", TEXT_ARGS(found_->value));         \
		assert_true(holds(found_->value, part));                         \
	} while (0)

static void an_applied_event_is_answered_by_its_entries_and_a_balance(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	consume(money, "c", "7");
	run_and_encode(money, &encoding);
	assert_int_equal(money->work.messages_count, 7);
	expect_message(money, OUTPUT_LEDGER, 0, "\"seq\":1,\"eventType\":\"CREDITS_GRANTED\"");
	expect_message(money, OUTPUT_LEDGER, 1, "\"seq\":2,\"eventType\":\"CREDITS_CONSUMED\"");
	expect_message(money, OUTPUT_LEDGER, 2, "\"seq\":3,\"eventType\":\"CREDITS_CONSUMED\"");
	expect_message(money, OUTPUT_BALANCES, 0, "\"balance\":-2");
	expect_message(money, OUTPUT_NOTIFICATIONS, 0, "\"type\":\"credit_grant.created\"");
	expect_message(money, OUTPUT_NOTIFICATIONS, 1, "\"type\":\"credit_grant.depleted\"");
	expect_message(money, OUTPUT_NOTIFICATIONS, 2, "\"type\":\"credit_balance.depleted\"");
	for (size_t i = 0; i < 7; i++)
		assert_true(text_equal(money->work.messages[i].partition_key, TEXT_LITERAL("acme")));
	assert_true(text_equal(message_of(money, OUTPUT_LEDGER, 0)->key, TEXT_LITERAL("acme")));
	assert_true(text_equal(message_of(money, OUTPUT_BALANCES, 0)->key, TEXT_LITERAL("acme/tokens")));
}

static void what_makes_no_entry_is_answered_in_the_outcomes(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5", .effective_at = AT(90)});
	void_grant(money, "v", "X");
	void_grant(money, "v", "X");
	void_grant(money, "v", "A");
	consume(money, "old", "1")->event.created_at = AT(-90 * 86400);
	run_and_encode(money, &encoding);
	assert_int_equal(count_of(money, OUTPUT_LEDGER), 0);
	assert_int_equal(count_of(money, OUTPUT_OUTCOMES), 5);
	expect_message(money, OUTPUT_OUTCOMES, 0, "\"outcome\":\"applied\"");
	expect_message(money, OUTPUT_OUTCOMES, 1, "\"outcome\":\"rejected\",\"code\":\"unknown_grant\"");
	expect_message(money, OUTPUT_OUTCOMES, 2, "\"outcome\":\"duplicate\",\"code\":\"unknown_grant\"");
	expect_message(money, OUTPUT_OUTCOMES, 3, "\"outcome\":\"conflict\"");
	expect_message(money, OUTPUT_OUTCOMES, 4, "\"code\":\"too_old\"");
	assert_true(text_equal(message_of(money, OUTPUT_OUTCOMES, 0)->key, TEXT_LITERAL("acme")));
	assert_int_equal(count_of(money, OUTPUT_BALANCES), 1);
}

static void a_duplicate_of_an_applied_event_is_answered_in_the_outcomes(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	grant(money, "A", (struct terms){.amount = "5"});
	run_and_encode(money, &encoding);
	assert_int_equal(count_of(money, OUTPUT_LEDGER), 1);
	assert_int_equal(count_of(money, OUTPUT_OUTCOMES), 1);
	expect_message(money, OUTPUT_OUTCOMES, 0, "\"outcome\":\"duplicate\"");
	expect_message(money, OUTPUT_OUTCOMES, 0, "\"firstSeq\":1,\"lastSeq\":1");
}

static void all_outcomes_may_be_repeated(void **state)
{
	struct money *money = *state;
	struct encoding all = encoding;
	all.outcomes_all = true;
	grant(money, "A", (struct terms){.amount = "5"});
	consume(money, "c", "1");
	void_grant(money, "v", "X");
	unreadable(money);
	run_and_encode(money, &all);
	assert_int_equal(count_of(money, OUTPUT_LEDGER), 2);
	assert_int_equal(count_of(money, OUTPUT_OUTCOMES), 3);
	expect_message(money, OUTPUT_OUTCOMES, 1, "\"outcome\":\"applied\"");
}

static void entries_of_advance_are_published_with_an_event_that_is_rejected(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5", .expire_at = AT(10)});
	run(money);
	money->now = AT(10);
	void_grant(money, "v", "A");
	run_and_encode(money, &encoding);
	expect_message(money, OUTPUT_LEDGER, 0, "CREDITS_EXPIRED");
	assert_int_equal(count_of(money, OUTPUT_LEDGER), 1);
	expect_message(money, OUTPUT_OUTCOMES, 0, "grant_not_active");
}

static void an_unreadable_record_is_a_dead_letter_as_it_came(void **state)
{
	struct money *money = *state;
	static const struct header headers[] = {{{"h", 1}, {"v", 1}}};
	struct record *keyed = unreadable(money), *bare = unreadable(money);
	keyed->key = TEXT_LITERAL("acme");
	keyed->headers = headers;
	keyed->headers_count = 1;
	bare->source.partition = 7;
	run_and_encode(money, &encoding);
	assert_int_equal(money->work.messages_count, 2);
	const struct message *first = message_of(money, OUTPUT_DEAD_LETTERS, 0);
	const struct message *second = message_of(money, OUTPUT_DEAD_LETTERS, 1);
	assert_true(text_equal(first->key, keyed->key) && text_equal(first->partition_key, keyed->key));
	assert_ptr_equal(first->value.data, keyed->value.data);
	assert_int_equal(first->value.size, keyed->value.size);
	assert_true(text_equal(first->headers[0].name, headers[0].name));
	assert_true(first->headers_count > 1);
	assert_null(second->key.data);
	assert_null(second->partition_key.data);
	assert_int_equal(second->partition_hint, 7);
}

static void each_dead_letter_bears_its_own_error(void **state)
{
	struct money *money = *state;
	static const struct defect defects[] = {
		{"missing_field", "amount is missing"},
		{"empty", "the record has no value"},
	};
	for (size_t i = 0; i < 2; i++)
		unreadable(money)->defect = &defects[i];
	run_and_encode(money, &encoding);
	for (size_t i = 0; i < 2; i++) {
		const struct message *letter = message_of(money, OUTPUT_DEAD_LETTERS, i);
		assert_true(text_equal(letter->headers[1].name, TEXT_LITERAL("drawdown.error")));
		assert_true(text_equal(letter->headers[1].value, text_of(defects[i].text)));
	}
}

/* Small as they are: the log keeps two lengths with each. */
static void a_dead_letter_with_too_many_headers_goes_without_them(void **state)
{
	struct money *money = *state;
	static const struct defect defect = {"empty", "the record has no value"};
	static const struct header header = {TEXT_CONSTANT("h"), TEXT_CONSTANT("")};
	static struct header headers[100000];
	static const size_t counts[] = {90000, 100000};
	for (size_t i = 0; i < 100000; i++)
		headers[i] = header;
	for (size_t i = 0; i < 2; i++) {
		struct record *record = unreadable(money);
		record->defect = &defect;
		record->headers = headers;
		record->headers_count = counts[i];
	}
	run_and_encode(money, &encoding);
	assert_int_equal(message_of(money, OUTPUT_DEAD_LETTERS, 0)->headers_count, 90000 + 6);
	const struct message *cut = message_of(money, OUTPUT_DEAD_LETTERS, 1);
	assert_int_equal(cut->headers_count, 1 + 6);
	assert_true(text_equal(cut->headers[0].name, TEXT_LITERAL("drawdown.cut")));
}

static void the_trace_goes_with_entries_and_outcomes(void **state)
{
	struct money *money = *state;
	const struct text trace = TEXT_LITERAL("00-1-2-01");
	grant(money, "A", (struct terms){.amount = "5"})->traceparent = trace;
	grant(money, "A", (struct terms){.amount = "5"})->traceparent = trace;
	consume(money, "c", "1");
	run_and_encode(money, &encoding);
	const struct message *traced[] = {message_of(money, OUTPUT_LEDGER, 0), message_of(money, OUTPUT_OUTCOMES, 0)};
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(traced[i]->headers_count, 1);
		assert_true(text_equal(traced[i]->headers[0].name, TEXT_LITERAL("traceparent")));
		assert_true(text_equal(traced[i]->headers[0].value, trace));
	}
	assert_int_equal(message_of(money, OUTPUT_LEDGER, 1)->headers_count, 0);
	assert_int_equal(message_of(money, OUTPUT_BALANCES, 0)->headers_count, 0);
}

static void messages_need_nothing_of_the_work_that_made_them(void **state)
{
	struct money *money = *state;
	const struct text trace = TEXT_LITERAL("00-1-2-01");
	struct record *record = grant(money, "A", (struct terms){.amount = "5"});
	record->traceparent = trace;
	run_and_encode(money, &encoding);
	const struct text first = arena_copy(&money->arena, message_of(money, OUTPUT_LEDGER, 0)->value);

	add_record(money, record);
	run_and_encode(money, &encoding);
	assert_true(record->result.recalled);
	work_keep_messages(&money->work);
	const struct message *entry = message_of(money, OUTPUT_LEDGER, 0),
			     *balance = message_of(money, OUTPUT_BALANCES, 0);
	assert_true(text_equal(entry->value, first) && text_equal(entry->key, TEXT_LITERAL("acme")));
	assert_int_equal(entry->headers_count, 1);
	assert_true(text_equal(entry->headers[0].value, trace));
	assert_true(holds(balance->key, "acme"));
}

static void what_was_recalled_goes_out_in_order_before_what_is_new(void **state)
{
	struct money *money = *state;
	struct record *records[5];
	records[0] = grant(money, "A", (struct terms){.amount = "5"});
	money->resource_id = "r1";
	records[1] = grant(money, "B", (struct terms){.amount = "5"});
	money->resource_id = NULL;
	records[2] = consume(money, "c1", "1");
	records[3] = consume(money, "c2", "1");
	records[4] = void_grant(money, "v", "X");
	run_and_encode(money, &encoding);
	struct text first[4];
	for (size_t i = 0; i < 4; i++)
		first[i] = arena_copy(&money->arena, message_of(money, OUTPUT_LEDGER, i)->value);

	for (size_t i = 0; i < 5; i++)
		add_record(money, records[i]);
	consume(money, "c3", "1");
	run_and_encode(money, &encoding);
	assert_int_equal(count_of(money, OUTPUT_LEDGER), 5);
	/* The unscoped account's three, then the resource's. */
	static const size_t order[] = {0, 2, 3, 1};
	for (size_t i = 0; i < 4; i++)
		assert_true(text_equal(message_of(money, OUTPUT_LEDGER, i)->value, first[order[i]]));
	expect_message(money, OUTPUT_LEDGER, 4, "\"idempotencyKey\":\"c3\"");
	assert_int_equal(count_of(money, OUTPUT_OUTCOMES), 1);
	expect_message(money, OUTPUT_OUTCOMES, 0, "\"code\":\"unknown_grant\"");
}

static void what_was_recalled_brings_its_balance_along(void **state)
{
	struct money *money = *state;
	struct record *unknown = consume(money, "c", "1");
	money->customer_id = "other";
	struct record *granted = grant(money, "A", (struct terms){.amount = "5"});
	run(money);
	add_record(money, unknown);
	add_record(money, granted);
	run_and_encode(money, &encoding);
	assert_int_equal(count_of(money, OUTPUT_BALANCES), 1);
	expect_message(money, OUTPUT_BALANCES, 0, "\"customerId\":\"other\"");
	assert_int_equal(count_of(money, OUTPUT_LEDGER), 1);
	assert_int_equal(count_of(money, OUTPUT_OUTCOMES), 1);
}

static void what_met_no_account_brings_no_balance_though_there_is_a_row_by_now(void **state)
{
	struct money *money = *state;
	struct record *unknown = consume(money, "c", "1");
	run(money);
	add_record(money, unknown);
	money->resource_id = "seat";
	grant(money, "A", (struct terms){.amount = "5"}); /* makes the currency known to both accounts */
	run_and_encode(money, &encoding);
	assert_true(unknown->account->exists && unknown->result.recalled);
	assert_int_equal(count_of(money, OUTPUT_BALANCES), 1);
	expect_message(money, OUTPUT_BALANCES, 0, "\"resourceId\":\"seat\"");
}

static void an_untouched_account_has_no_balance_message(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	run(money);
	grant(money, "A", (struct terms){.amount = "5"});
	grant(money, "A", (struct terms){.amount = "6"});
	run_and_encode(money, &encoding);
	assert_int_equal(count_of(money, OUTPUT_BALANCES), 0);
	assert_int_equal(count_of(money, OUTPUT_OUTCOMES), 2);
}

static void a_batch_may_make_every_message_it_can(void **state)
{
	struct money *money = *state;
	struct encoding all = encoding;
	all.outcomes_all = true;
	for (int i = 0; i < 100; i++) {
		const char *key = arena_format(&money->arena, "k%d", i).data;
		money->customer_id = key;
		grant(money, key, (struct terms){.amount = "5"});
		unreadable(money);
	}
	run_and_encode(money, &all);
	assert_int_equal(count_of(money, OUTPUT_LEDGER), 100);
	assert_int_equal(count_of(money, OUTPUT_BALANCES), 100);
	assert_int_equal(count_of(money, OUTPUT_OUTCOMES), 100);
	assert_int_equal(count_of(money, OUTPUT_DEAD_LETTERS), 100);
	expect_message(money, OUTPUT_OUTCOMES, 99, "\"customerId\":\"k99\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		money_test(an_applied_event_is_answered_by_its_entries_and_a_balance),
		money_test(what_makes_no_entry_is_answered_in_the_outcomes),
		money_test(a_duplicate_of_an_applied_event_is_answered_in_the_outcomes),
		money_test(all_outcomes_may_be_repeated),
		money_test(entries_of_advance_are_published_with_an_event_that_is_rejected),
		money_test(an_unreadable_record_is_a_dead_letter_as_it_came),
		money_test(each_dead_letter_bears_its_own_error),
		money_test(a_dead_letter_with_too_many_headers_goes_without_them),
		money_test(the_trace_goes_with_entries_and_outcomes),
		money_test(messages_need_nothing_of_the_work_that_made_them),
		money_test(what_was_recalled_goes_out_in_order_before_what_is_new),
		money_test(what_was_recalled_brings_its_balance_along),
		money_test(what_met_no_account_brings_no_balance_though_there_is_a_row_by_now),
		money_test(an_untouched_account_has_no_balance_message),
		money_test(a_batch_may_make_every_message_it_can),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
