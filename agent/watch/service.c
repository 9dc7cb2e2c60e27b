/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "watch/chain.h"
#include "watch/coverage.h"
#include "watch/dependencies.h"
#include "watch/facts.h"
#include "watch/history.h"
#include "watch/publish.h"

#define TREE_EVERY_NS NS_PER_SECOND
#define TREE_STRANGERS_NS (200 * NS_PER_MS) /* sooner when a slot or a process is not yet joined to its other half */
#define LISTENERS_EVERY_NS (500 * NS_PER_MS)
#define LISTENERS_SOON_NS (100 * NS_PER_MS)
#define PUBLISH_EVERY_NS NS_PER_SECOND
#define SAVE_EVERY_NS NS_PER_SECOND

/* With many services each one waits its turn longer: so much for each of the others. */
#define TREE_EACH_NS (5 * NS_PER_MS)
#define PUBLISH_EACH_NS (NS_PER_MS)

/* What the shim and we read off two clocks may differ by. */
#define STAMP_SLACK_NS (20 * NS_PER_MS)

static uint16_t port_to_ask(const struct service *service)
{
	const struct settings *settings = &service->common->settings;

	return settings->startup.port_mode == STARTUP_PORT_NUMBER ? (uint16_t)settings->startup.port : 0;
}

void service_configure(struct service *service)
{
	int64_t period = (int64_t)(service->common->settings.startup.period_seconds * (double)NS_PER_SECOND);

	if (service->port.fd >= 0 && service->port.port)
		port_tick(&service->port, INT64_MAX / 2); /* ends the attempt in flight */
	port_start(&service->port, port_to_ask(service), period);
	service->published = 0; /* tell at once */
}

int service_start(struct service *service, const struct service_common *common, const struct service_parts *parts)
{
	int ret;

	*service = (struct service){.common = common, .port.fd = -1, .progress.knock.fd = -1};
	(void)snprintf(service->name, sizeof(service->name), "%s", parts->name);
	service->seat = snapshot_seat_open(service->name);
	if (!service->seat)
		return -EEXIST;
	ret = notebook_open(&service->notebook, parts->notebook_fd);
	if (ret == 0 && !common->setup->bare)
		ret = slots_start(&service->slots, parts->segment_fd, &service->notebook);
	if (ret < 0)
		service_stop(service);
	else
		service_configure(service);
	service->record = ret < 0 ? NULL : recorder_join(common->recorder, service->name);
	return ret;
}

int service_take_over(struct service *service, int segment_fd)
{
	if (service->common->setup->bare)
		return 0;
	slots_stop(&service->slots);
	progress_end(&service->progress);
	recorder_renew(service->record);
	service->tree_read = 0;
	return slots_start(&service->slots, segment_fd, &service->notebook);
}

void service_rename(struct service *service, const char *name)
{
	struct snapshot_seat *seat = strcmp(service->name, name) == 0 ? NULL : snapshot_seat_open(name);

	if (!seat)
		return; /* no memory, or a name that is not unique: it stays known as it was */
	snapshot_seat_close(service->seat);
	service->seat = seat;
	(void)snprintf(service->name, sizeof(service->name), "%s", name);
	publish_snapshot(service, clock_boot_ns());
}

void service_stop(struct service *service)
{
	if (service->port.fd >= 0 && service->port.port)
		port_tick(&service->port, INT64_MAX / 2);
	snapshot_seat_close(service->seat);
	slots_stop(&service->slots);
	tree_end(&service->tree);
	listeners_end(&service->listeners);
	proofs_end(&service->proofs);
	progress_end(&service->progress);
	naming_end(&service->naming);
	recorder_leave(service->record);
	notebook_close(&service->notebook);
}

/* A process may have claimed at any time since it began, and not in the future. */
static bool is_of(const struct process_record *record, const struct process_row *row, int64_t now)
{
	return record->stamp + STAMP_SLACK_NS >= row->start_ns && record->stamp <= (uint64_t)now + STAMP_SLACK_NS &&
	       record->stamp > row->entry_stamp;
}

/* Entries of the process table to rows of the tree: by pid, made after the process began, newest first. */
static void join_entries(struct service *service, int64_t now)
{
	const struct view *view = &service->slots.view;
	struct process_record record;

	for (uint32_t i = 0; i < view->process_count; i++) {
		struct process_row *row;

		if (!view_process(view, i, &record))
			continue;
		row = tree_find(&service->tree, record.pid);
		if (!row || !is_of(&record, row, now))
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
		if (service->tree.rows[i].unseen || stat(path, &status) < 0 || status.st_size == 0)
			service->open_fds_known = false; /* its size is the count since Linux 6.2 */
		else
			count += (uint32_t)status.st_size;
	}
	service->open_fds = count;
}

