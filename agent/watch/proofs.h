/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which thread waits for which, proven: threads that stand in a lock or a join without a limit are looked at a few
 * times a second; what they wait for is believed once samples half a second apart agree on the call, the object,
 * its owner and the futex in which the kernel has them sleep. From these edges judge/knots.h finds what never ends.
 * Threads: the sampler. Failure: what cannot be read is no edge. Memory: arrays that grow with the suspects.
 */
#ifndef LS_PROOFS_H
#define LS_PROOFS_H

#include "judge/knots.h"
#include "watch/slots.h"
#include "watch/tree.h"

enum { PROOFS_KNOTS = 8 };

struct proofs {
	struct knot_thread *threads; /* one for each of slots.order[] */
	int32_t *knot_of, *seen;
	uint32_t *pool_size, *pool_stuck;
	uint32_t *by_tid; /* positions in slots.order[], sorted by tid */
	unsigned room, count;
	struct knot knots[PROOFS_KNOTS];
	unsigned knot_count;
	bool somebody; /* is proven to wait, as of the last look */
};

/* Looks at who is due, at most `left` of them, then finds the knots anew. */
void proofs_look(struct proofs *proofs, struct slots *slots, const struct tree *tree, int64_t now, unsigned *left);
void proofs_end(struct proofs *proofs);

/* The next one on the chain behind slots.order[at]: its position, or KNOT_NOBODY. */
int32_t proofs_next(const struct proofs *proofs, int32_t at);

#endif
