/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: how an account's thresholds stand survives its column exactly, and broken books are noticed.
 * Method: exact text, random round trips, one malformed shape after the other, the text cut off at every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "drawdown/account.h"
#include "seed.h"

#include <cmocka.h>

#define ZERO_JSON "{\"amount\":\"0\",\"hysteresis\":0,\"state\":\"new\"}"
#define ALERTS_JSON                                                   \
	"{\"posted\":\"-1.5\",\"thresholds\":["                       \
	"{\"amount\":\"100\",\"hysteresis\":10,\"state\":\"armed\"}," \
	"{\"percent\":20,\"hysteresis\":5,\"state\":\"disarmed\"}," ZERO_JSON "]}"

static void states_have_their_words(void **state)
{
	(void)state;
	assert_string_equal(alert_state_name(ALERT_NEW), "new");
	assert_string_equal(alert_state_name(ALERT_ARMED), "armed");
	assert_string_equal(alert_state_name(ALERT_DISARMED), "disarmed");
}

static void assert_alerts(const struct alerts *actual, const struct alerts *expected)
{
	assert_true(actual->posted_balance == expected->posted_balance);
	assert_int_equal(actual->count, expected->count);
	for (size_t i = 0; i < expected->count; i++) {
		const struct alert *a = &actual->items[i], *b = &expected->items[i];
		assert_true(threshold_equal(&a->threshold, &b->threshold));
		assert_int_equal(a->threshold.hysteresis, b->threshold.hysteresis);
		assert_int_equal(a->state, b->state);
	}
}

static void alerts_are_written_and_read_field_by_field(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1024);
	struct alert items[] = {
		{{.amount = 100 * CREDIT_ONE, .hysteresis = 10}, ALERT_ARMED},
		{{.is_percent = true, .percent = 20, .hysteresis = 5}, ALERT_DISARMED},
		{{.amount = 0}, ALERT_NEW},
	};
	const struct alerts alerts = {.posted_balance = -CREDIT_ONE * 3 / 2, .items = items, .count = 3};
	struct alerts back;
	assert_true(text_equal(alerts_format(&alerts, &arena), TEXT_LITERAL(ALERTS_JSON)));
	assert_true(alerts_parse(&back, &arena, TEXT_LITERAL(ALERTS_JSON)));
	assert_alerts(&back, &alerts);
	assert_true(alerts_parse(&back, &arena,
		TEXT_LITERAL(" { \"thresholds\" : [ {\"state\":\"new\", \"hysteresis\": 0,\n\"amount\":\"0\"} ], "
			     "\"posted\": \"0\" } ")));
	assert_int_equal(back.count, 1);
	arena_release(&arena);
}

static void what_was_never_decided_has_no_text(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1024);
	const struct alerts none = {0};
	struct alerts back = {.posted_balance = 1, .count = 1};
	assert_null(alerts_format(&none, &arena).data);
	assert_true(alerts_parse(&back, &arena, TEXT_NULL));
	assert_int_equal(back.count, 0);
	assert_true(back.posted_balance == 0);
	arena_release(&arena);
}

