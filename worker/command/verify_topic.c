/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credits.ledger, as read-committed consumers see it, against the database: each entry once, in order of seq, every
 * field equal.
 *
 * How much must be there is decided first: the worker's group commits its offsets in the transaction that publishes
 * their entries, so entries of inputs before the committed offsets are in the topic, before its end as it is then.
 * That much is read, once; each chunk of messages is looked up in the database by account and seq. What is kept of
 * the topic is one slot of 40 bytes an account in a table that is never fuller than 7 in 10: 58 to 115 bytes an
 * account, about 90 MB for a million.
 */
#include <stdlib.h>

#include "drawdown/kafka.h"
#include "drawdown/schema_finder.h"
#include "sql_files.h"
#include "verify.h"

#define POLL_MS 200
#define CHUNK_MESSAGES 5000
#define PAGE_ACCOUNTS 5000
#define TAIL_ENTRIES 50000 /* in one statement, about, so that none takes long */
#define TAILS_MAX 500
#define SEEN_SLOTS_MIN 1024

static const struct postgres_statement read_entries = {
	"verify.topic",
	"verify_topic_entries",
	sql_verify_topic_entries,
	{POSTGRES_INT8, POSTGRES_INT8, POSTGRES_INT2, POSTGRES_NUMERIC, POSTGRES_TEXT, POSTGRES_NUMERIC,
		POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_TEXT, POSTGRES_NUMERIC, POSTGRES_INT8, POSTGRES_INT8,
		POSTGRES_INT2, POSTGRES_TIMESTAMPTZ, POSTGRES_TIMESTAMPTZ, POSTGRES_JSON, POSTGRES_TEXT, POSTGRES_INT4,
		POSTGRES_INT8, POSTGRES_TIMESTAMPTZ, POSTGRES_TEXT},
};
static const struct postgres_statement read_accounts = {
	"verify.topic",
	"verify_topic_accounts",
	sql_verify_topic_accounts,
	{POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_INT8},
};
static const struct postgres_statement read_tails = {
	"verify.topic",
	"verify_topic_tails",
	sql_verify_topic_tails,
	{POSTGRES_INT8, POSTGRES_INT8, POSTGRES_INT8, POSTGRES_INT8, POSTGRES_INT8},
};

/* What the topic has shown of an account. */
struct seen {
	struct hash128 account;
	int64_t first, last; /* seq; 0: the slot is empty */
	int32_t partition;
};

struct partition {
	int64_t begin;	  /* retention has taken what is before */
	int64_t target;	  /* read up to here */
	int64_t position; /* all before it was read */
};

/* Entries that the topic should have shown. */
struct tail {
	struct account_key account;
	int64_t first, last;
	bool may_be_taken; /* by retention */
};

struct topic_audit {
	struct verify *verify;
	struct verify_report *report;
	const char *topic;
	rd_kafka_t *kafka;
	struct decoder *decoder;
	struct schema_finder *finder;
	rd_kafka_topic_partition_list_t *committed; /* of the inputs */
	struct partition *partitions;
	int32_t partitions_count, unfinished;

	struct seen *seen;
	size_t seen_slots, seen_count;

	struct arena arena; /* of a chunk */
	rd_kafka_message_t *messages[CHUNK_MESSAGES];
	size_t messages_count;
	struct tail tails[TAILS_MAX];
	size_t tails_count;
	int64_t tails_entries;
};

/* A message that names an entry. */
struct claim {
	const rd_kafka_message_t *message;
	struct account_key account;
	int64_t seq;
	bool is_there; /* in the database */
};

static struct seen *find_slot(struct seen *slots, size_t slots_count, struct hash128 account)
{
	size_t at = (size_t)hash128_prefix(account) & (slots_count - 1);

	while (slots[at].last && !hash128_equal(slots[at].account, account))
		at = (at + 1) & (slots_count - 1);
	return &slots[at];
}

static struct seen *new_slots(size_t count)
{
	struct seen *slots = calloc(count, sizeof *slots);
	if (!slots)
		abort();
	return slots;
}

/* Its slot; `last` 0: not seen before. */
static struct seen *find_seen(struct topic_audit *audit, const struct account_key *account)
{
	const struct text parts[] = {account->customer_id, account->currency_id,
		account->resource_id.data ? account->resource_id : TEXT_LITERAL("")};
	const struct hash128 hash = hash128_of(parts, 3);

