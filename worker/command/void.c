/* SPDX-License-Identifier: Apache-2.0 */
/* STAND-IN so that the program links: to be overwritten by whoever writes the producing commands. */
#include "drawdown/command.h"

int command_void(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return EXIT_FAILED;
}
