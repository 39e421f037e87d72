/* SPDX-License-Identifier: Apache-2.0 */
#include "json_grammar.h"

#define DEPTH_MAX 100

struct reading {
	const char *at;
	const char *end;
	unsigned depth;
	unsigned deepest;
};

static bool take_value(struct reading *reading);

static void skip_space(struct reading *reading)
{
	while (reading->at < reading->end && memchr(" \t\r\n", *reading->at, 4))
		reading->at++;
}

static bool take(struct reading *reading, char character)
{
	if (reading->at == reading->end || *reading->at != character)
		return false;
	reading->at++;
	return true;
}

static bool take_word(struct reading *reading, struct text word)
{
	if ((size_t)(reading->end - reading->at) < word.size || memcmp(reading->at, word.data, word.size) != 0)
		return false;
	reading->at += word.size;
	return true;
}

static size_t take_digits(struct reading *reading)
{
	const char *begin = reading->at;
	while (reading->at < reading->end && *reading->at >= '0' && *reading->at <= '9')
		reading->at++;
	return (size_t)(reading->at - begin);
}

static bool take_number(struct reading *reading)
{
	(void)take(reading, '-');
	if (!take(reading, '0') && take_digits(reading) == 0)
		return false;
	if (take(reading, '.') && take_digits(reading) == 0)
		return false;
	if (take(reading, 'e') || take(reading, 'E')) {
		if (!take(reading, '+'))
			(void)take(reading, '-');
		return take_digits(reading) > 0;
	}
	return true;
}

static bool take_escape(struct reading *reading)
{
	if (reading->at == reading->end)
		return false;
	char letter = *reading->at++;
	if (letter != 'u')
		return memchr("\"\\/bfnrt", letter, 8) != NULL;
	for (int i = 0; i < 4; i++)
		if (reading->at == reading->end || !memchr("0123456789abcdefABCDEF", *reading->at++, 22))
			return false;
	return true;
}

static bool take_string(struct reading *reading)
{
	if (!take(reading, '"'))
		return false;
	while (reading->at < reading->end) {
		char character = *reading->at++;
		if (character == '"')
			return true;
		if ((unsigned char)character < 0x20 || (character == '\\' && !take_escape(reading)))
			return false;
	}
	return false;
}

static bool take_member(struct reading *reading)
{
	skip_space(reading);
	if (!take_string(reading))
		return false;
	skip_space(reading);
	return take(reading, ':') && take_value(reading);
}

static bool take_children(struct reading *reading, char close)
{
	skip_space(reading);
	if (take(reading, close))
		return true;
	do {
		if (close == '}' ? !take_member(reading) : !take_value(reading))
			return false;
		skip_space(reading);
	} while (take(reading, ','));
	return take(reading, close);
}

static bool take_nested(struct reading *reading, char close)
{
	if (reading->depth == DEPTH_MAX)
		return false;
	reading->depth++;
	if (reading->depth > reading->deepest)
		reading->deepest = reading->depth;
	bool ok = take_children(reading, close);
	reading->depth--;
	return ok;
}

static bool take_value(struct reading *reading)
{
	skip_space(reading);
	if (take(reading, '{'))
		return take_nested(reading, '}');
	if (take(reading, '['))
		return take_nested(reading, ']');
	if (reading->at < reading->end && *reading->at == '"')
		return take_string(reading);
	return take_word(reading, TEXT_LITERAL("true")) || take_word(reading, TEXT_LITERAL("false")) ||
	       take_word(reading, TEXT_LITERAL("null")) || take_number(reading);
}

bool json_grammar_accepts(struct text json, unsigned *ret_depth)
{
	struct reading reading = {.at = json.data, .end = json.data + json.size};
	bool ok = take_value(&reading);
	skip_space(&reading);
	*ret_depth = reading.deepest;
	return ok && reading.at == reading.end;
}
