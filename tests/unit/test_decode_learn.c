/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the decoder says which schema it lacks, and decodes by what it is taught; what cannot be used is said once, and
 * its records are defects.
 * Method: a decoder of its own for each test; records in Confluent and single-object framing made from one another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* outcome.h has one too */

#include "../../worker/core/avro_schema.h"
#include "../../worker/core/buffer.h"
#include "avro_files.h"
#include "decode_fixture.h"
#include "drawdown/encode.h"

static struct schema_ref id_ref(uint64_t id)
{
	return (struct schema_ref){SCHEMA_REF_ID, id};
}

static struct schema_ref fingerprint_ref(uint64_t fingerprint)
{
	return (struct schema_ref){SCHEMA_REF_FINGERPRINT, fingerprint};
}

static struct text embedded(const char *name)
{
	for (size_t i = 0; i < avro_files_count; i++)
		if (strcmp(avro_files[i].name, name) == 0)
			return (struct text){avro_files[i].text, avro_files[i].size};
	print_error("no schema %s\n", name);
	abort();
}

static struct text single_object(void)
{
	const struct event event = {
		.kind = EVENT_CONSUME,
		.customer_id = TEXT_LITERAL("acme"),
		.currency_id = TEXT_LITERAL("ai-tokens"),
		.idempotency_key = TEXT_LITERAL("req-1"),
		.amount = CREDIT_ONE * 3 / 2,
		.created_at = INSTANT_NONE,
	};
	return encode_event(&arena, &event, FORMAT_AVRO);
}

static struct text confluent(uint32_t id, struct text body)
{
	char *value = arena_alloc(&arena, 5 + body.size);
	value[0] = 0;
	for (unsigned i = 0; i < 4; i++)
		value[1 + i] = (char)(id >> (24 - 8 * i));
	memcpy(value + 5, body.data, body.size);
	return (struct text){value, 5 + body.size};
}

static struct text body(void)
{
	struct text value = single_object();
	return (struct text){value.data + 10, value.size - 10};
}

static void assert_missing(struct text value, struct schema_ref expected)
{
	struct schema_ref missing = decoder_missing(decoder, value);
	assert_int_equal(missing.kind, expected.kind);
	assert_int_equal(missing.value, expected.value);
}

static void assert_nothing_missing(struct text value)
{
	assert_missing(value, (struct schema_ref){SCHEMA_REF_NONE, 0});
}

static void assert_defect(struct text value, const char *reason, const char *text)
{
	struct event event;
	struct defect defect = {"", ""};
	assert_false(decode_event(decoder, &arena, value, &event, &defect));
	assert_string_equal(defect.text, text);
	assert_string_equal(defect.reason, reason);
}

static void assert_decoded(struct text value)
{
	struct event event;
	struct defect defect = {"", ""};
	bool ok = decode_event(decoder, &arena, value, &event, &defect);
	if (!ok)
		print_error("%s: %s\n", defect.reason, defect.text);
	assert_true(ok);
	assert_true(event.amount == CREDIT_ONE * 3 / 2);
	assert_true(text_equal(event.idempotency_key, TEXT_LITERAL("req-1")));
}

static void learn(struct schema_ref ref, struct text schema, const char *expected_why)
{
	char why[DECODER_WHY_SIZE];
	assert_true(decoder_learn(decoder, ref, schema, why));
	assert_string_equal(why, expected_why);
}

static void an_id_is_learnt(void **state)
{
	(void)state;
	struct text value = confluent(0x01020304, body());
	assert_missing(value, id_ref(0x01020304));
	assert_defect(value, "unknown_schema", "no schema has the id 16909060");
	learn(id_ref(0x01020304), embedded("Consume"), "");
	assert_nothing_missing(value);
	assert_decoded(value);
	assert_missing(confluent(0x01020305, body()), id_ref(0x01020305));
	assert_missing(confluent(UINT32_MAX, body()), id_ref(UINT32_MAX));
}

