/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON by the letter of RFC 8259, and nothing else: what a parser is held against.
 */
#ifndef DRAWDOWN_FUZZ_JSON_GRAMMAR_H
#define DRAWDOWN_FUZZ_JSON_GRAMMAR_H

#include "drawdown/text.h"

/* Is it one value, of bytes that are UTF-8 as far as nobody looks? *ret_depth: of the deepest array or object; 100 at
 * most is looked at. */
bool json_grammar_accepts(struct text json, unsigned *ret_depth);

#endif
