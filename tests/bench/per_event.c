/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a team writes first: a transaction of PostgreSQL for each event, in one process. It shares nothing with the
 * worker but the input's schema.
 *
 * Exactly once: an event is committed in PostgreSQL, where the receipt tells duplicates, then its ledger message is
 * produced. Messages go in Kafka transactions together with the offsets of what made them, one transaction for
 * EVENTS_MAX events or LINGER_MS, because one costs as much as dozens of events.
 * After a kill the records since the last Kafka commit are read again. Their keys are known, so nothing is debited; the
 * ledger says which record made an entry, and where it was this very one its message is produced again from the row:
 * the first one went down with its Kafka transaction, or the record would not have come again. A known key of another
 * record is a duplicate.
 * A failure ends the process, to be started again; only what a rebalance asks for is handled.
 */
#include <avro.h>
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CURRENCY "ai-tokens"
#define CREDITS "1000000" /* of each customer at first */
#define EVENTS_MAX 1000
#define LINGER_MS 500
#define POLL_MS 100
#define TIMEOUT_MS 30000
#define PATIENCE_MS 60000
#define AMOUNT_SIZE_MAX 16
#define FRAME "\xc3\x01\xb5\xa1\x4c\xc0\x08\x4b\xcf\x2b" /* single object; the fingerprint of proto/Consume.avsc */
#define FRAME_SIZE (sizeof FRAME - 1)

struct event {
	const char *customer_id;
	const char *idempotency_key;
	char amount[48]; /* in units of 10^-12 */
	char partition[16];
	char offset[24];
};

/* Of the row in the ledger. */
struct entry {
	char seq[24];
	char amount[64];
	char balance_after[64];
};

struct per_event {
	PGconn *database;
	rd_kafka_t *consumer, *producer;
	avro_schema_t schema;
	avro_value_iface_t *class;
	avro_value_t record; /* the texts of an event lie in it */
	avro_reader_t reader;
	/* the open transaction of Kafka */
	size_t events_count;
	int64_t begun_ms;
	rd_kafka_consumer_group_metadata_t *membership; /* as it was when the transaction began; NULL: none is open */
	rd_kafka_topic_partition_list_t *offsets;
};

/* ---- failures ---- */

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vfprintf(stderr, format, arguments);
	va_end(arguments);
	(void)fputc('\n', stderr);
	_Exit(1);
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	if (!value || !*value)
		die("%s is not set", name);
	return value;
}

static void expect(rd_kafka_resp_err_t code, const char *what)
{
	if (code)
		die("%s: %s", what, rd_kafka_err2str(code));
}

static void expect_no_error(rd_kafka_error_t *error, const char *what)
{
	if (error)
		die("%s: %s", what, rd_kafka_error_string(error));
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- PostgreSQL ---- */

static const char tables[] = "create table account ("
			     "    customer_id text collate \"C\" primary key,"
			     "    balance numeric(38, 12) not null,"
			     "    seq bigint not null"
			     ") with (fillfactor = 70);"
			     "create table receipt ("
			     "    customer_id text collate \"C\","
			     "    idempotency_key text collate \"C\","
			     "    primary key (customer_id, idempotency_key)"
			     ");"
			     "create table ledger ("
			     "    customer_id text collate \"C\","
			     "    idempotency_key text collate \"C\","
			     "    seq bigint not null,"
			     "    amount numeric(38, 12) not null,"
			     "    balance_after numeric(38, 12) not null,"
			     "    input_partition integer not null,"
			     "    input_offset bigint not null,"
			     "    recorded_at timestamptz not null default now(),"
			     "    primary key (customer_id, idempotency_key)"
			     ");";

static const struct {
	const char *name, *sql;
} statements[] = {
	{"take key", "insert into receipt values ($1, $2) on conflict do nothing"},
	{"lock", "select from account where customer_id = $1 for update"},
	{"debit", "update account set balance = balance - $2::numeric * 1e-12, seq = seq + 1 where customer_id = $1"
		  " returning seq, -($2::numeric * 1e-12), balance"},
	{"record", "insert into ledger (customer_id, idempotency_key, seq, amount, balance_after, input_partition,"
		   " input_offset) values ($1, $2, $3, $4, $5, $6, $7)"},
	{"recall", "select seq, amount, balance_after from ledger where customer_id = $1 and idempotency_key = $2"
		   " and input_partition = $3 and input_offset = $4"},
};

static PGresult *expect_result(PGconn *database, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_COPY_IN)
		die("PostgreSQL: %s", PQerrorMessage(database));
	return result;
}

