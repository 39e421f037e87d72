/* SPDX-License-Identifier: Apache-2.0 */
#include "avro_schema.h"

#include <avro.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "drawdown/credit.h"
#include "drawdown/decode.h"
#include "drawdown/json_tree.h"

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
	struct arena *arena;   /* of the schema */
	struct arena *scratch; /* of the parse */
	struct schema_error *error;
	const struct named *named;
	struct text namespace;
	size_t parts_count; /* types, fields, symbols, branches, aliases */
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

/* Bounds what is made of a schema; a field or a symbol takes a few bytes of its text and many of ours. */
static bool count_parts(struct parser *parser, size_t count)
{
	parser->parts_count += count;
	if (parser->parts_count > SCHEMA_PARTS_MAX)
		return refuse(parser, "the schema has more than %d fields and other parts", SCHEMA_PARTS_MAX);
	return true;
}

/* Of members of one name avro-c takes the last, we the first. */
static bool members_are_unique(struct parser *parser, const struct json_node *object)
{
	if (object->children_count > SCHEMA_ATTRIBUTES_MAX)
		return refuse(parser, "the schema has more than %d attributes in one place", SCHEMA_ATTRIBUTES_MAX);
	for (const struct json_node *node = object->first; node; node = node->next)
		for (const struct json_node *other = node->next; other; other = other->next)
			if (text_equal(node->name, other->name))
				return refuse(parser, "the schema has an attribute twice in one place");
	return true;
}

static bool is_identifier(struct text name)
{
	for (size_t i = 0; i < name.size; i++) {
		char character = name.data[i];
		bool is_letter = (character >= 'A' && character <= 'Z') || (character >= 'a' && character <= 'z') ||
				 character == '_';
		if (!is_letter && (i == 0 || character < '0' || character > '9'))
			return false;
	}
	return name.size > 0 && name.size <= SCHEMA_NAME_SIZE_MAX;
}

