/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a JSON input becomes the event that was meant, or a defect that names the field; never anything else.
 * Method: tables of inputs and defects; equal content in other spellings has the same fingerprint; hostile texts cut
 * off at every byte and mutated at random, each in memory of its exact size so that the sanitizers see an overrun.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "decode_fixture.h"
#include "drawdown/decode.h"
#include "seed.h"

static struct event decode(struct text json)
{
	struct event event;
	struct defect defect = {"", ""};
	bool ok = decode_event(decoder, &arena, json, &event, &defect);
	if (!ok)
		print_error("%s: %s\n", defect.reason, defect.text);
	assert_true(ok);
	return event;
}

static void assert_defect(struct text json, const char *reason, const char *text)
{
	struct event event;
	struct defect defect;
	bool ok = decode_event(decoder, &arena, json, &event, &defect);
	if (ok)
		print_error("no defect in %.*s\n", TEXT_ARGS(json));
	assert_false(ok);
	assert_string_equal(defect.text, text);
	assert_string_equal(defect.reason, reason);
}

static void assert_text(struct text actual, const char *expected)
{
	if (!expected) {
		assert_null(actual.data);
		return;
	}
	assert_int_equal(actual.size, strlen(expected));
	assert_memory_equal(actual.data, expected, actual.size);
}

static struct text repeated(const char *before, char filler, size_t count, const char *after)
{
	size_t size = strlen(before) + count + strlen(after);
	char *text = arena_alloc(&arena, size);
	memcpy(text, before, strlen(before));
	memset(text + strlen(before), filler, count);
	memcpy(text + strlen(before) + count, after, strlen(after));
	return (struct text){text, size};
}

#define REQUIRED "\"customerId\":\"acme\",\"currencyId\":\"ai-tokens\",\"idempotencyKey\":\"req-1\""
#define CONSUME "{" REQUIRED ",\"amount\":1.5"
#define GRANT "{" REQUIRED ",\"type\":\"grant\",\"amount\":100,\"grantType\":\"PAID\""

static void a_usage_event_is_read(void **state)
{
	(void)state;
	struct event event = decode(TEXT_LITERAL(
		"{\"customerId\":\"acme\",\"currencyId\":\"ai-tokens\",\"amount\":1.5,\"idempotencyKey\":\"req-1\","
		"\"resourceId\":null,\"dimensions\":{\"model\":\"x\"},\"createdAt\":\"2026-01-02T03:04:05.678Z\"}"));
	assert_int_equal(event.kind, EVENT_CONSUME);
	assert_text(event.customer_id, "acme");
	assert_text(event.currency_id, "ai-tokens");
	assert_text(event.resource_id, NULL);
	assert_text(event.idempotency_key, "req-1");
	assert_true(event.amount == CREDIT_ONE * 3 / 2);
	assert_true(event.created_at == 1767323045678000);
	assert_text(event.dimensions, "{\"model\":\"x\"}");
	assert_null(event.terms);
	struct event again = event;
	event_identify(&again);
	assert_true(hash128_equal(again.key_hash, event.key_hash));
	assert_true(hash128_equal(again.fingerprint, event.fingerprint));
}

static void a_grant_is_read_with_all_its_terms(void **state)
{
	(void)state;
	struct event event = decode(TEXT_LITERAL(
		"{" REQUIRED ",\"type\":\"grant\",\"resourceId\":\"pool@1\",\"amount\":\"0.000000000001\","
		"\"grantType\":\"PROMOTIONAL\",\"grantId\":\"welcome:2026\",\"displayName\":\"Welcome\\ncredits\","
		"\"priority\":-2.0,"
		"\"effectiveAt\":\"2026-01-01T00:00:00Z\",\"expireAt\":\"2026-02-01T00:00:00+01:00\","
		"\"cost\":{\"currency\":\"EUR\",\"ignored\":[1,{\"amount\":2}],\"amount\":0},\"comment\":\"c\","
		"\"metadata\":{\"b\":\"2\",\"a\":1},\"awaitPaymentConfirmation\":true}"));
	assert_int_equal(event.kind, EVENT_GRANT);
	assert_true(event.terms->await_payment);
	assert_text(event.resource_id, "pool@1");
	assert_true(event.amount == 1);
	assert_text(event.grant_id, "welcome:2026");
	assert_text(event.comment, "c");
	assert_non_null(event.terms);
	assert_int_equal(event.terms->grant_type, GRANT_PROMOTIONAL);
	assert_int_equal(event.terms->priority, -2);
	assert_true(event.terms->effective_at == 1767225600000000);
	assert_true(event.terms->expire_at == 1769900400000000);
	assert_true(event.terms->has_cost);
	assert_true(event.terms->cost_amount == 0);
	assert_text(event.terms->cost_currency, "EUR");
	assert_text(event.terms->display_name, "Welcome\ncredits");
	assert_text(event.terms->metadata, "{\"a\":1,\"b\":\"2\"}");
	assert_text(event.dimensions, NULL);
}

