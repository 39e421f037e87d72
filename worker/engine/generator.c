/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/generator.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACE_CUSTOMERS 97
#define RECENT_COUNT 4096			   /* events that may come again, unless said otherwise */
#define CONTEXT_TOKEN_PRICE ((credit_t)2500000)	   /* 0.0000025 */
#define GENERATED_TOKEN_PRICE ((credit_t)10000000) /* 0.00001 */
#define AMOUNT_STEP ((credit_t)1000000)		   /* 0.000001 */

/* Enough to make an event again. */
struct seed_event {
	int64_t customer;
	int64_t number; /* names the key */
	credit_t amount;
	instant_t created_at;
};

struct generator {
	struct generator_options options;
	uint64_t random;
	/* Zipf's law after Gray et al., "Quickly generating billion-record synthetic databases" */
	double zeta, alpha, eta, half_power;
	int64_t stride; /* coprime to the number of customers */
	struct seed_event *recent;
	int64_t recent_max;
	int64_t made_count;
	/* a trace */
	FILE *csv;
	char stem[128];
	uint64_t rows_count;
	int64_t shift; /* microseconds from the trace's time to ours */
	/* texts of the newest event */
	char customer[32];
	char key[192];
};

/* splitmix64 */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint64_t next_random(struct generator *generator)
{
	return mix(generator->random += 0x9e3779b97f4a7c15u);
}

static double next_share(struct generator *generator)
{
	return (double)(next_random(generator) >> 11) / 9007199254740992.0;
}

static void prepare_zipf(struct generator *generator)
{
	double n = (double)generator->options.customers_count, theta = generator->options.skew, zeta2;

	for (int64_t i = 1; i <= generator->options.customers_count; i++)
		generator->zeta += 1 / pow((double)i, theta);
	zeta2 = 1 + 1 / pow(2, theta);
	generator->alpha = 1 / (1 - theta);
	generator->eta = (1 - pow(2 / n, 1 - theta)) / (1 - zeta2 / generator->zeta);
	generator->half_power = 1 + pow(0.5, theta);
}

