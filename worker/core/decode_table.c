/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_table.h"

#include <assert.h>

static size_t home_of(struct schema_ref ref)
{
	/* ids are small and consecutive, fingerprints random: the product spreads both */
	uint64_t mixed = (ref.value ^ (uint64_t)ref.kind << 62) * 0x9e3779b97f4a7c15u;
	return (size_t)(mixed >> 32) & (DECODE_TABLE_SIZE - 1);
}

static bool ref_equal(struct schema_ref a, struct schema_ref b)
{
	return a.value == b.value && a.kind == b.kind;
}

/* Where the reference is, or the empty slot that ends its search. */
static size_t search(const struct decode_table *table, struct schema_ref ref)
{
	size_t at = home_of(ref);
	while (table->slots[at].ref.kind != SCHEMA_REF_NONE && !ref_equal(table->slots[at].ref, ref))
		at = (at + 1) & (DECODE_TABLE_SIZE - 1);
	return at;
}

const struct decode_slot *decode_table_find(const struct decode_table *table, struct schema_ref ref)
{
	const struct decode_slot *slot = &table->slots[search(table, ref)];
	return slot->ref.kind == SCHEMA_REF_NONE ? NULL : slot;
}

void decode_table_put(struct decode_table *table, struct decode_slot slot)
{
	assert(slot.ref.kind != SCHEMA_REF_NONE);
	struct decode_slot *at = &table->slots[search(table, slot.ref)];
	if (at->ref.kind == SCHEMA_REF_NONE) {
		assert(table->count < DECODE_TABLE_SIZE / 2);
		table->count++;
	}
	*at = slot;
}

/* What stands behind the hole and could not be found across it moves into it. */
void decode_table_remove(struct decode_table *table, struct schema_ref ref)
{
	const size_t mask = DECODE_TABLE_SIZE - 1;
	size_t hole = search(table, ref);
	assert(table->slots[hole].ref.kind != SCHEMA_REF_NONE);
	for (size_t at = (hole + 1) & mask; table->slots[at].ref.kind != SCHEMA_REF_NONE; at = (at + 1) & mask) {
		size_t home = home_of(table->slots[at].ref);
		if (((at - home) & mask) >= ((at - hole) & mask)) {
			table->slots[hole] = table->slots[at];
			hole = at;
		}
	}
	table->slots[hole] = (struct decode_slot){0};
	table->count--;
}
