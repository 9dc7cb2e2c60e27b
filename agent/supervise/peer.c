/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if !defined(SO_PEERPIDFD)
#define SO_PEERPIDFD 77 /* since Linux 6.5; the headers may be older */
#endif

#define PID_NAMESPACE_OF_PIDFD _IO(0xff, 5) /* PIDFD_GET_PID_NAMESPACE, since Linux 6.11 */

/* The peer's process even where its pid means nothing to us. */
static int pidfd_of(int fd, pid_t pid)
{
	int pidfd = -1;
	socklen_t bytes = sizeof(pidfd);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &bytes) == 0)
		return pidfd;
	return pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

static uint64_t inode_at(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 ? status.st_ino : 0;
}

static uint64_t namespace_by_pidfd(int pidfd)
{
	int fd = pidfd >= 0 ? ioctl(pidfd, PID_NAMESPACE_OF_PIDFD, 0) : -1;
	struct stat status;
	uint64_t inode = fd >= 0 && fstat(fd, &status) == 0 ? status.st_ino : 0;

	if (fd >= 0)
		close(fd);
	return inode;
}

/* The kernel's word before its own: 0 where the kernel does not tell us (rights, or too old). */
static uint64_t known_namespace(const struct peer *peer)
{
	uint64_t inode = 0;
	char path[64];

	if (peer->pid > 0) {
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", peer->pid);
		inode = inode_at(path);
	}
	return inode ? inode : namespace_by_pidfd(peer->pidfd);
}

bool peer_proc_is_ours(void)
{
	char link[32] = "";

	return readlink("/proc/self", link, sizeof(link) - 1) > 0 && atoi(link) == getpid();
}

int peer_ask(int fd, const struct join_hello *hello, struct peer *out)
{
	struct peer peer = {.own_pid = hello->pid, .own_parent = hello->parent};
	socklen_t bytes = sizeof(struct ucred);
	struct ucred who;
	uint64_t known, ours = inode_at("/proc/self/ns/pid");

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &bytes) < 0)
		return -errno;
	peer.uid = who.uid;
	peer.pidfd = pidfd_of(fd, who.pid);
	peer.pid = peer_proc_is_ours() ? who.pid : 0;
	known = known_namespace(&peer);
	peer.pid_namespace = known ? known : hello->pid_namespace;
	peer.unseen = peer.pid == 0 || (known && ours ? known != ours : hello->pid != (uint32_t)who.pid);
	*out = peer;
	return 0;
}
