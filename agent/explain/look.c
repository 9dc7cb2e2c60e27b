/* SPDX-License-Identifier: Apache-2.0 */
/* The two looks at a process and at those that its waits lead to. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "explain/explain.h"
#include "watch/procfs.h"

/* More proofs of a cycle whose threads ran in between, for a handler of signals ticks on them: so many, each so
 * far apart. */
enum { PROOFS = 10, PROOF_MS = 20 };

static void rest(int ms)
{
	(void)poll(
		NULL, 0, ms); /* a signal cuts it short: then the looks are nearer to each other, and say so */
}

/* ---- one thread */

/* The scheduler's clock when a thread last ran, in seconds; below zero where the kernel does not tell. */
static double last_run(pid_t pid, pid_t tid)
{
	static const char key[] = "se.exec_start";
	char path[64], text[4096];
	const char *at;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/sched", pid, tid);
	if (proc_read(path, text, sizeof(text)) <= 0 || !(at = strstr(text, key)) || !(at = strchr(at, ':')))
		return -1;
	return strtod(at + 1, NULL) / 1000;
}

static void find_rest(struct explain_thread *thread)
{
	double ran = last_run(thread->pid, thread->tid), now = last_run(getpid(), gettid());

	thread->rest_seconds = ran > 0 && now > 0 ? (now > ran ? now - ran : 0) : -1;
}

static bool is_same_call(
	const struct evidence *one, const struct evidence *other, const struct blocking_call *call)
{
	unsigned count = call && call->object == BLOCKING_FUTEX ? 1 : EVIDENCE_ARGUMENTS;

	return one->syscall == other->syscall && one->syscall >= 0 &&
	       memcmp(one->arguments, other->arguments, count * sizeof(one->arguments[0])) == 0;
}

/* ---- what they wait for */

static void describe(struct explain *explain, const struct explain_process *process, unsigned index)
{
	struct explain_thread *thread = &explain->threads[index], copy = *thread;

	copy.wait = (struct explain_wait){0};
	if (copy.call && !process->narrow) {
		copy.wait.limited = blocking_is_limited(copy.call, copy.first.arguments);
		if (copy.call->object == BLOCKING_FUTEX)
			explain_futex(explain, process, &copy);
		else
			explain_object(explain, process, &copy);
	}
	explain->threads[index] = copy; /* the table may have moved: a process was added */
}

/* Processes that are met on the way are added behind, and described in their turn. */
static void describe_all(struct explain *explain)
{
	for (unsigned i = 0; i < explain->process_count; i++) {
		for (unsigned j = 0; j < explain->processes[i].thread_count; j++)
			describe(explain, &explain->processes[i], explain->processes[i].first_thread + j);
	}
}

/* ---- the second look */

static void look_again(struct explain_process *process, struct explain_thread *thread, double seconds)
{
	if (!evidence_read(&process->row, thread->tid, &thread->now)) {
		thread->gone = true;
		return;
	}
	thread->same = is_same_call(&thread->first, &thread->now, thread->call);
	thread->still = thread->same && thread->first.switches == thread->now.switches &&
			thread->first.cpu_ns == thread->now.cpu_ns;
	if (seconds > 0) {
		thread->cpu_percent = (double)(thread->now.cpu_ns - thread->first.cpu_ns) / seconds / 1e7;
		thread->ready_percent = thread->cpu_percent +
					(double)(thread->now.delay_ns - thread->first.delay_ns) / seconds / 1e7;
	}
	find_rest(thread);
}

static bool is_same_process(const struct explain_process *process)
{
	struct proc_stat stat;

	return proc_process_stat(process->row.pid, &stat) == 0 && stat.start_ns == process->row.start_ns;
}

static void look_at_all_again(struct explain *explain)
{
	for (unsigned i = 0; i < explain->process_count; i++) {
		struct explain_process *process = &explain->processes[i];

		for (unsigned j = 0; j < process->thread_count; j++)
			look_again(
				process, &explain->threads[process->first_thread + j], explain->looked_seconds);
		gates_read(process->row.pid, &process->gates);
	}
}

