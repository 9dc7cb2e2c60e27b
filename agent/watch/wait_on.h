/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread's wait is on, in the terms of the ladder: asked of the descriptors behind a call when the call
 * alone does not say it. Costs a few links of /proc, so it is asked once for each stand of a suspect.
 * Threads: the sampler. Failure: what cannot be told is WAIT_UNKNOWN, of which nobody dies.
 * Nothing here opens, stats or walks to a file of the service: its file system may hang. That a path is a FIFO is
 * told by the kernel function in which the thread sleeps (proc(5): wchan).
 */
#ifndef LS_WAIT_ON_H
#define LS_WAIT_ON_H

#include "judge/ladder.h"
#include "watch/evidence.h"
#include "watch/front.h"
#include "watch/slots.h"
#include "watch/tree.h"

struct wait_on_look {
	const struct tree *tree;
	const struct front *front;
	const struct process_row *row;
	const struct slot_record *record;
	const struct evidence *evidence; /* of this stand */
};

struct wait_on_answer {
	enum wait_on on;
	bool timed;     /* by what the kernel says */
	int32_t fd;     /* the descriptor that was found to be waited on, -1 */
	char peer[FRONT_REMOTE]; /* of an external wait, where it is a connection; else empty */
};

struct wait_on_answer wait_on_find(const struct wait_on_look *look);

/* Exposed for tests: what a system call means when the shim saw no call. */
enum wait_on wait_on_of_syscall(long number);

#endif
