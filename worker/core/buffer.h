/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes being written whose number is not yet known: on the stack while they
 * are few, in the arena beyond that. buffer_finish gives an exact copy.
 */
#ifndef DRAWDOWN_CORE_BUFFER_H
#define DRAWDOWN_CORE_BUFFER_H

#include <stddef.h>
#include <string.h>

#include "drawdown/arena.h"
#include "drawdown/text.h"

struct buffer {
	struct arena *arena;
	char *data;
	size_t size;
	size_t capacity;
	char initial[2048];
};

static inline void buffer_init(struct buffer *buffer, struct arena *arena)
{
	buffer->arena = arena;
	buffer->data = buffer->initial;
	buffer->size = 0;
	buffer->capacity = sizeof buffer->initial;
}

void buffer_grow(struct buffer *buffer, size_t size);

/* Room for `size` more bytes; what is written there counts once `size` is raised. */
static inline char *buffer_reserve(struct buffer *buffer, size_t size)
{
	if (__builtin_expect(buffer->capacity - buffer->size < size, 0))
		buffer_grow(buffer, size);
	return buffer->data + buffer->size;
}

static inline void buffer_put(struct buffer *buffer, const void *data, size_t size)
{
	if (size == 0)
		return;
	memcpy(buffer_reserve(buffer, size), data, size);
	buffer->size += size;
}

static inline void buffer_put_text(struct buffer *buffer, struct text text)
{
	buffer_put(buffer, text.data, text.size);
}

static inline void buffer_put_byte(struct buffer *buffer, char byte)
{
	*buffer_reserve(buffer, 1) = byte;
	buffer->size++;
}

static inline struct text buffer_finish(struct buffer *buffer)
{
	return arena_copy(buffer->arena, (struct text){buffer->data, buffer->size});
}

#endif
