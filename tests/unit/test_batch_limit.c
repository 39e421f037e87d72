/* SPDX-License-Identifier: Apache-2.0 */
/* The limit on the next batch's records, by numbers worked out by hand. */
#include "drawdown/batch_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct batch_limit limit;

static int begin(void **state)
{
	(void)state;
	batch_limit_init(&limit, 10000, 12000);
	return 0;
}

static void begins_with_what_is_configured(void **state)
{
	(void)state;
	assert_int_equal(limit.records_max, 10000);
}

static void stays_where_a_record_makes_one_entry(void **state)
{
	(void)state;
	batch_limit_note_published(&limit, 10000, 10000);
	assert_int_equal(limit.records_max, 10000);
	batch_limit_note_published(&limit, 17, 0);
	assert_int_equal(limit.records_max, 10000);
}

static void falls_to_what_fits_where_a_record_makes_three(void **state)
{
	(void)state;
	batch_limit_note_published(&limit, 3000, 9000);
	assert_int_equal(limit.records_max, 4000);
	batch_limit_note_published(&limit, 4000, 12000);
	assert_int_equal(limit.records_max, 4000);
}

static void halves_when_rejected_and_doubles_at_most(void **state)
{
	(void)state;
	batch_limit_note_rejected(&limit);
	batch_limit_note_rejected(&limit);
	assert_int_equal(limit.records_max, 2500);
	batch_limit_note_published(&limit, 2500, 2500);
	assert_int_equal(limit.records_max, 5000);
	batch_limit_note_published(&limit, 5000, 0);
	assert_int_equal(limit.records_max, 10000);
}

static void never_falls_below_one_record(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		batch_limit_note_rejected(&limit);
	assert_int_equal(limit.records_max, 1);
	batch_limit_note_published(&limit, 1, 50000);
	assert_int_equal(limit.records_max, 1);
}

static void sizes_beyond_what_can_be_multiplied_are_the_most(void **state)
{
	(void)state;
	batch_limit_init(&limit, SIZE_MAX, SIZE_MAX);
	batch_limit_note_published(&limit, SIZE_MAX, SIZE_MAX);
	assert_true(limit.records_max == SIZE_MAX);
}

static void a_lane_may_make_its_share_but_at_least_an_even_one(void **state)
{
	(void)state;
	assert_int_equal(batch_limit_of_lane(12000, 5000, 10000, 2), 6000);
	assert_int_equal(batch_limit_of_lane(12000, 10000, 10000, 2), 12000);
	assert_int_equal(batch_limit_of_lane(12000, 1, 10000, 2), 6000);
	assert_int_equal(batch_limit_of_lane(12000, 0, 10000, 2), 6000);
	assert_int_equal(batch_limit_of_lane(2, 1, 3, 4), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(begins_with_what_is_configured, begin),
		cmocka_unit_test_setup(stays_where_a_record_makes_one_entry, begin),
		cmocka_unit_test_setup(falls_to_what_fits_where_a_record_makes_three, begin),
		cmocka_unit_test_setup(halves_when_rejected_and_doubles_at_most, begin),
		cmocka_unit_test_setup(never_falls_below_one_record, begin),
		cmocka_unit_test_setup(sizes_beyond_what_can_be_multiplied_are_the_most, begin),
		cmocka_unit_test_setup(a_lane_may_make_its_share_but_at_least_an_even_one, begin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
