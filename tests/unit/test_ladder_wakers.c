/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits for nobody in particular may be woken by whoever is at work, or by clients; who waits elsewhere
 * takes no connections. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "unit/ladder_world.h"

static struct world w;

/* A loop that waits for room behind it, and connections. */
static uint32_t a_dispatcher(void)
{
	uint32_t loop = one_loop(&w);

	waits(&w, loop, OP_COND, WAIT_WAKE);
	w.processes[0].queue = true;
	w.frame.limits.no_progress = 0;
	return loop;
}

static void is_not_ready_and_never_dead(void)
{
	pass(&w, 300 * SECOND);
	assert_false(dead(&w));
	assert_false(w.verdicts.ready_ok);
	assert_int_equal(level(&w, ROW_LOOP_BLOCKED), LEVEL_NOT_READY);
}

static void a_dispatcher_waits_for_a_worker_that_computes(void **state)
{
	(void)state;
	a_dispatcher();
	computes(&w, add_thread(&w, 0, THREAD_WORKER));
	is_not_ready_and_never_dead();
}

static void a_dispatcher_waits_for_a_worker_that_sleeps(void **state)
{
	uint32_t worker;

	(void)state;
	a_dispatcher();
	worker = add_thread(&w, 0, THREAD_WORKER);
	waits(&w, worker, OP_SLEEP, WAIT_TIME);
	is_not_ready_and_never_dead();
	w.looks[worker].rests = true; /* a timer, who never did anything else */
	pass(&w, 31 * SECOND);
	assert_true(dead(&w));
}

static void a_dispatcher_waits_for_a_worker_that_moves(void **state)
{
	uint32_t worker;

	(void)state;
	a_dispatcher();
	worker = add_thread(&w, 0, THREAD_WORKER);
	for (int i = 0; i < 600; i++) {
		waits(&w, worker, OP_READ, WAIT_PIPE);
		pass(&w, 200 * MS);
		assert_false(dead(&w));
	}
}

static void a_beat_now_and_then_is_no_work(void **state)
{
	uint32_t timer;

	(void)state;
	a_dispatcher();
	timer = add_thread(&w, 0, THREAD_WORKER);
	for (int i = 0; i < 31; i++) {
		waits(&w, timer, OP_SLEEP, WAIT_TIME);
		w.looks[timer].rests = true;
		pass(&w, 900 * MS);
		w.looks[timer].rests = false;
		computes(&w, timer);
		pass(&w, 200 * MS);
	}
	assert_true(dead(&w));
}

static void clients_that_are_served_may_make_room(void **state)
{
	static const struct {
		enum thread_role role;
		uint32_t op;
		bool dies;
	} others[] = {{THREAD_LOOP, OP_EPOLL, false}, {THREAD_WORKER, OP_RECV, false},
		{THREAD_WORKER, OP_COND, true}};

	(void)state;
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		for (unsigned listener = 0; listener < 2; listener++) {
			uint32_t taker = a_dispatcher(), other = add_thread(&w, 0, others[i].role);

			w.looks[taker].role = listener ? THREAD_LISTENER : THREAD_LOOP;
			w.looks[other].op = others[i].op;
			w.looks[other].accepts = false;
			w.frame.limits.no_progress = 30 * SECOND;
			pass(&w, 300 * SECOND);
			if (w.verdicts.ready_ok || dead(&w) != others[i].dies)
				fail_msg("%u, listener %u: dead %d", i, listener, dead(&w));
		}
	}
}

static void who_wants_the_lock_of_a_runtime_takes_no_connections(void **state)
{
	uint32_t listener;

	(void)state;
	world_init(&w);
	add_process(&w, PROCESS_MAIN);
	listener = add_thread(&w, 0, THREAD_LISTENER);
	add_thread(&w, 0, THREAD_WORKER);
	w.processes[0].queue = true;
	for (int i = 0; i < 1000; i++) { /* for which it asks again and again, and is at home there */
		goes(&w, listener, OP_COND, WAIT_WAKE, THREAD_IDLE);
		w.looks[listener].timed = true;
		tick(&w);
		assert_false(dead(&w));
		assert_int_equal(w.verdicts.ready_ok, i < 49); /* 5 s */
	}
	goes(&w, listener, OP_ACCEPT, WAIT_UNKNOWN, THREAD_IDLE);
	tick(&w);
	assert_int_equal(w.out.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dispatcher_waits_for_a_worker_that_computes),
		cmocka_unit_test(a_dispatcher_waits_for_a_worker_that_sleeps),
		cmocka_unit_test(a_dispatcher_waits_for_a_worker_that_moves),
		cmocka_unit_test(a_beat_now_and_then_is_no_work),
		cmocka_unit_test(clients_that_are_served_may_make_room),
		cmocka_unit_test(who_wants_the_lock_of_a_runtime_takes_no_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
