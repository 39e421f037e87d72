/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what a consumption, a grant and a void do to the books, at their edges: equal instants, amounts at both
 * ends of the range, overdrafts opened, settled in part, settled to the last digit.
 * Method: small histories in one batch; every entry and every answer is compared as text.
 */
#include "money_fixture.h"

#define TINY "0.000000000001"
#define NEARLY_ALL "90000000000000000000000000" /* more than half of the range */
#define ALL "99999999999999999999999999.999999999999"

/* ---- consume ---- */

static void the_burn_order_decides_who_pays(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "50", .type = GRANT_PAID, .priority = 1, .expire_at = AT(900)});
	grant(money, "B", (struct terms){.amount = "20", .priority = 1, .expire_at = AT(900)});
	grant(money, "C", (struct terms){.amount = "100", .priority = 2, .expire_at = AT(500)});
	run(money);
	struct record *record = consume(money, "c", "60");
	run(money);
	assert_string_equal(written(money), "CREDITS_CONSUMED -20 B left 0 balance 150\n"
					    "CREDITS_CONSUMED -40 A left 10 balance 110\n");
	assert_string_equal(outcome_of(money, record), "applied 60 of 60, balance 110, seq 4-5");
	assert_int_equal(
		memory_store_find_grant(&money->store, text_of("acme"), text_of("B"))->end, GRANT_END_DEPLETED);
}

static void entry_says_what_it_was_for(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	grant(money, "B", (struct terms){.amount = "5"});
	money->input = INPUT_USAGE;
	money->now = AT(7);
	struct record *record = consume(money, "c", "10");
	record->event.dimensions = TEXT_LITERAL("{\"model\":\"x\"}");
	record->traceparent = TEXT_LITERAL("00-1-2-01");
	record->event.created_at = AT(6);
	run(money);
	for (size_t i = 2; i < 4; i++) {
		const struct ledger_entry *entry = &money->work.entries[i];
		assert_true(text_equal(entry->idempotency_key, TEXT_LITERAL("c")));
		assert_true(entry->has_requested && entry->requested_amount == credit("10"));
		assert_int_equal(entry->first_seq, 3);
		assert_int_equal(entry->last_seq, 4);
		assert_int_equal(entry->outcome, RESULT_APPLIED);
		assert_true(entry->event_time == AT(6) && entry->recorded_at == AT(7));
		assert_true(text_equal(entry->dimensions, record->event.dimensions));
		assert_true(text_equal(entry->traceparent, record->traceparent));
		assert_memory_equal(&entry->source, &record->source, sizeof entry->source);
	}
}

static void a_grant_may_be_used_up_to_the_last_digit(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "1.000000000001"});
	consume(money, "c1", "1");
	consume(money, "c2", TINY);
	run(money);
	assert_string_equal(written(money),
		"CREDITS_GRANTED 1.000000000001 A left 1.000000000001 balance 1.000000000001\n"
		"CREDITS_CONSUMED -1 A left " TINY " balance " TINY "\n"
		"CREDITS_CONSUMED -" TINY " A left 0 balance 0\n");
}

static void what_no_grant_covers_goes_to_the_overdraft(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	struct record *first = consume(money, "c1", "7"), *second = consume(money, "c2", "1");
	run(money);
	assert_string_equal(written(money), "CREDITS_GRANTED 5 A left 5 balance 5\n"
					    "CREDITS_CONSUMED -5 A left 0 balance 0\n"
					    "CREDITS_CONSUMED -2 overdraft:tokens//2 left -2 balance -2\n"
					    "CREDITS_CONSUMED -1 overdraft:tokens//2 left -3 balance -3\n");
	assert_string_equal(outcome_of(money, first), "applied 7 of 7, balance -2, seq 2-3");
	assert_string_equal(outcome_of(money, second), "applied 1 of 1, balance -3, seq 4-4");
}

static void overdraft_of_a_resource_bears_its_name(void **state)
{
	struct money *money = *state;
	money->resource_id = "r1";
	grant(money, "A", (struct terms){.amount = "1"});
	consume(money, "c", "2");
	run(money);
	assert_true(text_equal(money->work.entries[2].grant_id, TEXT_LITERAL("overdraft:tokens/r1/2")));
	const struct grant_made *made = &money->work.grants_made[1];
	assert_int_equal(made->grant_type, GRANT_OVERDRAFT);
	assert_true(made->amount == 0 && made->created_at == AT(0) && made->expire_at == INSTANT_NONE);
	assert_true(text_equal(made->idempotency_key, TEXT_LITERAL("c")));
}

