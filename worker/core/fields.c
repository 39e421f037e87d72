/* SPDX-License-Identifier: Apache-2.0 */
#include "fields.h"

#include <stdarg.h>
#include <stdio.h>

#include "canonical.h"
#include "threshold_json.h"

#define GRANT_ID_CHARACTERS_MAX 600 /* an overdraft's: a prefix, two ids of 255, a number */

static const struct text names[FIELD_COUNT] = {
	[FIELD_TYPE] = TEXT_CONSTANT("type"),
	[FIELD_CUSTOMER_ID] = TEXT_CONSTANT("customerId"),
	[FIELD_CURRENCY_ID] = TEXT_CONSTANT("currencyId"),
	[FIELD_RESOURCE_ID] = TEXT_CONSTANT("resourceId"),
	[FIELD_IDEMPOTENCY_KEY] = TEXT_CONSTANT("idempotencyKey"),
	[FIELD_AMOUNT] = TEXT_CONSTANT("amount"),
	[FIELD_CREATED_AT] = TEXT_CONSTANT("createdAt"),
	[FIELD_DIMENSIONS] = TEXT_CONSTANT("dimensions"),
	[FIELD_GRANT_TYPE] = TEXT_CONSTANT("grantType"),
	[FIELD_GRANT_ID] = TEXT_CONSTANT("grantId"),
	[FIELD_DISPLAY_NAME] = TEXT_CONSTANT("displayName"),
	[FIELD_PRIORITY] = TEXT_CONSTANT("priority"),
	[FIELD_EFFECTIVE_AT] = TEXT_CONSTANT("effectiveAt"),
	[FIELD_EXPIRE_AT] = TEXT_CONSTANT("expireAt"),
	[FIELD_COST] = TEXT_CONSTANT("cost"),
	[FIELD_COMMENT] = TEXT_CONSTANT("comment"),
	[FIELD_METADATA] = TEXT_CONSTANT("metadata"),
	[FIELD_AWAIT_PAYMENT] = TEXT_CONSTANT("awaitPaymentConfirmation"),
	[FIELD_REVERSED_KEY] = TEXT_CONSTANT("reversedKey"),
	[FIELD_OVER_LIMIT] = TEXT_CONSTANT("overLimit"),
	[FIELD_OVERDRAFT_LIMIT] = TEXT_CONSTANT("overdraftLimit"),
	[FIELD_THRESHOLDS] = TEXT_CONSTANT("thresholds"),
	[FIELD_RESERVATION_ID] = TEXT_CONSTANT("reservationId"),
	[FIELD_TTL_SECONDS] = TEXT_CONSTANT("ttlSeconds"),
	[FIELD_EXPIRES_AT] = TEXT_CONSTANT("expiresAt"),
	[FIELD_DUE_AT] = TEXT_CONSTANT("dueAt"),
	[FIELD_COST_AMOUNT] = TEXT_CONSTANT("cost.amount"),
	[FIELD_COST_CURRENCY] = TEXT_CONSTANT("cost.currency"),
	[FIELD_THRESHOLD_AMOUNT] = TEXT_CONSTANT("thresholds.amount"),
	[FIELD_THRESHOLD_PERCENT] = TEXT_CONSTANT("thresholds.percent"),
	[FIELD_THRESHOLD_HYSTERESIS] = TEXT_CONSTANT("thresholds.hysteresis"),
};

void fields_init(struct fields *fields)
{
	for (int field = 0; field < FIELD_COUNT; field++)
		fields->values[field].type = VALUE_ABSENT;
	fields_init_lists(fields);
}

void fields_begin_threshold(struct fields *fields)
{
	memset(fields->values + FIELD_THRESHOLD_AMOUNT, 0, THRESHOLD_SLOTS_COUNT * sizeof fields->values[0]);
}

struct threshold_item *fields_next_threshold(struct fields *fields)
{
	struct threshold_items *list = &fields->thresholds;
	if (list->count >= THRESHOLDS_MAX) {
		list->count = THRESHOLDS_MAX + 1;
		return NULL;
	}
	struct threshold_item *item = &list->items[list->count++];
	return item;
}

void fields_append_threshold(struct fields *fields, enum value_type type)
{
	struct threshold_item *item = fields_next_threshold(fields);
	if (!item)
		return;
	item->type = type;
	memcpy(item->values, fields->values + FIELD_THRESHOLD_AMOUNT, THRESHOLD_SLOTS_COUNT * sizeof item->values[0]);
}

