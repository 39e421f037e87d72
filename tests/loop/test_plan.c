/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: `bench --plan` calculates what tests/bench/GROWTH.md says.
 * Method: round figures, and what they come to worked out by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <math.h>
#include <string.h>

#include "../../worker/bench/bench_plan.h"
#include "../../worker/bench/plan_model.h"
#include "capture.h"
#include "drawdown/arena.h"
#include "drawdown/json_tree.h"
#include "drawdown/outcome.h"

#include <cmocka.h>

static const struct plan_figures round_figures = {
	.bytes_per_receipt = 200,
	.bytes_per_receipt_index = 100,
	.bytes_per_ledger_entry = 300,
	.bytes_per_ledger_entry_index = 50,
	.bytes_per_account = 1000,
	.bytes_per_account_index = 100,
	.bytes_per_grant = 150,
	.bytes_per_grant_index = 50,
	.wal_bytes_per_event = 1000,
	.wal_bytes_per_page = 4000,
	.kafka_bytes_per_input = 50,
	.kafka_bytes_per_entry = 80,
	.worker_us_per_event = 2,
	.postgres_us_per_event = 22,
	.postgres_us_per_generation = 3,
	.postgres_us_per_entry = 5,
	.replica_events_per_s = 1000,
	.worker_bytes = 1e8,
	.wal_bytes_per_s = 1e8,
	.reads_per_s = 10000,
	.database_bytes = 1e16,
	.busy_share = 0.5,
	.cache_share = 0.5,
};

/* 500 receipts a second, 43.2 million a day. */
static const struct plan_need round_need = {
	.events_per_s = 1000,
	.peak = 3,
	.customers = 1e6,
	.window_days = 10,
	.generation_days = 10,
	.retention_days = 100,
	.topic_days = 7,
	.duplicates_share = 0.5,
	.entries = 2,
	.grants = 3,
	.checkpoint_s = 100,
	.cores = 10,
	.memory = 100e9,
};

/* To one in a thousand. */
#define assert_near(actual, expected) assert_near_at(actual, expected, __FILE__, __LINE__)
static void assert_near_at(double actual, double expected, const char *file, int line)
{
	if (fabs(actual - expected) <= fabs(expected) / 1000)
		return;
	print_error("%g is not %g\n", actual, expected);
	_fail(file, line);
}

static void workers_are_for_the_peak_and_one_more(void **state)
{
	struct plan plan;

	(void)state;
	plan_make(&round_need, &round_figures, &plan);
	assert_near(plan.peak_per_s, 3000);
	assert_int_equal(plan.replicas, 4);
	assert_int_equal(plan.partitions, 16);
	assert_near(plan.worker_cores, 0.012);
	assert_near(plan.worker_memory, 4e8);
	assert_near(plan.kafka_input, 4.32e9);
	assert_near(plan.kafka_ledger, 43.2e6 * 2 * 80);
	assert_near(plan.dead_letter_days, 2);
}

static void partitions_have_a_least_and_a_most(void **state)
{
	struct plan_need need = round_need;
	struct plan plan;

	(void)state;
	need.events_per_s = 1;
	plan_make(&need, &round_figures, &plan);
	assert_int_equal(plan.replicas, 2);
	assert_int_equal(plan.partitions, 8);
	need.events_per_s = 1e6;
	plan_make(&need, &round_figures, &plan);
	assert_int_equal(plan.partitions, 256);
}

static void receipts_stay_for_the_window_and_a_generation(void **state)
{
	struct plan_need need = round_need;
	struct plan plan;

	(void)state;
	plan_make(&need, &round_figures, &plan);
	assert_near(plan.generations, 3); /* 10 days, an hour, 10 days */
	assert_near(plan.receipts, 865.8e6);
	assert_near(plan.receipts_size, 259.74e9);
	assert_near(plan.index_newest, 43.2e9);
	assert_near(plan.index_all, 86.58e9);

	need.window_days = 1; /* but the newest two generations stay */
	plan_make(&need, &round_figures, &plan);
	assert_near(plan.generations, 2);
	assert_near(plan.receipts, 864e6);
}

