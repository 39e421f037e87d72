/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/postgres.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "drawdown/failpoint.h"
#include "drawdown/log.h"
#include "drawdown/postgres_login.h"
#include "sql_files.h"

enum {
	COPY_CHUNK_SIZE = 64 * 1024,
	SCRATCH_BLOCK_SIZE = 1024 * 1024,
	SERVER_VERSION_MIN = 140000,
	OUTCOME_TEXT_SIZE = 300,
};
#define GRACE_US (5 * INSTANT_SECOND) /* our deadline lies so far behind the server's */

static const struct postgres_statement open_session = {
	"postgres.connect",
	"open_session",
	sql_open_session,
	{POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT,
		POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT,
		POSTGRES_TEXT, POSTGRES_TEXT},
};

void postgres_clear(PGresult **result)
{
	PQclear(*result);
	*result = NULL;
}

void postgres_init(struct postgres *postgres, const struct postgres_settings *settings)
{
	*postgres = (struct postgres){.settings = *settings, .interrupt_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
	assert(postgres->interrupt_fd >= 0);
	arena_init(&postgres->scratch, SCRATCH_BLOCK_SIZE);
}

void postgres_release(struct postgres *postgres)
{
	postgres_disconnect(postgres);
	arena_release(&postgres->scratch);
	(void)close(postgres->interrupt_fd);
}

void postgres_disconnect(struct postgres *postgres)
{
	PQfinish(postgres->connection);
	postgres->connection = NULL;
	postgres->prepared_count = 0;
}

void postgres_interrupt(struct postgres *postgres)
{
	uint64_t one = 1;
	ssize_t written = write(postgres->interrupt_fd, &one, sizeof one); /* EAGAIN: interrupted already */
	(void)written;
}

static void forget_interruption(struct postgres *postgres)
{
	uint64_t count;
	ssize_t size = read(postgres->interrupt_fd, &count, sizeof count); /* EAGAIN: none */
	(void)size;
}

/* The first line of libpq's message. */
static void read_message(const PGconn *connection, char text[OUTCOME_TEXT_SIZE])
{
	const char *message = PQerrorMessage(connection);
	int size = (int)strcspn(message, "\n");
	(void)snprintf(text, OUTCOME_TEXT_SIZE, "%.*s", size, size ? message : "no answer");
}

/* The connection cannot be trusted any more. */
static enum outcome fail_lost(
	struct postgres *postgres, const struct postgres_statement *statement, struct failure *reterr)
{
	char text[OUTCOME_TEXT_SIZE];

	read_message(postgres->connection, text);
	postgres->sqlstate[0] = '\0';
	postgres_disconnect(postgres);
	return fail(reterr, OUTCOME_RETRY, statement->where, "lost the database connection in %s: %s", statement->name,
		text);
}

static bool has_class(const char *state, const char *class)
{
	return strncmp(state, class, strlen(class)) == 0;
}

/* The connection stays usable. */
static bool is_retried(const char *state)
{
	static const char *const classes[] = {"40", "55P03", "23505", "57014", "53", "58030"};
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if (has_class(state, classes[i]))
			return true;
	return false;
}

/* Another connection may do better: shutting down, standby, idle too long, a statement forgotten by a pooler, DDL. */
static bool is_retried_anew(const char *state)
{
	static const char *const classes[] = {"08", "57P", "25", "26000", "0A000"};
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if (has_class(state, classes[i]))
			return true;
	return false;
}

/* Can one record's values, or one row that somebody keeps locked, be the cause? A full disk, a read-only or absent
 * database, a deadlock or a missing right never is. */
static bool may_be_customers(const char *state)
{
	static const char *const classes[] = {"22", "23", "54", "55P03", "57014"};
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if (has_class(state, classes[i]))
			return true;
	return false;
}

static void hint_at(struct failure *reterr, const char *state)
{
	if (has_class(state, "42501")) {
		fail_hint(reterr, "grant the role drawdown_worker (or drawdown_reader, for reading) to the user of "
				  "database.url; run `drawdown migrate` as the schema's owner first");
		if (reterr)
			reterr->exit_code = EXIT_RIGHTS;
	} else if (has_class(state, "42") || has_class(state, "3F"))
		fail_hint(reterr, "run `drawdown migrate`");
	else if (has_class(state, "53100"))
		fail_hint(reterr, "the database's disk is full");
	else if (has_class(state, "53300"))
		fail_hint(
			reterr, "the database allows no more connections: raise max_connections or run fewer replicas");
	else if (has_class(state, "25006"))
		fail_hint(reterr,
			"the database is read-only: target_session_attrs=read-write in database.url finds the primary");
}

/* The account was locked when it was read: nobody else can have taken a key that hangs on it. */
static bool is_of_account(const char *table)
{
	static const char *const tables[] = {"ledger_entry", "hold", "transfer"};
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		if (strcmp(table, tables[i]) == 0)
			return true;
	return false;
}

/* The server's own refusal. Its detail is left out: it may quote data. */
static enum outcome fail_refused(struct postgres *postgres, const struct postgres_statement *statement,
	const PGresult *result, struct failure *reterr)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *table = PQresultErrorField(result, PG_DIAG_TABLE_NAME);

	if (!state || PQstatus(postgres->connection) != CONNECTION_OK)
		return fail_lost(postgres, statement, reterr);
	(void)snprintf(postgres->sqlstate, sizeof postgres->sqlstate, "%s", state);
	bool is_broken = has_class(state, "23505") && table && is_of_account(table);
	bool is_suspect = !is_broken && may_be_customers(state);
	enum outcome outcome = !is_broken && (is_suspect || is_retried(state) || is_retried_anew(state))
				       ? OUTCOME_RETRY
				       : OUTCOME_FATAL;
	(void)fail(reterr, outcome, statement->where, "database refused %s: %.*s (SQLSTATE %.5s)", statement->name,
		OUTCOME_TEXT_SIZE, message ? message : "", state);
	if (is_broken)
		fail_hint(reterr, "an account's row is behind its ledger or its holds: the books were changed by hand "
				  "or restored in part");
	else
		hint_at(reterr, state);
	if (reterr)
		reterr->may_be_customers = is_suspect;
	if (is_retried_anew(state))
		postgres_disconnect(postgres);
	return outcome;
}

