/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for whole processes in the graph: small ones by hand, and random programs of threads and processes that
 * are run in a model, whose own outcome is the oracle.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>

#include "judge/knots_processes.h"

enum { MOST = 16, KNOTS = 8, NOBODY = KNOT_NOBODY };

static int32_t knot_of[MOST], seen[MOST], first_waiter[MOST], first_thread[MOST];
static uint32_t pool_size[MOST + 1], pool_stuck[MOST + 1];
static const struct knots_room room = {knot_of, seen, pool_size, pool_stuck};
static struct knot knots[KNOTS];

struct graph {
	struct knot_thread threads[MOST];
	int32_t process_of[MOST], waits_on[MOST];
	bool whole[MOST];
	unsigned count, processes;
};

static unsigned find(struct graph *graph)
{
	const struct knot_processes processes = {
		graph->process_of, graph->waits_on, graph->whole, graph->processes, first_waiter, first_thread};

	knots_bind(graph->threads, graph->count, &processes, &room);
	return knots_find(graph->threads, graph->count, &room, knots, KNOTS);
}

static unsigned add(struct graph *graph, int32_t process, int32_t thread, int32_t waits_on)
{
	unsigned at = graph->count++;

	graph->threads[at] =
		(struct knot_thread){.waits_for = thread, .proven = thread != NOBODY || waits_on != NOBODY};
	graph->process_of[at] = process;
	graph->waits_on[at] = waits_on;
	graph->whole[process] = true;
	if ((unsigned)process >= graph->processes)
		graph->processes = (unsigned)process + 1;
	return at;
}

static void a_parent_that_waits_for_a_child_that_waits_for_its_lock(void **state)
{
	struct graph graph = {0};

	(void)state;
	add(&graph, 0, NOBODY, 1);
	add(&graph, 1, 0, NOBODY);
	assert_int_equal(find(&graph), 1);
	assert_int_equal(knots[0].length, 2);
}

static void a_child_with_a_thread_that_goes_on_may_end(void **state)
{
	struct graph graph = {0};

	(void)state;
	add(&graph, 0, NOBODY, 1);
	add(&graph, 1, 0, NOBODY);
	add(&graph, 1, NOBODY, NOBODY);
	assert_int_equal(find(&graph), 0);
	graph.threads[2] = (struct knot_thread){.waits_for = 1, .proven = true};
	assert_int_equal(find(&graph), 1);
	assert_int_equal(knots[0].behind, 1);
}

static void of_whom_not_all_is_seen_may_go_on(void **state)
{
	struct graph graph = {0};

	(void)state;
	add(&graph, 0, NOBODY, 1);
	add(&graph, 1, 0, NOBODY);
	graph.whole[1] = false;
	assert_int_equal(find(&graph), 0);
	graph.whole[1] = true;
	graph.waits_on[0] = 7; /* no such process */
	assert_int_equal(find(&graph), 0);
}

static void a_process_that_is_gone_lets_go(void **state)
{
	struct graph graph = {0};

	(void)state;
	add(&graph, 0, NOBODY, 1);
	graph.processes = 2;
	graph.whole[1] = true;
	assert_int_equal(find(&graph), 0);
}

static void a_parent_behind_a_child_with_an_orphaned_lock(void **state)
{
	struct graph graph = {0};

	(void)state;
	add(&graph, 0, NOBODY, 1);
	add(&graph, 1, NOBODY, NOBODY);
	graph.threads[1] =
		(struct knot_thread){.waits_for = NOBODY, .proven = true, .orphan = true, .object = 0x1000};
	assert_int_equal(find(&graph), 1);
	assert_int_equal(knots[0].length, 0);
	assert_int_equal(knots[0].behind, 2);
}

static void three_processes_hold_file_locks_in_a_ring(void **state)
{
	struct graph graph = {0};

	(void)state;
	for (int i = 0; i < 3; i++)
		add(&graph, i, NOBODY, (i + 1) % 3);
	assert_int_equal(find(&graph), 1);
	assert_int_equal(knots[0].length, 3);
}

