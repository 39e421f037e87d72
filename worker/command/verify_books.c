/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts in slices, by key. What can change (accounts, open grants, holds, what was reversed) is read in one
 * repeatable-read transaction a slice, which lasts for milliseconds: one over everything would keep VACUUM from its
 * work for as long as the whole takes, and none is needed, because no event touches two accounts. What cannot change
 * (entries up to the seq that the account had, receipts) is read behind it, page by page, outside of any transaction.
 */
#include "verify.h"

#include "sql_files.h"

#define SLICE_ACCOUNTS 500

static const struct postgres_statement read_accounts = {
	"verify.accounts",
	"verify_accounts",
	sql_verify_accounts,
	{POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_INT8, POSTGRES_NUMERIC, POSTGRES_NUMERIC,
		POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_JSON, POSTGRES_INT8, POSTGRES_NUMERIC, POSTGRES_INT8,
		POSTGRES_NUMERIC},
};
static const struct postgres_statement check_strays = {
	"verify.strays", "verify_strays", sql_verify_strays, VERIFY_DIFFERENCE_COLUMNS};
static const struct postgres_statement check_grants = {
	"verify.grants", "verify_grants", sql_verify_grants, VERIFY_DIFFERENCE_COLUMNS};
static const struct postgres_statement check_holds = {
	"verify.holds", "verify_holds", sql_verify_holds, VERIFY_DIFFERENCE_COLUMNS};
static const struct postgres_statement check_reversals = {
	"verify.reversals", "verify_reversals", sql_verify_reversals, VERIFY_DIFFERENCE_COLUMNS};
static const struct postgres_statement check_dues = {
	"verify.dues", "verify_dues", sql_verify_dues, VERIFY_DIFFERENCE_COLUMNS};

static const struct currency no_settings; /* nothing here goes by them */

/* (after, last] */
struct slice {
	struct account_key after, last;
	PGresult *result; /* holds the texts of the rows */
	struct arena arena;
	struct account_row *accounts;
	size_t accounts_count;
	bool is_readable;
};

struct text verify_last_customer(const struct verify *verify)
{
	return verify->customer ? text_of(verify->customer) : VERIFY_BEHIND_ALL;
}

struct account_key verify_first(const struct verify *verify)
{
	struct text first = verify->customer ? text_of(verify->customer) : TEXT_LITERAL("");
	return (struct account_key){first, TEXT_LITERAL(""), TEXT_NULL};
}

void verify_put_account(struct postgres_params *params, const struct account_key *account)
{
	postgres_put_text(postgres_add_value(params), account->customer_id);
	postgres_put_text(postgres_add_value(params), account->currency_id);
	postgres_put_resource(postgres_add_value(params), account->resource_id);
}

struct account_key verify_get_account(struct postgres_row *row)
{
	struct account_key account;

	account.customer_id = postgres_get_text(row);
	account.currency_id = postgres_get_text(row);
	account.resource_id = postgres_get_resource(row);
	return account;
}

/* What stands in the row and in the rows of other tables beside it. */
static void check_row(
	struct verify_report *report, const struct account_row *account, int64_t newest_seq, credit_t held)
{
	credit_t posted = 0;

	if (newest_seq != account->seq)
		report_integers(report, &account->key, account->seq, newest_seq, "seq of the newest entry");
	if (held != account->held)
		report_credits(report, &account->key, account->held, held, "held: sum of the open holds");
	if (!account->is_readable)
		return;
	for (size_t i = 0; i < account->open.grants_count; i++) {
		const struct grant *grant = &account->open.grants[i];
		bool is_posted = grant->status != GRANT_SCHEDULED && grant->status != GRANT_PENDING;
		if (is_posted && !credit_add(posted, grant->remaining, &posted)) {
			report_difference(
				report, &account->key, TEXT_NULL, TEXT_NULL, "open grants: beyond numeric(38,12)");
			return;
		}
	}
	if (posted != account->balance)
		report_credits(
			report, &account->key, account->balance, posted, "balance: what is left of the posted grants");
}

static void read_row(struct verify_report *report, struct slice *slice, int index)
{
	struct postgres_row row = {.result = slice->result, .row = index};
	struct account_row *account = &slice->accounts[index];

	account->key = verify_get_account(&row);
	account->seq = postgres_get_int64(&row);
	account->balance = postgres_get_credit(&row);
	account->held = postgres_get_credit(&row);
	account->granted = postgres_get_credit(&row);
	account->consumed = postgres_get_credit(&row);
	account->open.currency = &no_settings;
	account->is_readable = account_parse_grants(&account->open, &slice->arena, postgres_get_text(&row));
	int64_t newest_seq = postgres_get_int64(&row);
	credit_t held = postgres_get_credit(&row);
	account->transfers_count = postgres_get_int64(&row);
	account->reversed = postgres_get_credit(&row);
	if (row.corrupt)
		report_difference(report, &account->key, TEXT_LITERAL("numeric(38,12)"), TEXT_NULL, "an amount");
	if (!account->is_readable)
		report_difference(report, &account->key, TEXT_LITERAL("an array of grants"), TEXT_NULL, "open_grants");
	slice->is_readable = slice->is_readable && account->is_readable;
	check_row(report, account, newest_seq, held);
}

