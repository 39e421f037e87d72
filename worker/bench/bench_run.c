/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run: a database, topics and a group of its own, the contender's processes, and a look at them until the group
 * has committed the end of the load. It begins with the first poll, which a worker logs; of the baselines, which say
 * nothing, with the start of their processes.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define LOOK_PAUSE (10 * INSTANT_MILLISECOND)
#define STALL_MAX (90 * INSTANT_SECOND) /* without a step forward */
#define SETTLE_PATIENCE (60 * INSTANT_SECOND)
#define SETUP_PATIENCE (600 * INSTANT_SECOND)
#define COUNT_PATIENCE (2 * INSTANT_SECOND)
#define IDLE_TIME (10 * INSTANT_SECOND)

/* A run at work. */
struct running {
	struct bench *bench;
	const struct bench_run_options *options;
	struct bench_load load;
	struct bench_site own_site;
	const struct bench_site *site;
	struct bench_run *run;
	struct bench_process processes[BENCH_REPLICAS_MAX];
	int processes_count;
	char label[96];
};

static bool is_worker(const struct running *running)
{
	return running->options->contender == CONTENDER_WORKER || running->options->contender == CONTENDER_FLOOR;
}

/* ---- processes ---- */

static const char *command_of(const struct running *running)
{
	const struct bench_settings *settings = &running->bench->settings;
	return running->options->contender == CONTENDER_PER_EVENT ? settings->per_event_command
								  : settings->batched_command;
}

#define VARIABLES_MAX 9

static enum outcome start_baseline(
	struct running *running, struct bench_process *process, int number, bool is_setup, struct failure *reterr)
{
	const struct bench_site *site = running->site;
	struct arena arena;
	const char *variables[VARIABLES_MAX + 1];
	size_t count = 0;
	char name[BENCH_NAME_SIZE + 16];

	arena_init(&arena, 4096);
	variables[count++] =
		arena_format(&arena, "BENCH_BOOTSTRAP=%s", config_kafka(&site->config, "bootstrap.servers")).data;
	variables[count++] = arena_format(&arena, "BENCH_DATABASE_URL=%s", site->url).data;
	variables[count++] = arena_format(&arena, "BENCH_INPUT=%s", running->load.topic).data;
	variables[count++] = arena_format(&arena, "BENCH_OUTPUT=%s", site->config.output_topics[OUTPUT_LEDGER]).data;
	variables[count++] = arena_format(&arena, "BENCH_GROUP=%s", site->name).data;
	variables[count++] = arena_format(&arena, "BENCH_EVENTS=%lld", (long long)running->load.events).data;
	variables[count++] =
		arena_format(&arena, "BENCH_CUSTOMERS=%lld", (long long)running->bench->settings.customers).data;
	variables[count++] = "BENCH_CUSTOMER_FORMAT=customer-%07d";
	variables[count++] = arena_format(&arena, "BENCH_TRANSACTIONAL_ID=%s-%d", site->name, number).data;
	assert(count <= VARIABLES_MAX);
	variables[count] = NULL;
	const char *script = arena_format(&arena, "exec %s \"$@\"", command_of(running)).data;
	const char *argv[] = {"/bin/sh", "-c", script, "sh", is_setup ? "setup" : NULL, NULL};
	(void)snprintf(name, sizeof name, "%s-%s%d", site->name, is_setup ? "setup" : "", number);
	enum outcome outcome = bench_process_start(running->bench, process, argv, variables, name, reterr);
	arena_release(&arena);
	return outcome;
}

static enum outcome set_up_baseline(struct running *running, struct failure *reterr)
{
	struct bench_process process = {0};
	int64_t deadline = monotonic_now() + SETUP_PATIENCE;
	enum outcome outcome = start_baseline(running, &process, 0, true, reterr);

	while (outcome == OUTCOME_OK && process.pid) {
		bench_pause(LOOK_PAUSE);
		outcome = bench_check(reterr);
		if (outcome == OUTCOME_OK)
			outcome = bench_process_check(&process, true, reterr);
		if (outcome == OUTCOME_OK && process.pid && monotonic_now() > deadline)
			outcome = fail(reterr, OUTCOME_FATAL, "bench.run", "the baseline's setup did not end in time");
	}
	bench_process_end(&process);
	return outcome;
}

