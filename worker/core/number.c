/* SPDX-License-Identifier: Apache-2.0 */
#include "number.h"

#define EXPONENT_LIMIT 1000000

static struct text take_digits(const char **at, const char *end)
{
	const char *begin = *at;
	while (*at < end && **at >= '0' && **at <= '9')
		(*at)++;
	return (struct text){begin, (size_t)(*at - begin)};
}

static bool take_exponent(const char **at, const char *end, int64_t *ret_exponent)
{
	bool negative = false;
	if (*at < end && (**at == '+' || **at == '-'))
		negative = *(*at)++ == '-';
	struct text digits = take_digits(at, end);
	int64_t exponent = 0;
	for (size_t i = 0; i < digits.size && exponent < EXPONENT_LIMIT; i++)
		exponent = exponent * 10 + (digits.data[i] - '0');
	if (exponent > EXPONENT_LIMIT)
		exponent = EXPONENT_LIMIT;
	*ret_exponent = negative ? -exponent : exponent;
	return digits.size > 0;
}

static bool take_parts(struct text text, struct number *number, int64_t *ret_exponent)
{
	const char *at = text.data, *end = text.data + text.size;
	if (text.size > 0 && *at == '-') {
		number->negative = true;
		at++;
	}
	number->whole = take_digits(&at, end);
	if (number->whole.size == 0 || (number->whole.size > 1 && number->whole.data[0] == '0'))
		return false;
	if (at < end && *at == '.') {
		at++;
		number->fraction = take_digits(&at, end);
		if (number->fraction.size == 0)
			return false;
	}
	if (at < end && (*at == 'e' || *at == 'E')) {
		at++;
		if (!take_exponent(&at, end, ret_exponent))
			return false;
	}
	return at == end;
}

bool number_split(struct text text, struct number *ret_number)
{
	struct number number = {.fraction = TEXT_LITERAL("")};
	int64_t exponent = 0;
	if (text.size == 0 || !take_parts(text, &number, &exponent))
		return false;
	number.digits_end = number.whole.size + number.fraction.size;
	while (number.digits_begin < number.digits_end && number_digit(&number, number.digits_begin) == '0')
		number.digits_begin++;
	while (number.digits_end > number.digits_begin && number_digit(&number, number.digits_end - 1) == '0')
		number.digits_end--;
	int64_t units_power = (int64_t)number.whole.size - 1 + exponent;
	number.first_power = units_power - (int64_t)number.digits_begin;
	number.last_power = units_power - ((int64_t)number.digits_end - 1);
	*ret_number = number;
	return true;
}
