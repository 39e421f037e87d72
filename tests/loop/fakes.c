/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fake_parked.h"
#include "fake_rows.h"

#define IDLE_WAIT_NS 5000000

static const char *const seam_names[SEAM_COUNT] = {
	[SEAM_POLL] = "source.poll",
	[SEAM_SOURCE_COMMITTED] = "source.committed",
	[SEAM_COMMIT_START] = "source.commit_start",
	[SEAM_START] = "source.start",
	[SEAM_STOP] = "source.stop",
	[SEAM_CLAIM] = "store.claim",
	[SEAM_CREATE_POSITIONS] = "store.create_positions",
	[SEAM_PREPARE] = "store.prepare",
	[SEAM_BEGIN] = "store.begin",
	[SEAM_LOCK] = "store.lock",
	[SEAM_LOOK_UP] = "store.look_up",
	[SEAM_RECALL] = "store.recall",
	[SEAM_SETTLE] = "store.settle",
	[SEAM_COMMIT] = "store.commit",
	[SEAM_OPEN] = "publish.open",
	[SEAM_SEND] = "publish.send",
	[SEAM_PUBLISH_COMMITTED] = "publish.committed",
};

const char *seam_name(enum seam seam)
{
	return seam_names[seam];
}

/* ---- faults ---- */

static bool is_due(struct fake_world *world, enum seam seam, bool after_effect)
{
	return world->fault_at && seam == world->fault_seam && world->calls[seam] == world->fault_at &&
	       after_effect == world->fault_after_effect && !world->fault_fired;
}

static enum outcome fault(struct fake_world *world, enum seam seam, struct failure *reterr)
{
	world->fault_fired = true;
	return fail(reterr, world->fault_outcome, seam_name(seam), "planted: call %u", world->calls[seam]);
}

/* Every call of a seam begins and ends with these; the world is locked in between. */
#define ENTER(world, seam, reterr)                                          \
	do {                                                                \
		pthread_mutex_lock(&(world)->mutex);                        \
		(world)->calls[seam]++;                                     \
		if (is_due(world, seam, false)) {                           \
			enum outcome outcome_ = fault(world, seam, reterr); \
			pthread_mutex_unlock(&(world)->mutex);              \
			return outcome_;                                    \
		}                                                           \
	} while (0)

static enum outcome leave(struct fake_world *world, enum seam seam, enum outcome outcome, struct failure *reterr)
{
	if (outcome == OUTCOME_OK && is_due(world, seam, true))
		outcome = fault(world, seam, reterr);
	pthread_mutex_unlock(&world->mutex);
	return outcome;
}

/* ---- source ---- */

static struct fake_log *log_of(struct fake_world *world, const struct input_partition *partition)
{
	return &world->logs[partition->input][partition->partition];
}

static bool all_published(const struct fake_world *world)
{
	for (int input = 0; input < INPUT_COUNT; input++)
		for (int partition = 0; partition < FAKE_PARTITIONS; partition++)
			if (world->logs[input][partition].committed < world->logs[input][partition].log_end)
				return false;
	return true;
}

bool fake_is_done(struct fake_world *world)
{
	pthread_mutex_lock(&world->mutex);
	bool is_done = all_published(world);
	pthread_mutex_unlock(&world->mutex);
	return is_done;
}

/* Whose turn would come behind a record that waits. */
static bool is_held_back(const struct fake_world *world, int32_t partition, const struct fake_log *log)
{
	const struct fake_log *held = world->held_log;

	if (!world->held_until_poll || world->calls[SEAM_POLL] >= world->held_until_poll ||
		held->position != world->held_offset || held->position >= held->log_end)
		return false;
	bool is_pair = held == &world->logs[INPUT_USAGE][partition] || held == &world->logs[INPUT_COMMANDS][partition];
	return is_pair && log->records[log->position].timestamp >= held->records[held->position].timestamp;
}