static void an_event_at_the_expiry_may_not_draw_and_one_before_it_may(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 60 * INSTANT_SECOND);
	grant(money, "A", (struct terms){.amount = "5", .expire_at = AT(10)});
	money->now = AT(20);
	consume(money, "at", "1")->event.created_at = AT(10);
	consume(money, "before", "1")->event.created_at = AT(10) - 1;
	run(money);
	assert_string_equal(written(money), "CREDITS_GRANTED 5 A left 5 balance 5\n"
					    "CREDITS_CONSUMED -1 overdraft:tokens//2 left -1 balance 4\n"
					    "CREDITS_CONSUMED -1 A left 4 balance 3\n");
}

static void usage_from_before_a_grant_may_be_paid_by_it(void **state)
{
	struct money *money = *state;
	money->now = AT(20);
	grant(money, "A", (struct terms){.amount = "5"});
	consume(money, "c", "1")->event.created_at = AT(1);
	run(money);
	assert_true(text_equal(money->work.entries[1].grant_id, TEXT_LITERAL("A")));
	assert_true(money->work.entries[1].event_time == AT(1));
}

static void a_scheduled_grant_pays_nothing(void **state)
{
	struct money *money = *state;
	grant(money, "later", (struct terms){.amount = "5", .effective_at = AT(10)});
	consume(money, "c", "1");
	run(money);
	assert_string_equal(written(money), "CREDITS_CONSUMED -1 overdraft:tokens//2 left -1 balance -1\n");
}

static void event_time_is_never_after_the_clock(void **state)
{
	struct money *money = *state;
	struct account account = {.clock = AT(10)};
	struct record record = {.source.timestamp = AT(10), .event.created_at = INSTANT_NONE};
	(void)money;

	assert_true(record_event_time(&record, &account) == AT(10));
	record.event.created_at = AT(12);
	assert_true(record_event_time(&record, &account) == AT(10));
	record.event.created_at = AT(8);
	assert_true(record_event_time(&record, &account) == AT(8));
	account.clock = AT(15);
	record.event.created_at = AT(12);
	assert_true(record_event_time(&record, &account) == AT(12));
	record.event.created_at = INSTANT_NONE;
	assert_true(record_event_time(&record, &account) == AT(10));
}

static void resources_are_pools_of_their_own(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	money->resource_id = "r1";
	consume(money, "c1", "1");
	money->resource_id = NULL;
	consume(money, "c2", "2");
	run(money);
	assert_string_equal(written(money), "CREDITS_GRANTED 5 A left 5 balance 5\n"
					    "CREDITS_CONSUMED -1 overdraft:tokens/r1/1 left -1 balance -1\n"
					    "CREDITS_CONSUMED -2 A left 3 balance 3\n");
}

static void a_deficit_beyond_the_range_is_rejected(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	consume(money, "c1", ALL);
	struct record *record = consume(money, "c2", TINY);
	run(money);
	assert_string_equal(outcome_of(money, record), "rejected balance_out_of_range 0 of " TINY ", balance -" ALL);
	assert_int_equal(money->work.entries_count, 1);
}

static void a_deficit_beyond_the_range_is_rejected_though_the_balance_would_fit(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 60 * INSTANT_SECOND);
	grant(money, "A", (struct terms){.amount = NEARLY_ALL, .expire_at = AT(10)});
	money->now = AT(20);
	consume(money, "c1", "60000000000000000000000000");
	struct record *record = consume(money, "c2", "40000000000000000000000000");
	struct record *partly = consume(money, "c3", "39999999999999999999999999");
	run(money);
	assert_string_equal(outcome_of(money, record),
		"rejected balance_out_of_range 0 of 40000000000000000000000000, balance 30000000000000000000000000");
	assert_int_equal(partly->result.kind, RESULT_APPLIED);
}

static void a_sum_of_consumption_beyond_the_range_is_rejected(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = NEARLY_ALL});
	consume(money, "c1", NEARLY_ALL);
	struct record *record = consume(money, "c2", NEARLY_ALL);
	run(money);
	assert_string_equal(outcome_of(money, record), "rejected balance_out_of_range 0 of " NEARLY_ALL ", balance 0");
}

/* ---- grant ---- */

