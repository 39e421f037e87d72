/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "drawdown/store_parts.h"
#include "sql_files.h"

#define RECEIPT_COLUMNS                                                                                            \
	POSTGRES_INT2, POSTGRES_TEXT, POSTGRES_UUID, POSTGRES_INT2, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_INT2,   \
		POSTGRES_TEXT, POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_INT8, POSTGRES_INT8, \
		POSTGRES_INT8, POSTGRES_INT8, POSTGRES_JSON, POSTGRES_TEXT, POSTGRES_INT4, POSTGRES_INT8,          \
		POSTGRES_TIMESTAMPTZ

static const struct postgres_statement find_receipts = {
	"store.look_up",
	"find_receipts",
	sql_find_receipts,
	{POSTGRES_UUID, POSTGRES_TEXT, RECEIPT_COLUMNS},
};
static const struct postgres_statement find_receipts_of_range = {
	"store.recall_range",
	"find_receipts_of_range",
	sql_find_receipts_of_range,
	{POSTGRES_TEXT, POSTGRES_UUID, RECEIPT_COLUMNS},
};
static const struct postgres_statement find_grants = {
	"store.look_up",
	"find_grants",
	sql_find_grants,
	{POSTGRES_INT8, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_INT2, POSTGRES_INT2, POSTGRES_INT4, POSTGRES_TIMESTAMPTZ,
		POSTGRES_TIMESTAMPTZ, POSTGRES_TIMESTAMPTZ, POSTGRES_INT8},
};
static const struct postgres_statement read_entries = {
	"store.recall",
	"read_entries",
	sql_read_entries,
	{POSTGRES_INT8, POSTGRES_INT8, POSTGRES_INT2, POSTGRES_NUMERIC, POSTGRES_TEXT, POSTGRES_NUMERIC,
		POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_TEXT, POSTGRES_NUMERIC, POSTGRES_INT8, POSTGRES_INT8,
		POSTGRES_INT2, POSTGRES_TIMESTAMPTZ, POSTGRES_TIMESTAMPTZ, POSTGRES_JSON, POSTGRES_TEXT, POSTGRES_INT4,
		POSTGRES_INT8, POSTGRES_TIMESTAMPTZ, POSTGRES_TEXT},
};

/* Topic, partition, offset, timestamp. INPUT_COUNT where the topic is none of ours. */
static struct source_position read_source(const struct store_postgres *store, struct postgres_row *row)
{
	struct source_position source;

	source.input = store_input_of(store, postgres_get_text(row));
	source.partition = postgres_get_int32(row);
	source.offset = postgres_get_int64(row);
	source.timestamp = postgres_get_instant(row);
	return source;
}

/* From event_class on. */
static bool read_receipt(
	const struct store_postgres *store, struct arena *arena, struct postgres_row *row, struct receipt *receipt)
{
	receipt->event_class = (enum event_class)postgres_get_int16(row);
	receipt->idempotency_key = arena_copy(arena, postgres_get_text(row));
	receipt->fingerprint = postgres_get_hash(row);
	receipt->kind = (enum event_kind)postgres_get_int16(row);
	receipt->currency_id = arena_copy(arena, postgres_get_text(row));
	receipt->resource_id = arena_copy(arena, postgres_get_resource(row));
	receipt->outcome = (enum result_kind)postgres_get_int16(row);
	struct text code = postgres_get_text(row);
	receipt->code = REJECT_NONE;
	if (code.data && !reject_code_parse(code, &receipt->code))
		row->corrupt = true;
	receipt->requested_amount = postgres_get_credit(row);
	receipt->applied_amount = postgres_get_credit(row);
	receipt->balance = postgres_get_credit(row);
	receipt->range_first = postgres_get_int64(row);
	receipt->range_last = postgres_get_int64(row);
	receipt->first_seq = postgres_get_int64(row);
	receipt->last_seq = postgres_get_int64(row);
	receipt->notifications = arena_copy(arena, postgres_get_text(row));
	receipt->source = read_source(store, row);
	receipt->own_topic = receipt->source.input != INPUT_COUNT;
	if ((int)receipt->kind < 0 || receipt->kind >= EVENT_KIND_COUNT)
		row->corrupt = true;
	return !row->corrupt;
}

/* Two keys of one hash: receipts would answer for each other. */
static bool is_of_key(
	const struct key_slot *slot, struct text customer_id, struct text idempotency_key, enum event_class event_class)
{
	const struct receipt *receipt = slot ? slot->receipt : NULL;
	return !receipt ||
	       (text_equal(receipt->customer_id, customer_id) &&
		       text_equal(receipt->idempotency_key, idempotency_key) && receipt->event_class == event_class);
}

