/* SPDX-License-Identifier: Apache-2.0 */
#include "avro_schema.h"

#include <avro.h>
#include <stdarg.h>
#include <stdio.h>

#include "drawdown/credit.h"
#include "drawdown/hash.h"
#include "drawdown/json_tree.h"
#include "json_write.h"

static const struct text type_names[] = {
	[SCHEMA_NULL] = TEXT_CONSTANT("null"),
	[SCHEMA_BOOLEAN] = TEXT_CONSTANT("boolean"),
	[SCHEMA_INT] = TEXT_CONSTANT("int"),
	[SCHEMA_LONG] = TEXT_CONSTANT("long"),
	[SCHEMA_FLOAT] = TEXT_CONSTANT("float"),
	[SCHEMA_DOUBLE] = TEXT_CONSTANT("double"),
	[SCHEMA_BYTES] = TEXT_CONSTANT("bytes"),
	[SCHEMA_STRING] = TEXT_CONSTANT("string"),
	[SCHEMA_RECORD] = TEXT_CONSTANT("record"),
	[SCHEMA_ENUM] = TEXT_CONSTANT("enum"),
	[SCHEMA_FIXED] = TEXT_CONSTANT("fixed"),
	[SCHEMA_ARRAY] = TEXT_CONSTANT("array"),
	[SCHEMA_MAP] = TEXT_CONSTANT("map"),
	[SCHEMA_UNION] = TEXT_CONSTANT("union"),
};

const char *schema_type_name(enum schema_type type)
{
	return type_names[type].data;
}

/* A named type that was seen, so that it can be referred to. */
struct named {
	const struct schema *schema;
	const struct named *next;
};

struct parser {
	struct arena *arena;
	struct schema_error *error;
	const struct named *named;
	struct text namespace;
};

static const struct schema primitives[SCHEMA_PRIMITIVE_COUNT] = {
	{.type = SCHEMA_NULL},
	{.type = SCHEMA_BOOLEAN},
	{.type = SCHEMA_INT},
	{.type = SCHEMA_LONG},
	{.type = SCHEMA_FLOAT},
	{.type = SCHEMA_DOUBLE},
	{.type = SCHEMA_BYTES},
	{.type = SCHEMA_STRING},
};

static const struct schema *parse_node(struct parser *parser, const struct json_node *node);

__attribute__((format(printf, 2, 3))) static void *refuse(struct parser *parser, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(parser->error->text, sizeof parser->error->text, format, arguments);
	va_end(arguments);
	return NULL;
}

static struct text member_text(const struct json_node *object, struct text name)
{
	const struct json_node *node = json_tree_find(object, name);
	return node && node->type == JSON_STRING ? node->text : TEXT_NULL;
}

/* The place of the last dot, or 0. */
static size_t namespace_size(struct text name)
{
	size_t size = name.size;
	while (size > 0 && name.data[size - 1] != '.')
		size--;
	return size ? size - 1 : 0;
}

static struct text full_name(const struct parser *parser, struct text namespace, struct text name)
{
	if (memchr(name.data, '.', name.size) || namespace.size == 0)
		return name;
	return arena_format(parser->arena, "%.*s.%.*s", TEXT_ARGS(namespace), TEXT_ARGS(name));
}

static const struct schema *find_named(const struct parser *parser, struct text name)
{
	for (int type = 0; type < SCHEMA_PRIMITIVE_COUNT; type++)
		if (text_equal(name, type_names[type]))
			return &primitives[type];
	struct text full = full_name(parser, parser->namespace, name);
	for (const struct named *named = parser->named; named; named = named->next)
		if (text_equal(named->schema->name, full))
			return named->schema;
	return NULL;
}

static const struct schema *parse_reference(struct parser *parser, struct text name)
{
	const struct schema *schema = find_named(parser, name);
	return schema ? schema : refuse(parser, "unknown type %.*s", TEXT_ARGS(name));
}

static const struct schema *parse_union(struct parser *parser, const struct json_node *node)
{
	struct schema *schema = arena_zero_array(parser->arena, 1, sizeof *schema);
	schema->type = SCHEMA_UNION;
	schema->branches = arena_alloc_array(parser->arena, node->children_count, sizeof *schema->branches);
	for (const struct json_node *child = node->first; child; child = child->next) {
		const struct schema *branch = parse_node(parser, child);
		if (!branch)
			return NULL;
		schema->branches[schema->count++] = branch;
	}
	return schema->count ? schema : refuse(parser, "a union without branches");
}

