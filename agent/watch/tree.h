/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of one service, taken from the census each second; what is known of a process stays with
 * its row while it lives.
 * Threads: the sampler. Memory: one table that grows up to TREE_PROCESSES rows.
 */
#ifndef LS_TREE_H
#define LS_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "judge/ladder.h"
#include "judge/record.h"
#include "watch/reach.h"
#include "watch/view.h"

enum { TREE_PROCESSES = 2048, TREE_EXE = 64, TREE_WHY = 256 };

struct process_row {
	pid_t pid, parent, ns_pid;
	uint64_t start_ns; /* CLOCK_BOOTTIME ns; with pid the identity */
	int64_t seen_ns;   /* when the agent first saw it */
	int64_t looked;    /* when its ids and program were last read */
	uid_t uid;
	gid_t gid;
	char name[16];         /* comm */
	char exe[TREE_EXE];    /* base name under which the program was started, or comm when it cannot be read */
	uint64_t image;        /* of the program that runs now: another value after each exec; 0 unreadable */
	char state;            /* of the main thread */
	enum process_role role;
	enum coverage coverage;
	bool coverage_known, coverage_told;
	int64_t uncovered;     /* CLOCK_BOOTTIME ns since when the shim is not found in it, 0 = it is */
	char why[TREE_WHY];    /* why it is not covered by the shim and what to do */
	bool readable;         /* its memory can be read */
	bool readable_known;
	uint64_t cpu_ticks, resident_bytes;
	uint32_t thread_count;
	/* the shim's entry for it, when there is one */
	bool entered;
	uint64_t entry_stamp;
	uint32_t entry_index; /* in the segment's process table */
	uint32_t libc, entry_flags;
	uint64_t asked_stamp;     /* the entry_stamp for which waits_past_libc was found out */
	bool waits_past_libc;     /* its program makes its system calls itself: Go */
	uint64_t entry_witness;   /* where its memory holds entry_stamp while the program that made the entry runs */
	uint64_t net_ns;          /* inode of its network namespace; 0: ours, or not known */
	bool unseen;              /* of a pid namespace that we do not see: pid is its own there, /proc has nothing of it */
	bool listens;             /* holds a listening socket */
	int64_t sockets_looked;   /* when its descriptors were last looked at */
	struct ladder_process ladder; /* what the ladder keeps of it */
	enum held_code gate;      /* what kept it from running when that was last asked; HELD_NO */
	uint64_t cpu_ns, switches; /* of all its threads, at `usage_read` */
	int64_t usage_read, gate_read; /* CLOCK_BOOTTIME ns, 0 never */
	bool keep;                /* found in the present pass */
};

struct tree {
	struct process_row *rows;
	unsigned count, room;
	uint64_t retired_cpu_ticks; /* of processes that have ended */
	bool full;                  /* some found no row */
};

/* Takes the processes of `owner` over from the census: new rows are added, gone ones dropped; row 0 is the main
 * process if it lives. */
void tree_refresh(struct tree *tree, int32_t owner, pid_t main, int64_t now);
/* The same for a service in a pid namespace that we do not see: its processes are what the segment's table says. */
void tree_refresh_unseen(struct tree *tree, const struct view *view, const char *name, int64_t now);
void tree_end(struct tree *tree);

struct process_row *tree_find(const struct tree *tree, pid_t pid);

struct reach_target tree_target(const struct process_row *row);

#endif
