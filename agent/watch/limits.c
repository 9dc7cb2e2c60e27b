/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "watch/cgroup.h"
#include "watch/procfs.h"
#include "watch/service.h"

enum {
	WINDOW_SAMPLES = 600,
	NEAR_PERCENT = 90, /* of threads and open files */
	FEW_THREADS = 64,
	FEW_FDS = 256
};
#define LITTLE_MEMORY (UINT64_C(64) << 20)

/* What one look found of one measure. */
struct found {
	bool holds, gates;
	char words[LIMITS_WORDS];
};

static struct growth_policy policy_of(const struct service *service, uint64_t limit, uint64_t at_least, unsigned share)
{
	return (struct growth_policy){
		.window = WINDOW_SAMPLES * service_period_ns(service), .limit = limit, .at_least = at_least, .share = share};
}

static void note(struct found *found, enum growth_level level)
{
	found->holds = level != GROWTH_NONE;
	found->gates = level == GROWTH_NEAR_LIMIT;
}

/* ---- the four measures */

static void look_at_queues(struct service *service, struct found *found, int64_t now)
{
	double share = service->common->settings.readiness.queue_share;

	(void)now;
	for (unsigned i = 0; i < service->listeners.count; i++) {
		const struct diag_listener *listener = &service->listeners.rows[i].socket;

		if (!listener->backlog || (double)listener->queue < share * (double)listener->backlog || !listener->queue)
			continue;
		found->holds = found->gates = true;
		(void)snprintf(found->words, sizeof(found->words), "%u connections wait at %s, which has room for %u", listener->queue,
			listener->address, listener->backlog);
		return;
	}
}

static void look_at_memory(struct service *service, struct found *found, int64_t now)
{
	struct cgroup_memory memory;
	double share = service->common->settings.readiness.memory_share;
	struct growth_policy policy;

	if (!service->tree.count || service->tree.rows[0].unseen || !cgroup_read_memory(service->tree.rows[0].pid, &memory))
		return;
	policy = policy_of(service, memory.limit, LITTLE_MEMORY, (unsigned)(share * 100));
	note(found, growth_note(&service->limits.memory, &policy, now, memory.used));
	(void)snprintf(found->words, sizeof(found->words), "%" PRIu64 " of %" PRIu64 " MiB of memory in use (the cgroup's limit, without what can be dropped)",
		memory.used >> 20, memory.limit >> 20);
}

/* The process that is nearest to its limit, of those that serve. A child of one connection ends with it; and one that
 * has more open than it may has locked itself up on purpose, as sshd's do. */
static void look_at_fds(struct service *service, struct found *found, int64_t now)
{
	uint64_t worst = 0, limit = 0;
	struct growth_policy policy;
	pid_t pid = 0;

	for (unsigned i = 0; i < service->tree.count; i++) {
		const struct process_row *row = &service->tree.rows[i];
		uint64_t open, most;

		if (row->unseen || row->role == PROCESS_CHILD || !proc_open_fds(row->pid, &open, &most) || open > most || (limit && open * limit < worst * most))
			continue;
		worst = open;
		limit = most;
		pid = row->pid;
	}
	if (!pid)
		return;
	policy = policy_of(service, limit, FEW_FDS, NEAR_PERCENT);
	note(found, growth_note(&service->limits.fds, &policy, now, worst));
	(void)snprintf(found->words, sizeof(found->words), "process %d has %" PRIu64 " files open; it may have %" PRIu64, pid, worst, limit);
}

static struct limits_group *group_of(struct limits *limits, uint64_t routine, uint64_t process, uint64_t now)
{
	struct limits_group *oldest = &limits->groups[0];

	for (unsigned i = 0; i < LIMITS_GROUPS; i++) {
		struct limits_group *group = &limits->groups[i];

		if (group->noted && group->routine == routine && group->process == process)
			return group;
		if (group->noted < oldest->noted)
			oldest = group;
	}
	if (oldest->noted == now)
		return NULL; /* more kinds than there is room for */
	*oldest = (struct limits_group){.routine = routine, .process = process};
	return oldest;
}

