/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>

#include "drawdown/store_parts.h"
#include "sql_files.h"

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

/* One lane's call. */
struct settling {
	struct store_postgres *store;
	struct postgres *postgres;
	struct lane_work *work;
	struct failure *reterr;
};

static void put_account(struct postgres_bytes *bytes, const struct account_key *account)
{
	postgres_put_text(bytes, account->customer_id);
	postgres_put_text(bytes, account->currency_id);
	postgres_put_resource(bytes, account->resource_id);
}

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
	put_account(bytes, entry->account);
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
		outcome = postgres_copy_row(&copy, 21, settling->reterr);
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

static enum outcome check_count(
	const struct settling *settling, const struct postgres_statement *statement, PGresult *result, size_t expected)
{
	size_t count = postgres_rows(result);

	if (count == expected)
		return OUTCOME_OK;
	(void)fail(settling->reterr, OUTCOME_FATAL, statement->where, "%s changed %zu rows of %zu", statement->name,
		count, expected);
	fail_hint(settling->reterr, "rows of the books are missing: they were deleted by hand or restored in part");
	return OUTCOME_FATAL;
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
	return outcome == OUTCOME_OK ? check_count(settling, &end_grants, result, count) : outcome;
}

/* The columns of update_accounts, in the order of its parameters. */
static void put_state(struct settling *settling, struct postgres_bytes *columns, const struct account *account)
{
	const struct freshness *freshness = &account->freshness;
	const char *topic = freshness->input < 0 ? NULL : settling->store->config->input_topics[freshness->input];

	postgres_put_text(&columns[0], account->key.customer_id);
	postgres_put_text(&columns[1], account->key.currency_id);
	postgres_put_resource(&columns[2], account->key.resource_id);
	postgres_put_int64(&columns[3], account->seq);
	postgres_put_credit(&columns[4], account->balance);
	postgres_put_credit(&columns[5], account->held);
	postgres_put_credit(&columns[6], account->granted);
	postgres_put_credit(&columns[7], account->consumed);
	postgres_put_instant(&columns[8], account->clock);
	postgres_put_int64(&columns[9], account->grants_made);
	postgres_put_text(&columns[10], text_of(topic));
	if (topic) {
		postgres_put_int32(&columns[11], freshness->partition);
		postgres_put_int64(&columns[12], freshness->offset);
		postgres_put_instant(&columns[13], freshness->event_time);
	} else {
		postgres_put_null(&columns[11]);
		postgres_put_null(&columns[12]);
		postgres_put_null(&columns[13]);
	}
	postgres_put_text(&columns[14], account_format_grants(account, &settling->postgres->scratch));
}

static enum outcome write_accounts(struct settling *settling, size_t touched_count)
{
	static const enum postgres_type types[] = {POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_INT8,
		POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_TIMESTAMPTZ,
		POSTGRES_INT8, POSTGRES_TEXT, POSTGRES_INT4, POSTGRES_INT8, POSTGRES_TIMESTAMPTZ, POSTGRES_JSON};
	const struct lane_work *work = settling->work;
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, settling->postgres);
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		(void)postgres_add_array(&params, types[i], touched_count);
	for (size_t i = 0; i < work->accounts_count; i++)
		if (work->accounts[i].touched)
			put_state(settling, params.bytes, &work->accounts[i]);
	enum outcome outcome = postgres_query(settling->postgres, &update_accounts, &params, &result, settling->reterr);
	return outcome == OUTCOME_OK ? check_count(settling, &update_accounts, result, touched_count) : outcome;
}

static size_t count_touched(const struct lane_work *work)
{
	size_t count = 0;
	for (size_t i = 0; i < work->accounts_count; i++)
		count += work->accounts[i].touched;
	return count;
}

enum outcome store_settle(void *self, size_t lane, struct lane_work *work, struct failure *reterr)
{
	struct store_postgres *store = self;
	struct settling settling = {.store = store, .postgres = &store->lanes[lane], .work = work, .reterr = reterr};
	size_t touched_count = count_touched(work);
	enum outcome outcome = OUTCOME_OK;

	arena_reset(&settling.postgres->scratch);
	if (work->entries_count)
		outcome = write_entries(&settling);
	if (outcome == OUTCOME_OK && work->receipts_count)
		outcome = write_receipts(&settling);
	if (outcome == OUTCOME_OK && work->grants_made_count)
		outcome = write_grants(&settling);
	if (outcome == OUTCOME_OK && work->grants_ended_count)
		outcome = write_ended(&settling);
	if (outcome == OUTCOME_OK && touched_count)
		outcome = write_accounts(&settling, touched_count);
	return outcome;
}
