/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: settings survive their columns exactly; thresholds that people write are taken with what they may leave out,
 * and refused with the reason.
 * Method: exact texts and reasons, limits from both sides, random round trips, texts cut off at every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "drawdown/settings.h"
#include "seed.h"

#include <cmocka.h>

static void policies_have_their_words(void **state)
{
	(void)state;
	static const char *const names[] = {"allow", "cap", "reject"};
	enum over_limit policy;
	for (int i = OVER_LIMIT_ALLOW; i <= OVER_LIMIT_REJECT; i++) {
		assert_string_equal(over_limit_name((enum over_limit)i), names[i]);
		assert_true(over_limit_parse(text_of(names[i]), &policy));
		assert_int_equal(policy, i);
	}
	assert_false(over_limit_parse(TEXT_LITERAL(""), &policy));
	assert_false(over_limit_parse(TEXT_NULL, &policy));
	assert_false(over_limit_parse(TEXT_LITERAL("Allow"), &policy));
	assert_false(over_limit_parse(TEXT_LITERAL("allowed"), &policy));
}

static void thresholds_are_equal_by_their_level_alone(void **state)
{
	(void)state;
	const struct threshold amount = {.amount = 20 * CREDIT_ONE, .hysteresis = 10};
	const struct threshold same = {.amount = 20 * CREDIT_ONE, .hysteresis = 0};
	const struct threshold other = {.amount = 20 * CREDIT_ONE + 1, .hysteresis = 10};
	const struct threshold percent = {.is_percent = true, .percent = 20, .hysteresis = 10};
	const struct threshold other_percent = {.is_percent = true, .percent = 21, .hysteresis = 10};
	assert_true(threshold_equal(&amount, &same));
	assert_false(threshold_equal(&amount, &other));
	assert_false(threshold_equal(&amount, &percent));
	assert_true(threshold_equal(&percent, &percent));
	assert_false(threshold_equal(&percent, &other_percent));
}

static void assert_thresholds(const struct thresholds *actual, const struct thresholds *expected)
{
	assert_int_equal(actual->count, expected->count);
	for (size_t i = 0; i < expected->count; i++) {
		assert_true(threshold_equal(&actual->items[i], &expected->items[i]));
		assert_int_equal(actual->items[i].hysteresis, expected->items[i].hysteresis);
	}
}

static void thresholds_are_written_and_read_in_their_order(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1024);
	const struct threshold items[] = {
		{.amount = 100 * CREDIT_ONE, .hysteresis = 10},
		{.is_percent = true, .percent = 20, .hysteresis = 5},
		{.amount = CREDIT_MAX, .hysteresis = 0},
		{.amount = 1, .hysteresis = 100},
		{.is_percent = true, .percent = 100},
		{.is_percent = true, .percent = 1},
	};
	const struct text json =
		TEXT_LITERAL("[{\"amount\":\"100\",\"hysteresis\":10},{\"percent\":20,\"hysteresis\":5},"
			     "{\"amount\":\"99999999999999999999999999.999999999999\",\"hysteresis\":0},"
			     "{\"amount\":\"0.000000000001\",\"hysteresis\":100},{\"percent\":100,\"hysteresis\":0},"
			     "{\"percent\":1,\"hysteresis\":0}]");
	const struct thresholds thresholds = {items, 6}, none = {0};
	struct thresholds back;
	const char *reason = NULL;
	assert_true(text_equal(thresholds_format(&thresholds, &arena), json));
	assert_true(thresholds_parse(json, &arena, &back, &reason));
	assert_thresholds(&back, &thresholds);
	assert_true(text_equal(thresholds_format(&none, &arena), TEXT_LITERAL("[]")));
	assert_true(thresholds_parse(TEXT_LITERAL(" [ ] "), &arena, &back, &reason));
	assert_int_equal(back.count, 0);
	assert_null(reason);
	arena_release(&arena);
}

