/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drawdown/command.h"
#include "drawdown/decode.h"
#include "drawdown/json_print.h"
#include "drawdown/library.h"
#include "drawdown/options.h"
#include "drawdown/postgres.h"
#include "drawdown/schema_text.h"
#include "drawdown/terminal.h"
#include "sql_files.h"

static const struct postgres_statement list_schemas = {
	"schemas.list",
	"list_writer_schemas",
	sql_list_writer_schemas,
	{POSTGRES_TEXT, POSTGRES_INT8, POSTGRES_TEXT, POSTGRES_TIMESTAMPTZ},
};
static const struct postgres_statement keep_schema = {
	"schemas.add",
	"keep_writer_schema",
	sql_keep_writer_schema,
	{0},
};

/* ---- list ---- */

struct line {
	struct text registry; /* empty: by fingerprint */
	int64_t ref;
	struct text schema;
	instant_t kept_at;
	struct schema_identity identity;
	char why[SCHEMA_WHY_SIZE];
};

static struct line read_line(const PGresult *result, int number, struct arena *arena)
{
	struct postgres_row row = {.result = result, .row = number};
	struct line line = {.registry = postgres_get_text(&row)};

	line.ref = postgres_get_int64(&row);
	line.schema = postgres_get_text(&row);
	line.kept_at = postgres_get_instant(&row);
	if (!schema_text_identify(line.schema, arena, &line.identity, line.why))
		line.identity.name = TEXT_LITERAL("");
	return line;
}

static void print_json(const struct line *line)
{
	struct json_printer json = {.out = stdout};
	char fingerprint[17];

	json_begin(&json, NULL, '{');
	if (line->registry.size) {
		json_text(&json, "registry", line->registry);
		json_integer(&json, "id", line->ref);
	} else {
		(void)snprintf(fingerprint, sizeof fingerprint, "%016llx", (unsigned long long)line->ref);
		json_text(&json, "fingerprint", text_of(fingerprint));
	}
	json_text(&json, "name", line->identity.name);
	json_instant(&json, "keptAt", line->kept_at);
	json_text(&json, "schema", line->schema);
	json_end(&json, '}');
	json_line(&json);
}

static void print_table(const PGresult *result, struct arena *arena)
{
	static const struct table_column columns[] = {
		{"ID OR FINGERPRINT", false}, {"NAME", false}, {"REGISTRY", false}, {"KEPT AT", false}};
	char time[INSTANT_TEXT_SIZE];
	struct table table;

	table_begin(&table, stdout, columns, sizeof columns / sizeof *columns);
	for (int i = 0; i < PQntuples(result); i++) {
		struct line line = read_line(result, i, arena);
		if (line.registry.size)
			table_cell_format(&table, "%lld", (long long)line.ref);
		else
			table_cell_format(&table, "%016llx", (unsigned long long)line.ref);
		table_cell(&table, line.identity.name);
		table_cell(&table, line.registry);
		instant_format(line.kept_at, time);
		table_cell(&table, text_of(time));
	}
	table_end(&table);
}

