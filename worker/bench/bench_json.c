/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "bench.h"
#include "drawdown/json_print.h"

static void put_number(struct json_printer *json, const char *name, double value, int digits)
{
	char text[64];

	(void)snprintf(text, sizeof text, "%.*f", digits, value);
	json_raw(json, name, text_of(text));
}

/* null: not measured. */
static void put_rate(struct json_printer *json, const char *name, double rate)
{
	if (rate > 0)
		put_number(json, name, rate, 0);
	else
		json_raw(json, name, TEXT_NULL);
}

static void put_spread(struct json_printer *json, const char *name, struct bench_spread spread)
{
	if (spread.count == 0)
		return;
	json_begin(json, name, '{');
	json_integer(json, "runs", (int64_t)spread.count);
	put_number(json, "min", spread.min, 0);
	put_number(json, "median", spread.median, 0);
	put_number(json, "max", spread.max, 0);
	json_end(json, '}');
}

static void put_percentiles(struct json_printer *json, const struct bench_percentiles *percentiles)
{
	json_integer(json, "count", percentiles->count);
	put_number(json, "p50", percentiles->p50, 3);
	put_number(json, "p99", percentiles->p99, 3);
	put_number(json, "p999", percentiles->p999, 3);
	put_number(json, "max", percentiles->max, 3);
}

static void put_metrics(struct json_printer *json, const struct bench_metrics *metrics)
{
	json_begin(json, "inputs", '{');
	for (int kind = RESULT_APPLIED; kind < RESULT_KIND_COUNT; kind++)
		json_integer(json, result_kind_name((enum result_kind)kind), (int64_t)metrics->inputs[kind]);
	json_end(json, '}');
	json_integer(json, "batches", (int64_t)metrics->batches);
	json_integer(json, "lane_retries", (int64_t)metrics->retries);
	json_integer(json, "rewinds", (int64_t)metrics->rewinds);
	json_begin(json, "stage_seconds", '{');
	for (int stage = 0; stage < STAGE_COUNT; stage++)
		put_number(json, metrics_stage_name((enum stage)stage), metrics->stage_seconds[stage], 6);
	json_end(json, '}');
}

static void put_latencies(struct json_printer *json, const struct bench *bench)
{
	char name[16];

	json_begin(json, "latency_ms", '{');
	for (size_t i = 0; i < bench->latencies_count; i++) {
		const struct bench_latency *latency = &bench->latencies[i];
		(void)snprintf(name, sizeof name, "%.0f", latency->share * 100);
		json_begin(json, name, '{');
		put_percentiles(json, &latency->ledger);
		if (latency->has_postgres) {
			json_begin(json, "postgres", '{');
			put_percentiles(json, &latency->postgres);
			json_end(json, '}');
		}
		put_number(json, "rate_per_s", latency->rate, 0);
		put_number(json, "sent_per_s", latency->achieved, 0);
		json_integer(json, "sent", latency->sent);
		json_integer(json, "sent_late", latency->late);
		put_number(json, "sent_late_max", latency->late_max, 3);
		put_metrics(json, &latency->metrics);
		json_end(json, '}');
	}
	json_end(json, '}');
}

static void put_headline(struct json_printer *json, const struct bench *bench)
{
	put_rate(json, "throughput_per_s", bench_spread_of(bench, "throughput", NULL).median);
	put_rate(json, "floor_per_s", bench_spread_of(bench, "floor", NULL).median);
	put_rate(json, "baseline_per_event_per_s", bench_spread_of(bench, "per-event", NULL).median);
	put_rate(json, "baseline_batched_per_s", bench_spread_of(bench, "batched", NULL).median);
	put_latencies(json, bench);
	if (bench->transaction.count)
		put_number(json, "bare_transaction_ms", bench->transaction.p50, 3);
	else
		json_raw(json, "bare_transaction_ms", TEXT_NULL);
	json_integer(json, "rss_max_bytes", bench_rss_max(bench));
	if (bench_cpu_us(bench) > 0)
		put_number(json, "cpu_us_per_event", bench_cpu_us(bench), 3);
	else
		json_raw(json, "cpu_us_per_event", TEXT_NULL);
}

static void put_spreads(struct json_printer *json, const struct bench *bench)
{
	static const char *const parts[] = {"throughput", "floor", "per-event", "batched"};

	json_begin(json, "spread_per_s", '{');
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		put_spread(json, parts[i], bench_spread_of(bench, parts[i], NULL));
	json_end(json, '}');
	json_begin(json, "shapes_per_s", '{');
	for (size_t i = 0; i < bench->runs_count; i++)
		if (bench->runs[i].shape && bench->runs[i].repetition == 0)
			put_spread(json, bench->runs[i].shape,
				bench_spread_of(bench, bench->runs[i].part, bench->runs[i].shape));
	json_end(json, '}');
}

static void put_transaction(struct json_printer *json, const struct bench *bench)
{
	if (bench->transaction.count == 0)
		return;
	json_begin(json, "bare_transaction", '{');
	put_percentiles(json, &bench->transaction);
	json_end(json, '}');
}

static void put_memory(struct json_printer *json, const struct bench_memory *memory)
{
	if (memory->events == 0)
		return;
	json_begin(json, "memory", '{');
	json_integer(json, "events", memory->events);
	json_integer(json, "rss_max_bytes", memory->rss_max);
	json_integer(json, "rss_behind_bytes", memory->rss_behind);
	json_integer(json, "rss_idle_bytes", memory->rss_idle);
	json_end(json, '}');
}