static enum outcome check_keys(const struct store_postgres *store, const struct lane_work *work, struct failure *reterr)
{
	for (size_t i = 0; i < work->records_count; i++) {
		const struct record *record = work->records[i];
		const struct event *event = &record->event;
		if (!record->readable ||
			(is_of_key(record->key_slot, event->customer_id, event->idempotency_key,
				 event_class_of(event->kind)) &&
				(!event->reversal || is_of_key(record->reversed_slot, event->customer_id,
							     event->reversal->reversed_key, CLASS_USAGE))))
			continue;
		(void)fail(reterr, OUTCOME_FATAL, find_receipts.where,
			"%s [%d] offset %lld: its key has the hash of another key in drawdown.receipt",
			store->config->input_topics[record->source.input], (int)record->source.partition,
			(long long)record->source.offset);
		fail_hint(reterr, "chance cannot do this: key_hash, customer_id or idempotency_key of the receipt was "
				  "changed by hand");
		return OUTCOME_FATAL;
	}
	return OUTCOME_OK;
}

static int compare_slot(const void *key_hash, const void *slot)
{
	const struct hash128 *hash = key_hash;
	return memcmp(hash->bytes, ((const struct key_slot *)slot)->key_hash.bytes, sizeof hash->bytes);
}

/* The accounts lie in the order of their customers. */
static size_t count_customers(const struct lane_work *work)
{
	size_t count = 0;

	for (size_t i = 0; i < work->accounts_count; i++)
		count +=
			i == 0 || !text_equal(work->accounts[i - 1].key.customer_id, work->accounts[i].key.customer_id);
	return count;
}

static void add_customers(struct postgres_params *params, const struct lane_work *work)
{
	struct postgres_bytes *customers = postgres_add_array(params, POSTGRES_TEXT, count_customers(work));

	for (size_t i = 0; i < work->accounts_count; i++)
		if (i == 0 || !text_equal(work->accounts[i - 1].key.customer_id, work->accounts[i].key.customer_id))
			postgres_put_text(customers, work->accounts[i].key.customer_id);
}

static enum outcome look_up_receipts(
	struct store_postgres *store, struct postgres *postgres, struct lane_work *work, struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, postgres);
	add_customers(&params, work);
	struct postgres_bytes *hash = postgres_add_array(&params, POSTGRES_UUID, work->key_slots_count);
	for (size_t i = 0; i < work->key_slots_count; i++)
		postgres_put_hash(hash, work->key_slots[i].key_hash);
	enum outcome outcome = postgres_query(postgres, &find_receipts, &params, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	size_t count = (size_t)PQntuples(result);
	struct receipt *receipts = arena_zero_array(&work->arena, count, sizeof *receipts);
	for (size_t i = 0; i < count; i++) {
		struct postgres_row row = {.result = result, .row = (int)i};
		const struct hash128 key_hash = postgres_get_hash(&row);
		struct key_slot *slot =
			bsearch(&key_hash, work->key_slots, work->key_slots_count, sizeof *slot, compare_slot);
		struct receipt *receipt = &receipts[i];
		assert(slot);
		receipt->customer_id = arena_copy(&work->arena, postgres_get_text(&row));
		receipt->key_hash = slot->key_hash;
		if (!read_receipt(store, &work->arena, &row, receipt))
			return store_fail_corrupt(&find_receipts, reterr);
		/* A key that was used again after its window has a receipt in two generations. */
		if (!slot->receipt || slot->receipt->source.timestamp < receipt->source.timestamp)
			slot->receipt = receipt;
	}
	return check_keys(store, work, reterr);
}

static enum grant_status status_after(enum grant_end end)
{
	switch (end) {
	case GRANT_END_EXPIRED:
		return GRANT_EXPIRED;
	case GRANT_END_VOIDED:
		return GRANT_VOIDED;
	case GRANT_END_NONE:
	case GRANT_END_DEPLETED:
		break;
	}
	return GRANT_ACTIVE;
}

/* From currency_id on. */
static bool read_grant(struct arena *arena, struct postgres_row *row, struct store_grant *found)
{
	struct grant *grant = &found->grant;

	found->found = true;
	found->currency_id = arena_copy(arena, postgres_get_text(row));
	found->resource_id = arena_copy(arena, postgres_get_resource(row));
	grant->grant_type = (enum grant_type)postgres_get_int16(row);
	found->end = (enum grant_end)postgres_get_int16(row);
	grant->status = status_after(found->end);
	grant->priority = postgres_get_int32(row);
	grant->effective_at = postgres_get_instant(row);
	grant->expire_at = postgres_get_instant(row);
	grant->created_at = postgres_get_instant(row);
	grant->ordinal = postgres_get_int64(row);
	return !row->corrupt;
}

