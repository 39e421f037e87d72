/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/config_table.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "drawdown/batch.h"
#include "drawdown/units.h"

#define MICROSECONDS_PER_MS 1000LL
#define SECONDS(n) ((n)*INSTANT_SECOND)
#define MINUTES(n) SECONDS((n)*60)
#define HOURS(n) MINUTES((n)*60)
#define DAYS(n) ((n)*INSTANT_DAY)
#define MEGABYTES(n) ((n)*1024LL * 1024)

#define MEMBER(member) .offset = offsetof(struct config, member), .size = sizeof(((struct config *)NULL)->member)

/* clang-format off */
const struct config_option config_options[] = {
	{"kafka.bootstrap.servers", CONFIG_KAFKA, .section = "Kafka", .need = CONFIG_NEEDS_KAFKA,
	 .standard_note = "required",
	 .help = "Brokers to begin with, host:port, separated by commas."},
	{"group.id", CONFIG_NAME, MEMBER(group_id), .standard = "drawdown", .max = 100,
	 .help = "Consumer group that all replicas share; names the engine's place in the inputs."},
	{"group.session.timeout", CONFIG_DURATION, MEMBER(group_session_timeout), .standard = "6s",
	 .min = SECONDS(1), .max = MINUTES(30),
	 .help = "A replica that is silent for so long loses its partitions; the brokers set bounds of their own."},
	{"replica.id", CONFIG_NAME, MEMBER(replica_id), .standard_note = "the host's name", .max = 80,
	 .help = "Name of this replica: unique among those that run, the same after a restart."},

	{"database.url", CONFIG_TEXT, MEMBER(database_url), .section = "PostgreSQL", .need = CONFIG_NEEDS_DATABASE,
	 .secret = true, .standard_note = "required",
	 .help = "Connection string or URI as libpq takes it."},
	{"database.lanes", CONFIG_INTEGER, MEMBER(database_lanes),
	 .standard = "2", .min = 1, .max = BATCH_LANES_MAX,
	 .help = "Transactions at the same time, each on its own connection; two more serve the loop and the keeper."},
	{"database.lock.timeout", CONFIG_DURATION, MEMBER(database_lock_timeout), .standard = "5s",
	 .min = 100 * MICROSECONDS_PER_MS, .max = MINUTES(5),
	 .help = "Longest wait for a lock; then the lane begins again, and at a takeover the holder is ended."},
	{"database.statement.timeout", CONFIG_DURATION, MEMBER(database_statement_timeout), .standard = "30s",
	 .min = SECONDS(1), .max = HOURS(1),
	 .help = "Longest run of one statement."},
	{"database.idle.timeout", CONFIG_DURATION, MEMBER(database_idle_timeout), .standard = "10s",
	 .min = SECONDS(1), .max = HOURS(1),
	 .help = "Longest pause inside a transaction, after which the server ends it."},

	{"topics.prefix", CONFIG_NAME, MEMBER(topics_prefix), .section = "Topics",
	 .standard = "credits.", .max = 200,
	 .help = "Begins the name of every topic that is not named below."},
	{"topics.usage", CONFIG_NAME, MEMBER(input_topics[INPUT_USAGE]),
	 .standard_note = "topics.prefix and `usage`", .max = 249,
	 .help = "Input: consumption."},
	{"topics.commands", CONFIG_NAME, MEMBER(input_topics[INPUT_COMMANDS]),
	 .standard_note = "topics.prefix and `commands`", .max = 249,
	 .help = "Input: grants and other commands."},
	{"topics.ledger", CONFIG_NAME, MEMBER(output_topics[OUTPUT_LEDGER]),
	 .standard_note = "topics.prefix and `ledger`", .max = 249,
	 .help = "Output: every ledger entry."},
	{"topics.balances", CONFIG_NAME, MEMBER(output_topics[OUTPUT_BALANCES]),
	 .standard_note = "topics.prefix and `balances`", .max = 249,
	 .help = "Output: the latest state of each account."},
	{"topics.outcomes", CONFIG_NAME, MEMBER(output_topics[OUTPUT_OUTCOMES]),
	 .standard_note = "topics.prefix and `outcomes`", .max = 249,
	 .help = "Output: inputs that made no ledger entry."},
	{"topics.notifications", CONFIG_NAME, MEMBER(output_topics[OUTPUT_NOTIFICATIONS]),
	 .standard_note = "topics.prefix and `notifications`", .max = 249,
	 .help = "Output: low balances, grants that begin and end."},
	{"topics.dead-letters", CONFIG_NAME, MEMBER(output_topics[OUTPUT_DEAD_LETTERS]),
	 .standard_note = "topics.prefix and `dead-letters`", .max = 249,
	 .help = "Output: inputs that cannot be understood."},
	{"topics.partitions", CONFIG_INTEGER, MEMBER(topics_partitions),
	 .standard = "8", .min = 1, .max = BATCH_SPANS_MAX / INPUT_COUNT,
	 .help = "Partitions of each topic that `drawdown topics create` makes."},
	{"topics.replication", CONFIG_INTEGER, MEMBER(topics_replication),
	 .standard = "3", .min = 1, .max = 32,
	 .help = "Replicas of each partition that `drawdown topics create` makes."},
	{"topics.retention", CONFIG_DURATION, MEMBER(topics_retention),
	 .standard = "7d", .min = MINUTES(1), .max = DAYS(3650),
	 .help = "How long `drawdown topics create` lets the inputs be kept."},
	{"topics.dead-letters.retention", CONFIG_DURATION, MEMBER(topics_dead_letters_retention),
	 .standard = "14d", .min = MINUTES(1), .max = DAYS(3650),
	 .help = "How long `drawdown topics create` lets dead letters be kept."},

	{"inputs.timestamps", CONFIG_CHOICE, MEMBER(inputs_trusted), .section = "Inputs",
	 .standard = "log-append", .choices = {"log-append", "trusted"},
	 .help = "Whose timestamps are the time: the brokers', or those of producers that are trusted with it."},
	{"inputs.partitioner", CONFIG_CHOICE, MEMBER(inputs_crc32),
	 .standard = "murmur2", .choices = {"murmur2", "crc32"},
	 .help = "Partitioner of the producers: Java's (murmur2) or librdkafka's default (crc32)."},
	{"inputs.pairs.timeout", CONFIG_DURATION, MEMBER(pairs_timeout),
	 .standard = "5min", .min = SECONDS(1), .max = DAYS(1),
	 .help = "A usage partition may be without its commands partition for so long; then the worker stops."},
	{"merge.wait", CONFIG_DURATION, MEMBER(merge_wait), .standard = "50ms", .min = 0, .max = SECONDS(10),
	 .help = "How long a record waits for an older one in the other partition of its pair."},

	{"registry.url", CONFIG_TEXT, MEMBER(registry_url), .section = "Schema registry",
	 .standard_note = "none",
	 .help = "Address of a registry that speaks Confluent's interface; Avro outputs are then framed with its ids."},
	{"registry.name", CONFIG_TEXT, MEMBER(registry_name), .standard_note = "registry.url without its scheme",
	 .help = "Under which its ids are kept in the database; stays the same when the registry's address changes."},
	{"registry.user", CONFIG_TEXT, MEMBER(registry_user), .standard_note = "none",
	 .help = "User to log in as."},
	{"registry.password", CONFIG_TEXT, MEMBER(registry_password), .secret = true, .standard_note = "none",
	 .help = "Password of that user."},
	{"registry.password.file", CONFIG_TEXT, MEMBER(registry_password_file), .standard_note = "none",
	 .help = "File that holds the password, in place of registry.password; read anew for each question."},
	{"registry.token", CONFIG_TEXT, MEMBER(registry_token), .secret = true, .standard_note = "none",
	 .help = "Bearer token, in place of a user."},
	{"registry.token.file", CONFIG_TEXT, MEMBER(registry_token_file), .standard_note = "none",
	 .help = "File that holds the token, in place of registry.token; read anew for each question."},
	{"registry.ca.file", CONFIG_TEXT, MEMBER(registry_ca_file), .standard_note = "the system's",
	 .help = "Certificates (PEM) of those whose word for the registry's identity is taken."},
	{"registry.timeout", CONFIG_DURATION, MEMBER(registry_timeout),
	 .standard = "5s", .min = 100 * MICROSECONDS_PER_MS, .max = MINUTES(5),
	 .help = "Longest wait for one answer."},
	{"registry.unknown.lifetime", CONFIG_DURATION, MEMBER(registry_unknown_lifetime),
	 .standard = "1min", .min = SECONDS(1), .max = DAYS(1),
	 .help = "How long a schema that nobody knows is not asked for again: its records are dead letters meanwhile."},

	{"batch.records.max", CONFIG_INTEGER, MEMBER(batch_records_max), .section = "Batches",
	 .standard = "10000", .min = 1, .max = 1000000,
	 .help = "Records in a batch."},
	{"batch.entries.max", CONFIG_INTEGER, MEMBER(batch_entries_max),
	 .standard = "12000", .min = 1, .max = 10000000,
	 .help = "Ledger entries that a batch may make; where it would make more, batches take fewer records."},
	{"batch.bytes.max", CONFIG_SIZE, MEMBER(batch_bytes_max),
	 .standard = "8MB", .min = 64 * 1024, .max = MEGABYTES(1024),
	 .help = "Keys, values and headers in a batch."},
	{"batch.linger", CONFIG_DURATION, MEMBER(batch_linger),
	 .standard = "5ms", .min = 0, .max = SECONDS(10),
	 .help = "Age at which a batch is closed that is not full."},

	{"outputs.format", CONFIG_CHOICE, MEMBER(encoding.format), .section = "Outputs",
	 .standard = "avro", .choices = {"avro", "json"},
	 .help = "How outputs are written: Avro, with the schema's fingerprint or registry's id before it, or JSON."},
	{"outcomes", CONFIG_CHOICE, MEMBER(encoding.outcomes_all),
	 .standard = "exceptional", .choices = {"exceptional", "all"},
	 .help = "What goes to the outcomes: inputs that made no ledger entry, or all."},

	{"dedupe.window", CONFIG_DURATION, MEMBER(rules.dedupe_window), .section = "Rules",
	 .standard = "30d", .min = MINUTES(1), .max = DAYS(3650),
	 .help = "How long an idempotency key is remembered; at least what inputs and dead letters are kept together."},
	{"dedupe.generation", CONFIG_DURATION, MEMBER(dedupe_generation),
	 .standard = "30d", .min = MINUTES(1), .max = DAYS(3650),
	 .help = "Receipts of so long a time share a table, which is dropped whole."},
	{"dedupe.window.short", CONFIG_CHOICE, MEMBER(dedupe_window_short),
	 .standard = "refuse", .choices = {"refuse", "allow"},
	 .help = "What to do at start where the window is shorter than inputs and dead letters are kept."},
	{"dedupe.drop.interval", CONFIG_DURATION, MEMBER(drop_interval),
	 .standard = "1min", .min = 0, .max = DAYS(1),
	 .help = "How often to look whether receipts have served their window, and drop them; 0: never."},
	{"currencies.open", CONFIG_CHOICE, MEMBER(rules.currencies_open),
	 .standard = "no", .choices = {"no", "yes"},
	 .help = "Accept usage in currencies that neither a setting nor a grant of the customer names."},
	{"grants.open.max", CONFIG_INTEGER, MEMBER(rules.grants_open_max),
	 .standard = "1000", .min = 1, .max = ACCOUNT_GRANTS_MAX,
	 .help = "Open grants that an account may have."},
	{"holds.open.max", CONFIG_INTEGER, MEMBER(rules.holds_open_max),
	 .standard = "1000", .min = 1, .max = ACCOUNT_HOLDS_MAX,
	 .help = "Open reservations that an account may have."},

	{"publish.transaction.timeout", CONFIG_DURATION, MEMBER(transaction_timeout), .section = "Publishing",
	 .standard = "5s", .min = SECONDS(1), .max = MINUTES(15),
	 .help = "Time for a Kafka transaction; a dead worker holds readers back so long. Doubles after a failure."},
	{"publish.transaction.timeout.max", CONFIG_DURATION, MEMBER(transaction_timeout_max),
	 .standard = "60s", .min = SECONDS(1), .max = MINUTES(15),
	 .help = "Bound of that doubling; at most the brokers' transaction.max.timeout.ms."},
	{"publish.watchdog", CONFIG_DURATION, MEMBER(watchdog_timeout),
	 .standard = "30s", .min = SECONDS(1), .max = MINUTES(10),
	 .help = "Longest call to Kafka; then its producer is left behind and a new one made."},
	{"publish.watchdog.max", CONFIG_INTEGER, MEMBER(watchdog_max), .standard = "3", .min = 0, .max = 100,
	 .help = "Producers that may be left behind; with one more the process ends."},

	{"sweep.interval", CONFIG_DURATION, MEMBER(sweep_interval), .section = "Sweeper",
	 .standard = "10s", .min = 0, .max = DAYS(1),
	 .help = "How often to look for idle accounts with something due, and send an advance to each; 0: never."},
	{"sweep.batch", CONFIG_INTEGER, MEMBER(sweep_batch), .standard = "1000", .min = 1, .max = 100000,
	 .help = "Due accounts that are read, and advances that are sent, at a time."},
	{"sweep.retry", CONFIG_DURATION, MEMBER(sweep_retry),
	 .standard = "60s", .min = SECONDS(1), .max = DAYS(1),
	 .help = "An advance that has had no effect is sent again after so long."},
	{"sweep.pending.max", CONFIG_INTEGER, MEMBER(sweep_pending_max),
	 .standard = "10000", .min = 1, .max = 1000000,
	 .help = "Advances that are sent and not yet handled; more wait."},

	{"admin.address", CONFIG_TEXT, MEMBER(admin_address), .section = "Operation", .standard = "127.0.0.1",
	 .help = "IP address on which /metrics, /livez and /readyz are served."},
	{"admin.port", CONFIG_INTEGER, MEMBER(admin_port), .standard = "9464", .min = 0, .max = 65535,
	 .help = "Port of the same; 0 for none."},
	{"log.level", CONFIG_CHOICE, MEMBER(log_level),
	 .standard = "info", .choices = {"debug", "info", "warning", "error"},
	 .help = "Least level that is logged."},
	{"log.format", CONFIG_CHOICE, MEMBER(log_json), .standard = "logfmt", .choices = {"logfmt", "json"},
	 .help = "Log lines as key=value or as JSON."},
};
/* clang-format on */
const size_t config_options_count = sizeof config_options / sizeof config_options[0];