static void people_may_write_numbers_and_leave_out_the_hysteresis(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1024);
	const struct threshold items[] = {
		{.amount = 100 * CREDIT_ONE + CREDIT_ONE / 2, .hysteresis = THRESHOLD_HYSTERESIS_DEFAULT},
		{.is_percent = true, .percent = 20, .hysteresis = THRESHOLD_HYSTERESIS_DEFAULT},
		{.is_percent = true, .percent = 30, .hysteresis = 0},
		{.amount = 7 * CREDIT_ONE, .hysteresis = THRESHOLD_HYSTERESIS_DEFAULT},
	};
	const struct thresholds expected = {items, 4};
	struct thresholds back;
	const char *reason = NULL;
	assert_true(thresholds_parse(
		TEXT_LITERAL(
			"[{\"amount\":100.50},\n {\"percent\":20, \"name\":{\"amount\":[1,2]}, \"amount\":null},"
			"{\"percent\":3.0e1,\"hysteresis\":0},{\"amount\":\"7\",\"hysteresis\":null,\"x\":1,\"x\":2}]"),
		&arena, &back, &reason));
	assert_thresholds(&back, &expected);
	arena_release(&arena);
}

#define NOT_AN_ARRAY "thresholds are a JSON array"
#define NOT_AN_OBJECT "a threshold is not an object"
#define TWICE "a threshold names a field twice"
#define EITHER "a threshold has either an amount or a percent"
#define AMOUNT "the amount of a threshold is a number above 0 with at most 26 digits before the point and 12 behind it"
#define PERCENT "the percent of a threshold is a whole number from 1 to 100"
#define HYSTERESIS "the hysteresis of a threshold is a whole number from 0 to 100"
#define REPEATED "two thresholds have the same amount or percent"

static void what_is_no_threshold_is_refused_with_the_reason(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		const char *reason;
	} cases[] = {
		{"", NOT_AN_ARRAY},
		{"null", NOT_AN_ARRAY},
		{"{}", NOT_AN_ARRAY},
		{"{\"amount\":1}", NOT_AN_ARRAY},
		{"[{\"amount\":1}", NOT_AN_ARRAY},
		{"[{\"amount\":1},]", NOT_AN_ARRAY},
		{"[{\"amount\":1}] x", NOT_AN_ARRAY},
		{"[{\"amount\":01}]", NOT_AN_ARRAY},
		{"[{\"amount\":1,\"name\":\"\xff\"}]", NOT_AN_ARRAY},
		{"[null]", NOT_AN_OBJECT},
		{"[100]", NOT_AN_OBJECT},
		{"[[]]", NOT_AN_OBJECT},
		{"[{\"amount\":1,\"amount\":2}]", TWICE},
		{"[{\"percent\":1,\"percent\":1}]", TWICE},
		{"[{\"amount\":1,\"hysteresis\":1,\"hysteresis\":null}]", TWICE},
		{"[{}]", EITHER},
		{"[{\"hysteresis\":1}]", EITHER},
		{"[{\"amount\":null}]", EITHER},
		{"[{\"amount\":1,\"percent\":1}]", EITHER},
		{"[{\"amount\":0}]", AMOUNT},
		{"[{\"amount\":\"0.0\"}]", AMOUNT},
		{"[{\"amount\":-1}]", AMOUNT},
		{"[{\"amount\":1e26}]", AMOUNT},
		{"[{\"amount\":0.0000000000001}]", AMOUNT},
		{"[{\"amount\":\"\"}]", AMOUNT},
		{"[{\"amount\":\"a lot\"}]", AMOUNT},
		{"[{\"amount\":true}]", AMOUNT},
		{"[{\"amount\":{}}]", AMOUNT},
		{"[{\"percent\":0}]", PERCENT},
		{"[{\"percent\":101}]", PERCENT},
		{"[{\"percent\":-1}]", PERCENT},
		{"[{\"percent\":1.5}]", PERCENT},
		{"[{\"percent\":1e300}]", PERCENT},
		{"[{\"percent\":\"20\"}]", PERCENT},
		{"[{\"amount\":1,\"hysteresis\":-1}]", HYSTERESIS},
		{"[{\"amount\":1,\"hysteresis\":101}]", HYSTERESIS},
		{"[{\"amount\":1,\"hysteresis\":0.5}]", HYSTERESIS},
		{"[{\"amount\":1,\"hysteresis\":\"10\"}]", HYSTERESIS},
		{"[{\"amount\":1},{\"amount\":\"1.00\",\"hysteresis\":5}]", REPEATED},
		{"[{\"percent\":1},{\"amount\":1},{\"percent\":1}]", REPEATED},
	};
	struct arena arena;
	struct thresholds thresholds;
	arena_init(&arena, 1024);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *reason = "none";
		bool is_taken = thresholds_parse(text_of(cases[i].json), &arena, &thresholds, &reason);
		if (is_taken)
			print_error("taken: %s\n", cases[i].json);
		assert_false(is_taken);
		assert_string_equal(reason, cases[i].reason);
		assert_int_equal(thresholds.count, 0);
	}
	const char *reason = "none";
	assert_false(thresholds_parse(TEXT_NULL, &arena, &thresholds, &reason));
	assert_string_equal(reason, NOT_AN_ARRAY);
	assert_false(thresholds_parse(TEXT_NULL, &arena, &thresholds, NULL));
	arena_release(&arena);
}

