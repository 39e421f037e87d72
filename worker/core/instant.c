/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/instant.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

#define SECONDS_OF_DAY 86400

/* Days since 1970-01-01 in the proleptic Gregorian calendar; the year begins in March, so that the leap day is last. */
static int64_t days_of_date(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void date_of_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month = (5 * day_of_year + 2) / 153;
	*ret_day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
	*ret_month = (int)(month < 10 ? month + 3 : month - 9);
	*ret_year = (int)(year_of_era + era * 400 + (*ret_month <= 2));
}

static int days_of_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap);
}

/* What is left to read of the text. */
struct reader {
	const char *at;
	const char *end;
};

static bool take_number(struct reader *reader, int digits, int minimum, int maximum, int *ret_number)
{
	int number = 0;
	if (reader->end - reader->at < digits)
		return false;
	for (int i = 0; i < digits; i++) {
		int digit = reader->at[i] - '0';
		if (digit < 0 || digit > 9)
			return false;
		number = number * 10 + digit;
	}
	reader->at += digits;
	*ret_number = number;
	return number >= minimum && number <= maximum;
}

static bool take_one_of(struct reader *reader, const char *characters, char *ret_character)
{
	if (reader->at == reader->end || *reader->at == '\0' || !strchr(characters, *reader->at))
		return false;
	*ret_character = *reader->at++;
	return true;
}

static bool take_fraction(struct reader *reader, int64_t *ret_microseconds)
{
	int64_t unit = 100000, microseconds = 0;
	int digits = 0;
	for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++, digits++, unit /= 10)
		microseconds += unit * (*reader->at - '0');
	*ret_microseconds = microseconds;
	return digits >= 1 && digits <= 9;
}

static bool take_zone(struct reader *reader, int64_t *ret_seconds)
{
	char sign;
	int hours = 0, minutes = 0;
	if (!take_one_of(reader, "Zz+-", &sign))
		return false;
	if (sign == '+' || sign == '-') {
		char colon;
		if (!take_number(reader, 2, 0, 23, &hours) || !take_one_of(reader, ":", &colon) ||
			!take_number(reader, 2, 0, 59, &minutes))
			return false;
	}
	int64_t seconds = (int64_t)hours * 3600 + (int64_t)minutes * 60;
	*ret_seconds = sign == '-' ? -seconds : seconds;
	return true;
}

bool instant_parse(struct text text, instant_t *ret_instant)
{
	if (!text.data)
		return false;
	struct reader reader = {text.data, text.data + text.size};
	int year, month, day, hour, minute, second;
	char mark;
	if (!take_number(&reader, 4, 1, 9999, &year) || !take_one_of(&reader, "-", &mark) ||
		!take_number(&reader, 2, 1, 12, &month) || !take_one_of(&reader, "-", &mark) ||
		!take_number(&reader, 2, 1, days_of_month(year, month), &day) || !take_one_of(&reader, "Tt ", &mark) ||
		!take_number(&reader, 2, 0, 23, &hour) || !take_one_of(&reader, ":", &mark) ||
		!take_number(&reader, 2, 0, 59, &minute) || !take_one_of(&reader, ":", &mark) ||
		!take_number(&reader, 2, 0, 60, &second)) /* 60: a leap second is the next minute's first */
		return false;
	int64_t microseconds = 0, zone;
	if (reader.at < reader.end && *reader.at == '.') {
		reader.at++;
		if (!take_fraction(&reader, &microseconds))
			return false;
	}
	if (!take_zone(&reader, &zone) || reader.at != reader.end)
		return false;
	int64_t seconds = days_of_date(year, month, day) * SECONDS_OF_DAY + hour * 3600 + minute * 60 + second - zone;
	instant_t instant = seconds * INSTANT_SECOND + microseconds;
	if (instant < INSTANT_MIN || instant > INSTANT_MAX)
		return false;
	*ret_instant = instant;
	return true;
}

static char *put_number(char *at, int64_t number, int digits)
{
	for (int i = digits - 1; i >= 0; i--, number /= 10)
		at[i] = (char)('0' + number % 10);
	return at + digits;
}

size_t instant_format(instant_t instant, char text[INSTANT_TEXT_SIZE])
{
	assert(instant >= INSTANT_MIN && instant <= INSTANT_MAX);
	int64_t microseconds = (instant - INSTANT_MIN) % INSTANT_SECOND; /* years from 0001 on: never negative */
	int64_t seconds = (instant - INSTANT_MIN) / INSTANT_SECOND % SECONDS_OF_DAY;
	int year, month, day;
	date_of_days((instant - INSTANT_MIN) / INSTANT_DAY + INSTANT_MIN / INSTANT_DAY, &year, &month, &day);
	char *at = put_number(text, year, 4);
	*at++ = '-';
	at = put_number(at, month, 2);
	*at++ = '-';
	at = put_number(at, day, 2);
	*at++ = 'T';
	at = put_number(at, seconds / 3600, 2);
	*at++ = ':';
	at = put_number(at, seconds / 60 % 60, 2);
	*at++ = ':';
	at = put_number(at, seconds % 60, 2);
	if (microseconds) {
		*at++ = '.';
		at = microseconds % 1000 ? put_number(at, microseconds, 6) : put_number(at, microseconds / 1000, 3);
	}
	*at++ = 'Z';
	*at = '\0';
	return (size_t)(at - text);
}

static int64_t read_clock(clockid_t clock)
{
	struct timespec now;
	int failed = clock_gettime(clock, &now);
	assert(!failed);
	return (int64_t)now.tv_sec * INSTANT_SECOND + now.tv_nsec / 1000;
}

instant_t instant_now(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t monotonic_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}
