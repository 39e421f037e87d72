/* SPDX-License-Identifier: Apache-2.0 */
/* What values of several options must be together. */
#include "drawdown/config_loader.h"

#include <arpa/inet.h>
#include <string.h>

/* Of two options the place of the one that somebody set. */
static const struct config_origin *either_origin(struct config_loader *loader, const char *a, const char *b)
{
	const struct config_origin *origin = config_origin_of(loader, config_find_option(a));

	return origin->kind != CONFIG_ORIGIN_DEFAULT ? origin : config_origin_of(loader, config_find_option(b));
}

static enum outcome check_orders(struct config_loader *loader)
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
		const struct config_option *lesser = config_find_option(orders[i].lesser);
		const struct config_option *greater = config_find_option(orders[i].greater);
		char low_text[CONFIG_VALUE_SIZE], high_text[CONFIG_VALUE_SIZE];
		int64_t low, high;
		memcpy(&low, (char *)loader->config + lesser->offset, sizeof low);
		memcpy(&high, (char *)loader->config + greater->offset, sizeof high);
		if (low < high || (orders[i].may_be_equal && low == high))
			continue;
		config_option_format(lesser, loader->config, low_text);
		config_option_format(greater, loader->config, high_text);
		return config_refuse(loader, either_origin(loader, lesser->name, greater->name),
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

static enum outcome check_topics(struct config_loader *loader)
{
	for (size_t i = 0; i < config_options_count; i++) {
		char topic[CONFIG_VALUE_SIZE], other[CONFIG_VALUE_SIZE];
		if (!is_topic(&config_options[i]))
			continue;
		config_option_format(&config_options[i], loader->config, topic);
		if (strcmp(topic, ".") == 0 || strcmp(topic, "..") == 0)
			return config_refuse(
				loader, &loader->origins[i], "'%s' cannot be '%s'", config_options[i].name, topic);
		for (size_t j = 0; j < i; j++) {
			config_option_format(&config_options[j], loader->config, other);
			if (is_topic(&config_options[j]) && strcmp(topic, other) == 0)
				return config_refuse(loader,
					either_origin(loader, config_options[i].name, config_options[j].name),
					"'%s' and '%s' name the same topic", config_options[j].name,
					config_options[i].name);
		}
	}
	return OUTCOME_OK;
}

static enum outcome check_address(struct config_loader *loader)
{
	unsigned char address[sizeof(struct in6_addr)];
	const char *text = loader->config->admin_address;

	if (inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1)
		return OUTCOME_OK;
	return config_refuse(loader, config_origin_of(loader, config_find_option("admin.address")),
		"'admin.address' is not an IP address: '%.*s'", CONFIG_SHOWN_SIZE_MAX, text);
}

static enum outcome refuse_missing(const struct config_loader *loader, const char *name)
{
	struct config_origin origin = {.kind = CONFIG_ORIGIN_DEFAULT};
	char variable[CONFIG_VARIABLE_SIZE];

	config_option_variable(name, variable);
	if (loader->path)
		(void)config_refuse(loader, &origin, "%s: '%s' is missing", loader->path, name);
	else
		(void)config_refuse(loader, &origin, "'%s' is missing: there is no configuration file", name);
	fail_hint(loader->reterr, "set it in a file named by --config, as %s or by --set", variable);
	return OUTCOME_REJECT;
}

static enum outcome check_servers(struct config_loader *loader, unsigned needs)
{
	const struct config *config = loader->config;
	struct failure failure = {0};

	if ((needs & CONFIG_NEEDS_KAFKA) && !config_kafka(config, "bootstrap.servers"))
		return refuse_missing(loader, "kafka.bootstrap.servers");
	if ((needs & CONFIG_NEEDS_DATABASE) && !config->database_url)
		return refuse_missing(loader, "database.url");
	if (config->database_url && config_check_database(config->database_url, &failure) != OUTCOME_OK)
		return config_refuse_with(
			loader, config_origin_of(loader, config_find_option("database.url")), &failure);
	return OUTCOME_OK;
}

static enum outcome check_registry(struct config_loader *loader)
{
	struct failure failure = {0};
	const char *option;

	if (config_check_registry(loader->config, &option, &failure) == OUTCOME_OK)
		return OUTCOME_OK;
	return config_refuse_with(loader, config_origin_of(loader, config_find_option(option)), &failure);
}

enum outcome config_check_whole(struct config_loader *loader, unsigned needs)
{
	enum outcome outcome = check_orders(loader);

	if (outcome == OUTCOME_OK)
		outcome = check_topics(loader);
	if (outcome == OUTCOME_OK)
		outcome = check_address(loader);
	if (outcome == OUTCOME_OK)
		outcome = check_servers(loader, needs);
	if (outcome == OUTCOME_OK)
		outcome = check_registry(loader);
	return outcome;
}
