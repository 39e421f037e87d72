/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumer as a member of its group.
 *
 * The rebalance callback only notes what was asked; it runs inside `poll`. An
 * assignment is taken at once, with no partition: that makes us a member that
 * can hear of the next rebalance while the loop claims its partitions. `start`
 * then assigns them with explicit offsets. A revocation is answered by `stop`
 * alone: until then the group waits, so no work of ours is in flight when
 * another owner begins. A rewind assigns nothing for a moment, it does not
 * answer: so a revocation that comes meanwhile is not lost.
 */
#include "drawdown/source_kafka.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "drawdown/instant.h"
#include "drawdown/kafka.h"
#include "drawdown/log.h"
#include "drawdown/metrics.h"
#include "drawdown/source_check.h"
#include "drawdown/source_reader.h"

#define START_METADATA "start" /* of an offset that commit_start committed */
#define SLICE_MS 100           /* a wake-up that got lost costs no more than this */
#define REPORT_INTERVAL (100 * INSTANT_MILLISECOND)
#define LOG_INTERVAL (10 * INSTANT_SECOND)
#define CLOSE_TIMEOUT_S 10
#define QUEUED_MESSAGES_TOTAL 300000 /* over all partitions of both inputs */
#define QUEUED_KBYTES_TOTAL 131072

struct kafka_source {
    const struct config *config;
    rd_kafka_t *kafka;
    rd_kafka_queue_t *queue; /* the consumer's: rebalances and errors */
    int event_fd;
    atomic_bool is_woken;
    int32_t partitions_count;

    /* what the rebalance callback noted, until it was signalled */
    bool is_assigned;
    bool is_revoked;
    bool must_unassign; /* a revocation waits for `stop` */
    bool is_closing;
    struct input_partition *assigned;
    size_t assigned_count;
    int64_t broken_since; /* monotonic: when a pair was first not whole; 0: none is */

    struct source_reader *reader; /* NULL between stop and start */
    struct source_damage damage;
    void *membership;
    size_t membership_size;
    int64_t reported_at;

    struct failure failure; /* of an error that was heard of in a callback; outcome OK: none; FATAL stays */
    rd_kafka_resp_err_t logged_code;
    int64_t logged_at;
};

/* ---- errors that come by themselves ---- */

static void log_error(struct kafka_source *source, rd_kafka_resp_err_t code, const char *text)
{
    int64_t now = monotonic_now();

    if (code == source->logged_code && now - source->logged_at < LOG_INTERVAL)
        return;
    source->logged_code = code;
    source->logged_at = now;
    log_line(LOG_WARNING, "source.kafka", "%s: %s", rd_kafka_err2name(code), text);
}

static enum outcome fenced(struct kafka_source *source, struct failure *reterr)
{
    fail(reterr, OUTCOME_FATAL, "source.group", "another process is member %s of group %s",
         source->config->replica_id, source->config->group_id);
    fail_hint(reterr, "give every worker a replica.id of its own, and end a process before another takes its place");
    reterr->exit_code = EXIT_FENCED;
    return OUTCOME_FATAL;
}

static enum outcome judge_error(struct kafka_source *source, rd_kafka_resp_err_t code, const char *text,
                                struct failure *reterr)
{
    char why[256];
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(source->kafka, why, sizeof why);

    if (fatal == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID || code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
        return fenced(source, reterr);
    if (fatal)
        return fail(reterr, OUTCOME_FATAL, "source.group", "the consumer gave up: %s: %s", rd_kafka_err2name(fatal),
                    why);
    if (kafka_is_denied(code))
        return kafka_fail(reterr, code, "source.group", "%s", text);
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
        fail(reterr, OUTCOME_FATAL, "source.group", "the broker does not allow this group.session.timeout: %s", text);
        fail_hint(reterr, "the broker's group.min.session.timeout.ms and group.max.session.timeout.ms are the bounds");
        break;
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
        fail(reterr, OUTCOME_FATAL, "source.group", "group %s has members of another kind: %s",
             source->config->group_id, text);
        fail_hint(reterr, "choose a group.id that nothing but workers uses");
        break;
    default:
        log_error(source, code, text);
        return OUTCOME_OK;
    }
    reterr->exit_code = EXIT_USAGE;
    return OUTCOME_FATAL;
}

