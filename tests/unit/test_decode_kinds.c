/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: each kind of event has just the fields that it may have, within their limits, and the same in both formats.
 * Method: tables of JSON inputs with what they become. What the formats share is tested on events that are encoded in
 * both, broken ones too, since the encoder checks nothing: the same event, or the same defect.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "decode_fixture.h"
#include "drawdown/decode.h"
#include "drawdown/encode.h"

#undef fail /* outcome.h has one too */
#include <cmocka.h>

static struct event decode(struct text value)
{
	struct event event;
	struct defect defect = {"", ""};
	bool ok = decode_event(decoder, &arena, value, &event, &defect);
	if (!ok)
		print_error("%.*s: %s: %s\n", TEXT_ARGS(value), defect.reason, defect.text);
	assert_true(ok);
	return event;
}

static void assert_defect(struct text value, const char *reason, const char *text)
{
	struct event event;
	struct defect defect = {"", ""};
	bool ok = decode_event(decoder, &arena, value, &event, &defect);
	if (ok || strcmp(defect.text, text) != 0)
		print_error("%.*s: %s\n", TEXT_ARGS(value), defect.text);
	assert_false(ok);
	assert_string_equal(defect.text, text);
	assert_string_equal(defect.reason, reason);
}

static void assert_text(struct text actual, const char *expected)
{
	assert_int_equal(actual.data != NULL, expected != NULL);
	assert_true(text_equal(actual, text_of(expected)));
}

#define OF(kind) \
	"{\"customerId\":\"acme\",\"currencyId\":\"ai-tokens\",\"idempotencyKey\":\"k-1\",\"type\":\"" kind "\""
#define JOB ",\"reservationId\":\"job-1\""

static void each_kind_is_read_alike_from_both_formats(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		enum event_kind kind;
	} cases[] = {
		{OF("consume") ",\"amount\":1,\"dimensions\":{\"a\":1}}", EVENT_CONSUME},
		{OF("grant") ",\"amount\":1,\"grantType\":\"PAID\",\"awaitPaymentConfirmation\":true}", EVENT_GRANT},
		{OF("void") ",\"grantId\":\"g\"}", EVENT_VOID},
		{OF("confirm-payment") ",\"grantId\":\"grant/k-0\",\"comment\":\"c\"}", EVENT_CONFIRM_PAYMENT},
		{OF("reverse") ",\"reversedKey\":\"k-0\"}", EVENT_REVERSE},
		{OF("reverse") ",\"reversedKey\":\"k-0\",\"amount\":0.5}", EVENT_REVERSE},
		{OF("configure") "}", EVENT_CONFIGURE},
		{OF("configure") ",\"overLimit\":\"cap\",\"overdraftLimit\":0,\"thresholds\":[]}", EVENT_CONFIGURE},
		{OF("configure") ",\"thresholds\":[{\"amount\":\"1.5\"},{\"percent\":7.0,\"hysteresis\":0}]}",
			EVENT_CONFIGURE},
		{OF("reserve") JOB ",\"amount\":1}", EVENT_RESERVE},
		{OF("reserve") JOB ",\"amount\":1,\"ttlSeconds\":60}", EVENT_RESERVE},
		{OF("reserve") JOB ",\"amount\":1,\"expiresAt\":\"2026-01-02T03:04:05Z\"}", EVENT_RESERVE},
		{OF("settle") JOB ",\"amount\":0}", EVENT_SETTLE},
		{OF("extend") JOB ",\"ttlSeconds\":-60}", EVENT_EXTEND},
		{OF("extend") JOB ",\"expiresAt\":\"2026-01-02T03:04:05.678901Z\"}", EVENT_EXTEND},
		{OF("release") JOB ",\"resourceId\":\"pool\",\"createdAt\":\"2026-01-02T03:04:05Z\"}", EVENT_RELEASE},
		{OF("advance") ",\"dueAt\":\"2026-01-02T03:04:05Z\"}", EVENT_ADVANCE},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct event event = decode(text_of(cases[i].json));
		assert_int_equal(event.kind, cases[i].kind);
		const enum output_format formats[] = {FORMAT_AVRO, FORMAT_JSON};
		for (size_t j = 0; j < 2; j++) {
			struct event again = decode(encode_event(&arena, &event, formats[j]));
			assert_int_equal(again.kind, event.kind);
			assert_true(hash128_equal(again.key_hash, event.key_hash));
			assert_true(hash128_equal(again.fingerprint, event.fingerprint));
			assert_true(again.created_at == event.created_at);
			for (size_t k = 0; k < i; k++) {
				struct event other = decode(text_of(cases[k].json));
				assert_false(hash128_equal(again.fingerprint, other.fingerprint));
			}
		}
	}
}

