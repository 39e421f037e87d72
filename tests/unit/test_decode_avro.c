/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: hostile Avro does no harm: each bad record is a defect that names the field, whatever was done to its bytes.
 * Method: good records taken apart byte by byte; lengths, counts and indices out of range in every place; random
 * mutations. Values lie in memory of their exact size. Other writers' schemas: test_avro_plan.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* outcome.h has one too */

#include "../../worker/core/avro_write.h"
#include "decode_fixture.h"
#include "drawdown/decode.h"
#include "drawdown/encode.h"
#include "seed.h"

static bool decode_exact(struct text value, struct event *ret_event, struct defect *ret_defect)
{
	char *exact = malloc(value.size ? value.size : 1);
	assert_non_null(exact);
	if (value.size)
		memcpy(exact, value.data, value.size);
	struct text json;
	struct defect ignored;
	bool ok = decode_event(decoder, &arena, (struct text){exact, value.size}, ret_event, ret_defect);
	(void)decode_to_json(decoder, &arena, (struct text){exact, value.size}, &json, &ignored);
	free(exact);
	return ok;
}

static void assert_defect(struct text value, const char *reason, const char *text)
{
	struct event event;
	struct defect defect = {"", ""};
	assert_false(decode_exact(value, &event, &defect));
	assert_string_equal(defect.text, text);
	assert_string_equal(defect.reason, reason);
}

static struct text consume_record(void)
{
	const struct event event = {
		.kind = EVENT_CONSUME,
		.customer_id = TEXT_LITERAL("acme"),
		.currency_id = TEXT_LITERAL("ai-tokens"),
		.resource_id = TEXT_LITERAL("pool"),
		.idempotency_key = TEXT_LITERAL("req-1"),
		.amount = CREDIT_ONE * 3 / 2,
		.created_at = 1767323045678000,
		.dimensions = TEXT_LITERAL("{\"a\":\"x\",\"b\":true,\"c\":7,\"d\":0.5}"),
	};
	return encode_event(&arena, &event, FORMAT_AVRO);
}

static struct text grant_record(void)
{
	const struct grant_terms terms = {
		.grant_type = GRANT_PAID,
		.priority = 3,
		.effective_at = INSTANT_NONE,
		.expire_at = 1767323045678000,
		.has_cost = true,
		.cost_amount = CREDIT_ONE,
		.cost_currency = TEXT_LITERAL("EUR"),
		.display_name = TEXT_LITERAL("name"),
		.metadata = TEXT_LITERAL("{\"a\":\"x\"}"),
	};
	const struct event event = {
		.kind = EVENT_GRANT,
		.customer_id = TEXT_LITERAL("acme"),
		.currency_id = TEXT_LITERAL("ai-tokens"),
		.idempotency_key = TEXT_LITERAL("order-1"),
		.grant_id = TEXT_LITERAL("g"),
		.amount = CREDIT_ONE * 100,
		.created_at = INSTANT_NONE,
		.comment = TEXT_LITERAL("c"),
		.terms = &terms,
	};
	return encode_event(&arena, &event, FORMAT_AVRO);
}

static struct text configure_record(void)
{
	const struct threshold items[] = {
		{.amount = CREDIT_ONE, .hysteresis = 10}, {.is_percent = true, .percent = 20}};
	const struct account_settings settings = {
		.has_over_limit = true,
		.over_limit = OVER_LIMIT_REJECT,
		.has_overdraft_limit = true,
		.overdraft_limit = CREDIT_ONE,
		.has_thresholds = true,
		.thresholds = {items, 2},
	};
	const struct event event = {
		.kind = EVENT_CONFIGURE,
		.customer_id = TEXT_LITERAL("acme"),
		.currency_id = TEXT_LITERAL("ai-tokens"),
		.idempotency_key = TEXT_LITERAL("conf-1"),
		.created_at = INSTANT_NONE,
		.settings = &settings,
	};
	return encode_event(&arena, &event, FORMAT_AVRO);
}

static struct text reserve_record(void)
{
	const struct hold_terms hold = {
		.reservation_id = TEXT_LITERAL("job-1"), .ttl = 60 * INSTANT_SECOND, .expires_at = INSTANT_NONE};
	const struct event event = {
		.kind = EVENT_RESERVE,
		.customer_id = TEXT_LITERAL("acme"),
		.currency_id = TEXT_LITERAL("ai-tokens"),
		.idempotency_key = TEXT_LITERAL("hold-1"),
		.amount = CREDIT_ONE,
		.created_at = 1767323045678000,
		.hold = &hold,
	};
	return encode_event(&arena, &event, FORMAT_AVRO);
}

