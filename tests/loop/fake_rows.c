/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_rows.h"

#include <assert.h>

/* ---- lock ---- */

static struct fake_account *find_account(const struct fake_world *world, const struct account_key *key)
{
	for (size_t i = 0; i < world->accounts_count; i++)
		if (account_key_equal(&world->accounts[i].account.key, key))
			return (struct fake_account *)&world->accounts[i];
	return NULL;
}

static bool is_same_currency(const struct account_key *a, const struct account_key *b)
{
	return text_equal(a->customer_id, b->customer_id) && text_equal(a->currency_id, b->currency_id);
}

static bool was_granted(const struct fake_world *world, const struct account_key *key)
{
	for (size_t i = 0; i < world->accounts_count; i++)
		if (world->accounts[i].account.grants_made > 0 &&
			is_same_currency(&world->accounts[i].account.key, key))
			return true;
	return false;
}

static bool is_to_be_granted(const struct lane_work *work, const struct account_key *key)
{
	for (size_t i = 0; i < work->accounts_count; i++)
		if (work->accounts[i].may_create && is_same_currency(&work->accounts[i].key, key))
			return true;
	return false;
}

void fake_rows_fill_account(const struct fake_account *row, struct account *account, struct arena *arena)
{
	account->exists = true;
	account->seq = row->account.seq;
	account->balance = row->account.balance;
	account->held = row->account.held;
	account->granted = row->account.granted;
	account->consumed = row->account.consumed;
	account->clock = row->account.clock;
	account->grants_made = row->account.grants_made;
	account->holds_made = row->account.holds_made;
	account->freshness = row->account.freshness;
	bool is_whole = account_parse_grants(account, arena, row->open_grants) &&
			account_settings_parse(row->overrides, arena, &account->settings) &&
			alerts_parse(&account->alerts, arena, row->alerts);
	assert(is_whole);
}

void fake_rows_lock(const struct fake_world *world, struct lane_work *work, const struct rules *rules)
{
	static const struct currency plain = {0};

	for (size_t i = 0; i < work->accounts_count; i++) {
		struct account *account = &work->accounts[i];
		const struct fake_account *row = find_account(world, &account->key);
		account->currency = &plain;
		account->currency_known = rules->currencies_open || was_granted(world, &account->key);
		account->exists = account->currency_known || is_to_be_granted(work, &account->key);
		if (row)
			fake_rows_fill_account(row, account, &work->arena);
	}
	work->receipts_from = INSTANT_NONE;
}

/* ---- look_up ---- */

static struct receipt *find_receipt(
	const struct fake_world *world, struct text customer_id, const struct hash128 *key_hash)
{
	for (size_t i = 0; i < world->receipts_count; i++)
		if (text_equal(world->receipts[i].customer_id, customer_id) &&
			hash128_equal(world->receipts[i].key_hash, *key_hash))
			return (struct receipt *)&world->receipts[i];
	return NULL;
}

static struct fake_grant *find_grant(const struct fake_world *world, struct text customer_id, struct text grant_id)
{
	for (size_t i = 0; i < world->grants_count; i++)
		if (text_equal(world->grants[i].known.customer_id, customer_id) &&
			text_equal(world->grants[i].known.grant_id, grant_id))
			return (struct fake_grant *)&world->grants[i];
	return NULL;
}

static bool is_named(const struct lane_work *work, const struct account *account, struct text reservation_id)
{
	for (size_t i = 0; i < work->records_count; i++) {
		const struct record *record = work->records[i];
		if (record->account == account && record->event.hold &&
			text_equal(record->event.hold->reservation_id, reservation_id))
			return true;
	}
	return false;
}

