/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold of the books whatever was done to them, checked from the stored rows alone.
 */
#ifndef DRAWDOWN_TEST_BOOKS_AUDIT_H
#define DRAWDOWN_TEST_BOOKS_AUDIT_H

#include "memory_store.h"

static inline bool audit_is_same_source(const struct source_position *a, const struct source_position *b)
{
	return a->input == b->input && a->partition == b->partition && a->offset == b->offset &&
	       a->timestamp == b->timestamp;
}

/* An account's entries are a chain without gaps, and its sums are theirs. */
static inline const char *audit_chain(const struct memory_store *store, const struct account *account)
{
	credit_t granted = 0, consumed = 0;
	struct ledger_entry last = {.recorded_at = INSTANT_NONE};

	for (size_t i = 0; i < store->entries_count; i++) {
		const struct ledger_entry *entry = &store->entries[i];
		if (!account_key_equal(entry->account, &account->key))
			continue;
		if (entry->seq != last.seq + 1)
			return "seq has a gap";
		if (entry->balance_before != last.balance_after ||
			entry->balance_before + entry->amount != entry->balance_after)
			return "balances do not follow from each other";
		if (entry->amount == 0)
			return "an entry moves nothing";
		if (entry->recorded_at < last.recorded_at || entry->recorded_at > account->clock)
			return "recordedAt goes back";
		if (entry->event_time > entry->recorded_at)
			return "eventTime is after recordedAt";
		if (entry->balance_after > CREDIT_MAX || entry->balance_after < -CREDIT_MAX)
			return "a balance is out of range";
		granted += entry->event_type == LEDGER_CREDITS_GRANTED ? entry->amount : 0;
		consumed -= entry->event_type == LEDGER_CREDITS_CONSUMED || entry->event_type == LEDGER_CREDITS_REVERSED
				    ? entry->amount
				    : 0;
		last = *entry;
	}
	if (last.seq != account->seq || last.balance_after != account->balance)
		return "the account is not where its last entry left it";
	return granted == account->granted && consumed == account->consumed ? NULL : "granted or consumed is wrong";
}

/* The posted remainders are the balance; open grants are open, ordered, and within their sign. */
static inline const char *audit_open_grants(struct memory_store *store, const struct stored_account *stored)
{
	struct account account = {.key = stored->account.key, .held = stored->account.held};
	credit_t sum = 0;

	if (!account_parse_grants(&account, &store->arena, stored->open_grants))
		return "open grants cannot be read";
	for (size_t i = 0; i < store->holds_count; i++) {
		struct hold *hold = &store->holds[i].hold;
		if (hold->state != HOLD_OPEN || !account_key_equal(&store->holds[i].key, &account.key))
			continue;
		if (!hold_parse_parts(hold, &store->arena, store->holds[i].parts))
			return "parts of a hold cannot be read";
		account_add_hold(&account, &store->arena, hold);
	}
	if (!account_apply_holds(&account))
		return "holds do not fit the grants or what the account holds";
	for (size_t i = 0; i < account.grants_count; i++) {
		const struct grant *grant = &account.grants[i];
		const struct grant_known *known =
			memory_store_find_grant(store, account.key.customer_id, grant->grant_id);
		bool is_ended = grant->status == GRANT_EXPIRED || grant->status == GRANT_VOIDED;
		if (!known || (known->end != GRANT_END_NONE) != is_ended ||
			(is_ended && grant->held != grant->remaining) ||
			!text_equal(known->currency_id, account.key.currency_id) ||
			!text_equal(known->resource_id, account.key.resource_id))
			return "an open grant has ended, or is of another account";
		if (grant->grant_type == GRANT_OVERDRAFT ? grant->remaining >= 0 : grant->remaining <= 0)
			return "an open grant has the wrong sign";
		sum += grant->status == GRANT_SCHEDULED || grant->status == GRANT_PENDING ? 0 : grant->remaining;
	}
	return sum == stored->account.balance ? NULL : "the balance is not what is left of the grants";
}

/* What is left of a grant is the sum of its entries at each of them, and what holds keep of it at its end. */
static inline credit_t audit_held_of(const struct memory_store *store, const struct grant_known *grant)
{
	credit_t held = 0;

	for (size_t i = 0; i < store->holds_count; i++) {
		const struct hold *hold = &store->holds[i].hold;
		if (hold->state != HOLD_OPEN || !text_equal(store->holds[i].key.customer_id, grant->customer_id))
			continue;
		for (size_t j = 0; j < hold->parts_count; j++) /* parsed by audit_open_grants */
			if (text_equal(hold->parts[j].grant_id, grant->grant_id))
				held += hold->parts[j].amount;
	}
	return held;
}

