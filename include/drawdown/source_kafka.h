/* SPDX-License-Identifier: Apache-2.0 */
/* The real source: a librdkafka consumer, a queue per partition, pairs merged by record timestamp. */
#ifndef DRAWDOWN_SOURCE_KAFKA_H
#define DRAWDOWN_SOURCE_KAFKA_H

#include "drawdown/config.h"
#include "drawdown/schemas.h"
#include "drawdown/source.h"

/* Connects, checks the inputs (both there, equal number of partitions, LogAppendTime unless trusted,
 * not compacted, dedupe window long enough), subscribes. `config` and `schemas` must outlive the source. */
enum outcome source_kafka_open(
	struct source *ret_source, const struct config *config, struct schemas *schemas, struct failure *reterr);

#endif
