/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/config.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drawdown/config_table.h"
#include "drawdown/spelling.h"
#include "drawdown/units.h"

#define OPTIONS_MAX 100
#define KAFKA_OPTIONS_MAX 200
#define NAME_SIZE_MAX 80
#define SHOWN_SIZE_MAX 40 /* of a value in a message */
#define FUTURE_TOLERANCE (5 * 60 * INSTANT_SECOND)

/* Where a value comes from; a later source goes over an earlier one. */
enum origin_kind { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_ENVIRONMENT, ORIGIN_SETTING };

struct origin {
	enum origin_kind kind;
	size_t line; /* of the file */
	char variable[CONFIG_VARIABLE_SIZE];
};

struct loader {
	struct config *config;
	const char *path;				/* or NULL */
	struct origin origins[OPTIONS_MAX];		/* one an option of the table */
	struct origin kafka_origins[KAFKA_OPTIONS_MAX]; /* one a member of config.kafka */
	struct failure *reterr;
};

static char *copy_string(const char *string)
{
	char *copy = strdup(string);

	if (!copy)
		abort();
	return copy;
}

/* "drawdown.conf:12: ", "DRAWDOWN_GROUP_ID: ", "--set: " or nothing. */
static void format_origin(const struct loader *loader, const struct origin *origin, char *text, size_t size)
{
	*text = '\0';
	switch (origin->kind) {
	case ORIGIN_DEFAULT:
		break;
	case ORIGIN_FILE:
		(void)snprintf(text, size, "%s:%zu: ", loader->path, origin->line);
		break;
	case ORIGIN_ENVIRONMENT:
		(void)snprintf(text, size, "%s: ", origin->variable);
		break;
	case ORIGIN_SETTING:
		(void)snprintf(text, size, "--set: ");
		break;
	}
}

__attribute__((format(printf, 3, 4))) static enum outcome refuse(
	const struct loader *loader, const struct origin *origin, const char *format, ...)
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

/* What another check said, with its hint, and the place before it. */
static enum outcome refuse_with(const struct loader *loader, const struct origin *origin, const struct failure *failure)
{
	(void)refuse(loader, origin, "%s", failure->text);
	if (*failure->hint)
		fail_hint(loader->reterr, "%s", failure->hint);
	return OUTCOME_REJECT;
}

static const struct config_option *find_option(const char *name)
{
	for (size_t i = 0; i < config_options_count; i++) {
		if (config_options[i].type != CONFIG_KAFKA && strcmp(config_options[i].name, name) == 0)
			return &config_options[i];
	}
	return NULL;
}

static struct origin *origin_of(struct loader *loader, const struct config_option *option)
{
	return &loader->origins[option - config_options];
}

/* --- one value --- */

static enum outcome refuse_quantity(const struct loader *loader, const struct config_option *option,
	const struct origin *origin, const char *value, enum units_parse parsed)
{
	const char *units = option->type == CONFIG_DURATION ? "us, ms, s, min, h, d" : "B, kB, MB, GB";

	if (option->type == CONFIG_INTEGER)
		return refuse(
			loader, origin, "'%s' takes a whole number, not '%.*s'", option->name, SHOWN_SIZE_MAX, value);
	if (parsed == UNITS_MISSING)
		(void)refuse(loader, origin, "'%s' needs a unit: '%.*s'", option->name, SHOWN_SIZE_MAX, value);
	else if (parsed == UNITS_UNKNOWN)
		(void)refuse(loader, origin, "'%s' has an unknown unit: '%.*s'", option->name, SHOWN_SIZE_MAX, value);
	else
		(void)refuse(loader, origin, "'%s' takes a whole number and a unit, not '%.*s'", option->name,
			SHOWN_SIZE_MAX, value);
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

static enum outcome store_quantity(const struct loader *loader, const struct config_option *option,
	const struct origin *origin, const char *value, char *member)
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
		return refuse(
			loader, origin, "'%s' is %s to %s, not %.*s", option->name, min, max, SHOWN_SIZE_MAX, value);
	}
	assert(option->size == sizeof quantity);
	memcpy(member, &quantity, sizeof quantity);
	return OUTCOME_OK;
}

static enum outcome store_choice(const struct loader *loader, const struct config_option *option,
	const struct origin *origin, const char *value, char *member)
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
	(void)refuse(loader, origin, "'%s' is one of %s, not '%.*s'", option->name, list, SHOWN_SIZE_MAX, value);
	if (spelling.nearest)
		fail_hint(loader->reterr, "did you mean %s?", spelling.nearest);
	return OUTCOME_REJECT;
}

