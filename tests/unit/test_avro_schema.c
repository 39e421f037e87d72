/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: schemas are read with their logical types, names and aliases; hostile ones are refused; and their canonical
 * form and fingerprint are those of others. Method: examples of the Avro specification; the embedded schemas against
 * fingerprints.txt, written by fastavro.
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
	static const char *const other[] = {
		"{\"type\":\"int\",\"logicalType\":\"timestamp-micros\"}",
		"{\"type\":\"string\",\"logicalType\":\"decimal\",\"precision\":4}",
		"{\"type\":\"bytes\",\"logicalType\":\"decimal\"}",
		"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":0}",
		"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":5}",
		"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":4,\"scale\":-1}",
		"{\"type\":\"long\",\"logicalType\":\"unheard-of\"}",
	};
	for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
		assert_int_equal(parse(other[i])->logical, LOGICAL_OTHER);
	assert_int_equal(parse("\"long\"")->logical, LOGICAL_NONE);
	assert_int_equal(parse("{\"type\":\"long\",\"doc\":\"\"}")->logical, LOGICAL_NONE);
	const struct schema *record =
		parse("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":{\"type\":"
		      "\"fixed\",\"name\":\"F\",\"size\":8,\"logicalType\":\"decimal\",\"precision\":9}},"
		      "{\"name\":\"b\",\"type\":\"F\"}]}");
	assert_int_equal(record->fields[1].schema->logical, LOGICAL_DECIMAL);
}

#define RECORD(fields) "{\"type\":\"record\",\"name\":\"A\",\"fields\":[" fields "]}"
#define INVALID_NAME "the schema has a type with an invalid name"
#define NOT_JSON "the schema is not JSON, or nested deeper than 64 levels"

static void assert_refused(struct text json, const char *why)
{
	struct schema_error error = {""};
	assert_null(schema_parse(json, &arena, &error));
	assert_string_equal(error.text, why);
}

static void what_is_no_schema_is_refused(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"", NOT_JSON},
		{"{", NOT_JSON},
		{"\"int\" 7", NOT_JSON},
		{"{}", "the schema has a type that is not named"},
		{"7", "the schema has a type that is neither a name, a union nor an object"},
		{"null", "the schema has a type that is neither a name, a union nor an object"},
		{"\"nothing\"", "the schema has an unknown type nothing"},
		{"\"\"", INVALID_NAME},
		{"\"a b\"", INVALID_NAME},
		{"[]", "the schema has a union without branches"},
		{"[\"null\",[\"int\"]]", "the schema has a union in a union"},
		{"[\"int\",\"int\"]", "the schema has a union with a type twice"},
		{"[{\"type\":\"map\",\"values\":\"int\"},{\"type\":\"map\",\"values\":\"long\"}]",
			"the schema has a union with a type twice"},
		{"{\"type\":\"record\",\"name\":\"A\"}", "A has no fields"},
		{"{\"type\":\"record\",\"name\":\"A\",\"fields\":{}}", "A has no fields"},
		{"{\"type\":\"enum\",\"name\":\"A\"}", "A has no symbols"},
		{"{\"type\":\"enum\",\"name\":\"A\",\"symbols\":[]}", "A has no symbols"},
		{"{\"type\":\"enum\",\"name\":\"A\",\"symbols\":[\"a\",\"a\"]}",
			"A has a symbol that is invalid or there twice"},
		{"{\"type\":\"enum\",\"name\":\"A\",\"symbols\":[7]}", "A has a symbol that is invalid or there twice"},
		{"{\"type\":\"enum\",\"name\":\"A\",\"symbols\":[\"a-b\"]}",
			"A has a symbol that is invalid or there twice"},
		{"{\"type\":\"fixed\",\"name\":\"A\"}", "A has no size"},
		{"{\"type\":\"fixed\",\"name\":\"A\",\"size\":-1}", "A has no size"},
		{"{\"type\":\"fixed\",\"name\":\"A\",\"size\":1e30}", "A has no size"},
		{"{\"type\":\"array\"}", "the schema has an array without items"},
		{"{\"type\":\"map\"}", "the schema has a map without values"},
		{"{\"type\":\"record\",\"fields\":[]}", INVALID_NAME},
		{"{\"type\":\"record\",\"name\":\"int\",\"fields\":[]}", INVALID_NAME},
		{"{\"type\":\"record\",\"name\":\"1a\",\"fields\":[]}", INVALID_NAME},
		{"{\"type\":\"record\",\"name\":\"a..b\",\"fields\":[]}", INVALID_NAME},
		{"{\"type\":\"record\",\"name\":\"a\",\"namespace\":\"b.\",\"fields\":[]}", INVALID_NAME},
		{"{\"type\":\"record\",\"name\":7,\"fields\":[]}", INVALID_NAME},
		{RECORD("7"), "A has a field without a valid name or a type"},
		{RECORD("{\"name\":\"a\"}"), "A has a field without a valid name or a type"},
		{RECORD("{\"name\":\"\",\"type\":\"int\"}"), "A has a field without a valid name or a type"},
		{RECORD("{\"name\":\"a.b\",\"type\":\"int\"}"), "A has a field without a valid name or a type"},
		{RECORD("{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"a\",\"type\":\"int\"}"),
			"A has a field a twice"},
		{RECORD("{\"name\":\"a\",\"type\":\"B\"}"), "the schema has an unknown type B"},
		{RECORD("{\"name\":\"a\",\"type\":" RECORD("") "}"), "the schema defines A twice"},
		/* a reader of JSON takes the first, another the last */
		{RECORD("{\"name\":\"a\",\"type\":\"int\",\"type\":\"string\"}"),
			"the schema has an attribute twice in one place"},
		{"{\"type\":\"int\",\"type\":\"string\"}", "the schema has an attribute twice in one place"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_refused(text_of(cases[i][0]), cases[i][1]);
}

