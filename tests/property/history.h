/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random histories: a few accounts, ugly times, amounts at both ends of the range, keys and grant ids used again.
 * The same seed makes the same history.
 */
#ifndef DRAWDOWN_TEST_HISTORY_H
#define DRAWDOWN_TEST_HISTORY_H

#include "../unit/seed.h"
#include "drawdown/work.h"

#define HISTORY_RECORDS_MAX 80
#define HISTORY_CURRENCY "tokens" /* the one that has settings */

struct history {
	struct arena arena;
	struct seed seed;
	struct rules rules;
	int64_t expiry_grace; /* of HISTORY_CURRENCY; the other currency has no settings */
	bool has_all_kinds;   /* else consumption, grants and voids: what the oracle knows */
	bool has_many_holds;
	bool has_huge_amounts;
	size_t consumption_max;	  /* whole credits of one event; a grant has up to 12 */
	size_t consumption_share; /* of 20 events */
	instant_t now;
	struct record *records[HISTORY_RECORDS_MAX];
	size_t records_count;
};

/* 0 to count - 1 */
size_t history_below(struct history *history, size_t count);

void history_make(struct history *history, uint64_t seed, bool has_all_kinds);
void history_release(struct history *history);
/* One line a record, to stderr. */
void history_print(const struct history *history);

#endif
