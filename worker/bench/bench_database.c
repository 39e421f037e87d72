/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "sql_files.h"

#define FILL_SLICES 20

static const struct postgres_statement read_abilities = {
	"bench",
	"bench_abilities",
	sql_bench_abilities,
	{POSTGRES_BOOL, POSTGRES_BOOL, POSTGRES_BOOL, POSTGRES_BOOL, POSTGRES_INT4},
};
static const struct postgres_statement read_activity = {
	"bench.watch",
	"bench_activity",
	sql_bench_activity,
	{POSTGRES_INT4, POSTGRES_BOOL, POSTGRES_BOOL, POSTGRES_TEXT},
};
static const struct postgres_statement read_statements = {
	"bench.statements",
	"bench_statements",
	sql_bench_statements,
	{POSTGRES_TEXT, POSTGRES_INT8, POSTGRES_INT8, POSTGRES_INT8},
};
static const struct postgres_statement count_entries = {
	"bench.count",
	"bench_count",
	sql_bench_count,
	{POSTGRES_INT8},
};
static const struct postgres_statement read_latency = {
	"bench.latency",
	"bench_latency",
	sql_bench_latency,
	{POSTGRES_INT8, POSTGRES_INT8, POSTGRES_INT8, POSTGRES_INT8, POSTGRES_INT8},
};
static const struct postgres_statement fill_ledger = {
	"bench.fill",
	"bench_fill_ledger",
	sql_bench_fill_ledger,
	{0},
};
static const struct postgres_statement fill_receipts = {
	"bench.fill",
	"bench_fill_receipts",
	sql_bench_fill_receipts,
	{0},
};

/* A process of that number here is a PostgreSQL's: then the server is not elsewhere. */
static bool is_our_backend(int32_t pid)
{
	char path[64], name[32] = "";

	(void)snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	FILE *file = fopen(path, "re");
	bool is_read = file && fgets(name, sizeof name, file);
	if (file)
		(void)fclose(file);
	return is_read && strncmp(name, "postgres", 8) == 0;
}

enum outcome bench_database_open(struct bench *bench, struct failure *reterr)
{
	POSTGRES_RESULT result = NULL;
	enum outcome outcome = postgres_query(&bench->postgres, &read_abilities, NULL, &result, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	struct postgres_row row = {.result = result};
	bool may_create = postgres_get_bool(&row);
	bench->has_commit_times = postgres_get_bool(&row);
	bench->has_statements = postgres_get_bool(&row);
	bench->has_prewarm = postgres_get_bool(&row);
	bench->is_local = is_our_backend(postgres_get_int32(&row));
	if (may_create)
		return OUTCOME_OK;
	(void)fail(reterr, OUTCOME_FATAL, "bench", "the role of database.url may not create databases");
	fail_hint(reterr, "every measurement has a database of its own: alter role ... createdb, or another role");
	return OUTCOME_FATAL;
}

/* ---- while a run goes on ---- */

static struct bench_backend *find_backend(struct bench_watch *watch, int32_t pid)
{
	for (size_t i = 0; i < watch->backends_count; i++)
		if (watch->backends[i].pid == pid)
			return &watch->backends[i];
	return NULL;
}

static void note_backend(struct bench_watch *watch, int32_t pid, bool is_shared)
{
	double cpu = watch->bench->is_local ? bench_process_cpu(pid) : -1;
	struct bench_backend *backend = find_backend(watch, pid);

	if (!backend && watch->backends_count < BENCH_BACKENDS_MAX) {
		backend = &watch->backends[watch->backends_count++];
		*backend = (struct bench_backend){.pid = pid, .is_shared = is_shared, .first = cpu, .last = cpu};
	}
	if (backend && cpu > backend->last)
		backend->last = cpu;
}

static void note_wait(struct bench_run *run, struct text name)
{
	struct text shown = name.data ? name : TEXT_LITERAL("running");

	run->wait_samples++;
	for (size_t i = 0; i < run->waits_count; i++) {
		if (text_equal(text_of(run->waits[i].name), shown)) {
			run->waits[i].count++;
			return;
		}
	}
	if (run->waits_count == BENCH_WAITS_MAX)
		return;
	struct bench_wait *wait = &run->waits[run->waits_count++];
	(void)snprintf(wait->name, sizeof wait->name, "%.*s", TEXT_ARGS(shown));
	wait->count = 1;
}

enum outcome bench_database_look(struct bench_watch *watch, struct failure *reterr)
{
	struct postgres *postgres = &watch->bench->postgres;
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	arena_reset(&postgres->scratch);
	enum outcome outcome = postgres_connect(postgres, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	postgres_params_init(&params, postgres);
	postgres_put_text(postgres_add_value(&params), text_of(watch->site->database));
	outcome = postgres_query(postgres, &read_activity, &params, &result, reterr);
	for (int i = 0; outcome == OUTCOME_OK && i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		int32_t pid = postgres_get_int32(&row);
		bool is_shared = postgres_get_bool(&row);
		bool is_active = postgres_get_bool(&row);
		struct text wait = postgres_get_text(&row);
		note_backend(watch, pid, is_shared);
		if (is_active && !is_shared)
			note_wait(watch->run, wait);
	}
	return outcome;
}

/* ---- around a run ---- */

/* What a statement does, without comments and in one line. */
static void shorten(struct text query, char *text, size_t size)
{
	const char *at = query.data, *end = query.data + query.size;
	size_t count = 0;
	bool is_spaced = true;

	while (at < end && count + 1 < size) {
		if (at + 1 < end && at[0] == '-' && at[1] == '-') {
			while (at < end && *at != '\n')
				at++;
			continue;
		}
		bool is_space = *at == ' ' || *at == '\n' || *at == '\t';
		if (!is_space)
			text[count++] = *at;
		else if (!is_spaced)
			text[count++] = ' ';
		is_spaced = is_space;
		at++;
	}
	text[count] = '\0';
}

enum outcome bench_database_statements(
	struct bench *bench, const struct bench_site *site, struct bench_run *run, struct failure *reterr)
{
	struct postgres postgres;
	POSTGRES_RESULT result = NULL;

