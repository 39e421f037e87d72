/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGTERM and SIGINT of the worker process. They are taken by a thread of
 * their own, not by handlers: what they set off may lock and log.
 */
#ifndef DRAWDOWN_SIGNALS_H
#define DRAWDOWN_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

#include "drawdown/worker.h"

/* To be called before any other thread is made: blocks both signals for all of them. Ignores SIGPIPE. */
void signals_begin(void);
/* worker_stop for each signal from now on, and at once for those that came before. NULL: nobody is told. */
void signals_tell(struct worker *worker);
/* Sleeps so long, or less when a signal comes. True: one has come, now or before. */
bool signals_wait(int64_t microseconds);

#endif
