/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/front.h"

#include <stdlib.h>
#include <string.h>

#include "watch/netns.h"

static int by_pid_and_fd(const void *a, const void *b)
{
	const struct front_row *left = a, *right = b;

	if (left->pid != right->pid)
		return left->pid < right->pid ? -1 : 1;
	return left->fd < right->fd ? -1 : left->fd > right->fd;
}

const struct front_row *front_find(const struct front *front, pid_t pid, int32_t fd)
{
	struct front_row key = {.pid = pid, .fd = fd};

	return front->count ? bsearch(&key, front->rows, front->count, sizeof(key), by_pid_and_fd) : NULL;
}

static bool is_port_of(const struct listeners *listeners, uint16_t port)
{
	for (unsigned i = 0; i < listeners->count; i++) {
		if (port && listeners->rows[i].socket.port == port)
			return true;
	}
	return false;
}

static bool came_in(const struct diag_connection *connection, const struct listeners *listeners)
{
	return connection->is_unix ? connection->is_named : is_port_of(listeners, connection->local_port);
}

/* Bytes that were there before and did not become fewer: nobody read. */
static int64_t waiting_since(const struct front_row *before, const struct front_row *row, int64_t now)
{
	bool same = before && before->inode == row->inode;

	if (!row->unread)
		return 0;
	return same && before->unread_since && before->unread <= row->unread ? before->unread_since : now;
}

static void add_row(struct front *next, const struct process_row *process, const struct reach_socket *socket,
	const struct diag_connection *connection, const struct listeners *listeners)
{
	struct front_row *row;

	if (next->count == FRONT_SOCKETS) {
		next->complete = false;
		return;
	}
	row = &next->rows[next->count++];
	*row = (struct front_row){.inode = connection->inode, .peer = connection->peer, .pid = process->pid, .fd = socket->fd,
		.way = came_in(connection, listeners) ? FRONT_INBOUND : FRONT_OUTBOUND, .unread = connection->unread,
		.state = connection->state};
	sock_diag_remote_text(connection, row->remote, sizeof(row->remote));
}

static void read_process(struct front *next, const struct process_row *process, const struct listeners *listeners,
	struct netns *netns, int64_t now)
{
	static struct reach_socket sockets[REACH_SOCKETS]; /* owner: the sampler */
	struct reach_target target = tree_target(process);
	int count = process->unseen ? -1 : reach_sockets(&target, sockets, REACH_SOCKETS);

	next->complete &= count >= 0 && count < REACH_SOCKETS;
	for (int i = 0; i < count; i++) {
		const struct diag_connection *connection = netns_connection(netns, sockets[i].inode, INT64_MAX, now);

		if (connection)
			add_row(next, process, &sockets[i], connection, listeners);
	}
}

static int by_inode(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

/* Both ends in the tree: whoever waits there waits for the service itself. */
static void find_internal(struct front *next)
{
	uint64_t *inodes = malloc((next->count ? next->count : 1) * sizeof(*inodes));

	if (!inodes)
		return; /* then it counts as somebody else, which accuses nobody */
	for (unsigned i = 0; i < next->count; i++)
		inodes[i] = next->rows[i].inode;
	qsort(inodes, next->count, sizeof(*inodes), by_inode);
	for (unsigned i = 0; i < next->count; i++) {
		struct front_row *row = &next->rows[i];

		if (row->peer && bsearch(&row->peer, inodes, next->count, sizeof(*inodes), by_inode))
			row->way = FRONT_INTERNAL;
	}
	free(inodes);
}

static void follow_inbound(struct front *next, const struct front *before, struct front_row *row, int64_t now)
{
	const struct front_row *was = front_find(before, row->pid, row->fd);

	row->unread_since = waiting_since(was, row, now);
	if (was && was->inode == row->inode)
		row->began = was->began;
	else
		row->began = before->read ? now : 0;
	if (row->unread_since && (!next->unread_since || row->unread_since < next->unread_since))
		next->unread_since = row->unread_since;
	if (row->began == now)
		next->accepted = now;
}

static void sum_up(struct front *next, const struct front *before, int64_t now)
{
	next->accepted = before->accepted;
	for (unsigned i = 0; i < next->count; i++) {
		if (next->rows[i].way == FRONT_OUTBOUND)
			next->outbound++;
		if (next->rows[i].way == FRONT_INBOUND)
			follow_inbound(next, before, &next->rows[i], now);
	}
}

void front_refresh(struct front *front, const struct tree *tree, const struct listeners *listeners, int64_t age_ns, int64_t now)
{
	struct front next = {.read = now, .complete = true};
	struct netns *netns;

	if (front->read && now - front->read < age_ns)
		return;
	netns = netns_get(listeners->net_ns, listeners->net_pid, age_ns, now);
	next.rows = netns ? calloc(FRONT_SOCKETS, sizeof(*next.rows)) : NULL;
	if (!next.rows)
		return;
	(void)netns_connection(netns, 0, age_ns, now); /* one dump for all of them */
	for (unsigned i = 0; i < tree->count; i++)
		read_process(&next, &tree->rows[i], listeners, netns, now);
	qsort(next.rows, next.count, sizeof(*next.rows), by_pid_and_fd);
	find_internal(&next);
	sum_up(&next, front, now);
	free(front->rows);
	*front = next;
}

void front_end(struct front *front)
{
	free(front->rows);
	*front = (struct front){0};
}
