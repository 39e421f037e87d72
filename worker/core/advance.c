/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An account brought to its time, step by step (RULES.md 2).
 */
#include <assert.h>

#include "drawdown/rules.h"

static instant_t later_of(instant_t a, instant_t b)
{
	return a > b ? a : b;
}

/* At one instant: postings, then expiries, then holds. */
enum step_rank { RANK_POST, RANK_EXPIRE, RANK_RUN_OUT };

/* What is due next of an account: a grant or a hold. */
struct step {
	instant_t due;
	enum step_rank rank;
	instant_t created_at;
	int64_t ordinal;
	struct grant *grant;
	struct hold *hold;
};

static int compare_steps(const struct step *a, const struct step *b)
{
	if (a->due != b->due)
		return a->due < b->due ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->created_at != b->created_at)
		return a->created_at < b->created_at ? -1 : 1;
	return (a->ordinal > b->ordinal) - (a->ordinal < b->ordinal);
}

static void choose(struct step *first, const struct step *step)
{
	if ((!first->grant && !first->hold) || compare_steps(step, first) < 0)
		*first = *step;
}

static struct step find_step(struct account *account)
{
	struct step first = {0};

	for (size_t i = 0; i < account->grants_count; i++) {
		struct grant *grant = &account->grants[i];
		const struct step step = {
			.due = grant_due(grant, account->currency->expiry_grace),
			.rank = grant->status == GRANT_SCHEDULED ? RANK_POST : RANK_EXPIRE,
			.created_at = grant->created_at,
			.ordinal = grant->ordinal,
			.grant = grant,
		};
		if (step.due != INT64_MAX)
			choose(&first, &step);
	}
	if (account->holds_open_count) {
		struct hold *hold = account->holds[0];
		const struct step step = {
			.due = hold->expires_at,
			.rank = RANK_RUN_OUT,
			.created_at = hold->created_at,
			.ordinal = hold->ordinal,
			.hold = hold,
		};
		choose(&first, &step);
	}
	return first;
}

/* One that waits for its payment is not posted: it ends without an entry. */
static void expire_grant(struct occasion *occasion, struct grant *grant)
{
	credit_t lost = grant->status == GRANT_ACTIVE ? grant->remaining - grant->held : 0;

	if (lost > 0)
		ledger_write(occasion, LEDGER_CREDITS_EXPIRED, grant, -lost);
	grant_end(occasion, grant, GRANT_END_EXPIRED, lost);
}

static void take_step(struct occasion *occasion, const struct step *step)
{
	switch (step->rank) {
	case RANK_POST:
		grant_post(occasion, step->grant);
		break;
	case RANK_EXPIRE:
		expire_grant(occasion, step->grant);
		break;
	case RANK_RUN_OUT:
		hold_run_out(occasion, step->hold);
		break;
	}
	if (occasion->must_close_out)
		grants_close_out(occasion);
}

void advance_account(struct lane_work *work, const struct rules *rules, struct account *account,
	const struct record *record, instant_t now)
{
	instant_t target = later_of(now, account->clock);

	while (account->next_due <= target) {
		const struct step step = find_step(account);
		assert((step.grant || step.hold) && step.due == account->next_due);
		/* Written as of its due time, so that a lazy account and a busy one keep the same books. */
		account->clock = later_of(step.due, account->clock);
		struct occasion occasion = occasion_of_step(work, rules, account, record);
		take_step(&occasion, &step);
		ledger_close(&occasion, RESULT_APPLIED);
		alerts_decide(&occasion);
		notify_close(&occasion);
	}
	account->clock = target;
	account->touched = true;
}
