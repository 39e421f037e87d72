/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/command.h"
#include "drawdown/submit.h"

int command_consume(int argc, char **argv)
{
	struct submission submission = {.input = INPUT_USAGE, .timeout = SUBMIT_TIMEOUT};
	struct option_list dimensions = {0};
	const char *amount = NULL;
	instant_t created_at = INSTANT_NONE;
	const struct command_option table[] = {
		SUBMIT_OPTIONS(submission),
		{"dimension", "NAME=VALUE", "a dimension of the usage; may be repeated", .list = &dimensions},
		{"created-at", "TIME", "when it happened, RFC 3339 (now)", .instant = &created_at},
	};
	const struct command_argument arguments[] = {
		{"CUSTOMER", "whose credits", .text = &submission.customer_id},
		{"CURRENCY", "which credits", .text = &submission.currency_id},
		{"AMOUNT", "how much, above 0, at most 12 fractional digits", .text = &amount},
	};
	struct options options = {
		.command = "consume",
		.summary = "report usage of a customer",
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.arguments = arguments,
		.arguments_count = sizeof arguments / sizeof *arguments,
		.examples = {"drawdown consume acme ai-tokens 1.5 --dimension model=x --key req-1"},
		.exit_codes = EXIT_CODE_BIT(EXIT_REJECTED) | EXIT_CODE_BIT(EXIT_TIMEOUT),
		.config_needs = CONFIG_NEEDS_KAFKA,
		.prints_data = true,
	};
	struct config config;
	struct draft draft = {0};
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code) || !options_load_config(&options, &config, &exit_code))
		return exit_code;
	submit_begin(&draft, &submission, "consume");
	json_text(&draft.json, "amount", text_of(amount));
	if (created_at != INSTANT_NONE)
		json_instant(&draft.json, "createdAt", created_at);
	if (submit_add_pairs(&draft, "dimensions", &dimensions, true))
		exit_code = submit_event(&draft, &submission, &options, &config);
	else
		exit_code = options_error(&options, "--dimension is not NAME=VALUE");
	config_release(&config);
	return exit_code;
}
