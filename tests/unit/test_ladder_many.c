/* SPDX-License-Identifier: Apache-2.0 */
/* Services of many processes: under the ceiling of what the best of them can still do. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "unit/ladder_world.h"

static struct world w;

static void one_worker_of_many_is_a_degradation_and_all_are_death(void **state)
{
	uint32_t loops[4];

	(void)state;
	world_init(&w);
	add_process(&w, PROCESS_MAIN); /* a master that holds the listener and takes nothing */
	add_thread(&w, 0, THREAD_MAIN);
	for (int i = 0; i < 4; i++) {
		loops[i] = add_thread(&w, add_process(&w, PROCESS_WORKER), THREAD_LOOP);
		w.processes[i + 1].queue = true;
	}
	for (int i = 0; i < 3; i++)
		waits(&w, loops[i], OP_LOCK, WAIT_LOCK);
	pass(&w, 120 * SECOND);
	assert_int_equal(level(&w, ROW_LOOP_BLOCKED), LEVEL_DEGRADED);
	assert_true(w.verdicts.ready_ok);
	assert_int_equal(w.verdicts.verdict, VERDICT_DEGRADED);
	waits(&w, loops[3], OP_RECV, WAIT_EXTERNAL); /* the last one waits for a database */
	pass(&w, 120 * SECOND);
	assert_false(w.verdicts.ready_ok);
	assert_false(dead(&w));
	waits(&w, loops[3], OP_LOCK, WAIT_LOCK);
	w.processes[1].covered = false; /* nobody knows what that one does: it may serve */
	pass(&w, 40 * SECOND);
	assert_false(dead(&w));
	w.processes[1].covered = true;
	tick(&w);
	assert_true(dead(&w));
}

static void children_of_connections_never_add_up(void **state)
{
	one_loop(&w);
	(void)state;
	for (int i = 0; i < 6; i++) {
		uint32_t loop = add_thread(&w, add_process(&w, PROCESS_CHILD), THREAD_LOOP);

		w.processes[i + 1].unread = true;
		waits(&w, loop, OP_LOCK, WAIT_LOCK);
	}
	pass(&w, 120 * SECOND);
	assert_int_equal(w.out.count, 0);
}

static void a_proof_counts_by_who_can_still_take_connections(void **state)
{
	int32_t knot_of[3] = {0, 0, -1};

	(void)state;
	world_init(&w);
	add_process(&w, PROCESS_MAIN);
	add_process(&w, PROCESS_WORKER);
	add_process(&w, PROCESS_WORKER);
	add_thread(&w, 1, THREAD_LOOP);
	add_thread(&w, 1, THREAD_WORKER);
	add_thread(&w, 2, THREAD_LOOP);
	tick(&w);
	assert_false(ladder_proof_counts(&w.frame, knot_of, 0));
	knot_of[2] = 0;
	assert_true(ladder_proof_counts(&w.frame, knot_of, 0));
	knot_of[0] = -1; /* a worker thread beside a loop that goes on */
	assert_false(ladder_proof_counts(&w.frame, knot_of, 0));
	w.looks[2].process = 0; /* … of the main process */
	assert_true(ladder_proof_counts(&w.frame, knot_of, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_worker_of_many_is_a_degradation_and_all_are_death),
		cmocka_unit_test(children_of_connections_never_add_up),
		cmocka_unit_test(a_proof_counts_by_who_can_still_take_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
