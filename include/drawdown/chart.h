/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measurements as a picture: one SVG file, without scripts, without fonts of its own, in colours that
 * colour-blind readers can tell apart. Not for the terminal. Nothing that is given is kept.
 *
 * Texts are UTF-8 and are escaped; what cannot be printed becomes '?', what is too long for its place is cut.
 */
#ifndef DRAWDOWN_CHART_H
#define DRAWDOWN_CHART_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "drawdown/outcome.h"

#define CHART_SERIES_MAX 8 /* more colours than that nobody tells apart */
#define CHART_GROUPS_MAX 32
#define CHART_NONE ((double)NAN) /* not measured: a gap in the line, no bar */

/* Title and y_title are wanted; the others may be NULL. */
struct chart_texts {
	const char *title;
	const char *note;    /* a line below the title: machine, load, repetitions */
	const char *x_title; /* what the axis shows and its unit: "seconds" */
	const char *y_title;
};

struct chart_point {
	double x;
	double y; /* or CHART_NONE */
};

/* One line; x must not fall. */
struct chart_series {
	const char *name;
	const struct chart_point *points;
	size_t points_count;
};

/* One bar for each series in each group, or with `stacked` one for each group. */
struct chart_bars {
	const char *const *groups; /* names, along the x axis */
	size_t groups_count;
	const char *const *series; /* names; a single series needs no legend: its name may be NULL */
	size_t series_count;
	const double *values; /* group by group: values[group * series_count + series], or CHART_NONE */
	bool stacked;
	bool logarithmic; /* not together with `stacked`; values of 0 have no bar then, only their figure */
};

/*
 * Lines from 0 upwards, over x. Bars with their figures, from 0 upwards.
 * REJECT: nothing to show, more than the maxima, a negative or an infinite value. FATAL: the file could not be written;
 * what is left of it is worth nothing.
 */
enum outcome chart_write_lines(const char *path, const struct chart_texts *texts, const struct chart_series *series,
	size_t series_count, struct failure *reterr);
enum outcome chart_write_bars(
	const char *path, const struct chart_texts *texts, const struct chart_bars *bars, struct failure *reterr);

#endif
