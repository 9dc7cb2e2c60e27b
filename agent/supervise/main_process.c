/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to COMMAND: signals in, drain, stops, ends; and who counts as main once it has daemonized.
 * Threads: the supervisor. Failure: without /proc a daemon's children are not seen, and `run` ends with COMMAND.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervise/supervisor.h"
#include "watch/procfs.h"

/* A daemon becomes session leader just after its parent has ended. */
#define ELECTION_NS (5 * NS_PER_SECOND)
enum { SIGNALS_A_READ = 16 };

static int64_t start_of(pid_t pid)
{
	struct proc_stat stat;

	return proc_thread_stat(pid, pid, &stat) == 0 ? (int64_t)stat.start_ns : clock_boot_ns();
}

static void set_main(struct supervisor *supervisor, pid_t pid, int64_t started)
{
	pid_t group = pid ? getpgid(pid) : 0;

	supervisor->main = pid;
	supervisor->main_group = group > 0 ? group : pid;
	supervisor->keeper.news.main_pid = pid;
	supervisor->keeper.news.main_started = pid ? started : supervisor->keeper.news.main_started;
	keeper_tell(&supervisor->keeper);
}

void main_begin(struct supervisor *supervisor, pid_t pid)
{
	set_main(supervisor, pid, start_of(pid));
}

static void elect(struct supervisor *supervisor, const struct kin_elder *elder)
{
	set_main(supervisor, elder->pid, elder->started);
	supervisor->elect_until = elder->leads_session ? 0 : clock_mono_ns() + ELECTION_NS;
	log_event(LOG_LEVEL_INFO, "main", "process %d is the main process now", elder->pid);
}

/* The daemon's children are ours by now: the kernel moves them before it tells of the end. */
static void main_ended(struct supervisor *supervisor, int status)
{
	bool stays = supervisor->daemonized || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
	struct kin_elder elder = {0};

	supervisor->status = status;
	terminal_take(&supervisor->terminal, supervisor->main_group);
	if (stays && !supervisor->asked_to_end)
		elder = kin_find_elder(&supervisor->helpers, supervisor->self);
	supervisor->daemonized = true;
	supervisor->over = elder.pid == 0;
	if (elder.pid)
		elect(supervisor, &elder);
	else
		supervisor->main = 0;
}

/* A group without a shell above it is orphaned, and the kernel does not stop it for the terminal's sake. With us
 * in between COMMAND's group is none: it is continued as if nothing had been. Not when it would only stop again. */
static bool should_not_have_stopped(const struct terminal *terminal, int number)
{
	return (number == SIGTSTP || (terminal->fd < 0 && number != SIGSTOP)) && !terminal_has_shell(terminal);
}

/* COMMAND has stopped: on a terminal we follow, so that the shell above takes over until it continues us. */
static void main_stopped(struct supervisor *supervisor, int number)
{
	const struct terminal *terminal = &supervisor->terminal;
	pid_t group = supervisor->main_group;
	bool may_have_terminal = (number == SIGTTIN || number == SIGTTOU) && terminal_is_ours(terminal);

	if (!may_have_terminal && !should_not_have_stopped(terminal, number)) {
		if (terminal->fd < 0 || !terminal_has_shell(terminal))
			return;
		terminal_take(terminal, group);
		terminal_stop_ourselves(number);
	}
	if (terminal_is_ours(terminal))
		terminal_give(terminal, group);
	(void)kill(-group, SIGCONT);
}

static void child_ended(struct supervisor *supervisor, pid_t pid)
{
	const struct supervisor_news *news;
	int status = 0;

	reclaim_zombie(&supervisor->reclaim, pid);
	keeper_zombie(&supervisor->keeper, pid);
	on_dead_zombie(&supervisor->on_dead, pid);
	if (waitpid(pid, &status, WNOHANG) != pid)
		return;
	if (on_dead_reaped(&supervisor->on_dead, pid, status, &news))
		keeper_tell(&supervisor->keeper);
	else if (!keeper_reaped(&supervisor->keeper, pid, status, supervisor->over) && pid == supervisor->main)
		main_ended(supervisor, status);
}

