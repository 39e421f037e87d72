/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that finds writers' schemas, so that nobody waits for a database
 * or a registry: in drawdown.writer_schema, then in the registry, whose
 * answer is kept before it is handed over. Each schema is asked for once,
 * however many want it, and again after a failure, with pauses that grow and
 * jitter; one failure holds back no other schema for longer than its pause.
 *
 * At most LIBRARIAN_WANTED_MAX are wanted at a time, what is found and not
 * yet taken included.
 */
#ifndef DRAWDOWN_LIBRARIAN_H
#define DRAWDOWN_LIBRARIAN_H

#include "drawdown/batch.h"
#include "drawdown/library.h"

/* Two for each of a worker's partitions: what it waits for, and what it will need. */
#define LIBRARIAN_WANTED_MAX (2 * BATCH_SPANS_MAX)

struct librarian;

/* What was wanted. A text's data is NULL where nobody knows the schema: the database does not keep it, and the
 * registry says that it has none, or there is none to ask. */
struct finding {
	struct schema_ref ref;
	struct text schema;
	/* For an id: what its fingerprint stands for, which may be another schema with the same canonical form. */
	struct schema_ref fingerprint; /* kind NONE: there is nothing to say */
	struct text fingerprint_schema;
	char *why;	  /* it is known to nobody, or of no use; NULL: because it is not kept */
	unsigned reading; /* the librarian's own */
	bool is_unasked;  /* unknown only in so far as it is not kept: the registry was not asked */
};
/* Frees the texts, which the taker owns. */
void finding_release(struct finding *finding);

/* Starts the thread; the library is its own from now on, but is not closed by it. `wake` is called whenever there is
 * something to take. */
struct librarian *librarian_new(const struct library *library, void (*wake)(void *self), void *wake_self);
/* Ends it, whatever it is doing. False: it did not end within `timeout` microseconds and was left behind; then what it
 * borrows may not be freed. NULL is allowed. */
bool librarian_free(struct librarian *librarian, int64_t timeout);

/* Find it, unless it is wanted already, or too many are. `kept_only`: what is not kept nobody knows; the registry is
 * not asked. */
void librarian_want(struct librarian *librarian, struct schema_ref ref, bool kept_only);
/* Nothing is wanted any more: another reading begins. What is being asked is still found, but that nobody knew a schema
 * says nothing any more. */
void librarian_forget(struct librarian *librarian);
/* False: nothing has been found since. */
bool librarian_take(struct librarian *librarian, struct finding *ret_finding);
/* How many are wanted and not yet found. */
size_t librarian_wanted(struct librarian *librarian);

#endif
