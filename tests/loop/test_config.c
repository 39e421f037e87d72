/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a configuration is either exactly what was written, or refused with a message that names file, line and
 * option, and never shows a secret; what is documented is what the table says.
 * Method: files made here, the environment of this process, exact messages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "drawdown/config.h"
#include "drawdown/config_table.h"
#include "drawdown/instant.h"

#include <cmocka.h> /* last: it has a macro fail() */

#define SERVERS "kafka.bootstrap.servers = broker:9092\ndatabase.url = postgresql://db/drawdown\n"

static char path[] = "/tmp/drawdown-test-XXXXXX";
static struct config config;
static struct failure failure;

static int make_file(void **state)
{
	(void)state;
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

/* No variable of one test, nor of the shell, reaches the next. */
static int clear_environment(void **state)
{
	(void)state;
	for (char **entry = environ; *entry;) {
		char name[CONFIG_VARIABLE_SIZE];
		const char *equals = strchr(*entry, '=');
		if (strncmp(*entry, "DRAWDOWN_", 9) == 0 && equals) {
			(void)snprintf(name, sizeof name, "%.*s", (int)(equals - *entry), *entry);
			assert_int_equal(unsetenv(name), 0);
		} else {
			entry++;
		}
	}
	config_release(&config);
	return 0;
}

static void write_file(const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* The file's text behind the two servers. */
static void load(const char *text)
{
	char whole[4096];
	(void)snprintf(whole, sizeof whole, SERVERS "%s", text);
	write_file(whole);
	if (config_load(&config, path, &failure) != OUTCOME_OK)
		fail_msg("%s", failure.text);
}

/* "%" stands for the file's name. */
static void expect_text(const char *expected)
{
	char text[1024];
	const char *place = strchr(expected, '%');
	if (place)
		(void)snprintf(text, sizeof text, "%.*s%s%s", (int)(place - expected), expected, path, place + 1);
	else
		(void)snprintf(text, sizeof text, "%s", expected);
	assert_string_equal(failure.text, text);
	assert_int_equal(failure.exit_code, EXIT_USAGE);
	assert_null(config.kafka);
}

static void refuse_file(const char *text, const char *expected, const char *hint)
{
	write_file(text);
	assert_int_equal(config_load(&config, path, &failure), OUTCOME_REJECT);
	expect_text(expected);
	assert_string_equal(failure.hint, hint);
}

static void refuse_variable(const char *name, const char *value, const char *expected, const char *hint)
{
	write_file(SERVERS);
	assert_int_equal(setenv(name, value, 1), 0);
	assert_int_equal(config_load(&config, path, &failure), OUTCOME_REJECT);
	expect_text(expected);
	assert_string_equal(failure.hint, hint);
	assert_int_equal(unsetenv(name), 0);
}

static void defaults_are_those_that_are_documented(void **state)
{
	(void)state;
	char host[256] = "";
	(void)gethostname(host, sizeof host - 1);
	load("");
	assert_string_equal(config_kafka(&config, "bootstrap.servers"), "broker:9092");
	assert_string_equal(config.database_url, "postgresql://db/drawdown");
	assert_int_equal(config.database_lanes, 2);
	assert_int_equal(config.database_lock_timeout, 5 * INSTANT_SECOND);
	assert_int_equal(config.database_statement_timeout, 30 * INSTANT_SECOND);
	assert_int_equal(config.database_idle_timeout, 10 * INSTANT_SECOND);
	assert_string_equal(config.replica_id, host);
	assert_string_equal(config.group_id, "drawdown");
	assert_int_equal(config.group_session_timeout, 6 * INSTANT_SECOND);
	assert_string_equal(config.input_topics[INPUT_USAGE], "credits.usage");
	assert_string_equal(config.input_topics[INPUT_COMMANDS], "credits.commands");
	assert_string_equal(config.output_topics[OUTPUT_LEDGER], "credits.ledger");
	assert_string_equal(config.output_topics[OUTPUT_BALANCES], "credits.balances");
	assert_string_equal(config.output_topics[OUTPUT_OUTCOMES], "credits.outcomes");
	assert_string_equal(config.output_topics[OUTPUT_NOTIFICATIONS], "credits.notifications");
	assert_string_equal(config.output_topics[OUTPUT_DEAD_LETTERS], "credits.dead-letters");
	assert_int_equal(config.topics_partitions, 8);
	assert_int_equal(config.topics_replication, 3);
	assert_int_equal(config.topics_retention, 7 * INSTANT_DAY);
	assert_int_equal(config.topics_dead_letters_retention, 14 * INSTANT_DAY);
	assert_false(config.inputs_trusted);
	assert_false(config.inputs_crc32);
	assert_int_equal(config.pairs_timeout, 300 * INSTANT_SECOND);
	assert_int_equal(config.merge_wait, 50 * INSTANT_MILLISECOND);
	assert_int_equal(config.batch_records_max, 10000);
	assert_int_equal(config.batch_entries_max, 12000);
	assert_int_equal(config.batch_bytes_max, 8 * 1024 * 1024);
	assert_int_equal(config.batch_linger, 5 * INSTANT_MILLISECOND);
	assert_int_equal(config.encoding.format, FORMAT_AVRO);
	assert_false(config.encoding.outcomes_all);
	assert_ptr_equal(config.encoding.input_topics[INPUT_USAGE], config.input_topics[INPUT_USAGE]);
	assert_ptr_equal(config.encoding.input_topics[INPUT_COMMANDS], config.input_topics[INPUT_COMMANDS]);
	assert_int_equal(config.rules.dedupe_window, 30 * INSTANT_DAY);
	assert_int_equal(config.rules.future_tolerance, 300 * INSTANT_SECOND);
	assert_int_equal(config.rules.grants_open_max, 1000);
	assert_int_equal(config.rules.holds_open_max, 1000);
	assert_false(config.rules.currencies_open);
	assert_int_equal(config.dedupe_generation, 30 * INSTANT_DAY);
	assert_false(config.dedupe_window_short);
	assert_int_equal(config.transaction_timeout, 5 * INSTANT_SECOND);
	assert_int_equal(config.transaction_timeout_max, 60 * INSTANT_SECOND);
	assert_int_equal(config.watchdog_timeout, 30 * INSTANT_SECOND);
	assert_int_equal(config.watchdog_max, 3);
	assert_string_equal(config.admin_address, "127.0.0.1");
	assert_int_equal(config.admin_port, 9464);
	assert_int_equal(config.log_level, LOG_INFO);
	assert_false(config.log_json);
}

static void a_file_sets_options_of_every_type(void **state)
{
	(void)state;
	load("# a comment, an empty line, white space around\n"
	     "\n"
	     "  batch.records.max=500\r\n"
	     "batch.linger = 0\n"
	     "merge.wait\t=\t2s\n"
	     "batch.bytes.max = 64kB\n"
	     "inputs.timestamps = trusted\n"
	     "outputs.format = json\n"
	     "outcomes = all\n"
	     "currencies.open = yes\n"
	     "log.level = error\n"
	     "grants.open.max = 7\n"
	     "admin.address = ::1\n"
	     "kafka.sasl.password = a # b = c");
	assert_int_equal(config.batch_records_max, 500);
	assert_int_equal(config.batch_linger, 0);
	assert_int_equal(config.merge_wait, 2 * INSTANT_SECOND);
	assert_int_equal(config.batch_bytes_max, 65536);
	assert_true(config.inputs_trusted);
	assert_int_equal(config.encoding.format, FORMAT_JSON);
	assert_true(config.encoding.outcomes_all);
	assert_true(config.rules.currencies_open);
	assert_int_equal(config.log_level, LOG_ERROR);
	assert_int_equal(config.rules.grants_open_max, 7);
	assert_string_equal(config.admin_address, "::1");
	assert_string_equal(config_kafka(&config, "sasl.password"), "a # b = c");
}

static void the_environment_goes_over_the_file_and_settings_over_both(void **state)
{
	(void)state;
	static const char *const settings[] = {"batch.linger=3ms", "kafka.linger.ms = 3"};
	write_file(SERVERS "batch.linger = 1ms\nmerge.wait = 1ms\nkafka.linger.ms = 1\n");
	assert_int_equal(setenv("DRAWDOWN_MERGE_WAIT", "2ms", 1), 0);
	assert_int_equal(setenv("DRAWDOWN_BATCH_LINGER", "2ms", 1), 0);
	assert_int_equal(setenv("DRAWDOWN_KAFKA_LINGER_MS", "2", 1), 0);
	assert_int_equal(setenv("DRAWDOWN_TOPICS_DEAD_LETTERS", "letters", 1), 0);
	assert_int_equal(config_load_over(&config, path, settings, 2, CONFIG_NEEDS_ALL, &failure), OUTCOME_OK);
	assert_int_equal(config.merge_wait, 2 * INSTANT_MILLISECOND);
	assert_int_equal(config.batch_linger, 3 * INSTANT_MILLISECOND);
	assert_string_equal(config_kafka(&config, "linger.ms"), "3");
	assert_string_equal(config.output_topics[OUTPUT_DEAD_LETTERS], "letters");
	assert_int_equal(config.kafka_count, 2);
}

static void the_environment_alone_is_enough(void **state)
{
	(void)state;
	assert_int_equal(setenv("DRAWDOWN_KAFKA_BOOTSTRAP_SERVERS", "broker:1", 1), 0);
	assert_int_equal(setenv("DRAWDOWN_DATABASE_URL", "host=db dbname=drawdown", 1), 0);
	assert_int_equal(config_load(&config, NULL, &failure), OUTCOME_OK);
	assert_string_equal(config_kafka(&config, "bootstrap.servers"), "broker:1");
	assert_string_equal(config.database_url, "host=db dbname=drawdown");
}

static void an_unknown_option_names_file_line_and_the_nearest(void **state)
{
	(void)state;
	refuse_file(SERVERS "bach.records.max = 5\n", "%:3: unknown option 'bach.records.max'",
		"did you mean batch.records.max?");
	refuse_file(
		"entirely.other = 5\n", "%:1: unknown option 'entirely.other'", "drawdown config reference lists them");
	refuse_file("kafka.bootstap.servers = a\n", "%:1: unknown option 'kafka.bootstap.servers'",
		"did you mean kafka.bootstrap.servers?");
}

static void a_value_that_does_not_fit_is_refused_with_its_line(void **state)
{
	(void)state;
	static const char duration_hint[] = "units are us, ms, s, min, h, d: batch.linger = 5ms";
	refuse_file("batch.linger = 5\n", "%:1: 'batch.linger' needs a unit: '5'", duration_hint);
	refuse_file("batch.linger = 5MB\n", "%:1: 'batch.linger' has an unknown unit: '5MB'", duration_hint);
	refuse_file("batch.linger = soon\n", "%:1: 'batch.linger' takes a whole number and a unit, not 'soon'",
		duration_hint);
	refuse_file("batch.linger = 1.5s\n", "%:1: 'batch.linger' has an unknown unit: '1.5s'", duration_hint);
	refuse_file("\nbatch.bytes.max = 16mb\n", "%:2: 'batch.bytes.max' has an unknown unit: '16mb'",
		"units are B, kB, MB, GB: batch.bytes.max = 8MB");
	refuse_file("batch.linger = 11s\n", "%:1: 'batch.linger' is 0 to 10s, not 11s", "");
	refuse_file("batch.linger = 99999999999999999999d\n",
		"%:1: 'batch.linger' is 0 to 10s, not 99999999999999999999d", "");
	refuse_file("database.lanes = 17\n", "%:1: 'database.lanes' is 1 to 16, not 17", "");
	refuse_file("database.lanes = -1\n", "%:1: 'database.lanes' is 1 to 16, not -1", "");
	refuse_file("database.lanes = two\n", "%:1: 'database.lanes' takes a whole number, not 'two'", "");
	refuse_file("log.level = warn\n", "%:1: 'log.level' is one of debug, info, warning, error, not 'warn'", "");
	refuse_file("outputs.format = avr\n", "%:1: 'outputs.format' is one of avro, json, not 'avr'",
		"did you mean avro?");
	refuse_file(
		"group.id = a b\n", "%:1: 'group.id' has a character other than A-Z, a-z, 0-9, '.', '_' and '-'", "");
	refuse_file("admin.address = localhost\n", "%:1: 'admin.address' is not an IP address: 'localhost'", "");
}

static void a_key_without_a_value_or_given_twice_is_refused(void **state)
{
	(void)state;
	refuse_file("group.id =\n", "%:1: 'group.id' has no value", "leave it out for the default");
	refuse_file("group.id = a\n\ngroup.id = a\n", "%:3: 'group.id' is set twice, first in line 1", "");
	refuse_file("kafka.linger.ms = 1\nkafka.linger.ms = 2\n",
		"%:2: 'kafka.linger.ms' is set twice, first in line 1", "");
}

static void a_line_that_is_not_an_option_is_refused_and_not_shown(void **state)
{
	(void)state;
	refuse_file("hunter2\n", "%:1: expected key = value", "");
	refuse_file("= hunter2\n", "%:1: expected key = value", "");
	refuse_file("two words = hunter2\n", "%:1: expected key = value", "");
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite("group.id = a\0b\n", 1, 15, file), 15);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(config_load(&config, path, &failure), OUTCOME_REJECT);
	expect_text("%:1: the line holds a NUL byte");
}

static void a_file_that_cannot_be_read_is_refused(void **state)
{
	(void)state;
	assert_int_equal(config_load(&config, "/nowhere/drawdown.conf", &failure), OUTCOME_REJECT);
	expect_text("could not read /nowhere/drawdown.conf: No such file or directory");
	assert_int_equal(config_load(&config, "/tmp", &failure), OUTCOME_REJECT);
	expect_text("could not read /tmp: Is a directory");
}

static void the_servers_that_are_needed_must_be_named(void **state)
{
	(void)state;
	refuse_file("database.url = host=db\n", "%: 'kafka.bootstrap.servers' is missing",
		"set it in a file named by --config, as DRAWDOWN_KAFKA_BOOTSTRAP_SERVERS or by --set");
	refuse_file("kafka.bootstrap.servers = a\n", "%: 'database.url' is missing",
		"set it in a file named by --config, as DRAWDOWN_DATABASE_URL or by --set");
	assert_int_equal(config_load(&config, NULL, &failure), OUTCOME_REJECT);
	expect_text("'kafka.bootstrap.servers' is missing: there is no configuration file");
	assert_int_equal(config_load_over(&config, NULL, NULL, 0, CONFIG_NEEDS_NOTHING, &failure), OUTCOME_OK);
}

static void a_variable_that_is_no_option_is_refused(void **state)
{
	(void)state;
	refuse_variable("DRAWDOWN_BATCH_LINGR", "5ms", "DRAWDOWN_BATCH_LINGR: no option has this variable",
		"did you mean DRAWDOWN_BATCH_LINGER?");
	refuse_variable("DRAWDOWN_BATCH_LINGER", "5", "DRAWDOWN_BATCH_LINGER: 'batch.linger' needs a unit: '5'",
		"units are us, ms, s, min, h, d: batch.linger = 5ms");
	refuse_variable(
		"DRAWDOWN_GROUP_ID", "", "DRAWDOWN_GROUP_ID: 'group.id' has no value", "leave it out for the default");
	refuse_variable("DRAWDOWN_KAFKA_LINGR_MS", "5", "DRAWDOWN_KAFKA_LINGR_MS: unknown option 'kafka.lingr.ms'",
		"see CONFIGURATION.md of librdkafka for the names");
}

static void variables_of_others_are_left_alone(void **state)
{
	(void)state;
	static const char *const others[][2] = {
		{"DRAWDOWN_CONFIG", "x"},
		{"DRAWDOWN_SEED", "x"},
		{"DRAWDOWN_PRESET", "x"},
		{"DRAWDOWN_WERROR", "x"},
		{"DRAWDOWN_SERVICE_HOST", "10.0.0.1"},
		{"DRAWDOWN_SERVICE_PORT_METRICS", "9464"},
		{"DRAWDOWN_PORT", "tcp://10.0.0.1:9464"},
		{"DRAWDOWN_PORT_9464_TCP_ADDR", "10.0.0.1"},
		{"DRAWDOWN_ADMIN_PORT", "tcp://10.0.0.1:9464"},
	};
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_int_equal(setenv(others[i][0], others[i][1], 1), 0);
	load("");
	assert_int_equal(config.admin_port, 9464);
}

static void options_of_librdkafka_are_passed_on_and_checked(void **state)
{
	(void)state;
	load("kafka.security.protocol = sasl_ssl\nkafka.client.id = me\n");
	assert_string_equal(config_kafka(&config, "security.protocol"), "sasl_ssl");
	assert_null(config_kafka(&config, "sasl.username"));
	config_release(&config);
	refuse_file("kafka.fetch.min.bytes = -4\n",
		"%:1: 'kafka.fetch.min.bytes' has a value that librdkafka does not take",
		"Configuration property \"fetch.min.bytes\" value -4 is outside allowed range 1..100000000");
	refuse_file("kafka.sasl.oauthbearer.method = hunter2\n",
		"%:1: 'kafka.sasl.oauthbearer.method' has a value that librdkafka does not take", "");
}

static void options_that_the_worker_owns_are_refused_with_the_reason(void **state)
{
	(void)state;
	static const char *const owned[] = {"enable.auto.commit", "isolation.level", "transactional.id",
		"group.instance.id", "group.id", "enable.idempotence", "partitioner", "auto.offset.reset",
		"enable.partition.eof", "acks", "transaction.timeout.ms", "partition.assignment.strategy"};
	for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
		char text[128], expected[128];
		(void)snprintf(text, sizeof text, "kafka.%s = all\n", owned[i]);
		(void)snprintf(expected, sizeof expected, "%s:1: 'kafka.%s' cannot be set: ", path, owned[i]);
		write_file(text);
		assert_int_equal(config_load(&config, path, &failure), OUTCOME_REJECT);
		assert_memory_equal(failure.text, expected, strlen(expected));
		assert_true(strlen(failure.text) > strlen(expected));
	}
}

