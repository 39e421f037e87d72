/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/letters.h"

#include <stdlib.h>
#include <string.h>

#include "drawdown/units.h"

#define OWN_HEADERS_COUNT 6 /* of every letter; the last ones */

const char *const letter_state_names[LETTER_STATE_COUNT + 1] = {
	[LETTER_READABLE] = "readable",
	[LETTER_UNDECIDED] = "undecided",
	[LETTER_UNREADABLE] = "unreadable",
	[LETTER_UNSENDABLE] = "unsendable",
	[LETTER_TOO_OLD] = "too_old",
	[LETTER_REPLAYED] = "replayed",
};

/* ---- one letter ---- */

static bool is_named(const struct header *header, const char *name)
{
	return text_equal(header->name, text_of(name));
}

static struct header *read_headers(const rd_kafka_message_t *message, struct arena *arena, size_t *ret_count)
{
	rd_kafka_headers_t *list;
	const char *name;
	const void *value;
	size_t size;

	*ret_count = 0;
	if (rd_kafka_message_headers(message, &list))
		return NULL;
	struct header *headers = arena_alloc_array(arena, rd_kafka_header_cnt(list), sizeof *headers);
	for (; !rd_kafka_header_get_all(list, *ret_count, &name, &value, &size); ++*ret_count)
		headers[*ret_count] = (struct header){text_of(name), {value, size}};
	return headers;
}

static bool parse_integer(struct text text, int64_t max, int64_t *ret_value)
{
	char digits[24];

	if (!text.data || text.size >= sizeof digits)
		return false;
	memcpy(digits, text.data, text.size);
	digits[text.size] = '\0';
	return units_parse_integer(digits, ret_value) == UNITS_PARSED && *ret_value >= 0 && *ret_value <= max;
}

static instant_t parse_time(struct text text)
{
	instant_t instant;
	return text.data && instant_parse(text, &instant) ? instant : INSTANT_NONE;
}

/* The last headers, which no producer can have written. */
static bool read_own_headers(struct letter *letter, const struct header *own)
{
	static const char *const names[OWN_HEADERS_COUNT] = {"drawdown.reason", "drawdown.error", "drawdown.topic",
		"drawdown.partition", "drawdown.offset", "drawdown.timestamp"};
	int64_t partition;

	for (size_t i = 0; i < OWN_HEADERS_COUNT; i++)
		if (!is_named(&own[i], names[i]))
			return false;
	letter->reason = own[0].value;
	letter->error = own[1].value;
	letter->topic = own[2].value;
	letter->source_timestamp = parse_time(own[5].value);
	if (!parse_integer(own[3].value, INT32_MAX, &partition) ||
		!parse_integer(own[4].value, INT64_MAX, &letter->source_offset))
		return false;
	letter->source_partition = (int32_t)partition;
	return letter->reason.data && letter->topic.data;
}

/* What a replay has added to the record's headers comes off again: an origin is named once. */
static void take_off_replay(struct letter *letter, struct header *headers, size_t count)
{
	letter->headers = headers;
	for (size_t i = 0; i < count; i++) {
		if (is_named(&headers[i], LETTER_REPLAYED_FROM)) {
			letter->replayed_from = headers[i].value;
		} else if (is_named(&headers[i], LETTER_FIRST_TIMESTAMP)) {
			instant_t first = parse_time(headers[i].value);
			if (first != INSTANT_NONE && first < letter->first_timestamp)
				letter->first_timestamp = first;
		} else {
			headers[letter->headers_count++] = headers[i];
		}
	}
}

