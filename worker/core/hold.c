/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds: credits kept for a later settlement (RULES.md 9).
 */
#include <assert.h>

#include "drawdown/rules.h"

/* Its end as of now; false: invalid_ttl. */
static bool find_end(const struct occasion *occasion, instant_t *ret_end)
{
	const struct hold_terms *terms = occasion->record->event.hold;
	instant_t now = occasion->account->clock;

	if (terms->expires_at != INSTANT_NONE) {
		*ret_end = terms->expires_at;
		return terms->expires_at > now && terms->expires_at - now <= HOLD_TTL_MAX;
	}
	if (terms->ttl <= 0 || terms->ttl > HOLD_TTL_MAX || terms->ttl > INSTANT_MAX - now)
		return false;
	*ret_end = now + terms->ttl;
	return true;
}

static enum reject_code find_open(const struct occasion *occasion, struct hold **ret_hold)
{
	*ret_hold = account_find_hold(occasion->account, occasion->record->event.hold->reservation_id);
	if (!*ret_hold)
		return REJECT_UNKNOWN_RESERVATION;
	return (*ret_hold)->state == HOLD_OPEN ? REJECT_NONE : REJECT_RESERVATION_CLOSED;
}

/* In burn order; the grants cover it all. */
static void take_parts(struct occasion *occasion, struct hold *hold, size_t grants_count)
{
	struct account *account = occasion->account;
	credit_t left = hold->amount;

	hold->parts = arena_alloc_array(&occasion->work->arena, grants_count, sizeof *hold->parts);
	for (size_t i = 0; i < account->grants_count && left > 0; i++) {
		struct grant *grant = &account->grants[i];
		credit_t available = grant_available(grant, occasion->event_time);
		credit_t amount = left < available ? left : available;
		if (amount == 0)
			continue;
		grant->held += amount;
		hold->parts[hold->parts_count++] = (struct hold_part){grant->grant_id, amount};
		left -= amount;
	}
	assert(left == 0 && hold->parts_count == grants_count);
	account->held += hold->amount;
}

enum reject_code hold_reserve(struct occasion *occasion)
{
	struct account *account = occasion->account;
	const struct event *event = &occasion->record->event;
	instant_t expires_at;
	size_t grants_count;

	if (account_find_hold(account, event->hold->reservation_id))
		return REJECT_RESERVATION_EXISTS;
	if (!find_end(occasion, &expires_at))
		return REJECT_INVALID_TTL;
	if (account->holds_open_count >= occasion->rules->holds_open_max)
		return REJECT_TOO_MANY_RESERVATIONS;
	if (consume_measure(occasion, event->amount, &grants_count) < event->amount)
		return REJECT_INSUFFICIENT_CREDITS;
	struct hold *hold = arena_alloc(&occasion->work->arena, sizeof *hold);
	*hold = (struct hold){
		.reservation_id = event->hold->reservation_id,
		.state = HOLD_OPEN,
		.amount = event->amount,
		.created_at = account->clock,
		.expires_at = expires_at,
		.closed_at = INSTANT_NONE,
		.ordinal = ++account->holds_made,
		.is_new = true,
	};
	take_parts(occasion, hold, grants_count);
	account_add_hold(account, &occasion->work->arena, hold);
	account_find_next_due(account);
	return REJECT_NONE;
}

/* Parts and grants both stand in burn order, which never changes: one walk finds them all. */
void hold_free_parts(struct occasion *occasion, struct hold *hold)
{
	struct account *account = occasion->account;
	size_t index = 0;

	for (size_t i = 0; i < hold->parts_count; i++) {
		const struct hold_part *part = &hold->parts[i];
		while (index < account->grants_count && !text_equal(account->grants[index].grant_id, part->grant_id))
			index++;
		assert(index < account->grants_count && account->grants[index].held >= part->amount);
		struct grant *grant = &account->grants[index];
		grant->held -= part->amount;
		if (grant->status != GRANT_ACTIVE)
			occasion->must_close_out = true;
	}
	account->held -= hold->amount;
}

/* Its parts are free: what was not taken of them goes where it belongs. */
static void close_hold(struct occasion *occasion, struct hold *hold, enum hold_state state)
{
	struct account *account = occasion->account;

	account_close_hold(account, hold, state);
	for (size_t i = 0; i < hold->parts_count && account_overdraft(account); i++)
		overdraft_settle(occasion, hold->parts[i].grant_id);
}

enum reject_code hold_settle(struct occasion *occasion, credit_t *ret_applied)
{
	struct hold *hold;
	enum reject_code code = find_open(occasion, &hold);

	if (code == REJECT_NONE)
		code = consume_amount(occasion, hold, occasion->record->event.amount, ret_applied);
	if (code == REJECT_NONE)
		close_hold(occasion, hold, HOLD_SETTLED);
	return code;
}

enum reject_code hold_extend(struct occasion *occasion)
{
	struct hold *hold;
	instant_t expires_at;
	enum reject_code code = find_open(occasion, &hold);

	if (code != REJECT_NONE)
		return code;
	if (!find_end(occasion, &expires_at))
		return REJECT_INVALID_TTL;
	account_move_hold(occasion->account, hold, expires_at);
	return REJECT_NONE;
}

enum reject_code hold_release(struct occasion *occasion)
{
	struct hold *hold;
	enum reject_code code = find_open(occasion, &hold);

	if (code != REJECT_NONE)
		return code;
	hold_free_parts(occasion, hold);
	close_hold(occasion, hold, HOLD_RELEASED);
	return REJECT_NONE;
}

void hold_run_out(struct occasion *occasion, struct hold *hold)
{
	hold_free_parts(occasion, hold);
	close_hold(occasion, hold, HOLD_RUN_OUT);
}
