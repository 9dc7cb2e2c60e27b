/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wait-for graph: tables of small ones, and random lock programs run in a model whose own outcome (who can still
 * move when all others did what they could) is the oracle.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge/knots.h"

enum { MOST = 64, KNOTS = 16 };

static int32_t knot_of[MOST], seen[MOST];
static uint32_t pool_size[MOST + 1], pool_stuck[MOST + 1];
static const struct knots_room room = {knot_of, seen, pool_size, pool_stuck};
static struct knot knots[KNOTS];

#define WAITS(n) {.waits_for = (n), .proven = true}
#define FREE {.waits_for = KNOT_NOBODY}

static unsigned find(const struct knot_thread *threads, unsigned count)
{
	return knots_find(threads, count, &room, knots, KNOTS);
}

static void two_that_wait_for_each_other(void **state)
{
	const struct knot_thread threads[] = {FREE, WAITS(2), WAITS(1), WAITS(1), WAITS(3), WAITS(0)};

	(void)state;
	assert_int_equal(find(threads, 6), 1);
	assert_int_equal(knots[0].first, 1);
	assert_int_equal(knots[0].length, 2);
	assert_int_equal(knots[0].behind, 2);
	assert_false(knots[0].critical);
	assert_int_equal(knot_of[4], 0);
	assert_int_equal(knot_of[5], KNOT_NOBODY); /* its owner can run */
	assert_int_equal(knot_of[0], KNOT_NOBODY);
}

static void a_cycle_of_any_length_and_two_at_once(void **state)
{
	struct knot_thread threads[MOST];

	(void)state;
	for (int length = 2; length < MOST - 2; length++) {
		for (int i = 0; i < length; i++)
			threads[i] = (struct knot_thread)WAITS((i + 1) % length);
		threads[length] = (struct knot_thread)WAITS(length + 1);
		threads[length + 1] = (struct knot_thread)WAITS(length);
		assert_int_equal(find(threads, (unsigned)length + 2), 2);
		assert_int_equal(knots[0].length, length);
		assert_int_equal(knots[1].length, 2);
	}
}

static void what_is_not_proven_closes_no_cycle(void **state)
{
	struct knot_thread threads[] = {WAITS(1), WAITS(0)};

	(void)state;
	threads[1].proven = false;
	assert_int_equal(find(threads, 2), 0);
	threads[1] = (struct knot_thread)WAITS(7); /* out of range: as if nobody */
	assert_int_equal(find(threads, 2), 0);
}

static void an_own_lock_counts_when_it_may(void **state)
{
	struct knot_thread threads[] = {WAITS(0), WAITS(0)};

	(void)state;
	assert_int_equal(find(threads, 2), 0);
	threads[0].may_be_own = true;
	assert_int_equal(find(threads, 2), 1);
	assert_int_equal(knots[0].length, 1);
	assert_int_equal(knots[0].behind, 1);
}

static void those_who_wait_for_one_orphaned_lock_are_one_knot(void **state)
{
	struct knot_thread threads[] = {WAITS(KNOT_NOBODY), WAITS(KNOT_NOBODY), WAITS(0), WAITS(KNOT_NOBODY), FREE};

	(void)state;
	for (int i = 0; i < 4; i++)
		threads[i].orphan = i != 2;
	threads[0].object = threads[1].object = 0x1000;
	threads[3].object = 0x2000;
	assert_int_equal(find(threads, 5), 2);
	assert_int_equal(knots[0].length, 0);
	assert_int_equal(knots[0].behind, 3);
	assert_int_equal(knots[1].behind, 1);
}

static void critical_by_role_by_who_waits_behind_or_by_half_of_a_pool(void **state)
{
	struct knot_thread threads[] = {WAITS(1), WAITS(0), WAITS(0), FREE, FREE, FREE};

	(void)state;
	find(threads, 6);
	assert_false(knots[0].critical);
	threads[2].critical = true; /* behind */
	find(threads, 6);
	assert_true(knots[0].critical);
	threads[2].critical = false;
	for (int i = 0; i < 6; i++)
		threads[i].pool = 1;
	find(threads, 6);
	assert_true(knots[0].critical); /* 3 of 6 */
	threads[2] = (struct knot_thread)FREE;
	threads[2].pool = 1;
	find(threads, 6);
	assert_false(knots[0].critical); /* 2 of 6 */
	threads[0].pool = 2;
	threads[1].pool = 3; /* alone in their pools: no pools */
	find(threads, 6);
	assert_false(knots[0].critical);
}

/* ---- random lock programs */

enum { LOCKS = 5, STEPS = 6 };

