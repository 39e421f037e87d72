/* SPDX-License-Identifier: Apache-2.0 */
/* The real publisher: one transactional librdkafka producer, watched. */
#ifndef DRAWDOWN_PUBLISH_KAFKA_H
#define DRAWDOWN_PUBLISH_KAFKA_H

#include "drawdown/config.h"
#include "drawdown/publish.h"

/* Makes the object; the producer is made by publish->open. `config` must outlive it. */
enum outcome publish_kafka_new(struct publish *ret_publish, const struct config *config, struct failure *reterr);

#endif
