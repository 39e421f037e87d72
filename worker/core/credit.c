/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/credit.h"

#include <assert.h>
#include <endian.h>

#include "number.h"

__extension__ typedef unsigned __int128 magnitude_t;

#define TEN_TO_19 10000000000000000000ULL

static bool in_range(credit_t amount)
{
	return amount <= CREDIT_MAX && amount >= -CREDIT_MAX;
}

static magnitude_t magnitude_of(credit_t amount)
{
	return amount < 0 ? -(magnitude_t)amount : (magnitude_t)amount;
}

static magnitude_t power_of_ten(unsigned exponent)
{
	static const uint64_t powers[] = {
		1ULL,
		10ULL,
		100ULL,
		1000ULL,
		10000ULL,
		100000ULL,
		1000000ULL,
		10000000ULL,
		100000000ULL,
		1000000000ULL,
		10000000000ULL,
		100000000000ULL,
		1000000000000ULL,
		10000000000000ULL,
		100000000000000ULL,
		1000000000000000ULL,
		10000000000000000ULL,
		100000000000000000ULL,
		1000000000000000000ULL,
		TEN_TO_19,
	};
	assert(exponent <= 38);
	return exponent <= 19 ? powers[exponent] : (magnitude_t)powers[exponent - 19] * TEN_TO_19;
}

enum credit_parse credit_parse(struct text text, credit_t *ret_amount)
{
	struct number number;
	if (!number_split(text, &number))
		return CREDIT_NOT_A_NUMBER;
	if (number_is_zero(&number)) {
		*ret_amount = 0;
		return CREDIT_PARSED;
	}
	if (number.first_power >= 38 - CREDIT_SCALE)
		return CREDIT_OUT_OF_RANGE;
	if (number.last_power < -CREDIT_SCALE)
		return CREDIT_TOO_PRECISE;
	magnitude_t magnitude = 0;
	for (size_t i = number.digits_begin; i < number.digits_end; i++)
		magnitude = magnitude * 10 + (unsigned)(number_digit(&number, i) - '0');
	magnitude *= power_of_ten((unsigned)(number.last_power + CREDIT_SCALE));
	*ret_amount = number.negative ? -(credit_t)magnitude : (credit_t)magnitude;
	return CREDIT_PARSED;
}

/* Writes the digits that end before `end`; at least `digits_min`. Returns where they begin. */
static char *write_digits(char *end, magnitude_t value, unsigned digits_min)
{
	char *at = end;
	while (value > UINT64_MAX) {
		*--at = (char)('0' + (int)(value % 10));
		value /= 10;
	}
	for (uint64_t rest = (uint64_t)value; rest; rest /= 10)
		*--at = (char)('0' + (int)(rest % 10));
	while (end - at < (ptrdiff_t)digits_min)
		*--at = '0';
	return at;
}

/* The whole credits, and 10^-12 of one. */
static magnitude_t split_point(magnitude_t magnitude, uint64_t *ret_fraction)
{
	const uint64_t one = (uint64_t)CREDIT_ONE;
	if (magnitude <= UINT64_MAX) {
		*ret_fraction = (uint64_t)magnitude % one;
		return (uint64_t)magnitude / one;
	}
	*ret_fraction = (uint64_t)(magnitude % one);
	return magnitude / one;
}

size_t credit_format(credit_t amount, char text[CREDIT_TEXT_SIZE])
{
	assert(in_range(amount));
	char buffer[CREDIT_TEXT_SIZE];
	char *end = buffer + sizeof buffer;
	uint64_t fraction;
	magnitude_t whole = split_point(magnitude_of(amount), &fraction);
	char *at = end;
	if (fraction) {
		unsigned digits = CREDIT_SCALE;
		for (; fraction % 10 == 0; fraction /= 10)
			digits--;
		at = write_digits(at, fraction, digits);
		*--at = '.';
	}
	at = write_digits(at, whole, 1);
	if (amount < 0)
		*--at = '-';
	size_t length = (size_t)(end - at);
	memcpy(text, at, length);
	text[length] = '\0';
	return length;
}

bool credit_add(credit_t a, credit_t b, credit_t *ret)
{
	credit_t sum;
	if (__builtin_add_overflow(a, b, &sum) || !in_range(sum))
		return false;
	*ret = sum;
	return true;
}

bool credit_subtract(credit_t a, credit_t b, credit_t *ret)
{
	credit_t difference;
	if (__builtin_sub_overflow(a, b, &difference) || !in_range(difference))
		return false;
	*ret = difference;
	return true;
}

static void put_u64(uint8_t *bytes, uint64_t value)
{
	uint64_t big = htobe64(value);
	memcpy(bytes, &big, sizeof big);
}

/* Bits that say something besides the sign. */
static unsigned significant_bits(credit_t amount)
{
	magnitude_t bits = (magnitude_t)(amount < 0 ? ~amount : amount);
	uint64_t high = (uint64_t)(bits >> 64), low = (uint64_t)bits;
	if (high)
		return 128 - (unsigned)__builtin_clzll(high);
	return low ? 64 - (unsigned)__builtin_clzll(low) : 0;
}

size_t credit_to_bytes(credit_t amount, uint8_t bytes[16])
{
	unsigned size = significant_bits(amount) / 8 + 1;
	magnitude_t bits = (magnitude_t)amount << (128 - 8 * size);
	put_u64(bytes, (uint64_t)(bits >> 64));
	put_u64(bytes + 8, (uint64_t)bits);
	return size;
}

static uint64_t get_u64(const uint8_t *bytes)
{
	uint64_t big;
	memcpy(&big, bytes, sizeof big);
	return be64toh(big);
}

static uint32_t get_u32(const uint8_t *bytes)
{
	uint32_t big;
	memcpy(&big, bytes, sizeof big);
	return be32toh(big);
}