static void options_that_contradict_each_other_are_refused(void **state)
{
	(void)state;
	refuse_file(SERVERS "database.lock.timeout = 30s\n",
		"%:3: 'database.lock.timeout' (30s) must be less than 'database.statement.timeout' (30s)", "");
	refuse_file(SERVERS "database.statement.timeout = 5s\n",
		"%:3: 'database.lock.timeout' (5s) must be less than 'database.statement.timeout' (5s)", "");
	refuse_file(SERVERS "dedupe.window = 10d\ndedupe.generation = 11d\n",
		"%:4: 'dedupe.generation' (11d) must be at most 'dedupe.window' (10d)", "");
	refuse_file(SERVERS "publish.transaction.timeout = 61s\n",
		"%:3: 'publish.transaction.timeout' (61s) must be at most 'publish.transaction.timeout.max' (1min)",
		"");
	refuse_file(SERVERS "batch.entries.max = 9999\n",
		"%:3: 'batch.records.max' (10000) must be at most 'batch.entries.max' (9999)", "");
	refuse_file(SERVERS "topics.ledger = credits.usage\n",
		"%:3: 'topics.usage' and 'topics.ledger' name the same topic", "");
}

static void a_generation_that_nobody_set_follows_a_shorter_window(void **state)
{
	(void)state;
	load("dedupe.window = 21d\n");
	assert_int_equal(config.dedupe_generation, 21 * INSTANT_DAY);
}

