/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc: Check of grpc.health.v1 over HTTP/2, with prior knowledge or TLS. Up is SERVING and nothing else.
 * Threads, failure: see kind.h. Memory: an answer has ANSWER bytes at most.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "probe/curl_link.h"
#include "probe/kind_grpc_wire.h"

enum { ANSWER = 1024, UNSAID = -1 };

struct grpc {
	struct curl_link link;
	unsigned char question[DEPENDENCY_TEXT + 16], answer[ANSWER];
	size_t question_bytes, answered;
	long status; /* grpc-status of headers or trailers */
	bool cut, is_grpc;
	char said[128]; /* grpc-message */
};

static void close_grpc(void *state)
{
	struct grpc *grpc = state;

	curl_link_close(&grpc->link);
	free(grpc);
}

static int open_grpc(const struct dependency *of, void **state, char *why, size_t why_bytes)
{
	static const char *const headers[] = {"Content-Type: application/grpc", "TE: trailers", "Accept:"};
	struct grpc *grpc = calloc(1, sizeof *grpc);
	int result;

	if (!grpc)
		return -ENOMEM;
	result = curl_link_open(&grpc->link, of, of->at.tls ? "https" : "http", why, why_bytes);
	for (size_t i = 0; result == 0 && i < sizeof headers / sizeof headers[0]; i++)
		if (!curl_link_header(&grpc->link, headers[i]))
			result = -ENOMEM;
	grpc->question_bytes = grpc_write_check(of->service, grpc->question, sizeof grpc->question);
	if (result)
		close_grpc(grpc);
	else
		*state = grpc;
	return result;
}

static size_t keep_answer(char *bytes, size_t one, size_t count, void *data)
{
	struct grpc *grpc = data;

	(void)one;
	if (count > sizeof grpc->answer - grpc->answered) {
		grpc->cut = true;
		return 0;
	}
	memcpy(grpc->answer + grpc->answered, bytes, count);
	grpc->answered += count;
	return count;
}

/* "grpc-status: 0" -> what stands behind the colon, NULL for another header. */
static const char *value_of(const char *line, size_t bytes, const char *name)
{
	size_t length = strlen(name);

	if (bytes <= length || strncasecmp(line, name, length) != 0)
		return NULL;
	return line + length + strspn(line + length, " ");
}

/* Headers and trailers; libcurl ends neither with 0. */
static size_t see_header(char *line, size_t one, size_t bytes, void *data)
{
	struct grpc *grpc = data;
	char text[256];
	const char *value;

	(void)one;
	snprintf(text, sizeof text, "%.*s", (int)(bytes < sizeof text ? bytes : sizeof text - 1), line);
	text[strcspn(text, "\r\n")] = '\0';
	if ((value = value_of(text, strlen(text), "grpc-status:")))
		grpc->status = *value >= '0' && *value <= '9' ? strtol(value, NULL, 10) : LONG_MAX;
	if ((value = value_of(text, strlen(text), "grpc-message:")))
		snprintf(grpc->said, sizeof grpc->said, "%s", value);
	if ((value = value_of(text, strlen(text), "content-type:")))
		grpc->is_grpc = strncasecmp(value, "application/grpc", 16) == 0;
	return bytes;
}

static void configure(struct grpc *grpc, CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, "/grpc.health.v1.Health/Check");
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, (char *)grpc->question);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)grpc->question_bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, keep_answer);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, grpc);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, see_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, grpc);
}

static void judge_health(struct attempt *attempt, const struct grpc *grpc)
{
	static const char *const states[] = {[GRPC_HEALTH_UNKNOWN] = "UNKNOWN",
		[GRPC_NOT_SERVING] = "NOT_SERVING",
		[GRPC_SERVICE_UNKNOWN] = "SERVICE_UNKNOWN",
		[GRPC_OTHER] = "in a state that is not known"};
	enum grpc_health health = grpc_read_check(grpc->answer, grpc->answered);

	if (health == GRPC_GARBAGE || grpc->cut)
		attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "the answer is no HealthCheckResponse");
	else if (health != GRPC_SERVING)
		attempt_fail(attempt, PROBE_NOT_READY, "it is %s", states[health]);
}

/* HTTP first, then gRPC's own status, then what the service says of itself. */
static void judge(struct attempt *attempt, const struct grpc *grpc, long http)
{
	const char *name;
	enum probe_error error;

	if (http != 200) {
		attempt_fail(attempt, curl_status_error(http), "HTTP %ld", http);
	} else if (!grpc->is_grpc) {
		attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "it does not speak gRPC");
	} else if (grpc->status == UNSAID) {
		attempt_fail(attempt, PROBE_PROTOCOL_ERROR, "the answer ended without a grpc-status");
	} else if (grpc->status != 0) {
		error = grpc_status_error(grpc->status, &name);
		attempt_fail(attempt, error, "%s%s%.100s", name, grpc->said[0] ? ": " : "", grpc->said);
	} else {
		judge_health(attempt, grpc);
	}
}

static void ask_grpc(void *state, struct attempt *attempt)
{
	struct grpc *grpc = state;
	CURL *easy = curl_link_begin(&grpc->link, attempt);
	long http = 0;

	grpc->answered = 0;
	grpc->status = UNSAID;
	grpc->cut = grpc->is_grpc = false;
	grpc->said[0] = '\0';
	grpc->link.prior_knowledge = true;
	if (easy) {
		configure(grpc, easy);
		http = curl_link_perform(&grpc->link, &grpc->cut);
	}
	if (http != 0)
		judge(attempt, grpc, http);
	if (attempt_failed(attempt))
		curl_link_drop(&grpc->link);
	grpc->link.attempt = NULL;
}

const struct probe_kind probe_kind = {.name = "grpc", .open = open_grpc, .ask = ask_grpc, .close = close_grpc};