static void what_a_grant_leaves_out_has_its_default(void **state)
{
	(void)state;
	struct event event = decode(TEXT_LITERAL(GRANT ",\"grantId\":null,\"priority\":null,\"cost\":null}"));
	assert_text(event.grant_id, "grant/req-1");
	assert_int_equal(event.terms->priority, 0);
	assert_true(event.terms->effective_at == INSTANT_NONE);
	assert_true(event.terms->expire_at == INSTANT_NONE);
	assert_false(event.terms->has_cost);
	assert_false(event.terms->await_payment);
	assert_text(event.terms->metadata, NULL);
	assert_text(event.comment, NULL);
	assert_true(event.created_at == INSTANT_NONE);
}

static void a_void_names_its_grant(void **state)
{
	(void)state;
	struct event event =
		decode(TEXT_LITERAL("{" REQUIRED ",\"type\":\"void\",\"grantId\":\"g\",\"comment\":\"\"}"));
	assert_int_equal(event.kind, EVENT_VOID);
	assert_text(event.grant_id, "g");
	assert_text(event.comment, "");
	assert_true(event.amount == 0);
}

static void a_void_may_name_a_derived_grant(void **state)
{
	(void)state;
	struct event event =
		decode(TEXT_LITERAL("{" REQUIRED ",\"type\":\"void\",\"grantId\":\"overdraft:ai-tokens/pool/1\"}"));
	assert_text(event.grant_id, "overdraft:ai-tokens/pool/1");
	event = decode(repeated("{" REQUIRED ",\"type\":\"void\",\"grantId\":\"grant/", 'k', 255, "\"}"));
	assert_int_equal(event.grant_id.size, 261);
	assert_defect(repeated("{" REQUIRED ",\"type\":\"void\",\"grantId\":\"", 'k', 601, "\"}"), "invalid_field",
		"grantId is not 1-600 printable characters");
}

static void each_required_field_is_missed(void **state)
{
	(void)state;
	assert_defect(TEXT_LITERAL("{}"), "missing_field", "customerId is missing");
	assert_defect(TEXT_LITERAL("{\"customerId\":null}"), "missing_field", "customerId is missing");
	assert_defect(TEXT_LITERAL("{\"customerid\":\"a\"}"), "missing_field", "customerId is missing");
	assert_defect(TEXT_LITERAL("{\"customerId\":\"a\"}"), "missing_field", "currencyId is missing");
	assert_defect(TEXT_LITERAL("{\"customerId\":\"a\",\"currencyId\":\"b\"}"), "missing_field",
		"idempotencyKey is missing");
	assert_defect(TEXT_LITERAL("{" REQUIRED "}"), "missing_field", "amount is missing");
	assert_defect(TEXT_LITERAL("{" REQUIRED ",\"type\":\"grant\"}"), "missing_field", "amount is missing");
	assert_defect(TEXT_LITERAL("{" REQUIRED ",\"type\":\"grant\",\"amount\":1}"), "missing_field",
		"grantType is missing");
	assert_defect(TEXT_LITERAL("{" REQUIRED ",\"type\":\"void\"}"), "missing_field", "grantId is missing");
	assert_defect(TEXT_LITERAL(GRANT ",\"cost\":{}}"), "missing_field", "cost.amount is missing");
	assert_defect(TEXT_LITERAL(GRANT ",\"cost\":{\"amount\":1}}"), "missing_field", "cost.currency is missing");
}

