/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is written down: ledger entries, receipts, grants. Each mirrors a table.
 */
#ifndef DRAWDOWN_LEDGER_H
#define DRAWDOWN_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "drawdown/account.h"
#include "drawdown/credit.h"
#include "drawdown/event.h"

enum input {
	INPUT_USAGE,
	INPUT_COMMANDS,
	INPUT_COUNT,
};

/* Where an input stood. The record's timestamp tells a topic made anew from the old one. */
struct source_position {
	enum input input;
	int32_t partition;
	int64_t offset;
	instant_t timestamp;
};

enum ledger_event {
	LEDGER_CREDITS_GRANTED = 1, /* the numbers are stored: never renumber */
	LEDGER_CREDITS_CONSUMED = 2,
	LEDGER_CREDITS_EXPIRED = 3,
	LEDGER_CREDITS_VOIDED = 4,
	LEDGER_CREDITS_UPDATED = 5,
	LEDGER_TRANSFER_SOURCE = 6,
	LEDGER_TRANSFER_TARGET = 7,
	LEDGER_CREDITS_REVERSED = 8,
};
const char *ledger_event_name(enum ledger_event event); /* "CREDITS_GRANTED", ... */

/* What became of an input. */
enum result_kind {
	RESULT_APPLIED = 1, /* stored */
	RESULT_PARTIAL = 2,
	RESULT_DUPLICATE = 3,
	RESULT_CONFLICT = 4,
	RESULT_REJECTED = 5,
	RESULT_DEAD_LETTERED = 6,
	RESULT_PARKED = 7, /* nothing yet: it waits in drawdown.parked */
	RESULT_KIND_COUNT,
};
const char *result_kind_name(enum result_kind kind); /* "applied", ... "parked" */

enum reject_code {
	REJECT_NONE = 0, /* stored as text, the names are the contract */
	REJECT_NOT_PERMITTED,
	REJECT_TOO_OLD,
	REJECT_IN_THE_FUTURE,
	REJECT_RESERVED_ID,
	REJECT_INVALID_PERIOD,
	REJECT_UNKNOWN_CURRENCY,
	REJECT_UNKNOWN_GRANT,
	REJECT_GRANT_NOT_ACTIVE,
	REJECT_NOT_VOIDABLE,
	REJECT_GRANT_EXISTS,
	REJECT_ALREADY_EXPIRED,
	REJECT_TOO_MANY_GRANTS,
	REJECT_BALANCE_OUT_OF_RANGE,
	REJECT_NOT_DUE,
	REJECT_GRANT_NOT_PENDING,
	REJECT_OVERDRAFT_LIMIT,
	REJECT_INSUFFICIENT_CREDITS,
	REJECT_UNKNOWN_KEY,
	REJECT_ALREADY_REVERSED,
	REJECT_EXCEEDS_CONSUMPTION,
	REJECT_RESERVATION_EXISTS,
	REJECT_UNKNOWN_RESERVATION,
	REJECT_RESERVATION_CLOSED,
	REJECT_INVALID_TTL,
	REJECT_TOO_MANY_RESERVATIONS,
	REJECT_CODE_COUNT,
};
const char *reject_code_name(enum reject_code code); /* "not_permitted", ...; NULL for none */
bool reject_code_parse(struct text name, enum reject_code *ret_code);

/* One immutable row per (event, grant touched). */
struct ledger_entry {
	const struct account_key *account;
	int64_t seq;
	enum ledger_event event_type;
	credit_t amount; /* signed as it moves the balance; never 0 */
	struct text grant_id;
	credit_t grant_remaining; /* after the entry; below zero only for the overdraft */
	credit_t balance_before;
	credit_t balance_after;
	struct text idempotency_key; /* absent: the engine's own (advance) */
	bool has_requested;
	credit_t requested_amount;
	int64_t first_seq; /* of the whole event */
	int64_t last_seq;
	enum result_kind outcome; /* applied or partial */
	instant_t event_time;
	instant_t recorded_at;
	struct text dimensions; /* canonical JSON, or absent */
	struct source_position source;
	struct text traceparent; /* or absent */
};

/* The durable record that a key was handled. */
struct receipt {
	struct text customer_id;
	enum event_class event_class;
	struct text idempotency_key;
	struct hash128 key_hash;
	struct hash128 fingerprint;
	enum event_kind kind;
	struct text currency_id;
	struct text resource_id;
	enum result_kind outcome; /* applied, partial, rejected */
	enum reject_code code;
	credit_t requested_amount;
	credit_t applied_amount;
	credit_t balance;    /* after it */
	int64_t range_first; /* first entry written while it was handled, advance included; 0: none */
	int64_t range_last;  /* the last of them; 0: none */
	int64_t first_seq;   /* the event's own entries; 0: none */
	int64_t last_seq;
	struct text notifications; /* JSON, see notification.h; absent: none */
	struct source_position source;
	bool own_topic; /* its source topic is one of the configured inputs */
};

enum grant_end {
	GRANT_END_NONE = 0,
	GRANT_END_DEPLETED = 1, /* nothing left, not yet expired or voided */
	GRANT_END_EXPIRED = 2,
	GRANT_END_VOIDED = 3,
};

/* A row of drawdown.credit_grant: what never changes. */
struct grant_made {
	const struct account_key *account;
	struct text grant_id;
	enum grant_type grant_type;
	credit_t amount; /* an overdraft has 0: what it took stands in the ledger */
	int32_t priority;
	instant_t effective_at;
	instant_t expire_at;
	instant_t created_at;
	int64_t ordinal;
	struct text idempotency_key; /* of the event that made it */
	bool has_cost;
	credit_t cost_amount;
	struct text cost_currency;
	struct text display_name;
	struct text comment;
	struct text metadata;
};

/* How a grant ended, or NONE and INSTANT_NONE where a reversal opened it again: one update of its row. Several in
 * one batch may concern one grant: the last counts. */
struct grant_ended {
	const struct account_key *account;
	struct text grant_id;
	enum grant_end end;
	instant_t ended_at;
};

/* What a consumption took from one grant: one CREDITS_CONSUMED entry of it. */
struct debit {
	struct text grant_id;
	credit_t amount; /* above 0 */
};

/* What is known of a grant id that an event of the batch names (probe of drawdown.credit_grant). */
struct grant_known {
	struct text customer_id;
	struct text grant_id;
	struct text currency_id;
	struct text resource_id;
	enum grant_type grant_type;
	enum grant_end end;
	instant_t expire_at;
	bool found;
};

#endif
