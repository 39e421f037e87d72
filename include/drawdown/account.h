/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An account with its open grants, as it is under its lock, and the rules
 * that move its balance (worker/core/RULES.md). Pure.
 */
#ifndef DRAWDOWN_ACCOUNT_H
#define DRAWDOWN_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/arena.h"
#include "drawdown/credit.h"
#include "drawdown/event.h"
#include "drawdown/instant.h"

#define ACCOUNT_GRANTS_MAX 1000 /* open grants of one account, the overdraft not counted */

struct account_key {
	struct text customer_id;
	struct text currency_id;
	struct text resource_id; /* absent: the unscoped account */
};

/* By customer, currency, resource in byte order (absent resource first): the order of locking. */
int account_key_compare(const struct account_key *a, const struct account_key *b);
bool account_key_equal(const struct account_key *a, const struct account_key *b);
/* "acme/ai-tokens" or "acme/ai-tokens/resource": the key of credits.balances. */
struct text account_key_format(const struct account_key *key, struct arena *arena);

enum grant_status {
	GRANT_SCHEDULED, /* effectiveAt has not come: not posted */
	GRANT_ACTIVE,	 /* posted */
};

/* An open grant: not yet used up, expired or voided. The overdraft has a remaining below zero. */
struct grant {
	struct text grant_id;
	enum grant_type grant_type;
	enum grant_status status;
	credit_t remaining; /* scheduled: its whole amount */
	int32_t priority;
	instant_t effective_at;
	instant_t expire_at;  /* INSTANT_NONE: never */
	instant_t created_at; /* the account's clock when it was granted */
	int64_t ordinal;      /* the account's how-manieth grant: ties of created_at */
};

/* Settings of a currency: a row of drawdown.currency, or these defaults. */
struct currency {
	struct text currency_id;
	bool named;	      /* a row names it */
	int64_t expiry_grace; /* microseconds; default 0 */
};

/* The newest input that the account includes: how fresh it is. */
struct freshness {
	int input; /* enum input; -1: none yet */
	int32_t partition;
	int64_t offset;
	instant_t event_time;
};

struct account {
	struct account_key key;
	bool exists;	      /* has a row, or gets one in this transaction */
	bool touched;	      /* changed since it was locked */
	bool may_create;      /* a permitted grant of this batch names it: a missing row is made, also for what
			       * else of this batch is of the same customer and currency */
	bool currency_known;  /* its customer ever had a grant in this currency, or a row names it, or all are open */
	int64_t seq;	      /* of the newest entry; 0: none */
	credit_t balance;     /* sum of all entries */
	credit_t held;	      /* what open holds keep; 0 until there are holds */
	credit_t granted;     /* sum of all CREDITS_GRANTED */
	credit_t consumed;    /* sum of all consumption, positive */
	instant_t clock;      /* newest `now`; INSTANT_NONE at first. Never goes back */
	instant_t next_due;   /* when advance has something to do; INT64_MAX: never. Kept by account_* and advance */
	int64_t grants_made;  /* grants ever given to the account, overdrafts included */
	struct grant *grants; /* open grants, in burn order; the overdraft, if any, last */
	size_t grants_count;
	size_t grants_capacity;
	struct freshness freshness;
	const struct currency *currency; /* never NULL once the account is locked */
};

/* Burn order (RULES.md 1): negative where a burns before b. */
int grant_compare_burn(const struct grant *a, const struct grant *b);

/* When the grant needs the engine: posted at effectiveAt, expired at expireAt + grace; INT64_MAX: never. */
instant_t grant_due(const struct grant *grant, int64_t expiry_grace);

/* Keeps `grants` in burn order; grows in the arena. Returns the inserted one. */
struct grant *account_insert_grant(struct account *account, struct arena *arena, const struct grant *grant);
void account_remove_grant(struct account *account, size_t index);
/* Find next_due anew: after a status changed, and by work_resolve once the currency is known. */
void account_find_next_due(struct account *account);
/* The open overdraft, or NULL. */
struct grant *account_overdraft(struct account *account);
/* NULL where it is not among the open ones. */
struct grant *account_find_grant(struct account *account, struct text grant_id);

/* The open grants as the JSON that drawdown.account.open_grants holds (see proto of the column in
 * worker/sql/migrations): an array of objects grantId, grantType, status, remaining (string), priority,
 * effectiveAt, expireAt, createdAt (integers: microseconds since 1970), ordinal. Field order is free on reading. */
struct text account_format_grants(const struct account *account, struct arena *arena);
/* False where the text is not such an array. Texts are copied into the arena. */
bool account_parse_grants(struct account *account, struct arena *arena, struct text json);

#endif
