/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what we read and write is what another implementation writes.
 * Method: proto/golden/ holds bytes made by fastavro (make.py). Inputs are decoded, and encoded again to the same
 * bytes; as JSON they are the same content. Outputs are built here and encoded to the same bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* outcome.h has one too */

#include "drawdown/decode.h"
#include "drawdown/encode.h"

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

static struct text read_golden(const char *name, const char *extension)
{
	char path[512];
	(void)snprintf(path, sizeof path, SOURCE_DIR "/proto/golden/%s.%s", name, extension);
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	char *bytes = arena_alloc(&arena, 65536);
	size_t size = fread(bytes, 1, 65536, file);
	assert_int_equal(fclose(file), 0);
	if (strcmp(extension, "json") == 0)
		size--; /* the line feed */
	return (struct text){bytes, size};
}

static void assert_bytes(struct text actual, struct text expected)
{
	if (actual.size != expected.size)
		print_error("%.*s\n%.*s\n", TEXT_ARGS(actual), TEXT_ARGS(expected));
	assert_int_equal(actual.size, expected.size);
	assert_memory_equal(actual.data, expected.data, expected.size);
}

static struct event decode(struct text value)
{
	struct event event;
	struct defect defect = {"", ""};
	bool ok = decode_event(decoder, &arena, value, &event, &defect);
	if (!ok)
		print_error("%s: %s\n", defect.reason, defect.text);
	assert_true(ok);
	return event;
}

static instant_t at(const char *text)
{
	instant_t instant;
	assert_true(instant_parse(text_of(text), &instant));
	return instant;
}

static credit_t credits(const char *text)
{
	credit_t amount;
	assert_int_equal(credit_parse(text_of(text), &amount), CREDIT_PARSED);
	return amount;
}

static void assert_same_event(const struct event *a, const struct event *b)
{
	assert_true(hash128_equal(a->key_hash, b->key_hash));
	assert_true(hash128_equal(a->fingerprint, b->fingerprint));
	assert_true(a->created_at == b->created_at);
	assert_true(a->due_at == b->due_at);
	assert_true(text_equal(a->comment, b->comment));
	if (a->reversal)
		assert_true(hash128_equal(a->reversal->reversed_hash, b->reversal->reversed_hash));
	assert_int_equal(a->terms != NULL, b->terms != NULL);
	if (a->terms) {
		assert_true(text_equal(a->terms->display_name, b->terms->display_name));
		assert_true(text_equal(a->terms->metadata, b->terms->metadata));
	}
}

static const char *const inputs[] = {
	"consume_plain",
	"consume_smallest",
	"consume_largest",
	"consume_dimensions",
	"consume_dimensions_unsorted",
	"consume_dimensions_empty",
	"grant_plain",
	"grant_full",
	"void_plain",
	"void_full",
	"grant_awaiting",
	"confirm_payment_plain",
	"confirm_payment_full",
	"reverse_whole",
	"reverse_part",
	"configure_empty",
	"configure_no_thresholds",
	"configure_full",
	"reserve_default",
	"reserve_ttl",
	"reserve_end",
	"settle_plain",
	"settle_nothing",
	"extend_ttl",
	"extend_end",
	"release_plain",
	"advance_plain",
};
static const char *const outputs[] = {
	"ledger_entry_consumed",
	"ledger_entry_overdraft",
	"ledger_entry_expired",
	"balance_plain",
	"balance_new",
	"outcome_duplicate",
	"outcome_rejected",
	"outcome_reserved",
	"notification_low",
	"notification_low_amount",
	"notification_expired",
};

static void assert_printed(const char *name)
{
	struct text line;
	struct defect defect = {"", ""};
	if (!decode_to_json(decoder, &arena, read_golden(name, "avro"), &line, &defect))
		print_error("%s: %s\n", name, defect.text);
	assert_bytes(line, read_golden(name, "json"));
}

static void every_record_is_printed_as_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
		assert_printed(inputs[i]);
	for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++)
		assert_printed(outputs[i]);
}

static void avro_and_json_inputs_are_the_same_event(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
		struct event event = decode(read_golden(inputs[i], "avro"));
		struct text printed = read_golden(inputs[i], "json");
		struct text typed = arena_format(&arena, "{\"type\":\"%s\",%.*s", event_kind_name(event.kind),
			(int)printed.size - 1, printed.data + 1);
		struct event again = decode(typed);
		assert_same_event(&event, &again);
	}
}

