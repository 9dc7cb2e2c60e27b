/* SPDX-License-Identifier: Apache-2.0 */
/* Meeting a process: its ids, its libc, its threads with their first evidence. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "explain/explain.h"
#include "lifesign/segment.h"
#include "watch/procfs.h"

struct explain_process *explain_process_of(struct explain *explain, pid_t pid)
{
	for (unsigned i = 0; i < explain->process_count; i++) {
		if (explain->processes[i].row.pid == pid)
			return &explain->processes[i];
	}
	return NULL;
}

struct explain_thread *explain_thread_by(
	struct explain *explain, const struct explain_process *process, pid_t ns_tid)
{
	for (unsigned i = 0; i < process->thread_count; i++) {
		struct explain_thread *thread = &explain->threads[process->first_thread + i];

		if (thread->ns_tid == ns_tid && !thread->gone)
			return thread;
	}
	return NULL;
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

/* The last number of its NSpid line: in its own pid namespace. */
static pid_t own_number(const struct explain_process *process, pid_t tid)
{
	struct proc_ids ids;
	pid_t pid = process->row.pid;

	if (process->row.ns_pid == pid)
		return tid;
	return proc_ids_read(tid, &ids) == 0 ? ids.ns_pid : tid;
}

/* In this order: musl's own file is its loader, or libc.so without a number. */
static const struct {
	const char *path;
	uint32_t libc;
} libcs[] = {{"/libc.so.6", LIBC_GLIBC}, {"/libc-2.", LIBC_GLIBC}, {"/ld-musl-", LIBC_MUSL},
	{"/libc.so", LIBC_MUSL}};

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
	struct reach_target target = tree_target(row),
			    own = {.pid = getpid(), .uid = geteuid(), .gid = getegid()};
	char theirs[64], ours[64];

	if (reach_link(&target, "ns/net", theirs, sizeof(theirs)) > 0 &&
		reach_link(&own, "ns/net", ours, sizeof(ours)) > 0 && strcmp(theirs, ours) != 0)
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
	*row = (struct process_row){.pid = pid,
		.parent = stat.parent,
		.ns_pid = ids.ns_pid,
		.start_ns = stat.start_ns,
		.uid = ids.uid,
		.gid = ids.gid,
		.state = stat.state,
		.thread_count = stat.threads};
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

	*thread = (struct explain_thread){
		.pid = process->row.pid, .tid = tid, .waits_for = -1, .rest_seconds = -1};
	thread->ns_tid = own_number(process, tid);
	if (!evidence_read(&process->row, tid, &thread->first) ||
		proc_thread_name(process->row.pid, tid, thread->name))
		return; /* has ended */
	thread->call = process->narrow ? NULL : blocking_find(thread->first.syscall);
	explain->thread_count++;
}

int explain_meet(struct explain *explain, pid_t pid)
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

	if (found || explain->process_count == EXPLAIN_PROCESSES || explain_meet(explain, pid))
		return found;
	return &explain->processes[explain->process_count - 1];
}
