/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An input as it was meant: what decode makes of a record's bytes.
 * All texts point into the arena that was given to decode.
 */
#ifndef DRAWDOWN_EVENT_H
#define DRAWDOWN_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "drawdown/credit.h"
#include "drawdown/hash.h"
#include "drawdown/instant.h"
#include "drawdown/text.h"

enum event_kind {
	EVENT_CONSUME,
	EVENT_GRANT,
	EVENT_VOID,
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
};

struct event {
	enum event_kind kind;
	struct text customer_id;
	struct text currency_id;
	struct text resource_id; /* absent: the unscoped account */
	struct text idempotency_key;
	credit_t amount;		 /* consume, grant; 0 elsewhere */
	instant_t created_at;		 /* INSTANT_NONE where not given */
	struct text dimensions;		 /* consume: a JSON object, canonical; absent where not given */
	struct text grant_id;		 /* grant (derived from the key where not given), void */
	struct text comment;		 /* grant, void */
	const struct grant_terms *terms; /* grant only */
	struct hash128 key_hash;	 /* customer, class, idempotency key */
	struct hash128 fingerprint;	 /* the content that decides "same or other" (worker/core/RULES.md 6) */
};

enum event_class event_class_of(enum event_kind kind);
/* "consume", "grant", "void": the `type` of a JSON event. */
const char *event_kind_name(enum event_kind kind);
bool event_kind_parse(struct text name, enum event_kind *ret_kind);
/* "PROMOTIONAL", "PAID", "OVERDRAFT". */
const char *grant_type_name(enum grant_type type);
bool grant_type_parse(struct text name, enum grant_type *ret_type);

/* Fill key_hash and fingerprint from the other fields. */
void event_identify(struct event *event);

#endif
