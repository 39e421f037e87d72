/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: records of other writers are read by the names of their fields; a field that cannot be what its name says is
 * refused when the schema is compiled; what nobody looks at is bounded all the same.
 * Method: schemas of our own making are compiled and run on bytes put together by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* outcome.h has one too */

#include "../../worker/core/avro_plan.h"
#include "../../worker/core/avro_write.h"
#include "decode_fixture.h"
#include "drawdown/decode.h"

#define DECIMAL(scale) "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":20,\"scale\":" #scale "}"

#define THRESHOLD(field) "{\"type\":\"record\",\"name\":\"T\",\"fields\":[{\"name\":" field "}]}"
#define ARRAY_OF(items) "{\"type\":\"array\",\"items\":" items "}"

static const struct plan *compile(const char *fields, struct schema_error *reterr)
{
	struct text json =
		arena_format(&arena, "{\"type\":\"record\",\"name\":\"drawdown.Consume\",\"fields\":[%s]}", fields);
	const struct schema *schema = schema_parse(json, &arena, reterr);
	assert_non_null(schema);
	return plan_compile(schema, &arena, reterr);
}

static bool run_as(enum event_kind kind, const struct plan *plan, struct text bytes, struct event *ret_event,
	struct defect *ret_defect)
{
	static struct fields fields;
	return plan_run(plan, bytes, &fields, ret_defect) &&
	       event_of_fields(&fields, kind, &arena, ret_event, ret_defect);
}

static bool run(const struct plan *plan, struct text bytes, struct event *ret_event, struct defect *ret_defect)
{
	return run_as(EVENT_CONSUME, plan, bytes, ret_event, ret_defect);
}

static void fields_of_another_writer_are_matched_by_name(void **state)
{
	(void)state;
	struct schema_error error;
	const struct plan *plan = compile(
		"{\"name\":\"amount\",\"type\":[" DECIMAL(
			2) ",\"null\"]},"
			   "{\"name\":\"extra\",\"type\":{\"type\":\"record\",\"name\":\"Node\",\"fields\":["
			   "{\"name\":\"amount\",\"type\":\"double\"},{\"name\":\"next\",\"type\":[\"null\",\"Node\"]},"
			   "{\"name\":\"list\",\"type\":{\"type\":\"array\",\"items\":\"float\"}},"
			   "{\"name\":\"hash\",\"type\":{\"type\":\"fixed\",\"name\":\"Hash\",\"size\":3}}]}},"
			   "{\"name\":\"createdAt\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}},"
			   "{\"name\":\"idempotencyKey\",\"type\":\"string\"},{\"name\":\"currencyId\",\"type\":"
			   "\"string\"},"
			   "{\"name\":\"resourceId\",\"type\":[\"string\",\"null\"]},{\"name\":\"customerId\",\"type\":"
			   "\"string\"},"
			   "{\"name\":\"type\",\"type\":\"string\"}",
		&error);
	assert_non_null(plan);
	struct buffer buffer;
	buffer_init(&buffer, &arena);
	avro_put_long(&buffer, 0);
	buffer_put_text(&buffer, TEXT_LITERAL("\x04\x00\x96")); /* 1.50 */
	for (int i = 0; i < 3; i++) {
		avro_put_double(&buffer, 7.0);
		avro_put_long(&buffer, i < 2);
	}
	for (int i = 0; i < 3; i++) {
		avro_put_long(&buffer, 1);
		buffer_put_text(&buffer, TEXT_LITERAL("\0\0\0\0"));
		avro_put_long(&buffer, 0);
		buffer_put_text(&buffer, TEXT_LITERAL("abc"));
	}
	avro_put_long(&buffer, 1767323045678);
	avro_put_string(&buffer, TEXT_LITERAL("req-1"));
	avro_put_string(&buffer, TEXT_LITERAL("ai-tokens"));
	avro_put_long(&buffer, 1);
	avro_put_string(&buffer, TEXT_LITERAL("acme"));
	avro_put_string(&buffer, TEXT_LITERAL("grant"));
	struct event event, other;
	struct defect defect;
	assert_true(run(plan, buffer_finish(&buffer), &event, &defect));
	assert_true(event.amount == CREDIT_ONE * 3 / 2);
	assert_true(event.created_at == 1767323045678000);
	assert_null(event.resource_id.data);
	assert_true(decode_event(decoder, &arena,
		TEXT_LITERAL("{\"customerId\":\"acme\",\"currencyId\":\"ai-tokens\",\"amount\":1.5,"
			     "\"idempotencyKey\":\"req-1\"}"),
		&other, &defect));
	assert_true(hash128_equal(event.fingerprint, other.fingerprint));
}

#define IDS                                                                                            \
	"{\"name\":\"customerId\",\"type\":\"string\"},{\"name\":\"currencyId\",\"type\":\"string\"}," \
	"{\"name\":\"idempotencyKey\",\"type\":\"string\"},"

static void put_ids(struct buffer *buffer)
{
	buffer_init(buffer, &arena);
	avro_put_string(buffer, TEXT_LITERAL("acme"));
	avro_put_string(buffer, TEXT_LITERAL("ai-tokens"));
	avro_put_string(buffer, TEXT_LITERAL("conf-1"));
}

