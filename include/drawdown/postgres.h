/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to PostgreSQL: prepared statements with binary parameters
 * and results, binary COPY, errors sorted into outcomes. Not a query
 * interface for everybody: statements live with the store or subcommand that
 * owns them, their text in worker/sql/.
 *
 * A connection belongs to one thread; only postgres_interrupt may come from
 * another. No call waits for ever: each has a deadline a little behind the
 * server's own statement_timeout, because a frozen server keeps none.
 *
 * RETRY: the server says so (serialization, lock time-out, a unique key taken,
 * out of space, read-only, shutting down), or the connection is lost or in
 * doubt: then it is closed, and opened again by the next postgres_connect.
 * FATAL: missing schema, missing rights, values that contradict the schema.
 * failure.may_be_customers: the server refused what one record or one locked
 * row can be the cause of (postgres.c lists the SQLSTATEs).
 */
#ifndef DRAWDOWN_POSTGRES_H
#define DRAWDOWN_POSTGRES_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/arena.h"
#include "drawdown/credit.h"
#include "drawdown/hash.h"
#include "drawdown/instant.h"
#include "drawdown/outcome.h"

/* OIDs of built-in types: fixed by PostgreSQL. */
enum postgres_type {
	POSTGRES_BOOL = 16,
	POSTGRES_BYTEA = 17,
	POSTGRES_INT8 = 20,
	POSTGRES_INT2 = 21,
	POSTGRES_INT4 = 23,
	POSTGRES_TEXT = 25,
	POSTGRES_TID = 27,
	POSTGRES_JSON = 114,
	POSTGRES_TIMESTAMPTZ = 1184,
	POSTGRES_NUMERIC = 1700,
	POSTGRES_UUID = 2950,
};

#define POSTGRES_COLUMNS_MAX 32
#define POSTGRES_PARAMS_MAX 20
#define POSTGRES_STATEMENTS_MAX 48

struct postgres_statement {
	const char *where; /* for failures: "store.lock" */
	const char *name;  /* its file's, without .sql */
	const char *text;
	enum postgres_type columns[POSTGRES_COLUMNS_MAX]; /* that come back; ends with 0 */
};

/* Times in microseconds, 0: none. */
struct postgres_settings {
	const char *url; /* borrowed, like the rest; never shown */
	const char *application_name;
	int64_t lock_timeout;
	int64_t statement_timeout;
	int64_t idle_timeout;
	bool index_lookups_only;  /* plans for arrays of keys, whatever the statistics say */
	PQnoticeProcessor notice; /* NULL: to the log */
	void *notice_self;
};

struct postgres {
	struct postgres_settings settings;
	PGconn *connection;   /* NULL: closed */
	struct arena scratch; /* parameters; the caller resets it when a call begins */
	const struct postgres_statement *prepared[POSTGRES_STATEMENTS_MAX];
	size_t prepared_count;
	int interrupt_fd; /* eventfd, readable once interrupted */
	char sqlstate[6]; /* of the last refusal; empty after a loss */
	bool is_durable;  /* fsync is on */
};

/* Connects nothing yet. */
void postgres_init(struct postgres *postgres, const struct postgres_settings *settings);
void postgres_release(struct postgres *postgres);

/* Opens the connection where it is closed; forgets an old interruption. RETRY where the server cannot
 * be reached. */
enum outcome postgres_connect(struct postgres *postgres, struct failure *reterr);
void postgres_disconnect(struct postgres *postgres);
/* Roll back what is open, or close the connection if it is in doubt. */
void postgres_abort(struct postgres *postgres);
/* Make the call in hand, and all up to the next postgres_connect, return RETRY at once. Any thread. */
void postgres_interrupt(struct postgres *postgres);

/*
 * Bytes of binary values: elements of an array, parameters, fields of a COPY row.
 * An absent text, INSTANT_NONE and put_null are null.
 */