bool letter_read(const rd_kafka_message_t *message, struct arena *arena, struct letter *ret_letter)
{
	size_t count;
	struct header *headers = read_headers(message, arena, &count);
	int64_t timestamp = rd_kafka_message_timestamp(message, NULL);

	*ret_letter = (struct letter){
		.partition = message->partition,
		.offset = message->offset,
		.timestamp = timestamp * INSTANT_MILLISECOND,
		.key = {message->key, message->key_len},
		.value = {message->payload, message->len},
	};
	if (count < OWN_HEADERS_COUNT || !read_own_headers(ret_letter, headers + count - OWN_HEADERS_COUNT))
		return false;
	count -= OWN_HEADERS_COUNT;
	if (count == 1 && is_named(headers, "drawdown.cut") && !ret_letter->value.data) {
		ret_letter->cut = headers->value;
		count = 0;
	}
	ret_letter->first_timestamp =
		ret_letter->source_timestamp == INSTANT_NONE ? ret_letter->timestamp : ret_letter->source_timestamp;
	take_off_replay(ret_letter, headers, count);
	return true;
}

bool letter_place_parse(const char *text, struct letter_place *ret_place)
{
	const char *slash = strchr(text, '/');
	int64_t partition;

	if (!slash || !parse_integer((struct text){text, (size_t)(slash - text)}, INT32_MAX, &partition) ||
		!parse_integer(text_of(slash + 1), INT64_MAX - 1, &ret_place->offset))
		return false;
	ret_place->partition = (int32_t)partition;
	return true;
}

static bool is_place_meant(const struct letter *letter, const struct letter_filter *filter)
{
	for (size_t i = 0; i < filter->places_count; i++)
		if (filter->places[i].partition == letter->partition && filter->places[i].offset == letter->offset)
			return true;
	return filter->places_count == 0;
}

static bool is_reason_meant(struct text reason, const struct option_list *reasons)
{
	for (size_t i = 0; i < reasons->count; i++)
		if (text_equal(reason, text_of(reasons->values[i])))
			return true;
	return reasons->count == 0;
}

static bool is_time_meant(instant_t time, const struct letter_filter *filter)
{
	if (filter->since == INSTANT_NONE && filter->until == INSTANT_NONE)
		return true;
	return time != INSTANT_NONE && (filter->since == INSTANT_NONE || time >= filter->since) &&
	       (filter->until == INSTANT_NONE || time < filter->until);
}

bool letter_matches(const struct letter *letter, const struct letter_filter *filter)
{
	return is_place_meant(letter, filter) && is_reason_meant(letter->reason, &filter->reasons) &&
	       (!filter->topic || text_equal(letter->topic, text_of(filter->topic))) &&
	       (!filter->key || (letter->key.data && text_equal(letter->key, text_of(filter->key)))) &&
	       (filter->partition < 0 || letter->source_partition == filter->partition) &&
	       letter->source_offset >= filter->offset_min && letter->source_offset <= filter->offset_max &&
	       is_time_meant(letter->source_timestamp, filter);
}

static bool has_topic(const struct letter_judge *judge, const struct letter *letter)
{
	for (int input = 0; judge->topics && input < INPUT_COUNT; input++)
		if (text_equal(letter->topic, text_of(judge->topics[input])))
			return true;
	return !judge->topics;
}

enum letter_state letter_judge(const struct letter_judge *judge, const struct letter *letter, struct arena *arena,
	struct event *ret_event, struct defect *ret_defect)
{
	if (letter->is_replayed && !judge->ignores_replayed)
		return LETTER_REPLAYED;
	if (letter->cut.data || !has_topic(judge, letter))
		return LETTER_UNSENDABLE;
	if (!judge->ignores_age && judge->now - letter->first_timestamp > judge->dedupe_window)
		return LETTER_TOO_OLD;
	if (decode_event(judge->decoder, arena, letter->value, ret_event, ret_defect))
		return LETTER_READABLE;
	return strcmp(ret_defect->reason, "unknown_schema") == 0 ? LETTER_UNDECIDED : LETTER_UNREADABLE;
}

/* ---- all of them ---- */

/* One partition at a time is gone through twice: notes stand behind the letters that they are about. */
struct walk {
	const struct letter_filter *filter;
	struct progress *progress;
	uint64_t done;
	letters_take *take;
	void *context;
	struct arena arena; /* of one letter */
	int64_t *replayed;  /* offsets, in order of the notes, then of themselves */
	size_t replayed_count, replayed_capacity;
	bool is_over;
};

