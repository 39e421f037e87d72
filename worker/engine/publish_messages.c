/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/publish_parts.h"

#include <assert.h>
#include <stdlib.h>

#include "drawdown/failpoint.h"
#include "drawdown/hash.h"
#include "drawdown/instant.h"

#define QUEUE_FULL_POLL_MS 1
#define RUN_MAX 256 /* messages that are produced at a time */
#define NO_PLACE UINT32_MAX

static rd_kafka_headers_t *headers_of(const struct message *message)
{
	if (message->headers_count == 0)
		return NULL;
	rd_kafka_headers_t *headers = rd_kafka_headers_new(message->headers_count);
	for (size_t i = 0; i < message->headers_count; i++) {
		const struct header *header = &message->headers[i];
		rd_kafka_resp_err_t code = rd_kafka_header_add(headers, header->name.data, (ssize_t)header->name.size,
			header->value.data, (ssize_t)header->value.size);
		assert(!code);
	}
	return headers;
}

static int32_t partition_of(const struct kafka_publish *publish, const struct message *message)
{
	int32_t count = publish->partitions_count[message->output];
	return message->partition_key.data ? hash_partition_murmur2(message->partition_key, count)
					   : message->partition_hint % count;
}

static rd_kafka_topic_t *topic_of(struct kafka_publish *publish, enum output output)
{
	return publish_handle_topic(publish->handle, output, NULL);
}

/* False: the transaction's time is over. Its messages have timed out by then; one that the empty queue does not take
 * (its bounds are the operator's to set) would be waited for without end. */
static bool wait_for_room(struct kafka_publish *publish)
{
	rd_kafka_poll(publish_handle_kafka(publish->handle), QUEUE_FULL_POLL_MS);
	return monotonic_now() - publish->begun_at <= publish->handle_timeout;
}

/* librdkafka copies what it is given, but its interface does not say so. */
static void *without_const(const void *data)
{
	union {
		const void *read;
		void *taken;
	} pointer = {data};
	return pointer.taken;
}

/* A call for messages of one partition: what librdkafka does once a call, it need not do for each. NO_ERROR: taken,
 * all of them. Waits while the producer's queue is full, for as long as the transaction may last. */
static rd_kafka_resp_err_t produce_run(
	struct kafka_publish *publish, const struct message *const *messages, size_t count, size_t *ret_failed)
{
	rd_kafka_message_t run[RUN_MAX];
	const struct message *first = messages[0];
	int32_t partition = partition_of(publish, first);