static struct text repeat(const char *piece, size_t count)
{
	size_t size = strlen(piece);
	char *bytes = arena_alloc(&arena, size * count);
	for (size_t i = 0; i < count; i++)
		memcpy(bytes + i * size, piece, size);
	return (struct text){bytes, size * count};
}

static struct text numbered(const char *begin, const char *format, size_t count, const char *end)
{
	char *bytes = arena_alloc(&arena, 64 + count * 64);
	size_t size = (size_t)snprintf(bytes, 64, "%s", begin);
	for (size_t i = 0; i < count; i++) {
		bytes[size] = ',';
		size += i > 0;
		for (const char *at = format; *at; at++) {
			if (*at != '#')
				bytes[size++] = *at;
			else
				size += (size_t)snprintf(bytes + size, 8, "%zu", i);
		}
	}
	size += (size_t)snprintf(bytes + size, 16, "%s", end);
	return (struct text){bytes, size};
}

/* What is too much for us, avro-c never sees. */
static void hostile_schemas_are_bounded(void **state)
{
	(void)state;
	struct text spaces = repeat(" ", 256 * 1024);
	assert_refused(arena_format(&arena, "%.*s7", TEXT_ARGS(spaces)), "the schema takes more than 262144 bytes");
	assert_refused(repeat("[", 200000), NOT_JSON);
	assert_refused(repeat("{\"type\":", 20000), NOT_JSON);
	assert_refused(arena_format(&arena, "%.*s\"int\"%.*s", TEXT_ARGS(repeat("{\"type\":\"array\",\"items\":", 65)),
			       TEXT_ARGS(repeat("}", 65))),
		NOT_JSON);
	const char *many = "the schema has more than 4096 fields and other parts";
	const char *begin = "{\"type\":\"record\",\"name\":\"A\",\"fields\":[";
	assert_refused(numbered(begin, "{\"name\":\"f#\",\"type\":\"int\"}", 4097, "]}"), many);
	assert_refused(numbered("{\"type\":\"enum\",\"name\":\"A\",\"symbols\":[", "\"s#\"", 4097, "]}"), many);
	assert_refused(
		numbered("{\"type\":\"fixed\",\"size\":1,\"name\":\"A\",\"aliases\":[", "\"s#\"", 4097, "]}"), many);
	assert_refused(numbered("[", "{\"type\":\"fixed\",\"size\":1,\"name\":\"F#\"}", 4097, "]"), many);
	assert_refused(numbered("{\"type\":\"int\",", "\"a#\":1", 256, "}"),
		"the schema has more than 256 attributes in one place");
	assert_refused(
		arena_format(&arena, "{\"type\":\"fixed\",\"size\":1,\"name\":\"%.*s\"}", TEXT_ARGS(repeat("a", 513))),
		INVALID_NAME);
	assert_refused(arena_format(&arena, "{\"type\":\"fixed\",\"size\":1,\"name\":\"b\",\"namespace\":\"%.*s\"}",
			       TEXT_ARGS(repeat("a", 511))),
		INVALID_NAME);
	assert_refused((struct text){"{\"type\":\"int\",\"doc\":\"\0\"}", 23}, NOT_JSON);
	assert_refused(TEXT_LITERAL("{\"type\":\"int\",\"doc\":\"\xff\"}"), NOT_JSON);
	/* as large as may be */
	struct schema_error error;
	assert_non_null(
		schema_parse(numbered(begin, "{\"name\":\"f#\",\"type\":\"int\"}", 4000, "]}"), &arena, &error));
	assert_non_null(schema_parse(
		arena_format(&arena, "%.*s\"int\"%.*s", TEXT_ARGS(repeat("{\"type\":\"array\",\"items\":", 64)),
			TEXT_ARGS(repeat("}", 64))),
		&arena, &error));
}

