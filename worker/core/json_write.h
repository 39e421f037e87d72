/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON into a buffer. The same values give the same bytes.
 *
 * A field is put with its name and the comma before it, where it is not the
 * first of its object; absent values are null.
 */
#ifndef DRAWDOWN_CORE_JSON_WRITE_H
#define DRAWDOWN_CORE_JSON_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "drawdown/credit.h"
#include "drawdown/instant.h"

/* In quotes; escapes only what must be. The text is UTF-8. */
void json_put_string(struct buffer *buffer, struct text text);
void json_put_integer(struct buffer *buffer, int64_t value);
void json_put_credit(struct buffer *buffer, credit_t amount);
/* In quotes; INSTANT_NONE: null. */
void json_put_instant(struct buffer *buffer, instant_t instant);

void json_put_name(struct buffer *buffer, struct text name);
void json_put_string_field(struct buffer *buffer, struct text name, struct text value);
void json_put_integer_field(struct buffer *buffer, struct text name, int64_t value);
void json_put_credit_field(struct buffer *buffer, struct text name, credit_t amount);
/* In quotes: as columns hold amounts. */
void json_put_credit_text_field(struct buffer *buffer, struct text name, credit_t amount);
void json_put_instant_field(struct buffer *buffer, struct text name, instant_t instant);
void json_put_null_field(struct buffer *buffer, struct text name);
/* A value that is JSON already; absent: null. */
void json_put_raw_field(struct buffer *buffer, struct text name, struct text value);

#endif