static void a_grant_is_posted_at_once(void **state)
{
	struct money *money = *state;
	struct record *record = grant(money, "A", (struct terms){.amount = "5", .effective_at = AT(0)});
	run(money);
	assert_string_equal(written(money), "CREDITS_GRANTED 5 A left 5 balance 5\n");
	assert_string_equal(outcome_of(money, record), "applied 5 of 5, balance 5, seq 1-1");
}

static void a_grant_for_later_makes_no_entry_yet(void **state)
{
	struct money *money = *state;
	struct record *record = grant(money, "A", (struct terms){.amount = "5", .effective_at = AT(0) + 1});
	run(money);
	assert_string_equal(written(money), "");
	assert_string_equal(outcome_of(money, record), "applied 5 of 5, balance 0");
	assert_int_equal(stored_account(money)->grants_made, 1);
}

static void a_grant_is_noted_with_all_its_terms(void **state)
{
	struct money *money = *state;
	const struct grant_terms terms = {
		.grant_type = GRANT_PAID,
		.priority = -7,
		.effective_at = AT(-5),
		.expire_at = AT(50),
		.has_cost = true,
		.cost_amount = 99,
		.cost_currency = TEXT_LITERAL("EUR"),
		.display_name = TEXT_LITERAL("Welcome"),
		.metadata = TEXT_LITERAL("{}"),
	};
	money->now = AT(3);
	struct record *record = grant(money, "A", (struct terms){.amount = "5", .type = GRANT_PAID});
	record->event.terms = &terms;
	record->event.comment = TEXT_LITERAL("why");
	run(money);
	const struct grant_made *made = &money->work.grants_made[0];
	assert_int_equal(made->grant_type, GRANT_PAID);
	assert_int_equal(made->priority, -7);
	assert_true(made->amount == credit("5") && made->effective_at == AT(-5) && made->expire_at == AT(50));
	assert_true(made->created_at == AT(3) && made->ordinal == 1 && made->has_cost && made->cost_amount == 99);
	assert_true(text_equal(made->cost_currency, terms.cost_currency) &&
		    text_equal(made->display_name, terms.display_name) && text_equal(made->metadata, terms.metadata));
	assert_true(text_equal(made->comment, TEXT_LITERAL("why")) && text_equal(made->grant_id, TEXT_LITERAL("A")));
	assert_true(text_equal(made->idempotency_key, TEXT_LITERAL("A")));
}

static void a_grant_settles_a_part_of_the_overdraft(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	consume(money, "c", "10");
	struct record *record = grant(money, "A", (struct terms){.amount = "4"});
	run(money);
	assert_string_equal(written(money),
		"CREDITS_CONSUMED -10 overdraft:tokens//1 left -10 balance -10\n"
		"CREDITS_GRANTED 4 A left 4 balance -6\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 4 overdraft:tokens//1 left -6 balance -2\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -4 A left 0 balance -6\n");
	assert_string_equal(outcome_of(money, record), "applied 4 of 4, balance -6, seq 2-4");
	assert_int_equal(
		memory_store_find_grant(&money->store, text_of("acme"), text_of("A"))->end, GRANT_END_DEPLETED);
	assert_int_equal(money->store.grants[0].known.end, GRANT_END_NONE);
}

static void a_grant_settles_the_overdraft_to_the_last_digit(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	consume(money, "c", TINY);
	grant(money, "A", (struct terms){.amount = TINY});
	run(money);
	assert_string_equal(written(money),
		"CREDITS_CONSUMED -" TINY " overdraft:tokens//1 left -" TINY " balance -" TINY "\n"
		"CREDITS_GRANTED " TINY " A left " TINY " balance 0\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE " TINY " overdraft:tokens//1 left 0 balance " TINY "\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -" TINY " A left 0 balance 0\n");
	assert_int_equal(money->store.grants[0].known.end, GRANT_END_DEPLETED);
	assert_int_equal(money->store.grants[1].known.end, GRANT_END_DEPLETED);
}

static void after_a_settled_overdraft_a_deficit_starts_a_new_one(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	consume(money, "c1", "1");
	grant(money, "A", (struct terms){.amount = "3"});
	consume(money, "c2", "4");
	run(money);
	assert_string_equal(written(money),
		"CREDITS_CONSUMED -1 overdraft:tokens//1 left -1 balance -1\n"
		"CREDITS_GRANTED 3 A left 3 balance 2\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 1 overdraft:tokens//1 left 0 balance 3\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -1 A left 2 balance 2\n"
		"CREDITS_CONSUMED -2 A left 0 balance 0\n"
		"CREDITS_CONSUMED -2 overdraft:tokens//3 left -2 balance -2\n");
}

