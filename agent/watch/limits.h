/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service uses of what it may have: accept queues, memory, threads, open files; and which of these grows
 * without end (judge/growth.h). A window of growth is 600 samples: 60 s by default.
 * Threads: the sampler. Failure: what cannot be read has no limit.
 * Sources: cgroups(7): memory.max, memory.current less inactive_file (the working set, as the kubelet counts it),
 * pids.max, and their names in v1, on the level of the tree that leaves least; proc(5): limits.
 */
#ifndef LS_LIMITS_H
#define LS_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/growth.h"
#include "judge/verdict.h"
#include "state/snapshot.h"

struct service;

enum { LIMITS_GROUPS = 64, LIMITS_WORDS = 160 };

/* Threads of one kind: begun with the same routine in the same process. */
struct limits_group {
	uint64_t routine, process; /* the latter: when it began */
	struct growth growth;
	uint64_t noted; /* when it was last seen */
};

struct limits {
	struct growth memory, fds;
	struct limits_group groups[LIMITS_GROUPS];
	struct service_measure measures[MEASURES];
	bool before[MEASURES]; /* held at the look before: once is chance */
	char words[MEASURES][LIMITS_WORDS];
	int64_t looked[MEASURES]; /* CLOCK_BOOTTIME ns */
};

/* Once a tick, after the listeners were read; looks every 1 to 5 s. */
void limits_look(struct service *service, int64_t now);

/* Details of the reasons that come from here. */
void limits_fill(struct snapshot *out, const struct limits *limits);

#endif