	if (audit->seen_count * 10 >= audit->seen_slots * 7) {
		size_t count = audit->seen_slots * 2;
		struct seen *grown = new_slots(count);
		for (size_t i = 0; i < audit->seen_slots; i++)
			if (audit->seen[i].last)
				*find_slot(grown, count, audit->seen[i].account) = audit->seen[i];
		free(audit->seen);
		audit->seen = grown;
		audit->seen_slots = count;
	}
	struct seen *seen = find_slot(audit->seen, audit->seen_slots, hash);
	if (!seen->last)
		seen->account = hash;
	return seen;
}

static void add_tail(
	struct topic_audit *audit, const struct account_key *account, int64_t first, int64_t last, bool may_be_taken)
{
	audit->tails[audit->tails_count++] = (struct tail){*account, first, last, may_be_taken};
	audit->tails_entries += last - first + 1;
}

/* Each entry once, in order, in one partition. */
static void check_order(struct topic_audit *audit, const struct claim *claim)
{
	struct seen *seen = find_seen(audit, &claim->account);
	const rd_kafka_message_t *message = claim->message;

	if (!seen->last) {
		audit->seen_count++;
		seen->first = claim->seq;
		seen->partition = message->partition;
		seen->last = claim->seq - 1;
	}
	if (seen->partition != message->partition)
		report_integers(audit->report, &claim->account, seen->partition, message->partition,
			"topic, entry %lld: partition", (long long)claim->seq);
	if (claim->seq <= seen->last) {
		report_integers(audit->report, &claim->account, seen->last + 1, claim->seq,
			"topic, [%d] offset %lld: seq, doubled or out of order", (int)message->partition,
			(long long)message->offset);
		return;
	}
	if (claim->seq > seen->last + 1)
		report_difference(audit->report, &claim->account, TEXT_LITERAL("there"), TEXT_LITERAL("missing"),
			"topic, entries %lld to %lld", (long long)seen->last + 1, (long long)claim->seq - 1);
	seen->last = claim->seq;
}

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

static bool read_claim(struct topic_audit *audit, const rd_kafka_message_t *message, struct claim *ret_claim)
{
	const struct text value = {message->payload, message->len};
	struct defect defect;
	schema_finder_prepare(audit->finder, value);
	const struct json_node *tree = verify_decode(audit->decoder, &audit->arena, value, &defect);
	const struct account_key nobody = {{message->key, message->key_len}, TEXT_NULL, TEXT_NULL};

	*ret_claim = (struct claim){.message = message};
	if (tree) {
		ret_claim->account = (struct account_key){
			member(tree, "customerId"), member(tree, "currencyId"), member(tree, "resourceId")};
		if (ret_claim->account.customer_id.data && ret_claim->account.currency_id.data &&
			parse_seq(member(tree, "seq"), &ret_claim->seq))
			return true;
		(void)snprintf(defect.text, sizeof defect.text, "names no account and seq");
	}
	report_difference(audit->report, &nobody, TEXT_LITERAL("a ledger entry"), text_of(defect.text),
		"topic, [%d] offset %lld", (int)message->partition, (long long)message->offset);
	return false;
}

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

/* The message against the entry that it names. */
static void compare_message(
	struct topic_audit *audit, const struct claim *claim, struct ledger_entry *entry, const char *topic)
{
	const rd_kafka_message_t *message = claim->message;
	const struct published published = {
		.key = {message->key, message->key_len},
		.value = {message->payload, message->len},
		.traceparent = find_traceparent(message),
	};

	entry->account = &claim->account;
	verify_message(audit->report, audit->decoder, &audit->arena, entry, topic, &published);
}

static enum outcome look_up(struct topic_audit *audit, const struct claim *claims, size_t count, PGresult **ret_result,
	struct failure *reterr)
{
	struct postgres *postgres = &audit->verify->postgres;
	struct postgres_params params;

	arena_reset(&postgres->scratch);
	postgres_params_init(&params, postgres);
	struct postgres_bytes *customers = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *currencies = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *resources = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *seqs = postgres_add_array(&params, POSTGRES_INT8, count);
	for (size_t i = 0; i < count; i++) {
		postgres_put_text(customers, claims[i].account.customer_id);
		postgres_put_text(currencies, claims[i].account.currency_id);
		postgres_put_resource(resources, claims[i].account.resource_id);
		postgres_put_int64(seqs, claims[i].seq);
	}
	return postgres_query(postgres, &read_entries, &params, ret_result, reterr);
}

static enum outcome check_claims(struct topic_audit *audit, struct claim *claims, size_t count, struct failure *reterr)
{
	POSTGRES_RESULT result = NULL;