static enum outcome start_all(struct running *running, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	for (int i = 0; i < running->options->replicas && outcome == OUTCOME_OK; i++) {
		struct bench_process *process = &running->processes[i];
		running->processes_count = i + 1;
		outcome = is_worker(running) ? bench_worker_start(running->bench, running->site, process, i,
						       running->options->contender == CONTENDER_FLOOR, reterr)
					     : start_baseline(running, process, i, false, reterr);
	}
	return outcome;
}

static enum outcome check_all(struct running *running, struct failure *reterr)
{
	enum outcome outcome = bench_check(reterr);

	for (int i = 0; i < running->processes_count && outcome == OUTCOME_OK; i++)
		outcome = bench_process_check(&running->processes[i], !is_worker(running), reterr);
	return outcome;
}

static void end_all(struct running *running)
{
	for (int i = 0; i < running->processes_count; i++)
		bench_process_end(&running->processes[i]);
}

/* ---- the load that appears at once ---- */

/* Every replica runs, and all pairs of partitions have an owner. */
static bool is_settled(const struct running *running)
{
	int partitions = 0, fewest = INT32_MAX;

	for (int i = 0; i < running->processes_count; i++) {
		struct bench_metrics metrics = {0};
		if (!bench_metrics_read(running->processes[i].port, &metrics) || !metrics.is_running)
			return false;
		partitions += metrics.partitions_count;
		fewest = metrics.partitions_count < fewest ? metrics.partitions_count : fewest;
	}
	int all = INPUT_COUNT * running->load.partitions_count;
	return partitions == all && fewest >= INPUT_COUNT * (running->load.partitions_count / running->processes_count);
}

static enum outcome open_gate(struct running *running, struct failure *reterr)
{
	int64_t deadline = monotonic_now() + SETTLE_PATIENCE;
	enum outcome outcome = OUTCOME_OK;

	while (outcome == OUTCOME_OK && !is_settled(running)) {
		bench_pause(10 * LOOK_PAUSE);
		outcome = check_all(running, reterr);
		if (outcome == OUTCOME_OK && monotonic_now() > deadline)
			outcome = fail(reterr, OUTCOME_FATAL, "bench.run", "%d replicas did not share the partitions",
				running->processes_count);
	}
	if (outcome == OUTCOME_OK)
		outcome = bench_load_fill(
			running->bench, &running->load, running->options->gated, true, "filling a topic", reterr);
	return outcome;
}

/* ---- the watch ---- */

/* Monotonic time of the first poll of any; 0: not yet. */
static int64_t find_first_poll(const struct running *running)
{
	instant_t first = 0;

	for (int i = 0; i < running->processes_count; i++) {
		instant_t at = bench_process_first_poll(&running->processes[i]);
		if (at && (!first || at < first))
			first = at;
	}
	return first ? monotonic_now() - (instant_now() - first) : 0;
}

static enum outcome follow(
	struct running *running, struct bench_watch *watch, int64_t *begun_at, struct failure *reterr)
{
	int64_t events = 0, seen = 0, seen_at = monotonic_now();
	enum outcome outcome = OUTCOME_OK;

	while (outcome == OUTCOME_OK && events < running->load.events) {
		if (!*begun_at && !(*begun_at = find_first_poll(running)))
			bench_pause(LOOK_PAUSE);
		bench_pause(LOOK_PAUSE);
		outcome = check_all(running, reterr);
		if (outcome == OUTCOME_OK)
			outcome = bench_watch_look(watch, &events, reterr);
		if (events != seen)
			seen_at = monotonic_now();
		seen = events;
		if (outcome == OUTCOME_OK && monotonic_now() - seen_at > STALL_MAX)
			outcome = fail(reterr, OUTCOME_FATAL, "bench.run", "%s stands still at %lld of %lld events",
				running->label, (long long)events, (long long)running->load.events);
	}
	return outcome;
}

