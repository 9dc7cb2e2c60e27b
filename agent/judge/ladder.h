/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ladder: how long a service may stand before it is degraded, not ready, dead, and on what evidence. One
 * step a sample. Clocks are of time in which the thread could have run; each row needs what its line of the
 * table in ladder_rows.c says. What is proven at once (closed cycles, orphaned locks, exits) is not here:
 * judge/knots.h. Pure: plain data in, plain data out, no allocation; the order of threads and processes changes
 * no answer.
 */
#ifndef LS_LADDER_H
#define LS_LADDER_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/record.h"
#include "judge/verdict.h"

/* What a wait is on, as far as known. ladder_wait_of() tells it from the call alone; who has looked at the
 * descriptor may know better. */
enum wait_on {
	WAIT_NONE,   /* no wait: it computes, or has not been asked */
	WAIT_LOCK,   /* something that has an owner */
	WAIT_WAKE,   /* a wake-up without an owner: condition, semaphore, eventfd */
	WAIT_THREAD, /* another thread's end */
	WAIT_PIPE,   /* a pipe, FIFO or terminal whose other end is no child of the service */
	WAIT_INSIDE, /* a socket whose peer is in the tree */
	WAIT_EVENTS, /* one of several descriptors, none of them external */
	WAIT_TIME,
	WAIT_SIGNAL,
	WAIT_CHILD,    /* a process, or a pipe to one, that the service has begun */
	WAIT_FILE,     /* a file system; also any sleep in D */
	WAIT_EXTERNAL, /* a name, a connection, a socket whose peer is outside of the tree */
	WAIT_UNKNOWN,
	WAIT_COUNT
};

enum { LADDER_NOBODY = -1, LADDER_NO_SYSCALL = -1, LADDER_SYSCALL_UNKNOWN = -2 };

/* One thread as it is now. By slot; what does not change need not be written again. */
struct ladder_look {
	uint64_t claim;   /* whose slot: another value is another thread */
	uint64_t entries; /* outer calls entered */
	uint64_t object;
	uint32_t op;      /* 0: in no call */
	uint32_t process; /* index */
	uint32_t pool;    /* threads of one kind in one process; 0 none; at most `pools` of the frame */
	enum thread_role role;
	enum thread_state state; /* THREAD_IDLE: at home */
	bool accepts; /* it takes connections from a listener itself (else, a loop: it carries accepted ones) */
	bool timed;
	bool rests; /* it sleeps where it always does: a timer, no work */
	enum wait_on on;
	int32_t waits_for; /* index of the thread that owns the lock or is to be joined; LADDER_NOBODY */
	/* the kernel's witness; stays as last read */
	int64_t kernel_read;     /* when: another value is a fresh one; 0 never */
	uint64_t kernel_entries; /* `entries` and `op` at that time: it speaks of this stand only when both are
				    the same */
	uint32_t kernel_op;
	char kernel_state;
	long syscall;   /* LADDER_NO_SYSCALL outside of calls; LADDER_SYSCALL_UNKNOWN cannot be read: no witness
			 */
	bool in_futex;  /* it is the futex call … */
	uint64_t futex; /* … on this address */
	uint64_t cpu_ns, delay_ns, switches; /* totals */
};

struct ladder_process;
struct ladder_process_look {
	uint64_t start;               /* identity: another value is another process */
	uint32_t pid;                 /* for recordings: with `start`, whose `state` it is */
	struct ladder_process *state; /* what the ladder keeps of it */
	enum process_role role;
	bool covered;              /* its threads are seen */
	bool listens;              /* it holds a listener, alone or with others */
	bool queue;                /* … one with connections that nobody has taken yet, … */
	bool dequeued;             /* … of which some were taken since the last step */
	bool unread;               /* an established inbound connection of it has unread bytes */
	enum held_code gate;       /* HELD_SUSPENDED, _TRACED, _FROZEN, _CORE_DUMP, or HELD_NO */
	uint64_t throttled_ns;     /* total of its cgroup */
	int64_t usage_read;        /* when the next two were read: another value is a fresh one */
	uint64_t cpu_ns, switches; /* totals of the whole process; a thread that ends may lower `switches` */
};

/* Limits in ns as configured; 0: that row is never dead. */
struct ladder_limits {
	int64_t loop_blocked, loop_spinning, no_progress;
	int64_t pool_exhausted; /* 0: 60 s, and only when all waits are inside */
	int64_t idle_with_backlog;
};

struct ladder_frame {
	int64_t now;    /* CLOCK_BOOTTIME ns */
	int64_t passed; /* ns since the step before */
	bool voided;    /* the sample proves nothing: judge/sample.h */
	bool starting, draining;
	bool outbound; /* some process of the tree has an outbound connection */
	bool backlog_known,
		backlog_falls; /* of a dependency with `work: true`: asked lately; its value falls */
	int64_t backlog;
	struct ladder_limits limits;
	const struct ladder_look *looks;
	const uint32_t *order; /* indexes of the live ones */
	unsigned count, pools;
	const struct ladder_process_look *processes;
	unsigned process_count;
};

