/* SPDX-License-Identifier: Apache-2.0 */
/* Pools, the tree as a whole, backlogs, and samples that prove nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "judge/sample.h"
#include "unit/ladder_world.h"

static struct world w;

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

static void a_pool_between_two_waits_for_a_disk_still_waits_for_it(void **state)
{
	(void)state;
	a_pool(3);
	w.processes[0].queue = true;
	for (uint32_t i = 0; i < 3; i++)
		waits(&w, i, OP_READ, WAIT_FILE);
	pass(&w, 20 * SECOND);
	assert_int_equal(held(&w, ROW_POOL_EXHAUSTED), HELD_IO_WAIT);
	for (uint32_t i = 0; i < 3; i++)
		computes(&w, i);
	tick(&w);
	assert_int_equal(held(&w, ROW_POOL_EXHAUSTED), HELD_IO_WAIT);
	for (uint32_t i = 0; i < 3; i++)
		waits(&w, i, OP_LOCK, WAIT_LOCK);
	pass(&w, SECOND);
	assert_int_equal(level(&w, ROW_POOL_EXHAUSTED), LEVEL_NOT_READY);
	assert_int_equal(held(&w, ROW_POOL_EXHAUSTED), HELD_NO);
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
	uint32_t loop = one_loop(&w), helper = add_thread(&w, 0, THREAD_WORKER);

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
	assert_false(w.verdicts.ready_ok);
	for (unsigned i = 0; i < w.out.count; i++) /* failOpen: that database is down for the siblings, too */
		w.out.findings[i].forgiven = w.out.findings[i].stand.held == HELD_DEPENDENCY_WAIT;
	w.verdicts = (struct verdicts){.verdict = VERDICT_ALIVE, .live_ok = true, .ready_ok = true, .startup_ok = true};
	ladder_tell(&w.out, false, w.frame.now, &w.verdicts);
	assert_true(w.verdicts.ready_ok);
	assert_true(says(&w.verdicts.ready, REASON_DEPENDENCY_WAIT));
}

static void a_dispatcher_that_takes_no_more_until_its_pool_has_room(void **state)
{
	uint32_t loop = one_loop(&w); /* at home, for ever */

	(void)state;
	w.looks[loop].pool = 1; /* begun with the same routine, as a runtime does it */
	for (int i = 0; i < 3; i++)
		w.looks[add_thread(&w, 0, THREAD_WORKER)].pool = 1;
	w.processes[0].queue = true;
	for (uint32_t i = 1; i < 4; i++) {
		pass(&w, 10 * SECOND);
		assert_int_equal(w.out.count, 0);
		waits(&w, i, OP_LOCK, WAIT_LOCK);
	}
	w.frame.now += 3600 * SECOND; /* nobody asked meanwhile */
	pass(&w, 6 * SECOND);
	assert_in_range(w.frame.now - w.out.findings[0].stand.since, 5 * SECOND, 7 * SECOND);
	assert_int_equal(level(&w, ROW_POOL_EXHAUSTED), LEVEL_NOT_READY);
	pass(&w, 300 * SECOND); /* it may begin to listen again */
	assert_false(dead(&w));
	goes_home(&w, 2);
	tick(&w);
	assert_int_equal(w.out.count, 0);
}

/* ---- the tree, the backlog */

static void nothing_moves_in_the_whole_tree(void **state)
{
	uint32_t loop = one_loop(&w), worker = add_thread(&w, add_process(&w, PROCESS_CHILD), THREAD_MAIN);

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
	uint32_t loop = one_loop(&w);

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

static void who_beats_at_home_is_degraded_for_a_backlog_and_never_dead(void **state)
{
	uint32_t worker;

	(void)state;
	world_init(&w);
	add_process(&w, PROCESS_MAIN);
	worker = add_thread(&w, 0, THREAD_WORKER);
	w.frame.backlog_known = true;
	w.frame.backlog = 100;
	w.frame.limits.idle_with_backlog = 60 * SECOND;
	for (int i = 0; i < 300; i++) {
		goes_home(&w, worker);
		pass(&w, SECOND);
		assert_false(dead(&w));
	}
	assert_int_equal(level(&w, ROW_IDLE_WITH_BACKLOG), LEVEL_DEGRADED);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pool_is_exhausted_when_all_are_away_and_connections_wait),
		cmocka_unit_test(what_one_of_the_pool_waits_for_decides),
		cmocka_unit_test(a_pool_between_two_waits_for_a_disk_still_waits_for_it),
		cmocka_unit_test(a_pool_of_which_one_computes_is_never_dead),
		cmocka_unit_test(a_dispatcher_and_its_pool),
		cmocka_unit_test(a_dispatcher_that_takes_no_more_until_its_pool_has_room),
		cmocka_unit_test(nothing_moves_in_the_whole_tree),
		cmocka_unit_test(a_tree_that_talks_to_somebody_is_never_dead_of_no_progress),
		cmocka_unit_test(everybody_at_home_while_work_piles_up),
		cmocka_unit_test(who_beats_at_home_is_degraded_for_a_backlog_and_never_dead),
		cmocka_unit_test(samples_that_prove_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
