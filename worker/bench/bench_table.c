/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "bench.h"

/* The first run of its part and shape speaks for all of them. */
static bool is_first(const struct bench *bench, size_t index)
{
	const struct bench_run *run = &bench->runs[index];

	for (size_t i = 0; i < index; i++)
		if (strcmp(bench->runs[i].part, run->part) == 0 && bench->runs[i].shape == run->shape)
			return false;
	return true;
}

static void print_runs(const struct bench *bench)
{
	static const struct table_column columns[] = {{"MEASURED", false}, {"RUNS", true}, {"EVENTS", true},
		{"EVENTS/S", true}, {"MIN", true}, {"MAX", true}, {"CPU US", true}, {"DB CPU US", true},
		{"RSS MIB", true}};
	struct table table;

	table_begin(&table, stdout, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < bench->runs_count; i++) {
		const struct bench_run *run = &bench->runs[i];
		if (!is_first(bench, i))
			continue;
		struct bench_spread spread = bench_spread_of(bench, run->part, run->shape);
		run = bench_median_run(bench, run->part, run->shape);
		table_cell_format(&table, "%s%s%s", run->part, run->shape ? ": " : "", run->shape ? run->shape : "");
		table_cell_format(&table, "%zu", spread.count);
		table_cell_format(&table, "%lld", (long long)run->events);
		table_cell_format(&table, "%.0f", spread.median);
		table_cell_format(&table, "%.0f", spread.min);
		table_cell_format(&table, "%.0f", spread.max);
		table_cell_format(&table, "%.2f", run->cpu * 1e6 / (double)run->events);
		if (run->cpu_postgres >= 0)
			table_cell_format(&table, "%.2f", run->cpu_postgres * 1e6 / (double)run->events);
		else
			table_cell(&table, TEXT_NULL);
		table_cell_format(&table, "%.1f", (double)run->rss_max / 1048576);
	}
	table_end(&table);
}

static void print_latencies(const struct bench *bench)
{
	static const struct table_column columns[] = {{"LATENCY AT", false}, {"EVENTS/S", true}, {"TO", false},
		{"P50 MS", true}, {"P99 MS", true}, {"P99.9 MS", true}, {"MAX MS", true}, {"LATE", true}};
	struct table table;

	if (bench->latencies_count == 0 && bench->transaction.count == 0)
		return;
	table_begin(&table, stdout, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < 2 * bench->latencies_count; i++) {
		const struct bench_latency *latency = &bench->latencies[i / 2];
		const struct bench_percentiles *percentiles = i % 2 ? &latency->postgres : &latency->ledger;
		if (i % 2 && !latency->has_postgres)
			continue;
		table_cell_format(&table, "%.0f %% load", latency->share * 100);
		table_cell_format(&table, "%.0f", latency->achieved);
		table_cell(&table, i % 2 ? TEXT_LITERAL("PostgreSQL's commit") : TEXT_LITERAL("the ledger topic"));
		table_cell_format(&table, "%.1f", percentiles->p50);
		table_cell_format(&table, "%.1f", percentiles->p99);
		table_cell_format(&table, "%.1f", percentiles->p999);
		table_cell_format(&table, "%.1f", percentiles->max);
		table_cell_format(&table, "%lld", (long long)latency->late);
	}
	if (bench->transaction.count) {
		table_cell(&table, TEXT_LITERAL("bare Kafka transaction"));
		table_cell(&table, TEXT_NULL);
		table_cell(&table, TEXT_LITERAL("its end"));
		table_cell_format(&table, "%.1f", bench->transaction.p50);
		table_cell_format(&table, "%.1f", bench->transaction.p99);
		table_cell_format(&table, "%.1f", bench->transaction.p999);
		table_cell_format(&table, "%.1f", bench->transaction.max);
		table_cell(&table, TEXT_NULL);
	}
	table_end(&table);
	(void)putchar('\n');
}

