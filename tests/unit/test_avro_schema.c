/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: schemas are read with their logical types, and their canonical form and fingerprint are those of others.
 * Method: examples of the Avro specification; the embedded schemas against fingerprints.txt, written by fastavro.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../worker/core/avro_schema.h"
#include "avro_files.h"

static struct arena arena;

static int set_up(void **state)
{
	(void)state;
	arena_init(&arena, 64 * 1024);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static const struct schema *parse(const char *json)
{
	struct schema_error error = {""};
	const struct schema *schema = schema_parse(text_of(json), &arena, &error);
	if (!schema)
		print_error("%s\n", error.text);
	assert_non_null(schema);
	return schema;
}

static void the_canonical_form_keeps_only_what_counts(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		const char *canonical;
	} cases[] = {
		{"\"int\"", "\"int\""},
		{"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4}", "\"bytes\""},
		{"[\"null\" , {\"type\":\"string\"}]", "[\"null\",\"string\"]"},
		{"{\"type\":\"array\",\"items\":\"long\",\"default\":[]}", "{\"type\":\"array\",\"items\":\"long\"}"},
		{"{\"type\":\"map\",\"values\":{\"type\":\"map\",\"values\":\"int\"}}",
			"{\"type\":\"map\",\"values\":{\"type\":\"map\",\"values\":\"int\"}}"},
		{"{\"type\":\"fixed\",\"size\":15,\"name\":\"foo\",\"doc\":\"d\"}",
			"{\"name\":\"foo\",\"type\":\"fixed\",\"size\":15}"},
		{"{\"symbols\":[\"A1\",\"B\"],\"type\":\"enum\",\"namespace\":\"x.y\",\"name\":\"foo\"}",
			"{\"name\":\"x.y.foo\",\"type\":\"enum\",\"symbols\":[\"A1\",\"B\"]}"},
		{"{\"type\":\"record\",\"name\":\"a.b.C\",\"aliases\":[\"D\"],\"fields\":[{\"default\":1,\"type\":{"
		 "\"type\":"
		 "\"fixed\",\"name\":\"F\",\"size\":2},\"name\":\"f\"},{\"name\":\"g\",\"type\":\"F\"},{\"name\":\"h\","
		 "\"type\":"
		 "[\"null\",\"a.b.C\"]}]}",
			"{\"name\":\"a.b.C\",\"type\":\"record\",\"fields\":[{\"name\":\"f\",\"type\":{\"name\":\"a.b."
			"F\",\"type\":"
			"\"fixed\",\"size\":2}},{\"name\":\"g\",\"type\":\"a.b.F\"},{\"name\":\"h\",\"type\":[\"null\","
			"\"a.b.C\"]}]}"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct text canonical = schema_canonical(parse(cases[i].json), &arena);
		assert_int_equal(canonical.size, strlen(cases[i].canonical));
		assert_memory_equal(canonical.data, cases[i].canonical, canonical.size);
	}
}

static void the_embedded_schemas_have_the_fingerprints_of_fastavro(void **state)
{
	(void)state;
	FILE *file = fopen(SOURCE_DIR "/proto/golden/fingerprints.txt", "r");
	assert_non_null(file);
	static char line[8192];
	size_t count = 0;
	for (; fgets(line, sizeof line, file); count++) {
		assert_true(count < avro_files_count);
		struct schema_error error;
		const struct schema *schema =
			schema_parse((struct text){avro_files[count].text, avro_files[count].size}, &arena, &error);
		assert_non_null(schema);
		struct text canonical = schema_canonical(schema, &arena);
		assert_int_equal(strlen(line), 16 + 1 + canonical.size + 1);
		assert_memory_equal(line + 17, canonical.data, canonical.size);
		char hex[17];
		uint64_t fingerprint = schema_fingerprint(schema, &arena);
		for (size_t i = 0; i < 8; i++)
			(void)snprintf(hex + 2 * i, 3, "%02x", (unsigned)(fingerprint >> 8 * i & 0xff));
		assert_memory_equal(line, hex, 16);
	}
	assert_int_equal(count, avro_files_count);
	assert_int_equal(fclose(file), 0);
}

static void logical_types_are_kept_where_they_fit(void **state)
{
	(void)state;
	const struct schema *decimal =
		parse("{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":38,\"scale\":12}");
	assert_int_equal(decimal->logical, LOGICAL_DECIMAL);
	assert_int_equal(decimal->scale, 12);
	assert_int_equal(parse("{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4}")->scale, 0);
	assert_int_equal(
		parse("{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}")->logical, LOGICAL_TIMESTAMP_MICROS);
	assert_int_equal(
		parse("{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}")->logical, LOGICAL_TIMESTAMP_MILLIS);
	static const char *const plain[] = {
		"{\"type\":\"int\",\"logicalType\":\"timestamp-micros\"}",
		"{\"type\":\"string\",\"logicalType\":\"decimal\",\"precision\":4}",
		"{\"type\":\"bytes\",\"logicalType\":\"decimal\"}",
		"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":0}",
		"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":5}",
		"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":-1}",
		"{\"type\":\"long\",\"logicalType\":\"unheard-of\"}",
		"\"long\"",
	};
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		assert_int_equal(parse(plain[i])->logical, LOGICAL_NONE);
	const struct schema *record =
		parse("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":{\"type\":"
		      "\"fixed\",\"name\":\"F\",\"size\":8,\"logicalType\":\"decimal\",\"precision\":9}},"
		      "{\"name\":\"b\",\"type\":\"F\"}]}");
	assert_int_equal(record->fields[1].schema->logical, LOGICAL_DECIMAL);
}

static void what_is_no_schema_is_refused(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"",
		"{",
		"\"nothing\"",
		"{}",
		"7",
		"{\"type\":\"record\",\"name\":\"A\"}",
		"{\"type\":\"enum\",\"name\":\"A\"}",
		"{\"type\":\"fixed\",\"name\":\"A\"}",
		"{\"type\":\"array\"}",
		"{\"type\":\"map\"}",
		"{\"type\":\"record\",\"fields\":[]}",
		"{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"a\"}]}",
		"{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"a\",\"type\":\"B\"}]}",
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct schema_error error = {""};
		assert_null(schema_parse(text_of(cases[i]), &arena, &error));
		assert_int_not_equal(error.text[0], '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_canonical_form_keeps_only_what_counts),
		cmocka_unit_test(the_embedded_schemas_have_the_fingerprints_of_fastavro),
		cmocka_unit_test(logical_types_are_kept_where_they_fit),
		cmocka_unit_test(what_is_no_schema_is_refused),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
