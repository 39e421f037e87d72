/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define MEBIBYTE 1048576.0

/* ---- numbers ---- */

static int compare_doubles(const void *a, const void *b)
{
	double a_value = *(const double *)a, b_value = *(const double *)b;
	return (a_value > b_value) - (a_value < b_value);
}

/* The smallest that so large a share does not exceed. */
static double rank(const double *sorted, size_t count, double share)
{
	size_t place = (size_t)(share * (double)count);
	return sorted[place < count ? place : count - 1];
}

struct bench_percentiles bench_percentiles_of(double *milliseconds, size_t count)
{
	if (count == 0)
		return (struct bench_percentiles){0};
	qsort(milliseconds, count, sizeof *milliseconds, compare_doubles);
	return (struct bench_percentiles){
		.count = (int64_t)count,
		.p50 = rank(milliseconds, count, 0.5),
		.p99 = rank(milliseconds, count, 0.99),
		.p999 = rank(milliseconds, count, 0.999),
		.max = milliseconds[count - 1],
	};
}

static bool is_of(const struct bench_run *run, const char *part, const char *shape)
{
	return strcmp(run->part, part) == 0 && (!shape || (run->shape && strcmp(run->shape, shape) == 0));
}

static size_t sort_rates(const struct bench *bench, const char *part, const char *shape, double rates[BENCH_RUNS_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < bench->runs_count; i++)
		if (is_of(&bench->runs[i], part, shape))
			rates[count++] = bench->runs[i].per_s;
	qsort(rates, count, sizeof *rates, compare_doubles);
	return count;
}

struct bench_spread bench_spread_of(const struct bench *bench, const char *part, const char *shape)
{
	double rates[BENCH_RUNS_MAX];
	size_t count = sort_rates(bench, part, shape, rates);

	if (count == 0)
		return (struct bench_spread){0};
	return (struct bench_spread){
		.count = count, .min = rates[0], .median = rates[count / 2], .max = rates[count - 1]};
}

const struct bench_run *bench_median_run(const struct bench *bench, const char *part, const char *shape)
{
	double median = bench_spread_of(bench, part, shape).median;

	for (size_t i = 0; i < bench->runs_count; i++)
		if (is_of(&bench->runs[i], part, shape) && bench->runs[i].per_s == median)
			return &bench->runs[i];
	return NULL;
}

int64_t bench_rss_max(const struct bench *bench)
{
	int64_t rss_max = bench->memory.rss_max;

	for (size_t i = 0; i < bench->runs_count; i++)
		if (!bench_is_other(&bench->runs[i]) && bench->runs[i].rss_max > rss_max)
			rss_max = bench->runs[i].rss_max;
	return rss_max;
}

bool bench_is_other(const struct bench_run *run)
{
	return is_of(run, "floor", NULL) || is_of(run, "per-event", NULL) || is_of(run, "batched", NULL);
}

double bench_cpu_us(const struct bench *bench)
{
	const struct bench_run *run = bench_median_run(bench, "throughput", NULL);
	return run ? run->cpu * 1e6 / (double)run->events : 0;
}

/* ---- goals ---- */

struct goals {
	struct bench_goal *items;
	size_t count;
};

static void add(struct goals *goals, const char *name, const char *unit, bool is_upper, double goal, double measured,
	bool is_measured)
{
	bool is_met = is_upper ? measured <= goal : measured >= goal;

	goals->items[goals->count++] = (struct bench_goal){
		.name = name,
		.unit = unit,
		.is_upper = is_upper,
		.is_measured = is_measured,
		.is_met = is_measured && is_met,
		.goal = goal,
		.measured = is_measured ? measured : 0,
	};
}

static void add_ratio(struct goals *goals, const char *name, double goal, double value, double of)
{
	add(goals, name, "times", false, goal, of > 0 ? value / of : 0, value > 0 && of > 0);
}

static void add_shapes(struct goals *goals, const struct bench *bench)
{
	double spread = bench_spread_of(bench, "shapes", BENCH_SHAPE_SPREAD).median;

	add_ratio(goals, "one hot customer against the spread load", 1,
		bench_spread_of(bench, "shapes", BENCH_SHAPE_HOT).median, spread);
	add_ratio(goals, "half duplicates against fresh events", 1,
		bench_spread_of(bench, "shapes", BENCH_SHAPE_DUPLICATES).median, spread);
	add_ratio(goals, "JSON against Avro", 0.7, bench_spread_of(bench, "shapes", BENCH_SHAPE_JSON).median, spread);
	add_ratio(goals, "the biggest ledger against an empty one", 0.8,
		bench_spread_of(bench, "ledgers", BENCH_SHAPE_LEDGER_BIG).median,
		bench_spread_of(bench, "ledgers", BENCH_SHAPE_LEDGER_NONE).median);
}

size_t bench_goals(const struct bench *bench, struct bench_goal items[BENCH_GOALS_MAX])
{
	struct goals goals = {.items = items};
	double throughput = bench_spread_of(bench, "throughput", NULL).median;
	const struct bench_latency *half = bench->latencies_count == BENCH_LOADS ? &bench->latencies[1] : NULL;
	bool has_transaction = bench->transaction.count > 0;

	add(&goals, "throughput, events a second", "events/s", false, 100000, throughput, throughput > 0);
	add(&goals, "  the least", "events/s", false, 80000, throughput, throughput > 0);
	add_ratio(
		&goals, "throughput against the floor", 0.4, throughput, bench_spread_of(bench, "floor", NULL).median);
	add_ratio(&goals, "throughput against the batched baseline", 2.5, throughput,
		bench_spread_of(bench, "batched", NULL).median);
	add_ratio(&goals, "throughput against the per-event baseline", 50, throughput,
		bench_spread_of(bench, "per-event", NULL).median);
	add_shapes(&goals, bench);
	add(&goals, "p99 at 50 % load against a bare Kafka transaction", "times", true, 5,
		half && has_transaction ? half->ledger.p99 / bench->transaction.p50 : 0, half && has_transaction);
	add(&goals, "p99 at 50 % load to PostgreSQL's commit", "ms", true, 100, half ? half->postgres.p99 : 0,
		half && half->has_postgres);
	add(&goals, "resident memory", "MiB", true, 128, (double)bench_rss_max(bench) / MEBIBYTE,
		bench_rss_max(bench) > 0);
	add(&goals, "worker's CPU an event", "us", true, 2.5, bench_cpu_us(bench), throughput > 0);
	return goals.count;
}
