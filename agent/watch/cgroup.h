/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of the cgroup of a process, on whichever level above it leaves least. v2, or v1's controllers.
 * Threads: the sampler. Failure: nothing to read is no limit.
 * Source: cgroups(7), Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of Linux.
 */
#ifndef LS_CGROUP_H
#define LS_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cgroup_memory {
	uint64_t used, limit; /* bytes; used: without inactive file pages */
};

/* False when there is no limit. */
bool cgroup_read_memory(pid_t pid, struct cgroup_memory *out);

/* Most processes and threads together; 0: no limit. */
uint64_t cgroup_read_pids_limit(pid_t pid);

/* How long its cgroups were kept from running by the CPU controller, ns: of the level that took most. */
uint64_t cgroup_read_throttled_ns(pid_t pid);

#endif
