/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which thread waits for which, proven: threads that stand in a wait without a limit are looked at a few times
 * a second; what they wait for is believed once samples half a second apart agree on the call, the object, its
 * owner and where the kernel has them sleep. From these edges judge/knots.h finds what never ends. Threads: the
 * sampler. Failure: what cannot be read is no edge. Memory: arrays that grow with the suspects.
 */
#ifndef LS_PROOFS_H
#define LS_PROOFS_H

#include "judge/knots.h"
#include "watch/slots.h"
#include "watch/tree.h"

enum { PROOFS_KNOTS = 8, PROOFS_AWAITED = 16 };

/* A process that somebody seems to wait for. When one of its threads waits for another one and none plainly
 * goes on, all of them are looked at; else that wait may end. */
struct proofs_awaited {
	pid_t pid;
	bool waits, goes_on;
};

struct proofs {
	struct knot_thread *threads; /* one for each of slots.order[] */
	int32_t *knot_of, *seen;
	int32_t *process_of, *waits_on; /* rows of the tree */
	uint32_t *pool_size, *pool_stuck;
	uint32_t *by_tid; /* positions in slots.order[], sorted by tid */
	unsigned room, count;
	int32_t *first_waiter, *first_thread; /* one for each row, and one for nobody's */
	uint32_t *live;                       /* its threads that have a slot */
	int64_t *stood;                       /* since when the last one of them is seen to stand */
	bool *whole;
	unsigned rows_room;
	struct knot knots[PROOFS_KNOTS];
	unsigned knot_count;
	bool somebody, in_lock; /* is proven to wait, … for a lock, as of the last look */
	struct proofs_awaited awaited[PROOFS_AWAITED];
	unsigned awaited_count;
};

/* Looks at who is due, at most `left` of them, then finds the knots anew. */
void proofs_look(
	struct proofs *proofs, struct slots *slots, const struct tree *tree, int64_t now, unsigned *left);
void proofs_end(struct proofs *proofs);

/* The next one on the chain behind slots.order[at]: its position, or KNOT_NOBODY. */
int32_t proofs_next(const struct proofs *proofs, int32_t at);

/* Where a thread of the tree stands in slots.order[], KNOT_NOBODY; while knots stand. */
int32_t proofs_find_tid(const struct proofs *proofs, const struct slots *slots, pid_t tid);

/* ---- between the files */

bool proofs_is_proven(const struct slot_now *slot, const struct notebook_track *track, int64_t now);

/* The graph of those that are proven, and the knots in it. Who was not looked at since his owner stands is due.
 */
void proofs_find_knots(struct proofs *proofs, struct slots *slots, const struct tree *tree, int64_t now);

#endif
