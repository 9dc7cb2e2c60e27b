/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment that COMMAND gets: its own, with LD_PRELOAD and LIFESIGN_SEGMENT added, every other
 * LIFESIGN_… removed, and what names our pid or systemd's socket rewritten.
 * Threads: the supervisor, before the loop. Failure: -ENOMEM. Memory: allocated once, kept until the end.
 */
#ifndef LS_ENVIRONMENT_H
#define LS_ENVIRONMENT_H

#include <sys/types.h>

struct environment_plan {
	const char *shim;    /* NULL: nothing is preloaded */
	const char *segment; /* "@NAME"; NULL with it */
	const char *notify;  /* the relay's address; NULL: NOTIFY_SOCKET stays as it is */
	pid_t self;          /* variables that name this pid are for COMMAND */
};

enum { ENVIRONMENT_PIDS = 2 }; /* LISTEN_PID, WATCHDOG_PID */

struct environment {
	char **list;
	char *own_pid[ENVIRONMENT_PIDS]; /* "NAME=" with room for digits; NULL: not to be rewritten */
};

int environment_build(struct environment *out, char **before, const struct environment_plan *plan);

/* In the child, before exec. Async-signal-safe. */
void environment_set_pid(struct environment *environment, pid_t pid);

/* Value of NAME, NULL when there is none. */
const char *environment_find(char **list, const char *name);

#endif
