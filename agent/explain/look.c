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
#include "lifesign/segment.h"
#include "watch/procfs.h"

/* More proofs of a cycle whose threads ran in between, for a handler of signals ticks on them: so many, each so far apart. */
enum { PROOFS = 10, PROOF_MS = 20 };

static void rest(int ms)
{
	(void)poll(NULL, 0, ms); /* a signal cuts it short: then the looks are nearer to each other, and say so */
}

struct explain_process *explain_process_of(struct explain *explain, pid_t pid)
{
	for (unsigned i = 0; i < explain->process_count; i++) {
		if (explain->processes[i].row.pid == pid)
			return &explain->processes[i];
	}
	return NULL;
}

struct explain_thread *explain_thread_by(struct explain *explain, const struct explain_process *process, pid_t ns_tid)
{
	for (unsigned i = 0; i < process->thread_count; i++) {
		struct explain_thread *thread = &explain->threads[process->first_thread + i];

		if (thread->ns_tid == ns_tid && !thread->gone)
			return thread;
	}
	return NULL;
}

/* ---- one thread */

/* The last number of its NSpid line: in its own pid namespace. */
static pid_t own_number(const struct explain_process *process, pid_t tid)
{
	struct proc_ids ids;
	pid_t pid = process->row.pid;

	if (process->row.ns_pid == pid)
		return tid;
	return proc_ids_read(tid, &ids) == 0 ? ids.ns_pid : tid;
}

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

static bool is_same_call(const struct evidence *one, const struct evidence *other, const struct blocking_call *call)
{
	unsigned count = call && call->object == BLOCKING_FUTEX ? 1 : EVIDENCE_ARGUMENTS;

	return one->syscall == other->syscall && one->syscall >= 0 &&
	       memcmp(one->arguments, other->arguments, count * sizeof(one->arguments[0])) == 0;
}

/* ---- a process */

/* In this order: musl's own file is its loader, or libc.so without a number. */
static const struct {
	const char *path;
	uint32_t libc;
} libcs[] = {{"/libc.so.6", LIBC_GLIBC}, {"/libc-2.", LIBC_GLIBC}, {"/ld-musl-", LIBC_MUSL}, {"/libc.so", LIBC_MUSL}};

static void find_libc(struct explain *explain, struct explain_process *process)
{
	struct reach_target target = tree_target(&process->row);

	process->row.libc = LIBC_UNKNOWN;
	for (unsigned i = 0; i < sizeof(libcs) / sizeof(libcs[0]) && process->row.libc == LIBC_UNKNOWN; i++) {
		if (symbols_maps(&explain->symbols, &target, libcs[i].path) > 0)
			process->row.libc = libcs[i].libc;
	}
	process->narrow = symbols_narrow(&explain->symbols, &target) > 0;
}

static void find_network(struct process_row *row)
{
	struct reach_target target = tree_target(row), own = {.pid = getpid(), .uid = geteuid(), .gid = getegid()};
	char theirs[64], ours[64];

	if (reach_link(&target, "ns/net", theirs, sizeof(theirs)) > 0 && reach_link(&own, "ns/net", ours, sizeof(ours)) > 0 &&
		strcmp(theirs, ours) != 0)
		row->net_ns = strtoull(theirs + strlen("net:["), NULL, 10);
}

static int read_row(struct process_row *row, pid_t pid)
{
	struct reach_target target;
	struct proc_stat stat;
	struct proc_ids ids;
	int error = proc_process_stat(pid, &stat);
	char byte;
	ssize_t got;

	if (!error)
		error = proc_ids_read(pid, &ids);
	if (error)
		return -ESRCH;
	*row = (struct process_row){.pid = pid, .parent = stat.parent, .ns_pid = ids.ns_pid, .start_ns = stat.start_ns, .uid = ids.uid,
		.gid = ids.gid, .state = stat.state, .thread_count = stat.threads};
	memcpy(row->name, stat.name, sizeof(row->name));
	target = tree_target(row);
	got = reach_file(&target, "auxv", &byte, sizeof(byte));
	if (got == -EPERM || got == -EACCES)
		return -EPERM;
	row->readable = got > 0;
	find_network(row);
	return 0;
}

static bool make_room(struct explain *explain, unsigned more)
{
	struct explain_thread *grown;

	if (more == 0)
		return true;
	grown = realloc(explain->threads, (explain->thread_count + more) * sizeof(*grown));
	if (!grown)
		return false;
	memset(grown + explain->thread_count, 0, more * sizeof(*grown));
	explain->threads = grown;
	return true;
}

