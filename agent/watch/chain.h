/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A proof in words: who waits for what, held by whom, round to the beginning; for status, log and people.
 * Threads: the sampler.
 */
#ifndef LS_CHAIN_H
#define LS_CHAIN_H

#include "watch/service.h"

/* The worst knot there is: its chain into the snapshot, and the same in words as the detail of its reasons. */
void chain_fill(struct snapshot *out, const struct service *service);

/* The words of the worst knot; empty when there is none. */
void chain_words(const struct service *service, char *out, size_t bytes);

/* Once a tick: has the locks of a new proof named, and logs its words when they are, or after a moment; once each. */
void chain_tell(struct service *service, int64_t now);

#endif
