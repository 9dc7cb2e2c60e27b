/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "judge/calls.h"
#include "judge/thread.h"

struct row {
	const char *what;
	const char *op; /* NULL: in no call */
	bool moved;
	char kernel;
	unsigned stays; /* times it was noted waiting there */
	enum thread_state state;
};

static const struct row rows[] = {
	{"in no call and moved: running", NULL, true, 0, 0, THREAD_RUNNING},
	{"in no call, on a CPU: running", NULL, false, 'R', 0, THREAD_RUNNING},
	{"in no call, not asked yet: running, never accused", NULL, false, 0, 0, THREAD_RUNNING},
	{"in no call, asleep in the kernel: unseen", NULL, false, 'S', 0, THREAD_UNSEEN},
	{"in no call, in the disk: unseen", NULL, false, 'D', 0, THREAD_UNSEEN},
	{"first stay in epoll_wait: idle", "epoll_wait", false, 0, 1, THREAD_IDLE},
	{"epoll_wait not yet noted: io", "epoll_wait", false, 0, 0, THREAD_IO},
	{"a mutex is a lock wait", "pthread_mutex_lock", false, 0, 1, THREAD_LOCK},
	{"a mutex it comes back to is home", "pthread_mutex_lock", false, 0, 4, THREAD_IDLE},
	{"a socket: io", "recv", false, 0, 1, THREAD_IO},
	{"a file: io", "fsync", false, 0, 1, THREAD_IO},
	{"time: sleep, however often", "nanosleep", false, 0, 9, THREAD_SLEEP},
	{"a child: sleep until it comes back to it", "waitpid", false, 0, 1, THREAD_SLEEP},
	{"a child it comes back to: home", "waitpid", false, 0, 4, THREAD_IDLE},
};

static uint32_t op_named(const char *name)
{
	for (uint32_t op = 1; name && op < 1024; op++) {
		if (call_info(op)->name && strcmp(call_info(op)->name, name) == 0)
			return op;
	}
	assert_null(name);
	return 0;
}

static void each_state_of_the_table(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct thread_look look = {.op = op_named(rows[i].op), .caller = 5, .moved = rows[i].moved, .kernel_state = rows[i].kernel};

		for (unsigned stay = 0; stay < rows[i].stays; stay++)
			home_note_wait(&look.home, look.op, 5, stay > 0);
		if (thread_judge_state(&look) != rows[i].state)
			fail_msg("%s: is %s", rows[i].what, thread_state_text(thread_judge_state(&look)));
	}
}

static void roles(void **state)
{
	struct thread_look look = {.main = true};

	(void)state;
	assert_int_equal(thread_judge_role(&look, THREAD_WORKER), THREAD_MAIN);
	look.main = false;
	assert_int_equal(thread_judge_role(&look, THREAD_MAIN), THREAD_WORKER);
	look = (struct thread_look){.main = true, .serves = true, .op = op_named("epoll_wait")};
	assert_int_equal(thread_judge_role(&look, THREAD_MAIN), THREAD_LOOP);
	look.op = op_named("accept");
	assert_int_equal(thread_judge_role(&look, THREAD_MAIN), THREAD_LISTENER);
	look.moved = true; /* passing through */
	assert_int_equal(thread_judge_role(&look, THREAD_MAIN), THREAD_MAIN);
	assert_int_equal(thread_judge_role(&look, THREAD_LOOP), THREAD_LOOP);
	look = (struct thread_look){.main = true, .op = op_named("recv")};
	assert_int_equal(thread_judge_role(&look, THREAD_LOOP), THREAD_LOOP); /* away from its wait it stays a loop */
	look.serves = true; /* a prefork worker with its peer: where it waits changes, what it is does not */
	assert_int_equal(thread_judge_role(&look, THREAD_LISTENER), THREAD_LISTENER);
	look.op = op_named("poll");
	assert_int_equal(thread_judge_role(&look, THREAD_LISTENER), THREAD_LISTENER);
	look.op = op_named("usleep");
	assert_int_equal(thread_judge_role(&look, THREAD_MAIN), THREAD_MAIN); /* nobody becomes a loop by sleeping */
}

static void only_silent_threads_outside_calls_are_suspects(void **state)
{
	struct thread_look look = {.op = 0, .moved = false};

	(void)state;
	assert_true(thread_is_suspect(&look));
	look.moved = true;
	assert_false(thread_is_suspect(&look));
	look = (struct thread_look){.op = op_named("read")};
	assert_false(thread_is_suspect(&look));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state_of_the_table),
		cmocka_unit_test(roles),
		cmocka_unit_test(only_silent_threads_outside_calls_are_suspects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