	if (count == 0)
		return OUTCOME_OK;
	enum outcome outcome = look_up(audit, claims, count, &result, reterr);
	for (int i = 0; outcome == OUTCOME_OK && i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		struct claim *claim = &claims[postgres_get_int64(&row) - 1];
		const char *topic;
		struct ledger_entry entry = read_entry(&row, &topic, &audit->arena);
		claim->is_there = true;
		if (row.corrupt || entry.event_type < LEDGER_CREDITS_GRANTED ||
			entry.event_type > LEDGER_CREDITS_REVERSED)
			report_difference(audit->report, &claim->account, TEXT_LITERAL("readable in the database"),
				TEXT_NULL, "topic, entry %lld", (long long)claim->seq);
		else
			compare_message(audit, claim, &entry, topic);
	}
	for (size_t i = 0; outcome == OUTCOME_OK && i < count; i++)
		if (!claims[i].is_there)
			report_difference(audit->report, &claims[i].account, TEXT_LITERAL("in the database"),
				TEXT_LITERAL("missing there"), "topic, entry %lld ([%d] offset %lld)",
				(long long)claims[i].seq, (int)claims[i].message->partition,
				(long long)claims[i].message->offset);
	return outcome;
}

static enum outcome check_chunk(struct topic_audit *audit, struct failure *reterr)
{
	struct claim *claims = arena_alloc_array(&audit->arena, audit->messages_count + 1, sizeof *claims);
	size_t count = 0;

	for (size_t i = 0; i < audit->messages_count; i++) {
		if (!read_claim(audit, audit->messages[i], &claims[count]))
			continue;
		check_order(audit, &claims[count]);
		count++;
	}
	enum outcome outcome = check_claims(audit, claims, count, reterr);
	audit->report->messages += (int64_t)audit->messages_count;
	while (audit->messages_count)
		rd_kafka_message_destroy(audit->messages[--audit->messages_count]);
	arena_reset(&audit->arena);
	return outcome;
}

static enum outcome ask_partitions(struct topic_audit *audit, rd_kafka_t *asker, struct failure *reterr)
{
	struct kafka_topics topics;

	enum outcome outcome = kafka_topics_list(asker, &topics, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	audit->partitions_count = kafka_topic_partitions_count(&topics, audit->topic);
	audit->committed = rd_kafka_topic_partition_list_new(16);
	for (int input = 0; input < INPUT_COUNT; input++) {
		const char *name = audit->verify->config->input_topics[input];
		for (int32_t i = 0; i < kafka_topic_partitions_count(&topics, name); i++)
			rd_kafka_topic_partition_list_add(audit->committed, name, i);
	}
	kafka_topics_release(&topics);
	if (audit->partitions_count == 0) {
		(void)fail(reterr, OUTCOME_FATAL, "verify.topic", "topic %s does not exist", audit->topic);
		fail_hint(reterr, "run 'drawdown topics create'");
		return OUTCOME_FATAL;
	}
	audit->partitions = calloc((size_t)audit->partitions_count, sizeof *audit->partitions);
	if (!audit->partitions)
		abort();
	return OUTCOME_OK;
}

/* First how far the inputs are published, then where the topic ends: open transactions count, readers wait for them. */
static enum outcome ask_positions(struct topic_audit *audit, rd_kafka_t *asker, struct failure *reterr)
{
	rd_kafka_resp_err_t code = rd_kafka_committed(audit->kafka, audit->committed, KAFKA_CALL_TIMEOUT_MS);
	if (code)
		return kafka_fail(reterr, code, "verify.topic", "could not ask for the offsets of group %s",
			audit->verify->config->group_id);
	for (int32_t i = 0; i < audit->partitions_count; i++) {
		struct partition *partition = &audit->partitions[i];
		code = rd_kafka_query_watermark_offsets(
			asker, audit->topic, i, &partition->begin, &partition->target, KAFKA_CALL_TIMEOUT_MS);
		if (code)
			return kafka_fail(
				reterr, code, "verify.topic", "could not ask for %s [%d]", audit->topic, (int)i);
		partition->position = partition->begin;
		audit->unfinished += partition->position < partition->target;
	}
	return OUTCOME_OK;
}

static enum outcome assign(struct topic_audit *audit, struct failure *reterr)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(audit->partitions_count);

