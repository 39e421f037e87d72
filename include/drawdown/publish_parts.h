/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of publish_kafka.c, which alone calls them: what errors ask for,
 * the messages, the offsets.
 */
#ifndef DRAWDOWN_PUBLISH_PARTS_H
#define DRAWDOWN_PUBLISH_PARTS_H

#include "drawdown/config.h"
#include "drawdown/publish.h"
#include "drawdown/publish_handle.h"

struct kafka_publish {
	const struct config *config;
	char transactional_id[512];
	struct publish_handle *handle; /* NULL: none, or spent */
	int32_t partitions_count[OUTPUT_COUNT];
	int32_t partitions_max; /* of these */
	uint32_t *heads;	/* the first message of a lane for each topic and partition; NO_PLACE: none */
	uint32_t *next;		/* behind each message, the next for the same partition */
	size_t next_capacity;
	int64_t transaction_timeout; /* of the next producer */
	int64_t handle_timeout;	     /* of this one */
	int64_t begun_at;	     /* monotonic */
	bool is_successor;	     /* of one that was lost, and nothing committed by it yet */
	unsigned fenced_count;	     /* successors in a row that were fenced */
	bool has_committed;	     /* this process, by any handle */
	int64_t missing_since;	     /* monotonic: a topic is not there; 0: all are */
};

/* ---- publish_judge.c: calls, and what an error asks for ---- */

/* Destroys the handle, or leaves it behind. */
void publish_drop_handle(struct kafka_publish *publish);
/* A call that may hang; retried for `retry_for` microseconds. RETRY: it did hang, and the handle is left behind. */
enum outcome publish_call(struct kafka_publish *publish, enum handle_call what, int64_t retry_for,
	rd_kafka_error_t **ret_error, struct failure *reterr);
/* `code` is what librdkafka said first; the class for everything that send or open runs into. */
enum outcome publish_judge(struct kafka_publish *publish, const char *where, rd_kafka_resp_err_t code, const char *text,
	struct failure *reterr);
/* FATAL: an output is more than its topic takes. */
enum outcome publish_too_large(const struct kafka_publish *publish, struct delivery delivery, struct failure *reterr);
/* End a transaction that failed, and return `outcome`. REWIND aborts it and keeps the handle; any other class spends
 * the handle. */
enum outcome publish_give_up(struct kafka_publish *publish, enum outcome outcome);
/* Judge and give up. */
enum outcome publish_fail(struct kafka_publish *publish, const char *where, rd_kafka_resp_err_t code, const char *text,
	struct failure *reterr);
/* A blocking call of a transaction, within the transaction's time. */
enum outcome publish_step(
	struct kafka_publish *publish, const char *where, enum handle_call what, struct failure *reterr);

/* ---- publish_messages.c ---- */

/* Room for a list for each partition of each topic; anew where their numbers changed. */
void publish_make_lists(struct kafka_publish *publish);
void publish_release_lists(struct kafka_publish *publish);
/* All of the batch's messages; those of a partition in their order. Waits while the producer's queue is full. */
enum outcome publish_produce(struct kafka_publish *publish, const struct batch *batch, struct failure *reterr);

/* ---- publish_offsets.c ---- */

/* What the transaction will send. REWIND: the batch was not read as a member of the group. */
enum outcome publish_set_offsets(struct kafka_publish *publish, const struct batch *batch, struct failure *reterr);
/* publish.h's `committed`. */
enum outcome publish_kafka_committed(
	void *self, const struct batch *batch, bool *ret_committed, struct failure *reterr);

#endif
