/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "drawdown/command.h"
#include "drawdown/json_print.h"
#include "drawdown/options.h"
#include "drawdown/subjects.h"
#include "drawdown/terminal.h"
#include "drawdown/topics.h"

#define AWAIT_PAUSE_MS 50

enum verdict {
	VERDICT_CREATED,
	VERDICT_MISSING, /* dry run: it would be made */
	VERDICT_AS_PLANNED,
	VERDICT_DIFFERS,
};

struct report {
	const struct topic_plan *plan;
	enum verdict verdict;
	struct topic_difference differences[TOPIC_SETTINGS_MAX + 2];
	size_t differences_count;
};

static const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = {
		[VERDICT_CREATED] = "created",
		[VERDICT_MISSING] = "missing",
		[VERDICT_AS_PLANNED] = "as planned",
		[VERDICT_DIFFERS] = "differs",
	};
	return names[verdict];
}

/* A broker hears of new topics a little after the controller has made them; who starts next must find them. */
static enum outcome await_topics(rd_kafka_t *kafka, const struct topic_plan *plans, struct failure *reterr)
{
	int64_t deadline = monotonic_now() + KAFKA_CALL_TIMEOUT_MS * INSTANT_MILLISECOND;

	for (;;) {
		struct kafka_topics topics;
		size_t missing_count = 0;
		enum outcome outcome = kafka_topics_list(kafka, &topics, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		for (size_t i = 0; i < TOPICS_COUNT; i++)
			missing_count += kafka_topic_partitions_count(&topics, plans[i].name) == 0;
		kafka_topics_release(&topics);
		if (missing_count == 0)
			return OUTCOME_OK;
		if (monotonic_now() > deadline)
			return fail(reterr, OUTCOME_FATAL, "topics.create", "%zu topics were made but do not show up",
				missing_count);
		rd_kafka_poll(kafka, AWAIT_PAUSE_MS);
	}
}

static enum outcome bring_up(rd_kafka_t *kafka, const struct topic_plan *plans, bool is_dry_run, struct report *reports,
	struct failure *reterr)
{
	const char *names[TOPICS_COUNT];
	struct kafka_topics topics;

