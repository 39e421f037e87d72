/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal: a chart is well-formed XML whatever the texts are, shows every value at its height, and never draws outside
 * of itself; what cannot be drawn is refused, not drawn wrongly.
 * Method: charts are written to a file and read back through a checker of tags, quotes and entities that keeps what
 * the shapes say; heights are compared with one another, not with figures taken from a picture.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drawdown/chart.h"

#include <cmocka.h> /* last: it has a macro fail() */

#define SIZE_MAX_OF_TEST 262144
#define DEPTH_MAX 16
#define SHAPES_MAX 512
#define WIDTH 960
#define HEIGHT 480

struct box {
	double x, y, width, height;
};

static char path[] = "/tmp/drawdown-chart.XXXXXX";
static char svg[SIZE_MAX_OF_TEST];
static struct box boxes[SHAPES_MAX];
static size_t boxes_count;
static struct failure failure;

static const struct chart_texts texts = {"Throughput", "2 cores", "seconds", "events a second"};

/* ---- reading back ---- */

static double number_of(const char *tag, const char *name, double otherwise)
{
	char wanted[32];

	(void)snprintf(wanted, sizeof wanted, " %s=\"", name);
	const char *at = strstr(tag, wanted);
	return at ? strtod(at + strlen(wanted), NULL) : otherwise;
}

static void check_entity(const char *at)
{
	assert_true(strncmp(at, "&amp;", 5) == 0 || strncmp(at, "&lt;", 4) == 0 || strncmp(at, "&gt;", 4) == 0);
}

/* Within the picture; bars are kept. */
static void check_shape(const char *tag)
{
	struct box box = {number_of(tag, "x", 0), number_of(tag, "y", 0), number_of(tag, "width", 0),
		number_of(tag, "height", 0)};

	assert_true(box.x >= 0 && box.x + box.width <= WIDTH);
	assert_true(box.y >= 0 && box.y + box.height <= HEIGHT);
	if (strstr(tag, "stroke=\"#ffffff\"")) {
		assert_true(boxes_count < SHAPES_MAX);
		boxes[boxes_count++] = box;
	}
}

/* The points of a path are pairs of numbers behind M and L. */
static void check_path(const char *tag)
{
	const char *at = strstr(tag, " d=\"");

	assert_non_null(at);
	for (at += 4; *at == 'M' || *at == 'L';) {
		char *end;
		double x = strtod(at + 1, &end), y = strtod(end, &end);
		assert_true(x >= 0 && x <= WIDTH && y >= 0 && y <= HEIGHT);
		at = *end == 'H' ? end + strcspn(end, "\"") : end;
	}
	assert_int_equal(*at, '"');
}

static size_t name_size(const char *tag)
{
	return strspn(tag, "abcdefghijklmnopqrstuvwxyz");
}

/* Copies one tag without its brackets; returns where it ends. */
static const char *take_tag(const char *at, char tag[4096])
{
	size_t size = strcspn(at + 1, "<>");

	assert_int_equal(at[1 + size], '>');
	assert_true(size > 0 && size < 4096);
	memcpy(tag, at + 1, size);
	tag[size] = '\0';
	size_t quotes = 0;
	for (size_t i = 0; i < size; i++)
		quotes += tag[i] == '"';
	assert_int_equal(quotes % 2, 0);
	return at + size + 2;
}

static void check_well_formed(void)
{
	static char open[DEPTH_MAX][32], tag[4096];
	size_t depth = 0;

	boxes_count = 0;
	for (const char *at = svg; *at;) {
		if (*at == '&')
			check_entity(at);
		assert_true((unsigned char)*at >= ' ' || *at == '\n');
		if (*at != '<') {
			assert_int_not_equal(*at, '>');
			at++;
			continue;
		}
		at = take_tag(at, tag);
		if (tag[0] == '/') {
			assert_true(depth > 0);
			assert_string_equal(tag + 1, open[--depth]);
			continue;
		}
		if (strncmp(tag, "rect ", 5) == 0)
			check_shape(tag);
		if (strncmp(tag, "path ", 5) == 0)
			check_path(tag);
		if (tag[strlen(tag) - 1] != '/') {
			assert_true(depth < DEPTH_MAX);
			(void)snprintf(open[depth++], sizeof open[0], "%.*s", (int)name_size(tag), tag);
		}
	}
	assert_int_equal(depth, 0);
	assert_non_null(strstr(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\""));
}

