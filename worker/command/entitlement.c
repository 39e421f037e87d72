/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/command.h"
#include "drawdown/json_print.h"
#include "drawdown/options.h"
#include "drawdown/postgres.h"
#include "drawdown/terminal.h"
#include "sql_files.h"

static const struct postgres_statement get_entitlement = {
	"entitlement",
	"get_entitlement",
	sql_get_entitlement,
	{POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_BOOL,
		POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_NUMERIC, POSTGRES_TIMESTAMPTZ, POSTGRES_TEXT, POSTGRES_INT4,
		POSTGRES_INT8, POSTGRES_TIMESTAMPTZ},
};

#define ANYTHING (-CREDIT_MAX - 1) /* no amount comes to it */

struct question {
	const char *customer;
	const char *currency;
	const char *resource; /* or NULL */
	credit_t requested;   /* ANYTHING: more than 0 */
};

/* Texts point into the result. */
struct entitlement {
	credit_t balance, spendable, held, granted, consumed;
	bool is_granted;
	struct text reason; /* absent where granted */
	struct text over_limit;
	bool has_overdraft_limit;
	credit_t overdraft_limit;
	instant_t next_change_at; /* INSTANT_NONE: for good */
	struct text topic;	  /* absent: no input yet */
	int32_t partition;
	int64_t offset;
	instant_t event_time;
};

static enum outcome ask(
	struct postgres *postgres, const struct question *question, PGresult **ret_result, struct failure *reterr)
{
	struct postgres_params params;

	postgres_params_init(&params, postgres);
	postgres_put_text(postgres_add_value(&params), text_of(question->customer));
	postgres_put_text(postgres_add_value(&params), text_of(question->currency));
	postgres_put_text(postgres_add_value(&params), text_of(question->resource));
	if (question->requested != ANYTHING)
		postgres_put_credit(postgres_add_value(&params), question->requested);
	else
		postgres_put_null(postgres_add_value(&params));
	return postgres_query(postgres, &get_entitlement, &params, ret_result, reterr);
}

static enum outcome read_answer(const PGresult *result, struct entitlement *entitlement, struct failure *reterr)
{
	struct postgres_row row = {.result = result};

	entitlement->balance = postgres_get_credit(&row);
	entitlement->spendable = postgres_get_credit(&row);
	entitlement->held = postgres_get_credit(&row);
	entitlement->granted = postgres_get_credit(&row);
	entitlement->consumed = postgres_get_credit(&row);
	entitlement->is_granted = postgres_get_bool(&row);
	entitlement->reason = postgres_get_text(&row);
	entitlement->over_limit = postgres_get_text(&row);
	entitlement->has_overdraft_limit = !postgres_is_null(&row);
	entitlement->overdraft_limit = postgres_get_credit(&row);
	entitlement->next_change_at = postgres_get_instant(&row);
	entitlement->topic = postgres_get_text(&row);
	entitlement->partition = postgres_get_int32(&row);
	entitlement->offset = postgres_get_int64(&row);
	entitlement->event_time = postgres_get_instant(&row);
	if (row.corrupt)
		return fail(reterr, OUTCOME_FATAL, "entitlement", "an amount is beyond numeric(38,12)");
	return OUTCOME_OK;
}

static void print_json(const struct question *question, const struct entitlement *entitlement)
{
	struct json_printer json = {.out = stdout};

	json_begin(&json, NULL, '{');
	json_text(&json, "customerId", text_of(question->customer));
	json_text(&json, "currencyId", text_of(question->currency));
	json_text(&json, "resourceId", text_of(question->resource));
	if (question->requested != ANYTHING)
		json_credit(&json, "requestedAmount", question->requested);
	json_boolean(&json, "isGranted", entitlement->is_granted);
	json_text(&json, "reason", entitlement->reason);
	json_credit(&json, "balance", entitlement->balance);
	json_credit(&json, "spendable", entitlement->spendable);
	json_credit(&json, "held", entitlement->held);
	json_credit(&json, "granted", entitlement->granted);
	json_credit(&json, "consumed", entitlement->consumed);
	json_text(&json, "overLimit", entitlement->over_limit);
	if (entitlement->has_overdraft_limit)
		json_credit(&json, "overdraftLimit", entitlement->overdraft_limit);
	else
		json_raw(&json, "overdraftLimit", TEXT_NULL);
	json_instant(&json, "nextChangeAt", entitlement->next_change_at);
	if (entitlement->topic.data) {
		json_begin(&json, "freshness", '{');
		json_begin(&json, "input", '{');
		json_text(&json, "topic", entitlement->topic);
		json_integer(&json, "partition", entitlement->partition);
		json_integer(&json, "offset", entitlement->offset);
		json_end(&json, '}');
		json_instant(&json, "eventTime", entitlement->event_time);
		json_end(&json, '}');
	} else {
		json_raw(&json, "freshness", TEXT_NULL);
	}
	json_end(&json, '}');
	json_line(&json);
}

static void add_credit(struct table *table, credit_t amount)
{
	char text[CREDIT_TEXT_SIZE];
	table_cell(table, (struct text){text, credit_format(amount, text)});
}

