/* SPDX-License-Identifier: Apache-2.0 */
#include "history.h"

#include <stdio.h>

#define BEGIN (1767225600 * INSTANT_SECOND)

size_t history_below(struct history *history, size_t count)
{
	return (size_t)seed_below(&history->seed, count);
}

static bool one_in(struct history *history, size_t count)
{
	return history_below(history, count) == 0;
}

/* Whole seconds, so that instants meet; now and then a microsecond beside. */
static int64_t seconds_between(struct history *history, int64_t least, int64_t most)
{
	int64_t seconds = least + (int64_t)history_below(history, (size_t)(most - least + 1));
	int64_t beside = one_in(history, 8) ? (int64_t)history_below(history, 3) - 1 : 0;
	return seconds * INSTANT_SECOND + beside;
}

static credit_t some_amount(struct history *history, size_t largest)
{
	if (history->has_huge_amounts && one_in(history, 3)) {
		const credit_t huge[] = {
			CREDIT_MAX, CREDIT_MAX - 1, CREDIT_MAX / 2, CREDIT_MAX / 2 + 1, CREDIT_MAX / 10 * 9};
		return huge[history_below(history, 5)] - (credit_t)history_below(history, 2);
	}
	switch (history_below(history, 8)) {
	case 0:
		return 1;
	case 1:
		return 1 + (credit_t)history_below(history, largest * (size_t)CREDIT_ONE);
	default:
		return (1 + (credit_t)history_below(history, largest)) * CREDIT_ONE;
	}
}

static struct text some_text(struct history *history, const char *prefix, size_t count)
{
	return arena_format(&history->arena, "%s%zu", prefix, history_below(history, count));
}

static const struct grant_terms *some_terms(struct history *history, instant_t now)
{
	struct grant_terms *terms = arena_zero_array(&history->arena, 1, sizeof *terms);

	terms->grant_type = one_in(history, 2) ? GRANT_PAID : GRANT_PROMOTIONAL;
	terms->priority = (int32_t)history_below(history, 2) - 1;
	terms->effective_at = one_in(history, 2) ? now + seconds_between(history, -4, 9) : INSTANT_NONE;
	terms->expire_at = one_in(history, 3) ? INSTANT_NONE : now + seconds_between(history, 0, 30);
	if (terms->expire_at != INSTANT_NONE && one_in(history, 2)) /* so that several end at once */
		terms->expire_at -= terms->expire_at % (20 * INSTANT_SECOND);
	terms->await_payment = history->has_all_kinds && one_in(history, 6);
	return terms;
}

/* Mostly a new one for a grant, and one that was granted before for a void, in the account where it was. */
static void set_grant_id(struct history *history, struct event *event)
{
	bool is_void = event->kind == EVENT_VOID;

	if (one_in(history, is_void ? 10 : 30))
		event->grant_id = some_text(history, "overdraft:" HISTORY_CURRENCY "//", 4);
	else
		event->grant_id = arena_format(&history->arena, "g%zu", history->records_count);
	for (size_t tries = is_void || event->kind == EVENT_CONFIRM_PAYMENT ? 10 : one_in(history, 8);
		tries > 0 && history->records_count > 0; tries--) {
		const struct event *earlier = &history->records[history_below(history, history->records_count)]->event;
		if (earlier->kind != EVENT_GRANT || !earlier->terms)
			continue;
		if (event->kind == EVENT_CONFIRM_PAYMENT && !earlier->terms->await_payment && !one_in(history, 4))
			continue;
		event->grant_id = earlier->grant_id;
		if (one_in(history, 8))
			break;
		event->customer_id = earlier->customer_id;
		event->currency_id = earlier->currency_id;
		event->resource_id = earlier->resource_id;
		break;
	}
}

/* One of an earlier event, whose account it takes over as a rule; NULL: there is none. */
static const struct event *choose_earlier(
	struct history *history, struct event *event, bool (*fits)(const struct event *))
{
	for (size_t tries = 0; tries < 20 && history->records_count > 0; tries++) {
		size_t back = history_below(history, one_in(history, 4) || history->records_count < 12
							     ? history->records_count
							     : 12); /* as a rule it is not long ago */
		const struct event *earlier = &history->records[history->records_count - 1 - back]->event;
		if (!earlier->idempotency_key.data || !fits(earlier))
			continue;
		if (!one_in(history, 12)) {
			event->customer_id = earlier->customer_id;
			event->currency_id = earlier->currency_id;
			event->resource_id = earlier->resource_id;
		}
		return earlier;
	}
	return NULL;
}

