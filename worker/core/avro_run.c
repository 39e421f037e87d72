/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "avro_cursor.h"
#include "avro_steps.h"

/* One run over one record. */
struct run {
	struct cursor cursor;
	struct fields *fields;
	struct threshold_item *threshold; /* that is being read */
	unsigned depth;
	/* where goes what nobody wants */
	struct member unwanted;
	struct threshold_item unwanted_threshold;
};

/* `field`: FIELD_NONE where it is passed over. */
static bool run_step(struct run *run, const struct plan *plan, enum field field, struct value *ret_value);

static inline bool run_decimal(struct run *run, const struct plan *plan, struct value *ret_value)
{
	struct text bytes;
	if (plan->is_fixed ? !cursor_take_bytes(&run->cursor, plan->size, &bytes)
			   : !cursor_take_sized(&run->cursor, &bytes))
		return false;
	if (bytes.size == 0)
		return cursor_refuse(&run->cursor, "has a decimal without bytes");
	bool fits = credit_from_bytes((const uint8_t *)bytes.data, bytes.size, plan->scale, &ret_value->credit);
	ret_value->type = fits ? VALUE_CREDIT : VALUE_CREDIT_RANGE;
	return true;
}

static bool run_instant(struct run *run, int64_t unit, struct value *ret_value)
{
	int64_t time;
	if (!cursor_take_long(&run->cursor, &time))
		return false;
	ret_value->type = VALUE_INSTANT;
	if (__builtin_mul_overflow(time, unit, &ret_value->instant))
		ret_value->instant = INSTANT_NONE; /* refused as out of range */
	return true;
}

static bool run_enum(struct run *run, const struct plan *plan, struct value *ret_value)
{
	size_t index;
	if (!cursor_take_index(&run->cursor, plan->count, &index))
		return false;
	ret_value->type = VALUE_STRING;
	ret_value->text = plan->symbols[index];
	return true;
}

static inline bool run_string(struct run *run, struct value *ret_value)
{
	ret_value->type = VALUE_STRING;
	return cursor_take_sized(&run->cursor, &ret_value->text);
}

static inline bool run_int(struct run *run, struct value *ret_value)
{
	ret_value->type = VALUE_INTEGER;
	return cursor_take_int(&run->cursor, &ret_value->integer);
}

/* A field of a record, an item of an array or map. */
__attribute__((always_inline)) static inline bool run_child(
	struct run *run, const struct plan_child *child, struct value *ret_value)
{
	if (child->null_index != NULL_NOWHERE) {
		size_t index;
		if (!cursor_take_index(&run->cursor, 2, &index))
			return false;
		if (index == (size_t)child->null_index) {
			ret_value->type = VALUE_ABSENT;
			return true;
		}
	}
	switch (child->step) { /* those of almost all fields, without a call */
	case STEP_STRING:
		return run_string(run, ret_value);
	case STEP_DECIMAL:
		return run_decimal(run, child->plan, ret_value);
	case STEP_INT:
		return run_int(run, ret_value);
	default:
		break;
	}
	return run_step(run, child->plan, child->field, ret_value);
}

static void note_problem_field(struct run *run, const struct plan_child *child)
{
	if (!run->cursor.problem_field.data)
		run->cursor.problem_field =
			child->field == FIELD_NONE ? child->name : text_of(field_name(child->field));
}

/* `slots`: where its fields' values go. */
static bool run_record(struct run *run, const struct plan *plan, struct value *slots)
{
	if (!cursor_take_empty(&run->cursor, plan->empty_count))
		return false;
	for (size_t i = 0; i < plan->absent_count; i++)
		slots[plan->absent[i]].type = VALUE_ABSENT;
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_child *child = &plan->children[i];
		if (!run_child(run, child, child->field == FIELD_NONE ? &run->unwanted.value : slots + child->slot)) {
			note_problem_field(run, child);
			return false;
		}
	}
	return true;
}

static bool run_member(struct run *run, const struct plan *plan, struct member *member)
{
	return (plan->step != STEP_MAP || cursor_take_sized(&run->cursor, &member->name)) &&
	       run_child(run, plan->children, &member->value);
}

/* An array or map; `members`: NULL where nobody wants them. */
static bool run_items(struct run *run, const struct plan *plan, struct members *members)
{
	size_t count;
	do {
		if (!cursor_take_block(&run->cursor, &count))
			return false;
		for (size_t i = 0; i < count; i++) {
			struct member *member = members ? members_append(members) : NULL;
			if (!run_member(run, plan, member ? member : &run->unwanted))
				return false;
		}
	} while (count > 0);
	return true;
}