static void what_needs_no_schema_misses_none(void **state)
{
	(void)state;
	assert_nothing_missing(single_object());
	assert_nothing_missing(TEXT_LITERAL("{}"));
	assert_nothing_missing(TEXT_LITERAL(""));
	assert_nothing_missing(TEXT_LITERAL("\0\0\0\1"));
	assert_nothing_missing(TEXT_LITERAL("\xc3\x01\1\2\3\4\5\6\7"));
	char *large = arena_zero_array(&arena, DECODE_VALUE_SIZE_MAX + 1, 1);
	assert_nothing_missing((struct text){large, DECODE_VALUE_SIZE_MAX + 1});
	assert_missing((struct text){large, DECODE_VALUE_SIZE_MAX}, id_ref(0));
	assert_missing(TEXT_LITERAL("\xc3\x01\1\2\3\4\5\6\7\x88"), fingerprint_ref(0x8807060504030201));
}

static void a_cut_off_id_is_a_defect(void **state)
{
	(void)state;
	for (size_t size = 1; size < 5; size++)
		assert_defect((struct text){"\0\0\0\0\1", size}, "malformed_avro", "the schema's id is cut off");
}

static void what_nobody_knows_is_a_defect_until_it_is_forgotten(void **state)
{
	(void)state;
	struct text value = confluent(7, body());
	assert_true(decoder_learn_unknown(decoder, id_ref(7), NULL));
	assert_nothing_missing(value);
	assert_defect(value, "unknown_schema", "no schema has the id 7");
	assert_missing(confluent(8, body()), id_ref(8));
	decoder_forget_unknown(decoder, id_ref(7));
	assert_missing(value, id_ref(7));
	assert_true(decoder_learn_unknown(decoder, id_ref(7), "it is secret"));
	assert_defect(value, "unknown_schema", "it is secret");
	learn(id_ref(7), embedded("Consume"), "");
	assert_decoded(value);
	decoder_forget_unknown(decoder, id_ref(7));
	assert_true(decoder_learn_unknown(decoder, id_ref(7), NULL));
	assert_decoded(value);
}

/* In the middle of a character too. */
static void a_reason_that_is_too_long_is_cut_where_a_character_ends(void **state)
{
	(void)state;
	char why[2 * DECODER_WHY_SIZE] = "x", expected[DECODER_WHY_SIZE] = "x";
	for (size_t at = 1; at + 2 < sizeof why; at += 2)
		memcpy(why + at, "\xc3\xa4", 2);
	memcpy(expected, why, DECODER_WHY_SIZE - 1);
	assert_true(decoder_learn_unknown(decoder, id_ref(7), why));
	assert_defect(confluent(7, body()), "unknown_schema", expected);
	assert_true(decoder_learn_unknown(decoder, id_ref(8), why + 1));
	memcpy(expected, why + 1, DECODER_WHY_SIZE - 2);
	expected[DECODER_WHY_SIZE - 2] = '\0';
	assert_defect(confluent(8, body()), "unknown_schema", expected);
}

#define NOT_JSON "the schema is not JSON, or nested deeper than 64 levels"
#define FIELDS                                                                                         \
	"{\"name\":\"customerId\",\"type\":\"string\"},{\"name\":\"currencyId\",\"type\":\"string\"}," \
	"{\"name\":\"resourceId\",\"type\":[\"null\",\"string\"]},{\"name\":\"idempotencyKey\",\"type\":\"string\"},"
#define AMOUNT(type) "{\"name\":\"amount\",\"type\":" type "}"
#define DECIMAL(scale) "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":38,\"scale\":" #scale "}"
#define SCHEMA(head, amount) TEXT_LITERAL("{\"type\":\"record\"," head ",\"fields\":[" FIELDS AMOUNT(amount) "]}")

/* The bytes of single_object() without createdAt and dimensions, which those schemas do not have. */
static struct text short_body(void)
{
	struct text value = body();
	return (struct text){value.data, value.size - 2};
}

