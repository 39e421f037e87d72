/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of one writer's schema: which kind of input its records are,
 * and the plan that reads them; or why they are none.
 */
#ifndef DRAWDOWN_CORE_DECODE_KNOWN_H
#define DRAWDOWN_CORE_DECODE_KNOWN_H

#include "avro_plan.h"
#include "avro_schema.h"
#include "drawdown/event.h"
#include "drawdown/hash.h"

/* Its memory is its own, so that an unusable one leaves nothing but the reason. */
struct known_schema {
	struct arena arena;
	struct hash128 text_hash;    /* the decoder's, of the text that it was made from */
	const struct schema *schema; /* NULL: not even a schema */
	uint64_t fingerprint;	     /* of the canonical form */
	enum event_kind kind;
	const struct plan *plan; /* NULL: an output, or unusable */
	const char *why;	 /* it is unusable; NULL where it is not */
};

/* Our own schema of each kind; NULL where it is not known yet. */
struct readers {
	const struct schema *of_kind[EVENT_KIND_COUNT];
};

/* Never fails: what cannot be used says why. The caller releases it. */
void known_schema_init(struct known_schema *known, struct text json, const struct readers *readers);
/* Its records are no inputs, and are not printed. */
void known_schema_refuse(struct known_schema *known, const char *why);
void known_schema_release(struct known_schema *known);

#endif
