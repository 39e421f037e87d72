/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/notification.h"

#include <assert.h>

#include "threshold_json.h"

static const char *const type_names[NOTIFY_TYPE_COUNT] = {
	[NOTIFY_BALANCE_LOW] = "credit_balance.low",
	[NOTIFY_BALANCE_DEPLETED] = "credit_balance.depleted",
	[NOTIFY_BALANCE_RECOVERED] = "credit_balance.recovered",
	[NOTIFY_GRANT_CREATED] = "credit_grant.created",
	[NOTIFY_GRANT_DEPLETED] = "credit_grant.depleted",
	[NOTIFY_GRANT_EXPIRED] = "credit_grant.expired",
	[NOTIFY_GRANT_VOIDED] = "credit_grant.voided",
};

const char *notification_type_name(enum notification_type type)
{
	return type_names[type];
}

bool notification_type_parse(struct text name, enum notification_type *ret_type)
{
	for (int type = 0; type < NOTIFY_TYPE_COUNT; type++) {
		if (text_equal(name, text_of(type_names[type]))) {
			*ret_type = (enum notification_type)type;
			return true;
		}
	}
	return false;
}

enum field {
	FIELD_TYPE,
	FIELD_GRANT_ID,
	FIELD_AMOUNT,
	FIELD_THRESHOLD,
	FIELD_LEVEL,
	FIELD_BALANCE,
	FIELD_HELD,
	FIELD_SEQ,
	FIELD_IDEMPOTENCY_KEY,
	FIELD_RECORDED_AT,
	FIELD_COUNT,
};
static const struct text field_names[FIELD_COUNT] = {
	[FIELD_TYPE] = TEXT_CONSTANT("type"),
	[FIELD_GRANT_ID] = TEXT_CONSTANT("grantId"),
	[FIELD_AMOUNT] = TEXT_CONSTANT("amount"),
	[FIELD_THRESHOLD] = TEXT_CONSTANT("threshold"),
	[FIELD_LEVEL] = TEXT_CONSTANT("level"),
	[FIELD_BALANCE] = TEXT_CONSTANT("balance"),
	[FIELD_HELD] = TEXT_CONSTANT("held"),
	[FIELD_SEQ] = TEXT_CONSTANT("seq"),
	[FIELD_IDEMPOTENCY_KEY] = TEXT_CONSTANT("idempotencyKey"),
	[FIELD_RECORDED_AT] = TEXT_CONSTANT("recordedAt"),
};

/* The fields that one of this type has besides balance, held, seq, recordedAt and maybe its key. */
static unsigned fields_of(enum notification_type type)
{
	switch (type) {
	case NOTIFY_BALANCE_LOW:
		return 1u << FIELD_THRESHOLD | 1u << FIELD_LEVEL;
	case NOTIFY_GRANT_CREATED:
	case NOTIFY_GRANT_EXPIRED:
	case NOTIFY_GRANT_VOIDED:
		return 1u << FIELD_GRANT_ID | 1u << FIELD_AMOUNT;
	case NOTIFY_GRANT_DEPLETED:
		return 1u << FIELD_GRANT_ID;
	case NOTIFY_BALANCE_DEPLETED:
	case NOTIFY_BALANCE_RECOVERED:
	case NOTIFY_TYPE_COUNT:
		break;
	}
	return 0;
}

static unsigned fields_given(const struct notification *notification)
{
	return (notification->grant_id.data ? 1u << FIELD_GRANT_ID : 0) |
	       (notification->has_amount ? 1u << FIELD_AMOUNT : 0) |
	       (notification->has_threshold ? 1u << FIELD_THRESHOLD | 1u << FIELD_LEVEL : 0);
}

static void put_notification(struct buffer *buffer, const struct notification *notification)
{
	assert(fields_given(notification) == fields_of(notification->type));
	buffer_put_byte(buffer, '{');
	json_put_string_field(buffer, field_names[FIELD_TYPE], text_of(notification_type_name(notification->type)));
	if (notification->grant_id.data)
		json_put_string_field(buffer, field_names[FIELD_GRANT_ID], notification->grant_id);
	if (notification->has_amount)
		json_put_credit_text_field(buffer, field_names[FIELD_AMOUNT], notification->amount);
	if (notification->has_threshold) {
		json_put_name(buffer, field_names[FIELD_THRESHOLD]);
		buffer_put_byte(buffer, '{');
		threshold_put_fields(buffer, &notification->threshold);
		buffer_put_byte(buffer, '}');
		json_put_credit_text_field(buffer, field_names[FIELD_LEVEL], notification->level);
	}
	json_put_credit_text_field(buffer, field_names[FIELD_BALANCE], notification->balance);
	json_put_credit_text_field(buffer, field_names[FIELD_HELD], notification->held);
	json_put_integer_field(buffer, field_names[FIELD_SEQ], notification->seq);
	if (notification->idempotency_key.data)
		json_put_string_field(buffer, field_names[FIELD_IDEMPOTENCY_KEY], notification->idempotency_key);
	json_put_integer_field(buffer, field_names[FIELD_RECORDED_AT], notification->recorded_at);
	buffer_put_byte(buffer, '}');
}

