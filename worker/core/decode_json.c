/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_json.h"

#include <assert.h>

#include "json_parse.h"
#include "json_write.h"

/* What the value of a field is made of, where something is looked for in it. */
enum inside {
	INSIDE_NOTHING,
	INSIDE_MEMBERS,
	INSIDE_COST,
	INSIDE_THRESHOLDS,
};

/* Where the parse stands. Objects in which nothing is looked for are passed over by depth alone. */
struct walk {
	struct text json;
	struct arena *arena;
	struct fields *fields;
	struct defect *defect;
	unsigned depth;
	enum field field;	 /* at depth 1: whose value comes next */
	enum inside inside;	 /* from depth 2 on */
	struct members *members; /* at depth 2 within a map: where its members go */
	struct member *member;	 /* whose value comes next; NULL: no room */
	enum field part;	 /* at depth 2 within cost, at depth 3 within a threshold */
	bool in_threshold;	 /* an object of the list, not an array in its place */
	uint32_t seen;
};

static_assert(FIELD_COUNT <= 32, "seen has a bit for each field");
#define SEEN_OF_THRESHOLD \
	(1u << FIELD_THRESHOLD_AMOUNT | 1u << FIELD_THRESHOLD_PERCENT | 1u << FIELD_THRESHOLD_HYSTERESIS)

/* Texts without escapes lie in the JSON itself; others are in a buffer that yajl uses again. */
static struct text keep(const struct walk *walk, const char *data, size_t size)
{
	struct text text = {data, size};
	uintptr_t at = (uintptr_t)data, begin = (uintptr_t)walk->json.data;
	if (at >= begin && at < begin + walk->json.size)
		return text;
	return arena_copy(walk->arena, size ? text : TEXT_LITERAL(""));
}

/* Where a value at this place goes; NULL: nobody looks at it. */
static struct value *find_slot(const struct walk *walk)
{
	if (walk->depth == 1)
		return walk->field == FIELD_NONE ? NULL : &walk->fields->values[walk->field];
	if (walk->depth == 2 && walk->inside == INSIDE_MEMBERS)
		return walk->member ? &walk->member->value : NULL;
	bool has_part = (walk->depth == 2 && walk->inside == INSIDE_COST) || (walk->depth == 3 && walk->in_threshold);
	return has_part && walk->part != FIELD_NONE ? &walk->fields->values[walk->part] : NULL;
}

static int take_value(struct walk *walk, struct value value)
{
	if (walk->depth == 0)
		return defect_fill(walk->defect, "malformed_json", "the value is not a JSON object");
	struct value *slot = find_slot(walk);
	if (slot)
		*slot = value;
	/* null means absent only for fields: in a map it is no value that a map can have */
	if (slot && walk->depth == 2 && walk->inside == INSIDE_MEMBERS && value.type == VALUE_ABSENT)
		slot->type = VALUE_OTHER;
	if (walk->depth == 2 && walk->inside == INSIDE_THRESHOLDS)
		fields_append_threshold(walk->fields, VALUE_OTHER); /* an object comes to its list when it ends */
	return 1;
}

static int on_null(void *context)
{
	return take_value(context, (struct value){.type = VALUE_ABSENT});
}

static int on_boolean(void *context, int boolean)
{
	return take_value(context, (struct value){.type = VALUE_BOOLEAN, .boolean = boolean != 0});
}

static int on_number(void *context, const char *data, size_t size)
{
	struct walk *walk = context;
	if (!find_slot(walk))
		return take_value(walk, (struct value){.type = VALUE_OTHER});
	return take_value(walk, (struct value){.type = VALUE_NUMBER, .text = keep(walk, data, size)});
}

static int on_string(void *context, const unsigned char *data, size_t size)
{
	struct walk *walk = context;
	if (!find_slot(walk))
		return take_value(walk, (struct value){.type = VALUE_OTHER});
	return take_value(walk, (struct value){.type = VALUE_STRING, .text = keep(walk, (const char *)data, size)});
}

static bool descend(struct walk *walk)
{
	if (walk->depth == DECODE_DEPTH_MAX)
		return defect_fill(
			walk->defect, "malformed_json", "the value is nested deeper than %d", DECODE_DEPTH_MAX);
	walk->depth++;
	return true;
}

static int on_start_map(void *context)
{
	struct walk *walk = context;
	if (walk->depth == 1 && walk->field != FIELD_NONE) {
		walk->members = fields_members(walk->fields, walk->field);
		walk->inside = walk->members		   ? INSIDE_MEMBERS
			       : walk->field == FIELD_COST ? INSIDE_COST
							   : INSIDE_NOTHING;
		enum value_type type = walk->members		   ? VALUE_MEMBERS
				       : walk->field == FIELD_COST ? VALUE_OBJECT
								   : VALUE_OTHER;
		(void)take_value(walk, (struct value){.type = type});
	} else if (walk->depth == 2 && walk->inside == INSIDE_THRESHOLDS) {
		fields_begin_threshold(walk->fields);
		walk->in_threshold = true;
		walk->seen &= ~SEEN_OF_THRESHOLD;
	} else if (walk->depth > 1) {
		(void)take_value(walk, (struct value){.type = VALUE_OTHER});
	}
	return descend(walk);
}

static int on_start_array(void *context)
{
	struct walk *walk = context;
	bool is_list = walk->depth == 1 && walk->field == FIELD_THRESHOLDS;
	if (!take_value(walk, (struct value){.type = is_list ? VALUE_LIST : VALUE_OTHER}))
		return 0;
	if (is_list)
		walk->inside = INSIDE_THRESHOLDS;
	return descend(walk);
}

