/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: /metrics is what Prometheus can read and says what was counted; /livez and /readyz tell the truth; the port
 * answers nothing else and says why it cannot be had.
 * Method: count, then read the text as it goes out; a real socket for the port. The counters belong to the process,
 * so that each test looks at what it adds.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture.h"
#include "drawdown/admin.h"
#include "drawdown/log.h"
#include "drawdown/metrics.h"

#include <cmocka.h> /* last: it has a macro fail() */

#define ANSWER_SIZE_MAX (128 * 1024)

/* The value of a sample in the text, or -1. */
static int64_t sample_in(const char *text, const char *name)
{
	size_t size = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, size) == 0 && line[size] == ' ')
			return strtoll(line + size + 1, NULL, 10);
	}
	return -1;
}

static int64_t sample(const char *name)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	metrics_write(out);
	assert_int_equal(fclose(out), 0);
	int64_t value = sample_in(text, name);
	free(text);
	return value;
}

static void counters_add_up(void **state)
{
	(void)state;
	int64_t batches = sample("drawdown_batches_total");
	int64_t retries = sample("drawdown_lane_retries_total");
	metrics_count(COUNTER_BATCHES, 2);
	metrics_count(COUNTER_BATCHES, 3);
	metrics_count(COUNTER_LANE_RETRIES, 1);
	assert_int_equal(sample("drawdown_batches_total"), batches + 5);
	assert_int_equal(sample("drawdown_lane_retries_total"), retries + 1);
}

static void inputs_are_counted_by_kind_and_outcome(void **state)
{
	(void)state;
	metrics_count_input(EVENT_CONSUME, RESULT_APPLIED, 7);
	metrics_count_input(EVENT_GRANT, RESULT_DUPLICATE, 1);
	metrics_count_input(-1, RESULT_DEAD_LETTERED, 2);
	assert_int_equal(sample("drawdown_inputs_total{kind=\"consume\",outcome=\"applied\"}"), 7);
	assert_int_equal(sample("drawdown_inputs_total{kind=\"grant\",outcome=\"duplicate\"}"), 1);
	assert_int_equal(sample("drawdown_inputs_total{kind=\"unreadable\",outcome=\"dead_lettered\"}"), 2);
	assert_int_equal(sample("drawdown_inputs_total{kind=\"void\",outcome=\"applied\"}"), 0);
}

static void dead_letters_are_counted_by_reason(void **state)
{
	(void)state;
	assert_int_equal(sample("drawdown_dead_letters_total{reason=\"invalid_timestamp\"}"), 0);
	metrics_count_dead_letter("missing_field");
	metrics_count_dead_letter("missing_field");
	metrics_count_dead_letter("empty");
	metrics_count_dead_letter("a reason of another version");
	assert_int_equal(sample("drawdown_dead_letters_total{reason=\"missing_field\"}"), 2);
	assert_int_equal(sample("drawdown_dead_letters_total{reason=\"empty\"}"), 1);
	assert_int_equal(sample("drawdown_dead_letters_total{reason=\"other\"}"), 1);
	assert_int_equal(sample("drawdown_dead_letters_total{reason=\"invalid_timestamp\"}"), 0);
}

static void errors_are_counted_by_class(void **state)
{
	(void)state;
	metrics_count_error(OUTCOME_RETRY);
	metrics_count_error(OUTCOME_RETRY);
	metrics_count_error(OUTCOME_FATAL);
	assert_int_equal(sample("drawdown_errors_total{class=\"retry\"}"), 2);
	assert_int_equal(sample("drawdown_errors_total{class=\"fatal\"}"), 1);
	assert_int_equal(sample("drawdown_errors_total{class=\"rewind\"}"), 0);
}

