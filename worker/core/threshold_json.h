/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A threshold's fields, wherever JSON that drawdown itself wrote holds one: an
 * account's overrides, its alerts, a notification.
 */
#ifndef DRAWDOWN_CORE_THRESHOLD_JSON_H
#define DRAWDOWN_CORE_THRESHOLD_JSON_H

#include "drawdown/settings.h"
#include "json_reader.h"
#include "json_write.h"

enum threshold_field {
	THRESHOLD_AMOUNT,
	THRESHOLD_PERCENT,
	THRESHOLD_HYSTERESIS,
	THRESHOLD_FIELD_COUNT,
};
/* Names of the fields, for json_take_object; more may follow. */
#define THRESHOLD_FIELD_NAMES                                                                         \
	[THRESHOLD_AMOUNT] = TEXT_CONSTANT("amount"), [THRESHOLD_PERCENT] = TEXT_CONSTANT("percent"), \
	[THRESHOLD_HYSTERESIS] = TEXT_CONSTANT("hysteresis")

/* Its fields, without the braces. */
void threshold_put_fields(struct buffer *buffer, const struct threshold *threshold);
bool threshold_take_field(struct json_reader *reader, unsigned field, struct threshold *threshold);
/* Were just the fields there that a threshold has? An amount of 0 is allowed. `seen`: as json_take_object gives it. */
bool threshold_is_whole(unsigned seen);

/* The whole object, an amount of 0 refused. */
bool threshold_take(struct json_reader *reader, struct threshold *ret_threshold);

/* Is the last one a second of its kind? */
bool threshold_repeats(const struct threshold *thresholds, size_t count);

#endif
