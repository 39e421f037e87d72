/* SPDX-License-Identifier: Apache-2.0 */
#include "avro_cursor.h"

bool cursor_note_problem(struct cursor_notes *notes, const char *problem)
{
	notes->problem = problem;
	return false;
}

static struct cursor_varint refuse(struct cursor_notes *notes, const char *problem)
{
	(void)cursor_note_problem(notes, problem);
	return (struct cursor_varint){NULL, 0};
}

static struct cursor_varint read_bytewise(const uint8_t *at, const uint8_t *end, struct cursor_notes *notes)
{
	uint64_t bits = 0;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		if (at == end)
			return refuse(notes, "is cut off");
		uint8_t byte = *at++;
		if (shift == 63 && byte > 1)
			break;
		bits |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return (struct cursor_varint){at, bits};
	}
	return refuse(notes, "has an over-long integer");
}

/* The lowest 7 bits of each byte, put together. */
static uint64_t join_sevens(uint64_t bytes)
{
	bytes = (bytes & 0x007f007f007f007f) | (bytes & 0x7f007f007f007f00) >> 1;
	bytes = (bytes & 0x00003fff00003fff) | (bytes & 0x3fff00003fff0000) >> 2;
	return (bytes & 0x000000000fffffff) | (bytes & 0x0fffffff00000000) >> 4;
}

struct cursor_varint cursor_read_varint(const uint8_t *at, const uint8_t *end, struct cursor_notes *notes)
{
	if (end - at < 8)
		return read_bytewise(at, end, notes);
	uint64_t word = cursor_little_endian(at);
	uint64_t last = ~word & 0x8080808080808080; /* the bytes that may be the last */
	if (!last)
		return read_bytewise(at, end, notes);
	uint64_t upto_last = last ^ (last - 1);
	return (struct cursor_varint){at + (__builtin_ctzll(last) + 1) / 8, join_sevens(word & upto_last)};
}
