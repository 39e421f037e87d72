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

instant_t grant_due(const struct grant *grant, int64_t expiry_grace)
{
	if (grant->status == GRANT_SCHEDULED)
		return grant->effective_at;
	if (grant->expire_at == INSTANT_NONE)
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
}
