/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/publish.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "judge/calls.h"
#include "lifesign/segment.h"
#include "watch/chain.h"
#include "watch/dependencies.h"
#include "watch/maintenance.h"
#include "watch/procfs.h"
#include "watch/progress_words.h"

/* Threads of a process that the shim does not cover are listed from /proc, so many of them. */
enum { OUTSIDE_THREADS = 64, OUTSIDE_TOTAL = 512 };

static void fill_answer(struct snapshot_answer *out, bool ok, const struct reason_list *reasons)
{
	out->ok = ok;
	for (unsigned i = 0; i < reasons->count && i < SNAPSHOT_REASONS; i++) {
		out->reasons[i].code = reasons->items[i].code;
		out->reasons[i].held = reasons->items[i].held;
		out->reasons[i].minor = reasons->items[i].minor;
		out->reasons[i].since = reasons->items[i].since;
		out->reasons[i].dependency = reasons->items[i].dependency;
		out->reason_count++;
	}
}

static void fill_process(struct snapshot_process *out, const struct process_row *row)
{
	out->pid = row->pid;
	out->ns_pid = row->ns_pid;
	out->parent = row->parent;
	out->role = row->role;
	out->coverage = row->coverage;
	(void)snprintf(out->exe, sizeof(out->exe), "%s", row->exe);
	(void)snprintf(out->coverage_why, sizeof(out->coverage_why), "%s", row->why);
}

static void fill_thread(struct snapshot_thread *out, const struct slot_now *slot, const struct notebook_track *track)
{
	uint32_t op = (uint32_t)(track->call & CALL_OP_MASK);

	out->tid = slot->record.tid;
	memcpy(out->name, slot->name, sizeof(out->name));
	out->role = slot->role;
	out->state = slot->state;
	out->op = op ? call_info(op)->name : NULL;
	out->since = track->since;
	out->beats = slot->record.entries - slot->record.base;
	out->home = op && home_is_at(&track->home, op, track->caller);
	out->waits_for = op ? slot->waits_for : (struct wait_target){0};
}

static bool is_outside(const struct process_row *row)
{
	return !row->unseen && (row->coverage == COVERAGE_OUTSIDE || row->coverage == COVERAGE_NONE);
}

static void fill_outside_thread(struct snapshot_thread *out, const struct process_row *row, pid_t tid, int64_t now)
{
	struct proc_stat stat;

	out->tid = tid;
	out->role = tid == row->pid ? THREAD_MAIN : THREAD_WORKER;
	out->since = now;
	out->state = THREAD_UNSEEN;
	if (proc_thread_stat(row->pid, tid, &stat) < 0)
		return;
	memcpy(out->name, stat.name, sizeof(out->name));
	out->state = stat.state == 'R' ? THREAD_RUNNING : THREAD_UNSEEN;
}

static unsigned fill_outside(struct snapshot_thread *out, const struct process_row *row, unsigned room, int64_t now)
{
	pid_t tids[OUTSIDE_THREADS];
	int count = proc_tasks(row->pid, tids, room < OUTSIDE_THREADS ? room : OUTSIDE_THREADS);

	for (int i = 0; i < count; i++)
		fill_outside_thread(&out[i], row, tids[i], now);
	return count > 0 ? (unsigned)count : 0;
}

/* order[] is sorted by row, so one walk serves all rows. */
static void fill_threads(struct snapshot *out, const struct service *service, int64_t now)
{
	const struct slots *slots = &service->slots;
	unsigned count = 0, at = 0, outside = OUTSIDE_TOTAL;

	for (unsigned row = 0; row < service->tree.count; row++) {
		struct snapshot_process *process = &out->processes[row];

		process->first_thread = count;
		for (; at < slots->order_count; at++) {
			const struct slot_now *slot = &slots->now[slots->order[at]];

			if (!slot->live)
				continue; /* freed or of another thread since the assignment: it ends no row */
			if (slot->row != row)
				break;
			fill_thread(&out->threads[count++], slot, &slots->notebook->tracks[slots->order[at]]);
		}
		if (count == process->first_thread && is_outside(&service->tree.rows[row])) {
			unsigned added = fill_outside(&out->threads[count], &service->tree.rows[row], outside, now);

			count += added;
			outside -= added;
		}
		process->thread_count = count - process->first_thread;
	}
	out->thread_count = count;
}

static void fill_workers(struct snapshot *out, struct service *service)
{
	struct notebook_core *core = &service->notebook.core;
	struct segment_counters counters;

	for (unsigned i = 0; i < out->thread_count; i++) {
		const struct snapshot_thread *thread = &out->threads[i];
		double seconds = ((double)out->sampled - (double)thread->since) / (double)NS_PER_SECOND;

		out->workers.by_state[thread->state]++;
		if (thread->state == THREAD_LOCK && thread->waits_for.kind == TARGET_LOCK && seconds > out->lock_wait_seconds)
			out->lock_wait_seconds = seconds;
	}
	out->workers.live = out->thread_count;
	if (out->thread_count > core->workers_peak)
		core->workers_peak = out->thread_count;
	out->workers.peak = core->workers_peak;
	view_counters(&service->slots.view, &counters);
	core->threads_started = counters.started > core->threads_started ? counters.started : core->threads_started;
	core->threads_ended = counters.ended > core->threads_ended ? counters.ended : core->threads_ended;
	core->beats = service->slots.beats > core->beats ? service->slots.beats : core->beats;
	out->workers.started = core->threads_started;
	out->workers.finished = core->threads_ended;
	out->threads_refused = counters.refused;
}