#define RECORDS_COUNT 4
static struct text any_record(size_t index)
{
	struct text (*const records[RECORDS_COUNT])(void) = {
		consume_record, grant_record, configure_record, reserve_record};
	return records[index]();
}

static void good_records_are_read(void **state)
{
	(void)state;
	struct event event;
	struct defect defect;
	assert_true(decode_event(decoder, &arena, consume_record(), &event, &defect));
	assert_true(text_equal(event.dimensions, TEXT_LITERAL("{\"a\":\"x\",\"b\":true,\"c\":7,\"d\":0.5}")));
	assert_true(event.created_at == 1767323045678000);
	assert_true(decode_event(decoder, &arena, grant_record(), &event, &defect));
	assert_int_equal(event.terms->priority, 3);
	assert_true(text_equal(event.terms->cost_currency, TEXT_LITERAL("EUR")));
}

static void a_record_cut_off_anywhere_is_a_defect(void **state)
{
	(void)state;
	for (size_t i = 0; i < RECORDS_COUNT; i++) {
		struct text record = any_record(i);
		for (size_t size = 0; size < record.size; size++) {
			struct event event;
			struct defect defect;
			assert_false(decode_exact((struct text){record.data, size}, &event, &defect));
			const char *reason = size == 0 ? "empty" : size == 1 ? "malformed_json" : "malformed_avro";
			assert_string_equal(defect.reason, reason);
		}
	}
}

static void bytes_behind_the_record_are_a_defect(void **state)
{
	(void)state;
	struct text record = consume_record();
	assert_defect(arena_format(&arena, "%.*s", 0, ""), "empty", "the record has no value");
	char *longer = arena_alloc(&arena, record.size + 3);
	memcpy(longer, record.data, record.size);
	memset(longer + record.size, 0, 3);
	assert_defect((struct text){longer, record.size + 3}, "malformed_avro", "3 bytes follow the record");
}

static void an_unknown_fingerprint_is_named(void **state)
{
	(void)state;
	assert_defect(TEXT_LITERAL("\xc3\x01\x08\x07\x06\x05\x04\x03\x02\x01xyz"), "unknown_schema",
		"no schema has the fingerprint 0102030405060708");
	assert_defect(TEXT_LITERAL("\xc3\x01\x08\x07"), "malformed_avro", "the schema's fingerprint is cut off");
}

/* The header of a Consume, then what the test puts. */
static void begin_consume(struct buffer *buffer)
{
	buffer_init(buffer, &arena);
	buffer_put(buffer, consume_record().data, 10);
}

static void put_up_to_amount(struct buffer *buffer)
{
	begin_consume(buffer);
	avro_put_string(buffer, TEXT_LITERAL("acme"));
	avro_put_string(buffer, TEXT_LITERAL("ai-tokens"));
	avro_put_null(buffer);
	avro_put_string(buffer, TEXT_LITERAL("req-1"));
}

static void put_up_to_dimensions(struct buffer *buffer)
{
	put_up_to_amount(buffer);
	avro_put_credit(buffer, CREDIT_ONE);
	avro_put_null(buffer);
}

static const int64_t hostile[] = {-1, INT64_MIN, INT64_MIN + 1, 1ll << 62, INT64_MAX, 1000000000, 1000, INT32_MAX};
#define HOSTILE_COUNT (sizeof hostile / sizeof hostile[0])

static void lengths_out_of_range_are_named(void **state)
{
	(void)state;
	struct buffer buffer;
	for (size_t i = 0; i < HOSTILE_COUNT; i++) {
		begin_consume(&buffer);
		avro_put_long(&buffer, hostile[i]);
		buffer_put_text(&buffer, TEXT_LITERAL("some bytes that follow"));
		assert_defect(buffer_finish(&buffer), "malformed_avro", "customerId has a length out of range");
		put_up_to_amount(&buffer);
		avro_put_long(&buffer, hostile[i]);
		assert_defect(buffer_finish(&buffer), "malformed_avro", "amount has a length out of range");
	}
}

