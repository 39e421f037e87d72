/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: times are read and written as RFC 3339 says, over all the years from 0001 to 9999.
 * Method: tables, and round trips of random instants, whose calendar is checked against timegm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "drawdown/instant.h"
#include "seed.h"

static void known_times_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		instant_t instant;
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1969-12-31T23:59:59.999999Z", -1},
		{"2026-01-02T03:04:05.678Z", 1767323045678000},
		{"2026-01-02t03:04:05.678z", 1767323045678000},
		{"2026-01-02 03:04:05.678Z", 1767323045678000},
		{"2026-01-02T05:34:05.678+02:30", 1767323045678000},
		{"2026-01-01T19:04:05.678-08:00", 1767323045678000},
		{"2026-01-02T03:04:05.6780009Z", 1767323045678000},
		{"2026-01-02T03:04:05.678000999Z", 1767323045678000},
		{"2026-01-02T03:04:05.6Z", 1767323045600000},
		{"2000-02-29T00:00:00Z", 951782400000000},
		{"1999-12-31T23:59:60Z", 946684800000000},
		{"0001-01-01T00:00:00Z", INSTANT_MIN},
		{"9999-12-31T23:59:59.999999Z", INSTANT_MAX},
		{"2000-01-01T00:00:00Z", INSTANT_POSTGRES_EPOCH},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		instant_t instant;
		assert_true(instant_parse(text_of(cases[i].text), &instant));
		assert_true(instant == cases[i].instant);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"",
		"2026",
		"2026-01-02",
		"2026-01-02T03:04:05",
		"2026-01-02T03:04Z",
		"2026-01-02T03:04:05.Z",
		"2026-01-02T03:04:05.1234567890Z",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-01-00T00:00:00Z",
		"2026-01-32T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2026-01-02T24:00:00Z",
		"2026-01-02T00:60:00Z",
		"2026-01-02T00:00:61Z",
		"0000-01-01T00:00:00Z",
		"10000-01-01T00:00:00Z",
		"2026-01-02T03:04:05+0200",
		"2026-01-02T03:04:05+24:00",
		"2026-01-02T03:04:05+02:60",
		"2026-01-02T03:04:05Zx",
		"2026-01-02T03:04:05 Z",
		" 2026-01-02T03:04:05Z",
		"+026-01-02T03:04:05Z",
		"2026-1-2T03:04:05Z",
		"0001-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01",
		"9999-12-31T23:59:60Z",
		"2026-01-02T03:04:05,5Z",
	};
	instant_t instant;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_false(instant_parse(text_of(cases[i]), &instant));
	assert_false(instant_parse(TEXT_NULL, &instant));
	assert_false(instant_parse(TEXT_LITERAL("2026-01-02\00003:04:05Z"), &instant));
}

static void a_time_cut_off_anywhere_is_refused(void **state)
{
	(void)state;
	struct text whole = TEXT_LITERAL("2026-01-02T03:04:05.678+02:30");
	instant_t instant;
	for (size_t size = 0; size < whole.size; size++)
		assert_false(instant_parse((struct text){whole.data, size}, &instant));
}

static void fractions_are_written_as_needed(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"1970-01-01T00:00:00Z",
		"1969-12-31T23:59:59.999999Z",
		"2026-01-02T03:04:05.678Z",
		"2026-01-02T03:04:05.600Z",
		"2026-01-02T03:04:05.000001Z",
		"0001-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999999Z",
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		instant_t instant;
		char text[INSTANT_TEXT_SIZE];
		assert_true(instant_parse(text_of(cases[i]), &instant));
		assert_int_equal(instant_format(instant, text), strlen(cases[i]));
		assert_string_equal(text, cases[i]);
	}
}

static void random_times_survive_and_agree_with_the_c_library(void **state)
{
	(void)state;
	struct seed seed = seed_new(__func__);
	for (int i = 0; i < 100000; i++) {
		instant_t instant = INSTANT_MIN + (instant_t)seed_below(&seed, (uint64_t)(INSTANT_MAX - INSTANT_MIN)),
			  back;
		if (seed_below(&seed, 2))
			instant -= instant % 1000;
		char text[INSTANT_TEXT_SIZE];
		size_t size = instant_format(instant, text);
		assert_true(instant_parse((struct text){text, size}, &back));
		assert_true(back == instant);
		time_t seconds = (instant - INSTANT_MIN) / INSTANT_SECOND + INSTANT_MIN / INSTANT_SECOND;
		struct tm calendar;
		char expected[32];
		assert_non_null(gmtime_r(&seconds, &calendar));
		size_t expected_size = strftime(expected, sizeof expected, "-%m-%dT%H:%M:%S", &calendar);
		assert_memory_equal(text + 4, expected, expected_size);
		assert_int_equal(strtol(text, NULL, 10), calendar.tm_year + 1900);
	}
}

static void the_clocks_go_forward(void **state)
{
	(void)state;
	int64_t before = monotonic_now();
	assert_true(monotonic_now() >= before);
	instant_t now = instant_now();
	assert_true(now > 1700000000 * INSTANT_SECOND && now < INSTANT_MAX);
	assert_true(instant_from_postgres(instant_to_postgres(now)) == now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_times_are_read),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(a_time_cut_off_anywhere_is_refused),
		cmocka_unit_test(fractions_are_written_as_needed),
		cmocka_unit_test(random_times_survive_and_agree_with_the_c_library),
		cmocka_unit_test(the_clocks_go_forward),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
