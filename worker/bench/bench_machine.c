/* SPDX-License-Identifier: Apache-2.0 */
#include <librdkafka/rdkafka.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench.h"
#include "sql_files.h"

#define LINE_SIZE 256

static const struct postgres_statement read_settings = {
	"bench",
	"bench_settings",
	sql_bench_settings,
	{POSTGRES_TEXT, POSTGRES_TEXT},
};

/* The first line of the file that begins so, from behind the colon on. */
static void read_field(const char *path, const char *name, char value[LINE_SIZE])
{
	FILE *file = fopen(path, "re");
	char line[LINE_SIZE];

	(void)snprintf(value, LINE_SIZE, "unknown");
	while (file && fgets(line, sizeof line, file)) {
		const char *colon = strchr(line, ':');
		if (!colon || strncmp(line, name, strlen(name)) != 0)
			continue;
		colon += strspn(colon, ": \t");
		(void)snprintf(value, LINE_SIZE, "%.*s", (int)strcspn(colon, "\n"), colon);
		break;
	}
	if (file)
		(void)fclose(file);
}

void bench_write_machine(struct bench *bench, struct json_printer *json)
{
	struct utsname name = {0};
	char value[LINE_SIZE];

	(void)uname(&name);
	json_begin(json, "machine", '{');
	json_integer(json, "cores", sysconf(_SC_NPROCESSORS_ONLN));
	read_field("/proc/cpuinfo", "model name", value);
	json_text(json, "cpu", text_of(value));
	read_field("/proc/meminfo", "MemTotal", value);
	json_text(json, "memory", text_of(value));
	(void)snprintf(value, sizeof value, "%.60s %.60s %.60s", name.sysname, name.release, name.machine);
	json_text(json, "system", text_of(value));
	json_text(json, "librdkafka", text_of(rd_kafka_version_str()));
	json_text(json, "drawdown", text_of(DRAWDOWN_VERSION));
	json_boolean(json, "databaseIsLocal", bench->is_local);
	json_end(json, '}');
}

enum outcome bench_write_database(struct bench *bench, struct json_printer *json, struct failure *reterr)
{
	POSTGRES_RESULT result = NULL;
	enum outcome outcome = postgres_connect(&bench->postgres, reterr);

	if (outcome == OUTCOME_OK)
		outcome = postgres_query(&bench->postgres, &read_settings, NULL, &result, reterr);
	json_begin(json, "postgresql", '{');
	for (int i = 0; outcome == OUTCOME_OK && i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		char setting[LINE_SIZE];
		struct text text = postgres_get_text(&row);
		(void)snprintf(setting, sizeof setting, "%.*s", TEXT_ARGS(text));
		json_text(json, setting, postgres_get_text(&row));
	}
	json_end(json, '}');
	return outcome;
}