static int on_end(void *context)
{
	struct walk *walk = context;
	walk->depth--;
	if (walk->depth == 1) {
		walk->inside = INSIDE_NOTHING;
		walk->members = NULL;
		walk->part = FIELD_NONE;
	}
	if (walk->depth == 2 && walk->in_threshold) {
		fields_append_threshold(walk->fields, VALUE_OBJECT);
		walk->in_threshold = false;
		walk->part = FIELD_NONE;
	}
	return 1;
}

static int note_field(struct walk *walk, enum field field)
{
	if (field == FIELD_NONE)
		return 1;
	if (walk->seen & 1u << field)
		return defect_fill(walk->defect, "malformed_json", "%s is given twice", field_name(field));
	walk->seen |= 1u << field;
	return 1;
}

static int on_map_key(void *context, const unsigned char *data, size_t size)
{
	struct walk *walk = context;
	struct text name = {(const char *)data, size};
	if (walk->depth == 1) {
		walk->field = field_find(name);
		return note_field(walk, walk->field);
	}
	if (walk->depth == 2 && walk->inside == INSIDE_MEMBERS) {
		walk->member = members_append(walk->members);
		if (walk->member)
			walk->member->name = keep(walk, name.data, name.size);
	} else if (walk->depth == 2 && walk->inside == INSIDE_COST) {
		walk->part = field_find_in_cost(name);
		return note_field(walk, walk->part);
	} else if (walk->depth == 3 && walk->in_threshold) {
		walk->part = field_find_in_threshold(name);
		return note_field(walk, walk->part);
	}
	return 1;
}

static bool defect_of_parse(enum json_parsed parsed, size_t offset, struct defect *ret_defect)
{
	if (parsed == JSON_NOT_UTF8)
		return defect_fill(ret_defect, "malformed_json", "the value is not UTF-8, or has a NUL");
	return defect_fill(ret_defect, "malformed_json", "the value is not JSON, at byte %zu", offset);
}

bool decode_json_fields(struct text json, struct arena *arena, struct fields *ret_fields, struct defect *ret_defect)
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
	struct walk walk = {.json = json,
		.arena = arena,
		.fields = ret_fields,
		.defect = ret_defect,
		.field = FIELD_NONE,
		.part = FIELD_NONE};
	size_t offset;
	fields_init(ret_fields);
	enum json_parsed parsed = json_parse(json, &callbacks, &walk, arena, &offset);
	if (parsed == JSON_PARSED)
		return true;
	return parsed == JSON_CANCELLED ? false : defect_of_parse(parsed, offset, ret_defect);
}

/* The same JSON, put down again without white space. */
struct line {
	struct buffer buffer;
	unsigned depth;
	bool is_value; /* a name was put: no comma before what comes next */
};

static void put_comma(struct line *line)
{
	char last = line->buffer.size ? line->buffer.data[line->buffer.size - 1] : '{';
	if (!line->is_value && last != '{' && last != '[')
		buffer_put_byte(&line->buffer, ',');
	line->is_value = false;
}

static int put_word(struct line *line, struct text word)
{
	put_comma(line);
	buffer_put_text(&line->buffer, word);
	return 1;
}

static int line_null(void *context)
{
	return put_word(context, TEXT_LITERAL("null"));
}

static int line_boolean(void *context, int boolean)
{
	return put_word(context, boolean ? TEXT_LITERAL("true") : TEXT_LITERAL("false"));
}

static int line_number(void *context, const char *data, size_t size)
{
	return put_word(context, (struct text){data, size});
}

static int line_string(void *context, const unsigned char *data, size_t size)
{
	struct line *line = context;
	put_comma(line);
	json_put_string(&line->buffer, (struct text){(const char *)data, size});
	return 1;
}

static int line_map_key(void *context, const unsigned char *data, size_t size)
{
	struct line *line = context;
	(void)line_string(line, data, size);
	buffer_put_byte(&line->buffer, ':');
	line->is_value = true;
	return 1;
}

static int line_begin(struct line *line, struct text bracket)
{
	return line->depth++ < DECODE_DEPTH_MAX && put_word(line, bracket);
}

static int line_end(struct line *line, char bracket)
{
	line->depth--;
	buffer_put_byte(&line->buffer, bracket);
	return 1;
}

static int line_start_map(void *context)
{
	return line_begin(context, TEXT_LITERAL("{"));
}

static int line_end_map(void *context)
{
	return line_end(context, '}');
}

static int line_start_array(void *context)
{
	return line_begin(context, TEXT_LITERAL("["));
}

static int line_end_array(void *context)
{
	return line_end(context, ']');
}

bool decode_json_line(struct text json, struct arena *arena, struct text *ret_json, struct defect *ret_defect)
{
	static const yajl_callbacks callbacks = {
		.yajl_null = line_null,
		.yajl_boolean = line_boolean,
		.yajl_number = line_number,
		.yajl_string = line_string,
		.yajl_start_map = line_start_map,
		.yajl_map_key = line_map_key,
		.yajl_end_map = line_end_map,
		.yajl_start_array = line_start_array,
		.yajl_end_array = line_end_array,
	};
	struct line line;
	size_t offset;
	buffer_init(&line.buffer, arena);
	line.depth = 0;
	line.is_value = false;
	enum json_parsed parsed = json_parse(json, &callbacks, &line, arena, &offset);
	if (parsed == JSON_CANCELLED)
		return defect_fill(
			ret_defect, "malformed_json", "the value is nested deeper than %d", DECODE_DEPTH_MAX);
	if (parsed != JSON_PARSED)
		return defect_of_parse(parsed, offset, ret_defect);
	*ret_json = buffer_finish(&line.buffer);
	return true;
}
