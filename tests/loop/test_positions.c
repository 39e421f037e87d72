/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what the positions of a partition tell at assignment is read right.
 * Method: one table of positions in Kafka and PostgreSQL, and what must follow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/positions.h"

#include <cmocka.h>

static struct input_partition make_partition(int64_t committed, int64_t recorded, int64_t log_start, int64_t log_end)
{
	return (struct input_partition){
		.input = INPUT_USAGE,
		.partition = 3,
		.has_committed = committed >= 0,
		.committed = committed,
		.has_row = recorded >= 0,
		.recorded = recorded,
		.log_start = log_start,
		.log_end = log_end,
	};
}

static void assert_goes_on(struct input_partition partition, enum position_case expected, int64_t position,
	int64_t until, int64_t lost_from, int64_t lost_to)
{
	enum position_case found;
	int64_t from, to;
	struct failure failure;

	assert_int_equal(position_decide(&partition, "credits.usage", &found, &from, &to, &failure), OUTCOME_OK);
	assert_int_equal(found, expected);
	assert_int_equal(partition.position, position);
	assert_int_equal(partition.until, until);
	assert_int_equal(from, lost_from);
	assert_int_equal(to, lost_to);
}

static void assert_stops(struct input_partition partition, const char *text)
{
	enum position_case found;
	int64_t from, to;
	struct failure failure;

	assert_int_equal(position_decide(&partition, "credits.usage", &found, &from, &to, &failure), OUTCOME_FATAL);
	assert_int_equal(failure.exit_code, EXIT_POSITIONS);
	assert_string_equal(failure.text, text);
	assert_true(failure.hint[0] != '\0');
}

static void a_known_partition_goes_on_where_kafka_stands_and_recovers_what_is_recorded(void **state)
{
	(void)state;
	assert_goes_on(make_partition(50, 50, 0, 90), POSITION_KNOWN, 50, 50, 0, 0);
	assert_goes_on(make_partition(50, 70, 0, 90), POSITION_KNOWN, 50, 70, 0, 0);
}

static void a_new_partition_starts_at_the_logs_start(void **state)
{
	(void)state;
	assert_goes_on(make_partition(-1, -1, 20, 90), POSITION_NEW, 20, 20, 0, 0);
}

static void a_start_that_was_committed_before_the_row_was_made_is_taken_up(void **state)
{
	(void)state;
	struct input_partition partition = make_partition(20, -1, 20, 90);
	partition.committed_is_start = true;
	assert_goes_on(partition, POSITION_STARTED, 20, 20, 0, 0);
}

static void what_retention_took_is_named(void **state)
{
	(void)state;
	assert_goes_on(make_partition(50, 70, 60, 90), POSITION_TRUNCATED, 60, 70, 50, 60);
	assert_goes_on(make_partition(50, 70, 80, 90), POSITION_TRUNCATED, 80, 80, 50, 70);
	assert_goes_on(make_partition(50, 50, 80, 90), POSITION_TRUNCATED, 80, 80, 50, 50);
}

static void a_database_that_lags_behind_kafka_has_lost_data(void **state)
{
	(void)state;
	assert_stops(make_partition(50, 40, 0, 90), "the database has lost data that Kafka has committed: "
						    "credits.usage [3]: committed 50, recorded 40, log 0 to 90");
}

static void offsets_without_a_row_are_another_databases(void **state)
{
	(void)state;
	assert_stops(make_partition(50, -1, 0, 90),
		"the database knows nothing of a partition that Kafka has offsets of: "
		"credits.usage [3]: committed 50, recorded -1, log 0 to 90");
}

static void a_row_without_offsets_tells_that_they_expired(void **state)
{
	(void)state;
	assert_stops(make_partition(-1, 50, 0, 90), "the group's offsets have expired or were deleted: "
						    "credits.usage [3]: committed -1, recorded 50, log 0 to 90");
}

static void a_log_that_ends_before_what_is_recorded_was_made_anew(void **state)
{
	(void)state;
	assert_stops(make_partition(50, 70, 0, 60), "the topic was made anew: it ends before what is recorded: "
						    "credits.usage [3]: committed 50, recorded 70, log 0 to 60");
	assert_stops(make_partition(-1, 70, 0, 60), "the topic was made anew: it ends before what is recorded: "
						    "credits.usage [3]: committed -1, recorded 70, log 0 to 60");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_known_partition_goes_on_where_kafka_stands_and_recovers_what_is_recorded),
		cmocka_unit_test(a_new_partition_starts_at_the_logs_start),
		cmocka_unit_test(a_start_that_was_committed_before_the_row_was_made_is_taken_up),
		cmocka_unit_test(what_retention_took_is_named),
		cmocka_unit_test(a_database_that_lags_behind_kafka_has_lost_data),
		cmocka_unit_test(offsets_without_a_row_are_another_databases),
		cmocka_unit_test(a_row_without_offsets_tells_that_they_expired),
		cmocka_unit_test(a_log_that_ends_before_what_is_recorded_was_made_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
