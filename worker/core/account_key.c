/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/account.h"

static int compare_optional(struct text a, struct text b)
{
	if (!a.data || !b.data)
		return (a.data != NULL) - (b.data != NULL);
	return text_compare(a, b);
}

int account_key_compare(const struct account_key *a, const struct account_key *b)
{
	int order = text_compare(a->customer_id, b->customer_id);
	if (order == 0)
		order = text_compare(a->currency_id, b->currency_id);
	return order ? order : compare_optional(a->resource_id, b->resource_id);
}

bool account_key_equal(const struct account_key *a, const struct account_key *b)
{
	return text_equal(a->customer_id, b->customer_id) && text_equal(a->currency_id, b->currency_id) &&
	       compare_optional(a->resource_id, b->resource_id) == 0;
}

struct text account_key_format(const struct account_key *key, struct arena *arena)
{
	struct text customer = key->customer_id, currency = key->currency_id, resource = key->resource_id;
	size_t size = customer.size + 1 + currency.size + (resource.data ? 1 + resource.size : 0);
	char *text = arena_alloc(arena, size);
	char *at = text;
	memcpy(at, customer.data, customer.size);
	at += customer.size;
	*at++ = '/';
	memcpy(at, currency.data, currency.size);
	at += currency.size;
	if (resource.data) {
		*at++ = '/';
		memcpy(at, resource.data, resource.size);
	}
	return (struct text){text, size};
}
