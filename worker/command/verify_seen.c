/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "drawdown/hash.h"
#include "verify_topic.h"

#define SLOTS_MIN 1024

static struct seen *find_slot(struct seen *slots, size_t slots_count, struct hash128 account)
{
	size_t at = (size_t)hash128_prefix(account) & (slots_count - 1);

	while (slots[at].last && !hash128_equal(slots[at].account, account))
		at = (at + 1) & (slots_count - 1);
	return &slots[at];
}

static struct seen *new_slots(size_t count)
{
	struct seen *slots = calloc(count, sizeof *slots);
	if (!slots)
		abort();
	return slots;
}

void seen_init(struct seen_table *table)
{
	*table = (struct seen_table){.slots = new_slots(SLOTS_MIN), .slots_count = SLOTS_MIN};
}

void seen_release(struct seen_table *table)
{
	free(table->slots);
}

static void grow(struct seen_table *table)
{
	size_t count = table->slots_count * 2;
	struct seen *grown = new_slots(count);

	for (size_t i = 0; i < table->slots_count; i++)
		if (table->slots[i].last)
			*find_slot(grown, count, table->slots[i].account) = table->slots[i];
	free(table->slots);
	table->slots = grown;
	table->slots_count = count;
}

static struct hash128 hash_of(const struct account_key *account)
{
	const struct text parts[] = {account->customer_id, account->currency_id,
		account->resource_id.data ? account->resource_id : TEXT_LITERAL("")};
	return hash128_of(parts, 3);
}

const struct seen *seen_find(struct seen_table *table, const struct account_key *account)
{
	return find_slot(table->slots, table->slots_count, hash_of(account));
}

static struct seen *find_or_add(struct seen_table *table, const struct claim *claim)
{
	const struct hash128 hash = hash_of(&claim->account);

	if (table->count * 10 >= table->slots_count * 7)
		grow(table);
	struct seen *seen = find_slot(table->slots, table->slots_count, hash);
	if (!seen->last) {
		*seen = (struct seen){hash, claim->seq, claim->seq - 1, claim->partition};
		table->count++;
	}
	return seen;
}

void seen_add(struct seen_table *table, const struct claim *claim, struct verify_report *report)
{
	struct seen *seen = find_or_add(table, claim);

	if (seen->partition != claim->partition)
		report_integers(report, &claim->account, seen->partition, claim->partition,
			"topic, entry %lld: partition", (long long)claim->seq);
	if (claim->seq <= seen->last) {
		report_integers(report, &claim->account, seen->last + 1, claim->seq,
			"topic, [%d] offset %lld: seq, doubled or out of order", (int)claim->partition,
			(long long)claim->offset);
		return;
	}
	if (claim->seq > seen->last + 1)
		report_difference(report, &claim->account, TEXT_LITERAL("there"), TEXT_LITERAL("missing"),
			"topic, entries %lld to %lld", (long long)seen->last + 1, (long long)claim->seq - 1);
	seen->last = claim->seq;
}
