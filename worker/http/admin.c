/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drawdown/metrics.h"

#define CONNECTIONS_MAX 16
#define CONNECTION_SECONDS_MAX 10
#define CONNECTION_MEMORY_SIZE (32 * 1024)
#define LISTEN_BACKLOG 16

struct admin {
	struct MHD_Daemon *daemon;
};

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, const char *type, char *body,
	size_t size, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(size, body, mode);

	if (!response)
		return MHD_NO;
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	enum MHD_Result result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result reply_line(struct MHD_Connection *connection, unsigned status, const char *line)
{
	char body[160];
	int size = snprintf(body, sizeof body, "%s\n", line);

	return reply(connection, status, "text/plain; charset=utf-8", body, (size_t)size, MHD_RESPMEM_MUST_COPY);
}

static enum MHD_Result reply_metrics(struct MHD_Connection *connection)
{
	char *body = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&body, &size);

	if (!out)
		return MHD_NO;
	metrics_write(out);
	if (fclose(out) != 0) {
		free(body);
		return MHD_NO;
	}
	return reply(
		connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", body, size, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result reply_check(struct MHD_Connection *connection, bool (*check)(const char **))
{
	const char *reason;
	bool passed = check(&reason);

	return reply_line(connection, passed ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, reason);
}

static enum MHD_Result handle_request(void *self, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size, void **request)
{
	(void)self, (void)version, (void)upload, (void)upload_size, (void)request;
	bool is_metrics = strcmp(url, "/metrics") == 0;
	bool is_live = strcmp(url, "/livez") == 0;
	bool is_ready = strcmp(url, "/readyz") == 0;

	if (!is_metrics && !is_live && !is_ready)
		return reply_line(connection, MHD_HTTP_NOT_FOUND, "not found: /metrics, /livez and /readyz are here");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return reply_line(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET");
	if (is_metrics)
		return reply_metrics(connection);
	return reply_check(connection, is_live ? metrics_is_live : metrics_is_ready);
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t make_address(union address *address, const struct config *config)
{
	uint16_t port = htons((uint16_t)config->admin_port);

	*address = (union address){0};
	if (inet_pton(AF_INET, config->admin_address, &address->v4.sin_addr) == 1) {
		address->v4.sin_family = AF_INET;
		address->v4.sin_port = port;
		return sizeof address->v4;
	}
	*address = (union address){0};
	if (inet_pton(AF_INET6, config->admin_address, &address->v6.sin6_addr) == 1) {
		address->v6.sin6_family = AF_INET6;
		address->v6.sin6_port = port;
		return sizeof address->v6;
	}
	return 0;
}

/* A listening socket, or -1 with errno: microhttpd itself would not say why. */
static int listen_at(const union address *address, socklen_t size)
{
	int on = 1;
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 && bind(fd, &address->any, size) == 0 &&
		listen(fd, LISTEN_BACKLOG) == 0)
		return fd;
	int error = errno;
	(void)close(fd);
	errno = error;
	return -1;
}

static enum outcome refuse(const struct config *config, int error, struct failure *reterr)
{
	(void)fail(reterr, OUTCOME_FATAL, "admin.open", "could not listen on %s port %d: %s", config->admin_address,
		(int)config->admin_port, strerror(error));
	if (error == EADDRINUSE)
		fail_hint(reterr, "another process has the port: set admin.port to a free one, or to 0 for none");
	else
		fail_hint(reterr, "set admin.address and admin.port");
	if (reterr)
		reterr->exit_code = EXIT_USAGE;
	return OUTCOME_FATAL;
}

enum outcome admin_open(struct admin **ret_admin, const struct config *config, struct failure *reterr)
{
	union address address;

	*ret_admin = NULL;
	if (config->admin_port == 0)
		return OUTCOME_OK;
	socklen_t size = make_address(&address, config);
	int fd = size == 0 ? -1 : listen_at(&address, size);
	if (fd < 0)
		return refuse(config, size == 0 ? EINVAL : errno, reterr);
	struct admin *admin = calloc(1, sizeof *admin);
	if (!admin)
		abort();
	admin->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL, handle_request,
		NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_SECONDS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_MEMORY_SIZE, MHD_OPTION_END);
	if (!admin->daemon) {
		(void)close(fd);
		free(admin);
		return refuse(config, errno, reterr);
	}
	*ret_admin = admin;
	return OUTCOME_OK;
}

void admin_close(struct admin *admin)
{
	if (!admin)
		return;
	MHD_stop_daemon(admin->daemon);
	free(admin);
}
