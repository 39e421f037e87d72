/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Usage to test with: made up, or from a trace. For `drawdown load`.
 */
#ifndef DRAWDOWN_GENERATOR_H
#define DRAWDOWN_GENERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "drawdown/event.h"
#include "drawdown/outcome.h"

struct generator_options {
	const char *currency_id;
	int64_t customers_count; /* made-up customers "customer-0000001", ... */
	double skew;		 /* exponent of Zipf's law, below 1; 0: all alike */
	double duplicates_share; /* of all events: an earlier one again, 0 to below 1 */
	int64_t recent_max;	 /* among how many of the newest an earlier one is chosen; 0: 4,096 */
	credit_t amount_min;
	credit_t amount_max;
	uint64_t seed;	/* the same seed gives the same events */
	bool scattered; /* busy customers lie apart in the order of ids, instead of first */
	bool in_turn;	/* every customer once before any comes again, instead of by chance */
	bool uuid_keys; /* keys are random UUIDs, instead of naming seed and number */
	/* A CSV trace instead: TIMESTAMP,ContextTokens,GeneratedTokens. Row n belongs to customer acme-<n mod 97>
	 * with key <file stem>:<n>, costs 0.0000025 a context token and 0.00001 a generated one, and happened
	 * at its time, shifted so that the trace ends now. */
	const char *csv_path;
};

struct generator;

/* REJECT where the trace cannot be read. */
enum outcome generator_new(
	const struct generator_options *options, struct generator **ret_generator, struct failure *reterr);
void generator_free(struct generator *generator);

/* How many different customers there are, and the name of one, 0 to count - 1. */
int64_t generator_customers_count(const struct generator *generator);
struct text generator_customer(const struct generator *generator, int64_t number, char text[32]);

/* The next event, its texts valid until the next call; *ret_duplicate where it is an earlier one again.
 * OK with *ret_end true: the trace has no more. REJECT: a row that cannot be understood, with its number. */
enum outcome generator_next(struct generator *generator, struct event *ret_event, bool *ret_duplicate, bool *ret_end,
	struct failure *reterr);
/* Rows of the trace; 0 where there is no end. */
uint64_t generator_total(const struct generator *generator);

#endif
