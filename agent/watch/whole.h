/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `lifesign agent` shows as a whole: the worst of all its services, with their reasons and sums.
 * Threads: the sampler. Failure: without memory the old snapshot stays.
 */
#ifndef LS_WHOLE_H
#define LS_WHOLE_H

#include "watch/fleet.h"

/* True when an answer of the whole differs from what whole_publish showed last. */
bool whole_follow(const struct fleet *fleet);

void whole_publish(const struct fleet *fleet, int64_t now);

#endif
