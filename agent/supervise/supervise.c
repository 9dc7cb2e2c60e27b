/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/supervise.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervise/record_file.h"
#include "supervise/spawn.h"
#include "supervise/supervisor.h"

#define TICK_NS (250 * NS_PER_MS)
enum { FAREWELL_MS = 300 }; /* for the agent to log the end */

/* COMMAND's shim waits for its segment for 20 ms at most: nothing dear, as starting an agent, before that. */
#define WELCOME_NS (8 * NS_PER_MS)

static struct supervisor supervisor; /* owner: the only thread; too large for a stack */

/* What could not be made: -errno each. */
struct shortage {
	int segment, notebook;
};

/* Without memory to share the service runs unseen, but it runs. */
static int open_segment(void)
{
	int ret = segment_make(&supervisor.segment, supervisor.settings->slots);

	if (ret < 0)
		return ret;
	ret = reclaim_start(&supervisor.reclaim, &supervisor.segment);
	if (ret == 0)
		ret = handout_open(&supervisor.handout, &supervisor.segment, &supervisor.helpers);
	if (ret == 0)
		return 0;
	reclaim_stop(&supervisor.reclaim);
	segment_drop(&supervisor.segment);
	return ret;
}

/* In a new agent: what must stay the supervisor's alone. */
static void leave_to_supervisor(void *context)
{
	struct supervisor *mine = context;

	close(mine->signals.fd);
	if (mine->terminal.fd >= 0)
		close(mine->terminal.fd);
	handout_close(&mine->handout);
	on_dead_leave(&mine->on_dead);
	relay_leave(&mine->relay);
	segment_keep_geometry(&mine->segment);
	segment_unmap(&mine->segment); /* an agent maps it read-only, by the descriptor */
}

static int open_keeper(void)
{
	struct child_setup setup = {.settings = *supervisor.settings, .segment_fd = supervisor.segment.fd,
		.notebook_fd = -1, .news_fd = -1, .record_fd = supervisor.record_fd, .supervisor = supervisor.self, .run_started = clock_boot_ns()};
	int ret;

	memcpy(setup.listeners, supervisor.listening.all, sizeof(setup.listeners));
	setup.listener_count = supervisor.listening.count;
	ret = keeper_open(&supervisor.keeper, &setup, &supervisor.helpers);
	supervisor.keeper.in_child = leave_to_supervisor;
	supervisor.keeper.in_child_context = &supervisor;
	if (ret == 0)
		supervisor.keeper.next_start = 0; /* at the first tick */
	supervisor.reclaim.looked = clock_boot_ns(); /* nothing to find for a second */
	return ret;
}

/* `ulimit -f` counts for shared memory, too, and is meant for files. COMMAND gets its limit back. */
static bool lift_file_limit(struct rlimit *before)
{
	struct rlimit most = {RLIM_INFINITY, RLIM_INFINITY};

	if (getrlimit(RLIMIT_FSIZE, before) < 0 || before->rlim_cur == RLIM_INFINITY)
		return false;
	if (setrlimit(RLIMIT_FSIZE, &most) == 0)
		return true;
	most.rlim_cur = most.rlim_max = before->rlim_max; /* as far as it goes without CAP_SYS_RESOURCE */
	return setrlimit(RLIMIT_FSIZE, &most) == 0;
}

/* Failures here cost a feature, never the service; they are told once the addresses were. */
static int prepare(struct environment *environment, const char *shim, struct shortage *shortage)
{
	const char *manager = environment_find(environ, "NOTIFY_SOCKET");
	struct environment_plan plan = {.self = supervisor.self};
	struct rlimit before;
	bool lifted = lift_file_limit(&before);

	shortage->segment = open_segment();
	shortage->notebook = open_keeper();
	if (lifted)
		(void)setrlimit(RLIMIT_FSIZE, &before); /* going down is always allowed */
	if (shortage->segment == 0) {
		plan.shim = shim;
		plan.segment = supervisor.handout.name;
	}
	if (manager && relay_open(&supervisor.relay, manager, &supervisor.helpers) == 0)
		plan.notify = supervisor.relay.name;
	return environment_build(environment, environ, &plan);
}

static int open_all(const struct settings *settings, struct failure *why)
{
	int ret;

	supervisor = (struct supervisor){.settings = settings, .self = getpid(), .segment.fd = -1, .handout.fd = -1, .record_fd = -1};
	supervisor.relay.fd = supervisor.terminal.fd = supervisor.keeper.news_fd = supervisor.keeper.setup.notebook_fd = -1;
	spawn_fill_standard();
	on_dead_open(&supervisor.on_dead, settings, &supervisor.helpers, &supervisor.signals);
	ret = signals_take(&supervisor.signals);
	if (ret < 0)
		return failure_set(why, FAILURE_CONFIG, "cannot take signals: %s", strerror(-ret));
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* always there since Linux 3.4 */
	terminal_open(&supervisor.terminal);
	if (record_file_open(settings->record, &supervisor.record_fd, why))
		return why->status;
	return listen_open(&supervisor.listening, settings, why);
}

static void close_all(void)
{
	on_dead_close(&supervisor.on_dead);
	keeper_close(&supervisor.keeper);
	relay_finish(&supervisor.relay);
	handout_close(&supervisor.handout);
	listen_close(&supervisor.listening);
	if (supervisor.record_fd >= 0)
		close(supervisor.record_fd);
	reclaim_stop(&supervisor.reclaim);
	segment_drop(&supervisor.segment);
	terminal_take(&supervisor.terminal, supervisor.main_group);
}

static int cannot_start(const char *command, int error, struct failure *why)
{
	if (error == ENOENT)
		return failure_set(why, 127, "%s: not found, or the interpreter it names is not", command);
	return failure_set(why, 126, "%s: cannot be executed: %s", command, strerror(error));
}

