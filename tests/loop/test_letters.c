/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a filter means exactly the letters that it names, and a letter's state says what a replay of it would come to.
 * Method: one letter, changed a field at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "drawdown/letters.h"

#include <cmocka.h> /* last: it has a macro fail() */

#define USAGE "{\"customerId\":\"acme\",\"currencyId\":\"ai-tokens\",\"amount\":1,\"idempotencyKey\":\"k\"}"

static const char *const topics[INPUT_COUNT] = {[INPUT_USAGE] = "usage", [INPUT_COMMANDS] = "commands"};
static struct decoder *decoder;
static struct arena arena;
static struct letter letter;
static struct letter_filter filter;
static struct letter_judge judge;

static int begin(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 12);
	decoder = decoder_new();
	letter = (struct letter){
		.partition = 1,
		.offset = 42,
		.reason = TEXT_LITERAL("missing_field"),
		.topic = TEXT_LITERAL("usage"),
		.source_partition = 3,
		.source_offset = 100,
		.source_timestamp = 50 * INSTANT_SECOND,
		.first_timestamp = 50 * INSTANT_SECOND,
		.key = TEXT_LITERAL("acme"),
		.value = TEXT_LITERAL(USAGE),
	};
	filter = (struct letter_filter)LETTER_FILTER_ALL;
	judge = (struct letter_judge){
		.decoder = decoder,
		.topics = topics,
		.now = 60 * INSTANT_SECOND,
		.dedupe_window = 10 * INSTANT_SECOND,
	};
	return 0;
}

static int end(void **state)
{
	(void)state;
	decoder_free(decoder);
	arena_release(&arena);
	return 0;
}

static void a_place_is_a_partition_and_an_offset(void **state)
{
	static const char *const wrong[] = {"", "3", "3/", "/4", "3/4/5", "-1/4", "3/-4", "3/x", " 3/4", "2147483648/1",
		"1/9223372036854775807", "1/99999999999999999999999999"};
	struct letter_place place;

	(void)state;
	assert_true(letter_place_parse("3/42", &place));
	assert_int_equal(place.partition, 3);
	assert_int_equal(place.offset, 42);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (letter_place_parse(wrong[i], &place))
			fail_msg("'%s' is no place", wrong[i]);
}

static void without_a_filter_all_are_meant(void **state)
{
	(void)state;
	assert_true(letter_matches(&letter, &filter));
	letter.source_timestamp = INSTANT_NONE;
	letter.key = TEXT_NULL;
	assert_true(letter_matches(&letter, &filter));
}

/* The filter as it is set means the letter; with the other value it does not. */
#define ASSERT_DECIDES(member, right, wrong)                    \
	do {                                                    \
		filter.member = (right);                        \
		assert_true(letter_matches(&letter, &filter));  \
		filter.member = (wrong);                        \
		assert_false(letter_matches(&letter, &filter)); \
		filter.member = (right);                        \
	} while (0)

static void each_part_of_a_filter_decides(void **state)
{
	(void)state;
	filter.reasons.count = 2;
	filter.reasons.values[0] = "empty";
	ASSERT_DECIDES(reasons.values[1], "missing_field", "missing");
	ASSERT_DECIDES(topic, "usage", "commands");
	ASSERT_DECIDES(key, "acme", "acm");
	ASSERT_DECIDES(partition, 3, 1);
	ASSERT_DECIDES(offset_min, 100, 101);
	ASSERT_DECIDES(offset_max, 100, 99);
	ASSERT_DECIDES(since, 50 * INSTANT_SECOND, 50 * INSTANT_SECOND + 1);
	ASSERT_DECIDES(until, 50 * INSTANT_SECOND + 1, 50 * INSTANT_SECOND);
	filter.places_count = 1;
	filter.places[0].partition = 1;
	ASSERT_DECIDES(places[0].offset, 42, 43);
}

static void a_letter_without_a_time_or_key_is_in_no_range_of_them(void **state)
{
	(void)state;
	filter.until = INSTANT_MAX;
	letter.source_timestamp = INSTANT_NONE;
	assert_false(letter_matches(&letter, &filter));
	filter.until = INSTANT_NONE;
	filter.key = "";
	letter.key = TEXT_NULL;
	assert_false(letter_matches(&letter, &filter));
}

static enum letter_state state_of(struct defect *ret_defect)
{
	struct event event;
	return letter_judge(&judge, &letter, &arena, &event, ret_defect);
}

static void a_state_says_what_a_replay_would_come_to(void **state)
{
	struct defect defect;

	(void)state;
	assert_int_equal(state_of(&defect), LETTER_READABLE);
	letter.value = TEXT_LITERAL("\xc3\x01"
				    "01234567");
	assert_int_equal(state_of(&defect), LETTER_UNDECIDED);
	letter.value = TEXT_LITERAL("{}");
	assert_int_equal(state_of(&defect), LETTER_UNREADABLE);
	assert_string_equal(defect.reason, "missing_field");
	letter.value = TEXT_NULL;
	assert_int_equal(state_of(&defect), LETTER_UNREADABLE);
	assert_string_equal(defect.reason, "empty");
}

static void what_is_cut_or_of_no_input_cannot_be_sent(void **state)
{
	struct defect defect;

	(void)state;
	letter.topic = TEXT_LITERAL("old.usage");
	assert_int_equal(state_of(&defect), LETTER_UNSENDABLE);
	judge.topics = NULL;
	assert_int_equal(state_of(&defect), LETTER_READABLE);
	letter.cut = TEXT_LITERAL("2000000");
	assert_int_equal(state_of(&defect), LETTER_UNSENDABLE);
}

static void what_was_first_tried_before_the_window_is_too_old_unless_that_is_ignored(void **state)
{
	struct defect defect;

	(void)state;
	letter.first_timestamp--;
	assert_int_equal(state_of(&defect), LETTER_TOO_OLD);
	judge.ignores_age = true;
	assert_int_equal(state_of(&defect), LETTER_READABLE);
}

static void what_was_replayed_is_that_before_all_else_unless_it_is_ignored(void **state)
{
	struct defect defect;

	(void)state;
	letter.is_replayed = true;
	letter.first_timestamp--;
	assert_int_equal(state_of(&defect), LETTER_REPLAYED);
	judge.ignores_replayed = true;
	assert_int_equal(state_of(&defect), LETTER_TOO_OLD);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_place_is_a_partition_and_an_offset),
		TEST(without_a_filter_all_are_meant),
		TEST(each_part_of_a_filter_decides),
		TEST(a_letter_without_a_time_or_key_is_in_no_range_of_them),
		TEST(a_state_says_what_a_replay_would_come_to),
		TEST(what_is_cut_or_of_no_input_cannot_be_sent),
		TEST(what_was_first_tried_before_the_window_is_too_old_unless_that_is_ignored),
		TEST(what_was_replayed_is_that_before_all_else_unless_it_is_ignored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
