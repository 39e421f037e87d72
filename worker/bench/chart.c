/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/chart.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "drawdown/text.h"

#define WIDTH 960.0
#define HEIGHT 480.0
#define MARGIN 24.0
#define FONT_SIZE 12.0
#define CHARACTER_WIDTH 6.8 /* of a wide sans at FONT_SIZE, on average: nothing is measured */
#define LEGEND_ROW_HEIGHT 20.0
#define LEGEND_CHARACTERS_MAX 40
#define LABEL_CHARACTERS_MAX 24
#define TICKS_WANTED 6
#define VALUE_MAX 1e15
#define TURN_DEGREES 35 /* of names too wide for their place */
#define TURN (TURN_DEGREES * M_PI / 180)

/* Okabe and Ito's, darkened where they would be faint on white. `ink` is legible upon it. */
static const struct {
	const char *colour;
	const char *ink;
	const char *dashes; /* a second way to tell lines apart */
} styles[CHART_SERIES_MAX] = {
	{"#0072b2", "#ffffff", "none"},
	{"#d55e00", "#ffffff", "9 4"},
	{"#009e73", "#ffffff", "3 3"},
	{"#e69f00", "#1f2933", "12 3 3 3"},
	{"#cc79a7", "#1f2933", "6 2"},
	{"#56b4e9", "#1f2933", "2 4"},
	{"#4d4d4d", "#ffffff", "14 6"},
	{"#8a6d00", "#ffffff", "6 3 1 3 1 3"},
};

/* From values to places on the picture. */
struct axis {
	double low, high;  /* values */
	double start, end; /* where they are */
	double step;	   /* between ticks */
	int decimals;	   /* of ticks */
	bool logarithmic;
};

struct picture {
	FILE *file;
	const struct chart_texts *texts;
	struct axis x, y;
};

/* ---- texts ---- */

__attribute__((format(printf, 2, 3))) static void put(struct picture *picture, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vfprintf(picture->file, format, arguments);
	va_end(arguments);
}

/* What UTF-8 can hold and XML cannot: U+FFFE and U+FFFF. */
static bool is_for_xml(const char *string)
{
	return text_is_printable(text_of(string), NULL) && !strstr(string, "\xef\xbf\xbe") &&
	       !strstr(string, "\xef\xbf\xbf");
}

static bool begins_character(char byte)
{
	return ((unsigned char)byte & 0xc0) != 0x80;
}

static size_t characters_count(const char *string)
{
	size_t count = 0;

	for (; string && *string; string++)
		count += begins_character(*string);
	return count;
}

static void put_escaped(struct picture *picture, const char *string, size_t characters_max)
{
	bool printable = is_for_xml(string), is_cut = characters_count(string) > characters_max;
	size_t left = is_cut ? characters_max - 1 : characters_max;

	for (; *string; string++) {
		if (begins_character(*string) && left-- == 0)
			break;
		if (*string == '&')
			put(picture, "&amp;");
		else if (*string == '<')
			put(picture, "&lt;");
		else if (*string == '>')
			put(picture, "&gt;");
		else if (!printable && (*string < ' ' || *string > '~'))
			put(picture, "?");
		else
			put(picture, "%c", *string);
	}
	if (is_cut)
		put(picture, "…");
}

