/* SPDX-License-Identifier: Apache-2.0 */
#include "stories.h"

#include <stdio.h>

static void append_usage(
	struct fake_world *world, const char *customer, int64_t at_ms, const char *key, const char *amount)
{
	char value[256];
	snprintf(value, sizeof value,
		"{\"customerId\":\"%s\",\"currencyId\":\"tokens\",\"amount\":%s,\"idempotencyKey\":\"%s\"}", customer,
		amount, key);
	fake_append(world, INPUT_USAGE, customer, at_ms, value);
}

static void append_grant(struct fake_world *world, const char *customer, int64_t at_ms, const char *key,
	const char *amount, const char *more)
{
	char value[512];
	snprintf(value, sizeof value,
		"{\"type\":\"grant\",\"customerId\":\"%s\",\"currencyId\":\"tokens\",\"amount\":%s,\"idempotencyKey\":"
		"\"%s\","
		"\"grantType\":\"PAID\"%s}",
		customer, amount, key, more);
	fake_append(world, INPUT_COMMANDS, customer, at_ms, value);
}

static void append_usage_story(struct fake_world *world, const struct story *story)
{
	const int64_t at = STORY_START_MS;
	const char *const *customers = story->customers;
	char terms[128];

	for (size_t i = 0; i < story->customers_count; i++)
		append_usage(world, customers[i], at, "early", "1");
	for (size_t i = 0; i < story->customers_count; i++) {
		append_grant(world, customers[i], at + 1, "g1", "10", "");
		snprintf(
			terms, sizeof terms, ",\"priority\":-1,\"expireAt\":\"2024-10-04T00:00:00.%03dZ\"", (int)i + 9);
		append_grant(world, customers[i], at + 1, "g2", "8.5", terms);
	}
	for (size_t i = 0; i < story->customers_count; i++) {
		append_usage(world, customers[i], at + 2, "u1", "7.000000000001");
		append_usage(world, customers[i], at + 2, "u1", "7.000000000001");
		append_usage(world, customers[i], at + 2, "u1", "8");
	}
	for (size_t i = 0; i < story->customers_count; i++)
		append_usage(world, customers[i], at + 12, "u2", "20");
	for (size_t i = 0; i < story->customers_count; i++) {
		append_grant(world, customers[i], at + 13, "g3", "3", "");
		append_grant(world, customers[i], at + 13, "g4", "30",
			",\"grantId\":\"four\",\"effectiveAt\":\"2024-10-04T00:00:00.014Z\"");
	}
	for (size_t i = 0; i < story->customers_count; i++)
		append_usage(world, customers[i], at + 20, "u3", "1");
	fake_append(world, INPUT_USAGE, "acme", at + 21, "{not json");
	fake_append(world, INPUT_USAGE, "bolt", at + 21,
		"{\"type\":\"grant\",\"customerId\":\"bolt\",\"currencyId\":\"tokens\",\"amount\":1,\"idempotencyKey\":"
		"\"n\","
		"\"grantType\":\"PAID\"}");
	fake_append(world, INPUT_USAGE, "cargo", at + 21,
		"{\"customerId\":\"cargo\",\"currencyId\":\"minutes\",\"amount\":1,\"idempotencyKey\":\"x\"}");
	fake_append(world, INPUT_COMMANDS, "delta", at + 21,
		"{\"type\":\"void\",\"customerId\":\"delta\",\"currencyId\":\"tokens\",\"grantId\":\"four\","
		"\"idempotencyKey\":"
		"\"v\"}");
	append_usage(world, "delta", at + 22, "u4", "2");
	append_usage(world, "fig", 300000000000000, "late", "1"); /* a record timestamp past the year 9999 */
}

const struct story story_of_usage = {
	.name = "usage",
	.customers = {"acme", "bolt", "cargo", "delta", "echo", "fig"},
	.customers_count = 6,
	.batch_records_max = 6,
	.poll_records_max = 3,
	.append = append_usage_story,
};

/* `more`: further fields, each behind a comma. */
struct step {
	int64_t at_ms; /* from the start */
	enum input input;
	const char *type;
	const char *key;
	const char *more;
};

#define USAGE INPUT_USAGE
#define COMMANDS INPUT_COMMANDS
#define AT_MS(ms) "\"2024-10-04T00:00:" ms "Z\""