	if (!bench->has_statements)
		return OUTCOME_OK;
	enum outcome outcome = bench_site_connect(site, &postgres, reterr);
	if (outcome == OUTCOME_OK)
		outcome = postgres_query(&postgres, &read_statements, NULL, &result, reterr);
	for (int i = 0; outcome == OUTCOME_OK && i < PQntuples(result) && i < BENCH_STATEMENTS_MAX; i++) {
		struct bench_statement *statement = &run->statements[run->statements_count++];
		struct postgres_row row = {.result = result, .row = i};
		shorten(postgres_get_text(&row), statement->text, sizeof statement->text);
		statement->calls = postgres_get_int64(&row);
		statement->rows = postgres_get_int64(&row);
		statement->seconds = (double)postgres_get_int64(&row) / 1e6;
	}
	postgres_release(&postgres);
	return outcome;
}

enum outcome bench_database_count(
	const struct bench_site *site, const char *topic, int64_t *ret_entries, struct failure *reterr)
{
	struct postgres postgres;
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;
	enum outcome outcome = bench_site_connect(site, &postgres, reterr);

	postgres_params_init(&params, &postgres);
	postgres_put_text(postgres_add_value(&params), text_of(topic));
	if (outcome == OUTCOME_OK)
		outcome = postgres_query(&postgres, &count_entries, &params, &result, reterr);
	if (outcome == OUTCOME_OK) {
		struct postgres_row row = {.result = result};
		*ret_entries = postgres_get_int64(&row);
	}
	postgres_release(&postgres);
	return outcome;
}

static struct bench_percentiles get_percentiles(struct postgres_row *row)
{
	struct bench_percentiles percentiles = {.count = postgres_get_int64(row)};

	percentiles.p50 = (double)postgres_get_int64(row) / 1e3;
	percentiles.p99 = (double)postgres_get_int64(row) / 1e3;
	percentiles.p999 = (double)postgres_get_int64(row) / 1e3;
	percentiles.max = (double)postgres_get_int64(row) / 1e3;
	return percentiles;
}

enum outcome bench_database_latency(struct bench *bench, const struct bench_site *site, instant_t since,
	struct bench_latency *latency, struct failure *reterr)
{
	struct postgres postgres;
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	if (!bench->has_commit_times)
		return OUTCOME_OK;
	enum outcome outcome = bench_site_connect(site, &postgres, reterr);
	postgres_params_init(&params, &postgres);
	postgres_put_text(postgres_add_value(&params), text_of(site->config.input_topics[INPUT_USAGE]));
	postgres_put_instant(postgres_add_value(&params), since);
	if (outcome == OUTCOME_OK)
		outcome = postgres_query(&postgres, &read_latency, &params, &result, reterr);
	if (outcome == OUTCOME_OK) {
		struct postgres_row row = {.result = result};
		latency->postgres = get_percentiles(&row);
		latency->has_postgres = latency->postgres.count > 0;
	}
	postgres_release(&postgres);
	return outcome;
}

static enum outcome run_text(const struct bench_site *site, const char *name, const char *text, struct failure *reterr)
{
	struct postgres postgres;
	enum outcome outcome = bench_site_connect(site, &postgres, reterr);

