/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: outputs say what the structs say, with nothing lost, the same bytes each time; dead letters keep their bytes.
 * Method: random outputs are encoded in both formats and compared as JSON; dimensions at the edges of Avro's numbers.
 * Bytes against another implementation: test_golden.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* outcome.h has one too */

#include "drawdown/decode.h"
#include "drawdown/encode.h"
#include "seed.h"

static struct decoder *decoder;
static struct arena arena;
static const struct encoding avro = {FORMAT_AVRO, false, {"credits.usage", "credits.commands"}, {0}};
static const struct encoding json = {FORMAT_JSON, false, {"credits.usage", "credits.commands"}, {0}};

static int set_up(void **state)
{
	(void)state;
	decoder = decoder_new();
	arena_init(&arena, 64 * 1024);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_release(&arena);
	decoder_free(decoder);
	return 0;
}

static void assert_text(struct text actual, struct text expected)
{
	if (!text_equal(actual, expected))
		print_error("%.*s\n%.*s\n", TEXT_ARGS(actual), TEXT_ARGS(expected));
	assert_true(text_equal(actual, expected));
}

static struct text printed(struct text value)
{
	struct text line;
	struct defect defect = {"", ""};
	if (!decode_to_json(decoder, &arena, value, &line, &defect))
		print_error("%s\n", defect.text);
	return line;
}

static struct text random_text(struct seed *seed, size_t size_max)
{
	size_t size = seed_below(seed, size_max + 1);
	char *data = arena_alloc(&arena, size);
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(1 + seed_below(seed, 127));
	return (struct text){data, size};
}

static credit_t random_credit(struct seed *seed)
{
	credit_t amount = (credit_t)seed_next(seed) * (credit_t)seed_below(seed, 1000000000000000000);
	return seed_below(seed, 2) ? amount : -amount;
}

static struct ledger_entry random_entry(struct seed *seed, struct account_key *key)
{
	*key = (struct account_key){random_text(seed, 255), random_text(seed, 255),
		seed_below(seed, 2) ? random_text(seed, 255) : TEXT_NULL};
	return (struct ledger_entry){
		.account = key,
		.seq = (int64_t)(seed_next(seed) >> seed_below(seed, 63) >> 1),
		.event_type = (enum ledger_event)(1 + seed_below(seed, 8)),
		.amount = random_credit(seed),
		.grant_id = random_text(seed, 1020),
		.grant_remaining = random_credit(seed),
		.balance_before = random_credit(seed),
		.balance_after = random_credit(seed),
		.idempotency_key = seed_below(seed, 2) ? random_text(seed, 1020) : TEXT_NULL,
		.has_requested = seed_below(seed, 2),
		.requested_amount = random_credit(seed),
		.first_seq = (int64_t)seed_below(seed, 1000),
		.last_seq = (int64_t)seed_below(seed, 1000),
		.outcome = seed_below(seed, 2) ? RESULT_APPLIED : RESULT_PARTIAL,
		.event_time = (instant_t)seed_below(seed, (uint64_t)INSTANT_MAX),
		.recorded_at = -(instant_t)seed_below(seed, (uint64_t)-INSTANT_MIN),
		.source = {(enum input)seed_below(seed, 2), (int32_t)seed_below(seed, 100),
			(int64_t)seed_below(seed, 100000), 0},
	};
}

static void an_id_of_a_registry_stands_in_place_of_the_fingerprint(void **state)
{
	(void)state;
	struct seed seed = seed_new(__func__);
	struct account_key key;
	struct ledger_entry entry = random_entry(&seed, &key);
	struct encoding confluent = avro;
	struct output_schema schema = encode_output_schema(OUTPUT_LEDGER);

	confluent.schema_ids[OUTPUT_LEDGER] = 0x01020304;
	struct text single_object = encode_ledger_entry(&arena, &entry, &avro);
	struct text value = encode_ledger_entry(&arena, &entry, &confluent);
	assert_int_equal(value.size, single_object.size - 5);
	assert_memory_equal(value.data, "\x00\x01\x02\x03\x04", 5);
	assert_memory_equal(value.data + 5, single_object.data + 10, value.size - 5);
	assert_memory_equal(single_object.data + 2, &schema.fingerprint, 8);
	assert_text(schema.name, TEXT_LITERAL("drawdown.LedgerEntry"));
	assert_true(decoder_learn(decoder, (struct schema_ref){SCHEMA_REF_ID, 0x01020304},
		encode_output_schema(OUTPUT_LEDGER).text, NULL));
	assert_text(printed(value), printed(single_object));
}

