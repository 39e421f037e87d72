/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: whatever schema a producer writes with, its valid records are read as avro-c reads them, and no other bytes
 * do harm.
 * Method: the input chooses a schema and a record of it (writer.h). The valid bytes are compared with what avro-c's
 * generic reader makes of them, field by field; then they are cut at every byte and changed in many ways, which
 * avro-c must not see.
 */
#include <assert.h>
#include <avro.h>

#include "../../worker/core/avro_plan.h"
#include "avro_files.h"
#include "fuzz.h"
#include "writer.h"

#define CUTS_MAX 128

static struct fields fields;

/* Our own schema of a kind. */
static const struct schema *reader_of(enum event_kind kind)
{
	static const char *const names[EVENT_KIND_COUNT] = {"Consume", "Grant", "Void", "ConfirmPayment", "Reverse",
		"Configure", "Reserve", "Settle", "Extend", "Release", "Advance"};
	static const struct schema *readers[EVENT_KIND_COUNT];
	static struct arena arena;
	struct schema_error error;
	if (!arena.block_size)
		arena_init(&arena, 64 * 1024);
	for (size_t i = 0; i < avro_files_count && !readers[kind]; i++)
		if (strcmp(avro_files[i].name, names[kind]) == 0)
			readers[kind] =
				schema_parse((struct text){avro_files[i].text, avro_files[i].size}, &arena, &error);
	assert(readers[kind]);
	return readers[kind];
}

struct target {
	const struct plan *plan;
	enum event_kind kind;
};

static bool decode(
	void *context, struct arena *arena, struct text value, struct event *ret_event, struct defect *ret_defect)
{
	const struct target *target = context;
	return plan_run(target->plan, value, &fields, ret_defect) &&
	       event_of_fields(&fields, target->kind, arena, ret_event, ret_defect);
}

static credit_t power_of_ten(unsigned power)
{
	return power ? 10 * power_of_ten(power - 1) : 1;
}

/* The decimal of any size, by another way than credit_from_bytes. False: beyond the range of amounts. */
static bool read_decimal(const uint8_t *bytes, size_t size, unsigned scale, credit_t *ret_amount)
{
	credit_t amount = bytes[0] & 0x80 ? -1 : 0;
	if (size > 16 || scale > CREDIT_SCALE)
		return false;
	for (size_t i = 0; i < size; i++)
		amount = (credit_t)((unsigned __int128)amount * 256 + bytes[i]);
	credit_t limit = CREDIT_MAX / power_of_ten(CREDIT_SCALE - scale);
	if (amount > limit || amount < -limit)
		return false;
	*ret_amount = amount * power_of_ten(CREDIT_SCALE - scale);
	return true;
}

static void check_decimal(const struct value *value, const void *bytes, size_t size, unsigned scale)
{
	credit_t amount;
	if (!read_decimal(bytes, size, scale, &amount))
		assert(value->type == VALUE_CREDIT_RANGE);
	else
		assert(value->type == VALUE_CREDIT && value->credit == amount);
}

static void check_long(const struct value *value, int64_t number, enum schema_logical logical)
{
	int64_t unit = logical == LOGICAL_TIMESTAMP_MILLIS ? 1000 : 1;
	bool is_instant = logical == LOGICAL_TIMESTAMP_MILLIS || logical == LOGICAL_TIMESTAMP_MICROS;
	if (!is_instant) {
		assert(value->type == VALUE_INTEGER && value->integer == number);
		return;
	}
	assert(value->type == VALUE_INSTANT);
	if (number > INSTANT_MAX / unit || number < INSTANT_MIN / unit)
		assert(value->instant < INSTANT_MIN || value->instant > INSTANT_MAX);
	else
		assert(value->instant == number * unit);
}

static void check_value(const struct value *value, const struct schema *schema, avro_value_t *expected);

