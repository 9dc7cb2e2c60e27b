/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervise/signals.h"
#include "watch/procfs.h"

enum { KILL_MS = 200 }; /* one that hangs in the kernel is not waited for longer */

int keeper_open(struct keeper *out, const struct child_setup *setup, struct kin_helpers *helpers)
{
	void *page;

	*out = (struct keeper){.setup = *setup, .helpers = helpers, .news_fd = -1};
	if (prober_open(&out->prober, &out->setup.settings, helpers) < 0)
		log_event(LOG_LEVEL_ERROR, "prober", "no memory for a prober: dependencies stay unknown");
	out->setup.probe_fd = out->prober.agent_end;
	out->setup.board_fd = out->prober.board_fd;
	out->news.version = SUPERVISOR_NEWS_VERSION;
	out->setup.notebook_fd = notebook_create(setup->settings.slots);
	out->next_start = INT64_MAX;
	if (out->setup.notebook_fd < 0)
		return out->setup.notebook_fd;
	page = mmap(NULL, sizeof(struct notebook_head), PROT_READ, MAP_SHARED, out->setup.notebook_fd, 0);
	if (page == MAP_FAILED) {
		int error = errno;

		close(out->setup.notebook_fd);
		out->setup.notebook_fd = -1;
		return -error;
	}
	out->head = page;
	return 0;
}

/* The agent from here on. */
static void become_agent(struct keeper *keeper, int news)
{
	struct child_setup setup = keeper->setup;

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_NAME, "lifesign-agent");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != setup.supervisor)
		_exit(0); /* it ended before the line above */
	close(keeper->news_fd);
	prober_leave(&keeper->prober);
	keeper->in_child(keeper->in_child_context);
	signals_reset_for_agent();
	setup.news_fd = news;
	setup.bare = keeper->crashes.bare || (setup.segment_fd < 0 && !setup.many);
	if (setup.bare)
		setup.segment_fd = -1;
	_exit(agent_main(&setup));
}

/* A fork that fails (too many processes, no memory) is tried again each tick. */
static void say_no_fork(struct keeper *keeper, int error)
{
	if (!keeper->said_no_fork)
		log_event(LOG_LEVEL_ERROR, "agent", "no agent can be started (%s): probes wait until one can", strerror(error));
	keeper->said_no_fork = true;
	keeper->next_start = clock_mono_ns() + NS_PER_SECOND / 4;
}

int64_t keeper_due(const struct keeper *keeper)
{
	return keeper->pid ? INT64_MAX : keeper->next_start;
}

void keeper_start_agent(struct keeper *keeper)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		say_no_fork(keeper, errno);
		return;
	}
	keeper->news_fd = pair[0];
	pid = fork();
	if (pid == 0)
		become_agent(keeper, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		say_no_fork(keeper, errno);
		keeper_dismiss(keeper);
		return;
	}
	(void)setpgid(pid, pid); /* whoever is first; it fails only when that is done or the agent is gone */
	kin_add_helper(keeper->helpers, pid);
	keeper->pid = pid;
	keeper->said_no_fork = keeper->ordered_to_die = false;
	keeper->patience = (struct patience){0};
	patience_started(&keeper->crashes, clock_mono_ns());
	keeper_tell(keeper);
}