static int64_t deadline_of(const struct postgres *postgres)
{
	int64_t timeout = postgres->settings.statement_timeout;
	return timeout > 0 ? monotonic_now() + timeout + GRACE_US : INT64_MAX;
}

/* Wait until the socket is ready for `events`. */
static enum outcome wait_for(struct postgres *postgres, const struct postgres_statement *statement, short events,
	int64_t deadline, struct failure *reterr)
{
	struct pollfd fds[] = {
		{.fd = PQsocket(postgres->connection), .events = events},
		{.fd = postgres->interrupt_fd, .events = POLLIN},
	};
	int ready;

	do {
		int64_t left = deadline == INT64_MAX ? -1 : (deadline - monotonic_now() + 999) / 1000;
		if (deadline != INT64_MAX && left < 0)
			left = 0;
		ready = poll(fds, 2, left > 3600000 ? 3600000 : (int)left);
	} while ((ready < 0 && errno == EINTR) || (ready == 0 && monotonic_now() < deadline));

	if (ready > 0 && !fds[1].revents)
		return OUTCOME_OK;
	postgres_disconnect(postgres);
	if (ready > 0)
		return fail(reterr, OUTCOME_RETRY, statement->where, "%s was interrupted", statement->name);
	return fail(
		reterr, OUTCOME_RETRY, statement->where, "no answer from the database to %s in time", statement->name);
}