enum outcome store_find_grants(struct postgres *postgres, struct arena *arena, struct store_grant *grants, size_t count,
	struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, postgres);
	struct postgres_bytes *customer = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *grant = postgres_add_array(&params, POSTGRES_TEXT, count);
	for (size_t i = 0; i < count; i++) {
		postgres_put_text(customer, grants[i].customer_id);
		postgres_put_text(grant, grants[i].grant.grant_id);
	}
	enum outcome outcome = postgres_query(postgres, &find_grants, &params, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	for (int i = 0; i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		struct store_grant *found = &grants[postgres_get_int64(&row) - 1];
		if (!read_grant(arena, &row, found))
			return store_fail_corrupt(&find_grants, reterr);
	}
	return OUTCOME_OK;
}

static enum outcome look_up_grants(struct postgres *postgres, struct lane_work *work, struct failure *reterr)
{
	size_t count = work->grants_known_count;
	struct store_grant *grants = arena_zero_array(&postgres->scratch, count, sizeof *grants);

	for (size_t i = 0; i < count; i++) {
		grants[i].customer_id = work->grants_known[i].customer_id;
		grants[i].grant.grant_id = work->grants_known[i].grant_id;
	}
	enum outcome outcome = store_find_grants(postgres, &work->arena, grants, count, reterr);
	for (size_t i = 0; i < count && outcome == OUTCOME_OK; i++) {
		if (!grants[i].found)
			continue;
		struct grant_known *known = &work->grants_known[i];
		known->currency_id = grants[i].currency_id;
		known->resource_id = grants[i].resource_id;
		known->grant_type = grants[i].grant.grant_type;
		known->end = grants[i].end;
		known->expire_at = grants[i].grant.expire_at;
		known->found = true;
	}
	return outcome;
}

enum outcome store_look_up(void *self, size_t lane, struct lane_work *work, struct failure *reterr)
{
	struct store_postgres *store = self;
	struct postgres *postgres = &store->lanes[lane];
	enum outcome outcome = OUTCOME_OK;

	arena_reset(&postgres->scratch);
	if (work->key_slots_count)
		outcome = look_up_receipts(store, postgres, work, reterr);
	if (outcome == OUTCOME_OK && work->grants_known_count)
		outcome = look_up_grants(postgres, work, reterr);
	if (outcome == OUTCOME_OK)
		outcome = store_look_up_holds(postgres, work, reterr);
	if (outcome == OUTCOME_OK)
		outcome = store_look_up_reversals(postgres, work, reterr);
	return outcome;
}

/* Entries of one receipt, that of the work's record. */
struct entry_range {
	const struct account_key *account;
	int64_t first, last;
};

static size_t list_ranges(const struct lane_work *work, struct entry_range *ranges, size_t *ret_entries_count)
{
	size_t count = 0;

	*ret_entries_count = 0;
	for (size_t i = 0; i < work->records_count; i++) {
		const struct record *record = work->records[i];
		if (!record->readable || !record_is_recalled(record) || record->key_slot->receipt->range_first == 0)
			continue;
		const struct receipt *receipt = record->key_slot->receipt;
		ranges[count++] =
			(struct entry_range){&record->account->key, receipt->range_first, receipt->range_last};
		*ret_entries_count += (size_t)(receipt->range_last - receipt->range_first + 1);
	}
	return count;
}

static bool read_entry(
	const struct store_postgres *store, struct arena *arena, struct postgres_row *row, struct ledger_entry *entry)
{
	entry->seq = postgres_get_int64(row);
	entry->event_type = (enum ledger_event)postgres_get_int16(row);
	entry->amount = postgres_get_credit(row);
	entry->grant_id = arena_copy(arena, postgres_get_text(row));
	entry->grant_remaining = postgres_get_credit(row);
	entry->balance_before = postgres_get_credit(row);
	entry->balance_after = postgres_get_credit(row);
	entry->idempotency_key = arena_copy(arena, postgres_get_text(row));
	entry->has_requested = !postgres_is_null(row);
	entry->requested_amount = postgres_get_credit(row);
	entry->first_seq = postgres_get_int64(row);
	entry->last_seq = postgres_get_int64(row);
	entry->outcome = (enum result_kind)postgres_get_int16(row);
	entry->event_time = postgres_get_instant(row);
	entry->recorded_at = postgres_get_instant(row);
	entry->dimensions = arena_copy(arena, postgres_get_text(row));
	entry->source = read_source(store, row);
	entry->traceparent = arena_copy(arena, postgres_get_text(row));
	return !row->corrupt && entry->source.input != INPUT_COUNT;
}

static void add_ranges(struct postgres_params *params, const struct entry_range *ranges, size_t count)
{
	struct store_keys keys = store_add_keys(params, count);
	struct postgres_bytes *first = postgres_add_array(params, POSTGRES_INT8, count);
	struct postgres_bytes *last = postgres_add_array(params, POSTGRES_INT8, count);

	for (size_t i = 0; i < count; i++) {
		store_put_key(&keys, ranges[i].account);
		postgres_put_int64(first, ranges[i].first);
		postgres_put_int64(last, ranges[i].last);
	}
}

