/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One lane's database transaction over its part of a batch: the middle of the
 * line from source to acknowledge.
 */
#ifndef DRAWDOWN_LANE_H
#define DRAWDOWN_LANE_H

#include "drawdown/config.h"
#include "drawdown/parking.h"
#include "drawdown/store.h"

struct lane {
	const struct config *config;
	const struct store *store;
	size_t number;
	struct parking *parking; /* its own */
};

/* OK: durable, and the lane's messages are encoded. Anything else: rolled back (or in doubt, which the
 * receipts will answer); the same call may be made again. Records of `culprits` (may be NULL) are parked by the same
 * transaction that does everybody else's work. Called by the lane's thread. */
enum outcome lane_run(
	const struct lane *lane, struct batch *batch, const struct culprits *culprits, struct failure *reterr);

/* The same for the records of these customers alone, up to the COMMIT and without it: OK where it would have been
 * tried. Waits for locks no longer than LANE_TRIAL_WAIT. Leaves nothing but the work prepared for them. */
#define LANE_TRIAL_WAIT (INSTANT_SECOND / 2)
enum outcome lane_try(
	const struct lane *lane, struct batch *batch, const struct parking_part *part, struct failure *reterr);

#endif
