/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a batch of records ends that librdkafka cannot unpack: it tells where
 * such a batch begins, and nothing else.
 */
#ifndef DRAWDOWN_SOURCE_GAP_H
#define DRAWDOWN_SOURCE_GAP_H

#include "drawdown/config.h"
#include "drawdown/outcome.h"

/* `position` is in the batch that begins at `base`. *ret_end: the offset behind its last record. Reads by a client of
 * its own, from some 2 log2(records) offsets; takes seconds at most where brokers answer. RETRY where they do not,
 * FATAL where they never will. */
enum outcome source_gap_measure(const struct config *config, const char *topic, int32_t partition, int64_t base,
	int64_t position, int64_t *ret_end, struct failure *reterr);

#endif