static void run(PGconn *database, const char *sql)
{
	PQclear(expect_result(database, PQexec(database, sql)));
}

static PGresult *call(PGconn *database, const char *statement, int count, const char *const *values)
{
	return expect_result(database, PQexecPrepared(database, statement, count, values, NULL, NULL, 0));
}

static PGconn *connect_database(void)
{
	PGconn *database = PQconnectdb(variable("BENCH_DATABASE_URL"));

	if (PQstatus(database) != CONNECTION_OK)
		die("PostgreSQL: %s", PQerrorMessage(database));
	return database;
}

/* The row's three columns: seq, amount, balance. */
static bool take_entry(PGresult *result, struct entry *ret_entry)
{
	bool is_there = PQntuples(result) == 1;

	if (is_there) {
		(void)snprintf(ret_entry->seq, sizeof ret_entry->seq, "%s", PQgetvalue(result, 0, 0));
		(void)snprintf(ret_entry->amount, sizeof ret_entry->amount, "%s", PQgetvalue(result, 0, 1));
		(void)snprintf(
			ret_entry->balance_after, sizeof ret_entry->balance_after, "%s", PQgetvalue(result, 0, 2));
	}
	PQclear(result);
	return is_there;
}

static void debit(PGconn *database, const struct event *event, struct entry *ret_entry)
{
	PQclear(call(database, "lock", 1, (const char *[]){event->customer_id}));
	if (!take_entry(call(database, "debit", 2, (const char *[]){event->customer_id, event->amount}), ret_entry))
		die("customer %s has no account", event->customer_id);
	PQclear(call(database, "record", 7,
		(const char *[]){event->customer_id, event->idempotency_key, ret_entry->seq, ret_entry->amount,
			ret_entry->balance_after, event->partition, event->offset}));
}

/* False: a duplicate, nothing is to be published. */
static bool record(PGconn *database, const struct event *event, struct entry *ret_entry)
{
	const char *values[] = {event->customer_id, event->idempotency_key, event->partition, event->offset};

	run(database, "begin");
	PGresult *result = call(database, "take key", 2, values);
	bool is_new = strcmp(PQcmdTuples(result), "1") == 0;
	PQclear(result);
	if (is_new)
		debit(database, event, ret_entry);
	bool is_ours = is_new || take_entry(call(database, "recall", 4, values), ret_entry);
	run(database, "commit");
	return is_ours;
}

/* ---- the input ---- */

/* Two's complement, most significant byte first. */
static bool format_amount(const uint8_t *bytes, size_t size, char text[48])
{
	if (size == 0 || size > AMOUNT_SIZE_MAX || bytes[0] & 0x80)
		return false;
	unsigned __int128 amount = 0;
	for (size_t i = 0; i < size; i++)
		amount = amount << 8 | bytes[i];
	char digits[48];
	size_t count = 0;
	do {
		digits[count++] = (char)('0' + (int)(amount % 10));
	} while (amount /= 10);
	for (size_t i = 0; i < count; i++)
		text[i] = digits[count - 1 - i];
	text[count] = '\0';
	return true;
}

static const char *text_field(struct per_event *self, const char *name)
{
	avro_value_t field;
	const char *text;
	size_t size;

	if (avro_value_get_by_name(&self->record, name, &field, NULL) || avro_value_get_string(&field, &text, &size))
		die("avro: %s", avro_strerror());
	return text;
}

/* Valid until the next one. */
static bool decode(struct per_event *self, const rd_kafka_message_t *message, struct event *ret_event)
{
	avro_value_t field;
	const void *amount;
	size_t amount_size;
	int resource;

	if (message->len < FRAME_SIZE || memcmp(message->payload, FRAME, FRAME_SIZE) != 0)
		return false;
	avro_reader_memory_set_source(
		self->reader, (const char *)message->payload + FRAME_SIZE, (int64_t)(message->len - FRAME_SIZE));
	if (avro_value_read(self->reader, &self->record) ||
		avro_value_get_by_name(&self->record, "amount", &field, NULL) ||
		avro_value_get_bytes(&field, &amount, &amount_size) ||
		!format_amount(amount, amount_size, ret_event->amount) ||
		avro_value_get_by_name(&self->record, "resourceId", &field, NULL) ||
		avro_value_get_discriminant(&field, &resource) || resource != 0 ||
		strcmp(text_field(self, "currencyId"), CURRENCY) != 0)
		return false;
	ret_event->customer_id = text_field(self, "customerId");
	ret_event->idempotency_key = text_field(self, "idempotencyKey");
	(void)snprintf(ret_event->partition, sizeof ret_event->partition, "%d", message->partition);
	(void)snprintf(ret_event->offset, sizeof ret_event->offset, "%lld", (long long)message->offset);
	return true;
}