static void an_overdraft_beside_a_grant_is_settled_by_the_next_one(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 60 * INSTANT_SECOND);
	grant(money, "A", (struct terms){.amount = "5", .expire_at = AT(10)});
	money->now = AT(20);
	consume(money, "c1", "3");
	grant(money, "B", (struct terms){.amount = "2"});
	consume(money, "c2", "6")->event.created_at = AT(5);
	run(money);
	assert_string_equal(written(money),
		"CREDITS_GRANTED 5 A left 5 balance 5\n"
		"CREDITS_CONSUMED -3 overdraft:tokens//2 left -3 balance 2\n"
		"CREDITS_GRANTED 2 B left 2 balance 4\n"
		"CREDITS_CONSUMPTION_TRANSFER_SOURCE 2 overdraft:tokens//2 left -1 balance 6\n"
		"CREDITS_CONSUMPTION_TRANSFER_TARGET -2 B left 0 balance 4\n"
		"CREDITS_CONSUMED -5 A left 0 balance -1\n"
		"CREDITS_CONSUMED -1 overdraft:tokens//2 left -2 balance -2\n");
}

static void credit_past_its_end_pays_no_overdraft(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	struct record *record = consume(money, "c", "1");
	run(money);
	struct account *account = &money->work.accounts[0];
	account->clock = AT(1);
	const struct grant past = {
		.grant_id = TEXT_LITERAL("past"),
		.status = GRANT_SCHEDULED,
		.remaining = 5,
		.effective_at = AT(0),
		.expire_at = AT(1),
		.ordinal = 9,
	};
	struct occasion occasion = {.work = &money->work,
		.rules = &money->rules,
		.account = account,
		.record = record,
		.event_time = AT(1),
		.recorded_at = AT(1)};
	grant_post(&occasion, account_insert_grant(account, &money->work.arena, &past));
	assert_int_equal(money->work.entries_count, 2);
	assert_true(account_overdraft(account)->remaining == -credit("1"));
}

static void a_grant_id_is_used_once_per_customer(void **state)
{
	struct money *money = *state;
	grant_as(money, "k1", "A", (struct terms){.amount = "5"});
	struct record *again = grant_as(money, "k2", "A", (struct terms){.amount = "5"});
	money->currency_id = "points";
	struct record *elsewhere = grant_as(money, "k3", "A", (struct terms){.amount = "5"});
	money->customer_id = "other";
	struct record *other = grant_as(money, "k3", "A", (struct terms){.amount = "5"});
	run(money);
	assert_string_equal(outcome_of(money, again), "rejected grant_exists 0 of 5, balance 5");
	assert_string_equal(outcome_of(money, elsewhere), "rejected grant_exists 0 of 5, balance 0");
	assert_string_equal(outcome_of(money, other), "applied 5 of 5, balance 5, seq 1-1");
	money->customer_id = "acme";
	again = grant_as(money, "k4", "A", (struct terms){.amount = "5"});
	run(money);
	assert_string_equal(outcome_of(money, again), "rejected grant_exists 0 of 5, balance 0");
}

static void a_rejected_grant_leaves_its_id_free(void **state)
{
	struct money *money = *state;
	grant_as(money, "k1", "A", (struct terms){.amount = "5", .expire_at = AT(0)});
	struct record *record = grant_as(money, "k2", "A", (struct terms){.amount = "5"});
	run(money);
	assert_string_equal(outcome_of(money, record), "applied 5 of 5, balance 5, seq 1-1");
}

static void a_grant_must_end_after_now(void **state)
{
	struct money *money = *state;
	money->now = AT(10);
	struct record *at = grant(money, "A", (struct terms){.amount = "5", .expire_at = AT(10)});
	struct record *after = grant(money, "B", (struct terms){.amount = "5", .expire_at = AT(10) + 1});
	money->now = AT(5);
	struct record *late = grant(money, "C", (struct terms){.amount = "5", .expire_at = AT(7)});
	run(money);
	assert_string_equal(outcome_of(money, at), "rejected already_expired 0 of 5, balance 0");
	assert_string_equal(outcome_of(money, after), "applied 5 of 5, balance 5, seq 1-1");
	assert_string_equal(outcome_of(money, late), "rejected already_expired 0 of 5, balance 5");
}

