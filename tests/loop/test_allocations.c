/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: once a worker has its memory, an event takes none from the heap: not in decode, dedupe, allocate, encode, and
 * not in the libraries that these call.
 * Method: the real worker.c, lane.c and core go round over a source that hands out the same full batch again and
 * again, a store that knows every account and forgets all that is written, and a publisher that counts. None of the
 * three takes memory; what is formatted for the database is formatted here too. All kinds of events are in the batch,
 * each in JSON and in Avro, most of them consumptions, some of these by a schema of the producer's own. Every malloc,
 * calloc and realloc of the process is counted, whoever calls it, between the publications of two batches: by functions
 * of these names in this program, which come before those of the C library, or by the sanitizer's hooks where there is
 * one. qsort takes scratch memory in some versions of the C library: what it takes is counted apart, and bounded per
 * batch. That it can fail is shown with a store that takes and gives back one byte for each event.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <dlfcn.h>
#include <execinfo.h>
#include <stdatomic.h>
#include <unistd.h>

#include "drawdown/encode.h"
#include "drawdown/worker.h"

#include <cmocka.h>

#define BATCH_RECORDS 10000 /* what batch.records.max is unless set */
#define POLL_RECORDS 700
#define CUSTOMERS 3000
#define WARM_UP_BATCHES 6
#define COUNTED_BATCHES 8
#define LANES 2
#define AT_MS (20000LL * 86400 * 1000)
#define SORTS_MAX 8 /* calls of qsort for one batch in one lane */

/* ---- counting ---- */

static atomic_bool is_counting;
static bool must_name = true; /* whoever takes some */
static atomic_size_t taken_count, taken_by_qsort_count;
static _Thread_local bool is_sorting, is_reporting;
static char usage_topic[] = "credits.usage", commands_topic[] = "credits.commands";

/* Who took it: the first few are printed, for addr2line. */
static void count_one(void)
{
	if (!atomic_load_explicit(&is_counting, memory_order_relaxed) || is_reporting)
		return;
	if (is_sorting) {
		atomic_fetch_add(&taken_by_qsort_count, 1);
		return;
	}
	if (atomic_fetch_add(&taken_count, 1) >= 3 || !must_name)
		return;
	void *frames[12];
	is_reporting = true;
	int frames_count = backtrace(frames, 12);
	backtrace_symbols_fd(frames, frames_count, STDERR_FILENO);
	(void)!write(STDERR_FILENO, "\n", 1);
	is_reporting = false;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_HOOKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_HOOKS 1
#endif
#endif

#ifdef HAS_HOOKS
/* of sanitizer/allocator_interface.h, which not every compiler brings */
int __sanitizer_install_malloc_and_free_hooks(
	void (*on_malloc)(const volatile void *memory, size_t size), void (*on_free)(const volatile void *memory));

static void on_malloc(const volatile void *memory, size_t size)
{
	(void)memory;
	(void)size;
	count_one();
}

static void on_free(const volatile void *memory)
{
	(void)memory;
}

static void install_counter(void)
{
	assert_true(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0);
}
#else
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
	count_one();
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	count_one();
	return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	count_one();
	return __libc_realloc(memory, size);
}

static void install_counter(void)
{
}
#endif

typedef void sort_function(void *items, size_t count, size_t size, int (*compare)(const void *a, const void *b));
static sort_function *real_qsort;

void qsort(void *items, size_t count, size_t size, int (*compare)(const void *a, const void *b))
{
	is_sorting = true;
	real_qsort(items, count, size, compare);
	is_sorting = false;
}

/* ---- what comes in ---- */

struct input_value {
	enum input input;
	struct text value;
};

static struct arena prepared;
static struct input_value values[BATCH_RECORDS];

static struct text read_golden(const char *name)
{
	char path[512], bytes[4096];

	(void)snprintf(path, sizeof path, SOURCE_DIR "/proto/golden/%s.avro", name);
	FILE *file = fopen(path, "rbe");
	assert_non_null(file);
	size_t size = fread(bytes, 1, sizeof bytes, file);
	(void)fclose(file);
	return arena_copy(&prepared, (struct text){bytes, size});
}

static const char *const goldens[] = {"consume_plain", "consume_dimensions", "grant_plain", "grant_full", "void_full",
	"confirm_payment_plain", "reverse_whole", "reverse_part", "configure_full", "reserve_default", "reserve_ttl",
	"settle_plain", "extend_ttl", "release_plain", "advance_plain"};
#define GOLDENS_COUNT (sizeof goldens / sizeof goldens[0])

