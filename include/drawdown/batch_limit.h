/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many records the next batch may take, so that it makes no more ledger entries than memory is meant for. Follows
 * what the batches before it made. Pure; the loop's.
 */
#ifndef DRAWDOWN_BATCH_LIMIT_H
#define DRAWDOWN_BATCH_LIMIT_H

#include <stddef.h>

struct batch_limit {
	size_t records_most; /* batch.records.max */
	size_t entries_max;  /* batch.entries.max */
	size_t records_max;  /* of the next batch: 1 to records_most */
};

/* Both at least 1. */
void batch_limit_init(struct batch_limit *limit, size_t records_most, size_t entries_max);

/* A batch of so many records, more than none, made so many entries and is published: the next one is as large as fits if
 * its records make as many each, but at most twice as large as this limit was. */
void batch_limit_note_published(struct batch_limit *limit, size_t records_count, size_t entries_count);

/* A batch made too many entries, or failed again and again: it comes again in halves. A single record always fits. */
void batch_limit_note_rejected(struct batch_limit *limit);

/* Entries that one lane may make of its part of a batch: its share by records, at least that of an even split. So all
 * lanes together make less than twice entries_max, and entries_max where the split is even or all is one lane's.
 * batch_records > 0, lanes_count > 0. */
size_t batch_limit_of_lane(size_t entries_max, size_t lane_records, size_t batch_records, size_t lanes_count);

#endif