static void a_reversal_finds_its_consumption(void **state)
{
	(void)state;
	struct event event = decode(TEXT_LITERAL(OF("reverse") ",\"reversedKey\":\"req-1\",\"comment\":\"c\"}"));
	assert_text(event.reversal->reversed_key, "req-1");
	assert_true(event.amount == 0);
	assert_text(event.comment, NULL);
	assert_null(event.terms);
	assert_null(event.hold);
	assert_null(event.settings);
	struct event consumption = decode(TEXT_LITERAL("{\"customerId\":\"acme\",\"currencyId\":\"ai-tokens\","
						       "\"idempotencyKey\":\"req-1\",\"amount\":1}"));
	assert_true(hash128_equal(event.reversal->reversed_hash, consumption.key_hash));
	event = decode(TEXT_LITERAL(OF("reverse") ",\"reversedKey\":\"req-1\",\"amount\":\"0.000000000001\"}"));
	assert_true(event.amount == 1);
}

static void a_hold_has_a_ttl_or_an_end(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		int64_t ttl;
		instant_t expires_at;
	} cases[] = {
		{OF("reserve") JOB ",\"amount\":1}", HOLD_TTL_DEFAULT, INSTANT_NONE},
		{OF("reserve") JOB ",\"amount\":1,\"ttlSeconds\":null,\"expiresAt\":null}", HOLD_TTL_DEFAULT,
			INSTANT_NONE},
		{OF("reserve") JOB ",\"amount\":1,\"ttlSeconds\":86400}", HOLD_TTL_MAX, INSTANT_NONE},
		{OF("reserve") JOB ",\"amount\":1,\"ttlSeconds\":null,\"expiresAt\":\"2026-01-02T03:04:05.678Z\"}", 0,
			1767323045678000},
		/* out of range for the rules, but an integer */
		{OF("extend") JOB ",\"ttlSeconds\":0}", 0, INSTANT_NONE},
		{OF("extend") JOB ",\"ttlSeconds\":-1}", -INSTANT_SECOND, INSTANT_NONE},
		{OF("extend") JOB ",\"ttlSeconds\":86401}", HOLD_TTL_MAX + INSTANT_SECOND, INSTANT_NONE},
		{OF("extend") JOB ",\"ttlSeconds\":9223372036854}", 9223372036854 * INSTANT_SECOND, INSTANT_NONE},
		{OF("extend") JOB ",\"ttlSeconds\":9223372036855}", 9223372036854 * INSTANT_SECOND, INSTANT_NONE},
		{OF("extend") JOB ",\"ttlSeconds\":9223372036854775807}", 9223372036854 * INSTANT_SECOND, INSTANT_NONE},
		{OF("extend") JOB ",\"ttlSeconds\":-9223372036854775808}", -9223372036854 * INSTANT_SECOND,
			INSTANT_NONE},
		{OF("extend") JOB ",\"expiresAt\":\"0001-01-01T00:00:00Z\"}", 0, INSTANT_MIN},
		/* not theirs: as any field that nobody knows */
		{OF("settle") JOB ",\"amount\":1,\"ttlSeconds\":5,\"expiresAt\":[]}", 0, INSTANT_NONE},
		{OF("release") JOB ",\"amount\":-1,\"ttlSeconds\":\"x\"}", 0, INSTANT_NONE},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct event event = decode(text_of(cases[i].json));
		assert_text(event.hold->reservation_id, "job-1");
		assert_true(event.hold->ttl == cases[i].ttl);
		assert_true(event.hold->expires_at == cases[i].expires_at);
		struct event again = decode(encode_event(&arena, &event, FORMAT_AVRO));
		assert_true(again.hold->ttl == cases[i].ttl);
		assert_true(again.hold->expires_at == cases[i].expires_at);
		again = decode(encode_event(&arena, &event, FORMAT_JSON));
		assert_true(hash128_equal(again.fingerprint, event.fingerprint));
	}
}

