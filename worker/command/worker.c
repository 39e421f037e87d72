/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings the worker's parts up in an order in which nothing is touched before
 * all that can be known to be wrong is known, runs the loop, and takes the
 * parts down under a deadline: a close of librdkafka can hang, and whatever
 * matters is durable by then.
 */
#include "drawdown/worker.h"

#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "drawdown/admin.h"
#include "drawdown/command.h"
#include "drawdown/instant.h"
#include "drawdown/keeper.h"
#include "drawdown/log.h"
#include "drawdown/metrics.h"
#include "drawdown/options.h"
#include "drawdown/publish_kafka.h"
#include "drawdown/schemas.h"
#include "drawdown/signals.h"
#include "drawdown/source_kafka.h"
#include "drawdown/store_postgres.h"
#include "drawdown/worker_process.h"

#define START_PATIENCE (60 * INSTANT_SECOND) /* servers may come up after us */
#define START_PAUSE (INSTANT_SECOND / 2)
#define START_LOG_INTERVAL (5 * INSTANT_SECOND)
#define CLOSE_SECONDS_MAX 15 /* after a stop as asked: the group is left in it */
#define CLOSE_FATAL_SECONDS_MAX 3
#define HEAPS_MAX 4
#define KEEPER_TIMEOUT (5 * INSTANT_SECOND)
#define SCHEMAS_TIMEOUT (5 * INSTANT_SECOND)

struct process {
	struct config config;
	worker_store_open *store_open_function;
	struct admin *admin;
	struct store store;
	struct publish publish;
	struct source source;
	struct schemas *schemas;
	bool store_open, publish_open, source_open;
	int64_t begun_at;
};

typedef enum outcome open_function(struct process *process, struct failure *reterr);

static enum outcome open_store(struct process *process, struct failure *reterr)
{
	enum outcome outcome = process->store_open_function(&process->store, &process->config, reterr);

	process->store_open = outcome == OUTCOME_OK;
	return outcome;
}

/* What the worker needs to know of schemas before it begins: the kept ones, and its outputs' ids. */
static enum outcome open_schemas(struct process *process, struct failure *reterr)
{
	struct library library;
	enum outcome outcome = library_open(&library, &process->config, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	outcome = library_find_output_ids(&library, process->config.encoding.schema_ids, reterr);
	if (outcome != OUTCOME_OK) {
		library.close(library.self);
		return outcome;
	}
	return schemas_open(&process->schemas, &process->config, &library, reterr);
}

static enum outcome open_publish(struct process *process, struct failure *reterr)
{
	enum outcome outcome = publish_kafka_new(&process->publish, &process->config, reterr);

	process->publish_open = outcome == OUTCOME_OK;
	return outcome;
}

static enum outcome open_source(struct process *process, struct failure *reterr)
{
	enum outcome outcome = source_kafka_open(&process->source, &process->config, process->schemas, reterr);

	process->source_open = outcome == OUTCOME_OK;
	return outcome;
}

/* Again and again while the server cannot be reached. RETRY: a signal came first, or patience ended. */
static enum outcome open_patiently(struct process *process, open_function *open_part, struct failure *reterr)
{
	int64_t logged_at = 0;

	for (;;) {
		enum outcome outcome = open_part(process, reterr);
		int64_t now = monotonic_now();
		metrics_heartbeat();
		if (outcome != OUTCOME_RETRY || now - process->begun_at >= START_PATIENCE)
			return outcome;
		if (logged_at == 0 || now - logged_at >= START_LOG_INTERVAL) {
			log_failure(LOG_WARNING, reterr);
			logged_at = now;
		}
		if (signals_wait(START_PAUSE))
			return OUTCOME_RETRY;
	}
}

/* The source comes last: it joins the group. */
static enum outcome open_all(struct process *process, struct failure *reterr)
{
	static const struct {
		open_function *open_part;
		const char *waiting_for;
	} parts[] = {
		{open_store, "waiting for PostgreSQL"},
		{open_schemas, "waiting for PostgreSQL, or for the schema registry"},
		{open_publish, "waiting for Kafka"},
		{open_source, "waiting for Kafka"},
	};