/* The mutex that it has locked itself may be unlocked by any thread of its process, as a semaphore is. */
static void who_waits_for_his_own_mutex_is_stuck_when_nobody_can_unlock_it(void **state)
{
	struct graph graph = {0};

	(void)state;
	add(&graph, 0, NOBODY, 0);
	assert_int_equal(find(&graph), 1);
	assert_int_equal(knots[0].length, 1);
	add(&graph, 0, NOBODY, NOBODY);
	assert_int_equal(find(&graph), 0);
	graph.threads[1] = (struct knot_thread){.waits_for = 0, .proven = true};
	assert_int_equal(find(&graph), 1);
	assert_int_equal(knots[0].length, 1);
	assert_int_equal(knots[0].behind, 1);
}

static void who_rests_helps_nobody_and_accuses_nobody(void **state)
{
	struct graph graph = {0};

	(void)state;
	add(&graph, 0, NOBODY, 0);
	add(&graph, 0, NOBODY, NOBODY);
	add(&graph, 0, NOBODY, 0);
	graph.threads[1] = (struct knot_thread){.waits_for = NOBODY, .proven = true, .parked = true};
	graph.threads[2] = (struct knot_thread){.waits_for = NOBODY, .proven = true, .parked = true};
	assert_int_equal(find(&graph), 1);
	assert_int_equal(knots[0].length, 1);
	assert_int_equal(knots[0].behind, 0);
	add(&graph, 0, NOBODY, NOBODY); /* may wake the one, who then unlocks it */
	assert_int_equal(find(&graph), 0);
}

static void a_process_that_only_rests_is_no_deadlock(void **state)
{
	struct graph graph = {0};

	(void)state;
	add(&graph, 0, NOBODY, 1);
	add(&graph, 1, NOBODY, 1);
	graph.threads[1] = (struct knot_thread){.waits_for = NOBODY, .proven = true, .parked = true};
	assert_int_equal(find(&graph), 0);
}

/* ---- random programs */

enum { LOCKS = 4, STEPS = 8, THREADS = 7, PROCESSES = 3, END = 0, WAIT = 100, FILE_LOCK = 50 };

/* A step: lock n + 1 taken, -(n + 1) given back; FILE_LOCK + n the same of files; WAIT + p the end of process
 * p. */
struct program {
	int threads, processes;
	int step[THREADS], process_of[THREADS];
	int order[THREADS][STEPS + 1];
	int holder[LOCKS], file_holder[LOCKS]; /* a thread; its process is what counts for files */
};

static uint64_t seed;

static int draw(int below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (int)((seed >> 11) % (unsigned)below);
}

static int write_step(const struct program *program, int thread, int used[2])
{
	bool file = draw(3) == 0;
	int lock = draw(LOCKS);

	if (draw(5) == 0) {
		int process = draw(program->processes);

		return process != program->process_of[thread] ? WAIT + process : 0;
	}
	if (used[file] >> lock & 1)
		return 0;
	used[file] |= 1 << lock;
	return file ? FILE_LOCK + lock : lock + 1;
}

static void write_program(struct program *program)
{
	*program = (struct program){.processes = 1 + draw(PROCESSES), .threads = 2 + draw(THREADS - 1)};
	for (int i = 0; i < LOCKS; i++)
		program->holder[i] = program->file_holder[i] = -1;
	for (int t = 0; t < program->threads; t++) {
		int depth = 0, used[2] = {0}, taken[STEPS];

		program->process_of[t] = t < program->processes ? t : draw(program->processes);
		for (int i = 0; i < STEPS / 2; i++) {
			int next = write_step(program, t, used);

			if (!next)
				continue;
			taken[depth] = program->order[t][depth] = next;
			depth++;
		}
		for (int i = depth, at = depth; i > 0; i--) {
			if (taken[i - 1] < WAIT)
				program->order[t][at++] = -taken[i - 1];
		}
	}
}

static bool process_has_ended(const struct program *program, int process)
{
	for (int t = 0; t < program->threads; t++) {
		if (program->process_of[t] == process && program->order[t][program->step[t]] != END)
			return false;
	}
	return true;
}

/* Who, thread or process, must act before this step can be done? */
static bool is_blocked(const struct program *program, int thread, int32_t *whom, int32_t *process)
{
	int want = program->order[thread][program->step[thread]], holder;

	*whom = *process = NOBODY;
	if (want >= WAIT) {
		*process = process_has_ended(program, want - WAIT) ? NOBODY : want - WAIT;
	} else if (want >= FILE_LOCK) {
		holder = program->file_holder[want - FILE_LOCK];
		if (holder >= 0 && program->process_of[holder] != program->process_of[thread])
			*process = program->process_of[holder];
	} else if (want > 0) {
		*whom = program->holder[want - 1];
	}
	return *whom != NOBODY || *process != NOBODY;
}