static enum outcome list(const struct options *options, struct postgres *postgres, struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;
	struct arena arena;

	postgres_params_init(&params, postgres);
	postgres_put_int64(postgres_add_value(&params), INT32_MAX);
	enum outcome outcome = postgres_query(postgres, &list_schemas, &params, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	arena_init(&arena, 64 * 1024);
	if (!options->json)
		print_table(result, &arena);
	for (int i = 0; options->json && i < PQntuples(result); i++) {
		struct line line = read_line(result, i, &arena);
		print_json(&line);
	}
	arena_release(&arena);
	return OUTCOME_OK;
}

/* ---- add ---- */

static bool read_file(const char *path, struct arena *arena, struct text *ret_text)
{
	char *data = arena_alloc(arena, DECODER_SCHEMA_SIZE_MAX + 1);
	FILE *file = fopen(path, "re");
	bool is_read = file != NULL;

	if (!file)
		return false;
	*ret_text = (struct text){data, fread(data, 1, DECODER_SCHEMA_SIZE_MAX + 1, file)};
	is_read = !ferror(file);
	(void)fclose(file);
	return is_read;
}

/* What is wrong with it as a schema of records; "" where nothing is. */
static void check_schema(
	struct text schema, struct arena *arena, struct schema_identity *ret_identity, char why[SCHEMA_WHY_SIZE])
{
	struct decoder *decoder = decoder_new();

	*why = '\0';
	if (!text_is_storable(schema))
		(void)snprintf(why, SCHEMA_WHY_SIZE, "not UTF-8");
	else if (schema_text_identify(schema, arena, ret_identity, why))
		(void)decoder_learn(
			decoder, (struct schema_ref){SCHEMA_REF_FINGERPRINT, ret_identity->fingerprint}, schema, why);
	decoder_free(decoder);
}

static const struct postgres_statement find_schemas = {
	"schemas.add",
	"find_writer_schemas",
	sql_find_writer_schemas,
	{POSTGRES_INT8, POSTGRES_TEXT},
};

/* What is kept now for the fingerprint must be this schema: not another one with the same canonical form, and not
 * nothing for want of room. */
static enum outcome check_kept(
	struct postgres *postgres, uint64_t fingerprint, struct text schema, struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, postgres);
	postgres_put_text(postgres_add_array(&params, POSTGRES_TEXT, 1), TEXT_LITERAL(""));
	postgres_put_int64(postgres_add_array(&params, POSTGRES_INT8, 1), (int64_t)fingerprint);
	enum outcome outcome = postgres_query(postgres, &find_schemas, &params, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	if (PQntuples(result) == 0)
		return fail(reterr, OUTCOME_FATAL, find_schemas.where, "no room for another schema: %d are kept",
			LIBRARY_SCHEMAS_MAX);
	struct postgres_row row = {.result = result};
	(void)postgres_get_int64(&row);
	if (text_equal(postgres_get_text(&row), schema))
		return OUTCOME_OK;
	(void)fail(reterr, OUTCOME_FATAL, find_schemas.where,
		"another schema is kept with the same fingerprint %016llx", (unsigned long long)fingerprint);
	fail_hint(reterr, "it differs in what a fingerprint leaves out, such as defaults, logical types or docs");
	return OUTCOME_FATAL;
}

static enum outcome keep(struct postgres *postgres, uint64_t fingerprint, struct text schema, struct failure *reterr)
{
	struct postgres_params params;

	postgres_params_init(&params, postgres);
	postgres_put_text(postgres_add_value(&params), TEXT_LITERAL(""));
	postgres_put_int64(postgres_add_value(&params), (int64_t)fingerprint);
	postgres_put_text(postgres_add_value(&params), schema);
	postgres_put_int64(postgres_add_value(&params), LIBRARY_SCHEMAS_MAX);
	enum outcome outcome = postgres_query(postgres, &keep_schema, &params, NULL, reterr);
	return outcome == OUTCOME_OK ? check_kept(postgres, fingerprint, schema, reterr) : outcome;
}

static int add(const struct options *options, struct postgres *postgres, const char *path, struct arena *arena)
{
	struct schema_identity identity;
	struct failure failure = {0};
	char why[SCHEMA_WHY_SIZE];
	struct text schema;

	if (!read_file(path, arena, &schema))
		return options_error(options, "could not read %s: %s", path, strerror(errno));
	check_schema(schema, arena, &identity, why);
	if (*why)
		return options_error(options, "%s: %s", path, why);
	if (keep(postgres, identity.fingerprint, schema, &failure) != OUTCOME_OK)
		return options_failed(options, &failure);
	printf("kept %.*s with fingerprint %016llx\n", TEXT_ARGS(identity.name),
		(unsigned long long)identity.fingerprint);
	return EXIT_OK;
}

/* ---- both ---- */

static int run(const struct options *options, const struct config *config, const char *file)
{
	const struct postgres_settings settings = {
		.url = config->database_url,
		.application_name = "drawdown schemas",
		.lock_timeout = config->database_lock_timeout,
		.statement_timeout = config->database_statement_timeout,
	};
	struct failure failure = {0};
	struct postgres postgres;
	struct arena arena;
	int exit_code = EXIT_OK;

	postgres_init(&postgres, &settings);
	arena_init(&arena, 64 * 1024);
	enum outcome outcome = postgres_connect(&postgres, &failure);
	if (outcome == OUTCOME_OK && file)
		exit_code = add(options, &postgres, file, &arena);
	else if (outcome == OUTCOME_OK)
		outcome = list(options, &postgres, &failure);
	arena_release(&arena);
	postgres_release(&postgres);
	return outcome == OUTCOME_OK ? exit_code : options_failed(options, &failure);
}

int command_schemas(int argc, char **argv)
{
	static const char *const actions[] = {"list", "add", NULL};
	const char *action = NULL, *file = NULL;
	const struct command_argument arguments[] = {
		{"list|add", "show what is kept, or keep the schema of a file", .text = &action, .choices = actions},
		{"FILE", "an Avro schema (.avsc) whose records come in single-object framing", .optional = true,
			.text = &file},
	};
	struct options options = {
		.command = "schemas",
		.summary = "the Avro schemas of producers that are known besides drawdown's own",
		.details = "Workers keep what they get from a schema registry by themselves; a schema that no registry "
			   "has is\n"
			   "added here. Records of a schema that nobody knows are dead letters. Nothing is ever "
			   "changed or\n"
			   "taken away: records were decoded by it.",
		.arguments = arguments,
		.arguments_count = sizeof arguments / sizeof *arguments,
		.examples = {"drawdown schemas list", "drawdown schemas add usage.avsc"},
		.config_needs = CONFIG_NEEDS_DATABASE,
		.prints_data = true,
	};
	struct config config;
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code))
		return exit_code;
	bool adds = strcmp(action, "add") == 0;
	if (adds != (file != NULL))
		return options_error(&options, adds ? "which file?" : "list takes no file");
	if (!options_load_config(&options, &config, &exit_code))
		return exit_code;
	exit_code = run(&options, &config, file);
	config_release(&config);
	return exit_code;
}