static bool is_reserve(const struct event *event)
{
	return event->kind == EVENT_RESERVE;
}

static bool is_consumption(const struct event *event)
{
	return event->kind == EVENT_CONSUME || event->kind == EVENT_SETTLE;
}

/* One in a while is none. Many fall on the instants at which grants end, too. */
static void set_end(struct history *history, instant_t now, struct hold_terms *terms)
{
	const int64_t grid = 20 * INSTANT_SECOND;

	terms->expires_at = INSTANT_NONE;
	if (one_in(history, 3)) {
		terms->ttl = one_in(history, 12) ? HOLD_TTL_MAX + (int64_t)history_below(history, 2)
						 : seconds_between(history, 1, 25);
		return;
	}
	terms->expires_at = now + seconds_between(history, one_in(history, 8) ? -1 : 1, 25);
	if (one_in(history, 2))
		terms->expires_at += grid - terms->expires_at % grid + (one_in(history, 2) ? history->expiry_grace : 0);
}

static void set_hold(struct history *history, struct record *record)
{
	struct event *event = &record->event;
	struct hold_terms *terms = arena_zero_array(&history->arena, 1, sizeof *terms);
	bool is_new = event->kind == EVENT_RESERVE && !one_in(history, 20);
	const struct event *earlier = is_new ? NULL : choose_earlier(history, event, is_reserve);

	terms->reservation_id =
		earlier ? earlier->hold->reservation_id : arena_format(&history->arena, "r%zu", history->records_count);
	terms->expires_at = INSTANT_NONE;
	if (event->kind == EVENT_RESERVE || event->kind == EVENT_EXTEND)
		set_end(history, record->source.timestamp, terms);
	if (event->kind == EVENT_RESERVE)
		event->amount = some_amount(history, one_in(history, 3) ? 9 : 3);
	if (event->kind == EVENT_SETTLE)
		event->amount = earlier && one_in(history, 3) ? earlier->amount
				: one_in(history, 6)	      ? 0
							      : some_amount(history, one_in(history, 2) ? 3 : 8);
	event->hold = terms;
}

static void set_reversal(struct history *history, struct record *record)
{
	struct event *event = &record->event;
	struct reversal_terms *terms = arena_zero_array(&history->arena, 1, sizeof *terms);
	const struct event *earlier = choose_earlier(history, event, is_consumption);

	terms->reversed_key = earlier ? earlier->idempotency_key : TEXT_LITERAL("none");
	terms->reversed_hash = event_key_hash(event->customer_id, CLASS_USAGE, terms->reversed_key);
	if (!one_in(history, 3))
		event->amount = earlier && one_in(history, 2) ? earlier->amount : some_amount(history, 3);
	event->reversal = terms;
}

static void set_overrides(struct history *history, struct event *event)
{
	struct account_settings *settings = arena_zero_array(&history->arena, 1, sizeof *settings);
	struct threshold *items = arena_zero_array(&history->arena, 3, sizeof *items);

	settings->has_over_limit = one_in(history, 2);
	settings->over_limit = (enum over_limit)history_below(history, 3);
	settings->has_overdraft_limit = one_in(history, 2);
	settings->overdraft_limit = one_in(history, 3) ? 0 : some_amount(history, 6);
	settings->has_thresholds = !one_in(history, 3);
	settings->thresholds = (struct thresholds){items, history_below(history, 4)};
	for (size_t i = 0; i < settings->thresholds.count; i++) {
		items[i].is_percent = one_in(history, 2);
		if (items[i].is_percent)
			items[i].percent = (int32_t)(20 * i + 1 + history_below(history, 20));
		else
			items[i].amount = (credit_t)(5 * i + 1 + history_below(history, 5)) * CREDIT_ONE;
		items[i].hysteresis = one_in(history, 2) ? 10 : (int32_t)history_below(history, 101);
	}
	event->settings = settings;
}

static void set_new_kind(struct history *history, struct record *record)
{
	static const enum event_kind kinds[] = {EVENT_RESERVE, EVENT_RESERVE, EVENT_RESERVE, EVENT_SETTLE, EVENT_SETTLE,
		EVENT_RELEASE, EVENT_EXTEND, /* these first are of holds */
		EVENT_REVERSE, EVENT_REVERSE, EVENT_REVERSE, EVENT_CONFIGURE, EVENT_CONFIRM_PAYMENT, EVENT_ADVANCE};
	struct event *event = &record->event;

	event->kind = kinds[history_below(
		history, history->has_many_holds && !one_in(history, 3) ? 7 : sizeof kinds / sizeof *kinds)];
	if (event_class_of(event->kind) == CLASS_COMMAND && !one_in(history, 16))
		record->source.input = INPUT_COMMANDS;
	switch (event->kind) {
	case EVENT_REVERSE:
		set_reversal(history, record);
		return;
	case EVENT_CONFIGURE:
		set_overrides(history, event);
		return;
	case EVENT_CONFIRM_PAYMENT:
		set_grant_id(history, event);
		return;
	case EVENT_ADVANCE:
		event->due_at = record->source.timestamp + seconds_between(history, -3, 1);
		return;
	default:
		set_hold(history, record);
		return;
	}
}

