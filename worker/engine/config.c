/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drawdown/config_loader.h"

#define FUTURE_TOLERANCE (5 * 60 * INSTANT_SECOND)

/* --- defaults --- */

static enum outcome load_defaults(struct config_loader *loader)
{
	loader->config->rules.future_tolerance = FUTURE_TOLERANCE;
	for (size_t i = 0; i < config_options_count; i++) {
		const struct config_option *option = &config_options[i];
		if (option->standard && config_set_default(loader, option, option->standard) != OUTCOME_OK)
			return OUTCOME_REJECT;
	}
	return OUTCOME_OK;
}

static enum outcome default_topic(struct config_loader *loader, const char *name)
{
	const struct config_option *option = config_find_option(name);
	char topic[512];

	if (config_origin_of(loader, option)->kind != CONFIG_ORIGIN_DEFAULT)
		return OUTCOME_OK;
	(void)snprintf(topic, sizeof topic, "%s%s", loader->config->topics_prefix, name + strlen("topics."));
	return config_set_default(loader, option, topic);
}

/* What the ids of a registry are kept under: where it is, but for what says how it is reached. */
static enum outcome default_registry_name(struct config_loader *loader)
{
	const char *url = loader->config->registry_url;
	const char *begin = url ? strstr(url, "://") : NULL;
	char name[256];

	if (!begin || loader->config->registry_name)
		return OUTCOME_OK;
	(void)snprintf(name, sizeof name, "%s", begin + 3);
	while (*name && name[strlen(name) - 1] == '/')
		name[strlen(name) - 1] = '\0';
	return config_set_default(loader, config_find_option("registry.name"), name);
}

/* Defaults that follow from other values. */
static enum outcome derive_defaults(struct config_loader *loader)
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
	if (config_origin_of(loader, config_find_option("dedupe.generation"))->kind == CONFIG_ORIGIN_DEFAULT &&
		config->dedupe_generation > config->rules.dedupe_window)
		config->dedupe_generation = config->rules.dedupe_window;
	if (default_registry_name(loader) != OUTCOME_OK)
		return OUTCOME_REJECT;
	if (config->replica_id)
		return OUTCOME_OK;
	(void)gethostname(host, sizeof host - 1);
	return config_set_default(loader, config_find_option("replica.id"), *host ? host : "localhost");
}

/* --- the whole --- */

enum outcome config_load_over(struct config *config, const char *path, const char *const *settings,
	size_t settings_count, unsigned needs, struct failure *reterr)
{
	struct config_loader loader = {.config = config, .path = path, .reterr = reterr};

	assert(config_options_count <= CONFIG_OPTIONS_MAX);
	*config = (struct config){.kafka = calloc(CONFIG_KAFKA_OPTIONS_MAX, sizeof(struct config_pair))};
	if (!config->kafka)
		abort();
	enum outcome outcome = load_defaults(&loader);
	if (outcome == OUTCOME_OK && path)
		outcome = config_load_file(&loader);
	if (outcome == OUTCOME_OK)
		outcome = config_load_environment(&loader);
	if (outcome == OUTCOME_OK)
		outcome = config_load_settings(&loader, settings, settings_count);
	if (outcome == OUTCOME_OK)
		outcome = derive_defaults(&loader);
	if (outcome == OUTCOME_OK)
		outcome = config_check_whole(&loader, needs);
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
