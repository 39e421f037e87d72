/* SPDX-License-Identifier: Apache-2.0 */
#include "avro_plan.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "avro_cursor.h"

enum plan_step {
	STEP_NULL,
	STEP_BOOLEAN,
	STEP_INT,
	STEP_LONG,
	STEP_FLOAT,
	STEP_DOUBLE,
	STEP_STRING, /* bytes too, where nobody wants them */
	STEP_FIXED,
	STEP_DECIMAL,
	STEP_MILLIS,
	STEP_MICROS,
	STEP_ENUM,
	STEP_RECORD,
	STEP_UNION,
	STEP_ARRAY,
	STEP_MAP,
	STEP_THRESHOLDS,
};

struct plan_child {
	const struct plan *plan;
	enum field field; /* of a record: where the value goes */
	struct text name;
};

/* Knows no field of its own, so that one plan serves every place where the schema stands. */
struct plan {
	enum plan_step step;
	unsigned scale;
	size_t size;
	size_t count;			   /* of children or symbols; of a leaf: whether it is fixed */
	const struct plan_child *children; /* fields of a record, branches of a union, the item of an array or map */
	const struct text *symbols;
};

/* What a field may be in a schema. */
enum expectation {
	EXPECT_ANYTHING,
	EXPECT_TEXT,
	EXPECT_AMOUNT,
	EXPECT_INSTANT,
	EXPECT_INTEGER,
	EXPECT_BOOLEAN,
	EXPECT_MEMBERS,
	EXPECT_MEMBER,
	EXPECT_COST,
	EXPECT_THRESHOLDS,
	EXPECT_THRESHOLD,
};

/* Which fields a record's names are looked up in. */
enum scope {
	SCOPE_NONE,
	SCOPE_TOP,
	SCOPE_COST,
	SCOPE_THRESHOLD,
};

/* A record that is passed over: compiled once, also where it contains itself. */
struct passed_over {
	const struct schema *schema;
	const struct plan *plan;
	const struct passed_over *next;
};

struct compiler {
	struct arena *arena;
	struct schema_error *error;
	const struct passed_over *passed_over;
	unsigned depth;
};

static enum expectation expectation_of(enum field field)
{
	switch (field) {
	case FIELD_AMOUNT:
	case FIELD_COST_AMOUNT:
	case FIELD_OVERDRAFT_LIMIT:
	case FIELD_THRESHOLD_AMOUNT:
		return EXPECT_AMOUNT;
	case FIELD_CREATED_AT:
	case FIELD_EFFECTIVE_AT:
	case FIELD_EXPIRE_AT:
	case FIELD_EXPIRES_AT:
	case FIELD_DUE_AT:
		return EXPECT_INSTANT;
	case FIELD_PRIORITY:
	case FIELD_TTL_SECONDS:
	case FIELD_THRESHOLD_PERCENT:
	case FIELD_THRESHOLD_HYSTERESIS:
		return EXPECT_INTEGER;
	case FIELD_AWAIT_PAYMENT:
		return EXPECT_BOOLEAN;
	case FIELD_DIMENSIONS:
	case FIELD_METADATA:
		return EXPECT_MEMBERS;
	case FIELD_COST:
		return EXPECT_COST;
	case FIELD_THRESHOLDS:
		return EXPECT_THRESHOLDS;
	case FIELD_NONE:
		return EXPECT_ANYTHING;
	default:
		return EXPECT_TEXT;
	}
}

static bool is_acceptable(const struct schema *schema, enum expectation expectation)
{
	switch (expectation) {
	case EXPECT_ANYTHING:
		return true;
	case EXPECT_TEXT:
		return schema->type == SCHEMA_STRING || schema->type == SCHEMA_ENUM;
	case EXPECT_AMOUNT:
		return schema->logical == LOGICAL_DECIMAL && schema->scale <= CREDIT_SCALE;
	case EXPECT_INSTANT:
		return schema->logical == LOGICAL_TIMESTAMP_MICROS || schema->logical == LOGICAL_TIMESTAMP_MILLIS;
	case EXPECT_INTEGER:
		return schema->logical == LOGICAL_NONE && (schema->type == SCHEMA_INT || schema->type == SCHEMA_LONG);
	case EXPECT_BOOLEAN:
		return schema->type == SCHEMA_BOOLEAN;
	case EXPECT_MEMBERS:
		return schema->type == SCHEMA_MAP;
	case EXPECT_MEMBER:
		return schema->logical == LOGICAL_NONE &&
		       (schema->type == SCHEMA_STRING || schema->type == SCHEMA_ENUM ||
			       schema->type == SCHEMA_BOOLEAN || schema->type == SCHEMA_INT ||
			       schema->type == SCHEMA_LONG || schema->type == SCHEMA_DOUBLE);
	case EXPECT_THRESHOLDS:
		return schema->type == SCHEMA_ARRAY;
	case EXPECT_COST:
	case EXPECT_THRESHOLD:
		return schema->type == SCHEMA_RECORD;
	}
	return false;
}

