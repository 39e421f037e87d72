/* SPDX-License-Identifier: Apache-2.0 */
#include "oracle.h"

#include <assert.h>
#include <stdlib.h>

/* An event, or a step of what comes due, while it writes its entries. */
struct oracle_step {
	struct oracle *oracle;
	struct oracle_account *account;
	const struct record *record;
	bool is_event;
	instant_t event_time;
	size_t first_entry;
};

struct oracle *oracle_new(const struct history *history)
{
	struct oracle *oracle = calloc(1, sizeof *oracle);
	if (!oracle)
		abort();
	oracle->history = history;
	arena_init(&oracle->arena, 1 << 12);
	return oracle;
}

void oracle_free(struct oracle *oracle)
{
	arena_release(&oracle->arena);
	free(oracle);
}

/* Both within the range and not negative. */
static bool exceeds(credit_t a, credit_t b)
{
	return a > CREDIT_MAX - b;
}

static instant_t end_of(const struct oracle_grant *grant)
{
	return grant->expire_at == INSTANT_NONE ? INT64_MAX : grant->expire_at;
}

static int64_t grace_of(const struct oracle *oracle, const struct oracle_account *account)
{
	return text_equal(account->key.currency_id, text_of(HISTORY_CURRENCY)) ? oracle->history->expiry_grace : 0;
}

static struct oracle_account *find_account(struct oracle *oracle, const struct event *event)
{
	for (size_t i = 0; i < oracle->accounts_count; i++) {
		struct oracle_account *account = &oracle->accounts[i];
		if (text_equal(account->key.customer_id, event->customer_id) &&
			text_equal(account->key.currency_id, event->currency_id) &&
			text_equal(account->key.resource_id, event->resource_id))
			return account;
	}
	assert(oracle->accounts_count < 16);
	struct oracle_account *account = &oracle->accounts[oracle->accounts_count++];
	account->key = (struct account_key){event->customer_id, event->currency_id, event->resource_id};
	account->clock = INSTANT_NONE;
	return account;
}

static struct oracle_grant *find_grant(struct oracle *oracle, struct text customer_id, struct text grant_id)
{
	for (size_t i = 0; i < oracle->grants_count; i++)
		if (text_equal(oracle->grants[i].account->key.customer_id, customer_id) &&
			text_equal(oracle->grants[i].grant_id, grant_id))
			return &oracle->grants[i];
	return NULL;
}

static struct oracle_grant *find_overdraft(struct oracle *oracle, const struct oracle_account *account)
{
	for (size_t i = 0; i < oracle->grants_count; i++) {
		struct oracle_grant *grant = &oracle->grants[i];
		if (grant->account == account && grant->type == GRANT_OVERDRAFT && grant->end == GRANT_END_NONE)
			return grant;
	}
	return NULL;
}

/* ---- entries ---- */

static void move(struct oracle_step *step, enum ledger_event type, struct oracle_grant *grant, credit_t amount)
{
	struct oracle_account *account = step->account;
	struct oracle *oracle = step->oracle;

	assert(oracle->entries_count < ORACLE_ENTRIES_MAX);
	if (type != LEDGER_CREDITS_GRANTED)
		grant->remaining += amount;
	oracle->entries[oracle->entries_count++] = (struct ledger_entry){
		.account = &account->key,
		.seq = ++account->seq,
		.event_type = type,
		.amount = amount,
		.grant_id = grant->grant_id,
		.grant_remaining = grant->remaining,
		.balance_before = account->balance,
		.balance_after = account->balance + amount,
		.idempotency_key = step->is_event ? step->record->event.idempotency_key : TEXT_NULL,
		.has_requested = step->is_event && step->record->event.kind != EVENT_VOID,
		.requested_amount = step->is_event ? step->record->event.amount : 0,
		.outcome = RESULT_APPLIED,
		.event_time = step->event_time,
		.recorded_at = account->clock,
		.dimensions = step->is_event ? step->record->event.dimensions : TEXT_NULL,
		.source = step->record->source,
		.traceparent = step->record->traceparent,
	};
	account->balance += amount;
	if (grant->remaining == 0)
		grant->end = type == LEDGER_CREDITS_EXPIRED  ? GRANT_END_EXPIRED
			     : type == LEDGER_CREDITS_VOIDED ? GRANT_END_VOIDED
							     : GRANT_END_DEPLETED;
}

static void finish(struct oracle_step *step)
{
	struct oracle *oracle = step->oracle;
	for (size_t i = step->first_entry; i < oracle->entries_count; i++) {
		oracle->entries[i].first_seq = oracle->entries[step->first_entry].seq;
		oracle->entries[i].last_seq = step->account->seq;
	}
}

