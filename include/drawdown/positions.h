/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the positions of one input partition in Kafka (committed, log start, log
 * end) and in PostgreSQL (recorded) tell at assignment. Pure.
 */
#ifndef DRAWDOWN_POSITIONS_H
#define DRAWDOWN_POSITIONS_H

#include "drawdown/source.h"

enum position_case {
	POSITION_KNOWN,	    /* go on at committed; [committed, recorded) is to be recovered */
	POSITION_NEW,	    /* neither committed nor recorded: commit the log's start, then make the row */
	POSITION_STARTED,   /* the start was committed, the row is still to be made */
	POSITION_TRUNCATED, /* retention took what is past the committed offset: publish it from the ledger */
};

/* Sets position, until, and for POSITION_TRUNCATED [*ret_lost_from, *ret_lost_to): what is to be read back
 * from the database. FATAL (exit code EXIT_POSITIONS) where the two contradict each other, with advice. */
enum outcome position_decide(struct input_partition *partition, const char *topic, enum position_case *ret_case,
	int64_t *ret_lost_from, int64_t *ret_lost_to, struct failure *reterr);

#endif
