/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: amounts are exact in every form they take, and what does not fit is refused.
 * Method: tables of edges, and round trips of random amounts through text, bytes and numeric.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drawdown/credit.h"
#include "seed.h"

#define ROUNDS 100000

static void assert_credit(credit_t actual, credit_t expected)
{
	char actual_text[CREDIT_TEXT_SIZE], expected_text[CREDIT_TEXT_SIZE];
	credit_format(actual, actual_text);
	credit_format(expected, expected_text);
	assert_string_equal(actual_text, expected_text);
}

/* Of any magnitude, often near a power of two or ten. */
static credit_t random_credit(struct seed *seed)
{
	credit_t amount = 1;
	uint64_t steps = seed_below(seed, 39);
	for (uint64_t i = 0; i < steps && amount < CREDIT_MAX / 10; i++)
		amount = amount * (seed_below(seed, 2) ? 10 : 2) +
			 (credit_t)(seed_below(seed, 3) ? 0 : seed_below(seed, 10));
	amount += (credit_t)seed_below(seed, 3) - 1;
	return seed_below(seed, 2) ? -amount : amount;
}

static void spellings_of_one_number_are_equal(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		credit_t amount;
	} cases[] = {
		{"0", 0},
		{"-0", 0},
		{"0.000000000000000000000", 0},
		{"0e999999999999999999999", 0},
		{"0.0e-999999999999999999999", 0},
		{"1", CREDIT_ONE},
		{"1.5", 3 * CREDIT_ONE / 2},
		{"1.50", 3 * CREDIT_ONE / 2},
		{"15e-1", 3 * CREDIT_ONE / 2},
		{"0.15E+1", 3 * CREDIT_ONE / 2},
		{"1.500000000000000000000000000000000000000000000000000000000000", 3 * CREDIT_ONE / 2},
		{"-2.25", -9 * CREDIT_ONE / 4},
		{"1e-12", 1},
		{"10e-13", 1},
		{"0.000000000001", 1},
		{"1000000000000e-24", 1},
		{"1e25", CREDIT_ONE * CREDIT_ONE * 10000000000000LL},
		{"99999999999999999999999999.999999999999", CREDIT_MAX},
		{"-99999999999999999999999999.999999999999", -CREDIT_MAX},
		{"99999999999999999999999999999999999999e-12", CREDIT_MAX},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		credit_t amount = 77;
		assert_int_equal(credit_parse(text_of(cases[i].text), &amount), CREDIT_PARSED);
		assert_credit(amount, cases[i].amount);
	}
}

static void what_is_no_json_number_is_refused(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"",
		"-",
		"+1",
		".5",
		"5.",
		"1.",
		"-.5",
		"01",
		"00",
		"-01",
		"1e",
		"1e+",
		"1e-",
		"e5",
		"1.e5",
		"1,5",
		"1_000",
		" 1",
		"1 ",
		"0x10",
		"NaN",
		"Infinity",
		"-Infinity",
		"1.5.5",
		"1e5e5",
		"--1",
		"1-",
		"\xd9\xa1",
	};
	credit_t amount;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(credit_parse(text_of(cases[i]), &amount), CREDIT_NOT_A_NUMBER);
	assert_int_equal(credit_parse(TEXT_LITERAL("1\0"), &amount), CREDIT_NOT_A_NUMBER);
}

static void what_does_not_fit_is_refused(void **state)
{
	(void)state;
	credit_t amount;
	static const char *const precise[] = {
		"0.0000000000001", "1e-13", "1e-400", "0.1234567890123", "1e-99999999999999999999"};
	for (size_t i = 0; i < sizeof precise / sizeof precise[0]; i++)
		assert_int_equal(credit_parse(text_of(precise[i]), &amount), CREDIT_TOO_PRECISE);
	static const char *const large[] = {"100000000000000000000000000", "1e26", "-1e26", "1e400",
		"1e99999999999999999999", "0.00001e31", "100000000000000000000000000.5"};
	for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
		assert_int_equal(credit_parse(text_of(large[i]), &amount), CREDIT_OUT_OF_RANGE);
}

static void ten_thousand_digits_are_read_in_bounds(void **state)
{
	(void)state;
	static char digits[10001];
	credit_t amount;
	memset(digits, '9', sizeof digits);
	assert_int_equal(credit_parse((struct text){digits, 10000}, &amount), CREDIT_OUT_OF_RANGE);
	digits[1] = '.';
	assert_int_equal(credit_parse((struct text){digits, 10000}, &amount), CREDIT_TOO_PRECISE);
	memset(digits + 2, '0', sizeof digits - 2);
	assert_int_equal(credit_parse((struct text){digits, 10000}, &amount), CREDIT_PARSED);
	assert_credit(amount, 9 * CREDIT_ONE);
}

