/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "drawdown/store_parts.h"
#include "sql_files.h"

#define HOLD_COLUMNS                                                                                               \
	POSTGRES_INT8, POSTGRES_TEXT, POSTGRES_INT2, POSTGRES_NUMERIC, POSTGRES_TIMESTAMPTZ, POSTGRES_TIMESTAMPTZ, \
		POSTGRES_TIMESTAMPTZ, POSTGRES_INT8, POSTGRES_JSON

static const struct postgres_statement read_open_holds = {
	"store.look_up",
	"read_open_holds",
	sql_read_open_holds,
	{HOLD_COLUMNS},
};
static const struct postgres_statement find_holds = {
	"store.look_up",
	"find_holds",
	sql_find_holds,
	{HOLD_COLUMNS},
};
static const struct postgres_statement copy_holds = {"store.settle", "copy_holds", sql_copy_holds, {0}};
static const struct postgres_statement update_holds = {"store.settle", "update_holds", sql_update_holds, {0}};

/* A reservation that an event names. */
struct named {
	struct account *account;
	struct text reservation_id;
};

/* ---- look_up ---- */

/* From reservation_id on; NULL where the row is corrupt. */
static struct hold *read_hold(
	struct arena *arena, struct postgres_row *row, const struct account *account, struct failure *reterr)
{
	struct hold *hold = arena_zero_array(arena, 1, sizeof *hold);

	hold->reservation_id = arena_copy(arena, postgres_get_text(row));
	hold->state = (enum hold_state)postgres_get_int16(row);
	hold->amount = postgres_get_credit(row);
	hold->created_at = postgres_get_instant(row);
	hold->expires_at = postgres_get_instant(row);
	hold->closed_at = postgres_get_instant(row);
	hold->ordinal = postgres_get_int64(row);
	if (hold_parse_parts(hold, arena, postgres_get_text(row)) && !row->corrupt)
		return hold;
	(void)store_fail_account(read_open_holds.where, &account->key, reterr);
	return NULL;
}

static enum outcome look_up_open(struct postgres *postgres, struct lane_work *work, struct failure *reterr)
{
	struct account **holders = arena_alloc_array(&postgres->scratch, work->accounts_count, sizeof *holders);
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;
	size_t count = 0;

	for (size_t i = 0; i < work->accounts_count; i++)
		if (work->accounts[i].held > 0)
			holders[count++] = &work->accounts[i];
	if (count == 0)
		return OUTCOME_OK;
	postgres_params_init(&params, postgres);
	struct store_keys keys = store_add_keys(&params, count);
	for (size_t i = 0; i < count; i++)
		store_put_key(&keys, &holders[i]->key);
	enum outcome outcome = postgres_query(postgres, &read_open_holds, &params, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	for (int i = 0; i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		struct account *account = holders[postgres_get_int64(&row) - 1];
		struct hold *hold = read_hold(&work->arena, &row, account, reterr);
		if (!hold)
			return OUTCOME_FATAL;
		account_add_hold(account, &work->arena, hold);
	}
	return OUTCOME_OK;
}

static int compare_named(const void *a, const void *b)
{
	const struct named *a_named = a, *b_named = b;
	if (a_named->account != b_named->account)
		return a_named->account < b_named->account ? -1 : 1;
	return text_compare(a_named->reservation_id, b_named->reservation_id);
}

/* Each once. What is read back from a receipt does not say what it named. */
static size_t list_named(const struct lane_work *work, struct named *named)
{
	size_t count = 0, distinct = 0;

	for (size_t i = 0; i < work->records_count; i++) {
		const struct record *record = work->records[i];
		if (record->readable && record->event.hold)
			named[count++] = (struct named){record->account, record->event.hold->reservation_id};
	}
	qsort(named, count, sizeof *named, compare_named);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || compare_named(&named[distinct - 1], &named[i]) != 0)
			named[distinct++] = named[i];
	return distinct;
}

static enum outcome look_up_named(struct postgres *postgres, struct lane_work *work, struct failure *reterr)
{
	struct named *named = arena_alloc_array(&postgres->scratch, work->records_count, sizeof *named);
	size_t count = list_named(work, named);
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	if (count == 0)
		return OUTCOME_OK;
	postgres_params_init(&params, postgres);
	struct store_keys keys = store_add_keys(&params, count);
	struct postgres_bytes *reservation = postgres_add_array(&params, POSTGRES_TEXT, count);
	for (size_t i = 0; i < count; i++) {
		store_put_key(&keys, &named[i].account->key);
		postgres_put_text(reservation, named[i].reservation_id);
	}
	enum outcome outcome = postgres_query(postgres, &find_holds, &params, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	for (int i = 0; i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		struct account *account = named[postgres_get_int64(&row) - 1].account;
		struct hold *hold = read_hold(&work->arena, &row, account, reterr);
		if (!hold)
			return OUTCOME_FATAL;
		if (account->held == 0 || hold->state != HOLD_OPEN) /* the open ones of holders are there */
			account_add_hold(account, &work->arena, hold);
	}
	return OUTCOME_OK;
}

enum outcome store_look_up_holds(struct postgres *postgres, struct lane_work *work, struct failure *reterr)
{
	enum outcome outcome = look_up_open(postgres, work, reterr);