static void random_entries_say_the_same_in_both_formats(void **state)
{
	(void)state;
	struct seed seed = seed_new(__func__);
	for (int round = 0; round < 5000; round++) {
		struct account_key key;
		struct ledger_entry entry = random_entry(&seed, &key);
		struct text in_json = encode_ledger_entry(&arena, &entry, &json);
		struct text in_avro = encode_ledger_entry(&arena, &entry, &avro);
		assert_text(printed(in_avro), in_json);
		assert_text(printed(in_json), in_json);
		assert_text(encode_ledger_entry(&arena, &entry, &avro), in_avro);
		arena_reset(&arena);
	}
}

static struct threshold random_threshold(struct seed *seed)
{
	if (seed_below(seed, 2))
		return (struct threshold){.is_percent = true, .percent = 1 + (int32_t)seed_below(seed, 100)};
	return (struct threshold){.amount = random_credit(seed)};
}

static struct notification random_notification(struct seed *seed, struct account_key *key)
{
	*key = (struct account_key){random_text(seed, 255), random_text(seed, 255),
		seed_below(seed, 2) ? random_text(seed, 255) : TEXT_NULL};
	return (struct notification){
		.account = key,
		.type = (enum notification_type)seed_below(seed, NOTIFY_TYPE_COUNT),
		.ordinal = 1 + (int64_t)seed_below(seed, 100),
		.grant_id = seed_below(seed, 2) ? random_text(seed, 600) : TEXT_NULL,
		.has_amount = seed_below(seed, 2),
		.amount = random_credit(seed),
		.has_threshold = seed_below(seed, 2),
		.threshold = random_threshold(seed),
		.level = random_credit(seed),
		.balance = random_credit(seed),
		.held = random_credit(seed),
		.seq = (int64_t)seed_below(seed, 1000),
		.idempotency_key = seed_below(seed, 2) ? random_text(seed, 1020) : TEXT_NULL,
		.recorded_at = (instant_t)seed_below(seed, (uint64_t)INSTANT_MAX),
		.source = {(enum input)seed_below(seed, 2), (int32_t)seed_below(seed, 100),
			(int64_t)seed_below(seed, 100000), 0},
	};
}

static void random_notifications_say_the_same_in_both_formats(void **state)
{
	(void)state;
	struct seed seed = seed_new(__func__);
	for (int round = 0; round < 5000; round++) {
		struct account_key key;
		struct notification notification = random_notification(&seed, &key);
		struct text in_json = encode_notification(&arena, &notification, &json);
		struct text in_avro = encode_notification(&arena, &notification, &avro);
		assert_text(printed(in_avro), in_json);
		assert_text(printed(in_json), in_json);
		assert_text(encode_notification(&arena, &notification, &avro), in_avro);
		arena_reset(&arena);
	}
}

static void random_balances_say_the_same_in_both_formats(void **state)
{
	(void)state;
	struct seed seed = seed_new(__func__);
	for (int round = 0; round < 5000; round++) {
		struct alert items[THRESHOLDS_MAX + 1];
		struct account account = {
			.key = {random_text(&seed, 255), random_text(&seed, 255), TEXT_NULL},
			.balance = random_credit(&seed),
			.held = random_credit(&seed),
			.seq = (int64_t)seed_below(&seed, 1000),
			.clock = seed_below(&seed, 2) ? 1767323045678000 : INSTANT_NONE,
			.alerts = {.items = items, .count = seed_below(&seed, THRESHOLDS_MAX + 2)},
			.freshness = {.input = (int)seed_below(&seed, 3) - 1, .event_time = INSTANT_NONE},
		};
		for (size_t i = 0; i < account.alerts.count; i++)
			items[i] = (struct alert){random_threshold(&seed), (enum alert_state)seed_below(&seed, 3)};
		struct text in_json = encode_balance(&arena, &account, &json);
		assert_text(printed(encode_balance(&arena, &account, &avro)), in_json);
		assert_text(printed(in_json), in_json);
		arena_reset(&arena);
	}
}

