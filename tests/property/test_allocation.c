/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: whatever comes in, in whatever batches, however often: the books are right, and readers see each entry once.
 * Method: random histories (history.h) are run through the pure middle against a store in memory, and compared with
 * an oracle that knows the rules and nothing else (oracle.h), with an audit of the books alone (books_audit.h), and
 * with the same history cut otherwise, replayed, or published after losses.
 *
 * DRAWDOWN_RUNS says how many histories each property is tried on; DRAWDOWN_SEED is the first one's seed, each next
 * is one higher. A failure prints its own seed and its history.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "../unit/books_audit.h"
#include "compare.h"
#include "drawdown/encode.h"
#include "drawdown/instant.h"
#include "history.h"
#include "oracle.h"

#include <cmocka.h>

#define RUNS_DEFAULT 400
#define NOTIFICATIONS_MAX (8 * ORACLE_ENTRIES_MAX)

static uint64_t first_seed, runs_count;
static char seed_line[64]; /* of the history being tried, for the handler of SIGABRT too */

static const struct encoding encoding = {
	.format = FORMAT_JSON,
	.input_topics = {"credits.usage", "credits.commands"},
};

/* One history on its way through the pure middle. */
struct trial {
	struct history history;
	struct memory_store store;
	struct lane_work work;
};

static void trial_begin(struct trial *trial)
{
	memory_store_init(&trial->store);
	memory_store_name_currency(&trial->store, HISTORY_CURRENCY, trial->history.expiry_grace);
	work_init(&trial->work, 1 << 14);
}

static void trial_end(struct trial *trial)
{
	memory_store_release(&trial->store);
	work_release(&trial->work);
}

/* Records [from, to) as one batch. */
static void trial_run(struct trial *trial, size_t from, size_t to)
{
	work_reset(&trial->work);
	for (size_t i = from; i < to; i++)
		work_add_record(&trial->work, trial->history.records[i]);
	enum outcome outcome = memory_store_run(&trial->store, &trial->work, &trial->history.rules, SIZE_MAX);
	assert_int_equal(outcome, OUTCOME_OK);
}

/* The end of a batch that begins at `from`: one record, all, or any number. */
static size_t random_cut(struct trial *trial, size_t from, size_t end)
{
	size_t left = end - from;
	switch (history_below(&trial->history, 4)) {
	case 0:
		return from + 1;
	case 1:
		return end;
	default:
		return from + 1 + history_below(&trial->history, left);
	}
}

static void trial_run_in_batches(struct trial *trial, size_t from, size_t end)
{
	while (from < end) {
		size_t to = random_cut(trial, from, end);
		trial_run(trial, from, to);
		from = to;
	}
}

static _Noreturn void give_up(const struct trial *trial, size_t index, const char *what)
{
	history_print(&trial->history);
	fail_msg("%s (record %zu)\n%s", what, index, seed_line);
	abort();
}

static void try_histories(void (*property)(struct trial *trial), bool has_all_kinds)
{
	for (uint64_t run = 0; run < runs_count; run++) {
		struct trial trial;
		(void)snprintf(seed_line, sizeof seed_line, "DRAWDOWN_SEED=%llu DRAWDOWN_RUNS=1\n",
			(unsigned long long)(first_seed + run));
		history_make(&trial.history, first_seed + run, has_all_kinds);
		trial_begin(&trial);
		property(&trial);
		const char *wrong = audit_books(&trial.store);
		if (wrong)
			give_up(&trial, trial.history.records_count, wrong);
		trial_end(&trial);
		history_release(&trial.history);
	}
}

/* ---- the rules ---- */

static void compare_account(struct trial *trial, const struct oracle *oracle, const struct oracle_account *expected)
{
	const struct stored_account *stored = memory_store_find_account(&trial->store, &expected->key);
	struct account account = {0};
	size_t open_count = 0;

	if (!stored || stored->account.seq != expected->seq || stored->account.balance != expected->balance ||
		stored->account.clock != expected->clock || stored->account.grants_made != expected->grants_made ||
		!same_freshness(&stored->account.freshness, &expected->freshness))
		give_up(trial, trial->history.records_count, "an account is not as the rules say");
	assert_true(account_parse_grants(&account, &trial->store.arena, stored->open_grants));
	for (size_t i = 0; i < oracle->grants_count; i++) {
		const struct oracle_grant *grant = &oracle->grants[i];
		if (grant->account != expected || grant->end != GRANT_END_NONE)
			continue;
		const struct grant *open = account_find_grant(&account, grant->grant_id);
		open_count++;
		if (!open || open->remaining != grant->remaining || (open->status == GRANT_ACTIVE) != grant->posted)
			give_up(trial, trial->history.records_count, "an open grant is not as the rules say");
	}
	if (open_count != account.grants_count)
		give_up(trial, trial->history.records_count, "more grants are open than the rules say");
}