static void what_is_not_such_an_object_is_refused(void **state)
{
	(void)state;
#define WITH(threshold) "{\"posted\":\"1\",\"thresholds\":[" threshold "," ZERO_JSON "]}"
	static const char *const cases[] = {
		"",
		"null",
		"[]",
		"{}",
		"{\"posted\":\"1\"}",
		"{\"thresholds\":[" ZERO_JSON "]}",
		"{\"posted\":\"1\",\"thresholds\":[]}",
		"{\"posted\":\"1\",\"thresholds\":null}",
		"{\"posted\":1,\"thresholds\":[" ZERO_JSON "]}",
		"{\"posted\":null,\"thresholds\":[" ZERO_JSON "]}",
		"{\"posted\":\"1\",\"posted\":\"1\",\"thresholds\":[" ZERO_JSON "]}",
		"{\"posted\":\"1\",\"thresholds\":[" ZERO_JSON "],\"more\":1}",
		"{\"posted\":\"1\",\"thresholds\":[" ZERO_JSON "]} x",
		"{\"posted\":\"1\",\"thresholds\":[" ZERO_JSON "," ZERO_JSON "]}",
		"{\"posted\":\"1\",\"thresholds\":[{\"amount\":\"1\",\"hysteresis\":10,\"state\":\"new\"}]}",
		"{\"posted\":\"1\",\"thresholds\":[" ZERO_JSON
		",{\"amount\":\"1\",\"hysteresis\":10,\"state\":\"new\"}]}",
		"{\"posted\":\"1\",\"thresholds\":[{\"amount\":\"0\",\"hysteresis\":10,\"state\":\"new\"}]}",
		WITH("{\"amount\":\"1\",\"hysteresis\":10}"),
		WITH("{\"amount\":\"1\",\"state\":\"new\"}"),
		WITH("{\"hysteresis\":10,\"state\":\"new\"}"),
		WITH("{\"amount\":\"1\",\"percent\":1,\"hysteresis\":10,\"state\":\"new\"}"),
		WITH("{\"amount\":\"-1\",\"hysteresis\":10,\"state\":\"new\"}"),
		WITH("{\"amount\":1,\"hysteresis\":10,\"state\":\"new\"}"),
		WITH("{\"percent\":0,\"hysteresis\":10,\"state\":\"new\"}"),
		WITH("{\"percent\":101,\"hysteresis\":10,\"state\":\"new\"}"),
		WITH("{\"percent\":\"1\",\"hysteresis\":10,\"state\":\"new\"}"),
		WITH("{\"percent\":1,\"hysteresis\":101,\"state\":\"new\"}"),
		WITH("{\"percent\":1,\"hysteresis\":-1,\"state\":\"new\"}"),
		WITH("{\"percent\":1,\"hysteresis\":10,\"state\":\"gone\"}"),
		WITH("{\"percent\":1,\"hysteresis\":10,\"state\":1}"),
		WITH("{\"percent\":1,\"hysteresis\":10,\"state\":\"new\",\"more\":1}"),
		WITH("{\"percent\":1,\"percent\":1,\"hysteresis\":10,\"state\":\"new\"}"),
		WITH("{\"percent\":1,\"hysteresis\":10,\"state\":\"new\"},"
		     "{\"percent\":1,\"hysteresis\":11,\"state\":\"armed\"}"),
		WITH("{\"amount\":\"1\",\"hysteresis\":10,\"state\":\"new\"},"
		     "{\"amount\":\"1.0\",\"hysteresis\":11,\"state\":\"armed\"}"),
	};
	struct arena arena;
	struct alerts alerts;
	arena_init(&arena, 1024);
	assert_true(alerts_parse(
		&alerts, &arena, TEXT_LITERAL(WITH("{\"percent\":1,\"hysteresis\":10,\"state\":\"new\"}"))));
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		bool is_taken = alerts_parse(&alerts, &arena, text_of(cases[i]));
		if (is_taken)
			print_error("taken: %s\n", cases[i]);
		assert_false(is_taken);
	}
	arena_release(&arena);
}

static void a_text_cut_off_anywhere_is_refused(void **state)
{
	(void)state;
	struct text whole = TEXT_LITERAL(ALERTS_JSON);
	struct arena arena;
	struct alerts alerts;
	arena_init(&arena, 1024);
	for (size_t size = 0; size < whole.size; size++) {
		char *exact = malloc(size ? size : 1);
		assert_non_null(exact);
		memcpy(exact, whole.data, size);
		assert_false(alerts_parse(&alerts, &arena, (struct text){exact, size}));
		free(exact);
	}
	arena_release(&arena);
}

static void random_alerts_survive_up_to_their_most(void **state)
{
	(void)state;
	struct seed seed = seed_new(__func__);
	struct arena arena;
	arena_init(&arena, 64 * 1024);
	for (int round = 0; round < 300; round++) {
		struct alert items[THRESHOLDS_MAX + 2];
		struct alerts back, alerts = {.items = items, .posted_balance = (credit_t)seed_next(&seed) - INT64_MAX};
		size_t count = round == 0 ? THRESHOLDS_MAX : seed_below(&seed, THRESHOLDS_MAX + 1);
		for (size_t i = 0; i < count; i++) {
			bool is_percent = seed_below(&seed, 2);
			items[i] = (struct alert){
				.threshold = {.is_percent = is_percent,
					.amount =
						is_percent ? 0 : (credit_t)seed_next(&seed) * 1000000 + (credit_t)i + 1,
					.percent = is_percent ? (int32_t)(i * 6 + 1 + seed_below(&seed, 5)) : 0,
					.hysteresis = (int32_t)seed_below(&seed, 101)},
				.state = (enum alert_state)seed_below(&seed, 3),
			};
		}
		items[count] = (struct alert){.state = (enum alert_state)seed_below(&seed, 3)};
		alerts.count = count + 1;
		assert_true(alerts_parse(&back, &arena, alerts_format(&alerts, &arena)));
		assert_alerts(&back, &alerts);
		if (count == THRESHOLDS_MAX) {
			items[count].threshold = (struct threshold){.is_percent = true, .percent = 100};
			items[count + 1] = (struct alert){0};
			alerts.count = count + 2;
			assert_false(alerts_parse(&back, &arena, alerts_format(&alerts, &arena)));
		}
		arena_reset(&arena);
	}
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_have_their_words),
		cmocka_unit_test(alerts_are_written_and_read_field_by_field),
		cmocka_unit_test(what_was_never_decided_has_no_text),
		cmocka_unit_test(what_is_not_such_an_object_is_refused),
		cmocka_unit_test(a_text_cut_off_anywhere_is_refused),
		cmocka_unit_test(random_alerts_survive_up_to_their_most),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
