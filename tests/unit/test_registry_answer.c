/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what a registry answers is taken for what it says and nothing else; a schema with references becomes one text
 * that needs no other.
 * Method: answers by hand, exact texts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "drawdown/registry_answer.h"
#include "drawdown/schema_text.h"

#include <cmocka.h> /* last: it has a macro fail() */

static struct arena arena;

static int begin(void **state)
{
	(void)state;
	arena_init(&arena, 4096);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static void assert_text(struct text actual, const char *expected)
{
	assert_int_equal(actual.size, strlen(expected));
	assert_memory_equal(actual.data, expected, actual.size);
}

static void a_schema_is_read_with_what_it_refers_to(void **state)
{
	(void)state;
	struct registry_schema schema;
	struct registry_why why;
	const char answer[] =
		"{\"id\":3,\"schema\":\"\\\"int\\\"\",\"references\":[{\"name\":\"a.B\",\"subject\":\"s\","
		"\"version\":12}],\"other\":{}}";

	assert_true(registry_answer_schema(text_of(answer), &arena, &schema, &why));
	assert_text(schema.schema, "\"int\"");
	assert_text(schema.type, "AVRO");
	assert_int_equal(schema.references_count, 1);
	assert_text(schema.references[0].name, "a.B");
	assert_text(schema.references[0].subject, "s");
	assert_int_equal(schema.references[0].version, 12);
	assert_true(registry_answer_schema(
		TEXT_LITERAL("{\"schema\":\"x\",\"schemaType\":\"PROTOBUF\",\"references\":null}"), &arena, &schema,
		&why));
	assert_text(schema.type, "PROTOBUF");
}

static void answers_that_are_none_say_why(void **state)
{
	(void)state;
	static const struct {
		const char *answer, *why;
		bool is_about_schema;
	} cases[] = {
		{"", "the answer is no JSON object", false},
		{"<html>", "the answer is no JSON object", false},
		{"[1]", "the answer is no JSON object", false},
		{"{\"schema\":\"x\"", "the answer is no JSON object", false},
		{"{}", "the answer holds no schema", false},
		{"{\"schema\":\"\"}", "the answer holds no schema", false},
		{"{\"schema\":{}}", "the answer holds no schema", false},
		{"{\"schema\":\"a\\u0000b\"}", "its schema holds a NUL", true},
		{"{\"schema\":\"x\",\"schemaType\":7}", "its schemaType is no name", true},
		{"{\"schema\":\"x\",\"references\":{}}", "its references are no array", true},
		{"{\"schema\":\"x\",\"references\":[7]}", "a reference has no name, subject or version", true},
		{"{\"schema\":\"x\",\"references\":[{\"name\":\"a\",\"subject\":\"\",\"version\":1}]}",
			"a reference has no name, subject or version", true},
		{"{\"schema\":\"x\",\"references\":[{\"name\":\"a\",\"subject\":\"b\",\"version\":0}]}",
			"a reference has no name, subject or version", true},
		{"{\"schema\":\"x\",\"references\":[{\"name\":\"a\",\"subject\":\"b\",\"version\":1e3}]}",
			"a reference has no name, subject or version", true},
		{"{\"schema\":\"x\",\"references\":[{\"name\":\"a\",\"subject\":\"b\",\"version\":2147483648}]}",
			"a reference has no name, subject or version", true},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct registry_schema schema;
		struct registry_why why = {0};
		assert_false(registry_answer_schema(text_of(cases[i].answer), &arena, &schema, &why));
		assert_string_equal(why.text, cases[i].why);
		assert_int_equal(why.is_about_schema, cases[i].is_about_schema);
	}
}

static void an_answer_is_bounded(void **state)
{
	(void)state;
	struct registry_schema schema;
	struct registry_why why;
	char *answer = malloc(REGISTRY_ANSWER_SIZE_MAX + 1);
	memset(answer, ' ', REGISTRY_ANSWER_SIZE_MAX + 1);
	assert_false(
		registry_answer_schema((struct text){answer, REGISTRY_ANSWER_SIZE_MAX + 1}, &arena, &schema, &why));
	assert_string_equal(why.text, "the answer takes more than 1048576 bytes");
	memset(answer, '[', REGISTRY_ANSWER_SIZE_MAX);
	assert_false(registry_answer_schema((struct text){answer, REGISTRY_ANSWER_SIZE_MAX}, &arena, &schema, &why));
	assert_string_equal(why.text, "the answer is no JSON object");
	struct text many = TEXT_LITERAL("{\"name\":\"a\",\"subject\":\"b\",\"version\":1}");
	for (int i = 0; i < REGISTRY_REFERENCES_MAX; i++)
		many = arena_format(&arena, "%.*s,{}", TEXT_ARGS(many));
	many = arena_format(&arena, "{\"schema\":\"x\",\"references\":[%.*s]}", TEXT_ARGS(many));
	assert_false(registry_answer_schema(many, &arena, &schema, &why));
	assert_string_equal(why.text, "it has 33 references, more than 32");
	assert_true(why.is_about_schema);
	free(answer);
}

static void an_id_is_a_whole_number_above_zero(void **state)
{
	(void)state;
	struct registry_why why;
	int32_t id;

	assert_true(registry_answer_id(TEXT_LITERAL("{\"id\":2147483647}"), &arena, &id, &why));
	assert_int_equal(id, INT32_MAX);
	static const char *const wrong[] = {"{}", "{\"id\":0}", "{\"id\":-1}", "{\"id\":1.5}", "{\"id\":\"1\"}",
		"{\"id\":2147483648}", "{\"id\":99999999999999999999}"};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		assert_false(registry_answer_id(text_of(wrong[i]), &arena, &id, &why));
		assert_string_equal(why.text, "the answer holds no id");
	}
}

