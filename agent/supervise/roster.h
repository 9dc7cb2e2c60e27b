/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pids have an entry in a segment: a copy that is made anew only when somebody has claimed since, so that a
 * thousand quiet segments can be asked for a pid in microseconds.
 * Threads: the supervisor. Failure: -errno. Memory: one array. Trust: whoever writes the segment may claim any
 * pid: a hit is a question to the kernel (mapping.h), never an answer.
 */
#ifndef LS_ROSTER_H
#define LS_ROSTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervise/segment.h"

struct roster_entry {
	pid_t pid;
	uint32_t index; /* in the process table */
};

struct roster {
	struct roster_entry *entries;
	uint32_t count;
	uint64_t seen[3]; /* what the header counted then */
	bool made;
};

int roster_open(struct roster *out, const struct segment *segment);
void roster_close(struct roster *roster);

/* True if a process of that pid, which began at start_ns (CLOCK_BOOTTIME), may have made an entry. */
bool roster_has(struct roster *roster, const struct segment *segment, pid_t pid, uint64_t start_ns);

#endif
