/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for other processes: for the end of a child, and for locks on files. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "watch/file_locks.h"
#include "watch/procfs.h"
#include "watch/proof.h"
#include "watch/slots.h"
#include "watch/tree.h"

/* Who shares an open file is looked for among so many processes, and so many descriptors of each. */
enum { SHARERS = 32, SHARED_FDS = 128 };

#define BIT(signal) (UINT64_C(1) << ((signal)-1))

/* alarm() before waitpid or F_SETLKW is how people give them a limit. */
static void note_alarm(const struct proof_look *look, struct slot_proof *out)
{
	const pid_t pid = look->row->pid;
	char path[64], text[64];
	uint64_t caught = UINT64_MAX;
	struct evidence evidence;

	(void)snprintf(path, sizeof(path), "/proc/%d/timers", pid);
	out->alarm = proc_caught_signals(pid, &caught) < 0 ||
		     (caught & (BIT(SIGALRM) | BIT(SIGVTALRM) | BIT(SIGPROF))) ||
		     proc_read(path, text, sizeof(text)) > 0;
	if (out->alarm && evidence_read(look->row, look->slot->record.tid, &evidence))
		out->switches = evidence.switches;
}

/* ---- children */

/* The only child of a process with a single thread: no other can come while that waits. 0: there are several.
 */
static pid_t only_child(const struct process_row *row)
{
	struct proc_stat stat;
	char path[64], text[64], *end;
	long pid, other;

	if (proc_thread_stat(row->pid, row->pid, &stat) < 0 || stat.threads != 1)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", row->pid, row->pid);
	if (proc_read(path, text, sizeof(text)) <= 0)
		return 0;
	pid = strtol(text, &end, 10);
	other = strtol(end, NULL, 10);
	return other == 0 && pid > 0 ? (pid_t)pid : 0;
}

/* -1: any; 0: none that could be told. */
static pid_t awaited_child(const struct evidence *evidence)
{
	const uint64_t *arguments = evidence->arguments;

	if (evidence->syscall == SYS_wait4 && !(arguments[2] & WNOHANG))
		return (pid_t)arguments[0] >= -1 ? (pid_t)arguments[0] : 0;
	if (evidence->syscall != SYS_waitid || (arguments[3] & WNOHANG) || !(arguments[3] & WEXITED))
		return 0;
	return arguments[0] == P_PID ? (pid_t)arguments[1] : arguments[0] == P_ALL ? -1 : 0;
}

bool proof_sample_child(const struct proof_look *look, const struct evidence *evidence, struct slot_proof *out)
{
	const struct process_row *child;
	pid_t pid = awaited_child(evidence);

	if (evidence->syscall != SYS_wait4 && evidence->syscall != SYS_waitid)
		return false;
	if (look->row->ns_pid != look->row->pid)
		return true; /* it counts its children in another way than we do */
	child = tree_find(look->tree, pid == -1 ? only_child(look->row) : pid);
	if (!child || child->parent != look->row->pid)
		return true;
	out->kind = PROOF_CHILD;
	out->object = 0;
	out->process = child->pid;
	note_alarm(look, out);
	return true;
}

/* ---- file locks */

/* Once a tick, however many wait. */
static const char *locks_text(int64_t now)
{
	enum { LOCKS_BYTES = 1 << 20 };
	static char *text; /* owner: the sampler; both */
	static int64_t read_at;

	if (!text)
		text = malloc(LOCKS_BYTES);
	if (!text || (read_at != now && proc_read("/proc/locks", text, LOCKS_BYTES) <= 0))
		return "";
	read_at = now;
	return text;
}

static ssize_t read_fdinfo(const struct process_row *row, int fd, char *text, size_t bytes)
{
	struct reach_target target = tree_target(row);
	char name[REACH_NAME];
	ssize_t got;

	(void)snprintf(name, sizeof(name), "fdinfo/%d", fd);
	got = reach_file(&target, name, text, bytes - 1);
	text[got > 0 ? got : 0] = '\0';
	return got;
}

/* Kernels before 5.14 do not say: 0. A stat of the file itself might wait for its disk. */
static uint64_t inode_of(const struct process_row *row, int fd)
{
	char text[1024];
	const char *at;

	if (read_fdinfo(row, fd, text, sizeof(text)) <= 0)
		return 0;
	at = strstr(text, "\nino:");
	return at ? strtoull(at + strlen("\nino:"), NULL, 10) : 0;
}

/* Does one of its open files have that lock? -1: cannot tell, for it has too many. */
static int holds_flock(const struct process_row *row, uint64_t inode)
{
	char text[1024], path[64], wanted[32];
	struct stat status;
	unsigned seen = 0;

	(void)snprintf(wanted, sizeof(wanted), ":%llu ", (unsigned long long)inode);
	for (int fd = 0; fd < SHARED_FDS; fd++) {
		const char *lock;

		if (read_fdinfo(row, fd, text, sizeof(text)) <= 0)
			continue;
		seen++;
		lock = strstr(text, "FLOCK ");
		if (lock && strstr(lock, wanted))
			return 1;
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", row->pid);
	return seen && (stat(path, &status) < 0 || status.st_size <= (off_t)seen)
		       ? 0
		       : -1; /* its size: since 6.2 */
}

/* A lock of flock belongs to all who share the open file, as parents and children do: exact if that is one
 * process. */
static pid_t only_flock_holder(const struct tree *tree, pid_t owner, uint64_t inode)
{
	bool found = false;

	if (tree->count > SHARERS || !inode)
		return 0;
	for (unsigned i = 0; i < tree->count; i++) {
		int holds = holds_flock(&tree->rows[i], inode);

		if (holds < 0 || (holds > 0) != (tree->rows[i].pid == owner))
			return 0;
		found |= holds > 0;
	}
	return found ? owner : 0;
}

bool proof_sample_file_lock(
	const struct proof_look *look, const struct evidence *evidence, struct slot_proof *out)
{
	bool shared = evidence->syscall == SYS_flock;
	int fd = (int)evidence->arguments[0];
	uint64_t inode;
	pid_t owner;

	if (!shared && (evidence->syscall != SYS_fcntl || evidence->arguments[1] != F_SETLKW))
		return false;
	inode = inode_of(look->row, fd);
	owner = file_locks_owner_in(
		locks_text(look->now), shared ? FILE_LOCK_FLOCK : FILE_LOCK_POSIX, look->row->pid, inode);
	if (owner > 0 && shared)
		owner = only_flock_holder(look->tree, owner, inode);
	if (owner <= 0 || !tree_find(look->tree, owner))
		return true;
	out->kind = PROOF_FILE_LOCK;
	out->object = (uint64_t)fd;
	out->process = owner;
	note_alarm(look, out);
	return true;
}
