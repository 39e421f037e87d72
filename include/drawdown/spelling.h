/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Did you mean": the nearest of some names by edits (insert, delete,
 * replace, swap neighbours).
 */
#ifndef DRAWDOWN_SPELLING_H
#define DRAWDOWN_SPELLING_H

#include <stddef.h>

#define SPELLING_SIZE_MAX 63 /* longer names are near to nothing */

/* Keeps the nearest of the names that it is shown. */
struct spelling {
	const char *word;    /* what was written */
	const char *nearest; /* NULL: none is near enough */
	size_t distance;
};

void spelling_begin(struct spelling *spelling, const char *word);
/* `name` is borrowed. Near enough: at most a third of the word's letters differ, but at least one may. */
void spelling_consider(struct spelling *spelling, const char *name);

#endif
