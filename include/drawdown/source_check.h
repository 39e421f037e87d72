/* SPDX-License-Identifier: Apache-2.0 */
/* Are the topics such that the worker's promises hold? Asked before it joins its group. */
#ifndef DRAWDOWN_SOURCE_CHECK_H
#define DRAWDOWN_SOURCE_CHECK_H

#include "drawdown/kafka.h"

/* All topics exist; the inputs have equal numbers of partitions, LogAppendTime unless trusted, no compaction;
 * the dedupe window outlasts what the topics keep, unless allowed. FATAL (EXIT_USAGE) with the numbers and what
 * to do, RETRY where no broker answers. */
enum outcome source_check_topics(
	rd_kafka_t *kafka, const struct config *config, int32_t *ret_partitions_count, struct failure *reterr);

/* OK if all topics exist; FATAL (EXIT_TOPICS) names the first that does not, with advice. */
enum outcome source_check_existence(
	const struct config *config, const struct kafka_topics *topics, struct failure *reterr);

#endif
