/* SPDX-License-Identifier: Apache-2.0 */
/* From what threads were seen to wait for, and when, to knots: what is old news makes no edge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "watch/proofs.h"

enum { THREADS = 3, TID = 100 };

#define NOW (1000 * NS_PER_SECOND)

/* One process, this one, whose threads have waited for 5 s. */
struct world {
	struct slot_now now[THREADS];
	struct notebook_track tracks[THREADS];
	uint32_t order[THREADS];
	struct process_row row;
	struct notebook notebook;
	struct slots slots;
	struct tree tree;
	struct proofs proofs;
};

static void begin(struct world *world, unsigned threads)
{
	*world = (struct world){.row = {.pid = getpid(), .coverage = COVERAGE_SHIM, .readable = true}};
	world->notebook.tracks = world->tracks;
	world->slots = (struct slots){
		.notebook = &world->notebook, .now = world->now, .order = world->order, .order_count = threads};
	world->tree = (struct tree){.rows = &world->row, .count = 1};
	for (unsigned i = 0; i < threads; i++) {
		world->order[i] = i;
		world->now[i] =
			(struct slot_now){.live = true, .record = {.pid = getpid(), .tid = (pid_t)(TID + i)}};
	}
}

static void waits(struct world *world, unsigned thread, enum proof_kind kind, unsigned owner, int64_t since,
	int64_t sampled)
{
	world->now[thread].proof = (struct slot_proof){.kind = kind,
		.owner = (pid_t)(TID + owner),
		.samples = 9,
		.since = since,
		.sampled = sampled,
		.looked = sampled};
}

static unsigned knots_of(struct world *world)
{
	proofs_find_knots(&world->proofs, &world->slots, &world->tree, NOW);
	return world->proofs.knot_count;
}

static void two_that_stand_are_a_knot(void **state)
{
	static struct world world;

	(void)state;
	begin(&world, 2);
	waits(&world, 0, PROOF_MUTEX, 1, NOW - 5 * NS_PER_SECOND, NOW);
	waits(&world, 1, PROOF_MUTEX, 0, NOW - NS_PER_SECOND, NOW);
	assert_int_equal(knots_of(&world), 1);
	assert_int_equal(world.proofs.knots[0].length, 2);
	proofs_end(&world.proofs);
}

/* It may have given the lock away between that look and its own wait. */
static void who_was_asked_before_his_owner_stood_is_asked_again(void **state)
{
	static struct world world;

	(void)state;
	begin(&world, 2);
	waits(&world, 0, PROOF_MUTEX, 1, NOW - 5 * NS_PER_SECOND, NOW - NS_PER_SECOND);
	waits(&world, 1, PROOF_MUTEX, 0, NOW - NS_PER_SECOND, NOW);
	assert_int_equal(knots_of(&world), 0);
	assert_int_equal(world.now[0].proof.looked, 0);
	assert_int_not_equal(world.now[1].proof.looked, 0);
	waits(&world, 0, PROOF_MUTEX, 1, NOW - 5 * NS_PER_SECOND, NOW - NS_PER_SECOND + 1);
	assert_int_equal(knots_of(&world), 1);
	proofs_end(&world.proofs);
}

/* Whom it joins is the same as long as it does. */
static void a_join_is_never_old_news(void **state)
{
	static struct world world;

	(void)state;
	begin(&world, 2);
	waits(&world, 0, PROOF_THREAD, 1, NOW - 5 * NS_PER_SECOND, NOW - NS_PER_SECOND);
	waits(&world, 1, PROOF_MUTEX, 0, NOW - NS_PER_SECOND, NOW);
	assert_int_equal(knots_of(&world), 1);
	proofs_end(&world.proofs);
}

/* This process has one thread that the kernel counts, and here one that stands. */
static void the_own_mutex_of_a_process_of_one_thread_is_a_knot(void **state)
{
	static struct world world;

	(void)state;
	begin(&world, 1);
	waits(&world, 0, PROOF_MUTEX, 0, NOW - 5 * NS_PER_SECOND, NOW);
	world.now[0].proof.process = getpid();
	assert_int_equal(knots_of(&world), 1);
	assert_int_equal(world.proofs.knots[0].length, 1);
	world.row.coverage = COVERAGE_OUTSIDE;
	assert_int_equal(knots_of(&world), 0);
	proofs_end(&world.proofs);
}

static void of_a_process_with_threads_that_nobody_sees_nothing_is_claimed(void **state)
{
	static struct world world;

	(void)state;
	begin(&world, 2); /* one more than the kernel counts */
	waits(&world, 0, PROOF_MUTEX, 0, NOW - 5 * NS_PER_SECOND, NOW);
	waits(&world, 1, PROOF_MUTEX, 0, NOW - 5 * NS_PER_SECOND, NOW);
	world.now[0].proof.process = getpid();
	assert_int_equal(knots_of(&world), 0);
	proofs_end(&world.proofs);
}

static void stale_samples_and_moves_are_no_proof(void **state)
{
	static struct world world;

	(void)state;
	begin(&world, 2);
	waits(&world, 0, PROOF_MUTEX, 1, NOW - 9 * NS_PER_SECOND, NOW - 3 * NS_PER_SECOND);
	waits(&world, 1, PROOF_MUTEX, 0, NOW - 9 * NS_PER_SECOND, NOW);
	assert_int_equal(knots_of(&world), 0);
	waits(&world, 0, PROOF_MUTEX, 1, NOW - 9 * NS_PER_SECOND, NOW);
	assert_int_equal(knots_of(&world), 1);
	world.tracks[0].entries++;
	assert_int_equal(knots_of(&world), 0);
	world.tracks[0].entries--;
	world.now[1].moved = true;
	assert_int_equal(knots_of(&world), 0);
	world.now[1].moved = false;
	world.now[1].proof.alarm = true; /* a timer may end it, and was never seen to tick */
	assert_int_equal(knots_of(&world), 0);
	world.now[1].proof.ticked = true;
	assert_int_equal(knots_of(&world), 1);
	proofs_end(&world.proofs);
}

static void a_timer_ticks_from_look_to_look_and_who_freezes_it_does_not(void **state)
{
	struct slot_proof proof = {.alarm = true, .switches = 5};
	uint64_t now_and_then[] = {6, 6, 7, 8, 8, 9, 9}, often[] = {10, 12, 13};

	(void)state;
	for (unsigned i = 0; i < 7; i++)
		proof_note_switches(&proof, now_and_then[i]);
	assert_false(proof.ticked);
	for (unsigned i = 0; i < 3; i++)
		proof_note_switches(&proof, often[i]);
	assert_true(proof.ticked);
	proof_note_switches(&proof, often[2]);
	assert_true(proof.ticked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_that_stand_are_a_knot),
		cmocka_unit_test(who_was_asked_before_his_owner_stood_is_asked_again),
		cmocka_unit_test(a_join_is_never_old_news),
		cmocka_unit_test(the_own_mutex_of_a_process_of_one_thread_is_a_knot),
		cmocka_unit_test(of_a_process_with_threads_that_nobody_sees_nothing_is_claimed),
		cmocka_unit_test(stale_samples_and_moves_are_no_proof),
		cmocka_unit_test(a_timer_ticks_from_look_to_look_and_who_freezes_it_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
