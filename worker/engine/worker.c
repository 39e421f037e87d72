/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop: every batch from the source to the acknowledgement.
 *
 * What always holds
 *   1. Batches reach the lanes, and after them the publisher, in the order in which they were read.
 *   2. A batch reaches the publisher only when every lane has committed its part.
 *   3. At most one batch is at the lanes and one at the publisher; a third is being filled. So what is
 *      recorded but unpublished is never more than two batches.
 *   4. After an assignment or a rewind, all in [committed, recorded) is handled as one batch before
 *      anything new.
 *   5. An assignment is given back only when nothing of it is in flight.
 *   6. After a rewind nothing that was read before it is published any more: it comes again.
 *   7. Nothing is decided from memory about what Kafka or PostgreSQL hold: after a failure both are asked.
 *
 * States (enum worker_state)                     left for, by
 *   WAITING     no assignment                    CLAIMING: assigned
 *   CLAIMING    asks and decides positions       RECOVERING: source started; DRAINING: revoked
 *   RECOVERING  fills the recovery batch         RUNNING: all reached `until`; DRAINING: revoked
 *   RUNNING     fills, hands on, takes back      DRAINING: revoked; REWINDING: a failure
 *   DRAINING    lets work in flight end          WAITING: nothing in flight any more
 *   REWINDING   abandons work in flight          CLAIMING: nothing in flight; WAITING: revoked meanwhile
 *   STOPPING    lets work in flight end          the end
 *
 * What an outcome makes the loop do stands in one place: act().
 */
#include "drawdown/worker.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "drawdown/batch_limit.h"
#include "drawdown/claim.h"
#include "drawdown/failpoint.h"
#include "drawdown/log.h"
#include "drawdown/metrics.h"
#include "drawdown/stations.h"

#define BATCHES_COUNT 3
#define BLOCK_SIZE (256 * 1024)
#define IDLE_WAIT_MS 500
#define REWIND_PAUSE_FIRST_MS 100
#define REWIND_PAUSE_MAX_MS 5000
#define FENCED_PAUSE_MS 3000 /* longer than a heartbeat: time to hear that the partitions are gone */
#define REWINDS_MAX 30	     /* in a row, without one batch published */
#define DRAIN_TIMEOUT (15 * INSTANT_SECOND)
#define ABANDON_TIMEOUT (10 * INSTANT_SECOND)

struct worker {
	const struct config *config;
	const struct source *source;
	const struct store *store;
	const struct publish *publish;
	const struct decoder *decoder;

	struct arena_pool *pool; /* of all batches: what one is done with, the next one uses */
	struct batch batches[BATCHES_COUNT];
	struct batch *idle[BATCHES_COUNT];
	size_t idle_count;
	struct batch *filling; /* NULL only while all three are elsewhere */
	size_t decoded_count;  /* of its records */
	bool is_closed;	       /* it takes no more, and waits for the lanes */
	struct batch *decided; /* committed by all lanes, waits for the publisher */
	struct stations stations;

	enum worker_state state;
	struct batch_limit limit;
	uint64_t reading;	/* counts rewinds: what was read before the newest is stale */
	unsigned retries_count; /* of the loop's own calls, in a row */
	unsigned rewinds_count; /* in a row */
	int rewind_pause_ms;	/* before the next try */
	bool is_assigned;	/* an assignment is ours until it has been given back */
	bool is_revoked;	/* and is asked back */
	int64_t drain_deadline; /* monotonic */
	struct ownership ownership;
	int64_t misrouted_logged_at;

	atomic_int stop_requests;
};

/* ---- life ---- */

struct worker *worker_new(const struct config *config, const struct decoder *decoder, const struct source *source,
	const struct store *store, const struct publish *publish)
{
	struct worker *worker = calloc(1, sizeof *worker);
	if (!worker)
		abort();
	worker->config = config;
	worker->source = source;
	worker->store = store;
	worker->publish = publish;
	worker->decoder = decoder;
	worker->pool = arena_pool_new();
	ownership_init(&worker->ownership);
	batch_limit_init(&worker->limit, (size_t)config->batch_records_max, (size_t)config->batch_entries_max);
	stations_init(&worker->stations, config, source, store, publish);
	for (size_t i = 0; i < BATCHES_COUNT; i++) {
		batch_init(&worker->batches[i], worker->limit.records_max, (size_t)config->database_lanes, BLOCK_SIZE);
		batch_use_pool(&worker->batches[i], worker->pool);
		worker->idle[worker->idle_count++] = &worker->batches[i];
	}
	return worker;
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	stations_release(&worker->stations);
	for (size_t i = 0; i < BATCHES_COUNT; i++)
		batch_release(&worker->batches[i]);
	arena_pool_free(worker->pool);
	ownership_release(&worker->ownership);
	free(worker);
}

