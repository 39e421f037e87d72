/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of `drawdown bench`. What is measured runs in processes of its own and is looked at from outside: the
 * group's offsets, /proc, /metrics, PostgreSQL's own statistics.
 *
 *     bench.c           the command line, and what is measured in which order
 *     bench_site.c      a database, topics and a group for one measurement
 *     bench_load.c      topics full of events, and grants by a real worker
 *     bench_process.c   the processes that are measured
 *     bench_admin.c     a worker's /metrics
 *     bench_watch.c     how far a group is, and what PostgreSQL does meanwhile
 *     bench_database.c  what PostgreSQL knows of itself
 *     bench_machine.c   what it runs on
 *     bench_run.c       one run, from first poll to last commit
 *     bench_floor.c     the worker over a store that does no work
 *     bench_shapes.c    other loads, bigger ledgers, more replicas
 *     bench_latency.c   open loop
 *     bench_transaction.c  one bare Kafka transaction
 *     bench_goals.c, bench_table.c, bench_json.c, bench_pictures.c   what came of it
 */
#ifndef DRAWDOWN_BENCH_H
#define DRAWDOWN_BENCH_H

#include <sys/types.h>

#include "drawdown/batch.h"
#include "drawdown/config.h"
#include "drawdown/generator.h"
#include "drawdown/json_print.h"
#include "drawdown/kafka.h"
#include "drawdown/metrics.h"
#include "drawdown/options.h"
#include "drawdown/postgres.h"
#include "drawdown/terminal.h"

#define BENCH_CURRENCY "ai-tokens"
#define BENCH_GRANT (10000000 * CREDIT_ONE) /* each: more than any customer uses up */
#define BENCH_NAME_SIZE 64
#define BENCH_RUNS_MAX 200
#define BENCH_REPLICAS_MAX 8
#define BENCH_STATEMENTS_MAX 14
#define BENCH_WAITS_MAX 16
#define BENCH_LOADS 2 /* latency: 10 % and 50 % */

struct bench_settings {
	int64_t events, shape_events, customers, repetitions, shape_repetitions, memory_events;
	int64_t per_event_events, batched_events; /* of the baselines */
	int64_t latency_time;			  /* microseconds, of each load */
	int64_t ledger_rows;			  /* of the biggest */
	int64_t transactions;
	double rate; /* what the loads of the latency are shares of; 0: as measured */
	uint64_t seed;
	bool keeps; /* databases and topics */
	const char *only;
	const char *json_path, *pictures_path;
	const char *per_event_command, *batched_command;
};

/* What is measured: the names of --only. */
enum bench_part {
	PART_THROUGHPUT,
	PART_FLOOR,
	PART_PER_EVENT,
	PART_BATCHED,
	PART_TRANSACTION,
	PART_LATENCY,
	PART_SHAPES,
	PART_LEDGERS,
	PART_REPLICAS,
	PART_MEMORY,
	PART_COUNT,
};
const char *bench_part_name(enum bench_part part);

/* A topic of events, and where they stand. */
struct bench_load {
	char topic[BENCH_NAME_SIZE];
	int32_t partitions_count;
	int64_t begins[BATCH_SPANS_MAX], ends[BATCH_SPANS_MAX]; /* offsets; ends: behind the last event */
	int64_t events, duplicates;
	double bytes; /* mean size of an event's value */
};

/* What one measurement runs in. */
struct bench_site {
	char name[BENCH_NAME_SIZE]; /* of the group; topics begin with it */
	char database[BENCH_NAME_SIZE];
	char *url;
	struct option_list settings; /* of its workers */
	struct arena arena;	     /* of the texts above */
	struct config config;
	bool has_config;
};

struct bench_process {
	pid_t pid; /* 0: none */
	int port;  /* of /metrics; 0: has none */
	char log[160];
	int status; /* once it has ended */
	double cpu; /* seconds, its whole life */
	int64_t rss_max;
};

/* Of a worker's /metrics. */
struct bench_metrics {
	double stage_seconds[STAGE_COUNT];
	double batches, inputs[RESULT_KIND_COUNT], entries, retries, rewinds;
	int partitions_count; /* that it owns */
	bool is_running;
};

struct bench_point {
	double seconds;
	int64_t events;
};

