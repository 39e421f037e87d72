/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records by hand, run in batches through the pure middle against a store in memory, and what came of them as
 * text. At the end of each test the books are audited.
 */
#ifndef DRAWDOWN_TEST_MONEY_FIXTURE_H
#define DRAWDOWN_TEST_MONEY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>

#include "books_audit.h"
#include "drawdown/rules.h"
#include "memory_store.h"

#include <cmocka.h> /* behind all else: it has a fail() of its own */

#define AT(second) (1767225600 * INSTANT_SECOND + (second)*INSTANT_SECOND) /* from 2026-01-01 */

struct money {
	struct arena arena; /* the records, and texts made for assertions */
	struct rules rules;
	struct memory_store store;
	struct lane_work work; /* of the latest batch */
	size_t entries_max;
	/* of the next record */
	const char *customer_id;
	const char *currency_id;
	const char *resource_id;
	enum input input;
	instant_t now;
	int64_t offset;
	struct record *pending[4096]; /* the next batch */
	size_t pending_count;
};

static inline int money_setup(void **state)
{
	struct money *money = calloc(1, sizeof *money);
	assert_non_null(money);
	arena_init(&money->arena, 1 << 14);
	work_init(&money->work, 1 << 14);
	memory_store_init(&money->store);
	money->rules = (struct rules){
		.dedupe_window = 30 * INSTANT_DAY,
		.future_tolerance = 300 * INSTANT_SECOND,
		.grants_open_max = ACCOUNT_GRANTS_MAX,
		.holds_open_max = ACCOUNT_HOLDS_MAX,
	};
	money->entries_max = SIZE_MAX;
	money->customer_id = "acme";
	money->currency_id = "tokens";
	money->input = INPUT_COMMANDS;
	money->now = AT(0);
	*state = money;
	return 0;
}

static inline int money_teardown(void **state)
{
	struct money *money = *state;
	const char *wrong = audit_books(&money->store);
	if (wrong)
		print_error("the books are wrong: %s\n", wrong);
	memory_store_release(&money->store);
	work_release(&money->work);
	arena_release(&money->arena);
	free(money);
	return wrong ? -1 : 0;
}

#define money_test(test) cmocka_unit_test_setup_teardown(test, money_setup, money_teardown)

static inline credit_t credit(const char *text)
{
	credit_t amount = 0;
	assert_int_equal(credit_parse(text_of(text), &amount), CREDIT_PARSED);
	return amount;
}

static inline struct record *add_record(struct money *money, struct record *record)
{
	assert_true(money->pending_count < sizeof money->pending / sizeof *money->pending);
	money->pending[money->pending_count++] = record;
	return record;
}

/* Fills what the event leaves open, and puts it into the next batch. */
static inline struct record *add_event(struct money *money, struct event event)
{
	struct record *record = arena_zero_array(&money->arena, 1, sizeof *record);

	event.customer_id = text_of(money->customer_id);
	event.currency_id = text_of(money->currency_id);
	event.resource_id = text_of(money->resource_id);
	event.created_at = INSTANT_NONE;
	event_identify(&event);
	record->source = (struct source_position){money->input, 0, money->offset++, money->now};
	record->readable = true;
	record->event = event;
	return add_record(money, record);
}

static inline struct record *consume(struct money *money, const char *key, const char *amount)
{
	return add_event(money,
		(struct event){.kind = EVENT_CONSUME, .idempotency_key = text_of(key), .amount = credit(amount)});
}

/* What a grant is; its id is its key. Times that are 0 are not given. */
struct terms {
	const char *amount;
	enum grant_type type;
	int32_t priority;
	instant_t effective_at;
	instant_t expire_at;
	bool await_payment;
};

/* The same with an id of its own. */
static inline struct record *grant_as(struct money *money, const char *key, const char *grant_id, struct terms given)
{
	struct grant_terms *terms = arena_zero_array(&money->arena, 1, sizeof *terms);
	*terms = (struct grant_terms){
		.grant_type = given.type,
		.priority = given.priority,
		.effective_at = given.effective_at ? given.effective_at : INSTANT_NONE,
		.expire_at = given.expire_at ? given.expire_at : INSTANT_NONE,
		.await_payment = given.await_payment,
	};
	return add_event(money, (struct event){
					.kind = EVENT_GRANT,
					.idempotency_key = text_of(key),
					.amount = credit(given.amount),
					.grant_id = text_of(grant_id),
					.terms = terms,
				});
}

static inline struct record *grant(struct money *money, const char *key, struct terms given)
{
	return grant_as(money, key, key, given);
}

static inline struct record *void_grant(struct money *money, const char *key, const char *grant_id)
{
	return add_event(money,
		(struct event){.kind = EVENT_VOID, .idempotency_key = text_of(key), .grant_id = text_of(grant_id)});
}