static void obeys_the_rules(struct trial *trial)
{
	struct oracle *oracle = oracle_new(&trial->history);
	size_t compared = 0;

	for (size_t from = 0, to; from < trial->history.records_count; from = to) {
		to = random_cut(trial, from, trial->history.records_count);
		trial_run(trial, from, to);
		for (size_t i = from; i < to; i++) {
			struct result expected = oracle_handle(oracle, trial->history.records[i]);
			if (!same_result(&trial->history.records[i]->result, &expected))
				give_up(trial, i, "an outcome is not as the rules say");
			for (; compared < oracle->entries_count; compared++)
				if (compared >= trial->store.entries_count ||
					!same_entry(&trial->store.entries[compared], &oracle->entries[compared]))
					give_up(trial, i, "an entry is not as the rules say");
		}
		if (compared != trial->store.entries_count)
			give_up(trial, to, "there are more entries than the rules say");
	}
	for (size_t i = 0; i < oracle->accounts_count; i++)
		compare_account(trial, oracle, &oracle->accounts[i]);
	for (size_t i = 0; i < oracle->grants_count; i++) {
		const struct grant_known *stored = memory_store_find_grant(
			&trial->store, oracle->grants[i].account->key.customer_id, oracle->grants[i].grant_id);
		if (!stored || stored->end != oracle->grants[i].end)
			give_up(trial, trial->history.records_count, "a grant has not ended as the rules say");
	}
	oracle_free(oracle);
}

static void outcomes_and_entries_are_what_the_rules_say(void **state)
{
	(void)state;
	try_histories(obeys_the_rules, false);
}

/* ---- batches ---- */

/* Record by record, and in any batches. */
static void does_not_depend_on_the_cut(struct trial *trial)
{
	struct trial single = *trial; /* the same records */
	struct result results[HISTORY_RECORDS_MAX];
	size_t count = trial->history.records_count;

	trial_begin(&single);
	for (size_t i = 0; i < count; i++) {
		trial_run(&single, i, i + 1);
		results[i] = single.history.records[i]->result;
	}
	trial_run_in_batches(trial, 0, count);
	for (size_t i = 0; i < count; i++)
		if (!same_result(&results[i], &trial->history.records[i]->result))
			give_up(trial, i, "the cut into batches changed an outcome");
	const char *difference = difference_of_stores(&single.store, &trial->store);
	if (difference)
		give_up(trial, count, difference);
	trial_end(&single);
}

static void the_cut_into_batches_changes_nothing(void **state)
{
	(void)state;
	try_histories(does_not_depend_on_the_cut, true);
}

/* ---- replay ---- */

/* The entries that records [from, to) made, as stored, must be just those that were recalled for them. */
static void compare_recalled(struct trial *trial, size_t from, size_t to)
{
	size_t expected_count = 0;

	for (size_t i = 0; i < trial->store.entries_count; i++) {
		const struct ledger_entry *entry = &trial->store.entries[i];
		size_t index = (size_t)entry->source.offset, found_count = 0;
		if (index < from || index >= to)
			continue;
		expected_count++;
		for (size_t j = 0; j < trial->work.recalled_count; j++)
			found_count += same_entry(entry, &trial->work.recalled[j]);
		if (found_count != 1)
			give_up(trial, index, "an entry was not recalled as it was written");
	}
	if (expected_count != trial->work.recalled_count)
		give_up(trial, to, "more was recalled than was written");
}