static void what_cannot_be_used_says_why(void **state)
{
	(void)state;
	struct text value = confluent(7, body());
	learn(id_ref(7), TEXT_LITERAL("{"), NOT_JSON);
	assert_nothing_missing(value);
	assert_defect(value, "unusable_schema", NOT_JSON);
	learn(id_ref(7), embedded("Consume"), NOT_JSON); /* what is known stays */
	const char *why =
		"amount has the type double, which is not exact; it can be a decimal of a scale up to 12, an int, "
		"a long or a string";
	learn(id_ref(8), SCHEMA("\"name\":\"Consume\"", "\"double\""), why);
	assert_defect(confluent(8, body()), "unusable_schema", why);
	why = "the schema is a union: each kind of record needs one of its own";
	learn(id_ref(9), TEXT_LITERAL("[\"null\",\"int\"]"), why);
	assert_defect(confluent(9, body()), "unusable_schema", why);
	/* it can be printed all the same */
	struct text line;
	struct defect defect;
	assert_true(decode_to_json(decoder, &arena, TEXT_LITERAL("\0\0\0\0\x09\x02\x0e"), &line, &defect));
	assert_true(text_equal(line, TEXT_LITERAL("7")));
	assert_false(decode_to_json(decoder, &arena, value, &line, &defect));
	assert_string_equal(defect.reason, "unusable_schema");
	assert_string_equal(defect.text, NOT_JSON);
	assert_true(decoder_learn(decoder, id_ref(10), TEXT_LITERAL("{"), NULL));
}

static void the_kind_is_in_the_name_or_an_alias(void **state)
{
	(void)state;
#define NO_INPUT                                                                                     \
	" is no input: neither its name nor an alias drawdown.NAME is one of Consume, Grant, Void, " \
	"ConfirmPayment, Reverse, Configure, Reserve, Settle, Extend, Release and Advance"
	static const struct {
		struct text schema;
		const char *why;
	} cases[] = {
		{SCHEMA("\"name\":\"drawdown.Consume\"", DECIMAL(12)), ""},
		{SCHEMA("\"name\":\"Consume\",\"namespace\":\"com.acme.billing\"", DECIMAL(12)), ""},
		{SCHEMA("\"name\":\"Consume\"", DECIMAL(12)), ""},
		{SCHEMA("\"name\":\"com.acme.Used\",\"aliases\":[\"drawdown.Consume\"]", DECIMAL(12)), ""},
		/* what is said to us comes before what the name seems to be */
		{SCHEMA("\"name\":\"com.acme.Void\",\"aliases\":[\"x.Grant\",\"drawdown.Consume\"]", DECIMAL(12)), ""},
		{SCHEMA("\"name\":\"com.acme.Used\",\"aliases\":[\"drawdown.Consume\",\"drawdown.Consume\"]",
			 DECIMAL(12)),
			""},
		{SCHEMA("\"name\":\"com.acme.Used\",\"aliases\":[\"drawdown.Consume\",\"drawdown.Grant\"]",
			 DECIMAL(12)),
			"the aliases of com.acme.Used name several kinds of input"},
		{SCHEMA("\"name\":\"com.acme.Used\",\"aliases\":[\"Consume\"]", DECIMAL(12)), "com.acme.Used" NO_INPUT},
		{SCHEMA("\"name\":\"com.acme.consume\"", DECIMAL(12)), "com.acme.consume" NO_INPUT},
		{SCHEMA("\"name\":\"com.acme.LedgerEntry\"", DECIMAL(12)), "com.acme.LedgerEntry" NO_INPUT},
	};
	for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		learn(id_ref(i), cases[i].schema, cases[i].why);
		if (cases[i].why[0])
			assert_defect(confluent(i, short_body()), "unusable_schema", cases[i].why);
		else
			assert_decoded(confluent(i, short_body()));
	}
}

static uint64_t fingerprint_of(struct text schema)
{
	struct schema_error error;
	return schema_fingerprint(schema_parse(schema, &arena, &error), &arena);
}

