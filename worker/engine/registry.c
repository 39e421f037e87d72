/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/registry.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "drawdown/backoff.h"
#include "drawdown/instant.h"
#include "drawdown/json_print.h"
#include "drawdown/metrics.h"
#include "drawdown/registry_answer.h"
#include "drawdown/registry_http.h"

#define WHERE "registry.ask"
#define PATH_SIZE 4096
#define PAUSE_FIRST (100 * INSTANT_MILLISECOND)
#define PAUSE_MAX (10 * INSTANT_SECOND)

/* Of Confluent's interface: no such subject, version, schema. */
#define ERROR_NO_SUBJECT 40401
#define ERROR_NO_VERSION 40402
#define ERROR_NO_SCHEMA 40403

struct registry {
	const struct config *config;
	struct registry_http *http;
	unsigned attempts;
	struct arena scratch; /* of one question */
};

struct registry *registry_new(const struct config *config, unsigned attempts)
{
	struct registry *registry = calloc(1, sizeof *registry);

	if (!registry)
		abort();
	assert(config->registry_url && attempts > 0);
	registry->config = config;
	registry->attempts = attempts;
	registry->http = registry_http_new(config);
	arena_init(&registry->scratch, 16 * 1024);
	return registry;
}

void registry_free(struct registry *registry)
{
	if (!registry)
		return;
	registry_http_free(registry->http);
	arena_release(&registry->scratch);
	free(registry);
}

void registry_interrupt(struct registry *registry)
{
	registry_http_interrupt(registry->http);
}

/* ---- what an answer means ---- */

static bool is_passing(long status)
{
	return status == 408 || status == 429 || status >= 500;
}

/* A plain 404 may come from anything; only the registry's own code says that there is no such schema. */
static bool is_absence(long status, int32_t code)
{
	return status == 404 && (code == ERROR_NO_SUBJECT || code == ERROR_NO_VERSION || code == ERROR_NO_SCHEMA);
}

static enum outcome class_of(const char *method, long status, int32_t code)
{
	bool is_conflict = status == 409 && strcmp(method, "POST") == 0;

	if (status == 200)
		return OUTCOME_OK;
	if (is_passing(status))
		return OUTCOME_RETRY;
	return is_absence(status, code) || is_conflict ? OUTCOME_REJECT : OUTCOME_FATAL;
}

static enum outcome judge(struct registry *registry, const char *method, const char *path,
	const struct registry_reply *reply, struct failure *reterr)
{
	struct text message;
	int32_t code = registry_answer_error(reply->body, &registry->scratch, &message);
	enum outcome outcome = class_of(method, reply->status, code);

	if (outcome == OUTCOME_OK)
		return OUTCOME_OK;
	(void)fail(reterr, outcome, WHERE, "registry %s answers %s %s with %ld%s%.*s", registry->config->registry_name,
		method, path, reply->status, message.size ? ": " : "", TEXT_ARGS(message));
	if (reply->status == 401 || reply->status == 403)
		fail_hint(reterr, "check registry.user and its password, or registry.token, and their rights");
	else if (outcome == OUTCOME_FATAL)
		fail_hint(reterr, "check registry.url: it is the address of Confluent's interface");
	return outcome;
}

/* The question is over: could its answer be read? */
static enum outcome conclude(const struct registry *registry, const char *path, bool is_read,
	const struct registry_why *why, struct failure *reterr)
{
	bool is_verdict = !is_read && why->is_about_schema;

	metrics_count_registry(is_read ? OUTCOME_OK : is_verdict ? OUTCOME_REJECT : OUTCOME_FATAL);
	if (is_read)
		return OUTCOME_OK;
	if (is_verdict)
		return fail(reterr, OUTCOME_REJECT, WHERE, "registry %s answers %s with a schema of no use: %s",
			registry->config->registry_name, path, why->text);
	(void)fail(reterr, OUTCOME_FATAL, WHERE, "registry %s answers %s with what it should not: %s",
		registry->config->registry_name, path, why->text);
	fail_hint(reterr, "check registry.url: it is the address of Confluent's interface");
	return OUTCOME_FATAL;
}

