/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S 86400.0
#define PAGE_SIZE 8192.0
#define SEGMENT_DAYS_MAX 1.0	    /* a record may outlive the retention of its topic by a segment */
#define DROP_MARGIN_DAYS (1.0 / 24) /* generations stay so much longer than the window */
#define GENERATIONS_KEPT 2.0	    /* the newest never go */
#define MEASURED_GENERATIONS 1.0
#define PARTITIONS_LEAST 8
#define PARTITIONS_MOST 256 /* pairs that one worker may own */
#define PARTITIONS_PER_REPLICA 4
#define MUCH_THE_SAME 1.02
#define RATE_MOST 1e12

const struct plan_figures plan_figures_standard = {
#define VALUE(name, value, unit, source) .name = value,
	PLAN_FIGURES(VALUE)
#undef VALUE
};

const struct plan_figure plan_figure_table[] = {
#define ROW(name, value, unit, source) {#name, unit, source, offsetof(struct plan_figures, name)},
	PLAN_FIGURES(ROW)
#undef ROW
};
const size_t plan_figure_count = sizeof plan_figure_table / sizeof *plan_figure_table;

double plan_figure_value(const struct plan_figures *figures, const struct plan_figure *figure)
{
	double value;
	memcpy(&value, (const char *)figures + figure->offset, sizeof value);
	return value;
}

bool plan_figure_set(struct plan_figures *figures, const char *setting)
{
	size_t size = strcspn(setting, "=");
	char *end;

	if (setting[size] != '=')
		return false;
	double value = strtod(setting + size + 1, &end);
	if (end == setting + size + 1 || *end || !isfinite(value) || value <= 0)
		return false;
	for (size_t i = 0; i < plan_figure_count; i++) {
		if (strlen(plan_figure_table[i].name) != size || strncmp(plan_figure_table[i].name, setting, size) != 0)
			continue;
		memcpy((char *)figures + plan_figure_table[i].offset, &value, sizeof value);
		return true;
	}
	return false;
}

/* ---- receipts ---- */

static double receipts_per_day(const struct plan_need *need)
{
	return need->events_per_s * (1 - need->duplicates_share) * DAY_S;
}

/* A generation goes when its end is a window old: just before, so many days are there. */
static double days_kept(const struct plan_need *need, double generation_days)
{
	return fmax(need->window_days + DROP_MARGIN_DAYS + generation_days, GENERATIONS_KEPT * generation_days);
}

static void plan_receipts(const struct plan_need *need, const struct plan_figures *figures, struct plan *plan)
{
	double days;

	plan->generation_days = need->generation_days;
	days = days_kept(need, plan->generation_days);
	plan->generations = ceil(days / plan->generation_days);
	plan->receipts = receipts_per_day(need) * days;
	plan->receipts_size = plan->receipts * (figures->bytes_per_receipt + figures->bytes_per_receipt_index);
	plan->index_newest = receipts_per_day(need) * plan->generation_days * figures->bytes_per_receipt_index;
	plan->index_all = plan->receipts * figures->bytes_per_receipt_index;
}

/* ---- tables and the log ---- */

static void plan_tables(const struct plan_need *need, const struct plan_figures *figures, struct plan *plan)
{
	double accounts = need->customers * (figures->bytes_per_account + figures->bytes_per_account_index);

	plan->ledger_day = receipts_per_day(need) * need->entries *
			   (figures->bytes_per_ledger_entry + figures->bytes_per_ledger_entry_index);
	plan->ledger_size = plan->ledger_day * need->retention_days;
	plan->accounts_size =
		accounts + need->customers * need->grants * (figures->bytes_per_grant + figures->bytes_per_grant_index);
	plan->database_size = plan->receipts_size + plan->ledger_size + plan->accounts_size;
	plan->memory_written = (accounts + plan->index_newest) / figures->cache_share;
	plan->memory_all = (accounts + plan->index_all) / figures->cache_share;
}

