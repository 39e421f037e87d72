/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "avro_cursor.h"
#include "avro_steps.h"

/* One run over one record. */
struct run {
	const uint8_t *end; /* of the bytes */
	struct cursor_notes notes;
	struct fields *fields;
	struct threshold_item *threshold; /* that is being read */
	/* where goes what nobody wants */
	struct member unwanted;
	struct threshold_item unwanted_threshold;
};

CURSOR_INLINE bool run_decimal(struct cursor *cursor, const struct plan *plan, struct value *ret_value)
{
	struct text bytes;
	if (plan->is_fixed ? !cursor_take_bytes(cursor, plan->size, &bytes) : !cursor_take_sized(cursor, &bytes))
		return false;
	if (bytes.size == 0)
		return cursor_refuse(cursor, "has a decimal without bytes");
	bool fits = credit_from_bytes((const uint8_t *)bytes.data, bytes.size, plan->scale, &ret_value->credit);
	ret_value->type = fits ? VALUE_CREDIT : VALUE_CREDIT_RANGE;
	return true;
}

CURSOR_INLINE bool run_instant(struct cursor *cursor, int64_t unit, struct value *ret_value)
{
	int64_t time;
	if (!cursor_take_long(cursor, &time))
		return false;
	ret_value->type = VALUE_INSTANT;
	if (__builtin_mul_overflow(time, unit, &ret_value->instant))
		ret_value->instant = INSTANT_NONE; /* refused as out of range */
	return true;
}

CURSOR_INLINE bool run_enum(struct cursor *cursor, const struct plan *plan, struct value *ret_value)
{
	size_t index;
	if (!cursor_take_index(cursor, plan->count, &index))
		return false;
	ret_value->type = VALUE_STRING;
	ret_value->text = plan->symbols[index];
	return true;
}

/* What contains nothing. */
CURSOR_INLINE bool run_leaf(struct cursor *cursor, const struct plan *plan, struct value *ret_value)
{
	switch (plan->step) {
	case STEP_STRING:
		ret_value->type = VALUE_STRING;
		return cursor_take_sized(cursor, &ret_value->text);
	case STEP_DECIMAL:
		return run_decimal(cursor, plan, ret_value);
	case STEP_INT:
		ret_value->type = VALUE_INTEGER;
		return cursor_take_int(cursor, &ret_value->integer);
	case STEP_LONG:
		ret_value->type = VALUE_INTEGER;
		return cursor_take_long(cursor, &ret_value->integer);
	case STEP_MILLIS:
		return run_instant(cursor, INSTANT_MILLISECOND, ret_value);
	case STEP_MICROS:
		return run_instant(cursor, 1, ret_value);
	case STEP_ENUM:
		return run_enum(cursor, plan, ret_value);
	case STEP_BOOLEAN:
		ret_value->type = VALUE_BOOLEAN;
		return cursor_take_boolean(cursor, &ret_value->boolean);
	case STEP_FLOAT:
		ret_value->type = VALUE_DOUBLE;
		return cursor_take_float(cursor, &ret_value->real);
	case STEP_DOUBLE:
		ret_value->type = VALUE_DOUBLE;
		return cursor_take_double(cursor, &ret_value->real);
	case STEP_FIXED:
		ret_value->type = VALUE_OTHER;
		return cursor_take_bytes(cursor, plan->size, &ret_value->text);
	default:
		assert(plan->step == STEP_NULL);
		ret_value->type = VALUE_ABSENT;
		return true;
	}
}

static const uint8_t *run_nested(struct run *run, const uint8_t *at, unsigned depth, const struct plan *plan,
	enum field field, struct value *ret_value);

/* A field of a record, an item of an array or map. */
CURSOR_INLINE bool run_child(
	struct run *run, struct cursor *cursor, unsigned depth, const struct plan_child *child, struct value *ret_value)
{
	size_t index;
	const struct plan *plan = child->plan;
	if (child->null_index != NULL_NOWHERE) {
		if (!cursor_take_index(cursor, 2, &index))
			return false;
		if (index == (size_t)child->null_index) {
			ret_value->type = VALUE_ABSENT;
			return true;
		}
	}
	while (plan->step == STEP_UNION) {
		if (!cursor_take_index(cursor, plan->count, &index))
			return false;
		plan = plan->children[index].plan;
	}
	if (plan->step < STEP_UNION)
		return run_leaf(cursor, plan, ret_value);
	const uint8_t *at = run_nested(run, cursor->at, depth + 1, plan, child->field, ret_value);
	if (!at)
		return false;
	cursor->at = at;
	return true;
}

