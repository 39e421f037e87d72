/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "drawdown/account.h"
#include "json_reader.h"
#include "json_write.h"

enum part_field {
	FIELD_GRANT_ID,
	FIELD_AMOUNT,
	FIELD_COUNT,
};

static const struct text field_names[FIELD_COUNT] = {
	[FIELD_GRANT_ID] = TEXT_CONSTANT("grantId"),
	[FIELD_AMOUNT] = TEXT_CONSTANT("amount"),
};

struct text hold_format_parts(const struct hold *hold, struct arena *arena)
{
	struct buffer buffer;
	buffer_init(&buffer, arena);
	buffer_put_byte(&buffer, '[');
	for (size_t i = 0; i < hold->parts_count; i++) {
		if (i > 0)
			buffer_put_byte(&buffer, ',');
		buffer_put_byte(&buffer, '{');
		json_put_string_field(&buffer, field_names[FIELD_GRANT_ID], hold->parts[i].grant_id);
		json_put_credit_text_field(&buffer, field_names[FIELD_AMOUNT], hold->parts[i].amount);
		buffer_put_byte(&buffer, '}');
	}
	buffer_put_byte(&buffer, ']');
	return buffer_finish(&buffer);
}

struct parts {
	struct hold *hold;
	size_t capacity;
};

static struct hold_part *append_part(struct parts *parts, struct arena *arena)
{
	struct hold *hold = parts->hold;
	if (hold->parts_count == parts->capacity) {
		size_t capacity = parts->capacity ? parts->capacity * 2 : 4;
		struct hold_part *grown = arena_alloc_array(arena, capacity, sizeof *grown);
		if (hold->parts_count)
			memcpy(grown, hold->parts, hold->parts_count * sizeof *grown);
		hold->parts = grown;
		parts->capacity = capacity;
	}
	struct hold_part *part = &hold->parts[hold->parts_count++];
	*part = (struct hold_part){0};
	return part;
}

static bool take_field(struct json_reader *reader, unsigned field, void *into)
{
	struct hold_part *part = into;
	struct text text;
	switch ((enum part_field)field) {
	case FIELD_GRANT_ID:
		if (!json_take_string(reader, &text) || text.size == 0)
			return false;
		part->grant_id = arena_copy(reader->arena, text);
		return true;
	case FIELD_AMOUNT:
		return json_take_credit(reader, &part->amount) && part->amount > 0;
	case FIELD_COUNT:
		break;
	}
	return false;
}

static bool take_part(struct json_reader *reader, void *into)
{
	unsigned seen;
	struct hold_part *part = append_part(into, reader->arena);
	return json_take_object(reader, field_names, FIELD_COUNT, take_field, part, &seen) &&
	       seen == (1u << FIELD_COUNT) - 1;
}

static int compare_grants(const void *a, const void *b)
{
	return text_compare(((const struct hold_part *)a)->grant_id, ((const struct hold_part *)b)->grant_id);
}

static bool has_grant_twice(const struct hold *hold, struct arena *arena)
{
	if (hold->parts_count < 2)
		return false;
	struct hold_part *sorted = arena_alloc_array(arena, hold->parts_count, sizeof *sorted);
	memcpy(sorted, hold->parts, hold->parts_count * sizeof *sorted);
	qsort(sorted, hold->parts_count, sizeof *sorted, compare_grants);
	for (size_t i = 1; i < hold->parts_count; i++)
		if (text_equal(sorted[i - 1].grant_id, sorted[i].grant_id))
			return true;
	return false;
}

bool hold_parse_parts(struct hold *hold, struct arena *arena, struct text json)
{
	hold->parts = NULL;
	hold->parts_count = 0;
	if (!json.data)
		return false;
	struct json_reader reader = json_reader_of(json, arena);
	struct parts parts = {.hold = hold};
	return json_take_array(&reader, take_part, &parts) && json_is_at_end(&reader) && !has_grant_twice(hold, arena);
}
