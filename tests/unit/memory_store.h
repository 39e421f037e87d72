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
};

struct memory_store {
	struct arena arena;
	struct stored_account *accounts;
	size_t accounts_count, accounts_capacity;
	struct receipt **receipts;
	size_t receipts_count, receipts_capacity;
	struct grant_known *grants;
	size_t grants_count, grants_capacity;
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
	free(store->entries);
}

/* As a row of drawdown.currency would. */
static inline void memory_store_name_currency(struct memory_store *store, const char *currency_id, int64_t expiry_grace)
{
	assert(store->currencies_count < sizeof store->currencies / sizeof *store->currencies);
	store->currencies[store->currencies_count++] = (struct currency){text_of(currency_id), true, expiry_grace};
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
		if (text_equal(store->grants[i].customer_id, customer_id) &&
			text_equal(store->grants[i].grant_id, grant_id))
			return &store->grants[i];
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
	bool may_create = account->may_create;

	if (!stored)
		return;
	*account = stored->account;
	account->key = key;
	account->may_create = may_create;
	account->exists = true;
	bool parsed = account_parse_grants(account, &work->arena, stored->open_grants);
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
				work->recalled[work->recalled_count++] = *entry;
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
}

static inline void memory_store_write_grant(struct memory_store *store, const struct grant_made *made)
{
	assert(!memory_store_find_grant(store, made->account->customer_id, made->grant_id));
	const struct account_key key = memory_store_copy_key(store, made->account);
	store->grants =
		memory_store_grow(store->grants, store->grants_count, &store->grants_capacity, sizeof *store->grants);
	store->grants[store->grants_count++] = (struct grant_known){
		.customer_id = key.customer_id,
		.grant_id = arena_copy(&store->arena, made->grant_id),
		.currency_id = key.currency_id,
		.resource_id = key.resource_id,
		.grant_type = made->grant_type,
		.expire_at = made->expire_at,
		.found = true,
	};
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
		.freshness = account->freshness,
	};
	stored->open_grants = account_format_grants(account, &store->arena);
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