static void the_default_of_a_ttl_is_the_same_content(void **state)
{
	(void)state;
	struct event left_out = decode(TEXT_LITERAL(OF("reserve") JOB ",\"amount\":1}"));
	struct event given = decode(TEXT_LITERAL(OF("reserve") JOB ",\"amount\":1.0,\"ttlSeconds\":36e2}"));
	assert_true(hash128_equal(left_out.fingerprint, given.fingerprint));
}

static void overrides_are_those_that_are_given(void **state)
{
	(void)state;
	struct event event = decode(TEXT_LITERAL(
		OF("configure") ",\"overLimit\":null,\"overdraftLimit\":null,\"thresholds\":null,\"amount\":5}"));
	assert_false(event.settings->has_over_limit);
	assert_false(event.settings->has_overdraft_limit);
	assert_false(event.settings->has_thresholds);
	assert_true(event.amount == 0);
	event = decode(
		TEXT_LITERAL(OF("configure") ",\"overLimit\":\"reject\",\"overdraftLimit\":\"0.5\",\"thresholds\":"
					     "[{\"hysteresis\":100,\"percent\":100,\"amount\":null},"
					     "{\"amount\":1e1,\"x\":{\"amount\":[1]}},{\"percent\":1}]}"));
	assert_int_equal(event.settings->over_limit, OVER_LIMIT_REJECT);
	assert_true(event.settings->overdraft_limit == CREDIT_ONE / 2);
	const struct thresholds *thresholds = &event.settings->thresholds;
	static const struct threshold expected[] = {
		{true, 0, 100, 100}, {false, 10 * CREDIT_ONE, 0, 10}, {true, 0, 1, 10}};
	assert_int_equal(thresholds->count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_true(threshold_equal(&thresholds->items[i], &expected[i]));
		assert_int_equal(thresholds->items[i].hysteresis, expected[i].hysteresis);
	}
	/* what follows the list is not of it */
	event = decode(TEXT_LITERAL(OF("configure") ",\"thresholds\":[{\"amount\":1}],\"x\":{\"y\":{\"amount\":5,"
						    "\"amount\":5}},\"z\":[{\"a\":{}}]}"));
	assert_int_equal(event.settings->thresholds.count, 1);
	assert_true(event.settings->thresholds.items[0].amount == CREDIT_ONE);
	event = decode(TEXT_LITERAL(OF("configure") ",\"thresholds\":[]}"));
	assert_true(event.settings->has_thresholds);
	assert_int_equal(event.settings->thresholds.count, 0);
}

static void the_order_of_thresholds_is_part_of_the_content(void **state)
{
	(void)state;
	struct event event = decode(TEXT_LITERAL(OF("configure") ",\"thresholds\":[{\"amount\":1},{\"percent\":1}]}"));
	struct event other = decode(TEXT_LITERAL(OF("configure") ",\"thresholds\":[{\"percent\":1},{\"amount\":1}]}"));
	struct event same = decode(TEXT_LITERAL(OF("configure") ",\"thresholds\":[{\"hysteresis\":10,\"amount\":1.0},{"
								"\"percent\":1,\"hysteresis\":1e1}]}"));
	assert_false(hash128_equal(event.fingerprint, other.fingerprint));
	assert_true(hash128_equal(event.fingerprint, same.fingerprint));
}

