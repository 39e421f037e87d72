/* SPDX-License-Identifier: Apache-2.0 */
#include "writer.h"

#include <assert.h>

#include "../../worker/core/avro_write.h"

#define DEPTH_MAX 5	  /* of what nobody knows */
#define VALUE_DEPTH_MAX 8 /* of a record that contains itself */
#define CHILDREN_MAX 6

enum node_type { /* the first ones have no children and no name */
	NODE_NULL,
	NODE_BOOLEAN,
	NODE_INT,
	NODE_LONG,
	NODE_FLOAT,
	NODE_DOUBLE,
	NODE_BYTES,
	NODE_STRING,
	NODE_PRIMITIVE_COUNT,
	NODE_FIXED = NODE_PRIMITIVE_COUNT,
	NODE_ENUM,
	NODE_ARRAY,
	NODE_MAP,
	NODE_RECORD,
	NODE_AGAIN, /* a record that is being defined */
	NODE_UNION,
	NODE_DECIMAL, /* of bytes or fixed */
	NODE_INSTANT,
	NODE_TYPE_COUNT,
};

struct writer_child {
	const char *name; /* of a record's field */
	const struct writer_node *node;
};

struct writer_node {
	enum node_type type;
	const char *logical; /* what follows the type in the schema; "" for nothing */
	bool is_decimal;
	unsigned number; /* of a named type */
	size_t size;	 /* of a fixed */
	size_t count;	 /* of children or symbols */
	struct writer_child *children;
	const struct writer_node *again;
};

struct maker {
	struct choices *choices;
	struct arena *arena;
	unsigned names_count;
	const struct writer_node *open; /* the innermost record that is being defined */
};

static const char *const type_names[] = {"null", "boolean", "int", "long", "float", "double", "bytes", "string",
	"fixed", "enum", "array", "map", "record"};

static struct writer_node *make_node(struct maker *maker, enum node_type type)
{
	struct writer_node *node = arena_zero_array(maker->arena, 1, sizeof *node);
	node->type = type;
	node->logical = "";
	return node;
}

static struct writer_node *make_parent(struct maker *maker, enum node_type type, size_t children_max)
{
	struct writer_node *node = make_node(maker, type);
	node->children = arena_zero_array(maker->arena, children_max, sizeof *node->children);
	return node;
}

static void add_child(struct writer_node *node, const char *name, const struct writer_node *child)
{
	node->children[node->count++] = (struct writer_child){name, child};
}

static const struct writer_node *make_any(struct maker *maker, unsigned depth, bool in_union);

static const struct writer_node *make_fixed(struct maker *maker, size_t size)
{
	struct writer_node *node = make_node(maker, NODE_FIXED);
	node->number = ++maker->names_count;
	node->size = size;
	return node;
}

static const struct writer_node *make_enum(struct maker *maker)
{
	struct writer_node *node = make_node(maker, NODE_ENUM);
	node->number = ++maker->names_count;
	node->count = 1 + choose(maker->choices, 5);
	return node;
}

static const struct writer_node *make_decimal(struct maker *maker, unsigned scale_max)
{
	struct writer_node *node = make_node(maker, NODE_BYTES);
	if (choose(maker->choices, 4) == 1) {
		node->type = NODE_FIXED;
		node->number = ++maker->names_count;
		node->size = 1 + choose(maker->choices, 16);
	}
	/* avro-c holds a fixed's precision against its size */
	unsigned precision = node->type == NODE_FIXED ? (unsigned)node->size * 2 : 38;
	unsigned scale = choose(maker->choices, (scale_max < precision ? scale_max : precision) + 1);
	node->is_decimal = true;
	node->logical = arena_format(
		maker->arena, ",\"logicalType\":\"decimal\",\"precision\":%u,\"scale\":%u", precision, scale)
				.data;
	return node;
}