/* Give the schema its name, and let it be referred to, also from within. */
static bool name_schema(struct parser *parser, const struct json_node *node, struct schema *schema)
{
	struct text name = member_text(node, TEXT_LITERAL("name"));
	if (!name.data || name.size == 0)
		return refuse(parser, "a type without a name");
	struct text namespace = member_text(node, TEXT_LITERAL("namespace"));
	schema->name = full_name(parser, namespace.data ? namespace : parser->namespace, name);
	if (find_named(parser, schema->name))
		return refuse(parser, "%.*s is defined twice", TEXT_ARGS(schema->name));
	struct named *named = arena_alloc(parser->arena, sizeof *named);
	*named = (struct named){schema, parser->named};
	parser->named = named;
	return true;
}

static bool parse_field(struct parser *parser, const struct json_node *node, struct schema *record)
{
	struct text name = member_text(node, TEXT_LITERAL("name"));
	const struct json_node *type = json_tree_find(node, TEXT_LITERAL("type"));
	if (!name.data || !type)
		return refuse(parser, "%.*s has a field without name or type", TEXT_ARGS(record->name));
	const struct schema *schema = parse_node(parser, type);
	record->fields[record->count++] = (struct schema_field){name, schema};
	return schema != NULL;
}

static const struct schema *parse_record(struct parser *parser, const struct json_node *node)
{
	struct schema *schema = arena_zero_array(parser->arena, 1, sizeof *schema);
	const struct json_node *fields = json_tree_find(node, TEXT_LITERAL("fields"));
	schema->type = SCHEMA_RECORD;
	if (!name_schema(parser, node, schema))
		return NULL;
	if (!fields || fields->type != JSON_ARRAY)
		return refuse(parser, "%.*s has no fields", TEXT_ARGS(schema->name));
	struct text outer = parser->namespace;
	parser->namespace = (struct text){schema->name.data, namespace_size(schema->name)};
	schema->fields = arena_alloc_array(parser->arena, fields->children_count, sizeof *schema->fields);
	for (const struct json_node *field = fields->first; field; field = field->next)
		if (!parse_field(parser, field, schema))
			return NULL;
	parser->namespace = outer;
	return schema;
}

static const struct schema *parse_enum(struct parser *parser, const struct json_node *node)
{
	struct schema *schema = arena_zero_array(parser->arena, 1, sizeof *schema);
	const struct json_node *symbols = json_tree_find(node, TEXT_LITERAL("symbols"));
	schema->type = SCHEMA_ENUM;
	if (!name_schema(parser, node, schema))
		return NULL;
	if (!symbols || symbols->type != JSON_ARRAY || symbols->children_count == 0)
		return refuse(parser, "%.*s has no symbols", TEXT_ARGS(schema->name));
	schema->symbols = arena_alloc_array(parser->arena, symbols->children_count, sizeof *schema->symbols);
	for (const struct json_node *symbol = symbols->first; symbol; symbol = symbol->next)
		schema->symbols[schema->count++] = symbol->text;
	return schema;
}

static bool parse_integer(const struct json_node *node, size_t maximum, size_t *ret_value)
{
	credit_t value;
	if (!node || node->type != JSON_NUMBER || credit_parse(node->text, &value) != CREDIT_PARSED || value < 0 ||
		value % CREDIT_ONE != 0 || value / CREDIT_ONE > (credit_t)maximum)
		return false;
	*ret_value = (size_t)(value / CREDIT_ONE);
	return true;
}

static const struct schema *parse_items(
	struct parser *parser, const struct json_node *node, enum schema_type type, struct text member)
{
	struct schema *schema = arena_zero_array(parser->arena, 1, sizeof *schema);
	const struct json_node *items = json_tree_find(node, member);
	schema->type = type;
	if (!items)
		return refuse(parser, "%s without %.*s", schema_type_name(type), TEXT_ARGS(member));
	schema->items = parse_node(parser, items);
	return schema->items ? schema : NULL;
}

/* A logical type that does not fit its type is passed over, as the specification says. */
static void set_logical(struct schema *schema, const struct json_node *node)
{
	struct text name = member_text(node, TEXT_LITERAL("logicalType"));
	size_t precision, scale = 0;
	if (schema->type == SCHEMA_LONG && text_equal(name, TEXT_LITERAL("timestamp-micros")))
		schema->logical = LOGICAL_TIMESTAMP_MICROS;
	if (schema->type == SCHEMA_LONG && text_equal(name, TEXT_LITERAL("timestamp-millis")))
		schema->logical = LOGICAL_TIMESTAMP_MILLIS;
	if ((schema->type == SCHEMA_BYTES || schema->type == SCHEMA_FIXED) &&
		text_equal(name, TEXT_LITERAL("decimal")) &&
		parse_integer(json_tree_find(node, TEXT_LITERAL("precision")), INT32_MAX, &precision) &&
		precision > 0 &&
		(!json_tree_find(node, TEXT_LITERAL("scale")) ||
			parse_integer(json_tree_find(node, TEXT_LITERAL("scale")), precision, &scale))) {
		schema->logical = LOGICAL_DECIMAL;
		schema->scale = (unsigned)scale;
	}
}

