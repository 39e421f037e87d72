/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/settings.h"

#include "drawdown/json_tree.h"
#include "threshold_json.h"

static const char *const over_limit_names[] = {
	[OVER_LIMIT_ALLOW] = "allow",
	[OVER_LIMIT_CAP] = "cap",
	[OVER_LIMIT_REJECT] = "reject",
};
#define OVER_LIMIT_COUNT (sizeof over_limit_names / sizeof over_limit_names[0])

const char *over_limit_name(enum over_limit policy)
{
	return over_limit_names[policy];
}

bool over_limit_parse(struct text name, enum over_limit *ret_policy)
{
	for (size_t policy = 0; policy < OVER_LIMIT_COUNT; policy++) {
		if (text_equal(name, text_of(over_limit_names[policy]))) {
			*ret_policy = (enum over_limit)policy;
			return true;
		}
	}
	return false;
}

/* ---- thresholds, also as people write them ---- */

static bool refuse(const char **ret_reason, const char *reason)
{
	if (ret_reason)
		*ret_reason = reason;
	return false;
}

/* The member of this name; NULL: not there, or null. */
static const struct json_node *find_given(const struct json_node *object, const char *name)
{
	const struct json_node *node = json_tree_find(object, text_of(name));
	return node && node->type != JSON_NULL ? node : NULL;
}

static bool is_named_once(const struct json_node *object, const char *name)
{
	size_t count = 0;
	for (const struct json_node *node = object->first; node; node = node->next)
		count += text_equal(node->name, text_of(name));
	return count <= 1;
}

static bool read_amount(const struct json_node *node, credit_t *ret_amount)
{
	return (node->type == JSON_NUMBER || node->type == JSON_STRING) &&
	       credit_parse(node->text, ret_amount) == CREDIT_PARSED && *ret_amount > 0;
}

static bool read_integer(const struct json_node *node, int32_t min, int32_t max, int32_t *ret_value)
{
	credit_t value;
	if (node->type != JSON_NUMBER || credit_parse(node->text, &value) != CREDIT_PARSED || value % CREDIT_ONE != 0 ||
		value < min * CREDIT_ONE || value > max * CREDIT_ONE)
		return false;
	*ret_value = (int32_t)(value / CREDIT_ONE);
	return true;
}

static bool read_threshold(const struct json_node *node, struct threshold *ret_threshold, const char **ret_reason)
{
	if (node->type != JSON_OBJECT)
		return refuse(ret_reason, "a threshold is not an object");
	if (!is_named_once(node, "amount") || !is_named_once(node, "percent") || !is_named_once(node, "hysteresis"))
		return refuse(ret_reason, "a threshold names a field twice");
	const struct json_node *amount = find_given(node, "amount"), *percent = find_given(node, "percent"),
			       *hysteresis = find_given(node, "hysteresis");
	if (!amount == !percent)
		return refuse(ret_reason, "a threshold has either an amount or a percent");
	*ret_threshold = (struct threshold){.is_percent = percent != NULL, .hysteresis = THRESHOLD_HYSTERESIS_DEFAULT};
	if (amount && !read_amount(amount, &ret_threshold->amount))
		return refuse(ret_reason,
			"the amount of a threshold is a number above 0 with at most 26 digits before the point and 12 "
			"behind it");
	if (percent && !read_integer(percent, 1, 100, &ret_threshold->percent))
		return refuse(ret_reason, "the percent of a threshold is a whole number from 1 to 100");
	if (hysteresis && !read_integer(hysteresis, 0, 100, &ret_threshold->hysteresis))
		return refuse(ret_reason, "the hysteresis of a threshold is a whole number from 0 to 100");
	return true;
}

bool thresholds_parse(struct text json, struct arena *arena, struct thresholds *ret_thresholds, const char **ret_reason)
{
	const struct json_node *array = json.data ? json_tree_parse(json, arena) : NULL;
	*ret_thresholds = (struct thresholds){0};
	if (!array || array->type != JSON_ARRAY)
		return refuse(ret_reason, "thresholds are a JSON array");
	if (array->children_count > THRESHOLDS_MAX)
		return refuse(ret_reason, "there are more than 16 thresholds");
	struct threshold *items = arena_alloc_array(arena, array->children_count, sizeof *items);
	size_t count = 0;
	for (const struct json_node *node = array->first; node; node = node->next) {
		if (!read_threshold(node, &items[count], ret_reason))
			return false;
		if (threshold_repeats(items, ++count))
			return refuse(ret_reason, "two thresholds have the same amount or percent");
	}
	*ret_thresholds = (struct thresholds){items, count};
	return true;
}
_Static_assert(THRESHOLDS_MAX == 16, "the reason above says so");