	for (int32_t i = 0; i < audit->partitions_count; i++)
		if (audit->partitions[i].begin < audit->partitions[i].target)
			rd_kafka_topic_partition_list_add(list, audit->topic, i)->offset = audit->partitions[i].begin;
	rd_kafka_resp_err_t code = list->cnt ? rd_kafka_assign(audit->kafka, list) : RD_KAFKA_RESP_ERR_NO_ERROR;
	rd_kafka_topic_partition_list_destroy(list);
	return code ? kafka_fail(reterr, code, "verify.topic", "could not read %s", audit->topic) : OUTCOME_OK;
}

static bool is_of_customer(const struct verify *verify, const rd_kafka_message_t *message)
{
	return !verify->customer ||
	       text_equal((struct text){message->key, message->key_len}, text_of(verify->customer));
}

static void move_position(struct topic_audit *audit, int32_t index, int64_t position)
{
	struct partition *partition = &audit->partitions[index];
	bool was_behind = partition->position < partition->target;

	if (position > partition->position)
		partition->position = position;
	audit->unfinished -= was_behind && partition->position >= partition->target;
}

/* Takes the message. */
static enum outcome take_message(struct topic_audit *audit, rd_kafka_message_t *message, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;
	bool is_kept = false;

	if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		move_position(audit, message->partition, message->offset);
	} else if (message->err) {
		if (kafka_is_denied(message->err) || message->err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
			message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
			outcome = kafka_fail(reterr, message->err, "verify.topic", "could not read %s", audit->topic);
	} else {
		is_kept = message->offset < audit->partitions[message->partition].target &&
			  is_of_customer(audit->verify, message);
		move_position(audit, message->partition, message->offset + 1);
	}
	if (is_kept)
		audit->messages[audit->messages_count++] = message;
	else
		rd_kafka_message_destroy(message);
	return outcome;
}

static enum outcome fail_waiting(struct topic_audit *audit, struct failure *reterr)
{
	for (int32_t i = 0; i < audit->partitions_count; i++) {
		const struct partition *partition = &audit->partitions[i];
		if (partition->position >= partition->target)
			continue;
		(void)fail(reterr, OUTCOME_FATAL, "verify.topic",
			"%s [%d] shows readers nothing from offset %lld on, of %lld, for %lld s", audit->topic, (int)i,
			(long long)partition->position, (long long)partition->target,
			(long long)(audit->verify->wait / INSTANT_SECOND));
		fail_hint(
			reterr, "a transaction is open there: the worker's ends within its time-out; or raise --wait");
		break;
	}
	return OUTCOME_FATAL;
}

static int64_t read_so_far(const struct topic_audit *audit)
{
	int64_t sum = 0;
	for (int32_t i = 0; i < audit->partitions_count; i++)
		sum += audit->partitions[i].position - audit->partitions[i].begin;
	return sum;
}

static enum outcome read_topic(struct topic_audit *audit, struct failure *reterr)
{
	int64_t moved_at = monotonic_now(), moved_to = 0;
	enum outcome outcome = assign(audit, reterr);

	while (outcome == OUTCOME_OK && audit->unfinished > 0) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(audit->kafka, POLL_MS);
		if (message)
			outcome = take_message(audit, message, reterr);
		if (outcome == OUTCOME_OK &&
			(audit->messages_count == CHUNK_MESSAGES || (!message && audit->messages_count)))
			outcome = check_chunk(audit, reterr);
		if (message && audit->messages_count % 256 != 0 && audit->unfinished > 0)
			continue;
		int64_t so_far = read_so_far(audit);
		if (so_far > moved_to) {
			moved_to = so_far;
			moved_at = monotonic_now();
		} else if (outcome == OUTCOME_OK && monotonic_now() - moved_at > audit->verify->wait) {
			outcome = fail_waiting(audit, reterr);
		}
		progress_update(&audit->verify->progress, (uint64_t)so_far, NULL);
	}
	return outcome == OUTCOME_OK ? check_chunk(audit, reterr) : outcome;
}

static enum outcome ask_tails(struct topic_audit *audit, PGresult **ret_result, struct failure *reterr)
{
	struct postgres *postgres = &audit->verify->postgres;
	struct postgres_params params;
	size_t count = audit->tails_count, positions = (size_t)audit->committed->cnt;

