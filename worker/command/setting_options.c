/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/setting_options.h"

#include "drawdown/units.h"

const char *const setting_over_limits[] = {"allow", "cap", "reject", NULL};

/* "20%": its digits, as a text that ends where the sign stands. */
static bool parse_percent(const char *level, int64_t *ret_percent)
{
	char digits[4];
	size_t size = strlen(level);

	if (size < 2 || size > sizeof digits || level[size - 1] != '%')
		return false;
	memcpy(digits, level, size - 1);
	digits[size - 1] = '\0';
	return units_parse_integer(digits, ret_percent) == UNITS_PARSED && *ret_percent >= 1 && *ret_percent <= 100;
}

static bool is_level(const char *level)
{
	int64_t percent;
	credit_t amount;

	return parse_percent(level, &percent) || (credit_parse(text_of(level), &amount) == CREDIT_PARSED && amount > 0);
}

bool setting_options_has_thresholds(const struct setting_options *settings)
{
	return settings->no_thresholds || settings->thresholds.count > 0;
}

const char *setting_options_check(const struct setting_options *settings)
{
	if (settings->no_thresholds && settings->thresholds.count > 0)
		return "--threshold and --no-thresholds exclude each other";
	if (settings->hysteresis >= 0 && settings->thresholds.count == 0)
		return "--hysteresis belongs to --threshold";
	for (size_t i = 0; i < settings->thresholds.count; i++)
		if (!is_level(settings->thresholds.values[i]))
			return "--threshold is an amount above 0 or 1% to 100%";
	return NULL;
}

void setting_options_add_thresholds(struct json_printer *json, const char *name, const struct setting_options *settings)
{
	json_begin(json, name, '[');
	for (size_t i = 0; i < settings->thresholds.count; i++) {
		const char *level = settings->thresholds.values[i];
		int64_t percent;
		json_begin(json, NULL, '{');
		if (parse_percent(level, &percent))
			json_integer(json, "percent", percent);
		else
			json_text(json, "amount", text_of(level));
		json_integer(json, "hysteresis",
			settings->hysteresis >= 0 ? settings->hysteresis : THRESHOLD_HYSTERESIS_DEFAULT);
		json_end(json, '}');
	}
	json_end(json, ']');
}