static void set_kind(struct history *history, struct record *record)
{
	struct event *event = &record->event;
	size_t die = history_below(history, 20);

	bool is_early = history->has_many_holds && history->records_count < 6; /* credits first, to hold */

	if (history->has_all_kinds && !is_early && one_in(history, 2)) {
		set_new_kind(history, record);
		return;
	}
	event->kind = die < history->consumption_share && !is_early ? EVENT_CONSUME
		      : die < 17				    ? EVENT_GRANT
								    : EVENT_VOID;
	if (event->kind == EVENT_CONSUME) {
		event->amount = some_amount(history, history->consumption_max);
		if (one_in(history, 4))
			event->dimensions = one_in(history, 2) ? TEXT_LITERAL("{\"model\":\"x\"}")
							       : TEXT_LITERAL("{\"model\":\"y\"}");
		return;
	}
	if (event->kind == EVENT_GRANT) {
		event->amount = some_amount(history, history->has_many_holds ? 40 : 12);
		event->terms = some_terms(history, record->source.timestamp);
	}
	set_grant_id(history, event);
	if (!one_in(history, 16))
		record->source.input = INPUT_COMMANDS;
}

static instant_t some_created_at(struct history *history, instant_t now)
{
	switch (history_below(history, 16)) {
	case 0:
		return now + seconds_between(history, 0, 6);
	case 1:
		return now - history->rules.dedupe_window + seconds_between(history, -1, 1);
	case 2:
	case 3:
	case 4:
	case 5:
	case 6:
		return now - seconds_between(history, 0, 15);
	default:
		return INSTANT_NONE;
	}
}

static void set_event(struct history *history, struct record *record)
{
	struct event *event = &record->event;

	record->readable = true;
	event->customer_id = one_in(history, 8) ? TEXT_LITERAL("beta") : TEXT_LITERAL("acme");
	event->currency_id = one_in(history, 6) ? TEXT_LITERAL("points") : TEXT_LITERAL(HISTORY_CURRENCY);
	event->resource_id = one_in(history, 8) ? TEXT_LITERAL("r1") : TEXT_NULL;
	event->idempotency_key = some_text(history, "k", one_in(history, 12) ? 6 : 100000);
	event->created_at = some_created_at(history, record->source.timestamp);
	event->due_at = INSTANT_NONE;
	set_kind(history, record);
}

/* Whoever sends it believes that it is the same. */
static void change_one_thing(struct history *history, struct event *event)
{
	struct grant_terms *terms = NULL;

	if (event->terms) {
		terms = arena_alloc(&history->arena, sizeof *terms);
		*terms = *event->terms;
		event->terms = terms;
	}
	switch (history_below(history, terms ? 6 : 3)) {
	case 0:
		event->amount += event->amount && event->amount < CREDIT_MAX;
		return;
	case 1:
		event->resource_id = event->resource_id.data ? TEXT_NULL : TEXT_LITERAL("r1");
		return;
	case 2:
		if (event->kind == EVENT_CONSUME)
			event->dimensions = event->dimensions.data ? TEXT_NULL : TEXT_LITERAL("{\"model\":\"x\"}");
		return;
	case 3:
		terms->priority++;
		return;
	case 4:
		terms->effective_at = terms->effective_at == INSTANT_NONE ? history->now : INSTANT_NONE;
		return;
	default:
		terms->expire_at =
			terms->expire_at == INSTANT_NONE ? history->now + INSTANT_SECOND : terms->expire_at + 1;
		return;
	}
}

static struct record *some_record(struct history *history)
{
	struct record *record = arena_zero_array(&history->arena, 1, sizeof *record);
	size_t index = history->records_count;

