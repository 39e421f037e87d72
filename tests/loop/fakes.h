/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker and a database in memory, behind the three seams, with faults that
 * the real ones do not produce on demand.
 *
 * A world outlives its workers: what was committed stays, what was not is
 * gone, as after a kill. One fault is armed at a time: the Nth call of one seam
 * fails with an outcome, before or after it has had its effect.
 */
#ifndef DRAWDOWN_TESTS_FAKES_H
#define DRAWDOWN_TESTS_FAKES_H

#include <pthread.h>
#include <semaphore.h>

#include "drawdown/parking.h"
#include "drawdown/worker.h"

#define FAKE_PARTITIONS 2
#define FAKE_RECORDS_MAX 256
#define FAKE_OUTPUTS_MAX 4096
#define FAKE_ROWS_MAX 256
#define FAKE_ACCOUNTS_MAX 32

enum seam {
	SEAM_POLL,
	SEAM_SOURCE_COMMITTED,
	SEAM_COMMIT_START,
	SEAM_START,
	SEAM_STOP,
	SEAM_CLAIM,
	SEAM_CREATE_POSITIONS,
	SEAM_PREPARE,
	SEAM_BEGIN,
	SEAM_LOCK,
	SEAM_LOOK_UP,
	SEAM_RECALL,
	SEAM_SETTLE,
	SEAM_COMMIT,
	SEAM_OPEN,
	SEAM_SEND,
	SEAM_PUBLISH_COMMITTED,
	SEAM_COUNT,
};

struct fake_record {
	instant_t timestamp;
	struct text value;
};

struct fake_log {
	struct fake_record records[FAKE_RECORDS_MAX];
	int64_t log_start;
	int64_t log_end;
	int64_t committed; /* -1: none */
	bool committed_is_start;
	/* the consumer */
	int64_t position;
	int64_t until;
	int64_t epoch;
	/* the database's row */
	bool has_row;
	int64_t row_epoch;
	int64_t recorded; /* the highest of all lanes, one of which may be behind */
	int64_t offered;  /* the end of what publish was last asked to send: every lane has recorded it */
};

/* Rows of the database, as the real store keeps them: what is JSON there is JSON here. */
struct fake_account {
	struct account account; /* its key and numbers */
	struct text open_grants;
	struct text overrides; /* absent: none */
	struct text alerts;    /* absent: none yet */
	instant_t due;	       /* drawdown.due; INT64_MAX: no row */
};
struct fake_grant {
	struct grant_known known;
	struct grant terms; /* what never changes */
};
struct fake_hold {
	struct account_key key;
	struct hold hold; /* without its parts */
	struct text parts;
};
struct fake_transfer {
	struct account_key key;
	struct transfer transfer;
};
struct fake_reversal {
	struct account_key key;
	int64_t first_seq; /* of the consumption */
	credit_t reversed;
};

/* A row of drawdown.parked; those of a customer and partition in order. */
struct fake_parked {
	struct text customer_id;
	struct source_position source;
	int64_t ordinal;
	struct text value;
};

struct fake_output {
	enum output output;
	struct text partition_key;
	struct text key;
	struct text value;
	struct header *headers;
	size_t headers_count;
};

struct fake_world {
	pthread_mutex_t mutex;
	struct decoder *decoder;
	sem_t woken;	    /* a crew is done, or the worker shall stop */
	struct arena arena; /* of all that is durable; never reset */
	struct worker *worker;

	struct fake_log logs[INPUT_COUNT][FAKE_PARTITIONS];
	struct fake_output outputs[FAKE_OUTPUTS_MAX]; /* as a read-committed consumer sees them */
	size_t outputs_count;

	struct fake_account accounts[FAKE_ACCOUNTS_MAX];
	size_t accounts_count;
	struct receipt receipts[FAKE_ROWS_MAX];
	size_t receipts_count;
	struct ledger_entry entries[FAKE_ROWS_MAX * 4];
	size_t entries_count;
	struct fake_grant grants[FAKE_ROWS_MAX];
	size_t grants_count;
	struct fake_hold holds[FAKE_ROWS_MAX];
	size_t holds_count;
	struct fake_transfer transfers[FAKE_ROWS_MAX];
	size_t transfers_count;
	struct fake_reversal reversals[FAKE_ROWS_MAX];
	size_t reversals_count;

	struct fake_parked parked[FAKE_ROWS_MAX];
	size_t parked_count;

	/* one lane's open transaction */
	const struct batch *open_batch[BATCH_LANES_MAX];
	struct lane_work *open_work[BATCH_LANES_MAX]; /* settled, waits for commit */
	const struct parked_record *open_parked[BATCH_LANES_MAX];
	size_t open_parked_count[BATCH_LANES_MAX];

	/* the group */
	bool is_assigned, must_signal_assigned, is_revoking, has_recovered;
	struct input_partition partitions[INPUT_COUNT * FAKE_PARTITIONS];
	size_t poll_records_max; /* handed out by one poll */

	/* faults */
	enum seam fault_seam;
	unsigned fault_at; /* Nth call, from 1; 0: none */
	enum outcome fault_outcome;
	bool fault_after_effect;
	bool fault_fired;
	unsigned revoke_at_poll;	 /* 0: never */
	unsigned stop_at_poll;		 /* 0: when all is published */
	unsigned stops_count;		 /* how often to ask */
	unsigned lose_send_at;		 /* this send has no effect, and the loop must rewind; 0: never */
	unsigned unsure_send_at;	 /* this send has its effect, but nobody knows; 0: never */
	const struct fake_log *held_log; /* its record at held_offset waits, and its pair with it ... */
	int64_t held_offset;
	unsigned held_until_poll; /* ... as for a schema, until this poll; 0: none does */
	unsigned fence_at_begin;  /* another owner raises the epoch before this begin; 0: never */
	unsigned calls[SEAM_COUNT];

	/* the lock of this customer's accounts cannot be had, or nothing can be written, for nobody */
	const char *locked_customer;
	bool is_disk_full;
	unsigned refused_parks_count;
	unsigned stop_at_refused_parks; /* 0: never */

	struct source source;
	struct store store;
	struct publish publish;
};

void fake_world_init(struct fake_world *world);
void fake_world_release(struct fake_world *world);

/* Append a record to the customer's partition; `value` is copied. Timestamps in milliseconds. */
void fake_append(
	struct fake_world *world, enum input input, const char *customer, int64_t timestamp_ms, const char *value);

/* Run workers, one after the other, until everything is published; a FATAL end is followed by a new worker,
 * as a supervisor would do. Fails the test where that takes more than a few. */
void fake_run(struct fake_world *world, const struct config *config);
/* One worker, until it ends. */
enum outcome fake_run_once(struct fake_world *world, const struct config *config, struct failure *reterr);

bool fake_is_done(struct fake_world *world);
/* All values of a topic with this key (NULL: all), in order, joined by newlines. The caller frees. */
char *fake_read(const struct fake_world *world, enum output output, const char *key);

const char *seam_name(enum seam seam);

#endif
