/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a command line is either exactly what was typed, or refused with one line that says what is wrong and one
 * that helps; --help shows all that the table has; tables and JSON come out as a reader expects.
 * Method: a command of every type of option, its stdout and stderr captured, exact messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "drawdown/json_print.h"
#include "drawdown/options.h"
#include "drawdown/spelling.h"
#include "drawdown/terminal.h"
#include "drawdown/units.h"

#include <cmocka.h> /* last: it has a macro fail() */

#define WORDS_MAX 32

static struct {
	bool no_wait;
	const char *customer, *format, *topic, *file;
	int64_t lanes, timeout;
	double rate;
	credit_t amount;
	instant_t from;
	struct option_list dimensions;
} given;

static const char *const formats[] = {"avro", "json", NULL};
static const char *const topics[] = {"ledger", "usage", NULL};

static const struct command_option table[] = {
	{"customer", "ID", "whose credits", .required = true, .text = &given.customer},
	{"format", "FORMAT", "how to write", .text = &given.format, .choices = formats},
	{"lanes", "N", "how many (default: 2)", .integer = &given.lanes, .min = 1, .max = 16},
	{"rate", "N", "a second", .number = &given.rate},
	{"timeout", "DURATION", "how long to wait", .duration = &given.timeout},
	{"amount", "AMOUNT", "credits", .credit = &given.amount},
	{"from", "TIME", "first entry", .instant = &given.from},
	{"dimension", "NAME=VALUE", "may be repeated", .list = &given.dimensions},
	{"no-wait", NULL, "leave at once", .flag = &given.no_wait},
};
static const struct command_argument arguments[] = {
	{"TOPIC", "what to follow", .text = &given.topic, .choices = topics},
	{"FILE", "where to write", .optional = true, .text = &given.file},
};

static struct options options;
static struct capture capture;
static int exit_code;

/* Parses "drawdown try WORDS...", split at blanks. */
static bool parse(const char *line)
{
	static char words[512];
	char *argv[WORDS_MAX] = {words};
	int argc = 0;
	char *rest = words;

	memset(&given, 0, sizeof given);
	options = (struct options){
		.command = "try",
		.summary = "try all types of options",
		.table = table,
		.table_count = sizeof table / sizeof table[0],
		.arguments = arguments,
		.arguments_count = sizeof arguments / sizeof arguments[0],
		.examples = {"drawdown try ledger --customer acme"},
		.exit_codes = EXIT_CODE_BIT(EXIT_TIMEOUT),
		.config_needs = CONFIG_NEEDS_NOTHING,
		.prints_data = true,
	};
	(void)snprintf(words, sizeof words, "try %s", line);
	for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		assert_true(argc < WORDS_MAX - 1);
		argv[argc++] = word;
	}
	exit_code = -1;
	capture_begin(&capture);
	bool go_on = options_parse(&options, argc, argv, &exit_code);
	capture_end(&capture);
	return go_on;
}

static void refuse(const char *line, const char *expected)
{
	assert_false(parse(line));
	assert_int_equal(exit_code, EXIT_USAGE);
	assert_string_equal(capture.err, expected);
	assert_string_equal(capture.out, "");
}

#define HINT "\nhint: see drawdown try --help\n"

static void every_type_of_option_is_read(void **state)
{
	(void)state;
	assert_true(parse(
		"--customer acme ledger --format=json --lanes 4 --rate 1.5 --timeout 250ms --amount -0.000000000001"
		" --from=2026-01-02T03:04:05Z --no-wait --json out.txt"));
	assert_string_equal(given.customer, "acme");
	assert_string_equal(given.topic, "ledger");
	assert_string_equal(given.file, "out.txt");
	assert_string_equal(given.format, "json");
	assert_int_equal(given.lanes, 4);
	assert_true(given.rate > 1.49 && given.rate < 1.51);
	assert_int_equal(given.timeout, 250000);
	assert_true(given.amount == -1);
	assert_int_equal(given.from, 1767323045LL * INSTANT_SECOND);
	assert_true(given.no_wait);
	assert_true(options.json);
}

static void an_option_that_is_not_given_leaves_its_default(void **state)
{
	(void)state;
	assert_true(parse("ledger --customer acme"));
	assert_int_equal(given.lanes, 0);
	assert_null(given.file);
	assert_false(given.no_wait);
	assert_false(options.json);
}

