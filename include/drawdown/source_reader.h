/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the pairs of partitions that the worker owns, a queue per partition,
 * merged into batches. Owned by the source and used by its thread only.
 *
 * What it hands out follows `position` alone: librdkafka's own idea of a
 * position is never asked. From begin to end is one reading; nothing of it
 * survives into the next one.
 */
#ifndef DRAWDOWN_SOURCE_READER_H
#define DRAWDOWN_SOURCE_READER_H

#include "drawdown/kafka.h"
#include "drawdown/schemas.h"
#include "drawdown/source.h"

struct source_reader;

/* Where a reading could not go on; kept over readings, because a position that fails again and again is damaged. */
struct source_damage {
	enum input input;
	int32_t partition;
	int64_t position;
	unsigned count;
};

/* Takes the partitions' queues off the consumer's. Assigning them is the caller's: after this call.
 * `event_fd` becomes readable when a queue that was empty has something. Copies the partitions, borrows `schemas` and
 * `damage`. */
struct source_reader *source_reader_new(rd_kafka_t *kafka, const struct config *config, struct schemas *schemas,
	int event_fd, const struct input_partition *partitions, size_t count, struct source_damage *damage);
/* Drops what is in hand. After the partitions were unassigned. */
void source_reader_free(struct source_reader *reader);

/* Append what is at hand, and can be decoded, to the batch, until it holds records_max records or bytes_max bytes of
 * arena; without these limits before all partitions have reached their `until`, and then nothing at or past it. A
 * record whose schema is not known yet holds its pair back, and nobody else. *ret_wait_until: when a record that waits
 * for its pair's other partition may go without it; INT64_MAX: none does. REWIND where a partition cannot go on from
 * its position, FATAL where it never will. */
enum outcome source_reader_fill(struct source_reader *reader, struct batch *batch, size_t records_max, size_t bytes_max,
	int64_t *ret_wait_until, struct failure *reterr);
/* Has every partition reached its `until`? True once; the limits hold from then on. */
bool source_reader_is_recovered(struct source_reader *reader);

/* See `reached` in source.h. */
int64_t source_reader_reached(const struct source_reader *reader, enum input input, int32_t partition);

/* Our positions and the partitions' ends, for /metrics. Asks no broker. */
void source_reader_report(const struct source_reader *reader);

#endif
