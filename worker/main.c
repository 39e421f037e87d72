/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "drawdown/command.h"
#include "drawdown/options.h"
#include "drawdown/spelling.h"

struct subcommand {
	const char *name;
	command_function *function;
	const char *summary;
};

static const struct subcommand subcommands[] = {
	{"worker", command_worker, "read usage and commands, debit, publish the ledger"},
	{"migrate", command_migrate, "bring the database's schema up to date"},
	{"topics", command_topics, "make the topics, or say what differs"},
	{"grant", command_grant, "give credits to a customer"},
	{"consume", command_consume, "report usage of a customer"},
	{"void", command_event, "take back what is left of a grant"},
	{"confirm-payment", command_event, "let a grant count that awaits its payment"},
	{"reverse", command_event, "undo a consumption, whole or in part"},
	{"reserve", command_event, "keep credits for a settlement"},
	{"settle", command_event, "consume from a reservation and close it"},
	{"extend", command_event, "set a new end of a reservation"},
	{"release", command_event, "close a reservation and consume nothing"},
	{"configure", command_configure, "settings of an account's own"},
	{"currency", command_currency, "show or change the settings of currencies"},
	{"entitlement", command_entitlement, "what a customer may spend"},
	{"ledger", command_ledger, "the entries of an account"},
	{"verify", command_verify, "prove the books, and the ledger topic"},
	{"load", command_load, "generate usage, or stream a trace"},
	{"bench", command_bench, "measure throughput, latency and memory"},
	{"tail", command_tail, "follow a topic, decoded"},
	{"dead-letters", command_dead_letters, "list, show and replay inputs that could not be understood"},
	{"parked", command_parked, "list and release customers whose records wait"},
	{"schemas", command_schemas, "schemas of producers that are kept, and adding one"},
	{"config", command_config, "print or check the configuration"},
};
static const size_t subcommands_count = sizeof subcommands / sizeof subcommands[0];

static void print_help(FILE *out)
{
	(void)fputs("usage: drawdown COMMAND [arguments] [options]\n"
		    "       drawdown COMMAND --help\n"
		    "       drawdown --version\n\n"
		    "Prepaid credits: usage in from Kafka, debits in PostgreSQL, ledger out to Kafka, exactly once.\n\n"
		    "commands:\n",
		out);
	for (size_t i = 0; i < subcommands_count; i++)
		(void)fprintf(out, "  %-16s %s\n", subcommands[i].name, subcommands[i].summary);
	(void)fputs("\nexit codes:\n", out);
	for (int code = 0; exit_code_meaning(code); code++)
		(void)fprintf(out, "  %-2d %s\n", code, exit_code_meaning(code));
}

static int report_unknown(const char *name)
{
	struct spelling spelling;

	spelling_begin(&spelling, name);
	spelling_consider(&spelling, "--help");
	spelling_consider(&spelling, "--version");
	for (size_t i = 0; i < subcommands_count; i++)
		spelling_consider(&spelling, subcommands[i].name);
	(void)fprintf(stderr, "drawdown: unknown %s %s\n", *name == '-' ? "option" : "command", name);
	if (spelling.nearest)
		(void)fprintf(stderr, "hint: did you mean drawdown %s?\n", spelling.nearest);
	else
		(void)fputs("hint: see drawdown --help\n", stderr);
	return EXIT_USAGE;
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help(stdout);
		return EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		(void)puts("drawdown " DRAWDOWN_VERSION);
		return EXIT_OK;
	}
	for (size_t i = 0; i < subcommands_count; i++) {
		if (strcmp(argv[1], subcommands[i].name) == 0)
			return subcommands[i].function(argc - 1, argv + 1);
	}
	return report_unknown(argv[1]);
}

int main(int argc, char **argv)
{
	int exit_code = run(argc, argv);

	/* a full disk or a closed pipe must not look like success */
	if ((fflush(stdout) != 0 || ferror(stdout)) && exit_code == EXIT_OK) {
		(void)fputs("drawdown: could not write all of the output\n", stderr);
		exit_code = EXIT_FAILED;
	}
	return exit_code;
}
