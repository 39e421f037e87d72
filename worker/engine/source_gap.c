/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/source_gap.h"

#include "drawdown/instant.h"
#include "drawdown/topic_reader.h"

#define SILENCE_MAX (10 * INSTANT_SECOND)

/* One batch, and a reader that knows no more of it. */
struct gap {
	struct topic_reader reader;
	int32_t partition;
	int64_t base;
};

/* Whoever reads from any offset of the batch is told that what begins at `base` cannot be unpacked. */
static enum outcome look_at(struct gap *gap, int64_t offset, bool *ret_is_inside, struct failure *reterr)
{
	rd_kafka_message_t *first;
	enum outcome outcome = topic_reader_first(&gap->reader, gap->partition, offset, &first, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	*ret_is_inside = first->err == RD_KAFKA_RESP_ERR__BAD_COMPRESSION && first->offset == gap->base;
	rd_kafka_message_destroy(first);
	return OUTCOME_OK;
}

/* `inside` is in the batch, *ret_end is not found yet. */
static enum outcome search(struct gap *gap, int64_t inside, int64_t *ret_end, struct failure *reterr)
{
	int64_t step = 1, outside = inside + 1;
	bool is_inside = true;
	enum outcome outcome = look_at(gap, outside, &is_inside, reterr);

	while (outcome == OUTCOME_OK && is_inside) {
		inside = outside;
		step *= 2;
		outside = inside + step;
		outcome = look_at(gap, outside, &is_inside, reterr);
	}
	while (outcome == OUTCOME_OK && outside - inside > 1) {
		int64_t middle = inside + (outside - inside) / 2;
		outcome = look_at(gap, middle, &is_inside, reterr);
		if (is_inside)
			inside = middle;
		else
			outside = middle;
	}
	*ret_end = outside;
	return outcome;
}

enum outcome source_gap_measure(const struct config *config, const char *topic, int32_t partition, int64_t base,
	int64_t position, int64_t *ret_end, struct failure *reterr)
{
	struct gap gap = {.partition = partition, .base = base};
	int64_t end;
	enum outcome outcome = topic_reader_open(&gap.reader, config, topic, reterr);

	gap.reader.silence_max = SILENCE_MAX;
	if (outcome == OUTCOME_OK)
		outcome = search(&gap, position, &end, reterr);
	topic_reader_close(&gap.reader);
	if (outcome == OUTCOME_OK)
		*ret_end = end;
	return outcome;
}