static enum outcome read_slice(struct verify *verify, struct slice *slice, struct failure *reterr)
{
	struct postgres_params params;

	postgres_params_init(&params, &verify->postgres);
	verify_put_account(&params, &slice->after);
	postgres_put_text(postgres_add_value(&params), verify_last_customer(verify));
	postgres_put_int64(postgres_add_value(&params), SLICE_ACCOUNTS);
	enum outcome outcome = postgres_query(&verify->postgres, &read_accounts, &params, &slice->result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	slice->accounts_count = (size_t)PQntuples(slice->result);
	slice->accounts = arena_zero_array(&slice->arena, slice->accounts_count, sizeof *slice->accounts);
	slice->is_readable = true;
	for (size_t i = 0; i < slice->accounts_count; i++)
		read_row(&verify->report, slice, (int)i);
	slice->last = slice->accounts_count == SLICE_ACCOUNTS
			      ? slice->accounts[slice->accounts_count - 1].key
			      : (struct account_key){verify_last_customer(verify), VERIFY_BEHIND_ALL, TEXT_NULL};
	return OUTCOME_OK;
}

static enum outcome run_check(struct verify *verify, const struct slice *slice,
	const struct postgres_statement *statement, struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, &verify->postgres);
	verify_put_account(&params, &slice->after);
	verify_put_account(&params, &slice->last);
	enum outcome outcome = postgres_query(&verify->postgres, statement, &params, &result, reterr);
	if (outcome == OUTCOME_OK)
		report_rows(&verify->report, result);
	return outcome;
}

static enum outcome check_snapshot(struct verify *verify, struct slice *slice, struct failure *reterr)
{
	struct postgres *postgres = &verify->postgres;

	enum outcome outcome = postgres_execute(
		postgres, "verify.begin", "begin", "begin isolation level repeatable read, read only", reterr);
	if (outcome == OUTCOME_OK)
		outcome = read_slice(verify, slice, reterr);
	if (outcome == OUTCOME_OK)
		outcome = run_check(verify, slice, &check_strays, reterr);
	if (outcome == OUTCOME_OK)
		outcome = run_check(verify, slice, &check_reversals, reterr);
	if (outcome == OUTCOME_OK && slice->is_readable)
		outcome = run_check(verify, slice, &check_grants, reterr);
	if (outcome == OUTCOME_OK && slice->is_readable)
		outcome = run_check(verify, slice, &check_holds, reterr);
	if (outcome == OUTCOME_OK && slice->is_readable)
		outcome = run_check(verify, slice, &check_dues, reterr);
	if (outcome == OUTCOME_OK)
		outcome = postgres_execute(postgres, "verify.commit", "commit", "commit", reterr);
	return outcome;
}

static void add_up(struct verify_report *report, const struct slice *slice)
{
	report->accounts += (int64_t)slice->accounts_count;
	for (size_t i = 0; i < slice->accounts_count; i++) {
		const struct account_row *account = &slice->accounts[i];
		struct currency_totals *totals = report_currency(report, account->key.currency_id);
		totals->accounts++;
		if (!credit_add(totals->balance, account->balance, &totals->balance) ||
			!credit_add(totals->held, account->held, &totals->held) ||
			!credit_add(totals->granted, account->granted, &totals->granted) ||
			!credit_add(totals->consumed, account->consumed, &totals->consumed))
			totals->is_beyond = true;
	}
}

static enum outcome check_slice(struct verify *verify, struct slice *slice, struct failure *reterr)
{
	arena_reset(&verify->postgres.scratch);
	enum outcome outcome = check_snapshot(verify, slice, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	add_up(&verify->report, slice);
	if (slice->accounts_count == 0)
		return OUTCOME_OK;
	return verify_ledger(verify, &slice->after, &slice->accounts[slice->accounts_count - 1].key, slice->accounts,
		slice->accounts_count, reterr);
}

enum outcome verify_books(struct verify *verify, struct failure *reterr)
{
	struct arena keys[2]; /* where a slice begins outlives the slice before */
	struct slice slice = {.after = verify_first(verify)};
	enum outcome outcome = OUTCOME_OK;
	bool is_last = false;

	arena_init(&slice.arena, 1 << 16);
	arena_init(&keys[0], 1024);
	arena_init(&keys[1], 1024);
	for (unsigned turn = 0; outcome == OUTCOME_OK && !is_last; turn++) {
		outcome = check_slice(verify, &slice, reterr);
		is_last = slice.accounts_count < SLICE_ACCOUNTS;
		struct arena *arena = &keys[turn % 2];
		arena_reset(arena);
		if (outcome == OUTCOME_OK && !is_last)
			slice.after = (struct account_key){arena_copy(arena, slice.last.customer_id),
				arena_copy(arena, slice.last.currency_id), arena_copy(arena, slice.last.resource_id)};
		postgres_clear(&slice.result);
		arena_reset(&slice.arena);
	}
	arena_release(&slice.arena);
	arena_release(&keys[0]);
	arena_release(&keys[1]);
	return outcome;
}
