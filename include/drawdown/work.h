/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pure middle: what one lane does with its part of a batch, between the
 * store's lock and its settle.
 *
 *     work_prepare   which accounts, keys and grant ids the records name
 *     store lock     fills the accounts, in customer order       (PostgreSQL)
 *     store look_up  fills receipts, known grants, holds, what reversals need (PostgreSQL)
 *     store recall   reads back what was recorded but may be unpublished
 *     work_resolve   dedupe -> advance -> allocate, record by record
 *     store settle   writes entries, receipts, grants, holds, accounts (PostgreSQL)
 *     work_encode    entries, balances, outcomes, notifications, dead letters to messages
 *
 * The result depends on the records, the accounts and the receipts alone:
 * not on the clock, not on how the input was cut into batches.
 */
#ifndef DRAWDOWN_WORK_H
#define DRAWDOWN_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/account.h"
#include "drawdown/arena.h"
#include "drawdown/decode.h"
#include "drawdown/event.h"
#include "drawdown/ledger.h"
#include "drawdown/message.h"
#include "drawdown/notification.h"
#include "drawdown/outcome.h"

/* What became of a record. */
struct result {
	enum result_kind kind; /* 0: not yet known */
	enum reject_code code;
	bool recalled; /* done by an earlier reading: published again from what was recorded */
	credit_t requested_amount;
	credit_t applied_amount;
	credit_t balance;
	bool has_balance;
	int64_t first_seq; /* own entries; 0: none, so the outcome goes to credits.outcomes */
	int64_t last_seq;
};

/* What a try of the lane's transaction does with a record. All are handled, but for those of parking.h. */
enum record_role {
	ROLE_HANDLED,
	ROLE_RELEASED, /* was parked, is handled now; its row `ordinal` goes */
	ROLE_RECALLED, /* was done before, of a customer that is parked: published again, its account read without a lock */
	ROLE_PARKED,   /* becomes the row `ordinal` */
	ROLE_ASIDE,    /* nothing is done with it: it has a row already, or the try is not about it */
};

/* One input record. */
struct record {
	struct source_position source;
	struct text key; /* as it came; absent: null */
	struct text value;
	struct text traceparent;
	const struct header *headers; /* all of them, as they came; kept for records that are dead-lettered */
	size_t headers_count;
	bool readable;
	bool misrouted;		     /* not in its customer's partition */
	enum record_role role;
	int64_t ordinal; /* of its row in drawdown.parked */
	struct event event;	     /* where readable */
	const struct defect *defect; /* where not; few are, and it is large */
	/* set by work_prepare */
	struct account *account;
	struct key_slot *key_slot;
	struct grant_known *grant_known; /* where the event names a grant */
	struct key_slot *reversed_slot;	 /* reverse: of the key that it reverses */
	/* set by work_resolve */
	struct result result;
};

/* A consumption that an event of the work reverses. */
struct consumption {
	struct debit *debits; /* in order of seq; read by look_up, or taken from the work's own entries */
	size_t debits_count;
	bool is_loaded;	   /* debits are filled */
	credit_t reversed; /* so far, of the sum of its debits; read by look_up */
	bool has_row;	   /* in drawdown.reversal */
	bool changed;
};

/* One idempotency key of the lane's part, its own or one that it reverses: found by the probe, or made by an earlier
 * record of the batch. */
struct key_slot {
	struct hash128 key_hash;
	struct text customer_id;
	struct receipt *receipt;	 /* NULL: not handled yet */
	size_t first_entry;		 /* in work->entries, of its own ones, where this work made the receipt */
	struct consumption *consumption; /* not NULL: an event of the work reverses it */
};

/* The rules' parameters, the same for every lane; immutable while lanes work. */
struct rules {
	int64_t dedupe_window;	  /* microseconds: how far createdAt may lie back, and a reversed consumption */
	int64_t future_tolerance; /* microseconds: 5 minutes */
	size_t grants_open_max;	  /* per account */
	size_t holds_open_max;	  /* per account */
	bool currencies_open;	  /* accept currencies that nothing names */
};