static const struct plan *compile(
	struct compiler *compiler, const struct schema *schema, enum expectation expectation, enum scope scope);

__attribute__((format(printf, 2, 3))) static void *refuse(struct compiler *compiler, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(compiler->error->text, sizeof compiler->error->text, format, arguments);
	va_end(arguments);
	return NULL;
}

static enum field find_in_scope(enum scope scope, struct text name)
{
	if (scope == SCOPE_COST)
		return field_find_in_cost(name);
	if (scope == SCOPE_THRESHOLD)
		return field_find_in_threshold(name);
	enum field field = scope == SCOPE_TOP ? field_find(name) : FIELD_NONE;
	return field == FIELD_TYPE ? FIELD_NONE : field; /* the record's name says the kind */
}

static bool compile_fields(
	struct compiler *compiler, const struct schema *schema, enum scope scope, struct plan_child *children)
{
	for (size_t i = 0; i < schema->count; i++) {
		struct text name = schema->fields[i].name;
		enum field field = find_in_scope(scope, name);
		const struct plan *plan = compile(compiler, schema->fields[i].schema, expectation_of(field),
			field == FIELD_COST ? SCOPE_COST : SCOPE_NONE);
		if (!plan) {
			if (!compiler->error->text[0])
				refuse(compiler, "%s has a type that it cannot have", field_name(field));
			return false;
		}
		children[i] = (struct plan_child){plan, field, name};
	}
	return true;
}

static const struct plan *find_passed_over(const struct compiler *compiler, const struct schema *schema)
{
	for (const struct passed_over *found = compiler->passed_over; found; found = found->next)
		if (found->schema == schema)
			return found->plan;
	return NULL;
}

static const struct plan *compile_record(struct compiler *compiler, const struct schema *schema, enum scope scope)
{
	const struct plan *known = scope == SCOPE_NONE ? find_passed_over(compiler, schema) : NULL;
	if (known)
		return known;
	struct plan *plan = arena_zero_array(compiler->arena, 1, sizeof *plan);
	struct plan_child *children = arena_zero_array(compiler->arena, schema->count, sizeof *children);
	*plan = (struct plan){.step = STEP_RECORD, .count = schema->count, .children = children};
	if (scope == SCOPE_NONE) {
		struct passed_over *note = arena_alloc(compiler->arena, sizeof *note);
		*note = (struct passed_over){schema, plan, compiler->passed_over};
		compiler->passed_over = note;
	}
	return compile_fields(compiler, schema, scope, children) ? plan : NULL;
}

static const struct plan *compile_union(
	struct compiler *compiler, const struct schema *schema, enum expectation expectation, enum scope scope)
{
	struct plan *plan = arena_zero_array(compiler->arena, 1, sizeof *plan);
	struct plan_child *children = arena_zero_array(compiler->arena, schema->count, sizeof *children);
	*plan = (struct plan){.step = STEP_UNION, .count = schema->count, .children = children};
	for (size_t i = 0; i < schema->count; i++) {
		children[i] = (struct plan_child){
			.plan = compile(compiler, schema->branches[i], expectation, scope), .field = FIELD_NONE};
		if (!children[i].plan)
			return NULL;
	}
	return plan;
}

static const struct plan *compile_items(
	struct compiler *compiler, const struct schema *schema, enum expectation expectation)
{
	struct plan *plan = arena_zero_array(compiler->arena, 1, sizeof *plan);
	struct plan_child *child = arena_zero_array(compiler->arena, 1, sizeof *child);
	child->field = FIELD_NONE;
	plan->count = 1;
	plan->children = child;
	switch (expectation) {
	case EXPECT_MEMBERS:
		plan->step = STEP_MAP;
		child->plan = compile(compiler, schema->items, EXPECT_MEMBER, SCOPE_NONE);
		break;
	case EXPECT_THRESHOLDS:
		plan->step = STEP_THRESHOLDS;
		child->plan = compile(compiler, schema->items, EXPECT_THRESHOLD, SCOPE_THRESHOLD);
		break;
	default:
		plan->step = schema->type == SCHEMA_MAP ? STEP_MAP : STEP_ARRAY;
		child->plan = compile(compiler, schema->items, EXPECT_ANYTHING, SCOPE_NONE);
		break;
	}
	return child->plan ? plan : NULL;
}

