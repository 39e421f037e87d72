/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "drawdown/command.h"
#include "drawdown/json_print.h"
#include "drawdown/postgres.h"
#include "drawdown/setting_options.h"
#include "drawdown/terminal.h"
#include "drawdown/units.h"
#include "sql_files.h"

#define GRACE_MAX (3660 * 24 * 3600 * INSTANT_SECOND) /* drawdown.currency checks it too */
#define LABEL_CHARACTERS_MAX 255
#define NOT_GIVEN (-1)
#define NO_LIMIT (-CREDIT_ONE) /* to set_currency.sql */

static const struct postgres_statement set_currency = {"currency.set", "set_currency", sql_set_currency, {0}};
static const struct postgres_statement list_currencies = {
	"currency.list",
	"list_currencies",
	sql_list_currencies,
	{POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_INT8, POSTGRES_TEXT, POSTGRES_NUMERIC, POSTGRES_JSON},
};

/* What is not given stays as it is. */
struct change {
	const char *currency_id; /* NULL: list all */
	const char *display_name;
	const char *units;
	int64_t grace;
	struct setting_options settings;
	/* by check_change */
	credit_t overdraft_limit;
	bool has_overdraft_limit;
	struct text thresholds; /* JSON, or absent */
};

/* A row; texts point into the result and the arena. */
struct line {
	struct text currency_id, display_name, units;
	int64_t grace;
	struct text over_limit;
	bool has_overdraft_limit;
	credit_t overdraft_limit;
	struct thresholds thresholds;
};

/* ---- what is asked ---- */

static bool is_label(const char *label)
{
	size_t characters_count;

	return text_is_printable(text_of(label), &characters_count) && characters_count <= LABEL_CHARACTERS_MAX;
}

/* What is wrong with the limit, or NULL. */
static const char *check_limit(struct change *change)
{
	const char *limit = change->settings.overdraft_limit;

	if (!limit)
		return NULL;
	change->has_overdraft_limit = true;
	change->overdraft_limit = NO_LIMIT;
	if (strcmp(limit, "none") == 0)
		return NULL;
	if (credit_parse(text_of(limit), &change->overdraft_limit) != CREDIT_PARSED || change->overdraft_limit < 0)
		return "--overdraft-limit is an amount, 0 or more, or none";
	return NULL;
}

/* The thresholds as the engine will read them, so that what it could not read is never stored. */
static const char *check_thresholds(struct change *change, struct arena *arena)
{
	struct thresholds thresholds;
	const char *reason;
	char *text;
	size_t size;

	if (!setting_options_has_thresholds(&change->settings))
		return NULL;
	struct json_printer json = {.out = open_memstream(&text, &size)};
	if (!json.out)
		abort();
	setting_options_add_thresholds(&json, NULL, &change->settings);
	if (fclose(json.out) != 0)
		abort();
	const struct text given = arena_copy(arena, (struct text){text, size});
	free(text);
	if (!thresholds_parse(given, arena, &thresholds, &reason))
		return reason;
	change->thresholds = thresholds_format(&thresholds, arena);
	return NULL;
}

static const char *check_change(struct change *change, struct arena *arena)
{
	if (change->display_name && !is_label(change->display_name))
		return "--display-name is at most 255 printable characters";
	if (change->units && !is_label(change->units))
		return "--units is at most 255 printable characters";
	if (change->grace > GRACE_MAX)
		return "--grace is at most 3660d";
	const char *wrong = setting_options_check(&change->settings);
	if (!wrong)
		wrong = check_limit(change);
	return wrong ? wrong : check_thresholds(change, arena);
}

static bool is_given(const struct change *change)
{
	return change->display_name || change->units || change->grace != NOT_GIVEN || change->settings.over_limit ||
	       change->settings.overdraft_limit || change->settings.hysteresis >= 0 ||
	       setting_options_has_thresholds(&change->settings);
}

/* ---- the database ---- */

static enum outcome store(struct postgres *postgres, const struct change *change, struct failure *reterr)
{
	struct postgres_params params;

