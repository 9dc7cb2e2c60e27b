/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service that has joined `lifesign agent`: its segment, its notebook, and what is known of its main process.
 * Nobody here is our child: ends are seen through pidfds, which also reach into other pid namespaces.
 * Threads: the supervisor. Failure: -errno, nothing left. Memory: one block a member.
 */
#ifndef LS_MEMBER_H
#define LS_MEMBER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/child.h"
#include "supervise/peer.h"
#include "supervise/reclaim.h"
#include "supervise/roster.h"
#include "supervise/segment.h"

struct member {
	struct supervisor_news news; /* what the agent is told; has id, name, main process */
	struct segment segment;
	struct reclaim reclaim;
	struct roster roster;
	int notebook_fd;
	int pidfd;         /* of the main process; -1: none, then /proc is asked */
	uid_t uid;         /* of whoever joined first: only this user takes the name over */
	uint64_t pid_namespace; /* inode; 0 unknown */
	uint64_t cgroup;        /* its control group when it began, in one number; 0 unknown */
	int64_t began;     /* CLOCK_MONOTONIC ns */
	int64_t main_gone; /* CLOCK_MONOTONIC ns since when the main process is gone and no other was found; 0 = it runs */
	int64_t ended;     /* … when that was final; 0 = not */
	bool told;         /* the present agent knows the present news */
	bool introduced;   /* … and has the descriptors */
	bool announced;    /* in the log */
	bool anew;         /* took its name over */
};

struct member_claim {
	struct peer peer; /* its pidfd is the member's from here on */
	const char *name; /* unique */
	bool named;
};

int member_make(struct member *out, uint32_t id, unsigned slots, const struct member_claim *claim);
int member_adopt(struct member *out, uint32_t id, const struct segment *segment, const struct member_claim *claim);
void member_drop(struct member *member);

/* A service of the same name begins anew: another segment, the same notebook. */
int member_take_over(struct member *member, unsigned slots, const struct member_claim *claim);

/* Is this, which began at start_ns (CLOCK_BOOTTIME), its main process? We saw it join, or proved it ourselves. */
bool member_is_main(const struct member *member, pid_t pid, uint64_t start_ns);

/* Has its segment an entry of that pid? Whoever writes the segment may say so of any: no proof. */
bool member_may_hold(struct member *member, pid_t pid, uint64_t start_ns);
bool member_holds_unseen(const struct member *member, uint32_t pid);

/* Could that orphan come from it? Its main process has just ended, or has the same session. */
bool member_may_have_left(const struct member *member, pid_t pid);

/* Has that process the member's user and control group? */
bool member_is_alike(const struct member *member, pid_t pid);

/* Its main process is gone and no heir was seen: another of its user may have its name. Look first. */
bool member_is_over(const struct member *member);

/* The main process is gone: looks for a descendant that may take its place (the oldest session leader, else the
 * oldest). True when something that the agent must know has changed. */
bool member_look(struct member *member, int64_t mono);

/* Frees what dead threads left, as often as it is worth. */
void member_tick(struct member *member, int64_t boot);

#endif
