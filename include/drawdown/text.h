/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run of bytes that somebody else owns. Not NUL-terminated.
 * `data == NULL` means absent (null); an empty text has data and size 0.
 */
#ifndef DRAWDOWN_TEXT_H
#define DRAWDOWN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct text {
	const char *data;
	size_t size;
};

#define TEXT_NULL ((struct text){NULL, 0})
#define TEXT_LITERAL(literal) ((struct text){"" literal, sizeof(literal) - 1})
/* The same where a constant is needed: in the initializer of a static object. */
#define TEXT_CONSTANT(literal)                  \
	{                                       \
		"" literal, sizeof(literal) - 1 \
	}
/* For printf: "%.*s", TEXT_ARGS(text) */
#define TEXT_ARGS(text) (int)(text).size, (text).data ? (text).data : ""

static inline struct text text_of(const char *string)
{
	return (struct text){string, string ? strlen(string) : 0};
}

static inline bool text_equal(struct text a, struct text b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Byte order, shorter first at a tie: PostgreSQL's COLLATE "C". */
static inline int text_compare(struct text a, struct text b)
{
	size_t common = a.size < b.size ? a.size : b.size;
	int order = common ? memcmp(a.data, b.data, common) : 0;
	return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* Well-formed UTF-8 without NUL and control characters (U+0000-001F, 007F-009F);
 * ret_characters_count (may be NULL) receives the number of code points. */
bool text_is_printable(struct text text, size_t *ret_characters_count);

/* Well-formed UTF-8 without NUL: what a PostgreSQL text can hold. */
bool text_is_storable(struct text text);

/* 1-255 of [A-Za-z0-9_|.@-], first alphanumeric; currencies: without '@'. */
bool text_is_customer_id(struct text text);
bool text_is_currency_id(struct text text);

#endif
