/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/generations.h"

#include "drawdown/log.h"
#include "drawdown/metrics.h"
#include "sql_files.h"

#define LOCK_WAIT_FIRST (100 * INSTANT_MILLISECOND) /* lanes queue up behind it so long */
#define LOCK_WAIT_MAX (2 * INSTANT_SECOND)	    /* and less than lanes would wait */

static const struct postgres_statement read_newest_log_time = {
	"keeper.log_time",
	"read_newest_log_time",
	sql_read_newest_log_time,
	{POSTGRES_TIMESTAMPTZ},
};
static const struct postgres_statement move_log_times = {
	"keeper.log_time",
	"move_log_times",
	sql_move_log_times,
	{0},
};
static const struct postgres_statement move_receipts_from = {
	"keeper.drop",
	"move_receipts_from",
	sql_move_receipts_from,
	{POSTGRES_TIMESTAMPTZ, POSTGRES_BOOL},
};
static const struct postgres_statement read_horizon = {
	"keeper.drop",
	"read_horizon",
	sql_read_horizon,
	{POSTGRES_INT8},
};
static const struct postgres_statement drop_generations = {
	"keeper.drop",
	"drop_generations",
	sql_drop_generations,
	{POSTGRES_TEXT},
};

void generations_init(struct generations *generations, const struct config *config, struct postgres *postgres,
	struct keeper_kafka *kafka, struct ownership *ownership)
{
	*generations = (struct generations){
		.config = config,
		.postgres = postgres,
		.kafka = kafka,
		.ownership = ownership,
		.lock_wait = LOCK_WAIT_FIRST,
	};
}

static void add_topics(const struct generations *generations, struct postgres_params *params)
{
	struct postgres_bytes *topics = postgres_add_array(params, POSTGRES_TEXT, INPUT_COUNT);

	for (size_t i = 0; i < INPUT_COUNT; i++)
		postgres_put_text(topics, text_of(generations->config->input_topics[i]));
}

/* ---- log time ---- */

/* A timestamp of a producer's own may lie in any year: time that has not come has not passed. The clock is a bound
 * only, which keeps receipts longer. */
static instant_t not_ahead(instant_t time)
{
	instant_t now = instant_now();
	return time < now ? time : now;
}

static enum outcome read_newest(struct generations *generations, instant_t *ret_newest, struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, generations->postgres);
	add_topics(generations, &params);
	enum outcome outcome = postgres_query(generations->postgres, &read_newest_log_time, &params, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	struct postgres_row row = {.result = result};
	*ret_newest = not_ahead(postgres_get_instant(&row));
	return OUTCOME_OK;
}

/* Partitions of which all is handled that Kafka has now: what comes later is not older than `newest`, which was
 * handled before we asked. */
static enum outcome count_idle_as_newest(struct generations *generations, instant_t newest, struct failure *reterr)
{
	struct ownership_view *view = &generations->view;
	struct owned_partition asked[BATCH_SPANS_MAX];
	int64_t ends[BATCH_SPANS_MAX];
	size_t from[BATCH_SPANS_MAX], count = 0;

	for (size_t i = 0; i < view->count; i++) {
		if (view->partitions[i].handled_offset < 0 || view->partitions[i].handled_time >= newest)
			continue;
		from[count] = i;
		asked[count++] = view->partitions[i];
	}
	if (count == 0)
		return OUTCOME_OK;
	enum outcome outcome = keeper_kafka_ends(generations->kafka, asked, count, ends, reterr);
	for (size_t i = 0; i < count && outcome == OUTCOME_OK; i++)
		if (ends[i] >= 0 && asked[i].handled_offset >= ends[i])
			view->partitions[from[i]].handled_time = newest;
	return outcome;
}

static enum outcome write_log_times(struct generations *generations, struct failure *reterr)
{
	const struct ownership_view *view = &generations->view;
	const struct owned_partition *known[BATCH_SPANS_MAX];
	struct postgres_params params;
	size_t count = 0;

