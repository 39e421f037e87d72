/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define END_PATIENCE (20 * INSTANT_SECOND)
#define END_PAUSE (5 * INSTANT_MILLISECOND)
#define ENVIRONMENT_MAX 1000
#define LOG_SHOWN 300 /* of a process that failed */
#define ARGUMENTS_MAX (2 * OPTION_LIST_MAX + 16)

extern char **environ;

/* ---- start ---- */

/* Ours, without what is overridden. */
static void merge_environment(const char *const *overrides, const char *merged[ENVIRONMENT_MAX + 1])
{
	size_t count = 0;

	for (char **variable = environ; *variable && count < ENVIRONMENT_MAX / 2; variable++) {
		size_t size = strcspn(*variable, "=") + 1;
		bool is_overridden = false;
		for (const char *const *over = overrides; over && *over && !is_overridden; over++)
			is_overridden = strncmp(*over, *variable, size) == 0;
		if (!is_overridden)
			merged[count++] = *variable;
	}
	for (; overrides && *overrides && count < ENVIRONMENT_MAX; overrides++)
		merged[count++] = *overrides;
	merged[count] = NULL;
}

union strings {
	const char *const *read;
	char *const *taken; /* execve changes nothing, but its interface does not say so */
};

/* Between fork and exec: only what is safe there. */
__attribute__((noreturn)) static void become(union strings argv, union strings environment, int log, pid_t parent)
{
	int null = open("/dev/null", O_RDONLY);

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(127);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)execve(argv.read[0], argv.taken, environment.taken);
	_exit(127);
}

enum outcome bench_process_start(struct bench *bench, struct bench_process *process, const char *const *argv,
	const char *const *environment, const char *log_name, struct failure *reterr)
{
	const char *merged[ENVIRONMENT_MAX + 1];
	pid_t parent = getpid();

	(void)snprintf(process->log, sizeof process->log, "%.60s/%.80s.log", bench->directory, log_name);
	int log = open(process->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0)
		return fail(reterr, OUTCOME_FATAL, "bench", "could not write %s: %s", process->log, strerror(errno));
	merge_environment(environment, merged);
	process->pid = fork();
	if (process->pid == 0)
		become((union strings){argv}, (union strings){merged}, log, parent);
	(void)close(log);
	if (process->pid < 0) {
		process->pid = 0;
		return fail(reterr, OUTCOME_FATAL, "bench", "could not start %s: %s", argv[0], strerror(errno));
	}
	(void)setpgid(process->pid, process->pid);
	return OUTCOME_OK;
}

/* Nobody listens there at the moment. */
static int find_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port = 0;

	if (listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0 &&
		getsockname(listener, (struct sockaddr *)&address, &size) == 0)
		port = ntohs(address.sin_port);
	if (listener >= 0)
		(void)close(listener);
	return port;
}

enum outcome bench_worker_start(struct bench *bench, const struct bench_site *site, struct bench_process *process,
	int replica, bool is_floor, struct failure *reterr)
{
	const char *argv[ARGUMENTS_MAX];
	char url[4096], name[BENCH_NAME_SIZE + 16], id[48], port[48];
	size_t count = 0;

	*process = (struct bench_process){.port = find_port()};
	(void)snprintf(url, sizeof url, "DRAWDOWN_DATABASE_URL=%s", site->url);
	(void)snprintf(name, sizeof name, "%s-%d", site->name, replica);
	(void)snprintf(id, sizeof id, "replica.id=%d", replica);
	(void)snprintf(port, sizeof port, "admin.port=%d", process->port);
	argv[count++] = "/proc/self/exe";
	argv[count++] = is_floor ? "bench" : "worker";
	if (is_floor)
		argv[count++] = "--floor-worker";
	if (bench->options->config_path) {
		argv[count++] = "--config";
		argv[count++] = bench->options->config_path;
	}
	for (size_t i = 0; i < site->settings.count; i++) {
		if (strncmp(site->settings.values[i], "database.url", 12) == 0)
			continue;
		argv[count++] = "--set";
		argv[count++] = site->settings.values[i];
	}
	argv[count++] = "--set";
	argv[count++] = id;
	argv[count++] = "--set";
	argv[count++] = port;
	argv[count] = NULL;
	return bench_process_start(bench, process, argv, (const char *const[]){url, NULL}, name, reterr);
}

