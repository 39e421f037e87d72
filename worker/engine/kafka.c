/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/kafka.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drawdown/log.h"

static void on_log(const rd_kafka_t *kafka, int level, const char *facility, const char *text)
{
	(void)kafka;
	/* an error is what a human must mend: who uses the client says so, once, with what to do */
	enum log_level own = level <= 4 ? LOG_WARNING : level <= 6 ? LOG_INFO : LOG_DEBUG;
	/* says that an option of producers was given to a consumer: kafka.* goes to both */
	if (strcmp(facility, "CONFWARN") == 0)
		own = LOG_DEBUG;
	/* what it means is said by who uses the client, once, with what to do */
	if (strcmp(facility, "FATAL") == 0)
		own = LOG_INFO;
	log_line(own, "kafka.client", "%s: %s", facility, text);
}

static enum outcome set_option(rd_kafka_conf_t *conf, const char *name, const char *value, struct failure *reterr)
{
	char why[256];

	if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
		return OUTCOME_OK;
	enum outcome outcome = fail(reterr, OUTCOME_FATAL, "kafka.options", "kafka.%s is not accepted: %s", name, why);
	if (reterr)
		reterr->exit_code = EXIT_USAGE;
	return outcome;
}

static enum outcome set_options(rd_kafka_conf_t *conf, const struct kafka_option *options, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	for (; outcome == OUTCOME_OK && options && options->name; options++)
		outcome = set_option(conf, options->name, options->value, reterr);
	return outcome;
}

enum outcome kafka_conf_new(const struct config *config, const struct kafka_option *standard,
	const struct kafka_option *fixed, rd_kafka_conf_t **ret_conf, struct failure *reterr)
{
	char client_id[64];
	(void)snprintf(client_id, sizeof client_id, "drawdown-%s", config->replica_id ? config->replica_id : "");
	const struct kafka_option always[] = {
		{"client.id", client_id}, /* over 100 characters librdkafka 2.0.2 can crash */
		{"socket.nagle.disable", "true"},
		{"reconnect.backoff.max.ms", "1000"}, /* a broker that is back should not wait for us */
		{"allow.auto.create.topics", "false"},
		{"log.connection.close", "false"},
		{NULL, NULL},
	};

	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	enum outcome outcome = set_options(conf, always, reterr);
	if (outcome == OUTCOME_OK)
		outcome = set_options(conf, standard, reterr);
	for (size_t i = 0; outcome == OUTCOME_OK && i < config->kafka_count; i++)
		outcome = set_option(conf, config->kafka[i].name, config->kafka[i].value, reterr);
	if (outcome == OUTCOME_OK)
		outcome = set_options(conf, fixed, reterr);
	if (outcome != OUTCOME_OK) {
		rd_kafka_conf_destroy(conf);
		return outcome;
	}
	rd_kafka_conf_set_log_cb(conf, on_log);
	*ret_conf = conf;
	return OUTCOME_OK;
}

enum outcome kafka_open(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret_kafka, struct failure *reterr)
{
	char why[512];
	rd_kafka_t *kafka = rd_kafka_new(type, conf, why, sizeof why);

	if (!kafka) {
		rd_kafka_conf_destroy(conf);
		enum outcome outcome = fail(reterr, OUTCOME_FATAL, "kafka.open", "could not make a client: %s", why);
		if (reterr)
			reterr->exit_code = EXIT_USAGE;
		return outcome;
	}
	*ret_kafka = kafka;
	return OUTCOME_OK;
}

bool kafka_is_denied(rd_kafka_resp_err_t code)
{
	switch ((int)code) {
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
	case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
		return true;
	default:
		return false;
	}
}

enum outcome kafka_class(rd_kafka_resp_err_t code)
{
	return kafka_is_denied(code) ? OUTCOME_FATAL : OUTCOME_RETRY;
}

enum outcome kafka_fail(struct failure *reterr, rd_kafka_resp_err_t code, const char *where, const char *format, ...)
{
	char text[400];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	enum outcome outcome = fail(reterr, kafka_class(code), where, "%s: %s", text, rd_kafka_err2str(code));
	if (!kafka_is_denied(code))
		return outcome;
	fail_hint(reterr,
		"check the credentials in kafka.* and the rights of that user: see 'Rights' in worker/README.md");
	if (reterr)
		reterr->exit_code = EXIT_RIGHTS;
	return outcome;
}

bool kafka_membership_is_valid(const void *membership, size_t membership_size)
{
	/* As rd_kafka_consumer_group_metadata_write lays it out: magic, generation, group, member, ... */
	static const char magic[] = {'C', 'G', 'M', 'D', 'v', '2', ':'};
	const char *data = membership;
	const char *end = data + membership_size;
	int32_t generation;

	if (membership_size < sizeof magic + sizeof generation || memcmp(data, magic, sizeof magic) != 0)
		return false;
	memcpy(&generation, data + sizeof magic, sizeof generation);
	const char *group = data + sizeof magic + sizeof generation;
	const char *group_end = memchr(group, 0, (size_t)(end - group));
	return generation >= 0 && group_end && group_end + 1 < end && group_end[1] != '\0';
}

