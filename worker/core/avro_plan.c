/* SPDX-License-Identifier: Apache-2.0 */
#include "avro_plan.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "avro_cursor.h"
#include "avro_steps.h"

/* What a value is to become. */
enum expectation {
	EXPECT_ANYTHING, /* it is passed over */
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

struct target {
	enum field field;
	enum expectation expectation;
	const struct schema *reader; /* our type for it; NULL where it is passed over */
};

static const struct target passed_over_target = {FIELD_NONE, EXPECT_ANYTHING, NULL};

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

__attribute__((format(printf, 2, 3))) static void *refuse(struct compiler *compiler, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(compiler->error->text, sizeof compiler->error->text, format, arguments);
	va_end(arguments);
	return NULL;
}

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
	default:
		return EXPECT_TEXT;
	}
}

static const char *expectation_text(enum expectation expectation)
{
	static const char *const texts[] = {
		[EXPECT_ANYTHING] = "anything",
		[EXPECT_TEXT] = "a string, an enum or bytes",
		[EXPECT_AMOUNT] = "a decimal of a scale up to 12, an int, a long or a string",
		[EXPECT_INSTANT] = "a timestamp-millis, a timestamp-micros or a string",
		[EXPECT_INTEGER] = "an int or a long",
		[EXPECT_BOOLEAN] = "a boolean",
		[EXPECT_MEMBERS] = "a map",
		[EXPECT_MEMBER] = "a map of strings, enums, bytes, booleans, ints, longs, floats or doubles",
		[EXPECT_COST] = "a record",
		[EXPECT_THRESHOLDS] = "an array of records",
		[EXPECT_THRESHOLD] = "an array of records",
	};
	return texts[expectation];
}

static bool is_whole_number(const struct schema *schema)
{
	return schema->logical == LOGICAL_NONE && (schema->type == SCHEMA_INT || schema->type == SCHEMA_LONG);
}

/* Whether bytes are UTF-8 is seen in each record. */
static bool is_text(const struct schema *schema)
{
	return schema->type == SCHEMA_STRING || schema->type == SCHEMA_ENUM ||
	       (schema->type == SCHEMA_BYTES && schema->logical == LOGICAL_NONE);
}

static bool is_acceptable(const struct schema *schema, enum expectation expectation)
{
	switch (expectation) {
	case EXPECT_ANYTHING:
		return true;
	case EXPECT_TEXT:
		return is_text(schema);
	case EXPECT_AMOUNT:
		return (schema->logical == LOGICAL_DECIMAL && schema->scale <= CREDIT_SCALE) ||
		       is_whole_number(schema) || schema->type == SCHEMA_STRING;
	case EXPECT_INSTANT:
		return schema->logical == LOGICAL_TIMESTAMP_MICROS || schema->logical == LOGICAL_TIMESTAMP_MILLIS ||
		       schema->type == SCHEMA_STRING;
	case EXPECT_INTEGER:
		return is_whole_number(schema);
	case EXPECT_BOOLEAN:
		return schema->type == SCHEMA_BOOLEAN;
	case EXPECT_MEMBERS:
		return schema->type == SCHEMA_MAP;
	case EXPECT_MEMBER:
		return is_text(schema) || is_whole_number(schema) || schema->type == SCHEMA_BOOLEAN ||
		       schema->type == SCHEMA_FLOAT || schema->type == SCHEMA_DOUBLE;
	case EXPECT_THRESHOLDS:
		return schema->type == SCHEMA_ARRAY;
	case EXPECT_COST:
	case EXPECT_THRESHOLD:
		return schema->type == SCHEMA_RECORD;
	}
	return false;
}

/* What one should know of a type that was refused, besides its name. */
static const char *remark_on(const struct schema *schema, enum expectation expectation)
{
	switch (schema->logical) {
	case LOGICAL_TIMESTAMP_MILLIS:
		return " (timestamp-millis)";
	case LOGICAL_TIMESTAMP_MICROS:
		return " (timestamp-micros)";
	case LOGICAL_OTHER:
		return " of another logical type";
	case LOGICAL_DECIMAL:
		return expectation == EXPECT_AMOUNT ? " (decimal of a larger scale)" : " (decimal)";
	case LOGICAL_NONE:
		break;
	}
	if (expectation == EXPECT_AMOUNT && (schema->type == SCHEMA_FLOAT || schema->type == SCHEMA_DOUBLE))
		return ", which is not exact";
	return expectation == EXPECT_INSTANT && schema->type == SCHEMA_LONG ? ", which has no unit" : "";
}

