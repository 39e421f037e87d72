/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of the money once more, as plainly as they can be said: no order is kept, no sum is carried, whatever
 * is needed is looked for among all there ever was. It shares the types of the engine, none of its code.
 */
#ifndef DRAWDOWN_TEST_ORACLE_H
#define DRAWDOWN_TEST_ORACLE_H

#include "history.h"

#define ORACLE_ENTRIES_MAX 4096

struct oracle_account;

/* All grants ever made stay in the list, in order of their making; overdrafts are among them. */
struct oracle_grant {
	struct oracle_account *account;
	struct text grant_id;
	enum grant_type type;
	bool posted;
	enum grant_end end;
	credit_t remaining;
	int32_t priority;
	instant_t effective_at;
	instant_t expire_at;
};

struct oracle_account {
	struct account_key key;
	int64_t seq;
	credit_t balance;
	instant_t clock;
	int64_t grants_made;
	struct freshness freshness;
	bool touched;
};

struct oracle {
	const struct history *history;
	struct arena arena;
	struct oracle_account accounts[16];
	size_t accounts_count;
	struct oracle_grant grants[2 * HISTORY_RECORDS_MAX];
	size_t grants_count;
	const struct record *handled[HISTORY_RECORDS_MAX]; /* those whose key is taken */
	struct result answers[HISTORY_RECORDS_MAX];	   /* of these, in the same order */
	size_t handled_count;
	struct ledger_entry entries[ORACLE_ENTRIES_MAX];
	size_t entries_count;
};

struct oracle *oracle_new(const struct history *history);
void oracle_free(struct oracle *oracle);
/* What is to become of the next record of the history; its entries are appended. */
struct result oracle_handle(struct oracle *oracle, const struct record *record);

#endif
