/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/source_reader.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drawdown/instant.h"
#include "drawdown/log.h"
#include "drawdown/metrics.h"
#include "drawdown/source_gap.h"
#include "drawdown/source_merge.h"

#define HAND_MAX 256  /* records of a partition out of librdkafka's queue and not yet in a batch */
#define LOOK_EVERY 32 /* records between two looks at a side that has shown its end */
#define DAMAGED_MAX 3 /* readings that failed at one position */
#define UNPACKS_MAX 3
#define TRACEPARENT_SIZE_MAX 128
#define UNKNOWN_TOPIC_PAUSE (10 * INSTANT_SECOND)
#define SCHEMA_WAIT_TOLD INSTANT_SECOND /* a shorter wait for a schema is nobody's concern */

/* One partition. */
struct side {
	enum input input;
	int32_t partition;
	int64_t epoch;
	int64_t position; /* offset behind the last record that was handed out */
	int64_t until;
	int64_t end_offset; /* of the newest end that was shown; -1: none yet */
	bool at_end;	    /* nothing came since */
	bool has_answered;  /* anything at all came */
	rd_kafka_queue_t *queue;
	rd_kafka_message_t *hand[HAND_MAX]; /* messages and events, as they came */
	size_t hand_next;
	size_t hand_count;
	int64_t logged_at;	/* the last line about an error that passes by itself */
	unsigned unpacks_count; /* in a row, of what stands at `position`; none succeeded */
	int64_t gap_end;	/* from `position` up to here nothing can be unpacked */
};

struct pair {
	struct side sides[INPUT_COUNT];
	struct merge_wait wait;
	/* for the schema of the record whose turn it is */
	int64_t schema_wait_since; /* 0: it does not wait */
	int64_t schema_wait_offset;
	bool is_schema_wait_told;
};

struct source_reader {
	rd_kafka_t *kafka;
	const struct config *config;
	struct pair *pairs;
	size_t pairs_count;
	size_t pairs_turn; /* whose turn it is, so that a full batch starves no one */
	bool is_recovering;
	struct source_damage *damage;
	struct schemas *schemas;
	size_t schema_waits_count; /* pairs */
};

/* ---- begin, end ---- */

static void open_side(
	struct source_reader *reader, struct side *side, int event_fd, const struct input_partition *partition)
{
	static const uint64_t one = 1;
	const char *topic = reader->config->input_topics[partition->input];

	side->input = partition->input;
	side->partition = partition->partition;
	side->epoch = partition->epoch;
	side->position = partition->position;
	side->until = partition->until;
	side->end_offset = -1;
	side->queue = rd_kafka_queue_get_partition(reader->kafka, topic, partition->partition);
	assert(side->queue);
	rd_kafka_queue_forward(side->queue, NULL);
	rd_kafka_queue_io_event_enable(side->queue, event_fd, &one, sizeof one);
}

static struct pair *find_pair(struct source_reader *reader, int32_t partition)
{
	for (size_t i = 0; i < reader->pairs_count; i++) {
		const struct side *sides = reader->pairs[i].sides;
		if ((sides[INPUT_USAGE].queue && sides[INPUT_USAGE].partition == partition) ||
			(sides[INPUT_COMMANDS].queue && sides[INPUT_COMMANDS].partition == partition))
			return &reader->pairs[i];
	}
	return &reader->pairs[reader->pairs_count++];
}

struct source_reader *source_reader_new(rd_kafka_t *kafka, const struct config *config, struct schemas *schemas,
	int event_fd, const struct input_partition *partitions, size_t count, struct source_damage *damage)
{
	struct source_reader *reader = calloc(1, sizeof *reader);
	struct pair *pairs = calloc(count ? count : 1, sizeof *pairs);

	if (!reader || !pairs)
		abort();
	*reader = (struct source_reader){
		.kafka = kafka,
		.config = config,
		.pairs = pairs,
		.is_recovering = true,
		.damage = damage,
		.schemas = schemas,
	};
	for (size_t i = 0; i < count; i++) {
		struct pair *pair = find_pair(reader, partitions[i].partition);
		struct side *side = &pair->sides[partitions[i].input];
		assert(!side->queue);
		open_side(reader, side, event_fd, &partitions[i]);
	}
	assert(reader->pairs_count * INPUT_COUNT == count); /* whole pairs only */
	return reader;
}

