/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/census.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "watch/procfs.h"

/* Marks in `owner` before the spread. */
enum { UNDECIDED = -2 };

/* Deeper trees than this are cut: their leaves are nobody's. */
enum { DEPTH = 256 };

/* What is nobody's stays as it was read for so long, once it has settled: a young one may run another program. */
#define KEEP_NS (30 * NS_PER_SECOND)
#define YOUNG_NS (10 * NS_PER_SECOND)

struct pass {
	struct census_row *rows; /* by rising pid */
	unsigned count, room;
};

static struct pass present, past; /* owner: the sampler */
static int64_t taken;             /* `now` of the present pass */
static int32_t *first;            /* first[o]: index of owner o's first process, -1 = none */
static int32_t firsts;

static int by_pid(const void *a, const void *b)
{
	return ((const struct census_row *)a)->pid - ((const struct census_row *)b)->pid;
}

static struct census_row *find_in(const struct pass *pass, pid_t pid)
{
	struct census_row key = {.pid = pid};

	return pass->count ? bsearch(&key, pass->rows, pass->count, sizeof(key), by_pid) : NULL;
}

static struct census_row *find(pid_t pid)
{
	return find_in(&present, pid);
}

static bool read_row(struct census_row *row)
{
	struct proc_stat stat;

	row->read = taken;
	row->state = 'X';
	if (proc_thread_stat(row->pid, row->pid, &stat) < 0) /* the thread's file: the process's sums over all threads */
		return false;
	row->parent = stat.parent;
	row->start_ns = stat.start_ns;
	row->state = stat.state;
	memcpy(row->name, stat.name, sizeof(row->name));
	return true;
}

static bool can_stay(const struct census_row *row, uint64_t inode)
{
	return row->inode == inode && row->owner == CENSUS_NOBODY && taken - row->read < KEEP_NS &&
	       taken - (int64_t)row->start_ns >= YOUNG_NS;
}

static struct census_row *new_row(void)
{
	if (present.count == present.room) {
		unsigned room = present.room ? present.room * 2 : 256;
		struct census_row *grown = realloc(present.rows, room * sizeof(*grown));

		if (!grown)
			return NULL;
		present.rows = grown;
		present.room = room;
	}
	return &present.rows[present.count];
}

static void take_process(pid_t pid, uint64_t inode, void *unused)
{
	const struct census_row *known = find_in(&past, pid);
	struct census_row *row = new_row();

	(void)unused;
	if (!row)
		return;
	*row = known && can_stay(known, inode) ? *known : (struct census_row){.pid = pid, .inode = inode};
	row->owner = UNDECIDED;
	row->next = -1;
	if (row->read || read_row(row))
		present.count++;
}

/* Whoever lost his parent has another one; nobody is older than his parent. */
static void read_orphans(void)
{
	for (unsigned i = 0; i < present.count; i++) {
		struct census_row *row = &present.rows[i];
		const struct census_row *parent = row->read != taken && row->parent ? find(row->parent) : row;

		if (!parent || parent->start_ns > row->start_ns)
			(void)read_row(row); /* gone meanwhile: state X */
	}
}

static bool is_sorted(void)
{
	for (unsigned i = 1; i < present.count; i++) {
		if (present.rows[i - 1].pid >= present.rows[i].pid)
			return false;
	}
	return true;
}

static void swap_passes(void)
{
	struct pass other = past;

	past = present;
	present = other;
}

int census_take(int64_t now)
{
	int ret;

	swap_passes();
	present.count = 0;
	taken = now;
	ret = proc_each_known(take_process, NULL);
	if (ret < 0) {
		swap_passes();
		return ret;
	}
	if (!is_sorted()) /* /proc lists them in rising order */
		qsort(present.rows, present.count, sizeof(*present.rows), by_pid);
	read_orphans();
	return 0;
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
	for (unsigned i = 0; i < present.count; i++) {
		if (present.rows[i].parent == parent && present.rows[i].start_ns >= since_ns && strncmp(present.rows[i].name, name, strlen(name)) == 0)
			present.rows[i].owner = owner;
	}
}

void census_set_children(pid_t parent, int32_t owner)
{
	for (unsigned i = 0; i < present.count; i++) {
		if (present.rows[i].parent == parent && present.rows[i].owner == UNDECIDED)
			present.rows[i].owner = owner;
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
	for (unsigned i = present.count; i-- > 0;) { /* backwards: each list then rises */
		struct census_row *row = &present.rows[i];

		decide(row);
		if (row->owner < 0 || row->owner >= owners)
			continue;
		if (row->read != taken)
			(void)read_row(row); /* it was nobody's */
		row->next = first[row->owner];
		first[row->owner] = (int32_t)i;
	}
}

const struct census_row *census_first(int32_t owner)
{
	return owner < firsts && first[owner] >= 0 ? &present.rows[first[owner]] : NULL;
}

const struct census_row *census_next(const struct census_row *row)
{
	return row->next >= 0 ? &present.rows[row->next] : NULL;
}
