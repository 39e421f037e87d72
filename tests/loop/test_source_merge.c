/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a pair of partitions is handed out in the order of time, and neither waits for the other for long.
 * Method: the pure choice, asked with every combination of what the two have in hand and have shown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "drawdown/source_merge.h"

#define WAIT_MAX 50000

static struct merge_side record_of(int64_t timestamp)
{
	return (struct merge_side){.has_record = true, .timestamp = timestamp};
}

static const struct merge_side nothing_yet = {.is_done = false};
static const struct merge_side at_its_end = {.is_done = true};

static enum merge_choice choose(
	struct merge_side usage, struct merge_side commands, struct merge_wait *wait, int64_t now)
{
	const struct merge_side sides[INPUT_COUNT] = {[INPUT_USAGE] = usage, [INPUT_COMMANDS] = commands};
	return merge_choose(sides, wait, now, WAIT_MAX);
}

static void the_earlier_record_goes_first(void **state)
{
	struct merge_wait wait = {0};

	(void)state;
	assert_int_equal(choose(record_of(1), record_of(2), &wait, 1), MERGE_USAGE);
	assert_int_equal(choose(record_of(2), record_of(1), &wait, 1), MERGE_COMMANDS);
}

static void commands_go_first_at_one_time(void **state)
{
	struct merge_wait wait = {0};

	(void)state;
	assert_int_equal(choose(record_of(7), record_of(7), &wait, 1), MERGE_COMMANDS);
}

static void a_record_goes_alone_where_the_other_has_shown_its_end(void **state)
{
	struct merge_wait wait = {0};

	(void)state;
	assert_int_equal(choose(record_of(1), at_its_end, &wait, 1), MERGE_USAGE);
	assert_int_equal(choose(at_its_end, record_of(1), &wait, 1), MERGE_COMMANDS);
	assert_int_equal(choose(at_its_end, nothing_yet, &wait, 1), MERGE_NOTHING);
	assert_int_equal(wait.since, 0);
}

static void a_record_waits_for_a_partition_that_fell_short_and_no_longer_than_it_may(void **state)
{
	struct merge_wait wait = {0};

	(void)state;
	assert_int_equal(choose(record_of(1), nothing_yet, &wait, 1000), MERGE_WAIT);
	assert_int_equal(wait.since, 1000);
	assert_int_equal(choose(record_of(1), nothing_yet, &wait, 1000 + WAIT_MAX - 1), MERGE_WAIT);
	assert_int_equal(choose(record_of(1), nothing_yet, &wait, 1000 + WAIT_MAX), MERGE_USAGE);
	/* the records behind it do not wait again */
	assert_int_equal(choose(record_of(2), nothing_yet, &wait, 1000 + WAIT_MAX), MERGE_USAGE);
}

static void a_new_wait_begins_when_a_partition_that_was_back_falls_short_again(void **state)
{
	struct merge_wait wait = {0};

	(void)state;
	assert_int_equal(choose(nothing_yet, record_of(5), &wait, 1000), MERGE_WAIT);
	assert_int_equal(choose(record_of(4), record_of(5), &wait, 2000), MERGE_USAGE);
	assert_int_equal(choose(nothing_yet, record_of(5), &wait, 1000 + WAIT_MAX), MERGE_WAIT);
	assert_int_equal(wait.since, 1000 + WAIT_MAX);
}

/* Two logs in order, fetched in pieces of random size: the merge of them is in order. */
static void a_backlog_comes_out_in_the_order_of_time(void **state)
{
	uint64_t random = 88172645463325252u;
	struct merge_wait wait = {0};
	int64_t next[INPUT_COUNT] = {0}, fetched[INPUT_COUNT] = {0};
	int64_t last = -1;

	(void)state;
	for (int64_t now = 1; next[INPUT_USAGE] < 10000 || next[INPUT_COMMANDS] < 10000; now++) {
		struct merge_side sides[INPUT_COUNT];
		for (int input = 0; input < INPUT_COUNT; input++) {
			random ^= random << 13, random ^= random >> 7, random ^= random << 17;
			if (fetched[input] < 10000 && random % 4 == 0)
				fetched[input] += (int64_t)(random % 7);
			bool has_record = next[input] < fetched[input];
			/* record n of usage has time 3n, of commands 2n */
			sides[input] = has_record ? record_of(next[input] * (input == INPUT_USAGE ? 3 : 2))
				       : fetched[input] >= 10000 ? at_its_end
								 : nothing_yet;
		}
		enum merge_choice choice = merge_choose(sides, &wait, now, INT64_MAX / 2);
		if (choice != MERGE_USAGE && choice != MERGE_COMMANDS)
			continue;
		int input = choice == MERGE_USAGE ? INPUT_USAGE : INPUT_COMMANDS;
		assert_true(sides[input].timestamp >= last);
		last = sides[input].timestamp;
		next[input]++;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_earlier_record_goes_first),
		cmocka_unit_test(commands_go_first_at_one_time),
		cmocka_unit_test(a_record_goes_alone_where_the_other_has_shown_its_end),
		cmocka_unit_test(a_record_waits_for_a_partition_that_fell_short_and_no_longer_than_it_may),
		cmocka_unit_test(a_new_wait_begins_when_a_partition_that_was_back_falls_short_again),
		cmocka_unit_test(a_backlog_comes_out_in_the_order_of_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
