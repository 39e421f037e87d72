/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"
#include "bench_plan.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drawdown/command.h"
#include "drawdown/log.h"

/* ---- signals ---- */

static volatile sig_atomic_t came;

static void take_signal(int number)
{
	came = number;
}

void bench_catch_signals(void)
{
	struct sigaction action = {.sa_handler = take_signal};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

enum outcome bench_check(struct failure *reterr)
{
	return came ? fail(reterr, OUTCOME_FATAL, "bench", "interrupted; all that was started is ended") : OUTCOME_OK;
}

void bench_pause(int64_t microseconds)
{
	const struct timespec pause = {
		.tv_sec = microseconds / INSTANT_SECOND, .tv_nsec = microseconds % INSTANT_SECOND * 1000};
	(void)nanosleep(&pause, NULL);
}

/* ---- parts ---- */

static enum outcome repeat(struct bench *bench, const struct bench_load *load, struct bench_run_options *options,
	int64_t repetitions, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	for (int i = 0; i < (int)repetitions && outcome == OUTCOME_OK; i++) {
		options->repetition = i;
		outcome = bench_run(bench, load, options, reterr);
	}
	return outcome;
}

static enum outcome measure_throughput(struct bench *bench, struct failure *reterr)
{
	struct bench_run_options options = {.contender = CONTENDER_WORKER, .part = "throughput", .replicas = 1};
	enum outcome outcome = bench_main_load(bench, reterr);

	if (outcome == OUTCOME_OK)
		outcome = bench_template(bench, reterr);
	return outcome == OUTCOME_OK ? repeat(bench, &bench->main_load, &options, bench->settings.repetitions, reterr)
				     : outcome;
}

static enum outcome measure_floor(struct bench *bench, struct failure *reterr)
{
	struct bench_run_options options = {.contender = CONTENDER_FLOOR, .part = "floor", .replicas = 1};
	enum outcome outcome = bench_main_load(bench, reterr);

	if (outcome == OUTCOME_OK)
		outcome = bench_empty_template(bench, reterr);
	return outcome == OUTCOME_OK ? repeat(bench, &bench->main_load, &options, bench->settings.repetitions, reterr)
				     : outcome;
}

static enum outcome measure_baseline(struct bench *bench, const char *part, enum bench_contender contender,
	int64_t events, int replicas, struct failure *reterr)
{
	struct bench_run_options options = {.contender = contender, .part = part, .replicas = replicas};
	struct bench_load_options load_options;
	struct bench_load load = {0};

	bench_load_defaults(bench, &load_options);
	load_options.events = events;
	enum outcome outcome = bench_load_fill(bench, &load, &load_options, false, "filling a topic", reterr);
	if (outcome == OUTCOME_OK)
		outcome = repeat(bench, &load, &options, bench->settings.repetitions, reterr);
	bench_load_delete(bench, &load);
	return outcome;
}

static enum outcome measure_per_event(struct bench *bench, struct failure *reterr)
{
	if (!bench->settings.per_event_command) {
		bench->missing[PART_PER_EVENT] = "--baseline-per-event was not given";
		return OUTCOME_OK;
	}
	return measure_baseline(bench, "per-event", CONTENDER_PER_EVENT, bench->settings.per_event_events, 1, reterr);
}

static enum outcome measure_batched(struct bench *bench, struct failure *reterr)
{
	if (!bench->settings.batched_command) {
		bench->missing[PART_BATCHED] = "--baseline-batched was not given";
		return OUTCOME_OK;
	}
	return measure_baseline(bench, "batched", CONTENDER_BATCHED, bench->settings.batched_events, 2, reterr);
}

static enum outcome measure_memory(struct bench *bench, struct failure *reterr)
{
	struct bench_run_options options = {
		.contender = CONTENDER_WORKER, .part = "memory", .replicas = 1, .memory = &bench->memory};
	struct bench_load_options load_options;
	struct bench_load load = {0};

	bench_load_defaults(bench, &load_options);
	load_options.events = bench->settings.memory_events;
	load_options.generator.seed++;
	enum outcome outcome = bench_template(bench, reterr);
	if (outcome == OUTCOME_OK)
		outcome = bench_load_fill(bench, &load, &load_options, false, "filling a backlog", reterr);
	if (outcome == OUTCOME_OK)
		outcome = bench_run(bench, &load, &options, reterr);
	bench_load_delete(bench, &load);
	return outcome;
}

typedef enum outcome part_function(struct bench *bench, struct failure *reterr);

static const struct {
	const char *name;
	part_function *measure;
} parts[PART_COUNT] = {
	[PART_THROUGHPUT] = {"throughput", measure_throughput},
	[PART_FLOOR] = {"floor", measure_floor},
	[PART_PER_EVENT] = {"per-event", measure_per_event},
	[PART_BATCHED] = {"batched", measure_batched},
	[PART_TRANSACTION] = {"transaction", bench_transaction},
	[PART_LATENCY] = {"latency", bench_latency},
	[PART_SHAPES] = {"shapes", bench_shapes},
	[PART_LEDGERS] = {"ledgers", bench_ledgers},
	[PART_REPLICAS] = {"replicas", bench_replicas},
	[PART_MEMORY] = {"memory", measure_memory},
};

const char *bench_part_name(enum bench_part part)
{
	return parts[part].name;
}

/* "floor,latency"; NULL: all. */
static bool choose_parts(struct bench *bench)
{
	const char *at = bench->settings.only;

	for (int part = 0; part < PART_COUNT; part++)
		bench->is_wanted[part] = !at;
	while (at && *at) {
		size_t size = strcspn(at, ",");
		int part = 0;
		while (part < PART_COUNT &&
			(strlen(parts[part].name) != size || strncmp(parts[part].name, at, size) != 0))
			part++;
		if (part == PART_COUNT) {
			(void)options_error(bench->options, "--only: there is no '%.*s'", (int)size, at);
			return false;
		}
		bench->is_wanted[part] = true;
		at += size + (at[size] == ',');
	}
	return true;
}

/* ---- run ---- */

static enum outcome measure(struct bench *bench, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	for (int part = 0; part < PART_COUNT && outcome == OUTCOME_OK; part++)
		if (bench->is_wanted[part])
			outcome = parts[part].measure(bench, reterr);
	return outcome;
}

static enum outcome report(struct bench *bench, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	bench_print(bench);
	if (bench->settings.json_path)
		outcome = bench_write_json(bench, bench->settings.json_path, reterr);
	if (outcome == OUTCOME_OK && bench->settings.pictures_path)
		outcome = bench_draw(bench, bench->settings.pictures_path, reterr);
	return outcome;
}

static void remove_directory(const struct bench *bench)
{
	char command[128];

	(void)snprintf(command, sizeof command, "rm -rf '%.60s'", bench->directory);
	if (system(command) != 0)
		(void)fprintf(stderr, "could not remove %s\n", bench->directory);
}

static void release(struct bench *bench)
{
	for (size_t i = 0; i < bench->runs_count; i++)
		free(bench->runs[i].points);
	arena_release(&bench->arena);
	config_release(&bench->config);
	free(bench);
}

static int run(struct bench *bench)
{
	struct failure failure = {0};

	bench_catch_signals();
	log_configure(LOG_ERROR, false); /* a broker that is just coming up is no news */
	arena_init(&bench->arena, 1 << 16);
	bench->begun_at = monotonic_now();
	enum outcome outcome = bench_servers_open(bench, &failure);
	if (outcome == OUTCOME_OK)
		outcome = measure(bench, &failure);
	bench->seconds = (double)(monotonic_now() - bench->begun_at) / 1e6;
	/* What was measured before a failure is told all the same. */
	if (outcome == OUTCOME_OK)
		outcome = report(bench, &failure);
	else if (bench->runs_count)
		(void)report(bench, NULL);
	bench_servers_close(bench);
	if ((outcome == OUTCOME_OK || came) && *bench->directory)
		remove_directory(bench);
	return outcome == OUTCOME_OK ? EXIT_OK : options_failed(bench->options, &failure);
}

/* ---- command line ---- */

static const struct bench_settings whole = {
	.events = 2000000,
	.shape_events = 500000,
	.customers = 1000000,
	.repetitions = 3,
	.shape_repetitions = 1,
	.memory_events = 5000000,
	.per_event_events = 20000,
	.batched_events = 500000,
	.latency_time = 20 * INSTANT_SECOND,
	.ledger_rows = 20000000,
	.transactions = 100,
	.seed = 1,
};

static const struct bench_settings quick = {
	.events = 20000,
	.shape_events = 5000,
	.customers = 1000,
	.repetitions = 1,
	.shape_repetitions = 1,
	.memory_events = 20000,
	.per_event_events = 500,
	.batched_events = 5000,
	.latency_time = 2 * INSTANT_SECOND,
	.ledger_rows = 20000,
	.transactions = 10,
	.seed = 1,
};

static const char details[] =
	"Makes its own databases, topics, groups and load on the servers of the configuration, and removes them: the\n"
	"role of database.url must be allowed to create databases (as a superuser it sees more: pg_stat_statements,\n"
	"checkpoints). What is measured are worker processes of this program, with its configuration and --set.\n"
	"On private servers, tuned, with the baselines: deploy/bench.sh.\n\n"
	"Parts, for --only: throughput, floor (the same worker without deduplication and debit), per-event and "
	"batched\n"
	"(the baselines that are given), transaction (one bare Kafka transaction), latency (at 10 % and 50 % of the\n"
	"throughput, open loop), shapes (other loads), ledgers (of more rows), replicas, memory.\n\n"
	"A run lasts from the worker's first poll to its group's last commit; of a baseline from the start of its\n"
	"processes. It begins with a copy of a database in which a worker gave every customer a grant, after a\n"
	"checkpoint, with the accounts in the server's memory. It fails unless every event was handled and its "
	"entries\n"
	"are there. CPU is that of the processes' whole lives. Latency counts from the input's append. Replicas share\n"
	"their partitions before the load appears, all at once.\n\n"
	"A baseline is run by the shell, first with the argument setup, then without (the batched one twice at a\n"
	"time); it finds BENCH_BOOTSTRAP, BENCH_DATABASE_URL, BENCH_INPUT, BENCH_OUTPUT, BENCH_GROUP, BENCH_EVENTS,\n"
	"BENCH_CUSTOMERS, BENCH_CUSTOMER_FORMAT and BENCH_TRANSACTIONAL_ID, and ends when all of the input is "
	"committed.";

/* 0: as `from` has it. */
static void take_defaults(struct bench_settings *settings, const struct bench_settings *from)
{
	int64_t events = settings->events;

	settings->shape_events = events && events < from->shape_events ? events : from->shape_events;
	settings->memory_events = from->memory_events;
	settings->events = events ? events : from->events;
	settings->customers = settings->customers ? settings->customers : from->customers;
	settings->repetitions = settings->repetitions ? settings->repetitions : from->repetitions;
	settings->shape_repetitions =
		settings->shape_repetitions ? settings->shape_repetitions : from->shape_repetitions;
	settings->per_event_events = from->per_event_events;
	settings->batched_events = events && events < from->batched_events ? events : from->batched_events;
	settings->latency_time = settings->latency_time ? settings->latency_time : from->latency_time;
	settings->transactions = from->transactions;
	settings->ledger_rows = settings->ledger_rows ? settings->ledger_rows : from->ledger_rows;
}

static bool has_argument(int argc, char **argv, const char *wanted)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], wanted) == 0)
			return true;
	return false;
}

