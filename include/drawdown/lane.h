/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One lane's database transaction over its part of a batch: the middle of the
 * line from source to acknowledge.
 */
#ifndef DRAWDOWN_LANE_H
#define DRAWDOWN_LANE_H

#include "drawdown/config.h"
#include "drawdown/store.h"

/* OK: durable, and the lane's messages are encoded. Anything else: rolled back (or in doubt, which the
 * receipts will answer); the same call may be made again. Called by the lane's thread. */
enum outcome lane_run(const struct config *config, const struct store *store, size_t lane, struct batch *batch,
	struct failure *reterr);

#endif
