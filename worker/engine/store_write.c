/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "drawdown/failpoint.h"
#include "drawdown/store_parts.h"
#include "sql_files.h"

#define STATEMENT_SIZE_MAX (64 * 1024 * 1024) /* about: that of the JSON in one update of accounts */

static const struct postgres_statement copy_entries = {"store.settle", "copy_entries", sql_copy_entries, {0}};
static const struct postgres_statement copy_receipts = {"store.settle", "copy_receipts", sql_copy_receipts, {0}};
static const struct postgres_statement copy_grants = {"store.settle", "copy_grants", sql_copy_grants, {0}};
static const struct postgres_statement end_grants = {"store.settle", "end_grants", sql_end_grants, {0}};
static const struct postgres_statement update_accounts = {
	"store.settle",
	"update_accounts",
	sql_update_accounts,
	{0},
};
static const struct postgres_statement update_whole_accounts = {
	"store.settle",
	"update_whole_accounts",
	sql_update_whole_accounts,
	{0},
};
static const struct postgres_statement write_dues = {"store.settle", "write_dues", sql_write_dues, {0}};
static const struct postgres_statement delete_dues = {"store.settle", "delete_dues", sql_delete_dues, {0}};

/* One lane's call. */
struct settling {
	struct store_postgres *store;
	struct postgres *postgres;
	struct lane_work *work;
	struct failure *reterr;
};

static void put_source(
	const struct settling *settling, struct postgres_bytes *bytes, const struct source_position *source)
{
	postgres_put_text(bytes, text_of(settling->store->config->input_topics[source->input]));
	postgres_put_int32(bytes, source->partition);
	postgres_put_int64(bytes, source->offset);
	postgres_put_instant(bytes, source->timestamp);
}

/* Sequence numbers begin at 1: 0 is none. */
static void put_seq(struct postgres_bytes *bytes, int64_t seq)
{
	if (seq)
		postgres_put_int64(bytes, seq);
	else
		postgres_put_null(bytes);
}

static void put_entry(const struct settling *settling, struct postgres_bytes *bytes, const struct ledger_entry *entry)
{
	store_put_account(bytes, entry->account);
	postgres_put_int64(bytes, entry->seq);
	postgres_put_int16(bytes, (int16_t)entry->event_type);
	postgres_put_credit(bytes, entry->amount);
	postgres_put_text(bytes, entry->grant_id);
	postgres_put_credit(bytes, entry->grant_remaining);
	postgres_put_credit(bytes, entry->balance_before);
	postgres_put_credit(bytes, entry->balance_after);
	postgres_put_text(bytes, entry->idempotency_key);
	if (entry->has_requested)
		postgres_put_credit(bytes, entry->requested_amount);
	else
		postgres_put_null(bytes);
	postgres_put_int64(bytes, entry->first_seq);
	postgres_put_int64(bytes, entry->last_seq);
	postgres_put_int16(bytes, (int16_t)entry->outcome);
	postgres_put_instant(bytes, entry->event_time);
	postgres_put_instant(bytes, entry->recorded_at);
	postgres_put_text(bytes, entry->dimensions);
	put_source(settling, bytes, &entry->source);
	postgres_put_text(bytes, entry->traceparent);
}

/* Accounts of one work lie in the order of their keys. */
static int compare_entries(const void *a, const void *b)
{
	const struct ledger_entry *a_entry = *(const struct ledger_entry *const *)a;
	const struct ledger_entry *b_entry = *(const struct ledger_entry *const *)b;
	if (a_entry->account != b_entry->account)
		return a_entry->account < b_entry->account ? -1 : 1;
	return a_entry->seq < b_entry->seq ? -1 : 1;
}

/* In the order of the index: neighbours find its pages at hand. */
static enum outcome write_entries(struct settling *settling)
{
	const struct lane_work *work = settling->work;
	const struct ledger_entry **entries =
		arena_alloc_array(&settling->postgres->scratch, work->entries_count, sizeof *entries);
	struct postgres_copy copy;

	for (size_t i = 0; i < work->entries_count; i++)
		entries[i] = &work->entries[i];
	qsort(entries, work->entries_count, sizeof *entries, compare_entries);
	enum outcome outcome = postgres_copy_begin(&copy, settling->postgres, &copy_entries, settling->reterr);

