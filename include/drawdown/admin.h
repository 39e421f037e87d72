/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operators' port: GET /metrics, /livez, /readyz, on a thread of its own.
 * It shows no customer's data and changes nothing, but has no password
 * either: loopback unless the configuration says otherwise.
 */
#ifndef DRAWDOWN_ADMIN_H
#define DRAWDOWN_ADMIN_H

#include <stdint.h>

#include "drawdown/config.h"
#include "drawdown/outcome.h"

struct admin;

/* *ret_admin is NULL where admin.port is 0. FATAL, exit code EXIT_USAGE, where the port cannot be had. */
enum outcome admin_open(struct admin **ret_admin, const struct config *config, struct failure *reterr);
void admin_close(struct admin *admin);

#endif
