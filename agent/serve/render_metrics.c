/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /metrics: a new metric is one row of the table at the end and, unless one fits, one function that puts its
 * samples. Label values come from fixed sets (and the listeners of the service): their number is bounded.
 * Every family once, with the samples of all services in it.
 */
#include "serve/render.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "serve/exposition.h"
#include "serve/render_dependencies.h"
#include "serve/roll.h"
#include "serve/route.h"
#include "serve/self.h"

struct metric_row;

struct source {
	const struct standing *standing;
	const struct snapshot *snapshot; /* the standing's */
	const uint64_t *request_counters;
	struct self_usage self;
	const struct metric_row *row; /* whose samples are now put */
};

typedef void put_function(struct sheet *sheet, const struct source *source);

struct metric_row {
	struct metric metric;
	put_function *put;
	size_t where; /* offset in the snapshot or in self_usage, or a probe: what `put` needs, 0: nothing */
};

#define LABEL(name, value) ((const struct label[]){{name, value}, {NULL, NULL}})
#define LABELS(name, value, name2, value2)                                                                     \
	((const struct label[]){{name, value}, {name2, value2}, {NULL, NULL}})

static void put_u32(struct sheet *sheet, const struct source *source)
{
	uint32_t value;

	memcpy(&value, (const char *)source->snapshot + source->row->where, sizeof value);
	sheet_put_uint(sheet, NULL, value);
}

static void put_u64(struct sheet *sheet, const struct source *source)
{
	uint64_t value;

	memcpy(&value, (const char *)source->snapshot + source->row->where, sizeof value);
	sheet_put_uint(sheet, NULL, value);
}

static void put_double(struct sheet *sheet, const struct source *source)
{
	double value;

	memcpy(&value, (const char *)source->snapshot + source->row->where, sizeof value);
	sheet_put_double(sheet, NULL, value);
}

static void put_self(struct sheet *sheet, const struct source *source)
{
	double value;

	memcpy(&value, (const char *)&source->self + source->row->where, sizeof value);
	if (!isnan(value))
		sheet_put_double(sheet, NULL, value);
}

static void put_probe(struct sheet *sheet, const struct source *source)
{
	sheet_put_uint(sheet, NULL, source->standing->ok[source->row->where]);
}

static void put_verdict(struct sheet *sheet, const struct source *source)
{
	for (enum verdict verdict = 0; verdict < VERDICT_COUNT; verdict++)
		sheet_put_uint(
			sheet, LABEL("verdict", verdict_text(verdict)), source->standing->verdict == verdict);
}

static bool is_listed(const struct source *source, enum probe probe, enum reason_code code)
{
	const struct snapshot_answer *answer = standing_answer(source->standing, probe);

	if (code == REASON_STALE && probe == PROBE_READYZ)
		return source->standing->freshness == FRESHNESS_STALE;
	for (unsigned i = 0; i < answer->reason_count; i++)
		if (answer->reasons[i].code == code && answer->reasons[i].held == HELD_NO)
			return true;
	return false;
}

/* The checks of a probe always, at 0 or 1; what is shown but never gates only while it holds. */
static void put_reason(struct sheet *sheet, const struct source *source)
{
	for (enum probe probe = 0; probe < PROBE_COUNT; probe++) {
		for (enum reason_code code = REASON_NONE + 1; code < REASON_COUNT; code++) {
			bool listed = is_listed(source, probe, code);

			if (listed || probe_has_check(probe, code))
				sheet_put_uint(sheet,
					LABELS("probe", probe_label(probe), "code", reason_text(code)), listed);
		}
	}
}

static void put_reason_held(struct sheet *sheet, const struct source *source)
{
	for (enum probe probe = 0; probe < PROBE_COUNT; probe++) {
		const struct snapshot_answer *answer = standing_answer(source->standing, probe);

		for (enum reason_code code = REASON_NONE + 1; code < REASON_COUNT; code++) {
			unsigned i = 0;

			while (i < answer->reason_count &&
				(answer->reasons[i].code != code || answer->reasons[i].held == HELD_NO))
				i++;
			if (i < answer->reason_count)
				sheet_put_uint(sheet,
					((const struct label[]){{"probe", probe_label(probe)},
						{"code", reason_text(code)},
						{"held", held_text(answer->reasons[i].held)}, {NULL, NULL}}),
					1);
		}
	}
}

