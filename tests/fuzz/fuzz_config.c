/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: any file is a configuration or is refused with a reason that fits on a line; one that was taken is, put down
 * again, the same configuration.
 * Method: the bytes as a file, which lies in memory.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drawdown/config.h"
#include "fuzz.h"

static const char *file_of(const void *bytes, size_t size)
{
	static char path[64];
	static int file = -1;
	if (file < 0) {
		file = memfd_create("drawdown.conf", 0);
		(void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	}
	assert(file >= 0 && ftruncate(file, 0) == 0);
	assert(pwrite(file, bytes, size, 0) == (ssize_t)size);
	return path;
}

/* Secrets are not shown: without their lines it is a file again. */
static void drop_secrets(char *text, size_t *size)
{
	char *to = text;
	for (char *line = text, *next; line < text + *size; line = next) {
		char *end = memchr(line, '\n', *size - (size_t)(line - text));
		assert(end);
		next = end + 1;
		static const struct text hidden = TEXT_CONSTANT("(not shown)");
		bool is_hidden =
			(size_t)(end - line) > hidden.size && memcmp(end - hidden.size, hidden.data, hidden.size) == 0;
		if (!is_hidden) {
			memmove(to, line, (size_t)(next - line));
			to += next - line;
		}
	}
	*size = (size_t)(to - text);
}

static char *effective(const struct config *config, size_t *ret_size)
{
	char *text;
	FILE *out = open_memstream(&text, ret_size);
	assert(out);
	config_write_effective(config, out);
	assert(fclose(out) == 0);
	drop_secrets(text, ret_size);
	return text;
}

static void check_again(const struct config *config)
{
	struct config again;
	struct failure failure = {0};
	size_t size, size_again;
	char *text = effective(config, &size);
	enum outcome outcome = config_load_over(&again, file_of(text, size), NULL, 0, CONFIG_NEEDS_NOTHING, &failure);
	assert(outcome == OUTCOME_OK);
	char *text_again = effective(&again, &size_again);
	assert(size == size_again && memcmp(text, text_again, size) == 0);
	config_release(&again);
	free(text);
	free(text_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config;
	struct failure failure = {0};
	enum outcome outcome = config_load_over(&config, file_of(data, size), NULL, 0, CONFIG_NEEDS_NOTHING, &failure);
	fuzz_decodes++;
	if (outcome == OUTCOME_OK)
		check_again(&config);
	else
		assert(outcome == OUTCOME_REJECT && failure.exit_code == EXIT_USAGE && failure.text[0] &&
			!strchr(failure.text, '\n'));
	config_release(&config);
	return 0;
}
