/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of a pair's two partitions hands out the next record. Pure.
 *
 * By record timestamp, commands first at a tie, as far as what is in hand
 * allows: a record waits for a partition that has nothing in hand until that
 * one has shown its end, at most `merge.wait` after it fell short. This keeps
 * a backlog in time order; no proof rests on it.
 */
#ifndef DRAWDOWN_SOURCE_MERGE_H
#define DRAWDOWN_SOURCE_MERGE_H

#include <stdbool.h>
#include <stdint.h>

#include "drawdown/ledger.h"

/* What is known of one partition of the pair. */
struct merge_side {
	bool has_record;
	int64_t timestamp; /* of that record */
	bool is_done;	   /* nothing to wait for: its end was shown, or what follows may not be handed out yet */
};

struct merge_wait {
	int64_t since; /* monotonic microseconds: when one of the two fell short; 0: none does */
};

enum merge_choice {
	MERGE_NOTHING, /* neither has a record that may go */
	MERGE_USAGE,
	MERGE_COMMANDS,
	MERGE_WAIT, /* one has, but waits for the other until wait->since + wait_max */
};

enum merge_choice merge_choose(
	const struct merge_side sides[INPUT_COUNT], struct merge_wait *wait, int64_t now, int64_t wait_max);

#endif