static enum outcome check_name(
	const struct loader *loader, const struct config_option *option, const struct origin *origin, const char *value)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

	if (strlen(value) > (size_t)option->max)
		return refuse(loader, origin, "'%s' is longer than %" PRId64 " characters", option->name, option->max);
	if (value[strspn(value, alphabet)] != '\0') {
		(void)refuse(loader, origin, "'%s' has a character other than A-Z, a-z, 0-9, '.', '_' and '-'",
			option->name);
		if (origin->kind == ORIGIN_DEFAULT)
			fail_hint(loader->reterr, "the default does not serve here: set %s", option->name);
		return OUTCOME_REJECT;
	}
	return OUTCOME_OK;
}

static void store_text(const char *value, char *member)
{
	char *copy = copy_string(value);
	char *old;

	memcpy(&old, member, sizeof old);
	free(old);
	memcpy(member, &copy, sizeof copy);
}

static enum outcome store_value(
	const struct loader *loader, const struct config_option *option, const struct origin *origin, const char *value)
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
static enum outcome check_twice(
	const struct loader *loader, const struct origin *before, const struct origin *origin, const char *name)
{
	if (before->kind != origin->kind)
		return OUTCOME_OK;
	if (origin->kind == ORIGIN_FILE)
		return refuse(loader, origin, "'%s' is set twice, first in line %zu", name, before->line);
	return refuse(loader, origin, "'%s' is set twice", name);
}

static enum outcome set_kafka(struct loader *loader, const struct origin *origin, const char *name, const char *value)
{
	struct config *config = loader->config;
	struct failure failure = {0};
	size_t i = 0;
	char full_name[NAME_SIZE_MAX + 8];

	if (config_check_kafka(name, value, &failure) != OUTCOME_OK)
		return refuse_with(loader, origin, &failure);
	while (i < config->kafka_count && strcmp(config->kafka[i].name, name) != 0)
		i++;
	if (i == KAFKA_OPTIONS_MAX)
		return refuse(loader, origin, "more than %d options under 'kafka.'", KAFKA_OPTIONS_MAX);
	if (i == config->kafka_count) {
		config->kafka[i] = (struct config_pair){.name = copy_string(name)};
		config->kafka_count++;
		loader->kafka_origins[i] = (struct origin){.kind = ORIGIN_DEFAULT};
	}
	(void)snprintf(full_name, sizeof full_name, "kafka.%s", name);
	if (check_twice(loader, &loader->kafka_origins[i], origin, full_name) != OUTCOME_OK)
		return OUTCOME_REJECT;
	loader->kafka_origins[i] = *origin;
	store_text(value, (char *)&config->kafka[i].value);
	return OUTCOME_OK;
}

static enum outcome refuse_unknown(const struct loader *loader, const struct origin *origin, const char *name)
{
	struct spelling spelling;

	spelling_begin(&spelling, name);
	for (size_t i = 0; i < config_options_count; i++)
		spelling_consider(&spelling, config_options[i].name);
	(void)refuse(loader, origin, "unknown option '%s'", name);
	if (spelling.nearest)
		fail_hint(loader->reterr, "did you mean %s?", spelling.nearest);
	else
		fail_hint(loader->reterr, "drawdown config reference lists them");
	return OUTCOME_REJECT;
}

static enum outcome set_option(struct loader *loader, const struct origin *origin, const char *name, const char *value)
{
	const struct config_option *option = find_option(name);
	bool is_kafka = strncmp(name, "kafka.", 6) == 0;

	if (!option && !is_kafka)
		return refuse_unknown(loader, origin, name);
	if (*value == '\0') {
		(void)refuse(loader, origin, "'%s' has no value", name);
		fail_hint(loader->reterr, "leave it out for the default");
		return OUTCOME_REJECT;
	}
	if (is_kafka)
		return set_kafka(loader, origin, name + 6, value);
	struct origin *before = origin_of(loader, option);
	if (check_twice(loader, before, origin, name) != OUTCOME_OK)
		return OUTCOME_REJECT;
	*before = *origin;
	return store_value(loader, option, origin, value);
}

/* --- sources --- */

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
static enum outcome set_line(struct loader *loader, const struct origin *origin, char *line)
{
	char *equals = strchr(line, '=');
	char *name = line;

