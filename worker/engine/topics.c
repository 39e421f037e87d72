/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/topics.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "drawdown/instant.h"

#define MIN_IN_SYNC 2 /* where there are at least three replicas */
#define SEGMENT_MAX INSTANT_DAY

static void set(struct topic_plan *plan, const char *name, const char *value)
{
	struct topic_setting *setting = plan->settings;

	while (setting->name)
		setting++;
	assert(setting < plan->settings + TOPIC_SETTINGS_MAX);
	setting->name = name;
	(void)snprintf(setting->value, sizeof setting->value, "%s", value);
}

static void set_integer(struct topic_plan *plan, const char *name, int64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof text, "%lld", (long long)value);
	set(plan, name, text);
}

static void set_duration(struct topic_plan *plan, const char *name, int64_t microseconds)
{
	set_integer(plan, name, microseconds / INSTANT_MILLISECOND);
}

/* A record may outlive its retention by a segment: segments are kept short, so that the dedupe window covers both. */
static void set_retention(struct topic_plan *plan, int64_t retention)
{
	set(plan, "cleanup.policy", "delete");
	set_duration(plan, "retention.ms", retention);
	set_duration(plan, "segment.ms", retention < SEGMENT_MAX ? retention : SEGMENT_MAX);
}

static void plan_output(const struct config *config, enum output output, struct topic_plan *plan)
{
	switch (output) {
	case OUTPUT_LEDGER: /* the books: kept until somebody archives them */
		set(plan, "cleanup.policy", "delete");
		set(plan, "retention.ms", "-1");
		set(plan, "retention.bytes", "-1");
		break;
	case OUTPUT_BALANCES:
		set(plan, "cleanup.policy", "compact");
		break;
	case OUTPUT_OUTCOMES:
	case OUTPUT_NOTIFICATIONS:
		set_retention(plan, config->topics_retention);
		break;
	case OUTPUT_DEAD_LETTERS:
		set_retention(plan, config->topics_dead_letters_retention);
		set_integer(plan, "max.message.bytes", DEAD_LETTER_TOPIC_SIZE_MIN);
		break;
	case OUTPUT_COUNT:
		assert(0 && "no output");
	}
}

void topics_plan(const struct config *config, struct topic_plan plans[TOPICS_COUNT])
{
	for (int i = 0; i < TOPICS_COUNT; i++) {
		struct topic_plan *plan = &plans[i];
		bool is_input = i < INPUT_COUNT;
		*plan = (struct topic_plan){
			.name = is_input ? config->input_topics[i] : config->output_topics[i - INPUT_COUNT],
			.partitions_count = (int32_t)config->topics_partitions,
			.replication = (int32_t)config->topics_replication,
		};
		if (is_input) {
			set_retention(plan, config->topics_retention);
			set(plan, "message.timestamp.type", config->inputs_trusted ? "CreateTime" : "LogAppendTime");
		} else {
			plan_output(config, (enum output)(i - INPUT_COUNT), plan);
		}
		if (plan->replication > MIN_IN_SYNC)
			set(plan, "min.insync.replicas", "2");
	}
}

/* The controller answers before every broker has heard of the topic. */
static enum outcome await_topic(rd_kafka_t *kafka, const char *name, struct failure *reterr)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
	int64_t deadline = monotonic_now() + KAFKA_CALL_TIMEOUT_MS * INSTANT_MILLISECOND;

	for (;;) {
		struct kafka_topics topics;
		enum outcome outcome = kafka_topics_list(kafka, &topics, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		bool is_there = kafka_topic_partitions_count(&topics, name) > 0;
		kafka_topics_release(&topics);
		if (is_there)
			return OUTCOME_OK;
		if (monotonic_now() >= deadline)
			return fail(reterr, OUTCOME_RETRY, "topics.create",
				"topic %s was created, but no broker shows it", name);
		(void)nanosleep(&pause, NULL);
	}
}

