/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A station of the line: a few threads that each do their part of one batch at
 * a time. The loop gives a batch and takes it back; between the two it belongs
 * to the crew. There is no queue: a crew holds one batch.
 */
#ifndef DRAWDOWN_CREW_H
#define DRAWDOWN_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/batch.h"
#include "drawdown/outcome.h"

struct crew;

/* What thread `index` does with its part; must return for ever: nothing is retried here. */
typedef enum outcome crew_function(void *context, size_t index, struct batch *batch, struct failure *reterr);
/* Called when the last part of a batch is done; from a crew's thread. */
typedef void crew_notify(void *context);

/* Starts the threads; aborts where they cannot be had. */
struct crew *crew_new(size_t threads_count, crew_function *function, crew_notify *notify, void *context);
/* Ends the threads. False: some did not end within timeout (microseconds) and are left behind, with the crew's memory.
 */
bool crew_free(struct crew *crew, int64_t timeout);

/* The crew must be empty. */
void crew_give(struct crew *crew, struct batch *batch);
/* NULL: empty, or still at work. Otherwise the batch, with the gravest outcome of its parts: FATAL, REJECT, REWIND, OK.
 */
struct batch *crew_take(struct crew *crew, enum outcome *ret_outcome, struct failure *reterr);
bool crew_is_empty(struct crew *crew);

#endif
