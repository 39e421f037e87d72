/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder of the worker's inputs, and what it has yet to learn: may this
 * record be decoded now? What is not known is wanted from a librarian
 * (librarian.h), whose findings are taught at the beginning of a poll: what a
 * record was let through by still holds when it is decoded.
 *
 * A schema that nobody knows is taken as such for registry.unknown.lifetime;
 * its records are dead letters. In a recovery what is not kept is unknown: a
 * record was only ever handed out with its schema kept, or as a dead letter,
 * so that a second reading comes to the same without a registry.
 *
 * By the loop's thread only.
 */
#ifndef DRAWDOWN_SCHEMAS_H
#define DRAWDOWN_SCHEMAS_H

#include "drawdown/library.h"

struct schemas;

/* Learns what the library keeps; then the library is its own and is closed with it, on failure too. */
enum outcome schemas_open(struct schemas **ret_schemas, const struct config *config, const struct library *library,
	struct failure *reterr);
/* False: the librarian did not end within `timeout` microseconds, and all was left behind. NULL is allowed. */
bool schemas_close(struct schemas *schemas, int64_t timeout);

/* Lives as long as the schemas. */
struct decoder *schemas_decoder(struct schemas *schemas);

/* Called, from another thread, whenever there is something to learn; NULL: nobody. Until this returns, an earlier
 * function may be called. */
void schemas_set_wake(struct schemas *schemas, void (*wake)(void *self), void *self);

/* Learn what was found, and ask again for what was unknown for long enough. */
void schemas_turn(struct schemas *schemas, bool is_recovering);
/* Can the value be decoded now? If not, its schema is wanted from now on. */
bool schemas_admit(struct schemas *schemas, struct text value, bool is_recovering);
/* The value's turn comes later: its schema is wanted already, while there is room beside those that are waited for. */
void schemas_expect(struct schemas *schemas, struct text value, bool is_recovering);
/* A recovery is over, or a reading: what was only not kept may be known to the registry, and nobody waits any more. */
void schemas_begin_anew(struct schemas *schemas);

#endif