static void read_back(void)
{
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	size_t size = fread(svg, 1, sizeof svg - 1, file);
	assert_true(size > 0 && size < sizeof svg - 1);
	svg[size] = '\0';
	assert_int_equal(fclose(file), 0);
	check_well_formed();
}

static size_t count_of(const char *needle)
{
	size_t count = 0;

	for (const char *at = svg; (at = strstr(at, needle)); at += strlen(needle))
		count++;
	return count;
}

static void shows(const char *text)
{
	char wanted[256];

	(void)snprintf(wanted, sizeof wanted, ">%s</text>", text);
	if (!strstr(svg, wanted))
		fail_msg("'%s' is not in the picture", text);
}

static void draw_lines(const struct chart_series *series, size_t count)
{
	assert_int_equal(chart_write_lines(path, &texts, series, count, &failure), OUTCOME_OK);
	read_back();
}

static void draw_bars(const struct chart_bars *bars)
{
	assert_int_equal(chart_write_bars(path, &texts, bars, &failure), OUTCOME_OK);
	read_back();
}

static bool near(double a, double b)
{
	return fabs(a - b) <= 0.2; /* coordinates have one decimal */
}

/* ---- lines ---- */

static void lines_have_a_legend_round_ticks_and_their_texts(void **state)
{
	(void)state;
	const struct chart_point first[] = {{0, 98000}, {1, 104500}, {2, 101000}}, second[] = {{0, 9000}, {2, 52000}};
	const struct chart_series series[] = {{"drawdown", first, 3}, {"batched", second, 2}};

	draw_lines(series, 2);
	for (size_t i = 0; i < 2; i++)
		shows(series[i].name);
	shows("Throughput");
	shows("2 cores");
	shows("seconds");
	shows("events a second");
	shows("0");
	shows("20,000");
	shows("120,000");
	assert_null(strstr(svg, ">140,000<"));
	assert_int_equal(count_of("<path"), 4); /* and two in the legend */
}

static void a_gap_breaks_the_line_and_a_lone_point_is_a_dot(void **state)
{
	(void)state;
	const struct chart_point points[] = {{0, 1}, {1, 2}, {2, CHART_NONE}, {3, 4}, {4, CHART_NONE}};
	const struct chart_series series = {NULL, points, 5};

	draw_lines(&series, 1);
	assert_int_equal(count_of("<path"), 1);
	assert_int_equal(count_of("<circle"), 1);
}

static void one_point_at_zero_is_a_chart(void **state)
{
	(void)state;
	const struct chart_point point = {7, 0};
	const struct chart_series series = {"idle", &point, 1};

	draw_lines(&series, 1);
	assert_int_equal(count_of("<circle"), 1);
}

static void times_before_zero_have_ticks(void **state)
{
	(void)state;
	const struct chart_point points[] = {{-120500, 0.0123}, {120000, 0.0004}};
	const struct chart_series series = {"lag", points, 2};

	draw_lines(&series, 1);
	shows("0.005");
	shows("0.015");
	shows("-100,000");
	shows("0");
	shows("100,000");
	const struct chart_point late[] = {{-40, 0}, {260, 1}};
	draw_lines(&(struct chart_series){"lag", late, 2}, 1);
	assert_null(strstr(svg, ">-0<"));
}

static void many_names_of_any_length_leave_room_for_the_plot(void **state)
{
	(void)state;
	const struct chart_point points[] = {{0, 1}, {1, 3}};
	struct chart_series series[CHART_SERIES_MAX];

	for (size_t i = 0; i < CHART_SERIES_MAX; i++)
		series[i] = (struct chart_series){
			"a series with a name that nobody can be expected to read to its end", points, 2};
	draw_lines(series, CHART_SERIES_MAX);
	shows("a series with a name that nobody can be…");
}

/* ---- texts ---- */

static void texts_are_escaped(void **state)
{
	(void)state;
	const struct chart_point points[] = {{0, 1}, {1, 3}};
	const struct chart_series series = {"a<b> & \"c\" 'd' µs", points, 2};
	const struct chart_texts hostile = {"]]></title><script>", "&amp;", "--><", "<!--"};

	assert_int_equal(chart_write_lines(path, &hostile, &series, 1, &failure), OUTCOME_OK);
	read_back();
	shows("a&lt;b&gt; &amp; \"c\" 'd' µs");
	shows("]]&gt;&lt;/title&gt;&lt;script&gt;");
	shows("&amp;amp;");
}

