/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: records of other writers are read by the names and aliases of their fields; a field that cannot be what its
 * name says is refused when the schema is compiled, with the reason; what nobody looks at is bounded all the same.
 * Method: schemas of our own making are compiled against those of proto/ and run on bytes put together by hand. What
 * another implementation writes: test_golden_writers.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* outcome.h has one too */

#include "../../worker/core/avro_plan.h"
#include "../../worker/core/avro_write.h"
#include "avro_files.h"
#include "decode_fixture.h"
#include "drawdown/decode.h"

#define DECIMAL(scale) "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":20,\"scale\":" #scale "}"

#define THRESHOLD(field) "{\"type\":\"record\",\"name\":\"T\",\"fields\":[{\"name\":" field "}]}"
#define ARRAY_OF(items) "{\"type\":\"array\",\"items\":" items "}"
#define FIELD(name, type) "{\"name\":\"" name "\",\"type\":" type "}"
#define IDS                               \
	FIELD("customerId", "\"string\"") \
	"," FIELD("currencyId", "\"string\"") "," FIELD("idempotencyKey", "\"string\"")
#define AMOUNT FIELD("amount", DECIMAL(12))

static const struct schema *parse(struct text json)
{
	struct schema_error error = {""};
	const struct schema *schema = schema_parse(json, &arena, &error);
	if (!schema)
		print_error("%s\n", error.text);
	assert_non_null(schema);
	return schema;
}

static const struct schema *reader_of(const char *name)
{
	for (size_t i = 0; i < avro_files_count; i++)
		if (strcmp(avro_files[i].name, name) == 0)
			return parse((struct text){avro_files[i].text, avro_files[i].size});
	print_error("no schema %s\n", name);
	abort();
}

static const struct plan *compile_as(const char *kind, const char *fields, struct schema_error *reterr)
{
	struct text json = arena_format(&arena, "{\"type\":\"record\",\"name\":\"W\",\"fields\":[%s]}", fields);
	reterr->text[0] = '\0';
	return plan_compile(parse(json), reader_of(kind), &arena, reterr);
}

static const struct plan *compile(const char *fields)
{
	struct schema_error error;
	const struct plan *plan = compile_as("Consume", fields, &error);
	if (!plan)
		print_error("%s\n", error.text);
	assert_non_null(plan);
	return plan;
}

static const struct plan *compile_configure(const char *fields)
{
	struct schema_error error;
	const struct plan *plan = compile_as("Configure", fields, &error);
	assert_non_null(plan);
	return plan;
}

