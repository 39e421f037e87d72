/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_plan.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "drawdown/json_print.h"
#include "drawdown/options.h"
#include "drawdown/terminal.h"
#include "plan_model.h"

#define QUANTITY_SIZE 32
#define LINE_SIZE 160

static const char *const limit_names[PLAN_LIMIT_COUNT] = {
	[PLAN_CPU] = "cpu",
	[PLAN_WAL] = "wal",
	[PLAN_READS] = "reads",
	[PLAN_DISK] = "disk",
};

/* ---- for people ---- */

/* "12,345,678" */
static const char *format_count(double value, char text[QUANTITY_SIZE])
{
	char digits[QUANTITY_SIZE];
	size_t size, written = 0;

	if (!isfinite(value) || value > 1e15)
		return "-";
	size = (size_t)snprintf(digits, sizeof digits, "%.0f", value);
	for (size_t i = 0; i < size; i++) {
		if (i > 0 && (size - i) % 3 == 0 && digits[i - 1] != '-')
			text[written++] = ',';
		text[written++] = digits[i];
	}
	text[written] = '\0';
	return text;
}

/* Powers of 1000. */
static const char *format_bytes(double value, char text[QUANTITY_SIZE])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	size_t unit = 0;

	while (value >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
		value /= 1000;
		unit++;
	}
	(void)snprintf(text, QUANTITY_SIZE, value < 9.95 && unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return text;
}

/* As the configuration takes it. */
static const char *format_days(double days, char text[QUANTITY_SIZE])
{
	if (days == floor(days))
		(void)snprintf(text, QUANTITY_SIZE, "%.0fd", days);
	else
		(void)snprintf(text, QUANTITY_SIZE, "%.0fh", floor(days * 24));
	return text;
}

static void print_heading(const char *heading)
{
	(void)printf("\n%s\n", heading);
}

__attribute__((format(printf, 3, 4))) static void print_row(
	const char *name, const char *value, const char *format, ...)
{
	char more[LINE_SIZE];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(more, sizeof more, format, arguments);
	va_end(arguments);
	(void)printf("  %-26s %14s   %s\n", name, value, more);
}

static void print_workers(const struct plan_need *need, const struct plan *plan)
{
	char text[QUANTITY_SIZE], more[QUANTITY_SIZE];

	print_heading("workers and Kafka");
	print_row("replicas", format_count((double)plan->replicas, text), "one of them a spare");
	(void)snprintf(text, sizeof text, "%.1f", plan->worker_cores);
	print_row("cores, all replicas", text, "at peak");
	print_row("memory, all replicas", format_bytes(plan->worker_memory, text), "at most, at any backlog");
	print_row("partitions", format_count((double)plan->partitions, text),
		"of each input, and of what is keyed by customer; choose once");
	print_row("inputs", format_bytes(plan->kafka_input, text), "a day, %s kept, times the replication factor",
		format_bytes(plan->kafka_input * need->topic_days, more));
	print_row("ledger topic", format_bytes(plan->kafka_ledger, text), "a day, times the replication factor");
}

static void print_database(const struct plan_need *need, const struct plan *plan)
{
	char text[QUANTITY_SIZE], more[QUANTITY_SIZE];

	print_heading("PostgreSQL");
	print_row("receipts", format_bytes(plan->receipts_size, text), "%s rows in at most %.0f generations",
		format_count(plan->receipts, more), plan->generations);
	print_row("ledger", format_bytes(plan->ledger_day, text), "a day, %s in %.0f days",
		format_bytes(plan->ledger_size, more), need->retention_days);
	print_row("accounts and grants", format_bytes(plan->accounts_size, text), "of %s customers",
		format_count(need->customers, more));
	print_row("database", format_bytes(plan->database_size, text), "all of it, when it has its age");
	print_row("WAL", format_bytes(plan->wal_day, text), "a day; %s/s at peak", format_bytes(plan->wal_peak, more));
	print_row("dedupe index", format_bytes(plan->index_newest, text), "of the newest generation; %s of all",
		format_bytes(plan->index_all, more));
	print_row("memory", format_bytes(plan->memory_written, text),
		"for what events write to; %s and none reads from disk", format_bytes(plan->memory_all, more));
	(void)snprintf(text, sizeof text, "%.1f", plan->postgres_cores);
	print_row("cores", text, "at peak, %.1f us an event", plan->postgres_us);
	print_row("reads", format_count(plan->reads_peak, text), "a second at peak, at most");
}

static void print_settings(const struct plan_need *need, const struct plan *plan)
{
	char text[QUANTITY_SIZE];

	print_heading("settings");
	(void)printf("  dedupe.window = %s\n", format_days(need->window_days, text));
	(void)printf("  dedupe.generation = %s\n", format_days(plan->generation_days, text));
	(void)printf("  topics.partitions = %lld\n", (long long)plan->partitions);
	(void)printf("  topics.retention = %s\n", format_days(need->topic_days, text));
	if (plan->dead_letter_days > 0)
		(void)printf("  topics.dead-letters.retention = %s\n", format_days(plan->dead_letter_days, text));
	else
		(void)printf(
			"  the window is too short: an input may come again for longer; raise --window-days or lower "
			"--topic-days\n");
}

