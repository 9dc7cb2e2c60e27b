/* SPDX-License-Identifier: Apache-2.0 */
/* A death runs its command once, whatever the agent says how often; and no command outlives its time. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "judge/record.h"
#include "supervise/on_dead.h"

static struct settings settings;
static struct signals signals;
static struct on_dead on_dead;
static char log_path[] = "/tmp/ls-on-dead-XXXXXX", said[1 << 16];

static void give(const char *script, double wait)
{
	const char *const words[] = {"/bin/sh", "-c", script};

	settings.liveness.on_dead_words = 3;
	for (unsigned i = 0; i < 3; i++)
		strcpy(settings.liveness.on_dead[i], words[i]);
	settings.liveness.on_dead_wait_seconds = wait;
	strcpy(settings.service, "orders");
	on_dead_open(&on_dead, &settings, NULL, &signals);
}

static int begin(void **state)
{
	int fd = mkstemp(strcpy(log_path, "/tmp/ls-on-dead-XXXXXX"));

	(void)state;
	signals.fd = -1;
	close(fd);
	return log_start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO, "orders", log_path);
}

static int finish(void **state)
{
	(void)state;
	on_dead_close(&on_dead);
	while (waitpid(-1, NULL, 0) > 0)
		;
	unlink(log_path);
	return log_start(LOG_FORMAT_TEXT, LOG_LEVEL_INFO, "orders", NULL);
}

static const char *read_log(void)
{
	FILE *file = fopen(log_path, "re");

	assert_non_null(file);
	said[fread(said, 1, sizeof(said) - 1, file)] = '\0';
	fclose(file);
	return said;
}

static bool hear(struct supervisor_news *news, enum notice_kind kind)
{
	struct agent_notice notice = {.version = AGENT_NOTICE_VERSION,
		.kind = kind,
		.service = news->service,
		.reason = REASON_DEADLOCK,
		.pid = 41,
		.tid = 43};

	return on_dead_hear(&on_dead, &notice, news);
}

/* As the supervisor's loop does, until one command was reaped. */
static const struct supervisor_news *run_to_its_end(void)
{
	for (;;) {
		struct pollfd output = {.fd = on_dead.events, .events = POLLIN};
		const struct supervisor_news *news;
		siginfo_t info = {0};
		int status;

		if (poll(&output, 1, 20) > 0)
			on_dead_serve(&on_dead);
		on_dead_tick(&on_dead, clock_mono_ns());
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
			continue;
		on_dead_zombie(&on_dead, info.si_pid);
		assert_int_equal(waitpid(info.si_pid, &status, 0), info.si_pid);
		if (on_dead_reaped(&on_dead, info.si_pid, status, &news))
			return news;
	}
}

static void a_death_is_one_run_until_it_is_alive_again(void **state)
{
	struct supervisor_news news = {.service = 7, .name = "orders"};

	(void)state;
	give("echo $LIFESIGN_SERVICE $LIFESIGN_PID $LIFESIGN_REASON $LIFESIGN_THREAD", 30);
	assert_true(hear(&news, NOTICE_DEAD));
	assert_int_equal(news.on_dead, ON_DEAD_RUNNING);
	assert_true(news.on_dead_pid > 0);
	assert_false(hear(&news, NOTICE_DEAD)); /* another agent says it again */
	assert_ptr_equal(run_to_its_end(), &news);
	assert_int_equal(news.on_dead, ON_DEAD_OVER);
	assert_int_equal(news.on_dead_pid, 0);
	assert_false(hear(&news, NOTICE_DEAD));
	assert_int_equal(news.on_dead, ON_DEAD_OVER);
	assert_true(hear(&news, NOTICE_ALIVE));
	assert_int_equal(news.on_dead, ON_DEAD_NONE);
	assert_true(hear(&news, NOTICE_DEAD)); /* the next death */
	(void)run_to_its_end();
	assert_non_null(strstr(read_log(), "orders 41 deadlock 43"));
	assert_non_null(strstr(strstr(said, "ended with status 0") + 1, "ended with status 0"));
}

