/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/sweeper.h"

#include <assert.h>
#include <stdlib.h>

#include "drawdown/hash.h"
#include "drawdown/metrics.h"

/* An advance that is under way: its row is still there. */
struct pending {
	struct hash128 row;
	int64_t sent_at; /* monotonic */
};

struct pending_list {
	struct pending *items; /* room for sweep.pending.max */
	size_t count;
};

struct sweeper {
	const struct config *config;
	struct sweeper_seam seam;
	struct ownership *ownership;
	struct ownership_view view;	/* of this pass */
	bool is_owned[BATCH_SPANS_MAX]; /* partitions of the commands */
	struct arena slices[2];	   /* the slice in hand, and the one before it: a pass goes on behind its last row */
	struct pending_list known; /* after the last pass, in order of `row` */
	struct pending_list seen;  /* in this pass so far, as they came */
};

struct sweeper *sweeper_new(const struct config *config, const struct sweeper_seam *seam, struct ownership *ownership)
{
	struct sweeper *sweeper = calloc(1, sizeof *sweeper);
	size_t pending_max = (size_t)config->sweep_pending_max;

	if (!sweeper)
		abort();
	*sweeper = (struct sweeper){.config = config, .seam = *seam, .ownership = ownership};
	sweeper->known.items = calloc(pending_max, sizeof *sweeper->known.items);
	sweeper->seen.items = calloc(pending_max, sizeof *sweeper->seen.items);
	if (!sweeper->known.items || !sweeper->seen.items)
		abort();
	for (size_t i = 0; i < 2; i++)
		arena_init(&sweeper->slices[i], 1 << 16);
	return sweeper;
}

void sweeper_free(struct sweeper *sweeper)
{
	if (!sweeper)
		return;
	for (size_t i = 0; i < 2; i++)
		arena_release(&sweeper->slices[i]);
	free(sweeper->known.items);
	free(sweeper->seen.items);
	free(sweeper);
}

/* ---- what is under way ---- */

static int compare_pending(const void *a, const void *b)
{
	return memcmp(&((const struct pending *)a)->row, &((const struct pending *)b)->row, sizeof(struct hash128));
}

static const struct pending *find(const struct pending_list *list, struct hash128 row)
{
	const struct pending wanted = {.row = row};
	return bsearch(&wanted, list->items, list->count, sizeof wanted, compare_pending);
}

static void append(struct sweeper *sweeper, struct pending_list *list, struct pending pending)
{
	if (list->count < (size_t)sweeper->config->sweep_pending_max)
		list->items[list->count++] = pending;
}

static bool is_full(const struct sweeper *sweeper)
{
	return sweeper->seen.count == (size_t)sweeper->config->sweep_pending_max;
}

static struct hash128 identify(const struct due *due)
{
	const struct text parts[] = {
		due->customer_id,
		due->currency_id,
		due->resource_id.data ? due->resource_id : TEXT_LITERAL(""),
		{(const char *)&due->due_at, sizeof due->due_at},
	};
	return hash128_of(parts, sizeof parts / sizeof *parts);
}

/* What this pass has seen is what is known from now on: a row that is gone was handled. Where it did not come to
 * the end, what was sent before it and not seen is kept as well. */
static void remember(struct sweeper *sweeper, bool is_whole)
{
	struct pending_list seen = sweeper->seen;
	size_t seen_count = seen.count;

	qsort(seen.items, seen.count, sizeof *seen.items, compare_pending);
	for (size_t i = 0; !is_whole && i < sweeper->known.count; i++) {
		const struct pending_list sorted = {seen.items, seen_count};
		if (!find(&sorted, sweeper->known.items[i].row))
			append(sweeper, &seen, sweeper->known.items[i]);
	}
	qsort(seen.items, seen.count, sizeof *seen.items, compare_pending);
	sweeper->seen = sweeper->known;
	sweeper->seen.count = 0;
	sweeper->known = seen;
}

/* ---- a pass ---- */