/* How outputs are written. */
enum output_format { FORMAT_AVRO, FORMAT_JSON };
struct encoding {
	enum output_format format;
	bool outcomes_all; /* repeat applied ones in credits.outcomes */
	const char *input_topics[INPUT_COUNT];
	uint32_t schema_ids[OUTPUT_COUNT]; /* of a registry, for Confluent framing of Avro; 0: single-object framing */
};

/* What became of the records: kept by work_resolve, so that nobody needs to go through them again. */
struct work_tally {
	size_t results[EVENT_KIND_COUNT + 1][RESULT_KIND_COUNT]; /* unreadable ones under EVENT_KIND_COUNT */
	size_t recalled;					 /* records */
	size_t unanswered;					 /* records that the ledger does not answer */
	size_t entries;						 /* new ones */
	size_t recalled_entries;
};

struct lane_work {
	struct arena arena;  /* holds all below but the messages; reset with the work */
	struct arena outbox; /* holds the messages */

	struct record **given; /* this lane's, in batch order */
	size_t given_count, given_capacity;
	bool has_roles; /* some of them have another role than ROLE_HANDLED */

	struct record **records; /* those that are handled; work_prepare leaves out what is parked or set aside */
	size_t records_count;

	struct account *accounts; /* distinct, in locking order */
	size_t accounts_count;
	struct key_slot *key_slots; /* distinct keys of readable records, by key_hash, which is of the customer too */
	size_t key_slots_count;
	struct grant_known *grants_known; /* distinct grant ids that events name, by (customer_id, grant_id) */
	size_t grants_known_count;
	const struct currency *currencies; /* rows of drawdown.currency, by currency_id */
	size_t currencies_count;
	instant_t receipts_from; /* receipts of records before it were dropped: those are too_old. Filled by lock;
				  * INSTANT_NONE: none were dropped */

	/* written by work_resolve (and recalled by the store) */
	struct ledger_entry *entries; /* new ones first come, first written */
	size_t entries_count, entries_capacity;
	struct ledger_entry *recalled; /* read back; published, not written */
	size_t recalled_count, recalled_capacity;
	struct receipt *receipts; /* new ones; room for one a record, so that pointers to them hold */
	size_t receipts_count;
	struct grant_made *grants_made;
	size_t grants_made_count, grants_made_capacity;
	struct grant_ended *grants_ended;
	size_t grants_ended_count, grants_ended_capacity;
	struct notification *notifications;
	size_t notifications_count, notifications_capacity;
	size_t notifications_begin; /* of the record at hand */

	/* written by work_encode, in the order in which they are produced */
	struct message *messages;
	size_t messages_count, messages_capacity;

	struct work_tally tally;
};

/* Does an entry answer for the input? Then no outcome needs to. */
bool result_is_in_ledger(const struct result *result);

/* Storage lives in the arena; the struct itself belongs to the batch. */
void work_init(struct lane_work *work, size_t arena_block_size);
void work_release(struct lane_work *work);
/* Empty it for the next batch. */
void work_reset(struct lane_work *work);
void work_add_record(struct lane_work *work, struct record *record);

/* Distinct accounts (all fields but the key at their defaults), keys and grant ids. Also used to
 * run the lane again: whatever an earlier try left is forgotten, the records and their roles stay. */
void work_prepare(struct lane_work *work);
/* All records are to be handled again. */
void work_clear_roles(struct lane_work *work);

/* May the event's kind stand in the topic where it stood? */
bool record_is_permitted(const struct record *record);
/* Is this record's own receipt there already ("we did this and may not have published it")? */
bool record_is_recalled(const struct record *record);

/* Decide every record. Aborts on a broken invariant (a bug). REJECT where the work would need more
 * than entries_max entries: the batch must be made smaller. */
enum outcome work_resolve(
	struct lane_work *work, const struct rules *rules, size_t entries_max, struct failure *reterr);

/* Messages of all records, in order of (account, seq), then outcomes and dead letters. */
void work_encode(struct lane_work *work, const struct encoding *encoding);

/* Forget all but the records, the messages and the tally, so that others can have the memory. The records' accounts,
 * keys and grants are gone too. */
void work_keep_messages(struct lane_work *work);

#endif
