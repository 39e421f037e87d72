/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all that talks to Kafka shares: how a client is configured, what its
 * errors ask for, what the topics look like. Knows librdkafka; only the
 * modules that speak to Kafka include it.
 */
#ifndef DRAWDOWN_KAFKA_H
#define DRAWDOWN_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/config.h"
#include "drawdown/outcome.h"

#define KAFKA_CALL_TIMEOUT_MS 10000 /* of a question to a broker that has an answer at once */

/* Options of librdkafka; a list ends with a NULL name. */
struct kafka_option {
	const char *name;
	const char *value;
};

/* `standard` may be overridden by the user's kafka.*, `fixed` may not; both may be NULL. Logs go to log_line.
 * The caller may go on with rd_kafka_conf_set_*; FATAL (EXIT_USAGE) where an option is wrong. */
enum outcome kafka_conf_new(const struct config *config, const struct kafka_option *standard,
	const struct kafka_option *fixed, rd_kafka_conf_t **ret_conf, struct failure *reterr);
/* Takes the conf in every case. FATAL (EXIT_USAGE) where the options contradict each other. */
enum outcome kafka_open(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret_kafka, struct failure *reterr);

/* Not authenticated or not authorised: waiting will not help. */
bool kafka_is_denied(rd_kafka_resp_err_t code);
/* FATAL with a hint for what is denied or cannot be, RETRY for everything else. */
enum outcome kafka_class(rd_kafka_resp_err_t code);
/* fail() of that class. */
__attribute__((format(printf, 4, 5))) enum outcome kafka_fail(
	struct failure *reterr, rd_kafka_resp_err_t code, const char *where, const char *format, ...);

/* Is this group metadata of a member (generation >= 0, a member id)? With anything less the broker fences nothing. */
bool kafka_membership_is_valid(const void *membership, size_t membership_size);

/* Some topics as the cluster has them. */
struct kafka_topics {
	const struct rd_kafka_metadata *metadata;
	rd_kafka_event_t *described; /* NULL until kafka_topics_describe */
};

/* Never creates a topic. RETRY where no broker answers in time. */
enum outcome kafka_topics_list(rd_kafka_t *kafka, struct kafka_topics *ret_topics, struct failure *reterr);
/* The settings of those that exist, too. */
enum outcome kafka_topics_describe(rd_kafka_t *kafka, const char *const *names, size_t names_count,
	struct kafka_topics *ret_topics, struct failure *reterr);
void kafka_topics_release(struct kafka_topics *topics);
/* 0: there is no such topic. */
int32_t kafka_topic_partitions_count(const struct kafka_topics *topics, const char *name);
int32_t kafka_topic_replication(const struct kafka_topics *topics, const char *name);
/* NULL where the topic or the setting is not known. */
const char *kafka_topic_setting(const struct kafka_topics *topics, const char *name, const char *setting);

#endif
