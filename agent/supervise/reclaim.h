/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frees what processes and threads that are gone left claimed in the segment.
 *
 * A slot is freed only when its claim word stood there a look ago already, its owner is known to be gone or
 * to have begun after `stamp`, and the claim word is still the same: taken by compare-and-swap to
 * RECLAIM_TAKEN, cleared, then set free. A claim made meanwhile has another generation.
 * Threads: the supervisor. Failure: what cannot be looked up stays. Memory: a few arrays, allocated once.
 */
#ifndef LS_RECLAIM_H
#define LS_RECLAIM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervise/segment.h"

/* In `claim` while the supervisor clears the entry: pid 0, owned by nobody. */
#define RECLAIM_TAKEN UINT64_C(0xffffffff00000000)

enum { RECLAIM_NAME = 16 };

struct reclaim {
	struct segment *segment;
	uint64_t *process_seen, *slot_seen; /* claim words of the last look */
	uint64_t *process_now;              /* of this one */
	uint8_t *process_fate;              /* of this look */
	char (*process_name)[RECLAIM_NAME]; /* when its mapping was looked at last; "" not yet */
	ino_t inode;                        /* of the segment */
	bool of_many;                       /* the less often it is looked at the better */
	bool blind;                         /* its pids mean nothing here: only what an exec left behind is freed */
	uint32_t next_process, next_slot;   /* where the dear checks go on */
	uint32_t maps_left;                 /* reads of /proc/PID/maps, in this look */
	uint32_t processes, slots;          /* claimed, at the last look */
	uint64_t counted[3];                /* by the header, at the last look */
	uint64_t threads, threads_now;      /* of all processes by /proc, at the last look and at this one */
	bool restless;                      /* a process came or went, in this look */
	uint32_t settled;                   /* looks at all slots since anything has changed */
	uint32_t spared;                    /* looks since all slots were looked at */
	uint64_t refused_seen;              /* threads and processes refused by then */
	int64_t looked;                     /* CLOCK_BOOTTIME ns of the last look */
	int64_t cost;                       /* ns that it took */
};

int reclaim_start(struct reclaim *out, struct segment *segment);
void reclaim_stop(struct reclaim *reclaim);

/* Frees all of `pid`, a zombie that has not been reaped: its pid cannot be anybody else's. */
void reclaim_zombie(struct reclaim *reclaim, pid_t pid);

/* Looks when a second has passed, or at once when the segment fills up. */
void reclaim_tick(struct reclaim *reclaim, int64_t now);

/* One look at everything that is claimed; `urgent`: whatever it costs. Exposed for tests. */
void reclaim_look(struct reclaim *reclaim, bool urgent);

#endif