static void tables_grow_with_events_and_customers(void **state)
{
	struct plan plan;

	(void)state;
	plan_make(&round_need, &round_figures, &plan);
	assert_near(plan.ledger_day, 30.24e9);
	assert_near(plan.ledger_size, 3.024e12);
	assert_near(plan.accounts_size, 1.7e9);
	assert_near(plan.database_size, 259.74e9 + 3024e9 + 1.7e9);
	assert_near(plan.memory_written, (1.1e9 + 43.2e9) * 2);
	assert_near(plan.memory_all, (1.1e9 + 86.58e9) * 2);
}

/* 122,070 pages of accounts, 5,273,438 of receipts' keys, 52,734,375 of the ledger's: 50,000 changes between two
 * checkpoints meet 41,026 + 49,764 + 49,976 of them. */
static void the_log_holds_pages_in_full_after_a_checkpoint(void **state)
{
	struct plan_need need = round_need;
	struct plan plan;

	(void)state;
	plan_make(&need, &round_figures, &plan);
	assert_near(plan.wal_day, (500 * 1000 + 140766 * 4000 / 100.0) * 86400);
	assert_near(plan.wal_peak, 16860834);

	need.checkpoint_s = 1e9; /* never */
	plan_make(&need, &round_figures, &plan);
	assert_near(plan.wal_peak, 1500.0 * 1000 + (122070 + 5273438 + 52734375) * (4000 / 1e9));
}

static void one_postgres_ends_at_the_first_of_its_limits(void **state)
{
	struct plan_need need = round_need;
	struct plan plan;

	(void)state;
	plan_make(&need, &round_figures, &plan);
	assert_near(plan.postgres_us, 22 + 2 * 3 + 5);
	assert_near(plan.postgres_cores, 3000 * 33 / 1e6 / 0.5);
	assert_near(plan.limits[PLAN_CPU], 10 * 0.5 * 1e6 / 33);
	assert_near(plan.limits[PLAN_WAL], 21284);
	/* 49 GB hold 56.6 % of the index: 43.4 % of three look-ups an event read */
	assert_near(plan.reads_peak, 3000 * 3 * (1 - 49 / 86.58));
	assert_near(plan.limits[PLAN_READS], 5031);
	assert_int_equal(plan.limit, PLAN_READS);
	assert_int_equal(plan.databases, 1);

	need.events_per_s = 10000; /* 90,000 look-ups at peak, nearly all read */
	plan_make(&need, &round_figures, &plan);
	assert_int_equal(plan.databases, ceil(9.0 * (1 - 49 / 865.8)));
	assert_near(plan.limits[PLAN_READS], 5031);
}

/* 1.7 GB of accounts, and 3.28 GB for each event a second. */
static void a_ledger_that_is_kept_fills_the_disks(void **state)
{
	struct plan_figures figures = round_figures;
	struct plan plan;

	(void)state;
	figures.database_bytes = 2e12;
	plan_make(&round_need, &figures, &plan);
	assert_int_equal(plan.limit, PLAN_DISK);
	assert_near(plan.limits[PLAN_DISK], (2000 - 1.7) / 3.28374 * 3);
	assert_int_equal(plan.databases, 2);
}

static void a_database_in_memory_reads_nothing(void **state)
{
	struct plan_need need = round_need;
	struct plan plan;

	(void)state;
	need.memory = 200e9;
	plan_make(&need, &round_figures, &plan);
	assert_true(plan.reads_peak == 0);
	assert_int_equal(plan.limit, PLAN_READS); /* as its index outgrows the memory */
	assert_true(plan.limits[PLAN_READS] > plan.peak_per_s);
}

