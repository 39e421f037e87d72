/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/work.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "drawdown/rules.h"

void work_init(struct lane_work *work, size_t arena_block_size)
{
	*work = (struct lane_work){.receipts_from = INSTANT_NONE};
	arena_init(&work->arena, arena_block_size);
	arena_init(&work->outbox, arena_block_size);
}

void work_release(struct lane_work *work)
{
	free(work->given);
	arena_release(&work->arena);
	arena_release(&work->outbox);
	*work = (struct lane_work){0};
}

/* The arenas and the list of records, and nothing that was made of them. */
static struct lane_work bare(const struct lane_work *work)
{
	return (struct lane_work){
		.arena = work->arena,
		.outbox = work->outbox,
		.given = work->given,
		.given_count = work->given_count,
		.given_capacity = work->given_capacity,
		.has_roles = work->has_roles,
		.records = work->given,
		.records_count = work->given_count,
		.receipts_from = INSTANT_NONE,
	};
}

static void forget_results(struct lane_work *work)
{
	arena_reset(&work->arena);
	arena_reset(&work->outbox);
	*work = bare(work);
}

void work_keep_messages(struct lane_work *work)
{
	arena_reset(&work->arena);
	struct lane_work kept = bare(work);
	kept.messages = work->messages;
	kept.messages_count = work->messages_count;
	kept.messages_capacity = work->messages_capacity;
	kept.tally = work->tally;
	*work = kept;
}

void work_reset(struct lane_work *work)
{
	work->given_count = 0;
	work->has_roles = false;
	forget_results(work);
}

void work_add_record(struct lane_work *work, struct record *record)
{
	if (work->given_count == work->given_capacity) {
		size_t capacity = work->given_capacity ? work->given_capacity * 2 : 1024;
		struct record **given = reallocarray(work->given, capacity, sizeof *given);
		if (!given)
			abort();
		work->given = given;
		work->given_capacity = capacity;
	}
	work->given[work->given_count++] = record;
	work->records = work->given;
	work->records_count = work->given_count;
}

static struct account_key key_of(const struct record *record)
{
	return (struct account_key){
		.customer_id = record->event.customer_id,
		.currency_id = record->event.currency_id,
		.resource_id = record->event.resource_id,
	};
}

/* A record beside the bytes of its customer that tell it from most others, so that few comparisons look at it. */
struct place {
	uint64_t word;
	struct record *record;
};

static int compare_accounts(const struct place *a, const struct place *b)
{
	if (a->word != b->word)
		return a->word < b->word ? -1 : 1;
	const struct account_key a_key = key_of(a->record), b_key = key_of(b->record);
	return account_key_compare(&a_key, &b_key);
}

static int compare_places(const void *a, const void *b)
{
	return compare_accounts(a, b);
}

static size_t common_size(struct text a, struct text b, size_t size_max)
{
	size_t size = 0;
	while (size < size_max && size < a.size && size < b.size && a.data[size] == b.data[size])
		size++;
	return size;
}

/* The eight bytes from `begin`, in the order in which texts compare; no id has a NUL. */
static uint64_t word_of(struct text id, size_t begin)
{
	uint64_t word = 0;
	for (size_t i = begin; i < begin + 8; i++)
		word = word << 8 | (i < id.size ? (uint8_t)id.data[i] : 0);
	return word;
}

/* In the order of locking. */
static struct place *sort_by_account(struct arena *arena, struct record *const *readable, size_t count)
{
	struct place *places = arena_alloc_array(arena, count, sizeof *places);
	struct text first = readable[0]->event.customer_id;
	size_t shared = first.size;

	for (size_t i = 1; i < count; i++)
		shared = common_size(first, readable[i]->event.customer_id, shared);
	for (size_t i = 0; i < count; i++)
		places[i] = (struct place){word_of(readable[i]->event.customer_id, shared), readable[i]};
	qsort(places, count, sizeof *places, compare_places);
	return places;
}

/* A key that a record names: its own, or the one that it reverses. */
struct key_named {
	uint64_t word; /* the hash's first bytes, in their order */
	struct hash128 hash;
	struct record *record;
	bool is_reversed;
};

static struct key_named name_key(struct record *record, struct hash128 hash, bool is_reversed)
{
	uint64_t big;

	memcpy(&big, hash.bytes, sizeof big);
	return (struct key_named){be64toh(big), hash, record, is_reversed};
}

static int compare_by_key(const void *a, const void *b)
{
	const struct key_named *a_key = a, *b_key = b;
	if (a_key->word != b_key->word)
		return a_key->word < b_key->word ? -1 : 1;
	return memcmp(a_key->hash.bytes, b_key->hash.bytes, sizeof a_key->hash.bytes);
}

static int compare_grant_ids(struct text a_customer, struct text a_grant, struct text b_customer, struct text b_grant)
{
	int order = text_compare(a_customer, b_customer);
	return order ? order : text_compare(a_grant, b_grant);
}

static int compare_by_grant(const void *a, const void *b)
{
	const struct event *a_event = &(*(struct record *const *)a)->event,
			   *b_event = &(*(struct record *const *)b)->event;
	return compare_grant_ids(a_event->customer_id, a_event->grant_id, b_event->customer_id, b_event->grant_id);
}

