/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "judge/calls.h"
#include "judge/home.h"

static uint32_t op_named(const char *name)
{
	for (uint32_t op = 1; op < 1024; op++) {
		if (call_info(op)->name && strcmp(call_info(op)->name, name) == 0)
			return op;
	}
	fail_msg("no call %s", name);
	return 0;
}

static void note(struct home *home, const char *op, uint64_t caller, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		home_note_wait(home, op_named(op), caller, i > 0);
}

/* Waits of these kinds are home at the first stay. */
static void home_at_once(void **state)
{
	static const char *const names[] = {"epoll_wait", "poll", "select", "accept", "pthread_cond_wait", "sem_wait", "sigsuspend"};

	(void)state;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct home home = {0};

		assert_false(home_is_at(&home, op_named(names[i]), 7));
		note(&home, names[i], 7, 1);
		assert_true(home_is_at(&home, op_named(names[i]), 7));
	}
}

/* redis's io-threads sit healthy in pthread_mutex_lock, but only coming back proves it. */
static void locks_need_three_returns(void **state)
{
	static const char *const names[] = {"pthread_mutex_lock", "pthread_join", "waitpid", "read", "fsync", "recv"};

	(void)state;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct home home = {0};

		note(&home, names[i], 7, HOME_RETURNS);
		assert_false(home_is_at(&home, op_named(names[i]), 7));
		home_note_wait(&home, op_named(names[i]), 7, true);
		assert_true(home_is_at(&home, op_named(names[i]), 7));
	}
}

static void another_caller_is_another_place(void **state)
{
	struct home home = {0};

	(void)state;
	note(&home, "epoll_wait", 7, 9);
	assert_false(home_is_at(&home, op_named("epoll_wait"), 8));
}

/* A worker whose home is proven does not become idle by waiting somewhere else for the first time. */
static void a_proven_home_outweighs_a_first_wait(void **state)
{
	struct home home = {0};

	(void)state;
	note(&home, "epoll_wait", 7, 9);
	note(&home, "pthread_cond_wait", 20, 1);
	assert_false(home_is_at(&home, op_named("pthread_cond_wait"), 20));
	assert_true(home_is_at(&home, op_named("epoll_wait"), 7));
}

/* The first request may be the one that never ends. */
static void who_stood_where_connections_come_in_is_at_home_there(void **state)
{
	struct home home = {0};

	(void)state;
	note(&home, "accept4", 7, 0);
	note(&home, "poll", 20, 1);
	assert_true(home_is_at(&home, op_named("poll"), 20));
	home_prove(&home, op_named("accept4"), 7);
	assert_false(home_is_at(&home, op_named("poll"), 20));
	assert_true(home_is_at(&home, op_named("accept4"), 7));
	note(&home, "poll", 20, HOME_RETURNS + 1);
	assert_true(home_is_at(&home, op_named("poll"), 20));
}

/* However many other places it visits, the proven one stays. */
static void the_weakest_place_is_forgotten(void **state)
{
	struct home home = {0};

	(void)state;
	note(&home, "epoll_wait", 7, 9);
	for (uint64_t caller = 100; caller < 200; caller++)
		note(&home, "recv", caller, 2);
	assert_true(home_is_at(&home, op_named("epoll_wait"), 7));
}

/* puma under load: its loop is at its runtime's lock most of the time, and then nobody comes for minutes. */
static void where_clients_come_in_stays_home_however_often_it_is_seen_elsewhere(void **state)
{
	struct home home = {0};

	(void)state;
	note(&home, "select", 7, HOME_RETURNS + 1);
	note(&home, "pthread_cond_wait", 8, 1000);
	for (uint64_t caller = 20; caller < 30; caller++)
		note(&home, "pthread_cond_timedwait", caller, 1000);
	assert_true(home_is_at(&home, op_named("select"), 7));
	assert_true(home_is_at(&home, op_named("pthread_cond_timedwait"), 29));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(home_at_once),
		cmocka_unit_test(where_clients_come_in_stays_home_however_often_it_is_seen_elsewhere),
		cmocka_unit_test(locks_need_three_returns),
		cmocka_unit_test(another_caller_is_another_place),
		cmocka_unit_test(a_proven_home_outweighs_a_first_wait),
		cmocka_unit_test(who_stood_where_connections_come_in_is_at_home_there),
		cmocka_unit_test(the_weakest_place_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
