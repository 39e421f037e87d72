/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a stop that comes while the loop rewinds publishes nothing behind the
 * batch that the rewind has dropped: it would commit offsets past it.
 * Method: three batches of one account. The second cannot be published (the
 * group does not know us); the third is durable, but its lane has not reported
 * yet, when the stop comes. A second worker must find all that is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "drawdown/log.h"
#include "drawdown/metrics.h"
#include "fakes.h"

#include <cmocka.h>

static char usage_topic[] = "credits.usage", commands_topic[] = "credits.commands";
static struct fake_world world;
static struct store real_store;
static struct source real_source;
static struct publish real_publish;
static atomic_uint commits_count, sends_count;
static atomic_bool is_told_to_stop;

static void await_condition(bool (*holds)(void))
{
	for (int i = 0; i < 60000 && !holds(); i++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	if (!holds())
		abort();
}

static bool is_third_durable(void)
{
	return atomic_load(&commits_count) >= 3;
}

static bool is_stopping(void)
{
	return atomic_load(&is_told_to_stop);
}

static enum outcome commit_and_linger(void *self, size_t lane, struct failure *reterr)
{
	enum outcome outcome = real_store.commit(self, lane, reterr);
	if (atomic_fetch_add(&commits_count, 1) + 1 == 3)
		await_condition(is_stopping);
	return outcome;
}

static enum outcome send_and_lose_the_second(void *self, const struct batch *batch, struct failure *reterr)
{
	if (atomic_fetch_add(&sends_count, 1) + 1 != 2)
		return real_publish.send(self, batch, reterr);
	await_condition(is_third_durable);
	*reterr = (struct failure){.outcome = OUTCOME_REWIND, .where = "publish.send", .text = "planted"};
	return OUTCOME_REWIND;
}

static enum outcome poll_and_stop_in_rewind(void *self, struct batch *batch, size_t records_max, size_t bytes_max,
	int wait_ms, enum source_signal *ret_signal, struct failure *reterr)
{
	if (metrics_state() == WORKER_REWINDING && !atomic_exchange(&is_told_to_stop, true))
		worker_stop(world.worker);
	return real_source.poll(self, batch, records_max, bytes_max, wait_ms, ret_signal, reterr);
}

static void append_usage(int number)
{
	char value[160];
	snprintf(value, sizeof value,
		"{\"customerId\":\"acme\",\"currencyId\":\"tokens\",\"amount\":1,\"idempotencyKey\":\"u%d\"}", number);
	fake_append(&world, INPUT_USAGE, "acme", 1700000000000LL + number, value);
}

static void a_stop_in_a_rewind_publishes_nothing_behind_what_was_dropped(void **state)
{
	struct config config = {
		.database_lanes = 1,
		.input_topics = {usage_topic, commands_topic},
		.batch_records_max = 3,
		.batch_entries_max = 1000,
		.batch_bytes_max = 1 << 20,
		.encoding = {.format = FORMAT_JSON, .input_topics = {usage_topic, commands_topic}},
		.rules = {.dedupe_window = 30 * INSTANT_DAY,
			.future_tolerance = 300 * INSTANT_SECOND,
			.grants_open_max = 1000,
			.holds_open_max = 1000,
			.currencies_open = true},
	};
	struct failure failure = {0};

	(void)state;
	log_configure(LOG_ERROR, false);
	fake_world_init(&world);
	for (int i = 1; i <= 9; i++)
		append_usage(i);
	real_store = world.store;
	real_source = world.source;
	real_publish = world.publish;
	world.store.commit = commit_and_linger;
	world.source.poll = poll_and_stop_in_rewind;
	world.publish.send = send_and_lose_the_second;
	world.stop_at_poll = 1000000;
	assert_int_equal(fake_run_once(&world, &config, &failure), OUTCOME_OK);
	assert_true(is_stopping());

	char *first = fake_read(&world, OUTPUT_LEDGER, NULL);
	assert_non_null(strstr(first, "\"seq\":3,"));
	assert_null(strstr(first, "\"seq\":4,"));
	assert_null(strstr(first, "\"seq\":7,"));
	free(first);

	world.stop_at_poll = 0;
	fake_run(&world, &config);
	char *all = fake_read(&world, OUTPUT_LEDGER, NULL);
	const char *at = all;
	for (int seq = 1; seq <= 9; seq++) {
		char expected[32];
		snprintf(expected, sizeof expected, "\"seq\":%d,", seq);
		at = strstr(at, expected);
		assert_non_null(at);
	}
	assert_null(strstr(at + 1, "\"seq\":"));
	free(all);
	fake_world_release(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stop_in_a_rewind_publishes_nothing_behind_what_was_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