/* Identifiers with dots between them. */
static bool is_full_name(struct text name)
{
	size_t start = 0;
	if (name.size > SCHEMA_NAME_SIZE_MAX)
		return false;
	for (size_t i = 0; i <= name.size; i++) {
		if (i < name.size && name.data[i] != '.')
			continue;
		if (!is_identifier((struct text){name.data + start, i - start}))
			return false;
		start = i + 1;
	}
	return true;
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

static struct text full_name(struct arena *arena, struct text namespace, struct text name)
{
	if (memchr(name.data, '.', name.size) || namespace.size == 0)
		return arena_copy(arena, name);
	return arena_format(arena, "%.*s.%.*s", TEXT_ARGS(namespace), TEXT_ARGS(name));
}

static const struct schema *find_full(const struct parser *parser, struct text full)
{
	for (const struct named *named = parser->named; named; named = named->next)
		if (text_equal(named->schema->name, full))
			return named->schema;
	return NULL;
}

static const struct schema *find_primitive(struct text name)
{
	for (int type = 0; type < SCHEMA_PRIMITIVE_COUNT; type++)
		if (text_equal(name, type_names[type]))
			return &primitives[type];
	return NULL;
}

static const struct schema *parse_reference(struct parser *parser, struct text name)
{
	const struct schema *schema = find_primitive(name);
	if (schema)
		return schema;
	if (!is_full_name(name))
		return refuse(parser, "the schema has a type with an invalid name");
	schema = find_full(parser, full_name(parser->scratch, parser->namespace, name));
	return schema ? schema : refuse(parser, "the schema has an unknown type %.*s", TEXT_ARGS(name));
}

/* May two branches of a union not stand beside each other? */
static bool is_same_branch(const struct schema *a, const struct schema *b)
{
	return a->type == b->type && text_equal(a->name, b->name);
}

static const struct schema *parse_union(struct parser *parser, const struct json_node *node)
{
	struct schema *schema = arena_zero_array(parser->arena, 1, sizeof *schema);
	schema->type = SCHEMA_UNION;
	if (node->children_count == 0)
		return refuse(parser, "the schema has a union without branches");
	if (!count_parts(parser, node->children_count))
		return NULL;
	schema->branches = arena_alloc_array(parser->arena, node->children_count, sizeof *schema->branches);
	for (const struct json_node *child = node->first; child; child = child->next) {
		const struct schema *branch = parse_node(parser, child);
		if (!branch)
			return NULL;
		if (branch->type == SCHEMA_UNION)
			return refuse(parser, "the schema has a union in a union");
		for (size_t i = 0; i < schema->count; i++)
			if (is_same_branch(schema->branches[i], branch))
				return refuse(parser, "the schema has a union with a type twice");
		schema->branches[schema->count++] = branch;
	}
	return schema;
}

/* Of a type: full names; of a field: names as they are. */
static bool parse_aliases(
	struct parser *parser, const struct json_node *node, struct text namespace, struct aliases *ret_aliases)
{
	const struct json_node *aliases = json_tree_find(node, TEXT_LITERAL("aliases"));
	if (!aliases || aliases->type != JSON_ARRAY)
		return true;
	if (!count_parts(parser, aliases->children_count))
		return false;
	struct text *names = arena_alloc_array(parser->arena, aliases->children_count, sizeof *names);
	*ret_aliases = (struct aliases){names, 0};
	for (const struct json_node *alias = aliases->first; alias; alias = alias->next)
		if (alias->type == JSON_STRING && is_full_name(alias->text))
			names[ret_aliases->count++] = full_name(parser->arena, namespace, alias->text);
	return true;
}

static struct text namespace_of(struct text full)
{
	return (struct text){full.data, namespace_size(full)};
}

/* Give the schema its name, and let it be referred to, also from within. */
static bool name_schema(struct parser *parser, const struct json_node *node, struct schema *schema)
{
	struct text name = member_text(node, TEXT_LITERAL("name"));
	struct text namespace = member_text(node, TEXT_LITERAL("namespace"));
	if (!name.data || !is_full_name(name) || (namespace.size > 0 && !is_full_name(namespace)))
		return refuse(parser, "the schema has a type with an invalid name");
	schema->name = full_name(parser->arena, namespace.data ? namespace : parser->namespace, name);
	if (schema->name.size > SCHEMA_NAME_SIZE_MAX || find_primitive(schema->name))
		return refuse(parser, "the schema has a type with an invalid name");
	if (find_full(parser, schema->name))
		return refuse(parser, "the schema defines %.*s twice", TEXT_ARGS(schema->name));
	struct named *named = arena_alloc(parser->scratch, sizeof *named);
	*named = (struct named){schema, parser->named};
	parser->named = named;
	return parse_aliases(parser, node, namespace_of(schema->name), &schema->aliases);
}

static bool parse_field(struct parser *parser, const struct json_node *node, struct schema *record)
{
	struct text name = member_text(node, TEXT_LITERAL("name"));
	const struct json_node *type = json_tree_find(node, TEXT_LITERAL("type"));
	struct schema_field *field = &record->fields[record->count];
	*field = (struct schema_field){.has_default = json_tree_find(node, TEXT_LITERAL("default")) != NULL};
	if (node->type != JSON_OBJECT || !name.data || !type || !is_identifier(name))
		return refuse(parser, "%.*s has a field without a valid name or a type", TEXT_ARGS(record->name));
	if (!members_are_unique(parser, node) || !parse_aliases(parser, node, TEXT_NULL, &field->aliases))
		return false;
	for (size_t i = 0; i < record->count; i++) {
		if (text_equal(record->fields[i].name, name))
			return refuse(parser, "%.*s has a field %.*s twice", TEXT_ARGS(record->name), TEXT_ARGS(name));
	}
	field->name = arena_copy(parser->arena, name);
	record->count++;
	field->schema = parse_node(parser, type);
	return field->schema != NULL;
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
	if (!count_parts(parser, fields->children_count))
		return NULL;
	struct text outer = parser->namespace;
	parser->namespace = namespace_of(schema->name);
	schema->fields = arena_alloc_array(parser->arena, fields->children_count, sizeof *schema->fields);
	for (const struct json_node *field = fields->first; field; field = field->next)
		if (!parse_field(parser, field, schema))
			return NULL;
	parser->namespace = outer;
	return schema;
}

static bool parse_symbol(struct parser *parser, const struct json_node *node, struct schema *schema)
{
	bool is_valid = node->type == JSON_STRING && is_identifier(node->text);
	for (size_t i = 0; is_valid && i < schema->count; i++)
		is_valid = !text_equal(schema->symbols[i], node->text);
	if (!is_valid)
		return refuse(parser, "%.*s has a symbol that is invalid or there twice", TEXT_ARGS(schema->name));
	schema->symbols[schema->count++] = arena_copy(parser->arena, node->text);
	return true;
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
	if (!count_parts(parser, symbols->children_count))
		return NULL;
	schema->symbols = arena_alloc_array(parser->arena, symbols->children_count, sizeof *schema->symbols);
	for (const struct json_node *symbol = symbols->first; symbol; symbol = symbol->next)
		if (!parse_symbol(parser, symbol, schema))
			return NULL;
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
		return refuse(parser, "the schema has %s without %.*s", type == SCHEMA_MAP ? "a map" : "an array",
			TEXT_ARGS(member));
	schema->items = parse_node(parser, items);
	return schema->items ? schema : NULL;
}

static bool parse_decimal(const struct json_node *node, size_t *ret_scale)
{
	size_t precision;
	const struct json_node *scale = json_tree_find(node, TEXT_LITERAL("scale"));
	*ret_scale = 0;
	return parse_integer(json_tree_find(node, TEXT_LITERAL("precision")), INT32_MAX, &precision) && precision > 0 &&
	       (!scale || parse_integer(scale, precision, ret_scale));
}

/* A logical type that does not fit its type is passed over, as the specification says. */
static void set_logical(struct schema *schema, const struct json_node *node)
{
	struct text name = member_text(node, TEXT_LITERAL("logicalType"));
	size_t scale;
	if (!name.data)
		return;
	schema->logical = LOGICAL_OTHER;
	if (schema->type == SCHEMA_LONG && text_equal(name, TEXT_LITERAL("timestamp-micros")))
		schema->logical = LOGICAL_TIMESTAMP_MICROS;
	if (schema->type == SCHEMA_LONG && text_equal(name, TEXT_LITERAL("timestamp-millis")))
		schema->logical = LOGICAL_TIMESTAMP_MILLIS;
	if ((schema->type == SCHEMA_BYTES || schema->type == SCHEMA_FIXED) &&
		text_equal(name, TEXT_LITERAL("decimal")) && parse_decimal(node, &scale)) {
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
		return refuse(parser, "the schema has a type that is not named");
	if (!members_are_unique(parser, node) || !count_parts(parser, 1))
		return NULL;
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
		return refuse(parser, "the schema has a type that is neither a name, a union nor an object");
	}
}

/* What we read, avro-c must accept too: it knows the rules of names, unions and defaults. It sees only what is bounded and
 * well-formed, and keeps its errors in one place for all threads. */
static bool is_accepted_by_avro(struct text json)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	avro_schema_t schema;

	(void)pthread_mutex_lock(&mutex);
	bool is_accepted = avro_schema_from_json_length(json.data, json.size, &schema) == 0;
	if (is_accepted)
		avro_schema_decref(schema);
	(void)pthread_mutex_unlock(&mutex);
	return is_accepted;
}

static const struct schema *parse_checked(struct parser *parser, struct text json)
{
	if (json.size > DECODER_SCHEMA_SIZE_MAX)
		return refuse(parser, "the schema takes more than %d bytes", DECODER_SCHEMA_SIZE_MAX);
	const struct json_node *root = json_tree_parse(json, parser->scratch);
	if (!root)
		return refuse(parser, "the schema is not JSON, or nested deeper than %d levels", JSON_TREE_DEPTH_MAX);
	const struct schema *schema = parse_node(parser, root);
	if (!schema)
		return NULL;
	if (!is_accepted_by_avro(json))
		return refuse(parser, "the schema is not valid: avro-c refuses it");
	return schema;
}

const struct schema *schema_parse(struct text json, struct arena *arena, struct schema_error *reterr)
{
	struct arena scratch;
	arena_init(&scratch, 16 * 1024);
	struct parser parser = {.arena = arena, .scratch = &scratch, .error = reterr};
	const struct schema *schema = parse_checked(&parser, json);
	arena_release(&scratch);
	return schema;
}