static void inputs_are_encoded_to_the_same_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
		struct text golden = read_golden(inputs[i], "avro");
		struct event event = decode(golden);
		struct text encoded = encode_event(&arena, &event, FORMAT_AVRO);
		/* a canonical map is sorted, and not there where it is empty; a default is told */
		if (!strstr(inputs[i], "_unsorted") && !strstr(inputs[i], "dimensions_empty") &&
			!strstr(inputs[i], "_default"))
			assert_bytes(encoded, golden);
		struct event again = decode(encoded);
		assert_same_event(&event, &again);
		struct event from_json = decode(encode_event(&arena, &event, FORMAT_JSON));
		assert_same_event(&event, &from_json);
	}
}

static void settings_are_read_as_they_were_written(void **state)
{
	(void)state;
	struct event event = decode(read_golden("configure_empty", "avro"));
	assert_false(event.settings->has_over_limit || event.settings->has_overdraft_limit);
	assert_false(event.settings->has_thresholds);
	event = decode(read_golden("configure_no_thresholds", "avro"));
	assert_true(event.settings->has_over_limit && event.settings->over_limit == OVER_LIMIT_ALLOW);
	assert_true(event.settings->has_overdraft_limit && event.settings->overdraft_limit == 0);
	assert_true(event.settings->has_thresholds);
	assert_int_equal(event.settings->thresholds.count, 0);
	event = decode(read_golden("configure_full", "avro"));
	assert_int_equal(event.settings->over_limit, OVER_LIMIT_REJECT);
	assert_true(event.settings->overdraft_limit == CREDIT_MAX);
	static const struct threshold expected[] = {
		{.amount = 100 * CREDIT_ONE, .hysteresis = 10},
		{.is_percent = true, .percent = 100},
		{.amount = 1, .hysteresis = 100},
		{.is_percent = true, .percent = 1, .hysteresis = 10},
	};
	assert_int_equal(event.settings->thresholds.count, 4);
	for (size_t i = 0; i < 4; i++) {
		const struct threshold *threshold = &event.settings->thresholds.items[i];
		assert_true(threshold_equal(threshold, &expected[i]));
		assert_int_equal(threshold->hysteresis, expected[i].hysteresis);
	}
}

static void ends_of_holds_are_read_as_they_were_written(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int64_t ttl;
		const char *expires_at;
	} cases[] = {
		{"reserve_default", HOLD_TTL_DEFAULT, NULL},
		{"reserve_ttl", HOLD_TTL_MAX, NULL},
		{"reserve_end", 0, "2026-01-02T04:04:05.678901Z"},
		{"extend_ttl", -INSTANT_SECOND, NULL},
		{"extend_end", 0, "9999-12-31T23:59:59.999999Z"},
		{"settle_nothing", 0, NULL},
		{"release_plain", 0, NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct event event = decode(read_golden(cases[i].name, "avro"));
		assert_true(event.hold->ttl == cases[i].ttl);
		assert_true(event.hold->expires_at == (cases[i].expires_at ? at(cases[i].expires_at) : INSTANT_NONE));
	}
}

static void an_output_is_no_input(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
		struct event event;
		struct defect defect;
		assert_false(decode_event(decoder, &arena, read_golden(outputs[i], "avro"), &event, &defect));
		assert_string_equal(defect.reason, "unknown_type");
	}
}

static const struct account_key unscoped = {{"acme", 4}, {"ai-tokens", 9}, {NULL, 0}};
static const struct account_key scoped = {{"acme", 4}, {"ai-tokens", 9}, {"team.1", 6}};

static void assert_entry(const struct ledger_entry *entry, const char *name)
{
	assert_bytes(encode_ledger_entry(&arena, entry, &avro), read_golden(name, "avro"));
	assert_bytes(encode_ledger_entry(&arena, entry, &json), read_golden(name, "json"));
}

