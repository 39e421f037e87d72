/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what another implementation writes by a schema of its own is the event that was meant.
 * Method: proto/golden/writers/ holds schemas, records of them and what they mean in our schemas, all made by fastavro
 * (make.py), whose resolution is the referee; where avro-c can resolve a schema, it is one too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <avro.h>
#include <cmocka.h>
#undef fail /* outcome.h has one too */

#include "../../worker/core/avro_plan.h"
#include "avro_files.h"
#include "decode_fixture.h"
#include "drawdown/encode.h"
#include "drawdown/json_tree.h"

#define CONFLUENT_HEADER_SIZE 5
#define SINGLE_OBJECT_HEADER_SIZE 10
#define FILE_SIZE_MAX 65536
#define WRITERS_MIN 30 /* fewer: the list was not read */
#define WRITERS_OF_AVRO_C_MIN 3

static struct text read_golden(struct text name, const char *extension)
{
	char path[512];
	(void)snprintf(path, sizeof path, SOURCE_DIR "/proto/golden/%.*s.%s", TEXT_ARGS(name), extension);
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	char *bytes = arena_alloc(&arena, FILE_SIZE_MAX);
	size_t size = fread(bytes, 1, FILE_SIZE_MAX, file);
	assert_int_equal(fclose(file), 0);
	assert_true(size < FILE_SIZE_MAX);
	return (struct text){bytes, size};
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

static void assert_same_event(struct text name, const struct event *event, const struct event *expected)
{
	struct text left = encode_event(&arena, event, FORMAT_JSON);
	struct text right = encode_event(&arena, expected, FORMAT_JSON);
	if (!text_equal(left, right))
		print_error("%.*s\n%.*s\n%.*s\n", TEXT_ARGS(name), TEXT_ARGS(left), TEXT_ARGS(right));
	assert_true(text_equal(left, right));
	assert_int_equal(event->kind, expected->kind);
	assert_true(hash128_equal(event->key_hash, expected->key_hash));
	assert_true(hash128_equal(event->fingerprint, expected->fingerprint));
}

static const struct json_node *first_writer(void)
{
	const struct json_node *list = json_tree_parse(read_golden(TEXT_LITERAL("writers"), "json"), &arena);
	assert_non_null(list);
	assert_true(list->children_count >= WRITERS_MIN);
	return list->first;
}

static struct text member(const struct json_node *writer, const char *name)
{
	const struct json_node *found = json_tree_find(writer, text_of(name));
	assert_non_null(found);
	return found->text;
}

static struct text path_of(const struct json_node *writer)
{
	return arena_format(&arena, "writers/%.*s", TEXT_ARGS(member(writer, "name")));
}

static struct text ours_of(const struct json_node *writer)
{
	for (size_t i = 0; i < avro_files_count; i++)
		if (text_equal(text_of(avro_files[i].name), member(writer, "reader")))
			return (struct text){avro_files[i].text, avro_files[i].size};
	print_error("no schema of ours\n");
	abort();
}

static void records_of_other_writers_are_what_was_meant(void **state)
{
	(void)state;
	uint64_t id = 1;
	for (const struct json_node *writer = first_writer(); writer; writer = writer->next, id++) {
		struct text name = path_of(writer);
		char why[DECODER_WHY_SIZE];
		assert_true(
			decoder_learn(decoder, (struct schema_ref){SCHEMA_REF_ID, id}, read_golden(name, "avsc"), why));
		assert_string_equal(why, "");
		struct event event = decode(read_golden(name, "avro"));
		struct event expected = decode(read_golden(name, "expected.avro"));
		assert_same_event(name, &event, &expected);
	}
}

/* Whatever lay where the fields are put. */
static void a_plan_sets_all_that_its_kind_looks_at(void **state)
{
	(void)state;
	for (const struct json_node *writer = first_writer(); writer; writer = writer->next) {
		struct text name = path_of(writer), value = read_golden(name, "avro");
		struct schema_error error = {""};
		struct event expected = decode(read_golden(name, "expected.avro")), event;
		struct defect defect;
		static struct fields fields;
		memset(&fields, 0x5a, sizeof fields);
		const struct plan *plan = plan_compile(schema_parse(read_golden(name, "avsc"), &arena, &error),
			schema_parse(ours_of(writer), &arena, &error), &arena, &error);
		assert_non_null(plan);
		value = (struct text){value.data + CONFLUENT_HEADER_SIZE, value.size - CONFLUENT_HEADER_SIZE};
		assert_true(plan_run(plan, value, &fields, &defect));
		assert_true(event_of_fields(&fields, expected.kind, &arena, &event, &defect));
		assert_same_event(name, &event, &expected);
	}
}

static void a_record_cut_off_anywhere_is_a_defect(void **state)
{
	(void)state;
	for (const struct json_node *writer = first_writer(); writer; writer = writer->next) {
		struct text value = read_golden(path_of(writer), "avro");
		for (size_t size = CONFLUENT_HEADER_SIZE; size < value.size; size++) {
			char *exact = malloc(size);
			assert_non_null(exact);
			memcpy(exact, value.data, size);
			struct event event;
			struct defect defect;
			assert_false(decode_event(decoder, &arena, (struct text){exact, size}, &event, &defect));
			assert_string_equal(defect.reason, "malformed_avro");
			free(exact);
		}
	}
}

/* The record as avro-c resolves it to our schema, in bytes of that. */
static struct text resolve_with_avro_c(struct text writer_json, struct text reader_json, struct text body)
{
	avro_schema_t writer, reader;
	assert_int_equal(avro_schema_from_json_length(writer_json.data, writer_json.size, &writer), 0);
	assert_int_equal(avro_schema_from_json_length(reader_json.data, reader_json.size, &reader), 0);
	avro_value_iface_t *resolver = avro_resolved_writer_new(writer, reader);
	avro_value_iface_t *class = avro_generic_class_from_schema(reader);
	if (!resolver)
		print_error("%s\n", avro_strerror());
	assert_non_null(resolver);
	assert_non_null(class);
	avro_value_t value, resolved;
	assert_int_equal(avro_generic_value_new(class, &value), 0);
	assert_int_equal(avro_resolved_writer_new_value(resolver, &resolved), 0);
	avro_resolved_writer_set_dest(&resolved, &value);
	avro_reader_t source = avro_reader_memory(body.data, (int64_t)body.size);
	assert_int_equal(avro_value_read(source, &resolved), 0);
	char *bytes = arena_alloc(&arena, FILE_SIZE_MAX);
	avro_writer_t sink = avro_writer_memory(bytes, FILE_SIZE_MAX);
	assert_int_equal(avro_value_write(sink, &value), 0);
	struct text written = {bytes, (size_t)avro_writer_tell(sink)};
	avro_writer_free(sink);
	avro_reader_free(source);
	avro_value_decref(&resolved);
	avro_value_decref(&value);
	avro_value_iface_decref(class);
	avro_value_iface_decref(resolver);
	avro_schema_decref(reader);
	avro_schema_decref(writer);
	return written;
}

static void avro_c_resolves_to_the_same(void **state)
{
	(void)state;
	size_t count = 0;
	for (const struct json_node *writer = first_writer(); writer; writer = writer->next) {
		if (!text_equal(member(writer, "avro_c"), TEXT_LITERAL("true")))
			continue;
		struct text name = path_of(writer), value = read_golden(name, "avro");
		struct text header = read_golden(name, "expected.avro");
		struct text body = resolve_with_avro_c(read_golden(name, "avsc"), ours_of(writer),
			(struct text){value.data + CONFLUENT_HEADER_SIZE, value.size - CONFLUENT_HEADER_SIZE});
		char *framed = arena_alloc(&arena, SINGLE_OBJECT_HEADER_SIZE + body.size);
		memcpy(framed, header.data, SINGLE_OBJECT_HEADER_SIZE);
		memcpy(framed + SINGLE_OBJECT_HEADER_SIZE, body.data, body.size);
		struct event expected = decode((struct text){framed, SINGLE_OBJECT_HEADER_SIZE + body.size});
		struct event event = decode(value);
		assert_same_event(name, &event, &expected);
		count++;
	}
	assert_true(count >= WRITERS_OF_AVRO_C_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_of_other_writers_are_what_was_meant),
		cmocka_unit_test(a_plan_sets_all_that_its_kind_looks_at),
		cmocka_unit_test(a_record_cut_off_anywhere_is_a_defect),
		cmocka_unit_test(avro_c_resolves_to_the_same),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
