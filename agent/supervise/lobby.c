/* SPDX-License-Identifier: Apache-2.0 */
#include "supervise/lobby.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "lifesign/segment.h"
#include "supervise/listen.h"
#include "supervise/names.h"

enum { BACKLOG = 4096, A_TURN = 64 }; /* many services start at once when a machine does */

/* The shim gives up after 20 ms; what it says comes with its connection. */
#define SPEAK_NS (40 * NS_PER_MS)

/* Ours to replace: a socket on which nobody listens. */
static bool is_stale(const struct sockaddr_un *address)
{
	struct stat found;
	bool refused;
	int fd;

	if (lstat(address->sun_path, &found) < 0 || !S_ISSOCK(found.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	refused = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 && errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	return refused;
}

static int bind_anew(int fd, const struct sockaddr_un *address)
{
	mode_t before = umask(0111); /* rw for all: the directory decides who gets here */
	int ret = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	if (ret == -EADDRINUSE && is_stale(address)) {
		(void)unlink(address->sun_path); /* if that fails, bind says so again */
		ret = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	}
	(void)umask(before);
	if (ret == 0 && listen(fd, BACKLOG) < 0)
		ret = -errno;
	return ret;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void lobby_leave(struct lobby *lobby)
{
	for (unsigned i = 0; i < LOBBY_PEERS; i++)
		close_one(&lobby->peers[i].fd);
	close_one(&lobby->fd);
	close_one(&lobby->events);
}

static void listen_for(struct lobby *lobby, int operation)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = LOBBY_PEERS};

	if (epoll_ctl(lobby->events, operation, lobby->fd, &event) == 0)
		lobby->deaf = operation == EPOLL_CTL_DEL;
}

static int open_socket(struct lobby *lobby, const struct sockaddr_un *address)
{
	int lock = listen_lock_directory(address->sun_path), ret;

	lobby->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	lobby->events = epoll_create1(EPOLL_CLOEXEC);
	ret = lobby->fd < 0 || lobby->events < 0 ? -errno : bind_anew(lobby->fd, address);
	if (ret == 0)
		listen_for(lobby, EPOLL_CTL_ADD);
	if (lock >= 0)
		close(lock);
	return ret;
}

int lobby_open(struct lobby *out, const char *directory, struct members *members)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat made = {0};
	int ret;

	*out = (struct lobby){.fd = -1, .events = -1, .members = members};
	for (unsigned i = 0; i < LOBBY_PEERS; i++)
		out->peers[i].fd = -1;
	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s%s", directory, SEGMENT_JOIN_PATH) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	ret = open_socket(out, &address);
	if (ret < 0) {
		lobby_leave(out);
		return ret;
	}
	(void)snprintf(out->path, sizeof(out->path), "%s", address.sun_path);
	if (lstat(out->path, &made) == 0) { /* else it is not removed at the end, and replaced next time */
		out->device = made.st_dev;
		out->inode = made.st_ino;
	}
	return 0;
}

void lobby_close(struct lobby *lobby)
{
	struct stat now;

	if (lobby->events < 0)
		return; /* never opened */
	if (lobby->fd >= 0 && lstat(lobby->path, &now) == 0 && now.st_dev == lobby->device && now.st_ino == lobby->inode)
		(void)unlink(lobby->path);
	lobby_leave(lobby);
}

static void admit(struct lobby *lobby, int fd, struct join_hello *hello)
{
	struct segment_grant grant = {.magic = SEGMENT_MAGIC};
	struct member *member;
	struct peer peer;

	hello->service[JOIN_TEXT - 1] = hello->program[JOIN_TEXT - 1] = '\0';
	if (peer_ask(fd, hello, &peer) < 0)
		return;
	member = members_admit(lobby->members, &peer, hello);
	if (!member)
		return;
	grant.bytes = member->segment.bytes;
	/* in another pid namespace its own number: that is what its children will count by */
	grant.pid = member->news.unseen_pids ? hello->pid : (uint32_t)peer.pid;
	(void)names_send_fd(fd, &grant, sizeof(grant), member->segment.fd); /* else it has given up already */
}

/* True while it has not spoken and still may. */
static bool hear(struct lobby *lobby, struct lobby_peer *peer)
{
	struct join_hello hello;
	ssize_t got = peer->fd < 0 ? 0 : recv(peer->fd, &hello, sizeof(hello), MSG_DONTWAIT | MSG_TRUNC);

	if (got < 0 && (errno == EAGAIN || errno == EINTR) && clock_mono_ns() < peer->until)
		return true;
	if (got == (ssize_t)sizeof(hello) && hello.magic == JOIN_MAGIC)
		admit(lobby, peer->fd, &hello);
	close_one(&peer->fd);
	return false;
}

/* A free one, else that of the peer which has been silent for longest: who means it speaks at once. */
static unsigned find_place(struct lobby *lobby)
{
	unsigned oldest = 0;

	for (unsigned i = 0; i < LOBBY_PEERS; i++) {
		if (lobby->peers[i].fd < 0)
			return i;
		if (lobby->peers[i].until < lobby->peers[oldest].until)
			oldest = i;
	}
	close_one(&lobby->peers[oldest].fd);
	return oldest;
}

/* False when there is nobody any more, or nobody can be taken. */
static bool take_one(struct lobby *lobby)
{
	int fd = accept4(lobby->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct epoll_event event = {.events = EPOLLIN};
	struct lobby_peer *peer;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			listen_for(lobby, EPOLL_CTL_DEL); /* until the next tick: it would wake us all the time */
		return errno == ECONNABORTED || errno == EINTR;
	}
	event.data.u32 = find_place(lobby);
	peer = &lobby->peers[event.data.u32];
	*peer = (struct lobby_peer){fd, clock_mono_ns() + SPEAK_NS};
	if (hear(lobby, peer) && epoll_ctl(lobby->events, EPOLL_CTL_ADD, fd, &event) < 0)
		close_one(&peer->fd);
	return true;
}

void lobby_serve(struct lobby *lobby)
{
	struct epoll_event events[LOBBY_PEERS + 1];
	int count = epoll_wait(lobby->events, events, LOBBY_PEERS + 1, 0);

	for (int i = 0; i < count; i++) {
		if (events[i].data.u32 < LOBBY_PEERS)
			(void)hear(lobby, &lobby->peers[events[i].data.u32]);
	}
	for (unsigned i = 0; count > 0 && i < A_TURN && take_one(lobby); i++)
		;
}

void lobby_tick(struct lobby *lobby)
{
	int64_t now = clock_mono_ns();

	for (unsigned i = 0; i < LOBBY_PEERS; i++) {
		if (lobby->peers[i].fd >= 0 && now >= lobby->peers[i].until)
			(void)hear(lobby, &lobby->peers[i]);
	}
	if (lobby->deaf)
		listen_for(lobby, EPOLL_CTL_ADD);
}
