/* SPDX-License-Identifier: Apache-2.0 */
/* Seats: what readers find by name, by walking and as the whole, while services come and go. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/snapshot.h"

static unsigned destroyed; /* owner: the publishing thread */

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

enum { COMERS = 8 };

static struct snapshot_seat *open_with(const char *name, uint64_t mark)
{
	struct snapshot_seat *opened = snapshot_seat_open(name);
	struct snapshot *made = marked(mark);

	assert_non_null(opened);
	(void)snprintf(made->service, sizeof made->service, "%s", name);
	snapshot_publish(opened, made);
	return opened;
}

static uint64_t mark_of(const char *name)
{
	struct snapshot *found;
	uint64_t mark;

	snapshot_hold();
	found = snapshot_find(name, strlen(name));
	mark = found ? found->beats_total : 0;
	snapshot_release();
	return mark;
}

static void a_name_has_one_seat(void **state)
{
	struct snapshot_seat *first = snapshot_seat_open("a");
	char longest[65];

	(void)state;
	assert_non_null(first);
	assert_null(snapshot_seat_open("a"));
	assert_null(snapshot_seat_open(""));
	memset(longest, 'x', 64);
	longest[64] = '\0';
	assert_null(snapshot_seat_open(longest));
	snapshot_seat_close(first);
	first = snapshot_seat_open("a"); /* before the earlier one was freed */
	assert_non_null(first);
	snapshot_seat_close(first);
	first = snapshot_seat_open(longest + 1);
	assert_non_null(first);
	snapshot_seat_close(first);
	snapshot_settle();
}

static void only_the_whole_name_finds_what_was_published(void **state)
{
	struct snapshot_seat *ab = open_with("ab", 5), *abc = snapshot_seat_open("abc");

	(void)state;
	assert_int_equal(mark_of("ab"), 5);
	assert_int_equal(mark_of("a"), 0);
	assert_int_equal(mark_of("AB"), 0);
	assert_int_equal(mark_of(""), 0);
	assert_int_equal(mark_of("abc"), 0); /* a seat where nothing is yet */
	snapshot_publish(abc, marked(6));
	assert_int_equal(mark_of("abc"), 6);
	snapshot_hold();
	assert_int_equal(snapshot_find("abcd", 3)->beats_total, 6);
	snapshot_release();
	snapshot_seat_close(ab);
	assert_int_equal(mark_of("ab"), 0);
	assert_int_equal(mark_of("abc"), 6);
	snapshot_seat_close(abc);
	snapshot_settle();
}

static void many_names_are_all_found(void **state)
{
	static struct snapshot_seat *many[3000];
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof name, "s%u", i);
		many[i] = open_with(name, i + 1);
	}
	for (unsigned i = 0; i < 3000; i += 2)
		snapshot_seat_close(many[i]);
	snapshot_settle();
	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof name, "s%u", i);
		assert_int_equal(mark_of(name), i % 2 ? i + 1 : 0);
	}
	for (unsigned i = 1; i < 3000; i += 2)
		snapshot_seat_close(many[i]);
	snapshot_settle();
}

static void what_was_there_is_freed_with_a_seat(void **state)
{
	struct snapshot_seat *going = open_with("going", 7);

	(void)state;
	snapshot_on_free(count_destroyed);
	destroyed = 0;
	snapshot_hold();
	snapshot_find("going", 5)->rendered[3] = malloc(1);
	snapshot_release();
	snapshot_seat_close(going);
	assert_int_equal(destroyed, 0); /* somebody may still read it */
	snapshot_settle();
	assert_int_equal(destroyed, 1);
}

static void who_stands_on_a_closed_seat_walks_on(void **state)
{
	struct snapshot_seat *all[3] = {open_with("x", 1), open_with("y", 2), open_with("z", 3)};
	const struct snapshot_seat *here;

	(void)state;
	snapshot_hold();
	here = snapshot_next(all[0]);
	assert_ptr_equal(here, all[1]);
	snapshot_seat_close(all[1]);
	assert_int_equal(snapshot_at(here)->beats_total, 2);
	assert_ptr_equal(snapshot_next(all[0]), all[2]);
	assert_ptr_equal(snapshot_next(here), all[2]);
	snapshot_seat_close(all[2]);
	assert_null(snapshot_next(all[0]));
	snapshot_release();
	snapshot_seat_close(all[0]);
	snapshot_settle();
}

static uint64_t root_mark(void)
{
	struct snapshot *root;
	uint64_t mark;

	snapshot_hold();
	root = snapshot_root();
	mark = root ? root->beats_total : 0;
	snapshot_release();
	return mark;
}

