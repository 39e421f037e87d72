/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A point of time: microseconds since 1970-01-01T00:00:00Z, no leap seconds.
 * Range: years 0001 to 9999. INSTANT_NONE stands for "not given".
 */
#ifndef DRAWDOWN_INSTANT_H
#define DRAWDOWN_INSTANT_H

#include <stdbool.h>
#include <stdint.h>

#include "drawdown/text.h"

typedef int64_t instant_t;

#define INSTANT_NONE INT64_MIN
#define INSTANT_MIN (-62135596800000000LL) /* 0001-01-01T00:00:00Z */
#define INSTANT_MAX 253402300799999999LL   /* 9999-12-31T23:59:59.999999Z */
#define INSTANT_MILLISECOND 1000LL
#define INSTANT_SECOND 1000000LL
#define INSTANT_DAY (86400 * INSTANT_SECOND)
#define INSTANT_TEXT_SIZE 32

/* RFC 3339 with a zone; at most 9 fractional digits, those past the sixth must be zero or are cut. */
bool instant_parse(struct text text, instant_t *ret_instant);
/* "2026-01-02T03:04:05.678Z": 0, 3 or 6 fractional digits as needed. Returns the length. */
size_t instant_format(instant_t instant, char text[INSTANT_TEXT_SIZE]);

/* Microseconds since 2000-01-01T00:00:00Z: PostgreSQL's binary timestamptz. */
#define INSTANT_POSTGRES_EPOCH 946684800000000LL
static inline int64_t instant_to_postgres(instant_t instant)
{
	return instant - INSTANT_POSTGRES_EPOCH;
}
static inline instant_t instant_from_postgres(int64_t value)
{
	return value + INSTANT_POSTGRES_EPOCH;
}

/* The wall clock, for logs and rates. It decides nothing about money. */
instant_t instant_now(void);
/* A clock that never goes back, in microseconds; for time-outs and durations. */
int64_t monotonic_now(void);

#endif
