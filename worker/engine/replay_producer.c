/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/replay_producer.h"

#include <assert.h>

#include "drawdown/instant.h"

/* Readers of the inputs wait for an open transaction: little in each. */
#define TRANSACTION_UNITS 1000
#define TRANSACTION_BYTES ((size_t)4 << 20)
#define TRANSACTION_TIME INSTANT_SECOND
#define TRANSACTION_TIMEOUT "10000" /* milliseconds; the broker's, and ... */
#define TRANSACTION_TIME_MAX (10 * INSTANT_SECOND)
#define CALL_TIMEOUT_MS 30000
#define ABORT_TIMEOUT_MS 5000
#define MESSAGE_SIZE_MAX "10485760" /* of the client; a topic's own limit may be lower */
#define OVERHEAD_SIZE 128	    /* of a record alone in its batch, at most, and of a header */
#define HEADER_OVERHEAD_SIZE 16

#define RUN_AGAIN "run it again: what was replayed is known"

static void on_delivery(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *opaque)
{
	struct replay_producer *producer = opaque;

	(void)kafka;
	if (message->err && !producer->delivery_code)
		producer->delivery_code = message->err;
}

/* Whoever began later has fenced us; the error at hand may tell of the consequences only. */
static bool is_fenced(rd_kafka_t *kafka, rd_kafka_resp_err_t code)
{
	char why[256];

	if (rd_kafka_fatal_error(kafka, why, sizeof why))
		code = rd_kafka_fatal_error(kafka, why, sizeof why);
	return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
	       code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

/* A transaction past its time-out is fenced by the broker itself: then nobody else need have begun. */
static void fail_fenced(const struct replay_producer *producer, const char *what, struct failure *reterr)
{
	int64_t age = producer->open_units ? monotonic_now() - producer->begun_at : 0;

	if (age < TRANSACTION_TIME_MAX) {
		(void)fail(reterr, OUTCOME_FATAL, "replay", "%s: %s has begun", what, producer->rival);
		reterr->exit_code = EXIT_FENCED;
	} else {
		(void)fail(reterr, OUTCOME_FATAL, "replay",
			"%s: the transaction was open for %lld s, longer than its time-out", what,
			(long long)(age / INSTANT_SECOND));
		fail_hint(reterr, RUN_AGAIN);
	}
}

/* Takes the error; NULL: done. */
static enum outcome check(
	struct replay_producer *producer, rd_kafka_error_t *error, const char *what, struct failure *reterr)
{
	if (!error)
		return OUTCOME_OK;
	rd_kafka_resp_err_t code = rd_kafka_error_code(error);
	if (is_fenced(producer->kafka, code)) {
		fail_fenced(producer, what, reterr);
	} else {
		(void)kafka_fail(
			reterr, producer->delivery_code ? producer->delivery_code : code, "replay", "%s", what);
		fail_hint(reterr, RUN_AGAIN);
	}
	rd_kafka_error_destroy(error);
	return OUTCOME_FATAL;
}

typedef rd_kafka_error_t *transaction_call(rd_kafka_t *kafka, int timeout_ms);

/* The same call again as long as librdkafka says so, and time is left. */
static enum outcome call(
	struct replay_producer *producer, transaction_call *function, const char *what, struct failure *reterr)
{
	int64_t deadline = monotonic_now() + CALL_TIMEOUT_MS * INSTANT_MILLISECOND;
	rd_kafka_error_t *error = function(producer->kafka, CALL_TIMEOUT_MS);

	while (error && rd_kafka_error_is_retriable(error) && monotonic_now() < deadline) {
		rd_kafka_error_destroy(error);
		error = function(producer->kafka, CALL_TIMEOUT_MS);
	}
	return check(producer, error, what, reterr);
}

enum outcome replay_producer_open(struct replay_producer *producer, const struct config *config, const char *name,
	const char *rival, struct failure *reterr)
{
	char transactional_id[300];
	const struct kafka_option fixed[] = {
		{"transactional.id", transactional_id},
		{"transaction.timeout.ms", TRANSACTION_TIMEOUT},
		{"message.max.bytes", MESSAGE_SIZE_MAX},
		{"linger.ms", "5"},
		{"batch.size", "16384"}, /* counts as one message against a topic's limit */
		{NULL, NULL},
	};
	rd_kafka_conf_t *conf;

	*producer = (struct replay_producer){.rival = rival};
	(void)snprintf(transactional_id, sizeof transactional_id, "%s-%s", config->group_id, name);
	enum outcome outcome = kafka_conf_new(config, NULL, fixed, &conf, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	rd_kafka_conf_set_opaque(conf, producer);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	outcome = kafka_open(RD_KAFKA_PRODUCER, conf, &producer->kafka, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	return call(producer, rd_kafka_init_transactions, "could not begin to replay", reterr);
}

void replay_producer_close(struct replay_producer *producer)
{
	if (!producer->kafka)
		return;
	if (producer->open_units)
		rd_kafka_error_destroy(rd_kafka_abort_transaction(producer->kafka, ABORT_TIMEOUT_MS));
	(void)rd_kafka_purge(producer->kafka, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_destroy(producer->kafka);
	producer->kafka = NULL;
}

enum outcome replay_producer_commit(struct replay_producer *producer, struct failure *reterr)
{
	if (producer->open_units == 0)
		return OUTCOME_OK;
	enum outcome outcome = call(producer, rd_kafka_commit_transaction, "could not commit", reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	producer->committed_units += producer->open_units;
	producer->open_units = producer->open_bytes = 0;
	return OUTCOME_OK;
}

enum outcome replay_producer_commit_old(struct replay_producer *producer, struct failure *reterr)
{
	bool is_old = producer->open_units && monotonic_now() - producer->begun_at > TRANSACTION_TIME;
	return is_old ? replay_producer_commit(producer, reterr) : OUTCOME_OK;
}

size_t replay_record_size(const struct replay_record *record)
{
	size_t size = record->key.size + record->value.size + OVERHEAD_SIZE;

	for (size_t i = 0; i < record->headers_count; i++)
		size += record->headers[i].name.size + record->headers[i].value.size + HEADER_OVERHEAD_SIZE;
	return size;
}

static rd_kafka_headers_t *make_headers(const struct replay_record *record)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(record->headers_count);

	for (size_t i = 0; i < record->headers_count; i++) {
		const struct header *header = &record->headers[i];
		rd_kafka_resp_err_t code = rd_kafka_header_add(headers, header->name.data, (ssize_t)header->name.size,
			header->value.data, (ssize_t)header->value.size);
		assert(!code);
	}
	return headers;
}

/* librdkafka copies what it is given, but its interface does not say so. */
static void *without_const(const void *data)
{
	union {
		const void *read;
		void *taken;
	} bytes = {data};
	return bytes.taken;
}

static enum outcome produce(
	struct replay_producer *producer, const struct replay_record *record, struct failure *reterr)
{
	rd_kafka_headers_t *headers = make_headers(record);
	rd_kafka_error_t *error;
	const rd_kafka_vu_t fields[] = {
		{.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = record->topic},
		{.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = record->partition},
		{.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
		{.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {without_const(record->key.data), record->key.size}},
		{.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {without_const(record->value.data), record->value.size}},
		{.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
	};

	while ((error = rd_kafka_produceva(producer->kafka, fields, sizeof fields / sizeof *fields)) &&
		rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
		rd_kafka_error_destroy(error);
		rd_kafka_poll(producer->kafka, 10);
	}
	if (error)
		rd_kafka_headers_destroy(headers);
	rd_kafka_poll(producer->kafka, 0);
	return check(producer, error, "could not produce", reterr);
}

enum outcome replay_producer_send(struct replay_producer *producer, const struct replay_record *records,
	size_t records_count, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	if (producer->open_units == 0)
		outcome = check(
			producer, rd_kafka_begin_transaction(producer->kafka), "could not begin a transaction", reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	if (producer->open_units++ == 0)
		producer->begun_at = monotonic_now();
	for (size_t i = 0; outcome == OUTCOME_OK && i < records_count; i++) {
		producer->open_bytes += replay_record_size(&records[i]);
		outcome = produce(producer, &records[i], reterr);
	}
	bool is_full = producer->open_units == TRANSACTION_UNITS || producer->open_bytes >= TRANSACTION_BYTES;
	return outcome == OUTCOME_OK && is_full ? replay_producer_commit(producer, reterr) : outcome;
}
