/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Avro's binary values into a buffer. The same values give the same bytes.
 */
#ifndef DRAWDOWN_CORE_AVRO_WRITE_H
#define DRAWDOWN_CORE_AVRO_WRITE_H

#include <stdint.h>

#include "buffer.h"
#include "drawdown/credit.h"
#include "drawdown/instant.h"

enum { AVRO_BRANCH_NULL, AVRO_BRANCH_VALUE };

static inline void avro_put_long(struct buffer *buffer, int64_t value)
{
	uint64_t bits = (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
	char *at = buffer_reserve(buffer, 10);
	size_t size = 0;

	for (; bits > 0x7f; bits >>= 7)
		at[size++] = (char)(uint8_t)(bits | 0x80);
	at[size++] = (char)bits;
	buffer->size += size;
}

static inline void avro_put_boolean(struct buffer *buffer, bool value)
{
	buffer_put_byte(buffer, value);
}

void avro_put_double(struct buffer *buffer, double value);

static inline void avro_put_string(struct buffer *buffer, struct text text)
{
	avro_put_long(buffer, (int64_t)text.size);
	buffer_put_text(buffer, text);
}

/* decimal(38, 12) in bytes */
static inline void avro_put_credit(struct buffer *buffer, credit_t amount)
{
	uint8_t *at = (uint8_t *)buffer_reserve(buffer, 1 + 16);
	size_t size = credit_to_bytes(amount, at + 1);

	at[0] = (uint8_t)(size << 1); /* a long below 64 */
	buffer->size += 1 + size;
}

/* Unions of null and the type, null first. */
static inline void avro_put_null(struct buffer *buffer)
{
	avro_put_long(buffer, AVRO_BRANCH_NULL);
}

/* Absent: null. */
static inline void avro_put_optional_string(struct buffer *buffer, struct text text)
{
	avro_put_long(buffer, text.data ? AVRO_BRANCH_VALUE : AVRO_BRANCH_NULL);
	if (text.data)
		avro_put_string(buffer, text);
}

/* INSTANT_NONE: null. */
static inline void avro_put_optional_instant(struct buffer *buffer, instant_t instant)
{
	avro_put_long(buffer, instant == INSTANT_NONE ? AVRO_BRANCH_NULL : AVRO_BRANCH_VALUE);
	if (instant != INSTANT_NONE)
		avro_put_long(buffer, instant);
}

static inline void avro_put_optional_credit(struct buffer *buffer, bool is_given, credit_t amount)
{
	avro_put_long(buffer, is_given ? AVRO_BRANCH_VALUE : AVRO_BRANCH_NULL);
	if (is_given)
		avro_put_credit(buffer, amount);
}

/* int, long, enum */
static inline void avro_put_optional_integer(struct buffer *buffer, bool is_given, int64_t value)
{
	avro_put_long(buffer, is_given ? AVRO_BRANCH_VALUE : AVRO_BRANCH_NULL);
	if (is_given)
		avro_put_long(buffer, value);
}

/* 0: null. */
static inline void avro_put_optional_seq(struct buffer *buffer, int64_t seq)
{
	avro_put_optional_integer(buffer, seq != 0, seq);
}

/* A canonical JSON object as a map of unions of string, boolean, long and double. Absent: null. A number that
 * neither a long nor a double holds exactly becomes a string of its digits. Aborts where it is not canonical. */
void avro_put_optional_members(struct buffer *buffer, struct text json);

#endif
