/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which customers make a lane's transaction fail, found by trying it for fewer
 * and fewer of them. What fails for everybody is nobody's own fault: then there
 * are no culprits, or too many to be any.
 */
#ifndef DRAWDOWN_PARK_H
#define DRAWDOWN_PARK_H

#include "drawdown/lane.h"

/* After a lane_run that failed with may_be_customers: its work is still prepared. False, and no culprits: nobody was
 * found, or too many, or the search met a failure of another kind. Takes some trials for each culprit: twice the binary
 * logarithm of the number of customers at most. */
bool park_find_culprits(const struct lane *lane, struct batch *batch, struct culprits *ret_culprits);

/* The culprits are parked: one line of the log for each. */
void park_tell(const struct culprits *culprits);

#endif
