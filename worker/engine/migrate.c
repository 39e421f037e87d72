/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/postgres.h"
#include "drawdown/store_postgres.h"
#include "sql_files.h"

#define WAIT_FOR_OTHER (60 * INSTANT_SECOND) /* for another migration, or for a lock that is in the way */

static const struct postgres_statement lock_migrations = {
	"migrate.lock",
	"lock_migrations",
	sql_lock_migrations,
	{POSTGRES_BOOL},
};
static const struct postgres_statement has_schema = {
	"schema.version",
	"has_schema",
	sql_has_schema,
	{POSTGRES_BOOL},
};
static const struct postgres_statement read_schema_version = {
	"schema.version",
	"read_schema_version",
	sql_read_schema_version,
	{POSTGRES_INT4},
};
static const struct postgres_statement write_schema_version = {
	"migrate.step",
	"write_schema_version",
	sql_write_schema_version,
	{0},
};

static void show_notice(void *self, const char *message)
{
	(void)fprintf((FILE *)self, "%.*s\n", (int)strcspn(message, "\n"), message);
}

enum outcome migrate_read_version(struct postgres *postgres, int *ret_version, struct failure *reterr)
{
	POSTGRES_RESULT result = NULL;
	POSTGRES_RESULT version = NULL;
	enum outcome outcome = postgres_query(postgres, &has_schema, NULL, &result, reterr);

	*ret_version = 0;
	if (outcome != OUTCOME_OK)
		return outcome;
	struct postgres_row row = {.result = result};
	if (!postgres_get_bool(&row))
		return OUTCOME_OK;
	outcome = postgres_query(postgres, &read_schema_version, NULL, &version, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	row = (struct postgres_row){.result = version};
	*ret_version = postgres_get_int32(&row);
	return OUTCOME_OK;
}

static enum outcome note_version(
	struct postgres *postgres, const struct sql_migration *migration, struct failure *reterr)
{
	struct postgres_params params;

	arena_reset(&postgres->scratch);
	postgres_params_init(&params, postgres);
	postgres_put_int32(postgres_add_value(&params), migration->version);
	postgres_put_text(postgres_add_value(&params), text_of(migration->name));
	return postgres_query(postgres, &write_schema_version, &params, NULL, reterr);
}

/* The step and its row in schema_version, or neither. */
static enum outcome apply(
	struct postgres *postgres, const struct sql_migration *migration, FILE *progress, struct failure *reterr)
{
	int64_t begun_at = monotonic_now();
	enum outcome outcome = postgres_execute(postgres, "migrate.step", "begin", "begin", reterr);

	if (outcome == OUTCOME_OK)
		outcome = postgres_execute(postgres, "migrate.step", migration->name, migration->text, reterr);
	if (outcome == OUTCOME_OK)
		outcome = note_version(postgres, migration, reterr);
	if (outcome == OUTCOME_OK)
		outcome = postgres_execute(postgres, "migrate.step", "commit", "commit", reterr);
	if (outcome == OUTCOME_OK)
		(void)fprintf(progress, "applied %04d %s (%lld ms)\n", migration->version, migration->name,
			(long long)((monotonic_now() - begun_at) / 1000));
	return outcome;
}

static enum outcome apply_all(struct postgres *postgres, FILE *progress, struct failure *reterr)
{
	int newest = sql_migrations[sql_migrations_count - 1].version, version;
	enum outcome outcome = migrate_read_version(postgres, &version, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	if (version > newest) {
		(void)fail(reterr, OUTCOME_FATAL, "migrate.version",
			"schema drawdown is at version %d, this program knows %d", version, newest);
		fail_hint(reterr, "migrations only go forward: run a newer drawdown");
		return OUTCOME_FATAL;
	}
	for (size_t i = 0; i < sql_migrations_count && outcome == OUTCOME_OK; i++)
		if (sql_migrations[i].version > version)
			outcome = apply(postgres, &sql_migrations[i], progress, reterr);
	if (outcome == OUTCOME_OK)
		outcome = postgres_execute(postgres, "migrate.roles", "roles", sql_roles, reterr);
	if (outcome == OUTCOME_OK)
		(void)fprintf(progress, "schema drawdown is at version %d%s\n", newest,
			version == newest ? ", nothing to do" : "");
	return outcome;
}

enum outcome migrate_run(const struct config *config, FILE *progress, struct failure *reterr)
{
	const struct postgres_settings settings = {
		.url = config->database_url,
		.application_name = "drawdown migrate",
		.lock_timeout = WAIT_FOR_OTHER,
		.notice = show_notice,
		.notice_self = progress,
	};
	struct postgres postgres;

	postgres_init(&postgres, &settings);
	enum outcome outcome = postgres_connect(&postgres, reterr);
	if (outcome == OUTCOME_OK)
		outcome = postgres_query(&postgres, &lock_migrations, NULL, NULL, reterr);
	if (outcome == OUTCOME_OK)
		outcome = apply_all(&postgres, progress, reterr);
	postgres_abort(&postgres);
	postgres_release(&postgres); /* ends the session, and with it the lock */
	return outcome;
}
