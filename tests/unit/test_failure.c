/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a failure says what, where and what to do, and an earlier one leaves nothing behind.
 * Method: fill, fill again, overfill.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* cmocka has one too */

#include "drawdown/outcome.h"

static void a_failure_is_described_once(void **state)
{
	(void)state;
	struct failure failure;
	assert_int_equal(fail(&failure, OUTCOME_RETRY, "store.commit", "could not commit %d events", 7), OUTCOME_RETRY);
	fail_hint(&failure, "look at %s", "the log");
	assert_int_equal(failure.outcome, OUTCOME_RETRY);
	assert_int_equal(failure.exit_code, EXIT_FAILED);
	assert_string_equal(failure.where, "store.commit");
	assert_string_equal(failure.text, "could not commit 7 events");
	assert_string_equal(failure.hint, "look at the log");
	assert_int_equal(fail(&failure, OUTCOME_FATAL, "publish.open", "fenced"), OUTCOME_FATAL);
	assert_string_equal(failure.text, "fenced");
	assert_string_equal(failure.hint, "");
}

static void nobody_needs_to_listen(void **state)
{
	(void)state;
	assert_int_equal(fail(NULL, OUTCOME_REWIND, "source.poll", "lost"), OUTCOME_REWIND);
	fail_hint(NULL, "nothing");
}

static void long_texts_are_cut(void **state)
{
	(void)state;
	struct failure failure;
	(void)fail(&failure, OUTCOME_REJECT, "test", "%5000d", 1);
	fail_hint(&failure, "%5000d", 1);
	assert_int_equal(strlen(failure.text), sizeof failure.text - 1);
	assert_int_equal(strlen(failure.hint), sizeof failure.hint - 1);
}

static void outcomes_have_names(void **state)
{
	(void)state;
	assert_string_equal(outcome_name(OUTCOME_OK), "ok");
	assert_string_equal(outcome_name(OUTCOME_RETRY), "retry");
	assert_string_equal(outcome_name(OUTCOME_REWIND), "rewind");
	assert_string_equal(outcome_name(OUTCOME_REJECT), "reject");
	assert_string_equal(outcome_name(OUTCOME_FATAL), "fatal");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_is_described_once),
		cmocka_unit_test(nobody_needs_to_listen),
		cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(outcomes_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
