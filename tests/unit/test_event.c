/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: an event's fingerprint changes with each field that decides, and with no other; its key hash with customer,
 * class and key only.
 * Method: one full event of each kind; every field is changed in turn. The stored hashes were computed apart, with
 * another implementation of BLAKE2b.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "drawdown/event.h"

#include <cmocka.h>

static struct event consume_event(void)
{
	return (struct event){
		.kind = EVENT_CONSUME,
		.customer_id = TEXT_LITERAL("acme"),
		.currency_id = TEXT_LITERAL("ai-tokens"),
		.idempotency_key = TEXT_LITERAL("req-1"),
		.amount = CREDIT_ONE,
		.created_at = INSTANT_NONE,
		.dimensions = TEXT_LITERAL("{\"a\":1}"),
	};
}

static struct grant_terms terms;

static struct event grant_event(void)
{
	terms = (struct grant_terms){
		.grant_type = GRANT_PAID,
		.priority = 1,
		.effective_at = 1000,
		.expire_at = 2000,
		.has_cost = true,
		.cost_amount = CREDIT_ONE,
		.cost_currency = TEXT_LITERAL("EUR"),
		.display_name = TEXT_LITERAL("name"),
	};
	return (struct event){
		.kind = EVENT_GRANT,
		.customer_id = TEXT_LITERAL("acme"),
		.currency_id = TEXT_LITERAL("ai-tokens"),
		.resource_id = TEXT_LITERAL("pool"),
		.idempotency_key = TEXT_LITERAL("req-1"),
		.amount = CREDIT_ONE,
		.created_at = INSTANT_NONE,
		.grant_id = TEXT_LITERAL("g-1"),
		.terms = &terms,
	};
}

static struct hold_terms hold;
static struct reversal_terms reversal;
static struct threshold items[THRESHOLDS_MAX];
static struct account_settings settings;

static struct event event_of(enum event_kind kind)
{
	return (struct event){
		.kind = kind,
		.customer_id = TEXT_LITERAL("acme"),
		.currency_id = TEXT_LITERAL("ai-tokens"),
		.idempotency_key = TEXT_LITERAL("req-1"),
		.created_at = INSTANT_NONE,
		.due_at = INSTANT_NONE,
	};
}

static struct event confirm_event(void)
{
	struct event event = event_of(EVENT_CONFIRM_PAYMENT);
	event.grant_id = TEXT_LITERAL("g-1");
	return event;
}

static struct event hold_event(enum event_kind kind)
{
	struct event event = event_of(kind);
	hold = (struct hold_terms){.reservation_id = TEXT_LITERAL("job-1"), .expires_at = INSTANT_NONE};
	if (kind == EVENT_RESERVE || kind == EVENT_EXTEND)
		hold.ttl = HOLD_TTL_DEFAULT;
	if (kind == EVENT_RESERVE || kind == EVENT_SETTLE)
		event.amount = CREDIT_ONE;
	event.hold = &hold;
	return event;
}

static struct event reverse_event(void)
{
	struct event event = event_of(EVENT_REVERSE);
	reversal.reversed_key = TEXT_LITERAL("req-0");
	reversal.reversed_hash = event_key_hash(event.customer_id, CLASS_USAGE, reversal.reversed_key);
	event.amount = CREDIT_ONE;
	event.reversal = &reversal;
	return event;
}

static struct event configure_event(void)
{
	struct event event = event_of(EVENT_CONFIGURE);
	items[0] = (struct threshold){.amount = 100 * CREDIT_ONE, .hysteresis = 10};
	items[1] = (struct threshold){.is_percent = true, .percent = 20, .hysteresis = 10};
	settings = (struct account_settings){
		.has_over_limit = true,
		.over_limit = OVER_LIMIT_CAP,
		.has_overdraft_limit = true,
		.overdraft_limit = CREDIT_ONE,
		.has_thresholds = true,
		.thresholds = {items, 2},
	};
	event.settings = &settings;
	return event;
}

static struct event advance_event(void)
{
	struct event event = event_of(EVENT_ADVANCE);
	event.due_at = 1000;
	return event;
}

static struct hash128 fingerprint_of(struct event event)
{
	event_identify(&event);
	return event.fingerprint;
}

static struct hash128 key_hash_of(struct event event)
{
	event_identify(&event);
	return event.key_hash;
}

static void assert_same(struct event a, struct event b)
{
	assert_true(hash128_equal(fingerprint_of(a), fingerprint_of(b)));
}

