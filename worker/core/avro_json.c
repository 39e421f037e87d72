/* SPDX-License-Identifier: Apache-2.0 */
#include "avro_json.h"

#include <stdio.h>

#include "avro_cursor.h"
#include "canonical.h"
#include "json_write.h"

struct printer {
	struct cursor cursor;
	struct cursor_notes notes;
	struct buffer buffer;
	unsigned depth;
};

static bool print_value(struct printer *printer, const struct schema *schema);

/* As the plan counts them: the record itself, and its fields that take no bytes. */
static size_t count_empty(const struct schema *schema)
{
	size_t count = 1;
	for (size_t i = 0; i < schema->count; i++) {
		const struct schema *field = schema->fields[i].schema;
		count += field->type == SCHEMA_NULL || (field->type == SCHEMA_FIXED && field->size == 0);
	}
	return count;
}

static bool print_record(struct printer *printer, const struct schema *schema)
{
	if (!cursor_take_empty(&printer->cursor, count_empty(schema)))
		return false;
	buffer_put_byte(&printer->buffer, '{');
	for (size_t i = 0; i < schema->count; i++) {
		json_put_name(&printer->buffer, schema->fields[i].name);
		if (!print_value(printer, schema->fields[i].schema)) {
			if (!printer->notes.problem_field.data)
				printer->notes.problem_field = schema->fields[i].name;
			return false;
		}
	}
	buffer_put_byte(&printer->buffer, '}');
	return true;
}

static bool print_name(struct printer *printer)
{
	struct text name;
	if (!cursor_take_sized(&printer->cursor, &name))
		return false;
	if (!text_is_storable(name))
		return cursor_refuse(&printer->cursor, "has a name that is not UTF-8, or has a NUL");
	json_put_name(&printer->buffer, name);
	return true;
}

static bool print_items(struct printer *printer, const struct schema *schema)
{
	bool is_map = schema->type == SCHEMA_MAP;
	size_t count, printed = 0;
	buffer_put_byte(&printer->buffer, is_map ? '{' : '[');
	do {
		if (!cursor_take_block(&printer->cursor, &count))
			return false;
		for (size_t i = 0; i < count; i++, printed++) {
			if (!is_map && printed > 0)
				buffer_put_byte(&printer->buffer, ',');
			if ((is_map && !print_name(printer)) || !print_value(printer, schema->items))
				return false;
		}
	} while (count > 0);
	buffer_put_byte(&printer->buffer, is_map ? '}' : ']');
	return true;
}

static bool print_decimal(struct printer *printer, const struct schema *schema)
{
	struct text bytes;
	credit_t amount;
	if (schema->type == SCHEMA_FIXED ? !cursor_take_bytes(&printer->cursor, schema->size, &bytes)
					 : !cursor_take_sized(&printer->cursor, &bytes))
		return false;
	if (!credit_from_bytes((const uint8_t *)bytes.data, bytes.size, schema->scale, &amount))
		return cursor_refuse(&printer->cursor, "is out of range");
	json_put_credit(&printer->buffer, amount);
	return true;
}

static bool print_instant(struct printer *printer, const struct schema *schema)
{
	instant_t instant;
	int64_t unit = schema->logical == LOGICAL_TIMESTAMP_MILLIS ? INSTANT_MILLISECOND : 1;
	if (!cursor_take_long(&printer->cursor, &instant))
		return false;
	if (__builtin_mul_overflow(instant, unit, &instant) || instant < INSTANT_MIN || instant > INSTANT_MAX)
		return cursor_refuse(&printer->cursor, "is outside of the years 0001-9999");
	json_put_instant(&printer->buffer, instant);
	return true;
}

static bool print_string(struct printer *printer)
{
	struct text text;
	if (!cursor_take_sized(&printer->cursor, &text))
		return false;
	if (!text_is_storable(text))
		return cursor_refuse(&printer->cursor, "is not UTF-8, or has a NUL");
	json_put_string(&printer->buffer, text);
	return true;
}