static struct text thresholds_of(struct arena *arena, size_t count)
{
	struct text json = TEXT_LITERAL("");
	for (size_t i = 1; i <= count; i++)
		json = arena_format(
			arena, "%.*s%s{\"amount\":\"%zu\",\"hysteresis\":10}", TEXT_ARGS(json), i > 1 ? "," : "", i);
	return arena_format(arena, "[%.*s]", TEXT_ARGS(json));
}

static void there_may_be_16_of_them(void **state)
{
	(void)state;
	struct arena arena;
	struct thresholds thresholds;
	struct account_settings settings;
	const char *reason = NULL;
	arena_init(&arena, 1024);
	assert_true(thresholds_parse(thresholds_of(&arena, 16), &arena, &thresholds, &reason));
	assert_int_equal(thresholds.count, 16);
	assert_false(thresholds_parse(thresholds_of(&arena, 17), &arena, &thresholds, &reason));
	assert_string_equal(reason, "there are more than 16 thresholds");
	struct text json = arena_format(&arena, "{\"thresholds\":%.*s}", TEXT_ARGS(thresholds_of(&arena, 16)));
	assert_true(account_settings_parse(json, &arena, &settings));
	assert_int_equal(settings.thresholds.count, 16);
	json = arena_format(&arena, "{\"thresholds\":%.*s}", TEXT_ARGS(thresholds_of(&arena, 17)));
	assert_false(account_settings_parse(json, &arena, &settings));
	arena_release(&arena);
}

#define SETTINGS_JSON                                                         \
	"{\"overLimit\":\"cap\",\"overdraftLimit\":\"10.5\",\"thresholds\":[" \
	"{\"amount\":\"100\",\"hysteresis\":10},{\"percent\":20,\"hysteresis\":5}]}"

