/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweep: every tick over all thread slots, told apart from the tick before. What must outlive the
 * agent is in the notebook's tracks; what can be found again is in slot_now.
 * Threads: the sampler. Memory: one row a slot, touched only where a slot is claimed.
 */
#ifndef LS_SLOTS_H
#define LS_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/record.h"
#include "watch/notebook.h"
#include "watch/proof.h"
#include "watch/tree.h"
#include "watch/view.h"

struct slot_now {
	bool live;        /* claimed, of a process of the tree, and not stale */
	bool moved;       /* entered another call since the tick before */
	bool serves;      /* waits on a set that holds a listener or an accepted connection */
	bool accepts;     /* … a listener */
	char kernel_state; /* of /proc, for suspects; 0 not asked */
	char name[16];
	uint32_t row;     /* of the tree, valid while live */
	struct slot_record record;
	enum thread_state state;
	enum thread_role role;
	struct wait_target waits_for;
	struct slot_proof proof;
	int64_t quiet_until; /* CLOCK_BOOTTIME ns: nothing about it is due before, unless it moves */
	int64_t name_read, kernel_read, waits_read, serves_read; /* CLOCK_BOOTTIME ns, 0 never */
};

/* What the sweep compares: one small row a slot, so that a thread that stays costs two cache lines. */
struct slot_seen {
	uint64_t claim;
	uint64_t entries; /* also those that are in slots.beats; kept when the slot is free */
	uint64_t call;
	uint64_t settled; /* 1: nothing changed at the last tick either */
};

struct slots {
	struct view view;
	struct notebook *notebook;
	struct slot_now *now;
	struct slot_seen *seen;
	uint64_t *known;      /* a bit a slot: now[i] holds a record; free slots cost the sweep one load of the segment */
	uint32_t *order;      /* indexes of live slots, by process row and tid; order_count of them */
	uint32_t order_count;
	uint32_t *servers;    /* of these, the loops and listeners; server_count of them, in no order */
	uint32_t server_count;
	uint32_t turn;        /* where the next look at suspects begins */
	uint32_t claimed;     /* slots claimed at the last sweep, live or not */
	bool strangers;       /* some belong to a process that the tree does not know yet */
	bool changed;         /* something differs from the tick before */
	uint64_t beats;       /* sum of entries over all slots (G2), free ones as of `counted_all` */
	uint64_t started;     /* claims ever made, as the segment counts them, at the last sweep of all */
	int64_t counted_all;  /* CLOCK_BOOTTIME ns */
};

/* Takes over the view; 0 or -errno. */
int slots_start(struct slots *slots, int segment_fd, struct notebook *notebook);

/* Unmaps the view and frees the rest; the notebook is its owner's. */
void slots_stop(struct slots *slots);

/* One pass over all slots. */
void slots_sweep(struct slots *slots, int64_t now);

/* A thread was found to be a loop or a listener, which it stays. */
void slots_note_server(struct slots *slots, uint32_t index);

/* Is there a record of this slot? Slots in `order` may lose theirs until the next assignment. */
bool slots_is_known(const struct slots *slots, uint32_t index);

/* After the tree changed: which slots belong to whom, in which order. */
void slots_assign(struct slots *slots, struct tree *tree);

#endif