static void close_side(struct side *side)
{
	for (; side->hand_next < side->hand_count; side->hand_next++)
		rd_kafka_message_destroy(side->hand[side->hand_next]);
	rd_kafka_queue_io_event_enable(side->queue, -1, NULL, 0);
	rd_kafka_queue_destroy(side->queue);
}

void source_reader_free(struct source_reader *reader)
{
	if (!reader)
		return;
	for (size_t i = 0; i < reader->pairs_count; i++) {
		close_side(&reader->pairs[i].sides[INPUT_USAGE]);
		close_side(&reader->pairs[i].sides[INPUT_COMMANDS]);
	}
	schemas_begin_anew(reader->schemas);
	metrics_set_schema_waits(0);
	free(reader->pairs);
	free(reader);
}

/* ---- what is in hand ---- */

static void drop_head(struct side *side)
{
	rd_kafka_message_destroy(side->hand[side->hand_next++]);
}

/* librdkafka goes on behind what it could not read, so the only safe way is to read again from our position. */
static enum outcome unreadable(const struct source_reader *reader, const struct side *side,
	const rd_kafka_message_t *event, struct failure *reterr)
{
	const char *topic = reader->config->input_topics[side->input];
	struct source_damage *damage = reader->damage;

	if (damage->input != side->input || damage->partition != side->partition || damage->position != side->position)
		*damage = (struct source_damage){side->input, side->partition, side->position, 0};
	damage->count++;
	enum outcome outcome = damage->count < DAMAGED_MAX ? OUTCOME_REWIND : OUTCOME_FATAL;
	fail(reterr, outcome, "source.read", "%s [%d] cannot be read at offset %lld: %s: %s", topic,
		(int)side->partition, (long long)side->position, rd_kafka_err2name(event->err),
		rd_kafka_message_errstr(event));
	if (outcome == OUTCOME_FATAL)
		fail_hint(reterr, "read %u times from the same offset: check the broker's log directory and its logs",
			damage->count);
	return outcome;
}

static bool is_in_gap(const struct side *side)
{
	return side->position < side->gap_end;
}

/* Its bytes are those that the producer sent, for their CRC is right, and yet they cannot be unpacked: there is more
 * in them than receive.message.max.bytes, or nonsense. Read again from our position, and in the end from behind it. */
static enum outcome not_unpacked(
	const struct source_reader *reader, struct side *side, const rd_kafka_message_t *event, struct failure *reterr)
{
	const char *topic = reader->config->input_topics[side->input];
	int64_t from = side->position;

	if (++side->unpacks_count == UNPACKS_MAX) {
		enum outcome outcome = source_gap_measure(
			reader->config, topic, side->partition, event->offset, side->position, &side->gap_end, reterr);
		if (outcome == OUTCOME_RETRY)
			outcome = reterr->outcome = OUTCOME_REWIND;
		if (outcome != OUTCOME_OK)
			return outcome;
		log_line(LOG_WARNING, "source.read",
			"%s [%d] cannot be unpacked from offset %lld to %lld: dead letters without their bytes stand "
			"for them",
			topic, (int)side->partition, (long long)side->position, (long long)side->gap_end - 1);
		side->unpacks_count = 0;
		side->at_end = false;
		side->has_answered = true;
		from = side->gap_end;
	}
	while (side->hand_count > side->hand_next + 1)
		rd_kafka_message_destroy(side->hand[--side->hand_count]);
	/* what is in the queue by now is not given out any more */
	rd_kafka_resp_err_t code = rd_kafka_seek(event->rkt, side->partition, from, 0);
	return code ? fail(reterr, OUTCOME_REWIND, "source.read", "could not go to offset %lld of %s [%d]: %s",
			      (long long)from, topic, (int)side->partition, rd_kafka_err2str(code))
		    : OUTCOME_OK;
}