static void find_coverage(struct service *service, int64_t now)
{
	service->covered = service->unsettled = false;
	for (unsigned i = 0; i < service->tree.count; i++) {
		struct process_row *row = &service->tree.rows[i];

		if (!row->unseen)
			service->unsettled |= !coverage_refresh(row, tree_find(&service->tree, row->parent), now);
		if (row->role != PROCESS_CHILD && (row->coverage == COVERAGE_SHIM || row->coverage == COVERAGE_SLOTS))
			service->covered = true;
	}
}

void service_read_tree(struct service *service, int32_t owner, int64_t now)
{
	if (service->news.unseen_pids) {
		tree_refresh_unseen(&service->tree, &service->slots.view, service->name, now);
	} else {
		tree_refresh(&service->tree, owner, service->news.main_pid, now);
		join_entries(service, now);
	}
	find_coverage(service, now);
	slots_assign(&service->slots, &service->tree);
	count_open_fds(service);
	service->notebook.core.cpu_retired_ticks += service->tree.retired_cpu_ticks;
	service->tree.retired_cpu_ticks = 0;
	service->tree_read = now;
}

int64_t service_period_ns(const struct service *service)
{
	return (int64_t)(service->common->settings.liveness.sample_seconds * (double)NS_PER_SECOND);
}

bool service_is_settled(const struct service *service)
{
	const struct notebook_core *core = &service->notebook.core;

	return service->news.named || core->listened || (!service->news.main_ended && core->startup != STARTUP_STARTING);
}

static int64_t for_each_other(const struct service *service, int64_t each)
{
	return service->common->services > 1 ? (int64_t)(service->common->services - 1) * each : 0;
}

bool service_wants_tree(const struct service *service, int64_t now)
{
	int64_t age = now - service->tree_read, others = for_each_other(service, TREE_EACH_NS);

	if (service->common->setup->bare)
		return false;
	if (service->slots.strangers || service->unsettled)
		return !service->tree_read || age >= TREE_STRANGERS_NS + others / 8;
	return !service->tree_read || age >= TREE_EVERY_NS + others;
}

void service_sweep(struct service *service, int64_t now)
{
	int64_t before = clock_thread_cpu_ns();

	port_tick(&service->port, now);
	if (service->common->setup->bare)
		return;
	slots_sweep(&service->slots, now);
	service->sweep_seconds = (double)(clock_thread_cpu_ns() - before) / (double)NS_PER_SECOND;
}

static bool is_starting(const struct service *service)
{
	return service->notebook.core.startup == STARTUP_STARTING;
}

static void look_at_listeners(struct service *service, int64_t now)
{
	bool soon = is_starting(service) || service->progress.suspected;
	int64_t every = soon ? LISTENERS_SOON_NS : LISTENERS_EVERY_NS + for_each_other(service, NS_PER_MS);

	if (service->listeners_read && now - service->listeners_read < every)
		return;
	listeners_refresh(&service->listeners, &service->tree, every / 2, now);
	service->listeners_read = now;
	service->notebook.core.listened |= service->listeners.count > 0;
}

void service_look(struct service *service, struct suspects_budget *left, int64_t now)
{
	if (!service->common->setup->bare) {
		look_at_listeners(service, now);
		limits_look(service, now);
		suspects_look(&service->slots, &service->tree, &service->listeners, now, left);
		proofs_look(&service->proofs, &service->slots, &service->tree, now, &left->proofs);
		progress_look(service, now, &left->witnesses);
	}
	facts_judge(service, now);
	picture_follow(service, now);
	on_dead_follow(service, now);
	chain_tell(service, now);
	service->changed |= history_follow(service) | (service->dependencies_told != service->common->dependencies->generation);
	service->dependencies_told = service->common->dependencies->generation;
}

/* What an answer says is told at once; what threads do, as often as the number of services lets us. */
static bool is_worth_telling(const struct service *service, int64_t now)
{
	int64_t age = now - service->published;

	if (service->changed || age >= PUBLISH_EVERY_NS + for_each_other(service, PUBLISH_EACH_NS))
		return true;
	return (service->slots.changed || service->listeners.changed) && age >= for_each_other(service, PUBLISH_EACH_NS);
}

void service_tell(struct service *service, int64_t now)
{
	if (is_worth_telling(service, now)) {
		publish_snapshot(service, now);
		service->published = now;
	}
	if (service->changed || now - service->saved >= SAVE_EVERY_NS) {
		notebook_save(&service->notebook);
		service->saved = now;
	}
	service->changed = false;
}
