/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debits: from the grants in burn order, what they do not cover by the
 * over-limit policy, and the overdraft.
 */
#include <assert.h>

#include "drawdown/rules.h"

static credit_t lesser_of(credit_t a, credit_t b)
{
	return a < b ? a : b;
}

credit_t grant_available(const struct grant *grant, instant_t event_time)
{
	bool may_pay = grant->status == GRANT_ACTIVE && grant->grant_type != GRANT_OVERDRAFT &&
		       (grant->expire_at == INSTANT_NONE || grant->expire_at > event_time);
	return may_pay ? grant->remaining - grant->held : 0;
}

credit_t consume_measure(const struct occasion *occasion, credit_t amount, size_t *ret_grants_count)
{
	const struct account *account = occasion->account;
	credit_t left = amount;

	*ret_grants_count = 0;
	for (size_t i = 0; i < account->grants_count && left > 0; i++) {
		credit_t available = grant_available(&account->grants[i], occasion->event_time);
		*ret_grants_count += available > 0;
		left -= lesser_of(left, available);
	}
	return amount - left;
}

static void take(struct occasion *occasion, struct grant *grant, credit_t amount)
{
	ledger_write(occasion, LEDGER_CREDITS_CONSUMED, grant, -amount);
	if (grant->remaining == 0)
		grant_retire(occasion, grant);
}

static void draw_on_grants(struct occasion *occasion, credit_t amount)
{
	struct account *account = occasion->account;

	for (size_t i = 0; amount > 0;) {
		assert(i < account->grants_count);
		struct grant *grant = &account->grants[i];
		credit_t taken = lesser_of(amount, grant_available(grant, occasion->event_time));
		bool stays = taken < grant->remaining || taken == 0;
		if (taken > 0)
			take(occasion, grant, taken);
		amount -= taken;
		i += stays;
	}
}

/* One entry per grant: what is drawn on a grant besides its part of the hold joins that part. */
static void draw_on_hold(struct occasion *occasion, struct hold *hold, credit_t amount, credit_t besides)
{
	struct account *account = occasion->account;
	size_t grants_count;

	(void)consume_measure(occasion, besides, &grants_count);
	size_t capacity = hold->parts_count + grants_count, count = 0;
	struct hold_part *takes = arena_alloc_array(&occasion->work->arena, capacity ? capacity : 1, sizeof *takes);
	for (size_t i = 0; i < hold->parts_count && amount > 0; i++) {
		credit_t taken = lesser_of(amount, hold->parts[i].amount);
		takes[count++] = (struct hold_part){hold->parts[i].grant_id, taken};
		amount -= taken;
	}
	for (size_t i = 0; i < account->grants_count && besides > 0; i++) {
		const struct grant *grant = &account->grants[i];
		credit_t taken = lesser_of(besides, grant_available(grant, occasion->event_time));
		size_t at = 0;
		if (taken == 0)
			continue;
		while (at < count && !text_equal(takes[at].grant_id, grant->grant_id))
			at++;
		if (at == count)
			takes[count++] = (struct hold_part){grant->grant_id, 0};
		takes[at].amount += taken;
		besides -= taken;
	}
	assert(amount == 0 && besides == 0 && count <= capacity);
	hold_free_parts(occasion, hold);
	for (size_t i = 0; i < count; i++)
		take(occasion, account_find_grant(account, takes[i].grant_id), takes[i].amount);
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
	ledger_note_grant_made(occasion, &made);
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

/* What no grant covers: may it go into the overdraft, or how much is taken without it? */
static enum reject_code apply_policy(const struct account *account, credit_t *uncovered, credit_t *applied)
{
	const struct grant *overdraft = account_overdraft((struct account *)account);
	credit_t limit;

	switch (account_over_limit(account)) {
	case OVER_LIMIT_ALLOW:
		if (account_overdraft_limit(account, &limit) &&
			*uncovered > limit + (overdraft ? overdraft->remaining : 0))
			return REJECT_OVERDRAFT_LIMIT;
		return REJECT_NONE;
	case OVER_LIMIT_CAP:
		*applied -= *uncovered;
		*uncovered = 0;
		return REJECT_NONE;
	case OVER_LIMIT_REJECT:
		break;
	}
	return REJECT_INSUFFICIENT_CREDITS;
}

enum reject_code consume_amount(struct occasion *occasion, struct hold *hold, credit_t amount, credit_t *ret_applied)
{
	struct account *account = occasion->account;
	credit_t applied = amount, consumed;
	size_t grants_count;

	/* All that was ever consumed bounds the overdraft. */
	if (!credit_add(account->consumed, amount, &consumed))
		return REJECT_BALANCE_OUT_OF_RANGE;
	credit_t from_hold = hold ? lesser_of(amount, hold->amount) : 0;
	credit_t from_grants = consume_measure(occasion, amount - from_hold, &grants_count);
	credit_t uncovered = amount - from_hold - from_grants;
	enum reject_code code = uncovered > 0 ? apply_policy(account, &uncovered, &applied) : REJECT_NONE;
	if (code != REJECT_NONE)
		return code;

	if (hold)
		draw_on_hold(occasion, hold, from_hold, from_grants);
	else
		draw_on_grants(occasion, from_grants);
	if (uncovered > 0) {
		struct grant *overdraft = account_overdraft(account);
		if (!overdraft)
			overdraft = open_overdraft(occasion);
		ledger_write(occasion, LEDGER_CREDITS_CONSUMED, overdraft, -uncovered);
	}
	account->consumed += applied;
	*ret_applied = applied;
	return REJECT_NONE;
}

static void note_transfer(struct occasion *occasion, struct text overdraft_id, struct text grant_id, credit_t amount)
{
	struct account *account = occasion->account;
	struct transfer *transfer = arena_alloc(&occasion->work->arena, sizeof *transfer);

	*transfer = (struct transfer){
		.overdraft_id = overdraft_id,
		.seq = account->seq,
		.grant_id = grant_id,
		.amount = amount,
		.is_new = true,
		.older = account->transfers,
	};
	account->transfers = transfer;
}

void overdraft_settle(struct occasion *occasion, struct text grant_id)
{
	struct account *account = occasion->account;
	struct grant *overdraft = account_overdraft(account);
	struct grant *grant = account_find_grant(account, grant_id);

	if (!overdraft || !grant)
		return;
	credit_t amount = lesser_of(-overdraft->remaining, grant_available(grant, account->clock));
	if (amount == 0)
		return;
	ledger_write(occasion, LEDGER_TRANSFER_SOURCE, overdraft, amount);
	ledger_write(occasion, LEDGER_TRANSFER_TARGET, grant, -amount);
	note_transfer(occasion, overdraft->grant_id, grant->grant_id, amount);
	/* The overdraft stands last in the list: ending it first leaves `grant` where it is. */
	if (overdraft->remaining == 0)
		grant_retire(occasion, overdraft);
	if (grant->remaining == 0)
		grant_retire(occasion, grant);
}
