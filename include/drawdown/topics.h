/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The topics that drawdown needs, with the settings that its guarantees rest
 * on: one table, for `drawdown topics create`.
 */
#ifndef DRAWDOWN_TOPICS_H
#define DRAWDOWN_TOPICS_H

#include "drawdown/config.h"
#include "drawdown/kafka.h"

#define TOPICS_COUNT (INPUT_COUNT + OUTPUT_COUNT)
#define TOPIC_SETTINGS_MAX 6

struct topic_setting {
	const char *name; /* NULL: behind the last */
	char value[32];
};

struct topic_plan {
	const char *name; /* borrowed from the config */
	int32_t partitions_count;
	int32_t replication;
	struct topic_setting settings[TOPIC_SETTINGS_MAX + 1];
};

/* Both inputs, then the outputs. */
void topics_plan(const struct config *config, struct topic_plan plans[TOPICS_COUNT]);

/* Make one; waits until the brokers have it. OK too where somebody else just made it. */
enum outcome topics_create(rd_kafka_t *kafka, const struct topic_plan *plan, struct failure *reterr);

/* One thing in which an existing topic differs from its plan. */
struct topic_difference {
	const char *topic;
	const char *what; /* "partitions", "replication", or a setting */
	char wanted[32];
	char found[64];
};

/* How an existing topic differs; more replicas than planned are no difference.
 * Returns the number of differences, at most TOPIC_SETTINGS_MAX + 2. */
size_t topics_compare(const struct kafka_topics *topics, const struct topic_plan *plan,
	struct topic_difference differences[TOPIC_SETTINGS_MAX + 2]);

#endif
