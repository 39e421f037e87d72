/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entries of a slice's accounts, a page at a time, in order of seq. Kept between two entries: sums, the last
 * entry's numbers, and what is left of each grant of which something is left: as many as an account may have open.
 * Entries behind the seq that the account had in the slice's snapshot are left out: a worker writes on.
 */
#include <stdlib.h>

#include "sql_files.h"
#include "verify.h"

#define PAGE_ENTRIES 5000
#define RUNS_MAX 4096 /* that wait for their receipts */

static const struct postgres_statement read_entries = {
	"verify.entries",
	"verify_entries",
	sql_verify_entries,
	{POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_INT8, POSTGRES_INT2, POSTGRES_NUMERIC, POSTGRES_TEXT,
		POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_TEXT, POSTGRES_INT8, POSTGRES_INT8,
		POSTGRES_TIMESTAMPTZ, POSTGRES_TEXT, POSTGRES_INT4, POSTGRES_INT8, POSTGRES_TIMESTAMPTZ, POSTGRES_BOOL},
};

/* Texts point into the page. */
struct entry {
	struct account_key account;
	int64_t seq;
	enum ledger_event event_type;
	credit_t amount;
	struct text grant_id;
	credit_t grant_remaining, balance_before, balance_after;
	struct text idempotency_key;
	int64_t first_seq, last_seq;
	instant_t recorded_at;
	struct text source_topic;
	int32_t source_partition;
	int64_t source_offset;
	instant_t source_timestamp;
	bool agrees; /* what other tables say of it */
	bool is_corrupt;
};

struct grant_left {
	char *id;
	size_t id_size;
	credit_t remaining; /* never 0 */
};

struct audit {
	struct verify *verify;
	struct verify_report *report;
	const struct account_row *accounts;
	size_t accounts_count;
	size_t current; /* index of the account that is being read */

	/* of the current account */
	int64_t seq;
	credit_t balance, sum, granted, consumed, reversed;
	int64_t transfers_count;
	instant_t recorded_at;
	int64_t event_first, event_last; /* of the event that the last entry belongs to; 0: none yet */
	struct grant_left *grants;
	size_t grants_count, grants_capacity;

	/* of all accounts of the slice */
	struct entry_run *runs;
	size_t runs_count;
	bool run_is_open; /* runs[runs_count] is being filled */
	struct arena runs_arena;
};

static enum outcome flush_runs(struct audit *audit, struct failure *reterr)
{
	enum outcome outcome = verify_runs(audit->verify, audit->runs, audit->runs_count, reterr);

	audit->runs_count = 0;
	arena_reset(&audit->runs_arena);
	return outcome;
}

static enum outcome close_run(struct audit *audit, struct failure *reterr)
{
	if (!audit->run_is_open)
		return OUTCOME_OK;
	audit->run_is_open = false;
	return ++audit->runs_count == RUNS_MAX ? flush_runs(audit, reterr) : OUTCOME_OK;
}

static bool belongs_to_run(const struct entry_run *run, const struct entry *entry)
{
	return run->last + 1 == entry->seq && run->source_offset == entry->source_offset &&
	       run->source_partition == entry->source_partition && run->source_timestamp == entry->source_timestamp &&
	       text_equal(run->source_topic, entry->source_topic);
}

/* A key's class: usage is taken from grants, a release lets them pay a deficit; all else is a command's. */
static enum event_class class_of_entry(const struct entry *entry)
{
	bool is_usage = entry->event_type == LEDGER_CREDITS_CONSUMED || entry->event_type == LEDGER_TRANSFER_SOURCE;
	return is_usage ? CLASS_USAGE : CLASS_COMMAND;
}

static enum outcome add_to_run(struct audit *audit, const struct entry *entry, struct failure *reterr)
{
	struct entry_run *run = &audit->runs[audit->runs_count];

