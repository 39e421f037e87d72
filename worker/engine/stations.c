/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/stations.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include "drawdown/deadline.h"
#include "drawdown/lane.h"
#include "drawdown/log.h"
#include "drawdown/metrics.h"
#include "drawdown/park.h"

#define RETRY_PAUSE_FIRST (10 * INSTANT_MILLISECOND)
#define RETRY_PAUSE_MAX (2 * INSTANT_SECOND)
#define LANE_ATTEMPTS_MAX 10 /* of one batch; then it comes again in halves */
#define LANE_SUSPICION 3     /* failures in a row that customers can be the cause of; then they are looked for */

void stations_abandon(struct stations *stations, bool abandon)
{
	pthread_mutex_lock(&stations->mutex);
	stations->is_abandoned = abandon;
	pthread_cond_broadcast(&stations->abandoned);
	pthread_mutex_unlock(&stations->mutex);
	if (abandon)
		stations->store->interrupt(stations->store->self);
}

/* With jitter left to the servers' own timing. */
bool stations_pause(struct stations *stations, unsigned attempt)
{
	int64_t pause = attempt < 8 ? RETRY_PAUSE_FIRST << attempt : RETRY_PAUSE_MAX;
	if (pause > RETRY_PAUSE_MAX)
		pause = RETRY_PAUSE_MAX;
	const struct timespec until = deadline_in(pause);

	pthread_mutex_lock(&stations->mutex);
	while (!stations->is_abandoned &&
		pthread_cond_timedwait(&stations->abandoned, &stations->mutex, &until) != ETIMEDOUT)
		;
	bool go_on = !stations->is_abandoned;
	pthread_mutex_unlock(&stations->mutex);
	return go_on;
}

enum outcome stations_fail_abandoned(struct failure *reterr)
{
	return fail(reterr, OUTCOME_REWIND, "worker.abandon", "abandoned a batch in flight");
}

/* A lane's transaction, again and again until it is decided. Where it is parked with culprits, and that fails too, it
 * was not their fault alone: the next try is an ordinary one. */
static enum outcome serve_lane(void *context, size_t number, struct batch *batch, struct failure *reterr)
{
	struct stations *stations = context;
	const struct lane lane = {stations->config, stations->store, number, &stations->parkings[number]};
	struct culprits culprits = {.count = 0};
	unsigned suspicion = 0;

	if (batch->lanes[number].given_count == 0)
		return OUTCOME_OK;
	for (unsigned attempt = 0;; attempt++) {
		enum outcome outcome = lane_run(&lane, batch, culprits.count ? &culprits : NULL, reterr);
		metrics_set_parked(number, lane.parking->count);
		if (outcome != OUTCOME_RETRY) {
			if (outcome == OUTCOME_OK && culprits.count == 0)
				lane.parking->is_everybody = false;
			if (outcome == OUTCOME_OK)
				park_tell(&culprits);
			else
				stations_abandon(stations, true);
			return outcome;
		}
		metrics_count(COUNTER_LANE_RETRIES, 1);
		metrics_count_error(outcome);
		log_failure(LOG_WARNING, reterr);
		if (!stations_pause(stations, attempt))
			return stations_fail_abandoned(reterr);
		suspicion = reterr->may_be_customers && !culprits.count ? suspicion + 1 : 0;
		culprits.count = 0;
		if (suspicion == LANE_SUSPICION) {
			suspicion = 0;
			if (park_find_culprits(&lane, batch, &culprits))
				continue;
		}
		/* It may be too much for one statement's time; a recovery cannot be made smaller. */
		if (attempt + 1 == LANE_ATTEMPTS_MAX && !batch->recovery) {
			stations_abandon(stations, true);
			reterr->outcome = OUTCOME_REJECT;
			return OUTCOME_REJECT;
		}
	}
}

/* A lost producer is an ordinary path: make a new one, ask what arrived, publish the same again if it did not. */
static enum outcome replace_producer(
	struct stations *stations, const struct batch *batch, bool *ret_committed, struct failure *reterr)
{
	const struct publish *publish = stations->publish;
	enum outcome outcome = publish->open(publish->self, reterr);

	if (outcome == OUTCOME_OK)
		outcome = publish->committed(publish->self, batch, ret_committed, reterr);
	return outcome;
}

static enum outcome serve_publisher(void *context, size_t index, struct batch *batch, struct failure *reterr)
{
	struct stations *stations = context;
	const struct publish *publish = stations->publish;
	int64_t began = monotonic_now();
	bool is_committed = false, is_spent = false;
	enum outcome outcome = OUTCOME_OK;

	(void)index;
	for (unsigned attempt = 0; !is_committed; attempt++) {
		if (is_spent)
			outcome = replace_producer(stations, batch, &is_committed, reterr);
		if (outcome == OUTCOME_OK && !is_committed) {
			outcome = publish->send(publish->self, batch, reterr);
			is_committed = outcome == OUTCOME_OK;
			is_spent = !is_committed;
		}
		if (outcome == OUTCOME_OK)
			continue;
		if (outcome != OUTCOME_RETRY)
			break;
		is_spent = true;
		metrics_count_error(outcome);
		log_failure(LOG_WARNING, reterr);
		if (!stations_pause(stations, attempt)) {
			outcome = stations_fail_abandoned(reterr);
			break;
		}
		outcome = OUTCOME_OK;
	}
	if (outcome == OUTCOME_OK)
		metrics_observe_stage(STAGE_PUBLISH, monotonic_now() - began);
	else
		stations_abandon(stations, true);
	return outcome;
}

static void wake_loop(void *context)
{
	struct stations *stations = context;
	stations->source->wake(stations->source->self);
}

void stations_init(struct stations *stations, const struct config *config, const struct source *source,
	const struct store *store, const struct publish *publish)
{
	*stations = (struct stations){.config = config, .source = source, .store = store, .publish = publish};
	pthread_mutex_init(&stations->mutex, NULL);
	deadline_condition_init(&stations->abandoned);
	for (size_t i = 0; i < (size_t)config->database_lanes; i++)
		parking_init(&stations->parkings[i]);
}

void stations_release(struct stations *stations)
{
	assert(!stations->lanes && !stations->publisher && !stations->has_left_threads);
	for (size_t i = 0; i < (size_t)stations->config->database_lanes; i++)
		parking_release(&stations->parkings[i]);
	pthread_cond_destroy(&stations->abandoned);
	pthread_mutex_destroy(&stations->mutex);
}

void stations_start(struct stations *stations)
{
	stations->lanes = crew_new((size_t)stations->config->database_lanes, serve_lane, wake_loop, stations);
	stations->publisher = crew_new(1, serve_publisher, wake_loop, stations);
}

void stations_end(struct stations *stations, int64_t timeout)
{
	stations_abandon(stations, true);
	bool have_lanes_ended = crew_free(stations->lanes, timeout);
	bool has_publisher_ended = crew_free(stations->publisher, timeout);
	stations->has_left_threads = !have_lanes_ended || !has_publisher_ended;
	stations->lanes = stations->publisher = NULL;
}
