/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the real store: what its files share. Nobody else includes this.
 *     store_postgres.c   open, commit, abort, interrupt, close; generations of receipts
 *     store_positions.c  whose turn it is: claim, create_positions, begin
 *     store_lock.c       accounts under their locks, with their currencies
 *     store_read.c       what was recorded: look_up, recall, recall_range
 *     store_hold.c       holds: their part of look_up and settle
 *     store_reversal.c   what reversals need: their part of look_up and settle
 *     store_write.c      settle
 *     store_parked.c     drawdown.parked: list_parked, limit_waits, find_parked, park
 * Each function is one of `struct store`; see there.
 */
#ifndef DRAWDOWN_STORE_PARTS_H
#define DRAWDOWN_STORE_PARTS_H

#include "drawdown/config.h"
#include "drawdown/postgres.h"
#include "drawdown/store.h"

#define STORE_GENERATIONS_MAX 64 /* known to exist; more are asked for again */
#define STORE_NAME_SIZE 128

struct store_postgres {
	const struct config *config;
	size_t lanes_count;
	struct postgres lanes[BATCH_LANES_MAX];
	struct postgres loop;
	char names[BATCH_LANES_MAX + 1][STORE_NAME_SIZE]; /* of the connections */
	int64_t generations[STORE_GENERATIONS_MAX];	  /* numbers: timestamp / dedupe.generation, rounded down */
	size_t generations_count;
};

/* INPUT_COUNT where it is none of ours. */
enum input store_input_of(const struct store_postgres *store, struct text topic);

/* A value in the database is none that the books can hold. */
enum outcome store_fail_corrupt(const struct postgres_statement *statement, struct failure *reterr);
/* What this account's rows hold contradicts itself. */
enum outcome store_fail_account(const char *where, const struct account_key *account, struct failure *reterr);

/* The key of an account: the first three parameters of most statements, the first three fields of most rows. */
struct store_keys {
	struct postgres_bytes *customer, *currency, *resource;
};
struct store_keys store_add_keys(struct postgres_params *params, size_t count);
void store_put_key(const struct store_keys *keys, const struct account_key *account);
void store_put_account(struct postgres_bytes *row, const struct account_key *account);
/* Did the statement change as many rows as it was given? */
enum outcome store_check_count(
	const struct postgres_statement *statement, PGresult *result, size_t expected, struct failure *reterr);

enum outcome store_claim(void *self, struct input_partition *partitions, size_t count, struct failure *reterr);
enum outcome store_create_positions(
	void *self, struct input_partition *partitions, size_t count, struct failure *reterr);
enum outcome store_begin(void *self, size_t lane, const struct batch *batch, struct failure *reterr);

enum outcome store_lock(
	void *self, size_t lane, struct lane_work *work, const struct rules *rules, struct failure *reterr);

enum outcome store_look_up(void *self, size_t lane, struct lane_work *work, struct failure *reterr);
/* For accounts that hold something and events that name a reservation; no statement for others. */
enum outcome store_look_up_holds(struct postgres *postgres, struct lane_work *work, struct failure *reterr);
/* Once the receipts are there. No statement where nothing is reversed. */
enum outcome store_look_up_reversals(struct postgres *postgres, struct lane_work *work, struct failure *reterr);
/* A row of drawdown.credit_grant. */
struct store_grant {
	struct text customer_id; /* asked for, like grant.grant_id */
	bool found;
	struct text currency_id;
	struct text resource_id;
	enum grant_end end;
	struct grant grant; /* remaining 0, status as its end says */
};
/* Fill those that exist; texts live in the arena. */
enum outcome store_find_grants(struct postgres *postgres, struct arena *arena, struct store_grant *grants, size_t count,
	struct failure *reterr);

enum outcome store_recall(void *self, size_t lane, struct lane_work *work, struct failure *reterr);
enum outcome store_recall_range(void *self, enum input input, int32_t partition, int64_t from, int64_t to,
	struct batch *batch, struct failure *reterr);

enum outcome store_write_holds(struct postgres *postgres, const struct lane_work *work, struct failure *reterr);
enum outcome store_write_reversals(struct postgres *postgres, const struct lane_work *work, struct failure *reterr);
enum outcome store_list_parked(void *self, const struct input_partition *partitions, size_t count,
	void (*take)(void *context, struct text customer_id), void *context, struct failure *reterr);
enum outcome store_limit_waits(void *self, size_t lane, int64_t lock_timeout, struct failure *reterr);
enum outcome store_find_parked(
	void *self, size_t lane, struct parked_record *records, size_t count, struct failure *reterr);
enum outcome store_park(
	void *self, size_t lane, const struct parked_record *records, size_t count, struct failure *reterr);

enum outcome store_settle(void *self, size_t lane, struct lane_work *work, struct failure *reterr);

#endif