static void say_start(pid_t pid, const struct shortage *shortage)
{
	char where[1024] = "";
	size_t used = 0;

	for (unsigned i = 0; i < supervisor.listening.count && used < sizeof(where); i++)
		used += (size_t)snprintf(where + used, sizeof(where) - used, "%s%s", i ? ", " : "",
			supervisor.listening.all[i].address);
	log_event(LOG_LEVEL_INFO, "start", "%s (pid %d) answers probes at %s", supervisor.settings->service, pid,
		used ? where : "no address");
	for (unsigned i = 0; i < supervisor.listening.note_count; i++)
		log_event(LOG_LEVEL_WARN, "listen", "%s", supervisor.listening.notes[i]);
	if (shortage->segment)
		log_event(LOG_LEVEL_WARN, "segment", "no shared memory (%s): the service runs without the shim, liveness stays unknown",
			strerror(-shortage->segment));
	if (shortage->notebook)
		log_event(LOG_LEVEL_ERROR, "agent", "no memory for an agent (%s): the service runs, but nobody answers probes",
			strerror(-shortage->notebook));
}

static int64_t earlier(int64_t one, int64_t other)
{
	return one < other ? one : other;
}

static void tick(int64_t mono)
{
	int64_t late = mono - supervisor.tick_due;

	supervisor.tick_due = mono + TICK_NS;
	main_tick(&supervisor, mono);
	reclaim_tick(&supervisor.reclaim, clock_boot_ns());
	segment_keep_clock(&supervisor.segment, clock_boot_ns() - clock_mono_ns());
	segment_keep_geometry(&supervisor.segment);
	keeper_tick(&supervisor.keeper, late);
}

static void hear_agent(void)
{
	struct agent_notice notice;

	while (keeper_hear(&supervisor.keeper, &notice)) {
		if (on_dead_hear(&supervisor.on_dead, &notice, &supervisor.keeper.news))
			keeper_tell(&supervisor.keeper);
	}
}

/* One turn of the loop, which ends at `until` at the latest. Signals first: they are what users wait for. */
static void turn(int64_t until)
{
	struct keeper *keeper = &supervisor.keeper;
	struct relay *relay = &supervisor.relay;
	struct pollfd all[] = {
		{.fd = supervisor.signals.fd, .events = POLLIN},
		{.fd = supervisor.handout.fd, .events = POLLIN},
		{.fd = relay->fd < 0 || !relay->held ? relay->fd : relay->manager, .events = relay->held ? POLLOUT : POLLIN},
		{.fd = keeper->news_fd, .events = keeper->news_waits ? POLLIN | POLLOUT : POLLIN},
		{.fd = supervisor.on_dead.events, .events = POLLIN},
	};
	int64_t left = earlier(until, supervisor.drain_due ? supervisor.drain_due : until) - clock_mono_ns();
	struct timespec timeout = {0};

	if (left > 0)
		timeout = (struct timespec){left / NS_PER_SECOND, left % NS_PER_SECOND};
	if (ppoll(all, sizeof(all) / sizeof(all[0]), &timeout, NULL) > 0) {
		if (all[0].revents)
			main_take_signals(&supervisor);
		if (all[1].revents)
			handout_serve(&supervisor.handout);
		if (all[2].revents)
			relay_serve(relay);
		if (all[3].revents & POLLOUT)
			keeper_tell(keeper);
		if (all[3].revents & POLLIN)
			hear_agent();
		if (all[4].revents)
			on_dead_serve(&supervisor.on_dead);
	}
	main_forward_due(&supervisor, clock_mono_ns());
}

/* What is due by the clock. */
static void catch_up(void)
{
	int64_t now = clock_mono_ns();

	if (now >= keeper_due(&supervisor.keeper))
		keeper_start_agent(&supervisor.keeper);
	if (now >= supervisor.tick_due)
		tick(now);
	on_dead_tick(&supervisor.on_dead, now);
}

/* Until COMMAND has its segment, or does not ask for one. */
static void welcome(void)
{
	int64_t until = clock_mono_ns() + WELCOME_NS;

	while (!supervisor.over && !supervisor.handout.granted && clock_mono_ns() < until)
		turn(until);
	supervisor.tick_due = clock_mono_ns();
}

/* The agent logs why it all ended, and goes. */
static void say_farewell(void)
{
	supervisor.keeper.news.main_pid = 0;
	supervisor.keeper.news.main_ended = 1;
	supervisor.keeper.news.main_status = supervisor.status;
	keeper_tell(&supervisor.keeper);
	keeper_dismiss(&supervisor.keeper);
	keeper_wait(&supervisor.keeper, FAREWELL_MS);
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int supervise_run(const struct settings *settings, const char *shim, char **argv, struct failure *why)
{
	static struct environment environment; /* kept until the end */
	struct spawn spawn = {argv, &environment, &supervisor.signals, &supervisor.terminal};
	struct shortage shortage = {0};
	pid_t pid = -ENOMEM;

	if (open_all(settings, why)) {
		close_all();
		return why->status;
	}
	if (prepare(&environment, shim, &shortage) == 0)
		pid = spawn_command(&spawn);
	if (pid < 0) {
		close_all();
		return cannot_start(argv[0], -pid, why);
	}
	main_begin(&supervisor, pid);
	welcome();
	spawn_close_inherited();
	say_start(pid, &shortage);
	while (!supervisor.over) {
		catch_up();
		turn(earlier(earlier(supervisor.tick_due, on_dead_due(&supervisor.on_dead)), keeper_due(&supervisor.keeper)));
	}
	say_farewell();
	close_all();
	return exit_status(supervisor.status);
}
