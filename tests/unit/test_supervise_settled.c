/* SPDX-License-Identifier: Apache-2.0 */
/* What reclaim spares itself: in a segment where nothing moves, and in one of another pid namespace. */
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unit/reclaim_stage.h"

struct thread {
	pthread_t thread;
	pid_t tid;
	int up[2], end[2];
};

static void *wait_for_end(void *data)
{
	struct thread *thread = data;
	char byte = 'x';

	thread->tid = (pid_t)syscall(SYS_gettid);
	if (write(thread->up[1], &byte, 1) == 1)
		(void)!read(thread->end[0], &byte, 1); /* until it is closed */
	return NULL;
}

static void start(struct thread *thread)
{
	char byte;

	assert_true(pipe(thread->up) == 0 && pipe(thread->end) == 0);
	assert_int_equal(pthread_create(&thread->thread, NULL, wait_for_end, thread), 0);
	assert_int_equal(read(thread->up[0], &byte, 1), 1);
}

static void end(struct thread *thread)
{
	close(thread->end[1]);
	assert_int_equal(pthread_join(thread->thread, NULL), 0);
	close(thread->end[0]);
	close(thread->up[0]);
	close(thread->up[1]);
}

/* Nothing moves for an hour; then one thread ends without a word, as by a raw exit, and the kernel counts one less. */
static void in_a_settled_segment_a_thread_that_is_gone_is_noticed(void **state)
{
	struct fixture *fixture = *state;
	struct thread thread;

	start(&thread);
	claim_process(fixture, 0, getpid(), (uint64_t)clock_boot_ns());
	claim_slot(fixture, 0, 0, getpid(), getpid());
	claim_slot(fixture, 1, 0, getpid(), thread.tid);
	look(fixture, 3600);
	assert_true(slot_claim(fixture, 0) != 0 && slot_claim(fixture, 1) != 0);
	end(&thread);
	look(fixture, 1);
	assert_true(slot_claim(fixture, 0) != 0);
	assert_int_equal(slot_claim(fixture, 1), 0);
}

/* What the header counts is the service's word: it delays a look at all slots, no more. */
static void in_a_settled_segment_all_is_looked_at_now_and_then(void **state)
{
	struct fixture *fixture = *state;

	claim_process(fixture, 0, getpid(), (uint64_t)clock_boot_ns());
	claim_slot(fixture, 0, 0, getpid(), getpid());
	look(fixture, 50);
	claim_slot(fixture, 1, 0, getpid(), 1);
	fixture->segment.header->threads_started--; /* nobody has claimed, it says */
	look(fixture, 1);
	assert_true(slot_claim(fixture, 1) != 0);
	look(fixture, 64);
	assert_int_equal(slot_claim(fixture, 1), 0);
	assert_true(slot_claim(fixture, 0) != 0);
}

/* Pids of another namespace: nobody is asked about them, but a later claim of the same pid is an exec. */
static void blind_it_frees_only_what_an_exec_left(void **state)
{
	struct fixture *fixture = *state;
	pid_t nobody = 4000000; /* not here */

	fixture->reclaim.blind = true;
	claim_process(fixture, 0, nobody, 1000);
	claim_slot(fixture, 0, 0, nobody, nobody);
	claim_process(fixture, 1, nobody + 1, 1000);
	claim_slot(fixture, 1, 1, nobody + 1, nobody + 1);
	look(fixture, 10);
	assert_true(process_claim(fixture, 0) != 0 && slot_claim(fixture, 0) != 0);
	claim_process(fixture, 2, nobody, 2000);
	claim_slot(fixture, 2, 2, nobody, nobody);
	look(fixture, 3);
	assert_true(process_claim(fixture, 0) == 0 && slot_claim(fixture, 0) == 0);
	assert_true(process_claim(fixture, 1) != 0 && slot_claim(fixture, 1) != 0);
	assert_true(process_claim(fixture, 2) != 0 && slot_claim(fixture, 2) != 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(in_a_settled_segment_a_thread_that_is_gone_is_noticed),
		TEST(in_a_settled_segment_all_is_looked_at_now_and_then),
		TEST(blind_it_frees_only_what_an_exec_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
