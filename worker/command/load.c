/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "drawdown/command.h"
#include "drawdown/encode.h"
#include "drawdown/generator.h"
#include "drawdown/json_print.h"
#include "drawdown/kafka.h"
#include "drawdown/options.h"
#include "drawdown/terminal.h"

#define FLUSH_TIMEOUT_MS 60000
#define PACE_EVERY 64 /* events between two looks at the clock */

struct load {
	const struct options *options;
	const struct config *config;
	struct generator *generator;
	struct arena arena; /* of one event */
	enum output_format format;
	const char *currency_id;
	uint64_t seed;
	credit_t grant;	   /* 0: none */
	int64_t count_max; /* 0: no bound */
	int64_t duration;  /* 0: no bound */
	double rate;	   /* a second; 0: as fast as it goes */

	rd_kafka_t *kafka;
	rd_kafka_topic_t *topics[INPUT_COUNT];
	int32_t partitions_count[INPUT_COUNT];

	uint64_t grants_count, events_count, duplicates_count, failed_count;
	double seconds;
};

static void on_delivery(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *opaque)
{
	struct load *load = opaque;

	(void)kafka;
	load->failed_count += message->err != 0;
}

static enum outcome open_producer(struct load *load, struct failure *reterr)
{
	static const struct kafka_option standard[] = {
		{"compression.codec", "lz4"},
		{"linger.ms", "5"},
		{"queue.buffering.max.messages", "500000"},
		{NULL, NULL},
	};
	static const struct kafka_option fixed[] = {{"enable.idempotence", "true"}, {NULL, NULL}};
	rd_kafka_conf_t *conf;
	struct kafka_topics topics;

