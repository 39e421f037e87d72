/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/command.h"
#include "drawdown/submit.h"

int command_void(int argc, char **argv)
{
	struct submission submission = {.input = INPUT_COMMANDS, .timeout = SUBMIT_TIMEOUT};
	const char *grant_id = NULL, *comment = NULL;
	const struct command_option table[] = {
		SUBMIT_OPTIONS(submission),
		{"comment", "TEXT", "why", .text = &comment},
	};
	const struct command_argument arguments[] = {
		{"CUSTOMER", "whose grant", .text = &submission.customer_id},
		{"CURRENCY", "which credits", .text = &submission.currency_id},
		{"GRANT", "the grant's id", .text = &grant_id},
	};
	struct options options = {
		.command = "void",
		.summary = "take out what is left of a grant",
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.arguments = arguments,
		.arguments_count = sizeof arguments / sizeof *arguments,
		.examples = {"drawdown void acme ai-tokens welcome --comment 'granted twice'"},
		.exit_codes = EXIT_CODE_BIT(EXIT_REJECTED) | EXIT_CODE_BIT(EXIT_TIMEOUT),
		.config_needs = CONFIG_NEEDS_KAFKA,
		.prints_data = true,
	};
	struct config config;
	struct draft draft = {0};
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code) || !options_load_config(&options, &config, &exit_code))
		return exit_code;
	submit_begin(&draft, &submission, "void");
	json_text(&draft.json, "grantId", text_of(grant_id));
	if (comment)
		json_text(&draft.json, "comment", text_of(comment));
	exit_code = submit_event(&draft, &submission, &options, &config);
	config_release(&config);
	return exit_code;
}