enum field field_find(struct text name)
{
	for (int field = 0; field < FIELD_TOP_COUNT; field++)
		if (names[field].size == name.size && memcmp(names[field].data, name.data, name.size) == 0)
			return (enum field)field;
	return FIELD_NONE;
}

enum field field_find_in_cost(struct text name)
{
	if (text_equal(name, TEXT_LITERAL("amount")))
		return FIELD_COST_AMOUNT;
	return text_equal(name, TEXT_LITERAL("currency")) ? FIELD_COST_CURRENCY : FIELD_NONE;
}

enum field field_find_in_threshold(struct text name)
{
	if (text_equal(name, TEXT_LITERAL("amount")))
		return FIELD_THRESHOLD_AMOUNT;
	if (text_equal(name, TEXT_LITERAL("percent")))
		return FIELD_THRESHOLD_PERCENT;
	return text_equal(name, TEXT_LITERAL("hysteresis")) ? FIELD_THRESHOLD_HYSTERESIS : FIELD_NONE;
}

const char *field_name(enum field field)
{
	return names[field].data;
}

struct members *fields_members(struct fields *fields, enum field field)
{
	return field == FIELD_DIMENSIONS ? &fields->dimensions : field == FIELD_METADATA ? &fields->metadata : NULL;
}

bool defect_fill(struct defect *ret_defect, const char *reason, const char *format, ...)
{
	ret_defect->reason = reason;
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(ret_defect->text, sizeof ret_defect->text, format, arguments);
	va_end(arguments);
	return false;
}

/* What a builder needs at hand. */
struct builder {
	struct fields *fields;
	struct arena *arena;
	struct defect *defect;
};

static bool missing(struct builder *builder, enum field field)
{
	return defect_fill(builder->defect, "missing_field", "%s is missing", field_name(field));
}

static bool invalid(struct builder *builder, enum field field, const char *what)
{
	return defect_fill(builder->defect, "invalid_field", "%s %s", field_name(field), what);
}

/* Absent where it is not given. */
static bool take_string(struct builder *builder, enum field field, struct text *ret_text)
{
	const struct value *value = &builder->fields->values[field];
	if (value->type != VALUE_ABSENT && value->type != VALUE_STRING)
		return invalid(builder, field, "is not a string");
	*ret_text = value->type == VALUE_STRING ? value->text : TEXT_NULL;
	return true;
}

static bool take_id(struct builder *builder, enum field field, bool (*is_valid)(struct text), struct text *ret_id)
{
	if (!take_string(builder, field, ret_id))
		return false;
	if (ret_id->data && !is_valid(*ret_id))
		return invalid(builder, field,
			is_valid == text_is_currency_id ? "is not 1-255 of [A-Za-z0-9_|.-], the first alphanumeric"
							: "is not 1-255 of [A-Za-z0-9_|.@-], the first alphanumeric");
	return true;
}

static bool take_required_id(
	struct builder *builder, enum field field, bool (*is_valid)(struct text), struct text *ret_id)
{
	if (!take_id(builder, field, is_valid, ret_id))
		return false;
	return ret_id->data ? true : missing(builder, field);
}

static bool take_printable(struct builder *builder, enum field field, size_t characters_max, struct text *ret_text)
{
	size_t count;
	if (!take_string(builder, field, ret_text))
		return false;
	if (!ret_text->data)
		return true;
	/* a character has at most 4 bytes: no need to count further */
	if (ret_text->size > 4 * characters_max || !text_is_printable(*ret_text, &count) || count < 1 ||
		count > characters_max)
		return defect_fill(builder->defect, "invalid_field", "%s is not 1-%zu printable characters",
			field_name(field), characters_max);
	return true;
}

static bool take_free_text(struct builder *builder, enum field field, struct text *ret_text)
{
	if (!take_string(builder, field, ret_text))
		return false;
	if (ret_text->size > DECODE_TEXT_SIZE_MAX)
		return defect_fill(builder->defect, "too_large", "%s is longer than %d bytes", field_name(field),
			DECODE_TEXT_SIZE_MAX);
	if (ret_text->data && !text_is_storable(*ret_text))
		return invalid(builder, field, "is not UTF-8, or has a NUL");
	return true;
}

