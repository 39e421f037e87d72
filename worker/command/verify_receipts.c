/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receipts and entries are written together and never changed, so both directions need no snapshot: from the
 * entries, each run that one record caused has a receipt with just that range; from the receipts, each range is
 * there and sums to what the receipt says. Receipts that were dropped are not asked for.
 */
#include "sql_files.h"
#include "verify.h"

#define PAGE_RECEIPTS 5000

static const struct postgres_statement read_receipts = {
	"verify.receipts",
	"verify_receipts",
	sql_verify_receipts,
	{POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_UUID, POSTGRES_TIMESTAMPTZ, POSTGRES_INT2, POSTGRES_INT2,
		POSTGRES_INT2, POSTGRES_TEXT, POSTGRES_NUMERIC, POSTGRES_INT8, POSTGRES_INT8, POSTGRES_INT8,
		POSTGRES_INT8, POSTGRES_INT8, POSTGRES_INT8, POSTGRES_NUMERIC},
};
#define RANGE_COLUMNS                                                                                            \
	POSTGRES_TEXT, POSTGRES_TEXT, POSTGRES_INT8, POSTGRES_INT8, POSTGRES_TEXT, POSTGRES_INT4, POSTGRES_INT8, \
		POSTGRES_TIMESTAMPTZ
static const struct postgres_statement find_by_keys = {
	"verify.runs", "verify_receipts_of_keys", sql_verify_receipts_of_keys, {POSTGRES_INT8, RANGE_COLUMNS}};
static const struct postgres_statement find_by_sources = {
	"verify.runs", "verify_receipts_of_sources", sql_verify_receipts_of_sources, {POSTGRES_TEXT, RANGE_COLUMNS}};
static const struct postgres_statement read_receipts_from = {
	"verify.runs", "verify_receipts_from", sql_verify_receipts_from, {POSTGRES_TIMESTAMPTZ}};

/* A receipt as far as its run is concerned; texts point into the result. */
struct range {
	struct text currency_id, resource_id;
	int64_t first, last;
	struct text source_topic;
	int32_t source_partition;
	int64_t source_offset;
	instant_t source_timestamp;
};

static struct range read_range(struct postgres_row *row)
{
	struct range range;

	range.currency_id = postgres_get_text(row);
	range.resource_id = postgres_get_resource(row);
	range.first = postgres_get_int64(row);
	range.last = postgres_get_int64(row);
	range.source_topic = postgres_get_text(row);
	range.source_partition = postgres_get_int32(row);
	range.source_offset = postgres_get_int64(row);
	range.source_timestamp = postgres_get_instant(row);
	return range;
}

static bool is_of_source(const struct range *range, const struct entry_run *run)
{
	return range->source_offset == run->source_offset && range->source_timestamp == run->source_timestamp &&
	       range->source_partition == run->source_partition && text_equal(range->source_topic, run->source_topic);
}

/* What was found of a run. A key that was used again after its window has two receipts: that of the source counts. */
struct run_answer {
	bool is_found;
	bool is_of_source;
	bool is_of_account;
	int64_t first, last;
};

static void take_range(const struct range *range, const struct entry_run *run, struct run_answer *answer)
{
	if (answer->is_of_source)
		return;
	*answer = (struct run_answer){
		.is_found = true,
		.is_of_source = is_of_source(range, run),
		.is_of_account = text_equal(range->currency_id, run->account.currency_id) &&
				 text_equal(range->resource_id, run->account.resource_id),
		.first = range->first,
		.last = range->last,
	};
}

/* By the key: that of its own entries, or the one that the sweeper's advance to this time has. */
static enum outcome find_of_keys(struct verify *verify, const struct entry_run *runs, size_t count,
	struct run_answer *answers, struct failure *reterr)
{
	struct arena *arena = &verify->postgres.scratch;
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, &verify->postgres);
	struct postgres_bytes *customers = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *hashes = postgres_add_array(&params, POSTGRES_UUID, count);
	for (size_t i = 0; i < count; i++) {
		const struct entry_run *run = &runs[i];
		const struct account_key *account = &run->account;
		bool has_key = run->idempotency_key.data != NULL;
		struct text key = has_key ? run->idempotency_key
					  : event_advance_key(arena, account->currency_id, account->resource_id,
						    run->recorded_at);
		postgres_put_text(customers, account->customer_id);
		postgres_put_hash(
			hashes, event_key_hash(account->customer_id, has_key ? run->event_class : CLASS_COMMAND, key));
	}
	enum outcome outcome = postgres_query(&verify->postgres, &find_by_keys, &params, &result, reterr);
	for (int i = 0; outcome == OUTCOME_OK && i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		size_t place = (size_t)postgres_get_int64(&row) - 1;
		const struct range range = read_range(&row);
		take_range(&range, &runs[place], &answers[place]);
	}
	return outcome;
}

