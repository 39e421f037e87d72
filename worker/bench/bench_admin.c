/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define TIMEOUT_S 2

static int connect_to(int port)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connection < 0)
		return -1;
	(void)setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	(void)setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
	if (connect(connection, (const struct sockaddr *)&address, sizeof address) == 0)
		return connection;
	(void)close(connection);
	return -1;
}

static bool find_index(const char *name, size_t size, const char *const *names, size_t count, size_t *ret_index)
{
	for (size_t i = 0; i < count; i++) {
		if (names[i] && strlen(names[i]) == size && strncmp(names[i], name, size) == 0) {
			*ret_index = i;
			return true;
		}
	}
	return false;
}

/* The value of a label, where the line has it; `label` with what stands before the value: `stage="`. */
static bool find_label(const char *line, const char *label, const char **ret_value, size_t *ret_size)
{
	const char *at = strstr(line, label), *value = at ? at + strlen(label) : NULL;
	const char *end = value ? strchr(value, '"') : NULL;

	if (!end)
		return false;
	*ret_value = value;
	*ret_size = (size_t)(end - value);
	return true;
}

static bool begins(const char *line, const char *name)
{
	return strncmp(line, name, strlen(name)) == 0;
}

static void read_line(struct bench_metrics *metrics, const char *line)
{
	const char *results[RESULT_KIND_COUNT] = {0}, *stages[STAGE_COUNT];
	const char *space = strrchr(line, ' '), *label;
	double value = space ? strtod(space, NULL) : 0;
	size_t size, index;

	for (int stage = 0; stage < STAGE_COUNT; stage++)
		stages[stage] = metrics_stage_name((enum stage)stage);
	for (int kind = RESULT_APPLIED; kind < RESULT_KIND_COUNT; kind++)
		results[kind] = result_kind_name((enum result_kind)kind);
	if (begins(line, "drawdown_stage_duration_seconds_sum") && find_label(line, "stage=\"", &label, &size) &&
		find_index(label, size, stages, STAGE_COUNT, &index))
		metrics->stage_seconds[index] += value;
	else if (begins(line, "drawdown_inputs_total") && find_label(line, "outcome=\"", &label, &size) &&
		 find_index(label, size, results, RESULT_KIND_COUNT, &index))
		metrics->inputs[index] += value;
	else if (begins(line, "drawdown_batches_total "))
		metrics->batches += value;
	else if (begins(line, "drawdown_ledger_entries_total "))
		metrics->entries += value;
	else if (begins(line, "drawdown_lane_retries_total "))
		metrics->retries += value;
	else if (begins(line, "drawdown_rewinds_total "))
		metrics->rewinds += value;
	else if (begins(line, "drawdown_position{"))
		metrics->partitions_count++;
	else if (begins(line, "drawdown_state{state=\"running\"} 1"))
		metrics->is_running = true;
}

bool bench_metrics_read(int port, struct bench_metrics *ret_metrics)
{
	static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
	int connection = connect_to(port);
	char line[1024];
	bool is_whole = false;

	ret_metrics->is_running = false;
	if (connection < 0)
		return false;
	FILE *stream = fdopen(connection, "r+e");
	if (!stream) {
		(void)close(connection);
		return false;
	}
	if (write(connection, request, sizeof request - 1) == (ssize_t)sizeof request - 1) {
		while (fgets(line, sizeof line, stream)) {
			read_line(ret_metrics, line);
			is_whole = is_whole || begins(line, "process_cpu_seconds_total ");
		}
	}
	(void)fclose(stream);
	return is_whole;
}
