/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/event.h"

#include <assert.h>

static const char *const kind_names[EVENT_KIND_COUNT] = {
	[EVENT_CONSUME] = "consume",
	[EVENT_GRANT] = "grant",
	[EVENT_VOID] = "void",
	[EVENT_CONFIRM_PAYMENT] = "confirm-payment",
	[EVENT_REVERSE] = "reverse",
	[EVENT_CONFIGURE] = "configure",
	[EVENT_RESERVE] = "reserve",
	[EVENT_SETTLE] = "settle",
	[EVENT_EXTEND] = "extend",
	[EVENT_RELEASE] = "release",
	[EVENT_ADVANCE] = "advance",
};

static const char *const type_names[] = {
	[GRANT_PROMOTIONAL] = "PROMOTIONAL",
	[GRANT_PAID] = "PAID",
	[GRANT_OVERDRAFT] = "OVERDRAFT",
};

static bool is_of_hold(enum event_kind kind)
{
	return kind == EVENT_RESERVE || kind == EVENT_SETTLE || kind == EVENT_EXTEND || kind == EVENT_RELEASE;
}

enum event_class event_class_of(enum event_kind kind)
{
	return kind == EVENT_CONSUME || is_of_hold(kind) ? CLASS_USAGE : CLASS_COMMAND;
}

const char *event_kind_name(enum event_kind kind)
{
	assert((unsigned)kind < EVENT_KIND_COUNT);
	return kind_names[kind];
}

bool event_kind_parse(struct text name, enum event_kind *ret_kind)
{
	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		if (text_equal(name, text_of(kind_names[kind]))) {
			*ret_kind = (enum event_kind)kind;
			return true;
		}
	}
	return false;
}

const char *grant_type_name(enum grant_type type)
{
	assert((unsigned)type <= GRANT_OVERDRAFT);
	return type_names[type];
}

bool grant_type_parse(struct text name, enum grant_type *ret_type)
{
	for (int type = GRANT_PROMOTIONAL; type <= GRANT_OVERDRAFT; type++) {
		if (text_equal(name, text_of(type_names[type]))) {
			*ret_type = (enum grant_type)type;
			return true;
		}
	}
	return false;
}

#define PARTS_MAX (9 + 3 * THRESHOLDS_MAX) /* of a configure */

/* What a fingerprint is made of. Its bytes are stored: the parts' meaning follows from the kind, the first of them,
 * and further ones may only ever be appended. */
struct parts {
	struct text items[PARTS_MAX];
	uint8_t numbers[PARTS_MAX][16]; /* the bytes of those that are numbers */
	size_t count;
};

static void put_text(struct parts *parts, struct text text)
{
	assert(parts->count < PARTS_MAX);
	parts->items[parts->count++] = text;
}

static void put_credit(struct parts *parts, credit_t amount)
{
	assert(parts->count < PARTS_MAX);
	uint8_t *bytes = parts->numbers[parts->count];
	size_t size = credit_to_bytes(amount, bytes);
	put_text(parts, (struct text){(const char *)bytes, size});
}

static void put_integer(struct parts *parts, int64_t value)
{
	assert(parts->count < PARTS_MAX);
	uint8_t *bytes = parts->numbers[parts->count];
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)((uint64_t)value >> 8 * i);
	put_text(parts, (struct text){(const char *)bytes, 8});
}

static void put_terms(struct parts *parts, const struct grant_terms *terms)
{
	put_text(parts, text_of(type_names[terms->grant_type]));
	put_integer(parts, terms->priority);
	put_integer(parts, terms->effective_at);
	put_integer(parts, terms->expire_at);
	if (terms->has_cost) {
		put_credit(parts, terms->cost_amount);
		put_text(parts, terms->cost_currency);
	} else {
		put_text(parts, TEXT_NULL);
		put_text(parts, TEXT_NULL);
	}
	if (terms->await_payment)
		put_text(parts, TEXT_LITERAL("awaits payment"));
}

