/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outputs to bytes. Pure. The same struct gives the same bytes, always:
 * what is published again equals the first in every byte.
 * Values live in `arena`.
 */
#ifndef DRAWDOWN_ENCODE_H
#define DRAWDOWN_ENCODE_H

#include "drawdown/work.h"

struct text encode_ledger_entry(struct arena *arena, const struct ledger_entry *entry, const struct encoding *encoding);
/* The account's latest state. */
struct text encode_balance(struct arena *arena, const struct account *account, const struct encoding *encoding);
struct text encode_notification(
	struct arena *arena, const struct notification *notification, const struct encoding *encoding);
/* The outcome of a readable record. */
struct text encode_outcome(struct arena *arena, const struct record *record, const struct encoding *encoding);
/* Headers of a dead letter: the record's own first, then drawdown.reason, .error, .topic, .partition,
 * .offset, .timestamp (RFC 3339). */
struct header *encode_dead_letter_headers(
	struct arena *arena, const struct record *record, const struct encoding *encoding, size_t *ret_headers_count);

/* The schema of an Avro output other than dead letters, as it is embedded. */
struct output_schema {
	struct text name; /* the record's, in full */
	struct text text;
	uint64_t fingerprint;
};
struct output_schema encode_output_schema(enum output output);

/* An input event, for the producing subcommands and for tests. */
struct text encode_event(struct arena *arena, const struct event *event, enum output_format format);

#endif