static void what_avro_c_refuses_is_refused(void **state)
{
	(void)state;
	assert_refused(
		TEXT_LITERAL("{\"type\":\"int\",\"doc\":\"\\u0000\"}"), "the schema is not valid: avro-c refuses it");
}

static void names_are_resolved_in_their_namespace(void **state)
{
	(void)state;
	const struct schema *record = parse(
		"{\"type\":\"record\",\"name\":\"A\",\"namespace\":\"x.y\",\"aliases\":[\"B\",\"z.C\"],\"fields\":["
		"{\"name\":\"a\",\"aliases\":[\"b\",\"c\"],\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}},"
		"{\"name\":\"d\",\"default\":null,\"type\":[\"null\",\"x.y.F\"]},{\"name\":\"e\",\"type\":\"F\"}]}");
	assert_true(text_equal(record->name, TEXT_LITERAL("x.y.A")));
	assert_int_equal(record->aliases.count, 2);
	assert_true(text_equal(record->aliases.names[0], TEXT_LITERAL("x.y.B")));
	assert_true(text_equal(record->aliases.names[1], TEXT_LITERAL("z.C")));
	assert_int_equal(record->fields[0].aliases.count, 2);
	assert_true(text_equal(record->fields[0].aliases.names[1], TEXT_LITERAL("c")));
	assert_false(record->fields[0].has_default);
	assert_true(record->fields[1].has_default);
	assert_ptr_equal(record->fields[2].schema, record->fields[0].schema);
	assert_ptr_equal(record->fields[1].schema->branches[1], record->fields[0].schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_canonical_form_keeps_only_what_counts),
		cmocka_unit_test(the_embedded_schemas_have_the_fingerprints_of_fastavro),
		cmocka_unit_test(logical_types_are_kept_where_they_fit),
		cmocka_unit_test(what_is_no_schema_is_refused),
		cmocka_unit_test(hostile_schemas_are_bounded),
		cmocka_unit_test(what_avro_c_refuses_is_refused),
		cmocka_unit_test(names_are_resolved_in_their_namespace),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
