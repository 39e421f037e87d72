/* SPDX-License-Identifier: Apache-2.0 */
/* The real store: one libpq connection per lane and one for the loop. */
#ifndef DRAWDOWN_STORE_POSTGRES_H
#define DRAWDOWN_STORE_POSTGRES_H

#include "drawdown/config.h"
#include "drawdown/postgres.h"
#include "drawdown/store.h"

/* Connects all, checks the schema's version and the role's rights. `config` must outlive the store. */
enum outcome store_postgres_open(struct store *ret_store, const struct config *config, struct failure *reterr);

/* Bring the schema up to date; forward only, one transaction a step, safe when two run at once. */
enum outcome migrate_run(const struct config *config, FILE *progress, struct failure *reterr);
/* The newest migration that was applied; 0: there is no schema. */
enum outcome migrate_read_version(struct postgres *postgres, int *ret_version, struct failure *reterr);

#endif
