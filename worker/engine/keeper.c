/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "drawdown/deadline.h"
#include "drawdown/generations.h"
#include "drawdown/log.h"
#include "drawdown/metrics.h"
#include "drawdown/sweeper.h"
#include "sql_files.h"

#define LOOK_INTERVAL (INSTANT_SECOND / 2) /* whether there is anything to own by now */
#define SOON INSTANT_SECOND		   /* until the next pass where more was due than may be under way */
#define PAUSE_FIRST INSTANT_SECOND	   /* after a failure; doubles */
#define PAUSE_MAX (60 * INSTANT_SECOND)
#define STATEMENT_TIMEOUT (10 * INSTANT_SECOND)
#define LOCK_TIMEOUT (2 * INSTANT_SECOND)

static const struct postgres_statement find_due = {
	"keeper.sweep",
	"find_due",
	sql_find_due,
	{POSTGRES_TIMESTAMPTZ, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT},
};

/* Something that is done every so often. */
struct chore {
	int64_t interval;	 /* 0: never */
	int64_t next_at;	 /* monotonic */
	unsigned failures_count; /* in a row */
};

struct keeper {
	const struct config *config;
	struct ownership *ownership;
	char name[128]; /* of the connection */
	struct postgres postgres;
	struct keeper_kafka *kafka;
	struct sweeper *sweeper;
	struct generations generations;
	struct chore sweep, drop;

	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t stopped;
	bool is_stopped; /* guarded by mutex */
};

/* ---- chores ---- */

static enum outcome read_due(void *self, struct arena *arena, instant_t until, const struct due *after, size_t rows_max,
	struct due **ret_rows, size_t *ret_count, struct failure *reterr)
{
	struct keeper *keeper = self;
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	arena_reset(&keeper->postgres.scratch);
	postgres_params_init(&params, &keeper->postgres);
	postgres_put_instant(postgres_add_value(&params), until);
	postgres_put_instant(postgres_add_value(&params), after ? after->due_at : INSTANT_MIN);
	postgres_put_text(postgres_add_value(&params), after ? after->customer_id : TEXT_LITERAL(""));
	postgres_put_text(postgres_add_value(&params), after ? after->currency_id : TEXT_LITERAL(""));
	postgres_put_resource(postgres_add_value(&params), after ? after->resource_id : TEXT_NULL);
	postgres_put_int32(postgres_add_value(&params), (int32_t)rows_max);
	enum outcome outcome = postgres_query(&keeper->postgres, &find_due, &params, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	*ret_count = (size_t)PQntuples(result);
	*ret_rows = arena_alloc_array(arena, *ret_count + 1, sizeof **ret_rows);
	for (size_t i = 0; i < *ret_count; i++) {
		struct postgres_row row = {.result = result, .row = (int)i};
		struct due *due = &(*ret_rows)[i];
		due->due_at = postgres_get_instant(&row);
		due->customer_id = arena_copy(arena, postgres_get_text(&row));
		due->currency_id = arena_copy(arena, postgres_get_text(&row));
		due->resource_id = arena_copy(arena, postgres_get_resource(&row));
	}
	return OUTCOME_OK;
}

static bool is_stopped(struct keeper *keeper)
{
	pthread_mutex_lock(&keeper->mutex);
	bool stopped = keeper->is_stopped;
	pthread_mutex_unlock(&keeper->mutex);
	return stopped;
}

static enum outcome send_advance(void *self, const struct due *due, int32_t partition, struct failure *reterr)
{
	struct keeper *keeper = self;
	return keeper_kafka_send(keeper->kafka, due, partition, reterr);
}

static enum outcome flush_advances(void *self, struct failure *reterr)
{
	struct keeper *keeper = self;
	return keeper_kafka_flush(keeper->kafka, reterr);
}

static enum outcome sweep(struct keeper *keeper, bool *ret_more, struct failure *reterr)
{
	return sweeper_pass(keeper->sweeper, instant_now(), monotonic_now(), ret_more, reterr);
}

static enum outcome drop(struct keeper *keeper, bool *ret_more, struct failure *reterr)
{
	*ret_more = false;
	arena_reset(&keeper->postgres.scratch);
	return generations_round(&keeper->generations, reterr);
}

static int64_t pause_after(const struct chore *chore)
{
	int64_t pause = chore->failures_count < 7 ? PAUSE_FIRST << (chore->failures_count - 1) : PAUSE_MAX;
	return pause < PAUSE_MAX ? pause : PAUSE_MAX;
}

typedef enum outcome chore_function(struct keeper *keeper, bool *ret_more, struct failure *reterr);

static void do_when_due(struct keeper *keeper, struct chore *chore, chore_function *function)
{
	struct failure failure = {0};
	bool more = false;

	if (!chore->interval || monotonic_now() < chore->next_at || is_stopped(keeper))
		return;
	enum outcome outcome = postgres_connect(&keeper->postgres, &failure);
	if (outcome == OUTCOME_OK)
		outcome = function(keeper, &more, &failure);
	if (outcome == OUTCOME_OK) {
		chore->failures_count = 0;
		chore->next_at = monotonic_now() + (more && SOON < chore->interval ? SOON : chore->interval);
		return;
	}
	postgres_abort(&keeper->postgres);
	if (is_stopped(keeper))
		return;
	chore->failures_count++;
	chore->next_at = monotonic_now() + pause_after(chore);
	metrics_count(COUNTER_KEEPER_FAILURES, 1);
	log_failure(LOG_WARNING, &failure);
}

/* ---- the thread ---- */

static bool owns_anything(struct keeper *keeper)
{
	struct ownership *ownership = keeper->ownership;

	pthread_mutex_lock(&ownership->mutex);
	bool owns = ownership->now.count > 0;
	pthread_mutex_unlock(&ownership->mutex);
	return owns;
}

/* Until the next look, or the stop. False: stopped. */
static bool wait(struct keeper *keeper)
{
	const struct timespec until = deadline_in(LOOK_INTERVAL);

	pthread_mutex_lock(&keeper->mutex);
	while (!keeper->is_stopped && pthread_cond_timedwait(&keeper->stopped, &keeper->mutex, &until) != ETIMEDOUT)
		;
	bool go_on = !keeper->is_stopped;
	pthread_mutex_unlock(&keeper->mutex);
	return go_on;
}

static void *run(void *argument)
{
	struct keeper *keeper = argument;

	while (wait(keeper)) {
		if (!owns_anything(keeper)) {
			metrics_set_due_age(0);
			continue;
		}
		do_when_due(keeper, &keeper->sweep, sweep);
		do_when_due(keeper, &keeper->drop, drop);
	}
	return NULL;
}

static void init_connection(struct keeper *keeper)
{
	const struct config *config = keeper->config;
	int64_t statement_timeout = config->database_statement_timeout;

	(void)snprintf(keeper->name, sizeof keeper->name, "drawdown:%s keeper", config->replica_id);
	const struct postgres_settings settings = {
		.url = config->database_url,
		.application_name = keeper->name,
		.lock_timeout = LOCK_TIMEOUT,
		.statement_timeout = statement_timeout < STATEMENT_TIMEOUT ? statement_timeout : STATEMENT_TIMEOUT,
		.idle_timeout = config->database_idle_timeout,
	};
	postgres_init(&keeper->postgres, &settings);
}

struct keeper *keeper_new(const struct config *config, struct ownership *ownership)
{