static void the_whole_is_the_only_service_else_what_was_given(void **state)
{
	struct snapshot_seat *one, *two;

	(void)state;
	assert_int_equal(root_mark(), 0);
	snapshot_publish_root(marked(100));
	assert_int_equal(root_mark(), 100);
	one = open_with("one", 1);
	assert_int_equal(root_mark(), 1);
	two = snapshot_seat_open("two");
	assert_int_equal(root_mark(), 1); /* nothing was published there yet */
	snapshot_publish(two, marked(2));
	assert_int_equal(root_mark(), 100);
	snapshot_publish(two, marked(3)); /* not counted again */
	snapshot_seat_close(one);
	assert_int_equal(root_mark(), 3);
	snapshot_hold();
	assert_int_equal(snapshot_whole()->beats_total, 100);
	snapshot_release();
	snapshot_seat_close(two);
	assert_int_equal(root_mark(), 100);
	snapshot_settle();
}

struct race {
	bool ends;      /* atomic: publisher writes, readers read */
	uint64_t wrong; /* atomic */
	uint64_t twice; /* atomic */
};

/* Whole, where its name says, and never twice in one walk. */
static void look_at_seat(struct race *race, const struct snapshot_seat *at, unsigned *met)
{
	struct snapshot *found = snapshot_at(at);
	unsigned comer;

	if (found->threads[2].beats != found->beats_total || (uint64_t)found->processes[1].pid != found->beats_total)
		__atomic_fetch_add(&race->wrong, 1, __ATOMIC_RELAXED);
	if (sscanf(found->service, "comer-%u", &comer) != 1)
		return;
	if (*met & (1u << comer))
		__atomic_fetch_add(&race->twice, 1, __ATOMIC_RELAXED);
	*met |= 1u << comer;
}

static void *walk_main(void *argument)
{
	struct race *race = argument;
	char name[16];

	snapshot_reader_enter();
	for (unsigned turn = 0; !__atomic_load_n(&race->ends, __ATOMIC_ACQUIRE); turn++) {
		struct snapshot *found;
		unsigned met = 0;

		(void)snprintf(name, sizeof name, "comer-%u", turn % COMERS);
		snapshot_hold();
		for (const struct snapshot_seat *at = NULL; (at = snapshot_next(at));)
			look_at_seat(race, at, &met);
		found = snapshot_find(name, strlen(name));
		if ((found && strcmp(found->service, name) != 0) || !snapshot_root())
			__atomic_fetch_add(&race->wrong, 1, __ATOMIC_RELAXED);
		snapshot_release();
	}
	return NULL;
}

/* Opens, publishes, publishes again or closes one of the comers at a time. */
static void come_and_go(struct snapshot_seat **comers, unsigned turns)
{
	unsigned random = 12345;
	char name[16];

	for (unsigned turn = 1; turn <= turns; turn++) {
		unsigned i = (random = random * 1103515245 + 12345) >> 16 & (COMERS - 1);

		(void)snprintf(name, sizeof name, "comer-%u", i);
		if (comers[i])
			snapshot_seat_close(comers[i]);
		comers[i] = comers[i] ? NULL : open_with(name, turn);
		snapshot_publish_root(marked(turn));
		if (turn % 3 == 0)
			snapshot_settle();
	}
	snapshot_settle();
}

static void seats_come_and_go_under_the_eyes_of_readers(void **state)
{
	struct snapshot_seat *comers[COMERS] = {NULL};
	struct race race = {.ends = false};
	pthread_t readers[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, walk_main, &race), 0);
	come_and_go(comers, 3000);
	__atomic_store_n(&race.ends, true, __ATOMIC_RELEASE);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_join(readers[i], NULL), 0);
	assert_int_equal(race.wrong, 0);
	assert_int_equal(race.twice, 0);
	for (int i = 0; i < COMERS; i++) {
		if (comers[i])
			snapshot_seat_close(comers[i]);
	}
	snapshot_settle();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_has_one_seat),
		cmocka_unit_test(only_the_whole_name_finds_what_was_published),
		cmocka_unit_test(many_names_are_all_found),
		cmocka_unit_test(what_was_there_is_freed_with_a_seat),
		cmocka_unit_test(who_stands_on_a_closed_seat_walks_on),
		cmocka_unit_test(the_whole_is_the_only_service_else_what_was_given),
		cmocka_unit_test(seats_come_and_go_under_the_eyes_of_readers),
	};

	snapshot_reader_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
