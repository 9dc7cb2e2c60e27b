/* SPDX-License-Identifier: Apache-2.0 */
/* build: rooms */
/*
 * What judging costs the agent in one tick, beside the sweep: ladder_step() and knots_find() over that many
 * threads. judge THREADS STATE ROUNDS     prints one JSON object: ns a thread, of each round STATE: home
 * everybody is in his home wait loops      everybody is a loop, away from it and asleep; a process has 1000 of
 * them locks      all wait for locks, in chains of 100; connections wait; with the graph moving     everybody
 * entered another call
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "judge/knots.h"
#include "judge/ladder.h"

enum { CHAIN = 100, A_PROCESS = 1000, KNOTS = 8, WARM_UP = 3, FUTEX = 202 };

static struct ladder_look *looks;
static struct ladder_process_look *processes;
static struct knot_thread *threads;
static struct knots_room room;
static struct ladder ladder;
static struct ladder_frame frame;

static void *need(size_t count, size_t bytes)
{
	void *memory = calloc(count, bytes);

	if (memory)
		return memory;
	fprintf(stderr, "judge: out of memory\n");
	exit(1);
}

static void make_room(unsigned count)
{
	uint32_t *order = need(count, sizeof(*order));

	frame = (struct ladder_frame){
		.now = NS_PER_SECOND, .passed = 100 * NS_PER_MS, .count = count, .pools = count};
	frame.limits = (struct ladder_limits){.loop_blocked = INT64_MAX / 200,
		.loop_spinning = INT64_MAX / 200,
		.no_progress = INT64_MAX / 200};
	frame.process_count = (count + A_PROCESS - 1) / A_PROCESS;
	frame.looks = looks = need(count, sizeof(*looks));
	frame.processes = processes = need(frame.process_count, sizeof(*processes));
	for (unsigned i = 0; i < count; i++)
		order[i] = i;
	frame.order = order;
	ladder.clocks = need(count, sizeof(*ladder.clocks));
	ladder.marks = need(frame.process_count, sizeof(*ladder.marks));
	ladder.pools = need(count + 1, sizeof(*ladder.pools));
	threads = need(count, sizeof(*threads));
	room = (struct knots_room){need(count, 4), need(count, 4), need(count + 1, 4), need(count + 1, 4)};
}

static void fill(unsigned count, const char *state)
{
	bool locks = strcmp(state, "locks") == 0, loops = strcmp(state, "loops") == 0, away = locks || loops;

	for (unsigned i = 0; i < frame.process_count; i++)
		processes[i] = (struct ladder_process_look){.start = i + 1,
			.state = need(1, sizeof(struct ladder_process)),
			.role = PROCESS_WORKER,
			.covered = true,
			.listens = true,
			.queue = away};
	for (unsigned i = 0; i < count; i++) {
		int32_t next = (i + 1) % CHAIN && i + 1 < count ? (int32_t)i + 1 : (int32_t)(i - i % CHAIN);

		looks[i] = (struct ladder_look){.claim = i + 1,
			.entries = 1,
			.op = away ? 1 : 44,
			.process = i / A_PROCESS,
			.pool = i / A_PROCESS + 1,
			.role = loops ? THREAD_LOOP : THREAD_LISTENER,
			.state = away ? THREAD_LOCK : THREAD_IDLE,
			.accepts = true,
			.on = away ? WAIT_LOCK : WAIT_EVENTS,
			.waits_for = locks ? next : LADDER_NOBODY,
			.kernel_read = 1,
			.kernel_entries = 1,
			.kernel_op = away ? 1 : 44,
			.kernel_state = 'S',
			.syscall = FUTEX,
			.in_futex = away};
		threads[i] = (struct knot_thread){
			.waits_for = locks ? next : KNOT_NOBODY, .proven = locks, .pool = looks[i].pool};
	}
}

static void change(unsigned count, const char *state)
{
	frame.now += frame.passed;
	for (unsigned i = 0; i < count && strcmp(state, "moving") == 0; i++)
		looks[i].entries++;
	for (unsigned i = 0; i < count && strcmp(state, "loops") == 0; i++)
		looks[i].kernel_read = frame.now;
}

static int64_t tick(unsigned count, const char *state)
{
	struct ladder_out out;
	struct knot knots[KNOTS];
	int64_t before;

	change(count, state);
	before = clock_thread_cpu_ns();
	ladder_step(&ladder, &frame, &out);
	if (strcmp(state, "locks") == 0)
		(void)knots_find(threads, count, &room, knots, KNOTS);
	return clock_thread_cpu_ns() - before;
}

int main(int argc, char **argv)
{
	unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 50000,
		 rounds = argc > 3 ? (unsigned)atoi(argv[3]) : 101;
	const char *state = argc > 2 ? argv[2] : "home";

	make_room(count);
	fill(count, state);
	printf("{\"ns\":[");
	for (unsigned i = 0; i < rounds + WARM_UP; i++) {
		int64_t ns = tick(count, state);

		if (i >= WARM_UP)
			printf("%s%.3f", i > WARM_UP ? "," : "", (double)ns / count);
	}
	printf("]}\n");
	return 0;
}
