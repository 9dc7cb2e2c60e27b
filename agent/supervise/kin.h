/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who belongs to whom: parents, children, and which child counts as main after COMMAND has daemonized.
 * Threads: the supervisor. Failure: without /proc nobody is known; that errs towards "not ours".
 */
#ifndef LS_KIN_H
#define LS_KIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Process groups that are no part of the service: agents and their readers, the last few of them. */
enum { KIN_HELPERS = 16 };

struct kin_helpers {
	pid_t groups[KIN_HELPERS];
	unsigned next;
};

void kin_add_helper(struct kin_helpers *helpers, pid_t group);

/* Forgets groups that have no member left: their numbers will be somebody else's. */
void kin_forget_helpers(struct kin_helpers *helpers, pid_t current);

bool kin_is_helper(const struct kin_helpers *helpers, pid_t pid);

/* `pid` runs below us and neither is a helper nor was started by one. */
bool kin_is_service(const struct kin_helpers *helpers, pid_t self, pid_t pid);

struct kin_elder {
	pid_t pid; /* 0: no child of the service is left */
	bool leads_session;
	int64_t started; /* CLOCK_BOOTTIME ns */
};

/* The oldest session leader among our children, or, if none leads one, the oldest child. */
struct kin_elder kin_find_elder(const struct kin_helpers *helpers, pid_t self);

#endif
