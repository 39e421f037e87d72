/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "drawdown/account.h"
#include "json_reader.h"
#include "json_write.h"

static const struct text status_names[] = {
	[GRANT_SCHEDULED] = TEXT_CONSTANT("SCHEDULED"),
	[GRANT_ACTIVE] = TEXT_CONSTANT("ACTIVE"),
};

static void put_microseconds_field(struct buffer *buffer, struct text name, instant_t instant)
{
	if (instant == INSTANT_NONE)
		json_put_null_field(buffer, name);
	else
		json_put_integer_field(buffer, name, instant);
}

static void put_grant(struct buffer *buffer, const struct grant *grant)
{
	char remaining[CREDIT_TEXT_SIZE];
	size_t remaining_size = credit_format(grant->remaining, remaining);

	buffer_put_byte(buffer, '{');
	json_put_string_field(buffer, TEXT_LITERAL("grantId"), grant->grant_id);
	json_put_string_field(buffer, TEXT_LITERAL("grantType"), text_of(grant_type_name(grant->grant_type)));
	json_put_string_field(buffer, TEXT_LITERAL("status"), status_names[grant->status]);
	json_put_string_field(buffer, TEXT_LITERAL("remaining"), (struct text){remaining, remaining_size});
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
	for (int status = GRANT_SCHEDULED; status <= GRANT_ACTIVE; status++) {
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

static bool take_instant(struct json_reader *reader, instant_t *ret_instant)
{
	if (json_peek(reader) == 'n') {
		*ret_instant = INSTANT_NONE;
		return json_take_word(reader, TEXT_LITERAL("null"));
	}
	return json_take_integer(reader, ret_instant) && *ret_instant >= INSTANT_MIN && *ret_instant <= INSTANT_MAX;
}

static bool take_field(struct json_reader *reader, enum grant_field field, struct grant *grant)
{
	struct text text;
	switch (field) {
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
		return json_take_string(reader, &text) && credit_parse(text, &grant->remaining) == CREDIT_PARSED;
	case FIELD_PRIORITY:
		return take_priority(reader, &grant->priority);
	case FIELD_EFFECTIVE_AT:
		return take_instant(reader, &grant->effective_at) && grant->effective_at != INSTANT_NONE;
	case FIELD_EXPIRE_AT:
		return take_instant(reader, &grant->expire_at);
	case FIELD_CREATED_AT:
		return take_instant(reader, &grant->created_at) && grant->created_at != INSTANT_NONE;
	case FIELD_ORDINAL:
		return json_take_integer(reader, &grant->ordinal);
	case FIELD_COUNT:
		break;
	}
	return false;
}

/* The field of this name; `expected` is tried first: fields mostly come in the order in which they were written. */
static enum grant_field find_field(struct text name, unsigned expected)
{
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		unsigned field = (expected + i) % FIELD_COUNT;
		if (text_equal(name, field_names[field]))
			return (enum grant_field)field;
	}
	return FIELD_COUNT;
}

static bool take_grant(struct json_reader *reader, struct grant *ret_grant)
{
	unsigned seen = 0, expected = 0;
	if (!json_take(reader, '{'))
		return false;
	do {
		struct text name;
		if (!json_take_string(reader, &name) || !json_take(reader, ':'))
			return false;
		enum grant_field field = find_field(name, expected);
		if (field == FIELD_COUNT || (seen & 1u << field) || !take_field(reader, field, ret_grant))
			return false;
		seen |= 1u << field;
		expected = field + 1;
	} while (json_take(reader, ','));
	return json_take(reader, '}') && seen == (1u << FIELD_COUNT) - 1;
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
		size_t capacity = account->grants_capacity ? account->grants_capacity * 2 : 4;
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

bool account_parse_grants(struct account *account, struct arena *arena, struct text json)
{
	account->grants = NULL;
	account->grants_count = 0;
	account->grants_capacity = 0;
	if (!json.data)
		return false;
	struct json_reader reader = json_reader_of(json, arena);
	if (!json_take(&reader, '['))
		return false;
	if (json_peek(&reader) != ']') {
		do {
			if (!take_grant(&reader, append_grant(account, arena)))
				return false;
		} while (json_take(&reader, ','));
	}
	if (!json_take(&reader, ']') || json_peek(&reader) != '\0' || reader.at != reader.end)
		return false;
	sort_grants(account);
	account_find_next_due(account);
	return true;
}
