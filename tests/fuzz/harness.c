/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "choices.h"
#include "fuzz.h"

#define MUTANTS_COUNT 48

uint64_t fuzz_decodes;

static void print_decodes(void)
{
	(void)fprintf(stderr, "decodes: %" PRIu64 "\n", fuzz_decodes);
}

__attribute__((constructor)) static void print_at_exit(void)
{
	(void)atexit(print_decodes);
}

static struct arena *fresh_arena(struct arena *arena)
{
	if (!arena->block_size)
		arena_init(arena, 8 * 1024); /* a reset poisons the blocks: small ones are fast */
	arena_reset(arena);
	return arena;
}

const struct fuzz_decoded *fuzz_decode(struct text bytes, fuzz_decode_function *decode, void *context)
{
	static struct arena arenas[2];
	static char *copies[2];
	static struct fuzz_decoded results[2];
	for (int i = 0; i < 2; i++) {
		struct fuzz_decoded *result = &results[i];
		struct arena *arena = fresh_arena(&arenas[i]);
		free(copies[i]);
		copies[i] = malloc(bytes.size);
		assert(copies[i] || bytes.size == 0);
		if (bytes.size)
			memcpy(copies[i], bytes.data, bytes.size);
		/* what is left over from the last one must not shine through */
		memset(result, i ? 0x5a : 0xa5, sizeof *result);
		result->is_event =
			decode(context, arena, (struct text){copies[i], bytes.size}, &result->event, &result->defect);
		assert(arena->used_size <= FUZZ_ARENA_SIZE_MAX(bytes.size));
		fuzz_decodes++;
	}
	assert(results[0].is_event == results[1].is_event);
	if (results[0].is_event) {
		event_check(&results[0].event);
		event_check_equal(&results[0].event, &results[1].event);
	} else {
		defect_check(&results[0].defect);
		assert(strcmp(results[0].defect.reason, results[1].defect.reason) == 0);
		assert(strcmp(results[0].defect.text, results[1].defect.text) == 0);
	}
	return &results[0];
}

/* Varints that hurt: -1, INT64_MIN, 2^62, 10^9, over-long ones, an index too high. */
static const struct text bad_varints[] = {
	TEXT_CONSTANT("\x01"),
	TEXT_CONSTANT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
	TEXT_CONSTANT("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
	TEXT_CONSTANT("\x80\xa8\xd6\xb9\x07"),
	TEXT_CONSTANT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
	TEXT_CONSTANT("\x80\x80\x00"),
	TEXT_CONSTANT("\x7e"),
	TEXT_CONSTANT("\x80\x80\x20"),
};
#define BAD_COUNT (sizeof bad_varints / sizeof bad_varints[0])

static size_t put_bad(char *at, uint64_t random)
{
	const struct text *bad = &bad_varints[random % BAD_COUNT];
	memcpy(at, bad->data, bad->size);
	return bad->size;
}

/* One or two changes; room for 32 bytes more than `bytes`. */
static struct text mutate(struct text bytes, char *copy, uint64_t *state)
{
	size_t size = bytes.size;
	memcpy(copy, bytes.data, size);
	for (unsigned changes = 1 + random_next(state) % 2; changes > 0 && size > 0; changes--) {
		size_t at = random_next(state) % size;
		switch (random_next(state) % 6) {
		case 0:
			copy[at] = (char)random_next(state);
			break;
		case 1:
			copy[at] = (char)(copy[at] ^ 1 << random_next(state) % 8);
			break;
		case 2: { /* in its place */
			char bad[16];
			size_t bad_size = put_bad(bad, random_next(state));
			memmove(copy + at + bad_size, copy + at + 1, size - at - 1);
			memcpy(copy + at, bad, bad_size);
			size += bad_size - 1;
			break;
		}
		case 3: /* one byte less */
			memmove(copy + at, copy + at + 1, size - at - 1);
			size--;
			break;
		case 4:
			size = at;
			break;
		default:
			copy[size++] = (char)random_next(state);
		}
	}
	return (struct text){copy, size};
}

void fuzz_decode_mutants(struct text bytes, fuzz_decode_function *decode, void *context)
{
	uint64_t state = bytes.size;
	for (size_t i = 0; i < bytes.size; i++)
		state = state * 31 + (uint8_t)bytes.data[i];
	char *copy = malloc(bytes.size + 32);
	assert(copy);
	for (int i = 0; i < MUTANTS_COUNT; i++)
		(void)fuzz_decode(mutate(bytes, copy, &state), decode, context);
	free(copy);
}
