/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/store_postgres.h"

#include <assert.h>
#include <stdlib.h>

#include "drawdown/log.h"
#include "drawdown/store_parts.h"
#include "drawdown/units.h"
#include "sql_files.h"

#define PREPARE_ATTEMPTS_MAX 4

static const struct postgres_statement check_rights = {
	"store.open",
	"check_rights",
	sql_check_rights,
	{POSTGRES_BOOL, POSTGRES_BOOL, POSTGRES_TEXT},
};
static const struct postgres_statement write_setting = {"store.open", "write_setting", sql_write_setting, {0}};
static const struct postgres_statement read_setting = {
	"store.open",
	"read_setting",
	sql_read_setting,
	{POSTGRES_INT8},
};
static const struct postgres_statement make_generation = {
	"store.prepare",
	"make_generation",
	sql_make_generation,
	{POSTGRES_BOOL},
};

enum input store_input_of(const struct store_postgres *store, struct text topic)
{
	for (int input = 0; input < INPUT_COUNT; input++)
		if (topic.data && text_equal(topic, text_of(store->config->input_topics[input])))
			return (enum input)input;
	return INPUT_COUNT;
}

enum outcome store_fail_corrupt(const struct postgres_statement *statement, struct failure *reterr)
{
	(void)fail(reterr, OUTCOME_FATAL, statement->where, "%s read a value that drawdown does not write",
		statement->name);
	fail_hint(reterr, "the books were changed by hand, or by a newer version");
	return OUTCOME_FATAL;
}

enum outcome store_fail_account(const char *where, const struct account_key *account, struct failure *reterr)
{
	(void)fail(reterr, OUTCOME_FATAL, where, "account %.*s/%.*s/%.*s is corrupt", TEXT_ARGS(account->customer_id),
		TEXT_ARGS(account->currency_id), TEXT_ARGS(account->resource_id));
	fail_hint(reterr, "its rows hold what drawdown does not write, or its open grants and holds do not add up: "
			  "they were changed by hand or restored in part");
	return OUTCOME_FATAL;
}

enum outcome store_check_count(
	const struct postgres_statement *statement, PGresult *result, size_t expected, struct failure *reterr)
{
	size_t count = postgres_rows(result);

	if (count == expected)
		return OUTCOME_OK;
	(void)fail(reterr, OUTCOME_FATAL, statement->where, "%s changed %zu rows of %zu", statement->name, count,
		expected);
	fail_hint(reterr, "rows of the books are missing: they were deleted by hand or restored in part");
	return OUTCOME_FATAL;
}

struct store_keys store_add_keys(struct postgres_params *params, size_t count)
{
	struct store_keys keys;

	keys.customer = postgres_add_array(params, POSTGRES_TEXT, count);
	keys.currency = postgres_add_array(params, POSTGRES_TEXT, count);
	keys.resource = postgres_add_array(params, POSTGRES_TEXT, count);
	return keys;
}

void store_put_key(const struct store_keys *keys, const struct account_key *account)
{
	postgres_put_text(keys->customer, account->customer_id);
	postgres_put_text(keys->currency, account->currency_id);
	postgres_put_resource(keys->resource, account->resource_id);
}

void store_put_account(struct postgres_bytes *row, const struct account_key *account)
{
	postgres_put_text(row, account->customer_id);
	postgres_put_text(row, account->currency_id);
	postgres_put_resource(row, account->resource_id);
}

/* ---- generations of receipts ---- */

static int64_t generation_of(const struct store_postgres *store, instant_t timestamp)
{
	int64_t length = store->config->dedupe_generation;
	int64_t number = timestamp / length;
	return timestamp % length < 0 ? number - 1 : number;
}

static bool is_known(const struct store_postgres *store, int64_t generation)
{
	for (size_t i = 0; i < store->generations_count; i++)
		if (store->generations[i] == generation)
			return true;
	return false;
}

