/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "drawdown/rules.h"

static struct ledger_entry *append_entry(struct lane_work *work)
{
	if (work->entries_count == work->entries_capacity) {
		size_t capacity = work->entries_capacity ? work->entries_capacity * 2 : work->records_count + 16;
		struct ledger_entry *grown = arena_alloc_array(&work->arena, capacity, sizeof *grown);
		if (work->entries_count)
			memcpy(grown, work->entries, work->entries_count * sizeof *grown);
		work->entries = grown;
		work->entries_capacity = capacity;
	}
	return &work->entries[work->entries_count++];
}

void ledger_write(struct occasion *occasion, enum ledger_event event_type, struct grant *grant, credit_t amount)
{
	struct account *account = occasion->account;
	credit_t balance_before = account->balance;
	bool fits = credit_add(balance_before, amount, &account->balance);

	assert(amount != 0 && fits);
	/* What is posted is the grant's remainder already. */
	if (event_type != LEDGER_CREDITS_GRANTED)
		fits = credit_add(grant->remaining, amount, &grant->remaining);
	assert(fits);
	assert(grant->grant_type == GRANT_OVERDRAFT ? grant->remaining <= 0 : grant->remaining >= grant->held);

	account->touched = true;
	*append_entry(occasion->work) = (struct ledger_entry){
		.account = &account->key,
		.seq = ++account->seq,
		.event_type = event_type,
		.amount = amount,
		.grant_id = grant->grant_id,
		.grant_remaining = grant->remaining,
		.balance_before = balance_before,
		.balance_after = account->balance,
		.idempotency_key = occasion->idempotency_key,
		.has_requested = occasion->has_requested,
		.requested_amount = occasion->requested_amount,
		.event_time = occasion->event_time,
		.recorded_at = occasion->recorded_at,
		.dimensions = occasion->dimensions,
		.source = occasion->record->source,
		.traceparent = occasion->record->traceparent,
	};
}

void ledger_close(struct occasion *occasion, enum result_kind outcome)
{
	struct lane_work *work = occasion->work;

	for (size_t i = occasion->first_entry; i < work->entries_count; i++) {
		work->entries[i].first_seq = work->entries[occasion->first_entry].seq;
		work->entries[i].last_seq = work->entries[work->entries_count - 1].seq;
		work->entries[i].outcome = outcome;
	}
}

void ledger_note_grant_made(struct occasion *occasion, const struct grant_made *made)
{
	struct lane_work *work = occasion->work;

	if (work->grants_made_count == work->grants_made_capacity) {
		size_t capacity = work->grants_made_capacity ? work->grants_made_capacity * 2 : 64;
		struct grant_made *grown = arena_alloc_array(&work->arena, capacity, sizeof *grown);
		if (work->grants_made_count)
			memcpy(grown, work->grants_made, work->grants_made_count * sizeof *grown);
		work->grants_made = grown;
		work->grants_made_capacity = capacity;
	}
	work->grants_made[work->grants_made_count++] = *made;
}

struct occasion occasion_of_step(
	struct lane_work *work, const struct rules *rules, struct account *account, const struct record *record)
{
	return (struct occasion){
		.work = work,
		.rules = rules,
		.account = account,
		.record = record,
		.event_time = account->clock,
		.recorded_at = account->clock,
		.first_entry = work->entries_count,
		.first_notification = work->notifications_count,
	};
}
