/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening sockets that processes of a service hold, with their accept queues; and whether a given
 * socket belongs to the service's front: a listener, or a connection that came in through one.
 * Threads: the sampler. Memory: tables that grow with what the service holds.
 */
#ifndef LS_LISTENERS_H
#define LS_LISTENERS_H

#include <stdbool.h>
#include <stdint.h>

#include "watch/sock_diag.h"
#include "watch/tree.h"

enum { LISTENERS = 64, LISTENERS_HOLDERS = 4096 };

struct listener_row {
	struct diag_listener socket;
	pid_t pid; /* the first process of the tree that holds it */
};

/* Who holds which listener, as found by looking at descriptors. */
struct listener_holder {
	uint64_t inode;
	pid_t pid;
};

struct listeners {
	struct listener_row *rows; /* in rising order of socket inode */
	unsigned count;
	bool changed;
	struct listener_holder *holders; /* sorted by inode, then pid */
	unsigned holder_count;
	uint64_t *inbound; /* sorted inodes */
	unsigned inbound_count;
	int64_t inbound_read; /* CLOCK_BOOTTIME ns */
	uint64_t net_ns;      /* of the processes that were last looked at; 0 = our own */
	pid_t net_pid;        /* one of them */
};

/* Queues not older than `age_ns`, and which of them are the service's (descriptors are looked at when there is
 * reason to). */
void listeners_refresh(struct listeners *listeners, struct tree *tree, int64_t age_ns, int64_t now);
void listeners_end(struct listeners *listeners);

/* Is this socket inode one of the listeners? */
bool listeners_hold(const struct listeners *listeners, uint64_t inode);

/* Does this socket inode take or carry the service's incoming connections? */
bool listeners_serve(struct listeners *listeners, uint64_t inode, int64_t now);

#endif
