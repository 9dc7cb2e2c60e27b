/* SPDX-License-Identifier: Apache-2.0 */
/* What holds the ladder: gates, voided samples, starvation, start and drain, pauses; and what it learns of
 * false alarms. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "unit/ladder_world.h"

static struct world w;

static const enum held_code gates[] = {HELD_SUSPENDED, HELD_TRACED, HELD_FROZEN, HELD_CORE_DUMP};

static void gates_stop_the_clocks_and_hold_what_was_due(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(gates) / sizeof(gates[0]); i++) {
		uint32_t loop = one_loop(&w);

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
	uint32_t loop = one_loop(&w);

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
	uint32_t loop = one_loop(&w);

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
	uint32_t loop = one_loop(&w);

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
	uint32_t loop = one_loop(&w);

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
	uint32_t loop = one_loop(&w);

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
	uint32_t loop = one_loop(&w);

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
	uint32_t loop = one_loop(&w), collector = add_thread(&w, 0, THREAD_WORKER);

	(void)state;
	waits(&w, loop, OP_JOIN, WAIT_THREAD); /* for a wake-up it would wait as long as anybody computes */
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
	uint32_t loop = one_loop(&w);

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
	uint32_t loop = one_loop(&w);
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
	uint32_t loop = one_loop(&w);

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
	uint32_t loop = one_loop(&w);

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
	one_loop(&w);
	w.frame.limits.loop_blocked = 0; /* never */
	w.processes[0].queue = true;
	assert_int_equal(time_to_death(loop), 1000 * SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gates_stop_the_clocks_and_hold_what_was_due),
		cmocka_unit_test(voided_samples_advance_nothing),
		cmocka_unit_test(starving_only_subtracts),
		cmocka_unit_test(waiting_for_a_cpu_is_no_standing_still),
		cmocka_unit_test(three_looks_at_the_kernel_must_agree),
		cmocka_unit_test(who_was_not_asked_lately_is_not_dead),
		cmocka_unit_test(starting_and_draining_hold),
		cmocka_unit_test(a_pause_of_all_is_waited_for_a_minute),
		cmocka_unit_test(observing_shows_and_does_not_count),
		cmocka_unit_test(false_alarms_make_limits_longer_up_to_tenfold),
		cmocka_unit_test(a_service_that_is_restarted_was_no_false_alarm),
		cmocka_unit_test(a_shorter_limit_shortens_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
