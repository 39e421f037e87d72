/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: notifications survive the receipt's column exactly, so that what is published again is the same; broken
 * books are noticed.
 * Method: exact text of each type, random round trips, one malformed shape after the other, cut off at every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "drawdown/notification.h"
#include "seed.h"

#include <cmocka.h>

#define RECORDED 1767323045678000

static void types_have_their_names(void **state)
{
	(void)state;
	static const char *const names[NOTIFY_TYPE_COUNT] = {"credit_balance.low", "credit_balance.depleted",
		"credit_balance.recovered", "credit_grant.created", "credit_grant.depleted", "credit_grant.expired",
		"credit_grant.voided"};
	enum notification_type type;
	for (int i = 0; i < NOTIFY_TYPE_COUNT; i++) {
		assert_string_equal(notification_type_name((enum notification_type)i), names[i]);
		assert_true(notification_type_parse(text_of(names[i]), &type));
		assert_int_equal(type, i);
	}
	assert_false(notification_type_parse(TEXT_LITERAL("credit_balance"), &type));
	assert_false(notification_type_parse(TEXT_NULL, &type));
}

static const struct {
	struct notification notification;
	const char *json;
} samples[] = {
	{{.type = NOTIFY_BALANCE_LOW,
		 .has_threshold = true,
		 .threshold = {.amount = 100 * CREDIT_ONE, .hysteresis = 10},
		 .level = 100 * CREDIT_ONE,
		 .balance = CREDIT_MAX,
		 .held = 5 * CREDIT_ONE,
		 .seq = INT64_MAX,
		 .idempotency_key = TEXT_CONSTANT("key \"1\""),
		 .recorded_at = RECORDED},
		"{\"type\":\"credit_balance.low\",\"threshold\":{\"amount\":\"100\",\"hysteresis\":10},"
		"\"level\":\"100\",\"balance\":\"99999999999999999999999999.999999999999\",\"held\":\"5\","
		"\"seq\":9223372036854775807,\"idempotencyKey\":\"key \\\"1\\\"\",\"recordedAt\":1767323045678000}"},
	{{.type = NOTIFY_BALANCE_LOW,
		 .has_threshold = true,
		 .threshold = {.is_percent = true, .percent = 20, .hysteresis = 5},
		 .level = 0,
		 .balance = -1,
		 .recorded_at = INSTANT_MIN},
		"{\"type\":\"credit_balance.low\",\"threshold\":{\"percent\":20,\"hysteresis\":5},\"level\":\"0\","
		"\"balance\":\"-0.000000000001\",\"held\":\"0\",\"seq\":0,\"recordedAt\":-62135596800000000}"},
	{{.type = NOTIFY_BALANCE_DEPLETED, .seq = 7, .recorded_at = RECORDED},
		"{\"type\":\"credit_balance.depleted\",\"balance\":\"0\",\"held\":\"0\",\"seq\":7,"
		"\"recordedAt\":1767323045678000}"},
	{{.type = NOTIFY_BALANCE_RECOVERED, .recorded_at = INSTANT_MAX},
		"{\"type\":\"credit_balance.recovered\",\"balance\":\"0\",\"held\":\"0\",\"seq\":0,"
		"\"recordedAt\":253402300799999999}"},
	{{.type = NOTIFY_GRANT_CREATED,
		 .grant_id = TEXT_CONSTANT("g"),
		 .has_amount = true,
		 .amount = CREDIT_ONE / 2,
		 .recorded_at = 0},
		"{\"type\":\"credit_grant.created\",\"grantId\":\"g\",\"amount\":\"0.5\",\"balance\":\"0\","
		"\"held\":\"0\",\"seq\":0,\"recordedAt\":0}"},
	{{.type = NOTIFY_GRANT_DEPLETED, .grant_id = TEXT_CONSTANT("g"), .recorded_at = 0},
		"{\"type\":\"credit_grant.depleted\",\"grantId\":\"g\",\"balance\":\"0\",\"held\":\"0\",\"seq\":0,"
		"\"recordedAt\":0}"},
	{{.type = NOTIFY_GRANT_EXPIRED, .grant_id = TEXT_CONSTANT("g"), .has_amount = true},
		"{\"type\":\"credit_grant.expired\",\"grantId\":\"g\",\"amount\":\"0\",\"balance\":\"0\","
		"\"held\":\"0\",\"seq\":0,\"recordedAt\":0}"},
	{{.type = NOTIFY_GRANT_VOIDED, .grant_id = TEXT_CONSTANT("g"), .has_amount = true, .amount = CREDIT_MAX},
		"{\"type\":\"credit_grant.voided\",\"grantId\":\"g\","
		"\"amount\":\"99999999999999999999999999.999999999999\",\"balance\":\"0\",\"held\":\"0\",\"seq\":0,"
		"\"recordedAt\":0}"},
};
#define SAMPLES_COUNT (sizeof samples / sizeof samples[0])

