/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One Kafka transaction per batch: the messages, then the offsets in the name
 * of the group's member that read them, then the commit.
 *
 * What failed is never continued: a handle whose transaction did not commit is
 * spent, because librdkafka could not tell a late answer to it from an answer
 * to the next one. A new producer's init_transactions ends what the old one
 * left, on the broker's side too. Only where the group does not know us any
 * more is the transaction aborted and the handle kept.
 */
#include "drawdown/publish_kafka.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "drawdown/failpoint.h"
#include "drawdown/instant.h"
#include "drawdown/log.h"
#include "drawdown/metrics.h"
#include "drawdown/publish_parts.h"

#define QUEUE_MESSAGES "32768"	    /* more wait until these are sent: memory has a bound, whatever a batch makes */
#define QUEUE_KBYTES "65536"	    /* above MESSAGE_SIZE_MAX: what never fits would be waited for without end */
#define MESSAGE_SIZE_MAX "64000000" /* the broker is who refuses, not the client */
#define MISSING_PATIENCE (30 * INSTANT_SECOND)

/* ---- open ---- */

/* A broker that has just come back may not know all topics yet; at the first start they must be there. */
static enum outcome missing(struct kafka_publish *publish, const char *topic, struct failure *reterr)
{
	int64_t now = monotonic_now();

	if (!publish->missing_since)
		publish->missing_since = now;
	bool is_patient = publish->has_committed && now - publish->missing_since < MISSING_PATIENCE;
	enum outcome outcome = fail(
		reterr, is_patient ? OUTCOME_RETRY : OUTCOME_FATAL, "publish.open", "topic %s does not exist", topic);
	fail_hint(reterr, "run 'drawdown topics create'; if it exists, this user of Kafka has no right to it");
	if (reterr && !is_patient)
		reterr->exit_code = EXIT_TOPICS;
	return outcome;
}

static enum outcome read_partitions(struct kafka_publish *publish, struct failure *reterr)
{
	struct kafka_topics topics;
	enum outcome outcome = kafka_topics_list(publish_handle_kafka(publish->handle), &topics, reterr);

	for (enum output output = 0; outcome == OUTCOME_OK && output < OUTPUT_COUNT; output++) {
		const char *name = publish->config->output_topics[output];
		publish->partitions_count[output] = kafka_topic_partitions_count(&topics, name);
		if (publish->partitions_count[output] > 0)
			(void)publish_handle_topic(publish->handle, output, name);
		else
			outcome = missing(publish, name, reterr);
	}
	if (outcome == OUTCOME_OK) {
		publish->missing_since = 0;
		publish_make_lists(publish);
	}
	kafka_topics_release(&topics);
	return outcome;
}

static enum outcome new_producer(struct kafka_publish *publish, struct failure *reterr)
{
	const struct config *config = publish->config;
	char timeout_ms[24];

	publish->handle_timeout = publish->transaction_timeout;
	(void)snprintf(
		timeout_ms, sizeof timeout_ms, "%lld", (long long)(publish->handle_timeout / INSTANT_MILLISECOND));
	const struct kafka_option standard[] = {
		{"compression.codec", "lz4"},
		{"linger.ms", "5"}, /* a commit flushes at once */
		/* While the markers of one transaction are written, the next one's first request is refused: asked
		 * again after the usual 100 ms, every transaction would take that long. */
		{"retry.backoff.ms", "10"},
		{"queue.buffering.max.messages", QUEUE_MESSAGES},
		{"queue.buffering.max.kbytes", QUEUE_KBYTES},
		{"message.max.bytes", MESSAGE_SIZE_MAX},
		{NULL, NULL},
	};
	const struct kafka_option fixed[] = {
		{"transactional.id", publish->transactional_id},
		{"transaction.timeout.ms", timeout_ms},
		{"enable.idempotence", "true"},
		{"acks", "all"},
		{"max.in.flight.requests.per.connection", "5"}, /* as many as keep the order */
		{"delivery.report.only.error", "true"},
		{NULL, NULL},
	};
	rd_kafka_conf_t *conf;
	enum outcome outcome = kafka_conf_new(config, standard, fixed, &conf, reterr);
	if (outcome == OUTCOME_OK)
		outcome = publish_handle_new(conf, &publish->handle, reterr);
	return outcome;
}

static enum outcome init_producer(struct kafka_publish *publish, struct failure *reterr)
{
	rd_kafka_error_t *error;
	enum outcome outcome =
		publish_call(publish, HANDLE_INIT, publish->config->watchdog_timeout / 2, &error, reterr);

