/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads JSON that drawdown itself wrote, value by value: open grants, canonical
 * dimensions. Checks what it takes, so that broken books are noticed, but is no
 * parser for input: that is decode_json.c.
 */
#ifndef DRAWDOWN_CORE_JSON_READER_H
#define DRAWDOWN_CORE_JSON_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "drawdown/arena.h"
#include "drawdown/text.h"

struct json_reader {
	const char *at;
	const char *end;
	struct arena *arena; /* for strings with escapes, and copies */
};

struct json_reader json_reader_of(struct text json, struct arena *arena);

/* All skip white space first; false: something else stands there. */
bool json_take(struct json_reader *reader, char character);
/* The next character that is not white space, or 0 at the end. */
char json_peek(struct json_reader *reader);
/* Its text points into the JSON, or into the arena where it has escapes. */
bool json_take_string(struct json_reader *reader, struct text *ret_text);
/* The text of a number, unchecked. */
bool json_take_number(struct json_reader *reader, struct text *ret_text);
bool json_take_integer(struct json_reader *reader, int64_t *ret_value);
bool json_take_word(struct json_reader *reader, struct text word);

#endif
