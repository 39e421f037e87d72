/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "drawdown/rules.h"

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

static struct text format_notifications(struct lane_work *work)
{
	size_t count = work->notifications_count - work->notifications_begin;
	return count ? notifications_format(work->notifications + work->notifications_begin, count, &work->arena)
		     : TEXT_NULL;
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
		.notifications = format_notifications(work),
		.source = record->source,
		.own_topic = true,
	};
	record->key_slot->receipt = receipt;
}

static void count_result(struct lane_work *work, const struct record *record)
{
	const struct result *result = &record->result;

	work->tally.results[record->readable ? record->event.kind : EVENT_KIND_COUNT][result->kind]++;
	work->tally.recalled += result->recalled;
	work->tally.unanswered += !result_is_in_ledger(result);
}

static void resolve_record(struct lane_work *work, const struct rules *rules, struct record *record)
{
	struct account *account = record->account;
	size_t first_entry = work->entries_count;

	work->notifications_begin = work->notifications_count;
	if (!record->readable) {
		record->result.kind = RESULT_DEAD_LETTERED;
		return;
	}
	if (dedupe_decide(record, rules, work->receipts_from))
		return;
	assert(!account->is_read_only);
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

/* Used up ones are off the list, ended ones stay for what is held of them. */
static bool has_a_place(const struct grant *grant)
{
	if (grant->grant_type == GRANT_OVERDRAFT)
		return grant->remaining < 0 && grant->held == 0;
	if (grant->status == GRANT_EXPIRED || grant->status == GRANT_VOIDED)
		return grant->held > 0 && grant->held == grant->remaining;
	return grant->remaining > 0 && grant->held >= 0 && grant->held <= grant->remaining;
}

static void check_account(const struct account *account)
{
	credit_t sum = 0, held = 0;

	for (size_t i = 0; i < account->grants_count; i++) {
		const struct grant *grant = &account->grants[i];
		assert(i == 0 || grant_compare_burn(grant - 1, grant) < 0);
		assert(has_a_place(grant));
		if (grant->status != GRANT_SCHEDULED && grant->status != GRANT_PENDING)
			sum += grant->remaining;
		held += grant->held;
	}
	assert(sum == account->balance && held == account->held);
}

static void fetch(const void *memory, size_t size)
{
	for (size_t at = 0; at < size; at += 64)
		__builtin_prefetch((const char *)memory + at, 1);
}

/* The records come in the order of the input, their accounts, keys and grants stand in another: without this, deciding
 * one is mostly waiting for memory. */
static void fetch_ahead(const struct lane_work *work, size_t place)
{
	if (place + 12 < work->records_count)
		fetch(work->records[place + 12], sizeof(struct record));
	if (place + 8 < work->records_count && work->records[place + 8]->account) {
		fetch(work->records[place + 8]->account, sizeof(struct account));
		fetch(work->records[place + 8]->key_slot, sizeof(struct key_slot));
	}
	if (place + 4 < work->records_count && work->records[place + 4]->account) {
		fetch(work->records[place + 4]->account->grants, sizeof(struct grant));
		fetch(work->records[place + 4]->account->alerts.items, sizeof(struct alert));
	}
}

enum outcome work_resolve(struct lane_work *work, const struct rules *rules, size_t entries_max, struct failure *reterr)
{
	for (size_t i = 0; i < work->accounts_count; i++) {
		account_find_next_due(&work->accounts[i]);
		work->accounts[i].stored_due = work->accounts[i].next_due;
	}
	for (size_t i = 0; i < work->records_count; i++) {
		fetch_ahead(work, i);
		resolve_record(work, rules, work->records[i]);
		count_result(work, work->records[i]);
		if (work->entries_count > entries_max && work->records_count > 1)
			return fail(reterr, OUTCOME_REJECT, "work.resolve",
				"%zu records make more than %zu ledger entries", work->records_count, entries_max);
	}
	for (size_t i = 0; i < work->accounts_count; i++)
		if (work->accounts[i].touched)
			check_account(&work->accounts[i]);
	work->tally.entries = work->entries_count;
	work->tally.recalled_entries = work->recalled_count;
	return OUTCOME_OK;
}
