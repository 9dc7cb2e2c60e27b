/* SPDX-License-Identifier: Apache-2.0 */
/* What a thread waits for in calls other than futex(2): descriptors, events, children, file locks. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "explain/explain.h"
#include "watch/file_locks.h"
#include "watch/procfs.h"

#ifndef F_OFD_SETLKW
#define F_OFD_SETLKW 38
#endif

static void wait_for_process(
	struct explain *explain, struct explain_wait *wait, pid_t pid, enum explain_edge edge)
{
	if (!explain_add(explain, pid))
		edge = EDGE_NONE; /* gone by now, or not to be looked into */
	wait->owner = pid;
	wait->owner_is_process = true;
	wait->edge = edge;
}

static void tell_descriptor(
	struct explain *explain, const struct explain_process *process, struct explain_thread *thread)
{
	struct explain_end_of end;

	explain_descriptor(explain, process, (int)thread->first.arguments[0], thread->call->way, &end);
	memcpy(thread->wait.object, end.text, sizeof(thread->wait.object));
	if (end.peer)
		wait_for_process(explain, &thread->wait, end.peer, EDGE_GUESS);
}

/* As the thread named it: its own directory is not put before. */
static void tell_path(
	struct explain *explain, const struct explain_process *process, struct explain_thread *thread)
{
	struct reach_target target = tree_target(&process->row);
	uint64_t address = thread->first.arguments[thread->call->object == BLOCKING_PATH_AT];
	uint64_t to_page_end = 4096 - address % 4096; /* what follows may not be mapped */
	char path[EXPLAIN_TEXT - sizeof("named ")];
	size_t most = to_page_end < sizeof(path) - 1 ? to_page_end : sizeof(path) - 1;
	ssize_t got = reach_memory(&target, address, path, most);

	(void)explain; /* as all of the table take it */
	path[got > 0 ? got : 0] = '\0';
	if (path[0])
		(void)snprintf(thread->wait.object, sizeof(thread->wait.object), "named %s", path);
}

static unsigned count_lines(const char *text, const char *begin)
{
	unsigned count = 0;

	for (const char *at = strstr(text, begin); at; at = strstr(at + 1, begin))
		count++;
	return count;
}

static void tell_events(
	struct explain *explain, const struct explain_process *process, struct explain_thread *thread)
{
	struct reach_target target = tree_target(&process->row);
	char name[REACH_NAME], text[REACH_BYTES];
	unsigned count = 0;
	ssize_t got;

	(void)explain; /* as all of the table take it */
	(void)snprintf(name, sizeof(name), "fdinfo/%d", (int)thread->first.arguments[0]);
	got = reach_file(&target, name, text, sizeof(text) - 1);
	text[got > 0 ? got : 0] = '\0';
	count = count_lines(text, "tfd:");
	(void)snprintf(thread->wait.object, sizeof(thread->wait.object), "%s%u descriptor%s (epoll)",
		got == sizeof(text) - 1 ? "more than " : "", count, count == 1 ? "" : "s");
}

static void tell_poll(
	struct explain *explain, const struct explain_process *process, struct explain_thread *thread)
{
	struct reach_target target = tree_target(&process->row);
	uint64_t count = thread->first.arguments[1];
	struct explain_end_of end;
	struct pollfd one;

	if (count != 1 || reach_memory(&target, thread->first.arguments[0], &one, sizeof(one)) != sizeof(one)) {
		(void)snprintf(thread->wait.object, sizeof(thread->wait.object), "%u descriptors (poll)",
			(unsigned)count);
		return;
	}
	explain_descriptor(explain, process, one.fd, one.events & POLLIN ? WAY_IN : WAY_NONE, &end);
	(void)snprintf(thread->wait.object, sizeof(thread->wait.object), "%s", end.text);
	if (end.peer)
		wait_for_process(explain, &thread->wait, end.peer, EDGE_GUESS);
}

