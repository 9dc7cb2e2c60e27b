/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ladder, row by row: what each needs, when it is due, and what holds it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "unit/ladder_world.h"

static struct world w;

static uint32_t one_loop(void)
{
	world_init(&w);
	add_process(&w, PROCESS_MAIN);
	return add_thread(&w, 0, THREAD_LOOP);
}

static bool says(const struct reason_list *list, enum reason_code code)
{
	for (unsigned i = 0; i < list->count; i++) {
		if (list->items[i].code == code)
			return true;
	}
	return false;
}

/* ---- loops */

static void a_loop_at_home_may_stay_there_though_connections_wait(void **state)
{
	(void)state;
	one_loop();
	w.processes[0].queue = true; /* it takes none on purpose */
	pass(&w, 600 * SECOND);
	assert_int_equal(w.out.count, 0);
	assert_int_equal(w.verdicts.verdict, VERDICT_ALIVE);
}

static void a_blocked_loop_climbs_to_dead_with_work_waiting(void **state)
{
	uint32_t loop = one_loop();

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
	uint32_t loop = one_loop();

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
	uint32_t loop = one_loop();

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
	uint32_t loop = one_loop();

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
		uint32_t loop = one_loop();

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
	uint32_t loop = one_loop();

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
	uint32_t loop = one_loop(), worker = add_thread(&w, 0, THREAD_WORKER),
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
	uint32_t loop = one_loop(), worker = add_thread(&w, 0, THREAD_WORKER);

	(void)state;
	waits(&w, loop, OP_COND, WAIT_WAKE);
	waits(&w, worker, OP_RECV, WAIT_EXTERNAL);
	w.processes[0].queue = true;
	pass(&w, 120 * SECOND);
	assert_false(dead(&w));
	assert_int_equal(held(&w, ROW_LOOP_BLOCKED), HELD_DEPENDENCY_WAIT);
	assert_int_equal(w.out.peer, (int)worker);
}

static void a_lock_whose_holder_goes_on_is_a_queue_not_a_knot(void **state)
{
	uint32_t loop = one_loop(), worker = add_thread(&w, 0, THREAD_WORKER);

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
	uint32_t loop = one_loop();

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
	one_loop();
	waits(&w, loop, OP_LOCK, WAIT_LOCK);
	w.processes[0].queue = true;
	w.stale = true;
	pass(&w, 120 * SECOND);
	assert_int_equal(w.out.count, 0);
}

static void what_the_kernel_said_in_a_call_says_nothing_when_it_was_left(void **state)
{
	uint32_t loop = one_loop();

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
	uint32_t loop = one_loop();

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
	uint32_t loop = one_loop();

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
	uint32_t loop = one_loop();

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
	uint32_t loop = one_loop(), more[4];

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
	uint32_t loop = one_loop();

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

/* ---- what holds */

static const enum held_code gates[] = {HELD_SUSPENDED, HELD_TRACED, HELD_FROZEN, HELD_CORE_DUMP};

static void gates_stop_the_clocks_and_hold_what_was_due(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(gates) / sizeof(gates[0]); i++) {
		uint32_t loop = one_loop();

		waits(&w, loop, OP_SLEEP, WAIT_TIME);
		w.processes[0].queue = true;
		pass(&w, 20 * SECOND);
		w.processes[0].gate = gates[i];
		pass(&w, 600 * SECOND);
		assert_false(dead(&w));
		assert_int_equal(held(&w, ROW_LOOP_BLOCKED), gates[i]);
		w.processes[0].gate = HELD_NO;
		pass(&w, 9 * SECOND);
		assert_false(dead(&w));
		pass(&w, 3 * SECOND);
		assert_true(dead(&w));
		w.processes[0].gate = gates[i]; /* a debugger comes to look */
		tick(&w);
		assert_false(dead(&w));
		w.processes[0].gate = HELD_NO;
		tick(&w);
		assert_true(dead(&w));
	}
}

static void voided_samples_advance_nothing(void **state)
{
	uint32_t loop = one_loop();

	(void)state;
	waits(&w, loop, OP_SLEEP, WAIT_TIME);
	w.processes[0].queue = true;
	pass(&w, 500 * MS);
	w.frame.voided = true;
	pass(&w, 600 * SECOND);
	assert_int_equal(w.out.count, 0);
}

