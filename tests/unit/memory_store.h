/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's part of a lane's work, in memory: what a batch left is there for the next one. It keeps copies
 * only, and an account's open grants as the JSON that the real store keeps.
 */
#ifndef DRAWDOWN_TEST_MEMORY_STORE_H
#define DRAWDOWN_TEST_MEMORY_STORE_H

#include <assert.h>
#include <stdlib.h>

#include "drawdown/work.h"

struct stored_account {
	struct account account; /* its numbers */
	struct text open_grants;
	struct text overrides; /* absent: none */
	struct text alerts;
};

struct stored_grant {
	struct grant_known known;
	struct grant terms;
};

struct stored_hold {
	struct account_key key;
	struct hold hold; /* without parts */
	struct text parts;
};

struct stored_transfer {
	struct account_key key;
	struct transfer transfer;
};

struct stored_reversal {
	struct account_key key;
	int64_t first_seq;
	credit_t reversed;
};

struct memory_store {
	struct arena arena;
	struct stored_account *accounts;
	size_t accounts_count, accounts_capacity;
	struct receipt **receipts;
	size_t receipts_count, receipts_capacity;
	struct stored_grant *grants;
	size_t grants_count, grants_capacity;
	struct stored_hold *holds;
	size_t holds_count, holds_capacity;
	struct stored_transfer *transfers;
	size_t transfers_count, transfers_capacity;
	struct stored_reversal *reversals;
	size_t reversals_count, reversals_capacity;
	struct ledger_entry *entries; /* in the order in which they were written */
	size_t entries_count, entries_capacity;
	struct currency currencies[8];
	size_t currencies_count;
};

static inline void memory_store_init(struct memory_store *store)
{
	*store = (struct memory_store){0};
	arena_init(&store->arena, 1 << 14);
}

static inline void memory_store_release(struct memory_store *store)
{
	arena_release(&store->arena);
	free(store->accounts);
	free(store->receipts);
	free(store->grants);
	free(store->holds);
	free(store->transfers);
	free(store->reversals);
	free(store->entries);
}

/* As a row of drawdown.currency would. */
static inline void memory_store_name_currency(struct memory_store *store, const char *currency_id, int64_t expiry_grace)
{
	assert(store->currencies_count < sizeof store->currencies / sizeof *store->currencies);
	store->currencies[store->currencies_count++] =
		(struct currency){.currency_id = text_of(currency_id), .named = true, .expiry_grace = expiry_grace};
}

/* Room for one more of `size` bytes. */
static inline void *memory_store_grow(void *array, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity)
		return array;
	*capacity = *capacity ? *capacity * 2 : 16;
	void *grown = reallocarray(array, *capacity, size);
	if (!grown)
		abort();
	return grown;
}

static inline struct account_key memory_store_copy_key(struct memory_store *store, const struct account_key *key)
{
	return (struct account_key){
		.customer_id = arena_copy(&store->arena, key->customer_id),
		.currency_id = arena_copy(&store->arena, key->currency_id),
		.resource_id = arena_copy(&store->arena, key->resource_id),
	};
}

static inline struct stored_account *memory_store_find_account(
	const struct memory_store *store, const struct account_key *key)
{
	for (size_t i = 0; i < store->accounts_count; i++)
		if (account_key_equal(&store->accounts[i].account.key, key))
			return &store->accounts[i];
	return NULL;
}

static inline struct grant_known *memory_store_find_grant(
	const struct memory_store *store, struct text customer_id, struct text grant_id)
{
	for (size_t i = 0; i < store->grants_count; i++)
		if (text_equal(store->grants[i].known.customer_id, customer_id) &&
			text_equal(store->grants[i].known.grant_id, grant_id))
			return &store->grants[i].known;
	return NULL;
}

static inline struct stored_hold *memory_store_find_hold(
	const struct memory_store *store, const struct account_key *key, struct text reservation_id)
{
	for (size_t i = 0; i < store->holds_count; i++)
		if (account_key_equal(&store->holds[i].key, key) &&
			text_equal(store->holds[i].hold.reservation_id, reservation_id))
			return &store->holds[i];
	return NULL;
}