	if (outcome == OUTCOME_OK)
		outcome = look_up_named(postgres, work, reterr);
	for (size_t i = 0; i < work->accounts_count && outcome == OUTCOME_OK; i++) {
		struct account *account = &work->accounts[i];
		if ((account->held > 0 || account->holds_count > 0) && !account_apply_holds(account))
			outcome = store_fail_account(read_open_holds.where, &account->key, reterr);
	}
	return outcome;
}

/* ---- settle ---- */

static bool is_made(const struct hold *hold)
{
	return hold->is_new;
}

static bool is_changed(const struct hold *hold)
{
	return hold->changed && !hold->is_new;
}

static size_t count_holds(const struct lane_work *work, bool (*is_wanted)(const struct hold *hold))
{
	size_t count = 0;

	for (size_t i = 0; i < work->accounts_count; i++)
		for (size_t k = 0; k < work->accounts[i].holds_count; k++)
			count += is_wanted(work->accounts[i].holds[k]);
	return count;
}

static void put_hold(
	struct postgres_bytes *bytes, struct arena *scratch, const struct account_key *account, const struct hold *hold)
{
	store_put_account(bytes, account);
	postgres_put_text(bytes, hold->reservation_id);
	postgres_put_int16(bytes, (int16_t)hold->state);
	postgres_put_credit(bytes, hold->amount);
	postgres_put_instant(bytes, hold->created_at);
	postgres_put_instant(bytes, hold->expires_at);
	postgres_put_instant(bytes, hold->closed_at);
	postgres_put_int64(bytes, hold->ordinal);
	postgres_put_text(bytes, hold_format_parts(hold, scratch));
}

static enum outcome write_made(struct postgres *postgres, const struct lane_work *work, struct failure *reterr)
{
	struct postgres_copy copy;
	enum outcome outcome = postgres_copy_begin(&copy, postgres, &copy_holds, reterr);

	for (size_t i = 0; i < work->accounts_count; i++) {
		const struct account *account = &work->accounts[i];
		for (size_t k = 0; k < account->holds_count && outcome == OUTCOME_OK; k++) {
			if (!is_made(account->holds[k]))
				continue;
			outcome = postgres_copy_row(&copy, 11, reterr);
			if (outcome == OUTCOME_OK)
				put_hold(&copy.bytes, &postgres->scratch, &account->key, account->holds[k]);
		}
	}
	return outcome == OUTCOME_OK ? postgres_copy_end(&copy, reterr) : outcome;
}

static enum outcome write_changed(
	struct postgres *postgres, const struct lane_work *work, size_t count, struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, postgres);
	struct store_keys keys = store_add_keys(&params, count);
	struct postgres_bytes *reservation = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *state = postgres_add_array(&params, POSTGRES_INT2, count);
	struct postgres_bytes *expires_at = postgres_add_array(&params, POSTGRES_TIMESTAMPTZ, count);
	struct postgres_bytes *closed_at = postgres_add_array(&params, POSTGRES_TIMESTAMPTZ, count);
	for (size_t i = 0; i < work->accounts_count; i++) {
		const struct account *account = &work->accounts[i];
		for (size_t k = 0; k < account->holds_count; k++) {
			const struct hold *hold = account->holds[k];
			if (!is_changed(hold))
				continue;
			store_put_key(&keys, &account->key);
			postgres_put_text(reservation, hold->reservation_id);
			postgres_put_int16(state, (int16_t)hold->state);
			postgres_put_instant(expires_at, hold->expires_at);
			postgres_put_instant(closed_at, hold->closed_at);
		}
	}
	enum outcome outcome = postgres_query(postgres, &update_holds, &params, &result, reterr);
	return outcome == OUTCOME_OK ? store_check_count(&update_holds, result, count, reterr) : outcome;
}

enum outcome store_write_holds(struct postgres *postgres, const struct lane_work *work, struct failure *reterr)
{
	size_t changed_count = count_holds(work, is_changed);
	enum outcome outcome = OUTCOME_OK;

	if (count_holds(work, is_made))
		outcome = write_made(postgres, work, reterr);
	if (outcome == OUTCOME_OK && changed_count)
		outcome = write_changed(postgres, work, changed_count, reterr);
	return outcome;
}