static void overrides_are_written_and_read_field_by_field(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1024);
	const struct threshold items[] = {
		{.amount = 100 * CREDIT_ONE, .hysteresis = 10},
		{.is_percent = true, .percent = 20, .hysteresis = 5},
	};
	const struct account_settings settings = {
		.has_over_limit = true,
		.over_limit = OVER_LIMIT_CAP,
		.has_overdraft_limit = true,
		.overdraft_limit = CREDIT_ONE * 21 / 2,
		.has_thresholds = true,
		.thresholds = {items, 2},
	};
	struct account_settings back;
	assert_true(text_equal(account_settings_format(&settings, &arena), TEXT_LITERAL(SETTINGS_JSON)));
	assert_true(account_settings_parse(TEXT_LITERAL(SETTINGS_JSON), &arena, &back));
	assert_true(back.has_over_limit && back.has_overdraft_limit && back.has_thresholds);
	assert_int_equal(back.over_limit, OVER_LIMIT_CAP);
	assert_true(back.overdraft_limit == settings.overdraft_limit);
	assert_thresholds(&back.thresholds, &settings.thresholds);
	assert_true(account_settings_parse(
		TEXT_LITERAL(" { \"overdraftLimit\" : \"0\",\n\"overLimit\":\"reject\"} "), &arena, &back));
	assert_true(back.has_over_limit && back.has_overdraft_limit && !back.has_thresholds);
	assert_int_equal(back.over_limit, OVER_LIMIT_REJECT);
	arena_release(&arena);
}

static void what_is_not_given_is_left_out(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1024);
	const struct account_settings none = {.over_limit = OVER_LIMIT_CAP, .overdraft_limit = 1};
	const struct account_settings no_thresholds = {.has_thresholds = true};
	const struct account_settings allow = {.has_over_limit = true};
	struct account_settings back = none;
	assert_null(account_settings_format(&none, &arena).data);
	assert_true(account_settings_parse(TEXT_NULL, &arena, &back));
	assert_true(!back.has_over_limit && !back.has_overdraft_limit && !back.has_thresholds);
	assert_true(account_settings_parse(TEXT_LITERAL("{}"), &arena, &back));
	assert_true(!back.has_over_limit && !back.has_overdraft_limit && !back.has_thresholds);
	assert_true(text_equal(account_settings_format(&no_thresholds, &arena), TEXT_LITERAL("{\"thresholds\":[]}")));
	assert_true(account_settings_parse(TEXT_LITERAL("{\"thresholds\":[]}"), &arena, &back));
	assert_true(back.has_thresholds && back.thresholds.count == 0); /* none, not the currency's */
	assert_true(text_equal(account_settings_format(&allow, &arena), TEXT_LITERAL("{\"overLimit\":\"allow\"}")));
	arena_release(&arena);
}

static void overrides_of_another_shape_are_refused(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"",
		"null",
		"[]",
		"{} x",
		"{,}",
		"{\"overLimit\":\"cap\",}",
		"{\"overLimit\":null}",
		"{\"overLimit\":\"all\"}",
		"{\"overLimit\":1}",
		"{\"overLimit\":\"cap\",\"overLimit\":\"cap\"}",
		"{\"overdraftLimit\":10}",
		"{\"overdraftLimit\":\"-1\"}",
		"{\"overdraftLimit\":\"1e26\"}",
		"{\"overdraftLimit\":\"\"}",
		"{\"thresholds\":null}",
		"{\"thresholds\":{}}",
		"{\"thresholds\":[{}]}",
		"{\"thresholds\":[{\"amount\":\"1\"}]}",
		"{\"thresholds\":[{\"amount\":1,\"hysteresis\":10}]}",
		"{\"thresholds\":[{\"amount\":\"0\",\"hysteresis\":10}]}",
		"{\"thresholds\":[{\"amount\":\"-1\",\"hysteresis\":10}]}",
		"{\"thresholds\":[{\"percent\":0,\"hysteresis\":10}]}",
		"{\"thresholds\":[{\"percent\":101,\"hysteresis\":10}]}",
		"{\"thresholds\":[{\"percent\":1,\"hysteresis\":101}]}",
		"{\"thresholds\":[{\"percent\":1,\"amount\":\"1\",\"hysteresis\":10}]}",
		"{\"thresholds\":[{\"percent\":1,\"hysteresis\":10,\"more\":1}]}",
		"{\"thresholds\":[{\"percent\":1,\"hysteresis\":10},{\"percent\":1,\"hysteresis\":9}]}",
		"{\"thresholds\":[{\"percent\":1,\"hysteresis\":10},]}",
		"{\"unknown\":1}",
	};
	struct arena arena;
	struct account_settings settings;
	arena_init(&arena, 1024);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		bool is_taken = account_settings_parse(text_of(cases[i]), &arena, &settings);
		if (is_taken)
			print_error("taken: %s\n", cases[i]);
		assert_false(is_taken);
	}
	arena_release(&arena);
}

