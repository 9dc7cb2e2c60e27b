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
#include "supervise/reclaim.h"
#include "supervise/segment.h"

struct member {
	struct supervisor_news news; /* what the agent is told; has id, name, main process */
	struct segment segment;
	struct reclaim reclaim;
	int notebook_fd;
	int pidfd;         /* of the main process; -1: none, then /proc is asked */
	uid_t uid;         /* of whoever joined first: only this user takes the name over */
	int64_t main_gone; /* CLOCK_MONOTONIC ns since when the main process is gone and no other was found; 0 = it runs */
	int64_t ended;     /* … when that was final; 0 = not */
	bool told;         /* the present agent knows the present news */
	bool introduced;   /* … and has the descriptors */
};

struct member_claim {
	pid_t pid;          /* as we see it; 0 in a pid namespace that we do not see */
	uint32_t claimed_pid; /* as it sees itself */
	uid_t uid;
	int pidfd;          /* the member's from here on; -1: none could be had */
	const char *name;   /* unique */
	bool named;
};

int member_make(struct member *out, uint32_t id, unsigned slots, const struct member_claim *claim);
int member_adopt(struct member *out, uint32_t id, const struct segment *segment, const struct member_claim *claim);
void member_drop(struct member *member);

/* A service of the same name begins anew: another segment, the same notebook. */
int member_take_over(struct member *member, unsigned slots, const struct member_claim *claim);

/* Does this process belong to it? The main process, or one that has made an entry (seen: and had begun by then). */
bool member_holds(const struct member *member, pid_t pid, uint64_t start_ns);
bool member_holds_unseen(const struct member *member, uid_t uid, uint32_t pid);

/* The main process is gone: looks for a descendant that may take its place (the oldest session leader, else the
 * oldest). True when something that the agent must know has changed. */
bool member_look(struct member *member, int64_t mono);

/* Frees what dead threads left, as often as it is worth. */
void member_tick(struct member *member, int64_t boot);

#endif