static void post(struct oracle_step *step, struct oracle_grant *grant)
{
	struct oracle_grant *overdraft = find_overdraft(step->oracle, step->account);

	grant->posted = true;
	move(step, LEDGER_CREDITS_GRANTED, grant, grant->remaining);
	if (!overdraft || end_of(grant) <= step->account->clock)
		return;
	credit_t paid = -overdraft->remaining > grant->remaining ? grant->remaining : -overdraft->remaining;
	move(step, LEDGER_TRANSFER_SOURCE, overdraft, paid);
	move(step, LEDGER_TRANSFER_TARGET, grant, -paid);
}

/* ---- what comes due ---- */

static instant_t due_of(const struct oracle *oracle, const struct oracle_grant *grant)
{
	if (grant->end != GRANT_END_NONE || grant->type == GRANT_OVERDRAFT)
		return INT64_MAX;
	if (!grant->posted)
		return grant->effective_at;
	return grant->expire_at == INSTANT_NONE ? INT64_MAX : grant->expire_at + grace_of(oracle, grant->account);
}

/* The earliest; of these what is to be posted; of these the first that was made. */
static struct oracle_grant *next_due(struct oracle *oracle, const struct oracle_account *account)
{
	struct oracle_grant *next = NULL;
	for (size_t i = 0; i < oracle->grants_count; i++) {
		struct oracle_grant *grant = &oracle->grants[i];
		if (grant->account != account || due_of(oracle, grant) == INT64_MAX)
			continue;
		if (!next || due_of(oracle, grant) < due_of(oracle, next) ||
			(due_of(oracle, grant) == due_of(oracle, next) && !grant->posted && next->posted))
			next = grant;
	}
	return next;
}

static void advance(struct oracle *oracle, struct oracle_account *account, const struct record *record)
{
	instant_t now = record->source.timestamp > account->clock ? record->source.timestamp : account->clock;
	struct oracle_grant *grant;

	while ((grant = next_due(oracle, account)) && due_of(oracle, grant) <= now) {
		if (due_of(oracle, grant) > account->clock)
			account->clock = due_of(oracle, grant);
		struct oracle_step step = {oracle, account, record, false, account->clock, oracle->entries_count};
		if (grant->posted)
			move(&step, LEDGER_CREDITS_EXPIRED, grant, -grant->remaining);
		else
			post(&step, grant);
		finish(&step);
	}
	account->clock = now;
}

/* ---- consume ---- */

static bool burns_before(const struct oracle_grant *a, const struct oracle_grant *b)
{
	if (a->priority != b->priority)
		return a->priority < b->priority;
	if (end_of(a) != end_of(b))
		return end_of(a) < end_of(b);
	if (a->type != b->type)
		return a->type == GRANT_PROMOTIONAL;
	if (a->effective_at != b->effective_at)
		return a->effective_at < b->effective_at;
	return a < b; /* made earlier */
}

static struct oracle_grant *best_payer(struct oracle_step *step)
{
	struct oracle_grant *best = NULL;
	for (size_t i = 0; i < step->oracle->grants_count; i++) {
		struct oracle_grant *grant = &step->oracle->grants[i];
		if (grant->account == step->account && grant->type != GRANT_OVERDRAFT && grant->posted &&
			grant->end == GRANT_END_NONE && end_of(grant) > step->event_time &&
			(!best || burns_before(grant, best)))
			best = grant;
	}
	return best;
}

static credit_t payable_sum(struct oracle_step *step)
{
	credit_t sum = 0;
	for (size_t i = 0; i < step->oracle->grants_count; i++) {
		const struct oracle_grant *grant = &step->oracle->grants[i];
		if (grant->account == step->account && grant->type != GRANT_OVERDRAFT && grant->posted &&
			grant->end == GRANT_END_NONE && end_of(grant) > step->event_time)
			sum += grant->remaining;
	}
	return sum;
}

static credit_t sum_of_type(const struct oracle_step *step, enum ledger_event type)
{
	credit_t sum = 0;
	for (size_t i = 0; i < step->oracle->entries_count; i++)
		if (step->oracle->entries[i].account == &step->account->key &&
			step->oracle->entries[i].event_type == type)
			sum += step->oracle->entries[i].amount;
	return sum;
}

static struct oracle_grant *make_grant(struct oracle_step *step, struct oracle_grant grant)
{
	struct oracle *oracle = step->oracle;
	assert(oracle->grants_count < 2 * HISTORY_RECORDS_MAX);
	oracle->grants[oracle->grants_count] = grant;
	oracle->grants[oracle->grants_count].account = step->account;
	step->account->grants_made++;
	return &oracle->grants[oracle->grants_count++];
}

