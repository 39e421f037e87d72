/* SPDX-License-Identifier: Apache-2.0 */
/* What code under test prints to stdout and stderr. */
#ifndef DRAWDOWN_TESTS_CAPTURE_H
#define DRAWDOWN_TESTS_CAPTURE_H

#include <stddef.h>

#define CAPTURE_SIZE_MAX 65536

struct capture {
	int kept[2]; /* where the streams went before */
	int files[2];
	char out[CAPTURE_SIZE_MAX];
	char err[CAPTURE_SIZE_MAX];
};

void capture_begin(struct capture *capture);
/* Fills out and err, NUL-terminated. */
void capture_end(struct capture *capture);

#endif
