/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rebalance callback only notes what was asked; it runs inside
 * source_group_serve. An assignment is taken at once, with no partition: that
 * makes us a member that can hear of the next rebalance while the loop claims
 * its partitions; they are assigned later, with explicit offsets. A revocation
 * is answered by source_group_unassign alone: until then the group waits, so
 * no work of ours is in flight when another owner begins. A rewind assigns
 * nothing for a moment, it does not answer: so a revocation that comes
 * meanwhile is not lost.
 *
 * A consumer that was fenced is of no use any more. If it was by a request of
 * its own that came late, a revocation is signalled and a new consumer made.
 */
#include "drawdown/source_group.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "drawdown/deadline.h"
#include "drawdown/instant.h"
#include "drawdown/log.h"

#define SERVE_MS 100 /* of a consumer that closes */
#define LOG_INTERVAL (10 * INSTANT_SECOND)
#define CLOSE_TIMEOUT_S 10
#define TROUBLE_LASTS (30 * INSTANT_SECOND)
#define QUEUED_MESSAGES_TOTAL \
	48000 /* over all partitions of both inputs; each takes half a kilobyte besides its bytes */
#define QUEUED_KBYTES_TOTAL 16384
#define FETCH_BYTES "131072" /* compressed, of a partition at a time; a larger record comes alone */

/* A client, from its making to its end, which it may meet after the group has gone on without it. */
struct consumer {
	rd_kafka_t *kafka;
	rd_kafka_queue_t *queue; /* rebalances and errors */
	struct source_group *group;
	atomic_bool is_closing; /* the group is not to be touched any more */
};

struct source_group {
	const struct config *config;
	int event_fd;
	int32_t partitions_count;
	struct consumer *consumer;
	rd_kafka_t *kafka; /* the consumer's */

	/* what the rebalance callback noted, until it was signalled */
	bool is_assigned;
	bool is_revoked;
	bool must_answer; /* a revocation waits for source_group_unassign */
	struct input_partition *assigned;
	size_t assigned_count;
	int64_t broken_since; /* monotonic: when a pair was first not whole; 0: none is */

	bool is_fenced;	       /* the consumer is, and of no use any more */
	bool must_renew;       /* by ourselves: a new one is to be made */
	bool has_missed_topic; /* since it was asked last */
	int64_t trouble_at; /* monotonic: when the broker did not answer, or the group went on without us; 0: never */

	struct failure failure; /* of an error that was heard of; outcome OK: none; FATAL stays */
	rd_kafka_resp_err_t logged_code;
	int64_t logged_at;
};

/* ---- errors that come by themselves ---- */

static void log_error(struct source_group *group, rd_kafka_resp_err_t code, const char *text)
{
	int64_t now = monotonic_now();

	group->trouble_at = now;
	/* the client has a line of its own for these */
	if (code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
		code == RD_KAFKA_RESP_ERR__RESOLVE)
		return;
	if (code == group->logged_code && now - group->logged_at < LOG_INTERVAL)
		return;
	group->logged_code = code;
	group->logged_at = now;
	log_line(LOG_WARNING, "source.kafka", "%s: %s", rd_kafka_err2name(code), text);
}

static enum outcome fenced(struct source_group *group, struct failure *reterr)
{
	fail(reterr, OUTCOME_FATAL, "source.group", "another process is member %s of group %s",
		group->config->replica_id, group->config->group_id);
	fail_hint(
		reterr, "give every worker a replica.id of its own, and end a process before another takes its place");
	reterr->exit_code = EXIT_FENCED;
	return OUTCOME_FATAL;
}

static enum outcome judge_error(
	struct source_group *group, rd_kafka_resp_err_t code, const char *text, struct failure *reterr)
{
	char why[256];
	rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(group->kafka, why, sizeof why);

	if (fatal == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID || code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) {
		group->is_fenced = true;
		return OUTCOME_OK;
	}
	if (fatal)
		return fail(reterr, OUTCOME_FATAL, "source.group", "the consumer gave up: %s: %s",
			rd_kafka_err2name(fatal), why);
	if (kafka_is_denied(code))
		return kafka_fail(reterr, code, "source.group", "%s", text);
	switch ((int)code) {
	case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
		fail(reterr, OUTCOME_FATAL, "source.group", "the broker does not allow this group.session.timeout: %s",
			text);
		fail_hint(reterr,
			"the broker's group.min.session.timeout.ms and group.max.session.timeout.ms are the bounds");
		break;
	case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
		fail(reterr, OUTCOME_FATAL, "source.group", "group %s has members of another kind: %s",
			group->config->group_id, text);
		fail_hint(reterr, "choose a group.id that nothing but workers uses");
		break;
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
		group->has_missed_topic = true;
		log_error(group, code, text);
		return OUTCOME_OK;
	default:
		log_error(group, code, text);
		return OUTCOME_OK;
	}
	reterr->exit_code = EXIT_USAGE;
	return OUTCOME_FATAL;
}