static void put_hold(struct parts *parts, const struct event *event)
{
	const struct hold_terms *hold = event->hold;
	put_text(parts, hold->reservation_id);
	if (event->kind != EVENT_RESERVE && event->kind != EVENT_EXTEND)
		return;
	bool has_end = hold->expires_at != INSTANT_NONE;
	put_text(parts, has_end ? TEXT_LITERAL("end") : TEXT_LITERAL("ttl"));
	put_integer(parts, has_end ? hold->expires_at : hold->ttl);
}

/* No thresholds of its own is another content than none at all. Their order counts: notifications are sent in it. */
static void put_settings(struct parts *parts, const struct account_settings *settings)
{
	put_text(parts, settings->has_over_limit ? text_of(over_limit_name(settings->over_limit)) : TEXT_NULL);
	if (settings->has_overdraft_limit)
		put_credit(parts, settings->overdraft_limit);
	else
		put_text(parts, TEXT_NULL);
	if (!settings->has_thresholds) {
		put_text(parts, TEXT_NULL);
		return;
	}
	put_integer(parts, (int64_t)settings->thresholds.count);
	for (size_t i = 0; i < settings->thresholds.count; i++) {
		const struct threshold *threshold = &settings->thresholds.items[i];
		put_text(parts, threshold->is_percent ? TEXT_LITERAL("percent") : TEXT_LITERAL("amount"));
		if (threshold->is_percent)
			put_integer(parts, threshold->percent);
		else
			put_credit(parts, threshold->amount);
		put_integer(parts, threshold->hysteresis);
	}
}

static struct hash128 fingerprint_of(const struct event *event)
{
	struct parts parts;
	parts.count = 0;
	put_text(&parts, text_of(kind_names[event->kind]));
	put_text(&parts, event->currency_id);
	put_text(&parts, event->resource_id);
	put_credit(&parts, event->amount); /* none is as good as 0: what may be left out is above 0 where it is given */
	put_text(&parts, event->dimensions);
	put_text(&parts, event->grant_id);
	if (event->terms)
		put_terms(&parts, event->terms);
	if (event->hold)
		put_hold(&parts, event);
	if (event->reversal)
		put_text(&parts, event->reversal->reversed_key);
	if (event->settings)
		put_settings(&parts, event->settings);
	if (event->kind == EVENT_ADVANCE)
		put_integer(&parts, event->due_at);
	return hash128_of(parts.items, parts.count);
}

struct hash128 event_key_hash(struct text customer_id, enum event_class event_class, struct text idempotency_key)
{
	struct text parts[] = {
		customer_id,
		event_class == CLASS_USAGE ? TEXT_LITERAL("usage") : TEXT_LITERAL("command"),
		idempotency_key,
	};
	return hash128_of(parts, 3);
}

void event_identify(struct event *event)
{
	assert((unsigned)event->kind < EVENT_KIND_COUNT);
	assert((event->kind == EVENT_GRANT) == (event->terms != NULL));
	assert(is_of_hold(event->kind) == (event->hold != NULL));
	assert((event->kind == EVENT_REVERSE) == (event->reversal != NULL));
	assert((event->kind == EVENT_CONFIGURE) == (event->settings != NULL));
	event->key_hash = event_key_hash(event->customer_id, event_class_of(event->kind), event->idempotency_key);
	event->fingerprint = fingerprint_of(event);
}

struct text event_advance_key(struct arena *arena, struct text currency_id, struct text resource_id, instant_t due_at)
{
	static const char hex[] = "0123456789abcdef";
	static const struct text prefix = TEXT_CONSTANT("advance/");
	struct parts parts;
	parts.count = 0;
	put_text(&parts, currency_id);
	put_text(&parts, resource_id);
	put_integer(&parts, due_at);
	struct hash128 hash = hash128_of(parts.items, parts.count);
	size_t size = prefix.size + 2 * sizeof hash.bytes;
	char *key = arena_alloc(arena, size);
	memcpy(key, prefix.data, prefix.size);
	for (size_t i = 0; i < sizeof hash.bytes; i++) {
		key[prefix.size + 2 * i] = hex[hash.bytes[i] >> 4];
		key[prefix.size + 2 * i + 1] = hex[hash.bytes[i] & 15];
	}
	return (struct text){key, size};
}
