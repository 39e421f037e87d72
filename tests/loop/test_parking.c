/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a customer whose records make the database refuse those of others is parked, alone, in order; what stops
 * everybody parks nobody.
 * Method: the real worker.c, stations.c, park.c, lane.c and core over a broker and a database in memory, in which the
 * lock of one customer's accounts cannot be had, or nothing can be written to drawdown.parked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "fakes.h"

#include <cmocka.h>

#define AT_MS 1790000000000
#define CUSTOMERS_COUNT 9

static char usage_topic[] = "credits.usage", commands_topic[] = "credits.commands";
static const char *const customers[CUSTOMERS_COUNT] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};

static struct config make_config(void)
{
	return (struct config){
		.database_lanes = 2,
		.input_topics = {usage_topic, commands_topic},
		.batch_records_max = 12,
		.batch_entries_max = 1000,
		.batch_bytes_max = 1 << 20,
		.encoding = {.format = FORMAT_JSON, .input_topics = {usage_topic, commands_topic}},
		.rules = {.dedupe_window = 30 * INSTANT_DAY,
			.future_tolerance = 300 * INSTANT_SECOND,
			.grants_open_max = 1000,
			.holds_open_max = 1000},
	};
}

static void append(struct fake_world *world, const char *customer, int number)
{
	char value[256];

	if (number == 0)
		(void)snprintf(value, sizeof value,
			"{\"type\":\"grant\",\"customerId\":\"%s\",\"currencyId\":\"x\",\"idempotencyKey\":\"g\","
			"\"grantType\":\"PAID\",\"amount\":100}",
			customer);
	else
		(void)snprintf(value, sizeof value,
			"{\"customerId\":\"%s\",\"currencyId\":\"x\",\"idempotencyKey\":\"u%d\",\"amount\":1}",
			customer, number);
	fake_append(world, INPUT_COMMANDS, customer, AT_MS + number, value);
}

/* A grant of each customer, then so many consumptions. */
static struct fake_world *make_world(int consumptions)
{
	struct fake_world *world = malloc(sizeof *world);

	fake_world_init(world);
	for (int number = 0; number <= consumptions; number++)
		for (size_t i = 0; i < CUSTOMERS_COUNT; i++)
			append(world, customers[i], number);
	return world;
}

static void free_world(struct fake_world *world)
{
	fake_world_release(world);
	free(world);
}

static const char *find_name(struct text customer_id)
{
	for (size_t i = 0; i < CUSTOMERS_COUNT; i++)
		if (text_equal(customer_id, text_of(customers[i])))
			return customers[i];
	fail_msg("a customer of nobody's");
	return NULL;
}

static size_t count_entries(const struct fake_world *world, const char *customer)
{
	size_t count = 0;

	for (size_t i = 0; i < world->outputs_count; i++)
		count += world->outputs[i].output == OUTPUT_LEDGER &&
			 text_equal(world->outputs[i].key, text_of(customer));
	return count;
}

static void assert_entries(const struct fake_world *world, size_t expected, const char *but_for)
{
	for (size_t i = 0; i < CUSTOMERS_COUNT; i++)
		assert_int_equal(count_entries(world, customers[i]), strcmp(customers[i], but_for) == 0 ? 0 : expected);
}

static void assert_parked(const struct fake_world *world, const char *customer, size_t expected)
{
	assert_int_equal(world->parked_count, expected);
	for (size_t i = 0; i < expected; i++) {
		assert_true(text_equal(world->parked[i].customer_id, text_of(customer)));
		assert_int_equal(world->parked[i].ordinal, i + 1);
		assert_true(i == 0 || world->parked[i].source.offset > world->parked[i - 1].source.offset);
	}
}

static void a_customer_whose_lock_cannot_be_had_waits_alone(void **state)
{
	const struct config config = make_config();
	struct fake_world *world = make_world(5);

	(void)state;
	world->locked_customer = "d";
	fake_run(world, &config);
	assert_entries(world, 6, "d");
	assert_parked(world, "d", 6);
	free_world(world);
}

static void who_is_parked_stays_so_for_the_next_owner(void **state)
{
	const struct config config = make_config();
	struct fake_world *world = make_world(2);

	(void)state;
	world->locked_customer = "d";
	fake_run(world, &config);
	assert_parked(world, "d", 3);
	world->locked_customer = NULL;
	append(world, "d", 3);
	append(world, "e", 3);
	fake_run(world, &config);
	assert_parked(world, "d", 4);
	assert_int_equal(count_entries(world, "d"), 0);
	assert_int_equal(count_entries(world, "e"), 4);
	free_world(world);
}

/* What is recorded and may be unpublished goes out first, without the account's lock. */
static void a_recovery_parks_too_and_publishes_what_was_recorded(void **state)
{
	const struct config config = make_config();
	struct fake_world *world = make_world(5);
	struct failure failure = {0};

	(void)state;
	world->fault_seam = SEAM_SEND;
	world->fault_at = 1;
	world->fault_outcome = OUTCOME_FATAL;
	assert_int_equal(fake_run_once(world, &config, &failure), OUTCOME_FATAL);
	assert_true(world->receipts_count > 0);
	const char *customer = find_name(world->receipts[0].customer_id);
	size_t recorded = 0;
	for (size_t i = 0; i < world->receipts_count; i++)
		recorded += text_equal(world->receipts[i].customer_id, text_of(customer));
	world->locked_customer = customer;
	fake_run(world, &config);
	for (size_t i = 0; i < CUSTOMERS_COUNT; i++)
		assert_int_equal(count_entries(world, customers[i]), customers[i] == customer ? recorded : 6);
	assert_int_equal(world->parked_count, 6 - recorded);
	free_world(world);
}

static void what_cannot_be_written_parks_nobody(void **state)
{
	const struct config config = make_config();
	struct fake_world *world = make_world(2);
	struct failure failure = {0};

	(void)state;
	world->locked_customer = "d";
	world->is_disk_full = true;
	world->stop_at_refused_parks = 2;
	world->stops_count = 2;
	assert_int_equal(fake_run_once(world, &config, &failure), OUTCOME_OK);
	assert_int_equal(world->parked_count, 0);
	world->locked_customer = NULL;
	world->stop_at_refused_parks = 0;
	fake_run(world, &config);
	assert_entries(world, 3, "");
	assert_int_equal(world->parked_count, 0);
	free_world(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_customer_whose_lock_cannot_be_had_waits_alone),
		cmocka_unit_test(who_is_parked_stays_so_for_the_next_owner),
		cmocka_unit_test(a_recovery_parks_too_and_publishes_what_was_recorded),
		cmocka_unit_test(what_cannot_be_written_parks_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
