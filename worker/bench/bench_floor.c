/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: the worker as it is, source, loop, decoding, allocation, encoding, publishing and transactions, over a
 * store that makes up accounts with one large grant each, finds no receipts, and writes the same ledger rows and
 * nothing else, to a table without an index. What is left is what the servers take for the bytes alone.
 *
 * It moves nobody's money: it refuses a database with accounts, or with a ledger that has an index.
 */
#include <assert.h>
#include <stdlib.h>

#include "bench.h"
#include "drawdown/store_postgres.h"
#include "drawdown/worker_process.h"
#include "sql_files.h"

static const struct postgres_statement may_be_floor = {
	"bench.floor",
	"bench_may_be_floor",
	sql_bench_may_be_floor,
	{POSTGRES_BOOL},
};

static struct store real; /* positions, transactions and the COPY are its own */

static enum outcome floor_prepare(void *self, const struct batch *batch, struct failure *reterr)
{
	(void)self;
	(void)batch;
	(void)reterr;
	return OUTCOME_OK;
}

static enum outcome floor_recall_range(void *self, enum input input, int32_t partition, int64_t from, int64_t to,
	struct batch *batch, struct failure *reterr)
{
	(void)self;
	(void)input;
	(void)partition;
	(void)from;
	(void)to;
	(void)batch;
	return fail(reterr, OUTCOME_FATAL, "bench.floor", "the floor keeps nothing to publish again");
}

static enum outcome floor_lock(
	void *self, size_t lane, struct lane_work *work, const struct rules *rules, struct failure *reterr)
{
	struct currency *currency = arena_zero_array(&work->arena, 1, sizeof *currency);
	const struct grant grant = {
		.grant_id = TEXT_LITERAL("bench-grant-0"),
		.grant_type = GRANT_PAID,
		.status = GRANT_ACTIVE,
		.remaining = BENCH_GRANT,
		.effective_at = INSTANT_MIN,
		.expire_at = INSTANT_NONE,
		.created_at = INSTANT_MIN,
		.ordinal = 1,
	};

	(void)self;
	(void)lane;
	(void)rules;
	(void)reterr;
	currency->currency_id = TEXT_LITERAL(BENCH_CURRENCY);
	work->currencies = currency;
	work->currencies_count = 1;
	work->receipts_from = INSTANT_NONE;
	for (size_t i = 0; i < work->accounts_count; i++) {
		struct account *account = &work->accounts[i];
		account->exists = account->currency_known = true;
		account->currency = currency;
		account->seq = account->grants_made = 1;
		account->balance = account->granted = BENCH_GRANT;
		account->freshness.input = -1;
		(void)account_insert_grant(account, &work->arena, &grant);
	}
	return OUTCOME_OK;
}

static enum outcome floor_look_up(void *self, size_t lane, struct lane_work *work, struct failure *reterr)
{
	(void)self;
	(void)lane;
	(void)work;
	(void)reterr;
	return OUTCOME_OK;
}

/* Of all that is to be written, the entries. */
static enum outcome floor_settle(void *self, size_t lane, struct lane_work *work, struct failure *reterr)
{
	struct lane_work entries = {
		.arena = work->arena,
		.entries = work->entries,
		.entries_count = work->entries_count,
	};

	return real.settle(self, lane, &entries, reterr);
}

static enum outcome check_database(const struct config *config, struct failure *reterr)
{
	const struct postgres_settings settings = {.url = config->database_url,
		.application_name = "drawdown bench",
		.statement_timeout = (60 * INSTANT_SECOND)};
	struct postgres postgres;
	POSTGRES_RESULT result = NULL;
	bool may_be = false;

	postgres_init(&postgres, &settings);
	enum outcome outcome = postgres_connect(&postgres, reterr);
	if (outcome == OUTCOME_OK)
		outcome = postgres_query(&postgres, &may_be_floor, NULL, &result, reterr);
	if (outcome == OUTCOME_OK) {
		struct postgres_row row = {.result = result};
		may_be = postgres_get_bool(&row);
	}
	postgres_release(&postgres);
	if (outcome == OUTCOME_OK && !may_be)
		return fail(reterr, OUTCOME_FATAL, "bench.floor",
			"this database may hold somebody's books: the floor writes a ledger without debiting anyone");
	return outcome;
}

static enum outcome floor_open(struct store *ret_store, const struct config *config, struct failure *reterr)
{
	enum outcome outcome = check_database(config, reterr);

	if (outcome == OUTCOME_OK)
		outcome = store_postgres_open(&real, config, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	*ret_store = real;
	ret_store->prepare = floor_prepare;
	ret_store->recall_range = floor_recall_range;
	ret_store->lock = floor_lock;
	ret_store->look_up = floor_look_up;
	ret_store->settle = floor_settle;
	return OUTCOME_OK;
}

int bench_floor_worker(int argc, char **argv)
{
	struct options options = {
		.command = "bench --floor-worker",
		.summary = "the floor of a benchmark; started by drawdown bench",
		.config_needs = CONFIG_NEEDS_ALL,
	};
	struct config config;
	int exit_code;

	if (!options_parse(&options, argc, argv, &exit_code) || !options_load_config(&options, &config, &exit_code))
		return exit_code;
	return worker_process_run(&config, floor_open);
}