bool worker_has_left_threads(const struct worker *worker)
{
	return worker->stations.has_left_threads;
}

struct ownership *worker_ownership(struct worker *worker)
{
	return &worker->ownership;
}

void worker_stop(struct worker *worker)
{
	atomic_fetch_add(&worker->stop_requests, 1);
	worker->source->wake(worker->source->self);
}

/* ---- handing batches on ---- */

static void recycle(struct worker *worker, struct batch *batch)
{
	if (!batch)
		return;
	batch_reset(batch);
	worker->idle[worker->idle_count++] = batch;
}

static void open_batch(struct worker *worker)
{
	if (worker->filling || worker->idle_count == 0)
		return;
	worker->filling = worker->idle[--worker->idle_count];
	worker->filling->reading = worker->reading;
	worker->decoded_count = 0;
	worker->is_closed = false;
}

static void discard_filling(struct worker *worker)
{
	recycle(worker, worker->filling);
	worker->filling = NULL;
}

static bool is_anything_in_flight(struct worker *worker)
{
	return worker->decided || !crew_is_empty(worker->stations.lanes) || !crew_is_empty(worker->stations.publisher);
}

static void count_results(const struct lane_work *work)
{
	for (int kind = 0; kind <= EVENT_KIND_COUNT; kind++)
		for (enum result_kind result = RESULT_APPLIED; result < RESULT_KIND_COUNT; result++)
			if (work->tally.results[kind][result])
				metrics_count_input(
					kind < EVENT_KIND_COUNT ? kind : -1, result, work->tally.results[kind][result]);
	for (size_t i = 0; work->tally.results[EVENT_KIND_COUNT][RESULT_DEAD_LETTERED] && i < work->records_count; i++)
		if (!work->records[i]->readable)
			metrics_count_dead_letter(work->records[i]->defect->reason);
}

static void count_published(struct worker *worker, const struct batch *batch)
{
	size_t entries_count = 0;

	for (size_t i = 0; i < batch->lanes_count; i++) {
		count_results(&batch->lanes[i]);
		entries_count += batch->lanes[i].tally.entries;
		metrics_count(COUNTER_RECALLED_ENTRIES, batch->lanes[i].tally.recalled_entries);
	}
	metrics_count(COUNTER_ENTRIES, entries_count);
	metrics_count(batch->recovery ? COUNTER_RECOVERY_BATCHES : COUNTER_BATCHES, 1);
	metrics_observe_batch_size(batch->records_count);
	for (size_t i = 0; i < batch->spans_count; i++)
		metrics_set_published(batch->spans[i].input, batch->spans[i].partition, batch->spans[i].end);
	ownership_note_published(&worker->ownership, batch);
	worker->rewinds_count = 0;
	if (batch->records_count)
		batch_limit_note_published(&worker->limit, batch->records_count, entries_count);
}

/* Take back what the crews have done and hand it on. */
static enum outcome collect(struct worker *worker, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;
	struct batch *batch = crew_take(worker->stations.publisher, &outcome, reterr);

	if (batch && outcome == OUTCOME_OK)
		count_published(worker, batch);
	recycle(worker, batch);
	if (outcome != OUTCOME_OK)
		return outcome;

	batch = crew_take(worker->stations.lanes, &outcome, reterr);
	if (outcome != OUTCOME_OK) {
		recycle(worker, batch);
		return outcome;
	}
	if (batch) {
		assert(!worker->decided);
		worker->decided = batch;
	}
	if (worker->decided && worker->decided->reading != worker->reading) {
		recycle(worker, worker->decided);
		worker->decided = NULL;
	}
	if (worker->decided && crew_is_empty(worker->stations.publisher)) {
		crew_give(worker->stations.publisher, worker->decided);
		worker->decided = NULL;
	}
	return OUTCOME_OK;
}