	if (equals) {
		*equals = '\0';
		name = trim(line);
	}
	size_t name_size = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	if (!equals || name_size == 0 || name_size > NAME_SIZE_MAX || name[name_size] != '\0')
		return refuse(loader, origin, "expected key%svalue", origin->kind == ORIGIN_FILE ? " = " : "=");
	return set_option(loader, origin, name, trim(equals + 1));
}

static enum outcome read_lines(struct loader *loader, FILE *file)
{
	struct origin origin = {.kind = ORIGIN_FILE};
	enum outcome outcome = OUTCOME_OK;
	char *line = NULL;
	size_t capacity = 0;
	ssize_t size;

	while (outcome == OUTCOME_OK && (size = getline(&line, &capacity, file)) >= 0) {
		origin.line++;
		bool has_nul = strlen(line) != (size_t)size;
		char *start = trim(line);
		if (has_nul)
			outcome = refuse(loader, &origin, "the line holds a NUL byte");
		else if (*start != '\0' && *start != '#')
			outcome = set_line(loader, &origin, start);
	}
	free(line);
	return outcome;
}

static enum outcome load_file(struct loader *loader)
{
	struct origin origin = {.kind = ORIGIN_DEFAULT};
	FILE *file = fopen(loader->path, "re");

	if (!file)
		return refuse(loader, &origin, "could not read %s: %s", loader->path, strerror(errno));
	enum outcome outcome = read_lines(loader, file);
	if (outcome == OUTCOME_OK && ferror(file))
		outcome = refuse(loader, &origin, "could not read %s: %s", loader->path, strerror(errno));
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
	struct loader *loader, const struct origin *origin, const char *rest, const char *value)
{
	char name[NAME_SIZE_MAX + 1];
	size_t size = 0;

	for (; *rest && size < NAME_SIZE_MAX; rest++)
		name[size++] = *rest == '_' ? '.' : (char)tolower((unsigned char)*rest);
	name[size] = '\0';
	char full_name[NAME_SIZE_MAX + 8];
	(void)snprintf(full_name, sizeof full_name, "kafka.%s", name);
	return set_option(loader, origin, full_name, value);
}

static enum outcome refuse_variable(const struct loader *loader, const struct origin *origin)
{
	char variables[OPTIONS_MAX][CONFIG_VARIABLE_SIZE];
	struct spelling spelling;

	spelling_begin(&spelling, origin->variable);
	for (size_t i = 0; i < config_options_count; i++) {
		config_option_variable(config_options[i].name, variables[i]);
		spelling_consider(&spelling, variables[i]);
	}
	(void)refuse(loader, origin, "no option has this variable");
	if (spelling.nearest)
		fail_hint(loader->reterr, "did you mean %s?", spelling.nearest);
	else
		fail_hint(loader->reterr, "drawdown config reference lists them");
	return OUTCOME_REJECT;
}

static enum outcome set_variable(struct loader *loader, const struct origin *origin, const char *value)
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
			return set_option(loader, origin, config_options[i].name, value);
	}
	return refuse_variable(loader, origin);
}

