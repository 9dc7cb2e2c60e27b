/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts COMMAND: fork, a process group and the terminal of its own, signals as they were, exec.
 * Threads: the supervisor. Failure: -errno of fork or exec; then no process is left.
 */
#ifndef LS_SPAWN_H
#define LS_SPAWN_H

#include <sys/types.h>

#include "supervise/environment.h"
#include "supervise/signals.h"
#include "supervise/terminal.h"

struct spawn {
	char **argv;
	struct environment *environment;
	const struct signals *signals;
	const struct terminal *terminal;
};

/* The pid, > 0, once exec has succeeded, or -errno. */
pid_t spawn_command(const struct spawn *spawn);

/* After the spawn: what we inherited was for COMMAND, and held open here it would never end for its reader. */
void spawn_close_inherited(void);

/* Opens what is closed of descriptors 0-2, so that nothing of ours lands there; COMMAND sees them closed. */
void spawn_fill_standard(void);

#endif
