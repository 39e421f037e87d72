/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/command.h"
#include "drawdown/json_print.h"
#include "drawdown/options.h"
#include "drawdown/postgres.h"
#include "drawdown/terminal.h"
#include "sql_files.h"

#define LIMIT_STANDARD 50
#define LIMIT_MAX 100000

static const struct postgres_statement read_ledger = {
	"ledger",
	"read_ledger",
	sql_read_ledger,
	{POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_INT8, POSTGRES_TEXT, POSTGRES_NUMERIC, POSTGRES_TEXT,
		POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_TEXT, POSTGRES_NUMERIC, POSTGRES_INT8,
		POSTGRES_INT8, POSTGRES_TEXT, POSTGRES_TIMESTAMPTZ, POSTGRES_TIMESTAMPTZ, POSTGRES_JSON, POSTGRES_TEXT,
		POSTGRES_INT4, POSTGRES_INT8},
};

struct selection {
	const char *customer;
	const char *currency; /* or NULL: all */
	const char *resource; /* or NULL: all, and the unscoped account */
	int64_t from_seq;     /* 0: the newest */
	int64_t limit;
};

/* A row as readers see it; texts point into the result. */
struct line {
	struct text entry_id, currency_id, resource_id;
	int64_t seq;
	struct text event_type;
	credit_t amount;
	struct text grant_id;
	credit_t grant_remaining, balance_before, balance_after;
	struct text idempotency_key;
	bool has_requested;
	credit_t requested_amount;
	int64_t first_seq, last_seq;
	struct text outcome;
	instant_t event_time, recorded_at;
	struct text dimensions;
	struct text source_topic;
	int32_t source_partition;
	int64_t source_offset;
};

static enum outcome select_entries(
	struct postgres *postgres, const struct selection *selection, PGresult **ret_result, struct failure *reterr)
{
	struct postgres_params params;

	postgres_params_init(&params, postgres);
	postgres_put_text(postgres_add_value(&params), text_of(selection->customer));
	postgres_put_text(postgres_add_value(&params), text_of(selection->currency));
	postgres_put_text(postgres_add_value(&params), text_of(selection->resource));
	if (selection->from_seq)
		postgres_put_int64(postgres_add_value(&params), selection->from_seq);
	else
		postgres_put_null(postgres_add_value(&params));
	postgres_put_int64(postgres_add_value(&params), selection->limit);
	return postgres_query(postgres, &read_ledger, &params, ret_result, reterr);
}

static struct line read_line(const PGresult *result, int index)
{
	struct postgres_row row = {.result = result, .row = index};
	struct line line;

	line.entry_id = postgres_get_text(&row);
	line.currency_id = postgres_get_text(&row);
	line.resource_id = postgres_get_text(&row);
	line.seq = postgres_get_int64(&row);
	line.event_type = postgres_get_text(&row);
	line.amount = postgres_get_credit(&row);
	line.grant_id = postgres_get_text(&row);
	line.grant_remaining = postgres_get_credit(&row);
	line.balance_before = postgres_get_credit(&row);
	line.balance_after = postgres_get_credit(&row);
	line.idempotency_key = postgres_get_text(&row);
	line.has_requested = !postgres_is_null(&row);
	line.requested_amount = postgres_get_credit(&row);
	line.first_seq = postgres_get_int64(&row);
	line.last_seq = postgres_get_int64(&row);
	line.outcome = postgres_get_text(&row);
	line.event_time = postgres_get_instant(&row);
	line.recorded_at = postgres_get_instant(&row);
	line.dimensions = postgres_get_text(&row);
	line.source_topic = postgres_get_text(&row);
	line.source_partition = postgres_get_int32(&row);
	line.source_offset = postgres_get_int64(&row);
	return line;
}

/* The fields of credits.ledger. */
static void print_json(const struct selection *selection, const struct line *line)
{
	struct json_printer json = {.out = stdout};

	json_begin(&json, NULL, '{');
	json_text(&json, "entryId", line->entry_id);
	json_text(&json, "customerId", text_of(selection->customer));
	json_text(&json, "currencyId", line->currency_id);
	json_text(&json, "resourceId", line->resource_id);
	json_integer(&json, "seq", line->seq);
	json_text(&json, "eventType", line->event_type);
	json_credit(&json, "amount", line->amount);
	json_text(&json, "grantId", line->grant_id);
	json_credit(&json, "grantRemaining", line->grant_remaining);
	json_credit(&json, "balanceBefore", line->balance_before);
	json_credit(&json, "balanceAfter", line->balance_after);
	json_text(&json, "idempotencyKey", line->idempotency_key);
	if (line->has_requested)
		json_credit(&json, "requestedAmount", line->requested_amount);
	else
		json_raw(&json, "requestedAmount", TEXT_NULL);
	json_integer(&json, "firstSeq", line->first_seq);
	json_integer(&json, "lastSeq", line->last_seq);
	json_text(&json, "outcome", line->outcome);
	json_instant(&json, "eventTime", line->event_time);
	json_instant(&json, "recordedAt", line->recorded_at);
	json_raw(&json, "dimensions", line->dimensions);
	json_begin(&json, "source", '{');
	json_text(&json, "topic", line->source_topic);
	json_integer(&json, "partition", line->source_partition);
	json_integer(&json, "offset", line->source_offset);
	json_end(&json, '}');
	json_end(&json, '}');
	json_line(&json);
}

