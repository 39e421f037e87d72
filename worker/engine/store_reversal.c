/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "drawdown/store_parts.h"
#include "sql_files.h"

static const struct postgres_statement read_debits = {
	"store.look_up",
	"read_debits",
	sql_read_debits,
	{POSTGRES_INT8, POSTGRES_TEXT, POSTGRES_NUMERIC, POSTGRES_NUMERIC},
};
static const struct postgres_statement read_transfers = {
	"store.look_up",
	"read_transfers",
	sql_read_transfers,
	{POSTGRES_INT8, POSTGRES_INT8, POSTGRES_TEXT, POSTGRES_NUMERIC, POSTGRES_NUMERIC},
};
static const struct postgres_statement copy_transfers = {"store.settle", "copy_transfers", sql_copy_transfers, {0}};
static const struct postgres_statement update_transfers = {
	"store.settle",
	"update_transfers",
	sql_update_transfers,
	{0},
};
static const struct postgres_statement write_reversals = {
	"store.settle",
	"write_reversals",
	sql_write_reversals,
	{0},
};

/* A grant, or an overdraft, of one of the work's accounts. */
struct grant_of {
	struct account *account;
	struct text grant_id;
};
struct grants_of {
	struct grant_of *items;
	size_t count, capacity;
};

static struct account_key account_of(const struct receipt *receipt)
{
	return (struct account_key){
		.customer_id = receipt->customer_id,
		.currency_id = receipt->currency_id,
		.resource_id = receipt->resource_id,
	};
}

static void add_grant(struct arena *scratch, struct grants_of *grants, struct account *account, struct text grant_id)
{
	if (grants->count == grants->capacity) {
		size_t capacity = grants->capacity ? grants->capacity * 2 : 64;
		struct grant_of *items = arena_alloc_array(scratch, capacity, sizeof *items);
		if (grants->count)
			memcpy(items, grants->items, grants->count * sizeof *items);
		grants->items = items;
		grants->capacity = capacity;
	}
	grants->items[grants->count++] = (struct grant_of){account, grant_id};
}

static int compare_grants(const void *a, const void *b)
{
	const struct grant_of *a_grant = a, *b_grant = b;
	if (a_grant->account != b_grant->account)
		return a_grant->account < b_grant->account ? -1 : 1;
	return text_compare(a_grant->grant_id, b_grant->grant_id);
}

/* Each once. */
static void sort_grants(struct grants_of *grants)
{
	size_t distinct = 0;

	if (grants->count)
		qsort(grants->items, grants->count, sizeof *grants->items, compare_grants);
	for (size_t i = 0; i < grants->count; i++)
		if (i == 0 || compare_grants(&grants->items[distinct - 1], &grants->items[i]) != 0)
			grants->items[distinct++] = grants->items[i];
	grants->count = distinct;
}

/* ---- look_up: what was taken ---- */

/* Was something taken? The account may be none of the work's: then the rules want nothing of it. */
static bool has_debits(const struct receipt *receipt)
{
	return (receipt->kind == EVENT_CONSUME || receipt->kind == EVENT_SETTLE) &&
	       (receipt->outcome == RESULT_APPLIED || receipt->outcome == RESULT_PARTIAL) &&
	       receipt->applied_amount > 0; /* a settlement of 0 may have entries, of what it returned */
}

/* What was recorded before is known once its debits are read, if there are any. */
static size_t list_recorded(const struct lane_work *work, struct key_slot **slots)
{
	size_t count = 0;

	for (size_t i = 0; i < work->key_slots_count; i++) {
		struct key_slot *slot = &work->key_slots[i];
		if (!slot->consumption || !slot->receipt)
			continue;
		slot->consumption->is_loaded = true;
		if (has_debits(slot->receipt))
			slots[count++] = slot;
	}
	return count;
}

/* The rows of one consumption, from row `first` on; returns the row behind them. */
static int read_consumption(struct arena *arena, const PGresult *result, int first, struct consumption *consumption,
	credit_t *ret_sum, bool *ret_corrupt)
{
	int end = first;

	for (int64_t position = 0; end < PQntuples(result); end++) {
		struct postgres_row row = {.result = result, .row = end};
		int64_t its_position = postgres_get_int64(&row);
		if (end > first && its_position != position)
			break;
		position = its_position;
	}
	consumption->debits = arena_alloc_array(arena, (size_t)(end - first), sizeof *consumption->debits);
	*ret_sum = 0;
	for (int i = first; i < end; i++) {
		struct postgres_row row = {.result = result, .row = i, .column = 1};
		struct debit *debit = &consumption->debits[consumption->debits_count++];
		debit->grant_id = arena_copy(arena, postgres_get_text(&row));
		debit->amount = postgres_get_credit(&row);
		consumption->has_row = !postgres_is_null(&row);
		consumption->reversed = postgres_get_credit(&row);
		*ret_corrupt = *ret_corrupt || row.corrupt || !credit_add(*ret_sum, debit->amount, ret_sum);
	}
	return end;
}