static void each_required_field_is_missed(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		const char *text;
	} cases[] = {
		{OF("confirm-payment") "}", "grantId is missing"},
		{OF("confirm-payment") ",\"grantId\":null}", "grantId is missing"},
		{OF("reverse") "}", "reversedKey is missing"},
		{OF("reverse") ",\"amount\":1,\"reversedkey\":\"k\"}", "reversedKey is missing"},
		{OF("reserve") ",\"amount\":1}", "reservationId is missing"},
		{OF("reserve") JOB "}", "amount is missing"},
		{OF("settle") ",\"amount\":1}", "reservationId is missing"},
		{OF("settle") JOB "}", "amount is missing"},
		{OF("extend") ",\"ttlSeconds\":1}", "reservationId is missing"},
		{OF("extend") JOB "}", "ttlSeconds or expiresAt is missing"},
		{OF("extend") JOB ",\"ttlSeconds\":null,\"expiresAt\":null}", "ttlSeconds or expiresAt is missing"},
		{OF("release") ",\"reservationId\":null}", "reservationId is missing"},
		{OF("advance") "}", "dueAt is missing"},
		{OF("advance") ",\"dueAt\":null}", "dueAt is missing"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_defect(text_of(cases[i].json), "missing_field", cases[i].text);
	/* what all have in common */
	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		const char *name = event_kind_name((enum event_kind)kind);
		assert_defect(
			arena_format(&arena, "{\"type\":\"%s\",\"currencyId\":\"b\",\"idempotencyKey\":\"k\"}", name),
			"missing_field", "customerId is missing");
		assert_defect(
			arena_format(&arena, "{\"type\":\"%s\",\"customerId\":\"a\",\"idempotencyKey\":\"k\"}", name),
			"missing_field", "currencyId is missing");
		assert_defect(arena_format(&arena, "{\"type\":\"%s\",\"customerId\":\"a\",\"currencyId\":\"b\"}", name),
			"missing_field", "idempotencyKey is missing");
	}
}

#define ITEM(item) OF("configure") ",\"thresholds\":[" item "]}"
#define ONE_OF "thresholds has an item without exactly one of amount and percent"
#define NO_OBJECT "thresholds has an item that is not an object"
#define NO_PERCENT "thresholds.percent is not an integer from 1 to 100"
#define NO_HYSTERESIS "thresholds.hysteresis is not an integer from 0 to 100"
#define NO_TTL "ttlSeconds is not a 64-bit integer"

