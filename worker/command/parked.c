/* SPDX-License-Identifier: Apache-2.0 */
#include "parked.h"

#include <string.h>

#include "drawdown/json_print.h"
#include "drawdown/options.h"
#include "drawdown/postgres.h"
#include "drawdown/terminal.h"
#include "sql_files.h"

static const struct postgres_statement parked_list = {
	"parked.list",
	"parked_list",
	sql_parked_list,
	{POSTGRES_TEXT, POSTGRES_INT8, POSTGRES_TIMESTAMPTZ, POSTGRES_TIMESTAMPTZ, POSTGRES_TEXT, POSTGRES_TEXT,
		POSTGRES_TEXT},
};

static void print_json(struct postgres_row *row)
{
	struct json_printer json = {.out = stdout};

	json_begin(&json, NULL, '{');
	json_text(&json, "customerId", postgres_get_text(row));
	json_integer(&json, "records", postgres_get_int64(row));
	json_instant(&json, "since", postgres_get_instant(row));
	json_instant(&json, "newest", postgres_get_instant(row));
	json_text(&json, "reason", postgres_get_text(row));
	json_text(&json, "first", postgres_get_text(row));
	json_text(&json, "last", postgres_get_text(row));
	json_end(&json, '}');
	json_line(&json);
}

static void add_row(struct table *table, struct postgres_row *row)
{
	char since[INSTANT_TEXT_SIZE];

	table_cell(table, postgres_get_text(row));
	table_cell_format(table, "%lld", (long long)postgres_get_int64(row));
	table_cell(table, (struct text){since, instant_format(postgres_get_instant(row), since)});
	postgres_skip(row);
	struct text reason = postgres_get_text(row);
	table_cell(table, postgres_get_text(row));
	table_cell(table, postgres_get_text(row));
	table_cell(table, reason);
}

static void print_all(const struct options *options, PGresult *result)
{
	static const struct table_column columns[] = {{"CUSTOMER", false}, {"RECORDS", true}, {"SINCE", false},
		{"FIRST", false}, {"LAST", false}, {"REASON", false}};
	struct table table;

	if (!options->json)
		table_begin(&table, stdout, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < postgres_rows(result); i++) {
		struct postgres_row row = {.result = result, .row = (int)i};
		if (options->json)
			print_json(&row);
		else
			add_row(&table, &row);
	}
	if (!options->json)
		table_end(&table);
}

static int list(const struct options *options, const struct config *config, const char *customer)
{
	const struct postgres_settings settings = {
		.url = config->database_url,
		.application_name = "drawdown parked",
		.statement_timeout = config->database_statement_timeout,
	};
	struct postgres postgres;
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;
	struct failure failure = {0};

	postgres_init(&postgres, &settings);
	enum outcome outcome = postgres_connect(&postgres, &failure);
	if (outcome == OUTCOME_OK) {
		postgres_params_init(&params, &postgres);
		postgres_put_text(postgres_add_value(&params), text_of(customer));
		outcome = postgres_query(&postgres, &parked_list, &params, &result, &failure);
	}
	postgres_release(&postgres);
	if (outcome != OUTCOME_OK)
		return options_failed(options, &failure);
	print_all(options, result);
	return EXIT_OK;
}

int command_parked_list(int argc, char **argv)
{
	const char *customer = NULL;
	const struct command_option table[] = {
		{"customer", "ID", "only this one", .text = &customer},
	};
	struct options options = {
		.command = "parked list",
		.summary = "customers whose records wait, and why",
		.table = table,
		.table_count = 1,
		.examples = {"drawdown parked list", "drawdown parked list --customer acme --json"},
		.config_needs = CONFIG_NEEDS_DATABASE,
		.prints_data = true,
	};
	struct config config;
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code))
		return exit_code;
	if (customer && !text_is_customer_id(text_of(customer)))
		return options_error(&options, "--customer is not a customer id");
	if (!options_load_config(&options, &config, &exit_code))
		return exit_code;
	exit_code = list(&options, &config, customer);
	config_release(&config);
	return exit_code;
}

/* ---- list, release ---- */

int command_parked(int argc, char **argv)
{
	static const struct {
		const char *name;
		command_function *function;
	} actions[] = {
		{"list", command_parked_list},
		{"release", command_parked_release},
	};
	static const char *const names[] = {"list", "release", NULL};
	const char *action = NULL;
	const struct command_argument arguments[] = {
		{"ACTION", "what to do", .text = &action, .choices = names},
	};
	struct options options = {
		.command = "parked",
		.summary = "list and release customers whose records wait",
		.details = "  list     who is parked, since when, and why\n"
			   "  release  hand the records of a customer in again, in order, until none waits\n"
			   "A customer is parked whose records made the database refuse those of others: a lock that\n"
			   "somebody keeps, a row that a constraint refuses. Each has more options: drawdown parked\n"
			   "release --help",
		.arguments = arguments,
		.arguments_count = 1,
		.examples = {"drawdown parked list", "drawdown parked release acme --execute"},
		.no_config = true,
	};
	int exit_code;

	for (size_t i = 0; argc > 1 && i < sizeof actions / sizeof *actions; i++)
		if (strcmp(argv[1], actions[i].name) == 0)
			return actions[i].function(argc - 1, argv + 1);
	(void)options_parse(&options, argc, argv, &exit_code);
	return exit_code;
}
