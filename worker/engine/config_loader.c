/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/config_loader.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

char *config_copy_string(const char *string)
{
	char *copy = strdup(string);

	if (!copy)
		abort();
	return copy;
}

/* "drawdown.conf:12: ", "DRAWDOWN_GROUP_ID: ", "--set: " or nothing. */
static void format_origin(
	const struct config_loader *loader, const struct config_origin *origin, char *text, size_t size)
{
	*text = '\0';
	switch (origin->kind) {
	case CONFIG_ORIGIN_DEFAULT:
		break;
	case CONFIG_ORIGIN_FILE:
		(void)snprintf(text, size, "%s:%zu: ", loader->path, origin->line);
		break;
	case CONFIG_ORIGIN_ENVIRONMENT:
		(void)snprintf(text, size, "%s: ", origin->variable);
		break;
	case CONFIG_ORIGIN_SETTING:
		(void)snprintf(text, size, "--set: ");
		break;
	}
}

enum outcome config_refuse(
	const struct config_loader *loader, const struct config_origin *origin, const char *format, ...)
{
	char place[300];
	char text[400];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	format_origin(loader, origin, place, sizeof place);
	(void)fail(loader->reterr, OUTCOME_REJECT, "config.load", "%s%s", place, text);
	if (loader->reterr)
		loader->reterr->exit_code = EXIT_USAGE;
	return OUTCOME_REJECT;
}

enum outcome config_refuse_with(
	const struct config_loader *loader, const struct config_origin *origin, const struct failure *failure)
{
	(void)config_refuse(loader, origin, "%s", failure->text);
	if (*failure->hint)
		fail_hint(loader->reterr, "%s", failure->hint);
	return OUTCOME_REJECT;
}

const struct config_option *config_find_option(const char *name)
{
	for (size_t i = 0; i < config_options_count; i++) {
		if (config_options[i].type != CONFIG_KAFKA && strcmp(config_options[i].name, name) == 0)
			return &config_options[i];
	}
	return NULL;
}

struct config_origin *config_origin_of(struct config_loader *loader, const struct config_option *option)
{
	return &loader->origins[option - config_options];
}
