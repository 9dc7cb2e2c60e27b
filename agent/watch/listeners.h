/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening sockets that processes of the service hold, with their accept queues; and whether a given
 * socket belongs to the service's front: a listener, or a connection that came in through one.
 * Threads: the sampler.
 */
#ifndef LS_LISTENERS_H
#define LS_LISTENERS_H

#include <stdbool.h>
#include <stdint.h>

#include "watch/sock_diag.h"
#include "watch/tree.h"

enum { LISTENERS = 64 };

struct listener_row {
	struct diag_listener socket;
	pid_t pid; /* the first process of the tree that holds it */
};

struct listeners {
	struct listener_row rows[LISTENERS];
	unsigned count;
	bool changed;
	uint64_t inbound[SOCK_DIAG_INBOUND]; /* sorted inodes */
	unsigned inbound_count;
	int64_t inbound_read; /* CLOCK_BOOTTIME ns */
};

/* Queues anew, and which of them are the service's (descriptors of processes are looked at every 2 s). */
void listeners_refresh(struct listeners *listeners, struct tree *tree, int64_t now);

/* Is this socket inode one of the listeners? */
bool listeners_hold(const struct listeners *listeners, uint64_t inode);

/* Does this socket inode take or carry the service's incoming connections? */
bool listeners_serve(struct listeners *listeners, uint64_t inode, int64_t now);

#endif