const struct config_refusal config_refusals[] = {
	{"acks", "always all: less could lose outputs"},
	{"request.required.acks", "always all: less could lose outputs"},
	{"auto.commit.interval.ms", "offsets are committed with the outputs"},
	{"auto.offset.reset", "a lost position must stop the worker, not skip records"},
	{"delivery.timeout.ms", "follows publish.transaction.timeout"},
	{"partition.assignment.strategy", "always range: it keeps the two inputs of a customer together"},
	{"enable.auto.commit", "offsets are committed with the outputs"},
	{"enable.auto.offset.store", "offsets are committed with the outputs"},
	{"enable.gapless.guarantee", "belongs to the transactional producer"},
	{"enable.idempotence", "always on: outputs are transactional"},
	{"enable.partition.eof", "always on: the merge must see where a partition ends"},
	{"group.id", "write group.id, without kafka."},
	{"group.instance.id", "made of replica.id"},
	{"isolation.level", "always read_committed"},
	{"message.timeout.ms", "follows publish.transaction.timeout"},
	{"metadata.broker.list", "write kafka.bootstrap.servers"},
	{"msg_order_cmp", "outputs keep their order"},
	{"partitioner", "an output goes to its customer's partition"},
	{"session.timeout.ms", "write group.session.timeout"},
	{"transaction.timeout.ms", "write publish.transaction.timeout"},
	{"transactional.id", "made of group.id and replica.id"},
	{NULL, NULL},
};

