/* SPDX-License-Identifier: Apache-2.0 */
/* What a request asks for: Host, Accept, details, parameters, paths. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "serve/request.h"
#include "serve/route.h"

static void only_loopback_names_are_local(void **state)
{
	static const struct {
		const char *host;
		bool local;
	} rows[] = {
		{"localhost", true}, {"LocalHost:8081", true}, {"127.0.0.1", true}, {"127.0.0.1:1", true},
		{"127.255.255.255:65535", true}, {"127.1.2.3", true}, {"[::1]", true}, {"[::1]:8081", true},
		{"localhost:", true}, /* an empty port is a port of RFC 3986 */
		{"", false}, {"localhost.evil.example", false}, {"evil.localhost", false}, {"localhost@evil", false},
		{"localhost:80x", false}, {"localhost:123456", false}, {"localhost ", false}, {"127.0.0.1.nip.io", false},
		{"127.0.0", false}, {"127.0.0.256", false}, {"127.0.0.0001", false}, {"127.0.0.", false}, {"127...", false},
		{"128.0.0.1", false}, {"0.0.0.0", false}, {"::1", false}, {"[::1", false}, {"[::1]x", false},
		{"[::2]", false}, {"[::ffff:127.0.0.1]", false}, {"127.0.0.1:-1", false}, {"127.0.0.1/", false},
		{"10.0.0.1:8081", false}, {"example.com", false}, {"2130706433", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (host_is_local(rows[i].host) != rows[i].local)
			fail_msg("'%s' is %slocal", rows[i].host, rows[i].local ? "" : "not ");
}

