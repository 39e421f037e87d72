/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "drawdown/store_parts.h"
#include "sql_files.h"

static const struct postgres_statement lock_accounts = {
	"store.lock",
	"lock_accounts",
	sql_lock_accounts,
	{POSTGRES_INT8, POSTGRES_TID, POSTGRES_INT8, POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_NUMERIC,
		POSTGRES_NUMERIC, POSTGRES_TIMESTAMPTZ, POSTGRES_INT8, POSTGRES_INT8, POSTGRES_TEXT, POSTGRES_INT4,
		POSTGRES_INT8, POSTGRES_TIMESTAMPTZ, POSTGRES_JSON, POSTGRES_JSON, POSTGRES_JSON},
};
static const struct postgres_statement read_accounts = {
	"store.lock",
	"read_accounts",
	sql_read_accounts,
	{POSTGRES_INT8, POSTGRES_TID, POSTGRES_INT8, POSTGRES_NUMERIC, POSTGRES_NUMERIC, POSTGRES_NUMERIC,
		POSTGRES_NUMERIC, POSTGRES_TIMESTAMPTZ, POSTGRES_INT8, POSTGRES_INT8, POSTGRES_TEXT, POSTGRES_INT4,
		POSTGRES_INT8, POSTGRES_TIMESTAMPTZ, POSTGRES_JSON, POSTGRES_JSON, POSTGRES_JSON},
};
static const struct postgres_statement create_accounts = {
	"store.lock",
	"create_accounts",
	sql_create_accounts,
	{POSTGRES_TID, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT},
};
static const struct postgres_statement read_currencies = {
	"store.lock",
	"read_currencies",
	sql_read_currencies,
	{POSTGRES_TIMESTAMPTZ, POSTGRES_TEXT, POSTGRES_INT8, POSTGRES_TEXT, POSTGRES_NUMERIC, POSTGRES_JSON},
};
static const struct postgres_statement find_known_currencies = {
	"store.lock",
	"find_known_currencies",
	sql_find_known_currencies,
	{POSTGRES_INT8},
};

/* One lane's call. */
struct locking {
	struct store_postgres *store;
	struct postgres *postgres;
	struct lane_work *work;
	struct failure *reterr;
};

static struct account **alloc_accounts(struct locking *locking)
{
	return arena_alloc_array(&locking->postgres->scratch, locking->work->accounts_count, sizeof(struct account *));
}

static void add_keys(struct postgres_params *params, struct account *const *accounts, size_t count)
{
	struct store_keys keys = store_add_keys(params, count);

	for (size_t i = 0; i < count; i++)
		store_put_key(&keys, &accounts[i]->key);
}

/* What is posted adds up to the balance; the core takes that for granted. */
static bool adds_up(const struct account *account)
{
	credit_t sum = 0;

	for (size_t i = 0; i < account->grants_count; i++) {
		const struct grant *grant = &account->grants[i];
		bool is_posted = grant->status != GRANT_SCHEDULED && grant->status != GRANT_PENDING;
		if (is_posted && !credit_add(sum, grant->remaining, &sum))
			return false;
	}
	return sum == account->balance;
}

/* Open grants, overrides, alerts. */
static bool read_json(struct account *account, struct arena *arena, struct postgres_row *row)
{
	struct text grants = postgres_get_text(row);
	struct text overrides = postgres_get_text(row);
	struct text alerts = postgres_get_text(row);

	return account_parse_grants(account, arena, grants) &&
	       account_settings_parse(overrides, arena, &account->settings) &&
	       alerts_parse(&account->alerts, arena, alerts);
}

/* What tells, at the update, whether more than usage has changed it. */
static void note_stored(struct account *account, struct arena *arena)
{
	struct account_stored *stored = &account->stored;

	stored->grants_made = account->grants_made;
	stored->holds_made = account->holds_made;
	stored->held = account->held;
	stored->granted = account->granted;
	stored->settings = account->settings;
	stored->alerts = account->alerts;
	if (!account->alerts.count)
		return;
	stored->alerts.items = arena_alloc_array(arena, account->alerts.count, sizeof *account->alerts.items);
	memcpy(stored->alerts.items, account->alerts.items, account->alerts.count * sizeof *account->alerts.items);
}

