/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>

#include "drawdown/encode.h"

/* All of them, but for notifications and where `outcomes` is all. */
static size_t messages_guess(const struct lane_work *work)
{
	return work->entries_count + work->recalled_count + work->accounts_count + work->tally.unanswered +
	       work->notifications_count + 16;
}

static struct message *append_message(struct lane_work *work)
{
	if (work->messages_count == work->messages_capacity) {
		size_t capacity = work->messages_capacity ? work->messages_capacity * 2 : messages_guess(work);
		struct message *messages = arena_alloc_array(&work->outbox, capacity, sizeof *messages);
		if (work->messages_count)
			memcpy(messages, work->messages, work->messages_count * sizeof *messages);
		work->messages = messages;
		work->messages_capacity = capacity;
	}
	struct message *message = &work->messages[work->messages_count++];
	*message = (struct message){0};
	return message;
}

static void set_traceparent(struct lane_work *work, struct message *message, struct text traceparent)
{
	if (!traceparent.data)
		return;
	struct header *header = arena_alloc(&work->outbox, sizeof *header);
	/* that of a recalled entry lives no longer than the lane's work */
	*header = (struct header){.name = TEXT_LITERAL("traceparent"), .value = arena_copy(&work->outbox, traceparent)};
	message->headers = header;
	message->headers_count = 1;
}

static void add_entry(struct lane_work *work, const struct ledger_entry *entry, const struct encoding *encoding)
{
	struct message *message = append_message(work);

	message->output = OUTPUT_LEDGER;
	message->partition_key = entry->account->customer_id;
	message->key = entry->account->customer_id;
	message->value = encode_ledger_entry(&work->outbox, entry, encoding);
	set_traceparent(work, message, entry->traceparent);
}

static int compare_by_seq(const void *a, const void *b)
{
	const struct ledger_entry *a_entry = a, *b_entry = b;
	int order = account_key_compare(a_entry->account, b_entry->account);
	return order ? order : (a_entry->seq > b_entry->seq) - (a_entry->seq < b_entry->seq);
}

/* What was recalled was written before all that is new; among itself it may have been read in another order. */
static void add_entries(struct lane_work *work, const struct encoding *encoding)
{
	if (work->recalled_count)
		qsort(work->recalled, work->recalled_count, sizeof *work->recalled, compare_by_seq);
	for (size_t i = 0; i < work->recalled_count; i++)
		add_entry(work, &work->recalled[i], encoding);
	for (size_t i = 0; i < work->entries_count; i++)
		add_entry(work, &work->entries[i], encoding);
}

static void add_balances(struct lane_work *work, const struct encoding *encoding)
{
	/* What met no account said nothing of a balance, though there may be a row by now. */
	for (size_t i = 0; work->tally.recalled && i < work->records_count; i++)
		if (work->records[i]->result.recalled && work->records[i]->result.has_balance)
			work->records[i]->account->touched = true;
	for (size_t i = 0; i < work->accounts_count; i++) {
		const struct account *account = &work->accounts[i];
		if (!account->touched)
			continue;
		struct message *message = append_message(work);
		message->output = OUTPUT_BALANCES;
		message->partition_key = account->key.customer_id;
		message->key = account_key_format(&account->key, &work->outbox);
		message->value = encode_balance(&work->outbox, account, encoding);
	}
}

bool result_is_in_ledger(const struct result *result)
{
	return (result->kind == RESULT_APPLIED || result->kind == RESULT_PARTIAL) && result->first_seq != 0;
}

static void add_outcomes(struct lane_work *work, const struct encoding *encoding)
{
	if (!work->tally.unanswered && !encoding->outcomes_all)
		return;
	for (size_t i = 0; i < work->records_count; i++) {
		const struct record *record = work->records[i];
		if (!record->readable || (result_is_in_ledger(&record->result) && !encoding->outcomes_all))
			continue;
		struct message *message = append_message(work);
		message->output = OUTPUT_OUTCOMES;
		message->partition_key = record->event.customer_id;
		message->key = record->event.customer_id;
		message->value = encode_outcome(&work->outbox, record, encoding);
		set_traceparent(work, message, record->traceparent);
	}
}

static void add_notification(
	struct lane_work *work, const struct notification *notification, const struct encoding *encoding)
{
	struct message *message = append_message(work);

	message->output = OUTPUT_NOTIFICATIONS;
	message->partition_key = notification->account->customer_id;
	message->key = notification->account->customer_id;
	message->value = encode_notification(&work->outbox, notification, encoding);
	set_traceparent(work, message, notification->traceparent);
}

