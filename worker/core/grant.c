/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grants given, confirmed, posted and voided.
 */
#include <assert.h>

#include "drawdown/rules.h"

/* All that was ever granted bounds the balance, also between the two entries of a transfer. */
static bool has_room_for(const struct account *account, credit_t amount)
{
	credit_t granted = account->granted;

	for (size_t i = 0; i < account->grants_count; i++) {
		const struct grant *grant = &account->grants[i];
		if ((grant->status == GRANT_SCHEDULED || grant->status == GRANT_PENDING) &&
			!credit_add(granted, grant->remaining, &granted))
			return false;
	}
	return credit_add(granted, amount, &granted);
}

static size_t count_open_grants(const struct account *account)
{
	size_t count = 0;
	for (size_t i = 0; i < account->grants_count; i++) {
		const struct grant *grant = &account->grants[i];
		count += grant->grant_type != GRANT_OVERDRAFT && grant->status != GRANT_EXPIRED &&
			 grant->status != GRANT_VOIDED;
	}
	return count;
}

static enum reject_code check_grant(const struct occasion *occasion)
{
	const struct account *account = occasion->account;
	const struct event *event = &occasion->record->event;

	if (occasion->record->grant_known->found)
		return REJECT_GRANT_EXISTS;
	if (event->terms->expire_at != INSTANT_NONE && event->terms->expire_at <= account->clock)
		return REJECT_ALREADY_EXPIRED;
	if (count_open_grants(account) >= occasion->rules->grants_open_max)
		return REJECT_TOO_MANY_GRANTS;
	if (!has_room_for(account, event->amount))
		return REJECT_BALANCE_OUT_OF_RANGE;
	return REJECT_NONE;
}

static struct grant grant_of(const struct account *account, const struct event *event)
{
	const struct grant_terms *terms = event->terms;
	return (struct grant){
		.grant_id = event->grant_id,
		.grant_type = terms->grant_type,
		.status = terms->await_payment ? GRANT_PENDING : GRANT_SCHEDULED,
		.remaining = event->amount,
		.priority = terms->priority,
		.effective_at = terms->effective_at == INSTANT_NONE ? account->clock : terms->effective_at,
		.expire_at = terms->expire_at,
		.created_at = account->clock,
		.ordinal = account->grants_made + 1,
	};
}

static void note_made(struct occasion *occasion, const struct grant *grant)
{
	const struct account *account = occasion->account;
	const struct event *event = &occasion->record->event;
	const struct grant_terms *terms = event->terms;
	const struct grant_made made = {
		.account = &account->key,
		.grant_id = grant->grant_id,
		.grant_type = grant->grant_type,
		.amount = event->amount,
		.priority = grant->priority,
		.effective_at = grant->effective_at,
		.expire_at = grant->expire_at,
		.created_at = grant->created_at,
		.ordinal = grant->ordinal,
		.idempotency_key = event->idempotency_key,
		.has_cost = terms->has_cost,
		.cost_amount = terms->cost_amount,
		.cost_currency = terms->cost_currency,
		.display_name = terms->display_name,
		.comment = event->comment,
		.metadata = terms->metadata,
	};

	ledger_note_grant_made(occasion, &made);
	*occasion->record->grant_known = (struct grant_known){
		.customer_id = account->key.customer_id,
		.grant_id = grant->grant_id,
		.currency_id = account->key.currency_id,
		.resource_id = account->key.resource_id,
		.grant_type = grant->grant_type,
		.expire_at = grant->expire_at,
		.found = true,
	};
}

enum reject_code grant_give(struct occasion *occasion)
{
	struct account *account = occasion->account;
	const struct event *event = &occasion->record->event;
	enum reject_code code = check_grant(occasion);

	if (code != REJECT_NONE)
		return code;
	const struct grant grant = grant_of(account, event);
	const struct notification created = {
		.type = NOTIFY_GRANT_CREATED,
		.grant_id = grant.grant_id,
		.has_amount = true,
		.amount = event->amount,
	};
	note_made(occasion, &grant);
	account->grants_made++;
	account->currency_known = true;
	notify(occasion, &created);
	struct grant *inserted = account_insert_grant(account, &occasion->work->arena, &grant);
	if (grant.status == GRANT_SCHEDULED && grant.effective_at <= account->clock)
		grant_post(occasion, inserted);
	return REJECT_NONE;
}

void grant_post(struct occasion *occasion, struct grant *grant)
{
	struct account *account = occasion->account;
	bool fits = credit_add(account->granted, grant->remaining, &account->granted);

	assert(fits);
	grant->status = GRANT_ACTIVE;
	account_find_next_due(account);
	ledger_write(occasion, LEDGER_CREDITS_GRANTED, grant, grant->remaining);
	overdraft_settle(occasion, grant->grant_id);
	account->alerts.posted_balance = account->balance;
}

/* Known, and of this very account. */
static bool is_of_account(const struct grant_known *known, const struct account *account)
{
	return known->found && text_equal(known->currency_id, account->key.currency_id) &&
	       text_equal(known->resource_id, account->key.resource_id);
}

enum reject_code grant_confirm(struct occasion *occasion, credit_t *ret_applied)
{
	struct account *account = occasion->account;
	const struct grant_known *known = occasion->record->grant_known;

	if (!is_of_account(known, account))
		return REJECT_UNKNOWN_GRANT;
	struct grant *grant = account_find_grant(account, known->grant_id);
	if (!grant || grant->status != GRANT_PENDING)
		return REJECT_GRANT_NOT_PENDING;
	grant->status = GRANT_SCHEDULED;
	account_find_next_due(account);
	*ret_applied = 0;
	if (grant->effective_at <= account->clock) {
		*ret_applied = grant->remaining;
		grant_post(occasion, grant);
	}
	return REJECT_NONE;
}

static void void_open(struct occasion *occasion, struct grant *grant, credit_t *ret_taken)
{
	credit_t taken = grant->status == GRANT_ACTIVE ? grant->remaining - grant->held : 0;

	if (taken > 0)
		ledger_write(occasion, LEDGER_CREDITS_VOIDED, grant, -taken);
	grant_end(occasion, grant, GRANT_END_VOIDED, taken);
	*ret_taken = taken;
}

enum reject_code grant_void(struct occasion *occasion, credit_t *ret_taken)
{
	struct account *account = occasion->account;
	const struct grant_known *known = occasion->record->grant_known;

	*ret_taken = 0;
	if (!is_of_account(known, account))
		return REJECT_UNKNOWN_GRANT;
	if (known->grant_type == GRANT_OVERDRAFT)
		return REJECT_NOT_VOIDABLE;
	struct grant *grant = account_find_grant(account, known->grant_id);
	if (grant && grant->status != GRANT_EXPIRED && grant->status != GRANT_VOIDED) {
		void_open(occasion, grant, ret_taken);
		return REJECT_NONE;
	}
	/* Nothing is left of it, but what comes back to it later must find it voided. */
	bool is_over = known->expire_at != INSTANT_NONE &&
		       known->expire_at + account->currency->expiry_grace <= account->clock;
	if (known->end != GRANT_END_DEPLETED || is_over)
		return REJECT_GRANT_NOT_ACTIVE;
	struct grant depleted = {.grant_id = known->grant_id, .grant_type = known->grant_type};
	grant_end(occasion, &depleted, GRANT_END_VOIDED, 0);
	return REJECT_NONE;
}