	if (audit->run_is_open && !belongs_to_run(run, entry)) {
		enum outcome outcome = close_run(audit, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		run = &audit->runs[audit->runs_count];
	}
	if (!audit->run_is_open) {
		*run = (struct entry_run){
			.account = audit->accounts[audit->current].key,
			.first = entry->seq,
			.source_topic = arena_copy(&audit->runs_arena, entry->source_topic),
			.source_partition = entry->source_partition,
			.source_offset = entry->source_offset,
			.source_timestamp = entry->source_timestamp,
			.recorded_at = entry->recorded_at,
		};
		audit->run_is_open = true;
	}
	run->last = entry->seq;
	if (!entry->idempotency_key.data)
		return OUTCOME_OK;
	if (!run->idempotency_key.data) {
		run->idempotency_key = arena_copy(&audit->runs_arena, entry->idempotency_key);
		run->event_class = class_of_entry(entry);
	} else if (!text_equal(run->idempotency_key, entry->idempotency_key)) {
		report_difference(audit->report, &run->account, run->idempotency_key, entry->idempotency_key,
			"entry %lld: key of the entries of one record", (long long)entry->seq);
	}
	return OUTCOME_OK;
}

/* NULL: nothing is left of it, or it was never there. */
static struct grant_left *find_left(struct audit *audit, struct text grant_id)
{
	for (size_t i = audit->grants_count; i-- > 0;)
		if (text_equal((struct text){audit->grants[i].id, audit->grants[i].id_size}, grant_id))
			return &audit->grants[i];
	return NULL;
}

static void remove_left(struct audit *audit, struct grant_left *left)
{
	free(left->id);
	*left = audit->grants[--audit->grants_count];
}

static void set_left(struct audit *audit, struct grant_left *left, struct text grant_id, credit_t remaining)
{
	if (left && remaining == 0) {
		remove_left(audit, left);
	} else if (left) {
		left->remaining = remaining;
	} else if (remaining != 0) {
		if (audit->grants_count == audit->grants_capacity) {
			audit->grants_capacity = audit->grants_capacity ? audit->grants_capacity * 2 : 16;
			audit->grants = reallocarray(audit->grants, audit->grants_capacity, sizeof *audit->grants);
			if (!audit->grants)
				abort();
		}
		char *id = malloc(grant_id.size + 1);
		if (!id)
			abort();
		memcpy(id, grant_id.data, grant_id.size);
		audit->grants[audit->grants_count++] = (struct grant_left){id, grant_id.size, remaining};
	}
}

static void check_grant(struct audit *audit, const struct account_key *account, const struct entry *entry)
{
	struct grant_left *left = find_left(audit, entry->grant_id);
	credit_t before = left ? left->remaining : 0, after = 0;

	if (entry->event_type == LEDGER_CREDITS_GRANTED && before != 0)
		report_difference(audit->report, account, TEXT_LITERAL("posted once"), TEXT_LITERAL("posted again"),
			"entry %lld: grant %.*s", (long long)entry->seq, TEXT_ARGS(entry->grant_id));
	else if (!credit_add(before, entry->amount, &after))
		report_difference(audit->report, account, TEXT_LITERAL("numeric(38,12)"), TEXT_NULL,
			"entry %lld: what is left of grant %.*s", (long long)entry->seq, TEXT_ARGS(entry->grant_id));
	else if (after != entry->grant_remaining)
		report_credits(audit->report, account, after, entry->grant_remaining,
			"entry %lld: what is left of grant %.*s", (long long)entry->seq, TEXT_ARGS(entry->grant_id));
	set_left(audit, left, entry->grant_id, entry->grant_remaining);
}

/* Entries of one event stand together and know its first and last. */
static void check_event(struct audit *audit, const struct account_key *account, const struct entry *entry)
{
	bool is_first = entry->seq > audit->event_last;

	if (is_first && entry->first_seq != entry->seq)
		report_integers(audit->report, account, entry->seq, entry->first_seq, "entry %lld: first_seq",
			(long long)entry->seq);
	if (!is_first && entry->first_seq != audit->event_first)
		report_integers(audit->report, account, audit->event_first, entry->first_seq, "entry %lld: first_seq",
			(long long)entry->seq);
	if (!is_first && entry->last_seq != audit->event_last)
		report_integers(audit->report, account, audit->event_last, entry->last_seq, "entry %lld: last_seq",
			(long long)entry->seq);
	if (!is_first && audit->run_is_open) {
		const struct entry_run *run = &audit->runs[audit->runs_count];
		if (run->last == entry->seq - 1 && !belongs_to_run(run, entry))
			report_difference(audit->report, account, TEXT_LITERAL("that of its event"), TEXT_NULL,
				"entry %lld: source", (long long)entry->seq);
	}
	if (is_first) {
		audit->event_first = entry->seq;
		audit->event_last = entry->last_seq > entry->seq ? entry->last_seq : entry->seq;
	}
}

static void add_amount(struct audit *audit, const struct account_key *account, const struct entry *entry)
{
	bool fits = credit_add(audit->sum, entry->amount, &audit->sum);

	if (entry->event_type == LEDGER_CREDITS_GRANTED)
		fits = fits && credit_add(audit->granted, entry->amount, &audit->granted);
	else if (entry->event_type == LEDGER_CREDITS_CONSUMED)
		fits = fits && credit_subtract(audit->consumed, entry->amount, &audit->consumed);
	else if (entry->event_type == LEDGER_CREDITS_REVERSED)
		fits = fits && credit_subtract(audit->consumed, entry->amount, &audit->consumed) &&
		       credit_add(audit->reversed, entry->amount, &audit->reversed);
	audit->transfers_count += entry->event_type == LEDGER_TRANSFER_TARGET;
	if (!fits)
		report_difference(audit->report, account, TEXT_LITERAL("numeric(38,12)"), TEXT_NULL,
			"entry %lld: sum of the entries up to it", (long long)entry->seq);
}

static void check_numbers(struct audit *audit, const struct account_key *account, const struct entry *entry)
{
	credit_t after = 0;

	if (entry->seq != audit->seq + 1)
		report_difference(audit->report, account, TEXT_LITERAL("there"), TEXT_LITERAL("missing"),
			"entries %lld to %lld", (long long)audit->seq + 1, (long long)entry->seq - 1);
	else if (entry->balance_before != audit->balance)
		report_credits(audit->report, account, audit->balance, entry->balance_before,
			"entry %lld: balance_before", (long long)entry->seq);
	if (!credit_add(entry->balance_before, entry->amount, &after) || after != entry->balance_after)
		report_credits(audit->report, account, after, entry->balance_after, "entry %lld: balance_after",
			(long long)entry->seq);
	if (entry->recorded_at < audit->recorded_at)
		report_difference(audit->report, account, TEXT_LITERAL("not before that of the entry before"),
			TEXT_NULL, "entry %lld: recorded_at", (long long)entry->seq);
	if (!entry->agrees)
		report_difference(audit->report, account, TEXT_LITERAL("there"), TEXT_LITERAL("missing, or another"),
			entry->event_type == LEDGER_CREDITS_GRANTED ? "entry %lld: grant of that amount"
								    : "entry %lld: row in transfer",
			(long long)entry->seq);
}

static enum outcome check_entry(struct audit *audit, const struct entry *entry, struct failure *reterr)
{
	const struct account_row *account = &audit->accounts[audit->current];

