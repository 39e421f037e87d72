/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "avro_files.h"
#include "avro_schema.h"
#include "avro_write.h"
#include "encode_formats.h"

enum record_name {
	RECORD_CONSUME,
	RECORD_GRANT,
	RECORD_VOID,
	RECORD_CONFIRM_PAYMENT,
	RECORD_REVERSE,
	RECORD_CONFIGURE,
	RECORD_RESERVE,
	RECORD_SETTLE,
	RECORD_EXTEND,
	RECORD_RELEASE,
	RECORD_ADVANCE,
	RECORD_LEDGER_ENTRY,
	RECORD_BALANCE,
	RECORD_OUTCOME,
	RECORD_NOTIFICATION,
	RECORD_COUNT,
};

static const char *const record_names[RECORD_COUNT] = {
	[RECORD_CONSUME] = "drawdown.Consume",
	[RECORD_GRANT] = "drawdown.Grant",
	[RECORD_VOID] = "drawdown.Void",
	[RECORD_CONFIRM_PAYMENT] = "drawdown.ConfirmPayment",
	[RECORD_REVERSE] = "drawdown.Reverse",
	[RECORD_CONFIGURE] = "drawdown.Configure",
	[RECORD_RESERVE] = "drawdown.Reserve",
	[RECORD_SETTLE] = "drawdown.Settle",
	[RECORD_EXTEND] = "drawdown.Extend",
	[RECORD_RELEASE] = "drawdown.Release",
	[RECORD_ADVANCE] = "drawdown.Advance",
	[RECORD_LEDGER_ENTRY] = "drawdown.LedgerEntry",
	[RECORD_BALANCE] = "drawdown.Balance",
	[RECORD_OUTCOME] = "drawdown.Outcome",
	[RECORD_NOTIFICATION] = "drawdown.Notification",
};

static uint8_t headers[RECORD_COUNT][10]; /* of Avro's single-object encoding */
static struct output_schema schemas[RECORD_COUNT];

static void put_fingerprint(uint8_t header[10], uint64_t fingerprint)
{
	header[0] = 0xc3;
	header[1] = 0x01;
	for (size_t i = 0; i < 8; i++)
		header[2 + i] = (uint8_t)(fingerprint >> 8 * i);
}

static void find_header(enum record_name record, struct arena *arena)
{
	struct schema_error error;
	for (size_t i = 0; i < avro_files_count; i++) {
		const struct text text = {avro_files[i].text, avro_files[i].size};
		const struct schema *schema = schema_parse(text, arena, &error);
		if (schema && text_equal(schema->name, text_of(record_names[record]))) {
			uint64_t fingerprint = schema_fingerprint(schema, arena);
			put_fingerprint(headers[record], fingerprint);
			schemas[record] = (struct output_schema){text_of(record_names[record]), text, fingerprint};
			return;
		}
	}
	(void)fprintf(stderr, "encode: no embedded schema %s\n", record_names[record]);
	abort();
}

static void find_headers(void)
{
	struct arena arena;
	arena_init(&arena, 64 * 1024);
	for (int record = 0; record < RECORD_COUNT; record++)
		find_header((enum record_name)record, &arena);
	arena_release(&arena);
}

static void know_headers(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	(void)pthread_once(&once, find_headers);
}

static void put_header(struct buffer *buffer, enum record_name record)
{
	know_headers();
	buffer_put(buffer, headers[record], sizeof headers[record]);
}

static const enum record_name output_records[OUTPUT_DEAD_LETTERS] = {
	[OUTPUT_LEDGER] = RECORD_LEDGER_ENTRY,
	[OUTPUT_BALANCES] = RECORD_BALANCE,
	[OUTPUT_OUTCOMES] = RECORD_OUTCOME,
	[OUTPUT_NOTIFICATIONS] = RECORD_NOTIFICATION,
};

