/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "drawdown/json_tree.h"
#include "drawdown/registry_answer.h"
#include "json_write.h"

/* A named type that a reference brings. */
struct definition {
	struct text name; /* full */
	const struct json_node *node;
	bool is_written;
};

struct join {
	struct arena *arena;
	struct buffer buffer;
	struct definition definitions[REGISTRY_REFERENCES_MAX];
	size_t definitions_count;
};

static void write_type(struct join *join, const struct json_node *node, struct text namespace);

static struct text member(const struct json_node *object, const char *name)
{
	const struct json_node *node = json_tree_find(object, text_of(name));
	return node && node->type == JSON_STRING ? node->text : TEXT_NULL;
}

static bool has_dot(struct text name)
{
	return name.size > 0 && memchr(name.data, '.', name.size);
}

/* Avro's rule: a name with a dot is whole, another is of the namespace that surrounds it. */
static struct text full_name(struct arena *arena, struct text namespace, struct text name)
{
	if (namespace.size == 0 || has_dot(name))
		return name;
	return arena_format(arena, "%.*s.%.*s", TEXT_ARGS(namespace), TEXT_ARGS(name));
}

static struct text namespace_of(struct text full)
{
	while (full.size > 0 && full.data[full.size - 1] != '.')
		full.size--;
	return full.size ? (struct text){full.data, full.size - 1} : TEXT_LITERAL("");
}

static bool is_named(const struct json_node *node)
{
	struct text type = node->type == JSON_OBJECT ? member(node, "type") : TEXT_NULL;

	return text_equal(type, TEXT_LITERAL("record")) || text_equal(type, TEXT_LITERAL("error")) ||
	       text_equal(type, TEXT_LITERAL("enum")) || text_equal(type, TEXT_LITERAL("fixed"));
}

static struct text name_of(struct arena *arena, const struct json_node *named, struct text surrounding)
{
	struct text own = member(named, "namespace");
	return full_name(arena, own.data ? own : surrounding, member(named, "name"));
}

static struct definition *find_definition(struct join *join, struct text name)
{
	for (size_t i = 0; i < join->definitions_count; i++)
		if (text_equal(join->definitions[i].name, name))
			return &join->definitions[i];
	return NULL;
}

/* ---- writing ---- */

static void write_comma(struct join *join)
{
	char last = join->buffer.data[join->buffer.size - 1];

	if (last != '{' && last != '[')
		buffer_put_byte(&join->buffer, ',');
}

static void write_name(struct join *join, struct text name)
{
	write_comma(join);
	json_put_string(&join->buffer, name);
	buffer_put_byte(&join->buffer, ':');
}

/* As it stands: a default, a doc, a symbol. */
static void write_value(struct join *join, const struct json_node *node)
{
	bool is_object = node->type == JSON_OBJECT;

	if (node->type == JSON_STRING) {
		json_put_string(&join->buffer, node->text);
		return;
	}
	if (!is_object && node->type != JSON_ARRAY) {
		buffer_put_text(&join->buffer, node->text);
		return;
	}
	buffer_put_byte(&join->buffer, is_object ? '{' : '[');
	for (const struct json_node *child = node->first; child; child = child->next) {
		if (is_object)
			write_name(join, child->name);
		else
			write_comma(join);
		write_value(join, child);
	}
	buffer_put_byte(&join->buffer, is_object ? '}' : ']');
}

static void write_fields(struct join *join, const struct json_node *fields, struct text namespace)
{
	buffer_put_byte(&join->buffer, '[');
	for (const struct json_node *field = fields->first; field; field = field->next) {
		write_comma(join);
		if (field->type != JSON_OBJECT) {
			write_value(join, field);
			continue;
		}
		buffer_put_byte(&join->buffer, '{');
		for (const struct json_node *child = field->first; child; child = child->next) {
			write_name(join, child->name);
			if (text_equal(child->name, TEXT_LITERAL("type")))
				write_type(join, child, namespace);
			else
				write_value(join, child);
		}
		buffer_put_byte(&join->buffer, '}');
	}
	buffer_put_byte(&join->buffer, ']');
}