static void thresholds_of_another_writer_are_read(void **state)
{
	(void)state;
	struct schema_error error;
	const struct plan *plan =
		compile(IDS "{\"name\":\"thresholds\",\"type\":[" ARRAY_OF(
				"[\"null\",{\"type\":\"record\",\"name\":\"T\",\"fields\":["
				"{\"name\":\"percent\",\"type\":\"long\"},"
				"{\"name\":\"thresholds\",\"type\":[\"null\"," ARRAY_OF(
					"\"T\"") "]},"
						 "{\"name\":\"more\",\"type\":[\"null\",\"T\"]}]}]") ",\"null\"]}",
			&error);
	assert_non_null(plan);
	struct buffer buffer;
	struct event event;
	struct defect defect;
	put_ids(&buffer);
	avro_put_long(&buffer, 0); /* the array */
	for (int64_t percent = 20; percent <= 30; percent += 10) {
		avro_put_long(&buffer, 1);
		avro_put_long(&buffer, 1); /* T */
		avro_put_long(&buffer, percent);
		avro_put_null(&buffer);
		avro_put_long(&buffer, 1); /* more: nobody looks at it */
		avro_put_long(&buffer, 99);
		avro_put_null(&buffer);
		avro_put_null(&buffer);
	}
	avro_put_long(&buffer, 0);
	assert_true(run_as(EVENT_CONFIGURE, plan, buffer_finish(&buffer), &event, &defect));
	assert_int_equal(event.settings->thresholds.count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct threshold *threshold = &event.settings->thresholds.items[i];
		assert_true(threshold->is_percent && threshold->amount == 0);
		assert_int_equal(threshold->percent, 20 + 10 * i);
		assert_int_equal(threshold->hysteresis, THRESHOLD_HYSTERESIS_DEFAULT);
	}
	put_ids(&buffer);
	buffer_put_text(&buffer, TEXT_LITERAL("\x00\x02\x00\x00")); /* an item that is null */
	assert_false(run_as(EVENT_CONFIGURE, plan, buffer_finish(&buffer), &event, &defect));
	assert_string_equal(defect.text, "thresholds has an item that is not an object");
	assert_string_equal(defect.reason, "invalid_field");
}

static void an_item_has_nothing_of_the_one_before_it(void **state)
{
	(void)state;
	struct schema_error error;
	const struct plan *plan = compile(IDS
		"{\"name\":\"thresholds\",\"type\":" ARRAY_OF("[" THRESHOLD(
			"\"percent\",\"type\":\"int\"") ",{\"type\":\"record\",\"name\":\"U\",\"fields\":["
							"{\"name\":\"amount\",\"type\":" DECIMAL(12) "}]}]") "}",
		&error);
	struct buffer buffer;
	struct event event;
	struct defect defect;
	put_ids(&buffer);
	avro_put_long(&buffer, 3);
	avro_put_long(&buffer, 0);
	avro_put_long(&buffer, 20);
	avro_put_long(&buffer, 1);
	avro_put_credit(&buffer, CREDIT_ONE);
	avro_put_long(&buffer, 0);
	avro_put_long(&buffer, 30);
	avro_put_long(&buffer, 0);
	assert_true(run_as(EVENT_CONFIGURE, plan, buffer_finish(&buffer), &event, &defect));
	assert_int_equal(event.settings->thresholds.count, 3);
	assert_true(event.settings->thresholds.items[1].amount == CREDIT_ONE);
	assert_int_equal(event.settings->thresholds.items[2].percent, 30);
}

