/* SPDX-License-Identifier: Apache-2.0 */
#include "canonical.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>

#include "json_write.h"
#include "number.h"

#define DIGITS_MAX 100 /* significant digits of a number in a map */
#define POWER_MAX 400  /* its power of ten; a double reaches 308 */
#define PLAIN_POWER_MIN (-20)
#define PLAIN_POWER_MAX 40

static void put_zeros(struct buffer *buffer, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		buffer_put_byte(buffer, '0');
}

/* With the point behind `whole_count` of the significant digits. */
static void put_digits(struct buffer *buffer, const struct number *number, size_t whole_count)
{
	for (size_t i = number->digits_begin; i < number->digits_end; i++) {
		if (i - number->digits_begin == whole_count && whole_count > 0)
			buffer_put_byte(buffer, '.');
		buffer_put_byte(buffer, number_digit(number, i));
	}
}

static void put_plain(struct buffer *buffer, const struct number *number)
{
	if (number->first_power < 0) {
		buffer_put_text(buffer, TEXT_LITERAL("0."));
		put_zeros(buffer, -number->first_power - 1);
		put_digits(buffer, number, 0);
		return;
	}
	put_digits(buffer, number, (size_t)number->first_power + 1);
	put_zeros(buffer, number->last_power);
}

static void put_scientific(struct buffer *buffer, const struct number *number)
{
	put_digits(buffer, number, 1);
	buffer_put_byte(buffer, 'e');
	json_put_integer(buffer, number->first_power);
}

static bool put_number(struct buffer *buffer, struct text text)
{
	struct number number;
	if (!number_split(text, &number))
		return false;
	if (number_is_zero(&number)) {
		buffer_put_byte(buffer, '0');
		return true;
	}
	if (number.digits_end - number.digits_begin > DIGITS_MAX || number.first_power > POWER_MAX ||
		number.last_power < -POWER_MAX)
		return false;
	if (number.negative)
		buffer_put_byte(buffer, '-');
	if (number.first_power >= PLAIN_POWER_MIN && number.first_power <= PLAIN_POWER_MAX)
		put_plain(buffer, &number);
	else
		put_scientific(buffer, &number);
	return true;
}

/* The next larger number of as many digits; false where the first would have to carry. */
static bool raise_last_digit(char *text)
{
	char *at = strchr(text, 'e');
	while (at > text) {
		at--;
		if (*at == '9')
			*at = '0';
		else if (*at >= '0' && *at <= '8') {
			(*at)++;
			return true;
		}
	}
	return false;
}

/* 15 digits survive a normal double, a subnormal one may need fewer; 17 are always enough. Above a power of two
 * the doubles lie wider apart than below it, so that there the 16 digits next above may do where the nearest do not. */
static size_t format_shortest(double value, char *text, size_t text_size)
{
	int length = 0;
	for (int digits = __builtin_fabs(value) < DBL_MIN ? 1 : DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
		length = snprintf(text, text_size, "%.*e", digits - 1, value);
		if (strtod(text, NULL) == value)
			break;
		if (digits == DBL_DIG + 1 && raise_last_digit(text) && strtod(text, NULL) == value)
			break;
	}
	return (size_t)length;
}

bool canonical_put_double(struct buffer *buffer, double value)
{
	const double exact_integer_max = 9007199254740992.0;
	if (!__builtin_isfinite(value))
		return false;
	if (value >= -exact_integer_max && value <= exact_integer_max && (double)(int64_t)value == value) {
		json_put_integer(buffer, (int64_t)value);
		return true;
	}
	char text[40];
	size_t size = format_shortest(value, text, sizeof text);
	return put_number(buffer, (struct text){text, size});
}

static bool put_value(struct buffer *buffer, const struct value *value)
{
	switch (value->type) {
	case VALUE_STRING:
		if (!text_is_storable(value->text))
			return false;
		json_put_string(buffer, value->text);
		return true;
	case VALUE_NUMBER:
		return put_number(buffer, value->text);
	case VALUE_BOOLEAN:
		buffer_put_text(buffer, value->boolean ? TEXT_LITERAL("true") : TEXT_LITERAL("false"));
		return true;
	case VALUE_INTEGER:
		json_put_integer(buffer, value->integer);
		return true;
	case VALUE_DOUBLE:
		return canonical_put_double(buffer, value->real);
	default:
		return false;
	}
}

/* Few members, mostly in order already. */
static void sort_members(struct members *members)
{
	for (size_t i = 1; i < members->count; i++) {
		struct member moving = members->items[i];
		size_t at = i;
		for (; at > 0 && text_compare(members->items[at - 1].name, moving.name) > 0; at--)
			members->items[at] = members->items[at - 1];
		members->items[at] = moving;
	}
}

static bool check_name(const struct members *members, size_t index, const char *field, struct defect *ret_defect)
{
	struct text name = members->items[index].name;
	if (!text_is_storable(name))
		return defect_fill(ret_defect, "invalid_field", "%s has a name that is not UTF-8, or has a NUL", field);
	if (index > 0 && text_equal(name, members->items[index - 1].name))
		return defect_fill(ret_defect, "invalid_field", "%s has the same name twice", field);
	return true;
}

static bool put_members(
	struct buffer *buffer, const struct members *members, const char *field, struct defect *ret_defect)
{
	buffer_put_byte(buffer, '{');
	for (size_t i = 0; i < members->count; i++) {
		const struct member *member = &members->items[i];
		if (!check_name(members, i, field, ret_defect))
			return false;
		json_put_name(buffer, member->name);
		if (!put_value(buffer, &member->value))
			return defect_fill(ret_defect, "invalid_field",
				"%s has a value that is neither text, a number of at most %d digits, nor a boolean",
				field, DIGITS_MAX);
		if (buffer->size > DECODE_DIMENSIONS_SIZE_MAX)
			break;
	}
	buffer_put_byte(buffer, '}');
	if (buffer->size > DECODE_DIMENSIONS_SIZE_MAX)
		return defect_fill(
			ret_defect, "too_large", "%s takes more than %d bytes", field, DECODE_DIMENSIONS_SIZE_MAX);
	return true;
}

bool canonical_members(struct members *members, const char *field, struct arena *arena, struct text *ret_json,
	struct defect *ret_defect)
{
	*ret_json = TEXT_NULL;
	if (members->count == 0)
		return true;
	if (members->count > DECODE_DIMENSIONS_COUNT_MAX)
		return defect_fill(
			ret_defect, "too_large", "%s has more than %d members", field, DECODE_DIMENSIONS_COUNT_MAX);
	struct buffer buffer;
	buffer_init(&buffer, arena);
	sort_members(members);
	if (!put_members(&buffer, members, field, ret_defect))
		return false;
	*ret_json = buffer_finish(&buffer);
	return true;
}
