/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads JSON that drawdown itself wrote, value by value: the columns of JSON,
 * canonical dimensions. Checks what it takes, so that broken books are noticed,
 * but is no parser for input: that is decode_json.c.
 */
#ifndef DRAWDOWN_CORE_JSON_READER_H
#define DRAWDOWN_CORE_JSON_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "drawdown/arena.h"
#include "drawdown/credit.h"
#include "drawdown/instant.h"
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
/* An amount: a string. */
bool json_take_credit(struct json_reader *reader, credit_t *ret_amount);
/* Microseconds since 1970, within the range of an instant. */
bool json_take_microseconds(struct json_reader *reader, instant_t *ret_instant);

/* An object of fields with these names, in any order, each at most once. `take` reads the value of the field with
 * that index; ret_seen has a bit for each field that was there. At most 32 names. */
bool json_take_object(struct json_reader *reader, const struct text *names, unsigned names_count,
	bool (*take)(struct json_reader *reader, unsigned field, void *into), void *into, unsigned *ret_seen);
/* An array: `take` reads each of its items. */
bool json_take_array(struct json_reader *reader, bool (*take)(struct json_reader *reader, void *into), void *into);
/* Does nothing but white space follow? */
bool json_is_at_end(struct json_reader *reader);

#endif
