/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of judging: what a thread, a process and a verdict can be. Plain data without pointers into
 * anything; watch fills, judge decides, state publishes, serve prints.
 */
#ifndef LS_RECORD_H
#define LS_RECORD_H

#include <stdbool.h>
#include <stdint.h>

enum verdict { VERDICT_UNKNOWN, VERDICT_ALIVE, VERDICT_DEGRADED, VERDICT_DEAD, VERDICT_COUNT };

enum thread_state {
	THREAD_RUNNING, /* on a CPU, wants one, or moved since the last sample */
	THREAD_IDLE,    /* in its home wait */
	THREAD_LOCK,
	THREAD_IO,
	THREAD_SLEEP,
	THREAD_UNSEEN,  /* asleep in the kernel, in no call that the shim sees */
	THREAD_STATE_COUNT
};
enum thread_role { THREAD_MAIN, THREAD_LOOP, THREAD_LISTENER, THREAD_WORKER, THREAD_ROLE_COUNT };
enum process_role { PROCESS_MAIN, PROCESS_WORKER, PROCESS_CHILD, PROCESS_ROLE_COUNT };
enum coverage { COVERAGE_SHIM, COVERAGE_OUTSIDE, COVERAGE_SLOTS, COVERAGE_NONE, COVERAGE_COUNT };

/* The codes of the contract; texts in judge/texts.c. */
enum reason_code {
	REASON_NONE,
	/* live */
	REASON_EXITED,
	REASON_DEADLOCK,
	REASON_ORPHANED_LOCK,
	REASON_LOOP_BLOCKED,
	REASON_LOOP_SPINNING,
	REASON_POOL_EXHAUSTED,
	REASON_NO_PROGRESS,
	REASON_IDLE_WITH_BACKLOG,
	/* ready */
	REASON_DEPENDENCY_WAIT,
	REASON_IO_WAIT,
	REASON_SUSPENDED,
	REASON_FROZEN,
	REASON_CORE_DUMP,
	REASON_STARTING,
	REASON_START_TIMEOUT,
	REASON_DRAINING,
	REASON_MAINTENANCE,
	REASON_DEPENDENCY_DOWN,
	REASON_QUEUE_FULL,
	REASON_MEMORY_PRESSURE,
	REASON_THREAD_LEAK,
	REASON_FD_EXHAUSTION,
	REASON_STALE,
	/* shown, never gating */
	REASON_TRACED,
	REASON_STARVED,
	REASON_PAUSED,
	REASON_FAIL_OPEN,
	REASON_COUNT
};

/* Why a reason does not count now. */
enum held_code {
	HELD_NO,
	HELD_SUSPENDED,
	HELD_TRACED,
	HELD_FROZEN,
	HELD_CORE_DUMP,
	HELD_PAUSED,
	HELD_STARTING,
	HELD_DRAINING,
	HELD_DEPENDENCY_WAIT,
	HELD_IO_WAIT,
	HELD_OBSERVE,
	HELD_COUNT
};

/* What an event of the status is about. */
enum event_what { EVENT_LIVE, EVENT_READY, EVENT_STARTUP, EVENT_AGENT, EVENT_COVERAGE, EVENT_CONFIG, EVENT_DEPENDENCY, EVENT_WHAT_COUNT };

enum target_kind { TARGET_NONE, TARGET_LOCK, TARGET_FD, TARGET_THREAD, TARGET_CHILD, TARGET_ADDRESS };

/* What a thread waits for, as far as known. */
struct wait_target {
	enum target_kind kind;
	uint64_t object; /* address, fd, tid or pid by kind */
	int32_t owner;   /* tid of the thread that holds it, 0 unknown */
	bool timed;      /* ends by itself */
	uint64_t futex;  /* where the kernel says it sleeps, 0 unknown or no futex */
};

struct worker_counts {
	uint32_t live;
	uint64_t started, finished;
	uint32_t peak;
	uint32_t by_state[THREAD_STATE_COUNT];
	uint32_t stuck;
};

/* Texts of the contract for each enum value ("alive", "epoll", …): never NULL for a valid value. */
const char *verdict_text(enum verdict verdict);
const char *thread_state_text(enum thread_state state);
const char *thread_role_text(enum thread_role role);
const char *process_role_text(enum process_role role);
const char *coverage_text(enum coverage coverage);
const char *reason_text(enum reason_code code);
const char *held_text(enum held_code held);   /* HELD_NO: NULL */
const char *event_text(enum event_what what);
bool reason_is_live(enum reason_code code);   /* a check of livez */
bool reason_is_ready(enum reason_code code);  /* a check of readyz */
bool reason_is_startup(enum reason_code code); /* a check of startupz */

#endif
