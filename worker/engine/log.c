/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drawdown/instant.h"
#include "drawdown/json_print.h"

#define MESSAGE_SIZE_MAX 1024

static const char *const level_names[] = {
	[LOG_DEBUG] = "debug",
	[LOG_INFO] = "info",
	[LOG_WARNING] = "warning",
	[LOG_ERROR] = "error",
};

static atomic_int level_least = LOG_INFO;
static atomic_bool as_json;

void log_configure(enum log_level level, bool json)
{
	atomic_store(&level_least, (int)level);
	atomic_store(&as_json, json);
}

struct field {
	const char *name;
	const char *value;
	bool quoted; /* in logfmt: free text */
};

static void write_fields(FILE *out, const struct field *fields, size_t fields_count)
{
	bool json = atomic_load(&as_json);
	struct json_printer printer = {.out = out};

	if (json)
		json_begin(&printer, NULL, '{');
	for (size_t i = 0; i < fields_count; i++) {
		if (json) {
			json_text(&printer, fields[i].name, text_of(fields[i].value));
			continue;
		}
		(void)fprintf(out, "%s%s=", i ? " " : "", fields[i].name);
		if (fields[i].quoted)
			json_quote(out, text_of(fields[i].value));
		else
			(void)fputs(fields[i].value, out);
	}
	if (json)
		json_end(&printer, '}');
	(void)fputc('\n', out);
}

/* One write, so that the lines of threads and processes do not mix. */
static void write_line(const struct field *fields, size_t fields_count)
{
	char *line = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&line, &size);

	if (!out)
		return;
	write_fields(out, fields, fields_count);
	if (fclose(out) == 0 && write(STDERR_FILENO, line, size) < 0) {
		/* nobody left to tell */
	}
	free(line);
}

static void format_now(char text[INSTANT_TEXT_SIZE])
{
	instant_t now = instant_now();

	(void)instant_format(now - now % INSTANT_MILLISECOND, text);
}

void log_line(enum log_level level, const char *event, const char *format, ...)
{
	char time[INSTANT_TEXT_SIZE];
	char message[MESSAGE_SIZE_MAX];
	va_list arguments;

	if ((int)level < atomic_load(&level_least))
		return;
	va_start(arguments, format);
	(void)vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	format_now(time);
	const struct field fields[] = {{"ts", time, false}, {"level", level_names[level], false},
		{"event", event, false}, {"msg", message, true}};
	write_line(fields, sizeof fields / sizeof fields[0]);
}

void log_failure(enum log_level level, const struct failure *failure)
{
	char time[INSTANT_TEXT_SIZE];
	const char *where = failure->where ? failure->where : "unknown";

	if ((int)level < atomic_load(&level_least))
		return;
	format_now(time);
	const struct field fields[] = {
		{"ts", time, false},
		{"level", level_names[level], false},
		{"event", where, false},
		{"outcome", outcome_name(failure->outcome), false},
		{"msg", failure->text, true},
		{"hint", failure->hint, true},
	};
	size_t count = sizeof fields / sizeof fields[0];
	write_line(fields, *failure->hint ? count : count - 1);
}
