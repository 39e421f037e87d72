/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/positions.h"

static int64_t greater_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static enum outcome contradiction(struct failure *reterr, const char *topic, const struct input_partition *partition,
	const char *what, const char *hint)
{
	fail(reterr, OUTCOME_FATAL, "worker.positions", "%s: %s [%d]: committed %lld, recorded %lld, log %lld to %lld",
		what, topic, (int)partition->partition,
		partition->has_committed ? (long long)partition->committed : -1LL,
		partition->has_row ? (long long)partition->recorded : -1LL, (long long)partition->log_start,
		(long long)partition->log_end);
	fail_hint(reterr, "%s", hint);
	if (reterr)
		reterr->exit_code = EXIT_POSITIONS;
	return OUTCOME_FATAL;
}

static enum outcome decide_without_row(
	struct input_partition *partition, const char *topic, enum position_case *ret_case, struct failure *reterr)
{
	if (partition->has_committed && !partition->committed_is_start)
		return contradiction(reterr, topic, partition,
			"the database knows nothing of a partition that Kafka has offsets of",
			"is this the right database, or was it restored from a backup? "
			"see 'lost data' in worker/README.md before anything is reset");
	*ret_case = partition->has_committed ? POSITION_STARTED : POSITION_NEW;
	partition->position = partition->has_committed ? partition->committed : partition->log_start;
	partition->until = partition->position;
	return OUTCOME_OK;
}

enum outcome position_decide(struct input_partition *partition, const char *topic, enum position_case *ret_case,
	int64_t *ret_lost_from, int64_t *ret_lost_to, struct failure *reterr)
{
	*ret_lost_from = *ret_lost_to = 0;
	if (!partition->has_row)
		return decide_without_row(partition, topic, ret_case, reterr);
	if (partition->log_end < partition->recorded) /* the offsets of a topic that is deleted go with it */
		return contradiction(reterr, topic, partition,
			"the topic was made anew: it ends before what is recorded",
			"see 'topic made anew' in worker/README.md");
	if (!partition->has_committed)
		return contradiction(reterr, topic, partition, "the group's offsets have expired or were deleted",
			"unless the topic was made anew, set them to the recorded offsets (worker/README.md, 'offsets "
			"expired') and raise offsets.retention.minutes on the broker");
	if (partition->committed > partition->recorded)
		return contradiction(reterr, topic, partition, "the database has lost data that Kafka has committed",
			"a failover needs a synchronous standby; see 'lost data' in worker/README.md");

	*ret_case = POSITION_KNOWN;
	partition->position = partition->committed;
	if (partition->log_start > partition->committed) {
		*ret_case = POSITION_TRUNCATED;
		*ret_lost_from = partition->committed;
		*ret_lost_to = partition->recorded < partition->log_start ? partition->recorded : partition->log_start;
		partition->position = partition->log_start;
	}
	partition->until = greater_of(partition->position, partition->recorded);
	return OUTCOME_OK;
}
