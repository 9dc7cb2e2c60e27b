/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/progress_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "watch/cgroup.h"
#include "watch/procfs.h"

/* How old answers of the kernel may be while somebody is under suspicion. */
#define USAGE_EVERY_NS (500 * NS_PER_MS)
#define GATE_EVERY_NS (400 * NS_PER_MS)
#define THROTTLED_EVERY_NS (400 * NS_PER_MS)
#define FRONT_EVERY_NS (400 * NS_PER_MS)
#define DEEP_NS (300 * NS_PER_MS)

/* A look at connections reads all descriptors of the service: it may take this share of the time. */
enum { FRONT_REST = 20 };

/* Threads whose switches are summed up; a process with more than this is never seen to stand still. */
enum { USAGE_THREADS = 256, USAGE_PROCESSES = 64 };

bool progress_is_deep(const struct progress *progress, int64_t now)
{
	return progress->suspected && now - progress->suspected >= DEEP_NS;
}

/* ---- connections that wait */

static struct progress_queue *find_queue(struct progress_queue *queues, unsigned count, uint64_t inode)
{
	for (unsigned i = 0; i < count; i++) {
		if (queues[i].inode == inode)
			return &queues[i];
	}
	return NULL;
}

/* An accept queue becomes shorter only when somebody takes from it. */
static void follow_queues(struct service *service)
{
	struct progress *progress = &service->progress;
	struct progress_queue next[PROGRESS_LISTENERS];
	unsigned count = 0;

	if (progress->queues_read == service->listeners_read) {
		for (unsigned i = 0; i < progress->queue_count; i++)
			progress->queues[i].taken = false;
		return;
	}
	for (unsigned i = 0; i < service->listeners.count && count < PROGRESS_LISTENERS; i++) {
		const struct diag_listener *listener = &service->listeners.rows[i].socket;
		const struct progress_queue *before = find_queue(progress->queues, progress->queue_count, listener->inode);

		next[count++] = (struct progress_queue){listener->inode, listener->queue, before && listener->queue < before->queue};
	}
	memcpy(progress->queues, next, count * sizeof(next[0]));
	progress->queue_count = count;
	progress->queues_read = service->listeners_read;
}

bool progress_somebody_queues(const struct service *service)
{
	for (unsigned i = 0; i < service->listeners.count; i++) {
		if (service->listeners.rows[i].socket.queue)
			return true;
	}
	return false;
}

static bool holds(const struct listeners *listeners, uint64_t inode, pid_t pid)
{
	for (unsigned i = 0; i < listeners->holder_count; i++) {
		if (listeners->holders[i].inode == inode && listeners->holders[i].pid == pid)
			return true;
	}
	return false;
}

/* Has this process, or one that shares a listener with it, taken a connection, as this step's look at them says? */
static bool has_accepted(const struct service *service, uint64_t inode)
{
	const struct front *front = &service->progress.front;

	if (!front->accepted || front->accepted < service->progress.ticked)
		return false;
	for (unsigned i = 0; i < front->count; i++) {
		if (front->rows[i].way == FRONT_INBOUND && front->rows[i].began == front->read &&
			holds(&service->listeners, inode, front->rows[i].pid))
			return true;
	}
	return false;
}

static void fill_queue(const struct service *service, const struct process_row *row, struct ladder_process_look *look)
{
	const struct progress *progress = &service->progress;

	for (unsigned i = 0; i < progress->queue_count; i++) {
		const struct progress_queue *queue = &progress->queues[i];

		if (!(queue->queue || queue->taken) || !holds(&service->listeners, queue->inode, row->pid))
			continue;
		look->queue |= queue->queue > 0;
		look->dequeued |= queue->taken || has_accepted(service, queue->inode);
	}
}

/* Bytes that were there at two looks, and did not become fewer. */
static bool has_unread(const struct service *service, pid_t pid)
{
	const struct front *front = &service->progress.front;

	for (unsigned i = 0; front->unread_since && i < front->count; i++) {
		const struct front_row *row = &front->rows[i];

		if (row->pid == pid && row->way == FRONT_INBOUND && row->unread_since && row->unread_since < front->read)
			return true;
	}
	return false;
}

const struct diag_listener *progress_listener_of(const struct service *service, pid_t pid)
{
	for (unsigned i = 0; i < service->listeners.count; i++) {
		const struct diag_listener *listener = &service->listeners.rows[i].socket;

		if (!listener->queue && holds(&service->listeners, listener->inode, pid))
			return listener;
	}
	return NULL;
}

