/* SPDX-License-Identifier: Apache-2.0 */
#include "verify_topic.h"

#include <stdlib.h>

#include "drawdown/schema_finder.h"
#include "sql_files.h"

#define CHUNK_MESSAGES 5000

static const struct postgres_statement read_entries = {
	"verify.topic",
	"verify_topic_entries",
	sql_verify_topic_entries,
	{POSTGRES_INT8, POSTGRES_INT8, POSTGRES_INT2, POSTGRES_NUMERIC, POSTGRES_TEXT, POSTGRES_NUMERIC,
		POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_TEXT, POSTGRES_NUMERIC, POSTGRES_INT8, POSTGRES_INT8,
		POSTGRES_INT2, POSTGRES_TIMESTAMPTZ, POSTGRES_TIMESTAMPTZ, POSTGRES_JSON, POSTGRES_TEXT, POSTGRES_INT4,
		POSTGRES_INT8, POSTGRES_TIMESTAMPTZ, POSTGRES_TEXT},
};

struct topic_audit {
	struct verify *verify;
	struct verify_report *report;
	struct topic_reader reader;
	uint64_t offsets_read; /* of the partitions before this one */
	struct decoder *decoder;
	struct schema_finder *finder;
	struct seen_table seen;
	struct arena arena; /* of a chunk: of so many messages, and the claims among them */
	size_t messages_count;
	struct claim *claims;
	size_t claims_count;
	enum outcome outcome; /* of the last chunk */
	struct failure *failure;
};

/* ---- one message ---- */

static struct text member(const struct json_node *object, const char *name)
{
	const struct json_node *node = json_tree_find(object, text_of(name));
	return node && node->type != JSON_NULL ? node->text : TEXT_NULL;
}

static bool parse_seq(struct text text, int64_t *ret_seq)
{
	*ret_seq = 0;
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(*ret_seq, 10, ret_seq) ||
			__builtin_add_overflow(*ret_seq, text.data[i] - '0', ret_seq))
			return false;
	return *ret_seq > 0;
}

static struct text find_traceparent(const rd_kafka_message_t *message)
{
	rd_kafka_headers_t *headers;
	const void *value;
	size_t size;

	if (rd_kafka_message_headers(message, &headers) ||
		rd_kafka_header_get_last(headers, "traceparent", &value, &size))
		return TEXT_NULL;
	return (struct text){value, size};
}

/* False: it names no entry, which is reported. */
static bool read_claim(struct topic_audit *audit, const rd_kafka_message_t *message, struct claim *ret_claim)
{
	struct defect defect;
	struct claim claim = {
		.partition = message->partition,
		.offset = message->offset,
		.published.key = arena_copy(&audit->arena, (struct text){message->key, message->key_len}),
		.published.value = arena_copy(&audit->arena, (struct text){message->payload, message->len}),
		.published.traceparent = arena_copy(&audit->arena, find_traceparent(message)),
	};

	schema_finder_prepare(audit->finder, claim.published.value);
	const struct json_node *tree = verify_decode(audit->decoder, &audit->arena, claim.published.value, &defect);
	if (tree) {
		claim.account = (struct account_key){
			member(tree, "customerId"), member(tree, "currencyId"), member(tree, "resourceId")};
		*ret_claim = claim;
		if (claim.account.customer_id.data && claim.account.currency_id.data &&
			parse_seq(member(tree, "seq"), &ret_claim->seq))
			return true;
		(void)snprintf(defect.text, sizeof defect.text, "names no account and seq");
	}
	const struct account_key nobody = {claim.published.key, TEXT_NULL, TEXT_NULL};
	report_difference(audit->report, &nobody, TEXT_LITERAL("a ledger entry"), text_of(defect.text),
		"topic, [%d] offset %lld", (int)claim.partition, (long long)claim.offset);
	return false;
}

/* ---- a chunk of them against the database ---- */

static struct ledger_entry read_entry(struct postgres_row *row, const char **ret_topic, struct arena *arena)
{
	struct ledger_entry entry = {0};

	entry.seq = postgres_get_int64(row);
	entry.event_type = (enum ledger_event)postgres_get_int16(row);
	entry.amount = postgres_get_credit(row);
	entry.grant_id = postgres_get_text(row);
	entry.grant_remaining = postgres_get_credit(row);
	entry.balance_before = postgres_get_credit(row);
	entry.balance_after = postgres_get_credit(row);
	entry.idempotency_key = postgres_get_text(row);
	entry.has_requested = !postgres_is_null(row);
	entry.requested_amount = postgres_get_credit(row);
	entry.first_seq = postgres_get_int64(row);
	entry.last_seq = postgres_get_int64(row);
	entry.outcome = (enum result_kind)postgres_get_int16(row);
	entry.event_time = postgres_get_instant(row);
	entry.recorded_at = postgres_get_instant(row);
	entry.dimensions = postgres_get_text(row);
	struct text topic = postgres_get_text(row);
	*ret_topic = arena_format(arena, "%.*s", TEXT_ARGS(topic)).data;
	entry.source.partition = postgres_get_int32(row);
	entry.source.offset = postgres_get_int64(row);
	entry.source.timestamp = postgres_get_instant(row);
	entry.traceparent = postgres_get_text(row);
	return entry;
}

static enum outcome look_up(struct topic_audit *audit, PGresult **ret_result, struct failure *reterr)
{
	struct postgres *postgres = &audit->verify->postgres;
	struct postgres_params params;
	size_t count = audit->claims_count;