/* Whoever of the process gives it back has given it back for all of them, and for nobody else. */
static void give_file_back(struct program *program, int thread, int lock)
{
	int holder = program->file_holder[lock];

	if (holder >= 0 && program->process_of[holder] == program->process_of[thread])
		program->file_holder[lock] = -1;
}

static bool step(struct program *program, int thread)
{
	int want = program->order[thread][program->step[thread]];
	int32_t whom, process;

	if (want == END || is_blocked(program, thread, &whom, &process))
		return false;
	if (abs(want) < FILE_LOCK)
		program->holder[abs(want) - 1] = want > 0 ? thread : -1;
	else if (abs(want) < WAIT && want > 0)
		program->file_holder[want - FILE_LOCK] = thread;
	else if (want < 0)
		give_file_back(program, thread, -want - FILE_LOCK);
	program->step[thread]++;
	return true;
}

static void look(const struct program *program, struct graph *graph, int *place)
{
	int32_t whom[THREADS], process[THREADS];

	*graph = (struct graph){.processes = (unsigned)program->processes};
	for (int t = 0; t < program->threads; t++)
		place[t] = program->order[t][program->step[t]] == END ? -1 : (int)graph->count++;
	for (int t = 0; t < program->threads; t++) {
		bool blocked = is_blocked(program, t, &whom[t], &process[t]);

		if (place[t] < 0)
			continue;
		graph->threads[place[t]] = (struct knot_thread){
			.waits_for = whom[t] < 0 ? NOBODY : place[whom[t]], .proven = blocked};
		graph->process_of[place[t]] = program->process_of[t];
		graph->waits_on[place[t]] = process[t];
		graph->whole[program->process_of[t]] = true;
	}
	for (int p = 0; p < program->processes; p++)
		graph->whole[p] = true;
}

static void run_to_the_end(struct program *program)
{
	for (bool moved = true; moved;) {
		moved = false;
		for (int t = 0; t < program->threads; t++)
			moved |= step(program, t);
	}
}

/* Sound at every moment, complete when nobody can move. */
static bool one_program(void)
{
	bool early[THREADS] = {false}, any = false;
	struct program program;
	struct graph graph;
	int place[THREADS];

	write_program(&program);
	for (int turns = draw(25); turns > 0; turns--)
		(void)step(&program, draw(program.threads));
	look(&program, &graph, place);
	find(&graph);
	for (int t = 0; t < program.threads; t++)
		early[t] = place[t] >= 0 && knot_of[place[t]] != NOBODY;
	run_to_the_end(&program);
	look(&program, &graph, place);
	find(&graph);
	for (int t = 0; t < program.threads; t++) {
		assert_true(!early[t] || place[t] >= 0);
		assert_int_equal(place[t] >= 0 && knot_of[place[t]] != NOBODY, place[t] >= 0);
		any |= place[t] >= 0;
	}
	return any;
}

static void random_programs_agree_with_what_becomes_of_them(void **state)
{
	unsigned stuck = 0;

	(void)state;
	seed = UINT64_C(0x9e3779b97f4a7c15);
	for (int i = 0; i < 1000000; i++)
		stuck += one_program();
	assert_in_range(stuck, 100000, 900000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_parent_that_waits_for_a_child_that_waits_for_its_lock),
		cmocka_unit_test(a_child_with_a_thread_that_goes_on_may_end),
		cmocka_unit_test(of_whom_not_all_is_seen_may_go_on),
		cmocka_unit_test(a_process_that_is_gone_lets_go),
		cmocka_unit_test(a_parent_behind_a_child_with_an_orphaned_lock),
		cmocka_unit_test(three_processes_hold_file_locks_in_a_ring),
		cmocka_unit_test(who_waits_for_his_own_mutex_is_stuck_when_nobody_can_unlock_it),
		cmocka_unit_test(who_rests_helps_nobody_and_accuses_nobody),
		cmocka_unit_test(a_process_that_only_rests_is_no_deadlock),
		cmocka_unit_test(random_programs_agree_with_what_becomes_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
