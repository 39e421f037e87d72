/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References to writers' schemas (ids, fingerprints) -> what is known of them:
 * a hash table of fixed size, so that a lookup costs the same however many
 * schemas there are, and hostile references cannot make it grow.
 */
#ifndef DRAWDOWN_CORE_DECODE_TABLE_H
#define DRAWDOWN_CORE_DECODE_TABLE_H

#include "drawdown/decode.h"

#define DECODE_TABLE_SIZE 8192 /* a power of two, more than twice what is ever in it */

struct known_schema;

struct decode_slot {
	struct schema_ref ref;		   /* kind NONE: an empty slot */
	const struct known_schema *schema; /* NULL: nobody knows it */
	char *why;			   /* nobody does; the decoder's; NULL: not said */
};

struct decode_table {
	struct decode_slot slots[DECODE_TABLE_SIZE];
	size_t count;
};

/* NULL where the reference was never put. */
const struct decode_slot *decode_table_find(const struct decode_table *table, struct schema_ref ref);
/* Adds or replaces. The caller keeps the count below half of the size. */
void decode_table_put(struct decode_table *table, struct decode_slot slot);
/* The reference is in the table. */
void decode_table_remove(struct decode_table *table, struct schema_ref ref);

#endif
