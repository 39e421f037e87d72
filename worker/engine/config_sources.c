/* SPDX-License-Identifier: Apache-2.0 */
/* Where values come from: a file, the environment, --set. */
#include "drawdown/config_loader.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drawdown/spelling.h"

static char *trim(char *text)
{
	size_t size;

	while (isspace((unsigned char)*text))
		text++;
	for (size = strlen(text); size > 0 && isspace((unsigned char)text[size - 1]); size--)
		text[size - 1] = '\0';
	return text;
}

/* "key = value". Nothing of it is shown where it is not that: it may hold a password. */
static enum outcome set_line(struct config_loader *loader, const struct config_origin *origin, char *line)
{
	char *equals = strchr(line, '=');
	char *name = line;

	if (equals) {
		*equals = '\0';
		name = trim(line);
	}
	size_t name_size = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	if (!equals || name_size == 0 || name_size > CONFIG_NAME_SIZE_MAX || name[name_size] != '\0')
		return config_refuse(
			loader, origin, "expected key%svalue", origin->kind == CONFIG_ORIGIN_FILE ? " = " : "=");
	return config_set_option(loader, origin, name, trim(equals + 1));
}

static enum outcome read_lines(struct config_loader *loader, FILE *file)
{
	struct config_origin origin = {.kind = CONFIG_ORIGIN_FILE};
	enum outcome outcome = OUTCOME_OK;
	char *line = NULL;
	size_t capacity = 0;
	ssize_t size;

	while (outcome == OUTCOME_OK && (size = getline(&line, &capacity, file)) >= 0) {
		origin.line++;
		bool has_nul = strlen(line) != (size_t)size;
		char *start = trim(line);
		if (has_nul)
			outcome = config_refuse(loader, &origin, "the line holds a NUL byte");
		else if (*start != '\0' && *start != '#')
			outcome = set_line(loader, &origin, start);
	}
	free(line);
	return outcome;
}

enum outcome config_load_file(struct config_loader *loader)
{
	struct config_origin origin = {.kind = CONFIG_ORIGIN_DEFAULT};
	FILE *file = fopen(loader->path, "re");

	if (!file)
		return config_refuse(loader, &origin, "could not read %s: %s", loader->path, strerror(errno));
	enum outcome outcome = read_lines(loader, file);
	if (outcome == OUTCOME_OK && ferror(file))
		outcome = config_refuse(loader, &origin, "could not read %s: %s", loader->path, strerror(errno));
	(void)fclose(file);
	return outcome;
}

/* Variables that are not options: for the tests and the build. */
static bool is_other_variable(const char *variable)
{
	static const char *const others[] = {"DRAWDOWN_CONFIG", "DRAWDOWN_SEED", "DRAWDOWN_PRESET", "DRAWDOWN_WERROR"};

	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		if (strcmp(variable, others[i]) == 0)
			return true;
	}
	return false;
}

/* Kubernetes gives every pod such variables for each service: DRAWDOWN_PORT=tcp://..., DRAWDOWN_SERVICE_HOST, and
 * for a service drawdown-admin even one with the name of an option, DRAWDOWN_ADMIN_PORT=tcp://... */
static bool is_service_variable(const char *variable, const char *value)
{
	return strstr(variable, "_SERVICE_HOST") || strstr(variable, "_SERVICE_PORT") || strstr(variable, "_TCP_") ||
	       strstr(variable, "_UDP_") || strncmp(value, "tcp://", 6) == 0 || strncmp(value, "udp://", 6) == 0;
}

static enum outcome set_kafka_variable(
	struct config_loader *loader, const struct config_origin *origin, const char *rest, const char *value)
{
	char name[CONFIG_NAME_SIZE_MAX + 1];
	size_t size = 0;

	for (; *rest && size < CONFIG_NAME_SIZE_MAX; rest++)
		name[size++] = *rest == '_' ? '.' : (char)tolower((unsigned char)*rest);
	name[size] = '\0';
	char full_name[CONFIG_NAME_SIZE_MAX + 8];
	(void)snprintf(full_name, sizeof full_name, "kafka.%s", name);
	return config_set_option(loader, origin, full_name, value);
}

static enum outcome refuse_variable(const struct config_loader *loader, const struct config_origin *origin)
{
	char variables[CONFIG_OPTIONS_MAX][CONFIG_VARIABLE_SIZE];
	struct spelling spelling;

	spelling_begin(&spelling, origin->variable);
	for (size_t i = 0; i < config_options_count; i++) {
		config_option_variable(config_options[i].name, variables[i]);
		spelling_consider(&spelling, variables[i]);
	}
	(void)config_refuse(loader, origin, "no option has this variable");
	if (spelling.nearest)
		fail_hint(loader->reterr, "did you mean %s?", spelling.nearest);
	else
		fail_hint(loader->reterr, "drawdown config reference lists them");
	return OUTCOME_REJECT;
}

static enum outcome set_variable(struct config_loader *loader, const struct config_origin *origin, const char *value)
{
	static const char kafka[] = "DRAWDOWN_KAFKA_";
	char variable[CONFIG_VARIABLE_SIZE];

	if (is_other_variable(origin->variable) || is_service_variable(origin->variable, value))
		return OUTCOME_OK;
	if (strncmp(origin->variable, kafka, sizeof kafka - 1) == 0)
		return set_kafka_variable(loader, origin, origin->variable + sizeof kafka - 1, value);
	for (size_t i = 0; i < config_options_count; i++) {
		config_option_variable(config_options[i].name, variable);
		if (strcmp(variable, origin->variable) == 0)
			return config_set_option(loader, origin, config_options[i].name, value);
	}
	return refuse_variable(loader, origin);
}

enum outcome config_load_environment(struct config_loader *loader)
{
	for (char **entry = environ; entry && *entry; entry++) {
		struct config_origin origin = {.kind = CONFIG_ORIGIN_ENVIRONMENT};
		const char *equals = strchr(*entry, '=');
		if (strncmp(*entry, "DRAWDOWN_", 9) != 0 || !equals)
			continue;
		(void)snprintf(origin.variable, sizeof origin.variable, "%.*s", (int)(equals - *entry), *entry);
		enum outcome outcome = set_variable(loader, &origin, equals + 1);
		if (outcome != OUTCOME_OK)
			return outcome;
	}
	return OUTCOME_OK;
}

enum outcome config_load_settings(struct config_loader *loader, const char *const *settings, size_t settings_count)
{
	struct config_origin origin = {.kind = CONFIG_ORIGIN_SETTING};

	for (size_t i = 0; i < settings_count; i++) {
		char *line = config_copy_string(settings[i]);
		enum outcome outcome = set_line(loader, &origin, line);
		free(line);
		if (outcome != OUTCOME_OK)
			return outcome;
	}
	return OUTCOME_OK;
}
