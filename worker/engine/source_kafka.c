/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/source_kafka.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "drawdown/instant.h"
#include "drawdown/kafka.h"
#include "drawdown/metrics.h"
#include "drawdown/source_check.h"
#include "drawdown/source_group.h"
#include "drawdown/source_reader.h"

#define START_METADATA "start" /* of an offset that commit_start committed */
#define SLICE_MS 100	       /* a wake-up that got lost costs no more than this */
#define MISSING_LOOK_INTERVAL INSTANT_SECOND
#define MISSING_PATIENCE (30 * INSTANT_SECOND) /* a broker that has just come back may not know all topics yet */
#define REPORT_INTERVAL (100 * INSTANT_MILLISECOND)

struct kafka_source {
	const struct config *config;
	struct schemas *schemas;
	struct source_group *group;
	int event_fd;
	atomic_bool is_woken;
	int32_t partitions_count;

	struct source_reader *reader; /* NULL between stop and start */
	struct source_damage damage;
	void *membership;
	size_t membership_size;
	int64_t reported_at;
	int64_t missing_since; /* monotonic: when an input was said not to exist; 0: they do */
	int64_t missing_looked_at;
};

static void await_event(struct kafka_source *source, int64_t until)
{
	int64_t left_ms = (until - monotonic_now() + INSTANT_MILLISECOND - 1) / INSTANT_MILLISECOND;
	struct pollfd event = {.fd = source->event_fd, .events = POLLIN};
	uint64_t count;

	if (left_ms > 0 && poll(&event, 1, left_ms < SLICE_MS ? (int)left_ms : SLICE_MS) < 0 && errno != EINTR)
		abort();
	while (read(source->event_fd, &count, sizeof count) < 0 && errno == EINTR)
		;
}

static enum outcome fill(struct kafka_source *source, struct batch *batch, size_t records_max, size_t bytes_max,
	int64_t *ret_wait_until, enum source_signal *ret_signal, struct failure *reterr)
{
	if (!batch->membership.data)
		batch->membership =
			arena_copy(&batch->arena, (struct text){source->membership, source->membership_size});
	enum outcome outcome =
		source_reader_fill(source->reader, batch, records_max, bytes_max, ret_wait_until, reterr);
	if (outcome == OUTCOME_OK && source_reader_is_recovered(source->reader))
		*ret_signal = SOURCE_RECOVERED;
	return outcome;
}

static void report(struct kafka_source *source)
{
	int64_t now = monotonic_now();

	if (!source->reader || now - source->reported_at < REPORT_INTERVAL)
		return;
	source->reported_at = now;
	source_reader_report(source->reader);
}

/* Topics can be given more partitions while we run; that brings a new assignment. */
static void refresh_partitions_count(struct kafka_source *source)
{
	struct kafka_topics topics;
	struct failure failure;

	if (kafka_topics_list(source_group_kafka(source->group), &topics, &failure) != OUTCOME_OK)
		return;
	int32_t count = kafka_topic_partitions_count(&topics, source->config->input_topics[INPUT_USAGE]);
	if (count > 0)
		source->partitions_count = count;
	kafka_topics_release(&topics);
}

/* A topic that was away may be another one of the same name: where we stand in it is asked anew. */
static enum outcome look_for_missing(struct kafka_source *source, struct failure *reterr)
{
	struct kafka_topics topics;
	int64_t now = monotonic_now();

	if (source_group_has_missed_topic(source->group) && !source->missing_since)
		source->missing_since = now;
	if (!source->missing_since || now - source->missing_looked_at < MISSING_LOOK_INTERVAL)
		return OUTCOME_OK;
	source->missing_looked_at = now;
	if (kafka_topics_list(source_group_kafka(source->group), &topics, reterr) != OUTCOME_OK)
		return OUTCOME_OK;
	enum outcome outcome = source_check_existence(source->config, &topics, reterr);
	kafka_topics_release(&topics);
	if (outcome != OUTCOME_OK)
		return now - source->missing_since < MISSING_PATIENCE ? OUTCOME_OK : outcome;
	source->missing_since = 0;
	return source->reader ? fail(reterr, OUTCOME_REWIND, "source.topics", "an input was away for a while")
			      : OUTCOME_OK;
}

static enum outcome kafka_poll(void *self, struct batch *batch, size_t records_max, size_t bytes_max, int wait_ms,
	enum source_signal *ret_signal, struct failure *reterr)
{
	struct kafka_source *source = self;
	int64_t deadline = monotonic_now() + wait_ms * INSTANT_MILLISECOND;

