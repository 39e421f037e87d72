/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "drawdown/hash.h"
#include "drawdown/kafka.h"
#include "sql_files.h"
#include "verify_topic.h"

#define PAGE_ACCOUNTS 5000
#define TAIL_ENTRIES 50000 /* in one statement, about, so that none takes long */
#define TAILS_MAX 500

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

/* Entries that the topic should have shown. */
struct tail {
	struct account_key account;
	int64_t first, last;
	bool may_be_taken; /* by retention */
};

struct unseen {
	struct verify *verify;
	struct seen_table *seen;
	const struct topic_reader *reader;
	const rd_kafka_topic_partition_list_t *published;
	struct tail tails[TAILS_MAX];
	size_t tails_count;
	int64_t tails_entries;
};

/* ---- how far the inputs are published ---- */

static enum outcome list_inputs(
	const struct verify *verify, rd_kafka_t *kafka, rd_kafka_topic_partition_list_t *list, struct failure *reterr)
{
	struct kafka_topics topics;
	enum outcome outcome = kafka_topics_list(kafka, &topics, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	for (int input = 0; input < INPUT_COUNT; input++) {
		const char *name = verify->config->input_topics[input];
		for (int32_t i = 0; i < kafka_topic_partitions_count(&topics, name); i++)
			rd_kafka_topic_partition_list_add(list, name, i);
	}
	kafka_topics_release(&topics);
	return OUTCOME_OK;
}

static enum outcome ask_committed(
	const struct verify *verify, rd_kafka_t *kafka, rd_kafka_topic_partition_list_t *list, struct failure *reterr)
{
	enum outcome outcome = list_inputs(verify, kafka, list, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	rd_kafka_resp_err_t code = rd_kafka_committed(kafka, list, KAFKA_CALL_TIMEOUT_MS);
	return code ? kafka_fail(reterr, code, "verify.topic", "could not ask for the offsets of group %s",
			      verify->config->group_id)
		    : OUTCOME_OK;
}

enum outcome verify_ask_published(
	const struct verify *verify, rd_kafka_topic_partition_list_t **ret_published, struct failure *reterr)
{
	const struct kafka_option fixed[] = {
		{"group.id", verify->config->group_id}, /* never joined, nothing committed */
		{"enable.auto.commit", "false"},
		{NULL, NULL},
	};
	rd_kafka_conf_t *conf;
	rd_kafka_t *kafka;

	*ret_published = NULL;
	enum outcome outcome = kafka_conf_new(verify->config, NULL, fixed, &conf, reterr);
	if (outcome == OUTCOME_OK)
		outcome = kafka_open(RD_KAFKA_CONSUMER, conf, &kafka, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
	outcome = ask_committed(verify, kafka, list, reterr);
	rd_kafka_destroy(kafka);
	if (outcome == OUTCOME_OK)
		*ret_published = list;
	else
		rd_kafka_topic_partition_list_destroy(list);
	return outcome;
}

/* ---- the entries that should be there ---- */

static enum outcome ask_tails(struct unseen *unseen, PGresult **ret_result, struct failure *reterr)
{
	struct postgres *postgres = &unseen->verify->postgres;
	struct postgres_params params;
	size_t count = unseen->tails_count, positions = (size_t)unseen->published->cnt;

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
		postgres_put_text(customers, unseen->tails[i].account.customer_id);
		postgres_put_text(currencies, unseen->tails[i].account.currency_id);
		postgres_put_resource(resources, unseen->tails[i].account.resource_id);
		postgres_put_int64(first, unseen->tails[i].first);
		postgres_put_int64(last, unseen->tails[i].last);
	}
	for (size_t i = 0; i < positions; i++) {
		const rd_kafka_topic_partition_t *input = &unseen->published->elems[i];
		postgres_put_text(topics, text_of(input->topic));
		postgres_put_int32(partitions, input->partition);
		postgres_put_int64(offsets, input->offset < 0 ? 0 : input->offset); /* below 0: none */
	}
	return postgres_query(postgres, &read_tails, &params, ret_result, reterr);
}

static enum outcome flush_tails(struct unseen *unseen, struct failure *reterr)
{
	POSTGRES_RESULT result = NULL;

	if (unseen->tails_count == 0)
		return OUTCOME_OK;
	enum outcome outcome = ask_tails(unseen, &result, reterr);
	for (int i = 0; outcome == OUTCOME_OK && i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		const struct tail *tail = &unseen->tails[postgres_get_int64(&row) - 1];
		int64_t published = postgres_get_int64(&row);
		int64_t first = postgres_get_int64(&row), last = postgres_get_int64(&row);
		unseen->verify->report.unpublished += postgres_get_int64(&row);
		if (tail->may_be_taken)
			unseen->verify->report.taken += published;
		else if (published)
			report_difference(&unseen->verify->report, &tail->account, TEXT_LITERAL("there"),
				TEXT_LITERAL("missing"), "topic, entries %lld to %lld", (long long)first,
				(long long)last);
	}
	unseen->tails_count = 0;
	unseen->tails_entries = 0;
	return outcome;
}

static enum outcome check_tail(struct unseen *unseen, const struct account_key *account, int64_t first, int64_t last,
	bool may_be_taken, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	for (; outcome == OUTCOME_OK && first <= last; first += TAIL_ENTRIES) {
		int64_t end = last - first >= TAIL_ENTRIES ? first + TAIL_ENTRIES - 1 : last;
		unseen->tails[unseen->tails_count++] = (struct tail){*account, first, end, may_be_taken};
		unseen->tails_entries += end - first + 1;
		if (unseen->tails_count == TAILS_MAX || unseen->tails_entries >= TAIL_ENTRIES)
			outcome = flush_tails(unseen, reterr);
	}
	return outcome;
}

/* What the topic has not shown of an account: before the first entry that it did, and behind the last. */
static enum outcome check_account(
	struct unseen *unseen, const struct account_key *account, int64_t seq, struct failure *reterr)
{
	const struct seen *seen = seen_find(unseen->seen, account);
	int32_t index = seen->last ? seen->partition
				   : hash_partition_murmur2(account->customer_id, unseen->reader->partitions_count);
	bool has_lost_start = unseen->reader->ranges[index].begin > 0;

	if (!seen->last)
		return check_tail(unseen, account, 1, seq, has_lost_start, reterr);
	enum outcome outcome = check_tail(unseen, account, 1, seen->first - 1, has_lost_start, reterr);
	return outcome == OUTCOME_OK ? check_tail(unseen, account, seen->last + 1, seq, false, reterr) : outcome;
}

static enum outcome read_page(
	struct unseen *unseen, const struct account_key *after, PGresult **ret_page, struct failure *reterr)
{
	struct postgres *postgres = &unseen->verify->postgres;
	struct postgres_params params;

	arena_reset(&postgres->scratch);
	postgres_params_init(&params, postgres);
	verify_put_account(&params, after);
	postgres_put_text(postgres_add_value(&params), verify_last_customer(unseen->verify));
	postgres_put_int64(postgres_add_value(&params), PAGE_ACCOUNTS);
	return postgres_query(postgres, &read_accounts, &params, ret_page, reterr);
}

static enum outcome check_accounts(struct unseen *unseen, struct failure *reterr)
{
	struct account_key after = verify_first(unseen->verify);
	PGresult *page = NULL; /* the one before holds the texts of `after` */
	enum outcome outcome = OUTCOME_OK;
	int count = PAGE_ACCOUNTS;

	while (outcome == OUTCOME_OK && count == PAGE_ACCOUNTS) {
		PGresult *next = NULL;
		outcome = read_page(unseen, &after, &next, reterr);
		if (outcome != OUTCOME_OK)
			break;
		PQclear(page);
		page = next;
		count = PQntuples(page);
		for (int i = 0; outcome == OUTCOME_OK && i < count; i++) {
			struct postgres_row row = {.result = page, .row = i};
			after = verify_get_account(&row);
			outcome = check_account(unseen, &after, postgres_get_int64(&row), reterr);
		}
		if (outcome == OUTCOME_OK)
			outcome = flush_tails(unseen, reterr);
		progress_update(&unseen->verify->progress, topic_reader_total(unseen->reader), "its accounts");
	}
	PQclear(page);
	return outcome;
}

enum outcome verify_unseen(struct verify *verify, struct seen_table *seen, const struct topic_reader *reader,
	const rd_kafka_topic_partition_list_t *published, struct failure *reterr)
{
	struct unseen unseen = {.verify = verify, .seen = seen, .reader = reader, .published = published};
	return check_accounts(&unseen, reterr);
}
