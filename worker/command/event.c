/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subcommands that hand in one event about something that has an id: a
 * grant, a consumption, a reservation. One row each.
 */
#include <assert.h>

#include "drawdown/command.h"
#include "drawdown/submit.h"

#define NOT_GIVEN (-1) /* no option comes to it */

enum amount_rule {
	AMOUNT_NONE,
	AMOUNT_OPTIONAL,
	AMOUNT_REQUIRED,
};

enum end_rule { /* of a reservation */
	END_NONE,
	END_OPTIONAL,
	END_REQUIRED,
};

struct event_command {
	const char *name; /* the event's type too */
	const char *summary;
	const char *details; /* or NULL */
	const char *id;	     /* "GRANT" */
	const char *id_help;
	const char *id_field;
	const char *amount_help;
	const char *example;
	enum input input;
	enum amount_rule amount;
	enum end_rule end;
	bool has_comment;
	bool has_created_at;
};

#define RESERVATION "RESERVATION", "the reservation's id, the caller's own", "reservationId"
#define END_DETAILS "Its end lies at most 24 hours ahead."

static const struct event_command event_commands[] = {
	{"void", "take out what is left of a grant",
		"What was consumed stays, and so does what open reservations keep of it, until they are closed.",
		"GRANT", "the grant's id", "grantId", NULL,
		"drawdown void acme ai-tokens welcome --comment 'granted twice'", INPUT_COMMANDS, AMOUNT_NONE, END_NONE,
		true, false},
	{"confirm-payment", "let a grant that awaits its payment count", NULL, "GRANT", "the grant's id", "grantId",
		NULL, "drawdown confirm-payment acme ai-tokens order-17 --comment 'invoice 17'", INPUT_COMMANDS,
		AMOUNT_NONE, END_NONE, true, false},
	{"reverse", "undo a consumption, whole or in part",
		"What was taken returns to the grants that paid, the last debit first; within the dedupe window.",
		"USAGE", "the idempotency key of the consumption", "reversedKey", "how much of it (all that is left)",
		"drawdown reverse acme ai-tokens req-1 0.5 --key undo-1", INPUT_COMMANDS, AMOUNT_OPTIONAL, END_NONE,
		false, false},
	{"reserve", "keep credits for a settlement",
		"All of it or nothing, whatever the over-limit policy. The balance stays, what is spendable shrinks, "
		"until "
		"the\nreservation is settled or released or its end comes. " END_DETAILS,
		RESERVATION, "how much, above 0, at most 12 fractional digits",
		"drawdown reserve acme ai-tokens job-7 25 --ttl 10min", INPUT_USAGE, AMOUNT_REQUIRED, END_OPTIONAL,
		false, false},
	{"settle", "consume from a reservation and close it",
		"More than it keeps is consumed as the over-limit policy says; what it does not need returns.",
		RESERVATION, "how much was used, 0 or more", "drawdown settle acme ai-tokens job-7 21.5", INPUT_USAGE,
		AMOUNT_REQUIRED, END_NONE, false, true},
	{"extend", "set a new end of a reservation", "It may be an earlier one. " END_DETAILS, RESERVATION, NULL,
		"drawdown extend acme ai-tokens job-7 --ttl 30min", INPUT_USAGE, AMOUNT_NONE, END_REQUIRED, false,
		false},
	{"release", "close a reservation and consume nothing", NULL, RESERVATION, NULL,
		"drawdown release acme ai-tokens job-7", INPUT_USAGE, AMOUNT_NONE, END_NONE, false, false},
};

/* What an event says besides the fields that all have. */
struct particulars {
	const char *id;
	const char *amount;
	const char *comment;
	int64_t ttl;
	instant_t expires_at;
	instant_t created_at;
};

static const struct event_command *find_event_command(const char *name)
{
	for (size_t i = 0; i < sizeof event_commands / sizeof *event_commands; i++)
		if (strcmp(event_commands[i].name, name) == 0)
			return &event_commands[i];
	assert(0 && "main.c names a subcommand that has no row");
	return NULL;
}

