/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/source_merge.h"

enum merge_choice merge_choose(
	const struct merge_side sides[INPUT_COUNT], struct merge_wait *wait, int64_t now, int64_t wait_max)
{
	const struct merge_side *usage = &sides[INPUT_USAGE];
	const struct merge_side *commands = &sides[INPUT_COMMANDS];

	if (usage->has_record && commands->has_record) {
		wait->since = 0;
		return usage->timestamp < commands->timestamp ? MERGE_USAGE : MERGE_COMMANDS;
	}
	if (!usage->has_record && !commands->has_record)
		return MERGE_NOTHING;

	const struct merge_side *lagging = usage->has_record ? commands : usage;
	if (lagging->is_done)
		wait->since = 0;
	else if (wait->since == 0)
		wait->since = now;
	if (!lagging->is_done && now - wait->since < wait_max)
		return MERGE_WAIT;
	return usage->has_record ? MERGE_USAGE : MERGE_COMMANDS;
}
