/* SPDX-License-Identifier: Apache-2.0 */
/* The picture of a dead service is bounded however large the service is, and tells the worst first. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "watch/service.h"

enum { PROCESSES = 300, THREADS = 9000, TEXT = 1 << 20 };

static char path[] = "/tmp/ls-picture-XXXXXX", text[TEXT];
static struct service service;

static void log_into_file(enum log_format format)
{
	int fd = mkstemp(strcpy(path, "/tmp/ls-picture-XXXXXX"));

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(log_start(format, LOG_LEVEL_INFO, "svc", path), 0);
}

static void read_log(void)
{
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	unlink(path);
	assert_int_equal(log_start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO, "svc", NULL), 0);
}

/* All threads wait for something else, the last one alone is stuck away from home. */
static struct snapshot *large_snapshot(bool alike)
{
	struct snapshot *made = snapshot_new(PROCESSES, THREADS);

	assert_non_null(made);
	made->process_count = PROCESSES;
	made->thread_count = THREADS;
	made->sampled = INT64_C(100000000000);
	made->live.reason_count = 1;
	made->live.reasons[0].code = REASON_NO_PROGRESS;
	strcpy(made->live.reasons[0].detail, "nothing moves");
	made->listener_count = SNAPSHOT_LISTENERS;
	for (unsigned i = 0; i < SNAPSHOT_LISTENERS; i++)
		memset(made->listeners[i].address, '9', sizeof(made->listeners[i].address) - 1);
	for (unsigned i = 0; i < PROCESSES; i++) {
		made->processes[i].pid = (pid_t)(1000 + i);
		made->processes[i].first_thread = i * (THREADS / PROCESSES);
		made->processes[i].thread_count = THREADS / PROCESSES;
		memset(made->processes[i].exe, 'x', sizeof(made->processes[i].exe) - 1);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		struct snapshot_thread *thread = &made->threads[i];

		*thread = (struct snapshot_thread){
			.tid = (pid_t)i + 1, .state = THREAD_IDLE, .op = "epoll_wait", .home = true};
		thread->waits_for = (struct wait_target){.kind = TARGET_FD, .object = alike ? 4 : i};
		memset(thread->name, '"', sizeof(thread->name) - 1);
	}
	made->threads[THREADS - 1].state = THREAD_LOCK;
	made->threads[THREADS - 1].op = "pthread_mutex_lock";
	made->threads[THREADS - 1].waits_for = (struct wait_target){TARGET_LOCK, 0x5580, 17, false, 0};
	return made;
}

static void tell(enum log_format format, bool alike)
{
	struct snapshot *snapshot = large_snapshot(alike);

	log_into_file(format);
	service.picture.due = true;
	picture_tell(&service, snapshot);
	assert_false(service.picture.due);
	picture_tell(&service, snapshot); /* not again */
	free(snapshot);
	read_log();
}

static unsigned count_lines(void)
{
	unsigned lines = 0;

	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	return lines;
}

static void lines_are_bounded_and_say_that_there_is_more(void **state)
{
	(void)state;
	tell(LOG_FORMAT_TEXT, false);
	assert_true(count_lines() <= 200);
	assert_non_null(strstr(text, "svc is found dead (no_progress)")
				? text
				: strstr(text, "is found dead (no_progress)"));
	assert_non_null(strstr(text, "nothing moves"));
	assert_non_null(strstr(text, "and more, which is left out"));
}

static void an_object_is_one_line_with_the_worst_in_it(void **state)
{
	json_t *root, *threads, *first;

	(void)state;
	for (unsigned alike = 0; alike < 2; alike++) {
		tell(LOG_FORMAT_JSON, alike);
		assert_int_equal(count_lines(), 1);
		assert_true(strlen(text) <= 4096);
		root = json_loads(text, 0, NULL);
		assert_non_null(root);
		threads = json_object_get(json_object_get(root, "picture"), "threads");
		first = json_array_get(threads, 0);
		assert_string_equal(json_string_value(json_object_get(first, "op")), "pthread_mutex_lock");
		assert_true(json_integer_value(
				    json_object_get(json_object_get(root, "picture"), "threads_left_out")) > 0);
		assert_string_equal(json_string_value(json_object_get(root, "detail")), "nothing moves");
		json_decref(root);
	}
}

/* ---- when */

static void judge(bool dead, int64_t now)
{
	service.verdicts = (struct verdicts){.live_ok = !dead};
	service.verdicts.live.count = dead;
	service.verdicts.live.items[0] = (struct reason){.code = REASON_DEADLOCK};
	service.changed = false;
	picture_follow(&service, now);
}

static void it_is_told_once_a_death_and_once_a_minute(void **state)
{
	const int64_t second = INT64_C(1000000000);

	(void)state;
	service.picture = (struct picture_due){0};
	judge(false, 100 * second);
	judge(true, 101 * second);
	assert_true(service.picture.due && service.changed);
	service.picture.due = false;
	judge(true, 102 * second);
	judge(false, 103 * second);
	judge(true, 110 * second);
	assert_false(service.picture.due);
	judge(false, 111 * second);
	judge(false, 180 * second);
	judge(true, 181 * second);
	assert_true(service.picture.due);
}

static void what_the_agent_before_has_told_is_not_told_again(void **state)
{
	const int64_t second = INT64_C(1000000000);

	(void)state;
	service.picture = (struct picture_due){0};
	service.notebook.core.published = 1;
	service.notebook.core.live_was_ok = 0;
	judge(false, 100 * second);
	judge(true, 101 * second);
	assert_false(service.picture.due);
}

static void an_end_is_no_picture(void **state)
{
	(void)state;
	service.picture = (struct picture_due){0};
	service.verdicts = (struct verdicts){.live.count = 1};
	service.verdicts.live.items[0] = (struct reason){.code = REASON_EXITED};
	picture_follow(&service, 1);
	assert_false(service.picture.due);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_bounded_and_say_that_there_is_more),
		cmocka_unit_test(an_object_is_one_line_with_the_worst_in_it),
		cmocka_unit_test(it_is_told_once_a_death_and_once_a_minute),
		cmocka_unit_test(what_the_agent_before_has_told_is_not_told_again),
		cmocka_unit_test(an_end_is_no_picture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
