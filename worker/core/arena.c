/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/arena.h"

#include <assert.h>
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

struct arena_block {
	struct arena_block *next;
	size_t capacity;
	size_t used;
	size_t unused; /* keeps `bytes` aligned */
	unsigned char bytes[];
};

static _Noreturn void die(const char *why, size_t size)
{
	(void)fprintf(stderr, "arena: %s: %zu bytes\n", why, size);
	abort();
}

static struct arena_block *block_new(size_t capacity)
{
	struct arena_block *block = malloc(sizeof *block + capacity);
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

void arena_release(struct arena *arena)
{
	if (!arena)
		return;
	for (struct arena_block *block = arena->first; block;) {
		struct arena_block *next = block->next;
		block_free(block);
		block = next;
	}
	*arena = (struct arena){.block_size = arena->block_size};
}

void arena_reset(struct arena *arena)
{
	struct arena_block **link = &arena->first;
	while (*link) {
		struct arena_block *block = *link;
		if (block->capacity > arena->block_size) {
			*link = block->next;
			block_free(block);
			continue;
		}
		block->used = 0;
		POISON(block->bytes, block->capacity);
		link = &block->next;
	}
	arena->current = arena->first;
	arena->used_size = 0;
}

static void insert_after_current(struct arena *arena, struct arena_block *block)
{
	struct arena_block **link = arena->current ? &arena->current->next : &arena->first;
	block->next = *link;
	*link = block;
}

/* Blocks behind `current` are empty or oversized (and full). */
static struct arena_block *block_with_room(struct arena *arena, size_t size)
{
	if (size > arena->block_size) {
		struct arena_block *block = block_new(size);
		insert_after_current(arena, block);
		return block;
	}
	struct arena_block *block = arena->current ? arena->current->next : arena->first;
	while (block && block->capacity > arena->block_size)
		block = block->next;
	if (!block) {
		block = block_new(arena->block_size);
		insert_after_current(arena, block);
	}
	arena->current = block;
	return block;
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