static bool take_number(struct builder *builder, enum field field, credit_t *ret_amount)
{
	const struct value *value = &builder->fields->values[field];
	if (value->type == VALUE_CREDIT) {
		*ret_amount = value->credit;
		return true;
	}
	if (value->type == VALUE_INTEGER) { /* whole credits, as in JSON */
		*ret_amount = value->integer * CREDIT_ONE;
		return true;
	}
	if (value->type == VALUE_CREDIT_RANGE)
		return invalid(builder, field, "is out of range");
	if (value->type != VALUE_NUMBER && value->type != VALUE_STRING)
		return invalid(builder, field, "is not a number");
	switch (credit_parse(value->text, ret_amount)) {
	case CREDIT_PARSED:
		return true;
	case CREDIT_TOO_PRECISE:
		return invalid(builder, field, "has more than 12 fractional digits");
	case CREDIT_OUT_OF_RANGE:
		return invalid(builder, field, "is out of range");
	case CREDIT_NOT_A_NUMBER:
		break;
	}
	return invalid(builder, field, "is not a number");
}

static bool is_given(const struct builder *builder, enum field field)
{
	return builder->fields->values[field].type != VALUE_ABSENT;
}

static bool take_above_0(struct builder *builder, enum field field, credit_t *ret_amount)
{
	if (!take_number(builder, field, ret_amount))
		return false;
	return *ret_amount > 0 ? true : invalid(builder, field, "is not above 0");
}

static bool take_0_or_more(struct builder *builder, enum field field, credit_t *ret_amount)
{
	if (!take_number(builder, field, ret_amount))
		return false;
	return *ret_amount >= 0 ? true : invalid(builder, field, "is below 0");
}

static bool take_amount(struct builder *builder, credit_t *ret_amount)
{
	return is_given(builder, FIELD_AMOUNT) ? take_above_0(builder, FIELD_AMOUNT, ret_amount)
					       : missing(builder, FIELD_AMOUNT);
}

static bool take_instant(struct builder *builder, enum field field, instant_t *ret_instant)
{
	const struct value *value = &builder->fields->values[field];
	*ret_instant = INSTANT_NONE;
	switch (value->type) {
	case VALUE_ABSENT:
		return true;
	case VALUE_INSTANT:
		if (value->instant < INSTANT_MIN || value->instant > INSTANT_MAX)
			return invalid(builder, field, "is outside of the years 0001-9999");
		*ret_instant = value->instant;
		return true;
	case VALUE_STRING:
		if (instant_parse(value->text, ret_instant))
			return true;
		break;
	default:
		break;
	}
	return invalid(builder, field, "is not a time of RFC 3339 with a zone");
}

/* *ret_value stays where it is not given. `what`: said of a value that is none, or out of range. */
static bool take_integer(struct builder *builder, enum field field, int64_t minimum, int64_t maximum, const char *what,
	int64_t *ret_value)
{
	const struct value *value = &builder->fields->values[field];
	credit_t number = 0;
	if (value->type == VALUE_ABSENT)
		return true;
	if (value->type == VALUE_INTEGER)
		number = value->integer * CREDIT_ONE;
	else if (value->type != VALUE_NUMBER || credit_parse(value->text, &number) != CREDIT_PARSED)
		return invalid(builder, field, what);
	if (number % CREDIT_ONE != 0 || number < minimum * CREDIT_ONE || number > maximum * CREDIT_ONE)
		return invalid(builder, field, what);
	*ret_value = (int64_t)(number / CREDIT_ONE);
	return true;
}

/* 0 where it is not given. */
static bool take_priority(struct builder *builder, int32_t *ret_priority)
{
	int64_t priority = 0;
	bool ok = take_integer(builder, FIELD_PRIORITY, INT32_MIN, INT32_MAX, "is not a 32-bit integer", &priority);
	*ret_priority = (int32_t)priority;
	return ok;
}

static bool take_members(struct builder *builder, enum field field, struct text *ret_json)
{
	const struct value *value = &builder->fields->values[field];
	*ret_json = TEXT_NULL;
	if (value->type == VALUE_ABSENT)
		return true;
	if (value->type != VALUE_MEMBERS)
		return invalid(builder, field, "is not a map");
	return canonical_members(
		fields_members(builder->fields, field), field_name(field), builder->arena, ret_json, builder->defect);
}

