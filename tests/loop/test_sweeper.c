/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: every account that is due and ours gets its advance, once in a while, and no other does; whatever fails, memory
 * and the topic are not flooded.
 * Method: the real sweeper over a table of due rows and a topic in memory, with a clock that the test moves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drawdown/hash.h"
#include "drawdown/sweeper.h"

#include <cmocka.h>

#define ROWS_MAX 64
#define PARTITIONS_COUNT 4
#define NOW (1000 * INSTANT_SECOND)

struct row {
	instant_t due_at;
	char customer[32];
	char resource[8];
};

static struct world {
	struct row rows[ROWS_MAX]; /* in order of the whole row */
	size_t rows_count;
	size_t reads_count, slice_max;
	const char *sent[ROWS_MAX * 4];
	int32_t sent_to[ROWS_MAX * 4];
	size_t sent_count;
	unsigned fail_read_at, fail_send_at, fail_flush_at; /* countdowns; 0: never */
	size_t end_assignment_at_read;			    /* 0: never */
	struct config config;
	struct ownership ownership;
	struct input_partition partitions[2 * PARTITIONS_COUNT];
	size_t partitions_count;
	struct source source;
	struct sweeper *sweeper;
	int64_t at; /* monotonic */
} world;

static enum outcome planted(struct failure *reterr)
{
	return (fail)(reterr, OUTCOME_RETRY, "test", "planted"); /* cmocka has a macro of that name */
}

static bool is_due_now(unsigned *countdown)
{
	return *countdown && --*countdown == 0;
}

static bool is_behind(const struct row *row, const struct due *after)
{
	if (row->due_at != after->due_at)
		return row->due_at > after->due_at;
	int order = text_compare(text_of(row->customer), after->customer_id);
	if (order)
		return order > 0;
	return text_compare(text_of(row->resource), after->resource_id.data ? after->resource_id : TEXT_LITERAL("")) >
	       0;
}

static enum outcome read_rows(void *self, struct arena *arena, instant_t until, const struct due *after,
	size_t rows_max, struct due **ret_rows, size_t *ret_count, struct failure *reterr)
{
	(void)self;
	world.reads_count++;
	if (world.reads_count == world.end_assignment_at_read)
		ownership_end(&world.ownership);
	if (is_due_now(&world.fail_read_at))
		return planted(reterr);
	*ret_rows = arena_alloc_array(arena, rows_max, sizeof **ret_rows);
	*ret_count = 0;
	for (size_t i = 0; i < world.rows_count && *ret_count < rows_max; i++) {
		const struct row *row = &world.rows[i];
		if (row->due_at > until || (after && !is_behind(row, after)))
			continue;
		(*ret_rows)[(*ret_count)++] = (struct due){
			.due_at = row->due_at,
			.customer_id = arena_copy(arena, text_of(row->customer)),
			.currency_id = arena_copy(arena, TEXT_LITERAL("tokens")),
			.resource_id = row->resource[0] ? arena_copy(arena, text_of(row->resource)) : TEXT_NULL,
		};
	}
	if (*ret_count > world.slice_max)
		world.slice_max = *ret_count;
	return OUTCOME_OK;
}

static enum outcome send_one(void *self, const struct due *due, int32_t partition, struct failure *reterr)
{
	(void)self;
	if (is_due_now(&world.fail_send_at))
		return planted(reterr);
	assert_in_range(world.sent_count, 0, ROWS_MAX * 4 - 1);
	for (size_t i = 0; i < world.rows_count; i++)
		if (text_equal(due->customer_id, text_of(world.rows[i].customer)))
			world.sent[world.sent_count] = world.rows[i].customer;
	world.sent_to[world.sent_count++] = partition;
	return OUTCOME_OK;
}

static enum outcome flush(void *self, struct failure *reterr)
{
	(void)self;
	return is_due_now(&world.fail_flush_at) ? planted(reterr) : OUTCOME_OK;
}

static struct input_partition *get_partitions(void *self, size_t *ret_count)
{
	(void)self;
	*ret_count = world.partitions_count;
	return world.partitions;
}