/* Of `pages` pages of which any is as likely as another: how many so many touches meet. */
static double pages_met(double pages, double touches)
{
	return pages > 0 ? pages * (1 - exp(-touches / pages)) : 0;
}

/* Bytes a second of the log at a rate: each page that an event changes goes there in full when it is the first time
 * since a checkpoint. An event changes a page of accounts and a leaf of the receipts' and of the ledger's index. */
static double wal_rate(
	const struct plan_need *need, const struct plan_figures *figures, const struct plan *plan, double events_per_s)
{
	double touches = events_per_s * (1 - need->duplicates_share) * need->checkpoint_s;
	double pages = pages_met(need->customers * figures->bytes_per_account / PAGE_SIZE, touches) +
		       pages_met(plan->index_newest / PAGE_SIZE, touches) +
		       pages_met(plan->ledger_size /
					 (figures->bytes_per_ledger_entry + figures->bytes_per_ledger_entry_index) *
					 figures->bytes_per_ledger_entry_index / PAGE_SIZE,
			       touches);

	return events_per_s * (1 - need->duplicates_share) * figures->wal_bytes_per_event +
	       pages * figures->wal_bytes_per_page / need->checkpoint_s;
}

/* ---- one PostgreSQL ---- */

/* Each older generation is looked into at the leaf of the event's customer: a read where that is not in memory. */
static double read_rate(
	const struct plan_need *need, const struct plan_figures *figures, const struct plan *plan, double events_per_s)
{
	double in_memory = need->memory * figures->cache_share - need->customers * figures->bytes_per_account;
	double missing = 1 - fmax(in_memory, 0) / fmax(plan->index_all, 1);

	return events_per_s * plan->generations * fmax(missing, 0);
}

/* Share of what one PostgreSQL has that the need takes; 1: nothing is left. */
static double share_taken(const struct plan_need *need, const struct plan_figures *figures, const struct plan *plan,
	enum plan_limit limit)
{
	double peak = need->events_per_s * need->peak;

	switch (limit) {
	case PLAN_CPU:
		return peak * plan->postgres_us / 1e6 / (need->cores * figures->busy_share);
	case PLAN_WAL:
		return wal_rate(need, figures, plan, peak) / figures->wal_bytes_per_s;
	case PLAN_READS:
		return read_rate(need, figures, plan, peak) / figures->reads_per_s;
	case PLAN_DISK:
		return plan->database_size / figures->database_bytes;
	case PLAN_LIMIT_COUNT:
		break;
	}
	return 0;
}

static void plan_cpu(const struct plan_need *need, const struct plan_figures *figures, struct plan *plan)
{
	plan->postgres_us = figures->postgres_us_per_event +
			    (plan->generations - MEASURED_GENERATIONS) * figures->postgres_us_per_generation +
			    (need->entries - 1) * figures->postgres_us_per_entry;
}

/* The same customers and settings at another rate. */
static double share_at(const struct plan_need *need, const struct plan_figures *figures, double generation_days,
	double events_per_s, enum plan_limit limit)
{
	struct plan_need other = *need;
	struct plan plan = {0};

	other.events_per_s = events_per_s;
	other.generation_days = generation_days;
	plan_receipts(&other, figures, &plan);
	plan_tables(&other, figures, &plan);
	plan_cpu(&other, figures, &plan);
	return share_taken(&other, figures, &plan, limit);
}

/* Shares grow with the rate. */
static double find_limit(
	const struct plan_need *need, const struct plan_figures *figures, double generation_days, enum plan_limit limit)
{
	double low = 0, high = RATE_MOST;

	if (share_at(need, figures, generation_days, high, limit) < 1)
		return HUGE_VAL;
	for (int i = 0; i < 200; i++) {
		double middle = (low + high) / 2;
		if (share_at(need, figures, generation_days, middle, limit) < 1)
			low = middle;
		else
			high = middle;
	}
	return low * need->peak;
}

