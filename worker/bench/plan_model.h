/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an installation of a given size needs, and where one PostgreSQL ends. Pure arithmetic over figures, each of
 * which says where it comes from (plan_figures). What was measured was measured on small machines; that it grows in
 * proportion (to events, rows, cores) is the model. tests/bench/GROWTH.md says it in words.
 *
 * Rates are events a second, sizes bytes, CPU microseconds an event.
 */
#ifndef DRAWDOWN_PLAN_MODEL_H
#define DRAWDOWN_PLAN_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, value, unit, where it comes from. Rows on disk include their page's free space. */
#define PLAN_SIZES "tests/bench/sizes.sh"
#define PLAN_BENCH "drawdown bench"
#define PLAN_FIGURES(X)                                                                                        \
	X(bytes_per_receipt, 253, "bytes", PLAN_SIZES)                                                         \
	X(bytes_per_receipt_index, 42, "bytes", PLAN_SIZES)                                                    \
	X(bytes_per_ledger_entry, 236, "bytes", PLAN_SIZES)                                                    \
	X(bytes_per_ledger_entry_index, 88, "bytes", PLAN_SIZES)                                               \
	X(bytes_per_account, 811, "bytes", PLAN_SIZES)                                                         \
	X(bytes_per_account_index, 90, "bytes", PLAN_SIZES)                                                    \
	X(bytes_per_grant, 158, "bytes", PLAN_SIZES)                                                           \
	X(bytes_per_grant_index, 77, "bytes", PLAN_SIZES)                                                      \
	X(wal_bytes_per_event, 865, "bytes, pages in full left out", PLAN_SIZES)                               \
	X(wal_bytes_per_page, 2414, "bytes of a page written in full after a checkpoint, lz4", PLAN_SIZES)     \
	X(kafka_bytes_per_input, 45, "bytes on the broker's disk, lz4", PLAN_SIZES)                            \
	X(kafka_bytes_per_entry, 91, "bytes on the broker's disk, lz4", PLAN_SIZES)                            \
	X(worker_us_per_event, 6.4, "us of CPU", PLAN_SIZES)                                                   \
	X(postgres_us_per_event, 25, "us of CPU", PLAN_SIZES)                                                  \
	X(postgres_us_per_generation, 2.7, "us of CPU for the look-up in each further generation", PLAN_SIZES) \
	X(postgres_us_per_entry, 5, "us of CPU for each further ledger entry of an event",                     \
		"assumed: its COPY and its key")                                                               \
	X(replica_events_per_s, 40000, "events/s of one replica, servers on the same 2 cores",                 \
		"2 cores / (worker_us_per_event + postgres_us_per_event)")                                     \
	X(worker_bytes, 134217728, "resident bytes of a replica", "the bound; " PLAN_BENCH " (rss_max_bytes)") \
	X(wal_bytes_per_s, 300e6, "bytes/s that one log takes and ships to a standby", "assumed")              \
	X(reads_per_s, 50000, "random reads/s of the database's disks", "assumed")                             \
	X(database_bytes, 30e12, "bytes that one database may have; a table ends at 32 TiB", "assumed")        \
	X(busy_share, 0.7, "share of the cores that may be busy at peak", "assumed")                           \
	X(cache_share, 0.75, "share of the database's memory that holds pages", "assumed")

struct plan_figures {
#define FIELD(name, value, unit, source) double name;
	PLAN_FIGURES(FIELD)
#undef FIELD
};
extern const struct plan_figures plan_figures_standard;

struct plan_figure {
	const char *name, *unit, *source;
	size_t offset; /* in struct plan_figures */
};
extern const struct plan_figure plan_figure_table[];
extern const size_t plan_figure_count;
double plan_figure_value(const struct plan_figures *figures, const struct plan_figure *figure);
/* "name=value", above 0. False: no such figure, or no number. */
bool plan_figure_set(struct plan_figures *figures, const char *setting);

/* What is asked for. */
struct plan_need {
	double events_per_s; /* mean of a day */
	double peak;	     /* the busiest hour's rate as a multiple of it, at least 1 */
	double customers;
	double window_days;	 /* dedupe.window */
	double generation_days;	 /* dedupe.generation; 0: chosen */
	double retention_days;	 /* how long the ledger stays in PostgreSQL */
	double topic_days;	 /* topics.retention */
	double duplicates_share; /* of all events, 0 to below 1 */
	double entries;		 /* ledger entries an event */
	double grants;		 /* that a customer was ever given */
	double checkpoint_s;	 /* checkpoint_timeout */
	double cores;		 /* of the database's machine */
	double memory;		 /* of it, bytes */
};

enum plan_limit { PLAN_CPU, PLAN_WAL, PLAN_READS, PLAN_DISK, PLAN_LIMIT_COUNT };

struct plan {
	double peak_per_s;
	/* Kafka and workers */
	int64_t replicas; /* one of them a spare */
	int64_t partitions;
	double worker_cores;	 /* of all replicas at peak */
	double worker_memory;	 /* of all replicas */
	double kafka_input;	 /* bytes a day, once */
	double kafka_ledger;	 /* bytes a day, once */
	double dead_letter_days; /* topics.dead-letters.retention: the most that the window leaves room for; below 0:
				  * the window is too short for the inputs alone */
	/* receipts */
	double generation_days;
	double generations; /* at most at a time: looked into for each event */
	double receipts;    /* rows at most */
	double receipts_size;
	double index_newest; /* of the newest generation's key: every event writes to it at random */
	double index_all;
	/* the other tables */
	double ledger_day;
	double ledger_size;
	double accounts_size; /* with the grants */
	double database_size;
	double wal_day;
	double wal_peak;       /* bytes a second */
	double memory_written; /* that holds the accounts and the newest index: what events write to */
	double memory_all;     /* that holds the accounts and all indexes of receipts */
	/* one PostgreSQL */
	double postgres_us;		 /* an event */
	double postgres_cores;		 /* at peak */
	double reads_peak;		 /* a second */
	double limits[PLAN_LIMIT_COUNT]; /* rate at peak at which one has nothing left of it; HUGE_VAL: never */
	enum plan_limit limit;		 /* what ends first */
	int64_t databases;		 /* that it takes, customers split over them */
};

void plan_make(const struct plan_need *need, const struct plan_figures *figures, struct plan *ret_plan);

#endif
