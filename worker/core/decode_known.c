/* SPDX-License-Identifier: Apache-2.0 */
#include "decode_known.h"

#include <stdio.h>

#define BLOCK_SIZE 4096
#define INPUT_NAMES \
	"Consume, Grant, Void, ConfirmPayment, Reverse, Configure, Reserve, Settle, Extend, Release and Advance"

static const struct text namespace = TEXT_CONSTANT("drawdown.");

static const struct text kind_names[EVENT_KIND_COUNT] = {
	[EVENT_CONSUME] = TEXT_CONSTANT("Consume"),
	[EVENT_GRANT] = TEXT_CONSTANT("Grant"),
	[EVENT_VOID] = TEXT_CONSTANT("Void"),
	[EVENT_CONFIRM_PAYMENT] = TEXT_CONSTANT("ConfirmPayment"),
	[EVENT_REVERSE] = TEXT_CONSTANT("Reverse"),
	[EVENT_CONFIGURE] = TEXT_CONSTANT("Configure"),
	[EVENT_RESERVE] = TEXT_CONSTANT("Reserve"),
	[EVENT_SETTLE] = TEXT_CONSTANT("Settle"),
	[EVENT_EXTEND] = TEXT_CONSTANT("Extend"),
	[EVENT_RELEASE] = TEXT_CONSTANT("Release"),
	[EVENT_ADVANCE] = TEXT_CONSTANT("Advance"),
};

static const struct text output_names[] = {
	TEXT_CONSTANT("drawdown.LedgerEntry"),
	TEXT_CONSTANT("drawdown.Balance"),
	TEXT_CONSTANT("drawdown.Outcome"),
	TEXT_CONSTANT("drawdown.Notification"),
};

static bool find_kind(struct text name, enum event_kind *ret_kind)
{
	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		if (text_equal(name, kind_names[kind])) {
			*ret_kind = (enum event_kind)kind;
			return true;
		}
	}
	return false;
}

/* "drawdown.Consume" */
static bool find_our_kind(struct text full, enum event_kind *ret_kind)
{
	return full.size > namespace.size && memcmp(full.data, namespace.data, namespace.size) == 0 &&
	       find_kind((struct text){full.data + namespace.size, full.size - namespace.size}, ret_kind);
}

static struct text unqualified(struct text full)
{
	const char *dot = memrchr(full.data, '.', full.size);
	size_t skipped = dot ? (size_t)(dot - full.data) + 1 : 0;
	return (struct text){full.data + skipped, full.size - skipped};
}

static bool is_output(const struct schema *schema)
{
	for (size_t i = 0; i < sizeof output_names / sizeof output_names[0]; i++)
		if (text_equal(schema->name, output_names[i]))
			return true;
	return false;
}

/* False: it is no input, or *reterr says why it is not clear which. */
static bool kind_of_schema(const struct schema *schema, enum event_kind *ret_kind, struct schema_error *reterr)
{
	enum event_kind kind;
	size_t found = 0;
	if (find_our_kind(schema->name, ret_kind))
		return true;
	for (size_t i = 0; i < schema->aliases.count; i++) {
		if (!find_our_kind(schema->aliases.names[i], &kind) || (found > 0 && kind == *ret_kind))
			continue;
		*ret_kind = kind;
		found++;
	}
	if (found > 1) {
		(void)snprintf(reterr->text, sizeof reterr->text, "the aliases of %.*s name several kinds of input",
			TEXT_ARGS(schema->name));
		return false;
	}
	if (found == 1 || find_kind(unqualified(schema->name), ret_kind))
		return true;
	if (!is_output(schema))
		(void)snprintf(reterr->text, sizeof reterr->text,
			"%.*s is no input: neither its name nor an alias drawdown.NAME is one of " INPUT_NAMES,
			(int)(schema->name.size < 80 ? schema->name.size : 80), schema->name.data);
	return false;
}

static bool make_usable(
	struct known_schema *known, struct text json, const struct readers *readers, struct schema_error *reterr)
{
	struct arena scratch;
	known->schema = schema_parse(json, &known->arena, reterr);
	if (!known->schema)
		return false;
	arena_init(&scratch, BLOCK_SIZE);
	known->fingerprint = schema_fingerprint(known->schema, &scratch);
	arena_release(&scratch);
	if (known->schema->type != SCHEMA_RECORD) {
		(void)snprintf(reterr->text, sizeof reterr->text,
			"the schema is a %s: each kind of record needs one of its own",
			schema_type_name(known->schema->type));
		return false;
	}
	if (!kind_of_schema(known->schema, &known->kind, reterr))
		return reterr->text[0] == '\0';
	const struct schema *reader = readers->of_kind[known->kind];
	known->plan = plan_compile(known->schema, reader ? reader : known->schema, &known->arena, reterr);
	return known->plan != NULL;
}

void known_schema_init(struct known_schema *known, struct text json, const struct readers *readers)
{
	struct schema_error error = {""};
	*known = (struct known_schema){0};
	arena_init(&known->arena, BLOCK_SIZE);
	if (make_usable(known, json, readers, &error))
		return;
	if (!known->schema) {
		known_schema_refuse(known, error.text);
		return;
	}
	known->plan = NULL;
	known->why = arena_format(&known->arena, "%s%c", error.text, '\0').data;
}

void known_schema_refuse(struct known_schema *known, const char *why)
{
	known_schema_release(known);
	*known = (struct known_schema){0};
	arena_init(&known->arena, BLOCK_SIZE);
	known->why = arena_format(&known->arena, "%s%c", why, '\0').data;
}

void known_schema_release(struct known_schema *known)
{
	arena_release(&known->arena);
}
