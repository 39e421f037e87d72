/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/text.h"

#include <stdint.h>

#define ID_CHARACTERS_MAX 255

/* Length of the well-formed sequence at `bytes`, 0 where there is none (Unicode 15, table 3-7). */
static size_t utf8_sequence(const uint8_t *bytes, size_t size)
{
	uint8_t lead = bytes[0];
	if (lead < 0x80)
		return 1;
	size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
	if (lead < 0xc2 || lead > 0xf4 || size < length)
		return 0;
	uint8_t second_min = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	uint8_t second_max = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	if (bytes[1] < second_min || bytes[1] > second_max)
		return 0;
	for (size_t i = 2; i < length; i++)
		if (bytes[i] < 0x80 || bytes[i] > 0xbf)
			return 0;
	return length;
}

static bool is_control(const uint8_t *bytes, size_t length)
{
	if (length == 1)
		return bytes[0] < 0x20 || bytes[0] == 0x7f;
	return length == 2 && bytes[0] == 0xc2 && bytes[1] < 0xa0;
}

bool text_is_printable(struct text text, size_t *ret_characters_count)
{
	const uint8_t *bytes = (const uint8_t *)text.data;
	size_t characters_count = 0;
	for (size_t at = 0; at < text.size; characters_count++) {
		size_t length = utf8_sequence(bytes + at, text.size - at);
		if (length == 0 || is_control(bytes + at, length))
			return false;
		at += length;
	}
	if (ret_characters_count)
		*ret_characters_count = characters_count;
	return true;
}

/* Eight bytes at once that are ASCII and not NUL. */
static bool is_plain_word(const uint8_t *bytes)
{
	uint64_t word;
	memcpy(&word, bytes, sizeof word);
	const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
	return ((word | (word - ones)) & tops) == 0;
}

bool text_is_storable(struct text text)
{
	const uint8_t *bytes = (const uint8_t *)text.data;
	for (size_t at = 0; at < text.size;) {
		if (text.size - at >= 8 && is_plain_word(bytes + at)) {
			at += 8;
			continue;
		}
		size_t length = utf8_sequence(bytes + at, text.size - at);
		if (length == 0 || bytes[at] == 0)
			return false;
		at += length;
	}
	return true;
}

enum { CHARACTER_ALPHANUMERIC = 1, CHARACTER_MARK = 2, CHARACTER_AT = 4 };

static int character_class(char character)
{
	if ((character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
		(character >= '0' && character <= '9'))
		return CHARACTER_ALPHANUMERIC;
	if (character == '_' || character == '|' || character == '.' || character == '-')
		return CHARACTER_MARK;
	return character == '@' ? CHARACTER_AT : 0;
}

static bool is_id(struct text text, int classes)
{
	if (text.size < 1 || text.size > ID_CHARACTERS_MAX || character_class(text.data[0]) != CHARACTER_ALPHANUMERIC)
		return false;
	for (size_t i = 1; i < text.size; i++)
		if (!(character_class(text.data[i]) & classes))
			return false;
	return true;
}

bool text_is_customer_id(struct text text)
{
	return is_id(text, CHARACTER_ALPHANUMERIC | CHARACTER_MARK | CHARACTER_AT);
}

bool text_is_currency_id(struct text text)
{
	return is_id(text, CHARACTER_ALPHANUMERIC | CHARACTER_MARK);
}