	postgres_params_init(&params, postgres);
	postgres_put_text(postgres_add_value(&params), text_of(change->currency_id));
	postgres_put_text(postgres_add_value(&params), text_of(change->display_name));
	postgres_put_text(postgres_add_value(&params), text_of(change->units));
	if (change->grace != NOT_GIVEN)
		postgres_put_int64(postgres_add_value(&params), change->grace);
	else
		postgres_put_null(postgres_add_value(&params));
	postgres_put_text(postgres_add_value(&params), text_of(change->settings.over_limit));
	if (change->has_overdraft_limit)
		postgres_put_credit(postgres_add_value(&params), change->overdraft_limit);
	else
		postgres_put_null(postgres_add_value(&params));
	postgres_put_text(postgres_add_value(&params), change->thresholds);
	enum outcome outcome = postgres_query(postgres, &set_currency, &params, NULL, reterr);
	if (outcome != OUTCOME_OK && strcmp(postgres->sqlstate, "42501") == 0)
		fail_hint(reterr,
			"setting currencies takes the role drawdown_operator or the schema's owner: name it in "
			"database.url, by --set or DRAWDOWN_DATABASE_URL");
	return outcome;
}

static enum outcome list(
	struct postgres *postgres, const char *currency_id, PGresult **ret_result, struct failure *reterr)
{
	struct postgres_params params;

	arena_reset(&postgres->scratch);
	postgres_params_init(&params, postgres);
	postgres_put_text(postgres_add_value(&params), text_of(currency_id));
	return postgres_query(postgres, &list_currencies, &params, ret_result, reterr);
}

static enum outcome read_line(
	const PGresult *result, int index, struct arena *arena, struct line *line, struct failure *reterr)
{
	struct postgres_row row = {.result = result, .row = index};
	const char *reason;

	line->currency_id = postgres_get_text(&row);
	line->display_name = postgres_get_text(&row);
	line->units = postgres_get_text(&row);
	line->grace = postgres_get_int64(&row);
	line->over_limit = postgres_get_text(&row);
	line->has_overdraft_limit = !postgres_is_null(&row);
	line->overdraft_limit = postgres_get_credit(&row);
	const struct text thresholds = postgres_get_text(&row);
	line->thresholds = (struct thresholds){0};
	if (thresholds.data && !thresholds_parse(thresholds, arena, &line->thresholds, &reason))
		return fail(reterr, OUTCOME_FATAL, "currency.list", "thresholds of %.*s in drawdown.currency: %s",
			TEXT_ARGS(line->currency_id), reason);
	return OUTCOME_OK;
}

/* ---- printing ---- */

static void print_json(const struct line *line, struct arena *arena)
{
	struct json_printer json = {.out = stdout};
	char grace[UNITS_TEXT_SIZE];

	units_format_duration(line->grace, grace);
	json_begin(&json, NULL, '{');
	json_text(&json, "currencyId", line->currency_id);
	json_text(&json, "displayName", line->display_name);
	json_text(&json, "units", line->units);
	json_text(&json, "grace", text_of(grace));
	json_text(&json, "overLimit", line->over_limit);
	if (line->has_overdraft_limit)
		json_credit(&json, "overdraftLimit", line->overdraft_limit);
	else
		json_raw(&json, "overdraftLimit", TEXT_NULL);
	json_raw(&json, "thresholds", thresholds_format(&line->thresholds, arena));
	json_end(&json, '}');
	json_line(&json);
}

/* "100 (10%), 20% (5%)" */
static void add_thresholds(struct table *table, const struct thresholds *thresholds)
{
	char *text, level[CREDIT_TEXT_SIZE];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	for (size_t i = 0; i < thresholds->count; i++) {
		const struct threshold *threshold = &thresholds->items[i];
		if (threshold->is_percent)
			(void)snprintf(level, sizeof level, "%d%%", (int)threshold->percent);
		else
			(void)credit_format(threshold->amount, level);
		(void)fprintf(out, "%s%s (%d%%)", i ? ", " : "", level, (int)threshold->hysteresis);
	}
	if (fclose(out) != 0)
		abort();
	table_cell(table, size ? (struct text){text, size} : TEXT_NULL);
	free(text);
}

static void add_row(struct table *table, const struct line *line)
{
	char grace[UNITS_TEXT_SIZE], limit[CREDIT_TEXT_SIZE];

	units_format_duration(line->grace, grace);
	table_cell(table, line->currency_id);
	table_cell(table, line->over_limit);
	table_cell(table, line->has_overdraft_limit ? (struct text){limit, credit_format(line->overdraft_limit, limit)}
						    : TEXT_NULL);
	table_cell(table, text_of(grace));
	add_thresholds(table, &line->thresholds);
	table_cell(table, line->display_name);
	table_cell(table, line->units);
}

