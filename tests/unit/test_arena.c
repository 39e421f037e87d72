/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: pieces of memory are apart, aligned, stable until the reset, and steady work allocates nothing anew.
 * Method: random sizes around a block's, each piece filled with a byte of its own and checked at the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drawdown/arena.h"
#include "seed.h"

#define BLOCK_SIZE 1024
#define PIECES 500

static void pieces_are_aligned_and_apart(void **state)
{
	(void)state;
	struct seed seed = seed_new(__func__);
	struct arena arena;
	arena_init(&arena, BLOCK_SIZE);
	for (int round = 0; round < 5; round++) {
		unsigned char *pieces[PIECES];
		size_t sizes[PIECES];
		for (size_t i = 0; i < PIECES; i++) {
			sizes[i] = seed_below(&seed, seed_below(&seed, 20) ? 100 : 4 * BLOCK_SIZE);
			pieces[i] = arena_alloc(&arena, sizes[i]);
			assert_int_equal((uintptr_t)pieces[i] % 16, 0);
			memset(pieces[i], (int)(i & 0xff), sizes[i]);
		}
		for (size_t i = 0; i < PIECES; i++)
			for (size_t at = 0; at < sizes[i]; at++)
				assert_int_equal(pieces[i][at], i & 0xff);
		arena_reset(&arena);
		assert_int_equal(arena.used_size, 0);
	}
	arena_release(&arena);
}

static void a_reset_keeps_the_blocks(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, BLOCK_SIZE);
	void *first = arena_alloc(&arena, 100);
	void *others[20];
	for (size_t i = 0; i < 20; i++)
		others[i] = arena_alloc(&arena, 500);
	arena_reset(&arena);
	assert_ptr_equal(arena_alloc(&arena, 100), first);
	for (size_t i = 0; i < 20; i++)
		assert_ptr_equal(arena_alloc(&arena, 500), others[i]);
	arena_release(&arena);
}

static void a_reset_keeps_large_pieces_too(void **state)
{
	(void)state;
	struct arena arena;
	void *pieces[3];
	arena_init(&arena, BLOCK_SIZE);
	for (size_t i = 0; i < 3; i++)
		pieces[i] = arena_alloc(&arena, (i + 2) * BLOCK_SIZE - 50);
	for (size_t round = 0; round < 100; round++) {
		arena_reset(&arena);
		for (size_t i = 3; i-- > 0;) /* a little more or less, and in another order */
			assert_ptr_equal(arena_alloc(&arena, (i + 2) * BLOCK_SIZE - 20 - round), pieces[i]);
	}
	arena_release(&arena);
}

static size_t count_large_blocks(const struct arena *arena)
{
	size_t count = 0;
	/* the first field of a block is the next one */
	for (void *const *block = (void *const *)arena->large; block; block = *block)
		count++;
	return count;
}

static void a_large_piece_that_was_needed_once_is_given_back(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, BLOCK_SIZE);
	(void)arena_alloc(&arena, 3 * BLOCK_SIZE);
	(void)arena_alloc(&arena, 9 * BLOCK_SIZE);
	assert_int_equal(count_large_blocks(&arena), 2);
	for (size_t i = 0; i < 100; i++) {
		arena_reset(&arena);
		(void)arena_alloc(&arena, 3 * BLOCK_SIZE);
	}
	assert_int_equal(count_large_blocks(&arena), 1);
	arena_release(&arena);
}

static void zeroed_arrays_are_zero_after_a_reset(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, BLOCK_SIZE);
	memset(arena_alloc(&arena, 400), 0xff, 400);
	arena_reset(&arena);
	const unsigned char *zeros = arena_zero_array(&arena, 100, 4);
	for (size_t i = 0; i < 400; i++)
		assert_int_equal(zeros[i], 0);
	arena_release(&arena);
}

