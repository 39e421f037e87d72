/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "bench.h"
#include "drawdown/topics.h"

#define STATEMENT_TIMEOUT (30 * 60 * INSTANT_SECOND)
#define ADMIN_TIMEOUT_MS 30000
#define DROP_ATTEMPTS_MAX 20
#define DROP_PAUSE (200 * INSTANT_MILLISECOND)

/* ---- servers ---- */

/* Names that nobody else has. */
static void choose_id(struct bench *bench)
{
	uint32_t number = 0;

	if (getrandom(&number, sizeof number, 0) != sizeof number)
		number = (uint32_t)instant_now();
	(void)snprintf(bench->id, sizeof bench->id, "bench-%08x", number);
}

static enum outcome make_directory(struct bench *bench, struct failure *reterr)
{
	(void)snprintf(bench->directory, sizeof bench->directory, "/tmp/drawdown-bench.XXXXXX");
	if (!mkdtemp(bench->directory)) {
		*bench->directory = '\0';
		return fail(reterr, OUTCOME_FATAL, "bench", "could not make a directory for logs: %s", strerror(errno));
	}
	return OUTCOME_OK;
}

enum outcome bench_servers_open(struct bench *bench, struct failure *reterr)
{
	const struct postgres_settings settings = {
		.url = bench->config.database_url,
		.application_name = "drawdown bench",
		.statement_timeout = STATEMENT_TIMEOUT,
	};
	struct kafka_topics topics;
	rd_kafka_conf_t *conf;