static const struct plan *refuse_type(
	struct compiler *compiler, const struct schema *schema, const struct target *target)
{
	return refuse(compiler, "%s has the type %s%s; it can be %s", field_name(target->field),
		schema_type_name(schema->type), remark_on(schema, target->expectation),
		expectation_text(target->expectation));
}

static const struct plan *compile(struct compiler *compiler, const struct schema *schema, const struct target *target);

/* Our type without null and around it: [null, X] -> X, array of X -> X. */
static const struct schema *core_of(const struct schema *schema)
{
	while (schema->type == SCHEMA_UNION || schema->type == SCHEMA_ARRAY) {
		if (schema->type == SCHEMA_ARRAY)
			schema = schema->items;
		else
			schema = schema->branches[schema->branches[0]->type == SCHEMA_NULL];
	}
	return schema;
}

static bool has_alias(const struct aliases *aliases, struct text name)
{
	for (size_t i = 0; i < aliases->count; i++)
		if (text_equal(aliases->names[i], name))
			return true;
	return false;
}

/* Our field that the writer's is, or NULL. */
static const struct schema_field *find_ours(const struct schema *reader, const struct schema_field *theirs)
{
	for (size_t i = 0; i < reader->count; i++)
		if (text_equal(reader->fields[i].name, theirs->name))
			return &reader->fields[i];
	for (size_t i = 0; i < reader->count; i++)
		if (has_alias(&reader->fields[i].aliases, theirs->name))
			return &reader->fields[i];
	for (size_t i = 0; i < reader->count; i++)
		if (has_alias(&theirs->aliases, reader->fields[i].name))
			return &reader->fields[i];
	return NULL;
}

static enum field find_field(enum expectation expectation, struct text name)
{
	if (expectation == EXPECT_COST)
		return field_find_in_cost(name);
	return expectation == EXPECT_THRESHOLD ? field_find_in_threshold(name) : field_find(name);
}

static struct target target_of(const struct schema_field *ours, enum expectation outer)
{
	if (!ours)
		return passed_over_target;
	enum field field = find_field(outer, ours->name);
	assert(field != FIELD_NONE); /* or our schema has a field that nobody reads */
	return (struct target){field, expectation_of(field), core_of(ours->schema)};
}

/* Where only null is beside it, the plan of a union is that of its other branch. */
static void set_child(struct plan_child *child, const struct plan *plan)
{
	child->plan = plan;
	child->null_index = NULL_NOWHERE;
	for (int i = 0; plan->step == STEP_UNION && plan->count == 2 && i < 2; i++) {
		if (plan->children[i].plan->step == STEP_NULL) {
			child->null_index = i;
			child->plan = plan->children[1 - i].plan;
		}
	}
}

static int slot_of(enum field field, enum expectation outer)
{
	if (outer == EXPECT_THRESHOLD)
		return field == FIELD_NONE ? THRESHOLD_UNWANTED_SLOT : field - FIELD_THRESHOLD_AMOUNT;
	return field == FIELD_NONE ? FIELD_UNWANTED_SLOT : field;
}

static size_t count_empty(const struct plan *plan)
{
	size_t count = 1;
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_child *child = &plan->children[i];
		bool takes_bytes =
			child->null_index != NULL_NOWHERE ||
			(child->plan->step != STEP_NULL && (child->plan->step != STEP_FIXED || child->plan->size > 0));
		count += !takes_bytes;
	}
	return count;
}

static size_t count_theirs(const struct schema *schema, const struct schema *reader, const struct schema_field *ours)
{
	size_t count = 0;
	for (size_t i = 0; i < schema->count; i++)
		count += find_ours(reader, &schema->fields[i]) == ours;
	return count;
}

/* What the writer lacks has our default: that of a field that is not given. */
static bool compile_absent(
	struct compiler *compiler, const struct schema *schema, const struct target *target, struct plan *plan)
{
	const struct schema *reader = target->reader;
	int *absent = arena_alloc_array(compiler->arena, reader->count, sizeof *absent);
	plan->absent = absent;
	for (size_t i = 0; i < reader->count; i++) {
		const struct schema_field *ours = &reader->fields[i];
		enum field field = find_field(target->expectation, ours->name);
		size_t count = count_theirs(schema, reader, ours);
		if (count > 1)
			return refuse(compiler, "two fields of the schema are %s, by name or alias", field_name(field));
		if (count == 0 && !ours->has_default)
			return refuse(compiler, "the schema has no %s, which is required", field_name(field));
		if (count == 0)
			absent[plan->absent_count++] = slot_of(field, target->expectation);
	}
	return true;
}

