/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "drawdown/batch.h"
#include "drawdown/decode.h"
#include "drawdown/instant.h"

#define LIVE_SILENCE_MAX (60 * INSTANT_SECOND)
#define BUCKETS_MAX 16
#define KINDS_COUNT (EVENT_KIND_COUNT + 1) /* and the unreadable */
#define REASONS_MAX 32

struct family {
	const char *name;
	const char *help;
};

static const struct family counter_families[COUNTER_COUNT] = {
	[COUNTER_BATCHES] = {"drawdown_batches_total", "Batches published."},
	[COUNTER_RECOVERY_BATCHES] = {"drawdown_recovery_batches_total", "Recovery batches published."},
	[COUNTER_ENTRIES] = {"drawdown_ledger_entries_total", "Ledger entries written and published."},
	[COUNTER_RECALLED_ENTRIES] = {"drawdown_ledger_entries_recalled_total",
		"Ledger entries read back and published again."},
	[COUNTER_LANE_RETRIES] = {"drawdown_lane_retries_total", "Lane transactions run again."},
	[COUNTER_REWINDS] = {"drawdown_rewinds_total", "Times that work in flight was dropped and read again."},
	[COUNTER_PRODUCERS_CREATED] = {"drawdown_producers_created_total",
		"Kafka producers made, the first one included."},
	[COUNTER_HANDLES_LEFT] = {"drawdown_handles_left_total", "Kafka producers left behind by the watchdog."},
	[COUNTER_MISROUTED] = {"drawdown_inputs_misrouted_total", "Inputs outside of their customer's partition."},
	[COUNTER_FENCED] = {"drawdown_fenced_total", "Times that partitions turned out to be another worker's."},
	[COUNTER_ASSIGNMENTS] = {"drawdown_assignments_total", "Assignments of partitions received."},
	[COUNTER_SWEEPS] = {"drawdown_sweeps_total", "Times that the due accounts were gone through."},
	[COUNTER_ADVANCES_SENT] = {"drawdown_advances_sent_total", "Advances sent to idle accounts."},
	[COUNTER_KEEPER_FAILURES] = {"drawdown_keeper_failures_total",
		"Failures of the sweeper and of the dropping of receipts."},
	[COUNTER_GENERATIONS_DROPPED] = {"drawdown_receipt_generations_dropped_total",
		"Generations of receipts dropped."},
	[COUNTER_SCHEMAS_UNKNOWN] = {"drawdown_schemas_unknown_total",
		"Times that a schema turned out to be known to nobody."},
};

static const char *const stage_names[STAGE_COUNT] = {
	[STAGE_DECODE] = "decode",
	[STAGE_LOCK] = "lock",
	[STAGE_LOOK_UP] = "look_up",
	[STAGE_RECALL] = "recall",
	[STAGE_RESOLVE] = "resolve",
	[STAGE_SETTLE] = "settle",
	[STAGE_COMMIT] = "commit",
	[STAGE_ENCODE] = "encode",
	[STAGE_PUBLISH] = "publish",
};

static const char *const state_names[WORKER_STATE_COUNT] = {
	[WORKER_STARTING] = "starting",
	[WORKER_WAITING] = "waiting",
	[WORKER_CLAIMING] = "claiming",
	[WORKER_RECOVERING] = "recovering",
	[WORKER_RUNNING] = "running",
	[WORKER_DRAINING] = "draining",
	[WORKER_REWINDING] = "rewinding",
	[WORKER_STOPPING] = "stopping",
};

/* Upper bounds of the buckets, and how many fell into each; the last bucket has none. */
struct histogram {
	_Atomic uint64_t buckets[BUCKETS_MAX + 1];
	_Atomic uint64_t sum;
};
static const uint64_t stage_bounds[BUCKETS_MAX] = {100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000,
	500000, 1000000, 5000000, 10000000, 30000000};
static const uint64_t batch_bounds[BUCKETS_MAX] = {
	1, 3, 10, 30, 100, 300, 1000, 2000, 3000, 5000, 7500, 10000, 20000, 50000, 100000, 1000000};