struct text notifications_format(const struct notification *notifications, size_t count, struct arena *arena)
{
	struct buffer buffer;
	buffer_init(&buffer, arena);
	buffer_put_byte(&buffer, '[');
	for (size_t i = 0; i < count; i++) {
		assert(notifications[i].ordinal == (int64_t)i + 1); /* its place says it */
		if (i > 0)
			buffer_put_byte(&buffer, ',');
		put_notification(&buffer, &notifications[i]);
	}
	buffer_put_byte(&buffer, ']');
	return buffer_finish(&buffer);
}

static bool take_text(struct json_reader *reader, struct text *ret_text)
{
	if (!json_take_string(reader, ret_text) || ret_text->size == 0)
		return false;
	*ret_text = arena_copy(reader->arena, *ret_text);
	return true;
}

static bool take_field(struct json_reader *reader, unsigned field, void *into)
{
	struct notification *notification = into;
	struct text name;
	switch ((enum field)field) {
	case FIELD_TYPE:
		return json_take_string(reader, &name) && notification_type_parse(name, &notification->type);
	case FIELD_GRANT_ID:
		return take_text(reader, &notification->grant_id);
	case FIELD_AMOUNT:
		notification->has_amount = true;
		return json_take_credit(reader, &notification->amount) && notification->amount >= 0;
	case FIELD_THRESHOLD:
		notification->has_threshold = true;
		return threshold_take(reader, &notification->threshold);
	case FIELD_LEVEL:
		return json_take_credit(reader, &notification->level) && notification->level >= 0;
	case FIELD_BALANCE:
		return json_take_credit(reader, &notification->balance);
	case FIELD_HELD:
		return json_take_credit(reader, &notification->held) && notification->held >= 0;
	case FIELD_SEQ:
		return json_take_integer(reader, &notification->seq) && notification->seq >= 0;
	case FIELD_IDEMPOTENCY_KEY:
		return take_text(reader, &notification->idempotency_key);
	case FIELD_RECORDED_AT:
		return json_take_microseconds(reader, &notification->recorded_at);
	case FIELD_COUNT:
		break;
	}
	return false;
}

struct list {
	struct notification *items;
	size_t count;
	size_t capacity;
};

static struct notification *append(struct list *list, struct arena *arena)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 4;
		struct notification *grown = arena_alloc_array(arena, capacity, sizeof *grown);
		if (list->count)
			memcpy(grown, list->items, list->count * sizeof *grown);
		list->items = grown;
		list->capacity = capacity;
	}
	struct notification *notification = &list->items[list->count++];
	*notification = (struct notification){.ordinal = (int64_t)list->count};
	return notification;
}

static bool take_notification(struct json_reader *reader, void *into)
{
	const unsigned always =
		1u << FIELD_TYPE | 1u << FIELD_BALANCE | 1u << FIELD_HELD | 1u << FIELD_SEQ | 1u << FIELD_RECORDED_AT;
	unsigned seen;
	struct notification *notification = append(into, reader->arena);
	return json_take_object(reader, field_names, FIELD_COUNT, take_field, notification, &seen) &&
	       (seen & ~(1u << FIELD_IDEMPOTENCY_KEY)) == (always | fields_of(notification->type));
}

bool notifications_parse(
	struct text json, struct arena *arena, struct notification **ret_notifications, size_t *ret_count)
{
	struct list list = {0};
	*ret_notifications = NULL;
	*ret_count = 0;
	if (!json.data)
		return false;
	struct json_reader reader = json_reader_of(json, arena);
	if (!json_take_array(&reader, take_notification, &list) || !json_is_at_end(&reader))
		return false;
	*ret_notifications = list.items;
	*ret_count = list.count;
	return true;
}
