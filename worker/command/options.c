/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/options.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drawdown/spelling.h"
#include "drawdown/units.h"

#define ROWS_MAX 64 /* a command's own options and the common ones */

static const char *const exit_code_meanings[] = {
	[EXIT_OK] = "done",
	[EXIT_USAGE] = "wrong option, argument or configuration; nothing was touched",
	[EXIT_FAILED] = "a server refused or could not be reached",
	[EXIT_DIFFERENCE] = "a check found a difference, or what was requested is not granted",
	[EXIT_REJECTED] = "the input was rejected, in conflict, or dead-lettered",
	[EXIT_TIMEOUT] = "no outcome in time; asking again with the same key is safe",
	[EXIT_FENCED] = "another process holds our identity or partitions",
	[EXIT_POSITIONS] = "positions in Kafka and PostgreSQL contradict each other",
	[EXIT_STUCK] = "the watchdog gave up on Kafka; a restart is the remedy",
	[EXIT_SCHEMA] = "the database's schema is missing, or not of this program's version",
	[EXIT_TOPICS] = "a topic is missing",
	[EXIT_WINDOW] = "the dedupe window is shorter than inputs can come again",
	[EXIT_RIGHTS] = "Kafka or PostgreSQL refuses the credentials, or what they may do",
};

const char *exit_code_meaning(int code)
{
	bool known = code >= 0 && (size_t)code < sizeof exit_code_meanings / sizeof exit_code_meanings[0];

	return known ? exit_code_meanings[code] : NULL;
}

int options_error(const struct options *options, const char *format, ...)
{
	va_list arguments;

	(void)fprintf(stderr, "drawdown %s: ", options->command);
	va_start(arguments, format);
	(void)vfprintf(stderr, format, arguments);
	va_end(arguments);
	(void)fprintf(stderr, "\nhint: see drawdown %s --help\n", options->command);
	return EXIT_USAGE;
}

int options_failed(const struct options *options, const struct failure *failure)
{
	(void)fprintf(stderr, "drawdown %s: %s\n", options->command, failure->text);
	if (*failure->hint)
		(void)fprintf(stderr, "hint: %s\n", failure->hint);
	return failure->exit_code == EXIT_OK ? EXIT_FAILED : (int)failure->exit_code;
}

/* The table and the common options, with what was given so far. */
struct parser {
	struct options *options;
	struct command_option rows[ROWS_MAX];
	bool given[ROWS_MAX];
	size_t rows_count;
	size_t arguments_count;
	bool wants_help;
};

static void add_row(struct parser *parser, struct command_option row)
{
	assert(parser->rows_count < ROWS_MAX);
	parser->rows[parser->rows_count++] = row;
}

static void parser_init(struct parser *parser, struct options *options)
{
	*parser = (struct parser){.options = options};
	for (size_t i = 0; i < options->table_count; i++)
		add_row(parser, options->table[i]);
	if (options->prints_data)
		add_row(parser,
			(struct command_option){"json", NULL, "print JSON, one object a line", .flag = &options->json});
	if (!options->no_config) {
		add_row(parser,
			(struct command_option){"config", "FILE", "configuration file", .text = &options->config_path});
		add_row(parser, (struct command_option){"set", "KEY=VALUE",
					"set an option of the configuration; repeatable", .list = &options->settings});
	}
	add_row(parser, (struct command_option){"help", NULL, "print this text", .flag = &parser->wants_help});
}

/* --- help --- */

static void print_usage(const struct options *options)
{
	(void)printf("usage: drawdown %s", options->command);
	for (size_t i = 0; i < options->arguments_count; i++)
		(void)printf(options->arguments[i].optional ? " [%s]" : " %s", options->arguments[i].name);
	for (size_t i = 0; i < options->table_count; i++) {
		if (options->table[i].required)
			(void)printf(" --%s %s", options->table[i].name, options->table[i].metavar);
	}
	(void)puts(" [options]");
}