static void put_workers(struct sheet *sheet, const struct source *source)
{
	for (enum thread_state state = 0; state < THREAD_STATE_COUNT; state++)
		sheet_put_uint(sheet, LABEL("state", thread_state_text(state)),
			source->snapshot->workers.by_state[state]);
}

static void put_processes(struct sheet *sheet, const struct source *source)
{
	for (enum coverage coverage = 0; coverage < COVERAGE_COUNT; coverage++)
		sheet_put_uint(sheet, LABEL("coverage", coverage_text(coverage)),
			source->snapshot->coverage_counts[coverage]);
}

/* Several sockets may share an address (SO_REUSEPORT): their sum is one sample. */
static void put_listeners(struct sheet *sheet, const struct source *source)
{
	const struct snapshot_listener *listeners = source->snapshot->listeners;

	for (unsigned i = 0; i < source->snapshot->listener_count; i++) {
		uint64_t sum = 0;
		unsigned same = 0;

		while (strcmp(listeners[same].address, listeners[i].address) != 0)
			same++;
		if (same < i)
			continue; /* was part of an earlier sum */
		for (; same < source->snapshot->listener_count; same++) {
			uint32_t value;

			memcpy(&value, (const char *)&listeners[same] + source->row->where, sizeof value);
			sum += strcmp(listeners[same].address, listeners[i].address) == 0 ? value : 0;
		}
		sheet_put_uint(sheet, LABEL("listener", listeners[i].address), sum);
	}
}

static void put_service_fds(struct sheet *sheet, const struct source *source)
{
	if (source->snapshot->service_usage.open_fds_known)
		sheet_put_uint(sheet, NULL, source->snapshot->service_usage.open_fds);
}

static void put_transitions(struct sheet *sheet, const struct source *source)
{
	for (enum probe probe = 0; probe < PROBE_COUNT; probe++)
		sheet_put_uint(sheet, LABEL("probe", probe_label(probe)), source->snapshot->transitions[probe]);
}

static void put_requests(struct sheet *sheet, const struct source *source)
{
	char code[12];

	for (unsigned path = 0; path < SERVE_PATHS; path++) {
		for (unsigned i = 0; route_counter_path(path) && i < SERVE_CODES; i++) {
			uint64_t count = route_counter(source->request_counters, path, i);

			(void)snprintf(code, sizeof code, "%u", route_counter_code(i)); /* 10 digits at most */
			if (count > 0)
				sheet_put_uint(sheet,
					LABELS("path", route_counter_path(path), "code",
						route_counter_code(i) ? code : "other"),
					count);
		}
	}
}

static void put_tick_age(struct sheet *sheet, const struct source *source)
{
	const struct standing *standing = source->standing;

	if (standing->beat)
		sheet_put_double(sheet, NULL, (double)(standing->now - standing->beat) / NS_PER_SECOND);
}

#define PUT(name)                                                                                              \
	static void put_##name##_of(struct sheet *sheet, const struct source *source)                          \
	{                                                                                                      \
		put_##name(sheet, source->snapshot);                                                           \
	}
PUT(dependency_up)
PUT(dependency_value)
PUT(dependency_good)
PUT(dependency_probes)
PUT(dependency_durations)

static void put_build(struct sheet *sheet, const struct source *source)
{
	(void)source; /* the same for every service */
	sheet_put_uint(sheet, LABEL("version", LS_VERSION), 1);
}

#define AT(field) offsetof(struct snapshot, field)
#define SELF(field) offsetof(struct self_usage, field)
#define ROWS(rows) (rows), sizeof(rows) / sizeof((rows)[0])
#define LISTENER(field) offsetof(struct snapshot_listener, field)

