/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "fuzz.h"

/* The code point that begins at *at, moved behind it; -1 where it is not well-formed UTF-8. */
static int32_t take_character(struct text text, size_t *at)
{
	static const int32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t first = (uint8_t)text.data[(*at)++];
	size_t size = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
	if (size == 0 || *at + size - 1 > text.size)
		return -1;
	int32_t character = size == 1 ? first : first & (0x7f >> size);
	for (size_t i = 1; i < size; i++) {
		uint8_t next = (uint8_t)text.data[(*at)++];
		if (next >> 6 != 2)
			return -1;
		character = character << 6 | (next & 0x3f);
	}
	bool is_surrogate = character >= 0xd800 && character < 0xe000;
	return character < smallest[size] || character > 0x10ffff || is_surrogate ? -1 : character;
}

static void check_text(struct text text, size_t characters_min, size_t characters_max, bool controls_allowed)
{
	size_t count = 0;
	for (size_t at = 0; at < text.size; count++) {
		int32_t character = take_character(text, &at);
		assert(character > 0);
		assert(controls_allowed || (character >= 0x20 && (character < 0x7f || character > 0x9f)));
	}
	assert(count >= characters_min && count <= characters_max);
}

static void check_id(struct text id, bool at_allowed)
{
	assert(id.data && id.size >= 1 && id.size <= 255);
	for (size_t i = 0; i < id.size; i++) {
		char c = id.data[i];
		bool alphanumeric = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		bool other = c == '_' || c == '|' || c == '.' || c == '-' || (c == '@' && at_allowed);
		assert(alphanumeric || (other && i > 0));
	}
}

static void check_instant(instant_t instant)
{
	assert(instant == INSTANT_NONE || (instant >= INSTANT_MIN && instant <= INSTANT_MAX));
}

static void check_amount(credit_t amount, bool zero_allowed)
{
	assert(amount <= CREDIT_MAX && (amount > 0 || (zero_allowed && amount == 0)));
}

/* An object in canonical form, or absent. */
static void check_members(struct text json)
{
	if (!json.data)
		return;
	assert(json.size >= 5 && json.size <= DECODE_DIMENSIONS_SIZE_MAX);
	assert(json.data[0] == '{' && json.data[json.size - 1] == '}');
	check_text(json, 5, DECODE_DIMENSIONS_SIZE_MAX, true);
	for (size_t i = 0; i < json.size; i++)
		assert((uint8_t)json.data[i] >= 0x20); /* escaped */
}

static void check_free_text(struct text text)
{
	assert(text.data || text.size == 0);
	assert(text.size <= DECODE_TEXT_SIZE_MAX);
	check_text(text, 0, DECODE_TEXT_SIZE_MAX, true);
}

static void check_terms(const struct event *event)
{
	const struct grant_terms *terms = event->terms;
	assert(terms->grant_type == GRANT_PROMOTIONAL || terms->grant_type == GRANT_PAID);
	check_instant(terms->effective_at);
	check_instant(terms->expire_at);
	if (terms->has_cost) {
		check_amount(terms->cost_amount, true);
		check_text(terms->cost_currency, 1, 32, false);
	}
	check_free_text(terms->display_name);
	check_members(terms->metadata);
}

static void check_hold(const struct event *event)
{
	check_text(event->hold->reservation_id, 1, 255, false);
	check_instant(event->hold->expires_at);
	assert(event->hold->ttl == 0 || event->hold->expires_at == INSTANT_NONE);
	bool has_end = event->kind == EVENT_RESERVE || event->kind == EVENT_EXTEND;
	assert(has_end || (event->hold->ttl == 0 && event->hold->expires_at == INSTANT_NONE));
}

static void check_settings(const struct account_settings *settings)
{
	if (settings->has_over_limit)
		assert(settings->over_limit <= OVER_LIMIT_REJECT);
	if (settings->has_overdraft_limit)
		check_amount(settings->overdraft_limit, true);
	if (!settings->has_thresholds)
		return;
	assert(settings->thresholds.count <= THRESHOLDS_MAX);
	for (size_t i = 0; i < settings->thresholds.count; i++) {
		const struct threshold *threshold = &settings->thresholds.items[i];
		assert(threshold->hysteresis >= 0 && threshold->hysteresis <= 100);
		if (threshold->is_percent)
			assert(threshold->percent >= 1 && threshold->percent <= 100 && threshold->amount == 0);
		else
			check_amount(threshold->amount, false);
	}
}

