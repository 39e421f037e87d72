/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/registry_answer.h"

#include <stdarg.h>
#include <stdio.h>

#include "drawdown/json_tree.h"

#define MESSAGE_SIZE_MAX 200

__attribute__((format(printf, 2, 3))) static bool refuse(struct registry_why *reterr, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(reterr->text, sizeof reterr->text, format, arguments);
	va_end(arguments);
	return false;
}

static const struct json_node *parse_object(struct text answer, struct arena *arena, struct registry_why *reterr)
{
	reterr->is_about_schema = false;
	if (answer.size > REGISTRY_ANSWER_SIZE_MAX) {
		(void)refuse(reterr, "the answer takes more than %d bytes", REGISTRY_ANSWER_SIZE_MAX);
		return NULL;
	}
	const struct json_node *node = answer.size ? json_tree_parse(answer, arena) : NULL;
	if (node && node->type == JSON_OBJECT)
		return node;
	(void)refuse(reterr, "the answer is no JSON object");
	return NULL;
}

/* Absent where there is none, or it is of another type. */
static struct text find_string(const struct json_node *object, const char *name)
{
	const struct json_node *node = json_tree_find(object, text_of(name));
	return node && node->type == JSON_STRING ? node->text : TEXT_NULL;
}

/* A whole number from 1, in digits alone; 0: none. */
static int32_t find_number(const struct json_node *object, const char *name)
{
	const struct json_node *node = json_tree_find(object, text_of(name));
	int64_t number = 0;

	if (!node || node->type != JSON_NUMBER || node->text.size > 10)
		return 0;
	for (size_t i = 0; i < node->text.size; i++) {
		if (node->text.data[i] < '0' || node->text.data[i] > '9')
			return 0;
		number = number * 10 + (node->text.data[i] - '0');
	}
	return number <= INT32_MAX ? (int32_t)number : 0;
}

static bool is_name(struct text text)
{
	return text.size > 0 && text.size <= REGISTRY_NAME_SIZE_MAX && text_is_printable(text, NULL);
}

static bool read_references(const struct json_node *object, struct arena *arena, struct registry_schema *schema,
	struct registry_why *reterr)
{
	const struct json_node *list = json_tree_find(object, TEXT_LITERAL("references"));

	if (!list || list->type == JSON_NULL)
		return true;
	if (list->type != JSON_ARRAY)
		return refuse(reterr, "its references are no array");
	if (list->children_count > REGISTRY_REFERENCES_MAX)
		return refuse(
			reterr, "it has %zu references, more than %d", list->children_count, REGISTRY_REFERENCES_MAX);
	schema->references = arena_zero_array(arena, list->children_count + 1, sizeof *schema->references);
	for (const struct json_node *node = list->first; node; node = node->next) {
		struct registry_reference *reference = &schema->references[schema->references_count++];
		reference->name = find_string(node, "name");
		reference->subject = find_string(node, "subject");
		reference->version = find_number(node, "version");
		if (!is_name(reference->name) || !is_name(reference->subject) || reference->version == 0)
			return refuse(reterr, "a reference has no name, subject or version");
	}
	return true;
}

bool registry_answer_schema(
	struct text answer, struct arena *arena, struct registry_schema *ret_schema, struct registry_why *reterr)
{
	const struct json_node *object = parse_object(answer, arena, reterr);

	*ret_schema = (struct registry_schema){.type = TEXT_LITERAL("AVRO")};
	if (!object)
		return false;
	ret_schema->schema = find_string(object, "schema");
	if (ret_schema->schema.size == 0)
		return refuse(reterr, "the answer holds no schema");
	reterr->is_about_schema = true;
	if (!text_is_storable(ret_schema->schema))
		return refuse(reterr, "its schema holds a NUL");
	if (json_tree_find(object, TEXT_LITERAL("schemaType")))
		ret_schema->type = find_string(object, "schemaType");
	if (!is_name(ret_schema->type))
		return refuse(reterr, "its schemaType is no name");
	return read_references(object, arena, ret_schema, reterr);
}

bool registry_answer_id(struct text answer, struct arena *arena, int32_t *ret_id, struct registry_why *reterr)
{
	const struct json_node *object = parse_object(answer, arena, reterr);

	*ret_id = object ? find_number(object, "id") : 0;
	if (!object)
		return false;
	return *ret_id > 0 || refuse(reterr, "the answer holds no id");
}

int32_t registry_answer_error(struct text answer, struct arena *arena, struct text *ret_message)
{
	struct registry_why why;
	const struct json_node *object = parse_object(answer, arena, &why);
	int32_t code = object ? find_number(object, "error_code") : 0;

	*ret_message = object ? find_string(object, "message") : TEXT_NULL;
	if (ret_message->size > MESSAGE_SIZE_MAX)
		ret_message->size = MESSAGE_SIZE_MAX;
	while (ret_message->size && !text_is_printable(*ret_message, NULL))
		ret_message->size--; /* what was cut in the middle of a character, or is not to be shown */
	return code;
}