static int32_t count_partitions(void *self)
{
	(void)self;
	return PARTITIONS_COUNT;
}

static void own(const int32_t *partitions, size_t count)
{
	world.partitions_count = 0;
	for (size_t i = 0; i < count; i++)
		for (int input = 0; input < INPUT_COUNT; input++)
			world.partitions[world.partitions_count++] =
				(struct input_partition){.input = (enum input)input, .partition = partitions[i]};
	ownership_begin(&world.ownership, &world.source);
}

static int set_up(void **state)
{
	static const int32_t all[PARTITIONS_COUNT] = {0, 1, 2, 3};

	(void)state;
	world = (struct world){
		.config = {.sweep_batch = 4, .sweep_pending_max = 100, .sweep_retry = 60 * INSTANT_SECOND},
		.source = {.partitions = get_partitions, .partitions_count = count_partitions},
		.at = 5 * INSTANT_SECOND,
	};
	ownership_init(&world.ownership);
	own(all, PARTITIONS_COUNT);
	const struct sweeper_seam seam = {.read = read_rows, .send = send_one, .flush = flush};
	world.sweeper = sweeper_new(&world.config, &seam, &world.ownership);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sweeper_free(world.sweeper);
	ownership_release(&world.ownership);
	return 0;
}

static void bound_pending(int64_t pending_max)
{
	const struct sweeper_seam seam = {.read = read_rows, .send = send_one, .flush = flush};

	sweeper_free(world.sweeper);
	world.config.sweep_pending_max = pending_max;
	world.sweeper = sweeper_new(&world.config, &seam, &world.ownership);
}

/* Rows "customer-00", "customer-01", ...: that many, due at one instant. */
static void add_rows(size_t count, instant_t due_at)
{
	for (size_t i = 0; i < count; i++, world.rows_count++) {
		world.rows[world.rows_count].due_at = due_at;
		snprintf(world.rows[world.rows_count].customer, sizeof world.rows[0].customer, "customer-%02zu",
			world.rows_count);
	}
}

static void remove_rows(size_t count)
{
	world.rows_count -= count;
	memmove(world.rows, world.rows + count, world.rows_count * sizeof world.rows[0]);
}

static enum outcome pass(bool *ret_more)
{
	struct failure failure;
	bool ignored;
	return sweeper_pass(world.sweeper, NOW, world.at, ret_more ? ret_more : &ignored, &failure);
}

static void each_account_that_is_due_gets_one_advance_in_its_customers_partition(void **state)
{
	(void)state;
	add_rows(9, NOW - 1);
	add_rows(1, NOW);
	add_rows(3, NOW + 1);
	assert_int_equal(pass(NULL), OUTCOME_OK);
	assert_int_equal(world.sent_count, 10);
	for (size_t i = 0; i < 10; i++) {
		assert_string_equal(world.sent[i], world.rows[i].customer);
		assert_int_equal(
			world.sent_to[i], hash_partition_murmur2(text_of(world.rows[i].customer), PARTITIONS_COUNT));
	}
	assert_int_equal(world.slice_max, 4);
	assert_int_equal(world.reads_count, 3);
}

static void the_partitioner_is_the_configured_one(void **state)
{
	(void)state;
	world.config.inputs_crc32 = true;
	add_rows(10, NOW);
	pass(NULL);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(
			world.sent_to[i], hash_partition_crc32(text_of(world.rows[i].customer), PARTITIONS_COUNT));
}

static void nothing_is_sent_for_what_another_worker_owns(void **state)
{
	static const int32_t mine[] = {1, 3};

	(void)state;
	own(mine, 2);
	add_rows(40, NOW);
	pass(NULL);
	assert_in_range(world.sent_count, 1, 39);
	for (size_t i = 0; i < world.sent_count; i++)
		assert_true(world.sent_to[i] == 1 || world.sent_to[i] == 3);
}

static void nothing_is_read_while_nothing_is_owned(void **state)
{
	(void)state;
	ownership_end(&world.ownership);
	add_rows(3, NOW);
	assert_int_equal(pass(NULL), OUTCOME_OK);
	assert_int_equal(world.reads_count + world.sent_count, 0);
}