static void alive_again_while_it_runs_makes_the_next_death_another_one(void **state)
{
	struct supervisor_news news = {.service = 7};

	(void)state;
	give("sleep 0.2", 30);
	assert_true(hear(&news, NOTICE_DEAD));
	(void)hear(&news, NOTICE_ALIVE);
	(void)run_to_its_end();
	assert_int_equal(news.on_dead, ON_DEAD_NONE);
	assert_true(hear(&news, NOTICE_DEAD));
	(void)hear(&news, NOTICE_ALIVE);
	(void)hear(&news, NOTICE_DEAD); /* back and forth: still the same run */
	(void)run_to_its_end();
	assert_int_equal(news.on_dead, ON_DEAD_OVER);
}

static void its_time_is_its_group_s_time(void **state)
{
	struct supervisor_news news = {.service = 7};
	int64_t began = clock_mono_ns();
	pid_t group;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	give("trap '' TERM INT; sleep 1000 & sleep 1000", 0.3);
	(void)hear(&news, NOTICE_DEAD);
	group = news.on_dead_pid;
	assert_true(on_dead_due(&on_dead) <= clock_mono_ns() + NS_PER_SECOND / 2);
	(void)run_to_its_end();
	assert_true(clock_mono_ns() - began >= 3 * NS_PER_SECOND / 10);
	for (unsigned i = 0; i < 500 && kill(-group, 0) == 0; i++) {
		(void)waitpid(-group, NULL, WNOHANG); /* ours to be reaped: not every init does it */
		(void)poll(NULL, 0, 20);
	}
	assert_true(kill(-group, 0) < 0 && errno == ESRCH);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
	assert_int_equal(on_dead_due(&on_dead), INT64_MAX);
	assert_non_null(strstr(read_log(), "did not end within 0.3 s: it was killed"));
}

static void what_it_says_is_bounded(void **state)
{
	struct supervisor_news news = {.service = 7};
	unsigned lines = 0;

	(void)state;
	give("seq 100000; printf 'no end of line'", 30);
	(void)hear(&news, NOTICE_DEAD);
	(void)run_to_its_end();
	for (const char *at = read_log(); (at = strchr(at, '\n')); at++)
		lines++;
	assert_true(lines > 200 && lines < 210);
	assert_non_null(strstr(said, "and more, which is left out"));
}

static void more_deaths_than_rows_are_told_at_once(void **state)
{
	struct supervisor_news news[ON_DEAD_RUNS + 1] = {0};

	(void)state;
	give("sleep 1000", 30);
	for (unsigned i = 0; i < ON_DEAD_RUNS; i++) {
		(void)hear(&news[i], NOTICE_DEAD);
		assert_int_equal(news[i].on_dead, ON_DEAD_RUNNING);
	}
	assert_true(hear(&news[ON_DEAD_RUNS], NOTICE_DEAD));
	assert_int_equal(news[ON_DEAD_RUNS].on_dead, ON_DEAD_OVER);
	on_dead_forget(&on_dead, &news[3]); /* its service is gone: nobody is to be told */
	(void)kill(-news[3].on_dead_pid, SIGKILL);
	assert_null(run_to_its_end());
}

static void without_a_command_nothing_is_heard(void **state)
{
	struct supervisor_news news = {0};

	(void)state;
	give("true", 1);
	settings.liveness.on_dead_words = 0;
	assert_false(hear(&news, NOTICE_DEAD));
	assert_int_equal(news.on_dead, ON_DEAD_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_death_is_one_run_until_it_is_alive_again, begin, finish),
		cmocka_unit_test_setup_teardown(
			alive_again_while_it_runs_makes_the_next_death_another_one, begin, finish),
		cmocka_unit_test_setup_teardown(its_time_is_its_group_s_time, begin, finish),
		cmocka_unit_test_setup_teardown(what_it_says_is_bounded, begin, finish),
		cmocka_unit_test_setup_teardown(more_deaths_than_rows_are_told_at_once, begin, finish),
		cmocka_unit_test_setup_teardown(without_a_command_nothing_is_heard, begin, finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