static enum outcome fill_consumptions(struct key_slot *const *slots, size_t count, struct arena *arena,
	const PGresult *result, struct failure *reterr)
{
	int next = 0;

	for (size_t i = 0; i < count; i++) {
		struct postgres_row row = {.result = result, .row = next};
		const struct account_key account = account_of(slots[i]->receipt);
		struct consumption *consumption = slots[i]->consumption;
		bool is_corrupt = next == PQntuples(result) || postgres_get_int64(&row) != (int64_t)i + 1;
		credit_t sum = 0;
		if (!is_corrupt)
			next = read_consumption(arena, result, next, consumption, &sum, &is_corrupt);
		if (is_corrupt || sum != slots[i]->receipt->applied_amount || consumption->reversed > sum)
			return store_fail_account(read_debits.where, &account, reterr);
	}
	return OUTCOME_OK;
}

/* Debits and `reversed` of what was recorded before. */
static enum outcome look_up_debits(struct postgres *postgres, struct lane_work *work, struct failure *reterr)
{
	struct key_slot **slots = arena_alloc_array(&postgres->scratch, work->key_slots_count, sizeof *slots);
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;
	size_t count = list_recorded(work, slots);

	if (count == 0)
		return OUTCOME_OK;
	postgres_params_init(&params, postgres);
	struct store_keys keys = store_add_keys(&params, count);
	struct postgres_bytes *first = postgres_add_array(&params, POSTGRES_INT8, count);
	struct postgres_bytes *last = postgres_add_array(&params, POSTGRES_INT8, count);
	for (size_t i = 0; i < count; i++) {
		const struct account_key account = account_of(slots[i]->receipt);
		store_put_key(&keys, &account);
		postgres_put_int64(first, slots[i]->receipt->first_seq);
		postgres_put_int64(last, slots[i]->receipt->last_seq);
	}
	enum outcome outcome = postgres_query(postgres, &read_debits, &params, &result, reterr);
	return outcome == OUTCOME_OK ? fill_consumptions(slots, count, &work->arena, result, reterr) : outcome;
}

/* ---- look_up: who paid overdrafts ---- */

/* Grants and overdrafts that the reversed consumptions of the work's accounts drew on. */
static void list_debited(const struct lane_work *work, struct arena *scratch, struct grants_of *debited)
{
	for (size_t i = 0; i < work->records_count; i++) {
		const struct record *record = work->records[i];
		const struct key_slot *slot = record->readable ? record->reversed_slot : NULL;
		if (!slot || !slot->consumption || !slot->consumption->is_loaded)
			continue;
		const struct account_key account = account_of(slot->receipt);
		if (!account_key_equal(&account, &record->account->key))
			continue;
		for (size_t k = 0; k < slot->consumption->debits_count; k++)
			add_grant(scratch, debited, record->account, slot->consumption->debits[k].grant_id);
	}
	sort_grants(debited);
}

static bool is_overdraft(struct text grant_id)
{
	const struct text reserved = TEXT_LITERAL("overdraft:"); /* such an id is only the engine's */
	return grant_id.size >= reserved.size && memcmp(grant_id.data, reserved.data, reserved.size) == 0;
}

/* Those of them, and the open ones of accounts that reverse something: a consumption of this work may draw on it. */
static void list_overdrafts(
	struct lane_work *work, struct arena *scratch, const struct grants_of *debited, struct grants_of *overdrafts)
{
	for (size_t i = 0; i < debited->count; i++)
		if (is_overdraft(debited->items[i].grant_id))
			add_grant(scratch, overdrafts, debited->items[i].account, debited->items[i].grant_id);
	for (size_t i = 0; i < work->accounts_count; i++) {
		struct account *account = &work->accounts[i];
		const struct grant *open = account->has_reversals ? account_overdraft(account) : NULL;
		if (open)
			add_grant(scratch, overdrafts, account, open->grant_id);
	}
	sort_grants(overdrafts);
}

