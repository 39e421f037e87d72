/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A schema registry that speaks Confluent's interface: what drawdown asks it.
 * Belongs to one thread; only registry_interrupt may come from another. Each
 * call waits for its answers.
 *
 * REJECT: the registry says so for sure (there is no such schema, it is not
 * compatible). RETRY: it could not be reached or is not well (408, 429, 5xx).
 * FATAL: it refuses us, or what answers is no registry: time alone mends
 * nothing.
 */
#ifndef DRAWDOWN_REGISTRY_H
#define DRAWDOWN_REGISTRY_H

#include <stdint.h>

#include "drawdown/arena.h"
#include "drawdown/config.h"
#include "drawdown/outcome.h"

struct registry;

/* Asks each question up to `attempts` times where the outcome is RETRY, with pauses. `config` is borrowed and names
 * registry.url. */
struct registry *registry_new(const struct config *config, unsigned attempts);
void registry_free(struct registry *registry);
void registry_interrupt(struct registry *registry);

/* The schema with the id, as one text that needs no other. REJECT too where it cannot be made one, or is not Avro. */
enum outcome registry_fetch(
	struct registry *registry, uint32_t id, struct arena *arena, struct text *ret_schema, struct failure *reterr);

/* The id of the schema under the subject. REJECT: it is not registered there. */
enum outcome registry_find(
	struct registry *registry, const char *subject, struct text schema, int32_t *ret_id, struct failure *reterr);

/* Register the schema under the subject; its id. REJECT: it is not compatible with what is there. */
enum outcome registry_register(
	struct registry *registry, const char *subject, struct text schema, int32_t *ret_id, struct failure *reterr);

/* What later schemas of the subject must be: "FULL_TRANSITIVE". */
enum outcome registry_demand(
	struct registry *registry, const char *subject, const char *compatibility, struct failure *reterr);

#endif