/* A producer's own schema: another order, an amount to be promoted, a map and a text to be passed over. */
#define OWN_SCHEMA_ID 7
static const char own_schema[] =
	"{\"type\":\"record\",\"name\":\"Consume\",\"namespace\":\"shop\",\"fields\":["
	"{\"name\":\"tags\",\"type\":{\"type\":\"map\",\"values\":\"string\"}},"
	"{\"name\":\"amount\",\"type\":\"int\"},{\"name\":\"note\",\"type\":[\"string\",\"null\"]},"
	"{\"name\":\"idempotencyKey\",\"type\":\"string\"},{\"name\":\"currencyId\",\"type\":\"string\"},"
	"{\"name\":\"customerId\",\"type\":\"string\"}]}";

/* Lengths up to 63 are one byte. */
static char *put_short(char *room, struct text text)
{
	assert_in_range(text.size, 0, 63);
	*room++ = (char)(text.size * 2);
	memcpy(room, text.data, text.size);
	return room + text.size;
}

static struct text encode_own(const struct event *event)
{
	static const char head[] = {0, 0, 0, 0, OWN_SCHEMA_ID, 2, 2, 'a', 2, 'b', 0, 2 /* an amount of 1 */, 0, 2, 'n'};
	char *bytes = arena_alloc(&prepared, sizeof head + 3 * 64), *end = bytes + sizeof head;

	memcpy(bytes, head, sizeof head);
	end = put_short(end, event->idempotency_key);
	end = put_short(end, event->currency_id);
	end = put_short(end, event->customer_id);
	return (struct text){bytes, (size_t)(end - bytes)};
}

static struct text encode_some_way(const struct event *event, size_t i)
{
	if (event->kind == EVENT_CONSUME && i % 8 == 3)
		return encode_own(event);
	return encode_event(&prepared, event, i / 2 % 2 ? FORMAT_AVRO : FORMAT_JSON);
}

/* One in ten is any of the kinds, the others are consumptions; every hundredth is a duplicate of the one before it, and
 * every thousandth cannot be understood. */
static void prepare_values(void)
{
	struct decoder *decoder = decoder_new();
	struct event events[GOLDENS_COUNT];
	struct defect defect;

	arena_init(&prepared, 1 << 20);
	for (size_t i = 0; i < GOLDENS_COUNT; i++)
		assert_true(decode_event(decoder, &prepared, read_golden(goldens[i]), &events[i], &defect));
	for (size_t i = 0; i < BATCH_RECORDS; i++) {
		struct event event = events[i % 10 == 0 ? i / 10 % GOLDENS_COUNT : i % 2];
		size_t number = i % 100 == 99 ? i - 1 : i;
		event.customer_id = arena_format(&prepared, "customer-%05zu", number * number % CUSTOMERS);
		event.idempotency_key = arena_format(&prepared, "5f3c2a-%zu", number);
		event.created_at = INSTANT_NONE;
		values[i].input = event_class_of(event.kind) == CLASS_USAGE ? INPUT_USAGE : INPUT_COMMANDS;
		values[i].value = i % 1000 == 501 ? TEXT_LITERAL("{\"customerId\":") : encode_some_way(&event, i);
	}
	decoder_free(decoder);
}

/* ---- the three seams ---- */

struct quiet_world {
	struct worker *worker;
	struct input_partition partitions[INPUT_COUNT];
	bool is_told, is_recovered;
	atomic_size_t full_count; /* polls that found no room */
	size_t next;		  /* of the values */
	int64_t offsets[INPUT_COUNT];
	struct arena scratch[LANES]; /* the connections' */
	bool is_spendthrift;
	size_t batches_count, messages_count;
	size_t results[RESULT_KIND_COUNT], kinds[EVENT_KIND_COUNT]; /* of the counted batches */
};

static enum outcome source_poll(void *self, struct batch *batch, size_t records_max, size_t bytes_max, int wait_ms,
	enum source_signal *ret_signal, struct failure *reterr)
{
	struct quiet_world *world = self;

