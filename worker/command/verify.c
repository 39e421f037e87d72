/* SPDX-License-Identifier: Apache-2.0 */
#include "verify.h"

#include <stdlib.h>

#include "drawdown/command.h"
#include "sql_files.h"

#define LIMIT_STANDARD 20
#define LIMIT_MAX 100000
/* Nobody waits for its statements; those that read all receipts of a customer may take a while. */
#define STATEMENT_TIMEOUT (600 * INSTANT_SECOND)

static const struct postgres_statement read_totals = {
	"verify.totals",
	"verify_totals",
	sql_verify_totals,
	{POSTGRES_INT8, POSTGRES_INT8},
};

/* For the bar; of one customer nothing is known. */
static enum outcome estimate(
	struct verify *verify, uint64_t *ret_entries, uint64_t *ret_receipts, struct failure *reterr)
{
	POSTGRES_RESULT result = NULL;

	*ret_entries = *ret_receipts = 0;
	enum outcome outcome = postgres_query(&verify->postgres, &read_totals, NULL, &result, reterr);
	if (outcome != OUTCOME_OK || verify->customer)
		return outcome;
	struct postgres_row row = {.result = result};
	*ret_entries = (uint64_t)postgres_get_int64(&row);
	*ret_receipts = (uint64_t)postgres_get_int64(&row);
	return OUTCOME_OK;
}

static enum outcome verify_database(struct verify *verify, struct failure *reterr)
{
	uint64_t entries, receipts;

	enum outcome outcome = estimate(verify, &entries, &receipts, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	progress_begin(&verify->progress, "entries", entries);
	outcome = verify_books(verify, reterr);
	if (outcome == OUTCOME_OK)
		outcome = verify_late_runs(verify, reterr);
	progress_end(&verify->progress);
	if (outcome != OUTCOME_OK)
		return outcome;
	progress_begin(&verify->progress, "receipts", receipts);
	outcome = verify_receipts(verify, reterr);
	progress_end(&verify->progress);
	return outcome;
}

static int run(struct verify *verify, size_t limit, bool with_topic)
{
	const struct postgres_settings settings = {
		.url = verify->config->database_url,
		.application_name = "drawdown verify",
		.lock_timeout = verify->config->database_lock_timeout,
		.statement_timeout = STATEMENT_TIMEOUT,
		.idle_timeout = verify->config->database_idle_timeout,
		.index_lookups_only = true,
	};
	struct failure failure = {0};
	int exit_code;

	report_init(&verify->report, limit);
	arena_init(&verify->late_arena, 1 << 16);
	verify->late_runs = calloc(VERIFY_LATE_RUNS_MAX, sizeof *verify->late_runs);
	if (!verify->late_runs)
		abort();
	postgres_init(&verify->postgres, &settings);
	enum outcome outcome = postgres_connect(&verify->postgres, &failure);
	if (outcome == OUTCOME_OK)
		outcome = verify_database(verify, &failure);
	if (outcome == OUTCOME_OK && with_topic)
		outcome = verify_topic(verify, &failure);
	postgres_release(&verify->postgres);
	if (outcome != OUTCOME_OK) {
		exit_code = options_failed(verify->options, &failure);
	} else {
		report_print(&verify->report, verify->options->json);
		exit_code = verify->report.differences_count ? EXIT_DIFFERENCE : EXIT_OK;
	}
	report_release(&verify->report);
	arena_release(&verify->late_arena);
	free(verify->late_runs);
	return exit_code;
}

int command_verify(int argc, char **argv)
{
	struct verify verify = {.wait = 30 * INSTANT_SECOND};
	int64_t limit = LIMIT_STANDARD;
	bool with_topic = false;
	const struct command_option table[] = {
		{"customer", "ID", "only this customer's books", .text = &verify.customer},
		{"topic", NULL, "also compare the ledger topic, read committed, with the database",
			.flag = &with_topic},
		{"wait", "TIME", "how long the topic may show nothing new before its end (30s)",
			.duration = &verify.wait},
		{"limit", "N", "list at most so many differences (20)", .integer = &limit, .min = 1, .max = LIMIT_MAX},
	};
	struct options options = {
		.command = "verify",
		.summary = "prove the books: entries, accounts, grants, holds, receipts",
		.details = "Reads the tables with a worker's rights while workers go on; nothing waits for it. Checked "
			   "is what was\ncommitted when an account's turn came. With --topic: how far the inputs' "
			   "committed offsets say that\nthe ledger is published; what retention has taken from the "
			   "topic's start is counted, not missed.",
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.examples = {"drawdown verify", "drawdown verify --topic --json", "drawdown verify --customer acme"},
		.exit_codes = EXIT_CODE_BIT(EXIT_DIFFERENCE),
		.config_needs = CONFIG_NEEDS_DATABASE,
		.prints_data = true,
	};
	struct config config;
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code))
		return exit_code;
	if (verify.customer && !text_is_customer_id(text_of(verify.customer)))
		return options_error(&options, "--customer is not a customer id");
	if (with_topic)
		options.config_needs = CONFIG_NEEDS_ALL;
	if (!options_load_config(&options, &config, &exit_code))
		return exit_code;
	verify.options = &options;
	verify.config = &config;
	exit_code = run(&verify, (size_t)limit, with_topic);
	config_release(&config);
	return exit_code;
}
