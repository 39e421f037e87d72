/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "drawdown/log.h"
#include "drawdown/store_parts.h"
#include "sql_files.h"

#define CLAIM_ATTEMPTS_MAX 4

static const struct postgres_statement lock_positions = {
	"store.claim",
	"lock_positions",
	sql_lock_positions,
	{POSTGRES_INT8, POSTGRES_INT4, POSTGRES_INT8, POSTGRES_INT8},
};
static const struct postgres_statement raise_positions = {
	"store.claim",
	"raise_positions",
	sql_raise_positions,
	{0},
};
static const struct postgres_statement end_holders = {
	"store.claim",
	"end_holders",
	sql_end_holders,
	{POSTGRES_INT4, POSTGRES_TEXT, POSTGRES_BOOL},
};
static const struct postgres_statement create_positions = {
	"store.create_positions",
	"create_positions",
	sql_create_positions,
	{0},
};
static const struct postgres_statement move_positions = {
	"store.begin",
	"move_positions",
	sql_move_positions,
	{POSTGRES_INT8},
};

/* Topics and partitions, the first two parameters of all these statements. */
static void add_partitions(const struct store_postgres *store, struct postgres_params *params,
	const struct input_partition *partitions, size_t count)
{
	struct postgres_bytes *topic = postgres_add_array(params, POSTGRES_TEXT, count);
	struct postgres_bytes *number = postgres_add_array(params, POSTGRES_INT4, count);

	for (size_t i = 0; i < count; i++) {
		postgres_put_text(topic, text_of(store->config->input_topics[partitions[i].input]));
		postgres_put_int32(number, partitions[i].partition);
	}
}