static void topics_follow_the_prefix_where_they_are_not_named(void **state)
{
	(void)state;
	load("topics.prefix = eu.\ntopics.balances = totals\n");
	assert_string_equal(config.input_topics[INPUT_USAGE], "eu.usage");
	assert_string_equal(config.output_topics[OUTPUT_DEAD_LETTERS], "eu.dead-letters");
	assert_string_equal(config.output_topics[OUTPUT_BALANCES], "totals");
}

static void a_broken_connection_string_is_refused_and_not_shown(void **state)
{
	(void)state;
	refuse_file("kafka.bootstrap.servers = a\ndatabase.url = password hunter2\n",
		"%:2: 'database.url' is neither a connection string nor a URI",
		"postgresql://user@host:5432/name or host=... dbname=...");
}

static void a_setting_that_is_wrong_is_refused_and_not_shown(void **state)
{
	(void)state;
	static const char *const bare[] = {"hunter2"};
	static const char *const unknown[] = {"grup.id=a"};
	write_file(SERVERS);
	assert_int_equal(config_load_over(&config, path, bare, 1, CONFIG_NEEDS_ALL, &failure), OUTCOME_REJECT);
	expect_text("--set: expected key=value");
	assert_int_equal(config_load_over(&config, path, unknown, 1, CONFIG_NEEDS_ALL, &failure), OUTCOME_REJECT);
	expect_text("--set: unknown option 'grup.id'");
}