	process->begun_at = monotonic_now();
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		metrics_set_ready(false, parts[i].waiting_for);
		enum outcome outcome = open_patiently(process, parts[i].open_part, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
	}
	return OUTCOME_OK;
}

struct deadline {
	unsigned seconds;
	int exit_code;
};

static void *enforce_deadline(void *argument)
{
	const struct deadline *deadline = argument;

	for (unsigned left = deadline->seconds; left > 0;)
		left = sleep(left);
	log_line(LOG_WARNING, "worker.close", "a part did not close within %u s; nothing is lost", deadline->seconds);
	_exit(deadline->exit_code);
}

/* From here on the process ends within `seconds`, with this code. */
static void begin_deadline(unsigned seconds, int exit_code)
{
	static struct deadline deadline;
	pthread_t thread;

	deadline = (struct deadline){seconds, exit_code};
	if (pthread_create(&thread, NULL, enforce_deadline, &deadline) != 0)
		_exit(exit_code);
	(void)pthread_detach(thread);
}

static void close_all(struct process *process)
{
	if (process->source_open)
		process->source.close(process->source.self);
	if (process->publish_open)
		process->publish.close(process->publish.self);
	(void)schemas_close(process->schemas, SCHEMAS_TIMEOUT); /* behind the source, which borrows them */
	if (process->store_open)
		process->store.close(process->store.self);
	admin_close(process->admin);
	config_release(&process->config);
}

/* What the loop came to, logged, as an exit code. */
static int report(enum outcome outcome, const struct failure *failure)
{
	if (outcome == OUTCOME_OK) {
		log_line(LOG_INFO, "worker.stopped", "stopped as asked");
		return EXIT_OK;
	}
	log_failure(LOG_ERROR, failure);
	return failure->exit_code == EXIT_OK ? EXIT_FAILED : (int)failure->exit_code;
}

static int run(struct process *process)
{
	struct failure failure = {0};
	struct worker *worker = NULL;
	struct keeper *keeper = NULL;
	enum outcome outcome = open_all(process, &failure);

	if (outcome == OUTCOME_RETRY && signals_wait(0)) {
		outcome = OUTCOME_OK; /* told to stop before there was anything to stop */
	} else if (outcome == OUTCOME_OK) {
		worker = worker_new(&process->config, schemas_decoder(process->schemas), &process->source,
			&process->store, &process->publish);
		keeper = keeper_new(&process->config, worker_ownership(worker));
		signals_tell(worker);
		outcome = worker_run(worker, &failure);
		signals_tell(NULL);
	}
	int exit_code = report(outcome, &failure);
	metrics_set_ready(false, "stopping");
	begin_deadline(outcome == OUTCOME_OK ? CLOSE_SECONDS_MAX : CLOSE_FATAL_SECONDS_MAX, exit_code);
	bool has_keeper_ended = keeper_free(keeper, KEEPER_TIMEOUT);
	if (!has_keeper_ended || (worker && worker_has_left_threads(worker)))
		_exit(exit_code);
	worker_free(worker);
	return exit_code;
}

static void log_start(const struct config *config)
{
	log_line(LOG_INFO, "worker.start",
		"drawdown %s, replica %s, group %s, %" PRId64 " lanes, inputs %s and %s, admin port %" PRId64,
		DRAWDOWN_VERSION, config->replica_id, config->group_id, config->database_lanes,
		config->input_topics[INPUT_USAGE], config->input_topics[INPUT_COMMANDS], config->admin_port);
}

/* A heap a thread would keep what each thread needed at its worst. */
static void limit_heaps(void)
{
#ifdef M_ARENA_MAX
	(void)mallopt(M_ARENA_MAX, HEAPS_MAX);
#endif
}

int worker_process_run(const struct config *config, worker_store_open *store_open_function)
{
	struct process process = {.config = *config, .store_open_function = store_open_function};
	struct failure failure = {0};
	enum outcome outcome;

	limit_heaps();
	log_configure(process.config.log_level, process.config.log_json);
	signals_begin();
	log_start(&process.config);
	metrics_set_state(WORKER_STARTING);
	metrics_name_inputs(process.config.encoding.input_topics);
	outcome = admin_open(&process.admin, &process.config, &failure);
	int exit_code = outcome == OUTCOME_OK ? run(&process) : report(outcome, &failure);
	close_all(&process);
	return exit_code;
}

int command_worker(int argc, char **argv)
{
	struct options options = {
		.command = "worker",
		.summary = "read usage and commands from Kafka, debit in PostgreSQL, publish the ledger",
		.details =
			"Runs until SIGTERM or SIGINT: the first finishes the batch in hand and leaves the group, a "
			"second\n"
			"abandons it; both lose nothing. Start as many replicas as there are partitions, each with a\n"
			"replica.id of its own. Logs go to stderr.",
		.examples = {"drawdown worker --config /etc/drawdown/drawdown.conf",
			"drawdown worker --set replica.id=worker-2 --set admin.port=9465"},
		.exit_codes = EXIT_CODE_BIT(EXIT_FENCED) | EXIT_CODE_BIT(EXIT_POSITIONS) | EXIT_CODE_BIT(EXIT_STUCK) |
			      EXIT_CODE_BIT(EXIT_SCHEMA) | EXIT_CODE_BIT(EXIT_TOPICS) | EXIT_CODE_BIT(EXIT_WINDOW),
		.config_needs = CONFIG_NEEDS_ALL,
	};
	struct config config;
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code) || !options_load_config(&options, &config, &exit_code))
		return exit_code;
	return worker_process_run(&config, store_postgres_open);
}
