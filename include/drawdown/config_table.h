/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of options behind config.h. Whoever adds an option adds a row
 * here and a member there: parser, environment, example file and reference
 * follow.
 */
#ifndef DRAWDOWN_CONFIG_TABLE_H
#define DRAWDOWN_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/config.h"

#define CONFIG_CHOICES_MAX 4

enum config_type {
	CONFIG_TEXT,	 /* char *, owned */
	CONFIG_NAME,	 /* char *: 1 to `max` of [A-Za-z0-9._-] */
	CONFIG_INTEGER,	 /* int64_t or size_t */
	CONFIG_DURATION, /* int64_t, microseconds */
	CONFIG_SIZE,	 /* int64_t, bytes */
	CONFIG_CHOICE,	 /* bool or an enum: the index of the choice; yes/no is { "no", "yes" } */
	CONFIG_KAFKA,	 /* goes to config.kafka; the row is there to be documented */
};

struct config_option {
	const char *name;
	enum config_type type;
	size_t offset;	      /* in struct config */
	size_t size;	      /* of the member */
	const char *standard; /* the default, as in a file; NULL: none, or `standard_note` says where from */
	const char *standard_note;
	int64_t min, max; /* of a quantity; of a name the longest */
	const char *choices[CONFIG_CHOICES_MAX];
	const char *help;    /* one line, full stop */
	const char *section; /* heading, where a new one begins */
	enum config_need need;
	bool secret; /* may hold a password */
};

extern const struct config_option config_options[];
extern const size_t config_options_count;

/* DRAWDOWN_ and the option's name in capitals. */
#define CONFIG_VARIABLE_SIZE 96
void config_option_variable(const char *name, char variable[CONFIG_VARIABLE_SIZE]);

/* The value as in a file; an empty text where there is none. */
#define CONFIG_VALUE_SIZE 512
void config_option_format(
	const struct config_option *option, const struct config *config, char text[CONFIG_VALUE_SIZE]);

/* Options under kafka. that the engine owns, with the reason; ends with a NULL name. */
struct config_refusal {
	const char *name; /* without "kafka." */
	const char *reason;
};
extern const struct config_refusal config_refusals[];

/* Is this an option of librdkafka that may be set here, with a value that it takes? REJECT if not. */
enum outcome config_check_kafka(const char *name, const char *value, struct failure *reterr);
/* Does libpq understand the connection string? REJECT if not. */
enum outcome config_check_database(const char *url, struct failure *reterr);
/* Do the options of the registry go together? REJECT if not; *ret_option names the one at fault. */
enum outcome config_check_registry(const struct config *config, const char **ret_option, struct failure *reterr);

#endif