static enum outcome handle_event(
	const struct source_reader *reader, struct side *side, const rd_kafka_message_t *event, struct failure *reterr)
{
	const char *topic = reader->config->input_topics[side->input];

	switch ((int)event->err) {
	case RD_KAFKA_RESP_ERR__PARTITION_EOF:
		side->end_offset = event->offset;
		side->at_end = side->has_answered = true;
		return OUTCOME_OK;
	case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
	case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
		return fail(reterr, OUTCOME_REWIND, "source.read", "%s [%d] has no offset %lld any more", topic,
			(int)side->partition, (long long)side->position);
	case RD_KAFKA_RESP_ERR__TRANSPORT:
	case RD_KAFKA_RESP_ERR__TIMED_OUT:
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
	case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
		if (!side->logged_at || monotonic_now() - side->logged_at > UNKNOWN_TOPIC_PAUSE) {
			side->logged_at = monotonic_now();
			log_line(LOG_WARNING, "source.read", "%s [%d] gives nothing for now: %s", topic,
				(int)side->partition, rd_kafka_message_errstr(event));
		}
		return OUTCOME_OK;
	case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
		return not_unpacked(reader, side, event, reterr);
	default:
		if (kafka_is_denied(event->err))
			return kafka_fail(reterr, event->err, "source.read", "could not read %s [%d]", topic,
				(int)side->partition);
		return unreadable(reader, side, event, reterr);
	}
}

/* Bring the next record of the partition to the head of its hand; *ret_head NULL where there is none. */
static enum outcome find_head(
	const struct source_reader *reader, struct side *side, rd_kafka_message_t **ret_head, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	*ret_head = NULL;
	while (outcome == OUTCOME_OK && !is_in_gap(side)) {
		if (side->hand_next == side->hand_count) {
			side->hand_next = side->hand_count = 0;
			if (rd_kafka_queue_length(side->queue) == 0)
				return OUTCOME_OK;
			ssize_t count = rd_kafka_consume_batch_queue(side->queue, 0, side->hand, HAND_MAX);
			if (count <= 0)
				return OUTCOME_OK;
			side->hand_count = (size_t)count;
		}
		rd_kafka_message_t *head = side->hand[side->hand_next];
		if (!head->err && head->offset >= side->position) {
			side->at_end = false;
			side->has_answered = true;
			side->unpacks_count = 0;
			*ret_head = head;
			return OUTCOME_OK;
		}
		if (head->err)
			outcome = handle_event(reader, side, head, reterr);
		drop_head(side);
	}
	return outcome;
}

/* ---- into the batch ---- */

static struct text copy_bytes(struct arena *arena, const void *data, size_t size)
{
	if (!data)
		return TEXT_NULL;
	return arena_copy(arena, (struct text){size ? data : "", size});
}

static bool is_traceparent(const struct header *header)
{
	return text_equal(header->name, TEXT_LITERAL("traceparent")) && header->value.data && header->value.size > 0 &&
	       header->value.size <= TRACEPARENT_SIZE_MAX && text_is_printable(header->value, NULL);
}

static void copy_headers(struct arena *arena, const rd_kafka_message_t *message, struct record *record)
{
	rd_kafka_headers_t *raw;
	size_t count;

	if (rd_kafka_message_headers(message, &raw) || (count = rd_kafka_header_cnt(raw)) == 0)
		return;
	struct header *headers = arena_alloc_array(arena, count, sizeof *headers);
	for (size_t i = 0; i < count; i++) {
		const char *name;
		const void *value;
		size_t value_size;
		rd_kafka_resp_err_t code = rd_kafka_header_get_all(raw, i, &name, &value, &value_size);
		assert(!code);
		headers[i].name = arena_copy(arena, text_of(name));
		headers[i].value = copy_bytes(arena, value, value_size);
		if (is_traceparent(&headers[i]))
			record->traceparent = headers[i].value;
	}
	record->headers = headers;
	record->headers_count = count;
}

