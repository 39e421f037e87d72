/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/library.h"

#include <assert.h>
#include <stdlib.h>

#include "drawdown/encode.h"
#include "drawdown/log.h"
#include "drawdown/postgres.h"
#include "drawdown/registry.h"
#include "sql_files.h"

#define REGISTRY_NAME_SIZE 1100 /* 255 characters */

static const struct postgres_statement list_registries = {
	"schemas.open",
	"list_registries",
	sql_list_registries,
	{POSTGRES_TEXT},
};
static const struct postgres_statement list_schemas = {
	"schemas.list",
	"list_writer_schemas",
	sql_list_writer_schemas,
	{POSTGRES_TEXT, POSTGRES_INT8, POSTGRES_TEXT, POSTGRES_TIMESTAMPTZ},
};
static const struct postgres_statement find_schemas = {
	"schemas.find",
	"find_writer_schemas",
	sql_find_writer_schemas,
	{POSTGRES_INT8, POSTGRES_TEXT},
};
static const struct postgres_statement keep_schema = {
	"schemas.keep",
	"keep_writer_schema",
	sql_keep_writer_schema,
	{0},
};
static const struct postgres_statement find_output = {
	"schemas.outputs",
	"find_output_schema",
	sql_find_output_schema,
	{POSTGRES_INT4},
};
static const struct postgres_statement keep_output = {
	"schemas.outputs",
	"keep_output_schema",
	sql_keep_output_schema,
	{0},
};

struct shelves {
	const struct config *config;
	char name[128]; /* of the connection */
	struct postgres postgres;
	struct registry *registry;		/* NULL: none */
	char registry_name[REGISTRY_NAME_SIZE]; /* empty: none is configured, and no ids were kept so far */
};

/* ---- the registry's name ---- */

/* Another registry's ids mean other schemas. Without a name of our own those that are kept are ours. */
static enum outcome check_name(struct shelves *shelves, struct failure *reterr)
{
	POSTGRES_RESULT result = NULL;
	enum outcome outcome = postgres_query(&shelves->postgres, &list_registries, NULL, &result, reterr);

	if (shelves->config->registry_name)
		(void)snprintf(shelves->registry_name, REGISTRY_NAME_SIZE, "%s", shelves->config->registry_name);
	for (int i = 0; outcome == OUTCOME_OK && i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		struct text kept = postgres_get_text(&row);
		if (!*shelves->registry_name)
			(void)snprintf(shelves->registry_name, REGISTRY_NAME_SIZE, "%.*s", TEXT_ARGS(kept));
		if (text_equal(kept, text_of(shelves->registry_name)))
			continue;
		(void)fail(reterr, OUTCOME_FATAL, list_registries.where,
			"the database keeps ids of registry %.*s, but registry.name is %s", TEXT_ARGS(kept),
			shelves->registry_name);
		fail_hint(reterr,
			"if it is the same registry, set registry.name = %.*s; if not, see \"Another registry\" in "
			"worker/README.md",
			TEXT_ARGS(kept));
		if (reterr)
			reterr->exit_code = EXIT_USAGE;
		*shelves->registry_name = '\0'; /* of two that are kept neither is ours */
		return OUTCOME_FATAL;
	}
	return outcome;
}

/* ---- writers' schemas ---- */

static void put_ref(const struct shelves *shelves, struct schema_ref ref, struct postgres_bytes *registry,
	struct postgres_bytes *number)
{
	bool is_id = ref.kind == SCHEMA_REF_ID;

	/* Without a registry's name an id is nobody's: no row has a line feed there. */
	postgres_put_text(
		registry, is_id ? text_of(*shelves->registry_name ? shelves->registry_name : "\n") : TEXT_LITERAL(""));
	postgres_put_int64(number, (int64_t)ref.value);
}

static enum outcome begin_call(struct shelves *shelves, struct postgres_params *params, struct failure *reterr)
{
	arena_reset(&shelves->postgres.scratch);
	enum outcome outcome = postgres_connect(&shelves->postgres, reterr);
	postgres_params_init(params, &shelves->postgres);
	return outcome;
}

