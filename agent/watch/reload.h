/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes a changed configuration over: when the file changed (looked at each second) or on request.
 * A file that does not validate changes nothing and says why.
 * Threads: reload_request from any thread, the rest from the sampler.
 */
#ifndef LS_RELOAD_H
#define LS_RELOAD_H

#include "watch/fleet.h"

/* Async-signal-safe; looked at by the next tick. */
void reload_request(void);

void reload_tick(struct fleet *fleet, int64_t now);

#endif
