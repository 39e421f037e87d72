/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/lane.h"

#include "drawdown/batch_limit.h"
#include "drawdown/failpoint.h"
#include "drawdown/metrics.h"

static bool has_recalled(const struct lane_work *work)
{
	bool has_receipts = false;

	for (size_t i = 0; i < work->key_slots_count && !has_receipts; i++)
		has_receipts = work->key_slots[i].receipt != NULL;
	for (size_t i = 0; has_receipts && i < work->records_count; i++)
		if (work->records[i]->readable && record_is_recalled(work->records[i]))
			return true;
	return false;
}

/* The time since *mark goes to the stage; *mark is now. */
static void observe(enum stage stage, int64_t *mark)
{
	int64_t now = monotonic_now();
	metrics_observe_stage(stage, now - *mark);
	*mark = now;
}

/* Whose turn it is, asked in the transaction: the fence is behind us, so it stays true. */
static enum outcome decide_parked(const struct lane *lane, struct lane_work *work, struct failure *reterr)
{
	struct parking *parking = lane->parking;
	enum outcome outcome = OUTCOME_OK;

	if (parking->records_count)
		outcome = lane->store->find_parked(
			lane->store->self, lane->number, parking->records, parking->records_count, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	parking_decide(parking, work);
	work_prepare(work);
	return OUTCOME_OK;
}

/* Up to the COMMIT. */
static enum outcome run_work(
	const struct lane *lane, struct batch *batch, bool asks_parked, int64_t *mark, struct failure *reterr)
{
	const struct store *store = lane->store;
	struct lane_work *work = &batch->lanes[lane->number];
	enum outcome outcome = OUTCOME_OK;

	if (asks_parked)
		outcome = decide_parked(lane, work, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	if (work->accounts_count) {
		outcome = store->lock(store->self, lane->number, work, &lane->config->rules, reterr);
		FAILPOINT(AFTER_LOCK, &outcome, OUTCOME_RETRY, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		observe(STAGE_LOCK, mark);

		outcome = store->look_up(store->self, lane->number, work, reterr);
		FAILPOINT(AFTER_LOOK_UP, &outcome, OUTCOME_RETRY, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		observe(STAGE_LOOK_UP, mark);
	}
	if (has_recalled(work)) {
		outcome = store->recall(store->self, lane->number, work, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		observe(STAGE_RECALL, mark);
	}

	/* A recovery cannot be made smaller; it is bounded by the batches that it recovers. */
	size_t entries_max = batch->recovery ? SIZE_MAX
					     : batch_limit_of_lane((size_t)lane->config->batch_entries_max,
						       work->records_count, batch->records_count, batch->lanes_count);
	outcome = work_resolve(work, &lane->config->rules, entries_max, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	observe(STAGE_RESOLVE, mark);

	if (work->receipts_count) {
		outcome = store->settle(store->self, lane->number, work, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		observe(STAGE_SETTLE, mark);
	}
	if (asks_parked && lane->parking->records_count)
		outcome = store->park(
			store->self, lane->number, lane->parking->records, lane->parking->records_count, reterr);
	return outcome;
}

/* Gives the records their roles as far as they are known. True: the store must be asked for more. */
static bool prepare(const struct lane *lane, struct lane_work *work, const struct parking_part *part,
	const struct culprits *culprits)
{
	const char *const topics[INPUT_COUNT] = {
		lane->config->input_topics[INPUT_USAGE], lane->config->input_topics[INPUT_COMMANDS]};

	work_clear_roles(work);
	bool asks_parked = parking_begin(lane->parking, work, part, culprits, topics);
	if (!asks_parked)
		work_prepare(work);
	return asks_parked;
}

static enum outcome run_transaction(
	const struct lane *lane, struct batch *batch, const struct culprits *culprits, struct failure *reterr)
{
	const struct store *store = lane->store;
	bool asks_parked = prepare(lane, &batch->lanes[lane->number], NULL, culprits);
	int64_t mark = monotonic_now();
	enum outcome outcome = store->begin(store->self, lane->number, batch, reterr);

	FAILPOINT(AFTER_BEGIN, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK)
		outcome = run_work(lane, batch, asks_parked, &mark, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	FAILPOINT(BEFORE_COMMIT, &outcome, OUTCOME_RETRY, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	outcome = store->commit(store->self, lane->number, reterr);
	FAILPOINT(AFTER_COMMIT, &outcome, OUTCOME_RETRY, reterr);
	observe(STAGE_COMMIT, &mark);
	if (outcome == OUTCOME_OK && asks_parked)
		parking_end(lane->parking);
	return outcome;
}

enum outcome lane_try(
	const struct lane *lane, struct batch *batch, const struct parking_part *part, struct failure *reterr)
{
	const struct store *store = lane->store;
	bool asks_parked = prepare(lane, &batch->lanes[lane->number], part, NULL);
	int64_t mark = monotonic_now();
	enum outcome outcome = store->begin(store->self, lane->number, batch, reterr);

	if (outcome == OUTCOME_OK)
		outcome = store->limit_waits(store->self, lane->number, LANE_TRIAL_WAIT, reterr);
	if (outcome == OUTCOME_OK)
		outcome = run_work(lane, batch, asks_parked, &mark, reterr);
	store->abort(store->self, lane->number);
	return outcome;
}

enum outcome lane_run(
	const struct lane *lane, struct batch *batch, const struct culprits *culprits, struct failure *reterr)
{
	struct lane_work *work = &batch->lanes[lane->number];
	enum outcome outcome = run_transaction(lane, batch, culprits, reterr);

	if (outcome != OUTCOME_OK) {
		lane->store->abort(lane->store->self, lane->number);
		return outcome;
	}
	int64_t mark = monotonic_now();
	work_encode(work, &lane->config->encoding);
	work_keep_messages(work);
	observe(STAGE_ENCODE, &mark);
	FAILPOINT(AFTER_ENCODE, &outcome, OUTCOME_REWIND, reterr);
	return outcome;
}
