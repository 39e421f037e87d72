/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes idle accounts advance: goes through drawdown.due for what has come and
 * sends an `advance` to each account of the partitions that the worker owns.
 *
 * It decides nothing about money: an advance that is early or comes twice
 * changes nothing. So any replica may send it, and what is remembered of what
 * was sent only keeps the topic from being flooded.
 * Used by one thread; keeper.h has it.
 */
#ifndef DRAWDOWN_SWEEPER_H
#define DRAWDOWN_SWEEPER_H

#include "drawdown/config.h"
#include "drawdown/ownership.h"

/* A row of drawdown.due. */
struct due {
	instant_t due_at;
	struct text customer_id;
	struct text currency_id;
	struct text resource_id; /* absent: the unscoped account */
};

/* Seam: where due accounts are read and advances go. */
struct sweeper_seam {
	void *self;
	/* At most `rows_max` rows with due_at <= until, in order of the whole row, behind `after` (NULL: from the
	 * first). They live in the arena. */
	enum outcome (*read)(void *self, struct arena *arena, instant_t until, const struct due *after, size_t rows_max,
		struct due **ret_rows, size_t *ret_count, struct failure *reterr);
	/* Begin to send an advance to that partition of the commands. */
	enum outcome (*send)(void *self, const struct due *due, int32_t partition, struct failure *reterr);
	/* Wait until all that was sent has arrived. After a failure none of it counts as sent. */
	enum outcome (*flush)(void *self, struct failure *reterr);
};

struct sweeper;

/* Borrows all three. */
struct sweeper *sweeper_new(const struct config *config, const struct sweeper_seam *seam, struct ownership *ownership);
void sweeper_free(struct sweeper *sweeper);

/* Go through all that is due at `now`. `at`: the monotonic clock. *ret_more: more is due than may be under way
 * (sweep.pending.max); come again soon. Ends early, with OK, where the assignment ends. */
enum outcome sweeper_pass(struct sweeper *sweeper, instant_t now, int64_t at, bool *ret_more, struct failure *reterr);

#endif