static void a_list_keeps_the_order(void **state)
{
	(void)state;
	assert_true(parse("ledger --customer a --dimension x=1 --dimension=y=2 --set group.id=g --config c.conf"));
	assert_int_equal(given.dimensions.count, 2);
	assert_string_equal(given.dimensions.values[0], "x=1");
	assert_string_equal(given.dimensions.values[1], "y=2");
	assert_int_equal(options.settings.count, 1);
	assert_string_equal(options.settings.values[0], "group.id=g");
	assert_string_equal(options.config_path, "c.conf");
}

static void two_dashes_end_the_options(void **state)
{
	(void)state;
	assert_true(parse("--customer a -- ledger --no-wait"));
	assert_string_equal(given.file, "--no-wait");
	assert_false(given.no_wait);
	assert_true(parse("--customer a ledger -"));
	assert_string_equal(given.file, "-");
}

static void what_is_unknown_is_refused_with_the_nearest(void **state)
{
	(void)state;
	refuse("--custmer a", "drawdown try: unknown option --custmer\nhint: did you mean --customer?\n");
	refuse("--entirely-other=a", "drawdown try: unknown option --entirely-other" HINT);
	refuse("-x", "drawdown try: unknown option -x" HINT);
	refuse("ledger out more", "drawdown try: unexpected argument 'more'" HINT);
}

static void what_is_missing_is_refused(void **state)
{
	(void)state;
	refuse("--customer a", "drawdown try: TOPIC is missing" HINT);
	refuse("ledger", "drawdown try: --customer is missing" HINT);
	refuse("ledger --customer", "drawdown try: --customer needs a value: --customer ID" HINT);
	refuse("ledger --customer --no-wait", "drawdown try: --customer needs a value: --customer ID" HINT);
}

static void a_value_that_does_not_fit_is_refused(void **state)
{
	(void)state;
	refuse("--format xml", "drawdown try: --format is one of avro, json, not 'xml'" HINT);
	refuse("tables", "drawdown try: TOPIC is one of ledger, usage, not 'tables'" HINT);
	refuse("--lanes 17", "drawdown try: --lanes is 1 to 16, not 17" HINT);
	refuse("--lanes 4.5", "drawdown try: --lanes takes a whole number, not '4.5'" HINT);
	refuse("--rate nan", "drawdown try: --rate takes a number, not 'nan'" HINT);
	refuse("--rate -1", "drawdown try: --rate takes a number, not '-1'" HINT);
	refuse("--timeout 5",
		"drawdown try: --timeout takes a duration such as 500ms, 10s, 5min, 12h or 30d, not '5'" HINT);
	refuse("--amount ten", "drawdown try: --amount takes an amount such as 10 or 1.5, not 'ten'" HINT);
	refuse("--amount 0.0000000000001",
		"drawdown try: --amount has more than 12 decimal places: '0.0000000000001'" HINT);
	refuse("--amount 1e30", "drawdown try: --amount has more than 26 digits before the point: '1e30'" HINT);
	refuse("--from yesterday",
		"drawdown try: --from takes a time such as 2026-01-02T03:04:05Z, not 'yesterday'" HINT);
	refuse("--no-wait=yes", "drawdown try: --no-wait takes no value" HINT);
	refuse("--lanes 1 --lanes 2", "drawdown try: --lanes is given twice" HINT);
}

static void help_shows_all_that_the_table_has(void **state)
{
	(void)state;
	assert_false(parse("--unknown --help"));
	assert_int_equal(exit_code, EXIT_OK);
	assert_string_equal(capture.err, "");
	assert_string_equal(capture.out, "usage: drawdown try TOPIC [FILE] --customer ID [options]\n"
					 "\n"
					 "Try all types of options.\n"
					 "\n"
					 "arguments:\n"
					 "  TOPIC                    what to follow: ledger, usage\n"
					 "  FILE                     where to write\n"
					 "\n"
					 "options:\n"
					 "  --customer ID            whose credits (required)\n"
					 "  --format FORMAT          how to write: avro, json\n"
					 "  --lanes N                how many (default: 2)\n"
					 "  --rate N                 a second\n"
					 "  --timeout DURATION       how long to wait\n"
					 "  --amount AMOUNT          credits\n"
					 "  --from TIME              first entry\n"
					 "  --dimension NAME=VALUE   may be repeated\n"
					 "  --no-wait                leave at once\n"
					 "  --json                   print JSON, one object a line\n"
					 "  --config FILE            configuration file\n"
					 "  --set KEY=VALUE          set an option of the configuration; repeatable\n"
					 "  --help                   print this text\n"
					 "\n"
					 "examples:\n"
					 "  drawdown try ledger --customer acme\n"
					 "\n"
					 "exit codes:\n"
					 "  0  done\n"
					 "  1  wrong option, argument or configuration; nothing was touched\n"
					 "  5  no outcome in time; asking again with the same key is safe\n");
}

