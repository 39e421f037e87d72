/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records on their way from the inputs to the outputs, and what became of each.
 *
 * A batch belongs to one thread at a time: the source fills it, the lanes work
 * on disjoint parts of it, the publisher sends it, then it is reset in one
 * place. All that a record points to lives in the batch's arena or in the
 * arena of its lane.
 */
#ifndef DRAWDOWN_BATCH_H
#define DRAWDOWN_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/arena.h"
#include "drawdown/decode.h"
#include "drawdown/event.h"
#include "drawdown/ledger.h"
#include "drawdown/message.h"
#include "drawdown/work.h"

#define BATCH_LANES_MAX 16
#define BATCH_SPANS_MAX 512 /* input partitions of one worker */

/* What one batch covers of one input partition. */
struct span {
	enum input input;
	int32_t partition;
	int64_t begin;	  /* where the partition stood before the batch */
	int64_t end;	  /* offset behind its last record: what is committed */
	int64_t epoch;	  /* owner epoch under which it was read */
	instant_t newest; /* of its records' timestamps; INSTANT_NONE: none is known */
};

struct batch {
	struct arena arena;
	struct record *records;
	size_t records_count;
	size_t records_capacity;
	struct span spans[BATCH_SPANS_MAX];
	size_t spans_count;
	size_t spans_latest; /* where the newest record is */
	struct text membership; /* the group's metadata as copied at assignment; opaque to all but the seams */
	struct lane_work lanes[BATCH_LANES_MAX];
	size_t lanes_count;
	bool recovery;	   /* holds what may be recorded but unpublished */
	uint64_t reading;  /* the loop's: batches of an older one are not published */
	int64_t opened_at; /* monotonic microseconds: first record */
};

void batch_init(struct batch *batch, size_t records_capacity, size_t lanes_count, size_t arena_block_size);
/* For one that is still empty: share memory with the pool's other batches. */
void batch_use_pool(struct batch *batch, struct arena_pool *pool);
void batch_release(struct batch *batch);
void batch_reset(struct batch *batch);

/* The next record, zeroed; grows when a recovery is larger than a batch. Pointers to records are
 * stable only once the batch is closed. */
struct record *batch_append(struct batch *batch);
/* Note that `offset` of the partition is in the batch; begin and epoch are used at its first record. A timestamp
 * out of range says nothing of the log's time; INSTANT_NONE: not known. */
void batch_cover(struct batch *batch, enum input input, int32_t partition, int64_t begin, int64_t offset, int64_t epoch,
	instant_t timestamp);

/* Whose records go to which lane. */
size_t batch_lane_of_customer(struct text customer_id, size_t lanes_count);
/* Hand each record to its lane: readable ones by hash of the customer, the others to lane 0. */
void batch_split(struct batch *batch);

#endif
