/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To be preloaded beside libfaketime, which gives C11's timespec_get the stepped time and leaves cnd_timedwait alone:
 * librdkafka would wait an hour. glibc's condition variables of C11 are those of POSIX, whose waits libfaketime shifts.
 */
#include <errno.h>
#include <pthread.h>
#include <threads.h>

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict end)
{
	int error = pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, end);

	return error == 0 ? thrd_success : error == ETIMEDOUT ? thrd_timedout : thrd_error;
}
