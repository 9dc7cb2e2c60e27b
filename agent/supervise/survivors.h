/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services that outlive the supervisor of `lifesign agent` (killed, upgraded): DIR/agent.services lists what was
 * served, and a new supervisor gets the memory of those that still run through /proc/PID/map_files, where its
 * rights allow (CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE). Others must be restarted to be seen: the log says which.
 * Threads: the supervisor. Failure: a service that is not found again runs on, unwatched.
 */
#ifndef LS_SURVIVORS_H
#define LS_SURVIVORS_H

#include "base/settings.h"
#include "supervise/members.h"

struct survivors {
	char path[SETTINGS_PATH];
	uint64_t written; /* what the file says, in one number */
};

/* At the start: takes over who was left behind. */
void survivors_find(struct survivors *out, const char *directory, struct members *members);

/* Each tick: writes the list when it has changed. */
void survivors_keep(struct survivors *survivors, const struct members *members);

#endif
