/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/ledger.h"

#include <assert.h>

const char *ledger_event_name(enum ledger_event event)
{
	static const char *const names[] = {
		[LEDGER_CREDITS_GRANTED] = "CREDITS_GRANTED",
		[LEDGER_CREDITS_CONSUMED] = "CREDITS_CONSUMED",
		[LEDGER_CREDITS_EXPIRED] = "CREDITS_EXPIRED",
		[LEDGER_CREDITS_VOIDED] = "CREDITS_VOIDED",
		[LEDGER_CREDITS_UPDATED] = "CREDITS_UPDATED",
		[LEDGER_TRANSFER_SOURCE] = "CREDITS_CONSUMPTION_TRANSFER_SOURCE",
		[LEDGER_TRANSFER_TARGET] = "CREDITS_CONSUMPTION_TRANSFER_TARGET",
		[LEDGER_CREDITS_REVERSED] = "CREDITS_REVERSED",
	};
	assert(event >= LEDGER_CREDITS_GRANTED && event <= LEDGER_CREDITS_REVERSED);
	return names[event];
}

const char *result_kind_name(enum result_kind kind)
{
	static const char *const names[RESULT_KIND_COUNT] = {
		[RESULT_APPLIED] = "applied",
		[RESULT_PARTIAL] = "partial",
		[RESULT_DUPLICATE] = "duplicate",
		[RESULT_CONFLICT] = "conflict",
		[RESULT_REJECTED] = "rejected",
		[RESULT_DEAD_LETTERED] = "dead_lettered",
		[RESULT_PARKED] = "parked",
	};
	assert(kind >= RESULT_APPLIED && kind < RESULT_KIND_COUNT);
	return names[kind];
}

static const char *const code_names[REJECT_CODE_COUNT] = {
	[REJECT_NOT_PERMITTED] = "not_permitted",
	[REJECT_TOO_OLD] = "too_old",
	[REJECT_IN_THE_FUTURE] = "in_the_future",
	[REJECT_RESERVED_ID] = "reserved_id",
	[REJECT_INVALID_PERIOD] = "invalid_period",
	[REJECT_UNKNOWN_CURRENCY] = "unknown_currency",
	[REJECT_UNKNOWN_GRANT] = "unknown_grant",
	[REJECT_GRANT_NOT_ACTIVE] = "grant_not_active",
	[REJECT_NOT_VOIDABLE] = "not_voidable",
	[REJECT_GRANT_EXISTS] = "grant_exists",
	[REJECT_ALREADY_EXPIRED] = "already_expired",
	[REJECT_TOO_MANY_GRANTS] = "too_many_grants",
	[REJECT_BALANCE_OUT_OF_RANGE] = "balance_out_of_range",
	[REJECT_NOT_DUE] = "not_due",
	[REJECT_GRANT_NOT_PENDING] = "grant_not_pending",
	[REJECT_OVERDRAFT_LIMIT] = "overdraft_limit",
	[REJECT_INSUFFICIENT_CREDITS] = "insufficient_credits",
	[REJECT_UNKNOWN_KEY] = "unknown_key",
	[REJECT_ALREADY_REVERSED] = "already_reversed",
	[REJECT_EXCEEDS_CONSUMPTION] = "exceeds_consumption",
	[REJECT_RESERVATION_EXISTS] = "reservation_exists",
	[REJECT_UNKNOWN_RESERVATION] = "unknown_reservation",
	[REJECT_RESERVATION_CLOSED] = "reservation_closed",
	[REJECT_INVALID_TTL] = "invalid_ttl",
	[REJECT_TOO_MANY_RESERVATIONS] = "too_many_reservations",
};

const char *reject_code_name(enum reject_code code)
{
	assert((unsigned)code < REJECT_CODE_COUNT);
	return code_names[code];
}

bool reject_code_parse(struct text name, enum reject_code *ret_code)
{
	for (int code = REJECT_NONE + 1; code < REJECT_CODE_COUNT; code++) {
		if (text_equal(name, text_of(code_names[code]))) {
			*ret_code = (enum reject_code)code;
			return true;
		}
	}
	return false;
}