static void print_choices(const char *const *choices)
{
	const char *separator = ": ";

	for (; choices && *choices; choices++) {
		(void)printf("%s%s", separator, *choices);
		separator = ", ";
	}
}

static void print_arguments(const struct options *options)
{
	if (options->arguments_count > 0)
		(void)puts("\narguments:");
	for (size_t i = 0; i < options->arguments_count; i++) {
		(void)printf("  %-24s %s", options->arguments[i].name, options->arguments[i].help);
		print_choices(options->arguments[i].choices);
		(void)putchar('\n');
	}
}

static void print_options(const struct parser *parser)
{
	(void)puts("\noptions:");
	for (size_t i = 0; i < parser->rows_count; i++) {
		const struct command_option *row = &parser->rows[i];
		char left[64];
		(void)snprintf(left, sizeof left, "--%s%s%s", row->name, row->metavar ? " " : "",
			row->metavar ? row->metavar : "");
		(void)printf("  %-24s %s", left, row->help);
		print_choices(row->choices);
		(void)puts(row->required ? " (required)" : "");
	}
}

static void print_examples(const struct options *options)
{
	if (options->examples[0])
		(void)puts("\nexamples:");
	for (size_t i = 0; i < OPTIONS_EXAMPLES_MAX && options->examples[i]; i++)
		(void)printf("  %s\n", options->examples[i]);
}

static void print_exit_codes(const struct options *options)
{
	unsigned shown = options->exit_codes | EXIT_CODE_BIT(EXIT_OK) | EXIT_CODE_BIT(EXIT_USAGE);

	if (options->config_needs != CONFIG_NEEDS_NOTHING)
		shown |= EXIT_CODE_BIT(EXIT_FAILED) | EXIT_CODE_BIT(EXIT_RIGHTS);
	(void)puts("\nexit codes:");
	for (int code = 0; exit_code_meaning(code); code++) {
		if (shown & EXIT_CODE_BIT(code))
			(void)printf("  %-2d %s\n", code, exit_code_meaning(code));
	}
}

static void print_help(const struct parser *parser)
{
	const struct options *options = parser->options;

	print_usage(options);
	(void)printf("\n%c%s.\n", options->summary[0] & ~0x20, options->summary + 1);
	if (options->details)
		(void)printf("\n%s\n", options->details);
	print_arguments(options);
	print_options(parser);
	print_examples(options);
	print_exit_codes(options);
}

/* --- values --- */

static bool is_choice(const char *value, const char *const *choices)
{
	if (!choices)
		return true;
	while (*choices && strcmp(*choices, value) != 0)
		choices++;
	return *choices != NULL;
}

/* "drawdown x: --format is one of avro, json, not 'xml'"; `dashes` is "--" or "". */
static bool report_choice(const struct parser *parser, const char *dashes, const char *name, const char *value,
	const char *const *choices)
{
	char list[256] = "";

	for (size_t used = 0; *choices && used < sizeof list; choices++)
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", *choices);
	(void)options_error(parser->options, "%s%s is one of %s, not '%s'", dashes, name, list, value);
	return false;
}

static bool store_integer(const struct parser *parser, const struct command_option *row, const char *value)
{
	int64_t integer;
	enum units_parse parsed = units_parse_integer(value, &integer);
	bool bounded = row->min != 0 || row->max != 0;

	if (parsed == UNITS_NOT_A_NUMBER) {
		(void)options_error(parser->options, "--%s takes a whole number, not '%s'", row->name, value);
		return false;
	}
	if (parsed == UNITS_OUT_OF_RANGE || (bounded && (integer < row->min || integer > row->max))) {
		int64_t min = bounded ? row->min : -INT64_MAX;
		int64_t max = bounded ? row->max : INT64_MAX;
		(void)options_error(
			parser->options, "--%s is %" PRId64 " to %" PRId64 ", not %s", row->name, min, max, value);
		return false;
	}
	*row->integer = integer;
	return true;
}