static bool read_account(struct locking *locking, struct account *account, struct postgres_row *row)
{
	account->exists = true;
	account->stored.row = postgres_get_tid(row);
	account->seq = postgres_get_int64(row);
	account->balance = postgres_get_credit(row);
	account->held = postgres_get_credit(row);
	account->granted = postgres_get_credit(row);
	account->consumed = postgres_get_credit(row);
	account->clock = postgres_get_instant(row);
	account->grants_made = postgres_get_int64(row);
	account->holds_made = postgres_get_int64(row);
	/* An input that was renamed since is none of ours: its positions say nothing any more. */
	enum input input = store_input_of(locking->store, postgres_get_text(row));
	account->freshness = (struct freshness){
		.input = input == INPUT_COUNT ? -1 : (int)input,
		.partition = postgres_get_int32(row),
		.offset = postgres_get_int64(row),
		.event_time = postgres_get_instant(row),
	};
	bool is_read = read_json(account, &locking->work->arena, row);
	note_stored(account, &locking->work->arena);
	return is_read && !row->corrupt && adds_up(account);
}

/* Those that exist: by lock_accounts they are locked in the order given, and read as they are under their lock. */
static enum outcome fill_existing(struct locking *locking, const struct postgres_statement *statement,
	struct account **accounts, size_t count)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, locking->postgres);
	add_keys(&params, accounts, count);
	enum outcome outcome = postgres_query(locking->postgres, statement, &params, &result, locking->reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	for (int i = 0; i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		struct account *account = accounts[postgres_get_int64(&row) - 1];
		if (!read_account(locking, account, &row))
			return store_fail_account(statement->where, &account->key, locking->reterr);
	}
	return OUTCOME_OK;
}

static int compare_currencies(const void *a, const void *b)
{
	const struct currency *a_currency = a, *b_currency = b;
	return text_compare(a_currency->currency_id, b_currency->currency_id);
}

/* The accounts' currencies, each once, with defaults. */
static struct currency *list_currencies(struct lane_work *work)
{
	struct currency *currencies = arena_zero_array(&work->arena, work->accounts_count, sizeof *currencies);
	size_t count = 0;

	for (size_t i = 0; i < work->accounts_count; i++) {
		struct text currency_id = work->accounts[i].key.currency_id;
		if (count == 0 || !text_equal(currencies[count - 1].currency_id, currency_id))
			currencies[count++].currency_id = currency_id;
	}
	qsort(currencies, count, sizeof *currencies, compare_currencies);
	size_t distinct = 0;
	for (size_t i = 0; i < count; i++)
		if (i == 0 || !text_equal(currencies[distinct - 1].currency_id, currencies[i].currency_id))
			currencies[distinct++] = currencies[i];
	work->currencies = currencies;
	work->currencies_count = distinct;
	return currencies;
}

static struct currency *find_currency(struct currency *currencies, size_t count, struct text currency_id)
{
	const struct currency wanted = {.currency_id = currency_id};
	return bsearch(&wanted, currencies, count, sizeof *currencies, compare_currencies);
}

/* From currency_id on. */
static enum outcome read_currency(struct locking *locking, struct currency *currency, struct postgres_row *row)
{
	const char *reason = NULL;

	currency->named = true;
	currency->expiry_grace = postgres_get_int64(row);
	bool is_policy = over_limit_parse(postgres_get_text(row), &currency->over_limit);
	currency->has_overdraft_limit = !postgres_is_null(row);
	currency->overdraft_limit = postgres_get_credit(row);
	struct text thresholds = postgres_get_text(row);
	if (!is_policy || row->corrupt)
		reason = "over_limit or overdraft_limit is none that drawdown knows";
	else if (!thresholds.data ||
		 thresholds_parse(thresholds, &locking->work->arena, &currency->thresholds, &reason))
		return OUTCOME_OK;
	(void)fail(locking->reterr, OUTCOME_FATAL, read_currencies.where,
		"settings of currency %.*s cannot be used: %s", TEXT_ARGS(currency->currency_id), reason);
	fail_hint(locking->reterr, "correct them with `drawdown currency set`");
	return OUTCOME_FATAL;
}

