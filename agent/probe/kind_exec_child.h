/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command in a process group of its own, with nothing of ours: no descriptor, no environment, no signal
 * setting. Threads: one; the command dies with the thread that began it. Failure: -errno. Memory: one
 * descriptor or two while it runs; child_end leaves no zombie unless the kernel keeps it.
 */
#ifndef LS_PROBE_KIND_EXEC_CHILD_H
#define LS_PROBE_KIND_EXEC_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct child {
	pid_t pid;  /* 0: none */
	int output; /* what it prints, non-blocking; -1 none */
	int ended;  /* becomes readable when it ends; -1: the kernel has none such */
};

/* `words` ends with NULL; words[0] is found as execvp would in EXEC_PATH. */
int child_start(struct child *child, char *const *words, const char *name);

/* Has it ended? Its exit status as waitpid gives it; it is not reaped yet, so its group is still its own. */
bool child_has_ended(const struct child *child, int *status);

/* Whoever is left of its group is killed, and it is reaped if it is gone by now: is it? */
bool child_end(struct child *child);

/* Kills what commands of that name left behind in sessions of their own, and reaps what they left. */
void child_sweep(const char *name);

#endif
