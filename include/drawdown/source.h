/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seam: where records come from. source_kafka.h is the real one.
 * Called by the loop's thread only, but for `wake`.
 *
 * Order of use: poll until it signals ASSIGNED; partitions, committed,
 * (commit_start for new ones), start; poll; on REVOKED: let all work in
 * flight end, then stop. A rewind is stop, committed, start again.
 */
#ifndef DRAWDOWN_SOURCE_H
#define DRAWDOWN_SOURCE_H

#include "drawdown/batch.h"
#include "drawdown/outcome.h"

enum source_signal {
	SOURCE_NOTHING,
	SOURCE_ASSIGNED,  /* a new assignment waits to be started */
	SOURCE_REVOKED,	  /* the assignment must be given back: finish or abandon, then stop */
	SOURCE_RECOVERED, /* every partition has reached its `until`; sent once after a start */
};

/* An input partition of the assignment, and all that decides where to go on. */
struct input_partition {
	enum input input;
	int32_t partition;
	/* from Kafka, by `committed` */
	bool has_committed;
	bool committed_is_start; /* committed by commit_start, nothing handled since */
	int64_t committed;
	int64_t log_start;
	int64_t log_end;
	/* from PostgreSQL, by store->claim */
	bool has_row;
	int64_t epoch;
	int64_t recorded; /* the highest of all lanes */
	/* decided by the loop, used by `start` */
	int64_t position; /* first offset to read */
	int64_t until;	  /* hand out nothing at or past it before RECOVERED; = position: nothing to recover */
};

struct source {
	void *self;

	/* Append records to the batch until it is full (records_max, bytes_max) or nothing more is at hand;
	 * waits up to wait_ms for the first thing to happen. Covers spans, sets membership. Decodes nothing:
	 * records get source, key, value, headers, traceparent. None comes before its schema is known, or known to be
	 * unknown, to the decoder that the worker was given. With `batch` NULL: signals only. */
	enum outcome (*poll)(void *self, struct batch *batch, size_t records_max, size_t bytes_max, int wait_ms,
		enum source_signal *ret_signal, struct failure *reterr);
	/* How many partitions each input has: what a customer's partition is computed from. */
	int32_t (*partitions_count)(void *self);
	/* The partitions of the assignment that were given: whole pairs only. Valid until the next signal. */
	struct input_partition *(*partitions)(void *self, size_t *ret_count);
	/* Fill has_committed, committed, committed_is_start, log_start, log_end. */
	enum outcome (*committed)(void *self, struct input_partition *partitions, size_t count, struct failure *reterr);
	/* Commit `position` as the start of new partitions, outside of any transaction. */
	enum outcome (*commit_start)(
		void *self, const struct input_partition *partitions, size_t count, struct failure *reterr);
	/* Begin to read at `position`, in the name of `epoch`. */
	enum outcome (*start)(
		void *self, const struct input_partition *partitions, size_t count, struct failure *reterr);
	/* Offset before which all of the partition was handed out: behind its last record, or further, where only what
	 * is no record follows. -1: not known. Asks no broker. */
	int64_t (*reached)(void *self, enum input input, int32_t partition);
	/* Read no more; drops what is in hand. On a revocation this gives the partitions back. */
	enum outcome (*stop)(void *self, struct failure *reterr);
	/* End a poll that waits; from any thread, async-signal-safe. */
	void (*wake)(void *self);
	/* Leave the group, under a deadline of its own, and free. */
	void (*close)(void *self);
};

#endif