static void text_is_the_shortest_exact_form(void **state)
{
	(void)state;
	static const struct {
		credit_t amount;
		const char *text;
	} cases[] = {
		{0, "0"},
		{1, "0.000000000001"},
		{-1, "-0.000000000001"},
		{CREDIT_ONE, "1"},
		{100 * CREDIT_ONE, "100"},
		{CREDIT_ONE / 10, "0.1"},
		{-CREDIT_ONE * 3 / 2, "-1.5"},
		{CREDIT_MAX, "99999999999999999999999999.999999999999"},
		{-CREDIT_MAX, "-99999999999999999999999999.999999999999"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[CREDIT_TEXT_SIZE];
		assert_int_equal(credit_format(cases[i].amount, text), strlen(cases[i].text));
		assert_string_equal(text, cases[i].text);
	}
}

static void random_amounts_survive_text_bytes_and_numeric(void **state)
{
	(void)state;
	struct seed seed = seed_new(__func__);
	for (int i = 0; i < ROUNDS; i++) {
		credit_t amount = random_credit(&seed), back = 0;
		char text[CREDIT_TEXT_SIZE];
		size_t size = credit_format(amount, text);
		assert_int_equal(credit_parse((struct text){text, size}, &back), CREDIT_PARSED);
		assert_true(back == amount);

		uint8_t bytes[16];
		size = credit_to_bytes(amount, bytes);
		assert_true(credit_from_bytes(bytes, size, CREDIT_SCALE, &back));
		assert_true(back == amount);
		/* shortest: the first byte is more than a repeated sign */
		assert_true(size == 1 || !(bytes[0] == 0 && bytes[1] < 0x80));
		assert_true(size == 1 || !(bytes[0] == 0xff && bytes[1] >= 0x80));

		uint8_t numeric[CREDIT_NUMERIC_SIZE];
		size = credit_to_numeric(amount, numeric);
		assert_true(size <= sizeof numeric);
		assert_true(credit_from_numeric(numeric, size, &back));
		assert_true(back == amount);
	}
}

static void sums_beyond_the_range_leave_the_result_alone(void **state)
{
	(void)state;
	credit_t result = 42;
	assert_false(credit_add(CREDIT_MAX, 1, &result));
	assert_false(credit_add(-CREDIT_MAX, -1, &result));
	assert_false(credit_subtract(-CREDIT_MAX, 1, &result));
	assert_false(credit_subtract(CREDIT_MAX, -CREDIT_MAX, &result));
	assert_true(result == 42);
	assert_true(credit_add(CREDIT_MAX, -CREDIT_MAX, &result) && result == 0);
	assert_true(credit_subtract(CREDIT_MAX, 0, &result) && result == CREDIT_MAX);
}

static void bytes_are_scaled_exactly_or_refused(void **state)
{
	(void)state;
	credit_t amount;
	const uint8_t fifteen[] = {15};
	assert_true(credit_from_bytes(fifteen, 1, 1, &amount));
	assert_credit(amount, 3 * CREDIT_ONE / 2);
	assert_true(credit_from_bytes(fifteen, 1, 0, &amount));
	assert_credit(amount, 15 * CREDIT_ONE);
	const uint8_t padded[16] = {[15] = 15};
	assert_true(credit_from_bytes(padded, 16, 12, &amount));
	assert_credit(amount, 15);
	uint8_t largest[16];
	memset(largest, 0xff, sizeof largest);
	largest[0] = 0x7f;
	assert_false(credit_from_bytes(largest, 16, 12, &amount));
	assert_false(credit_from_bytes(largest, 16, 0, &amount));
	assert_false(credit_from_bytes(largest, 17, 12, &amount));
	assert_false(credit_from_bytes(largest, 0, 12, &amount));
	assert_false(credit_from_bytes(fifteen, 1, 13, &amount));
}

static void numeric_is_what_postgresql_writes(void **state)
{
	(void)state;
	/* select numeric_send(n) */
	static const struct {
		const char *text;
		const char *bytes;
		size_t size;
	} cases[] = {
		{"0", "\0\0\0\0\0\0\0\0", 8},
		{"1.5", "\0\2\0\0\0\0\0\1\0\1\x13\x88", 12},
		{"-10000", "\0\1\0\1\x40\0\0\0\0\1", 10},
		{"0.000000000001", "\0\1\xff\xfd\0\0\0\x0c\0\1", 10},
		{"123456.789", "\0\3\0\1\0\0\0\3\0\x0c\x0d\x80\x1e\xd2", 14},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		credit_t amount;
		uint8_t numeric[CREDIT_NUMERIC_SIZE];
		assert_int_equal(credit_parse(text_of(cases[i].text), &amount), CREDIT_PARSED);
		assert_int_equal(credit_to_numeric(amount, numeric), cases[i].size);
		assert_memory_equal(numeric, cases[i].bytes, cases[i].size);
	}
}

static void foreign_numerics_are_read_or_refused(void **state)
{
	(void)state;
	credit_t amount;
	/* 1.500 with a larger display scale, and with zeros around */
	assert_true(credit_from_numeric((const uint8_t *)"\0\2\0\0\0\0\0\3\0\1\x13\x88", 12, &amount));
	assert_credit(amount, 3 * CREDIT_ONE / 2);
	assert_true(credit_from_numeric((const uint8_t *)"\0\4\0\1\0\0\0\3\0\0\0\1\x13\x88\0\0", 16, &amount));
	assert_credit(amount, 3 * CREDIT_ONE / 2);
	assert_false(credit_from_numeric((const uint8_t *)"\0\0\0\0\xc0\0\0\0", 8, &amount)); /* NaN */
	assert_false(credit_from_numeric((const uint8_t *)"\0\0\0\0\xd0\0\0\0", 8, &amount)); /* infinity */
	assert_false(credit_from_numeric((const uint8_t *)"\0\0\0\0\xf0\0\0\0", 8, &amount));
	assert_false(credit_from_numeric((const uint8_t *)"\0\1\0\7\0\0\0\0\0\1", 10, &amount));   /* 1e28 */
	assert_false(credit_from_numeric((const uint8_t *)"\0\1\0\6\0\0\0\0\0\x64", 10, &amount)); /* 1e26 */
	assert_true(credit_from_numeric((const uint8_t *)"\0\1\0\6\0\0\0\0\0\x63", 10, &amount));
	assert_false(credit_from_numeric((const uint8_t *)"\0\1\xff\xfc\0\0\0\x10\0\1", 10, &amount)); /* 1e-16 */
	assert_false(
		credit_from_numeric((const uint8_t *)"\0\1\0\0\0\0\0\0\x27\x10", 10, &amount));	 /* a digit of 10000 */
	assert_false(credit_from_numeric((const uint8_t *)"\0\2\0\0\0\0\0\0\0\1", 10, &amount)); /* cut off */
	assert_false(credit_from_numeric((const uint8_t *)"\0\1\0\0\0\0\0\0\0\1\0", 11, &amount));
	assert_false(credit_from_numeric((const uint8_t *)"\0\0\0\0", 4, &amount));
	assert_false(credit_from_numeric((const uint8_t *)"\xff\xff\0\0\0\0\0\0", 8, &amount));
}

static void random_numerics_are_never_read_out_of_range(void **state)
{
	(void)state;
	struct seed seed = seed_new(__func__);
	for (int i = 0; i < ROUNDS; i++) {
		uint8_t bytes[8 + 2 * 16] = {0};
		size_t digits_count = seed_below(&seed, 17);
		bytes[1] = (uint8_t)digits_count;
		uint16_t weight = (uint16_t)(seed_below(&seed, 14) - 4);
		bytes[2] = (uint8_t)(weight >> 8);
		bytes[3] = (uint8_t)weight;
		bytes[4] = seed_below(&seed, 2) ? 0x40 : 0;
		for (size_t digit = 0; digit < digits_count; digit++) {
			uint64_t value = seed_below(&seed, 10001);
			bytes[8 + 2 * digit] = (uint8_t)(value >> 8);
			bytes[9 + 2 * digit] = (uint8_t)value;
		}
		credit_t amount;
		if (credit_from_numeric(bytes, 8 + 2 * digits_count, &amount))
			assert_true(amount <= CREDIT_MAX && amount >= -CREDIT_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spellings_of_one_number_are_equal),
		cmocka_unit_test(what_is_no_json_number_is_refused),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(ten_thousand_digits_are_read_in_bounds),
		cmocka_unit_test(text_is_the_shortest_exact_form),
		cmocka_unit_test(random_amounts_survive_text_bytes_and_numeric),
		cmocka_unit_test(sums_beyond_the_range_leave_the_result_alone),
		cmocka_unit_test(bytes_are_scaled_exactly_or_refused),
		cmocka_unit_test(numeric_is_what_postgresql_writes),
		cmocka_unit_test(foreign_numerics_are_read_or_refused),
		cmocka_unit_test(random_numerics_are_never_read_out_of_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