static inline struct stored_transfer *memory_store_find_transfer(
	const struct memory_store *store, const struct account_key *key, int64_t seq)
{
	for (size_t i = 0; i < store->transfers_count; i++)
		if (account_key_equal(&store->transfers[i].key, key) && store->transfers[i].transfer.seq == seq)
			return &store->transfers[i];
	return NULL;
}

static inline struct stored_reversal *memory_store_find_reversal(
	const struct memory_store *store, const struct account_key *key, int64_t first_seq)
{
	for (size_t i = 0; i < store->reversals_count; i++)
		if (account_key_equal(&store->reversals[i].key, key) && store->reversals[i].first_seq == first_seq)
			return &store->reversals[i];
	return NULL;
}

static inline struct receipt *memory_store_find_receipt(
	const struct memory_store *store, struct text customer_id, struct hash128 key_hash)
{
	for (size_t i = 0; i < store->receipts_count; i++)
		if (text_equal(store->receipts[i]->customer_id, customer_id) &&
			hash128_equal(store->receipts[i]->key_hash, key_hash))
			return store->receipts[i];
	return NULL;
}

static inline bool memory_store_is_sibling(const struct account_key *a, const struct account_key *b)
{
	return text_equal(a->customer_id, b->customer_id) && text_equal(a->currency_id, b->currency_id);
}

static inline const struct currency *memory_store_find_currency(
	const struct memory_store *store, struct lane_work *work, struct text currency_id)
{
	for (size_t i = 0; i < store->currencies_count; i++)
		if (text_equal(store->currencies[i].currency_id, currency_id))
			return &store->currencies[i];
	struct currency *defaults = arena_zero_array(&work->arena, 1, sizeof *defaults);
	defaults->currency_id = currency_id;
	return defaults;
}

static inline void memory_store_fill_account(
	const struct memory_store *store, struct lane_work *work, struct account *account)
{
	const struct stored_account *stored = memory_store_find_account(store, &account->key);
	const struct account_key key = account->key;
	bool may_create = account->may_create, has_reversals = account->has_reversals;

	if (!stored)
		return;
	*account = stored->account;
	account->key = key;
	account->may_create = may_create;
	account->has_reversals = has_reversals;
	account->exists = true;
	bool parsed = account_parse_grants(account, &work->arena, stored->open_grants) &&
		      alerts_parse(&account->alerts, &work->arena, stored->alerts) &&
		      (!stored->overrides.data ||
			      account_settings_parse(stored->overrides, &work->arena, &account->settings));
	assert(parsed);
}

static inline void memory_store_lock(
	const struct memory_store *store, struct lane_work *work, const struct rules *rules)
{
	for (size_t i = 0; i < work->accounts_count; i++) {
		struct account *account = &work->accounts[i];
		memory_store_fill_account(store, work, account);
		account->currency = memory_store_find_currency(store, work, account->key.currency_id);
		account->currency_known = account->currency->named || rules->currencies_open;
		for (size_t j = 0; j < store->accounts_count; j++)
			if (memory_store_is_sibling(&account->key, &store->accounts[j].account.key) &&
				store->accounts[j].account.grants_made > 0)
				account->currency_known = true;
		account->exists = account->exists || account->currency_known;
		for (size_t j = 0; j < work->accounts_count; j++)
			if (memory_store_is_sibling(&account->key, &work->accounts[j].key) &&
				work->accounts[j].may_create)
				account->exists = true;
	}
}

