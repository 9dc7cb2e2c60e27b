/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/netns.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

enum { NAMESPACES = 64, FIRST_ROOM = 256, CONNECTIONS = 65536 };

/* One that nobody asked for so long is forgotten, so that its namespace can end. */
#define FORGET_NS (10 * NS_PER_SECOND)

static struct netns all[NAMESPACES]; /* owner: the sampler; inode 0 in [0] is our own */
static bool used[NAMESPACES];

static int by_socket(const void *a, const void *b)
{
	const struct diag_listener *left = a, *right = b;

	return left->inode < right->inode ? -1 : left->inode > right->inode;
}

static void forget(unsigned index)
{
	if (all[index].fd >= 0)
		close(all[index].fd);
	free(all[index].found);
	free(all[index].connections);
	used[index] = false;
}

static void forget_unasked(int64_t now)
{
	for (unsigned i = 1; i < NAMESPACES; i++) {
		if (used[i] && now - all[i].asked > FORGET_NS)
			forget(i);
	}
}

static struct netns *place_of(uint64_t inode, pid_t pid, int64_t now)
{
	unsigned place = NAMESPACES;

	for (unsigned i = 0; i < NAMESPACES; i++) {
		if (used[i] && all[i].inode == inode)
			return &all[i];
		if (!used[i] && place == NAMESPACES && (i == 0) == (inode == 0))
			place = i;
	}
	if (place == NAMESPACES)
		return NULL;
	used[place] = true;
	all[place] = (struct netns){.inode = inode, .fd = sock_diag_open(inode ? pid : 0), .changed = now};
	return &all[place];
}

static bool make_room(struct netns *netns)
{
	unsigned room = netns->room ? netns->room * 2 : FIRST_ROOM;
	struct diag_listener *grown = realloc(netns->found, room * sizeof(*grown));

	if (!grown)
		return false;
	netns->found = grown;
	netns->room = room;
	return true;
}

/* In any order of the sockets. */
static uint64_t sum_of(const struct netns *netns)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < netns->count; i++)
		sum += netns->found[i].inode * UINT64_C(0x9e3779b97f4a7c15);
	return sum;
}

static void dump(struct netns *netns, int64_t now)
{
	uint64_t before = sum_of(netns);
	int count;

	netns->read = now;
	if (!netns->room && !make_room(netns))
		return;
	do
		count = sock_diag_listeners(netns->fd, netns->found, netns->room);
	while (count == (int)netns->room && netns->room < SOCK_DIAG_LISTENERS && make_room(netns));
	netns->count = count > 0 ? (unsigned)count : 0;
	qsort(netns->found, netns->count, sizeof(*netns->found), by_socket);
	if (sum_of(netns) != before)
		netns->changed = now;
}

struct netns *netns_get(uint64_t inode, pid_t pid, int64_t age_ns, int64_t now)
{
	struct netns *netns;

	forget_unasked(now);
	netns = place_of(inode, pid, now);
	if (!netns)
		return NULL;
	netns->asked = now;
	if (netns->fd >= 0 && (!netns->read || now - netns->read >= age_ns))
		dump(netns, now);
	return netns;
}

const struct diag_listener *netns_find(const struct netns *netns, uint64_t socket)
{
	struct diag_listener key = {.inode = socket};

	return netns->count ? bsearch(&key, netns->found, netns->count, sizeof(key), by_socket) : NULL;
}

static int by_inode(const void *a, const void *b)
{
	const struct diag_connection *left = a, *right = b;

	return left->inode < right->inode ? -1 : left->inode > right->inode;
}

/* The table is as large as it can get, and its pages are there as far as they were used. */
static void dump_connections(struct netns *netns, int64_t now)
{
	int count;

	netns->connections_read = now;
	if (!netns->connections)
		netns->connections = calloc(CONNECTIONS, sizeof(*netns->connections));
	if (!netns->connections || netns->fd < 0)
		return;
	count = sock_diag_connections(netns->fd, netns->connections, CONNECTIONS);
	netns->connection_count = count > 0 ? (unsigned)count : 0;
	qsort(netns->connections, netns->connection_count, sizeof(*netns->connections), by_inode);
}

const struct diag_connection *netns_connection(struct netns *netns, uint64_t socket, int64_t age_ns, int64_t now)
{
	struct diag_connection key = {.inode = socket};

	if (!netns->connections_read || now - netns->connections_read >= age_ns)
		dump_connections(netns, now);
	if (!netns->connection_count)
		return NULL;
	return bsearch(&key, netns->connections, netns->connection_count, sizeof(key), by_inode);
}