	if (outcome == OUTCOME_OK)
		outcome = postgres_execute(&postgres, "bench", name, text, reterr);
	postgres_release(&postgres);
	return outcome;
}

enum outcome bench_database_prepare(
	struct bench *bench, const struct bench_site *site, bool is_warm, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	if (bench->has_statements)
		outcome = run_text(site, "statements", "create extension if not exists pg_stat_statements", reterr);
	/* A copy's pages are not yet in the server's memory, as those of accounts in use would be. */
	if (outcome == OUTCOME_OK && is_warm && bench->has_prewarm)
		outcome = run_text(site, "prewarm",
			"create extension if not exists pg_prewarm; select pg_prewarm('drawdown.account'), "
			"pg_prewarm('drawdown.account_pkey')",
			reterr);
	return outcome;
}

enum outcome bench_database_forget(struct bench *bench, const struct bench_site *site, struct failure *reterr)
{
	return bench->has_statements ? run_text(site, "bench_forget", sql_bench_forget, reterr) : OUTCOME_OK;
}

enum outcome bench_database_strip(const struct bench_site *site, struct failure *reterr)
{
	return run_text(site, "bench_strip", sql_bench_strip, reterr);
}

enum outcome bench_database_checkpoint(struct bench *bench, bool *ret_done, struct failure *reterr)
{
	enum outcome outcome = postgres_connect(&bench->postgres, reterr);

	if (outcome == OUTCOME_OK)
		outcome = postgres_execute(&bench->postgres, "bench", "checkpoint", "checkpoint", reterr);
	*ret_done = outcome == OUTCOME_OK;
	return strcmp(bench->postgres.sqlstate, "42501") == 0 ? OUTCOME_OK : outcome;
}

/* ---- bigger ledgers ---- */

/* A slice of customers, one table. */
struct filling {
	const struct bench_site *site;
	const struct postgres_statement *statement;
	int64_t first, last, from, to;
	enum outcome outcome;
	struct failure failure;
};

static void *fill_slice(void *argument)
{
	struct filling *filling = argument;
	struct postgres postgres;
	struct postgres_params params;

	filling->outcome = bench_site_connect(filling->site, &postgres, &filling->failure);
	postgres_params_init(&params, &postgres);
	postgres_put_int64(postgres_add_value(&params), filling->first);
	postgres_put_int64(postgres_add_value(&params), filling->last);
	postgres_put_int64(postgres_add_value(&params), filling->from);
	postgres_put_int64(postgres_add_value(&params), filling->to);
	if (filling->outcome == OUTCOME_OK)
		filling->outcome = postgres_query(&postgres, filling->statement, &params, NULL, &filling->failure);
	postgres_release(&postgres);
	return NULL;
}

/* Entries and receipts at the same time. */
static enum outcome fill_both(const struct filling *slice, struct failure *reterr)
{
	struct filling entries = *slice, receipts = *slice;
	pthread_t thread;

	entries.statement = &fill_ledger;
	receipts.statement = &fill_receipts;
	if (pthread_create(&thread, NULL, fill_slice, &entries) != 0)
		abort();
	(void)fill_slice(&receipts);
	(void)pthread_join(thread, NULL);
	if (entries.outcome != OUTCOME_OK)
		*reterr = entries.failure;
	else if (receipts.outcome != OUTCOME_OK)
		*reterr = receipts.failure;
	return entries.outcome != OUTCOME_OK ? entries.outcome : receipts.outcome;
}

enum outcome bench_database_fill(
	struct bench *bench, const struct bench_site *site, int64_t from, int64_t to, struct failure *reterr)
{
	int64_t customers = bench->settings.customers;
	struct progress progress;
	enum outcome outcome = OUTCOME_OK;

	outcome = run_text(site, "bench_drop_keys", sql_bench_drop_keys, reterr);
	progress_begin(&progress, "filling the ledger", (uint64_t)customers);
	for (int i = 0; i < FILL_SLICES && outcome == OUTCOME_OK; i++) {
		const struct filling slice = {
			.site = site,
			.first = customers * i / FILL_SLICES + 1,
			.last = customers * (i + 1) / FILL_SLICES,
			.from = from / customers,
			.to = to / customers,
		};
		outcome = bench_check(reterr);
		if (outcome == OUTCOME_OK)
			outcome = fill_both(&slice, reterr);
		progress_update(&progress, (uint64_t)slice.last, NULL);
	}
	progress_end(&progress);
	if (outcome == OUTCOME_OK)
		outcome = run_text(site, "bench_make_keys", sql_bench_make_keys, reterr);
	return outcome == OUTCOME_OK ? run_text(site, "vacuum", "vacuum (analyze)", reterr) : outcome;
}
