/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records by hand, as in money_fixture.h: holds, reversals, and the commands besides grants and voids.
 */
#ifndef DRAWDOWN_TEST_MONEY_EVENTS_H
#define DRAWDOWN_TEST_MONEY_EVENTS_H

#include "money_fixture.h"

/* ---- holds: ttl in microseconds, or an end ---- */

static inline struct record *add_hold_event(struct money *money, enum event_kind kind, const char *key,
	const char *reservation_id, const char *amount, int64_t ttl, instant_t expires_at)
{
	struct hold_terms *terms = arena_zero_array(&money->arena, 1, sizeof *terms);
	*terms = (struct hold_terms){text_of(reservation_id), ttl, expires_at};
	return add_event(money, (struct event){
					.kind = kind,
					.idempotency_key = text_of(key),
					.amount = amount ? credit(amount) : 0,
					.hold = terms,
				});
}

static inline struct record *reserve_for(
	struct money *money, const char *key, const char *reservation_id, const char *amount, int64_t ttl)
{
	return add_hold_event(money, EVENT_RESERVE, key, reservation_id, amount, ttl, INSTANT_NONE);
}

static inline struct record *reserve_until(
	struct money *money, const char *key, const char *reservation_id, const char *amount, instant_t expires_at)
{
	return add_hold_event(money, EVENT_RESERVE, key, reservation_id, amount, 0, expires_at);
}

/* For an hour. Its key is its id. */
static inline struct record *reserve(struct money *money, const char *reservation_id, const char *amount)
{
	return reserve_for(money, reservation_id, reservation_id, amount, HOLD_TTL_DEFAULT);
}

static inline struct record *settle(
	struct money *money, const char *key, const char *reservation_id, const char *amount)
{
	return add_hold_event(money, EVENT_SETTLE, key, reservation_id, amount, 0, INSTANT_NONE);
}

static inline struct record *extend_for(struct money *money, const char *key, const char *reservation_id, int64_t ttl)
{
	return add_hold_event(money, EVENT_EXTEND, key, reservation_id, NULL, ttl, INSTANT_NONE);
}

static inline struct record *extend_until(
	struct money *money, const char *key, const char *reservation_id, instant_t expires_at)
{
	return add_hold_event(money, EVENT_EXTEND, key, reservation_id, NULL, 0, expires_at);
}

static inline struct record *release(struct money *money, const char *key, const char *reservation_id)
{
	return add_hold_event(money, EVENT_RELEASE, key, reservation_id, NULL, 0, INSTANT_NONE);
}

/* Of the account that the next record would touch; NULL: there is none. */
static inline const struct hold *stored_hold(struct money *money, const char *reservation_id)
{
	const struct stored_hold *stored =
		memory_store_find_hold(&money->store, &stored_account(money)->key, text_of(reservation_id));
	return stored ? &stored->hold : NULL;
}

/* ---- commands ---- */

/* `amount` NULL: all that is left. */
static inline struct record *reverse(struct money *money, const char *key, const char *reversed_key, const char *amount)
{
	struct reversal_terms *terms = arena_zero_array(&money->arena, 1, sizeof *terms);
	*terms = (struct reversal_terms){
		.reversed_key = text_of(reversed_key),
		.reversed_hash = event_key_hash(text_of(money->customer_id), CLASS_USAGE, text_of(reversed_key)),
	};
	return add_event(money, (struct event){
					.kind = EVENT_REVERSE,
					.idempotency_key = text_of(key),
					.amount = amount ? credit(amount) : 0,
					.reversal = terms,
				});
}

static inline struct record *configure(struct money *money, const char *key, struct account_settings given)
{
	struct account_settings *settings = arena_alloc(&money->arena, sizeof *settings);
	*settings = given;
	return add_event(
		money, (struct event){.kind = EVENT_CONFIGURE, .idempotency_key = text_of(key), .settings = settings});
}

static inline struct record *confirm(struct money *money, const char *key, const char *grant_id)
{
	return add_event(money,
		(struct event){
			.kind = EVENT_CONFIRM_PAYMENT, .idempotency_key = text_of(key), .grant_id = text_of(grant_id)});
}

static inline struct record *advance_to(struct money *money, const char *key, instant_t due_at)
{
	return add_event(
		money, (struct event){.kind = EVENT_ADVANCE, .idempotency_key = text_of(key), .due_at = due_at});
}

/* ---- settings ---- */

static inline struct account_settings policy(enum over_limit over_limit)
{
	return (struct account_settings){.has_over_limit = true, .over_limit = over_limit};
}

static inline struct account_settings overdraft_limit(const char *limit)
{
	return (struct account_settings){.has_overdraft_limit = true, .overdraft_limit = credit(limit)};
}

#endif
