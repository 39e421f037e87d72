/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/park.h"

#include <stdio.h>
#include <stdlib.h>

#include "drawdown/log.h"

struct search {
	const struct lane *lane;
	struct batch *batch;
	struct culprits *found;
	size_t passed_count; /* parts */
	bool has_given_up;
};

static void note_culprit(struct search *search, struct text customer_id, const struct failure *failure)
{
	struct culprits *found = search->found;

	if (found->count == CULPRITS_MAX || search->lane->parking->count + found->count >= PARKED_CUSTOMERS_MAX) {
		search->has_given_up = search->lane->parking->is_everybody = true;
		return;
	}
	struct culprit *culprit = &found->items[found->count++];
	culprit->customer_id = customer_id;
	(void)snprintf(culprit->reason, sizeof culprit->reason, "%s", failure->text);
}

/* Both halves of a part may pass: then it was too much at once, or is over. */
static void search_part(struct search *search, const struct text *customers, size_t count)
{
	const struct parking_part part = {customers, count};
	struct failure failure = {0};

	if (search->has_given_up)
		return;
	enum outcome outcome = lane_try(search->lane, search->batch, &part, &failure);
	if (outcome == OUTCOME_OK) {
		search->passed_count++;
		return;
	}
	if (outcome != OUTCOME_RETRY || !failure.may_be_customers) {
		search->has_given_up = true;
	} else if (count == 1) {
		note_culprit(search, customers[0], &failure);
	} else {
		search_part(search, customers, count / 2);
		search_part(search, customers + count / 2, count - count / 2);
	}
}

/* What was over before the end was not theirs: a lock on a whole table, say, that was given up during the search. */
static void confirm(struct search *search)
{
	struct culprits before = *search->found;

	search->found->count = 0;
	for (size_t i = 0; i < before.count; i++)
		search_part(search, &before.items[i].customer_id, 1);
}

bool park_find_culprits(const struct lane *lane, struct batch *batch, struct culprits *ret_culprits)
{
	struct search search = {.lane = lane, .batch = batch, .found = ret_culprits};
	size_t count;

	ret_culprits->count = 0;
	if (lane->parking->is_everybody)
		return false;
	struct text *customers = parking_list_customers(&batch->lanes[lane->number], &count);

	if (count == 1)
		search_part(&search, customers, 1);
	for (size_t half = 0; half < 2 && count > 1; half++)
		search_part(&search, customers + (half ? count / 2 : 0), half ? count - count / 2 : count / 2);
	free(customers);
	if (count > 1 && search.passed_count == 0)
		search.has_given_up = true;
	confirm(&search);
	if (search.has_given_up)
		ret_culprits->count = 0;
	return ret_culprits->count > 0;
}

void park_tell(const struct culprits *culprits)
{
	for (size_t i = 0; i < culprits->count; i++)
		log_line(LOG_ERROR, "worker.parked",
			"parked customer %.*s, whose records made the database refuse those of others: %s; "
			"hint=remove the cause, then `drawdown parked release %.*s --execute`",
			TEXT_ARGS(culprits->items[i].customer_id), culprits->items[i].reason,
			TEXT_ARGS(culprits->items[i].customer_id));
}
