/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/listeners.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "watch/netns.h"

/*
 * A look at the descriptors of a process costs a readlink each, so it is taken when there is a reason: the
 * process is young, or a listening socket came or went anywhere; and now and then without one.
 */
#define LOOK_EVERY_NS (30 * NS_PER_SECOND)
#define YOUNG_NS (10 * NS_PER_SECOND)
#define LOOK_YOUNG_NS (200 * NS_PER_MS)

/* Inbound connections are listed anew at most this often, and only when somebody asks. */
#define INBOUND_EVERY_NS (2 * NS_PER_SECOND)

/* What a process has no namespace of is asked of our own. Whoever asks between refreshes is content with this. */
#define ANY_AGE_NS (INT64_MAX / 2)

static void drop_holders(struct listeners *listeners, pid_t pid)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < listeners->holder_count; i++) {
		if (listeners->holders[i].pid != pid)
			listeners->holders[kept++] = listeners->holders[i];
	}
	listeners->holder_count = kept;
}

static bool is_power_of_two(unsigned count)
{
	return (count & (count - 1)) == 0;
}

static void add_holder(struct listeners *listeners, uint64_t inode, pid_t pid)
{
	unsigned count = listeners->holder_count;

	if (count == LISTENERS_HOLDERS)
		return;
	if (is_power_of_two(count)) { /* room doubles; shrunk and grown again it is asked for what it has */
		struct listener_holder *grown = realloc(listeners->holders, (count ? 2 * count : 1) * sizeof(*grown));

		if (!grown)
			return;
		listeners->holders = grown;
	}
	listeners->holders[count] = (struct listener_holder){inode, pid};
	listeners->holder_count++;
}

static void look_at_descriptors(struct listeners *listeners, const struct netns *netns, struct process_row *row, int64_t now)
{
	static struct reach_socket sockets[REACH_SOCKETS]; /* owner: the sampler */
	struct reach_target target = tree_target(row);
	int count = reach_sockets(&target, sockets, REACH_SOCKETS);

	row->sockets_looked = now;
	row->listens = false;
	drop_holders(listeners, row->pid);
	for (int i = 0; i < count; i++) {
		if (!netns_find(netns, sockets[i].inode))
			continue;
		row->listens = true;
		add_holder(listeners, sockets[i].inode, row->pid);
	}
}

static bool look_is_due(const struct process_row *row, const struct netns *netns, int64_t now)
{
	int64_t every = now - row->seen_ns < YOUNG_NS ? LOOK_YOUNG_NS : LOOK_EVERY_NS;

	return !row->sockets_looked || now - row->sockets_looked >= every || row->sockets_looked <= netns->changed;
}

static void drop_dead_holders(struct listeners *listeners, const struct tree *tree)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < listeners->holder_count; i++) {
		if (tree_find(tree, listeners->holders[i].pid))
			listeners->holders[kept++] = listeners->holders[i];
	}
	listeners->holder_count = kept;
}

static int by_inode_and_pid(const void *a, const void *b)
{
	const struct listener_holder *left = a, *right = b;

	if (left->inode != right->inode)
		return left->inode < right->inode ? -1 : 1;
	return left->pid < right->pid ? -1 : left->pid > right->pid;
}

/* By field: rows have padding, and addresses leftovers behind their end. */
static bool is_same(const struct listener_row *a, const struct listener_row *b)
{
	return a->pid == b->pid && a->socket.inode == b->socket.inode && a->socket.queue == b->socket.queue &&
		a->socket.backlog == b->socket.backlog && strcmp(a->socket.address, b->socket.address) == 0;
}

/* Of all holders of one listener: the main process, or the one with the lowest pid. */
static pid_t holder_of(const struct listener_holder *holders, unsigned count, pid_t main)
{
	for (unsigned i = 0; i < count; i++) {
		if (holders[i].pid == main)
			return main;
	}
	return holders[0].pid;
}

