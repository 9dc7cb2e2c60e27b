/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIR/join: where processes with a bare LD_PRELOAD and LIFESIGN_DIR ask for a segment. Who can reach the socket is
 * decided by the mode of DIR. Nobody is waited for: a peer that says nothing in time is closed.
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

/* Takes who waits, answers who has spoken. True when somebody has yet to speak: come back within a few ms. */
bool lobby_serve(struct lobby *lobby);

#endif
