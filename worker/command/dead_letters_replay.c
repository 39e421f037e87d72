/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Letters to the topic that they came from, each in one Kafka transaction with its note (letters.h): so a letter is
 * replayed once, whenever a replay was cut off. What the records do is settled by the receipts of their keys, as with
 * any record that comes again.
 */
#include <stdlib.h>
#include <string.h>

#include "dead_letters.h"
#include "drawdown/hash.h"
#include "drawdown/replay_producer.h"

struct target {
	const char *topic;
	int32_t partitions_count;
	int64_t size_max;
};

struct replay {
	struct dead_letters letters;
	const char *to; /* NULL: where each came from */
	bool executes, takes_unreadable;
	struct target targets[INPUT_COUNT]; /* by input; with `to` only the first */
	size_t targets_count;
	struct tally tally;
	uint64_t chosen;

	struct replay_producer producer;
	enum outcome outcome;
	struct failure *failure;
};

/* ---- where to ---- */

static enum outcome ask_targets(struct replay *replay, rd_kafka_t *kafka)
{
	const struct config *config = replay->letters.config;
	const char *names[INPUT_COUNT] = {replay->to, NULL};
	struct kafka_topics topics;

	replay->targets_count = replay->to ? 1 : INPUT_COUNT;
	for (size_t i = 0; !replay->to && i < INPUT_COUNT; i++)
		names[i] = config->input_topics[i];
	enum outcome outcome = kafka_topics_describe(kafka, names, replay->targets_count, &topics, replay->failure);
	if (outcome != OUTCOME_OK)
		return outcome;
	for (size_t i = 0; i < replay->targets_count; i++) {
		const char *size_max = kafka_topic_setting(&topics, names[i], "max.message.bytes");
		struct target *target = &replay->targets[i];
		*target = (struct target){.topic = names[i], .size_max = INT64_MAX};
		target->partitions_count = kafka_topic_partitions_count(&topics, names[i]);
		if (target->partitions_count == 0)
			outcome = fail(
				replay->failure, OUTCOME_FATAL, "dead_letters", "topic %s does not exist", names[i]);
		if (size_max)
			target->size_max = strtoll(size_max, NULL, 10);
	}
	kafka_topics_release(&topics);
	return outcome;
}

/* NULL: none; then its state is "unsendable". */
static const struct target *find_target(const struct replay *replay, const struct letter *letter)
{
	if (replay->to)
		return &replay->targets[0];
	for (size_t i = 0; i < replay->targets_count; i++)
		if (text_equal(letter->topic, text_of(replay->targets[i].topic)))
			return &replay->targets[i];
	return NULL;
}

/* The number that it stood in: that is its customer's for whoever chose it. A topic of fewer partitions goes by the
 * key. */
static int32_t partition_of(const struct replay *replay, const struct target *target, const struct letter *letter)
{
	if (letter->source_partition < target->partitions_count)
		return letter->source_partition;
	if (!letter->key.data)
		return letter->source_partition % target->partitions_count;
	return replay->letters.config->inputs_crc32 ? hash_partition_crc32(letter->key, target->partitions_count)
						    : hash_partition_murmur2(letter->key, target->partitions_count);
}

/* ---- one letter ---- */

static struct replay_record record_of(
	const struct replay *replay, const struct target *target, const struct letter *letter, struct arena *arena)
{
	struct header *headers = arena_alloc_array(arena, letter->headers_count + 2, sizeof *headers);
	char *time = arena_alloc(arena, INSTANT_TEXT_SIZE);
	size_t count = letter->headers_count;

	if (count)
		memcpy(headers, letter->headers, count * sizeof *headers);
	headers[count++] = (struct header){
		TEXT_LITERAL(LETTER_REPLAYED_FROM), arena_format(arena, "%s/%d/%lld", replay->letters.reader.topic,
							    (int)letter->partition, (long long)letter->offset)};
	headers[count++] = (struct header){
		TEXT_LITERAL(LETTER_FIRST_TIMESTAMP), {time, instant_format(letter->first_timestamp, time)}};
	return (struct replay_record){
		.topic = target->topic,
		.partition = partition_of(replay, target, letter),
		.key = letter->key,
		.value = letter->value,
		.headers = headers,
		.headers_count = count,
	};
}

static enum outcome send_letter(
	struct replay *replay, const struct replay_record *record, const struct letter *letter, struct arena *arena)
{
	const struct header mark = {TEXT_LITERAL(LETTER_NOTE), arena_format(arena, "%lld", (long long)letter->offset)};
	const struct replay_record note = {
		.topic = replay->letters.reader.topic,
		.partition = letter->partition,
		.headers = &mark,
		.headers_count = 1,
	};
	const struct replay_record unit[] = {*record, note};

	return replay_producer_send(&replay->producer, unit, 2, replay->failure);
}

/* Nothing is left open while letters are looked for, or a schema is asked for. */
static enum outcome commit_before(struct replay *replay, const struct letter *letter)
{
	if (letter && decoder_missing(replay->letters.decoder, letter->value).kind != SCHEMA_REF_NONE)
		return replay_producer_commit(&replay->producer, replay->failure);
	return replay_producer_commit_old(&replay->producer, replay->failure);
}