	if (!config->sweep_interval && !config->drop_interval)
		return NULL;
	struct keeper *keeper = calloc(1, sizeof *keeper);
	if (!keeper)
		abort();
	keeper->config = config;
	keeper->ownership = ownership;
	keeper->sweep.interval = config->sweep_interval;
	keeper->drop.interval = config->drop_interval;
	init_connection(keeper);
	keeper->kafka = keeper_kafka_new(config);
	const struct sweeper_seam seam = {
		.self = keeper, .read = read_due, .send = send_advance, .flush = flush_advances};
	keeper->sweeper = sweeper_new(config, &seam, ownership);
	generations_init(&keeper->generations, config, &keeper->postgres, keeper->kafka, ownership);
	pthread_mutex_init(&keeper->mutex, NULL);
	deadline_condition_init(&keeper->stopped);
	if (pthread_create(&keeper->thread, NULL, run, keeper) != 0)
		abort();
	return keeper;
}

bool keeper_free(struct keeper *keeper, int64_t timeout)
{
	if (!keeper)
		return true;
	pthread_mutex_lock(&keeper->mutex);
	keeper->is_stopped = true;
	pthread_cond_broadcast(&keeper->stopped);
	pthread_mutex_unlock(&keeper->mutex);
	keeper_kafka_stop(keeper->kafka);
	postgres_interrupt(&keeper->postgres);

	const struct timespec deadline = deadline_in(timeout);
	if (!deadline_join(keeper->thread, &deadline))
		return false;
	sweeper_free(keeper->sweeper);
	keeper_kafka_free(keeper->kafka);
	postgres_release(&keeper->postgres);
	pthread_cond_destroy(&keeper->stopped);
	pthread_mutex_destroy(&keeper->mutex);
	free(keeper);
	return true;
}