static inline const char *audit_grant(const struct memory_store *store, const struct grant_known *grant)
{
	credit_t remaining = 0;

	for (size_t i = 0; i < store->entries_count; i++) {
		const struct ledger_entry *entry = &store->entries[i];
		if (!text_equal(entry->account->customer_id, grant->customer_id) ||
			!text_equal(entry->grant_id, grant->grant_id))
			continue;
		if (!text_equal(entry->account->currency_id, grant->currency_id) ||
			!text_equal(entry->account->resource_id, grant->resource_id))
			return "an entry names a grant of another account";
		remaining += entry->amount;
		if (entry->grant_remaining != remaining)
			return "grantRemaining is not the sum of the grant's entries";
		if (grant->grant_type == GRANT_OVERDRAFT ? remaining > 0 : remaining < 0)
			return "a grant went through zero";
	}
	return grant->end == GRANT_END_NONE || remaining == audit_held_of(store, grant)
		       ? NULL
		       : "a grant ended with something left that no hold keeps";
}

/* An event's own entries sum to what its receipt says; its range holds them and what came due before it. */
static inline const char *audit_receipt(const struct memory_store *store, const struct receipt *receipt)
{
	const struct account_key key = {receipt->customer_id, receipt->currency_id, receipt->resource_id};
	credit_t sum = 0;
	int64_t own_count = 0, range_count = 0;

	for (size_t i = 0; i < store->entries_count; i++) {
		const struct ledger_entry *entry = &store->entries[i];
		if (!audit_is_same_source(&entry->source, &receipt->source))
			continue;
		if (!account_key_equal(entry->account, &key) || entry->seq < receipt->range_first ||
			entry->seq > receipt->range_last)
			return "an entry lies outside of its receipt's range";
		range_count++;
		if (!entry->idempotency_key.data)
			continue;
		if (!text_equal(entry->idempotency_key, receipt->idempotency_key) ||
			entry->first_seq != receipt->first_seq || entry->last_seq != receipt->last_seq ||
			entry->outcome != receipt->outcome)
			return "an event's entry differs from its receipt";
		own_count++;
		(void)__builtin_add_overflow(sum, entry->amount, &sum); /* may wrap on the way, not at the end */
	}
	if (range_count != (receipt->range_first ? receipt->range_last - receipt->range_first + 1 : 0) ||
		own_count != (receipt->first_seq ? receipt->last_seq - receipt->first_seq + 1 : 0))
		return "a receipt's range has entries that are not there";
	if (receipt->outcome == RESULT_REJECTED)
		return own_count == 0 && receipt->applied_amount == 0 ? NULL : "a rejected event moved something";
	if (own_count == 0)
		return receipt->kind != EVENT_CONSUME || receipt->applied_amount == 0
			       ? NULL
			       : "a consumption without an entry";
	switch (receipt->kind) {
	case EVENT_GRANT:
	case EVENT_CONFIRM_PAYMENT:
	case EVENT_REVERSE:
		break;
	case EVENT_CONSUME:
	case EVENT_SETTLE:
	case EVENT_VOID:
		sum = -sum;
		break;
	default: /* what returns may pay an overdraft: two entries that cancel each other */
		return sum == 0 ? NULL : "an event that moves nothing moved something";
	}
	return sum == receipt->applied_amount ? NULL : "an event's entries do not sum to what its outcome says";
}

static inline const char *audit_has_receipt(const struct memory_store *store, const struct ledger_entry *entry)
{
	for (size_t i = 0; i < store->receipts_count; i++)
		if (audit_is_same_source(&entry->source, &store->receipts[i]->source))
			return NULL;
	return "an entry without a receipt";
}

/* NULL: all is well. Else what is not. */
static inline const char *audit_books(struct memory_store *store)
{
	const char *wrong = NULL;

	for (size_t i = 0; i < store->accounts_count && !wrong; i++) {
		wrong = audit_chain(store, &store->accounts[i].account);
		if (!wrong)
			wrong = audit_open_grants(store, &store->accounts[i]);
	}
	for (size_t i = 0; i < store->grants_count && !wrong; i++)
		wrong = audit_grant(store, &store->grants[i].known);
	for (size_t i = 0; i < store->receipts_count && !wrong; i++)
		wrong = audit_receipt(store, store->receipts[i]);
	for (size_t i = 0; i < store->entries_count && !wrong; i++)
		wrong = audit_has_receipt(store, &store->entries[i]);
	return wrong;
}

#endif
