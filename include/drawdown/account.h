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
#include "drawdown/settings.h"

#define ACCOUNT_GRANTS_MAX 1000 /* open grants of one account, the overdraft not counted */
#define ACCOUNT_HOLDS_MAX 1000	/* open holds of one account */

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
	GRANT_PENDING,	 /* awaits its payment: not posted */
	GRANT_EXPIRED,	 /* ended, but a hold still keeps a part of it: all that remains is held */
	GRANT_VOIDED,	 /* the same */
};

/* An open grant: not yet used up, expired or voided, or a hold still keeps a part of it. The overdraft has a
 * remaining below zero. */
struct grant {
	struct text grant_id;
	enum grant_type grant_type;
	enum grant_status status;
	credit_t remaining; /* scheduled, pending: its whole amount */
	credit_t held;	    /* what open holds keep of it: the sum of their parts; 0 to remaining */
	int32_t priority;
	instant_t effective_at;
	instant_t expire_at;  /* INSTANT_NONE: never */
	instant_t created_at; /* the account's clock when it was granted */
	int64_t ordinal;      /* the account's how-manieth grant: ties of created_at */
};

enum hold_state { /* stored: drawdown.hold.state */
	HOLD_OPEN = 0,
	HOLD_SETTLED = 1,
	HOLD_RELEASED = 2,
	HOLD_RUN_OUT = 3,
};

struct hold_part {
	struct text grant_id;
	credit_t amount; /* above 0 */
};

/* A reservation: credits kept for a settlement (RULES.md 9). */
struct hold {
	struct text reservation_id;
	enum hold_state state;
	credit_t amount; /* sum of the parts */
	instant_t created_at;
	instant_t expires_at;
	instant_t closed_at;	 /* INSTANT_NONE while it is open */
	int64_t ordinal;	 /* the account's how-manieth hold: ties of expires_at */
	struct hold_part *parts; /* from which grants, in burn order of when it was made */
	size_t parts_count;
	bool is_new;  /* made by this work: no row yet */
	bool changed; /* differs from its row */
};

/* A transfer that paid an overdraft: what a reversal may return to the grant that paid. */
struct transfer {
	struct text overdraft_id;
	int64_t seq; /* of its CREDITS_CONSUMPTION_TRANSFER_TARGET entry */
	struct text grant_id;
	credit_t amount;   /* above 0 */
	credit_t returned; /* 0 to amount: by reversals */
	bool is_new;
	bool changed;
	struct transfer *older; /* of the same account; NULL: none that is known */
};

/* A grant that left the open ones. Known are those that ended in this work, and those that its reversals need. */
struct grant_past {
	struct grant grant; /* remaining 0 */
	int end;	    /* enum grant_end (ledger.h) */
	struct grant_past *next;
};

enum alert_state {
	ALERT_NEW,	/* the spendable balance never stood above it */
	ALERT_ARMED,	/* stands ready */
	ALERT_DISARMED, /* was reached; not yet armed again */
};

/* A threshold of an account, or 0 itself (amount 0), and how it stands. */
struct alert {
	struct threshold threshold;
	enum alert_state state;
};
struct alerts {
	credit_t posted_balance; /* right after credit was last posted; what percents are of */
	struct alert *items;	 /* in the order of the settings, 0 last; empty before the first decision */
	size_t count;
};

