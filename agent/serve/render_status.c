/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /health/status: everything, as lifesign.status/1 (agent/deploy/status.schema.json). Fields are only ever
 * added; what is not known or not for this client's eyes is null, never missing.
 */
#include "serve/render.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/instance.h"
#include "base/json.h"
#include "serve/render_dependencies.h"
#include "serve/self.h"

static void write_since(struct json *json, const struct standing *standing, const char *key, int64_t since)
{
	if (since)
		json_seconds(json, key, standing->snapshot->sampled - since);
	else
		json_null(json, key);
}

/* Of a process or thread; 0 is unknown. */
static void write_id(struct json *json, const char *key, int32_t id)
{
	if (id > 0)
		json_int(json, key, id);
	else
		json_null(json, key);
}

static void write_detail(
	struct json *json, const struct request *request, const char *key, const char *text, size_t size)
{
	if (request->details)
		json_text_within(json, key, text, size);
	else
		json_null(json, key);
}

static void write_link(struct json *json, const struct snapshot_link *link, const struct request *request)
{
	char address[32];

	json_object(json, NULL);
	json_int(json, "tid", link->tid);
	json_text_within(json, "name", link->name, sizeof link->name);
	json_text(json, "op", link->op);
	(void)snprintf(address, sizeof address, "0x%" PRIx64, link->object);
	json_text(json, "object", link->object && request->details ? address : NULL);
	write_detail(json, request, "symbol", link->symbol, sizeof link->symbol);
	if (link->owner)
		json_int(json, "owner", link->owner);
	else
		json_null(json, "owner");
	json_object_end(json);
}

static void write_chain(struct json *json, const struct snapshot_chain *chain, const struct request *request)
{
	json_array(json, "threads");
	for (unsigned i = 0; i < chain->stuck_count; i++)
		json_int(json, NULL, chain->stuck[i]);
	json_array_end(json);
	json_array(json, "chain");
	for (unsigned i = 0; i < chain->link_count; i++)
		write_link(json, &chain->links[i], request);
	json_array_end(json);
}

/* Of which dependency a reason tells, and because of whom that one is down. */
static void write_dependency_of(struct json *json, const struct snapshot *snapshot, const struct snapshot_reason *reason)
{
	const struct snapshot_dependency *of =
		reason->dependency && reason->dependency <= snapshot->dependency_count ? &snapshot->dependencies[reason->dependency - 1] : NULL;

	json_text(json, "dependency", of ? of->name : NULL);
	json_text(json, "root", of && *of->root ? of->root : NULL);
}

static void write_reason(struct json *json, const struct standing *standing, const struct request *request,
	const struct snapshot_reason *reason)
{
	static const struct snapshot_chain none;
	const char *detail = standing_detail(standing, reason);

	json_object(json, NULL);
	json_text(json, "code", reason_text(reason->code));
	write_since(json, standing, "since_seconds", reason->since);
	json_text(json, "held", held_text(reason->held));
	write_dependency_of(json, standing->snapshot, reason);
	write_detail(json, request, "detail", detail, strlen(detail));
	write_chain(json, standing->snapshot->chain.code == reason->code || standing->snapshot->chain.also == reason->code ? &standing->snapshot->chain : &none, request);
	json_object_end(json);
}

static void write_answer(
	struct json *json, const struct standing *standing, const struct request *request, enum probe probe)
{
	const struct snapshot_answer *answer = standing_answer(standing, probe);
	const struct snapshot_reason stale = {.code = REASON_STALE,
		.since = standing->beat,
		.detail = "the agent's sampler has not finished a tick for more than 10 s"};

	json_object(json, probe_label(probe));
	json_bool(json, "ok", standing->ok[probe]);
	if (probe == PROBE_LIVEZ) {
		json_text(json, "verdict", verdict_text(standing->verdict));
	}
	json_array(json, "reasons");
	for (unsigned i = 0; i < answer->reason_count; i++)
		write_reason(json, standing, request, &answer->reasons[i]);
	if (probe == PROBE_READYZ && standing->freshness == FRESHNESS_STALE)
		write_reason(json, standing, request, &stale);
	json_array_end(json);
	json_object_end(json);
}

