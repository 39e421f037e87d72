/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for so long on the monotonic clock: however the wall clock is stepped meanwhile, they take neither more nor less. */
#ifndef DRAWDOWN_DEADLINE_H
#define DRAWDOWN_DEADLINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* That instant of the monotonic clock (microseconds, as of monotonic_now()). */
struct timespec deadline_at(int64_t monotonic);
/* So many microseconds from now. */
struct timespec deadline_in(int64_t microseconds);
/* A condition whose timed waits take such deadlines. The caller destroys it. */
void deadline_condition_init(pthread_cond_t *condition);
/* False: the thread had not ended by then, and is still to be joined or detached. */
bool deadline_join(pthread_t thread, const struct timespec *deadline);

#endif
