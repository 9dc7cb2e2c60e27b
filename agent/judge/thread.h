/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one thread is doing, judged from one look at it. Pure.
 */
#ifndef LS_THREAD_H
#define LS_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/home.h"
#include "judge/record.h"

/* One look at one thread: the slot, what the kernel says of a suspect, and what is known from before. */
struct thread_look {
	uint32_t op;       /* the outermost call it is inside, 0 = none */
	uint64_t caller;
	bool moved;        /* entered another call since the last look */
	char kernel_state; /* of /proc: R, S, D, T, t, Z, X, I; 0 = not asked */
	bool main;         /* the first thread of its process */
	bool serves;       /* waits on a set that holds a listener or an accepted socket */
	struct home home;
};

enum thread_state thread_judge_state(const struct thread_look *look);

/* `before` is the role it had: a loop stays one while it is away from its wait, and so does a listener that talks
 * to whom it has accepted. */
enum thread_role thread_judge_role(const struct thread_look *look, enum thread_role before);

/* Is a look at /proc needed to know the state? Only then may `kernel_state` be left out. */
bool thread_is_suspect(const struct thread_look *look);

#endif