/* Rows come oldest first: each goes before those that are there. */
static enum outcome fill_transfers(
	struct lane_work *work, const struct grants_of *overdrafts, const PGresult *result, struct failure *reterr)
{
	struct transfer *transfers = arena_zero_array(&work->arena, (size_t)PQntuples(result), sizeof *transfers);

	for (int i = 0; i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		const struct grant_of *overdraft = &overdrafts->items[postgres_get_int64(&row) - 1];
		struct transfer *transfer = &transfers[i];
		transfer->overdraft_id = overdraft->grant_id;
		transfer->seq = postgres_get_int64(&row);
		transfer->grant_id = arena_copy(&work->arena, postgres_get_text(&row));
		transfer->amount = postgres_get_credit(&row);
		transfer->returned = postgres_get_credit(&row);
		if (row.corrupt)
			return store_fail_account(read_transfers.where, &overdraft->account->key, reterr);
		transfer->older = overdraft->account->transfers;
		overdraft->account->transfers = transfer;
	}
	return OUTCOME_OK;
}

static enum outcome look_up_transfers(
	struct postgres *postgres, struct lane_work *work, const struct grants_of *overdrafts, struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	if (overdrafts->count == 0)
		return OUTCOME_OK;
	postgres_params_init(&params, postgres);
	struct store_keys keys = store_add_keys(&params, overdrafts->count);
	struct postgres_bytes *overdraft = postgres_add_array(&params, POSTGRES_TEXT, overdrafts->count);
	for (size_t i = 0; i < overdrafts->count; i++) {
		store_put_key(&keys, &overdrafts->items[i].account->key);
		postgres_put_text(overdraft, overdrafts->items[i].grant_id);
	}
	enum outcome outcome = postgres_query(postgres, &read_transfers, &params, &result, reterr);
	return outcome == OUTCOME_OK ? fill_transfers(work, overdrafts, result, reterr) : outcome;
}

/* ---- look_up: grants that ended ---- */

/* What was debited or paid an overdraft, and is no longer among the open grants. */
static void list_past(
	const struct lane_work *work, struct arena *scratch, const struct grants_of *debited, struct grants_of *past)
{
	for (size_t i = 0; i < debited->count; i++)
		if (!account_find_grant(debited->items[i].account, debited->items[i].grant_id))
			add_grant(scratch, past, debited->items[i].account, debited->items[i].grant_id);
	for (size_t i = 0; i < work->accounts_count; i++) {
		struct account *account = &work->accounts[i];
		for (const struct transfer *transfer = account->transfers; transfer; transfer = transfer->older)
			if (!account_find_grant(account, transfer->grant_id))
				add_grant(scratch, past, account, transfer->grant_id);
	}
	sort_grants(past);
}

static enum outcome look_up_past(
	struct postgres *postgres, struct lane_work *work, const struct grants_of *past, struct failure *reterr)
{
	struct store_grant *grants = arena_zero_array(&postgres->scratch, past->count, sizeof *grants);
	struct grant_past *known = arena_zero_array(&work->arena, past->count, sizeof *known);

	if (past->count == 0)
		return OUTCOME_OK;
	for (size_t i = 0; i < past->count; i++) {
		grants[i].customer_id = past->items[i].account->key.customer_id;
		grants[i].grant.grant_id = past->items[i].grant_id;
	}
	enum outcome outcome = store_find_grants(postgres, &work->arena, grants, past->count, reterr);
	for (size_t i = 0; i < past->count && outcome == OUTCOME_OK; i++) {
		struct account *account = past->items[i].account;
		if (!grants[i].found || grants[i].end == GRANT_END_NONE)
			return store_fail_account(read_debits.where, &account->key, reterr);
		known[i] = (struct grant_past){grants[i].grant, (int)grants[i].end, account->past};
		account->past = &known[i];
	}
	return outcome;
}

