/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/publish_parts.h"

#include <assert.h>

#include "drawdown/kafka.h"

static rd_kafka_topic_partition_list_t *list_spans(const struct kafka_publish *publish, const struct batch *batch)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)batch->spans_count);

	for (size_t i = 0; i < batch->spans_count; i++)
		rd_kafka_topic_partition_list_add(
			list, publish->config->input_topics[batch->spans[i].input], batch->spans[i].partition)
			->offset = batch->spans[i].end;
	return list;
}

enum outcome publish_set_offsets(struct kafka_publish *publish, const struct batch *batch, struct failure *reterr)
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

/* Of the group, which it never joins. The producer cannot be asked: where the group's coordinator has moved, librdkafka
 * (2.0.2, rd_kafka_handle_OffsetFetch) tells the client's own consumer group, and a producer has none: it crashes. */
static enum outcome open_client(const struct kafka_publish *publish, rd_kafka_t **ret_kafka, struct failure *reterr)
{
	const struct kafka_option fixed[] = {
		{"group.id", publish->config->group_id},
		{"enable.auto.commit", "false"},
		{NULL, NULL},
	};
	rd_kafka_conf_t *conf;
	enum outcome outcome = kafka_conf_new(publish->config, NULL, fixed, &conf, reterr);

	return outcome == OUTCOME_OK ? kafka_open(RD_KAFKA_CONSUMER, conf, ret_kafka, reterr) : outcome;
}

static rd_kafka_event_t *ask_offsets(const struct kafka_publish *publish, rd_kafka_t *kafka, const struct batch *batch)
{
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

static enum outcome read_answer(const struct kafka_publish *publish, rd_kafka_event_t *answer, const struct batch *batch,
	bool *ret_committed, struct failure *reterr)
{
	size_t groups_count = 0;
	rd_kafka_resp_err_t code = rd_kafka_event_error(answer);
	const rd_kafka_ListConsumerGroupOffsets_result_t *result =
		rd_kafka_event_ListConsumerGroupOffsets_result(answer);
	const rd_kafka_group_result_t **groups =
		result ? rd_kafka_ListConsumerGroupOffsets_result_groups(result, &groups_count) : NULL;
	if (!code && groups_count == 1 && rd_kafka_group_result_error(groups[0]))
		code = rd_kafka_error_code(rd_kafka_group_result_error(groups[0]));
	if (code || groups_count != 1)
		return kafka_fail(reterr, code, "publish.committed", "could not read the committed offsets");
	return compare_spans(publish, batch, rd_kafka_group_result_partitions(groups[0]), ret_committed, reterr);
}

enum outcome publish_kafka_committed(void *self, const struct batch *batch, bool *ret_committed, struct failure *reterr)
{
	const struct kafka_publish *publish = self;
	rd_kafka_t *kafka;

	*ret_committed = false;
	if (!publish->handle)
		return fail(reterr, OUTCOME_RETRY, "publish.committed", "there is no producer at the moment");
	enum outcome outcome = open_client(publish, &kafka, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	rd_kafka_event_t *answer = ask_offsets(publish, kafka, batch);
	if (answer)
		outcome = read_answer(publish, answer, batch, ret_committed, reterr);
	else
		outcome = fail(reterr, OUTCOME_RETRY, "publish.committed",
			"could not read the committed offsets: no answer in time");
	if (answer)
		rd_kafka_event_destroy(answer);
	rd_kafka_destroy_flags(kafka, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	return outcome;
}
