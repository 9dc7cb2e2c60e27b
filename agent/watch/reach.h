/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads of another process that need ptrace rights: its memory, descriptors, and some of /proc. Tried
 * directly first; refused with EPERM or EACCES, they are asked of a reader: a child of the agent that
 * runs under the target's own uid and gid (one for each uid, started when first needed).
 * Threads: the sampler. Failure: -EPERM: no way to read it (the process is covered by its slots only).
 */
#ifndef LS_REACH_H
#define LS_REACH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { REACH_BYTES = 16384, REACH_SOCKETS = REACH_BYTES / 16, REACH_NAME = 48 };

/* Whom to read: the ids as /proc/PID/status has them. */
struct reach_target {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

struct reach_socket {
	uint64_t inode;
	int32_t fd;
	uint32_t reserved;
};

/* /proc/PID/NAME ("task/7/syscall", "fdinfo/5", "environ", "auxv", "maps"): bytes read or -errno. Not NUL-terminated. */
ssize_t reach_file(const struct reach_target *target, const char *name, void *buffer, size_t bytes);

/* The text of the link /proc/PID/NAME ("fd/5", "exe"), NUL-terminated; its length or -errno. */
ssize_t reach_link(const struct reach_target *target, const char *name, char *buffer, size_t bytes);

/* Memory of the process at `address`: bytes read (may be fewer) or -errno. */
ssize_t reach_memory(const struct reach_target *target, uint64_t address, void *buffer, size_t bytes);

/* Its sockets among the first 1024 descriptors: the count or -errno. */
int reach_sockets(const struct reach_target *target, struct reach_socket *sockets, unsigned max);

/* Ends all readers. */
void reach_stop(void);

/* In a child of the one that asked: its readers are left to it. */
void reach_forget(void);

#endif