	for (size_t i = 0; i < view->count; i++)
		if (view->partitions[i].handled_time != INSTANT_NONE)
			known[count++] = &view->partitions[i];
	if (count == 0)
		return OUTCOME_OK;
	postgres_params_init(&params, generations->postgres);
	struct postgres_bytes *topic = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *partition = postgres_add_array(&params, POSTGRES_INT4, count);
	struct postgres_bytes *epoch = postgres_add_array(&params, POSTGRES_INT8, count);
	struct postgres_bytes *time = postgres_add_array(&params, POSTGRES_TIMESTAMPTZ, count);
	for (size_t i = 0; i < count; i++) {
		postgres_put_text(topic, text_of(generations->config->input_topics[known[i]->input]));
		postgres_put_int32(partition, known[i]->partition);
		postgres_put_int64(epoch, known[i]->epoch);
		postgres_put_instant(time, not_ahead(known[i]->handled_time));
	}
	return postgres_query(generations->postgres, &move_log_times, &params, NULL, reterr);
}

static enum outcome note_log_times(struct generations *generations, struct failure *reterr)
{
	instant_t newest;
	enum outcome outcome = read_newest(generations, &newest, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	ownership_copy(generations->ownership, &generations->view); /* after `newest` was read */
	outcome = count_idle_as_newest(generations, newest, reterr);
	if (outcome == OUTCOME_OK)
		outcome = write_log_times(generations, reterr);
	return outcome;
}

/* ---- the drop ---- */

static enum outcome move_from(struct generations *generations, bool *ret_may_drop, struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, generations->postgres);
	add_topics(generations, &params);
	postgres_put_int32(postgres_add_value(&params), generations->view.partitions_count);
	postgres_put_int64(postgres_add_value(&params), generations->config->rules.dedupe_window);
	enum outcome outcome = postgres_query(generations->postgres, &move_receipts_from, &params, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	struct postgres_row row = {.result = result};
	instant_t moved_to = PQntuples(result) == 1 ? postgres_get_instant(&row) : INSTANT_NONE;
	*ret_may_drop = moved_to != INSTANT_NONE && postgres_get_bool(&row);
	if (!*ret_may_drop || moved_to != generations->ended_by)
		generations->horizon = 0;
	generations->ended_by = moved_to;
	return OUTCOME_OK;
}

static enum outcome ask_horizon(struct generations *generations, struct failure *reterr)
{
	POSTGRES_RESULT result = NULL;
	enum outcome outcome = postgres_query(generations->postgres, &read_horizon, NULL, &result, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	struct postgres_row row = {.result = result};
	generations->horizon = postgres_get_int64(&row);
	return OUTCOME_OK;
}

static void wait_longer(struct generations *generations)
{
	int64_t lanes_wait = generations->config->database_lock_timeout;
	int64_t wait_max = lanes_wait / 2 < LOCK_WAIT_MAX ? lanes_wait / 2 : LOCK_WAIT_MAX;

	generations->lock_wait = 2 * generations->lock_wait < wait_max ? 2 * generations->lock_wait : wait_max;
}

static enum outcome drop(struct generations *generations, struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, generations->postgres);
	postgres_put_instant(postgres_add_value(&params), generations->ended_by);
	postgres_put_int64(postgres_add_value(&params), generations->horizon);
	postgres_put_int64(postgres_add_value(&params), generations->lock_wait);
	enum outcome outcome = postgres_query(generations->postgres, &drop_generations, &params, &result, reterr);
	if (outcome != OUTCOME_OK) {
		wait_longer(generations);
		return outcome;
	}
	for (int i = 0; i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		struct text name = postgres_get_text(&row);
		log_line(LOG_INFO, "keeper.drop",
			"dropped %.*s, a generation of receipts: every input partition is a dedupe.window past its end",
			TEXT_ARGS(name));
	}
	metrics_count(COUNTER_GENERATIONS_DROPPED, (uint64_t)PQntuples(result));
	if (PQntuples(result))
		generations->lock_wait = LOCK_WAIT_FIRST;
	return OUTCOME_OK;
}

enum outcome generations_round(struct generations *generations, struct failure *reterr)
{
	bool may_drop = false;
	enum outcome outcome = note_log_times(generations, reterr);

	if (outcome == OUTCOME_OK && generations->view.count)
		outcome = move_from(generations, &may_drop, reterr);
	if (outcome != OUTCOME_OK || !may_drop)
		return outcome;
	if (!generations->horizon)
		outcome = ask_horizon(generations, reterr);
	return outcome == OUTCOME_OK ? drop(generations, reterr) : outcome;
}
