/* SPDX-License-Identifier: Apache-2.0 */
#include "json_parse.h"

#include <stdalign.h>
#include <stdint.h>

#define SCRATCH_SIZE 4096 /* what yajl needs for all but long strings with escapes */

/* Freed all at once, when the parse is over. */
struct scratch {
	struct arena *arena;
	size_t used;
	alignas(16) unsigned char bytes[SCRATCH_SIZE];
};

/* Before each piece of memory, for realloc. */
struct piece {
	alignas(16) size_t size;
};

static void *scratch_malloc(void *context, size_t size)
{
	struct scratch *scratch = context;
	size_t taken = sizeof(struct piece) + (size + 15) / 16 * 16;
	struct piece *piece;
	if (taken <= SCRATCH_SIZE - scratch->used) {
		piece = (struct piece *)(void *)(scratch->bytes + scratch->used);
		scratch->used += taken;
	} else {
		piece = arena_alloc(scratch->arena, taken);
	}
	piece->size = size;
	return piece + 1;
}

static void *scratch_realloc(void *context, void *memory, size_t size)
{
	if (!memory)
		return scratch_malloc(context, size);
	size_t old_size = ((struct piece *)memory - 1)->size;
	if (size <= old_size)
		return memory;
	void *grown = scratch_malloc(context, size);
	memcpy(grown, memory, old_size);
	return grown;
}

static void scratch_free(void *context, void *memory)
{
	(void)context;
	(void)memory;
}

static int hex_digit(char character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	character |= 0x20;
	return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

/* The code unit of a \uXXXX whose hex digits begin at `at`, or -1. */
static int code_unit(struct text json, size_t at)
{
	int unit = 0;
	if (json.size < 4 || at > json.size - 4)
		return -1;
	for (size_t i = at; i < at + 4; i++) {
		int digit = hex_digit(json.data[i]);
		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

/* yajl puts '?' for half a surrogate pair, which would make different texts equal. */
static bool surrogates_are_paired(struct text json)
{
	const char *found;
	for (size_t at = 0; at < json.size && (found = memchr(json.data + at, '\\', json.size - at));) {
		at = (size_t)(found - json.data) + 2;
		if (at > json.size || json.data[at - 1] != 'u')
			continue;
		int unit = code_unit(json, at);
		if (unit < 0xd800 || unit > 0xdfff)
			continue;
		bool is_pair =
			unit < 0xdc00 && at + 6 <= json.size && json.data[at + 4] == '\\' && json.data[at + 5] == 'u';
		int second = is_pair ? code_unit(json, at + 6) : -1;
		if (second < 0xdc00 || second > 0xdfff)
			return false;
		at += 10;
	}
	return true;
}

static bool is_white(struct text text)
{
	for (size_t i = 0; i < text.size; i++)
		if (!memchr(" \t\r\n", text.data[i], 4))
			return false;
	return true;
}

/* yajl takes two more control characters for white space than JSON does. */
static const char *find_false_white(struct text json)
{
	const char *found = memchr(json.data, '\v', json.size);
	return found ? found : memchr(json.data, '\f', json.size);
}

enum json_parsed json_parse(
	struct text json, const yajl_callbacks *callbacks, void *context, struct arena *arena, size_t *ret_offset)
{
	struct scratch scratch;
	scratch.arena = arena;
	scratch.used = 0;
	yajl_alloc_funcs functions = {scratch_malloc, scratch_realloc, scratch_free, &scratch};
	*ret_offset = 0;
	if (!text_is_storable(json))
		return JSON_NOT_UTF8;
	if (!surrogates_are_paired(json))
		return JSON_MALFORMED;
	const char *false_white = find_false_white(json);
	if (false_white) {
		*ret_offset = (size_t)(false_white - json.data);
		return JSON_MALFORMED;
	}

	yajl_handle handle = yajl_alloc(callbacks, &functions, context);
	(void)yajl_config(handle, yajl_dont_validate_strings, 1); /* text_is_storable has */
	/* what it would look at behind the value itself may be the beginning of a string or a word */
	(void)yajl_config(handle, yajl_allow_trailing_garbage, 1);
	yajl_status status = yajl_parse(handle, (const unsigned char *)json.data, json.size);
	size_t consumed = *ret_offset = yajl_get_bytes_consumed(handle);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(handle);
	yajl_free(handle);
	if (status == yajl_status_ok)
		return is_white((struct text){json.data + consumed, json.size - consumed}) ? JSON_PARSED
											   : JSON_MALFORMED;
	return status == yajl_status_client_canceled ? JSON_CANCELLED : JSON_MALFORMED;
}