	if (entry->seq > account->seq)
		return OUTCOME_OK;
	audit->report->entries++;
	report_currency(audit->report, account->key.currency_id)->entries++;
	if (entry->is_corrupt) {
		report_difference(audit->report, &account->key, TEXT_LITERAL("numeric(38,12)"), TEXT_NULL,
			"entry %lld: an amount", (long long)entry->seq);
	} else {
		check_numbers(audit, &account->key, entry);
		check_event(audit, &account->key, entry);
		check_grant(audit, &account->key, entry);
		add_amount(audit, &account->key, entry);
	}
	audit->seq = entry->seq;
	audit->balance = entry->balance_after;
	audit->recorded_at = entry->recorded_at;
	return add_to_run(audit, entry, reterr);
}

/* What the ledger has left of each grant is what the account says. */
static void check_left(struct audit *audit, const struct account_row *account)
{
	for (size_t i = 0; i < account->open.grants_count; i++) {
		const struct grant *grant = &account->open.grants[i];
		struct grant_left *left = find_left(audit, grant->grant_id);
		bool is_posted = grant->status != GRANT_SCHEDULED && grant->status != GRANT_PENDING;
		credit_t expected = left ? left->remaining : 0, found = is_posted ? grant->remaining : 0;
		if (expected != found)
			report_credits(audit->report, &account->key, expected, found,
				"grant %.*s: remaining, by its entries", TEXT_ARGS(grant->grant_id));
		if (left)
			remove_left(audit, left);
	}
	for (size_t i = 0; i < audit->grants_count; i++)
		report_credits(audit->report, &account->key, audit->grants[i].remaining, 0,
			"grant %.*s: remaining, by its entries", (int)audit->grants[i].id_size, audit->grants[i].id);
}

static void forget_left(struct audit *audit)
{
	while (audit->grants_count)
		remove_left(audit, &audit->grants[audit->grants_count - 1]);
}

static enum outcome end_account(struct audit *audit, struct failure *reterr)
{
	const struct account_row *account = &audit->accounts[audit->current];
	struct verify_report *report = audit->report;

