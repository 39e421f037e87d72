/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/arena.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define ARENA_POISON 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define ARENA_POISON 1
#endif
#ifdef ARENA_POISON
#include <sanitizer/asan_interface.h>
#define POISON(address, size) ASAN_POISON_MEMORY_REGION(address, size)
#define UNPOISON(address, size) ASAN_UNPOISON_MEMORY_REGION(address, size)
#define GUARD_SIZE 16 /* between two allocations, so that an overrun is seen */
#else
#define POISON(address, size) ((void)0)
#define UNPOISON(address, size) ((void)0)
#define GUARD_SIZE 0
#endif

#define ALIGNMENT 16
#define IDLE_RESETS_MAX 64 /* an arena may be reset several times for one batch */

struct arena_block {
	struct arena_block *next;
	size_t capacity;
	size_t used;
	size_t idle_resets; /* of a large one: in a row, not used in between */
	unsigned char bytes[];
};

static _Noreturn void die(const char *why, size_t size)
{
	(void)fprintf(stderr, "arena: %s: %zu bytes\n", why, size);
	abort();
}

/* Blocks of a pool have sizes of powers of two, so that one serves again where about as much is needed. */
#define POOL_SIZES_COUNT 48

struct arena_pool {
	pthread_mutex_t mutex;
	struct arena_block *blocks[POOL_SIZES_COUNT]; /* by the logarithm of their size */
};

struct arena_pool *arena_pool_new(void)
{
	struct arena_pool *pool = calloc(1, sizeof *pool);
	if (!pool)
		die("out of memory", sizeof *pool);
	(void)pthread_mutex_init(&pool->mutex, NULL);
	return pool;
}

void arena_use_pool(struct arena *arena, struct arena_pool *pool)
{
	assert(!arena->first);
	arena->pool = pool;
	/* with its head, an ordinary block fills a power of two */
	arena->block_size -= sizeof(struct arena_block);
}

static unsigned logarithm_of(size_t size)
{
	return size <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(size - 1);
}

static struct arena_block *pool_take(struct arena_pool *pool, unsigned logarithm)
{
	assert(logarithm < POOL_SIZES_COUNT);
	(void)pthread_mutex_lock(&pool->mutex);
	struct arena_block *block = pool->blocks[logarithm];
	if (block)
		pool->blocks[logarithm] = block->next;
	(void)pthread_mutex_unlock(&pool->mutex);
	return block;
}

static void pool_give(struct arena_pool *pool, struct arena_block *block)
{
	unsigned logarithm = logarithm_of(sizeof *block + block->capacity);
	(void)pthread_mutex_lock(&pool->mutex);
	block->next = pool->blocks[logarithm];
	pool->blocks[logarithm] = block;
	(void)pthread_mutex_unlock(&pool->mutex);
}

static struct arena_block *block_new(struct arena_pool *pool, size_t capacity)
{
	unsigned logarithm = logarithm_of(sizeof(struct arena_block) + capacity);
	struct arena_block *block = pool ? pool_take(pool, logarithm) : NULL;
	if (pool)
		capacity = ((size_t)1 << logarithm) - sizeof *block;
	if (!block)
		block = malloc(sizeof *block + capacity);
	if (!block)
		die("out of memory", capacity);
	*block = (struct arena_block){.capacity = capacity};
	POISON(block->bytes, capacity);
	return block;
}

static void block_free(struct arena_block *block)
{
	UNPOISON(block->bytes, block->capacity);
	free(block);
}

void arena_init(struct arena *arena, size_t block_size)
{
	assert(block_size >= 256);
	*arena = (struct arena){.block_size = block_size};
}

static void free_all(struct arena_block *block)
{
	while (block) {
		struct arena_block *next = block->next;
		block_free(block);
		block = next;
	}
}

