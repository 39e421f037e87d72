/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantities as people write them, for the configuration and the command
 * line: a whole number and its unit, no space between, units as they are
 * spelt here ("5s", not "5S"). 0 needs no unit.
 */
#ifndef DRAWDOWN_UNITS_H
#define DRAWDOWN_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNITS_TEXT_SIZE 32

enum units_parse {
	UNITS_PARSED = 0,
	UNITS_NOT_A_NUMBER,
	UNITS_MISSING, /* a number without its unit */
	UNITS_UNKNOWN, /* a unit that is not one of these */
	UNITS_OUT_OF_RANGE,
};

/* us, ms, s, min, h, d; microseconds. */
enum units_parse units_parse_duration(const char *text, int64_t *ret_microseconds);
/* B, kB, MB, GB (powers of 1024); bytes. */
enum units_parse units_parse_size(const char *text, int64_t *ret_bytes);
/* Decimal digits with or without a minus, no unit; UNITS_NOT_A_NUMBER or UNITS_OUT_OF_RANGE where it is not. */
enum units_parse units_parse_integer(const char *text, int64_t *ret_value);

/* In the largest unit that divides it: "90s", "64kB". */
void units_format_duration(int64_t microseconds, char text[UNITS_TEXT_SIZE]);
void units_format_size(int64_t bytes, char text[UNITS_TEXT_SIZE]);

#endif
