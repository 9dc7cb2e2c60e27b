/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/fleet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "watch/census.h"
#include "watch/coverage.h"
#include "watch/history.h"
#include "watch/maintenance.h"
#include "watch/reload.h"
#include "watch/whole.h"

/* A pass over /proc may take this share of the time, however many processes there are. */
enum { CENSUS_REST = 20 };

#define ROOT_EVERY_NS NS_PER_SECOND

/* A helper of the supervisor's (prober, onDead command before its exec) is seen before the news of it are here. */
#define HELPER_YOUNG_NS NS_PER_SECOND

static bool make_room(struct fleet *fleet)
{
	unsigned room = fleet->room ? fleet->room * 2 : 4;
	struct service **services;
	uint32_t *ids;

	if (fleet->count < fleet->room)
		return true;
	services = realloc(fleet->services, room * sizeof(struct service *));
	if (services)
		fleet->services = services;
	ids = realloc(fleet->ids, room * sizeof(*ids));
	if (ids)
		fleet->ids = ids;
	if (!services || !ids)
		return false;
	fleet->room = room;
	return true;
}

static int add_service(struct fleet *fleet, uint32_t id, const struct service_parts *parts)
{
	struct service *service;
	int ret;

	if (!make_room(fleet))
		return -ENOMEM;
	service = malloc(sizeof(*service));
	if (!service)
		return -ENOMEM;
	ret = service_start(service, &fleet->common, parts);
	if (ret < 0) {
		free(service);
		return ret;
	}
	if (fleet->common.setup->restarts)
		history_note(service, EVENT_AGENT, "restarted", fleet->common.setup->bare ? "bare" : "full", "");
	fleet->services[fleet->count] = service;
	fleet->ids[fleet->count++] = id;
	fleet->common.services = fleet->count;
	return 0;
}

static void remove_service(struct fleet *fleet, unsigned index)
{
	service_stop(fleet->services[index]);
	free(fleet->services[index]);
	fleet->count--;
	memmove(&fleet->services[index], &fleet->services[index + 1], (fleet->count - index) * sizeof(struct service *));
	memmove(&fleet->ids[index], &fleet->ids[index + 1], (fleet->count - index) * sizeof(*fleet->ids));
	fleet->common.services = fleet->count;
}

static void start_recorder(struct fleet *fleet)
{
	const struct child_setup *setup = fleet->common.setup;
	const struct recorder_setup recorder = {.fd = setup->record_fd,
		.file = setup->settings.record,
		.most_bytes = (uint64_t)setup->settings.record_megabytes << 20,
		.slots = setup->settings.slots};

	if (setup->settings.record[0] && !setup->bare)
		fleet->common.recorder = recorder_start(&recorder);
}

void fleet_end_recording(struct fleet *fleet)
{
	recorder_stop(fleet->common.recorder); /* the services' tracks are of no use any more, and end with us */
	fleet->common.recorder = NULL;
}

int fleet_start(struct fleet *fleet, const struct child_setup *setup)
{
	struct service_parts parts = {setup->settings.service, setup->segment_fd, setup->notebook_fd};
	int ret;

	*fleet = (struct fleet){.common = {.setup = setup, .settings = setup->settings, .dependencies = &fleet->dependencies}};
	(void)dependencies_start(&fleet->dependencies, setup); /* without a board they are unknown, and the prober says so */
	start_recorder(fleet);
	if (setup->many)
		ret = notebook_open(&fleet->own, setup->notebook_fd);
	else
		ret = add_service(fleet, 0, &parts);
	if (ret == 0)
		notebook_beat(setup->many ? &fleet->own : &fleet->services[0]->notebook);
	return ret;
}

static unsigned find_id(const struct fleet *fleet, uint32_t id)
{
	unsigned i = 0;

	while (i < fleet->count && fleet->ids[i] != id)
		i++;
	return i;
}

