/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who it is that asks at DIR/join: what the kernel says of it, and of its hello only what the kernel cannot say.
 * Threads: the supervisor. Failure: -errno. Memory: plain data; the pidfd belongs to whoever takes it.
 */
#ifndef LS_PEER_H
#define LS_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lifesign/join.h"

struct peer {
	pid_t pid;              /* as we see it; 0 where we do not see it, or our /proc numbers processes differently */
	uid_t uid;
	int pidfd;              /* -1: none could be had */
	bool unseen;            /* its pids mean nothing here: another pid namespace, coverage `slots` */
	uint64_t pid_namespace; /* inode; by its own word only where the kernel does not tell; 0: unknown */
	uint32_t own_pid, own_parent; /* in that namespace, by its own word */
};

/* `fd` is the connection. */
int peer_ask(int fd, const struct join_hello *hello, struct peer *out);

/* Does /proc number processes as the kernel does for us? */
bool peer_proc_is_ours(void);

#endif
