/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define NOTE_INTERVAL (200 * INSTANT_MILLISECOND)
#define LOOK_INTERVAL (50 * INSTANT_MILLISECOND) /* into PostgreSQL */
#define COMMITTED_TIMEOUT_MS 5000

enum outcome bench_watch_open(struct bench *bench, struct bench_watch *watch, const struct bench_site *site,
	const struct bench_load *load, struct bench_run *run, const char *label, struct failure *reterr)
{
	const struct kafka_option fixed[] = {
		{"group.id", site->name},
		{"enable.auto.commit", "false"},
		{"isolation.level", "read_uncommitted"}, /* an open transaction of the group is not waited for */
		{NULL, NULL},
	};
	rd_kafka_conf_t *conf;

	*watch = (struct bench_watch){.bench = bench, .site = site, .load = load, .run = run};
	progress_begin(&watch->progress, label, (uint64_t)load->events);
	watch->positions = rd_kafka_topic_partition_list_new(load->partitions_count);
	for (int32_t i = 0; i < load->partitions_count; i++)
		rd_kafka_topic_partition_list_add(watch->positions, load->topic, i);
	enum outcome outcome = kafka_conf_new(&bench->config, NULL, fixed, &conf, reterr);
	return outcome == OUTCOME_OK ? kafka_open(RD_KAFKA_CONSUMER, conf, &watch->kafka, reterr) : outcome;
}

/* The share of the way, in offsets, is that in events where the load has no gaps; at the end it is all of them. */
static int64_t count_events(const struct bench_watch *watch)
{
	const struct bench_load *load = watch->load;
	int64_t done = 0;

	for (int i = 0; i < watch->positions->cnt; i++) {
		const rd_kafka_topic_partition_t *position = &watch->positions->elems[i];
		int64_t begin = load->begins[position->partition], end = load->ends[position->partition];
		if (position->offset > begin)
			done += (position->offset < end ? position->offset : end) - begin;
	}
	return done;
}

static void note(struct bench_watch *watch, int64_t now, int64_t events)
{
	struct bench_run *run = watch->run;

	if (run->points_count == run->points_capacity) {
		run->points_capacity = run->points_capacity ? 2 * run->points_capacity : 256;
		run->points = realloc(run->points, run->points_capacity * sizeof *run->points);
		if (!run->points)
			abort();
	}
	run->points[run->points_count++] = (struct bench_point){(double)now / 1e6, events};
	watch->noted_at = now;
}

enum outcome bench_watch_look(struct bench_watch *watch, int64_t *ret_events, struct failure *reterr)
{
	enum outcome outcome = OUTCOME_OK;

	/* Forgotten first: what fails keeps its old value. */
	for (int i = 0; i < watch->positions->cnt; i++)
		watch->positions->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
	rd_kafka_resp_err_t code = rd_kafka_committed(watch->kafka, watch->positions, COMMITTED_TIMEOUT_MS);
	if (code && kafka_class(code) == OUTCOME_RETRY)
		return OUTCOME_OK; /* no news; whoever looks gives up in the end */
	if (code)
		return kafka_fail(reterr, code, "bench.watch", "could not read the group's offsets");
	int64_t now = monotonic_now();
	*ret_events = count_events(watch);
	if (now - watch->noted_at >= NOTE_INTERVAL || *ret_events >= watch->load->events)
		note(watch, now, *ret_events);
	if (now - watch->looked_at >= LOOK_INTERVAL) {
		outcome = bench_database_look(watch, reterr);
		watch->looked_at = now;
	}
	progress_update(&watch->progress, (uint64_t)*ret_events, NULL);
	return outcome;
}

static int compare_waits(const void *a, const void *b)
{
	const struct bench_wait *a_wait = a, *b_wait = b;
	return (a_wait->count < b_wait->count) - (a_wait->count > b_wait->count);
}

void bench_watch_close(struct bench_watch *watch)
{
	struct bench_run *run = watch->run;
	bool is_known = watch->backends_count > 0;

	run->cpu_postgres = 0;
	for (size_t i = 0; i < watch->backends_count; i++) {
		const struct bench_backend *backend = &watch->backends[i];
		is_known = is_known && backend->last >= 0;
		run->cpu_postgres += backend->last - (backend->is_shared ? backend->first : 0);
	}
	if (!is_known)
		run->cpu_postgres = -1;
	qsort(run->waits, run->waits_count, sizeof *run->waits, compare_waits);
	progress_end(&watch->progress);
	if (watch->positions)
		rd_kafka_topic_partition_list_destroy(watch->positions);
	if (watch->kafka)
		rd_kafka_destroy(watch->kafka);
	watch->positions = NULL;
	watch->kafka = NULL;
}