/* Long ones cost fewer look-ups, short ones let go of their index sooner. */
static void the_generation_is_that_which_carries_most(void **state)
{
	struct plan_figures figures = round_figures;
	struct plan_need need = round_need;
	struct plan plan;

	(void)state;
	need.generation_days = 0;
	figures.reads_per_s = 1e12;
	figures.wal_bytes_per_s = 1e18;
	plan_make(&need, &figures, &plan);
	assert_near(plan.generation_days, 7);
	assert_int_equal(plan.limit, PLAN_CPU);

	figures = round_figures;
	figures.reads_per_s = 1; /* all must be in memory */
	plan_make(&need, &figures, &plan);
	assert_true(plan.generation_days < 1);
	assert_int_equal(plan.limit, PLAN_READS);
}

static void a_window_shorter_than_the_inputs_is_told(void **state)
{
	struct plan_need need = round_need;
	struct plan plan;

	(void)state;
	need.topic_days = 10;
	plan_make(&need, &round_figures, &plan);
	assert_true(plan.dead_letter_days < 0);
	need.topic_days = 0.25; /* segments are not longer than the retention */
	plan_make(&need, &round_figures, &plan);
	assert_near(plan.dead_letter_days, 9.5);
}

static void figures_are_set_by_name(void **state)
{
	struct plan_figures figures = plan_figures_standard;

	(void)state;
	assert_true(plan_figure_set(&figures, "bytes_per_receipt=100.5"));
	assert_true(figures.bytes_per_receipt == 100.5);
	assert_true(plan_figure_set(&figures, "wal_bytes_per_s=1e9"));
	assert_true(figures.wal_bytes_per_s == 1e9);
	static const char *const wrong[] = {"", "bytes_per_receipt", "bytes_per_receipt=", "bytes_per=1",
		"bytes_per_receipts=1", "bytes_per_receipt=x", "bytes_per_receipt=1x", "bytes_per_receipt=0",
		"bytes_per_receipt=-1", "bytes_per_receipt=inf", "=1"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_false(plan_figure_set(&figures, wrong[i]));
	assert_true(figures.bytes_per_receipt == 100.5);
}

/* ---- the command ---- */

static struct capture capture;

static int run(char **arguments)
{
	int count = 0;

	while (arguments[count])
		count++;
	capture_begin(&capture);
	int exit_code = command_bench_plan(count, arguments);
	capture_end(&capture);
	return exit_code;
}
#define RUN(...) run((char *[]){(char[]){"bench"}, (char[]){"--plan"}, __VA_ARGS__, NULL})
#define ARGUMENT(text) ((char[]){text})

static const struct json_node *member(const struct json_node *object, const char *name)
{
	const struct json_node *found = json_tree_find(object, text_of(name));
	if (!found)
		fail_msg("no member %s", name);
	return found;
}

static double number_of(const struct json_node *object, const char *name)
{
	return strtod(member(object, name)->text.data, NULL);
}

static void json_says_what_was_asked_planned_and_taken_for_granted(void **state)
{
	struct arena arena;
	struct plan plan;
	struct plan_need need = {
		.events_per_s = 20000,
		.peak = 2,
		.customers = 5e6,
		.window_days = 14,
		.retention_days = 30,
		.topic_days = 7,
		.entries = 1,
		.grants = 4,
		.checkpoint_s = 900,
		.cores = 32,
		.memory = 64e9,
	};
	struct plan_figures figures = plan_figures_standard;

	(void)state;
	assert_int_equal(
		RUN(ARGUMENT("--events-per-second=20000"), ARGUMENT("--customers=5000000"),
			ARGUMENT("--window-days=14"), ARGUMENT("--retention-days=30"), ARGUMENT("--memory-gb=64"),
			ARGUMENT("--figure=bytes_per_receipt=100"), ARGUMENT("--json")),
		EXIT_OK);
	arena_init(&arena, 1 << 16);
	const struct json_node *root = json_tree_parse(text_of(capture.out), &arena);
	assert_non_null(root);
	figures.bytes_per_receipt = 100;
	plan_make(&need, &figures, &plan);
	const struct json_node *planned = member(root, "plan");
	assert_near(number_of(planned, "replicas"), (double)plan.replicas);
	assert_near(number_of(planned, "database_bytes"), plan.database_size);
	assert_near(number_of(planned, "wal_bytes_per_day"), plan.wal_day);
	assert_near(number_of(planned, "dedupe_index_bytes"), plan.index_all);
	assert_near(number_of(member(planned, "one_postgres_ends_at"), "cpu"), plan.limits[PLAN_CPU]);
	assert_near(number_of(member(root, "need"), "window_days"), 14);
	assert_near(number_of(member(member(root, "figures"), "bytes_per_receipt"), "value"), 100);
	for (size_t i = 0; i < plan_figure_count; i++)
		(void)member(member(member(root, "figures"), plan_figure_table[i].name), "source");
	arena_release(&arena);
}

static void people_read_settings_that_the_configuration_takes(void **state)
{
	(void)state;
	assert_int_equal(RUN(ARGUMENT("--events-per-second"), ARGUMENT("1000"), ARGUMENT("--customers"),
				 ARGUMENT("1000000"), ARGUMENT("--generation-days"), ARGUMENT("7")),
		EXIT_OK);
	assert_non_null(strstr(capture.out, "1,000 events/s on average, 2,000 at peak, 1,000,000 customers"));
	assert_non_null(strstr(capture.out, "\n  dedupe.window = 30d\n  dedupe.generation = 7d\n"));
	assert_non_null(strstr(capture.out, "\n  topics.dead-letters.retention = 22d\n"));
	assert_non_null(strstr(capture.out, "\none PostgreSQL ends\n"));
}

static void what_makes_no_sense_is_refused(void **state)
{
	(void)state;
	assert_int_equal(RUN(ARGUMENT("--events-per-second=1")), EXIT_USAGE);
	assert_int_equal(RUN(ARGUMENT("--events-per-second=0"), ARGUMENT("--customers=1")), EXIT_USAGE);
	assert_string_equal(capture.err, "drawdown bench: --events-per-second and --customers must be above 0\n"
					 "hint: see drawdown bench --help\n");
	assert_int_equal(
		RUN(ARGUMENT("--events-per-second=1"), ARGUMENT("--customers=1"), ARGUMENT("--peak=0.5")), EXIT_USAGE);
	assert_int_equal(RUN(ARGUMENT("--events-per-second=1"), ARGUMENT("--customers=1"), ARGUMENT("--duplicates=1")),
		EXIT_USAGE);
	assert_int_equal(
		RUN(ARGUMENT("--events-per-second=1"), ARGUMENT("--customers=1"), ARGUMENT("--figure=bytes=1")),
		EXIT_USAGE);
	assert_non_null(strstr(capture.err, "--figure bytes=1: not NAME=VALUE of a figure"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_are_for_the_peak_and_one_more),
		cmocka_unit_test(partitions_have_a_least_and_a_most),
		cmocka_unit_test(receipts_stay_for_the_window_and_a_generation),
		cmocka_unit_test(tables_grow_with_events_and_customers),
		cmocka_unit_test(the_log_holds_pages_in_full_after_a_checkpoint),
		cmocka_unit_test(one_postgres_ends_at_the_first_of_its_limits),
		cmocka_unit_test(a_ledger_that_is_kept_fills_the_disks),
		cmocka_unit_test(a_database_in_memory_reads_nothing),
		cmocka_unit_test(the_generation_is_that_which_carries_most),
		cmocka_unit_test(a_window_shorter_than_the_inputs_is_told),
		cmocka_unit_test(figures_are_set_by_name),
		cmocka_unit_test(json_says_what_was_asked_planned_and_taken_for_granted),
		cmocka_unit_test(people_read_settings_that_the_configuration_takes),
		cmocka_unit_test(what_makes_no_sense_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
