/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for a whole process in the graph of judge/knots.h: for its end (waitpid), for a lock that it holds as a
 * process (fcntl), for its own to unlock a mutex that this very thread has locked. Any thread of it can do that, so
 * such a wait is for ever only if none of its threads can ever go on; then it becomes an edge to one of them that
 * waits, or to itself. Linear time. Pure; the caller gives the room.
 */
#ifndef LS_KNOTS_PROCESSES_H
#define LS_KNOTS_PROCESSES_H

#include "judge/knots.h"

struct knot_processes {
	const int32_t *process_of; /* of each thread, below `count` */
	const int32_t *waits_on;   /* the process that each thread waits for, KNOT_NOBODY; `proven` says so of
				      this wait, too */
	const bool *whole; /* of each process: all its threads are among these; else it may always go on */
	unsigned count;
	int32_t *first_waiter, *first_thread; /* room: `count` numbers each */
};

/* Fills in waits_for where a wait for a process can never end. Before knots_find(); the room may be the same. Whoever
 * is parked and waits on no process rests for ever. */
void knots_bind(struct knot_thread *threads, unsigned count, const struct knot_processes *processes,
	const struct knots_room *room);

#endif
