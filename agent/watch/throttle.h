/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the CPU controller has kept the cgroup of a process, or one above it, from running.
 * Threads: the sampler. Failure: 0 where there is no limit or nothing to read.
 * Sources: cgroups(7), cpu.stat: throttled_usec of v2, throttled_time (ns) of v1.
 */
#ifndef LS_THROTTLE_H
#define LS_THROTTLE_H

#include <stdint.h>
#include <sys/types.h>

uint64_t throttle_read_ns(pid_t pid);

/* Time that a hypervisor gave to somebody else, of all CPUs (proc(5): stat); 0 unknown. */
uint64_t throttle_read_steal_ns(void);

#endif
