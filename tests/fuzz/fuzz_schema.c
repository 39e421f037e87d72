/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: any text that a registry may call a schema is refused with a reason, or parsed; its canonical form is a schema
 * of the same canonical form, and so of the same fingerprint. A decoder learns it, and reads its records or says why
 * not. Method: the text as it is. What avro-c leaks of a schema that it refuses is known, a few hundred bytes each.
 */
#include <assert.h>

#include "../../worker/core/avro_plan.h"
#include "fuzz.h"

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libavro.so\n";
}

static void check_canonical(const struct schema *schema, struct arena *arena)
{
	struct schema_error error = {""};
	struct text canonical = schema_canonical(schema, arena);
	const struct schema *again = schema_parse(canonical, arena, &error);
	assert(again);
	assert(text_equal(schema_canonical(again, arena), canonical));
	assert(schema_fingerprint(again, arena) == schema_fingerprint(schema, arena));
}

static struct decoder *decoder;

static bool decode(
	void *context, struct arena *arena, struct text value, struct event *ret_event, struct defect *ret_defect)
{
	(void)context;
	return decode_event(decoder, arena, value, ret_event, ret_defect);
}

/* As a registry's answer for an id that no schema has yet; a decoder that is full is put away. */
static void learn(struct text schema)
{
	static uint32_t id;
	char why[DECODER_WHY_SIZE];
	char value[5 + 64] = {0}; /* Confluent framing, and a record that much can be read from */
	struct schema_ref ref = {SCHEMA_REF_ID, ++id};
	if (!decoder || !decoder_learn(decoder, ref, schema, why)) {
		decoder_free(decoder);
		decoder = decoder_new();
		assert(decoder_learn(decoder, ref, schema, why));
	}
	for (int i = 0; i < 4; i++)
		value[1 + i] = (char)(id >> (24 - 8 * i));
	struct text bytes = {value, sizeof value};
	assert(strlen(why) < sizeof why);
	assert(decoder_missing(decoder, bytes).kind == SCHEMA_REF_NONE);
	const struct fuzz_decoded *decoded = fuzz_decode(bytes, decode, NULL);
	if (why[0])
		assert(!decoded->is_event && strcmp(decoded->defect.reason, "unusable_schema") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arena arena;
	struct schema_error error = {""};
	struct text text = {(const char *)data, size};
	if (!arena.block_size)
		arena_init(&arena, 16 * 1024);
	arena_reset(&arena);
	const struct schema *schema = schema_parse(text, &arena, &error);
	if (!schema)
		assert(error.text[0]);
	else
		check_canonical(schema, &arena);
	learn(text);
	return 0;
}
