/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An assignment becomes ours: predecessors are fenced, Kafka and PostgreSQL are
 * asked where they stand, and each partition's position is decided
 * (positions.h). For the loop, in its thread, while nothing is in flight.
 */
#ifndef DRAWDOWN_CLAIM_H
#define DRAWDOWN_CLAIM_H

#include "drawdown/config.h"
#include "drawdown/source.h"
#include "drawdown/store.h"

/* Fills the partitions' position and until, ready for source->start. What retention took before it was published comes
 * into `recovery`, an empty batch, decoded. Whoever has rows in drawdown.parked becomes known to the parking of his
 * lane. RETRY: the same call again. REWIND: somebody else has begun a partition. FATAL: positions contradict each
 * other. */
enum outcome claim_partitions(const struct config *config, const struct source *source, const struct store *store,
	struct input_partition *partitions, size_t count, struct batch *recovery, struct parking *parkings,
	struct failure *reterr);

#endif