static void union_branches_out_of_range_are_named(void **state)
{
	(void)state;
	struct buffer buffer;
	for (size_t i = 0; i < HOSTILE_COUNT; i++) {
		begin_consume(&buffer);
		avro_put_string(&buffer, TEXT_LITERAL("acme"));
		avro_put_string(&buffer, TEXT_LITERAL("ai-tokens"));
		avro_put_long(&buffer, hostile[i]);
		assert_defect(buffer_finish(&buffer), "malformed_avro", "resourceId has an index out of range");
		put_up_to_dimensions(&buffer);
		avro_put_long(&buffer, 1);
		avro_put_long(&buffer, 1);
		avro_put_string(&buffer, TEXT_LITERAL("a"));
		avro_put_long(&buffer, hostile[i]);
		assert_defect(buffer_finish(&buffer), "malformed_avro", "dimensions has an index out of range");
	}
}

static void block_counts_and_sizes_are_bounded(void **state)
{
	(void)state;
	struct buffer buffer;
	for (size_t i = 0; i < HOSTILE_COUNT; i++) {
		put_up_to_dimensions(&buffer);
		avro_put_long(&buffer, 1);
		avro_put_long(&buffer, hostile[i]);
		struct event event;
		struct defect defect;
		assert_false(decode_exact(buffer_finish(&buffer), &event, &defect));
		assert_string_equal(defect.reason, "malformed_avro");
		put_up_to_dimensions(&buffer);
		avro_put_long(&buffer, 1);
		avro_put_long(&buffer, -1);
		avro_put_long(&buffer, hostile[i]);
		assert_defect(buffer_finish(&buffer), "malformed_avro", "dimensions has a block size out of range");
	}
	put_up_to_dimensions(&buffer);
	avro_put_long(&buffer, 1);
	avro_put_long(&buffer, 1000000000);
	assert_defect(buffer_finish(&buffer), "malformed_avro", "dimensions has too many items");
	put_up_to_dimensions(&buffer);
	avro_put_long(&buffer, 1);
	avro_put_long(&buffer, INT64_MIN);
	avro_put_long(&buffer, 0);
	assert_defect(buffer_finish(&buffer), "malformed_avro", "dimensions has too many items");
}

static void blocks_with_a_size_are_read(void **state)
{
	(void)state;
	struct buffer buffer;
	put_up_to_dimensions(&buffer);
	avro_put_long(&buffer, 1);
	for (int64_t i = 0; i < 3; i++) {
		avro_put_long(&buffer, i == 1 ? 1 : -1);
		if (i != 1)
			avro_put_long(&buffer, 4);
		avro_put_string(&buffer, i == 0 ? TEXT_LITERAL("c") : i == 1 ? TEXT_LITERAL("b") : TEXT_LITERAL("a"));
		avro_put_long(&buffer, 2);
		avro_put_long(&buffer, i);
	}
	avro_put_long(&buffer, 0);
	struct event event;
	struct defect defect;
	assert_true(decode_event(decoder, &arena, buffer_finish(&buffer), &event, &defect));
	assert_true(text_equal(event.dimensions, TEXT_LITERAL("{\"a\":2,\"b\":1,\"c\":0}")));
}

static void over_long_integers_are_refused(void **state)
{
	(void)state;
	struct buffer buffer;
	begin_consume(&buffer);
	buffer_put_text(&buffer, TEXT_LITERAL("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"));
	assert_defect(buffer_finish(&buffer), "malformed_avro", "customerId has an over-long integer");
	begin_consume(&buffer);
	buffer_put_text(&buffer, TEXT_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));
	assert_defect(buffer_finish(&buffer), "malformed_avro", "customerId has an over-long integer");
	begin_consume(&buffer);
	buffer_put_text(&buffer, TEXT_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"));
	assert_defect(buffer_finish(&buffer), "malformed_avro", "customerId has an over-long integer");
	begin_consume(&buffer);
	buffer_put_text(&buffer, TEXT_LITERAL("\xff\xff"));
	assert_defect(buffer_finish(&buffer), "malformed_avro", "customerId is cut off");
}

