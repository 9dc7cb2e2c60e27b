/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the slots alone do not tell, asked of the kernel for those threads that need it, a bounded number
 * at a tick: names, the state of threads that are in no wrapped call, what a waiting thread waits for, and
 * whether it waits on the service's front.
 * Threads: the sampler.
 */
#ifndef LS_SUSPECTS_H
#define LS_SUSPECTS_H

#include "watch/listeners.h"
#include "watch/slots.h"

/* How many questions of each kind one tick may still ask, for all services together. */
struct suspects_budget {
	unsigned names, kernels, waits, servings, proofs, witnesses;
};

struct suspects_budget suspects_budget(void);

void suspects_look(struct slots *slots, const struct tree *tree, struct listeners *listeners, int64_t now,
	struct suspects_budget *left);

#endif