static struct oracle_grant *make_overdraft(struct oracle_step *step)
{
	const struct account_key *key = &step->account->key;
	return make_grant(step, (struct oracle_grant){
					.grant_id = arena_format(&step->oracle->arena, "overdraft:%.*s/%.*s/%d",
						TEXT_ARGS(key->currency_id), TEXT_ARGS(key->resource_id),
						(int)step->account->grants_made + 1),
					.type = GRANT_OVERDRAFT,
					.posted = true,
					.expire_at = INSTANT_NONE,
				});
}

static enum reject_code consume(struct oracle_step *step)
{
	credit_t left = step->record->event.amount, payable = payable_sum(step);
	struct oracle_grant *overdraft = find_overdraft(step->oracle, step->account), *payer;
	credit_t uncovered = left > payable ? left - payable : 0;

	if (exceeds(-sum_of_type(step, LEDGER_CREDITS_CONSUMED), left) ||
		exceeds(overdraft ? -overdraft->remaining : 0, uncovered))
		return REJECT_BALANCE_OUT_OF_RANGE;
	while (left > 0 && (payer = best_payer(step))) {
		credit_t taken = payer->remaining < left ? payer->remaining : left;
		move(step, LEDGER_CREDITS_CONSUMED, payer, -taken);
		left -= taken;
	}
	if (left > 0)
		move(step, LEDGER_CREDITS_CONSUMED, overdraft ? overdraft : make_overdraft(step), -left);
	return REJECT_NONE;
}

/* ---- grant and void ---- */

static enum reject_code check_grant(struct oracle_step *step)
{
	const struct event *event = &step->record->event;
	credit_t open = 0, granted = sum_of_type(step, LEDGER_CREDITS_GRANTED);
	size_t open_count = 0;
	bool fits = true;

	if (find_grant(step->oracle, event->customer_id, event->grant_id))
		return REJECT_GRANT_EXISTS;
	if (event->terms->expire_at != INSTANT_NONE && event->terms->expire_at <= step->account->clock)
		return REJECT_ALREADY_EXPIRED;
	for (size_t i = 0; i < step->oracle->grants_count; i++) {
		const struct oracle_grant *grant = &step->oracle->grants[i];
		if (grant->account != step->account || grant->end != GRANT_END_NONE || grant->type == GRANT_OVERDRAFT)
			continue;
		open_count++;
		open += grant->remaining;
		fits = fits && (grant->posted || !exceeds(granted, grant->remaining));
		granted += grant->posted || !fits ? 0 : grant->remaining;
	}
	if (open_count >= step->oracle->history->rules.grants_open_max)
		return REJECT_TOO_MANY_GRANTS;
	fits = fits && !exceeds(open, event->amount) && !exceeds(granted, event->amount);
	return fits ? REJECT_NONE : REJECT_BALANCE_OUT_OF_RANGE;
}

static enum reject_code grant(struct oracle_step *step)
{
	const struct event *event = &step->record->event;
	instant_t clock = step->account->clock;
	enum reject_code code = check_grant(step);
	if (code != REJECT_NONE)
		return code;
	struct oracle_grant *made = make_grant(step,
		(struct oracle_grant){
			.grant_id = event->grant_id,
			.type = event->terms->grant_type,
			.remaining = event->amount,
			.priority = event->terms->priority,
			.effective_at = event->terms->effective_at == INSTANT_NONE ? clock : event->terms->effective_at,
			.expire_at = event->terms->expire_at,
		});
	if (made->effective_at <= clock)
		post(step, made);
	return REJECT_NONE;
}

static enum reject_code void_grant(struct oracle_step *step)
{
	const struct event *event = &step->record->event;
	struct oracle_grant *grant = find_grant(step->oracle, event->customer_id, event->grant_id);

	if (!grant || grant->account != step->account)
		return REJECT_UNKNOWN_GRANT;
	if (grant->type == GRANT_OVERDRAFT)
		return REJECT_NOT_VOIDABLE;
	if (grant->end == GRANT_END_EXPIRED || grant->end == GRANT_END_VOIDED)
		return REJECT_GRANT_NOT_ACTIVE;
	if (grant->end == GRANT_END_DEPLETED && grant->expire_at != INSTANT_NONE &&
		grant->expire_at + grace_of(step->oracle, step->account) <= step->account->clock)
		return REJECT_GRANT_NOT_ACTIVE;
	if (grant->posted && grant->remaining > 0)
		move(step, LEDGER_CREDITS_VOIDED, grant, -grant->remaining);
	grant->end = GRANT_END_VOIDED;
	return REJECT_NONE;
}

/* ---- one record ---- */

static enum reject_code check_record(const struct oracle *oracle, const struct record *record)
{
	const struct event *event = &record->event;
	const struct rules *rules = &oracle->history->rules;

