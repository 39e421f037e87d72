/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "drawdown/encode.h"
#include "drawdown/store_postgres.h"

#define FLUSH_TIMEOUT_MS 120000
#define TRANSACTION_TIMEOUT_MS 120000
#define SHOW_EVERY 1024
#define GRANTS_STALL (60 * INSTANT_SECOND) /* without a step forward */
#define LOOK_PAUSE (10 * INSTANT_MILLISECOND)

/* Fills a topic. */
struct filler {
	struct bench_load *load;
	struct arena arena; /* of one event */
	rd_kafka_t *kafka;
	rd_kafka_topic_t *topic;
	bool crc32;
	int64_t failed_count, sent_size;
};

static void on_delivery(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *opaque)
{
	struct filler *filler = opaque;

	(void)kafka;
	filler->failed_count += message->err != 0;
	if (!message->err && message->offset >= filler->load->ends[message->partition])
		filler->load->ends[message->partition] = message->offset + 1;
}

static enum outcome filler_open(struct filler *filler, const struct bench *bench, struct bench_load *load,
	bool transaction, struct failure *reterr)
{
	static const struct kafka_option standard[] = {
		{"compression.codec", "lz4"},
		{"linger.ms", "20"},
		{"batch.num.messages", "10000"},
		{"queue.buffering.max.messages", "300000"},
		{NULL, NULL},
	};
	const struct kafka_option fixed[] = {
		{"enable.idempotence", "true"},
		{transaction ? "transactional.id" : NULL, load->topic},
		{"transaction.timeout.ms", "120000"},
		{NULL, NULL},
	};
	rd_kafka_conf_t *conf;

	*filler = (struct filler){.load = load, .crc32 = bench->config.inputs_crc32};
	arena_init(&filler->arena, 1 << 16);
	enum outcome outcome = kafka_conf_new(&bench->config, standard, fixed, &conf, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	rd_kafka_conf_set_opaque(conf, filler);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	outcome = kafka_open(RD_KAFKA_PRODUCER, conf, &filler->kafka, reterr);
	if (outcome == OUTCOME_OK)
		filler->topic = rd_kafka_topic_new(filler->kafka, load->topic, NULL);
	return outcome;
}

static void filler_close(struct filler *filler)
{
	if (filler->topic)
		rd_kafka_topic_destroy(filler->topic);
	if (filler->kafka)
		rd_kafka_destroy(filler->kafka);
	arena_release(&filler->arena);
}

static enum outcome filler_put(
	struct filler *filler, const struct event *event, enum output_format format, struct failure *reterr)
{
	int32_t count = filler->load->partitions_count;

	arena_reset(&filler->arena);
	struct text value = encode_event(&filler->arena, event, format);
	int32_t partition = filler->crc32 ? hash_partition_crc32(event->customer_id, count)
					  : hash_partition_murmur2(event->customer_id, count);
	union {
		const char *read;
		void *taken; /* librdkafka copies, but its interface does not say so */
	} payload = {value.data};

	filler->sent_size += (int64_t)value.size;
	while (rd_kafka_produce(filler->topic, partition, RD_KAFKA_MSG_F_COPY, payload.taken, value.size,
		       event->customer_id.data, event->customer_id.size, NULL) != 0) {
		rd_kafka_resp_err_t code = rd_kafka_last_error();
		if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			return kafka_fail(reterr, code, "bench.load", "could not produce");
		rd_kafka_poll(filler->kafka, 10);
	}
	return OUTCOME_OK;
}

static enum outcome fail_error(rd_kafka_error_t *error, const char *what, struct failure *reterr)
{
	rd_kafka_resp_err_t code = rd_kafka_error_code(error);

	rd_kafka_error_destroy(error);
	return kafka_fail(reterr, code, "bench.load", "could not %s a transaction", what);
}

static enum outcome filler_begin(struct filler *filler, struct failure *reterr)
{
	rd_kafka_error_t *error = rd_kafka_init_transactions(filler->kafka, TRANSACTION_TIMEOUT_MS);

	if (!error)
		error = rd_kafka_begin_transaction(filler->kafka);
	return error ? fail_error(error, "begin", reterr) : OUTCOME_OK;
}

static enum outcome filler_flush(struct filler *filler, bool transaction, struct failure *reterr)
{
	rd_kafka_resp_err_t code = rd_kafka_flush(filler->kafka, FLUSH_TIMEOUT_MS);

	if (code)
		return kafka_fail(reterr, code, "bench.load", "could not produce everything");
	if (filler->failed_count)
		return fail(reterr, OUTCOME_FATAL, "bench.load", "%lld events were not taken by the brokers",
			(long long)filler->failed_count);
	rd_kafka_error_t *error =
		transaction ? rd_kafka_commit_transaction(filler->kafka, TRANSACTION_TIMEOUT_MS) : NULL;
	return error ? fail_error(error, "commit", reterr) : OUTCOME_OK;
}

/* ---- events ---- */

void bench_load_defaults(const struct bench *bench, struct bench_load_options *options)
{
	*options = (struct bench_load_options){
		.generator = {.currency_id = BENCH_CURRENCY,
			.customers_count = bench->settings.customers,
			.skew = 0.99,
			.amount_min = CREDIT_ONE / 1000,
			.amount_max = 2 * CREDIT_ONE,
			.seed = bench->settings.seed,
			.scattered = true,
			.uuid_keys = true},
		.events = bench->settings.events,
		.format = FORMAT_AVRO,
	};
}

static enum outcome put_events(struct filler *filler, struct generator *generator,
	const struct bench_load_options *options, const char *label, struct failure *reterr)
{
	struct progress progress;
	struct event event;
	bool is_duplicate, is_end;
	enum outcome outcome = OUTCOME_OK;

	progress_begin(&progress, label, (uint64_t)options->events);
	for (int64_t i = 0; i < options->events && outcome == OUTCOME_OK; i++) {
		if (i % SHOW_EVERY == 0) {
			rd_kafka_poll(filler->kafka, 0);
			progress_update(&progress, (uint64_t)i, NULL);
			outcome = bench_check(reterr);
		}
		if (outcome == OUTCOME_OK)
			outcome = generator_next(generator, &event, &is_duplicate, &is_end, reterr);
		if (outcome == OUTCOME_OK)
			outcome = filler_put(filler, &event, options->format, reterr);
		filler->load->duplicates += is_duplicate;
	}
	progress_end(&progress);
	return outcome;
}

static enum outcome create_topic(struct bench *bench, struct bench_load *load, struct failure *reterr)
{
	if (*load->topic)
		return OUTCOME_OK;
	load->partitions_count = (int32_t)bench->config.topics_partitions;
	(void)snprintf(load->topic, sizeof load->topic, "%.40s.load-%d", bench->id, ++bench->topics_count);
	return bench_topic_create(bench, load->topic, load->partitions_count, reterr);
}

enum outcome bench_load_fill(struct bench *bench, struct bench_load *load, const struct bench_load_options *options,
	bool transaction, const char *label, struct failure *reterr)
{
	struct filler filler = {0};
	struct generator *generator = NULL;
	enum outcome outcome = create_topic(bench, load, reterr);

	load->events = options->events;
	load->duplicates = 0;
	if (outcome == OUTCOME_OK)
		outcome = generator_new(&options->generator, &generator, reterr);
	if (outcome == OUTCOME_OK)
		outcome = filler_open(&filler, bench, load, transaction, reterr);
	if (outcome == OUTCOME_OK && transaction)
		outcome = filler_begin(&filler, reterr);
	if (outcome == OUTCOME_OK)
		outcome = put_events(&filler, generator, options, label, reterr);
	if (outcome == OUTCOME_OK)
		outcome = filler_flush(&filler, transaction, reterr);
	load->bytes = options->events ? (double)filler.sent_size / (double)options->events : 0;
	filler_close(&filler);
	generator_free(generator);
	return outcome;
}

void bench_load_delete(struct bench *bench, struct bench_load *load)
{
	if (*load->topic && !bench->settings.keeps)
		bench_topic_delete(bench, load->topic);
	*load = (struct bench_load){0};
}

enum outcome bench_main_load(struct bench *bench, struct failure *reterr)
{
	struct bench_load_options options;

	if (*bench->main_load.topic)
		return OUTCOME_OK;
	bench_load_defaults(bench, &options);
	return bench_load_fill(bench, &bench->main_load, &options, false, "filling a topic", reterr);
}

/* ---- grants ---- */

/* What bench_template_make works on. */
struct granting {
	struct bench *bench;
	int64_t customers;
	int each;
	credit_t first_amount; /* of all but the last */
	struct bench_site site;
	struct bench_load load; /* the commands */
};

/* They burn in the order in which they are given. */
static enum outcome put_grants(
	struct granting *granting, struct filler *filler, struct generator *generator, struct failure *reterr)
{
	struct progress progress;
	enum outcome outcome = OUTCOME_OK;
	char customer[32], key[32];

	progress_begin(&progress, "producing grants", (uint64_t)granting->load.events);
	for (int64_t i = 0; i < granting->load.events && outcome == OUTCOME_OK; i++) {
		int place = (int)(i % granting->each);
		bool is_last = place == granting->each - 1;
		const struct grant_terms terms = {
			.grant_type = GRANT_PAID,
			.priority = place,
			.effective_at = INSTANT_NONE,
			.expire_at = INSTANT_NONE,
		};
		int key_size = snprintf(key, sizeof key, "bench-grant-%d", place);
		const struct event event = {
			.kind = EVENT_GRANT,
			.customer_id = generator_customer(generator, i / granting->each, customer),
			.currency_id = text_of(BENCH_CURRENCY),
			.idempotency_key = {key, (size_t)key_size},
			.amount = is_last ? BENCH_GRANT : granting->first_amount,
			.created_at = INSTANT_NONE,
			.terms = &terms,
		};
		if (i % SHOW_EVERY == 0) {
			rd_kafka_poll(filler->kafka, 0);
			progress_update(&progress, (uint64_t)i, NULL);
			outcome = bench_check(reterr);
		}
		if (outcome == OUTCOME_OK)
			outcome = filler_put(filler, &event, FORMAT_AVRO, reterr);
	}
	progress_end(&progress);
	return outcome;
}

static enum outcome produce_grants(struct granting *granting, struct failure *reterr)
{
	const struct generator_options options = {.currency_id = BENCH_CURRENCY,
		.customers_count = granting->customers,
		.amount_min = CREDIT_ONE,
		.amount_max = CREDIT_ONE};
	struct filler filler = {0};
	struct generator *generator = NULL;
	enum outcome outcome = generator_new(&options, &generator, reterr);

	if (outcome == OUTCOME_OK)
		outcome = filler_open(&filler, granting->bench, &granting->load, false, reterr);
	if (outcome == OUTCOME_OK)
		outcome = put_grants(granting, &filler, generator, reterr);
	if (outcome == OUTCOME_OK)
		outcome = filler_flush(&filler, false, reterr);
	filler_close(&filler);
	generator_free(generator);
	return outcome;
}

static enum outcome await_grants(struct granting *granting, struct bench_process *worker, struct failure *reterr)
{
	struct bench_run run = {0};
	struct bench_watch watch;
	int64_t events = 0, seen = -1, seen_at = monotonic_now();
	enum outcome outcome = bench_watch_open(
		granting->bench, &watch, &granting->site, &granting->load, &run, "a worker grants", reterr);

	while (outcome == OUTCOME_OK && events < granting->load.events) {
		bench_pause(LOOK_PAUSE);
		outcome = bench_check(reterr);
		if (outcome == OUTCOME_OK)
			outcome = bench_process_check(worker, false, reterr);
		if (outcome == OUTCOME_OK)
			outcome = bench_watch_look(&watch, &events, reterr);
		if (events != seen)
			seen_at = monotonic_now();
		seen = events;
		if (outcome == OUTCOME_OK && monotonic_now() - seen_at > GRANTS_STALL)
			outcome = fail(reterr, OUTCOME_FATAL, "bench.load", "the worker stands still at %lld grants",
				(long long)events);
	}
	bench_watch_close(&watch);
	free(run.points);
	return outcome;
}

static enum outcome migrate(const struct bench *bench, const struct config *config, struct failure *reterr)
{
	char path[160];

	(void)snprintf(path, sizeof path, "%.60s/migrate.log", bench->directory);
	FILE *log = fopen(path, "ae");
	if (!log)
		return fail(reterr, OUTCOME_FATAL, "bench.load", "could not write %s", path);
	enum outcome outcome = migrate_run(config, log, reterr);
	(void)fclose(log);
	return outcome;
}

/* As autovacuum leaves a database that has lived for a while. */
static enum outcome vacuum(const struct bench_site *site, struct failure *reterr)
{
	struct postgres postgres;
	enum outcome outcome = bench_site_connect(site, &postgres, reterr);

	if (outcome == OUTCOME_OK)
		outcome = postgres_execute(&postgres, "bench.load", "vacuum", "vacuum (analyze)", reterr);
	postgres_release(&postgres);
	return outcome;
}

static enum outcome grant(struct granting *granting, struct failure *reterr)
{
	struct bench *bench = granting->bench;
	struct bench_process worker = {0};
	enum outcome outcome = migrate(bench, &granting->site.config, reterr);

	if (outcome == OUTCOME_OK && granting->load.events) {
		outcome = produce_grants(granting, reterr);
		if (outcome == OUTCOME_OK)
			outcome = bench_worker_start(bench, &granting->site, &worker, 0, false, reterr);
		if (outcome == OUTCOME_OK)
			outcome = await_grants(granting, &worker, reterr);
		bench_process_end(&worker);
	}
	return outcome == OUTCOME_OK ? vacuum(&granting->site, reterr) : outcome;
}

enum outcome bench_template_make(struct bench *bench, int64_t customers, int grants_each, credit_t first_amount,
	char name[BENCH_NAME_SIZE], struct failure *reterr)
{
	struct granting granting = {
		.bench = bench, .customers = customers, .each = grants_each, .first_amount = first_amount};
	enum outcome outcome = bench_site_open(bench, &granting.site, NULL, NULL, NULL, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	granting.load.partitions_count = (int32_t)granting.site.config.topics_partitions;
	granting.load.events = customers * grants_each;
	(void)snprintf(granting.load.topic, sizeof granting.load.topic, "%s",
		granting.site.config.input_topics[INPUT_COMMANDS]);
	outcome = grant(&granting, reterr);
	if (outcome == OUTCOME_OK)
		(void)snprintf(name, BENCH_NAME_SIZE, "%s", granting.site.database);
	bench_site_close(bench, &granting.site, outcome == OUTCOME_OK);
	return outcome;
}

enum outcome bench_template(struct bench *bench, struct failure *reterr)
{
	if (*bench->template)
		return OUTCOME_OK;
	return bench_template_make(bench, bench->settings.customers, 1, 0, bench->template, reterr);
}

enum outcome bench_empty_template(struct bench *bench, struct failure *reterr)
{
	if (*bench->empty_template)
		return OUTCOME_OK;
	return bench_template_make(bench, 0, 1, 0, bench->empty_template, reterr);
}