static void a_consumption_is_encoded(void **state)
{
	(void)state;
	const struct ledger_entry entry = {
		.account = &unscoped,
		.seq = 7,
		.event_type = LEDGER_CREDITS_CONSUMED,
		.amount = credits("-1.5"),
		.grant_id = TEXT_LITERAL("grant/order-1"),
		.grant_remaining = credits("98.5"),
		.balance_before = credits("100"),
		.balance_after = credits("98.5"),
		.idempotency_key = TEXT_LITERAL("req-1"),
		.has_requested = true,
		.requested_amount = credits("1.5"),
		.first_seq = 7,
		.last_seq = 8,
		.outcome = RESULT_APPLIED,
		.event_time = at("2026-01-02T03:04:05.678Z"),
		.recorded_at = at("2026-01-02T03:04:06Z"),
		.dimensions = TEXT_LITERAL("{\"model\":\"x\",\"price\":0.25,\"stream\":true,\"tokens\":12}"),
		.source = {INPUT_USAGE, 3, 12345678901, 0},
	};
	assert_entry(&entry, "ledger_entry_consumed");
}

static void a_transfer_of_the_largest_amount_is_encoded(void **state)
{
	(void)state;
	const struct ledger_entry entry = {
		.account = &scoped,
		.seq = INT64_MAX,
		.event_type = LEDGER_TRANSFER_TARGET,
		.amount = -CREDIT_MAX,
		.grant_id = TEXT_LITERAL("overdraft:ai-tokens/team.1/1"),
		.grant_remaining = -CREDIT_MAX,
		.balance_after = -CREDIT_MAX,
		.idempotency_key = text_of("ключ"),
		.has_requested = true,
		.requested_amount = 1,
		.first_seq = INT64_MAX - 1,
		.last_seq = INT64_MAX,
		.outcome = RESULT_PARTIAL,
		.event_time = INSTANT_MIN,
		.recorded_at = INSTANT_MAX,
		.source = {INPUT_COMMANDS, 0, 0, 0},
	};
	assert_entry(&entry, "ledger_entry_overdraft");
}

static void an_expiry_is_encoded_without_a_key(void **state)
{
	(void)state;
	const struct ledger_entry entry = {
		.account = &unscoped,
		.seq = 8,
		.event_type = LEDGER_CREDITS_EXPIRED,
		.amount = credits("-98.5"),
		.grant_id = TEXT_LITERAL("grant/order-1"),
		.balance_before = credits("98.5"),
		.first_seq = 8,
		.last_seq = 8,
		.outcome = RESULT_APPLIED,
		.event_time = at("2026-02-01T00:00:00Z"),
		.recorded_at = at("2026-02-01T00:00:00Z"),
		.source = {INPUT_USAGE, INT32_MAX, INT64_MAX, 0},
	};
	assert_entry(&entry, "ledger_entry_expired");
}

static void balances_are_encoded(void **state)
{
	(void)state;
	struct alert alerts[] = {
		{{.amount = credits("100"), .hysteresis = 10}, ALERT_DISARMED},
		{{.is_percent = true, .percent = 20, .hysteresis = 10}, ALERT_ARMED},
		{{.amount = 0}, ALERT_NEW},
	};
	struct account account = {
		.key = scoped,
		.balance = credits("98.5"),
		.held = credits("10.25"),
		.granted = credits("100"),
		.consumed = credits("1.5"),
		.seq = 7,
		.alerts = {credits("100"), alerts, 3},
		.clock = at("2026-01-02T03:04:06Z"),
		.freshness = {INPUT_USAGE, 3, 42, at("2026-01-02T03:04:05.678Z")},
	};
	assert_bytes(encode_balance(&arena, &account, &avro), read_golden("balance_plain", "avro"));
	assert_bytes(encode_balance(&arena, &account, &json), read_golden("balance_plain", "json"));
	account = (struct account){
		.key = unscoped,
		.balance = -3,
		.consumed = 3,
		.seq = 1,
		.clock = INSTANT_NONE,
		.freshness = {.input = -1},
	};
	assert_bytes(encode_balance(&arena, &account, &avro), read_golden("balance_new", "avro"));
	assert_bytes(encode_balance(&arena, &account, &json), read_golden("balance_new", "json"));
}