/* Open ones, and those that events name. */
static inline void memory_store_look_up_holds(const struct memory_store *store, struct lane_work *work)
{
	for (size_t i = 0; i < store->holds_count; i++) {
		const struct stored_hold *stored = &store->holds[i];
		for (size_t j = 0; j < work->accounts_count; j++) {
			struct account *account = &work->accounts[j];
			bool is_wanted = stored->hold.state == HOLD_OPEN;
			for (size_t k = 0; k < work->records_count && !is_wanted; k++)
				is_wanted = work->records[k]->account == account && work->records[k]->event.hold &&
					    text_equal(work->records[k]->event.hold->reservation_id,
						    stored->hold.reservation_id);
			if (!is_wanted || !account_key_equal(&account->key, &stored->key))
				continue;
			struct hold *hold = arena_alloc(&work->arena, sizeof *hold);
			*hold = stored->hold;
			bool parsed = hold_parse_parts(hold, &work->arena, stored->parts);
			assert(parsed);
			account_add_hold(account, &work->arena, hold);
		}
	}
	for (size_t i = 0; i < work->accounts_count; i++) {
		bool applied = account_apply_holds(&work->accounts[i]);
		assert(applied);
	}
}

/* Did a consumption that an event of the account reverses, and that was recorded before, draw on it? */
static inline bool memory_store_is_debited(
	const struct lane_work *work, const struct account *account, struct text grant_id)
{
	for (size_t i = 0; i < work->records_count; i++) {
		const struct record *record = work->records[i];
		const struct key_slot *slot = record->readable ? record->reversed_slot : NULL;
		if (!slot || record->account != account || !slot->consumption->is_loaded)
			continue;
		for (size_t j = 0; j < slot->consumption->debits_count; j++)
			if (text_equal(slot->consumption->debits[j].grant_id, grant_id))
				return true;
	}
	return false;
}

/* Those of overdrafts that a reversed consumption drew on, and of the open one. */
static inline void memory_store_look_up_transfers(
	const struct memory_store *store, struct lane_work *work, struct account *account)
{
	const struct grant *overdraft = account_overdraft(account);

	for (size_t i = 0; i < store->transfers_count; i++) {
		const struct stored_transfer *stored = &store->transfers[i];
		const struct text overdraft_id = stored->transfer.overdraft_id;
		bool is_open = overdraft && text_equal(overdraft->grant_id, overdraft_id);
		if (!account_key_equal(&stored->key, &account->key) ||
			(!is_open && !memory_store_is_debited(work, account, overdraft_id)))
			continue;
		struct transfer *transfer = arena_alloc(&work->arena, sizeof *transfer);
		*transfer = stored->transfer;
		transfer->older = account->transfers;
		account->transfers = transfer;
	}
}

/* Ended grants that a reversed consumption drew on, or that paid one of those overdrafts. */
static inline void memory_store_look_up_past(
	const struct memory_store *store, struct lane_work *work, struct account *account)
{
	for (size_t i = 0; i < store->grants_count; i++) {
		const struct stored_grant *stored = &store->grants[i];
		const struct text grant_id = stored->known.grant_id;
		const struct transfer *transfer = account->transfers;
		while (transfer && !text_equal(transfer->grant_id, grant_id))
			transfer = transfer->older;
		if (stored->known.end == GRANT_END_NONE ||
			!text_equal(stored->known.customer_id, account->key.customer_id) ||
			account_find_grant(account, grant_id) ||
			(!transfer && !memory_store_is_debited(work, account, grant_id)))
			continue;
		struct grant_past *past = arena_alloc(&work->arena, sizeof *past);
		*past = (struct grant_past){stored->terms, (int)stored->known.end, account->past};
		account->past = past;
	}
}

