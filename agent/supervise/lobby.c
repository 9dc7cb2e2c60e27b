/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/lobby.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "lifesign/segment.h"
#include "supervise/names.h"

enum { BACKLOG = 4096, A_TURN = 64 }; /* many services start at once when a machine does */

/* The shim gives up after 20 ms; what it says comes with its connection. */
#define SPEAK_NS (40 * NS_PER_MS)

#if !defined(SO_PEERPIDFD)
#define SO_PEERPIDFD 77 /* since Linux 6.5; the headers may be older */
#endif

static bool somebody_answers(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool answers = fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return answers;
}

static int bind_anew(int fd, const struct sockaddr_un *address)
{
	mode_t before = umask(0111); /* rw for all: the directory decides who gets here */
	int ret = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	if (ret == -EADDRINUSE && !somebody_answers(address)) {
		(void)unlink(address->sun_path); /* if that fails, bind says so again */
		ret = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	}
	(void)umask(before);
	if (ret == 0 && listen(fd, BACKLOG) < 0)
		ret = -errno;
	return ret;
}

int lobby_open(struct lobby *out, const char *directory, struct members *members)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat made = {0};
	int ret;

	*out = (struct lobby){.members = members};
	for (unsigned i = 0; i < LOBBY_PEERS; i++)
		out->peers[i].fd = -1;
	out->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (out->fd < 0)
		return -errno;
	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s%s", directory, SEGMENT_JOIN_PATH) >= sizeof(address.sun_path))
		ret = -ENAMETOOLONG;
	else
		ret = bind_anew(out->fd, &address);
	if (ret < 0) {
		close(out->fd);
		out->fd = -1;
		return ret;
	}
	(void)snprintf(out->path, sizeof(out->path), "%s", address.sun_path);
	if (lstat(out->path, &made) == 0) { /* else it is not removed at the end, and replaced next time */
		out->device = made.st_dev;
		out->inode = made.st_ino;
	}
	return 0;
}

void lobby_leave(struct lobby *lobby)
{
	for (unsigned i = 0; i < LOBBY_PEERS; i++) {
		if (lobby->peers[i].fd >= 0)
			close(lobby->peers[i].fd);
		lobby->peers[i].fd = -1;
	}
	if (lobby->fd >= 0)
		close(lobby->fd);
	lobby->fd = -1;
}

void lobby_close(struct lobby *lobby)
{
	struct stat now;

	if (lobby->fd >= 0 && lstat(lobby->path, &now) == 0 && now.st_dev == lobby->device && now.st_ino == lobby->inode)
		(void)unlink(lobby->path);
	lobby_leave(lobby);
}

/* The peer's process even where its pid means nothing to us; -1 on kernels that have neither. */
static int pidfd_of(int peer, pid_t pid)
{
	int fd = -1;
	socklen_t bytes = sizeof(fd);

	if (getsockopt(peer, SOL_SOCKET, SO_PEERPIDFD, &fd, &bytes) == 0)
		return fd;
	return pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

static void admit(struct lobby *lobby, int peer, struct join_hello *hello)
{
	struct segment_grant grant = {.magic = SEGMENT_MAGIC};
	struct member *member;
	struct ucred who = {0};
	socklen_t bytes = sizeof(who);

	hello->service[JOIN_TEXT - 1] = hello->program[JOIN_TEXT - 1] = '\0';
	if (getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &bytes) < 0)
		return;
	member = members_admit(lobby->members, who.pid, who.uid, pidfd_of(peer, who.pid), hello);
	if (!member)
		return;
	grant.bytes = member->segment.bytes;
	/* in another pid namespace its own number: that is what its children will count by */
	grant.pid = member->news.unseen_pids ? hello->pid : (uint32_t)who.pid;
	(void)names_send_fd(peer, &grant, sizeof(grant), member->segment.fd); /* else it has given up already */
}

/* True while it has not spoken and still may. */
static bool hear(struct lobby *lobby, struct lobby_peer *peer)
{
	struct join_hello hello;
	ssize_t got = recv(peer->fd, &hello, sizeof(hello), MSG_DONTWAIT | MSG_TRUNC);

	if (got < 0 && (errno == EAGAIN || errno == EINTR) && clock_mono_ns() < peer->until)
		return true;
	if (got == (ssize_t)sizeof(hello) && hello.magic == JOIN_MAGIC)
		admit(lobby, peer->fd, &hello);
	close(peer->fd);
	peer->fd = -1;
	return false;
}

static struct lobby_peer *free_place(struct lobby *lobby)
{
	for (unsigned i = 0; i < LOBBY_PEERS; i++) {
		if (lobby->peers[i].fd < 0)
			return &lobby->peers[i];
	}
	return NULL;
}

bool lobby_serve(struct lobby *lobby)
{
	struct lobby_peer *place;
	bool silent = false;

	for (unsigned i = 0; i < A_TURN && (place = free_place(lobby)); i++) {
		place->fd = accept4(lobby->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (place->fd < 0)
			break;
		place->until = clock_mono_ns() + SPEAK_NS;
		(void)hear(lobby, place);
	}
	for (unsigned i = 0; i < LOBBY_PEERS; i++)
		silent |= lobby->peers[i].fd >= 0 && hear(lobby, &lobby->peers[i]);
	return silent;
}