static void print_limit(const struct plan_need *need, const struct plan *plan)
{
	static const char *const names[PLAN_LIMIT_COUNT] = {
		[PLAN_CPU] = "its cores",
		[PLAN_WAL] = "its log",
		[PLAN_READS] = "reads from its disks",
		[PLAN_DISK] = "room on its disks",
	};
	char text[QUANTITY_SIZE], more[QUANTITY_SIZE];

	print_heading("one PostgreSQL ends");
	for (int limit = 0; limit < PLAN_LIMIT_COUNT; limit++)
		print_row(names[limit], format_count(plan->limits[limit], text), "events/s at peak%s",
			limit == (int)plan->limit ? ": the first" : "");
	print_row("databases", format_count((double)plan->databases, text), "for %s events/s at peak%s",
		format_count(need->events_per_s * need->peak, more),
		plan->databases > 1 ? ", customers split over them" : "");
}

static void print_plan(const struct plan_need *need, const struct plan *plan)
{
	char rate[QUANTITY_SIZE], peak[QUANTITY_SIZE], customers[QUANTITY_SIZE];

	(void)printf("%s events/s on average, %s at peak, %s customers, a window of %g days\n",
		format_count(need->events_per_s, rate), format_count(plan->peak_per_s, peak),
		format_count(need->customers, customers), need->window_days);
	print_workers(need, plan);
	print_database(need, plan);
	print_settings(need, plan);
	print_limit(need, plan);
	(void)printf("\nThis is arithmetic over figures of small machines (--json shows them, --figure sets them): "
		     "measure before you buy.\n");
}

/* ---- for programs ---- */

static void json_number(struct json_printer *json, const char *name, double value)
{
	char text[QUANTITY_SIZE];

	(void)snprintf(text, sizeof text, "%.10g", value);
	json_raw(json, name, isfinite(value) ? text_of(text) : TEXT_NULL);
}

static void json_need(struct json_printer *json, const struct plan_need *need)
{
	json_begin(json, "need", '{');
	json_number(json, "events_per_s", need->events_per_s);
	json_number(json, "peak", need->peak);
	json_number(json, "customers", need->customers);
	json_number(json, "window_days", need->window_days);
	json_number(json, "retention_days", need->retention_days);
	json_number(json, "topic_days", need->topic_days);
	json_number(json, "duplicates_share", need->duplicates_share);
	json_number(json, "entries", need->entries);
	json_number(json, "grants", need->grants);
	json_number(json, "checkpoint_s", need->checkpoint_s);
	json_number(json, "cores", need->cores);
	json_number(json, "memory", need->memory);
	json_end(json, '}');
}

static void json_figures(struct json_printer *json, const struct plan_figures *figures)
{
	json_begin(json, "figures", '{');
	for (size_t i = 0; i < plan_figure_count; i++) {
		const struct plan_figure *figure = &plan_figure_table[i];
		json_begin(json, figure->name, '{');
		json_number(json, "value", plan_figure_value(figures, figure));
		json_text(json, "unit", text_of(figure->unit));
		json_text(json, "source", text_of(figure->source));
		json_end(json, '}');
	}
	json_end(json, '}');
}

static void json_plan(struct json_printer *json, const struct plan *plan)
{
	json_begin(json, "plan", '{');
	json_number(json, "peak_per_s", plan->peak_per_s);
	json_integer(json, "replicas", plan->replicas);
	json_integer(json, "partitions", plan->partitions);
	json_number(json, "worker_cores", plan->worker_cores);
	json_number(json, "worker_memory", plan->worker_memory);
	json_number(json, "kafka_input_bytes_per_day", plan->kafka_input);
	json_number(json, "kafka_ledger_bytes_per_day", plan->kafka_ledger);
	json_number(json, "dead_letter_days", plan->dead_letter_days);
	json_number(json, "generation_days", plan->generation_days);
	json_number(json, "generations", plan->generations);
	json_number(json, "receipts", plan->receipts);
	json_number(json, "receipts_bytes", plan->receipts_size);
	json_number(json, "dedupe_index_newest_bytes", plan->index_newest);
	json_number(json, "dedupe_index_bytes", plan->index_all);
	json_number(json, "ledger_bytes_per_day", plan->ledger_day);
	json_number(json, "ledger_bytes", plan->ledger_size);
	json_number(json, "accounts_bytes", plan->accounts_size);
	json_number(json, "database_bytes", plan->database_size);
	json_number(json, "wal_bytes_per_day", plan->wal_day);
	json_number(json, "wal_bytes_per_s_at_peak", plan->wal_peak);
	json_number(json, "memory_written_bytes", plan->memory_written);
	json_number(json, "memory_bytes", plan->memory_all);
	json_number(json, "postgres_us_per_event", plan->postgres_us);
	json_number(json, "postgres_cores", plan->postgres_cores);
	json_number(json, "reads_per_s_at_peak", plan->reads_peak);
	json_begin(json, "one_postgres_ends_at", '{');
	for (int limit = 0; limit < PLAN_LIMIT_COUNT; limit++)
		json_number(json, limit_names[limit], plan->limits[limit]);
	json_text(json, "first", text_of(limit_names[plan->limit]));
	json_end(json, '}');
	json_integer(json, "databases", plan->databases);
	json_end(json, '}');
}