static void survives_a_replay(struct trial *trial)
{
	struct trial once = *trial;
	struct result results[HISTORY_RECORDS_MAX];
	size_t count = trial->history.records_count;
	size_t handled = 1 + history_below(&trial->history, count), from = history_below(&trial->history, handled);

	trial_begin(&once);
	trial_run(&once, 0, handled);
	trial_run_in_batches(trial, 0, handled);
	for (size_t i = 0; i < handled; i++)
		results[i] = trial->history.records[i]->result;
	while (from < handled) {
		size_t to = random_cut(trial, from, handled);
		trial_run(trial, from, to);
		compare_recalled(trial, from, to);
		if (trial->work.entries_count || trial->work.receipts_count || trial->work.grants_made_count)
			give_up(trial, from, "a replay wrote something");
		for (size_t i = from; i < to; i++)
			if (!same_result(&results[i], &trial->history.records[i]->result))
				give_up(trial, i, "a replay changed an outcome");
		from = to;
	}
	const char *difference = difference_of_stores(&once.store, &trial->store);
	if (difference)
		give_up(trial, handled, difference);
	trial_end(&once);
}

static void a_replay_of_any_suffix_changes_nothing(void **state)
{
	(void)state;
	try_histories(survives_a_replay, true);
}

/* ---- messages ---- */

/* What readers have seen so far. */
struct published {
	struct text entries[ORACLE_ENTRIES_MAX]; /* in order of their arrival */
	size_t entries_count;
	struct text notifications[NOTIFICATIONS_MAX]; /* likewise */
	size_t notifications_count;
	unsigned answers[HISTORY_RECORDS_MAX]; /* in the outcomes, the dead letters, or by an entry of its own */
	bool in_ledger[HISTORY_RECORDS_MAX];
};

/* The number that follows `name` in a text. */
static size_t number_behind(struct text text, const char *name)
{
	const char *at = memmem(text.data, text.size, name, strlen(name));
	size_t number = 0;

	assert_non_null(at);
	for (at += strlen(name); at < text.data + text.size && *at >= '0' && *at <= '9'; at++)
		number = number * 10 + (size_t)(*at - '0');
	return number;
}

static bool has_key(struct text json)
{
	return memmem(json.data, json.size, "\"idempotencyKey\":null", 21) == NULL;
}

static size_t dead_letter_offset(const struct message *message)
{
	for (size_t i = 0; i < message->headers_count; i++)
		if (text_equal(message->headers[i].name, TEXT_LITERAL("drawdown.offset")))
			return number_behind(message->headers[i].value, "");
	fail_msg("a dead letter without its offset");
	return 0;
}

static unsigned *answers_of(struct published *published, size_t index)
{
	assert_true(index < HISTORY_RECORDS_MAX);
	return &published->answers[index];
}

static void read_message(struct published *published, struct arena *arena, const struct message *message)
{
	switch (message->output) {
	case OUTPUT_LEDGER: {
		size_t index = number_behind(message->value, "\"offset\":");
		assert_true(published->entries_count < ORACLE_ENTRIES_MAX);
		published->entries[published->entries_count++] = arena_copy(arena, message->value);
		*answers_of(published, index) += has_key(message->value) && !published->in_ledger[index];
		published->in_ledger[index] = published->in_ledger[index] || has_key(message->value);
		return;
	}
	case OUTPUT_NOTIFICATIONS:
		assert_true(published->notifications_count < NOTIFICATIONS_MAX);
		published->notifications[published->notifications_count++] = arena_copy(arena, message->value);
		return;
	case OUTPUT_OUTCOMES:
		++*answers_of(published, number_behind(message->value, "\"offset\":"));
		return;
	case OUTPUT_DEAD_LETTERS:
		++*answers_of(published, dead_letter_offset(message));
		return;
	default:
		return;
	}
}

/* Each stored entry arrived once, as it was written, and an account's entries in order of seq. */
static void compare_ledger(struct trial *trial, const struct published *published)
{
	size_t last_place[HISTORY_RECORDS_MAX] = {0};

	if (published->entries_count != trial->store.entries_count)
		give_up(trial, trial->history.records_count, "not as many entries were published as were written");
	for (size_t i = 0; i < trial->store.entries_count; i++) {
		const struct ledger_entry *entry = &trial->store.entries[i];
		const struct stored_account *account = memory_store_find_account(&trial->store, entry->account);
		size_t *last = &last_place[account - trial->store.accounts], place = 0;
		struct text expected = encode_ledger_entry(&trial->history.arena, entry, &encoding);
		while (place < published->entries_count && !text_equal(published->entries[place], expected))
			place++;
		if (place == published->entries_count)
			give_up(trial, (size_t)entry->source.offset, "an entry was never published as it was written");
		if (place + 1 <= *last)
			give_up(trial, (size_t)entry->source.offset, "an entry was published before an earlier one");
		*last = place + 1;
	}
}

