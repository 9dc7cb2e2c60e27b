/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "judge/calls.h"
#include "lifesign/segment.h"
#include "watch/census.h"
#include "watch/coverage.h"
#include "watch/history.h"
#include "watch/procfs.h"
#include "watch/publish.h"
#include "watch/suspects.h"

#define TREE_EVERY_NS NS_PER_SECOND
#define TREE_STRANGERS_NS (200 * NS_PER_MS) /* sooner when a slot or a process is not yet joined to its other half */
#define LISTENERS_EVERY_NS (500 * NS_PER_MS)
#define LISTENERS_STARTING_NS (100 * NS_PER_MS)
enum { OWNER = 0 }; /* the one service of `run` in the census */

#define PUBLISH_EVERY_NS NS_PER_SECOND
#define SAVE_EVERY_NS NS_PER_SECOND

static uint16_t port_to_ask(const struct service *service)
{
	const struct settings *settings = &service->settings;

	return settings->startup.port_mode == STARTUP_PORT_NUMBER ? (uint16_t)settings->startup.port : 0;
}

void service_configure(struct service *service)
{
	int64_t period = (int64_t)(service->settings.startup.period_seconds * (double)NS_PER_SECOND);

	if (service->port.fd >= 0 && service->port.port)
		port_tick(&service->port, INT64_MAX / 2); /* ends the attempt in flight */
	port_start(&service->port, port_to_ask(service), period);
}

int service_start(struct service *service, const struct child_setup *setup)
{
	int ret;

	*service = (struct service){.setup = setup, .settings = setup->settings, .port.fd = -1};
	service->seat = snapshot_seat_open(service->settings.service);
	if (!service->seat)
		return -ENOMEM;
	ret = notebook_open(&service->notebook, setup->notebook_fd);
	if (ret < 0)
		return ret;
	notebook_beat(&service->notebook);
	service_configure(service);
	if (setup->bare)
		return 0;
	return slots_start(&service->slots, setup->segment_fd, &service->notebook);
}

/* Entries of the process table to rows of the tree: by pid, made after the process began, newest first. */
static void join_entries(struct service *service)
{
	const struct view *view = &service->slots.view;
	struct process_record record;

	for (uint32_t i = 0; i < view->process_count; i++) {
		struct process_row *row;

		if (!view_process(view, i, &record))
			continue;
		row = tree_find(&service->tree, record.pid);
		if (!row || record.stamp + 20 * NS_PER_MS < row->start_ns || record.stamp <= row->entry_stamp)
			continue;
		row->entered = true;
		row->entry_stamp = record.stamp;
		row->entry_index = i;
		row->libc = record.libc;
		row->entry_flags = record.flags;
		row->entry_witness = record.witness;
		row->coverage_told = false;
		row->why[0] = '\0';
	}
}

static void count_open_fds(struct service *service)
{
	uint32_t count = 0;

	service->open_fds_known = service->tree.count > 0;
	for (unsigned i = 0; i < service->tree.count; i++) {
		struct stat status;
		char path[64];

		(void)snprintf(path, sizeof(path), "/proc/%d/fd", service->tree.rows[i].pid);
		if (stat(path, &status) < 0 || status.st_size == 0) /* its size is the count since Linux 6.2 */
			service->open_fds_known = false;
		else
			count += (uint32_t)status.st_size;
	}
	service->open_fds = count;
}

/* The service is what descends from the supervisor, less the agent with its readers, and the prober. */
static int take_census(const struct service *service)
{
	int ret = census_take();

	if (ret < 0)
		return ret;
	census_set(getpid(), CENSUS_NOBODY);
	if (service->news.prober_pid)
		census_set(service->news.prober_pid, CENSUS_NOBODY);
	census_set_children(service->setup->supervisor, OWNER);
	census_spread(OWNER + 1);
	return 0;
}

static void refresh_tree(struct service *service, int64_t now)
{
	if (take_census(service) < 0)
		return; /* no /proc: what was known stays */
	tree_refresh(&service->tree, OWNER, service->news.main_pid, now);
	join_entries(service);
	service->covered = service->unsettled = false;
	for (unsigned i = 0; i < service->tree.count; i++) {
		struct process_row *row = &service->tree.rows[i];

		service->unsettled |= !coverage_refresh(row, tree_find(&service->tree, row->parent), now);
		if (row->role != PROCESS_CHILD && (row->coverage == COVERAGE_SHIM || row->coverage == COVERAGE_SLOTS))
			service->covered = true;
	}
	slots_assign(&service->slots, &service->tree);
	count_open_fds(service);
	service->notebook.core.cpu_retired_ticks += service->tree.retired_cpu_ticks;
	service->tree.retired_cpu_ticks = 0;
	service->tree_read = now;
}