static void what_xml_cannot_hold_becomes_a_question_mark(void **state)
{
	(void)state;
	const char *const groups[] = {"a\x01z", "\xff", "\xef\xbf\xbf", "é"};
	const double values[] = {1, 2, 3, 4};

	draw_bars(&(struct chart_bars){groups, 4, (const char *[]){NULL}, 1, values, false, false});
	shows("a?z");
	shows("?");
	shows("???");
	shows("é");
}

/* ---- bars ---- */

static const char *const loads[] = {"10 %", "50 %"};
static const char *const percentiles[] = {"p50", "p99", "p99.9"};

static void bars_are_as_high_as_their_values(void **state)
{
	(void)state;
	const double values[] = {10, 20, 40, 15, 30, 60};

	draw_bars(&(struct chart_bars){loads, 2, percentiles, 3, values, false, false});
	assert_int_equal(boxes_count, 6);
	for (size_t i = 0; i < 6; i++)
		assert_true(near(boxes[i].height, boxes[0].height * values[i] / values[0]));
	shows("40.0");
	shows("50 %");
	shows("p99.9");
}

static void on_a_logarithmic_axis_equal_ratios_are_equal_heights(void **state)
{
	(void)state;
	const double values[] = {0.5, 5, 50, 3, 300, 0};

	draw_bars(&(struct chart_bars){loads, 2, percentiles, 3, values, false, true});
	assert_int_equal(boxes_count, 5); /* 0 has none */
	assert_true(near(boxes[1].height - boxes[0].height, boxes[2].height - boxes[1].height));
	assert_true(near(boxes[4].height - boxes[3].height, 2 * (boxes[1].height - boxes[0].height)));
	shows("0.1");
	shows("1,000");
	shows("300");
	shows("0.500");
}

static void the_lowest_bar_of_a_logarithmic_axis_can_be_seen(void **state)
{
	(void)state;
	const double values[] = {10};

	draw_bars(&(struct chart_bars){loads, 1, percentiles, 1, values, false, true});
	assert_int_equal(boxes_count, 1);
	assert_true(boxes[0].height > 50);
}

static void stacked_bars_stand_on_each_other_and_show_their_sum(void **state)
{
	(void)state;
	const double values[] = {1, 2, 3, 4, CHART_NONE, 0};

	draw_bars(&(struct chart_bars){loads, 2, percentiles, 3, values, true, false});
	assert_int_equal(boxes_count, 4);
	assert_true(near(boxes[0].y, boxes[1].y + boxes[1].height));
	assert_true(near(boxes[1].y, boxes[2].y + boxes[2].height));
	assert_true(near(boxes[3].height, 4 * boxes[0].height));
	shows("6.00");
	shows("3.00");
}

static void what_was_not_measured_has_neither_bar_nor_figure(void **state)
{
	(void)state;
	const double values[] = {CHART_NONE, CHART_NONE, CHART_NONE, CHART_NONE, CHART_NONE, CHART_NONE};

	draw_bars(&(struct chart_bars){loads, 2, percentiles, 3, values, false, true});
	assert_int_equal(boxes_count, 0);
	assert_int_equal(count_of("class=\"figure\""), 0);
}

static void long_names_of_many_groups_are_turned(void **state)
{
	(void)state;
	const char *groups[CHART_GROUPS_MAX];
	double values[CHART_GROUPS_MAX];

	for (size_t i = 0; i < CHART_GROUPS_MAX; i++) {
		groups[i] = "look up the receipts";
		values[i] = (double)i;
	}
	draw_bars(&(struct chart_bars){groups, CHART_GROUPS_MAX, (const char *[]){NULL}, 1, values, false, false});
	assert_int_equal(count_of("rotate("), CHART_GROUPS_MAX);
	const char *first = strstr(svg, "translate(");
	assert_non_null(first);
	assert_true(strtod(first + strlen("translate("), NULL) > 120); /* what the turned name takes to its left */
	draw_bars(&(struct chart_bars){groups, 4, (const char *[]){NULL}, 1, values, false, false});
	assert_int_equal(count_of("rotate("), 0);
}

