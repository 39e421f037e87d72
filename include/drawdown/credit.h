/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Amounts: exact decimals of numeric(38,12), held as a 128-bit integer scaled
 * by 10^12. Never a double, nowhere rounded. Range: |amount| < 10^26
 * (|scaled| < 10^38); CREDIT_MAX is the largest.
 */
#ifndef DRAWDOWN_CREDIT_H
#define DRAWDOWN_CREDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/text.h"

__extension__ typedef __int128 credit_t;

#define CREDIT_SCALE 12
#define CREDIT_ONE ((credit_t)1000000000000LL)
#define CREDIT_MAX (((credit_t)10000000000000000000ULL * (credit_t)10000000000000000000ULL) - 1)
#define CREDIT_TEXT_SIZE 48 /* enough for credit_format, NUL included */

enum credit_parse {
	CREDIT_PARSED = 0,
	CREDIT_NOT_A_NUMBER,
	CREDIT_TOO_PRECISE, /* more than 12 fractional digits that are not zero */
	CREDIT_OUT_OF_RANGE,
};

/* The grammar of a JSON number, an exponent allowed; "1.50", "1.5" and "15e-1" are equal. */
enum credit_parse credit_parse(struct text text, credit_t *ret_amount);

/* Shortest exact form: "1.5", "-0.000000000001", "100". Returns its length. */
size_t credit_format(credit_t amount, char text[CREDIT_TEXT_SIZE]);

/* False, and *ret untouched, where the result is outside of +-CREDIT_MAX. */
bool credit_add(credit_t a, credit_t b, credit_t *ret);
bool credit_subtract(credit_t a, credit_t b, credit_t *ret);

/* Big-endian two's complement, shortest form (Avro decimal of scale 12); 1-16 bytes. */
size_t credit_to_bytes(credit_t amount, uint8_t bytes[16]);
/* Any length 1-16, an unscaled value of `scale` 0-12; false where it does not fit. */
bool credit_from_bytes(const uint8_t *bytes, size_t size, unsigned scale, credit_t *ret_amount);

/* PostgreSQL's binary numeric (big-endian int16 ndigits, weight, sign, dscale, digits of base 10000).
 * At most CREDIT_NUMERIC_SIZE bytes, dscale as few fractional digits as needed. */
#define CREDIT_NUMERIC_SIZE 32
size_t credit_to_numeric(credit_t amount, uint8_t bytes[CREDIT_NUMERIC_SIZE]);
/* False for NaN, infinity, too many digits, or a malformed value. */
bool credit_from_numeric(const uint8_t *bytes, size_t size, credit_t *ret_amount);

#endif