static void check_members(const struct members *members, const struct schema *item, avro_value_t *expected)
{
	size_t count;
	assert(avro_value_get_size(expected, &count) == 0);
	assert(count <= DECODE_DIMENSIONS_COUNT_MAX ? members->count == count
						    : members->count == DECODE_DIMENSIONS_COUNT_MAX + 1);
	for (size_t i = 0; i < count && i < DECODE_DIMENSIONS_COUNT_MAX; i++) {
		avro_value_t child;
		const char *name;
		assert(avro_value_get_by_index(expected, i, &child, &name) == 0);
		assert(text_equal(members->items[i].name, text_of(name)));
		check_value(&members->items[i].value, item, &child);
	}
}

/* Values of one type, as both have read them. */
static void check_value(const struct value *value, const struct schema *schema, avro_value_t *expected)
{
	const void *bytes;
	const char *string;
	size_t size;
	int32_t int_value;
	int64_t long_value;
	int boolean;
	double real;
	float narrow;
	avro_value_t branch;
	int index;

	switch (schema->type) {
	case SCHEMA_UNION:
		assert(avro_value_get_discriminant(expected, &index) == 0);
		assert(avro_value_get_current_branch(expected, &branch) == 0);
		check_value(value, schema->branches[index], &branch);
		break;
	case SCHEMA_NULL:
		assert(value->type == VALUE_ABSENT);
		break;
	case SCHEMA_BOOLEAN:
		assert(avro_value_get_boolean(expected, &boolean) == 0);
		assert(value->type == VALUE_BOOLEAN && value->boolean == boolean);
		break;
	case SCHEMA_INT:
		assert(avro_value_get_int(expected, &int_value) == 0);
		check_long(value, int_value, schema->logical);
		break;
	case SCHEMA_LONG:
		assert(avro_value_get_long(expected, &long_value) == 0);
		check_long(value, long_value, schema->logical);
		break;
	case SCHEMA_DOUBLE:
		assert(avro_value_get_double(expected, &real) == 0);
		assert(value->type == VALUE_DOUBLE && memcmp(&value->real, &real, sizeof real) == 0);
		break;
	case SCHEMA_STRING:
		assert(avro_value_get_string(expected, &string, &size) == 0);
		assert(value->type == VALUE_STRING);
		assert(text_equal(value->text, (struct text){string, size - 1})); /* avro-c counts a NUL of its own */
		break;
	case SCHEMA_ENUM:
		assert(avro_value_get_enum(expected, &index) == 0);
		assert(value->type == VALUE_STRING && text_equal(value->text, schema->symbols[index]));
		break;
	case SCHEMA_FLOAT:
		assert(avro_value_get_float(expected, &narrow) == 0);
		real = (double)narrow;
		assert(value->type == VALUE_DOUBLE && memcmp(&value->real, &real, sizeof real) == 0);
		break;
	case SCHEMA_BYTES:
		assert(avro_value_get_bytes(expected, &bytes, &size) == 0);
		if (schema->logical == LOGICAL_DECIMAL)
			check_decimal(value, bytes, size, schema->scale);
		else
			assert(value->type == VALUE_STRING && text_equal(value->text, (struct text){bytes, size}));
		break;
	case SCHEMA_FIXED:
		assert(avro_value_get_fixed(expected, &bytes, &size) == 0);
		check_decimal(value, bytes, size, schema->scale);
		break;
	default:
		break;
	}
}

/* The branch that was chosen, of a union. */
static const struct schema *chosen(const struct schema *schema, avro_value_t *value)
{
	int index;
	if (schema->type != SCHEMA_UNION)
		return schema;
	assert(avro_value_get_discriminant(value, &index) == 0);
	assert(avro_value_get_current_branch(value, value) == 0);
	return schema->branches[index];
}

static void check_cost(const struct schema *schema, avro_value_t *expected)
{
	for (size_t i = 0; i < schema->count; i++) {
		enum field field = field_find_in_cost(schema->fields[i].name);
		avro_value_t child;
		assert(avro_value_get_by_index(expected, i, &child, NULL) == 0);
		if (field != FIELD_NONE)
			check_value(&fields.values[field], schema->fields[i].schema, &child);
	}
}