	history->now += one_in(history, 2) ? seconds_between(history, 0, 3) : 0;
	if (one_in(history, 20))
		history->now += seconds_between(history, 5, 25);
	record->source = (struct source_position){
		.input = one_in(history, 2) ? INPUT_USAGE : INPUT_COMMANDS,
		.partition = (int32_t)history_below(history, 2),
		.offset = (int64_t)index,
		.timestamp = history->now - (one_in(history, 8) ? seconds_between(history, 0, 6) : 0),
	};
	if (index > 0 && one_in(history, 8) && history->records[index - 1]->readable) {
		/* Sent again: what was meant is the same, where and when it stands is not. */
		record->event = history->records[one_in(history, 2) ? index - 1 : history_below(history, index)]->event;
		record->readable = record->event.idempotency_key.data != NULL;
		record->event.created_at = some_created_at(history, record->source.timestamp);
		if (record->readable && one_in(history, 4))
			change_one_thing(history, &record->event);
	} else if (!one_in(history, 30)) {
		set_event(history, record);
	}
	static const struct defect malformed = {.reason = "malformed_json"};
	if (record->readable)
		event_identify(&record->event);
	else
		record->defect = &malformed;
	record->traceparent = one_in(history, 5) ? some_text(history, "00-", 1000) : TEXT_NULL;
	return record;
}

void history_make(struct history *history, uint64_t seed, bool has_all_kinds)
{
	*history = (struct history){.seed = {seed}, .now = BEGIN, .has_all_kinds = has_all_kinds};
	arena_init(&history->arena, 1 << 14);
	history->has_huge_amounts = one_in(history, 5);
	history->has_many_holds = has_all_kinds && one_in(history, 2);
	history->consumption_max = one_in(history, 3) ? 30 : 5;
	history->consumption_share = history->has_many_holds ? 4 : 2 + 5 * history_below(history, 3);
	history->expiry_grace = (int64_t)history_below(history, 3) * 4 * INSTANT_SECOND;
	history->rules = (struct rules){
		.dedupe_window = 30 * INSTANT_SECOND,
		.future_tolerance = 5 * INSTANT_SECOND,
		.grants_open_max = one_in(history, 2) ? 3 : ACCOUNT_GRANTS_MAX,
		.holds_open_max = one_in(history, 4) ? 2 : ACCOUNT_HOLDS_MAX,
		.currencies_open = one_in(history, 8),
	};
	size_t count = 1 + history_below(history, HISTORY_RECORDS_MAX);
	for (; history->records_count < count; history->records_count++)
		history->records[history->records_count] = some_record(history);
}

void history_release(struct history *history)
{
	arena_release(&history->arena);
}

static void print_instant(const char *name, instant_t instant)
{
	if (instant != INSTANT_NONE)
		(void)fprintf(stderr, " %s=%.6f", name, (double)(instant - BEGIN) / 1e6);
}

void history_print(const struct history *history)
{
	(void)fprintf(stderr, "grace=%.0fs grants_open_max=%zu currencies_open=%d\n",
		(double)history->expiry_grace / 1e6, history->rules.grants_open_max, history->rules.currencies_open);
	for (size_t i = 0; i < history->records_count; i++) {
		const struct record *record = history->records[i];
		const struct event *event = &record->event;
		char amount[CREDIT_TEXT_SIZE];
		(void)credit_format(event->amount, amount);
		(void)fprintf(stderr, "%3zu %s", i, record->source.input == INPUT_USAGE ? "usage" : "commands");
		print_instant("at", record->source.timestamp);
		if (record->readable) {
			(void)fprintf(stderr, " %.*s/%.*s/%.*s key=%.*s %s %s %.*s", TEXT_ARGS(event->customer_id),
				TEXT_ARGS(event->currency_id), TEXT_ARGS(event->resource_id),
				TEXT_ARGS(event->idempotency_key), event_kind_name(event->kind), amount,
				TEXT_ARGS(event->grant_id));
			print_instant("createdAt", event->created_at);
		}
		if (event->terms) {
			(void)fprintf(stderr, " %s priority=%d", grant_type_name(event->terms->grant_type),
				event->terms->priority);
			print_instant("effectiveAt", event->terms->effective_at);
			print_instant("expireAt", event->terms->expire_at);
		}
		if (event->hold) {
			(void)fprintf(stderr, " %.*s ttl=%.6f", TEXT_ARGS(event->hold->reservation_id),
				(double)event->hold->ttl / 1e6);
			print_instant("expiresAt", event->hold->expires_at);
		}
		if (event->reversal)
			(void)fprintf(stderr, " of %.*s", TEXT_ARGS(event->reversal->reversed_key));
		if (event->settings)
			(void)fprintf(stderr, " %.*s",
				TEXT_ARGS(
					account_settings_format(event->settings, &((struct history *)history)->arena)));
		(void)fprintf(stderr, "\n");
	}
}
