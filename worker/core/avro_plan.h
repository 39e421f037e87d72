/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How records of a writer's schema become the fields of an input: compiled once
 * per schema against ours (the reader's, of proto/), then run on hostile bytes
 * without allocation.
 *
 * A field of ours is the writer's field of its name, else the one whose name is
 * among our field's aliases, else the one that has our name among its own
 * aliases. What the writer has besides is passed over, but checked and bounded
 * all the same. What it lacks has our default, which is what a field that is
 * not given means in any format; where we have none, the schema is refused.
 *
 * A type is accepted where each of its values is exactly one value of the
 * field, with the meaning that JSON gives it; so Avro's promotions, and:
 *   an amount    decimal (bytes or fixed) of a scale up to 12; an int or long
 *                without a logical type: whole credits; a string: its digits
 *   a time       timestamp-millis, timestamp-micros; a string: RFC 3339
 *   an integer   int, long without a logical type; the range is checked
 *   a text       string, enum, bytes of UTF-8; an enum of ours: the same
 *   a map        of strings, enums, bytes, booleans, ints, longs, floats, doubles
 * Any of them may stand in a union, with null anywhere in it: null is "not given".
 */
#ifndef DRAWDOWN_CORE_AVRO_PLAN_H
#define DRAWDOWN_CORE_AVRO_PLAN_H

#include "avro_schema.h"
#include "fields.h"

struct plan;

/* NULL where records of `writer` cannot be inputs; *reterr says which field is why. Lives in the arena, and looks at
 * `writer` as long as it lives. */
const struct plan *plan_compile(
	const struct schema *writer, const struct schema *reader, struct arena *arena, struct schema_error *reterr);

/* Every byte must be consumed. */
bool plan_run(const struct plan *plan, struct text bytes, struct fields *ret_fields, struct defect *ret_defect);

#endif
