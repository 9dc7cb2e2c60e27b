/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To which service a process belongs that asks at DIR/join: by its ancestors, and by the kernel's word on who has
 * which segment mapped. What a segment says alone moves nobody into it: its other writers could claim any pid.
 * Threads: the supervisor. Failure: what cannot be read proves nothing.
 */
#ifndef LS_WHOSE_H
#define LS_WHOSE_H

#include "supervise/members.h"
#include "supervise/peer.h"

/* NULL: it begins a service of its own. */
struct member *whose_process(const struct members *members, const struct peer *peer);

#endif
