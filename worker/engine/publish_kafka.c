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
#include "drawdown/hash.h"
#include "drawdown/instant.h"
#include "drawdown/kafka.h"
#include "drawdown/log.h"
#include "drawdown/metrics.h"
#include "drawdown/publish_handle.h"

#define DESTROY_TIMEOUT (5 * INSTANT_SECOND)
#define QUEUE_MESSAGES "32768" /* more wait until these are sent: memory has a bound, whatever a batch makes */
#define QUEUE_KBYTES "65536"   /* above MESSAGE_SIZE_MAX: what never fits would be waited for without end */
#define QUEUE_FULL_POLL_MS 1
#define RUN_MAX 256 /* messages that are produced at a time */
#define NO_PLACE UINT32_MAX
#define REPORTS_POLL_MS 20
#define MESSAGE_SIZE_MAX "64000000" /* the broker is who refuses, not the client */
#define FENCED_SUCCESSORS_MAX 5
#define MISSING_PATIENCE (30 * INSTANT_SECOND)

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

static void drop_handle(struct kafka_publish *publish)
{
	publish_handle_free(publish->handle, DESTROY_TIMEOUT);
	publish->handle = NULL;
}

static enum outcome call(struct kafka_publish *publish, enum handle_call what, int64_t retry_for,
	rd_kafka_error_t **ret_error, struct failure *reterr)
{
	static const char *const names[] = {
		[HANDLE_INIT] = "init_transactions",
		[HANDLE_SEND_OFFSETS] = "send_offsets_to_transaction",
		[HANDLE_COMMIT] = "commit_transaction",
		[HANDLE_ABORT] = "abort_transaction",
	};
	int64_t timeout = publish->config->watchdog_timeout;

	if (publish_handle_call(publish->handle, what, retry_for, timeout, ret_error))
		return OUTCOME_OK;
	publish->handle = NULL;
	publish->is_successor = true;
	return fail(reterr, OUTCOME_RETRY, "publish.watchdog",
		"left a producer behind: %s did not come back within %lld ms", names[what],
		(long long)(timeout / INSTANT_MILLISECOND));
}

/* ---- what an error asks for ---- */

static enum outcome fenced(const struct kafka_publish *publish, struct failure *reterr)
{
	fail(reterr, OUTCOME_FATAL, "publish.fenced", "another process publishes as %s", publish->transactional_id);
	fail_hint(reterr,
		"give every worker a replica.id of its own (this one has %s), and end a process before another "
		"takes its place",
		publish->config->replica_id);
	if (reterr)
		reterr->exit_code = EXIT_FENCED;
	return OUTCOME_FATAL;
}

/* The broker fences whom it gave up waiting for, too, and a request of a lost predecessor that arrives late does;
 * only a producer that is fenced with neither as an excuse has a twin. */
static enum outcome judge_fence(struct kafka_publish *publish, struct failure *reterr)
{
	int64_t lasted = monotonic_now() - publish->begun_at;

	if (lasted >= publish->handle_timeout)
		return fail(reterr, OUTCOME_RETRY, "publish.timeout",
			"the broker ended a transaction that had lasted %lld ms of %lld",
			(long long)(lasted / INSTANT_MILLISECOND),
			(long long)(publish->handle_timeout / INSTANT_MILLISECOND));
	bool has_excuse = publish->is_successor || publish_handles_left() > 0;
	if (has_excuse && ++publish->fenced_count <= FENCED_SUCCESSORS_MAX)
		return fail(reterr, OUTCOME_RETRY, "publish.fenced",
			"a producer was fenced right after it replaced a lost one");
	return fenced(publish, reterr);
}

static enum outcome too_large(const struct kafka_publish *publish, struct delivery delivery, struct failure *reterr)
{
	const char *topic = publish->config->output_topics[delivery.output];

