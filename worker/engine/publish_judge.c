/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/publish_parts.h"

#include "drawdown/instant.h"
#include "drawdown/log.h"

#define DESTROY_TIMEOUT (5 * INSTANT_SECOND)
#define REPORTS_POLL_MS 20
#define FENCED_SUCCESSORS_MAX 5

void publish_drop_handle(struct kafka_publish *publish)
{
	publish_handle_free(publish->handle, DESTROY_TIMEOUT);
	publish->handle = NULL;
}

enum outcome publish_call(struct kafka_publish *publish, enum handle_call what, int64_t retry_for,
	rd_kafka_error_t **ret_error, struct failure *reterr)
{
	static const char *const names[] = {
		[HANDLE_INIT] = "init_transactions",
		[HANDLE_SEND_OFFSETS] = "send_offsets_to_transaction",
		[HANDLE_COMMIT] = "commit_transaction",
		[HANDLE_ABORT] = "abort_transaction",
	};
	int64_t timeout = publish->config->watchdog_timeout;

	if (publish_handle_call(publish->handle, what, retry_for, timeout, ret_error))
		return OUTCOME_OK;
	publish->handle = NULL;
	publish->is_successor = true;
	return fail(reterr, OUTCOME_RETRY, "publish.watchdog",
		"left a producer behind: %s did not come back within %lld ms", names[what],
		(long long)(timeout / INSTANT_MILLISECOND));
}

static enum outcome fenced(const struct kafka_publish *publish, struct failure *reterr)
{
	fail(reterr, OUTCOME_FATAL, "publish.fenced", "another process publishes as %s", publish->transactional_id);
	fail_hint(reterr,
		"give every worker a replica.id of its own (this one has %s), and end a process before another "
		"takes its place",
		publish->config->replica_id);
	if (reterr)
		reterr->exit_code = EXIT_FENCED;
	return OUTCOME_FATAL;
}

/* The broker fences whom it gave up waiting for, too, and a request of a lost predecessor that arrives late does;
 * only a producer that is fenced with neither as an excuse has a twin. */
static enum outcome judge_fence(struct kafka_publish *publish, struct failure *reterr)
{
	int64_t lasted = monotonic_now() - publish->begun_at;

	if (lasted >= publish->handle_timeout)
		return fail(reterr, OUTCOME_RETRY, "publish.timeout",
			"the broker ended a transaction that had lasted %lld ms of %lld",
			(long long)(lasted / INSTANT_MILLISECOND),
			(long long)(publish->handle_timeout / INSTANT_MILLISECOND));
	bool has_excuse = publish->is_successor || publish_handles_left() > 0;
	if (has_excuse && ++publish->fenced_count <= FENCED_SUCCESSORS_MAX)
		return fail(reterr, OUTCOME_RETRY, "publish.fenced",
			"a producer was fenced right after it replaced a lost one");
	return fenced(publish, reterr);
}

enum outcome publish_too_large(const struct kafka_publish *publish, struct delivery delivery, struct failure *reterr)
{
	const char *topic = publish->config->output_topics[delivery.output];

	fail(reterr, OUTCOME_FATAL, "publish.size", "an output of %zu bytes is more than topic %s takes",
		delivery.message_size, topic);
	fail_hint(reterr,
		"raise max.message.bytes of %s (and message.max.bytes of the brokers, if it is lower) above "
		"that, with some room",
		topic);
	return OUTCOME_FATAL;
}

enum outcome publish_judge(struct kafka_publish *publish, const char *where, rd_kafka_resp_err_t code, const char *text,
	struct failure *reterr)
{
	char why[256];
	rd_kafka_t *kafka = publish_handle_kafka(publish->handle);
	rd_kafka_poll(kafka, REPORTS_POLL_MS); /* the reports of messages that were not taken */
	struct delivery delivery = publish_handle_delivery(publish->handle);
	rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(kafka, why, sizeof why);

	if (fatal) {
		code = fatal;
		text = why;
	}
	if (delivery.code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
		return publish_too_large(publish, delivery, reterr);
	if (kafka_is_denied(delivery.code))
		return kafka_fail(reterr, delivery.code, where, "could not publish to %s",
			publish->config->output_topics[delivery.output]);
	switch ((int)code) {
	case RD_KAFKA_RESP_ERR__FENCED:
	case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
	case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
		return judge_fence(publish, reterr);
	case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID: /* by whom, the source finds out */
	case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
	case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
	case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
		return fail(reterr, OUTCOME_REWIND, where, "the group does not know this member any more: %s", text);
	case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
		fail(reterr, OUTCOME_FATAL, where, "the broker does not allow a transaction timeout of %lld ms",
			(long long)(publish->handle_timeout / INSTANT_MILLISECOND));
		fail_hint(reterr, "its transaction.max.timeout.ms bounds publish.transaction.timeout and "
				  "publish.transaction.timeout.max");
		if (reterr)
			reterr->exit_code = EXIT_USAGE;
		return OUTCOME_FATAL;
	default:
		if (kafka_is_denied(code))
			return kafka_fail(reterr, code, where, "could not publish: %s", text);
		return fail(reterr, OUTCOME_RETRY, where, "lost the producer: %s: %s", rd_kafka_err2name(code), text);
	}
}

enum outcome publish_give_up(struct kafka_publish *publish, enum outcome outcome)
{
	rd_kafka_error_t *error = NULL;

	if (!publish->handle)
		return outcome;
	if (outcome == OUTCOME_REWIND) {
		struct failure failure;
		if (publish_call(publish, HANDLE_ABORT, publish->handle_timeout, &error, &failure) != OUTCOME_OK) {
			log_failure(LOG_WARNING, &failure);
			return outcome;
		}
		if (!error)
			return outcome;
		log_line(LOG_WARNING, "publish.abort", "could not abort a transaction: %s",
			rd_kafka_error_string(error));
		rd_kafka_error_destroy(error);
	}
	publish->is_successor = true;
	publish_drop_handle(publish);
	return outcome;
}

enum outcome publish_fail(struct kafka_publish *publish, const char *where, rd_kafka_resp_err_t code, const char *text,
	struct failure *reterr)
{
	enum outcome outcome = publish_judge(publish, where, code, text, reterr);

	if (outcome == OUTCOME_RETRY) {
		publish->transaction_timeout *= 2;
		if (publish->transaction_timeout > publish->config->transaction_timeout_max)
			publish->transaction_timeout = publish->config->transaction_timeout_max;
	}
	return publish_give_up(publish, outcome);
}

enum outcome publish_step(
	struct kafka_publish *publish, const char *where, enum handle_call what, struct failure *reterr)
{
	rd_kafka_error_t *error;
	int64_t left = publish->begun_at + publish->handle_timeout - monotonic_now();
	enum outcome outcome = publish_call(publish, what, left > 0 ? left : 0, &error, reterr);

	/* The transaction failed meanwhile, and only the next call is told why. */
	if (outcome == OUTCOME_OK && error && what == HANDLE_SEND_OFFSETS &&
		rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__STATE) {
		rd_kafka_error_destroy(error);
		outcome = publish_call(publish, what, left > 0 ? left : 0, &error, reterr);
	}
	if (outcome != OUTCOME_OK || !error)
		return outcome;
	outcome = publish_fail(publish, where, rd_kafka_error_code(error), rd_kafka_error_string(error), reterr);
	rd_kafka_error_destroy(error);
	return outcome;
}