/* Its namespace is written out: where it stands now another one may surround it. */
static void write_named(struct join *join, const struct json_node *node, struct text name)
{
	struct text namespace = namespace_of(name);
	struct definition *definition = find_definition(join, name);

	if (definition)
		definition->is_written = true;
	buffer_put_byte(&join->buffer, '{');
	write_name(join, TEXT_LITERAL("name"));
	json_put_string(&join->buffer,
		namespace.size ? (struct text){name.data + namespace.size + 1, name.size - namespace.size - 1} : name);
	write_name(join, TEXT_LITERAL("namespace"));
	json_put_string(&join->buffer, namespace);
	for (const struct json_node *child = node->first; child; child = child->next) {
		if (text_equal(child->name, TEXT_LITERAL("name")) || text_equal(child->name, TEXT_LITERAL("namespace")))
			continue;
		write_name(join, child->name);
		if (text_equal(child->name, TEXT_LITERAL("fields")) && child->type == JSON_ARRAY)
			write_fields(join, child, namespace);
		else
			write_value(join, child);
	}
	buffer_put_byte(&join->buffer, '}');
}

static void write_object(struct join *join, const struct json_node *node, struct text namespace)
{
	if (is_named(node) && member(node, "name").size) {
		write_named(join, node, name_of(join->arena, node, namespace));
		return;
	}
	buffer_put_byte(&join->buffer, '{');
	for (const struct json_node *child = node->first; child; child = child->next) {
		bool is_type = text_equal(child->name, TEXT_LITERAL("type")) ||
			       text_equal(child->name, TEXT_LITERAL("items")) ||
			       text_equal(child->name, TEXT_LITERAL("values"));
		write_name(join, child->name);
		if (is_type)
			write_type(join, child, namespace);
		else
			write_value(join, child);
	}
	buffer_put_byte(&join->buffer, '}');
}

static void write_type(struct join *join, const struct json_node *node, struct text namespace)
{
	switch (node->type) {
	case JSON_STRING: {
		struct definition *definition = find_definition(join, full_name(join->arena, namespace, node->text));
		if (definition && !definition->is_written)
			write_named(join, definition->node, definition->name);
		else
			json_put_string(&join->buffer, node->text);
		return;
	}
	case JSON_ARRAY:
		buffer_put_byte(&join->buffer, '[');
		for (const struct json_node *branch = node->first; branch; branch = branch->next) {
			write_comma(join);
			write_type(join, branch, namespace);
		}
		buffer_put_byte(&join->buffer, ']');
		return;
	case JSON_OBJECT:
		write_object(join, node, namespace);
		return;
	case JSON_NULL:
	case JSON_BOOLEAN:
	case JSON_NUMBER:
		break;
	}
	write_value(join, node);
}

static bool refuse(struct registry_why *reterr, const char *why)
{
	(void)snprintf(reterr->text, sizeof reterr->text, "%s", why);
	return false;
}

bool registry_join(struct text schema, const struct text *referenced, size_t count, struct arena *arena,
	struct text *ret_joined, struct registry_why *reterr)
{
	struct join join = {.arena = arena};
	const struct json_node *root = json_tree_parse(schema, arena);

	if (!root)
		return refuse(reterr, "a schema with references is not JSON");
	if (count > REGISTRY_REFERENCES_MAX)
		return refuse(reterr, "it has too many references");
	for (size_t i = 0; i < count; i++) {
		const struct json_node *node = json_tree_parse(referenced[i], arena);
		if (!node || !is_named(node) || member(node, "name").size == 0)
			return refuse(reterr, "what it refers to is no record, enum or fixed");
		struct text name = name_of(arena, node, TEXT_LITERAL(""));
		if (!find_definition(&join, name))
			join.definitions[join.definitions_count++] = (struct definition){name, node, false};
	}
	buffer_init(&join.buffer, arena);
	write_type(&join, root, TEXT_LITERAL(""));
	*ret_joined = buffer_finish(&join.buffer);
	return true;
}
