/* SPDX-License-Identifier: Apache-2.0 */
#include "avro_schema.h"
#include "drawdown/hash.h"
#include "json_write.h"

/* A named type that was written: the second time its name is enough. */
struct written {
	const struct schema *schema;
	const struct written *next;
};

struct writer {
	struct buffer buffer;
	const struct written *written;
};

static void put_canonical(struct writer *writer, const struct schema *schema);

static bool put_name_if_written(struct writer *writer, const struct schema *schema)
{
	for (const struct written *written = writer->written; written; written = written->next) {
		if (text_equal(written->schema->name, schema->name)) {
			json_put_string(&writer->buffer, schema->name);
			return true;
		}
	}
	struct written *written = arena_alloc(writer->buffer.arena, sizeof *written);
	*written = (struct written){schema, writer->written};
	writer->written = written;
	return false;
}

static void put_fields(struct writer *writer, const struct schema *schema)
{
	json_put_name(&writer->buffer, TEXT_LITERAL("fields"));
	buffer_put_byte(&writer->buffer, '[');
	for (size_t i = 0; i < schema->count; i++) {
		buffer_put_text(&writer->buffer, i ? TEXT_LITERAL(",{") : TEXT_LITERAL("{"));
		json_put_string_field(&writer->buffer, TEXT_LITERAL("name"), schema->fields[i].name);
		json_put_name(&writer->buffer, TEXT_LITERAL("type"));
		put_canonical(writer, schema->fields[i].schema);
		buffer_put_byte(&writer->buffer, '}');
	}
	buffer_put_byte(&writer->buffer, ']');
}

static void put_symbols(struct writer *writer, const struct schema *schema)
{
	json_put_name(&writer->buffer, TEXT_LITERAL("symbols"));
	buffer_put_byte(&writer->buffer, '[');
	for (size_t i = 0; i < schema->count; i++) {
		if (i > 0)
			buffer_put_byte(&writer->buffer, ',');
		json_put_string(&writer->buffer, schema->symbols[i]);
	}
	buffer_put_byte(&writer->buffer, ']');
}

static void put_union(struct writer *writer, const struct schema *schema)
{
	buffer_put_byte(&writer->buffer, '[');
	for (size_t i = 0; i < schema->count; i++) {
		if (i > 0)
			buffer_put_byte(&writer->buffer, ',');
		put_canonical(writer, schema->branches[i]);
	}
	buffer_put_byte(&writer->buffer, ']');
}

static void put_items(struct writer *writer, const struct schema *schema)
{
	buffer_put_byte(&writer->buffer, '{');
	json_put_string_field(&writer->buffer, TEXT_LITERAL("type"), text_of(schema_type_name(schema->type)));
	json_put_name(&writer->buffer, schema->type == SCHEMA_MAP ? TEXT_LITERAL("values") : TEXT_LITERAL("items"));
	put_canonical(writer, schema->items);
	buffer_put_byte(&writer->buffer, '}');
}

static void put_named(struct writer *writer, const struct schema *schema)
{
	if (put_name_if_written(writer, schema))
		return;
	buffer_put_byte(&writer->buffer, '{');
	json_put_string_field(&writer->buffer, TEXT_LITERAL("name"), schema->name);
	json_put_string_field(&writer->buffer, TEXT_LITERAL("type"), text_of(schema_type_name(schema->type)));
	if (schema->type == SCHEMA_RECORD)
		put_fields(writer, schema);
	else if (schema->type == SCHEMA_ENUM)
		put_symbols(writer, schema);
	else
		json_put_integer_field(&writer->buffer, TEXT_LITERAL("size"), (int64_t)schema->size);
	buffer_put_byte(&writer->buffer, '}');
}

static void put_canonical(struct writer *writer, const struct schema *schema)
{
	switch (schema->type) {
	case SCHEMA_RECORD:
	case SCHEMA_ENUM:
	case SCHEMA_FIXED:
		put_named(writer, schema);
		break;
	case SCHEMA_ARRAY:
	case SCHEMA_MAP:
		put_items(writer, schema);
		break;
	case SCHEMA_UNION:
		put_union(writer, schema);
		break;
	default:
		json_put_string(&writer->buffer, text_of(schema_type_name(schema->type)));
	}
}

struct text schema_canonical(const struct schema *schema, struct arena *arena)
{
	struct writer writer = {0};
	buffer_init(&writer.buffer, arena);
	put_canonical(&writer, schema);
	return buffer_finish(&writer.buffer);
}

uint64_t schema_fingerprint(const struct schema *schema, struct arena *arena)
{
	return hash_crc64_avro(schema_canonical(schema, arena));
}
