/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: open grants survive their column in every field, however PostgreSQL spaces and orders the JSON, and broken
 * books are noticed.
 * Method: exact text, random round trips, a field broken at a time, the text cut off at every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drawdown/account.h"
#include "seed.h"

static const struct currency currency = {.currency_id = {"ai-tokens", 9}};

static const struct grant sample = {
	.grant_id = {"welcome \"2026\"\\\xe2\x98\x82", 18},
	.grant_type = GRANT_PROMOTIONAL,
	.status = GRANT_SCHEDULED,
	.remaining = CREDIT_MAX,
	.priority = INT32_MIN,
	.effective_at = INSTANT_MIN,
	.expire_at = INSTANT_MAX,
	.created_at = 1767323045678000,
	.ordinal = INT64_MAX,
};

#define SAMPLE_JSON                                                                                          \
	"{\"grantId\":\"welcome "                                                                            \
	"\\\"2026\\\"\\\\\xe2\x98\x82\",\"grantType\":\"PROMOTIONAL\",\"status\":\"SCHEDULED\","             \
	"\"remaining\":\"99999999999999999999999999.999999999999\",\"priority\":-2147483648,"                \
	"\"effectiveAt\":-62135596800000000,\"expireAt\":253402300799999999,\"createdAt\":1767323045678000," \
	"\"ordinal\":9223372036854775807}"

static void assert_grant(const struct grant *actual, const struct grant *expected)
{
	assert_true(text_equal(actual->grant_id, expected->grant_id));
	assert_int_equal(actual->grant_type, expected->grant_type);
	assert_int_equal(actual->status, expected->status);
	assert_true(actual->remaining == expected->remaining);
	assert_int_equal(actual->priority, expected->priority);
	assert_true(actual->effective_at == expected->effective_at);
	assert_true(actual->expire_at == expected->expire_at);
	assert_true(actual->created_at == expected->created_at);
	assert_true(actual->ordinal == expected->ordinal);
}

static bool parse(struct account *ret_account, struct arena *arena, struct text json)
{
	*ret_account = (struct account){.currency = &currency};
	return account_parse_grants(ret_account, arena, json);
}

static void grants_are_written_field_by_field(void **state)
{
	(void)state;
	struct arena arena;
	arena_init(&arena, 1024);
	struct grant grants[] = {sample, sample};
	struct account account = {.grants = grants};
	assert_true(text_equal(account_format_grants(&account, &arena), TEXT_LITERAL("[]")));
	account.grants_count = 2;
	assert_true(
		text_equal(account_format_grants(&account, &arena), TEXT_LITERAL("[" SAMPLE_JSON "," SAMPLE_JSON "]")));
	arena_release(&arena);
}

static void grants_are_read_field_by_field(void **state)
{
	(void)state;
	struct arena arena;
	struct account account;
	arena_init(&arena, 1024);
	assert_true(parse(&account, &arena, TEXT_LITERAL("[" SAMPLE_JSON "]")));
	assert_int_equal(account.grants_count, 1);
	assert_grant(&account.grants[0], &sample);
	assert_true(account.next_due == INSTANT_MIN);
	assert_true(parse(&account, &arena, TEXT_LITERAL(" [ ] ")));
	assert_int_equal(account.grants_count, 0);
	assert_true(account.next_due == INT64_MAX);
	arena_release(&arena);
}

static void every_status_has_its_word(void **state)
{
	(void)state;
	static const struct {
		enum grant_status status;
		const char *word;
	} cases[] = {
		{GRANT_SCHEDULED, "\"status\":\"SCHEDULED\""},
		{GRANT_ACTIVE, "\"status\":\"ACTIVE\""},
		{GRANT_PENDING, "\"status\":\"PAYMENT_PENDING\""},
		{GRANT_EXPIRED, "\"status\":\"EXPIRED\""},
		{GRANT_VOIDED, "\"status\":\"VOIDED\""},
	};
	struct arena arena;
	arena_init(&arena, 1024);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct grant grant = sample;
		struct account back, account = {.grants = &grant, .grants_count = 1};
		grant.status = cases[i].status;
		struct text json = account_format_grants(&account, &arena);
		assert_non_null(memmem(json.data, json.size, cases[i].word, strlen(cases[i].word)));
		assert_true(parse(&back, &arena, json));
		assert_grant(&back.grants[0], &grant);
	}
	arena_release(&arena);
}

static void order_and_white_space_are_free(void **state)
{
	(void)state;
	struct arena arena;
	struct account account;
	arena_init(&arena, 1024);
	assert_true(parse(&account, &arena,
		TEXT_LITERAL("[ {\"status\": \"ACTIVE\", \"grantId\": \"\\u0001\\/\", \"ordinal\": 1,\n"
			     "\t\"expireAt\": null, \"priority\": 0, \"createdAt\": 0, "
			     "\"grantType\": \"PAID\", \"remaining\": \"-1.50\", "
			     "\"effectiveAt\": -1 } ]")));
	const struct grant expected = {.grant_id = TEXT_LITERAL("\x01/"),
		.grant_type = GRANT_PAID,
		.status = GRANT_ACTIVE,
		.remaining = -CREDIT_ONE * 3 / 2,
		.effective_at = -1,
		.expire_at = INSTANT_NONE,
		.ordinal = 1};
	assert_grant(&account.grants[0], &expected);
	arena_release(&arena);
}

