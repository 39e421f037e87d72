/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/decode.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "avro_cursor.h"
#include "avro_files.h"
#include "avro_json.h"
#include "avro_plan.h"
#include "avro_schema.h"
#include "decode_json.h"
#include "fields.h"

#define SCHEMAS_MAX 64
#define SINGLE_OBJECT_HEADER_SIZE 10 /* 0xC3 0x01, fingerprint */

struct known_schema {
	uint64_t fingerprint;
	const struct schema *schema;
	enum event_kind kind;
	const struct plan *plan; /* NULL: an output, no input */
};

struct decoder {
	struct arena arena;
	struct known_schema schemas[SCHEMAS_MAX];
	size_t schemas_count;
};

/* The kind of input whose record has this name. */
static bool kind_of_record(struct text name, enum event_kind *ret_kind)
{
	static const struct text names[EVENT_KIND_COUNT] = {
		[EVENT_CONSUME] = TEXT_CONSTANT("drawdown.Consume"),
		[EVENT_GRANT] = TEXT_CONSTANT("drawdown.Grant"),
		[EVENT_VOID] = TEXT_CONSTANT("drawdown.Void"),
		[EVENT_CONFIRM_PAYMENT] = TEXT_CONSTANT("drawdown.ConfirmPayment"),
		[EVENT_REVERSE] = TEXT_CONSTANT("drawdown.Reverse"),
		[EVENT_CONFIGURE] = TEXT_CONSTANT("drawdown.Configure"),
		[EVENT_RESERVE] = TEXT_CONSTANT("drawdown.Reserve"),
		[EVENT_SETTLE] = TEXT_CONSTANT("drawdown.Settle"),
		[EVENT_EXTEND] = TEXT_CONSTANT("drawdown.Extend"),
		[EVENT_RELEASE] = TEXT_CONSTANT("drawdown.Release"),
		[EVENT_ADVANCE] = TEXT_CONSTANT("drawdown.Advance"),
	};
	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		if (text_equal(name, names[kind])) {
			*ret_kind = (enum event_kind)kind;
			return true;
		}
	}
	return false;
}

static _Noreturn void die(const char *file, const char *why)
{
	(void)fprintf(stderr, "decoder: embedded schema %s: %s\n", file, why);
	abort();
}

static void add_schema(struct decoder *decoder, const struct avro_file *file)
{
	struct schema_error error = {""};
	struct known_schema known = {0};
	known.schema = schema_parse((struct text){file->text, file->size}, &decoder->arena, &error);
	if (!known.schema)
		die(file->name, error.text);
	known.fingerprint = schema_fingerprint(known.schema, &decoder->arena);
	if (kind_of_record(known.schema->name, &known.kind)) {
		known.plan = plan_compile(known.schema, &decoder->arena, &error);
		if (!known.plan)
			die(file->name, error.text);
	}
	assert(decoder->schemas_count < SCHEMAS_MAX);
	decoder->schemas[decoder->schemas_count++] = known;
}

struct decoder *decoder_new(void)
{
	struct decoder *decoder = calloc(1, sizeof *decoder);
	if (!decoder)
		abort();
	arena_init(&decoder->arena, 16 * 1024);
	for (size_t i = 0; i < avro_files_count; i++)
		add_schema(decoder, &avro_files[i]);
	return decoder;
}

void decoder_free(struct decoder *decoder)
{
	if (!decoder)
		return;
	arena_release(&decoder->arena);
	free(decoder);
}

enum framing {
	FRAMING_JSON,
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
		return defect_fill(ret_defect, "unknown_framing",
			"Confluent framing needs a schema registry, which this version does not support");
	if (value.size >= 2 && (uint8_t)value.data[0] == 0xc3 && value.data[1] == 0x01)
		*ret_framing = FRAMING_SINGLE_OBJECT;
	return true;
}

/* Also cuts the header off. */
static const struct known_schema *find_schema(
	const struct decoder *decoder, struct text *value, struct defect *ret_defect)
{
	if (value->size < SINGLE_OBJECT_HEADER_SIZE) {
		(void)defect_fill(ret_defect, "malformed_avro", "the schema's fingerprint is cut off");
		return NULL;
	}
	uint64_t fingerprint = cursor_little_endian(value->data + 2, 8);
	for (size_t i = 0; i < decoder->schemas_count; i++) {
		if (decoder->schemas[i].fingerprint == fingerprint) {
			value->data += SINGLE_OBJECT_HEADER_SIZE;
			value->size -= SINGLE_OBJECT_HEADER_SIZE;
			return &decoder->schemas[i];
		}
	}
	(void)defect_fill(
		ret_defect, "unknown_schema", "no schema has the fingerprint %016llx", (unsigned long long)fingerprint);
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

static bool decode_avro(const struct decoder *decoder, struct arena *arena, struct text value, struct event *ret_event,
	struct defect *ret_defect)
{
	struct fields fields;
	const struct known_schema *known = find_schema(decoder, &value, ret_defect);
	if (!known)
		return false;
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
				       : decode_avro(decoder, arena, value, ret_event, ret_defect);
}

bool decode_to_json(const struct decoder *decoder, struct arena *arena, struct text value, struct text *ret_json,
	struct defect *ret_defect)
{
	enum framing framing;
	if (!find_framing(value, &framing, ret_defect))
		return false;
	if (framing == FRAMING_JSON)
		return decode_json_line(value, arena, ret_json, ret_defect);
	const struct known_schema *known = find_schema(decoder, &value, ret_defect);
	return known && avro_to_json(known->schema, value, arena, ret_json, ret_defect);
}