/* A service that cannot be watched is not shown: told once, by this message, and again if its next one fails. */
static void take_state(struct fleet *fleet, const struct supervisor_news *news, const int fds[FLEET_FDS])
{
	struct service_parts parts = {news->name, fds[0], fds[1]};
	unsigned index = find_id(fleet, news->service);
	int ret = 0;

	if (index == fleet->count && fds[1] >= 0)
		ret = add_service(fleet, news->service, &parts);
	else if (index < fleet->count && fds[0] >= 0)
		ret = service_take_over(fleet->services[index], fds[0]);
	if (ret < 0)
		log_event(LOG_LEVEL_ERROR, "join", "%s cannot be watched: %s", news->name, strerror(-ret));
	if (ret < 0 || index >= fleet->count)
		return;
	if (fleet->common.setup->many)
		service_rename(fleet->services[index], news->name);
	fleet->services[index]->news = *news;
	if (fleet->common.setup->many && news->main_ended && !service_is_settled(fleet->services[index]))
		remove_service(fleet, index); /* a command that has done its work, not a service that died */
}

static void take_gone(struct fleet *fleet, const struct supervisor_news *news)
{
	unsigned index = find_id(fleet, news->service);

	if (index < fleet->count && fleet->common.setup->many)
		remove_service(fleet, index);
}

static void take_agent(struct fleet *fleet, const struct supervisor_news *news)
{
	fleet->common.drain_since = news->drain_since;
	fleet->root_published = 0;
	if (news->reloads != fleet->reloads && fleet->introduced)
		reload_request();
	fleet->reloads = news->reloads;
	fleet->introduced = true;
}

void fleet_take_news(struct fleet *fleet, const struct supervisor_news *news, const int fds[FLEET_FDS])
{
	struct supervisor_news own = *news;

	own.name[sizeof(own.name) - 1] = '\0';
	if (own.kind == NEWS_STATE)
		take_state(fleet, &own, fds);
	else if (own.kind == NEWS_GONE)
		take_gone(fleet, &own);
	else if (own.kind == NEWS_AGENT)
		take_agent(fleet, &own);
	for (int i = 0; i < FLEET_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]); /* mapped, where it was of use */
	}
}

/* ---- whose each process is */

/* The service is what descends from the supervisor, less the agent with its readers, and the prober. */
static void own_children(const struct fleet *fleet)
{
	const struct service *service = fleet->services[0];

	census_set(getpid(), CENSUS_NOBODY);
	if (service->news.prober_pid)
		census_set(service->news.prober_pid, CENSUS_NOBODY);
	if (service->news.on_dead_pid)
		census_set(service->news.on_dead_pid, CENSUS_NOBODY);
	census_set_young(fleet->common.setup->supervisor, "lifesign", (uint64_t)(clock_boot_ns() - HELPER_YOUNG_NS), CENSUS_NOBODY);
	census_set_children(fleet->common.setup->supervisor, 0);
}

/* Processes that joined and whose parents are gone. The entry is anybody's word: it must be true of the process. */
static void own_entries(const struct service *service, int32_t owner)
{
	struct process_record record;

	for (uint32_t i = 0; i < service->slots.view.process_count; i++) {
		if (!view_process(&service->slots.view, i, &record) || tree_find(&service->tree, record.pid))
			continue;
		if (coverage_entry_is_true(&record))
			census_set(record.pid, owner);
	}
}

static void own_joined(const struct service *service, int32_t owner)
{
	if (service->news.unseen_pids)
		return;
	own_entries(service, owner);
	for (unsigned i = 0; i < service->tree.count; i++)
		census_set_same(service->tree.rows[i].pid, service->tree.rows[i].start_ns, owner);
}

static void give_owners(const struct fleet *fleet)
{
	if (!fleet->common.setup->many) {
		own_children(fleet);
	} else {
		for (unsigned i = 0; i < fleet->count; i++)
			own_joined(fleet->services[i], (int32_t)i);
		for (unsigned i = 0; i < fleet->count; i++) /* last: nobody takes another one's main process */
			census_set(fleet->services[i]->news.main_pid, (int32_t)i);
		census_set(getpid(), CENSUS_NOBODY);
		census_set(fleet->common.setup->supervisor, CENSUS_NOBODY);
	}
	census_spread((int32_t)fleet->count);
}

static bool anybody_wants_trees(const struct fleet *fleet, int64_t now)
{
	for (unsigned i = 0; i < fleet->count; i++) {
		if (service_wants_tree(fleet->services[i], now))
			return true;
	}
	return false;
}