static enum outcome read_settings(struct locking *locking, struct currency *currencies, const PGresult *result)
{
	struct lane_work *work = locking->work;
	enum outcome outcome = OUTCOME_OK;

	assert(PQntuples(result) > 0);
	for (int i = 0; i < PQntuples(result) && outcome == OUTCOME_OK; i++) {
		struct postgres_row row = {.result = result, .row = i};
		work->receipts_from = postgres_get_instant(&row);
		if (row.corrupt)
			return store_fail_corrupt(&read_currencies, locking->reterr);
		struct text currency_id = postgres_get_text(&row);
		if (!currency_id.data)
			return OUTCOME_OK;
		struct currency *currency = find_currency(currencies, work->currencies_count, currency_id);
		assert(currency);
		outcome = read_currency(locking, currency, &row);
	}
	return outcome;
}

static enum outcome fill_currencies(struct locking *locking)
{
	struct lane_work *work = locking->work;
	struct currency *currencies = list_currencies(work);
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, locking->postgres);
	struct postgres_bytes *ids = postgres_add_array(&params, POSTGRES_TEXT, work->currencies_count);
	for (size_t i = 0; i < work->currencies_count; i++)
		postgres_put_text(ids, currencies[i].currency_id);
	enum outcome outcome = postgres_query(locking->postgres, &read_currencies, &params, &result, locking->reterr);
	if (outcome == OUTCOME_OK)
		outcome = read_settings(locking, currencies, result);
	if (outcome != OUTCOME_OK)
		return outcome;
	const struct currency *last = currencies;
	for (size_t i = 0; i < work->accounts_count; i++) {
		struct account *account = &work->accounts[i];
		if (!text_equal(last->currency_id, account->key.currency_id))
			last = find_currency(currencies, work->currencies_count, account->key.currency_id);
		account->currency = last;
	}
	return OUTCOME_OK;
}

static bool is_same_currency(const struct account *a, const struct account *b)
{
	return text_equal(a->key.currency_id, b->key.currency_id) && text_equal(a->key.customer_id, b->key.customer_id);
}

/* The end of the accounts from `first` on that are of one customer and currency: they stand together. */
static size_t end_of_siblings(const struct lane_work *work, size_t first)
{
	size_t end = first + 1;
	while (end < work->accounts_count && is_same_currency(&work->accounts[first], &work->accounts[end]))
		end++;
	return end;
}

/* Is it known from what was read? If not, `doubtful` takes the first of the siblings. */
static size_t decide_known(struct lane_work *work, const struct rules *rules, size_t *doubtful)
{
	size_t doubtful_count = 0;

	for (size_t first = 0, end; first < work->accounts_count; first = end) {
		end = end_of_siblings(work, first);
		bool is_known = rules->currencies_open || work->accounts[first].currency->named;
		for (size_t i = first; i < end && !is_known; i++)
			is_known = work->accounts[i].grants_made > 0;
		for (size_t i = first; i < end; i++)
			work->accounts[i].currency_known = is_known;
		if (!is_known)
			doubtful[doubtful_count++] = first;
	}
	return doubtful_count;
}

