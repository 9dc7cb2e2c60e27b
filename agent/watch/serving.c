/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/serving.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#include "judge/calls.h"
#include "lifesign/segment.h"

/* A set larger than this is judged by its first members. */
enum { MEMBERS = 128 };

struct members {
	int fds[MEMBERS];
	unsigned count;
};

static void add_member(struct members *members, int fd)
{
	if (members->count < MEMBERS && fd >= 0)
		members->fds[members->count++] = fd;
}

/* fdinfo of an epoll descriptor has a line "tfd:        5 events: …" for each member. */
static void read_epoll(const struct process_row *row, const struct slot_record *record, struct members *members)
{
	static char text[REACH_BYTES + 1]; /* owner: the sampler */
	struct reach_target target = tree_target(row);
	char name[REACH_NAME];
	ssize_t got;

	(void)snprintf(name, sizeof(name), "fdinfo/%d", (int)record->object);
	got = reach_file(&target, name, text, REACH_BYTES);
	if (got <= 0)
		return;
	text[got] = '\0';
	for (const char *at = text; (at = strstr(at, "tfd:")); at += 4)
		add_member(members, (int)strtol(at + 4, NULL, 10));
}

static void read_poll(const struct process_row *row, const struct slot_record *record, struct members *members)
{
	struct reach_target target = tree_target(row);
	struct pollfd set[MEMBERS];
	size_t bytes = record->extra < MEMBERS ? record->extra * sizeof(set[0]) : sizeof(set);
	ssize_t got = bytes ? reach_memory(&target, record->object, set, bytes) : 0;

	for (size_t i = 0; got > 0 && i < (size_t)got / sizeof(set[0]); i++)
		add_member(members, set[i].fd);
}

static void read_select(const struct process_row *row, const struct slot_record *record, struct members *members)
{
	struct reach_target target = tree_target(row);
	fd_set set;
	int limit = record->extra < FD_SETSIZE ? (int)record->extra : FD_SETSIZE;

	FD_ZERO(&set);
	if (!record->object || reach_memory(&target, record->object, &set, ((size_t)limit + 63) / 64 * 8) <= 0)
		return;
	for (int fd = 0; fd < limit; fd++) {
		if (FD_ISSET(fd, &set))
			add_member(members, fd);
	}
}

static void read_one(const struct process_row *row, const struct slot_record *record, struct members *members)
{
	(void)row;
	add_member(members, (int)record->object);
}

/* By the beginning of the call's name. `given`: the set is made for one call, it does not outlive it. */
static const struct {
	const char *prefix;
	void (*read)(const struct process_row *row, const struct slot_record *record, struct members *members);
	bool given;
} sets[] = {
	{"epoll_", read_epoll, false},
	{"poll", read_poll, true},
	{"ppoll", read_poll, true},
	{"select", read_select, true},
	{"pselect", read_select, true},
	{"accept", read_one, true},
};

/* 0 = no socket. */
static uint64_t socket_inode(const struct process_row *row, int fd)
{
	struct reach_target target = tree_target(row);
	char name[REACH_NAME], text[64];

	(void)snprintf(name, sizeof(name), "fd/%d", fd);
	if (reach_link(&target, name, text, sizeof(text)) <= 0 || strncmp(text, "socket:[", 8) != 0)
		return 0;
	return strtoull(text + 8, NULL, 10);
}

/* A wait for one accepted connection alone is a pool's thread that talks to one peer, no loop. */
static bool is_front(uint64_t inode, bool alone, struct listeners *listeners, int64_t now)
{
	if (!inode)
		return false;
	return alone ? listeners_hold(listeners, inode) : listeners_serve(listeners, inode, now);
}

/* Wake-up pipes and timers beside one connection make no loop: a runtime adds them to whatever its threads wait for. */
static bool holds_front(const struct process_row *row, const struct members *members, bool given, struct listeners *listeners, int64_t now)
{
	uint64_t inodes[MEMBERS];
	unsigned sockets = 0;

	for (unsigned i = 0; i < members->count; i++) {
		uint64_t inode = socket_inode(row, members->fds[i]);

		if (inode && !given && is_front(inode, false, listeners, now))
			return true;
		if (inode)
			inodes[sockets++] = inode;
	}
	for (unsigned i = 0; i < sockets && given; i++) {
		if (is_front(inodes[i], sockets == 1, listeners, now))
			return true;
	}
	return false;
}

bool serving_is_possible(uint32_t op)
{
	enum call_class class = call_info(op)->class;

	return class == CLASS_EVENT || class == CLASS_ACCEPT;
}

bool serving_look(const struct process_row *row, const struct slot_record *record, struct listeners *listeners, int64_t now)
{
	const char *op = call_info((uint32_t)(record->call & CALL_OP_MASK))->name;
	struct members members = {.count = 0};
	bool given = false;

	for (unsigned i = 0; op && i < sizeof(sets) / sizeof(sets[0]); i++) { /* no name: it has just left the call */
		if (strncmp(op, sets[i].prefix, strlen(sets[i].prefix)) == 0) {
			sets[i].read(row, record, &members);
			given = sets[i].given;
			break;
		}
	}
	return holds_front(row, &members, given, listeners, now);
}
