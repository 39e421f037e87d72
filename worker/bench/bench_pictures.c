/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "drawdown/chart.h"

#define WINDOW 1.0 /* seconds: rates are means over so long */
#define SHAPES_MAX CHART_GROUPS_MAX

struct picture {
	const struct bench *bench;
	const char *directory;
	char path[512];
	char note[160];
};

static const char *path_of(struct picture *picture, const char *name)
{
	(void)snprintf(picture->path, sizeof picture->path, "%.400s/%s.svg", picture->directory, name);
	return picture->path;
}

/* ---- throughput over time ---- */

/* Events at a time, between two looks evenly. */
static double events_at(const struct bench_run *run, double seconds)
{
	struct bench_point before = {0};

	for (size_t i = 0; i < run->points_count; i++) {
		struct bench_point point = run->points[i];
		if (point.seconds >= seconds) {
			double span = point.seconds - before.seconds;
			double share = span > 0 ? (seconds - before.seconds) / span : 1;
			return (double)before.events + share * (double)(point.events - before.events);
		}
		before = point;
	}
	return (double)before.events;
}

static size_t list_rates(const struct bench_run *run, struct chart_point *points, size_t points_max)
{
	double window = run->seconds < 5 * WINDOW ? run->seconds / 5 : WINDOW;
	size_t count = 0;

	for (double at = window; at <= run->seconds && window > 0 && count < points_max; at += window)
		points[count++] = (struct chart_point){at, (events_at(run, at) - events_at(run, at - window)) / window};
	return count;
}

#define POINTS_MAX 1000

static enum outcome draw_throughput(struct picture *picture, struct failure *reterr)
{
	static const char *const parts[] = {"throughput", "floor", "batched", "per-event"};
	static const char *const names[] = {"drawdown", "floor", "batched baseline", "per-event baseline"};
	const struct chart_texts texts = {.title = "Throughput over time",
		.note = picture->note,
		.x_title = "seconds since the first poll",
		.y_title = "events a second"};
	struct chart_series series[4];
	struct chart_point *points = calloc(4 * (size_t)POINTS_MAX, sizeof *points);
	size_t count = 0;
	enum outcome outcome = OUTCOME_OK;

	if (!points)
		abort();
	for (size_t i = 0; i < 4; i++) {
		const struct bench_run *run = bench_median_run(picture->bench, parts[i], NULL);
		struct chart_point *own = points + count * POINTS_MAX;
		size_t own_count = run ? list_rates(run, own, POINTS_MAX) : 0;
		if (own_count)
			series[count++] = (struct chart_series){names[i], own, own_count};
	}
	if (count)
		outcome = chart_write_lines(path_of(picture, "throughput"), &texts, series, count, reterr);
	free(points);
	return outcome;
}

/* ---- latency ---- */

static void put_percentiles(double *values, size_t series_count, size_t series, const struct bench_percentiles *of)
{
	values[series] = of->p50;
	values[series_count + series] = of->p99;
	values[2 * series_count + series] = of->p999;
	values[3 * series_count + series] = of->max;
}

static enum outcome draw_latency(struct picture *picture, struct failure *reterr)
{
	static const char *const groups[] = {"p50", "p99", "p99.9", "max"};
	static const char *const all_names[] = {"10 % load, to the ledger topic", "50 % load, to the ledger topic",
		"10 % load, to PostgreSQL's commit", "50 % load, to PostgreSQL's commit", "bare Kafka transaction"};
	const struct bench *bench = picture->bench;
	const struct chart_texts texts = {
		.title = "Latency from the input's append", .note = picture->note, .y_title = "milliseconds"};
	const struct bench_percentiles *all[5] = {0};
	const char *names[5];
	double values[4 * 5];
	size_t count = 0;

