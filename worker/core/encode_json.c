/* SPDX-License-Identifier: Apache-2.0 */
#include "encode_formats.h"
#include "json_write.h"

/* 0 stands for "none" in the structs: null. */
static void put_seq_field(struct buffer *buffer, struct text name, int64_t seq)
{
	if (seq)
		json_put_integer_field(buffer, name, seq);
	else
		json_put_null_field(buffer, name);
}

static void put_optional_credit_field(struct buffer *buffer, struct text name, bool is_given, credit_t amount)
{
	if (is_given)
		json_put_credit_field(buffer, name, amount);
	else
		json_put_null_field(buffer, name);
}

static void put_source_field(
	struct buffer *buffer, struct text name, const char *topic, int32_t partition, int64_t offset)
{
	json_put_name(buffer, name);
	buffer_put_byte(buffer, '{');
	json_put_string_field(buffer, TEXT_LITERAL("topic"), text_of(topic));
	json_put_integer_field(buffer, TEXT_LITERAL("partition"), partition);
	json_put_integer_field(buffer, TEXT_LITERAL("offset"), offset);
	buffer_put_byte(buffer, '}');
}

static void put_account_fields(
	struct buffer *buffer, struct text customer_id, struct text currency_id, struct text resource_id)
{
	json_put_string_field(buffer, TEXT_LITERAL("customerId"), customer_id);
	json_put_string_field(buffer, TEXT_LITERAL("currencyId"), currency_id);
	json_put_string_field(buffer, TEXT_LITERAL("resourceId"), resource_id);
}

void encode_json_ledger_entry(struct buffer *buffer, const struct ledger_entry *entry, const struct encoding *encoding)
{
	const struct account_key *account = entry->account;
	const struct source_position *source = &entry->source;
	struct buffer id;
	buffer_put_byte(buffer, '{');
	buffer_init(&id, buffer->arena);
	encode_put_entry_id(&id, entry);
	json_put_string_field(buffer, TEXT_LITERAL("entryId"), (struct text){id.data, id.size});
	put_account_fields(buffer, account->customer_id, account->currency_id, account->resource_id);
	json_put_integer_field(buffer, TEXT_LITERAL("seq"), entry->seq);
	json_put_string_field(buffer, TEXT_LITERAL("eventType"), text_of(ledger_event_name(entry->event_type)));
	json_put_credit_field(buffer, TEXT_LITERAL("amount"), entry->amount);
	json_put_string_field(buffer, TEXT_LITERAL("grantId"), entry->grant_id);
	json_put_credit_field(buffer, TEXT_LITERAL("grantRemaining"), entry->grant_remaining);
	json_put_credit_field(buffer, TEXT_LITERAL("balanceBefore"), entry->balance_before);
	json_put_credit_field(buffer, TEXT_LITERAL("balanceAfter"), entry->balance_after);
	json_put_string_field(buffer, TEXT_LITERAL("idempotencyKey"), entry->idempotency_key);
	put_optional_credit_field(
		buffer, TEXT_LITERAL("requestedAmount"), entry->has_requested, entry->requested_amount);
	json_put_integer_field(buffer, TEXT_LITERAL("firstSeq"), entry->first_seq);
	json_put_integer_field(buffer, TEXT_LITERAL("lastSeq"), entry->last_seq);
	json_put_string_field(buffer, TEXT_LITERAL("outcome"), text_of(result_kind_name(entry->outcome)));
	json_put_instant_field(buffer, TEXT_LITERAL("eventTime"), entry->event_time);
	json_put_instant_field(buffer, TEXT_LITERAL("recordedAt"), entry->recorded_at);
	json_put_raw_field(buffer, TEXT_LITERAL("dimensions"), entry->dimensions);
	put_source_field(buffer, TEXT_LITERAL("source"), encoding->input_topics[source->input], source->partition,
		source->offset);
	buffer_put_byte(buffer, '}');
}

