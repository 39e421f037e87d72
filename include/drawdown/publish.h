/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seam: where outputs go. publish_kafka.h is the real one.
 * Called by the publisher's thread only, but for `open` before it starts.
 */
#ifndef DRAWDOWN_PUBLISH_H
#define DRAWDOWN_PUBLISH_H

#include "drawdown/batch.h"
#include "drawdown/outcome.h"

struct publish {
	void *self;

	/* A new producer; init_transactions fences what a predecessor left. Destroys (or, where it hangs,
	 * leaves behind) the handle before it. */
	enum outcome (*open)(void *self, struct failure *reterr);
	/* One transaction: the messages of every lane, the offsets of every span, commit.
	 * OK: committed. RETRY: unknown or aborted; the handle is spent: open, ask `committed`, decide.
	 * REWIND: the group does not know us any more. FATAL: fenced, not authorised, stuck for good. */
	enum outcome (*send)(void *self, const struct batch *batch, struct failure *reterr);
	/* After open: did the batch's offsets arrive? *ret_committed true where every span's end is
	 * committed; REWIND where the offsets are neither its begin nor its end. */
	enum outcome (*committed)(void *self, const struct batch *batch, bool *ret_committed, struct failure *reterr);
	void (*close)(void *self);
};

#endif
