/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call came to, and why.
 *
 * The class of an outcome is the action that it asks for; only worker.c and
 * the subcommands act on it. A function that can fail returns the class and
 * describes the failure in `struct failure`, once, where it is known best.
 * Bugs are not outcomes: they abort.
 */
#ifndef DRAWDOWN_OUTCOME_H
#define DRAWDOWN_OUTCOME_H

#include <stdbool.h>

enum outcome {
	OUTCOME_OK = 0,
	OUTCOME_RETRY,	/* nothing is wrong with the work: do the same again */
	OUTCOME_REWIND, /* drop what is in flight, read positions again, go on from there */
	OUTCOME_REJECT, /* the input or the request is at fault: say so, go on */
	OUTCOME_FATAL,	/* a human must act: stop the process */
};

/* Exit codes of every subcommand; `drawdown --help` prints this table. */
enum exit_code {
	EXIT_OK = 0,	     /* done */
	EXIT_USAGE = 1,	     /* wrong option, argument or configuration; nothing was touched */
	EXIT_FAILED = 2,     /* a server refused or could not be reached */
	EXIT_DIFFERENCE = 3, /* a check found a difference, or what was requested is not granted */
	EXIT_REJECTED = 4,   /* the input was rejected, in conflict, or dead-lettered */
	EXIT_TIMEOUT = 5,    /* no outcome in time; asking again with the same key is safe */
	EXIT_FENCED = 6,     /* another process holds our identity or partitions */
	EXIT_POSITIONS = 7,  /* positions in Kafka and PostgreSQL contradict each other */
	EXIT_STUCK = 8,	     /* the watchdog gave up on Kafka; a restart is the remedy */
	EXIT_SCHEMA = 9,     /* the database's schema is missing, or not of this program's version */
	EXIT_TOPICS = 10,    /* a topic is missing */
	EXIT_WINDOW = 11,    /* the dedupe window is shorter than inputs can come again */
	EXIT_RIGHTS = 12,    /* Kafka or PostgreSQL refuses our credentials, or what they may do */
};

struct failure {
	enum outcome outcome;
	enum exit_code exit_code; /* for OUTCOME_FATAL; EXIT_FAILED unless set */
	bool may_be_customers;	  /* one record or one account can be the cause: see parking.h */
	const char *where;	  /* static: "store.commit" */
	char text[512];		  /* fact first, no full stop */
	char hint[256];		  /* what to do, or empty */
};

/*
 * Fill `reterr` (may be NULL) and return `outcome`:
 *     return fail(reterr, OUTCOME_RETRY, "store.commit", "could not commit: %s", why);
 */
__attribute__((format(printf, 4, 5))) enum outcome fail(
	struct failure *reterr, enum outcome outcome, const char *where, const char *format, ...);

/* Add what to do about it. */
__attribute__((format(printf, 2, 3))) void fail_hint(struct failure *reterr, const char *format, ...);

/* "ok", "retry", "rewind", "reject", "fatal". */
const char *outcome_name(enum outcome outcome);

#endif
