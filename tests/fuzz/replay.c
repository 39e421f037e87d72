/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what fuzzing has found stays mended, in every build.
 * Method: each file of the harness's corpus goes through the harness once, without libFuzzer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* outcome.h has one too */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

static void replay(const char *path)
{
	struct stat status;
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &status), 0);
	uint8_t *bytes = malloc((size_t)status.st_size);
	size_t size = fread(bytes, 1, (size_t)status.st_size, file);
	assert_int_equal(size, status.st_size);
	assert_int_equal(fclose(file), 0);
	/* an assertion of the harness aborts */
	(void)fprintf(stderr, "%s\n", path);
	assert_in_range(LLVMFuzzerTestOneInput(bytes, size), 0, 0);
	free(bytes);
}

static void the_corpus_holds(void **state)
{
	(void)state;
	DIR *directory = opendir(CORPUS_DIR);
	size_t count = 0;
	assert_non_null(directory);
	for (struct dirent *entry; (entry = readdir(directory));) {
		char path[4096];
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof path, "%s/%s", CORPUS_DIR, entry->d_name);
		replay(path);
		count++;
	}
	assert_int_equal(closedir(directory), 0);
	assert_true(count >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_corpus_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