/* "reject", "allow", "allow to -50" */
static void add_policy(struct table *table, const struct entitlement *entitlement)
{
	char limit[CREDIT_TEXT_SIZE];

	if (entitlement->has_overdraft_limit && text_equal(entitlement->over_limit, TEXT_LITERAL("allow"))) {
		(void)credit_format(-entitlement->overdraft_limit, limit);
		table_cell_format(table, "allow to %s", limit);
	} else {
		table_cell(table, entitlement->over_limit);
	}
}

static void print_table(const struct entitlement *entitlement)
{
	static const struct table_column columns[] = {
		{"GRANTED?", false},
		{"REASON", false},
		{"SPENDABLE", true},
		{"BALANCE", true},
		{"HELD", true},
		{"GRANTED", true},
		{"CONSUMED", true},
		{"OVER LIMIT", false},
		{"UNTIL", false},
		{"INCLUDES", false},
	};
	struct table table;
	char time[INSTANT_TEXT_SIZE];

	table_begin(&table, stdout, columns, sizeof columns / sizeof *columns);
	table_cell(&table, text_of(entitlement->is_granted ? "yes" : "no"));
	table_cell(&table, entitlement->reason);
	add_credit(&table, entitlement->spendable);
	add_credit(&table, entitlement->balance);
	add_credit(&table, entitlement->held);
	add_credit(&table, entitlement->granted);
	add_credit(&table, entitlement->consumed);
	add_policy(&table, entitlement);
	if (entitlement->next_change_at != INSTANT_NONE)
		table_cell(&table, (struct text){time, instant_format(entitlement->next_change_at, time)});
	else
		table_cell(&table, TEXT_NULL);
	if (entitlement->topic.data) {
		instant_format(entitlement->event_time, time);
		table_cell_format(&table, "%.*s [%d] offset %lld, event of %s", TEXT_ARGS(entitlement->topic),
			(int)entitlement->partition, (long long)entitlement->offset, time);
	} else {
		table_cell(&table, TEXT_NULL);
	}
	table_end(&table);
}

static int show(const struct options *options, const struct config *config, const struct question *question)
{
	const struct postgres_settings settings = {
		.url = config->database_url,
		.application_name = "drawdown entitlement",
		.statement_timeout = config->database_statement_timeout,
	};
	struct postgres postgres;
	struct entitlement entitlement;
	POSTGRES_RESULT result = NULL;
	struct failure failure = {0};

	postgres_init(&postgres, &settings);
	enum outcome outcome = postgres_connect(&postgres, &failure);
	if (outcome == OUTCOME_OK)
		outcome = ask(&postgres, question, &result, &failure);
	if (outcome == OUTCOME_OK)
		outcome = read_answer(result, &entitlement, &failure);
	postgres_release(&postgres);
	if (outcome != OUTCOME_OK)
		return options_failed(options, &failure);
	if (options->json)
		print_json(question, &entitlement);
	else
		print_table(&entitlement);
	return question->requested == ANYTHING || entitlement.is_granted ? EXIT_OK : EXIT_DIFFERENCE;
}

int command_entitlement(int argc, char **argv)
{
	struct question question = {.requested = ANYTHING};
	const struct command_argument arguments[] = {
		{"CUSTOMER", "whose credits", .text = &question.customer},
		{"CURRENCY", "which credits", .text = &question.currency},
	};
	const struct command_option table[] = {
		{"resource", "ID", "the sub-account of this resource instead of the unscoped one",
			.text = &question.resource},
		{"requested", "AMOUNT", "is this much granted? Where not: exit code 3 (is anything?)",
			.credit = &question.requested},
	};
	struct options options = {
		.command = "entitlement",
		.summary = "show what a customer may spend now",
		.details = "Reads the database through drawdown.get_credit_entitlement. SPENDABLE is what grants "
			   "cover: without\n"
			   "what is held, expired or unpaid. OVER LIMIT is what happens to usage beyond it. UNTIL is "
			   "the next\n"
			   "time at which the answer may change without an input; INCLUDES says how far the input has "
			   "been\n"
			   "taken into account. With --requested the exit code says whether that much is granted.",
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.arguments = arguments,
		.arguments_count = sizeof arguments / sizeof *arguments,
		.examples = {"drawdown entitlement acme ai-tokens --requested 1.5"},
		.exit_codes = EXIT_CODE_BIT(EXIT_DIFFERENCE),
		.config_needs = CONFIG_NEEDS_DATABASE,
		.prints_data = true,
	};
	struct config config;
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code))
		return exit_code;
	if (!text_is_customer_id(text_of(question.customer)))
		return options_error(&options, "CUSTOMER is not a customer id");
	if (!text_is_currency_id(text_of(question.currency)))
		return options_error(&options, "CURRENCY is not a currency id");
	if (question.requested != ANYTHING && question.requested <= 0)
		return options_error(&options, "--requested must be above 0");
	if (!options_load_config(&options, &config, &exit_code))
		return exit_code;
	exit_code = show(&options, &config, &question);
	config_release(&config);
	return exit_code;
}