static void note_error(struct kafka_source *source, rd_kafka_resp_err_t code, const char *text)
{
    if (source->failure.outcome == OUTCOME_OK)
        (void)judge_error(source, code, text, &source->failure);
}

static void on_error(rd_kafka_t *kafka, int code, const char *text, void *opaque)
{
    (void)kafka;
    note_error(opaque, (rd_kafka_resp_err_t)code, text);
}

/* ---- the group ---- */

static void assign_nothing(struct kafka_source *source)
{
    rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
    rd_kafka_resp_err_t code = rd_kafka_assign(source->kafka, none);

    if (code)
        log_error(source, code, "could not take an assignment");
    rd_kafka_topic_partition_list_destroy(none);
}

static void forget_assignment(struct kafka_source *source)
{
    free(source->assigned);
    source->assigned = NULL;
    source->assigned_count = 0;
}

static bool has_partition(const struct kafka_source *source, rd_kafka_topic_partition_list_t *list, enum input input,
                          int32_t partition)
{
    return rd_kafka_topic_partition_list_find(list, source->config->input_topics[input], partition) != NULL;
}

static void note_assignment(struct kafka_source *source, rd_kafka_topic_partition_list_t *list)
{
    size_t broken_count = 0;
    const char *usage_topic = source->config->input_topics[INPUT_USAGE];

    forget_assignment(source);
    source->assigned = calloc(list->cnt > 0 ? (size_t)list->cnt : 1, sizeof *source->assigned);
    if (!source->assigned)
        abort();
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *entry = &list->elems[i];
        bool is_usage = strcmp(entry->topic, usage_topic) == 0;
        if (!has_partition(source, list, is_usage ? INPUT_COMMANDS : INPUT_USAGE, entry->partition)) {
            broken_count++;
            log_line(LOG_WARNING, "source.pairs", "left %s [%d] alone: the other input's partition went elsewhere",
                     entry->topic, (int)entry->partition);
        } else if (is_usage) {
            for (int input = 0; input < INPUT_COUNT; input++)
                source->assigned[source->assigned_count++] =
                    (struct input_partition){.input = (enum input)input, .partition = entry->partition};
        }
    }
    if (!broken_count)
        source->broken_since = 0;
    else if (!source->broken_since)
        source->broken_since = monotonic_now();
    assert(source->assigned_count <= BATCH_SPANS_MAX);
}

static void on_rebalance(rd_kafka_t *kafka, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
                         void *opaque)
{
    struct kafka_source *source = opaque;

    if (source->is_closing) {
        rd_kafka_assign(kafka, NULL);
    } else if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        note_assignment(source, list);
        assign_nothing(source);
        source->is_assigned = true;
        source->is_revoked = false;
    } else {
        if (rd_kafka_assignment_lost(kafka))
            log_line(LOG_WARNING, "source.group", "lost the assignment: the group went on without this member");
        source->is_assigned = false;
        source->is_revoked = source->must_unassign = true;
    }
}

static enum outcome check_pairs(const struct kafka_source *source, struct failure *reterr)
{
    if (!source->broken_since || monotonic_now() - source->broken_since < source->config->pairs_timeout)
        return OUTCOME_OK;
    fail(reterr, OUTCOME_FATAL, "source.pairs",
         "for more than inputs.pairs.timeout, partitions of %s and %s with one number went to different members",
         source->config->input_topics[INPUT_USAGE], source->config->input_topics[INPUT_COMMANDS]);
    fail_hint(reterr, "both topics need as many partitions, and every member of group %s must be a worker of both",
              source->config->group_id);
    return OUTCOME_FATAL;
}

/* Rebalances and errors; records come by the partitions' own queues. */
static enum outcome serve_group(struct kafka_source *source, struct failure *reterr)
{
    rd_kafka_message_t *message;

    while ((message = rd_kafka_consumer_poll(source->kafka, 0))) {
        if (message->err)
            note_error(source, message->err, rd_kafka_message_errstr(message));
        else
            fail(&source->failure, OUTCOME_REWIND, "source.group", "a record of %s [%d] came by the wrong queue",
                 rd_kafka_topic_name(message->rkt), (int)message->partition);
        rd_kafka_message_destroy(message);
    }
    if (source->failure.outcome == OUTCOME_OK)
        return check_pairs(source, reterr);
    *reterr = source->failure;
    if (reterr->outcome != OUTCOME_FATAL)
        source->failure.outcome = OUTCOME_OK;
    return reterr->outcome;
}