/* Leaves the records in the order of their accounts. */
static void find_accounts(struct lane_work *work, struct record **readable, size_t count)
{
	const struct place *places = sort_by_account(&work->arena, readable, count);
	size_t accounts_count = 1;

	for (size_t i = 1; i < count; i++)
		accounts_count += compare_accounts(&places[i - 1], &places[i]) != 0;
	work->accounts = arena_alloc_array(&work->arena, accounts_count, sizeof *work->accounts);
	for (size_t i = 0; i < count; i++) {
		if (i + 8 < count)
			__builtin_prefetch(&places[i + 8].record->event, 1);
		struct record *record = readable[i] = places[i].record;
		if (i == 0 || compare_accounts(&places[i - 1], &places[i]) != 0)
			work->accounts[work->accounts_count++] = (struct account){
				.key = key_of(record),
				.clock = INSTANT_NONE,
				.next_due = INT64_MAX,
				.freshness.input = -1,
				.is_read_only = true,
			};
		record->account = &work->accounts[work->accounts_count - 1];
		if (record->role != ROLE_RECALLED)
			record->account->is_read_only = false;
		if (record->event.kind == EVENT_GRANT && record_is_permitted(record))
			record->account->may_create = true;
	}
}

static size_t list_keys(struct record *const *readable, size_t count, struct key_named *keys)
{
	size_t keys_count = 0;

	for (size_t i = 0; i < count; i++) {
		struct record *record = readable[i];
		keys[keys_count++] = name_key(record, record->event.key_hash, false);
		if (record->event.reversal && record_is_permitted(record)) {
			keys[keys_count++] = name_key(record, record->event.reversal->reversed_hash, true);
			record->account->has_reversals = true;
		}
	}
	return keys_count;
}

static void find_keys(struct lane_work *work, struct record **readable, size_t count)
{
	struct key_named *keys = arena_alloc_array(&work->arena, 2 * count, sizeof *keys);
	size_t keys_count = list_keys(readable, count, keys);

	qsort(keys, keys_count, sizeof *keys, compare_by_key);
	work->key_slots = arena_alloc_array(&work->arena, keys_count, sizeof *work->key_slots);
	for (size_t i = 0; i < keys_count; i++) {
		const struct key_named *key = &keys[i];
		if (i == 0 || compare_by_key(&keys[i - 1], key) != 0)
			work->key_slots[work->key_slots_count++] = (struct key_slot){
				.key_hash = key->hash,
				.customer_id = key->record->event.customer_id,
			};
		struct key_slot *slot = &work->key_slots[work->key_slots_count - 1];
		if (!key->is_reversed) {
			key->record->key_slot = slot;
			continue;
		}
		key->record->reversed_slot = slot;
		if (!slot->consumption)
			slot->consumption = arena_zero_array(&work->arena, 1, sizeof *slot->consumption);
	}
}

static void find_grants(struct lane_work *work, struct record **readable, size_t count)
{
	size_t naming = 0;
	for (size_t i = 0; i < count; i++)
		if (readable[i]->event.grant_id.data)
			readable[naming++] = readable[i];
	if (naming == 0)
		return;
	qsort(readable, naming, sizeof *readable, compare_by_grant);
	work->grants_known = arena_zero_array(&work->arena, naming, sizeof *work->grants_known);
	for (size_t i = 0; i < naming; i++) {
		struct record *record = readable[i];
		if (i == 0 || compare_by_grant(&readable[i - 1], &record) != 0)
			work->grants_known[work->grants_known_count++] = (struct grant_known){
				.customer_id = record->event.customer_id,
				.grant_id = record->event.grant_id,
			};
		record->grant_known = &work->grants_known[work->grants_known_count - 1];
	}
}

/* In their order. */
static void leave_out_parked(struct lane_work *work)
{
	work->records = arena_alloc_array(&work->arena, work->given_count, sizeof *work->records);
	work->records_count = 0;
	for (size_t i = 0; i < work->given_count; i++) {
		struct record *record = work->given[i];
		if (record->role < ROLE_PARKED) {
			work->records[work->records_count++] = record;
			continue;
		}
		record->result = (struct result){.kind = RESULT_PARKED};
		work->tally.results[record->event.kind][RESULT_PARKED]++;
	}
}

void work_clear_roles(struct lane_work *work)
{
	for (size_t i = 0; work->has_roles && i < work->given_count; i++)
		work->given[i]->role = ROLE_HANDLED;
	work->has_roles = false;
}

void work_prepare(struct lane_work *work)
{
	forget_results(work);
	if (work->has_roles)
		leave_out_parked(work);
	struct record **readable = arena_alloc_array(&work->arena, work->records_count, sizeof *readable);
	size_t count = 0;

	for (size_t i = 0; i < work->records_count; i++) {
		struct record *record = work->records[i];
		record->account = NULL;
		record->key_slot = NULL;
		record->reversed_slot = NULL;
		record->grant_known = NULL;
		record->result = (struct result){0};
		if (record->readable)
			readable[count++] = record;
	}
	if (count == 0)
		return;
	find_accounts(work, readable, count);
	find_keys(work, readable, count);
	find_grants(work, readable, count);
	work->receipts = arena_alloc_array(&work->arena, count, sizeof *work->receipts);
}

struct grant_known *work_find_grant(struct lane_work *work, struct text customer_id, struct text grant_id)
{
	size_t low = 0, high = work->grants_known_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct grant_known *known = &work->grants_known[middle];
		int order = compare_grant_ids(customer_id, grant_id, known->customer_id, known->grant_id);
		if (order == 0)
			return known;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}
