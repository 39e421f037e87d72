/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subcommands: one file each in worker/command/, one row each in main.c.
 */
#ifndef DRAWDOWN_COMMAND_H
#define DRAWDOWN_COMMAND_H

#include "drawdown/config.h"

/* argv[0] is the subcommand's name; the return value is the exit code. */
typedef int command_function(int argc, char **argv);

command_function command_worker, command_migrate, command_topics, command_grant, command_consume, command_event,
	command_configure, command_currency, command_entitlement, command_ledger, command_verify, command_load,
	command_tail, command_dead_letters, command_config, command_bench, command_schemas,
	command_parked;

#endif
