/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parked records to the topics that they came from, in the order of each queue (parking.h), with a header that names
 * the row. The worker takes a row away in the transaction that handles its record, so that what is handed in twice does
 * nothing the second time. New records of the customer go on being parked until the last row is gone, so rows are
 * handed in until there are none.
 */
#include <endian.h>
#include <string.h>
#include <time.h>

#include "drawdown/batch.h"
#include "drawdown/json_print.h"
#include "drawdown/options.h"
#include "drawdown/parking.h"
#include "drawdown/postgres.h"
#include "drawdown/replay_producer.h"
#include "drawdown/terminal.h"
#include "parked.h"
#include "sql_files.h"

#define ROWS_MAX 500 /* read at a time */
#define PAUSE_NS 200000000
#define TIMEOUT_STANDARD (60 * INSTANT_SECOND)
#define HEADERS_MAX 1000

static const struct postgres_statement parked_queues = {
	"parked.release",
	"parked_queues",
	sql_parked_queues,
	{POSTGRES_INT4, POSTGRES_INT8, POSTGRES_INT8},
};
static const struct postgres_statement parked_rows = {
	"parked.release",
	"parked_rows",
	sql_parked_rows,
	{POSTGRES_INT8, POSTGRES_TEXT, POSTGRES_INT8, POSTGRES_BYTEA, POSTGRES_BYTEA, POSTGRES_BYTEA},
};

/* A queue of the customer, as it stands and as far as it was handed in. */
struct queue {
	int32_t partition;
	int64_t first, last;
	int64_t sent; /* the last ordinal; first - 1 at the beginning */
};

struct release {
	const struct options *options;
	const struct config *config;
	struct text customer_id;
	bool executes;
	int64_t timeout;
	struct postgres postgres;
	struct replay_producer producer;
	struct arena arena;
	struct queue queues[BATCH_SPANS_MAX];
	size_t queues_count;
	int64_t waiting_count;
	struct failure *failure;
};

/* ---- what waits ---- */

static struct queue *find_queue(struct release *release, int32_t partition)
{
	for (size_t i = 0; i < release->queues_count; i++)
		if (release->queues[i].partition == partition)
			return &release->queues[i];
	return NULL;
}

static void note_queue(struct release *release, int32_t partition, int64_t first, int64_t last)
{
	struct queue *queue = find_queue(release, partition);

	if (!queue) {
		if (release->queues_count == BATCH_SPANS_MAX)
			return; /* its turn comes when another is empty */
		queue = &release->queues[release->queues_count++];
		*queue = (struct queue){.partition = partition, .sent = first - 1};
	}
	/* A queue that was empty meanwhile begins at 1 again. */
	if (first < queue->first)
		queue->sent = first - 1;
	queue->first = first;
	queue->last = last;
}

static enum outcome look(struct release *release)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	arena_reset(&release->postgres.scratch);
	enum outcome outcome = postgres_connect(&release->postgres, release->failure);
	if (outcome != OUTCOME_OK)
		return outcome;
	postgres_params_init(&params, &release->postgres);
	postgres_put_text(postgres_add_value(&params), release->customer_id);
	outcome = postgres_query(&release->postgres, &parked_queues, &params, &result, release->failure);
	if (outcome != OUTCOME_OK)
		return outcome;
	release->waiting_count = 0;
	for (size_t i = 0; i < release->queues_count; i++)
		release->queues[i].last = release->queues[i].first - 1; /* unless it is among the rows */
	for (size_t i = 0; i < postgres_rows(result); i++) {
		struct postgres_row row = {.result = result, .row = (int)i};
		int32_t partition = postgres_get_int32(&row);
		int64_t first = postgres_get_int64(&row), last = postgres_get_int64(&row);
		note_queue(release, partition, first, last);
		release->waiting_count += last - first + 1;
	}
	return OUTCOME_OK;
}

/* ---- handing in ---- */