/* What is wrong with the options, or NULL. */
static const char *check_end(const struct event_command *row, const struct particulars *particulars)
{
	bool has_ttl = particulars->ttl != NOT_GIVEN, has_end = particulars->expires_at != INSTANT_NONE;

	if (has_ttl && has_end)
		return "--ttl and --expires-at exclude each other";
	if (row->end == END_REQUIRED && !has_ttl && !has_end)
		return "--ttl or --expires-at is missing";
	if (has_ttl && particulars->ttl % INSTANT_SECOND != 0)
		return "--ttl is whole seconds";
	return NULL;
}

static void add_particulars(
	struct json_printer *json, const struct event_command *row, const struct particulars *particulars)
{
	json_text(json, row->id_field, text_of(particulars->id));
	if (particulars->amount)
		json_text(json, "amount", text_of(particulars->amount));
	if (particulars->comment)
		json_text(json, "comment", text_of(particulars->comment));
	if (particulars->ttl != NOT_GIVEN)
		json_integer(json, "ttlSeconds", particulars->ttl / INSTANT_SECOND);
	if (particulars->expires_at != INSTANT_NONE)
		json_instant(json, "expiresAt", particulars->expires_at);
	if (particulars->created_at != INSTANT_NONE)
		json_instant(json, "createdAt", particulars->created_at);
}

static int submit(const struct event_command *row, const struct options *options, struct submission *submission,
	const struct particulars *particulars)
{
	struct config config;
	struct draft draft = {0};
	int exit_code;

	if (!options_load_config(options, &config, &exit_code))
		return exit_code;
	submit_begin(&draft, submission, row->name);
	add_particulars(&draft.json, row, particulars);
	exit_code = submit_event(&draft, submission, options, &config);
	config_release(&config);
	return exit_code;
}

int command_event(int argc, char **argv)
{
	const struct event_command *row = find_event_command(argv[0]);
	struct submission submission = {.input = row->input, .timeout = SUBMIT_TIMEOUT};
	struct particulars particulars = {.ttl = NOT_GIVEN, .expires_at = INSTANT_NONE, .created_at = INSTANT_NONE};
	struct command_option table[7] = {SUBMIT_OPTIONS(submission)};
	size_t table_count = 4;
	const struct command_argument arguments[] = {
		{"CUSTOMER", "whose credits", .text = &submission.customer_id},
		{"CURRENCY", "which credits", .text = &submission.currency_id},
		{row->id, row->id_help, .text = &particulars.id},
		{"AMOUNT", row->amount_help, .optional = row->amount == AMOUNT_OPTIONAL, .text = &particulars.amount},
	};
	int exit_code;

	if (row->has_comment)
		table[table_count++] = (struct command_option){"comment", "TEXT", "why", .text = &particulars.comment};
	if (row->has_created_at)
		table[table_count++] = (struct command_option){
			"created-at", "TIME", "when it happened, RFC 3339 (now)", .instant = &particulars.created_at};
	if (row->end != END_NONE) {
		table[table_count++] = (struct command_option){"ttl", "TIME",
			row->end == END_OPTIONAL ? "how long it keeps them (1h)" : "how long from now on",
			.duration = &particulars.ttl};
		table[table_count++] = (struct command_option){
			"expires-at", "TIME", "its end instead, RFC 3339", .instant = &particulars.expires_at};
	}
	struct options options = {
		.command = row->name,
		.summary = row->summary,
		.details = row->details,
		.table = table,
		.table_count = table_count,
		.arguments = arguments,
		.arguments_count = row->amount == AMOUNT_NONE ? 3 : 4,
		.examples = {row->example},
		.exit_codes = EXIT_CODE_BIT(EXIT_REJECTED) | EXIT_CODE_BIT(EXIT_TIMEOUT),
		.config_needs = CONFIG_NEEDS_KAFKA,
		.prints_data = true,
	};
	if (!options_parse(&options, argc, argv, &exit_code))
		return exit_code;
	const char *wrong = check_end(row, &particulars);
	if (wrong)
		return options_error(&options, "%s", wrong);
	return submit(row, &options, &submission, &particulars);
}
