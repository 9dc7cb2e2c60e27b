/* SPDX-License-Identifier: Apache-2.0 */
/* Publishing and reading: readers always see a whole snapshot, and nothing is freed under their eyes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state/snapshot.h"

static unsigned destroyed; /* owner: the publishing thread */
static struct snapshot_seat *seat;

static void show(struct snapshot *next)
{
	snapshot_publish(seat, next);
	snapshot_settle();
}

static void count_destroyed(void *rendered)
{
	destroyed++;
	free(rendered);
}

static struct snapshot *marked(uint64_t mark)
{
	struct snapshot *made = snapshot_new(2, 3);

	assert_non_null(made);
	made->beats_total = mark;
	made->threads[2].beats = mark;
	made->processes[1].pid = (pid_t)mark;
	return made;
}

static void arrays_are_zeroed_and_apart(void **state)
{
	struct snapshot *made = snapshot_new(2, 3);

	(void)state;
	assert_int_equal(made->process_count, 2);
	assert_int_equal(made->thread_count, 3);
	assert_int_equal(made->threads[2].tid, 0);
	made->threads[2].waits_for.futex = UINT64_MAX;
	assert_int_equal(made->processes[0].pid, 0);
	free(made);
	made = snapshot_new(0, 0);
	assert_non_null(made);
	free(made);
}

static void readers_see_what_was_published_last(void **state)
{
	struct snapshot *held;

	(void)state;
	snapshot_reader_enter();
	snapshot_reader_enter(); /* more than once does nothing */
	show(marked(1));
	show(marked(2));
	snapshot_hold();
	held = snapshot_root();
	assert_int_equal(held->beats_total, 2);
	assert_int_equal(held->processes[1].pid, 2);
	snapshot_release();
}

static void renderings_are_freed_with_their_snapshot(void **state)
{
	struct snapshot *first = marked(3);

	(void)state;
	snapshot_on_free(count_destroyed);
	show(first);
	first->rendered[0] = malloc(1);
	first->rendered[SNAPSHOT_RENDERED - 1] = malloc(1);
	destroyed = 0;
	show(marked(4));
	assert_int_equal(destroyed, 2);
}

static void the_beat_is_kept(void **state)
{
	(void)state;
	snapshot_beat(INT64_C(123456789012345));
	assert_int_equal(snapshot_last_beat(), INT64_C(123456789012345));
}

struct race {
	bool ends;       /* atomic: publisher writes, readers read */
	uint64_t torn;   /* atomic */
	uint64_t backwards;
};

static void *read_main(void *argument)
{
	struct race *race = argument;
	uint64_t before = 0;

	snapshot_reader_enter();
	while (!__atomic_load_n(&race->ends, __ATOMIC_ACQUIRE)) {
		struct snapshot *held;
		uint64_t mark;

		snapshot_hold();
		held = snapshot_root();
		mark = held->beats_total;

		if (held->threads[2].beats != mark || (uint64_t)held->processes[1].pid != mark)
			__atomic_fetch_add(&race->torn, 1, __ATOMIC_RELAXED);
		if (mark < before)
			__atomic_fetch_add(&race->backwards, 1, __ATOMIC_RELAXED);
		before = mark;
		snapshot_release();
	}
	return NULL; /* registered: the thread's end unregisters it */
}

static void readers_never_see_a_torn_or_freed_snapshot(void **state)
{
	struct race race = {.ends = false};
	pthread_t readers[3];

	(void)state;
	show(marked(10));
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_main, &race), 0);
	for (uint64_t mark = 11; mark < 400; mark++)
		show(marked(mark));
	__atomic_store_n(&race.ends, true, __ATOMIC_RELEASE);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_join(readers[i], NULL), 0);
	assert_int_equal(race.torn, 0);
	assert_int_equal(race.backwards, 0);
	show(marked(400)); /* would hang if an ended thread were still registered */
}

static void a_forked_process_publishes_on_its_own(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		struct race race = {.ends = false};
		pthread_t reader;

		show(marked(500));
		if (pthread_create(&reader, NULL, read_main, &race) != 0)
			_exit(2);
		for (uint64_t mark = 501; mark < 520; mark++)
			show(marked(mark));
		__atomic_store_n(&race.ends, true, __ATOMIC_RELEASE);
		_exit(pthread_join(reader, NULL) != 0 || race.torn);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arrays_are_zeroed_and_apart),
		cmocka_unit_test(readers_see_what_was_published_last),
		cmocka_unit_test(renderings_are_freed_with_their_snapshot),
		cmocka_unit_test(the_beat_is_kept),
		cmocka_unit_test(readers_never_see_a_torn_or_freed_snapshot),
		cmocka_unit_test(a_forked_process_publishes_on_its_own),
	};

	seat = snapshot_seat_open("the only one");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