enum outcome store_look_up_reversals(struct postgres *postgres, struct lane_work *work, struct failure *reterr)
{
	struct grants_of debited = {0}, overdrafts = {0}, past = {0};
	enum outcome outcome = look_up_debits(postgres, work, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	list_debited(work, &postgres->scratch, &debited);
	list_overdrafts(work, &postgres->scratch, &debited, &overdrafts);
	outcome = look_up_transfers(postgres, work, &overdrafts, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	list_past(work, &postgres->scratch, &debited, &past);
	return look_up_past(postgres, work, &past, reterr);
}

/* ---- settle ---- */

static bool is_made(const struct transfer *transfer)
{
	return transfer->is_new;
}

static bool is_changed(const struct transfer *transfer)
{
	return transfer->changed && !transfer->is_new;
}

static size_t count_transfers(const struct lane_work *work, bool (*is_wanted)(const struct transfer *transfer))
{
	size_t count = 0;

	for (size_t i = 0; i < work->accounts_count; i++)
		for (const struct transfer *transfer = work->accounts[i].transfers; transfer;
			transfer = transfer->older)
			count += is_wanted(transfer);
	return count;
}

static void put_transfer(
	struct postgres_bytes *bytes, const struct account_key *account, const struct transfer *transfer)
{
	store_put_account(bytes, account);
	postgres_put_text(bytes, transfer->overdraft_id);
	postgres_put_int64(bytes, transfer->seq);
	postgres_put_text(bytes, transfer->grant_id);
	postgres_put_credit(bytes, transfer->amount);
	postgres_put_credit(bytes, transfer->returned);
}

static enum outcome write_made(struct postgres *postgres, const struct lane_work *work, struct failure *reterr)
{
	struct postgres_copy copy;
	enum outcome outcome = postgres_copy_begin(&copy, postgres, &copy_transfers, reterr);

	for (size_t i = 0; i < work->accounts_count; i++) {
		const struct account *account = &work->accounts[i];
		const struct transfer *transfer = account->transfers;
		for (; transfer && outcome == OUTCOME_OK; transfer = transfer->older) {
			if (!is_made(transfer))
				continue;
			outcome = postgres_copy_row(&copy, 8, reterr);
			if (outcome == OUTCOME_OK)
				put_transfer(&copy.bytes, &account->key, transfer);
		}
	}
	return outcome == OUTCOME_OK ? postgres_copy_end(&copy, reterr) : outcome;
}

static enum outcome write_changed(
	struct postgres *postgres, const struct lane_work *work, size_t count, struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, postgres);
	struct store_keys keys = store_add_keys(&params, count);
	struct postgres_bytes *overdraft = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *seq = postgres_add_array(&params, POSTGRES_INT8, count);
	struct postgres_bytes *returned = postgres_add_array(&params, POSTGRES_NUMERIC, count);
	for (size_t i = 0; i < work->accounts_count; i++) {
		const struct account *account = &work->accounts[i];
		for (const struct transfer *transfer = account->transfers; transfer; transfer = transfer->older) {
			if (!is_changed(transfer))
				continue;
			store_put_key(&keys, &account->key);
			postgres_put_text(overdraft, transfer->overdraft_id);
			postgres_put_int64(seq, transfer->seq);
			postgres_put_credit(returned, transfer->returned);
		}
	}
	enum outcome outcome = postgres_query(postgres, &update_transfers, &params, &result, reterr);
	return outcome == OUTCOME_OK ? store_check_count(&update_transfers, result, count, reterr) : outcome;
}

static bool is_reversed(const struct key_slot *slot)
{
	return slot->consumption && slot->consumption->changed;
}

static enum outcome write_consumptions(
	struct postgres *postgres, const struct lane_work *work, size_t count, struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, postgres);
	struct store_keys keys = store_add_keys(&params, count);
	struct postgres_bytes *first = postgres_add_array(&params, POSTGRES_INT8, count);
	struct postgres_bytes *reversed = postgres_add_array(&params, POSTGRES_NUMERIC, count);
	for (size_t i = 0; i < work->key_slots_count; i++) {
		const struct key_slot *slot = &work->key_slots[i];
		if (!is_reversed(slot))
			continue;
		const struct account_key account = account_of(slot->receipt);
		store_put_key(&keys, &account);
		postgres_put_int64(first, slot->receipt->first_seq);
		postgres_put_credit(reversed, slot->consumption->reversed);
	}
	enum outcome outcome = postgres_query(postgres, &write_reversals, &params, &result, reterr);
	return outcome == OUTCOME_OK ? store_check_count(&write_reversals, result, count, reterr) : outcome;
}

enum outcome store_write_reversals(struct postgres *postgres, const struct lane_work *work, struct failure *reterr)
{
	size_t changed_count = count_transfers(work, is_changed), reversed_count = 0;
	enum outcome outcome = OUTCOME_OK;

	for (size_t i = 0; i < work->key_slots_count; i++)
		reversed_count += is_reversed(&work->key_slots[i]);
	if (count_transfers(work, is_made))
		outcome = write_made(postgres, work, reterr);
	if (outcome == OUTCOME_OK && changed_count)
		outcome = write_changed(postgres, work, changed_count, reterr);
	if (outcome == OUTCOME_OK && reversed_count)
		outcome = write_consumptions(postgres, work, reversed_count, reterr);
	return outcome;
}
