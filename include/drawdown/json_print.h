/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON to a stream, value by value; the printer puts the commas. For what a
 * person or a script reads; outputs to topics are written by encode.h.
 *
 *     struct json_printer json = { .out = stdout };
 *     json_begin(&json, NULL, '{');
 *     json_text(&json, "customerId", customer_id);
 *     json_raw(&json, "balance", text_of("1.5"));
 *     json_end(&json, '}');
 *     json_line(&json);
 *
 * `name` is NULL for the elements of an array and for the outermost value. Nothing checks the nesting.
 */
#ifndef DRAWDOWN_JSON_PRINT_H
#define DRAWDOWN_JSON_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "drawdown/credit.h"
#include "drawdown/instant.h"
#include "drawdown/text.h"

struct json_printer {
	FILE *out;
	bool comma; /* one is due before the next value */
};

void json_begin(struct json_printer *json, const char *name, char bracket);
void json_end(struct json_printer *json, char bracket);
/* Absent: null. What is not UTF-8 is replaced by U+FFFD. */
void json_text(struct json_printer *json, const char *name, struct text text);
void json_integer(struct json_printer *json, const char *name, int64_t value);
void json_boolean(struct json_printer *json, const char *name, bool value);
/* A number with all its digits. */
void json_credit(struct json_printer *json, const char *name, credit_t amount);
/* RFC 3339; INSTANT_NONE: null. */
void json_instant(struct json_printer *json, const char *name, instant_t instant);
/* Text that is JSON already; absent: null. */
void json_raw(struct json_printer *json, const char *name, struct text text);
/* Any bytes: a string where they are text, else {"base64": "..."}. Absent: null. */
void json_bytes(struct json_printer *json, const char *name, struct text bytes);
/* A line feed after a whole value. */
void json_line(struct json_printer *json);

/* Only the string, in quotes. */
void json_quote(FILE *out, struct text text);

#endif
