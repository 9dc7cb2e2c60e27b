/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks all dependencies again and again. A cycle begins each period; what began in it shares one absolute deadline.
 * What has not answered by then is published as timed out at that moment, and what holds it is shut down; the
 * attempt itself may come back when it likes, and until then no other one of that dependency begins.
 *
 *   engine.c        cycles, deadlines, the agent's words
 *   engine_slot.c   a dependency: its thread, its attempt
 *   engine_plan.c   what to ask, taken over from the agent without losing what did not change
 *
 * Threads: engine_run is the main thread; one more for each dependency, and the resolver's.
 * Failure: an attempt that is stuck in a library for too long, or a supervisor that is gone, ends the process.
 */
#ifndef LS_ENGINE_H
#define LS_ENGINE_H

#include <pthread.h>
#include <stdbool.h>

#include "base/probe_plan.h"
#include "probe/kinds.h"

/* Between its engine and its thread; all of it under `lock` but what says otherwise. */
struct slot {
	struct dependency of; /* immutable */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	int done; /* eventfd: the engine's */
	bool ending, ended;
	/* the attempt in flight */
	bool asked, running, published; /* published: its deadline has passed, and that was told */
	bool urgent;                    /* the question is out of turn */
	int64_t began, deadline;        /* CLOCK_MONOTONIC ns; of the newest question */
	int64_t flight;                 /* when the attempt that runs began */
	uint64_t cycle;
	struct attempt attempt;
	struct probe_result result; /* the thread's while it runs */
	/* what was found last */
	struct probe_result last;
	bool has_last, unsent;
	_Atomic unsigned failures; /* in a row; the engine looks without the lock */
	/* the engine's own */
	uint32_t index;
	int64_t again; /* CLOCK_MONOTONIC ns when to ask out of turn; INT64_MAX: not */
	/* by engine_plan.c */
	bool kept; /* by a new plan */
};

struct engine {
	int socket, done;
	struct probe_beat *beat;
	const char *modules;
	struct slot *slots[DEPENDENCIES];
	unsigned count;
	uint64_t epoch, cycle, sequence;
	int64_t period_ns, timeout_ns;
	int64_t next_cycle; /* CLOCK_MONOTONIC ns; INT64_MAX: nothing to ask */
	bool first;         /* the next cycle is the second: it is put at any point of the period */
	char service[64];
};

/* Until the supervisor is gone or an attempt is stuck: the status to end with. */
int engine_run(int socket, int beat_fd, const char *modules);

/* ---- engine_slot.c */

/* NULL: no memory, or no thread. */
struct slot *slot_start(const struct dependency *of, int done, const char *modules);

/* Puts the question; false while the one before is in flight: its deadline is moved then. */
bool slot_ask(struct slot *slot, int64_t began, int64_t deadline, uint64_t cycle);

/* Publishes a timeout when the deadline has passed, and frees what waits. Returns when to come again (mono ns,
 * INT64_MAX: not by the clock); *stuck becomes how long it has been in flight. */
int64_t slot_follow(struct slot *slot, int64_t now, int64_t *stuck);

/* A result to be sent; false: none. slot_sent when it was. */
bool slot_take(struct slot *slot, struct probe_result *out);
void slot_sent(struct slot *slot, const struct probe_result *sent);

/* The thread ends by itself once it can; the slot is freed by then. */
void slot_end(struct slot *slot);

/* How many were told so and are still here. */
unsigned slots_leaving(void);

/* ---- engine_plan.c */

/* The plan in the descriptor, which is closed. */
void engine_take_plan(struct engine *engine, int fd);

#endif
