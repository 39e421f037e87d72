/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/deadline.h"

#include "drawdown/instant.h"

struct timespec deadline_at(int64_t monotonic)
{
	return (struct timespec){
		.tv_sec = monotonic / INSTANT_SECOND,
		.tv_nsec = monotonic % INSTANT_SECOND * 1000,
	};
}

struct timespec deadline_in(int64_t microseconds)
{
	return deadline_at(monotonic_now() + microseconds);
}

void deadline_condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

bool deadline_join(pthread_t thread, const struct timespec *deadline)
{
	return pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, deadline) == 0;
}
