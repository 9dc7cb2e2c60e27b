/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config_suggest.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dependency_table.h"
#include "cli/commands.h"
#include "watch/procfs.h"
#include "watch/sock_diag.h"

enum { PROCESSES = 4096, INODES = 65536, PEERS = 64, CONNECTIONS = 16384, LISTENERS = 4096 };

/* owner: main; too large for a stack */
static struct {
	pid_t pids[PROCESSES];
	unsigned pid_count;
	uint64_t inodes[INODES];
	unsigned inode_count;
	struct diag_listener listeners[LISTENERS];
	int listener_count;
	struct diag_connection connections[CONNECTIONS];
	int connection_count;
} seen;

enum { PEER_TEXT = 128 };

struct peer {
	char address[PEER_TEXT]; /* HOST:PORT, or the path of a unix socket */
	uint16_t port;
	unsigned count;
};

static bool is_known(pid_t pid)
{
	for (unsigned i = 0; i < seen.pid_count; i++)
		if (seen.pids[i] == pid)
			return true;
	return false;
}

/* Children are numbered behind their parents, as a rule; twice is enough for the exceptions. */
static void find_descendants(void)
{
	for (unsigned pass = 0; pass < 2; pass++) {
		DIR *proc = opendir("/proc");
		struct dirent *entry;

		while (proc && (entry = readdir(proc))) {
			pid_t pid = (pid_t)atoi(entry->d_name);
			struct proc_stat stat;

			if (pid > 0 && !is_known(pid) && seen.pid_count < PROCESSES && !proc_thread_stat(pid, pid, &stat) && is_known(stat.parent))
				seen.pids[seen.pid_count++] = pid;
		}
		if (proc)
			closedir(proc);
	}
}

/* False: its descriptors may not be read. */
static bool take_sockets(pid_t pid)
{
	char path[64], link[64];
	struct dirent *entry;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return errno != EACCES;
	while ((entry = readdir(dir))) {
		ssize_t got = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		if (got <= 8 || strncmp(link, "socket:[", 8) != 0 || seen.inode_count == INODES)
			continue;
		link[got] = '\0';
		seen.inodes[seen.inode_count++] = strtoull(link + 8, NULL, 10);
	}
	closedir(dir);
	return true;
}

static bool is_ours(uint64_t inode)
{
	for (unsigned i = 0; i < seen.inode_count; i++)
		if (seen.inodes[i] == inode)
			return true;
	return false;
}

static bool is_own_port(uint16_t port)
{
	for (int i = 0; i < seen.listener_count; i++)
		if (seen.listeners[i].port == port && is_ours(seen.listeners[i].inode))
			return true;
	return false;
}

static bool same_network(pid_t pid)
{
	struct stat one, other;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	return !stat(path, &one) && !stat("/proc/self/ns/net", &other) && one.st_ino == other.st_ino;
}

static int look(pid_t pid)
{
	int fd;

	seen.pids[seen.pid_count++] = pid;
	find_descendants();
	for (unsigned i = 0; i < seen.pid_count; i++)
		if (!take_sockets(seen.pids[i]))
			return -EPERM;
	fd = sock_diag_open(same_network(pid) ? 0 : pid);
	if (fd < 0)
		return fd;
	seen.listener_count = sock_diag_listeners(fd, seen.listeners, LISTENERS);
	seen.connection_count = sock_diag_connections(fd, seen.connections, CONNECTIONS);
	close(fd);
	return 0;
}

