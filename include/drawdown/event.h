/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An input as it was meant: what decode makes of a record's bytes.
 * All texts point into the arena that was given to decode.
 */
#ifndef DRAWDOWN_EVENT_H
#define DRAWDOWN_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "drawdown/arena.h"
#include "drawdown/credit.h"
#include "drawdown/hash.h"
#include "drawdown/instant.h"
#include "drawdown/settings.h"
#include "drawdown/text.h"

enum event_kind { /* stored in receipts: append only */
	EVENT_CONSUME,
	EVENT_GRANT,
	EVENT_VOID,
	EVENT_CONFIRM_PAYMENT,
	EVENT_REVERSE,
	EVENT_CONFIGURE,
	EVENT_RESERVE,
	EVENT_SETTLE,
	EVENT_EXTEND,
	EVENT_RELEASE,
	EVENT_ADVANCE,
	EVENT_KIND_COUNT,
};

/* The class scopes an idempotency key: usage (consume and holds) or command. */
enum event_class {
	CLASS_USAGE,
	CLASS_COMMAND,
};

enum grant_type {
	GRANT_PROMOTIONAL,
	GRANT_PAID,
	GRANT_OVERDRAFT, /* the engine's own: takes what no grant covers */
};

/* What a grant command says besides the fields of every event. */
struct grant_terms {
	enum grant_type grant_type;
	int32_t priority;
	instant_t effective_at; /* INSTANT_NONE: at once */
	instant_t expire_at;	/* INSTANT_NONE: never */
	bool has_cost;
	credit_t cost_amount;
	struct text cost_currency;
	struct text display_name;
	struct text metadata; /* a JSON object, canonical */
	bool await_payment;   /* PAYMENT_PENDING until confirm-payment */
};

/* What an event about a hold says besides. */
struct hold_terms {
	struct text reservation_id; /* 1-255 printable characters */
	int64_t ttl;		    /* reserve, extend: microseconds; 0 where expires_at is given. May be out of
				     * range: the rules answer invalid_ttl. What no 64 bits of microseconds hold
				     * (292,000 years) counts as the longest that they do */
	instant_t expires_at;	    /* reserve, extend; INSTANT_NONE where ttl is given */
};
#define HOLD_TTL_DEFAULT (3600 * INSTANT_SECOND) /* of a reserve that gives neither */
#define HOLD_TTL_MAX (24 * 3600 * INSTANT_SECOND)

/* Which consumption a reverse undoes. */
struct reversal_terms {
	struct text reversed_key;
	struct hash128 reversed_hash; /* customer, usage, reversed_key: the key_hash of that consumption */
};

struct event {
	enum event_kind kind;
	struct text customer_id;
	struct text currency_id;
	struct text resource_id; /* absent: the unscoped account */
	struct text idempotency_key;
	credit_t amount; /* consume, grant, reserve, settle (may be 0); reverse: 0 for all that is left; 0 elsewhere */
	instant_t created_at;		       /* INSTANT_NONE where not given */
	struct text dimensions;		       /* consume: a JSON object, canonical; absent where not given */
	struct text grant_id;		       /* grant (derived from the key where not given), void, confirm-payment */
	struct text comment;		       /* grant, void, confirm-payment */
	instant_t due_at;		       /* advance; INSTANT_NONE elsewhere */
	const struct grant_terms *terms;       /* grant only */
	const struct hold_terms *hold;	       /* reserve, settle, extend, release only */
	const struct reversal_terms *reversal; /* reverse only */
	const struct account_settings *settings; /* configure only: the account's whole set of overrides */
	struct hash128 key_hash;		 /* customer, class, idempotency key */
	struct hash128 fingerprint;		 /* the content that decides "same or other" (worker/core/RULES.md 6) */
};

enum event_class event_class_of(enum event_kind kind);
/* "consume", "grant", "void", "confirm-payment", ...: the `type` of a JSON event. */
const char *event_kind_name(enum event_kind kind);
bool event_kind_parse(struct text name, enum event_kind *ret_kind);
/* "PROMOTIONAL", "PAID", "OVERDRAFT". */
const char *grant_type_name(enum grant_type type);
bool grant_type_parse(struct text name, enum grant_type *ret_type);

/* Does it ask for an amount? A reversal may leave it out. */
static inline bool event_has_requested(const struct event *event)
{
	return event->kind == EVENT_CONSUME || event->kind == EVENT_GRANT || event->kind == EVENT_RESERVE ||
	       event->kind == EVENT_SETTLE || (event->kind == EVENT_REVERSE && event->amount > 0);
}

/* Fill key_hash and fingerprint from the other fields (a reversal's reversed_hash too is the caller's: see
 * event_key_hash). */
void event_identify(struct event *event);
struct hash128 event_key_hash(struct text customer_id, enum event_class event_class, struct text idempotency_key);
/* The key of the `advance` that brings an account to a due time: "advance/" and 32 hex digits, the same whoever
 * sends it. Lives in the arena. */
struct text event_advance_key(struct arena *arena, struct text currency_id, struct text resource_id, instant_t due_at);

#endif
