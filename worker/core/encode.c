/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/encode.h"

#include <assert.h>

#include "encode_formats.h"
#include "json_write.h"

struct text encode_ledger_entry(struct arena *arena, const struct ledger_entry *entry, const struct encoding *encoding)
{
	struct buffer buffer;
	buffer_init(&buffer, arena);
	if (encoding->format == FORMAT_JSON)
		encode_json_ledger_entry(&buffer, entry, encoding);
	else
		encode_avro_ledger_entry(&buffer, entry, encoding);
	return buffer_finish(&buffer);
}

struct text encode_balance(struct arena *arena, const struct account *account, const struct encoding *encoding)
{
	struct buffer buffer;
	buffer_init(&buffer, arena);
	if (encoding->format == FORMAT_JSON)
		encode_json_balance(&buffer, account, encoding);
	else
		encode_avro_balance(&buffer, account, encoding);
	return buffer_finish(&buffer);
}

struct text encode_notification(
	struct arena *arena, const struct notification *notification, const struct encoding *encoding)
{
	struct buffer buffer;
	buffer_init(&buffer, arena);
	if (encoding->format == FORMAT_JSON)
		encode_json_notification(&buffer, notification, encoding);
	else
		encode_avro_notification(&buffer, notification, encoding);
	return buffer_finish(&buffer);
}

struct text encode_outcome(struct arena *arena, const struct record *record, const struct encoding *encoding)
{
	struct buffer buffer;
	buffer_init(&buffer, arena);
	if (encoding->format == FORMAT_JSON)
		encode_json_outcome(&buffer, record, encoding);
	else
		encode_avro_outcome(&buffer, record, encoding);
	return buffer_finish(&buffer);
}

struct text encode_event(struct arena *arena, const struct event *event, enum output_format format)
{
	struct buffer buffer;
	buffer_init(&buffer, arena);
	if (format == FORMAT_JSON)
		encode_json_event(&buffer, event);
	else
		encode_avro_event(&buffer, event);
	return buffer_finish(&buffer);
}

/* A slash behind each part: no id has one. */
static void put_account(struct buffer *buffer, const struct account_key *account)
{
	buffer_put_text(buffer, account->customer_id);
	buffer_put_byte(buffer, '/');
	buffer_put_text(buffer, account->currency_id);
	buffer_put_byte(buffer, '/');
	buffer_put_text(buffer, account->resource_id);
	buffer_put_byte(buffer, '/');
}

void encode_put_entry_id(struct buffer *buffer, const struct ledger_entry *entry)
{
	put_account(buffer, entry->account);
	json_put_integer(buffer, entry->seq);
}

size_t encode_entry_id_size(const struct ledger_entry *entry)
{
	const struct account_key *account = entry->account;
	size_t digits = 1;

	assert(entry->seq >= 0);
	for (int64_t rest = entry->seq; rest >= 10; rest /= 10)
		digits++;
	return account->customer_id.size + account->currency_id.size + account->resource_id.size + 3 + digits;
}

struct text encode_notification_id(
	struct arena *arena, const struct notification *notification, const struct encoding *encoding)
{
	const struct source_position *source = &notification->source;
	struct buffer buffer;
	buffer_init(&buffer, arena);
	put_account(&buffer, notification->account);
	buffer_put_text(&buffer, text_of(encoding->input_topics[source->input]));
	buffer_put_byte(&buffer, '/');
	json_put_integer(&buffer, source->partition);
	buffer_put_byte(&buffer, '/');
	json_put_integer(&buffer, source->offset);
	buffer_put_byte(&buffer, '/');
	json_put_integer(&buffer, notification->ordinal);
	return buffer_finish(&buffer);
}

struct text encode_given_grant_id(const struct event *event)
{
	struct text id = event->grant_id;
	bool is_derived = event->kind == EVENT_GRANT && id.data && memchr(id.data, '/', id.size);
	return is_derived ? TEXT_NULL : id;
}

static struct text integer_text(struct arena *arena, int64_t value)
{
	struct buffer buffer;
	buffer_init(&buffer, arena);
	json_put_integer(&buffer, value);
	return buffer_finish(&buffer);
}

static struct text instant_text(struct arena *arena, instant_t instant)
{
	if (instant < INSTANT_MIN || instant > INSTANT_MAX) /* a record may have no timestamp */
		return TEXT_NULL;
	char text[INSTANT_TEXT_SIZE];
	size_t size = instant_format(instant, text);
	return arena_copy(arena, (struct text){text, size});
}

struct header *encode_dead_letter_headers(
	struct arena *arena, const struct record *record, const struct encoding *encoding, size_t *ret_headers_count)
{
	const struct source_position *source = &record->source;
	const struct header own[] = {
		{TEXT_LITERAL("drawdown.reason"), text_of(record->defect->reason)},
		{TEXT_LITERAL("drawdown.error"), text_of(record->defect->text)},
		{TEXT_LITERAL("drawdown.topic"), text_of(encoding->input_topics[source->input])},
		{TEXT_LITERAL("drawdown.partition"), integer_text(arena, source->partition)},
		{TEXT_LITERAL("drawdown.offset"), integer_text(arena, source->offset)},
		{TEXT_LITERAL("drawdown.timestamp"), instant_text(arena, source->timestamp)},
	};
	const size_t own_count = sizeof own / sizeof own[0];
	size_t count = record->headers_count + own_count;
	struct header *headers = arena_alloc_array(arena, count, sizeof *headers);
	if (record->headers_count)
		memcpy(headers, record->headers, record->headers_count * sizeof *headers);
	memcpy(headers + record->headers_count, own, sizeof own);
	*ret_headers_count = count;
	return headers;
}
