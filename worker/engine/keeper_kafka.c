/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/keeper_kafka.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "drawdown/encode.h"
#include "drawdown/kafka.h"

#define WHERE "keeper.kafka"
#define POLL_MS 50
#define FLUSH_TIMEOUT (15 * INSTANT_SECOND) /* longer than message.timeout.ms */
#define ENDS_TIMEOUT_MS 3000		    /* a stop waits for it */

struct keeper_kafka {
	const struct config *config;
	atomic_bool is_stopped;
	rd_kafka_t *client; /* NULL: closed */
	struct arena arena; /* of one message */
	/* by delivery reports, since the last flush */
	rd_kafka_resp_err_t code;
};

struct keeper_kafka *keeper_kafka_new(const struct config *config)
{
	struct keeper_kafka *kafka = calloc(1, sizeof *kafka);

	if (!kafka)
		abort();
	kafka->config = config;
	arena_init(&kafka->arena, 4096);
	return kafka;
}

static void close_client(struct keeper_kafka *kafka)
{
	if (!kafka->client)
		return;
	(void)rd_kafka_purge(kafka->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_poll(kafka->client, 0);
	rd_kafka_destroy(kafka->client);
	kafka->client = NULL;
}

void keeper_kafka_free(struct keeper_kafka *kafka)
{
	if (!kafka)
		return;
	close_client(kafka);
	arena_release(&kafka->arena);
	free(kafka);
}

void keeper_kafka_stop(struct keeper_kafka *kafka)
{
	atomic_store(&kafka->is_stopped, true);
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
	struct keeper_kafka *kafka = opaque;

	(void)client;
	if (message->err)
		kafka->code = message->err;
}

static enum outcome open_client(struct keeper_kafka *kafka, struct failure *reterr)
{
	static const struct kafka_option fixed[] = {
		{"enable.idempotence", "true"},
		{"message.timeout.ms", "10000"},
		{"isolation.level", "read_uncommitted"}, /* of the question where a partition ends */
		{NULL, NULL},
	};
	rd_kafka_conf_t *conf;

	if (atomic_load(&kafka->is_stopped))
		return fail(reterr, OUTCOME_RETRY, WHERE, "told to stop");
	if (kafka->client)
		return OUTCOME_OK;
	enum outcome outcome = kafka_conf_new(kafka->config, NULL, fixed, &conf, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	rd_kafka_conf_set_opaque(conf, kafka);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	kafka->code = RD_KAFKA_RESP_ERR_NO_ERROR;
	return kafka_open(RD_KAFKA_PRODUCER, conf, &kafka->client, reterr);
}

/* ---- advances ---- */

static struct text encode_advance(struct arena *arena, const struct due *due)
{
	const struct event event = {
		.kind = EVENT_ADVANCE,
		.customer_id = due->customer_id,
		.currency_id = due->currency_id,
		.resource_id = due->resource_id,
		.idempotency_key = event_advance_key(arena, due->currency_id, due->resource_id, due->due_at),
		.created_at = INSTANT_NONE,
		.due_at = due->due_at,
	};
	return encode_event(arena, &event, FORMAT_JSON);
}

enum outcome keeper_kafka_send(
	struct keeper_kafka *kafka, const struct due *due, int32_t partition, struct failure *reterr)
{
	int64_t deadline = monotonic_now() + FLUSH_TIMEOUT;
	enum outcome outcome = open_client(kafka, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	arena_reset(&kafka->arena);
	const struct text encoded = encode_advance(&kafka->arena, due);
	union {
		const char *read;
		void *taken; /* librdkafka copies, but its interface does not say so */
	} key = {due->customer_id.data}, value = {encoded.data};
	rd_kafka_resp_err_t code;
	do {
		code = rd_kafka_producev(kafka->client, RD_KAFKA_V_TOPIC(kafka->config->input_topics[INPUT_COMMANDS]),
			RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY(key.taken, due->customer_id.size),
			RD_KAFKA_V_VALUE(value.taken, encoded.size), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
			RD_KAFKA_V_END);
		if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
			rd_kafka_poll(kafka->client, POLL_MS);
	} while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL && monotonic_now() < deadline &&
		 !atomic_load(&kafka->is_stopped));
	if (!code)
		return OUTCOME_OK;
	close_client(kafka);
	return kafka_fail(reterr, code, WHERE, "could not send an advance");
}

enum outcome keeper_kafka_flush(struct keeper_kafka *kafka, struct failure *reterr)
{
	int64_t deadline = monotonic_now() + FLUSH_TIMEOUT;

	while (rd_kafka_outq_len(kafka->client) > 0 && !kafka->code && monotonic_now() < deadline &&
		!atomic_load(&kafka->is_stopped))
		rd_kafka_poll(kafka->client, POLL_MS);
	rd_kafka_resp_err_t code = kafka->code;
	if (!code && rd_kafka_outq_len(kafka->client) > 0)
		code = RD_KAFKA_RESP_ERR__TIMED_OUT;
	if (!code)
		return OUTCOME_OK;
	close_client(kafka);
	return kafka_fail(reterr, code, WHERE, "advances did not arrive");
}

/* ---- ends ---- */

enum outcome keeper_kafka_ends(struct keeper_kafka *kafka, const struct owned_partition *partitions, size_t count,
	int64_t *ret_ends, struct failure *reterr)
{
	char *const *topics = kafka->config->input_topics;
	enum outcome outcome = open_client(kafka, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
	for (size_t i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(list, topics[partitions[i].input], partitions[i].partition)->offset =
			RD_KAFKA_OFFSET_END;
	rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(kafka->client, list, ENDS_TIMEOUT_MS);
	for (size_t i = 0; i < count && !code; i++) {
		const rd_kafka_topic_partition_t *entry =
			rd_kafka_topic_partition_list_find(list, topics[partitions[i].input], partitions[i].partition);
		assert(entry);
		code = entry->err;
		ret_ends[i] = entry->offset;
	}
	rd_kafka_topic_partition_list_destroy(list);
	if (code)
		return kafka_fail(reterr, code, WHERE, "could not ask where the inputs end");
	return OUTCOME_OK;
}