static struct text by_fingerprint(struct text schema)
{
	char *value = arena_alloc(&arena, 10 + short_body().size);
	uint64_t fingerprint = fingerprint_of(schema);
	value[0] = (char)0xc3;
	value[1] = 0x01;
	for (unsigned i = 0; i < 8; i++)
		value[2 + i] = (char)(fingerprint >> 8 * i);
	memcpy(value + 10, short_body().data, short_body().size);
	return (struct text){value, 10 + short_body().size};
}

static void a_learnt_schema_has_its_fingerprint_too(void **state)
{
	(void)state;
	struct text schema = SCHEMA("\"name\":\"com.acme.Consume\"", DECIMAL(12)), value = by_fingerprint(schema);
	assert_missing(value, fingerprint_ref(fingerprint_of(schema)));
	assert_true(decoder_learn_unknown(decoder, fingerprint_ref(fingerprint_of(schema)), NULL));
	learn(id_ref(1), schema, "");
	assert_decoded(value);
	learn(id_ref(2), SCHEMA("\"doc\":\"the same\",\"name\":\"com.acme.Consume\"", DECIMAL(12)), "");
	assert_decoded(value);
}

static void of_two_schemas_of_one_fingerprint_the_first_stays(void **state)
{
	(void)state;
	struct text schema = SCHEMA("\"name\":\"com.acme.Consume\"", DECIMAL(12));
	learn(id_ref(1), schema, "");
	learn(id_ref(2), SCHEMA("\"name\":\"com.acme.Consume\"", DECIMAL(4)), "");
	assert_decoded(by_fingerprint(schema));
	assert_decoded(confluent(1, short_body()));
	/* what the contract says of ours, nobody changes */
	char *other = arena_alloc(&arena, embedded("Consume").size);
	memcpy(other, embedded("Consume").data, embedded("Consume").size);
	struct text changed = {other, embedded("Consume").size};
	char *scale = memmem(other, changed.size, "\"scale\": 12", 11);
	assert_non_null(scale);
	memcpy(scale, "\"scale\": 02", 11);
	scale[9] = ' ';
	learn(id_ref(4), changed, "");
	assert_decoded(single_object());
}

static void a_fingerprint_is_checked(void **state)
{
	(void)state;
	struct text schema = SCHEMA("\"name\":\"com.acme.Consume\"", DECIMAL(12)), value = by_fingerprint(schema);
	learn(fingerprint_ref(fingerprint_of(schema)), schema, "");
	assert_decoded(value);
	learn(fingerprint_ref(7), schema, "the schema that was given for this fingerprint has another");
	assert_defect(TEXT_LITERAL("\xc3\x01\7\0\0\0\0\0\0\0"), "unusable_schema",
		"the schema that was given for this fingerprint has another");
}

static void outputs_are_learnt_to_be_printed(void **state)
{
	(void)state;
	learn(id_ref(9), embedded("Outcome"), "");
	assert_defect(confluent(9, body()), "unknown_type", "a record of drawdown.Outcome is no input");
	learn(id_ref(10), embedded("Consume"), "");
	struct text framed, plain;
	struct defect defect;
	assert_true(decode_to_json(decoder, &arena, confluent(10, body()), &framed, &defect));
	assert_true(decode_to_json(decoder, &arena, single_object(), &plain, &defect));
	assert_true(text_equal(framed, plain));
}

static void the_tables_are_bounded(void **state)
{
	(void)state;
	for (uint64_t id = 0; id < DECODER_UNKNOWN_MAX; id++)
		assert_true(decoder_learn_unknown(decoder, id_ref(id), NULL));
	assert_false(decoder_learn_unknown(decoder, id_ref(DECODER_UNKNOWN_MAX), NULL));
	for (uint64_t id = 0; id < DECODER_SCHEMAS_MAX; id++)
		learn(id_ref(id), embedded("Consume"), "");
	char why[DECODER_WHY_SIZE];
	assert_false(decoder_learn(decoder, id_ref(DECODER_SCHEMAS_MAX), embedded("Consume"), why));
	assert_decoded(confluent(DECODER_SCHEMAS_MAX - 1, body()));
	/* what became known has made room again */
	assert_true(decoder_learn_unknown(decoder, id_ref(UINT32_MAX), NULL));
	for (uint64_t id = 0; id < DECODER_SCHEMAS_MAX; id++)
		assert_nothing_missing(confluent((uint32_t)id, body()));
}