static void take_thread(struct explain *explain, const struct explain_process *process, pid_t tid)
{
	struct explain_thread *thread = &explain->threads[explain->thread_count];

	*thread = (struct explain_thread){.pid = process->row.pid, .tid = tid, .waits_for = -1, .rest_seconds = -1};
	thread->ns_tid = own_number(process, tid);
	if (!evidence_read(&process->row, tid, &thread->first) || proc_thread_name(process->row.pid, tid, thread->name))
		return; /* has ended */
	thread->call = process->narrow ? NULL : blocking_find(thread->first.syscall);
	explain->thread_count++;
}

static int add(struct explain *explain, pid_t pid)
{
	static pid_t tids[EXPLAIN_THREADS]; /* owner: main */
	struct explain_process *process = &explain->processes[explain->process_count];
	int error = read_row(&process->row, pid), count;

	if (error)
		return error;
	find_libc(explain, process);
	gates_read(pid, &process->gates);
	count = proc_tasks(pid, tids, EXPLAIN_THREADS);
	if (count < 0)
		return -ESRCH;
	if (!make_room(explain, (unsigned)count))
		return -ENOMEM;
	explain->threads_cut = explain->threads_cut || count == EXPLAIN_THREADS;
	process->first_thread = explain->thread_count;
	for (int i = 0; i < count; i++)
		take_thread(explain, process, tids[i]);
	process->thread_count = explain->thread_count - process->first_thread;
	explain->process_count++;
	return 0;
}

struct explain_process *explain_add(struct explain *explain, pid_t pid)
{
	struct explain_process *found = explain_process_of(explain, pid);

	if (found || explain->process_count == EXPLAIN_PROCESSES || add(explain, pid))
		return found;
	return &explain->processes[explain->process_count - 1];
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
	thread->still = thread->same && thread->first.switches == thread->now.switches && thread->first.cpu_ns == thread->now.cpu_ns;
	if (seconds > 0) {
		thread->cpu_percent = (double)(thread->now.cpu_ns - thread->first.cpu_ns) / seconds / 1e7;
		thread->ready_percent = thread->cpu_percent + (double)(thread->now.delay_ns - thread->first.delay_ns) / seconds / 1e7;
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
			look_again(process, &explain->threads[process->first_thread + j], explain->looked_seconds);
		gates_read(process->row.pid, &process->gates);
	}
}

/* A wait counts when the second look tells the same of it; a thread that went on has its present call described. */
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
	if (!same || thread->wait.owner != before.owner || thread->wait.address != before.address || thread->wait.orphan != before.orphan) {
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
	explain->thread_count = explain->processes[known - 1].first_thread + explain->processes[known - 1].thread_count;
}

/* Threads of a cycle that ran in between, by handlers of signals, are looked at more often. */
static void prove_more(struct explain *explain)
{
	for (unsigned i = 0; i < explain->thread_count; i++) {
		struct explain_thread *thread = &explain->threads[i];
		struct evidence seen;

		if (thread->wait.edge == EDGE_NONE || thread->still || !thread->same)
			continue;
		for (unsigned j = 0; j < PROOFS && thread->wait.edge; j++) {
			rest(PROOF_MS);
			if (!evidence_read(&explain_process_of(explain, thread->pid)->row, thread->tid, &seen) ||
				(seen.syscall != SYSCALL_NONE && !is_same_call(&thread->now, &seen, thread->call)))
				thread->wait.edge = EDGE_NONE;
		}
	}
}

static long number_in(const char *path, const char *key)
{
	char text[8192];
	const char *at;

	if (proc_read(path, text, sizeof(text)) <= 0 || !(at = strstr(text, key)))
		return -1;
	return atol(at + strlen(key));
}

/* The process that a thread belongs to; a tid of another process is one too. */
pid_t explain_pid_of(pid_t tid)
{
	char path[64];
	long pid;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", tid);
	pid = number_in(path, "\nTgid:");
	return pid > 0 ? (pid_t)pid : 0;
}

int explain_look(struct explain *out, pid_t pid)
{
	int64_t began;
	int error;

	*out = (struct explain){.asked = pid, .pid = explain_pid_of(pid)};
	symbols_start(&out->symbols);
	if (!out->pid)
		return -ESRCH;
	error = add(out, out->pid);
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