static bool run_thresholds(struct run *run, const struct plan *plan)
{
	size_t count;
	do {
		if (!cursor_take_block(&run->cursor, &count))
			return false;
		for (size_t i = 0; i < count; i++) {
			struct value value; /* not what its own fields write to */
			struct threshold_item *item = fields_next_threshold(run->fields);
			run->threshold = item ? item : &run->unwanted_threshold;
			if (!run_child(run, plan->children, &value))
				return false;
			run->threshold->type = value.type;
		}
	} while (count > 0);
	return true;
}

/* Records, arrays and maps: what can contain itself. */
static bool run_nested(struct run *run, const struct plan *plan, enum field field, struct value *ret_value)
{
	if (run->depth == CURSOR_DEPTH_MAX)
		return cursor_refuse(&run->cursor, "is nested too deep");
	run->depth++;
	bool ok;
	if (plan->step == STEP_RECORD) {
		ret_value->type = VALUE_OBJECT;
		ok = run_record(run, plan, plan->is_threshold ? run->threshold->values : run->fields->values);
	} else if (plan->step == STEP_THRESHOLDS) {
		ret_value->type = VALUE_LIST;
		ok = run_thresholds(run, plan);
	} else {
		struct members *members = fields_members(run->fields, field);
		ret_value->type = members ? VALUE_MEMBERS : VALUE_OTHER;
		ok = run_items(run, plan, members);
	}
	run->depth--;
	return ok;
}

static bool run_union(struct run *run, const struct plan *plan, enum field field, struct value *ret_value)
{
	size_t index;
	return cursor_take_index(&run->cursor, plan->count, &index) &&
	       run_step(run, plan->children[index].plan, field, ret_value);
}

static bool run_step(struct run *run, const struct plan *plan, enum field field, struct value *ret_value)
{
	switch (plan->step) {
	case STEP_NULL:
		ret_value->type = VALUE_ABSENT;
		return true;
	case STEP_BOOLEAN:
		ret_value->type = VALUE_BOOLEAN;
		return cursor_take_boolean(&run->cursor, &ret_value->boolean);
	case STEP_INT:
		return run_int(run, ret_value);
	case STEP_LONG:
		ret_value->type = VALUE_INTEGER;
		return cursor_take_long(&run->cursor, &ret_value->integer);
	case STEP_FLOAT:
		ret_value->type = VALUE_DOUBLE;
		return cursor_take_float(&run->cursor, &ret_value->real);
	case STEP_DOUBLE:
		ret_value->type = VALUE_DOUBLE;
		return cursor_take_double(&run->cursor, &ret_value->real);
	case STEP_STRING:
		return run_string(run, ret_value);
	case STEP_FIXED:
		ret_value->type = VALUE_OTHER;
		return cursor_take_bytes(&run->cursor, plan->size, &ret_value->text);
	case STEP_DECIMAL:
		return run_decimal(run, plan, ret_value);
	case STEP_MILLIS:
		return run_instant(run, INSTANT_MILLISECOND, ret_value);
	case STEP_MICROS:
		return run_instant(run, 1, ret_value);
	case STEP_ENUM:
		return run_enum(run, plan, ret_value);
	case STEP_UNION:
		return run_union(run, plan, field, ret_value);
	case STEP_RECORD:
	case STEP_ARRAY:
	case STEP_MAP:
	case STEP_THRESHOLDS:
		return run_nested(run, plan, field, ret_value);
	}
	return false;
}

bool plan_run(const struct plan *plan, struct text bytes, struct fields *ret_fields, struct defect *ret_defect)
{
	struct run run;
	run.cursor = cursor_of(bytes);
	run.fields = ret_fields;
	run.depth = 0;
	fields_init_lists(ret_fields);
	if (!run_record(&run, plan, ret_fields->values))
		return defect_fill(ret_defect, "malformed_avro", "%.*s %s", TEXT_ARGS(run.cursor.problem_field),
			run.cursor.problem);
	if (run.cursor.at != run.cursor.end)
		return defect_fill(
			ret_defect, "malformed_avro", "%td bytes follow the record", run.cursor.end - run.cursor.at);
	return true;
}
