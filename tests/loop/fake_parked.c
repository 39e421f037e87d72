/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_parked.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool is_of(const struct fake_parked *row, const struct record *record)
{
	return text_equal(row->customer_id, record->event.customer_id) &&
	       row->source.partition == record->source.partition;
}

static bool has_receipt(const struct fake_world *world, const struct record *record)
{
	for (size_t i = 0; i < world->receipts_count; i++) {
		const struct source_position *source = &world->receipts[i].source;
		if (source->input == record->source.input && source->partition == record->source.partition &&
			source->offset == record->source.offset)
			return true;
	}
	return false;
}

void fake_parked_find(const struct fake_world *world, struct parked_record *records, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct parked_record *parked = &records[i];
		const struct record *record = parked->record;
		parked->is_done = has_receipt(world, record);
		for (size_t j = 0; j < world->parked_count; j++) {
			const struct fake_parked *row = &world->parked[j];
			if (!text_equal(row->customer_id, record->event.customer_id))
				continue;
			if (!is_of(row, record)) {
				parked->is_elsewhere = true;
				continue;
			}
			parked->first = parked->first ? parked->first : row->ordinal;
			parked->last = row->ordinal;
			if (row->source.input != record->source.input)
				continue;
			if (row->source.offset == record->source.offset)
				parked->own_ordinal = row->ordinal;
			if (row->source.offset == parked->released_offset && text_equal(row->value, record->value))
				parked->released_ordinal = row->ordinal;
		}
	}
}

static void take_off_front(struct fake_world *world, const struct record *record)
{
	for (size_t i = 0; i < world->parked_count; i++) {
		if (!is_of(&world->parked[i], record))
			continue;
		assert(world->parked[i].ordinal == record->ordinal);
		world->parked_count--;
		memmove(&world->parked[i], &world->parked[i + 1], (world->parked_count - i) * sizeof *world->parked);
		return;
	}
	abort(); /* there is no row */
}

void fake_parked_write(struct fake_world *world, const struct parked_record *records, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct record *record = records[i].record;
		if (record->role == ROLE_RELEASED)
			take_off_front(world, record);
		if (record->role != ROLE_PARKED)
			continue;
		assert(world->parked_count < FAKE_ROWS_MAX);
		world->parked[world->parked_count++] = (struct fake_parked){
			.customer_id = arena_copy(&world->arena, record->event.customer_id),
			.source = record->source,
			.ordinal = record->ordinal,
			.value = arena_copy(&world->arena, record->value),
		};
	}
}