static enum plan_step leaf_step(const struct schema *schema)
{
	if (schema->logical == LOGICAL_DECIMAL)
		return STEP_DECIMAL;
	if (schema->logical == LOGICAL_TIMESTAMP_MILLIS)
		return STEP_MILLIS;
	if (schema->logical == LOGICAL_TIMESTAMP_MICROS)
		return STEP_MICROS;
	static const enum plan_step steps[] = {
		[SCHEMA_NULL] = STEP_NULL,
		[SCHEMA_BOOLEAN] = STEP_BOOLEAN,
		[SCHEMA_INT] = STEP_INT,
		[SCHEMA_LONG] = STEP_LONG,
		[SCHEMA_FLOAT] = STEP_FLOAT,
		[SCHEMA_DOUBLE] = STEP_DOUBLE,
		[SCHEMA_BYTES] = STEP_STRING,
		[SCHEMA_STRING] = STEP_STRING,
		[SCHEMA_FIXED] = STEP_FIXED,
		[SCHEMA_ENUM] = STEP_ENUM,
	};
	assert(schema->type == SCHEMA_ENUM || schema->type == SCHEMA_FIXED || schema->type < SCHEMA_PRIMITIVE_COUNT);
	return steps[schema->type];
}

static const struct plan *compile_leaf(struct compiler *compiler, const struct schema *schema)
{
	struct plan *plan = arena_zero_array(compiler->arena, 1, sizeof *plan);
	*plan = (struct plan){
		.step = leaf_step(schema),
		.scale = schema->scale,
		.size = schema->type == SCHEMA_FIXED ? schema->size : 0,
		.count = schema->type == SCHEMA_ENUM ? schema->count : schema->type == SCHEMA_FIXED,
		.symbols = schema->symbols,
	};
	return plan;
}

static const struct plan *compile_schema(
	struct compiler *compiler, const struct schema *schema, enum expectation expectation, enum scope scope)
{
	if (schema->type == SCHEMA_UNION)
		return compile_union(compiler, schema, expectation, scope);
	/* null is "not given", wherever a field may be left out */
	if (schema->type != SCHEMA_NULL && !is_acceptable(schema, expectation))
		return NULL;
	switch (schema->type) {
	case SCHEMA_RECORD:
		return compile_record(compiler, schema, scope);
	case SCHEMA_ARRAY:
	case SCHEMA_MAP:
		return compile_items(compiler, schema, expectation);
	default:
		return compile_leaf(compiler, schema);
	}
}

static const struct plan *compile(
	struct compiler *compiler, const struct schema *schema, enum expectation expectation, enum scope scope)
{
	if (compiler->depth == CURSOR_DEPTH_MAX)
		return refuse(compiler, "the schema is nested too deep");
	compiler->depth++;
	const struct plan *plan = compile_schema(compiler, schema, expectation, scope);
	compiler->depth--;
	return plan;
}

const struct plan *plan_compile(const struct schema *record, struct arena *arena, struct schema_error *reterr)
{
	struct compiler compiler = {.arena = arena, .error = reterr};
	reterr->text[0] = '\0';
	if (record->type != SCHEMA_RECORD)
		return refuse(&compiler, "the schema is not a record");
	return compile_record(&compiler, record, SCOPE_TOP);
}

/* One run over one record. */
struct run {
	struct cursor cursor;
	struct fields *fields;
	unsigned depth;
};

static bool run_step(struct run *run, const struct plan *plan, struct value *ret_value, struct members *ret_members);

static bool run_record(struct run *run, const struct plan *plan)
{
	struct value unwanted;
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_child *child = &plan->children[i];
		struct value *value = child->field == FIELD_NONE ? &unwanted : &run->fields->values[child->field];
		if (!run_step(run, child->plan, value, fields_members(run->fields, child->field))) {
			if (!run->cursor.problem_field.data)
				run->cursor.problem_field =
					child->field == FIELD_NONE ? child->name : text_of(field_name(child->field));
			return false;
		}
	}
	return true;
}