static bool store_number(const struct parser *parser, const struct command_option *row, const char *value)
{
	char *end;
	double number = strtod(value, &end);

	if (end == value || *end != '\0' || !isfinite(number) || number < 0) {
		(void)options_error(parser->options, "--%s takes a number, not '%s'", row->name, value);
		return false;
	}
	*row->number = number;
	return true;
}

static bool store_duration(const struct parser *parser, const struct command_option *row, const char *value)
{
	if (units_parse_duration(value, row->duration) != UNITS_PARSED) {
		(void)options_error(parser->options,
			"--%s takes a duration such as 500ms, 10s, 5min, 12h or 30d, not '%s'", row->name, value);
		return false;
	}
	return true;
}

static bool store_credit(const struct parser *parser, const struct command_option *row, const char *value)
{
	switch (credit_parse(text_of(value), row->credit)) {
	case CREDIT_PARSED:
		return true;
	case CREDIT_TOO_PRECISE:
		(void)options_error(
			parser->options, "--%s has more than %d decimal places: '%s'", row->name, CREDIT_SCALE, value);
		return false;
	case CREDIT_OUT_OF_RANGE:
		(void)options_error(parser->options, "--%s has more than %d digits before the point: '%s'", row->name,
			38 - CREDIT_SCALE, value);
		return false;
	case CREDIT_NOT_A_NUMBER:
		break;
	}
	(void)options_error(parser->options, "--%s takes an amount such as 10 or 1.5, not '%s'", row->name, value);
	return false;
}

static bool store_instant(const struct parser *parser, const struct command_option *row, const char *value)
{
	if (!instant_parse(text_of(value), row->instant)) {
		(void)options_error(
			parser->options, "--%s takes a time such as 2026-01-02T03:04:05Z, not '%s'", row->name, value);
		return false;
	}
	return true;
}

static bool store_element(const struct parser *parser, const struct command_option *row, const char *value)
{
	if (row->list->count == OPTION_LIST_MAX) {
		(void)options_error(parser->options, "--%s is given more than %d times", row->name, OPTION_LIST_MAX);
		return false;
	}
	row->list->values[row->list->count++] = value;
	return true;
}

static bool store_value(const struct parser *parser, const struct command_option *row, const char *value)
{
	if (!is_choice(value, row->choices))
		return report_choice(parser, "--", row->name, value, row->choices);
	if (row->integer)
		return store_integer(parser, row, value);
	if (row->number)
		return store_number(parser, row, value);
	if (row->duration)
		return store_duration(parser, row, value);
	if (row->credit)
		return store_credit(parser, row, value);
	if (row->instant)
		return store_instant(parser, row, value);
	if (row->list)
		return store_element(parser, row, value);
	*row->text = value;
	return true;
}

/* --- words --- */

static void report_unknown(const struct parser *parser, const char *name)
{
	struct spelling spelling;

	spelling_begin(&spelling, name);
	for (size_t i = 0; i < parser->rows_count; i++)
		spelling_consider(&spelling, parser->rows[i].name);
	(void)fprintf(stderr, "drawdown %s: unknown option --%s\n", parser->options->command, name);
	if (spelling.nearest)
		(void)fprintf(stderr, "hint: did you mean --%s?\n", spelling.nearest);
	else
		(void)fprintf(stderr, "hint: see drawdown %s --help\n", parser->options->command);
}

