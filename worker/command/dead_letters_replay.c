/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Letters to the topic that they came from. Each goes out in one Kafka transaction with its note (letters.h), and two
 * who replay at the same time fence each other: so a letter is replayed once, whenever a replay was cut off. What the
 * records do is settled by the receipts of their keys, as with any record that comes again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dead_letters.h"
#include "drawdown/hash.h"

/* Readers of the inputs wait for an open transaction: little in each. */
#define TRANSACTION_LETTERS 1000
#define TRANSACTION_BYTES ((size_t)4 << 20)
#define TRANSACTION_TIMEOUT "10000"
#define CALL_TIMEOUT_MS 30000
#define ABORT_TIMEOUT_MS 5000
#define MESSAGE_SIZE_MAX "10485760" /* of the client; the topic's own limit is asked for */
#define OVERHEAD_SIZE 512	    /* of a record in its topic, at most, and of a header */
#define HEADER_OVERHEAD_SIZE 16

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

	rd_kafka_t *kafka;
	rd_kafka_resp_err_t delivery_code; /* the first that was not 0 */
	size_t open_letters, open_bytes;   /* of the transaction; 0: none is open */
	uint64_t replayed;		   /* committed */
	enum outcome outcome;
	struct failure *failure;
};

/* ---- the producer ---- */

static void on_delivery(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *opaque)
{
	struct replay *replay = opaque;

	(void)kafka;
	if (message->err && !replay->delivery_code)
		replay->delivery_code = message->err;
}

