/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls that can block, in words: what a thread does in one, what its arguments are, whether it ends
 * by itself. Numbers are those of the machine this was built for. Threads: any. Failure: a call that is not
 * here is told by its number.
 */
#ifndef LS_BLOCKING_H
#define LS_BLOCKING_H

#include <stdbool.h>
#include <stdint.h>

enum blocking_object {
	BLOCKING_NOTHING,
	BLOCKING_FD,     /* argument 0 is a descriptor */
	BLOCKING_EVENTS, /* argument 0 is an epoll descriptor */
	BLOCKING_POLL,   /* argument 0 points to pollfds, argument 1 counts them */
	BLOCKING_FUTEX,
	BLOCKING_CHILD,  /* wait4: argument 0 is a pid, or none in particular */
	BLOCKING_WAITID, /* argument 0 says what argument 1 is */
	BLOCKING_FCNTL,  /* waits only with F_SETLKW */
	BLOCKING_FLOCK,
	BLOCKING_PATH,   /* argument 0 points to a path */
	BLOCKING_PATH_AT /* argument 1 does */
};

/* Where the limit of time stands, if any. */
enum blocking_limit { LIMIT_NEVER, LIMIT_ALWAYS, LIMIT_MS, LIMIT_POINTER };

/* Which end of a pipe or socket has to move for it to go on. */
enum blocking_way { WAY_NONE, WAY_IN, WAY_OUT };

struct blocking_call {
	long number;
	const char *name, *does; /* "epoll_wait", "waits for events of" */
	enum blocking_object object;
	enum blocking_way way;
	enum blocking_limit limit;
	unsigned limit_argument;
};

/* NULL: it is none of those. */
const struct blocking_call *blocking_find(long number);

/* May it end by itself after some time? */
bool blocking_is_limited(const struct blocking_call *call, const uint64_t arguments[6]);

#endif