static void pause_before_retry(unsigned failures_count)
{
	int64_t pause = backoff_pause(PAUSE_FIRST, PAUSE_MAX, failures_count);
	const struct timespec time = {
		.tv_sec = pause / INSTANT_SECOND,
		.tv_nsec = pause % INSTANT_SECOND * 1000,
	};
	(void)nanosleep(&time, NULL);
}

/* The answer lives in the scratch, until the next question. What it is worth is for the caller to count. */
static enum outcome ask(struct registry *registry, const char *method, const char *path, struct text body,
	struct registry_reply *ret_reply, struct failure *reterr)
{
	for (unsigned attempt = 1;; attempt++) {
		enum outcome outcome =
			registry_http_ask(registry->http, method, path, body, &registry->scratch, ret_reply, reterr);
		if (outcome == OUTCOME_OK)
			outcome = judge(registry, method, path, ret_reply, reterr);
		if (outcome != OUTCOME_OK)
			metrics_count_registry(outcome);
		if (outcome != OUTCOME_RETRY || attempt == registry->attempts)
			return outcome;
		pause_before_retry(attempt);
	}
}

/* ---- schemas ---- */

/* A part of a path: what is no letter, digit, '-', '_', '.' or '~' is escaped. */
static struct text escape(struct arena *arena, struct text part)
{
	static const char hex[] = "0123456789ABCDEF";
	char *escaped = arena_alloc(arena, part.size * 3 + 1);
	size_t size = 0;

	for (size_t i = 0; i < part.size; i++) {
		unsigned char byte = (unsigned char)part.data[i];
		bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
				(byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '.' ||
				byte == '~';
		if (is_plain) {
			escaped[size++] = (char)byte;
			continue;
		}
		escaped[size++] = '%';
		escaped[size++] = hex[byte >> 4];
		escaped[size++] = hex[byte & 15];
	}
	return (struct text){escaped, size};
}

static enum outcome get_schema(struct registry *registry, const char *path, struct arena *arena,
	struct registry_schema *ret_schema, struct failure *reterr)
{
	struct registry_reply reply;
	struct registry_why why;
	enum outcome outcome = ask(registry, "GET", path, TEXT_NULL, &reply, reterr);

	if (outcome == OUTCOME_OK)
		outcome = conclude(
			registry, path, registry_answer_schema(reply.body, arena, ret_schema, &why), &why, reterr);
	return outcome;
}

/* All that a schema refers to, and what that refers to. */
struct references {
	struct registry_reference items[REGISTRY_REFERENCES_MAX];
	struct text schemas[REGISTRY_REFERENCES_MAX];
	size_t count;
	size_t size; /* of the schemas, in bytes */
};

static bool add_references(struct references *references, const struct registry_schema *schema)
{
	for (size_t i = 0; i < schema->references_count; i++) {
		const struct registry_reference *new = &schema->references[i];
		bool is_known = false;
		for (size_t j = 0; j < references->count && !is_known; j++)
			is_known = references->items[j].version ==
				   new->version &&text_equal(references->items[j].subject, new->subject);
		if (is_known)
			continue;
		if (references->count == REGISTRY_REFERENCES_MAX)
			return false;
		references->items[references->count++] = *new;
	}
	return true;
}

static enum outcome refuse(uint32_t id, const char *why, struct failure *reterr)
{
	return fail(reterr, OUTCOME_REJECT, "registry.schema", "schema %lu of the registry is of no use: %s",
		(unsigned long)id, why);
}

static enum outcome resolve(struct registry *registry, uint32_t id, const struct registry_schema *schema,
	struct arena *arena, struct text *ret_schema, struct failure *reterr)
{
	struct references references = {0};
	struct registry_why why;
	char path[PATH_SIZE];