static void each_invalid_field_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		const char *text;
	} cases[] = {
		{OF("confirm-payment") ",\"grantId\":\"\"}", "grantId is not 1-600 printable characters"},
		{OF("confirm-payment") ",\"grantId\":7}", "grantId is not a string"},
		{OF("confirm-payment") ",\"grantId\":\"g\\u0000\"}", "grantId is not 1-600 printable characters"},
		{OF("confirm-payment") ",\"grantId\":\"g\",\"comment\":{}}", "comment is not a string"},
		{OF("reverse") ",\"reversedKey\":\"\"}", "reversedKey is not 1-255 printable characters"},
		{OF("reverse") ",\"reversedKey\":\"a\\u0000\"}", "reversedKey is not 1-255 printable characters"},
		{OF("reverse") ",\"reversedKey\":[\"a\"]}", "reversedKey is not a string"},
		{OF("reverse") ",\"reversedKey\":\"a\",\"amount\":0}", "amount is not above 0"},
		{OF("reverse") ",\"reversedKey\":\"a\",\"amount\":-1}", "amount is not above 0"},
		{OF("reverse") ",\"reversedKey\":\"a\",\"amount\":1e26}", "amount is out of range"},
		{OF("reverse") ",\"reversedKey\":\"a\",\"amount\":1e-13}", "amount has more than 12 fractional digits"},
		{OF("reverse") ",\"reversedKey\":\"a\",\"amount\":\"\"}", "amount is not a number"},
		{OF("configure") ",\"overLimit\":\"Allow\"}", "overLimit is none of allow, cap, reject"},
		{OF("configure") ",\"overLimit\":\"\"}", "overLimit is none of allow, cap, reject"},
		{OF("configure") ",\"overLimit\":1}", "overLimit is not a string"},
		{OF("configure") ",\"overdraftLimit\":-0.000000000001}", "overdraftLimit is below 0"},
		{OF("configure") ",\"overdraftLimit\":1e26}", "overdraftLimit is out of range"},
		{OF("configure") ",\"overdraftLimit\":1e-13}", "overdraftLimit has more than 12 fractional digits"},
		{OF("configure") ",\"overdraftLimit\":true}", "overdraftLimit is not a number"},
		{OF("configure") ",\"thresholds\":{}}", "thresholds is not an array"},
		{OF("configure") ",\"thresholds\":{\"amount\":1}}", "thresholds is not an array"},
		{OF("configure") ",\"thresholds\":5}", "thresholds is not an array"},
		{OF("configure") ",\"thresholds\":\"[]\"}", "thresholds is not an array"},
		{ITEM("5"), NO_OBJECT},
		{ITEM("null"), NO_OBJECT},
		{ITEM("[{\"amount\":1}]"), NO_OBJECT},
		{ITEM("{\"amount\":1},\"amount\""), NO_OBJECT},
		{ITEM("{}"), ONE_OF},
		{ITEM("{\"amount\":null}"), ONE_OF},
		{ITEM("{\"amount\":1},{\"hysteresis\":5}"), ONE_OF},
		{ITEM("{\"amount\":1,\"percent\":1}"), ONE_OF},
		{ITEM("{\"amount\":0}"), "thresholds.amount is not above 0"},
		{ITEM("{\"amount\":-1}"), "thresholds.amount is not above 0"},
		{ITEM("{\"amount\":1e26}"), "thresholds.amount is out of range"},
		{ITEM("{\"amount\":1e-13}"), "thresholds.amount has more than 12 fractional digits"},
		{ITEM("{\"amount\":[1]}"), "thresholds.amount is not a number"},
		{ITEM("{\"amount\":{\"amount\":1}}"), "thresholds.amount is not a number"},
		{ITEM("{\"percent\":0}"), NO_PERCENT},
		{ITEM("{\"percent\":101}"), NO_PERCENT},
		{ITEM("{\"percent\":-20}"), NO_PERCENT},
		{ITEM("{\"percent\":20.5}"), NO_PERCENT},
		{ITEM("{\"percent\":\"20\"}"), NO_PERCENT},
		{ITEM("{\"percent\":1e30}"), NO_PERCENT},
		{ITEM("{\"percent\":{}}"), NO_PERCENT},
		{ITEM("{\"percent\":20,\"hysteresis\":-1}"), NO_HYSTERESIS},
		{ITEM("{\"percent\":20,\"hysteresis\":101}"), NO_HYSTERESIS},
		{ITEM("{\"percent\":20,\"hysteresis\":1.5}"), NO_HYSTERESIS},
		{ITEM("{\"percent\":20,\"hysteresis\":\"1\"}"), NO_HYSTERESIS},
		{ITEM("{\"percent\":20},{\"percent\":20,\"hysteresis\":5}"), "thresholds has the same threshold twice"},
		{ITEM("{\"amount\":1.0},{\"percent\":1},{\"amount\":\"1\"}"),
			"thresholds has the same threshold twice"},
		{OF("reserve") ",\"amount\":1,\"reservationId\":\"\"}",
			"reservationId is not 1-255 printable characters"},
		{OF("reserve") ",\"amount\":1,\"reservationId\":\"\\n\"}",
			"reservationId is not 1-255 printable characters"},
		{OF("release") ",\"reservationId\":\"a\\u0000\"}", "reservationId is not 1-255 printable characters"},
		{OF("settle") ",\"amount\":1,\"reservationId\":{}}", "reservationId is not a string"},
		{OF("reserve") JOB ",\"amount\":0}", "amount is not above 0"},
		{OF("reserve") JOB ",\"amount\":1e26}", "amount is out of range"},
		{OF("settle") JOB ",\"amount\":-0.000000000001}", "amount is below 0"},
		{OF("settle") JOB ",\"amount\":1e26}", "amount is out of range"},
		{OF("settle") JOB ",\"amount\":0.0000000000001}", "amount has more than 12 fractional digits"},
		{OF("reserve") JOB ",\"amount\":1,\"ttlSeconds\":1,\"expiresAt\":\"2026-01-02T03:04:05Z\"}",
			"ttlSeconds and expiresAt are both given"},
		{OF("extend") JOB ",\"ttlSeconds\":1,\"expiresAt\":\"2026-01-02T03:04:05Z\"}",
			"ttlSeconds and expiresAt are both given"},
		{OF("extend") JOB ",\"ttlSeconds\":1.5}", NO_TTL},
		{OF("extend") JOB ",\"ttlSeconds\":\"60\"}", NO_TTL},
		{OF("extend") JOB ",\"ttlSeconds\":9223372036854775808}", NO_TTL},
		{OF("extend") JOB ",\"ttlSeconds\":-9223372036854775809}", NO_TTL},
		{OF("extend") JOB ",\"ttlSeconds\":1e400}", NO_TTL},
		{OF("extend") JOB ",\"ttlSeconds\":[60]}", NO_TTL},
		{OF("extend") JOB ",\"expiresAt\":1767323045}", "expiresAt is not a time of RFC 3339 with a zone"},
		{OF("reserve") JOB ",\"amount\":1,\"expiresAt\":\"2026-01-02T03:04:05\"}",
			"expiresAt is not a time of RFC 3339 with a zone"},
		{OF("advance") ",\"dueAt\":\"now\"}", "dueAt is not a time of RFC 3339 with a zone"},
		{OF("advance") ",\"dueAt\":0}", "dueAt is not a time of RFC 3339 with a zone"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_defect(text_of(cases[i].json), "invalid_field", cases[i].text);
}

static void a_field_that_is_given_twice_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		const char *text;
	} cases[] = {
		{ITEM("{\"amount\":1,\"amount\":1}"), "thresholds.amount is given twice"},
		{ITEM("{\"amount\":1},{\"percent\":1,\"p\\u0065rcent\":2}"), "thresholds.percent is given twice"},
		{OF("configure") ",\"thresholds\":[],\"thresholds\":[]}", "thresholds is given twice"},
		{OF("extend") JOB JOB ",\"ttlSeconds\":1}", "reservationId is given twice"},
		{OF("extend") JOB ",\"ttlSeconds\":null,\"ttlSeconds\":1}", "ttlSeconds is given twice"},
		{OF("advance") ",\"dueAt\":null,\"dueAt\":null}", "dueAt is given twice"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_defect(text_of(cases[i].json), "malformed_json", cases[i].text);
	/* each item has its own */
	(void)decode(TEXT_LITERAL(ITEM("{\"amount\":1,\"hysteresis\":1},{\"amount\":2,\"hysteresis\":1}")));
}

static struct text with_thresholds(size_t count)
{
	char *text = arena_alloc(&arena, 200 + 20 * count);
	size_t size = (size_t)snprintf(text, 200, OF("configure") ",\"thresholds\":[");
	for (size_t i = 1; i <= count; i++)
		size += (size_t)snprintf(text + size, 20, "%s{\"amount\":%zu}", i > 1 ? "," : "", i);
	size += (size_t)snprintf(text + size, 3, "]}");
	return (struct text){text, size};
}

static void the_number_of_thresholds_is_bounded(void **state)
{
	(void)state;
	struct event event = decode(with_thresholds(THRESHOLDS_MAX));
	assert_int_equal(event.settings->thresholds.count, THRESHOLDS_MAX);
	assert_true(event.settings->thresholds.items[THRESHOLDS_MAX - 1].amount == THRESHOLDS_MAX * CREDIT_ONE);
	struct event again = decode(encode_event(&arena, &event, FORMAT_AVRO));
	assert_true(hash128_equal(again.fingerprint, event.fingerprint));
	assert_defect(with_thresholds(THRESHOLDS_MAX + 1), "invalid_field", "thresholds has more than 16 items");
	assert_defect(with_thresholds(10000), "invalid_field", "thresholds has more than 16 items");
}

static void lengths_are_bounded(void **state)
{
	(void)state;
	char filler[256];
	memset(filler, 'x', sizeof filler);
	(void)decode(arena_format(&arena, OF("reverse") ",\"reversedKey\":\"%.*s\"}", 255, filler));
	assert_defect(arena_format(&arena, OF("reverse") ",\"reversedKey\":\"%.*s\"}", 256, filler), "invalid_field",
		"reversedKey is not 1-255 printable characters");
	(void)decode(arena_format(&arena, OF("release") ",\"reservationId\":\"%.*s\"}", 255, filler));
	assert_defect(arena_format(&arena, OF("release") ",\"reservationId\":\"%.*s\"}", 256, filler), "invalid_field",
		"reservationId is not 1-255 printable characters");
}

/* Both formats refuse what the event says, alike. */
static void assert_both_refuse(struct event event, const char *text)
{
	event.customer_id = TEXT_LITERAL("acme");
	event.currency_id = TEXT_LITERAL("ai-tokens");
	event.idempotency_key = TEXT_LITERAL("k-1");
	event.created_at = INSTANT_NONE;
	assert_defect(encode_event(&arena, &event, FORMAT_AVRO), "invalid_field", text);
	assert_defect(encode_event(&arena, &event, FORMAT_JSON), "invalid_field", text);
}

/* The encoder writes no amount of 10^26: make one of the largest, 1 less in its last digit. JSON has 1e26 above. */
static void assert_avro_refuses_one_more(struct event event, const char *text)
{
	uint8_t largest[16], too_large[16];
	assert_int_equal(credit_to_bytes(CREDIT_MAX, largest), 16);
	memcpy(too_large, largest, 16);
	for (size_t i = 15; ++too_large[i] == 0; i--)
		;
	event.customer_id = TEXT_LITERAL("acme");
	event.currency_id = TEXT_LITERAL("ai-tokens");
	event.idempotency_key = TEXT_LITERAL("k-1");
	event.created_at = INSTANT_NONE;
	struct text value = encode_event(&arena, &event, FORMAT_AVRO);
	(void)decode(value);
	char *bytes = arena_alloc(&arena, value.size);
	memcpy(bytes, value.data, value.size);
	size_t at = 0;
	while (at + 16 <= value.size && memcmp(bytes + at, largest, 16) != 0)
		at++;
	assert_true(at + 16 <= value.size);
	memcpy(bytes + at, too_large, 16);
	assert_defect((struct text){bytes, value.size}, "invalid_field", text);
}

static void amounts_out_of_range_are_refused_alike(void **state)
{
	(void)state;
	const struct hold_terms hold = {.reservation_id = TEXT_LITERAL("job-1"), .expires_at = INSTANT_NONE};
	const struct grant_terms terms = {.effective_at = INSTANT_NONE, .expire_at = INSTANT_NONE};
	struct event events[] = {
		{.kind = EVENT_CONSUME},
		{.kind = EVENT_GRANT, .terms = &terms, .grant_id = TEXT_LITERAL("g")},
		{.kind = EVENT_RESERVE, .hold = &hold},
	};
	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
		events[i].amount = 0;
		assert_both_refuse(events[i], "amount is not above 0");
		events[i].amount = -CREDIT_MAX;
		assert_both_refuse(events[i], "amount is not above 0");
		events[i].amount = CREDIT_MAX;
		assert_avro_refuses_one_more(events[i], "amount is out of range");
	}
	struct event settle = {.kind = EVENT_SETTLE, .hold = &hold, .amount = -1};
	assert_both_refuse(settle, "amount is below 0");
	settle.amount = CREDIT_MAX;
	assert_avro_refuses_one_more(settle, "amount is out of range");
	const struct reversal_terms reversal = {.reversed_key = TEXT_LITERAL("k-0")};
	assert_avro_refuses_one_more((struct event){.kind = EVENT_REVERSE, .reversal = &reversal, .amount = CREDIT_MAX},
		"amount is out of range");
	const struct threshold threshold = {.amount = CREDIT_MAX, .hysteresis = 100};
	const struct account_settings of_threshold = {.has_thresholds = true, .thresholds = {&threshold, 1}};
	assert_avro_refuses_one_more((struct event){.kind = EVENT_CONFIGURE, .settings = &of_threshold},
		"thresholds.amount is out of range");
	const struct account_settings of_limit = {.has_overdraft_limit = true, .overdraft_limit = CREDIT_MAX};
	assert_avro_refuses_one_more(
		(struct event){.kind = EVENT_CONFIGURE, .settings = &of_limit}, "overdraftLimit is out of range");
}

