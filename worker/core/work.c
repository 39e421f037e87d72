/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/work.h"

#include <assert.h>
#include <stdlib.h>

#include "drawdown/rules.h"

void work_init(struct lane_work *work, size_t arena_block_size)
{
	*work = (struct lane_work){0};
	arena_init(&work->arena, arena_block_size);
}

void work_release(struct lane_work *work)
{
	free(work->records);
	arena_release(&work->arena);
	*work = (struct lane_work){0};
}

/* Keep the arena and the list of records; forget what was made of them. */
static void forget_results(struct lane_work *work)
{
	struct arena arena = work->arena;
	struct record **records = work->records;
	size_t records_count = work->records_count, records_capacity = work->records_capacity;

	arena_reset(&arena);
	*work = (struct lane_work){
		.arena = arena,
		.records = records,
		.records_count = records_count,
		.records_capacity = records_capacity,
	};
}

void work_reset(struct lane_work *work)
{
	work->records_count = 0;
	forget_results(work);
}

void work_add_record(struct lane_work *work, struct record *record)
{
	if (work->records_count == work->records_capacity) {
		size_t capacity = work->records_capacity ? work->records_capacity * 2 : 1024;
		struct record **records = reallocarray(work->records, capacity, sizeof *records);
		if (!records)
			abort();
		work->records = records;
		work->records_capacity = capacity;
	}
	work->records[work->records_count++] = record;
}

static struct account_key key_of(const struct record *record)
{
	return (struct account_key){
		.customer_id = record->event.customer_id,
		.currency_id = record->event.currency_id,
		.resource_id = record->event.resource_id,
	};
}

static int compare_by_account(const void *a, const void *b)
{
	const struct account_key a_key = key_of(*(struct record *const *)a), b_key = key_of(*(struct record *const *)b);
	return account_key_compare(&a_key, &b_key);
}

static int compare_keys(struct text a_customer, struct hash128 a_hash, struct text b_customer, struct hash128 b_hash)
{
	int order = text_compare(a_customer, b_customer);
	return order ? order : memcmp(a_hash.bytes, b_hash.bytes, sizeof a_hash.bytes);
}