static bool take_cost(struct builder *builder, struct grant_terms *terms)
{
	const struct value *values = builder->fields->values;
	if (values[FIELD_COST].type == VALUE_ABSENT)
		return true;
	if (values[FIELD_COST].type != VALUE_OBJECT)
		return invalid(builder, FIELD_COST, "is not an object");
	if (!is_given(builder, FIELD_COST_AMOUNT))
		return missing(builder, FIELD_COST_AMOUNT);
	if (!take_0_or_more(builder, FIELD_COST_AMOUNT, &terms->cost_amount) ||
		!take_printable(builder, FIELD_COST_CURRENCY, 32, &terms->cost_currency))
		return false;
	terms->has_cost = true;
	return terms->cost_currency.data ? true : missing(builder, FIELD_COST_CURRENCY);
}

static bool take_grant_type(struct builder *builder, enum grant_type *ret_type)
{
	struct text name;
	if (!take_string(builder, FIELD_GRANT_TYPE, &name))
		return false;
	if (!name.data)
		return missing(builder, FIELD_GRANT_TYPE);
	if (!grant_type_parse(name, ret_type) || *ret_type == GRANT_OVERDRAFT)
		return invalid(builder, FIELD_GRANT_TYPE, "is neither PROMOTIONAL nor PAID");
	return true;
}

/* Absent where it is not given. A slash is for ids that the engine derives. */
static bool take_new_grant_id(struct builder *builder, struct text *ret_id)
{
	if (!take_printable(builder, FIELD_GRANT_ID, DECODE_KEY_CHARACTERS_MAX, ret_id))
		return false;
	if (ret_id->data && memchr(ret_id->data, '/', ret_id->size))
		return invalid(builder, FIELD_GRANT_ID, "contains a slash");
	return true;
}

static bool take_await_payment(struct builder *builder, bool *ret_await)
{
	const struct value *value = &builder->fields->values[FIELD_AWAIT_PAYMENT];
	if (value->type != VALUE_ABSENT && value->type != VALUE_BOOLEAN)
		return invalid(builder, FIELD_AWAIT_PAYMENT, "is not a boolean");
	*ret_await = value->type == VALUE_BOOLEAN && value->boolean;
	return true;
}

static const struct text derived_prefix = TEXT_CONSTANT("grant/");

static struct text derive_grant_id(struct arena *arena, struct text idempotency_key)
{
	char *id = arena_alloc(arena, derived_prefix.size + idempotency_key.size);
	memcpy(id, derived_prefix.data, derived_prefix.size);
	memcpy(id + derived_prefix.size, idempotency_key.data, idempotency_key.size);
	return (struct text){id, derived_prefix.size + idempotency_key.size};
}

static bool build_grant(struct builder *builder, struct event *event)
{
	struct grant_terms *terms = arena_zero_array(builder->arena, 1, sizeof *terms);
	if (!take_amount(builder, &event->amount) || !take_grant_type(builder, &terms->grant_type) ||
		!take_new_grant_id(builder, &event->grant_id) || !take_priority(builder, &terms->priority) ||
		!take_instant(builder, FIELD_EFFECTIVE_AT, &terms->effective_at) ||
		!take_instant(builder, FIELD_EXPIRE_AT, &terms->expire_at) || !take_cost(builder, terms) ||
		!take_free_text(builder, FIELD_DISPLAY_NAME, &terms->display_name) ||
		!take_free_text(builder, FIELD_COMMENT, &event->comment) ||
		!take_members(builder, FIELD_METADATA, &terms->metadata) ||
		!take_await_payment(builder, &terms->await_payment))
		return false;
	if (!event->grant_id.data)
		event->grant_id = derive_grant_id(builder->arena, event->idempotency_key);
	event->terms = terms;
	return true;
}

/* void, confirm-payment */
static bool build_of_grant(struct builder *builder, struct event *event)
{
	/* any id there can be, a derived one and an overdraft's too */
	if (!take_printable(builder, FIELD_GRANT_ID, GRANT_ID_CHARACTERS_MAX, &event->grant_id) ||
		!take_free_text(builder, FIELD_COMMENT, &event->comment))
		return false;
	return event->grant_id.data ? true : missing(builder, FIELD_GRANT_ID);
}

static bool build_reverse(struct builder *builder, struct event *event)
{
	struct reversal_terms *reversal = arena_zero_array(builder->arena, 1, sizeof *reversal);
	if (!take_printable(builder, FIELD_REVERSED_KEY, DECODE_KEY_CHARACTERS_MAX, &reversal->reversed_key))
		return false;
	if (!reversal->reversed_key.data)
		return missing(builder, FIELD_REVERSED_KEY);
	if (is_given(builder, FIELD_AMOUNT) && !take_above_0(builder, FIELD_AMOUNT, &event->amount))
		return false;
	reversal->reversed_hash = event_key_hash(event->customer_id, CLASS_USAGE, reversal->reversed_key);
	event->reversal = reversal;
	return true;
}