static void an_advance_is_sent_again_only_after_a_while(void **state)
{
	(void)state;
	add_rows(6, NOW - 1);
	pass(NULL);
	world.at += world.config.sweep_retry - 1;
	pass(NULL);
	assert_int_equal(world.sent_count, 6);
	world.at += 1;
	pass(NULL);
	assert_int_equal(world.sent_count, 12);
	pass(NULL);
	assert_int_equal(world.sent_count, 12);
}

static void a_row_that_moved_is_sent_for_at_once(void **state)
{
	(void)state;
	add_rows(1, NOW - 10);
	pass(NULL);
	world.rows[0].due_at = NOW - 5;
	pass(NULL);
	assert_int_equal(world.sent_count, 2);
}

static void accounts_of_one_customer_are_told_apart(void **state)
{
	(void)state;
	add_rows(2, NOW);
	memcpy(world.rows[1].customer, world.rows[0].customer, sizeof world.rows[0].customer);
	snprintf(world.rows[1].resource, sizeof world.rows[1].resource, "r");
	pass(NULL);
	assert_int_equal(world.sent_count, 2);
}

static void no_more_than_the_bound_is_under_way(void **state)
{
	bool more;

	(void)state;
	bound_pending(10);
	add_rows(25, NOW);
	pass(&more);
	assert_true(more);
	assert_int_equal(world.sent_count, 10);
	pass(&more);
	assert_true(more);
	assert_int_equal(world.sent_count, 10);
	remove_rows(7); /* handled */
	pass(&more);
	assert_true(more);
	assert_int_equal(world.sent_count, 17);
	remove_rows(10);
	pass(&more);
	assert_false(more);
	assert_int_equal(world.sent_count, 25);
}

static void what_did_not_arrive_is_sent_again_at_the_next_pass(void **state)
{
	(void)state;
	add_rows(12, NOW);
	world.fail_flush_at = 2;
	assert_int_equal(pass(NULL), OUTCOME_RETRY);
	assert_int_equal(world.sent_count, 8);
	assert_int_equal(pass(NULL), OUTCOME_OK);
	assert_int_equal(world.sent_count, 16); /* the first slice had arrived */
	world.fail_send_at = 3;
	world.at += world.config.sweep_retry;
	assert_int_equal(pass(NULL), OUTCOME_RETRY);
	assert_int_equal(pass(NULL), OUTCOME_OK);
	assert_int_equal(world.sent_count, 16 + 2 + 12);
}

static void a_pass_that_could_not_read_forgets_nothing(void **state)
{
	(void)state;
	add_rows(12, NOW);
	pass(NULL);
	assert_int_equal(world.sent_count, 12);
	for (unsigned at = 1; at <= 4; at++) {
		world.fail_read_at = at;
		assert_int_equal(pass(NULL), OUTCOME_RETRY);
	}
	assert_int_equal(pass(NULL), OUTCOME_OK);
	assert_int_equal(world.sent_count, 12);
}

static void a_pass_ends_with_the_assignment(void **state)
{
	(void)state;
	add_rows(12, NOW);
	world.end_assignment_at_read = 2;
	assert_int_equal(pass(NULL), OUTCOME_OK);
	assert_int_equal(world.reads_count, 2);
	assert_int_equal(pass(NULL), OUTCOME_OK);
	assert_int_equal(world.reads_count, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(each_account_that_is_due_gets_one_advance_in_its_customers_partition),
		TEST(the_partitioner_is_the_configured_one),
		TEST(nothing_is_sent_for_what_another_worker_owns),
		TEST(nothing_is_read_while_nothing_is_owned),
		TEST(an_advance_is_sent_again_only_after_a_while),
		TEST(a_row_that_moved_is_sent_for_at_once),
		TEST(accounts_of_one_customer_are_told_apart),
		TEST(no_more_than_the_bound_is_under_way),
		TEST(what_did_not_arrive_is_sent_again_at_the_next_pass),
		TEST(a_pass_that_could_not_read_forgets_nothing),
		TEST(a_pass_ends_with_the_assignment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
