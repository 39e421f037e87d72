/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: the JSON decoder takes what RFC 8259 calls JSON and nothing else, and finds the fields in it whatever their
 * order, spacing and spelling.
 * Method: the bytes as they are, held against a grammar of our own; what is accepted is decoded again as the one line
 * that it becomes, which must mean the same.
 */
#include <assert.h>

#include "../../worker/core/decode_json.h"
#include "fuzz.h"
#include "json_grammar.h"

static bool decode(
	void *context, struct arena *arena, struct text value, struct event *ret_event, struct defect *ret_defect)
{
	static struct fields fields;
	enum event_kind kind;
	(void)context;
	return decode_json_fields(value, arena, &fields, ret_defect) &&
	       event_kind_of_fields(&fields, &kind, ret_defect) &&
	       event_of_fields(&fields, kind, arena, ret_event, ret_defect);
}

/* *ret_line lives in the arena; absent where the text is refused. */
static void check_line(struct text json, struct arena *arena, struct text *ret_line)
{
	struct defect defect;
	unsigned depth;
	bool is_json = json_grammar_accepts(json, &depth);
	bool is_accepted = decode_json_line(json, arena, ret_line, &defect);
	if (!is_accepted)
		*ret_line = TEXT_NULL;
	if (is_accepted)
		assert(is_json && depth <= DECODE_DEPTH_MAX);
	else
		defect_check(&defect);
	/* what the grammar does not look at: UTF-8, surrogates, NUL, and bytes that an escape makes of them */
	if (is_json && depth <= DECODE_DEPTH_MAX && !memchr(json.data, '\\', json.size) && text_is_storable(json))
		assert(is_accepted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arena arena;
	struct text line, json = {(const char *)data, size};
	if (!arena.block_size)
		arena_init(&arena, 16 * 1024);
	arena_reset(&arena);
	if (size == 0 || size > DECODE_VALUE_SIZE_MAX)
		return -1;
	check_line(json, &arena, &line);
	const struct fuzz_decoded *decoded = fuzz_decode(json, decode, NULL);
	if (!decoded->is_event) {
		fuzz_decode_mutants(json, decode, NULL);
		return 0;
	}
	assert(line.data);
	struct hash128 key_hash = decoded->event.key_hash, fingerprint = decoded->event.fingerprint;
	decoded = fuzz_decode(line, decode, NULL);
	assert(decoded->is_event);
	assert(hash128_equal(decoded->event.key_hash, key_hash));
	assert(hash128_equal(decoded->event.fingerprint, fingerprint));
	fuzz_decode_mutants(json, decode, NULL);
	return 0;
}