/* What the store noted when it locked the account: it tells what plain usage never changes. The store's own. */
struct account_stored {
	uint64_t row; /* where it lies */
	int64_t grants_made;
	int64_t holds_made;
	credit_t held;
	credit_t granted;
	struct account_settings settings;
	struct alerts alerts; /* items of its own */
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
	bool is_read_only;    /* is read, not locked: nothing of this work may change it. Set by work_prepare */
	bool currency_known;  /* its customer ever had a grant in this currency, or a row names it, or all are open */
	bool has_reversals;   /* an event of this work reverses one of its consumptions: transfers and past grants
			       * are needed. Set by work_prepare */
	int64_t seq;	      /* of the newest entry; 0: none */
	credit_t balance;     /* sum of all entries */
	credit_t held;	      /* what open holds keep: the sum of their amounts */
	credit_t granted;     /* sum of all CREDITS_GRANTED */
	credit_t consumed;    /* sum of all consumption less what was reversed, positive */
	instant_t clock;      /* newest `now`; INSTANT_NONE at first. Never goes back */
	instant_t next_due;   /* when advance has something to do; INT64_MAX: never. Kept by account_* and advance */
	instant_t stored_due; /* next_due as it was after the lock; INT64_MAX: never. Set by work_resolve */
	bool due_stale;	      /* write drawdown.due whatever stored_due says: its row brought an `advance` */
	int64_t grants_made;  /* grants ever given to the account, overdrafts included */
	int64_t holds_made;   /* holds ever made */
	struct grant *grants; /* open grants, in burn order; the overdraft, if any, last */
	size_t grants_count;
	size_t grants_capacity;
	struct hold **holds; /* all open ones by end, creation, ordinal; then closed ones that events name. Stable
			      * pointers */
	size_t holds_open_count;
	size_t holds_count;
	size_t holds_capacity;
	struct transfer *transfers;	  /* newest first: new ones, and where has_reversals the stored ones */
	struct grant_past *past;	  /* see there */
	struct account_settings settings; /* overrides */
	struct alerts alerts;
	struct freshness freshness;
	struct account_stored stored;
	const struct currency *currency; /* never NULL once the account is locked */
};

/* Burn order (RULES.md 1): negative where a burns before b. */
int grant_compare_burn(const struct grant *a, const struct grant *b);

/* When the grant needs the engine: posted at effectiveAt, expired at expireAt + grace; INT64_MAX: never (and where it
 * ended already). */
instant_t grant_due(const struct grant *grant, int64_t expiry_grace);

/* Keeps `grants` in burn order; grows in the arena. Returns the inserted one. */
struct grant *account_insert_grant(struct account *account, struct arena *arena, const struct grant *grant);
void account_remove_grant(struct account *account, size_t index);
/* Add a hold (open or closed) that was read or made; the struct is the arena's. */
void account_add_hold(struct account *account, struct arena *arena, struct hold *hold);
/* An open hold gets another end, or is closed as of the account's clock. */
void account_move_hold(struct account *account, struct hold *hold, instant_t expires_at);
void account_close_hold(struct account *account, struct hold *hold, enum hold_state state);
/* NULL where it is not known. */
struct hold *account_find_hold(const struct account *account, struct text reservation_id);
/* Once grants and holds are read: sets each grant's `held`. False where a part names no open grant, the parts are not
 * in burn order, or the sums do not fit the grants' remainders and account->held. */
bool account_apply_holds(struct account *account);
/* Effective: the account's override, else the currency's. */
enum over_limit account_over_limit(const struct account *account);
/* False: no limit. */
bool account_overdraft_limit(const struct account *account, credit_t *ret_limit);
struct thresholds account_thresholds(const struct account *account);

/* Find next_due anew, over grants and open holds: after a status or an end changed, and by work_resolve once the
 * currency is known. */
void account_find_next_due(struct account *account);
/* The open overdraft, or NULL. */
struct grant *account_overdraft(struct account *account);
/* NULL where it is not among the open ones. */
struct grant *account_find_grant(struct account *account, struct text grant_id);

/* The open grants as the JSON that drawdown.account.open_grants holds (see proto of the column in
 * worker/sql/migrations): an array of objects grantId, grantType, status, remaining (string), priority,
 * effectiveAt, expireAt, createdAt (integers: microseconds since 1970), ordinal. Field order is free on reading.
 * `held` is not in it: it follows from the holds. */
struct text account_format_grants(const struct account *account, struct arena *arena);
/* False where the text is not such an array. Texts are copied into the arena. */
bool account_parse_grants(struct account *account, struct arena *arena, struct text json);

/* drawdown.hold.parts: [{"grantId":"g","amount":"5"}]. */
struct text hold_format_parts(const struct hold *hold, struct arena *arena);
bool hold_parse_parts(struct hold *hold, struct arena *arena, struct text json);

/* drawdown.account.alerts: {"posted":"100","thresholds":[{"amount":"100","hysteresis":10,"state":"armed"},
 * {"amount":"0","hysteresis":0,"state":"new"}]}. Absent text: none yet. */
struct text alerts_format(const struct alerts *alerts, struct arena *arena);
bool alerts_parse(struct alerts *alerts, struct arena *arena, struct text json);
const char *alert_state_name(enum alert_state state); /* "new", "armed", "disarmed" */

#endif
