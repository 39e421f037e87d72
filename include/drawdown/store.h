/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seam: the truth. store_postgres.h is the real one.
 *
 * Lane calls (begin ... commit, abort) are made by that lane's thread only and
 * use that lane's connection; claim, create_positions, prepare and recall_range
 * by the loop's thread, on a connection of its own.
 *
 * RETRY from any lane call means: call abort, then run the whole lane again
 * (serialization, deadlock, lock time-out, a key taken meanwhile, connection
 * lost, even after COMMIT was sent: the receipts answer). REWIND means that the
 * partitions belong to somebody else now. FATAL: broken books, missing schema.
 */
#ifndef DRAWDOWN_STORE_H
#define DRAWDOWN_STORE_H

#include "drawdown/batch.h"
#include "drawdown/outcome.h"
#include "drawdown/parking.h"
#include "drawdown/source.h"

struct store {
	void *self;

	/* Raise the owner epoch of the partitions' rows, in every lane; fills has_row, epoch, recorded.
	 * A stopped predecessor that holds the rows is terminated after lock_timeout. */
	enum outcome (*claim)(void *self, struct input_partition *partitions, size_t count, struct failure *reterr);
	/* Make the rows of new partitions, recorded = position, and fill epoch and recorded. */
	enum outcome (*create_positions)(
		void *self, struct input_partition *partitions, size_t count, struct failure *reterr);
	/* Hand out the customers who have rows of these partitions in drawdown.parked. After claim. */
	enum outcome (*list_parked)(void *self, const struct input_partition *partitions, size_t count,
		void (*take)(void *context, struct text customer_id), void *context, struct failure *reterr);
	/* Make sure that the generations of receipts for the batch's timestamps exist. */
	enum outcome (*prepare)(void *self, const struct batch *batch, struct failure *reterr);
	/* Append what records with offsets in [from, to) of the partition left behind, for what retention took
	 * before it was published: a record for each receipt, with its event as far as the receipt tells it.
	 * The lanes find the receipt as the record's own and recall the rest. What left no receipt
	 * (duplicates, conflicts, answers that depend on the record alone, dead letters) is lost; so is the
	 * traceparent of what is told beside the ledger. */
	enum outcome (*recall_range)(void *self, enum input input, int32_t partition, int64_t from, int64_t to,
		struct batch *batch, struct failure *reterr);

	/* BEGIN, then move this lane's `recorded` to each span's end where the epoch is still ours. */
	enum outcome (*begin)(void *self, size_t lane, const struct batch *batch, struct failure *reterr);
	/* For the rest of the transaction: wait for a lock no longer than so many microseconds. */
	enum outcome (*limit_waits)(void *self, size_t lane, int64_t lock_timeout, struct failure *reterr);
	/* Tell what the database knows of these records: see struct parked_record. Before lock: own receipts are
	 * final once the lane has begun. */
	enum outcome (*find_parked)(
		void *self, size_t lane, struct parked_record *records, size_t count, struct failure *reterr);
	/* Create missing accounts that may exist, lock all in order, fill them; those that are
	 * is_read_only are filled as they are committed, neither locked nor made. Fills currencies and receipts_from. */
	enum outcome (*lock)(
		void *self, size_t lane, struct lane_work *work, const struct rules *rules, struct failure *reterr);
	/* In later statements: fill key_slots with receipts, grants_known; the accounts' open holds and those
	 * that events name (then account_apply_holds). For each consumption that is reversed and was recorded
	 * before: its debits and `reversed`. For accounts with reversals: the transfers of the overdrafts among
	 * those debits and of the open one; past: the ended grants that debits and transfers name. */
	enum outcome (*look_up)(void *self, size_t lane, struct lane_work *work, struct failure *reterr);
	/* Read the entries of the records that have their own receipt into `recalled`. */
	enum outcome (*recall)(void *self, size_t lane, struct lane_work *work, struct failure *reterr);
	/* Write entries, receipts, grants, holds, transfers, reversals, due times, touched accounts. */
	enum outcome (*settle)(void *self, size_t lane, struct lane_work *work, struct failure *reterr);
	/* Write and delete the rows of drawdown.parked as the records' roles say. Where there are culprits, only if every
	 * table that a lane writes can be written: what stops everybody is nobody's own fault. */
	enum outcome (*park)(
		void *self, size_t lane, const struct parked_record *records, size_t count, struct failure *reterr);
	enum outcome (*commit)(void *self, size_t lane, struct failure *reterr);
	/* Roll back, or drop the connection if it is in doubt. Never fails. */
	void (*abort)(void *self, size_t lane);
	/* Make a lane call that hangs return soon (cancel); from any thread. */
	void (*interrupt)(void *self);
	void (*close)(void *self);
};

#endif
