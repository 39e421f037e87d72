/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/rules.h"

void notify(struct occasion *occasion, const struct notification *notification)
{
	struct lane_work *work = occasion->work;

	if (work->notifications_count == work->notifications_capacity) {
		size_t capacity = work->notifications_capacity ? work->notifications_capacity * 2 : 64;
		struct notification *grown = arena_alloc_array(&work->arena, capacity, sizeof *grown);
		if (work->notifications_count)
			memcpy(grown, work->notifications, work->notifications_count * sizeof *grown);
		work->notifications = grown;
		work->notifications_capacity = capacity;
	}
	struct notification *told = &work->notifications[work->notifications_count++];
	*told = *notification;
	told->account = &occasion->account->key;
	told->ordinal = (int64_t)(work->notifications_count - work->notifications_begin);
	told->idempotency_key = occasion->idempotency_key;
	told->recorded_at = occasion->recorded_at;
	told->source = occasion->record->source;
	told->traceparent = occasion->record->traceparent;
}

void notify_close(struct occasion *occasion)
{
	const struct account *account = occasion->account;
	struct lane_work *work = occasion->work;

	for (size_t i = occasion->first_notification; i < work->notifications_count; i++) {
		work->notifications[i].balance = account->balance;
		work->notifications[i].held = account->held;
		work->notifications[i].seq = account->seq;
	}
}
