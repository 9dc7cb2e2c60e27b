/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/census.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "watch/procfs.h"

/* Marks in `owner` before the spread. */
enum { UNDECIDED = -2 };

/* Deeper trees than this are cut: their leaves are nobody's. */
enum { DEPTH = 256 };

static struct census_row *rows; /* owner: the sampler */
static unsigned count, room;
static int32_t *first; /* first[o]: index of owner o's first process, -1 = none */
static int32_t firsts;

static void take_process(pid_t pid, void *context)
{
	struct proc_stat stat;

	(void)context;
	if (count == room) {
		unsigned more = room ? room * 2 : 256;
		struct census_row *grown = realloc(rows, more * sizeof(*rows));

		if (!grown)
			return;
		rows = grown;
		room = more;
	}
	if (proc_thread_stat(pid, pid, &stat) < 0) /* the thread's file: the process's sums over all threads */
		return;
	rows[count] = (struct census_row){
		.pid = pid, .parent = stat.parent, .start_ns = stat.start_ns, .state = stat.state, .owner = UNDECIDED, .next = -1};
	memcpy(rows[count++].name, stat.name, sizeof(stat.name));
}

static int by_pid(const void *a, const void *b)
{
	return ((const struct census_row *)a)->pid - ((const struct census_row *)b)->pid;
}

static bool is_sorted(void)
{
	for (unsigned i = 1; i < count; i++) {
		if (rows[i - 1].pid >= rows[i].pid)
			return false;
	}
	return true;
}

int census_take(void)
{
	unsigned before = count;
	int ret;

	count = 0;
	ret = proc_each(take_process, NULL);
	if (ret < 0) {
		count = before;
		return ret;
	}
	if (!is_sorted()) /* /proc lists them in rising order */
		qsort(rows, count, sizeof(*rows), by_pid);
	return 0;
}

static struct census_row *find(pid_t pid)
{
	struct census_row key = {.pid = pid};

	return count ? bsearch(&key, rows, count, sizeof(*rows), by_pid) : NULL;
}

void census_set(pid_t pid, int32_t owner)
{
	struct census_row *row = find(pid);

	if (row)
		row->owner = owner;
}

void census_set_same(pid_t pid, uint64_t start_ns, int32_t owner)
{
	struct census_row *row = find(pid);

	if (row && row->start_ns == start_ns)
		row->owner = owner;
}

void census_set_young(pid_t parent, const char *name, uint64_t since_ns, int32_t owner)
{
	for (unsigned i = 0; i < count; i++) {
		if (rows[i].parent == parent && rows[i].start_ns >= since_ns && strncmp(rows[i].name, name, strlen(name)) == 0)
			rows[i].owner = owner;
	}
}

void census_set_children(pid_t parent, int32_t owner)
{
	for (unsigned i = 0; i < count; i++) {
		if (rows[i].parent == parent && rows[i].owner == UNDECIDED)
			rows[i].owner = owner;
	}
}

/* Up to the first ancestor that is decided, then the answer is written on the way back down. */
static void decide(struct census_row *row)
{
	struct census_row *path[DEPTH];
	unsigned depth = 0;
	int32_t owner = CENSUS_NOBODY;

	for (; row && depth < DEPTH; row = row->parent ? find(row->parent) : NULL) {
		if (row->owner != UNDECIDED) {
			owner = row->owner;
			break;
		}
		path[depth++] = row;
	}
	while (depth)
		path[--depth]->owner = owner;
}

static bool make_room_for(int32_t owners)
{
	int32_t *grown;

	if (owners <= firsts)
		return true;
	grown = realloc(first, (size_t)owners * sizeof(*first));
	if (!grown)
		return false;
	first = grown;
	firsts = owners;
	return true;
}

void census_spread(int32_t owners)
{
	if (!make_room_for(owners))
		return;
	for (int32_t i = 0; i < firsts; i++)
		first[i] = -1;
	for (unsigned i = count; i-- > 0;) { /* backwards: each list then rises */
		struct census_row *row = &rows[i];

		decide(row);
		if (row->owner < 0 || row->owner >= owners)
			continue;
		row->next = first[row->owner];
		first[row->owner] = (int32_t)i;
	}
}

const struct census_row *census_first(int32_t owner)
{
	return owner < firsts && first[owner] >= 0 ? &rows[first[owner]] : NULL;
}

const struct census_row *census_next(const struct census_row *row)
{
	return row->next >= 0 ? &rows[row->next] : NULL;
}