/* The option in `word` ("--name" or "--name=value"), its value perhaps in `next`. *ret_used_next: it was. */
static bool parse_option(struct parser *parser, const char *word, const char *next, bool *ret_used_next)
{
	char name[64];
	const char *equals = strchr(word, '=');
	size_t name_size = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;
	size_t i = 0;

	(void)snprintf(name, sizeof name, "%.*s", (int)name_size, word + 2);
	while (i < parser->rows_count && strcmp(parser->rows[i].name, name) != 0)
		i++;
	if (i == parser->rows_count) {
		report_unknown(parser, name);
		return false;
	}
	const struct command_option *row = &parser->rows[i];
	if (parser->given[i] && !row->list) {
		(void)options_error(parser->options, "--%s is given twice", name);
		return false;
	}
	parser->given[i] = true;
	if (row->flag) {
		if (equals) {
			(void)options_error(parser->options, "--%s takes no value", name);
			return false;
		}
		*row->flag = true;
		return true;
	}
	*ret_used_next = !equals;
	if (!equals && (!next || strncmp(next, "--", 2) == 0)) {
		(void)options_error(parser->options, "--%s needs a value: --%s %s", name, name, row->metavar);
		return false;
	}
	return store_value(parser, row, equals ? equals + 1 : next);
}

static bool parse_argument(struct parser *parser, const char *word)
{
	const struct options *options = parser->options;

	if (parser->arguments_count == options->arguments_count) {
		(void)options_error(options, "unexpected argument '%s'", word);
		return false;
	}
	const struct command_argument *argument = &options->arguments[parser->arguments_count++];
	if (!is_choice(word, argument->choices))
		return report_choice(parser, "", argument->name, word, argument->choices);
	*argument->text = word;
	return true;
}

static bool parse_words(struct parser *parser, int argc, char **argv)
{
	bool options_ended = false;

	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		bool used_next = false;
		if (!options_ended && strcmp(word, "--") == 0) {
			options_ended = true;
		} else if (!options_ended && (strncmp(word, "--", 2) == 0 || strcmp(word, "-h") == 0)) {
			if (!parse_option(parser, word[1] == 'h' ? "--help" : word, i + 1 < argc ? argv[i + 1] : NULL,
				    &used_next))
				return false;
			i += used_next;
		} else if (!options_ended && word[0] == '-' && word[1] != '\0') {
			(void)options_error(parser->options, "unknown option %s", word);
			return false;
		} else if (!parse_argument(parser, word)) {
			return false;
		}
	}
	return true;
}

/* --help wins over whatever else is wrong. */
static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	}
	return false;
}

static bool check_required(const struct parser *parser)
{
	const struct options *options = parser->options;

	if (parser->arguments_count < options->arguments_count &&
		!options->arguments[parser->arguments_count].optional) {
		(void)options_error(options, "%s is missing", options->arguments[parser->arguments_count].name);
		return false;
	}
	for (size_t i = 0; i < parser->rows_count; i++) {
		if (parser->rows[i].required && !parser->given[i]) {
			(void)options_error(options, "--%s is missing", parser->rows[i].name);
			return false;
		}
	}
	return true;
}

bool options_parse(struct options *options, int argc, char **argv, int *ret_exit_code)
{
	struct parser parser;

	parser_init(&parser, options);
	if (asks_for_help(argc, argv)) {
		print_help(&parser);
		*ret_exit_code = EXIT_OK;
		return false;
	}
	*ret_exit_code = EXIT_USAGE;
	return parse_words(&parser, argc, argv) && check_required(&parser);
}

/* --- configuration --- */

static const char *find_config(const struct options *options)
{
	static const char *const usual[] = {"drawdown.conf", "/etc/drawdown/drawdown.conf"};
	const char *named = getenv("DRAWDOWN_CONFIG");

	if (options->config_path)
		return options->config_path;
	if (named && *named)
		return named;
	for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
		if (access(usual[i], F_OK) == 0)
			return usual[i];
	}
	return NULL;
}

bool options_load_config(const struct options *options, struct config *config, int *ret_exit_code)
{
	struct failure failure = {0};

	if (config_load_over(config, find_config(options), options->settings.values, options->settings.count,
		    options->config_needs, &failure) == OUTCOME_OK)
		return true;
	*ret_exit_code = options_failed(options, &failure);
	return false;
}
