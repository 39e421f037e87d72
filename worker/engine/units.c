/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	int64_t factor;
};

/* Rising, so that formatting finds the largest that divides. */
static const struct unit duration_units[] = {
	{"us", 1},
	{"ms", 1000},
	{"s", 1000000},
	{"min", 60000000LL},
	{"h", 3600000000LL},
	{"d", 86400000000LL},
	{NULL, 0},
};
static const struct unit size_units[] = {
	{"B", 1},
	{"kB", 1024},
	{"MB", 1024 * 1024},
	{"GB", 1024LL * 1024 * 1024},
	{NULL, 0},
};

/* Digits at the start of `text`; *ret_rest is what follows them. */
static enum units_parse parse_digits(const char *text, int64_t *ret_value, const char **ret_rest)
{
	int64_t value = 0;
	const char *at = text;

	if (*at < '0' || *at > '9')
		return UNITS_NOT_A_NUMBER;
	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *at - '0', &value))
			return UNITS_OUT_OF_RANGE;
	}
	*ret_value = value;
	*ret_rest = at;
	return UNITS_PARSED;
}

static enum units_parse parse_quantity(const char *text, const struct unit *units, int64_t *ret_value)
{
	int64_t value;
	const char *rest;
	enum units_parse parsed = parse_digits(text, &value, &rest);

	if (parsed != UNITS_PARSED)
		return parsed;
	if (*rest == '\0' && value != 0)
		return UNITS_MISSING;
	if (*rest != '\0') {
		const struct unit *unit = units;
		while (unit->name && strcmp(unit->name, rest) != 0)
			unit++;
		if (!unit->name)
			return UNITS_UNKNOWN;
		if (__builtin_mul_overflow(value, unit->factor, &value))
			return UNITS_OUT_OF_RANGE;
	}
	*ret_value = value;
	return UNITS_PARSED;
}

static void format_quantity(int64_t value, const struct unit *units, char text[UNITS_TEXT_SIZE])
{
	const struct unit *unit = units;

	while (value != 0 && unit[1].name && value % unit[1].factor == 0)
		unit++;
	if (value == 0)
		(void)snprintf(text, UNITS_TEXT_SIZE, "0");
	else
		(void)snprintf(text, UNITS_TEXT_SIZE, "%" PRId64 "%s", value / unit->factor, unit->name);
}

enum units_parse units_parse_duration(const char *text, int64_t *ret_microseconds)
{
	return parse_quantity(text, duration_units, ret_microseconds);
}

enum units_parse units_parse_size(const char *text, int64_t *ret_bytes)
{
	return parse_quantity(text, size_units, ret_bytes);
}

enum units_parse units_parse_integer(const char *text, int64_t *ret_value)
{
	bool negative = *text == '-';
	int64_t value;
	const char *rest;
	enum units_parse parsed = parse_digits(text + negative, &value, &rest);

	if (parsed != UNITS_PARSED)
		return parsed;
	if (*rest != '\0')
		return UNITS_NOT_A_NUMBER;
	*ret_value = negative ? -value : value;
	return UNITS_PARSED;
}

void units_format_duration(int64_t microseconds, char text[UNITS_TEXT_SIZE])
{
	format_quantity(microseconds, duration_units, text);
}

void units_format_size(int64_t bytes, char text[UNITS_TEXT_SIZE])
{
	format_quantity(bytes, size_units, text);
}