struct program {
	int threads;
	int step[8];         /* where each thread is */
	int8_t order[8][STEPS]; /* lock n + 1 taken, -(n + 1) given back, 0 the end */
	int holder[LOCKS];   /* -1 free */
};

static uint64_t seed;

static unsigned draw(unsigned below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 11) % below;
}

/* Nested takes and their givings back, never the same lock twice. */
static void write_program(struct program *program)
{
	*program = (struct program){.threads = 2 + (int)draw(7)};
	for (int i = 0; i < LOCKS; i++)
		program->holder[i] = -1;
	for (int t = 0; t < program->threads; t++) {
		int depth = 1 + (int)draw(STEPS / 2), used = 0;

		for (int i = 0; i < depth; i++) {
			int lock;

			do
				lock = (int)draw(LOCKS);
			while (used >> lock & 1);
			used |= 1 << lock;
			program->order[t][i] = (int8_t)(lock + 1);
			program->order[t][2 * depth - 1 - i] = (int8_t)-(lock + 1);
		}
	}
}

static int wanted(const struct program *program, int thread)
{
	return program->step[thread] < STEPS ? program->order[thread][program->step[thread]] : 0;
}

/* False when it cannot go on. */
static bool step(struct program *program, int thread)
{
	int want = wanted(program, thread);

	if (want == 0 || (want > 0 && program->holder[want - 1] >= 0))
		return false;
	program->holder[abs(want) - 1] = want > 0 ? thread : -1;
	program->step[thread]++;
	return true;
}

static void run_for(struct program *program, unsigned turns)
{
	while (turns--)
		(void)step(program, (int)draw((unsigned)program->threads));
}

static void look(const struct program *program, const int32_t *place, struct knot_thread *threads)
{
	for (int t = 0; t < program->threads; t++) {
		int want = wanted(program, t), owner = want > 0 ? program->holder[want - 1] : -1;

		threads[place[t]] = (struct knot_thread){.waits_for = owner < 0 ? KNOT_NOBODY : place[owner], .proven = owner >= 0};
	}
}

/* Everybody does what he can: who is not at his end then never will be. */
static bool gets_stuck_for_ever(struct program *program, bool *stuck)
{
	bool moved = true, any = false;

	while (moved) {
		moved = false;
		for (int t = 0; t < program->threads; t++)
			moved |= step(program, t);
	}
	for (int t = 0; t < program->threads; t++) {
		stuck[t] = wanted(program, t) != 0;
		any |= stuck[t];
	}
	return any;
}

static void shuffle(int32_t *place, int count)
{
	for (int i = 0; i < count; i++)
		place[i] = i;
	for (int i = count - 1; i > 0; i--) {
		int j = (int)draw((unsigned)i + 1);
		int32_t kept = place[i];

		place[i] = place[j];
		place[j] = kept;
	}
}

/* Sound at every moment: a knot that is seen never dissolves. Complete at the end: when nobody can move, all who are
 * stuck are in a knot or behind one. */
static void one_program(void)
{
	struct knot_thread threads[8];
	struct program program;
	int32_t place[8];
	bool stuck[8], early[8] = {false}, any;

	write_program(&program);
	shuffle(place, program.threads);
	run_for(&program, draw(20));
	look(&program, place, threads);
	find(threads, (unsigned)program.threads);
	for (int t = 0; t < program.threads; t++)
		early[t] = knot_of[place[t]] != KNOT_NOBODY;
	any = gets_stuck_for_ever(&program, stuck);
	for (int t = 0; t < program.threads; t++)
		assert_true(!early[t] || stuck[t]);
	shuffle(place, program.threads);
	look(&program, place, threads);
	assert_int_equal(find(threads, (unsigned)program.threads) > 0, any);
	for (int t = 0; t < program.threads; t++)
		assert_int_equal(knot_of[place[t]] != KNOT_NOBODY, stuck[t]);
}

static void random_programs_agree_with_what_becomes_of_them(void **state)
{
	(void)state;
	seed = UINT64_C(0x9e3779b97f4a7c15);
	for (int i = 0; i < 1000000; i++)
		one_program();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_that_wait_for_each_other),
		cmocka_unit_test(a_cycle_of_any_length_and_two_at_once),
		cmocka_unit_test(what_is_not_proven_closes_no_cycle),
		cmocka_unit_test(an_own_lock_counts_when_it_may),
		cmocka_unit_test(those_who_wait_for_one_orphaned_lock_are_one_knot),
		cmocka_unit_test(critical_by_role_by_who_waits_behind_or_by_half_of_a_pool),
		cmocka_unit_test(random_programs_agree_with_what_becomes_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
