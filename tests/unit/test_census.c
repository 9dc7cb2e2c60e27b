/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "watch/census.h"
#include "watch/procfs.h"
#include "watch/tree.h"

/* A child and a grandchild that wait to be killed. */
struct family {
	pid_t child, grandchild;
};

static int raise_family(void **state)
{
	static struct family family;
	int pipes[2];

	if (pipe(pipes) < 0)
		return -1;
	family.child = fork();
	if (family.child == 0) {
		pid_t pid = fork();

		if (pid > 0 && write(pipes[1], &pid, sizeof(pid)) != sizeof(pid))
			_exit(1);
		pause();
		_exit(0);
	}
	*state = &family;
	return read(pipes[0], &family.grandchild, sizeof(pid_t)) == sizeof(pid_t) ? 0 : -1;
}

static int end_family(void **state)
{
	struct family *family = *state;

	kill(family->grandchild, SIGKILL);
	kill(family->child, SIGKILL);
	return waitpid(family->child, NULL, 0) == family->child ? 0 : -1;
}

static const struct census_row *row_of(int32_t owner, pid_t pid)
{
	const struct census_row *row = census_first(owner);

	while (row && row->pid != pid)
		row = census_next(row);
	return row;
}

static bool is_owned(int32_t owner, pid_t pid)
{
	return row_of(owner, pid) != NULL;
}

static void young_children_of_a_name_are_set_apart(void **state)
{
	struct family *family = *state;
	char name[16];

	assert_int_equal(proc_thread_name(getpid(), getpid(), name), 0);
	name[3] = '\0';
	assert_int_equal(census_take(clock_boot_ns()), 0);
	census_set_young(getpid(), name, 0, CENSUS_NOBODY);
	census_set_children(getpid(), 0);
	census_spread(1);
	assert_false(is_owned(0, family->child));
	assert_int_equal(census_take(clock_boot_ns()), 0);
	census_set_young(getpid(), name, UINT64_MAX, CENSUS_NOBODY); /* none is so young */
	census_set_young(getpid(), "another", 0, CENSUS_NOBODY);
	census_set_children(getpid(), 0);
	census_spread(1);
	assert_true(is_owned(0, family->child));
	assert_true(is_owned(0, family->grandchild));
}

static void descendants_belong_to_the_owner_of_the_nearest_ancestor(void **state)
{
	struct family *family = *state;

	assert_int_equal(census_take(clock_boot_ns()), 0);
	census_set_children(getpid(), 3);
	census_spread(4);
	assert_true(is_owned(3, family->child));
	assert_true(is_owned(3, family->grandchild));
	assert_false(is_owned(3, getpid()));
	assert_false(is_owned(3, 1));
	assert_null(census_first(0));
}

static void a_branch_may_be_cut_off(void **state)
{
	struct family *family = *state;

	assert_int_equal(census_take(clock_boot_ns()), 0);
	census_set(family->grandchild, CENSUS_NOBODY);
	census_set_children(getpid(), 0);
	census_spread(1);
	assert_true(is_owned(0, family->child));
	assert_false(is_owned(0, family->grandchild));
}

static void a_branch_may_have_its_own_owner(void **state)
{
	struct family *family = *state;

	assert_int_equal(census_take(clock_boot_ns()), 0);
	census_set(family->grandchild, 1);
	census_set_children(getpid(), 0);
	census_spread(2);
	assert_true(is_owned(0, family->child) && !is_owned(0, family->grandchild) && is_owned(1, family->grandchild));
}

static void the_tree_follows_the_census(void **state)
{
	struct family *family = *state;
	struct tree tree = {0};

	assert_int_equal(census_take(clock_boot_ns()), 0);
	census_set_children(getpid(), 0);
	census_spread(1);
	tree_refresh(&tree, 0, family->grandchild, 1);
	assert_int_equal(tree.rows[0].pid, family->grandchild); /* the main process comes first */
	assert_int_equal(tree.rows[0].role, PROCESS_MAIN);
	assert_non_null(tree_find(&tree, family->child));
	census_set(family->child, CENSUS_NOBODY);
	assert_int_equal(census_take(clock_boot_ns()), 0);
	census_spread(1);
	tree_refresh(&tree, 0, 0, 2);
	assert_int_equal(tree.count, 0);
	tree_end(&tree);
}

/* A pass in which all that is nobody's has been there for long; when the next one may be. */
static int64_t settle(void)
{
	int64_t later = clock_boot_ns() + 20 * NS_PER_SECOND;

	assert_int_equal(census_take(later), 0);
	census_spread(1);
	return later + NS_PER_SECOND;
}

static void who_becomes_somebodys_is_read_at_once(void **state)
{
	struct family *family = *state;
	int64_t later = settle();

	assert_int_equal(kill(family->child, SIGSTOP), 0);
	assert_int_equal(waitpid(family->child, NULL, WUNTRACED), family->child);
	assert_int_equal(census_take(later), 0);
	census_set(family->child, 0);
	census_spread(1);
	assert_int_equal(row_of(0, family->child)->state, 'T');
	assert_int_equal(row_of(0, family->child)->read, later);
	assert_int_equal(row_of(0, family->grandchild)->read, later);
}

static void a_new_parent_is_seen_at_once(void **state)
{
	struct family *family = *state;
	int64_t later = settle();

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	kill(family->child, SIGKILL);
	assert_int_equal(waitpid(family->child, NULL, 0), family->child);
	family->child = family->grandchild; /* ours to wait for since then */
	assert_int_equal(census_take(later), 0);
	census_set_children(getpid(), 0);
	census_spread(1);
	assert_non_null(row_of(0, family->grandchild));
	assert_int_equal(row_of(0, family->grandchild)->parent, getpid());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(young_children_of_a_name_are_set_apart, raise_family, end_family),
		cmocka_unit_test_setup_teardown(descendants_belong_to_the_owner_of_the_nearest_ancestor, raise_family, end_family),
		cmocka_unit_test_setup_teardown(a_branch_may_be_cut_off, raise_family, end_family),
		cmocka_unit_test_setup_teardown(a_branch_may_have_its_own_owner, raise_family, end_family),
		cmocka_unit_test_setup_teardown(the_tree_follows_the_census, raise_family, end_family),
		cmocka_unit_test_setup_teardown(who_becomes_somebodys_is_read_at_once, raise_family, end_family),
		cmocka_unit_test_setup_teardown(a_new_parent_is_seen_at_once, raise_family, end_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
