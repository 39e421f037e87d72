/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/decode.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avro_cursor.h"
#include "avro_files.h"
#include "avro_json.h"
#include "decode_json.h"
#include "decode_known.h"
#include "decode_table.h"
#include "fields.h"

#define SINGLE_OBJECT_HEADER_SIZE 10 /* 0xC3 0x01, fingerprint */
#define CONFLUENT_HEADER_SIZE 5	     /* 0x00, id */

struct decoder {
	struct decode_table table;
	struct readers readers;
	struct known_schema *schemas[DECODER_SCHEMAS_MAX]; /* the learnt ones, each text once */
	size_t schemas_count;
	size_t learnt_count; /* references */
	size_t unknown_count;
	size_t memory_size;
	size_t embedded_count;
	struct known_schema embedded[];
};

static _Noreturn void die(const char *file, const char *why)
{
	(void)fprintf(stderr, "decoder: embedded schema %s: %s\n", file, why);
	abort();
}

static struct schema_ref fingerprint_ref(uint64_t fingerprint)
{
	return (struct schema_ref){SCHEMA_REF_FINGERPRINT, fingerprint};
}

static void add_embedded(struct decoder *decoder, const struct avro_file *file)
{
	struct known_schema *known = &decoder->embedded[decoder->embedded_count++];
	known_schema_init(known, (struct text){file->text, file->size}, &decoder->readers);
	if (known->why)
		die(file->name, known->why);
	if (known->plan)
		decoder->readers.of_kind[known->kind] = known->schema;
	decode_table_put(&decoder->table, (struct decode_slot){fingerprint_ref(known->fingerprint), known, NULL});
}

struct decoder *decoder_new(void)
{
	struct decoder *decoder = calloc(1, sizeof *decoder + avro_files_count * sizeof decoder->embedded[0]);
	if (!decoder)
		abort();
	for (size_t i = 0; i < avro_files_count; i++)
		add_embedded(decoder, &avro_files[i]);
	return decoder;
}

void decoder_free(struct decoder *decoder)
{
	if (!decoder)
		return;
	for (size_t i = 0; i < decoder->embedded_count; i++)
		known_schema_release(&decoder->embedded[i]);
	for (size_t i = 0; i < decoder->schemas_count; i++) {
		known_schema_release(decoder->schemas[i]);
		free(decoder->schemas[i]);
	}
	for (size_t i = 0; i < DECODE_TABLE_SIZE; i++)
		free(decoder->table.slots[i].why);
	free(decoder);
}

static void tell_why(const struct known_schema *known, char *ret_why)
{
	if (ret_why)
		(void)snprintf(ret_why, DECODER_WHY_SIZE, "%s", known->why ? known->why : "");
}

static void add_reference(struct decoder *decoder, struct schema_ref ref, const struct known_schema *known)
{
	const struct decode_slot *slot = decode_table_find(&decoder->table, ref);
	if (slot && !slot->schema) {
		decoder->unknown_count--;
		free(slot->why);
	}
	decode_table_put(&decoder->table, (struct decode_slot){ref, known, NULL});
}

/* Avro's fingerprint says nothing of logical types and aliases, so it may stand for several schemas: the first that is
 * learnt stays. Whoever teaches sees to it that this is the same one at every reading. */
static void add_fingerprint(struct decoder *decoder, const struct known_schema *known)
{
	struct schema_ref ref = fingerprint_ref(known->fingerprint);
	const struct decode_slot *slot = decode_table_find(&decoder->table, ref);
	if (!slot || !slot->schema)
		add_reference(decoder, ref, known);
}

/* What was made of the same text, if it may stand for the reference too. */
static const struct known_schema *find_same_text(
	const struct decoder *decoder, struct schema_ref ref, struct hash128 text_hash)
{
	for (size_t i = 0; i < decoder->schemas_count; i++) {
		const struct known_schema *known = decoder->schemas[i];
		if (known->schema && hash128_equal(known->text_hash, text_hash) &&
			(ref.kind == SCHEMA_REF_ID || ref.value == known->fingerprint))
			return known;
	}
	return NULL;
}