#define CUSTOMER_DEFECT "customerId is not 1-255 of [A-Za-z0-9_|.@-], the first alphanumeric"
#define CURRENCY_DEFECT "currencyId is not 1-255 of [A-Za-z0-9_|.-], the first alphanumeric"
#define RESOURCE_DEFECT "resourceId is not 1-255 of [A-Za-z0-9_|.@-], the first alphanumeric"
#define VALUE_DEFECT "dimensions has a value that is neither text, a number of at most 100 digits, nor a boolean"

static void each_invalid_field_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		const char *text;
	} cases[] = {
		{"{\"customerId\":1}", "customerId is not a string"},
		{"{\"customerId\":[\"a\"]}", "customerId is not a string"},
		{"{\"customerId\":{\"a\":1}}", "customerId is not a string"},
		{"{\"customerId\":\"\"}", CUSTOMER_DEFECT},
		{"{\"customerId\":\"a/b\"}", CUSTOMER_DEFECT},
		{"{\"customerId\":\"a\\u0000\"}", CUSTOMER_DEFECT},
		{"{\"customerId\":\"a\",\"currencyId\":\"a@b\"}", CURRENCY_DEFECT},
		{CONSUME ",\"resourceId\":\"\"}", RESOURCE_DEFECT},
		{CONSUME ",\"resourceId\":false}", "resourceId is not a string"},
		{"{\"customerId\":\"a\",\"currencyId\":\"b\",\"idempotencyKey\":\"\"}",
			"idempotencyKey is not 1-255 printable characters"},
		{"{\"customerId\":\"a\",\"currencyId\":\"b\",\"idempotencyKey\":\"a\\nb\"}",
			"idempotencyKey is not 1-255 printable characters"},
		{"{\"customerId\":\"a\",\"currencyId\":\"b\",\"idempotencyKey\":\"a\\u0085b\"}",
			"idempotencyKey is not 1-255 printable characters"},
		{"{" REQUIRED ",\"amount\":0}", "amount is not above 0"},
		{"{" REQUIRED ",\"amount\":-1}", "amount is not above 0"},
		{"{" REQUIRED ",\"amount\":true}", "amount is not a number"},
		{"{" REQUIRED ",\"amount\":{}}", "amount is not a number"},
		{"{" REQUIRED ",\"amount\":\"\"}", "amount is not a number"},
		{"{" REQUIRED ",\"amount\":\" 1\"}", "amount is not a number"},
		{"{" REQUIRED ",\"amount\":\"NaN\"}", "amount is not a number"},
		{"{" REQUIRED ",\"amount\":0.0000000000001}", "amount has more than 12 fractional digits"},
		{"{" REQUIRED ",\"amount\":1e400}", "amount is out of range"},
		{"{" REQUIRED ",\"amount\":1e26}", "amount is out of range"},
		{CONSUME ",\"createdAt\":\"yesterday\"}", "createdAt is not a time of RFC 3339 with a zone"},
		{CONSUME ",\"createdAt\":\"2026-01-02T03:04:05\"}", "createdAt is not a time of RFC 3339 with a zone"},
		{CONSUME ",\"createdAt\":1767323045}", "createdAt is not a time of RFC 3339 with a zone"},
		{CONSUME ",\"createdAt\":\"10000-01-01T00:00:00Z\"}",
			"createdAt is not a time of RFC 3339 with a zone"},
		{CONSUME ",\"dimensions\":[]}", "dimensions is not a map"},
		{CONSUME ",\"dimensions\":\"a\"}", "dimensions is not a map"},
		{CONSUME ",\"dimensions\":{\"a\":null}}", VALUE_DEFECT},
		{CONSUME ",\"dimensions\":{\"a\":{}}}", VALUE_DEFECT},
		{CONSUME ",\"dimensions\":{\"a\":[1,{\"b\":2}]}}", VALUE_DEFECT},
		{CONSUME ",\"dimensions\":{\"a\":1e401}}", VALUE_DEFECT},
		{CONSUME ",\"dimensions\":{\"a\":1e-401}}", VALUE_DEFECT},
		{CONSUME ",\"dimensions\":{\"a\":\"\\u0000\"}}", VALUE_DEFECT},
		{CONSUME ",\"dimensions\":{\"a\":1,\"b\":2,\"a\":1}}", "dimensions has the same name twice"},
		{CONSUME ",\"dimensions\":{\"a\":1,\"\\u0061\":1}}", "dimensions has the same name twice"},
		{CONSUME ",\"dimensions\":{\"\\u0000\":1}}", "dimensions has a name that is not UTF-8, or has a NUL"},
		{GRANT ",\"metadata\":3}", "metadata is not a map"},
		{"{" REQUIRED ",\"type\":\"grant\",\"amount\":1,\"grantType\":\"OVERDRAFT\"}",
			"grantType is neither PROMOTIONAL nor PAID"},
		{"{" REQUIRED ",\"type\":\"grant\",\"amount\":1,\"grantType\":\"paid\"}",
			"grantType is neither PROMOTIONAL nor PAID"},
		{GRANT ",\"grantId\":\"a/b\"}", "grantId contains a slash"},
		{GRANT ",\"grantId\":\"\"}", "grantId is not 1-255 printable characters"},
		{GRANT ",\"priority\":1.5}", "priority is not a 32-bit integer"},
		{GRANT ",\"priority\":2147483648}", "priority is not a 32-bit integer"},
		{GRANT ",\"priority\":-2147483649}", "priority is not a 32-bit integer"},
		{GRANT ",\"priority\":\"1\"}", "priority is not a 32-bit integer"},
		{GRANT ",\"effectiveAt\":\"2026-02-30T00:00:00Z\"}",
			"effectiveAt is not a time of RFC 3339 with a zone"},
		{GRANT ",\"expireAt\":\"0000-01-01T00:00:00Z\"}", "expireAt is not a time of RFC 3339 with a zone"},
		{GRANT ",\"cost\":[{\"amount\":1}]}", "cost is not an object"},
		{GRANT ",\"cost\":5}", "cost is not an object"},
		{GRANT ",\"cost\":{\"amount\":-1,\"currency\":\"EUR\"}}", "cost.amount is below 0"},
		{GRANT ",\"cost\":{\"amount\":1,\"currency\":\"\"}}", "cost.currency is not 1-32 printable characters"},
		{GRANT ",\"cost\":{\"amount\":[1],\"currency\":\"EUR\"}}", "cost.amount is not a number"},
		{GRANT ",\"awaitPaymentConfirmation\":1}", "awaitPaymentConfirmation is not a boolean"},
		{GRANT ",\"comment\":\"a\\u0000b\"}", "comment is not UTF-8, or has a NUL"},
		{GRANT ",\"displayName\":7}", "displayName is not a string"},
		{"{\"type\":7}", "type is not a string"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_defect(text_of(cases[i].json), "invalid_field", cases[i].text);
}

static void kinds_are_told_apart(void **state)
{
	(void)state;
	static const char *const unknown[] = {"Grant", "", "confirm_payment", "consume\\u0000", "refund"};
	for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
		assert_defect(arena_format(&arena, "{" REQUIRED ",\"amount\":1,\"type\":\"%s\"}", unknown[i]),
			"unknown_type",
			"type is none of consume, grant, void, confirm-payment, reverse, configure, reserve, settle, "
			"extend, release, advance");
	assert_int_equal(decode(TEXT_LITERAL(CONSUME ",\"type\":\"consume\"}")).kind, EVENT_CONSUME);
	assert_int_equal(decode(TEXT_LITERAL(CONSUME ",\"type\":null}")).kind, EVENT_CONSUME);
}

static void what_is_no_json_object_is_a_defect(void **state)
{
	(void)state;
	struct event event;
	struct defect defect;
	static const char *const cases[] = {
		"[]",
		"1",
		"\"a\"",
		"null",
		"true",
		" ",
		"{",
		"}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{a:1}",
		"{'a':1}",
		"{} {}",
		"{}x",
		"{}\"",
		"{}\"a",
		"{} tru",
		"{} -",
		"{}\v",
		"\f{}",
		"{\"a\":\v1}",
		"{\"a\":01}",
		"{\"a\":+1}",
		"{\"a\":NaN}",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\n\"}",
		"// c\n{}",
		"\xef\xbb\xbf{}",
		"{\"a\":\"\\ud800\"}",
		"{\"a\":\"\\udc00\"}",
		"{\"a\":\"\\ud800\\ud800\"}",
		"{\"a\":\"\\ud800\\n\"}",
		"{\"a\":\"\xff\"}",
		"{\"a\":\"\xed\xa0\x80\"}",
		"{\"a\":\"\xc0\xaf\"}",
		"\xc3",
		"\xc3\x02",
		"hello",
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_false(decode_event(decoder, &arena, text_of(cases[i]), &event, &defect));
		assert_string_equal(defect.reason, "malformed_json");
	}
	assert_defect(TEXT_LITERAL("{\"a\":\"\0\"}"), "malformed_json", "the value is not UTF-8, or has a NUL");
	assert_defect(TEXT_LITERAL("[]"), "malformed_json", "the value is not a JSON object");
	assert_defect(TEXT_LITERAL(CONSUME ",\"amount\":1.5}"), "malformed_json", "amount is given twice");
	assert_defect(TEXT_LITERAL(CONSUME ",\"am\\u006funt\":2}"), "malformed_json", "amount is given twice");
	assert_defect(TEXT_LITERAL(GRANT ",\"cost\":{\"amount\":1,\"amount\":1}}"), "malformed_json",
		"cost.amount is given twice");
}

static void an_empty_or_foreign_value_is_a_defect(void **state)
{
	(void)state;
	assert_defect(TEXT_NULL, "empty", "the record has no value");
	assert_defect(TEXT_LITERAL(""), "empty", "the record has no value");
	assert_defect(TEXT_LITERAL("\0\0\0\0\1abc"), "unknown_schema", "no schema has the id 1");
}

static void escapes_are_resolved(void **state)
{
	(void)state;
	struct event event = decode(
		TEXT_LITERAL("{\"customer\\u0049d\":\"ac\\u006de\",\"currencyId\":\"ai\",\"amount\":1,"
			     "\"idempotencyKey\":\"\\\"\\\\\\/"
			     "\\ud83d\\ude80\\u00e9\",\"dimensions\":{\"\\t\":\"\\b\\f\\n\\r\\u001f\\u0041\"}}"));
	assert_text(event.customer_id, "acme");
	assert_text(event.idempotency_key, "\"\\/\xf0\x9f\x9a\x80\xc3\xa9");
	assert_text(event.dimensions, "{\"\\t\":\"\\b\\f\\n\\r\\u001fA\"}");
}

static void assert_same_content(const char *a, const char *b)
{
	struct event first = decode(text_of(a)), second = decode(text_of(b));
	if (!hash128_equal(first.fingerprint, second.fingerprint))
		print_error("%s and %s differ\n", a, b);
	assert_true(hash128_equal(first.fingerprint, second.fingerprint));
}

static void other_spellings_are_the_same_content(void **state)
{
	(void)state;
	assert_same_content(CONSUME "}",
		CONSUME ",\"type\":\"consume\",\"resourceId\":null,\"createdAt\":\"2026-01-02T03:04:05Z\","
			"\"dimensions\":{},\"unknown\":{\"a\":[1,2,{}]}}");
	assert_same_content(CONSUME "}", "{\"amount\":\"15.00e-1\"," REQUIRED "}");
	assert_same_content(CONSUME ",\"dimensions\":{\"b\":1.50,\"a\":\"\\u0041\"}}",
		CONSUME ", \"dimensions\" : { \"a\" : \"A\", \"b\" : 15e-1 } }");
	assert_same_content(GRANT "}", GRANT ",\"awaitPaymentConfirmation\":false,\"comment\":\"c\",\"displayName\":"
					     "\"d\",\"metadata\":{\"a\":1},\"priority\":0}");
	assert_same_content(GRANT ",\"expireAt\":\"2026-01-02T00:00:00Z\"}",
		GRANT ",\"expireAt\":\"2026-01-02T01:00:00.000+01:00\"}");
}

static void assert_dimensions(const char *json, const char *expected)
{
	struct event event = decode(arena_format(&arena, CONSUME ",\"dimensions\":%s}", json));
	assert_text(event.dimensions, expected);
}

static void numbers_of_dimensions_have_one_form(void **state)
{
	(void)state;
	assert_dimensions("{\"a\":0}", "{\"a\":0}");
	assert_dimensions("{\"a\":-0.0e5}", "{\"a\":0}");
	assert_dimensions("{\"a\":100}", "{\"a\":100}");
	assert_dimensions("{\"a\":1e2}", "{\"a\":100}");
	assert_dimensions("{\"a\":1.50}", "{\"a\":1.5}");
	assert_dimensions("{\"a\":-0.0015e3}", "{\"a\":-1.5}");
	assert_dimensions("{\"a\":1234.5}", "{\"a\":1234.5}");
	assert_dimensions("{\"a\":0.001}", "{\"a\":0.001}");
	assert_dimensions("{\"a\":1e40}", "{\"a\":10000000000000000000000000000000000000000}");
	assert_dimensions("{\"a\":1e41}", "{\"a\":1e41}");
	assert_dimensions("{\"a\":12.5e100}", "{\"a\":1.25e101}");
	assert_dimensions("{\"a\":1e-20}", "{\"a\":0.00000000000000000001}");
	assert_dimensions("{\"a\":1e-21}", "{\"a\":1e-21}");
	assert_dimensions("{\"a\":-125e-300}", "{\"a\":-1.25e-298}");
	assert_dimensions("{\"a\":9007199254740993}", "{\"a\":9007199254740993}");
	assert_dimensions("{\"a\":true,\"b\":false,\"\":\"\"}", "{\"\":\"\",\"a\":true,\"b\":false}");
	assert_dimensions("{}", NULL);
	assert_dimensions("null", NULL);
}

static void lengths_are_bounded(void **state)
{
	(void)state;
	assert_int_equal(
		decode(repeated("{\"currencyId\":\"b\",\"idempotencyKey\":\"k\",\"amount\":1,\"customerId\":\"", 'a',
			       255, "\"}"))
			.customer_id.size,
		255);
	assert_defect(repeated("{\"customerId\":\"", 'a', 256, "\"}"), "invalid_field", CUSTOMER_DEFECT);
	assert_defect(repeated("{\"customerId\":\"", 'a', 10000, "\"}"), "invalid_field", CUSTOMER_DEFECT);
	(void)decode(repeated(
		"{\"currencyId\":\"b\",\"customerId\":\"a\",\"amount\":1,\"idempotencyKey\":\"", 'k', 255, "\"}"));
	assert_defect(repeated("{\"currencyId\":\"b\",\"customerId\":\"a\",\"amount\":1,\"idempotencyKey\":\"", 'k',
			      256, "\"}"),
		"invalid_field", "idempotencyKey is not 1-255 printable characters");
	(void)decode(repeated(GRANT ",\"comment\":\"", 'c', 4096, "\"}"));
	assert_defect(
		repeated(GRANT ",\"comment\":\"", 'c', 4097, "\"}"), "too_large", "comment is longer than 4096 bytes");
	assert_defect(repeated(CONSUME ",\"dimensions\":{\"a\":\"", 'd', 8192, "\"}}"), "too_large",
		"dimensions takes more than 8192 bytes");
	assert_defect(repeated(CONSUME ",\"dimensions\":{\"a\":", '1', 10000, "}}"), "invalid_field", VALUE_DEFECT);
	assert_defect(
		repeated("{" REQUIRED ",\"amount\":", '1', 10000, "}"), "invalid_field", "amount is out of range");
	assert_defect(repeated("{" REQUIRED ",\"amount\":0.", '1', 10000, "}"), "invalid_field",
		"amount has more than 12 fractional digits");
	assert_defect(
		repeated("{", ' ', DECODE_VALUE_SIZE_MAX, "}"), "too_large", "the value takes more than 262144 bytes");
	assert_defect(repeated("{", ' ', DECODE_VALUE_SIZE_MAX - 2, "}"), "missing_field", "customerId is missing");
}

static void characters_are_counted_not_bytes(void **state)
{
	(void)state;
	struct text key = {arena_alloc(&arena, 4 * 256), 0};
	for (size_t i = 0; i < 256; i++)
		memcpy((char *)(uintptr_t)key.data + 4 * i, "\xf0\x9f\x9a\x80", 4);
#define KEY_FORMAT "{\"currencyId\":\"b\",\"customerId\":\"a\",\"amount\":1,\"idempotencyKey\":\"%.*s\"}"
	assert_int_equal(decode(arena_format(&arena, KEY_FORMAT, 4 * 255, key.data)).idempotency_key.size, 4 * 255);
	assert_defect(arena_format(&arena, KEY_FORMAT, 4 * 256, key.data), "invalid_field",
		"idempotencyKey is not 1-255 printable characters");
}

static struct text with_dimensions(size_t count)
{
	char *text = arena_alloc(&arena, 200 + 20 * count);
	size_t size = (size_t)snprintf(text, 200, CONSUME ",\"dimensions\":{");
	for (size_t i = count; i > 0; i--) /* backwards, so that they must be sorted */
		size += (size_t)snprintf(text + size, 20, "\"d%05zu\":%zu%s", i, i, i > 1 ? "," : "");
	size += (size_t)snprintf(text + size, 3, "}}");
	return (struct text){text, size};
}

static void the_number_of_dimensions_is_bounded(void **state)
{
	(void)state;
	struct event event = decode(with_dimensions(100));
	assert_memory_equal(event.dimensions.data, "{\"d00001\":1,\"d00002\":2,", 23);
	assert_defect(with_dimensions(101), "too_large", "dimensions has more than 100 members");
	assert_defect(with_dimensions(10000), "too_large", "dimensions has more than 100 members");
}

static void depth_is_bounded_also_where_nobody_looks(void **state)
{
	(void)state;
	(void)decode(TEXT_LITERAL(CONSUME ",\"x\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}"));
	assert_defect(TEXT_LITERAL(CONSUME ",\"x\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}"), "malformed_json",
		"the value is nested deeper than 16");
	assert_defect(repeated("", '[', 100000, ""), "malformed_json", "the value is not a JSON object");
	assert_defect(repeated("{\"a\":", '[', 100000, ""), "malformed_json", "the value is nested deeper than 16");
}

static void unknown_fields_of_every_shape_are_passed_over(void **state)
{
	(void)state;
	struct event event = decode(TEXT_LITERAL(
		"{\"x\":{\"customerId\":\"evil\",\"amount\":7,\"dimensions\":{\"a\":null}},\"y\":[{\"amount\":1},"
		"\"\\u0041\",1e999],"
		"\"dimensionsX\":{\"a\":null},\"z\":null," REQUIRED ",\"amount\":1.5,\"x\":1,\"customerid\":{}}"));
	assert_text(event.customer_id, "acme");
	assert_true(event.amount == CREDIT_ONE * 3 / 2);
	assert_text(event.dimensions, NULL);
}

#define RICH                                                                                    \
	GRANT ",\"resourceId\":\"pool\",\"cost\":{\"amount\":1.5,\"currency\":\"\\u20ac\"},"    \
	      "\"metadata\":{\"a\":\"\\ud83d\\ude80\",\"b\":1.5e3,\"c\":true},\"priority\":-3," \
	      "\"expireAt\":\"2026-01-02T03:04:05.678Z\",\"x\":[null,{\"y\":\"\xc3\xa9\"}],\"comment\":\"\\\"\\\\\"}"

#define RICH_CONFIGURE                                                                                           \
	"{" REQUIRED ",\"type\":\"configure\",\"thresholds\":[{\"amount\":\"100\",\"x\":[{}],\"hysteresis\":5}," \
	"{\"percent\":20}],\"overLimit\":\"c\\u0061p\",\"overdraftLimit\":1e1}"

static const struct text riches[] = {{RICH, sizeof RICH - 1}, {RICH_CONFIGURE, sizeof RICH_CONFIGURE - 1}};

/* In memory of exactly its size. */
static bool decode_exact(const char *data, size_t size, struct defect *ret_defect)
{
	char *exact = malloc(size ? size : 1);
	assert_non_null(exact);
	memcpy(exact, data, size);
	struct event event;
	struct text json;
	struct defect ignored;
	bool ok = decode_event(decoder, &arena, (struct text){exact, size}, &event, ret_defect);
	(void)decode_to_json(decoder, &arena, (struct text){exact, size}, &json, &ignored);
	free(exact);
	return ok;
}

static void a_value_cut_off_anywhere_is_a_defect(void **state)
{
	(void)state;
	struct defect defect;
	for (size_t i = 0; i < sizeof riches / sizeof riches[0]; i++) {
		assert_true(decode_exact(riches[i].data, riches[i].size, &defect));
		for (size_t size = 0; size < riches[i].size; size++) {
			assert_false(decode_exact(riches[i].data, size, &defect));
			assert_string_equal(defect.reason, size ? "malformed_json" : "empty");
		}
	}
}

static void mutated_values_do_no_harm(void **state)
{
	(void)state;
	struct seed seed = seed_new(__func__);
	static const char spice[] = "{}[]\",:\\u0dD\0\x80\xff\xed\xa0 1e.-tfn/";
	for (int round = 0; round < 50000; round++) {
		const struct text rich = riches[seed_below(&seed, 2)];
		char bytes[1024];
		memcpy(bytes, rich.data, rich.size);
		for (uint64_t changes = 1 + seed_below(&seed, 4); changes > 0; changes--)
			bytes[seed_below(&seed, rich.size)] =
				seed_below(&seed, 2) ? spice[seed_below(&seed, sizeof spice)] : (char)seed_next(&seed);
		struct defect defect = {NULL, ""};
		if (!decode_exact(bytes, rich.size - seed_below(&seed, 2) * seed_below(&seed, rich.size), &defect))
			assert_true(defect.reason && defect.text[0]);
		arena_reset(&arena);
	}
}

static void any_json_is_printed_as_one_line(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		const char *line;
	} cases[] = {
		{" { \"a\" : [ 1 , 2.50, -1e400 , \"x\\ny\\u0041\" , true , false, null , { } , [ ] ] "
		 ",\n\"b\":{\"c\":\"{\"},\"d\":\"[\" } ",
			"{\"a\":[1,2.50,-1e400,\"x\\nyA\",true,false,null,{},[]],\"b\":{\"c\":\"{\"},\"d\":\"[\"}"},
		{"[]", "[]"},
		{"12", "12"},
		{"\"\\ud83d\\ude80\"", "\"\xf0\x9f\x9a\x80\""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct text line;
		struct defect defect;
		assert_true(decode_to_json(decoder, &arena, text_of(cases[i].json), &line, &defect));
		assert_text(line, cases[i].line);
	}
	struct text line;
	struct defect defect;
	assert_false(decode_to_json(decoder, &arena, TEXT_LITERAL("{\"a\":"), &line, &defect));
	assert_string_equal(defect.reason, "malformed_json");
	assert_false(
		decode_to_json(decoder, &arena, TEXT_LITERAL("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]"), &line, &defect));
	assert_string_equal(defect.text, "the value is nested deeper than 16");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_usage_event_is_read),
		cmocka_unit_test(a_grant_is_read_with_all_its_terms),
		cmocka_unit_test(what_a_grant_leaves_out_has_its_default),
		cmocka_unit_test(a_void_names_its_grant),
		cmocka_unit_test(a_void_may_name_a_derived_grant),
		cmocka_unit_test(each_required_field_is_missed),
		cmocka_unit_test(each_invalid_field_is_named),
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(what_is_no_json_object_is_a_defect),
		cmocka_unit_test(an_empty_or_foreign_value_is_a_defect),
		cmocka_unit_test(escapes_are_resolved),
		cmocka_unit_test(other_spellings_are_the_same_content),
		cmocka_unit_test(numbers_of_dimensions_have_one_form),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(characters_are_counted_not_bytes),
		cmocka_unit_test(the_number_of_dimensions_is_bounded),
		cmocka_unit_test(depth_is_bounded_also_where_nobody_looks),
		cmocka_unit_test(unknown_fields_of_every_shape_are_passed_over),
		cmocka_unit_test(a_value_cut_off_anywhere_is_a_defect),
		cmocka_unit_test(mutated_values_do_no_harm),
		cmocka_unit_test(any_json_is_printed_as_one_line),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
