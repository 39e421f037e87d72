/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/account.h"
#include "threshold_json.h"

#define ALERTS_MAX (THRESHOLDS_MAX + 1) /* 0 itself besides */

static const char *const state_names[] = {
	[ALERT_NEW] = "new",
	[ALERT_ARMED] = "armed",
	[ALERT_DISARMED] = "disarmed",
};
#define STATE_COUNT (sizeof state_names / sizeof state_names[0])

const char *alert_state_name(enum alert_state state)
{
	return state_names[state];
}

enum alerts_field {
	ALERTS_POSTED,
	ALERTS_THRESHOLDS,
	ALERTS_FIELD_COUNT,
};
static const struct text alerts_field_names[ALERTS_FIELD_COUNT] = {
	[ALERTS_POSTED] = TEXT_CONSTANT("posted"),
	[ALERTS_THRESHOLDS] = TEXT_CONSTANT("thresholds"),
};

enum {
	ALERT_STATE = THRESHOLD_FIELD_COUNT,
	ALERT_FIELD_COUNT,
};
static const struct text alert_field_names[ALERT_FIELD_COUNT] = {
	THRESHOLD_FIELD_NAMES,
	[ALERT_STATE] = TEXT_CONSTANT("state"),
};

struct text alerts_format(const struct alerts *alerts, struct arena *arena)
{
	struct buffer buffer;
	if (alerts->count == 0)
		return TEXT_NULL;
	buffer_init(&buffer, arena);
	buffer_put_byte(&buffer, '{');
	json_put_credit_text_field(&buffer, alerts_field_names[ALERTS_POSTED], alerts->posted_balance);
	json_put_name(&buffer, alerts_field_names[ALERTS_THRESHOLDS]);
	buffer_put_byte(&buffer, '[');
	for (size_t i = 0; i < alerts->count; i++) {
		const struct alert *alert = &alerts->items[i];
		if (i > 0)
			buffer_put_byte(&buffer, ',');
		buffer_put_byte(&buffer, '{');
		threshold_put_fields(&buffer, &alert->threshold);
		json_put_string_field(&buffer, alert_field_names[ALERT_STATE], text_of(alert_state_name(alert->state)));
		buffer_put_byte(&buffer, '}');
	}
	buffer_put_text(&buffer, TEXT_LITERAL("]}"));
	return buffer_finish(&buffer);
}

static bool take_alert_field(struct json_reader *reader, unsigned field, void *into)
{
	struct alert *alert = into;
	struct text name;
	if (field < THRESHOLD_FIELD_COUNT)
		return threshold_take_field(reader, field, &alert->threshold);
	if (!json_take_string(reader, &name))
		return false;
	for (size_t state = 0; state < STATE_COUNT; state++) {
		if (text_equal(name, text_of(state_names[state]))) {
			alert->state = (enum alert_state)state;
			return true;
		}
	}
	return false;
}

static bool take_alert(struct json_reader *reader, void *into)
{
	struct alerts *alerts = into;
	unsigned seen;
	if (alerts->count == ALERTS_MAX)
		return false;
	struct alert *alert = &alerts->items[alerts->count++];
	*alert = (struct alert){0};
	return json_take_object(reader, alert_field_names, ALERT_FIELD_COUNT, take_alert_field, alert, &seen) &&
	       (seen & 1u << ALERT_STATE) && threshold_is_whole(seen);
}

/* 0 itself stands last, and only there; no two are the same. */
static bool are_in_order(const struct alerts *alerts)
{
	for (size_t i = 0; i < alerts->count; i++) {
		const struct threshold *threshold = &alerts->items[i].threshold;
		bool is_zero = !threshold->is_percent && threshold->amount == 0;
		if (is_zero != (i + 1 == alerts->count) || (is_zero && threshold->hysteresis != 0))
			return false;
		for (size_t j = 0; j < i; j++)
			if (threshold_equal(&alerts->items[j].threshold, threshold))
				return false;
	}
	return alerts->count > 0;
}

static bool take_alerts_field(struct json_reader *reader, unsigned field, void *into)
{
	struct alerts *alerts = into;
	if (field == ALERTS_POSTED)
		return json_take_credit(reader, &alerts->posted_balance);
	return json_take_array(reader, take_alert, alerts);
}

bool alerts_parse(struct alerts *alerts, struct arena *arena, struct text json)
{
	unsigned seen;
	*alerts = (struct alerts){0};
	if (!json.data)
		return true;
	struct alert items[ALERTS_MAX];
	alerts->items = items;
	struct json_reader reader = json_reader_of(json, arena);
	bool ok = json_take_object(&reader, alerts_field_names, ALERTS_FIELD_COUNT, take_alerts_field, alerts, &seen) &&
		  seen == (1u << ALERTS_FIELD_COUNT) - 1 && json_is_at_end(&reader) && are_in_order(alerts);
	alerts->items = arena_alloc_array(arena, alerts->count, sizeof *items);
	memcpy(alerts->items, items, alerts->count * sizeof *items);
	return ok;
}