	(void)bytes_max, (void)reterr;
	*ret_signal = SOURCE_NOTHING;
	if (!world->is_told) {
		world->is_told = true;
		*ret_signal = SOURCE_ASSIGNED;
	} else if (batch && !world->is_recovered) {
		world->is_recovered = true;
		*ret_signal = SOURCE_RECOVERED;
	} else if (!batch) {
		atomic_fetch_add(&world->full_count, 1);
		if (wait_ms)
			usleep(100); /* the crews' turn; nothing is waited for */
	}
	if (!batch || !world->is_recovered || *ret_signal != SOURCE_NOTHING)
		return OUTCOME_OK;
	for (size_t i = 0; i < POLL_RECORDS && batch->records_count < records_max; i++) {
		const struct input_value *value = &values[world->next];
		struct record *record = batch_append(batch);
		record->source = (struct source_position){
			.input = value->input,
			.offset = world->offsets[value->input]++,
			.timestamp = AT_MS * INSTANT_MILLISECOND,
		};
		record->value = arena_copy(&batch->arena, value->value);
		batch_cover(batch, value->input, 0, record->source.offset, record->source.offset, 1,
			record->source.timestamp);
		world->next = (world->next + 1) % BATCH_RECORDS;
	}
	return OUTCOME_OK;
}

static int32_t source_partitions_count(void *self)
{
	(void)self;
	return 1;
}

static struct input_partition *source_partitions(void *self, size_t *ret_count)
{
	struct quiet_world *world = self;

	*ret_count = INPUT_COUNT;
	for (int input = 0; input < INPUT_COUNT; input++)
		world->partitions[input] = (struct input_partition){.input = (enum input)input};
	return world->partitions;
}

static enum outcome source_committed(
	void *self, struct input_partition *partitions, size_t count, struct failure *reterr)
{
	(void)self, (void)reterr;
	for (size_t i = 0; i < count; i++)
		partitions[i].has_committed = partitions[i].committed_is_start = true;
	return OUTCOME_OK;
}

static enum outcome source_start(
	void *self, const struct input_partition *partitions, size_t count, struct failure *reterr)
{
	(void)self, (void)partitions, (void)count, (void)reterr;
	return OUTCOME_OK;
}

static int64_t source_reached(void *self, enum input input, int32_t partition)
{
	(void)self, (void)input, (void)partition;
	return -1;
}

static enum outcome source_stop(void *self, struct failure *reterr)
{
	(void)self, (void)reterr;
	return OUTCOME_OK;
}

static void nothing_to_do(void *self)
{
	(void)self;
}

static enum outcome store_claim(void *self, struct input_partition *partitions, size_t count, struct failure *reterr)
{
	(void)self, (void)reterr;
	for (size_t i = 0; i < count; i++) {
		partitions[i].has_row = true;
		partitions[i].epoch = 1;
	}
	return OUTCOME_OK;
}

static enum outcome store_prepare(void *self, const struct batch *batch, struct failure *reterr)
{
	(void)self, (void)batch, (void)reterr;
	return OUTCOME_OK;
}

static enum outcome store_list_parked(void *self, const struct input_partition *partitions, size_t count,
	void (*take)(void *context, struct text customer_id), void *context, struct failure *reterr)
{
	(void)self, (void)partitions, (void)count, (void)take, (void)context, (void)reterr;
	return OUTCOME_OK;
}

static enum outcome store_begin(void *self, size_t lane, const struct batch *batch, struct failure *reterr)
{
	(void)self, (void)lane, (void)batch, (void)reterr;
	return OUTCOME_OK;
}

/* Two small grants, so that events span, and one that never ends. */
static const char open_grants[] =
	"[{\"grantId\":\"a\",\"grantType\":\"PROMOTIONAL\",\"status\":\"ACTIVE\",\"remaining\":\"1\",\"priority\":-1,"
	"\"effectiveAt\":1000000,\"expireAt\":null,\"createdAt\":1000000,\"ordinal\":1},"
	"{\"grantId\":\"b\",\"grantType\":\"PAID\",\"status\":\"ACTIVE\",\"remaining\":\"2.5\",\"priority\":0,"
	"\"effectiveAt\":1000000,\"expireAt\":null,\"createdAt\":1000000,\"ordinal\":2},"
	"{\"grantId\":\"c\",\"grantType\":\"PAID\",\"status\":\"ACTIVE\",\"remaining\":\"1000000\",\"priority\":1,"
	"\"effectiveAt\":1000000,\"expireAt\":4000000000000000,\"createdAt\":1000000,\"ordinal\":3}]";
static const char alerts[] = "{\"posted\":\"100\",\"thresholds\":[{\"amount\":\"1000001\",\"hysteresis\":10,\"state\":"
			     "\"armed\"},{\"amount\":\"0\",\"hysteresis\":0,\"state\":\"armed\"}]}";
static const struct threshold threshold = {.amount = 1000001 * CREDIT_ONE, .hysteresis = 10};
static const struct currency currency = {.named = true, .thresholds = {.items = &threshold, .count = 1}};