/* Another one for each number, in the same place: the one before is gone. */
static struct text large_schema(unsigned number)
{
	static char schema[DECODER_SCHEMA_SIZE_MAX];
	int size = snprintf(schema, sizeof schema,
		"{\"type\":\"record\",\"name\":\"n%u.Consume\",\"fields\":[" FIELDS AMOUNT("\"int\""), number);
	for (int i = 0; i < 480; i++)
		size += snprintf(
			schema + size, sizeof schema - (size_t)size, ",{\"name\":\"f%0500d\",\"type\":\"int\"}", i);
	size += snprintf(schema + size, sizeof schema - (size_t)size, "]}");
	assert_true((size_t)size < sizeof schema);
	return (struct text){schema, (size_t)size};
}

/* A large schema is learnt, but not any number of them. */
static void the_memory_is_bounded(void **state)
{
	(void)state;
	unsigned id = 0;
	while (decoder_learn(decoder, id_ref(id), large_schema(id), NULL))
		id++;
	assert_in_range(id, 10, DECODER_SCHEMAS_MAX - 1);
	assert_missing(confluent(id, body()), id_ref(id));
	assert_nothing_missing(confluent(id - 1, body()));
	/* the same text takes no more, as when a database gives it by its fingerprint and by its id */
	assert_true(decoder_learn(decoder, id_ref(id), large_schema(0), NULL));
	assert_nothing_missing(confluent(id, body()));
}

/* A fingerprint that is not its own makes nothing else of the same text. */
static void a_text_that_was_refused_for_a_fingerprint_is_learnt_for_others(void **state)
{
	(void)state;
	struct text schema = SCHEMA("\"name\":\"com.acme.Consume\"", DECIMAL(12));
	const char *why = "the schema that was given for this fingerprint has another";
	learn(fingerprint_ref(7), schema, why);
	learn(id_ref(1), schema, "");
	learn(fingerprint_ref(8), schema, why);
	assert_decoded(confluent(1, short_body()));
	assert_defect(TEXT_LITERAL("\xc3\x01\x08\0\0\0\0\0\0\0"), "unusable_schema", why);
}

static void forgetting_leaves_the_others(void **state)
{
	(void)state;
	for (uint64_t id = 0; id < DECODER_UNKNOWN_MAX; id++)
		assert_true(decoder_learn_unknown(decoder, fingerprint_ref(id * id * 7919), NULL));
	for (uint64_t id = 0; id < DECODER_UNKNOWN_MAX; id += 3)
		decoder_forget_unknown(decoder, fingerprint_ref(id * id * 7919));
	for (uint64_t id = 0; id < DECODER_UNKNOWN_MAX; id++) {
		char value[10] = {(char)0xc3, 1};
		uint64_t fingerprint = id * id * 7919;
		for (unsigned i = 0; i < 8; i++)
			value[2 + i] = (char)(fingerprint >> 8 * i);
		struct schema_ref expected =
			id % 3 == 0 ? fingerprint_ref(fingerprint) : (struct schema_ref){SCHEMA_REF_NONE, 0};
		assert_missing((struct text){value, 10}, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_id_is_learnt, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_needs_no_schema_misses_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cut_off_id_is_a_defect, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_nobody_knows_is_a_defect_until_it_is_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_used_says_why, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_kind_is_in_the_name_or_an_alias, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_learnt_schema_has_its_fingerprint_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_two_schemas_of_one_fingerprint_the_first_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_fingerprint_is_checked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(outputs_are_learnt_to_be_printed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_tables_are_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_memory_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_text_that_was_refused_for_a_fingerprint_is_learnt_for_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_reason_that_is_too_long_is_cut_where_a_character_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(forgetting_leaves_the_others, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
