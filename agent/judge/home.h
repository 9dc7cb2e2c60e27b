/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Home: the wait that a thread comes back to. A thread in its home wait is idle, however long that takes;
 * a wait elsewhere is a wait for something. Homes are learned from what a thread did, never from time.
 * Pure: plain data in, plain data out.
 */
#ifndef LS_HOME_H
#define LS_HOME_H

#include <stdbool.h>
#include <stdint.h>

enum { HOME_SITES = 2, HOME_RETURNS = 3 };

/* A place where the thread was seen waiting: which call, from where. */
struct home_site {
	uint64_t caller;
	uint32_t op;      /* number of lifesign/calls.h, 0 = free */
	uint32_t returns; /* times it was seen to have left a wait here and to have moved on */
};

struct home {
	struct home_site sites[HOME_SITES];
};

/* The thread was found waiting at this site at a sample; `returned`: it has moved since the last time. */
void home_note_wait(struct home *home, uint32_t op, uint64_t caller, bool returned);

/* It stands here for connections to take: that is a home, whether it has come back or not. */
void home_prove(struct home *home, uint32_t op, uint64_t caller);

/* Is a wait at this site a homecoming? Locks, joins, children and files need HOME_RETURNS returns; waits for
 * events, connections, wake-ups, signals and time are home at once, until another site has proven itself. */
bool home_is_at(const struct home *home, uint32_t op, uint64_t caller);

#endif
