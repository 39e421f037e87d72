/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thresholds of the spendable balance: armed, reached, armed again (RULES.md 12).
 */
#include "drawdown/rules.h"

static const struct threshold zero = {.amount = 0};

static bool is_same(const struct threshold *a, const struct threshold *b)
{
	return threshold_equal(a, b) && a->hysteresis == b->hysteresis;
}

static bool follows_settings(const struct alerts *alerts, const struct thresholds *thresholds)
{
	if (alerts->count != thresholds->count + 1)
		return false;
	for (size_t i = 0; i < thresholds->count; i++)
		if (!is_same(&alerts->items[i].threshold, &thresholds->items[i]))
			return false;
	return true;
}

static enum alert_state find_state(const struct alerts *alerts, const struct threshold *threshold)
{
	for (size_t i = 0; i < alerts->count; i++)
		if (threshold_equal(&alerts->items[i].threshold, threshold))
			return alerts->items[i].state;
	return ALERT_NEW;
}

/* One alert a threshold, in their order, 0 last; those that were there keep their state. */
static void follow_settings(struct alerts *alerts, const struct thresholds *thresholds, struct arena *arena)
{
	struct alert *items = arena_alloc_array(arena, thresholds->count + 1, sizeof *items);

	for (size_t i = 0; i <= thresholds->count; i++) {
		const struct threshold *threshold = i < thresholds->count ? &thresholds->items[i] : &zero;
		items[i] = (struct alert){*threshold, find_state(alerts, threshold)};
	}
	alerts->items = items;
	alerts->count = thresholds->count + 1;
}

/* `percent` of it, cut; 0 or more, both. */
static credit_t percent_of(credit_t amount, int32_t percent)
{
	return amount / 100 * percent + amount % 100 * percent / 100;
}

/* False: a percentage of nothing. */
static bool find_level(const struct alerts *alerts, const struct threshold *threshold, credit_t *ret_level)
{
	*ret_level = threshold->is_percent ? percent_of(alerts->posted_balance, threshold->percent) : threshold->amount;
	return !threshold->is_percent || alerts->posted_balance > 0;
}

/* Above the level, and at least by the hysteresis: spendable >= level x (100 + hysteresis) / 100, exactly. */
static bool stands_above(credit_t spendable, credit_t level, int32_t hysteresis)
{
	if (spendable <= level)
		return false;
	return spendable - level >= percent_of(level, hysteresis) + (level % 100 * hysteresis % 100 != 0);
}

static void send_reached(struct occasion *occasion, const struct threshold *threshold, credit_t level)
{
	const bool is_zero = threshold_equal(threshold, &zero);
	const struct notification reached = {
		.type = is_zero ? NOTIFY_BALANCE_DEPLETED : NOTIFY_BALANCE_LOW,
		.has_threshold = !is_zero,
		.threshold = *threshold,
		.level = level,
	};
	notify(occasion, &reached);
}

void alerts_decide(struct occasion *occasion)
{
	struct account *account = occasion->account;
	struct alerts *alerts = &account->alerts;
	const struct thresholds thresholds = account_thresholds(account);
	const credit_t spendable = account->balance - account->held;
	bool rearmed = false, is_disarmed = false;

	if (!follows_settings(alerts, &thresholds))
		follow_settings(alerts, &thresholds, &occasion->work->arena);
	for (size_t i = 0; i < alerts->count; i++) {
		struct alert *alert = &alerts->items[i];
		credit_t level;
		bool has_level = find_level(alerts, &alert->threshold, &level);
		if (has_level && alert->state == ALERT_ARMED && spendable <= level) {
			alert->state = ALERT_DISARMED;
			send_reached(occasion, &alert->threshold, level);
		} else if (has_level && alert->state != ALERT_ARMED &&
			   stands_above(spendable, level, alert->threshold.hysteresis)) {
			rearmed = rearmed || alert->state == ALERT_DISARMED;
			alert->state = ALERT_ARMED;
		}
		is_disarmed = is_disarmed || alert->state == ALERT_DISARMED;
	}
	if (rearmed && !is_disarmed) {
		const struct notification recovered = {.type = NOTIFY_BALANCE_RECOVERED};
		notify(occasion, &recovered);
	}
}