#define ASSERT_OTHER(original, change)                                      \
	do {                                                                \
		struct event event = (original);                            \
		struct hash128 before = fingerprint_of(event);              \
		change;                                                     \
		assert_false(hash128_equal(fingerprint_of(event), before)); \
	} while (0)

static void each_field_that_decides_changes_the_fingerprint(void **state)
{
	(void)state;
	ASSERT_OTHER(consume_event(), event.currency_id = TEXT_LITERAL("other"));
	ASSERT_OTHER(consume_event(), event.resource_id = TEXT_LITERAL("pool"));
	ASSERT_OTHER(consume_event(), event.amount += 1);
	ASSERT_OTHER(consume_event(), event.dimensions = TEXT_LITERAL("{\"a\":2}"));
	ASSERT_OTHER(consume_event(), event.dimensions = TEXT_NULL);
	ASSERT_OTHER(grant_event(), event.grant_id = TEXT_LITERAL("g-2"));
	ASSERT_OTHER(grant_event(), event.amount += 1);
	ASSERT_OTHER(grant_event(), terms.grant_type = GRANT_PROMOTIONAL);
	ASSERT_OTHER(grant_event(), terms.priority = -1);
	ASSERT_OTHER(grant_event(), terms.effective_at = INSTANT_NONE);
	ASSERT_OTHER(grant_event(), terms.expire_at = INSTANT_NONE);
	ASSERT_OTHER(grant_event(), terms.has_cost = false);
	ASSERT_OTHER(grant_event(), terms.cost_amount += 1);
	ASSERT_OTHER(grant_event(), terms.cost_currency = TEXT_LITERAL("USD"));
	ASSERT_OTHER(grant_event(), terms.await_payment = true);
	ASSERT_OTHER(grant_event(), (event.kind = EVENT_VOID, event.terms = NULL));
	ASSERT_OTHER(confirm_event(), event.grant_id = TEXT_LITERAL("g-2"));
	ASSERT_OTHER(confirm_event(), event.kind = EVENT_VOID);
	ASSERT_OTHER(reverse_event(), reversal.reversed_key = TEXT_LITERAL("req-2"));
	ASSERT_OTHER(reverse_event(), event.amount += 1);
	ASSERT_OTHER(reverse_event(), event.amount = 0);
	ASSERT_OTHER(advance_event(), event.due_at += 1);
	ASSERT_OTHER(advance_event(), event.resource_id = TEXT_LITERAL("pool"));
}

static void each_field_of_a_hold_changes_the_fingerprint(void **state)
{
	(void)state;
	ASSERT_OTHER(hold_event(EVENT_RESERVE), event.amount += 1);
	ASSERT_OTHER(hold_event(EVENT_RESERVE), hold.ttl += 1);
	ASSERT_OTHER(hold_event(EVENT_SETTLE), event.amount = 0);
	static const enum event_kind kinds[] = {EVENT_RESERVE, EVENT_SETTLE, EVENT_EXTEND, EVENT_RELEASE};
	for (size_t i = 0; i < 4; i++) {
		ASSERT_OTHER(hold_event(kinds[i]), hold.reservation_id = TEXT_LITERAL("job-2"));
		ASSERT_OTHER(hold_event(kinds[i]), event.kind = kinds[(i + 1) % 4]);
		ASSERT_OTHER(hold_event(kinds[i]), event.currency_id = TEXT_LITERAL("other"));
		ASSERT_OTHER(hold_event(kinds[i]), event.resource_id = TEXT_LITERAL("pool"));
	}
	ASSERT_OTHER(hold_event(EVENT_EXTEND), hold.ttl = 0);
	/* a ttl and an end of the same number */
	ASSERT_OTHER(hold_event(EVENT_EXTEND), (hold.expires_at = HOLD_TTL_DEFAULT, hold.ttl = 0));
	ASSERT_OTHER(hold_event(EVENT_RESERVE), (hold.expires_at = HOLD_TTL_DEFAULT, hold.ttl = 0));
}