/* Debits of what is reversed and took something. */
static inline void memory_store_look_up_debits(const struct memory_store *store, struct lane_work *work)
{
	for (size_t i = 0; i < work->key_slots_count; i++) {
		const struct key_slot *slot = &work->key_slots[i];
		const struct receipt *receipt = slot->receipt;
		if (!slot->consumption || !receipt || receipt->applied_amount == 0 ||
			(receipt->kind != EVENT_CONSUME && receipt->kind != EVENT_SETTLE))
			continue;
		const struct account_key key = {receipt->customer_id, receipt->currency_id, receipt->resource_id};
		const struct stored_reversal *reversal = memory_store_find_reversal(store, &key, receipt->first_seq);
		struct consumption *consumption = slot->consumption;
		consumption->is_loaded = true;
		consumption->reversed = reversal ? reversal->reversed : 0;
		consumption->debits =
			arena_alloc_array(&work->arena, store->entries_count, sizeof *consumption->debits);
		for (size_t j = 0; j < store->entries_count; j++) {
			const struct ledger_entry *entry = &store->entries[j];
			if (account_key_equal(entry->account, &key) && entry->seq >= receipt->first_seq &&
				entry->seq <= receipt->last_seq && entry->event_type == LEDGER_CREDITS_CONSUMED)
				consumption->debits[consumption->debits_count++] =
					(struct debit){entry->grant_id, -entry->amount};
		}
	}
}

/* What the real store reads, and no more: what it need not know it does not know. */
static inline void memory_store_look_up_reversals(const struct memory_store *store, struct lane_work *work)
{
	memory_store_look_up_debits(store, work);
	for (size_t i = 0; i < work->accounts_count; i++) {
		if (!work->accounts[i].has_reversals)
			continue;
		memory_store_look_up_transfers(store, work, &work->accounts[i]);
		memory_store_look_up_past(store, work, &work->accounts[i]);
	}
}

static inline void memory_store_look_up(const struct memory_store *store, struct lane_work *work)
{
	for (size_t i = 0; i < work->key_slots_count; i++) {
		struct key_slot *slot = &work->key_slots[i];
		slot->receipt = memory_store_find_receipt(store, slot->customer_id, slot->key_hash);
	}
	for (size_t i = 0; i < work->grants_known_count; i++) {
		struct grant_known *known = &work->grants_known[i];
		const struct grant_known *stored = memory_store_find_grant(store, known->customer_id, known->grant_id);
		if (stored)
			*known = *stored;
	}
	memory_store_look_up_holds(store, work);
	memory_store_look_up_reversals(store, work);
}

/* As the real store reads it: its texts live as long as the work. */
static inline struct ledger_entry memory_store_read_entry(struct arena *arena, const struct ledger_entry *entry)
{
	struct ledger_entry read = *entry;

	read.grant_id = arena_copy(arena, entry->grant_id);
	read.idempotency_key = arena_copy(arena, entry->idempotency_key);
	read.dimensions = arena_copy(arena, entry->dimensions);
	read.traceparent = arena_copy(arena, entry->traceparent);
	return read;
}

/* Newest first: the order is the encoder's task. */
static inline void memory_store_recall(const struct memory_store *store, struct lane_work *work)
{
	work->recalled_capacity = store->entries_count;
	work->recalled = arena_alloc_array(&work->arena, store->entries_count, sizeof *work->recalled);
	for (size_t i = work->records_count; i-- > 0;) {
		const struct record *record = work->records[i];
		if (!record->readable || !record_is_recalled(record))
			continue;
		for (size_t j = store->entries_count; j-- > 0;) {
			const struct ledger_entry *entry = &store->entries[j];
			if (account_key_equal(entry->account, &record->account->key) &&
				entry->seq >= record->key_slot->receipt->range_first &&
				entry->seq <= record->key_slot->receipt->range_last)
				work->recalled[work->recalled_count++] = memory_store_read_entry(&work->arena, entry);
		}
	}
}

static inline void memory_store_write_entry(struct memory_store *store, const struct ledger_entry *entry)
{
	struct arena *arena = &store->arena;
	struct account_key *key = arena_alloc(arena, sizeof *key);

	store->entries = memory_store_grow(
		store->entries, store->entries_count, &store->entries_capacity, sizeof *store->entries);
	struct ledger_entry *written = &store->entries[store->entries_count++];
	*key = memory_store_copy_key(store, entry->account);
	*written = *entry;
	written->account = key;
	written->grant_id = arena_copy(arena, entry->grant_id);
	written->idempotency_key = arena_copy(arena, entry->idempotency_key);
	written->dimensions = arena_copy(arena, entry->dimensions);
	written->traceparent = arena_copy(arena, entry->traceparent);
}

