/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/source_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "drawdown/batch.h"
#include "drawdown/units.h"

#define WHERE "source.topics"
#define PARTITIONS_MAX (BATCH_SPANS_MAX / INPUT_COUNT)

/* What a human must mend: the failure is FATAL, nothing was touched. */
__attribute__((format(printf, 2, 3))) static enum outcome unfit(struct failure *reterr, const char *format, ...)
{
	char text[sizeof reterr->text];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	fail(reterr, OUTCOME_FATAL, WHERE, "%s", text);
	if (reterr)
		reterr->exit_code = EXIT_USAGE;
	return OUTCOME_FATAL;
}

enum outcome source_check_existence(
	const struct config *config, const struct kafka_topics *topics, struct failure *reterr)
{
	const char *missing = NULL;

	for (size_t i = 0; i < INPUT_COUNT && !missing; i++) {
		if (kafka_topic_partitions_count(topics, config->input_topics[i]) == 0)
			missing = config->input_topics[i];
	}
	for (size_t i = 0; i < OUTPUT_COUNT && !missing; i++) {
		if (kafka_topic_partitions_count(topics, config->output_topics[i]) == 0)
			missing = config->output_topics[i];
	}
	if (!missing)
		return OUTCOME_OK;
	unfit(reterr, "topic %s does not exist", missing);
	fail_hint(reterr, "run 'drawdown topics create'; if it exists, this user of Kafka has no right to it");
	if (reterr)
		reterr->exit_code = EXIT_TOPICS;
	return OUTCOME_FATAL;
}

static enum outcome check_partitions(
	const struct config *config, const struct kafka_topics *topics, struct failure *reterr)
{
	int32_t usage = kafka_topic_partitions_count(topics, config->input_topics[INPUT_USAGE]);
	int32_t commands = kafka_topic_partitions_count(topics, config->input_topics[INPUT_COMMANDS]);

	if (usage > PARTITIONS_MAX || commands > PARTITIONS_MAX)
		return unfit(reterr, "the inputs have more than %d partitions, which is all that one worker can own",
			PARTITIONS_MAX);
	if (usage == commands)
		return OUTCOME_OK;
	unfit(reterr, "%s has %d partitions and %s has %d: both must have as many", config->input_topics[INPUT_USAGE],
		(int)usage, config->input_topics[INPUT_COMMANDS], (int)commands);
	fail_hint(reterr, "add partitions to the smaller one while no worker runs and nothing is produced");
	return OUTCOME_FATAL;
}

static enum outcome check_input(
	const struct config *config, const struct kafka_topics *topics, const char *topic, struct failure *reterr)
{
	const char *timestamps = kafka_topic_setting(topics, topic, "message.timestamp.type");
	const char *cleanup = kafka_topic_setting(topics, topic, "cleanup.policy");

	if (cleanup && strstr(cleanup, "compact")) {
		unfit(reterr, "topic %s is compacted: records of a customer would be lost", topic);
		fail_hint(reterr, "set cleanup.policy=delete on it; 'drawdown topics create' says all that differs");
		return OUTCOME_FATAL;
	}
	if (!config->inputs_trusted && timestamps && strcmp(timestamps, "LogAppendTime") != 0) {
		unfit(reterr, "topic %s has message.timestamp.type=%s: any producer could set the clock of the credits",
			topic, timestamps);
		fail_hint(reterr,
			"set message.timestamp.type=LogAppendTime on it, or inputs.timestamps = trusted if every "
			"producer's clock is");
		return OUTCOME_FATAL;
	}
	return OUTCOME_OK;
}

/* Microseconds; -1: for ever. A setting that is not a number of milliseconds counts as for ever. */
static int64_t setting_duration(const struct kafka_topics *topics, const char *topic, const char *setting)
{
	const char *value = kafka_topic_setting(topics, topic, setting);
	int64_t milliseconds;

	if (!value || units_parse_integer(value, &milliseconds) != UNITS_PARSED || milliseconds < 0 ||
		milliseconds > INT64_MAX / 4000)
		return -1;
	return milliseconds * 1000;
}