static bool take(void *context, const struct letter *letter, struct arena *arena)
{
	struct replay *replay = context;
	struct event event;
	struct defect defect;

	if (replay->executes)
		replay->outcome = commit_before(replay, letter);
	if (!letter || replay->outcome != OUTCOME_OK)
		return replay->outcome == OUTCOME_OK;
	enum letter_state state = dead_letters_judge(&replay->letters, letter, arena, &event, &defect);
	const struct target *target = find_target(replay, letter);
	struct replay_record record = {0};

	if (target)
		record = record_of(replay, target, letter, arena);
	if (state < LETTER_UNSENDABLE && (!target || (int64_t)replay_record_size(&record) > target->size_max))
		state = LETTER_UNSENDABLE;
	tally_add(&replay->tally, letter, state);
	if (state != LETTER_READABLE && state != LETTER_UNDECIDED &&
		!(state == LETTER_UNREADABLE && replay->takes_unreadable))
		return true;
	replay->chosen++;
	if (replay->executes)
		replay->outcome = send_letter(replay, &record, letter, arena);
	return replay->outcome == OUTCOME_OK;
}

/* ---- all of it ---- */

static void print_result(const struct replay *replay)
{
	struct json_printer json = {.out = stdout};
	const struct tally *tally = &replay->tally;

	if (replay->letters.options->json) {
		json_begin(&json, NULL, '{');
		json_boolean(&json, "executed", replay->executes);
		json_integer(&json, "chosen", (int64_t)replay->chosen);
		json_integer(&json, "replayed", (int64_t)replay->producer.committed_units);
		tally_print_json(tally, &json);
		json_end(&json, '}');
		json_line(&json);
		return;
	}
	tally_print(tally);
	if (replay->executes)
		(void)printf("replayed %llu letters\n", (unsigned long long)replay->producer.committed_units);
	else
		(void)printf("would replay %llu letters, %llu of which can be understood by now; --execute does it\n",
			(unsigned long long)replay->chosen, (unsigned long long)tally_state(tally, LETTER_READABLE));
}

static enum outcome replay_all(struct replay *replay)
{
	enum outcome outcome = OUTCOME_OK;

	if (replay->executes)
		outcome = replay_producer_open(
			&replay->producer, replay->letters.config, "dead-letters", "another replay", replay->failure);
	/* only now: what an earlier replay left is settled */
	if (outcome == OUTCOME_OK)
		outcome = dead_letters_open(&replay->letters, replay->failure);
	if (outcome == OUTCOME_OK)
		outcome = ask_targets(replay, replay->letters.reader.kafka);
	if (outcome == OUTCOME_OK)
		outcome = dead_letters_each(&replay->letters, take, replay, replay->failure);
	if (outcome == OUTCOME_OK)
		outcome = replay->outcome;
	return outcome == OUTCOME_OK ? replay_producer_commit(&replay->producer, replay->failure) : outcome;
}

static int execute(struct replay *replay)
{
	struct failure failure = {0};

	replay->failure = &failure;
	enum outcome outcome = replay_all(replay);
	replay_producer_close(&replay->producer);
	dead_letters_close(&replay->letters);
	if (outcome == OUTCOME_OK) {
		print_result(replay);
		return EXIT_OK;
	}
	if (replay->producer.committed_units)
		(void)fprintf(
			stderr, "replayed %llu letters before\n", (unsigned long long)replay->producer.committed_units);
	return options_failed(replay->letters.options, &failure);
}

/* An output would be read as what it is not. */
static bool is_output(const struct config *config, const char *topic)
{
	for (int i = 0; i < OUTPUT_COUNT; i++)
		if (strcmp(topic, config->output_topics[i]) == 0)
			return true;
	return false;
}

static int run(void *context)
{
	struct replay *replay = context;

	if (replay->to) {
		replay->to = dead_letters_topic(replay->letters.config, replay->to);
		if (is_output(replay->letters.config, replay->to))
			return options_error(replay->letters.options, "--to names %s, which is an output", replay->to);
		replay->letters.judge.topics = NULL;
	}
	return execute(replay);
}

int command_dead_letters_replay(int argc, char **argv)
{
	struct replay replay = {.letters.filter = LETTER_FILTER_ALL};
	const struct command_option table[] = {
		{"execute", NULL, "do it; without this: only say what would be done", .flag = &replay.executes},
		FILTER_OPTIONS(replay.letters),
		{"unreadable", NULL, "also those that would be dead letters again", .flag = &replay.takes_unreadable},
		{"again", NULL, "also those that were replayed before", .flag = &replay.letters.judge.ignores_replayed},
		{"too-old", NULL, "also those first tried longer ago than dedupe.window",
			.flag = &replay.letters.judge.ignores_age},
		{"to", "TOPIC", "usage, commands, or a topic's name (the topic that each came from)",
			.text = &replay.to},
	};
	struct options options = {
		.command = "dead-letters replay",
		.summary = "produce dead letters again to the topic that they came from",
		.details =
			"Key, value and headers go as they came, with a header that names the letter; the letter is\n"
			"noted as replayed in the same transaction, so that a second replay passes it over. What was\n"
			"handled meanwhile under the same idempotency key is a duplicate and counts once.\n"
			"An event without createdAt counts as of now. Chosen are letters that are readable or\n"
			"undecided (drawdown dead-letters list --help); those that are still in error come back as\n"
			"new dead letters. Careful with --to commands: what stood in usage may then grant.",
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.examples = {"drawdown dead-letters replay --reason unknown_schema",
			"drawdown dead-letters replay --reason unknown_schema --execute",
			"drawdown dead-letters replay --letter 3/42 --unreadable --execute"},
		.exit_codes = EXIT_CODE_BIT(EXIT_FENCED),
		.config_needs = CONFIG_NEEDS_KAFKA,
		.prints_data = true,
	};

	return dead_letters_command(&replay.letters, &options, argc, argv, run, &replay);
}