static void the_number_of_open_grants_is_bounded_and_the_overdraft_does_not_count(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	money->rules.grants_open_max = 2;
	consume(money, "c1", "1");
	grant(money, "A", (struct terms){.amount = "1", .effective_at = AT(9)});
	grant(money, "B", (struct terms){.amount = "1", .effective_at = AT(9)});
	struct record *third = grant(money, "C", (struct terms){.amount = "1"});
	void_grant(money, "v", "A");
	struct record *fourth = grant(money, "D", (struct terms){.amount = "1"});
	run(money);
	assert_string_equal(outcome_of(money, third), "rejected too_many_grants 0 of 1, balance -1");
	assert_string_equal(outcome_of(money, fourth), "applied 1 of 1, balance 0, seq 2-4");
}

static void the_thousandth_grant_is_taken_and_the_next_is_not(void **state)
{
	struct money *money = *state;
	struct record *last = NULL;
	for (int i = 0; i <= ACCOUNT_GRANTS_MAX; i++) {
		struct record *record =
			grant(money, arena_format(&money->arena, "g%d", i).data, (struct terms){.amount = TINY});
		if (i == ACCOUNT_GRANTS_MAX - 1)
			last = record;
	}
	struct record *beyond = money->pending[ACCOUNT_GRANTS_MAX];
	struct record *all = consume(money, "c", "1");
	run(money);
	assert_int_equal(last->result.kind, RESULT_APPLIED);
	assert_string_equal(outcome_of(money, beyond), "rejected too_many_grants 0 of " TINY ", balance 0.000000001");
	assert_string_equal(outcome_of(money, all), "applied 1 of 1, balance -0.999999999, seq 1001-2001");
}

static void a_balance_beyond_the_range_is_rejected(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = ALL});
	struct record *record = grant(money, "B", (struct terms){.amount = TINY});
	run(money);
	assert_string_equal(outcome_of(money, record), "rejected balance_out_of_range 0 of " TINY ", balance " ALL);
}

static void what_is_scheduled_counts_towards_the_range(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = NEARLY_ALL, .effective_at = AT(10)});
	grant(money, "B", (struct terms){.amount = "9999999999999999999999999", .effective_at = AT(10)});
	struct record *record = grant(money, "C", (struct terms){.amount = "2"});
	void_grant(money, "v", "B");
	struct record *fits = grant(money, "D", (struct terms){.amount = "2"});
	run(money);
	assert_string_equal(outcome_of(money, record), "rejected balance_out_of_range 0 of 2, balance 0");
	assert_string_equal(outcome_of(money, fits), "applied 2 of 2, balance 2, seq 1-1");
	money->now = AT(10);
	consume(money, "c", "1");
	run(money);
	assert_int_equal(money->work.entries_count, 2);
}

static void all_that_was_ever_granted_must_fit(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = NEARLY_ALL});
	void_grant(money, "v", "A");
	struct record *record = grant(money, "B", (struct terms){.amount = NEARLY_ALL});
	struct record *later =
		grant(money, "C", (struct terms){.amount = "9000000000000000000000000", .effective_at = AT(5)});
	struct record *beyond = grant(money, "D", (struct terms){.amount = "9000000000000000000000000"});
	run(money);
	assert_string_equal(outcome_of(money, record), "rejected balance_out_of_range 0 of " NEARLY_ALL ", balance 0");
	assert_int_equal(later->result.kind, RESULT_APPLIED);
	assert_string_equal(
		outcome_of(money, beyond), "rejected balance_out_of_range 0 of 9000000000000000000000000, balance 0");
}

/* Between the two entries of the transfer the balance is higher than before and after. */
static void a_transfer_stays_within_the_range(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 60 * INSTANT_SECOND);
	grant(money, "A", (struct terms){.amount = "50000000000000000000000000", .expire_at = AT(10)});
	money->now = AT(20);
	consume(money, "c", "49000000000000000000000000");
	struct record *beyond = grant(money, "B", (struct terms){.amount = "50000000000000000000000000"});
	struct record *fits = grant(money, "C", (struct terms){.amount = "49999999999999999999999999"});
	run(money);
	assert_string_equal(outcome_of(money, beyond),
		"rejected balance_out_of_range 0 of 50000000000000000000000000, balance 1000000000000000000000000");
	assert_int_equal(fits->result.kind, RESULT_APPLIED);
}