/* The next record by time, commands first at a tie; NULL: none that may be handed out. */
static struct fake_log *next_log(struct fake_world *world, enum input *ret_input, int32_t *ret_partition)
{
	struct fake_log *next = NULL;

	for (int input = INPUT_COUNT - 1; input >= 0; input--) {
		for (int32_t partition = 0; partition < FAKE_PARTITIONS; partition++) {
			struct fake_log *log = &world->logs[input][partition];
			int64_t end = world->has_recovered ? log->log_end : log->until;
			if (log->position >= end || is_held_back(world, partition, log))
				continue;
			if (next && log->records[log->position].timestamp >= next->records[next->position].timestamp)
				continue;
			next = log;
			*ret_input = (enum input)input;
			*ret_partition = partition;
		}
	}
	return next;
}

static void hand_out(struct fake_world *world, struct batch *batch, size_t records_max)
{
	enum input input;
	int32_t partition;
	struct fake_log *log;

	for (size_t i = 0; i < world->poll_records_max && batch->records_count < records_max; i++) {
		log = next_log(world, &input, &partition);
		if (!log)
			return;
		struct record *record = batch_append(batch);
		record->source = (struct source_position){
			.input = input,
			.partition = partition,
			.offset = log->position,
			.timestamp = log->records[log->position].timestamp,
		};
		record->key = TEXT_LITERAL("key");
		record->value = arena_copy(&batch->arena, log->records[log->position].value);
		batch_cover(
			batch, input, partition, log->position, log->position, log->epoch, record->source.timestamp);
		log->position++;
	}
}

static bool has_reached_until(const struct fake_world *world)
{
	for (int input = 0; input < INPUT_COUNT; input++)
		for (int partition = 0; partition < FAKE_PARTITIONS; partition++)
			if (world->logs[input][partition].position < world->logs[input][partition].until)
				return false;
	return true;
}

/* What the scenario asks for at this poll. */
static void play(struct fake_world *world, enum source_signal *ret_signal)
{
	if (world->revoke_at_poll == world->calls[SEAM_POLL] && world->is_assigned) {
		world->is_revoking = true;
		*ret_signal = SOURCE_REVOKED;
	} else if (world->must_signal_assigned) {
		world->must_signal_assigned = false;
		world->is_assigned = true;
		*ret_signal = SOURCE_ASSIGNED;
	}
	bool must_stop = world->stop_at_poll ? world->calls[SEAM_POLL] >= world->stop_at_poll : all_published(world);
	if (world->stop_at_refused_parks)
		must_stop = world->refused_parks_count >= world->stop_at_refused_parks;
	if (must_stop && world->stops_count) {
		while (world->stops_count) {
			world->stops_count--;
			worker_stop(world->worker);
		}
	}
}

/* Until a crew is done: on a busy machine many polls would pass meanwhile, each of which is a place for a fault. */
static void await_wake(struct fake_world *world)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += IDLE_WAIT_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	(void)sem_clockwait(&world->woken, CLOCK_MONOTONIC, &until);
}

static enum outcome source_poll(void *self, struct batch *batch, size_t records_max, size_t bytes_max, int wait_ms,
	enum source_signal *ret_signal, struct failure *reterr)
{
	struct fake_world *world = self;

	(void)bytes_max;
	ENTER(world, SEAM_POLL, reterr);
	*ret_signal = SOURCE_NOTHING;
	play(world, ret_signal);
	size_t before = batch ? batch->records_count : 0;
	if (batch && world->is_assigned && !world->is_revoking) {
		hand_out(world, batch, world->has_recovered ? records_max : SIZE_MAX);
		if (!world->has_recovered && has_reached_until(world)) {
			world->has_recovered = true;
			*ret_signal = SOURCE_RECOVERED;
		}
	}
	bool is_idle = wait_ms > 0 && *ret_signal == SOURCE_NOTHING && (!batch || batch->records_count == before);
	enum outcome outcome = leave(world, SEAM_POLL, OUTCOME_OK, reterr);
	if (is_idle)
		await_wake(world);
	return outcome;
}