/* Whoever began later has fenced us; the error at hand may tell of the consequences only. */
static bool is_fenced(rd_kafka_t *kafka, rd_kafka_resp_err_t code)
{
	char why[256];

	if (rd_kafka_fatal_error(kafka, why, sizeof why))
		code = rd_kafka_fatal_error(kafka, why, sizeof why);
	return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
	       code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

/* Takes the error; NULL: done. */
static enum outcome check(struct replay *replay, rd_kafka_error_t *error, const char *what)
{
	if (!error)
		return OUTCOME_OK;
	rd_kafka_resp_err_t code = rd_kafka_error_code(error);
	if (is_fenced(replay->kafka, code)) {
		(void)fail(replay->failure, OUTCOME_FATAL, "dead_letters", "%s: another replay has begun", what);
		replay->failure->exit_code = EXIT_FENCED;
	} else {
		(void)kafka_fail(replay->failure, replay->delivery_code ? replay->delivery_code : code, "dead_letters",
			"%s", what);
		fail_hint(replay->failure, "run it again: what was replayed is known");
	}
	rd_kafka_error_destroy(error);
	return OUTCOME_FATAL;
}

typedef rd_kafka_error_t *transaction_call(rd_kafka_t *kafka, int timeout_ms);

/* The same call again as long as librdkafka says so, and time is left. */
static enum outcome call(struct replay *replay, transaction_call *function, const char *what)
{
	int64_t deadline = monotonic_now() + CALL_TIMEOUT_MS * INSTANT_MILLISECOND;
	rd_kafka_error_t *error = function(replay->kafka, CALL_TIMEOUT_MS);

	while (error && rd_kafka_error_is_retriable(error) && monotonic_now() < deadline) {
		rd_kafka_error_destroy(error);
		error = function(replay->kafka, CALL_TIMEOUT_MS);
	}
	return check(replay, error, what);
}

/* Waits for what an earlier replay may have left open, and fences whoever replays now. */
static enum outcome open_producer(struct replay *replay)
{
	const struct config *config = replay->letters.config;
	char transactional_id[300];
	const struct kafka_option fixed[] = {
		{"transactional.id", transactional_id},
		{"transaction.timeout.ms", TRANSACTION_TIMEOUT},
		{"message.max.bytes", MESSAGE_SIZE_MAX},
		{"linger.ms", "5"},
		{NULL, NULL},
	};
	rd_kafka_conf_t *conf;

	(void)snprintf(transactional_id, sizeof transactional_id, "%s-dead-letters", config->group_id);
	enum outcome outcome = kafka_conf_new(config, NULL, fixed, &conf, replay->failure);
	if (outcome != OUTCOME_OK)
		return outcome;
	rd_kafka_conf_set_opaque(conf, replay);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	outcome = kafka_open(RD_KAFKA_PRODUCER, conf, &replay->kafka, replay->failure);
	return outcome == OUTCOME_OK ? call(replay, rd_kafka_init_transactions, "could not begin to replay") : outcome;
}

static void close_producer(struct replay *replay)
{
	if (!replay->kafka)
		return;
	if (replay->open_letters)
		rd_kafka_error_destroy(rd_kafka_abort_transaction(replay->kafka, ABORT_TIMEOUT_MS));
	(void)rd_kafka_purge(replay->kafka, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_destroy(replay->kafka);
}

static enum outcome commit(struct replay *replay)
{
	if (replay->open_letters == 0)
		return OUTCOME_OK;
	enum outcome outcome = call(replay, rd_kafka_commit_transaction, "could not commit");
	if (outcome != OUTCOME_OK)
		return outcome;
	replay->replayed += replay->open_letters;
	replay->open_letters = replay->open_bytes = 0;
	return OUTCOME_OK;
}

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

static size_t size_of(const struct letter *letter)
{
	size_t size = letter->key.size + letter->value.size + OVERHEAD_SIZE;

	for (size_t i = 0; i < letter->headers_count; i++)
		size += letter->headers[i].name.size + letter->headers[i].value.size + HEADER_OVERHEAD_SIZE;
	return size;
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

/* librdkafka copies what it is given, but its interface does not say so. */
static void *without_const(const void *data)
{
	union {
		const void *read;
		void *taken;
	} bytes = {data};
	return bytes.taken;
}

/* Takes the headers. */
static enum outcome produce(struct replay *replay, const char *topic, int32_t partition, struct text key,
	struct text value, rd_kafka_headers_t *headers)
{
	rd_kafka_error_t *error;
	const rd_kafka_vu_t fields[] = {
		{.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic},
		{.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
		{.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
		{.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {without_const(key.data), key.size}},
		{.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {without_const(value.data), value.size}},
		{.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
	};

	while ((error = rd_kafka_produceva(replay->kafka, fields, sizeof fields / sizeof *fields)) &&
		rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
		rd_kafka_error_destroy(error);
		rd_kafka_poll(replay->kafka, 10);
	}
	if (error)
		rd_kafka_headers_destroy(headers);
	rd_kafka_poll(replay->kafka, 0);
	return check(replay, error, "could not produce");
}

static void add_header(rd_kafka_headers_t *headers, struct text name, struct text value)
{
	rd_kafka_resp_err_t code =
		rd_kafka_header_add(headers, name.data, (ssize_t)name.size, value.data, (ssize_t)value.size);
	assert(!code);
}

static enum outcome produce_record(
	struct replay *replay, const struct target *target, const struct letter *letter, struct arena *arena)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(letter->headers_count + 2);
	char time[INSTANT_TEXT_SIZE];

	for (size_t i = 0; i < letter->headers_count; i++)
		add_header(headers, letter->headers[i].name, letter->headers[i].value);
	add_header(headers, TEXT_LITERAL(LETTER_REPLAYED_FROM),
		arena_format(arena, "%s/%d/%lld", replay->letters.reader.topic, (int)letter->partition,
			(long long)letter->offset));
	add_header(headers, TEXT_LITERAL(LETTER_FIRST_TIMESTAMP),
		(struct text){time, instant_format(letter->first_timestamp, time)});
	return produce(
		replay, target->topic, partition_of(replay, target, letter), letter->key, letter->value, headers);
}

static enum outcome produce_note(struct replay *replay, const struct letter *letter, struct arena *arena)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(1);

	add_header(headers, TEXT_LITERAL(LETTER_NOTE), arena_format(arena, "%lld", (long long)letter->offset));
	return produce(replay, replay->letters.reader.topic, letter->partition, TEXT_NULL, TEXT_NULL, headers);
}

static enum outcome send_letter(
	struct replay *replay, const struct target *target, const struct letter *letter, struct arena *arena)
{
	enum outcome outcome = OUTCOME_OK;

	if (replay->open_letters == 0)
		outcome = check(replay, rd_kafka_begin_transaction(replay->kafka), "could not begin a transaction");
	if (outcome != OUTCOME_OK)
		return outcome;
	replay->open_letters++;
	replay->open_bytes += size_of(letter);
	outcome = produce_record(replay, target, letter, arena);
	if (outcome == OUTCOME_OK)
		outcome = produce_note(replay, letter, arena);
	bool is_full = replay->open_letters == TRANSACTION_LETTERS || replay->open_bytes >= TRANSACTION_BYTES;
	return outcome == OUTCOME_OK && is_full ? commit(replay) : outcome;
}

static bool take(void *context, const struct letter *letter, struct arena *arena)
{
	struct replay *replay = context;
	struct event event;
	struct defect defect;
	enum letter_state state = dead_letters_judge(&replay->letters, letter, arena, &event, &defect);
	const struct target *target = find_target(replay, letter);

	if (state < LETTER_UNSENDABLE && (!target || (int64_t)size_of(letter) > target->size_max))
		state = LETTER_UNSENDABLE;
	tally_add(&replay->tally, letter, state);
	if (state != LETTER_READABLE && state != LETTER_UNDECIDED &&
		!(state == LETTER_UNREADABLE && replay->takes_unreadable))
		return true;
	replay->chosen++;
	if (replay->executes)
		replay->outcome = send_letter(replay, target, letter, arena);
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
		json_integer(&json, "replayed", (int64_t)replay->replayed);
		tally_print_json(tally, &json);
		json_end(&json, '}');
		json_line(&json);
		return;
	}
	tally_print(tally);
	if (replay->executes)
		(void)printf("replayed %llu letters\n", (unsigned long long)replay->replayed);
	else
		(void)printf("would replay %llu letters, %llu of which can be understood by now; --execute does it\n",
			(unsigned long long)replay->chosen, (unsigned long long)tally_state(tally, LETTER_READABLE));
}

static enum outcome replay_all(struct replay *replay)
{
	enum outcome outcome = replay->executes ? open_producer(replay) : OUTCOME_OK;

	/* only now: what an earlier replay left is settled */
	if (outcome == OUTCOME_OK)
		outcome = dead_letters_open(&replay->letters, replay->failure);
	if (outcome == OUTCOME_OK)
		outcome = ask_targets(replay, replay->letters.reader.kafka);
	if (outcome == OUTCOME_OK)
		outcome = dead_letters_each(&replay->letters, take, replay, replay->failure);
	if (outcome == OUTCOME_OK)
		outcome = replay->outcome;
	return outcome == OUTCOME_OK ? commit(replay) : outcome;
}

static int execute(struct replay *replay)
{
	struct failure failure = {0};

	replay->failure = &failure;
	enum outcome outcome = replay_all(replay);
	close_producer(replay);
	dead_letters_close(&replay->letters);
	if (outcome == OUTCOME_OK) {
		print_result(replay);
		return EXIT_OK;
	}
	if (replay->replayed)
		(void)fprintf(stderr, "replayed %llu letters before\n", (unsigned long long)replay->replayed);
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
