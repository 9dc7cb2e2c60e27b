/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lifesign maintenance on [--for]`: out of service until a moment, kept on the board so that the next agent knows.
 * Threads: maintenance_ask any; the others the sampler. Failure: none; without a board it ends with the agent.
 */
#ifndef LS_MAINTENANCE_H
#define LS_MAINTENANCE_H

#include <stdint.h>

#include "base/probe_plan.h"
#include "state/snapshot.h"

/* Out of service until then (CLOCK_BOOTTIME ns, INT64_MAX without end, 0 back in service). */
void maintenance_ask(int64_t until);

/* CLOCK_BOOTTIME ns since when, 0 = not. `board` may be NULL. */
int64_t maintenance_since(struct probe_board *board, int64_t now);

/* Says in its reason when it ends. */
void maintenance_fill(struct snapshot *out);

#endif
