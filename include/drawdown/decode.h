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
	const char *reason; /* static, a code: "empty", "malformed_json", "malformed_avro", "unknown_framing",
			     * "unknown_schema", "unknown_type", "missing_field",
			     * "invalid_field", "too_large" */
	char text[256];	    /* names the field; never quotes the payload */
};

struct decoder; /* the known schemas, compiled; immutable after decoder_new, may be shared by threads */

/* Compiles the schemas embedded from proto/. Aborts if those are broken: that is a bug. */
struct decoder *decoder_new(void);
void decoder_free(struct decoder *decoder);

/* True: *ret_event is complete, its texts live in `arena` or in `value`'s own bytes, which must
 * live as long. False: *ret_defect says why. */
bool decode_event(const struct decoder *decoder, struct arena *arena, struct text value, struct event *ret_event,
	struct defect *ret_defect);

/* Any record of a known schema, or JSON, as one line of JSON (for `tail` and tests): decimals as
 * plain numbers with all digits, timestamps in RFC 3339. */
bool decode_to_json(const struct decoder *decoder, struct arena *arena, struct text value, struct text *ret_json,
	struct defect *ret_defect);

#endif