static void starving_only_subtracts(void **state)
{
	uint32_t loop = one_loop();

	(void)state;
	waits(&w, loop, OP_READ, WAIT_PIPE);
	w.processes[0].queue = true;
	for (int i = 0; i < 6000; i++) {
		w.processes[0].throttled_ns += (uint64_t)TICK;
		tick(&w);
	}
	assert_int_equal(w.out.count, 0);
	assert_true(w.out.starved);
	for (int i = 0; i < 590; i++) { /* half of the time: dead at twice the limit */
		w.processes[0].throttled_ns += (uint64_t)TICK / 2;
		tick(&w);
		assert_false(dead(&w));
	}
	for (int i = 0; i < 30; i++) {
		w.processes[0].throttled_ns += (uint64_t)TICK / 2;
		tick(&w);
	}
	assert_true(dead(&w));
}

static void waiting_for_a_cpu_is_no_standing_still(void **state)
{
	uint32_t loop = one_loop();

	(void)state;
	waits(&w, loop, OP_LOCK, WAIT_LOCK);
	w.processes[0].queue = true;
	w.frame.limits.no_progress = 0;
	for (int i = 0; i < 590; i++) {
		w.looks[loop].delay_ns += (uint64_t)TICK / 2;
		tick(&w);
		assert_false(dead(&w));
	}
	for (int i = 0; i < 30; i++) {
		w.looks[loop].delay_ns += (uint64_t)TICK / 2;
		tick(&w);
	}
	assert_true(dead(&w));
}

static void three_looks_at_the_kernel_must_agree(void **state)
{
	uint32_t loop = one_loop();

	(void)state;
	waits(&w, loop, OP_LOCK, WAIT_LOCK);
	w.processes[0].queue = true;
	pass(&w, 2 * TICK); /* seen there, then asked once */
	w.stale = true;
	pass(&w, 60 * SECOND);
	w.stale = false;
	tick(&w);
	assert_false(dead(&w));
	tick(&w);
	assert_true(dead(&w));
}

static void who_was_not_asked_lately_is_not_dead(void **state)
{
	uint32_t loop = one_loop();

	(void)state;
	waits(&w, loop, OP_LOCK, WAIT_LOCK);
	w.processes[0].queue = true;
	pass(&w, SECOND);
	w.stale = true;
	pass(&w, 60 * SECOND);
	assert_false(dead(&w));
}

static void starting_and_draining_hold(void **state)
{
	uint32_t loop = one_loop();

	(void)state;
	w.frame.starting = true;
	waits(&w, loop, OP_SLEEP, WAIT_TIME);
	w.processes[0].queue = true;
	pass(&w, 100 * SECOND);
	assert_int_equal(held(&w, ROW_LOOP_BLOCKED), HELD_STARTING);
	assert_false(dead(&w));
	w.frame.starting = false;
	w.frame.draining = true;
	pass(&w, 100 * SECOND);
	assert_int_equal(held(&w, ROW_LOOP_BLOCKED), HELD_DRAINING);
	assert_false(dead(&w));
	w.frame.draining = false;
	pass(&w, 29 * SECOND);
	assert_false(dead(&w));
	pass(&w, 3 * SECOND);
	assert_true(dead(&w));
}

static void a_pause_of_all_is_waited_for_a_minute(void **state)
{
	uint32_t loop = one_loop(), collector = add_thread(&w, 0, THREAD_WORKER);

	(void)state;
	waits(&w, loop, OP_COND, WAIT_WAKE);
	computes(&w, collector);
	w.processes[0].queue = true;
	pass(&w, 59 * SECOND);
	assert_false(dead(&w));
	assert_int_equal(held(&w, ROW_LOOP_BLOCKED), HELD_PAUSED);
	assert_true(w.out.paused);
	assert_true(says(&w.verdicts.ready, REASON_PAUSED));
	assert_true(w.verdicts.ready_ok);
	pass(&w, 28 * SECOND);
	assert_false(dead(&w));
	pass(&w, 10 * SECOND);
	assert_true(dead(&w));
}

static void observing_shows_and_does_not_count(void **state)
{
	uint32_t loop = one_loop();

	(void)state;
	w.observe = true;
	waits(&w, loop, OP_SLEEP, WAIT_TIME);
	w.processes[0].queue = true;
	pass(&w, 40 * SECOND);
	assert_true(w.verdicts.live_ok);
	assert_int_equal(w.verdicts.live.items[0].code, REASON_LOOP_BLOCKED);
	assert_int_equal(w.verdicts.live.items[0].held, HELD_OBSERVE);
	assert_false(w.verdicts.ready_ok);
}

static int64_t time_to_death(uint32_t loop)
{
	int64_t time = 0;

	waits(&w, loop, OP_SLEEP, WAIT_TIME);
	while (!dead(&w) && time < 1000 * SECOND) {
		tick(&w);
		time += TICK;
	}
	return time;
}

