/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/host.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervise/directory.h"
#include "supervise/environment.h"
#include "supervise/keeper.h"
#include "supervise/listen.h"
#include "supervise/lobby.h"
#include "supervise/members.h"
#include "supervise/notify.h"
#include "supervise/on_dead.h"
#include "supervise/peer.h"
#include "supervise/record_file.h"
#include "supervise/signals.h"
#include "supervise/spawn.h"
#include "supervise/survivors.h"

#define TICK_NS (250 * NS_PER_MS)
enum { FAREWELL_MS = 300, SIGNALS_A_READ = 8, NICE = -10 };

struct host {
	const struct settings *settings;
	const char *manager; /* NOTIFY_SOCKET; NULL: none */
	struct signals signals;
	struct listen listening;
	struct members members;
	struct lobby lobby;
	struct survivors survivors;
	struct kin_helpers helpers;
	struct keeper keeper;
	struct on_dead on_dead;
	int record_fd; /* of settings.record; -1: none */
	pid_t known_agent;  /* whom the members were told to */
	bool over;
	int nice_before; /* the agent's */
	int64_t end_due;    /* CLOCK_MONOTONIC ns, 0 = nobody asked us to end */
	int64_t tick_due;
};

static struct host host; /* owner: the only thread; too large for a stack */

static void leave_to_supervisor(void *context)
{
	struct host *mine = context;

	(void)setpriority(PRIO_PROCESS, 0, mine->nice_before); /* down is always allowed */
	close(mine->signals.fd);
	on_dead_leave(&mine->on_dead);
	lobby_leave(&mine->lobby);
	members_leave(&mine->members);
}

static int open_keeper(void)
{
	struct child_setup setup = {.settings = *host.settings, .many = true, .segment_fd = -1, .notebook_fd = -1, .news_fd = -1,
		.record_fd = host.record_fd, .supervisor = getpid(), .run_started = clock_boot_ns()};
	int ret;

	memcpy(setup.listeners, host.listening.all, sizeof(setup.listeners));
	setup.listener_count = host.listening.count;
	ret = keeper_open(&host.keeper, &setup, &host.helpers);
	host.keeper.in_child = leave_to_supervisor;
	host.keeper.in_child_context = &host;
	if (ret == 0)
		host.keeper.next_start = 0;
	return ret;
}

