/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/listeners.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/*
 * A look at the descriptors of a process costs a readlink each, so it is taken when there is a reason: the
 * process is young, or a listening socket came or went anywhere; and now and then without one.
 */
#define LOOK_EVERY_NS (30 * NS_PER_SECOND)
#define YOUNG_NS (10 * NS_PER_SECOND)
#define LOOK_YOUNG_NS (200 * NS_PER_MS)

/* Inbound connections are listed anew at most this often, and only when somebody asks. */
#define INBOUND_EVERY_NS (2 * NS_PER_SECOND)

/* Who holds which listener, as found by looking at descriptors. */
struct holder {
	uint64_t inode;
	pid_t pid;
};

enum { HOLDERS = 4096 };

static struct holder holders[HOLDERS]; /* owner: the sampler */
static unsigned holder_count;
static struct diag_listener found[SOCK_DIAG_LISTENERS];
static int found_count;
static int64_t found_changed; /* CLOCK_BOOTTIME ns: when the set of listening sockets was last another one */

static void drop_holders(pid_t pid)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < holder_count; i++) {
		if (holders[i].pid != pid)
			holders[kept++] = holders[i];
	}
	holder_count = kept;
}

static bool is_listening(uint64_t inode)
{
	for (int i = 0; i < found_count; i++) {
		if (found[i].inode == inode)
			return true;
	}
	return false;
}

static void look_at_descriptors(struct process_row *row, int64_t now)
{
	static struct reach_socket sockets[REACH_SOCKETS]; /* owner: the sampler */
	struct reach_target target = tree_target(row);
	int count = reach_sockets(&target, sockets, REACH_SOCKETS);

	row->sockets_looked = now;
	row->listens = false;
	drop_holders(row->pid);
	for (int i = 0; i < count && holder_count < HOLDERS; i++) {
		if (!is_listening(sockets[i].inode))
			continue;
		row->listens = true;
		holders[holder_count++] = (struct holder){.inode = sockets[i].inode, .pid = row->pid};
	}
}

static bool look_is_due(const struct process_row *row, int64_t now)
{
	int64_t every = now - row->seen_ns < YOUNG_NS ? LOOK_YOUNG_NS : LOOK_EVERY_NS;

	return !row->sockets_looked || now - row->sockets_looked >= every || row->sockets_looked <= found_changed;
}

static void drop_dead_holders(const struct tree *tree)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < holder_count; i++) {
		if (tree_find(tree, holders[i].pid))
			holders[kept++] = holders[i];
	}
	holder_count = kept;
}

static pid_t holder_of(const struct tree *tree, uint64_t inode)
{
	pid_t holder = 0;

	for (unsigned i = 0; i < holder_count; i++) {
		if (holders[i].inode != inode)
			continue;
		if (!holder || (tree->count && holders[i].pid == tree->rows[0].pid))
			holder = holders[i].pid;
	}
	return holder;
}

/* By field: rows have padding, and addresses leftovers behind their end. */
static bool is_same(const struct listener_row *a, const struct listener_row *b)
{
	return a->pid == b->pid && a->socket.inode == b->socket.inode && a->socket.queue == b->socket.queue &&
		a->socket.backlog == b->socket.backlog && strcmp(a->socket.address, b->socket.address) == 0;
}

static void join_rows(struct listeners *listeners, const struct tree *tree)
{
	unsigned count = 0;

	listeners->changed = false;
	for (int i = 0; i < found_count && count < LISTENERS; i++) {
		struct listener_row row = {.socket = found[i], .pid = holder_of(tree, found[i].inode)};

		if (!row.pid)
			continue;
		if (count >= listeners->count || !is_same(&listeners->rows[count], &row))
			listeners->changed = true;
		listeners->rows[count++] = row;
	}
	if (count != listeners->count)
		listeners->changed = true;
	listeners->count = count;
}

static void read_sockets(int64_t now)
{
	static uint64_t sum_before;
	uint64_t sum = 0;

	found_count = sock_diag_listeners(found, SOCK_DIAG_LISTENERS);
	for (int i = 0; i < found_count; i++)
		sum += found[i].inode * UINT64_C(0x9e3779b97f4a7c15); /* in any order */
	if (sum != sum_before)
		found_changed = now;
	sum_before = sum;
}

void listeners_refresh(struct listeners *listeners, struct tree *tree, int64_t now)
{
	read_sockets(now);
	drop_dead_holders(tree);
	for (unsigned i = 0; i < tree->count; i++) {
		if (look_is_due(&tree->rows[i], now))
			look_at_descriptors(&tree->rows[i], now);
	}
	join_rows(listeners, tree);
}

static int by_inode(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void read_inbound(struct listeners *listeners, int64_t now)
{
	unsigned count = 0;

	for (unsigned i = 0; i < listeners->count; i++) {
		uint16_t port = listeners->rows[i].socket.port;
		int got = port ? sock_diag_inbound(port, listeners->inbound + count, SOCK_DIAG_INBOUND - count) : 0;

		count += got > 0 ? (unsigned)got : 0;
	}
	qsort(listeners->inbound, count, sizeof(listeners->inbound[0]), by_inode);
	listeners->inbound_count = count;
	listeners->inbound_read = now;
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
	return bsearch(&inode, listeners->inbound, listeners->inbound_count, sizeof(inode), by_inode) != NULL;
}
