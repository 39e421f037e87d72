/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a topic holds when it is opened, one partition after the other; or what it holds and what comes, all partitions
 * together. Read committed, beside the worker's own reading: joins no group, commits nothing.
 */
#ifndef DRAWDOWN_TOPIC_READER_H
#define DRAWDOWN_TOPIC_READER_H

#include "drawdown/kafka.h"

struct topic_range {
	int64_t begin; /* retention has taken what is before */
	int64_t end;   /* behind the last record, be its transaction still open */
};

struct topic_reader {
	const char *topic; /* borrowed */
	rd_kafka_t *kafka;
	struct topic_range *ranges; /* one a partition */
	int32_t partitions_count;
	int64_t silence_max; /* microseconds that a read may wait for the next; 30 s, to be changed when it is open */
};

/* Asks where the partitions begin and end. FATAL where there is no such topic. Close it in any case. */
enum outcome topic_reader_open(
	struct topic_reader *reader, const struct config *config, const char *topic, struct failure *reterr);
void topic_reader_close(struct topic_reader *reader);
/* How many offsets all ranges have: for a progress bar. */
uint64_t topic_reader_total(const struct topic_reader *reader);

/* The message is the reader's, for the time of the call; whether to go on. */
typedef bool topic_reader_take(void *context, const rd_kafka_message_t *message);

/* Hands out the records of [from, to) of a partition, in order. `take` is asked with NULL now and then, so that it can
 * show progress. RETRY where nothing comes for `silence_max`: a transaction is open there; else FATAL. */
enum outcome topic_reader_read(struct topic_reader *reader, int32_t partition, int64_t from, int64_t to,
	topic_reader_take *take, void *context, struct failure *reterr);

/* What a reader meets first from `offset` on, the caller's to destroy: a record, or with `err` an end of the partition,
 * an offset that it does not have, or what can be read but not understood. RETRY where nothing comes for
 * `silence_max`. */
enum outcome topic_reader_first(struct topic_reader *reader, int32_t partition, int64_t offset,
	rd_kafka_message_t **ret_message, struct failure *reterr);

/* Hands out the records of all partitions as they become readable, from the beginning or from the end as it is now;
 * NULL now and then, as above. `stops_at_end`: until each partition has shown an end once; else until `take` has
 * enough. */
enum outcome topic_reader_follow(struct topic_reader *reader, bool from_beginning, bool stops_at_end,
	topic_reader_take *take, void *context, struct failure *reterr);

#endif
