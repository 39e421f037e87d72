/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread for what has no place in the loop: the sweeper (sweeper.h) and
 * the dropping of old receipts (generations.h), each every so often, on one
 * database connection and one Kafka client of its own.
 *
 * It works only while the loop owns partitions. Nothing waits for it, and its
 * failures stop nobody: they are logged and counted, and it tries again after
 * a pause that grows to a minute.
 */
#ifndef DRAWDOWN_KEEPER_H
#define DRAWDOWN_KEEPER_H

#include "drawdown/config.h"
#include "drawdown/ownership.h"

struct keeper;

/* Starts the thread; connects nothing yet. Borrows both. NULL where all that it does is switched off. */
struct keeper *keeper_new(const struct config *config, struct ownership *ownership);
/* Ends it, whatever it is doing. False: it did not end within `timeout` microseconds and was left behind; then what
 * it borrows may not be freed. NULL is allowed. */
bool keeper_free(struct keeper *keeper, int64_t timeout);

#endif
