/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connected sockets of a service: which came in through its listeners, which it opened itself, which lead
 * from one of its processes to another; and what waits in them. Read when somebody is under suspicion.
 * Threads: the sampler. Memory: one table of what the service holds, at most FRONT_SOCKETS rows.
 */
#ifndef LS_FRONT_H
#define LS_FRONT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "watch/listeners.h"
#include "watch/tree.h"

enum { FRONT_SOCKETS = 16384, FRONT_REMOTE = 64 };

enum front_way {
	FRONT_INBOUND,  /* somebody came to the service */
	FRONT_OUTBOUND, /* the service went to somebody */
	FRONT_INTERNAL  /* both ends are the service's */
};

struct front_row {
	uint64_t inode, peer; /* peer: the other end's inode where it is on this machine, else 0 */
	pid_t pid;
	int32_t fd;
	enum front_way way;
	uint32_t unread;      /* bytes */
	uint8_t state;        /* TCP state; 2 = still connecting */
	int64_t unread_since; /* CLOCK_BOOTTIME ns since when there are unread bytes that nobody takes; 0 = none */
	int64_t began;        /* when it was first seen; 0: before anybody looked */
	char remote[FRONT_REMOTE];
};

struct front {
	struct front_row *rows; /* sorted by pid, then fd */
	unsigned count;
	int64_t read;
	bool complete;     /* every process could be looked into */
	unsigned outbound; /* rows */
	int64_t unread_since; /* of the inbound connection that waits longest; 0 = none waits */
	int64_t accepted;  /* when an inbound connection was last seen that was not there before */
};

/* Not older than `age_ns`. */
void front_refresh(struct front *front, const struct tree *tree, const struct listeners *listeners, int64_t age_ns, int64_t now);
void front_end(struct front *front);

/* NULL when this descriptor is no connected socket. */
const struct front_row *front_find(const struct front *front, pid_t pid, int32_t fd);

#endif
