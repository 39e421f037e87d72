/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "drawdown/rules.h"

static instant_t later_of(instant_t a, instant_t b)
{
	return a > b ? a : b;
}

/* At one instant: post before expire; then by creation. */
static bool is_before(const struct grant *a, instant_t a_due, const struct grant *b, instant_t b_due)
{
	if (a_due != b_due)
		return a_due < b_due;
	if (a->status != b->status)
		return a->status == GRANT_SCHEDULED;
	if (a->created_at != b->created_at)
		return a->created_at < b->created_at;
	return a->ordinal < b->ordinal;
}

/* The grant whose time came first, if any has come by `now`. */
static struct grant *find_due(struct account *account, instant_t now, instant_t *ret_due)
{
	struct grant *first = NULL;

	*ret_due = now;
	for (size_t i = 0; i < account->grants_count; i++) {
		struct grant *grant = &account->grants[i];
		instant_t due = grant_due(grant, account->currency->expiry_grace);
		if (due <= now && (!first || is_before(grant, due, first, *ret_due))) {
			first = grant;
			*ret_due = due;
		}
	}
	return first;
}

static void expire_grant(struct occasion *occasion, struct grant *grant)
{
	assert(grant->remaining > 0);
	ledger_write(occasion, LEDGER_CREDITS_EXPIRED, grant, -grant->remaining);
	ledger_end_grant(occasion, grant, GRANT_END_EXPIRED);
}

void advance_account(struct lane_work *work, const struct rules *rules, struct account *account,
	const struct record *record, instant_t now)
{
	instant_t target = later_of(now, account->clock);

	while (account->next_due <= target) {
		instant_t due;
		struct grant *grant = find_due(account, target, &due);
		assert(grant);
		/* Written as of its due time, so that a lazy account and a busy one keep the same books. */
		account->clock = later_of(due, account->clock);
		struct occasion step = {
			.work = work,
			.rules = rules,
			.account = account,
			.record = record,
			.event_time = account->clock,
			.recorded_at = account->clock,
			.first_entry = work->entries_count,
		};
		if (grant->status == GRANT_SCHEDULED)
			allocate_post(&step, grant);
		else
			expire_grant(&step, grant);
		ledger_close(&step, RESULT_APPLIED);
	}
	account->clock = target;
	account->touched = true;
}