/* A wait counts when the second look tells the same of it; a thread that went on has its present call
 * described. */
static void compare(struct explain *explain, const struct explain_process *process, unsigned index)
{
	struct explain_wait before = explain->threads[index].wait;
	struct explain_thread *thread = &explain->threads[index];
	struct evidence first = thread->first;
	bool same = thread->same;

	if (thread->gone)
		return;
	thread->first = thread->now;
	thread->call = process->narrow ? NULL : blocking_find(thread->now.syscall);
	describe(explain, process, index);
	thread = &explain->threads[index];
	thread->first = first;
	if (!same || thread->wait.owner != before.owner || thread->wait.address != before.address ||
		thread->wait.orphan != before.orphan) {
		thread->wait.edge = EDGE_NONE;
		thread->wait.orphan = false;
	}
}

static void compare_all(struct explain *explain)
{
	unsigned known = explain->process_count;

	for (unsigned i = 0; i < known; i++) {
		for (unsigned j = 0; j < explain->processes[i].thread_count; j++)
			compare(explain, &explain->processes[i], explain->processes[i].first_thread + j);
	}
	explain->process_count = known; /* those met only now were seen once, which proves nothing */
	explain->thread_count =
		explain->processes[known - 1].first_thread + explain->processes[known - 1].thread_count;
}

/* Does it stand where it stood? One that is just in the handler of a signal says nothing. */
static bool holds_still(struct explain *explain, unsigned index)
{
	struct explain_wait before = explain->threads[index].wait;
	struct explain_thread *thread = &explain->threads[index];
	const struct explain_process *process = explain_process_of(explain, thread->pid);
	struct evidence seen;

	if (!evidence_read(&process->row, thread->tid, &seen))
		return false;
	if (seen.syscall == SYSCALL_NONE)
		return true;
	if (!is_same_call(&thread->now, &seen, thread->call))
		return false;
	describe(explain, process,
		index); /* its call's arguments are the same: they say the same of the lock, or not */
	return explain->threads[index].wait.owner == before.owner &&
	       explain->threads[index].wait.edge == before.edge;
}

static bool needs_more(const struct explain_thread *thread)
{
	return thread->wait.edge != EDGE_NONE && !thread->still && thread->same && !thread->gone;
}

/* Waiting threads that ran in between, by handlers of signals or because they came back, are looked at more
 * often. */
static void prove_more(struct explain *explain)
{
	for (unsigned round = 0, found = 1; round < PROOFS && found; round++) {
		found = 0;
		if (round)
			rest(PROOF_MS);
		for (unsigned i = 0; i < explain->thread_count; i++) {
			if (!needs_more(&explain->threads[i]))
				continue;
			found++;
			if (!holds_still(explain, i))
				explain->threads[i].wait.edge = EDGE_NONE;
		}
	}
}

int explain_look(struct explain *out, pid_t pid)
{
	int64_t began;
	int error;

	*out = (struct explain){.asked = pid, .pid = explain_pid_of(pid)};
	symbols_start(&out->symbols);
	if (!out->pid)
		return -ESRCH;
	error = explain_meet(out, out->pid);
	if (error)
		return error;
	began = clock_boot_ns();
	describe_all(out);
	explain_look_sockets(out, true);
	rest(EXPLAIN_LOOK_MS);
	if (!is_same_process(&out->processes[0]))
		return -ESRCH;
	out->looked_seconds = (double)(clock_boot_ns() - began) / NS_PER_SECOND;
	look_at_all_again(out);
	compare_all(out);
	prove_more(out);
	explain_look_sockets(out, false);
	explain_join(out);
	return is_same_process(&out->processes[0]) ? 0 : -ESRCH;
}

void explain_end(struct explain *explain)
{
	free(explain->threads);
	explain->threads = NULL;
	symbols_end(&explain->symbols);
	reach_stop();
}