struct output_schema encode_output_schema(enum output output)
{
	assert(output < OUTPUT_DEAD_LETTERS);
	know_headers();
	return schemas[output_records[output]];
}

/* Confluent's framing where a registry has given an id: 0x00 and the id, big-endian. */
static void put_output_header(struct buffer *buffer, enum output output, const struct encoding *encoding)
{
	uint32_t id = encoding->schema_ids[output];
	const uint8_t header[5] = {0, (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};

	if (id)
		buffer_put(buffer, header, sizeof header);
	else
		put_header(buffer, output_records[output]);
}

static void put_account(
	struct buffer *buffer, struct text customer_id, struct text currency_id, struct text resource_id)
{
	avro_put_string(buffer, customer_id);
	avro_put_string(buffer, currency_id);
	avro_put_optional_string(buffer, resource_id);
}

static void put_source(struct buffer *buffer, const char *topic, int32_t partition, int64_t offset)
{
	avro_put_string(buffer, text_of(topic));
	avro_put_long(buffer, partition);
	avro_put_long(buffer, offset);
}

void encode_avro_ledger_entry(struct buffer *buffer, const struct ledger_entry *entry, const struct encoding *encoding)
{
	const struct account_key *account = entry->account;
	const struct source_position *source = &entry->source;
	put_output_header(buffer, OUTPUT_LEDGER, encoding);
	avro_put_long(buffer, (int64_t)encode_entry_id_size(entry));
	encode_put_entry_id(buffer, entry);
	put_account(buffer, account->customer_id, account->currency_id, account->resource_id);
	avro_put_long(buffer, entry->seq);
	avro_put_long(buffer, entry->event_type - LEDGER_CREDITS_GRANTED);
	avro_put_credit(buffer, entry->amount);
	avro_put_string(buffer, entry->grant_id);
	avro_put_credit(buffer, entry->grant_remaining);
	avro_put_credit(buffer, entry->balance_before);
	avro_put_credit(buffer, entry->balance_after);
	avro_put_optional_string(buffer, entry->idempotency_key);
	avro_put_optional_credit(buffer, entry->has_requested, entry->requested_amount);
	avro_put_long(buffer, entry->first_seq);
	avro_put_long(buffer, entry->last_seq);
	avro_put_long(buffer, entry->outcome - RESULT_APPLIED);
	avro_put_long(buffer, entry->event_time);
	avro_put_long(buffer, entry->recorded_at);
	avro_put_optional_members(buffer, entry->dimensions);
	put_source(buffer, encoding->input_topics[source->input], source->partition, source->offset);
}

static void put_freshness(struct buffer *buffer, const struct freshness *freshness, const struct encoding *encoding)
{
	if (freshness->input < 0) {
		avro_put_null(buffer);
		return;
	}
	avro_put_long(buffer, 1);
	put_source(buffer, encoding->input_topics[freshness->input], freshness->partition, freshness->offset);
	avro_put_optional_instant(buffer, freshness->event_time);
}

/* Amount and percent of a threshold: the one that it is, and null. */
static void put_threshold(struct buffer *buffer, const struct threshold *threshold)
{
	avro_put_optional_credit(buffer, !threshold->is_percent, threshold->amount);
	avro_put_optional_integer(buffer, threshold->is_percent, threshold->percent);
}

static void put_alerts(struct buffer *buffer, const struct alerts *alerts)
{
	if (alerts->count > 0)
		avro_put_long(buffer, (int64_t)alerts->count);
	for (size_t i = 0; i < alerts->count; i++) {
		put_threshold(buffer, &alerts->items[i].threshold);
		avro_put_long(buffer, alerts->items[i].state); /* the symbols stand in the order of the enum */
	}
	avro_put_long(buffer, 0); /* no further block */
}

void encode_avro_balance(struct buffer *buffer, const struct account *account, const struct encoding *encoding)
{
	put_output_header(buffer, OUTPUT_BALANCES, encoding);
	put_account(buffer, account->key.customer_id, account->key.currency_id, account->key.resource_id);
	avro_put_credit(buffer, account->balance);
	avro_put_credit(buffer, account->held);
	avro_put_credit(buffer, encode_spendable(account->balance, account->held));
	avro_put_credit(buffer, account->granted);
	avro_put_credit(buffer, account->consumed);
	avro_put_long(buffer, account->seq);
	put_alerts(buffer, &account->alerts);
	put_freshness(buffer, &account->freshness, encoding);
	avro_put_optional_instant(buffer, account->clock);
}

void encode_avro_outcome(struct buffer *buffer, const struct record *record, const struct encoding *encoding)
{
	const struct event *event = &record->event;
	const struct result *result = &record->result;
	const struct source_position *source = &record->source;
	put_output_header(buffer, OUTPUT_OUTCOMES, encoding);
	put_account(buffer, event->customer_id, event->currency_id, event->resource_id);
	avro_put_string(buffer, event->idempotency_key);
	avro_put_string(buffer, text_of(event_kind_name(event->kind)));
	avro_put_long(buffer, result->kind - RESULT_APPLIED);
	avro_put_optional_string(buffer, text_of(reject_code_name(result->code)));
	avro_put_optional_credit(buffer, event_has_requested(event), result->requested_amount);
	avro_put_credit(buffer, result->applied_amount);
	avro_put_optional_seq(buffer, result->first_seq);
	avro_put_optional_seq(buffer, result->last_seq);
	avro_put_optional_credit(buffer, result->has_balance, result->balance);
	put_source(buffer, encoding->input_topics[source->input], source->partition, source->offset);
}

void encode_avro_notification(
	struct buffer *buffer, const struct notification *notification, const struct encoding *encoding)
{
	const struct account_key *account = notification->account;
	const struct source_position *source = &notification->source;
	put_output_header(buffer, OUTPUT_NOTIFICATIONS, encoding);
	avro_put_string(buffer, encode_notification_id(buffer->arena, notification, encoding));
	avro_put_string(buffer, text_of(notification_type_name(notification->type)));
	put_account(buffer, account->customer_id, account->currency_id, account->resource_id);
	avro_put_optional_string(buffer, notification->grant_id);
	avro_put_optional_credit(buffer, notification->has_amount, notification->amount);
	avro_put_long(buffer, notification->has_threshold);
	if (notification->has_threshold)
		put_threshold(buffer, &notification->threshold);
	avro_put_optional_credit(buffer, notification->has_threshold, notification->level);
	avro_put_credit(buffer, notification->balance);
	avro_put_credit(buffer, notification->held);
	avro_put_credit(buffer, encode_spendable(notification->balance, notification->held));
	avro_put_long(buffer, notification->seq);
	avro_put_optional_string(buffer, notification->idempotency_key);
	avro_put_long(buffer, notification->recorded_at);
	put_source(buffer, encoding->input_topics[source->input], source->partition, source->offset);
}

static void put_grant(struct buffer *buffer, const struct event *event)
{
	const struct grant_terms *terms = event->terms;
	avro_put_credit(buffer, event->amount);
	avro_put_long(buffer, terms->grant_type); /* the symbols stand in the order of the enum */
	avro_put_optional_string(buffer, encode_given_grant_id(event));
	avro_put_optional_string(buffer, terms->display_name);
	avro_put_long(buffer, terms->priority);
	avro_put_optional_instant(buffer, terms->effective_at);
	avro_put_optional_instant(buffer, terms->expire_at);
	avro_put_long(buffer, terms->has_cost);
	if (terms->has_cost) {
		avro_put_credit(buffer, terms->cost_amount);
		avro_put_string(buffer, terms->cost_currency);
	}
	avro_put_optional_string(buffer, event->comment);
	avro_put_optional_members(buffer, terms->metadata);
	avro_put_boolean(buffer, terms->await_payment);
}

static void put_settings(struct buffer *buffer, const struct account_settings *settings)
{
	const struct thresholds *thresholds = &settings->thresholds;
	avro_put_optional_integer(buffer, settings->has_over_limit,
		settings->over_limit); /* the symbols stand in the order of the enum */
	avro_put_optional_credit(buffer, settings->has_overdraft_limit, settings->overdraft_limit);
	avro_put_long(buffer, settings->has_thresholds);
	if (!settings->has_thresholds)
		return;
	if (thresholds->count > 0)
		avro_put_long(buffer, (int64_t)thresholds->count);
	for (size_t i = 0; i < thresholds->count; i++) {
		put_threshold(buffer, &thresholds->items[i]);
		avro_put_long(buffer, thresholds->items[i].hysteresis);
	}
	avro_put_long(buffer, 0); /* no further block */
}

static void put_end(struct buffer *buffer, const struct hold_terms *hold)
{
	avro_put_optional_integer(buffer, hold->expires_at == INSTANT_NONE, encode_ttl_seconds(hold));
	avro_put_optional_instant(buffer, hold->expires_at);
}

/* What stands in the record between the key and createdAt. */
static void put_kind(struct buffer *buffer, const struct event *event)
{
	switch (event->kind) {
	case EVENT_CONSUME:
		avro_put_credit(buffer, event->amount);
		return;
	case EVENT_GRANT:
		put_grant(buffer, event);
		return;
	case EVENT_VOID:
	case EVENT_CONFIRM_PAYMENT:
		avro_put_string(buffer, event->grant_id);
		avro_put_optional_string(buffer, event->comment);
		return;
	case EVENT_REVERSE:
		avro_put_string(buffer, event->reversal->reversed_key);
		avro_put_optional_credit(buffer, event_has_requested(event), event->amount);
		return;
	case EVENT_CONFIGURE:
		put_settings(buffer, event->settings);
		return;
	case EVENT_RESERVE:
		avro_put_string(buffer, event->hold->reservation_id);
		avro_put_credit(buffer, event->amount);
		put_end(buffer, event->hold);
		return;
	case EVENT_SETTLE:
		avro_put_string(buffer, event->hold->reservation_id);
		avro_put_credit(buffer, event->amount);
		return;
	case EVENT_EXTEND:
		avro_put_string(buffer, event->hold->reservation_id);
		put_end(buffer, event->hold);
		return;
	case EVENT_RELEASE:
		avro_put_string(buffer, event->hold->reservation_id);
		return;
	case EVENT_ADVANCE:
		avro_put_long(buffer, event->due_at);
		return;
	case EVENT_KIND_COUNT:
		break;
	}
	abort();
}

void encode_avro_event(struct buffer *buffer, const struct event *event)
{
	static const enum record_name records[EVENT_KIND_COUNT] = {
		[EVENT_CONSUME] = RECORD_CONSUME,
		[EVENT_GRANT] = RECORD_GRANT,
		[EVENT_VOID] = RECORD_VOID,
		[EVENT_CONFIRM_PAYMENT] = RECORD_CONFIRM_PAYMENT,
		[EVENT_REVERSE] = RECORD_REVERSE,
		[EVENT_CONFIGURE] = RECORD_CONFIGURE,
		[EVENT_RESERVE] = RECORD_RESERVE,
		[EVENT_SETTLE] = RECORD_SETTLE,
		[EVENT_EXTEND] = RECORD_EXTEND,
		[EVENT_RELEASE] = RECORD_RELEASE,
		[EVENT_ADVANCE] = RECORD_ADVANCE,
	};
	put_header(buffer, records[event->kind]);
	put_account(buffer, event->customer_id, event->currency_id, event->resource_id);
	avro_put_string(buffer, event->idempotency_key);
	put_kind(buffer, event);
	avro_put_optional_instant(buffer, event->created_at);
	if (event->kind == EVENT_CONSUME)
		avro_put_optional_members(buffer, event->dimensions);
}