static bool compile_fields(struct compiler *compiler, const struct schema *schema, const struct target *target,
	struct plan_child *children)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct schema_field *theirs = &schema->fields[i];
		struct target field =
			target_of(target->reader ? find_ours(target->reader, theirs) : NULL, target->expectation);
		const struct plan *plan = compile(compiler, theirs->schema, &field);
		if (!plan)
			return false;
		children[i].name = theirs->name;
		children[i].field = field.field;
		children[i].slot = slot_of(field.field, target->expectation);
		set_child(&children[i], plan);
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

static const struct plan *compile_record(
	struct compiler *compiler, const struct schema *schema, const struct target *target)
{
	const struct plan *known = target->reader ? NULL : find_passed_over(compiler, schema);
	if (known)
		return known;
	struct plan *plan = arena_zero_array(compiler->arena, 1, sizeof *plan);
	struct plan_child *children = arena_zero_array(compiler->arena, schema->count, sizeof *children);
	*plan = (struct plan){.step = STEP_RECORD,
		.is_threshold = target->expectation == EXPECT_THRESHOLD,
		.count = schema->count,
		.children = children};
	if (!target->reader) {
		struct passed_over *note = arena_alloc(compiler->arena, sizeof *note);
		*note = (struct passed_over){schema, plan, compiler->passed_over};
		compiler->passed_over = note;
	}
	if (target->reader && !compile_absent(compiler, schema, target, plan))
		return NULL;
	if (!compile_fields(compiler, schema, target, children))
		return NULL;
	plan->empty_count = count_empty(plan);
	return plan;
}

static const struct plan *compile_union(
	struct compiler *compiler, const struct schema *schema, const struct target *target)
{
	struct plan *plan = arena_zero_array(compiler->arena, 1, sizeof *plan);
	struct plan_child *children = arena_zero_array(compiler->arena, schema->count, sizeof *children);
	*plan = (struct plan){.step = STEP_UNION, .count = schema->count, .children = children};
	for (size_t i = 0; i < schema->count; i++) {
		children[i].plan = compile(compiler, schema->branches[i], target);
		if (!children[i].plan)
			return NULL;
	}
	return plan;
}

static const struct plan *compile_items(
	struct compiler *compiler, const struct schema *schema, const struct target *target)
{
	struct plan *plan = arena_zero_array(compiler->arena, 1, sizeof *plan);
	struct plan_child *child = arena_zero_array(compiler->arena, 1, sizeof *child);
	struct target item = *target;
	plan->step = schema->type == SCHEMA_MAP ? STEP_MAP : STEP_ARRAY;
	plan->count = 1;
	plan->children = child;
	if (target->expectation == EXPECT_MEMBERS)
		item.expectation = EXPECT_MEMBER;
	if (target->expectation == EXPECT_THRESHOLDS) {
		item.expectation = EXPECT_THRESHOLD;
		plan->step = STEP_THRESHOLDS;
	}
	child->field = item.field;
	const struct plan *item_plan = compile(compiler, schema->items, &item);
	if (!item_plan)
		return NULL;
	set_child(child, item_plan);
	return plan;
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
		.is_fixed = schema->type == SCHEMA_FIXED,
		.size = schema->type == SCHEMA_FIXED ? schema->size : 0,
		.count = schema->type == SCHEMA_ENUM ? schema->count : 0,
		.symbols = schema->symbols,
	};
	return plan;
}

static const struct plan *compile_schema(
	struct compiler *compiler, const struct schema *schema, const struct target *target)
{
	if (schema->type == SCHEMA_UNION)
		return compile_union(compiler, schema, target);
	/* null is "not given", wherever it stands */
	if (schema->type != SCHEMA_NULL && !is_acceptable(schema, target->expectation))
		return refuse_type(compiler, schema, target);
	switch (schema->type) {
	case SCHEMA_RECORD:
		return compile_record(compiler, schema, target);
	case SCHEMA_ARRAY:
	case SCHEMA_MAP:
		return compile_items(compiler, schema, target);
	default:
		return compile_leaf(compiler, schema);
	}
}

static const struct plan *compile(struct compiler *compiler, const struct schema *schema, const struct target *target)
{
	if (compiler->depth == CURSOR_DEPTH_MAX)
		return refuse(compiler, "the schema is nested deeper than %d levels", CURSOR_DEPTH_MAX);
	compiler->depth++;
	const struct plan *plan = compile_schema(compiler, schema, target);
	compiler->depth--;
	return plan;
}

const struct plan *plan_compile(
	const struct schema *writer, const struct schema *reader, struct arena *arena, struct schema_error *reterr)
{
	struct compiler compiler = {.arena = arena, .error = reterr};
	const struct target target = {FIELD_NONE, EXPECT_ANYTHING, reader};
	if (writer->type != SCHEMA_RECORD)
		return refuse(&compiler, "the schema is no record");
	return compile_record(&compiler, writer, &target);
}
