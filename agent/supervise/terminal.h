/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal belongs to COMMAND's process group while COMMAND runs, and to our own group again when it
 * stops or ends: what a shell does for its jobs. Ctrl-C and Ctrl-Z thus reach COMMAND once, from the kernel.
 * Threads: the supervisor, with SIGTTOU blocked. Failure: no terminal, then all of this does nothing.
 */
#ifndef LS_TERMINAL_H
#define LS_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>

struct terminal {
	int fd;          /* stdin's terminal when it is our controlling one, else -1 */
	pid_t own_group;
};

/* Looks at stdin. */
void terminal_open(struct terminal *out);

/* The foreground group is our own. */
bool terminal_is_ours(const struct terminal *terminal);

/* Async-signal-safe. */
void terminal_give(const struct terminal *terminal, pid_t group);

/* Takes it back if `group`, or nobody that lives, has it. */
void terminal_take(const struct terminal *terminal, pid_t group);

/* Somebody above us watches jobs: what stops will be continued. Else the kernel would not have stopped COMMAND. */
bool terminal_has_shell(const struct terminal *terminal);

/* Stops our whole group by `number`, as the terminal stopped COMMAND's; returns when we were continued. */
void terminal_stop_ourselves(int number);

#endif