/* As the worker wrote them, without a mark of an earlier release. */
static size_t read_headers(struct text bytes, struct header *headers)
{
	size_t count = 0, at = 0;

	while (at + 4 <= bytes.size && count < HEADERS_MAX) {
		struct text parts[2];
		for (size_t i = 0; i < 2; i++) {
			uint32_t big;
			if (at + sizeof big > bytes.size)
				return count;
			memcpy(&big, bytes.data + at, sizeof big);
			uint32_t size = be32toh(big);
			at += sizeof big;
			parts[i] = TEXT_NULL;
			if (size == UINT32_MAX)
				continue;
			if (size > bytes.size - at)
				return count;
			parts[i] = (struct text){bytes.data + at, size};
			at += size;
		}
		if (!text_equal(parts[0], TEXT_LITERAL(PARKED_RELEASED_FROM)))
			headers[count++] = (struct header){parts[0], parts[1]};
	}
	return count;
}

/* With a NUL behind it. */
static const char *name_topic(struct release *release, struct text topic)
{
	char *name = arena_alloc(&release->arena, topic.size + 1);

	memcpy(name, topic.data, topic.size);
	name[topic.size] = '\0';
	return name;
}

static enum outcome send_row(struct release *release, const struct queue *queue, struct postgres_row *row)
{
	struct header *headers = arena_alloc_array(&release->arena, HEADERS_MAX + 1, sizeof *headers);
	struct text topic = postgres_get_text(row);
	int64_t offset = postgres_get_int64(row);
	struct replay_record record = {
		.topic = name_topic(release, topic),
		.partition = queue->partition,
		.headers = headers,
	};

	record.key = postgres_get_text(row);
	record.value = postgres_get_text(row);
	record.headers_count = read_headers(postgres_get_text(row), headers);
	headers[record.headers_count++] = (struct header){
		TEXT_LITERAL(PARKED_RELEASED_FROM),
		arena_format(
			&release->arena, "%.*s/%d/%lld", TEXT_ARGS(topic), (int)queue->partition, (long long)offset),
	};
	return replay_producer_send(&release->producer, &record, 1, release->failure);
}

static enum outcome send_rows(struct release *release, struct queue *queue)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	arena_reset(&release->postgres.scratch);
	arena_reset(&release->arena);
	postgres_params_init(&params, &release->postgres);
	postgres_put_text(postgres_add_value(&params), release->customer_id);
	postgres_put_int32(postgres_add_value(&params), queue->partition);
	postgres_put_int64(postgres_add_value(&params), queue->sent + 1);
	postgres_put_int64(postgres_add_value(&params), ROWS_MAX);
	enum outcome outcome = postgres_query(&release->postgres, &parked_rows, &params, &result, release->failure);
	for (size_t i = 0; outcome == OUTCOME_OK && i < postgres_rows(result); i++) {
		struct postgres_row row = {.result = result, .row = (int)i};
		int64_t ordinal = postgres_get_int64(&row);
		outcome = send_row(release, queue, &row);
		if (outcome == OUTCOME_OK)
			queue->sent = ordinal;
	}
	return outcome;
}

/* Everything that waits and was not handed in yet. */
static enum outcome send_all(struct release *release)
{
	enum outcome outcome = OUTCOME_OK;

	for (size_t i = 0; i < release->queues_count; i++) {
		struct queue *queue = &release->queues[i];
		while (outcome == OUTCOME_OK && queue->sent < queue->last) {
			int64_t before = queue->sent;
			outcome = send_rows(release, queue);
			if (queue->sent == before)
				break; /* taken away meanwhile */
		}
	}
	return outcome == OUTCOME_OK ? replay_producer_commit(&release->producer, release->failure) : outcome;
}

static enum outcome give_up(const struct release *release)
{
	(void)fail(release->failure, OUTCOME_FATAL, "parked.release",
		"%lld records of %.*s are handed in and still wait after %lld s", (long long)release->waiting_count,
		TEXT_ARGS(release->customer_id), (long long)(release->timeout / INSTANT_SECOND));
	fail_hint(release->failure,
		"is a worker running, and is the cause gone (drawdown parked list)? Then run it again");
	release->failure->exit_code = EXIT_TIMEOUT;
	return OUTCOME_FATAL;
}

/* Until no row is left, or none has gone for so long. */
static enum outcome release_all(struct release *release)
{
	const struct timespec pause = {0, PAUSE_NS};
	int64_t least = INT64_MAX, moved_at = monotonic_now();
	struct progress progress;
	enum outcome outcome = OUTCOME_OK;

