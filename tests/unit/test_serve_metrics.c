/* SPDX-License-Identifier: Apache-2.0 */
/* The two metric formats: names, escaping, and that no series stands twice. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/exposition.h"
#include "serve/render.h"
#include "serve/serve.h"

static struct buf out;

static int start(void **state)
{
	(void)state;
	buf_start(&out, 1 << 20);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	buf_free(&out);
	return 0;
}

static void put_all_types(bool openmetrics)
{
	static const struct metric metrics[] = {{"a_b", METRIC_GAUGE, NULL, "An a."}, {"c_seconds", METRIC_COUNTER,
		"seconds", "A c."}, {"d", METRIC_INFO, NULL, "A d."}};
	struct sheet sheet = {.out = &out, .openmetrics = openmetrics, .app = "x"};

	sheet_begin_metric(&sheet, &metrics[0]);
	sheet_put_uint(&sheet, NULL, UINT64_MAX);
	sheet_begin_metric(&sheet, &metrics[1]);
	sheet_put_double(&sheet, (const struct label[]){{"k", "v"}, {NULL, NULL}}, NAN);
	sheet_begin_metric(&sheet, &metrics[2]);
	sheet.app = NULL;
	sheet_put_uint(&sheet, NULL, 1);
	sheet_end(&sheet);
}

static void the_text_format_names_samples(void **state)
{
	(void)state;
	put_all_types(false);
	assert_string_equal(out.data, "# HELP a_b An a.\n# TYPE a_b gauge\na_b{app=\"x\"} 18446744073709551615\n"
		"# HELP c_seconds_total A c.\n# TYPE c_seconds_total counter\nc_seconds_total{app=\"x\",k=\"v\"} NaN\n"
		"# HELP d_info A d.\n# TYPE d_info gauge\nd_info 1\n");
}

static void openmetrics_names_families_and_ends(void **state)
{
	(void)state;
	put_all_types(true);
	assert_string_equal(out.data, "# HELP a_b An a.\n# TYPE a_b gauge\na_b{app=\"x\"} 18446744073709551615\n"
		"# HELP c_seconds A c.\n# TYPE c_seconds counter\n# UNIT c_seconds seconds\n"
		"c_seconds_total{app=\"x\",k=\"v\"} NaN\n# HELP d A d.\n# TYPE d info\nd_info 1\n# EOF\n");
}

static void label_values_are_escaped(void **state)
{
	static const struct metric metric = {"m", METRIC_GAUGE, NULL, "M."};
	struct sheet sheet = {.out = &out, .app = "a\"\\\n\xff\xc3\xa9", .metric = &metric};

	(void)state;
	sheet_put_uint(&sheet, NULL, 0);
	assert_string_equal(out.data, "m{app=\"a\\\"\\\\\\n\xef\xbf\xbd\xc3\xa9\"} 0\n");
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Renders everything of a snapshot with several of all; returns how many samples. */
static size_t render(char **lines, size_t room, const char *accept)
{
	static uint64_t counters[SERVE_COUNTERS] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
	struct snapshot *snapshot = snapshot_new(0, 0);
	struct standing standing = standing_of(snapshot, 5, 4, 1);
	struct request request = {.check = NULL};
	struct reply reply = {.code = 0};
	size_t count = 0;

	counters[SERVE_COUNTERS - 1] = 77;
	snapshot->listener_count = 3;
	for (int i = 0; i < 3; i++)
		(void)snprintf(snapshot->listeners[i].address, SNAPSHOT_ADDRESS, "[::]:%d", i / 2);
	for (int i = 0; i < 4; i++)
		snapshot->live.reasons[i] = (struct snapshot_reason){.code = REASON_TRACED - i % 2, .held = i % 2};
	snapshot->live.reason_count = 4;
	request_add_header(&request, "Accept", accept);
	reply.body = out;
	render_metrics(&reply, &standing, &request, &(struct render_setup){.request_counters = counters});
	out = reply.body;
	assert_int_equal(reply.code, 200);
	assert_false(out.failed);
	free(snapshot);
	for (char *line = strtok(out.data, "\n"); line; line = strtok(NULL, "\n"))
		if (count < room)
			lines[count++] = line;
	return count;
}

static void no_series_stands_twice(void **state)
{
	char *lines[1024];
	size_t count = render(lines, 1024, "application/openmetrics-text");

	(void)state;
	assert_in_range(count, 150, 1023);
	assert_string_equal(lines[count - 1], "# EOF");
	for (size_t i = 0; i < count; i++)
		if (lines[i][0] != '#')
			*strrchr(lines[i], ' ') = '\0';
	qsort(lines, count, sizeof lines[0], compare_lines);
	for (size_t i = 1; i < count; i++)
		assert_string_not_equal(lines[i - 1], lines[i]);
}

static void every_metric_of_the_contract_is_there(void **state)
{
	static const char *const names[] = {"lifesign_live", "lifesign_ready", "lifesign_startup", "lifesign_verdict",
		"lifesign_reason", "lifesign_workers", "lifesign_workers_started_total", "lifesign_workers_finished_total",
		"lifesign_beats_total", "lifesign_stuck_threads", "lifesign_lock_wait_seconds", "lifesign_processes",
		"lifesign_accept_queue", "lifesign_accept_backlog", "lifesign_process_cpu_seconds_total",
		"lifesign_process_resident_memory_bytes", "lifesign_process_threads", "lifesign_transitions_total",
		"lifesign_http_requests_total", "lifesign_agent_sweep_seconds", "lifesign_agent_overruns_total",
		"lifesign_agent_restarts_total", "lifesign_build_info", "process_cpu_seconds_total",
		"process_resident_memory_bytes", "process_start_time_seconds", "process_open_fds"};
	char *lines[1024];
	size_t count = render(lines, 1024, NULL);

	(void)state;
	for (size_t name = 0; name < sizeof names / sizeof names[0]; name++) {
		size_t length = strlen(names[name]), i = 0;

		while (i < count && (strncmp(lines[i], names[name], length) != 0 || !strchr("{ ", lines[i][length])))
			i++;
		if (i == count)
			fail_msg("no sample of %s", names[name]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_text_format_names_samples),
		TEST(openmetrics_names_families_and_ends),
		TEST(label_values_are_escaped),
		TEST(no_series_stands_twice),
		TEST(every_metric_of_the_contract_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