static bool run_items(struct run *run, const struct plan *plan, struct members *members)
{
	size_t count;
	const struct plan *item = plan->children[0].plan;
	do {
		if (!cursor_take_block(&run->cursor, &count))
			return false;
		for (size_t i = 0; i < count; i++) {
			struct member unwanted;
			struct member *member = members ? members_append(members) : NULL;
			if (!member)
				member = &unwanted;
			if (plan->step == STEP_MAP && !cursor_take_sized(&run->cursor, &member->name))
				return false;
			if (!run_step(run, item, &member->value, NULL))
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
			struct value value;
			fields_begin_threshold(run->fields);
			if (!run_step(run, plan->children[0].plan, &value, NULL))
				return false;
			fields_append_threshold(run->fields, value.type);
		}
	} while (count > 0);
	return true;
}

static bool run_decimal(struct run *run, const struct plan *plan, struct value *ret_value)
{
	struct text bytes;
	bool is_fixed = plan->count > 0;
	if (is_fixed ? !cursor_take_bytes(&run->cursor, plan->size, &bytes) : !cursor_take_sized(&run->cursor, &bytes))
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

static bool run_union(struct run *run, const struct plan *plan, struct value *ret_value, struct members *ret_members)
{
	size_t index;
	return cursor_take_index(&run->cursor, plan->count, &index) &&
	       run_step(run, plan->children[index].plan, ret_value, ret_members);
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

static bool run_leaf(struct run *run, const struct plan *plan, struct value *ret_value)
{
	switch (plan->step) {
	case STEP_NULL:
		ret_value->type = VALUE_ABSENT;
		return true;
	case STEP_BOOLEAN:
		ret_value->type = VALUE_BOOLEAN;
		return cursor_take_boolean(&run->cursor, &ret_value->boolean);
	case STEP_INT:
		ret_value->type = VALUE_INTEGER;
		return cursor_take_int(&run->cursor, &ret_value->integer);
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
		ret_value->type = VALUE_STRING;
		return cursor_take_sized(&run->cursor, &ret_value->text);
	case STEP_FIXED:
		ret_value->type = VALUE_OTHER;
		return cursor_take_bytes(&run->cursor, plan->size, &ret_value->text);
	default:
		break;
	}
	assert(plan->step == STEP_ENUM);
	return run_enum(run, plan, ret_value);
}

/* Records, arrays and maps: what can contain itself. */
static bool run_nested(struct run *run, const struct plan *plan, struct value *ret_value, struct members *ret_members)
{
	if (run->depth == CURSOR_DEPTH_MAX)
		return cursor_refuse(&run->cursor, "is nested too deep");
	run->depth++;
	bool ok;
	if (plan->step == STEP_RECORD) {
		ret_value->type = VALUE_OBJECT;
		ok = run_record(run, plan);
	} else if (plan->step == STEP_THRESHOLDS) {
		ret_value->type = VALUE_LIST;
		ok = run_thresholds(run, plan);
	} else {
		ret_value->type = ret_members ? VALUE_MEMBERS : VALUE_OTHER;
		ok = run_items(run, plan, ret_members);
	}
	run->depth--;
	return ok;
}

static bool run_step(struct run *run, const struct plan *plan, struct value *ret_value, struct members *ret_members)
{
	switch (plan->step) {
	case STEP_DECIMAL:
		return run_decimal(run, plan, ret_value);
	case STEP_MILLIS:
		return run_instant(run, INSTANT_MILLISECOND, ret_value);
	case STEP_MICROS:
		return run_instant(run, 1, ret_value);
	case STEP_UNION:
		return run_union(run, plan, ret_value, ret_members);
	case STEP_RECORD:
	case STEP_ARRAY:
	case STEP_MAP:
	case STEP_THRESHOLDS:
		return run_nested(run, plan, ret_value, ret_members);
	default:
		return run_leaf(run, plan, ret_value);
	}
}

bool plan_run(const struct plan *plan, struct text bytes, struct fields *ret_fields, struct defect *ret_defect)
{
	struct run run = {.cursor = cursor_of(bytes), .fields = ret_fields};
	fields_init(ret_fields);
	if (!run_record(&run, plan))
		return defect_fill(ret_defect, "malformed_avro", "%.*s %s", TEXT_ARGS(run.cursor.problem_field),
			run.cursor.problem);
	if (run.cursor.at != run.cursor.end)
		return defect_fill(
			ret_defect, "malformed_avro", "%td bytes follow the record", run.cursor.end - run.cursor.at);
	return true;
}
