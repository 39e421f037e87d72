/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/outcome.h"

#include <stdarg.h>
#include <stdio.h>

enum outcome fail(struct failure *reterr, enum outcome outcome, const char *where, const char *format, ...)
{
	if (!reterr)
		return outcome;
	reterr->outcome = outcome;
	reterr->exit_code = EXIT_FAILED;
	reterr->may_be_customers = false;
	reterr->where = where;
	reterr->hint[0] = '\0';
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(reterr->text, sizeof reterr->text, format, arguments);
	va_end(arguments);
	return outcome;
}

void fail_hint(struct failure *reterr, const char *format, ...)
{
	if (!reterr)
		return;
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(reterr->hint, sizeof reterr->hint, format, arguments);
	va_end(arguments);
}

const char *outcome_name(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_OK:
		return "ok";
	case OUTCOME_RETRY:
		return "retry";
	case OUTCOME_REWIND:
		return "rewind";
	case OUTCOME_REJECT:
		return "reject";
	case OUTCOME_FATAL:
		return "fatal";
	}
	return "unknown";
}