/* Those of the advance that no key leads to: some other record was the occasion. */
static enum outcome find_of_sources(struct verify *verify, const struct entry_run *runs, size_t count,
	struct run_answer *answers, struct failure *reterr)
{
	struct postgres_params params;
	POSTGRES_RESULT result = NULL;

	postgres_params_init(&params, &verify->postgres);
	struct postgres_bytes *customers = postgres_add_array(&params, POSTGRES_TEXT, count);
	struct postgres_bytes *offsets = postgres_add_array(&params, POSTGRES_INT8, count);
	struct postgres_bytes *timestamps = postgres_add_array(&params, POSTGRES_TIMESTAMPTZ, count);
	for (size_t i = 0; i < count; i++) {
		postgres_put_text(customers, runs[i].account.customer_id);
		postgres_put_int64(offsets, runs[i].source_offset);
		postgres_put_instant(timestamps, runs[i].source_timestamp);
	}
	enum outcome outcome = postgres_query(&verify->postgres, &find_by_sources, &params, &result, reterr);
	for (int i = 0; outcome == OUTCOME_OK && i < PQntuples(result); i++) {
		struct postgres_row row = {.result = result, .row = i};
		struct text customer_id = postgres_get_text(&row);
		const struct range range = read_range(&row);
		for (size_t j = 0; j < count; j++)
			if (is_of_source(&range, &runs[j]) && text_equal(runs[j].account.customer_id, customer_id))
				take_range(&range, &runs[j], &answers[j]);
	}
	return outcome;
}

/* Asked for behind the receipts: what is dropped meanwhile is not missed. */
static enum outcome update_receipts_from(struct verify *verify, struct failure *reterr)
{
	POSTGRES_RESULT result = NULL;

	enum outcome outcome = postgres_query(&verify->postgres, &read_receipts_from, NULL, &result, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	struct postgres_row row = {.result = result};
	verify->report.receipts_from = postgres_get_instant(&row);
	return OUTCOME_OK;
}

static bool is_dropped(const struct verify_report *report, const struct entry_run *run)
{
	return report->receipts_from != INSTANT_NONE && run->source_timestamp < report->receipts_from;
}

static void judge(struct verify_report *report, const struct entry_run *run, const struct run_answer *answer)
{
	struct text key = run->idempotency_key.data ? run->idempotency_key : TEXT_LITERAL("of the advance in time");
	char expected[64], found[64];

	if (is_dropped(report, run))
		return;
	(void)snprintf(expected, sizeof expected, "%lld to %lld", (long long)run->first, (long long)run->last);
	if (!answer->is_found || !answer->is_of_account) {
		report_difference(report, &run->account, TEXT_LITERAL("there"), TEXT_LITERAL("missing"),
			"receipt of entries %s (%.*s)", expected, TEXT_ARGS(key));
	} else if (!answer->is_of_source) {
		report_difference(report, &run->account, TEXT_LITERAL("that of its entries"), TEXT_NULL,
			"receipt of entries %s (%.*s): source", expected, TEXT_ARGS(key));
	} else if (answer->first != run->first || answer->last != run->last) {
		(void)snprintf(found, sizeof found, "%lld to %lld", (long long)answer->first, (long long)answer->last);
		report_difference(report, &run->account, text_of(expected), text_of(found),
			"receipt of entries %s (%.*s): range", expected, TEXT_ARGS(key));
	}
}

/* For verify_late_runs, with texts of its own. */
static void keep_for_later(struct verify *verify, const struct entry_run *run)
{
	struct arena *arena = &verify->late_arena;
	struct entry_run *late = &verify->late_runs[verify->late_count++];

	*late = *run;
	late->account.customer_id = arena_copy(arena, run->account.customer_id);
	late->account.currency_id = arena_copy(arena, run->account.currency_id);
	late->account.resource_id = arena_copy(arena, run->account.resource_id);
	late->source_topic = arena_copy(arena, run->source_topic);
}

enum outcome verify_late_runs(struct verify *verify, struct failure *reterr)
{
	struct arena *arena = &verify->postgres.scratch;
	size_t count = verify->late_count;