static bool take_signal(struct kafka_source *source, enum source_signal *ret_signal)
{
    if (source->is_revoked)
        *ret_signal = SOURCE_REVOKED;
    else if (source->is_assigned)
        *ret_signal = SOURCE_ASSIGNED;
    else
        return false;
    source->is_revoked = source->is_assigned = false;
    return true;
}

/* ---- the seam ---- */

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
        batch->membership = arena_copy(&batch->arena, (struct text){source->membership, source->membership_size});
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

static enum outcome kafka_poll(void *self, struct batch *batch, size_t records_max, size_t bytes_max, int wait_ms,
                               enum source_signal *ret_signal, struct failure *reterr)
{
    struct kafka_source *source = self;
    int64_t deadline = monotonic_now() + wait_ms * INSTANT_MILLISECOND;

    *ret_signal = SOURCE_NOTHING;
    for (;;) {
        int64_t wait_until = INT64_MAX;
        size_t records_before = batch ? batch->records_count : 0;
        enum outcome outcome = serve_group(source, reterr);

        if (outcome != OUTCOME_OK || take_signal(source, ret_signal))
            return outcome;
        if (batch && source->reader && !source->must_unassign)
            outcome = fill(source, batch, records_max, bytes_max, &wait_until, ret_signal, reterr);
        report(source);
        if (outcome != OUTCOME_OK || *ret_signal != SOURCE_NOTHING || (batch && batch->records_count > records_before))
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
    *ret_count = source->assigned_count;
    return source->assigned;
}

static rd_kafka_topic_partition_list_t *list_partitions(const struct kafka_source *source,
                                                        const struct input_partition *partitions, size_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, source->config->input_topics[partitions[i].input],
                                          partitions[i].partition)
            ->offset = partitions[i].position;
    return list;
}

static enum outcome read_committed(struct kafka_source *source, rd_kafka_topic_partition_list_t *list,
                                   struct input_partition *partition, struct failure *reterr)
{
    const char *topic = source->config->input_topics[partition->input];
    const rd_kafka_topic_partition_t *entry =
        rd_kafka_topic_partition_list_find(list, topic, partition->partition);
    assert(entry);
    if (entry->err)
        return kafka_fail(reterr, entry->err, "source.committed", "could not read the committed offset of %s [%d]",
                          topic, (int)partition->partition);
    partition->has_committed = entry->offset >= 0;
    partition->committed = entry->offset;
    partition->committed_is_start = partition->has_committed &&
                                    entry->metadata_size == strlen(START_METADATA) &&
                                    memcmp(entry->metadata, START_METADATA, entry->metadata_size) == 0;

    rd_kafka_resp_err_t code =
        rd_kafka_query_watermark_offsets(source->kafka, topic, partition->partition, &partition->log_start,
                                         &partition->log_end, KAFKA_CALL_TIMEOUT_MS);
    if (code)
        return kafka_fail(reterr, code, "source.committed", "could not read where %s [%d] begins and ends", topic,
                          (int)partition->partition);
    return OUTCOME_OK;
}

static enum outcome kafka_committed(void *self, struct input_partition *partitions, size_t count,
                                    struct failure *reterr)
{
    struct kafka_source *source = self;
    if (count == 0)
        return OUTCOME_OK;
    rd_kafka_topic_partition_list_t *list = list_partitions(source, partitions, count);
    rd_kafka_resp_err_t code = rd_kafka_committed(source->kafka, list, KAFKA_CALL_TIMEOUT_MS);
    enum outcome outcome = OUTCOME_OK;

    if (code)
        outcome = kafka_fail(reterr, code, "source.committed", "could not read the committed offsets");
    for (size_t i = 0; outcome == OUTCOME_OK && i < count; i++)
        outcome = read_committed(source, list, &partitions[i], reterr);
    rd_kafka_topic_partition_list_destroy(list);
    return outcome;
}

/* The group's own answers: it does not know us, or not in this generation. */
static bool is_group_error(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION || code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
           code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
}