static enum outcome store_lock(
	void *self, size_t lane, struct lane_work *work, const struct rules *rules, struct failure *reterr)
{
	(void)self, (void)lane, (void)rules, (void)reterr;
	for (size_t i = 0; i < work->accounts_count; i++) {
		struct account *account = &work->accounts[i];
		account->exists = account->currency_known = true;
		account->currency = &currency;
		account->seq = account->grants_made = 3;
		account->balance = account->granted = 1000003 * CREDIT_ONE + CREDIT_ONE / 2;
		account->clock = AT_MS * INSTANT_MILLISECOND;
		assert_true(account_parse_grants(account, &work->arena, text_of(open_grants)));
		assert_true(alerts_parse(&account->alerts, &work->arena, text_of(alerts)));
	}
	return OUTCOME_OK;
}

/* Some keys were seen before, with this content or with another. */
static enum outcome store_look_up(void *self, size_t lane, struct lane_work *work, struct failure *reterr)
{
	(void)self, (void)lane, (void)reterr;
	for (size_t i = 0; i < work->records_count; i++) {
		struct record *record = work->records[i];
		if (!record->readable || record->event.key_hash.bytes[0] > 15)
			continue;
		struct receipt *receipt = arena_zero_array(&work->arena, 1, sizeof *receipt);
		receipt->customer_id = record->event.customer_id;
		receipt->outcome = RESULT_APPLIED;
		receipt->own_topic = true;
		receipt->source.offset = -1;
		if (record->event.key_hash.bytes[0] < 8)
			receipt->fingerprint = record->event.fingerprint;
		record->key_slot->receipt = receipt;
	}
	return OUTCOME_OK;
}

/* What goes to the database as JSON. */
static enum outcome store_settle(void *self, size_t lane, struct lane_work *work, struct failure *reterr)
{
	struct quiet_world *world = self;
	struct arena *scratch = &world->scratch[lane];

	(void)reterr;
	arena_reset(scratch);
	for (size_t i = 0; i < work->accounts_count; i++) {
		struct account *account = &work->accounts[i];
		if (!account->touched)
			continue;
		(void)account_format_grants(account, scratch);
		(void)account_settings_format(&account->settings, scratch);
		if (account->alerts.count)
			(void)alerts_format(&account->alerts, scratch);
		for (size_t j = 0; j < account->holds_count; j++)
			(void)hold_format_parts(account->holds[j], scratch);
	}
	for (size_t i = 0; i < work->records_count && world->is_spendthrift; i++) {
		char *volatile byte = malloc(1);
		free(byte);
	}
	return OUTCOME_OK;
}

static enum outcome store_commit(void *self, size_t lane, struct failure *reterr)
{
	(void)self, (void)lane, (void)reterr;
	return OUTCOME_OK;
}

static void store_abort(void *self, size_t lane)
{
	(void)self, (void)lane;
	fail_msg("a lane failed");
}

static enum outcome publish_open(void *self, struct failure *reterr)
{
	(void)self, (void)reterr;
	return OUTCOME_OK;
}

/* One batch is here, one with the lanes, one is full: all three are in use, and in turn. */
static void wait_until_all_are_in_use(struct quiet_world *world)
{
	size_t before = atomic_load(&world->full_count);

	for (int tries = 0; atomic_load(&world->full_count) == before; tries++) {
		if (tries > 300000)
			fail_msg("the third batch was not filled in 30 s");
		usleep(100);
	}
}

static enum outcome publish_send(void *self, const struct batch *batch, struct failure *reterr)
{
	struct quiet_world *world = self;

	(void)reterr;
	assert_int_equal(batch->records_count, BATCH_RECORDS);
	world->batches_count++;
	if (world->batches_count <= WARM_UP_BATCHES) {
		wait_until_all_are_in_use(world);
		atomic_store(&is_counting, world->batches_count == WARM_UP_BATCHES);
		return OUTCOME_OK;
	}
	if (world->batches_count > WARM_UP_BATCHES + COUNTED_BATCHES)
		return OUTCOME_OK;
	for (size_t lane = 0; lane < batch->lanes_count; lane++)
		world->messages_count += batch->lanes[lane].messages_count;
	for (size_t i = 0; i < batch->records_count; i++) {
		world->results[batch->records[i].result.kind]++;
		if (batch->records[i].readable && batch->records[i].result.kind == RESULT_APPLIED)
			world->kinds[batch->records[i].event.kind]++;
	}
	if (world->batches_count == WARM_UP_BATCHES + COUNTED_BATCHES) {
		atomic_store(&is_counting, false);
		worker_stop(world->worker);
	}
	return OUTCOME_OK;
}