static void read_messages(struct published *published, struct trial *trial)
{
	work_encode(&trial->work, &encoding);
	for (size_t i = 0; i < trial->work.messages_count; i++)
		read_message(published, &trial->history.arena, &trial->work.messages[i]);
}

/* A notification's id begins with its account: customer/currency/resource/. */
static bool is_of_one_account(struct text a, struct text b)
{
	size_t slashes = 0;

	for (size_t i = 0; i < a.size && i < b.size && a.data[i] == b.data[i]; i++)
		if (a.data[i] == '/' && ++slashes == 3)
			return true;
	return false;
}

/* What is told when nothing is lost, record by record, is told as it is, and per account in its order. */
static void compare_notifications(struct trial *trial, struct published *published)
{
	static struct published expected;
	struct trial single = *trial; /* the same records */

	expected = (struct published){0};
	trial_begin(&single);
	for (size_t i = 0; i < single.history.records_count; i++) {
		trial_run(&single, i, i + 1);
		read_messages(&expected, &single);
	}
	if (published->notifications_count != expected.notifications_count)
		give_up(trial, trial->history.records_count, "not as many notifications were published as were caused");
	for (size_t i = 0; i < expected.notifications_count; i++) {
		struct text told = expected.notifications[i];
		size_t place = 0;
		while (place < published->notifications_count &&
			!is_of_one_account(published->notifications[place], told))
			place++;
		if (place == published->notifications_count || !text_equal(published->notifications[place], told))
			give_up(trial, number_behind(told, "\"offset\":"),
				"a notification is not as it was, or not in its place");
		published->notifications[place] = TEXT_LITERAL(""); /* of no account */
	}
	trial->history.arena = single.history.arena; /* it has grown */
	trial_end(&single);
}

/* Batches that are recorded and then lost before they are published come again, whole, in one batch. */
static void publishes_once_and_in_order(struct trial *trial)
{
	static struct published published;
	size_t count = trial->history.records_count, committed = 0, recorded = 0;

	published = (struct published){0};
	while (committed < count) {
		bool is_recovery = recorded > committed && (recorded == count || history_below(&trial->history, 2));
		size_t to = is_recovery ? recorded : random_cut(trial, recorded, count);
		trial_run(trial, committed, to);
		recorded = to;
		if (history_below(&trial->history, 3) == 0)
			continue; /* lost */
		read_messages(&published, trial);
		committed = to;
	}
	compare_ledger(trial, &published);
	compare_notifications(trial, &published);
	for (size_t i = 0; i < count; i++)
		if (published.answers[i] != 1)
			give_up(trial, i, "a record was not answered exactly once");
}

static void entries_are_published_once_and_in_order_across_losses(void **state)
{
	(void)state;
	try_histories(publishes_once_and_in_order, true);
}

/* ---- runs ---- */

static void print_seed(int number)
{
	ssize_t written = write(STDERR_FILENO, seed_line, strlen(seed_line));
	(void)written;
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

static uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);
	return value && *value ? strtoull(value, NULL, 10) : otherwise;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcomes_and_entries_are_what_the_rules_say),
		cmocka_unit_test(the_cut_into_batches_changes_nothing),
		cmocka_unit_test(a_replay_of_any_suffix_changes_nothing),
		cmocka_unit_test(entries_are_published_once_and_in_order_across_losses),
	};
	first_seed = number_from_environment("DRAWDOWN_SEED", (uint64_t)instant_now());
	runs_count = number_from_environment("DRAWDOWN_RUNS", RUNS_DEFAULT);
	print_message("DRAWDOWN_SEED=%llu DRAWDOWN_RUNS=%llu\n", (unsigned long long)first_seed,
		(unsigned long long)runs_count);
	(void)signal(SIGABRT, print_seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