/* Send all that libpq has buffered, reading what comes meanwhile. */
static enum outcome flush_out(
	struct postgres *postgres, const struct postgres_statement *statement, int64_t deadline, struct failure *reterr)
{
	for (;;) {
		int left = PQflush(postgres->connection);
		if (left == 0)
			return OUTCOME_OK;
		if (left < 0)
			return fail_lost(postgres, statement, reterr);
		enum outcome outcome = wait_for(postgres, statement, POLLIN | POLLOUT, deadline, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		if (!PQconsumeInput(postgres->connection))
			return fail_lost(postgres, statement, reterr);
	}
}

/* The next result, NULL where there is none left. */
static enum outcome next_result(struct postgres *postgres, const struct postgres_statement *statement, int64_t deadline,
	PGresult **ret_result, struct failure *reterr)
{
	while (PQisBusy(postgres->connection)) {
		enum outcome outcome = wait_for(postgres, statement, POLLIN, deadline, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		if (!PQconsumeInput(postgres->connection))
			return fail_lost(postgres, statement, reterr);
	}
	*ret_result = PQgetResult(postgres->connection);
	return OUTCOME_OK;
}

/* All results of what was sent: the last good one, or the first error. */
static enum outcome collect(struct postgres *postgres, const struct postgres_statement *statement,
	PGresult **ret_result, struct failure *reterr)
{
	int64_t deadline = deadline_of(postgres);
	POSTGRES_RESULT good = NULL;
	POSTGRES_RESULT bad = NULL;
	enum outcome outcome = flush_out(postgres, statement, deadline, reterr);

	while (outcome == OUTCOME_OK) {
		PGresult *result = NULL;
		outcome = next_result(postgres, statement, deadline, &result, reterr);
		if (outcome != OUTCOME_OK || !result)
			break;
		ExecStatusType status = PQresultStatus(result);
		bool is_good = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_COPY_IN;
		PGresult **kept = is_good ? &good : &bad;
		if (is_good || !bad) {
			PQclear(*kept);
			*kept = result;
		} else {
			PQclear(result);
		}
		if (status == PGRES_COPY_IN)
			break;
	}
	if (outcome != OUTCOME_OK)
		return outcome;
	if (bad || !good)
		return fail_refused(postgres, statement, bad, reterr);
	if (ret_result) {
		*ret_result = good;
		good = NULL;
	}
	return OUTCOME_OK;
}

static enum outcome fail_closed(const struct postgres_statement *statement, struct failure *reterr)
{
	return fail(
		reterr, OUTCOME_RETRY, statement->where, "database connection is closed before %s", statement->name);
}

static enum outcome prepare_once(
	struct postgres *postgres, const struct postgres_statement *statement, struct failure *reterr)
{
	for (size_t i = 0; i < postgres->prepared_count; i++)
		if (postgres->prepared[i] == statement)
			return OUTCOME_OK;
	assert(postgres->prepared_count < POSTGRES_STATEMENTS_MAX);
	if (!PQsendPrepare(postgres->connection, statement->name, statement->text, 0, NULL))
		return fail_lost(postgres, statement, reterr);
	enum outcome outcome = collect(postgres, statement, NULL, reterr);
	if (outcome == OUTCOME_OK)
		postgres->prepared[postgres->prepared_count++] = statement;
	return outcome;
}

/* A statement that gives other columns than the code reads is a bug. */
static void check_columns(const struct postgres_statement *statement, const PGresult *result)
{
	int count = 0;
	while (statement->columns[count])
		count++;
	assert(PQnfields(result) == count);
	for (int i = 0; i < count; i++)
		assert(PQftype(result, i) == (Oid)statement->columns[i]);
}

enum outcome postgres_query(struct postgres *postgres, const struct postgres_statement *statement,
	const struct postgres_params *params, PGresult **ret_result, struct failure *reterr)
{
	const char *values[POSTGRES_PARAMS_MAX];
	int sizes[POSTGRES_PARAMS_MAX], formats[POSTGRES_PARAMS_MAX];
	int count = params ? params->count : 0;
	PGresult *result = NULL;

	if (!postgres->connection)
		return fail_closed(statement, reterr);
	enum outcome outcome = prepare_once(postgres, statement, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	for (int i = 0; i < count; i++) {
		/* Values carry their length; arrays a place for it. */
		const struct postgres_bytes *bytes = &params->bytes[i];
		bool is_null = bytes->size == 4 && memcmp(bytes->data, "\xff\xff\xff\xff", 4) == 0;
		values[i] = is_null ? NULL : bytes->data + 4;
		sizes[i] = (int)bytes->size - 4;
		formats[i] = 1;
	}
	if (!PQsendQueryPrepared(postgres->connection, statement->name, count, values, sizes, formats, 1))
		return fail_lost(postgres, statement, reterr);
	outcome = collect(postgres, statement, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	check_columns(statement, result);
	if (ret_result)
		*ret_result = result;
	else
		PQclear(result);
	return OUTCOME_OK;
}

size_t postgres_rows(PGresult *result)
{
	size_t rows = 0;
	for (const char *digit = PQcmdTuples(result); *digit; digit++)
		rows = rows * 10 + (size_t)(*digit - '0');
	return rows;
}

enum outcome postgres_execute(
	struct postgres *postgres, const char *where, const char *name, const char *text, struct failure *reterr)
{
	const struct postgres_statement statement = {.where = where, .name = name, .text = text};
	bool is_commit = strcmp(text, "commit") == 0;
	POSTGRES_RESULT result = NULL;

	if (!postgres->connection)
		return fail_closed(&statement, reterr);
	if (!PQsendQuery(postgres->connection, text))
		return fail_lost(postgres, &statement, reterr);
	enum outcome outcome = OUTCOME_OK;
	if (is_commit)
		FAILPOINT(COMMIT_SENT, &outcome, OUTCOME_RETRY, reterr);
	if (outcome == OUTCOME_OK)
		outcome = collect(postgres, &statement, &result, reterr);
	if (outcome == OUTCOME_OK && is_commit && strcmp(PQcmdStatus(result), "COMMIT") != 0)
		return fail(reterr, OUTCOME_RETRY, where, "database rolled back what was to be committed");
	return outcome;
}

void postgres_abort(struct postgres *postgres)
{
	if (!postgres->connection)
		return;
	switch (PQtransactionStatus(postgres->connection)) {
	case PQTRANS_IDLE:
		return;
	case PQTRANS_INTRANS:
	case PQTRANS_INERROR:
		if (postgres_execute(postgres, "postgres.abort", "rollback", "rollback", NULL) == OUTCOME_OK)
			return;
		break;
	case PQTRANS_ACTIVE:
	case PQTRANS_UNKNOWN:
		break;
	}
	postgres_disconnect(postgres);
}

enum outcome postgres_copy_begin(struct postgres_copy *copy, struct postgres *postgres,
	const struct postgres_statement *statement, struct failure *reterr)
{
	static const char header[19] =
		"PGCOPY\n\377\r\n"; /* signature with its NUL, 4 bytes flags, 4 bytes extension */

	*copy = (struct postgres_copy){.postgres = postgres, .statement = statement};
	if (!postgres->connection)
		return fail_closed(statement, reterr);
	if (!PQsendQuery(postgres->connection, statement->text))
		return fail_lost(postgres, statement, reterr);
	enum outcome outcome = collect(postgres, statement, NULL, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	copy->bytes = (struct postgres_bytes){
		.arena = &postgres->scratch,
		.data = arena_alloc(&postgres->scratch, 2 * COPY_CHUNK_SIZE),
		.capacity = 2 * COPY_CHUNK_SIZE,
	};
	memcpy(copy->bytes.data, header, sizeof header);
	copy->bytes.size = sizeof header;
	return OUTCOME_OK;
}

static enum outcome send_chunk(struct postgres_copy *copy, struct failure *reterr)
{
	struct postgres *postgres = copy->postgres;

	if (PQputCopyData(postgres->connection, copy->bytes.data, (int)copy->bytes.size) != 1)
		return fail_lost(postgres, copy->statement, reterr);
	copy->bytes.size = 0;
	return flush_out(postgres, copy->statement, deadline_of(postgres), reterr);
}

static void put_fields_count(struct postgres_bytes *bytes, int16_t count)
{
	uint16_t big = htobe16((uint16_t)count);
	memcpy(bytes->data + bytes->size, &big, sizeof big);
	bytes->size += sizeof big;
}

enum outcome postgres_copy_row(struct postgres_copy *copy, int16_t fields_count, struct failure *reterr)
{
	if (copy->bytes.size >= COPY_CHUNK_SIZE) {
		enum outcome outcome = send_chunk(copy, reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
	}
	put_fields_count(&copy->bytes, fields_count);
	copy->rows_count++;
	return OUTCOME_OK;
}

enum outcome postgres_copy_end(struct postgres_copy *copy, struct failure *reterr)
{
	struct postgres *postgres = copy->postgres;
	POSTGRES_RESULT result = NULL;
	enum outcome outcome = OUTCOME_OK;

	if (copy->bytes.size >= COPY_CHUNK_SIZE)
		outcome = send_chunk(copy, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	put_fields_count(&copy->bytes, -1);
	outcome = send_chunk(copy, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	if (PQputCopyEnd(postgres->connection, NULL) != 1)
		return fail_lost(postgres, copy->statement, reterr);
	outcome = collect(postgres, copy->statement, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	if (postgres_rows(result) != copy->rows_count)
		return fail(reterr, OUTCOME_FATAL, copy->statement->where, "%s wrote %zu rows of %zu",
			copy->statement->name, postgres_rows(result), copy->rows_count);
	return OUTCOME_OK;
}

static void log_notice(void *self, const char *message)
{
	(void)self;
	log_line(LOG_INFO, "postgres.notice", "%.*s", (int)strcspn(message, "\n"), message);
}

static void put_milliseconds(struct postgres_params *params, int64_t microseconds)
{
	postgres_put_text(postgres_add_value(params),
		arena_format(params->arena, "%lld", (long long)((microseconds + 999) / 1000)));
}

static enum outcome set_up_session(struct postgres *postgres, struct failure *reterr)
{
	const struct postgres_settings *settings = &postgres->settings;
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	if (PQserverVersion(postgres->connection) < SERVER_VERSION_MIN)
		return fail(reterr, OUTCOME_FATAL, open_session.where,
			"database is PostgreSQL %d, drawdown needs %d or later",
			PQserverVersion(postgres->connection) / 10000, SERVER_VERSION_MIN / 10000);
	postgres_params_init(&params, postgres);
	put_milliseconds(&params, settings->lock_timeout);
	put_milliseconds(&params, settings->statement_timeout);
	put_milliseconds(&params, settings->idle_timeout);
	postgres_put_text(postgres_add_value(&params), text_of(settings->index_lookups_only ? "off" : "on"));
	enum outcome outcome = postgres_query(postgres, &open_session, &params, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;

	struct postgres_row row = {.result = result, .column = 13};
	struct text synchronous_commit = postgres_get_text(&row);
	postgres->is_durable = text_equal(postgres_get_text(&row), TEXT_LITERAL("on"));
	struct text encoding = postgres_get_text(&row);
	if (!text_equal(encoding, TEXT_LITERAL("UTF8"))) {
		(void)fail(reterr, OUTCOME_FATAL, open_session.where,
			"the database's encoding is %.*s, drawdown needs UTF8: it keeps any text that an event may "
			"bear",
			TEXT_ARGS(encoding));
		fail_hint(reterr, "make the database with `create database ... encoding 'UTF8' template template0`");
		return OUTCOME_FATAL;
	}
	if (text_equal(synchronous_commit, TEXT_LITERAL("off"))) {
		(void)fail(reterr, OUTCOME_FATAL, open_session.where,
			"synchronous_commit is off: a crash of the database would lose what was published");
		fail_hint(reterr, "set synchronous_commit = on for the server, the database or the role");
		return OUTCOME_FATAL;
	}
	return OUTCOME_OK;
}

/* A password with a bare '@' or ':' in a URI ends up in host or port. */
static bool is_option_sound(const PQconninfoOption *option)
{
	if (!option->val)
		return true;
	if (strcmp(option->keyword, "port") == 0)
		return option->val[strspn(option->val, "0123456789,")] == '\0';
	if (strcmp(option->keyword, "host") == 0)
		return option->val[0] == '\0' || !strchr(option->val + 1, '@');
	return true;
}

/* What is malformed is not shown to libpq's connect: its messages may quote a part of the password. */
static bool is_well_formed(const char *url)
{
	char *message = NULL;
	PQconninfoOption *options = PQconninfoParse(url, &message);
	bool is_sound = options != NULL;

	for (const PQconninfoOption *option = options; option && option->keyword; option++)
		is_sound = is_sound && is_option_sound(option);
	PQconninfoFree(options);
	PQfreemem(message);
	return is_sound;
}

static enum outcome open_connection(struct postgres *postgres, struct failure *reterr)
{
	/* What stands before dbname may be overridden by the URL, what follows may not. */
	const char *const keywords[] = {"connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count",
		"tcp_user_timeout", "dbname", "application_name", "client_encoding", NULL};
	const char *const values[] = {"5", "10", "5", "3", "20000", postgres->settings.url,
		postgres->settings.application_name, "UTF8", NULL};
	char text[OUTCOME_TEXT_SIZE];

	if (!postgres->settings.url || !is_well_formed(postgres->settings.url)) {
		(void)fail(reterr, OUTCOME_FATAL, open_session.where, "database.url is not a connection string");
		fail_hint(reterr,
			"postgresql://user@host:5432/database (a password's special characters as %%40 and the like), "
			"or host=... dbname=... user=...");
		if (reterr)
			reterr->exit_code = EXIT_USAGE;
		return OUTCOME_FATAL;
	}
	postgres->connection = PQconnectdbParams(keywords, values, 1);
	if (PQstatus(postgres->connection) == CONNECTION_OK && PQsetnonblocking(postgres->connection, 1) == 0) {
		PQsetNoticeProcessor(postgres->connection,
			postgres->settings.notice ? postgres->settings.notice : log_notice,
			postgres->settings.notice_self);
		return OUTCOME_OK;
	}
	read_message(postgres->connection, text);
	postgres_disconnect(postgres);
	bool is_refused = postgres_login_is_refused(keywords, values);
	(void)fail(reterr, is_refused ? OUTCOME_FATAL : OUTCOME_RETRY, open_session.where,
		"could not connect to the database: %s", text);
	if (!is_refused)
		return OUTCOME_RETRY;
	fail_hint(reterr, "check user and password in database.url, and the server's pg_hba.conf");
	if (reterr)
		reterr->exit_code = EXIT_RIGHTS;
	return OUTCOME_FATAL;
}

enum outcome postgres_connect(struct postgres *postgres, struct failure *reterr)
{
	forget_interruption(postgres);
	if (postgres->connection && PQstatus(postgres->connection) != CONNECTION_OK)
		postgres_disconnect(postgres);
	if (postgres->connection)
		return OUTCOME_OK;
	enum outcome outcome = open_connection(postgres, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	outcome = set_up_session(postgres, reterr);
	if (outcome != OUTCOME_OK)
		postgres_disconnect(postgres);
	return outcome;
}
