/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/event.h"

#include <assert.h>

static const char *const kind_names[EVENT_KIND_COUNT] = {
	[EVENT_CONSUME] = "consume",
	[EVENT_GRANT] = "grant",
	[EVENT_VOID] = "void",
};

static const char *const type_names[] = {
	[GRANT_PROMOTIONAL] = "PROMOTIONAL",
	[GRANT_PAID] = "PAID",
	[GRANT_OVERDRAFT] = "OVERDRAFT",
};

enum event_class event_class_of(enum event_kind kind)
{
	return kind == EVENT_CONSUME ? CLASS_USAGE : CLASS_COMMAND;
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

/* The bytes of numbers as parts of a hash; stored, so the order of bytes is fixed. */
struct number_bytes {
	uint8_t bytes[16];
};

static struct text credit_part(struct number_bytes *storage, credit_t amount)
{
	size_t size = credit_to_bytes(amount, storage->bytes);
	return (struct text){(const char *)storage->bytes, size};
}

static struct text integer_part(struct number_bytes *storage, int64_t value)
{
	for (int i = 0; i < 8; i++)
		storage->bytes[i] = (uint8_t)((uint64_t)value >> 8 * i);
	return (struct text){(const char *)storage->bytes, 8};
}

/* The parts' meaning follows from the kind, the first part; their number and order are stored: only ever append. */
static struct hash128 fingerprint_of(const struct event *event)
{
	struct number_bytes amount, priority, effective_at, expire_at, cost;
	struct text parts[12] = {
		text_of(kind_names[event->kind]),
		event->currency_id,
		event->resource_id,
		credit_part(&amount, event->amount),
		event->dimensions,
		event->grant_id,
	};
	size_t parts_count = 6;
	if (event->terms) {
		const struct grant_terms *terms = event->terms;
		parts[parts_count++] = text_of(type_names[terms->grant_type]);
		parts[parts_count++] = integer_part(&priority, terms->priority);
		parts[parts_count++] = integer_part(&effective_at, terms->effective_at);
		parts[parts_count++] = integer_part(&expire_at, terms->expire_at);
		parts[parts_count++] = terms->has_cost ? credit_part(&cost, terms->cost_amount) : TEXT_NULL;
		parts[parts_count++] = terms->has_cost ? terms->cost_currency : TEXT_NULL;
	}
	return hash128_of(parts, parts_count);
}

void event_identify(struct event *event)
{
	assert((unsigned)event->kind < EVENT_KIND_COUNT && (event->kind == EVENT_GRANT) == (event->terms != NULL));
	struct text key_parts[] = {
		event->customer_id,
		event_class_of(event->kind) == CLASS_USAGE ? TEXT_LITERAL("usage") : TEXT_LITERAL("command"),
		event->idempotency_key,
	};
	event->key_hash = hash128_of(key_parts, 3);
	event->fingerprint = fingerprint_of(event);
}
