/* SPDX-License-Identifier: Apache-2.0 */
/* The rungs of loops: when one is due, by what it waits for, and what the kernel must say. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "unit/ladder_world.h"

static struct world w;

static void a_loop_at_home_may_stay_there_though_connections_wait(void **state)
{
	(void)state;
	one_loop(&w);
	w.processes[0].queue = true; /* it takes none on purpose */
	pass(&w, 600 * SECOND);
	assert_int_equal(w.out.count, 0);
	assert_int_equal(w.verdicts.verdict, VERDICT_ALIVE);
}

static void a_blocked_loop_climbs_to_dead_with_work_waiting(void **state)
{
	uint32_t loop = one_loop(&w);

	(void)state;
	tick(&w);
	waits(&w, loop, OP_SLEEP, WAIT_TIME);
	w.processes[0].queue = true;
	pass(&w, 900 * MS);
	assert_int_equal(level(&w, ROW_LOOP_BLOCKED), LEVEL_NONE);
	pass(&w, 400 * MS);
	assert_int_equal(level(&w, ROW_LOOP_BLOCKED), LEVEL_DEGRADED);
	assert_int_equal(w.verdicts.verdict, VERDICT_DEGRADED);
	assert_true(w.verdicts.ready_ok);
	pass(&w, 4 * SECOND);
	assert_int_equal(level(&w, ROW_LOOP_BLOCKED), LEVEL_NOT_READY);
	assert_false(w.verdicts.ready_ok);
	assert_true(w.verdicts.live_ok);
	pass(&w, 24 * SECOND);
	assert_false(dead(&w));
	pass(&w, 2 * SECOND);
	assert_true(dead(&w));
	assert_int_equal(found(&w, ROW_LOOP_BLOCKED)->thread, (int)loop);
	assert_true(says(&w.verdicts.live, REASON_LOOP_BLOCKED));
}

static void without_work_a_loop_is_never_dead_but_knocked_at(void **state)
{
	uint32_t loop = one_loop(&w);

	(void)state;
	tick(&w);
	waits(&w, loop, OP_SLEEP, WAIT_TIME);
	pass(&w, 600 * SECOND);
	assert_int_equal(level(&w, ROW_LOOP_BLOCKED), LEVEL_NOT_READY);
	assert_int_equal(w.out.knock, 0);
	w.processes[0].queue = true; /* the knock is not answered */
	pass(&w, 29 * SECOND);
	assert_int_equal(w.out.knock, LADDER_NOBODY);
	assert_false(dead(&w));
	pass(&w, 2 * SECOND);
	assert_true(dead(&w));
}

static void work_must_wait_for_the_whole_limit(void **state)
{
	uint32_t loop = one_loop(&w);

	(void)state;
	waits(&w, loop, OP_SLEEP, WAIT_TIME);
	w.processes[0].queue = true;
	for (int i = 0; i < 20; i++) {
		w.processes[0].dequeued = false;
		pass(&w, 25 * SECOND);
		assert_false(dead(&w));
		w.processes[0].dequeued = true;
		tick(&w);
	}
}

static void a_loop_that_moves_is_not_accused(void **state)
{
	uint32_t loop = one_loop(&w);

	(void)state;
	w.processes[0].queue = true;
	for (int i = 0; i < 1000; i++) {
		waits(&w, loop, OP_SLEEP, WAIT_TIME);
		pass(&w, 900 * MS);
		assert_int_equal(w.out.count, 0);
	}
}

