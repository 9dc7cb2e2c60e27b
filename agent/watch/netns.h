/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening sockets of each network namespace that services live in, read at most so often however many
 * services ask. Namespaces are known by inode; 0 is our own.
 * Threads: the sampler. Failure: a namespace that cannot be asked (no CAP_SYS_ADMIN) has no listeners.
 * Memory: one table for each namespace, kept while it is asked for.
 */
#ifndef LS_NETNS_H
#define LS_NETNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "watch/sock_diag.h"

struct netns {
	uint64_t inode;
	int fd;                      /* netlink; -1: cannot be asked */
	struct diag_listener *found; /* sorted by socket inode */
	unsigned count, room;
	int64_t read;    /* CLOCK_BOOTTIME ns of the last dump */
	int64_t changed; /* when the set of listening sockets was last another one */
	int64_t asked;
	struct diag_connection *connections; /* sorted by socket inode; read when somebody asks */
	unsigned connection_count;
	int64_t connections_read;
};

/* The namespace `inode`, asked through `pid`, which lives there, not older than `age_ns`. NULL: too many, no memory. */
struct netns *netns_get(uint64_t inode, pid_t pid, int64_t age_ns, int64_t now);

/* The connected socket with this inode, from a dump not older than `age_ns`; NULL when there is none. */
const struct diag_connection *netns_connection(struct netns *netns, uint64_t socket, int64_t age_ns, int64_t now);

/* The listener with this socket inode, NULL when it is none. */
const struct diag_listener *netns_find(const struct netns *netns, uint64_t socket);

#endif
