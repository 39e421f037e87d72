/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of one process, for /metrics. All functions may be called from any
 * thread; none blocks for long.
 */
#ifndef DRAWDOWN_METRICS_H
#define DRAWDOWN_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "drawdown/event.h"
#include "drawdown/ledger.h"
#include "drawdown/outcome.h"

enum stage {
	STAGE_DECODE,
	STAGE_LOCK,
	STAGE_LOOK_UP,
	STAGE_RECALL,
	STAGE_RESOLVE,
	STAGE_SETTLE,
	STAGE_COMMIT,
	STAGE_ENCODE,
	STAGE_PUBLISH,
	STAGE_COUNT
};

const char *metrics_stage_name(enum stage stage);

enum counter {
	COUNTER_BATCHES,
	COUNTER_RECOVERY_BATCHES,
	COUNTER_ENTRIES,
	COUNTER_RECALLED_ENTRIES, /* read back and published again */
	COUNTER_LANE_RETRIES,
	COUNTER_REWINDS,
	COUNTER_PRODUCERS_CREATED, /* the first one included */
	COUNTER_HANDLES_LEFT,	   /* by the watchdog */
	COUNTER_MISROUTED,
	COUNTER_FENCED,
	COUNTER_ASSIGNMENTS,
	COUNTER_SWEEPS,
	COUNTER_ADVANCES_SENT,
	COUNTER_KEEPER_FAILURES,
	COUNTER_GENERATIONS_DROPPED,
	COUNTER_SCHEMAS_UNKNOWN, /* times that nobody knew a schema */
	COUNTER_COUNT,
};

enum worker_state {
	WORKER_STARTING,
	WORKER_WAITING,
	WORKER_CLAIMING,
	WORKER_RECOVERING,
	WORKER_RUNNING,
	WORKER_DRAINING,
	WORKER_REWINDING,
	WORKER_STOPPING,
	WORKER_STATE_COUNT
};
const char *worker_state_name(enum worker_state state);

void metrics_count(enum counter counter, uint64_t n);
/* A published record. kind -1: unreadable. */
void metrics_count_input(int kind, enum result_kind result, uint64_t n);
/* A published dead letter; reasons: defect_reasons, any other counts as "other". */
void metrics_count_dead_letter(const char *reason);
void metrics_count_error(enum outcome outcome);
/* One batch (or lane part) took so long in a stage. */
void metrics_observe_stage(enum stage stage, int64_t microseconds);
void metrics_observe_batch_size(size_t records_count);
/* For the lag. What was read (offset behind the last record), where we stand once all that is published (further, where
 * only markers follow), and the partition's end; `forget` when it is given back. */
void metrics_set_position(enum input input, int32_t partition, int64_t read, int64_t position, int64_t log_end);
/* Offset behind the last record whose outputs are committed. */
void metrics_set_published(enum input input, int32_t partition, int64_t published);
void metrics_forget_positions(void);
/* How long the account that waits longest has been due, in microseconds, of those that the worker owns; 0: none waits.
 */
void metrics_set_due_age(int64_t age);
/* A question to the schema registry, and what came of it. */
void metrics_count_registry(enum outcome outcome);
/* How many writers' schemas were learnt, and how many pairs of partitions wait for one. */
void metrics_set_schemas_known(size_t count);
void metrics_set_schema_waits(size_t pairs_count);
/* How many customers of a lane are parked, or may be. */
void metrics_set_parked(size_t lane, size_t customers_count);
void metrics_set_state(enum worker_state state);
enum worker_state metrics_state(void);
/* Ready: assigned (or waiting for an assignment while in the group) and servers answered lately. */
void metrics_set_ready(bool ready, const char *why_not); /* why_not: static */
/* The loop turned: /livez fails when this is older than a minute. */
void metrics_heartbeat(void);

/* The inputs' topics, for labels; borrowed for good. Before that: "usage" and "commands". */
void metrics_name_inputs(const char *const topics[INPUT_COUNT]);
/* Prometheus text format, version 0.0.4. */
void metrics_write(FILE *out);
/* Status for /livez and /readyz: true and "ok", or false and a reason. */
bool metrics_is_live(const char **ret_reason);
bool metrics_is_ready(const char **ret_reason);

#endif
