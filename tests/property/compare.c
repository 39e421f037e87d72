/* SPDX-License-Identifier: Apache-2.0 */
#include "compare.h"

/* Absent and empty are not the same. */
static bool same_text(struct text a, struct text b)
{
	return !a.data == !b.data && text_equal(a, b);
}

static bool same_source(const struct source_position *a, const struct source_position *b)
{
	return a->input == b->input && a->partition == b->partition && a->offset == b->offset &&
	       a->timestamp == b->timestamp;
}

bool same_entry(const struct ledger_entry *a, const struct ledger_entry *b)
{
	return account_key_equal(a->account, b->account) && a->seq == b->seq && a->event_type == b->event_type &&
	       a->amount == b->amount && same_text(a->grant_id, b->grant_id) &&
	       a->grant_remaining == b->grant_remaining && a->balance_before == b->balance_before &&
	       a->balance_after == b->balance_after && same_text(a->idempotency_key, b->idempotency_key) &&
	       a->has_requested == b->has_requested && a->requested_amount == b->requested_amount &&
	       a->first_seq == b->first_seq && a->last_seq == b->last_seq && a->outcome == b->outcome &&
	       a->event_time == b->event_time && a->recorded_at == b->recorded_at &&
	       same_text(a->dimensions, b->dimensions) && same_source(&a->source, &b->source) &&
	       same_text(a->traceparent, b->traceparent);
}

bool same_result(const struct result *a, const struct result *b)
{
	return a->kind == b->kind && a->code == b->code && a->requested_amount == b->requested_amount &&
	       a->applied_amount == b->applied_amount && a->has_balance == b->has_balance && a->balance == b->balance &&
	       a->first_seq == b->first_seq && a->last_seq == b->last_seq;
}

bool same_receipt(const struct receipt *a, const struct receipt *b)
{
	return same_text(a->customer_id, b->customer_id) && a->event_class == b->event_class &&
	       same_text(a->idempotency_key, b->idempotency_key) && hash128_equal(a->key_hash, b->key_hash) &&
	       hash128_equal(a->fingerprint, b->fingerprint) && a->kind == b->kind &&
	       same_text(a->currency_id, b->currency_id) && same_text(a->resource_id, b->resource_id) &&
	       a->outcome == b->outcome && a->code == b->code && a->requested_amount == b->requested_amount &&
	       a->applied_amount == b->applied_amount && a->balance == b->balance && a->range_first == b->range_first &&
	       a->range_last == b->range_last && a->first_seq == b->first_seq && a->last_seq == b->last_seq &&
	       same_text(a->notifications, b->notifications) && same_source(&a->source, &b->source) &&
	       a->own_topic == b->own_topic;
}

bool same_freshness(const struct freshness *a, const struct freshness *b)
{
	return a->input == b->input && a->partition == b->partition && a->offset == b->offset &&
	       a->event_time == b->event_time;
}

static bool same_account(const struct stored_account *a, const struct stored_account *b)
{
	const struct account *x = &a->account, *y = &b->account;
	return x->seq == y->seq && x->balance == y->balance && x->held == y->held && x->granted == y->granted &&
	       x->consumed == y->consumed && x->clock == y->clock && x->grants_made == y->grants_made &&
	       x->holds_made == y->holds_made && same_freshness(&x->freshness, &y->freshness) &&
	       same_text(a->open_grants, b->open_grants) && same_text(a->overrides, b->overrides) &&
	       same_text(a->alerts, b->alerts);
}

static bool same_hold(const struct stored_hold *a, const struct stored_hold *b)
{
	return account_key_equal(&a->key, &b->key) && same_text(a->hold.reservation_id, b->hold.reservation_id) &&
	       a->hold.state == b->hold.state && a->hold.amount == b->hold.amount &&
	       a->hold.created_at == b->hold.created_at && a->hold.expires_at == b->hold.expires_at &&
	       a->hold.closed_at == b->hold.closed_at && a->hold.ordinal == b->hold.ordinal &&
	       same_text(a->parts, b->parts);
}

/* In no order. */
static const char *difference_of_holds(const struct memory_store *a, const struct memory_store *b)
{
	if (a->holds_count != b->holds_count || a->transfers_count != b->transfers_count ||
		a->reversals_count != b->reversals_count)
		return "not as many holds, transfers or reversals";
	for (size_t i = 0; i < a->holds_count; i++) {
		const struct stored_hold *other =
			memory_store_find_hold(b, &a->holds[i].key, a->holds[i].hold.reservation_id);
		if (!other || !same_hold(&a->holds[i], other))
			return "a hold differs";
	}
	for (size_t i = 0; i < a->transfers_count; i++) {
		const struct transfer *transfer = &a->transfers[i].transfer;
		const struct stored_transfer *other =
			memory_store_find_transfer(b, &a->transfers[i].key, transfer->seq);
		if (!other || other->transfer.amount != transfer->amount ||
			other->transfer.returned != transfer->returned ||
			!same_text(other->transfer.overdraft_id, transfer->overdraft_id) ||
			!same_text(other->transfer.grant_id, transfer->grant_id))
			return "a transfer differs";
	}
	for (size_t i = 0; i < a->reversals_count; i++) {
		const struct stored_reversal *reversal = &a->reversals[i];
		const struct stored_reversal *other =
			memory_store_find_reversal(b, &reversal->key, reversal->first_seq);
		if (!other || other->reversed != reversal->reversed)
			return "a reversal differs";
	}
	return NULL;
}

static bool same_grant(const struct grant_known *a, const struct grant_known *b)
{
	return same_text(a->customer_id, b->customer_id) && same_text(a->grant_id, b->grant_id) &&
	       same_text(a->currency_id, b->currency_id) && same_text(a->resource_id, b->resource_id) &&
	       a->grant_type == b->grant_type && a->end == b->end && a->expire_at == b->expire_at;
}

const char *difference_of_stores(const struct memory_store *a, const struct memory_store *b)
{
	if (a->entries_count != b->entries_count || a->receipts_count != b->receipts_count ||
		a->grants_count != b->grants_count || a->accounts_count != b->accounts_count)
		return "not as many entries, receipts, grants or accounts";
	for (size_t i = 0; i < a->entries_count; i++)
		if (!same_entry(&a->entries[i], &b->entries[i]))
			return "an entry differs";
	for (size_t i = 0; i < a->receipts_count; i++)
		if (!same_receipt(a->receipts[i], b->receipts[i]))
			return "a receipt differs";
	for (size_t i = 0; i < a->grants_count; i++)
		if (!same_grant(&a->grants[i].known, &b->grants[i].known))
			return "a grant differs";
	for (size_t i = 0; i < a->accounts_count; i++) {
		const struct stored_account *other = memory_store_find_account(b, &a->accounts[i].account.key);
		if (!other || !same_account(&a->accounts[i], other))
			return "an account differs";
	}
	return difference_of_holds(a, b);
}