static void what_is_not_such_an_array_is_refused(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"",
		"null",
		"{}",
		"[",
		"[{}]",
		"[,]",
		"[]]",
		"[] x",
		"[" SAMPLE_JSON ",]",
		"[" SAMPLE_JSON " " SAMPLE_JSON "]",
		"[{\"grantId\":\"a\",\"grantId\":\"a\"}]",
		"[{\"unknown\":1}]",
		"[{\"grantId\":\"\"}]",
		"[{\"ordinal\":1.5}]",
	};
	struct arena arena;
	struct account account;
	arena_init(&arena, 1024);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_false(parse(&account, &arena, text_of(cases[i])));
	assert_false(parse(&account, &arena, TEXT_NULL));
	arena_release(&arena);
}

static void a_broken_field_is_noticed(void **state)
{
	(void)state;
	static const struct {
		const char *from;
		const char *to;
	} cases[] = {
		{"PROMOTIONAL", "FREE"},
		{"SCHEDULED", "ENDED"},
		{"\"99999999999999999999999999.999999999999\"", "\"1e26\""},
		{"\"99999999999999999999999999.999999999999\"", "\"x\""},
		{"\"99999999999999999999999999.999999999999\"", "1"},
		{"-2147483648", "-2147483649"},
		{"-62135596800000000", "null"},
		{"-62135596800000000", "-62135596800000001"},
		{"253402300799999999", "253402300800000000"},
		{"1767323045678000", "null"},
		{"9223372036854775807", "9223372036854775808"},
		{"9223372036854775807", "-"},
		{"\\\"2026", "\\q2026"},
		{"\\\"2026", "\\u00002026"},
		{"\\\"2026", "\\u12"},
	};
	struct arena arena;
	arena_init(&arena, 1024);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		static const char whole[] = "[" SAMPLE_JSON "]";
		struct account account;
		const char *at = strstr(whole, cases[i].from);
		assert_non_null(at);
		struct text broken = arena_format(
			&arena, "%.*s%s%s", (int)(at - whole), whole, cases[i].to, at + strlen(cases[i].from));
		assert_false(parse(&account, &arena, broken));
	}
	arena_release(&arena);
}

static void a_text_cut_off_anywhere_is_refused(void **state)
{
	(void)state;
	struct text whole = TEXT_LITERAL("[" SAMPLE_JSON "," SAMPLE_JSON "]");
	struct arena arena;
	struct account account;
	arena_init(&arena, 1024);
	for (size_t size = 0; size < whole.size; size++) {
		char *exact = malloc(size ? size : 1);
		assert_non_null(exact);
		memcpy(exact, whole.data, size);
		assert_false(parse(&account, &arena, (struct text){exact, size}));
		free(exact);
	}
	arena_release(&arena);
}

static struct grant random_grant(struct seed *seed, struct arena *arena, int64_t ordinal)
{
	return (struct grant){
		.grant_id = arena_format(arena, "g%llu\"", (unsigned long long)seed_next(seed)),
		.grant_type = seed_below(seed, 2) ? GRANT_PAID : GRANT_PROMOTIONAL,
		.status = (enum grant_status)seed_below(seed, GRANT_VOIDED + 1),
		.remaining = (credit_t)seed_next(seed) * (credit_t)seed_below(seed, 1000000),
		.priority = (int32_t)seed_below(seed, 3),
		.effective_at = (instant_t)seed_below(seed, 1000),
		.expire_at = seed_below(seed, 2) ? INSTANT_NONE : (instant_t)seed_below(seed, 1000),
		.created_at = (instant_t)seed_below(seed, 1000),
		.ordinal = ordinal,
	};
}

static void random_grants_survive_in_burn_order(void **state)
{
	(void)state;
	struct seed seed = seed_new(__func__);
	struct arena arena;
	arena_init(&arena, 64 * 1024);
	for (int round = 0; round < 300; round++) {
		struct account account = {.currency = &currency}, back;
		size_t count = seed_below(&seed, 30);
		for (size_t i = 0; i < count; i++) {
			struct grant grant = random_grant(&seed, &arena, (int64_t)i);
			(void)account_insert_grant(&account, &arena, &grant);
		}
		struct text json = account_format_grants(&account, &arena);
		assert_true(parse(&back, &arena, json));
		assert_int_equal(back.grants_count, count);
		assert_true(back.next_due == account.next_due || count == 0);
		for (size_t i = 0; i < count; i++)
			assert_grant(&back.grants[i], &account.grants[i]);
		/* out of order in the column, in order in memory */
		for (size_t i = 0; i + 1 < count; i += 2) {
			struct grant moved = account.grants[i];
			account.grants[i] = account.grants[i + 1];
			account.grants[i + 1] = moved;
		}
		assert_true(parse(&account, &arena, account_format_grants(&account, &arena)));
		for (size_t i = 0; i < count; i++)
			assert_grant(&account.grants[i], &back.grants[i]);
		arena_reset(&arena);
	}
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grants_are_written_field_by_field),
		cmocka_unit_test(grants_are_read_field_by_field),
		cmocka_unit_test(every_status_has_its_word),
		cmocka_unit_test(order_and_white_space_are_free),
		cmocka_unit_test(what_is_not_such_an_array_is_refused),
		cmocka_unit_test(a_broken_field_is_noticed),
		cmocka_unit_test(a_text_cut_off_anywhere_is_refused),
		cmocka_unit_test(random_grants_survive_in_burn_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
