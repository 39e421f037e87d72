/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdlib.h>

#include "drawdown/json_print.h"
#include "verify.h"

void report_init(struct verify_report *report, size_t limit)
{
	*report = (struct verify_report){.limit = limit, .receipts_from = INSTANT_NONE};
	arena_init(&report->arena, 16 * 1024);
	report->differences = arena_zero_array(&report->arena, limit, sizeof *report->differences);
}

void report_release(struct verify_report *report)
{
	free(report->currencies);
	arena_release(&report->arena);
}

static void add(struct verify_report *report, const struct account_key *account, struct text expected,
	struct text found, struct text what)
{
	struct arena *arena = &report->arena;

	report->differences_count++;
	if (report->kept == report->limit)
		return;
	report->differences[report->kept++] = (struct difference){
		.customer_id = arena_copy(arena, account->customer_id),
		.currency_id = arena_copy(arena, account->currency_id),
		.resource_id = arena_copy(arena, account->resource_id),
		.what = arena_copy(arena, what),
		.expected = arena_copy(arena, expected),
		.found = arena_copy(arena, found),
	};
}

__attribute__((format(printf, 3, 0))) static struct text format_what(
	char *text, size_t size, const char *format, va_list arguments)
{
	int written = vsnprintf(text, size, format, arguments);
	return (struct text){text, (size_t)written < size ? (size_t)written : size - 1};
}

void report_difference(struct verify_report *report, const struct account_key *account, struct text expected,
	struct text found, const char *format, ...)
{
	char what[512];
	va_list arguments;

	va_start(arguments, format);
	add(report, account, expected, found, format_what(what, sizeof what, format, arguments));
	va_end(arguments);
}

void report_integers(struct verify_report *report, const struct account_key *account, int64_t expected, int64_t found,
	const char *format, ...)
{
	char what[512], texts[2][24];
	va_list arguments;

	(void)snprintf(texts[0], sizeof texts[0], "%lld", (long long)expected);
	(void)snprintf(texts[1], sizeof texts[1], "%lld", (long long)found);
	va_start(arguments, format);
	add(report, account, text_of(texts[0]), text_of(texts[1]), format_what(what, sizeof what, format, arguments));
	va_end(arguments);
}

void report_credits(struct verify_report *report, const struct account_key *account, credit_t expected, credit_t found,
	const char *format, ...)
{
	char what[512], texts[2][CREDIT_TEXT_SIZE];
	va_list arguments;

	credit_format(expected, texts[0]);
	credit_format(found, texts[1]);
	va_start(arguments, format);
	add(report, account, text_of(texts[0]), text_of(texts[1]), format_what(what, sizeof what, format, arguments));
	va_end(arguments);
}

void report_rows(struct verify_report *report, const PGresult *result)
{
	for (int i = 0; i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		const struct account_key account = verify_get_account(&row);
		struct text what = postgres_get_text(&row);
		struct text expected = postgres_get_text(&row);
		add(report, &account, expected, postgres_get_text(&row), what);
	}
}

