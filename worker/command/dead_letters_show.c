/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "dead_letters.h"

#define DUMP_BYTES 16 /* a line */
#define SHOWN_MAX 64  /* bytes of a key or header that is no text */

struct show {
	struct dead_letters letters;
	bool is_raw;
	bool is_found, is_cut;
};

/* What came of it, read again. */
struct reading {
	enum letter_state state;
	bool is_readable;
	struct event event;   /* where readable */
	struct defect defect; /* where not */
	struct text json;     /* the value decoded; absent: it cannot be */
};

static void print_shown(struct text text)
{
	if (!text.data) {
		(void)puts("(null)");
		return;
	}
	if (text_is_printable(text, NULL)) {
		(void)printf("%.*s\n", TEXT_ARGS(text));
		return;
	}
	(void)printf("(%zu bytes)", text.size);
	for (size_t i = 0; i < text.size && i < SHOWN_MAX; i++)
		(void)printf(" %02x", (unsigned char)text.data[i]);
	(void)puts(text.size > SHOWN_MAX ? " ..." : "");
}

static void print_dump(struct text bytes)
{
	for (size_t at = 0; at < bytes.size; at += DUMP_BYTES) {
		size_t count = bytes.size - at < DUMP_BYTES ? bytes.size - at : DUMP_BYTES;
		(void)printf("  %08zx ", at);
		for (size_t i = 0; i < DUMP_BYTES; i++) {
			if (i % 8 == 0)
				(void)putchar(' ');
			if (i < count)
				(void)printf("%02x ", (unsigned char)bytes.data[at + i]);
			else
				(void)fputs("   ", stdout);
		}
		(void)fputs(" |", stdout);
		for (size_t i = 0; i < count; i++) {
			unsigned char byte = (unsigned char)bytes.data[at + i];
			(void)putchar(byte >= 0x20 && byte < 0x7F ? byte : '.');
		}
		(void)puts("|");
	}
}

static const char *format_time(instant_t time, char text[INSTANT_TEXT_SIZE])
{
	if (time == INSTANT_NONE)
		return "no time that can be told";
	(void)instant_format(time, text);
	return text;
}

static void print_reading(const struct letter *letter, const struct reading *reading)
{
	(void)printf("state    %s", letter_state_names[reading->state]);
	if (reading->state == LETTER_UNSENDABLE && letter->cut.data)
		(void)printf(
			": the record's bytes, %.*s in number, stand at its source only\n", TEXT_ARGS(letter->cut));
	else if (reading->state == LETTER_UNSENDABLE)
		(void)puts(": its topic is no input of this configuration");
	else if (reading->is_readable)
		(void)printf(": %s\n", event_kind_name(reading->event.kind));
	else
		(void)printf(": %s, %s\n", reading->defect.reason, reading->defect.text);
}

static void print_letter(const struct dead_letters *letters, const struct letter *letter, const struct reading *reading)
{
	char time[INSTANT_TEXT_SIZE];

	(void)printf("letter   %s [%d] offset %lld of %s\n", letters->reader.topic, (int)letter->partition,
		(long long)letter->offset, format_time(letter->timestamp, time));
	(void)fputs("reason   ", stdout);
	print_shown(letter->reason);
	(void)fputs("error    ", stdout);
	print_shown(letter->error);
	(void)printf("record   %.*s [%d] offset %lld of %s\n", TEXT_ARGS(letter->topic), (int)letter->source_partition,
		(long long)letter->source_offset, format_time(letter->source_timestamp, time));
	if (letter->replayed_from.data) {
		(void)printf("origin   first tried %s, replayed from ", format_time(letter->first_timestamp, time));
		print_shown(letter->replayed_from);
	}
	print_reading(letter, reading);
	(void)fputs("key      ", stdout);
	print_shown(letter->key);
	(void)printf("headers  %zu\n", letter->headers_count);
	for (size_t i = 0; i < letter->headers_count; i++) {
		(void)fputs("  name   ", stdout);
		print_shown(letter->headers[i].name);
		(void)fputs("  value  ", stdout);
		print_shown(letter->headers[i].value);
	}
	if (letter->value.data)
		(void)printf("value    %zu bytes\n", letter->value.size);
	else
		(void)puts("value    (null)");
	print_dump(letter->value);
	if (reading->json.data && text_is_printable(reading->json, NULL))
		(void)printf("decoded  %.*s\n", TEXT_ARGS(reading->json));
}