static void a_registry_is_named_by_its_address_unless_it_has_a_name(void **state)
{
	(void)state;
	load("");
	assert_null(config.registry_url);
	assert_null(config.registry_name);
	assert_int_equal(config.registry_timeout, 5 * INSTANT_SECOND);
	assert_int_equal(config.registry_unknown_lifetime, 60 * INSTANT_SECOND);
	config_release(&config);
	load("registry.url = https://registry:8081/apis/\n");
	assert_string_equal(config.registry_name, "registry:8081/apis");
	config_release(&config);
	load("registry.url = https://new:8081\nregistry.name = old:8081\n");
	assert_string_equal(config.registry_name, "old:8081");
}

static void options_of_a_registry_that_do_not_go_together_are_refused(void **state)
{
	(void)state;
	const char *hint = "https://host:port/path; who logs in is said by registry.user or registry.token";
	refuse_file(SERVERS "registry.url = http://ann:s3cret@registry\n",
		"%:3: 'registry.url' is no address of a registry", hint);
	refuse_file(SERVERS "registry.url = registry:8081\n", "%:3: 'registry.url' is no address of a registry", hint);
	refuse_file(SERVERS "registry.url = http://\n", "%:3: 'registry.url' is no address of a registry", hint);
	refuse_file(
		SERVERS "registry.password = s3cret\n", "%:3: 'registry.password' is set, but no 'registry.user'", "");
	refuse_file(SERVERS "registry.user = ann\nregistry.token = s3cret\n",
		"%:3: 'registry.user' and a token are both set: it is the one or the other", "");
	refuse_file(SERVERS "registry.token = s3cret\nregistry.token.file = /s3cret\n",
		"%:4: 'registry.token' and 'registry.token.file' are both set", "");
	refuse_file(SERVERS "registry.user = ann\nregistry.password = a\nregistry.password.file = /b\n",
		"%:5: 'registry.password' and 'registry.password.file' are both set", "");
}