/* ---- refusals ---- */

static void refuses(const struct chart_bars *bars, const char *why)
{
	assert_int_equal(chart_write_bars(path, &texts, bars, &failure), OUTCOME_REJECT);
	assert_string_equal(failure.text, why);
}

static void what_cannot_be_drawn_is_refused(void **state)
{
	(void)state;
	const double negative[] = {1, -1}, infinite[] = {HUGE_VAL, 1};

	refuses(&(struct chart_bars){loads, 2, percentiles, 1, negative, false, false},
		"the chart 'Throughput' cannot show the value -1");
	refuses(&(struct chart_bars){loads, 2, percentiles, 1, infinite, false, false},
		"the chart 'Throughput' cannot show the value inf");
	refuses(&(struct chart_bars){loads, 2, percentiles, 1, negative, true, true},
		"the chart 'Throughput' is stacked and logarithmic: heights would not add up");
	refuses(&(struct chart_bars){loads, 0, percentiles, 1, negative, false, false},
		"the chart 'Throughput' has 0 groups, not 1 to 32");
	refuses(&(struct chart_bars){loads, 1, percentiles, 9, negative, false, false},
		"the chart 'Throughput' has 9 series, not 1 to 8");
}

static void lines_without_a_point_are_refused(void **state)
{
	(void)state;
	const struct chart_point nowhere[] = {{CHART_NONE, 1}}, negative[] = {{0, -2}};
	struct chart_series series = {"none", NULL, 0};

	assert_int_equal(chart_write_lines(path, &texts, &series, 1, &failure), OUTCOME_REJECT);
	assert_string_equal(failure.text, "the chart 'Throughput' has no point");
	series = (struct chart_series){"nowhere", nowhere, 1};
	assert_int_equal(chart_write_lines(path, &texts, &series, 1, &failure), OUTCOME_REJECT);
	assert_string_equal(failure.text, "the chart 'Throughput' cannot show the value nan");
	series = (struct chart_series){"negative", negative, 1};
	assert_int_equal(chart_write_lines(path, &texts, &series, 1, &failure), OUTCOME_REJECT);
	assert_string_equal(failure.text, "the chart 'Throughput' cannot show the value -2");
}

static void a_file_that_cannot_be_written_is_fatal(void **state)
{
	(void)state;
	const double values[] = {1};
	const struct chart_bars bars = {loads, 1, percentiles, 1, values, false, false};

	assert_int_equal(chart_write_bars("/nowhere/a.svg", &texts, &bars, &failure), OUTCOME_FATAL);
	assert_string_equal(failure.text, "could not open /nowhere/a.svg: No such file or directory");
	assert_int_equal(chart_write_bars("/dev/full", &texts, &bars, &failure), OUTCOME_FATAL);
	assert_string_equal(failure.text, "could not write /dev/full: No space left on device");
}

static int make_file(void **state)
{
	(void)state;
	int file = mkstemp(path);
	return file < 0 ? -1 : close(file);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_have_a_legend_round_ticks_and_their_texts),
		cmocka_unit_test(a_gap_breaks_the_line_and_a_lone_point_is_a_dot),
		cmocka_unit_test(one_point_at_zero_is_a_chart),
		cmocka_unit_test(times_before_zero_have_ticks),
		cmocka_unit_test(many_names_of_any_length_leave_room_for_the_plot),
		cmocka_unit_test(texts_are_escaped),
		cmocka_unit_test(what_xml_cannot_hold_becomes_a_question_mark),
		cmocka_unit_test(bars_are_as_high_as_their_values),
		cmocka_unit_test(on_a_logarithmic_axis_equal_ratios_are_equal_heights),
		cmocka_unit_test(the_lowest_bar_of_a_logarithmic_axis_can_be_seen),
		cmocka_unit_test(stacked_bars_stand_on_each_other_and_show_their_sum),
		cmocka_unit_test(what_was_not_measured_has_neither_bar_nor_figure),
		cmocka_unit_test(long_names_of_many_groups_are_turned),
		cmocka_unit_test(what_cannot_be_drawn_is_refused),
		cmocka_unit_test(lines_without_a_point_are_refused),
		cmocka_unit_test(a_file_that_cannot_be_written_is_fatal),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
