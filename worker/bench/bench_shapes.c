/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#define SPANNED_CUSTOMERS(bench) ((bench)->settings.shape_events / 2)
#define SPANNED_GRANTS 3

/* A load of its own, through one worker. */
struct shape {
	const char *name;
	int64_t customers; /* 0: as many as there are */
	double skew;
	double duplicates;
	enum output_format format;
	bool after_checkpoint;
};

static enum outcome repeat(
	struct bench *bench, const struct bench_load *load, struct bench_run_options *options, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	for (int i = 0; i < (int)bench->settings.shape_repetitions && outcome == OUTCOME_OK; i++) {
		options->repetition = i;
		outcome = bench_run(bench, load, options, reterr);
	}
	return outcome;
}

static enum outcome measure_shape(struct bench *bench, const struct shape *shape, struct failure *reterr)
{
	struct bench_run_options options = {
		.contender = CONTENDER_WORKER,
		.part = "shapes",
		.shape = shape->name,
		.replicas = 1,
		.after_checkpoint = shape->after_checkpoint,
	};
	struct bench_load_options load_options;
	struct bench_load load = {0};

	bench_load_defaults(bench, &load_options);
	load_options.events = bench->settings.shape_events;
	load_options.format = shape->format;
	load_options.generator.skew = shape->skew;
	load_options.generator.duplicates_share = shape->duplicates;
	load_options.generator.recent_max = load_options.events; /* from long ago, too */
	if (shape->customers)
		load_options.generator.customers_count = shape->customers;
	enum outcome outcome = bench_load_fill(bench, &load, &load_options, false, "filling a topic", reterr);
	if (outcome == OUTCOME_OK)
		outcome = repeat(bench, &load, &options, reterr);
	bench_load_delete(bench, &load);
	return outcome;
}

/* Every customer once, with an event that takes two small grants whole and begins the third. */
static enum outcome measure_spans(struct bench *bench, struct failure *reterr)
{
	char template_name[BENCH_NAME_SIZE] = "";
	struct bench_run_options options = {
		.contender = CONTENDER_WORKER,
		.part = "shapes",
		.shape = "each event spans 3 grants",
		.replicas = 1,
		.template_name = template_name,
	};
	struct bench_load_options load_options;
	struct bench_load load = {0};
	int64_t customers = SPANNED_CUSTOMERS(bench);

	bench_load_defaults(bench, &load_options);
	load_options.events = load_options.generator.customers_count = customers;
	load_options.generator.in_turn = true;
	load_options.generator.amount_min = load_options.generator.amount_max = 5 * CREDIT_ONE / 2;
	enum outcome outcome = bench_template_make(bench, customers, SPANNED_GRANTS, CREDIT_ONE, template_name, reterr);
	if (outcome == OUTCOME_OK)
		outcome = bench_load_fill(bench, &load, &load_options, false, "filling a topic", reterr);
	if (outcome == OUTCOME_OK)
		outcome = repeat(bench, &load, &options, reterr);
	bench_load_delete(bench, &load);
	bench_database_drop(bench, template_name);
	return outcome;
}

enum outcome bench_shapes(struct bench *bench, struct failure *reterr)
{
	const struct shape shapes[] = {
		{.name = BENCH_SHAPE_SPREAD, .skew = 0.99},
		{.name = BENCH_SHAPE_HOT, .customers = 1},
		{.name = "1,000 customers", .customers = bench->settings.customers < 1000 ? 0 : 1000, .skew = 0.99},
		{.name = "uniform", .skew = 0},
		{.name = BENCH_SHAPE_DUPLICATES, .skew = 0.99, .duplicates = 0.5},
		{.name = BENCH_SHAPE_JSON, .skew = 0.99, .format = FORMAT_JSON},
		{.name = "just after a checkpoint", .skew = 0.99, .after_checkpoint = true},
	};
	enum outcome outcome = bench_template(bench, reterr);

	for (size_t i = 0; i < sizeof shapes / sizeof *shapes && outcome == OUTCOME_OK; i++)
		outcome = measure_shape(bench, &shapes[i], reterr);
	return outcome == OUTCOME_OK ? measure_spans(bench, reterr) : outcome;
}

/* ---- bigger ledgers ---- */

/* The rows belong to the same customers, so that what is written lands all over the indexes. */
static enum outcome measure_filled(struct bench *bench, const struct bench_load *load, struct failure *reterr)
{
	static const char *const names[] = {BENCH_SHAPE_LEDGER_SOME, BENCH_SHAPE_LEDGER_BIG};
	struct bench_run_options options = {.contender = CONTENDER_WORKER, .part = "ledgers", .replicas = 1};
	struct bench_site filled;
	int64_t rows = 0;
	enum outcome outcome = bench_site_open(bench, &filled, bench->template, load, NULL, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	for (int i = 0; i < 2 && outcome == OUTCOME_OK; i++) {
		int64_t wanted = i == 0 ? bench->settings.ledger_rows / 4 : bench->settings.ledger_rows;
		outcome = bench_database_fill(bench, &filled, rows, wanted, reterr);
		rows = wanted;
		options.shape = names[i];
		/* The last run of all may take the original. */
		if (i == 1 && bench->settings.shape_repetitions == 1)
			options.site = &filled;
		else
			options.template_name = filled.database;
		if (outcome == OUTCOME_OK)
			outcome = repeat(bench, load, &options, reterr);
	}
	bench_site_close(bench, &filled, false);
	return outcome;
}

enum outcome bench_ledgers(struct bench *bench, struct failure *reterr)
{
	struct bench_run_options options = {
		.contender = CONTENDER_WORKER, .part = "ledgers", .shape = BENCH_SHAPE_LEDGER_NONE, .replicas = 1};
	struct bench_load_options load_options;
	struct bench_load load = {0};

	bench_load_defaults(bench, &load_options);
	load_options.events = bench->settings.shape_events;
	enum outcome outcome = bench_template(bench, reterr);
	if (outcome == OUTCOME_OK)
		outcome = bench_load_fill(bench, &load, &load_options, false, "filling a topic", reterr);
	if (outcome == OUTCOME_OK)
		outcome = repeat(bench, &load, &options, reterr);
	if (outcome == OUTCOME_OK)
		outcome = measure_filled(bench, &load, reterr);
	bench_load_delete(bench, &load);
	return outcome;
}

/* ---- replicas ---- */

enum outcome bench_replicas(struct bench *bench, struct failure *reterr)
{
	static const struct {
		const char *name;
		int replicas;
	} rows[] = {{"1 replica", 1}, {"2 replicas", 2}, {"4 replicas", 4}};
	struct bench_load_options load_options;
	enum outcome outcome = bench_template(bench, reterr);

	bench_load_defaults(bench, &load_options);
	load_options.events = bench->settings.shape_events;
	for (size_t i = 0; i < sizeof rows / sizeof *rows && outcome == OUTCOME_OK; i++) {
		struct bench_run_options options = {
			.contender = CONTENDER_WORKER,
			.part = "replicas",
			.shape = rows[i].name,
			.replicas = rows[i].replicas,
			.is_gated = true,
			.gated = &load_options,
		};
		if (rows[i].replicas <= bench->config.topics_partitions)
			outcome = repeat(bench, NULL, &options, reterr);
	}
	return outcome;
}
