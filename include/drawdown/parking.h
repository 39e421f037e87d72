/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Customers whose records make the lane's transaction fail: they are parked, so
 * that all others go on. Which records of a try are handled, and which wait in
 * drawdown.parked. Pure; one of these belongs to each lane.
 *
 * The rows of a customer and a partition number (usage and commands together)
 * are a queue: `ordinal` counts up from its first row without a gap, since rows
 * are added behind the last and taken off the front. The customer is parked as
 * long as there is a row. Then
 *   - a record that has its own receipt is published again, as ever;
 *   - one that a release hands in again (PARKED_RELEASED_FROM names the source
 *     of its row, and value, topic and partition are that row's) is handled,
 *     and its row goes, where that is the first one; otherwise nothing is done
 *     with it, and its row stays;
 *   - any other becomes the last row.
 * So no record overtakes another, and a header that somebody made up does
 * nothing but what a release would have done.
 *
 * `customers` are those who may have rows: what there is, is asked in each
 * transaction that has records of theirs. It is empty as a rule; then nothing
 * here costs anything.
 */
#ifndef DRAWDOWN_PARKING_H
#define DRAWDOWN_PARKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/arena.h"
#include "drawdown/work.h"

#define PARKED_CUSTOMERS_MAX 1000 /* that one lane parks; those who are parked when it begins come on top */
#define PARKED_RELEASED_FROM "drawdown.released-from" /* "credits.usage/3/42" */
#define CULPRITS_MAX 16				      /* found at a time: more than that is nobody's own fault */
#define CULPRIT_REASON_SIZE 512

/* Makes the transaction fail: is to be parked by it. */
struct culprit {
	struct text customer_id; /* lives as long as the batch */
	char reason[CULPRIT_REASON_SIZE];
};
struct culprits {
	struct culprit items[CULPRITS_MAX];
	size_t count;
};

/* A record of a customer who may have rows, or is to get some. */
struct parked_record {
	struct record *record;
	const struct culprit *culprit; /* its customer, or NULL */
	int64_t released_offset;       /* of the row that it hands in again; -1: none */
	/* told by store->find_parked; ordinals, 0: no such row */
	bool is_done;		  /* has its own receipt */
	int64_t own_ordinal;	  /* of the row that it has become */
	int64_t released_ordinal; /* of the row of released_offset, where that has the same value */
	int64_t first, last;	  /* of its queue */
	bool is_elsewhere;	  /* its customer has rows of other partitions, too */
};

/* The queue of a customer in a partition, as this try leaves it. */
struct parked_queue {
	struct text customer_id;
	int32_t partition;
	int64_t first, last; /* empty where first > last */
	bool is_elsewhere;
	size_t parked_count, released_count; /* by this try */
};

struct parking {
	struct text *customers; /* in order of their ids; owned */
	size_t count, capacity;
	bool is_everybody; /* too many were found to be culprits; until a transaction without any is committed */
	/* of the try at hand */
	struct arena arena;
	struct parked_record *records; /* in batch order */
	size_t records_count;
	struct parked_queue *queues;
	size_t queues_count;
};

/* What a try is about: NULL, all records; otherwise those of these customers alone (in order of their ids). */
struct parking_part {
	const struct text *customers;
	size_t count;
};

void parking_init(struct parking *parking);
void parking_release(struct parking *parking);
void parking_clear(struct parking *parking);
void parking_add(struct parking *parking, struct text customer_id);

/* The try begins: gives records outside of `part` their role, and lists in parking->records those of which the store
 * must tell more. False: all are to be handled, nothing else is to be done. */
bool parking_begin(struct parking *parking, struct lane_work *work, const struct parking_part *part,
	const struct culprits *culprits, const char *const topics[INPUT_COUNT]);
/* Gives the listed records their roles, and ordinals. Culprits who get rows are customers from now on, whatever becomes
 * of the transaction. */
void parking_decide(struct parking *parking, struct lane_work *work);
/* The transaction was committed: customers without rows are forgotten. */
void parking_end(struct parking *parking);

/* The customers whose records are handled, each once, in order of their ids; the caller frees. For work that is
 * prepared. */
struct text *parking_list_customers(const struct lane_work *work, size_t *ret_count);

#endif
