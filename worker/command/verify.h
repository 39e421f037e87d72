/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of `drawdown verify`. Nothing here takes a lock that a worker waits for: everything is read in
 * single statements, or in short repeatable-read transactions over a slice of accounts.
 *
 *     verify_books.c     accounts, grants, holds: slice by slice, each from one snapshot
 *     verify_ledger.c    the entries of a slice's accounts, page by page
 *     verify_receipts.c  receipts against the ledger; entries against their receipts
 *     verify_topic.c     credits.ledger against the database: see verify_topic.h
 *     verify_message.c   one message of it against its entry
 *     verify_report.c    what was found
 */
#ifndef DRAWDOWN_COMMAND_VERIFY_H
#define DRAWDOWN_COMMAND_VERIFY_H

#include "drawdown/account.h"
#include "drawdown/config.h"
#include "drawdown/decode.h"
#include "drawdown/json_tree.h"
#include "drawdown/ledger.h"
#include "drawdown/options.h"
#include "drawdown/postgres.h"
#include "drawdown/terminal.h"

/* What was looked for and not found; texts live in the report. */
struct difference {
	struct text customer_id, currency_id, resource_id;
	struct text what, expected, found;
};

struct currency_totals {
	struct text currency_id;
	int64_t accounts, entries;
	credit_t balance, held, granted, consumed;
	bool is_beyond; /* a sum left the range of numeric(38,12) */
};

struct verify_report {
	struct arena arena;
	struct difference *differences; /* the first ones */
	size_t kept, limit;
	int64_t differences_count; /* all of them */
	int64_t accounts, entries, receipts;
	instant_t receipts_from;	    /* INSTANT_NONE: none were dropped */
	struct currency_totals *currencies; /* by id */
	size_t currencies_count, currencies_capacity;
	bool has_topic;
	int64_t messages, unpublished, taken; /* of the topic: read; entries not there yet; gone by retention */
};

void report_init(struct verify_report *report, size_t limit);
void report_release(struct verify_report *report);
/* Any text may be absent. */
__attribute__((format(printf, 5, 6))) void report_difference(struct verify_report *report,
	const struct account_key *account, struct text expected, struct text found, const char *format, ...);
__attribute__((format(printf, 5, 6))) void report_integers(struct verify_report *report,
	const struct account_key *account, int64_t expected, int64_t found, const char *format, ...);
__attribute__((format(printf, 5, 6))) void report_credits(struct verify_report *report,
	const struct account_key *account, credit_t expected, credit_t found, const char *format, ...);
/* Rows of customer, currency, resource, what, expected, found. */
void report_rows(struct verify_report *report, const PGresult *result);
#define VERIFY_DIFFERENCE_COLUMNS                                                                        \
	{                                                                                                \
		POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT \
	}
struct currency_totals *report_currency(struct verify_report *report, struct text currency_id);
void report_print(const struct verify_report *report, bool json);

#define VERIFY_LATE_RUNS_MAX 4096

struct verify {
	const struct options *options;
	const struct config *config;
	const char *customer; /* NULL: all */
	int64_t wait;	      /* for the topic */
	struct postgres postgres;
	struct verify_report report;
	struct progress progress;
	struct entry_run *late_runs; /* whose receipts are looked for by their source, many at a time */
	size_t late_count;
	struct arena late_arena;
};

/* Ids stand before '~' in byte order. */
#define VERIFY_BEHIND_ALL TEXT_LITERAL("~")
struct text verify_last_customer(const struct verify *verify);
/* The account behind which to begin. */
struct account_key verify_first(const struct verify *verify);

/* One value each: customer, currency, resource. */
void verify_put_account(struct postgres_params *params, const struct account_key *account);
/* Three columns. */
struct account_key verify_get_account(struct postgres_row *row);

/* An account as its row had it in the slice's snapshot; texts live in the result that it was read from. */
struct account_row {
	struct account_key key;
	int64_t seq;
	credit_t balance, held, granted, consumed;
	struct account open; /* only its grants */
	int64_t transfers_count;
	credit_t reversed;
	bool is_readable; /* open_grants is what it should be */
};

enum outcome verify_books(struct verify *verify, struct failure *reterr);
enum outcome verify_ledger(struct verify *verify, const struct account_key *after, const struct account_key *last,
	const struct account_row *accounts, size_t accounts_count, struct failure *reterr);

/* Consecutive entries of one account that one record caused: exactly the range of its receipt. */
struct entry_run {
	struct account_key account;
	int64_t first, last;
	struct text source_topic;
	int32_t source_partition;
	int64_t source_offset;
	instant_t source_timestamp;
	struct text idempotency_key; /* of its own entries; absent: all are of the advance in time */
	enum event_class event_class;
	instant_t recorded_at; /* of the first */
};
enum outcome verify_runs(
	struct verify *verify, const struct entry_run *runs, size_t runs_count, struct failure *reterr);
/* Those that are left when all entries were read. */
enum outcome verify_late_runs(struct verify *verify, struct failure *reterr);
enum outcome verify_receipts(struct verify *verify, struct failure *reterr);

/* A message of the ledger topic. */
struct published {
	struct text key, value, traceparent;
};
/* NULL: no record of a known schema, and no JSON. */
const struct json_node *verify_decode(
	const struct decoder *decoder, struct arena *arena, struct text value, struct defect *ret_defect);
/* `topic`: where the entry's input stood. */
void verify_message(struct verify_report *report, const struct decoder *decoder, struct arena *arena,
	const struct ledger_entry *entry, const char *topic, const struct published *published);
enum outcome verify_topic(struct verify *verify, struct failure *reterr);

#endif