	for (size_t i = 0; i < count; i++)
		run[i] = (rd_kafka_message_t){
			.payload = without_const(messages[i]->value.data),
			.len = messages[i]->value.size,
			.key = without_const(messages[i]->key.data),
			.key_len = messages[i]->key.size,
		};
	for (size_t begin = 0; begin < count;) {
		(void)rd_kafka_produce_batch(topic_of(publish, first->output), partition, RD_KAFKA_MSG_F_COPY,
			run + begin, (int)(count - begin));
		while (begin < count && !run[begin].err)
			begin++;
		if (begin == count)
			break;
		/* where the queue is full, nor was any behind it taken */
		if (run[begin].err != RD_KAFKA_RESP_ERR__QUEUE_FULL || !wait_for_room(publish)) {
			*ret_failed = begin;
			return run[begin].err;
		}
	}
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t produce_with_headers(struct kafka_publish *publish, const struct message *message)
{
	rd_kafka_headers_t *headers = headers_of(message);
	const rd_kafka_vu_t fields[] = {
		{.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic_of(publish, message->output)},
		{.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition_of(publish, message)},
		{.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
		{.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {without_const(message->key.data), message->key.size}},
		{.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {without_const(message->value.data), message->value.size}},
		{.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
	};
	rd_kafka_resp_err_t code;

	for (;;) {
		rd_kafka_error_t *error = rd_kafka_produceva(
			publish_handle_kafka(publish->handle), fields, sizeof fields / sizeof fields[0]);
		code = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
		rd_kafka_error_destroy(error);
		if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL || !wait_for_room(publish))
			break;
	}
	if (code)
		rd_kafka_headers_destroy(headers);
	return code;
}

static enum outcome refused(
	struct kafka_publish *publish, const struct message *message, rd_kafka_resp_err_t code, struct failure *reterr)
{
	const struct delivery delivery = {code, message->output, message->key.size + message->value.size};

	if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
		return publish_give_up(publish, publish_too_large(publish, delivery, reterr));
	return publish_fail(publish, "publish.produce", code, rd_kafka_err2str(code), reterr);
}

/* Those of one partition of a topic, in the order in which they are to stand there. */
static enum outcome produce_list(
	struct kafka_publish *publish, const struct message *messages, uint32_t place, struct failure *reterr)
{
	const struct message *run[RUN_MAX];
	enum outcome outcome = OUTCOME_OK;

	while (outcome == OUTCOME_OK && place != NO_PLACE) {
		size_t count = 0, failed = 0;
		for (; place != NO_PLACE && count < RUN_MAX && messages[place].headers_count == 0;
			place = publish->next[place])
			run[count++] = &messages[place];
		rd_kafka_resp_err_t code = count ? produce_run(publish, run, count, &failed) : 0;
		if (code)
			return refused(publish, run[failed], code, reterr);
		FAILPOINT(IN_PRODUCE, &outcome, OUTCOME_RETRY, reterr);
		if (place != NO_PLACE && messages[place].headers_count > 0) {
			code = produce_with_headers(publish, &messages[place]);
			if (code)
				return refused(publish, &messages[place], code, reterr);
			place = publish->next[place];
		}
		rd_kafka_poll(publish_handle_kafka(publish->handle), 0);
	}
	return outcome;
}

static uint32_t *head_of(struct kafka_publish *publish, enum output output, int32_t partition)
{
	return &publish->heads[(size_t)output * (size_t)publish->partitions_max + (size_t)partition];
}

/* A list for each partition of each topic. */
static void list_messages(struct kafka_publish *publish, const struct lane_work *work)
{
	assert(work->messages_count < NO_PLACE);
	if (work->messages_count > publish->next_capacity) {
		free(publish->next);
		publish->next_capacity = work->messages_count * 2;
		publish->next = reallocarray(NULL, publish->next_capacity, sizeof *publish->next);
		if (!publish->next)
			abort();
	}
	for (size_t i = 0; i < OUTPUT_COUNT * (size_t)publish->partitions_max; i++)
		publish->heads[i] = NO_PLACE;
	for (size_t i = work->messages_count; i-- > 0;) {
		const struct message *message = &work->messages[i];
		uint32_t *head = head_of(publish, message->output, partition_of(publish, message));
		publish->next[i] = *head;
		*head = (uint32_t)i;
	}
}

enum outcome publish_produce(struct kafka_publish *publish, const struct batch *batch, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	for (size_t lane = 0; outcome == OUTCOME_OK && lane < batch->lanes_count; lane++) {
		const struct lane_work *work = &batch->lanes[lane];
		list_messages(publish, work);
		for (size_t i = 0; outcome == OUTCOME_OK && i < OUTPUT_COUNT * (size_t)publish->partitions_max; i++)
			outcome = produce_list(publish, work->messages, publish->heads[i], reterr);
	}
	return outcome;
}

void publish_make_lists(struct kafka_publish *publish)
{
	publish->partitions_max = 0;
	for (enum output output = 0; output < OUTPUT_COUNT; output++)
		if (publish->partitions_count[output] > publish->partitions_max)
			publish->partitions_max = publish->partitions_count[output];
	free(publish->heads);
	publish->heads = calloc(OUTPUT_COUNT * (size_t)publish->partitions_max, sizeof *publish->heads);
	if (!publish->heads)
		abort();
}

void publish_release_lists(struct kafka_publish *publish)
{
	free(publish->heads);
	free(publish->next);
}
