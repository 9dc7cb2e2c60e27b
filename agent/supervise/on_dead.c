/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/on_dead.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "judge/record.h"

/* What it may say in the log, and how much of it is read at a time. */
enum { LINES = 200, READ_BYTES = 4096, READS = 16, NUMBER = 16 };

void on_dead_open(struct on_dead *out, const struct settings *settings, struct kin_helpers *helpers, const struct signals *signals)
{
	*out = (struct on_dead){.settings = settings, .helpers = helpers, .signals = signals, .events = -1};
	for (unsigned i = 0; i < ON_DEAD_RUNS; i++)
		out->runs[i].output = -1;
	if (settings->liveness.on_dead_words)
		out->events = epoll_create1(EPOLL_CLOEXEC); /* -1: its output is not seen */
}

static void close_output(struct on_dead_run *run)
{
	if (run->output >= 0)
		close(run->output);
	run->output = -1;
}

void on_dead_leave(struct on_dead *on_dead)
{
	for (unsigned i = 0; i < ON_DEAD_RUNS; i++)
		close_output(&on_dead->runs[i]);
	if (on_dead->events >= 0)
		close(on_dead->events);
}

void on_dead_close(struct on_dead *on_dead)
{
	for (unsigned i = 0; i < ON_DEAD_RUNS; i++) {
		if (on_dead->runs[i].pid)
			(void)kill(-on_dead->runs[i].pid, SIGKILL);
	}
	on_dead_leave(on_dead);
	on_dead->events = -1;
}

/* ---- the command's own process: a copy of the supervisor, which has one thread, so that anything may be called */

static void clean_environment(void)
{
	static const char *const ours[] = {"LIFESIGN_", "NOTIFY_SOCKET=", "LISTEN_", "WATCHDOG_"};

	for (char **entry = environ; *entry;) {
		char name[ON_DEAD_LINE];
		bool leave = false;

		for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
			leave |= strncmp(*entry, ours[i], strlen(ours[i])) == 0;
		(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(*entry, "="), *entry);
		if (!leave || unsetenv(name) < 0)
			entry++;
	}
}

static void set_number(const char *name, int32_t number)
{
	char text[NUMBER];

	(void)snprintf(text, sizeof(text), "%d", number);
	(void)setenv(name, number > 0 ? text : "", 1); /* no memory: it runs without */
}

static void become_command(const struct on_dead *on_dead, const struct agent_notice *notice, const char *name, int output)
{
	char *words[SETTINGS_COMMAND + 1] = {NULL};
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)setpgid(0, 0);
	if (on_dead->nice)
		(void)setpriority(PRIO_PROCESS, 0, *on_dead->nice); /* down is always allowed */
	for (unsigned i = 0; i < on_dead->settings->liveness.on_dead_words; i++)
		words[i] = (char *)(uintptr_t)on_dead->settings->liveness.on_dead[i];
	clean_environment();
	(void)setenv("LIFESIGN_SERVICE", name, 1);
	(void)setenv("LIFESIGN_REASON", reason_text((enum reason_code)notice->reason), 1);
	set_number("LIFESIGN_PID", notice->pid);
	set_number("LIFESIGN_THREAD", notice->tid);
	if (null >= 0)
		(void)dup2(null, STDIN_FILENO);
	(void)dup2(output, STDOUT_FILENO);
	(void)dup2(output, STDERR_FILENO);
	signals_give_back(on_dead->signals);
	(void)execvp(words[0], words);
	(void)dprintf(STDERR_FILENO, "cannot be executed: %s\n", strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* ---- beginning */

static struct on_dead_run *free_run(struct on_dead *on_dead)
{
	for (unsigned i = 0; i < ON_DEAD_RUNS; i++) {
		if (!on_dead->runs[i].pid)
			return &on_dead->runs[i];
	}
	return NULL;
}

static struct on_dead_run *find_run(struct on_dead *on_dead, pid_t pid)
{
	for (unsigned i = 0; i < ON_DEAD_RUNS; i++) {
		if (pid > 0 && on_dead->runs[i].pid == pid)
			return &on_dead->runs[i];
	}
	return NULL;
}

static void watch_output(struct on_dead *on_dead, struct on_dead_run *run, int output)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)(run - on_dead->runs)};

	(void)fcntl(output, F_SETFL, O_NONBLOCK); /* a pipe of ours: cannot fail */
	run->output = output;
	if (epoll_ctl(on_dead->events, EPOLL_CTL_ADD, output, &event) < 0)
		close_output(run);
}

