/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two formats of encode.h. Each writes one value; field names and order
 * are those of proto/.
 */
#ifndef DRAWDOWN_CORE_ENCODE_FORMATS_H
#define DRAWDOWN_CORE_ENCODE_FORMATS_H

#include <assert.h>

#include "buffer.h"
#include "drawdown/encode.h"

void encode_json_ledger_entry(struct buffer *buffer, const struct ledger_entry *entry, const struct encoding *encoding);
void encode_json_balance(struct buffer *buffer, const struct account *account, const struct encoding *encoding);
void encode_json_outcome(struct buffer *buffer, const struct record *record, const struct encoding *encoding);
void encode_json_notification(
	struct buffer *buffer, const struct notification *notification, const struct encoding *encoding);
void encode_json_event(struct buffer *buffer, const struct event *event);

/* Header and record: single-object framing, or Confluent's where the encoding has an id for the output. */
void encode_avro_ledger_entry(struct buffer *buffer, const struct ledger_entry *entry, const struct encoding *encoding);
void encode_avro_balance(struct buffer *buffer, const struct account *account, const struct encoding *encoding);
void encode_avro_outcome(struct buffer *buffer, const struct record *record, const struct encoding *encoding);
void encode_avro_notification(
	struct buffer *buffer, const struct notification *notification, const struct encoding *encoding);
void encode_avro_event(struct buffer *buffer, const struct event *event);

/* What both say. */

/* customer/currency/resource or empty/seq: the same at every re-emission. */
void encode_put_entry_id(struct buffer *buffer, const struct ledger_entry *entry);
size_t encode_entry_id_size(const struct ledger_entry *entry);
/* customer/currency/resource or empty/topic/partition/offset/ordinal: likewise. */
struct text encode_notification_id(
	struct arena *arena, const struct notification *notification, const struct encoding *encoding);
/* Absent where it follows from the key. */
struct text encode_given_grant_id(const struct event *event);
static inline credit_t encode_spendable(credit_t balance, credit_t held)
{
	credit_t spendable;
	bool fits = credit_subtract(balance, held, &spendable);
	return fits ? spendable : -CREDIT_MAX;
}
/* Inputs know no part of a second. */
static inline int64_t encode_ttl_seconds(const struct hold_terms *hold)
{
	assert(hold->ttl % INSTANT_SECOND == 0);
	return hold->ttl / INSTANT_SECOND;
}

#endif