enum outcome topics_create(rd_kafka_t *kafka, const struct topic_plan *plan, struct failure *reterr)
{
	char why[256];
	rd_kafka_NewTopic_t *topic =
		rd_kafka_NewTopic_new(plan->name, plan->partitions_count, plan->replication, why, sizeof why);

	if (!topic)
		return fail(reterr, OUTCOME_FATAL, "topics.create", "could not create topic %s: %s", plan->name, why);
	for (const struct topic_setting *setting = plan->settings; setting->name; setting++)
		(void)rd_kafka_NewTopic_set_config(topic, setting->name, setting->value);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka);
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(kafka, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	(void)rd_kafka_AdminOptions_set_operation_timeout(options, KAFKA_CALL_TIMEOUT_MS, NULL, 0);
	rd_kafka_CreateTopics(kafka, &topic, 1, options, queue);
	rd_kafka_event_t *answer = rd_kafka_queue_poll(queue, 2 * KAFKA_CALL_TIMEOUT_MS);

	enum outcome outcome = OUTCOME_OK;
	size_t count = 0;
	const rd_kafka_CreateTopics_result_t *result = answer ? rd_kafka_event_CreateTopics_result(answer) : NULL;
	const rd_kafka_topic_result_t **results = result ? rd_kafka_CreateTopics_result_topics(result, &count) : NULL;
	rd_kafka_resp_err_t code = answer ? rd_kafka_event_error(answer) : RD_KAFKA_RESP_ERR__TIMED_OUT;
	const char *text = answer ? rd_kafka_event_error_string(answer) : "no answer in time";
	if (!code && count == 1) {
		code = rd_kafka_topic_result_error(results[0]);
		text = rd_kafka_topic_result_error_string(results[0]);
	}
	if (code && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		outcome = fail(reterr, kafka_class(code), "topics.create", "could not create topic %s: %s", plan->name,
			text ? text : rd_kafka_err2str(code));
	if (code == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR)
		fail_hint(reterr, "topics.replication is %d; the cluster has fewer brokers", (int)plan->replication);
	if (answer)
		rd_kafka_event_destroy(answer);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_queue_destroy(queue);
	rd_kafka_NewTopic_destroy(topic);
	return outcome == OUTCOME_OK ? await_topic(kafka, plan->name, reterr) : outcome;
}

static void note(
	struct topic_difference *difference, const char *topic, const char *what, const char *wanted, const char *found)
{
	difference->topic = topic;
	difference->what = what;
	(void)snprintf(difference->wanted, sizeof difference->wanted, "%s", wanted);
	(void)snprintf(difference->found, sizeof difference->found, "%s", found ? found : "unknown");
}

static void note_count(
	struct topic_difference *difference, const char *topic, const char *what, int32_t wanted, int32_t found)
{
	char wanted_text[16], found_text[16];

	(void)snprintf(wanted_text, sizeof wanted_text, "%d", (int)wanted);
	(void)snprintf(found_text, sizeof found_text, "%d", (int)found);
	note(difference, topic, what, wanted_text, found_text);
}

size_t topics_compare(const struct kafka_topics *topics, const struct topic_plan *plan,
	struct topic_difference differences[TOPIC_SETTINGS_MAX + 2])
{
	size_t count = 0;
	int32_t partitions_count = kafka_topic_partitions_count(topics, plan->name);
	int32_t replication = kafka_topic_replication(topics, plan->name);

	if (partitions_count != plan->partitions_count)
		note_count(&differences[count++], plan->name, "partitions", plan->partitions_count, partitions_count);
	if (replication < plan->replication)
		note_count(&differences[count++], plan->name, "replication", plan->replication, replication);
	for (const struct topic_setting *setting = plan->settings; setting->name; setting++) {
		const char *found = kafka_topic_setting(topics, plan->name, setting->name);
		if (!found || strcmp(found, setting->value) != 0)
			note(&differences[count++], plan->name, setting->name, setting->value, found);
	}
	return count;
}
