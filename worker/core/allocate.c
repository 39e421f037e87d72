/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "drawdown/rules.h"

static void note_grant_made(struct lane_work *work, const struct grant_made *made)
{
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

/* All that was ever granted bounds the balance, also between the two entries of a transfer. */
static bool has_room_for(const struct account *account, credit_t amount)
{
	credit_t granted = account->granted;

	for (size_t i = 0; i < account->grants_count; i++)
		if (account->grants[i].status == GRANT_SCHEDULED &&
			!credit_add(granted, account->grants[i].remaining, &granted))
			return false;
	return credit_add(granted, amount, &granted);
}

/* What has become spendable first pays the deficit (RULES.md 5). */
static void settle_overdraft(struct occasion *occasion, struct grant *grant)
{
	struct account *account = occasion->account;
	struct grant *overdraft = account_overdraft(account);

	if (!overdraft || (grant->expire_at != INSTANT_NONE && grant->expire_at <= occasion->recorded_at))
		return;
	credit_t deficit = -overdraft->remaining;
	credit_t amount = deficit < grant->remaining ? deficit : grant->remaining;
	ledger_write(occasion, LEDGER_TRANSFER_SOURCE, overdraft, amount);
	ledger_write(occasion, LEDGER_TRANSFER_TARGET, grant, -amount);
	/* The overdraft stands last in the list: ending it first leaves `grant` where it is. */
	if (overdraft->remaining == 0)
		ledger_end_grant(occasion, overdraft, GRANT_END_DEPLETED);
	if (grant->remaining == 0)
		ledger_end_grant(occasion, grant, GRANT_END_DEPLETED);
}

void allocate_post(struct occasion *occasion, struct grant *grant)
{
	struct account *account = occasion->account;
	bool fits = credit_add(account->granted, grant->remaining, &account->granted);

	assert(fits);
	grant->status = GRANT_ACTIVE;
	account_find_next_due(account);
	ledger_write(occasion, LEDGER_CREDITS_GRANTED, grant, grant->remaining);
	settle_overdraft(occasion, grant);
}

static struct grant *open_overdraft(struct occasion *occasion)
{
	struct account *account = occasion->account;
	struct arena *arena = &occasion->work->arena;
	const struct account_key *key = &account->key;
	const struct grant overdraft = {
		.grant_id = arena_format(arena, "overdraft:%.*s/%.*s/%lld", TEXT_ARGS(key->currency_id),
			TEXT_ARGS(key->resource_id), (long long)(account->grants_made + 1)),
		.grant_type = GRANT_OVERDRAFT,
		.status = GRANT_ACTIVE,
		.effective_at = account->clock,
		.expire_at = INSTANT_NONE,
		.created_at = account->clock,
		.ordinal = account->grants_made + 1,
	};
	const struct grant_made made = {
		.account = key,
		.grant_id = overdraft.grant_id,
		.grant_type = GRANT_OVERDRAFT,
		.effective_at = overdraft.effective_at,
		.expire_at = INSTANT_NONE,
		.created_at = overdraft.created_at,
		.ordinal = overdraft.ordinal,
		.idempotency_key = occasion->idempotency_key,
	};

	account->grants_made++;
	note_grant_made(occasion->work, &made);
	struct grant_known *known = work_find_grant(occasion->work, key->customer_id, overdraft.grant_id);
	if (known)
		*known = (struct grant_known){.customer_id = key->customer_id,
			.grant_id = overdraft.grant_id,
			.currency_id = key->currency_id,
			.resource_id = key->resource_id,
			.grant_type = GRANT_OVERDRAFT,
			.expire_at = INSTANT_NONE,
			.found = true};
	return account_insert_grant(account, arena, &overdraft);
}

/* Posted, and not past its end when the event happened. */
static bool may_pay(const struct grant *grant, instant_t event_time)
{
	return grant->status == GRANT_ACTIVE && grant->grant_type != GRANT_OVERDRAFT &&
	       (grant->expire_at == INSTANT_NONE || grant->expire_at > event_time);
}

/* In burn order; returns what is left to pay. */
static credit_t draw_on_grants(struct occasion *occasion, credit_t amount)
{
	struct account *account = occasion->account;

	for (size_t i = 0; i < account->grants_count && amount > 0;) {
		struct grant *grant = &account->grants[i];
		if (!may_pay(grant, occasion->event_time)) {
			i++;
			continue;
		}
		credit_t taken = amount < grant->remaining ? amount : grant->remaining;
		ledger_write(occasion, LEDGER_CREDITS_CONSUMED, grant, -taken);
		amount -= taken;
		if (grant->remaining == 0)
			ledger_end_grant(occasion, grant, GRANT_END_DEPLETED);
		else
			i++;
	}
	return amount;
}

static enum reject_code consume(struct occasion *occasion)
{
	struct account *account = occasion->account;
	const struct event *event = &occasion->record->event;
	credit_t consumed;

	/* All that was ever consumed bounds the overdraft. */
	if (!credit_add(account->consumed, event->amount, &consumed))
		return REJECT_BALANCE_OUT_OF_RANGE;

	credit_t uncovered = draw_on_grants(occasion, event->amount);
	if (uncovered > 0) {
		struct grant *overdraft = account_overdraft(account);
		if (!overdraft)
			overdraft = open_overdraft(occasion);
		ledger_write(occasion, LEDGER_CREDITS_CONSUMED, overdraft, -uncovered);
	}
	account->consumed = consumed;
	return REJECT_NONE;
}

static size_t count_open_grants(const struct account *account)
{
	size_t count = 0;
	for (size_t i = 0; i < account->grants_count; i++)
		count += account->grants[i].grant_type != GRANT_OVERDRAFT;
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

static void make_grant(struct occasion *occasion)
{
	struct account *account = occasion->account;
	const struct event *event = &occasion->record->event;
	const struct grant_terms *terms = event->terms;
	const struct grant grant = {
		.grant_id = event->grant_id,
		.grant_type = terms->grant_type,
		.status = GRANT_SCHEDULED,
		.remaining = event->amount,
		.priority = terms->priority,
		.effective_at = terms->effective_at == INSTANT_NONE ? account->clock : terms->effective_at,
		.expire_at = terms->expire_at,
		.created_at = account->clock,
		.ordinal = account->grants_made + 1,
	};
	const struct grant_made made = {
		.account = &account->key,
		.grant_id = grant.grant_id,
		.grant_type = grant.grant_type,
		.amount = event->amount,
		.priority = grant.priority,
		.effective_at = grant.effective_at,
		.expire_at = grant.expire_at,
		.created_at = grant.created_at,
		.ordinal = grant.ordinal,
		.idempotency_key = event->idempotency_key,
		.has_cost = terms->has_cost,
		.cost_amount = terms->cost_amount,
		.cost_currency = terms->cost_currency,
		.display_name = terms->display_name,
		.comment = event->comment,
		.metadata = terms->metadata,
	};

	account->grants_made++;
	account->currency_known = true;
	*occasion->record->grant_known = (struct grant_known){
		.customer_id = account->key.customer_id,
		.grant_id = grant.grant_id,
		.currency_id = account->key.currency_id,
		.resource_id = account->key.resource_id,
		.grant_type = grant.grant_type,
		.expire_at = grant.expire_at,
		.found = true,
	};
	note_grant_made(occasion->work, &made);
	struct grant *inserted = account_insert_grant(account, &occasion->work->arena, &grant);
	if (grant.effective_at <= account->clock)
		allocate_post(occasion, inserted);
}

static enum reject_code void_grant(struct occasion *occasion, credit_t *ret_taken)
{
	struct account *account = occasion->account;
	const struct grant_known *known = occasion->record->grant_known;

	if (!known->found || !text_equal(known->currency_id, account->key.currency_id) ||
		!text_equal(known->resource_id, account->key.resource_id))
		return REJECT_UNKNOWN_GRANT;
	if (known->grant_type == GRANT_OVERDRAFT)
		return REJECT_NOT_VOIDABLE;

	struct grant *grant = account_find_grant(account, known->grant_id);
	if (grant) {
		if (grant->status == GRANT_ACTIVE) {
			*ret_taken = grant->remaining;
			ledger_write(occasion, LEDGER_CREDITS_VOIDED, grant, -grant->remaining);
		}
		ledger_end_grant(occasion, grant, GRANT_END_VOIDED);
		return REJECT_NONE;
	}
	/* Nothing is left of it, but what comes back to it later must find it voided. */
	bool is_over = known->expire_at != INSTANT_NONE &&
		       known->expire_at + account->currency->expiry_grace <= account->clock;
	if (known->end != GRANT_END_DEPLETED || is_over)
		return REJECT_GRANT_NOT_ACTIVE;
	struct grant depleted = {.grant_id = known->grant_id};
	ledger_end_grant(occasion, &depleted, GRANT_END_VOIDED);
	return REJECT_NONE;
}

instant_t record_event_time(const struct record *record, const struct account *account)
{
	instant_t time = record->event.created_at != INSTANT_NONE ? record->event.created_at : record->source.timestamp;
	return time < account->clock ? time : account->clock;
}

void allocate_event(struct lane_work *work, const struct rules *rules, struct record *record)
{
	const struct event *event = &record->event;
	struct account *account = record->account;
	struct occasion occasion = {
		.work = work,
		.rules = rules,
		.account = account,
		.record = record,
		.idempotency_key = event->idempotency_key,
		.dimensions = event->dimensions,
		.has_requested = event->kind != EVENT_VOID,
		.requested_amount = event->amount,
		.event_time = record_event_time(record, account),
		.recorded_at = account->clock,
		.first_entry = work->entries_count,
	};
	credit_t applied = event->amount;
	enum reject_code code = REJECT_NONE;

	switch (event->kind) {
	case EVENT_CONSUME:
		code = consume(&occasion);
		break;
	case EVENT_GRANT:
		code = check_grant(&occasion);
		if (code == REJECT_NONE)
			make_grant(&occasion);
		break;
	case EVENT_VOID:
		code = void_grant(&occasion, &applied);
		break;
	case EVENT_KIND_COUNT:
		assert(0 && "an event without a kind");
	}
	ledger_close(&occasion, RESULT_APPLIED);

	size_t count = work->entries_count - occasion.first_entry;
	assert(code == REJECT_NONE || count == 0);
	record->result = (struct result){
		.kind = code == REJECT_NONE ? RESULT_APPLIED : RESULT_REJECTED,
		.code = code,
		.requested_amount = event->amount,
		.applied_amount = code == REJECT_NONE ? applied : 0,
		.balance = account->balance,
		.has_balance = true,
		.first_seq = count ? work->entries[occasion.first_entry].seq : 0,
		.last_seq = count ? account->seq : 0,
	};
}
