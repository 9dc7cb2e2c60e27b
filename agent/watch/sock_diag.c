/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/sock_diag.h"
#include "watch/sock_diag_dump.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* TCP states as sock_diag numbers them (tcp_states.h of the kernel); unix sockets use the same. */
enum { STATE_ESTABLISHED = 1, STATE_LISTEN = 10 };

struct inet_request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 ask;
};

struct unix_request {
	struct nlmsghdr header;
	struct unix_diag_req ask;
};

static int netlink_open(void)
{
	struct timeval limit = {.tv_usec = 200000};
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)); /* dumps are answered at once */
	return fd;
}

/* A socket stays in the namespace it was made in. Only this thread is there meanwhile. */
static int netlink_open_in(int theirs)
{
	int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), fd;

	if (own < 0)
		return -errno;
	if (setns(theirs, CLONE_NEWNET) < 0) {
		fd = -errno;
		close(own);
		return fd;
	}
	fd = netlink_open();
	if (setns(own, CLONE_NEWNET) < 0)
		abort(); /* whatever this thread asked from here on would be about somebody else's network */
	close(own);
	return fd;
}

int sock_diag_open(pid_t pid)
{
	char path[64];
	int theirs, fd;

	if (pid == 0)
		return netlink_open();
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	theirs = open(path, O_RDONLY | O_CLOEXEC);
	if (theirs < 0)
		return -errno;
	fd = netlink_open_in(theirs);
	close(theirs);
	return fd;
}

/* One datagram of a dump: 1 = more to come, 0 = done, else -errno. */
static int take_datagram(struct sock_diag_dump *dump, const unsigned char *buffer, ssize_t bytes)
{
	const struct nlmsghdr *message = (const void *)buffer;

	for (; NLMSG_OK(message, (size_t)bytes); message = NLMSG_NEXT(message, bytes)) {
		if (message->nlmsg_type == NLMSG_DONE)
			return 0;
		if (message->nlmsg_type == NLMSG_ERROR)
			return -EIO;
		dump->row(dump, message);
	}
	return 1;
}

static int run_dump(struct sock_diag_dump *dump, const void *request, size_t bytes)
{
	static unsigned char buffer[32768] __attribute__((aligned(8))); /* owner: the sampler */
	int more = 1;

	if (send(dump->fd, request, bytes, 0) < 0)
		return -errno;
	while (more > 0) {
		ssize_t got = recv(dump->fd, buffer, sizeof(buffer), 0);

		if (got < 0)
			return -errno;
		more = take_datagram(dump, buffer, got);
	}
	return more;
}

const struct rtattr *sock_diag_attribute(const struct nlmsghdr *message, size_t fixed, unsigned short type)
{
	const struct rtattr *at = (const void *)((const char *)NLMSG_DATA(message) + NLMSG_ALIGN(fixed));
	ssize_t left = (ssize_t)message->nlmsg_len - (ssize_t)NLMSG_LENGTH(NLMSG_ALIGN(fixed));

	for (; left > 0 && RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		if (at->rta_type == type)
			return at;
	}
	return NULL;
}

static struct diag_listener *next_listener(struct sock_diag_dump *dump)
{
	struct diag_listener *rows = dump->rows;

	return dump->count < dump->max ? &rows[dump->count++] : NULL;
}

static void take_inet_listener(struct sock_diag_dump *dump, const struct nlmsghdr *message)
{
	const struct inet_diag_msg *row = NLMSG_DATA(message);
	struct diag_listener *out;
	char host[INET6_ADDRSTRLEN] = "?";

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*row)) || !(out = next_listener(dump)))
		return;
	(void)inet_ntop(row->idiag_family, row->id.idiag_src, host, sizeof(host));
	*out = (struct diag_listener){.inode = row->idiag_inode,
		.queue = row->idiag_rqueue,
		.backlog = row->idiag_wqueue,
		.port = ntohs(row->id.idiag_sport)};
	(void)snprintf(out->address, sizeof(out->address), row->idiag_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, out->port);
}

