/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of an input as its format gave them, before anything is known of
 * their meaning: what the decoders fill and event_of_fields reads. So that
 * every format has the same rules, the rules stand here only.
 */
#ifndef DRAWDOWN_CORE_FIELDS_H
#define DRAWDOWN_CORE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/arena.h"
#include "drawdown/decode.h"
#include "drawdown/event.h"

enum field {
	FIELD_NONE = -1,
	FIELD_TYPE,
	FIELD_CUSTOMER_ID,
	FIELD_CURRENCY_ID,
	FIELD_RESOURCE_ID,
	FIELD_IDEMPOTENCY_KEY,
	FIELD_AMOUNT,
	FIELD_CREATED_AT,
	FIELD_DIMENSIONS,
	FIELD_GRANT_TYPE,
	FIELD_GRANT_ID,
	FIELD_DISPLAY_NAME,
	FIELD_PRIORITY,
	FIELD_EFFECTIVE_AT,
	FIELD_EXPIRE_AT,
	FIELD_COST,
	FIELD_COMMENT,
	FIELD_METADATA,
	FIELD_AWAIT_PAYMENT,
	FIELD_REVERSED_KEY,
	FIELD_OVER_LIMIT,
	FIELD_OVERDRAFT_LIMIT,
	FIELD_THRESHOLDS,
	FIELD_RESERVATION_ID,
	FIELD_TTL_SECONDS,
	FIELD_EXPIRES_AT,
	FIELD_DUE_AT,
	FIELD_TOP_COUNT,
	FIELD_COST_AMOUNT = FIELD_TOP_COUNT,
	FIELD_COST_CURRENCY,
	FIELD_THRESHOLD_AMOUNT, /* of the item that is being read; see fields_begin_threshold */
	FIELD_THRESHOLD_PERCENT,
	FIELD_THRESHOLD_HYSTERESIS,
	FIELD_COUNT,
};

enum value_type {
	VALUE_ABSENT, /* not there, or null */
	VALUE_STRING,
	VALUE_NUMBER, /* its text, as in JSON */
	VALUE_BOOLEAN,
	VALUE_CREDIT,
	VALUE_CREDIT_RANGE, /* a decimal beyond the range of amounts */
	VALUE_INSTANT,
	VALUE_INTEGER,
	VALUE_DOUBLE,
	VALUE_MEMBERS, /* in the list of the field */
	VALUE_OBJECT,  /* its fields have slots of their own */
	VALUE_LIST,    /* in the list of the field */
	VALUE_OTHER,   /* something that no field can be */
};

struct value {
	enum value_type type;
	union {
		struct text text;
		bool boolean;
		credit_t credit;
		instant_t instant;
		int64_t integer;
		double real;
	};
};

struct member {
	struct text name;
	struct value value;
};

struct members {
	size_t count; /* may be one more than there is room for: too many */
	struct member items[DECODE_DIMENSIONS_COUNT_MAX];
};

#define THRESHOLD_SLOTS_COUNT (FIELD_COUNT - FIELD_THRESHOLD_AMOUNT)
/* The last slot of either is for who has to put somewhere what nobody wants. */
#define FIELD_UNWANTED_SLOT FIELD_COUNT
#define THRESHOLD_UNWANTED_SLOT THRESHOLD_SLOTS_COUNT

/* An item of `thresholds`. */
struct threshold_item {
	enum value_type type; /* VALUE_OBJECT, or something that it cannot be */
	struct value values[THRESHOLD_SLOTS_COUNT + 1];
};

struct threshold_items {
	size_t count; /* may be one more than there is room for: too many */
	struct threshold_item items[THRESHOLDS_MAX];
};

struct fields {
	struct value values[FIELD_COUNT + 1];
	struct members dimensions;
	struct members metadata;
	struct threshold_items thresholds;
};

/* The lists are left as they are, but for their counts. */
void fields_init(struct fields *fields);
/* The same of the lists only, for who sets every value that event_of_fields looks at: those of the kind's schema. */
static inline void fields_init_lists(struct fields *fields)
{
	fields->dimensions.count = 0;
	fields->metadata.count = 0;
	fields->thresholds.count = 0;
}

/* An item's fields are read into their slots, then moved to the list. */
void fields_begin_threshold(struct fields *fields);
void fields_append_threshold(struct fields *fields, enum value_type type);
/* The next item, with no value yet, for who reads its fields in place; NULL: there is no room, which the count tells.
 */
struct threshold_item *fields_next_threshold(struct fields *fields);
/* FIELD_NONE where no top-level field has this name. */
enum field field_find(struct text name);
/* Of the fields of `cost`. */
enum field field_find_in_cost(struct text name);
/* Of the fields of an item of `thresholds`. */
enum field field_find_in_threshold(struct text name);
/* "customerId", "cost.amount". */
const char *field_name(enum field field);
/* The list of `dimensions` or `metadata`; NULL for other fields. */
struct members *fields_members(struct fields *fields, enum field field);

static inline struct member *members_append(struct members *members)
{
	if (members->count >= DECODE_DIMENSIONS_COUNT_MAX) {
		members->count = DECODE_DIMENSIONS_COUNT_MAX + 1;
		return NULL;
	}
	return &members->items[members->count++];
}

/* Fill *ret_defect and return false. */
__attribute__((format(printf, 3, 4))) bool defect_fill(
	struct defect *ret_defect, const char *reason, const char *format, ...);

/* Check everything and make the event of `kind`, identified. */
bool event_of_fields(struct fields *fields, enum event_kind kind, struct arena *arena, struct event *ret_event,
	struct defect *ret_defect);
/* The kind that FIELD_TYPE names. */
bool event_kind_of_fields(const struct fields *fields, enum event_kind *ret_kind, struct defect *ret_defect);

#endif