static void look_up_holds(const struct fake_world *world, struct lane_work *work, struct account *account)
{
	for (size_t i = 0; i < world->holds_count; i++) {
		const struct fake_hold *row = &world->holds[i];
		if (!account_key_equal(&row->key, &account->key) ||
			(row->hold.state != HOLD_OPEN && !is_named(work, account, row->hold.reservation_id)))
			continue;
		struct hold *hold = arena_alloc(&work->arena, sizeof *hold);
		*hold = row->hold;
		bool is_whole = hold_parse_parts(hold, &work->arena, row->parts);
		assert(is_whole);
		account_add_hold(account, &work->arena, hold);
	}
	bool fits = account_apply_holds(account);
	assert(fits);
}

static struct fake_reversal *find_reversal(
	const struct fake_world *world, const struct account_key *key, int64_t first_seq)
{
	for (size_t i = 0; i < world->reversals_count; i++)
		if (world->reversals[i].first_seq == first_seq && account_key_equal(&world->reversals[i].key, key))
			return (struct fake_reversal *)&world->reversals[i];
	return NULL;
}

static struct account_key key_of_receipt(const struct receipt *receipt)
{
	return (struct account_key){receipt->customer_id, receipt->currency_id, receipt->resource_id};
}

/* In order of seq: so they were appended. */
static void look_up_consumption(const struct fake_world *world, struct lane_work *work, const struct key_slot *slot)
{
	struct consumption *consumption = slot->consumption;
	const struct receipt *receipt = slot->receipt;
	const struct account_key key = key_of_receipt(receipt);
	const struct fake_reversal *reversal = find_reversal(world, &key, receipt->first_seq);
	size_t debits_max = (size_t)(receipt->last_seq - receipt->first_seq) + 1;

	consumption->is_loaded = true;
	consumption->debits = arena_alloc_array(&work->arena, debits_max, sizeof *consumption->debits);
	for (size_t i = 0; i < world->entries_count; i++) {
		const struct ledger_entry *entry = &world->entries[i];
		if (entry->seq >= receipt->first_seq && entry->seq <= receipt->last_seq &&
			entry->event_type == LEDGER_CREDITS_CONSUMED && account_key_equal(entry->account, &key))
			consumption->debits[consumption->debits_count++] =
				(struct debit){entry->grant_id, -entry->amount};
	}
	consumption->has_row = reversal != NULL;
	consumption->reversed = reversal ? reversal->reversed : 0;
}

static bool is_reversed_of(const struct key_slot *slot, const struct account *account)
{
	if (!slot->consumption || !slot->receipt)
		return false;
	const struct account_key key = key_of_receipt(slot->receipt);
	return account_key_equal(&key, &account->key);
}

/* The open overdraft, or one among the debits that are reversed? */
static bool is_overdraft_wanted(struct lane_work *work, struct account *account, struct text overdraft_id)
{
	const struct grant *overdraft = account_overdraft(account);

	if (overdraft && text_equal(overdraft->grant_id, overdraft_id))
		return true;
	for (size_t i = 0; i < work->key_slots_count; i++) {
		const struct key_slot *slot = &work->key_slots[i];
		if (!is_reversed_of(slot, account))
			continue;
		for (size_t j = 0; j < slot->consumption->debits_count; j++)
			if (text_equal(slot->consumption->debits[j].grant_id, overdraft_id))
				return true;
	}
	return false;
}

static const struct fake_transfer *find_newest_transfer(
	const struct fake_world *world, const struct account_key *key, int64_t before_seq)
{
	const struct fake_transfer *newest = NULL;

	for (size_t i = 0; i < world->transfers_count; i++) {
		const struct fake_transfer *row = &world->transfers[i];
		if (row->transfer.seq < before_seq && account_key_equal(&row->key, key) &&
			(!newest || row->transfer.seq > newest->transfer.seq))
			newest = row;
	}
	return newest;
}