static void print_json(const struct plan_need *need, const struct plan_figures *figures, const struct plan *plan)
{
	struct json_printer json = {.out = stdout};

	json_begin(&json, NULL, '{');
	json_need(&json, need);
	json_plan(&json, plan);
	json_figures(&json, figures);
	json_end(&json, '}');
	json_line(&json);
}

/* ---- the command line ---- */

/* What is wrong with it, or NULL. */
static const char *find_fault(const struct plan_need *need)
{
	if (need->events_per_s <= 0 || need->customers < 1)
		return "--events-per-second and --customers must be above 0";
	if (need->peak < 1)
		return "--peak must be at least 1";
	if (need->window_days <= 0 || need->topic_days <= 0)
		return "--window-days and --topic-days must be above 0";
	if (need->duplicates_share >= 1)
		return "--duplicates must be below 1";
	if (need->cores <= 0 || need->memory <= 0 || need->checkpoint_s <= 0)
		return "--cores, --memory-gb and --checkpoint-minutes must be above 0";
	return NULL;
}

static bool set_figures(const struct options *options, const struct option_list *settings, struct plan_figures *figures)
{
	for (size_t i = 0; i < settings->count; i++) {
		if (plan_figure_set(figures, settings->values[i]))
			continue;
		(void)options_error(options, "--figure %s: not NAME=VALUE of a figure (--json lists them), above 0",
			settings->values[i]);
		return false;
	}
	return true;
}

int command_bench_plan(int argc, char **argv)
{
	struct plan_need need = {
		.peak = 2,
		.window_days = 30,
		.retention_days = 365,
		.topic_days = 7,
		.entries = 1,
		.grants = 4,
		.cores = 32,
	};
	struct plan_figures figures = plan_figures_standard;
	struct option_list settings = {0};
	double memory_gb = 128, checkpoint_minutes = 15;
	bool is_plan = true;
	const struct command_option table[] = {
		{"plan", NULL, "measure nothing, say what an installation of this size needs", .flag = &is_plan},
		{"events-per-second", "N", "mean rate of a day", .required = true, .number = &need.events_per_s},
		{"customers", "N", "how many customers", .required = true, .number = &need.customers},
		{"peak", "F", "the busiest hour's rate as a multiple of the mean (2)", .number = &need.peak},
		{"window-days", "N", "dedupe.window (30)", .number = &need.window_days},
		{"generation-days", "N", "dedupe.generation (with which one PostgreSQL carries most)",
			.number = &need.generation_days},
		{"retention-days", "N", "how long the ledger stays in PostgreSQL (365)",
			.number = &need.retention_days},
		{"topic-days", "N", "topics.retention (7)", .number = &need.topic_days},
		{"duplicates", "SHARE", "share of events that come again, 0 to below 1 (0)",
			.number = &need.duplicates_share},
		{"entries", "N", "ledger entries an event: the grants that it spans (1)", .number = &need.entries},
		{"grants", "N", "grants that a customer was ever given (4)", .number = &need.grants},
		{"cores", "N", "of the database's machine (32)", .number = &need.cores},
		{"memory-gb", "N", "of the database's machine (128)", .number = &memory_gb},
		{"checkpoint-minutes", "N", "checkpoint_timeout (15)", .number = &checkpoint_minutes},
		{"figure", "NAME=VALUE", "calculate with another figure; repeatable", .list = &settings},
	};
	struct options options = {
		.command = "bench",
		.summary = "plan an installation",
		.details =
			"Arithmetic over figures that were measured, and what they come to: tests/bench/GROWTH.md has "
			"the\nformulae, tests/bench/sizes.sh measures sizes anew. Sizes are powers of 1000.",
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.examples = {"drawdown bench --plan --events-per-second 20000 --customers 5000000"},
		.no_config = true,
		.prints_data = true,
	};
	struct plan plan;
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code))
		return exit_code;
	need.memory = memory_gb * 1e9;
	need.checkpoint_s = checkpoint_minutes * 60;
	const char *fault = find_fault(&need);
	if (fault)
		return options_error(&options, "%s", fault);
	if (!set_figures(&options, &settings, &figures))
		return EXIT_USAGE;
	plan_make(&need, &figures, &plan);
	if (options.json)
		print_json(&need, &figures, &plan);
	else
		print_plan(&need, &plan);
	return EXIT_OK;
}