struct position {
	enum input input;
	int32_t partition;
	int64_t read;
	int64_t position; /* once `read` is published */
	int64_t published;
	int64_t log_end;
};

static struct {
	_Atomic uint64_t counters[COUNTER_COUNT];
	_Atomic uint64_t inputs[KINDS_COUNT][RESULT_KIND_COUNT];
	_Atomic uint64_t dead_letters[REASONS_MAX]; /* as defect_reasons; others where that ends */
	_Atomic uint64_t errors[OUTCOME_FATAL + 1];
	_Atomic uint64_t registry_answers[OUTCOME_FATAL + 1];
	_Atomic uint64_t schemas_known, schema_waits;
	_Atomic uint64_t parked[BATCH_LANES_MAX];
	struct histogram stages[STAGE_COUNT];
	struct histogram batch_sizes;
	atomic_int state;
	_Atomic(const char *) why_not_ready; /* NULL: ready */
	_Atomic int64_t due_age;
	_Atomic int64_t heartbeat_at; /* 0: never yet */
	_Atomic(const char *) input_topics[INPUT_COUNT];
	pthread_mutex_t positions_mutex;
	struct position positions[BATCH_SPANS_MAX];
	size_t positions_count;
} metrics = {
	.why_not_ready = "starting",
	.input_topics = {[INPUT_USAGE] = "usage", [INPUT_COMMANDS] = "commands"},
	.positions_mutex = PTHREAD_MUTEX_INITIALIZER,
};

const char *metrics_stage_name(enum stage stage)
{
	return (unsigned)stage < STAGE_COUNT ? stage_names[stage] : "unknown";
}