/* Of each service. */
static const struct metric_row service_rows[] = {
	{{"lifesign_live", METRIC_GAUGE, NULL, "1 while livez answers 200."}, put_probe, PROBE_LIVEZ},
	{{"lifesign_ready", METRIC_GAUGE, NULL, "1 while readyz answers 200."}, put_probe, PROBE_READYZ},
	{{"lifesign_startup", METRIC_GAUGE, NULL, "1 once start-up is done."}, put_probe, PROBE_STARTUPZ},
	{{"lifesign_verdict", METRIC_GAUGE, NULL, "1 for the verdict that holds now."}, put_verdict, 0},
	{{"lifesign_reason", METRIC_GAUGE, NULL, "1 for each reason that counts now, by probe."}, put_reason,
		0},
	{{"lifesign_reason_held", METRIC_GAUGE, NULL,
		 "1 for each reason that does not count now, and what holds it."},
		put_reason_held, 0},
	{{"lifesign_workers", METRIC_GAUGE, NULL, "Threads of the service by state."}, put_workers, 0},
	{{"lifesign_workers_peak", METRIC_GAUGE, NULL, "Most threads of the service at one time."}, put_u32,
		AT(workers.peak)},
	{{"lifesign_workers_started", METRIC_COUNTER, NULL, "Threads of the service that began."}, put_u64,
		AT(workers.started)},
	{{"lifesign_workers_finished", METRIC_COUNTER, NULL, "Threads of the service that ended."}, put_u64,
		AT(workers.finished)},
	{{"lifesign_beats", METRIC_COUNTER, NULL, "Calls that can block, entered by the service's threads."},
		put_u64, AT(beats_total)},
	{{"lifesign_stuck_threads", METRIC_GAUGE, NULL, "Threads that wait for what may never come."}, put_u32,
		AT(workers.stuck)},
	{{"lifesign_lock_wait_seconds", METRIC_GAUGE, "seconds", "Longest present wait for a lock."},
		put_double, AT(lock_wait_seconds)},
	{{"lifesign_threads_refused", METRIC_COUNTER, NULL, "Threads that found no free slot (see --slots)."},
		put_u64, AT(threads_refused)},
	{{"lifesign_processes", METRIC_GAUGE, NULL, "Processes of the service by coverage."}, put_processes, 0},
	{{"lifesign_accept_queue", METRIC_GAUGE, NULL, "Connections that wait to be accepted, by listener."},
		put_listeners, LISTENER(queue)},
	{{"lifesign_accept_backlog", METRIC_GAUGE, NULL,
		 "Connections that may wait to be accepted, by listener."},
		put_listeners, LISTENER(backlog)},
	{{"lifesign_process_cpu_seconds", METRIC_COUNTER, "seconds", "CPU time of the service's processes."},
		put_double, AT(service_usage.cpu_seconds)},
	{{"lifesign_process_resident_memory_bytes", METRIC_GAUGE, "bytes",
		 "Resident memory of the service's processes."},
		put_u64, AT(service_usage.resident_bytes)},
	{{"lifesign_process_open_fds", METRIC_GAUGE, NULL, "Open descriptors of the service's processes."},
		put_service_fds, 0},
	{{"lifesign_process_threads", METRIC_GAUGE, NULL, "Threads of the service's processes, seen or not."},
		put_u32, AT(service_usage.threads)},
	{{"lifesign_dependency_up", METRIC_GAUGE, NULL, "1 while a dependency is up or degraded; absent while unknown."},
		put_dependency_up_of, 0},
	{{"lifesign_dependency_value", METRIC_GAUGE, NULL, "The number that a dependency was asked for."},
		put_dependency_value_of, 0},
	{{"lifesign_dependency_last_success_timestamp_seconds", METRIC_GAUGE, "seconds",
		 "When a dependency last answered rightly."},
		put_dependency_good_of, 0},
	{{"lifesign_dependency_probe_duration_seconds", METRIC_HISTOGRAM, "seconds",
		 "Time that the phases of the questions took."},
		put_dependency_durations_of, 0},
	{{"lifesign_dependency_probes", METRIC_COUNTER, NULL, "Questions to a dependency, by what came of them."},
		put_dependency_probes_of, 0},
	{{"lifesign_transitions", METRIC_COUNTER, NULL, "Changes of an answer, by probe."}, put_transitions, 0},
};

