/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connected sockets from sock_diag: the second half of sock_diag.h.
 * Threads: the sampler.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "watch/sock_diag.h"
#include "watch/sock_diag_dump.h"

/* TCP states in which somebody is at the other end, or is being asked for. */
enum { CONNECTED_STATES = 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 };

static struct diag_connection *next_connection(struct sock_diag_dump *dump)
{
	struct diag_connection *rows = dump->rows;

	return dump->count < dump->max ? &rows[dump->count++] : NULL;
}

/* So that both families compare alike, also a v6 socket that talks to a v4 peer. */
static void put_address(unsigned char out[16], uint8_t family, const uint32_t address[4])
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (family == AF_INET6) {
		memcpy(out, address, 16);
		return;
	}
	memcpy(out, mapped, sizeof(mapped));
	memcpy(out + sizeof(mapped), address, 4);
}

static void take_inet(struct sock_diag_dump *dump, const struct nlmsghdr *message)
{
	const struct inet_diag_msg *row = NLMSG_DATA(message);
	struct diag_connection *out;

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*row)) || !row->idiag_inode || !(out = next_connection(dump)))
		return;
	*out = (struct diag_connection){.inode = row->idiag_inode, .unread = row->idiag_rqueue, .unsent = row->idiag_wqueue,
		.state = row->idiag_state, .local_port = ntohs(row->id.idiag_sport), .remote_port = ntohs(row->id.idiag_dport)};
	put_address(out->local, row->idiag_family, row->id.idiag_src);
	put_address(out->remote, row->idiag_family, row->id.idiag_dst);
}

static void take_unix(struct sock_diag_dump *dump, const struct nlmsghdr *message)
{
	const struct unix_diag_msg *row = NLMSG_DATA(message);
	const struct rtattr *peer, *queue;
	struct diag_connection *out;

	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*row)))
		return;
	peer = sock_diag_attribute(message, sizeof(*row), UNIX_DIAG_PEER);
	if (!peer || RTA_PAYLOAD(peer) < sizeof(uint32_t) || !(out = next_connection(dump)))
		return;
	*out = (struct diag_connection){.inode = row->udiag_ino, .peer = *(const uint32_t *)RTA_DATA(peer), .state = row->udiag_state,
		.is_unix = true};
	out->is_named = sock_diag_attribute(message, sizeof(*row), UNIX_DIAG_NAME) != NULL;
	queue = sock_diag_attribute(message, sizeof(*row), UNIX_DIAG_RQLEN);
	if (queue && RTA_PAYLOAD(queue) >= sizeof(struct unix_diag_rqlen)) {
		const struct unix_diag_rqlen *length = RTA_DATA(queue);

		out->unread = length->udiag_rqueue;
		out->unsent = length->udiag_wqueue;
	}
}

/* ---- the two ends of a loopback connection */

/* The same for both ends. */
static int by_tuple(const void *a, const void *b)
{
	const struct diag_connection *left = *(struct diag_connection *const *)a, *right = *(struct diag_connection *const *)b;
	unsigned left_ports = (unsigned)left->local_port + left->remote_port, right_ports = (unsigned)right->local_port + right->remote_port;
	unsigned left_product = (unsigned)left->local_port ^ left->remote_port, right_product = (unsigned)right->local_port ^ right->remote_port;

	if (left_ports != right_ports)
		return left_ports < right_ports ? -1 : 1;
	return left_product < right_product ? -1 : left_product > right_product;
}

static bool are_ends(const struct diag_connection *one, const struct diag_connection *other)
{
	return one->local_port == other->remote_port && one->remote_port == other->local_port &&
	       memcmp(one->local, other->remote, 16) == 0 && memcmp(one->remote, other->local, 16) == 0;
}

/* Within a run of equal keys, which is a handful. */
static void join_ends(struct diag_connection *rows, unsigned count)
{
	struct diag_connection **order = malloc(count * sizeof(struct diag_connection *));

	if (!order)
		return; /* peers stay unknown, which counts as elsewhere */
	for (unsigned i = 0; i < count; i++)
		order[i] = &rows[i];
	qsort(order, count, sizeof(struct diag_connection *), by_tuple);
	for (unsigned i = 0; i < count; i++) {
		for (unsigned j = i + 1; j < count && j < i + 64 && by_tuple(&order[i], &order[j]) == 0; j++) {
			if (!are_ends(order[i], order[j]))
				continue;
			order[i]->peer = order[j]->inode;
			order[j]->peer = order[i]->inode;
		}
	}
	free(order);
}

int sock_diag_connections(int fd, struct diag_connection *out, unsigned max)
{
	struct sock_diag_dump dump = {.fd = fd, .row = take_inet, .rows = out, .max = max};
	int ret = sock_diag_dump_inet(&dump, AF_INET, CONNECTED_STATES), v6 = sock_diag_dump_inet(&dump, AF_INET6, CONNECTED_STATES);
	int local;

	join_ends(out, dump.count);
	dump.row = take_unix;
	local = sock_diag_dump_unix(&dump, 1U << 1, UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN);
	return ret < 0 && v6 < 0 && local < 0 ? ret : (int)dump.count;
}

void sock_diag_remote_text(const struct diag_connection *connection, char *out, unsigned bytes)
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
	char host[INET6_ADDRSTRLEN] = "?";

	if (connection->is_unix) {
		(void)snprintf(out, bytes, "a unix socket");
	} else if (memcmp(connection->remote, mapped, sizeof(mapped)) == 0) {
		(void)inet_ntop(AF_INET, connection->remote + 12, host, sizeof(host));
		(void)snprintf(out, bytes, "%s:%u", host, connection->remote_port);
	} else {
		(void)inet_ntop(AF_INET6, connection->remote, host, sizeof(host));
		(void)snprintf(out, bytes, "[%s]:%u", host, connection->remote_port);
	}
}