static void false_alarms_make_limits_longer_up_to_tenfold(void **state)
{
	uint32_t loop = one_loop();
	int64_t before = 0;

	(void)state;
	w.processes[0].queue = true;
	for (int i = 0; i < 10; i++) {
		int64_t time = time_to_death(loop);

		assert_true(time > before || i > 6);
		if (i == 1)
			assert_in_range(time, 45 * SECOND, 46 * SECOND);
		before = time;
		goes_home(&w, loop);
		tick(&w);
		assert_int_equal(w.out.alarm, ROW_LOOP_BLOCKED);
		tick(&w);
		assert_int_equal(w.out.alarm, ROW_NONE);
	}
	assert_in_range(before, 300 * SECOND, 302 * SECOND);
}

static void a_service_that_is_restarted_was_no_false_alarm(void **state)
{
	uint32_t loop = one_loop();

	(void)state;
	w.processes[0].queue = true;
	time_to_death(loop);
	w.looks[loop].claim++;
	w.processes[0].start += 100;
	goes_home(&w, loop);
	pass(&w, SECOND);
	assert_int_equal(w.ladder.learned.alarms[ROW_LOOP_BLOCKED], 0);
	assert_false(dead(&w));
}

static void a_shorter_limit_shortens_the_way(void **state)
{
	uint32_t loop = one_loop();

	(void)state;
	w.frame.limits.loop_blocked = 2 * SECOND;
	w.processes[0].queue = true;
	waits(&w, loop, OP_SLEEP, WAIT_TIME);
	pass(&w, 700 * MS);
	assert_int_equal(level(&w, ROW_LOOP_BLOCKED), LEVEL_DEGRADED);
	pass(&w, 500 * MS);
	assert_int_equal(level(&w, ROW_LOOP_BLOCKED), LEVEL_NOT_READY);
	pass(&w, SECOND);
	assert_true(dead(&w));
	one_loop();
	w.frame.limits.loop_blocked = 0; /* never */
	w.processes[0].queue = true;
	assert_int_equal(time_to_death(loop), 1000 * SECOND);
}

/* ---- many processes */

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
	one_loop();
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

/* ---- pools */

static void a_pool(unsigned threads)
{
	world_init(&w);
	add_process(&w, PROCESS_MAIN);
	for (unsigned i = 0; i < threads; i++)
		w.looks[add_thread(&w, 0, THREAD_LISTENER)].pool = 1;
}

static void a_pool_is_exhausted_when_all_are_away_and_connections_wait(void **state)
{
	(void)state;
	a_pool(4);
	w.processes[0].queue = true;
	for (uint32_t i = 0; i < 3; i++)
		waits(&w, i, OP_COND, WAIT_WAKE);
	pass(&w, 120 * SECOND);
	assert_int_equal(w.out.count, 0);
	waits(&w, 3, OP_COND, WAIT_WAKE);
	w.frame.limits.no_progress = 0;
	pass(&w, 5500 * MS);
	assert_int_equal(level(&w, ROW_POOL_EXHAUSTED), LEVEL_NOT_READY);
	pass(&w, 54 * SECOND);
	assert_false(dead(&w));
	pass(&w, 2 * SECOND);
	assert_true(dead(&w));
	assert_int_equal(w.out.findings[0].row, ROW_POOL_EXHAUSTED);
}

static const struct {
	const char *what;
	uint32_t op;
	enum wait_on on;
	bool outbound, dies, dies_if_set;
	enum held_code held;
} pools[] = {
	{"locks", OP_LOCK, WAIT_LOCK, false, true, true, HELD_NO},
	{"locks, but the tree talks to somebody", OP_LOCK, WAIT_LOCK, true, false, true, HELD_NO},
	{"a pipe", OP_READ, WAIT_PIPE, false, true, true, HELD_NO},
	{"time", OP_SLEEP, WAIT_TIME, false, false, true, HELD_NO},
	{"a child", OP_READ, WAIT_CHILD, false, false, true, HELD_NO},
	{"a socket of the tree", OP_RECV, WAIT_INSIDE, false, false, true, HELD_NO},
	{"a database", OP_RECV, WAIT_EXTERNAL, false, false, false, HELD_DEPENDENCY_WAIT},
	{"a disk", OP_READ, WAIT_FILE, false, false, false, HELD_IO_WAIT},
};

