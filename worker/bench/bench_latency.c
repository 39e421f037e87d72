/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open loop: events are sent when their time comes, however the worker fares; those that the sender itself sends late
 * are counted. The clock begins with the input's append, as the broker stamped it (whole milliseconds), and ends when
 * a read-committed consumer has the entry, or when PostgreSQL committed it.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "drawdown/decode.h"
#include "drawdown/encode.h"
#include "drawdown/json_tree.h"

#define LATE (5 * INSTANT_MILLISECOND)
#define WARM_UP (10 * INSTANT_SECOND) /* the broker compiles itself, and first touches of pages go to the log whole */
#define TICK_MS 2 /* of the sender: it must not take a core from those that it measures */
#define READY_PATIENCE (60 * INSTANT_SECOND)
#define ARRIVAL_PATIENCE (60 * INSTANT_SECOND) /* for the last entries */
#define DECODED_MAX 200000		       /* of the entries seen, evenly spread */
#define CONSUME_MAX 4096
#define RATE_LEAST 50

/* An entry that was seen, its bytes to be understood later. */
struct arrival {
	instant_t at;
	char *value;
	size_t size;
};

struct watcher {
	rd_kafka_t *kafka;
	rd_kafka_queue_t *queue;
	pthread_t thread;
	bool has_thread;
	struct arrival *arrivals;
	int64_t every; /* one of so many is kept */
	int64_t arrivals_max;
	_Atomic int64_t seen;
	atomic_bool stops;
	_Atomic int64_t errors;
	int64_t kept;
};

/* One load. */
struct loading {
	struct bench *bench;
	struct bench_latency *latency;
	struct bench_site site;
	struct bench_process worker;
	struct watcher watcher;
	struct generator *generator;
	struct arena arena;
	rd_kafka_t *kafka;
	rd_kafka_topic_t *topic;
	int32_t partitions_count;
	int64_t failed;
	instant_t counts_from; /* appends from here on: what came before was to warm up */
};

/* ---- the consumer ---- */

static void keep(struct watcher *watcher, const rd_kafka_message_t *message, instant_t now)
{
	int64_t number = atomic_fetch_add(&watcher->seen, 1);

	if (number % watcher->every != 0 || watcher->kept == watcher->arrivals_max || !message->payload)
		return;
	struct arrival *arrival = &watcher->arrivals[watcher->kept];
	arrival->value = malloc(message->len);
	if (!arrival->value)
		abort();
	memcpy(arrival->value, message->payload, message->len);
	arrival->size = message->len;
	arrival->at = now;
	watcher->kept++;
}

static void *consume(void *argument)
{
	struct watcher *watcher = argument;
	static rd_kafka_message_t *messages[CONSUME_MAX];

	while (!atomic_load(&watcher->stops)) {
		/* The first is waited for alone: the call waits for all of its time to fill a batch. */
		rd_kafka_message_t *message = rd_kafka_consume_queue(watcher->queue, 100);
		ssize_t count = message ? 1 : 0;
		if (message)
			messages[0] = message;
		if (message) {
			ssize_t more = rd_kafka_consume_batch_queue(watcher->queue, 0, messages + 1, CONSUME_MAX - 1);
			count += more > 0 ? more : 0;
		}
		instant_t now = instant_now();
		for (ssize_t i = 0; i < count; i++) {
			if (messages[i]->err)
				(void)atomic_fetch_add(&watcher->errors, 1);
			else
				keep(watcher, messages[i], now);
			rd_kafka_message_destroy(messages[i]);
		}
	}
	return NULL;
}

static enum outcome watcher_open(
	struct watcher *watcher, const struct bench_site *site, int64_t expected, struct failure *reterr)
{
	static const struct kafka_option fixed[] = {
		{"group.id", "drawdown-bench"}, /* never joined, nothing committed */
		{"isolation.level", "read_committed"},
		{"enable.auto.commit", "false"},
		{"auto.offset.reset", "earliest"},
		{"fetch.wait.max.ms", "100"},
		{"socket.nagle.disable", "true"},
		{NULL, NULL},
	};
	rd_kafka_conf_t *conf;