static void a_wrong_configuration_is_reported_with_its_hint(void **state)
{
	(void)state;
	struct config config;
	assert_true(parse("ledger --customer a --set grup.id=a --config /dev/null"));
	capture_begin(&capture);
	bool loaded = options_load_config(&options, &config, &exit_code);
	capture_end(&capture);
	assert_false(loaded);
	assert_int_equal(exit_code, EXIT_USAGE);
	assert_string_equal(
		capture.err, "drawdown try: --set: unknown option 'grup.id'\nhint: did you mean group.id?\n");
}

static void the_file_is_found_by_option_then_variable_then_directory(void **state)
{
	(void)state;
	static const char *const names[] = {"drawdown.conf", "variable.conf", "option.conf"};
	char directory[] = "/tmp/drawdown-test-XXXXXX";
	char *old = getcwd(NULL, 0);
	struct config config;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(chdir(directory), 0);
	assert_int_equal(unsetenv("DRAWDOWN_CONFIG"), 0);
	for (size_t i = 0; i < 3; i++) {
		FILE *file = fopen(names[i], "w");
		assert_non_null(file);
		assert_true(fprintf(file, "group.id = %s\n", names[i]) > 0);
		assert_int_equal(fclose(file), 0);
		if (i == 1)
			assert_int_equal(setenv("DRAWDOWN_CONFIG", names[i], 1), 0);
		assert_true(parse(i == 2 ? "ledger --customer a --config option.conf" : "ledger --customer a"));
		assert_true(options_load_config(&options, &config, &exit_code));
		assert_string_equal(config.group_id, names[i]);
		config_release(&config);
	}
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(unlink(names[i]), 0);
	assert_int_equal(unsetenv("DRAWDOWN_CONFIG"), 0);
	assert_int_equal(chdir(old), 0);
	assert_int_equal(rmdir(directory), 0);
	free(old);
}

static void a_failure_is_reported_with_its_hint_and_exit_code(void **state)
{
	(void)state;
	struct failure failure = {.exit_code = EXIT_FENCED, .text = "somebody else", .hint = "stop one"};
	struct options named = {.command = "try"};
	capture_begin(&capture);
	int code = options_failed(&named, &failure);
	capture_end(&capture);
	assert_int_equal(code, EXIT_FENCED);
	assert_string_equal(capture.err, "drawdown try: somebody else\nhint: stop one\n");
}

static void tables_are_aligned_over_any_number_of_rows(void **state)
{
	(void)state;
	static const struct table_column columns[] = {{"grant", false}, {"amount", true}, {"note", false}};
	struct table shown;
	capture_begin(&capture);
	table_begin(&shown, stdout, columns, 3);
	for (int i = 0; i < 1001; i++) {
		table_cell(&shown, TEXT_LITERAL("a"));
		table_cell_format(&shown, "%d", i);
		table_cell(&shown, i == 0 ? TEXT_NULL : TEXT_LITERAL("\xC3\xA4\n\x1B"));
	}
	table_end(&shown);
	capture_end(&capture);
	static const char expected[] = "grant  amount  note\n"
				       "a           0  -\n"
				       "a           1  \xC3\xA4??\n";
	static const char last[] = "a        1000  \xC3\xA4??\n";
	assert_memory_equal(capture.out, expected, sizeof expected - 1);
	assert_string_equal(capture.out + strlen(capture.out) - (sizeof last - 1), last);
}

static void json_is_valid_whatever_the_text(void **state)
{
	(void)state;
	struct json_printer json = {.out = stdout};
	capture_begin(&capture);
	json_begin(&json, NULL, '{');
	json_text(&json, "text", TEXT_LITERAL("\"\\\n\x01\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"));
	json_text(&json, "broken", TEXT_LITERAL("\xC3\xC0\xAF\xED\xA0\x80\xF4\x90\x80\x80z"));
	json_text(&json, "absent", TEXT_NULL);
	json_integer(&json, "integer", INT64_MIN);
	json_boolean(&json, "boolean", true);
	json_credit(&json, "credit", CREDIT_ONE * 3 / 2);
	json_instant(&json, "instant", 1767323045LL * INSTANT_SECOND);
	json_begin(&json, "list", '[');
	json_raw(&json, NULL, TEXT_LITERAL("1"));
	json_raw(&json, NULL, TEXT_NULL);
	json_end(&json, ']');
	json_end(&json, '}');
	json_line(&json);
	json_begin(&json, NULL, '{');
	json_end(&json, '}');
	json_line(&json);
	capture_end(&capture);
#define U "\xEF\xBF\xBD"
	assert_string_equal(capture.out,
		"{\"text\":\"\\\"\\\\\\n\\u0001\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\","
		"\"broken\":\"" U U U U U U U U U U "z\","
		"\"absent\":null,\"integer\":-9223372036854775808,\"boolean\":true,"
		"\"credit\":1.5,\"instant\":\"2026-01-02T03:04:05Z\",\"list\":[1,null]}\n{}\n");
}

