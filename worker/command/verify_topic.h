/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of `verify --topic`, credits.ledger as read-committed consumers see it against the database: each entry
 * once, in order of seq, every field equal.
 *
 *     verify_topic.c   reads the topic once; looks each chunk of messages up in the database by account and seq
 *     verify_seen.c    what the topic has shown of each account
 *     verify_unseen.c  what it should have shown and has not
 *
 * How much must be there is decided first: the worker's group commits its offsets in the transaction that publishes
 * their entries, so entries of inputs before the committed offsets are in the topic, before its end as it is then.
 */
#ifndef DRAWDOWN_COMMAND_VERIFY_TOPIC_H
#define DRAWDOWN_COMMAND_VERIFY_TOPIC_H

#include "drawdown/topic_reader.h"
#include "verify.h"

struct seen {
	struct hash128 account;
	int64_t first, last; /* seq; 0: the slot is empty */
	int32_t partition;   /* where it was first shown */
};

/* One slot of 40 bytes an account, never fuller than 7 in 10: 58 to 115 bytes an account, about 90 MB for a million. */
struct seen_table {
	struct seen *slots;
	size_t slots_count, count;
};

void seen_init(struct seen_table *table);
void seen_release(struct seen_table *table);
/* `last` 0: not seen yet. Until the next call. */
const struct seen *seen_find(struct seen_table *table, const struct account_key *account);

/* A message that names an entry; texts live in the chunk's arena. */
struct claim {
	int32_t partition;
	int64_t offset;
	struct published published;
	struct account_key account;
	int64_t seq;
	bool is_there; /* in the database */
};
/* Each entry once, in order, in one partition: reports what is not, and takes it as seen. */
void seen_add(struct seen_table *table, const struct claim *claim, struct verify_report *report);

/* How far the inputs are published: the offsets that the worker's group has committed, to be asked for before the
 * topic's ends are. The caller destroys the list, which is NULL where that failed. */
enum outcome verify_ask_published(
	const struct verify *verify, rd_kafka_topic_partition_list_t **ret_published, struct failure *reterr);
/* Reports the entries of published inputs that the topic has not shown, and counts those of others. */
enum outcome verify_unseen(struct verify *verify, struct seen_table *seen, const struct topic_reader *reader,
	const rd_kafka_topic_partition_list_t *published, struct failure *reterr);

#endif