static void what_one_of_the_pool_waits_for_decides(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(pools) / sizeof(pools[0]); i++) {
		for (int set = 0; set < 2; set++) {
			a_pool(3);
			w.frame.outbound = pools[i].outbound;
			w.frame.limits.pool_exhausted = set ? 60 * SECOND : 0;
			w.processes[0].queue = true;
			waits(&w, 0, OP_LOCK, WAIT_LOCK);
			waits(&w, 1, OP_LOCK, WAIT_LOCK);
			waits(&w, 2, pools[i].op, pools[i].on);
			pass(&w, 300 * SECOND);
			if (w.verdicts.ready_ok || dead(&w) != (set ? pools[i].dies_if_set : pools[i].dies) ||
				held(&w, ROW_POOL_EXHAUSTED) != pools[i].held)
				fail_msg("%s, set %d: dead %d, held %d", pools[i].what, set, dead(&w),
					held(&w, ROW_POOL_EXHAUSTED));
		}
	}
}

static void a_pool_of_which_one_computes_is_never_dead(void **state)
{
	(void)state;
	a_pool(3);
	w.frame.limits.pool_exhausted = 60 * SECOND;
	w.processes[0].queue = true;
	waits(&w, 0, OP_LOCK, WAIT_LOCK);
	waits(&w, 1, OP_LOCK, WAIT_LOCK);
	computes(&w, 2);
	pass(&w, 300 * SECOND);
	assert_false(dead(&w));
	assert_false(w.verdicts.ready_ok);
}

static void a_dispatcher_and_its_pool(void **state)
{
	uint32_t loop = one_loop(), helper = add_thread(&w, 0, THREAD_WORKER);

	(void)state;
	for (int i = 0; i < 3; i++)
		w.looks[add_thread(&w, 0, THREAD_WORKER)].pool = 1;
	w.looks[helper].pool = 2; /* alone, at home for ever */
	w.processes[0].queue = true;
	waits(&w, loop, OP_COND, WAIT_WAKE);
	for (uint32_t i = 2; i < 5; i++)
		waits(&w, i, OP_RECV, WAIT_EXTERNAL);
	pass(&w, 300 * SECOND);
	assert_false(dead(&w));
	assert_int_equal(held(&w, ROW_POOL_EXHAUSTED), HELD_DEPENDENCY_WAIT);
	assert_int_equal(held(&w, ROW_LOOP_BLOCKED), HELD_DEPENDENCY_WAIT);
	assert_int_equal(w.out.peer, 2);
	assert_true(says(&w.verdicts.ready, REASON_DEPENDENCY_WAIT));
}

/* ---- the tree, the backlog */

static void nothing_moves_in_the_whole_tree(void **state)
{
	uint32_t loop = one_loop(), worker = add_thread(&w, add_process(&w, PROCESS_CHILD), THREAD_MAIN);

	(void)state;
	waits(&w, loop, OP_COND, WAIT_WAKE);
	waits(&w, worker, OP_LOCK, WAIT_LOCK);
	w.processes[0].unread = true;
	w.frame.limits.loop_blocked = 0;
	pass(&w, 9 * SECOND);
	assert_int_equal(level(&w, ROW_NO_PROGRESS), LEVEL_DEGRADED);
	pass(&w, 2 * SECOND);
	assert_int_equal(level(&w, ROW_NO_PROGRESS), LEVEL_NOT_READY);
	pass(&w, 18 * SECOND);
	assert_false(dead(&w));
	pass(&w, 2 * SECOND);
	assert_true(dead(&w));
	w.processes[1].cpu_ns++; /* somebody did something */
	pass(&w, 300 * MS);
	assert_int_equal(level(&w, ROW_NO_PROGRESS), LEVEL_NONE);
	assert_int_equal(w.ladder.learned.alarms[ROW_NO_PROGRESS], 1);
}

static void a_tree_that_talks_to_somebody_is_never_dead_of_no_progress(void **state)
{
	uint32_t loop = one_loop();

	(void)state;
	waits(&w, loop, OP_COND, WAIT_WAKE);
	w.processes[0].unread = w.frame.outbound = true;
	w.frame.limits.loop_blocked = 0;
	pass(&w, 300 * SECOND);
	assert_int_equal(level(&w, ROW_NO_PROGRESS), LEVEL_NOT_READY);
	assert_false(dead(&w));
}

