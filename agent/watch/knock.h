/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A knock: one connection to a listener of the service, held open and silent, to see whether anybody accepts it.
 * Used once for a suspect loop that has no work waiting: a living loop takes it, a blocked one cannot. Whether it
 * was accepted is the kernel's word: the other end has a socket inode only then.
 * Threads: the sampler. Failure: a listener that cannot be reached from here gives KNOCK_IMPOSSIBLE, which proves
 * nothing.
 */
#ifndef LS_KNOCK_H
#define LS_KNOCK_H

#include <stdint.h>

#include "watch/netns.h"

enum knock_state {
	KNOCK_NONE,       /* nobody knocked */
	KNOCK_WAITING,    /* in the accept queue, or on its way there */
	KNOCK_ACCEPTED,
	KNOCK_IMPOSSIBLE  /* another network, a full queue, no such listener any more */
};

struct knock {
	enum knock_state state;
	int fd;          /* -1: none is open */
	uint64_t inode;  /* of our end */
	int64_t started; /* CLOCK_BOOTTIME ns */
};

/* A state to begin with. */
void knock_init(struct knock *knock);

/* Begins one, unless one is under way. `listener` as sock_diag shows it, of the namespace `net_ns` (0 = ours). */
void knock_begin(struct knock *knock, const struct diag_listener *listener, uint64_t net_ns, int64_t now);

/* Looks at one that waits. */
void knock_look(struct knock *knock, struct netns *netns, int64_t now);

/* Hangs up; the state is KNOCK_NONE again. */
void knock_end(struct knock *knock);

#endif