	if (outcome != OUTCOME_OK || !error)
		return outcome;
	outcome = publish_judge(
		publish, "publish.open", rd_kafka_error_code(error), rd_kafka_error_string(error), reterr);
	rd_kafka_error_destroy(error);
	return outcome;
}

static enum outcome kafka_open_publish(void *self, struct failure *reterr)
{
	struct kafka_publish *publish = self;

	if (publish->handle)
		publish->is_successor = true;
	publish_drop_handle(publish);
	if (publish_handles_left() >= (unsigned)publish->config->watchdog_max) {
		fail(reterr, OUTCOME_FATAL, "publish.watchdog", "%u producers hang in calls to Kafka",
			publish_handles_left());
		fail_hint(reterr,
			"a restart is safe and the remedy; see what the brokers' logs say of transaction and group "
			"coordinators");
		if (reterr)
			reterr->exit_code = EXIT_STUCK;
		return OUTCOME_FATAL;
	}
	enum outcome outcome = new_producer(publish, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	publish->begun_at = monotonic_now();
	if (publish->is_successor)
		FAILPOINT(BEFORE_INIT, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK)
		outcome = init_producer(publish, reterr);
	if (publish->is_successor)
		FAILPOINT(AFTER_INIT, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK)
		outcome = read_partitions(publish, reterr);
	if (outcome != OUTCOME_OK) {
		publish_drop_handle(publish);
		publish->is_successor = true;
		return outcome;
	}
	metrics_count(COUNTER_PRODUCERS_CREATED, 1);
	return OUTCOME_OK;
}

/* ---- send ---- */

static enum outcome begin(struct kafka_publish *publish, struct failure *reterr)
{
	publish_handle_reset_delivery(publish->handle);
	publish->begun_at = monotonic_now();
	rd_kafka_error_t *error = rd_kafka_begin_transaction(publish_handle_kafka(publish->handle));
	if (!error)
		return OUTCOME_OK;
	enum outcome outcome = publish_fail(
		publish, "publish.begin", rd_kafka_error_code(error), rd_kafka_error_string(error), reterr);
	rd_kafka_error_destroy(error);
	return outcome;
}

static enum outcome kafka_send(void *self, const struct batch *batch, struct failure *reterr)
{
	struct kafka_publish *publish = self;

	if (batch->spans_count == 0)
		return OUTCOME_OK;
	if (!publish->handle)
		return fail(reterr, OUTCOME_RETRY, "publish.send", "there is no producer at the moment");
	enum outcome outcome = publish_set_offsets(publish, batch, reterr);
	if (outcome == OUTCOME_OK)
		outcome = begin(publish, reterr);
	FAILPOINT(BEFORE_PRODUCE, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK)
		outcome = publish_produce(publish, batch, reterr);
	FAILPOINT(BEFORE_OFFSETS, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK)
		outcome = publish_step(publish, "publish.offsets", HANDLE_SEND_OFFSETS, reterr);
	FAILPOINT(AFTER_OFFSETS, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK)
		outcome = publish_step(publish, "publish.commit", HANDLE_COMMIT, reterr);
	FAILPOINT(AFTER_KAFKA_COMMIT, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK) {
		publish->transaction_timeout = publish->config->transaction_timeout;
		publish->is_successor = false;
		publish->has_committed = true;
		publish->fenced_count = 0;
	}
	return outcome;
}

/* ---- the object ---- */

static void kafka_close_publish(void *self)
{
	struct kafka_publish *publish = self;

	if (!publish)
		return;
	publish_drop_handle(publish);
	publish_release_lists(publish);
	free(publish);
}

enum outcome publish_kafka_new(struct publish *ret_publish, const struct config *config, struct failure *reterr)
{
	struct kafka_publish *publish = calloc(1, sizeof *publish);

	if (!publish)
		abort();
	publish->config = config;
	publish->transaction_timeout = config->transaction_timeout;
	int size = snprintf(publish->transactional_id, sizeof publish->transactional_id, "%s-%s", config->group_id,
		config->replica_id);
	if (size < 0 || (size_t)size >= sizeof publish->transactional_id) {
		free(publish);
		enum outcome outcome =
			fail(reterr, OUTCOME_FATAL, "publish.new", "group.id and replica.id are too long");
		if (reterr)
			reterr->exit_code = EXIT_USAGE;
		return outcome;
	}
	*ret_publish = (struct publish){
		.self = publish,
		.open = kafka_open_publish,
		.send = kafka_send,
		.committed = publish_kafka_committed,
		.close = kafka_close_publish,
	};
	return OUTCOME_OK;
}