static inline void memory_store_write_receipt(struct memory_store *store, const struct receipt *receipt)
{
	struct arena *arena = &store->arena;
	struct receipt *written = arena_alloc(arena, sizeof *written);

	assert(!memory_store_find_receipt(store, receipt->customer_id, receipt->key_hash));
	store->receipts = memory_store_grow(
		store->receipts, store->receipts_count, &store->receipts_capacity, sizeof *store->receipts);
	store->receipts[store->receipts_count++] = written;
	*written = *receipt;
	written->customer_id = arena_copy(arena, receipt->customer_id);
	written->idempotency_key = arena_copy(arena, receipt->idempotency_key);
	written->currency_id = arena_copy(arena, receipt->currency_id);
	written->resource_id = arena_copy(arena, receipt->resource_id);
	written->notifications = arena_copy(arena, receipt->notifications);
}

static inline void memory_store_write_grant(struct memory_store *store, const struct grant_made *made)
{
	assert(!memory_store_find_grant(store, made->account->customer_id, made->grant_id));
	const struct account_key key = memory_store_copy_key(store, made->account);
	store->grants =
		memory_store_grow(store->grants, store->grants_count, &store->grants_capacity, sizeof *store->grants);
	struct stored_grant *written = &store->grants[store->grants_count++];
	written->known = (struct grant_known){
		.customer_id = key.customer_id,
		.grant_id = arena_copy(&store->arena, made->grant_id),
		.currency_id = key.currency_id,
		.resource_id = key.resource_id,
		.grant_type = made->grant_type,
		.expire_at = made->expire_at,
		.found = true,
	};
	written->terms = (struct grant){
		.grant_id = written->known.grant_id,
		.grant_type = made->grant_type,
		.priority = made->priority,
		.effective_at = made->effective_at,
		.expire_at = made->expire_at,
		.created_at = made->created_at,
		.ordinal = made->ordinal,
	};
}

static inline void memory_store_write_hold(
	struct memory_store *store, const struct account_key *key, const struct hold *hold)
{
	struct stored_hold *stored = memory_store_find_hold(store, key, hold->reservation_id);

	assert(hold->is_new == !stored);
	if (!stored) {
		store->holds = memory_store_grow(
			store->holds, store->holds_count, &store->holds_capacity, sizeof *store->holds);
		stored = &store->holds[store->holds_count++];
		stored->key = memory_store_copy_key(store, key);
		stored->parts = arena_copy(&store->arena, hold_format_parts(hold, &store->arena));
		stored->hold.reservation_id = arena_copy(&store->arena, hold->reservation_id);
	}
	const struct text reservation_id = stored->hold.reservation_id;
	stored->hold = *hold;
	stored->hold.reservation_id = reservation_id;
	stored->hold.parts = NULL;
	stored->hold.parts_count = 0;
	stored->hold.is_new = stored->hold.changed = false;
}

static inline void memory_store_write_transfer(
	struct memory_store *store, const struct account_key *key, const struct transfer *transfer)
{
	struct stored_transfer *stored = memory_store_find_transfer(store, key, transfer->seq);

	assert(transfer->is_new == !stored);
	if (!stored) {
		store->transfers = memory_store_grow(
			store->transfers, store->transfers_count, &store->transfers_capacity, sizeof *store->transfers);
		stored = &store->transfers[store->transfers_count++];
		*stored = (struct stored_transfer){memory_store_copy_key(store, key), *transfer};
		stored->transfer.overdraft_id = arena_copy(&store->arena, transfer->overdraft_id);
		stored->transfer.grant_id = arena_copy(&store->arena, transfer->grant_id);
		stored->transfer.is_new = stored->transfer.changed = false;
		stored->transfer.older = NULL;
	}
	stored->transfer.returned = transfer->returned;
}

/* Oldest first, as a sequence would bring them. */
static inline void memory_store_write_transfers(
	struct memory_store *store, const struct account_key *key, const struct transfer *transfer)
{
	if (!transfer)
		return;
	memory_store_write_transfers(store, key, transfer->older);
	if (transfer->is_new || transfer->changed)
		memory_store_write_transfer(store, key, transfer);
}

