/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drops generations of receipts that have served their window: those that
 * ended more than dedupe.window before the log time that every input
 * partition has handled. No clock is asked: log time is the record timestamps
 * of what was handled and published; a partition that was read to its end
 * counts as far as the newest of all. Any replica may do it.
 * Used by one thread; keeper.h has it.
 */
#ifndef DRAWDOWN_GENERATIONS_H
#define DRAWDOWN_GENERATIONS_H

#include "drawdown/keeper_kafka.h"
#include "drawdown/postgres.h"

struct generations {
	const struct config *config;
	struct postgres *postgres;
	struct keeper_kafka *kafka;
	struct ownership *ownership;
	struct ownership_view view; /* of this round */
	instant_t ended_by;	    /* what receipts_from has come to */
	int64_t horizon;   /* lanes older than it may have read an earlier receipts_from; 0: not asked since it moved */
	int64_t lock_wait; /* for the next drop, in microseconds */
};

void generations_init(struct generations *generations, const struct config *config, struct postgres *postgres,
	struct keeper_kafka *kafka, struct ownership *ownership);
/* Write down how far the log's time has come, then drop what may be dropped. The connection is open. */
enum outcome generations_round(struct generations *generations, struct failure *reterr);

#endif