static void fill_usage(struct snapshot *out, const struct service *service)
{
	uint64_t ticks = service->notebook.core.cpu_retired_ticks;

	for (unsigned i = 0; i < service->tree.count; i++) {
		const struct process_row *row = &service->tree.rows[i];

		ticks += row->cpu_ticks;
		out->service_usage.resident_bytes += row->resident_bytes;
		out->service_usage.threads += row->thread_count;
		out->coverage_counts[row->coverage]++;
	}
	out->service_usage.cpu_seconds = (double)ticks / (double)sysconf(_SC_CLK_TCK);
	out->service_usage.open_fds = service->open_fds;
	out->service_usage.open_fds_known = service->open_fds_known;
}

static void fill_listeners(struct snapshot *out, const struct service *service)
{
	for (unsigned i = 0; i < service->listeners.count && i < SNAPSHOT_LISTENERS; i++) {
		const struct listener_row *row = &service->listeners.rows[i];
		struct snapshot_listener *listener = &out->listeners[out->listener_count++];

		(void)snprintf(listener->address, sizeof(listener->address), "%s", row->socket.address);
		listener->queue = row->socket.queue;
		listener->backlog = row->socket.backlog;
		listener->pid = row->pid;
	}
}

static void fill_events(struct snapshot *out, const struct notebook_core *core)
{
	unsigned count = core->event_total < NOTEBOOK_EVENTS ? (unsigned)core->event_total : NOTEBOOK_EVENTS;
	unsigned first = core->event_total < NOTEBOOK_EVENTS ? 0 : core->event_next;

	for (unsigned i = 0; i < count; i++) {
		const struct notebook_event *from = &core->events[(first + i) % NOTEBOOK_EVENTS];
		struct snapshot_event *to = &out->events[out->event_count++];

		to->wall_ns = from->wall_ns;
		to->what = from->what < EVENT_WHAT_COUNT ? (enum event_what)from->what : EVENT_AGENT;
		to->reason = from->reason < (to->what == EVENT_DEPENDENCY ? (unsigned)PROBE_ERRORS : (unsigned)REASON_COUNT) ? from->reason : 0;
		memcpy(to->from, from->from, sizeof(to->from));
		memcpy(to->to, from->to, sizeof(to->to));
		memcpy(to->subject, from->subject, sizeof(to->subject));
	}
}

static void fill_agent(struct snapshot *out, const struct service *service, int64_t now)
{
	const struct notebook_core *core = &service->notebook.core;
	const struct settings *settings = &service->common->settings;
	const struct child_setup *setup = service->common->setup;

	(void)snprintf(out->service, sizeof(out->service), "%s", service->name);
	(void)snprintf(out->version, sizeof(out->version), "%s", settings->service_version);
	out->sampled = now;
	out->wall = clock_wall_ns();
	out->tick_ns = (int64_t)(settings->liveness.sample_seconds * (double)NS_PER_SECOND);
	out->started = setup->many ? service->news.joined : setup->run_started;
	out->observe = settings->observe || settings->liveness.mode == LIVENESS_OBSERVE;
	out->beats_total = core->beats;
	memcpy(out->transitions, core->transitions, sizeof(out->transitions));
	out->agent_pid = getpid();
	out->agent_restarts = setup->restarts;
	out->bare = setup->bare;
	out->sweep_seconds = service->sweep_seconds;
	out->overruns = core->overruns;
	out->config_generation = core->config_generation;
	(void)snprintf(out->config_error, sizeof(out->config_error), "%s", service->common->config_error);
}

static void fill_verdicts(struct snapshot *out, const struct verdicts *verdicts)
{
	out->verdict = verdicts->verdict;
	fill_answer(&out->live, verdicts->live_ok, &verdicts->live);
	fill_answer(&out->ready, verdicts->ready_ok, &verdicts->ready);
	fill_answer(&out->startup, verdicts->startup_ok, &verdicts->startup);
}

/* Whoever is part of what is wrong says so. */
static void mark_stuck(struct snapshot *out)
{
	for (unsigned i = 0; i < out->chain.stuck_count; i++) {
		for (unsigned at = 0; at < out->thread_count; at++) {
			if (out->threads[at].tid == out->chain.stuck[i])
				out->threads[at].why = out->chain.code;
		}
	}
}

/* Room for the threads with a slot, and for those listed from /proc if there are any. */
static unsigned count_threads(const struct service *service)
{
	unsigned count = service->slots.order_count;

	for (unsigned row = 0; row < service->tree.count; row++) {
		if (is_outside(&service->tree.rows[row]))
			return count + OUTSIDE_TOTAL;
	}
	return count;
}

void publish_snapshot(struct service *service, int64_t now)
{
	bool bare = service->common->setup->bare;
	unsigned processes = bare ? 0 : service->tree.count;
	struct snapshot *out = snapshot_new(processes, bare ? 0 : count_threads(service));

	if (!out)
		return;
	out->sampled = now;
	out->process_count = processes;
	if (!bare) {
		for (unsigned i = 0; i < processes; i++)
			fill_process(&out->processes[i], &service->tree.rows[i]);
		fill_threads(out, service, now);
		fill_workers(out, service);
		fill_usage(out, service);
		fill_listeners(out, service);
	}
	fill_agent(out, service, now);
	fill_verdicts(out, &service->verdicts);
	dependencies_fill(service->common->dependencies, out);
	chain_fill(out, service);
	progress_words_fill(out, service);
	limits_fill(out, &service->limits);
	maintenance_fill(out);
	mark_stuck(out);
	fill_events(out, &service->notebook.core);
	picture_tell(service, out);
	snapshot_publish(service->seat, out);
}