static void everybody_at_home_while_work_piles_up(void **state)
{
	uint32_t worker;

	(void)state;
	world_init(&w);
	add_process(&w, PROCESS_MAIN);
	worker = add_thread(&w, 0, THREAD_WORKER);
	w.frame.backlog_known = true;
	w.frame.backlog = 100;
	pass(&w, 31 * SECOND);
	assert_int_equal(level(&w, ROW_IDLE_WITH_BACKLOG), LEVEL_DEGRADED);
	pass(&w, 3600 * SECOND);
	assert_int_equal(level(&w, ROW_IDLE_WITH_BACKLOG), LEVEL_DEGRADED);
	w.frame.backlog_falls = true;
	tick(&w);
	assert_int_equal(w.out.count, 0);
	w.frame.backlog_falls = false;
	w.frame.limits.idle_with_backlog = 60 * SECOND;
	pass(&w, 61 * SECOND);
	assert_true(dead(&w));
	waits(&w, worker, OP_RECV, WAIT_EXTERNAL);
	tick(&w);
	assert_int_equal(w.out.count, 0);
	assert_int_equal(w.out.alarm, ROW_IDLE_WITH_BACKLOG);
}

static void samples_that_prove_nothing(void **state)
{
	const struct sample_clocks before = {100 * SECOND, 90 * SECOND, 7 * SECOND, 2};
	struct sample_clocks now = {100 * SECOND + TICK, 90 * SECOND + TICK, 7 * SECOND, 2};

	(void)state;
	assert_false(sample_is_void(&before, &now, TICK));
	now.boot_ns += 90 * MS, now.monotonic_ns += 90 * MS;
	assert_false(sample_is_void(&before, &now, TICK));
	now.boot_ns += 20 * MS, now.monotonic_ns += 20 * MS; /* late */
	assert_true(sample_is_void(&before, &now, TICK));
	now = (struct sample_clocks){100 * SECOND + TICK, 90 * SECOND + 50 * MS, 7 * SECOND, 2}; /* asleep */
	assert_true(sample_is_void(&before, &now, TICK));
	now = (struct sample_clocks){
		100 * SECOND + TICK, 90 * SECOND + TICK, 7 * SECOND + 41 * MS, 2}; /* stolen */
	assert_true(sample_is_void(&before, &now, TICK));
	assert_true(sample_is_void(&before, &before, TICK));
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_loop_at_home_may_stay_there_though_connections_wait),
		T(a_blocked_loop_climbs_to_dead_with_work_waiting),
		T(without_work_a_loop_is_never_dead_but_knocked_at),
		T(work_must_wait_for_the_whole_limit),
		T(a_loop_that_moves_is_not_accused),
		T(what_a_loop_waits_for_decides),
		T(io_is_not_ready_after_ten_seconds_only),
		T(a_chain_of_owners_leads_to_whom_it_is_up),
		T(who_waits_for_nobody_in_particular_may_wait_for_whoever_is_out),
		T(a_lock_whose_holder_goes_on_is_a_queue_not_a_knot),
		T(no_witness_no_death),
		T(what_the_kernel_said_in_a_call_says_nothing_when_it_was_left),
		T(to_be_woken_inside_a_call_of_many_steps_is_to_go_on),
		T(a_spinning_loop_is_judged_by_its_cpu_time),
		T(a_loop_that_gets_no_cpu_does_not_spin),
		T(one_of_many_loops_is_a_degradation),
		T(what_was_proven_stays_until_the_loop_goes_on),
		T(gates_stop_the_clocks_and_hold_what_was_due),
		T(voided_samples_advance_nothing),
		T(starving_only_subtracts),
		T(waiting_for_a_cpu_is_no_standing_still),
		T(three_looks_at_the_kernel_must_agree),
		T(who_was_not_asked_lately_is_not_dead),
		T(starting_and_draining_hold),
		T(a_pause_of_all_is_waited_for_a_minute),
		T(observing_shows_and_does_not_count),
		T(false_alarms_make_limits_longer_up_to_tenfold),
		T(a_service_that_is_restarted_was_no_false_alarm),
		T(a_shorter_limit_shortens_the_way),
		T(one_worker_of_many_is_a_degradation_and_all_are_death),
		T(children_of_connections_never_add_up),
		T(a_proof_counts_by_who_can_still_take_connections),
		T(a_pool_is_exhausted_when_all_are_away_and_connections_wait),
		T(what_one_of_the_pool_waits_for_decides),
		T(a_pool_of_which_one_computes_is_never_dead),
		T(a_dispatcher_and_its_pool),
		T(nothing_moves_in_the_whole_tree),
		T(a_tree_that_talks_to_somebody_is_never_dead_of_no_progress),
		T(everybody_at_home_while_work_piles_up),
		T(samples_that_prove_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
