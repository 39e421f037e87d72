/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A producer's schema as somebody else might have written it, and a record of it: fields that drawdown knows, in any
 * order, left out, nullable, of other types, between fields that it does not know. Made from choices.
 */
#ifndef DRAWDOWN_FUZZ_WRITER_H
#define DRAWDOWN_FUZZ_WRITER_H

#include <stdbool.h>

#include "choices.h"
#include "drawdown/arena.h"
#include "drawdown/event.h"

struct writer_node;

struct writer {
	enum event_kind kind;
	const struct writer_node *record;
	struct text schema; /* JSON */
};

void writer_make(struct choices *choices, struct arena *arena, struct writer *ret_writer);
/* The bytes of a record that is valid by the schema. */
struct text writer_put(const struct writer *writer, struct choices *choices, struct arena *arena);

#endif
