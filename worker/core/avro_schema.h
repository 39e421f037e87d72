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
	LOGICAL_NONE,
	LOGICAL_OTHER, /* one that we do not know, or that does not fit: the bytes are those of the plain type */
	LOGICAL_DECIMAL,
	LOGICAL_TIMESTAMP_MILLIS,
	LOGICAL_TIMESTAMP_MICROS,
};

/* Limits on one schema. */
#define SCHEMA_PARTS_MAX 4096	  /* types, fields, symbols, branches, aliases */
#define SCHEMA_ATTRIBUTES_MAX 256 /* of one type or field */
#define SCHEMA_NAME_SIZE_MAX 512  /* bytes of a full name */

struct schema;

struct aliases {
	struct text *names; /* full ones of a type */
	size_t count;
};

struct schema_field {
	struct text name;
	struct aliases aliases;
	bool has_default;
	const struct schema *schema;
};

struct schema {
	enum schema_type type;
	enum schema_logical logical;
	unsigned scale;	  /* of a decimal */
	struct text name; /* full name of a record, enum or fixed */
	struct aliases aliases;
	size_t size;  /* of a fixed */
	size_t count; /* of fields, symbols or branches */
	struct schema_field *fields;
	struct text *symbols;
	const struct schema **branches;
	const struct schema *items; /* of an array or map */
};

struct schema_error {
	char text[256];
};

/* NULL where it is not a valid schema, or beyond the limits. Nothing of the text is kept. Any thread may call it; avro-c
 * checks what we have read. */
const struct schema *schema_parse(struct text json, struct arena *arena, struct schema_error *reterr);

/* "bytes", "record": the type's name. */
const char *schema_type_name(enum schema_type type);

/* The Parsing Canonical Form, whose CRC-64-AVRO is the schema's fingerprint. */
struct text schema_canonical(const struct schema *schema, struct arena *arena);
uint64_t schema_fingerprint(const struct schema *schema, struct arena *arena);

#endif
