/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/terminal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "drawdown/instant.h"

#define PROGRESS_LIVE_INTERVAL (INSTANT_SECOND / 10)
#define PROGRESS_PLAIN_FIRST (2 * INSTANT_SECOND)
#define PROGRESS_PLAIN_INTERVAL (5 * INSTANT_SECOND)
#define PROGRESS_BAR_WIDTH 24

#define TABLE_ROWS_MAX 1000 /* printed when so many are at hand */

static int terminal_width(void)
{
	struct winsize size;
	bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;

	return known ? size.ws_col : 80;
}

void progress_begin(struct progress *progress, const char *label, uint64_t total)
{
	int64_t now = monotonic_now();

	*progress = (struct progress){
		.label = label,
		.total = total,
		.live = isatty(STDERR_FILENO) != 0,
		.begun_at = now,
		.drawn_at = now,
	};
	progress->interval = progress->live ? PROGRESS_LIVE_INTERVAL : PROGRESS_PLAIN_FIRST;
}

static void format_done(const struct progress *progress, uint64_t done, char *text, size_t size)
{
	if (progress->total == 0) {
		(void)snprintf(text, size, "%" PRIu64, done);
		return;
	}
	uint64_t within = done < progress->total ? done : progress->total;
	unsigned percent = (unsigned)(100.0 * (double)within / (double)progress->total);
	if (!progress->live) {
		(void)snprintf(text, size, "%" PRIu64 " of %" PRIu64 " (%u%%)", done, progress->total, percent);
		return;
	}
	char bar[PROGRESS_BAR_WIDTH + 1];
	size_t filled = (size_t)percent * PROGRESS_BAR_WIDTH / 100;
	memset(bar, '.', PROGRESS_BAR_WIDTH);
	memset(bar, '#', filled);
	bar[PROGRESS_BAR_WIDTH] = '\0';
	(void)snprintf(text, size, "[%s] %3u%% %" PRIu64, bar, percent, done);
}

void progress_update(struct progress *progress, uint64_t done, const char *format, ...)
{
	int64_t now = monotonic_now();
	char amount[96];
	char detail[160] = "";
	char line[320];

	if (now - progress->drawn_at < progress->interval)
		return;
	progress->drawn_at = now;
	progress->drawn = true;
	format_done(progress, done, amount, sizeof amount);
	if (format) {
		va_list arguments;
		va_start(arguments, format);
		(void)vsnprintf(detail, sizeof detail, format, arguments);
		va_end(arguments);
	}
	(void)snprintf(line, sizeof line, "%s %s%s%s", progress->label, amount, *detail ? "  " : "", detail);
	if (progress->live) {
		(void)fprintf(stderr, "\r%.*s\033[K", terminal_width() - 1, line);
		(void)fflush(stderr);
	} else {
		(void)fprintf(stderr, "%s\n", line);
		progress->interval = PROGRESS_PLAIN_INTERVAL;
	}
}

void progress_end(struct progress *progress)
{
	if (progress->live && progress->drawn)
		(void)fputs("\r\033[K", stderr);
	progress->drawn = false;
}

/* Columns that a text takes on the screen: its code points. */
static size_t shown_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xC0) != 0x80;
	return width;
}

static void print_cell(const struct table *table, size_t column, const char *text)
{
	bool last = column + 1 == table->columns_count;
	bool right = table->columns[column].right;
	int padding = (int)(table->widths[column] - shown_width(text));

	if (right)
		(void)fprintf(table->out, "%*s", padding, "");
	(void)fputs(text, table->out);
	if (!right && !last)
		(void)fprintf(table->out, "%*s", padding, "");
	(void)fputs(last ? "\n" : "  ", table->out);
}

static void print_rows(struct table *table)
{
	for (size_t i = 0; i < table->cells_count; i++) {
		size_t column = i % table->columns_count;
		size_t width = shown_width(table->cells[i]);
		if (width > table->widths[column])
			table->widths[column] = width;
	}
	for (size_t column = 0; !table->headed && column < table->columns_count; column++)
		print_cell(table, column, table->columns[column].heading);
	table->headed = true;
	for (size_t i = 0; i < table->cells_count; i++) {
		print_cell(table, i % table->columns_count, table->cells[i]);
		free(table->cells[i]);
	}
	table->cells_count = 0;
}

void table_begin(struct table *table, FILE *out, const struct table_column *columns, size_t columns_count)
{
	assert(columns_count > 0 && columns_count <= TABLE_COLUMNS_MAX);
	*table = (struct table){.out = out, .columns = columns, .columns_count = columns_count};
	for (size_t column = 0; column < columns_count; column++)
		table->widths[column] = shown_width(columns[column].heading);
	table->cells = calloc(TABLE_ROWS_MAX * columns_count, sizeof *table->cells);
	if (!table->cells)
		abort();
}

void table_cell(struct table *table, struct text text)
{
	if (!text.data)
		text = TEXT_LITERAL("-");
	char *cell = malloc(text.size + 1);
	if (!cell)
		abort();
	for (size_t i = 0; i < text.size; i++)
		cell[i] = (unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7F ? '?' : text.data[i];
	cell[text.size] = '\0';
	if (table->cells_count == TABLE_ROWS_MAX * table->columns_count)
		print_rows(table);
	table->cells[table->cells_count++] = cell;
}

void table_cell_format(struct table *table, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	table_cell(table, text_of(text));
}

void table_end(struct table *table)
{
	assert(table->cells_count % table->columns_count == 0);
	print_rows(table);
	free(table->cells);
	table->cells = NULL;
}