static void note_error(struct source_group *group, rd_kafka_resp_err_t code, const char *text)
{
	if (group->failure.outcome == OUTCOME_OK)
		(void)judge_error(group, code, text, &group->failure);
}

static void on_error(rd_kafka_t *kafka, int code, const char *text, void *opaque)
{
	struct consumer *consumer = opaque;

	(void)kafka;
	if (!atomic_load(&consumer->is_closing))
		note_error(consumer->group, (rd_kafka_resp_err_t)code, text);
}

/* ---- the group ---- */

static void assign_nothing(struct source_group *group)
{
	rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
	rd_kafka_resp_err_t code = rd_kafka_assign(group->kafka, none);

	if (code)
		log_error(group, code, "could not take an assignment");
	rd_kafka_topic_partition_list_destroy(none);
}

static void forget_assignment(struct source_group *group)
{
	free(group->assigned);
	group->assigned = NULL;
	group->assigned_count = 0;
}

static bool has_partition(
	const struct source_group *group, rd_kafka_topic_partition_list_t *list, enum input input, int32_t partition)
{
	return rd_kafka_topic_partition_list_find(list, group->config->input_topics[input], partition) != NULL;
}

static void note_assignment(struct source_group *group, rd_kafka_topic_partition_list_t *list)
{
	size_t broken_count = 0;
	const char *usage_topic = group->config->input_topics[INPUT_USAGE];

	forget_assignment(group);
	group->assigned = calloc(list->cnt > 0 ? (size_t)list->cnt : 1, sizeof *group->assigned);
	if (!group->assigned)
		abort();
	for (int i = 0; i < list->cnt; i++) {
		const rd_kafka_topic_partition_t *entry = &list->elems[i];
		bool is_usage = strcmp(entry->topic, usage_topic) == 0;
		if (!has_partition(group, list, is_usage ? INPUT_COMMANDS : INPUT_USAGE, entry->partition)) {
			broken_count++;
			log_line(LOG_WARNING, "source.pairs",
				"left %s [%d] alone: the other input's partition went elsewhere", entry->topic,
				(int)entry->partition);
		} else if (is_usage) {
			for (int input = 0; input < INPUT_COUNT; input++)
				group->assigned[group->assigned_count++] = (struct input_partition){
					.input = (enum input)input, .partition = entry->partition};
		}
	}
	if (!broken_count)
		group->broken_since = 0;
	else if (!group->broken_since)
		group->broken_since = monotonic_now();
	assert(group->assigned_count <= BATCH_SPANS_MAX);
}

static void on_rebalance(
	rd_kafka_t *kafka, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque)
{
	struct consumer *consumer = opaque;
	struct source_group *group = consumer->group;

	if (atomic_load(&consumer->is_closing)) {
		rd_kafka_assign(kafka, NULL);
	} else if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		note_assignment(group, list);
		assign_nothing(group);
		group->is_assigned = true;
		group->is_revoked = false;
	} else {
		if (rd_kafka_assignment_lost(kafka)) {
			group->trouble_at = monotonic_now();
			log_line(LOG_WARNING, "source.group",
				"lost the assignment: the group went on without this member");
		}
		group->is_assigned = false;
		group->is_revoked = group->must_answer = true;
	}
}

static enum outcome check_pairs(const struct source_group *group, struct failure *reterr)
{
	if (!group->broken_since || monotonic_now() - group->broken_since < group->config->pairs_timeout)
		return OUTCOME_OK;
	fail(reterr, OUTCOME_FATAL, "source.pairs",
		"for more than inputs.pairs.timeout, partitions of %s and %s with one number went to different members",
		group->config->input_topics[INPUT_USAGE], group->config->input_topics[INPUT_COMMANDS]);
	fail_hint(reterr, "both topics need as many partitions, and every member of group %s must be a worker of both",
		group->config->group_id);
	return OUTCOME_FATAL;
}

/* Another process with our replica.id fences us; so does a request of our own that the broker answers only after
 * we gave it up, and the group's members do not tell which. So it was ours if there was trouble lately: if it was
 * not, the other one fences the new consumer, too, until the trouble is too old to be the reason. */