/* -1: another worker's. */
static int32_t find_partition(const struct sweeper *sweeper, struct text customer_id)
{
	int32_t count = sweeper->view.partitions_count;
	int32_t partition = sweeper->config->inputs_crc32 ? hash_partition_crc32(customer_id, count)
							  : hash_partition_murmur2(customer_id, count);

	return partition < BATCH_SPANS_MAX && sweeper->is_owned[partition] ? partition : -1;
}

static enum outcome send_slice(struct sweeper *sweeper, const struct due *rows, size_t count, int64_t at,
	int64_t *oldest, struct failure *reterr)
{
	size_t seen_before = sweeper->seen.count, sent_count = 0;
	enum outcome outcome = OUTCOME_OK;

	for (size_t i = 0; i < count && outcome == OUTCOME_OK && !is_full(sweeper); i++) {
		int32_t partition = find_partition(sweeper, rows[i].customer_id);
		if (partition < 0)
			continue;
		if (rows[i].due_at < *oldest)
			*oldest = rows[i].due_at;
		struct pending pending = {.row = identify(&rows[i]), .sent_at = at};
		const struct pending *known = find(&sweeper->known, pending.row);
		if (known && at - known->sent_at < sweeper->config->sweep_retry) {
			append(sweeper, &sweeper->seen, *known);
			continue;
		}
		outcome = sweeper->seam.send(sweeper->seam.self, &rows[i], partition, reterr);
		append(sweeper, &sweeper->seen, pending);
		sent_count++;
	}
	if (outcome == OUTCOME_OK && sent_count)
		outcome = sweeper->seam.flush(sweeper->seam.self, reterr);
	if (outcome == OUTCOME_OK)
		metrics_count(COUNTER_ADVANCES_SENT, sent_count);
	else
		sweeper->seen.count = seen_before;
	return outcome;
}

static void begin_pass(struct sweeper *sweeper)
{
	ownership_copy(sweeper->ownership, &sweeper->view);
	memset(sweeper->is_owned, 0, sizeof sweeper->is_owned);
	for (size_t i = 0; i < sweeper->view.count; i++) {
		const struct owned_partition *owned = &sweeper->view.partitions[i];
		if (owned->input == INPUT_COMMANDS && owned->partition < BATCH_SPANS_MAX)
			sweeper->is_owned[owned->partition] = true;
	}
	assert(sweeper->seen.count == 0);
}

enum outcome sweeper_pass(struct sweeper *sweeper, instant_t now, int64_t at, bool *ret_more, struct failure *reterr)
{
	size_t rows_max = (size_t)sweeper->config->sweep_batch, count = rows_max;
	const struct due *after = NULL;
	struct due *rows = NULL;
	int64_t oldest = now;
	enum outcome outcome = OUTCOME_OK;

	now -= now % INSTANT_MILLISECOND; /* records' timestamps have no more: a due time within it is still to come */
	*ret_more = false;
	begin_pass(sweeper);
	if (sweeper->view.count == 0) {
		metrics_set_due_age(0);
		return OUTCOME_OK;
	}
	for (size_t slice = 0; outcome == OUTCOME_OK && count == rows_max && !is_full(sweeper); slice++) {
		struct arena *arena = &sweeper->slices[slice % 2];
		if (!ownership_is_current(sweeper->ownership, &sweeper->view))
			break;
		arena_reset(arena);
		outcome = sweeper->seam.read(sweeper->seam.self, arena, now, after, rows_max, &rows, &count, reterr);
		if (outcome == OUTCOME_OK && count) {
			outcome = send_slice(sweeper, rows, count, at, &oldest, reterr);
			after = &rows[count - 1];
		}
	}
	*ret_more = is_full(sweeper);
	remember(sweeper, outcome == OUTCOME_OK && count < rows_max && !*ret_more);
	if (outcome == OUTCOME_OK || oldest < now)
		metrics_set_due_age(now - oldest);
	if (outcome == OUTCOME_OK)
		metrics_count(COUNTER_SWEEPS, 1);
	return outcome;
}
