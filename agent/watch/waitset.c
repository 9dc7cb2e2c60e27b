/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/waitset.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#include "judge/calls.h"
#include "lifesign/segment.h"

static void add_member(struct waitset *set, int fd)
{
	if (set->count < WAITSET_FDS && fd >= 0)
		set->fds[set->count++] = fd;
}

/* fdinfo of an epoll descriptor has a line "tfd:        5 events: …" for each member. */
static void read_epoll(const struct process_row *row, const struct slot_record *record, struct waitset *set)
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
		add_member(set, (int)strtol(at + 4, NULL, 10));
}

static void read_poll(const struct process_row *row, const struct slot_record *record, struct waitset *set)
{
	struct reach_target target = tree_target(row);
	struct pollfd polled[WAITSET_FDS];
	size_t bytes = record->extra < WAITSET_FDS ? record->extra * sizeof(polled[0]) : sizeof(polled);
	ssize_t got = bytes ? reach_memory(&target, record->object, polled, bytes) : 0;

	for (size_t i = 0; got > 0 && i < (size_t)got / sizeof(polled[0]); i++)
		add_member(set, polled[i].fd);
}

static void read_select(const struct process_row *row, const struct slot_record *record, struct waitset *set)
{
	struct reach_target target = tree_target(row);
	fd_set chosen;
	int limit = record->extra < FD_SETSIZE ? (int)record->extra : FD_SETSIZE;

	FD_ZERO(&chosen);
	if (!record->object || reach_memory(&target, record->object, &chosen, ((size_t)limit + 63) / 64 * 8) <= 0)
		return;
	for (int fd = 0; fd < limit; fd++) {
		if (FD_ISSET(fd, &chosen))
			add_member(set, fd);
	}
}

static void read_one(const struct process_row *row, const struct slot_record *record, struct waitset *set)
{
	(void)row;
	add_member(set, (int)record->object);
}

/* By the beginning of the call's name. `given`: the set is made for one call, it does not outlive it. */
static const struct {
	const char *prefix;
	void (*read)(const struct process_row *row, const struct slot_record *record, struct waitset *set);
	bool given;
} sets[] = {
	{"epoll_", read_epoll, false},
	{"poll", read_poll, true},
	{"ppoll", read_poll, true},
	{"select", read_select, true},
	{"pselect", read_select, true},
	{"accept", read_one, true},
};

bool waitset_read(const struct process_row *row, const struct slot_record *record, struct waitset *out)
{
	const char *op = call_info((uint32_t)(record->call & CALL_OP_MASK))->name;

	*out = (struct waitset){.count = 0};
	for (unsigned i = 0; op && i < sizeof(sets) / sizeof(sets[0]); i++) { /* no name: it has just left the call */
		if (strncmp(op, sets[i].prefix, strlen(sets[i].prefix)) != 0)
			continue;
		sets[i].read(row, record, out);
		out->given = sets[i].given;
		return true;
	}
	return false;
}