/* 1-3 bytes, with their sign. */
static uint64_t get_short(const uint8_t *bytes, size_t size)
{
	uint64_t bits = bytes[0] & 0x80 ? UINT64_MAX : 0;
	for (size_t i = 0; i < size; i++)
		bits = bits << 8 | bytes[i];
	return bits;
}

bool credit_from_bytes(const uint8_t *bytes, size_t size, unsigned scale, credit_t *ret_amount)
{
	if (size < 1 || size > 16 || scale > CREDIT_SCALE)
		return false;
	/* Every Avro amount comes this way. Reads overlap, so that there is no loop of a length that varies. */
	uint64_t high, low;
	if (size > 8) {
		low = get_u64(bytes + size - 8);
		high = (uint64_t)((int64_t)get_u64(bytes) >> 8 * (16 - size));
	} else {
		low = size >= 4
			      ? (uint64_t)(int64_t)(int32_t)get_u32(bytes) << 8 * (size - 4) | get_u32(bytes + size - 4)
			      : get_short(bytes, size);
		high = (int64_t)low < 0 ? UINT64_MAX : 0;
	}
	credit_t amount = (credit_t)((magnitude_t)high << 64 | low);
	if (scale == CREDIT_SCALE && size <= 8) { /* most are: 64 bits are within any bounds */
		*ret_amount = amount;
		return true;
	}
	if (scale < CREDIT_SCALE &&
		__builtin_mul_overflow(amount, (credit_t)power_of_ten(CREDIT_SCALE - scale), &amount))
		return false;
	if (!in_range(amount))
		return false;
	*ret_amount = amount;
	return true;
}

/* PostgreSQL's numeric: digits of base 10000, so that 10^-12 is the third behind the point. */
#define NUMERIC_FRACTION_DIGITS 3
#define NUMERIC_DIGITS_MAX 10
#define NUMERIC_POSITIVE 0x0000
#define NUMERIC_NEGATIVE 0x4000
#define NUMERIC_SCALE_MAX 0x3fff

static void put_u16(uint8_t *bytes, unsigned value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

static unsigned get_u16(const uint8_t *bytes)
{
	return (unsigned)bytes[0] << 8 | bytes[1];
}

/* Of the decimal point: what the lowest digit that is not 0 reaches to. */
static unsigned fractional_digits(const unsigned *digits, int digits_count, int lowest)
{
	if (lowest >= digits_count || lowest >= NUMERIC_FRACTION_DIGITS)
		return 0;
	unsigned count = CREDIT_SCALE - 4 * (unsigned)lowest;
	for (unsigned rest = digits[lowest]; rest % 10 == 0; rest /= 10)
		count--;
	return count;
}

/* In base 10000, the lowest first; 128-bit divisions are slow, and few amounts need one. */
static int split_digits(magnitude_t magnitude, unsigned digits[NUMERIC_DIGITS_MAX])
{
	const uint64_t ten_to_16 = 10000000000000000ULL;
	int count = 0;
	for (; magnitude > UINT64_MAX; magnitude /= ten_to_16) {
		uint64_t low = (uint64_t)(magnitude % ten_to_16);
		for (int i = 0; i < 4; i++, low /= 10000)
			digits[count++] = (unsigned)(low % 10000);
	}
	for (uint64_t rest = (uint64_t)magnitude; rest; rest /= 10000)
		digits[count++] = (unsigned)(rest % 10000);
	return count;
}

size_t credit_to_numeric(credit_t amount, uint8_t bytes[CREDIT_NUMERIC_SIZE])
{
	assert(in_range(amount));
	unsigned digits[NUMERIC_DIGITS_MAX];
	int digits_count = split_digits(magnitude_of(amount), digits), lowest = 0;
	while (lowest < digits_count && digits[lowest] == 0)
		lowest++;
	int weight = digits_count ? digits_count - 1 - NUMERIC_FRACTION_DIGITS : 0;
	put_u16(bytes, (unsigned)(digits_count - lowest));
	put_u16(bytes + 2, (unsigned)weight);
	put_u16(bytes + 4, amount < 0 ? NUMERIC_NEGATIVE : NUMERIC_POSITIVE);
	put_u16(bytes + 6, fractional_digits(digits, digits_count, lowest));
	size_t size = 8;
	for (int i = digits_count - 1; i >= lowest; i--, size += 2)
		put_u16(bytes + size, digits[i]);
	return size;
}

bool credit_from_numeric(const uint8_t *bytes, size_t size, credit_t *ret_amount)
{
	if (size < 8)
		return false;
	unsigned digits_count = get_u16(bytes), sign = get_u16(bytes + 4);
	int weight = (int16_t)get_u16(bytes + 2);
	if (size != 8 + 2 * (size_t)digits_count || (sign != NUMERIC_POSITIVE && sign != NUMERIC_NEGATIVE) ||
		get_u16(bytes + 6) > NUMERIC_SCALE_MAX)
		return false;
	magnitude_t magnitude = 0;
	for (unsigned i = 0; i < digits_count; i++) {
		unsigned digit = get_u16(bytes + 8 + 2 * (size_t)i);
		int place = weight - (int)i + NUMERIC_FRACTION_DIGITS;
		if (digit == 0)
			continue;
		if (digit > 9999 || place < 0 || place >= NUMERIC_DIGITS_MAX ||
			(place == NUMERIC_DIGITS_MAX - 1 && digit > 99))
			return false;
		magnitude += digit * power_of_ten(4 * (unsigned)place);
	}
	credit_t amount = sign == NUMERIC_NEGATIVE ? -(credit_t)magnitude : (credit_t)magnitude;
	if (!in_range(amount))
		return false;
	*ret_amount = amount;
	return true;
}
