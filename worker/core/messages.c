/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "drawdown/encode.h"

static struct message *append_message(struct lane_work *work)
{
	if (work->messages_count == work->messages_capacity) {
		size_t capacity = work->messages_capacity
					  ? work->messages_capacity * 2
					  : work->entries_count + work->recalled_count + 2 * work->records_count + 16;
		struct message *messages = arena_alloc_array(&work->arena, capacity, sizeof *messages);
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
	struct header *header = arena_alloc(&work->arena, sizeof *header);
	*header = (struct header){.name = TEXT_LITERAL("traceparent"), .value = traceparent};
	message->headers = header;
	message->headers_count = 1;
}

static void add_entry(struct lane_work *work, const struct ledger_entry *entry, const struct encoding *encoding)
{
	struct message *message = append_message(work);

	message->output = OUTPUT_LEDGER;
	message->partition_key = entry->account->customer_id;
	message->key = entry->account->customer_id;
	message->value = encode_ledger_entry(&work->arena, entry, encoding);
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
	for (size_t i = 0; i < work->records_count; i++)
		if (work->records[i]->result.recalled && work->records[i]->account->exists)
			work->records[i]->account->touched = true;
	for (size_t i = 0; i < work->accounts_count; i++) {
		const struct account *account = &work->accounts[i];
		if (!account->touched)
			continue;
		struct message *message = append_message(work);
		message->output = OUTPUT_BALANCES;
		message->partition_key = account->key.customer_id;
		message->key = account_key_format(&account->key, &work->arena);
		message->value = encode_balance(&work->arena, account, encoding);
	}
}

static bool is_answered_in_ledger(const struct result *result)
{
	return (result->kind == RESULT_APPLIED || result->kind == RESULT_PARTIAL) && result->first_seq != 0;
}

static void add_outcomes(struct lane_work *work, const struct encoding *encoding)
{
	for (size_t i = 0; i < work->records_count; i++) {
		const struct record *record = work->records[i];
		if (!record->readable || (is_answered_in_ledger(&record->result) && !encoding->outcomes_all))
			continue;
		struct message *message = append_message(work);
		message->output = OUTPUT_OUTCOMES;
		message->partition_key = record->event.customer_id;
		message->key = record->event.customer_id;
		message->value = encode_outcome(&work->arena, record, encoding);
		set_traceparent(work, message, record->traceparent);
	}
}

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

	if (size > DEAD_LETTER_SIZE_MAX) {
		struct header *header = arena_alloc(&work->arena, sizeof *header);
		*header = (struct header){
			.name = TEXT_LITERAL("drawdown.cut"), .value = arena_format(&work->arena, "%zu", size)};
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
	message->headers = encode_dead_letter_headers(&work->arena, &shortened, encoding, &message->headers_count);
}

static void add_dead_letters(struct lane_work *work, const struct encoding *encoding)
{
	for (size_t i = 0; i < work->records_count; i++)
		if (!work->records[i]->readable)
			add_dead_letter(work, work->records[i], encoding);
}

void work_encode(struct lane_work *work, const struct encoding *encoding)
{
	add_entries(work, encoding);
	add_balances(work, encoding);
	add_outcomes(work, encoding);
	add_dead_letters(work, encoding);
}
