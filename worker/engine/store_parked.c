/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>

#include "drawdown/store_parts.h"
#include "sql_files.h"

static const struct postgres_statement list_parked_customers = {
	"store.list_parked",
	"list_parked_customers",
	sql_list_parked_customers,
	{POSTGRES_TEXT},
};
static const struct postgres_statement find_parked = {
	"store.find_parked",
	"find_parked",
	sql_find_parked,
	{POSTGRES_INT8, POSTGRES_BOOL, POSTGRES_INT8, POSTGRES_INT8, POSTGRES_INT8, POSTGRES_INT8, POSTGRES_BOOL},
};
static const struct postgres_statement copy_parked = {"store.park", "copy_parked", sql_copy_parked, {0}};
static const struct postgres_statement delete_parked = {"store.park", "delete_parked", sql_delete_parked, {0}};

enum outcome store_list_parked(void *self, const struct input_partition *partitions, size_t count,
	void (*take)(void *context, struct text customer_id), void *context, struct failure *reterr)
{
	struct store_postgres *store = self;
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	arena_reset(&store->loop.scratch);
	enum outcome outcome = postgres_connect(&store->loop, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	postgres_params_init(&params, &store->loop);
	struct postgres_bytes *numbers = postgres_add_array(&params, POSTGRES_INT4, count);
	for (size_t i = 0; i < count; i++)
		postgres_put_int32(numbers, partitions[i].partition);
	outcome = postgres_query(&store->loop, &list_parked_customers, &params, &result, reterr);
	for (size_t i = 0; outcome == OUTCOME_OK && i < postgres_rows(result); i++) {
		struct postgres_row row = {.result = result, .row = (int)i};
		take(context, postgres_get_text(&row));
	}
	return outcome;
}

enum outcome store_limit_waits(void *self, size_t lane, int64_t lock_timeout, struct failure *reterr)
{
	struct store_postgres *store = self;
	char text[64];

	(void)snprintf(text, sizeof text, "set local lock_timeout = %lld", lock_timeout / INSTANT_MILLISECOND);
	return postgres_execute(&store->lanes[lane], "store.limit_waits", "lock_timeout", text, reterr);
}

/* ---- what there is ---- */

struct finding {
	const struct store_postgres *store;
	const struct parked_record *records;
	size_t count;
};

static struct text topic_of(const struct store_postgres *store, const struct record *record)
{
	return text_of(store->config->input_topics[record->source.input]);
}

static void add_finding(struct postgres_params *params, const struct finding *finding)
{
	size_t count = finding->count;
	struct postgres_bytes *customer = postgres_add_array(params, POSTGRES_TEXT, count);
	struct postgres_bytes *hash = postgres_add_array(params, POSTGRES_UUID, count);
	struct postgres_bytes *topic = postgres_add_array(params, POSTGRES_TEXT, count);
	struct postgres_bytes *partition = postgres_add_array(params, POSTGRES_INT4, count);
	struct postgres_bytes *offset = postgres_add_array(params, POSTGRES_INT8, count);
	struct postgres_bytes *timestamp = postgres_add_array(params, POSTGRES_TIMESTAMPTZ, count);
	struct postgres_bytes *released = postgres_add_array(params, POSTGRES_INT8, count);
	struct postgres_bytes *value = postgres_add_array(params, POSTGRES_BYTEA, count);

	for (size_t i = 0; i < count; i++) {
		const struct parked_record *parked = &finding->records[i];
		const struct record *record = parked->record;
		postgres_put_text(customer, record->event.customer_id);
		postgres_put_hash(hash, record->event.key_hash);
		postgres_put_text(topic, topic_of(finding->store, record));
		postgres_put_int32(partition, record->source.partition);
		postgres_put_int64(offset, record->source.offset);
		postgres_put_instant(timestamp, record->source.timestamp);
		if (parked->released_offset < 0) {
			postgres_put_null(released);
			postgres_put_null(value);
		} else {
			postgres_put_int64(released, parked->released_offset);
			postgres_put_text(value, record->value);
		}
	}
}

enum outcome store_find_parked(
	void *self, size_t lane, struct parked_record *records, size_t count, struct failure *reterr)
{
	struct store_postgres *store = self;
	struct postgres *postgres = &store->lanes[lane];
	const struct finding finding = {store, records, count};
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	arena_reset(&postgres->scratch);
	postgres_params_init(&params, postgres);
	add_finding(&params, &finding);
	enum outcome outcome = postgres_query(postgres, &find_parked, &params, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	outcome = store_check_count(&find_parked, result, count, reterr);
	for (size_t i = 0; outcome == OUTCOME_OK && i < count; i++) {
		struct postgres_row row = {.result = result, .row = (int)i};
		struct parked_record *parked = &records[postgres_get_int64(&row) - 1];
		parked->is_done = postgres_get_bool(&row);
		parked->own_ordinal = postgres_get_int64(&row);
		parked->released_ordinal = postgres_get_int64(&row);
		parked->first = postgres_get_int64(&row);
		parked->last = postgres_get_int64(&row);
		parked->is_elsewhere = postgres_get_bool(&row);
	}
	return outcome;
}

/* ---- what the try leaves ---- */

static char *put_length(char *room, struct text text)
{
	uint32_t big = htobe32(text.data ? (uint32_t)text.size : UINT32_MAX);

	memcpy(room, &big, sizeof big);
	if (text.size)
		memcpy(room + sizeof big, text.data, text.size);
	return room + sizeof big + text.size;
}

/* As the table's comment says. Absent where there are none. */
static struct text format_headers(struct arena *arena, const struct record *record)
{
	size_t size = 0;

	for (size_t i = 0; i < record->headers_count; i++)
		size += 2 * sizeof(uint32_t) + record->headers[i].name.size + record->headers[i].value.size;
	if (size == 0)
		return TEXT_NULL;
	char *bytes = arena_alloc(arena, size), *room = bytes;
	for (size_t i = 0; i < record->headers_count; i++)
		room = put_length(put_length(room, record->headers[i].name), record->headers[i].value);
	return (struct text){bytes, size};
}

static enum outcome write_rows(const struct store_postgres *store, struct postgres *postgres,
	const struct parked_record *records, size_t count, struct failure *reterr)
{
	struct postgres_copy copy;
	enum outcome outcome = postgres_copy_begin(&copy, postgres, &copy_parked, reterr);

	for (size_t i = 0; i < count && outcome == OUTCOME_OK; i++) {
		const struct record *record = records[i].record;
		if (record->role != ROLE_PARKED)
			continue;
		outcome = postgres_copy_row(&copy, 10, reterr);
		if (outcome != OUTCOME_OK)
			break;
		postgres_put_text(&copy.bytes, record->event.customer_id);
		postgres_put_int32(&copy.bytes, record->source.partition);
		postgres_put_int64(&copy.bytes, record->ordinal);
		postgres_put_text(&copy.bytes, topic_of(store, record));
		postgres_put_int64(&copy.bytes, record->source.offset);
		postgres_put_instant(&copy.bytes, record->source.timestamp);
		postgres_put_text(&copy.bytes, records[i].culprit ? text_of(records[i].culprit->reason) : TEXT_NULL);
		postgres_put_text(&copy.bytes, record->key);
		postgres_put_text(&copy.bytes, record->value);
		postgres_put_text(&copy.bytes, format_headers(&postgres->scratch, record));
	}
	return outcome == OUTCOME_OK ? postgres_copy_end(&copy, reterr) : outcome;
}

static enum outcome delete_rows(struct postgres *postgres, const struct parked_record *records, size_t count,
	size_t released_count, struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, postgres);
	struct postgres_bytes *customer = postgres_add_array(&params, POSTGRES_TEXT, released_count);
	struct postgres_bytes *partition = postgres_add_array(&params, POSTGRES_INT4, released_count);
	struct postgres_bytes *ordinal = postgres_add_array(&params, POSTGRES_INT8, released_count);
	for (size_t i = 0; i < count; i++) {
		const struct record *record = records[i].record;
		if (record->role != ROLE_RELEASED)
			continue;
		postgres_put_text(customer, record->event.customer_id);
		postgres_put_int32(partition, record->source.partition);
		postgres_put_int64(ordinal, record->ordinal);
	}
	enum outcome outcome = postgres_query(postgres, &delete_parked, &params, &result, reterr);
	return outcome == OUTCOME_OK ? store_check_count(&delete_parked, result, released_count, reterr) : outcome;
}

enum outcome store_park(
	void *self, size_t lane, const struct parked_record *records, size_t count, struct failure *reterr)
{
	struct store_postgres *store = self;
	struct postgres *postgres = &store->lanes[lane];
	size_t parked_count = 0, released_count = 0;
	bool has_culprits = false;
	enum outcome outcome = OUTCOME_OK;

	for (size_t i = 0; i < count; i++) {
		parked_count += records[i].record->role == ROLE_PARKED;
		released_count += records[i].record->role == ROLE_RELEASED;
		has_culprits = has_culprits || records[i].culprit;
	}
	arena_reset(&postgres->scratch);
	if (has_culprits)
		outcome = postgres_execute(postgres, "store.park", "touch_tables", sql_touch_tables, reterr);
	if (outcome == OUTCOME_OK && released_count)
		outcome = delete_rows(postgres, records, count, released_count, reterr);
	if (outcome == OUTCOME_OK && parked_count)
		outcome = write_rows(store, postgres, records, count, reterr);
	return outcome;
}
