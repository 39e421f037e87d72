/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of the money (worker/core/RULES.md), one function a step, called by
 * work_resolve in this order for each record:
 *
 *     dedupe_decide    own receipt, checks of the record alone, duplicate, conflict
 *     advance_account  what was due before the event: postings, expiries
 *     allocate_event   what the event itself does
 *
 * All are pure: they change the account, and write entries, grants made and
 * grants ended into the work.
 */
#ifndef DRAWDOWN_RULES_H
#define DRAWDOWN_RULES_H

#include "drawdown/work.h"

/* The record that is being handled, and when. */
struct occasion {
	struct lane_work *work;
	const struct rules *rules;
	struct account *account;
	const struct record *record;
	struct text idempotency_key; /* absent while advancing */
	struct text dimensions;
	bool has_requested;
	credit_t requested_amount;
	instant_t event_time;
	instant_t recorded_at;
	size_t first_entry; /* index of its first entry in work->entries */
};

/* True: record->result is final (recalled, duplicate, conflict, rejected for what the record alone says). */
bool dedupe_decide(struct record *record, const struct rules *rules);
/* Does the answer of this rejection depend on the record alone, so that it leaves no receipt? */
bool reject_is_of_record(enum reject_code code);

/* Bring the account to `now` (never back). */
void advance_account(struct lane_work *work, const struct rules *rules, struct account *account,
	const struct record *record, instant_t now);

/* createdAt, else the record's time, but never after the account's clock (RULES.md 3). */
instant_t record_event_time(const struct record *record, const struct account *account);
/* Apply the record's event to its account as of account->clock; fills kind, code, requested, applied of the result. */
void allocate_event(struct lane_work *work, const struct rules *rules, struct record *record);

/* Post a grant that is in the account's list but not yet counted: CREDITS_GRANTED, then pay an overdraft. */
void allocate_post(struct occasion *occasion, struct grant *grant);

/* Append one entry that moves the balance and the grant's remainder by `amount` (not 0). */
void ledger_write(struct occasion *occasion, enum ledger_event event_type, struct grant *grant, credit_t amount);
/* Set first_seq and last_seq of the occasion's entries, to be called when it has written them all. */
void ledger_close(struct occasion *occasion, enum result_kind outcome);
/* Take the grant off the account's list and note how it ended. */
void ledger_end_grant(struct occasion *occasion, struct grant *grant, enum grant_end end);
/* The work's slot for a grant id, or NULL. */
struct grant_known *work_find_grant(struct lane_work *work, struct text customer_id, struct text grant_id);

#endif
