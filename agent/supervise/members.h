/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All services that have joined: who joins what, under which name, and what the agent is told of them.
 * Threads: the supervisor. Failure: who cannot be taken is told in the log, once a minute.
 * Memory: one block a member; at most MEMBERS of them.
 */
#ifndef LS_MEMBERS_H
#define LS_MEMBERS_H

#include "lifesign/join.h"
#include "supervise/member.h"
#include "supervise/on_dead.h"

enum { MEMBERS = 4096, MEMBERS_OF_A_STRANGER = 256 };

struct members {
	struct member **all;
	unsigned count, room, most;
	uint32_t next_id;
	unsigned slots;    /* of each new segment */
	pid_t self;
	int events;        /* epoll: pidfds, data.u64 = id */
	unsigned turn;     /* whose slots are looked at next */
	unsigned refused;  /* since the last line about it */
	int64_t refused_told;
	/* what the present agent has not been told yet */
	uint32_t *gone;
	unsigned gone_count, gone_room;
	bool agent_told;
	struct on_dead *on_dead;
	int64_t drain_since;
	uint32_t reloads;
};

int members_open(struct members *out, unsigned slots);
void members_close(struct members *members);

/* In a new agent: it maps what it is told of. */
void members_leave(struct members *members);

/* Whose segment a process that asks gets, NULL: it stands aside. Makes a new service of it where it belongs to none.
 * The peer's pidfd becomes the members' own. */
struct member *members_admit(struct members *members, const struct peer *peer, const struct join_hello *hello);

/* One that an earlier supervisor left behind; the segment becomes the members' own on success. 0 or -errno. */
int members_adopt(struct members *members, const struct segment *segment, struct member_claim *claim);

/* Ends that the kernel tells of. */
void members_take_events(struct members *members);

/* Each tick of the supervisor. */
void members_tick(struct members *members);

/* What the agent says of one that is dead; and that a child of ours was reaped: true when it was run for that. */
void members_on_dead_hear(struct members *members, const struct agent_notice *notice);
bool members_on_dead_reaped(struct members *members, pid_t pid, int status);

/* A new agent knows nothing. */
void members_agent_is_new(struct members *members);

/* Tells what is to be told; true when its socket is full and there is more. */
bool members_tell(struct members *members, int news_fd);

#endif