	if (count == 0)
		return OUTCOME_OK;
	arena_reset(arena);
	struct run_answer *answers = arena_zero_array(arena, count, sizeof *answers);
	enum outcome outcome = find_of_sources(verify, verify->late_runs, count, answers, reterr);
	if (outcome == OUTCOME_OK)
		outcome = update_receipts_from(verify, reterr);
	for (size_t i = 0; outcome == OUTCOME_OK && i < count; i++)
		judge(&verify->report, &verify->late_runs[i], &answers[i]);
	verify->late_count = 0;
	arena_reset(&verify->late_arena);
	return outcome;
}

enum outcome verify_runs(struct verify *verify, const struct entry_run *runs, size_t runs_count, struct failure *reterr)
{
	struct arena answers_arena;
	enum outcome outcome;

	if (runs_count == 0)
		return OUTCOME_OK;
	arena_reset(&verify->postgres.scratch);
	arena_init(&answers_arena, 1 << 16);
	struct run_answer *answers = arena_zero_array(&answers_arena, runs_count, sizeof *answers);
	outcome = find_of_keys(verify, runs, runs_count, answers, reterr);
	if (outcome == OUTCOME_OK)
		outcome = update_receipts_from(verify, reterr);
	for (size_t i = 0; outcome == OUTCOME_OK && i < runs_count; i++) {
		bool is_late = !runs[i].idempotency_key.data && !answers[i].is_of_source;
		if (!is_late)
			judge(&verify->report, &runs[i], &answers[i]);
		else if (!is_dropped(&verify->report, &runs[i]))
			keep_for_later(verify, &runs[i]);
		if (verify->late_count == VERIFY_LATE_RUNS_MAX)
			outcome = verify_late_runs(verify, reterr);
	}
	arena_release(&answers_arena);
	return outcome;
}

/* Texts point into the page. */
struct receipt_row {
	struct account_key account;
	struct hash128 key_hash;
	instant_t source_timestamp;
	enum event_class event_class;
	enum event_kind kind;
	enum result_kind outcome;
	struct text idempotency_key;
	credit_t applied_amount;
	int64_t range_first, range_last, first_seq, last_seq; /* 0: none */
	int64_t entries_count, strange_count;
	credit_t own_sum;
	bool is_corrupt;
};

static struct receipt_row read_receipt(const PGresult *page, int index)
{
	struct postgres_row row = {.result = page, .row = index};
	struct receipt_row receipt;

