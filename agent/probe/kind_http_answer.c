/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a web server answered, judged by what was configured: see kind_http_answer.h. Whatever is wrong with an
 * application that answers at all is not_ready; what is no answer to this question is protocol_error.
 */
#include "probe/kind_http_answer.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool http_status_is_up(const struct dependency *of, long status)
{
	if (of->status_count == 0)
		return status >= 200 && status <= 299;
	for (unsigned i = 0; i < of->status_count; i++)
		if (status >= (long)of->statuses[i].from && status <= (long)of->statuses[i].to)
			return true;
	return false;
}

/* One step of a pointer: up to the next slash, ~1 and ~0 read as slash and tilde. */
static const char *next_token(const char *pointer, char *token, size_t bytes)
{
	size_t used = 0;

	for (; *pointer && *pointer != '/'; pointer++) {
		char byte = *pointer;

		if (byte == '~' && (pointer[1] == '0' || pointer[1] == '1'))
			byte = *++pointer == '1' ? '/' : '~';
		if (used + 1 < bytes)
			token[used++] = byte;
	}
	token[used] = '\0';
	return pointer;
}

static json_t *step(json_t *at, const char *token)
{
	char *end;
	unsigned long index;

	if (json_is_object(at))
		return json_object_get(at, token);
	if (!json_is_array(at) || !isdigit((unsigned char)token[0]))
		return NULL;
	index = strtoul(token, &end, 10);
	return *end ? NULL : json_array_get(at, index);
}

static json_t *walk(json_t *at, const char *pointer)
{
	char token[DEPENDENCY_TEXT];

	while (at && *pointer == '/') {
		pointer = next_token(pointer + 1, token, sizeof token);
		at = step(at, token);
	}
	return *pointer ? NULL : at;
}

/* Prometheus and many others put their numbers in quotes. */
static bool read_number(const json_t *at, double *number)
{
	const char *text = json_string_value(at);
	char *end;

	if (json_is_number(at)) {
		*number = json_number_value(at);
		return true;
	}
	if (!text || !*text || isspace((unsigned char)*text))
		return false;
	*number = strtod(text, &end);
	return *end == '\0';
}

static const char *text_of(const json_t *at)
{
	if (json_is_boolean(at))
		return json_is_true(at) ? "true" : "false";
	return json_is_null(at) ? "null" : json_string_value(at);
}

enum http_found http_pointer(
	const char *body, size_t bytes, const char *pointer, double *number, char *text, size_t text_bytes)
{
	json_t *whole = json_loadb(body, bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	json_t *at = walk(whole, pointer);
	enum http_found found = whole ? HTTP_NOTHING : HTTP_NO_JSON;

	text[0] = '\0';
	if (at && text_of(at)) {
		snprintf(text, text_bytes, "%s", text_of(at));
		found = HTTP_TEXT;
	}
	if (at && read_number(at, number)) {
		if (json_is_number(at))
			snprintf(text, text_bytes, "%.15g", *number);
		found = HTTP_NUMBER;
	}
	json_decref(whole);
	return found;
}

static void judge_pointer(struct attempt *attempt, const char *body, size_t bytes)
{
	const struct dependency *of = attempt->of;
	char text[DEPENDENCY_TEXT];
	double number = 0;
	enum http_found found = http_pointer(body, bytes, of->pointer, &number, text, sizeof text);

	if (found == HTTP_NO_JSON)
		attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "the answer is no JSON");
	else if (found == HTTP_NOTHING)
		attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "nothing at %s", of->pointer);
	else if (of->expect[0] && strcmp(text, of->expect) != 0)
		attempt_fail(
			attempt, PROBE_NOT_READY, "%s is '%.40s', not '%.40s'", of->pointer, text, of->expect);
	else if (!of->expect[0] && found == HTTP_TEXT)
		attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "%s is '%.40s' and no number", of->pointer, text);
	if (found == HTTP_NUMBER)
		attempt_value(attempt, number);
}

void http_judge_body(struct attempt *attempt, const char *body, size_t bytes, const regex_t *pattern)
{
	const struct dependency *of = attempt->of;

	if (pattern && regexec(pattern, body, 0, NULL, 0) != 0)
		attempt_fail(attempt, PROBE_NOT_READY, "the body does not match '%.80s'", of->body);
	else if (of->pointer[0])
		judge_pointer(attempt, body, bytes);
	else if (of->expect[0] && strncmp(body, of->expect, strlen(of->expect)) != 0)
		attempt_fail(attempt, PROBE_NOT_READY, "the body does not begin with '%.80s'", of->expect);
}
