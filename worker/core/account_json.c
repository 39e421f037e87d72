/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "drawdown/account.h"
#include "json_reader.h"
#include "json_write.h"

static const struct text status_names[] = {
	[GRANT_SCHEDULED] = TEXT_CONSTANT("SCHEDULED"),
	[GRANT_ACTIVE] = TEXT_CONSTANT("ACTIVE"),
	[GRANT_PENDING] = TEXT_CONSTANT("PAYMENT_PENDING"),
	[GRANT_EXPIRED] = TEXT_CONSTANT("EXPIRED"),
	[GRANT_VOIDED] = TEXT_CONSTANT("VOIDED"),
};
#define STATUS_COUNT (sizeof status_names / sizeof status_names[0])

static void put_microseconds_field(struct buffer *buffer, struct text name, instant_t instant)
{
	if (instant == INSTANT_NONE)
		json_put_null_field(buffer, name);
	else
		json_put_integer_field(buffer, name, instant);
}

static void put_grant(struct buffer *buffer, const struct grant *grant)
{
	buffer_put_byte(buffer, '{');
	json_put_string_field(buffer, TEXT_LITERAL("grantId"), grant->grant_id);
	json_put_string_field(buffer, TEXT_LITERAL("grantType"), text_of(grant_type_name(grant->grant_type)));
	json_put_string_field(buffer, TEXT_LITERAL("status"), status_names[grant->status]);
	json_put_credit_text_field(buffer, TEXT_LITERAL("remaining"), grant->remaining);
	json_put_integer_field(buffer, TEXT_LITERAL("priority"), grant->priority);
	put_microseconds_field(buffer, TEXT_LITERAL("effectiveAt"), grant->effective_at);
	put_microseconds_field(buffer, TEXT_LITERAL("expireAt"), grant->expire_at);
	put_microseconds_field(buffer, TEXT_LITERAL("createdAt"), grant->created_at);
	json_put_integer_field(buffer, TEXT_LITERAL("ordinal"), grant->ordinal);
	buffer_put_byte(buffer, '}');
}

struct text account_format_grants(const struct account *account, struct arena *arena)
{
	struct buffer buffer;
	buffer_init(&buffer, arena);
	buffer_put_byte(&buffer, '[');
	for (size_t i = 0; i < account->grants_count; i++) {
		if (i > 0)
			buffer_put_byte(&buffer, ',');
		put_grant(&buffer, &account->grants[i]);
	}
	buffer_put_byte(&buffer, ']');
	return buffer_finish(&buffer);
}

enum grant_field {
	FIELD_GRANT_ID,
	FIELD_GRANT_TYPE,
	FIELD_STATUS,
	FIELD_REMAINING,
	FIELD_PRIORITY,
	FIELD_EFFECTIVE_AT,
	FIELD_EXPIRE_AT,
	FIELD_CREATED_AT,
	FIELD_ORDINAL,
	FIELD_COUNT,
};

static const struct text field_names[FIELD_COUNT] = {
	[FIELD_GRANT_ID] = TEXT_CONSTANT("grantId"),
	[FIELD_GRANT_TYPE] = TEXT_CONSTANT("grantType"),
	[FIELD_STATUS] = TEXT_CONSTANT("status"),
	[FIELD_REMAINING] = TEXT_CONSTANT("remaining"),
	[FIELD_PRIORITY] = TEXT_CONSTANT("priority"),
	[FIELD_EFFECTIVE_AT] = TEXT_CONSTANT("effectiveAt"),
	[FIELD_EXPIRE_AT] = TEXT_CONSTANT("expireAt"),
	[FIELD_CREATED_AT] = TEXT_CONSTANT("createdAt"),
	[FIELD_ORDINAL] = TEXT_CONSTANT("ordinal"),
};

static bool take_status(struct json_reader *reader, enum grant_status *ret_status)
{
	struct text name;
	if (!json_take_string(reader, &name))
		return false;
	for (size_t status = 0; status < STATUS_COUNT; status++) {
		if (text_equal(name, status_names[status])) {
			*ret_status = (enum grant_status)status;
			return true;
		}
	}
	return false;
}

static bool take_priority(struct json_reader *reader, int32_t *ret_priority)
{
	int64_t value;
	if (!json_take_integer(reader, &value) || value < INT32_MIN || value > INT32_MAX)
		return false;
	*ret_priority = (int32_t)value;
	return true;
}

static bool take_microseconds_or_null(struct json_reader *reader, instant_t *ret_instant)
{
	*ret_instant = INSTANT_NONE;
	if (json_peek(reader) == 'n')
		return json_take_word(reader, TEXT_LITERAL("null"));
	return json_take_microseconds(reader, ret_instant);
}

static bool take_field(struct json_reader *reader, unsigned field, void *into)
{
	struct grant *grant = into;
	struct text text;
	switch ((enum grant_field)field) {
	case FIELD_GRANT_ID:
		if (!json_take_string(reader, &text) || text.size == 0)
			return false;
		grant->grant_id = arena_copy(reader->arena, text);
		return true;
	case FIELD_GRANT_TYPE:
		return json_take_string(reader, &text) && grant_type_parse(text, &grant->grant_type);
	case FIELD_STATUS:
		return take_status(reader, &grant->status);
	case FIELD_REMAINING:
		return json_take_credit(reader, &grant->remaining);
	case FIELD_PRIORITY:
		return take_priority(reader, &grant->priority);
	case FIELD_EFFECTIVE_AT:
		return json_take_microseconds(reader, &grant->effective_at);
	case FIELD_EXPIRE_AT:
		return take_microseconds_or_null(reader, &grant->expire_at);
	case FIELD_CREATED_AT:
		return json_take_microseconds(reader, &grant->created_at);
	case FIELD_ORDINAL:
		return json_take_integer(reader, &grant->ordinal);
	case FIELD_COUNT:
		break;
	}
	return false;
}

static int compare_burn(const void *a, const void *b)
{
	return grant_compare_burn(a, b);
}

static void sort_grants(struct account *account)
{
	for (size_t i = 1; i < account->grants_count; i++) {
		if (grant_compare_burn(&account->grants[i - 1], &account->grants[i]) > 0) {
			qsort(account->grants, account->grants_count, sizeof *account->grants, compare_burn);
			return;
		}
	}
}

static struct grant *append_grant(struct account *account, struct arena *arena)
{
	if (account->grants_count == account->grants_capacity) {
		size_t capacity =
			account->grants_capacity ? account->grants_capacity * 2 : 1; /* as most accounts have */
		struct grant *grown = arena_alloc_array(arena, capacity, sizeof *grown);
		if (account->grants_count)
			memcpy(grown, account->grants, account->grants_count * sizeof *grown);
		account->grants = grown;
		account->grants_capacity = capacity;
	}
	struct grant *grant = &account->grants[account->grants_count++];
	*grant = (struct grant){0};
	return grant;
}

static bool take_grant(struct json_reader *reader, void *into)
{
	unsigned seen;
	struct grant *grant = append_grant(into, reader->arena);
	return json_take_object(reader, field_names, FIELD_COUNT, take_field, grant, &seen) &&
	       seen == (1u << FIELD_COUNT) - 1;
}

bool account_parse_grants(struct account *account, struct arena *arena, struct text json)
{
	account->grants = NULL;
	account->grants_count = 0;
	account->grants_capacity = 0;
	if (!json.data)
		return false;
	struct json_reader reader = json_reader_of(json, arena);
	if (!json_take_array(&reader, take_grant, account) || !json_is_at_end(&reader))
		return false;
	sort_grants(account);
	account_find_next_due(account);
	return true;
}
