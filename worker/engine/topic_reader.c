/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/topic_reader.h"

#include <stdlib.h>

#include "drawdown/instant.h"

#define POLL_MS 200
#define SILENCE_STANDARD (30 * INSTANT_SECOND)

static enum outcome open_consumer(
	const struct config *config, const char *isolation, rd_kafka_t **ret_kafka, struct failure *reterr)
{
	const struct kafka_option fixed[] = {
		{"group.id", config->group_id}, /* which this user may ask for; never joined, nothing committed */
		{"isolation.level", isolation},
		{"enable.auto.commit", "false"},
		{"enable.partition.eof", "true"},
		{"auto.offset.reset", "error"},
		{"check.crcs", "true"},
		{NULL, NULL},
	};
	static const struct kafka_option standard[] = {
		{"queued.max.messages.kbytes", "8192"}, /* read ahead, in memory */
		{"fetch.max.bytes", "8388608"},
		{"fetch.wait.max.ms", "20"},
		{"fetch.error.backoff.ms", "50"}, /* topic_reader_first goes from error to error */
		{NULL, NULL},
	};
	rd_kafka_conf_t *conf;

	enum outcome outcome = kafka_conf_new(config, standard, fixed, &conf, reterr);
	return outcome == OUTCOME_OK ? kafka_open(RD_KAFKA_CONSUMER, conf, ret_kafka, reterr) : outcome;
}

static enum outcome ask_ranges(struct topic_reader *reader, rd_kafka_t *asker, struct failure *reterr)
{
	struct kafka_topics topics;
	enum outcome outcome = kafka_topics_list(asker, &topics, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	reader->partitions_count = kafka_topic_partitions_count(&topics, reader->topic);
	kafka_topics_release(&topics);
	if (reader->partitions_count == 0) {
		(void)fail(reterr, OUTCOME_FATAL, "topic_reader", "topic %s does not exist", reader->topic);
		fail_hint(reterr, "run 'drawdown topics create'");
		return OUTCOME_FATAL;
	}
	reader->ranges = calloc((size_t)reader->partitions_count, sizeof *reader->ranges);
	if (!reader->ranges)
		abort();
	for (int32_t i = 0; i < reader->partitions_count; i++) {
		rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(asker, reader->topic, i,
			&reader->ranges[i].begin, &reader->ranges[i].end, KAFKA_CALL_TIMEOUT_MS);
		if (code)
			return kafka_fail(
				reterr, code, "topic_reader", "could not ask for %s [%d]", reader->topic, (int)i);
	}
	return OUTCOME_OK;
}

/* Ends are asked for by one who reads uncommitted: a read-committed one is told of those before open transactions. */
enum outcome topic_reader_open(
	struct topic_reader *reader, const struct config *config, const char *topic, struct failure *reterr)
{
	rd_kafka_t *asker = NULL;
	struct kafka_topics topics;

	*reader = (struct topic_reader){.topic = topic, .silence_max = SILENCE_STANDARD};
	enum outcome outcome = open_consumer(config, "read_uncommitted", &asker, reterr);
	if (outcome == OUTCOME_OK)
		outcome = ask_ranges(reader, asker, reterr);
	if (asker)
		rd_kafka_destroy(asker);
	if (outcome == OUTCOME_OK)
		outcome = open_consumer(config, "read_committed", &reader->kafka, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	rd_kafka_poll_set_consumer(reader->kafka);
	/* or it looks for the leaders once it is assigned, which takes half a second */
	outcome = kafka_topics_list(reader->kafka, &topics, reterr);
	if (outcome == OUTCOME_OK)
		kafka_topics_release(&topics);
	return outcome;
}

void topic_reader_close(struct topic_reader *reader)
{
	if (reader->kafka) {
		rd_kafka_consumer_close(reader->kafka);
		rd_kafka_destroy(reader->kafka);
	}
	free(reader->ranges);
	*reader = (struct topic_reader){0};
}

uint64_t topic_reader_total(const struct topic_reader *reader)
{
	uint64_t total = 0;

	for (int32_t i = 0; i < reader->partitions_count; i++)
		total += (uint64_t)(reader->ranges[i].end - reader->ranges[i].begin);
	return total;
}

static enum outcome assign(
	struct topic_reader *reader, const rd_kafka_topic_partition_list_t *list, struct failure *reterr)
{
	rd_kafka_resp_err_t code = rd_kafka_assign(reader->kafka, list);
	return code ? kafka_fail(reterr, code, "topic_reader", "could not read %s", reader->topic) : OUTCOME_OK;
}

static enum outcome assign_one(struct topic_reader *reader, int32_t partition, int64_t offset, struct failure *reterr)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, reader->topic, partition)->offset = offset;
	enum outcome outcome = assign(reader, list, reterr);
	rd_kafka_topic_partition_list_destroy(list);
	return outcome;
}

static enum outcome assign_all(struct topic_reader *reader, int64_t offset, struct failure *reterr)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(reader->partitions_count);

	for (int32_t i = 0; i < reader->partitions_count; i++)
		rd_kafka_topic_partition_list_add(list, reader->topic, i)->offset = offset;
	enum outcome outcome = assign(reader, list, reterr);
	rd_kafka_topic_partition_list_destroy(list);
	return outcome;
}