static void prepare_avro(struct per_event *self)
{
	FILE *file = fopen(PROTO_DIR "/Consume.avsc", "re");
	char json[8192];
	size_t size = file ? fread(json, 1, sizeof json, file) : 0;

	if (size == 0 || size == sizeof json || fclose(file))
		die("could not read %s", PROTO_DIR "/Consume.avsc");
	if (avro_schema_from_json_length(json, size, &self->schema))
		die("avro: %s", avro_strerror());
	self->class = avro_generic_class_from_schema(self->schema);
	self->reader = avro_reader_memory("", 0);
	if (!self->class || !self->reader || avro_generic_value_new(self->class, &self->record))
		die("avro: %s", avro_strerror());
}

/* ---- Kafka ---- */

static void begin(struct per_event *self)
{
	if (self->membership)
		return;
	expect_no_error(rd_kafka_begin_transaction(self->producer), "begin_transaction");
	self->membership = rd_kafka_consumer_group_metadata(self->consumer);
	self->begun_ms = now_ms();
	self->events_count = 0;
}

/* Leaves no transaction open. */
static void forget(struct per_event *self)
{
	rd_kafka_consumer_group_metadata_destroy(self->membership);
	self->membership = NULL;
	rd_kafka_topic_partition_list_destroy(self->offsets);
	self->offsets = rd_kafka_topic_partition_list_new(8);
}

static void abandon(struct per_event *self)
{
	if (!self->membership)
		return;
	expect_no_error(rd_kafka_abort_transaction(self->producer, -1), "abort_transaction");
	forget(self);
}

static bool is_passing(rd_kafka_resp_err_t code)
{
	switch ((int)code) {
	case RD_KAFKA_RESP_ERR__TIMED_OUT:
	case RD_KAFKA_RESP_ERR__WAIT_COORD:
	case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
	case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
	case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
		return true;
	default:
		return false;
	}
}

/* The group's offsets; asks again while a coordinator moves or loads, or an open transaction holds them. */
static void ask_committed(rd_kafka_t *consumer, rd_kafka_topic_partition_list_t *partitions)
{
	int64_t deadline = now_ms() + PATIENCE_MS;

	for (;;) {
		rd_kafka_resp_err_t code = rd_kafka_committed(consumer, partitions, TIMEOUT_MS);
		for (int i = 0; i < partitions->cnt && !code; i++)
			code = partitions->elems[i].err;
		if (!code)
			return;
		if (!is_passing(code) || now_ms() > deadline)
			expect(code, "committed");
		(void)nanosleep(&(struct timespec){0, 20000000}, NULL);
	}
}

/* What was read and not committed is read again. */
static void rewind_input(struct per_event *self)
{
	rd_kafka_topic_partition_list_t *assigned;

	expect(rd_kafka_assignment(self->consumer, &assigned), "assignment");
	ask_committed(self->consumer, assigned);
	expect(rd_kafka_assign(self->consumer, assigned), "assign");
	rd_kafka_topic_partition_list_destroy(assigned);
}

static void commit(struct per_event *self)
{
	rd_kafka_error_t *error =
		rd_kafka_send_offsets_to_transaction(self->producer, self->offsets, self->membership, TIMEOUT_MS);

	if (!error)
		error = rd_kafka_commit_transaction(self->producer, -1);
	if (!error) {
		forget(self);
		return;
	}
	if (!rd_kafka_error_txn_requires_abort(error))
		expect_no_error(error, "commit_transaction");
	rd_kafka_error_destroy(error);
	abandon(self);
	rewind_input(self);
}

static void put_json(FILE *file, const char *text)
{
	(void)fputc('"', file);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			(void)fprintf(file, "\\%c", *text);
		else if ((unsigned char)*text < ' ')
			(void)fprintf(file, "\\u%04x", *text);
		else
			(void)fputc(*text, file);
	}
	(void)fputc('"', file);
}

