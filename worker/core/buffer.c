/* SPDX-License-Identifier: Apache-2.0 */
#include "buffer.h"

void buffer_grow(struct buffer *buffer, size_t size)
{
	size_t capacity = (buffer->size + size) * 2;
	char *grown = arena_alloc(buffer->arena, capacity);

	memcpy(grown, buffer->data, buffer->size);
	buffer->data = grown;
	buffer->capacity = capacity;
}
