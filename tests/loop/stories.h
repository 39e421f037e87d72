/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inputs by hand for the loop test, each the same for a few customers.
 */
#ifndef DRAWDOWN_TESTS_STORIES_H
#define DRAWDOWN_TESTS_STORIES_H

#include "fakes.h"

#define STORY_CUSTOMERS_MAX 6
#define STORY_START_MS (20000LL * 86400 * 1000) /* 2024-10-04T00:00:00Z */

struct story {
	const char *name;
	const char *customers[STORY_CUSTOMERS_MAX];
	size_t customers_count;
	/* for runs with a fault: batches enough for each, and not more */
	int64_t batch_records_max;
	size_t poll_records_max;
	void (*append)(struct fake_world *world, const struct story *story);
};

/* Grants, usage over several of them, an overdraft and its settlement, a posting and an expiry that fall due, a void,
 * duplicates, a conflict, an unknown currency, a kind that is not permitted, two that are unreadable. */
extern const struct story story_of_usage;

/* Holds that are settled, extended, released and run out, one that outlives its grant; a grant that awaits its
 * payment; reversals of what spanned grants and a settled overdraft; overrides, thresholds, advance. */
extern const struct story story_of_holds;

#endif
