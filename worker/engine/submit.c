/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/submit.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "drawdown/decode.h"
#include "drawdown/json_tree.h"
#include "drawdown/kafka.h"
#include "drawdown/schema_finder.h"

#define POLL_MS 50
#define ENTRIES_MAX 4096 /* of one event */

struct submit {
	const struct submission *submission;
	const struct options *options;
	const struct config *config;
	struct text value;
	struct text key; /* the customer */
	struct decoder *decoder;
	struct schema_finder *finder;
	struct arena arena;
	rd_kafka_t *producer;
	rd_kafka_t *consumer;
	int32_t partition;
	/* by the delivery report */
	bool is_delivered;
	rd_kafka_resp_err_t delivery_code;
	int64_t offset;
	/* the answer: entries of the ledger, or one outcome, or one dead letter */
	struct text entries[ENTRIES_MAX];
	size_t entries_count;
	struct text outcome;
	struct text dead_letter; /* the error */
};

/* ---- the event ---- */

void submit_begin(struct draft *draft, struct submission *submission, const char *type)
{
	draft->json = (struct json_printer){.out = open_memstream(&draft->text, &draft->size)};
	if (!draft->json.out)
		abort();
	if (!submission->idempotency_key) {
		uint8_t bytes[16];
		randombytes_buf(bytes, sizeof bytes);
		sodium_bin2hex(draft->made_key, sizeof draft->made_key, bytes, sizeof bytes);
		submission->idempotency_key = draft->made_key;
	}
	json_begin(&draft->json, NULL, '{');
	json_text(&draft->json, "type", text_of(type));
	json_text(&draft->json, "customerId", text_of(submission->customer_id));
	json_text(&draft->json, "currencyId", text_of(submission->currency_id));
	json_text(&draft->json, "idempotencyKey", text_of(submission->idempotency_key));
	if (submission->resource_id)
		json_text(&draft->json, "resourceId", text_of(submission->resource_id));
}

/* Is it JSON's own true, false or a number? */
static bool is_bare(const char *value)
{
	credit_t ignored;
	return strcmp(value, "true") == 0 || strcmp(value, "false") == 0 ||
	       credit_parse(text_of(value), &ignored) == CREDIT_PARSED;
}

bool submit_add_pairs(struct draft *draft, const char *name, const struct option_list *pairs, bool typed)
{
	if (pairs->count == 0)
		return true;
	json_begin(&draft->json, name, '{');
	for (size_t i = 0; i < pairs->count; i++) {
		const char *equals = strchr(pairs->values[i], '=');
		if (!equals)
			return false;
		char *member = strndup(pairs->values[i], (size_t)(equals - pairs->values[i]));
		if (!member)
			abort();
		if (typed && is_bare(equals + 1))
			json_raw(&draft->json, member, text_of(equals + 1));
		else
			json_text(&draft->json, member, text_of(equals + 1));
		free(member);
	}
	json_end(&draft->json, '}');
	return true;
}

/* ---- the log ---- */

static void on_delivery(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *opaque)
{
	struct submit *submit = opaque;

	(void)kafka;
	submit->is_delivered = true;
	submit->delivery_code = message->err;
	submit->offset = message->offset;
}

static enum outcome open_clients(struct submit *submit, struct failure *reterr)
{
	static const struct kafka_option idempotent[] = {{"enable.idempotence", "true"}, {NULL, NULL}};
	static const struct kafka_option reading[] = {
		{"group.id", "drawdown-submit"}, /* never joined, nothing committed */
		{"isolation.level", "read_committed"},
		{"enable.auto.commit", "false"},
		{"auto.offset.reset", "error"},
		{"fetch.wait.max.ms", "20"},
		{NULL, NULL},
	};
	rd_kafka_conf_t *conf;
	enum outcome outcome = kafka_conf_new(submit->config, NULL, idempotent, &conf, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	rd_kafka_conf_set_opaque(conf, submit);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	outcome = kafka_open(RD_KAFKA_PRODUCER, conf, &submit->producer, reterr);
	if (outcome != OUTCOME_OK || submit->submission->no_wait)
		return outcome;
	outcome = kafka_conf_new(submit->config, NULL, reading, &conf, reterr);
	if (outcome == OUTCOME_OK)
		outcome = kafka_open(RD_KAFKA_CONSUMER, conf, &submit->consumer, reterr);
	if (outcome == OUTCOME_OK)
		rd_kafka_poll_set_consumer(submit->consumer);
	return outcome;
}

/* The end of a partition as it is before the event is produced: what becomes of it stands behind. */
static enum outcome listen_to(struct submit *submit, rd_kafka_topic_partition_list_t *list, const char *topic,
	int32_t partition, struct failure *reterr)
{
	int64_t log_start, log_end;
	rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
		submit->consumer, topic, partition, &log_start, &log_end, KAFKA_CALL_TIMEOUT_MS);