/* Fills limits; the least of them. */
static double find_limits(const struct plan_need *need, const struct plan_figures *figures, double generation_days,
	double limits[PLAN_LIMIT_COUNT], enum plan_limit *ret_limit)
{
	*ret_limit = PLAN_CPU;
	for (int limit = 0; limit < PLAN_LIMIT_COUNT; limit++) {
		limits[limit] = find_limit(need, figures, generation_days, (enum plan_limit)limit);
		if (limits[limit] < limits[*ret_limit])
			*ret_limit = (enum plan_limit)limit;
	}
	return limits[*ret_limit];
}

/* The one with which one PostgreSQL carries most; of much the same the longest. Short ones keep the index small, as
 * they go sooner, but each costs a look-up. */
static double choose_generation(const struct plan_need *need, const struct plan_figures *figures)
{
	static const double choices[] = {30, 14, 7, 3, 1, 0.5, 0.25};
	double chosen = need->window_days, limits[PLAN_LIMIT_COUNT], best = 0;
	enum plan_limit limit;

	for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
		if (choices[i] > need->window_days)
			continue;
		double carried = find_limits(need, figures, choices[i], limits, &limit);
		if (carried > best * MUCH_THE_SAME) {
			best = carried;
			chosen = choices[i];
		}
	}
	return chosen;
}

static void plan_limits(const struct plan_need *need, const struct plan_figures *figures, struct plan *plan)
{
	double taken = 0;

	(void)find_limits(need, figures, plan->generation_days, plan->limits, &plan->limit);
	for (int limit = 0; limit < PLAN_LIMIT_COUNT; limit++)
		taken = fmax(taken, share_taken(need, figures, plan, (enum plan_limit)limit));
	plan->databases = (int64_t)fmax(1, ceil(taken));
}

/* ---- all of it ---- */

/* Replicas take whole partitions: several each, so that they share alike and more may join. Their number cannot be
 * raised later without giving up the order per customer: a power of two with room. */
static int64_t choose_partitions(int64_t replicas)
{
	int64_t partitions = PARTITIONS_LEAST;

	while (partitions < replicas * PARTITIONS_PER_REPLICA && partitions < PARTITIONS_MOST)
		partitions *= 2;
	return partitions;
}

static void make(const struct plan_need *need, const struct plan_figures *figures, struct plan *plan)
{
	*plan = (struct plan){.peak_per_s = need->events_per_s * need->peak};
	plan->replicas = (int64_t)ceil(plan->peak_per_s / figures->replica_events_per_s) + 1;
	plan->partitions = choose_partitions(plan->replicas);
	plan->worker_cores = plan->peak_per_s * figures->worker_us_per_event / 1e6 / figures->busy_share;
	plan->worker_memory = (double)plan->replicas * figures->worker_bytes;
	plan->kafka_input = need->events_per_s * DAY_S * figures->kafka_bytes_per_input;
	plan->kafka_ledger = receipts_per_day(need) * need->entries * figures->kafka_bytes_per_entry;
	plan->dead_letter_days = need->window_days - need->topic_days - fmin(need->topic_days, SEGMENT_DAYS_MAX);

	plan_receipts(need, figures, plan);
	plan_tables(need, figures, plan);
	plan_cpu(need, figures, plan);
	plan->postgres_cores = plan->peak_per_s * plan->postgres_us / 1e6 / figures->busy_share;
	plan->wal_day = wal_rate(need, figures, plan, need->events_per_s) * DAY_S;
	plan->wal_peak = wal_rate(need, figures, plan, plan->peak_per_s);
	plan->reads_peak = read_rate(need, figures, plan, plan->peak_per_s);
	plan_limits(need, figures, plan);
}

void plan_make(const struct plan_need *need, const struct plan_figures *figures, struct plan *ret_plan)
{
	struct plan_need whole = *need;

	if (whole.generation_days <= 0)
		whole.generation_days = choose_generation(need, figures);
	make(&whole, figures, ret_plan);
}
