/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's process, with whatever store: `drawdown worker`, and the floor of `drawdown bench`. */
#ifndef DRAWDOWN_WORKER_PROCESS_H
#define DRAWDOWN_WORKER_PROCESS_H

#include "drawdown/config.h"
#include "drawdown/store.h"

typedef enum outcome worker_store_open(struct store *ret_store, const struct config *config, struct failure *reterr);

/* From the first connection to the last; returns the exit code. Takes what the config owns. */
int worker_process_run(const struct config *config, worker_store_open *store_open_function);

#endif