enum ladder_row {
	ROW_NONE,
	ROW_LOOP_BLOCKED,
	ROW_LOOP_SPINNING,
	ROW_POOL_EXHAUSTED,
	ROW_NO_PROGRESS,
	ROW_IDLE_WITH_BACKLOG,
	ROW_COUNT
};
enum ladder_level { LEVEL_NONE, LEVEL_DEGRADED, LEVEL_NOT_READY, LEVEL_DEAD };

/* What the ladder keeps of a thread, a process, and all. Zeroes to begin with, for a whole slot table. */
struct ladder_clock {
	uint64_t claim, entries;
	uint64_t cpu_ns, delay_ns, switches;
	int64_t kernel_read;
	int64_t began;         /* `now` when it was first seen to stand here */
	int64_t stood, worked; /* could have run since; … while work was waiting */
	int64_t left;          /* since when it is away from home, whatever it does; 0: it is not */
	uint32_t op;
	uint8_t good, row; /* fresh looks that agree; what it stands in */
	bool fresh;        /* the kernel was asked in this step */
	bool based;        /* the kernel was asked in this stand: what it says next can be compared */
	bool due, moved;
};

struct ladder_stand {
	enum ladder_level level;
	enum held_code held;
	int64_t since;
	int32_t thread; /* whom to name: index, or LADDER_NOBODY */
};

enum { LADDER_GROUPS = 3 }; /* accepting loops, carrying loops, the process as a whole */

/* Room for the sums of one step. */
struct ladder_marks {
	unsigned members[LADDER_GROUPS];
	enum ladder_level lowest[LADDER_GROUPS];
	struct ladder_stand stands[LADDER_GROUPS][ROW_COUNT][2]; /* [1]: held */
};

struct ladder_process {
	uint64_t start, throttled_ns, cpu_ns, switches;
	int64_t usage_read, throttled; /* the latter: of this step */
	int64_t paused; /* how long it has burnt CPU time while none of its threads entered a call */
	int64_t pool_began, pool_stood, pool_worked;
	uint8_t pool_good, pool_free; /* fresh looks that agree; steps without such a fault */
	enum held_code pool_fault;    /* whose fault it is that all of the pool are away */
	bool pool_due;
	bool quiet; /* between the last two looks at its usage it did not run at all */
	bool moved; /* a thread entered or left a call since the last such look */
	/* of this step */
	bool fresh; /* there is such a look */
	bool spins; /* a loop of it spins: then that is no pause */
	bool work, takes, taker_at_home, has_listener, has_pool, pool_full, pool_moves, pool_outside;
	bool attended; /* somebody waits where connections come */
	bool works;    /* somebody else is at work and goes on by himself, */
	bool carries;  /* … or waits at home for clients: either may wake whoever waits for a wake-up */
	int32_t pool_external, pool_file, pool_first;
	struct ladder_marks *marks; /* NULL: none are kept of per-connection children */
};

struct ladder_learned {
	uint32_t alarms[ROW_COUNT]; /* recoveries after a due verdict, ever: kept in the notebook */
};

struct ladder_whole {
	int64_t began, stood, worked, backlog_began, backlog_stood, backlog_worked;
	uint8_t good, backlog_good;
	bool due, backlog_due;
	bool told[ROW_COUNT]; /* the service was dead of it */
	int64_t span, lost;   /* of the present few seconds, and how much of them was starved away */
	bool starves;
};

struct ladder_pool {
	uint32_t size, away;
};

struct ladder {
	struct ladder_clock *clocks; /* as many as `looks` */
	struct ladder_marks *marks;  /* as many as processes that are not PROCESS_CHILD */
	struct ladder_pool *pools;   /* `pools` + 1 */
	struct ladder_learned learned;
	struct ladder_whole whole;
};

struct ladder_finding {
	enum ladder_row row;
	struct ladder_stand stand;
	bool forgiven; /* by failOpen: it waits for what is down for the siblings, too. Set before it is told */
};

struct ladder_out {
	unsigned count;
	struct ladder_finding findings[2 * ROW_COUNT]; /* worst first */
	int32_t knock; /* process that should be knocked at: a loop stands, and no work waits; LADDER_NOBODY */
	int32_t peer;  /* a thread whose external wait is to be named, LADDER_NOBODY */
	bool starved, paused;  /* shown, never gating */
	enum ladder_row alarm; /* … of which a due verdict was withdrawn in this step, ROW_NONE: none */
};

void ladder_step(struct ladder *ladder, const struct ladder_frame *frame, struct ladder_out *out);

/* Adds what was found to what verdict_judge() has said. */
void ladder_tell(const struct ladder_out *found, bool observe, int64_t now, struct verdicts *out);

/* A proven knot (judge/knots.h; `knot_of` by position in `order`) that is critical: does it make the service
 * dead, or one worker of many? After a ladder_step() with the same frame. */
bool ladder_proof_counts(const struct ladder_frame *frame, const int32_t *knot_of, int32_t knot);

/* The code of a row, and what so many false alarms make of its limit, in percent. */
enum reason_code ladder_code(enum ladder_row row);
unsigned ladder_stretch(uint32_t alarms);

/* What a call alone says about its wait. */
enum wait_on ladder_wait_of(uint32_t op);

#endif