static void check_field(enum field field, const struct schema *schema, avro_value_t *expected)
{
	size_t count;
	const struct schema *type = chosen(schema, expected);
	const struct value *value = &fields.values[field];
	switch (type->type) {
	case SCHEMA_MAP:
		assert(value->type == VALUE_MEMBERS);
		check_members(fields_members(&fields, field), type->items, expected);
		break;
	case SCHEMA_RECORD:
		assert(value->type == VALUE_OBJECT);
		check_cost(type, expected);
		break;
	case SCHEMA_ARRAY:
		assert(value->type == VALUE_LIST);
		assert(avro_value_get_size(expected, &count) == 0);
		assert(fields.thresholds.count == (count > THRESHOLDS_MAX ? THRESHOLDS_MAX + 1 : count));
		break;
	default:
		check_value(value, type, expected);
	}
}

static bool has_field(const struct schema *record, struct text name)
{
	for (size_t i = 0; i < record->count; i++)
		if (text_equal(record->fields[i].name, name))
			return true;
	return false;
}

/* What plan_run read into `fields` is what avro-c read. */
static void check_fields(const struct schema *schema, const struct schema *reader, avro_value_t *expected)
{
	for (size_t i = 0; i < schema->count; i++) {
		if (!has_field(reader, schema->fields[i].name))
			continue;
		enum field field = field_find(schema->fields[i].name);
		avro_value_t child;
		assert(avro_value_get_by_index(expected, i, &child, NULL) == 0);
		if (field != FIELD_NONE && field != FIELD_TYPE)
			check_field(field, schema->fields[i].schema, &child);
	}
}

static void compare_with_avro(
	const struct target *target, const struct schema *schema, struct text json, struct text bytes)
{
	avro_schema_t avro_schema;
	avro_value_t value;
	struct defect defect;
	assert(avro_schema_from_json_length(json.data, json.size, &avro_schema) == 0);
	avro_value_iface_t *class = avro_generic_class_from_schema(avro_schema);
	avro_reader_t reader = avro_reader_memory(bytes.data, (int64_t)bytes.size);
	assert(class && avro_generic_value_new(class, &value) == 0);
	assert(avro_value_read(reader, &value) == 0);
	assert(plan_run(target->plan, bytes, &fields, &defect));
	fuzz_decodes++;
	check_fields(schema, reader_of(target->kind), &value);
	avro_value_decref(&value);
	avro_reader_free(reader);
	avro_value_iface_decref(class);
	avro_schema_decref(avro_schema);
}

static void attack(struct target *target, struct text bytes)
{
	for (size_t size = bytes.size; size-- > 0 && bytes.size - size < CUTS_MAX;) {
		const struct fuzz_decoded *cut = fuzz_decode((struct text){bytes.data, size}, decode, target);
		assert(!cut->is_event && strcmp(cut->defect.reason, "malformed_avro") == 0);
	}
	fuzz_decode_mutants(bytes, decode, target);
}

static int run(struct choices *choices, struct arena *arena)
{
	struct writer writer;
	struct schema_error error;
	writer_make(choices, arena, &writer);
	const struct schema *schema = schema_parse(writer.schema, arena, &error);
	if (!schema)
		return -1; /* avro-c wants none of it: nothing to learn */
	struct target target = {plan_compile(schema, reader_of(writer.kind), arena, &error), writer.kind};
	if (!target.plan) {
		assert(error.text[0]);
		return 0;
	}
	struct text bytes = writer_put(&writer, choices, arena);
	compare_with_avro(&target, schema, writer.schema, bytes);
	(void)fuzz_decode(bytes, decode, &target);
	attack(&target, bytes);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arena arena;
	struct choices choices = {data, data + size};
	if (!arena.block_size)
		arena_init(&arena, 16 * 1024);
	arena_reset(&arena);
	return run(&choices, &arena);
}
