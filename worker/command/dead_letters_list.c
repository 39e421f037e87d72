/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "dead_letters.h"

#define LIMIT_STANDARD 50

struct list {
	struct dead_letters letters;
	const char *state; /* only these; NULL: all */
	bool is_summary;
	int64_t limit;
	int64_t shown, left_out;
	struct table table;
	struct tally tally;
};

static void print_json(const struct letter *letter, enum letter_state state)
{
	struct json_printer json = {.out = stdout};

	json_begin(&json, NULL, '{');
	letter_print_json(letter, state, &json);
	json_bytes(&json, "key", letter->key);
	json_integer(&json, "valueSize", (int64_t)letter->value.size);
	json_end(&json, '}');
	json_line(&json);
}

static void add_row(struct table *table, const struct letter *letter, enum letter_state state)
{
	char time[INSTANT_TEXT_SIZE];

	table_cell_format(table, "%d/%lld", (int)letter->partition, (long long)letter->offset);
	if (letter->source_timestamp == INSTANT_NONE)
		table_cell(table, TEXT_NULL);
	else
		table_cell(table, (struct text){time, instant_format(letter->source_timestamp, time)});
	table_cell_format(table, "%.*s [%d] offset %lld", TEXT_ARGS(letter->topic), (int)letter->source_partition,
		(long long)letter->source_offset);
	table_cell(table, letter->reason);
	table_cell(table, text_of(letter_state_names[state]));
	table_cell(table,
		letter->key.data && !text_is_printable(letter->key, NULL) ? TEXT_LITERAL("(binary)") : letter->key);
	table_cell(table, letter->error);
}

static bool take(void *context, const struct letter *letter, struct arena *arena)
{
	struct list *list = context;
	struct event event;
	struct defect defect;

	if (!letter)
		return true;
	enum letter_state state = dead_letters_judge(&list->letters, letter, arena, &event, &defect);
	if (list->state && strcmp(list->state, letter_state_names[state]) != 0)
		return true;
	if (list->is_summary) {
		tally_add(&list->tally, letter, state);
	} else if (list->shown == list->limit) {
		list->left_out++;
	} else {
		list->shown++;
		if (list->letters.options->json)
			print_json(letter, state);
		else
			add_row(&list->table, letter, state);
	}
	return true;
}

static void print_summary(const struct list *list)
{
	struct json_printer json = {.out = stdout};

	if (!list->letters.options->json) {
		tally_print(&list->tally);
		return;
	}
	json_begin(&json, NULL, '{');
	tally_print_json(&list->tally, &json);
	json_end(&json, '}');
	json_line(&json);
}

static int run(void *context)
{
	struct list *list = context;
	static const struct table_column columns[] = {
		{"LETTER", false},
		{"RECORD OF", false},
		{"STOOD AT", false},
		{"REASON", false},
		{"STATE", false},
		{"KEY", false},
		{"ERROR", false},
	};
	bool has_table = !list->is_summary && !list->letters.options->json;
	struct failure failure;

	if (has_table)
		table_begin(&list->table, stdout, columns, sizeof columns / sizeof *columns);
	enum outcome outcome = dead_letters_read(&list->letters, take, list, &failure);
	if (has_table && (outcome == OUTCOME_OK || list->shown))
		table_end(&list->table);
	if (outcome != OUTCOME_OK)
		return options_failed(list->letters.options, &failure);
	if (list->is_summary)
		print_summary(list);
	if (list->left_out)
		(void)fprintf(stderr, "%lld more; --limit N lists more of them, --summary counts them\n",
			(long long)list->left_out);
	return EXIT_OK;
}

int command_dead_letters_list(int argc, char **argv)
{
	struct list list = {.letters.filter = LETTER_FILTER_ALL, .limit = LIMIT_STANDARD};
	const struct command_option table[] = {
		{"summary", NULL, "only how many of which reason are in which state", .flag = &list.is_summary},
		{"state", "STATE", "only these", .text = &list.state, .choices = letter_state_names},
		FILTER_OPTIONS(list.letters),
		{"limit", "N", "list at most so many (50)", .integer = &list.limit, .min = 1, .max = INT64_MAX},
	};
	struct options options = {
		.command = "dead-letters list",
		.summary = "list the dead letters, the oldest of each partition first",
		.details =
			"Their state, as this version of the program reads them:\n"
			"  readable    can be understood by now: a replay is handled\n"
			"  undecided   names a schema that is not known here: a worker may know it\n"
			"  unreadable  a replay would be a dead letter again\n"
			"  unsendable  its bytes are too many for a letter and stand at its source only, or it came\n"
			"              from a topic that is no input of this configuration\n"
			"  too_old     first tried longer ago than dedupe.window\n"
			"  replayed    was replayed",
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.examples = {"drawdown dead-letters list --summary",
			"drawdown dead-letters list --reason missing_field --topic usage --since 2026-01-02T00:00:00Z",
			"drawdown dead-letters list --state readable --json"},
		.config_needs = CONFIG_NEEDS_KAFKA,
		.prints_data = true,
	};

	return dead_letters_command(&list.letters, &options, argc, argv, run, &list);
}
