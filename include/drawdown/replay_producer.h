/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Produces again, for a subcommand, what was kept: in small Kafka transactions, each with a note of what was produced,
 * so that a unit of both is in the topics once or not at all, whenever the command is cut off. Whoever opens it later
 * with the same name first ends what the one before left open, and fences it. Not for a worker's outputs: see
 * publish.h.
 *
 * One thread's own.
 */
#ifndef DRAWDOWN_REPLAY_PRODUCER_H
#define DRAWDOWN_REPLAY_PRODUCER_H

#include "drawdown/kafka.h"
#include "drawdown/message.h"

/* Lent for the time of a call. */
struct replay_record {
	const char *topic;
	int32_t partition;
	struct text key, value; /* absent: null */
	const struct header *headers;
	size_t headers_count;
};

struct replay_producer {
	rd_kafka_t *kafka;
	const char *rival;		   /* borrowed */
	rd_kafka_resp_err_t delivery_code; /* the first that was not 0 */
	size_t open_units, open_bytes;	   /* of the transaction; 0: none is open */
	int64_t begun_at;		   /* monotonic: when it was opened */
	uint64_t committed_units;
};

/* The transactional id is "<group.id>-<name>"; `rival` says who fences us: "another replay". FATAL as below. Close it
 * in any case. */
enum outcome replay_producer_open(struct replay_producer *producer, const struct config *config, const char *name,
	const char *rival, struct failure *reterr);
/* Aborts what is open. */
void replay_producer_close(struct replay_producer *producer);

/* One unit, into the transaction that is open or a new one, which is committed once it is full. FATAL: nothing of what
 * was not committed will be, and there is nothing to go on with; with EXIT_FENCED where the rival has begun. */
enum outcome replay_producer_send(struct replay_producer *producer, const struct replay_record *records,
	size_t records_count, struct failure *reterr);
/* What is open, if anything. FATAL as above, or nobody knows whether it was committed. */
enum outcome replay_producer_commit(struct replay_producer *producer, struct failure *reterr);

/* The same, where it has been open for a second: to be called again and again while the next unit is looked for.
 * Whoever may wait longer for something commits before. */
enum outcome replay_producer_commit_old(struct replay_producer *producer, struct failure *reterr);

/* Bytes that it may take in its topic, at most. */
size_t replay_record_size(const struct replay_record *record);

#endif
