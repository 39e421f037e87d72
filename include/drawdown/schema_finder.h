/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writers' schemas for a subcommand that reads topics: found while it waits,
 * in the database where database.url is set, and in the registry where
 * registry.url is. Keeps nothing. One thread's own.
 */
#ifndef DRAWDOWN_SCHEMA_FINDER_H
#define DRAWDOWN_SCHEMA_FINDER_H

#include "drawdown/config.h"
#include "drawdown/decode.h"

struct schema_finder;

/* Connects nothing yet. Borrows both. */
struct schema_finder *schema_finder_new(const struct config *config, struct decoder *decoder);
/* NULL is allowed. */
void schema_finder_free(struct schema_finder *finder);

/* Teach the decoder what it needs to decode the value, as far as that can be found: else it says that nobody knows
 * the schema. What cannot be asked is said on stderr, once. */
void schema_finder_prepare(struct schema_finder *finder, struct text value);

#endif