static void the_number_of_thresholds_is_bounded(void **state)
{
	(void)state;
	struct schema_error error;
	const struct plan *plan = compile(IDS
		"{\"name\":\"thresholds\",\"type\":" ARRAY_OF(THRESHOLD("\"percent\",\"type\":\"int\"")) "}",
		&error);
	static const struct {
		int64_t count;
		const char *reason;
		const char *text;
	} cases[] = {
		{THRESHOLDS_MAX, NULL, NULL},
		{THRESHOLDS_MAX + 1, "invalid_field", "thresholds has more than 16 items"},
		{100000, "invalid_field", "thresholds has more than 16 items"},
		{1000000, "malformed_avro", "thresholds has too many items"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buffer buffer;
		struct event event;
		struct defect defect;
		put_ids(&buffer);
		avro_put_long(&buffer, cases[i].count);
		for (int64_t percent = 1; percent <= cases[i].count; percent++)
			avro_put_long(&buffer, percent);
		avro_put_long(&buffer, 0);
		assert_int_equal(
			run_as(EVENT_CONFIGURE, plan, buffer_finish(&buffer), &event, &defect), !cases[i].reason);
		if (cases[i].reason) {
			assert_string_equal(defect.text, cases[i].text);
			assert_string_equal(defect.reason, cases[i].reason);
		}
	}
}

static void a_field_that_cannot_be_what_it_says_is_refused_once(void **state)
{
	(void)state;
	static const struct {
		const char *field;
		const char *type;
	} cases[] = {
		{"amount", "\"double\""},
		{"amount", "\"bytes\""},
		{"amount", DECIMAL(13)},
		{"customerId", "\"bytes\""},
		{"customerId", "[\"null\",\"long\"]"},
		{"createdAt", "\"long\""},
		{"createdAt", "\"string\""},
		{"dimensions", "{\"type\":\"map\",\"values\":\"bytes\"}"},
		{"dimensions", "{\"type\":\"map\",\"values\":{\"type\":\"map\",\"values\":\"string\"}}"},
		{"priority", "\"string\""},
		{"cost", "\"string\""},
		{"ttlSeconds", "\"double\""},
		{"expiresAt", "\"string\""},
		{"dueAt", "\"long\""},
		{"overdraftLimit", "\"long\""},
		{"awaitPaymentConfirmation", "\"int\""},
		{"reservationId", "\"bytes\""},
		{"reversedKey", "\"long\""},
		{"overLimit", "\"int\""},
		{"thresholds", "\"string\""},
		{"thresholds", "{\"type\":\"map\",\"values\":" THRESHOLD("\"amount\",\"type\":" DECIMAL(2)) "}"},
		{"thresholds", "{\"type\":\"array\",\"items\":\"long\"}"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct schema_error error;
		struct text field =
			arena_format(&arena, "{\"name\":\"%s\",\"type\":%s}", cases[i].field, cases[i].type);
		assert_null(compile(arena_format(&arena, "%.*s%c", TEXT_ARGS(field), '\0').data, &error));
		assert_string_equal(error.text,
			arena_format(&arena, "%s has a type that it cannot have%c", cases[i].field, '\0').data);
	}
	static const char *const parts[][2] = {
		{"thresholds.amount", ARRAY_OF(THRESHOLD("\"amount\",\"type\":\"double\""))},
		{"thresholds.amount", ARRAY_OF(THRESHOLD("\"amount\",\"type\":" DECIMAL(13)))},
		{"thresholds.percent", ARRAY_OF(THRESHOLD("\"percent\",\"type\":\"float\""))},
		{"thresholds.hysteresis", ARRAY_OF(THRESHOLD("\"hysteresis\",\"type\":\"string\""))},
	};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		struct schema_error error;
		assert_null(
			compile(arena_format(&arena, "{\"name\":\"thresholds\",\"type\":%s}%c", parts[i][1], '\0').data,
				&error));
		assert_string_equal(error.text,
			arena_format(&arena, "%s has a type that it cannot have%c", parts[i][0], '\0').data);
	}
}

static void items_that_take_no_bytes_are_bounded(void **state)
{
	(void)state;
	struct schema_error error;
	const struct plan *plan = compile("{\"name\":\"x\",\"type\":{\"type\":\"array\",\"items\":\"null\"}}", &error);
	struct event event;
	struct defect defect;
	static const int64_t counts[] = {1000000000, 20000000, -20000000, INT64_MIN};
	for (size_t i = 0; i < 4; i++) {
		struct buffer buffer;
		buffer_init(&buffer, &arena);
		avro_put_long(&buffer, counts[i]);
		if (counts[i] < 0)
			avro_put_long(&buffer, 0);
		avro_put_long(&buffer, 0);
		assert_false(run(plan, buffer_finish(&buffer), &event, &defect));
		assert_string_equal(defect.text, "x has too many items");
	}
	/* many blocks that are each small enough */
	struct buffer buffer;
	buffer_init(&buffer, &arena);
	for (int i = 0; i < 100; i++)
		avro_put_long(&buffer, 200000);
	avro_put_long(&buffer, 0);
	assert_false(run(plan, buffer_finish(&buffer), &event, &defect));
	assert_string_equal(defect.text, "x has too many items");
}

static void records_within_records_are_bounded(void **state)
{
	(void)state;
	struct schema_error error;
	const struct plan *plan = compile("{\"name\":\"x\",\"type\":{\"type\":\"record\",\"name\":\"Node\",\"fields\":["
					  "{\"name\":\"next\",\"type\":[\"null\",\"Node\"]}]}}",
		&error);
	char bytes[100000];
	memset(bytes, 2, sizeof bytes);
	struct event event;
	struct defect defect;
	assert_false(run(plan, (struct text){bytes, sizeof bytes}, &event, &defect));
	assert_string_equal(defect.text, "next is nested too deep");
	bytes[50] = 0;
	assert_false(run(plan, (struct text){bytes, 51}, &event, &defect));
	assert_string_equal(defect.reason, "missing_field");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_of_another_writer_are_matched_by_name),
		cmocka_unit_test(thresholds_of_another_writer_are_read),
		cmocka_unit_test(an_item_has_nothing_of_the_one_before_it),
		cmocka_unit_test(the_number_of_thresholds_is_bounded),
		cmocka_unit_test(a_field_that_cannot_be_what_it_says_is_refused_once),
		cmocka_unit_test(items_that_take_no_bytes_are_bounded),
		cmocka_unit_test(records_within_records_are_bounded),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
