/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/serving.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/calls.h"
#include "watch/waitset.h"

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
static enum serving serves(uint64_t inode, bool alone, struct listeners *listeners, int64_t now)
{
	if (!inode)
		return SERVES_NOT;
	if (listeners_hold(listeners, inode))
		return SERVES_ACCEPTS;
	return !alone && listeners_serve(listeners, inode, now) ? SERVES_CARRIES : SERVES_NOT;
}

/* Wake-up pipes and timers beside one connection make no loop: a runtime adds them to whatever its threads wait for. */
static enum serving best_of(const struct process_row *row, const struct waitset *set, struct listeners *listeners, int64_t now)
{
	uint64_t inodes[WAITSET_FDS];
	unsigned sockets = 0;
	enum serving best = SERVES_NOT;

	for (unsigned i = 0; i < set->count; i++) {
		uint64_t inode = socket_inode(row, set->fds[i]);

		if (inode)
			inodes[sockets++] = inode;
	}
	for (unsigned i = 0; i < sockets && best != SERVES_ACCEPTS; i++) {
		enum serving one = serves(inodes[i], set->given && sockets == 1, listeners, now);

		best = one > best ? one : best;
	}
	return best;
}

bool serving_is_possible(uint32_t op)
{
	enum call_class class = call_info(op)->class;

	return class == CLASS_EVENT || class == CLASS_ACCEPT;
}

enum serving serving_look(const struct process_row *row, const struct slot_record *record, struct listeners *listeners, int64_t now)
{
	struct waitset set;

	return waitset_read(row, record, &set) ? best_of(row, &set, listeners, now) : SERVES_NOT;
}
