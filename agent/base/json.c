/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/utf8.h"

void json_start(struct json *json, struct buf *out)
{
	*json = (struct json){.out = out};
}

/* Characters that stand for themselves inside quotes; returns how many bytes from text[0] do. */
static size_t plain_run(const char *text, size_t left)
{
	size_t run = 0;

	while (run < left && text[run] >= ' ' && text[run] <= '~' && text[run] != '"' && text[run] != '\\')
		run++;
	return run;
}

/* One character that plain_run stopped at; returns its bytes. */
static size_t write_special(struct buf *out, const char *text, size_t left)
{
	static const char escapes[][3] = {['\b'] = "\\b",
		['\t'] = "\\t",
		['\n'] = "\\n",
		['\f'] = "\\f",
		['\r'] = "\\r",
		['"'] = "\\\"",
		['\\'] = "\\\\"};
	unsigned char byte = (unsigned char)text[0];
	size_t bytes = utf8_character(text, left);

	if (byte < sizeof escapes / sizeof escapes[0] && escapes[byte][0])
		buf_add(out, escapes[byte], 2);
	else if (byte < ' ')
		buf_format(out, "\\u%04x", byte);
	else if (bytes)
		buf_add(out, text, bytes);
	else
		buf_text(out, UTF8_REPLACEMENT);
	return bytes ? bytes : 1;
}

static void write_quoted(struct buf *out, const char *text, size_t length)
{
	buf_char(out, '"');
	for (size_t done = 0; done < length;) {
		size_t run = plain_run(text + done, length - done);

		buf_add(out, text + done, run);
		done += run;
		if (done < length)
			done += write_special(out, text + done, length - done);
	}
	buf_char(out, '"');
}

static void begin_element(struct json *json, const char *key)
{
	if (json->comma)
		buf_char(json->out, ',');
	json->comma = true;
	if (!key)
		return;
	write_quoted(json->out, key, strlen(key));
	buf_char(json->out, ':');
}

static void end_container(struct json *json, char bracket)
{
	buf_char(json->out, bracket);
	json->comma = true;
}

void json_object(struct json *json, const char *key)
{
	begin_element(json, key);
	buf_char(json->out, '{');
	json->comma = false;
}

void json_object_end(struct json *json)
{
	end_container(json, '}');
}

void json_array(struct json *json, const char *key)
{
	begin_element(json, key);
	buf_char(json->out, '[');
	json->comma = false;
}

void json_array_end(struct json *json)
{
	end_container(json, ']');
}

void json_null(struct json *json, const char *key)
{
	begin_element(json, key);
	buf_text(json->out, "null");
}

void json_bool(struct json *json, const char *key, bool value)
{
	begin_element(json, key);
	buf_text(json->out, value ? "true" : "false");
}

void json_int(struct json *json, const char *key, int64_t value)
{
	begin_element(json, key);
	buf_int(json->out, value);
}

void json_uint(struct json *json, const char *key, uint64_t value)
{
	begin_element(json, key);
	buf_uint(json->out, value);
}

void json_double(struct json *json, const char *key, double value)
{
	begin_element(json, key);
	buf_double(json->out, value, "null");
}

void json_seconds(struct json *json, const char *key, int64_t ns)
{
	begin_element(json, key);
	buf_seconds(json->out, ns);
}

void json_time(struct json *json, const char *key, int64_t wall_ns)
{
	time_t seconds = wall_ns / NS_PER_SECOND;
	int64_t ms = wall_ns % NS_PER_SECOND / NS_PER_MS;
	struct tm utc;
	char text[48];

	if (wall_ns < 0 || !gmtime_r(&seconds, &utc) ||
		!strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc)) {
		json_null(json, key);
		return;
	}
	begin_element(json, key);
	buf_format(json->out, "\"%s.%03dZ\"", text, (int)ms);
}

void json_text(struct json *json, const char *key, const char *text)
{
	if (!text) {
		json_null(json, key);
		return;
	}
	begin_element(json, key);
	write_quoted(json->out, text, strlen(text));
}

void json_text_within(struct json *json, const char *key, const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	if (length == 0) {
		json_null(json, key);
		return;
	}
	begin_element(json, key);
	write_quoted(json->out, text, length);
}