static void look_up_transfers(const struct fake_world *world, struct lane_work *work, struct account *account)
{
	const struct fake_transfer *row = find_newest_transfer(world, &account->key, INT64_MAX);
	struct transfer **link = &account->transfers;

	for (; row; row = find_newest_transfer(world, &account->key, row->transfer.seq)) {
		if (!is_overdraft_wanted(work, account, row->transfer.overdraft_id))
			continue;
		struct transfer *transfer = arena_alloc(&work->arena, sizeof *transfer);
		*transfer = row->transfer;
		*link = transfer;
		link = &transfer->older;
	}
}

/* Where it has left the open ones; each once. */
static void look_up_past_grant(
	const struct fake_world *world, struct lane_work *work, struct account *account, struct text grant_id)
{
	const struct fake_grant *row = find_grant(world, account->key.customer_id, grant_id);

	assert(row);
	if (row->known.end == GRANT_END_NONE || account_find_grant(account, grant_id))
		return;
	for (const struct grant_past *past = account->past; past; past = past->next)
		if (text_equal(past->grant.grant_id, grant_id))
			return;
	struct grant_past *past = arena_alloc(&work->arena, sizeof *past);
	*past = (struct grant_past){.grant = row->terms, .end = (int)row->known.end, .next = account->past};
	account->past = past;
}

static void look_up_past(const struct fake_world *world, struct lane_work *work, struct account *account)
{
	for (size_t i = 0; i < work->key_slots_count; i++) {
		const struct key_slot *slot = &work->key_slots[i];
		if (!is_reversed_of(slot, account))
			continue;
		for (size_t j = 0; j < slot->consumption->debits_count; j++)
			look_up_past_grant(world, work, account, slot->consumption->debits[j].grant_id);
	}
	for (const struct transfer *transfer = account->transfers; transfer; transfer = transfer->older)
		look_up_past_grant(world, work, account, transfer->grant_id);
}

void fake_rows_look_up(const struct fake_world *world, struct lane_work *work)
{
	for (size_t i = 0; i < work->key_slots_count; i++) {
		struct key_slot *slot = &work->key_slots[i];
		slot->receipt = find_receipt(world, slot->customer_id, &slot->key_hash);
		if (slot->receipt && slot->consumption)
			look_up_consumption(world, work, slot);
	}
	for (size_t i = 0; i < work->grants_known_count; i++) {
		struct grant_known *known = &work->grants_known[i];
		const struct fake_grant *row = find_grant(world, known->customer_id, known->grant_id);
		if (row)
			*known = row->known;
	}
	for (size_t i = 0; i < work->accounts_count; i++) {
		struct account *account = &work->accounts[i];
		look_up_holds(world, work, account);
		if (!account->has_reversals)
			continue;
		look_up_transfers(world, work, account);
		look_up_past(world, work, account);
	}
}

/* ---- recall ---- */

void fake_rows_recall(const struct fake_world *world, struct lane_work *work)
{
	work->recalled = arena_alloc_array(&work->arena, world->entries_count, sizeof *work->recalled);
	for (size_t i = 0; i < work->records_count; i++) {
		const struct record *record = work->records[i];
		if (!record->readable || !record_is_recalled(record))
			continue;
		const struct receipt *receipt = record->key_slot->receipt;
		for (size_t j = 0; j < world->entries_count; j++) {
			const struct ledger_entry *entry = &world->entries[j];
			if (account_key_equal(entry->account, &record->account->key) &&
				entry->seq >= receipt->range_first && entry->seq <= receipt->range_last)
				work->recalled[work->recalled_count++] = *entry;
		}
	}
}

/* ---- commit ---- */

static struct account_key copy_key(struct arena *arena, const struct account_key *key)
{
	return (struct account_key){
		.customer_id = arena_copy(arena, key->customer_id),
		.currency_id = arena_copy(arena, key->currency_id),
		.resource_id = arena_copy(arena, key->resource_id),
	};
}