static const struct writer_node *make_instant(struct maker *maker)
{
	static const char *const logical[] = {",\"logicalType\":\"timestamp-micros\"",
		",\"logicalType\":\"timestamp-millis\"", ",\"logicalType\":\"local-timestamp-micros\"", ""};
	unsigned choice = choose(maker->choices, 16);
	struct writer_node *node = make_node(maker, NODE_LONG);
	node->logical = logical[choice < 8 ? 0 : choice < 14 ? 1 : choice - 12];
	return node;
}

static const struct writer_node *make_items(struct maker *maker, enum node_type type, const struct writer_node *item)
{
	struct writer_node *node = make_parent(maker, type, 1);
	add_child(node, "items", item);
	return node;
}

static const struct writer_node *make_union(struct maker *maker, unsigned depth)
{
	struct writer_node *node = make_parent(maker, NODE_UNION, CHILDREN_MAX);
	unsigned seen = 0, wanted = 1 + choose(maker->choices, CHILDREN_MAX);
	for (unsigned i = 0; i < wanted; i++) {
		const struct writer_node *branch = make_any(maker, depth + 1, true);
		bool is_named = branch->type == NODE_FIXED || branch->type == NODE_ENUM || branch->type == NODE_RECORD;
		if (!is_named && (seen & 1u << branch->type))
			continue;
		seen |= 1u << branch->type;
		add_child(node, "", branch);
	}
	return node;
}

static const struct writer_node *make_record(struct maker *maker, unsigned depth)
{
	static const char *const names[CHILDREN_MAX] = {"amount", "a", "percent", "currency", "customerId", "b"};
	struct writer_node *node = make_parent(maker, NODE_RECORD, CHILDREN_MAX);
	const struct writer_node *outer = maker->open;
	node->number = ++maker->names_count;
	maker->open = node;
	unsigned wanted = 1 + choose(maker->choices, CHILDREN_MAX); /* avro-c reads no empty ones */
	for (unsigned i = 0; i < wanted; i++)
		add_child(node, names[i], make_any(maker, depth + 1, false));
	maker->open = outer;
	return node;
}

/* null or itself: it must come to an end. */
static const struct writer_node *make_again(struct maker *maker, bool in_union)
{
	if (!maker->open || in_union)
		return make_node(maker, NODE_NULL);
	struct writer_node *again = make_node(maker, NODE_AGAIN);
	again->again = maker->open;
	struct writer_node *node = make_parent(maker, NODE_UNION, 2);
	add_child(node, "", make_node(maker, NODE_NULL));
	add_child(node, "", again);
	return node;
}

static const struct writer_node *make_any(struct maker *maker, unsigned depth, bool in_union)
{
	enum node_type type = (enum node_type)choose(maker->choices, NODE_TYPE_COUNT);
	if (depth >= DEPTH_MAX && type >= NODE_ARRAY)
		type = NODE_STRING;
	switch (type) {
	case NODE_FIXED:
		return make_fixed(maker, 1 + choose(maker->choices, 20)); /* avro-c knows none of size 0 */
	case NODE_ENUM:
		return make_enum(maker);
	case NODE_ARRAY:
	case NODE_MAP:
		return make_items(maker, type, make_any(maker, depth + 1, false));
	case NODE_RECORD:
		return make_record(maker, depth);
	case NODE_AGAIN:
		return make_again(maker, in_union);
	case NODE_UNION:
		return in_union ? make_node(maker, NODE_LONG) : make_union(maker, depth);
	case NODE_DECIMAL:
		return make_decimal(maker, 38);
	case NODE_INSTANT:
		return make_instant(maker);
	default:
		return make_node(maker, type);
	}
}

enum meaning { TEXT, AMOUNT, INSTANT, INTEGER, BOOLEAN, MEMBERS, COST, THRESHOLDS };

static const struct writer_node *make_members(struct maker *maker)
{
	static const enum node_type types[] = {NODE_STRING, NODE_BOOLEAN, NODE_LONG, NODE_DOUBLE, NODE_INT};
	unsigned first = choose(maker->choices, 8);
	if (first < 5)
		return make_items(maker, NODE_MAP, make_node(maker, types[first]));
	struct writer_node *node = make_parent(maker, NODE_UNION, 5);
	for (size_t i = 0; i < first - 3; i++)
		add_child(node, "", make_node(maker, types[i]));
	return make_items(maker, NODE_MAP, node);
}

