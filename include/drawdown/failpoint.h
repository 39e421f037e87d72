/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named places where a test makes a fault happen, exactly there. They exist in builds with -DDRAWDOWN_FAILPOINTS=ON
 * (preset failpoints) only; in every other FAILPOINT is nothing. Not for unit tests: those have fakes of the seams.
 *
 * $FAILPOINT_FILE names a file with a fault a line, each waiting until the one before it has happened:
 *     NAME crash [SKIP]          kill -9 of itself
 *     NAME hang SECONDS [SKIP]   the thread that comes by stops for so long; 0: until it is killed
 *     NAME error [SKIP]          the place fails with the class that its contract allows
 *     NAME lost PORT [SKIP]      every connection of the process to that TCP port is shut down
 * SKIP passes are let through first. A fault happens once: right before it its line is taken out of the file; with the
 * last one the file is renamed to FILE.fired. Put a file there by rename, while none is there: it is read at any time.
 * A line that cannot be understood aborts the process.
 */
#ifndef DRAWDOWN_FAILPOINT_H
#define DRAWDOWN_FAILPOINT_H

#include "drawdown/outcome.h"

/* In the order of the data's way. */
/* clang-format off */
#define FAILPOINTS(X) \
	X(AFTER_CLAIM)         /* the partitions' rows have our epoch, positions are not asked yet */       \
	X(AFTER_START)         /* a new partition's start is committed in Kafka, its row is not made */     \
	X(AFTER_RECOVERY_READ) /* all of [committed, recorded) is in one batch, nothing is done with it */  \
	X(AFTER_POLL)          /* records are in the batch, not decoded */                                  \
	X(AFTER_DECODE)        /* the batch goes to the lanes */                                            \
	X(AFTER_BEGIN)         /* a lane has moved its `recorded`, in an open transaction */                \
	X(AFTER_LOCK)          /* and holds its accounts */                                                 \
	X(AFTER_LOOK_UP)       /* and has read the receipts */                                              \
	X(AFTER_ENTRIES)       /* and has written ledger entries */                                         \
	X(AFTER_RECEIPTS)      /* and receipts */                                                           \
	X(BEFORE_ACCOUNTS)     /* and all but the accounts */                                               \
	X(BEFORE_COMMIT)       /* and everything */                                                         \
	X(COMMIT_SENT)         /* COMMIT is on its way, its reply is not read */                            \
	X(AFTER_COMMIT)        /* one lane has committed, others may not have */                            \
	X(AFTER_ENCODE)        /* and its messages are made */                                              \
	X(BEFORE_PRODUCE)      /* a Kafka transaction is begun */                                           \
	X(IN_PRODUCE)          /* some messages were given to the producer, and some may have been sent */  \
	X(BEFORE_OFFSETS)      /* all were */                                                               \
	X(OFFSETS_SENT)        /* the offsets are on their way, the reply is not read; no `error` */        \
	X(AFTER_OFFSETS)       /* the offsets are in the transaction */                                     \
	X(BEFORE_KAFKA_COMMIT) /* the same, in the thread that makes the blocking call; no `error` */       \
	X(KAFKA_COMMIT_SENT)   /* EndTxn is on its way, its reply is not read; no `error` */                \
	X(AFTER_KAFKA_COMMIT)  /* the transaction is committed, the loop does not know it */                \
	X(BEFORE_INIT)         /* a lost producer has a successor, without its init_transactions */         \
	X(AFTER_INIT)          /* and with it; not asked yet what had arrived */                            \
	X(IN_REVOKE)           /* nothing is in flight any more, the assignment is not given back */        \
	X(IN_SHUTDOWN)         /* told to stop, work may be in flight */
/* clang-format on */

enum failpoint {
#define FAILPOINT_ENUMERATOR(name) FAILPOINT_##name,
	FAILPOINTS(FAILPOINT_ENUMERATOR)
#undef FAILPOINT_ENUMERATOR
		FAILPOINT_COUNT
};

#ifdef DRAWDOWN_FAILPOINTS

/* Comes by where *outcome is OK; sets it to `error` where that is the fault. */
#define FAILPOINT(name, outcome, error, reterr) failpoint_pass(FAILPOINT_##name, (outcome), (error), (reterr))
/* The same where there is no outcome to change. */
#define FAILPOINT_WITHOUT_OUTCOME(name) failpoint_pass(FAILPOINT_##name, NULL, OUTCOME_OK, NULL)
/* Of the client that is made of this conf: OFFSETS_SENT, KAFKA_COMMIT_SENT. */
#define FAILPOINT_REQUESTS(conf) failpoint_watch_requests(conf)

struct rd_kafka_conf_s;

void failpoint_pass(enum failpoint failpoint, enum outcome *outcome, enum outcome error, struct failure *reterr);
void failpoint_watch_requests(struct rd_kafka_conf_s *conf);

#else

#define FAILPOINT(name, outcome, error, reterr) ((void)FAILPOINT_##name)
#define FAILPOINT_WITHOUT_OUTCOME(name) ((void)FAILPOINT_##name)
#define FAILPOINT_REQUESTS(conf) ((void)0)

#endif
#endif