	choose_id(bench);
	enum outcome outcome = make_directory(bench, reterr);
	postgres_init(&bench->postgres, &settings);
	if (outcome == OUTCOME_OK)
		outcome = postgres_connect(&bench->postgres, reterr);
	if (outcome == OUTCOME_OK)
		outcome = kafka_conf_new(&bench->config, NULL, NULL, &conf, reterr);
	if (outcome == OUTCOME_OK)
		outcome = kafka_open(RD_KAFKA_PRODUCER, conf, &bench->kafka, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	outcome = kafka_topics_list(bench->kafka, &topics, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	kafka_topics_release(&topics);
	return bench_database_open(bench, reterr);
}

/* Is it a topic of ours? */
static bool is_ours(const struct bench *bench, const char *name)
{
	return strncmp(name, bench->id, strlen(bench->id)) == 0;
}

static void delete_topics(struct bench *bench)
{
	struct kafka_topics topics;

	if (kafka_topics_list(bench->kafka, &topics, NULL) != OUTCOME_OK)
		return;
	for (int i = 0; i < topics.metadata->topic_cnt; i++)
		if (is_ours(bench, topics.metadata->topics[i].topic))
			bench_topic_delete(bench, topics.metadata->topics[i].topic);
	kafka_topics_release(&topics);
}

static enum outcome drop_database(struct bench *bench, const char *name, struct failure *reterr)
{
	char statement[BENCH_NAME_SIZE + 64];

	(void)snprintf(statement, sizeof statement, "drop database if exists \"%s\" with (force)", name);
	return postgres_execute(&bench->postgres, "bench", "drop_database", statement, reterr);
}

void bench_database_drop(struct bench *bench, const char *name)
{
	if (*name && !bench->settings.keeps && postgres_connect(&bench->postgres, NULL) == OUTCOME_OK)
		(void)drop_database(bench, name, NULL);
}

void bench_servers_close(struct bench *bench)
{
	const char *const templates[] = {bench->template, bench->empty_template};

	if (bench->kafka && !bench->settings.keeps)
		delete_topics(bench);
	for (size_t i = 0; i < sizeof templates / sizeof *templates; i++)
		bench_database_drop(bench, templates[i]);
	if (bench->kafka)
		rd_kafka_destroy(bench->kafka);
	postgres_release(&bench->postgres);
}

/* ---- topics ---- */

enum outcome bench_topic_create(struct bench *bench, const char *name, int32_t partitions_count, struct failure *reterr)
{
	const struct topic_plan plan = {
		.name = name,
		.partitions_count = partitions_count,
		.replication = (int32_t)bench->config.topics_replication,
		.settings = {{"message.timestamp.type", "LogAppendTime"}, {"cleanup.policy", "delete"},
			{"retention.ms", "604800000"}, {"segment.ms", "86400000"}},
	};

	return topics_create(bench->kafka, &plan, reterr);
}

void bench_topic_delete(struct bench *bench, const char *name)
{
	rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(name);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(bench->kafka);

	rd_kafka_DeleteTopics(bench->kafka, &topic, 1, NULL, queue);
	rd_kafka_event_t *answer = rd_kafka_queue_poll(queue, ADMIN_TIMEOUT_MS);
	if (answer)
		rd_kafka_event_destroy(answer);
	rd_kafka_queue_destroy(queue);
	rd_kafka_DeleteTopic_destroy(topic);
}

static void delete_group(struct bench *bench, const char *name)
{
	rd_kafka_DeleteGroup_t *group = rd_kafka_DeleteGroup_new(name);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(bench->kafka);

	rd_kafka_DeleteGroups(bench->kafka, &group, 1, NULL, queue);
	rd_kafka_event_t *answer = rd_kafka_queue_poll(queue, ADMIN_TIMEOUT_MS);
	if (answer)
		rd_kafka_event_destroy(answer);
	rd_kafka_queue_destroy(queue);
	rd_kafka_DeleteGroup_destroy(group);
}

static enum outcome create_topics(struct bench *bench, const struct bench_site *site, struct failure *reterr)
{
	struct topic_plan plans[TOPICS_COUNT];
	struct kafka_topics topics;

	topics_plan(&site->config, plans);
	enum outcome outcome = kafka_topics_list(bench->kafka, &topics, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	/* The inputs come in pairs. */
	int32_t partitions = kafka_topic_partitions_count(&topics, plans[INPUT_USAGE].name);
	for (size_t i = 0; i < TOPICS_COUNT && outcome == OUTCOME_OK; i++) {
		if (partitions)
			plans[i].partitions_count = partitions;
		if (kafka_topic_partitions_count(&topics, plans[i].name) == 0)
			outcome = topics_create(bench->kafka, &plans[i], reterr);
	}
	kafka_topics_release(&topics);
	return outcome;
}

/* ---- databases ---- */

static void append_option(FILE *out, const char *keyword, const char *value)
{
	(void)fprintf(out, "%s='", keyword);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			(void)fputc('\\', out);
		(void)fputc(*value, out);
	}
	(void)fputs("' ", out);
}

/* As the given one, but of another database. */
static char *url_of(const struct bench *bench, const char *database)
{
	PQconninfoOption *options = PQconninfoParse(bench->config.database_url, NULL);
	char *url = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&url, &size);

	if (!options || !out)
		abort();
	for (const PQconninfoOption *option = options; option->keyword; option++)
		if (option->val && *option->val && strcmp(option->keyword, "dbname") != 0)
			append_option(out, option->keyword, option->val);
	append_option(out, "dbname", database);
	if (fclose(out) != 0)
		abort();
	PQconninfoFree(options);
	return url;
}

/* Through the log: then a run does not pay for a checkpoint, which a copy of the files would need. */
static enum outcome create_database(
	struct bench *bench, const char *name, const char *template_name, struct failure *reterr)
{
	char statement[3 * BENCH_NAME_SIZE + 64];
	enum outcome outcome;

	if (template_name)
		(void)snprintf(statement, sizeof statement, "create database \"%s\" template \"%s\" strategy wal_log",
			name, template_name);
	else
		(void)snprintf(statement, sizeof statement,
			"create database \"%s\" template template0 encoding 'UTF8' locale 'C'", name);
	/* A session of the template may just be ending. */
	for (int attempt = 1;; attempt++) {
		outcome = postgres_connect(&bench->postgres, reterr);
		if (outcome == OUTCOME_OK)
			outcome = postgres_execute(&bench->postgres, "bench", "create_database", statement, reterr);
		if (outcome == OUTCOME_OK || attempt == DROP_ATTEMPTS_MAX ||
			strcmp(bench->postgres.sqlstate, "55006") != 0)
			return outcome;
		bench_pause(DROP_PAUSE);
	}
}

enum outcome bench_site_connect(const struct bench_site *site, struct postgres *postgres, struct failure *reterr)
{
	const struct postgres_settings settings = {
		.url = site->url, .application_name = "drawdown bench", .statement_timeout = STATEMENT_TIMEOUT};