/* A handful of currencies: kept in order, found by halving. */
struct currency_totals *report_currency(struct verify_report *report, struct text currency_id)
{
	size_t low = 0, high = report->currencies_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = text_compare(report->currencies[middle].currency_id, currency_id);
		if (order == 0)
			return &report->currencies[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (report->currencies_count == report->currencies_capacity) {
		size_t capacity = report->currencies_capacity ? report->currencies_capacity * 2 : 16;
		struct currency_totals *grown = reallocarray(report->currencies, capacity, sizeof *grown);
		if (!grown)
			abort();
		report->currencies = grown;
		report->currencies_capacity = capacity;
	}
	memmove(report->currencies + low + 1, report->currencies + low,
		(report->currencies_count - low) * sizeof *report->currencies);
	report->currencies_count++;
	report->currencies[low] = (struct currency_totals){.currency_id = arena_copy(&report->arena, currency_id)};
	return &report->currencies[low];
}

static void put_sum(struct json_printer *json, const char *name, const struct currency_totals *totals, credit_t sum)
{
	if (totals->is_beyond)
		json_raw(json, name, TEXT_NULL);
	else
		json_credit(json, name, sum);
}

static void print_currencies_json(struct json_printer *json, const struct verify_report *report)
{
	json_begin(json, "currencies", '[');
	for (size_t i = 0; i < report->currencies_count; i++) {
		const struct currency_totals *totals = &report->currencies[i];
		json_begin(json, NULL, '{');
		json_text(json, "currencyId", totals->currency_id);
		json_integer(json, "accounts", totals->accounts);
		json_integer(json, "entries", totals->entries);
		put_sum(json, "balance", totals, totals->balance);
		put_sum(json, "held", totals, totals->held);
		put_sum(json, "granted", totals, totals->granted);
		put_sum(json, "consumed", totals, totals->consumed);
		json_end(json, '}');
	}
	json_end(json, ']');
}

static void print_json(const struct verify_report *report)
{
	struct json_printer json = {.out = stdout};

	json_begin(&json, NULL, '{');
	json_boolean(&json, "sound", report->differences_count == 0);
	json_integer(&json, "accounts", report->accounts);
	json_integer(&json, "entries", report->entries);
	json_integer(&json, "receipts", report->receipts);
	json_instant(&json, "receiptsFrom", report->receipts_from);
	print_currencies_json(&json, report);
	if (report->has_topic) {
		json_begin(&json, "topic", '{');
		json_integer(&json, "messages", report->messages);
		json_integer(&json, "takenByRetention", report->taken);
		json_integer(&json, "notYetPublished", report->unpublished);
		json_end(&json, '}');
	}
	json_integer(&json, "differencesCount", report->differences_count);
	json_begin(&json, "differences", '[');
	for (size_t i = 0; i < report->kept; i++) {
		const struct difference *difference = &report->differences[i];
		json_begin(&json, NULL, '{');
		json_text(&json, "customerId", difference->customer_id);
		json_text(&json, "currencyId", difference->currency_id);
		json_text(&json, "resourceId", difference->resource_id);
		json_text(&json, "what", difference->what);
		json_text(&json, "expected", difference->expected);
		json_text(&json, "found", difference->found);
		json_end(&json, '}');
	}
	json_end(&json, ']');
	json_end(&json, '}');
	json_line(&json);
}

static void print_differences(const struct verify_report *report)
{
	static const struct table_column columns[] = {
		{"ACCOUNT", false},
		{"WHAT", false},
		{"EXPECTED", false},
		{"FOUND", false},
	};
	struct table table;

	table_begin(&table, stdout, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < report->kept; i++) {
		const struct difference *difference = &report->differences[i];
		if (!difference->customer_id.data)
			table_cell(&table, TEXT_NULL);
		else
			table_cell_format(&table, "%.*s/%.*s%s%.*s", TEXT_ARGS(difference->customer_id),
				TEXT_ARGS(difference->currency_id), difference->resource_id.size ? "/" : "",
				TEXT_ARGS(difference->resource_id));
		table_cell(&table, difference->what);
		table_cell(&table, difference->expected);
		table_cell(&table, difference->found);
	}
	table_end(&table);
	if ((int64_t)report->kept < report->differences_count)
		printf("and %lld more\n", (long long)(report->differences_count - (int64_t)report->kept));
	printf("\n");
}

static void add_sum(struct table *table, const struct currency_totals *totals, credit_t sum)
{
	char text[CREDIT_TEXT_SIZE];

	if (totals->is_beyond)
		table_cell(table, TEXT_NULL);
	else
		table_cell(table, (struct text){text, credit_format(sum, text)});
}

static void print_currencies(const struct verify_report *report)
{
	static const struct table_column columns[] = {
		{"CURRENCY", false},
		{"ACCOUNTS", true},
		{"ENTRIES", true},
		{"BALANCE", true},
		{"HELD", true},
		{"GRANTED", true},
		{"CONSUMED", true},
	};
	struct table table;

	if (report->currencies_count == 0)
		return;
	table_begin(&table, stdout, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < report->currencies_count; i++) {
		const struct currency_totals *totals = &report->currencies[i];
		table_cell(&table, totals->currency_id);
		table_cell_format(&table, "%lld", (long long)totals->accounts);
		table_cell_format(&table, "%lld", (long long)totals->entries);
		add_sum(&table, totals, totals->balance);
		add_sum(&table, totals, totals->held);
		add_sum(&table, totals, totals->granted);
		add_sum(&table, totals, totals->consumed);
	}
	table_end(&table);
}

static void print_text(const struct verify_report *report)
{
	if (report->differences_count)
		print_differences(report);
	print_currencies(report);
	printf("%lld accounts, %lld entries, %lld receipts", (long long)report->accounts, (long long)report->entries,
		(long long)report->receipts);
	if (report->receipts_from != INSTANT_NONE) {
		char text[INSTANT_TEXT_SIZE];
		instant_format(report->receipts_from, text);
		printf(" (of records since %s; older ones were dropped)", text);
	}
	printf("\n");
	if (report->has_topic)
		printf("%lld messages in the ledger topic; retention has taken %lld entries, %lld are not yet "
		       "published\n",
			(long long)report->messages, (long long)report->taken, (long long)report->unpublished);
	if (report->differences_count)
		printf("%lld differences\n", (long long)report->differences_count);
	else
		printf("the books are sound\n");
}

void report_print(const struct verify_report *report, bool json)
{
	if (json)
		print_json(report);
	else
		print_text(report);
}