static enum outcome kafka_commit_start(void *self, const struct input_partition *partitions, size_t count,
                                       struct failure *reterr)
{
    struct kafka_source *source = self;
    if (count == 0)
        return OUTCOME_OK;
    rd_kafka_topic_partition_list_t *list = list_partitions(source, partitions, count);

    for (int i = 0; i < list->cnt; i++) {
        list->elems[i].metadata = strdup(START_METADATA);
        list->elems[i].metadata_size = strlen(START_METADATA);
    }
    rd_kafka_resp_err_t code = rd_kafka_commit(source->kafka, list, 0);
    for (int i = 0; !code && i < list->cnt; i++)
        code = list->elems[i].err;
    rd_kafka_topic_partition_list_destroy(list);
    if (!code)
        return OUTCOME_OK;
    if (code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)
        return fenced(source, reterr);
    if (is_group_error(code))
        return fail(reterr, OUTCOME_REWIND, "source.commit_start", "could not commit the start of new partitions: %s",
                    rd_kafka_err2str(code));
    return kafka_fail(reterr, code, "source.commit_start", "could not commit the start of new partitions");
}

static void forget_membership(struct kafka_source *source)
{
    if (source->membership)
        rd_kafka_mem_free(source->kafka, source->membership);
    source->membership = NULL;
    source->membership_size = 0;
}

/* As we are a member now: what commits in its name is refused once the group has gone on. */
static enum outcome take_membership(struct kafka_source *source, struct failure *reterr)
{
    rd_kafka_consumer_group_metadata_t *metadata = rd_kafka_consumer_group_metadata(source->kafka);

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

static enum outcome kafka_start(void *self, const struct input_partition *partitions, size_t count,
                                struct failure *reterr)
{
    struct kafka_source *source = self;
    assert(!source->reader);
    enum outcome outcome = take_membership(source, reterr);
    if (outcome != OUTCOME_OK)
        return outcome;

    source->reader = source_reader_new(source->kafka, source->config, source->event_fd, partitions, count,
                                       &source->damage);
    rd_kafka_topic_partition_list_t *list = list_partitions(source, partitions, count);
    rd_kafka_resp_err_t code = rd_kafka_assign(source->kafka, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code) {
        source_reader_free(source->reader);
        source->reader = NULL;
        return kafka_fail(reterr, code, "source.start", "could not begin to read");
    }
    return OUTCOME_OK;
}

static enum outcome kafka_stop(void *self, struct failure *reterr)
{
    struct kafka_source *source = self;