static int run_benchmark(int argc, char **argv)
{
	struct bench *bench = calloc(1, sizeof *bench);
	int64_t seed = 1;
	bool is_quick = false, is_plan = false;
	int exit_code;

	if (!bench)
		abort();
	struct bench_settings *settings = &bench->settings;
	const struct command_option table[] = {
		{"only", "PARTS", "some parts, separated by commas (all)", .text = &settings->only},
		{"quick", NULL, "small sizes: does it work at all?", .flag = &is_quick},
		{"events", "N", "events of a run (2000000; of the shapes at most 500000)", .integer = &settings->events,
			.min = 1000, .max = 1000000000},
		{"customers", "N", "how many customers (1000000)", .integer = &settings->customers, .min = 100,
			.max = 9999999},
		{"repetitions", "N", "of throughput, floor and baselines (3)", .integer = &settings->repetitions,
			.min = 1, .max = 20},
		{"shape-repetitions", "N", "of everything else (1)", .integer = &settings->shape_repetitions, .min = 1,
			.max = 20},
		{"ledger-rows", "N", "of the biggest ledger (20000000); a quarter of it for the other one",
			.integer = &settings->ledger_rows, .min = 4, .max = 10000000000},
		{"latency-time", "TIME", "how long each load lasts (20s)", .duration = &settings->latency_time},
		{"rate", "N", "events a second that the loads are shares of (as measured)", .number = &settings->rate},
		{"baseline-per-event", "COMMAND", "a program that commits each event, to compare with",
			.text = &settings->per_event_command},
		{"baseline-batched", "COMMAND", "one that works in batches, to compare with",
			.text = &settings->batched_command},
		{"json", "FILE", "write all that was measured", .text = &settings->json_path},
		{"pictures", "DIR", "write charts as SVG", .text = &settings->pictures_path},
		{"seed", "N", "the same seed makes the same load (1)", .integer = &seed, .min = 0, .max = INT64_MAX},
		{"keep", NULL, "leave databases and topics, and say their names", .flag = &settings->keeps},
		{"plan", NULL, "measure nothing, say what an installation would need: see bench --plan --help",
			.flag = &is_plan},
	};
	struct options options = {
		.command = "bench",
		.summary = "measure throughput, latency and memory against what the servers could do",
		.details = details,
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.examples = {"drawdown bench --json bench.json --pictures .",
			"drawdown bench --only throughput,floor --events 500000 --repetitions 1",
			"drawdown bench --quick",
			"drawdown bench --plan --events-per-second 20000 --customers 1000000"},
		.config_needs = CONFIG_NEEDS_ALL,
	};

	bench->options = &options;
	if (!options_parse(&options, argc, argv, &exit_code) || !choose_parts(bench) ||
		!options_load_config(&options, &bench->config, &exit_code)) {
		free(bench);
		return exit_code;
	}
	take_defaults(settings, is_quick ? &quick : &whole);
	settings->seed = (uint64_t)seed;
	exit_code = run(bench);
	release(bench);
	return exit_code;
}

int command_bench(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--floor-worker") == 0)
		return bench_floor_worker(argc - 1, argv + 1);
	return has_argument(argc, argv, "--plan") ? command_bench_plan(argc, argv) : run_benchmark(argc, argv);
}