static void tell_child(struct explain *explain, const struct explain_process *process,
	struct explain_thread *thread, pid_t pid)
{
	struct proc_stat stat;

	if (pid <= 0) {
		(void)snprintf(thread->wait.object, sizeof(thread->wait.object),
			pid == -1 ? "any child to end" : "a child of a group to end");
	} else if (process->row.ns_pid != process->row.pid) {
		(void)snprintf(thread->wait.object, sizeof(thread->wait.object),
			"child %d (by its own count) to end", pid);
	} else {
		(void)snprintf(thread->wait.object, sizeof(thread->wait.object), "the end of its child");
		if (proc_process_stat(pid, &stat) == 0 && stat.parent == process->row.pid)
			wait_for_process(explain, &thread->wait, pid, EDGE_EXACT);
		thread->wait.owner_word = "";
	}
}

static void tell_wait4(
	struct explain *explain, const struct explain_process *process, struct explain_thread *thread)
{
	tell_child(explain, process, thread, (pid_t)thread->first.arguments[0]);
}

static void tell_waitid(
	struct explain *explain, const struct explain_process *process, struct explain_thread *thread)
{
	static const pid_t any[] = {[P_ALL] = -1, [P_PID] = 0, [P_PGID] = -2};
	uint64_t type = thread->first.arguments[0];

	if (type == P_PID)
		tell_child(explain, process, thread, (pid_t)thread->first.arguments[1]);
	else
		tell_child(explain, process, thread, type <= P_PGID ? any[type] : -2);
}

static uint64_t inode_of(pid_t pid, int fd)
{
	struct stat status;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	return stat(path, &status) == 0 ? status.st_ino : 0;
}

/* Locks of fcntl belong to a process; those of flock to whoever has the open file, so the kernel's word is a
 * hint. */
static void tell_lock(struct explain *explain, const struct explain_process *process,
	struct explain_thread *thread, enum file_lock_kind kind)
{
	uint64_t inode = inode_of(process->row.pid, (int)thread->first.arguments[0]);
	struct explain_end_of end;
	pid_t owner;

	explain_descriptor(explain, process, (int)thread->first.arguments[0], WAY_NONE, &end);
	thread->wait = (struct explain_wait){.owner_word = "held by "};
	memcpy(thread->wait.object, end.text, sizeof(thread->wait.object));
	owner = file_locks_owner(kind, process->row.pid, inode);
	if (owner > 0)
		wait_for_process(
			explain, &thread->wait, owner, kind == FILE_LOCK_POSIX ? EDGE_EXACT : EDGE_GUESS);
}

static void tell_fcntl(
	struct explain *explain, const struct explain_process *process, struct explain_thread *thread)
{
	uint64_t command = thread->first.arguments[1];

	if (command == F_SETLKW)
		tell_lock(explain, process, thread, FILE_LOCK_POSIX);
	else
		tell_descriptor(explain, process, thread);
}

static void tell_flock(
	struct explain *explain, const struct explain_process *process, struct explain_thread *thread)
{
	tell_lock(explain, process, thread, FILE_LOCK_FLOCK);
}

static void (*const tells[])(struct explain *, const struct explain_process *, struct explain_thread *) = {
	[BLOCKING_FD] = tell_descriptor,
	[BLOCKING_EVENTS] = tell_events,
	[BLOCKING_POLL] = tell_poll,
	[BLOCKING_CHILD] = tell_wait4,
	[BLOCKING_WAITID] = tell_waitid,
	[BLOCKING_FCNTL] = tell_fcntl,
	[BLOCKING_FLOCK] = tell_flock,
	[BLOCKING_PATH] = tell_path,
	[BLOCKING_PATH_AT] = tell_path,
};

void explain_object(
	struct explain *explain, const struct explain_process *process, struct explain_thread *thread)
{
	if (thread->call->object < sizeof(tells) / sizeof(tells[0]) && tells[thread->call->object])
		tells[thread->call->object](explain, process, thread);
}
