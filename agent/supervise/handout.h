/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hands the segment to descendants that were exec'ed: the protocol at the end of lifesign/segment.h.
 * Threads: the supervisor; every step is non-blocking, a peer cannot hold it up.
 * Failure: who is not served stands aside; the service itself goes on as without us.
 */
#ifndef LS_HANDOUT_H
#define LS_HANDOUT_H

#include "supervise/kin.h"
#include "supervise/names.h"
#include "supervise/segment.h"

struct handout {
	int fd; /* -1: nothing is handed out */
	char name[NAME_BYTES];
	pid_t self;
	const struct segment *segment;
	const struct kin_helpers *helpers;
	unsigned granted, refused;
};

int handout_open(struct handout *out, const struct segment *segment, const struct kin_helpers *helpers);

/* Answers who waits, a bounded number of them. */
void handout_serve(struct handout *handout);

void handout_close(struct handout *handout);

#endif
