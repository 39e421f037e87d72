/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz input as a stream of choices: whoever makes something random takes its choices from here, so that libFuzzer,
 * which knows nothing of schemas, steers what is made. An input that has run dry chooses 0, which ends recursions.
 */
#ifndef DRAWDOWN_FUZZ_CHOICES_H
#define DRAWDOWN_FUZZ_CHOICES_H

#include <stddef.h>
#include <stdint.h>

struct choices {
	const uint8_t *at;
	const uint8_t *end;
};

static inline uint8_t choose_byte(struct choices *choices)
{
	return choices->at < choices->end ? *choices->at++ : 0;
}

/* 0 to count - 1; count is 1 to 256. */
static inline unsigned choose(struct choices *choices, unsigned count)
{
	return choose_byte(choices) % count;
}

/* Eight bytes. */
static inline uint64_t choose_bits(struct choices *choices)
{
	uint64_t bits = 0;
	for (int i = 0; i < 8; i++)
		bits = bits << 8 | choose_byte(choices);
	return bits;
}

/* splitmix64: the next of a random sequence, for what needs more choices than an input has bytes. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t bits = (*state += 0x9e3779b97f4a7c15u);
	bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9u;
	bits = (bits ^ bits >> 27) * 0x94d049bb133111ebu;
	return bits ^ bits >> 31;
}

#endif