static void put_goals(struct json_printer *json, const struct bench *bench)
{
	struct bench_goal goals[BENCH_GOALS_MAX];
	size_t count = bench_goals(bench, goals);

	json_begin(json, "goals", '[');
	for (size_t i = 0; i < count; i++) {
		json_begin(json, NULL, '{');
		json_text(json, "goal", text_of(goals[i].name + strspn(goals[i].name, " ")));
		json_text(json, "bound", goals[i].is_upper ? TEXT_LITERAL("at most") : TEXT_LITERAL("at least"));
		put_number(json, "wanted", goals[i].goal, 3);
		json_text(json, "unit", text_of(goals[i].unit));
		if (goals[i].is_measured) {
			put_number(json, "measured", goals[i].measured, 3);
			json_boolean(json, "met", goals[i].is_met);
		} else {
			json_raw(json, "measured", TEXT_NULL);
			json_raw(json, "met", TEXT_NULL);
		}
		json_end(json, '}');
	}
	json_end(json, ']');
}

/* ---- runs ---- */

static void put_database(struct json_printer *json, const struct bench_run *run)
{
	json_begin(json, "statements", '[');
	for (size_t i = 0; i < run->statements_count; i++) {
		const struct bench_statement *statement = &run->statements[i];
		json_begin(json, NULL, '{');
		json_text(json, "statement", text_of(statement->text));
		json_integer(json, "calls", statement->calls);
		json_integer(json, "rows", statement->rows);
		put_number(json, "seconds", statement->seconds, 6);
		json_end(json, '}');
	}
	json_end(json, ']');
	json_begin(json, "wait_samples", '{');
	for (size_t i = 0; i < run->waits_count; i++)
		json_integer(json, run->waits[i].name, run->waits[i].count);
	json_end(json, '}');
}

static void put_series(struct json_printer *json, const struct bench_run *run)
{
	json_begin(json, "series", '[');
	for (size_t i = 0; i < run->points_count; i++) {
		json_begin(json, NULL, '[');
		put_number(json, NULL, run->points[i].seconds, 3);
		json_integer(json, NULL, run->points[i].events);
		json_end(json, ']');
	}
	json_end(json, ']');
}

static void put_run(struct json_printer *json, const struct bench_run *run)
{
	double events = (double)run->events;

	json_begin(json, NULL, '{');
	json_text(json, "part", text_of(run->part));
	json_text(json, "shape", text_of(run->shape));
	json_integer(json, "repetition", run->repetition + 1);
	json_integer(json, "processes", run->replicas);
	json_integer(json, "events", run->events);
	json_integer(json, "entries", run->entries);
	put_number(json, "startup_seconds", run->startup, 3);
	put_number(json, "seconds", run->seconds, 3);
	put_number(json, "per_s", run->per_s, 0);
	put_number(json, "cpu_us_per_event", run->cpu * 1e6 / events, 3);
	if (run->cpu_postgres >= 0)
		put_number(json, "postgresql_cpu_us_per_event", run->cpu_postgres * 1e6 / events, 3);
	put_number(json, "machine_cpu_us_per_event", run->cpu_machine * 1e6 / events, 3);
	json_integer(json, "rss_max_bytes", run->rss_max);
	if (run->metrics.batches > 0)
		put_metrics(json, &run->metrics);
	put_database(json, run);
	put_series(json, run);
	json_end(json, '}');
}

static void put_load(struct json_printer *json, const struct bench *bench)
{
	const struct bench_settings *settings = &bench->settings;

	json_begin(json, "load", '{');
	json_integer(json, "events", settings->events);
	json_integer(json, "shape_events", settings->shape_events);
	json_integer(json, "customers", settings->customers);
	json_integer(json, "ledger_rows", settings->ledger_rows);
	json_integer(json, "partitions", bench->config.topics_partitions);
	json_integer(json, "seed", (int64_t)settings->seed);
	put_number(json, "event_bytes", bench->main_load.bytes, 1);
	json_integer(json, "database_lanes", bench->config.database_lanes);
	json_integer(json, "batch_records_max", bench->config.batch_records_max);
	json_end(json, '}');
}

enum outcome bench_write_json(struct bench *bench, const char *path, struct failure *reterr)
{
	struct json_printer json = {.out = fopen(path, "we")};

	if (!json.out)
		return fail(reterr, OUTCOME_FATAL, "bench", "could not write %s: %s", path, strerror(errno));
	json_begin(&json, NULL, '{');
	put_headline(&json, bench);
	put_spreads(&json, bench);
	put_transaction(&json, bench);
	put_memory(&json, &bench->memory);
	put_goals(&json, bench);
	bench_write_machine(bench, &json);
	enum outcome outcome = bench_write_database(bench, &json, reterr);
	put_load(&json, bench);
	put_number(&json, "seconds", bench->seconds, 0);
	json_begin(&json, "not_measured", '{');
	for (int part = 0; part < PART_COUNT; part++)
		if (bench->missing[part])
			json_text(&json, bench_part_name((enum bench_part)part), text_of(bench->missing[part]));
	json_end(&json, '}');
	json_begin(&json, "runs", '[');
	for (size_t i = 0; i < bench->runs_count; i++)
		put_run(&json, &bench->runs[i]);
	json_end(&json, ']');
	json_end(&json, '}');
	json_line(&json);
	bool is_written = ferror(json.out) == 0;
	is_written = fclose(json.out) == 0 && is_written;
	if (outcome == OUTCOME_OK && !is_written)
		return fail(reterr, OUTCOME_FATAL, "bench", "could not write all of %s", path);
	return outcome;
}
