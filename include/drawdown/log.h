/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line per event, to stderr: logfmt ("key=value") or JSON.
 * Never a payload, a password or a whole connection string.
 *     log_line(LOG_INFO, "worker.assigned", "got %zu partitions", n);
 *     ts=2026-01-02T03:04:05.678Z level=info event=worker.assigned msg="got 8 partitions"
 */
#ifndef DRAWDOWN_LOG_H
#define DRAWDOWN_LOG_H

#include <stdbool.h>

#include "drawdown/outcome.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

void log_configure(enum log_level level, bool json);
__attribute__((format(printf, 3, 4))) void log_line(enum log_level level, const char *event, const char *format, ...);
/* "event=<where> outcome=<class> msg=<text> hint=<hint>". */
void log_failure(enum log_level level, const struct failure *failure);

#endif