static enum outcome judge_fence(struct source_group *group, struct failure *reterr)
{
	if (!group->trouble_at || monotonic_now() - group->trouble_at > TROUBLE_LASTS)
		return fenced(group, reterr);
	log_line(LOG_WARNING, "source.group", "fenced, likely by a late request of its own: makes a new consumer");
	group->is_assigned = false;
	group->is_revoked = group->must_answer = group->must_renew = true;
	return OUTCOME_OK;
}

/* ---- the consumer's life ---- */

static enum outcome new_conf(
	const struct config *config, int queues_count, rd_kafka_conf_t **ret_conf, struct failure *reterr)
{
	char session_ms[24], messages[24], kbytes[24];

	/* One queue below its bound is enough to be fetched for, and the commands' mostly are; while all are above it,
	 * librdkafka looks again after up to a second. */
	(void)snprintf(session_ms, sizeof session_ms, "%lld",
		(long long)(config->group_session_timeout / INSTANT_MILLISECOND));
	(void)snprintf(messages, sizeof messages, "%d", QUEUED_MESSAGES_TOTAL / queues_count + 1000);
	(void)snprintf(kbytes, sizeof kbytes, "%d", QUEUED_KBYTES_TOTAL / queues_count + 256);
	const struct kafka_option standard[] = {
		{"fetch.wait.max.ms", "20"}, /* an end of partition is told as late as this */
		{"max.partition.fetch.bytes", FETCH_BYTES},
		{"heartbeat.interval.ms", "1000"},
		{"queued.min.messages", messages}, /* per partition, as the next one */
		{"queued.max.messages.kbytes", kbytes},
		{NULL, NULL},
	};
	const struct kafka_option fixed[] = {
		{"group.id", config->group_id},
		{"group.instance.id", config->replica_id},
		{"session.timeout.ms", session_ms},
		{"partition.assignment.strategy", "range"}, /* keeps the pairs together */
		{"isolation.level", "read_committed"},
		{"enable.auto.commit", "false"},
		{"enable.auto.offset.store", "false"},
		{"auto.offset.reset", "error"},
		{"enable.partition.eof", "true"},
		{"check.crcs", "true"},
		{NULL, NULL},
	};
	return kafka_conf_new(config, standard, fixed, ret_conf, reterr);
}

static enum outcome subscribe(struct source_group *group, struct failure *reterr)
{
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(INPUT_COUNT);

	for (int input = 0; input < INPUT_COUNT; input++)
		rd_kafka_topic_partition_list_add(topics, group->config->input_topics[input], RD_KAFKA_PARTITION_UA);
	rd_kafka_resp_err_t code = rd_kafka_subscribe(group->kafka, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	return code ? kafka_fail(reterr, code, "source.open", "could not subscribe") : OUTCOME_OK;
}

static enum outcome open_consumer(struct source_group *group, struct failure *reterr)
{
	static const uint64_t one = 1;
	rd_kafka_conf_t *conf;
	enum outcome outcome = new_conf(group->config, group->partitions_count * INPUT_COUNT, &conf, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	struct consumer *consumer = calloc(1, sizeof *consumer);
	if (!consumer)
		abort();
	consumer->group = group;
	rd_kafka_conf_set_opaque(conf, consumer);
	rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
	rd_kafka_conf_set_error_cb(conf, on_error);
	outcome = kafka_open(RD_KAFKA_CONSUMER, conf, &consumer->kafka, reterr);
	if (outcome != OUTCOME_OK) {
		free(consumer);
		return outcome;
	}
	rd_kafka_poll_set_consumer(consumer->kafka);
	consumer->queue = rd_kafka_queue_get_consumer(consumer->kafka);
	rd_kafka_queue_io_event_enable(consumer->queue, group->event_fd, &one, sizeof one);
	group->consumer = consumer;
	group->kafka = consumer->kafka;
	return subscribe(group, reterr);
}

static void *serve_close(void *opaque)
{
	struct consumer *consumer = opaque;
	rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer->kafka);
	rd_kafka_error_t *error = rd_kafka_consumer_close_queue(consumer->kafka, queue);

