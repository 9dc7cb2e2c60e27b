/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lifesign agent`: serves whoever joins through DIR, starts nobody. Holds what services and agent share, keeps an
 * agent beside them, ends on TERM after its drain; the services never notice.
 * Threads: one, one poll loop.
 */
#ifndef LS_HOST_H
#define LS_HOST_H

#include "base/settings.h"
#include "supervise/failure.h"

/* Returns the exit status; `why` says why it could not begin. */
int host_run(const struct settings *settings, struct failure *why);

#endif