static void add_row(struct table *table, const struct line *line)
{
	char time[INSTANT_TEXT_SIZE], amount[CREDIT_TEXT_SIZE], balance[CREDIT_TEXT_SIZE];

	table_cell(table, (struct text){time, instant_format(line->recorded_at, time)});
	if (line->resource_id.data)
		table_cell_format(table, "%.*s/%.*s", TEXT_ARGS(line->currency_id), TEXT_ARGS(line->resource_id));
	else
		table_cell(table, line->currency_id);
	table_cell_format(table, "%lld", (long long)line->seq);
	table_cell(table, line->event_type);
	table_cell(table, (struct text){amount, credit_format(line->amount, amount)});
	table_cell(table, (struct text){balance, credit_format(line->balance_after, balance)});
	table_cell(table, line->grant_id);
	table_cell(table, line->idempotency_key);
}

static void print_all(const struct selection *selection, const PGresult *result, bool json)
{
	static const struct table_column columns[] = {
		{"RECORDED AT", false},
		{"ACCOUNT", false},
		{"SEQ", true},
		{"EVENT", false},
		{"AMOUNT", true},
		{"BALANCE", true},
		{"GRANT", false},
		{"KEY", false},
	};
	struct table table;

	if (!json)
		table_begin(&table, stdout, columns, sizeof columns / sizeof *columns);
	for (int i = 0; i < PQntuples(result); i++) {
		const struct line line = read_line(result, i);
		if (json)
			print_json(selection, &line);
		else
			add_row(&table, &line);
	}
	if (!json)
		table_end(&table);
}

static int show(const struct options *options, const struct config *config, const struct selection *selection)
{
	const struct postgres_settings settings = {
		.url = config->database_url,
		.application_name = "drawdown ledger",
		.statement_timeout = config->database_statement_timeout,
	};
	struct postgres postgres;
	POSTGRES_RESULT result = NULL;
	struct failure failure = {0};

	postgres_init(&postgres, &settings);
	enum outcome outcome = postgres_connect(&postgres, &failure);
	if (outcome == OUTCOME_OK)
		outcome = select_entries(&postgres, selection, &result, &failure);
	postgres_release(&postgres);
	if (outcome != OUTCOME_OK)
		return options_failed(options, &failure);
	print_all(selection, result, options->json);
	return EXIT_OK;
}

int command_ledger(int argc, char **argv)
{
	struct selection selection = {.limit = LIMIT_STANDARD};
	const struct command_argument arguments[] = {
		{"CUSTOMER", "whose ledger", .text = &selection.customer},
		{"CURRENCY", "only entries in this currency", .optional = true, .text = &selection.currency},
	};
	const struct command_option table[] = {
		{"resource", "ID", "only entries of this resource's sub-account", .text = &selection.resource},
		{"limit", "N", "at most so many entries (default 50)", .integer = &selection.limit, .min = 1,
			.max = LIMIT_MAX},
		{"from-seq", "N", "begin at this sequence number of each account (default: the newest entries)",
			.integer = &selection.from_seq, .min = 1, .max = INT64_MAX - LIMIT_MAX},
	};
	struct options options = {
		.command = "ledger",
		.summary = "show a customer's ledger entries, oldest first",
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.arguments = arguments,
		.arguments_count = sizeof arguments / sizeof *arguments,
		.examples = {"drawdown ledger acme", "drawdown ledger acme ai-tokens --from-seq 1 --limit 100 --json"},
		.config_needs = CONFIG_NEEDS_DATABASE,
		.prints_data = true,
	};
	struct config config;
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code))
		return exit_code;
	if (!text_is_customer_id(text_of(selection.customer)))
		return options_error(&options, "CUSTOMER is not a customer id");
	if (selection.currency && !text_is_currency_id(text_of(selection.currency)))
		return options_error(&options, "CURRENCY is not a currency id");
	if (!options_load_config(&options, &config, &exit_code))
		return exit_code;
	exit_code = show(&options, &config, &selection);
	config_release(&config);
	return exit_code;
}
