/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	enum request_method method;
} methods[] = {{"GET", METHOD_GET}, {"HEAD", METHOD_HEAD}, {"POST", METHOD_POST}};

enum request_method request_method(const char *method)
{
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (strcmp(method, methods[i].name) == 0)
			return methods[i].method;
	return METHOD_OTHER;
}

void request_add_parameter(struct request *request, const char *name, const char *value)
{
	if (strcmp(name, "verbose") == 0)
		request->verbose = true;
	else if (strcmp(name, "suspect") == 0)
		request->suspect = true;
	else if (strcmp(name, "exclude") == 0 && request->exclude_count < REQUEST_EXCLUDES)
		request->excludes[request->exclude_count++] = value ? value : "";
}

/* 0 without a port, else the length of ":NNN" at the end of the text, which must be all of it. */
static bool is_port_or_nothing(const char *text)
{
	size_t digits;

	if (*text == '\0')
		return true;
	if (*text != ':')
		return false;
	digits = strspn(text + 1, "0123456789");
	return digits <= 5 && text[1 + digits] == '\0';
}

/* The length of N.N.N.N in 127.0.0.0/8 at the start of the text, else 0. */
static size_t loopback_v4_length(const char *text)
{
	const char *at = text;

	if (strncmp(at, "127.", 4) != 0)
		return 0;
	at += 4;
	for (int octet = 1; octet < 4; octet++) {
		size_t digits = strspn(at, "0123456789");

		if (digits < 1 || digits > 3 || strtoul(at, NULL, 10) > 255)
			return 0;
		at += digits;
		if (octet < 3 && *at++ != '.')
			return 0;
	}
	return (size_t)(at - text);
}

bool host_is_local(const char *host)
{
	static const char *const names[] = {"localhost", "[::1]"};
	size_t length;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		length = strlen(names[i]);
		if (strncasecmp(host, names[i], length) == 0 && is_port_or_nothing(host + length))
			return true;
	}
	length = loopback_v4_length(host);
	return length > 0 && is_port_or_nothing(host + length);
}

/* A text between two addresses, neither of them its own NUL. */
struct span {
	const char *start, *end;
};

static struct span trim(struct span text)
{
	while (text.start < text.end && (*text.start == ' ' || *text.start == '\t'))
		text.start++;
	while (text.end > text.start && (text.end[-1] == ' ' || text.end[-1] == '\t'))
		text.end--;
	return text;
}

/* Takes what comes before `separator` off the front; what is left afterwards is empty at the end. */
static struct span take_part(struct span *rest, char separator)
{
	size_t left = (size_t)(rest->end - rest->start);
	const char *at = left ? memchr(rest->start, separator, left) : NULL;
	struct span part = {rest->start, at ? at : rest->end};

	rest->start = at ? at + 1 : rest->end;
	return trim(part);
}

static bool span_is(struct span span, const char *text)
{
	size_t length = strlen(text);

	return (size_t)(span.end - span.start) == length && strncasecmp(span.start, text, length) == 0;
}

/* q=0.123 of RFC 9110; what is no such number counts as 1, as if it were not there. */
static double weight_of(struct span value)
{
	char text[8] = "";
	size_t length = (size_t)(value.end - value.start);

	if (length == 0 || length >= sizeof text || strspn(value.start, "0123456789.") < length)
		return 1;
	memcpy(text, value.start, length);
	return strtod(text, NULL);
}

static void add_media_range(struct request *request, struct span range)
{
	struct span media = take_part(&range, ';');
	enum exposition wanted = EXPOSITION_OPENMETRICS_1;
	double weight = 1;
	bool openmetrics = span_is(media, "application/openmetrics-text");

	while (range.start < range.end) {
		struct span parameter = take_part(&range, ';');
		struct span name = take_part(&parameter, '=');

		parameter = trim(parameter);
		if (span_is(name, "q"))
			weight = weight_of(parameter);
		else if (span_is(name, "version") && span_is(parameter, "0.0.1"))
			wanted = EXPOSITION_OPENMETRICS_0;
		else if (span_is(name, "version") && !span_is(parameter, "1.0.0"))
			wanted = EXPOSITION_TEXT; /* a version that is not spoken here */
	}
	if (span_is(media, "text/plain") && weight > request->text_weight)
		request->text_weight = weight;
	if (openmetrics && wanted != EXPOSITION_TEXT && weight > request->openmetrics_weight) {
		request->openmetrics_weight = weight;
		request->openmetrics = wanted;
	}
}

static void add_accept(struct request *request, const char *value)
{
	struct span rest = {value, value + strlen(value)};

	while (rest.start < rest.end)
		add_media_range(request, take_part(&rest, ','));
}

void request_add_header(struct request *request, const char *name, const char *value)
{
	if (!value)
		value = "";
	if (strcasecmp(name, "Host") == 0) {
		request->host_count++;
		request->host_is_local = host_is_local(value);
	} else if (strcasecmp(name, "Forwarded") == 0 || strcasecmp(name, "X-Forwarded-For") == 0) {
		request->forwarded = true;
	} else if (strcasecmp(name, "Accept") == 0) {
		add_accept(request, value);
	}
}

enum exposition request_exposition(const struct request *request)
{
	return request->text_weight > request->openmetrics_weight ? EXPOSITION_TEXT : request->openmetrics;
}

void request_decide_details(struct request *request, enum peer_kind peer, bool details_for_all)
{
	if (details_for_all || peer == PEER_UNIX)
		request->details = true;
	else
		request->details = peer == PEER_LOOPBACK && request->host_count == 1 &&
				   request->host_is_local && !request->forwarded;
}