static bool is_starting(const struct service *service)
{
	return service->notebook.core.startup == STARTUP_STARTING;
}

static void look(struct service *service, int64_t now)
{
	int64_t every = is_starting(service) ? LISTENERS_STARTING_NS : LISTENERS_EVERY_NS;
	int64_t tree_age = now - service->tree_read;

	if (!service->tree_read || tree_age >= TREE_EVERY_NS || ((service->slots.strangers || service->unsettled) && tree_age >= TREE_STRANGERS_NS))
		refresh_tree(service, now);
	if (!service->listeners_read || now - service->listeners_read >= every) {
		listeners_refresh(&service->listeners, &service->tree, now);
		service->listeners_read = now;
	}
	suspects_look(&service->slots, &service->tree, &service->listeners, now);
}

static char main_state(const struct service *service)
{
	struct proc_stat stat;
	pid_t main = service->news.main_pid;

	return main && proc_thread_stat(main, main, &stat) == 0 ? stat.state : 0;
}

/* Keeps the moment since when a fact holds. */
static void hold_since(int64_t *since, bool holds, int64_t now)
{
	if (!holds)
		*since = 0;
	else if (!*since)
		*since = now;
}

static bool main_thread_waits(const struct service *service, char state)
{
	for (uint32_t i = 0; i < service->slots.order_count; i++) {
		const struct slot_now *slot = &service->slots.now[service->slots.order[i]];

		if (slot->record.tid == service->news.main_pid)
			return slot->state != THREAD_RUNNING;
	}
	return state == 'S' || state == 'D';
}

static enum startup_rule startup_rule(const struct settings *settings)
{
	static const enum startup_rule rules[] = {
		[STARTUP_PORT_ABSENT] = STARTUP_BY_LISTENER,
		[STARTUP_PORT_NONE] = STARTUP_BY_WAIT,
		[STARTUP_PORT_NUMBER] = STARTUP_BY_PORT,
	};

	return rules[settings->startup.port_mode];
}

static void judge_startup(struct service *service, int64_t now)
{
	struct notebook_core *core = &service->notebook.core;
	const struct settings *settings = &service->settings;
	struct startup_policy policy = {
		.rule = startup_rule(settings),
		.budget_ns = (int64_t)(settings->startup.period_seconds * settings->startup.failure_threshold * (double)NS_PER_SECOND),
	};
	struct startup_look look = {
		.age_ns = service->news.main_started ? now - service->news.main_started : 0,
		.has_listener = service->listeners.count > 0,
		.port_accepts = service->port.accepts,
		.main_waited_ns = service->main_waiting ? now - service->main_waiting : 0,
	};

	if (service->news.main_started && core->main_started != service->news.main_started) {
		core->main_started = service->news.main_started;
		core->startup = STARTUP_STARTING;
	}
	core->startup = startup_judge((enum startup_state)core->startup, &policy, &look);
}

static void judge(struct service *service, int64_t now)
{
	char state = main_state(service);
	struct service_facts facts = {.now = now};

	hold_since(&service->exited, service->news.main_ended, now);
	hold_since(&service->suspended, state == 'T', now);
	hold_since(&service->main_waiting, !service->setup->bare && main_thread_waits(service, state), now);
	judge_startup(service, now);
	facts.bare = service->setup->bare;
	facts.covered = service->covered;
	facts.exited = service->exited;
	facts.suspended = service->suspended;
	facts.draining = service->news.drain_since;
	facts.starting = service->notebook.core.main_started ? service->notebook.core.main_started : now;
	facts.startup = (enum startup_state)service->notebook.core.startup;
	facts.port_known = service->port.port != 0;
	facts.port_accepts = service->port.accepts;
	facts.observe = service->settings.observe || service->settings.liveness.mode == LIVENESS_OBSERVE;
	verdict_judge(&facts, &service->verdicts);
}

static void watch(struct service *service, int64_t now)
{
	int64_t before = clock_thread_cpu_ns();

	slots_sweep(&service->slots, now);
	service->sweep_seconds = (double)(clock_thread_cpu_ns() - before) / (double)NS_PER_SECOND;
	look(service, now);
}

void service_tick(struct service *service, int64_t now)
{
	bool changed;

	port_tick(&service->port, now);
	if (!service->setup->bare)
		watch(service, now);
	judge(service, now);
	changed = history_follow(service);
	if (changed || service->slots.changed || service->listeners.changed || now - service->published >= PUBLISH_EVERY_NS) {
		publish_snapshot(service, now);
		service->published = now;
	}
	if (changed || now - service->saved >= SAVE_EVERY_NS) {
		notebook_save(&service->notebook);
		service->saved = now;
	}
	snapshot_settle();
	snapshot_beat(now);
	notebook_beat(&service->notebook);
}