static enum outcome check_window(const struct config *config, const struct kafka_topics *topics, struct failure *reterr)
{
	int64_t kept = 0; /* how long an input can still come again; -1: for ever */
	const char *longest = config->input_topics[0];
	char kept_text[UNITS_TEXT_SIZE] = "for ever", dead_text[UNITS_TEXT_SIZE] = "for ever";
	char window_text[UNITS_TEXT_SIZE];

	for (size_t i = 0; i < INPUT_COUNT && kept >= 0; i++) {
		const char *topic = config->input_topics[i];
		int64_t retention = setting_duration(topics, topic, "retention.ms");
		int64_t segment = setting_duration(topics, topic, "segment.ms");
		int64_t both = retention < 0 || segment < 0 ? -1 : retention + segment;
		if (both < 0 || both > kept) {
			kept = both;
			longest = topic;
		}
	}
	const char *dead_letters = config->output_topics[OUTPUT_DEAD_LETTERS];
	int64_t dead = setting_duration(topics, dead_letters, "retention.ms");
	if (config->dedupe_window_short || (kept >= 0 && dead >= 0 && config->rules.dedupe_window >= kept + dead))
		return OUTCOME_OK;

	units_format_duration(config->rules.dedupe_window, window_text);
	if (kept >= 0)
		units_format_duration(kept, kept_text);
	if (dead >= 0)
		units_format_duration(dead, dead_text);
	unfit(reterr,
		"dedupe.window = %s is shorter than an input can still come again: %s (retention.ms + segment.ms of "
		"%s) and then %s (retention.ms of %s)",
		window_text, kept_text, longest, dead_text, dead_letters);
	fail_hint(reterr,
		"raise dedupe.window or lower the topics' settings ('drawdown topics create' says what differs); "
		"dedupe.window.short = allow accepts it");
	if (reterr)
		reterr->exit_code = EXIT_WINDOW;
	return OUTCOME_FATAL;
}

/* Every input that cannot be read must fit, or the first large one would stop its partition. */
static enum outcome check_dead_letters(
	const struct config *config, const struct kafka_topics *topics, struct failure *reterr)
{
	const char *topic = config->output_topics[OUTPUT_DEAD_LETTERS];
	const char *setting = kafka_topic_setting(topics, topic, "max.message.bytes");
	int64_t size_max;

	if (!setting || units_parse_integer(setting, &size_max) != UNITS_PARSED ||
		size_max >= DEAD_LETTER_TOPIC_SIZE_MIN)
		return OUTCOME_OK;
	unfit(reterr, "topic %s takes messages of at most %s bytes: a dead letter may have %d", topic, setting,
		DEAD_LETTER_TOPIC_SIZE_MIN);
	fail_hint(reterr, "set max.message.bytes=%d on it", DEAD_LETTER_TOPIC_SIZE_MIN);
	return OUTCOME_FATAL;
}

enum outcome source_check_topics(
	rd_kafka_t *kafka, const struct config *config, int32_t *ret_partitions_count, struct failure *reterr)
{
	const char *described[] = {
		config->input_topics[INPUT_USAGE],
		config->input_topics[INPUT_COMMANDS],
		config->output_topics[OUTPUT_DEAD_LETTERS],
	};
	struct kafka_topics topics;
	enum outcome outcome = kafka_topics_describe(kafka, described, 3, &topics, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	outcome = source_check_existence(config, &topics, reterr);
	if (outcome == OUTCOME_OK)
		outcome = check_partitions(config, &topics, reterr);
	for (size_t i = 0; outcome == OUTCOME_OK && i < INPUT_COUNT; i++)
		outcome = check_input(config, &topics, config->input_topics[i], reterr);
	if (outcome == OUTCOME_OK)
		outcome = check_dead_letters(config, &topics, reterr);
	if (outcome == OUTCOME_OK)
		outcome = check_window(config, &topics, reterr);
	if (outcome == OUTCOME_OK)
		*ret_partitions_count = kafka_topic_partitions_count(&topics, config->input_topics[INPUT_USAGE]);
	kafka_topics_release(&topics);
	return outcome;
}
