/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `dead-letters list`, `show` and `replay` share.
 */
#ifndef DRAWDOWN_DEAD_LETTERS_H
#define DRAWDOWN_DEAD_LETTERS_H

#include "drawdown/command.h"
#include "drawdown/json_print.h"
#include "drawdown/letters.h"

#define TALLY_ROWS_MAX 64
#define TALLY_REASON_SIZE 32

/* Options of the filter that depend on the configuration. */
struct filter_texts {
	struct option_list letters;
	const char *topic;
};

struct dead_letters {
	const struct options *options;
	const struct config *config;
	struct letter_filter filter;
	struct filter_texts texts; /* become part of the filter when the configuration is known */
	struct letter_judge judge;
	struct decoder *decoder;
	struct schema_finder *finder;
	struct topic_reader reader;
	struct progress progress;
};

/* Which letters: for a command's table. */
#define FILTER_OPTIONS(of)                                                                                    \
	{"reason", "REASON", "only of this reason; repeatable", .list = &(of).filter.reasons,                 \
		.choices = defect_reasons},                                                                   \
		{"topic", "TOPIC", "only records of this topic: usage, commands, or a topic's name",          \
			.text = &(of).texts.topic},                                                           \
		{"partition", "N", "only records of this partition", .integer = &(of).filter.partition,       \
			.max = INT32_MAX},                                                                    \
		{"from-offset", "N", "only records from this offset on", .integer = &(of).filter.offset_min,  \
			.max = INT64_MAX},                                                                    \
		{"to-offset", "N", "only records up to this offset", .integer = &(of).filter.offset_max,      \
			.max = INT64_MAX},                                                                    \
		{"since", "TIME", "only records from this time on, RFC 3339", .instant = &(of).filter.since}, \
		{"until", "TIME", "only records before this time", .instant = &(of).filter.until},            \
		{"key", "KEY", "only records of this key, which is the customer", .text = &(of).filter.key},  \
	{                                                                                                     \
		"letter", "PLACE", "only this letter, as `list` names it: 3/42; repeatable",                  \
			.list = &(of).texts.letters                                                           \
	}

/* Takes the command line, the configuration and the filter, then calls `run`. Both return the exit code. */
typedef int dead_letters_run(void *context);
int dead_letters_command(struct dead_letters *letters, struct options *options, int argc, char **argv,
	dead_letters_run *run, void *context);
/* The name of an input's topic for "usage" and "commands", else the text itself. */
const char *dead_letters_topic(const struct config *config, const char *name);

/* The topic, the decoder and the judge; close it in any case. */
enum outcome dead_letters_open(struct dead_letters *letters, struct failure *reterr);
void dead_letters_close(struct dead_letters *letters);
enum outcome dead_letters_each(struct dead_letters *letters, letters_take *take, void *context, struct failure *reterr);
/* All three. */
enum outcome dead_letters_read(struct dead_letters *letters, letters_take *take, void *context, struct failure *reterr);

enum letter_state dead_letters_judge(const struct dead_letters *letters, const struct letter *letter,
	struct arena *arena, struct event *ret_event, struct defect *ret_defect);
/* Members of an object: where it lies and stood, why, and what a replay would come to. */
void letter_print_json(const struct letter *letter, enum letter_state state, struct json_printer *json);

/* How many letters are in which state, by reason. */
struct tally_row {
	char reason[TALLY_REASON_SIZE];
	uint64_t states[LETTER_STATE_COUNT];
	instant_t oldest, newest; /* of the records; INSTANT_NONE: cannot be told */
};
struct tally {
	struct tally_row rows[TALLY_ROWS_MAX];
	size_t rows_count;
};
void tally_add(struct tally *tally, const struct letter *letter, enum letter_state state);
uint64_t tally_state(const struct tally *tally, enum letter_state state);
void tally_print(const struct tally *tally);
/* An array member, "reasons". */
void tally_print_json(const struct tally *tally, struct json_printer *json);

command_function command_dead_letters_list, command_dead_letters_show, command_dead_letters_replay;

#endif