	for (size_t i = 0; i < work->entries_count && outcome == OUTCOME_OK; i++) {
		outcome = postgres_copy_row(&copy, 23, settling->reterr);
		if (outcome == OUTCOME_OK)
			put_entry(settling, &copy.bytes, entries[i]);
	}
	return outcome == OUTCOME_OK ? postgres_copy_end(&copy, settling->reterr) : outcome;
}

static void put_receipt(const struct settling *settling, struct postgres_bytes *bytes, const struct receipt *receipt)
{
	postgres_put_text(bytes, receipt->customer_id);
	postgres_put_hash(bytes, receipt->key_hash);
	postgres_put_int16(bytes, (int16_t)receipt->event_class);
	postgres_put_text(bytes, receipt->idempotency_key);
	postgres_put_hash(bytes, receipt->fingerprint);
	postgres_put_int16(bytes, (int16_t)receipt->kind);
	postgres_put_text(bytes, receipt->currency_id);
	postgres_put_resource(bytes, receipt->resource_id);
	postgres_put_int16(bytes, (int16_t)receipt->outcome);
	postgres_put_text(bytes, text_of(reject_code_name(receipt->code)));
	postgres_put_credit(bytes, receipt->requested_amount);
	postgres_put_credit(bytes, receipt->applied_amount);
	postgres_put_credit(bytes, receipt->balance);
	put_seq(bytes, receipt->range_first);
	put_seq(bytes, receipt->range_last);
	put_seq(bytes, receipt->first_seq);
	put_seq(bytes, receipt->last_seq);
	postgres_put_text(bytes, receipt->notifications);
	put_source(settling, bytes, &receipt->source);
}

static bool is_new(const struct lane_work *work, const struct receipt *receipt)
{
	return receipt >= work->receipts && receipt < work->receipts + work->receipts_count;
}

/* In the order of the index, which is that of the slots. */
static enum outcome write_receipts(struct settling *settling)
{
	const struct lane_work *work = settling->work;
	struct postgres_copy copy;
	enum outcome outcome = postgres_copy_begin(&copy, settling->postgres, &copy_receipts, settling->reterr);

	for (size_t i = 0; i < work->key_slots_count && outcome == OUTCOME_OK; i++) {
		const struct receipt *receipt = work->key_slots[i].receipt;
		if (!receipt || !is_new(work, receipt))
			continue;
		outcome = postgres_copy_row(&copy, 22, settling->reterr);
		if (outcome == OUTCOME_OK)
			put_receipt(settling, &copy.bytes, receipt);
	}
	assert(outcome != OUTCOME_OK || copy.rows_count == work->receipts_count);
	return outcome == OUTCOME_OK ? postgres_copy_end(&copy, settling->reterr) : outcome;
}

static void put_grant(struct postgres_bytes *bytes, const struct grant_made *made)
{
	postgres_put_text(bytes, made->account->customer_id);
	postgres_put_text(bytes, made->grant_id);
	postgres_put_text(bytes, made->account->currency_id);
	postgres_put_resource(bytes, made->account->resource_id);
	postgres_put_int16(bytes, (int16_t)made->grant_type);
	postgres_put_credit(bytes, made->amount);
	postgres_put_int32(bytes, made->priority);
	postgres_put_instant(bytes, made->effective_at);
	postgres_put_instant(bytes, made->expire_at);
	postgres_put_instant(bytes, made->created_at);
	postgres_put_int64(bytes, made->ordinal);
	postgres_put_text(bytes, made->idempotency_key);
	if (made->has_cost)
		postgres_put_credit(bytes, made->cost_amount);
	else
		postgres_put_null(bytes);
	postgres_put_text(bytes, made->has_cost ? made->cost_currency : TEXT_NULL);
	postgres_put_text(bytes, made->display_name);
	postgres_put_text(bytes, made->comment);
	postgres_put_text(bytes, made->metadata);
}

static enum outcome write_grants(struct settling *settling)
{
	const struct lane_work *work = settling->work;
	struct postgres_copy copy;
	enum outcome outcome = postgres_copy_begin(&copy, settling->postgres, &copy_grants, settling->reterr);

	for (size_t i = 0; i < work->grants_made_count && outcome == OUTCOME_OK; i++) {
		outcome = postgres_copy_row(&copy, 17, settling->reterr);
		if (outcome == OUTCOME_OK)
			put_grant(&copy.bytes, &work->grants_made[i]);
	}
	return outcome == OUTCOME_OK ? postgres_copy_end(&copy, settling->reterr) : outcome;
}