/* A zombie is looked at before it is reaped: until then nobody else can have its pid. */
static void reap(struct supervisor *supervisor)
{
	for (;;) {
		siginfo_t info = {0};

		if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		if (info.si_code != CLD_STOPPED && info.si_code != CLD_TRAPPED) {
			child_ended(supervisor, info.si_pid);
			continue;
		}
		(void)waitid(P_PID, (id_t)info.si_pid, &(siginfo_t){0}, WSTOPPED | WNOHANG); /* seen */
		if (info.si_pid == supervisor->main)
			main_stopped(supervisor, info.si_status);
	}
}

static void forward(struct supervisor *supervisor, const struct signalfd_siginfo *info)
{
	if (supervisor->main > 0)
		signals_forward(supervisor->main, info);
}

static void forward_to_group(struct supervisor *supervisor, const struct signalfd_siginfo *info)
{
	if (supervisor->terminal.fd < 0)
		forward(supervisor, info);
	else if (supervisor->main_group > 0)
		(void)kill(-supervisor->main_group, (int)info->ssi_signo); /* the whole job, as a shell does */
}

void main_forward_due(struct supervisor *supervisor, int64_t mono)
{
	if (!supervisor->drain_due || mono < supervisor->drain_due)
		return;
	supervisor->drain_due = 0;
	supervisor->asked_to_end = true;
	forward(supervisor, &supervisor->drain_signal);
}

/* The first request starts the drain, the next one ends the wait. */
static void drain(struct supervisor *supervisor, const struct signalfd_siginfo *info)
{
	struct supervisor_news *news = &supervisor->keeper.news;
	bool first = !news->drain_since;
	int64_t now = clock_mono_ns();

	supervisor->drain_signal = *info;
	supervisor->drain_due = now;
	if (first) {
		news->drain_since = clock_boot_ns();
		keeper_tell(&supervisor->keeper);
		supervisor->drain_due += (int64_t)(supervisor->settings->drain_seconds * (double)NS_PER_SECOND);
	}
	main_forward_due(supervisor, now);
}

static void act(struct supervisor *supervisor, const struct signalfd_siginfo *info)
{
	switch (signals_plan(&supervisor->signals, info, supervisor->self)) {
	case SIGNAL_OURS: break;
	case SIGNAL_DRAIN: drain(supervisor, info); break;
	case SIGNAL_FORWARD: forward(supervisor, info); break;
	case SIGNAL_CONTINUE:
		if (terminal_is_ours(&supervisor->terminal))
			terminal_give(&supervisor->terminal, supervisor->main_group);
		forward_to_group(supervisor, info);
		break;
	case SIGNAL_STOP: forward_to_group(supervisor, info); break;
	}
}

void main_take_signals(struct supervisor *supervisor)
{
	struct signalfd_siginfo info[SIGNALS_A_READ];
	ssize_t got;

	while ((got = read(supervisor->signals.fd, info, sizeof(info))) > 0) {
		for (size_t i = 0; i < (size_t)got / sizeof(info[0]); i++)
			act(supervisor, &info[i]);
	}
	reap(supervisor);
}

void main_tick(struct supervisor *supervisor, int64_t mono)
{
	if (supervisor->main > 0 && terminal_is_ours(&supervisor->terminal) && !supervisor->daemonized)
		terminal_give(&supervisor->terminal, supervisor->main_group); /* `fg` of a job that ran on says nothing */
	if (supervisor->elect_until > mono) {
		struct kin_elder elder = kin_find_elder(&supervisor->helpers, supervisor->self);

		if (elder.pid && elder.leads_session)
			elect(supervisor, &elder);
	}
}