/* order[] is by process; kinds are few, so each is counted where it first stands. */
static void look_at_kind(struct service *service, uint32_t at, struct found *found, int64_t now)
{
	const struct slots *slots = &service->slots;
	const struct slot_now *first = &slots->now[slots->order[at]];
	struct growth_policy policy = policy_of(service, 0, FEW_THREADS, 0);
	struct limits_group *group;
	uint64_t count = 0;

	if (!first->live || !first->record.start_routine)
		return;
	group = group_of(&service->limits, first->record.start_routine, service->tree.rows[first->row].start_ns, (uint64_t)now);
	if (!group || group->noted == (uint64_t)now)
		return; /* counted already */
	group->noted = (uint64_t)now;
	for (uint32_t i = at; i < slots->order_count && slots->now[slots->order[i]].row == first->row; i++)
		count += slots->now[slots->order[i]].record.start_routine == first->record.start_routine;
	if (growth_note(&group->growth, &policy, now, count) == GROWTH_NONE)
		return;
	found->holds = true;
	(void)snprintf(found->words, sizeof(found->words), "%" PRIu64 " threads that began at 0x%" PRIx64 " (%.15s), more and more of them", count,
		first->record.start_routine, first->name);
}

static void look_at_threads(struct service *service, struct found *found, int64_t now)
{
	uint64_t threads = 0, limit = 0;

	for (uint32_t i = 0; i < service->slots.order_count; i++)
		look_at_kind(service, i, found, now);
	for (unsigned i = 0; i < service->tree.count; i++)
		threads += service->tree.rows[i].thread_count;
	if (service->tree.count && !service->tree.rows[0].unseen)
		limit = cgroup_read_pids_limit(service->tree.rows[0].pid);
	if (!limit || threads < limit * NEAR_PERCENT / 100)
		return;
	found->holds = found->gates = true;
	(void)snprintf(found->words, sizeof(found->words), "%" PRIu64 " threads; the cgroup may have %" PRIu64, threads, limit);
}

static const struct {
	void (*look)(struct service *service, struct found *found, int64_t now);
	int64_t every;
} looks[MEASURES] = {
	[MEASURE_QUEUE] = {look_at_queues, NS_PER_SECOND},
	[MEASURE_MEMORY] = {look_at_memory, 2 * NS_PER_SECOND},
	[MEASURE_THREADS] = {look_at_threads, 2 * NS_PER_SECOND},
	[MEASURE_FDS] = {look_at_fds, 5 * NS_PER_SECOND},
};

/* Once is chance: what holds must have held at the look before, and so must what does not hold any more. */
static void keep(struct limits *limits, unsigned measure, const struct found *found, int64_t now)
{
	struct service_measure *kept = &limits->measures[measure];

	if (found->holds && limits->before[measure]) {
		kept->since = kept->since ? kept->since : now;
		kept->gates = found->gates;
		memcpy(limits->words[measure], found->words, sizeof(found->words));
	} else if (!found->holds && !limits->before[measure]) {
		*kept = (struct service_measure){0};
	}
	limits->before[measure] = found->holds;
}

void limits_look(struct service *service, int64_t now)
{
	struct limits *limits = &service->limits;
	int64_t others = (int64_t)(service->common->services - 1) * 20 * NS_PER_MS; /* each costs some 0.3 ms */

	for (unsigned i = 0; i < MEASURES; i++) {
		struct found found = {0};

		if (now - limits->looked[i] < looks[i].every + others)
			continue;
		limits->looked[i] = now;
		looks[i].look(service, &found, now);
		keep(limits, i, &found, now);
	}
}

void limits_fill(struct snapshot *out, const struct limits *limits)
{
	for (unsigned i = 0; i < out->ready.reason_count; i++) {
		struct snapshot_reason *reason = &out->ready.reasons[i];

		for (unsigned measure = 0; measure < MEASURES; measure++) {
			if (reason->code == verdict_measure_code(measure))
				(void)snprintf(reason->detail, sizeof(reason->detail), "%s", limits->words[measure]);
		}
	}
}
