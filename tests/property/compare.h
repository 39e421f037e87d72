/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field by field: are two things the same?
 */
#ifndef DRAWDOWN_TEST_COMPARE_H
#define DRAWDOWN_TEST_COMPARE_H

#include "../unit/memory_store.h"

bool same_entry(const struct ledger_entry *a, const struct ledger_entry *b);
/* But for `recalled`. */
bool same_result(const struct result *a, const struct result *b);
bool same_receipt(const struct receipt *a, const struct receipt *b);
bool same_freshness(const struct freshness *a, const struct freshness *b);
/* All that is kept, in the same order but for the accounts. NULL, or what differs. */
const char *difference_of_stores(const struct memory_store *a, const struct memory_store *b);

#endif