static char *format_message(const struct event *event, const struct entry *entry, size_t *ret_size)
{
	char *text;
	FILE *file = open_memstream(&text, ret_size);

	if (!file)
		die("out of memory");
	(void)fprintf(file, "{\"customerId\":");
	put_json(file, event->customer_id);
	(void)fprintf(file,
		",\"currencyId\":\"" CURRENCY "\",\"seq\":%s,\"eventType\":\"CREDITS_CONSUMED\",\"amount\":%s",
		entry->seq, entry->amount);
	(void)fprintf(file, ",\"balanceAfter\":%s,\"idempotencyKey\":", entry->balance_after);
	put_json(file, event->idempotency_key);
	(void)fprintf(file, ",\"source\":{\"topic\":");
	put_json(file, variable("BENCH_INPUT"));
	(void)fprintf(file, ",\"partition\":%s,\"offset\":%s}}", event->partition, event->offset);
	if (fclose(file))
		die("out of memory");
	return text;
}

static void publish(struct per_event *self, const struct event *event, const struct entry *entry)
{
	size_t size;
	char *message = format_message(event, entry, &size);
	rd_kafka_resp_err_t code;

	while ((code = rd_kafka_producev(self->producer, RD_KAFKA_V_TOPIC(variable("BENCH_OUTPUT")),
			RD_KAFKA_V_KEY(event->customer_id, strlen(event->customer_id)), RD_KAFKA_V_VALUE(message, size),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		(void)rd_kafka_poll(self->producer, 10);
	expect(code, "produce");
	free(message);
}

static void handle(struct per_event *self, const rd_kafka_message_t *message)
{
	struct event event;
	struct entry entry;

	expect(message->err, "consume");
	if (!decode(self, message, &event))
		die("partition %d, offset %lld is no consumption of " CURRENCY, message->partition,
			(long long)message->offset);
	begin(self);
	if (record(self->database, &event, &entry))
		publish(self, &event, &entry);
	const char *topic = rd_kafka_topic_name(message->rkt);
	rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_find(self->offsets, topic, message->partition);
	if (!at)
		at = rd_kafka_topic_partition_list_add(self->offsets, topic, message->partition);
	at->offset = message->offset + 1;
	self->events_count++;
}

/* Has the group committed all of the input? */
static bool is_done(struct per_event *self)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new(8);
	rd_kafka_topic_t *topic = rd_kafka_topic_new(self->consumer, variable("BENCH_INPUT"), NULL);
	bool done = true;

	expect(rd_kafka_metadata(self->consumer, 0, topic, &metadata, TIMEOUT_MS), "metadata");
	for (int i = 0; i < metadata->topics[0].partition_cnt; i++)
		rd_kafka_topic_partition_list_add(partitions, metadata->topics[0].topic, i);
	ask_committed(self->consumer, partitions);
	for (int i = 0; i < partitions->cnt && done; i++) {
		int64_t low, high, committed = partitions->elems[i].offset > 0 ? partitions->elems[i].offset : 0;
		expect(rd_kafka_query_watermark_offsets(
			       self->consumer, partitions->elems[i].topic, i, &low, &high, TIMEOUT_MS),
			"watermarks");
		done = committed >= high;
	}
	rd_kafka_metadata_destroy(metadata);
	rd_kafka_topic_destroy(topic);
	rd_kafka_topic_partition_list_destroy(partitions);
	return done;
}

static void rebalance(
	rd_kafka_t *consumer, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
	if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		expect(rd_kafka_assign(consumer, partitions), "assign");
		return;
	}
	abandon(opaque);
	expect(rd_kafka_assign(consumer, NULL), "assign");
}

static void set(rd_kafka_conf_t *configuration, const char *name, const char *value)
{
	char why[256];

	if (rd_kafka_conf_set(configuration, name, value, why, sizeof why) != RD_KAFKA_CONF_OK)
		die("%s", why);
}

static rd_kafka_t *open_kafka(rd_kafka_type_t type, rd_kafka_conf_t *configuration)
{
	char why[256];

	set(configuration, "bootstrap.servers", variable("BENCH_BOOTSTRAP"));
	rd_kafka_t *kafka = rd_kafka_new(type, configuration, why, sizeof why);
	if (!kafka)
		die("%s", why);
	return kafka;
}

static void open_producer(struct per_event *self)
{
	rd_kafka_conf_t *configuration = rd_kafka_conf_new();

	set(configuration, "transactional.id", variable("BENCH_TRANSACTIONAL_ID"));
	set(configuration, "compression.type", "lz4");
	set(configuration, "partitioner", "murmur2");
	self->producer = open_kafka(RD_KAFKA_PRODUCER, configuration);
	expect_no_error(rd_kafka_init_transactions(self->producer, TIMEOUT_MS), "init_transactions");
	self->offsets = rd_kafka_topic_partition_list_new(8);
}

static void open_consumer(struct per_event *self)
{
	rd_kafka_conf_t *configuration = rd_kafka_conf_new();
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);

	set(configuration, "group.id", variable("BENCH_GROUP"));
	set(configuration, "group.instance.id", variable("BENCH_TRANSACTIONAL_ID")); /* back at once after a kill */
	set(configuration, "session.timeout.ms", "10000");
	set(configuration, "enable.auto.commit", "false");
	set(configuration, "auto.offset.reset", "earliest");
	set(configuration, "partition.assignment.strategy", "range");
	rd_kafka_conf_set_rebalance_cb(configuration, rebalance);
	rd_kafka_conf_set_opaque(configuration, self);
	self->consumer = open_kafka(RD_KAFKA_CONSUMER, configuration);
	(void)rd_kafka_poll_set_consumer(self->consumer);
	rd_kafka_topic_partition_list_add(topics, variable("BENCH_INPUT"), RD_KAFKA_PARTITION_UA);
	expect(rd_kafka_subscribe(self->consumer, topics), "subscribe");
	rd_kafka_topic_partition_list_destroy(topics);
}