static void check_kind(const struct event *event)
{
	bool is_hold = event->kind >= EVENT_RESERVE && event->kind <= EVENT_RELEASE;
	bool is_of_grant = event->kind == EVENT_VOID || event->kind == EVENT_CONFIRM_PAYMENT;
	assert((event->terms != NULL) == (event->kind == EVENT_GRANT));
	assert((event->hold != NULL) == is_hold);
	assert((event->reversal != NULL) == (event->kind == EVENT_REVERSE));
	assert((event->settings != NULL) == (event->kind == EVENT_CONFIGURE));
	assert((event->due_at != INSTANT_NONE) == (event->kind == EVENT_ADVANCE));
	assert((event->grant_id.data != NULL) == (is_of_grant || event->kind == EVENT_GRANT));
	assert(!event->dimensions.data || event->kind == EVENT_CONSUME);
	assert(!event->comment.data || is_of_grant || event->kind == EVENT_GRANT);
	if (event->kind == EVENT_CONSUME || event->kind == EVENT_GRANT || event->kind == EVENT_RESERVE)
		check_amount(event->amount, false);
	else if (event->kind == EVENT_SETTLE || event->kind == EVENT_REVERSE)
		check_amount(event->amount, true);
	else
		assert(event->amount == 0);
	if (event->grant_id.data)
		check_text(event->grant_id, 1, is_of_grant ? 600 : 6 + 255, false);
	if (event->terms)
		check_terms(event);
	if (event->hold)
		check_hold(event);
	if (event->reversal)
		check_text(event->reversal->reversed_key, 1, 255, false);
	if (event->settings)
		check_settings(event->settings);
}

void event_check(const struct event *event)
{
	assert((unsigned)event->kind < EVENT_KIND_COUNT);
	check_id(event->customer_id, true);
	check_id(event->currency_id, false);
	if (event->resource_id.data)
		check_id(event->resource_id, true);
	check_text(event->idempotency_key, 1, 255, false);
	check_instant(event->created_at);
	check_instant(event->due_at);
	check_members(event->dimensions);
	check_free_text(event->comment);
	check_kind(event);
	struct hash128 key_hash =
		event_key_hash(event->customer_id, event_class_of(event->kind), event->idempotency_key);
	assert(hash128_equal(event->key_hash, key_hash));
}

static void check_same(struct text a, struct text b)
{
	assert((a.data == NULL) == (b.data == NULL) && text_equal(a, b));
}

static void check_same_terms(const struct grant_terms *a, const struct grant_terms *b)
{
	assert(a->grant_type == b->grant_type && a->priority == b->priority);
	assert(a->effective_at == b->effective_at && a->expire_at == b->expire_at);
	assert(a->has_cost == b->has_cost && a->cost_amount == b->cost_amount);
	assert(a->await_payment == b->await_payment);
	check_same(a->cost_currency, b->cost_currency);
	check_same(a->display_name, b->display_name);
	check_same(a->metadata, b->metadata);
}

static void check_same_settings(const struct account_settings *a, const struct account_settings *b)
{
	assert(a->has_over_limit == b->has_over_limit && a->over_limit == b->over_limit);
	assert(a->has_overdraft_limit == b->has_overdraft_limit && a->overdraft_limit == b->overdraft_limit);
	assert(a->has_thresholds == b->has_thresholds && a->thresholds.count == b->thresholds.count);
	for (size_t i = 0; i < a->thresholds.count; i++) {
		assert(threshold_equal(&a->thresholds.items[i], &b->thresholds.items[i]));
		assert(a->thresholds.items[i].hysteresis == b->thresholds.items[i].hysteresis);
	}
}

void event_check_equal(const struct event *a, const struct event *b)
{
	assert(a->kind == b->kind && a->amount == b->amount);
	assert(a->created_at == b->created_at && a->due_at == b->due_at);
	check_same(a->customer_id, b->customer_id);
	check_same(a->currency_id, b->currency_id);
	check_same(a->resource_id, b->resource_id);
	check_same(a->idempotency_key, b->idempotency_key);
	check_same(a->dimensions, b->dimensions);
	check_same(a->grant_id, b->grant_id);
	check_same(a->comment, b->comment);
	assert(hash128_equal(a->key_hash, b->key_hash) && hash128_equal(a->fingerprint, b->fingerprint));
	if (a->terms)
		check_same_terms(a->terms, b->terms);
	if (a->hold) {
		check_same(a->hold->reservation_id, b->hold->reservation_id);
		assert(a->hold->ttl == b->hold->ttl && a->hold->expires_at == b->hold->expires_at);
	}
	if (a->reversal)
		check_same(a->reversal->reversed_key, b->reversal->reversed_key);
	if (a->settings)
		check_same_settings(a->settings, b->settings);
}

void defect_check(const struct defect *defect)
{
	static const char *const reasons[] = {"empty", "malformed_json", "malformed_avro", "unusable_schema",
		"unknown_schema", "unknown_type", "missing_field", "invalid_field", "too_large"};
	bool known = false;
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		known = known || strcmp(defect->reason, reasons[i]) == 0;
	assert(known);
	struct text text = {defect->text, strnlen(defect->text, sizeof defect->text)};
	assert(text.size < sizeof defect->text);
	check_text(text, 1, sizeof defect->text, false);
}