static void an_error_has_a_code_and_words_that_can_be_shown(void **state)
{
	(void)state;
	struct text message;

	assert_int_equal(
		registry_answer_error(TEXT_LITERAL("{\"error_code\":40403,\"message\":\"no\"}"), &arena, &message),
		40403);
	assert_text(message, "no");
	assert_int_equal(registry_answer_error(TEXT_LITERAL("<html>"), &arena, &message), 0);
	assert_text(message, "");
	assert_int_equal(registry_answer_error(
				 TEXT_LITERAL("{\"error_code\":1,\"message\":\"ab\\u001b[31m\"}"), &arena, &message),
		1);
	assert_text(message, "ab");
	struct text many = arena_format(&arena, "{\"error_code\":2,\"message\":\"%0199d\xc3\xa4\"}", 0);
	assert_int_equal(registry_answer_error(many, &arena, &message), 2);
	assert_int_equal(message.size, 199); /* not half a character */
}

static void references_become_part_of_the_schema_where_they_are_first_used(void **state)
{
	(void)state;
	const struct text referenced[] = {
		TEXT_LITERAL("{\"type\":\"enum\",\"name\":\"Why\",\"namespace\":\"o\",\"symbols\":[\"A\"]}"),
		TEXT_LITERAL("{\"type\":\"record\",\"name\":\"o.R\",\"fields\":[{\"name\":\"w\",\"type\":\"Why\","
			     "\"default\":\"A\"}]}"),
		TEXT_LITERAL("{\"type\":\"fixed\",\"name\":\"Plain\",\"size\":2}"),
	};
	const struct text schema = TEXT_LITERAL(
		"{\"type\":\"record\",\"name\":\"M\",\"namespace\":\"d\",\"fields\":[{\"name\":\"a\",\"type\":["
		"\"null\","
		"\"o.R\"],\"doc\":\"o.R\"},{\"name\":\"b\",\"type\":{\"type\":\"array\",\"items\":\"o.R\"}},"
		"{\"name\":\"c\",\"type\":{\"type\":\"map\",\"values\":\"o.Why\"}}]}");
	struct registry_why why;
	struct text joined;
	struct schema_identity identity;
	char reason[SCHEMA_WHY_SIZE];

	assert_true(registry_join(schema, referenced, 3, &arena, &joined, &why));
	assert_text(joined,
		"{\"name\":\"M\",\"namespace\":\"d\",\"type\":\"record\",\"fields\":[{\"name\":\"a\",\"type\":["
		"\"null\","
		"{\"name\":\"R\",\"namespace\":\"o\",\"type\":\"record\",\"fields\":[{\"name\":\"w\",\"type\":"
		"{\"name\":\"Why\",\"namespace\":\"o\",\"type\":\"enum\",\"symbols\":[\"A\"]},\"default\":\"A\"}]}],"
		"\"doc\":\"o.R\"},{\"name\":\"b\",\"type\":{\"type\":\"array\",\"items\":\"o.R\"}},"
		"{\"name\":\"c\",\"type\":{\"type\":\"map\",\"values\":\"o.Why\"}}]}");
	assert_true(schema_text_identify(joined, &arena, &identity, reason));
	assert_text(identity.name, "d.M");
	assert_true(registry_join(TEXT_LITERAL("\"Plain\""), referenced, 3, &arena, &joined, &why));
	assert_text(joined, "{\"name\":\"Plain\",\"namespace\":\"\",\"type\":\"fixed\",\"size\":2}");
}

static void a_schema_that_refers_to_itself_ends(void **state)
{
	(void)state;
	const struct text list =
		TEXT_LITERAL("{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"next\",\"type\":"
			     "[\"null\",\"L\"]}]}");
	struct registry_why why;
	struct text joined;

	assert_true(registry_join(list, &list, 1, &arena, &joined, &why));
	assert_text(joined, "{\"name\":\"L\",\"namespace\":\"\",\"type\":\"record\",\"fields\":[{\"name\":\"next\","
			    "\"type\":[\"null\",\"L\"]}]}");
}

static void references_of_no_use_are_refused(void **state)
{
	(void)state;
	struct registry_why why;
	struct text joined;
	const struct text wrong[] = {TEXT_LITERAL("\"int\""), TEXT_LITERAL("{"), TEXT_LITERAL("{\"type\":\"record\"}")};

	assert_false(registry_join(TEXT_LITERAL("{"), NULL, 0, &arena, &joined, &why));
	assert_string_equal(why.text, "a schema with references is not JSON");
	for (size_t i = 0; i < 3; i++) {
		assert_false(registry_join(TEXT_LITERAL("\"int\""), &wrong[i], 1, &arena, &joined, &why));
		assert_string_equal(why.text, "what it refers to is no record, enum or fixed");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_schema_is_read_with_what_it_refers_to),
		cmocka_unit_test(answers_that_are_none_say_why),
		cmocka_unit_test(an_answer_is_bounded),
		cmocka_unit_test(an_id_is_a_whole_number_above_zero),
		cmocka_unit_test(an_error_has_a_code_and_words_that_can_be_shown),
		cmocka_unit_test(references_become_part_of_the_schema_where_they_are_first_used),
		cmocka_unit_test(a_schema_that_refers_to_itself_ends),
		cmocka_unit_test(references_of_no_use_are_refused),
	};
	return cmocka_run_group_tests_name("registry answer", tests, begin, end);
}
