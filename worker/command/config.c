/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/command.h"

#include <string.h>

#include "drawdown/options.h"

int command_config(int argc, char **argv)
{
	static const char *const actions[] = {"example", "reference", "check", NULL};
	const char *action = NULL;
	const struct command_argument arguments[] = {
		{"ACTION", "what to do", .text = &action, .choices = actions},
	};
	struct options options = {
		.command = "config",
		.summary = "print or check the configuration",
		.details = "  example    every option with its default, as a file\n"
			   "  reference  the same as a page of Markdown\n"
			   "  check      is the configuration valid, and what does it come to (secrets are not shown)",
		.arguments = arguments,
		.arguments_count = sizeof arguments / sizeof arguments[0],
		.examples = {"drawdown config example > drawdown.conf", "drawdown config check --config drawdown.conf"},
	};
	struct config config;
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code))
		return exit_code;
	if (strcmp(action, "example") == 0) {
		config_write_example(stdout);
		return EXIT_OK;
	}
	if (strcmp(action, "reference") == 0) {
		config_write_reference(stdout);
		return EXIT_OK;
	}
	options.config_needs = CONFIG_NEEDS_ALL;
	if (!options_load_config(&options, &config, &exit_code))
		return exit_code;
	config_write_effective(&config, stdout);
	config_release(&config);
	return EXIT_OK;
}