	watcher->every = expected / DECODED_MAX + 1;
	watcher->arrivals_max = expected / watcher->every + 1;
	watcher->arrivals = calloc((size_t)watcher->arrivals_max, sizeof *watcher->arrivals);
	if (!watcher->arrivals)
		abort();
	enum outcome outcome = kafka_conf_new(&site->config, NULL, fixed, &conf, reterr);
	if (outcome == OUTCOME_OK)
		outcome = kafka_open(RD_KAFKA_CONSUMER, conf, &watcher->kafka, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	rd_kafka_poll_set_consumer(watcher->kafka);
	watcher->queue = rd_kafka_queue_get_consumer(watcher->kafka);
	rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new(8);
	for (int32_t i = 0; i < (int32_t)site->config.topics_partitions; i++)
		rd_kafka_topic_partition_list_add(partitions, site->config.output_topics[OUTPUT_LEDGER], i)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_resp_err_t code = rd_kafka_assign(watcher->kafka, partitions);
	rd_kafka_topic_partition_list_destroy(partitions);
	if (code)
		return kafka_fail(reterr, code, "bench.latency", "could not read the ledger topic");
	if (pthread_create(&watcher->thread, NULL, consume, watcher) != 0)
		abort();
	watcher->has_thread = true;
	return OUTCOME_OK;
}

static void watcher_stop(struct watcher *watcher)
{
	atomic_store(&watcher->stops, true);
	if (watcher->has_thread)
		(void)pthread_join(watcher->thread, NULL);
	watcher->has_thread = false;
}

static void watcher_close(struct watcher *watcher)
{
	watcher_stop(watcher);
	if (watcher->queue)
		rd_kafka_queue_destroy(watcher->queue);
	if (watcher->kafka) {
		(void)rd_kafka_consumer_close(watcher->kafka);
		rd_kafka_destroy(watcher->kafka);
	}
	for (int64_t i = 0; i < watcher->kept; i++)
		free(watcher->arrivals[i].value);
	free(watcher->arrivals);
}

/* ---- the sender ---- */

static void on_delivery(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *opaque)
{
	struct loading *loading = opaque;

	(void)kafka;
	loading->failed += message->err != 0;
}

static enum outcome sender_open(struct loading *loading, struct failure *reterr)
{
	static const struct kafka_option standard[] = {
		{"compression.codec", "lz4"},
		{"linger.ms", "5"}, /* what producers have by default */
		{"queue.buffering.max.messages", "500000"},
		{"socket.nagle.disable", "true"},
		{NULL, NULL},
	};
	static const struct kafka_option fixed[] = {{"enable.idempotence", "true"}, {NULL, NULL}};
	struct bench_load_options options;
	rd_kafka_conf_t *conf;

	bench_load_defaults(loading->bench, &options);
	loading->partitions_count = (int32_t)loading->site.config.topics_partitions;
	enum outcome outcome = generator_new(&options.generator, &loading->generator, reterr);
	if (outcome == OUTCOME_OK)
		outcome = kafka_conf_new(&loading->site.config, standard, fixed, &conf, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	rd_kafka_conf_set_opaque(conf, loading);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	outcome = kafka_open(RD_KAFKA_PRODUCER, conf, &loading->kafka, reterr);
	if (outcome == OUTCOME_OK)
		loading->topic =
			rd_kafka_topic_new(loading->kafka, loading->site.config.input_topics[INPUT_USAGE], NULL);
	return outcome;
}

static enum outcome send_one(struct loading *loading, struct failure *reterr)
{
	struct event event;
	bool is_duplicate, is_end;
	enum outcome outcome = generator_next(loading->generator, &event, &is_duplicate, &is_end, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	arena_reset(&loading->arena);
	struct text value = encode_event(&loading->arena, &event, FORMAT_AVRO);
	int32_t partition = loading->bench->config.inputs_crc32
				    ? hash_partition_crc32(event.customer_id, loading->partitions_count)
				    : hash_partition_murmur2(event.customer_id, loading->partitions_count);
	union {
		const char *read;
		void *taken; /* librdkafka copies, but its interface does not say so */
	} payload = {value.data};
	if (rd_kafka_produce(loading->topic, partition, RD_KAFKA_MSG_F_COPY, payload.taken, value.size,
		    event.customer_id.data, event.customer_id.size, NULL) != 0)
		return kafka_fail(reterr, rd_kafka_last_error(), "bench.latency", "could not keep the load up");
	return OUTCOME_OK;
}

/* Every event at its time; whoever is late hurries, and is counted. */
static enum outcome send_all(struct loading *loading, int64_t count, struct failure *reterr)
{
	struct bench_latency *latency = loading->latency;
	struct progress progress;
	int64_t begun_at = monotonic_now(), now = begun_at;
	enum outcome outcome = OUTCOME_OK;