static const struct {
	const char *what;
	uint32_t op;
	enum wait_on on;
	bool dies;
	enum held_code held;
	enum reason_code ready;
} kinds[] = {
	{"sleep", OP_SLEEP, WAIT_TIME, true, HELD_NO, REASON_LOOP_BLOCKED},
	{"a lock", OP_LOCK, WAIT_LOCK, true, HELD_NO, REASON_LOOP_BLOCKED},
	{"a condition", OP_COND, WAIT_WAKE, true, HELD_NO, REASON_LOOP_BLOCKED},
	{"a pipe of strangers", OP_READ, WAIT_PIPE, true, HELD_NO, REASON_LOOP_BLOCKED},
	{"a child", OP_READ, WAIT_CHILD, false, HELD_NO, REASON_LOOP_BLOCKED},
	{"a database", OP_RECV, WAIT_EXTERNAL, false, HELD_DEPENDENCY_WAIT, REASON_DEPENDENCY_WAIT},
	{"a connection", OP_CONNECT, WAIT_EXTERNAL, false, HELD_DEPENDENCY_WAIT, REASON_DEPENDENCY_WAIT},
	{"a disk", OP_FSYNC, WAIT_FILE, false, HELD_IO_WAIT, REASON_IO_WAIT},
	{"nobody knows", OP_READ, WAIT_UNKNOWN, false, HELD_NO, REASON_LOOP_BLOCKED},
};

static void what_a_loop_waits_for_decides(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		uint32_t loop = one_loop(&w);

		waits(&w, loop, kinds[i].op, kinds[i].on);
		w.processes[0].queue = true;
		pass(&w, 600 * SECOND);
		if (dead(&w) != kinds[i].dies || held(&w, ROW_LOOP_BLOCKED) != kinds[i].held ||
			w.verdicts.ready_ok || !says(&w.verdicts.ready, kinds[i].ready))
			fail_msg("%s: dead %d, held %d", kinds[i].what, dead(&w), held(&w, ROW_LOOP_BLOCKED));
	}
}

static void io_is_not_ready_after_ten_seconds_only(void **state)
{
	uint32_t loop = one_loop(&w);

	(void)state;
	waits(&w, loop, OP_READ, WAIT_PIPE);
	w.looks[loop].kernel_state = 'D'; /* whatever it is, it is the kernel's */
	pass(&w, 9 * SECOND);
	assert_true(w.verdicts.ready_ok);
	pass(&w, 2 * SECOND);
	assert_false(w.verdicts.ready_ok);
	assert_true(says(&w.verdicts.ready, REASON_IO_WAIT));
}

static void a_chain_of_owners_leads_to_whom_it_is_up(void **state)
{
	uint32_t loop = one_loop(&w), worker = add_thread(&w, 0, THREAD_WORKER),
		 last = add_thread(&w, 0, THREAD_WORKER);

	(void)state;
	waits(&w, loop, OP_LOCK, WAIT_LOCK);
	w.looks[loop].waits_for = (int32_t)worker;
	waits(&w, worker, OP_JOIN, WAIT_THREAD);
	w.looks[worker].waits_for = (int32_t)last;
	waits(&w, last, OP_RECV, WAIT_EXTERNAL);
	w.processes[0].queue = true;
	pass(&w, 120 * SECOND);
	assert_false(dead(&w));
	assert_int_equal(held(&w, ROW_LOOP_BLOCKED), HELD_DEPENDENCY_WAIT);
	assert_int_equal(w.out.peer, (int)last);
	/* it heals, and then all of the limit must pass again */
	waits(&w, last, OP_COND, WAIT_WAKE);
	pass(&w, 29 * SECOND);
	assert_false(dead(&w));
	pass(&w, 3 * SECOND);
	assert_true(dead(&w));
}

static void who_waits_for_nobody_in_particular_may_wait_for_whoever_is_out(void **state)
{
	uint32_t loop = one_loop(&w), worker = add_thread(&w, 0, THREAD_WORKER);

	(void)state;
	waits(&w, loop, OP_COND, WAIT_WAKE);
	waits(&w, worker, OP_RECV, WAIT_EXTERNAL);
	w.processes[0].queue = true;
	pass(&w, 120 * SECOND);
	assert_false(dead(&w));
	assert_int_equal(held(&w, ROW_LOOP_BLOCKED), HELD_DEPENDENCY_WAIT);
	assert_int_equal(w.out.peer, (int)worker);
}