struct postgres_bytes {
	struct arena *arena;
	char *data;
	size_t size, capacity;
};
/* So many bytes of values are to come, their lengths (4 bytes each) included: makes the room for them at once. */
void postgres_expect(struct postgres_bytes *bytes, size_t size);
void postgres_put_null(struct postgres_bytes *bytes);
void postgres_put_int16(struct postgres_bytes *bytes, int16_t value);
void postgres_put_int32(struct postgres_bytes *bytes, int32_t value);
void postgres_put_int64(struct postgres_bytes *bytes, int64_t value);
void postgres_put_text(struct postgres_bytes *bytes, struct text text);
/* A resource, which is '' in keys where it is absent. */
void postgres_put_resource(struct postgres_bytes *bytes, struct text resource_id);
void postgres_put_credit(struct postgres_bytes *bytes, credit_t amount);
void postgres_put_instant(struct postgres_bytes *bytes, instant_t instant);
void postgres_put_hash(struct postgres_bytes *bytes, struct hash128 hash);
/* Where a row lies, as postgres_get_tid gave it. */
void postgres_put_tid(struct postgres_bytes *bytes, uint64_t tid);

/* Parameters of one call, in the connection's scratch. */
struct postgres_params {
	struct arena *arena;
	int count;
	struct postgres_bytes bytes[POSTGRES_PARAMS_MAX];
};
void postgres_params_init(struct postgres_params *params, struct postgres *postgres);
/* A parameter of one value; put exactly one. */
struct postgres_bytes *postgres_add_value(struct postgres_params *params);
/* A parameter of an array; put exactly `count` elements. */
struct postgres_bytes *postgres_add_array(struct postgres_params *params, enum postgres_type type, size_t count);

/* Run a prepared statement (it is prepared at first use). *ret_result (NULL: rows are of no interest) is
 * PQclear'ed by the caller; its columns have the statement's types. `params` may be NULL. */
enum outcome postgres_query(struct postgres *postgres, const struct postgres_statement *statement,
	const struct postgres_params *params, PGresult **ret_result, struct failure *reterr);
/* How many rows a result has returned or changed. */
size_t postgres_rows(PGresult *result);
/* Run text that returns no rows, several statements too. A COMMIT that became a ROLLBACK is RETRY. */
enum outcome postgres_execute(
	struct postgres *postgres, const char *where, const char *name, const char *text, struct failure *reterr);

/* Binary COPY FROM STDIN: begin, (row, its put_*)*, end. After a failure only postgres_abort may follow. */
struct postgres_copy {
	struct postgres *postgres;
	const struct postgres_statement *statement;
	struct postgres_bytes bytes; /* put fields here */
	size_t rows_count;
};
enum outcome postgres_copy_begin(struct postgres_copy *copy, struct postgres *postgres,
	const struct postgres_statement *statement, struct failure *reterr);
enum outcome postgres_copy_row(struct postgres_copy *copy, int16_t fields_count, struct failure *reterr);
enum outcome postgres_copy_end(struct postgres_copy *copy, struct failure *reterr);

/* Reads a row column by column. Texts point into the result. Nulls: TEXT_NULL, 0, INSTANT_NONE. */
struct postgres_row {
	const PGresult *result;
	int row;
	int column;   /* the next one */
	bool corrupt; /* a value was none that C can hold */
};
bool postgres_is_null(const struct postgres_row *row); /* the next one; does not step */
void postgres_skip(struct postgres_row *row);
bool postgres_get_bool(struct postgres_row *row);
int16_t postgres_get_int16(struct postgres_row *row);
int32_t postgres_get_int32(struct postgres_row *row);
int64_t postgres_get_int64(struct postgres_row *row);
struct text postgres_get_text(struct postgres_row *row);
/* '' is absent. */
struct text postgres_get_resource(struct postgres_row *row);
credit_t postgres_get_credit(struct postgres_row *row);
instant_t postgres_get_instant(struct postgres_row *row);
struct hash128 postgres_get_hash(struct postgres_row *row);
uint64_t postgres_get_tid(struct postgres_row *row);

/* For cleanup of local results. */
void postgres_clear(PGresult **result);
#define POSTGRES_RESULT __attribute__((cleanup(postgres_clear))) PGresult *

#endif
