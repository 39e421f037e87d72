/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes Avro's binary values off hostile bytes: every length, index and count
 * is checked against what is left, and the work on one record is bounded.
 */
#ifndef DRAWDOWN_CORE_AVRO_CURSOR_H
#define DRAWDOWN_CORE_AVRO_CURSOR_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "drawdown/text.h"

#define CURSOR_ITEMS_MAX (256 * 1024) /* items of arrays and maps, records, nulls: what may take no bytes at all */
#define CURSOR_DEPTH_MAX 64

/* A cursor whose address never leaves its function stays in registers, which is most of a decoder's speed. */
#define CURSOR_INLINE __attribute__((always_inline)) static inline

/* What is noted of one record's run. */
struct cursor_notes {
	size_t items_left;
	const char *problem;	   /* what is wrong, once a take has failed */
	struct text problem_field; /* the record's field in which it was found */
};

/* A place in the bytes. A copy goes its own way, but for the notes. */
struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	struct cursor_notes *notes;
};

static inline struct cursor cursor_of(struct text bytes, struct cursor_notes *notes)
{
	const uint8_t *at = (const uint8_t *)bytes.data;
	*notes = (struct cursor_notes){.items_left = CURSOR_ITEMS_MAX};
	return (struct cursor){at, at + bytes.size, notes};
}

/* Fills notes->problem and returns false. */
__attribute__((cold)) bool cursor_note_problem(struct cursor_notes *notes, const char *problem);

CURSOR_INLINE bool cursor_refuse(struct cursor *cursor, const char *problem)
{
	return cursor_note_problem(cursor->notes, problem);
}

/* Little-endian, whatever the machine; 8 bytes. */
static inline uint64_t cursor_little_endian(const void *bytes)
{
	uint64_t bits;
	memcpy(&bits, bytes, sizeof bits);
	return le64toh(bits);
}

struct cursor_varint {
	const uint8_t *end; /* NULL where it is refused */
	uint64_t bits;
};

/* A varint of any length. */
struct cursor_varint cursor_read_varint(const uint8_t *at, const uint8_t *end, struct cursor_notes *notes);

/* A varint of at most 10 bytes, as it stands. */
CURSOR_INLINE bool cursor_take_varint(struct cursor *cursor, uint64_t *ret_bits)
{
	if (__builtin_expect(cursor->at != cursor->end && *cursor->at < 0x80, true)) { /* almost all */
		*ret_bits = *cursor->at++;
		return true;
	}
	struct cursor_varint varint = cursor_read_varint(cursor->at, cursor->end, cursor->notes);
	if (!varint.end)
		return false;
	cursor->at = varint.end;
	*ret_bits = varint.bits;
	return true;
}

/* Zigzag: the lowest bit is the sign. */
CURSOR_INLINE bool cursor_take_long(struct cursor *cursor, int64_t *ret_value)
{
	uint64_t bits;
	if (!cursor_take_varint(cursor, &bits))
		return false;
	*ret_value = (int64_t)(bits >> 1 ^ -(bits & 1));
	return true;
}

CURSOR_INLINE bool cursor_take_bytes(struct cursor *cursor, size_t size, struct text *ret_bytes)
{
	if (size > (size_t)(cursor->end - cursor->at))
		return cursor_refuse(cursor, "is cut off");
	*ret_bytes = (struct text){(const char *)cursor->at, size};
	cursor->at += size;
	return true;
}

/* Bytes or a string: a length, then as many bytes. */
CURSOR_INLINE bool cursor_take_sized(struct cursor *cursor, struct text *ret_bytes)
{
	uint64_t bits;
	if (!cursor_take_varint(cursor, &bits))
		return false;
	if (bits & 1 || bits >> 1 > (size_t)(cursor->end - cursor->at))
		return cursor_refuse(cursor, "has a length out of range");
	return cursor_take_bytes(cursor, bits >> 1, ret_bytes);
}

CURSOR_INLINE bool cursor_take_boolean(struct cursor *cursor, bool *ret_value)
{
	struct text byte;
	if (!cursor_take_bytes(cursor, 1, &byte))
		return false;
	if (byte.data[0] != 0 && byte.data[0] != 1)
		return cursor_refuse(cursor, "has a boolean that is neither 0 nor 1");
	*ret_value = byte.data[0] == 1;
	return true;
}

CURSOR_INLINE bool cursor_take_int(struct cursor *cursor, int64_t *ret_value)
{
	if (!cursor_take_long(cursor, ret_value))
		return false;
	if (*ret_value < INT32_MIN || *ret_value > INT32_MAX)
		return cursor_refuse(cursor, "has an int out of range");
	return true;
}

CURSOR_INLINE bool cursor_take_float(struct cursor *cursor, double *ret_value)
{
	struct text bytes;
	float value;
	if (!cursor_take_bytes(cursor, sizeof value, &bytes))
		return false;
	uint32_t bits;
	memcpy(&bits, bytes.data, sizeof bits);
	bits = le32toh(bits);
	memcpy(&value, &bits, sizeof value);
	*ret_value = (double)value;
	return true;
}

CURSOR_INLINE bool cursor_take_double(struct cursor *cursor, double *ret_value)
{
	struct text bytes;
	if (!cursor_take_bytes(cursor, sizeof *ret_value, &bytes))
		return false;
	uint64_t bits = cursor_little_endian(bytes.data);
	memcpy(ret_value, &bits, sizeof *ret_value);
	return true;
}

/* The index of an enum's symbol or a union's branch. */
CURSOR_INLINE bool cursor_take_index(struct cursor *cursor, size_t count, size_t *ret_index)
{
	uint64_t bits;
	if (!cursor_take_varint(cursor, &bits))
		return false;
	if (bits & 1 || bits >> 1 >= count)
		return cursor_refuse(cursor, "has an index out of range");
	*ret_index = bits >> 1;
	return true;
}

/* Counts what takes no bytes against the bound. */
CURSOR_INLINE bool cursor_take_empty(struct cursor *cursor, size_t count)
{
	if (count > cursor->notes->items_left)
		return cursor_refuse(cursor, "has too many items");
	cursor->notes->items_left -= count;
	return true;
}

/* The next block of an array or map; 0: that was the last. Counts its items against the bound. */
CURSOR_INLINE bool cursor_take_block(struct cursor *cursor, size_t *ret_count)
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
