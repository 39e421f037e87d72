/* SPDX-License-Identifier: Apache-2.0 */
/* One value into its member of struct config: parsed, and held against its bounds. */
#include "drawdown/config_loader.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "drawdown/spelling.h"
#include "drawdown/units.h"

static enum outcome refuse_quantity(const struct config_loader *loader, const struct config_option *option,
	const struct config_origin *origin, const char *value, enum units_parse parsed)
{
	const char *units = option->type == CONFIG_DURATION ? "us, ms, s, min, h, d" : "B, kB, MB, GB";

	if (option->type == CONFIG_INTEGER)
		return config_refuse(loader, origin, "'%s' takes a whole number, not '%.*s'", option->name,
			CONFIG_SHOWN_SIZE_MAX, value);
	if (parsed == UNITS_MISSING)
		(void)config_refuse(
			loader, origin, "'%s' needs a unit: '%.*s'", option->name, CONFIG_SHOWN_SIZE_MAX, value);
	else if (parsed == UNITS_UNKNOWN)
		(void)config_refuse(
			loader, origin, "'%s' has an unknown unit: '%.*s'", option->name, CONFIG_SHOWN_SIZE_MAX, value);
	else
		(void)config_refuse(loader, origin, "'%s' takes a whole number and a unit, not '%.*s'", option->name,
			CONFIG_SHOWN_SIZE_MAX, value);
	fail_hint(loader->reterr, "units are %s: %s = %s", units, option->name, option->standard);
	return OUTCOME_REJECT;
}

static void format_quantity(const struct config_option *option, int64_t quantity, char text[UNITS_TEXT_SIZE])
{
	if (option->type == CONFIG_DURATION)
		units_format_duration(quantity, text);
	else if (option->type == CONFIG_SIZE)
		units_format_size(quantity, text);
	else
		(void)snprintf(text, UNITS_TEXT_SIZE, "%" PRId64, quantity);
}

static enum outcome store_quantity(const struct config_loader *loader, const struct config_option *option,
	const struct config_origin *origin, const char *value, char *member)
{
	int64_t quantity = 0;
	enum units_parse parsed = option->type == CONFIG_DURATION ? units_parse_duration(value, &quantity)
				  : option->type == CONFIG_SIZE	  ? units_parse_size(value, &quantity)
								  : units_parse_integer(value, &quantity);

	if (parsed != UNITS_PARSED && parsed != UNITS_OUT_OF_RANGE)
		return refuse_quantity(loader, option, origin, value, parsed);
	if (parsed == UNITS_OUT_OF_RANGE || quantity < option->min || quantity > option->max) {
		char min[UNITS_TEXT_SIZE], max[UNITS_TEXT_SIZE];
		format_quantity(option, option->min, min);
		format_quantity(option, option->max, max);
		return config_refuse(loader, origin, "'%s' is %s to %s, not %.*s", option->name, min, max,
			CONFIG_SHOWN_SIZE_MAX, value);
	}
	assert(option->size == sizeof quantity);
	memcpy(member, &quantity, sizeof quantity);
	return OUTCOME_OK;
}

static enum outcome store_choice(const struct config_loader *loader, const struct config_option *option,
	const struct config_origin *origin, const char *value, char *member)
{
	char list[128] = "";
	struct spelling spelling;

	spelling_begin(&spelling, value);
	for (unsigned i = 0, used = 0; i < CONFIG_CHOICES_MAX && option->choices[i]; i++) {
		if (strcmp(option->choices[i], value) == 0 && option->size == sizeof(bool)) {
			*(bool *)member = i != 0;
			return OUTCOME_OK;
		}
		if (strcmp(option->choices[i], value) == 0) {
			assert(option->size == sizeof i);
			memcpy(member, &i, sizeof i);
			return OUTCOME_OK;
		}
		spelling_consider(&spelling, option->choices[i]);
		used += (unsigned)snprintf(
			list + used, sizeof list - used, "%s%s", used ? ", " : "", option->choices[i]);
	}
	(void)config_refuse(
		loader, origin, "'%s' is one of %s, not '%.*s'", option->name, list, CONFIG_SHOWN_SIZE_MAX, value);
	if (spelling.nearest)
		fail_hint(loader->reterr, "did you mean %s?", spelling.nearest);
	return OUTCOME_REJECT;
}

static enum outcome check_name(const struct config_loader *loader, const struct config_option *option,
	const struct config_origin *origin, const char *value)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

	if (strlen(value) > (size_t)option->max)
		return config_refuse(
			loader, origin, "'%s' is longer than %" PRId64 " characters", option->name, option->max);
	if (value[strspn(value, alphabet)] != '\0') {
		(void)config_refuse(loader, origin, "'%s' has a character other than A-Z, a-z, 0-9, '.', '_' and '-'",
			option->name);
		if (origin->kind == CONFIG_ORIGIN_DEFAULT)
			fail_hint(loader->reterr, "the default does not serve here: set %s", option->name);
		return OUTCOME_REJECT;
	}
	return OUTCOME_OK;
}

