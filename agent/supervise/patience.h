/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When an agent is replaced, and how: pure decisions over what the supervisor measured.
 * An agent is stuck when its beat did not change for PATIENCE_NS of time in which it could have run; time
 * that the whole machine, or the supervisor itself, lost does not count.
 * Threads: any. Memory: plain data.
 */
#ifndef LS_PATIENCE_H
#define LS_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define PATIENCE_NS (2 * NS_PER_SECOND)
#define PATIENCE_LATE_NS (100 * NS_PER_MS)      /* a look later than this measures the machine, not the agent */
#define PATIENCE_CRASH_NS (10 * NS_PER_SECOND)  /* so many crashes … */
#define PATIENCE_BARE_NS (60 * NS_PER_SECOND)   /* a bare agent that lives this long has proved itself */
enum { PATIENCE_CRASHES = 3 };

/* One look at an agent. Times in ns. */
struct patience_look {
	uint64_t beat;
	int64_t mono;      /* CLOCK_MONOTONIC now */
	int64_t late;      /* how much later than planned this look is */
	int64_t suspended; /* CLOCK_BOOTTIME - CLOCK_MONOTONIC */
	int64_t run_delay; /* how long its main thread has waited for a CPU so far; -1 unknown */
};

struct patience {
	struct patience_look last;
	bool looked;
	int64_t silent; /* time without a beat that counts */
};

/* True when the agent is stuck. Start with a zeroed struct for each agent. */
bool patience_look(struct patience *patience, const struct patience_look *look);

/* How an agent ended. */
enum patience_end {
	END_CRASHED, /* by a fault of its own, or stuck */
	END_KILLED,  /* SIGKILL that was not ours: says nothing about the agent */
};

struct patience_crashes {
	int64_t at[PATIENCE_CRASHES]; /* CLOCK_MONOTONIC ns, newest first, 0 = none */
	bool bare;
	int64_t started; /* of the agent that runs */
	unsigned quick;  /* agents in a row that died too soon to have been of any use */
};

#define PATIENCE_QUICK_NS (50 * NS_PER_MS)
#define PATIENCE_QUICK_KILL_NS (5 * NS_PER_MS) /* one that was killed from outside may have answered by then */

void patience_started(struct patience_crashes *crashes, int64_t now);

/* Decides about the next agent: `crashes->bare`, and returns how long to wait before it starts, ns. */
int64_t patience_ended(struct patience_crashes *crashes, int64_t now, enum patience_end end);

#endif
