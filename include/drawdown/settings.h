/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of a currency (a row of drawdown.currency, or the defaults) and an
 * account's overrides of them (`configure`). Pure.
 */
#ifndef DRAWDOWN_SETTINGS_H
#define DRAWDOWN_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/arena.h"
#include "drawdown/credit.h"
#include "drawdown/text.h"

/* What happens to usage that no grant covers (RULES.md 4). */
enum over_limit {
	OVER_LIMIT_ALLOW,  /* into the overdraft, down to overdraft_limit */
	OVER_LIMIT_CAP,	   /* take what is there: partial */
	OVER_LIMIT_REJECT, /* all or nothing */
};
const char *over_limit_name(enum over_limit policy); /* "allow", "cap", "reject" */
bool over_limit_parse(struct text name, enum over_limit *ret_policy);

#define THRESHOLDS_MAX 16 /* of one currency or account; 0 itself is not among them */
#define THRESHOLD_HYSTERESIS_DEFAULT 10

/* A level of the spendable balance at which a notification is sent (RULES.md 10). */
struct threshold {
	bool is_percent;
	credit_t amount;    /* absolute: above 0; else 0 */
	int32_t percent;    /* 1-100 of the balance right after credit was last posted; else 0 */
	int32_t hysteresis; /* percent of the level, 0-100 */
};
struct thresholds {
	const struct threshold *items; /* no two of the same amount or percent */
	size_t count;
};
/* The same level, whatever the hysteresis? */
bool threshold_equal(const struct threshold *a, const struct threshold *b);

/* As JSON: [{"amount":"100","hysteresis":10},{"percent":20,"hysteresis":5}]; on reading an amount may be a number,
 * hysteresis may be left out, other fields are ignored. False, with a reason for people, where it is not such an
 * array, a value is out of range, there are more than THRESHOLDS_MAX or two of a kind. */
bool thresholds_parse(
	struct text json, struct arena *arena, struct thresholds *ret_thresholds, const char **ret_reason);
struct text thresholds_format(const struct thresholds *thresholds, struct arena *arena);

/* Of a currency: all of them; of an account: those that are given override. */
struct account_settings {
	bool has_over_limit;
	enum over_limit over_limit;
	bool has_overdraft_limit;
	credit_t overdraft_limit; /* how far below 0 the overdraft may go; 0 or more. Without one: no limit */
	bool has_thresholds;
	struct thresholds thresholds;
};
/* As JSON: {"overLimit":"cap","overdraftLimit":"10","thresholds":[...]}, what is not given left out. Absent text: none
 * is given. */
struct text account_settings_format(const struct account_settings *settings, struct arena *arena);
bool account_settings_parse(struct text json, struct arena *arena, struct account_settings *ret_settings);

struct currency {
	struct text currency_id;
	bool named;		    /* a row names it */
	int64_t expiry_grace;	    /* microseconds; default 0 */
	enum over_limit over_limit; /* default allow */
	bool has_overdraft_limit;
	credit_t overdraft_limit;
	struct thresholds thresholds; /* default none */
};

#endif