static bool run_as(enum event_kind kind, const struct plan *plan, struct text bytes, struct event *ret_event,
	struct defect *ret_defect)
{
	static struct fields fields;
	memset(&fields, 0x5a, sizeof fields); /* what the plan does not set would be seen */
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
	const struct plan *plan = compile("{\"name\":\"amount\",\"type\":[" DECIMAL(
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
		   "{\"name\":\"type\",\"type\":\"string\"}");
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
	const struct plan *plan = compile_configure(IDS ",{\"name\":\"thresholds\",\"type\":[" ARRAY_OF(
		"[\"null\",{\"type\":\"record\",\"name\":\"T\",\"fields\":["
		"{\"name\":\"percent\",\"type\":\"long\"},"
		"{\"name\":\"thresholds\",\"type\":[\"null\"," ARRAY_OF(
			"\"T\"") "]},"
				 "{\"name\":\"more\",\"type\":[\"null\",\"T\"]}]}]") ",\"null\"]}");
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
	const struct plan *plan = compile_configure(IDS ",{\"name\":\"thresholds\",\"type\":" ARRAY_OF(
		"[" THRESHOLD("\"percent\",\"type\":\"int\"") ",{\"type\":\"record\",\"name\":\"U\",\"fields\":["
							      "{\"name\":\"amount\",\"type\":" DECIMAL(12) "}]}]") "}");
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
	const struct plan *plan = compile_configure(
		IDS ",{\"name\":\"thresholds\",\"type\":" ARRAY_OF(THRESHOLD("\"percent\",\"type\":\"int\"")) "}");
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

/* A schema of `kind` with all that is required, but for the field, which has this type. */
static void assert_refused(const char *kind, const char *field, const char *type, const char *why)
{
	static const char *const required[] = {"customerId", "currencyId", "idempotencyKey", "amount", "grantType",
		"grantId", "reservationId", "reversedKey", "dueAt"};
	struct schema_error error;
	struct text fields = arena_format(&arena, "{\"name\":\"%s\",\"type\":%s}", field, type);
	for (size_t i = 0; i < sizeof required / sizeof required[0]; i++) {
		bool is_amount = strcmp(required[i], "amount") == 0, is_time = strcmp(required[i], "dueAt") == 0;
		if (strcmp(required[i], field) != 0)
			fields = arena_format(&arena, "%.*s,{\"name\":\"%s\",\"type\":%s}", TEXT_ARGS(fields),
				required[i],
				is_amount ? DECIMAL(12)
				: is_time ? "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}"
					  : "\"string\"");
	}
	const struct plan *plan =
		compile_as(kind, arena_format(&arena, "%.*s%c", TEXT_ARGS(fields), '\0').data, &error);
	assert_string_equal(error.text, why);
	assert_null(plan);
}

#define NO_TEXT "; it can be a string, an enum or bytes"
#define NO_AMOUNT "; it can be a decimal of a scale up to 12, an int, a long or a string"
#define NO_TIME "; it can be a timestamp-millis, a timestamp-micros or a string"
#define NO_INTEGER "; it can be an int or a long"
#define NO_MEMBER "; it can be a map of strings, enums, bytes, booleans, ints, longs, floats or doubles"
#define LOGICAL(type, logical) "{\"type\":\"" type "\",\"logicalType\":\"" logical "\"}"

static void a_field_that_cannot_be_what_it_says_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *kind;
		const char *field;
		const char *type;
		const char *why;
	} cases[] = {
		{"Consume", "amount", "\"double\"", "amount has the type double, which is not exact" NO_AMOUNT},
		{"Consume", "amount", "[\"null\",\"float\"]",
			"amount has the type float, which is not exact" NO_AMOUNT},
		{"Consume", "amount", "\"bytes\"", "amount has the type bytes" NO_AMOUNT},
		{"Consume", "amount", "\"boolean\"", "amount has the type boolean" NO_AMOUNT},
		{"Consume", "amount", DECIMAL(13), "amount has the type bytes (decimal of a larger scale)" NO_AMOUNT},
		{"Consume", "amount", LOGICAL("long", "timestamp-millis"),
			"amount has the type long (timestamp-millis)" NO_AMOUNT},
		{"Consume", "amount", LOGICAL("long", "cents"),
			"amount has the type long of another logical type" NO_AMOUNT},
		{"Consume", "customerId", "\"long\"", "customerId has the type long" NO_TEXT},
		{"Consume", "customerId", DECIMAL(2), "customerId has the type bytes (decimal)" NO_TEXT},
		{"Consume", "customerId", "[\"null\",\"long\"]", "customerId has the type long" NO_TEXT},
		{"Consume", "resourceId", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":4}",
			"resourceId has the type fixed" NO_TEXT},
		{"Consume", "createdAt", "\"long\"", "createdAt has the type long, which has no unit" NO_TIME},
		{"Consume", "createdAt", LOGICAL("long", "timestamp-nanos"),
			"createdAt has the type long of another logical type" NO_TIME},
		{"Consume", "createdAt", LOGICAL("int", "date"),
			"createdAt has the type int of another logical type" NO_TIME},
		{"Consume", "dimensions", "\"string\"", "dimensions has the type string; it can be a map"},
		{"Consume", "dimensions", "{\"type\":\"map\",\"values\":{\"type\":\"map\",\"values\":\"string\"}}",
			"dimensions has the type map" NO_MEMBER},
		{"Consume", "dimensions", "{\"type\":\"map\",\"values\":[\"string\"," DECIMAL(2) "]}",
			"dimensions has the type bytes (decimal)" NO_MEMBER},
		{"Grant", "priority", "\"string\"", "priority has the type string" NO_INTEGER},
		{"Grant", "cost", "\"string\"", "cost has the type string; it can be a record"},
		{"Grant", "cost",
			"{\"type\":\"record\",\"name\":\"C\",\"fields\":[{\"name\":\"currency\",\"type\":\"string\"}]}",
			"the schema has no cost.amount, which is required"},
		{"Grant", "cost",
			"{\"type\":\"record\",\"name\":\"C\",\"fields\":[{\"name\":\"currency\",\"type\":\"string\"},"
			"{\"name\":\"amount\",\"type\":\"double\"}]}",
			"cost.amount has the type double, which is not exact" NO_AMOUNT},
		{"Grant", "awaitPaymentConfirmation", "\"int\"",
			"awaitPaymentConfirmation has the type int; it can be a boolean"},
		{"Grant", "grantType", "\"int\"", "grantType has the type int" NO_TEXT},
		{"Reserve", "ttlSeconds", "\"double\"", "ttlSeconds has the type double" NO_INTEGER},
		{"Reserve", "expiresAt", "\"long\"", "expiresAt has the type long, which has no unit" NO_TIME},
		{"Reserve", "reservationId", "\"long\"", "reservationId has the type long" NO_TEXT},
		{"Reverse", "reversedKey", "\"long\"", "reversedKey has the type long" NO_TEXT},
		{"Advance", "dueAt", "\"long\"", "dueAt has the type long, which has no unit" NO_TIME},
		{"Configure", "overdraftLimit", "\"double\"",
			"overdraftLimit has the type double, which is not exact" NO_AMOUNT},
		{"Configure", "overLimit", "\"int\"", "overLimit has the type int" NO_TEXT},
		{"Configure", "thresholds", "\"string\"",
			"thresholds has the type string; it can be an array of records"},
		{"Configure", "thresholds", ARRAY_OF("\"long\""),
			"thresholds has the type long; it can be an array of records"},
		{"Configure", "thresholds", ARRAY_OF(THRESHOLD("\"amount\",\"type\":\"double\"")),
			"thresholds.amount has the type double, which is not exact" NO_AMOUNT},
		{"Configure", "thresholds", ARRAY_OF(THRESHOLD("\"percent\",\"type\":\"float\"")),
			"thresholds.percent has the type float" NO_INTEGER},
		{"Configure", "thresholds", ARRAY_OF(THRESHOLD("\"hysteresis\",\"type\":\"string\"")),
			"thresholds.hysteresis has the type string" NO_INTEGER},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_refused(cases[i].kind, cases[i].field, cases[i].type, cases[i].why);
}

static void what_is_required_must_be_in_the_schema(void **state)
{
	(void)state;
	struct schema_error error;
	assert_null(compile_as("Consume", IDS, &error));
	assert_string_equal(error.text, "the schema has no amount, which is required");
	assert_null(compile_as("Void", IDS, &error));
	assert_string_equal(error.text, "the schema has no grantId, which is required");
	assert_null(compile_as("Consume", AMOUNT, &error));
	assert_string_equal(error.text, "the schema has no customerId, which is required");
	assert_null(plan_compile(parse(TEXT_LITERAL("\"string\"")), reader_of("Void"), &arena, &error));
	assert_string_equal(error.text, "the schema is no record");
}

/* The field is of no kind, or of another kind: it may be anything. */
static void a_field_of_another_kind_is_passed_over(void **state)
{
	(void)state;
	const struct plan *plan = compile(IDS "," AMOUNT "," FIELD("priority", "\"string\"") "," FIELD(
		"thresholds", "\"double\"") "," FIELD("type", "\"null\""));
	struct buffer buffer;
	struct event event;
	struct defect defect;
	put_ids(&buffer);
	avro_put_credit(&buffer, CREDIT_ONE);
	avro_put_string(&buffer, TEXT_LITERAL("high"));
	avro_put_double(&buffer, 0.5);
	assert_true(run(plan, buffer_finish(&buffer), &event, &defect));
	assert_true(event.amount == CREDIT_ONE);
}

#define ALIASED(name, alias, type) "{\"name\":\"" name "\",\"aliases\":[" alias "],\"type\":" type "}"

static void a_field_is_found_by_its_alias(void **state)
{
	(void)state;
	const struct plan *plan = compile(ALIASED("tenant", "\"account\",\"customerId\"", "\"string\"") "," FIELD(
		"currencyId", "\"string\"") "," FIELD("idempotencyKey", "\"string\"") "," ALIASED("units", "\"amount\"",
		"\"long\"") "," ALIASED("resourceId", "\"currencyId\"", "\"string\""));
	struct buffer buffer;
	struct event event;
	struct defect defect;
	put_ids(&buffer);
	avro_put_long(&buffer, 7);
	avro_put_string(&buffer, TEXT_LITERAL("pool"));
	assert_true(run(plan, buffer_finish(&buffer), &event, &defect));
	assert_true(text_equal(event.customer_id, TEXT_LITERAL("acme")));
	assert_true(text_equal(event.currency_id, TEXT_LITERAL("ai-tokens")));
	assert_true(text_equal(event.resource_id, TEXT_LITERAL("pool"))); /* its own name comes first */
	assert_true(event.amount == 7 * CREDIT_ONE);
	struct schema_error error;
	assert_null(
		compile_as("Consume", IDS "," AMOUNT "," ALIASED("tenant", "\"customerId\"", "\"string\""), &error));
	assert_string_equal(error.text, "two fields of the schema are customerId, by name or alias");
}

static void a_field_is_found_by_our_alias(void **state)
{
	(void)state;
	const struct schema *reader = parse(TEXT_LITERAL("{\"type\":\"record\",\"name\":\"R\",\"fields\":[" IDS
							 "," ALIASED("amount", "\"quantity\"", DECIMAL(12)) "]}"));
	const struct schema *writer = parse(TEXT_LITERAL("{\"type\":\"record\",\"name\":\"W\",\"fields\":[" IDS
							 "," ALIASED("quantity", "\"customerId\"", DECIMAL(12)) "]}"));
	struct schema_error error = {""};
	const struct plan *plan = plan_compile(writer, reader, &arena, &error);
	assert_non_null(plan);
	struct buffer buffer;
	struct fields fields;
	struct defect defect;
	put_ids(&buffer);
	avro_put_credit(&buffer, CREDIT_ONE);
	assert_true(plan_run(plan, buffer_finish(&buffer), &fields, &defect));
	assert_int_equal(fields.values[FIELD_AMOUNT].type, VALUE_CREDIT);
}

static void put_bytes_of(struct buffer *buffer, struct text bytes)
{
	put_ids(buffer);
	buffer_put_text(buffer, bytes);
}

/* Every type that an amount may have, exactly. */
static void amounts_are_exact_in_every_type(void **state)
{
	(void)state;
#define FIXED_DECIMAL(size, scale)                           \
	"{\"type\":\"fixed\",\"name\":\"F\",\"size\":" #size \
	",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":" #scale "}"
	static const struct {
		const char *type;
		struct text bytes;
		const char *expected; /* or what is said */
	} cases[] = {
		{DECIMAL(12), {"\x02\x01", 2}, "0.000000000001"},
		{DECIMAL(4), {"\x04\x3a\x99", 3}, "1.5001"},
		{DECIMAL(0), {"\x02\x07", 2}, "7"},
		{DECIMAL(0), {"\x10\x7f\xff\xff\xff\xff\xff\xff\xff", 9}, "9223372036854775807"},
		{DECIMAL(2), {"\x12\x00\x80\x00\x00\x00\x00\x00\x00\x00", 10}, "92233720368547758.08"},
		{DECIMAL(2), {"\x12\x00\x00\x00\x00\x00\x00\x00\x00\x96", 10}, "1.5"},
		{DECIMAL(12), {"\x1a\x0c\x9f\x2c\x9c\xd0\x46\x74\xed\xea\x40\x00\x00\x00", 14}, "1000000000000000000"},
		{FIXED_DECIMAL(4, 4), {"\x00\x00\x3a\x99", 4}, "1.5001"},
		{"\"int\"", {"\x0e", 1}, "7"},
		{"\"long\"", {"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10}, "9223372036854775807"},
		{"\"string\"",
			{"\x0a"
			 "1.500",
				6},
			"1.5"},
		{"\"string\"",
			{"\x0a"
			 "15e-1",
				6},
			"1.5"},
		{"[\"long\",\"null\"," DECIMAL(4) ",\"string\"]", {"\x04\x04\x3a\x99", 4}, "1.5001"},
		{"[\"long\",\"null\"," DECIMAL(4) ",\"string\"]", {"\x00\x0e", 2}, "7"},
		{"[\"long\",\"null\"," DECIMAL(4) ",\"string\"]", {"\x02", 1}, "amount is missing"},
		{"[\"null\",\"long\"]", {"\x00", 1}, "amount is missing"},
		{"[\"long\",\"null\"]", {"\x02", 1}, "amount is missing"},
		{"[\"long\"]", {"\x00\x0e", 2}, "7"},
		{"\"null\"", {"", 0}, "amount is missing"},
		{"\"long\"", {"\x0d", 1}, "amount is not above 0"},
		{"\"string\"",
			{"\x06"
			 "1,5",
				4},
			"amount is not a number"},
		{"\"string\"",
			{"\x1e"
			 "0.0000000000001",
				16},
			"amount has more than 12 fractional digits"},
		{"\"int\"", {"\x80\x80\x80\x80\x10", 5}, "amount has an int out of range"},
		{DECIMAL(0), {"\x20\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 17},
			"amount is out of range"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct text fields =
			arena_format(&arena, IDS ",{\"name\":\"amount\",\"type\":%s}%c", cases[i].type, '\0');
		struct buffer buffer;
		struct event event;
		struct defect defect;
		put_bytes_of(&buffer, cases[i].bytes);
		if (!run(compile(fields.data), buffer_finish(&buffer), &event, &defect)) {
			assert_string_equal(defect.text, cases[i].expected);
			continue;
		}
		char text[CREDIT_TEXT_SIZE];
		(void)credit_format(event.amount, text);
		assert_string_equal(text, cases[i].expected);
	}
}

static void times_are_exact_in_every_type(void **state)
{
	(void)state;
	static const struct {
		const char *type;
		struct text bytes;
		const char *expected; /* or what is said */
	} cases[] = {
		{LOGICAL("long", "timestamp-millis"), {"\x02", 1}, "1970-01-01T00:00:00.001Z"},
		{LOGICAL("long", "timestamp-micros"), {"\x02", 1}, "1970-01-01T00:00:00.000001Z"},
		{LOGICAL("long", "timestamp-millis"), {"\x01", 1}, "1969-12-31T23:59:59.999Z"},
		{"\"string\"",
			{"\x32"
			 "1970-01-01T01:00:00+01:00",
				26},
			"1970-01-01T00:00:00Z"},
		{"\"string\"",
			{"\x26"
			 "1970-01-01T01:00:00",
				20},
			"createdAt is not a time of RFC 3339 with a zone"},
		{LOGICAL("long", "timestamp-millis"), {"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10},
			"createdAt is outside of the years 0001-9999"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct text fields = arena_format(
			&arena, IDS "," AMOUNT ",{\"name\":\"createdAt\",\"type\":%s}%c", cases[i].type, '\0');
		struct buffer buffer;
		struct event event;
		struct defect defect;
		instant_t expected;
		put_bytes_of(&buffer, TEXT_LITERAL("\x02\x01"));
		buffer_put_text(&buffer, cases[i].bytes);
		bool is_time = instant_parse(text_of(cases[i].expected), &expected);
		assert_int_equal(run(compile(fields.data), buffer_finish(&buffer), &event, &defect), is_time);
		if (is_time)
			assert_true(event.created_at == expected);
		else
			assert_string_equal(defect.text, cases[i].expected);
	}
}

static void texts_are_strings_enums_or_bytes(void **state)
{
	(void)state;
	static const struct {
		const char *type;
		struct text bytes;
		const char *expected; /* NULL: refused */
	} cases[] = {
		{"\"string\"", {"\x04pq", 3}, "pq"},
		{"\"bytes\"", {"\x04pq", 3}, "pq"},
		{LOGICAL("string", "uuid"), {"\x04pq", 3}, "pq"},
		{"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\",\"pq\"]}", {"\x02", 1}, "pq"},
		{"[\"bytes\",\"string\"]", {"\x02\x04pq", 4}, "pq"},
		{"\"bytes\"", {"\x04p\xff", 3}, NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct text fields = arena_format(
			&arena, IDS "," AMOUNT ",{\"name\":\"resourceId\",\"type\":%s}%c", cases[i].type, '\0');
		struct buffer buffer;
		struct event event;
		struct defect defect;
		put_bytes_of(&buffer, TEXT_LITERAL("\x02\x01"));
		buffer_put_text(&buffer, cases[i].bytes);
		if (run(compile(fields.data), buffer_finish(&buffer), &event, &defect))
			assert_true(text_equal(event.resource_id, text_of(cases[i].expected)));
		else
			assert_string_equal(defect.text,
				cases[i].expected
					? cases[i].expected
					: "resourceId is not 1-255 of [A-Za-z0-9_|.@-], the first alphanumeric");
	}
}

static void members_may_have_any_plain_type(void **state)
{
	(void)state;
	const struct plan *plan = compile(IDS "," AMOUNT "," FIELD("dimensions",
		"{\"type\":\"map\",\"values\":[\"float\","
		"\"int\",\"bytes\",{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"x\"]},\"null\"]}"));
	struct buffer buffer;
	struct event event;
	struct defect defect;
	put_bytes_of(&buffer, TEXT_LITERAL("\x02\x01\x08"
					   "\x02"
					   "a\x00\x00\x00\x00\x3f"
					   "\x02"
					   "b\x02\x0e"
					   "\x02"
					   "c\x04\x02p"
					   "\x02"
					   "d\x06\x00"
					   "\x00"));
	assert_true(run(plan, buffer_finish(&buffer), &event, &defect));
	assert_true(text_equal(event.dimensions, TEXT_LITERAL("{\"a\":0.5,\"b\":7,\"c\":\"p\",\"d\":\"x\"}")));
	put_bytes_of(&buffer, TEXT_LITERAL("\x02\x01\x02"
					   "\x02"
					   "a\x08"
					   "\x00"));
	assert_false(run(plan, buffer_finish(&buffer), &event, &defect));
	assert_string_equal(defect.text,
		"dimensions has a value that is neither text, a number of at most 100 digits, nor a boolean");
}

static void items_that_take_no_bytes_are_bounded(void **state)
{
	(void)state;
	const struct plan *plan = compile(FIELD("x", ARRAY_OF("\"null\"")) "," IDS "," AMOUNT);
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

/* Forty records, each twice in the next: 2^40 of them in no byte at all. */
static void records_that_take_no_bytes_are_bounded(void **state)
{
	(void)state;
	struct text type =
		TEXT_LITERAL("{\"type\":\"record\",\"name\":\"R0\",\"fields\":[{\"name\":\"n\",\"type\":\"null\"}]}");
	struct text fields = arena_format(&arena, "{\"name\":\"r0\",\"type\":%.*s}", TEXT_ARGS(type));
	for (int i = 1; i < 41; i++)
		fields = arena_format(&arena,
			"%.*s,{\"name\":\"r%d\",\"type\":{\"type\":\"record\",\"name\":\"R%d\",\"fields\":[{\"name\":"
			"\"a\",\"type\":"
			"\"R%d\"},{\"name\":\"b\",\"type\":\"R%d\"}]}}",
			TEXT_ARGS(fields), i, i, i - 1, i - 1);
	struct text all = arena_format(&arena, "%.*s," IDS "," AMOUNT "%c", TEXT_ARGS(fields), '\0');
	const struct plan *plan = compile(all.data);
	struct event event;
	struct defect defect;
	assert_false(run(plan, TEXT_LITERAL("abc"), &event, &defect));
	assert_string_equal(defect.text, "a has too many items");
	assert_string_equal(defect.reason, "malformed_avro");
	/* nor does printing them take for ever */
	struct text json = arena_format(&arena, "{\"type\":\"record\",\"name\":\"drawdown.Outcome\",\"fields\":[%.*s]}",
			    TEXT_ARGS(fields)),
		    line;
	assert_true(decoder_learn(decoder, (struct schema_ref){SCHEMA_REF_ID, 1}, json, NULL));
	assert_false(decode_to_json(decoder, &arena, TEXT_LITERAL("\0\0\0\0\1abc"), &line, &defect));
	assert_string_equal(defect.text, "a has too many items");
}

static void records_within_records_are_bounded(void **state)
{
	(void)state;
	const struct plan *plan =
		compile(FIELD("x", "{\"type\":\"record\",\"name\":\"Node\",\"fields\":["
				   "{\"name\":\"next\",\"type\":[\"null\",\"Node\"]}]}") "," IDS "," AMOUNT);
	char bytes[100000];
	memset(bytes, 2, sizeof bytes);
	struct event event;
	struct defect defect;
	assert_false(run(plan, (struct text){bytes, sizeof bytes}, &event, &defect));
	assert_string_equal(defect.text, "next is nested too deep");
	bytes[50] = 0;
	struct buffer buffer, rest;
	put_ids(&rest);
	avro_put_credit(&rest, CREDIT_ONE);
	buffer_init(&buffer, &arena);
	buffer_put(&buffer, bytes, 51);
	buffer_put_text(&buffer, buffer_finish(&rest));
	assert_true(run(plan, buffer_finish(&buffer), &event, &defect));
	assert_true(event.amount == CREDIT_ONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_of_another_writer_are_matched_by_name),
		cmocka_unit_test(thresholds_of_another_writer_are_read),
		cmocka_unit_test(an_item_has_nothing_of_the_one_before_it),
		cmocka_unit_test(the_number_of_thresholds_is_bounded),
		cmocka_unit_test(a_field_that_cannot_be_what_it_says_is_refused),
		cmocka_unit_test(what_is_required_must_be_in_the_schema),
		cmocka_unit_test(a_field_of_another_kind_is_passed_over),
		cmocka_unit_test(a_field_is_found_by_its_alias),
		cmocka_unit_test(a_field_is_found_by_our_alias),
		cmocka_unit_test(amounts_are_exact_in_every_type),
		cmocka_unit_test(times_are_exact_in_every_type),
		cmocka_unit_test(texts_are_strings_enums_or_bytes),
		cmocka_unit_test(members_may_have_any_plain_type),
		cmocka_unit_test(items_that_take_no_bytes_are_bounded),
		cmocka_unit_test(records_that_take_no_bytes_are_bounded),
		cmocka_unit_test(records_within_records_are_bounded),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