static bool take_over_limit(struct builder *builder, struct account_settings *settings)
{
	struct text name;
	if (!take_string(builder, FIELD_OVER_LIMIT, &name))
		return false;
	settings->has_over_limit = name.data != NULL;
	if (name.data && !over_limit_parse(name, &settings->over_limit))
		return invalid(builder, FIELD_OVER_LIMIT, "is none of allow, cap, reject");
	return true;
}

/* The item whose fields are in their slots. */
static bool take_threshold(struct builder *builder, struct threshold *threshold)
{
	int64_t percent = 0, hysteresis = THRESHOLD_HYSTERESIS_DEFAULT;
	threshold->is_percent = is_given(builder, FIELD_THRESHOLD_PERCENT);
	if (threshold->is_percent == is_given(builder, FIELD_THRESHOLD_AMOUNT))
		return invalid(builder, FIELD_THRESHOLDS, "has an item without exactly one of amount and percent");
	if (!threshold->is_percent && !take_above_0(builder, FIELD_THRESHOLD_AMOUNT, &threshold->amount))
		return false;
	if (!take_integer(builder, FIELD_THRESHOLD_PERCENT, 1, 100, "is not an integer from 1 to 100", &percent) ||
		!take_integer(
			builder, FIELD_THRESHOLD_HYSTERESIS, 0, 100, "is not an integer from 0 to 100", &hysteresis))
		return false;
	threshold->percent = (int32_t)percent;
	threshold->hysteresis = (int32_t)hysteresis;
	return true;
}

static bool take_thresholds(struct builder *builder, struct account_settings *settings)
{
	const struct threshold_items *list = &builder->fields->thresholds;
	if (!is_given(builder, FIELD_THRESHOLDS))
		return true;
	if (builder->fields->values[FIELD_THRESHOLDS].type != VALUE_LIST)
		return invalid(builder, FIELD_THRESHOLDS, "is not an array");
	if (list->count > THRESHOLDS_MAX)
		return defect_fill(builder->defect, "invalid_field", "%s has more than %d items",
			field_name(FIELD_THRESHOLDS), THRESHOLDS_MAX);
	struct threshold *thresholds = arena_zero_array(builder->arena, list->count, sizeof *thresholds);
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].type != VALUE_OBJECT)
			return invalid(builder, FIELD_THRESHOLDS, "has an item that is not an object");
		memcpy(builder->fields->values + FIELD_THRESHOLD_AMOUNT, list->items[i].values,
			sizeof list->items[i].values);
		if (!take_threshold(builder, &thresholds[i]))
			return false;
		if (threshold_repeats(thresholds, i + 1))
			return invalid(builder, FIELD_THRESHOLDS, "has the same threshold twice");
	}
	settings->has_thresholds = true;
	settings->thresholds = (struct thresholds){thresholds, list->count};
	return true;
}

static bool build_configure(struct builder *builder, struct event *event)
{
	struct account_settings *settings = arena_zero_array(builder->arena, 1, sizeof *settings);
	settings->has_overdraft_limit = is_given(builder, FIELD_OVERDRAFT_LIMIT);
	if (!take_over_limit(builder, settings) ||
		(settings->has_overdraft_limit &&
			!take_0_or_more(builder, FIELD_OVERDRAFT_LIMIT, &settings->overdraft_limit)) ||
		!take_thresholds(builder, settings))
		return false;
	event->settings = settings;
	return true;
}

/* How long a hold is to be kept; 0 and INSTANT_NONE where nothing is said of it. */
static bool take_end(struct builder *builder, struct hold_terms *hold)
{
	const int64_t ttl_max = INT64_MAX / INSTANT_SECOND;
	int64_t seconds = 0;
	if (is_given(builder, FIELD_TTL_SECONDS) && is_given(builder, FIELD_EXPIRES_AT))
		return invalid(builder, FIELD_TTL_SECONDS, "and expiresAt are both given");
	if (!take_integer(builder, FIELD_TTL_SECONDS, INT64_MIN, INT64_MAX, "is not a 64-bit integer", &seconds) ||
		!take_instant(builder, FIELD_EXPIRES_AT, &hold->expires_at))
		return false;
	seconds = seconds < -ttl_max ? -ttl_max : seconds > ttl_max ? ttl_max : seconds;
	hold->ttl = seconds * INSTANT_SECOND;
	return true;
}

