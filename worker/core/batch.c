/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/batch.h"

#include <assert.h>
#include <stdlib.h>

void batch_init(struct batch *batch, size_t records_capacity, size_t lanes_count, size_t arena_block_size)
{
	assert(lanes_count >= 1 && lanes_count <= BATCH_LANES_MAX);
	memset(batch, 0, sizeof *batch);
	arena_init(&batch->arena, arena_block_size);
	batch->records = calloc(records_capacity, sizeof *batch->records);
	if (!batch->records)
		abort();
	batch->records_capacity = records_capacity;
	batch->lanes_count = lanes_count;
	for (size_t i = 0; i < lanes_count; i++)
		work_init(&batch->lanes[i], arena_block_size);
}

void batch_use_pool(struct batch *batch, struct arena_pool *pool)
{
	arena_use_pool(&batch->arena, pool);
	for (size_t i = 0; i < batch->lanes_count; i++) {
		arena_use_pool(&batch->lanes[i].arena, pool);
		arena_use_pool(&batch->lanes[i].outbox, pool);
	}
}

void batch_release(struct batch *batch)
{
	for (size_t i = 0; i < batch->lanes_count; i++)
		work_release(&batch->lanes[i]);
	free(batch->records);
	arena_release(&batch->arena);
	memset(batch, 0, sizeof *batch);
}

void batch_reset(struct batch *batch)
{
	for (size_t i = 0; i < batch->lanes_count; i++)
		work_reset(&batch->lanes[i]);
	arena_reset(&batch->arena);
	batch->records_count = 0;
	batch->spans_count = batch->spans_latest = 0;
	batch->membership = TEXT_NULL;
	batch->recovery = false;
	batch->opened_at = 0;
}

struct record *batch_append(struct batch *batch)
{
	if (batch->records_count == batch->records_capacity) {
		size_t capacity = batch->records_capacity * 2;
		struct record *records = reallocarray(batch->records, capacity, sizeof *records);
		if (!records)
			abort();
		batch->records = records;
		batch->records_capacity = capacity;
	}
	struct record *record = &batch->records[batch->records_count++];
	*record = (struct record){0};
	return record;
}

static bool is_span_of(const struct span *span, enum input input, int32_t partition)
{
	return span->input == input && span->partition == partition;
}

void batch_cover(struct batch *batch, enum input input, int32_t partition, int64_t begin, int64_t offset, int64_t epoch,
	instant_t timestamp)
{
	if (timestamp > INSTANT_MAX)
		timestamp = INSTANT_NONE;
	/* mostly that of the record before */
	size_t at = batch->spans_count && is_span_of(&batch->spans[batch->spans_latest], input, partition)
			    ? batch->spans_latest
			    : 0;
	while (at < batch->spans_count && !is_span_of(&batch->spans[at], input, partition))
		at++;
	batch->spans_latest = at;
	if (at < batch->spans_count) {
		struct span *span = &batch->spans[at];
		assert(offset >= span->end && epoch == span->epoch);
		span->end = offset + 1;
		if (timestamp > span->newest)
			span->newest = timestamp;
		return;
	}
	assert(batch->spans_count < BATCH_SPANS_MAX);
	batch->spans[batch->spans_count++] = (struct span){
		.input = input,
		.partition = partition,
		.begin = begin,
		.end = offset + 1,
		.epoch = epoch,
		.newest = timestamp,
	};
}

/* Other bits than those that chose the partition, so that the records of one partition spread over all lanes. */
size_t batch_lane_of_customer(struct text customer_id, size_t lanes_count)
{
	uint32_t hash = hash_murmur2(customer_id) * 0x9e3779b1u;
	return (hash >> 16) % lanes_count;
}

static size_t lane_of(const struct record *record, size_t lanes_count)
{
	return record->readable ? batch_lane_of_customer(record->event.customer_id, lanes_count) : 0;
}

void batch_split(struct batch *batch)
{
	for (size_t i = 0; i < batch->records_count; i++) {
		struct record *record = &batch->records[i];
		work_add_record(&batch->lanes[lane_of(record, batch->lanes_count)], record);
	}
}