static void assert_text(struct text actual, struct text expected)
{
	assert_int_equal(actual.data == NULL, expected.data == NULL);
	assert_true(text_equal(actual, expected));
}

static void assert_notification(const struct notification *actual, const struct notification *expected)
{
	assert_int_equal(actual->type, expected->type);
	assert_int_equal(actual->ordinal, expected->ordinal);
	assert_text(actual->grant_id, expected->grant_id);
	assert_int_equal(actual->has_amount, expected->has_amount);
	assert_true(actual->amount == expected->amount);
	assert_int_equal(actual->has_threshold, expected->has_threshold);
	assert_true(threshold_equal(&actual->threshold, &expected->threshold));
	assert_int_equal(actual->threshold.hysteresis, expected->threshold.hysteresis);
	assert_true(actual->level == expected->level);
	assert_true(actual->balance == expected->balance);
	assert_true(actual->held == expected->held);
	assert_true(actual->seq == expected->seq);
	assert_text(actual->idempotency_key, expected->idempotency_key);
	assert_true(actual->recorded_at == expected->recorded_at);
}

static void each_type_is_written_and_read_field_by_field(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1024);
	for (size_t i = 0; i < SAMPLES_COUNT; i++) {
		struct notification *back, notification = samples[i].notification;
		size_t count;
		notification.ordinal = 1;
		struct text json = arena_format(&arena, "[%s]", samples[i].json);
		assert_true(text_equal(notifications_format(&notification, 1, &arena), json));
		assert_true(notifications_parse(json, &arena, &back, &count));
		assert_int_equal(count, 1);
		assert_notification(&back[0], &notification);
	}
	arena_release(&arena);
}

static void none_are_an_empty_array(void **state)
{
	(void)state;
	struct arena arena;
	struct notification *back;
	size_t count = 1;
	arena_init(&arena, 1024);
	assert_true(text_equal(notifications_format(NULL, 0, &arena), TEXT_LITERAL("[]")));
	assert_true(notifications_parse(TEXT_LITERAL(" [ ] "), &arena, &back, &count));
	assert_int_equal(count, 0);
	arena_release(&arena);
}

