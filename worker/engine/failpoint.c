/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/failpoint.h"

#include <arpa/inet.h>
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drawdown/log.h"

#define LINE_SIZE 256
#define KAFKA_END_TXN 26 /* ApiKeys of the protocol */
#define KAFKA_TXN_OFFSET_COMMIT 28

enum action { CRASH, HANG, ERROR, LOST, ACTION_COUNT };

struct fault {
	enum failpoint failpoint;
	enum action action;
	unsigned argument; /* HANG: seconds; LOST: port */
	unsigned skip;
};

static const char *const failpoint_names[] = {
#define FAILPOINT_NAME(name) [FAILPOINT_##name] = #name,
	FAILPOINTS(FAILPOINT_NAME)
#undef FAILPOINT_NAME
};
static const char *const action_names[] = {"crash", "hang", "error", "lost"};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char armed_line[LINE_SIZE]; /* the passes are counted of this one */
static unsigned passes_count;

/* ---- the file ---- */

static _Noreturn void give_up(const char *what, const char *text)
{
	log_line(LOG_ERROR, "failpoint", "%s: %.*s", what, (int)strcspn(text, "\n"), text);
	abort();
}

static bool find_name(const char *const *names, size_t count, const char *name, size_t *ret_index)
{
	for (*ret_index = 0; *ret_index < count; (*ret_index)++)
		if (strcmp(names[*ret_index], name) == 0)
			return true;
	return false;
}

static struct fault parse(const char *line)
{
	char name[64] = "", action[16] = "";
	unsigned numbers[2] = {0, 0};
	size_t failpoint, kind;
	int words = sscanf(line, "%63s %15s %u %u", name, action, &numbers[0], &numbers[1]);

	if (words < 2 || !find_name(failpoint_names, FAILPOINT_COUNT, name, &failpoint) ||
		!find_name(action_names, ACTION_COUNT, action, &kind))
		give_up("no fault that is known", line);
	bool takes_argument = kind == HANG || kind == LOST;
	if (takes_argument ? words < 3 : words > 3)
		give_up("wrong number of arguments", line);
	return (struct fault){
		.failpoint = (enum failpoint)failpoint,
		.action = (enum action)kind,
		.argument = takes_argument ? numbers[0] : 0,
		.skip = numbers[takes_argument],
	};
}

/* The first line is done with. Whoever reads meanwhile finds the lines before or those after, never none. */
static void disarm(const char *path, FILE *file)
{
	char fired[4096], rest[4096], line[LINE_SIZE];
	bool is_more = false;

	(void)snprintf(fired, sizeof fired, "%s.fired", path);
	(void)snprintf(rest, sizeof rest, "%s.rest", path);
	FILE *out = fopen(rest, "w");
	if (!out)
		give_up("could not write", rest);
	for (; fgets(line, sizeof line, file); is_more = true)
		(void)fputs(line, out);
	if (fclose(out) != 0 || (is_more ? rename(rest, path) : rename(path, fired)) != 0)
		give_up("could not rename", path);
	if (!is_more)
		(void)unlink(rest);
}

/* Is it this place's turn? */
static bool is_due(const char *path, enum failpoint failpoint, struct fault *ret_fault)
{
	char line[LINE_SIZE];
	FILE *file = fopen(path, "r");

	if (!file)
		return false;
	bool is_due = fgets(line, sizeof line, file) != NULL;
	if (is_due) {
		*ret_fault = parse(line);
		if (strcmp(line, armed_line) != 0) {
			memcpy(armed_line, line, sizeof line);
			passes_count = 0;
		}
		is_due = ret_fault->failpoint == failpoint && passes_count++ >= ret_fault->skip;
	}
	if (is_due) {
		armed_line[0] = '\0';
		disarm(path, file);
	}
	(void)fclose(file);
	return is_due;
}

/* ---- the faults ---- */

static void hang(unsigned seconds)
{
	if (seconds == 0)
		for (;;)
			(void)pause();
	struct timespec left = {.tv_sec = seconds};
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

static bool is_peer_port(int fd, unsigned port)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_storage storage;
	} peer;
	socklen_t size = sizeof peer;

	if (getpeername(fd, &peer.any, &size) != 0)
		return false;
	return (peer.any.sa_family == AF_INET && ntohs(peer.v4.sin_port) == port) ||
	       (peer.any.sa_family == AF_INET6 && ntohs(peer.v6.sin6_port) == port);
}

/* What was sent still arrives; nothing comes back, and nothing more can be sent. */
static void lose(unsigned port)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned lost_count = 0;

	if (!directory)
		give_up("could not read", "/proc/self/fd");
	for (const struct dirent *entry; (entry = readdir(directory));) {
		int fd = (int)strtol(entry->d_name, NULL, 10);
		if (fd > STDERR_FILENO && is_peer_port(fd, port) && shutdown(fd, SHUT_RDWR) == 0)
			lost_count++;
	}
	(void)closedir(directory);
	log_line(LOG_WARNING, "failpoint", "shut %u connections to port %u down", lost_count, port);
}

void failpoint_pass(enum failpoint failpoint, enum outcome *outcome, enum outcome error, struct failure *reterr)
{
	const char *path = getenv("FAILPOINT_FILE");
	struct fault fault;

	if (!path || (outcome && *outcome != OUTCOME_OK))
		return;
	pthread_mutex_lock(&mutex);
	bool happens = is_due(path, failpoint, &fault);
	pthread_mutex_unlock(&mutex);
	if (!happens)
		return;
	log_line(LOG_WARNING, "failpoint", "%s %s", failpoint_names[failpoint], action_names[fault.action]);
	switch (fault.action) {
	case CRASH:
		(void)raise(SIGKILL);
		break;
	case HANG:
		hang(fault.argument);
		break;
	case ERROR:
		if (!outcome)
			give_up("cannot fail", failpoint_names[failpoint]);
		*outcome = fail(reterr, error, "failpoint", "failed at %s", failpoint_names[failpoint]);
		break;
	case LOST:
		lose(fault.argument);
		break;
	case ACTION_COUNT:
		break;
	}
}

/* ---- requests to Kafka ---- */

static rd_kafka_resp_err_t on_request_sent(rd_kafka_t *kafka, int socket, const char *broker, int32_t broker_id,
	int16_t api_key, int16_t version, int32_t correlation_id, size_t size, void *opaque)
{
	(void)kafka, (void)socket, (void)broker, (void)broker_id, (void)version, (void)correlation_id, (void)size;
	(void)opaque;
	if (api_key == KAFKA_TXN_OFFSET_COMMIT)
		FAILPOINT_WITHOUT_OUTCOME(OFFSETS_SENT);
	if (api_key == KAFKA_END_TXN)
		FAILPOINT_WITHOUT_OUTCOME(KAFKA_COMMIT_SENT);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(
	rd_kafka_t *kafka, const rd_kafka_conf_t *conf, void *opaque, char *text, size_t text_size)
{
	(void)conf, (void)opaque, (void)text, (void)text_size;
	return rd_kafka_interceptor_add_on_request_sent(kafka, "failpoint", on_request_sent, NULL);
}

void failpoint_watch_requests(struct rd_kafka_conf_s *conf)
{
	rd_kafka_resp_err_t code = rd_kafka_conf_interceptor_add_on_new(conf, "failpoint", on_new, NULL);
	assert(!code);
}