static enum outcome make_one(struct store_postgres *store, instant_t timestamp, bool *ret_made, struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	arena_reset(&store->loop.scratch);
	enum outcome outcome = postgres_connect(&store->loop, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	postgres_params_init(&params, &store->loop);
	postgres_put_instant(postgres_add_value(&params), timestamp);
	outcome = postgres_query(&store->loop, &make_generation, &params, &result, reterr);
	if (outcome == OUTCOME_OK) {
		struct postgres_row row = {.result = result};
		*ret_made = postgres_get_bool(&row);
	}
	return outcome;
}

static enum outcome ensure_generation(struct store_postgres *store, instant_t timestamp, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_RETRY;
	bool made = false;

	for (int attempt = 0; attempt < PREPARE_ATTEMPTS_MAX && outcome == OUTCOME_RETRY; attempt++)
		outcome = make_one(store, timestamp, &made, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	if (made) {
		char time[INSTANT_TEXT_SIZE];
		instant_format(generation_of(store, timestamp) * store->config->dedupe_generation, time);
		log_line(LOG_INFO, "store.prepare", "made the generation of receipts that begins at %s", time);
	}
	if (store->generations_count == STORE_GENERATIONS_MAX)
		store->generations_count = 0;
	store->generations[store->generations_count++] = generation_of(store, timestamp);
	return OUTCOME_OK;
}

static enum outcome store_prepare(void *self, const struct batch *batch, struct failure *reterr)
{
	struct store_postgres *store = self;
	enum outcome outcome = OUTCOME_OK;

	for (size_t i = 0; i < batch->records_count && outcome == OUTCOME_OK; i++) {
		const struct record *record = &batch->records[i];
		if (record->readable && !is_known(store, generation_of(store, record->source.timestamp)))
			outcome = ensure_generation(store, record->source.timestamp, reterr);
	}
	return outcome;
}

/* ---- the end of a lane's transaction ---- */

static enum outcome store_commit(void *self, size_t lane, struct failure *reterr)
{
	struct store_postgres *store = self;
	return postgres_execute(&store->lanes[lane], "store.commit", "commit", "commit", reterr);
}

static void store_abort(void *self, size_t lane)
{
	struct store_postgres *store = self;
	postgres_abort(&store->lanes[lane]);
}

static void store_interrupt(void *self)
{
	struct store_postgres *store = self;
	for (size_t i = 0; i < store->lanes_count; i++)
		postgres_interrupt(&store->lanes[i]);
}

/* ---- opening ---- */

static void store_close(void *self)
{
	struct store_postgres *store = self;

	if (!store)
		return;
	for (size_t i = 0; i < store->lanes_count; i++)
		postgres_release(&store->lanes[i]);
	postgres_release(&store->loop);
	free(store);
}

static enum outcome check_version(struct store_postgres *store, struct failure *reterr)
{
	int newest = sql_migrations[sql_migrations_count - 1].version, version;
	enum outcome outcome = migrate_read_version(&store->loop, &version, reterr);

	if (outcome != OUTCOME_OK || version == newest)
		return outcome;
	if (version == 0)
		(void)fail(reterr, OUTCOME_FATAL, "store.open", "the database has no schema drawdown");
	else
		(void)fail(reterr, OUTCOME_FATAL, "store.open",
			"schema drawdown is at version %d, this program needs %d", version, newest);
	fail_hint(reterr, "%s", version < newest ? "run `drawdown migrate`" : "run a newer drawdown");
	if (reterr)
		reterr->exit_code = EXIT_SCHEMA;
	return OUTCOME_FATAL;
}

static enum outcome check_role(struct store_postgres *store, struct failure *reterr)
{
	POSTGRES_RESULT result = NULL;
	enum outcome outcome = postgres_query(&store->loop, &check_rights, NULL, &result, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	struct postgres_row row = {.result = result};
	bool may_work = postgres_get_bool(&row);
	bool may_rewrite = postgres_get_bool(&row);
	struct text role = postgres_get_text(&row);
	if (!may_work) {
		(void)fail(reterr, OUTCOME_FATAL, "store.open", "role %.*s lacks rights in schema drawdown",
			TEXT_ARGS(role));
		fail_hint(reterr, "as the schema's owner: grant drawdown_worker to %.*s", TEXT_ARGS(role));
		if (reterr)
			reterr->exit_code = EXIT_RIGHTS;
		return OUTCOME_FATAL;
	}
	if (may_rewrite)
		log_line(LOG_WARNING, "store.open",
			"role %.*s could update or delete the ledger; hint=let workers log in as a user that is only a "
			"member of "
			"drawdown_worker",
			TEXT_ARGS(role));
	return OUTCOME_OK;
}

/* Boundaries of generations are multiples of their length: all replicas must have the same. */
static enum outcome check_setting(struct store_postgres *store, struct failure *reterr)
{
	int64_t ours = store->config->dedupe_generation;
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, &store->loop);
	postgres_put_int64(postgres_add_value(&params), ours);
	enum outcome outcome = postgres_query(&store->loop, &write_setting, &params, NULL, reterr);
	if (outcome == OUTCOME_OK)
		outcome = postgres_query(&store->loop, &read_setting, NULL, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	assert(PQntuples(result) == 1);
	struct postgres_row row = {.result = result};
	int64_t theirs = postgres_get_int64(&row);
	if (theirs == ours)
		return OUTCOME_OK;
	char ours_text[UNITS_TEXT_SIZE], theirs_text[UNITS_TEXT_SIZE];
	units_format_duration(ours, ours_text);
	units_format_duration(theirs, theirs_text);
	(void)fail(reterr, OUTCOME_FATAL, "store.open", "dedupe.generation is %s, but the database was set up with %s",
		ours_text, theirs_text);
	fail_hint(reterr, "set dedupe.generation = %s", theirs_text);
	if (reterr)
		reterr->exit_code = EXIT_USAGE;
	return OUTCOME_FATAL;
}

static void init_connections(struct store_postgres *store)
{
	const struct config *config = store->config;
	struct postgres_settings settings = {
		.url = config->database_url,
		.lock_timeout = config->database_lock_timeout,
		.statement_timeout = config->database_statement_timeout,
		.idle_timeout = config->database_idle_timeout,
	};
	char *name = store->names[BATCH_LANES_MAX];

	(void)snprintf(name, STORE_NAME_SIZE, "drawdown:%s", config->replica_id);
	settings.application_name = name;
	postgres_init(&store->loop, &settings);
	settings.index_lookups_only = true;
	for (size_t i = 0; i < store->lanes_count; i++) {
		name = store->names[i];
		(void)snprintf(name, STORE_NAME_SIZE, "drawdown:%s lane %zu", config->replica_id, i);
		settings.application_name = name;
		postgres_init(&store->lanes[i], &settings);
	}
}

static enum outcome check_all(struct store_postgres *store, struct failure *reterr)
{
	enum outcome outcome = postgres_connect(&store->loop, reterr);

	if (outcome == OUTCOME_OK)
		outcome = check_version(store, reterr);
	if (outcome == OUTCOME_OK)
		outcome = check_role(store, reterr);
	if (outcome == OUTCOME_OK)
		outcome = check_setting(store, reterr);
	for (size_t i = 0; i < store->lanes_count && outcome == OUTCOME_OK; i++)
		outcome = postgres_connect(&store->lanes[i], reterr);
	if (outcome == OUTCOME_OK && !store->loop.is_durable)
		log_line(LOG_WARNING, "store.open",
			"fsync is off: the books do not survive a crash of the database's machine");
	return outcome;
}

enum outcome store_postgres_open(struct store *ret_store, const struct config *config, struct failure *reterr)
{
	struct store_postgres *store = calloc(1, sizeof *store);

	if (!store)
		abort();
	assert(config->database_lanes >= 1 && config->database_lanes <= BATCH_LANES_MAX);
	store->config = config;
	store->lanes_count = (size_t)config->database_lanes;
	init_connections(store);
	enum outcome outcome = check_all(store, reterr);
	if (outcome != OUTCOME_OK) {
		store_close(store);
		return outcome;
	}
	*ret_store = (struct store){
		.self = store,
		.claim = store_claim,
		.create_positions = store_create_positions,
		.prepare = store_prepare,
		.list_parked = store_list_parked,
		.recall_range = store_recall_range,
		.begin = store_begin,
		.limit_waits = store_limit_waits,
		.find_parked = store_find_parked,
		.lock = store_lock,
		.look_up = store_look_up,
		.recall = store_recall,
		.settle = store_settle,
		.park = store_park,
		.commit = store_commit,
		.abort = store_abort,
		.interrupt = store_interrupt,
		.close = store_close,
	};
	return OUTCOME_OK;
}