/* Give the closed batch to the lanes, if they are free. */
static enum outcome dispatch(struct worker *worker, struct failure *reterr)
{
	if (worker->decided || !crew_is_empty(worker->stations.lanes))
		return OUTCOME_OK;
	enum outcome outcome = worker->store->prepare(worker->store->self, worker->filling, reterr);
	FAILPOINT(AFTER_DECODE, &outcome, OUTCOME_REWIND, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	batch_split(worker->filling);
	crew_give(worker->stations.lanes, worker->filling);
	worker->filling = NULL;
	return OUTCOME_OK;
}

/* ---- reading ---- */

static void note_misrouted(struct worker *worker, struct record *record)
{
	int32_t count = worker->source->partitions_count(worker->source->self);
	struct text customer_id = record->event.customer_id;
	int32_t expected = worker->config->inputs_crc32 ? hash_partition_crc32(customer_id, count)
							: hash_partition_murmur2(customer_id, count);

	record->misrouted = expected != record->source.partition;
	if (!record->misrouted)
		return;
	metrics_count(COUNTER_MISROUTED, 1);
	int64_t now = monotonic_now();
	if (worker->misrouted_logged_at && now - worker->misrouted_logged_at < 10 * INSTANT_SECOND)
		return;
	worker->misrouted_logged_at = now;
	log_line(LOG_WARNING, "worker.misrouted",
		"a record at %s [%d] offset %lld is not in its customer's partition %d: handled all the same, but its "
		"order is not kept; hint=let all producers use one partitioner (inputs.partitioner)",
		worker->config->input_topics[record->source.input], (int)record->source.partition,
		(long long)record->source.offset, (int)expected);
}

static bool decode_or_tell(
	const struct worker *worker, struct arena *arena, struct record *record, struct defect *ret_defect)
{
	if (record->source.timestamp <= INSTANT_MAX)
		return decode_event(worker->decoder, arena, record->value, &record->event, ret_defect);
	*ret_defect = (struct defect){.reason = "invalid_timestamp"};
	(void)snprintf(ret_defect->text, sizeof ret_defect->text, "the record's timestamp lies past the year 9999");
	return false;
}

static bool decode_record(const struct worker *worker, struct arena *arena, struct record *record)
{
	struct defect defect;

	if (record->defect) /* the source's */
		return false;
	if (decode_or_tell(worker, arena, record, &defect))
		return true;
	struct defect *copy = arena_alloc(arena, sizeof *copy);
	*copy = defect;
	record->defect = copy;
	return false;
}

static void decode_new_records(struct worker *worker)
{
	struct batch *batch = worker->filling;

	if (worker->decoded_count == batch->records_count)
		return;
	int64_t began = monotonic_now();
	for (; worker->decoded_count < batch->records_count; worker->decoded_count++) {
		struct record *record = &batch->records[worker->decoded_count];
		record->readable = decode_record(worker, &batch->arena, record);
		if (record->readable)
			note_misrouted(worker, record);
	}
	if (!batch->opened_at)
		batch->opened_at = began;
	metrics_observe_stage(STAGE_DECODE, monotonic_now() - began);
}

/* How long the source may wait for something: until the batch is due, or long where only a wake-up matters. */
static int wait_ms(struct worker *worker)
{
	const struct batch *batch = worker->filling;

	if (!batch || worker->is_closed || batch->records_count == 0 || !crew_is_empty(worker->stations.lanes) ||
		worker->decided)
		return IDLE_WAIT_MS;
	int64_t left = batch->opened_at + worker->config->batch_linger - monotonic_now();
	return left <= 0 ? 0 : (int)(left / INSTANT_MILLISECOND) + 1;
}

static bool is_full(const struct worker *worker)
{
	return worker->filling->records_count >= worker->limit.records_max ||
	       worker->filling->arena.used_size >= (size_t)worker->config->batch_bytes_max;
}

/* The source's signals are heard here and nowhere else. */
static enum outcome poll_source(struct worker *worker, struct batch *batch, int timeout_ms,
	enum source_signal *ret_signal, struct failure *reterr)
{
	*ret_signal = SOURCE_NOTHING;
	enum outcome outcome = worker->source->poll(worker->source->self, batch, worker->limit.records_max,
		(size_t)worker->config->batch_bytes_max, timeout_ms, ret_signal, reterr);
	if (*ret_signal == SOURCE_ASSIGNED)
		worker->is_assigned = true;
	if (*ret_signal == SOURCE_REVOKED)
		worker->is_revoked = true;
	if (batch && batch->records_count)
		FAILPOINT(AFTER_POLL, &outcome, OUTCOME_RETRY, reterr);
	return outcome;
}

/* ---- states ---- */

static void enter(struct worker *worker, enum worker_state state)
{
	if (worker->state != state)
		log_line(LOG_DEBUG, "worker.state", "%s after %s", worker_state_name(state),
			worker_state_name(worker->state));
	worker->state = state;
	if (state == WORKER_DRAINING || state == WORKER_STOPPING)
		worker->drain_deadline = monotonic_now() + DRAIN_TIMEOUT;
	if (state == WORKER_REWINDING)
		worker->drain_deadline = monotonic_now() + ABANDON_TIMEOUT;
	if (state == WORKER_RUNNING)
		ownership_begin(&worker->ownership, worker->source);
	else
		ownership_end(&worker->ownership);
	metrics_set_state(state);
	metrics_set_ready(state == WORKER_RUNNING, worker_state_name(state));
}

static enum outcome turn_waiting(struct worker *worker, struct failure *reterr)
{
	enum source_signal signal;
	enum outcome outcome = poll_source(worker, NULL, IDLE_WAIT_MS, &signal, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	if (worker->is_revoked)
		enter(worker, WORKER_DRAINING);
	else if (worker->is_assigned)
		enter(worker, WORKER_CLAIMING);
	return OUTCOME_OK;
}

static enum outcome turn_claiming(struct worker *worker, struct failure *reterr)
{
	const struct source *source = worker->source;
	enum source_signal signal;
	enum outcome outcome = poll_source(worker, NULL, 0, &signal, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	if (worker->is_revoked) {
		enter(worker, WORKER_DRAINING);
		return OUTCOME_OK;
	}
	size_t count;
	struct input_partition *partitions = source->partitions(source->self, &count);
	assert(count <= BATCH_SPANS_MAX && !is_anything_in_flight(worker));
	discard_filling(worker);
	open_batch(worker);
	worker->filling->recovery = true;

	outcome = claim_partitions(worker->config, source, worker->store, partitions, count, worker->filling,
		worker->stations.parkings, reterr);
	worker->decoded_count = worker->filling->records_count;
	if (outcome == OUTCOME_OK)
		outcome = source->start(source->self, partitions, count, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;

	int64_t to_recover = 0;
	for (size_t i = 0; i < count; i++)
		to_recover += partitions[i].until - partitions[i].position;
	log_line(LOG_INFO, "worker.assigned", "owns %zu input partitions, at most %lld records to recover", count,
		(long long)to_recover);
	metrics_count(COUNTER_ASSIGNMENTS, 1);
	enter(worker, WORKER_RECOVERING);
	return OUTCOME_OK;
}

static enum outcome turn_recovering(struct worker *worker, struct failure *reterr)
{
	enum source_signal signal;
	bool takes_more = !worker->is_closed;
	enum outcome outcome = poll_source(
		worker, takes_more ? worker->filling : NULL, takes_more ? IDLE_WAIT_MS : 0, &signal, reterr);

	if (takes_more)
		decode_new_records(worker);
	if (signal == SOURCE_RECOVERED)
		worker->is_closed = true;
	if (worker->is_closed && worker->filling->records_count)
		FAILPOINT(AFTER_RECOVERY_READ, &outcome, OUTCOME_REWIND, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	if (worker->is_revoked) {
		enter(worker, WORKER_DRAINING);
		return OUTCOME_OK;
	}
	if (!worker->is_closed)
		return OUTCOME_OK;
	if (worker->filling->spans_count)
		outcome = dispatch(worker, reterr);
	else
		discard_filling(worker);
	if (outcome == OUTCOME_OK)
		enter(worker, WORKER_RUNNING);
	return outcome;
}

static enum outcome turn_running(struct worker *worker, struct failure *reterr)
{
	enum source_signal signal;
	enum outcome outcome = collect(worker, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	open_batch(worker);
	bool takes_more = worker->filling && !worker->is_closed && !is_full(worker);
	outcome = poll_source(worker, takes_more ? worker->filling : NULL, wait_ms(worker), &signal, reterr);
	if (worker->filling)
		decode_new_records(worker);
	if (outcome != OUTCOME_OK)
		return outcome;
	if (worker->is_revoked) {
		enter(worker, WORKER_DRAINING);
		return OUTCOME_OK;
	}
	ownership_note_reached(&worker->ownership, worker->source, worker->batches, BATCHES_COUNT);
	if (!worker->filling || worker->filling->records_count == 0)
		return OUTCOME_OK;
	bool is_due = monotonic_now() - worker->filling->opened_at >= worker->config->batch_linger;
	return is_full(worker) || is_due ? dispatch(worker, reterr) : OUTCOME_OK;
}

/* Finish or abandon what is in flight, then give the assignment back. */
static enum outcome turn_draining(struct worker *worker, struct failure *reterr)
{
	enum source_signal signal;

	discard_filling(worker);
	enum outcome outcome = collect(worker, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	if (is_anything_in_flight(worker)) {
		if (monotonic_now() > worker->drain_deadline)
			return stations_fail_abandoned(reterr);
		return poll_source(worker, NULL, IDLE_WAIT_MS, &signal, reterr);
	}
	FAILPOINT(IN_REVOKE, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK)
		outcome = worker->source->stop(worker->source->self, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	log_line(LOG_INFO, "worker.revoked", "gave the assignment back");
	worker->is_assigned = worker->is_revoked = false;
	enter(worker, WORKER_WAITING);
	return OUTCOME_OK;
}

/* Drop a crew's batch, whatever came of it: positions are asked anew. */
static void drop_done(struct worker *worker, struct crew *crew)
{
	enum outcome outcome;
	struct failure failure;
	recycle(worker, crew_take(crew, &outcome, &failure));
}

static enum outcome turn_rewinding(struct worker *worker, struct failure *reterr)
{
	enum source_signal signal;

	discard_filling(worker);
	recycle(worker, worker->decided);
	worker->decided = NULL;
	drop_done(worker, worker->stations.lanes);
	drop_done(worker, worker->stations.publisher);
	if (is_anything_in_flight(worker)) {
		if (monotonic_now() > worker->drain_deadline) {
			worker->store->interrupt(worker->store->self);
			worker->drain_deadline = monotonic_now() + ABANDON_TIMEOUT;
		}
		return poll_source(worker, NULL, IDLE_WAIT_MS, &signal, reterr);
	}
	stations_abandon(&worker->stations, false);
	if (worker->rewind_pause_ms && !worker->is_revoked) {
		int pause_ms = worker->rewind_pause_ms;
		worker->rewind_pause_ms = 0;
		return poll_source(worker, NULL, pause_ms, &signal, reterr);
	}
	enum outcome outcome = worker->source->stop(worker->source->self, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	if (worker->is_revoked)
		worker->is_assigned = worker->is_revoked = false;
	enter(worker, worker->is_assigned ? WORKER_CLAIMING : WORKER_WAITING);
	return OUTCOME_OK;
}

static enum outcome turn_stopping(struct worker *worker, bool *ret_stopped, struct failure *reterr)
{
	enum source_signal signal;

	discard_filling(worker);
	enum outcome outcome = collect(worker, reterr);
	FAILPOINT(IN_SHUTDOWN, &outcome, OUTCOME_REWIND, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	*ret_stopped = !is_anything_in_flight(worker);
	if (*ret_stopped)
		return OUTCOME_OK;
	if (atomic_load(&worker->stop_requests) > 1 || monotonic_now() > worker->drain_deadline)
		return stations_fail_abandoned(reterr);
	return poll_source(worker, NULL, IDLE_WAIT_MS, &signal, reterr);
}

/* ---- failures ---- */

static void plan_rewind(struct worker *worker, const struct failure *failure)
{
	int pause_ms = worker->rewinds_count < 6 ? REWIND_PAUSE_FIRST_MS << worker->rewinds_count : REWIND_PAUSE_MAX_MS;

	metrics_count(COUNTER_REWINDS, 1);
	worker->reading++;
	worker->rewinds_count++;
	worker->rewind_pause_ms = pause_ms < REWIND_PAUSE_MAX_MS ? pause_ms : REWIND_PAUSE_MAX_MS;
	if (failure->exit_code == EXIT_FENCED) {
		metrics_count(COUNTER_FENCED, 1);
		worker->rewind_pause_ms = FENCED_PAUSE_MS;
	}
	stations_abandon(&worker->stations, true);
	enter(worker, WORKER_REWINDING);
}

/* The one place that acts on a failure. OK: go on with another turn. */
static enum outcome act(struct worker *worker, enum outcome outcome, struct failure *failure)
{
	if (outcome == OUTCOME_OK) {
		worker->retries_count = 0;
		return OUTCOME_OK;
	}
	metrics_count_error(outcome);
	switch (outcome) {
	case OUTCOME_RETRY:
		log_failure(LOG_WARNING, failure);
		stations_pause(&worker->stations, worker->retries_count++);
		return OUTCOME_OK;
	case OUTCOME_REJECT:
		/* A batch that makes too many entries comes again in halves; a single record always fits. */
		log_failure(LOG_INFO, failure);
		batch_limit_note_rejected(&worker->limit);
		plan_rewind(worker, failure);
		worker->rewind_pause_ms = 0;
		return OUTCOME_OK;
	case OUTCOME_REWIND:
		log_failure(LOG_WARNING, failure);
		if (worker->state == WORKER_STOPPING)
			return OUTCOME_REWIND;
		if (worker->rewinds_count < REWINDS_MAX) {
			plan_rewind(worker, failure);
			return OUTCOME_OK;
		}
		failure->outcome = OUTCOME_FATAL;
		return OUTCOME_FATAL;
	case OUTCOME_FATAL:
	case OUTCOME_OK:
		break;
	}
	return OUTCOME_FATAL;
}

static enum outcome turn(struct worker *worker, bool *ret_stopped, struct failure *reterr)
{
	switch (worker->state) {
	case WORKER_WAITING:
		return turn_waiting(worker, reterr);
	case WORKER_CLAIMING:
		return turn_claiming(worker, reterr);
	case WORKER_RECOVERING:
		return turn_recovering(worker, reterr);
	case WORKER_RUNNING:
		return turn_running(worker, reterr);
	case WORKER_DRAINING:
		return turn_draining(worker, reterr);
	case WORKER_REWINDING:
		return turn_rewinding(worker, reterr);
	case WORKER_STOPPING:
		return turn_stopping(worker, ret_stopped, reterr);
	case WORKER_STARTING:
	case WORKER_STATE_COUNT:
		break;
	}
	assert(0 && "a state without a turn");
	return OUTCOME_FATAL;
}

static enum outcome open_publisher(struct worker *worker, struct failure *reterr)
{
	for (unsigned attempt = 0;; attempt++) {
		enum outcome outcome = worker->publish->open(worker->publish->self, reterr);
		if (outcome != OUTCOME_RETRY)
			return outcome;
		metrics_count_error(outcome);
		log_failure(LOG_WARNING, reterr);
		stations_pause(&worker->stations, attempt);
		if (atomic_load(&worker->stop_requests))
			return stations_fail_abandoned(reterr);
	}
}

/* What was abandoned comes again to the next owner. */
static enum outcome stop_abandoning(struct failure *reterr)
{
	log_line(LOG_WARNING, "worker.abandoned", "stopped with work in flight, which comes again: %s", reterr->text);
	return OUTCOME_OK;
}

static enum outcome run(struct worker *worker, struct failure *reterr)
{
	bool is_stopped = false;

	enter(worker, WORKER_WAITING);
	while (!is_stopped) {
		metrics_heartbeat();
		if (atomic_load(&worker->stop_requests) && worker->state != WORKER_STOPPING) {
			/* What a rewind has dropped leaves a gap: nothing behind it may be published. */
			if (worker->state == WORKER_REWINDING)
				return stop_abandoning(reterr);
			enter(worker, WORKER_STOPPING);
		}
		enum outcome outcome = act(worker, turn(worker, &is_stopped, reterr), reterr);
		if (outcome == OUTCOME_REWIND)
			return stop_abandoning(reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
	}
	return OUTCOME_OK;
}

enum outcome worker_run(struct worker *worker, struct failure *reterr)
{
	enter(worker, WORKER_STARTING);
	enum outcome outcome = open_publisher(worker, reterr);
	if (outcome == OUTCOME_REWIND)
		return OUTCOME_OK;
	if (outcome != OUTCOME_OK)
		return outcome;

	stations_start(&worker->stations);
	outcome = run(worker, reterr);
	enter(worker, WORKER_STOPPING);
	stations_end(&worker->stations, ABANDON_TIMEOUT);
	return outcome;
}