static void write_workers(struct json *json, const struct worker_counts *workers)
{
	json_object(json, "workers");
	json_uint(json, "live", workers->live);
	json_uint(json, "started", workers->started);
	json_uint(json, "finished", workers->finished);
	json_uint(json, "peak", workers->peak);
	for (enum thread_state state = 0; state < THREAD_STATE_COUNT; state++)
		json_uint(json, thread_state_text(state), workers->by_state[state]);
	json_uint(json, "stuck", workers->stuck);
	json_object_end(json);
}

static const struct {
	const char *text;
	bool is_address; /* shown as "0x…", and only with details */
} targets[] = {
	[TARGET_LOCK] = {"lock", true},
	[TARGET_FD] = {"fd", false},
	[TARGET_THREAD] = {"thread", false},
	[TARGET_CHILD] = {"child", false},
	[TARGET_ADDRESS] = {"address", true},
};

static void write_address(struct json *json, const struct request *request, const char *key, uint64_t address)
{
	char text[24];

	(void)snprintf(text, sizeof text, "0x%" PRIx64, address); /* 18 bytes at most */
	json_text(json, key, request->details && address ? text : NULL);
}

static void write_target(struct json *json, const struct request *request, const struct wait_target *target)
{
	if (target->kind == TARGET_NONE) {
		json_null(json, "waits_for");
		return;
	}
	json_object(json, "waits_for");
	json_text(json, "kind", targets[target->kind].text);
	if (targets[target->kind].is_address)
		write_address(json, request, "object", target->object);
	else if (target->object <= INT64_MAX)
		json_uint(json, "object", target->object);
	else
		json_null(json, "object"); /* any child: -1. Readers of JSON know no larger numbers */
	write_id(json, "owner", target->owner);
	json_bool(json, "timed", target->timed);
	write_address(json, request, "futex", target->futex);
	json_object_end(json);
}

static void write_thread(struct json *json, const struct standing *standing, const struct request *request,
	const struct snapshot_thread *thread)
{
	json_object(json, NULL);
	json_int(json, "tid", thread->tid);
	json_text_within(json, "name", thread->name, sizeof thread->name);
	json_text(json, "role", thread_role_text(thread->role));
	json_text(json, "state", thread_state_text(thread->state));
	json_text(json, "op", thread->op);
	write_since(json, standing, "for_seconds", thread->since);
	json_uint(json, "beats", thread->beats);
	json_bool(json, "home", thread->home);
	write_target(json, request, &thread->waits_for);
	json_text(json, "why", thread->why == REASON_NONE ? NULL : reason_text(thread->why));
	json_object_end(json);
}

static void write_process(struct json *json, const struct standing *standing, const struct request *request,
	const struct snapshot_process *process)
{
	const struct snapshot *snapshot = standing->snapshot;

	json_object(json, NULL);
	write_id(json, "pid", process->pid);
	write_id(json, "ns_pid", process->ns_pid);
	write_id(json, "parent", process->parent);
	json_text_within(json, "exe", process->exe, sizeof process->exe);
	json_text(json, "role", process_role_text(process->role));
	json_text(json, "coverage", coverage_text(process->coverage));
	write_detail(json, request, "coverage_why", process->coverage_why, sizeof process->coverage_why);
	json_array(json, "threads");
	for (uint32_t i = 0; i < process->thread_count && process->first_thread + i < snapshot->thread_count;
		i++)
		write_thread(json, standing, request, &snapshot->threads[process->first_thread + i]);
	json_array_end(json);
	json_object_end(json);
}

static void write_processes(struct json *json, const struct standing *standing, const struct request *request)
{
	json_array(json, "processes");
	for (unsigned i = 0; i < standing->snapshot->process_count; i++)
		write_process(json, standing, request, &standing->snapshot->processes[i]);
	json_array_end(json);
}

