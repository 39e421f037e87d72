/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/backoff.h"

#include <sodium.h>

int64_t backoff_pause(int64_t first, int64_t longest, unsigned failures_count)
{
	int64_t pause = first;

	for (unsigned i = 1; i < failures_count && pause < longest; i++)
		pause *= 2;
	if (pause > longest)
		pause = longest;
	return pause - randombytes_uniform((uint32_t)(pause / 2) + 1);
}