/* ---- void ---- */

static void void_takes_what_is_left(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	consume(money, "c", "2");
	struct record *record = void_grant(money, "v", "A"), *again = void_grant(money, "v2", "A");
	run(money);
	assert_string_equal(written(money), "CREDITS_GRANTED 5 A left 5 balance 5\n"
					    "CREDITS_CONSUMED -2 A left 3 balance 3\n"
					    "CREDITS_VOIDED -3 A left 0 balance 0\n");
	assert_string_equal(outcome_of(money, record), "applied 3 of 0, balance 0, seq 3-3");
	assert_string_equal(outcome_of(money, again), "rejected grant_not_active 0 of 0, balance 0");
	assert_false(money->work.entries[2].has_requested);
	assert_int_equal(money->store.grants[0].known.end, GRANT_END_VOIDED);
}

static void a_scheduled_grant_is_voided_without_an_entry(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5", .effective_at = AT(10)});
	struct record *record = void_grant(money, "v", "A");
	money->now = AT(20);
	struct record *again = void_grant(money, "v2", "A");
	run(money);
	assert_string_equal(written(money), "");
	assert_string_equal(outcome_of(money, record), "applied 0 of 0, balance 0");
	assert_string_equal(outcome_of(money, again), "rejected grant_not_active 0 of 0, balance 0");
	assert_int_equal(money->store.grants[0].known.end, GRANT_END_VOIDED);
}

static void a_grant_that_is_used_up_is_voided_without_an_entry(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	consume(money, "c", "5");
	run(money);
	struct record *record = void_grant(money, "v", "A"), *again = void_grant(money, "v2", "A");
	run(money);
	assert_string_equal(outcome_of(money, record), "applied 0 of 0, balance 0");
	assert_string_equal(outcome_of(money, again), "rejected grant_not_active 0 of 0, balance 0");
	assert_int_equal(money->store.grants[0].known.end, GRANT_END_VOIDED);
}

static void a_grant_that_is_used_up_is_over_when_its_grace_is(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 5 * INSTANT_SECOND);
	grant(money, "A", (struct terms){.amount = "5", .expire_at = AT(10)});
	grant(money, "B", (struct terms){.amount = "5", .expire_at = AT(10)});
	consume(money, "c", "10");
	money->now = AT(15) - 1;
	struct record *before = void_grant(money, "v1", "A");
	money->now = AT(15);
	struct record *at = void_grant(money, "v2", "B");
	run(money);
	assert_string_equal(outcome_of(money, before), "applied 0 of 0, balance 0");
	assert_string_equal(outcome_of(money, at), "rejected grant_not_active 0 of 0, balance 0");
}

static void void_of_a_grant_that_expires_in_the_same_batch_comes_too_late(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5", .expire_at = AT(10)});
	money->now = AT(10);
	struct record *record = void_grant(money, "v", "A");
	run(money);
	assert_string_equal(outcome_of(money, record), "rejected grant_not_active 0 of 0, balance 0");
	assert_string_equal(
		written(money), "CREDITS_GRANTED 5 A left 5 balance 5\nCREDITS_EXPIRED -5 A left 0 balance 0\n");
}

static void void_of_a_grant_in_its_grace_takes_what_is_left(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 5 * INSTANT_SECOND);
	grant(money, "A", (struct terms){.amount = "5", .expire_at = AT(10)});
	money->now = AT(12);
	struct record *record = void_grant(money, "v", "A");
	run(money);
	assert_string_equal(outcome_of(money, record), "applied 5 of 0, balance 0, seq 2-2");
}

static void void_knows_the_grants_of_its_own_account_only(void **state)
{
	struct money *money = *state;
	grant(money, "A", (struct terms){.amount = "5"});
	money->resource_id = "r1";
	grant(money, "R", (struct terms){.amount = "5"});
	struct record *unscoped = void_grant(money, "v1", "A");
	money->resource_id = NULL;
	struct record *of_resource = void_grant(money, "v2", "R"), *unknown = void_grant(money, "v3", "X");
	money->currency_id = "points";
	grant(money, "P", (struct terms){.amount = "5"});
	struct record *of_currency = void_grant(money, "v4", "A");
	run(money);
	assert_string_equal(outcome_of(money, unscoped), "rejected unknown_grant 0 of 0, balance 5");
	assert_string_equal(outcome_of(money, of_resource), "rejected unknown_grant 0 of 0, balance 5");
	assert_string_equal(outcome_of(money, unknown), "rejected unknown_grant 0 of 0, balance 5");
	assert_string_equal(outcome_of(money, of_currency), "rejected unknown_grant 0 of 0, balance 5");
}

