/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/ownership.h"

#define LOOK_INTERVAL (500 * INSTANT_MILLISECOND)

void ownership_init(struct ownership *ownership)
{
	*ownership = (struct ownership){0};
	pthread_mutex_init(&ownership->mutex, NULL);
}

void ownership_release(struct ownership *ownership)
{
	pthread_mutex_destroy(&ownership->mutex);
}

void ownership_begin(struct ownership *ownership, const struct source *source)
{
	struct ownership_view *now = &ownership->now;
	size_t count;
	const struct input_partition *partitions = source->partitions(source->self, &count);

	pthread_mutex_lock(&ownership->mutex);
	now->turn++;
	now->count = count;
	now->partitions_count = source->partitions_count(source->self);
	for (size_t i = 0; i < count; i++)
		now->partitions[i] = (struct owned_partition){
			.input = partitions[i].input,
			.partition = partitions[i].partition,
			.epoch = partitions[i].epoch,
			.handled_time = INSTANT_NONE,
			.handled_offset = -1,
		};
	pthread_mutex_unlock(&ownership->mutex);
	ownership->looked_at = 0;
}

void ownership_end(struct ownership *ownership)
{
	pthread_mutex_lock(&ownership->mutex);
	ownership->now.turn++;
	ownership->now.count = 0;
	pthread_mutex_unlock(&ownership->mutex);
}

/* NULL: not ours. The mutex is held. */
static struct owned_partition *find(struct ownership_view *now, const struct span *span)
{
	for (size_t i = 0; i < now->count; i++)
		if (now->partitions[i].partition == span->partition && now->partitions[i].input == span->input)
			return &now->partitions[i];
	return NULL;
}

void ownership_note_published(struct ownership *ownership, const struct batch *batch)
{
	pthread_mutex_lock(&ownership->mutex);
	for (size_t i = 0; i < batch->spans_count; i++) {
		const struct span *span = &batch->spans[i];
		struct owned_partition *owned = find(&ownership->now, span);
		if (owned && owned->epoch == span->epoch && owned->handled_time < span->newest)
			owned->handled_time = span->newest;
	}
	pthread_mutex_unlock(&ownership->mutex);
}

void ownership_note_reached(
	struct ownership *ownership, const struct source *source, const struct batch *batches, size_t batches_count)
{
	struct ownership_view *now = &ownership->now;
	int64_t at = monotonic_now();

	if (ownership->looked_at && at - ownership->looked_at < LOOK_INTERVAL)
		return;
	ownership->looked_at = at;
	pthread_mutex_lock(&ownership->mutex);
	for (size_t i = 0; i < now->count; i++)
		now->partitions[i].handled_offset =
			source->reached(source->self, now->partitions[i].input, now->partitions[i].partition);
	for (size_t i = 0; i < batches_count; i++) {
		for (size_t k = 0; k < batches[i].spans_count; k++) {
			struct owned_partition *owned = find(now, &batches[i].spans[k]);
			if (owned)
				owned->handled_offset = -1;
		}
	}
	pthread_mutex_unlock(&ownership->mutex);
}

void ownership_copy(struct ownership *ownership, struct ownership_view *ret_view)
{
	pthread_mutex_lock(&ownership->mutex);
	*ret_view = ownership->now;
	pthread_mutex_unlock(&ownership->mutex);
}

bool ownership_is_current(struct ownership *ownership, const struct ownership_view *view)
{
	pthread_mutex_lock(&ownership->mutex);
	bool is_current = ownership->now.turn == view->turn;
	pthread_mutex_unlock(&ownership->mutex);
	return is_current;
}