static void show(struct walk *walk, const rd_kafka_message_t *message)
{
	walk->done += message != NULL;
	progress_update(walk->progress, walk->done / 2, NULL);
}

static bool hand_out(struct walk *walk, const struct letter *letter)
{
	walk->is_over = !walk->take(walk->context, letter, letter ? &walk->arena : NULL);
	return !walk->is_over;
}

static void add_replayed(struct walk *walk, int64_t offset)
{
	if (walk->replayed_count == walk->replayed_capacity) {
		walk->replayed_capacity = walk->replayed_capacity ? walk->replayed_capacity * 2 : 1024;
		walk->replayed = reallocarray(walk->replayed, walk->replayed_capacity, sizeof *walk->replayed);
		if (!walk->replayed)
			abort();
	}
	walk->replayed[walk->replayed_count++] = offset;
}

static bool take_note(void *context, const rd_kafka_message_t *message)
{
	struct walk *walk = context;
	int64_t offset;
	size_t count;

	show(walk, message);
	if (!message)
		return hand_out(walk, NULL);
	arena_reset(&walk->arena);
	const struct header *headers = read_headers(message, &walk->arena, &count);
	if (count == 1 && !message->payload && !message->key && is_named(headers, LETTER_NOTE) &&
		parse_integer(headers->value, INT64_MAX, &offset))
		add_replayed(walk, offset);
	return hand_out(walk, NULL);
}

static int compare_offsets(const void *a, const void *b)
{
	const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
	return (left > right) - (left < right);
}

static bool is_noted(const struct walk *walk, int64_t offset)
{
	return walk->replayed_count &&
	       bsearch(&offset, walk->replayed, walk->replayed_count, sizeof *walk->replayed, compare_offsets);
}

static bool take_letter(void *context, const rd_kafka_message_t *message)
{
	struct walk *walk = context;
	struct letter letter;

	show(walk, message);
	if (!message)
		return hand_out(walk, NULL);
	arena_reset(&walk->arena);
	if (!letter_read(message, &walk->arena, &letter) || !letter_matches(&letter, walk->filter))
		return hand_out(walk, NULL);
	letter.is_replayed = is_noted(walk, letter.offset);
	return hand_out(walk, &letter);
}

/* Where to begin: at the first place that is meant, if places are; behind the end: nowhere. */
static int64_t begin_of(const struct letter_filter *filter, int32_t partition, const struct topic_range *range)
{
	int64_t begin = filter->places_count ? range->end : range->begin;

	for (size_t i = 0; i < filter->places_count; i++)
		if (filter->places[i].partition == partition && filter->places[i].offset < begin)
			begin = filter->places[i].offset;
	return begin > range->begin ? begin : range->begin;
}

static enum outcome walk_partition(
	struct walk *walk, struct topic_reader *reader, int32_t partition, struct failure *reterr)
{
	int64_t end = reader->ranges[partition].end;
	int64_t begin = begin_of(walk->filter, partition, &reader->ranges[partition]);

	walk->replayed_count = 0;
	enum outcome outcome = topic_reader_read(reader, partition, begin, end, take_note, walk, reterr);
	if (outcome != OUTCOME_OK || walk->is_over)
		return outcome;
	if (walk->replayed_count)
		qsort(walk->replayed, walk->replayed_count, sizeof *walk->replayed, compare_offsets);
	return topic_reader_read(reader, partition, begin, end, take_letter, walk, reterr);
}

enum outcome letters_each(struct topic_reader *reader, const struct letter_filter *filter, struct progress *progress,
	letters_take *take, void *context, struct failure *reterr)
{
	struct walk walk = {.filter = filter, .progress = progress, .take = take, .context = context};
	enum outcome outcome = OUTCOME_OK;

	arena_init(&walk.arena, 1 << 16);
	for (int32_t i = 0; outcome == OUTCOME_OK && !walk.is_over && i < reader->partitions_count; i++)
		outcome = walk_partition(&walk, reader, i, reterr);
	arena_release(&walk.arena);
	free(walk.replayed);
	return outcome;
}
