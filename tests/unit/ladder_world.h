/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small service for the tests of the ladder: threads and processes that a test sets by hand, and time that it
 * lets pass. Every step is a sample of 100 ms, with fresh looks at the kernel unless the test says otherwise.
 */
#ifndef LADDER_WORLD_H
#define LADDER_WORLD_H

#include <string.h>

#include "judge/calls.h"
#include "judge/ladder.h"

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)
#define TICK (100 * MS)

enum {
	WORLD_THREADS = 12,
	WORLD_PROCESSES = 8,
	OP_LOCK = 1,
	OP_COND = 10,
	OP_JOIN = 17,
	OP_POLL = 40,
	OP_EPOLL = 44,
	OP_SLEEP = 63,
	OP_READ = 80,
	OP_RECV = 90,
	OP_ACCEPT = 98,
	OP_CONNECT = 100,
	OP_FSYNC = 120
};

struct world {
	struct ladder ladder;
	struct ladder_frame frame;
	struct ladder_out out;
	struct verdicts verdicts;
	struct ladder_look looks[WORLD_THREADS];
	struct ladder_process_look processes[WORLD_PROCESSES];
	struct ladder_process states[WORLD_PROCESSES];
	struct ladder_marks marks[WORLD_PROCESSES];
	struct ladder_clock clocks[WORLD_THREADS];
	struct ladder_pool pools[WORLD_THREADS + 1];
	uint32_t order[WORLD_THREADS];
	bool stale; /* nobody asks the kernel */
	bool observe;
};

static inline void world_init(struct world *world)
{
	memset(world, 0, sizeof(*world));
	world->ladder = (struct ladder){.clocks = world->clocks, .marks = world->marks, .pools = world->pools};
	world->frame = (struct ladder_frame){
		.now = 1000 * SECOND,
		.passed = TICK,
		.limits = {.loop_blocked = 30 * SECOND,
			.loop_spinning = 60 * SECOND,
			.no_progress = 30 * SECOND},
		.looks = world->looks,
		.order = world->order,
		.pools = WORLD_THREADS,
		.processes = world->processes,
	};
}

static inline uint32_t add_process(struct world *world, enum process_role role)
{
	uint32_t at = world->frame.process_count++;

	world->processes[at] = (struct ladder_process_look){.start = at + 1,
		.state = &world->states[at],
		.role = role,
		.covered = true,
		.listens = role != PROCESS_CHILD};
	return at;
}

/* At home. */
static inline uint32_t add_thread(struct world *world, uint32_t process, enum thread_role role)
{
	uint32_t at = world->frame.count++;

	world->order[at] = at;
	world->looks[at] = (struct ladder_look){
		.claim = 100 + at,
		.entries = 10,
		.op = role == THREAD_LISTENER ? OP_ACCEPT
		      : role == THREAD_LOOP   ? OP_EPOLL
					      : OP_COND,
		.process = process,
		.role = role,
		.state = THREAD_IDLE,
		.accepts = role == THREAD_LOOP || role == THREAD_LISTENER,
		.on = WAIT_EVENTS,
		.waits_for = LADDER_NOBODY,
		.kernel_state = 'S',
		.syscall = 232,
	};
	return at;
}

static inline void goes(
	struct world *world, uint32_t thread, uint32_t op, enum wait_on on, enum thread_state state)
{
	struct ladder_look *look = &world->looks[thread];

	look->entries++;
	look->op = op;
	look->on = on;
	look->state = state;
	look->object = 0x1000 + (uint64_t)thread * 0x100;
	look->waits_for = LADDER_NOBODY;
	look->timed = op == OP_SLEEP;
	look->kernel_state = 'S';
	look->in_futex = op == OP_LOCK || op == OP_COND || op == OP_JOIN;
	look->futex = look->in_futex ? look->object : 0;
	look->syscall = look->in_futex ? 202 : 0;
	look->switches++;
}

static inline void waits(struct world *world, uint32_t thread, uint32_t op, enum wait_on on)
{
	goes(world, thread, op, on,
		op == OP_SLEEP                       ? THREAD_SLEEP
		: on == WAIT_LOCK || on == WAIT_WAKE ? THREAD_LOCK
						     : THREAD_IO);
}

static inline void goes_home(struct world *world, uint32_t thread)
{
	goes(world, thread, OP_EPOLL, WAIT_EVENTS, THREAD_IDLE);
}

/* On the CPU, in no call. */
static inline void computes(struct world *world, uint32_t thread)
{
	goes(world, thread, 0, WAIT_NONE, THREAD_RUNNING);
	world->looks[thread].entries--; /* a call was left, none entered */
	world->looks[thread].kernel_state = 'R';
	world->looks[thread].syscall = LADDER_NO_SYSCALL;
}

static inline void look_at_kernel(struct world *world)
{
	for (unsigned i = 0; i < world->frame.count && !world->stale; i++) {
		struct ladder_look *look = &world->looks[i];

		look->kernel_read = world->frame.now;
		look->kernel_entries = look->entries;
		look->kernel_op = look->op;
		if (look->kernel_state == 'R') {
			look->cpu_ns += (uint64_t)world->frame.passed;
			world->processes[look->process].cpu_ns += (uint64_t)world->frame.passed;
		}
	}
	for (unsigned i = 0; i < world->frame.process_count && !world->stale; i++) {
		world->processes[i].usage_read = world->frame.now;
		world->processes[i].switches = 0;
		for (unsigned thread = 0; thread < world->frame.count; thread++)
			world->processes[i].switches +=
				world->looks[thread].process == i ? world->looks[thread].switches : 0;
	}
}

static inline void tick(struct world *world)
{
	world->frame.now += world->frame.passed;
	look_at_kernel(world);
	ladder_step(&world->ladder, &world->frame, &world->out);
	world->verdicts = (struct verdicts){
		.verdict = VERDICT_ALIVE, .live_ok = true, .ready_ok = true, .startup_ok = true};
	ladder_tell(&world->out, world->observe, world->frame.now, &world->verdicts);
}

static inline void pass(struct world *world, int64_t time)
{
	for (int64_t done = 0; done < time; done += world->frame.passed)
		tick(world);
}

static inline const struct ladder_stand *found(const struct world *world, enum ladder_row row)
{
	for (unsigned i = 0; i < world->out.count; i++) {
		if (world->out.findings[i].row == row)
			return &world->out.findings[i].stand;
	}
	return NULL;
}

static inline enum ladder_level level(const struct world *world, enum ladder_row row)
{
	return found(world, row) ? found(world, row)->level : LEVEL_NONE;
}

static inline enum held_code held(const struct world *world, enum ladder_row row)
{
	return found(world, row) ? found(world, row)->held : HELD_NO;
}

static inline bool says(const struct reason_list *list, enum reason_code code)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (list->items[i].code == code)
			return true;
	}
	return false;
}

static inline bool dead(const struct world *world)
{
	return world->verdicts.verdict == VERDICT_DEAD;
}

/* A service of one process that is one loop. */
static inline uint32_t one_loop(struct world *world)
{
	world_init(world);
	add_process(world, PROCESS_MAIN);
	return add_thread(world, 0, THREAD_LOOP);
}

#endif
