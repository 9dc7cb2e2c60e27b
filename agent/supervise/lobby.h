/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIR/join: where processes with a bare LD_PRELOAD and LIFESIGN_DIR ask for a segment. Who can reach the socket is
 * decided by the mode of DIR. Nobody is waited for: a peer that says nothing in time is let go.
 * Threads: the supervisor. Failure: -errno. Memory: plain data.
 */
#ifndef LS_LOBBY_H
#define LS_LOBBY_H

#include "base/settings.h"
#include "lifesign/join.h"
#include "supervise/members.h"

enum { LOBBY_PEERS = 64 };

struct lobby_peer {
	int fd; /* -1: free */
	int64_t until; /* CLOCK_MONOTONIC ns */
};

struct lobby {
	int fd;
	int events; /* epoll: `fd`, and peers that have not spoken yet */
	bool deaf;  /* no descriptor for another peer: until the next tick */
	char path[SETTINGS_PATH];
	dev_t device;
	ino_t inode;
	struct lobby_peer peers[LOBBY_PEERS];
	struct members *members;
};

/* -EADDRINUSE: another agent serves there. */
int lobby_open(struct lobby *out, const char *directory, struct members *members);
void lobby_close(struct lobby *lobby);

/* In a new agent: the descriptors alone. */
void lobby_leave(struct lobby *lobby);

/* When `events` is readable: takes who waits, answers who has spoken. */
void lobby_serve(struct lobby *lobby);

/* Each tick: lets go of those who say nothing. */
void lobby_tick(struct lobby *lobby);

#endif