	for (size_t i = 0; i < TOPICS_COUNT; i++)
		names[i] = plans[i].name;
	enum outcome outcome = kafka_topics_describe(kafka, names, TOPICS_COUNT, &topics, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	for (size_t i = 0; i < TOPICS_COUNT && outcome == OUTCOME_OK; i++) {
		reports[i].plan = &plans[i];
		if (kafka_topic_partitions_count(&topics, plans[i].name) == 0) {
			reports[i].verdict = is_dry_run ? VERDICT_MISSING : VERDICT_CREATED;
			if (!is_dry_run)
				outcome = topics_create(kafka, &plans[i], reterr);
			continue;
		}
		reports[i].differences_count = topics_compare(&topics, &plans[i], reports[i].differences);
		reports[i].verdict = reports[i].differences_count ? VERDICT_DIFFERS : VERDICT_AS_PLANNED;
	}
	kafka_topics_release(&topics);
	return outcome == OUTCOME_OK && !is_dry_run ? await_topics(kafka, plans, reterr) : outcome;
}

static void print_json(const struct report *report)
{
	struct json_printer json = {.out = stdout};

	json_begin(&json, NULL, '{');
	json_text(&json, "topic", text_of(report->plan->name));
	json_text(&json, "state", text_of(verdict_name(report->verdict)));
	json_integer(&json, "partitions", report->plan->partitions_count);
	json_integer(&json, "replication", report->plan->replication);
	json_begin(&json, "differences", '[');
	for (size_t i = 0; i < report->differences_count; i++) {
		json_begin(&json, NULL, '{');
		json_text(&json, "what", text_of(report->differences[i].what));
		json_text(&json, "wanted", text_of(report->differences[i].wanted));
		json_text(&json, "found", text_of(report->differences[i].found));
		json_end(&json, '}');
	}
	json_end(&json, ']');
	json_end(&json, '}');
	json_line(&json);
}

static void print_table(const struct report *reports)
{
	static const struct table_column columns[] = {{"TOPIC", false}, {"STATE", false}, {"DIFFERENCE", false}};
	struct table table;

	table_begin(&table, stdout, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < TOPICS_COUNT; i++) {
		const struct report *report = &reports[i];
		for (size_t j = 0; j == 0 || j < report->differences_count; j++) {
			const struct topic_difference *difference = &report->differences[j];
			table_cell(&table, j == 0 ? text_of(report->plan->name) : TEXT_LITERAL(""));
			table_cell(&table, j == 0 ? text_of(verdict_name(report->verdict)) : TEXT_LITERAL(""));
			if (report->differences_count)
				table_cell_format(&table, "%s is %s, should be %s", difference->what, difference->found,
					difference->wanted);
			else
				table_cell(&table, TEXT_LITERAL(""));
		}
	}
	table_end(&table);
}

static const char *subject_state_name(enum subject_state state)
{
	static const char *const names[] = {
		[SUBJECT_MISSING] = "missing",
		[SUBJECT_REGISTERED] = "registered",
		[SUBJECT_AS_PLANNED] = "as planned",
	};
	return names[state];
}

static void print_subjects_json(const struct subject_report *reports)
{
	for (size_t i = 0; i < SUBJECTS_COUNT; i++) {
		struct json_printer json = {.out = stdout};
		json_begin(&json, NULL, '{');
		json_text(&json, "subject", text_of(reports[i].subject));
		json_text(&json, "state", text_of(subject_state_name(reports[i].state)));
		if (reports[i].id)
			json_integer(&json, "id", reports[i].id);
		json_text(&json, "compatibility", text_of(reports[i].compatibility));
		json_end(&json, '}');
		json_line(&json);
	}
}

static void print_subjects(const struct subject_report *reports)
{
	static const struct table_column columns[] = {
		{"SUBJECT", false}, {"STATE", false}, {"ID", true}, {"COMPATIBILITY SET TO", false}};
	struct table table;

	putchar('\n');
	table_begin(&table, stdout, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < SUBJECTS_COUNT; i++) {
		table_cell(&table, text_of(reports[i].subject));
		table_cell(&table, text_of(subject_state_name(reports[i].state)));
		if (reports[i].id)
			table_cell_format(&table, "%d", (int)reports[i].id);
		else
			table_cell(&table, TEXT_LITERAL(""));
		table_cell(&table, text_of(reports[i].compatibility ? reports[i].compatibility : ""));
	}
	table_end(&table);
}

/* The exit code. */
static int run_subjects(const struct options *options, const struct config *config, bool is_dry_run)
{
	struct subject_report reports[SUBJECTS_COUNT];
	struct failure failure;
	bool is_missing = false;

	if (subjects_bring_up(config, is_dry_run, reports, &failure) != OUTCOME_OK)
		return options_failed(options, &failure);
	for (size_t i = 0; i < SUBJECTS_COUNT; i++)
		is_missing = is_missing || reports[i].state == SUBJECT_MISSING;
	if (options->json)
		print_subjects_json(reports);
	else
		print_subjects(reports);
	return is_missing ? EXIT_DIFFERENCE : EXIT_OK;
}

static int run(const struct options *options, const struct config *config, bool is_dry_run)
{
	struct topic_plan plans[TOPICS_COUNT];
	struct report reports[TOPICS_COUNT] = {0};
	struct failure failure;
	rd_kafka_conf_t *conf;
	rd_kafka_t *kafka;
	bool differs = false;

	topics_plan(config, plans);
	enum outcome outcome = kafka_conf_new(config, NULL, NULL, &conf, &failure);
	if (outcome == OUTCOME_OK)
		outcome = kafka_open(RD_KAFKA_PRODUCER, conf, &kafka, &failure);
	if (outcome != OUTCOME_OK)
		return options_failed(options, &failure);
	outcome = bring_up(kafka, plans, is_dry_run, reports, &failure);
	rd_kafka_destroy(kafka);
	if (outcome != OUTCOME_OK)
		return options_failed(options, &failure);
	for (size_t i = 0; i < TOPICS_COUNT; i++) {
		differs = differs || reports[i].verdict == VERDICT_DIFFERS || reports[i].verdict == VERDICT_MISSING;
		if (options->json)
			print_json(&reports[i]);
	}
	if (!options->json)
		print_table(reports);
	int exit_code = differs ? EXIT_DIFFERENCE : EXIT_OK;
	if (!subjects_are_wanted(config))
		return exit_code;
	int subjects_code = run_subjects(options, config, is_dry_run);
	return subjects_code == EXIT_OK ? exit_code : subjects_code;
}

int command_topics(int argc, char **argv)
{
	static const char *const actions[] = {"create", NULL};
	const char *action = NULL;
	bool is_dry_run = false;
	const struct command_option table[] = {
		{"dry-run", NULL, "only say what is missing or differs", .flag = &is_dry_run},
	};
	const struct command_argument arguments[] = {
		{"create", "make the topics that are missing", .text = &action, .choices = actions},
	};
	struct options options = {
		.command = "topics",
		.summary = "create the topics with the settings that the guarantees rest on",
		.details =
			"A topic that exists is left as it is; what differs from the plan is said, with exit code 3.\n"
			"With registry.url the schemas of the outputs are registered there, too.",
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.arguments = arguments,
		.arguments_count = sizeof arguments / sizeof *arguments,
		.examples = {"drawdown topics create", "drawdown topics create --dry-run --json"},
		.exit_codes = EXIT_CODE_BIT(EXIT_DIFFERENCE),
		.config_needs = CONFIG_NEEDS_KAFKA,
		.prints_data = true,
	};
	struct config config;
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code) || !options_load_config(&options, &config, &exit_code))
		return exit_code;
	exit_code = run(&options, &config, is_dry_run);
	config_release(&config);
	return exit_code;
}