static struct input_partition *source_partitions(void *self, size_t *ret_count)
{
	struct fake_world *world = self;

	*ret_count = INPUT_COUNT * FAKE_PARTITIONS;
	for (size_t i = 0; i < *ret_count; i++) {
		world->partitions[i].input = (enum input)(i % INPUT_COUNT);
		world->partitions[i].partition = (int32_t)(i / INPUT_COUNT);
	}
	return world->partitions;
}

static int32_t source_partitions_count(void *self)
{
	(void)self;
	return FAKE_PARTITIONS;
}

static enum outcome source_committed(
	void *self, struct input_partition *partitions, size_t count, struct failure *reterr)
{
	struct fake_world *world = self;

	ENTER(world, SEAM_SOURCE_COMMITTED, reterr);
	for (size_t i = 0; i < count; i++) {
		const struct fake_log *log = log_of(world, &partitions[i]);
		partitions[i].has_committed = log->committed >= 0;
		partitions[i].committed_is_start = log->committed_is_start;
		partitions[i].committed = log->committed;
		partitions[i].log_start = log->log_start;
		partitions[i].log_end = log->log_end;
	}
	return leave(world, SEAM_SOURCE_COMMITTED, OUTCOME_OK, reterr);
}

static enum outcome source_commit_start(
	void *self, const struct input_partition *partitions, size_t count, struct failure *reterr)
{
	struct fake_world *world = self;

	ENTER(world, SEAM_COMMIT_START, reterr);
	for (size_t i = 0; i < count; i++) {
		log_of(world, &partitions[i])->committed = partitions[i].position;
		log_of(world, &partitions[i])->committed_is_start = true;
	}
	return leave(world, SEAM_COMMIT_START, OUTCOME_OK, reterr);
}

static enum outcome source_start(
	void *self, const struct input_partition *partitions, size_t count, struct failure *reterr)
{
	struct fake_world *world = self;

	ENTER(world, SEAM_START, reterr);
	for (size_t i = 0; i < count; i++) {
		struct fake_log *log = log_of(world, &partitions[i]);
		assert(partitions[i].position >= log->log_start && partitions[i].until >= partitions[i].position);
		log->position = partitions[i].position;
		log->until = partitions[i].until;
		log->epoch = partitions[i].epoch;
	}
	world->has_recovered = false;
	return leave(world, SEAM_START, OUTCOME_OK, reterr);
}

static enum outcome source_stop(void *self, struct failure *reterr)
{
	struct fake_world *world = self;

	ENTER(world, SEAM_STOP, reterr);
	if (world->is_revoking) {
		world->is_revoking = false;
		world->is_assigned = false;
		world->must_signal_assigned = true;
	}
	return leave(world, SEAM_STOP, OUTCOME_OK, reterr);
}

static int64_t source_reached(void *self, enum input input, int32_t partition)
{
	struct fake_world *world = self;

	pthread_mutex_lock(&world->mutex);
	int64_t reached = world->logs[input][partition].position;
	pthread_mutex_unlock(&world->mutex);
	return reached;
}

static void source_wake(void *self)
{
	struct fake_world *world = self;

	sem_post(&world->woken);
}

/* ---- store ---- */

static enum outcome store_claim(void *self, struct input_partition *partitions, size_t count, struct failure *reterr)
{
	struct fake_world *world = self;

	ENTER(world, SEAM_CLAIM, reterr);
	for (size_t i = 0; i < count; i++) {
		struct fake_log *log = log_of(world, &partitions[i]);
		partitions[i].has_row = log->has_row;
		if (log->has_row)
			partitions[i].epoch = ++log->row_epoch;
		partitions[i].recorded = log->recorded;
	}
	return leave(world, SEAM_CLAIM, OUTCOME_OK, reterr);
}

