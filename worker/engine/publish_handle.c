/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/publish_handle.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "drawdown/deadline.h"
#include "drawdown/failpoint.h"
#include "drawdown/instant.h"
#include "drawdown/metrics.h"

#define INIT_SLICES 3 /* a first answer within a part of the time that there is to try again */
#define RETRY_PAUSE_US 50000

struct publish_handle {
	rd_kafka_t *kafka;
	rd_kafka_topic_t *topics[OUTPUT_COUNT];
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under the lock */
	enum handle_call call; /* HANDLE_NOTHING: the last one came back */
	int64_t retry_for;
	rd_kafka_error_t *error;
	bool is_left;
	struct delivery delivery;
	/* the thread's while it makes a call, else the owner's */
	rd_kafka_topic_partition_list_t *offsets;
	rd_kafka_consumer_group_metadata_t *membership;
};

static atomic_uint handles_left;

unsigned publish_handles_left(void)
{
	return atomic_load(&handles_left);
}

/* ---- the thread ---- */

static rd_kafka_error_t *make_call(struct publish_handle *handle, enum handle_call call, int64_t retry_for)
{
	switch (call) {
	case HANDLE_INIT:
		return rd_kafka_init_transactions(
			handle->kafka, (int)(retry_for / INSTANT_MILLISECOND / INIT_SLICES) + 1);
	case HANDLE_SEND_OFFSETS:
		return rd_kafka_send_offsets_to_transaction(handle->kafka, handle->offsets, handle->membership, -1);
	case HANDLE_COMMIT:
		FAILPOINT_WITHOUT_OUTCOME(BEFORE_KAFKA_COMMIT);
		return rd_kafka_commit_transaction(handle->kafka, -1);
	case HANDLE_ABORT:
		return rd_kafka_abort_transaction(handle->kafka, -1);
	case HANDLE_DESTROY:
		for (size_t i = 0; i < OUTPUT_COUNT; i++) {
			if (handle->topics[i])
				rd_kafka_topic_destroy(handle->topics[i]);
		}
		(void)rd_kafka_purge(handle->kafka, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		rd_kafka_poll(handle->kafka, 0);
		rd_kafka_destroy(handle->kafka);
		break;
	case HANDLE_NOTHING:
		break;
	}
	return NULL;
}

/* librdkafka 2.0.2 tells by three booleans what an error asks for; `retriable` is: the same call again. */
static rd_kafka_error_t *make_call_until(struct publish_handle *handle, enum handle_call call, int64_t retry_for)
{
	int64_t retry_until = monotonic_now() + retry_for;
	rd_kafka_error_t *error = make_call(handle, call, retry_for);

	while (error && rd_kafka_error_is_retriable(error) && monotonic_now() < retry_until) {
		rd_kafka_error_destroy(error);
		usleep(RETRY_PAUSE_US);
		error = make_call(handle, call, retry_for);
	}
	return error;
}

static void release(struct publish_handle *handle)
{
	if (handle->offsets)
		rd_kafka_topic_partition_list_destroy(handle->offsets);
	if (handle->membership)
		rd_kafka_consumer_group_metadata_destroy(handle->membership);
	rd_kafka_error_destroy(handle->error);
	pthread_mutex_destroy(&handle->lock);
	pthread_cond_destroy(&handle->changed);
	free(handle);
}

static void *serve_calls(void *opaque)
{
	struct publish_handle *handle = opaque;
	enum handle_call call = HANDLE_NOTHING;

	pthread_mutex_lock(&handle->lock);
	while (call != HANDLE_DESTROY && !handle->is_left) {
		while (handle->call == HANDLE_NOTHING)
			pthread_cond_wait(&handle->changed, &handle->lock);
		call = handle->call;
		int64_t retry_for = handle->retry_for;
		pthread_mutex_unlock(&handle->lock);
		rd_kafka_error_t *error = make_call_until(handle, call, retry_for);
		pthread_mutex_lock(&handle->lock);
		handle->error = error;
		handle->call = HANDLE_NOTHING;
		pthread_cond_broadcast(&handle->changed);
	}
	bool is_left = handle->is_left;
	pthread_mutex_unlock(&handle->lock);
	if (!is_left)
		return NULL;
	if (call != HANDLE_DESTROY)
		(void)make_call(handle, HANDLE_DESTROY, 0);
	release(handle);
	atomic_fetch_sub(&handles_left, 1);
	return NULL;
}

/* ---- the owner ---- */

static void on_delivery(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *opaque)
{
	struct publish_handle *handle = opaque;

	(void)kafka;
	if (!message->err)
		return;
	pthread_mutex_lock(&handle->lock);
	struct delivery *delivery = &handle->delivery;
	size_t size = message->len + message->key_len;
	bool is_larger = delivery->code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && message->err == delivery->code &&
			 size > delivery->message_size;
	if (!delivery->code || is_larger) {
		enum output output = 0;
		while (output < OUTPUT_COUNT - 1 && handle->topics[output] != message->rkt)
			output++;
		*delivery = (struct delivery){message->err, output, size};
	}
	pthread_mutex_unlock(&handle->lock);
}

enum outcome publish_handle_new(rd_kafka_conf_t *conf, struct publish_handle **ret_handle, struct failure *reterr)
{
	struct publish_handle *handle = calloc(1, sizeof *handle);

	if (!handle)
		abort();
	rd_kafka_conf_set_opaque(conf, handle);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	FAILPOINT_REQUESTS(conf);
	enum outcome outcome = kafka_open(RD_KAFKA_PRODUCER, conf, &handle->kafka, reterr);
	if (outcome != OUTCOME_OK) {
		free(handle);
		return outcome;
	}
	pthread_mutex_init(&handle->lock, NULL);
	deadline_condition_init(&handle->changed);
	if (pthread_create(&handle->thread, NULL, serve_calls, handle) != 0)
		abort();
	*ret_handle = handle;
	return OUTCOME_OK;
}

rd_kafka_t *publish_handle_kafka(struct publish_handle *handle)
{
	return handle->kafka;
}

rd_kafka_topic_t *publish_handle_topic(struct publish_handle *handle, enum output output, const char *name)
{
	if (!handle->topics[output])
		handle->topics[output] = rd_kafka_topic_new(handle->kafka, name, NULL);
	assert(handle->topics[output]);
	return handle->topics[output];
}

void publish_handle_set_offsets(struct publish_handle *handle, rd_kafka_topic_partition_list_t *offsets,
	rd_kafka_consumer_group_metadata_t *membership)
{
	if (handle->offsets)
		rd_kafka_topic_partition_list_destroy(handle->offsets);
	if (handle->membership)
		rd_kafka_consumer_group_metadata_destroy(handle->membership);
	handle->offsets = offsets;
	handle->membership = membership;
}

bool publish_handle_call(struct publish_handle *handle, enum handle_call call, int64_t retry_for, int64_t timeout,
	rd_kafka_error_t **ret_error)
{
	const struct timespec deadline = deadline_in(timeout);

	pthread_mutex_lock(&handle->lock);
	assert(handle->call == HANDLE_NOTHING);
	handle->call = call;
	handle->retry_for = retry_for;
	pthread_cond_broadcast(&handle->changed);
	int waited = 0;
	while (handle->call != HANDLE_NOTHING && waited == 0)
		waited = pthread_cond_timedwait(&handle->changed, &handle->lock, &deadline);
	bool is_back = handle->call == HANDLE_NOTHING;
	*ret_error = is_back ? handle->error : NULL;
	handle->error = NULL;
	if (!is_back) {
		handle->is_left = true;
		atomic_fetch_add(&handles_left, 1);
		pthread_detach(handle->thread);
		metrics_count(COUNTER_HANDLES_LEFT, 1);
	}
	pthread_mutex_unlock(&handle->lock);
	return is_back;
}

void publish_handle_free(struct publish_handle *handle, int64_t timeout)
{
	rd_kafka_error_t *error;

	if (!handle || !publish_handle_call(handle, HANDLE_DESTROY, 0, timeout, &error))
		return;
	pthread_join(handle->thread, NULL);
	release(handle);
}

void publish_handle_reset_delivery(struct publish_handle *handle)
{
	pthread_mutex_lock(&handle->lock);
	handle->delivery = (struct delivery){0};
	pthread_mutex_unlock(&handle->lock);
}

struct delivery publish_handle_delivery(struct publish_handle *handle)
{
	pthread_mutex_lock(&handle->lock);
	struct delivery delivery = handle->delivery;
	pthread_mutex_unlock(&handle->lock);
	return delivery;
}
