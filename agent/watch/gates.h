/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keeps a whole process from running whatever its threads would like to: stopped, traced, dumping core,
 * frozen by its cgroup. While one of these holds, silence proves nothing.
 * Threads: the sampler. Failure: a gate that cannot be read does not hold.
 * Sources: proc(5) status (State, TracerPid, CoreDumping since Linux 4.15), cgroups(7): cgroup.events of v2,
 * freezer.state of v1.
 */
#ifndef LS_GATES_H
#define LS_GATES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct gates {
	bool suspended; /* SIGSTOP, SIGTSTP */
	bool traced;    /* a debugger is attached; it may or may not let it run */
	bool core_dump;
	bool frozen;
	char frozen_by[256]; /* the file that says so, last asked; empty: none found */
};

void gates_read(pid_t pid, struct gates *out);

/* Exposed for tests: the files that tell whether the cgroup of this line of /proc/PID/cgroup is frozen, by `try` from 0
 * on; false when there is no other. */
bool gates_freezer_file(const char *line, unsigned try, char *path, size_t bytes);

#endif
