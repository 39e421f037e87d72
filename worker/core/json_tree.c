/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/json_tree.h"

#include "json_parse.h"

struct builder {
	struct arena *arena;
	struct json_node *root;
	struct json_node *open[JSON_TREE_DEPTH_MAX];
	size_t depth;
	struct text name;
};

static struct json_node *add_node(struct builder *builder, enum json_type type)
{
	struct json_node *node = arena_zero_array(builder->arena, 1, sizeof *node);
	node->type = type;
	if (builder->depth == 0) {
		builder->root = node;
		return node;
	}
	struct json_node *parent = builder->open[builder->depth - 1];
	if (parent->type == JSON_OBJECT)
		node->name = builder->name;
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	parent->children_count++;
	return node;
}

static int add_leaf(struct builder *builder, enum json_type type, const char *data, size_t size)
{
	add_node(builder, type)->text = arena_copy(builder->arena, (struct text){size ? data : "", size});
	return 1;
}

static int on_null(void *context)
{
	return add_leaf(context, JSON_NULL, "null", 4);
}

static int on_boolean(void *context, int boolean)
{
	return boolean ? add_leaf(context, JSON_BOOLEAN, "true", 4) : add_leaf(context, JSON_BOOLEAN, "false", 5);
}

static int on_number(void *context, const char *data, size_t size)
{
	return add_leaf(context, JSON_NUMBER, data, size);
}

static int on_string(void *context, const unsigned char *data, size_t size)
{
	return add_leaf(context, JSON_STRING, (const char *)data, size);
}

static int on_map_key(void *context, const unsigned char *data, size_t size)
{
	struct builder *builder = context;
	builder->name = arena_copy(builder->arena, (struct text){size ? (const char *)data : "", size});
	return 1;
}

static int open_node(struct builder *builder, enum json_type type)
{
	struct json_node *node = add_node(builder, type);
	if (builder->depth == JSON_TREE_DEPTH_MAX)
		return 0;
	builder->open[builder->depth++] = node;
	return 1;
}

static int on_start_map(void *context)
{
	return open_node(context, JSON_OBJECT);
}

static int on_start_array(void *context)
{
	return open_node(context, JSON_ARRAY);
}

static int on_end(void *context)
{
	struct builder *builder = context;
	builder->depth--;
	return 1;
}

const struct json_node *json_tree_parse(struct text json, struct arena *arena)
{
	static const yajl_callbacks callbacks = {
		.yajl_null = on_null,
		.yajl_boolean = on_boolean,
		.yajl_number = on_number,
		.yajl_string = on_string,
		.yajl_start_map = on_start_map,
		.yajl_map_key = on_map_key,
		.yajl_end_map = on_end,
		.yajl_start_array = on_start_array,
		.yajl_end_array = on_end,
	};
	struct builder builder = {.arena = arena};
	size_t offset;
	if (json_parse(json, &callbacks, &builder, arena, &offset) != JSON_PARSED)
		return NULL;
	return builder.root;
}

const struct json_node *json_tree_find(const struct json_node *object, struct text name)
{
	if (!object || object->type != JSON_OBJECT)
		return NULL;
	for (const struct json_node *node = object->first; node; node = node->next)
		if (text_equal(node->name, name))
			return node;
	return NULL;
}
