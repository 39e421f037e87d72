/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An Avro schema as a tree, with its logical types. It lives in the arena that
 * it was parsed into and never changes.
 */
#ifndef DRAWDOWN_CORE_AVRO_SCHEMA_H
#define DRAWDOWN_CORE_AVRO_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/arena.h"
#include "drawdown/text.h"

enum schema_type {
	SCHEMA_NULL,
	SCHEMA_BOOLEAN,
	SCHEMA_INT,
	SCHEMA_LONG,
	SCHEMA_FLOAT,
	SCHEMA_DOUBLE,
	SCHEMA_BYTES,
	SCHEMA_STRING,
	SCHEMA_PRIMITIVE_COUNT,
	SCHEMA_RECORD = SCHEMA_PRIMITIVE_COUNT,
	SCHEMA_ENUM,
	SCHEMA_FIXED,
	SCHEMA_ARRAY,
	SCHEMA_MAP,
	SCHEMA_UNION,
};

enum schema_logical {
	LOGICAL_NONE, /* or one that we do not know: the plain type counts */
	LOGICAL_DECIMAL,
	LOGICAL_TIMESTAMP_MILLIS,
	LOGICAL_TIMESTAMP_MICROS,
};

struct schema;

struct schema_field {
	struct text name;
	const struct schema *schema;
};

struct schema {
	enum schema_type type;
	enum schema_logical logical;
	unsigned scale;	  /* of a decimal */
	struct text name; /* full name of a record, enum or fixed */
	size_t size;	  /* of a fixed */
	size_t count;	  /* of fields, symbols or branches */
	struct schema_field *fields;
	struct text *symbols;
	const struct schema **branches;
	const struct schema *items; /* of an array or map */
};

struct schema_error {
	char text[160];
};

/* NULL where it is not a valid schema. Not thread-safe: avro-c checks it first. */
const struct schema *schema_parse(struct text json, struct arena *arena, struct schema_error *reterr);

/* "bytes", "record": the type's name. */
const char *schema_type_name(enum schema_type type);

/* The Parsing Canonical Form, whose CRC-64-AVRO is the schema's fingerprint. */
struct text schema_canonical(const struct schema *schema, struct arena *arena);
uint64_t schema_fingerprint(const struct schema *schema, struct arena *arena);

#endif