static void print_stages(const struct bench_run *run)
{
	static const struct table_column columns[] = {{"STAGE", false}, {"US AN EVENT", true}};
	struct table table;

	table_begin(&table, stdout, columns, sizeof columns / sizeof *columns);
	for (int stage = 0; stage < STAGE_COUNT; stage++) {
		if (run->metrics.stage_seconds[stage] <= 0)
			continue;
		table_cell(&table, text_of(metrics_stage_name((enum stage)stage)));
		table_cell_format(&table, "%.2f", run->metrics.stage_seconds[stage] * 1e6 / (double)run->events);
	}
	table_end(&table);
	(void)putchar('\n');
}

static void print_statements(const struct bench_run *run)
{
	static const struct table_column columns[] = {
		{"STATEMENT", false}, {"CALLS", true}, {"ROWS", true}, {"US AN EVENT", true}};
	struct table table;

	if (run->statements_count == 0)
		return;
	table_begin(&table, stdout, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < run->statements_count; i++) {
		const struct bench_statement *statement = &run->statements[i];
		table_cell(&table, text_of(statement->text));
		table_cell_format(&table, "%lld", (long long)statement->calls);
		table_cell_format(&table, "%lld", (long long)statement->rows);
		table_cell_format(&table, "%.2f", statement->seconds * 1e6 / (double)run->events);
	}
	table_end(&table);
	(void)putchar('\n');
}

static void print_waits(const struct bench_run *run)
{
	static const struct table_column columns[] = {{"ACTIVE SESSIONS OF THE DATABASE", false}, {"SHARE", true}};
	struct table table;

	if (run->wait_samples == 0)
		return;
	table_begin(&table, stdout, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < run->waits_count; i++) {
		table_cell(&table, text_of(run->waits[i].name));
		table_cell_format(&table, "%.1f %%", 100.0 * (double)run->waits[i].count / (double)run->wait_samples);
	}
	table_end(&table);
	(void)putchar('\n');
}

static void print_goals(const struct bench *bench)
{
	static const struct table_column columns[] = {
		{"GOAL", false}, {"", false}, {"WANTED", true}, {"MEASURED", true}, {"UNIT", false}, {"", false}};
	struct bench_goal goals[BENCH_GOALS_MAX];
	size_t count = bench_goals(bench, goals);
	struct table table;

	table_begin(&table, stdout, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < count; i++) {
		const struct bench_goal *goal = &goals[i];
		table_cell(&table, text_of(goal->name));
		table_cell(&table, goal->is_upper ? TEXT_LITERAL("<=") : TEXT_LITERAL(">="));
		table_cell_format(&table, "%.4g", goal->goal);
		if (goal->is_measured)
			table_cell_format(&table, goal->measured < 1000 ? "%.2f" : "%.0f", goal->measured);
		else
			table_cell(&table, TEXT_NULL);
		table_cell(&table, text_of(goal->unit));
		if (!goal->is_measured)
			table_cell(&table, TEXT_LITERAL("not measured"));
		else if (goal->is_met)
			table_cell(&table, TEXT_LITERAL("met"));
		else
			table_cell_format(&table, "missed by %.0f %%",
				100 * (goal->is_upper ? goal->measured / goal->goal - 1
						      : 1 - goal->measured / goal->goal));
	}
	table_end(&table);
}

void bench_print(struct bench *bench)
{
	const struct bench_run *run = bench_median_run(bench, "throughput", NULL);

	print_runs(bench);
	(void)putchar('\n');
	print_latencies(bench);
	if (run) {
		print_stages(run);
		print_statements(run);
		print_waits(run);
	}
	if (bench->memory.events)
		(void)printf("memory: at most %.1f MiB over a backlog of %lld events, %.1f behind it, %.1f idle\n\n",
			(double)bench->memory.rss_max / 1048576, (long long)bench->memory.events,
			(double)bench->memory.rss_behind / 1048576, (double)bench->memory.rss_idle / 1048576);
	print_goals(bench);
	for (int part = 0; part < PART_COUNT; part++)
		if (bench->missing[part])
			(void)printf(
				"not measured: %s: %s\n", bench_part_name((enum bench_part)part), bench->missing[part]);
	(void)printf("all of it took %.0f s\n", bench->seconds);
}