static void at_the_other_end_may_be_whoever_works_or_is_not_seen(void **state)
{
	uint32_t loop = one_loop(&w), child = add_process(&w, PROCESS_CHILD),
		 worker = add_thread(&w, child, THREAD_WORKER);

	(void)state;
	waits(&w, loop, OP_RECV, WAIT_INSIDE);
	w.processes[0].queue = true;
	computes(&w, worker);
	pass(&w, 300 * SECOND);
	assert_false(dead(&w));
	assert_false(w.verdicts.ready_ok);
	waits(&w, worker, OP_RECV, WAIT_INSIDE); /* for the loop */
	w.processes[child].covered = false;
	pass(&w, 300 * SECOND);
	assert_false(dead(&w));
	w.processes[child].covered = true;
	pass(&w, 29 * SECOND);
	assert_false(dead(&w));
	pass(&w, 3 * SECOND);
	assert_true(dead(&w));
}

static void a_condition_is_of_the_process_itself(void **state)
{
	uint32_t loop = one_loop(&w), child = add_process(&w, PROCESS_CHILD);

	(void)state;
	computes(&w, add_thread(&w, child, THREAD_WORKER));
	w.processes[child].covered = false;
	waits(&w, loop, OP_COND, WAIT_WAKE);
	w.processes[0].queue = true;
	pass(&w, 32 * SECOND);
	assert_true(dead(&w));
}

static void a_lock_whose_holder_goes_on_is_a_queue_not_a_knot(void **state)
{
	uint32_t loop = one_loop(&w), worker = add_thread(&w, 0, THREAD_WORKER);

	(void)state;
	waits(&w, loop, OP_LOCK, WAIT_LOCK);
	w.looks[loop].waits_for = (int32_t)worker;
	w.processes[0].queue = true;
	for (int i = 0; i < 1200; i++) {
		waits(&w, worker, OP_SLEEP, WAIT_TIME);
		w.looks[loop].waits_for = (int32_t)worker;
		tick(&w);
		assert_false(dead(&w));
	}
}

static void no_witness_no_death(void **state)
{
	uint32_t loop = one_loop(&w);

	(void)state;
	waits(&w, loop, OP_LOCK, WAIT_LOCK);
	w.processes[0].queue = true;
	w.looks[loop].futex += 0x1000; /* it sleeps elsewhere */
	pass(&w, 120 * SECOND);
	assert_false(dead(&w));
	w.looks[loop].futex -= 0x1000;
	w.looks[loop].syscall = LADDER_SYSCALL_UNKNOWN;
	w.looks[loop].in_futex = false;
	pass(&w, 120 * SECOND);
	assert_false(dead(&w));
	one_loop(&w);
	waits(&w, loop, OP_LOCK, WAIT_LOCK);
	w.processes[0].queue = true;
	w.stale = true;
	pass(&w, 120 * SECOND);
	assert_int_equal(w.out.count, 0);
}

static void what_the_kernel_said_in_a_call_says_nothing_when_it_was_left(void **state)
{
	uint32_t loop = one_loop(&w);

	(void)state;
	waits(&w, loop, OP_LOCK, WAIT_LOCK);
	w.processes[0].queue = true;
	pass(&w, 20 * SECOND);
	w.stale = true;
	computes(&w, loop);
	w.looks[loop].kernel_state = 'S'; /* as last read */
	w.looks[loop].syscall = 202;
	pass(&w, 60 * SECOND);
	assert_int_equal(w.out.count, 0);
}

static void to_be_woken_inside_a_call_of_many_steps_is_to_go_on(void **state)
{
	uint32_t loop = one_loop(&w);

	(void)state;
	waits(&w, loop, OP_READ, WAIT_PIPE);
	w.processes[0].queue = true;
	for (int i = 0; i < 600; i++) {
		w.looks[loop].switches++;
		tick(&w);
	}
	assert_int_equal(w.out.count, 0);
}

