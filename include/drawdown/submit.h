/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand one event to the log, and wait for what became of it: what the
 * subcommands that produce an event have in common.
 */
#ifndef DRAWDOWN_SUBMIT_H
#define DRAWDOWN_SUBMIT_H

#include <stdbool.h>
#include <stdio.h>

#include "drawdown/config.h"
#include "drawdown/json_print.h"
#include "drawdown/ledger.h"
#include "drawdown/options.h"

/* What these subcommands are all told. */
struct submission {
	enum input input;
	const char *customer_id;
	const char *currency_id;
	const char *resource_id;     /* or NULL */
	const char *idempotency_key; /* NULL: one is made and printed */
	bool no_wait;
	int64_t timeout; /* microseconds */
};

#define SUBMIT_TIMEOUT (30 * INSTANT_SECOND)
#define SUBMIT_OPTIONS(submission)                                                                               \
	{"resource", "ID", "the customer's account of this resource", .text = &(submission).resource_id},        \
		{"key", "KEY", "idempotency key: the same key is handled once (a random one, which is printed)", \
			.text = &(submission).idempotency_key},                                                  \
		{"no-wait", NULL, "leave as soon as the brokers have it", .flag = &(submission).no_wait},        \
	{                                                                                                        \
		"timeout", "TIME", "how long to wait for the outcome (30s)", .duration = &(submission).timeout   \
	}

/* The event's JSON, begun: type and the fields that all have. The caller adds the others and calls submit_event. */
struct draft {
	struct json_printer json;
	char *text;
	size_t size;
	char made_key[40];
};
void submit_begin(struct draft *draft, struct submission *submission, const char *type);
/* "k=v" pairs of an option as an object: a number, true or false is taken for one where `typed`. False: no "=". */
bool submit_add_pairs(struct draft *draft, const char *name, const struct option_list *pairs, bool typed);

/* Check it as the worker would, produce it, wait and print. Returns the exit code; frees the draft. */
int submit_event(struct draft *draft, const struct submission *submission, const struct options *options,
	const struct config *config);

#endif