static int compare_by_key(const void *a, const void *b)
{
	const struct event *a_event = &(*(struct record *const *)a)->event,
			   *b_event = &(*(struct record *const *)b)->event;
	return compare_keys(a_event->customer_id, a_event->key_hash, b_event->customer_id, b_event->key_hash);
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

static void find_accounts(struct lane_work *work, struct record **readable, size_t count)
{
	qsort(readable, count, sizeof *readable, compare_by_account);
	work->accounts = arena_zero_array(&work->arena, count, sizeof *work->accounts);
	for (size_t i = 0; i < count; i++) {
		struct record *record = readable[i];
		if (i == 0 || compare_by_account(&readable[i - 1], &record) != 0) {
			struct account *account = &work->accounts[work->accounts_count++];
			account->key = key_of(record);
			account->clock = INSTANT_NONE;
			account->next_due = INT64_MAX;
			account->freshness.input = -1;
		}
		record->account = &work->accounts[work->accounts_count - 1];
		if (record->event.kind == EVENT_GRANT && record_is_permitted(record))
			record->account->may_create = true;
	}
}

static void find_keys(struct lane_work *work, struct record **readable, size_t count)
{
	qsort(readable, count, sizeof *readable, compare_by_key);
	work->key_slots = arena_zero_array(&work->arena, count, sizeof *work->key_slots);
	for (size_t i = 0; i < count; i++) {
		struct record *record = readable[i];
		if (i == 0 || compare_by_key(&readable[i - 1], &record) != 0)
			work->key_slots[work->key_slots_count++] = (struct key_slot){
				.key_hash = record->event.key_hash,
				.customer_id = record->event.customer_id,
			};
		record->key_slot = &work->key_slots[work->key_slots_count - 1];
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

void work_prepare(struct lane_work *work)
{
	forget_results(work);
	struct record **readable = arena_alloc_array(&work->arena, work->records_count, sizeof *readable);
	size_t count = 0;

	for (size_t i = 0; i < work->records_count; i++) {
		struct record *record = work->records[i];
		record->account = NULL;
		record->key_slot = NULL;
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

static bool is_same_currency(const struct account *a, const struct account *b)
{
	return text_equal(a->key.customer_id, b->key.customer_id) && text_equal(a->key.currency_id, b->key.currency_id);
}

/* A grant makes the currency known to all of its customer's accounts in it; they stand together. */
static void spread_known_currency(struct lane_work *work, struct account *granted)
{
	struct account *first = granted;

	while (first > work->accounts && is_same_currency(first - 1, granted))
		first--;
	for (; first < work->accounts + work->accounts_count && is_same_currency(first, granted); first++)
		first->currency_known = true;
}

static void write_receipt(struct lane_work *work, struct record *record, size_t first_entry)
{
	const struct event *event = &record->event;
	const struct result *result = &record->result;
	size_t count = work->entries_count - first_entry;
	struct receipt *receipt = &work->receipts[work->receipts_count++];

	*receipt = (struct receipt){
		.customer_id = event->customer_id,
		.event_class = event_class_of(event->kind),
		.idempotency_key = event->idempotency_key,
		.key_hash = event->key_hash,
		.fingerprint = event->fingerprint,
		.kind = event->kind,
		.currency_id = event->currency_id,
		.resource_id = event->resource_id,
		.outcome = result->kind,
		.code = result->code,
		.requested_amount = result->requested_amount,
		.applied_amount = result->applied_amount,
		.balance = result->balance,
		.range_first = count ? work->entries[first_entry].seq : 0,
		.range_last = count ? work->entries[work->entries_count - 1].seq : 0,
		.first_seq = result->first_seq,
		.last_seq = result->last_seq,
		.source = record->source,
		.own_topic = true,
	};
	record->key_slot->receipt = receipt;
}

static void resolve_record(struct lane_work *work, const struct rules *rules, struct record *record)
{
	struct account *account = record->account;
	size_t first_entry = work->entries_count;

	if (!record->readable) {
		record->result.kind = RESULT_DEAD_LETTERED;
		return;
	}
	if (dedupe_decide(record, rules))
		return;
	bool was_known = account->currency_known;
	if (!was_known && record->event.kind != EVENT_GRANT) {
		record->result = (struct result){.kind = RESULT_REJECTED,
			.code = REJECT_UNKNOWN_CURRENCY,
			.requested_amount = record->event.amount};
	} else {
		assert(account->exists);
		advance_account(work, rules, account, record, record->source.timestamp);
		allocate_event(work, rules, record);
		if (account->currency_known && !was_known)
			spread_known_currency(work, account);
		account->freshness = (struct freshness){
			.input = (int)record->source.input,
			.partition = record->source.partition,
			.offset = record->source.offset,
			.event_time = record_event_time(record, account),
		};
	}
	write_receipt(work, record, first_entry);
}

static void check_account(const struct account *account)
{
	credit_t sum = 0;

	for (size_t i = 0; i < account->grants_count; i++) {
		const struct grant *grant = &account->grants[i];
		assert(i == 0 || grant_compare_burn(grant - 1, grant) < 0);
		assert(grant->grant_type == GRANT_OVERDRAFT ? grant->remaining < 0 : grant->remaining > 0);
		if (grant->status == GRANT_ACTIVE)
			sum += grant->remaining;
	}
	assert(sum == account->balance);
}

enum outcome work_resolve(struct lane_work *work, const struct rules *rules, size_t entries_max, struct failure *reterr)
{
	for (size_t i = 0; i < work->accounts_count; i++)
		account_find_next_due(&work->accounts[i]);
	for (size_t i = 0; i < work->records_count; i++) {
		resolve_record(work, rules, work->records[i]);
		if (work->entries_count > entries_max && work->records_count > 1)
			return fail(reterr, OUTCOME_REJECT, "work.resolve",
				"%zu records make more than %zu ledger entries", work->records_count, entries_max);
	}
	for (size_t i = 0; i < work->accounts_count; i++)
		if (work->accounts[i].touched)
			check_account(&work->accounts[i]);
	return OUTCOME_OK;
}