static void what_is_not_such_an_array_is_refused(void **state)
{
	(void)state;
#define REST "\"balance\":\"0\",\"held\":\"0\",\"seq\":0,\"recordedAt\":0}]"
#define DEPLETED "[{\"type\":\"credit_balance.depleted\","
	static const char *const cases[] = {
		"",
		"null",
		"{}",
		"[{}]",
		"[] x",
		DEPLETED REST ",",
		"[{" REST,
		"[{\"type\":\"credit_balance.high\"," REST,
		"[{\"type\":null," REST,
		DEPLETED "\"held\":\"0\",\"seq\":0,\"recordedAt\":0}]",
		DEPLETED "\"balance\":\"0\",\"seq\":0,\"recordedAt\":0}]",
		DEPLETED "\"balance\":\"0\",\"held\":\"0\",\"recordedAt\":0}]",
		DEPLETED "\"balance\":\"0\",\"held\":\"0\",\"seq\":0}]",
		DEPLETED "\"balance\":0,\"held\":\"0\",\"seq\":0,\"recordedAt\":0}]",
		DEPLETED "\"balance\":\"1e26\",\"held\":\"0\",\"seq\":0,\"recordedAt\":0}]",
		DEPLETED "\"balance\":\"0\",\"held\":\"-1\",\"seq\":0,\"recordedAt\":0}]",
		DEPLETED "\"balance\":\"0\",\"held\":\"0\",\"seq\":-1,\"recordedAt\":0}]",
		DEPLETED "\"balance\":\"0\",\"held\":\"0\",\"seq\":\"0\",\"recordedAt\":0}]",
		DEPLETED "\"balance\":\"0\",\"held\":\"0\",\"seq\":0,\"recordedAt\":253402300800000000}]",
		DEPLETED "\"balance\":\"0\",\"held\":\"0\",\"seq\":0,\"recordedAt\":\"2026-01-01T00:00:00Z\"}]",
		DEPLETED "\"seq\":0," REST,
		DEPLETED "\"more\":0," REST,
		DEPLETED "\"idempotencyKey\":\"\"," REST,
		DEPLETED "\"idempotencyKey\":null," REST,
		DEPLETED "\"grantId\":\"g\"," REST,
		DEPLETED "\"amount\":\"1\"," REST,
		DEPLETED "\"level\":\"1\"," REST,
		"[{\"type\":\"credit_balance.low\"," REST,
		"[{\"type\":\"credit_balance.low\",\"level\":\"1\"," REST,
		"[{\"type\":\"credit_balance.low\",\"threshold\":{\"percent\":1,\"hysteresis\":1}," REST,
		"[{\"type\":\"credit_balance.low\",\"threshold\":{\"percent\":1},\"level\":\"1\"," REST,
		"[{\"type\":\"credit_balance.low\",\"threshold\":{\"amount\":\"0\",\"hysteresis\":0},"
		"\"level\":\"0\"," REST,
		"[{\"type\":\"credit_balance.low\",\"threshold\":null,\"level\":\"0\"," REST,
		"[{\"type\":\"credit_balance.low\",\"threshold\":{\"percent\":1,\"hysteresis\":1},"
		"\"level\":\"-1\"," REST,
		"[{\"type\":\"credit_grant.created\",\"grantId\":\"g\"," REST,
		"[{\"type\":\"credit_grant.created\",\"amount\":\"1\"," REST,
		"[{\"type\":\"credit_grant.created\",\"grantId\":\"\",\"amount\":\"1\"," REST,
		"[{\"type\":\"credit_grant.created\",\"grantId\":\"g\",\"amount\":\"-1\"," REST,
		"[{\"type\":\"credit_grant.depleted\",\"grantId\":\"g\",\"amount\":\"1\"," REST,
	};
	struct arena arena;
	struct notification *notifications;
	size_t count;
	arena_init(&arena, 1024);
	assert_true(notifications_parse(TEXT_LITERAL(DEPLETED REST), &arena, &notifications, &count));
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		bool is_taken = notifications_parse(text_of(cases[i]), &arena, &notifications, &count);
		if (is_taken)
			print_error("taken: %s\n", cases[i]);
		assert_false(is_taken);
		assert_int_equal(count, 0);
	}
	assert_false(notifications_parse(TEXT_NULL, &arena, &notifications, &count));
	arena_release(&arena);
}

static void a_text_cut_off_anywhere_is_refused(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1024);
	struct text whole = arena_format(&arena, "[%s,%s]", samples[0].json, samples[4].json);
	for (size_t size = 0; size < whole.size; size++) {
		struct notification *notifications;
		size_t count;
		char *exact = malloc(size ? size : 1);
		assert_non_null(exact);
		memcpy(exact, whole.data, size);
		assert_false(notifications_parse((struct text){exact, size}, &arena, &notifications, &count));
		free(exact);
	}
	arena_release(&arena);
}

static void random_notifications_survive_in_their_order(void **state)
{
	(void)state;
	struct seed seed = seed_new(__func__);
	struct arena arena;
	arena_init(&arena, 64 * 1024);
	for (int round = 0; round < 300; round++) {
		struct notification notifications[20], *back;
		size_t count = seed_below(&seed, 20), back_count;
		for (size_t i = 0; i < count; i++) {
			struct notification *notification = &notifications[i];
			*notification = samples[seed_below(&seed, SAMPLES_COUNT)].notification;
			notification->ordinal = (int64_t)i + 1;
			notification->balance = (credit_t)seed_next(&seed) - (credit_t)seed_next(&seed);
			notification->held = (credit_t)seed_next(&seed);
			notification->seq = (int64_t)seed_below(&seed, 1000);
			notification->recorded_at = (instant_t)seed_below(&seed, INSTANT_MAX);
			if (seed_below(&seed, 2))
				notification->idempotency_key =
					arena_format(&arena, "k\\%llu", (unsigned long long)seed_next(&seed));
			else
				notification->idempotency_key = TEXT_NULL;
		}
		assert_true(notifications_parse(
			notifications_format(notifications, count, &arena), &arena, &back, &back_count));
		assert_int_equal(back_count, count);
		for (size_t i = 0; i < count; i++)
			assert_notification(&back[i], &notifications[i]);
		arena_reset(&arena);
	}
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_have_their_names),
		cmocka_unit_test(each_type_is_written_and_read_field_by_field),
		cmocka_unit_test(none_are_an_empty_array),
		cmocka_unit_test(what_is_not_such_an_array_is_refused),
		cmocka_unit_test(a_text_cut_off_anywhere_is_refused),
		cmocka_unit_test(random_notifications_survive_in_their_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