	if (!add_references(&references, schema))
		return refuse(id, "it has too many references", reterr);
	for (size_t i = 0; i < references.count; i++) {
		struct registry_schema referenced;
		struct failure failure;
		struct text subject = escape(arena, references.items[i].subject);
		(void)snprintf(path, sizeof path, "/subjects/%.*s/versions/%ld", TEXT_ARGS(subject),
			(long)references.items[i].version);
		enum outcome outcome = get_schema(registry, path, arena, &referenced, &failure);
		if (outcome == OUTCOME_REJECT)
			return refuse(id, failure.text, reterr);
		if (outcome != OUTCOME_OK) {
			*reterr = failure;
			return outcome;
		}
		references.schemas[i] = referenced.schema;
		references.size += referenced.schema.size;
		if (references.size > REGISTRY_ANSWER_SIZE_MAX || !add_references(&references, &referenced))
			return refuse(id, "it has too many references", reterr);
	}
	return registry_join(schema->schema, references.schemas, references.count, arena, ret_schema, &why)
		       ? OUTCOME_OK
		       : refuse(id, why.text, reterr);
}

enum outcome registry_fetch(
	struct registry *registry, uint32_t id, struct arena *arena, struct text *ret_schema, struct failure *reterr)
{
	struct registry_schema schema;
	char path[64];

	if (id == 0 || id > INT32_MAX)
		return refuse(id, "no registry gives such an id", reterr);
	arena_reset(&registry->scratch);
	(void)snprintf(path, sizeof path, "/schemas/ids/%lu", (unsigned long)id);
	enum outcome outcome = get_schema(registry, path, arena, &schema, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	if (!text_equal(schema.type, TEXT_LITERAL("AVRO")))
		return refuse(id, "it is not Avro", reterr);
	*ret_schema = schema.schema;
	return schema.references_count ? resolve(registry, id, &schema, arena, ret_schema, reterr) : OUTCOME_OK;
}

/* ---- subjects ---- */

static struct text wrap_schema(struct arena *arena, struct text schema)
{
	char *text;
	size_t size;
	struct json_printer json = {.out = open_memstream(&text, &size)};

	if (!json.out)
		abort();
	json_begin(&json, NULL, '{');
	json_text(&json, "schema", schema);
	json_end(&json, '}');
	if (fclose(json.out) != 0)
		abort();
	struct text body = arena_copy(arena, (struct text){text, size});
	free(text);
	return body;
}

static enum outcome ask_for_id(
	struct registry *registry, const char *path, struct text schema, int32_t *ret_id, struct failure *reterr)
{
	struct registry_reply reply;
	struct registry_why why;
	enum outcome outcome = ask(registry, "POST", path, wrap_schema(&registry->scratch, schema), &reply, reterr);

	if (outcome == OUTCOME_OK)
		outcome = conclude(
			registry, path, registry_answer_id(reply.body, &registry->scratch, ret_id, &why), &why, reterr);
	return outcome;
}

/* What is asked of a subject; `rest` begins with a slash, or is empty. */
static void format_path(
	struct registry *registry, const char *kind, const char *subject, const char *rest, char path[PATH_SIZE])
{
	arena_reset(&registry->scratch);
	struct text escaped = escape(&registry->scratch, text_of(subject));
	int size = snprintf(path, PATH_SIZE, "/%s/%.*s%s", kind, TEXT_ARGS(escaped), rest);
	assert(size > 0 && size < PATH_SIZE); /* a topic's name and a record's */
}

enum outcome registry_find(
	struct registry *registry, const char *subject, struct text schema, int32_t *ret_id, struct failure *reterr)
{
	char path[PATH_SIZE];

	format_path(registry, "subjects", subject, "", path);
	return ask_for_id(registry, path, schema, ret_id, reterr);
}

enum outcome registry_register(
	struct registry *registry, const char *subject, struct text schema, int32_t *ret_id, struct failure *reterr)
{
	char path[PATH_SIZE];

	format_path(registry, "subjects", subject, "/versions", path);
	return ask_for_id(registry, path, schema, ret_id, reterr);
}

enum outcome registry_demand(
	struct registry *registry, const char *subject, const char *compatibility, struct failure *reterr)
{
	struct registry_reply reply;
	char path[PATH_SIZE];

	format_path(registry, "config", subject, "", path);
	struct text body = arena_format(&registry->scratch, "{\"compatibility\":\"%s\"}", compatibility);
	enum outcome outcome = ask(registry, "PUT", path, body, &reply, reterr);
	return outcome == OUTCOME_OK ? conclude(registry, path, true, NULL, reterr) : outcome;
}
