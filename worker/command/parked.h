/* SPDX-License-Identifier: Apache-2.0 */
/* What the actions of `drawdown parked` have in common. */
#ifndef DRAWDOWN_COMMAND_PARKED_H
#define DRAWDOWN_COMMAND_PARKED_H

#include "drawdown/command.h"

command_function command_parked_list, command_parked_release;

#endif