	if (record->source.input == INPUT_USAGE && event->kind != EVENT_CONSUME)
		return REJECT_NOT_PERMITTED;
	if (event->created_at != INSTANT_NONE && record->source.timestamp - event->created_at > rules->dedupe_window)
		return REJECT_TOO_OLD;
	if (event->created_at != INSTANT_NONE && event->created_at - record->source.timestamp > rules->future_tolerance)
		return REJECT_IN_THE_FUTURE;
	if (event->kind != EVENT_GRANT)
		return REJECT_NONE;
	if (event->grant_id.size >= 10 && memcmp(event->grant_id.data, "overdraft:", 10) == 0)
		return REJECT_RESERVED_ID;
	bool has_period = event->terms->effective_at != INSTANT_NONE && event->terms->expire_at != INSTANT_NONE;
	return has_period && event->terms->expire_at <= event->terms->effective_at ? REJECT_INVALID_PERIOD
										   : REJECT_NONE;
}

static bool means_the_same(const struct event *a, const struct event *b)
{
	if (a->kind != b->kind || !text_equal(a->currency_id, b->currency_id) ||
		!text_equal(a->resource_id, b->resource_id) || a->amount != b->amount ||
		!text_equal(a->dimensions, b->dimensions) || !text_equal(a->grant_id, b->grant_id))
		return false;
	return !a->terms ||
	       (a->terms->grant_type == b->terms->grant_type && a->terms->priority == b->terms->priority &&
		       a->terms->effective_at == b->terms->effective_at && a->terms->expire_at == b->terms->expire_at);
}

static bool find_handled(const struct oracle *oracle, const struct event *event, size_t *ret_index)
{
	for (size_t i = 0; i < oracle->handled_count; i++) {
		const struct event *handled = &oracle->handled[i]->event;
		*ret_index = i;
		if (text_equal(handled->customer_id, event->customer_id) &&
			(handled->kind == EVENT_CONSUME) == (event->kind == EVENT_CONSUME) &&
			text_equal(handled->idempotency_key, event->idempotency_key))
			return true;
	}
	return false;
}

static bool is_currency_known(const struct oracle *oracle, const struct event *event)
{
	if (oracle->history->rules.currencies_open || text_equal(event->currency_id, text_of(HISTORY_CURRENCY)))
		return true;
	for (size_t i = 0; i < oracle->grants_count; i++)
		if (text_equal(oracle->grants[i].account->key.customer_id, event->customer_id) &&
			text_equal(oracle->grants[i].account->key.currency_id, event->currency_id))
			return true;
	return false;
}

static struct result execute(struct oracle *oracle, struct oracle_account *account, const struct record *record)
{
	const struct event *event = &record->event;
	instant_t meant = event->created_at == INSTANT_NONE ? record->source.timestamp : event->created_at;

	advance(oracle, account, record);
	struct oracle_step step = {
		oracle, account, record, true, meant < account->clock ? meant : account->clock, oracle->entries_count};
	enum reject_code code = event->kind == EVENT_CONSUME ? consume(&step)
				: event->kind == EVENT_GRANT ? grant(&step)
							     : void_grant(&step);
	finish(&step);
	account->touched = true;
	account->freshness = (struct freshness){
		(int)record->source.input, record->source.partition, record->source.offset, step.event_time};
	struct result answer = {.kind = code ? RESULT_REJECTED : RESULT_APPLIED,
		.code = code,
		.requested_amount = event->amount,
		.balance = account->balance,
		.has_balance = true};
	if (!code)
		answer.applied_amount = event->amount;
	if (oracle->entries_count > step.first_entry) {
		if (event->kind == EVENT_VOID)
			answer.applied_amount = -oracle->entries[step.first_entry].amount;
		answer.first_seq = oracle->entries[step.first_entry].seq;
		answer.last_seq = account->seq;
	}
	return answer;
}

struct result oracle_handle(struct oracle *oracle, const struct record *record)
{
	const struct event *event = &record->event;
	struct result answer = {.requested_amount = event->amount};
	size_t handled;

	if (!record->readable)
		return (struct result){.kind = RESULT_DEAD_LETTERED};
	answer.code = check_record(oracle, record);
	if (answer.code != REJECT_NONE) {
		answer.kind = RESULT_REJECTED;
		return answer;
	}
	if (find_handled(oracle, event, &handled)) {
		if (!means_the_same(&oracle->handled[handled]->event, event)) {
			answer.kind = RESULT_CONFLICT;
			return answer;
		}
		answer = oracle->answers[handled];
		answer.kind = RESULT_DUPLICATE;
		return answer;
	}
	if (event->kind != EVENT_GRANT && !is_currency_known(oracle, event)) {
		answer.kind = RESULT_REJECTED;
		answer.code = REJECT_UNKNOWN_CURRENCY;
	} else {
		answer = execute(oracle, find_account(oracle, event), record);
	}
	oracle->handled[oracle->handled_count] = record;
	oracle->answers[oracle->handled_count++] = answer;
	return answer;
}
