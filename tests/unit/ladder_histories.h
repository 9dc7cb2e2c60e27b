/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random histories of a service for tests of the ladder, and books of what really happened in them, kept in the
 * simplest way and apart from the ladder.
 */
#ifndef LADDER_HISTORIES_H
#define LADDER_HISTORIES_H

#include "unit/ladder_world.h"

enum { THREADS = 6, PROCESSES = 3, STEPS = 60, GOOD_LOOKS = 3 };
#define LIMIT (2 * SECOND)

static uint64_t seed;

static unsigned draw(unsigned below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 11) % below;
}

static bool one_in(unsigned many)
{
	return draw(many) == 0;
}

/* What really happened, told in the simplest way. */
struct book {
	int64_t stands[THREADS];   /* since its last call, without time that does not count */
	int64_t burns[THREADS];    /* CPU time since then */
	unsigned looks[THREADS];   /* the kernel was asked so often since */
	int64_t missed[PROCESSES]; /* how long work has been waiting without a gap */
	int64_t untaken[PROCESSES];
};

static struct book book;

/* ---- histories */

static const struct {
	uint32_t op;
	enum wait_on on;
} places[] = {{OP_LOCK, WAIT_LOCK}, {OP_COND, WAIT_WAKE}, {OP_SLEEP, WAIT_TIME}, {OP_READ, WAIT_PIPE},
	{OP_RECV, WAIT_INSIDE}, {OP_READ, WAIT_CHILD}, {OP_RECV, WAIT_EXTERNAL}, {OP_FSYNC, WAIT_FILE},
	{OP_POLL, WAIT_EVENTS}, {OP_READ, WAIT_UNKNOWN}};

/* Histories differ in what is frequent in them: else hardly anybody would ever stand long. */
static struct temper {
	unsigned move, gate, voids, starve, work, outside;
} temper;

static void begin(struct world *w)
{
	static const enum process_role roles[] = {PROCESS_MAIN, PROCESS_WORKER, PROCESS_CHILD};
	static const enum thread_role kinds[] = {THREAD_LOOP, THREAD_LOOP, THREAD_LISTENER, THREAD_WORKER};
	unsigned processes = 1 + draw(PROCESSES), threads = 1 + draw(THREADS);

	world_init(w);
	w->frame.limits =
		(struct ladder_limits){LIMIT, LIMIT, LIMIT, one_in(2) ? LIMIT : 0, one_in(2) ? LIMIT : 0};
	for (unsigned i = 0; i < processes; i++) {
		add_process(w, i ? roles[1 + draw(2)] : PROCESS_MAIN);
		w->processes[i].covered = !one_in(10);
	}
	for (unsigned i = 0; i < threads; i++) {
		uint32_t at = add_thread(w, draw(processes), kinds[draw(4)]);

		w->looks[at].pool = draw(3);
		w->looks[at].accepts &= !one_in(3);
		w->looks[at].cpu_ns = draw(1000);
	}
	temper = (struct temper){
		10 + draw(300), 20 + draw(2000), 10 + draw(1000), 2 + draw(40), 20 + draw(300), 1 + draw(10)};
	book = (struct book){0};
}

static void move(struct world *w, uint32_t thread)
{
	bool computed = w->looks[thread].op == 0;
	unsigned what = draw(8), place = draw(sizeof(places) / sizeof(places[0]));

	while (!one_in(temper.outside) && places[place].on >= WAIT_CHILD)
		place = draw(sizeof(places) / sizeof(places[0]));
	if (what == 0)
		goes_home(w, thread);
	else if (what == 1)
		computes(w, thread);
	else
		waits(w, thread, places[place].op, places[place].on);
	if (places[place].on == WAIT_LOCK && what > 1 && one_in(2))
		w->looks[thread].waits_for = (int32_t)draw(w->frame.count);
	if (computed && what == 1)
		return; /* it still does */
	book.stands[thread] = book.burns[thread] = 0;
	book.looks[thread] = 0;
}

static void change_processes(struct world *w)
{
	static const enum held_code gates[] = {HELD_SUSPENDED, HELD_TRACED, HELD_FROZEN, HELD_CORE_DUMP};

	for (unsigned i = 0; i < w->frame.process_count; i++) {
		struct ladder_process_look *process = &w->processes[i];

		if (process->gate != HELD_NO ? one_in(5) : one_in(temper.gate))
			process->gate = process->gate == HELD_NO ? gates[draw(4)] : HELD_NO;
		process->queue = one_in(temper.work) ? !process->queue : process->queue || one_in(10);
		process->unread = one_in(temper.work) ? !process->unread : process->unread;
		process->dequeued = process->queue && one_in(temper.work);
		if (one_in(temper.starve))
			process->throttled_ns += draw((unsigned)TICK);
	}
}

static void change(struct world *w)
{
	for (uint32_t i = 0; i < w->frame.count; i++) {
		if (one_in(temper.move))
			move(w, i);
		if (one_in(temper.starve))
			w->looks[i].delay_ns += draw((unsigned)TICK);
	}
	change_processes(w);
	w->frame.voided = one_in(temper.voids);
	w->frame.starting = w->frame.starting ? !one_in(5) : one_in(temper.gate);
	w->frame.draining = w->frame.draining ? !one_in(5) : one_in(temper.gate);
	w->frame.outbound = one_in(50) ? !w->frame.outbound : w->frame.outbound;
	w->frame.backlog_known = true;
	w->frame.backlog = one_in(temper.work) ? 5 - w->frame.backlog : w->frame.backlog;
	w->stale = one_in(7);
}

/* After look_at_kernel(): what it added is seen in the looks. */
static void keep_book(const struct world *w)
{
	for (unsigned i = 0; i < w->frame.count; i++) {
		const struct ladder_look *look = &w->looks[i];
		bool counts = !w->frame.voided && w->processes[look->process].gate == HELD_NO;

		book.stands[i] += counts ? TICK : 0;
		book.burns[i] += look->kernel_state == 'R' && !w->stale ? TICK : 0;
		book.looks[i] += !w->stale;
	}
	for (unsigned i = 0; i < w->frame.process_count; i++) {
		bool queue = w->processes[i].queue && !w->processes[i].dequeued;

		book.missed[i] = queue || w->processes[i].unread ? book.missed[i] + TICK : 0;
		book.untaken[i] = queue ? book.untaken[i] + TICK : 0;
	}
}

#endif