	if (code)
		return kafka_fail(reterr, code, "submit", "could not ask for %s [%d]", topic, (int)partition);
	rd_kafka_topic_partition_list_add(list, topic, partition)->offset = log_end;
	return OUTCOME_OK;
}

static enum outcome listen_to_outputs(struct submit *submit, const struct kafka_topics *topics, struct failure *reterr)
{
	static const enum output outputs[] = {OUTPUT_LEDGER, OUTPUT_OUTCOMES, OUTPUT_DEAD_LETTERS};
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(3);
	enum outcome outcome = OUTCOME_OK;

	for (size_t i = 0; i < sizeof outputs / sizeof *outputs && outcome == OUTCOME_OK; i++) {
		const char *topic = submit->config->output_topics[outputs[i]];
		int32_t count = kafka_topic_partitions_count(topics, topic);
		if (count == 0) {
			outcome = fail(reterr, OUTCOME_FATAL, "submit", "topic %s does not exist", topic);
			fail_hint(reterr, "run 'drawdown topics create'");
		} else {
			/* Dead letters go by the record's key, which is the customer too. */
			outcome = listen_to(submit, list, topic, hash_partition_murmur2(submit->key, count), reterr);
		}
	}
	if (outcome == OUTCOME_OK) {
		rd_kafka_resp_err_t code = rd_kafka_assign(submit->consumer, list);
		if (code)
			outcome = kafka_fail(reterr, code, "submit", "could not read the outputs");
	}
	rd_kafka_topic_partition_list_destroy(list);
	return outcome;
}

static enum outcome choose_partition(struct submit *submit, const struct kafka_topics *topics, struct failure *reterr)
{
	const char *topic = submit->config->input_topics[submit->submission->input];
	int32_t count = kafka_topic_partitions_count(topics, topic);

	if (count == 0) {
		fail(reterr, OUTCOME_FATAL, "submit", "topic %s does not exist", topic);
		fail_hint(reterr, "run 'drawdown topics create'");
		return OUTCOME_FATAL;
	}
	submit->partition = submit->config->inputs_crc32 ? hash_partition_crc32(submit->key, count)
							 : hash_partition_murmur2(submit->key, count);
	return OUTCOME_OK;
}

static enum outcome prepare(struct submit *submit, struct failure *reterr)
{
	struct kafka_topics topics;
	enum outcome outcome = open_clients(submit, reterr);

	if (outcome == OUTCOME_OK)
		outcome = kafka_topics_list(submit->producer, &topics, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	outcome = choose_partition(submit, &topics, reterr);
	if (outcome == OUTCOME_OK && !submit->submission->no_wait)
		outcome = listen_to_outputs(submit, &topics, reterr);
	kafka_topics_release(&topics);
	return outcome;
}

static enum outcome produce(struct submit *submit, struct failure *reterr)
{
	const char *topic = submit->config->input_topics[submit->submission->input];
	int64_t deadline = monotonic_now() + submit->submission->timeout;
	union {
		const char *read;
		void *taken; /* librdkafka copies, but its interface does not say so */
	} key = {submit->key.data}, value = {submit->value.data};