	postgres_init(postgres, &settings);
	return postgres_connect(postgres, reterr);
}

/* ---- settings ---- */

static bool is_same_key(const char *a, const char *b)
{
	size_t size = strcspn(a, " =");

	return strncmp(a, b, size) == 0 && (b[size] == '=' || b[size] == ' ');
}

/* What it overrides goes. */
static void set(struct bench_site *site, const char *setting)
{
	struct option_list *list = &site->settings;
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (!is_same_key(setting, list->values[i]))
			list->values[kept++] = list->values[i];
	list->count = kept;
	if (list->count == OPTION_LIST_MAX)
		abort();
	list->values[list->count++] = setting;
}

__attribute__((format(printf, 2, 3))) static void set_format(struct bench_site *site, const char *format, ...)
{
	char text[BENCH_NAME_SIZE * 2];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	set(site, arena_format(&site->arena, "%s", text).data);
}

static enum outcome load_config(struct bench *bench, struct bench_site *site, const struct bench_load *usage,
	const char *const *settings, struct failure *reterr)
{
	struct options options = *bench->options;
	int exit_code;

	site->settings = options.settings;
	for (; settings && *settings; settings++)
		set(site, *settings);
	set_format(site, "topics.prefix=%s.", site->name);
	set_format(site, "topics.commands=%s.commands", site->name);
	if (usage)
		set_format(site, "topics.usage=%s", usage->topic);
	else
		set_format(site, "topics.usage=%s.usage", site->name);
	set_format(site, "group.id=%s", site->name);
	set_format(site, "log.format=logfmt");
	set_format(site, "log.level=info");
	set_format(site, "admin.address=127.0.0.1");
	options.settings = site->settings;
	/* The one with a password: not for a command line. */
	options.settings.values[options.settings.count++] =
		arena_format(&site->arena, "database.url=%s", site->url).data;
	if (!options_load_config(&options, &site->config, &exit_code))
		return fail(reterr, OUTCOME_FATAL, "bench", "the configuration cannot be used");
	site->has_config = true;
	return OUTCOME_OK;
}

enum outcome bench_site_open(struct bench *bench, struct bench_site *site, const char *template_name,
	const struct bench_load *usage, const char *const *settings, struct failure *reterr)
{
	bool is_done;

	*site = (struct bench_site){0};
	arena_init(&site->arena, 4096);
	int number = ++bench->sites_count;
	(void)snprintf(site->name, sizeof site->name, "%.40s.%d", bench->id, number);
	(void)snprintf(site->database, sizeof site->database, "drawdown-%.40s-%d", bench->id, number);
	site->url = url_of(bench, site->database);
	/* Every run begins as far from the next checkpoint. */
	enum outcome outcome = bench_database_checkpoint(bench, &is_done, reterr);
	if (outcome == OUTCOME_OK)
		outcome = create_database(bench, site->database, template_name, reterr);
	if (outcome == OUTCOME_OK)
		outcome = load_config(bench, site, usage, settings, reterr);
	if (outcome == OUTCOME_OK)
		outcome = create_topics(bench, site, reterr);
	if (outcome != OUTCOME_OK)
		bench_site_close(bench, site, false);
	return outcome;
}

void bench_site_close(struct bench *bench, struct bench_site *site, bool keeps_database)
{
	if (!*site->name)
		return;
	if (bench->settings.keeps) {
		(void)fprintf(stderr, "kept: database %s, topics %s.*\n", site->database, site->name);
		keeps_database = true;
	} else if (site->has_config) {
		for (int i = 0; i < OUTPUT_COUNT; i++)
			bench_topic_delete(bench, site->config.output_topics[i]);
		bench_topic_delete(bench, site->config.input_topics[INPUT_COMMANDS]);
		if (strncmp(site->config.input_topics[INPUT_USAGE], site->name, strlen(site->name)) == 0)
			bench_topic_delete(bench, site->config.input_topics[INPUT_USAGE]);
		delete_group(bench, site->name);
	}
	if (!keeps_database && postgres_connect(&bench->postgres, NULL) == OUTCOME_OK)
		(void)drop_database(bench, site->database, NULL);
	if (site->has_config)
		config_release(&site->config);
	free(site->url);
	arena_release(&site->arena);
	*site = (struct bench_site){0};
}