static void each_override_changes_the_fingerprint(void **state)
{
	(void)state;
	ASSERT_OTHER(configure_event(), settings.has_over_limit = false);
	ASSERT_OTHER(configure_event(), settings.over_limit = OVER_LIMIT_ALLOW);
	ASSERT_OTHER(configure_event(), settings.has_overdraft_limit = false);
	ASSERT_OTHER(configure_event(), settings.overdraft_limit = 0);
	ASSERT_OTHER(configure_event(), settings.has_thresholds = false);
	ASSERT_OTHER(configure_event(), settings.thresholds.count = 1);
	ASSERT_OTHER(configure_event(), items[0].amount += 1);
	ASSERT_OTHER(configure_event(), items[0].hysteresis = 0);
	ASSERT_OTHER(configure_event(), items[1].percent = 21);
	/* the order in which notifications are sent */
	ASSERT_OTHER(configure_event(), (items[1] = items[0], items[0] = (struct threshold){true, 0, 20, 10}));
	/* none inherited, or none at all */
	struct event configure = configure_event();
	settings = (struct account_settings){.has_thresholds = false};
	ASSERT_OTHER(configure, settings.has_thresholds = true);
	/* the limit is 0, or there is none */
	settings = (struct account_settings){.has_overdraft_limit = false};
	ASSERT_OTHER(configure, settings.has_overdraft_limit = true);
}

static void as_many_thresholds_as_there_may_be_are_told_apart(void **state)
{
	(void)state;
	struct event configure = configure_event();
	for (int i = 0; i < THRESHOLDS_MAX; i++)
		items[i] = (struct threshold){.is_percent = true, .percent = 1 + i, .hysteresis = 10};
	settings.thresholds.count = THRESHOLDS_MAX;
	ASSERT_OTHER(configure, items[THRESHOLDS_MAX - 1].hysteresis = 11);
}

static void what_is_only_told_does_not_change_the_fingerprint(void **state)
{
	(void)state;
	struct event event = consume_event();
	event.created_at = 12345;
	event.idempotency_key = TEXT_LITERAL("req-2");
	event.customer_id = TEXT_LITERAL("other");
	assert_same(event, consume_event());
	struct hash128 before = fingerprint_of(grant_event());
	struct event grant = grant_event();
	grant.comment = TEXT_LITERAL("comment");
	terms.display_name = TEXT_NULL;
	terms.metadata = TEXT_LITERAL("{}");
	assert_true(hash128_equal(fingerprint_of(grant), before));
}

static void a_key_is_scoped_to_customer_and_class(void **state)
{
	(void)state;
	struct event event = consume_event();
	struct hash128 before = key_hash_of(event);
	event.customer_id = TEXT_LITERAL("other");
	assert_false(hash128_equal(key_hash_of(event), before));
	event = consume_event();
	event.idempotency_key = TEXT_LITERAL("req-2");
	assert_false(hash128_equal(key_hash_of(event), before));
	assert_false(hash128_equal(key_hash_of(grant_event()), before));
	event = consume_event();
	event.amount += 1;
	event.currency_id = TEXT_LITERAL("other");
	assert_true(hash128_equal(key_hash_of(event), before));
	struct event undo = grant_event();
	undo.kind = EVENT_VOID;
	undo.terms = NULL;
	assert_true(hash128_equal(key_hash_of(undo), key_hash_of(grant_event())));
	/* holds are usage: they share its keys; a reversal finds the consumption by the same hash */
	assert_true(hash128_equal(key_hash_of(hold_event(EVENT_SETTLE)), before));
	assert_true(hash128_equal(event_key_hash(TEXT_LITERAL("acme"), CLASS_USAGE, TEXT_LITERAL("req-1")), before));
	assert_true(hash128_equal(
		event_key_hash(TEXT_LITERAL("acme"), CLASS_COMMAND, TEXT_LITERAL("req-1")), key_hash_of(undo)));
}

static void the_key_of_an_advance_follows_from_account_and_due_time(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 4096);
	const struct text currency = TEXT_LITERAL("ai-tokens"), pool = TEXT_LITERAL("pool");
	struct text key = event_advance_key(&arena, currency, TEXT_NULL, 1000);
	assert_int_equal(key.size, 40);
	/* a sweeper of another version must send the same */
	assert_memory_equal(key.data, "advance/8fec72e0ac9b8bd8b7057cf94fada163", 40);
	assert_true(text_equal(key, event_advance_key(&arena, currency, TEXT_NULL, 1000)));
	assert_false(text_equal(key, event_advance_key(&arena, currency, TEXT_NULL, 1001)));
	assert_false(text_equal(key, event_advance_key(&arena, currency, pool, 1000)));
	assert_false(text_equal(key, event_advance_key(&arena, pool, TEXT_NULL, 1000)));
	arena_release(&arena);
}

static void assert_print(struct event event, const char *expected)
{
	char digits[33];
	struct hash128 print = fingerprint_of(event);
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(digits + 2 * i, 3, "%02x", print.bytes[i]);
	assert_string_equal(digits, expected);
}

