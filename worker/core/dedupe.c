/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/event.h"
#include "drawdown/rules.h"

static bool is_same_source(const struct receipt *receipt, const struct source_position *source)
{
	return receipt->own_topic && receipt->source.input == source->input &&
	       receipt->source.partition == source->partition && receipt->source.offset == source->offset &&
	       receipt->source.timestamp == source->timestamp;
}

bool record_is_recalled(const struct record *record)
{
	const struct receipt *receipt = record->key_slot ? record->key_slot->receipt : NULL;
	return receipt && is_same_source(receipt, &record->source);
}

/* An event that met no account says nothing of a balance. */
static struct result result_of_receipt(const struct receipt *receipt)
{
	return (struct result){
		.kind = receipt->outcome,
		.code = receipt->code,
		.requested_amount = receipt->requested_amount,
		.applied_amount = receipt->applied_amount,
		.balance = receipt->balance,
		.has_balance = receipt->code != REJECT_UNKNOWN_CURRENCY,
		.first_seq = receipt->first_seq,
		.last_seq = receipt->last_seq,
	};
}

bool reject_is_of_record(enum reject_code code)
{
	return code == REJECT_NOT_PERMITTED || code == REJECT_TOO_OLD || code == REJECT_IN_THE_FUTURE ||
	       code == REJECT_RESERVED_ID || code == REJECT_INVALID_PERIOD || code == REJECT_NOT_DUE;
}

bool record_is_permitted(const struct record *record)
{
	return record->source.input == INPUT_COMMANDS || event_class_of(record->event.kind) == CLASS_USAGE;
}

/* What is wrong with the record whatever the state: the same answer at every reading. */
static enum reject_code check_record(const struct record *record, const struct rules *rules, instant_t receipts_from)
{
	const struct event *event = &record->event;
	const struct grant_terms *terms = event->terms;
	const struct text reserved = TEXT_LITERAL("overdraft:");

	if (!record_is_permitted(record))
		return REJECT_NOT_PERMITTED;
	if (receipts_from != INSTANT_NONE && record->source.timestamp < receipts_from)
		return REJECT_TOO_OLD; /* offsets were set back beyond the receipts that prove it new */
	if (event->created_at != INSTANT_NONE) {
		if (event->created_at < record->source.timestamp - rules->dedupe_window)
			return REJECT_TOO_OLD;
		if (event->created_at > record->source.timestamp + rules->future_tolerance)
			return REJECT_IN_THE_FUTURE;
	}
	if (terms) {
		if (event->grant_id.size >= reserved.size &&
			memcmp(event->grant_id.data, reserved.data, reserved.size) == 0)
			return REJECT_RESERVED_ID;
		if (terms->effective_at != INSTANT_NONE && terms->expire_at != INSTANT_NONE &&
			terms->expire_at <= terms->effective_at)
			return REJECT_INVALID_PERIOD;
	}
	if (event->kind == EVENT_ADVANCE && record->source.timestamp < event->due_at)
		return REJECT_NOT_DUE;
	return REJECT_NONE;
}

bool dedupe_decide(struct record *record, const struct rules *rules, instant_t receipts_from)
{
	const struct receipt *receipt = record->key_slot->receipt;

	if (record_is_recalled(record)) {
		record->result = result_of_receipt(receipt);
		record->result.recalled = true;
		return true;
	}
	enum reject_code code = check_record(record, rules, receipts_from);
	if (code != REJECT_NONE) {
		record->result = (struct result){
			.kind = RESULT_REJECTED, .code = code, .requested_amount = record->event.amount};
		return true;
	}
	if (!receipt)
		return false;
	if (hash128_equal(receipt->fingerprint, record->event.fingerprint)) {
		record->result = result_of_receipt(receipt);
		record->result.kind = RESULT_DUPLICATE;
	} else {
		record->result = (struct result){.kind = RESULT_CONFLICT, .requested_amount = record->event.amount};
	}
	return true;
}
