/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers for tests: the seed is printed, and taken back from DRAWDOWN_SEED. */
#ifndef DRAWDOWN_TESTS_SEED_H
#define DRAWDOWN_TESTS_SEED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct seed {
	uint64_t state;
};

static inline struct seed seed_new(const char *test)
{
	const char *given = getenv("DRAWDOWN_SEED");
	uint64_t value = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	(void)printf("%s: DRAWDOWN_SEED=%llu\n", test, (unsigned long long)value);
	return (struct seed){value * 2 + 1};
}

/* splitmix64 */
static inline uint64_t seed_next(struct seed *seed)
{
	uint64_t bits = seed->state += 0x9e3779b97f4a7c15u;
	bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9u;
	bits = (bits ^ bits >> 27) * 0x94d049bb133111ebu;
	return bits ^ bits >> 31;
}

static inline uint64_t seed_below(struct seed *seed, uint64_t limit)
{
	return seed_next(seed) % limit;
}

#endif