static const struct writer_node *make_meant(struct maker *maker, enum meaning meaning);

static const struct writer_node *make_cost(struct maker *maker)
{
	struct writer_node *node = make_parent(maker, NODE_RECORD, 3);
	node->number = ++maker->names_count;
	add_child(node, "amount", make_meant(maker, AMOUNT));
	if (choose(maker->choices, 4) == 1)
		add_child(node, "other", make_any(maker, 2, false));
	add_child(node, "currency", make_meant(maker, TEXT));
	return node;
}

static const struct writer_node *make_threshold(struct maker *maker)
{
	struct writer_node *node = make_parent(maker, NODE_RECORD, 3);
	node->number = ++maker->names_count;
	unsigned which = choose(maker->choices, 8);
	if (which != 1)
		add_child(node, "percent", make_meant(maker, INTEGER));
	if (which < 4)
		add_child(node, "amount", make_meant(maker, AMOUNT));
	if (which & 1)
		add_child(node, "hysteresis", make_meant(maker, INTEGER));
	return node;
}

static const struct writer_node *make_of_meaning(struct maker *maker, enum meaning meaning)
{
	switch (meaning) {
	case AMOUNT:
		return make_decimal(maker, 14);
	case INSTANT:
		return make_instant(maker);
	case INTEGER:
		return make_node(maker, choose(maker->choices, 2) ? NODE_LONG : NODE_INT);
	case BOOLEAN:
		return make_node(maker, NODE_BOOLEAN);
	case MEMBERS:
		return make_members(maker);
	case COST:
		return make_cost(maker);
	case THRESHOLDS:
		return make_items(maker, NODE_ARRAY, make_threshold(maker));
	case TEXT:
		break;
	}
	return choose(maker->choices, 8) == 1 ? make_enum(maker) : make_node(maker, NODE_STRING);
}

static const struct writer_node *make_nullable(struct maker *maker, const struct writer_node *node, bool null_first)
{
	struct writer_node *parent = make_parent(maker, NODE_UNION, 2);
	if (null_first)
		add_child(parent, "", make_node(maker, NODE_NULL));
	add_child(parent, "", node);
	if (!null_first)
		add_child(parent, "", make_node(maker, NODE_NULL));
	return parent;
}

static const struct writer_node *make_meant(struct maker *maker, enum meaning meaning)
{
	unsigned choice = choose(maker->choices, 32);
	if (choice == 31)
		return make_any(maker, 1, false);
	const struct writer_node *node = make_of_meaning(maker, meaning);
	return choice < 20 ? node : make_nullable(maker, node, choice % 2);
}

struct known_field {
	const char *name;
	enum meaning meaning;
	unsigned kinds; /* of events; 0: all */
};
#define KIND(kind) (1u << EVENT_##kind)
#define HOLDS (KIND(RESERVE) | KIND(SETTLE) | KIND(EXTEND) | KIND(RELEASE))

