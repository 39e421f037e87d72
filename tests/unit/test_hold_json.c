/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a hold's parts survive their column in every field and in their order, and broken books are noticed.
 * Method: exact text, random round trips, one malformed shape after the other, the text cut off at every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "drawdown/account.h"
#include "seed.h"

#include <cmocka.h>

#define PARTS_JSON                                                                                        \
	"[{\"grantId\":\"welcome \\\"2026\\\"\",\"amount\":\"99999999999999999999999999.999999999999\"}," \
	"{\"grantId\":\"b\",\"amount\":\"0.000000000001\"}]"

static void parts_are_written_and_read_field_by_field(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1024);
	struct hold_part parts[] = {{TEXT_LITERAL("welcome \"2026\""), CREDIT_MAX}, {TEXT_LITERAL("b"), 1}};
	struct hold hold = {.parts = parts, .parts_count = 2}, back = {.amount = 7};
	assert_true(text_equal(hold_format_parts(&hold, &arena), TEXT_LITERAL(PARTS_JSON)));
	assert_true(hold_parse_parts(&back, &arena, TEXT_LITERAL(PARTS_JSON)));
	assert_int_equal(back.parts_count, 2);
	assert_true(text_equal(back.parts[0].grant_id, parts[0].grant_id));
	assert_true(back.parts[0].amount == CREDIT_MAX);
	assert_true(text_equal(back.parts[1].grant_id, parts[1].grant_id));
	assert_true(back.parts[1].amount == 1);
	assert_true(back.amount == 7); /* the row's own column */

	hold.parts_count = 0;
	assert_true(text_equal(hold_format_parts(&hold, &arena), TEXT_LITERAL("[]")));
	assert_true(hold_parse_parts(&back, &arena, TEXT_LITERAL(" [ ] ")));
	assert_int_equal(back.parts_count, 0);
	assert_true(
		hold_parse_parts(&back, &arena, TEXT_LITERAL(" [ {\"amount\" : \"1.50\" ,\n\"grantId\":\"g\" } ]\t")));
	assert_true(back.parts[0].amount == CREDIT_ONE * 3 / 2);
	arena_release(&arena);
}

static void what_is_not_such_an_array_is_refused(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"",
		"null",
		"{}",
		"[{}]",
		"[,]",
		"[]]",
		"[] x",
		"[{\"grantId\":\"a\",\"amount\":\"1\"},]",
		"[{\"grantId\":\"a\",\"amount\":\"1\"} {\"grantId\":\"b\",\"amount\":\"1\"}]",
		"[{\"grantId\":\"a\"}]",
		"[{\"amount\":\"1\"}]",
		"[{\"grantId\":\"\",\"amount\":\"1\"}]",
		"[{\"grantId\":null,\"amount\":\"1\"}]",
		"[{\"grantId\":7,\"amount\":\"1\"}]",
		"[{\"grantId\":\"a\",\"amount\":1}]",
		"[{\"grantId\":\"a\",\"amount\":null}]",
		"[{\"grantId\":\"a\",\"amount\":\"0\"}]",
		"[{\"grantId\":\"a\",\"amount\":\"-1\"}]",
		"[{\"grantId\":\"a\",\"amount\":\"1e26\"}]",
		"[{\"grantId\":\"a\",\"amount\":\"0.0000000000001\"}]",
		"[{\"grantId\":\"a\",\"amount\":\"x\"}]",
		"[{\"grantId\":\"a\",\"amount\":\"1\",\"more\":1}]",
		"[{\"grantId\":\"a\",\"grantId\":\"b\",\"amount\":\"1\"}]",
		"[{\"grantId\":\"a\",\"amount\":\"1\",\"amount\":\"1\"}]",
		("[{\"grantId\":\"a\",\"amount\":\"1\"},{\"grantId\":\"b\",\"amount\":\"1\"},"
		 "{\"grantId\":\"a\",\"amount\":\"2\"}]"),
	};
	struct arena arena;
	arena_init(&arena, 1024);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct hold hold = {0};
		if (hold_parse_parts(&hold, &arena, text_of(cases[i])))
			print_error("taken: %s\n", cases[i]);
		assert_false(hold_parse_parts(&hold, &arena, text_of(cases[i])));
	}
	struct hold hold = {0};
	assert_false(hold_parse_parts(&hold, &arena, TEXT_NULL));
	arena_release(&arena);
}

static void a_text_cut_off_anywhere_is_refused(void **state)
{
	(void)state;
	struct text whole = TEXT_LITERAL(PARTS_JSON);
	struct arena arena;
	arena_init(&arena, 1024);
	for (size_t size = 0; size < whole.size; size++) {
		struct hold hold = {0};
		char *exact = malloc(size ? size : 1);
		assert_non_null(exact);
		memcpy(exact, whole.data, size);
		assert_false(hold_parse_parts(&hold, &arena, (struct text){exact, size}));
		free(exact);
	}
	arena_release(&arena);
}

static void random_parts_survive_in_their_order(void **state)
{
	(void)state;
	struct seed seed = seed_new(__func__);
	struct arena arena;
	arena_init(&arena, 64 * 1024);
	for (int round = 0; round < 300; round++) {
		struct hold_part parts[40];
		struct hold back = {0}, hold = {.parts = parts, .parts_count = seed_below(&seed, 40)};
		for (size_t i = 0; i < hold.parts_count; i++)
			parts[i] = (struct hold_part){
				.grant_id =
					arena_format(&arena, "g%llu\\\"%zu", (unsigned long long)seed_next(&seed), i),
				.amount = 1 + (credit_t)seed_next(&seed) * (credit_t)seed_below(&seed, 1000000),
			};
		assert_true(hold_parse_parts(&back, &arena, hold_format_parts(&hold, &arena)));
		assert_int_equal(back.parts_count, hold.parts_count);
		for (size_t i = 0; i < hold.parts_count; i++) {
			assert_true(text_equal(back.parts[i].grant_id, parts[i].grant_id));
			assert_true(back.parts[i].amount == parts[i].amount);
		}
		arena_reset(&arena);
	}
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_written_and_read_field_by_field),
		cmocka_unit_test(what_is_not_such_an_array_is_refused),
		cmocka_unit_test(a_text_cut_off_anywhere_is_refused),
		cmocka_unit_test(random_parts_survive_in_their_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