void keeper_tell(struct keeper *keeper)
{
	keeper->news_waits = false;
	if (keeper->news_fd < 0)
		return;
	if (send(keeper->news_fd, &keeper->news, sizeof(keeper->news), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		keeper->news_waits = errno == EAGAIN; /* else it is gone: its successor is told at the start */
}

bool keeper_hear(struct keeper *keeper, struct agent_notice *out)
{
	return keeper->news_fd >= 0 && recv(keeper->news_fd, out, sizeof(*out), MSG_DONTWAIT) == (ssize_t)sizeof(*out) &&
	       out->version == AGENT_NOTICE_VERSION;
}

/* Field 2 of /proc/PID/schedstat: ns spent ready to run, waiting for a CPU. */
static int64_t read_run_delay(pid_t pid)
{
	char path[64], text[128], *end;
	long long delay;

	(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	if (proc_read(path, text, sizeof(text)) <= 0)
		return -1;
	(void)strtoull(text, &end, 10);
	delay = strtoll(end, NULL, 10);
	return delay < 0 ? -1 : delay;
}

static void tell_of_prober(struct keeper *keeper)
{
	keeper->news.prober_pid = keeper->prober.pid;
	if (!keeper->setup.many)
		keeper_tell(keeper);
}

void keeper_tick(struct keeper *keeper, int64_t late)
{
	int64_t mono = clock_mono_ns();
	struct patience_look look = {.mono = mono, .late = late};

	kin_forget_helpers(keeper->helpers, keeper->pid);
	if (prober_tick(&keeper->prober, late))
		tell_of_prober(keeper);
	if (!keeper->pid || keeper->ordered_to_die)
		return;
	look.beat = __atomic_load_n(&keeper->head->beat, __ATOMIC_RELAXED); /* any change will do */
	look.suspended = clock_boot_ns() - mono;
	look.run_delay = read_run_delay(keeper->pid);
	if (!patience_look(&keeper->patience, &look))
		return;
	log_event(LOG_LEVEL_WARN, "agent", "agent %d does not beat: it is replaced", keeper->pid);
	keeper->ordered_to_die = true;
	(void)kill(-keeper->pid, SIGKILL);
}

static void say_how_it_ended(const struct keeper *keeper, int status)
{
	const char *next = keeper->crashes.bare ? "a bare one follows: it judges nothing until the crashes end" : "another follows";

	if (keeper->ordered_to_die)
		return; /* was said */
	if (WIFSIGNALED(status))
		log_event(LOG_LEVEL_WARN, "agent", "agent %d was ended by signal %d (%s); %s", keeper->pid, WTERMSIG(status),
			strsignal(WTERMSIG(status)), next);
	else
		log_event(LOG_LEVEL_WARN, "agent", "agent %d ended with status %d; %s", keeper->pid, WEXITSTATUS(status), next);
}

void keeper_zombie(struct keeper *keeper, pid_t pid)
{
	prober_zombie(&keeper->prober, pid);
	if (pid == keeper->pid)
		(void)kill(-pid, SIGKILL); /* ESRCH: it had no readers */
}

bool keeper_reaped(struct keeper *keeper, pid_t pid, int status, bool ending)
{
	bool was_bare = keeper->crashes.bare, killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	int64_t wait;

	if (prober_reaped(&keeper->prober, pid, status, ending)) {
		tell_of_prober(keeper);
		return true;
	}
	if (pid != keeper->pid)
		return false;
	keeper_dismiss(keeper);
	wait = patience_ended(&keeper->crashes, clock_mono_ns(), killed && !keeper->ordered_to_die ? END_KILLED : END_CRASHED);
	if (!ending)
		say_how_it_ended(keeper, status);
	if (keeper->crashes.bare && !was_bare && keeper->ordered_to_die)
		log_event(LOG_LEVEL_WARN, "agent", "a bare agent follows: it judges nothing until the crashes end");
	keeper->pid = 0;
	keeper->setup.restarts++;
	keeper->next_start = clock_mono_ns() + wait;
	if (!ending && wait == 0)
		keeper_start_agent(keeper);
	return true;
}

void keeper_dismiss(struct keeper *keeper)
{
	if (keeper->news_fd >= 0)
		close(keeper->news_fd);
	keeper->news_fd = -1;
	keeper->news_waits = false;
}

void keeper_wait(struct keeper *keeper, int ms)
{
	while (keeper->pid > 0) {
		pid_t pid = waitpid(keeper->pid, NULL, WNOHANG);

		if (pid == keeper->pid || (pid < 0 && errno == ECHILD))
			keeper->pid = 0;
		else if (ms-- > 0)
			(void)poll(NULL, 0, 1);
		else
			return;
	}
}

void keeper_close(struct keeper *keeper)
{
	keeper_dismiss(keeper);
	prober_close(&keeper->prober);
	if (keeper->pid > 0) {
		(void)kill(-keeper->pid, SIGKILL);
		keeper_wait(keeper, KILL_MS);
	}
	if (keeper->head)
		(void)munmap((void *)(uintptr_t)keeper->head, sizeof(*keeper->head));
	if (keeper->setup.notebook_fd >= 0)
		close(keeper->setup.notebook_fd);
	keeper->head = NULL;
	keeper->setup.notebook_fd = -1;
}
