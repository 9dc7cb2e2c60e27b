/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http and https: one request on a kept connection (HTTP/2 when TLS offers it), judged by status, body and JSON
 * pointer. `follow`: the server is another lifesign, which says where its trouble begins.
 * Threads, failure: see kind.h. Memory: a body is read up to BODY bytes (STATUS of a lifesign); the rest is
 * not.
 */
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/instance.h"
#include "base/text.h"
#include "probe/curl_link.h"
#include "probe/kind_http_answer.h"

enum { BODY = 1 << 17, STATUS = 1 << 22 };

struct http {
	struct curl_link link;
	regex_t pattern;
	bool has_pattern;
	struct buf body;
	bool cut, headed; /* the body was longer than wanted; the headers came to their end */
};

static int compile(struct http *http, const char *pattern, char *why, size_t why_bytes)
{
	int wrong = regcomp(&http->pattern, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE);

	if (wrong) {
		size_t used = (size_t)snprintf(why, why_bytes, "body: ");

		regerror(wrong, &http->pattern, why + used, why_bytes > used ? why_bytes - used : 0);
		return -EINVAL;
	}
	http->has_pattern = true;
	return 0;
}

static void close_http(void *state)
{
	struct http *http = state;

	curl_link_close(&http->link);
	buf_free(&http->body);
	if (http->has_pattern)
		regfree(&http->pattern);
	free(http);
}

static int open_http(const struct dependency *of, void **state, char *why, size_t why_bytes)
{
	struct http *http = calloc(1, sizeof *http);
	int result;

	if (!http)
		return -ENOMEM;
	result = curl_link_open(&http->link, of, of->at.tls ? "https" : "http", why, why_bytes);
	if (result == 0 && of->body[0])
		result = compile(http, of->body, why, why_bytes);
	if (result == 0 && !curl_link_header(&http->link, "Accept: */*"))
		result = -ENOMEM;
	if (result)
		close_http(http);
	else
		*state = http;
	return result;
}

static size_t keep_body(char *bytes, size_t one, size_t count, void *data)
{
	struct http *http = data;
	size_t room = http->body.limit - http->body.used - 1;

	(void)one;
	if (count <= room) {
		buf_add(&http->body, bytes, count);
		return http->body.failed ? 0 : count;
	}
	buf_add(&http->body, bytes, room);
	http->cut = true;
	return 0;
}

/* libcurl takes headers that break off for an answer. */
static size_t see_header(char *line, size_t one, size_t bytes, void *data)
{
	struct http *http = data;

	(void)one;
	http->headed = bytes <= 2 && (line[0] == '\r' || line[0] == '\n');
	return bytes;
}

/* One request; its status, or 0 after it has failed. `path`: instead of the one of the URL. */
static long request(struct http *http, struct attempt *attempt, const char *path)
{
	CURL *easy = curl_link_begin(&http->link, attempt);
	const char *method = attempt->of->method[0] && !path ? attempt->of->method : "GET";
	long status;

	if (!easy)
		return 0;
	buf_free(&http->body);
	buf_start(&http->body, path ? STATUS : BODY);
	http->cut = http->headed = false;
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, see_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, http);
	curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, path);
	curl_easy_setopt(easy, CURLOPT_NOBODY, strcmp(method, "HEAD") == 0 ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, strcmp(method, "HEAD") == 0 ? NULL : method);
	status = curl_link_perform(&http->link, &http->cut);
	if (status == 0 || http->headed)
		return status;
	attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "closed the connection in the middle of the headers");
	curl_link_drop(&http->link);
	return 0;
}

static const char *body_of(const struct http *http)
{
	return http->body.data ? http->body.data : "";
}

/* Its whole state stands beside the readyz that was configured. */
static bool ask_status(struct http *http, struct attempt *attempt, struct http_follow *follow)
{
	static const char *const ends[] = {"/health/ready", "/readyz", "/ready", "/health/status"};
	const char *path = attempt->of->at.path;
	char status[DEPENDENCY_TEXT + 16], own[INSTANCE_NAME];
	size_t length = strlen(path);

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		if (length >= strlen(ends[i]) && strcmp(path + length - strlen(ends[i]), ends[i]) == 0) {
			length -= strlen(ends[i]);
			break;
		}
	while (length > 0 && path[length - 1] == '/') /* http://auth:8081/ */
		length--;
	instance_name(attempt_service(), own);
	snprintf(status, sizeof status, "%.*s/health/status", (int)length, path);
	return request(http, attempt, status) == 200 &&
	       http_follow_status(body_of(http), http->body.used, own, follow);
}

static void judge_follow(struct attempt *attempt, const struct http_follow *follow)
{
	if (follow->ready)
		return;
	if (follow->loop) {
		attempt_degrade(attempt, PROBE_NOT_READY, "not ready only because this service is not: a ring");
		return;
	}
	snprintf(attempt->result->root, sizeof attempt->result->root, "%s", follow->root);
	text_sanitize(attempt->result->root);
	attempt_fail(attempt, PROBE_NOT_READY, "not ready: %s%s%s", follow->through,
		follow->through[0] ? ": " : "", follow->reason);
}

/* It answered that it is not ready: why not? Asked on the same connection, and never worse than not knowing. */
static void follow_on(struct http *http, struct attempt *attempt, long status)
{
	struct http_follow follow;
	size_t bytes;
	char *said = buf_take(&http->body, &bytes);

	if (ask_status(http, attempt, &follow) ||
		(said && http_follow_verbose(said, attempt->of->name, &follow)))
		judge_follow(attempt, &follow);
	else
		attempt_fail(attempt, curl_status_error(status), "HTTP %ld, and it does not say why", status);
	free(said);
}

static void judge(struct http *http, struct attempt *attempt, long status)
{
	if (attempt->of->follow)
		follow_on(http, attempt, status);
	else if (!http_status_is_up(attempt->of, status))
		attempt_fail(attempt, curl_status_error(status), "HTTP %ld%s", status,
			status >= 300 && status <= 399 ? ", a redirect, which is not followed" : "");
	else
		http_judge_body(
			attempt, body_of(http), http->body.used, http->has_pattern ? &http->pattern : NULL);
}

static void ask_http(void *state, struct attempt *attempt)
{
	struct http *http = state;
	long status = request(http, attempt, NULL);

	if (status != 0)
		judge(http, attempt, status);
	http->link.attempt = NULL; /* what is kept may outlive it */
}

const struct probe_kind probe_kind = {.name = "http", .open = open_http, .ask = ask_http, .close = close_http};
