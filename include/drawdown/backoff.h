/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait before something that failed is tried again. */
#ifndef DRAWDOWN_BACKOFF_H
#define DRAWDOWN_BACKOFF_H

#include <stdint.h>

/* Microseconds: `first`, doubled with each failure after the first one, `longest` at most; by chance down to half of
 * that, so that those who failed together do not come back together. `failures_count` is 1 or more. */
int64_t backoff_pause(int64_t first, int64_t longest, unsigned failures_count);

#endif