static void put_row(struct listeners *listeners, unsigned at, const struct listener_row *row)
{
	if (at >= listeners->count || !is_same(&listeners->rows[at], row))
		listeners->changed = true;
	listeners->rows[at] = *row;
}

static void join_rows(struct listeners *listeners, const struct netns *netns, pid_t main)
{
	unsigned count = 0, same;

	if (listeners->holder_count > 1) /* without any there is no table */
		qsort(listeners->holders, listeners->holder_count, sizeof(*listeners->holders), by_inode_and_pid);
	for (unsigned i = 0; i < listeners->holder_count && count < LISTENERS; i += same) {
		const struct listener_holder *holder = &listeners->holders[i];
		const struct diag_listener *socket = netns_find(netns, holder->inode);

		for (same = 1; i + same < listeners->holder_count && holder[same].inode == holder->inode; same++)
			;
		if (socket)
			put_row(listeners, count++, &(struct listener_row){.socket = *socket, .pid = holder_of(holder, same, main)});
	}
	if (count != listeners->count)
		listeners->changed = true;
	listeners->count = count;
}

/* Processes of one service share a network, as a rule; the main process's counts where they do not. */
static struct netns *network_of(struct listeners *listeners, const struct tree *tree, int64_t age_ns, int64_t now)
{
	listeners->net_pid = tree->count ? tree->rows[0].pid : 0;
	listeners->net_ns = tree->count ? tree->rows[0].net_ns : 0;
	return netns_get(listeners->net_ns, listeners->net_pid, age_ns, now);
}

void listeners_refresh(struct listeners *listeners, struct tree *tree, int64_t age_ns, int64_t now)
{
	struct netns *netns = network_of(listeners, tree, age_ns, now);

	listeners->changed = false;
	if (!listeners->rows)
		listeners->rows = calloc(LISTENERS, sizeof(*listeners->rows));
	if (!netns || !listeners->rows)
		return;
	drop_dead_holders(listeners, tree);
	for (unsigned i = 0; i < tree->count; i++) {
		if (!tree->rows[i].unseen && look_is_due(&tree->rows[i], netns, now))
			look_at_descriptors(listeners, netns, &tree->rows[i], now);
	}
	join_rows(listeners, netns, tree->count ? tree->rows[0].pid : 0);
}

void listeners_end(struct listeners *listeners)
{
	free(listeners->rows);
	free(listeners->holders);
	free(listeners->inbound);
	*listeners = (struct listeners){0};
}

static int by_inode(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void read_inbound(struct listeners *listeners, int64_t now)
{
	struct netns *netns = netns_get(listeners->net_ns, listeners->net_pid, ANY_AGE_NS, now);
	unsigned count = 0;

	listeners->inbound_read = now;
	if (!listeners->inbound)
		listeners->inbound = calloc(SOCK_DIAG_INBOUND, sizeof(*listeners->inbound));
	if (!netns || netns->fd < 0 || !listeners->inbound)
		return;
	for (unsigned i = 0; i < listeners->count; i++) {
		uint16_t port = listeners->rows[i].socket.port;
		int got = port ? sock_diag_inbound(netns->fd, port, listeners->inbound + count, SOCK_DIAG_INBOUND - count) : 0;

		count += got > 0 ? (unsigned)got : 0;
	}
	qsort(listeners->inbound, count, sizeof(listeners->inbound[0]), by_inode);
	listeners->inbound_count = count;
}

bool listeners_hold(const struct listeners *listeners, uint64_t inode)
{
	for (unsigned i = 0; i < listeners->count; i++) {
		if (listeners->rows[i].socket.inode == inode)
			return true;
	}
	return false;
}

bool listeners_serve(struct listeners *listeners, uint64_t inode, int64_t now)
{
	if (listeners_hold(listeners, inode))
		return true;
	if (!listeners->inbound_read || now - listeners->inbound_read > INBOUND_EVERY_NS)
		read_inbound(listeners, now);
	return listeners->inbound_count &&
	       bsearch(&inode, listeners->inbound, listeners->inbound_count, sizeof(inode), by_inode) != NULL;
}
