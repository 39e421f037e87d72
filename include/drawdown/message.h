/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An encoded output, ready to be produced. Owned by the arena of its lane.
 */
#ifndef DRAWDOWN_MESSAGE_H
#define DRAWDOWN_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "drawdown/text.h"

/* Key, value and headers of a dead letter, in bytes, before drawdown's own headers; a larger one is cut. */
#define DEAD_LETTER_SIZE_MAX (1024 * 1024)
/* What the topic must take for that: max.message.bytes. */
#define DEAD_LETTER_TOPIC_SIZE_MIN (DEAD_LETTER_SIZE_MAX + 64 * 1024)

enum output {
	OUTPUT_LEDGER,
	OUTPUT_BALANCES,
	OUTPUT_OUTCOMES,
	OUTPUT_NOTIFICATIONS,
	OUTPUT_DEAD_LETTERS,
	OUTPUT_COUNT,
};

struct header {
	struct text name;
	struct text value; /* data NULL: a null value */
};

struct message {
	enum output output;
	struct text partition_key; /* the partition is murmur2 of this: the customer's. Absent: `partition_hint` */
	int32_t partition_hint;	   /* modulo the topic's partitions */
	struct text key;	   /* absent: null */
	struct text value;	   /* absent: null */
	const struct header *headers;
	size_t headers_count;
};

#endif