static void openmetrics_is_for_those_who_name_it(void **state)
{
	static const struct {
		const char *accept;
		enum exposition exposition;
	} rows[] = {
		{NULL, EXPOSITION_TEXT}, {"", EXPOSITION_TEXT}, {"*/*", EXPOSITION_TEXT}, {"text/html,*/*;q=0.8", EXPOSITION_TEXT},
		{"application/json", EXPOSITION_TEXT}, {"application/*", EXPOSITION_TEXT},
		{"application/openmetrics-text", EXPOSITION_OPENMETRICS_1},
		{"Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8", EXPOSITION_OPENMETRICS_1},
		{"application/openmetrics-text;version=0.0.1", EXPOSITION_OPENMETRICS_0},
		{"application/openmetrics-text;version=2.0.0", EXPOSITION_TEXT},
		{"application/openmetrics-textile", EXPOSITION_TEXT},
		{"application/openmetrics-text;q=0", EXPOSITION_TEXT},
		{"application/openmetrics-text;q=0.000", EXPOSITION_TEXT},
		{"application/openmetrics-text;q=nonsense", EXPOSITION_OPENMETRICS_1},
		{"text/plain;version=0.0.4;q=0.5,application/openmetrics-text;q=0.4", EXPOSITION_TEXT},
		{"text/plain;version=0.0.4,application/openmetrics-text", EXPOSITION_OPENMETRICS_1},
		{"application/openmetrics-text;version=1.0.0;q=0.75,application/openmetrics-text;version=0.0.1;q=0.5,"
		 "text/plain;version=0.0.4;q=0.25,*/*;q=0.1", EXPOSITION_OPENMETRICS_1},
		{"application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		 EXPOSITION_OPENMETRICS_0},
		{"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;q=0.2",
		 EXPOSITION_OPENMETRICS_1},
		{",,;;=,application/openmetrics-text;;", EXPOSITION_OPENMETRICS_1}, {";", EXPOSITION_TEXT}, {",", EXPOSITION_TEXT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct request request = {.check = NULL};

		request_add_header(&request, "accept", rows[i].accept);
		if (request_exposition(&request) != rows[i].exposition)
			fail_msg("Accept: %s gives %d", rows[i].accept, request_exposition(&request));
	}
}

static void several_accept_headers_count_together(void **state)
{
	struct request request = {.check = NULL};

	(void)state;
	request_add_header(&request, "Accept", "text/plain;q=0.2");
	request_add_header(&request, "Accept", "application/openmetrics-text;q=0.9");
	assert_int_equal(request_exposition(&request), EXPOSITION_OPENMETRICS_1);
}

static void details_are_for_local_eyes(void **state)
{
	static const struct {
		enum peer_kind peer;
		bool for_all;
		const char *hosts[2];
		const char *forwarded; /* a header's name */
		bool details;
	} rows[] = {
		{PEER_UNIX, false, {NULL}, NULL, true},
		{PEER_UNIX, false, {"evil.example"}, "X-Forwarded-For", true},
		{PEER_REMOTE, true, {"evil.example"}, "Forwarded", true},
		{PEER_REMOTE, false, {"localhost"}, NULL, false},
		{PEER_LOOPBACK, false, {"localhost:8081"}, NULL, true},
		{PEER_LOOPBACK, false, {"evil.example"}, NULL, false},
		{PEER_LOOPBACK, false, {NULL}, NULL, false},
		{PEER_LOOPBACK, false, {"localhost", "evil.example"}, NULL, false},
		{PEER_LOOPBACK, false, {"evil.example", "localhost"}, NULL, false},
		{PEER_LOOPBACK, false, {"localhost"}, "x-forwarded-for", false},
		{PEER_LOOPBACK, false, {"localhost"}, "FORWARDED", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct request request = {.check = NULL};

		for (int host = 0; host < 2 && rows[i].hosts[host]; host++)
			request_add_header(&request, "Host", rows[i].hosts[host]);
		if (rows[i].forwarded)
			request_add_header(&request, rows[i].forwarded, "10.0.0.1");
		request_decide_details(&request, rows[i].peer, rows[i].for_all);
		if (request.details != rows[i].details)
			fail_msg("row %zu", i);
	}
}

static void unknown_parameters_are_ignored(void **state)
{
	struct request request = {.check = NULL};

	(void)state;
	request_add_parameter(&request, "Verbose", NULL);
	request_add_parameter(&request, "timeout", "5s");
	assert_false(request.verbose);
	request_add_parameter(&request, "verbose", "false"); /* presence is what counts */
	assert_true(request.verbose);
	for (unsigned i = 0; i < REQUEST_EXCLUDES + 10; i++)
		request_add_parameter(&request, "exclude", i ? "x" : NULL);
	assert_int_equal(request.exclude_count, REQUEST_EXCLUDES);
	assert_string_equal(request.excludes[0], "");
}

static void paths_lead_where_the_contract_says(void **state)
{
	static const struct {
		const char *path;
		enum peer_kind peer;
		const char *route, *check;
	} rows[] = {
		{"/livez", PEER_REMOTE, "/livez", NULL}, {"/live", PEER_REMOTE, "/livez", NULL},
		{"/health/live", PEER_REMOTE, "/livez", NULL}, {"/healthz", PEER_REMOTE, "/livez", NULL},
		{"/readyz", PEER_REMOTE, "/readyz", NULL}, {"/ready", PEER_REMOTE, "/readyz", NULL},
		{"/health/ready", PEER_REMOTE, "/readyz", NULL}, {"/startupz", PEER_REMOTE, "/startupz", NULL},
		{"/startup", PEER_REMOTE, "/startupz", NULL}, {"/health/startup", PEER_REMOTE, "/startupz", NULL},
		{"/health", PEER_REMOTE, "/health", NULL}, {"/health/status", PEER_REMOTE, "/health/status", NULL},
		{"/metrics", PEER_REMOTE, "/metrics", NULL},
		{"/livez/deadlock", PEER_REMOTE, "/livez", "deadlock"}, {"/ready/db", PEER_REMOTE, "/readyz", "db"},
		{"/health/ready/db", PEER_REMOTE, "/readyz", "db"},
		{"/reload", PEER_UNIX, "/reload", NULL}, {"/reload", PEER_LOOPBACK, NULL, NULL},
		{"/livez/", PEER_REMOTE, NULL, NULL}, {"/readyz/a/b", PEER_REMOTE, NULL, NULL}, {"/livezz", PEER_REMOTE, NULL, NULL},
		{"/metrics/", PEER_REMOTE, NULL, NULL}, {"/metrics/x", PEER_REMOTE, NULL, NULL}, {"/health/", PEER_REMOTE, NULL, NULL},
		{"/health/status/", PEER_REMOTE, NULL, NULL}, {"/LIVEZ", PEER_REMOTE, NULL, NULL}, {"", PEER_REMOTE, NULL, NULL},
		{"livez", PEER_REMOTE, NULL, NULL}, {"//livez", PEER_REMOTE, NULL, NULL}, {"/reload/", PEER_UNIX, NULL, NULL},
		{"/../livez", PEER_REMOTE, NULL, NULL}, {"*", PEER_REMOTE, NULL, NULL},
		{"/debug/pprof/profile", PEER_UNIX, NULL, NULL}, {"/", PEER_UNIX, "/", NULL}, {"/", PEER_LOOPBACK, "/", NULL}, {"//", PEER_UNIX, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *check = NULL;
		const struct route *route = route_find(rows[i].path, rows[i].peer, &check);

		if (!route != !rows[i].route || (route && strcmp(route->path, rows[i].route) != 0))
			fail_msg("%s leads to %s", rows[i].path, route ? route->path : "nothing");
		if (route && (!check != !rows[i].check || (check && strcmp(check, rows[i].check) != 0)))
			fail_msg("%s asks for %s", rows[i].path, check ? check : "nothing");
	}
}

static void no_two_answers_share_a_place(void **state)
{
	static const char *const paths[] = {"/livez", "/readyz", "/startupz", "/health", "/health/status"};
	bool taken[SNAPSHOT_RENDERED] = {false};
	unsigned places = 0;

	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		for (int details = 0; details < 2; details++) {
			struct request request = {.details = details};
			const char *check;
			const struct route *route = route_find(paths[i], PEER_UNIX, &check);

			if (details && !(route->flags & ROUTE_DETAILS))
				continue;
			for (enum freshness freshness = 0; freshness < FRESHNESS_COUNT; freshness++) {
				int index = route_shared_index(route, &request, freshness);

				assert_in_range(index, 0, SNAPSHOT_RENDERED - 1);
				assert_false(taken[index]);
				taken[index] = true;
				places++;
			}
			request.verbose = true;
			assert_int_equal(route_shared_index(route, &request, FRESHNESS_GOOD), -1);
			request = (struct request){.exclude_count = 1};
			assert_int_equal(route_shared_index(route, &request, FRESHNESS_GOOD), -1);
			request = (struct request){.check = "x"};
			assert_int_equal(route_shared_index(route, &request, FRESHNESS_GOOD), -1);
		}
	}
	assert_int_equal(places, 21);
}

static void every_answer_is_counted_once(void **state)
{
	static uint64_t counters[SERVE_COUNTERS];
	static const unsigned codes[] = {200, 202, 400, 404, 405, 500, 503, 418, 0};
	const char *check;
	uint64_t sum = 0;

	(void)state;
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		route_count(counters, route_find("/metrics", PEER_REMOTE, &check), codes[i]);
		route_count(counters, NULL, codes[i]);
	}
	for (unsigned path = 0; path < SERVE_PATHS; path++)
		for (unsigned code = 0; code < SERVE_CODES; code++)
			sum += route_counter_path(path) ? route_counter(counters, path, code) : 0;
	assert_int_equal(sum, 2 * sizeof codes / sizeof codes[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_loopback_names_are_local),
		cmocka_unit_test(openmetrics_is_for_those_who_name_it),
		cmocka_unit_test(several_accept_headers_count_together),
		cmocka_unit_test(details_are_for_local_eyes),
		cmocka_unit_test(unknown_parameters_are_ignored),
		cmocka_unit_test(paths_lead_where_the_contract_says),
		cmocka_unit_test(no_two_answers_share_a_place),
		cmocka_unit_test(every_answer_is_counted_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