static const struct step steps_of_holds[] = {
	{1, COMMANDS, "grant", "grant-a", ",\"amount\":10,\"grantType\":\"PAID\",\"grantId\":\"a\""},
	{2, COMMANDS, "configure", "configure-1",
		",\"overLimit\":\"allow\",\"overdraftLimit\":50,\"thresholds\":[{\"amount\":8},"
		"{\"percent\":50,\"hysteresis\":0}]"},
	{3, COMMANDS, "grant", "grant-b",
		",\"amount\":6,\"grantType\":\"PAID\",\"grantId\":\"b\",\"priority\":-1,\"expireAt\":" AT_MS("00.030")},
	{4, COMMANDS, "grant", "grant-p",
		",\"amount\":20,\"grantType\":\"PAID\",\"grantId\":\"p\",\"awaitPaymentConfirmation\":true"},
	{5, USAGE, "reserve", "reserve-1", ",\"reservationId\":\"r1\",\"amount\":12,\"ttlSeconds\":3600"},
	{6, USAGE, "reserve", "reserve-2", ",\"reservationId\":\"r2\",\"amount\":3,\"expiresAt\":" AT_MS("00.010")},
	{7, USAGE, "reserve", "reserve-3", ",\"reservationId\":\"r3\",\"amount\":5"},
	{8, USAGE, "extend", "extend-2", ",\"reservationId\":\"r2\",\"expiresAt\":" AT_MS("00.012")},
	{9, USAGE, "settle", "settle-1", ",\"reservationId\":\"r1\",\"amount\":13"},
	{10, USAGE, "settle", "settle-1b", ",\"reservationId\":\"r1\",\"amount\":1"},
	{13, USAGE, "consume", "use-1", ",\"amount\":20"},
	{14, COMMANDS, "grant", "grant-c", ",\"amount\":9,\"grantType\":\"PAID\",\"grantId\":\"c\""},
	{15, COMMANDS, "confirm-payment", "confirm-p", ",\"grantId\":\"p\""},
	{15, COMMANDS, "confirm-payment", "confirm-p2", ",\"grantId\":\"p\""},
	{16, COMMANDS, "reverse", "reverse-1", ",\"reversedKey\":\"use-1\",\"amount\":5"},
	{17, COMMANDS, "reverse", "reverse-2", ",\"reversedKey\":\"use-1\""},
	{18, COMMANDS, "reverse", "reverse-2b", ",\"reversedKey\":\"use-1\""},
	{31, COMMANDS, "reverse", "reverse-3", ",\"reversedKey\":\"settle-1\""},
	{32, USAGE, "consume", "use-2", ",\"amount\":36.5"},
	{33, USAGE, "release", "release-9", ",\"reservationId\":\"r9\""},
	{33, USAGE, "reserve", "reserve-4", ",\"reservationId\":\"r4\",\"amount\":2,\"ttlSeconds\":60"},
	{34, USAGE, "release", "release-4", ",\"reservationId\":\"r4\""},
	{35, COMMANDS, "void", "void-c", ",\"grantId\":\"c\""},
	{36, COMMANDS, "configure", "configure-2", ""},
	{36, USAGE, "reserve", "reserve-1", ",\"reservationId\":\"r1\",\"amount\":12,\"ttlSeconds\":3600"},
	{36, USAGE, "settle", "settle-1", ",\"reservationId\":\"r1\",\"amount\":14"},
	{37, COMMANDS, "grant", "grant-d",
		",\"amount\":4,\"grantType\":\"PAID\",\"grantId\":\"d\",\"expireAt\":" AT_MS("00.040")},
	{38, USAGE, "reserve", "reserve-5", ",\"reservationId\":\"r5\",\"amount\":3,\"ttlSeconds\":10"},
	{41, USAGE, "consume", "use-3", ",\"amount\":0.5"},
	{42, USAGE, "settle", "settle-5", ",\"reservationId\":\"r5\",\"amount\":2"},
	{43, USAGE, "reserve", "reserve-6", ",\"reservationId\":\"r6\",\"amount\":1"},
	{44, COMMANDS, "grant", "grant-e", ",\"amount\":1.5,\"grantType\":\"PAID\",\"grantId\":\"e\""},
	{45, USAGE, "reserve", "reserve-7", ",\"reservationId\":\"r7\",\"amount\":1,\"ttlSeconds\":1"},
	{1050, COMMANDS, "advance", "advance-0", ",\"dueAt\":" AT_MS("02")},
	{1100, COMMANDS, "advance", "advance-1", ",\"dueAt\":" AT_MS("01.045")},
};

static void append_holds_story(struct fake_world *world, const struct story *story)
{
	for (size_t i = 0; i < sizeof steps_of_holds / sizeof steps_of_holds[0]; i++) {
		const struct step *step = &steps_of_holds[i];
		for (size_t j = 0; j < story->customers_count; j++) {
			char value[512];
			snprintf(value, sizeof value,
				"{\"type\":\"%s\",\"customerId\":\"%s\",\"currencyId\":\"tokens\","
				"\"idempotencyKey\":\"%s\"%s}",
				step->type, story->customers[j], step->key, step->more);
			fake_append(world, step->input, story->customers[j], STORY_START_MS + step->at_ms, value);
		}
	}
}

const struct story story_of_holds = {
	.name = "holds",
	.customers = {"gale", "hull"},
	.customers_count = 2,
	.batch_records_max = 9,
	.poll_records_max = 5,
	.append = append_holds_story,
};