static int64_t greatest_divisor(int64_t a, int64_t b)
{
	while (b) {
		int64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

/* Near the golden section: neighbours in rank lie far apart. */
static void choose_stride(struct generator *generator)
{
	int64_t count = generator->options.customers_count;

	generator->stride = (int64_t)((double)count * 0.6180339887) + 1;
	while (greatest_divisor(generator->stride, count) != 1)
		generator->stride++;
}

/* 0 is the busiest. */
static int64_t choose_rank(struct generator *generator)
{
	int64_t count = generator->options.customers_count, chosen;
	double share = next_share(generator), u = share * generator->zeta;

	if (generator->options.skew == 0 || count < 3)
		return (int64_t)(share * (double)count);
	if (u < 1)
		return 0;
	if (u < generator->half_power)
		return 1;
	chosen = (int64_t)((double)count * pow(generator->eta * share - generator->eta + 1, generator->alpha));
	return chosen < count ? chosen : count - 1;
}

static int64_t choose_customer(struct generator *generator)
{
	int64_t count = generator->options.customers_count;
	int64_t rank = generator->options.in_turn ? generator->made_count % count : choose_rank(generator);

	return generator->options.scattered ? (int64_t)((__int128)rank * generator->stride % count) : rank;
}

/* ---- a trace ---- */

/* "2023-11-16 18:15:46.6805900", no zone written: UTC. */
static bool parse_trace_time(const char *text, instant_t *ret_instant)
{
	char rfc3339[64];

	if (strlen(text) < 19 || strlen(text) > 30 || text[10] != ' ')
		return false;
	(void)snprintf(rfc3339, sizeof rfc3339, "%.10sT%sZ", text, text + 11);
	return instant_parse(text_of(rfc3339), ret_instant);
}

static bool parse_tokens(const char *text, int64_t *ret_count)
{
	char *end;

	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (errno || end == text || (*end != '\0' && *end != '\r' && *end != '\n') || value < 0 ||
		value > 1000000000000LL)
		return false;
	*ret_count = value;
	return true;
}

static bool parse_row(char *row, struct seed_event *event)
{
	char *context = strchr(row, ','), *generated = context ? strchr(context + 1, ',') : NULL;
	int64_t context_count, generated_count;

	if (!generated)
		return false;
	*context++ = *generated++ = '\0';
	if (!parse_trace_time(row, &event->created_at) || !parse_tokens(context, &context_count) ||
		!parse_tokens(generated, &generated_count))
		return false;
	event->amount = context_count * CONTEXT_TOKEN_PRICE + generated_count * GENERATED_TOKEN_PRICE;
	return event->amount > 0;
}

static enum outcome bad_row(const struct generator *generator, uint64_t row, struct failure *reterr)
{
	fail(reterr, OUTCOME_REJECT, "load.csv", "%s: line %llu is no row of a trace", generator->options.csv_path,
		(unsigned long long)row + 2);
	fail_hint(
		reterr, "TIMESTAMP,ContextTokens,GeneratedTokens as in 2023-11-16 18:15:46.6805900,374,44, not both 0");
	return OUTCOME_REJECT;
}

/* False: no more. The number of the row is that of those read before it. */
static bool read_line(struct generator *generator, char *line, size_t size)
{
	return fgets(line, (int)size, generator->csv) && line[0] != '\n' && line[0] != '\r';
}

/* Its length and its last time; every row must be one. */
static enum outcome scan_trace(struct generator *generator, struct failure *reterr)
{
	char line[256];
	struct seed_event event;
	instant_t last = INSTANT_MIN;

	if (!read_line(generator, line, sizeof line))
		return fail(reterr, OUTCOME_REJECT, "load.csv", "%s is empty", generator->options.csv_path);
	while (read_line(generator, line, sizeof line)) {
		if (!parse_row(line, &event))
			return bad_row(generator, generator->rows_count, reterr);
		last = event.created_at > last ? event.created_at : last;
		generator->rows_count++;
	}
	generator->shift = instant_now() - last;
	rewind(generator->csv);
	(void)read_line(generator, line, sizeof line);
	return OUTCOME_OK;
}

static enum outcome open_trace(struct generator *generator, struct failure *reterr)
{
	const char *path = generator->options.csv_path, *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const char *dot = strrchr(name, '.');
	size_t size = dot && dot > name ? (size_t)(dot - name) : strlen(name);

	if (size >= sizeof generator->stem)
		return fail(reterr, OUTCOME_REJECT, "load.csv", "the name of %s is too long for a key", path);
	memcpy(generator->stem, name, size);
	generator->csv = fopen(path, "re");
	if (!generator->csv)
		return fail(reterr, OUTCOME_REJECT, "load.csv", "could not open %s: %s", path, strerror(errno));
	return scan_trace(generator, reterr);
}

/* ---- events ---- */

static enum outcome make_fresh(
	struct generator *generator, struct seed_event *event, bool *ret_end, struct failure *reterr)
{
	char line[256];

	event->number = generator->made_count;
	if (!generator->csv) {
		credit_t steps = (generator->options.amount_max - generator->options.amount_min) / AMOUNT_STEP + 1;
		event->customer = choose_customer(generator);
		event->amount = generator->options.amount_min + (credit_t)next_random(generator) % steps * AMOUNT_STEP;
		event->created_at = INSTANT_NONE;
	} else {
		*ret_end = !read_line(generator, line, sizeof line);
		if (*ret_end)
			return OUTCOME_OK;
		if (!parse_row(line, event))
			return bad_row(generator, (uint64_t)generator->made_count, reterr);
		event->customer = generator->made_count % TRACE_CUSTOMERS;
		event->created_at += generator->shift;
	}
	generator->recent[generator->made_count++ % generator->recent_max] = *event;
	return OUTCOME_OK;
}

/* Version 4; the same for the same seed and number. */
static int format_uuid(struct generator *generator, int64_t number)
{
	uint64_t high = mix(mix((uint64_t)number) ^ generator->options.seed), low = mix(high + (uint64_t)number);

	return snprintf(generator->key, sizeof generator->key, "%08llx-%04llx-4%03llx-%04llx-%012llx",
		(unsigned long long)(high >> 32), (unsigned long long)(high >> 16 & 0xffff),
		(unsigned long long)(high & 0xfff), (unsigned long long)(0x8000 | (low >> 48 & 0x3fff)),
		(unsigned long long)(low & 0xffffffffffff));
}

static struct text format_key(struct generator *generator, int64_t number)
{
	int size;

	if (generator->csv) {
		size = snprintf(generator->key, sizeof generator->key, "%s:%lld", generator->stem, (long long)number);
	} else if (generator->options.uuid_keys) {
		size = format_uuid(generator, number);
	} else {
		/* Looks random, as the keys of real producers do, and is different for each number. */
		uint64_t mixed = ((uint64_t)number ^ generator->options.seed) * 0x9e3779b97f4a7c15u;
		size = snprintf(generator->key, sizeof generator->key, "%016llx-%llx-%llx", (unsigned long long)mixed,
			(unsigned long long)generator->options.seed, (unsigned long long)number);
	}
	return (struct text){generator->key, (size_t)size};
}

enum outcome generator_next(struct generator *generator, struct event *ret_event, bool *ret_duplicate, bool *ret_end,
	struct failure *reterr)
{
	struct seed_event event;

	*ret_end = false;
	*ret_duplicate = generator->made_count > 0 && next_share(generator) < generator->options.duplicates_share;
	if (*ret_duplicate) {
		int64_t known =
			generator->made_count < generator->recent_max ? generator->made_count : generator->recent_max;
		event = generator->recent[(int64_t)(next_random(generator) % (uint64_t)known)];
	} else {
		enum outcome outcome = make_fresh(generator, &event, ret_end, reterr);
		if (outcome != OUTCOME_OK || *ret_end)
			return outcome;
	}
	*ret_event = (struct event){
		.kind = EVENT_CONSUME,
		.customer_id = generator_customer(generator, event.customer, generator->customer),
		.currency_id = text_of(generator->options.currency_id),
		.idempotency_key = format_key(generator, event.number),
		.amount = event.amount,
		.created_at = event.created_at,
	};
	return OUTCOME_OK;
}

/* ---- life ---- */

enum outcome generator_new(
	const struct generator_options *options, struct generator **ret_generator, struct failure *reterr)
{
	struct generator *generator = calloc(1, sizeof *generator);
	enum outcome outcome = OUTCOME_OK;

	if (!generator)
		abort();
	generator->options = *options;
	generator->recent_max = options->recent_max ? options->recent_max : RECENT_COUNT;
	generator->recent = calloc((size_t)generator->recent_max, sizeof *generator->recent);
	if (!generator->recent)
		abort();
	generator->random = options->seed;
	if (options->csv_path)
		outcome = open_trace(generator, reterr);
	else if (options->skew > 0)
		prepare_zipf(generator);
	choose_stride(generator);
	if (outcome != OUTCOME_OK) {
		generator_free(generator);
		return outcome;
	}
	*ret_generator = generator;
	return OUTCOME_OK;
}

void generator_free(struct generator *generator)
{
	if (!generator)
		return;
	if (generator->csv)
		(void)fclose(generator->csv);
	free(generator->recent);
	free(generator);
}

int64_t generator_customers_count(const struct generator *generator)
{
	return generator->csv ? TRACE_CUSTOMERS : generator->options.customers_count;
}

struct text generator_customer(const struct generator *generator, int64_t number, char text[32])
{
	int size = generator->csv ? snprintf(text, 32, "acme-%lld", (long long)number)
				  : snprintf(text, 32, "customer-%07lld", (long long)number + 1);
	return (struct text){text, (size_t)size};
}

uint64_t generator_total(const struct generator *generator)
{
	return generator->rows_count;
}