	progress_begin(&progress, "records to release", 0);
	while (outcome == OUTCOME_OK) {
		outcome = look(release);
		if (outcome != OUTCOME_OK || release->waiting_count == 0)
			break;
		progress_update(&progress, 0, "%lld wait", (long long)release->waiting_count);
		if (release->waiting_count < least) {
			least = release->waiting_count;
			moved_at = monotonic_now();
		}
		outcome = send_all(release);
		if (outcome == OUTCOME_OK && monotonic_now() - moved_at > release->timeout)
			outcome = give_up(release);
		else if (outcome == OUTCOME_OK)
			(void)nanosleep(&pause, NULL);
	}
	progress_end(&progress);
	return outcome;
}

/* ---- all of it ---- */

static void print_result(const struct release *release, int64_t waited_count)
{
	struct json_printer json = {.out = stdout};

	if (release->options->json) {
		json_begin(&json, NULL, '{');
		json_text(&json, "customerId", release->customer_id);
		json_boolean(&json, "executed", release->executes);
		json_integer(&json, "records", waited_count);
		json_integer(&json, "handedIn", (int64_t)release->producer.committed_units);
		json_end(&json, '}');
		json_line(&json);
	} else if (release->executes) {
		printf("released %.*s: %llu records were handed in, none waits\n", TEXT_ARGS(release->customer_id),
			(unsigned long long)release->producer.committed_units);
	} else {
		printf("would release %lld records of %.*s; --execute does it\n", (long long)waited_count,
			TEXT_ARGS(release->customer_id));
	}
}

static enum outcome run(struct release *release, int64_t *ret_waited_count)
{
	enum outcome outcome = OUTCOME_OK;

	if (release->executes)
		outcome = replay_producer_open(
			&release->producer, release->config, "parked", "another release", release->failure);
	if (outcome == OUTCOME_OK)
		outcome = look(release);
	*ret_waited_count = release->waiting_count;
	return outcome == OUTCOME_OK && release->executes ? release_all(release) : outcome;
}

static int execute(struct release *release)
{
	const struct postgres_settings settings = {
		.url = release->config->database_url,
		.application_name = "drawdown parked",
		.statement_timeout = release->config->database_statement_timeout,
	};
	struct failure failure = {0};
	int64_t waited_count = 0;

	release->failure = &failure;
	postgres_init(&release->postgres, &settings);
	arena_init(&release->arena, 1 << 16);
	enum outcome outcome = run(release, &waited_count);
	if (outcome == OUTCOME_OK)
		print_result(release, waited_count);
	replay_producer_close(&release->producer);
	postgres_release(&release->postgres);
	arena_release(&release->arena);
	return outcome == OUTCOME_OK ? EXIT_OK : options_failed(release->options, &failure);
}

int command_parked_release(int argc, char **argv)
{
	static struct release release;
	const char *customer = NULL;
	const struct command_argument arguments[] = {
		{"CUSTOMER", "whose records", .text = &customer},
	};
	const struct command_option table[] = {
		{"execute", NULL, "do it; without this: only say what would be done", .flag = &release.executes},
		{"timeout", "TIME", "give up when no record was handled for so long (60s)",
			.duration = &release.timeout},
	};
	struct options options = {
		.command = "parked release",
		.summary = "hand the records of a parked customer in again, in order",
		.details =
			"Remove what made the database refuse them first. Records go to the topics that they came\n"
			"from, with a header that names the row in drawdown.parked; the worker handles each when its\n"
			"turn comes and takes the row away. The customer's new records wait behind them, and are\n"
			"handed in too, until none waits. An event without createdAt counts as of now. Cut off, or\n"
			"run twice, it does no harm.",
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.arguments = arguments,
		.arguments_count = 1,
		.examples = {"drawdown parked release acme", "drawdown parked release acme --execute"},
		.exit_codes = EXIT_CODE_BIT(EXIT_TIMEOUT) | EXIT_CODE_BIT(EXIT_FENCED),
		.config_needs = CONFIG_NEEDS_ALL,
		.prints_data = true,
	};
	struct config config;
	int exit_code;

	release = (struct release){.timeout = TIMEOUT_STANDARD};
	if (!options_parse(&options, argc, argv, &exit_code))
		return exit_code;
	if (!text_is_customer_id(text_of(customer)))
		return options_error(&options, "CUSTOMER is not a customer id");
	if (!options_load_config(&options, &config, &exit_code))
		return exit_code;
	release.options = &options;
	release.config = &config;
	release.customer_id = text_of(customer);
	exit_code = execute(&release);
	config_release(&config);
	return exit_code;
}