    (void)reterr;
    if (source->must_unassign) {
        rd_kafka_resp_err_t code = rd_kafka_assign(source->kafka, NULL);
        if (code)
            log_error(source, code, "could not give the assignment back");
        source->must_unassign = source->is_revoked = false;
        forget_assignment(source);
    } else if (source->reader) {
        assign_nothing(source);
    }
    source_reader_free(source->reader);
    source->reader = NULL;
    forget_membership(source);
    metrics_forget_positions();
    return OUTCOME_OK;
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

static void *serve_close(void *opaque)
{
    struct kafka_source *source = opaque;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(source->kafka);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(source->kafka, queue);

    while (!error && !rd_kafka_consumer_closed(source->kafka))
        rd_kafka_queue_poll_callback(queue, SLICE_MS);
    rd_kafka_error_destroy(error);
    rd_kafka_queue_destroy(queue);
    rd_kafka_queue_destroy(source->queue);
    rd_kafka_destroy_flags(source->kafka, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return NULL;
}

/* librdkafka can hang here while an assignment is being lost: then it is left behind, the process ends anyway. */
static void kafka_close(void *self)
{
    struct kafka_source *source = self;
    struct failure ignored;
    struct timespec deadline;
    pthread_t thread;

    if (source->kafka) {
        source->is_closing = true;
        (void)kafka_stop(source, &ignored);
        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += CLOSE_TIMEOUT_S;
        if (pthread_create(&thread, NULL, serve_close, source) != 0)
            return;
        if (pthread_timedjoin_np(thread, NULL, &deadline) != 0) {
            pthread_detach(thread);
            log_line(LOG_WARNING, "source.close", "left the consumer behind: it did not close within %d s",
                     CLOSE_TIMEOUT_S);
            return;
        }
    }
    forget_assignment(source);
    if (source->event_fd >= 0)
        close(source->event_fd);
    free(source);
}

/* ---- open ---- */

static enum outcome new_consumer(struct kafka_source *source, int32_t partitions_count, struct failure *reterr)
{
    const struct config *config = source->config;
    char session_ms[24], messages[24], kbytes[24];
    int queues_count = partitions_count * INPUT_COUNT;

    /* One queue that runs empty is enough to be fetched for; all full, librdkafka looks again after up to a second:
     * so together they hold about what a second takes, and no more. */
    (void)snprintf(session_ms, sizeof session_ms, "%lld",
                   (long long)(config->group_session_timeout / INSTANT_MILLISECOND));
    (void)snprintf(messages, sizeof messages, "%d",
                   QUEUED_MESSAGES_TOTAL / queues_count < 100000 ? QUEUED_MESSAGES_TOTAL / queues_count + 1000 : 100000);
    (void)snprintf(kbytes, sizeof kbytes, "%d",
                   QUEUED_KBYTES_TOTAL / queues_count < 65536 ? QUEUED_KBYTES_TOTAL / queues_count + 1024 : 65536);
    const struct kafka_option standard[] = {
        {"fetch.wait.max.ms", "20"}, /* an end of partition is told as late as this */
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
    rd_kafka_conf_t *conf;
    enum outcome outcome = kafka_conf_new(config, standard, fixed, &conf, reterr);
    if (outcome != OUTCOME_OK)
        return outcome;
    rd_kafka_conf_set_opaque(conf, source);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_error_cb(conf, on_error);
    outcome = kafka_open(RD_KAFKA_CONSUMER, conf, &source->kafka, reterr);
    if (outcome != OUTCOME_OK)
        return outcome;

    static const uint64_t one = 1;
    rd_kafka_poll_set_consumer(source->kafka);
    source->queue = rd_kafka_queue_get_consumer(source->kafka);
    rd_kafka_queue_io_event_enable(source->queue, source->event_fd, &one, sizeof one);
    return OUTCOME_OK;
}

/* By a client of its own: the consumer's queues are sized by what it finds. */
static enum outcome check_topics(const struct config *config, int32_t *ret_partitions_count, struct failure *reterr)
{
    rd_kafka_conf_t *conf;
    rd_kafka_t *kafka;
    enum outcome outcome = kafka_conf_new(config, NULL, NULL, &conf, reterr);

    if (outcome == OUTCOME_OK)
        outcome = kafka_open(RD_KAFKA_PRODUCER, conf, &kafka, reterr);
    if (outcome != OUTCOME_OK)
        return outcome;
    outcome = source_check_topics(kafka, config, ret_partitions_count, reterr);
    rd_kafka_destroy(kafka);
    return outcome;
}

static enum outcome subscribe(struct kafka_source *source, struct failure *reterr)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(INPUT_COUNT);

    for (int input = 0; input < INPUT_COUNT; input++)
        rd_kafka_topic_partition_list_add(topics, source->config->input_topics[input], RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(source->kafka, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return code ? kafka_fail(reterr, code, "source.open", "could not subscribe") : OUTCOME_OK;
}

enum outcome source_kafka_open(struct source *ret_source, const struct config *config, struct failure *reterr)
{
    struct failure own;
    struct kafka_source *source = calloc(1, sizeof *source);

    if (!source)
        abort();
    reterr = reterr ? reterr : &own;
    source->config = config;
    source->damage.position = -1;
    source->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (source->event_fd < 0)
        abort();
    enum outcome outcome = check_topics(config, &source->partitions_count, reterr);
    if (outcome == OUTCOME_OK)
        outcome = new_consumer(source, source->partitions_count, reterr);
    if (outcome == OUTCOME_OK)
        outcome = subscribe(source, reterr);
    if (outcome != OUTCOME_OK) {
        kafka_close(source);
        return outcome;
    }
    *ret_source = (struct source){
        .self = source,
        .poll = kafka_poll,
        .partitions_count = kafka_partitions_count,
        .partitions = kafka_partitions,
        .committed = kafka_committed,
        .commit_start = kafka_commit_start,
        .start = kafka_start,
        .stop = kafka_stop,
        .wake = kafka_wake,
        .close = kafka_close,
    };
    return OUTCOME_OK;
}