const char *worker_state_name(enum worker_state state)
{
	return (unsigned)state < WORKER_STATE_COUNT ? state_names[state] : "unknown";
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	(void)atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t get(_Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void metrics_count(enum counter counter, uint64_t n)
{
	if ((unsigned)counter < COUNTER_COUNT)
		add(&metrics.counters[counter], n);
}

void metrics_count_input(int kind, enum result_kind result, uint64_t n)
{
	size_t row = kind >= 0 && kind < EVENT_KIND_COUNT ? (size_t)kind : EVENT_KIND_COUNT;

	if ((unsigned)result < RESULT_KIND_COUNT)
		add(&metrics.inputs[row][result], n);
}

void metrics_count_dead_letter(const char *reason)
{
	size_t row = 0;

	while (defect_reasons[row] && strcmp(defect_reasons[row], reason) != 0)
		row++;
	assert(row < REASONS_MAX);
	add(&metrics.dead_letters[row], 1);
}

void metrics_count_error(enum outcome outcome)
{
	if ((unsigned)outcome <= OUTCOME_FATAL)
		add(&metrics.errors[outcome], 1);
}

void metrics_count_registry(enum outcome outcome)
{
	if ((unsigned)outcome <= OUTCOME_FATAL)
		add(&metrics.registry_answers[outcome], 1);
}

void metrics_set_schemas_known(size_t count)
{
	atomic_store(&metrics.schemas_known, count);
}

void metrics_set_parked(size_t lane, size_t customers_count)
{
	atomic_store(&metrics.parked[lane], customers_count);
}

static uint64_t count_parked(void)
{
	uint64_t count = 0;

	for (size_t i = 0; i < BATCH_LANES_MAX; i++)
		count += get(&metrics.parked[i]);
	return count;
}

void metrics_set_schema_waits(size_t pairs_count)
{
	atomic_store(&metrics.schema_waits, pairs_count);
}

static void observe(struct histogram *histogram, const uint64_t *bounds, uint64_t value)
{
	size_t bucket = 0;

	while (bucket < BUCKETS_MAX && value > bounds[bucket])
		bucket++;
	add(&histogram->buckets[bucket], 1);
	add(&histogram->sum, value);
}

void metrics_observe_stage(enum stage stage, int64_t microseconds)
{
	if ((unsigned)stage < STAGE_COUNT)
		observe(&metrics.stages[stage], stage_bounds, microseconds > 0 ? (uint64_t)microseconds : 0);
}

void metrics_observe_batch_size(size_t records_count)
{
	observe(&metrics.batch_sizes, batch_bounds, records_count);
}

/* NULL: not known yet. The mutex is held. */
static struct position *find_position(enum input input, int32_t partition)
{
	for (size_t i = 0; i < metrics.positions_count; i++)
		if (metrics.positions[i].input == input && metrics.positions[i].partition == partition)
			return &metrics.positions[i];
	return NULL;
}

void metrics_set_position(enum input input, int32_t partition, int64_t read, int64_t position, int64_t log_end)
{
	(void)pthread_mutex_lock(&metrics.positions_mutex);
	struct position *at = find_position(input, partition);
	if (!at && metrics.positions_count < BATCH_SPANS_MAX) {
		at = &metrics.positions[metrics.positions_count++];
		*at = (struct position){.input = input, .partition = partition, .published = read};
	}
	if (at) {
		at->read = read;
		at->position = position;
		at->log_end = log_end;
	}
	(void)pthread_mutex_unlock(&metrics.positions_mutex);
}

void metrics_set_published(enum input input, int32_t partition, int64_t published)
{
	(void)pthread_mutex_lock(&metrics.positions_mutex);
	struct position *at = find_position(input, partition);
	if (at)
		at->published = published;
	(void)pthread_mutex_unlock(&metrics.positions_mutex);
}

void metrics_forget_positions(void)
{
	(void)pthread_mutex_lock(&metrics.positions_mutex);
	metrics.positions_count = 0;
	(void)pthread_mutex_unlock(&metrics.positions_mutex);
}

void metrics_set_due_age(int64_t age)
{
	atomic_store(&metrics.due_age, age > 0 ? age : 0);
}

void metrics_set_state(enum worker_state state)
{
	atomic_store(&metrics.state, (int)state);
}

enum worker_state metrics_state(void)
{
	return (enum worker_state)atomic_load(&metrics.state);
}

void metrics_set_ready(bool ready, const char *why_not)
{
	atomic_store(&metrics.why_not_ready, ready ? NULL : why_not ? why_not : "not ready");
}

void metrics_heartbeat(void)
{
	atomic_store(&metrics.heartbeat_at, monotonic_now());
}

void metrics_name_inputs(const char *const topics[INPUT_COUNT])
{
	for (size_t i = 0; i < INPUT_COUNT; i++)
		atomic_store(&metrics.input_topics[i], topics[i]);
}

bool metrics_is_live(const char **ret_reason)
{
	int64_t heartbeat_at = atomic_load(&metrics.heartbeat_at);
	bool live = heartbeat_at == 0 || monotonic_now() - heartbeat_at <= LIVE_SILENCE_MAX;

	*ret_reason = live ? "ok" : "the loop has not turned for a minute";
	return live;
}

bool metrics_is_ready(const char **ret_reason)
{
	const char *why_not = atomic_load(&metrics.why_not_ready);

	*ret_reason = why_not ? why_not : "ok";
	return why_not == NULL;
}

/* --- writing --- */

static void write_head(FILE *out, const char *name, const char *type, const char *help)
{
	(void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_seconds(FILE *out, uint64_t microseconds)
{
	(void)fprintf(out, "%" PRIu64 ".%06" PRIu64, microseconds / 1000000, microseconds % 1000000);
}

static void write_counters(FILE *out)
{
	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		const struct family *family = &counter_families[i];
		write_head(out, family->name, "counter", family->help);
		(void)fprintf(out, "%s %" PRIu64 "\n", family->name, get(&metrics.counters[i]));
	}
}

static void write_inputs(FILE *out)
{
	write_head(out, "drawdown_inputs_total", "counter", "Inputs published, by kind and by what became of them.");
	for (size_t kind = 0; kind < KINDS_COUNT; kind++) {
		bool readable = kind < EVENT_KIND_COUNT;
		const char *name = readable ? event_kind_name((enum event_kind)kind) : "unreadable";
		for (int result = RESULT_APPLIED; result < RESULT_KIND_COUNT; result++) {
			if (readable == (result == RESULT_DEAD_LETTERED))
				continue; /* the unreadable are dead-lettered, and they alone */
			(void)fprintf(out, "drawdown_inputs_total{kind=\"%s\",outcome=\"%s\"} %" PRIu64 "\n", name,
				result_kind_name((enum result_kind)result), get(&metrics.inputs[kind][result]));
		}
	}
}

static void write_dead_letters(FILE *out)
{
	static const char *const name = "drawdown_dead_letters_total";
	size_t row = 0;

	write_head(out, name, "counter", "Dead letters published, by reason.");
	for (; defect_reasons[row]; row++)
		(void)fprintf(out, "%s{reason=\"%s\"} %" PRIu64 "\n", name, defect_reasons[row],
			get(&metrics.dead_letters[row]));
	(void)fprintf(out, "%s{reason=\"other\"} %" PRIu64 "\n", name, get(&metrics.dead_letters[row]));
}

static void write_errors(FILE *out)
{
	write_head(out, "drawdown_errors_total", "counter", "Failures met, by the action that they asked for.");
	for (int outcome = OUTCOME_RETRY; outcome <= OUTCOME_FATAL; outcome++)
		(void)fprintf(out, "drawdown_errors_total{class=\"%s\"} %" PRIu64 "\n",
			outcome_name((enum outcome)outcome), get(&metrics.errors[outcome]));
}

/* `label` is `stage="lock"` or empty; seconds: the values are microseconds and shown as seconds. */
static void write_histogram(FILE *out, const char *name, const char *label, struct histogram *histogram,
	const uint64_t *bounds, bool seconds)
{
	const char *comma = *label ? "," : "";
	uint64_t count = 0;

	for (size_t i = 0; i <= BUCKETS_MAX; i++) {
		count += get(&histogram->buckets[i]);
		(void)fprintf(out, "%s_bucket{%s%sle=\"", name, label, comma);
		if (i == BUCKETS_MAX)
			(void)fputs("+Inf", out);
		else if (seconds)
			write_seconds(out, bounds[i]);
		else
			(void)fprintf(out, "%" PRIu64, bounds[i]);
		(void)fprintf(out, "\"} %" PRIu64 "\n", count);
	}
	(void)fprintf(out, *label ? "%s_sum{%s} " : "%s_sum%s ", name, label);
	if (seconds)
		write_seconds(out, get(&histogram->sum));
	else
		(void)fprintf(out, "%" PRIu64, get(&histogram->sum));
	(void)fputc('\n', out);
	(void)fprintf(out, *label ? "%s_count{%s} " : "%s_count%s ", name, label);
	(void)fprintf(out, "%" PRIu64 "\n", count);
}

static void write_histograms(FILE *out)
{
	char label[32];

	write_head(out, "drawdown_stage_duration_seconds", "histogram",
		"Time that a batch, or a lane's part, took in a stage.");
	for (size_t i = 0; i < STAGE_COUNT; i++) {
		(void)snprintf(label, sizeof label, "stage=\"%s\"", stage_names[i]);
		write_histogram(out, "drawdown_stage_duration_seconds", label, &metrics.stages[i], stage_bounds, true);
	}
	write_head(out, "drawdown_batch_records", "histogram", "Records in a batch.");
	write_histogram(out, "drawdown_batch_records", "", &metrics.batch_sizes, batch_bounds, false);
}

static void write_positions(FILE *out)
{
	static const struct family families[] = {
		{"drawdown_lag_records",
			"Records of a partition whose outputs are still to be committed, from our own position."},
		{"drawdown_position", "Offset behind the last record whose outputs are committed."},
	};
	struct position positions[BATCH_SPANS_MAX];

	(void)pthread_mutex_lock(&metrics.positions_mutex);
	size_t count = metrics.positions_count;
	memcpy(positions, metrics.positions, count * sizeof positions[0]);
	(void)pthread_mutex_unlock(&metrics.positions_mutex);
	for (size_t family = 0; family < sizeof families / sizeof families[0]; family++) {
		write_head(out, families[family].name, "gauge", families[family].help);
		for (size_t i = 0; i < count; i++) {
			const struct position *at = &positions[i];
			int64_t position = at->published < at->read ? at->published : at->position;
			int64_t lag = at->log_end > position ? at->log_end - position : 0;
			(void)fprintf(out, "%s{topic=\"%s\",partition=\"%" PRId32 "\"} %" PRId64 "\n",
				families[family].name, atomic_load(&metrics.input_topics[at->input]), at->partition,
				family == 0 ? lag : position);
		}
	}
}

static void write_state(FILE *out)
{
	enum worker_state state = metrics_state();
	const char *reason;

	write_head(out, "drawdown_state", "gauge", "1 for the state that the worker is in.");
	for (int i = 0; i < WORKER_STATE_COUNT; i++)
		(void)fprintf(out, "drawdown_state{state=\"%s\"} %d\n", state_names[i], i == (int)state);
	write_head(out, "drawdown_ready", "gauge", "1 where /readyz says ok.");
	(void)fprintf(out, "drawdown_ready %d\n", metrics_is_ready(&reason));
	write_head(out, "drawdown_build_info", "gauge", "1, with the version.");
	(void)fprintf(out, "drawdown_build_info{version=\"%s\"} 1\n", DRAWDOWN_VERSION);
}

static void write_due(FILE *out)
{
	write_head(out, "drawdown_due_oldest_seconds", "gauge",
		"How long the idle account that waits longest for its advance has been due; 0: none waits.");
	(void)fputs("drawdown_due_oldest_seconds ", out);
	write_seconds(out, (uint64_t)atomic_load(&metrics.due_age));
	(void)fputc('\n', out);
}

static void write_schemas(FILE *out)
{
	static const enum outcome failures[] = {OUTCOME_RETRY, OUTCOME_FATAL};
	uint64_t requests = 0;

	for (int outcome = OUTCOME_OK; outcome <= OUTCOME_FATAL; outcome++)
		requests += get(&metrics.registry_answers[outcome]);
	write_head(out, "drawdown_registry_requests_total", "counter", "Questions to the schema registry.");
	(void)fprintf(out, "drawdown_registry_requests_total %" PRIu64 "\n", requests);
	write_head(out, "drawdown_registry_failures_total", "counter",
		"Those that brought nothing: retry where it was not reached or not well, fatal where it refused.");
	for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
		(void)fprintf(out, "drawdown_registry_failures_total{class=\"%s\"} %" PRIu64 "\n",
			outcome_name(failures[i]), get(&metrics.registry_answers[failures[i]]));
	write_head(out, "drawdown_schemas_known", "gauge", "Writers' schemas that were learnt, by id or fingerprint.");
	(void)fprintf(out, "drawdown_schemas_known %" PRIu64 "\n", get(&metrics.schemas_known));
	write_head(out, "drawdown_parked_customers", "gauge",
		"Customers whose records wait in drawdown.parked, of those that the worker owns.");
	(void)fprintf(out, "drawdown_parked_customers %" PRIu64 "\n", count_parked());
	write_head(out, "drawdown_schema_waits", "gauge",
		"Pairs of partitions that wait for the schema of their next record.");
	(void)fprintf(out, "drawdown_schema_waits %" PRIu64 "\n", get(&metrics.schema_waits));
}

static uint64_t resident_size(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	uint64_t total, resident = 0;

	if (file && fscanf(file, "%" SCNu64 " %" SCNu64, &total, &resident) != 2)
		resident = 0;
	if (file)
		(void)fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void write_process(FILE *out)
{
	struct rusage usage = {0};

	(void)getrusage(RUSAGE_SELF, &usage);
	uint64_t cpu = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
		       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
	write_head(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.");
	(void)fprintf(out, "process_resident_memory_bytes %" PRIu64 "\n", resident_size());
	write_head(out, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.");
	(void)fputs("process_cpu_seconds_total ", out);
	write_seconds(out, cpu);
	(void)fputc('\n', out);
}

void metrics_write(FILE *out)
{
	write_inputs(out);
	write_dead_letters(out);
	write_counters(out);
	write_errors(out);
	write_histograms(out);
	write_positions(out);
	write_due(out);
	write_schemas(out);
	write_state(out);
	write_process(out);
}
