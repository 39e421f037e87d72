/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "drawdown/command.h"
#include "drawdown/submit.h"

struct terms {
	const char *amount;
	const char *type;
	const char *grant_id;
	const char *display_name;
	const char *comment;
	const char *cost;
	int64_t priority;
	instant_t effective_at;
	instant_t expire_at;
	bool await_payment;
	struct option_list metadata;
};

/* "AMOUNT:CURRENCY" */
static bool add_cost(struct draft *draft, const char *cost)
{
	const char *colon = strchr(cost, ':');

	if (!colon)
		return false;
	json_begin(&draft->json, "cost", '{');
	json_text(&draft->json, "amount", (struct text){cost, (size_t)(colon - cost)});
	json_text(&draft->json, "currency", text_of(colon + 1));
	json_end(&draft->json, '}');
	return true;
}

/* What is wrong with an option, or NULL. */
static const char *add_terms(struct draft *draft, const struct terms *terms)
{
	json_text(&draft->json, "amount", text_of(terms->amount));
	json_text(&draft->json, "grantType", text_of(terms->type));
	json_integer(&draft->json, "priority", terms->priority);
	if (terms->grant_id)
		json_text(&draft->json, "grantId", text_of(terms->grant_id));
	if (terms->display_name)
		json_text(&draft->json, "displayName", text_of(terms->display_name));
	if (terms->comment)
		json_text(&draft->json, "comment", text_of(terms->comment));
	if (terms->effective_at != INSTANT_NONE)
		json_instant(&draft->json, "effectiveAt", terms->effective_at);
	if (terms->expire_at != INSTANT_NONE)
		json_instant(&draft->json, "expireAt", terms->expire_at);
	if (terms->await_payment)
		json_boolean(&draft->json, "awaitPaymentConfirmation", true);
	if (terms->cost && !add_cost(draft, terms->cost))
		return "--cost is not AMOUNT:CURRENCY";
	if (!submit_add_pairs(draft, "metadata", &terms->metadata, false))
		return "--metadata is not NAME=VALUE";
	return NULL;
}

int command_grant(int argc, char **argv)
{
	static const char *const types[] = {"PROMOTIONAL", "PAID", NULL};
	struct submission submission = {.input = INPUT_COMMANDS, .timeout = SUBMIT_TIMEOUT};
	struct terms terms = {.effective_at = INSTANT_NONE, .expire_at = INSTANT_NONE};
	const struct command_option table[] = {
		{"type", "TYPE", "PROMOTIONAL or PAID", .required = true, .text = &terms.type, .choices = types},
		SUBMIT_OPTIONS(submission),
		{"grant-id", "ID", "the grant's id (made from the key)", .text = &terms.grant_id},
		{"priority", "N", "burns earlier the lower it is (0)", .integer = &terms.priority, .min = INT32_MIN,
			.max = INT32_MAX},
		{"effective-at", "TIME", "from when on, RFC 3339 (at once)", .instant = &terms.effective_at},
		{"expire-at", "TIME", "until when, RFC 3339 (never)", .instant = &terms.expire_at},
		{"await-payment", NULL, "does not count until confirm-payment", .flag = &terms.await_payment},
		{"display-name", "TEXT", "what people call it", .text = &terms.display_name},
		{"comment", "TEXT", "why", .text = &terms.comment},
		{"cost", "AMOUNT:CURRENCY", "what was paid for it, such as 9.99:USD", .text = &terms.cost},
		{"metadata", "NAME=VALUE", "anything; may be repeated", .list = &terms.metadata},
	};
	const struct command_argument arguments[] = {
		{"CUSTOMER", "who gets the credits", .text = &submission.customer_id},
		{"CURRENCY", "which credits", .text = &submission.currency_id},
		{"AMOUNT", "how much, above 0, at most 12 fractional digits", .text = &terms.amount},
	};
	struct options options = {
		.command = "grant",
		.summary = "give credits to a customer",
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.arguments = arguments,
		.arguments_count = sizeof arguments / sizeof *arguments,
		.examples = {"drawdown grant acme ai-tokens 100 --type PAID --key invoice-17",
			"drawdown grant acme ai-tokens 20 --type PROMOTIONAL --expire-at 2027-01-01T00:00:00Z",
			"drawdown grant acme ai-tokens 500 --type PAID --grant-id order-17 --await-payment"},
		.exit_codes = EXIT_CODE_BIT(EXIT_REJECTED) | EXIT_CODE_BIT(EXIT_TIMEOUT),
		.config_needs = CONFIG_NEEDS_KAFKA,
		.prints_data = true,
	};
	struct config config;
	struct draft draft = {0};
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code) || !options_load_config(&options, &config, &exit_code))
		return exit_code;
	submit_begin(&draft, &submission, "grant");
	const char *wrong = add_terms(&draft, &terms);
	if (wrong)
		exit_code = options_error(&options, "%s", wrong);
	else
		exit_code = submit_event(&draft, &submission, &options, &config);
	config_release(&config);
	return exit_code;
}
