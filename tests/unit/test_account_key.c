/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: accounts have one order, in which all lock, and one text.
 * Method: a list in the right order, every pair compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drawdown/account.h"

static void accounts_are_ordered_by_bytes_with_the_unscoped_first(void **state)
{
	(void)state;
	static const struct account_key ordered[] = {
		{{"A", 1}, {"x", 1}, {NULL, 0}},
		{{"Z", 1}, {"x", 1}, {NULL, 0}},
		{{"a", 1}, {"x", 1}, {NULL, 0}},
		{{"a", 1}, {"x", 1}, {"A", 1}},
		{{"a", 1}, {"x", 1}, {"AA", 2}},
		{{"a", 1}, {"x", 1}, {"B", 1}},
		{{"a", 1}, {"xy", 2}, {NULL, 0}},
		{{"a", 1}, {"y", 1}, {NULL, 0}},
		{{"a-", 2}, {"x", 1}, {NULL, 0}},
		{{"ab", 2}, {"a", 1}, {NULL, 0}},
	};
	const int count = sizeof ordered / sizeof ordered[0];
	for (int a = 0; a < count; a++) {
		for (int b = 0; b < count; b++) {
			int order = account_key_compare(&ordered[a], &ordered[b]);
			assert_int_equal((order > 0) - (order < 0), (a > b) - (a < b));
			assert_int_equal(account_key_equal(&ordered[a], &ordered[b]), a == b);
		}
	}
}

static void the_text_of_an_account_names_its_parts(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1024);
	const struct account_key unscoped = {TEXT_LITERAL("acme"), TEXT_LITERAL("ai-tokens"), TEXT_NULL};
	const struct account_key scoped = {TEXT_LITERAL("acme"), TEXT_LITERAL("ai-tokens"), TEXT_LITERAL("pool")};
	assert_true(text_equal(account_key_format(&unscoped, &arena), TEXT_LITERAL("acme/ai-tokens")));
	assert_true(text_equal(account_key_format(&scoped, &arena), TEXT_LITERAL("acme/ai-tokens/pool")));
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accounts_are_ordered_by_bytes_with_the_unscoped_first),
		cmocka_unit_test(the_text_of_an_account_names_its_parts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
