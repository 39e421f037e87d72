/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/parking.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_BLOCK_SIZE (16 * 1024)

/* ---- who may have rows ---- */

void parking_init(struct parking *parking)
{
	*parking = (struct parking){0};
	arena_init(&parking->arena, ARENA_BLOCK_SIZE);
}

static void free_copy(struct text copy)
{
	union {
		const char *read;
		char *owned;
	} bytes = {copy.data};
	free(bytes.owned);
}

void parking_clear(struct parking *parking)
{
	for (size_t i = 0; i < parking->count; i++)
		free_copy(parking->customers[i]);
	parking->count = 0;
	parking->is_everybody = false;
}

void parking_release(struct parking *parking)
{
	parking_clear(parking);
	free(parking->customers);
	arena_release(&parking->arena);
}

/* Where it is, or would stand. */
static size_t find_place(const struct text *customers, size_t count, struct text customer_id, bool *ret_found)
{
	size_t low = 0, high = count;

	*ret_found = false;
	while (low < high && !*ret_found) {
		size_t middle = low + (high - low) / 2;
		int order = text_compare(customer_id, customers[middle]);
		*ret_found = order == 0;
		if (order > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return *ret_found ? high : low;
}

static bool is_among(const struct text *customers, size_t count, struct text customer_id)
{
	bool is_found;

	(void)find_place(customers, count, customer_id, &is_found);
	return is_found;
}

void parking_add(struct parking *parking, struct text customer_id)
{
	bool is_there;
	size_t place = find_place(parking->customers, parking->count, customer_id, &is_there);

	if (is_there)
		return;
	if (parking->count == parking->capacity) {
		parking->capacity = parking->capacity ? parking->capacity * 2 : 16;
		parking->customers =
			reallocarray(parking->customers, parking->capacity, sizeof *parking->customers);
	}
	char *copy = malloc(customer_id.size);
	if (!parking->customers || !copy)
		abort();
	memcpy(copy, customer_id.data, customer_id.size);
	memmove(&parking->customers[place + 1], &parking->customers[place],
		(parking->count - place) * sizeof *parking->customers);
	parking->customers[place] = (struct text){copy, customer_id.size};
	parking->count++;
}

static void remove_customer(struct parking *parking, struct text customer_id)
{
	bool is_there;
	size_t place = find_place(parking->customers, parking->count, customer_id, &is_there);

	if (!is_there)
		return;
	free_copy(parking->customers[place]);
	parking->count--;
	memmove(&parking->customers[place], &parking->customers[place + 1],
		(parking->count - place) * sizeof *parking->customers);
}

/* ---- which records are looked at ---- */

static const struct culprit *find_culprit(const struct culprits *culprits, struct text customer_id)
{
	for (size_t i = 0; culprits && i < culprits->count; i++)
		if (text_equal(culprits->items[i].customer_id, customer_id))
			return &culprits->items[i];
	return NULL;
}

/* A release hands a record in where it stood: the header must name the record's own topic and partition. */
static int64_t read_released_offset(const struct record *record, const char *topic)
{
	char place[320], *end;
	const struct header *header = NULL;

	for (size_t i = 0; i < record->headers_count; i++)
		if (text_equal(record->headers[i].name, TEXT_LITERAL(PARKED_RELEASED_FROM)))
			header = &record->headers[i];
	if (!header || header->value.size == 0 || header->value.size >= sizeof place)
		return -1;
	int length = snprintf(place, sizeof place, "%s/%d/", topic, (int)record->source.partition);
	if (length < 0 || header->value.size <= (size_t)length || memcmp(place, header->value.data, (size_t)length) != 0)
		return -1;
	size_t digits = header->value.size - (size_t)length;
	memcpy(place, header->value.data + length, digits);
	place[digits] = '\0';
	if (digits > 18 || strspn(place, "0123456789") != digits)
		return -1;
	return strtoll(place, &end, 10);
}

static void list_record(
	struct parking *parking, struct record *record, const struct culprit *culprit, const char *const topics[INPUT_COUNT])
{
	parking->records[parking->records_count++] = (struct parked_record){
		.record = record,
		.culprit = culprit,
		.released_offset = read_released_offset(record, topics[record->source.input]),
	};
}

bool parking_begin(struct parking *parking, struct lane_work *work, const struct parking_part *part,
	const struct culprits *culprits, const char *const topics[INPUT_COUNT])
{
	parking->records_count = parking->queues_count = 0;
	if (parking->count == 0 && !part && !culprits)
		return false;
	arena_reset(&parking->arena);
	parking->records = arena_alloc_array(&parking->arena, work->given_count, sizeof *parking->records);
	for (size_t i = 0; i < work->given_count; i++) {
		struct record *record = work->given[i];
		if (!record->readable)
			continue;
		struct text customer_id = record->event.customer_id;
		const struct culprit *culprit = find_culprit(culprits, customer_id);
		if (part && !is_among(part->customers, part->count, customer_id)) {
			record->role = ROLE_ASIDE;
			work->has_roles = true;
		} else if (culprit || is_among(parking->customers, parking->count, customer_id)) {
			list_record(parking, record, culprit, topics);
		}
	}
	return work->has_roles || parking->records_count;
}

/* ---- what becomes of them ---- */

static struct parked_queue *find_queue(struct parking *parking, const struct parked_record *parked)
{
	const struct record *record = parked->record;

	for (size_t i = 0; i < parking->queues_count; i++)
		if (parking->queues[i].partition == record->source.partition &&
			text_equal(parking->queues[i].customer_id, record->event.customer_id))
			return &parking->queues[i];
	struct parked_queue *queue = &parking->queues[parking->queues_count++];
	*queue = (struct parked_queue){
		.customer_id = record->event.customer_id,
		.partition = record->source.partition,
		.first = parked->first ? parked->first : 1,
		.last = parked->last,
		.is_elsewhere = parked->is_elsewhere,
	};
	return queue;
}

static bool is_empty(const struct parked_queue *queue)
{
	return queue->first > queue->last;
}

static enum record_role decide(struct parked_queue *queue, const struct parked_record *parked, int64_t *ret_ordinal)
{
	if (parked->is_done)
		return ROLE_RECALLED;
	if (parked->own_ordinal)
		return ROLE_ASIDE;
	if (is_empty(queue) && !parked->culprit)
		return ROLE_HANDLED;
	if (!parked->released_ordinal) {
		*ret_ordinal = ++queue->last;
		queue->parked_count++;
		return ROLE_PARKED;
	}
	if (parked->culprit || parked->released_ordinal != queue->first)
		return ROLE_ASIDE;
	*ret_ordinal = queue->first++;
	queue->released_count++;
	return ROLE_RELEASED;
}

void parking_decide(struct parking *parking, struct lane_work *work)
{
	parking->queues = arena_alloc_array(&parking->arena, parking->records_count, sizeof *parking->queues);
	for (size_t i = 0; i < parking->records_count; i++) {
		const struct parked_record *parked = &parking->records[i];
		struct record *record = parked->record;
		record->role = decide(find_queue(parking, parked), parked, &record->ordinal);
		if (record->role == ROLE_PARKED)
			parking_add(parking, record->event.customer_id);
		work->has_roles = work->has_roles || record->role != ROLE_HANDLED;
	}
}

/* Has this try left rows of the customer in another partition? */
static bool is_parked_elsewhere(const struct parking *parking, const struct parked_queue *queue)
{
	bool is_parked = queue->is_elsewhere;

	for (size_t i = 0; i < parking->queues_count && !is_parked; i++)
		is_parked = text_equal(parking->queues[i].customer_id, queue->customer_id) &&
			    !is_empty(&parking->queues[i]);
	return is_parked;
}

void parking_end(struct parking *parking)
{
	for (size_t i = 0; i < parking->queues_count; i++)
		if (!is_parked_elsewhere(parking, &parking->queues[i]))
			remove_customer(parking, parking->queues[i].customer_id);
}

struct text *parking_list_customers(const struct lane_work *work, size_t *ret_count)
{
	struct text *customers = calloc(work->accounts_count + 1, sizeof *customers);
	size_t count = 0;

	if (!customers)
		abort();
	for (size_t i = 0; i < work->accounts_count; i++)
		if (count == 0 || !text_equal(customers[count - 1], work->accounts[i].key.customer_id))
			customers[count++] = work->accounts[i].key.customer_id;
	*ret_count = count;
	return customers;
}
