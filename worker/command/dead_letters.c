/* SPDX-License-Identifier: Apache-2.0 */
#include "dead_letters.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "drawdown/schema_finder.h"

/* ---- which letters ---- */

const char *dead_letters_topic(const struct config *config, const char *name)
{
	if (strcmp(name, "usage") == 0)
		return config->input_topics[INPUT_USAGE];
	return strcmp(name, "commands") == 0 ? config->input_topics[INPUT_COMMANDS] : name;
}

static bool take_texts(struct dead_letters *letters, int *ret_exit_code)
{
	const struct filter_texts *texts = &letters->texts;
	struct letter_filter *filter = &letters->filter;

	if (texts->topic)
		filter->topic = dead_letters_topic(letters->config, texts->topic);
	for (size_t i = 0; i < texts->letters.count; i++) {
		if (!letter_place_parse(texts->letters.values[i], &filter->places[filter->places_count++])) {
			*ret_exit_code = options_error(letters->options,
				"a letter is named by partition and offset, such as 3/42, not '%s'",
				texts->letters.values[i]);
			return false;
		}
	}
	return true;
}

int dead_letters_command(struct dead_letters *letters, struct options *options, int argc, char **argv,
	dead_letters_run *run, void *context)
{
	struct config config;
	int exit_code;

	if (!options_parse(options, argc, argv, &exit_code) || !options_load_config(options, &config, &exit_code))
		return exit_code;
	letters->options = options;
	letters->config = &config;
	letters->judge.topics = (const char *const *)config.input_topics;
	if (take_texts(letters, &exit_code))
		exit_code = run(context);
	config_release(&config);
	return exit_code;
}

/* ---- the topic ---- */

enum outcome dead_letters_open(struct dead_letters *letters, struct failure *reterr)
{
	letters->decoder = decoder_new();
	letters->finder = schema_finder_new(letters->config, letters->decoder);
	letters->judge.decoder = letters->decoder;
	letters->judge.now = instant_now();
	letters->judge.dedupe_window = letters->config->rules.dedupe_window;
	return topic_reader_open(
		&letters->reader, letters->config, letters->config->output_topics[OUTPUT_DEAD_LETTERS], reterr);
}

void dead_letters_close(struct dead_letters *letters)
{
	topic_reader_close(&letters->reader);
	schema_finder_free(letters->finder);
	decoder_free(letters->decoder);
}

enum outcome dead_letters_each(struct dead_letters *letters, letters_take *take, void *context, struct failure *reterr)
{
	progress_begin(&letters->progress, "dead letters", topic_reader_total(&letters->reader));
	enum outcome outcome =
		letters_each(&letters->reader, &letters->filter, &letters->progress, take, context, reterr);
	progress_end(&letters->progress);
	return outcome;
}

enum outcome dead_letters_read(struct dead_letters *letters, letters_take *take, void *context, struct failure *reterr)
{
	enum outcome outcome = dead_letters_open(letters, reterr);

	if (outcome == OUTCOME_OK)
		outcome = dead_letters_each(letters, take, context, reterr);
	dead_letters_close(letters);
	return outcome;
}

enum letter_state dead_letters_judge(const struct dead_letters *letters, const struct letter *letter,
	struct arena *arena, struct event *ret_event, struct defect *ret_defect)
{
	schema_finder_prepare(letters->finder, letter->value);
	return letter_judge(&letters->judge, letter, arena, ret_event, ret_defect);
}

void letter_print_json(const struct letter *letter, enum letter_state state, struct json_printer *json)
{
	json_integer(json, "partition", letter->partition);
	json_integer(json, "offset", letter->offset);
	json_instant(json, "timestamp", letter->timestamp);
	json_text(json, "reason", letter->reason);
	json_text(json, "error", letter->error);
	json_text(json, "state", text_of(letter_state_names[state]));
	json_begin(json, "source", '{');
	json_text(json, "topic", letter->topic);
	json_integer(json, "partition", letter->source_partition);
	json_integer(json, "offset", letter->source_offset);
	json_instant(json, "timestamp", letter->source_timestamp);
	json_end(json, '}');
	json_text(json, "replayedFrom", letter->replayed_from);
}

/* ---- how many ---- */

/* The last row takes what is left, be a reason unknown to this version. */
static struct tally_row *find_row(struct tally *tally, struct text reason)
{
	for (size_t i = 0; i < tally->rows_count; i++)
		if (text_equal(reason, text_of(tally->rows[i].reason)))
			return &tally->rows[i];
	if (tally->rows_count == TALLY_ROWS_MAX)
		return &tally->rows[TALLY_ROWS_MAX - 1];
	struct tally_row *row = &tally->rows[tally->rows_count++];
	*row = (struct tally_row){.oldest = INSTANT_NONE, .newest = INSTANT_NONE};
	(void)snprintf(row->reason, sizeof row->reason, "%.*s", TEXT_ARGS(reason));
	return row;
}

