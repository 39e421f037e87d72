/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How grants leave the account's open ones, and how a reversal brings them back.
 */
#include <assert.h>

#include "drawdown/rules.h"

static void note_grant_ended(struct occasion *occasion, struct text grant_id, enum grant_end end)
{
	struct lane_work *work = occasion->work;
	struct grant_known *known = work_find_grant(work, occasion->account->key.customer_id, grant_id);

	if (work->grants_ended_count == work->grants_ended_capacity) {
		size_t capacity = work->grants_ended_capacity ? work->grants_ended_capacity * 2 : 64;
		struct grant_ended *grown = arena_alloc_array(&work->arena, capacity, sizeof *grown);
		if (work->grants_ended_count)
			memcpy(grown, work->grants_ended, work->grants_ended_count * sizeof *grown);
		work->grants_ended = grown;
		work->grants_ended_capacity = capacity;
	}
	work->grants_ended[work->grants_ended_count++] = (struct grant_ended){
		.account = &occasion->account->key,
		.grant_id = grant_id,
		.end = end,
		.ended_at = end == GRANT_END_NONE ? INSTANT_NONE : occasion->recorded_at,
	};
	if (known)
		known->end = end;
}

static void tell_grant_ended(struct occasion *occasion, const struct grant *grant, enum grant_end end, credit_t taken)
{
	static const enum notification_type types[] = {
		[GRANT_END_DEPLETED] = NOTIFY_GRANT_DEPLETED,
		[GRANT_END_EXPIRED] = NOTIFY_GRANT_EXPIRED,
		[GRANT_END_VOIDED] = NOTIFY_GRANT_VOIDED,
	};
	const struct notification ended = {
		.type = types[end],
		.grant_id = grant->grant_id,
		.has_amount = end != GRANT_END_DEPLETED,
		.amount = taken,
	};
	if (grant->grant_type != GRANT_OVERDRAFT)
		notify(occasion, &ended);
}

static struct grant_past **find_past(struct account *account, struct text grant_id)
{
	struct grant_past **link = &account->past;

	while (*link && !text_equal((*link)->grant.grant_id, grant_id))
		link = &(*link)->next;
	return link;
}

/* A reversal of this batch may bring it back. */
static void move_to_past(struct occasion *occasion, struct grant *grant, enum grant_end end)
{
	struct account *account = occasion->account;
	struct grant_past *past = arena_alloc(&occasion->work->arena, sizeof *past);

	*past = (struct grant_past){.grant = *grant, .end = (int)end, .next = account->past};
	past->grant.remaining = 0;
	account->past = past;
	account_remove_grant(account, (size_t)(grant - account->grants));
}

void grant_end(struct occasion *occasion, struct grant *grant, enum grant_end end, credit_t taken)
{
	struct account *account = occasion->account;
	struct grant *open = account_find_grant(account, grant->grant_id);
	struct grant_past *past = *find_past(account, grant->grant_id);

	note_grant_ended(occasion, grant->grant_id, end);
	tell_grant_ended(occasion, grant, end, taken);
	account->touched = true;
	if (past)
		past->end = (int)end; /* it was used up before */
	if (!open)
		return;
	if (open->held == 0) {
		move_to_past(occasion, open, end);
		return;
	}
	assert(end != GRANT_END_DEPLETED && open->remaining == open->held);
	open->status = end == GRANT_END_EXPIRED ? GRANT_EXPIRED : GRANT_VOIDED;
	account_find_next_due(account);
}

void grant_retire(struct occasion *occasion, struct grant *grant)
{
	assert(grant->remaining == 0 && grant->held == 0);
	if (grant->status == GRANT_ACTIVE)
		grant_end(occasion, grant, GRANT_END_DEPLETED, 0);
	else
		move_to_past(occasion, grant, grant->status == GRANT_EXPIRED ? GRANT_END_EXPIRED : GRANT_END_VOIDED);
}

static enum grant_status status_of_past(const struct account *account, const struct grant_past *past)
{
	if (past->end == GRANT_END_VOIDED)
		return GRANT_VOIDED;
	bool is_over = past->grant.expire_at != INSTANT_NONE &&
		       past->grant.expire_at + account->currency->expiry_grace <= account->clock;
	return past->end == GRANT_END_EXPIRED || is_over ? GRANT_EXPIRED : GRANT_ACTIVE;
}

struct grant *grant_reopen(struct occasion *occasion, struct text grant_id)
{
	struct account *account = occasion->account;
	struct grant *open = account_find_grant(account, grant_id);

	if (!open) {
		struct grant_past **link = find_past(account, grant_id), *past = *link;
		assert(past);
		*link = past->next;
		past->grant.status = status_of_past(account, past);
		past->grant.held = 0;
		if (past->grant.status == GRANT_ACTIVE)
			note_grant_ended(occasion, grant_id, GRANT_END_NONE);
		open = account_insert_grant(account, &occasion->work->arena, &past->grant);
	}
	if (open->status != GRANT_ACTIVE)
		occasion->must_close_out = true;
	return open;
}

void grants_close_out(struct occasion *occasion)
{
	struct account *account = occasion->account;

	for (size_t i = 0; i < account->grants_count;) {
		struct grant *grant = &account->grants[i];
		if (grant->status != GRANT_EXPIRED && grant->status != GRANT_VOIDED) {
			i++;
			continue;
		}
		enum ledger_event event_type =
			grant->status == GRANT_EXPIRED ? LEDGER_CREDITS_EXPIRED : LEDGER_CREDITS_VOIDED;
		if (grant->remaining > grant->held)
			ledger_write(occasion, event_type, grant, grant->held - grant->remaining);
		if (grant->remaining == 0)
			grant_retire(occasion, grant);
		else
			i++;
	}
}
