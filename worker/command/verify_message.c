/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message of credits.ledger against the entry in the database. The encoder gives the same entry the same bytes;
 * other bytes are decoded and compared field by field, so that the one that differs can be named.
 */
#include "drawdown/encode.h"
#include "verify.h"

const struct json_node *verify_decode(
	const struct decoder *decoder, struct arena *arena, struct text value, struct defect *ret_defect)
{
	struct text json;

	*ret_defect = (struct defect){.text = "is not JSON"};
	if (!value.data || !decode_to_json(decoder, arena, value, &json, ret_defect))
		return NULL;
	return json_tree_parse(json, arena);
}

static void compare_trees(struct verify_report *report, const struct ledger_entry *entry,
	const struct json_node *expected, const struct json_node *found, const char *within)
{
	for (const struct json_node *node = expected->first; node; node = node->next) {
		const struct json_node *other = json_tree_find(found, node->name);
		bool is_object = node->type == JSON_OBJECT && other && other->type == JSON_OBJECT;
		if (is_object && node->children_count == other->children_count)
			compare_trees(report, entry, node, other,
				text_equal(node->name, TEXT_LITERAL("source")) ? "source." : "dimensions.");
		else if (!other || node->type != other->type || is_object || !text_equal(node->text, other->text))
			report_difference(report, entry->account, node->text, other ? other->text : TEXT_NULL,
				"topic, entry %lld: %s%.*s", (long long)entry->seq, within, TEXT_ARGS(node->name));
	}
	if (expected->children_count < found->children_count)
		report_integers(report, entry->account, (int64_t)expected->children_count,
			(int64_t)found->children_count, "topic, entry %lld: how many fields", (long long)entry->seq);
}

/* The encoder takes dimensions as the decoder makes them: an object of plain values. */
static bool has_plain_dimensions(const struct ledger_entry *entry, struct arena *arena)
{
	if (!entry->dimensions.data)
		return true;
	const struct json_node *tree = json_tree_parse(entry->dimensions, arena);
	if (!tree || tree->type != JSON_OBJECT)
		return false;
	for (const struct json_node *node = tree->first; node; node = node->next)
		if (node->type != JSON_STRING && node->type != JSON_NUMBER && node->type != JSON_BOOLEAN)
			return false;
	return true;
}

/* As the message was written. */
static struct encoding encoding_of(struct text value, const char *topic)
{
	struct encoding encoding = {
		.format = (uint8_t)value.data[0] == 0xC3 || value.data[0] == 0 ? FORMAT_AVRO : FORMAT_JSON,
		.input_topics = {topic, topic},
	};

	if (value.data[0] == 0 && value.size >= 5)
		for (size_t i = 1; i < 5; i++)
			encoding.schema_ids[OUTPUT_LEDGER] =
				encoding.schema_ids[OUTPUT_LEDGER] << 8 | (uint8_t)value.data[i];
	return encoding;
}

void verify_message(struct verify_report *report, const struct decoder *decoder, struct arena *arena,
	const struct ledger_entry *entry, const char *topic, const struct published *published)
{
	const struct encoding encoding = encoding_of(published->value, topic);
	struct defect defect;

	if (!has_plain_dimensions(entry, arena)) {
		report_difference(report, entry->account, TEXT_LITERAL("an object of plain values"), entry->dimensions,
			"entry %lld: dimensions", (long long)entry->seq);
		return;
	}
	struct text expected = encode_ledger_entry(arena, entry, &encoding);
	if (!text_equal(expected, published->value)) {
		const struct json_node *right = verify_decode(decoder, arena, expected, &defect);
		const struct json_node *found = verify_decode(decoder, arena, published->value, &defect);
		if (right && found)
			compare_trees(report, entry, right, found, "");
		else
			report_difference(report, entry->account, TEXT_LITERAL("readable"), text_of(defect.text),
				"topic, entry %lld", (long long)entry->seq);
	}
	if (!text_equal(published->key, entry->account->customer_id))
		report_difference(report, entry->account, entry->account->customer_id, published->key,
			"topic, entry %lld: key of the message", (long long)entry->seq);
	if (!text_equal(published->traceparent, entry->traceparent))
		report_difference(report, entry->account, entry->traceparent, published->traceparent,
			"topic, entry %lld: header traceparent", (long long)entry->seq);
}
