/* SPDX-License-Identifier: Apache-2.0 */
#include "capture.h"

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

void capture_begin(struct capture *capture)
{
	static const int streams[2] = {STDOUT_FILENO, STDERR_FILENO};

	(void)fflush(stdout);
	(void)fflush(stderr);
	for (int i = 0; i < 2; i++) {
		capture->kept[i] = dup(streams[i]);
		capture->files[i] = memfd_create("capture", MFD_CLOEXEC);
		assert(capture->kept[i] >= 0 && capture->files[i] >= 0);
		(void)dup2(capture->files[i], streams[i]);
	}
}

static void take_back(int stream, int kept, int file, char text[CAPTURE_SIZE_MAX])
{
	(void)dup2(kept, stream);
	(void)close(kept);
	ssize_t size = pread(file, text, CAPTURE_SIZE_MAX - 1, 0);
	assert(size >= 0);
	text[size] = '\0';
	(void)close(file);
}

void capture_end(struct capture *capture)
{
	(void)fflush(stdout);
	(void)fflush(stderr);
	take_back(STDOUT_FILENO, capture->kept[0], capture->files[0], capture->out);
	take_back(STDERR_FILENO, capture->kept[1], capture->files[1], capture->err);
}
