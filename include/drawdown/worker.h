/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop. The only loop, and the only place that acts on a failure.
 */
#ifndef DRAWDOWN_WORKER_H
#define DRAWDOWN_WORKER_H

#include "drawdown/config.h"
#include "drawdown/decode.h"
#include "drawdown/ownership.h"
#include "drawdown/publish.h"
#include "drawdown/source.h"
#include "drawdown/store.h"

struct worker;

/* Borrows all of it for the worker's life. The decoder knows each schema before the source hands out a record that
 * needs it. Starts no thread. */
struct worker *worker_new(const struct config *config, const struct decoder *decoder, const struct source *source,
	const struct store *store, const struct publish *publish);
void worker_free(struct worker *worker);
/* After worker_run: threads in calls that do not return were left behind. Then neither the worker nor the seams
 * may be freed; end the process. */
bool worker_has_left_threads(const struct worker *worker);

/* What it owns now; as long as the worker is. Any thread may ask. */
struct ownership *worker_ownership(struct worker *worker);

/* Runs until it is told to stop or must. OK: stopped as asked; what was not published comes again.
 * FATAL: *reterr says why, and with which exit code. */
enum outcome worker_run(struct worker *worker, struct failure *reterr);

/* First call: finish what is in flight, leave. Second call: abandon it, leave. Both lose nothing.
 * Async-signal-safe; any thread. */
void worker_stop(struct worker *worker);

#endif