/* Those that a unix socket's path tells. */
static enum dependency_kind kind_of_path(const char *path)
{
	static const struct {
		const char *part;
		enum dependency_kind kind;
	} rows[] = {{"/.s.PGSQL.", DEPENDENCY_POSTGRES}, {"redis", DEPENDENCY_REDIS}, {"valkey", DEPENDENCY_REDIS},
		{"mysql", DEPENDENCY_MYSQL}, {"maria", DEPENDENCY_MYSQL}, {"memcache", DEPENDENCY_MEMCACHED}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (strstr(path, rows[i].part))
			return rows[i].kind;
	return DEPENDENCY_KINDS;
}

/* The path that the socket of this inode, the accepted end, has of its listener. */
static bool find_path(uint64_t inode, char out[PEER_TEXT])
{
	char name[64], line[256];
	FILE *list;
	bool found = false;

	(void)snprintf(name, sizeof(name), "/proc/%d/net/unix", seen.pids[0]);
	list = fopen(name, "re");
	while (list && !found && fgets(line, sizeof(line), list)) {
		uint64_t number;

		found = sscanf(line, "%*s %*s %*s %*s %*s %*s %" SCNu64 " %127s", &number, out) == 2 && number == inode && *out == '/';
	}
	if (list)
		(void)fclose(list); /* was only read */
	return found && kind_of_path(out) != DEPENDENCY_KINDS;
}

/* False: it is nobody who can be asked. */
static bool name_peer(const struct diag_connection *one, char out[PEER_TEXT])
{
	if (one->state != 1 || !is_ours(one->inode) || is_ours(one->peer))
		return false;
	if (one->is_unix)
		return one->peer && find_path(one->peer, out);
	sock_diag_remote_text(one, out, PEER_TEXT);
	return !is_own_port(one->local_port);
}

/* Whom it is connected to by itself, each once. */
static unsigned find_peers(struct peer peers[PEERS])
{
	unsigned count = 0;

	for (int i = 0; i < seen.connection_count; i++) {
		char address[PEER_TEXT];
		unsigned at = 0;

		if (!name_peer(&seen.connections[i], address))
			continue;
		while (at < count && strcmp(peers[at].address, address) != 0)
			at++;
		if (at == count && count < PEERS) {
			peers[count] = (struct peer){.port = seen.connections[i].remote_port};
			memcpy(peers[count++].address, address, sizeof(address));
		}
		if (at < count)
			peers[at].count++;
	}
	return count;
}

static enum dependency_kind kind_of(uint16_t port)
{
	for (unsigned kind = 0; kind < DEPENDENCY_PEERS; kind++)
		for (unsigned i = 0; i < DEPENDENCY_SCHEMES && dependency_kinds[kind].schemes[i].name; i++)
			if (dependency_kinds[kind].schemes[i].port == port)
				return (enum dependency_kind)kind;
	return port == 8080 || port == 8081 || port == 3000 ? DEPENDENCY_HTTP : DEPENDENCY_TCP;
}

static void print_unix_peer(const struct peer *peer, unsigned number)
{
	enum dependency_kind kind = kind_of_path(peer->address);
	const char *name = dependency_kinds[kind].name, *file = strrchr(peer->address, '/');

	printf("  # %u connection%s to unix:%s\n", peer->count, peer->count == 1 ? "" : "s", peer->address);
	if (kind == DEPENDENCY_POSTGRES)
		printf("  - {name: %s%u, kind: %s, url: \"postgresql://USER@/DATABASE?host=%.*s&port=%s\"}\n", name, number, name,
			(int)(file - peer->address), peer->address, file + strlen("/.s.PGSQL."));
	else
		printf("  - {name: %s%u, kind: %s, url: \"unix://%s%s\"}\n", name, number, name,
			kind == DEPENDENCY_MYSQL ? "USER@" : "", peer->address);
}

static void print_peer(const struct peer *peer, unsigned number)
{
	static const char *const rest[DEPENDENCY_KINDS] = {[DEPENDENCY_POSTGRES] = "/DATABASE", [DEPENDENCY_REDIS] = "/0"};
	enum dependency_kind kind = kind_of(peer->port);
	const char *name = dependency_kinds[kind].name;
	bool asks_user = kind == DEPENDENCY_POSTGRES || kind == DEPENDENCY_MYSQL;

	printf("  # %u connection%s to %s%s\n", peer->count, peer->count == 1 ? "" : "s", peer->address,
		kind == DEPENDENCY_TCP ? ": what it is, its port does not tell; a bare connect proves little" : "");
	printf("  - {name: %s%u, kind: %s, url: \"%s://%s%s%s\"}\n", name, number, name, dependency_kinds[kind].schemes[0].name,
		asks_user ? "USER@" : "", peer->address, rest[kind] ? rest[kind] : "");
	if (asks_user)
		printf("  #   passwordFile: /run/secrets/%s%u   # never the password itself\n", name, number);
}

static void print_listeners(void)
{
	uint16_t first = 0;

	for (int i = 0; i < seen.listener_count; i++) {
		const struct diag_listener *one = &seen.listeners[i];

		if (!is_ours(one->inode) || !one->port)
			continue;
		printf("# listens on %s (room for %u in its queue)\n", one->address, one->backlog);
		first = first ? first : one->port;
	}
	if (first)
		printf("startup: {port: %u}   # ready once this port accepts\n", first);
	else
		printf("# startup: {port: none}   # it listens on no port\n");
}

int config_suggest(pid_t pid)
{
	struct peer peers[PEERS];
	struct proc_stat stat;
	unsigned count;
	int ret;

	if (proc_thread_stat(pid, pid, &stat)) {
		cli_complain("no such process: %d", pid);
		return EXIT_NO_AGENT;
	}
	ret = look(pid);
	if (ret < 0) {
		cli_complain("process %d may not be looked at (%s): run this as its user, or with CAP_SYS_PTRACE", pid,
			strerror(-ret));
		return EXIT_NOT_PERMITTED;
	}
	printf("# Made by `lifesign config suggest %d` from what the process and its children have open now.\n"
	       "# Look at each line, then try it: lifesign config check FILE; lifesign probe NAME --config FILE\n",
		pid);
	print_listeners();
	count = find_peers(peers);
	printf("\n# class: hard gates readiness, soft (the default) degrades, info reports: begin with soft.\n"
	       "# Addresses are of the moment: put names in their places.\n%s",
		count ? "dependencies:\n" : "# dependencies: it is connected to nobody now\n");
	for (unsigned i = 0; i < count; i++)
		(*peers[i].address == '/' ? print_unix_peer : print_peer)(&peers[i], i + 1);
	return 0;
}