/* Bytes as Avro's own JSON has them: each a character of ISO 8859-1. */
static bool print_bytes(struct printer *printer, const struct schema *schema)
{
	struct text bytes;
	if (schema->type == SCHEMA_FIXED ? !cursor_take_bytes(&printer->cursor, schema->size, &bytes)
					 : !cursor_take_sized(&printer->cursor, &bytes))
		return false;
	buffer_put_byte(&printer->buffer, '"');
	for (size_t i = 0; i < bytes.size; i++) {
		char *at = buffer_reserve(&printer->buffer, 8);
		printer->buffer.size += (size_t)snprintf(at, 8, "\\u%04x", (unsigned)(uint8_t)bytes.data[i]);
	}
	buffer_put_byte(&printer->buffer, '"');
	return true;
}

static bool print_real(struct printer *printer, const struct schema *schema)
{
	double value;
	bool is_float = schema->type == SCHEMA_FLOAT;
	if (is_float ? !cursor_take_float(&printer->cursor, &value) : !cursor_take_double(&printer->cursor, &value))
		return false;
	if (!canonical_put_double(&printer->buffer, value))
		buffer_put_text(&printer->buffer, TEXT_LITERAL("null"));
	return true;
}

static bool print_integer(struct printer *printer, const struct schema *schema)
{
	int64_t value;
	if (schema->type == SCHEMA_INT ? !cursor_take_int(&printer->cursor, &value)
				       : !cursor_take_long(&printer->cursor, &value))
		return false;
	json_put_integer(&printer->buffer, value);
	return true;
}

static bool print_boolean(struct printer *printer)
{
	bool value;
	if (!cursor_take_boolean(&printer->cursor, &value))
		return false;
	buffer_put_text(&printer->buffer, value ? TEXT_LITERAL("true") : TEXT_LITERAL("false"));
	return true;
}

static bool print_enum(struct printer *printer, const struct schema *schema)
{
	size_t index;
	if (!cursor_take_index(&printer->cursor, schema->count, &index))
		return false;
	json_put_string(&printer->buffer, schema->symbols[index]);
	return true;
}

static bool print_plain(struct printer *printer, const struct schema *schema)
{
	size_t index;
	switch (schema->type) {
	case SCHEMA_NULL:
		buffer_put_text(&printer->buffer, TEXT_LITERAL("null"));
		return true;
	case SCHEMA_BOOLEAN:
		return print_boolean(printer);
	case SCHEMA_INT:
	case SCHEMA_LONG:
		return print_integer(printer, schema);
	case SCHEMA_FLOAT:
	case SCHEMA_DOUBLE:
		return print_real(printer, schema);
	case SCHEMA_BYTES:
	case SCHEMA_FIXED:
		return print_bytes(printer, schema);
	case SCHEMA_STRING:
		return print_string(printer);
	case SCHEMA_ENUM:
		return print_enum(printer, schema);
	case SCHEMA_RECORD:
		return print_record(printer, schema);
	case SCHEMA_ARRAY:
	case SCHEMA_MAP:
		return print_items(printer, schema);
	case SCHEMA_UNION:
		return cursor_take_index(&printer->cursor, schema->count, &index) &&
		       print_value(printer, schema->branches[index]);
	}
	return false;
}

static bool print_value(struct printer *printer, const struct schema *schema)
{
	if (schema->logical == LOGICAL_DECIMAL)
		return print_decimal(printer, schema);
	if (schema->logical != LOGICAL_NONE)
		return print_instant(printer, schema);
	if (printer->depth == CURSOR_DEPTH_MAX)
		return cursor_refuse(&printer->cursor, "is nested too deep");
	printer->depth++;
	bool ok = print_plain(printer, schema);
	printer->depth--;
	return ok;
}

bool avro_to_json(const struct schema *schema, struct text bytes, struct arena *arena, struct text *ret_json,
	struct defect *ret_defect)
{
	struct printer printer;
	printer.cursor = cursor_of(bytes, &printer.notes);
	printer.depth = 0;
	buffer_init(&printer.buffer, arena);
	if (!print_value(&printer, schema))
		return defect_fill(ret_defect, "malformed_avro", "%.*s %s", TEXT_ARGS(printer.notes.problem_field),
			printer.notes.problem);
	if (printer.cursor.at != printer.cursor.end)
		return defect_fill(ret_defect, "malformed_avro", "%td bytes follow the record",
			printer.cursor.end - printer.cursor.at);
	*ret_json = buffer_finish(&printer.buffer);
	return true;
}
