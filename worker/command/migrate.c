/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/command.h"
#include "drawdown/options.h"
#include "drawdown/store_postgres.h"

int command_migrate(int argc, char **argv)
{
	struct options options = {
		.command = "migrate",
		.summary = "bring the database schema up to date",
		.details = "Forward only, each step whole or not at all. Safe to repeat, and when two run at once.\n"
			   "Run it as the owner of schema drawdown; it also makes the roles drawdown_worker, "
			   "drawdown_reader\n"
			   "and drawdown_operator (who sets currencies) where it may, and gives them their rights.",
		.examples = {"drawdown migrate"},
		.config_needs = CONFIG_NEEDS_DATABASE,
	};
	struct config config;
	struct failure failure = {0};
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code) || !options_load_config(&options, &config, &exit_code))
		return exit_code;
	exit_code = EXIT_OK;
	if (migrate_run(&config, stdout, &failure) != OUTCOME_OK)
		exit_code = options_failed(&options, &failure);
	config_release(&config);
	return exit_code;
}
