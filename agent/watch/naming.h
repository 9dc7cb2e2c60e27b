/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of the locks of a proof: "journal, app+0x20c0". They stand in files that may lie on a disk that
 * hangs, so a child looks, with a deadline; a proof is told without names first, and again with them.
 * Threads: the sampler; the child is forked from it and ends by itself, by its deadline, or with the agent.
 * Failure: no name. Memory: naming_end frees; a child that can't be ended yet is let be, and no other started.
 */
#ifndef LS_NAMING_H
#define LS_NAMING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "state/snapshot.h"
#include "watch/reach.h"

struct naming_object {
	struct reach_target target;
	uint64_t address;
};

struct naming_name {
	pid_t pid;
	uint64_t address;
	char text[SNAPSHOT_SYMBOL];
};

struct naming {
	struct naming_name *names; /* what was asked for last; text is empty where nothing is known */
	unsigned count;
	int64_t asked;  /* CLOCK_BOOTTIME ns, 0: never */
	unsigned ticks; /* since then */
	bool open;      /* the child may still say something */
	int fd;         /* where it does, valid while open */
	pid_t child;    /* not yet waited for, 0 = none */
};

/* Asks for these and forgets what was asked before; what is known of the same ones already is kept. */
void naming_ask(struct naming *naming, const struct naming_object *objects, unsigned count, int64_t now);

/* Once a tick. True when a name was learned. */
bool naming_follow(struct naming *naming, int64_t now);

/* All is said, or was waited for long enough: what is to be told once is told now. */
bool naming_is_settled(const struct naming *naming, int64_t now);

/* "" when it is not known. */
const char *naming_of(const struct naming *naming, pid_t pid, uint64_t address);

void naming_end(struct naming *naming);

#endif