	rd_kafka_resp_err_t code =
		rd_kafka_producev(submit->producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(submit->partition),
			RD_KAFKA_V_KEY(key.taken, submit->key.size), RD_KAFKA_V_VALUE(value.taken, submit->value.size),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
	if (code)
		return kafka_fail(reterr, code, "submit", "could not produce");
	while (!submit->is_delivered && monotonic_now() < deadline)
		rd_kafka_poll(submit->producer, POLL_MS);
	if (!submit->is_delivered) {
		fail(reterr, OUTCOME_FATAL, "submit", "the brokers did not take the event in time");
		if (reterr)
			reterr->exit_code = EXIT_TIMEOUT;
		return OUTCOME_FATAL;
	}
	return submit->delivery_code ? kafka_fail(reterr, submit->delivery_code, "submit", "could not produce")
				     : OUTCOME_OK;
}

/* ---- the answer ---- */

static struct text member(const struct json_node *node, const char *name)
{
	const struct json_node *found = node ? json_tree_find(node, text_of(name)) : NULL;
	return found && found->type != JSON_NULL ? found->text : TEXT_NULL;
}

static bool is_integer(struct text text, int64_t value)
{
	char expected[24];
	(void)snprintf(expected, sizeof expected, "%lld", (long long)value);
	return text_equal(text, text_of(expected));
}

/* Does this output speak of our event? */
static bool is_ours(const struct submit *submit, const struct json_node *node)
{
	const struct json_node *source = node ? json_tree_find(node, TEXT_LITERAL("source")) : NULL;

	return source &&
	       text_equal(member(source, "topic"), text_of(submit->config->input_topics[submit->submission->input])) &&
	       is_integer(member(source, "partition"), submit->partition) &&
	       is_integer(member(source, "offset"), submit->offset);
}

static struct text header_of(struct submit *submit, const rd_kafka_message_t *message, const char *name)
{
	rd_kafka_headers_t *headers;
	const void *value;
	size_t size;

	if (rd_kafka_message_headers(message, &headers) || rd_kafka_header_get_last(headers, name, &value, &size))
		return TEXT_NULL;
	return arena_copy(&submit->arena, (struct text){value, size});
}

/* True: the answer is whole. */
static bool take_dead_letter(struct submit *submit, const rd_kafka_message_t *message)
{
	if (!text_equal(header_of(submit, message, "drawdown.topic"),
		    text_of(submit->config->input_topics[submit->submission->input])) ||
		!is_integer(header_of(submit, message, "drawdown.partition"), submit->partition) ||
		!is_integer(header_of(submit, message, "drawdown.offset"), submit->offset))
		return false;
	submit->dead_letter = header_of(submit, message, "drawdown.error");
	return true;
}

static bool take_message(struct submit *submit, const rd_kafka_message_t *message)
{
	const char *topic = rd_kafka_topic_name(message->rkt);
	struct text json;
	struct defect defect;

	if (strcmp(topic, submit->config->output_topics[OUTPUT_DEAD_LETTERS]) == 0)
		return take_dead_letter(submit, message);
	const struct text value = arena_copy(&submit->arena, (struct text){message->payload, message->len});
	schema_finder_prepare(submit->finder, value);
	if (!value.data || !decode_to_json(submit->decoder, &submit->arena, value, &json, &defect))
		return false;
	const struct json_node *node = json_tree_parse(json, &submit->arena);
	if (!is_ours(submit, node))
		return false;
	if (strcmp(topic, submit->config->output_topics[OUTPUT_OUTCOMES]) == 0) {
		submit->outcome = json;
		return true;
	}
	/* What the account's advance wrote on the way bears no key. */
	if (!member(node, "idempotencyKey").data || submit->entries_count == ENTRIES_MAX)
		return false;
	submit->entries[submit->entries_count++] = json;
	return text_equal(member(node, "seq"), member(node, "lastSeq"));
}

static enum outcome await_answer(struct submit *submit, struct failure *reterr)
{
	int64_t deadline = monotonic_now() + submit->submission->timeout;
	bool is_whole = false;