void arena_pool_free(struct arena_pool *pool)
{
	if (!pool)
		return;
	for (size_t i = 0; i < POOL_SIZES_COUNT; i++)
		free_all(pool->blocks[i]);
	(void)pthread_mutex_destroy(&pool->mutex);
	free(pool);
}

void arena_release(struct arena *arena)
{
	if (!arena)
		return;
	free_all(arena->first);
	free_all(arena->large);
	*arena = (struct arena){.block_size = arena->block_size, .pool = arena->pool};
}

static void give_all(struct arena_pool *pool, struct arena_block *block)
{
	while (block) {
		struct arena_block *next = block->next;
		POISON(block->bytes, block->capacity);
		pool_give(pool, block);
		block = next;
	}
}

static void empty(struct arena_block *block)
{
	block->used = 0;
	POISON(block->bytes, block->capacity);
}

static void reset_large(struct arena *arena)
{
	struct arena_block **link = &arena->large;
	while (*link) {
		struct arena_block *block = *link;
		block->idle_resets = block->used ? 0 : block->idle_resets + 1;
		if (block->idle_resets > IDLE_RESETS_MAX) {
			*link = block->next;
			block_free(block);
			continue;
		}
		empty(block);
		link = &block->next;
	}
}

void arena_reset(struct arena *arena)
{
	if (arena->pool) {
		give_all(arena->pool, arena->first);
		give_all(arena->pool, arena->large);
		arena->first = arena->large = NULL;
	}
	for (struct arena_block *block = arena->first; block; block = block->next)
		empty(block);
	reset_large(arena);
	arena->current = arena->first;
	arena->used_size = 0;
}

/* The smallest empty one that is large enough. Whole multiples of a block, so that about as much as last time finds
 * room where it was. */
static struct arena_block *large_block(struct arena *arena, size_t size)
{
	struct arena_block *best = NULL;
	for (struct arena_block *block = arena->large; block; block = block->next)
		if (!block->used && block->capacity >= size && (!best || block->capacity < best->capacity))
			best = block;
	if (!best) {
		size_t whole = (size + arena->block_size - 1) / arena->block_size * arena->block_size;
		best = block_new(arena->pool, arena->pool ? size : whole);
		best->next = arena->large;
		arena->large = best;
	}
	return best;
}

/* Blocks behind `current` are empty. */
static struct arena_block *block_with_room(struct arena *arena, size_t size)
{
	if (size > arena->block_size)
		return large_block(arena, size);
	struct arena_block **link = arena->current ? &arena->current->next : &arena->first;
	if (!*link)
		*link = block_new(arena->pool, arena->block_size);
	arena->current = *link;
	return *link;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	if (size > SIZE_MAX / 4)
		die("impossible size", size);
	size_t taken = ((size ? size : 1) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + GUARD_SIZE;
	struct arena_block *block = arena->current;
	if (!block || block->capacity - block->used < taken)
		block = block_with_room(arena, taken);
	void *memory = block->bytes + block->used;
	block->used += taken;
	arena->used_size += taken;
	UNPOISON(memory, size);
	return memory;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(count, size, &total))
		die("impossible count", count);
	return arena_alloc(arena, total);
}

void *arena_zero_array(struct arena *arena, size_t count, size_t size)
{
	void *memory = arena_alloc_array(arena, count, size);
	if (count > 0 && size > 0)
		memset(memory, 0, count * size);
	return memory;
}

struct text arena_copy(struct arena *arena, struct text text)
{
	if (!text.data)
		return TEXT_NULL;
	char *copy = arena_alloc(arena, text.size);
	if (text.size)
		memcpy(copy, text.data, text.size);
	return (struct text){copy, text.size};
}

struct text arena_format(struct arena *arena, const char *format, ...)
{
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
		die("bad format", 0);
	size_t size = (size_t)length;
	char *text = arena_alloc(arena, size + 1);
	(void)vsnprintf(text, size + 1, format, again);
	va_end(again);
	return (struct text){text, size};
}