static double handled_of(const struct bench_metrics *metrics)
{
	double handled = 0;

	for (int kind = RESULT_APPLIED; kind < RESULT_KIND_COUNT; kind++)
		handled += metrics->inputs[kind];
	return handled;
}

/* A worker counts what it published a little after the brokers have it. */
static void read_metrics(struct running *running)
{
	struct bench_run *run = running->run;
	int64_t deadline = monotonic_now() + COUNT_PATIENCE;

	do {
		run->metrics = (struct bench_metrics){0};
		for (int i = 0; i < running->processes_count; i++)
			if (running->processes[i].port)
				(void)bench_metrics_read(running->processes[i].port, &run->metrics);
	} while (handled_of(&run->metrics) < (double)run->events && monotonic_now() < deadline);
}

/* What only they know, before they end. */
static void look_inside(struct running *running)
{
	for (int i = 0; i < running->processes_count; i++) {
		struct bench_process *process = &running->processes[i];
		int64_t peak = process->pid ? bench_process_memory(process->pid, "VmHWM") : 0;
		if (peak > process->rss_max)
			process->rss_max = peak;
	}
	if (is_worker(running))
		read_metrics(running);
}

static enum outcome measure_memory(struct running *running, struct bench_memory *memory, struct failure *reterr)
{
	pid_t pid = running->processes[0].pid;
	int64_t until = monotonic_now() + IDLE_TIME;
	enum outcome outcome = OUTCOME_OK;

	memory->events = running->load.events;
	memory->rss_behind = bench_process_memory(pid, "VmRSS");
	while (outcome == OUTCOME_OK && monotonic_now() < until) {
		bench_pause(INSTANT_SECOND / 10);
		outcome = check_all(running, reterr);
	}
	memory->rss_idle = bench_process_memory(pid, "VmRSS");
	memory->rss_max = bench_process_memory(pid, "VmHWM");
	return outcome;
}

/* Times of the series count from the beginning. */
static void finish_series(struct bench_run *run, double begun)
{
	for (size_t i = 0; i < run->points_count; i++)
		run->points[i].seconds = run->points[i].seconds > begun ? run->points[i].seconds - begun : 0;
}

static enum outcome watch(struct running *running, struct failure *reterr)
{
	struct bench_run *run = running->run;
	struct bench_watch watch;
	int64_t started_at = monotonic_now(), begun_at = is_worker(running) ? 0 : started_at;
	enum outcome outcome = start_all(running, reterr);

	if (outcome == OUTCOME_OK && running->options->is_gated) {
		outcome = open_gate(running, reterr);
		begun_at = monotonic_now();
	}
	if (outcome == OUTCOME_OK && running->options->after_checkpoint)
		outcome = bench_database_checkpoint(running->bench, &run->had_checkpoint, reterr);
	double machine = bench_machine_cpu();
	if (outcome != OUTCOME_OK)
		return outcome;
	outcome = bench_watch_open(running->bench, &watch, running->site, &running->load, run, running->label, reterr);
	if (outcome == OUTCOME_OK)
		outcome = follow(running, &watch, &begun_at, reterr);
	int64_t ended_at = watch.noted_at;
	run->cpu_machine = bench_machine_cpu() - machine;
	if (outcome == OUTCOME_OK)
		outcome = bench_database_look(&watch, reterr);
	bench_watch_close(&watch);
	if (outcome != OUTCOME_OK)
		return outcome;
	run->startup = (double)(begun_at - started_at) / 1e6;
	run->seconds = (double)(ended_at - begun_at) / 1e6;
	run->per_s = run->seconds > 0 ? (double)run->events / run->seconds : 0;
	finish_series(run, (double)begun_at / 1e6);
	look_inside(running);
	return running->options->memory ? measure_memory(running, running->options->memory, reterr) : OUTCOME_OK;
}

/* ---- before and after ---- */

static enum outcome open_site(struct running *running, struct failure *reterr)
{
	struct bench *bench = running->bench;
	const struct bench_run_options *options = running->options;
	const char *template_name = options->template_name ? options->template_name : bench->template;

