/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a batch keeps every record it was given, in order, knows what it covers of each partition, and hands each
 * customer's records to one lane.
 * Method: the batch alone, with records that hold nothing but a customer.
 */
#include <setjmp.h>
#include <stdarg.h>

#include "drawdown/batch.h"

#include <cmocka.h>

static void append_customer(struct batch *batch, const char *customer_id)
{
	struct record *record = batch_append(batch);
	record->source.offset = (int64_t)batch->records_count - 1;
	record->readable = true;
	record->event.customer_id = text_of(customer_id);
}

static void appended_records_are_empty_and_survive_growth(void **state)
{
	(void)state;
	struct batch batch;
	batch_init(&batch, 1, 1, 1 << 12);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 100; i++) {
			struct record *record = batch_append(&batch);
			assert_false(record->readable);
			assert_null(record->value.data);
			assert_int_equal(record->source.offset, 0);
			*record = (struct record){.readable = true, .value = TEXT_LITERAL("x"), .source.offset = i};
		}
		assert_int_equal(batch.records_count, 100);
		for (int i = 0; i < 100; i++)
			assert_int_equal(batch.records[i].source.offset, i);
		batch_reset(&batch);
	}
	batch_release(&batch);
}

static void a_span_covers_from_the_beginning_to_behind_the_last_record(void **state)
{
	(void)state;
	struct batch batch;
	batch_init(&batch, 4, 1, 1 << 12);
	batch_cover(&batch, INPUT_USAGE, 3, 10, 12, 7, 500);
	batch_cover(&batch, INPUT_COMMANDS, 3, 0, 0, 8, INSTANT_NONE);
	batch_cover(&batch, INPUT_USAGE, 4, 5, 5, 9, 600);
	batch_cover(&batch, INPUT_USAGE, 4, 5, 6, 9, 400);
	batch_cover(&batch, INPUT_USAGE, 3, 10, 16, 7, 700);
	batch_cover(&batch, INPUT_USAGE, 3, 10, 17, 7, INSTANT_MAX + 1);
	assert_int_equal(batch.spans_count, 3);
	const struct span expected[] = {
		{INPUT_USAGE, 3, 10, 18, 7, 700},
		{INPUT_COMMANDS, 3, 0, 1, 8, INSTANT_NONE},
		{INPUT_USAGE, 4, 5, 7, 9, 600},
	};
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(batch.spans[i].input, expected[i].input);
		assert_int_equal(batch.spans[i].partition, expected[i].partition);
		assert_int_equal(batch.spans[i].begin, expected[i].begin);
		assert_int_equal(batch.spans[i].end, expected[i].end);
		assert_int_equal(batch.spans[i].epoch, expected[i].epoch);
		assert_true(batch.spans[i].newest == expected[i].newest);
	}
	batch_release(&batch);
}

static void reset_leaves_nothing(void **state)
{
	(void)state;
	struct batch batch;
	batch_init(&batch, 4, 2, 1 << 12);
	append_customer(&batch, "acme");
	batch_cover(&batch, INPUT_USAGE, 0, 0, 0, 1, 0);
	batch.membership = arena_copy(&batch.arena, TEXT_LITERAL("member"));
	batch.recovery = true;
	batch.opened_at = 5;
	batch_split(&batch);
	batch_reset(&batch);
	assert_int_equal(batch.records_count, 0);
	assert_int_equal(batch.spans_count, 0);
	assert_null(batch.membership.data);
	assert_false(batch.recovery);
	assert_int_equal(batch.opened_at, 0);
	assert_int_equal(batch.lanes_count, 2);
	assert_int_equal(batch.lanes[0].records_count + batch.lanes[1].records_count, 0);
	batch_release(&batch);
}

static void a_customer_goes_to_one_lane_in_order_and_all_lanes_get_some(void **state)
{
	(void)state;
	struct batch batch;
	char customers[200][16];
	batch_init(&batch, 16, BATCH_LANES_MAX, 1 << 12);
	for (int i = 0; i < 200; i++)
		(void)snprintf(customers[i], sizeof customers[i], "c%d", i);
	for (int i = 0; i < 600; i++)
		append_customer(&batch, customers[i % 200]);
	batch_split(&batch);
	size_t records_count = 0, lane_of[200];
	for (size_t lane = 0; lane < BATCH_LANES_MAX; lane++) {
		const struct lane_work *work = &batch.lanes[lane];
		assert_true(work->records_count > 0);
		records_count += work->records_count;
		for (size_t i = 0; i < work->records_count; i++) {
			int64_t offset = work->records[i]->source.offset;
			assert_true(i == 0 || offset > work->records[i - 1]->source.offset);
			assert_ptr_equal(work->records[i], &batch.records[offset]);
			assert_true(offset < 200 || lane_of[offset % 200] == lane);
			lane_of[offset % 200] = lane;
		}
	}
	assert_int_equal(records_count, 600);
	batch_release(&batch);
}

/* Partition and lane come from the same hash: the one must not decide the other. */
static void records_of_one_partition_spread_over_the_lanes(void **state)
{
	(void)state;
	struct batch batch;
	char customers[4000][16];
	batch_init(&batch, 16, 4, 1 << 12);
	for (int i = 0; i < 4000; i++) {
		(void)snprintf(customers[i], sizeof customers[i], "c%d", i);
		if (hash_partition_murmur2(text_of(customers[i]), 16) == 5)
			append_customer(&batch, customers[i]);
	}
	batch_split(&batch);
	for (size_t lane = 0; lane < 4; lane++)
		assert_true(batch.lanes[lane].records_count > batch.records_count / 8);
	batch_release(&batch);
}

static void unreadable_records_go_to_the_first_lane(void **state)
{
	(void)state;
	struct batch batch;
	batch_init(&batch, 16, 4, 1 << 12);
	for (int i = 0; i < 10; i++)
		batch_append(&batch);
	batch_split(&batch);
	assert_int_equal(batch.lanes[0].records_count, 10);
	batch_release(&batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appended_records_are_empty_and_survive_growth),
		cmocka_unit_test(a_span_covers_from_the_beginning_to_behind_the_last_record),
		cmocka_unit_test(reset_leaves_nothing),
		cmocka_unit_test(a_customer_goes_to_one_lane_in_order_and_all_lanes_get_some),
		cmocka_unit_test(records_of_one_partition_spread_over_the_lanes),
		cmocka_unit_test(unreadable_records_go_to_the_first_lane),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
