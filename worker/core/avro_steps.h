/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan as avro_plan.c makes it and avro_run.c runs it; nobody else looks into it.
 */
#ifndef DRAWDOWN_CORE_AVRO_STEPS_H
#define DRAWDOWN_CORE_AVRO_STEPS_H

#include "avro_plan.h"

enum plan_step {
	STEP_NULL,
	STEP_BOOLEAN,
	STEP_INT,
	STEP_LONG,
	STEP_FLOAT,
	STEP_DOUBLE,
	STEP_STRING, /* bytes too */
	STEP_FIXED,
	STEP_DECIMAL,
	STEP_MILLIS,
	STEP_MICROS,
	STEP_ENUM,
	STEP_UNION,
	STEP_RECORD, /* from here on: what can contain itself */
	STEP_ARRAY,
	STEP_MAP,
	STEP_THRESHOLDS,
};

#define NULL_NOWHERE (-1)

struct plan_child {
	int null_index;		 /* which branch of a union of null and one more is null, or NULL_NOWHERE */
	const struct plan *plan; /* of the other branch, where the field is a union of null and one more */
	struct text name;	 /* of a record's field */
	enum field field;	 /* FIELD_NONE: it is passed over */
	int slot; /* of a record: where the value goes, among the values of the fields or of a threshold */
};

/* Knows no field of its own, so that one plan serves every place where the schema stands. */
struct plan {
	enum plan_step step;
	unsigned scale;			   /* of a decimal */
	bool is_fixed;			   /* of a decimal: `size` bytes */
	bool is_threshold;		   /* of a record: its values go to the threshold that is being read */
	size_t size;			   /* of a fixed */
	size_t count;			   /* of children or symbols */
	size_t empty_count;		   /* of a record: its fields that take no bytes, itself included */
	const struct plan_child *children; /* fields of a record, branches of a union, the item of an array or map */
	const struct text *symbols;
	const int *absent; /* of a record: slots of ours that the writer lacks */
	size_t absent_count;
};

#endif
