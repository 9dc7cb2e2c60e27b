/* SPDX-License-Identifier: Apache-2.0 */
/* What picture*.c share; nobody else includes it. */
#ifndef LS_PICTURE_PARTS_H
#define LS_PICTURE_PARTS_H

#include "state/snapshot.h"

enum { PICTURE_GROUPS = 160, PICTURE_NAMES = 4 };

/* Threads of one process that do the same. */
struct picture_group {
	const struct snapshot_process *process;
	const struct snapshot_thread *first;
	unsigned count;
	int64_t shortest, longest;                          /* ns that they have been doing it */
	const struct snapshot_thread *named[PICTURE_NAMES]; /* the first of them */
	bool home;
};

struct picture_queue { /* inbound connections with bytes that nobody has read */
	unsigned connections;
	uint64_t bytes;
	int64_t oldest; /* ns; 0: none */
};

struct picture {
	const struct snapshot *snapshot;
	const struct snapshot_reason *reason;        /* that it is dead of */
	struct picture_group groups[PICTURE_GROUPS]; /* who is away from home first */
	unsigned group_count, left_out;              /* `left_out`: threads in no group */
	struct picture_queue unread;
};

void picture_say_text(const struct picture *picture);
void picture_say_json(const struct picture *picture);

/* "pthread_mutex_lock", or what it does without a call. */
const char *picture_doing(const struct snapshot_thread *thread);

#endif
