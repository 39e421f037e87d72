/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the database in memory: what lock, look_up and recall read, and
 * what a commit writes, to the letter of store.h and not more, so that a rule
 * that needs what the real store does not read fails here as well. Constraints
 * of the tables are assertions. The world is locked by the caller.
 */
#ifndef DRAWDOWN_TESTS_FAKE_ROWS_H
#define DRAWDOWN_TESTS_FAKE_ROWS_H

#include "fakes.h"

/* Numbers, open grants, overrides and thresholds of a row; the key and what work_prepare set stay. */
void fake_rows_fill_account(const struct fake_account *row, struct account *account, struct arena *arena);

void fake_rows_lock(const struct fake_world *world, struct lane_work *work, const struct rules *rules);
void fake_rows_look_up(const struct fake_world *world, struct lane_work *work);
void fake_rows_recall(const struct fake_world *world, struct lane_work *work);
/* All that a work's settle has left in its transaction. */
void fake_rows_write(struct fake_world *world, const struct lane_work *work);

#endif
