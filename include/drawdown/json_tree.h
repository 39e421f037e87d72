/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON document as a tree in an arena: for what is read once, such as a
 * schema. Not for records.
 */
#ifndef DRAWDOWN_JSON_TREE_H
#define DRAWDOWN_JSON_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "drawdown/arena.h"
#include "drawdown/text.h"

#define JSON_TREE_DEPTH_MAX 64

enum json_type {
	JSON_NULL,
	JSON_BOOLEAN,
	JSON_NUMBER,
	JSON_STRING,
	JSON_OBJECT,
	JSON_ARRAY,
};

struct json_node {
	enum json_type type;
	struct text name; /* of a member of an object */
	struct text text; /* of a string or number; "true" or "false" */
	struct json_node *first;
	struct json_node *last;
	struct json_node *next;
	size_t children_count;
};

/* NULL where the text is not JSON. Its texts live in the arena or in `json`. */
const struct json_node *json_tree_parse(struct text json, struct arena *arena);

/* NULL where the node is no object or has no such member. */
const struct json_node *json_tree_find(const struct json_node *object, struct text name);

#endif
