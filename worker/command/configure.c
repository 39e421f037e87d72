/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/command.h"
#include "drawdown/setting_options.h"
#include "drawdown/submit.h"

int command_configure(int argc, char **argv)
{
	struct submission submission = {.input = INPUT_COMMANDS, .timeout = SUBMIT_TIMEOUT};
	struct setting_options settings = SETTING_OPTIONS_INIT;
	const struct command_option table[] = {
		SETTING_OPTIONS(settings),
		SUBMIT_OPTIONS(submission),
	};
	const struct command_argument arguments[] = {
		{"CUSTOMER", "whose account", .text = &submission.customer_id},
		{"CURRENCY", "which credits", .text = &submission.currency_id},
	};
	struct options options = {
		.command = "configure",
		.summary = "set what an account has of its own, in place of its currency's settings",
		.details = "These are all of its own settings: what is left out is inherited from the currency again.",
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.arguments = arguments,
		.arguments_count = sizeof arguments / sizeof *arguments,
		.examples = {"drawdown configure acme ai-tokens --over-limit allow --overdraft-limit 50",
			"drawdown configure acme ai-tokens --threshold 100 --threshold 20% --hysteresis 5",
			"drawdown configure acme ai-tokens"},
		.exit_codes = EXIT_CODE_BIT(EXIT_REJECTED) | EXIT_CODE_BIT(EXIT_TIMEOUT),
		.config_needs = CONFIG_NEEDS_KAFKA,
		.prints_data = true,
	};
	struct config config;
	struct draft draft = {0};
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code))
		return exit_code;
	const char *wrong = setting_options_check(&settings);
	if (wrong)
		return options_error(&options, "%s", wrong);
	if (!options_load_config(&options, &config, &exit_code))
		return exit_code;
	submit_begin(&draft, &submission, "configure");
	if (settings.over_limit)
		json_text(&draft.json, "overLimit", text_of(settings.over_limit));
	if (settings.overdraft_limit)
		json_text(&draft.json, "overdraftLimit", text_of(settings.overdraft_limit));
	if (setting_options_has_thresholds(&settings))
		setting_options_add_thresholds(&draft.json, "thresholds", &settings);
	exit_code = submit_event(&draft, &submission, &options, &config);
	config_release(&config);
	return exit_code;
}