static void write_account(struct fake_world *world, const struct account *account)
{
	struct fake_account *row = find_account(world, &account->key);

	if (!row) {
		assert(world->accounts_count < FAKE_ACCOUNTS_MAX);
		row = &world->accounts[world->accounts_count++];
		*row = (struct fake_account){.due = INT64_MAX};
		row->account.key = copy_key(&world->arena, &account->key);
	}
	const struct account_key key = row->account.key;
	row->account = (struct account){
		.key = key,
		.seq = account->seq,
		.balance = account->balance,
		.held = account->held,
		.granted = account->granted,
		.consumed = account->consumed,
		.clock = account->clock,
		.grants_made = account->grants_made,
		.holds_made = account->holds_made,
		.freshness = account->freshness,
	};
	row->open_grants = account_format_grants(account, &world->arena);
	row->overrides = account_settings_format(&account->settings, &world->arena);
	row->alerts = alerts_format(&account->alerts, &world->arena);
	if (account->due_stale || account->next_due != account->stored_due)
		row->due = account->next_due;
	assert(row->due == account->next_due);
}

static void write_holds(struct fake_world *world, const struct account *account)
{
	for (size_t i = 0; i < account->holds_count; i++) {
		const struct hold *hold = account->holds[i];
		struct fake_hold *row = NULL;
		for (size_t j = 0; j < world->holds_count; j++)
			if (account_key_equal(&world->holds[j].key, &account->key) &&
				text_equal(world->holds[j].hold.reservation_id, hold->reservation_id))
				row = &world->holds[j];
		assert(!row == hold->is_new);
		if (!hold->is_new && !hold->changed)
			continue;
		assert(hold->amount > 0 && (hold->state == HOLD_OPEN) == (hold->closed_at == INSTANT_NONE));
		if (!row) {
			assert(world->holds_count < FAKE_ROWS_MAX);
			row = &world->holds[world->holds_count++];
			row->key = copy_key(&world->arena, &account->key);
		}
		row->hold = *hold;
		row->hold.reservation_id = arena_copy(&world->arena, hold->reservation_id);
		row->hold.parts = NULL;
		row->hold.parts_count = 0;
		row->hold.is_new = row->hold.changed = false;
		row->parts = hold_format_parts(hold, &world->arena);
	}
}

static void write_transfers(struct fake_world *world, const struct account *account)
{
	for (const struct transfer *transfer = account->transfers; transfer; transfer = transfer->older) {
		struct fake_transfer *row = NULL;
		for (size_t i = 0; i < world->transfers_count; i++)
			if (world->transfers[i].transfer.seq == transfer->seq &&
				account_key_equal(&world->transfers[i].key, &account->key))
				row = &world->transfers[i];
		assert(!row == transfer->is_new);
		if (!transfer->is_new && !transfer->changed)
			continue;
		assert(transfer->amount > 0 && transfer->returned >= 0 && transfer->returned <= transfer->amount);
		if (!row) {
			assert(world->transfers_count < FAKE_ROWS_MAX);
			row = &world->transfers[world->transfers_count++];
			row->key = copy_key(&world->arena, &account->key);
		}
		row->transfer = (struct transfer){
			.overdraft_id = arena_copy(&world->arena, transfer->overdraft_id),
			.seq = transfer->seq,
			.grant_id = arena_copy(&world->arena, transfer->grant_id),
			.amount = transfer->amount,
			.returned = transfer->returned,
		};
	}
}

static void write_accounts(struct fake_world *world, const struct lane_work *work)
{
	for (size_t i = 0; i < work->accounts_count; i++) {
		const struct account *account = &work->accounts[i];
		if (!account->touched && (!account->exists || find_account(world, &account->key)))
			continue;
		assert(account->exists);
		write_account(world, account);
		write_holds(world, account);
		write_transfers(world, account);
	}
}

