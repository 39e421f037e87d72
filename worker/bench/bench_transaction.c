/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "bench.h"

#define CALL_TIMEOUT_MS 30000
#define WARM_UP 10
#define ATTEMPTS_MAX 50
#define ATTEMPT_PAUSE (100 * INSTANT_MILLISECOND)
#define TRANSACTIONS_MAX 10000

/* A producer, its topic, and a group whose offsets go with it. */
struct bare {
	rd_kafka_t *kafka;
	rd_kafka_topic_t *topic;
	rd_kafka_consumer_group_metadata_t *group;
	rd_kafka_topic_partition_list_t *offsets;
};

static enum outcome fail_error(rd_kafka_error_t *error, struct failure *reterr)
{
	rd_kafka_resp_err_t code = rd_kafka_error_code(error);

	rd_kafka_error_destroy(error);
	return kafka_fail(reterr, code, "bench.transaction", "a bare transaction failed");
}

static enum outcome bare_open(struct bare *bare, struct bench *bench, const char *topic, struct failure *reterr)
{
	static const struct kafka_option standard[] = {
		{"retry.backoff.ms", "10"}, /* as the worker's own */
		{NULL, NULL},
	};
	const struct kafka_option fixed[] = {
		{"enable.idempotence", "true"},
		{"transactional.id", topic},
		{"socket.nagle.disable", "true"},
		{"linger.ms", "0"},
		{NULL, NULL},
	};
	rd_kafka_conf_t *conf;
	enum outcome outcome = kafka_conf_new(&bench->config, standard, fixed, &conf, reterr);

	if (outcome == OUTCOME_OK)
		outcome = kafka_open(RD_KAFKA_PRODUCER, conf, &bare->kafka, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	bare->topic = rd_kafka_topic_new(bare->kafka, topic, NULL);
	bare->group = rd_kafka_consumer_group_metadata_new(topic);
	bare->offsets = rd_kafka_topic_partition_list_new(1);
	(void)rd_kafka_topic_partition_list_add(bare->offsets, topic, 0);
	rd_kafka_error_t *error = rd_kafka_init_transactions(bare->kafka, CALL_TIMEOUT_MS);
	return error ? fail_error(error, reterr) : OUTCOME_OK;
}

static void bare_close(struct bare *bare)
{
	if (bare->offsets)
		rd_kafka_topic_partition_list_destroy(bare->offsets);
	if (bare->group)
		rd_kafka_consumer_group_metadata_destroy(bare->group);
	if (bare->topic)
		rd_kafka_topic_destroy(bare->topic);
	if (bare->kafka)
		rd_kafka_destroy(bare->kafka);
}

/* A coordinator that was just made has to be found first. */
static rd_kafka_error_t *send_offsets(struct bare *bare)
{
	for (int attempt = 1;; attempt++) {
		rd_kafka_error_t *error =
			rd_kafka_send_offsets_to_transaction(bare->kafka, bare->offsets, bare->group, CALL_TIMEOUT_MS);
		if (!error || !rd_kafka_error_is_retriable(error) || attempt == ATTEMPTS_MAX)
			return error;
		rd_kafka_error_destroy(error);
		bench_pause(ATTEMPT_PAUSE);
	}
}

static enum outcome bare_run(struct bare *bare, int64_t number, struct failure *reterr)
{
	char value[] = "a message";
	rd_kafka_error_t *error = rd_kafka_begin_transaction(bare->kafka);

	if (error)
		return fail_error(error, reterr);
	if (rd_kafka_produce(bare->topic, 0, RD_KAFKA_MSG_F_COPY, value, sizeof value - 1, NULL, 0, NULL) != 0)
		return kafka_fail(reterr, rd_kafka_last_error(), "bench.transaction", "could not produce");
	bare->offsets->elems[0].offset = number + 1;
	error = send_offsets(bare);
	if (!error)
		error = rd_kafka_commit_transaction(bare->kafka, CALL_TIMEOUT_MS);
	return error ? fail_error(error, reterr) : OUTCOME_OK;
}

static enum outcome measure(struct bench *bench, struct bare *bare, double *milliseconds, struct failure *reterr)
{
	int64_t count = bench->settings.transactions;
	enum outcome outcome = OUTCOME_OK;

	for (int64_t i = -WARM_UP; i < count && outcome == OUTCOME_OK; i++) {
		int64_t begun_at = monotonic_now();
		outcome = bench_check(reterr);
		if (outcome == OUTCOME_OK)
			outcome = bare_run(bare, i + WARM_UP, reterr);
		if (i >= 0)
			milliseconds[i] = (double)(monotonic_now() - begun_at) / 1e3;
	}
	if (outcome == OUTCOME_OK)
		bench->transaction = bench_percentiles_of(milliseconds, (size_t)count);
	return outcome;
}

enum outcome bench_transaction(struct bench *bench, struct failure *reterr)
{
	struct bare bare = {0};
	char topic[BENCH_NAME_SIZE];
	double *milliseconds = calloc(TRANSACTIONS_MAX, sizeof *milliseconds);

	if (!milliseconds)
		abort();
	(void)snprintf(topic, sizeof topic, "%.40s.bare", bench->id);
	enum outcome outcome = bench_topic_create(bench, topic, 1, reterr);
	if (outcome == OUTCOME_OK)
		outcome = bare_open(&bare, bench, topic, reterr);
	if (outcome == OUTCOME_OK)
		outcome = measure(bench, &bare, milliseconds, reterr);
	bare_close(&bare);
	free(milliseconds);
	if (outcome == OUTCOME_OK)
		(void)fprintf(stderr, "%-44s %9.1f ms\n", "a bare Kafka transaction", bench->transaction.p50);
	return outcome;
}
