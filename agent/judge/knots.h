/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wait-for graph of a service, and what in it can never end: closed cycles over exact edges, and waits for
 * locks whose owner is no more. A thread waits for one other at most, so all of it is found in linear time.
 * Pure: plain data in, plain data out; the caller gives the room. The order of threads changes no answer but
 * where a cycle is begun to be told.
 */
#ifndef LS_KNOTS_H
#define LS_KNOTS_H

#include <stdbool.h>
#include <stdint.h>

enum { KNOT_NOBODY = -1 };

/* One thread. `proven`: it waits without a limit, and samples far enough apart agree on its call, object, owner and
 * the kernel's futex address; only then its edge counts. */
struct knot_thread {
	int32_t waits_for; /* index of the thread that must act first, or KNOT_NOBODY */
	bool proven;
	bool orphan;       /* proven, for a lock whose owner does not exist any more */
	bool may_be_own;   /* an edge to itself counts: nobody else can help */
	bool parked;       /* proven to rest until its own process wakes it, or for ever: it accuses nobody, and helps nobody */
	bool critical;     /* main, loop or listener */
	uint64_t object;   /* the lock: those who wait for the same orphaned one are behind one knot */
	uint32_t pool;     /* threads of one kind have one number; 0: of none */
};

struct knot {
	int32_t first;   /* a member of the cycle, or the first that waits for an orphaned lock */
	unsigned length; /* members of the cycle; 0: an orphaned lock */
	unsigned behind; /* threads that wait for it without being members */
	bool critical;   /* holds a critical thread or half of a pool, among members or behind */
};

/* What the search needs: `count` numbers each. */
struct knots_room {
	int32_t *knot_of; /* out: the knot that each thread is in or behind, KNOT_NOBODY */
	int32_t *seen;
	uint32_t *pool_size, *pool_stuck; /* by pool number: numbers must be below `count` + 1, so one more each */
};

/* At most `max` knots; more are not told. Returns how many. */
unsigned knots_find(const struct knot_thread *threads, unsigned count, const struct knots_room *room, struct knot *out, unsigned max);

#endif
