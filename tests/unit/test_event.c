/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: an event's fingerprint changes with each field that decides, and with no other; its key hash with customer,
 * class and key only.
 * Method: one full event of each kind; every field is changed in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drawdown/event.h"

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
	ASSERT_OTHER(grant_event(), (event.kind = EVENT_VOID, event.terms = NULL));
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
	assert_int_equal(event_class_of(EVENT_CONSUME), CLASS_USAGE);
	assert_int_equal(event_class_of(EVENT_GRANT), CLASS_COMMAND);
	assert_int_equal(event_class_of(EVENT_VOID), CLASS_COMMAND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_field_that_decides_changes_the_fingerprint),
		cmocka_unit_test(what_is_only_told_does_not_change_the_fingerprint),
		cmocka_unit_test(a_key_is_scoped_to_customer_and_class),
		cmocka_unit_test(stored_hashes_stay_what_they_are),
		cmocka_unit_test(kinds_and_types_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