static void the_effective_configuration_leaves_secrets_out(void **state)
{
	(void)state;
	static struct capture capture;
	load("kafka.sasl.password = hunter2\nbatch.linger = 1500ms\n");
	capture_begin(&capture);
	config_write_effective(&config, stdout);
	capture_end(&capture);
	assert_non_null(
		strstr(capture.out, "kafka.bootstrap.servers = broker:9092\nkafka.sasl.password = (not shown)\n"));
	assert_non_null(strstr(capture.out, "database.url = (not shown)\n"));
	assert_non_null(strstr(capture.out, "batch.linger = 1500ms\n"));
	assert_null(strstr(capture.out, "hunter2"));
}

static void names_and_variables_of_options_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < config_options_count; i++) {
		char variable[CONFIG_VARIABLE_SIZE], other[CONFIG_VARIABLE_SIZE];
		config_option_variable(config_options[i].name, variable);
		for (size_t j = 0; j < i; j++) {
			config_option_variable(config_options[j].name, other);
			assert_string_not_equal(variable, other);
		}
		assert_true(config_options[i].standard || config_options[i].standard_note);
		assert_int_equal(config_options[i].help[strlen(config_options[i].help) - 1], '.');
	}
}

/* The file under the source tree and what `write` generates are the same. */
static void compare(const char *name, void (*write)(FILE *))
{
	char *generated = NULL, *committed = NULL;
	size_t generated_size = 0, committed_size = 0;
	FILE *out = open_memstream(&generated, &generated_size);
	write(out);
	assert_int_equal(fclose(out), 0);
	FILE *file = fopen(name, "r");
	if (!file)
		fail_msg("could not read %s", name);
	ssize_t size = getdelim(&committed, &committed_size, '\0', file);
	assert_int_equal(fclose(file), 0);
	if (size < 0 || strcmp(generated, committed) != 0)
		fail_msg("%s is not what the table says: generate it again with drawdown config", name);
	free(generated);
	free(committed);
}

