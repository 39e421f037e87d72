/* SPDX-License-Identifier: Apache-2.0 */
/* libpq keeps the SQLSTATE of a connection that failed to itself; but it writes it into its message, in any language,
 * where it was told so before the server answered. */
#include "drawdown/postgres_login.h"

#include <libpq-fe.h>
#include <poll.h>
#include <string.h>

#include "drawdown/instant.h"

#define TIMEOUT (2 * INSTANT_SECOND)
#define STATE_SIZE 5

static bool has_failed(PGconn *connection)
{
	PostgresPollingStatusType status =
		PQstatus(connection) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;

	for (int64_t deadline = monotonic_now() + TIMEOUT, left = TIMEOUT;
		left > 0 && (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING);
		left = deadline - monotonic_now()) {
		struct pollfd event = {
			.fd = PQsocket(connection), .events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT};
		if (poll(&event, 1, (int)(left / INSTANT_MILLISECOND)) > 0)
			status = PQconnectPoll(connection);
	}
	return status == PGRES_POLLING_FAILED;
}

/* Each line is of one attempt: "connection to server at ... failed: FATAL:  28P01". */
static bool says_refused(const char *message)
{
	bool is_refused = *message != '\0';

	while (is_refused && *message != '\0') {
		size_t size = strcspn(message, "\n");
		is_refused = size > STATE_SIZE && strncmp(message + size - STATE_SIZE - 1, " 28", 3) == 0;
		message += size + (message[size] != '\0');
	}
	return is_refused;
}

bool postgres_login_is_refused(const char *const *keywords, const char *const *values)
{
	PGconn *connection = PQconnectStartParams(keywords, values, 1);

	(void)PQsetErrorVerbosity(connection, PQERRORS_SQLSTATE);
	bool is_refused = connection && has_failed(connection) && says_refused(PQerrorMessage(connection));
	PQfinish(connection);
	return is_refused;
}