static void print_json(const struct letter *letter, const struct reading *reading)
{
	struct json_printer json = {.out = stdout};

	json_begin(&json, NULL, '{');
	letter_print_json(letter, reading->state, &json);
	json_instant(&json, "firstTimestamp", letter->first_timestamp);
	json_text(&json, "cut", letter->cut);
	json_bytes(&json, "key", letter->key);
	json_begin(&json, "headers", '[');
	for (size_t i = 0; i < letter->headers_count; i++) {
		json_begin(&json, NULL, '{');
		json_bytes(&json, "name", letter->headers[i].name);
		json_bytes(&json, "value", letter->headers[i].value);
		json_end(&json, '}');
	}
	json_end(&json, ']');
	json_bytes(&json, "value", letter->value);
	bool is_readable = reading->is_readable;
	json_text(&json, "kind", is_readable ? text_of(event_kind_name(reading->event.kind)) : TEXT_NULL);
	json_text(&json, "defect", is_readable ? TEXT_NULL : text_of(reading->defect.reason));
	json_text(&json, "defectError", is_readable ? TEXT_NULL : text_of(reading->defect.text));
	json_raw(&json, "decoded", reading->json);
	json_end(&json, '}');
	json_line(&json);
}

/* How it would be read now is told of every letter, be it replayed or too old. */
static struct reading read_again(const struct dead_letters *letters, const struct letter *letter, struct arena *arena)
{
	struct reading reading = {0};
	struct defect ignored;
	struct event event;

	reading.state = dead_letters_judge(letters, letter, arena, &event, &ignored);
	reading.is_readable = decode_event(letters->decoder, arena, letter->value, &reading.event, &reading.defect);
	if (!letter->value.data || !decode_to_json(letters->decoder, arena, letter->value, &reading.json, &ignored))
		reading.json = TEXT_NULL;
	return reading;
}

static bool take(void *context, const struct letter *letter, struct arena *arena)
{
	struct show *show = context;

	if (!letter)
		return true;
	show->is_found = true;
	show->is_cut = letter->cut.data != NULL;
	if (show->is_raw) {
		(void)fwrite(letter->value.data, 1, letter->value.size, stdout);
		return false;
	}
	const struct reading reading = read_again(&show->letters, letter, arena);
	if (show->letters.options->json)
		print_json(letter, &reading);
	else
		print_letter(&show->letters, letter, &reading);
	return false;
}

static int report_missing(const struct show *show)
{
	const struct letter_place *place = &show->letters.filter.places[0];
	return options_error(show->letters.options, "there is no letter %d/%lld in %s", (int)place->partition,
		(long long)place->offset, show->letters.config->output_topics[OUTPUT_DEAD_LETTERS]);
}

static int run(void *context)
{
	struct show *show = context;
	struct failure failure;

	enum outcome outcome = dead_letters_read(&show->letters, take, show, &failure);
	if (outcome != OUTCOME_OK)
		return options_failed(show->letters.options, &failure);
	if (!show->is_found)
		return report_missing(show);
	if (show->is_raw && show->is_cut)
		return options_error(show->letters.options, "the letter is cut: its bytes stand at its source only");
	return EXIT_OK;
}

int command_dead_letters_show(int argc, char **argv)
{
	struct show show = {.letters = {.filter = LETTER_FILTER_ALL, .texts.letters.count = 1}};
	const struct command_option table[] = {
		{"raw", NULL, "only the value's bytes, as they are", .flag = &show.is_raw},
	};
	const struct command_argument arguments[] = {
		{"LETTER", "partition and offset, as `list` names it: 3/42",
			.text = &show.letters.texts.letters.values[0]},
	};
	struct options options = {
		.command = "dead-letters show",
		.summary = "show a dead letter, byte by byte, and what is made of it now",
		.table = table,
		.table_count = sizeof table / sizeof *table,
		.arguments = arguments,
		.arguments_count = sizeof arguments / sizeof *arguments,
		.examples = {"drawdown dead-letters show 3/42", "drawdown dead-letters show 3/42 --raw > record"},
		.config_needs = CONFIG_NEEDS_KAFKA,
		.prints_data = true,
	};

	return dead_letters_command(&show.letters, &options, argc, argv, run, &show);
}