static enum outcome store_create_positions(
	void *self, struct input_partition *partitions, size_t count, struct failure *reterr)
{
	struct fake_world *world = self;

	ENTER(world, SEAM_CREATE_POSITIONS, reterr);
	for (size_t i = 0; i < count; i++) {
		struct fake_log *log = log_of(world, &partitions[i]);
		log->has_row = true;
		log->row_epoch++;
		log->recorded = partitions[i].position;
		partitions[i].has_row = true;
		partitions[i].epoch = log->row_epoch;
		partitions[i].recorded = log->recorded;
	}
	return leave(world, SEAM_CREATE_POSITIONS, OUTCOME_OK, reterr);
}

static enum outcome store_prepare(void *self, const struct batch *batch, struct failure *reterr)
{
	struct fake_world *world = self;

	assert(batch->records_count > 0);
	ENTER(world, SEAM_PREPARE, reterr);
	return leave(world, SEAM_PREPARE, OUTCOME_OK, reterr);
}

/* What look_up and recall will recognise as the records' own. */
static enum outcome store_recall_range(void *self, enum input input, int32_t partition, int64_t from, int64_t to,
	struct batch *batch, struct failure *reterr)
{
	struct fake_world *world = self;

	(void)reterr;
	pthread_mutex_lock(&world->mutex);
	for (size_t i = 0; i < world->receipts_count; i++) {
		const struct receipt *receipt = &world->receipts[i];
		if (receipt->source.input != input || receipt->source.partition != partition ||
			receipt->source.offset < from || receipt->source.offset >= to)
			continue;
		struct record *record = batch_append(batch);
		record->source = receipt->source;
		record->readable = true;
		record->event = (struct event){
			.kind = receipt->kind,
			.customer_id = receipt->customer_id,
			.currency_id = receipt->currency_id,
			.resource_id = receipt->resource_id,
			.idempotency_key = receipt->idempotency_key,
			.amount = receipt->requested_amount,
			.created_at = INSTANT_NONE,
			.key_hash = receipt->key_hash,
			.fingerprint = receipt->fingerprint,
		};
	}
	pthread_mutex_unlock(&world->mutex);
	return OUTCOME_OK;
}

static enum outcome store_begin(void *self, size_t lane, const struct batch *batch, struct failure *reterr)
{
	struct fake_world *world = self;
	enum outcome outcome = OUTCOME_OK;

	ENTER(world, SEAM_BEGIN, reterr);
	if (world->calls[SEAM_BEGIN] == world->fence_at_begin)
		world->logs[batch->spans[0].input][batch->spans[0].partition].row_epoch++;
	for (size_t i = 0; i < batch->spans_count; i++) {
		const struct span *span = &batch->spans[i];
		if (world->logs[span->input][span->partition].row_epoch != span->epoch) {
			outcome = fail(reterr, OUTCOME_REWIND, "store.begin", "fenced");
			if (reterr)
				reterr->exit_code = EXIT_FENCED;
		}
	}
	if (outcome == OUTCOME_OK)
		world->open_batch[lane] = batch;
	return leave(world, SEAM_BEGIN, outcome, reterr);
}

static enum outcome store_lock(
	void *self, size_t lane, struct lane_work *work, const struct rules *rules, struct failure *reterr)
{
	struct fake_world *world = self;

	(void)lane;
	ENTER(world, SEAM_LOCK, reterr);
	for (size_t i = 0; world->locked_customer && i < work->accounts_count; i++) {
		const struct account *account = &work->accounts[i];
		if (account->is_read_only || !text_equal(account->key.customer_id, text_of(world->locked_customer)))
			continue;
		(void)leave(world, SEAM_LOCK, OUTCOME_OK, reterr);
		(void)fail(reterr, OUTCOME_RETRY, "store.lock", "lock time-out");
		reterr->may_be_customers = true;
		return OUTCOME_RETRY;
	}
	fake_rows_lock(world, work, rules);
	return leave(world, SEAM_LOCK, OUTCOME_OK, reterr);
}