static const struct known_field known_fields[] = {
	{"customerId", TEXT, 0},
	{"currencyId", TEXT, 0},
	{"resourceId", TEXT, 0},
	{"idempotencyKey", TEXT, 0},
	{"createdAt", INSTANT, 0},
	{"amount", AMOUNT, KIND(CONSUME) | KIND(GRANT) | KIND(REVERSE) | KIND(RESERVE) | KIND(SETTLE)},
	{"dimensions", MEMBERS, KIND(CONSUME)},
	{"grantType", TEXT, KIND(GRANT)},
	{"grantId", TEXT, KIND(GRANT) | KIND(VOID) | KIND(CONFIRM_PAYMENT)},
	{"displayName", TEXT, KIND(GRANT)},
	{"priority", INTEGER, KIND(GRANT)},
	{"effectiveAt", INSTANT, KIND(GRANT)},
	{"expireAt", INSTANT, KIND(GRANT)},
	{"cost", COST, KIND(GRANT)},
	{"comment", TEXT, KIND(GRANT) | KIND(VOID)},
	{"metadata", MEMBERS, KIND(GRANT)},
	{"awaitPaymentConfirmation", BOOLEAN, KIND(GRANT)},
	{"reversedKey", TEXT, KIND(REVERSE)},
	{"overLimit", TEXT, KIND(CONFIGURE)},
	{"overdraftLimit", AMOUNT, KIND(CONFIGURE)},
	{"thresholds", THRESHOLDS, KIND(CONFIGURE)},
	{"reservationId", TEXT, HOLDS},
	{"ttlSeconds", INTEGER, KIND(RESERVE) | KIND(EXTEND)},
	{"expiresAt", INSTANT, KIND(RESERVE) | KIND(EXTEND)},
	{"dueAt", INSTANT, KIND(ADVANCE)},
	{"type", TEXT, 0},
};
#define KNOWN_COUNT (sizeof known_fields / sizeof known_fields[0])

static void add_known(struct maker *maker, struct writer_node *record, enum event_kind kind)
{
	size_t first = choose(maker->choices, KNOWN_COUNT); /* begin anywhere: other orders */
	for (size_t i = 0; i < KNOWN_COUNT; i++) {
		const struct known_field *known = &known_fields[(first + i) % KNOWN_COUNT];
		bool is_of_kind = !known->kinds || (known->kinds & 1u << kind);
		unsigned choice = choose(maker->choices, 32);
		if (is_of_kind ? choice == 31 : choice < 30)
			continue;
		if (choice == 30) {
			const char *name = arena_format(maker->arena, "extra%zu", record->count).data;
			add_child(record, name, make_any(maker, 1, false));
		}
		add_child(record, known->name, make_meant(maker, known->meaning));
	}
}

static void put_string(struct buffer *buffer, const char *string)
{
	buffer_put_text(buffer, text_of(string));
}

static void put_number(struct buffer *buffer, unsigned long number)
{
	put_string(buffer, arena_format(buffer->arena, "%lu", number).data);
}

static void put_schema(struct buffer *buffer, const struct writer_node *node);

static void put_name(struct buffer *buffer, const struct writer_node *node)
{
	put_string(buffer, "\"name\":\"N");
	put_number(buffer, node->number);
	put_string(buffer, "\",");
}

static void put_symbols(struct buffer *buffer, const struct writer_node *node)
{
	static const char *const symbols[] = {"\"PAID\"", "\"cap\"", "\"EUR\"", "\"acme\"", "\"PROMOTIONAL\""};
	put_string(buffer, ",\"symbols\":[");
	for (size_t i = 0; i < node->count; i++) {
		put_string(buffer, i ? "," : "");
		put_string(buffer, symbols[i]);
	}
	put_string(buffer, "]");
}

static void put_children(struct buffer *buffer, const struct writer_node *node)
{
	bool is_record = node->type == NODE_RECORD;
	put_string(buffer, is_record ? ",\"fields\":[" : "[");
	for (size_t i = 0; i < node->count; i++) {
		put_string(buffer, i ? "," : "");
		if (is_record) {
			put_string(buffer, "{\"name\":\"");
			put_string(buffer, node->children[i].name);
			put_string(buffer, "\",\"type\":");
		}
		put_schema(buffer, node->children[i].node);
		put_string(buffer, is_record ? "}" : "");
	}
	put_string(buffer, "]");
}

static void put_schema(struct buffer *buffer, const struct writer_node *node)
{
	if (node->type == NODE_UNION) {
		put_children(buffer, node);
		return;
	}
	if (node->type == NODE_AGAIN) {
		put_string(buffer, "\"drawdown.N");
		put_number(buffer, node->again->number);
		put_string(buffer, "\"");
		return;
	}
	put_string(buffer, "{");
	if (node->number)
		put_name(buffer, node);
	put_string(buffer, "\"type\":\"");
	put_string(buffer, type_names[node->type]);
	put_string(buffer, "\"");
	put_string(buffer, node->logical);
	if (node->type == NODE_FIXED) {
		put_string(buffer, ",\"size\":");
		put_number(buffer, node->size);
	} else if (node->type == NODE_ENUM) {
		put_symbols(buffer, node);
	} else if (node->type == NODE_RECORD) {
		put_children(buffer, node);
	} else if (node->type == NODE_ARRAY || node->type == NODE_MAP) {
		put_string(buffer, node->type == NODE_ARRAY ? ",\"items\":" : ",\"values\":");
		put_schema(buffer, node->children[0].node);
	}
	put_string(buffer, "}");
}