static void copies_keep_absent_apart_from_empty(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, BLOCK_SIZE);
	assert_null(arena_copy(&arena, TEXT_NULL).data);
	struct text empty = arena_copy(&arena, TEXT_LITERAL(""));
	assert_non_null(empty.data);
	assert_int_equal(empty.size, 0);
	assert_true(text_equal(arena_copy(&arena, TEXT_LITERAL("abc")), TEXT_LITERAL("abc")));
	arena_release(&arena);
}

static void formats_grow_with_their_text(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, BLOCK_SIZE);
	assert_true(text_equal(arena_format(&arena, "%s/%d", "a", 7), TEXT_LITERAL("a/7")));
	assert_int_equal(arena_format(&arena, "%5000d", 1).size, 5000);
	arena_release(&arena);
}

static void a_release_may_come_twice(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, BLOCK_SIZE);
	(void)arena_alloc(&arena, 10);
	arena_release(&arena);
	arena_release(&arena);
	arena_release(NULL);
	(void)arena_alloc(&arena, 10);
	arena_release(&arena);
}

static void arenas_of_a_pool_use_each_others_blocks(void **state)
{
	(void)state;
	struct arena_pool *pool = arena_pool_new();
	struct arena arenas[2];
	void *first, *large;
	for (size_t i = 0; i < 2; i++) {
		arena_init(&arenas[i], BLOCK_SIZE);
		arena_use_pool(&arenas[i], pool);
	}
	first = arena_alloc(&arenas[0], 100);
	large = arena_alloc(&arenas[0], 5 * BLOCK_SIZE);
	assert_ptr_not_equal(arena_alloc(&arenas[1], 100), first);
	arena_reset(&arenas[0]);
	assert_int_equal(arenas[0].used_size, 0);
	assert_ptr_equal(arena_alloc(&arenas[1], 6 * BLOCK_SIZE), large);
	for (size_t i = 0; i < 2; i++)
		arena_release(&arenas[i]);
	arena_pool_free(pool);
}

static void arenas_of_a_pool_keep_pieces_apart(void **state)
{
	(void)state;
	struct seed seed = seed_new(__func__);
	struct arena_pool *pool = arena_pool_new();
	struct arena arenas[3];
	unsigned char *pieces[PIECES];
	size_t sizes[PIECES];
	for (size_t i = 0; i < 3; i++) {
		arena_init(&arenas[i], BLOCK_SIZE);
		arena_use_pool(&arenas[i], pool);
	}
	for (size_t round = 0; round < 9; round++) {
		/* the other two are as earlier rounds left them */
		arena_reset(&arenas[round % 3]);
		for (size_t i = round % 3; i < PIECES; i += 3) {
			sizes[i] = seed_below(&seed, seed_below(&seed, 20) ? 100 : 9 * BLOCK_SIZE);
			pieces[i] = arena_alloc(&arenas[round % 3], sizes[i]);
			memset(pieces[i], (int)(i & 0xff), sizes[i]);
		}
		for (size_t i = 0; i < PIECES; i++)
			for (size_t at = 0; i % 3 <= round && at < sizes[i]; at++)
				assert_int_equal(pieces[i][at], i & 0xff);
	}
	for (size_t i = 0; i < 3; i++)
		arena_release(&arenas[i]);
	arena_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_aligned_and_apart),
		cmocka_unit_test(a_reset_keeps_the_blocks),
		cmocka_unit_test(a_reset_keeps_large_pieces_too),
		cmocka_unit_test(a_large_piece_that_was_needed_once_is_given_back),
		cmocka_unit_test(zeroed_arrays_are_zero_after_a_reset),
		cmocka_unit_test(copies_keep_absent_apart_from_empty),
		cmocka_unit_test(formats_grow_with_their_text),
		cmocka_unit_test(a_release_may_come_twice),
		cmocka_unit_test(arenas_of_a_pool_use_each_others_blocks),
		cmocka_unit_test(arenas_of_a_pool_keep_pieces_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