static void read_trees(struct fleet *fleet, int64_t now)
{
	int64_t before = clock_thread_cpu_ns();

	if (!anybody_wants_trees(fleet, now) || now - fleet->census_read < fleet->census_cost * CENSUS_REST)
		return;
	if (census_take(now) < 0)
		return; /* no /proc: what was known stays */
	give_owners(fleet);
	for (unsigned i = 0; i < fleet->count; i++) {
		log_about(fleet->common.setup->many ? fleet->services[i]->name : NULL);
		if (service_wants_tree(fleet->services[i], now))
			service_read_tree(fleet->services[i], (int32_t)i, now);
	}
	log_about(NULL);
	fleet->census_read = now;
	fleet->census_cost = clock_thread_cpu_ns() - before;
}

static void look_at_all(struct fleet *fleet, int64_t now)
{
	struct suspects_budget left = suspects_budget();

	for (unsigned i = 0; i < fleet->count; i++) {
		struct service *service = fleet->services[(fleet->turn + i) % fleet->count];

		log_about(fleet->common.setup->many ? service->name : NULL);
		service_look(service, &left, now);
		service_tell(service, now);
	}
	log_about(NULL);
	fleet->turn = fleet->count ? (fleet->turn + 1) % fleet->count : 0;
}

/* Before anything of this tick is told: at no moment two services are shown without a whole. */
static void tell_whole(struct fleet *fleet, int64_t now)
{
	if (!whole_follow(fleet) && now - fleet->root_published < ROOT_EVERY_NS)
		return;
	whole_publish(fleet, now);
	fleet->root_published = now;
	notebook_save(&fleet->own);
}

/* What changed is an event of each service. */
static void look_at_dependencies(struct fleet *fleet, int64_t now)
{
	struct dependency_change change;

	fleet->common.maintenance = maintenance_since(fleet->dependencies.board, now);
	if (!dependencies_tick(&fleet->dependencies, now))
		return;
	for (unsigned i = 0; dependencies_change(&fleet->dependencies, &i, &change);)
		for (unsigned k = 0; k < fleet->count; k++)
			history_dependency(fleet->services[k], &change);
}

int fleet_wakes(const struct fleet *fleet)
{
	return fleet->dependencies.set ? fleet->dependencies.socket : -1;
}

void fleet_tick(struct fleet *fleet, int64_t now)
{
	look_at_dependencies(fleet, now);
	for (unsigned i = 0; i < fleet->count; i++)
		service_sweep(fleet->services[i], now);
	read_trees(fleet, now);
	if (fleet->common.setup->many && !fleet->root_published)
		tell_whole(fleet, now);
	look_at_all(fleet, now);
	if (fleet->common.setup->many)
		tell_whole(fleet, now);
	snapshot_settle();
	snapshot_beat(now);
	notebook_beat(fleet->common.setup->many ? &fleet->own : &fleet->services[0]->notebook);
}

void fleet_count_overrun(struct fleet *fleet)
{
	fleet->own.core.overruns++;
	for (unsigned i = 0; i < fleet->count; i++)
		fleet->services[i]->notebook.core.overruns++;
}

void fleet_note(struct fleet *fleet, enum event_what what, const char *from, const char *to, const char *subject)
{
	for (unsigned i = 0; i < fleet->count; i++)
		history_note(fleet->services[i], what, from, to, subject);
}

void fleet_configure(struct fleet *fleet, bool taken)
{
	fleet->own.core.config_generation++;
	fleet->root_published = 0;
	if (taken)
		dependencies_configure(&fleet->dependencies, &fleet->common.settings);
	for (unsigned i = 0; i < fleet->count; i++) {
		fleet->services[i]->notebook.core.config_generation++;
		if (taken)
			service_configure(fleet->services[i]);
		fleet->services[i]->published = 0;
	}
}

bool fleet_is_over(const struct fleet *fleet)
{
	return !fleet->common.setup->many && fleet->services[0]->news.main_ended;
}

uint64_t *fleet_counters(struct fleet *fleet)
{
	return fleet->common.setup->many ? fleet->own.head->counters : fleet->services[0]->notebook.head->counters;
}