static void values_that_no_field_can_have_are_named(void **state)
{
	(void)state;
	struct buffer buffer;
	static const struct {
		struct text bytes;
		const char *reason;
		const char *text;
	} amounts[] = {
		{{"\x00", 1}, "malformed_avro", "amount has a decimal without bytes"},
		{{"\x02\x00\x00\x00", 4}, "invalid_field", "amount is not above 0"},
		{{"\x02\xff\x00\x00", 4}, "invalid_field", "amount is not above 0"},
		{{"\x20\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00", 19}, "invalid_field",
			"amount is out of range"},
		{{"\x22\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00", 20},
			"invalid_field", "amount is out of range"},
		{{"\x02\x01\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 14}, "invalid_field",
			"createdAt is outside of the years 0001-9999"},
		{{"\x02\x01\x02\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 14}, "invalid_field",
			"createdAt is outside of the years 0001-9999"},
		{{"\x02\x01\x00\x02\x02\x02"
		  "a\x02\x02\x00",
			 10},
			"malformed_avro", "dimensions has a boolean that is neither 0 nor 1"},
	};
	for (size_t i = 0; i < sizeof amounts / sizeof amounts[0]; i++) {
		put_up_to_amount(&buffer);
		buffer_put_text(&buffer, amounts[i].bytes);
		assert_defect(buffer_finish(&buffer), amounts[i].reason, amounts[i].text);
	}
	begin_consume(&buffer);
	avro_put_string(&buffer, TEXT_LITERAL("a\xff"));
	buffer_put_text(&buffer, (struct text){consume_record().data + 15, consume_record().size - 15});
	assert_defect(buffer_finish(&buffer), "invalid_field",
		"customerId is not 1-255 of [A-Za-z0-9_|.@-], the first alphanumeric");
}

static void doubles_that_are_no_numbers_are_refused(void **state)
{
	(void)state;
	static const double values[] = {__builtin_nan(""), __builtin_inf(), -__builtin_inf()};
	for (size_t i = 0; i < 3; i++) {
		struct buffer buffer;
		put_up_to_dimensions(&buffer);
		avro_put_long(&buffer, 1);
		avro_put_long(&buffer, 1);
		avro_put_string(&buffer, TEXT_LITERAL("a"));
		avro_put_long(&buffer, 3);
		avro_put_double(&buffer, values[i]);
		avro_put_long(&buffer, 0);
		assert_defect(buffer_finish(&buffer), "invalid_field",
			"dimensions has a value that is neither text, a number of at most 100 digits, nor a boolean");
	}
}

static void mutated_records_do_no_harm(void **state)
{
	(void)state;
	struct seed seed = seed_new(__func__);
	static const unsigned char spice[] = {0x00, 0x01, 0x02, 0x7f, 0x80, 0xff, 0xfe, 0x03};
	char originals[RECORDS_COUNT][512];
	size_t sizes[RECORDS_COUNT];
	for (size_t i = 0; i < RECORDS_COUNT; i++) {
		sizes[i] = any_record(i).size;
		memcpy(originals[i], any_record(i).data, sizes[i]);
	}
	for (int round = 0; round < 100000; round++) {
		char bytes[512];
		size_t which = seed_below(&seed, RECORDS_COUNT), size = sizes[which];
		memcpy(bytes, originals[which], size);
		for (uint64_t changes = 1 + seed_below(&seed, 4); changes > 0; changes--)
			bytes[10 + seed_below(&seed, size - 10)] =
				seed_below(&seed, 2) ? (char)spice[seed_below(&seed, sizeof spice)]
						     : (char)seed_next(&seed);
		struct event event;
		struct defect defect = {NULL, ""};
		if (!decode_exact((struct text){bytes, size}, &event, &defect))
			assert_true(defect.reason && defect.text[0]);
		arena_reset(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_records_are_read),
		cmocka_unit_test(a_record_cut_off_anywhere_is_a_defect),
		cmocka_unit_test(bytes_behind_the_record_are_a_defect),
		cmocka_unit_test(an_unknown_fingerprint_is_named),
		cmocka_unit_test(lengths_out_of_range_are_named),
		cmocka_unit_test(union_branches_out_of_range_are_named),
		cmocka_unit_test(block_counts_and_sizes_are_bounded),
		cmocka_unit_test(blocks_with_a_size_are_read),
		cmocka_unit_test(over_long_integers_are_refused),
		cmocka_unit_test(values_that_no_field_can_have_are_named),
		cmocka_unit_test(doubles_that_are_no_numbers_are_refused),
		cmocka_unit_test(mutated_records_do_no_harm),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