static void a_histogram_counts_each_value_in_its_bucket_and_all_above(void **state)
{
	(void)state;
	metrics_observe_stage(STAGE_LOCK, 1000);
	metrics_observe_stage(STAGE_LOCK, 1001);
	metrics_observe_stage(STAGE_LOCK, 31000000);
	metrics_observe_stage(STAGE_LOCK, -5);
	assert_int_equal(sample("drawdown_stage_duration_seconds_bucket{stage=\"lock\",le=\"0.000100\"}"), 1);
	assert_int_equal(sample("drawdown_stage_duration_seconds_bucket{stage=\"lock\",le=\"0.001000\"}"), 2);
	assert_int_equal(sample("drawdown_stage_duration_seconds_bucket{stage=\"lock\",le=\"0.002500\"}"), 3);
	assert_int_equal(sample("drawdown_stage_duration_seconds_bucket{stage=\"lock\",le=\"30.000000\"}"), 3);
	assert_int_equal(sample("drawdown_stage_duration_seconds_bucket{stage=\"lock\",le=\"+Inf\"}"), 4);
	assert_int_equal(sample("drawdown_stage_duration_seconds_count{stage=\"lock\"}"), 4);
	assert_int_equal(sample("drawdown_stage_duration_seconds_sum{stage=\"lock\"}"), 31);
	metrics_observe_batch_size(10000);
	metrics_observe_batch_size(3);
	assert_int_equal(sample("drawdown_batch_records_bucket{le=\"3\"}"), 1);
	assert_int_equal(sample("drawdown_batch_records_bucket{le=\"10000\"}"), 2);
	assert_int_equal(sample("drawdown_batch_records_sum"), 10003);
	assert_int_equal(sample("drawdown_batch_records_count"), 2);
}

static void lag_is_from_our_own_position_until_the_partition_is_given_back(void **state)
{
	(void)state;
	static const char *const topics[INPUT_COUNT] = {"eu.usage", "eu.commands"};
	metrics_name_inputs(topics);
	metrics_set_position(INPUT_USAGE, 3, 90, 90, 100);
	metrics_set_position(INPUT_COMMANDS, 3, 5, 5, 5);
	assert_int_equal(sample("drawdown_lag_records{topic=\"eu.usage\",partition=\"3\"}"), 10);
	/* read to the end, a marker behind, nothing of it published yet */
	metrics_set_position(INPUT_USAGE, 3, 100, 101, 101);
	assert_int_equal(sample("drawdown_lag_records{topic=\"eu.usage\",partition=\"3\"}"), 11);
	metrics_set_published(INPUT_USAGE, 3, 95);
	assert_int_equal(sample("drawdown_lag_records{topic=\"eu.usage\",partition=\"3\"}"), 6);
	metrics_set_published(INPUT_USAGE, 3, 100);
	assert_int_equal(sample("drawdown_lag_records{topic=\"eu.usage\",partition=\"3\"}"), 0);
	assert_int_equal(sample("drawdown_position{topic=\"eu.usage\",partition=\"3\"}"), 101);
	assert_int_equal(sample("drawdown_lag_records{topic=\"eu.commands\",partition=\"3\"}"), 0);
	metrics_forget_positions();
	assert_int_equal(sample("drawdown_lag_records{topic=\"eu.usage\",partition=\"3\"}"), -1);
}

static void exactly_one_state_is_1(void **state)
{
	(void)state;
	metrics_set_state(WORKER_RUNNING);
	assert_int_equal(metrics_state(), WORKER_RUNNING);
	for (int i = 0; i < WORKER_STATE_COUNT; i++) {
		char name[64];
		(void)snprintf(
			name, sizeof name, "drawdown_state{state=\"%s\"}", worker_state_name((enum worker_state)i));
		assert_int_equal(sample(name), i == WORKER_RUNNING);
	}
}

static void the_process_tells_its_memory_and_version(void **state)
{
	(void)state;
	assert_true(sample("process_resident_memory_bytes") > 1024 * 1024);
	assert_true(sample("process_cpu_seconds_total") >= 0);
	assert_int_equal(sample("drawdown_build_info{version=\"" DRAWDOWN_VERSION "\"}"), 1);
}

