/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: whatever a registry answers, it is understood or refused with a reason, in bounded memory, and the same each
 * time.
 * Method: the bytes as the answer to every question; a schema that comes of it is joined with itself as its reference.
 */
#include <assert.h>

#include "drawdown/registry_answer.h"
#include "fuzz.h"

/* A node for each value, slots for each reference. */
#define ARENA_SIZE_MAX(answer_size) (1024 * 1024 + 512 * (answer_size))

/* Printable ASCII or UTF-8 without control characters, and short enough for its place. */
static void check_why(const struct registry_why *why)
{
	size_t size = strnlen(why->text, sizeof why->text);
	assert(size > 0 && size < sizeof why->text);
	assert(text_is_printable((struct text){why->text, size}, NULL));
}

static void check_schema(const struct registry_schema *schema)
{
	assert(schema->schema.data && schema->type.data);
	assert(text_is_storable(schema->schema) && text_is_storable(schema->type));
	assert(schema->references_count <= REGISTRY_REFERENCES_MAX);
	for (size_t i = 0; i < schema->references_count; i++) {
		const struct registry_reference *reference = &schema->references[i];
		assert(reference->name.size <= REGISTRY_NAME_SIZE_MAX);
		assert(reference->subject.size <= REGISTRY_NAME_SIZE_MAX && reference->version > 0);
	}
}

static void join(const struct registry_schema *schema, struct arena *arena)
{
	struct registry_why why = {0};
	struct text joined, again;
	if (!registry_join(schema->schema, &schema->schema, 1, arena, &joined, &why)) {
		check_why(&why);
		return;
	}
	assert(registry_join(schema->schema, &schema->schema, 1, arena, &again, &why));
	assert(text_equal(joined, again));
}

static void ask_for_schema(struct text answer, struct arena *arena)
{
	struct registry_schema schema, again;
	struct registry_why why = {0}, why_again = {0};
	bool ok = registry_answer_schema(answer, arena, &schema, &why);
	assert(registry_answer_schema(answer, arena, &again, &why_again) == ok);
	if (!ok) {
		check_why(&why);
		assert(strcmp(why.text, why_again.text) == 0);
		return;
	}
	check_schema(&schema);
	assert(text_equal(schema.schema, again.schema) && schema.references_count == again.references_count);
	join(&schema, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arena arena;
	struct text message, answer = {(const char *)data, size};
	struct registry_why why = {0};
	int32_t id;
	if (!arena.block_size)
		arena_init(&arena, 16 * 1024);
	arena_reset(&arena);
	ask_for_schema(answer, &arena);
	if (registry_answer_id(answer, &arena, &id, &why))
		assert(id > 0);
	else
		check_why(&why);
	if (registry_answer_error(answer, &arena, &message))
		assert(message.size < 1024 && text_is_printable(message, NULL));
	assert(arena.used_size <= ARENA_SIZE_MAX(size));
	fuzz_decodes++;
	return 0;
}