	fail(reterr, OUTCOME_FATAL, "publish.size", "an output of %zu bytes is more than topic %s takes",
		delivery.message_size, topic);
	fail_hint(reterr,
		"raise max.message.bytes of %s (and message.max.bytes of the brokers, if it is lower) above "
		"that, with some room",
		topic);
	return OUTCOME_FATAL;
}

/* `code` is what librdkafka said first; the class for everything that send or open runs into. */
static enum outcome judge(struct kafka_publish *publish, const char *where, rd_kafka_resp_err_t code, const char *text,
	struct failure *reterr)
{
	char why[256];
	rd_kafka_t *kafka = publish_handle_kafka(publish->handle);
	rd_kafka_poll(kafka, REPORTS_POLL_MS); /* the reports of messages that were not taken */
	struct delivery delivery = publish_handle_delivery(publish->handle);
	rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(kafka, why, sizeof why);

	if (fatal) {
		code = fatal;
		text = why;
	}
	if (delivery.code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
		return too_large(publish, delivery, reterr);
	if (kafka_is_denied(delivery.code))
		return kafka_fail(reterr, delivery.code, where, "could not publish to %s",
			publish->config->output_topics[delivery.output]);
	switch ((int)code) {
	case RD_KAFKA_RESP_ERR__FENCED:
	case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
	case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
		return judge_fence(publish, reterr);
	case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID: /* by whom, the source finds out */
	case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
	case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
	case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
		return fail(reterr, OUTCOME_REWIND, where, "the group does not know this member any more: %s", text);
	case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
		fail(reterr, OUTCOME_FATAL, where, "the broker does not allow a transaction timeout of %lld ms",
			(long long)(publish->handle_timeout / INSTANT_MILLISECOND));
		fail_hint(reterr, "its transaction.max.timeout.ms bounds publish.transaction.timeout and "
				  "publish.transaction.timeout.max");
		if (reterr)
			reterr->exit_code = EXIT_USAGE;
		return OUTCOME_FATAL;
	default:
		if (kafka_is_denied(code))
			return kafka_fail(reterr, code, where, "could not publish: %s", text);
		return fail(reterr, OUTCOME_RETRY, where, "lost the producer: %s: %s", rd_kafka_err2name(code), text);
	}
}

/* End a transaction that failed. REWIND aborts it and keeps the handle; any other class spends the handle. */
static enum outcome give_up(struct kafka_publish *publish, enum outcome outcome)
{
	rd_kafka_error_t *error = NULL;

	if (!publish->handle)
		return outcome;
	if (outcome == OUTCOME_REWIND) {
		struct failure failure;
		if (call(publish, HANDLE_ABORT, publish->handle_timeout, &error, &failure) != OUTCOME_OK) {
			log_failure(LOG_WARNING, &failure);
			return outcome;
		}
		if (!error)
			return outcome;
		log_line(LOG_WARNING, "publish.abort", "could not abort a transaction: %s",
			rd_kafka_error_string(error));
		rd_kafka_error_destroy(error);
	}
	publish->is_successor = true;
	drop_handle(publish);
	return outcome;
}

static enum outcome fail_transaction(struct kafka_publish *publish, const char *where, rd_kafka_resp_err_t code,
	const char *text, struct failure *reterr)
{
	enum outcome outcome = judge(publish, where, code, text, reterr);

	if (outcome == OUTCOME_RETRY) {
		publish->transaction_timeout *= 2;
		if (publish->transaction_timeout > publish->config->transaction_timeout_max)
			publish->transaction_timeout = publish->config->transaction_timeout_max;
	}
	return give_up(publish, outcome);
}

/* A blocking call of a transaction. */
static enum outcome step(
	struct kafka_publish *publish, const char *where, enum handle_call what, struct failure *reterr)
{
	rd_kafka_error_t *error;
	int64_t left = publish->begun_at + publish->handle_timeout - monotonic_now();
	enum outcome outcome = call(publish, what, left > 0 ? left : 0, &error, reterr);