static void put_freshness_field(
	struct buffer *buffer, const struct freshness *freshness, const struct encoding *encoding)
{
	if (freshness->input < 0) {
		json_put_null_field(buffer, TEXT_LITERAL("freshness"));
		return;
	}
	json_put_name(buffer, TEXT_LITERAL("freshness"));
	buffer_put_byte(buffer, '{');
	put_source_field(buffer, TEXT_LITERAL("input"), encoding->input_topics[freshness->input], freshness->partition,
		freshness->offset);
	json_put_instant_field(buffer, TEXT_LITERAL("eventTime"), freshness->event_time);
	buffer_put_byte(buffer, '}');
}

/* Amount and percent of a threshold: the one that it is, and null. */
static void put_threshold_fields(struct buffer *buffer, const struct threshold *threshold)
{
	put_optional_credit_field(buffer, TEXT_LITERAL("amount"), !threshold->is_percent, threshold->amount);
	if (threshold->is_percent)
		json_put_integer_field(buffer, TEXT_LITERAL("percent"), threshold->percent);
	else
		json_put_null_field(buffer, TEXT_LITERAL("percent"));
}

static void put_alerts_field(struct buffer *buffer, const struct alerts *alerts)
{
	json_put_name(buffer, TEXT_LITERAL("thresholds"));
	buffer_put_byte(buffer, '[');
	for (size_t i = 0; i < alerts->count; i++) {
		const struct alert *alert = &alerts->items[i];
		buffer_put_text(buffer, i > 0 ? TEXT_LITERAL(",{") : TEXT_LITERAL("{"));
		put_threshold_fields(buffer, &alert->threshold);
		json_put_string_field(buffer, TEXT_LITERAL("state"), text_of(alert_state_name(alert->state)));
		buffer_put_byte(buffer, '}');
	}
	buffer_put_byte(buffer, ']');
}

void encode_json_balance(struct buffer *buffer, const struct account *account, const struct encoding *encoding)
{
	buffer_put_byte(buffer, '{');
	put_account_fields(buffer, account->key.customer_id, account->key.currency_id, account->key.resource_id);
	json_put_credit_field(buffer, TEXT_LITERAL("balance"), account->balance);
	json_put_credit_field(buffer, TEXT_LITERAL("held"), account->held);
	json_put_credit_field(buffer, TEXT_LITERAL("spendable"), encode_spendable(account->balance, account->held));
	json_put_credit_field(buffer, TEXT_LITERAL("granted"), account->granted);
	json_put_credit_field(buffer, TEXT_LITERAL("consumed"), account->consumed);
	json_put_integer_field(buffer, TEXT_LITERAL("seq"), account->seq);
	put_alerts_field(buffer, &account->alerts);
	put_freshness_field(buffer, &account->freshness, encoding);
	json_put_instant_field(buffer, TEXT_LITERAL("recordedAt"), account->clock);
	buffer_put_byte(buffer, '}');
}

void encode_json_outcome(struct buffer *buffer, const struct record *record, const struct encoding *encoding)
{
	const struct event *event = &record->event;
	const struct result *result = &record->result;
	const struct source_position *source = &record->source;
	buffer_put_byte(buffer, '{');
	put_account_fields(buffer, event->customer_id, event->currency_id, event->resource_id);
	json_put_string_field(buffer, TEXT_LITERAL("idempotencyKey"), event->idempotency_key);
	json_put_string_field(buffer, TEXT_LITERAL("type"), text_of(event_kind_name(event->kind)));
	json_put_string_field(buffer, TEXT_LITERAL("outcome"), text_of(result_kind_name(result->kind)));
	json_put_string_field(buffer, TEXT_LITERAL("code"), text_of(reject_code_name(result->code)));
	put_optional_credit_field(
		buffer, TEXT_LITERAL("requestedAmount"), event_has_requested(event), result->requested_amount);
	json_put_credit_field(buffer, TEXT_LITERAL("appliedAmount"), result->applied_amount);
	put_seq_field(buffer, TEXT_LITERAL("firstSeq"), result->first_seq);
	put_seq_field(buffer, TEXT_LITERAL("lastSeq"), result->last_seq);
	put_optional_credit_field(buffer, TEXT_LITERAL("balance"), result->has_balance, result->balance);
	put_source_field(buffer, TEXT_LITERAL("source"), encoding->input_topics[source->input], source->partition,
		source->offset);
	buffer_put_byte(buffer, '}');
}

