/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that lives and dies together (a batch, a lane's work, a call).
 * Not thread-safe: one owner at a time. Blocks are kept over a reset, so that
 * steady work takes nothing from the heap. An arena never returns NULL: out of memory
 * aborts (a replay is safe).
 */
#ifndef DRAWDOWN_ARENA_H
#define DRAWDOWN_ARENA_H

#include <stddef.h>

#include "drawdown/text.h"

struct arena_block;

/* Blocks that no arena of several has in use. Thread-safe; it never shrinks, so what it holds is what its arenas
 * needed at one time. */
struct arena_pool;

struct arena {
	struct arena_block *first;
	struct arena_block *current;
	struct arena_block *large; /* for what is larger than a block, one each */
	size_t block_size;	   /* bytes of an ordinary block */
	size_t used_size;	   /* bytes handed out since the last reset */
	struct arena_pool *pool;   /* NULL: it keeps its blocks for itself */
};

struct arena_pool *arena_pool_new(void);
/* After its arenas are released. */
void arena_pool_free(struct arena_pool *pool);
/* For an arena that has nothing yet: take blocks from the pool, and give them back at each reset. */
void arena_use_pool(struct arena *arena, struct arena_pool *pool);

void arena_init(struct arena *arena, size_t block_size);
void arena_release(struct arena *arena);
/* Forget all that was handed out. Keeps the blocks; large ones go when many resets have found them unused. Poisons
 * under ASan. */
void arena_reset(struct arena *arena);

/* Uninitialised, aligned to 16 bytes. Aborts on overflow of count * size. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_alloc_array(struct arena *arena, size_t count, size_t size);
/* The same, zeroed. */
void *arena_zero_array(struct arena *arena, size_t count, size_t size);
/* A copy; an absent text stays absent. */
struct text arena_copy(struct arena *arena, struct text text);
__attribute__((format(printf, 2, 3))) struct text arena_format(struct arena *arena, const char *format, ...);

#endif