static void look_at_front(struct service *service, int64_t now)
{
	struct progress *progress = &service->progress;
	int64_t every = progress->front_cost * FRONT_REST, before = clock_thread_cpu_ns(), read = progress->front.read;

	front_refresh(&progress->front, &service->tree, &service->listeners, every > FRONT_EVERY_NS ? every : FRONT_EVERY_NS, now);
	if (progress->front.read != read)
		progress->front_cost = clock_thread_cpu_ns() - before;
}

/* ---- what a process did, and what kept it from doing */

static uint64_t sum_switches(const struct process_row *row, bool *known)
{
	pid_t tids[USAGE_THREADS];
	int count = proc_tasks(row->pid, tids, USAGE_THREADS);
	uint64_t sum = 0;

	*known = count > 0 && count < USAGE_THREADS;
	for (int i = 0; *known && i < count; i++)
		sum += evidence_switches(row->pid, tids[i]);
	return sum;
}

/* Threads are asked one by one only when the process as a whole has used no time. */
static void look_at_usage(struct process_row *row, int64_t now, unsigned *left)
{
	struct proc_stat stat;
	uint64_t cpu, switches;
	bool known = false;

	if (now - row->usage_read < USAGE_EVERY_NS || row->unseen || proc_process_stat(row->pid, &stat) < 0)
		return;
	cpu = stat.cpu_ticks * (uint64_t)(NS_PER_SECOND / sysconf(_SC_CLK_TCK));
	switches = row->switches + 1;
	if (cpu == row->cpu_ns && *left) {
		uint64_t sum = sum_switches(row, &known);

		switches = known ? sum : switches;
		(*left)--;
	}
	row->cpu_ns = cpu;
	row->switches = switches;
	row->usage_read = now;
}

static void look_at_gate(struct process_row *row, int64_t now)
{
	struct gates gates;

	if (now - row->gate_read < GATE_EVERY_NS || row->unseen)
		return;
	gates_read(row->pid, &gates);
	row->gate = gates.frozen ? HELD_FROZEN : gates.core_dump ? HELD_CORE_DUMP : gates.suspended ? HELD_SUSPENDED
		: gates.traced                                                     ? HELD_TRACED
										   : HELD_NO;
	row->gate_read = now;
}

static void look_at_throttling(struct service *service, int64_t now)
{
	struct progress *progress = &service->progress;

	if (now - progress->throttled_read < THROTTLED_EVERY_NS || !service->tree.count || service->tree.rows[0].unseen)
		return;
	progress->throttled_ns = cgroup_read_throttled_ns(service->tree.rows[0].pid);
	progress->throttled_read = now;
}

static void fill_one(struct service *service, unsigned at, int64_t now, unsigned *left)
{
	struct process_row *row = &service->tree.rows[at];
	struct ladder_process_look *look = &service->progress.processes[at];

	if (progress_is_deep(&service->progress, now)) {
		look_at_gate(row, now);
		look_at_usage(row, now, left);
	}
	*look = (struct ladder_process_look){
		.start = row->start_ns,
		.pid = (uint32_t)row->pid,
		.state = &row->ladder,
		.role = row->role,
		.covered = row->coverage == COVERAGE_SHIM,
		.listens = row->listens,
		.unread = has_unread(service, row->pid),
		.gate = row->gate,
		.throttled_ns = service->progress.throttled_ns,
		.usage_read = row->usage_read,
		.cpu_ns = row->cpu_ns,
		.switches = row->switches,
	};
	fill_queue(service, row, look);
}

static bool make_room(struct progress *progress, unsigned count)
{
	struct ladder_process_look *processes;
	struct ladder_marks *marks;

	if (count <= progress->process_room)
		return true;
	count += count / 2;
	processes = realloc(progress->processes, count * sizeof(*processes));
	if (processes)
		progress->processes = processes;
	marks = realloc(progress->ladder.marks, count * sizeof(*marks));
	if (marks)
		progress->ladder.marks = marks;
	if (!processes || !marks)
		return false;
	progress->process_room = count;
	return true;
}

bool progress_fill_processes(struct service *service, int64_t now)
{
	struct progress *progress = &service->progress;
	unsigned left = USAGE_PROCESSES;

	if (!make_room(progress, service->tree.count))
		return false;
	if (progress_is_deep(progress, now)) {
		look_at_front(service, now);
		look_at_throttling(service, now);
	}
	follow_queues(service);
	for (unsigned i = 0; i < service->tree.count; i++)
		fill_one(service, i, now, &left);
	progress->frame.processes = progress->processes;
	progress->frame.process_count = service->tree.count;
	progress->frame.outbound = progress->front.outbound > 0 || !progress->front.complete;
	return true;
}