	receipt.account = verify_get_account(&row);
	receipt.key_hash = postgres_get_hash(&row);
	receipt.source_timestamp = postgres_get_instant(&row);
	receipt.event_class = (enum event_class)postgres_get_int16(&row);
	receipt.kind = (enum event_kind)postgres_get_int16(&row);
	receipt.outcome = (enum result_kind)postgres_get_int16(&row);
	receipt.idempotency_key = postgres_get_text(&row);
	receipt.applied_amount = postgres_get_credit(&row);
	receipt.range_first = postgres_get_int64(&row);
	receipt.range_last = postgres_get_int64(&row);
	receipt.first_seq = postgres_get_int64(&row);
	receipt.last_seq = postgres_get_int64(&row);
	receipt.entries_count = postgres_get_int64(&row);
	receipt.strange_count = postgres_get_int64(&row);
	receipt.own_sum = postgres_get_credit(&row);
	receipt.is_corrupt = row.corrupt;
	return receipt;
}

/* What its own entries must sum to (RULES.md 11). A grant that starts later is applied and posted by the advance in
 * time; what a hold reserves moves nothing. */
static credit_t own_sum_of(const struct receipt_row *receipt)
{
	switch (receipt->kind) {
	case EVENT_CONSUME:
	case EVENT_VOID:
	case EVENT_SETTLE:
		return -receipt->applied_amount;
	case EVENT_GRANT:
		return receipt->first_seq ? receipt->applied_amount : 0;
	case EVENT_RESERVE:
		return 0;
	case EVENT_CONFIRM_PAYMENT:
	case EVENT_REVERSE:
	case EVENT_CONFIGURE:
	case EVENT_EXTEND:
	case EVENT_RELEASE:
	case EVENT_ADVANCE:
	case EVENT_KIND_COUNT:
		break;
	}
	return receipt->applied_amount;
}

static void check_receipt(struct verify_report *report, const struct receipt_row *receipt)
{
	const struct account_key *account = &receipt->account;
	int64_t length = receipt->range_first ? receipt->range_last - receipt->range_first + 1 : 0;
	const struct hash128 hash =
		event_key_hash(account->customer_id, receipt->event_class, receipt->idempotency_key);

	if (receipt->is_corrupt) {
		report_difference(report, account, TEXT_LITERAL("numeric(38,12)"), TEXT_NULL, "receipt %.*s: an amount",
			TEXT_ARGS(receipt->idempotency_key));
		return;
	}
	if (!hash128_equal(hash, receipt->key_hash))
		report_difference(report, account, TEXT_LITERAL("that of its key"), TEXT_NULL, "receipt %.*s: key_hash",
			TEXT_ARGS(receipt->idempotency_key));
	if (receipt->entries_count != length)
		report_integers(report, account, length, receipt->entries_count,
			"receipt %.*s: entries in its range, %lld to %lld", TEXT_ARGS(receipt->idempotency_key),
			(long long)receipt->range_first, (long long)receipt->range_last);
	if (receipt->strange_count)
		report_integers(report, account, 0, receipt->strange_count,
			"receipt %.*s: entries in its range that are not what it says",
			TEXT_ARGS(receipt->idempotency_key));
	if (receipt->own_sum != own_sum_of(receipt))
		report_credits(report, account, receipt->own_sum, own_sum_of(receipt),
			"receipt %.*s: applied amount, by its entries", TEXT_ARGS(receipt->idempotency_key));
}

/* A key counts for the length of the window. */
static void check_uses(struct verify_report *report, const struct receipt_row *earlier,
	const struct receipt_row *receipt, int64_t window)
{
	if (earlier->key_hash.bytes[0] == receipt->key_hash.bytes[0] &&
		hash128_equal(earlier->key_hash, receipt->key_hash) &&
		text_equal(earlier->account.customer_id, receipt->account.customer_id) &&
		receipt->source_timestamp - earlier->source_timestamp < window)
		report_difference(report, &receipt->account, TEXT_LITERAL("one within the dedupe window"),
			TEXT_LITERAL("two"), "receipt %.*s", TEXT_ARGS(receipt->idempotency_key));
}

static enum outcome read_page(
	struct verify *verify, const struct receipt_row *after, PGresult **ret_page, struct failure *reterr)
{
	struct postgres *postgres = &verify->postgres;
	struct postgres_params params;

	arena_reset(&postgres->scratch);
	postgres_params_init(&params, postgres);
	postgres_put_hash(postgres_add_value(&params), after->key_hash);
	postgres_put_instant(postgres_add_value(&params), after->source_timestamp);
	postgres_put_text(postgres_add_value(&params), text_of(verify->customer));
	postgres_put_int64(postgres_add_value(&params), PAGE_RECEIPTS);
	return postgres_query(postgres, &read_receipts, &params, ret_page, reterr);
}

enum outcome verify_receipts(struct verify *verify, struct failure *reterr)
{
	struct verify_report *report = &verify->report;
	struct receipt_row before = {.source_timestamp = INSTANT_MIN};
	PGresult *page = NULL; /* the one before holds the texts of `before` */
	enum outcome outcome = OUTCOME_OK;
	int count = PAGE_RECEIPTS;

	while (outcome == OUTCOME_OK && count == PAGE_RECEIPTS) {
		PGresult *next = NULL;
		outcome = read_page(verify, &before, &next, reterr);
		if (outcome != OUTCOME_OK)
			break;
		count = PQntuples(next);
		for (int i = 0; i < count; i++) {
			const struct receipt_row receipt = read_receipt(next, i);
			check_receipt(report, &receipt);
			check_uses(report, &before, &receipt, verify->config->rules.dedupe_window);
			before = receipt;
		}
		PQclear(page);
		page = next;
		report->receipts += count;
		progress_update(&verify->progress, (uint64_t)report->receipts, NULL);
	}
	PQclear(page);
	return outcome == OUTCOME_OK ? update_receipts_from(verify, reterr) : outcome;
}
