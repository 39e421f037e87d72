/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "drawdown/command.h"
#include "drawdown/decode.h"
#include "drawdown/json_print.h"
#include "drawdown/options.h"
#include "drawdown/schema_finder.h"
#include "drawdown/topic_reader.h"

struct tail {
	const struct options *options;
	const struct config *config;
	const char *topic;
	const char *customer;
	int64_t count_max; /* 0: no bound */
	bool from_beginning;
	bool stops_at_end;
	struct decoder *decoder;
	struct schema_finder *finder;
	struct arena arena; /* of a record */
	int64_t printed;
};

/* "ledger" or "dead-letters" as well as the topic's own name. */
static const char *find_topic(const struct config *config, const char *name)
{
	static const char *const inputs[INPUT_COUNT] = {"usage", "commands"};
	static const char *const outputs[OUTPUT_COUNT] = {
		"ledger", "balances", "outcomes", "notifications", "dead-letters"};

	for (int i = 0; i < INPUT_COUNT; i++)
		if (strcmp(name, inputs[i]) == 0 || strcmp(name, config->input_topics[i]) == 0)
			return config->input_topics[i];
	for (int i = 0; i < OUTPUT_COUNT; i++)
		if (strcmp(name, outputs[i]) == 0 || strcmp(name, config->output_topics[i]) == 0)
			return config->output_topics[i];
	return NULL;
}

/* The key is the customer, or an account of the customer. */
static bool is_of_customer(const struct tail *tail, const rd_kafka_message_t *message)
{
	size_t size = tail->customer ? strlen(tail->customer) : 0;
	const char *key = message->key;

	if (!tail->customer)
		return true;
	return message->key_len >= size && memcmp(key, tail->customer, size) == 0 &&
	       (message->key_len == size || key[size] == '/');
}

static void print_headers(struct json_printer *json, const rd_kafka_message_t *message)
{
	rd_kafka_headers_t *headers;
	const char *name;
	const void *value;
	size_t size;

	if (rd_kafka_message_headers(message, &headers))
		return;
	json_begin(json, "headers", '{');
	for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++)
		json_bytes(json, name, (struct text){value, size});
	json_end(json, '}');
}

static void print_message(const struct tail *tail, struct arena *arena, const rd_kafka_message_t *message)
{
	struct json_printer json = {.out = stdout};
	const struct text value = {message->payload, message->len};
	int64_t timestamp = rd_kafka_message_timestamp(message, NULL);
	struct text decoded;
	struct defect defect;

	json_begin(&json, NULL, '{');
	json_integer(&json, "partition", message->partition);
	json_integer(&json, "offset", message->offset);
	json_instant(&json, "timestamp", timestamp < 0 ? INSTANT_NONE : timestamp * INSTANT_MILLISECOND);
	json_bytes(&json, "key", (struct text){message->key, message->key_len});
	print_headers(&json, message);
	schema_finder_prepare(tail->finder, value);
	if (value.data && decode_to_json(tail->decoder, arena, value, &decoded, &defect)) {
		json_raw(&json, "value", decoded);
	} else {
		json_bytes(&json, "value", value);
		json_text(&json, "defect", value.data ? text_of(defect.text) : TEXT_LITERAL("no value"));
	}
	json_end(&json, '}');
	json_line(&json);
}

static bool take(void *context, const rd_kafka_message_t *message)
{
	struct tail *tail = context;

	if (!message) {
		(void)fflush(stdout);
		return true;
	}
	if (!is_of_customer(tail, message))
		return true;
	arena_reset(&tail->arena);
	print_message(tail, &tail->arena, message);
	return ++tail->printed != tail->count_max;
}

static int run(struct tail *tail)
{
	struct topic_reader reader;
	struct failure failure;

	tail->decoder = decoder_new();
	tail->finder = schema_finder_new(tail->config, tail->decoder);
	arena_init(&tail->arena, 1 << 16);
	enum outcome outcome = topic_reader_open(&reader, tail->config, tail->topic, &failure);
	if (outcome == OUTCOME_OK)
		outcome = topic_reader_follow(&reader, tail->from_beginning, tail->stops_at_end, take, tail, &failure);
	topic_reader_close(&reader);
	arena_release(&tail->arena);
	schema_finder_free(tail->finder);
	decoder_free(tail->decoder);
	if (outcome != OUTCOME_OK)
		return options_failed(tail->options, &failure);
	return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

int command_tail(int argc, char **argv)
{
	struct tail tail = {0};
	const char *name = NULL;
	const struct command_option table[] = {
		{"from-beginning", NULL, "all that the topic holds, then what comes (default: only what comes)",
			.flag = &tail.from_beginning},
		{"no-follow", NULL, "stop at the end of the topic", .flag = &tail.stops_at_end},
		{"count", "N", "stop after N records", .integer = &tail.count_max, .min = 1, .max = INT64_MAX},
		{"customer", "ID", "only this customer's", .text = &tail.customer},
	};
	const struct command_argument arguments[] = {
		{"TOPIC", "ledger, balances, outcomes, notifications, dead-letters, usage, commands, or a topic's name",
			.text = &name},
	};
	struct options options = {
		.command = "tail",
		.summary = "print a topic's records decoded, one JSON line each",
		.details = "Reads what is committed only, and commits no offset itself.",
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.arguments = arguments,
		.arguments_count = sizeof arguments / sizeof *arguments,
		.examples = {"drawdown tail ledger --from-beginning --no-follow", "drawdown tail dead-letters"},
		.config_needs = CONFIG_NEEDS_KAFKA,
		.prints_data = true,
	};
	struct config config;
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code) || !options_load_config(&options, &config, &exit_code))
		return exit_code;
	tail.options = &options;
	tail.config = &config;
	tail.topic = find_topic(&config, name);
	if (tail.topic)
		exit_code = run(&tail);
	else
		exit_code = options_error(&options, "there is no topic %s in this configuration", name);
	config_release(&config);
	return exit_code;
}