void encode_json_notification(
	struct buffer *buffer, const struct notification *notification, const struct encoding *encoding)
{
	const struct account_key *account = notification->account;
	const struct source_position *source = &notification->source;
	buffer_put_byte(buffer, '{');
	json_put_string_field(
		buffer, TEXT_LITERAL("notificationId"), encode_notification_id(buffer->arena, notification, encoding));
	json_put_string_field(buffer, TEXT_LITERAL("type"), text_of(notification_type_name(notification->type)));
	put_account_fields(buffer, account->customer_id, account->currency_id, account->resource_id);
	json_put_string_field(buffer, TEXT_LITERAL("grantId"), notification->grant_id);
	put_optional_credit_field(buffer, TEXT_LITERAL("amount"), notification->has_amount, notification->amount);
	json_put_name(buffer, TEXT_LITERAL("threshold"));
	if (notification->has_threshold) {
		buffer_put_byte(buffer, '{');
		put_threshold_fields(buffer, &notification->threshold);
		buffer_put_byte(buffer, '}');
	} else {
		buffer_put_text(buffer, TEXT_LITERAL("null"));
	}
	put_optional_credit_field(buffer, TEXT_LITERAL("level"), notification->has_threshold, notification->level);
	json_put_credit_field(buffer, TEXT_LITERAL("balance"), notification->balance);
	json_put_credit_field(buffer, TEXT_LITERAL("held"), notification->held);
	json_put_credit_field(
		buffer, TEXT_LITERAL("spendable"), encode_spendable(notification->balance, notification->held));
	json_put_integer_field(buffer, TEXT_LITERAL("seq"), notification->seq);
	json_put_string_field(buffer, TEXT_LITERAL("idempotencyKey"), notification->idempotency_key);
	json_put_instant_field(buffer, TEXT_LITERAL("recordedAt"), notification->recorded_at);
	put_source_field(buffer, TEXT_LITERAL("source"), encoding->input_topics[source->input], source->partition,
		source->offset);
	buffer_put_byte(buffer, '}');
}

/* Of an input, what is not given is left out. */
static void put_given_string(struct buffer *buffer, struct text name, struct text value)
{
	if (value.data)
		json_put_string_field(buffer, name, value);
}

static void put_given_instant(struct buffer *buffer, struct text name, instant_t instant)
{
	if (instant != INSTANT_NONE)
		json_put_instant_field(buffer, name, instant);
}

static void put_terms(struct buffer *buffer, const struct grant_terms *terms)
{
	json_put_string_field(buffer, TEXT_LITERAL("grantType"), text_of(grant_type_name(terms->grant_type)));
	if (terms->priority)
		json_put_integer_field(buffer, TEXT_LITERAL("priority"), terms->priority);
	put_given_instant(buffer, TEXT_LITERAL("effectiveAt"), terms->effective_at);
	put_given_instant(buffer, TEXT_LITERAL("expireAt"), terms->expire_at);
	if (terms->has_cost) {
		json_put_name(buffer, TEXT_LITERAL("cost"));
		buffer_put_byte(buffer, '{');
		json_put_credit_field(buffer, TEXT_LITERAL("amount"), terms->cost_amount);
		json_put_string_field(buffer, TEXT_LITERAL("currency"), terms->cost_currency);
		buffer_put_byte(buffer, '}');
	}
	put_given_string(buffer, TEXT_LITERAL("displayName"), terms->display_name);
	if (terms->metadata.data)
		json_put_raw_field(buffer, TEXT_LITERAL("metadata"), terms->metadata);
	if (terms->await_payment)
		json_put_raw_field(buffer, TEXT_LITERAL("awaitPaymentConfirmation"), TEXT_LITERAL("true"));
}