static void a_spinning_loop_is_judged_by_its_cpu_time(void **state)
{
	uint32_t loop = one_loop(&w);

	(void)state;
	computes(&w, loop);
	w.processes[0].queue = true;
	pass(&w, 6 * SECOND);
	assert_int_equal(level(&w, ROW_LOOP_SPINNING), LEVEL_NOT_READY);
	pass(&w, 53 * SECOND);
	assert_false(dead(&w));
	pass(&w, 3 * SECOND);
	assert_true(dead(&w));
	assert_int_equal(level(&w, ROW_LOOP_BLOCKED), LEVEL_NONE);
}

static void a_loop_that_gets_no_cpu_does_not_spin(void **state)
{
	uint32_t loop = one_loop(&w);

	(void)state;
	computes(&w, loop);
	w.processes[0].queue = true;
	for (int i = 0; i < 6000; i++) {
		w.looks[loop].cpu_ns -= (uint64_t)TICK; /* what look_at_kernel() adds */
		w.looks[loop].delay_ns += (uint64_t)TICK;
		tick(&w);
	}
	assert_int_equal(w.out.count, 0);
}

static void one_of_many_loops_is_a_degradation(void **state)
{
	uint32_t loop = one_loop(&w), more[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		more[i] = add_thread(&w, 0, THREAD_LOOP);
		w.looks[more[i]].accepts = false;
	}
	waits(&w, more[2], OP_LOCK, WAIT_LOCK);
	w.processes[0].unread = true;
	pass(&w, 120 * SECOND);
	assert_int_equal(level(&w, ROW_LOOP_BLOCKED), LEVEL_DEGRADED);
	assert_true(w.verdicts.ready_ok);
	for (int i = 0; i < 4; i++)
		waits(&w, more[i], OP_LOCK, WAIT_LOCK);
	pass(&w, 40 * SECOND);
	assert_true(dead(&w));
	(void)loop;
}

static void what_was_proven_stays_until_the_loop_goes_on(void **state)
{
	uint32_t loop = one_loop(&w);

	(void)state;
	waits(&w, loop, OP_SLEEP, WAIT_TIME);
	w.processes[0].queue = true;
	pass(&w, 40 * SECOND);
	assert_true(dead(&w));
	w.processes[0].queue = false; /* its clients gave up */
	w.frame.voided = true;
	pass(&w, 10 * SECOND);
	assert_true(dead(&w));
	goes_home(&w, loop);
	tick(&w);
	assert_false(dead(&w));
	assert_int_equal(w.out.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loop_at_home_may_stay_there_though_connections_wait),
		cmocka_unit_test(a_blocked_loop_climbs_to_dead_with_work_waiting),
		cmocka_unit_test(without_work_a_loop_is_never_dead_but_knocked_at),
		cmocka_unit_test(work_must_wait_for_the_whole_limit),
		cmocka_unit_test(a_loop_that_moves_is_not_accused),
		cmocka_unit_test(what_a_loop_waits_for_decides),
		cmocka_unit_test(io_is_not_ready_after_ten_seconds_only),
		cmocka_unit_test(a_chain_of_owners_leads_to_whom_it_is_up),
		cmocka_unit_test(who_waits_for_nobody_in_particular_may_wait_for_whoever_is_out),
		cmocka_unit_test(at_the_other_end_may_be_whoever_works_or_is_not_seen),
		cmocka_unit_test(a_condition_is_of_the_process_itself),
		cmocka_unit_test(a_lock_whose_holder_goes_on_is_a_queue_not_a_knot),
		cmocka_unit_test(no_witness_no_death),
		cmocka_unit_test(what_the_kernel_said_in_a_call_says_nothing_when_it_was_left),
		cmocka_unit_test(to_be_woken_inside_a_call_of_many_steps_is_to_go_on),
		cmocka_unit_test(a_spinning_loop_is_judged_by_its_cpu_time),
		cmocka_unit_test(a_loop_that_gets_no_cpu_does_not_spin),
		cmocka_unit_test(one_of_many_loops_is_a_degradation),
		cmocka_unit_test(what_was_proven_stays_until_the_loop_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
