/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/claim.h"

#include "drawdown/failpoint.h"
#include "drawdown/log.h"
#include "drawdown/metrics.h"
#include "drawdown/positions.h"

struct claim {
	const struct config *config;
	const struct source *source;
	const struct store *store;
	struct batch *recovery;
};

/* Another owner may have made the row meanwhile, and gone on from it. */
static enum outcome create_row(struct claim *claim, struct input_partition *partition, struct failure *reterr)
{
	enum outcome outcome = claim->store->create_positions(claim->store->self, partition, 1, reterr);

	if (outcome != OUTCOME_OK || partition->recorded == partition->position)
		return outcome;
	return fail(reterr, OUTCOME_REWIND, "worker.positions", "%s [%d] was begun by another worker",
		claim->config->input_topics[partition->input], (int)partition->partition);
}

/* Make the starts of new partitions durable, in Kafka first, then in PostgreSQL. */
static enum outcome start_new_partitions(struct claim *claim, struct input_partition *partitions, size_t count,
	const enum position_case *cases, struct failure *reterr)
{
	struct input_partition fresh[BATCH_SPANS_MAX];
	size_t fresh_count = 0;
	enum outcome outcome = OUTCOME_OK;

	for (size_t i = 0; i < count; i++)
		if (cases[i] == POSITION_NEW)
			fresh[fresh_count++] = partitions[i];
	if (fresh_count)
		outcome = claim->source->commit_start(claim->source->self, fresh, fresh_count, reterr);
	if (fresh_count)
		FAILPOINT(AFTER_START, &outcome, OUTCOME_RETRY, reterr);
	for (size_t i = 0; i < count && outcome == OUTCOME_OK; i++)
		if (cases[i] == POSITION_NEW || cases[i] == POSITION_STARTED)
			outcome = create_row(claim, &partitions[i], reterr);
	return outcome;
}

/* What retention took before it was published is read back from the database into the recovery batch. */
static enum outcome recall_lost(
	struct claim *claim, const struct input_partition *partition, int64_t from, int64_t to, struct failure *reterr)
{
	const char *topic = claim->config->input_topics[partition->input];
	struct batch *batch = claim->recovery;

	size_t before = batch->records_count;
	enum outcome outcome = OUTCOME_OK;

	if (from < to)
		outcome = claim->store->recall_range(
			claim->store->self, partition->input, partition->partition, from, to, batch, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	log_line(LOG_ERROR, "worker.truncated",
		"retention took %s [%d] from %lld to %lld before it was published: %zu records are published from the "
		"database, the others are lost; hint=raise the topic's retention",
		topic, (int)partition->partition, (long long)partition->committed, (long long)partition->log_start,
		batch->records_count - before);
	if (from == to)
		return OUTCOME_OK;
	batch_cover(batch, partition->input, partition->partition, from, to - 1, partition->epoch, INSTANT_NONE);
	return OUTCOME_OK;
}

static enum outcome decide_positions(
	struct claim *claim, struct input_partition *partitions, size_t count, struct failure *reterr)
{
	enum position_case cases[BATCH_SPANS_MAX];
	int64_t lost_from[BATCH_SPANS_MAX], lost_to[BATCH_SPANS_MAX];
	enum outcome outcome = OUTCOME_OK;

	for (size_t i = 0; i < count; i++) {
		outcome = position_decide(&partitions[i], claim->config->input_topics[partitions[i].input], &cases[i],
			&lost_from[i], &lost_to[i], reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
	}
	outcome = start_new_partitions(claim, partitions, count, cases, reterr);
	for (int input = INPUT_COUNT; input-- > 0;) /* commands first, as at a tie of the merge */
		for (size_t i = 0; i < count && outcome == OUTCOME_OK; i++)
			if (cases[i] == POSITION_TRUNCATED && (int)partitions[i].input == input)
				outcome = recall_lost(claim, &partitions[i], lost_from[i], lost_to[i], reterr);
	return outcome;
}

struct lanes {
	struct parking *parkings;
	size_t count;
};

static void note_parked(void *context, struct text customer_id)
{
	const struct lanes *lanes = context;

	parking_add(&lanes->parkings[batch_lane_of_customer(customer_id, lanes->count)], customer_id);
}

/* What another owner has parked is found here, what we park from now on is noted by the lanes. */
static enum outcome list_parked(const struct claim *claim, const struct input_partition *partitions, size_t count,
	struct parking *parkings, struct failure *reterr)
{
	struct lanes lanes = {parkings, (size_t)claim->config->database_lanes};

	for (size_t i = 0; i < lanes.count; i++)
		parking_clear(&parkings[i]);
	enum outcome outcome =
		claim->store->list_parked(claim->store->self, partitions, count, note_parked, &lanes, reterr);
	for (size_t i = 0; i < lanes.count; i++)
		metrics_set_parked(i, parkings[i].count);
	return outcome;
}

enum outcome claim_partitions(const struct config *config, const struct source *source, const struct store *store,
	struct input_partition *partitions, size_t count, struct batch *recovery, struct parking *parkings,
	struct failure *reterr)
{
	struct claim claim = {config, source, store, recovery};

	/* The claim fences a predecessor; only what is read after it is final. */
	enum outcome outcome = store->claim(store->self, partitions, count, reterr);
	FAILPOINT(AFTER_CLAIM, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK)
		outcome = list_parked(&claim, partitions, count, parkings, reterr);
	if (outcome == OUTCOME_OK)
		outcome = source->committed(source->self, partitions, count, reterr);
	return outcome == OUTCOME_OK ? decide_positions(&claim, partitions, count, reterr) : outcome;
}
