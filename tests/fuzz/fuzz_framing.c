/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: decode_event and decode_to_json on any bytes: an event that keeps the rules or a defect that says why, the same
 * each time, in bounded memory.
 * Method: the bytes as they are. What is accepted must mean the same when it is put down as JSON and read again:
 * JSON equals Avro.
 */
#include <assert.h>

#include "fuzz.h"

static struct decoder *decoder;

static bool decode(
	void *context, struct arena *arena, struct text value, struct event *ret_event, struct defect *ret_defect)
{
	(void)context;
	return decode_event(decoder, arena, value, ret_event, ret_defect);
}

/* The JSON of an Avro record says nothing of its kind. */
static struct text add_type(struct arena *arena, struct text json, enum event_kind kind)
{
	return arena_format(arena, "{\"type\":\"%s\",%.*s", event_kind_name(kind), (int)json.size - 1, json.data + 1);
}

static void check_as_json(struct text value, const struct event *event)
{
	struct arena arena;
	struct text json;
	struct event again;
	struct defect defect;
	arena_init(&arena, 8 * 1024);
	assert(decode_to_json(decoder, &arena, value, &json, &defect));
	if ((uint8_t)value.data[0] == 0xc3)
		json = add_type(&arena, json, event->kind);
	if (json.size <= DECODE_VALUE_SIZE_MAX) {
		assert(decode_event(decoder, &arena, json, &again, &defect));
		assert(hash128_equal(event->key_hash, again.key_hash));
		assert(hash128_equal(event->fingerprint, again.fingerprint));
	}
	arena_release(&arena);
}

static void check_line(struct text value)
{
	struct arena arena;
	struct text json, again;
	struct defect defect;
	arena_init(&arena, 8 * 1024);
	if (!decode_to_json(decoder, &arena, value, &json, &defect))
		defect_check(&defect);
	else if (json.size <= DECODE_VALUE_SIZE_MAX && json.size > 0 && json.data[0] == '{')
		assert(decode_to_json(decoder, &arena, json, &again, &defect) && text_equal(json, again));
	arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text value = {(const char *)data, size};
	if (!decoder)
		decoder = decoder_new();
	const struct fuzz_decoded *decoded = fuzz_decode(value, decode, NULL);
	if (decoded->is_event)
		check_as_json(value, &decoded->event);
	check_line(value);
	fuzz_decode_mutants(value, decode, NULL);
	return 0;
}
