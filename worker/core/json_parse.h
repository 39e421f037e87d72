/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yajl with the strictness that it lacks: well-formed UTF-8, no lone
 * surrogates, bounded depth; its memory comes from the stack, then the arena.
 * A callback that returns 0 ends the parse.
 */
#ifndef DRAWDOWN_CORE_JSON_PARSE_H
#define DRAWDOWN_CORE_JSON_PARSE_H

#include <yajl/yajl_parse.h>

#include "drawdown/arena.h"
#include "drawdown/text.h"

enum json_parsed {
	JSON_PARSED,
	JSON_CANCELLED, /* by a callback */
	JSON_MALFORMED,
	JSON_NOT_UTF8,
};

/* ret_offset: about where it stopped, in bytes. */
enum json_parsed json_parse(
	struct text json, const yajl_callbacks *callbacks, void *context, struct arena *arena, size_t *ret_offset);

#endif