static void store_text(const char *value, char *member)
{
	char *copy = config_copy_string(value);
	char *old;

	memcpy(&old, member, sizeof old);
	free(old);
	memcpy(member, &copy, sizeof copy);
}

static enum outcome store_value(const struct config_loader *loader, const struct config_option *option,
	const struct config_origin *origin, const char *value)
{
	char *member = (char *)loader->config + option->offset;

	switch (option->type) {
	case CONFIG_INTEGER:
	case CONFIG_DURATION:
	case CONFIG_SIZE:
		return store_quantity(loader, option, origin, value, member);
	case CONFIG_CHOICE:
		return store_choice(loader, option, origin, value, member);
	case CONFIG_NAME:
		if (check_name(loader, option, origin, value) != OUTCOME_OK)
			return OUTCOME_REJECT;
		break;
	case CONFIG_TEXT:
	case CONFIG_KAFKA:
		break;
	}
	store_text(value, member);
	return OUTCOME_OK;
}

/* Set twice by one source, or by a later one? */
static enum outcome check_twice(const struct config_loader *loader, const struct config_origin *before,
	const struct config_origin *origin, const char *name)
{
	if (before->kind != origin->kind)
		return OUTCOME_OK;
	if (origin->kind == CONFIG_ORIGIN_FILE)
		return config_refuse(loader, origin, "'%s' is set twice, first in line %zu", name, before->line);
	return config_refuse(loader, origin, "'%s' is set twice", name);
}

static enum outcome set_kafka(
	struct config_loader *loader, const struct config_origin *origin, const char *name, const char *value)
{
	struct config *config = loader->config;
	struct failure failure = {0};
	size_t i = 0;
	char full_name[CONFIG_NAME_SIZE_MAX + 8];

	if (config_check_kafka(name, value, &failure) != OUTCOME_OK)
		return config_refuse_with(loader, origin, &failure);
	while (i < config->kafka_count && strcmp(config->kafka[i].name, name) != 0)
		i++;
	if (i == CONFIG_KAFKA_OPTIONS_MAX)
		return config_refuse(loader, origin, "more than %d options under 'kafka.'", CONFIG_KAFKA_OPTIONS_MAX);
	if (i == config->kafka_count) {
		config->kafka[i] = (struct config_pair){.name = config_copy_string(name)};
		config->kafka_count++;
		loader->kafka_origins[i] = (struct config_origin){.kind = CONFIG_ORIGIN_DEFAULT};
	}
	(void)snprintf(full_name, sizeof full_name, "kafka.%s", name);
	if (check_twice(loader, &loader->kafka_origins[i], origin, full_name) != OUTCOME_OK)
		return OUTCOME_REJECT;
	loader->kafka_origins[i] = *origin;
	store_text(value, (char *)&config->kafka[i].value);
	return OUTCOME_OK;
}

static enum outcome refuse_unknown(
	const struct config_loader *loader, const struct config_origin *origin, const char *name)
{
	struct spelling spelling;

	spelling_begin(&spelling, name);
	for (size_t i = 0; i < config_options_count; i++)
		spelling_consider(&spelling, config_options[i].name);
	(void)config_refuse(loader, origin, "unknown option '%s'", name);
	if (spelling.nearest)
		fail_hint(loader->reterr, "did you mean %s?", spelling.nearest);
	else
		fail_hint(loader->reterr, "drawdown config reference lists them");
	return OUTCOME_REJECT;
}

enum outcome config_set_option(
	struct config_loader *loader, const struct config_origin *origin, const char *name, const char *value)
{
	const struct config_option *option = config_find_option(name);
	bool is_kafka = strncmp(name, "kafka.", 6) == 0;

	if (!option && !is_kafka)
		return refuse_unknown(loader, origin, name);
	if (*value == '\0') {
		(void)config_refuse(loader, origin, "'%s' has no value", name);
		fail_hint(loader->reterr, "leave it out for the default");
		return OUTCOME_REJECT;
	}
	if (is_kafka)
		return set_kafka(loader, origin, name + 6, value);
	struct config_origin *before = config_origin_of(loader, option);
	if (check_twice(loader, before, origin, name) != OUTCOME_OK)
		return OUTCOME_REJECT;
	*before = *origin;
	return store_value(loader, option, origin, value);
}

enum outcome config_set_default(struct config_loader *loader, const struct config_option *option, const char *value)
{
	struct config_origin origin = {.kind = CONFIG_ORIGIN_DEFAULT};

	return store_value(loader, option, &origin, value);
}