/* Of the agent, once for all services. */
static const struct metric_row agent_rows[] = {
	{{"lifesign_http_requests", METRIC_COUNTER, NULL, "Requests answered, by path and status code."},
		put_requests, 0},
	{{"lifesign_agent_sweep_seconds", METRIC_GAUGE, "seconds",
		 "Time that the last sweep over all slots took."},
		put_double, AT(sweep_seconds)},
	{{"lifesign_agent_overruns", METRIC_COUNTER, NULL, "Ticks that came late."}, put_u64, AT(overruns)},
	{{"lifesign_agent_restarts", METRIC_COUNTER, NULL, "Agents that were replaced."}, put_u32,
		AT(agent_restarts)},
	{{"lifesign_agent_tick_age_seconds", METRIC_GAUGE, "seconds",
		 "Time since the agent's last finished tick."},
		put_tick_age, 0},
	{{"lifesign_build", METRIC_INFO, NULL, "Version of lifesign."}, put_build, 0},
};

/* Of the agent as a process: without labels, as every exporter has them. */
static const struct metric_row process_rows[] = {
	{{"process_cpu_seconds", METRIC_COUNTER, "seconds", "CPU time of the agent."}, put_self,
		SELF(cpu_seconds)},
	{{"process_resident_memory_bytes", METRIC_GAUGE, "bytes", "Resident memory of the agent."}, put_self,
		SELF(resident_bytes)},
	{{"process_virtual_memory_bytes", METRIC_GAUGE, "bytes", "Virtual memory of the agent."}, put_self,
		SELF(virtual_bytes)},
	{{"process_start_time_seconds", METRIC_GAUGE, "seconds", "When the agent began, since the epoch."},
		put_self, SELF(start_seconds)},
	{{"process_open_fds", METRIC_GAUGE, NULL, "Open descriptors of the agent."}, put_self, SELF(open_fds)},
	{{"process_max_fds", METRIC_GAUGE, NULL, "Most descriptors that the agent may open."}, put_self,
		SELF(max_fds)},
};

static const char *const content_types[] = {
	[EXPOSITION_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
	[EXPOSITION_OPENMETRICS_1] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
	[EXPOSITION_OPENMETRICS_0] = "application/openmetrics-text; version=0.0.1; charset=utf-8",
};

struct families {
	const struct metric_row *rows;
	size_t row_count;
	const struct standing *each; /* who has samples in it */
	unsigned count;
	bool unlabelled;
};

static void put_families(struct sheet *sheet, struct source *source, const struct families *families)
{
	for (size_t row = 0; row < families->row_count; row++) {
		source->row = &families->rows[row];
		sheet_begin_metric(sheet, &source->row->metric);
		for (unsigned i = 0; i < families->count; i++) {
			source->standing = &families->each[i];
			source->snapshot = families->each[i].snapshot;
			sheet->app = families->unlabelled ? NULL : source->snapshot->service;
			source->row->put(sheet, source);
		}
	}
}

void render_metrics(struct reply *reply, const struct standing *standing, const struct request *request,
	const struct render_setup *setup)
{
	enum exposition exposition = request_exposition(request);
	struct sheet sheet = {.out = &reply->body, .openmetrics = exposition != EXPOSITION_TEXT};
	struct source source = {.request_counters = setup->request_counters, .self = self_measure()};
	struct roll roll;

	reply->code = 200;
	reply->content_type = content_types[exposition];
	if (!roll_call(&roll, standing, request)) {
		reply->body.failed = true;
		return;
	}
	put_families(&sheet, &source, &(struct families){ROWS(service_rows), roll.each, roll.count, false});
	put_families(&sheet, &source, &(struct families){ROWS(agent_rows), &roll.agent, 1, false});
	put_families(&sheet, &source, &(struct families){ROWS(process_rows), &roll.agent, 1, true});
	sheet_end(&sheet);
	roll_end(&roll);
}