static void write_reversals(struct fake_world *world, const struct lane_work *work)
{
	for (size_t i = 0; i < work->key_slots_count; i++) {
		const struct key_slot *slot = &work->key_slots[i];
		if (!slot->consumption || !slot->consumption->changed)
			continue;
		const struct account_key key = key_of_receipt(slot->receipt);
		struct fake_reversal *row = find_reversal(world, &key, slot->receipt->first_seq);
		assert(!row == !slot->consumption->has_row && slot->consumption->reversed > 0);
		if (!row) {
			assert(world->reversals_count < FAKE_ROWS_MAX);
			row = &world->reversals[world->reversals_count++];
			row->key = copy_key(&world->arena, &key);
			row->first_seq = slot->receipt->first_seq;
		}
		row->reversed = slot->consumption->reversed;
	}
}

static void write_entries(struct fake_world *world, const struct lane_work *work)
{
	for (size_t i = 0; i < work->entries_count; i++) {
		for (size_t j = 0; j < world->entries_count; j++)
			assert(world->entries[j].seq != work->entries[i].seq ||
				!account_key_equal(world->entries[j].account, work->entries[i].account));
		assert(world->entries_count < FAKE_ROWS_MAX * 4);
		struct ledger_entry *row = &world->entries[world->entries_count++];
		*row = work->entries[i];
		struct account_key *key = arena_alloc(&world->arena, sizeof *key);
		*key = copy_key(&world->arena, row->account);
		row->account = key;
		row->grant_id = arena_copy(&world->arena, row->grant_id);
		row->idempotency_key = arena_copy(&world->arena, row->idempotency_key);
		row->dimensions = arena_copy(&world->arena, row->dimensions);
		row->traceparent = arena_copy(&world->arena, row->traceparent);
	}
}

static void write_receipts(struct fake_world *world, const struct lane_work *work)
{
	for (size_t i = 0; i < work->receipts_count; i++) {
		assert(!find_receipt(world, work->receipts[i].customer_id, &work->receipts[i].key_hash));
		assert(world->receipts_count < FAKE_ROWS_MAX);
		struct receipt *row = &world->receipts[world->receipts_count++];
		*row = work->receipts[i];
		row->customer_id = arena_copy(&world->arena, row->customer_id);
		row->idempotency_key = arena_copy(&world->arena, row->idempotency_key);
		row->currency_id = arena_copy(&world->arena, row->currency_id);
		row->resource_id = arena_copy(&world->arena, row->resource_id);
		row->notifications = arena_copy(&world->arena, row->notifications);
	}
}

static void write_grants(struct fake_world *world, const struct lane_work *work)
{
	for (size_t i = 0; i < work->grants_made_count; i++) {
		const struct grant_made *made = &work->grants_made[i];
		const struct account_key key = copy_key(&world->arena, made->account);
		const struct text grant_id = arena_copy(&world->arena, made->grant_id);
		assert(!find_grant(world, key.customer_id, grant_id) && world->grants_count < FAKE_ROWS_MAX);
		world->grants[world->grants_count++] = (struct fake_grant){
			.known = {.customer_id = key.customer_id,
				.grant_id = grant_id,
				.currency_id = key.currency_id,
				.resource_id = key.resource_id,
				.grant_type = made->grant_type,
				.expire_at = made->expire_at,
				.found = true},
			.terms = {.grant_id = grant_id,
				.grant_type = made->grant_type,
				.priority = made->priority,
				.effective_at = made->effective_at,
				.expire_at = made->expire_at,
				.created_at = made->created_at,
				.ordinal = made->ordinal},
		};
	}
	for (size_t i = 0; i < work->grants_ended_count; i++) {
		const struct grant_ended *ended = &work->grants_ended[i];
		struct fake_grant *row = find_grant(world, ended->account->customer_id, ended->grant_id);
		assert(row && (ended->end == GRANT_END_NONE) == (ended->ended_at == INSTANT_NONE));
		row->known.end = ended->end;
	}
}

void fake_rows_write(struct fake_world *world, const struct lane_work *work)
{
	write_accounts(world, work);
	write_reversals(world, work);
	write_entries(world, work);
	write_receipts(world, work);
	write_grants(world, work);
}
