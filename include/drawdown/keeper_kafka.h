/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keeper asks of Kafka: to take advances, and where partitions end.
 * One client, idempotent and not transactional, made anew after it has failed for
 * good. Owned and used by the keeper's thread; only `stop` may come from another.
 */
#ifndef DRAWDOWN_KEEPER_KAFKA_H
#define DRAWDOWN_KEEPER_KAFKA_H

#include "drawdown/ownership.h"
#include "drawdown/sweeper.h"

struct keeper_kafka;

struct keeper_kafka *keeper_kafka_new(const struct config *config);
void keeper_kafka_free(struct keeper_kafka *kafka);
/* Makes the call in hand, and all later ones, return RETRY soon. */
void keeper_kafka_stop(struct keeper_kafka *kafka);

/* See struct sweeper_seam. */
enum outcome keeper_kafka_send(
	struct keeper_kafka *kafka, const struct due *due, int32_t partition, struct failure *reterr);
enum outcome keeper_kafka_flush(struct keeper_kafka *kafka, struct failure *reterr);

/* The offset behind all that each of these partitions holds now, also of what no reader may see yet.
 * `count` is above 0. */
enum outcome keeper_kafka_ends(struct keeper_kafka *kafka, const struct owned_partition *partitions, size_t count,
	int64_t *ret_ends, struct failure *reterr);

#endif