static struct text schema_of(const struct writer_node *record, enum event_kind kind, struct arena *arena)
{
	static const char *const names[EVENT_KIND_COUNT] = {
		[EVENT_CONSUME] = "Consume",
		[EVENT_GRANT] = "Grant",
		[EVENT_VOID] = "Void",
		[EVENT_CONFIRM_PAYMENT] = "ConfirmPayment",
		[EVENT_REVERSE] = "Reverse",
		[EVENT_CONFIGURE] = "Configure",
		[EVENT_RESERVE] = "Reserve",
		[EVENT_SETTLE] = "Settle",
		[EVENT_EXTEND] = "Extend",
		[EVENT_RELEASE] = "Release",
		[EVENT_ADVANCE] = "Advance",
	};
	struct buffer buffer;
	buffer_init(&buffer, arena);
	put_string(&buffer, "{\"type\":\"record\",\"namespace\":\"drawdown\",\"name\":\"");
	put_string(&buffer, names[kind]);
	put_string(&buffer, "\"");
	put_children(&buffer, record);
	put_string(&buffer, "}");
	return buffer_finish(&buffer);
}

void writer_make(struct choices *choices, struct arena *arena, struct writer *ret_writer)
{
	struct maker maker = {.choices = choices, .arena = arena};
	struct writer_node *record = make_parent(&maker, NODE_RECORD, 2 * KNOWN_COUNT);
	ret_writer->kind = (enum event_kind)choose(choices, EVENT_KIND_COUNT);
	add_known(&maker, record, ret_writer->kind);
	ret_writer->record = record;
	ret_writer->schema = schema_of(record, ret_writer->kind, arena);
}

struct putter {
	struct choices *choices;
	struct buffer buffer;
	unsigned depth;
};

static void put_value(struct putter *putter, const struct writer_node *node, const char *name);

/* Mostly what the field may be. */
static void put_text_value(struct putter *putter, const char *name)
{
	static const char *const values[] = {"acme", "ai-tokens", "k-1", "PAID", "PROMOTIONAL", "cap", "EUR", "a/b",
		"2026-01-02T03:04:05Z", "", "\xff\xfe", "caf\xc3\xa9", "\x01", "\xc2\x85", "overdraft:x", "a b"};
	unsigned choice = choose(putter->choices, 64);
	const char *value = values[choice < 16 ? choice : 0];
	if (choice >= 16 && strcmp(name, "grantType") == 0)
		value = values[3 + choice % 2];
	if (choice >= 16 && strcmp(name, "overLimit") == 0)
		value = values[5];
	if (choice == 63) {
		char longest[512];
		memset(longest, 'x', sizeof longest);
		avro_put_string(&putter->buffer, (struct text){longest, 250 + choose_byte(putter->choices)});
		return;
	}
	avro_put_string(&putter->buffer, text_of(value));
}

static void put_raw(struct putter *putter, size_t size)
{
	for (size_t i = 0; i < size; i++)
		buffer_put_byte(&putter->buffer, (char)choose_byte(putter->choices));
}

static int64_t choose_long(struct putter *putter)
{
	static const int64_t values[] = {0, 1, -1, 20, 3600, 1767323045678, 1767323045678000, INT32_MAX, INT32_MIN,
		INT64_MAX, INT64_MIN, INSTANT_MIN, INSTANT_MAX, INSTANT_MAX + 1};
	unsigned choice = choose(putter->choices, 16);
	return choice < sizeof values / sizeof values[0] ? values[choice] : (int64_t)choose_bits(putter->choices);
}

