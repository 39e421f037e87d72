/* SPDX-License-Identifier: Apache-2.0 */
#include "json_reader.h"

struct json_reader json_reader_of(struct text json, struct arena *arena)
{
	return (struct json_reader){json.data, json.data + json.size, arena};
}

char json_peek(struct json_reader *reader)
{
	while (reader->at < reader->end &&
		(*reader->at == ' ' || *reader->at == '\n' || *reader->at == '\t' || *reader->at == '\r'))
		reader->at++;
	return reader->at < reader->end ? *reader->at : '\0';
}

bool json_take(struct json_reader *reader, char character)
{
	if (reader->at < reader->end && json_peek(reader) == character && reader->at < reader->end) {
		reader->at++;
		return true;
	}
	return false;
}

static bool hex_value(const char *hex, uint32_t *ret_value)
{
	uint32_t value = 0;
	for (int i = 0; i < 4; i++) {
		char c = hex[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;
		if (digit < 0)
			return false;
		value = value << 4 | (uint32_t)digit;
	}
	*ret_value = value;
	return true;
}

/* What is written escapes by number only control characters: one byte. */
static bool unescape(const char **at, const char *end, char *ret_character)
{
	static const char shorts[] = "b\bf\fn\nr\rt\t\"\"\\\\//";
	if (*at == end)
		return false;
	char letter = *(*at)++;
	for (const char *pair = shorts; *pair; pair += 2) {
		if (*pair == letter) {
			*ret_character = pair[1];
			return true;
		}
	}
	uint32_t value;
	if (letter != 'u' || end - *at < 4 || !hex_value(*at, &value) || value == 0 || value > 0x7f)
		return false;
	*at += 4;
	*ret_character = (char)value;
	return true;
}

static bool take_escaped_string(struct json_reader *reader, struct text raw, struct text *ret_text)
{
	char *text = arena_alloc(reader->arena, raw.size);
	size_t size = 0;
	const char *end = raw.data + raw.size;
	for (const char *at = raw.data; at < end;) {
		if (*at != '\\') {
			text[size++] = *at++;
			continue;
		}
		at++;
		if (!unescape(&at, end, &text[size]))
			return false;
		size++;
	}
	*ret_text = (struct text){text, size};
	return true;
}

bool json_take_string(struct json_reader *reader, struct text *ret_text)
{
	if (!json_take(reader, '"'))
		return false;
	const char *begin = reader->at;
	bool escaped = false;
	while (reader->at < reader->end && *reader->at != '"') {
		if (*reader->at == '\\') {
			escaped = true;
			reader->at++;
			if (reader->at == reader->end)
				return false;
		}
		reader->at++;
	}
	if (reader->at == reader->end)
		return false;
	struct text raw = {begin, (size_t)(reader->at - begin)};
	reader->at++;
	if (escaped)
		return take_escaped_string(reader, raw, ret_text);
	*ret_text = raw;
	return true;
}

static bool is_of_number(char character)
{
	return (character >= '0' && character <= '9') || character == '-' || character == '+' || character == '.' ||
	       character == 'e' || character == 'E';
}

bool json_take_number(struct json_reader *reader, struct text *ret_text)
{
	(void)json_peek(reader);
	const char *begin = reader->at;
	while (reader->at < reader->end && is_of_number(*reader->at))
		reader->at++;
	*ret_text = (struct text){begin, (size_t)(reader->at - begin)};
	return ret_text->size > 0;
}

bool json_take_integer(struct json_reader *reader, int64_t *ret_value)
{
	struct text digits;
	if (!json_take_number(reader, &digits))
		return false;
	bool negative = digits.data[0] == '-';
	int64_t value = 0;
	if (digits.size == negative)
		return false;
	for (size_t i = negative; i < digits.size; i++) {
		int digit = digits.data[i] - '0';
		if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
			__builtin_sub_overflow(value, digit, &value))
			return false;
	}
	if (!negative && value == INT64_MIN)
		return false;
	*ret_value = negative ? value : -value;
	return true;
}

bool json_take_word(struct json_reader *reader, struct text word)
{
	(void)json_peek(reader);
	if ((size_t)(reader->end - reader->at) < word.size || memcmp(reader->at, word.data, word.size) != 0)
		return false;
	reader->at += word.size;
	return true;
}

bool json_take_credit(struct json_reader *reader, credit_t *ret_amount)
{
	struct text text;
	return json_take_string(reader, &text) && credit_parse(text, ret_amount) == CREDIT_PARSED;
}

bool json_take_microseconds(struct json_reader *reader, instant_t *ret_instant)
{
	return json_take_integer(reader, ret_instant) && *ret_instant >= INSTANT_MIN && *ret_instant <= INSTANT_MAX;
}

/* `expected` is tried first: fields mostly come in the order in which they were written. */
static unsigned find_name(struct text name, const struct text *names, unsigned names_count, unsigned expected)
{
	for (unsigned i = 0; i < names_count; i++) {
		unsigned field = (expected + i) % names_count;
		if (text_equal(name, names[field]))
			return field;
	}
	return names_count;
}

bool json_take_object(struct json_reader *reader, const struct text *names, unsigned names_count,
	bool (*take)(struct json_reader *reader, unsigned field, void *into), void *into, unsigned *ret_seen)
{
	unsigned expected = 0;

	*ret_seen = 0;
	if (!json_take(reader, '{'))
		return false;
	if (json_take(reader, '}'))
		return true;
	do {
		struct text name;
		if (!json_take_string(reader, &name) || !json_take(reader, ':'))
			return false;
		unsigned field = find_name(name, names, names_count, expected);
		if (field == names_count || (*ret_seen & 1u << field) || !take(reader, field, into))
			return false;
		*ret_seen |= 1u << field;
		expected = field + 1;
	} while (json_take(reader, ','));
	return json_take(reader, '}');
}

bool json_take_array(struct json_reader *reader, bool (*take)(struct json_reader *reader, void *into), void *into)
{
	if (!json_take(reader, '['))
		return false;
	if (json_take(reader, ']'))
		return true;
	do {
		if (!take(reader, into))
			return false;
	} while (json_take(reader, ','));
	return json_take(reader, ']');
}

bool json_is_at_end(struct json_reader *reader)
{
	return json_peek(reader) == '\0' && reader->at == reader->end;
}