static void outcomes_are_encoded(void **state)
{
	(void)state;
	struct record record = {
		.source = {INPUT_USAGE, 3, 43, 0},
		.event = {.kind = EVENT_CONSUME,
			.customer_id = unscoped.customer_id,
			.currency_id = unscoped.currency_id,
			.idempotency_key = TEXT_LITERAL("req-1")},
		.result = {.kind = RESULT_DUPLICATE,
			.requested_amount = credits("1.5"),
			.applied_amount = credits("1.5"),
			.balance = credits("98.5"),
			.has_balance = true,
			.first_seq = 7,
			.last_seq = 8},
	};
	assert_bytes(encode_outcome(&arena, &record, &avro), read_golden("outcome_duplicate", "avro"));
	assert_bytes(encode_outcome(&arena, &record, &json), read_golden("outcome_duplicate", "json"));
	record = (struct record){
		.source = {INPUT_COMMANDS, 0, 7, 0},
		.event = {.kind = EVENT_VOID,
			.customer_id = scoped.customer_id,
			.currency_id = scoped.currency_id,
			.resource_id = scoped.resource_id,
			.idempotency_key = TEXT_LITERAL("undo-1")},
		.result = {.kind = RESULT_REJECTED, .code = REJECT_UNKNOWN_GRANT},
	};
	assert_bytes(encode_outcome(&arena, &record, &avro), read_golden("outcome_rejected", "avro"));
	assert_bytes(encode_outcome(&arena, &record, &json), read_golden("outcome_rejected", "json"));
	record = (struct record){
		.source = {INPUT_USAGE, 3, 44, 0},
		.event = {.kind = EVENT_RESERVE,
			.customer_id = unscoped.customer_id,
			.currency_id = unscoped.currency_id,
			.idempotency_key = TEXT_LITERAL("hold-2")},
		.result = {.kind = RESULT_APPLIED,
			.requested_amount = credits("5"),
			.applied_amount = credits("5"),
			.balance = credits("98.5"),
			.has_balance = true},
	};
	assert_bytes(encode_outcome(&arena, &record, &avro), read_golden("outcome_reserved", "avro"));
	assert_bytes(encode_outcome(&arena, &record, &json), read_golden("outcome_reserved", "json"));
}

static void assert_notification(const struct notification *notification, const char *name)
{
	assert_bytes(encode_notification(&arena, notification, &avro), read_golden(name, "avro"));
	assert_bytes(encode_notification(&arena, notification, &json), read_golden(name, "json"));
}

static void notifications_are_encoded(void **state)
{
	(void)state;
	struct notification low = {
		.account = &unscoped,
		.type = NOTIFY_BALANCE_LOW,
		.ordinal = 1,
		.has_threshold = true,
		.threshold = {.is_percent = true, .percent = 20, .hysteresis = 10},
		.level = credits("20"),
		.balance = credits("25.5"),
		.held = credits("6"),
		.seq = 8,
		.idempotency_key = TEXT_LITERAL("req-1"),
		.recorded_at = at("2026-01-02T03:04:06Z"),
		.source = {INPUT_USAGE, 3, 42, 0},
	};
	assert_notification(&low, "notification_low");
	low.ordinal = 2;
	low.threshold = (struct threshold){.amount = credits("100")};
	low.level = credits("100");
	low.balance = -1;
	low.held = 0;
	low.seq = 0;
	low.idempotency_key = TEXT_NULL;
	assert_notification(&low, "notification_low_amount");
	const struct notification expired = {
		.account = &scoped,
		.type = NOTIFY_GRANT_EXPIRED,
		.ordinal = 12,
		.grant_id = TEXT_LITERAL("grant/order-1"),
		.has_amount = true,
		.balance = CREDIT_MAX,
		.held = credits("0.999999999999"),
		.seq = INT64_MAX,
		.recorded_at = at("2026-02-01T00:00:00.678901Z"),
		.source = {INPUT_COMMANDS, 0, INT64_MAX, 0},
	};
	assert_notification(&expired, "notification_expired");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_record_is_printed_as_json),
		cmocka_unit_test(avro_and_json_inputs_are_the_same_event),
		cmocka_unit_test(inputs_are_encoded_to_the_same_bytes),
		cmocka_unit_test(settings_are_read_as_they_were_written),
		cmocka_unit_test(ends_of_holds_are_read_as_they_were_written),
		cmocka_unit_test(an_output_is_no_input),
		cmocka_unit_test(a_consumption_is_encoded),
		cmocka_unit_test(a_transfer_of_the_largest_amount_is_encoded),
		cmocka_unit_test(an_expiry_is_encoded_without_a_key),
		cmocka_unit_test(balances_are_encoded),
		cmocka_unit_test(outcomes_are_encoded),
		cmocka_unit_test(notifications_are_encoded),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