static enum outcome load_environment(struct loader *loader)
{
	for (char **entry = environ; entry && *entry; entry++) {
		struct origin origin = {.kind = ORIGIN_ENVIRONMENT};
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

static enum outcome load_settings(struct loader *loader, const char *const *settings, size_t settings_count)
{
	struct origin origin = {.kind = ORIGIN_SETTING};

	for (size_t i = 0; i < settings_count; i++) {
		char *line = copy_string(settings[i]);
		enum outcome outcome = set_line(loader, &origin, line);
		free(line);
		if (outcome != OUTCOME_OK)
			return outcome;
	}
	return OUTCOME_OK;
}

/* --- defaults --- */

static enum outcome set_default(struct loader *loader, const struct config_option *option, const char *value)
{
	struct origin origin = {.kind = ORIGIN_DEFAULT};

	return store_value(loader, option, &origin, value);
}

static enum outcome load_defaults(struct loader *loader)
{
	loader->config->rules.future_tolerance = FUTURE_TOLERANCE;
	for (size_t i = 0; i < config_options_count; i++) {
		const struct config_option *option = &config_options[i];
		if (option->standard && set_default(loader, option, option->standard) != OUTCOME_OK)
			return OUTCOME_REJECT;
	}
	return OUTCOME_OK;
}

static enum outcome default_topic(struct loader *loader, const char *name)
{
	const struct config_option *option = find_option(name);
	char topic[512];

	if (origin_of(loader, option)->kind != ORIGIN_DEFAULT)
		return OUTCOME_OK;
	(void)snprintf(topic, sizeof topic, "%s%s", loader->config->topics_prefix, name + strlen("topics."));
	return set_default(loader, option, topic);
}

/* What the ids of a registry are kept under: where it is, but for what says how it is reached. */
static enum outcome default_registry_name(struct loader *loader)
{
	const char *url = loader->config->registry_url;
	const char *begin = url ? strstr(url, "://") : NULL;
	char name[256];

	if (!begin || loader->config->registry_name)
		return OUTCOME_OK;
	(void)snprintf(name, sizeof name, "%s", begin + 3);
	while (*name && name[strlen(name) - 1] == '/')
		name[strlen(name) - 1] = '\0';
	return set_default(loader, find_option("registry.name"), name);
}

/* Defaults that follow from other values. */
static enum outcome derive_defaults(struct loader *loader)
{
	static const char *const topics[] = {"topics.usage", "topics.commands", "topics.ledger", "topics.balances",
		"topics.outcomes", "topics.notifications", "topics.dead-letters"};
	struct config *config = loader->config;
	char host[256] = "";

	for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
		if (default_topic(loader, topics[i]) != OUTCOME_OK)
			return OUTCOME_REJECT;
	}
	for (size_t i = 0; i < INPUT_COUNT; i++)
		config->encoding.input_topics[i] = config->input_topics[i];
	if (origin_of(loader, find_option("dedupe.generation"))->kind == ORIGIN_DEFAULT &&
		config->dedupe_generation > config->rules.dedupe_window)
		config->dedupe_generation = config->rules.dedupe_window;
	if (default_registry_name(loader) != OUTCOME_OK)
		return OUTCOME_REJECT;
	if (config->replica_id)
		return OUTCOME_OK;
	(void)gethostname(host, sizeof host - 1);
	return set_default(loader, find_option("replica.id"), *host ? host : "localhost");
}

/* --- checks of the whole --- */

/* Of two options the place of the one that somebody set. */
static const struct origin *either_origin(struct loader *loader, const char *a, const char *b)
{
	const struct origin *origin = origin_of(loader, find_option(a));

	return origin->kind != ORIGIN_DEFAULT ? origin : origin_of(loader, find_option(b));
}

static enum outcome check_orders(struct loader *loader)
{
	static const struct {
		const char *lesser, *greater;
		bool may_be_equal;
	} orders[] = {
		{"database.lock.timeout", "database.statement.timeout", false},
		{"dedupe.generation", "dedupe.window", true},
		{"publish.transaction.timeout", "publish.transaction.timeout.max", true},
		{"batch.records.max", "batch.entries.max", true},
		{"sweep.batch", "sweep.pending.max", true},
	};

	for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
		const struct config_option *lesser = find_option(orders[i].lesser);
		const struct config_option *greater = find_option(orders[i].greater);
		char low_text[CONFIG_VALUE_SIZE], high_text[CONFIG_VALUE_SIZE];
		int64_t low, high;
		memcpy(&low, (char *)loader->config + lesser->offset, sizeof low);
		memcpy(&high, (char *)loader->config + greater->offset, sizeof high);
		if (low < high || (orders[i].may_be_equal && low == high))
			continue;
		config_option_format(lesser, loader->config, low_text);
		config_option_format(greater, loader->config, high_text);
		return refuse(loader, either_origin(loader, lesser->name, greater->name),
			"'%s' (%.40s) must be %s '%s' (%.40s)", lesser->name, low_text,
			orders[i].may_be_equal ? "at most" : "less than", greater->name, high_text);
	}
	return OUTCOME_OK;
}

static bool is_topic(const struct config_option *option)
{
	return strncmp(option->name, "topics.", 7) == 0 && option->type == CONFIG_NAME &&
	       strcmp(option->name, "topics.prefix") != 0;
}

static enum outcome check_topics(struct loader *loader)
{
	for (size_t i = 0; i < config_options_count; i++) {
		char topic[CONFIG_VALUE_SIZE], other[CONFIG_VALUE_SIZE];
		if (!is_topic(&config_options[i]))
			continue;
		config_option_format(&config_options[i], loader->config, topic);
		if (strcmp(topic, ".") == 0 || strcmp(topic, "..") == 0)
			return refuse(
				loader, &loader->origins[i], "'%s' cannot be '%s'", config_options[i].name, topic);
		for (size_t j = 0; j < i; j++) {
			config_option_format(&config_options[j], loader->config, other);
			if (is_topic(&config_options[j]) && strcmp(topic, other) == 0)
				return refuse(loader,
					either_origin(loader, config_options[i].name, config_options[j].name),
					"'%s' and '%s' name the same topic", config_options[j].name,
					config_options[i].name);
		}
	}
	return OUTCOME_OK;
}