	if (outcome != OUTCOME_OK || !error)
		return outcome;
	outcome = fail_transaction(publish, where, rd_kafka_error_code(error), rd_kafka_error_string(error), reterr);
	rd_kafka_error_destroy(error);
	return outcome;
}

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
	fail_hint(reterr, "run 'drawdown topics create'");
	if (reterr && !is_patient)
		reterr->exit_code = EXIT_USAGE;
	return outcome;
}

static void make_heads(struct kafka_publish *publish)
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
		make_heads(publish);
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
	enum outcome outcome = call(publish, HANDLE_INIT, publish->config->watchdog_timeout / 2, &error, reterr);

	if (outcome != OUTCOME_OK || !error)
		return outcome;
	outcome = judge(publish, "publish.open", rd_kafka_error_code(error), rd_kafka_error_string(error), reterr);
	rd_kafka_error_destroy(error);
	return outcome;
}

static enum outcome kafka_open_publish(void *self, struct failure *reterr)
{
	struct kafka_publish *publish = self;

	if (publish->handle)
		publish->is_successor = true;
	drop_handle(publish);
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
		drop_handle(publish);
		publish->is_successor = true;
		return outcome;
	}
	metrics_count(COUNTER_PRODUCERS_CREATED, 1);
	return OUTCOME_OK;
}

/* ---- send ---- */

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
		return give_up(publish, too_large(publish, delivery, reterr));
	return fail_transaction(publish, "publish.produce", code, rd_kafka_err2str(code), reterr);
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

static enum outcome produce_all(struct kafka_publish *publish, const struct batch *batch, struct failure *reterr)
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

static rd_kafka_topic_partition_list_t *list_spans(const struct kafka_publish *publish, const struct batch *batch)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)batch->spans_count);

	for (size_t i = 0; i < batch->spans_count; i++)
		rd_kafka_topic_partition_list_add(
			list, publish->config->input_topics[batch->spans[i].input], batch->spans[i].partition)
			->offset = batch->spans[i].end;
	return list;
}

static enum outcome set_offsets(struct kafka_publish *publish, const struct batch *batch, struct failure *reterr)
{
	rd_kafka_consumer_group_metadata_t *membership;

	if (!kafka_membership_is_valid(batch->membership.data, batch->membership.size))
		return fail(reterr, OUTCOME_REWIND, "publish.send", "the batch was not read as a member of the group");
	rd_kafka_error_t *error =
		rd_kafka_consumer_group_metadata_read(&membership, batch->membership.data, batch->membership.size);
	assert(!error);
	publish_handle_set_offsets(publish->handle, list_spans(publish, batch), membership);
	return OUTCOME_OK;
}