static void put_thresholds(struct buffer *buffer, const struct thresholds *thresholds)
{
	buffer_put_byte(buffer, '[');
	for (size_t i = 0; i < thresholds->count; i++) {
		if (i > 0)
			buffer_put_byte(buffer, ',');
		buffer_put_byte(buffer, '{');
		threshold_put_fields(buffer, &thresholds->items[i]);
		buffer_put_byte(buffer, '}');
	}
	buffer_put_byte(buffer, ']');
}

struct text thresholds_format(const struct thresholds *thresholds, struct arena *arena)
{
	struct buffer buffer;
	buffer_init(&buffer, arena);
	put_thresholds(&buffer, thresholds);
	return buffer_finish(&buffer);
}

/* ---- an account's overrides: the engine's own column ---- */

enum settings_field {
	FIELD_OVER_LIMIT,
	FIELD_OVERDRAFT_LIMIT,
	FIELD_THRESHOLDS,
	FIELD_COUNT,
};
static const struct text field_names[FIELD_COUNT] = {
	[FIELD_OVER_LIMIT] = TEXT_CONSTANT("overLimit"),
	[FIELD_OVERDRAFT_LIMIT] = TEXT_CONSTANT("overdraftLimit"),
	[FIELD_THRESHOLDS] = TEXT_CONSTANT("thresholds"),
};

struct text account_settings_format(const struct account_settings *settings, struct arena *arena)
{
	struct buffer buffer;
	if (!settings->has_over_limit && !settings->has_overdraft_limit && !settings->has_thresholds)
		return TEXT_NULL;
	buffer_init(&buffer, arena);
	buffer_put_byte(&buffer, '{');
	if (settings->has_over_limit)
		json_put_string_field(
			&buffer, field_names[FIELD_OVER_LIMIT], text_of(over_limit_name(settings->over_limit)));
	if (settings->has_overdraft_limit)
		json_put_credit_text_field(&buffer, field_names[FIELD_OVERDRAFT_LIMIT], settings->overdraft_limit);
	if (settings->has_thresholds) {
		json_put_name(&buffer, field_names[FIELD_THRESHOLDS]);
		put_thresholds(&buffer, &settings->thresholds);
	}
	buffer_put_byte(&buffer, '}');
	return buffer_finish(&buffer);
}

struct threshold_list {
	struct threshold *items;
	size_t count;
};

static bool take_threshold(struct json_reader *reader, void *into)
{
	struct threshold_list *list = into;
	if (list->count == THRESHOLDS_MAX)
		return false;
	return threshold_take(reader, &list->items[list->count++]) && !threshold_repeats(list->items, list->count);
}

static bool take_thresholds(struct json_reader *reader, struct thresholds *ret_thresholds)
{
	struct threshold_list list = {
		.items = arena_alloc_array(reader->arena, THRESHOLDS_MAX, sizeof *list.items),
	};
	if (!json_take_array(reader, take_threshold, &list))
		return false;
	*ret_thresholds = (struct thresholds){list.items, list.count};
	return true;
}

static bool take_field(struct json_reader *reader, unsigned field, void *into)
{
	struct account_settings *settings = into;
	struct text name;
	switch ((enum settings_field)field) {
	case FIELD_OVER_LIMIT:
		settings->has_over_limit = true;
		return json_take_string(reader, &name) && over_limit_parse(name, &settings->over_limit);
	case FIELD_OVERDRAFT_LIMIT:
		settings->has_overdraft_limit = true;
		return json_take_credit(reader, &settings->overdraft_limit) && settings->overdraft_limit >= 0;
	case FIELD_THRESHOLDS:
		settings->has_thresholds = true;
		return take_thresholds(reader, &settings->thresholds);
	case FIELD_COUNT:
		break;
	}
	return false;
}

bool account_settings_parse(struct text json, struct arena *arena, struct account_settings *ret_settings)
{
	unsigned seen;
	*ret_settings = (struct account_settings){0};
	if (!json.data)
		return true;
	struct json_reader reader = json_reader_of(json, arena);
	return json_take_object(&reader, field_names, FIELD_COUNT, take_field, ret_settings, &seen) &&
	       json_is_at_end(&reader);
}