/* Stored in receipts: a change of these bytes would turn every retry into a conflict. */
static void stored_hashes_stay_what_they_are(void **state)
{
	(void)state;
	struct event event = consume_event();
	event_identify(&event);
	static const uint8_t key_hash[16] = {
		0x5c, 0xac, 0xeb, 0x51, 0xcc, 0x01, 0xf9, 0xbf, 0x96, 0x8f, 0x56, 0x0f, 0xcc, 0x4f, 0x81, 0x9e};
	assert_memory_equal(event.key_hash.bytes, key_hash, 16);
	static const uint8_t consume_print[16] = {
		0xfb, 0xc2, 0xab, 0x82, 0xc1, 0x29, 0x4f, 0xa3, 0x0c, 0x73, 0x1c, 0x9d, 0xf5, 0xba, 0xb4, 0x3b};
	assert_memory_equal(event.fingerprint.bytes, consume_print, 16);
	static const uint8_t grant_print[16] = {
		0xec, 0x21, 0xd7, 0x3d, 0xb4, 0x11, 0x38, 0xeb, 0x9f, 0x60, 0xf8, 0xdc, 0x1a, 0xc8, 0x2f, 0x68};
	assert_memory_equal(fingerprint_of(grant_event()).bytes, grant_print, 16);
	assert_print(confirm_event(), "5f8314b61130bf31feffbe85b5cadcbf");
	assert_print(reverse_event(), "558c506d2802c62cf3e35de3596cb683");
	assert_print(configure_event(), "1505b6b53b5f19983610325e1ac09ebb");
	assert_print(hold_event(EVENT_RESERVE), "36ca5e356f8fa66a3feb402eb5de2b81");
	assert_print(hold_event(EVENT_SETTLE), "e20f3251ba55f8d21c71ea3f69585de6");
	assert_print(hold_event(EVENT_EXTEND), "8e58fe61f5ad2c5faa05efc6a6e665cd");
	assert_print(hold_event(EVENT_RELEASE), "205bc9f13a768475a80e5a090717c8a1");
	assert_print(advance_event(), "f7148713386e0c0be4975e0f2601f87f");
	struct event awaiting = grant_event();
	terms.await_payment = true;
	assert_print(awaiting, "89aeb901d75ab8a8940473b0432a2c17");
}

static void kinds_and_types_have_names(void **state)
{
	(void)state;
	enum event_kind kind;
	for (int i = 0; i < EVENT_KIND_COUNT; i++) {
		assert_true(event_kind_parse(text_of(event_kind_name((enum event_kind)i)), &kind));
		assert_int_equal(kind, i);
	}
	assert_false(event_kind_parse(TEXT_LITERAL("Consume"), &kind));
	assert_false(event_kind_parse(TEXT_LITERAL(""), &kind));
	enum grant_type type;
	for (int i = GRANT_PROMOTIONAL; i <= GRANT_OVERDRAFT; i++) {
		assert_true(grant_type_parse(text_of(grant_type_name((enum grant_type)i)), &type));
		assert_int_equal(type, i);
	}
	assert_false(grant_type_parse(TEXT_LITERAL("paid"), &type));
	static const char *const names[EVENT_KIND_COUNT] = {"consume", "grant", "void", "confirm-payment", "reverse",
		"configure", "reserve", "settle", "extend", "release", "advance"};
	for (int i = 0; i < EVENT_KIND_COUNT; i++)
		assert_string_equal(event_kind_name((enum event_kind)i), names[i]);
}

static void usage_is_consumption_and_holds(void **state)
{
	(void)state;
	for (int i = 0; i < EVENT_KIND_COUNT; i++) {
		bool is_usage = i == EVENT_CONSUME || i == EVENT_RESERVE || i == EVENT_SETTLE || i == EVENT_EXTEND ||
				i == EVENT_RELEASE;
		assert_int_equal(event_class_of((enum event_kind)i), is_usage ? CLASS_USAGE : CLASS_COMMAND);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_field_that_decides_changes_the_fingerprint),
		cmocka_unit_test(each_field_of_a_hold_changes_the_fingerprint),
		cmocka_unit_test(each_override_changes_the_fingerprint),
		cmocka_unit_test(as_many_thresholds_as_there_may_be_are_told_apart),
		cmocka_unit_test(what_is_only_told_does_not_change_the_fingerprint),
		cmocka_unit_test(a_key_is_scoped_to_customer_and_class),
		cmocka_unit_test(the_key_of_an_advance_follows_from_account_and_due_time),
		cmocka_unit_test(stored_hashes_stay_what_they_are),
		cmocka_unit_test(kinds_and_types_have_names),
		cmocka_unit_test(usage_is_consumption_and_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