static const struct schema *parse_fixed(struct parser *parser, const struct json_node *node)
{
	struct schema *schema = arena_zero_array(parser->arena, 1, sizeof *schema);
	schema->type = SCHEMA_FIXED;
	if (!name_schema(parser, node, schema))
		return NULL;
	if (!parse_integer(json_tree_find(node, TEXT_LITERAL("size")), INT32_MAX, &schema->size))
		return refuse(parser, "%.*s has no size", TEXT_ARGS(schema->name));
	set_logical(schema, node);
	return schema;
}

/* {"type": "bytes", ...}: a primitive or an earlier type, perhaps with a logical type. */
static const struct schema *parse_annotated(struct parser *parser, const struct json_node *node, struct text name)
{
	const struct schema *plain = parse_reference(parser, name);
	if (!plain || plain->type >= SCHEMA_PRIMITIVE_COUNT)
		return plain;
	struct schema *schema = arena_alloc(parser->arena, sizeof *schema);
	*schema = *plain;
	set_logical(schema, node);
	return schema;
}

static const struct schema *parse_complex(struct parser *parser, const struct json_node *node)
{
	const struct json_node *type = json_tree_find(node, TEXT_LITERAL("type"));
	if (!type)
		return refuse(parser, "a schema without a type");
	if (type->type != JSON_STRING)
		return parse_node(parser, type);
	if (text_equal(type->text, TEXT_LITERAL("record")))
		return parse_record(parser, node);
	if (text_equal(type->text, TEXT_LITERAL("enum")))
		return parse_enum(parser, node);
	if (text_equal(type->text, TEXT_LITERAL("array")))
		return parse_items(parser, node, SCHEMA_ARRAY, TEXT_LITERAL("items"));
	if (text_equal(type->text, TEXT_LITERAL("map")))
		return parse_items(parser, node, SCHEMA_MAP, TEXT_LITERAL("values"));
	if (text_equal(type->text, TEXT_LITERAL("fixed")))
		return parse_fixed(parser, node);
	return parse_annotated(parser, node, type->text);
}

static const struct schema *parse_node(struct parser *parser, const struct json_node *node)
{
	switch (node->type) {
	case JSON_STRING:
		return parse_reference(parser, node->text);
	case JSON_ARRAY:
		return parse_union(parser, node);
	case JSON_OBJECT:
		return parse_complex(parser, node);
	default:
		return refuse(parser, "neither a name, a union nor an object");
	}
}

/* avro-c knows the rules of names, unions and defaults. */
static bool is_accepted_by_avro(struct text json)
{
	avro_schema_t schema;
	if (avro_schema_from_json_length(json.data, json.size, &schema) != 0)
		return false;
	avro_schema_decref(schema);
	return true;
}

const struct schema *schema_parse(struct text json, struct arena *arena, struct schema_error *reterr)
{
	struct parser parser = {.arena = arena, .error = reterr};
	if (!is_accepted_by_avro(json))
		return refuse(&parser, "not a valid Avro schema");
	const struct json_node *root = json_tree_parse(json, arena);
	return root ? parse_node(&parser, root) : refuse(&parser, "not JSON, or nested too deep");
}

struct writer {
	struct buffer buffer;
	const struct named *written;
};

static void put_canonical(struct writer *writer, const struct schema *schema);

static bool put_name_if_written(struct writer *writer, const struct schema *schema)
{
	for (const struct named *named = writer->written; named; named = named->next) {
		if (text_equal(named->schema->name, schema->name)) {
			json_put_string(&writer->buffer, schema->name);
			return true;
		}
	}
	struct named *named = arena_alloc(writer->buffer.arena, sizeof *named);
	*named = (struct named){schema, writer->written};
	writer->written = named;
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
	json_put_string_field(&writer->buffer, TEXT_LITERAL("type"), type_names[schema->type]);
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
	json_put_string_field(&writer->buffer, TEXT_LITERAL("type"), type_names[schema->type]);
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
		json_put_string(&writer->buffer, type_names[schema->type]);
	}
}

struct text schema_canonical(const struct schema *schema, struct arena *arena)
{
	struct writer writer = {.written = NULL};
	buffer_init(&writer.buffer, arena);
	put_canonical(&writer, schema);
	return buffer_finish(&writer.buffer);
}

uint64_t schema_fingerprint(const struct schema *schema, struct arena *arena)
{
	return hash_crc64_avro(schema_canonical(schema, arena));
}
