/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/kind_nats_wire.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *word;
	enum nats_verb verb;
	int numbers; /* at the end of a message's line: bytes of headers and of all */
} verbs[] = {{"INFO", NATS_INFO, 0}, {"PING", NATS_PING, 0}, {"PONG", NATS_PONG, 0}, {"+OK", NATS_OK, 0},
	{"-ERR", NATS_ERR, 0}, {"MSG", NATS_MESSAGE, 1}, {"HMSG", NATS_MESSAGE, 2}};

enum { VERBS = sizeof verbs / sizeof verbs[0] };

/* Is it one, or may it become one? */
static bool may_be_verb(const char *bytes, size_t count)
{
	for (unsigned i = 0; i < VERBS; i++) {
		size_t length = strlen(verbs[i].word);

		if (strncasecmp(bytes, verbs[i].word, count < length ? count : length) == 0)
			return true;
	}
	return false;
}

/* The number that ends a line, and the line without it. */
static bool take_number(const char *line, size_t *length, size_t *number)
{
	size_t end = *length, at = end, value = 0;

	while (at > 0 && isdigit((unsigned char)line[at - 1]))
		at--;
	if (at == end || end - at > 8 || at == 0 || line[at - 1] != ' ')
		return false;
	for (size_t i = at; i < end; i++)
		value = value * 10 + (size_t)(line[i] - '0');
	*length = at - 1;
	*number = value;
	return true;
}

/* A message: its payload comes behind the line, with the headers in front of it. */
static void take_payload(
	const char *bytes, size_t count, int numbers, size_t length, struct nats_operation *out)
{
	size_t all = 0, headers = 0;

	if (!take_number(bytes, &length, &all) || (numbers == 2 && !take_number(bytes, &length, &headers)) ||
		headers > all || all > NATS_ROOM - out->used - 2) {
		out->verb = NATS_GARBAGE;
		return;
	}
	if (count < out->used + all + 2) {
		out->verb = NATS_MORE;
		return;
	}
	out->headers = headers ? bytes + out->used : NULL;
	out->headers_length = headers;
	out->text = bytes + out->used + headers;
	out->length = all - headers;
	out->used += all + 2;
	if (memcmp(bytes + out->used - 2, "\r\n", 2) != 0)
		out->verb = NATS_GARBAGE;
}

static void take_line(const char *bytes, size_t count, size_t length, struct nats_operation *out)
{
	size_t word = 0;

	while (word < length && bytes[word] != ' ' && bytes[word] != '\t')
		word++;
	for (unsigned i = 0; i < VERBS; i++) {
		if (strlen(verbs[i].word) != word || strncasecmp(bytes, verbs[i].word, word) != 0)
			continue;
		out->verb = verbs[i].verb;
		out->text = bytes + word + (word < length);
		out->length = (size_t)(bytes + length - out->text);
		if (verbs[i].numbers)
			take_payload(bytes, count, verbs[i].numbers, length, out);
		return;
	}
}

void nats_next(const char *bytes, size_t count, struct nats_operation *out)
{
	const char *end = memchr(bytes, '\n', count);
	size_t length;

	*out = (struct nats_operation){.verb = NATS_GARBAGE};
	if (!end && count < NATS_ROOM && may_be_verb(bytes, count))
		out->verb = NATS_MORE;
	if (!end || end - bytes >= NATS_ROOM - 2)
		return;
	length = (size_t)(end - bytes);
	out->used = length + 1;
	if (length > 0 && bytes[length - 1] == '\r')
		length--;
	take_line(bytes, count, length, out);
}

bool nats_read_info(const char *text, size_t length, struct nats_info *out)
{
	json_t *info = json_loadb(text, length, 0, NULL);
	const char *nonce = json_string_value(json_object_get(info, "nonce"));
	bool is_info = json_is_object(info);

	*out = (struct nats_info){.tls_required = json_is_true(json_object_get(info, "tls_required")),
		.lame_duck = json_is_true(json_object_get(info, "ldm"))};
	if (nonce)
		snprintf(out->nonce, sizeof out->nonce, "%s", nonce);
	json_decref(info);
	return is_info;
}

enum probe_error nats_error(const char *text, size_t length)
{
	static const struct {
		const char *part;
		enum probe_error error;
	} errors[] = {{"authoriz", PROBE_AUTH_FAILED}, {"authentication", PROBE_AUTH_FAILED},
		{"permissions", PROBE_AUTH_FAILED}, {"revoked", PROBE_AUTH_FAILED},
		{"maximum connections", PROBE_SATURATED}, {"maximum account", PROBE_SATURATED},
		{"tls required", PROBE_TLS_ERROR}};
	char said[256];

	snprintf(said, sizeof said, "%.*s", (int)(length < sizeof said ? length : sizeof said - 1), text);
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (strcasestr(said, errors[i].part))
			return errors[i].error;
	return PROBE_PROTOCOL_ERROR;
}

static enum probe_error read_refusal(const json_t *error, char *why, size_t why_bytes)
{
	const char *text = json_string_value(json_object_get(error, "description"));

	snprintf(why, why_bytes, "JetStream: %s", text ? text : "an error without a description");
	return PROBE_NOT_READY; /* no such consumer or stream yet, no quorum, not enabled */
}

enum probe_error nats_read_consumer(
	const struct nats_operation *message, double *behind, char *why, size_t why_bytes)
{
	static const char nobody[] = "NATS/1.0 503";
	enum probe_error error = PROBE_OK;
	json_t *answer, *pending, *unsettled;

	if (message->headers && message->headers_length >= sizeof nobody - 1 &&
		memcmp(message->headers, nobody, sizeof nobody - 1) == 0) {
		snprintf(why, why_bytes, "nobody answers for JetStream: it is not enabled");
		return PROBE_NOT_READY;
	}
	answer = json_loadb(message->text, message->length, 0, NULL);
	pending = json_object_get(answer, "num_pending");
	unsettled = json_object_get(answer, "num_ack_pending");
	if (json_is_object(json_object_get(answer, "error"))) {
		error = read_refusal(json_object_get(answer, "error"), why, why_bytes);
	} else if (!json_is_integer(pending)) {
		snprintf(why, why_bytes, "JetStream's answer has no num_pending");
		error = PROBE_PROTOCOL_ERROR;
	} else {
		*behind = json_number_value(pending) + json_number_value(unsettled);
	}
	json_decref(answer);
	return error;
}