	while (!is_whole && monotonic_now() < deadline) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(submit->consumer, POLL_MS);
		if (!message)
			continue;
		enum outcome outcome = OUTCOME_OK;
		if (!message->err)
			is_whole = take_message(submit, message);
		else if (kafka_is_denied(message->err))
			outcome = kafka_fail(reterr, message->err, "submit", "could not read the outputs");
		rd_kafka_message_destroy(message);
		if (outcome != OUTCOME_OK)
			return outcome;
	}
	if (is_whole)
		return OUTCOME_OK;
	fail(reterr, OUTCOME_FATAL, "submit", "no outcome in time; the event is in the log, with key %s",
		submit->submission->idempotency_key);
	fail_hint(reterr, "asking again with --key %s is safe; is a worker running?",
		submit->submission->idempotency_key);
	if (reterr)
		reterr->exit_code = EXIT_TIMEOUT;
	return OUTCOME_FATAL;
}

/* ---- printing ---- */

static void print_json(const struct submit *submit, struct text outcome)
{
	struct json_printer json = {.out = stdout};

	json_begin(&json, NULL, '{');
	json_text(&json, "outcome", outcome);
	json_text(&json, "idempotencyKey", text_of(submit->submission->idempotency_key));
	json_begin(&json, "source", '{');
	json_text(&json, "topic", text_of(submit->config->input_topics[submit->submission->input]));
	json_integer(&json, "partition", submit->partition);
	json_integer(&json, "offset", submit->offset);
	json_end(&json, '}');
	if (submit->dead_letter.data)
		json_text(&json, "error", submit->dead_letter);
	if (submit->outcome.data)
		json_raw(&json, "answer", submit->outcome);
	json_begin(&json, "entries", '[');
	for (size_t i = 0; i < submit->entries_count; i++)
		json_raw(&json, NULL, submit->entries[i]);
	json_end(&json, ']');
	json_end(&json, '}');
	json_line(&json);
}

static void print_text(struct submit *submit, struct text outcome)
{
	printf("%.*s", TEXT_ARGS(outcome));
	if (submit->dead_letter.data)
		printf(": %.*s", TEXT_ARGS(submit->dead_letter));
	if (submit->outcome.data) {
		const struct json_node *node = json_tree_parse(submit->outcome, &submit->arena);
		struct text code = member(node, "code"), balance = member(node, "balance");
		if (code.data)
			printf(": %.*s", TEXT_ARGS(code));
		if (balance.data)
			printf(", balance %.*s", TEXT_ARGS(balance));
	}
	for (size_t i = 0; i < submit->entries_count; i++) {
		const struct json_node *node = json_tree_parse(submit->entries[i], &submit->arena);
		struct text event = member(node, "eventType"), amount = member(node, "amount"),
			    grant = member(node, "grantId"), balance = member(node, "balanceAfter"),
			    seq = member(node, "seq");
		printf("\n  %.*s %.*s on grant %.*s, balance %.*s (seq %.*s)", TEXT_ARGS(event), TEXT_ARGS(amount),
			TEXT_ARGS(grant), TEXT_ARGS(balance), TEXT_ARGS(seq));
	}
	printf("\nkey %s\n", submit->submission->idempotency_key);
}

static int print_answer(struct submit *submit)
{
	struct text outcome = TEXT_LITERAL("produced");

	if (submit->dead_letter.data)
		outcome = TEXT_LITERAL("dead_lettered");
	else if (submit->outcome.data)
		outcome = member(json_tree_parse(submit->outcome, &submit->arena), "outcome");
	else if (submit->entries_count)
		outcome = member(json_tree_parse(submit->entries[0], &submit->arena), "outcome");
	if (submit->options->json)
		print_json(submit, outcome);
	else
		print_text(submit, outcome);
	bool is_refused = text_equal(outcome, TEXT_LITERAL("rejected")) ||
			  text_equal(outcome, TEXT_LITERAL("conflict")) || submit->dead_letter.data;
	return is_refused ? EXIT_REJECTED : EXIT_OK;
}

/* ---- all of it ---- */

/* What would be a dead letter is refused before it is produced. */
static int check_event(struct submit *submit)
{
	struct event event;
	struct defect defect;

	if (decode_event(submit->decoder, &submit->arena, submit->value, &event, &defect))
		return EXIT_OK;
	return options_error(submit->options, "%s", defect.text);
}

static int run(struct submit *submit)
{
	struct failure failure;
	int exit_code = check_event(submit);

	if (exit_code != EXIT_OK)
		return exit_code;
	enum outcome outcome = prepare(submit, &failure);
	if (outcome == OUTCOME_OK)
		outcome = produce(submit, &failure);
	if (outcome == OUTCOME_OK && !submit->submission->no_wait)
		outcome = await_answer(submit, &failure);
	if (outcome != OUTCOME_OK)
		return options_failed(submit->options, &failure);
	return print_answer(submit);
}

int submit_event(struct draft *draft, const struct submission *submission, const struct options *options,
	const struct config *config)
{
	static struct submit submit;

	json_end(&draft->json, '}');
	if (fclose(draft->json.out) != 0)
		abort();
	submit = (struct submit){
		.submission = submission,
		.options = options,
		.config = config,
		.value = {draft->text, draft->size},
		.key = text_of(submission->customer_id),
		.decoder = decoder_new(),
	};
	submit.finder = schema_finder_new(config, submit.decoder);
	arena_init(&submit.arena, 1 << 16);
	int exit_code = run(&submit);
	if (submit.consumer) {
		rd_kafka_consumer_close(submit.consumer);
		rd_kafka_destroy(submit.consumer);
	}
	if (submit.producer)
		rd_kafka_destroy(submit.producer);
	arena_release(&submit.arena);
	schema_finder_free(submit.finder);
	decoder_free(submit.decoder);
	free(draft->text);
	return exit_code;
}
