/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client can write: a path, a query, headers. Lines of the input: the path with its query, then
 * "Name: value" headers. Every renderer answers; the answer must be one that the contract knows.
 */
#include <stdlib.h>
#include <string.h>

#include "serve/request.h"
#include "serve/route.h"

enum { BODY = 1 << 20, TEXT = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t counters[SERVE_COUNTERS];

static struct snapshot *hostile_snapshot(const uint8_t *data, size_t size)
{
	struct snapshot *made = snapshot_new(1, 2);

	if (!made)
		abort();
	made->process_count = 1;
	made->processes[0].thread_count = 2;
	made->verdict = size ? data[0] % VERDICT_COUNT : VERDICT_ALIVE;
	made->ready.reason_count = made->live.reason_count = 1;
	made->ready.reasons[0].code = made->live.reasons[0].code = size ? 1 + data[0] % (REASON_COUNT - 1) : 1;
	made->listener_count = 1;
	memcpy(made->threads[0].name, data, size < 16 ? size : 16); /* unterminated when full */
	memcpy(made->processes[0].exe, data, size < SNAPSHOT_EXE ? size : SNAPSHOT_EXE);
	memcpy(made->listeners[0].address, data, size < SNAPSHOT_ADDRESS ? size : SNAPSHOT_ADDRESS - 1);
	memcpy(made->ready.reasons[0].detail, data, size < SNAPSHOT_DETAIL ? size : SNAPSHOT_DETAIL);
	memcpy(made->service, data, size < sizeof made->service ? size : sizeof made->service - 1);
	return made;
}

static void add_query(struct request *request, char *query)
{
	for (char *pair = strsep(&query, "&"); pair; pair = strsep(&query, "&")) {
		char *value = strchr(pair, '=');

		if (value)
			*value++ = '\0';
		request_add_parameter(request, pair, value);
	}
}

static void add_headers(struct request *request, char *lines)
{
	for (char *line = strsep(&lines, "\n"); line; line = strsep(&lines, "\n")) {
		char *value = strchr(line, ':');

		if (value)
			*value++ = '\0';
		request_add_header(request, line, value);
	}
}

static void answer(const struct route *route, const struct request *request, const struct snapshot *snapshot, int64_t now)
{
	struct standing standing = standing_of(snapshot, now, 1, 100);
	struct reply reply = {.code = 0};

	buf_start(&reply.body, BODY);
	route->render(&reply, &standing, request, &(struct render_setup){.request_counters = counters});
	if (reply.body.failed || reply.body.used == 0 || !reply.content_type)
		abort();
	if (reply.code != 200 && reply.code != 503 && reply.code != 404)
		abort();
	route_count(counters, route, reply.code);
	buf_free(&reply.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int64_t ages[] = {1, INT64_C(5000000000), INT64_C(20000000000)};
	char text[TEXT] = "";
	struct request request = {.check = NULL};
	char *rest = text;
	char *target, *query;
	const struct route *route;
	struct snapshot *snapshot;

	memcpy(text, data, size < TEXT ? size : TEXT - 1);
	target = strsep(&rest, "\n");
	query = strchr(target, '?');
	if (query)
		*query++ = '\0';
	route = route_find(target, size % 2 ? PEER_UNIX : PEER_LOOPBACK, &request.check);
	if (!route || !route->render)
		return 0;
	add_query(&request, query);
	add_headers(&request, rest);
	request_decide_details(&request, PEER_LOOPBACK, false);
	(void)request_method(target);
	snapshot = hostile_snapshot(data, size);
	for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++)
		answer(route, &request, snapshot, ages[i]);
	free(snapshot);
	return 0;
}