static enum outcome shelves_list(void *self, size_t count_max, struct arena *arena, struct kept_schema **ret_kept,
	size_t *ret_count, struct failure *reterr)
{
	struct shelves *shelves = self;
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;
	enum outcome outcome = begin_call(shelves, &params, reterr);

	*ret_count = 0;
	if (outcome != OUTCOME_OK)
		return outcome;
	postgres_put_int64(postgres_add_value(&params), (int64_t)count_max);
	outcome = postgres_query(&shelves->postgres, &list_schemas, &params, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	*ret_kept = arena_alloc_array(arena, postgres_rows(result) + 1, sizeof **ret_kept);
	for (int i = 0; i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		struct text registry = postgres_get_text(&row);
		struct kept_schema *kept = &(*ret_kept)[*ret_count];
		kept->ref.kind = registry.size ? SCHEMA_REF_ID : SCHEMA_REF_FINGERPRINT;
		kept->ref.value = (uint64_t)postgres_get_int64(&row);
		kept->schema = arena_copy(arena, postgres_get_text(&row));
		*ret_count += registry.size == 0 || text_equal(registry, text_of(shelves->registry_name));
	}
	return OUTCOME_OK;
}

static enum outcome shelves_find(void *self, const struct schema_ref *refs, size_t count, struct arena *arena,
	struct text *ret_schemas, struct failure *reterr)
{
	struct shelves *shelves = self;
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;
	enum outcome outcome = begin_call(shelves, &params, reterr);

	/* a worker that has a registry may have kept ids since */
	if (outcome == OUTCOME_OK && !*shelves->registry_name)
		outcome = check_name(shelves, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	struct postgres_bytes *registry = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *number = postgres_add_array(&params, POSTGRES_INT8, count);
	for (size_t i = 0; i < count; i++) {
		put_ref(shelves, refs[i], registry, number);
		ret_schemas[i] = TEXT_NULL;
	}
	outcome = postgres_query(&shelves->postgres, &find_schemas, &params, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	for (int i = 0; i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		int64_t ordinal = postgres_get_int64(&row);
		assert(ordinal >= 1 && ordinal <= (int64_t)count);
		ret_schemas[ordinal - 1] = arena_copy(arena, postgres_get_text(&row));
	}
	return OUTCOME_OK;
}

static enum outcome shelves_keep(void *self, struct schema_ref ref, struct text schema, struct arena *arena,
	struct text *ret_schema, struct failure *reterr)
{
	struct shelves *shelves = self;
	struct postgres_params params;
	enum outcome outcome = begin_call(shelves, &params, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	struct postgres_bytes *registry = postgres_add_value(&params);
	put_ref(shelves, ref, registry, postgres_add_value(&params));
	postgres_put_text(postgres_add_value(&params), schema);
	postgres_put_int64(postgres_add_value(&params), LIBRARY_SCHEMAS_MAX);
	outcome = postgres_query(&shelves->postgres, &keep_schema, &params, NULL, reterr);
	if (outcome == OUTCOME_OK) /* in a later statement, which sees what another has kept meanwhile */
		outcome = shelves_find(self, &ref, 1, arena, ret_schema, reterr);
	if (outcome == OUTCOME_OK && !ret_schema->data)
		return fail(reterr, OUTCOME_REJECT, keep_schema.where, "no room for another schema: %d are kept",
			LIBRARY_SCHEMAS_MAX);
	return outcome;
}

static enum outcome shelves_fetch(
	void *self, uint32_t id, struct arena *arena, struct text *ret_schema, struct failure *reterr)
{
	struct shelves *shelves = self;
	return registry_fetch(shelves->registry, id, arena, ret_schema, reterr);
}

/* ---- outputs ---- */

void library_format_subject(const struct config *config, enum output output, char subject[SUBJECT_SIZE])
{
	struct text name = encode_output_schema(output).name;
	int size = snprintf(subject, SUBJECT_SIZE, "%s-%.*s", config->output_topics[output], TEXT_ARGS(name));
	assert(size > 0 && size < SUBJECT_SIZE);
}

static void add_output_key(const struct shelves *shelves, struct postgres_params *params, const char *subject,
	const struct output_schema *schema)
{
	postgres_put_text(postgres_add_value(params), text_of(shelves->registry_name));
	postgres_put_text(postgres_add_value(params), text_of(subject));
	postgres_put_int64(postgres_add_value(params), (int64_t)schema->fingerprint);
}

/* *ret_id 0: none is kept. */
static enum outcome find_kept_id(struct shelves *shelves, const char *subject, const struct output_schema *schema,
	uint32_t *ret_id, struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;
	enum outcome outcome = begin_call(shelves, &params, reterr);

	*ret_id = 0;
	if (outcome != OUTCOME_OK)
		return outcome;
	add_output_key(shelves, &params, subject, schema);
	outcome = postgres_query(&shelves->postgres, &find_output, &params, &result, reterr);
	if (outcome == OUTCOME_OK && PQntuples(result) == 1) {
		struct postgres_row row = {.result = result};
		*ret_id = (uint32_t)postgres_get_int32(&row);
	}
	return outcome;
}

static enum outcome keep_id(struct shelves *shelves, const char *subject, const struct output_schema *schema,
	int32_t id, struct failure *reterr)
{
	struct postgres_params params;
	enum outcome outcome = begin_call(shelves, &params, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	add_output_key(shelves, &params, subject, schema);
	postgres_put_int32(postgres_add_value(&params), id);
	return postgres_query(&shelves->postgres, &keep_output, &params, NULL, reterr);
}

static enum outcome find_output_id(
	struct shelves *shelves, enum output output, uint32_t *ret_id, struct failure *reterr)
{
	const struct output_schema schema = encode_output_schema(output);
	char subject[SUBJECT_SIZE];
	struct text kept;
	int32_t id;

	library_format_subject(shelves->config, output, subject);
	enum outcome outcome = find_kept_id(shelves, subject, &schema, ret_id, reterr);
	if (outcome != OUTCOME_OK || *ret_id)
		return outcome;
	outcome = registry_find(shelves->registry, subject, schema.text, &id, reterr);
	if (outcome == OUTCOME_REJECT) {
		(void)fail(reterr, OUTCOME_FATAL, find_output.where, "the schema of subject %s is not registered in %s",
			subject, shelves->registry_name);
		fail_hint(reterr, "run `drawdown topics create`");
		return OUTCOME_FATAL;
	}
	if (outcome == OUTCOME_OK) /* so that whoever reads the outputs needs no registry either, if there is room */
		outcome = shelves_keep(shelves, (struct schema_ref){SCHEMA_REF_ID, (uint64_t)id}, schema.text,
			&shelves->postgres.scratch, &kept, reterr);
	if (outcome == OUTCOME_OK || outcome == OUTCOME_REJECT)
		outcome = keep_id(shelves, subject, &schema, id, reterr);
	return outcome == OUTCOME_OK ? find_kept_id(shelves, subject, &schema, ret_id, reterr) : outcome;
}

enum outcome library_find_output_ids(
	const struct library *library, uint32_t ret_ids[OUTPUT_COUNT], struct failure *reterr)
{
	struct shelves *shelves = library->self;
	enum outcome outcome = OUTCOME_OK;

	memset(ret_ids, 0, OUTPUT_COUNT * sizeof *ret_ids);
	if (!shelves->registry || shelves->config->encoding.format != FORMAT_AVRO)
		return OUTCOME_OK;
	for (int output = 0; output < OUTPUT_DEAD_LETTERS && outcome == OUTCOME_OK; output++)
		outcome = find_output_id(shelves, (enum output)output, &ret_ids[output], reterr);
	return outcome;
}

/* ---- opening ---- */

static void shelves_interrupt(void *self)
{
	struct shelves *shelves = self;

	if (shelves->registry)
		registry_interrupt(shelves->registry);
	postgres_interrupt(&shelves->postgres);
}

static void shelves_close(void *self)
{
	struct shelves *shelves = self;

	if (!shelves)
		return;
	registry_free(shelves->registry);
	postgres_release(&shelves->postgres);
	free(shelves);
}

enum outcome library_open(struct library *ret_library, const struct config *config, struct failure *reterr)
{
	struct shelves *shelves = calloc(1, sizeof *shelves);

	if (!shelves)
		abort();
	shelves->config = config;
	(void)snprintf(shelves->name, sizeof shelves->name, "drawdown:%s schemas", config->replica_id);
	const struct postgres_settings settings = {
		.url = config->database_url,
		.application_name = shelves->name,
		.lock_timeout = config->database_lock_timeout,
		.statement_timeout = config->database_statement_timeout,
		.idle_timeout = config->database_idle_timeout,
	};
	postgres_init(&shelves->postgres, &settings);
	enum outcome outcome = postgres_connect(&shelves->postgres, reterr);
	if (outcome == OUTCOME_OK)
		outcome = check_name(shelves, reterr);
	if (outcome != OUTCOME_OK) {
		shelves_close(shelves);
		return outcome;
	}
	if (config->registry_url)
		shelves->registry = registry_new(config, 1);
	*ret_library = (struct library){
		.self = shelves,
		.list = shelves_list,
		.find = shelves_find,
		.keep = shelves_keep,
		.fetch = shelves->registry ? shelves_fetch : NULL,
		.interrupt = shelves_interrupt,
		.close = shelves_close,
	};
	return OUTCOME_OK;
}