static void an_overdraft_cannot_be_voided(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 0);
	struct record *early = void_grant(money, "v0", "overdraft:tokens//1");
	consume(money, "c", "1");
	struct record *same_batch = void_grant(money, "v1", "overdraft:tokens//1");
	run(money);
	struct record *open = void_grant(money, "v2", "overdraft:tokens//1");
	grant(money, "A", (struct terms){.amount = "5"});
	struct record *settled = void_grant(money, "v3", "overdraft:tokens//1");
	run(money);
	assert_string_equal(outcome_of(money, early), "rejected unknown_grant 0 of 0, balance 0");
	assert_string_equal(outcome_of(money, same_batch), "rejected not_voidable 0 of 0, balance -1");
	assert_string_equal(outcome_of(money, open), "rejected not_voidable 0 of 0, balance -1");
	assert_string_equal(outcome_of(money, settled), "rejected not_voidable 0 of 0, balance 4");
}

static void a_void_leaves_the_overdraft_alone(void **state)
{
	struct money *money = *state;
	memory_store_name_currency(&money->store, "tokens", 60 * INSTANT_SECOND);
	grant(money, "A", (struct terms){.amount = "5", .expire_at = AT(10)});
	money->now = AT(20);
	consume(money, "c", "8");
	struct record *record = void_grant(money, "v", "A");
	run(money);
	assert_string_equal(outcome_of(money, record), "applied 5 of 0, balance -8, seq 3-3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		money_test(the_burn_order_decides_who_pays),
		money_test(entry_says_what_it_was_for),
		money_test(a_grant_may_be_used_up_to_the_last_digit),
		money_test(what_no_grant_covers_goes_to_the_overdraft),
		money_test(overdraft_of_a_resource_bears_its_name),
		money_test(an_event_at_the_expiry_may_not_draw_and_one_before_it_may),
		money_test(usage_from_before_a_grant_may_be_paid_by_it),
		money_test(a_scheduled_grant_pays_nothing),
		money_test(event_time_is_never_after_the_clock),
		money_test(resources_are_pools_of_their_own),
		money_test(a_deficit_beyond_the_range_is_rejected),
		money_test(a_deficit_beyond_the_range_is_rejected_though_the_balance_would_fit),
		money_test(a_sum_of_consumption_beyond_the_range_is_rejected),
		money_test(a_grant_is_posted_at_once),
		money_test(a_grant_for_later_makes_no_entry_yet),
		money_test(a_grant_is_noted_with_all_its_terms),
		money_test(a_grant_settles_a_part_of_the_overdraft),
		money_test(a_grant_settles_the_overdraft_to_the_last_digit),
		money_test(after_a_settled_overdraft_a_deficit_starts_a_new_one),
		money_test(an_overdraft_beside_a_grant_is_settled_by_the_next_one),
		money_test(credit_past_its_end_pays_no_overdraft),
		money_test(a_grant_id_is_used_once_per_customer),
		money_test(a_rejected_grant_leaves_its_id_free),
		money_test(a_grant_must_end_after_now),
		money_test(the_number_of_open_grants_is_bounded_and_the_overdraft_does_not_count),
		money_test(the_thousandth_grant_is_taken_and_the_next_is_not),
		money_test(a_balance_beyond_the_range_is_rejected),
		money_test(what_is_scheduled_counts_towards_the_range),
		money_test(all_that_was_ever_granted_must_fit),
		money_test(a_transfer_stays_within_the_range),
		money_test(void_takes_what_is_left),
		money_test(a_scheduled_grant_is_voided_without_an_entry),
		money_test(a_grant_that_is_used_up_is_voided_without_an_entry),
		money_test(a_grant_that_is_used_up_is_over_when_its_grace_is),
		money_test(void_of_a_grant_that_expires_in_the_same_batch_comes_too_late),
		money_test(void_of_a_grant_in_its_grace_takes_what_is_left),
		money_test(void_knows_the_grants_of_its_own_account_only),
		money_test(an_overdraft_cannot_be_voided),
		money_test(a_void_leaves_the_overdraft_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
