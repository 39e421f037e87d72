/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reversal of a consumption: its debits, last first, go back to where they came
 * from (RULES.md 10).
 */
#include <assert.h>

#include "drawdown/rules.h"

/* What returns to which grant, each once. */
struct returns {
	struct arena *arena;
	struct debit *items;
	size_t count, capacity;
};

static void add_return(struct returns *returns, struct text grant_id, credit_t amount)
{
	for (size_t i = 0; i < returns->count; i++) {
		if (text_equal(returns->items[i].grant_id, grant_id)) {
			returns->items[i].amount += amount;
			return;
		}
	}
	if (returns->count == returns->capacity) {
		size_t capacity = returns->capacity ? returns->capacity * 2 : 8;
		struct debit *grown = arena_alloc_array(returns->arena, capacity, sizeof *grown);
		if (returns->count)
			memcpy(grown, returns->items, returns->count * sizeof *grown);
		returns->items = grown;
		returns->capacity = capacity;
	}
	returns->items[returns->count++] = (struct debit){grant_id, amount};
}

static bool is_of_overdraft(struct text grant_id)
{
	const struct text prefix = TEXT_LITERAL("overdraft:");
	return grant_id.size >= prefix.size && memcmp(grant_id.data, prefix.data, prefix.size) == 0;
}

/* What this work wrote for the key itself: its debits stand among its own entries. */
static void load_own_debits(struct occasion *occasion, const struct key_slot *slot)
{
	struct lane_work *work = occasion->work;
	struct consumption *consumption = slot->consumption;

	assert(slot->receipt >= work->receipts && slot->receipt < work->receipts + work->receipts_count);
	const size_t count = (size_t)(slot->receipt->last_seq - slot->receipt->first_seq + 1);
	consumption->is_loaded = true;
	consumption->debits = arena_alloc_array(&work->arena, count, sizeof *consumption->debits);
	for (size_t i = 0; i < count; i++) {
		const struct ledger_entry *entry = &work->entries[slot->first_entry + i];
		if (entry->event_type == LEDGER_CREDITS_CONSUMED)
			consumption->debits[consumption->debits_count++] =
				(struct debit){entry->grant_id, -entry->amount};
	}
}

/* The consumption of this account that the event names, as long as receipts prove it. */
static struct consumption *find_consumption(struct occasion *occasion)
{
	const struct record *record = occasion->record;
	const struct key_slot *slot = record->reversed_slot;
	const struct receipt *receipt = slot->receipt;
	const struct account_key *key = &occasion->account->key;

	if (!receipt || (receipt->kind != EVENT_CONSUME && receipt->kind != EVENT_SETTLE) ||
		receipt->outcome == RESULT_REJECTED || !text_equal(receipt->currency_id, key->currency_id) ||
		!text_equal(receipt->resource_id, key->resource_id) ||
		receipt->source.timestamp < record->source.timestamp - occasion->rules->dedupe_window)
		return NULL;
	/* What took nothing, be it by this work or recorded before, has no debits. */
	if (!slot->consumption->is_loaded && receipt->applied_amount > 0)
		load_own_debits(occasion, slot);
	return slot->consumption;
}

/* Into the overdraft while it is open; what was settled of it since, to those who settled it. */
static void return_to_overdraft(struct occasion *occasion, struct returns *returns, struct text id, credit_t amount)
{
	const struct grant *overdraft = account_overdraft(occasion->account);

	if (overdraft && text_equal(overdraft->grant_id, id)) {
		credit_t open = amount < -overdraft->remaining ? amount : -overdraft->remaining;
		add_return(returns, id, open);
		amount -= open;
	}
	for (struct transfer *transfer = occasion->account->transfers; transfer && amount > 0;
		transfer = transfer->older) {
		credit_t left = transfer->amount - transfer->returned;
		if (left == 0 || !text_equal(transfer->overdraft_id, id))
			continue;
		credit_t back = amount < left ? amount : left;
		transfer->returned += back;
		transfer->changed = true;
		add_return(returns, transfer->grant_id, back);
		amount -= back;
	}
	assert(amount == 0);
}

/* The last debits first, without what was reversed of them before. */
static void plan_returns(
	struct occasion *occasion, const struct consumption *consumption, credit_t amount, struct returns *returns)
{
	credit_t skip = consumption->reversed;

	for (size_t i = consumption->debits_count; i-- > 0 && amount > 0;) {
		const struct debit *debit = &consumption->debits[i];
		if (skip >= debit->amount) {
			skip -= debit->amount;
			continue;
		}
		credit_t back = debit->amount - skip;
		skip = 0;
		if (back > amount)
			back = amount;
		amount -= back;
		if (is_of_overdraft(debit->grant_id))
			return_to_overdraft(occasion, returns, debit->grant_id, back);
		else
			add_return(returns, debit->grant_id, back);
	}
	assert(amount == 0);
}

static void give_back(struct occasion *occasion, const struct returns *returns)
{
	struct account *account = occasion->account;

	for (size_t i = 0; i < returns->count; i++) {
		const struct debit *item = &returns->items[i];
		bool is_overdraft = is_of_overdraft(item->grant_id);
		struct grant *grant =
			is_overdraft ? account_overdraft(account) : grant_reopen(occasion, item->grant_id);
		ledger_write(occasion, LEDGER_CREDITS_REVERSED, grant, item->amount);
		if (is_overdraft && grant->remaining == 0)
			grant_retire(occasion, grant);
	}
	for (size_t i = 0; i < returns->count; i++)
		if (!is_of_overdraft(returns->items[i].grant_id))
			overdraft_settle(occasion, returns->items[i].grant_id);
}

enum reject_code reverse_consumption(struct occasion *occasion, credit_t *ret_applied)
{
	struct consumption *consumption = find_consumption(occasion);
	struct returns returns = {.arena = &occasion->work->arena};
	credit_t left = 0;

	if (!consumption)
		return REJECT_UNKNOWN_KEY;
	for (size_t i = 0; i < consumption->debits_count; i++)
		left += consumption->debits[i].amount;
	left -= consumption->reversed;
	credit_t amount = occasion->record->event.amount ? occasion->record->event.amount : left;
	if (left == 0)
		return REJECT_ALREADY_REVERSED;
	if (amount > left)
		return REJECT_EXCEEDS_CONSUMPTION;

	plan_returns(occasion, consumption, amount, &returns);
	give_back(occasion, &returns);
	consumption->reversed += amount;
	consumption->changed = true;
	occasion->account->consumed -= amount;
	*ret_applied = amount;
	return REJECT_NONE;
}