	arena_reset(&postgres->scratch);
	postgres_params_init(&params, postgres);
	struct postgres_bytes *customers = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *currencies = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *resources = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *first = postgres_add_array(&params, POSTGRES_INT8, count);
	struct postgres_bytes *last = postgres_add_array(&params, POSTGRES_INT8, count);
	struct postgres_bytes *topics = postgres_add_array(&params, POSTGRES_TEXT, positions);
	struct postgres_bytes *partitions = postgres_add_array(&params, POSTGRES_INT4, positions);
	struct postgres_bytes *offsets = postgres_add_array(&params, POSTGRES_INT8, positions);
	for (size_t i = 0; i < count; i++) {
		postgres_put_text(customers, audit->tails[i].account.customer_id);
		postgres_put_text(currencies, audit->tails[i].account.currency_id);
		postgres_put_resource(resources, audit->tails[i].account.resource_id);
		postgres_put_int64(first, audit->tails[i].first);
		postgres_put_int64(last, audit->tails[i].last);
	}
	for (size_t i = 0; i < positions; i++) {
		const rd_kafka_topic_partition_t *committed = &audit->committed->elems[i];
		postgres_put_text(topics, text_of(committed->topic));
		postgres_put_int32(partitions, committed->partition);
		postgres_put_int64(offsets, committed->offset < 0 ? 0 : committed->offset); /* below 0: none */
	}
	return postgres_query(postgres, &read_tails, &params, ret_result, reterr);
}

static enum outcome flush_tails(struct topic_audit *audit, struct failure *reterr)
{
	POSTGRES_RESULT result = NULL;

	if (audit->tails_count == 0)
		return OUTCOME_OK;
	enum outcome outcome = ask_tails(audit, &result, reterr);
	for (int i = 0; outcome == OUTCOME_OK && i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		const struct tail *tail = &audit->tails[postgres_get_int64(&row) - 1];
		int64_t published = postgres_get_int64(&row);
		int64_t first = postgres_get_int64(&row), last = postgres_get_int64(&row);
		audit->report->unpublished += postgres_get_int64(&row);
		if (tail->may_be_taken)
			audit->report->taken += published;
		else if (published)
			report_difference(audit->report, &tail->account, TEXT_LITERAL("there"), TEXT_LITERAL("missing"),
				"topic, entries %lld to %lld", (long long)first, (long long)last);
	}
	audit->tails_count = 0;
	audit->tails_entries = 0;
	return outcome;
}

static enum outcome check_tail(struct topic_audit *audit, const struct account_key *account, int64_t first,
	int64_t last, bool may_be_taken, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	for (; outcome == OUTCOME_OK && first <= last; first += TAIL_ENTRIES) {
		int64_t end = last - first >= TAIL_ENTRIES ? first + TAIL_ENTRIES - 1 : last;
		add_tail(audit, account, first, end, may_be_taken);
		if (audit->tails_count == TAILS_MAX || audit->tails_entries >= TAIL_ENTRIES)
			outcome = flush_tails(audit, reterr);
	}
	return outcome;
}

/* What the topic has not shown of an account: before the first entry that it did, and behind the last. */
static enum outcome check_account(
	struct topic_audit *audit, const struct account_key *account, int64_t seq, struct failure *reterr)
{
	const struct seen *seen = find_seen(audit, account);
	int32_t index =
		seen->last ? seen->partition : hash_partition_murmur2(account->customer_id, audit->partitions_count);
	bool has_lost_start = audit->partitions[index].begin > 0;

	if (!seen->last)
		return check_tail(audit, account, 1, seq, has_lost_start, reterr);
	enum outcome outcome = check_tail(audit, account, 1, seen->first - 1, has_lost_start, reterr);
	return outcome == OUTCOME_OK ? check_tail(audit, account, seen->last + 1, seq, false, reterr) : outcome;
}

static enum outcome read_page(
	struct topic_audit *audit, const struct account_key *after, PGresult **ret_page, struct failure *reterr)
{
	struct postgres *postgres = &audit->verify->postgres;
	struct postgres_params params;

	arena_reset(&postgres->scratch);
	postgres_params_init(&params, postgres);
	verify_put_account(&params, after);
	postgres_put_text(postgres_add_value(&params), verify_last_customer(audit->verify));
	postgres_put_int64(postgres_add_value(&params), PAGE_ACCOUNTS);
	return postgres_query(postgres, &read_accounts, &params, ret_page, reterr);
}

static enum outcome check_accounts(struct topic_audit *audit, struct failure *reterr)
{
	struct account_key after = verify_first(audit->verify);
	PGresult *page = NULL; /* the one before holds the texts of `after` */
	enum outcome outcome = OUTCOME_OK;
	int count = PAGE_ACCOUNTS;