void tally_add(struct tally *tally, const struct letter *letter, enum letter_state state)
{
	struct tally_row *row = find_row(tally, letter->reason);
	instant_t time = letter->source_timestamp;

	row->states[state]++;
	if (time == INSTANT_NONE)
		return;
	if (row->oldest == INSTANT_NONE || time < row->oldest)
		row->oldest = time;
	if (time > row->newest)
		row->newest = time;
}

uint64_t tally_state(const struct tally *tally, enum letter_state state)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < tally->rows_count; i++)
		sum += tally->rows[i].states[state];
	return sum;
}

static uint64_t letters_of(const struct tally_row *row)
{
	uint64_t sum = 0;

	for (size_t state = 0; state < LETTER_STATE_COUNT; state++)
		sum += row->states[state];
	return sum;
}

static void add_time_cell(struct table *table, instant_t time)
{
	char text[INSTANT_TEXT_SIZE];
	table_cell(table, time == INSTANT_NONE ? TEXT_NULL : (struct text){text, instant_format(time, text)});
}

void tally_print(const struct tally *tally)
{
	static const struct table_column columns[] = {
		{"REASON", false},
		{"LETTERS", true},
		{"READABLE", true},
		{"UNDECIDED", true},
		{"UNREADABLE", true},
		{"UNSENDABLE", true},
		{"TOO OLD", true},
		{"REPLAYED", true},
		{"OLDEST", false},
		{"NEWEST", false},
	};
	struct table table;

	static_assert(LETTER_STATE_COUNT == 6, "a column for each state, in their order");
	table_begin(&table, stdout, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < tally->rows_count; i++) {
		const struct tally_row *row = &tally->rows[i];
		table_cell(&table, text_of(row->reason));
		table_cell_format(&table, "%llu", (unsigned long long)letters_of(row));
		for (size_t state = 0; state < LETTER_STATE_COUNT; state++)
			table_cell_format(&table, "%llu", (unsigned long long)row->states[state]);
		add_time_cell(&table, row->oldest);
		add_time_cell(&table, row->newest);
	}
	table_end(&table);
}

void tally_print_json(const struct tally *tally, struct json_printer *json)
{
	json_begin(json, "reasons", '[');
	for (size_t i = 0; i < tally->rows_count; i++) {
		const struct tally_row *row = &tally->rows[i];
		json_begin(json, NULL, '{');
		json_text(json, "reason", text_of(row->reason));
		json_integer(json, "letters", (int64_t)letters_of(row));
		for (size_t state = 0; state < LETTER_STATE_COUNT; state++)
			json_integer(json, letter_state_names[state], (int64_t)row->states[state]);
		json_instant(json, "oldest", row->oldest);
		json_instant(json, "newest", row->newest);
		json_end(json, '}');
	}
	json_end(json, ']');
}

/* ---- list, show, replay ---- */

int command_dead_letters(int argc, char **argv)
{
	static const struct {
		const char *name;
		command_function *function;
	} actions[] = {
		{"list", command_dead_letters_list},
		{"show", command_dead_letters_show},
		{"replay", command_dead_letters_replay},
	};
	static const char *const names[] = {"list", "show", "replay", NULL};
	const char *action = NULL;
	const struct command_argument arguments[] = {
		{"ACTION", "what to do", .text = &action, .choices = names},
	};
	struct options options = {
		.command = "dead-letters",
		.summary = "list, show and replay inputs that could not be understood",
		.details = "  list    which there are, and how many of which reason\n"
			   "  show    one of them, byte by byte, and what is made of it now\n"
			   "  replay  produce them again to the topic that they came from\n"
			   "Each has more options: drawdown dead-letters list --help",
		.arguments = arguments,
		.arguments_count = 1,
		.examples = {"drawdown dead-letters list --summary", "drawdown dead-letters show 3/42",
			"drawdown dead-letters replay --reason unknown_schema --execute"},
		.no_config = true,
	};
	int exit_code;

	for (size_t i = 0; argc > 1 && i < sizeof actions / sizeof *actions; i++)
		if (strcmp(argv[1], actions[i].name) == 0)
			return actions[i].function(argc - 1, argv + 1);
	(void)options_parse(&options, argc, argv, &exit_code);
	return exit_code;
}