/* NULL: there is no room. */
static const struct known_schema *make_known(
	struct decoder *decoder, struct schema_ref ref, struct text schema, struct hash128 text_hash)
{
	if (decoder->memory_size > DECODER_MEMORY_SIZE_MAX)
		return NULL;
	struct known_schema *known = calloc(1, sizeof *known);
	if (!known)
		abort();
	known_schema_init(known, schema, &decoder->readers);
	if (known->schema && ref.kind == SCHEMA_REF_FINGERPRINT && ref.value != known->fingerprint)
		known_schema_refuse(known, "the schema that was given for this fingerprint has another");
	known->text_hash = text_hash;
	decoder->schemas[decoder->schemas_count++] = known;
	decoder->memory_size += known->arena.used_size;
	return known;
}

bool decoder_learn(struct decoder *decoder, struct schema_ref ref, struct text schema, char *ret_why)
{
	const struct decode_slot *slot = decode_table_find(&decoder->table, ref);
	if (slot && slot->schema) {
		tell_why(slot->schema, ret_why);
		return true;
	}
	if (decoder->learnt_count == DECODER_SCHEMAS_MAX)
		return false;
	struct hash128 text_hash = hash128_of(&schema, 1);
	const struct known_schema *known = find_same_text(decoder, ref, text_hash);
	if (!known)
		known = make_known(decoder, ref, schema, text_hash);
	if (!known)
		return false;
	decoder->learnt_count++;
	add_reference(decoder, ref, known);
	if (known->schema)
		add_fingerprint(decoder, known);
	tell_why(known, ret_why);
	return true;
}

/* Cut where it is too long, but not within a character. */
static char *copy_why(const char *why)
{
	char *copy = why ? strndup(why, DECODER_WHY_SIZE - 1) : NULL;
	if (why && !copy)
		abort();
	for (size_t size = copy ? strlen(copy) : 0; size && !text_is_printable((struct text){copy, size}, NULL);)
		copy[--size] = '\0';
	return copy;
}

bool decoder_learn_unknown(struct decoder *decoder, struct schema_ref ref, const char *why)
{
	if (decode_table_find(&decoder->table, ref))
		return true;
	if (decoder->unknown_count == DECODER_UNKNOWN_MAX)
		return false;
	decoder->unknown_count++;
	decode_table_put(&decoder->table, (struct decode_slot){ref, NULL, copy_why(why)});
	return true;
}

void decoder_forget_unknown(struct decoder *decoder, struct schema_ref ref)
{
	const struct decode_slot *slot = decode_table_find(&decoder->table, ref);
	if (!slot || slot->schema)
		return;
	free(slot->why);
	decode_table_remove(&decoder->table, ref);
	decoder->unknown_count--;
}

const char *const defect_reasons[] = {"empty", "too_large", "malformed_json", "malformed_avro", "unknown_schema",
	"unusable_schema", "unknown_type", "missing_field", "invalid_field", "invalid_timestamp", "bad_compression",
	NULL};

enum framing {
	FRAMING_JSON,
	FRAMING_CONFLUENT,
	FRAMING_SINGLE_OBJECT,
};

/* False: nothing can be made of the value, whatever its framing. */
static bool find_framing(struct text value, enum framing *ret_framing, struct defect *ret_defect)
{
	*ret_framing = FRAMING_JSON;
	if (value.size == 0)
		return defect_fill(ret_defect, "empty", "the record has no value");
	if (value.size > DECODE_VALUE_SIZE_MAX)
		return defect_fill(
			ret_defect, "too_large", "the value takes more than %d bytes", DECODE_VALUE_SIZE_MAX);
	if (value.data[0] == '\0')
		*ret_framing = FRAMING_CONFLUENT;
	else if (value.size >= 2 && (uint8_t)value.data[0] == 0xc3 && value.data[1] == 0x01)
		*ret_framing = FRAMING_SINGLE_OBJECT;
	return true;
}

static uint32_t big_endian_32(const char *data)
{
	uint32_t bits;
	memcpy(&bits, data, sizeof bits);
	return be32toh(bits);
}