	arena_reset(&postgres->scratch);
	postgres_params_init(&params, postgres);
	struct postgres_bytes *customers = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *currencies = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *resources = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *seqs = postgres_add_array(&params, POSTGRES_INT8, count);
	for (size_t i = 0; i < count; i++) {
		postgres_put_text(customers, audit->claims[i].account.customer_id);
		postgres_put_text(currencies, audit->claims[i].account.currency_id);
		postgres_put_resource(resources, audit->claims[i].account.resource_id);
		postgres_put_int64(seqs, audit->claims[i].seq);
	}
	return postgres_query(postgres, &read_entries, &params, ret_result, reterr);
}

/* The message against the entry that it names. */
static void check_claim(struct topic_audit *audit, struct claim *claim, struct postgres_row *row)
{
	const char *topic;
	struct ledger_entry entry = read_entry(row, &topic, &audit->arena);

	claim->is_there = true;
	entry.account = &claim->account;
	if (row->corrupt || entry.event_type < LEDGER_CREDITS_GRANTED || entry.event_type > LEDGER_CREDITS_REVERSED)
		report_difference(audit->report, &claim->account, TEXT_LITERAL("readable in the database"), TEXT_NULL,
			"topic, entry %lld", (long long)claim->seq);
	else
		verify_message(audit->report, audit->decoder, &audit->arena, &entry, topic, &claim->published);
}

static enum outcome check_chunk(struct topic_audit *audit, struct failure *reterr)
{
	POSTGRES_RESULT result = NULL;
	enum outcome outcome = audit->claims_count ? look_up(audit, &result, reterr) : OUTCOME_OK;

	if (outcome != OUTCOME_OK)
		return outcome;
	for (int i = 0; i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		check_claim(audit, &audit->claims[postgres_get_int64(&row) - 1], &row);
	}
	for (size_t i = 0; i < audit->claims_count; i++) {
		const struct claim *claim = &audit->claims[i];
		if (!claim->is_there)
			report_difference(audit->report, &claim->account, TEXT_LITERAL("in the database"),
				TEXT_LITERAL("missing there"), "topic, entry %lld ([%d] offset %lld)",
				(long long)claim->seq, (int)claim->partition, (long long)claim->offset);
	}
	audit->report->messages += (int64_t)audit->messages_count;
	audit->messages_count = audit->claims_count = 0;
	arena_reset(&audit->arena);
	return OUTCOME_OK;
}

/* ---- all of the topic ---- */

static bool is_of_customer(const struct verify *verify, const rd_kafka_message_t *message)
{
	return !verify->customer ||
	       text_equal((struct text){message->key, message->key_len}, text_of(verify->customer));
}

static bool take(void *context, const rd_kafka_message_t *message)
{
	struct topic_audit *audit = context;

	if (!message) {
		progress_update(&audit->verify->progress, audit->offsets_read, NULL);
		return true;
	}
	int64_t begin = audit->reader.ranges[message->partition].begin;
	progress_update(&audit->verify->progress, audit->offsets_read + (uint64_t)(message->offset + 1 - begin), NULL);
	if (!is_of_customer(audit->verify, message))
		return true;
	struct claim *claim = &audit->claims[audit->claims_count];
	if (read_claim(audit, message, claim)) {
		seen_add(&audit->seen, claim, audit->report);
		audit->claims_count++;
	}
	if (++audit->messages_count == CHUNK_MESSAGES)
		audit->outcome = check_chunk(audit, audit->failure);
	return audit->outcome == OUTCOME_OK;
}

static enum outcome read_topic(struct topic_audit *audit, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	for (int32_t i = 0; outcome == OUTCOME_OK && i < audit->reader.partitions_count; i++) {
		const struct topic_range *range = &audit->reader.ranges[i];
		outcome = topic_reader_read(&audit->reader, i, range->begin, range->end, take, audit, reterr);
		if (outcome == OUTCOME_OK)
			outcome = audit->outcome;
		audit->offsets_read += (uint64_t)(range->end - range->begin);
	}
	if (outcome == OUTCOME_RETRY && audit->outcome == OUTCOME_OK)
		fail_hint(reterr, "a transaction is open there: a worker's ends within its time-out; or raise --wait");
	return outcome == OUTCOME_OK ? check_chunk(audit, reterr) : outcome;
}

static enum outcome read_and_check(
	struct topic_audit *audit, const rd_kafka_topic_partition_list_t *published, struct failure *reterr)
{
	struct verify *verify = audit->verify;
	enum outcome outcome =
		topic_reader_open(&audit->reader, verify->config, verify->config->output_topics[OUTPUT_LEDGER], reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	audit->reader.silence_max = verify->wait;
	progress_begin(&verify->progress, "ledger topic", topic_reader_total(&audit->reader));
	outcome = read_topic(audit, reterr);
	if (outcome == OUTCOME_OK)
		outcome = verify_unseen(verify, &audit->seen, &audit->reader, published, reterr);
	progress_end(&verify->progress);
	return outcome;
}

enum outcome verify_topic(struct verify *verify, struct failure *reterr)
{
	struct topic_audit audit = {.verify = verify, .report = &verify->report, .failure = reterr};
	rd_kafka_topic_partition_list_t *published;
	enum outcome outcome = verify_ask_published(verify, &published, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	audit.claims = calloc(CHUNK_MESSAGES, sizeof *audit.claims);
	if (!audit.claims)
		abort();
	audit.decoder = decoder_new();
	audit.finder = schema_finder_new(verify->config, audit.decoder);
	seen_init(&audit.seen);
	arena_init(&audit.arena, 1 << 20);
	verify->report.has_topic = true;
	outcome = read_and_check(&audit, published, reterr);
	topic_reader_close(&audit.reader);
	rd_kafka_topic_partition_list_destroy(published);
	arena_release(&audit.arena);
	seen_release(&audit.seen);
	schema_finder_free(audit.finder);
	decoder_free(audit.decoder);
	free(audit.claims);
	return outcome;
}
