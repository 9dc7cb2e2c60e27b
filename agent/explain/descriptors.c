/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors in words: files, pipes with their other ends, sockets with their peers and what is unread in
 * them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "explain/explain.h"
#include "watch/netns.h"
#include "watch/procfs.h"

/* Both looks have their own dump; all sockets of one look share it. */
#define DUMP_AGE_NS (EXPLAIN_LOOK_MS / 2 * NS_PER_MS)

static void put_name(pid_t pid, char *out, size_t bytes)
{
	struct proc_stat stat = {.name = "?"};

	(void)proc_process_stat(pid, &stat); /* may have ended: its number is told all the same */
	(void)snprintf(out, bytes, "%s (%d)", stat.name, pid);
}

/* "written by sender (4720)", "read only by this process itself" */
static void put_holders(const struct explain_process *process, const struct explain_holders *holders,
	const char *verb, struct explain_end_of *out)
{
	size_t used = strlen(out->text);
	char who[64];

	if (holders->count == 0) { /* somebody has: the wait would have ended otherwise */
		(void)snprintf(out->text + used, sizeof(out->text) - used, ", its other end is not to be seen");
		return;
	}
	put_name(holders->pids[0], who, sizeof(who));
	if (holders->count == 1 && holders->pids[0] == process->row.pid)
		(void)snprintf(
			who, sizeof(who), "%s this process itself", holders->blind ? "it seems" : "only");
	if (holders->count > 1)
		(void)snprintf(out->text + used, sizeof(out->text) - used, ", %s by %s and %u more", verb, who,
			holders->count - 1);
	else
		(void)snprintf(out->text + used, sizeof(out->text) - used, ", %s by %s", verb, who);
	if (holders->count == 1 && !holders->blind)
		out->peer = holders->pids[0];
}

static void tell_pipe(struct explain *explain, const struct explain_process *process, const char *link,
	enum blocking_way way, struct explain_end_of *out)
{
	(void)snprintf(out->text, sizeof(out->text), "%s pipe",
		way == WAY_OUT  ? "a full"
		: way == WAY_IN ? "an empty"
				: "a");
	if (way != WAY_NONE)
		put_holders(process, explain_holders_of(explain, link, way), way == WAY_IN ? "written" : "read",
			out);
}

static void tell_connection(struct explain *explain, const struct explain_process *process,
	const struct diag_connection *connection, struct explain_end_of *out)
{
	char remote[SOCK_DIAG_ADDRESS], peer[48];

	sock_diag_remote_text(connection, remote, sizeof(remote));
	if (connection->is_unix)
		(void)snprintf(out->text, sizeof(out->text), "a unix socket");
	else
		(void)snprintf(out->text, sizeof(out->text), "socket to %s (%u bytes unread)", remote,
			connection->unread);
	if (!connection->peer)
		return;
	(void)snprintf(peer, sizeof(peer), "socket:[%" PRIu64 "]", connection->peer);
	put_holders(process, explain_holders_of(explain, peer, WAY_NONE), "served", out);
}

static void tell_socket(struct explain *explain, const struct explain_process *process, const char *link,
	struct explain_end_of *out)
{
	uint64_t inode = strtoull(link + strlen("socket:["), NULL, 10);
	int64_t now = clock_boot_ns();
	struct netns *netns = netns_get(process->row.net_ns, process->row.pid, DUMP_AGE_NS, now);
	const struct diag_listener *listener = netns ? netns_find(netns, inode) : NULL;
	const struct diag_connection *connection =
		netns && !listener ? netns_connection(netns, inode, DUMP_AGE_NS, now) : NULL;

	if (listener)
		(void)snprintf(out->text, sizeof(out->text), "%.64s (%u of %u in its queue)", listener->address,
			listener->queue, listener->backlog);
	else if (connection)
		tell_connection(explain, process, connection, out);
	else
		(void)snprintf(out->text, sizeof(out->text), "a socket that is not connected");
}

/* "anon_inode:[eventfd]" is an eventfd to people. */
static void tell_other(const char *link, struct explain_end_of *out)
{
	const char *name = strchr(link, '[');

	if (strncmp(link, "anon_inode:", 11) == 0 && name)
		(void)snprintf(out->text, sizeof(out->text), "%.*s", (int)strcspn(name + 1, "]"), name + 1);
	else
		(void)snprintf(out->text, sizeof(out->text), "%.160s", link);
}

void explain_descriptor(struct explain *explain, const struct explain_process *process, int fd,
	enum blocking_way way, struct explain_end_of *out)
{
	struct reach_target target = tree_target(&process->row);
	char name[REACH_NAME], link[512];

	*out = (struct explain_end_of){0};
	(void)snprintf(name, sizeof(name), "fd/%d", fd);
	if (reach_link(&target, name, link, sizeof(link)) <= 0)
		(void)snprintf(
			out->text, sizeof(out->text), "a descriptor that is closed by now or not to be seen");
	else if (strncmp(link, "pipe:[", 6) == 0)
		tell_pipe(explain, process, link, way, out);
	else if (strncmp(link, "socket:[", 8) == 0)
		tell_socket(explain, process, link, out);
	else
		tell_other(link, out);
	text_sanitize(out->text);
}

/* ---- listeners and what waits for the process */

static void take_listener(struct explain *explain, const struct diag_listener *listener, bool first)
{
	for (unsigned i = 0; i < explain->listener_count; i++) {
		if (explain->listeners[i].first.inode != listener->inode)
			continue;
		explain->listeners[i].now = *listener;
		return;
	}
	if (first && explain->listener_count < EXPLAIN_LISTENERS)
		explain->listeners[explain->listener_count++].first = *listener;
}

static bool came_in(const struct explain *explain, const struct diag_connection *connection)
{
	if (connection->is_unix)
		return connection->is_named;
	for (unsigned i = 0; i < explain->listener_count; i++) {
		if (explain->listeners[i].first.port == connection->local_port && connection->local_port)
			return true;
	}
	return false;
}

static void take_inbound(struct explain *explain, const struct diag_connection *connection, bool first)
{
	explain->inbound.connections += !first;
	if (!connection->unread)
		return;
	if (first && explain->waiting_count < EXPLAIN_WAITING)
		explain->waiting[explain->waiting_count++] = connection->inode;
	for (unsigned i = 0; !first && i < explain->waiting_count; i++) {
		if (explain->waiting[i] != connection->inode)
			continue;
		explain->inbound.waiting++;
		explain->inbound.bytes += connection->unread;
	}
}

void explain_look_sockets(struct explain *explain, bool first)
{
	static struct reach_socket sockets[REACH_SOCKETS]; /* owner: main */
	const struct process_row *row = &explain->processes[0].row;
	struct reach_target target = tree_target(row);
	int count = reach_sockets(&target, sockets, REACH_SOCKETS);
	int64_t now = clock_boot_ns();
	struct netns *netns = count > 0 ? netns_get(row->net_ns, row->pid, DUMP_AGE_NS, now) : NULL;

	for (int i = 0; netns && i < count; i++) {
		const struct diag_listener *listener = netns_find(netns, sockets[i].inode);

		if (listener)
			take_listener(explain, listener, first);
	}
	for (int i = 0; netns && i < count && explain->listener_count; i++) {
		const struct diag_connection *connection =
			netns_connection(netns, sockets[i].inode, DUMP_AGE_NS, now);

		if (connection && came_in(explain, connection))
			take_inbound(explain, connection, first);
	}
}