/* Also cuts the header off. */
static bool take_reference(
	enum framing framing, struct text *value, struct schema_ref *ret_ref, struct defect *ret_defect)
{
	size_t size = framing == FRAMING_CONFLUENT ? CONFLUENT_HEADER_SIZE : SINGLE_OBJECT_HEADER_SIZE;
	if (value->size < size)
		return defect_fill(ret_defect, "malformed_avro", "the schema's %s is cut off",
			framing == FRAMING_CONFLUENT ? "id" : "fingerprint");
	if (framing == FRAMING_CONFLUENT)
		*ret_ref = (struct schema_ref){SCHEMA_REF_ID, big_endian_32(value->data + 1)};
	else
		*ret_ref = fingerprint_ref(cursor_little_endian(value->data + 2));
	value->data += size;
	value->size -= size;
	return true;
}

struct schema_ref decoder_missing(const struct decoder *decoder, struct text value)
{
	enum framing framing;
	struct schema_ref ref;
	struct defect ignored;
	if (!find_framing(value, &framing, &ignored) || framing == FRAMING_JSON ||
		!take_reference(framing, &value, &ref, &ignored) || decode_table_find(&decoder->table, ref))
		return (struct schema_ref){SCHEMA_REF_NONE, 0};
	return ref;
}

/* Also cuts the header off. NULL: *ret_defect says why. */
static const struct known_schema *find_schema(
	const struct decoder *decoder, enum framing framing, struct text *value, struct defect *ret_defect)
{
	struct schema_ref ref;
	if (!take_reference(framing, value, &ref, ret_defect))
		return NULL;
	const struct decode_slot *slot = decode_table_find(&decoder->table, ref);
	if (slot && slot->schema)
		return slot->schema;
	if (slot && slot->why)
		(void)defect_fill(ret_defect, "unknown_schema", "%s", slot->why);
	else if (framing == FRAMING_CONFLUENT)
		(void)defect_fill(
			ret_defect, "unknown_schema", "no schema has the id %llu", (unsigned long long)ref.value);
	else
		(void)defect_fill(ret_defect, "unknown_schema", "no schema has the fingerprint %016llx",
			(unsigned long long)ref.value);
	return NULL;
}

static bool decode_json(struct arena *arena, struct text value, struct event *ret_event, struct defect *ret_defect)
{
	struct fields fields;
	enum event_kind kind;
	return decode_json_fields(value, arena, &fields, ret_defect) &&
	       event_kind_of_fields(&fields, &kind, ret_defect) &&
	       event_of_fields(&fields, kind, arena, ret_event, ret_defect);
}

static bool decode_avro(const struct decoder *decoder, enum framing framing, struct arena *arena, struct text value,
	struct event *ret_event, struct defect *ret_defect)
{
	struct fields fields;
	const struct known_schema *known = find_schema(decoder, framing, &value, ret_defect);
	if (!known)
		return false;
	if (known->why)
		return defect_fill(ret_defect, "unusable_schema", "%s", known->why);
	if (!known->plan)
		return defect_fill(
			ret_defect, "unknown_type", "a record of %.*s is no input", TEXT_ARGS(known->schema->name));
	return plan_run(known->plan, value, &fields, ret_defect) &&
	       event_of_fields(&fields, known->kind, arena, ret_event, ret_defect);
}

bool decode_event(const struct decoder *decoder, struct arena *arena, struct text value, struct event *ret_event,
	struct defect *ret_defect)
{
	enum framing framing;
	if (!find_framing(value, &framing, ret_defect))
		return false;
	return framing == FRAMING_JSON ? decode_json(arena, value, ret_event, ret_defect)
				       : decode_avro(decoder, framing, arena, value, ret_event, ret_defect);
}

bool decode_to_json(const struct decoder *decoder, struct arena *arena, struct text value, struct text *ret_json,
	struct defect *ret_defect)
{
	enum framing framing;
	if (!find_framing(value, &framing, ret_defect))
		return false;
	if (framing == FRAMING_JSON)
		return decode_json_line(value, arena, ret_json, ret_defect);
	const struct known_schema *known = find_schema(decoder, framing, &value, ret_defect);
	if (!known)
		return false;
	if (!known->schema)
		return defect_fill(ret_defect, "unusable_schema", "%s", known->why);
	return avro_to_json(known->schema, value, arena, ret_json, ret_defect);
}