static enum outcome store_list_parked(void *self, const struct input_partition *partitions, size_t count,
	void (*take)(void *context, struct text customer_id), void *context, struct failure *reterr)
{
	struct fake_world *world = self;

	(void)partitions, (void)count, (void)reterr;
	pthread_mutex_lock(&world->mutex);
	for (size_t i = 0; i < world->parked_count; i++)
		take(context, world->parked[i].customer_id);
	pthread_mutex_unlock(&world->mutex);
	return OUTCOME_OK;
}

static enum outcome store_limit_waits(void *self, size_t lane, int64_t lock_timeout, struct failure *reterr)
{
	(void)self, (void)lane, (void)lock_timeout, (void)reterr;
	return OUTCOME_OK;
}

static enum outcome store_find_parked(
	void *self, size_t lane, struct parked_record *records, size_t count, struct failure *reterr)
{
	struct fake_world *world = self;

	(void)lane, (void)reterr;
	pthread_mutex_lock(&world->mutex);
	fake_parked_find(world, records, count);
	pthread_mutex_unlock(&world->mutex);
	return OUTCOME_OK;
}

static enum outcome store_park(
	void *self, size_t lane, const struct parked_record *records, size_t count, struct failure *reterr)
{
	struct fake_world *world = self;
	enum outcome outcome = OUTCOME_OK;

	pthread_mutex_lock(&world->mutex);
	if (world->is_disk_full) {
		world->refused_parks_count++;
		outcome = fail(reterr, OUTCOME_RETRY, "store.park", "no space");
	}
	world->open_parked[lane] = records;
	world->open_parked_count[lane] = count;
	pthread_mutex_unlock(&world->mutex);
	return outcome;
}

static enum outcome store_look_up(void *self, size_t lane, struct lane_work *work, struct failure *reterr)
{
	struct fake_world *world = self;

	(void)lane;
	ENTER(world, SEAM_LOOK_UP, reterr);
	fake_rows_look_up(world, work);
	return leave(world, SEAM_LOOK_UP, OUTCOME_OK, reterr);
}

static enum outcome store_recall(void *self, size_t lane, struct lane_work *work, struct failure *reterr)
{
	struct fake_world *world = self;

	(void)lane;
	ENTER(world, SEAM_RECALL, reterr);
	fake_rows_recall(world, work);
	return leave(world, SEAM_RECALL, OUTCOME_OK, reterr);
}

static enum outcome store_settle(void *self, size_t lane, struct lane_work *work, struct failure *reterr)
{
	struct fake_world *world = self;

	ENTER(world, SEAM_SETTLE, reterr);
	world->open_work[lane] = work;
	return leave(world, SEAM_SETTLE, OUTCOME_OK, reterr);
}

static enum outcome store_commit(void *self, size_t lane, struct failure *reterr)
{
	struct fake_world *world = self;

	ENTER(world, SEAM_COMMIT, reterr);
	const struct batch *batch = world->open_batch[lane];
	assert(batch);
	for (size_t i = 0; i < batch->spans_count; i++) {
		struct fake_log *log = &world->logs[batch->spans[i].input][batch->spans[i].partition];
		if (log->recorded < batch->spans[i].end)
			log->recorded = batch->spans[i].end;
	}
	if (world->open_work[lane])
		fake_rows_write(world, world->open_work[lane]);
	fake_parked_write(world, world->open_parked[lane], world->open_parked_count[lane]);
	world->open_parked_count[lane] = 0;
	world->open_batch[lane] = NULL;
	world->open_work[lane] = NULL;
	return leave(world, SEAM_COMMIT, OUTCOME_OK, reterr);
}

static void store_abort(void *self, size_t lane)
{
	struct fake_world *world = self;

	pthread_mutex_lock(&world->mutex);
	world->open_batch[lane] = NULL;
	world->open_work[lane] = NULL;
	world->open_parked_count[lane] = 0;
	pthread_mutex_unlock(&world->mutex);
}