struct bench_statement {
	char text[80];
	int64_t calls, rows;
	double seconds;
};

struct bench_wait {
	char name[64];
	int64_t count;
};

/* One run. Times in seconds. */
struct bench_run {
	const char *part, *shape; /* "throughput", "JSON"; static */
	int repetition, replicas;
	int64_t events, entries;
	double begun, seconds, per_s;
	double startup;			       /* from the processes' start to the first poll */
	double cpu, cpu_postgres, cpu_machine; /* cpu_postgres < 0: not known, as where the server is elsewhere */
	int64_t rss_max;
	struct bench_metrics metrics; /* sums of all replicas */
	struct bench_point *points;
	size_t points_count, points_capacity;
	struct bench_statement statements[BENCH_STATEMENTS_MAX];
	size_t statements_count;
	struct bench_wait waits[BENCH_WAITS_MAX];
	size_t waits_count;
	int64_t wait_samples;
	bool had_checkpoint; /* right before */
};

/* Milliseconds. */
struct bench_percentiles {
	int64_t count;
	double p50, p99, p999, max;
};

struct bench_latency {
	double share, rate, achieved; /* events a second: asked for, and sent */
	int64_t sent, late;	      /* sent more than BENCH_LATE after their time */
	double late_max;	      /* milliseconds */
	struct bench_percentiles ledger, postgres;
	bool has_postgres;
	struct bench_metrics metrics;
};

struct bench_memory {
	int64_t events, rss_max, rss_behind, rss_idle; /* bytes; behind: when the backlog was gone */
};

struct bench {
	const struct options *options;
	struct config config; /* the servers, as given */
	struct bench_settings settings;
	bool is_wanted[PART_COUNT];
	char id[BENCH_NAME_SIZE]; /* begins every name */
	char directory[64];	  /* logs */
	struct arena arena;
	rd_kafka_t *kafka;
	struct postgres postgres; /* the database that was given: makes the others, looks on */
	bool has_statements, has_commit_times, has_prewarm; /* what the server can tell and do */
	bool is_local;					    /* the server runs here: /proc knows it */
	char template[BENCH_NAME_SIZE];	      /* the database in which every customer has a grant; empty: not yet */
	char empty_template[BENCH_NAME_SIZE]; /* the schema alone; the same */
	struct bench_load main_load;	      /* topic empty: not yet */
	int sites_count, topics_count;
	int64_t begun_at; /* monotonic */
	double seconds;	  /* all of it */

	struct bench_run runs[BENCH_RUNS_MAX];
	size_t runs_count;
	struct bench_latency latencies[BENCH_LOADS];
	size_t latencies_count;
	struct bench_percentiles transaction;
	struct bench_memory memory;
	const char *missing[PART_COUNT]; /* why a part that was wanted was not measured */
};

/* ---- signals ---- */

void bench_catch_signals(void);
/* FATAL once a signal has come. */
enum outcome bench_check(struct failure *reterr);
/* Sleeps so long, or less when a signal comes. */
void bench_pause(int64_t microseconds);

/* ---- sites ---- */

/* The servers: opens bench->kafka and bench->postgres. */
enum outcome bench_servers_open(struct bench *bench, struct failure *reterr);
/* With all that still bears our name. */
void bench_servers_close(struct bench *bench);

/* A copy of the template (NULL: an empty database), topics, a group. `usage`: the input, NULL: an empty one of its own.
 * `settings`: NULL-terminated "key=value", over those given on the command line. */
enum outcome bench_site_open(struct bench *bench, struct bench_site *site, const char *template_name,
	const struct bench_load *usage, const char *const *settings, struct failure *reterr);
/* Drops it all; `keeps_database`: but that. */
void bench_site_close(struct bench *bench, struct bench_site *site, bool keeps_database);
enum outcome bench_topic_create(
	struct bench *bench, const char *name, int32_t partitions_count, struct failure *reterr);
void bench_topic_delete(struct bench *bench, const char *name);
/* Nothing where the name is empty. */
void bench_database_drop(struct bench *bench, const char *name);
/* Connects to the site's database. */
enum outcome bench_site_connect(const struct bench_site *site, struct postgres *postgres, struct failure *reterr);

/* ---- loads ---- */

