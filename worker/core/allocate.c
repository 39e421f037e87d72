/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an event does to its account, by its kind.
 */
#include <assert.h>

#include "drawdown/rules.h"

instant_t record_event_time(const struct record *record, const struct account *account)
{
	instant_t time = record->event.created_at != INSTANT_NONE ? record->event.created_at : record->source.timestamp;
	return time < account->clock ? time : account->clock;
}

/* *applied is the event's amount where the kind does not say otherwise. */
static enum reject_code apply(struct occasion *occasion, credit_t *applied)
{
	const struct event *event = &occasion->record->event;

	switch (event->kind) {
	case EVENT_CONSUME:
		return consume_amount(occasion, NULL, event->amount, applied);
	case EVENT_GRANT:
		return grant_give(occasion);
	case EVENT_VOID:
		return grant_void(occasion, applied);
	case EVENT_CONFIRM_PAYMENT:
		return grant_confirm(occasion, applied);
	case EVENT_REVERSE:
		return reverse_consumption(occasion, applied);
	case EVENT_CONFIGURE:
		occasion->account->settings = *event->settings;
		return REJECT_NONE;
	case EVENT_RESERVE:
		return hold_reserve(occasion);
	case EVENT_SETTLE:
		return hold_settle(occasion, applied);
	case EVENT_EXTEND:
		return hold_extend(occasion);
	case EVENT_RELEASE:
		return hold_release(occasion);
	case EVENT_ADVANCE: /* the account is at its time already; its row in drawdown.due may not be */
		occasion->account->due_stale = true;
		return REJECT_NONE;
	case EVENT_KIND_COUNT:
		break;
	}
	assert(0 && "an event without a kind");
	return REJECT_NONE;
}

/* Less than was asked for, where that is possible at all. */
static bool is_partial(const struct event *event, credit_t applied)
{
	return (event->kind == EVENT_CONSUME || event->kind == EVENT_SETTLE) && applied < event->amount;
}

/* The event's own entries are closed: what goes out of ended grants is a step of its own (RULES.md 11). */
static void close_out(const struct occasion *occasion)
{
	struct occasion step = occasion_of_step(occasion->work, occasion->rules, occasion->account, occasion->record);

	grants_close_out(&step);
	ledger_close(&step, RESULT_APPLIED);
}

void allocate_event(struct lane_work *work, const struct rules *rules, struct record *record)
{
	const struct event *event = &record->event;
	struct account *account = record->account;
	struct occasion occasion = occasion_of_step(work, rules, account, record);
	credit_t applied = event->amount;

	occasion.idempotency_key = event->idempotency_key;
	occasion.dimensions = event->dimensions;
	occasion.has_requested = event_has_requested(event);
	occasion.requested_amount = event->amount;
	occasion.event_time = record_event_time(record, account);

	enum reject_code code = apply(&occasion, &applied);
	size_t count = work->entries_count - occasion.first_entry;
	enum result_kind kind = code != REJECT_NONE	     ? RESULT_REJECTED
				: is_partial(event, applied) ? RESULT_PARTIAL
							     : RESULT_APPLIED;
	assert(code == REJECT_NONE || count == 0);
	record->result = (struct result){
		.kind = kind,
		.code = code,
		.requested_amount = event->amount,
		.applied_amount = code == REJECT_NONE ? applied : 0,
		.has_balance = true,
		.first_seq = count ? work->entries[occasion.first_entry].seq : 0,
		.last_seq = count ? account->seq : 0,
	};
	record->key_slot->first_entry = occasion.first_entry;
	ledger_close(&occasion, kind);
	if (occasion.must_close_out)
		close_out(&occasion);
	alerts_decide(&occasion);
	notify_close(&occasion);
	record->result.balance = account->balance;
}