/* In one block or several, with their size in bytes or without. */
static void put_items(struct putter *putter, const struct writer_node *node)
{
	unsigned count = choose(putter->choices, 5);
	if (count == 4 && putter->depth < 2)
		count = choose(putter->choices, 120);
	for (unsigned i = 0; i < count; i++) {
		bool is_sized = choose(putter->choices, 4) == 1;
		struct putter item = {.choices = putter->choices, .depth = putter->depth};
		buffer_init(&item.buffer, putter->buffer.arena);
		if (node->type == NODE_MAP)
			avro_put_string(&item.buffer, arena_format(item.buffer.arena, "m%u", i));
		put_value(&item, node->children[0].node, "item");
		avro_put_long(&putter->buffer, is_sized ? -1 : 1);
		if (is_sized)
			avro_put_long(&putter->buffer, (int64_t)item.buffer.size);
		buffer_put(&putter->buffer, item.buffer.data, item.buffer.size);
	}
	avro_put_long(&putter->buffer, 0);
}

static size_t choose_branch(struct putter *putter, const struct writer_node *node)
{
	size_t branch = choose(putter->choices, (unsigned)node->count);
	bool is_again = node->children[branch].node->type == NODE_AGAIN;
	return is_again && putter->depth >= VALUE_DEPTH_MAX ? 0 : branch;
}

static void put_double(struct putter *putter)
{
	static const double values[] = {
		0, 1.5, -1e308, __builtin_inf(), __builtin_nan(""), 0.1, 5e-324, 123456789012345678.0};
	unsigned choice = choose(putter->choices, 16);
	if (choice < 8)
		avro_put_double(&putter->buffer, values[choice]);
	else
		put_raw(putter, 8);
}

static void put_leaf(struct putter *putter, const struct writer_node *node, const char *name)
{
	switch (node->type) {
	case NODE_NULL:
		break;
	case NODE_BOOLEAN:
		avro_put_boolean(&putter->buffer, choose(putter->choices, 2));
		break;
	case NODE_INT:
		avro_put_long(&putter->buffer, (int32_t)choose_long(putter));
		break;
	case NODE_LONG:
		avro_put_long(&putter->buffer, choose_long(putter));
		break;
	case NODE_FLOAT:
		put_raw(putter, 4);
		break;
	case NODE_DOUBLE:
		put_double(putter);
		break;
	case NODE_BYTES: {
		size_t size = node->is_decimal + choose(putter->choices, 18);
		avro_put_long(&putter->buffer, (int64_t)size);
		put_raw(putter, size);
		break;
	}
	case NODE_STRING:
		put_text_value(putter, name);
		break;
	case NODE_FIXED:
		put_raw(putter, node->size);
		break;
	case NODE_ENUM:
		avro_put_long(&putter->buffer, (int64_t)choose(putter->choices, (unsigned)node->count));
		break;
	default:
		assert(false);
	}
}

static void put_value(struct putter *putter, const struct writer_node *node, const char *name)
{
	putter->depth++;
	switch (node->type) {
	case NODE_UNION: {
		size_t branch = choose_branch(putter, node);
		avro_put_long(&putter->buffer, (int64_t)branch);
		put_value(putter, node->children[branch].node, name);
		break;
	}
	case NODE_AGAIN:
		put_value(putter, node->again, name);
		break;
	case NODE_RECORD:
		for (size_t i = 0; i < node->count; i++)
			put_value(putter, node->children[i].node, node->children[i].name);
		break;
	case NODE_ARRAY:
	case NODE_MAP:
		put_items(putter, node);
		break;
	default:
		put_leaf(putter, node, name);
	}
	putter->depth--;
}

struct text writer_put(const struct writer *writer, struct choices *choices, struct arena *arena)
{
	struct putter putter = {.choices = choices};
	buffer_init(&putter.buffer, arena);
	put_value(&putter, writer->record, "");
	return buffer_finish(&putter.buffer);
}
