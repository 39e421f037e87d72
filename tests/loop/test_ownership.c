/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: other threads are told what the worker owns, and of each partition no more than what is handled.
 * Method: the calls that the loop makes, in its order, with batches that cover what the test says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/ownership.h"

#include <cmocka.h>

static struct input_partition partitions[] = {
	{.input = INPUT_USAGE, .partition = 0, .epoch = 7},
	{.input = INPUT_COMMANDS, .partition = 0, .epoch = 8},
	{.input = INPUT_USAGE, .partition = 1, .epoch = 9},
	{.input = INPUT_COMMANDS, .partition = 1, .epoch = 9},
};
static int64_t reached[INPUT_COUNT][2];
static struct ownership ownership;
static struct batch batch;

static struct input_partition *get_partitions(void *self, size_t *ret_count)
{
	(void)self;
	*ret_count = sizeof partitions / sizeof *partitions;
	return partitions;
}

static int32_t count_partitions(void *self)
{
	(void)self;
	return 2;
}

static int64_t get_reached(void *self, enum input input, int32_t partition)
{
	(void)self;
	return reached[input][partition];
}

static const struct source source = {
	.partitions = get_partitions, .partitions_count = count_partitions, .reached = get_reached};

static int set_up(void **state)
{
	(void)state;
	ownership_init(&ownership);
	batch_init(&batch, 1, 1, 4096);
	ownership_begin(&ownership, &source);
	for (size_t i = 0; i < INPUT_COUNT * 2; i++)
		reached[i / 2][i % 2] = 10 + (int64_t)i;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	batch_release(&batch);
	ownership_release(&ownership);
	return 0;
}

static struct ownership_view view(void)
{
	struct ownership_view copy;
	ownership_copy(&ownership, &copy);
	return copy;
}

static void nothing_is_owned_before_and_after_an_assignment(void **state)
{
	(void)state;
	struct ownership_view owned = view();
	assert_int_equal(owned.count, 4);
	assert_int_equal(owned.partitions_count, 2);
	assert_int_equal(owned.partitions[1].epoch, 8);
	assert_true(owned.partitions[1].handled_time == INSTANT_NONE);
	assert_int_equal(owned.partitions[1].handled_offset, -1);
	assert_true(ownership_is_current(&ownership, &owned));
	ownership_end(&ownership);
	assert_int_equal(view().count, 0);
	assert_false(ownership_is_current(&ownership, &owned));
	ownership_begin(&ownership, &source);
	assert_int_equal(view().count, 4);
	assert_false(ownership_is_current(&ownership, &owned));
}

static void the_time_is_that_of_what_was_published(void **state)
{
	(void)state;
	batch_cover(&batch, INPUT_COMMANDS, 0, 0, 3, 8, 500);
	batch_cover(&batch, INPUT_USAGE, 1, 0, 3, 9, 600);
	assert_true(view().partitions[1].handled_time == INSTANT_NONE);
	ownership_note_published(&ownership, &batch);
	assert_int_equal(view().partitions[1].handled_time, 500);
	assert_int_equal(view().partitions[2].handled_time, 600);
	assert_true(view().partitions[0].handled_time == INSTANT_NONE);

	batch_reset(&batch);
	batch_cover(&batch, INPUT_COMMANDS, 0, 4, 4, 8, 400);
	batch_cover(&batch, INPUT_USAGE, 1, 4, 4, 9, INSTANT_MAX + 1);
	ownership_note_published(&ownership, &batch);
	assert_int_equal(view().partitions[1].handled_time, 500);
	assert_int_equal(view().partitions[2].handled_time, 600);
}

static void what_was_read_under_an_older_epoch_says_nothing(void **state)
{
	(void)state;
	batch_cover(&batch, INPUT_COMMANDS, 0, 0, 3, 7, 500);
	ownership_note_published(&ownership, &batch);
	assert_true(view().partitions[1].handled_time == INSTANT_NONE);
}

static void what_is_in_no_batch_is_handled_as_far_as_it_was_read(void **state)
{
	(void)state;
	batch_cover(&batch, INPUT_COMMANDS, 0, 0, 3, 8, 500);
	ownership_note_reached(&ownership, &source, &batch, 1);
	struct ownership_view owned = view();
	assert_int_equal(owned.partitions[0].handled_offset, reached[INPUT_USAGE][0]);
	assert_int_equal(owned.partitions[1].handled_offset, -1);
	assert_int_equal(owned.partitions[2].handled_offset, reached[INPUT_USAGE][1]);
	batch_reset(&batch);
	ownership.looked_at = 0;
	ownership_note_reached(&ownership, &source, &batch, 1);
	assert_int_equal(view().partitions[1].handled_offset, reached[INPUT_COMMANDS][0]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_owned_before_and_after_an_assignment),
		TEST(the_time_is_that_of_what_was_published),
		TEST(what_was_read_under_an_older_epoch_says_nothing),
		TEST(what_is_in_no_batch_is_handled_as_far_as_it_was_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