static bool is_lasting(rd_kafka_resp_err_t code)
{
	return kafka_is_denied(code) || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
	       code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET;
}

/* A record, or the end of a partition; NULL: nothing came, or an error that passes. */
static enum outcome poll(struct topic_reader *reader, rd_kafka_message_t **ret_message, struct failure *reterr)
{
	rd_kafka_message_t *message = rd_kafka_consumer_poll(reader->kafka, POLL_MS);
	enum outcome outcome = OUTCOME_OK;

	if (message && message->err && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		if (is_lasting(message->err))
			outcome = kafka_fail(reterr, message->err, "topic_reader", "could not read %s", reader->topic);
		rd_kafka_message_destroy(message);
		message = NULL;
	}
	*ret_message = message;
	return outcome;
}

static enum outcome fail_waiting(
	const struct topic_reader *reader, int32_t partition, int64_t position, int64_t to, struct failure *reterr)
{
	(void)fail(reterr, OUTCOME_RETRY, "topic_reader",
		"%s [%d] shows readers nothing from offset %lld on, of %lld, for %lld s", reader->topic, (int)partition,
		(long long)position, (long long)to, (long long)(reader->silence_max / INSTANT_SECOND));
	fail_hint(reterr, "a transaction is open there: a worker's ends within its time-out");
	return OUTCOME_RETRY;
}

/* Where the reader stands behind the message; `position` where it is not of this partition. */
static int64_t position_behind(const rd_kafka_message_t *message, int32_t partition, int64_t position)
{
	if (!message || message->partition != partition)
		return position;
	return message->err ? message->offset : message->offset + 1;
}

enum outcome topic_reader_read(struct topic_reader *reader, int32_t partition, int64_t from, int64_t to,
	topic_reader_take *take, void *context, struct failure *reterr)
{
	int64_t position = from, moved_at = monotonic_now();
	bool goes_on = true;
	enum outcome outcome = from < to ? assign_one(reader, partition, from, reterr) : OUTCOME_OK;

	while (outcome == OUTCOME_OK && goes_on && position < to) {
		rd_kafka_message_t *message;
		outcome = poll(reader, &message, reterr);
		if (outcome != OUTCOME_OK)
			break;
		int64_t seen = position_behind(message, partition, position);
		bool is_meant = message && !message->err && seen > position && seen <= to;
		goes_on = take(context, is_meant ? message : NULL);
		if (message)
			rd_kafka_message_destroy(message);
		if (seen > position) {
			position = seen;
			moved_at = monotonic_now();
		} else if (goes_on && monotonic_now() - moved_at > reader->silence_max) {
			outcome = fail_waiting(reader, partition, position, to, reterr);
		}
	}
	return outcome;
}

/* Of what is there, or never will be; not of a broker that is away. */
static bool is_answer(const rd_kafka_message_t *message)
{
	switch ((int)message->err) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
	case RD_KAFKA_RESP_ERR__PARTITION_EOF:
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
	case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
	case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
	case RD_KAFKA_RESP_ERR__BAD_MSG:
		return true;
	default:
		return false;
	}
}

enum outcome topic_reader_first(struct topic_reader *reader, int32_t partition, int64_t offset,
	rd_kafka_message_t **ret_message, struct failure *reterr)
{
	int64_t began = monotonic_now();
	enum outcome outcome = assign_one(reader, partition, offset, reterr);

	while (outcome == OUTCOME_OK) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(reader->kafka, POLL_MS);
		*ret_message = message;
		if (message && is_answer(message))
			return OUTCOME_OK;
		if (message && is_lasting(message->err))
			outcome = kafka_fail(reterr, message->err, "topic_reader", "could not read %s", reader->topic);
		if (message)
			rd_kafka_message_destroy(message);
		if (outcome == OUTCOME_OK && monotonic_now() - began > reader->silence_max)
			outcome = fail(reterr, OUTCOME_RETRY, "topic_reader", "%s [%d] shows nothing at offset %lld",
				reader->topic, (int)partition, (long long)offset);
	}
	return outcome;
}

enum outcome topic_reader_follow(struct topic_reader *reader, bool from_beginning, bool stops_at_end,
	topic_reader_take *take, void *context, struct failure *reterr)
{
	bool *is_at_end = calloc((size_t)reader->partitions_count, sizeof *is_at_end);
	int32_t unfinished = reader->partitions_count;
	bool goes_on = true;

	if (!is_at_end)
		abort();
	enum outcome outcome =
		assign_all(reader, from_beginning ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END, reterr);
	while (outcome == OUTCOME_OK && goes_on && !(stops_at_end && unfinished == 0)) {
		rd_kafka_message_t *message;
		outcome = poll(reader, &message, reterr);
		if (message && message->err && !is_at_end[message->partition]) {
			is_at_end[message->partition] = true;
			unfinished--;
		}
		if (outcome == OUTCOME_OK)
			goes_on = take(context, message && !message->err ? message : NULL);
		if (message)
			rd_kafka_message_destroy(message);
	}
	free(is_at_end);
	return outcome;
}