	if (options->contender == CONTENDER_FLOOR)
		template_name = bench->empty_template;
	else if (options->contender != CONTENDER_WORKER)
		template_name = NULL;
	enum outcome outcome = bench_site_open(
		bench, &running->own_site, template_name, options->is_gated ? NULL : &running->load, NULL, reterr);
	running->site = &running->own_site;
	if (outcome == OUTCOME_OK && options->is_gated) {
		running->load.partitions_count = (int32_t)running->site->config.topics_partitions;
		(void)snprintf(running->load.topic, sizeof running->load.topic, "%s",
			running->site->config.input_topics[INPUT_USAGE]);
	}
	if (outcome == OUTCOME_OK && options->contender == CONTENDER_FLOOR)
		outcome = bench_database_strip(running->site, reterr);
	return outcome;
}

/* Nothing may be missing, or the run was faster than it was right. */
static enum outcome check_result(struct running *running, struct failure *reterr)
{
	struct bench_run *run = running->run;

	if (!is_worker(running))
		return OUTCOME_OK; /* whose tables are their own */
	enum outcome outcome = bench_database_count(running->site, running->load.topic, &run->entries, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	double handled = handled_of(&run->metrics);
	if ((int64_t)handled != run->events || (double)run->entries != run->metrics.entries)
		return fail(reterr, OUTCOME_FATAL, "bench.run",
			"%s: of %lld events %.0f were handled; %.0f entries were counted, %lld are in the database",
			running->label, (long long)run->events, handled, run->metrics.entries, (long long)run->entries);
	return OUTCOME_OK;
}

static void add_up(struct running *running)
{
	for (int i = 0; i < running->processes_count; i++) {
		const struct bench_process *process = &running->processes[i];
		running->run->cpu += process->cpu;
		if (process->rss_max > running->run->rss_max)
			running->run->rss_max = process->rss_max;
	}
}

static enum outcome run_at_site(struct running *running, struct failure *reterr)
{
	struct bench_run *run = running->run;
	enum outcome outcome = bench_database_prepare(
		running->bench, running->site, running->options->contender == CONTENDER_WORKER, reterr);

	if (outcome == OUTCOME_OK && !is_worker(running))
		outcome = set_up_baseline(running, reterr);
	if (outcome == OUTCOME_OK)
		outcome = bench_database_forget(running->bench, running->site, reterr);
	run->events = running->options->is_gated ? running->options->gated->events : running->load.events;
	if (outcome == OUTCOME_OK)
		outcome = watch(running, reterr);
	end_all(running);
	add_up(running);
	if (outcome == OUTCOME_OK)
		outcome = bench_database_statements(running->bench, running->site, run, reterr);
	if (outcome == OUTCOME_OK)
		outcome = check_result(running, reterr);
	return outcome;
}

static void say(const struct bench_run *run, const char *label)
{
	(void)fprintf(stderr, "%-44s %9.0f events/s  %7.1f s  %5.2f us CPU an event\n", label, run->per_s, run->seconds,
		run->events ? run->cpu * 1e6 / (double)run->events : 0);
}

enum outcome bench_run(struct bench *bench, const struct bench_load *load, const struct bench_run_options *options,
	struct failure *reterr)
{
	struct running running = {.bench = bench, .options = options};
	enum outcome outcome = OUTCOME_OK;

	assert(bench->runs_count < BENCH_RUNS_MAX && options->replicas <= BENCH_REPLICAS_MAX);
	running.run = &bench->runs[bench->runs_count];
	*running.run = (struct bench_run){.part = options->part,
		.shape = options->shape,
		.repetition = options->repetition,
		.replicas = options->replicas};
	if (load)
		running.load = *load;
	(void)snprintf(running.label, sizeof running.label, "%s%s%s %d", options->part, options->shape ? ": " : "",
		options->shape ? options->shape : "", options->repetition + 1);
	running.site = options->site;
	if (!options->site)
		outcome = open_site(&running, reterr);
	if (outcome == OUTCOME_OK)
		outcome = run_at_site(&running, reterr);
	if (!options->site)
		bench_site_close(bench, &running.own_site, false);
	if (outcome != OUTCOME_OK) {
		free(running.run->points);
		return outcome;
	}
	bench->runs_count++;
	say(running.run, running.label);
	return OUTCOME_OK;
}