static void store_interrupt(void *self)
{
	(void)self;
}

/* ---- publish ---- */

static enum outcome publish_open(void *self, struct failure *reterr)
{
	struct fake_world *world = self;

	ENTER(world, SEAM_OPEN, reterr);
	return leave(world, SEAM_OPEN, OUTCOME_OK, reterr);
}

/* All that the real one reads, so that a sanitizer sees what was given back too early. */
static struct fake_output copy_message(struct arena *arena, const struct message *message)
{
	struct fake_output output = {
		.output = message->output,
		.partition_key = arena_copy(arena, message->partition_key),
		.key = arena_copy(arena, message->key),
		.value = arena_copy(arena, message->value),
		.headers = arena_alloc_array(arena, message->headers_count, sizeof *output.headers),
		.headers_count = message->headers_count,
	};
	for (size_t i = 0; i < message->headers_count; i++)
		output.headers[i] = (struct header){
			.name = arena_copy(arena, message->headers[i].name),
			.value = arena_copy(arena, message->headers[i].value),
		};
	return output;
}

static enum outcome publish_send(void *self, const struct batch *batch, struct failure *reterr)
{
	struct fake_world *world = self;

	for (size_t i = 0; i < batch->spans_count; i++) /* only this thread writes it */
		world->logs[batch->spans[i].input][batch->spans[i].partition].offered = batch->spans[i].end;
	ENTER(world, SEAM_SEND, reterr);
	if (world->calls[SEAM_SEND] == world->lose_send_at) {
		enum outcome lost = fail(reterr, OUTCOME_REWIND, "publish.send", "planted: not a member");
		pthread_mutex_unlock(&world->mutex);
		return lost;
	}
	for (size_t lane = 0; lane < batch->lanes_count; lane++) {
		const struct lane_work *work = &batch->lanes[lane];
		for (size_t i = 0; i < work->messages_count; i++) {
			assert(world->outputs_count < FAKE_OUTPUTS_MAX);
			world->outputs[world->outputs_count++] = copy_message(&world->arena, &work->messages[i]);
		}
	}
	for (size_t i = 0; i < batch->spans_count; i++) {
		struct fake_log *log = &world->logs[batch->spans[i].input][batch->spans[i].partition];
		assert(batch->spans[i].end > log->committed); /* offsets never go back */
		assert(batch->spans[i].end <= log->recorded); /* never before it is durable */
		log->committed = batch->spans[i].end;
		log->committed_is_start = false;
	}
	enum outcome outcome = OUTCOME_OK;
	if (world->calls[SEAM_SEND] == world->unsure_send_at)
		outcome = fail(reterr, OUTCOME_RETRY, "publish.send", "planted: no reply");
	return leave(world, SEAM_SEND, outcome, reterr);
}

static enum outcome publish_committed(
	void *self, const struct batch *batch, bool *ret_committed, struct failure *reterr)
{
	struct fake_world *world = self;
	enum outcome outcome = OUTCOME_OK;

	ENTER(world, SEAM_PUBLISH_COMMITTED, reterr);
	*ret_committed = true;
	for (size_t i = 0; i < batch->spans_count; i++) {
		const struct span *span = &batch->spans[i];
		int64_t committed = world->logs[span->input][span->partition].committed;
		if (committed != span->begin && committed != span->end)
			outcome = fail(reterr, OUTCOME_REWIND, "publish.committed", "neither begin nor end");
		*ret_committed = *ret_committed && committed == span->end;
	}
	return leave(world, SEAM_PUBLISH_COMMITTED, outcome, reterr);
}

static void nothing_to_close(void *self)
{
	(void)self;
}

/* ---- world ---- */