/* 0 where the record has none (a producer that is older than Kafka 0.10); one past INSTANT_MAX for whatever is later.
 */
static instant_t timestamp_of(const rd_kafka_message_t *message)
{
	int64_t milliseconds = rd_kafka_message_timestamp(message, NULL);

	if (milliseconds < 0)
		return 0;
	return milliseconds <= INSTANT_MAX / INSTANT_MILLISECOND ? milliseconds * INSTANT_MILLISECOND : INSTANT_MAX + 1;
}

/* A value that not even a dead letter can take is never looked at: its size alone says so. */
static struct text copy_value(struct arena *arena, const rd_kafka_message_t *message)
{
	if (message->len > DEAD_LETTER_SIZE_MAX)
		return (struct text){"", message->len};
	return copy_bytes(arena, message->payload, message->len);
}

static void hand_out(struct side *side, struct batch *batch)
{
	const rd_kafka_message_t *message = side->hand[side->hand_next];
	struct arena *arena = &batch->arena;
	struct record *record = batch_append(batch);

	record->source = (struct source_position){
		.input = side->input,
		.partition = side->partition,
		.offset = message->offset,
		.timestamp = timestamp_of(message),
	};
	record->key = copy_bytes(arena, message->key, message->key_len);
	record->value = copy_value(arena, message);
	copy_headers(arena, message, record);
	batch_cover(batch, side->input, side->partition, side->position, message->offset, side->epoch,
		record->source.timestamp);
	side->position = message->offset + 1;
	drop_head(side);
}

/* One that could not be unpacked. All that is known of it is where it stands, at every reading. */
static void hand_out_unread(const struct source_reader *reader, struct side *side, struct batch *batch)
{
	static const struct header cut = {.name = TEXT_LITERAL("drawdown.cut"), .value = TEXT_LITERAL("unknown")};
	struct record *record = batch_append(batch);
	struct defect *defect = arena_alloc(&batch->arena, sizeof *defect);

	record->source = (struct source_position){side->input, side->partition, side->position, INSTANT_NONE};
	defect->reason = "bad_compression";
	(void)snprintf(defect->text, sizeof defect->text,
		"the record's batch cannot be unpacked within receive.message.max.bytes; until retention takes them, "
		"readers with a larger one find its bytes at offset %lld of [%d] of %s",
		(long long)side->position, (int)side->partition, reader->config->input_topics[side->input]);
	record->defect = defect;
	record->headers = &cut;
	record->headers_count = 1;
	batch_cover(batch, side->input, side->partition, side->position, side->position, side->epoch, INSTANT_NONE);
	side->position++;
}

/* Nothing is fetched for it any more, as far as was told: a quicker sign than the end-of-partition event,
 * which comes up to a fetch later. A record behind a transaction's marker waits for the event. */
static bool is_at_end(const struct source_reader *reader, struct side *side)
{
	int64_t log_start, log_end;

	if (!side->at_end && side->has_answered &&
		!rd_kafka_get_watermark_offsets(reader->kafka, reader->config->input_topics[side->input],
			side->partition, &log_start, &log_end))
		side->at_end = log_end == side->position;
	return side->at_end;
}

static enum outcome look_at(
	const struct source_reader *reader, struct side *side, struct merge_side *ret_side, struct failure *reterr)
{
	rd_kafka_message_t *head;
	enum outcome outcome = find_head(reader, side, &head, reterr);

	*ret_side = (struct merge_side){0};
	if (outcome != OUTCOME_OK)
		return outcome;
	bool has_record = head || is_in_gap(side);
	bool is_held_back =
		has_record && reader->is_recovering && (head ? head->offset : side->position) >= side->until;
	if (has_record && !is_held_back) {
		ret_side->has_record = true;
		ret_side->timestamp = head ? timestamp_of(head) : 0;
	} else {
		ret_side->is_done = has_record || (reader->is_recovering && side->position >= side->until) ||
				    is_at_end(reader, side);
	}
	return OUTCOME_OK;
}

