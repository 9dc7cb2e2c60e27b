/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/knock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

/* The connections are listed anew at most this often while a knock waits. */
#define LOOK_EVERY_NS (200 * NS_PER_MS)

/* A connection that is not even in the queue after this long is lost on the way: the queue is full. */
#define ARRIVE_NS NS_PER_SECOND

union any_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un un;
};

void knock_init(struct knock *knock)
{
	*knock = (struct knock){.fd = -1};
}

/* "unix:/path" or "unix:@name" */
static socklen_t unix_address(const char *text, union any_address *out)
{
	size_t length = strlen(text);

	if (length == 0 || length >= sizeof(out->un.sun_path))
		return 0;
	out->un.sun_family = AF_UNIX;
	memcpy(out->un.sun_path, text, length + 1);
	if (*text != '@')
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
	out->un.sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

/* "[::]:80": any address is reached over loopback. */
static socklen_t v6_address(const char *text, uint16_t port, union any_address *out)
{
	char host[INET6_ADDRSTRLEN];
	size_t length = strcspn(text + 1, "]");

	if (length >= sizeof(host))
		return 0;
	memcpy(host, text + 1, length);
	host[length] = '\0';
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_port = htons(port);
	if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) != 1)
		return 0;
	if (IN6_IS_ADDR_UNSPECIFIED(&out->v6.sin6_addr))
		out->v6.sin6_addr = in6addr_loopback;
	return sizeof(out->v6);
}

static socklen_t v4_address(const char *text, uint16_t port, union any_address *out)
{
	char host[INET_ADDRSTRLEN];
	size_t length = strcspn(text, ":");

	if (length >= sizeof(host))
		return 0;
	memcpy(host, text, length);
	host[length] = '\0';
	out->v4.sin_family = AF_INET;
	out->v4.sin_port = htons(port);
	if (inet_pton(AF_INET, host, &out->v4.sin_addr) != 1)
		return 0;
	if (out->v4.sin_addr.s_addr == htonl(INADDR_ANY))
		out->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sizeof(out->v4);
}

/* Its length, 0 when it is none that we can reach. */
static socklen_t address_of(const struct diag_listener *listener, union any_address *out)
{
	memset(out, 0, sizeof(*out));
	if (strncmp(listener->address, "unix:", 5) == 0)
		return unix_address(listener->address + 5, out);
	if (listener->address[0] == '[')
		return v6_address(listener->address, listener->port, out);
	return v4_address(listener->address, listener->port, out);
}

static void give_up(struct knock *knock)
{
	if (knock->fd >= 0)
		close(knock->fd);
	knock->fd = -1;
	knock->state = KNOCK_IMPOSSIBLE;
}

void knock_begin(struct knock *knock, const struct diag_listener *listener, uint64_t net_ns, int64_t now)
{
	union any_address address;
	socklen_t length = net_ns ? 0 : address_of(listener, &address);
	struct stat status;

	if (knock->state == KNOCK_WAITING)
		return;
	*knock = (struct knock){.state = KNOCK_WAITING, .fd = -1, .started = now};
	if (length)
		knock->fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (knock->fd < 0 || fstat(knock->fd, &status) < 0 ||
		(connect(knock->fd, &address.any, length) < 0 && errno != EINPROGRESS)) {
		give_up(knock);
		return;
	}
	knock->inode = status.st_ino;
}

void knock_look(struct knock *knock, struct netns *netns, int64_t now)
{
	const struct diag_connection *ours;

	if (knock->state != KNOCK_WAITING || !netns)
		return;
	ours = netns_connection(netns, knock->inode, LOOK_EVERY_NS, now);
	if (netns->connections_read <= knock->started)
		return; /* a dump of before */
	if (ours && ours->peer) {
		knock_end(knock);
		knock->state = KNOCK_ACCEPTED;
	} else if (now - knock->started > ARRIVE_NS && (!ours || ours->state != 1)) {
		give_up(knock);
	}
}

void knock_end(struct knock *knock)
{
	if (knock->fd >= 0)
		close(knock->fd);
	knock_init(knock);
}
