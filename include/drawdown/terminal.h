/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What subcommands show: tables, progress. For JSON see json_print.h.
 */
#ifndef DRAWDOWN_TERMINAL_H
#define DRAWDOWN_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "drawdown/text.h"

/*
 * Progress on stderr: on a terminal one line that is drawn again at most ten times a second, with a bar
 * where the total is known; elsewhere a plain line every five seconds, the first after two.
 */
struct progress {
	const char *label; /* borrowed */
	uint64_t total;	   /* 0: not known */
	bool live;	   /* stderr is a terminal */
	bool drawn;
	int64_t begun_at; /* monotonic microseconds */
	int64_t drawn_at;
	int64_t interval;
};

void progress_begin(struct progress *progress, const char *label, uint64_t total);
/* Cheap where it is not time to draw. `format` (may be NULL) tells more: "12,000 events/s". */
__attribute__((format(printf, 3, 4))) void progress_update(
	struct progress *progress, uint64_t done, const char *format, ...);
/* Takes the line off the terminal, so that a result can be printed. */
void progress_end(struct progress *progress);

/*
 * A table on `out`: aligned columns under headings. Rows are printed a thousand at a time, so that the
 * size of the whole does not matter. Control characters in a cell are shown as '?'.
 */
#define TABLE_COLUMNS_MAX 16

struct table_column {
	const char *heading;
	bool right; /* numbers */
};

struct table {
	FILE *out;
	const struct table_column *columns; /* borrowed */
	size_t columns_count;
	char **cells;
	size_t cells_count;
	size_t widths[TABLE_COLUMNS_MAX];
	bool headed;
};

void table_begin(struct table *table, FILE *out, const struct table_column *columns, size_t columns_count);
/* The next cell, row by row; absent texts show as "-". */
void table_cell(struct table *table, struct text text);
__attribute__((format(printf, 2, 3))) void table_cell_format(struct table *table, const char *format, ...);
/* Prints what is left and frees. Every row must be whole. */
void table_end(struct table *table);

#endif
