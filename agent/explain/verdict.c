/* SPDX-License-Identifier: Apache-2.0 */
/* What all of it comes to, in one sentence: proofs first, then what keeps the process from running, then what
 * it does. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "explain/explain.h"
#include "watch/procfs.h"

/* Of the time between the looks it had a CPU or waited for one: less is work that comes and goes. */
#define READY_PERCENT 80.0
#define CPU_PERCENT 5.0

struct counts {
	unsigned proven, itself, guessed, orphans, computing, in_kernel;
	const struct explain_thread *first_proven, *first_orphan, *first_computing, *first_in_kernel,
		*first_guessed;
	double percent;
};

/* "1 thread", "3 threads" */
static const char *many(unsigned count)
{
	return count == 1 ? "" : "s";
}

static void note(unsigned *count, const struct explain_thread **first, const struct explain_thread *thread)
{
	if (!(*count)++)
		*first = thread;
}

static void count(const struct explain *explain, struct counts *out)
{
	*out = (struct counts){0};
	for (unsigned i = 0; i < explain->thread_count; i++) {
		const struct explain_thread *thread = &explain->threads[i];

		if (thread->gone)
			continue;
		if (thread->in_cycle && explain_is_proven(explain, thread)) {
			note(&out->proven, &out->first_proven, thread);
			out->itself += thread->waits_for == (int)i;
		} else if (thread->in_cycle) {
			note(&out->guessed, &out->first_guessed, thread);
		}
		if (thread->wait.orphan && !thread->wait.limited)
			note(&out->orphans, &out->first_orphan, thread);
		if (thread->pid != explain->pid)
			continue;
		if (thread->ready_percent >= READY_PERCENT && thread->cpu_percent >= CPU_PERCENT) {
			note(&out->computing, &out->first_computing, thread);
			out->percent += thread->cpu_percent;
		}
		if (thread->first.state == 'D' && thread->now.state == 'D' && thread->still)
			note(&out->in_kernel, &out->first_in_kernel, thread);
	}
}

static const char *tell_gates(const struct explain *explain, char *out, size_t bytes)
{
	const struct explain_process *process = &explain->processes[0];

	if (process->gates.core_dump) {
		(void)snprintf(out, bytes, "it dumps core: it has died, and ends when the dump is written");
		return "core_dump";
	}
	if (process->gates.frozen) {
		(void)snprintf(out, bytes, "frozen by its cgroup (%.200s); it goes on when that is thawed",
			process->gates.frozen_by);
		return "frozen";
	}
	if (process->gates.suspended) {
		(void)snprintf(
			out, bytes, "stopped by a signal; 'kill -CONT %d' lets it run again", explain->pid);
		return "suspended";
	}
	return NULL;
}

static const char *tell_zombie(const struct explain *explain, char *out, size_t bytes)
{
	const struct process_row *row = &explain->processes[0].row;
	struct proc_stat now, parent = {.name = "?"};

	if (row->state != 'Z' && (proc_process_stat(row->pid, &now) < 0 || now.state != 'Z'))
		return NULL;
	if (explain->processes[0].thread_count > 1) {
		(void)snprintf(out, bytes, "its main thread has ended, others go on");
		return "main_ended";
	}
	(void)proc_process_stat(row->parent, &parent); /* may be gone */
	(void)snprintf(
		out, bytes, "it has ended; its parent %s (%d) has not collected it", parent.name, row->parent);
	return "exited";
}

static void tell_deadlock(const struct explain *explain, const struct counts *counts, char *out, size_t bytes)
{
	unsigned behind = explain_behind(explain);
	char who[48], rest[64] = "";

	explain_who(explain, counts->first_proven, who, sizeof(who));
	if (behind)
		(void)snprintf(rest, sizeof(rest), "%u thread%s behind that; ", behind,
			behind == 1 ? " waits" : "s wait");
	if (counts->proven == 1)
		(void)snprintf(out, bytes,
			"deadlock: %s waits for a lock that it holds itself; %sunless another thread unlocks "
			"it nothing ends that but a restart",
			who, rest);
	else if (counts->itself == counts->proven)
		(void)snprintf(out, bytes,
			"deadlock: %u threads wait for locks that they hold themselves; %sunless others unlock "
			"them nothing ends that but a restart",
			counts->proven, rest);
	else
		(void)snprintf(out, bytes,
			"deadlock: %u threads wait for each other; %snothing will end that but a restart",
			counts->proven, rest);
}

static const char *tell_locks(
	const struct explain *explain, const struct counts *counts, char *out, size_t bytes)
{
	if (counts->proven) {
		tell_deadlock(explain, counts, out, bytes);
		return "deadlock";
	}
	if (counts->orphans) {
		(void)snprintf(out, bytes,
			"orphaned lock: %u thread%s for a lock whose owner has ended without unlocking it; "
			"nothing will end that "
			"but a restart",
			counts->orphans, counts->orphans == 1 ? " waits" : "s wait");
		return "orphaned_lock";
	}
	if (counts->guessed) {
		(void)snprintf(out, bytes,
			"looks like a deadlock: %u thread%s through pipes, sockets or locks that "
			"others may hold too",
			counts->guessed, counts->guessed == 1 ? " waits for itself" : "s wait for each other");
		return "looks_like_deadlock";
	}
	return NULL;
}