static void an_outcome_repeats_an_amount_that_was_asked_for(void **state)
{
	(void)state;
	static const struct {
		enum event_kind kind;
		credit_t amount;
		bool has_requested;
	} cases[] = {
		{EVENT_CONSUME, 5, true},
		{EVENT_GRANT, 5, true},
		{EVENT_VOID, 0, false},
		{EVENT_CONFIRM_PAYMENT, 0, false},
		{EVENT_REVERSE, 5, true},
		{EVENT_REVERSE, 0, false},
		{EVENT_CONFIGURE, 0, false},
		{EVENT_RESERVE, 5, true},
		{EVENT_SETTLE, 5, true},
		{EVENT_SETTLE, 0, true},
		{EVENT_EXTEND, 0, false},
		{EVENT_RELEASE, 0, false},
		{EVENT_ADVANCE, 0, false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct record record = {
			.event = {.kind = cases[i].kind, .amount = cases[i].amount},
			.result = {.kind = RESULT_APPLIED, .requested_amount = 5 * CREDIT_ONE},
		};
		struct text in_json = encode_outcome(&arena, &record, &json);
		assert_text(printed(encode_outcome(&arena, &record, &avro)),
			arena_format(&arena,
				"{\"customerId\":\"\",\"currencyId\":\"\",\"resourceId\":null,\"idempotencyKey\":\"\","
				"\"type\":\"%s\",\"outcome\":\"applied\",\"code\":null,\"requestedAmount\":%s,"
				"\"appliedAmount\":0,\"firstSeq\":null,\"lastSeq\":null,\"balance\":null,"
				"\"source\":{\"topic\":\"credits.usage\",\"partition\":0,\"offset\":0}}",
				event_kind_name(cases[i].kind), cases[i].has_requested ? "5" : "null"));
		assert_non_null(strstr(arena_format(&arena, "%.*s%c", TEXT_ARGS(in_json), '\0').data,
			cases[i].has_requested ? "\"requestedAmount\":5," : "\"requestedAmount\":null,"));
	}
}

static void entry_ids_of_scoped_and_unscoped_accounts_differ(void **state)
{
	(void)state;
	const struct account_key unscoped = {TEXT_LITERAL("acme"), TEXT_LITERAL("ai"), TEXT_NULL};
	const struct account_key scoped = {TEXT_LITERAL("acme"), TEXT_LITERAL("ai"), TEXT_LITERAL("7")};
	struct ledger_entry entry = {.account = &unscoped,
		.seq = 7,
		.event_type = LEDGER_CREDITS_GRANTED,
		.grant_id = TEXT_LITERAL("g"),
		.outcome = RESULT_APPLIED};
	assert_memory_equal(encode_ledger_entry(&arena, &entry, &json).data, "{\"entryId\":\"acme/ai//7\",", 24);
	entry.account = &scoped;
	entry.seq = 1;
	assert_memory_equal(encode_ledger_entry(&arena, &entry, &json).data, "{\"entryId\":\"acme/ai/7/1\",", 25);
}

static void assert_dimensions_in_avro(struct text dimensions, const char *expected)
{
	const struct event event = {
		.kind = EVENT_CONSUME,
		.customer_id = TEXT_LITERAL("a"),
		.currency_id = TEXT_LITERAL("b"),
		.idempotency_key = TEXT_LITERAL("c"),
		.amount = 1,
		.created_at = INSTANT_NONE,
		.dimensions = dimensions,
	};
	struct text line = printed(encode_event(&arena, &event, FORMAT_AVRO));
	struct text whole = arena_format(&arena,
		"{\"customerId\":\"a\",\"currencyId\":\"b\",\"resourceId\":null,"
		"\"idempotencyKey\":\"c\",\"amount\":0.000000000001,\"createdAt\":null,"
		"\"dimensions\":%s}",
		expected);
	assert_text(line, whole);
}

static void numbers_that_avro_cannot_hold_become_strings(void **state)
{
	(void)state;
	assert_dimensions_in_avro(TEXT_NULL, "null");
	assert_dimensions_in_avro(TEXT_LITERAL("{}"), "{}");
	assert_dimensions_in_avro(TEXT_LITERAL("{\"a\":0,\"b\":-9223372036854775808,\"c\":9223372036854775807}"),
		"{\"a\":0,\"b\":-9223372036854775808,\"c\":9223372036854775807}");
	assert_dimensions_in_avro(TEXT_LITERAL("{\"a\":9223372036854775808,\"b\":0.1234567890123456789}"),
		"{\"a\":\"9223372036854775808\",\"b\":\"0.1234567890123456789\"}");
	assert_dimensions_in_avro(TEXT_LITERAL("{\"a\":0.1,\"b\":1e300,\"c\":-2.5e-310,\"d\":1e400}"),
		"{\"a\":0.1,\"b\":1e300,\"c\":-2.5e-310,\"d\":\"1e400\"}");
	/* powers of two, where the shortest digits are not the nearest */
	assert_dimensions_in_avro(TEXT_LITERAL("{\"a\":6.183260036827614e172,\"b\":-7.854549544476363e-90}"),
		"{\"a\":6.183260036827614e172,\"b\":-7.854549544476363e-90}");
	assert_dimensions_in_avro(TEXT_LITERAL("{\"\\\"\\u0001\\\\\":\"x\\n\",\"f\":false,\"t\":true}"),
		"{\"\\\"\\u0001\\\\\":\"x\\n\",\"f\":false,\"t\":true}");
}

static void what_an_event_leaves_out_is_left_out_of_its_json(void **state)
{
	(void)state;
	const struct grant_terms terms = {
		.grant_type = GRANT_PAID, .effective_at = INSTANT_NONE, .expire_at = INSTANT_NONE};
	const struct event event = {
		.kind = EVENT_GRANT,
		.customer_id = TEXT_LITERAL("a"),
		.currency_id = TEXT_LITERAL("b"),
		.idempotency_key = TEXT_LITERAL("c"),
		.grant_id = TEXT_LITERAL("grant/c"),
		.amount = CREDIT_ONE,
		.created_at = INSTANT_NONE,
		.terms = &terms,
	};
	assert_text(encode_event(&arena, &event, FORMAT_JSON),
		TEXT_LITERAL("{\"type\":\"grant\",\"customerId\":\"a\",\"currencyId\":\"b\",\"idempotencyKey\":\"c\","
			     "\"amount\":1,\"grantType\":\"PAID\"}"));
}

static void assert_event(struct event event, const char *expected)
{
	event.customer_id = TEXT_LITERAL("a");
	event.currency_id = TEXT_LITERAL("b");
	event.idempotency_key = TEXT_LITERAL("c");
	event.created_at = INSTANT_NONE;
	assert_text(encode_event(&arena, &event, FORMAT_JSON),
		arena_format(&arena,
			"{\"type\":\"%s\",\"customerId\":\"a\",\"currencyId\":\"b\",\"idempotencyKey\":\"c\"%s}",
			event_kind_name(event.kind), expected));
}

static void each_kind_of_event_has_its_json(void **state)
{
	(void)state;
	const struct hold_terms ttl = {TEXT_LITERAL("job"), 60 * INSTANT_SECOND, INSTANT_NONE};
	const struct hold_terms end = {TEXT_LITERAL("job"), 0, 1767323045678000};
	const struct hold_terms neither = {TEXT_LITERAL("job"), 0, INSTANT_NONE};
	const struct reversal_terms reversal = {.reversed_key = TEXT_LITERAL("k")};
	const struct threshold items[] = {
		{.amount = CREDIT_ONE, .hysteresis = 10}, {.is_percent = true, .percent = 20}};
	const struct account_settings nothing = {.has_thresholds = false};
	const struct account_settings empty = {.has_overdraft_limit = true, .has_thresholds = true};
	const struct account_settings all = {true, OVER_LIMIT_CAP, true, CREDIT_ONE, true, {items, 2}};
	const struct grant_terms terms = {.grant_type = GRANT_PAID,
		.effective_at = INSTANT_NONE,
		.expire_at = INSTANT_NONE,
		.await_payment = true};
	assert_event((struct event){.kind = EVENT_GRANT, .amount = CREDIT_ONE, .terms = &terms},
		",\"amount\":1,\"grantType\":\"PAID\",\"awaitPaymentConfirmation\":true");
	assert_event((struct event){.kind = EVENT_CONFIRM_PAYMENT, .grant_id = TEXT_LITERAL("grant/x")},
		",\"grantId\":\"grant/x\"");
	assert_event((struct event){.kind = EVENT_REVERSE, .reversal = &reversal}, ",\"reversedKey\":\"k\"");
	assert_event((struct event){.kind = EVENT_REVERSE, .reversal = &reversal, .amount = 1},
		",\"amount\":0.000000000001,\"reversedKey\":\"k\"");
	assert_event((struct event){.kind = EVENT_CONFIGURE, .settings = &nothing}, "");
	assert_event(
		(struct event){.kind = EVENT_CONFIGURE, .settings = &empty}, ",\"overdraftLimit\":0,\"thresholds\":[]");
	assert_event((struct event){.kind = EVENT_CONFIGURE, .settings = &all},
		",\"overLimit\":\"cap\",\"overdraftLimit\":1,\"thresholds\":[{\"amount\":1,\"hysteresis\":10},"
		"{\"percent\":20,\"hysteresis\":0}]");
	assert_event((struct event){.kind = EVENT_RESERVE, .amount = CREDIT_ONE, .hold = &ttl},
		",\"amount\":1,\"reservationId\":\"job\",\"ttlSeconds\":60");
	assert_event((struct event){.kind = EVENT_EXTEND, .hold = &end},
		",\"reservationId\":\"job\",\"expiresAt\":\"2026-01-02T03:04:05.678Z\"");
	assert_event((struct event){.kind = EVENT_SETTLE, .hold = &neither}, ",\"amount\":0,\"reservationId\":\"job\"");
	assert_event((struct event){.kind = EVENT_RELEASE, .hold = &neither}, ",\"reservationId\":\"job\"");
	assert_event((struct event){.kind = EVENT_ADVANCE, .due_at = 1767323045678000},
		",\"dueAt\":\"2026-01-02T03:04:05.678Z\"");
}

static void dead_letters_keep_their_headers_and_say_why(void **state)
{
	(void)state;
	const struct header given[] = {{TEXT_LITERAL("h"), TEXT_LITERAL("\xff\0")}, {TEXT_LITERAL("n"), TEXT_NULL}};
	struct record record = {
		.source = {INPUT_COMMANDS, 3, 42, 1767323045678000},
		.headers = given,
		.headers_count = 2,
		.defect = &(const struct defect){"missing_field", "customerId is missing"},
	};
	static const struct header expected[] = {
		{{"h", 1}, {"\xff\0", 2}},
		{{"n", 1}, {NULL, 0}},
		{{"drawdown.reason", 15}, {"missing_field", 13}},
		{{"drawdown.error", 14}, {"customerId is missing", 21}},
		{{"drawdown.topic", 14}, {"credits.commands", 16}},
		{{"drawdown.partition", 18}, {"3", 1}},
		{{"drawdown.offset", 15}, {"42", 2}},
		{{"drawdown.timestamp", 18}, {"2026-01-02T03:04:05.678Z", 24}},
	};
	size_t count;
	const struct header *headers = encode_dead_letter_headers(&arena, &record, &json, &count);
	assert_int_equal(count, sizeof expected / sizeof expected[0]);
	for (size_t i = 0; i < count; i++) {
		assert_text(headers[i].name, expected[i].name);
		assert_text(headers[i].value, expected[i].value);
		assert_int_equal(headers[i].value.data == NULL, expected[i].value.data == NULL);
	}
	record.source.timestamp = -1;
	headers = encode_dead_letter_headers(&arena, &record, &json, &count);
	assert_text(headers[7].value, TEXT_LITERAL("1969-12-31T23:59:59.999999Z"));
	record.source.timestamp = INSTANT_NONE;
	record.headers_count = 0;
	record.headers = NULL;
	headers = encode_dead_letter_headers(&arena, &record, &json, &count);
	assert_int_equal(count, 6);
	assert_null(headers[5].value.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_of_a_registry_stands_in_place_of_the_fingerprint),
		cmocka_unit_test(random_entries_say_the_same_in_both_formats),
		cmocka_unit_test(random_notifications_say_the_same_in_both_formats),
		cmocka_unit_test(random_balances_say_the_same_in_both_formats),
		cmocka_unit_test(an_outcome_repeats_an_amount_that_was_asked_for),
		cmocka_unit_test(entry_ids_of_scoped_and_unscoped_accounts_differ),
		cmocka_unit_test(numbers_that_avro_cannot_hold_become_strings),
		cmocka_unit_test(what_an_event_leaves_out_is_left_out_of_its_json),
		cmocka_unit_test(each_kind_of_event_has_its_json),
		cmocka_unit_test(dead_letters_keep_their_headers_and_say_why),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
