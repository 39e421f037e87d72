/* SPDX-License-Identifier: Apache-2.0 */
#include "json_write.h"

static bool needs_escape(char character)
{
	return (unsigned char)character < 0x20 || character == '"' || character == '\\';
}

static void put_escaped(struct buffer *buffer, char character)
{
	static const char hex[] = "0123456789abcdef";
	static const char shorts[] = "b\bf\fn\nr\rt\t\"\"\\\\";
	for (const char *pair = shorts; *pair; pair += 2) {
		if (pair[1] == character) {
			char escape[2] = {'\\', pair[0]};
			buffer_put(buffer, escape, sizeof escape);
			return;
		}
	}
	char escape[6] = {'\\', 'u', '0', '0', hex[(unsigned char)character >> 4], hex[character & 15]};
	buffer_put(buffer, escape, sizeof escape);
}

void json_put_string(struct buffer *buffer, struct text text)
{
	char *at = buffer_reserve(buffer, text.size + 2);
	size_t size = 0;

	*at++ = '"';
	for (; size < text.size && !needs_escape(text.data[size]); size++)
		at[size] = text.data[size];
	buffer->size += 1 + size;
	for (; size < text.size; size++) {
		if (needs_escape(text.data[size]))
			put_escaped(buffer, text.data[size]);
		else
			buffer_put_byte(buffer, text.data[size]);
	}
	buffer_put_byte(buffer, '"');
}

void json_put_integer(struct buffer *buffer, int64_t value)
{
	char digits[20];
	char *at = digits + sizeof digits;
	uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
	do {
		*--at = (char)('0' + (int)(magnitude % 10));
		magnitude /= 10;
	} while (magnitude);
	if (value < 0)
		*--at = '-';
	buffer_put(buffer, at, (size_t)(digits + sizeof digits - at));
}

void json_put_credit(struct buffer *buffer, credit_t amount)
{
	char *at = buffer_reserve(buffer, CREDIT_TEXT_SIZE);
	buffer->size += credit_format(amount, at);
}

void json_put_instant(struct buffer *buffer, instant_t instant)
{
	if (instant == INSTANT_NONE) {
		buffer_put_text(buffer, TEXT_LITERAL("null"));
		return;
	}
	buffer_put_byte(buffer, '"');
	char *at = buffer_reserve(buffer, INSTANT_TEXT_SIZE);
	buffer->size += instant_format(instant, at);
	buffer_put_byte(buffer, '"');
}

void json_put_name(struct buffer *buffer, struct text name)
{
	if (buffer->size > 0 && buffer->data[buffer->size - 1] != '{')
		buffer_put_byte(buffer, ',');
	json_put_string(buffer, name);
	buffer_put_byte(buffer, ':');
}

void json_put_string_field(struct buffer *buffer, struct text name, struct text value)
{
	json_put_name(buffer, name);
	if (value.data)
		json_put_string(buffer, value);
	else
		buffer_put_text(buffer, TEXT_LITERAL("null"));
}

void json_put_integer_field(struct buffer *buffer, struct text name, int64_t value)
{
	json_put_name(buffer, name);
	json_put_integer(buffer, value);
}

void json_put_credit_field(struct buffer *buffer, struct text name, credit_t amount)
{
	json_put_name(buffer, name);
	json_put_credit(buffer, amount);
}

void json_put_credit_text_field(struct buffer *buffer, struct text name, credit_t amount)
{
	json_put_name(buffer, name);
	buffer_put_byte(buffer, '"');
	json_put_credit(buffer, amount);
	buffer_put_byte(buffer, '"');
}

void json_put_instant_field(struct buffer *buffer, struct text name, instant_t instant)
{
	json_put_name(buffer, name);
	json_put_instant(buffer, instant);
}

void json_put_null_field(struct buffer *buffer, struct text name)
{
	json_put_raw_field(buffer, name, TEXT_NULL);
}

void json_put_raw_field(struct buffer *buffer, struct text name, struct text value)
{
	json_put_name(buffer, name);
	buffer_put_text(buffer, value.data ? value : TEXT_LITERAL("null"));
}
