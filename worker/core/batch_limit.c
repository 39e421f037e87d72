/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/batch_limit.h"

#include <assert.h>
#include <stdint.h>

static size_t at_least_one(size_t number)
{
	return number ? number : 1;
}

/* a * b / c, which is at most `most`. */
static size_t share_of(size_t a, size_t b, size_t c, size_t most)
{
	if (b && a > SIZE_MAX / b)
		return most;
	size_t share = a * b / c;
	return share < most ? share : most;
}

void batch_limit_init(struct batch_limit *limit, size_t records_most, size_t entries_max)
{
	assert(records_most > 0 && entries_max > 0);
	*limit = (struct batch_limit){records_most, entries_max, records_most};
}

void batch_limit_note_published(struct batch_limit *limit, size_t records_count, size_t entries_count)
{
	size_t most = share_of(limit->records_max, 2, 1, limit->records_most);

	assert(records_count > 0);
	limit->records_max =
		entries_count ? at_least_one(share_of(limit->entries_max, records_count, entries_count, most)) : most;
}

void batch_limit_note_rejected(struct batch_limit *limit)
{
	limit->records_max = at_least_one(limit->records_max / 2);
}

size_t batch_limit_of_lane(size_t entries_max, size_t lane_records, size_t batch_records, size_t lanes_count)
{
	size_t even = entries_max / lanes_count;
	size_t share = share_of(entries_max, lane_records, batch_records, entries_max);

	assert(lane_records <= batch_records);
	return at_least_one(share > even ? share : even);
}