static void name_unix(const struct rtattr *name, char out[SOCK_DIAG_ADDRESS])
{
	size_t bytes = name ? RTA_PAYLOAD(name) : 0;
	const char *text = name ? RTA_DATA(name) : "";
	bool abstract = bytes && text[0] == '\0';

	if (abstract) {
		text++;
		bytes--;
	}
	(void)snprintf(out, SOCK_DIAG_ADDRESS, "unix:%s%.*s", abstract ? "@" : "", (int)(bytes < 56 ? bytes : 56), text);
}

static void take_unix_listener(struct sock_diag_dump *dump, const struct nlmsghdr *message)
{
	const struct unix_diag_msg *row = NLMSG_DATA(message);
	const struct rtattr *queue;
	struct diag_listener *out;

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*row)) || row->udiag_type != SOCK_STREAM || !(out = next_listener(dump)))
		return;
	*out = (struct diag_listener){.inode = row->udiag_ino};
	name_unix(sock_diag_attribute(message, sizeof(*row), UNIX_DIAG_NAME), out->address);
	queue = sock_diag_attribute(message, sizeof(*row), UNIX_DIAG_RQLEN);
	if (queue && RTA_PAYLOAD(queue) >= sizeof(struct unix_diag_rqlen)) {
		const struct unix_diag_rqlen *length = RTA_DATA(queue);

		out->queue = length->udiag_rqueue;
		out->backlog = length->udiag_wqueue;
	}
}

static void take_inbound(struct sock_diag_dump *dump, const struct nlmsghdr *message)
{
	const struct inet_diag_msg *row = NLMSG_DATA(message);

	if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(*row)) && ntohs(row->id.idiag_sport) == dump->port && row->idiag_inode &&
		dump->count < dump->max)
		((uint64_t *)dump->rows)[dump->count++] = row->idiag_inode;
}

int sock_diag_dump_inet(struct sock_diag_dump *dump, unsigned char family, uint32_t states)
{
	struct inet_request request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.ask = {.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = states},
	};

	request.ask.id.idiag_sport = htons(dump->port); /* the kernel filters by it when it is not 0 */
	return run_dump(dump, &request, sizeof(request));
}

int sock_diag_dump_unix(struct sock_diag_dump *dump, uint32_t states, uint32_t show)
{
	struct unix_request request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.ask = {.sdiag_family = AF_UNIX, .udiag_states = states, .udiag_show = show},
	};

	return run_dump(dump, &request, sizeof(request));
}

int sock_diag_listeners(int fd, struct diag_listener *out, unsigned max)
{
	struct sock_diag_dump dump = {.fd = fd, .row = take_inet_listener, .rows = out, .max = max};
	int ret = sock_diag_dump_inet(&dump, AF_INET, 1U << STATE_LISTEN), v6 = sock_diag_dump_inet(&dump, AF_INET6, 1U << STATE_LISTEN);

	dump.row = take_unix_listener;
	if (ret < 0 && v6 < 0 && sock_diag_dump_unix(&dump, 1U << STATE_LISTEN, UDIAG_SHOW_NAME | UDIAG_SHOW_RQLEN) < 0)
		return ret;
	if (ret >= 0 || v6 >= 0)
		(void)sock_diag_dump_unix(&dump, 1U << STATE_LISTEN, UDIAG_SHOW_NAME | UDIAG_SHOW_RQLEN); /* kernels without unix_diag: TCP is what there is */
	return (int)dump.count;
}

int sock_diag_inbound(int fd, uint16_t port, uint64_t *inodes, unsigned max)
{
	struct sock_diag_dump dump = {.fd = fd, .row = take_inbound, .rows = inodes, .max = max, .port = port};
	int ret = sock_diag_dump_inet(&dump, AF_INET, 1U << STATE_ESTABLISHED);

	if (sock_diag_dump_inet(&dump, AF_INET6, 1U << STATE_ESTABLISHED) < 0 && ret < 0)
		return ret;
	return (int)dump.count;
}