static int compare_integers(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

struct told {
	struct notification notification;
	size_t place; /* among all that is recalled, in the order of the records */
};
struct recall {
	struct told *items;
	size_t count, capacity;
};

/* Per account as they were told: seq and time never go back. */
static int compare_told(const void *a, const void *b)
{
	const struct told *a_told = a, *b_told = b;
	const struct notification *a_what = &a_told->notification, *b_what = &b_told->notification;
	int order = account_key_compare(a_what->account, b_what->account);

	if (order == 0)
		order = compare_integers(a_what->seq, b_what->seq);
	if (order == 0)
		order = compare_integers(a_what->recorded_at, b_what->recorded_at);
	return order ? order : (a_told->place > b_told->place) - (a_told->place < b_told->place);
}

static void reserve_told(struct lane_work *work, struct recall *recall, size_t count)
{
	if (recall->count + count <= recall->capacity)
		return;
	size_t capacity = (recall->count + count) * 2;
	struct told *grown = arena_alloc_array(&work->arena, capacity, sizeof *grown);
	if (recall->count)
		memcpy(grown, recall->items, recall->count * sizeof *grown);
	recall->items = grown;
	recall->capacity = capacity;
}

/* What a record told when it was handled first stands in its receipt. */
static void recall_notifications(struct lane_work *work, const struct record *record, struct recall *recall)
{
	const struct receipt *receipt = record->key_slot->receipt;
	struct notification *told;
	size_t count;

	if (!receipt->notifications.data)
		return;
	bool is_whole = notifications_parse(receipt->notifications, &work->arena, &told, &count);
	assert(is_whole); /* the store has looked */
	reserve_told(work, recall, count);
	for (size_t i = 0; i < count; i++) {
		told[i].account = &record->account->key;
		told[i].source = record->source;
		told[i].traceparent = record->traceparent;
		recall->items[recall->count] = (struct told){told[i], recall->count};
		recall->count++;
	}
}

/* Like the entries: what is recalled was told before all that is new, maybe in another order than it was read. */
static void add_notifications(struct lane_work *work, const struct encoding *encoding)
{
	struct recall recall = {0};

	for (size_t i = 0; work->tally.recalled && i < work->records_count; i++)
		if (work->records[i]->result.recalled)
			recall_notifications(work, work->records[i], &recall);
	if (recall.count)
		qsort(recall.items, recall.count, sizeof *recall.items, compare_told);
	for (size_t i = 0; i < recall.count; i++)
		add_notification(work, &recall.items[i].notification, encoding);
	for (size_t i = 0; i < work->notifications_count; i++)
		add_notification(work, &work->notifications[i], encoding);
}

#define HEADER_LENGTHS_SIZE_MAX 10 /* of name and value, as the log has them */

static size_t dead_letter_size(const struct record *record)
{
	size_t size = record->key.size + record->value.size;
	for (size_t i = 0; i < record->headers_count; i++)
		size += record->headers[i].name.size + record->headers[i].value.size;
	return size;
}

/* One that no topic would take goes without its bytes: it stands in the log at its source, and stops nothing. */
static void add_dead_letter(struct lane_work *work, const struct record *record, const struct encoding *encoding)
{
	struct message *message = append_message(work);
	struct record shortened = *record;
	size_t size = dead_letter_size(record);

	if (size + record->headers_count * HEADER_LENGTHS_SIZE_MAX > DEAD_LETTER_SIZE_MAX) {
		struct header *header = arena_alloc(&work->outbox, sizeof *header);
		*header = (struct header){
			.name = TEXT_LITERAL("drawdown.cut"), .value = arena_format(&work->outbox, "%zu", size)};
		shortened.value = TEXT_NULL;
		shortened.headers = header;
		shortened.headers_count = 1;
		if (shortened.key.size > DECODE_TEXT_SIZE_MAX)
			shortened.key = TEXT_NULL;
	}
	message->output = OUTPUT_DEAD_LETTERS;
	message->partition_key = shortened.key;
	message->partition_hint = shortened.source.partition;
	message->key = shortened.key;
	message->value = shortened.value;
	message->headers = encode_dead_letter_headers(&work->outbox, &shortened, encoding, &message->headers_count);
}

static void add_dead_letters(struct lane_work *work, const struct encoding *encoding)
{
	if (!work->tally.results[EVENT_KIND_COUNT][RESULT_DEAD_LETTERED])
		return;
	for (size_t i = 0; i < work->records_count; i++)
		if (!work->records[i]->readable)
			add_dead_letter(work, work->records[i], encoding);
}

void work_encode(struct lane_work *work, const struct encoding *encoding)
{
	add_entries(work, encoding);
	add_balances(work, encoding);
	add_outcomes(work, encoding);
	add_notifications(work, encoding);
	add_dead_letters(work, encoding);
}