/* Fills has_row, and the highest epoch and position of all lanes. */
static enum outcome lock_rows(struct store_postgres *store, struct input_partition *partitions, size_t count,
	int32_t *ret_lanes_count, int *ret_rows_count, struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	for (size_t i = 0; i < count; i++) {
		partitions[i].has_row = false;
		partitions[i].epoch = 0;
		partitions[i].recorded = 0;
	}
	postgres_params_init(&params, &store->loop);
	add_partitions(store, &params, partitions, count);
	enum outcome outcome = postgres_query(&store->loop, &lock_positions, &params, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	*ret_rows_count = PQntuples(result);
	for (int i = 0; i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		struct input_partition *partition = &partitions[postgres_get_int64(&row) - 1];
		int32_t lane = postgres_get_int32(&row);
		int64_t epoch = postgres_get_int64(&row);
		int64_t recorded = postgres_get_int64(&row);

		if (lane >= *ret_lanes_count)
			*ret_lanes_count = lane + 1;
		partition->has_row = true;
		if (epoch > partition->epoch)
			partition->epoch = epoch;
		if (recorded > partition->recorded)
			partition->recorded = recorded;
	}
	return OUTCOME_OK;
}

/* A statement that waited for another claim does not see the lanes' rows that it made: only one that sees no
 * more than the one before has them all. */
static enum outcome lock_all_rows(struct store_postgres *store, struct input_partition *partitions, size_t count,
	int32_t *ret_lanes_count, struct failure *reterr)
{
	int rows_count = -1, rows_before;
	enum outcome outcome;

	do {
		rows_before = rows_count;
		outcome = lock_rows(store, partitions, count, ret_lanes_count, &rows_count, reterr);
	} while (outcome == OUTCOME_OK && rows_count != rows_before);
	return outcome;
}

/* The rows are locked: every lane of a predecessor has committed, or will find another epoch. */
static enum outcome raise_epochs(
	struct store_postgres *store, struct input_partition *partitions, size_t count, struct failure *reterr)
{
	struct input_partition owned[BATCH_SPANS_MAX];
	struct postgres_params params;
	int32_t lanes_count = (int32_t)store->lanes_count;
	size_t owned_count = 0;

	enum outcome outcome = lock_all_rows(store, partitions, count, &lanes_count, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	for (size_t i = 0; i < count; i++) {
		if (!partitions[i].has_row)
			continue;
		partitions[i].epoch++;
		owned[owned_count++] = partitions[i];
	}
	if (owned_count == 0)
		return OUTCOME_OK;
	postgres_params_init(&params, &store->loop);
	add_partitions(store, &params, owned, owned_count);
	struct postgres_bytes *epoch = postgres_add_array(&params, POSTGRES_INT8, owned_count);
	struct postgres_bytes *recorded = postgres_add_array(&params, POSTGRES_INT8, owned_count);
	for (size_t i = 0; i < owned_count; i++) {
		postgres_put_int64(epoch, owned[i].epoch);
		postgres_put_int64(recorded, owned[i].recorded);
	}
	postgres_put_int32(postgres_add_value(&params), lanes_count);
	return postgres_query(&store->loop, &raise_positions, &params, NULL, reterr);
}

static enum outcome insert_rows(
	struct store_postgres *store, const struct input_partition *partitions, size_t count, struct failure *reterr)
{
	struct postgres_params params;

	postgres_params_init(&params, &store->loop);
	add_partitions(store, &params, partitions, count);
	struct postgres_bytes *recorded = postgres_add_array(&params, POSTGRES_INT8, count);
	for (size_t i = 0; i < count; i++)
		postgres_put_int64(recorded, partitions[i].position);
	return postgres_query(&store->loop, &create_positions, &params, NULL, reterr);
}

/* One transaction: make rows where that is asked for, then take all partitions over. */
static enum outcome take_over(struct store_postgres *store, struct input_partition *partitions, size_t count,
	bool creates, struct failure *reterr)
{
	arena_reset(&store->loop.scratch);
	enum outcome outcome = postgres_connect(&store->loop, reterr);
	if (outcome == OUTCOME_OK)
		outcome = postgres_execute(
			&store->loop, "store.claim", "begin", "begin isolation level read committed", reterr);
	if (outcome == OUTCOME_OK && creates)
		outcome = insert_rows(store, partitions, count, reterr);
	if (outcome == OUTCOME_OK)
		outcome = raise_epochs(store, partitions, count, reterr);
	if (outcome == OUTCOME_OK)
		outcome = postgres_execute(&store->loop, "store.claim", "commit", "commit", reterr);
	if (outcome != OUTCOME_OK)
		postgres_abort(&store->loop);
	return outcome;
}

/* A stopped predecessor keeps its locks until its session ends; no time-out of the server reaches one that
 * waits for its client inside a COPY. */
static void end_predecessors(struct store_postgres *store, const struct input_partition *partitions, size_t count)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;
	struct failure failure = {0};

	postgres_params_init(&params, &store->loop);
	add_partitions(store, &params, partitions, count);
	if (postgres_connect(&store->loop, &failure) != OUTCOME_OK ||
		postgres_query(&store->loop, &end_holders, &params, &result, &failure) != OUTCOME_OK) {
		log_failure(LOG_WARNING, &failure);
		return;
	}
	for (int i = 0; i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		int32_t pid = postgres_get_int32(&row);
		struct text name = postgres_get_text(&row);
		bool ended = postgres_get_bool(&row);
		log_line(LOG_WARNING, "store.claim", "%s database session %d (%.*s): it kept our partitions locked",
			ended ? "ended" : "could not end", (int)pid, TEXT_ARGS(name));
	}
	if (PQntuples(result) == 0)
		log_line(LOG_WARNING, "store.claim", "partitions stay locked, by no session of our own role");
}

static enum outcome take_over_stubbornly(struct store_postgres *store, struct input_partition *partitions, size_t count,
	bool creates, struct failure *reterr)
{
	enum outcome outcome;

	for (int attempt = 1;; attempt++) {
		outcome = take_over(store, partitions, count, creates, reterr);
		if (outcome != OUTCOME_RETRY || attempt == CLAIM_ATTEMPTS_MAX)
			return outcome;
		if (strcmp(store->loop.sqlstate, "55P03") == 0)
			end_predecessors(store, partitions, count);
	}
}

enum outcome store_claim(void *self, struct input_partition *partitions, size_t count, struct failure *reterr)
{
	return take_over_stubbornly(self, partitions, count, false, reterr);
}

enum outcome store_create_positions(
	void *self, struct input_partition *partitions, size_t count, struct failure *reterr)
{
	return take_over_stubbornly(self, partitions, count, true, reterr);
}

/* By topic and partition; *first is the input whose topic's name comes first. */
static int compare_spans(const void *a, const void *b, void *first)
{
	const struct span *a_span = *(const struct span *const *)a, *b_span = *(const struct span *const *)b;
	if (a_span->input != b_span->input)
		return a_span->input == *(enum input *)first ? -1 : 1;
	return (a_span->partition > b_span->partition) - (a_span->partition < b_span->partition);
}

static enum outcome fail_fenced(const struct store_postgres *store, const struct span *const *spans, size_t count,
	const PGresult *result, struct failure *reterr)
{
	bool moved[BATCH_SPANS_MAX] = {false};
	size_t first = 0;

	for (int i = 0; i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		moved[postgres_get_int64(&row) - 1] = true;
	}
	while (moved[first])
		first++;
	assert(first < count);
	(void)fail(reterr, OUTCOME_REWIND, move_positions.where,
		"%s [%d] belongs to another worker now (our epoch is %lld; %zu of %zu partitions are lost)",
		store->config->input_topics[spans[first]->input], (int)spans[first]->partition,
		(long long)spans[first]->epoch, count - (size_t)PQntuples(result), count);
	if (reterr)
		reterr->exit_code = EXIT_FENCED;
	return OUTCOME_REWIND;
}

/* In the order in which a claim locks them. */
static enum outcome move_lane(
	struct store_postgres *store, size_t lane, const struct batch *batch, struct failure *reterr)
{
	char *const *topics = store->config->input_topics;
	enum input first = strcmp(topics[INPUT_USAGE], topics[INPUT_COMMANDS]) < 0 ? INPUT_USAGE : INPUT_COMMANDS;
	const struct span *spans[BATCH_SPANS_MAX];
	size_t count = batch->spans_count;
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	for (size_t i = 0; i < count; i++)
		spans[i] = &batch->spans[i];
	qsort_r(spans, count, sizeof *spans, compare_spans, &first);

	postgres_params_init(&params, &store->lanes[lane]);
	struct postgres_bytes *topic = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *partition = postgres_add_array(&params, POSTGRES_INT4, count);
	struct postgres_bytes *epoch = postgres_add_array(&params, POSTGRES_INT8, count);
	struct postgres_bytes *recorded = postgres_add_array(&params, POSTGRES_INT8, count);
	for (size_t i = 0; i < count; i++) {
		postgres_put_text(topic, text_of(topics[spans[i]->input]));
		postgres_put_int32(partition, spans[i]->partition);
		postgres_put_int64(epoch, spans[i]->epoch);
		postgres_put_int64(recorded, spans[i]->end);
	}
	postgres_put_int32(postgres_add_value(&params), (int32_t)lane);
	enum outcome outcome = postgres_query(&store->lanes[lane], &move_positions, &params, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	if ((size_t)PQntuples(result) != count)
		return fail_fenced(store, spans, count, result, reterr);
	return OUTCOME_OK;
}

enum outcome store_begin(void *self, size_t lane, const struct batch *batch, struct failure *reterr)
{
	struct store_postgres *store = self;
	struct postgres *postgres = &store->lanes[lane];

	assert(lane < store->lanes_count);
	arena_reset(&postgres->scratch);
	enum outcome outcome = postgres_connect(postgres, reterr);
	if (outcome == OUTCOME_OK)
		outcome = postgres_execute(
			postgres, "store.begin", "begin", "begin isolation level read committed", reterr);
	if (outcome == OUTCOME_OK)
		outcome = move_lane(store, lane, batch, reterr);
	return outcome;
}