static enum outcome begin(struct kafka_publish *publish, struct failure *reterr)
{
	publish_handle_reset_delivery(publish->handle);
	publish->begun_at = monotonic_now();
	rd_kafka_error_t *error = rd_kafka_begin_transaction(publish_handle_kafka(publish->handle));
	if (!error)
		return OUTCOME_OK;
	enum outcome outcome = fail_transaction(
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
	enum outcome outcome = set_offsets(publish, batch, reterr);
	if (outcome == OUTCOME_OK)
		outcome = begin(publish, reterr);
	FAILPOINT(BEFORE_PRODUCE, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK)
		outcome = produce_all(publish, batch, reterr);
	FAILPOINT(BEFORE_OFFSETS, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK)
		outcome = step(publish, "publish.offsets", HANDLE_SEND_OFFSETS, reterr);
	FAILPOINT(AFTER_OFFSETS, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK)
		outcome = step(publish, "publish.commit", HANDLE_COMMIT, reterr);
	FAILPOINT(AFTER_KAFKA_COMMIT, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK) {
		publish->transaction_timeout = publish->config->transaction_timeout;
		publish->is_successor = false;
		publish->has_committed = true;
		publish->fenced_count = 0;
	}
	return outcome;
}

/* ---- committed ---- */

static enum outcome compare_spans(const struct kafka_publish *publish, const struct batch *batch,
	const rd_kafka_topic_partition_list_t *committed, bool *ret_committed, struct failure *reterr)
{
	size_t begins_count = 0, ends_count = 0;

	for (int i = 0; i < committed->cnt; i++) {
		const rd_kafka_topic_partition_t *entry = &committed->elems[i];
		if (entry->err)
			return kafka_fail(reterr, entry->err, "publish.committed",
				"could not read the committed offset of %s [%d]", entry->topic, (int)entry->partition);
		for (size_t j = 0; j < batch->spans_count; j++) {
			const struct span *span = &batch->spans[j];
			if (span->partition != entry->partition ||
				!text_equal(text_of(publish->config->input_topics[span->input]), text_of(entry->topic)))
				continue;
			begins_count += entry->offset == span->begin;
			ends_count += entry->offset == span->end;
		}
	}
	*ret_committed = ends_count == batch->spans_count;
	if (*ret_committed || begins_count == batch->spans_count)
		return OUTCOME_OK;
	return fail(reterr, OUTCOME_REWIND, "publish.committed",
		"somebody else has gone on with the batch's partitions: the committed offsets are neither its begin "
		"nor its end");
}

static rd_kafka_event_t *ask_offsets(struct kafka_publish *publish, const struct batch *batch)
{
	rd_kafka_t *kafka = publish_handle_kafka(publish->handle);
	rd_kafka_topic_partition_list_t *spans = list_spans(publish, batch);
	rd_kafka_ListConsumerGroupOffsets_t *question =
		rd_kafka_ListConsumerGroupOffsets_new(publish->config->group_id, spans);
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(kafka, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka);

	(void)rd_kafka_AdminOptions_set_request_timeout(options, KAFKA_CALL_TIMEOUT_MS, NULL, 0);
	rd_kafka_error_destroy(rd_kafka_AdminOptions_set_require_stable_offsets(options, 1));
	rd_kafka_ListConsumerGroupOffsets(kafka, &question, 1, options, queue);
	rd_kafka_event_t *answer = rd_kafka_queue_poll(queue, KAFKA_CALL_TIMEOUT_MS + 1000);
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_ListConsumerGroupOffsets_destroy(question);
	rd_kafka_topic_partition_list_destroy(spans);
	return answer;
}

static enum outcome kafka_published(void *self, const struct batch *batch, bool *ret_committed, struct failure *reterr)
{
	struct kafka_publish *publish = self;
	size_t groups_count = 0;
	enum outcome outcome;

	*ret_committed = false;
	if (!publish->handle)
		return fail(reterr, OUTCOME_RETRY, "publish.committed", "there is no producer at the moment");
	rd_kafka_event_t *answer = ask_offsets(publish, batch);
	if (!answer)
		return fail(reterr, OUTCOME_RETRY, "publish.committed",
			"could not read the committed offsets: no answer in time");
	rd_kafka_resp_err_t code = rd_kafka_event_error(answer);
	const rd_kafka_ListConsumerGroupOffsets_result_t *result =
		rd_kafka_event_ListConsumerGroupOffsets_result(answer);
	const rd_kafka_group_result_t **groups =
		result ? rd_kafka_ListConsumerGroupOffsets_result_groups(result, &groups_count) : NULL;
	if (!code && groups_count == 1 && rd_kafka_group_result_error(groups[0]))
		code = rd_kafka_error_code(rd_kafka_group_result_error(groups[0]));
	if (code || groups_count != 1)
		outcome = kafka_fail(reterr, code, "publish.committed", "could not read the committed offsets");
	else
		outcome = compare_spans(
			publish, batch, rd_kafka_group_result_partitions(groups[0]), ret_committed, reterr);
	rd_kafka_event_destroy(answer);
	return outcome;
}

/* ---- the object ---- */

static void kafka_close_publish(void *self)
{
	struct kafka_publish *publish = self;

	if (!publish)
		return;
	drop_handle(publish);
	free(publish->heads);
	free(publish->next);
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
		.committed = kafka_published,
		.close = kafka_close_publish,
	};
	return OUTCOME_OK;
}