	*ret_signal = SOURCE_NOTHING;
	for (;;) {
		int64_t wait_until = INT64_MAX;
		size_t records_before = batch ? batch->records_count : 0;
		enum outcome outcome = source_group_serve(source->group, ret_signal, reterr);

		if (outcome == OUTCOME_OK && *ret_signal == SOURCE_NOTHING)
			outcome = look_for_missing(source, reterr);
		if (outcome == OUTCOME_OK && *ret_signal == SOURCE_ASSIGNED)
			refresh_partitions_count(source);
		if (outcome != OUTCOME_OK || *ret_signal != SOURCE_NOTHING)
			return outcome;
		if (batch && source->reader && !source_group_is_revoked(source->group))
			outcome = fill(source, batch, records_max, bytes_max, &wait_until, ret_signal, reterr);
		report(source);
		if (outcome != OUTCOME_OK || *ret_signal != SOURCE_NOTHING ||
			(batch && batch->records_count > records_before))
			return outcome;
		if (atomic_exchange(&source->is_woken, false) || monotonic_now() >= deadline)
			return OUTCOME_OK;
		await_event(source, wait_until < deadline ? wait_until : deadline);
	}
}

static int32_t kafka_partitions_count(void *self)
{
	const struct kafka_source *source = self;
	return source->partitions_count;
}

static struct input_partition *kafka_partitions(void *self, size_t *ret_count)
{
	struct kafka_source *source = self;
	return source_group_assigned(source->group, ret_count);
}

static rd_kafka_topic_partition_list_t *list_partitions(
	const struct kafka_source *source, const struct input_partition *partitions, size_t count)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

	for (size_t i = 0; i < count; i++)
		rd_kafka_topic_partition_list_add(
			list, source->config->input_topics[partitions[i].input], partitions[i].partition)
			->offset = partitions[i].position;
	return list;
}

static enum outcome read_committed(struct kafka_source *source, rd_kafka_topic_partition_list_t *list,
	struct input_partition *partition, struct failure *reterr)
{
	const char *topic = source->config->input_topics[partition->input];
	const rd_kafka_topic_partition_t *entry = rd_kafka_topic_partition_list_find(list, topic, partition->partition);
	assert(entry);
	if (entry->err)
		return kafka_fail(reterr, entry->err, "source.committed",
			"could not read the committed offset of %s [%d]", topic, (int)partition->partition);
	partition->has_committed = entry->offset >= 0;
	partition->committed = entry->offset;
	partition->committed_is_start = partition->has_committed && entry->metadata_size == strlen(START_METADATA) &&
					memcmp(entry->metadata, START_METADATA, entry->metadata_size) == 0;

	rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(source_group_kafka(source->group), topic,
		partition->partition, &partition->log_start, &partition->log_end, KAFKA_CALL_TIMEOUT_MS);
	if (code)
		return kafka_fail(reterr, code, "source.committed", "could not read where %s [%d] begins and ends",
			topic, (int)partition->partition);
	return OUTCOME_OK;
}

static enum outcome kafka_committed(
	void *self, struct input_partition *partitions, size_t count, struct failure *reterr)
{
	struct kafka_source *source = self;
	if (count == 0)
		return OUTCOME_OK;
	rd_kafka_topic_partition_list_t *list = list_partitions(source, partitions, count);
	rd_kafka_resp_err_t code = rd_kafka_committed(source_group_kafka(source->group), list, KAFKA_CALL_TIMEOUT_MS);
	enum outcome outcome = OUTCOME_OK;

	if (code)
		outcome = kafka_fail(reterr, code, "source.committed", "could not read the committed offsets");
	for (size_t i = 0; outcome == OUTCOME_OK && i < count; i++)
		outcome = read_committed(source, list, &partitions[i], reterr);
	rd_kafka_topic_partition_list_destroy(list);
	return outcome;
}

static enum outcome kafka_commit_start(
	void *self, const struct input_partition *partitions, size_t count, struct failure *reterr)
{
	struct kafka_source *source = self;
	if (count == 0)
		return OUTCOME_OK;
	rd_kafka_topic_partition_list_t *list = list_partitions(source, partitions, count);

	for (int i = 0; i < list->cnt; i++) {
		list->elems[i].metadata = strdup(START_METADATA);
		list->elems[i].metadata_size = strlen(START_METADATA);
	}
	rd_kafka_resp_err_t code = rd_kafka_commit(source_group_kafka(source->group), list, 0);
	for (int i = 0; !code && i < list->cnt; i++)
		code = list->elems[i].err;
	rd_kafka_topic_partition_list_destroy(list);
	if (!code)
		return OUTCOME_OK;
	if (source_group_is_estranged(code))
		return fail(reterr, OUTCOME_REWIND, "source.commit_start",
			"could not commit the start of new partitions: %s", rd_kafka_err2str(code));
	return kafka_fail(reterr, code, "source.commit_start", "could not commit the start of new partitions");
}

static void forget_membership(struct kafka_source *source)
{
	if (source->membership)
		rd_kafka_mem_free(source_group_kafka(source->group), source->membership);
	source->membership = NULL;
	source->membership_size = 0;
}

/* As we are a member now: what commits in its name is refused once the group has gone on. */
static enum outcome take_membership(struct kafka_source *source, struct failure *reterr)
{
	rd_kafka_consumer_group_metadata_t *metadata =
		rd_kafka_consumer_group_metadata(source_group_kafka(source->group));

