/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to the schema registry over HTTP, one at a time. A client belongs
 * to one thread; only registry_http_interrupt may come from another. Proxies
 * of the environment and redirects are not followed; credentials are never
 * shown.
 */
#ifndef DRAWDOWN_REGISTRY_HTTP_H
#define DRAWDOWN_REGISTRY_HTTP_H

#include "drawdown/arena.h"
#include "drawdown/config.h"
#include "drawdown/outcome.h"

struct registry_http;

struct registry_reply {
	long status;
	struct text body; /* in the arena; at most REGISTRY_ANSWER_SIZE_MAX bytes */
};

/* Connects nothing yet. `config` is borrowed; it names registry.url. */
struct registry_http *registry_http_new(const struct config *config);
void registry_http_free(struct registry_http *http);

/* GET where `body` is absent. `path` begins with a slash; its parts are escaped. OK: the registry answered, whatever it
 * said. RETRY: it could not be reached, or broke off, or took longer than registry.timeout, or was interrupted. FATAL:
 * the answer is too long, a credential cannot be read, or its certificate is not trusted. REJECT: too long is what a
 * GET asked for, JSON with status 200. */
enum outcome registry_http_ask(struct registry_http *http, const char *method, const char *path, struct text body,
	struct arena *arena, struct registry_reply *ret_reply, struct failure *reterr);

/* Make the question in hand, and all later ones, end soon. Any thread. */
void registry_http_interrupt(struct registry_http *http);

#endif