static enum outcome check_address(struct loader *loader)
{
	unsigned char address[sizeof(struct in6_addr)];
	const char *text = loader->config->admin_address;

	if (inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1)
		return OUTCOME_OK;
	return refuse(loader, origin_of(loader, find_option("admin.address")),
		"'admin.address' is not an IP address: '%.*s'", SHOWN_SIZE_MAX, text);
}

static enum outcome refuse_missing(const struct loader *loader, const char *name)
{
	struct origin origin = {.kind = ORIGIN_DEFAULT};
	char variable[CONFIG_VARIABLE_SIZE];

	config_option_variable(name, variable);
	if (loader->path)
		(void)refuse(loader, &origin, "%s: '%s' is missing", loader->path, name);
	else
		(void)refuse(loader, &origin, "'%s' is missing: there is no configuration file", name);
	fail_hint(loader->reterr, "set it in a file named by --config, as %s or by --set", variable);
	return OUTCOME_REJECT;
}

static enum outcome check_servers(struct loader *loader, unsigned needs)
{
	const struct config *config = loader->config;
	struct failure failure = {0};

	if ((needs & CONFIG_NEEDS_KAFKA) && !config_kafka(config, "bootstrap.servers"))
		return refuse_missing(loader, "kafka.bootstrap.servers");
	if ((needs & CONFIG_NEEDS_DATABASE) && !config->database_url)
		return refuse_missing(loader, "database.url");
	if (config->database_url && config_check_database(config->database_url, &failure) != OUTCOME_OK)
		return refuse_with(loader, origin_of(loader, find_option("database.url")), &failure);
	return OUTCOME_OK;
}

static enum outcome check_registry(struct loader *loader)
{
	struct failure failure = {0};
	const char *option;

	if (config_check_registry(loader->config, &option, &failure) == OUTCOME_OK)
		return OUTCOME_OK;
	return refuse_with(loader, origin_of(loader, find_option(option)), &failure);
}

/* --- public --- */

enum outcome config_load_over(struct config *config, const char *path, const char *const *settings,
	size_t settings_count, unsigned needs, struct failure *reterr)
{
	struct loader loader = {.config = config, .path = path, .reterr = reterr};

	assert(config_options_count <= OPTIONS_MAX);
	*config = (struct config){.kafka = calloc(KAFKA_OPTIONS_MAX, sizeof(struct config_pair))};
	if (!config->kafka)
		abort();
	enum outcome outcome = load_defaults(&loader);
	if (outcome == OUTCOME_OK && path)
		outcome = load_file(&loader);
	if (outcome == OUTCOME_OK)
		outcome = load_environment(&loader);
	if (outcome == OUTCOME_OK)
		outcome = load_settings(&loader, settings, settings_count);
	if (outcome == OUTCOME_OK)
		outcome = derive_defaults(&loader);
	if (outcome == OUTCOME_OK)
		outcome = check_orders(&loader);
	if (outcome == OUTCOME_OK)
		outcome = check_topics(&loader);
	if (outcome == OUTCOME_OK)
		outcome = check_address(&loader);
	if (outcome == OUTCOME_OK)
		outcome = check_servers(&loader, needs);
	if (outcome == OUTCOME_OK)
		outcome = check_registry(&loader);
	if (outcome != OUTCOME_OK)
		config_release(config);
	return outcome;
}

enum outcome config_load(struct config *config, const char *path, struct failure *reterr)
{
	return config_load_over(config, path, NULL, 0, CONFIG_NEEDS_ALL, reterr);
}

void config_release(struct config *config)
{
	for (size_t i = 0; i < config_options_count; i++) {
		if (config_options[i].type == CONFIG_TEXT || config_options[i].type == CONFIG_NAME) {
			char *text;
			memcpy(&text, (char *)config + config_options[i].offset, sizeof text);
			free(text);
		}
	}
	for (size_t i = 0; i < config->kafka_count; i++) {
		free(config->kafka[i].name);
		free(config->kafka[i].value);
	}
	free(config->kafka);
	*config = (struct config){0};
}

const char *config_kafka(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->kafka_count; i++) {
		if (strcmp(config->kafka[i].name, name) == 0)
			return config->kafka[i].value;
	}
	return NULL;
}
