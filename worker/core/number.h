/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a JSON number, taken apart without computing its value.
 */
#ifndef DRAWDOWN_CORE_NUMBER_H
#define DRAWDOWN_CORE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/text.h"

struct number {
	bool negative;
	struct text whole;    /* digits before the point */
	struct text fraction; /* digits behind it */
	size_t digits_begin;  /* significant digits: of whole and fraction in one row, */
	size_t digits_end;    /* without zeros at either end; none: the number is 0 */
	int64_t first_power;  /* power of ten of the first significant digit */
	int64_t last_power;
};

/* False where the text is not a number as JSON writes it. Exponents beyond a million count as a million. */
bool number_split(struct text text, struct number *ret_number);

static inline bool number_is_zero(const struct number *number)
{
	return number->digits_begin == number->digits_end;
}

static inline char number_digit(const struct number *number, size_t index)
{
	size_t whole_size = number->whole.size;
	return index < whole_size ? number->whole.data[index] : number->fraction.data[index - whole_size];
}

#endif