	while (!error && !rd_kafka_consumer_closed(consumer->kafka))
		rd_kafka_queue_poll_callback(queue, SERVE_MS);
	rd_kafka_error_destroy(error);
	rd_kafka_queue_destroy(queue);
	rd_kafka_queue_destroy(consumer->queue);
	rd_kafka_destroy_flags(consumer->kafka, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	free(consumer);
	return NULL;
}

/* librdkafka can hang here while an assignment is being lost: then it is left behind. */
static void close_consumer(struct source_group *group)
{
	struct consumer *consumer = group->consumer;
	pthread_t thread;

	if (!consumer)
		return;
	group->consumer = NULL;
	group->kafka = NULL;
	rd_kafka_queue_io_event_enable(consumer->queue, -1, NULL, 0);
	atomic_store(&consumer->is_closing, true);
	const struct timespec deadline = deadline_in(CLOSE_TIMEOUT_S * INSTANT_SECOND);
	if (pthread_create(&thread, NULL, serve_close, consumer) != 0)
		abort();
	if (deadline_join(thread, &deadline))
		return;
	pthread_detach(thread);
	log_line(LOG_WARNING, "source.close", "left a consumer behind: it did not close within %d s", CLOSE_TIMEOUT_S);
}

/* ---- the module ---- */

enum outcome source_group_open(struct source_group **ret_group, const struct config *config, int event_fd,
	int32_t partitions_count, struct failure *reterr)
{
	struct source_group *group = calloc(1, sizeof *group);

	if (!group)
		abort();
	group->config = config;
	group->event_fd = event_fd;
	group->partitions_count = partitions_count;
	enum outcome outcome = open_consumer(group, reterr);
	if (outcome == OUTCOME_OK)
		*ret_group = group;
	else
		source_group_close(group);
	return outcome;
}

void source_group_close(struct source_group *group)
{
	if (!group)
		return;
	close_consumer(group);
	forget_assignment(group);
	free(group);
}

rd_kafka_t *source_group_kafka(struct source_group *group)
{
	return group->kafka;
}

/* Rebalances and errors; records come by the partitions' own queues. */
static enum outcome hear(struct source_group *group, struct failure *reterr)
{
	rd_kafka_message_t *message;

	while (!group->is_fenced && (message = rd_kafka_consumer_poll(group->kafka, 0))) {
		if (message->err)
			note_error(group, message->err, rd_kafka_message_errstr(message));
		else
			fail(&group->failure, OUTCOME_REWIND, "source.group",
				"a record of %s [%d] came by the wrong queue", rd_kafka_topic_name(message->rkt),
				(int)message->partition);
		rd_kafka_message_destroy(message);
	}
	if (group->failure.outcome == OUTCOME_OK && group->is_fenced && !group->must_renew &&
		judge_fence(group, reterr) != OUTCOME_OK)
		group->failure = *reterr;
	if (group->failure.outcome == OUTCOME_OK)
		return check_pairs(group, reterr);
	*reterr = group->failure;
	if (reterr->outcome != OUTCOME_FATAL)
		group->failure.outcome = OUTCOME_OK;
	return reterr->outcome;
}

static enum source_signal take_signal(struct source_group *group)
{
	enum source_signal signal = group->is_revoked	 ? SOURCE_REVOKED
				    : group->is_assigned ? SOURCE_ASSIGNED
							 : SOURCE_NOTHING;
	group->is_revoked = group->is_assigned = false;
	return signal;
}

enum outcome source_group_serve(struct source_group *group, enum source_signal *ret_signal, struct failure *reterr)
{
	enum outcome outcome = hear(group, reterr);
	if (outcome == OUTCOME_OK)
		*ret_signal = take_signal(group);
	return outcome;
}

struct input_partition *source_group_assigned(struct source_group *group, size_t *ret_count)
{
	*ret_count = group->assigned_count;
	return group->assigned;
}

bool source_group_is_revoked(const struct source_group *group)
{
	return group->must_answer;
}

void source_group_unassign(struct source_group *group)
{
	if (!group->must_answer) {
		assign_nothing(group);
		return;
	}
	rd_kafka_resp_err_t code = rd_kafka_assign(group->kafka, NULL);
	if (code && !group->must_renew)
		log_error(group, code, "could not give the assignment back");
	group->must_answer = group->is_revoked = false;
	forget_assignment(group);
}

enum outcome source_group_renew(struct source_group *group, struct failure *reterr)
{
	if (!group->must_renew)
		return OUTCOME_OK;
	close_consumer(group);
	group->is_fenced = false;
	enum outcome outcome = open_consumer(group, reterr);
	group->must_renew = outcome != OUTCOME_OK;
	return outcome;
}

bool source_group_has_missed_topic(struct source_group *group)
{
	bool has_missed = group->has_missed_topic;

	group->has_missed_topic = false;
	return has_missed;
}

bool source_group_is_estranged(rd_kafka_resp_err_t code)
{
	return code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION || code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
	       code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS || code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
}