void config_option_variable(const char *name, char variable[CONFIG_VARIABLE_SIZE])
{
	size_t used = (size_t)snprintf(variable, CONFIG_VARIABLE_SIZE, "DRAWDOWN_");

	for (; *name && used + 1 < CONFIG_VARIABLE_SIZE; name++)
		variable[used++] = *name == '.' || *name == '-' ? '_' : (char)toupper((unsigned char)*name);
	variable[used] = '\0';
}

static size_t choice_of(const struct config_option *option, const char *member)
{
	unsigned index;

	if (option->size == sizeof(bool))
		return *member != 0;
	memcpy(&index, member, sizeof index);
	return index;
}

void config_option_format(const struct config_option *option, const struct config *config, char text[CONFIG_VALUE_SIZE])
{
	const char *member = (const char *)config + option->offset;
	char quantity[UNITS_TEXT_SIZE];
	const char *value = "";
	int64_t number;

	switch (option->type) {
	case CONFIG_TEXT:
	case CONFIG_NAME:
		memcpy(&value, member, sizeof value);
		break;
	case CONFIG_INTEGER:
		memcpy(&number, member, sizeof number);
		(void)snprintf(quantity, sizeof quantity, "%" PRId64, number);
		value = quantity;
		break;
	case CONFIG_DURATION:
		memcpy(&number, member, sizeof number);
		units_format_duration(number, quantity);
		value = quantity;
		break;
	case CONFIG_SIZE:
		memcpy(&number, member, sizeof number);
		units_format_size(number, quantity);
		value = quantity;
		break;
	case CONFIG_CHOICE:
		value = option->choices[choice_of(option, member)];
		break;
	case CONFIG_KAFKA:
		break;
	}
	(void)snprintf(text, CONFIG_VALUE_SIZE, "%s", value ? value : "");
}