static void write_listeners(struct json *json, const struct snapshot *snapshot)
{
	json_array(json, "listeners");
	for (unsigned i = 0; i < snapshot->listener_count; i++) {
		const struct snapshot_listener *listener = &snapshot->listeners[i];

		json_object(json, NULL);
		json_text_within(json, "address", listener->address, sizeof listener->address);
		json_uint(json, "queue", listener->queue);
		json_uint(json, "backlog", listener->backlog);
		write_id(json, "pid", listener->pid);
		json_object_end(json);
	}
	json_array_end(json);
}

static void write_events(struct json *json, const struct snapshot *snapshot)
{
	json_array(json, "events");
	for (unsigned i = 0; i < snapshot->event_count; i++) {
		const struct snapshot_event *event = &snapshot->events[i];

		json_object(json, NULL);
		json_time(json, "time", event->wall_ns);
		json_text(json, "what", event_text(event->what));
		json_text_within(json, "from", event->from, sizeof event->from);
		json_text_within(json, "to", event->to, sizeof event->to);
		json_text(json, "reason", snapshot_event_reason(event));
		json_text_within(json, "subject", event->subject, sizeof event->subject);
		json_object_end(json);
	}
	json_array_end(json);
}

static void write_agent(struct json *json, const struct snapshot *snapshot, const struct request *request)
{
	json_object(json, "agent");
	json_text(json, "version", LS_VERSION);
	write_id(json, "pid", snapshot->agent_pid);
	json_uint(json, "restarts", snapshot->agent_restarts);
	json_double(json, "sweep_seconds", snapshot->sweep_seconds);
	json_uint(json, "overruns", snapshot->overruns);
	json_double(json, "rss_bytes", self_resident_bytes());
	json_bool(json, "bare", snapshot->bare);
	json_bool(json, "observe", snapshot->observe);
	json_uint(json, "threads_refused", snapshot->threads_refused);
	json_uint(json, "config_generation", snapshot->config_generation);
	write_detail(json, request, "config_error", snapshot->config_error, sizeof snapshot->config_error);
	json_object_end(json);
}

/* By it those that follow us see that what they are told of is themselves. */
static void write_instance(struct json *json, const struct snapshot *snapshot)
{
	char service[sizeof snapshot->service + 1] = "", instance[INSTANCE_NAME];

	memcpy(service, snapshot->service, sizeof snapshot->service);
	instance_name(service, instance);
	json_text(json, "instance", instance);
}

static void write_head(struct json *json, const struct standing *standing)
{
	const struct snapshot *snapshot = standing->snapshot;

	json_text(json, "schema", "lifesign.status/1");
	json_text_within(json, "service", snapshot->service, sizeof snapshot->service);
	write_instance(json, snapshot);
	json_text_within(json, "version", snapshot->version, sizeof snapshot->version);
	json_text(json, "status", standing_status(standing));
	json_time(json, "time", snapshot->wall);
	write_since(json, standing, "uptime_seconds", snapshot->started);
}

void render_status(struct reply *reply, const struct standing *standing, const struct request *request,
	const struct render_setup *setup)
{
	struct json json;

	(void)setup; /* details were decided with the request */
	reply->code = 200;
	reply->content_type = "application/json";
	json_start(&json, &reply->body);
	json_object(&json, NULL);
	write_head(&json, standing);
	write_answer(&json, standing, request, PROBE_LIVEZ);
	write_answer(&json, standing, request, PROBE_READYZ);
	write_answer(&json, standing, request, PROBE_STARTUPZ);
	render_available(&json, standing->snapshot);
	write_workers(&json, &standing->snapshot->workers);
	write_processes(&json, standing, request);
	write_listeners(&json, standing->snapshot);
	render_dependencies(&json, standing, request);
	write_events(&json, standing->snapshot);
	write_agent(&json, standing->snapshot, request);
	json_object_end(&json);
}
