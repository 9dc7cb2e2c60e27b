/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits for whom, and where that comes back to itself. Each thread waits for one other at most. */
#include <stdlib.h>

#include "explain/explain.h"

/* Of a process only a single thread can be meant. */
static int thread_of_process(struct explain *explain, pid_t pid)
{
	const struct explain_process *process = explain_process_of(explain, pid);
	int found = -1;

	for (unsigned i = 0; process && i < process->thread_count; i++) {
		const struct explain_thread *thread = &explain->threads[process->first_thread + i];

		if (thread->gone || thread->now.state == 'Z' || thread->now.state == 'X')
			continue;
		if (found >= 0)
			return -1;
		found = (int)(process->first_thread + i);
	}
	return found;
}

static int thread_by_tid(const struct explain *explain, pid_t tid)
{
	for (unsigned i = 0; i < explain->thread_count; i++) {
		if (explain->threads[i].tid == tid && !explain->threads[i].gone)
			return (int)i;
	}
	return -1;
}

/* A wait that ends by itself closes no cycle. */
static int next_of(const struct explain *explain, int index)
{
	const struct explain_thread *thread = &explain->threads[index];

	return thread->wait.edge && !thread->wait.limited ? thread->waits_for : -1;
}

/* marks: 0 not seen, else the walk in which it was. */
static void walk(struct explain *explain, int from, unsigned *marks, unsigned number)
{
	int at = from;

	while (at >= 0 && !marks[at]) {
		marks[at] = number;
		at = next_of(explain, at);
	}
	if (at < 0 || marks[at] != number)
		return;
	for (int member = at; !explain->threads[member].in_cycle; member = next_of(explain, member))
		explain->threads[member].in_cycle = true;
}

void explain_join(struct explain *explain)
{
	unsigned *marks = calloc(explain->thread_count + 1, sizeof(*marks));

	for (unsigned i = 0; i < explain->thread_count; i++) {
		struct explain_thread *thread = &explain->threads[i];

		if (thread->gone || !thread->wait.edge)
			continue;
		thread->waits_for = thread->wait.owner_is_process
					    ? thread_of_process(explain, thread->wait.owner)
					    : thread_by_tid(explain, thread->wait.owner);
	}
	for (unsigned i = 0; marks && i < explain->thread_count; i++)
		walk(explain, (int)i, marks, i + 1);
	free(marks); /* without memory there are no cycles to tell of */
}

bool explain_is_proven(const struct explain *explain, const struct explain_thread *thread)
{
	int first = (int)(thread - explain->threads), at = first;

	do {
		if (explain->threads[at].wait.edge != EDGE_EXACT)
			return false;
		at = next_of(explain, at);
	} while (at >= 0 && at != first);
	return at == first;
}

int explain_root(const struct explain *explain, int index)
{
	for (unsigned steps = 0; steps < explain->thread_count; steps++) {
		int next = next_of(explain, index);

		if (next < 0)
			return index;
		index = next;
	}
	return -1;
}

static bool is_behind(const struct explain *explain, unsigned index)
{
	int at = (int)index;

	for (unsigned steps = 0; steps < explain->thread_count; steps++) {
		at = next_of(explain, at);
		if (at < 0)
			return false;
		if (explain->threads[at].in_cycle || explain->threads[at].wait.orphan)
			return true;
	}
	return false;
}

unsigned explain_behind(const struct explain *explain)
{
	unsigned count = 0;

	for (unsigned i = 0; i < explain->thread_count; i++)
		count += !explain->threads[i].in_cycle && !explain->threads[i].wait.orphan &&
			 is_behind(explain, i);
	return count;
}