	forget_membership(source);
	if (metadata) {
		rd_kafka_error_t *error =
			rd_kafka_consumer_group_metadata_write(metadata, &source->membership, &source->membership_size);
		assert(!error);
		rd_kafka_consumer_group_metadata_destroy(metadata);
	}
	if (source->membership && kafka_membership_is_valid(source->membership, source->membership_size))
		return OUTCOME_OK;
	forget_membership(source);
	return fail(reterr, OUTCOME_REWIND, "source.start", "not a member of group %s", source->config->group_id);
}

static enum outcome kafka_start(
	void *self, const struct input_partition *partitions, size_t count, struct failure *reterr)
{
	struct kafka_source *source = self;
	assert(!source->reader);
	enum outcome outcome = take_membership(source, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;

	source->reader = source_reader_new(source_group_kafka(source->group), source->config, source->schemas,
		source->event_fd, partitions, count, &source->damage);
	rd_kafka_topic_partition_list_t *list = list_partitions(source, partitions, count);
	rd_kafka_resp_err_t code = rd_kafka_assign(source_group_kafka(source->group), list);
	rd_kafka_topic_partition_list_destroy(list);
	if (code) {
		source_reader_free(source->reader);
		source->reader = NULL;
		return kafka_fail(reterr, code, "source.start", "could not begin to read");
	}
	return OUTCOME_OK;
}

static int64_t kafka_reached(void *self, enum input input, int32_t partition)
{
	const struct kafka_source *source = self;
	return source->reader ? source_reader_reached(source->reader, input, partition) : -1;
}

static enum outcome kafka_stop(void *self, struct failure *reterr)
{
	struct kafka_source *source = self;

	if (source->reader || source_group_is_revoked(source->group))
		source_group_unassign(source->group);
	source_reader_free(source->reader);
	source->reader = NULL;
	forget_membership(source);
	metrics_forget_positions();
	return source_group_renew(source->group, reterr);
}

static void kafka_wake(void *self)
{
	struct kafka_source *source = self;
	static const uint64_t one = 1;
	int saved = errno;

	atomic_store(&source->is_woken, true);
	ssize_t written = write(source->event_fd, &one, sizeof one);
	(void)written; /* full: somebody has not been heard yet, which will do */
	errno = saved;
}

static void kafka_close(void *self)
{
	struct kafka_source *source = self;

	schemas_set_wake(source->schemas, NULL, NULL);
	if (source->reader)
		source_group_unassign(source->group);
	source_reader_free(source->reader);
	forget_membership(source);
	source_group_close(source->group);
	close(source->event_fd);
	free(source);
}

/* ---- open ---- */

static void note_denial(rd_kafka_t *kafka, int code, const char *text, void *opaque)
{
	struct failure *denial = opaque;

	(void)kafka;
	if (kafka_is_denied((rd_kafka_resp_err_t)code))
		(void)kafka_fail(denial, (rd_kafka_resp_err_t)code, "source.open", "%s", text);
}

/* By a client of its own: the consumer's queues are sized by what it finds. Calls do not tell a login that is refused
 * from a broker that is away. */
static enum outcome check_topics(const struct config *config, int32_t *ret_partitions_count, struct failure *reterr)
{
	rd_kafka_conf_t *conf;
	rd_kafka_t *kafka;
	struct failure denial = {.outcome = OUTCOME_OK};
	enum outcome outcome = kafka_conf_new(config, NULL, NULL, &conf, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	rd_kafka_conf_set_opaque(conf, &denial);
	rd_kafka_conf_set_error_cb(conf, note_denial);
	outcome = kafka_open(RD_KAFKA_PRODUCER, conf, &kafka, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	outcome = source_check_topics(kafka, config, ret_partitions_count, reterr);
	rd_kafka_poll(kafka, 0);
	if (outcome == OUTCOME_RETRY && denial.outcome == OUTCOME_FATAL) {
		*reterr = denial;
		outcome = OUTCOME_FATAL;
	}
	rd_kafka_destroy(kafka);
	return outcome;
}

enum outcome source_kafka_open(
	struct source *ret_source, const struct config *config, struct schemas *schemas, struct failure *reterr)
{
	struct failure own;
	struct kafka_source *source = calloc(1, sizeof *source);

	if (!source)
		abort();
	reterr = reterr ? reterr : &own;
	source->config = config;
	source->schemas = schemas;
	source->damage.position = -1;
	source->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (source->event_fd < 0)
		abort();
	enum outcome outcome = check_topics(config, &source->partitions_count, reterr);
	if (outcome == OUTCOME_OK)
		outcome = source_group_open(&source->group, config, source->event_fd, source->partitions_count, reterr);
	if (outcome != OUTCOME_OK) {
		kafka_close(source);
		return outcome;
	}
	schemas_set_wake(schemas, kafka_wake, source);
	*ret_source = (struct source){
		.self = source,
		.poll = kafka_poll,
		.partitions_count = kafka_partitions_count,
		.partitions = kafka_partitions,
		.committed = kafka_committed,
		.commit_start = kafka_commit_start,
		.start = kafka_start,
		.reached = kafka_reached,
		.stop = kafka_stop,
		.wake = kafka_wake,
		.close = kafka_close,
	};
	return OUTCOME_OK;
}