/* ---- schemas ---- */

static struct text value_of(const rd_kafka_message_t *message)
{
	return (struct text){message->payload, message->len};
}

/* What follows in hand will be asked for too: one look into the database serves many. */
static void look_ahead(const struct source_reader *reader, const struct side *side)
{
	for (size_t i = side->hand_next + 1; i < side->hand_count; i++) {
		const rd_kafka_message_t *message = side->hand[i];
		if (!message->err && (!reader->is_recovering || message->offset < side->until))
			schemas_expect(reader->schemas, value_of(message), reader->is_recovering);
	}
}

static void begin_or_go_on_waiting(struct source_reader *reader, struct pair *pair, const struct side *side)
{
	int64_t offset = side->hand[side->hand_next]->offset, now = monotonic_now();

	if (!pair->schema_wait_since) {
		pair->schema_wait_since = now;
		pair->schema_wait_offset = -1;
		metrics_set_schema_waits(++reader->schema_waits_count);
	}
	if (pair->schema_wait_offset != offset) {
		pair->schema_wait_offset = offset;
		look_ahead(reader, side);
	}
	if (pair->is_schema_wait_told || now - pair->schema_wait_since < SCHEMA_WAIT_TOLD)
		return;
	pair->is_schema_wait_told = true;
	log_line(LOG_WARNING, "source.schema",
		"%s [%d] waits at offset %lld, and the other topic's partition with it: the schema of that record is "
		"not known yet",
		reader->config->input_topics[side->input], (int)side->partition, (long long)offset);
}

static void end_waiting(struct source_reader *reader, struct pair *pair, const struct side *side)
{
	if (pair->is_schema_wait_told)
		log_line(LOG_INFO, "source.schema", "%s [%d] goes on at offset %lld after %lld s",
			reader->config->input_topics[side->input], (int)side->partition, (long long)side->position,
			(long long)((monotonic_now() - pair->schema_wait_since) / INSTANT_SECOND));
	pair->schema_wait_since = 0;
	pair->is_schema_wait_told = false;
	metrics_set_schema_waits(--reader->schema_waits_count);
}

/* May the record at the head be handed out? */
static bool is_decodable(struct source_reader *reader, struct pair *pair, const struct side *side)
{
	if (!schemas_admit(reader->schemas, value_of(side->hand[side->hand_next]), reader->is_recovering)) {
		begin_or_go_on_waiting(reader, pair, side);
		return false;
	}
	if (pair->schema_wait_since)
		end_waiting(reader, pair, side);
	return true;
}

static bool is_full(const struct source_reader *reader, const struct batch *batch, size_t records_max, size_t bytes_max)
{
	return !reader->is_recovering && (batch->records_count >= records_max || batch->arena.used_size >= bytes_max);
}

