/* SPDX-License-Identifier: Apache-2.0 */
#include "drawdown/json_print.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>

/* Bytes of the UTF-8 sequence at the start of `text` that is well-formed; 0 where there is none. */
static size_t sequence_size(const unsigned char *bytes, size_t size)
{
	size_t count = bytes[0] < 0x80	 ? 1
		       : bytes[0] < 0xC2 ? 0
		       : bytes[0] < 0xE0 ? 2
		       : bytes[0] < 0xF0 ? 3
		       : bytes[0] < 0xF5 ? 4
					 : 0;

	if (count == 0 || count > size)
		return 0;
	for (size_t i = 1; i < count; i++) {
		if ((bytes[i] & 0xC0) != 0x80)
			return 0;
	}
	bool overlong = (bytes[0] == 0xE0 && bytes[1] < 0xA0) || (bytes[0] == 0xF0 && bytes[1] < 0x90);
	bool surrogate = bytes[0] == 0xED && bytes[1] >= 0xA0;
	bool too_large = bytes[0] == 0xF4 && bytes[1] >= 0x90;
	return overlong || surrogate || too_large ? 0 : count;
}

void json_quote(FILE *out, struct text text)
{
	const unsigned char *bytes = (const unsigned char *)text.data;

	(void)fputc('"', out);
	for (size_t i = 0; i < text.size;) {
		size_t size = sequence_size(bytes + i, text.size - i);
		if (size == 0) {
			(void)fputs("\xEF\xBF\xBD", out);
			i++;
			continue;
		}
		if (bytes[i] == '"' || bytes[i] == '\\')
			(void)fprintf(out, "\\%c", bytes[i]);
		else if (bytes[i] == '\n')
			(void)fputs("\\n", out);
		else if (bytes[i] < 0x20 || bytes[i] == 0x7F)
			(void)fprintf(out, "\\u%04x", bytes[i]);
		else
			(void)fwrite(bytes + i, 1, size, out);
		i += size;
	}
	(void)fputc('"', out);
}

static void begin_value(struct json_printer *json, const char *name)
{
	if (json->comma)
		(void)fputc(',', json->out);
	json->comma = true;
	if (name) {
		json_quote(json->out, text_of(name));
		(void)fputc(':', json->out);
	}
}

void json_begin(struct json_printer *json, const char *name, char bracket)
{
	begin_value(json, name);
	(void)fputc(bracket, json->out);
	json->comma = false;
}

void json_end(struct json_printer *json, char bracket)
{
	(void)fputc(bracket, json->out);
	json->comma = true;
}

void json_text(struct json_printer *json, const char *name, struct text text)
{
	begin_value(json, name);
	if (text.data)
		json_quote(json->out, text);
	else
		(void)fputs("null", json->out);
}

void json_integer(struct json_printer *json, const char *name, int64_t value)
{
	begin_value(json, name);
	(void)fprintf(json->out, "%" PRId64, value);
}

void json_boolean(struct json_printer *json, const char *name, bool value)
{
	begin_value(json, name);
	(void)fputs(value ? "true" : "false", json->out);
}

void json_credit(struct json_printer *json, const char *name, credit_t amount)
{
	char text[CREDIT_TEXT_SIZE];

	(void)credit_format(amount, text);
	begin_value(json, name);
	(void)fputs(text, json->out);
}

void json_instant(struct json_printer *json, const char *name, instant_t instant)
{
	char text[INSTANT_TEXT_SIZE];

	if (instant == INSTANT_NONE) {
		json_text(json, name, TEXT_NULL);
	} else {
		(void)instant_format(instant, text);
		json_text(json, name, text_of(text));
	}
}

void json_raw(struct json_printer *json, const char *name, struct text text)
{
	begin_value(json, name);
	if (text.data)
		(void)fwrite(text.data, 1, text.size, json->out);
	else
		(void)fputs("null", json->out);
}

void json_bytes(struct json_printer *json, const char *name, struct text bytes)
{
	if (!bytes.data || text_is_storable(bytes)) {
		json_text(json, name, bytes);
		return;
	}
	size_t size = sodium_base64_ENCODED_LEN(bytes.size, sodium_base64_VARIANT_ORIGINAL);
	char *encoded = malloc(size);
	if (!encoded)
		abort();
	sodium_bin2base64(encoded, size, (const unsigned char *)bytes.data, bytes.size, sodium_base64_VARIANT_ORIGINAL);
	json_begin(json, name, '{');
	json_text(json, "base64", text_of(encoded));
	json_end(json, '}');
	free(encoded);
}

void json_line(struct json_printer *json)
{
	(void)fputc('\n', json->out);
	json->comma = false;
}