/* `anchor` is start, middle or end; `class` one of the style sheet's. */
static void put_text(struct picture *picture, const char *class, const char *anchor, double x, double y,
	const char *string, size_t characters_max)
{
	put(picture, "<text class=\"%s\" text-anchor=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, anchor, x, y);
	put_escaped(picture, string, characters_max);
	put(picture, "</text>\n");
}

static double width_of(const char *string, size_t characters_max)
{
	size_t count = characters_count(string);

	return CHARACTER_WIDTH * (double)(count < characters_max ? count : characters_max);
}

/* "12,500" or "0.25" */
static const char *spell(char text[48], double value, int decimals)
{
	char digits[32];
	size_t size = 0;

	(void)snprintf(digits, sizeof digits, "%.*f", decimals, value);
	size_t whole = strcspn(digits, ".");
	for (size_t i = 0; digits[i]; i++) {
		if (i > 0 && i < whole && (whole - i) % 3 == 0 && digits[i - 1] != '-')
			text[size++] = ',';
		text[size++] = digits[i];
	}
	text[size] = '\0';
	return text;
}

/* To three digits, larger ones to the unit. */
static const char *spell_value(char text[48], double value)
{
	int decimals = value >= 99.95 || value == 0 ? 0 : value >= 9.995 ? 1 : value >= 0.9995 ? 2 : 3;

	return spell(text, value, decimals);
}

/* ---- axes ---- */

/* 1, 2 or 5 times a power of ten, so that about TICKS_WANTED fit. */
static void choose_step(struct axis *axis)
{
	double raw = (axis->high - axis->low) / TICKS_WANTED, power = pow(10, floor(log10(raw))), share = raw / power;

	axis->step = power * (share <= 1.0001 ? 1 : share <= 2.0001 ? 2 : share <= 5.0001 ? 5 : 10);
	axis->decimals = axis->step < 0.9999 ? (int)ceil(-log10(axis->step) - 0.0001) : 0;
}

/* From 0 to a round value that is no less than `highest`. */
static void scale_from_zero(struct axis *axis, double highest)
{
	axis->low = 0;
	axis->high = highest > 1e-9 ? highest : 1;
	choose_step(axis);
	axis->high = ceil(axis->high / axis->step - 1e-9) * axis->step;
}

/* Whole decades, so that the lowest bar has a height. */
static void scale_by_decades(struct axis *axis, double lowest, double highest)
{
	axis->logarithmic = true;
	axis->low = pow(10, floor(log10(lowest) - 0.05));
	axis->high = pow(10, ceil(log10(highest) - 1e-9));
	if (axis->high < axis->low * 10)
		axis->high = axis->low * 10;
}

static double place(const struct axis *axis, double value)
{
	double share = axis->logarithmic ? log10(value / axis->low) / log10(axis->high / axis->low)
					 : (value - axis->low) / (axis->high - axis->low);

	return axis->start + share * (axis->end - axis->start);
}

static size_t ticks_count(const struct axis *axis)
{
	return axis->logarithmic
		       ? (size_t)lround(log10(axis->high / axis->low)) + 1
		       : (size_t)(floor(axis->high / axis->step + 1e-9) - ceil(axis->low / axis->step - 1e-9)) + 1;
}

static double tick_value(const struct axis *axis, size_t tick)
{
	return axis->logarithmic ? axis->low * pow(10, (double)tick)
				 : (ceil(axis->low / axis->step - 1e-9) + (double)tick) * axis->step;
}

static const char *spell_tick(char text[48], const struct axis *axis, size_t tick)
{
	double value = tick_value(axis, tick);

	return spell(text, value,
		!axis->logarithmic ? axis->decimals
		: value < 0.9999   ? (int)lround(-log10(value))
				   : 0);
}

static double widest_tick(const struct axis *axis)
{
	double widest = 0;
	char text[48];

	for (size_t tick = 0; tick < ticks_count(axis); tick++)
		widest = fmax(widest, width_of(spell_tick(text, axis, tick), SIZE_MAX));
	return widest;
}

static void put_y_axis(struct picture *picture)
{
	char text[48];

	for (size_t tick = 0; tick < ticks_count(&picture->y); tick++) {
		double y = place(&picture->y, tick_value(&picture->y, tick));
		put(picture, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
			tick == 0 ? "axis" : "grid", picture->x.start, y, picture->x.end, y);
		put_text(picture, "quiet", "end", picture->x.start - 8, y + 4, spell_tick(text, &picture->y, tick),
			LABEL_CHARACTERS_MAX);
	}
	put_text(
		picture, "label", "start", MARGIN, picture->y.end - 20, picture->texts->y_title, LEGEND_CHARACTERS_MAX);
}

static void put_x_axis(struct picture *picture)
{
	char text[48];

	for (size_t tick = 0; tick < ticks_count(&picture->x); tick++) {
		double x = place(&picture->x, tick_value(&picture->x, tick));
		put(picture, "<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x,
			picture->y.start, x, picture->y.start + 5);
		put_text(picture, "quiet", "middle", x, picture->y.start + 19, spell_tick(text, &picture->x, tick),
			LABEL_CHARACTERS_MAX);
	}
}

static void put_x_title(struct picture *picture)
{
	if (picture->texts->x_title)
		put_text(picture, "label", "middle", (picture->x.start + picture->x.end) / 2, HEIGHT - 14,
			picture->texts->x_title, LEGEND_CHARACTERS_MAX);
}

/* ---- around the plot ---- */

static void put_head(struct picture *picture)
{
	const struct chart_texts *texts = picture->texts;

	put(picture,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\""
		" role=\"img\" font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\""
		" font-size=\"%.0f\">\n<title>",
		WIDTH, HEIGHT, WIDTH, HEIGHT, FONT_SIZE);
	put_escaped(picture, texts->title, SIZE_MAX);
	put(picture, "</title>\n<style>\n"
		     "text { fill: #1f2933; }\n"
		     ".title { font-size: 17px; font-weight: 600; }\n"
		     ".quiet { fill: #55636f; }\n"
		     ".grid { stroke: #e1e7ec; }\n"
		     ".axis { stroke: #57697c; }\n"
		     ".series { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }\n"
		     "</style>\n");
	put(picture, "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#ffffff\"/>\n", WIDTH, HEIGHT);
	put_text(picture, "title", "start", MARGIN, 32, texts->title, 90);
	if (texts->note)
		put_text(picture, "quiet", "start", MARGIN, 52, texts->note, 130);
}

static double swatch_width(bool is_line)
{
	return is_line ? 28 : 14;
}

static double legend_width(const char *name, bool is_line)
{
	return swatch_width(is_line) + 7 + width_of(name, LEGEND_CHARACTERS_MAX) + 18;
}

static void put_swatch(struct picture *picture, size_t series, bool is_line, double x, double y)
{
	if (is_line)
		put(picture, "<path class=\"series\" stroke=\"%s\" stroke-dasharray=\"%s\" d=\"M%.1f %.1fH%.1f\"/>\n",
			styles[series].colour, styles[series].dashes, x, y, x + swatch_width(true));
	else
		put(picture, "<rect x=\"%.1f\" y=\"%.1f\" width=\"14\" height=\"12\" fill=\"%s\"/>\n", x, y - 6,
			styles[series].colour);
}

/* In rows from the left; returns where the last one ends. */
static double put_legend(struct picture *picture, const char *const *names, size_t count, bool are_lines)
{
	double x = MARGIN, y = picture->texts->note ? 72 : 52;

	if (count == 1 && !names[0])
		return y - LEGEND_ROW_HEIGHT / 2;
	for (size_t i = 0; i < count; i++) {
		const char *name = names[i] ? names[i] : "?";
		if (x > MARGIN && x + legend_width(name, are_lines) > WIDTH - MARGIN) {
			x = MARGIN;
			y += LEGEND_ROW_HEIGHT;
		}
		put_swatch(picture, i, are_lines, x, y);
		put_text(
			picture, "label", "start", x + swatch_width(are_lines) + 7, y + 4, name, LEGEND_CHARACTERS_MAX);
		x += legend_width(name, are_lines);
	}
	return y + LEGEND_ROW_HEIGHT / 2;
}

/* The plot is what the texts around it leave. */
static void frame_plot(struct picture *picture, double legend_end, double labels_height)
{
	picture->x.start = MARGIN + fmax(24, widest_tick(&picture->y) + 8);
	picture->x.end = WIDTH - MARGIN;
	picture->y.start = HEIGHT - labels_height - (picture->texts->x_title ? 34 : 14);
	picture->y.end = legend_end + 44;
}

static enum outcome open_picture(
	struct picture *picture, const char *path, const struct chart_texts *texts, struct failure *reterr)
{
	assert(texts->title && texts->y_title);
	picture->texts = texts;
	picture->file = fopen(path, "we");
	if (!picture->file)
		return fail(reterr, OUTCOME_FATAL, "chart.write", "could not open %s: %s", path, strerror(errno));
	return OUTCOME_OK;
}

static enum outcome close_picture(struct picture *picture, const char *path, struct failure *reterr)
{
	put(picture, "</svg>\n");
	bool failed = ferror(picture->file) != 0;
	if (fclose(picture->file) || failed)
		return fail(reterr, OUTCOME_FATAL, "chart.write", "could not write %s: %s", path, strerror(errno));
	return OUTCOME_OK;
}

static bool is_drawable(double value)
{
	return value >= 0 && value <= VALUE_MAX;
}

static enum outcome refuse_value(const struct chart_texts *texts, double value, struct failure *reterr)
{
	return fail(
		reterr, OUTCOME_REJECT, "chart.values", "the chart '%s' cannot show the value %g", texts->title, value);
}

static enum outcome check_series_count(const struct chart_texts *texts, size_t count, struct failure *reterr)
{
	if (count >= 1 && count <= CHART_SERIES_MAX)
		return OUTCOME_OK;
	return fail(reterr, OUTCOME_REJECT, "chart.values", "the chart '%s' has %zu series, not 1 to %d", texts->title,
		count, CHART_SERIES_MAX);
}

/* ---- lines ---- */

/* Where the points lie; x that no point has stays infinite. */
struct extent {
	double x_low, x_high, y_high;
};

static enum outcome measure_points(const struct chart_texts *texts, const struct chart_series *series,
	struct extent *extent, struct failure *reterr)
{
	for (size_t i = 0; i < series->points_count; i++) {
		struct chart_point point = series->points[i];
		if (!(fabs(point.x) <= VALUE_MAX))
			return refuse_value(texts, point.x, reterr);
		if (!isnan(point.y) && !is_drawable(point.y))
			return refuse_value(texts, point.y, reterr);
		extent->x_low = fmin(extent->x_low, point.x);
		extent->x_high = fmax(extent->x_high, point.x);
		extent->y_high = fmax(extent->y_high, point.y);
	}
	return OUTCOME_OK;
}

/* A point that has no neighbour would have no line: it becomes a dot. */
static void put_dot(struct picture *picture, struct chart_point point, const char *colour)
{
	put(picture, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", place(&picture->x, point.x),
		place(&picture->y, point.y), colour);
}

/* One unbroken run of points. */
static void put_run(struct picture *picture, const struct chart_point *points, size_t count, size_t style)
{
	if (count == 1) {
		put_dot(picture, points[0], styles[style].colour);
		return;
	}
	put(picture, "<path class=\"series\" stroke=\"%s\" stroke-dasharray=\"%s\" d=\"", styles[style].colour,
		styles[style].dashes);
	for (size_t i = 0; i < count; i++)
		put(picture, "%c%.1f %.1f", i == 0 ? 'M' : 'L', place(&picture->x, points[i].x),
			place(&picture->y, points[i].y));
	put(picture, "\"/>\n");
}

static void put_series(struct picture *picture, const struct chart_series *series, size_t style)
{
	size_t begin = 0;

	for (size_t i = 0; i <= series->points_count; i++) {
		if (i < series->points_count && !isnan(series->points[i].y))
			continue;
		if (i > begin)
			put_run(picture, series->points + begin, i - begin, style);
		begin = i + 1;
	}
}

enum outcome chart_write_lines(const char *path, const struct chart_texts *texts, const struct chart_series *series,
	size_t series_count, struct failure *reterr)
{
	struct picture picture = {0};
	struct extent extent = {HUGE_VAL, -HUGE_VAL, 0};
	const char *names[CHART_SERIES_MAX];
	enum outcome outcome = check_series_count(texts, series_count, reterr);

	for (size_t i = 0; i < series_count && outcome == OUTCOME_OK; i++) {
		names[i] = series[i].name;
		outcome = measure_points(texts, &series[i], &extent, reterr);
	}
	if (outcome == OUTCOME_OK && extent.x_low > extent.x_high)
		outcome = fail(reterr, OUTCOME_REJECT, "chart.values", "the chart '%s' has no point", texts->title);
	if (outcome == OUTCOME_OK)
		outcome = open_picture(&picture, path, texts, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	scale_from_zero(&picture.y, extent.y_high);
	picture.x.low = extent.x_low;
	picture.x.high = extent.x_high > extent.x_low ? extent.x_high : extent.x_low + 1;
	choose_step(&picture.x);
	put_head(&picture);
	frame_plot(&picture, put_legend(&picture, names, series_count, true), 24);
	put_y_axis(&picture);
	put_x_axis(&picture);
	for (size_t i = 0; i < series_count; i++)
		put_series(&picture, &series[i], i);
	put_x_title(&picture);
	return close_picture(&picture, path, reterr);
}

/* ---- bars ---- */

static double value_of(const struct chart_bars *bars, size_t group, size_t series)
{
	return bars->values[group * bars->series_count + series];
}

static double sum_of(const struct chart_bars *bars, size_t group)
{
	double sum = 0;

	for (size_t i = 0; i < bars->series_count; i++)
		sum += isnan(value_of(bars, group, i)) ? 0 : value_of(bars, group, i);
	return sum;
}

static enum outcome check_bars(const struct chart_texts *texts, const struct chart_bars *bars, struct failure *reterr)
{
	enum outcome outcome = check_series_count(texts, bars->series_count, reterr);

	if (outcome != OUTCOME_OK)
		return outcome;
	if (bars->groups_count < 1 || bars->groups_count > CHART_GROUPS_MAX)
		return fail(reterr, OUTCOME_REJECT, "chart.values", "the chart '%s' has %zu groups, not 1 to %d",
			texts->title, bars->groups_count, CHART_GROUPS_MAX);
	if (bars->stacked && bars->logarithmic)
		return fail(reterr, OUTCOME_REJECT, "chart.values",
			"the chart '%s' is stacked and logarithmic: heights would not add up", texts->title);
	for (size_t i = 0; i < bars->groups_count * bars->series_count; i++)
		if (!isnan(bars->values[i]) && !is_drawable(bars->values[i]))
			return refuse_value(texts, bars->values[i], reterr);
	return OUTCOME_OK;
}

static void scale_bars(struct axis *axis, const struct chart_bars *bars)
{
	double highest = 0, lowest = HUGE_VAL;

	for (size_t group = 0; group < bars->groups_count; group++)
		for (size_t i = 0; i < bars->series_count; i++) {
			double value = bars->stacked ? sum_of(bars, group) : value_of(bars, group, i);
			highest = fmax(highest, value);
			lowest = value > 0 ? fmin(lowest, value) : lowest;
		}
	if (bars->logarithmic && highest > 0)
		scale_by_decades(axis, lowest, highest);
	else
		scale_from_zero(axis, highest);
}

static double widest_group(const struct chart_bars *bars)
{
	double widest = 0;

	for (size_t group = 0; group < bars->groups_count; group++)
		widest = fmax(widest, width_of(bars->groups[group], LABEL_CHARACTERS_MAX));
	return widest;
}

static void put_group_name(struct picture *picture, const char *name, double x, bool turned)
{
	double y = picture->y.start + 19;

	if (!turned) {
		put_text(picture, "label", "middle", x, y, name, LABEL_CHARACTERS_MAX);
		return;
	}
	put(picture, "<g transform=\"translate(%.1f %.1f) rotate(-%d)\">", x + 6, y - 4, TURN_DEGREES);
	put_text(picture, "label", "end", 0, 0, name, LABEL_CHARACTERS_MAX);
	put(picture, "</g>\n");
}

/* A bar between two values, with what it is for whoever points at it. */
static void put_bar(struct picture *picture, const struct chart_bars *bars, size_t group, size_t series, double x,
	double width, double from, double to)
{
	double top = place(&picture->y, to), bottom = place(&picture->y, from);
	char text[48];

	put(picture,
		"<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\" stroke=\"#ffffff\"><title>", x,
		top, width, fmax(0, bottom - top), styles[series].colour);
	if (bars->series[series]) {
		put_escaped(picture, bars->series[series], SIZE_MAX);
		put(picture, ", ");
	}
	put_escaped(picture, bars->groups[group], SIZE_MAX);
	put(picture, ": %s</title></rect>\n", spell_value(text, value_of(bars, group, series)));
}

/* Figures only where they do not run into their neighbours. */
static void put_figure(struct picture *picture, double value, double x, double y, double width, const char *ink)
{
	char text[48];

	if (width_of(spell_value(text, value), SIZE_MAX) <= width)
		put(picture,
			"<text class=\"figure\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\" style=\"fill: "
			"%s\">%s</text>\n",
			x, y, ink, text);
}

static void put_grouped(struct picture *picture, const struct chart_bars *bars, size_t group, double x, double width)
{
	double each = width / (double)bars->series_count;

	for (size_t i = 0; i < bars->series_count; i++, x += each) {
		double value = value_of(bars, group, i), top = picture->y.start;
		if (isnan(value))
			continue;
		if (value > 0) {
			put_bar(picture, bars, group, i, x, each, picture->y.low, value);
			top = place(&picture->y, value);
		}
		put_figure(
			picture, value, x + each / 2, top - 4, bars->series_count == 1 ? each * 1.4 : each, "#1f2933");
	}
}

static void put_stacked(struct picture *picture, const struct chart_bars *bars, size_t group, double x, double width)
{
	double below = 0;

	for (size_t i = 0; i < bars->series_count; i++) {
		double value = value_of(bars, group, i);
		if (!(value > 0))
			continue;
		put_bar(picture, bars, group, i, x, width, below, below + value);
		double bottom = place(&picture->y, below), top = place(&picture->y, below + value);
		if (bottom - top >= FONT_SIZE + 3)
			put_figure(picture, value, x + width / 2, (bottom + top) / 2 + 4, width, styles[i].ink);
		below += value;
	}
	put_figure(picture, below, x + width / 2, place(&picture->y, below) - 5, width * 1.4, "#1f2933");
}

enum outcome chart_write_bars(
	const char *path, const struct chart_texts *texts, const struct chart_bars *bars, struct failure *reterr)
{
	struct picture picture = {0};
	enum outcome outcome = check_bars(texts, bars, reterr);

	if (outcome == OUTCOME_OK)
		outcome = open_picture(&picture, path, texts, reterr);
	if (outcome != OUTCOME_OK)
		return outcome;
	scale_bars(&picture.y, bars);
	double widest = widest_group(bars), room = (WIDTH - 4 * MARGIN) / (double)bars->groups_count;
	bool turned = widest > room - 8;
	put_head(&picture);
	frame_plot(&picture, put_legend(&picture, bars->series, bars->series_count, false),
		turned ? 20 + widest * sin(TURN) : 24);
	if (turned) /* the first name must not leave the picture */
		picture.x.start = fmax(picture.x.start, MARGIN + widest * cos(TURN) - room / 2);
	put_y_axis(&picture);
	double each = (picture.x.end - picture.x.start) / (double)bars->groups_count;
	double width = fmin(each * 0.72, 110 * (double)(bars->stacked ? 1 : bars->series_count));
	for (size_t group = 0; group < bars->groups_count; group++) {
		double middle = picture.x.start + ((double)group + 0.5) * each;
		put_group_name(&picture, bars->groups[group], middle, turned);
		(bars->stacked ? put_stacked : put_grouped)(&picture, bars, group, middle - width / 2, width);
	}
	put_x_title(&picture);
	return close_picture(&picture, path, reterr);
}
