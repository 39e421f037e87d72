/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes Avro's binary values off hostile bytes: every length, index and count
 * is checked against what is left, and the work on one record is bounded.
 */
#ifndef DRAWDOWN_CORE_AVRO_CURSOR_H
#define DRAWDOWN_CORE_AVRO_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "drawdown/text.h"

#define CURSOR_ITEMS_MAX (256 * 1024) /* items of arrays and maps, records, nulls: what may take no bytes at all */
#define CURSOR_DEPTH_MAX 64

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	size_t items_left;
	const char *problem;	   /* what is wrong, once a take has failed */
	struct text problem_field; /* the record's field in which it was found */
};

static inline struct cursor cursor_of(struct text bytes)
{
	const uint8_t *at = (const uint8_t *)bytes.data;
	return (struct cursor){.at = at, .end = at + bytes.size, .items_left = CURSOR_ITEMS_MAX};
}

static inline bool cursor_refuse(struct cursor *cursor, const char *problem)
{
	cursor->problem = problem;
	return false;
}

/* A zigzag varint of at most 10 bytes. */
static inline bool cursor_take_long(struct cursor *cursor, int64_t *ret_value)
{
	if (cursor->at != cursor->end && *cursor->at < 0x80) {
		uint64_t byte = *cursor->at++;
		*ret_value = (int64_t)(byte >> 1 ^ -(byte & 1));
		return true;
	}
	uint64_t bits = 0;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		if (cursor->at == cursor->end)
			return cursor_refuse(cursor, "is cut off");
		uint8_t byte = *cursor->at++;
		if (shift == 63 && byte > 1)
			break;
		bits |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_value = (int64_t)(bits >> 1 ^ -(bits & 1));
			return true;
		}
	}
	return cursor_refuse(cursor, "has an over-long integer");
}

static inline bool cursor_take_bytes(struct cursor *cursor, size_t size, struct text *ret_bytes)
{
	if (size > (size_t)(cursor->end - cursor->at))
		return cursor_refuse(cursor, "is cut off");
	*ret_bytes = (struct text){(const char *)cursor->at, size};
	cursor->at += size;
	return true;
}

/* Bytes or a string: a length, then as many bytes. */
static inline bool cursor_take_sized(struct cursor *cursor, struct text *ret_bytes)
{
	int64_t size;
	if (!cursor_take_long(cursor, &size))
		return false;
	if (size < 0 || (uint64_t)size > (uint64_t)(cursor->end - cursor->at))
		return cursor_refuse(cursor, "has a length out of range");
	return cursor_take_bytes(cursor, (size_t)size, ret_bytes);
}

static inline bool cursor_take_boolean(struct cursor *cursor, bool *ret_value)
{
	struct text byte;
	if (!cursor_take_bytes(cursor, 1, &byte))
		return false;
	if (byte.data[0] != 0 && byte.data[0] != 1)
		return cursor_refuse(cursor, "has a boolean that is neither 0 nor 1");
	*ret_value = byte.data[0] == 1;
	return true;
}

static inline bool cursor_take_int(struct cursor *cursor, int64_t *ret_value)
{
	if (!cursor_take_long(cursor, ret_value))
		return false;
	if (*ret_value < INT32_MIN || *ret_value > INT32_MAX)
		return cursor_refuse(cursor, "has an int out of range");
	return true;
}

/* Little-endian, whatever the machine. */
static inline uint64_t cursor_little_endian(const char *data, size_t size)
{
	uint64_t bits = 0;
	for (size_t i = 0; i < size; i++)
		bits |= (uint64_t)(uint8_t)data[i] << 8 * i;
	return bits;
}

static inline bool cursor_take_float(struct cursor *cursor, double *ret_value)
{
	struct text bytes;
	float value;
	if (!cursor_take_bytes(cursor, sizeof value, &bytes))
		return false;
	uint32_t bits = (uint32_t)cursor_little_endian(bytes.data, sizeof value);
	memcpy(&value, &bits, sizeof value);
	*ret_value = (double)value;
	return true;
}

static inline bool cursor_take_double(struct cursor *cursor, double *ret_value)
{
	struct text bytes;
	if (!cursor_take_bytes(cursor, sizeof *ret_value, &bytes))
		return false;
	uint64_t bits = cursor_little_endian(bytes.data, sizeof *ret_value);
	memcpy(ret_value, &bits, sizeof *ret_value);
	return true;
}

/* The index of an enum's symbol or a union's branch. */
static inline bool cursor_take_index(struct cursor *cursor, size_t count, size_t *ret_index)
{
	int64_t index;
	if (!cursor_take_long(cursor, &index))
		return false;
	if (index < 0 || (uint64_t)index >= count)
		return cursor_refuse(cursor, "has an index out of range");
	*ret_index = (size_t)index;
	return true;
}

/* Counts what takes no bytes against the bound. */
static inline bool cursor_take_empty(struct cursor *cursor, size_t count)
{
	if (count > cursor->items_left)
		return cursor_refuse(cursor, "has too many items");
	cursor->items_left -= count;
	return true;
}

/* The next block of an array or map; 0: that was the last. Counts its items against the bound. */
static inline bool cursor_take_block(struct cursor *cursor, size_t *ret_count)
{
	int64_t count, size;
	if (!cursor_take_long(cursor, &count))
		return false;
	if (count < 0) {
		if (!cursor_take_long(cursor, &size))
			return false;
		if (size < 0 || (uint64_t)size > (uint64_t)(cursor->end - cursor->at))
			return cursor_refuse(cursor, "has a block size out of range");
		count = count == INT64_MIN ? INT64_MAX : -count;
	}
	*ret_count = (size_t)count;
	return cursor_take_empty(cursor, (size_t)count);
}

#endif