/* Up to the hard limit it is allowed. */
static void raise_limit(int which)
{
	struct rlimit limit;

	if (getrlimit(which, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(which, &limit);
}

/* Three descriptors a service, and memory that counts as files. */
static void raise_limits(void)
{
	raise_limit(RLIMIT_NOFILE);
	raise_limit(RLIMIT_FSIZE);
}

/* A service asks once in its life and waits 20 ms for the answer: on a busy machine we must not stand in line. */
static void come_first(void)
{
	errno = 0;
	host.nice_before = getpriority(PRIO_PROCESS, 0);
	if (errno == 0 && host.nice_before > NICE)
		(void)setpriority(PRIO_PROCESS, 0, NICE); /* who may not stands in line */
}

static int cannot_serve(int error, struct failure *why)
{
	const char *dir = host.settings->dir;

	if (error == EADDRINUSE)
		return failure_set(why, FAILURE_PORT_TAKEN, "another lifesign agent serves %s already: choose another --dir, or end it", dir);
	if (error == EPERM || error == EACCES)
		return failure_set(why, FAILURE_NOT_PERMITTED,
			"cannot serve %s: it is not ours alone to write to, or not at all; give --dir DIR a directory of its own", dir);
	return failure_set(why, FAILURE_CONFIG, "cannot serve %s: %s; choose another --dir", dir, strerror(error));
}

static int open_lobby(struct failure *why)
{
	int dir = directory_open(host.settings->dir), ret = dir;

	if (dir >= 0) {
		close(dir);
		ret = members_open(&host.members, host.settings->slots);
	}
	if (ret >= 0)
		ret = lobby_open(&host.lobby, host.settings->dir, &host.members);
	if (ret < 0)
		return cannot_serve(-ret, why);
	return 0;
}

static int open_all(const struct settings *settings, struct failure *why)
{
	int ret;

	host = (struct host){.settings = settings, .manager = environment_find(environ, "NOTIFY_SOCKET"),
		 .lobby = {.fd = -1, .events = -1}, .members.events = -1, .record_fd = -1};
	host.keeper.news_fd = host.keeper.setup.notebook_fd = -1;
	spawn_fill_standard();
	on_dead_open(&host.on_dead, settings, NULL, &host.signals);
	host.on_dead.nice = &host.nice_before;
	raise_limits();
	come_first();
	ret = signals_take(&host.signals);
	if (ret < 0)
		return failure_set(why, FAILURE_CONFIG, "cannot take signals: %s", strerror(-ret));
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* readers of an agent that died */
	if (record_file_open(settings->record, &host.record_fd, why) || open_lobby(why) || listen_open(&host.listening, settings, why))
		return why->status;
	host.members.on_dead = &host.on_dead;
	ret = open_keeper();
	return ret < 0 ? failure_set(why, FAILURE_CONFIG, "no memory for an agent: %s", strerror(-ret)) : 0;
}

static void close_all(void)
{
	on_dead_close(&host.on_dead);
	keeper_close(&host.keeper);
	lobby_close(&host.lobby);
	listen_close(&host.listening);
	if (host.record_fd >= 0)
		close(host.record_fd);
	if (host.members.events >= 0)
		members_close(&host.members);
}

static void say_start(void)
{
	char where[1024] = "";
	size_t used = 0;

	for (unsigned i = 0; i < host.listening.count && used < sizeof(where); i++)
		used += (size_t)snprintf(where + used, sizeof(where) - used, "%s%s", i ? ", " : "", host.listening.all[i].address);
	log_event(LOG_LEVEL_INFO, "start", "answers probes at %s; services join by LIFESIGN_DIR=%s", used ? where : "no address",
		host.settings->dir);
	for (unsigned i = 0; i < host.listening.note_count; i++)
		log_event(LOG_LEVEL_WARN, "listen", "%s", host.listening.notes[i]);
	if (!peer_proc_is_ours())
		log_event(LOG_LEVEL_WARN, "start", "/proc is of another pid namespace or not there: services are known by what they write themselves");
}

static void reap(void)
{
	for (;;) {
		siginfo_t info = {0};
		int status = 0;

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		keeper_zombie(&host.keeper, info.si_pid);
		on_dead_zombie(&host.on_dead, info.si_pid);
		if (waitpid(info.si_pid, &status, WNOHANG) != info.si_pid)
			continue;
		if (!members_on_dead_reaped(&host.members, info.si_pid, status))
			(void)keeper_reaped(&host.keeper, info.si_pid, status, host.over);
	}
}

/* The first request to end starts the drain, the next one ends it. */
static void ask_to_end(void)
{
	bool first = !host.end_due;

	host.end_due = clock_mono_ns();
	if (!first)
		return;
	host.end_due += (int64_t)(host.settings->drain_seconds * (double)NS_PER_SECOND);
	host.members.drain_since = clock_boot_ns();
	host.members.agent_told = false;
	notify_say(host.manager, "STOPPING=1\n");
}

static void act(const struct signalfd_siginfo *info)
{
	int number = (int)info->ssi_signo;

	if (signals_plan(&host.signals, info, getpid()) == SIGNAL_DRAIN)
		ask_to_end();
	else if (number == SIGHUP) {
		host.members.reloads++;
		host.members.agent_told = false;
	}
}

static void take_signals(void)
{
	struct signalfd_siginfo info[SIGNALS_A_READ];
	ssize_t got;

	while ((got = read(host.signals.fd, info, sizeof(info))) > 0) {
		for (size_t i = 0; i < (size_t)got / sizeof(info[0]); i++)
			act(&info[i]);
	}
	reap();
}

static bool tell(void)
{
	if (host.keeper.pid != host.known_agent) {
		host.known_agent = host.keeper.pid;
		members_agent_is_new(&host.members);
	}
	return host.keeper.pid && members_tell(&host.members, host.keeper.news_fd);
}

static void tick(int64_t mono)
{
	int64_t late = mono - host.tick_due;

	host.tick_due = mono + TICK_NS;
	lobby_tick(&host.lobby);
	members_tick(&host.members);
	survivors_keep(&host.survivors, &host.members);
	keeper_tick(&host.keeper, late);
}

static void hear_agent(void)
{
	struct agent_notice notice;

	while (keeper_hear(&host.keeper, &notice))
		members_on_dead_hear(&host.members, &notice);
}

static void wait_and_serve(int64_t until)
{
	bool full = tell();
	struct pollfd all[] = {
		{.fd = host.signals.fd, .events = POLLIN},
		{.fd = host.lobby.events, .events = POLLIN},
		{.fd = host.members.events, .events = POLLIN},
		{.fd = host.keeper.news_fd, .events = full ? POLLIN | POLLOUT : POLLIN},
		{.fd = host.on_dead.events, .events = POLLIN},
	};
	int64_t left = until - clock_mono_ns();
	struct timespec timeout = {0};

	if (left > 0)
		timeout = (struct timespec){left / NS_PER_SECOND, left % NS_PER_SECOND};
	if (ppoll(all, sizeof(all) / sizeof(all[0]), &timeout, NULL) > 0 && all[0].revents)
		take_signals();
	if (all[4].revents)
		on_dead_serve(&host.on_dead);
	if (all[3].revents & POLLIN)
		hear_agent();
	if (all[2].revents)
		members_take_events(&host.members);
	if (all[1].revents)
		lobby_serve(&host.lobby);
}

static void loop(void)
{
	while (!host.over) {
		int64_t now = clock_mono_ns(), agent_due = keeper_due(&host.keeper);

		if (now >= agent_due)
			keeper_start_agent(&host.keeper);
		if (now >= host.tick_due)
			tick(now);
		on_dead_tick(&host.on_dead, now);
		host.over = host.end_due && now >= host.end_due;
		if (host.over)
			break;
		agent_due = keeper_due(&host.keeper);
		now = host.tick_due < agent_due ? host.tick_due : agent_due;
		now = on_dead_due(&host.on_dead) < now ? on_dead_due(&host.on_dead) : now;
		wait_and_serve(host.end_due && host.end_due < now ? host.end_due : now);
	}
}

int host_run(const struct settings *settings, struct failure *why)
{
	if (open_all(settings, why)) {
		close_all();
		return why->status;
	}
	say_start();
	survivors_find(&host.survivors, settings->dir, &host.members);
	notify_say(host.manager, "READY=1\nSTATUS=Services join by LIFESIGN_DIR\n");
	loop();
	survivors_keep(&host.survivors, &host.members); /* for the next one */
	keeper_dismiss(&host.keeper);
	keeper_wait(&host.keeper, FAREWELL_MS);
	close_all();
	return 0;
}
