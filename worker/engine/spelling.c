/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/spelling.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Edits between two words of at most SPELLING_SIZE_MAX bytes, neighbours swapped counting one. */
static size_t distance_between(const char *a, size_t a_size, const char *b, size_t b_size)
{
	size_t rows[3][SPELLING_SIZE_MAX + 1];
	size_t *before_last = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_size; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_size; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b_size; j++) {
			row[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
			row[j] = least(row[j], least(last[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before_last[j - 2] + 1);
		}
		size_t *spare = before_last;
		before_last = last;
		last = row;
		row = spare;
	}
	return last[b_size];
}

void spelling_begin(struct spelling *spelling, const char *word)
{
	*spelling = (struct spelling){.word = word};
}

void spelling_consider(struct spelling *spelling, const char *name)
{
	size_t word_size = strlen(spelling->word);
	size_t name_size = strlen(name);
	size_t distance_max = word_size < 3 ? 1 : word_size / 3;

	if (word_size > SPELLING_SIZE_MAX || name_size > SPELLING_SIZE_MAX)
		return;
	size_t distance = distance_between(spelling->word, word_size, name, name_size);
	if (distance <= distance_max && (!spelling->nearest || distance < spelling->distance)) {
		spelling->nearest = name;
		spelling->distance = distance;
	}
}
