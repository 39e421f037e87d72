/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that nobody may call: they overrun buffers, hide errors or share a static buffer between threads.
 * The compiler includes this before every file; the headers that declare them must come before the pragma.
 */
#ifndef DRAWDOWN_POISON_H
#define DRAWDOWN_POISON_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#undef sprintf /* with clang the hardened C library makes a macro of it */

#pragma GCC poison sprintf strcpy strcat strncpy atoi strtok gmtime localtime

#endif