static void run_worker(struct quiet_world *world)
{
	const struct config config = {
		.database_lanes = LANES,
		.input_topics = {usage_topic, commands_topic},
		.batch_records_max = BATCH_RECORDS,
		.batch_entries_max = 100000,
		.batch_bytes_max = 16 << 20,
		.batch_linger = 60 * INSTANT_SECOND, /* full batches only */
		.encoding = {.format = FORMAT_AVRO, .input_topics = {usage_topic, commands_topic}},
		.rules = {.dedupe_window = 30 * INSTANT_DAY,
			.future_tolerance = 300 * INSTANT_SECOND,
			.grants_open_max = 1000,
			.holds_open_max = 1000},
	};
	const struct source source = {
		.self = world,
		.poll = source_poll,
		.partitions = source_partitions,
		.partitions_count = source_partitions_count,
		.committed = source_committed,
		.start = source_start,
		.reached = source_reached,
		.stop = source_stop,
		.wake = nothing_to_do,
	};
	const struct store store = {
		.self = world,
		.claim = store_claim,
		.create_positions = store_claim,
		.prepare = store_prepare,
		.list_parked = store_list_parked,
		.begin = store_begin,
		.lock = store_lock,
		.look_up = store_look_up,
		.settle = store_settle,
		.commit = store_commit,
		.abort = store_abort,
		.interrupt = nothing_to_do,
	};
	const struct publish publish = {.self = world, .open = publish_open, .send = publish_send};
	struct failure failure = {0};

	atomic_store(&taken_count, 0);
	atomic_store(&taken_by_qsort_count, 0);
	for (size_t i = 0; i < LANES; i++)
		arena_init(&world->scratch[i], 1 << 20);
	struct decoder *decoder = decoder_new();
	char why[DECODER_WHY_SIZE];
	assert_true(
		decoder_learn(decoder, (struct schema_ref){SCHEMA_REF_ID, OWN_SCHEMA_ID}, text_of(own_schema), why));
	assert_string_equal(why, "");
	world->worker = worker_new(&config, decoder, &source, &store, &publish);
	enum outcome outcome = worker_run(world->worker, &failure);
	worker_free(world->worker);
	decoder_free(decoder);
	for (size_t i = 0; i < LANES; i++)
		arena_release(&world->scratch[i]);
	if (outcome != OUTCOME_OK)
		fail_msg("%s: %s", failure.where, failure.text);
	assert_true(world->batches_count >= WARM_UP_BATCHES + COUNTED_BATCHES);
}

/* ---- tests ---- */

static void an_event_takes_no_memory_from_the_heap(void **state)
{
	struct quiet_world world = {0};

	(void)state;
	run_worker(&world);
	print_message("%d batches of %d: %zu allocations, %zu more by qsort, %zu messages\n", COUNTED_BATCHES,
		BATCH_RECORDS, (size_t)taken_count, (size_t)taken_by_qsort_count, world.messages_count);
	assert_int_equal(taken_count, 0);
	assert_in_range(taken_by_qsort_count, 0, SORTS_MAX * LANES * (COUNTED_BATCHES + 2));

	/* It did what events ask for. */
	assert_true(world.messages_count > (size_t)BATCH_RECORDS * COUNTED_BATCHES);
	assert_int_equal(world.results[RESULT_DEAD_LETTERED], 10 * COUNTED_BATCHES);
	assert_true(world.results[RESULT_APPLIED] > (size_t)BATCH_RECORDS * COUNTED_BATCHES * 8 / 10);
	assert_true(world.results[RESULT_DUPLICATE] > 0 && world.results[RESULT_CONFLICT] > 0);
	assert_true(world.results[RESULT_REJECTED] > 0);
	assert_true(world.kinds[EVENT_CONSUME] > 0 && world.kinds[EVENT_GRANT] > 0 && world.kinds[EVENT_RESERVE] > 0);
	assert_true(world.kinds[EVENT_CONFIGURE] > 0);
}

static void an_allocation_an_event_is_seen(void **state)
{
	struct quiet_world world = {.is_spendthrift = true};

	(void)state;
	must_name = false;
	run_worker(&world);
	assert_in_range(taken_count, BATCH_RECORDS * (COUNTED_BATCHES - 2), SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_takes_no_memory_from_the_heap),
		cmocka_unit_test(an_allocation_an_event_is_seen),
	};
	void *frames[1];

	real_qsort = (sort_function *)dlsym(RTLD_NEXT, "qsort");
	assert_non_null(real_qsort);
	(void)backtrace(frames, 1); /* loads what it needs */
	install_counter();
	prepare_values();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_release(&prepared);
	return failed;
}