/* 0 or -errno. */
static int start(struct on_dead *on_dead, const struct agent_notice *notice, struct supervisor_news *news)
{
	struct on_dead_run *run = free_run(on_dead);
	const char *name = news->name[0] ? news->name : on_dead->settings->service;
	int output[2];
	pid_t pid;

	if (!run)
		return -EBUSY;
	if (pipe2(output, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		become_command(on_dead, notice, name, output[1]);
	close(output[1]);
	if (pid < 0) {
		close(output[0]);
		return -errno;
	}
	(void)setpgid(pid, pid); /* whoever is first */
	if (on_dead->helpers)
		kin_add_helper(on_dead->helpers, pid);
	*run = (struct on_dead_run){.news = news, .service = news->service, .pid = pid, .output = -1, .started = clock_mono_ns()};
	(void)snprintf(run->name, sizeof(run->name), "%s", name);
	news->on_dead_pid = pid;
	watch_output(on_dead, run, output[0]);
	return 0;
}

static void begin(struct on_dead *on_dead, const struct agent_notice *notice, struct supervisor_news *news)
{
	const char *command = on_dead->settings->liveness.on_dead[0];
	int ret = start(on_dead, notice, news);

	news->on_dead = ret == 0 ? ON_DEAD_RUNNING : ON_DEAD_OVER;
	if (ret == 0)
		log_event(LOG_LEVEL_WARN, "onDead", "%s: %s is started; livez says dead when it has ended, or in %g s",
			reason_text((enum reason_code)notice->reason), command, on_dead->settings->liveness.on_dead_wait_seconds);
	else
		log_event(LOG_LEVEL_WARN, "onDead", "%s cannot be started: %s", command, strerror(-ret));
}

static struct on_dead_run *run_of(struct on_dead *on_dead, const struct supervisor_news *news)
{
	for (unsigned i = 0; i < ON_DEAD_RUNS; i++) {
		if (on_dead->runs[i].pid && on_dead->runs[i].news == news)
			return &on_dead->runs[i];
	}
	return NULL;
}

bool on_dead_hear(struct on_dead *on_dead, const struct agent_notice *notice, struct supervisor_news *news)
{
	struct on_dead_run *run = run_of(on_dead, news);
	uint8_t before = news->on_dead;

	if (!on_dead->settings->liveness.on_dead_words || notice->reason >= REASON_COUNT)
		return false;
	if (run)
		run->alive_again = notice->kind == NOTICE_ALIVE;
	else if (notice->kind == NOTICE_ALIVE)
		news->on_dead = ON_DEAD_NONE;
	else if (notice->kind == NOTICE_DEAD && before == ON_DEAD_NONE)
		begin(on_dead, notice, news);
	return news->on_dead != before;
}

void on_dead_forget(struct on_dead *on_dead, const struct supervisor_news *news)
{
	struct on_dead_run *run = on_dead ? run_of(on_dead, news) : NULL;

	if (run)
		run->news = NULL;
}

/* ---- while it runs */

static void say_line(struct on_dead_run *run)
{
	run->line[run->used] = '\0';
	run->used = 0;
	if (run->lines++ < LINES)
		log_event(LOG_LEVEL_INFO, "onDead", "%s", run->line);
	else if (run->lines == LINES + 1)
		log_event(LOG_LEVEL_INFO, "onDead", "… and more, which is left out");
}

static void take_text(struct on_dead_run *run, const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] != '\n')
			run->line[run->used++] = text[i];
		if (text[i] == '\n' || run->used == sizeof(run->line) - 1)
			say_line(run);
	}
}

