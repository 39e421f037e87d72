/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transactional producer and the thread that makes its blocking calls.
 *
 * librdkafka can block for ever where a coordinator is away. So those calls
 * are made by a thread of the handle's own; one that outlasts its time is left
 * behind with its handle. When it comes back after all, it destroys the handle
 * and ends; until then it counts as left.
 */
#ifndef DRAWDOWN_PUBLISH_HANDLE_H
#define DRAWDOWN_PUBLISH_HANDLE_H

#include "drawdown/kafka.h"
#include "drawdown/message.h"

struct publish_handle;

enum handle_call {
	HANDLE_NOTHING,
	HANDLE_INIT,
	HANDLE_SEND_OFFSETS,
	HANDLE_COMMIT,
	HANDLE_ABORT,
	HANDLE_DESTROY,
};

/* The first message of the transaction that was not taken. */
struct delivery {
	rd_kafka_resp_err_t code; /* 0: none so far */
	enum output output;
	size_t message_size; /* key and value; of the largest among those refused for their size */
};

/* Takes the conf in every case. */
enum outcome publish_handle_new(rd_kafka_conf_t *conf, struct publish_handle **ret_handle, struct failure *reterr);
/* Destroys it within `timeout` microseconds, or leaves it behind. NULL is allowed. */
void publish_handle_free(struct publish_handle *handle, int64_t timeout);
/* How many handles are left behind and have not come back. */
unsigned publish_handles_left(void);

rd_kafka_t *publish_handle_kafka(struct publish_handle *handle);
/* For delivery reports to be told by output. Borrowed from the handle. */
rd_kafka_topic_t *publish_handle_topic(struct publish_handle *handle, enum output output, const char *name);

/* What HANDLE_SEND_OFFSETS sends; the handle takes both, and keeps them until the next. */
void publish_handle_set_offsets(struct publish_handle *handle, rd_kafka_topic_partition_list_t *offsets,
	rd_kafka_consumer_group_metadata_t *membership);

/* Make the call, again and again while its error is retriable and `retry_for` is not over. True: it came back
 * within `timeout`, *ret_error is its result (NULL: done), owned by the caller. False: the handle is left behind
 * and no longer the caller's. */
bool publish_handle_call(struct publish_handle *handle, enum handle_call call, int64_t retry_for, int64_t timeout,
	rd_kafka_error_t **ret_error);

/* Before a transaction, and after its messages were produced. */
void publish_handle_reset_delivery(struct publish_handle *handle);
struct delivery publish_handle_delivery(struct publish_handle *handle);

#endif