/* What is told again is read once more only when it is published: what cannot be read must be noticed here. */
static bool are_notifications_whole(const struct lane_work *work, struct arena *scratch)
{
	struct notification *told;
	size_t count;

	for (size_t i = 0; i < work->records_count; i++) {
		const struct record *record = work->records[i];
		if (!record->readable || !record_is_recalled(record) || !record->key_slot->receipt->notifications.data)
			continue;
		if (!notifications_parse(record->key_slot->receipt->notifications, scratch, &told, &count))
			return false;
	}
	return true;
}

enum outcome store_recall(void *self, size_t lane, struct lane_work *work, struct failure *reterr)
{
	struct store_postgres *store = self;
	struct postgres *postgres = &store->lanes[lane];
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;
	size_t entries_count;

	arena_reset(&postgres->scratch);
	if (!are_notifications_whole(work, &postgres->scratch))
		return store_fail_corrupt(&find_receipts, reterr);
	struct entry_range *ranges = arena_alloc_array(&postgres->scratch, work->records_count, sizeof *ranges);
	size_t ranges_count = list_ranges(work, ranges, &entries_count);
	if (ranges_count == 0)
		return OUTCOME_OK;
	postgres_params_init(&params, postgres);
	add_ranges(&params, ranges, ranges_count);
	enum outcome outcome = postgres_query(postgres, &read_entries, &params, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	if ((size_t)PQntuples(result) != entries_count) {
		(void)fail(reterr, OUTCOME_FATAL, read_entries.where,
			"%zu receipts name %zu ledger entries, %d are there", ranges_count, entries_count,
			PQntuples(result));
		fail_hint(reterr, "the ledger was changed by hand or restored in part");
		return OUTCOME_FATAL;
	}
	work->recalled = arena_zero_array(&work->arena, entries_count, sizeof *work->recalled);
	work->recalled_count = work->recalled_capacity = entries_count;
	for (size_t i = 0; i < entries_count; i++) {
		struct postgres_row row = {.result = result, .row = (int)i};
		work->recalled[i].account = ranges[postgres_get_int64(&row) - 1].account;
		if (!read_entry(store, &work->arena, &row, &work->recalled[i]))
			return store_fail_corrupt(&read_entries, reterr);
	}
	return OUTCOME_OK;
}

/* The event as far as its receipt tells it: enough to find the receipt again, and to report its outcome. */
static bool append_record(const struct store_postgres *store, struct batch *batch, struct postgres_row *row)
{
	struct receipt receipt = {0};

	receipt.customer_id = arena_copy(&batch->arena, postgres_get_text(row));
	receipt.key_hash = postgres_get_hash(row);
	if (!read_receipt(store, &batch->arena, row, &receipt))
		return false;
	struct record *record = batch_append(batch);
	record->source = receipt.source;
	record->key = receipt.customer_id;
	record->readable = true;
	record->event = (struct event){
		.kind = receipt.kind,
		.customer_id = receipt.customer_id,
		.currency_id = receipt.currency_id,
		.resource_id = receipt.resource_id,
		.idempotency_key = receipt.idempotency_key,
		.amount = receipt.requested_amount,
		.created_at = INSTANT_NONE,
		.key_hash = receipt.key_hash,
		.fingerprint = receipt.fingerprint,
	};
	return true;
}

static enum outcome find_range(struct store_postgres *store, enum input input, int32_t partition, int64_t from,
	int64_t to, PGresult **ret_result, struct failure *reterr)
{
	struct postgres_params params;

	arena_reset(&store->loop.scratch);
	enum outcome outcome = postgres_connect(&store->loop, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	postgres_params_init(&params, &store->loop);
	postgres_put_text(postgres_add_value(&params), text_of(store->config->input_topics[input]));
	postgres_put_int32(postgres_add_value(&params), partition);
	postgres_put_int64(postgres_add_value(&params), from);
	postgres_put_int64(postgres_add_value(&params), to);
	return postgres_query(&store->loop, &find_receipts_of_range, &params, ret_result, reterr);
}

enum outcome store_recall_range(void *self, enum input input, int32_t partition, int64_t from, int64_t to,
	struct batch *batch, struct failure *reterr)
{
	struct store_postgres *store = self;
	POSTGRES_RESULT result = NULL;

	enum outcome outcome = find_range(store, input, partition, from, to, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	for (int i = 0; i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		if (!append_record(store, batch, &row))
			return store_fail_corrupt(&find_receipts_of_range, reterr);
	}
	return OUTCOME_OK;
}