/* By grant, the later of two behind the earlier. */
static int compare_ended(const void *a, const void *b)
{
	const struct grant_ended *a_ended = *(const struct grant_ended *const *)a;
	const struct grant_ended *b_ended = *(const struct grant_ended *const *)b;
	int order = text_compare(a_ended->account->customer_id, b_ended->account->customer_id);
	if (order == 0)
		order = text_compare(a_ended->grant_id, b_ended->grant_id);
	return order ? order : (a_ended > b_ended) - (a_ended < b_ended);
}

static bool is_same_grant(const struct grant_ended *a, const struct grant_ended *b)
{
	return text_equal(a->grant_id, b->grant_id) && text_equal(a->account->customer_id, b->account->customer_id);
}

/* The last end of each grant. */
static const struct grant_ended **list_ended(struct settling *settling, size_t *ret_count)
{
	const struct lane_work *work = settling->work;
	const struct grant_ended **ended =
		arena_alloc_array(&settling->postgres->scratch, work->grants_ended_count, sizeof *ended);
	size_t count = 0;

	for (size_t i = 0; i < work->grants_ended_count; i++)
		ended[i] = &work->grants_ended[i];
	qsort(ended, work->grants_ended_count, sizeof *ended, compare_ended);
	for (size_t i = 0; i < work->grants_ended_count; i++) {
		if (count && is_same_grant(ended[count - 1], ended[i]))
			count--;
		ended[count++] = ended[i];
	}
	*ret_count = count;
	return ended;
}

static enum outcome write_ended(struct settling *settling)
{
	size_t count;
	const struct grant_ended **ended = list_ended(settling, &count);
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, settling->postgres);
	struct postgres_bytes *customer = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *grant = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *end = postgres_add_array(&params, POSTGRES_INT2, count);
	struct postgres_bytes *ended_at = postgres_add_array(&params, POSTGRES_TIMESTAMPTZ, count);
	for (size_t i = 0; i < count; i++) {
		postgres_put_text(customer, ended[i]->account->customer_id);
		postgres_put_text(grant, ended[i]->grant_id);
		postgres_put_int16(end, (int16_t)ended[i]->end);
		postgres_put_instant(ended_at, ended[i]->ended_at);
	}
	enum outcome outcome = postgres_query(settling->postgres, &end_grants, &params, &result, settling->reterr);
	return outcome == OUTCOME_OK ? store_check_count(&end_grants, result, count, settling->reterr) : outcome;
}

/* ---- accounts ---- */

/* An account that changed, and its columns of JSON. */
struct state {
	const struct account *account;
	bool is_whole; /* changed in more than plain usage changes */
	struct text open_grants;
	struct text overrides; /* absent: none; only of a whole one */
	struct text alerts;    /* absent: not decided yet; only of a whole one */
};

static bool are_alerts_changed(const struct account *account)
{
	const struct alerts *now = &account->alerts, *then = &account->stored.alerts;

	return now->count != then->count || now->posted_balance != then->posted_balance ||
	       (now->count && memcmp(now->items, then->items, now->count * sizeof *now->items) != 0);
}

static bool is_whole(const struct account *account)
{
	const struct account_stored *stored = &account->stored;

	return account->held != stored->held || account->granted != stored->granted ||
	       account->grants_made != stored->grants_made || account->holds_made != stored->holds_made ||
	       are_alerts_changed(account) ||
	       memcmp(&account->settings, &stored->settings, sizeof stored->settings) != 0;
}

static struct state format_state(const struct account *account, struct arena *scratch)
{
	bool whole = is_whole(account);

	return (struct state){
		.account = account,
		.is_whole = whole,
		.open_grants = account_format_grants(account, scratch),
		.overrides = whole ? account_settings_format(&account->settings, scratch) : TEXT_NULL,
		.alerts = whole && account->alerts.count ? alerts_format(&account->alerts, scratch) : TEXT_NULL,
	};
}

