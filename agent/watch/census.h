/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over /proc for all services: every process of this pid namespace with its parent, and whose it
 * is. Owners are set at the top of each tree (census_set) and inherited by descendants. What is nobody's and has
 * been there for a while is listed, but read now and then only: a machine has many of these.
 * Threads: the sampler. Memory: two arrays that grow with the number of processes and are kept.
 */
#ifndef LS_CENSUS_H
#define LS_CENSUS_H

#include <stdint.h>
#include <sys/types.h>

enum { CENSUS_NOBODY = -1 };

struct census_row {
	pid_t pid, parent;
	uint64_t start_ns; /* CLOCK_BOOTTIME ns */
	uint64_t inode;    /* of its directory in /proc, which no other process under this pid will have */
	int64_t read;      /* `now` of the pass that read what stands here */
	char name[16];
	char state;
	int32_t owner; /* valid after census_spread */
	int32_t next;  /* index of the owner's next process, -1 = last */
};

/* Lists /proc anew; every row is nobody's. `now` is CLOCK_BOOTTIME ns. 0 or -errno (then the old rows stand). */
int census_take(int64_t now);

/* The process and its descendants belong to `owner` (0 or more), or to nobody; the nearest ancestor decides. */
void census_set(pid_t pid, int32_t owner);

/* The same if it is still the process that began then. */
void census_set_same(pid_t pid, uint64_t start_ns, int32_t owner);

/* The same for those children of `parent` that began after `since_ns` and whose name begins so. */
void census_set_young(pid_t parent, const char *name, uint64_t since_ns, int32_t owner);

/* The same for each child of `parent` that was not set before; `parent` itself stays as it is. */
void census_set_children(pid_t parent, int32_t owner);

/* Hands owners down and links each owner's processes, all of them as read in this pass; owners are below `owners`. */
void census_spread(int32_t owners);

/* Walks one owner's processes, in rising order of pid; NULL at the end. */
const struct census_row *census_first(int32_t owner);
const struct census_row *census_next(const struct census_row *row);

#endif