	progress_begin(&progress, "an even load", (uint64_t)count);
	loading->counts_from = instant_now() + WARM_UP;
	while (latency->sent < count && outcome == OUTCOME_OK) {
		outcome = bench_check(reterr);
		int64_t due = begun_at + (int64_t)((double)latency->sent / latency->rate * 1e6);
		now = monotonic_now();
		if (due > now) {
			rd_kafka_poll(loading->kafka, TICK_MS);
			continue;
		}
		latency->late += now - due > LATE;
		double late = (double)(now - due) / 1e3;
		latency->late_max = late > latency->late_max ? late : latency->late_max;
		if (outcome == OUTCOME_OK)
			outcome = send_one(loading, reterr);
		latency->sent++;
		if (latency->sent % 256 == 0)
			progress_update(&progress, (uint64_t)latency->sent, NULL);
	}
	now = monotonic_now();
	latency->achieved = (double)latency->sent / ((double)(now - begun_at) / 1e6);
	progress_end(&progress);
	if (outcome == OUTCOME_OK && (rd_kafka_flush(loading->kafka, 30000) || loading->failed))
		outcome = fail(reterr, OUTCOME_FATAL, "bench.latency", "the brokers did not take the whole load");
	return outcome;
}

/* ---- one load ---- */

static enum outcome await_ready(struct loading *loading, struct failure *reterr)
{
	int64_t deadline = monotonic_now() + READY_PATIENCE;

	for (;;) {
		struct bench_metrics metrics = {0};
		enum outcome outcome = bench_check(reterr);
		if (outcome == OUTCOME_OK)
			outcome = bench_process_check(&loading->worker, false, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		if (bench_metrics_read(loading->worker.port, &metrics) && metrics.is_running)
			return OUTCOME_OK;
		if (monotonic_now() > deadline)
			return fail(reterr, OUTCOME_FATAL, "bench.latency", "the worker was not ready in time");
		bench_pause(20 * INSTANT_MILLISECOND);
	}
}

/* Each event makes one entry, as no grant is used up. */
static enum outcome await_entries(struct loading *loading, struct failure *reterr)
{
	int64_t deadline = monotonic_now() + ARRIVAL_PATIENCE;

	while (atomic_load(&loading->watcher.seen) < loading->latency->sent) {
		enum outcome outcome = bench_check(reterr);
		if (outcome == OUTCOME_OK)
			outcome = bench_process_check(&loading->worker, false, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		if (monotonic_now() > deadline)
			return fail(reterr, OUTCOME_FATAL, "bench.latency",
				"of %" PRId64 " events %" PRId64 " entries were seen", loading->latency->sent,
				atomic_load(&loading->watcher.seen));
		bench_pause(20 * INSTANT_MILLISECOND);
	}
	return OUTCOME_OK;
}

/* recordedAt is the input's append; INSTANT_NONE: not readable. */
static instant_t append_of(const struct decoder *decoder, struct arena *arena, const struct arrival *arrival)
{
	struct defect defect;
	struct text json;
	instant_t append;

	arena_reset(arena);
	if (!decode_to_json(decoder, arena, (struct text){arrival->value, arrival->size}, &json, &defect))
		return INSTANT_NONE;
	const struct json_node *tree = json_tree_parse(json, arena);
	const struct json_node *node = tree ? json_tree_find(tree, TEXT_LITERAL("recordedAt")) : NULL;
	return node && instant_parse(node->text, &append) ? append : INSTANT_NONE;
}

static enum outcome evaluate(struct loading *loading, struct failure *reterr)
{
	struct watcher *watcher = &loading->watcher;
	struct decoder *decoder = decoder_new();
	double *milliseconds = calloc((size_t)watcher->kept + 1, sizeof *milliseconds);
	size_t count = 0, unreadable = 0;

