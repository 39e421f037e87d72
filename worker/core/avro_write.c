/* SPDX-License-Identifier: Apache-2.0 */
#include "avro_write.h"

#include <assert.h>
#include <stdlib.h>

#include "canonical.h"
#include "json_reader.h"

enum { MEMBER_STRING, MEMBER_BOOLEAN, MEMBER_LONG, MEMBER_DOUBLE };

#define NUMBER_TEXT_MAX 128

void avro_put_double(struct buffer *buffer, double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof bits);
	char *at = buffer_reserve(buffer, sizeof bits);
	for (size_t i = 0; i < sizeof bits; i++)
		at[i] = (char)(uint8_t)(bits >> 8 * i);
	buffer->size += sizeof bits;
}

/* Where its shortest decimal is the same text again, the double is the number. */
static bool number_is_double(struct arena *arena, struct text text, double *ret_value)
{
	char digits[NUMBER_TEXT_MAX];
	if (text.size >= sizeof digits)
		return false;
	memcpy(digits, text.data, text.size);
	digits[text.size] = '\0';
	*ret_value = strtod(digits, NULL);
	struct buffer again;
	buffer_init(&again, arena);
	return canonical_put_double(&again, *ret_value) && text_equal((struct text){again.data, again.size}, text);
}

static void put_number(struct buffer *buffer, struct text text)
{
	struct json_reader reader = json_reader_of(text, buffer->arena);
	int64_t integer;
	double real;
	if (json_take_integer(&reader, &integer)) {
		avro_put_long(buffer, MEMBER_LONG);
		avro_put_long(buffer, integer);
	} else if (number_is_double(buffer->arena, text, &real)) {
		avro_put_long(buffer, MEMBER_DOUBLE);
		avro_put_double(buffer, real);
	} else {
		avro_put_long(buffer, MEMBER_STRING);
		avro_put_string(buffer, text);
	}
}

static void put_member(struct buffer *buffer, struct json_reader *reader)
{
	struct text text;
	switch (json_peek(reader)) {
	case '"':
		if (!json_take_string(reader, &text))
			break;
		avro_put_long(buffer, MEMBER_STRING);
		avro_put_string(buffer, text);
		return;
	case 't':
	case 'f':
		avro_put_long(buffer, MEMBER_BOOLEAN);
		avro_put_boolean(buffer,
			json_take_word(reader, TEXT_LITERAL("true")) || !json_take_word(reader, TEXT_LITERAL("false")));
		return;
	default:
		if (!json_take_number(reader, &text))
			break;
		put_number(buffer, text);
		return;
	}
	abort();
}

static size_t count_members(struct text json, struct arena *arena)
{
	struct json_reader reader = json_reader_of(json, arena);
	struct text text;
	size_t count = 0;
	bool ok = json_take(&reader, '{');
	while (ok && json_peek(&reader) != '}') {
		ok = (count == 0 || json_take(&reader, ',')) && json_take_string(&reader, &text) &&
		     json_take(&reader, ':');
		if (ok && json_peek(&reader) == '"')
			ok = json_take_string(&reader, &text);
		else if (ok)
			ok = json_take_word(&reader, TEXT_LITERAL("true")) ||
			     json_take_word(&reader, TEXT_LITERAL("false")) || json_take_number(&reader, &text);
		count++;
	}
	assert(ok && json_take(&reader, '}') && reader.at == reader.end);
	return count;
}

void avro_put_optional_members(struct buffer *buffer, struct text json)
{
	if (!json.data) {
		avro_put_null(buffer);
		return;
	}
	size_t count = count_members(json, buffer->arena);
	struct json_reader reader = json_reader_of(json, buffer->arena);
	struct text name;
	avro_put_long(buffer, AVRO_BRANCH_VALUE);
	if (count > 0)
		avro_put_long(buffer, (int64_t)count);
	bool ok = json_take(&reader, '{');
	for (size_t i = 0; i < count; i++) {
		ok = ok && (i == 0 || json_take(&reader, ',')) && json_take_string(&reader, &name) &&
		     json_take(&reader, ':');
		assert(ok);
		avro_put_string(buffer, name);
		put_member(buffer, &reader);
	}
	avro_put_long(buffer, 0); /* no further block */
}