static inline void memory_store_write_reversal(struct memory_store *store, const struct key_slot *slot)
{
	const struct account_key key = {
		slot->receipt->customer_id, slot->receipt->currency_id, slot->receipt->resource_id};
	struct stored_reversal *stored = memory_store_find_reversal(store, &key, slot->receipt->first_seq);

	if (!stored) {
		store->reversals = memory_store_grow(
			store->reversals, store->reversals_count, &store->reversals_capacity, sizeof *store->reversals);
		stored = &store->reversals[store->reversals_count++];
		*stored = (struct stored_reversal){memory_store_copy_key(store, &key), slot->receipt->first_seq, 0};
	}
	stored->reversed = slot->consumption->reversed;
}

static inline void memory_store_write_account(struct memory_store *store, const struct account *account)
{
	struct stored_account *stored = memory_store_find_account(store, &account->key);

	if (!stored) {
		store->accounts = memory_store_grow(
			store->accounts, store->accounts_count, &store->accounts_capacity, sizeof *store->accounts);
		stored = &store->accounts[store->accounts_count++];
		stored->account.key = memory_store_copy_key(store, &account->key);
	}
	const struct account_key key = stored->account.key;
	stored->account = (struct account){
		.key = key,
		.seq = account->seq,
		.balance = account->balance,
		.held = account->held,
		.granted = account->granted,
		.consumed = account->consumed,
		.clock = account->clock,
		.grants_made = account->grants_made,
		.holds_made = account->holds_made,
		.freshness = account->freshness,
	};
	const struct account_settings *settings = &account->settings;
	stored->open_grants = account_format_grants(account, &store->arena);
	stored->alerts = alerts_format(&account->alerts, &store->arena);
	stored->overrides = settings->has_over_limit || settings->has_overdraft_limit || settings->has_thresholds
				    ? account_settings_format(settings, &store->arena)
				    : TEXT_NULL;
	for (size_t i = 0; i < account->holds_count; i++)
		if (account->holds[i]->is_new || account->holds[i]->changed)
			memory_store_write_hold(store, &account->key, account->holds[i]);
	memory_store_write_transfers(store, &account->key, account->transfers);
}

static inline void memory_store_settle(struct memory_store *store, const struct lane_work *work)
{
	for (size_t i = 0; i < work->entries_count; i++)
		memory_store_write_entry(store, &work->entries[i]);
	for (size_t i = 0; i < work->receipts_count; i++)
		memory_store_write_receipt(store, &work->receipts[i]);
	for (size_t i = 0; i < work->grants_made_count; i++)
		memory_store_write_grant(store, &work->grants_made[i]);
	for (size_t i = 0; i < work->grants_ended_count; i++) {
		const struct grant_ended *ended = &work->grants_ended[i];
		struct grant_known *stored =
			memory_store_find_grant(store, ended->account->customer_id, ended->grant_id);
		assert(stored);
		stored->end = ended->end;
	}
	for (size_t i = 0; i < work->accounts_count; i++)
		if (work->accounts[i].touched)
			memory_store_write_account(store, &work->accounts[i]);
	for (size_t i = 0; i < work->key_slots_count; i++)
		if (work->key_slots[i].consumption && work->key_slots[i].consumption->changed)
			memory_store_write_reversal(store, &work->key_slots[i]);
}

/* All that a lane does between its records and its messages. */
static inline enum outcome memory_store_run(
	struct memory_store *store, struct lane_work *work, const struct rules *rules, size_t entries_max)
{
	work_prepare(work);
	memory_store_lock(store, work, rules);
	memory_store_look_up(store, work);
	memory_store_recall(store, work);
	enum outcome outcome = work_resolve(work, rules, entries_max, NULL);
	if (outcome == OUTCOME_OK)
		memory_store_settle(store, work);
	return outcome;
}

#endif