struct bench_load_options {
	struct generator_options generator;
	int64_t events;
	enum output_format format;
};
void bench_load_defaults(const struct bench *bench, struct bench_load_options *options);
/* A new topic (where load->topic is empty) full of events. `transaction`: they appear all at once, when the
 * function returns. */
enum outcome bench_load_fill(struct bench *bench, struct bench_load *load, const struct bench_load_options *options,
	bool transaction, const char *label, struct failure *reterr);
void bench_load_delete(struct bench *bench, struct bench_load *load);
/* A database in which a worker has handled `grants_each` grants to each of `customers`, by its name. */
enum outcome bench_template_make(struct bench *bench, int64_t customers, int grants_each, credit_t first_amount,
	char name[BENCH_NAME_SIZE], struct failure *reterr);
/* bench->template, bench->empty_template and bench->main_load, at the first call. */
enum outcome bench_template(struct bench *bench, struct failure *reterr);
enum outcome bench_empty_template(struct bench *bench, struct failure *reterr);
enum outcome bench_main_load(struct bench *bench, struct failure *reterr);

/* ---- processes ---- */

/* argv[0] is the program; environment "NAME=value" over ours, NULL-terminated. In a process group of its own. */
enum outcome bench_process_start(struct bench *bench, struct bench_process *process, const char *const *argv,
	const char *const *environment, const char *log_name, struct failure *reterr);
/* A worker of the site, or with `is_floor` its floor. */
enum outcome bench_worker_start(struct bench *bench, const struct bench_site *site, struct bench_process *process,
	int replica, bool is_floor, struct failure *reterr);
/* Has it ended? Then FATAL, with the end of its log, unless that was with 0 and `may_end`. */
enum outcome bench_process_check(struct bench_process *process, bool may_end, struct failure *reterr);
/* SIGTERM, after a while SIGKILL; fills cpu. */
void bench_process_end(struct bench_process *process);
/* Wall clock of a worker's first poll; 0: not yet. */
instant_t bench_process_first_poll(const struct bench_process *process);
/* Of /proc/PID/status, in bytes: "VmHWM", "VmRSS". 0: not known. */
int64_t bench_process_memory(pid_t pid, const char *field);
/* Seconds of CPU of any process, of the whole machine; below 0: not known. */
double bench_process_cpu(pid_t pid);
double bench_machine_cpu(void);

/* ---- /metrics ---- */

bool bench_metrics_read(int port, struct bench_metrics *ret_metrics);

/* ---- watching ---- */

#define BENCH_BACKENDS_MAX 256
struct bench_backend {
	int32_t pid;
	bool is_shared; /* checkpointer and the like */
	double first, last;
};

struct bench_watch {
	struct bench *bench;
	const struct bench_site *site;
	const struct bench_load *load;
	struct bench_run *run;
	rd_kafka_t *kafka; /* speaks in the group's name, never joins */
	rd_kafka_topic_partition_list_t *positions;
	struct bench_backend backends[BENCH_BACKENDS_MAX];
	size_t backends_count;
	int64_t looked_at, noted_at; /* monotonic */
	struct progress progress;
};
enum outcome bench_watch_open(struct bench *bench, struct bench_watch *watch, const struct bench_site *site,
	const struct bench_load *load, struct bench_run *run, const char *label, struct failure *reterr);
/* One look: how many events the group has committed. */
enum outcome bench_watch_look(struct bench_watch *watch, int64_t *ret_events, struct failure *reterr);
/* What was collected goes to the run. */
void bench_watch_close(struct bench_watch *watch);

/* ---- PostgreSQL ---- */

enum outcome bench_database_open(struct bench *bench, struct failure *reterr);
/* Processes of the database, and what they wait for. */
enum outcome bench_database_look(struct bench_watch *watch, struct failure *reterr);
/* Statements of the site's database, the longest first. */
enum outcome bench_database_statements(
	struct bench *bench, const struct bench_site *site, struct bench_run *run, struct failure *reterr);
/* How many entries the events of the topic made. */
enum outcome bench_database_count(
	const struct bench_site *site, const char *topic, int64_t *ret_entries, struct failure *reterr);