static void note_problem_field(struct run *run, const struct plan_child *child)
{
	if (!run->notes.problem_field.data)
		run->notes.problem_field = child->field == FIELD_NONE ? child->name : text_of(field_name(child->field));
}

/* `slots`: where its fields' values go. */
static const uint8_t *run_record(
	struct run *run, const uint8_t *at, unsigned depth, const struct plan *plan, struct value *slots)
{
	struct cursor cursor = {at, run->end, &run->notes};
	if (!cursor_take_empty(&cursor, plan->empty_count))
		return NULL;
	for (size_t i = 0; i < plan->absent_count; i++)
		slots[plan->absent[i]].type = VALUE_ABSENT;
	const struct plan_child *end = plan->children + plan->count;
	for (const struct plan_child *child = plan->children; child != end; child++) {
		if (!run_child(run, &cursor, depth, child, slots + child->slot)) {
			note_problem_field(run, child);
			return NULL;
		}
	}
	return cursor.at;
}

/* An array or map; `members`: NULL where nobody wants them. */
static const uint8_t *run_items(
	struct run *run, const uint8_t *at, unsigned depth, const struct plan *plan, struct members *members)
{
	struct cursor cursor = {at, run->end, &run->notes};
	size_t count;
	do {
		if (!cursor_take_block(&cursor, &count))
			return NULL;
		for (size_t i = 0; i < count; i++) {
			struct member *member = members ? members_append(members) : NULL;
			if (!member)
				member = &run->unwanted;
			if (plan->step == STEP_MAP && !cursor_take_sized(&cursor, &member->name))
				return NULL;
			if (!run_child(run, &cursor, depth, plan->children, &member->value))
				return NULL;
		}
	} while (count > 0);
	return cursor.at;
}

static const uint8_t *run_threshold(
	struct run *run, const uint8_t *at, unsigned depth, const struct plan_child *child, struct threshold_item *item)
{
	if (child->plan->is_threshold && child->null_index == NULL_NOWHERE) {
		item->type = VALUE_OBJECT;
		return run_record(run, at, depth + 1, child->plan, item->values);
	}
	struct cursor cursor = {at, run->end, &run->notes};
	struct value value; /* not what its own fields write to */
	run->threshold = item;
	if (!run_child(run, &cursor, depth, child, &value))
		return NULL;
	item->type = value.type;
	return cursor.at;
}

static const uint8_t *run_thresholds(struct run *run, const uint8_t *at, unsigned depth, const struct plan *plan)
{
	struct cursor cursor = {at, run->end, &run->notes};
	size_t count;
	do {
		if (!cursor_take_block(&cursor, &count))
			return NULL;
		for (size_t i = 0; i < count; i++) {
			struct threshold_item *item = fields_next_threshold(run->fields);
			cursor.at = run_threshold(
				run, cursor.at, depth, plan->children, item ? item : &run->unwanted_threshold);
			if (!cursor.at)
				return NULL;
		}
	} while (count > 0);
	return cursor.at;
}

/* Records, arrays and maps: what can contain itself. NULL where it is refused, else where it ends. */
static const uint8_t *run_nested(struct run *run, const uint8_t *at, unsigned depth, const struct plan *plan,
	enum field field, struct value *ret_value)
{
	if (depth > CURSOR_DEPTH_MAX) {
		run->notes.problem = "is nested too deep";
		return NULL;
	}
	if (plan->step == STEP_RECORD) {
		ret_value->type = VALUE_OBJECT;
		struct value *slots = plan->is_threshold ? run->threshold->values : run->fields->values;
		return run_record(run, at, depth, plan, slots);
	}
	if (plan->step == STEP_THRESHOLDS) {
		ret_value->type = VALUE_LIST;
		return run_thresholds(run, at, depth, plan);
	}
	struct members *members = fields_members(run->fields, field);
	ret_value->type = members ? VALUE_MEMBERS : VALUE_OTHER;
	return run_items(run, at, depth, plan, members);
}

bool plan_run(const struct plan *plan, struct text bytes, struct fields *ret_fields, struct defect *ret_defect)
{
	struct run run;
	assert(bytes.data);
	struct cursor cursor = cursor_of(bytes, &run.notes);
	run.end = cursor.end;
	run.fields = ret_fields;
	fields_init_lists(ret_fields);
	const uint8_t *at = run_record(&run, cursor.at, 0, plan, ret_fields->values);
	if (!at)
		return defect_fill(
			ret_defect, "malformed_avro", "%.*s %s", TEXT_ARGS(run.notes.problem_field), run.notes.problem);
	if (at != run.end)
		return defect_fill(ret_defect, "malformed_avro", "%td bytes follow the record", run.end - at);
	return true;
}
