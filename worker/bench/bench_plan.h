/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `drawdown bench --plan`: no measurement, but what an installation of a given size would need by the figures of those
 * that were made.
 */
#ifndef DRAWDOWN_BENCH_PLAN_H
#define DRAWDOWN_BENCH_PLAN_H

/* The command line of `bench` where --plan is among its arguments: parsed here, all of it. Returns the exit code. */
int command_bench_plan(int argc, char **argv);

#endif
