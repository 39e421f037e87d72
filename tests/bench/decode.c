/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long it takes to decode a record of Avro: our plan against avro-c's generic reader, on the same bytes.
 *
 *     build/release/bench_decode [REPETITIONS]
 *
 * The records are those of proto/golden. A repetition measures both sides in turns, so that whatever else the machine
 * does meets both. avro-c reads into a value that is made once and used again, which is the fastest that it can; the
 * plan writes into fields on the stack. "event" is all that the worker does with a value: plan, checks and both hashes.
 */
#include <avro.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../worker/core/avro_plan.h"
#include "../../worker/core/avro_schema.h"
#include "drawdown/decode.h"

#define HEADER_SIZE 10 /* single-object framing */
#define VALUE_SIZE_MAX 65536
#define SCHEMA_SIZE_MAX 65536
#define ROUND_NS 20000000 /* of one side in one repetition, about */
#define REPETITIONS_DEFAULT 15
#define REPETITIONS_MAX 1000

struct subject {
	const char *schema_name;
	const char *record_name;
	enum event_kind kind;
};

static const struct subject subjects[] = {
	{"Consume", "consume_plain", EVENT_CONSUME},
	{"Consume", "consume_dimensions", EVENT_CONSUME},
	{"Reserve", "reserve_ttl", EVENT_RESERVE},
	{"Grant", "grant_full", EVENT_GRANT},
	{"Configure", "configure_full", EVENT_CONFIGURE},
};

struct contest {
	struct arena arena, scratch;
	struct decoder *decoder;
	struct text value; /* with its header */
	const struct plan *plan;
	avro_schema_t schema;
	avro_value_iface_t *class;
	avro_value_t generic;
	avro_reader_t reader;
};

static _Noreturn void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "bench_decode: %s: %s\n", what, why);
	exit(1);
}

static struct text read_file(struct arena *arena, const char *path, size_t size_max)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		die(path, "cannot be read");
	char *bytes = arena_alloc(arena, size_max);
	size_t size = fread(bytes, 1, size_max, file);
	(void)fclose(file);
	return (struct text){bytes, size};
}

static struct text body_of(const struct contest *contest)
{
	return (struct text){contest->value.data + HEADER_SIZE, contest->value.size - HEADER_SIZE};
}

static void prepare(struct contest *contest, const struct subject *subject)
{
	char path[512];
	struct schema_error error;
	arena_init(&contest->arena, 65536);
	arena_init(&contest->scratch, 65536);
	contest->decoder = decoder_new();
	(void)snprintf(path, sizeof path, PROTO_DIR "/%s.avsc", subject->schema_name);
	struct text json = read_file(&contest->arena, path, SCHEMA_SIZE_MAX);
	(void)snprintf(path, sizeof path, PROTO_DIR "/golden/%s.avro", subject->record_name);
	contest->value = read_file(&contest->arena, path, VALUE_SIZE_MAX);
	const struct schema *schema = schema_parse(json, &contest->arena, &error);
	contest->plan = schema ? plan_compile(schema, schema, &contest->arena, &error) : NULL;
	if (!contest->plan)
		die(subject->schema_name, error.text);
	if (avro_schema_from_json_length(json.data, json.size, &contest->schema))
		die(subject->schema_name, avro_strerror());
	contest->class = avro_generic_class_from_schema(contest->schema);
	contest->reader = avro_reader_memory("", 0);
	if (!contest->class || !contest->reader || avro_generic_value_new(contest->class, &contest->generic))
		die(subject->schema_name, avro_strerror());
}

static void release(struct contest *contest)
{
	avro_value_decref(&contest->generic);
	avro_value_iface_decref(contest->class);
	avro_schema_decref(contest->schema);
	avro_reader_free(contest->reader);
	decoder_free(contest->decoder);
	arena_release(&contest->scratch);
	arena_release(&contest->arena);
}

static void by_plan(struct contest *contest)
{
	struct fields fields;
	struct defect defect;
	if (!plan_run(contest->plan, body_of(contest), &fields, &defect))
		die("plan", defect.text);
	__asm__ volatile("" : : "r"(&fields) : "memory"); /* somebody reads it */
}

static void by_avro_c(struct contest *contest)
{
	struct text body = body_of(contest);
	avro_reader_memory_set_source(contest->reader, body.data, (int64_t)body.size);
	if (avro_value_reset(&contest->generic) || avro_value_read(contest->reader, &contest->generic))
		die("avro-c", avro_strerror());
}

static void to_event(struct contest *contest)
{
	struct event event;
	struct defect defect;
	if (!decode_event(contest->decoder, &contest->scratch, contest->value, &event, &defect))
		die("event", defect.text);
	arena_reset(&contest->scratch);
}

static double now_ns(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double time_of(void (*decode)(struct contest *), struct contest *contest, long count)
{
	double start = now_ns();
	for (long i = 0; i < count; i++)
		decode(contest);
	return (now_ns() - start) / (double)count;
}

static long count_for(void (*decode)(struct contest *), struct contest *contest)
{
	return 1 + (long)(ROUND_NS / time_of(decode, contest, 1000));
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;
	return (left > right) - (left < right);
}

static void print_spread(const char *what, double *values, size_t count)
{
	qsort(values, count, sizeof values[0], compare);
	(void)printf("  %-14s %9.1f %9.1f %9.1f\n", what, values[0], values[count / 2], values[count - 1]);
}

static void measure(const struct subject *subject, size_t repetitions)
{
	static double plan[REPETITIONS_MAX], avro_c[REPETITIONS_MAX], event[REPETITIONS_MAX], ratio[REPETITIONS_MAX];
	struct contest contest;
	prepare(&contest, subject);
	long plan_count = count_for(by_plan, &contest), avro_c_count = count_for(by_avro_c, &contest),
	     event_count = count_for(to_event, &contest);
	for (size_t i = 0; i < repetitions; i++) {
		plan[i] = time_of(by_plan, &contest, plan_count);
		avro_c[i] = time_of(by_avro_c, &contest, avro_c_count);
		event[i] = time_of(to_event, &contest, event_count);
		ratio[i] = avro_c[i] / plan[i];
	}
	(void)printf("%s, %zu bytes\n", subject->record_name, contest.value.size - HEADER_SIZE);
	print_spread("plan, ns", plan, repetitions);
	print_spread("avro-c, ns", avro_c, repetitions);
	print_spread("avro-c / plan", ratio, repetitions);
	print_spread("event, ns", event, repetitions);
	release(&contest);
}

int main(int argc, char **argv)
{
	char *end = NULL;
	long repetitions = argc > 1 ? strtol(argv[1], &end, 10) : REPETITIONS_DEFAULT;
	if (argc > 2 || (end && *end) || repetitions < 1 || repetitions > REPETITIONS_MAX)
		die("usage", "bench_decode [REPETITIONS], 1-1000");
	(void)printf("%ld repetitions %15s %9s %9s\n", repetitions, "min", "median", "max");
	for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++)
		measure(&subjects[i], (size_t)repetitions);
	return 0;
}
