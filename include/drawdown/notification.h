/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notifications: what credits.notifications tells (RULES.md 10). They are
 * recorded with the receipt of the input that caused them, so that what is
 * published again is the same. Pure.
 */
#ifndef DRAWDOWN_NOTIFICATION_H
#define DRAWDOWN_NOTIFICATION_H

#include "drawdown/account.h"
#include "drawdown/ledger.h"

enum notification_type {
	NOTIFY_BALANCE_LOW,
	NOTIFY_BALANCE_DEPLETED,
	NOTIFY_BALANCE_RECOVERED,
	NOTIFY_GRANT_CREATED,
	NOTIFY_GRANT_DEPLETED,
	NOTIFY_GRANT_EXPIRED,
	NOTIFY_GRANT_VOIDED,
	NOTIFY_TYPE_COUNT,
};
const char *notification_type_name(enum notification_type type); /* "credit_balance.low", "credit_grant.created", ... */
bool notification_type_parse(struct text name, enum notification_type *ret_type);

struct notification {
	const struct account_key *account;
	enum notification_type type;
	int64_t ordinal;      /* among those of its record, from 1 */
	struct text grant_id; /* of credit_grant.*; absent elsewhere */
	bool has_amount;      /* created: the grant's amount; expired, voided: what was taken out, maybe 0 */
	credit_t amount;
	bool has_threshold; /* low: the threshold that was reached */
	struct threshold threshold;
	credit_t level;	  /* what it came to */
	credit_t balance; /* at the end of the event or step that caused it */
	credit_t held;
	int64_t seq;		     /* of the account's newest entry; 0: none */
	struct text idempotency_key; /* absent: the account's advance in time caused it */
	instant_t recorded_at;	     /* the account's clock */
	struct source_position source;
	struct text traceparent; /* or absent */
};

/* The column drawdown.receipt.notifications: a JSON array with what does not follow from the receipt. */
struct text notifications_format(const struct notification *notifications, size_t count, struct arena *arena);
/* Account, source and traceparent are left for the caller to fill. False where the text is not such an array. */
bool notifications_parse(
	struct text json, struct arena *arena, struct notification **ret_notifications, size_t *ret_count);

#endif