/* A bounded number of reads: whoever writes without end has others beside him. */
static void read_output(struct on_dead_run *run, const char *service)
{
	char text[READ_BYTES];
	ssize_t got = 1;

	log_about(service);
	for (unsigned i = 0; i < READS && (got = read(run->output, text, sizeof(text))) > 0; i++)
		take_text(run, text, (size_t)got);
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		close_output(run);
	log_about(NULL);
}

static const char *about(const struct on_dead *on_dead, const struct on_dead_run *run)
{
	return on_dead->helpers ? NULL : run->name; /* with `run` there is but one service, and the log has its name */
}

void on_dead_serve(struct on_dead *on_dead)
{
	struct epoll_event events[ON_DEAD_RUNS];
	int count = epoll_wait(on_dead->events, events, ON_DEAD_RUNS, 0);

	for (int i = 0; i < count; i++) {
		struct on_dead_run *run = &on_dead->runs[events[i].data.u32 % ON_DEAD_RUNS];

		if (run->output >= 0)
			read_output(run, about(on_dead, run));
	}
}

static int64_t until(const struct on_dead *on_dead, const struct on_dead_run *run)
{
	return run->started + (int64_t)(on_dead->settings->liveness.on_dead_wait_seconds * (double)NS_PER_SECOND);
}

void on_dead_tick(struct on_dead *on_dead, int64_t mono)
{
	for (unsigned i = 0; i < ON_DEAD_RUNS; i++) {
		struct on_dead_run *run = &on_dead->runs[i];

		if (!run->pid || run->killed || mono < until(on_dead, run))
			continue;
		run->killed = true;
		(void)kill(-run->pid, SIGKILL); /* it is not reaped: the number is its own */
	}
}

int64_t on_dead_due(const struct on_dead *on_dead)
{
	int64_t due = INT64_MAX;

	for (unsigned i = 0; i < ON_DEAD_RUNS; i++) {
		const struct on_dead_run *run = &on_dead->runs[i];

		if (run->pid && !run->killed && until(on_dead, run) < due)
			due = until(on_dead, run);
	}
	return due;
}

/* ---- its end */

void on_dead_zombie(struct on_dead *on_dead, pid_t pid)
{
	if (find_run(on_dead, pid))
		(void)kill(-pid, SIGKILL); /* what it left running in its group */
}

static void say_how_it_ended(const struct on_dead *on_dead, const struct on_dead_run *run, int status)
{
	const char *command = on_dead->settings->liveness.on_dead[0];
	double took = (double)(clock_mono_ns() - run->started) / (double)NS_PER_SECOND;

	if (run->killed)
		log_event(LOG_LEVEL_WARN, "onDead", "%s did not end within %g s: it was killed", command,
			on_dead->settings->liveness.on_dead_wait_seconds);
	else if (WIFSIGNALED(status))
		log_event(LOG_LEVEL_WARN, "onDead", "%s was ended by signal %d after %.1f s", command, WTERMSIG(status), took);
	else
		log_event(LOG_LEVEL_INFO, "onDead", "%s ended with status %d after %.1f s", command, WEXITSTATUS(status), took);
}

bool on_dead_reaped(struct on_dead *on_dead, pid_t pid, int status, const struct supervisor_news **news)
{
	struct on_dead_run *run = find_run(on_dead, pid);

	*news = run ? run->news : NULL;
	if (!run)
		return false;
	if (run->output >= 0)
		read_output(run, about(on_dead, run)); /* what is still in the pipe */
	log_about(about(on_dead, run));
	if (run->used)
		say_line(run);
	say_how_it_ended(on_dead, run, status);
	log_about(NULL);
	close_output(run);
	run->pid = 0;
	if (run->news) {
		run->news->on_dead = run->alive_again ? ON_DEAD_NONE : ON_DEAD_OVER;
		run->news->on_dead_pid = 0;
	}
	return true;
}