	if (audit->seq != account->seq)
		report_difference(report, &account->key, TEXT_LITERAL("there"), TEXT_LITERAL("missing"),
			"entries %lld to %lld", (long long)audit->seq + 1, (long long)account->seq);
	else if (audit->event_last > account->seq)
		report_integers(report, &account->key, account->seq, audit->event_last, "last_seq of the newest entry");
	if (audit->sum != account->balance)
		report_credits(report, &account->key, audit->sum, account->balance, "balance, by the entries");
	if (audit->granted != account->granted)
		report_credits(report, &account->key, audit->granted, account->granted, "granted, by the entries");
	if (audit->consumed != account->consumed)
		report_credits(report, &account->key, audit->consumed, account->consumed, "consumed, by the entries");
	if (audit->reversed != account->reversed)
		report_credits(report, &account->key, audit->reversed, account->reversed,
			"reversed, by the entries: sum of the reversals");
	if (audit->transfers_count != account->transfers_count)
		report_integers(report, &account->key, audit->transfers_count, account->transfers_count,
			"transfers, by the entries: rows in transfer");
	if (account->is_readable)
		check_left(audit, account);
	forget_left(audit);
	audit->seq = audit->event_first = audit->event_last = audit->transfers_count = 0;
	audit->balance = audit->sum = audit->granted = audit->consumed = audit->reversed = 0;
	audit->recorded_at = INSTANT_MIN;
	audit->current++;
	return close_run(audit, reterr);
}

static struct entry read_entry(const PGresult *page, int index)
{
	struct postgres_row row = {.result = page, .row = index};
	struct entry entry;