static void every_family_has_one_help_and_one_type_before_its_samples(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size;
	char family[128] = "";
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	metrics_set_position(INPUT_USAGE, 0, 1, 1, 2);
	metrics_write(out);
	metrics_forget_positions();
	assert_int_equal(fclose(out), 0);
	char *rest = text;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			(void)snprintf(family, sizeof family, "%.*s", (int)strcspn(line + 7, " "), line + 7);
		} else if (strncmp(line, "# TYPE ", 7) == 0) {
			assert_memory_equal(line + 7, family, strlen(family));
		} else {
			assert_memory_equal(line, family, strlen(family));
		}
	}
	free(text);
}

static void *count_batches(void *unused)
{
	for (int i = 0; i < 10000; i++) {
		metrics_count(COUNTER_REWINDS, 1);
		metrics_observe_stage(STAGE_ENCODE, i);
		metrics_set_position(INPUT_USAGE, i % 8, i, i, i);
	}
	return unused;
}

static void counting_from_many_threads_loses_nothing(void **state)
{
	(void)state;
	pthread_t threads[4];
	int64_t rewinds = sample("drawdown_rewinds_total");
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_batches, NULL), 0);
	assert_true(sample("drawdown_rewinds_total") >= rewinds);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(sample("drawdown_rewinds_total"), rewinds + 40000);
	assert_int_equal(sample("drawdown_stage_duration_seconds_count{stage=\"encode\"}"), 40000);
	metrics_forget_positions();
}

/* A port that was free a moment ago. */
static int free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(close(fd), 0);
	return ntohs(address.sin_port);
}

static void ask(int64_t port, const char *request_line, char answer[ANSWER_SIZE_MAX])
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
	char request[256];
	size_t used = 0;
	ssize_t size;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	(void)snprintf(request, sizeof request,
		"%s HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", request_line);
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	while ((size = read(fd, answer + used, ANSWER_SIZE_MAX - 1 - used)) > 0)
		used += (size_t)size;
	answer[used] = '\0';
	assert_int_equal(close(fd), 0);
}

static void expect(int64_t port, const char *request_line, const char *status, const char *body)
{
	static char answer[ANSWER_SIZE_MAX];
	char expected[64];

	ask(port, request_line, answer);
	(void)snprintf(expected, sizeof expected, "HTTP/1.1 %s\r\n", status);
	assert_memory_equal(answer, expected, strlen(expected));
	const char *begin = strstr(answer, "\r\n\r\n");
	assert_non_null(begin);
	assert_string_equal(begin + 4, body);
}