static void quantities_are_read_and_written_with_their_units(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t value;
		enum units_parse parsed;
	} durations[] = {
		{"0", 0, UNITS_PARSED},
		{"0s", 0, UNITS_PARSED},
		{"7us", 7, UNITS_PARSED},
		{"90s", 90 * INSTANT_SECOND, UNITS_PARSED},
		{"2min", 120 * INSTANT_SECOND, UNITS_PARSED},
		{"12h", INSTANT_DAY / 2, UNITS_PARSED},
		{"30d", 30 * INSTANT_DAY, UNITS_PARSED},
		{"106751991d", 106751991 * INSTANT_DAY, UNITS_PARSED},
		{"106751992d", 0, UNITS_OUT_OF_RANGE},
		{"9223372036854775808us", 0, UNITS_OUT_OF_RANGE},
		{"5", 0, UNITS_MISSING},
		{"5 s", 0, UNITS_UNKNOWN},
		{"5S", 0, UNITS_UNKNOWN},
		{"-5s", 0, UNITS_NOT_A_NUMBER},
		{"", 0, UNITS_NOT_A_NUMBER},
		{"s", 0, UNITS_NOT_A_NUMBER},
	};
	for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
		char text[UNITS_TEXT_SIZE];
		int64_t value = 0, again = 0;
		assert_int_equal(units_parse_duration(durations[i].text, &value), durations[i].parsed);
		assert_int_equal(value, durations[i].value);
		units_format_duration(value, text);
		assert_int_equal(units_parse_duration(text, &again), UNITS_PARSED);
		assert_int_equal(again, value);
	}
	char text[UNITS_TEXT_SIZE];
	int64_t size;
	assert_int_equal(units_parse_size("1GB", &size), UNITS_PARSED);
	assert_int_equal(size, 1024 * 1024 * 1024);
	units_format_size(size + 1024, text);
	assert_string_equal(text, "1048577kB");
	assert_int_equal(units_parse_size("1KB", &size), UNITS_UNKNOWN);
	assert_int_equal(units_parse_integer("-12", &size), UNITS_PARSED);
	assert_int_equal(size, -12);
	assert_int_equal(units_parse_integer("1s", &size), UNITS_NOT_A_NUMBER);
}

static void the_nearest_name_is_proposed_but_none_that_is_far(void **state)
{
	(void)state;
	static const struct {
		const char *word, *nearest;
	} cases[] = {
		{"consum", "consume"},
		{"cosnume", "consume"},
		{"void", "void"},
		{"viod", "void"},
		{"xyz", NULL},
		{"", NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct spelling spelling;
		spelling_begin(&spelling, cases[i].word);
		spelling_consider(&spelling, "consume");
		spelling_consider(&spelling, "void");
		if (cases[i].nearest)
			assert_string_equal(spelling.nearest, cases[i].nearest);
		else
			assert_null(spelling.nearest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_of_option_is_read),
		cmocka_unit_test(an_option_that_is_not_given_leaves_its_default),
		cmocka_unit_test(a_list_keeps_the_order),
		cmocka_unit_test(two_dashes_end_the_options),
		cmocka_unit_test(what_is_unknown_is_refused_with_the_nearest),
		cmocka_unit_test(what_is_missing_is_refused),
		cmocka_unit_test(a_value_that_does_not_fit_is_refused),
		cmocka_unit_test(help_shows_all_that_the_table_has),
		cmocka_unit_test(a_wrong_configuration_is_reported_with_its_hint),
		cmocka_unit_test(the_file_is_found_by_option_then_variable_then_directory),
		cmocka_unit_test(a_failure_is_reported_with_its_hint_and_exit_code),
		cmocka_unit_test(tables_are_aligned_over_any_number_of_rows),
		cmocka_unit_test(json_is_valid_whatever_the_text),
		cmocka_unit_test(quantities_are_read_and_written_with_their_units),
		cmocka_unit_test(the_nearest_name_is_proposed_but_none_that_is_far),
	};
	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
