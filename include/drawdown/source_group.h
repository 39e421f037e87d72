/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumer as a member of its group. Owned by the source and used by its
 * thread only.
 */
#ifndef DRAWDOWN_SOURCE_GROUP_H
#define DRAWDOWN_SOURCE_GROUP_H

#include "drawdown/kafka.h"
#include "drawdown/source.h"

struct source_group;

/* Makes the consumer and subscribes to both inputs. `event_fd` becomes readable when there is something to serve. */
enum outcome source_group_open(struct source_group **ret_group, const struct config *config, int event_fd,
	int32_t partitions_count, struct failure *reterr);
/* Under a deadline; NULL is allowed. Nothing may be read any more. */
void source_group_close(struct source_group *group);

/* The consumer; another one after source_group_renew. */
rd_kafka_t *source_group_kafka(struct source_group *group);

/* Hear what happened: ASSIGNED and REVOKED, once each; FATAL again and again. */
enum outcome source_group_serve(struct source_group *group, enum source_signal *ret_signal, struct failure *reterr);
/* The partitions of whole pairs in the newest assignment. */
struct input_partition *source_group_assigned(struct source_group *group, size_t *ret_count);
/* A revocation waits for the answer: nothing may be read. */
bool source_group_is_revoked(const struct source_group *group);

/* Has the client said, since this was asked last, that an input or a partition of it does not exist? */
bool source_group_has_missed_topic(struct source_group *group);

/* Take all partitions off the consumer: as the answer to a revocation, or only for now. */
void source_group_unassign(struct source_group *group);
/* Make a new consumer where the old one is of no use; OK too where it is. After everything that belongs to
 * the old one was freed. */
enum outcome source_group_renew(struct source_group *group, struct failure *reterr);

/* The group's answer to a request: does it not know us, or not in this generation? */
bool source_group_is_estranged(rd_kafka_resp_err_t code);

#endif