/* The next ones from accounts[*next] on, as many as one statement holds. */
static size_t format_states(const struct settling *settling, size_t *next, struct state *states)
{
	const struct lane_work *work = settling->work;
	size_t count = 0;

	for (size_t size = 0; *next < work->accounts_count && size < STATEMENT_SIZE_MAX; (*next)++) {
		if (!work->accounts[*next].touched)
			continue;
		struct state *state = &states[count++];
		*state = format_state(&work->accounts[*next], &settling->postgres->scratch);
		size += state->open_grants.size + state->overrides.size + state->alerts.size;
	}
	return count;
}

/* The columns of update_accounts, in the order of its parameters. */
static void put_usage(const struct settling *settling, struct postgres_bytes *columns, const struct state *state)
{
	const struct account *account = state->account;
	const struct freshness *freshness = &account->freshness;
	const char *topic = freshness->input < 0 ? NULL : settling->store->config->input_topics[freshness->input];

	postgres_put_text(&columns[0], account->key.customer_id);
	postgres_put_tid(&columns[1], account->stored.row);
	postgres_put_int64(&columns[2], account->seq);
	postgres_put_credit(&columns[3], account->balance);
	postgres_put_credit(&columns[4], account->consumed);
	postgres_put_instant(&columns[5], account->clock);
	postgres_put_text(&columns[6], text_of(topic));
	if (topic) {
		postgres_put_int32(&columns[7], freshness->partition);
		postgres_put_int64(&columns[8], freshness->offset);
		postgres_put_instant(&columns[9], freshness->event_time);
	} else {
		postgres_put_null(&columns[7]);
		postgres_put_null(&columns[8]);
		postgres_put_null(&columns[9]);
	}
	postgres_put_text(&columns[10], state->open_grants);
}

/* The columns that update_whole_accounts has besides. */
static void put_rest(struct postgres_bytes *columns, const struct state *state)
{
	const struct account *account = state->account;

	postgres_put_credit(&columns[0], account->held);
	postgres_put_credit(&columns[1], account->granted);
	postgres_put_int64(&columns[2], account->grants_made);
	postgres_put_int64(&columns[3], account->holds_made);
	postgres_put_text(&columns[4], state->overrides);
	postgres_put_text(&columns[5], state->alerts);
}

/* Those of the states that are whole, or those that are not. */
static enum outcome write_states(struct settling *settling, const struct state *states, size_t states_count, bool whole)
{
	static const enum postgres_type types[] = {POSTGRES_TEXT, POSTGRES_TID, POSTGRES_INT8, POSTGRES_NUMERIC,
		POSTGRES_NUMERIC, POSTGRES_TIMESTAMPTZ, POSTGRES_TEXT, POSTGRES_INT4, POSTGRES_INT8,
		POSTGRES_TIMESTAMPTZ, POSTGRES_JSON, POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_INT8, POSTGRES_INT8,
		POSTGRES_JSON, POSTGRES_JSON};
	enum { USAGE_COLUMNS = 11, WHOLE_COLUMNS = 17 };
	static_assert(sizeof types / sizeof *types == WHOLE_COLUMNS, "a type for each parameter");
	const struct postgres_statement *statement = whole ? &update_whole_accounts : &update_accounts;
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;
	size_t count = 0, grants_size = 0;

	for (size_t i = 0; i < states_count; i++) {
		if (states[i].is_whole != whole)
			continue;
		count++;
		grants_size += states[i].open_grants.size;
	}
	if (count == 0)
		return OUTCOME_OK;
	postgres_params_init(&params, settling->postgres);
	for (size_t i = 0; i < (whole ? WHOLE_COLUMNS : USAGE_COLUMNS); i++)
		(void)postgres_add_array(&params, types[i], count);
	postgres_expect(&params.bytes[10], 4 * count + grants_size);
	for (size_t i = 0; i < states_count; i++) {
		if (states[i].is_whole != whole)
			continue;
		put_usage(settling, params.bytes, &states[i]);
		if (whole)
			put_rest(&params.bytes[USAGE_COLUMNS], &states[i]);
	}
	enum outcome outcome = postgres_query(settling->postgres, statement, &params, &result, settling->reterr);
	return outcome == OUTCOME_OK ? store_check_count(statement, result, count, settling->reterr) : outcome;
}

/* An account's open grants may be half a megabyte of JSON: so many as fit go in one statement. */
static enum outcome write_accounts(struct settling *settling)
{
	const struct lane_work *work = settling->work;
	enum outcome outcome = OUTCOME_OK;