	for (size_t i = 0; i < bench->latencies_count; i++) {
		all[i] = &bench->latencies[i].ledger;
		all[BENCH_LOADS + i] = bench->latencies[i].has_postgres ? &bench->latencies[i].postgres : NULL;
	}
	all[4] = bench->transaction.count ? &bench->transaction : NULL;
	for (size_t i = 0; i < 5; i++)
		count += all[i] != NULL;
	for (size_t i = 0, place = 0; i < 5; i++) {
		if (!all[i])
			continue;
		names[place] = all_names[i];
		put_percentiles(values, count, place++, all[i]);
	}
	const struct chart_bars bars = {.groups = groups,
		.groups_count = 4,
		.series = names,
		.series_count = count,
		.values = values,
		.logarithmic = true};
	if (bench->latencies_count == 0)
		return OUTCOME_OK;
	return chart_write_bars(path_of(picture, "latency"), &texts, &bars, reterr);
}

/* ---- cost per stage ---- */

static enum outcome draw_stages(struct picture *picture, struct failure *reterr)
{
	static const char *const names[] = {"drawdown", "floor"};
	const struct bench_run *runs[] = {
		bench_median_run(picture->bench, "throughput", NULL), bench_median_run(picture->bench, "floor", NULL)};
	const struct chart_texts texts = {.title = "Cost per stage",
		.note = "time of all lanes in each stage; stages of different batches overlap",
		.y_title = "microseconds an event"};
	const char *groups[STAGE_COUNT];
	double values[STAGE_COUNT * 2];
	size_t series_count = runs[1] ? 2 : 1;

	if (!runs[0])
		return OUTCOME_OK;
	for (int stage = 0; stage < STAGE_COUNT; stage++) {
		groups[stage] = metrics_stage_name((enum stage)stage);
		for (size_t i = 0; i < series_count; i++)
			values[(size_t)stage * series_count + i] =
				runs[i]->metrics.stage_seconds[stage] * 1e6 / (double)runs[i]->events;
	}
	const struct chart_bars bars = {.groups = groups,
		.groups_count = STAGE_COUNT,
		.series = names,
		.series_count = series_count,
		.values = values};
	return chart_write_bars(path_of(picture, "stages"), &texts, &bars, reterr);
}

/* ---- shapes ---- */

static enum outcome draw_shapes(struct picture *picture, struct failure *reterr)
{
	static const char *const names[] = {"median"};
	const struct bench *bench = picture->bench;
	const struct chart_texts texts = {.title = "Other loads, bigger ledgers, more replicas",
		.note = picture->note,
		.y_title = "events a second"};
	const char *groups[SHAPES_MAX];
	double values[SHAPES_MAX];
	size_t count = 0;

	for (size_t i = 0; i < bench->runs_count && count < SHAPES_MAX; i++) {
		const struct bench_run *run = &bench->runs[i];
		if (!run->shape || run->repetition != 0)
			continue;
		groups[count] = run->shape;
		values[count++] = bench_spread_of(bench, run->part, run->shape).median;
	}
	const struct chart_bars bars = {
		.groups = groups, .groups_count = count, .series = names, .series_count = 1, .values = values};
	return count ? chart_write_bars(path_of(picture, "shapes"), &texts, &bars, reterr) : OUTCOME_OK;
}

enum outcome bench_draw(const struct bench *bench, const char *directory, struct failure *reterr)
{
	struct picture picture = {.bench = bench, .directory = directory};

	if (mkdir(directory, 0777) != 0 && errno != EEXIST)
		return fail(reterr, OUTCOME_FATAL, "bench", "could not make %s: %s", directory, strerror(errno));
	(void)snprintf(picture.note, sizeof picture.note, "%lld cores for broker, database and worker; %lld customers",
		(long long)sysconf(_SC_NPROCESSORS_ONLN), (long long)bench->settings.customers);
	enum outcome outcome = draw_throughput(&picture, reterr);
	if (outcome == OUTCOME_OK)
		outcome = draw_latency(&picture, reterr);
	if (outcome == OUTCOME_OK)
		outcome = draw_stages(&picture, reterr);
	if (outcome == OUTCOME_OK)
		outcome = draw_shapes(&picture, reterr);
	return outcome;
}
