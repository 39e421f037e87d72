/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Over-limit policy and thresholds on the command line: what the subcommands
 * `configure` and `currency set` share.
 */
#ifndef DRAWDOWN_SETTING_OPTIONS_H
#define DRAWDOWN_SETTING_OPTIONS_H

#include "drawdown/json_print.h"
#include "drawdown/options.h"
#include "drawdown/settings.h"

struct setting_options {
	const char *over_limit;	     /* or NULL */
	const char *overdraft_limit; /* or NULL */
	struct option_list thresholds;
	bool no_thresholds;
	int64_t hysteresis; /* below 0: not given */
};

#define SETTING_OPTIONS_INIT ((struct setting_options){.hysteresis = -1})
#define SETTING_OPTIONS(settings)                                                                              \
	{"over-limit", "POLICY", "what happens to usage that no grant covers", .text = &(settings).over_limit, \
		.choices = setting_over_limits},                                                               \
		{"overdraft-limit", "AMOUNT", "how far below 0 the policy 'allow' may go",                     \
			.text = &(settings).overdraft_limit},                                                  \
		{"threshold", "LEVEL",                                                                         \
			"tell when spendable falls to it: an amount, or 20% of what was posted; may be "       \
			"repeated",                                                                            \
			.list = &(settings).thresholds},                                                       \
		{"no-thresholds", NULL, "no threshold but 0 itself", .flag = &(settings).no_thresholds},       \
	{                                                                                                      \
		"hysteresis", "PERCENT", "above the level by so much they are armed again (10)",               \
			.integer = &(settings).hysteresis, .min = 0, .max = 100                                \
	}
extern const char *const setting_over_limits[];

/* Are thresholds given, be it none? */
bool setting_options_has_thresholds(const struct setting_options *settings);
/* What is wrong with them, or NULL. */
const char *setting_options_check(const struct setting_options *settings);
/* After the check: [{"amount":"100","hysteresis":10},{"percent":20,"hysteresis":10}]. */
void setting_options_add_thresholds(
	struct json_printer *json, const char *name, const struct setting_options *settings);

#endif