static void strings_with_a_nul_are_refused_alike(void **state)
{
	(void)state;
	const struct text bad = TEXT_LITERAL("a\0b");
	const struct hold_terms hold = {.reservation_id = bad, .expires_at = INSTANT_NONE};
	const struct reversal_terms reversal = {.reversed_key = bad};
	static const enum event_kind holds[] = {EVENT_RESERVE, EVENT_SETTLE, EVENT_EXTEND, EVENT_RELEASE};
	for (size_t i = 0; i < 4; i++)
		assert_both_refuse((struct event){.kind = holds[i], .hold = &hold, .amount = 1},
			"reservationId is not 1-255 printable characters");
	assert_both_refuse((struct event){.kind = EVENT_REVERSE, .reversal = &reversal},
		"reversedKey is not 1-255 printable characters");
	assert_both_refuse((struct event){.kind = EVENT_CONFIRM_PAYMENT, .grant_id = bad},
		"grantId is not 1-600 printable characters");
	assert_both_refuse((struct event){.kind = EVENT_CONFIRM_PAYMENT, .grant_id = TEXT_LITERAL("g"), .comment = bad},
		"comment is not UTF-8, or has a NUL");
}

static void settings_out_of_range_are_refused_alike(void **state)
{
	(void)state;
	static const struct {
		struct threshold items[2];
		const char *text;
	} cases[] = {
		{{{.amount = 0, .hysteresis = 10}}, "thresholds.amount is not above 0"},
		{{{.amount = -1, .hysteresis = 10}}, "thresholds.amount is not above 0"},
		{{{.is_percent = true, .percent = 0}}, NO_PERCENT},
		{{{.is_percent = true, .percent = 101}}, NO_PERCENT},
		{{{.is_percent = true, .percent = INT32_MIN}}, NO_PERCENT},
		{{{.is_percent = true, .percent = 1, .hysteresis = 101}}, NO_HYSTERESIS},
		{{{.is_percent = true, .percent = 1, .hysteresis = -1}}, NO_HYSTERESIS},
		{{{.amount = 1, .hysteresis = 1}, {.amount = 1}}, "thresholds has the same threshold twice"},
	};
	struct account_settings settings = {.has_thresholds = true};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		settings.thresholds = (struct thresholds){cases[i].items, cases[i].items[1].amount ? 2 : 1};
		assert_both_refuse((struct event){.kind = EVENT_CONFIGURE, .settings = &settings}, cases[i].text);
	}
	struct threshold many[THRESHOLDS_MAX + 1];
	for (int i = 0; i <= THRESHOLDS_MAX; i++)
		many[i] = (struct threshold){.is_percent = true, .percent = 1 + i};
	settings.thresholds = (struct thresholds){many, THRESHOLDS_MAX + 1};
	assert_both_refuse(
		(struct event){.kind = EVENT_CONFIGURE, .settings = &settings}, "thresholds has more than 16 items");
	settings = (struct account_settings){.has_overdraft_limit = true, .overdraft_limit = -1};
	assert_both_refuse((struct event){.kind = EVENT_CONFIGURE, .settings = &settings}, "overdraftLimit is below 0");
}