enum outcome kafka_topics_list(rd_kafka_t *kafka, struct kafka_topics *ret_topics, struct failure *reterr)
{
	*ret_topics = (struct kafka_topics){0};
	/* All topics: a question about one by name may create it. */
	rd_kafka_resp_err_t code = rd_kafka_metadata(kafka, 1, NULL, &ret_topics->metadata, KAFKA_CALL_TIMEOUT_MS);
	if (!code)
		return OUTCOME_OK;
	enum outcome outcome = kafka_fail(reterr, code, "kafka.topics", "could not list the topics");
	if (outcome == OUTCOME_RETRY)
		fail_hint(reterr, "is a broker up, and kafka.bootstrap.servers right?");
	return outcome;
}

static enum outcome describe(rd_kafka_t *kafka, rd_kafka_ConfigResource_t **resources, size_t count,
	struct kafka_topics *topics, struct failure *reterr)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka);
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(kafka, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	enum outcome outcome = OUTCOME_OK;

	(void)rd_kafka_AdminOptions_set_request_timeout(options, KAFKA_CALL_TIMEOUT_MS, NULL, 0);
	rd_kafka_DescribeConfigs(kafka, resources, count, options, queue);
	topics->described = rd_kafka_queue_poll(queue, KAFKA_CALL_TIMEOUT_MS + 1000);
	if (!topics->described)
		outcome = fail(reterr, OUTCOME_RETRY, "kafka.topics",
			"could not read the topics' settings: no answer in time");
	else if (rd_kafka_event_error(topics->described))
		outcome = kafka_fail(reterr, rd_kafka_event_error(topics->described), "kafka.topics",
			"could not read the topics' settings");
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_queue_destroy(queue);
	return outcome;
}

static const rd_kafka_ConfigResource_t **described_resources(const struct kafka_topics *topics, size_t *ret_count)
{
	*ret_count = 0;
	const rd_kafka_DescribeConfigs_result_t *result =
		topics->described ? rd_kafka_event_DescribeConfigs_result(topics->described) : NULL;
	return result ? rd_kafka_DescribeConfigs_result_resources(result, ret_count) : NULL;
}

enum outcome kafka_topics_describe(rd_kafka_t *kafka, const char *const *names, size_t names_count,
	struct kafka_topics *ret_topics, struct failure *reterr)
{
	rd_kafka_ConfigResource_t *asked[16];
	size_t asked_count = 0;
	enum outcome outcome = kafka_topics_list(kafka, ret_topics, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	assert(names_count <= sizeof asked / sizeof asked[0]);
	for (size_t i = 0; i < names_count; i++) {
		if (kafka_topic_partitions_count(ret_topics, names[i]) > 0)
			asked[asked_count++] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, names[i]);
	}
	if (asked_count)
		outcome = describe(kafka, asked, asked_count, ret_topics, reterr);
	rd_kafka_ConfigResource_destroy_array(asked, asked_count);

	size_t count;
	const rd_kafka_ConfigResource_t **resources = described_resources(ret_topics, &count);
	for (size_t i = 0; outcome == OUTCOME_OK && i < count; i++) {
		rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(resources[i]);
		if (code)
			outcome = kafka_fail(reterr, code, "kafka.topics", "could not read the settings of topic %s",
				rd_kafka_ConfigResource_name(resources[i]));
	}
	if (outcome != OUTCOME_OK)
		kafka_topics_release(ret_topics);
	return outcome;
}

void kafka_topics_release(struct kafka_topics *topics)
{
	if (topics->metadata)
		rd_kafka_metadata_destroy(topics->metadata);
	if (topics->described)
		rd_kafka_event_destroy(topics->described);
	*topics = (struct kafka_topics){0};
}

static const struct rd_kafka_metadata_topic *find_topic(const struct kafka_topics *topics, const char *name)
{
	for (int i = 0; i < topics->metadata->topic_cnt; i++) {
		const struct rd_kafka_metadata_topic *topic = &topics->metadata->topics[i];
		if (strcmp(topic->topic, name) == 0 && !topic->err)
			return topic;
	}
	return NULL;
}

int32_t kafka_topic_partitions_count(const struct kafka_topics *topics, const char *name)
{
	const struct rd_kafka_metadata_topic *topic = find_topic(topics, name);
	return topic ? topic->partition_cnt : 0;
}

int32_t kafka_topic_replication(const struct kafka_topics *topics, const char *name)
{
	const struct rd_kafka_metadata_topic *topic = find_topic(topics, name);
	return topic && topic->partition_cnt > 0 ? topic->partitions[0].replica_cnt : 0;
}

const char *kafka_topic_setting(const struct kafka_topics *topics, const char *name, const char *setting)
{
	size_t count;
	const rd_kafka_ConfigResource_t **resources = described_resources(topics, &count);

	for (size_t i = 0; i < count; i++) {
		if (strcmp(rd_kafka_ConfigResource_name(resources[i]), name) != 0)
			continue;
		size_t entries_count;
		const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resources[i], &entries_count);
		for (size_t j = 0; j < entries_count; j++) {
			if (strcmp(rd_kafka_ConfigEntry_name(entries[j]), setting) == 0)
				return rd_kafka_ConfigEntry_value(entries[j]);
		}
	}
	return NULL;
}
