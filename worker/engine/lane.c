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

static enum outcome run_transaction(const struct config *config, const struct store *store, size_t lane,
	struct batch *batch, struct failure *reterr)
{
	struct lane_work *work = &batch->lanes[lane];
	int64_t mark = monotonic_now();
	enum outcome outcome;

	outcome = store->begin(store->self, lane, batch, reterr);
	FAILPOINT(AFTER_BEGIN, &outcome, OUTCOME_RETRY, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	if (work->accounts_count) {
		outcome = store->lock(store->self, lane, work, &config->rules, reterr);
		FAILPOINT(AFTER_LOCK, &outcome, OUTCOME_RETRY, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		observe(STAGE_LOCK, &mark);

		outcome = store->look_up(store->self, lane, work, reterr);
		FAILPOINT(AFTER_LOOK_UP, &outcome, OUTCOME_RETRY, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		observe(STAGE_LOOK_UP, &mark);
	}
	if (has_recalled(work)) {
		outcome = store->recall(store->self, lane, work, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		observe(STAGE_RECALL, &mark);
	}

	/* A recovery cannot be made smaller; it is bounded by the batches that it recovers. */
	size_t entries_max = batch->recovery ? SIZE_MAX
					     : batch_limit_of_lane((size_t)config->batch_entries_max,
						       work->records_count, batch->records_count, batch->lanes_count);
	outcome = work_resolve(work, &config->rules, entries_max, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	observe(STAGE_RESOLVE, &mark);

	if (work->receipts_count) {
		outcome = store->settle(store->self, lane, work, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		observe(STAGE_SETTLE, &mark);
	}
	FAILPOINT(BEFORE_COMMIT, &outcome, OUTCOME_RETRY, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	outcome = store->commit(store->self, lane, reterr);
	FAILPOINT(AFTER_COMMIT, &outcome, OUTCOME_RETRY, reterr);
	observe(STAGE_COMMIT, &mark);
	return outcome;
}

enum outcome lane_run(const struct config *config, const struct store *store, size_t lane, struct batch *batch,
	struct failure *reterr)
{
	work_prepare(&batch->lanes[lane]);
	enum outcome outcome = run_transaction(config, store, lane, batch, reterr);
	if (outcome != OUTCOME_OK) {
		store->abort(store->self, lane);
		return outcome;
	}
	int64_t mark = monotonic_now();
	work_encode(&batch->lanes[lane], &config->encoding);
	work_keep_messages(&batch->lanes[lane]);
	observe(STAGE_ENCODE, &mark);
	FAILPOINT(AFTER_ENCODE, &outcome, OUTCOME_REWIND, reterr);
	return outcome;
}
