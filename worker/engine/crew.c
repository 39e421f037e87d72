/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/crew.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "drawdown/deadline.h"

struct member {
	struct crew *crew;
	size_t index;
	pthread_t thread;
};

struct crew {
	crew_function *function;
	crew_notify *notify;
	void *context;
	pthread_mutex_t mutex;
	pthread_cond_t given;
	/* guarded by mutex */
	struct batch *batch;	/* NULL: empty */
	uint64_t batches_count; /* given so far: tells a member that there is a new one */
	size_t working;		/* members not yet done with it */
	enum outcome outcome;
	struct failure failure;
	bool closing;
	/* */
	size_t members_count;
	struct member members[];
};

static int gravity(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_OK:
		return 0;
	case OUTCOME_REWIND:
		return 1;
	case OUTCOME_REJECT:
		return 2;
	case OUTCOME_FATAL:
		return 3;
	case OUTCOME_RETRY:
		break;
	}
	assert(0 && "a part was given back that should be tried again");
	return 3;
}

/* NULL: the crew is closing. */
static struct batch *await_batch(struct crew *crew, uint64_t *seen)
{
	pthread_mutex_lock(&crew->mutex);
	while (!crew->closing && crew->batches_count == *seen)
		pthread_cond_wait(&crew->given, &crew->mutex);
	struct batch *batch = crew->closing ? NULL : crew->batch;
	*seen = crew->batches_count;
	pthread_mutex_unlock(&crew->mutex);
	return batch;
}

static void report(struct crew *crew, enum outcome outcome, const struct failure *failure)
{
	pthread_mutex_lock(&crew->mutex);
	if (gravity(outcome) > gravity(crew->outcome)) {
		crew->outcome = outcome;
		crew->failure = *failure;
	}
	assert(crew->working > 0);
	bool is_last = --crew->working == 0;
	pthread_mutex_unlock(&crew->mutex);
	if (is_last)
		crew->notify(crew->context);
}

static void *member_run(void *argument)
{
	struct member *member = argument;
	struct crew *crew = member->crew;
	uint64_t seen = 0;

	for (struct batch *batch; (batch = await_batch(crew, &seen)) != NULL;) {
		struct failure failure = {0};
		enum outcome outcome = crew->function(crew->context, member->index, batch, &failure);
		report(crew, outcome, &failure);
	}
	return NULL;
}

struct crew *crew_new(size_t threads_count, crew_function *function, crew_notify *notify, void *context)
{
	struct crew *crew = calloc(1, sizeof *crew + threads_count * sizeof crew->members[0]);
	if (!crew)
		abort();
	crew->function = function;
	crew->notify = notify;
	crew->context = context;
	crew->members_count = threads_count;
	pthread_mutex_init(&crew->mutex, NULL);
	pthread_cond_init(&crew->given, NULL);
	for (size_t i = 0; i < threads_count; i++) {
		struct member *member = &crew->members[i];
		*member = (struct member){.crew = crew, .index = i};
		if (pthread_create(&member->thread, NULL, member_run, member) != 0)
			abort();
	}
	return crew;
}

bool crew_free(struct crew *crew, int64_t timeout)
{
	if (!crew)
		return true;
	pthread_mutex_lock(&crew->mutex);
	crew->closing = true;
	pthread_cond_broadcast(&crew->given);
	pthread_mutex_unlock(&crew->mutex);

	const struct timespec deadline = deadline_in(timeout);
	bool all_ended = true;
	for (size_t i = 0; i < crew->members_count; i++)
		all_ended = deadline_join(crew->members[i].thread, &deadline) && all_ended;
	if (!all_ended)
		return false;
	pthread_cond_destroy(&crew->given);
	pthread_mutex_destroy(&crew->mutex);
	free(crew);
	return true;
}

void crew_give(struct crew *crew, struct batch *batch)
{
	pthread_mutex_lock(&crew->mutex);
	assert(!crew->batch && crew->working == 0);
	crew->batch = batch;
	crew->batches_count++;
	crew->working = crew->members_count;
	crew->outcome = OUTCOME_OK;
	pthread_cond_broadcast(&crew->given);
	pthread_mutex_unlock(&crew->mutex);
}

struct batch *crew_take(struct crew *crew, enum outcome *ret_outcome, struct failure *reterr)
{
	struct batch *batch = NULL;

	pthread_mutex_lock(&crew->mutex);
	if (crew->batch && crew->working == 0) {
		batch = crew->batch;
		crew->batch = NULL;
		*ret_outcome = crew->outcome;
		if (crew->outcome != OUTCOME_OK)
			*reterr = crew->failure;
	}
	pthread_mutex_unlock(&crew->mutex);
	return batch;
}

bool crew_is_empty(struct crew *crew)
{
	pthread_mutex_lock(&crew->mutex);
	bool is_empty = !crew->batch;
	pthread_mutex_unlock(&crew->mutex);
	return is_empty;
}
