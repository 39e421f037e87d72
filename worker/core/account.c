/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/account.h"

#include <assert.h>

static int compare_integers(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* "Never" comes after every time. */
static int64_t expiry_rank(const struct grant *grant)
{
	return grant->expire_at == INSTANT_NONE ? INT64_MAX : grant->expire_at;
}

int grant_compare_burn(const struct grant *a, const struct grant *b)
{
	int order = compare_integers(a->grant_type == GRANT_OVERDRAFT, b->grant_type == GRANT_OVERDRAFT);
	if (order == 0)
		order = compare_integers(a->priority, b->priority);
	if (order == 0)
		order = compare_integers(expiry_rank(a), expiry_rank(b));
	if (order == 0)
		order = compare_integers(a->grant_type, b->grant_type);
	if (order == 0)
		order = compare_integers(a->effective_at, b->effective_at);
	if (order == 0)
		order = compare_integers(a->created_at, b->created_at);
	if (order == 0)
		order = compare_integers(a->ordinal, b->ordinal);
	return order ? order : text_compare(a->grant_id, b->grant_id);
}

static void reserve_grant(struct account *account, struct arena *arena)
{
	if (account->grants_count < account->grants_capacity)
		return;
	size_t capacity = account->grants_capacity ? account->grants_capacity * 2 : 4;
	struct grant *grants = arena_alloc_array(arena, capacity, sizeof *grants);
	if (account->grants_count)
		memcpy(grants, account->grants, account->grants_count * sizeof *grants);
	account->grants = grants;
	account->grants_capacity = capacity;
}

struct grant *account_insert_grant(struct account *account, struct arena *arena, const struct grant *grant)
{
	reserve_grant(account, arena);
	size_t index = account->grants_count;
	while (index > 0 && grant_compare_burn(grant, &account->grants[index - 1]) < 0)
		index--;
	memmove(&account->grants[index + 1], &account->grants[index],
		(account->grants_count - index) * sizeof *account->grants);
	account->grants[index] = *grant;
	account->grants_count++;
	account_find_next_due(account);
	return &account->grants[index];
}

void account_remove_grant(struct account *account, size_t index)
{
	assert(index < account->grants_count);
	account->grants_count--;
	memmove(&account->grants[index], &account->grants[index + 1],
		(account->grants_count - index) * sizeof *account->grants);
	account_find_next_due(account);
}

struct grant *account_find_grant(struct account *account, struct text grant_id)
{
	for (size_t i = 0; i < account->grants_count; i++)
		if (text_equal(account->grants[i].grant_id, grant_id))
			return &account->grants[i];
	return NULL;
}

struct grant *account_overdraft(struct account *account)
{
	if (account->grants_count == 0)
		return NULL;
	struct grant *last = &account->grants[account->grants_count - 1];
	return last->grant_type == GRANT_OVERDRAFT ? last : NULL;
}

static int compare_ends(const struct hold *a, const struct hold *b)
{
	int order = compare_integers(a->expires_at, b->expires_at);
	if (order == 0)
		order = compare_integers(a->created_at, b->created_at);
	return order ? order : compare_integers(a->ordinal, b->ordinal);
}

/* Where it stands among the open holds, or would. */
static size_t place_of_hold(const struct account *account, const struct hold *hold)
{
	size_t low = 0, high = account->holds_open_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare_ends(account->holds[middle], hold) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* It stands right behind the open ones and becomes one of them. */
static void put_among_open(struct account *account, struct hold *hold)
{
	size_t index = place_of_hold(account, hold);

	assert(account->holds[account->holds_open_count] == hold);
	memmove(&account->holds[index + 1], &account->holds[index],
		(account->holds_open_count - index) * sizeof(struct hold *));
	account->holds[index] = hold;
	account->holds_open_count++;
}

/* Right behind the open ones. */
static void take_from_open(struct account *account, struct hold *hold)
{
	size_t index = place_of_hold(account, hold);

	assert(index < account->holds_open_count && account->holds[index] == hold);
	account->holds_open_count--;
	memmove(&account->holds[index], &account->holds[index + 1],
		(account->holds_open_count - index) * sizeof(struct hold *));
	account->holds[account->holds_open_count] = hold;
}

void account_add_hold(struct account *account, struct arena *arena, struct hold *hold)
{
	if (account->holds_count == account->holds_capacity) {
		size_t capacity = account->holds_capacity ? account->holds_capacity * 2 : 4;
		struct hold **holds = arena_alloc_array(arena, capacity, sizeof *holds);
		if (account->holds_count)
			memcpy(holds, account->holds, account->holds_count * sizeof *holds);
		account->holds = holds;
		account->holds_capacity = capacity;
	}
	if (hold->state != HOLD_OPEN) {
		account->holds[account->holds_count++] = hold;
		return;
	}
	/* The first closed one makes room. */
	account->holds[account->holds_count++] = account->holds[account->holds_open_count];
	account->holds[account->holds_open_count] = hold;
	put_among_open(account, hold);
}

void account_move_hold(struct account *account, struct hold *hold, instant_t expires_at)
{
	take_from_open(account, hold);
	hold->expires_at = expires_at;
	hold->changed = true;
	put_among_open(account, hold);
	account_find_next_due(account);
}

void account_close_hold(struct account *account, struct hold *hold, enum hold_state state)
{
	take_from_open(account, hold);
	hold->state = state;
	hold->closed_at = account->clock;
	hold->changed = true;
	account_find_next_due(account);
}

struct hold *account_find_hold(const struct account *account, struct text reservation_id)
{
	for (size_t i = 0; i < account->holds_count; i++)
		if (text_equal(account->holds[i]->reservation_id, reservation_id))
			return account->holds[i];
	return NULL;
}

static bool is_posted(const struct grant *grant)
{
	return grant->status == GRANT_ACTIVE || grant->status == GRANT_EXPIRED || grant->status == GRANT_VOIDED;
}

/* Parts and grants both stand in burn order, which never changes: one walk finds them all. */
static bool apply_hold(struct account *account, const struct hold *hold)
{
	credit_t sum = 0;
	size_t index = 0;

	for (size_t i = 0; i < hold->parts_count; i++) {
		const struct hold_part *part = &hold->parts[i];
		while (index < account->grants_count && !text_equal(account->grants[index].grant_id, part->grant_id))
			index++;
		if (index == account->grants_count)
			return false;
		struct grant *grant = &account->grants[index++];
		if (!is_posted(grant) || grant->grant_type == GRANT_OVERDRAFT || part->amount <= 0 ||
			!credit_add(grant->held, part->amount, &grant->held) || grant->held > grant->remaining ||
			!credit_add(sum, part->amount, &sum))
			return false;
	}
	return sum == hold->amount;
}

bool account_apply_holds(struct account *account)
{
	credit_t sum = 0;

	for (size_t i = 0; i < account->grants_count; i++)
		account->grants[i].held = 0;
	for (size_t i = 0; i < account->holds_open_count; i++) {
		const struct hold *hold = account->holds[i];
		if (!apply_hold(account, hold) || !credit_add(sum, hold->amount, &sum))
			return false;
	}
	return sum == account->held;
}

enum over_limit account_over_limit(const struct account *account)
{
	return account->settings.has_over_limit ? account->settings.over_limit : account->currency->over_limit;
}

bool account_overdraft_limit(const struct account *account, credit_t *ret_limit)
{
	const struct account_settings *own = &account->settings;
	*ret_limit = own->has_overdraft_limit ? own->overdraft_limit : account->currency->overdraft_limit;
	return own->has_overdraft_limit || account->currency->has_overdraft_limit;
}

struct thresholds account_thresholds(const struct account *account)
{
	return account->settings.has_thresholds ? account->settings.thresholds : account->currency->thresholds;
}

instant_t grant_due(const struct grant *grant, int64_t expiry_grace)
{
	if (grant->status == GRANT_SCHEDULED)
		return grant->effective_at;
	if (grant->expire_at == INSTANT_NONE || grant->status == GRANT_EXPIRED || grant->status == GRANT_VOIDED)
		return INT64_MAX;
	return grant->expire_at + expiry_grace;
}

void account_find_next_due(struct account *account)
{
	account->next_due = INT64_MAX;
	if (!account->currency)
		return;
	for (size_t i = 0; i < account->grants_count; i++) {
		instant_t due = grant_due(&account->grants[i], account->currency->expiry_grace);
		if (due < account->next_due)
			account->next_due = due;
	}
	if (account->holds_open_count && account->holds[0]->expires_at < account->next_due)
		account->next_due = account->holds[0]->expires_at;
}