/* ---- end ---- */

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* True: it has ended, now or before. */
static bool reap(struct bench_process *process)
{
	struct rusage usage;

	if (process->pid == 0)
		return true;
	pid_t ended = wait4(process->pid, &process->status, WNOHANG, &usage);
	if (ended == 0 || (ended < 0 && errno == EINTR))
		return false;
	if (ended == process->pid) {
		process->cpu = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
		if (usage.ru_maxrss * 1024 > process->rss_max)
			process->rss_max = usage.ru_maxrss * 1024;
	}
	process->pid = 0;
	return true;
}

static void read_end(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");

	*text = '\0';
	if (!file)
		return;
	if (fseek(file, -(long)(size - 1), SEEK_END) != 0)
		rewind(file);
	size_t count = fread(text, 1, size - 1, file);
	text[count] = '\0';
	while (count && text[count - 1] == '\n')
		text[--count] = '\0';
	(void)fclose(file);
}

enum outcome bench_process_check(struct bench_process *process, bool may_end, struct failure *reterr)
{
	char end[LOG_SHOWN];

	if (!reap(process) || (may_end && WIFEXITED(process->status) && WEXITSTATUS(process->status) == 0))
		return OUTCOME_OK;
	read_end(process->log, end, sizeof end);
	(void)fail(reterr, OUTCOME_FATAL, "bench", "a process ended with %s %d: ...%s",
		WIFEXITED(process->status) ? "exit code" : "signal",
		WIFEXITED(process->status) ? WEXITSTATUS(process->status) : WTERMSIG(process->status), end);
	fail_hint(reterr, "its log: %s", process->log);
	return OUTCOME_FATAL;
}

void bench_process_end(struct bench_process *process)
{
	int64_t deadline = monotonic_now() + END_PATIENCE;

	if (reap(process))
		return;
	(void)kill(-process->pid, SIGTERM);
	while (!reap(process)) {
		const struct timespec pause = {.tv_nsec = END_PAUSE * 1000};
		if (monotonic_now() > deadline)
			(void)kill(-process->pid, SIGKILL);
		(void)nanosleep(&pause, NULL);
	}
}

/* ---- a look at them ---- */

instant_t bench_process_first_poll(const struct bench_process *process)
{
	FILE *file = fopen(process->log, "re");
	char line[2048];
	instant_t found = 0;

	if (!file)
		return 0;
	while (!found && fgets(line, sizeof line, file)) {
		char *space = strchr(line, ' ');
		if (!strstr(line, " event=worker.assigned ") || strncmp(line, "ts=", 3) != 0 || !space)
			continue;
		if (!instant_parse((struct text){line + 3, (size_t)(space - line - 3)}, &found))
			found = 0;
	}
	(void)fclose(file);
	return found;
}

int64_t bench_process_memory(pid_t pid, const char *field)
{
	char path[64], line[256];
	long long kilobytes = 0;

	(void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof line, file))
		if (strncmp(line, field, strlen(field)) == 0)
			(void)sscanf(line + strlen(field), ": %lld", &kilobytes);
	if (file)
		(void)fclose(file);
	return kilobytes * 1024;
}

double bench_process_cpu(pid_t pid)
{
	char path[64], line[1024];
	unsigned long long user, system;
	double seconds = -1;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return -1;
	const char *behind = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
	if (behind && sscanf(behind, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) == 2)
		seconds = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
	(void)fclose(file);
	return seconds;
}

double bench_machine_cpu(void)
{
	unsigned long long user, nice, system, idle, waiting, interrupts, soft;
	FILE *file = fopen("/proc/stat", "re");
	int count = file ? fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
				   &waiting, &interrupts, &soft)
			 : 0;

	if (file)
		(void)fclose(file);
	return count == 7 ? (double)(user + nice + system + interrupts + soft) / (double)sysconf(_SC_CLK_TCK) : -1;
}