static void put_hold(struct buffer *buffer, const struct event *event)
{
	const struct hold_terms *hold = event->hold;
	json_put_string_field(buffer, TEXT_LITERAL("reservationId"), hold->reservation_id);
	if (event->kind != EVENT_RESERVE && event->kind != EVENT_EXTEND)
		return;
	if (hold->expires_at == INSTANT_NONE)
		json_put_integer_field(buffer, TEXT_LITERAL("ttlSeconds"), encode_ttl_seconds(hold));
	put_given_instant(buffer, TEXT_LITERAL("expiresAt"), hold->expires_at);
}

static void put_thresholds_field(struct buffer *buffer, const struct thresholds *thresholds)
{
	json_put_name(buffer, TEXT_LITERAL("thresholds"));
	buffer_put_byte(buffer, '[');
	for (size_t i = 0; i < thresholds->count; i++) {
		const struct threshold *threshold = &thresholds->items[i];
		buffer_put_text(buffer, i > 0 ? TEXT_LITERAL(",{") : TEXT_LITERAL("{"));
		if (threshold->is_percent)
			json_put_integer_field(buffer, TEXT_LITERAL("percent"), threshold->percent);
		else
			json_put_credit_field(buffer, TEXT_LITERAL("amount"), threshold->amount);
		json_put_integer_field(buffer, TEXT_LITERAL("hysteresis"), threshold->hysteresis);
		buffer_put_byte(buffer, '}');
	}
	buffer_put_byte(buffer, ']');
}

static void put_settings(struct buffer *buffer, const struct account_settings *settings)
{
	if (settings->has_over_limit)
		json_put_string_field(
			buffer, TEXT_LITERAL("overLimit"), text_of(over_limit_name(settings->over_limit)));
	if (settings->has_overdraft_limit)
		json_put_credit_field(buffer, TEXT_LITERAL("overdraftLimit"), settings->overdraft_limit);
	if (settings->has_thresholds)
		put_thresholds_field(buffer, &settings->thresholds);
}

void encode_json_event(struct buffer *buffer, const struct event *event)
{
	buffer_put_byte(buffer, '{');
	json_put_string_field(buffer, TEXT_LITERAL("type"), text_of(event_kind_name(event->kind)));
	json_put_string_field(buffer, TEXT_LITERAL("customerId"), event->customer_id);
	json_put_string_field(buffer, TEXT_LITERAL("currencyId"), event->currency_id);
	put_given_string(buffer, TEXT_LITERAL("resourceId"), event->resource_id);
	json_put_string_field(buffer, TEXT_LITERAL("idempotencyKey"), event->idempotency_key);
	if (event_has_requested(event))
		json_put_credit_field(buffer, TEXT_LITERAL("amount"), event->amount);
	put_given_string(buffer, TEXT_LITERAL("grantId"), encode_given_grant_id(event));
	if (event->terms)
		put_terms(buffer, event->terms);
	if (event->reversal)
		json_put_string_field(buffer, TEXT_LITERAL("reversedKey"), event->reversal->reversed_key);
	if (event->hold)
		put_hold(buffer, event);
	if (event->settings)
		put_settings(buffer, event->settings);
	if (event->kind == EVENT_ADVANCE)
		json_put_instant_field(buffer, TEXT_LITERAL("dueAt"), event->due_at);
	put_given_string(buffer, TEXT_LITERAL("comment"), event->comment);
	if (event->dimensions.data)
		json_put_raw_field(buffer, TEXT_LITERAL("dimensions"), event->dimensions);
	put_given_instant(buffer, TEXT_LITERAL("createdAt"), event->created_at);
	buffer_put_byte(buffer, '}');
}
