/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of the money (worker/core/RULES.md), one function a step, called by
 * work_resolve in this order for each record:
 *
 *     dedupe_decide    own receipt, checks of the record alone, duplicate, conflict
 *     advance_account  what was due before the event: postings, expiries, holds that run out
 *     allocate_event   what the event itself does
 *     alerts_decide    which thresholds that reached, after each of the steps above
 *
 * All are pure: they change the account, and write entries, grants made and
 * ended, and notifications into the work.
 */
#ifndef DRAWDOWN_RULES_H
#define DRAWDOWN_RULES_H

#include "drawdown/work.h"

/* One event, or one step of an account's advance: what its entries and notifications have in common. */
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
	size_t first_entry;	   /* index of its first entry in work->entries */
	size_t first_notification; /* and in work->notifications */
	bool must_close_out;	   /* something returned to a grant that has ended (RULES.md 11) */
};
/* An occasion of the record on the account as of its clock, without a key: a step of the engine's own. */
struct occasion occasion_of_step(
	struct lane_work *work, const struct rules *rules, struct account *account, const struct record *record);

/* dedupe.c */

/* True: record->result is final (recalled, duplicate, conflict, rejected for what the record alone says). */
bool dedupe_decide(struct record *record, const struct rules *rules, instant_t receipts_from);
/* Does the answer of this rejection depend on the record alone, so that it leaves no receipt? */
bool reject_is_of_record(enum reject_code code);

/* advance.c: bring the account to `now` (never back). */
void advance_account(struct lane_work *work, const struct rules *rules, struct account *account,
	const struct record *record, instant_t now);

/* allocate.c: the event itself */

/* createdAt, else the record's time, but never after the account's clock (RULES.md 3). */
instant_t record_event_time(const struct record *record, const struct account *account);
/* Apply the record's event to its account as of account->clock; fills the result. */
void allocate_event(struct lane_work *work, const struct rules *rules, struct record *record);

/* grant.c: grants given, confirmed, voided */

enum reject_code grant_give(struct occasion *occasion);
enum reject_code grant_confirm(struct occasion *occasion, credit_t *ret_applied);
enum reject_code grant_void(struct occasion *occasion, credit_t *ret_taken);
/* Post a grant that is in the account's list but not yet counted: CREDITS_GRANTED, then pay an overdraft. */
void grant_post(struct occasion *occasion, struct grant *grant);

/* consume.c: debits by the over-limit policy, and the overdraft */

/* How much of `amount` the grants cover at the event's time, holds left alone, and how many of them that takes. */
credit_t consume_measure(const struct occasion *occasion, credit_t amount, size_t *ret_grants_count);
/* Of one grant: what can be taken of it at the event's time (RULES.md 1, 3). */
credit_t grant_available(const struct grant *grant, instant_t event_time);
/* By the over-limit policy. With a hold: its parts come first, and all of them are given free. Nothing happens where
 * it is rejected. */
enum reject_code consume_amount(struct occasion *occasion, struct hold *hold, credit_t amount, credit_t *ret_applied);
/* Credits came to this grant: they pay the deficit first, where it is active and not past its end (RULES.md 5). */
void overdraft_settle(struct occasion *occasion, struct text grant_id);

/* hold.c */
enum reject_code hold_reserve(struct occasion *occasion);
enum reject_code hold_settle(struct occasion *occasion, credit_t *ret_applied);
enum reject_code hold_extend(struct occasion *occasion);
enum reject_code hold_release(struct occasion *occasion);
/* Its time is over: what it kept returns. A step of advance. */
void hold_run_out(struct occasion *occasion, struct hold *hold);
/* Its parts are no longer held; those of grants that ended must be closed out. */
void hold_free_parts(struct occasion *occasion, struct hold *hold);

/* reverse.c */
enum reject_code reverse_consumption(struct occasion *occasion, credit_t *ret_applied);

/* alerts.c: thresholds, after each event and each step of advance (RULES.md 12). */
void alerts_decide(struct occasion *occasion);

/* entry.c: what is written */

/* Append one entry that moves the balance and the grant's remainder by `amount` (not 0). */
void ledger_write(struct occasion *occasion, enum ledger_event event_type, struct grant *grant, credit_t amount);
/* Set first_seq and last_seq of the occasion's entries, to be called when it has written them all. */
void ledger_close(struct occasion *occasion, enum result_kind outcome);
void ledger_note_grant_made(struct occasion *occasion, const struct grant_made *made);

/* ending.c: how grants leave the open ones, and come back */

/* Note how the grant ended, and tell of it; take it off the account's list unless a hold keeps a part of it: then it
 * stays, as GRANT_EXPIRED or GRANT_VOIDED. `taken`: what was taken out of it. Pointers to grants behind it in the list
 * are invalid afterwards. */
void grant_end(struct occasion *occasion, struct grant *grant, enum grant_end end, credit_t taken);
/* Nothing is left of it: used up where it was active, else it has ended already. Off the list. */
void grant_retire(struct occasion *occasion, struct grant *grant);
/* Credits return to it: in the list, as ACTIVE, or as EXPIRED or VOIDED (then it must be closed out). */
struct grant *grant_reopen(struct occasion *occasion, struct text grant_id);
/* What is left of grants that ended and that no hold keeps goes out: CREDITS_EXPIRED or CREDITS_VOIDED. */
void grants_close_out(struct occasion *occasion);
/* The work's slot for a grant id, or NULL. */
struct grant_known *work_find_grant(struct lane_work *work, struct text customer_id, struct text grant_id);

/* notify.c */

/* Append a notification; type, grant, amount, threshold are the caller's. */
void notify(struct occasion *occasion, const struct notification *notification);
/* All that the occasion tells is told as of its end: balance, held, seq. */
void notify_close(struct occasion *occasion);

#endif