	while (outcome == OUTCOME_OK && count == PAGE_ACCOUNTS) {
		PGresult *next = NULL;
		outcome = read_page(audit, &after, &next, reterr);
		if (outcome != OUTCOME_OK)
			break;
		PQclear(page);
		page = next;
		count = PQntuples(page);
		for (int i = 0; outcome == OUTCOME_OK && i < count; i++) {
			struct postgres_row row = {.result = page, .row = i};
			after = verify_get_account(&row);
			outcome = check_account(audit, &after, postgres_get_int64(&row), reterr);
		}
		if (outcome == OUTCOME_OK)
			outcome = flush_tails(audit, reterr);
		progress_update(&audit->verify->progress, (uint64_t)read_so_far(audit), "its accounts");
	}
	PQclear(page);
	return outcome;
}

static enum outcome open_consumer(
	struct topic_audit *audit, const char *isolation, rd_kafka_t **ret_kafka, struct failure *reterr)
{
	const struct kafka_option fixed[] = {
		{"group.id",
			audit->verify->config->group_id}, /* never joined, nothing committed; asked for its offsets */
		{"isolation.level", isolation},
		{"enable.auto.commit", "false"},
		{"enable.partition.eof", "true"},
		{"auto.offset.reset", "error"},
		{"check.crcs", "true"},
		{NULL, NULL},
	};
	static const struct kafka_option standard[] = {
		{"queued.max.messages.kbytes", "8192"}, /* a partition; read ahead, in memory */
		{"fetch.max.bytes", "8388608"},
		{NULL, NULL},
	};
	rd_kafka_conf_t *conf;

	enum outcome outcome = kafka_conf_new(audit->verify->config, standard, fixed, &conf, reterr);
	if (outcome == OUTCOME_OK)
		outcome = kafka_open(RD_KAFKA_CONSUMER, conf, ret_kafka, reterr);
	return outcome;
}

/* Ends are asked for by one who reads uncommitted: a read-committed one is told of those behind open transactions. */
static enum outcome prepare(struct topic_audit *audit, struct failure *reterr)
{
	rd_kafka_t *asker = NULL;

	enum outcome outcome = open_consumer(audit, "read_uncommitted", &asker, reterr);
	if (outcome == OUTCOME_OK)
		outcome = open_consumer(audit, "read_committed", &audit->kafka, reterr);
	if (outcome == OUTCOME_OK) {
		rd_kafka_poll_set_consumer(audit->kafka);
		outcome = ask_partitions(audit, asker, reterr);
	}
	if (outcome == OUTCOME_OK)
		outcome = ask_positions(audit, asker, reterr);
	if (asker)
		rd_kafka_destroy(asker);
	return outcome;
}

static void release(struct topic_audit *audit)
{
	while (audit->messages_count)
		rd_kafka_message_destroy(audit->messages[--audit->messages_count]);
	if (audit->committed)
		rd_kafka_topic_partition_list_destroy(audit->committed);
	if (audit->kafka) {
		rd_kafka_consumer_close(audit->kafka);
		rd_kafka_destroy(audit->kafka);
	}
	schema_finder_free(audit->finder);
	decoder_free(audit->decoder);
	arena_release(&audit->arena);
	free(audit->partitions);
	free(audit->seen);
	free(audit);
}

enum outcome verify_topic(struct verify *verify, struct failure *reterr)
{
	struct topic_audit *audit = calloc(1, sizeof *audit);

	if (!audit)
		abort();
	audit->verify = verify;
	audit->report = &verify->report;
	audit->topic = verify->config->output_topics[OUTPUT_LEDGER];
	audit->seen = new_slots(SEEN_SLOTS_MIN);
	audit->seen_slots = SEEN_SLOTS_MIN;
	audit->decoder = decoder_new();
	audit->finder = schema_finder_new(verify->config, audit->decoder);
	arena_init(&audit->arena, 1 << 20);
	verify->report.has_topic = true;
	enum outcome outcome = prepare(audit, reterr);
	if (outcome == OUTCOME_OK) {
		int64_t total = 0;
		for (int32_t i = 0; i < audit->partitions_count; i++)
			total += audit->partitions[i].target - audit->partitions[i].begin;
		progress_begin(&verify->progress, "ledger topic", (uint64_t)total);
		outcome = read_topic(audit, reterr);
		if (outcome == OUTCOME_OK)
			outcome = check_accounts(audit, reterr);
		progress_end(&verify->progress);
	}
	release(audit);
	return outcome;
}
