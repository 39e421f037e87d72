/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: what the text checks let through is what a PostgreSQL text and the ids' alphabets can hold.
 * Method: by table, with every kind of malformed UTF-8 at the edges of words and texts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drawdown/text.h"

static const struct text malformed[] = {
	{"\x80", 1},		 /* continuation alone */
	{"\xc3", 1},		 /* cut off */
	{"\xe2\x98", 2},	 /* cut off */
	{"\xf0\x9f\x9a", 3},	 /* cut off */
	{"\xc3(", 2},		 /* no continuation */
	{"\xc0\xaf", 2},	 /* over-long */
	{"\xc1\xbf", 2},	 /* over-long */
	{"\xe0\x80\xaf", 3},	 /* over-long */
	{"\xf0\x80\x80\xaf", 4}, /* over-long */
	{"\xed\xa0\x80", 3},	 /* surrogate */
	{"\xf4\x90\x80\x80", 4}, /* beyond U+10FFFF */
	{"\xf8\x88\x80\x80\x80", 5},
	{"\xff", 1},
};

static void malformed_utf8_is_neither_storable_nor_printable(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
		for (size_t before = 0; before < 20; before++) {
			char bytes[32];
			memset(bytes, 'x', sizeof bytes);
			memcpy(bytes + before, malformed[i].data, malformed[i].size);
			assert_false(text_is_storable((struct text){bytes, before + malformed[i].size}));
			assert_false(text_is_printable((struct text){bytes, before + malformed[i].size}, NULL));
		}
	}
}

static void nul_is_not_storable_wherever_it_stands(void **state)
{
	(void)state;
	for (size_t at = 0; at < 20; at++) {
		char bytes[20];
		memset(bytes, 'x', sizeof bytes);
		assert_true(text_is_storable((struct text){bytes, sizeof bytes}));
		bytes[at] = '\0';
		assert_false(text_is_storable((struct text){bytes, sizeof bytes}));
		assert_false(text_is_printable((struct text){bytes, sizeof bytes}, NULL));
	}
}

static void control_characters_are_storable_but_not_printable(void **state)
{
	(void)state;
	for (char c = 1; c < 0x20; c++) {
		assert_true(text_is_storable((struct text){&c, 1}));
		assert_false(text_is_printable((struct text){&c, 1}, NULL));
	}
	assert_false(text_is_printable(TEXT_LITERAL("\x7f"), NULL));
	assert_false(text_is_printable(TEXT_LITERAL("\xc2\x80"), NULL));
	assert_false(text_is_printable(TEXT_LITERAL("\xc2\x9f"), NULL));
	assert_true(text_is_printable(TEXT_LITERAL("\xc2\xa0"), NULL));
}

static void characters_are_counted_as_code_points(void **state)
{
	(void)state;
	size_t count = 99;
	assert_true(text_is_printable(TEXT_LITERAL(""), &count));
	assert_int_equal(count, 0);
	assert_true(text_is_printable(TEXT_LITERAL("a\xc3\xa9\xe2\x98\x82\xf0\x9f\x9a\x80\xf4\x8f\xbf\xbf"), &count));
	assert_int_equal(count, 5);
}

static void customer_ids_keep_to_their_alphabet(void **state)
{
	(void)state;
	assert_true(text_is_customer_id(TEXT_LITERAL("a")));
	assert_true(text_is_customer_id(TEXT_LITERAL("9a_|.@-Z")));
	assert_false(text_is_customer_id(TEXT_LITERAL("")));
	assert_false(text_is_customer_id(TEXT_LITERAL("_a")));
	assert_false(text_is_customer_id(TEXT_LITERAL("@a")));
	assert_false(text_is_customer_id(TEXT_LITERAL("a/b")));
	assert_false(text_is_customer_id(TEXT_LITERAL("a b")));
	assert_false(text_is_customer_id(TEXT_LITERAL("a\xc3\xa9")));
	assert_false(text_is_customer_id(TEXT_LITERAL("a\0")));
}

static void currency_ids_have_no_at_sign(void **state)
{
	(void)state;
	assert_true(text_is_currency_id(TEXT_LITERAL("ai-tokens_|.1")));
	assert_false(text_is_currency_id(TEXT_LITERAL("a@b")));
}

static void ids_have_at_most_255_characters(void **state)
{
	(void)state;
	char bytes[256];
	memset(bytes, 'a', sizeof bytes);
	assert_true(text_is_customer_id((struct text){bytes, 255}));
	assert_false(text_is_customer_id((struct text){bytes, 256}));
	assert_true(text_is_currency_id((struct text){bytes, 255}));
	assert_false(text_is_currency_id((struct text){bytes, 256}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_utf8_is_neither_storable_nor_printable),
		cmocka_unit_test(nul_is_not_storable_wherever_it_stands),
		cmocka_unit_test(control_characters_are_storable_but_not_printable),
		cmocka_unit_test(characters_are_counted_as_code_points),
		cmocka_unit_test(customer_ids_keep_to_their_alphabet),
		cmocka_unit_test(currency_ids_have_no_at_sign),
		cmocka_unit_test(ids_have_at_most_255_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