static inline struct record *unreadable(struct money *money)
{
	static const struct defect malformed = {.reason = "malformed_json"};
	struct record *record = arena_zero_array(&money->arena, 1, sizeof *record);
	record->source = (struct source_position){money->input, 0, money->offset++, money->now};
	record->value = TEXT_LITERAL("{");
	record->defect = &malformed;
	return add_record(money, record);
}

/* The pending records as one batch. */
static inline enum outcome run(struct money *money)
{
	work_reset(&money->work);
	for (size_t i = 0; i < money->pending_count; i++)
		work_add_record(&money->work, money->pending[i]);
	money->pending_count = 0;
	return memory_store_run(&money->store, &money->work, &money->rules, money->entries_max);
}

static inline const char *credit_text(struct money *money, credit_t amount)
{
	char text[CREDIT_TEXT_SIZE];
	(void)credit_format(amount, text);
	return arena_format(&money->arena, "%s", text).data;
}

/* "applied 60 of 60, balance 10, seq 4-5"; what it does not have is left out. */
static inline const char *outcome_of(struct money *money, const struct record *record)
{
	const struct result *result = &record->result;
	const char *code = reject_code_name(result->code);
	const char *balance = result->has_balance ? credit_text(money, result->balance) : NULL;
	struct text seqs = TEXT_LITERAL("");

	if (result->first_seq)
		seqs = arena_format(
			&money->arena, ", seq %lld-%lld", (long long)result->first_seq, (long long)result->last_seq);
	return arena_format(&money->arena, "%s%s%s %s of %s%s%s%.*s", result_kind_name(result->kind), code ? " " : "",
		code ? code : "", credit_text(money, result->applied_amount),
		credit_text(money, result->requested_amount), balance ? ", balance " : "", balance ? balance : "",
		TEXT_ARGS(seqs))
		.data;
}

/* "CREDITS_CONSUMED -20 B left 0 balance 50\n" for each entry that the latest batch wrote. */
static inline const char *written(struct money *money)
{
	struct text text = TEXT_LITERAL("");

	for (size_t i = 0; i < money->work.entries_count; i++) {
		const struct ledger_entry *entry = &money->work.entries[i];
		text = arena_format(&money->arena, "%.*s%s %s %.*s left %s balance %s\n", TEXT_ARGS(text),
			ledger_event_name(entry->event_type), credit_text(money, entry->amount),
			TEXT_ARGS(entry->grant_id), credit_text(money, entry->grant_remaining),
			credit_text(money, entry->balance_after));
	}
	return arena_format(&money->arena, "%.*s", TEXT_ARGS(text)).data;
}

/* "20%", or the amount. */
static inline const char *threshold_text(struct money *money, const struct threshold *threshold)
{
	if (threshold->is_percent)
		return arena_format(&money->arena, "%d%%", threshold->percent).data;
	return credit_text(money, threshold->amount);
}

/* "credit_balance.low 20% at 20: balance 25 held 5 seq 3\n", "credit_grant.expired A 4: balance 0 held 0 seq 2\n" for
 * each notification of the latest batch; what was told before is not in it. */
static inline const char *told(struct money *money)
{
	struct text text = TEXT_LITERAL("");

	for (size_t i = 0; i < money->work.notifications_count; i++) {
		const struct notification *told = &money->work.notifications[i];
		text = arena_format(&money->arena, "%.*s%s", TEXT_ARGS(text), notification_type_name(told->type));
		if (told->grant_id.data)
			text = arena_format(&money->arena, "%.*s %.*s", TEXT_ARGS(text), TEXT_ARGS(told->grant_id));
		if (told->has_amount)
			text = arena_format(
				&money->arena, "%.*s %s", TEXT_ARGS(text), credit_text(money, told->amount));
		if (told->has_threshold)
			text = arena_format(&money->arena, "%.*s %s at %s", TEXT_ARGS(text),
				threshold_text(money, &told->threshold), credit_text(money, told->level));
		text = arena_format(&money->arena, "%.*s: balance %s held %s seq %lld\n", TEXT_ARGS(text),
			credit_text(money, told->balance), credit_text(money, told->held), (long long)told->seq);
	}
	return arena_format(&money->arena, "%.*s", TEXT_ARGS(text)).data;
}

/* The stored state of the account that the next record would touch; NULL: it has none. */
static inline const struct account *stored_account(struct money *money)
{
	const struct account_key key = {
		text_of(money->customer_id),
		text_of(money->currency_id),
		text_of(money->resource_id),
	};
	const struct stored_account *stored = memory_store_find_account(&money->store, &key);
	return stored ? &stored->account : NULL;
}

#endif