static void the_committed_example_and_reference_are_what_the_table_says(void **state)
{
	(void)state;
	compare(SOURCE_DIR "/config/drawdown.conf", config_write_example);
	compare(SOURCE_DIR "/config/REFERENCE.md", config_write_reference);
}

static void the_committed_files_are_valid(void **state)
{
	(void)state;
	assert_int_equal(config_load(&config, SOURCE_DIR "/config/drawdown-minimal.conf", &failure), OUTCOME_OK);
	config_release(&config);
	assert_int_equal(
		config_load_over(&config, SOURCE_DIR "/config/drawdown.conf", NULL, 0, CONFIG_NEEDS_NOTHING, &failure),
		OUTCOME_OK);
}

static void the_example_says_the_defaults(void **state)
{
	(void)state;
	struct config uncommented;
	char *line = NULL;
	size_t capacity = 0, options_count = 0;
	load("");
	FILE *example = fopen(SOURCE_DIR "/config/drawdown.conf", "r");
	FILE *file = fopen(path, "a");
	assert_non_null(example);
	assert_non_null(file);
	while (getline(&line, &capacity, example) >= 0) {
		const char *equals = strstr(line, " = ");
		if (line[0] == '#' && line[1] != ' ' && equals) {
			assert_true(fputs(line + 1, file) >= 0);
			options_count++;
		}
	}
	assert_int_equal(fclose(example) + fclose(file), 0);
	free(line);
	assert_true(options_count > 30);
	assert_int_equal(config_load(&uncommented, path, &failure), OUTCOME_OK);
	for (size_t i = 0; i < config_options_count; i++) {
		char a[CONFIG_VALUE_SIZE], b[CONFIG_VALUE_SIZE];
		if (config_options[i].type == CONFIG_KAFKA)
			continue;
		config_option_format(&config_options[i], &config, a);
		config_option_format(&config_options[i], &uncommented, b);
		assert_string_equal(a, b);
	}
	config_release(&uncommented);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, clear_environment, clear_environment)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(defaults_are_those_that_are_documented),
		TEST(a_file_sets_options_of_every_type),
		TEST(the_environment_goes_over_the_file_and_settings_over_both),
		TEST(the_environment_alone_is_enough),
		TEST(an_unknown_option_names_file_line_and_the_nearest),
		TEST(a_value_that_does_not_fit_is_refused_with_its_line),
		TEST(a_key_without_a_value_or_given_twice_is_refused),
		TEST(a_line_that_is_not_an_option_is_refused_and_not_shown),
		TEST(a_file_that_cannot_be_read_is_refused),
		TEST(the_servers_that_are_needed_must_be_named),
		TEST(a_variable_that_is_no_option_is_refused),
		TEST(variables_of_others_are_left_alone),
		TEST(options_of_librdkafka_are_passed_on_and_checked),
		TEST(options_that_the_worker_owns_are_refused_with_the_reason),
		TEST(options_that_contradict_each_other_are_refused),
		TEST(a_generation_that_nobody_set_follows_a_shorter_window),
		TEST(topics_follow_the_prefix_where_they_are_not_named),
		TEST(a_broken_connection_string_is_refused_and_not_shown),
		TEST(a_setting_that_is_wrong_is_refused_and_not_shown),
		TEST(a_registry_is_named_by_its_address_unless_it_has_a_name),
		TEST(options_of_a_registry_that_do_not_go_together_are_refused),
		TEST(the_effective_configuration_leaves_secrets_out),
		TEST(names_and_variables_of_options_are_unique),
		TEST(the_committed_example_and_reference_are_what_the_table_says),
		TEST(the_committed_files_are_valid),
		TEST(the_example_says_the_defaults),
	};
	return cmocka_run_group_tests_name("config", tests, make_file, remove_file);
}
