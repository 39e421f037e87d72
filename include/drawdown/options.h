/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of one subcommand, from one table: parsing, `--help`,
 * errors. Where a value goes is said by the one pointer that is set in its
 * row, so that the type is checked; what it points to keeps its default
 * where the option is not given.
 *
 *     const char *customer = NULL;
 *     bool no_wait = false;
 *     struct command_option table[] = {
 *         { "customer", "ID", "whose credits", .required = true, .text = &customer },
 *         { "no-wait", NULL, "leave as soon as the broker has it", .flag = &no_wait },
 *     };
 *     struct options options = {
 *         .command = "consume", .summary = "report usage of a customer",
 *         .table = table, .table_count = sizeof table / sizeof table[0],
 *         .examples = { "drawdown consume --customer acme --currency ai-tokens --amount 1.5" },
 *         .exit_codes = EXIT_CODE_BIT(EXIT_REJECTED) | EXIT_CODE_BIT(EXIT_TIMEOUT),
 *         .config_needs = CONFIG_NEEDS_KAFKA, .prints_data = true,
 *     };
 *     struct config config;
 *     int exit_code;
 *     if (!options_parse(&options, argc, argv, &exit_code) || !options_load_config(&options, &config, &exit_code))
 *         return exit_code;
 *
 * Texts point into argv. Options and arguments may be mixed; `--` ends the options; names are not
 * abbreviated; `--name=value` and `--name value` are the same; an option is given once, lists apart.
 */
#ifndef DRAWDOWN_OPTIONS_H
#define DRAWDOWN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/config.h"
#include "drawdown/credit.h"
#include "drawdown/instant.h"
#include "drawdown/outcome.h"

#define OPTION_LIST_MAX 100

/* The values of an option that may be repeated, in the order given. */
struct option_list {
	const char *values[OPTION_LIST_MAX];
	size_t count;
};

/* Exactly one of the pointers is set. */
struct command_option {
	const char *name;    /* without "--" */
	const char *metavar; /* "ID"; NULL for a flag */
	const char *help;    /* one line; says the default, if there is one */
	bool required;

	bool *flag;
	const char **text;	  /* any text, empty ones too; with `choices` one of those */
	int64_t *integer;	  /* min to max */
	double *number;		  /* finite, not negative; for rates and shares, never for amounts */
	int64_t *duration;	  /* microseconds, written with a unit: 50ms, 5s, 10min */
	credit_t *credit;	  /* an exact amount */
	instant_t *instant;	  /* RFC 3339 with a zone */
	struct option_list *list; /* may be repeated */

	int64_t min, max;	    /* of an integer; both 0: any */
	const char *const *choices; /* NULL-terminated, or NULL */
};

/* A positional argument. */
struct command_argument {
	const char *name; /* "TOPIC" */
	const char *help;
	bool optional; /* only behind all that are not */
	const char **text;
	const char *const *choices; /* NULL-terminated, or NULL */
};

#define OPTIONS_EXAMPLES_MAX 4
#define EXIT_CODE_BIT(code) (1U << (code))

struct options {
	const char *command; /* "consume": as typed behind `drawdown` */
	const char *summary; /* one line, lower case, no full stop */
	const char *details; /* further lines for --help, or NULL */
	const struct command_option *table;
	size_t table_count;
	const struct command_argument *arguments;
	size_t arguments_count;
	const char *examples[OPTIONS_EXAMPLES_MAX]; /* whole command lines */
	unsigned exit_codes;   /* EXIT_CODE_BITs for --help besides EXIT_OK, EXIT_USAGE and EXIT_FAILED */
	bool no_config;	       /* has neither --config nor --set */
	unsigned config_needs; /* which servers the configuration must name: enum config_need */
	bool prints_data;      /* has --json */

	/* filled by options_parse */
	bool json;
	const char *config_path;     /* --config, or NULL */
	struct option_list settings; /* --set KEY=VALUE */
};

/* False: leave with *ret_exit_code; --help was answered on stdout, or an error reported on stderr. */
bool options_parse(struct options *options, int argc, char **argv, int *ret_exit_code);

/* The file (--config, else $DRAWDOWN_CONFIG, else ./drawdown.conf, else /etc/drawdown/drawdown.conf, else
 * none), the environment, --set. On true the caller releases the config. */
bool options_load_config(const struct options *options, struct config *config, int *ret_exit_code);

/* For what the table cannot check: "drawdown consume: <text>" on stderr, then a hint. Returns EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) int options_error(const struct options *options, const char *format, ...);

/* "drawdown consume: <text>" and "hint: ..." on stderr. Returns the failure's exit code. */
int options_failed(const struct options *options, const struct failure *failure);

/* What an exit code means, one line; NULL where there is no such code. */
const char *exit_code_meaning(int code);

#endif