static void overrides_cut_off_anywhere_are_refused(void **state)
{
	(void)state;
	struct text whole = TEXT_LITERAL(SETTINGS_JSON);
	struct arena arena;
	struct account_settings settings;
	arena_init(&arena, 1024);
	for (size_t size = 0; size < whole.size; size++) {
		char *exact = malloc(size ? size : 1);
		assert_non_null(exact);
		memcpy(exact, whole.data, size);
		assert_false(account_settings_parse((struct text){exact, size}, &arena, &settings));
		free(exact);
	}
	arena_release(&arena);
}

static void random_overrides_survive_by_either_reader(void **state)
{
	(void)state;
	struct seed seed = seed_new(__func__);
	struct arena arena;
	arena_init(&arena, 64 * 1024);
	for (int round = 0; round < 300; round++) {
		struct threshold items[THRESHOLDS_MAX];
		struct account_settings back, settings = {
						      .has_over_limit = seed_below(&seed, 2),
						      .has_overdraft_limit = seed_below(&seed, 2),
						      .has_thresholds = true,
						      .thresholds = {items, seed_below(&seed, THRESHOLDS_MAX + 1)},
					      };
		if (settings.has_over_limit)
			settings.over_limit = (enum over_limit)seed_below(&seed, 3);
		if (settings.has_overdraft_limit)
			settings.overdraft_limit = (credit_t)seed_next(&seed) * (credit_t)seed_below(&seed, 1000000);
		for (size_t i = 0; i < settings.thresholds.count; i++) {
			bool is_percent = seed_below(&seed, 2);
			items[i] = (struct threshold){
				.is_percent = is_percent,
				.amount = is_percent ? 0 : (credit_t)seed_next(&seed) * 1000000 + (credit_t)i + 1,
				.percent = is_percent ? (int32_t)(i * 6 + 1 + seed_below(&seed, 5)) : 0,
				.hysteresis = (int32_t)seed_below(&seed, 101),
			};
		}
		assert_true(account_settings_parse(account_settings_format(&settings, &arena), &arena, &back));
		assert_int_equal(back.has_over_limit, settings.has_over_limit);
		assert_int_equal(back.over_limit, settings.over_limit);
		assert_int_equal(back.has_overdraft_limit, settings.has_overdraft_limit);
		assert_true(back.overdraft_limit == settings.overdraft_limit);
		assert_thresholds(&back.thresholds, &settings.thresholds);
		struct thresholds thresholds;
		const char *reason;
		assert_true(thresholds_parse(
			thresholds_format(&settings.thresholds, &arena), &arena, &thresholds, &reason));
		assert_thresholds(&thresholds, &settings.thresholds);
		arena_reset(&arena);
	}
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_have_their_words),
		cmocka_unit_test(thresholds_are_equal_by_their_level_alone),
		cmocka_unit_test(thresholds_are_written_and_read_in_their_order),
		cmocka_unit_test(people_may_write_numbers_and_leave_out_the_hysteresis),
		cmocka_unit_test(what_is_no_threshold_is_refused_with_the_reason),
		cmocka_unit_test(there_may_be_16_of_them),
		cmocka_unit_test(overrides_are_written_and_read_field_by_field),
		cmocka_unit_test(what_is_not_given_is_left_out),
		cmocka_unit_test(overrides_of_another_shape_are_refused),
		cmocka_unit_test(overrides_cut_off_anywhere_are_refused),
		cmocka_unit_test(random_overrides_survive_by_either_reader),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
