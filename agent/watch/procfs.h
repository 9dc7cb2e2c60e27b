/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of /proc that need no rights: stat, status, comm, task. What needs rights goes through reach.h.
 * Threads: any. Failure: -errno; a process or thread that has gone is -ENOENT or -ESRCH, and is normal.
 */
#ifndef LS_PROCFS_H
#define LS_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
	char name[16];
	char state;
	pid_t parent, session;
	uint64_t cpu_ticks; /* utime + stime */
	uint32_t threads;
	uint64_t start_ns;  /* CLOCK_BOOTTIME ns, in steps of a clock tick (10 ms) */
	uint64_t resident_bytes;
};

struct proc_ids {
	uid_t uid;
	gid_t gid;
	pid_t ns_pid; /* in its innermost pid namespace */
	pid_t tracer;
};

/* The whole process: CPU time is the sum of its threads (dear with many threads). */
int proc_process_stat(pid_t pid, struct proc_stat *out);

/* One thread; with tid == pid also the cheap way to a process's parent and state. */
int proc_thread_stat(pid_t pid, pid_t tid, struct proc_stat *out);

int proc_ids_read(pid_t pid, struct proc_ids *out);
/* A bit for each signal that it handles: signal n is bit n - 1. */
int proc_caught_signals(pid_t pid, uint64_t *out);
int proc_thread_name(pid_t pid, pid_t tid, char name[16]);

/* Tids of a process, at most `max`; the count or -errno. */
int proc_tasks(pid_t pid, pid_t *tids, unsigned max);

/* Calls `found` for each process of this pid namespace. 0 or -errno. */
int proc_each(void (*found)(pid_t pid, void *context), void *context);

/* The same with the inode of its directory: while that is the same, so is the process behind the pid. */
int proc_each_known(void (*found)(pid_t pid, uint64_t inode, void *context), void *context);

/* Time that a hypervisor gave to somebody else, of all CPUs (stat); 0 unknown. */
uint64_t proc_steal_ns(void);

/* How many files a process has open (since Linux 6.2) and may have open; false when that cannot be told. */
bool proc_open_fds(pid_t pid, uint64_t *open, uint64_t *limit);

/* Reads a whole small file, at most bytes - 1, and ends it with NUL. Bytes read or -errno. */
ssize_t proc_read(const char *path, char *buffer, size_t bytes);

/* Exposed for the fuzzer: one line of /proc/PID/stat. */
int proc_stat_parse(char *line, struct proc_stat *out);

#endif
