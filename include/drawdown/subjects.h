/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The subjects of Avro outputs in the schema registry, for `drawdown topics create`: TopicRecordNameStrategy, and what
 * later schemas of a subject must be compatible with.
 */
#ifndef DRAWDOWN_SUBJECTS_H
#define DRAWDOWN_SUBJECTS_H

#include "drawdown/library.h"

#define SUBJECTS_COUNT OUTPUT_DEAD_LETTERS

enum subject_state {
	SUBJECT_MISSING,    /* dry run: it would be registered */
	SUBJECT_REGISTERED, /* now */
	SUBJECT_AS_PLANNED, /* it was already */
};

struct subject_report {
	char subject[SUBJECT_SIZE];
	enum subject_state state;
	int32_t id;		   /* 0: missing */
	const char *compatibility; /* that is demanded now; NULL: nothing was changed */
};

/* Are there any: is there a registry, and are outputs Avro? */
bool subjects_are_wanted(const struct config *config);

/* Register each schema that is missing, and demand the strictest compatibility that the subject's schemas have among
 * themselves: FULL_TRANSITIVE, unless older ones stand in its way. With `is_dry_run` nothing is changed. FATAL where a
 * schema is compatible with what is there in no way at all. */
enum outcome subjects_bring_up(const struct config *config, bool is_dry_run,
	struct subject_report reports[SUBJECTS_COUNT], struct failure *reterr);

#endif