void fake_world_init(struct fake_world *world)
{
	memset(world, 0, sizeof *world);
	pthread_mutex_init(&world->mutex, NULL);
	sem_init(&world->woken, 0, 0);
	arena_init(&world->arena, 1 << 16);
	world->decoder = decoder_new();
	world->poll_records_max = 3;
	for (int input = 0; input < INPUT_COUNT; input++)
		for (int partition = 0; partition < FAKE_PARTITIONS; partition++)
			world->logs[input][partition].committed = -1;
	world->source = (struct source){
		.self = world,
		.poll = source_poll,
		.partitions = source_partitions,
		.partitions_count = source_partitions_count,
		.committed = source_committed,
		.commit_start = source_commit_start,
		.start = source_start,
		.reached = source_reached,
		.stop = source_stop,
		.wake = source_wake,
		.close = nothing_to_close,
	};
	world->store = (struct store){
		.self = world,
		.claim = store_claim,
		.create_positions = store_create_positions,
		.prepare = store_prepare,
		.list_parked = store_list_parked,
		.recall_range = store_recall_range,
		.begin = store_begin,
		.limit_waits = store_limit_waits,
		.find_parked = store_find_parked,
		.lock = store_lock,
		.look_up = store_look_up,
		.recall = store_recall,
		.settle = store_settle,
		.park = store_park,
		.commit = store_commit,
		.abort = store_abort,
		.interrupt = store_interrupt,
		.close = nothing_to_close,
	};
	world->publish = (struct publish){
		.self = world,
		.open = publish_open,
		.send = publish_send,
		.committed = publish_committed,
		.close = nothing_to_close,
	};
}

void fake_world_release(struct fake_world *world)
{
	arena_release(&world->arena);
	decoder_free(world->decoder);
	sem_destroy(&world->woken);
	pthread_mutex_destroy(&world->mutex);
}

void fake_append(
	struct fake_world *world, enum input input, const char *customer, int64_t timestamp_ms, const char *value)
{
	int32_t partition = hash_partition_murmur2(text_of(customer), FAKE_PARTITIONS);
	struct fake_log *log = &world->logs[input][partition];

	assert(log->log_end < FAKE_RECORDS_MAX);
	log->records[log->log_end++] = (struct fake_record){
		.timestamp = timestamp_ms * INSTANT_MILLISECOND,
		.value = arena_copy(&world->arena, text_of(value)),
	};
}

enum outcome fake_run_once(struct fake_world *world, const struct config *config, struct failure *reterr)
{
	/* What a kill leaves of the consumer and of open transactions: nothing. */
	world->is_assigned = world->is_revoking = false;
	world->must_signal_assigned = true;
	memset(world->open_batch, 0, sizeof world->open_batch);
	memset(world->open_work, 0, sizeof world->open_work);
	if (!world->stops_count)
		world->stops_count = 1;
	world->worker = worker_new(config, world->decoder, &world->source, &world->store, &world->publish);
	enum outcome outcome = worker_run(world->worker, reterr);
	worker_free(world->worker);
	world->worker = NULL;
	return outcome;
}

void fake_run(struct fake_world *world, const struct config *config)
{
	for (int tries = 0; tries < 4; tries++) {
		struct failure failure = {0};
		enum outcome outcome = fake_run_once(world, config, &failure);
		if (outcome == OUTCOME_OK && fake_is_done(world))
			return;
		world->stop_at_poll = 0;
		if (outcome == OUTCOME_FATAL && !world->fault_fired) {
			fprintf(stderr, "%s: %s\n", failure.where, failure.text);
			abort();
		}
	}
	fprintf(stderr, "not done after four workers\n");
	abort();
}

char *fake_read(const struct fake_world *world, enum output output, const char *key)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; i < world->outputs_count; i++) {
		const struct fake_output *message = &world->outputs[i];
		if (message->output == output && (!key || text_equal(message->key, text_of(key))))
			fprintf(out, "%.*s\n", TEXT_ARGS(message->value));
	}
	fclose(out);
	return text;
}