/* The customer's accounts outside of this work may have had a grant. */
static enum outcome fill_known(struct locking *locking, const struct rules *rules)
{
	struct lane_work *work = locking->work;
	size_t *doubtful = arena_alloc_array(&locking->postgres->scratch, work->accounts_count, sizeof *doubtful);
	size_t count = decide_known(work, rules, doubtful);
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	if (count == 0)
		return OUTCOME_OK;
	postgres_params_init(&params, locking->postgres);
	struct postgres_bytes *customer = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *currency = postgres_add_array(&params, POSTGRES_TEXT, count);
	for (size_t i = 0; i < count; i++) {
		postgres_put_text(customer, work->accounts[doubtful[i]].key.customer_id);
		postgres_put_text(currency, work->accounts[doubtful[i]].key.currency_id);
	}
	enum outcome outcome =
		postgres_query(locking->postgres, &find_known_currencies, &params, &result, locking->reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	for (int i = 0; i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		size_t first = doubtful[postgres_get_int64(&row) - 1];
		size_t end = end_of_siblings(work, first);
		for (size_t k = first; k < end; k++)
			work->accounts[k].currency_known = true;
	}
	return OUTCOME_OK;
}

/* An account is made where its currency is known, or may become so by a grant of this batch to the same
 * customer, be it to another resource: how the input was cut into batches must not matter. */
static size_t list_missing(struct lane_work *work, struct account **missing)
{
	size_t count = 0;

	for (size_t first = 0, end; first < work->accounts_count; first = end) {
		end = end_of_siblings(work, first);
		bool may_exist = work->accounts[first].currency_known;
		for (size_t i = first; i < end && !may_exist; i++)
			may_exist = work->accounts[i].may_create;
		for (size_t i = first; i < end; i++)
			if (may_exist && !work->accounts[i].exists && !work->accounts[i].is_read_only)
				missing[count++] = &work->accounts[i];
	}
	return count;
}

static bool is_row_of(struct postgres_row row, const struct account *account)
{
	postgres_skip(&row);
	return text_equal(postgres_get_text(&row), account->key.customer_id) &&
	       text_equal(postgres_get_text(&row), account->key.currency_id) &&
	       text_equal(postgres_get_resource(&row), account->key.resource_id);
}

/* What was made comes back in the order of `missing`; what somebody else made meanwhile is locked and read. */
static enum outcome create_missing(struct locking *locking)
{
	struct account **missing = alloc_accounts(locking);
	size_t count = list_missing(locking->work, missing), remaining = 0;
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;
	int made = 0;

	if (count == 0)
		return OUTCOME_OK;
	postgres_params_init(&params, locking->postgres);
	add_keys(&params, missing, count);
	enum outcome outcome = postgres_query(locking->postgres, &create_accounts, &params, &result, locking->reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	for (size_t i = 0; i < count; i++) {
		missing[i]->exists = made < PQntuples(result) &&
				     is_row_of((struct postgres_row){.result = result, .row = made}, missing[i]);
		if (missing[i]->exists)
			missing[i]->stored.row =
				postgres_get_tid(&(struct postgres_row){.result = result, .row = made++});
		else
			missing[remaining++] = missing[i];
	}
	assert(made == PQntuples(result));
	if (remaining == 0)
		return OUTCOME_OK;
	outcome = fill_existing(locking, &lock_accounts, missing, remaining);
	for (size_t i = 0; i < remaining && outcome == OUTCOME_OK; i++) {
		if (!missing[i]->exists)
			outcome = fail(locking->reterr, OUTCOME_RETRY, create_accounts.where,
				"an account was made and is gone");
		else if (missing[i]->grants_made > 0)
			missing[i]->currency_known = true;
	}
	return outcome;
}

static size_t list_accounts(struct lane_work *work, bool is_read_only, struct account **accounts)
{
	size_t count = 0;

	for (size_t i = 0; i < work->accounts_count; i++)
		if (work->accounts[i].is_read_only == is_read_only)
			accounts[count++] = &work->accounts[i];
	return count;
}

enum outcome store_lock(
	void *self, size_t lane, struct lane_work *work, const struct rules *rules, struct failure *reterr)
{
	struct store_postgres *store = self;
	struct locking locking = {.store = store, .postgres = &store->lanes[lane], .work = work, .reterr = reterr};

	if (work->accounts_count == 0)
		return OUTCOME_OK;
	arena_reset(&locking.postgres->scratch);
	struct account **accounts = alloc_accounts(&locking);
	size_t count = list_accounts(work, false, accounts);
	enum outcome outcome = OUTCOME_OK;
	if (count)
		outcome = fill_existing(&locking, &lock_accounts, accounts, count);
	count = list_accounts(work, true, accounts);
	if (outcome == OUTCOME_OK && count)
		outcome = fill_existing(&locking, &read_accounts, accounts, count);
	if (outcome == OUTCOME_OK)
		outcome = fill_currencies(&locking);
	if (outcome == OUTCOME_OK)
		outcome = fill_known(&locking, rules);
	if (outcome == OUTCOME_OK)
		outcome = create_missing(&locking);
	return outcome;
}