	if (!milliseconds)
		abort();
	for (int64_t i = 0; i < watcher->kept; i++) {
		instant_t append = append_of(decoder, &loading->arena, &watcher->arrivals[i]);
		unreadable += append == INSTANT_NONE;
		if (append != INSTANT_NONE && append >= loading->counts_from)
			milliseconds[count++] = (double)(watcher->arrivals[i].at - append) / 1e3;
	}
	loading->latency->ledger = bench_percentiles_of(milliseconds, count);
	free(milliseconds);
	decoder_free(decoder);
	if (unreadable || count == 0)
		return fail(reterr, OUTCOME_FATAL, "bench.latency", "%zu entries of %" PRId64 " could not be read",
			unreadable, watcher->kept);
	return OUTCOME_OK;
}

static enum outcome run_load(struct loading *loading, struct failure *reterr)
{
	struct bench *bench = loading->bench;
	int64_t count = (int64_t)(loading->latency->rate * (double)(bench->settings.latency_time + WARM_UP) / 1e6);
	enum outcome outcome = bench_database_prepare(bench, &loading->site, true, reterr);

	if (outcome == OUTCOME_OK)
		outcome = bench_worker_start(bench, &loading->site, &loading->worker, 0, false, reterr);
	if (outcome == OUTCOME_OK)
		outcome = watcher_open(&loading->watcher, &loading->site, count, reterr);
	if (outcome == OUTCOME_OK)
		outcome = sender_open(loading, reterr);
	if (outcome == OUTCOME_OK)
		outcome = await_ready(loading, reterr);
	if (outcome == OUTCOME_OK)
		outcome = send_all(loading, count, reterr);
	if (outcome == OUTCOME_OK)
		outcome = await_entries(loading, reterr);
	watcher_stop(&loading->watcher);
	(void)bench_metrics_read(loading->worker.port, &loading->latency->metrics);
	bench_process_end(&loading->worker);
	if (outcome == OUTCOME_OK)
		outcome = evaluate(loading, reterr);
	if (outcome == OUTCOME_OK)
		outcome = bench_database_latency(bench, &loading->site, loading->counts_from, loading->latency, reterr);
	return outcome;
}

static void loading_release(struct loading *loading)
{
	watcher_close(&loading->watcher);
	if (loading->topic)
		rd_kafka_topic_destroy(loading->topic);
	if (loading->kafka)
		rd_kafka_destroy(loading->kafka);
	generator_free(loading->generator);
	bench_site_close(loading->bench, &loading->site, false);
	arena_release(&loading->arena);
}

static enum outcome measure_load(struct bench *bench, double share, double full, struct failure *reterr)
{
	struct bench_latency *latency = &bench->latencies[bench->latencies_count];
	struct loading loading = {.bench = bench, .latency = latency};

	*latency = (struct bench_latency){.share = share, .rate = full * share};
	if (latency->rate < RATE_LEAST)
		latency->rate = RATE_LEAST;
	arena_init(&loading.arena, 1 << 16);
	enum outcome outcome = bench_site_open(bench, &loading.site, bench->template, NULL, NULL, reterr);
	if (outcome == OUTCOME_OK)
		outcome = run_load(&loading, reterr);
	loading_release(&loading);
	if (outcome != OUTCOME_OK)
		return outcome;
	bench->latencies_count++;
	(void)fprintf(stderr, "latency at %2.0f %% load %30.0f events/s  p50 %.1f, p99 %.1f ms\n", share * 100,
		latency->achieved, latency->ledger.p50, latency->ledger.p99);
	return OUTCOME_OK;
}

/* Where the throughput was not measured it is now, once. */
static enum outcome find_full(struct bench *bench, double *ret_full, struct failure *reterr)
{
	struct bench_run_options options = {.contender = CONTENDER_WORKER, .part = "throughput", .replicas = 1};
	enum outcome outcome = OUTCOME_OK;

	if (bench->settings.rate <= 0 && bench_spread_of(bench, "throughput", NULL).count == 0) {
		outcome = bench_main_load(bench, reterr);
		if (outcome == OUTCOME_OK)
			outcome = bench_run(bench, &bench->main_load, &options, reterr);
	}
	*ret_full = bench->settings.rate > 0 ? bench->settings.rate : bench_spread_of(bench, "throughput", NULL).median;
	return outcome;
}

enum outcome bench_latency(struct bench *bench, struct failure *reterr)
{
	static const double shares[BENCH_LOADS] = {0.1, 0.5};
	double full;
	enum outcome outcome = bench_template(bench, reterr);

	if (outcome == OUTCOME_OK)
		outcome = find_full(bench, &full, reterr);
	for (int i = 0; i < BENCH_LOADS && outcome == OUTCOME_OK; i++)
		outcome = measure_load(bench, shares[i], full, reterr);
	return outcome;
}
