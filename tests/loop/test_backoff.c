/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: pauses double up to their bound, and are spread over the upper half of that.
 * Method: many draws of each; that none of them comes near an end of its range is less likely than 1 in 10^40.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/backoff.h"
#include "drawdown/instant.h"

#include <cmocka.h>

#define FIRST (100 * INSTANT_MILLISECOND)
#define LONGEST (10 * INSTANT_SECOND)
#define DRAWS 1000

static void assert_spread(unsigned failures_count, int64_t nominal)
{
	int64_t least = INT64_MAX, most = 0;

	for (int i = 0; i < DRAWS; i++) {
		int64_t pause = backoff_pause(FIRST, LONGEST, failures_count);
		least = pause < least ? pause : least;
		most = pause > most ? pause : most;
	}
	assert_in_range(least, nominal / 2, nominal * 55 / 100);
	assert_in_range(most, nominal * 95 / 100, nominal);
}

static void pauses_double_up_to_the_longest(void **state)
{
	(void)state;
	assert_spread(1, FIRST);
	assert_spread(2, 2 * FIRST);
	assert_spread(3, 4 * FIRST);
	assert_spread(7, 64 * FIRST);
	assert_spread(8, LONGEST);
	assert_spread(9, LONGEST);
	assert_spread(UINT32_MAX, LONGEST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pauses_double_up_to_the_longest),
	};
	return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
