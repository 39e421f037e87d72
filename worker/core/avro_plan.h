/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How records of one schema become the fields of an input: compiled once per
 * schema, then run on hostile bytes without allocation. Fields are matched by
 * name; what is unknown is passed over, but checked and bounded all the same.
 */
#ifndef DRAWDOWN_CORE_AVRO_PLAN_H
#define DRAWDOWN_CORE_AVRO_PLAN_H

#include "avro_schema.h"
#include "fields.h"

struct plan;

/* NULL where a field of the schema cannot be what its name says; *reterr says which. Lives in the arena. */
const struct plan *plan_compile(const struct schema *record, struct arena *arena, struct schema_error *reterr);

/* Every byte must be consumed. */
bool plan_run(const struct plan *plan, struct text bytes, struct fields *ret_fields, struct defect *ret_defect);

#endif
