/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what was seen of a service to the three answers. Pure: no clock, no I/O, no allocation; the same
 * facts always give the same verdict, and no reason stands without its fact.
 */
#ifndef LS_VERDICT_H
#define LS_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "judge/record.h"
#include "judge/startup.h"

enum { VERDICT_REASONS = 16 };

/* What the service uses of what it may have; watch/limits.h. */
enum measure { MEASURE_QUEUE, MEASURE_MEMORY, MEASURE_THREADS, MEASURE_FDS, MEASURES };

struct service_measure {
	int64_t since; /* 0: all is well */
	bool gates;    /* near the limit; else it grows without end: shown, degrades */
};

/* The facts of one sample. Times are CLOCK_BOOTTIME ns of when the fact was first seen; 0 = it does not hold. */
struct service_facts {
	int64_t now;
	bool bare;             /* the agent sees no segment */
	bool covered;          /* a process that counts leaves traces: its silence or progress can be read */
	int64_t exited;        /* the main process is gone or a zombie, and no descendant serves */
	int64_t suspended;     /* the main process is stopped (SIGSTOP), or all that take connections */
	int64_t frozen;        /* … its cgroup is frozen */
	int64_t core_dump;     /* … it is dumping core */
	int64_t traced;        /* … a debugger is attached */
	/* what never ends by itself: closed cycles of waits, and locks whose owner is gone (judge/knots.h) */
	int64_t deadlock, orphaned_lock;
	bool deadlock_counts, orphaned_lock_counts; /* it makes the service dead; else it only degrades */
	struct service_measure measures[MEASURES];
	int64_t draining;
	int64_t maintenance;   /* somebody took it out of service */
	int64_t starting;      /* when the main process began, while start-up lasts */
	enum startup_state startup;
	bool port_accepts;     /* bare only: the port of the service takes connections */
	bool port_known;       /* bare only: there is a port to ask */
	bool observe;
};

struct reason {
	enum reason_code code;
	enum held_code held;
	bool minor; /* shown, fails nothing */
	int64_t since;
	unsigned dependency; /* its index + 1; 0: of none */
};

struct reason_list {
	unsigned count;
	struct reason items[VERDICT_REASONS];
};

struct verdicts {
	enum verdict verdict; /* what live says */
	bool live_ok, ready_ok, startup_ok;
	struct reason_list live, ready, startup;
};

/* Not ready once the main process could not run for this long, whoever keeps it from running. */
#define SUSPENDED_NOT_READY_NS INT64_C(2000000000)

/* The code of a measure, a value of enum measure. */
enum reason_code verdict_measure_code(unsigned measure);

void verdict_judge(const struct service_facts *facts, struct verdicts *out);

#endif
