/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the ladder share; nobody else includes it. Rows and limits are in ladder_rows.c, kinds of
 * waits and the kernel's witness in ladder_waits.c, each rung in a file of its own. Pure.
 */
#ifndef LS_LADDER_PARTS_H
#define LS_LADDER_PARTS_H

#include "judge/ladder.h"

enum { GROUP_ACCEPTORS, GROUP_CARRIERS, GROUP_PROCESS };
enum { GOOD_SAMPLES = 3 };

#define IO_WAIT_NOT_READY_NS INT64_C(10000000000)
#define PAUSED_AT_MOST_NS INT64_C(60000000000)

struct wait_traits {
	bool loop, pool;        /* may a loop be dead of it, may a pool? */
	bool ownerless;         /* anybody of the service may be whom it waits for */
	bool wakes_for_nothing; /* in such a call a context switch is no progress: signals, lost races */
	enum held_code held;    /* whose fault it is else */
};

struct row_limits {
	int64_t degraded, not_ready, dead; /* INT64_MAX: never */
};

/* One step under way. */
struct climb {
	struct ladder *ladder;
	const struct ladder_frame *frame;
	struct ladder_out *out;
	unsigned away[WAIT_COUNT];      /* threads that stand away from home, by what they wait on */
	int32_t away_first[WAIT_COUNT]; /* the lowest index of them */
	unsigned unsafe;           /* … of which no pool may be dead, or of which the kernel says nothing */
	unsigned working;          /* threads that would serve and are away, standing or not */
	bool moves;                /* a thread entered a call since the last step */
	bool recovered[ROW_COUNT]; /* what was due is so no more, because something moved */
	int64_t lost;              /* of this step's time, by starvation: the most that one lost */
	unsigned marks;            /* used */
};

static inline struct ladder_process *process_of(const struct climb *climb, uint32_t process)
{
	return climb->frame->processes[process].state;
}

const struct wait_traits *wait_traits(enum wait_on on);
struct row_limits row_limits(enum ladder_row row, const struct climb *climb);
enum ladder_level level_of(const struct row_limits *limits, int64_t stood, int64_t worked, bool may_die);

bool look_is_away(const struct ladder_look *look);
/* What the kernel said while the thread was elsewhere says nothing of where it is. */
bool look_is_of_now(const struct ladder_look *look);
bool look_is_asleep(const struct ladder_look *look);
/* The kernel says that it sleeps where the slot says. */
bool look_has_witness(const struct ladder_look *look);

/* What is waited for at the end of the chain of owners; `end`: by whom. */
enum wait_on climb_root(const struct climb *climb, uint32_t index, uint32_t *end);

/* Does the time of this step count for that process? */
bool climb_time_counts(const struct climb *climb, uint32_t process);
void climb_lose(struct climb *climb, int64_t time);
int64_t climb_time(const struct climb *climb, uint32_t process);
/* Why the progress rows of this process do not count now. */
enum held_code climb_held(const struct climb *climb, uint32_t process);

/* The wait of this one is whose peer a reader wants to know. */
void climb_note_peer(struct climb *climb, uint32_t whom);

/* A member of a group stands like this; the worst of each row stays. */
void stand_note(
	struct ladder_process *process, unsigned group, enum ladder_row row, const struct ladder_stand *stand);
bool stand_counts(const struct ladder_stand *stand);

/* Who takes connections, and who may wake somebody that waits for nobody in particular: of each thread one. */
void taker_note(struct climb *climb, const struct ladder_look *look);
void waker_note(struct climb *climb, uint32_t index);
void pool_count(struct climb *climb, const struct ladder_look *look);

void loop_clock(struct climb *climb, uint32_t index);
void loop_rung(struct climb *climb, uint32_t index);
void pool_rung(struct climb *climb);
void tree_rung(struct climb *climb, struct ladder_stand *out);
void backlog_rung(struct climb *climb, struct ladder_stand *out);

#endif