static bool build_hold(struct builder *builder, struct event *event)
{
	struct hold_terms *hold = arena_zero_array(builder->arena, 1, sizeof *hold);
	hold->expires_at = INSTANT_NONE;
	if (!take_printable(builder, FIELD_RESERVATION_ID, DECODE_KEY_CHARACTERS_MAX, &hold->reservation_id))
		return false;
	if (!hold->reservation_id.data)
		return missing(builder, FIELD_RESERVATION_ID);
	event->hold = hold;
	if (event->kind == EVENT_SETTLE)
		return is_given(builder, FIELD_AMOUNT) ? take_0_or_more(builder, FIELD_AMOUNT, &event->amount)
						       : missing(builder, FIELD_AMOUNT);
	if (event->kind == EVENT_RELEASE)
		return true;
	bool has_end = is_given(builder, FIELD_TTL_SECONDS) || is_given(builder, FIELD_EXPIRES_AT);
	if (event->kind == EVENT_RESERVE && !take_amount(builder, &event->amount))
		return false;
	if (event->kind == EVENT_EXTEND && !has_end)
		return defect_fill(builder->defect, "missing_field", "ttlSeconds or expiresAt is missing");
	if (!has_end)
		hold->ttl = HOLD_TTL_DEFAULT;
	return !has_end || take_end(builder, hold);
}

static bool build_advance(struct builder *builder, struct event *event)
{
	if (!take_instant(builder, FIELD_DUE_AT, &event->due_at))
		return false;
	return event->due_at != INSTANT_NONE ? true : missing(builder, FIELD_DUE_AT);
}

static bool build_kind(struct builder *builder, struct event *event)
{
	switch (event->kind) {
	case EVENT_CONSUME:
		return take_amount(builder, &event->amount) &&
		       take_members(builder, FIELD_DIMENSIONS, &event->dimensions);
	case EVENT_GRANT:
		return build_grant(builder, event);
	case EVENT_VOID:
	case EVENT_CONFIRM_PAYMENT:
		return build_of_grant(builder, event);
	case EVENT_REVERSE:
		return build_reverse(builder, event);
	case EVENT_CONFIGURE:
		return build_configure(builder, event);
	case EVENT_RESERVE:
	case EVENT_SETTLE:
	case EVENT_EXTEND:
	case EVENT_RELEASE:
		return build_hold(builder, event);
	case EVENT_ADVANCE:
		return build_advance(builder, event);
	case EVENT_KIND_COUNT:
		break;
	}
	return defect_fill(builder->defect, "unknown_type", "type is unknown");
}

bool event_of_fields(struct fields *fields, enum event_kind kind, struct arena *arena, struct event *ret_event,
	struct defect *ret_defect)
{
	struct builder builder = {fields, arena, ret_defect};
	*ret_event = (struct event){.kind = kind, .due_at = INSTANT_NONE};
	if (!take_required_id(&builder, FIELD_CUSTOMER_ID, text_is_customer_id, &ret_event->customer_id) ||
		!take_required_id(&builder, FIELD_CURRENCY_ID, text_is_currency_id, &ret_event->currency_id) ||
		!take_id(&builder, FIELD_RESOURCE_ID, text_is_customer_id, &ret_event->resource_id) ||
		!take_printable(
			&builder, FIELD_IDEMPOTENCY_KEY, DECODE_KEY_CHARACTERS_MAX, &ret_event->idempotency_key))
		return false;
	if (!ret_event->idempotency_key.data)
		return missing(&builder, FIELD_IDEMPOTENCY_KEY);
	if (!take_instant(&builder, FIELD_CREATED_AT, &ret_event->created_at) || !build_kind(&builder, ret_event))
		return false;
	event_identify(ret_event);
	return true;
}

bool event_kind_of_fields(const struct fields *fields, enum event_kind *ret_kind, struct defect *ret_defect)
{
	const struct value *type = &fields->values[FIELD_TYPE];
	*ret_kind = EVENT_CONSUME;
	if (type->type == VALUE_ABSENT)
		return true;
	if (type->type != VALUE_STRING)
		return defect_fill(ret_defect, "invalid_field", "type is not a string");
	if (event_kind_parse(type->text, ret_kind))
		return true;
	return defect_fill(ret_defect, "unknown_type",
		"type is none of consume, grant, void, confirm-payment, reverse, configure, reserve, settle, extend, "
		"release, advance");
}