/* Is it held up by a lock of somebody who stands still himself, and not where loops rest? */
static bool is_held_up(const struct explain *explain, unsigned index, int *root)
{
	const struct explain_thread *thread = &explain->threads[index], *holder;

	if (thread->gone || !thread->still || thread->wait.limited || thread->wait.edge != EDGE_EXACT ||
		thread->waits_for < 0 || !thread->wait.owner_word || !thread->wait.owner_word[0])
		return false;
	*root = explain_root(explain, (int)index);
	if (*root < 0 || *root == (int)index)
		return false;
	holder = &explain->threads[*root];
	return holder->still && holder->call && !holder->wait.limited &&
	       holder->call->object != BLOCKING_EVENTS && holder->call->object != BLOCKING_POLL;
}

/* No proof that the holder never goes on: it is told what it waits for. */
static const char *tell_held_up(const struct explain *explain, char *out, size_t bytes)
{
	unsigned held = 0;
	int root = -1, of;
	char who[48], sentence[300];

	for (unsigned i = 0; i < explain->thread_count; i++) {
		if (!is_held_up(explain, i, &of) || (root >= 0 && of != root))
			continue;
		root = of;
		held++;
	}
	if (!held)
		return NULL;
	explain_who(explain, &explain->threads[root], who, sizeof(who));
	explain_sentence(explain, &explain->threads[root], sentence, sizeof(sentence));
	(void)snprintf(out, bytes, "held up: %u thread%s for a lock, in the end that of %s, which %s", held,
		held == 1 ? " waits" : "s wait", who, sentence);
	return "held_up";
}

/* Nobody took any while we looked, and what took them is known by what it does instead. */
static const char *tell_work(
	const struct explain *explain, const struct counts *counts, char *out, size_t bytes)
{
	char instead[96] = "", who[48];

	if (counts->computing) {
		explain_who(explain, counts->first_computing, who, sizeof(who));
		(void)snprintf(instead, sizeof(instead), "; %s computes (%.0f %% CPU)", who,
			counts->first_computing->cpu_percent);
	}
	for (unsigned i = 0; i < explain->listener_count; i++) {
		const struct explain_listener *listener = &explain->listeners[i];

		if (!listener->first.queue || listener->now.queue < listener->first.queue)
			continue;
		(void)snprintf(out, bytes,
			"work waits: %u connection%s in the accept queue of %.64s, and none was taken while we "
			"looked%s",
			listener->now.queue, many(listener->now.queue), listener->now.address, instead);
		return "work_waits";
	}
	if (!explain->inbound.waiting)
		return NULL;
	(void)snprintf(out, bytes, "work waits: %u connection%s ha%s bytes that nobody read while we looked%s",
		explain->inbound.waiting, many(explain->inbound.waiting),
		explain->inbound.waiting == 1 ? "s" : "ve", instead);
	return "work_waits";
}

static const char *tell_doing(
	const struct explain *explain, const struct counts *counts, char *out, size_t bytes)
{
	char who[48];

	if (counts->computing) {
		explain_who(explain, counts->first_computing, who, sizeof(who));
		(void)snprintf(out, bytes, "%u thread%s (%.0f %% CPU): %s%s", counts->computing,
			counts->computing == 1 ? " computes" : "s compute", counts->percent, who,
			counts->computing > 1 ? " and others" : "");
		return "computes";
	}
	if (counts->in_kernel) {
		explain_who(explain, counts->first_in_kernel, who, sizeof(who));
		(void)snprintf(out, bytes,
			"%u thread%s in the kernel and cannot be woken, for disk or another machine: %s%s",
			counts->in_kernel, counts->in_kernel == 1 ? " waits" : "s wait", who,
			counts->in_kernel > 1 ? " and others" : "");
		return "io_wait";
	}
	if (explain->processes[0].gates.traced) {
		(void)snprintf(out, bytes, "a debugger is attached; besides that nothing looks stuck");
		return "traced";
	}
	return NULL;
}

const char *explain_verdict(const struct explain *explain, char *out, size_t bytes)
{
	struct counts counts;
	const char *kind = tell_zombie(explain, out, bytes);

	count(explain, &counts);
	if (!kind)
		kind = tell_locks(explain, &counts, out, bytes);
	if (!kind)
		kind = tell_gates(explain, out, bytes);
	if (!kind)
		kind = tell_held_up(explain, out, bytes);
	if (!kind)
		kind = tell_work(explain, &counts, out, bytes);
	if (!kind)
		kind = tell_doing(explain, &counts, out, bytes);
	if (!kind) {
		kind = "nothing";
		(void)snprintf(out, bytes, "nothing looks stuck");
	}
	text_sanitize(out);
	return kind;
}
