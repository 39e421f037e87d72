/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the worker owns now, and how far that is handled: told by the loop,
 * asked by the keeper's thread. Owns nothing unless the loop is RUNNING.
 *
 * "Handled" means published: every lane has committed it and Kafka has its
 * outputs. What was read before a rewind never counts.
 */
#ifndef DRAWDOWN_OWNERSHIP_H
#define DRAWDOWN_OWNERSHIP_H

#include <pthread.h>

#include "drawdown/batch.h"
#include "drawdown/source.h"

struct owned_partition {
	enum input input;
	int32_t partition;
	int64_t epoch;
	instant_t handled_time; /* newest record timestamp that was handled since it is ours; INSTANT_NONE: none yet */
	int64_t handled_offset; /* all before it is handled; -1: not known, or something of it is in flight */
};

/* A copy, as of one moment. */
struct ownership_view {
	uint64_t turn;		  /* counts assignments: two views with the same turn speak of the same one */
	size_t count;		  /* 0: nothing is owned */
	int32_t partitions_count; /* of each input: what a customer's partition is computed from */
	struct owned_partition partitions[BATCH_SPANS_MAX];
};

struct ownership {
	pthread_mutex_t mutex;
	struct ownership_view now;
	int64_t looked_at; /* the loop's: when it last asked the source */
};

void ownership_init(struct ownership *ownership);
void ownership_release(struct ownership *ownership);

/* By the loop's thread only. */
void ownership_begin(struct ownership *ownership, const struct source *source);
void ownership_end(struct ownership *ownership);
/* A batch was published. */
void ownership_note_published(struct ownership *ownership, const struct batch *batch);
/* Ask the source, now and then, how far it has read what is in none of these batches. */
void ownership_note_reached(
	struct ownership *ownership, const struct source *source, const struct batch *batches, size_t batches_count);

/* Any thread. */
void ownership_copy(struct ownership *ownership, struct ownership_view *ret_view);
/* Does the view still hold? False once the assignment was given back or abandoned. */
bool ownership_is_current(struct ownership *ownership, const struct ownership_view *view);

#endif
