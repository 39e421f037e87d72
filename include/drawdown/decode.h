/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a record to an event. Pure; never trusts the bytes.
 *
 * The first byte tells the framing: 0xC3 0x01 Avro single-object, 0x00
 * Confluent, anything else JSON. A record that cannot be understood is a
 * defect: it goes to the dead letters, nothing behind it waits.
 */
#ifndef DRAWDOWN_DECODE_H
#define DRAWDOWN_DECODE_H

#include "drawdown/arena.h"
#include "drawdown/event.h"

/* Limits on one record; each over-long thing is a defect that names the field. */
#define DECODE_VALUE_SIZE_MAX (256 * 1024)
#define DECODE_KEY_CHARACTERS_MAX 255
#define DECODE_TEXT_SIZE_MAX 4096	/* comment, displayName: bytes */
#define DECODE_DIMENSIONS_SIZE_MAX 8192 /* dimensions, metadata: bytes of canonical JSON */
#define DECODE_DIMENSIONS_COUNT_MAX 100
#define DECODE_DEPTH_MAX 16

struct defect {
	const char *reason; /* static, a code: "empty", "malformed_json", "malformed_avro", "unknown_schema",
			     * "unusable_schema", "unknown_type", "missing_field", "invalid_field", "too_large" */
	char text[256];	    /* names the field; never quotes the payload */
};

/* Limits on what is learnt. */
#define DECODER_SCHEMAS_MAX 1000		   /* learnt references, to usable schemas or not */
#define DECODER_UNKNOWN_MAX 1000		   /* ids and fingerprints of which nobody knows a schema */
#define DECODER_SCHEMA_SIZE_MAX (256 * 1024)	   /* bytes of a schema's text; a longer one is unusable */
#define DECODER_MEMORY_SIZE_MAX (64 * 1024 * 1024) /* bytes of all that was made of them */
#define DECODER_WHY_SIZE 256

/* All reasons that there are, and "invalid_timestamp", which is the worker's. Ends with NULL. */
extern const char *const defect_reasons[];

/* The known schemas, compiled. One thread's own: it may learn while it lives. */
struct decoder;

/* Compiles the schemas embedded from proto/. Aborts if those are broken: that is a bug. */
struct decoder *decoder_new(void);
void decoder_free(struct decoder *decoder);

/* Which writer's schema a value names. */
enum schema_ref_kind {
	SCHEMA_REF_NONE,
	SCHEMA_REF_ID,		/* Confluent framing: 32 bits, given by a registry */
	SCHEMA_REF_FINGERPRINT, /* single-object framing: CRC-64-AVRO */
};

struct schema_ref {
	enum schema_ref_kind kind;
	uint64_t value;
};

/* What must be learnt before the value can be decoded; kind NONE: nothing (JSON, a schema that is known or known to be
 * unknown, a defect whatever one learns). */
struct schema_ref decoder_missing(const struct decoder *decoder, struct text value);

/* The kind of input of a learnt schema: its full name is ours (drawdown.Consume); or one of its aliases is; or its name
 * without the namespace is (com.acme.Consume). How its fields become ours: worker/core/avro_plan.h, proto/README.md. */

/* Teaches the schema of an id or a fingerprint. Its fingerprint is learnt too, unless another schema has it already (it
 * says nothing of logical types and aliases): the first stays, and ours (proto/) are the first of all. Nothing
 * of the text is kept; what was made of it serves all references to the same text. A schema whose records cannot be
 * inputs (a double as amount ...) is learnt as such: its records are defects "unusable_schema" that say why; ret_why
 * (DECODER_WHY_SIZE bytes, may be NULL) gets the reason, "" where it is usable. The schemas of outputs are learnt for
 * decode_to_json, with "". What is known already stays as it is. False: there is no room (DECODER_SCHEMAS_MAX,
 * DECODER_MEMORY_SIZE_MAX), nothing is learnt. */
bool decoder_learn(struct decoder *decoder, struct schema_ref ref, struct text schema, char *ret_why);

/* Nobody knows that schema: its records are defects "unknown_schema", until it is forgotten or learnt. They say `why`,
 * which is copied (DECODER_WHY_SIZE); NULL: only that nobody does. False: there is no room (DECODER_UNKNOWN_MAX). */
bool decoder_learn_unknown(struct decoder *decoder, struct schema_ref ref, const char *why);
/* Nothing where it is known, or was never learnt as unknown. */
void decoder_forget_unknown(struct decoder *decoder, struct schema_ref ref);

/* True: *ret_event is complete, its texts live in `arena` or in `value`'s own bytes, which must
 * live as long, or in the decoder. False: *ret_defect says why. */
bool decode_event(const struct decoder *decoder, struct arena *arena, struct text value, struct event *ret_event,
	struct defect *ret_defect);

/* Any record of a known schema, or JSON, as one line of JSON (for `tail` and tests): decimals as
 * plain numbers with all digits, timestamps in RFC 3339. */
bool decode_to_json(const struct decoder *decoder, struct arena *arena, struct text value, struct text *ret_json,
	struct defect *ret_defect);

#endif