static enum outcome print_all(const PGresult *result, bool json, struct arena *arena, struct failure *reterr)
{
	static const struct table_column columns[] = {
		{"CURRENCY", false},
		{"OVER LIMIT", false},
		{"OVERDRAFT LIMIT", true},
		{"GRACE", true},
		{"THRESHOLDS (HYSTERESIS)", false},
		{"NAME", false},
		{"UNITS", false},
	};
	struct table table;
	enum outcome outcome = OUTCOME_OK;

	if (!json)
		table_begin(&table, stdout, columns, sizeof columns / sizeof *columns);
	for (int i = 0; i < PQntuples(result) && outcome == OUTCOME_OK; i++) {
		struct line line;
		outcome = read_line(result, i, arena, &line, reterr);
		if (outcome == OUTCOME_OK && json)
			print_json(&line, arena);
		else if (outcome == OUTCOME_OK)
			add_row(&table, &line);
	}
	if (!json)
		table_end(&table);
	return outcome;
}

/* ---- all of it ---- */

static int run(const struct options *options, const struct config *config, const struct change *change, bool sets,
	struct arena *arena)
{
	const struct postgres_settings settings = {
		.url = config->database_url,
		.application_name = "drawdown currency",
		.lock_timeout = config->database_lock_timeout,
		.statement_timeout = config->database_statement_timeout,
	};
	struct postgres postgres;
	POSTGRES_RESULT result = NULL;
	struct failure failure = {0};

	postgres_init(&postgres, &settings);
	enum outcome outcome = postgres_connect(&postgres, &failure);
	if (outcome == OUTCOME_OK && sets)
		outcome = store(&postgres, change, &failure);
	if (outcome == OUTCOME_OK)
		outcome = list(&postgres, change->currency_id, &result, &failure);
	postgres_release(&postgres);
	if (outcome == OUTCOME_OK)
		outcome = print_all(result, options->json, arena, &failure);
	return outcome == OUTCOME_OK ? EXIT_OK : options_failed(options, &failure);
}

int command_currency(int argc, char **argv)
{
	static const char *const actions[] = {"set", "list", NULL};
	const char *action = NULL;
	struct change change = {.grace = NOT_GIVEN, .settings = SETTING_OPTIONS_INIT};
	const struct command_option table[] = {
		SETTING_OPTIONS(change.settings),
		{"grace", "TIME", "how long a grant that has expired still pays usage from before, such as 12h",
			.duration = &change.grace},
		{"display-name", "TEXT", "what people call it; '' for none", .text = &change.display_name},
		{"units", "TEXT", "what it counts, such as tokens; '' for none", .text = &change.units},
	};
	const struct command_argument arguments[] = {
		{"ACTION", "what to do", .text = &action, .choices = actions},
		{"CURRENCY", "which one; list without it: all", .optional = true, .text = &change.currency_id},
	};
	struct options options = {
		.command = "currency",
		.summary = "show or change the settings of currencies",
		.details =
			"  set   changes what is given, the rest stays; a currency without settings begins with the\n"
			"        defaults: allow, no limit (--overdraft-limit none), grace 0, no thresholds\n"
			"  list  the currencies that have settings; the others go by the defaults\n"
			"The workers go by it from their next batch on. 'set' takes a database.url of the role\n"
			"drawdown_operator, or the schema's owner; that of workers may only read.",
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.arguments = arguments,
		.arguments_count = sizeof arguments / sizeof *arguments,
		.examples = {"drawdown currency set ai-tokens --over-limit reject --grace 12h --threshold 20%",
			"drawdown currency list --json"},
		.config_needs = CONFIG_NEEDS_DATABASE,
		.prints_data = true,
	};
	struct config config;
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code))
		return exit_code;
	bool sets = strcmp(action, "set") == 0;
	if (change.currency_id && !text_is_currency_id(text_of(change.currency_id)))
		return options_error(&options, "CURRENCY is not a currency id");
	if (sets && !change.currency_id)
		return options_error(&options, "CURRENCY is missing");
	if (!sets && is_given(&change))
		return options_error(&options, "list takes no settings");
	struct arena arena;
	arena_init(&arena, 1 << 12);
	const char *wrong = check_change(&change, &arena);
	if (wrong) {
		exit_code = options_error(&options, "%s", wrong);
	} else if (options_load_config(&options, &config, &exit_code)) {
		exit_code = run(&options, &config, &change, sets, &arena);
		config_release(&config);
	}
	arena_release(&arena);
	return exit_code;
}