	entry.account = verify_get_account(&row);
	entry.seq = postgres_get_int64(&row);
	entry.event_type = (enum ledger_event)postgres_get_int16(&row);
	entry.amount = postgres_get_credit(&row);
	entry.grant_id = postgres_get_text(&row);
	entry.grant_remaining = postgres_get_credit(&row);
	entry.balance_before = postgres_get_credit(&row);
	entry.balance_after = postgres_get_credit(&row);
	entry.idempotency_key = postgres_get_text(&row);
	entry.first_seq = postgres_get_int64(&row);
	entry.last_seq = postgres_get_int64(&row);
	entry.recorded_at = postgres_get_instant(&row);
	entry.source_topic = postgres_get_text(&row);
	entry.source_partition = postgres_get_int32(&row);
	entry.source_offset = postgres_get_int64(&row);
	entry.source_timestamp = postgres_get_instant(&row);
	entry.agrees = postgres_get_bool(&row);
	entry.is_corrupt = row.corrupt;
	return entry;
}

static enum outcome read_page(struct audit *audit, const struct account_key *after, int64_t after_seq,
	const struct account_key *last, PGresult **ret_page, struct failure *reterr)
{
	struct postgres *postgres = &audit->verify->postgres;
	struct postgres_params params;

	arena_reset(&postgres->scratch);
	postgres_params_init(&params, postgres);
	verify_put_account(&params, after);
	postgres_put_int64(postgres_add_value(&params), after_seq);
	verify_put_account(&params, last);
	postgres_put_int64(postgres_add_value(&params), PAGE_ENTRIES);
	return postgres_query(postgres, &read_entries, &params, ret_page, reterr);
}

/* An account without a place in the slice was made since its snapshot, or is a stray that was reported. */
static enum outcome check_page(struct audit *audit, const PGresult *page, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	for (int i = 0; outcome == OUTCOME_OK && i < PQntuples(page); i++) {
		const struct entry entry = read_entry(page, i);
		int order = -1;
		while (outcome == OUTCOME_OK && audit->current < audit->accounts_count) {
			order = account_key_compare(&audit->accounts[audit->current].key, &entry.account);
			if (order >= 0)
				break;
			outcome = end_account(audit, reterr);
		}
		if (outcome == OUTCOME_OK && audit->current < audit->accounts_count && order == 0)
			outcome = check_entry(audit, &entry, reterr);
	}
	return outcome;
}

static enum outcome check_pages(
	struct audit *audit, const struct account_key *after, const struct account_key *last, struct failure *reterr)
{
	struct account_key from = *after;
	int64_t from_seq = INT64_MAX;
	PGresult *page = NULL; /* the one before holds the texts of `from` */
	enum outcome outcome = OUTCOME_OK;
	int count = PAGE_ENTRIES;

	while (outcome == OUTCOME_OK && count == PAGE_ENTRIES) {
		PGresult *next = NULL;
		outcome = read_page(audit, &from, from_seq, last, &next, reterr);
		PQclear(page);
		page = next;
		if (outcome != OUTCOME_OK)
			break;
		outcome = check_page(audit, page, reterr);
		count = PQntuples(page);
		if (count > 0) {
			const struct entry newest = read_entry(page, count - 1);
			from = newest.account;
			from_seq = newest.seq;
		}
		progress_update(&audit->verify->progress, (uint64_t)audit->report->entries, "%lld accounts",
			(long long)audit->report->accounts);
	}
	PQclear(page);
	return outcome;
}

enum outcome verify_ledger(struct verify *verify, const struct account_key *after, const struct account_key *last,
	const struct account_row *accounts, size_t accounts_count, struct failure *reterr)
{
	struct audit audit = {
		.verify = verify,
		.report = &verify->report,
		.accounts = accounts,
		.accounts_count = accounts_count,
		.recorded_at = INSTANT_MIN,
	};

	audit.runs = calloc(RUNS_MAX, sizeof *audit.runs);
	if (!audit.runs)
		abort();
	arena_init(&audit.runs_arena, 1 << 16);
	enum outcome outcome = check_pages(&audit, after, last, reterr);
	while (outcome == OUTCOME_OK && audit.current < accounts_count)
		outcome = end_account(&audit, reterr);
	if (outcome == OUTCOME_OK)
		outcome = flush_runs(&audit, reterr);
	forget_left(&audit);
	free(audit.grants);
	free(audit.runs);
	arena_release(&audit.runs_arena);
	return outcome;
}