static void times_out_of_range_are_refused(void **state)
{
	(void)state;
	struct event event = {.kind = EVENT_ADVANCE,
		.customer_id = TEXT_LITERAL("acme"),
		.currency_id = TEXT_LITERAL("ai-tokens"),
		.idempotency_key = TEXT_LITERAL("k-1"),
		.created_at = INSTANT_NONE,
		.due_at = INSTANT_MAX + 1};
	assert_defect(
		encode_event(&arena, &event, FORMAT_AVRO), "invalid_field", "dueAt is outside of the years 0001-9999");
	event.due_at = INSTANT_NONE;
	assert_defect(
		encode_event(&arena, &event, FORMAT_AVRO), "invalid_field", "dueAt is outside of the years 0001-9999");
	const struct hold_terms hold = {.reservation_id = TEXT_LITERAL("job-1"), .expires_at = INSTANT_MIN - 1};
	event.kind = EVENT_EXTEND;
	event.hold = &hold;
	assert_defect(encode_event(&arena, &event, FORMAT_AVRO), "invalid_field",
		"expiresAt is outside of the years 0001-9999");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_read_alike_from_both_formats),
		cmocka_unit_test(a_reversal_finds_its_consumption),
		cmocka_unit_test(a_hold_has_a_ttl_or_an_end),
		cmocka_unit_test(the_default_of_a_ttl_is_the_same_content),
		cmocka_unit_test(overrides_are_those_that_are_given),
		cmocka_unit_test(the_order_of_thresholds_is_part_of_the_content),
		cmocka_unit_test(each_required_field_is_missed),
		cmocka_unit_test(each_invalid_field_is_named),
		cmocka_unit_test(a_field_that_is_given_twice_is_refused),
		cmocka_unit_test(the_number_of_thresholds_is_bounded),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(amounts_out_of_range_are_refused_alike),
		cmocka_unit_test(strings_with_a_nul_are_refused_alike),
		cmocka_unit_test(settings_out_of_range_are_refused_alike),
		cmocka_unit_test(times_out_of_range_are_refused),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