/* ---- life ---- */

static void consume(void)
{
	struct per_event self = {.database = connect_database()};

	for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
		PQclear(expect_result(
			self.database, PQprepare(self.database, statements[i].name, statements[i].sql, 0, NULL)));
	prepare_avro(&self);
	open_producer(&self);
	open_consumer(&self);
	for (;;) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(self.consumer, POLL_MS);
		if (message)
			handle(&self, message);
		if (self.membership &&
			(!message || self.events_count >= EVENTS_MAX || now_ms() - self.begun_ms >= LINGER_MS))
			commit(&self);
		else if (!message && is_done(&self))
			break;
		if (message)
			rd_kafka_message_destroy(message);
	}
	(void)rd_kafka_consumer_close(self.consumer);
	rd_kafka_destroy(self.consumer);
	rd_kafka_topic_partition_list_destroy(self.offsets);
	rd_kafka_destroy(self.producer);
	avro_value_decref(&self.record);
	avro_value_iface_decref(self.class);
	avro_schema_decref(self.schema);
	avro_reader_free(self.reader);
	PQfinish(self.database);
}

/* An account for each customer; of the pattern's conversion only "%0Nd" and its long forms are known. */
static void copy_accounts(PGconn *database)
{
	const char *pattern = variable("BENCH_CUSTOMER_FORMAT"), *percent = strchr(pattern, '%');
	char *suffix, line[512];

	if (!percent)
		die("BENCH_CUSTOMER_FORMAT has no %%d");
	long width = strtol(percent + 1, &suffix, 10), customers_count = strtol(variable("BENCH_CUSTOMERS"), NULL, 10);
	suffix += strspn(suffix, "l");
	if (*suffix++ != 'd')
		die("BENCH_CUSTOMER_FORMAT has no %%d");
	run(database, "copy account (customer_id, balance, seq) from stdin");
	for (long i = 1; i <= customers_count; i++) {
		int size = snprintf(line, sizeof line, "%.*s%0*ld%s\t" CREDITS "\t0\n", (int)(percent - pattern),
			pattern, (int)width, i, suffix);
		if (size >= (int)sizeof line || PQputCopyData(database, line, size) != 1)
			die("copy: %s", PQerrorMessage(database));
	}
	if (PQputCopyEnd(database, NULL) != 1)
		die("copy: %s", PQerrorMessage(database));
	for (PGresult *result; (result = PQgetResult(database));)
		PQclear(expect_result(database, result));
}

static void setup(void)
{
	PGconn *database = connect_database();

	run(database, tables);
	copy_accounts(database);
	run(database, "vacuum analyze account");
	PQfinish(database);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "setup") == 0)
		setup();
	else if (argc == 1)
		consume();
	else
		die("usage: %s [setup]", argv[0]);
	return EXIT_SUCCESS;
}