	for (size_t next = 0; next < work->accounts_count && outcome == OUTCOME_OK;) {
		arena_reset(&settling->postgres->scratch);
		struct state *states =
			arena_alloc_array(&settling->postgres->scratch, work->accounts_count - next, sizeof *states);
		size_t count = format_states(settling, &next, states);
		outcome = write_states(settling, states, count, false);
		if (outcome == OUTCOME_OK)
			outcome = write_states(settling, states, count, true);
	}
	return outcome;
}

/* ---- due times ---- */

static bool is_due_changed(const struct account *account)
{
	return (account->touched && account->next_due != account->stored_due) || account->due_stale;
}

static bool is_due_set(const struct account *account)
{
	return is_due_changed(account) && account->next_due != INT64_MAX;
}

static bool is_due_gone(const struct account *account)
{
	return is_due_changed(account) && account->next_due == INT64_MAX;
}

static size_t list_accounts(
	const struct lane_work *work, bool (*is_wanted)(const struct account *account), const struct account **accounts)
{
	size_t count = 0;

	for (size_t i = 0; i < work->accounts_count; i++)
		if (is_wanted(&work->accounts[i]))
			accounts[count++] = &work->accounts[i];
	return count;
}

static enum outcome set_dues(struct settling *settling, const struct account *const *accounts, size_t count)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, settling->postgres);
	struct store_keys keys = store_add_keys(&params, count);
	struct postgres_bytes *due_at = postgres_add_array(&params, POSTGRES_TIMESTAMPTZ, count);
	for (size_t i = 0; i < count; i++) {
		store_put_key(&keys, &accounts[i]->key);
		/* An expiry and its grace may come to more than the last instant that can be written. */
		instant_t due = accounts[i]->next_due;
		postgres_put_instant(due_at, due < INSTANT_MAX ? due : INSTANT_MAX);
	}
	enum outcome outcome = postgres_query(settling->postgres, &write_dues, &params, &result, settling->reterr);
	return outcome == OUTCOME_OK ? store_check_count(&write_dues, result, count, settling->reterr) : outcome;
}

/* Of an account that never had a due time there is no row. */
static enum outcome remove_dues(struct settling *settling, const struct account *const *accounts, size_t count)
{
	struct postgres_params params;

	postgres_params_init(&params, settling->postgres);
	struct store_keys keys = store_add_keys(&params, count);
	for (size_t i = 0; i < count; i++)
		store_put_key(&keys, &accounts[i]->key);
	return postgres_query(settling->postgres, &delete_dues, &params, NULL, settling->reterr);
}

static enum outcome write_due_times(struct settling *settling)
{
	const struct lane_work *work = settling->work;
	const struct account **accounts =
		arena_alloc_array(&settling->postgres->scratch, work->accounts_count, sizeof *accounts);
	enum outcome outcome = OUTCOME_OK;
	size_t count = list_accounts(work, is_due_set, accounts);

	if (count)
		outcome = set_dues(settling, accounts, count);
	count = list_accounts(work, is_due_gone, accounts);
	if (outcome == OUTCOME_OK && count)
		outcome = remove_dues(settling, accounts, count);
	return outcome;
}

enum outcome store_settle(void *self, size_t lane, struct lane_work *work, struct failure *reterr)
{
	struct store_postgres *store = self;
	struct settling settling = {.store = store, .postgres = &store->lanes[lane], .work = work, .reterr = reterr};
	enum outcome outcome = OUTCOME_OK;

	arena_reset(&settling.postgres->scratch);
	if (work->entries_count)
		outcome = write_entries(&settling);
	FAILPOINT(AFTER_ENTRIES, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK && work->receipts_count)
		outcome = write_receipts(&settling);
	FAILPOINT(AFTER_RECEIPTS, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK && work->grants_made_count)
		outcome = write_grants(&settling);
	if (outcome == OUTCOME_OK && work->grants_ended_count)
		outcome = write_ended(&settling);
	if (outcome == OUTCOME_OK)
		outcome = store_write_holds(settling.postgres, work, reterr);
	if (outcome == OUTCOME_OK)
		outcome = store_write_reversals(settling.postgres, work, reterr);
	if (outcome == OUTCOME_OK)
		outcome = write_due_times(&settling);
	FAILPOINT(BEFORE_ACCOUNTS, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK)
		outcome = write_accounts(&settling);
	return outcome;
}