/* Of the site's usage appended since; nothing where the server does not keep the times of commits. */
enum outcome bench_database_latency(struct bench *bench, const struct bench_site *site, instant_t since,
	struct bench_latency *latency, struct failure *reterr);
/* So many entries and receipts, of the customers' in turn, are there already, and so many shall be. */
enum outcome bench_database_fill(
	struct bench *bench, const struct bench_site *site, int64_t from, int64_t to, struct failure *reterr);
/* *ret_done false: we may not. */
enum outcome bench_database_checkpoint(struct bench *bench, bool *ret_done, struct failure *reterr);
/* Before a run. Warm: with the accounts in the server's memory. */
enum outcome bench_database_prepare(
	struct bench *bench, const struct bench_site *site, bool is_warm, struct failure *reterr);
/* pg_stat_statements forgets what prepared it. */
enum outcome bench_database_forget(struct bench *bench, const struct bench_site *site, struct failure *reterr);
/* The ledger of the floor. */
enum outcome bench_database_strip(const struct bench_site *site, struct failure *reterr);

/* ---- runs ---- */

enum bench_contender { CONTENDER_WORKER, CONTENDER_FLOOR, CONTENDER_PER_EVENT, CONTENDER_BATCHED };
struct bench_run_options {
	enum bench_contender contender;
	const char *part, *shape;
	int repetition, replicas;
	bool is_gated;			  /* the load appears once all replicas have their partitions */
	bool after_checkpoint;		  /* one is done right before */
	const char *template_name;	  /* NULL: bench->template */
	const struct bench_site *site;	  /* run there; NULL: in a new one */
	struct bench_load_options *gated; /* what appears */
	struct bench_memory *memory;	  /* NULL, or to be filled */
};
/* The run is added to bench->runs. */
enum outcome bench_run(struct bench *bench, const struct bench_load *load, const struct bench_run_options *options,
	struct failure *reterr);

enum outcome bench_shapes(struct bench *bench, struct failure *reterr);
enum outcome bench_ledgers(struct bench *bench, struct failure *reterr);
enum outcome bench_replicas(struct bench *bench, struct failure *reterr);
enum outcome bench_latency(struct bench *bench, struct failure *reterr);
enum outcome bench_transaction(struct bench *bench, struct failure *reterr);
int bench_floor_worker(int argc, char **argv);

/* ---- what came of it ---- */

/* Shapes that goals speak of. */
#define BENCH_SHAPE_SPREAD "spread (zipf 0.99)"
#define BENCH_SHAPE_HOT "one hot customer"
#define BENCH_SHAPE_DUPLICATES "half duplicates"
#define BENCH_SHAPE_JSON "JSON"
#define BENCH_SHAPE_LEDGER_NONE "no rows before"
#define BENCH_SHAPE_LEDGER_SOME "some rows before"
#define BENCH_SHAPE_LEDGER_BIG "many rows before"

/* Of something else than the worker. */
bool bench_is_other(const struct bench_run *run);

/* Sorts. */
struct bench_percentiles bench_percentiles_of(double *milliseconds, size_t count);
struct bench_spread {
	size_t count;
	double min, median, max;
};
/* Of per_s; shape NULL: any. */
struct bench_spread bench_spread_of(const struct bench *bench, const char *part, const char *shape);
/* The run in the middle; NULL: none. */
const struct bench_run *bench_median_run(const struct bench *bench, const char *part, const char *shape);
int64_t bench_rss_max(const struct bench *bench);
double bench_cpu_us(const struct bench *bench);

struct bench_goal {
	const char *name, *unit;
	bool is_upper; /* the goal is a bound from above */
	bool is_measured, is_met;
	double goal, measured;
};
#define BENCH_GOALS_MAX 20
size_t bench_goals(const struct bench *bench, struct bench_goal goals[BENCH_GOALS_MAX]);
void bench_print(struct bench *bench);
/* "machine" and "postgresql". */
void bench_write_machine(struct bench *bench, struct json_printer *json);
enum outcome bench_write_database(struct bench *bench, struct json_printer *json, struct failure *reterr);
/* SVG files in a directory, which is made. */
enum outcome bench_draw(const struct bench *bench, const char *directory, struct failure *reterr);
enum outcome bench_write_json(struct bench *bench, const char *path, struct failure *reterr);

#endif
