/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/signals.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "drawdown/deadline.h"
#include "drawdown/instant.h"
#include "drawdown/log.h"

#define STOPS_MAX 2 /* more say nothing new */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came;
static int stops_count;
static struct worker *told;

static void *take_signals(void *argument)
{
	sigset_t *signals = argument;
	int number;

	while (sigwait(signals, &number) == 0) {
		(void)pthread_mutex_lock(&mutex);
		if (stops_count < STOPS_MAX) {
			stops_count++;
			log_line(LOG_INFO, "worker.signal", "%s: %s", number == SIGINT ? "SIGINT" : "SIGTERM",
				stops_count == 1 ? "finishing what is in flight; once more abandons it"
						 : "abandoning what is in flight");
			if (told)
				worker_stop(told);
			(void)pthread_cond_broadcast(&came);
		}
		(void)pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

void signals_begin(void)
{
	static sigset_t signals;
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	pthread_t thread;

	deadline_condition_init(&came);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
	int error = pthread_create(&thread, NULL, take_signals, &signals);
	if (error != 0) {
		log_line(LOG_ERROR, "worker.signal", "could not make a thread: %s", strerror(error));
		abort();
	}
	(void)pthread_detach(thread);
}

void signals_tell(struct worker *worker)
{
	(void)pthread_mutex_lock(&mutex);
	told = worker;
	for (int i = 0; worker && i < stops_count; i++)
		worker_stop(worker);
	(void)pthread_mutex_unlock(&mutex);
}

bool signals_wait(int64_t microseconds)
{
	int64_t until = monotonic_now() + microseconds;
	const struct timespec deadline = deadline_at(until);

	(void)pthread_mutex_lock(&mutex);
	while (stops_count == 0 && monotonic_now() < until)
		(void)pthread_cond_timedwait(&came, &mutex, &deadline);
	bool has_come = stops_count > 0;
	(void)pthread_mutex_unlock(&mutex);
	return has_come;
}