	enum outcome outcome = kafka_conf_new(load->config, standard, fixed, &conf, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	rd_kafka_conf_set_opaque(conf, load);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	outcome = kafka_open(RD_KAFKA_PRODUCER, conf, &load->kafka, reterr);
	if (outcome == OUTCOME_OK)
		outcome = kafka_topics_list(load->kafka, &topics, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	for (int input = 0; input < INPUT_COUNT && outcome == OUTCOME_OK; input++) {
		const char *name = load->config->input_topics[input];
		load->partitions_count[input] = kafka_topic_partitions_count(&topics, name);
		load->topics[input] = rd_kafka_topic_new(load->kafka, name, NULL);
		if (load->partitions_count[input] == 0) {
			outcome = fail(reterr, OUTCOME_FATAL, "load", "topic %s does not exist", name);
			fail_hint(reterr, "run 'drawdown topics create'");
		}
	}
	kafka_topics_release(&topics);
	return outcome;
}

static void close_producer(struct load *load)
{
	for (int input = 0; input < INPUT_COUNT; input++)
		if (load->topics[input])
			rd_kafka_topic_destroy(load->topics[input]);
	if (load->kafka)
		rd_kafka_destroy(load->kafka);
}

static enum outcome produce(struct load *load, enum input input, const struct event *event, struct failure *reterr)
{
	arena_reset(&load->arena);
	struct text value = encode_event(&load->arena, event, load->format);
	int32_t count = load->partitions_count[input];
	int32_t partition = load->config->inputs_crc32 ? hash_partition_crc32(event->customer_id, count)
						       : hash_partition_murmur2(event->customer_id, count);
	union {
		const char *read;
		void *taken; /* librdkafka copies, but its interface does not say so */
	} payload = {value.data};

	while (rd_kafka_produce(load->topics[input], partition, RD_KAFKA_MSG_F_COPY, payload.taken, value.size,
		       event->customer_id.data, event->customer_id.size, NULL) != 0) {
		rd_kafka_resp_err_t code = rd_kafka_last_error();
		if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			return kafka_fail(reterr, code, "load", "could not produce");
		rd_kafka_poll(load->kafka, 10);
	}
	return OUTCOME_OK;
}

static enum outcome flush(struct load *load, struct failure *reterr)
{
	rd_kafka_resp_err_t code = rd_kafka_flush(load->kafka, FLUSH_TIMEOUT_MS);

	if (code)
		return kafka_fail(reterr, code, "load", "could not produce everything");
	if (load->failed_count)
		return fail(reterr, OUTCOME_FATAL, "load", "%llu events were not taken by the brokers",
			(unsigned long long)load->failed_count);
	return OUTCOME_OK;
}

/* One grant a customer; the seed in the key keeps those of another run apart. */
static enum outcome produce_grants(struct load *load, struct failure *reterr)
{
	static const struct grant_terms terms = {
		.grant_type = GRANT_PAID,
		.effective_at = INSTANT_NONE,
		.expire_at = INSTANT_NONE,
		.display_name = {"load", 4},
	};
	int64_t count = generator_customers_count(load->generator);
	struct progress progress;
	enum outcome outcome = OUTCOME_OK;
	char customer[32], key[48];

	progress_begin(&progress, "granting", (uint64_t)count);
	int key_size = snprintf(key, sizeof key, "load-grant-%llx", (unsigned long long)load->seed);
	for (int64_t i = 0; i < count && outcome == OUTCOME_OK; i++) {
		struct event event = {
			.kind = EVENT_GRANT,
			.customer_id = generator_customer(load->generator, i, customer),
			.currency_id = text_of(load->currency_id),
			.idempotency_key = {key, (size_t)key_size},
			.amount = load->grant,
			.created_at = INSTANT_NONE,
			.terms = &terms,
		};
		outcome = produce(load, INPUT_COMMANDS, &event, reterr);
		load->grants_count++;
		progress_update(&progress, load->grants_count, NULL);
	}
	if (outcome == OUTCOME_OK)
		outcome = flush(load, reterr);
	progress_end(&progress);
	return outcome;
}

/* Waits until the event that comes next is due; deliveries are served meanwhile. */
static void keep_pace(const struct load *load, int64_t began)
{
	int64_t due = load->rate > 0 ? began + (int64_t)((double)load->events_count / load->rate * 1e6) : 0;
	int64_t left;

	rd_kafka_poll(load->kafka, 0);
	while ((left = due - monotonic_now()) > 0)
		rd_kafka_poll(load->kafka, left > 2000 ? (int)(left / 1000) : 1);
}

static bool is_over(const struct load *load, int64_t began)
{
	return (load->count_max && load->events_count >= (uint64_t)load->count_max) ||
	       (load->duration && monotonic_now() - began >= load->duration);
}

static uint64_t total_of(const struct load *load)
{
	if (load->count_max)
		return (uint64_t)load->count_max;
	if (load->duration && load->rate > 0)
		return (uint64_t)((double)load->duration / 1e6 * load->rate);
	return load->duration ? 0 : generator_total(load->generator);
}

static enum outcome produce_usage(struct load *load, struct failure *reterr)
{
	struct progress progress;
	enum outcome outcome = OUTCOME_OK;
	bool is_end = false;
	int64_t began = monotonic_now();
	/* A slow rate is paced event by event. */
	uint64_t pace_every = load->rate > 0 && load->rate < 1000 * PACE_EVERY ? 1 : PACE_EVERY;

	progress_begin(&progress, "producing usage", total_of(load));
	while (outcome == OUTCOME_OK) {
		struct event event;
		bool is_duplicate;
		if (load->events_count % pace_every == 0) {
			keep_pace(load, began);
			double seconds = (double)(monotonic_now() - began) / 1e6;
			progress_update(&progress, load->events_count, "%.0f events/s",
				seconds > 0 ? (double)load->events_count / seconds : 0);
		}
		if ((load->count_max || load->events_count % pace_every == 0) && is_over(load, began))
			break;
		outcome = generator_next(load->generator, &event, &is_duplicate, &is_end, reterr);
		if (outcome != OUTCOME_OK || is_end)
			break;
		outcome = produce(load, INPUT_USAGE, &event, reterr);
		load->events_count++;
		load->duplicates_count += is_duplicate;
	}
	if (outcome == OUTCOME_OK)
		outcome = flush(load, reterr);
	load->seconds = (double)(monotonic_now() - began) / 1e6;
	progress_end(&progress);
	return outcome;
}

static void print_summary(const struct load *load)
{
	double per_second = load->seconds > 0 ? (double)load->events_count / load->seconds : 0;
	char number[32];

	if (!load->options->json) {
		printf("%llu events (%llu of them again), %llu grants, in %.1f s: %.0f events/s; seed %llu\n",
			(unsigned long long)load->events_count, (unsigned long long)load->duplicates_count,
			(unsigned long long)load->grants_count, load->seconds, per_second,
			(unsigned long long)load->seed);
		return;
	}
	struct json_printer json = {.out = stdout};
	json_begin(&json, NULL, '{');
	json_integer(&json, "events", (int64_t)load->events_count);
	json_integer(&json, "duplicates", (int64_t)load->duplicates_count);
	json_integer(&json, "grants", (int64_t)load->grants_count);
	(void)snprintf(number, sizeof number, "%.3f", load->seconds);
	json_raw(&json, "seconds", text_of(number));
	(void)snprintf(number, sizeof number, "%.0f", per_second);
	json_raw(&json, "eventsPerSecond", text_of(number));
	json_integer(&json, "seed", (int64_t)load->seed);
	json_end(&json, '}');
	json_line(&json);
}

static int run(struct load *load, const struct generator_options *generator_options)
{
	struct failure failure;
	enum outcome outcome = generator_new(generator_options, &load->generator, &failure);

	arena_init(&load->arena, 1 << 16);
	if (outcome == OUTCOME_OK)
		outcome = open_producer(load, &failure);
	if (outcome == OUTCOME_OK && load->grant)
		outcome = produce_grants(load, &failure);
	if (outcome == OUTCOME_OK)
		outcome = produce_usage(load, &failure);
	close_producer(load);
	generator_free(load->generator);
	arena_release(&load->arena);
	if (outcome == OUTCOME_REJECT)
		failure.exit_code = EXIT_USAGE;
	if (outcome != OUTCOME_OK)
		return options_failed(load->options, &failure);
	print_summary(load);
	return EXIT_OK;
}

/* "MIN:MAX" or one amount. */
static bool parse_amounts(const char *text, struct generator_options *options)
{
	const char *colon = strchr(text, ':');
	struct text min = {text, colon ? (size_t)(colon - text) : strlen(text)};

	if (credit_parse(min, &options->amount_min) != CREDIT_PARSED ||
		credit_parse(colon ? text_of(colon + 1) : min, &options->amount_max) != CREDIT_PARSED)
		return false;
	return options->amount_min > 0 && options->amount_min <= options->amount_max;
}

int command_load(int argc, char **argv)
{
	static const char *const formats[] = {"avro", "json", NULL};
	struct load load = {.currency_id = "ai-tokens"};
	struct generator_options generator = {.customers_count = 1000, .skew = 0.99};
	const char *amounts = "0.001:2", *format = "avro";
	int64_t seed = (int64_t)((uint64_t)instant_now() >> 1);
	const struct command_option table[] = {
		{"customers", "N", "how many customers (1000)", .integer = &generator.customers_count, .min = 1,
			.max = 100000000},
		{"skew", "S", "exponent of Zipf's law over the customers, below 1; 0: all alike (0.99)",
			.number = &generator.skew},
		{"rate", "R", "events a second; 0: as fast as it goes (0)", .number = &load.rate},
		{"duplicates", "SHARE", "share of events that are an earlier one again, 0 to below 1 (0)",
			.number = &generator.duplicates_share},
		{"count", "N", "how many events (100000, or the whole trace)", .integer = &load.count_max, .min = 1,
			.max = INT64_MAX},
		{"duration", "TIME", "for how long instead, such as 30s", .duration = &load.duration},
		{"currency", "ID", "which credits (ai-tokens)", .text = &load.currency_id},
		{"amount", "MIN:MAX", "amounts of the events (0.001:2)", .text = &amounts},
		{"grant", "AMOUNT", "first grant each customer so much", .credit = &load.grant},
		{"format", "F", "avro or json (avro)", .text = &format, .choices = formats},
		{"seed", "N", "the same seed makes the same events (the time)", .integer = &seed, .min = 0,
			.max = INT64_MAX},
		{"csv", "FILE", "play a trace: TIMESTAMP,ContextTokens,GeneratedTokens", .text = &generator.csv_path},
	};
	struct options options = {
		.command = "load",
		.summary = "produce usage to test with",
		.details = "A trace belongs to the customers acme-0 to acme-96; its times are shifted so that it ends "
			   "now.",
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.examples = {"drawdown load --customers 100000 --count 1000000 --grant 50",
			"drawdown load --rate 2000 --duration 1min --duplicates 0.05",
			"drawdown load --csv trace.csv --grant 100"},
		.config_needs = CONFIG_NEEDS_KAFKA,
		.prints_data = true,
	};
	struct config config;
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code))
		return exit_code;
	if (generator.skew >= 1 || generator.duplicates_share >= 1)
		return options_error(&options, "--skew and --duplicates must be below 1");
	if (!parse_amounts(amounts, &generator))
		return options_error(&options, "--amount is not MIN:MAX with 0 < MIN <= MAX");
	if (!text_is_currency_id(text_of(load.currency_id)))
		return options_error(&options, "--currency is no currency id");
	if (!load.count_max && !load.duration && !generator.csv_path)
		load.count_max = 100000;
	if (!options_load_config(&options, &config, &exit_code))
		return exit_code;
	load.options = &options;
	load.config = &config;
	load.format = strcmp(format, "json") == 0 ? FORMAT_JSON : FORMAT_AVRO;
	load.seed = generator.seed = (uint64_t)seed;
	generator.currency_id = load.currency_id;
	exit_code = run(&load, &generator);
	config_release(&config);
	return exit_code;
}