static void the_port_answers_its_three_paths_and_no_other(void **state)
{
	(void)state;
	static char answer[ANSWER_SIZE_MAX];
	struct config config = {.admin_address = (char[]){"127.0.0.1"}, .admin_port = free_port()};
	struct admin *admin;
	struct failure failure;
	assert_int_equal(admin_open(&admin, &config, &failure), OUTCOME_OK);
	metrics_heartbeat();
	expect(config.admin_port, "GET /livez", "200 OK", "ok\n");
	metrics_set_ready(false, "waiting for Kafka");
	expect(config.admin_port, "GET /readyz", "503 Service Unavailable", "waiting for Kafka\n");
	metrics_set_ready(true, NULL);
	expect(config.admin_port, "GET /readyz", "200 OK", "ok\n");
	expect(config.admin_port, "HEAD /readyz", "200 OK", "");
	expect(config.admin_port, "GET /", "404 Not Found", "not found: /metrics, /livez and /readyz are here\n");
	expect(config.admin_port, "GET /metrics/", "404 Not Found",
		"not found: /metrics, /livez and /readyz are here\n");
	expect(config.admin_port, "POST /metrics", "405 Method Not Allowed", "only GET\n");
	ask(config.admin_port, "GET /metrics", answer);
	assert_non_null(strstr(answer, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_true(sample_in(answer, "drawdown_ready") == 1);
	admin_close(admin);
}

static void a_port_in_use_is_fatal_and_says_so(void **state)
{
	(void)state;
	struct config config = {.admin_address = (char[]){"127.0.0.1"}, .admin_port = free_port()};
	struct admin *first, *second;
	struct failure failure;
	char expected[128];
	assert_int_equal(admin_open(&first, &config, &failure), OUTCOME_OK);
	assert_int_equal(admin_open(&second, &config, &failure), OUTCOME_FATAL);
	(void)snprintf(expected, sizeof expected, "could not listen on 127.0.0.1 port %d: Address already in use",
		(int)config.admin_port);
	assert_string_equal(failure.text, expected);
	assert_string_equal(
		failure.hint, "another process has the port: set admin.port to a free one, or to 0 for none");
	assert_int_equal(failure.exit_code, EXIT_USAGE);
	assert_null(second);
	admin_close(first);
}

static void port_0_is_no_port(void **state)
{
	(void)state;
	struct config config = {.admin_address = (char[]){"127.0.0.1"}};
	struct admin *admin;
	assert_int_equal(admin_open(&admin, &config, NULL), OUTCOME_OK);
	assert_null(admin);
	admin_close(admin);
}

/* The line behind its time. */
static void expect_line(const struct capture *capture, const char *before, const char *expected)
{
	const char *time_end = strchr(capture->err, 'Z');
	assert_memory_equal(capture->err, before, strlen(before));
	assert_non_null(time_end);
	assert_string_equal(time_end + 1, expected);
}

static void log_lines_are_logfmt_or_json(void **state)
{
	(void)state;
	static struct capture capture;
	struct failure failure = {
		.outcome = OUTCOME_RETRY, .where = "store.commit", .text = "no answer", .hint = "wait"};
	capture_begin(&capture);
	log_line(LOG_INFO, "worker.assigned", "got %d \"partitions\"\n", 8);
	log_line(LOG_DEBUG, "worker.assigned", "not shown");
	capture_end(&capture);
	expect_line(&capture, "ts=2", " level=info event=worker.assigned msg=\"got 8 \\\"partitions\\\"\\n\"\n");
	capture_begin(&capture);
	log_failure(LOG_ERROR, &failure);
	capture_end(&capture);
	expect_line(
		&capture, "ts=2", " level=error event=store.commit outcome=retry msg=\"no answer\" hint=\"wait\"\n");
	log_configure(LOG_ERROR, true);
	failure.hint[0] = '\0';
	capture_begin(&capture);
	log_line(LOG_WARNING, "worker.assigned", "not shown");
	log_failure(LOG_ERROR, &failure);
	capture_end(&capture);
	expect_line(&capture, "{\"ts\":\"2",
		"\",\"level\":\"error\",\"event\":\"store.commit\",\"outcome\":\"retry\",\"msg\":\"no answer\"}\n");
	log_configure(LOG_INFO, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_add_up),
		cmocka_unit_test(inputs_are_counted_by_kind_and_outcome),
		cmocka_unit_test(dead_letters_are_counted_by_reason),
		cmocka_unit_test(errors_are_counted_by_class),
		cmocka_unit_test(a_histogram_counts_each_value_in_its_bucket_and_all_above),
		cmocka_unit_test(lag_is_from_our_own_position_until_the_partition_is_given_back),
		cmocka_unit_test(exactly_one_state_is_1),
		cmocka_unit_test(the_process_tells_its_memory_and_version),
		cmocka_unit_test(every_family_has_one_help_and_one_type_before_its_samples),
		cmocka_unit_test(counting_from_many_threads_loses_nothing),
		cmocka_unit_test(the_port_answers_its_three_paths_and_no_other),
		cmocka_unit_test(a_port_in_use_is_fatal_and_says_so),
		cmocka_unit_test(port_0_is_no_port),
		cmocka_unit_test(log_lines_are_logfmt_or_json),
	};
	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