/* At most what two hands hold, so that the other pairs have their turn. */
static enum outcome take_from_pair(struct source_reader *reader, struct pair *pair, struct batch *batch,
	size_t records_max, size_t bytes_max, int64_t *ret_wait_until, struct failure *reterr)
{
	int64_t now = monotonic_now();

	struct merge_side sides[INPUT_COUNT] = {{0}};

	for (size_t taken = 0; taken < INPUT_COUNT * HAND_MAX; taken++) {
		enum outcome outcome = OUTCOME_OK;
		enum input chosen = INPUT_COUNT;

		if (is_full(reader, batch, records_max, bytes_max))
			return OUTCOME_OK;
		/* what stands at the head goes on standing there; an empty queue is asked again now and then */
		for (size_t i = 0; outcome == OUTCOME_OK && i < INPUT_COUNT; i++)
			if (!sides[i].has_record && (!sides[i].is_done || taken % LOOK_EVERY == 0))
				outcome = look_at(reader, &pair->sides[i], &sides[i], reterr);
		if (outcome != OUTCOME_OK)
			return outcome;
		switch (merge_choose(sides, &pair->wait, now, reader->config->merge_wait)) {
		case MERGE_USAGE:
			chosen = INPUT_USAGE;
			break;
		case MERGE_COMMANDS:
			chosen = INPUT_COMMANDS;
			break;
		case MERGE_WAIT:
			if (pair->wait.since + reader->config->merge_wait < *ret_wait_until)
				*ret_wait_until = pair->wait.since + reader->config->merge_wait;
			return OUTCOME_OK;
		case MERGE_NOTHING:
			return OUTCOME_OK;
		}
		struct side *side = &pair->sides[chosen];
		if (!is_in_gap(side) && !is_decodable(reader, pair, side))
			return OUTCOME_OK;
		if (is_in_gap(side))
			hand_out_unread(reader, side, batch);
		else
			hand_out(side, batch);
		sides[chosen] = (struct merge_side){0};
	}
	return OUTCOME_OK;
}

enum outcome source_reader_fill(struct source_reader *reader, struct batch *batch, size_t records_max, size_t bytes_max,
	int64_t *ret_wait_until, struct failure *reterr)
{
	size_t records_before;

	*ret_wait_until = INT64_MAX;
	schemas_turn(reader->schemas, reader->is_recovering);
	do {
		records_before = batch->records_count;
		for (size_t i = 0; i < reader->pairs_count; i++) {
			struct pair *pair = &reader->pairs[reader->pairs_turn % reader->pairs_count];
			enum outcome outcome =
				take_from_pair(reader, pair, batch, records_max, bytes_max, ret_wait_until, reterr);
			if (outcome != OUTCOME_OK)
				return outcome;
			if (is_full(reader, batch, records_max, bytes_max))
				return OUTCOME_OK;
			reader->pairs_turn++;
		}
	} while (batch->records_count > records_before);
	return OUTCOME_OK;
}

static bool has_reached(const struct side *side)
{
	if (side->position >= side->until || side->end_offset >= side->until)
		return true;
	/* what stands at the head, and was not handed out, lies at `until` or behind it */
	return side->hand_next < side->hand_count && !side->hand[side->hand_next]->err &&
	       side->hand[side->hand_next]->offset >= side->until;
}

bool source_reader_is_recovered(struct source_reader *reader)
{
	if (!reader->is_recovering)
		return false;
	for (size_t i = 0; i < reader->pairs_count; i++) {
		if (!has_reached(&reader->pairs[i].sides[INPUT_USAGE]) ||
			!has_reached(&reader->pairs[i].sides[INPUT_COMMANDS]))
			return false;
	}
	reader->is_recovering = false;
	schemas_begin_anew(reader->schemas);
	return true;
}

/* Behind the last record, or further, where only markers follow. */
static int64_t reached(const struct side *side)
{
	return side->end_offset > side->position ? side->end_offset : side->position;
}

int64_t source_reader_reached(const struct source_reader *reader, enum input input, int32_t partition)
{
	for (size_t i = 0; i < reader->pairs_count; i++) {
		const struct side *side = &reader->pairs[i].sides[input];
		if (side->partition == partition)
			return reached(side);
	}
	return -1;
}

static void report_side(const struct source_reader *reader, const struct side *side)
{
	int64_t log_start, log_end;
	int64_t position = reached(side);

	if (rd_kafka_get_watermark_offsets(
		    reader->kafka, reader->config->input_topics[side->input], side->partition, &log_start, &log_end) ||
		log_end < position)
		log_end = position;
	metrics_set_position(side->input, side->partition, side->position, position, log_end);
}

void source_reader_report(const struct source_reader *reader)
{
	for (size_t i = 0; i < reader->pairs_count; i++) {
		report_side(reader, &reader->pairs[i].sides[INPUT_USAGE]);
		report_side(reader, &reader->pairs[i].sides[INPUT_COMMANDS]);
	}
}
