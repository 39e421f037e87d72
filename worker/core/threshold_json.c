/* SPDX-License-Identifier: Apache-2.0 */
#include "threshold_json.h"

static const struct text field_names[THRESHOLD_FIELD_COUNT] = {THRESHOLD_FIELD_NAMES};

void threshold_put_fields(struct buffer *buffer, const struct threshold *threshold)
{
	if (threshold->is_percent)
		json_put_integer_field(buffer, field_names[THRESHOLD_PERCENT], threshold->percent);
	else
		json_put_credit_text_field(buffer, field_names[THRESHOLD_AMOUNT], threshold->amount);
	json_put_integer_field(buffer, field_names[THRESHOLD_HYSTERESIS], threshold->hysteresis);
}

static bool take_integer(struct json_reader *reader, int64_t min, int64_t max, int32_t *ret_value)
{
	int64_t value;
	if (!json_take_integer(reader, &value) || value < min || value > max)
		return false;
	*ret_value = (int32_t)value;
	return true;
}

bool threshold_take_field(struct json_reader *reader, unsigned field, struct threshold *threshold)
{
	switch ((enum threshold_field)field) {
	case THRESHOLD_AMOUNT:
		return json_take_credit(reader, &threshold->amount) && threshold->amount >= 0;
	case THRESHOLD_PERCENT:
		threshold->is_percent = true;
		return take_integer(reader, 1, 100, &threshold->percent);
	case THRESHOLD_HYSTERESIS:
		return take_integer(reader, 0, 100, &threshold->hysteresis);
	case THRESHOLD_FIELD_COUNT:
		break;
	}
	return false;
}

bool threshold_is_whole(unsigned seen)
{
	const unsigned amount = 1u << THRESHOLD_AMOUNT, percent = 1u << THRESHOLD_PERCENT,
		       hysteresis = 1u << THRESHOLD_HYSTERESIS;
	seen &= amount | percent | hysteresis;
	return seen == (amount | hysteresis) || seen == (percent | hysteresis);
}

static bool take_field(struct json_reader *reader, unsigned field, void *into)
{
	return threshold_take_field(reader, field, into);
}

bool threshold_take(struct json_reader *reader, struct threshold *ret_threshold)
{
	unsigned seen;
	*ret_threshold = (struct threshold){0};
	return json_take_object(reader, field_names, THRESHOLD_FIELD_COUNT, take_field, ret_threshold, &seen) &&
	       threshold_is_whole(seen) && (ret_threshold->is_percent || ret_threshold->amount > 0);
}

bool threshold_equal(const struct threshold *a, const struct threshold *b)
{
	return a->is_percent == b->is_percent && a->amount == b->amount && a->percent == b->percent;
}

bool threshold_repeats(const struct threshold *thresholds, size_t count)
{
	for (size_t i = 0; i + 1 < count; i++)
		if (threshold_equal(&thresholds[i], &thresholds[count - 1]))
			return true;
	return false;
}
