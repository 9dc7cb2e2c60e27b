/* SPDX-License-Identifier: Apache-2.0 */
/* What is freed in the segment, and, more important, what is not. The shim's part is played here. */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/reclaim_stage.h"

/* A child that sleeps until it is killed. */
static pid_t start_child(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(60);
		for (;;)
			pause();
	}
	return pid;
}

static void end_child(pid_t pid, int options)
{
	siginfo_t info;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | options), 0);
}

static void the_living_keep_theirs(void **state)
{
	struct fixture *fixture = *state;

	claim_process(fixture, 3, getpid(), (uint64_t)clock_boot_ns());
	claim_slot(fixture, 9, 3, getpid(), getpid());
	look(fixture, 5);
	assert_int_equal(process_claim(fixture, 3), claim_word(1, getpid()));
	assert_int_equal(slot_claim(fixture, 9), claim_word(10, getpid()));
	assert_int_equal(fixture->segment.slots[9].call, 77);
}

static void the_dead_are_freed_after_two_looks(void **state)
{
	struct fixture *fixture = *state;
	pid_t pid = start_child();

	claim_process(fixture, 0, pid, (uint64_t)clock_boot_ns());
	claim_slot(fixture, 1, 0, pid, pid);
	end_child(pid, 0);
	look(fixture, 1);
	assert_int_not_equal(slot_claim(fixture, 1), 0); /* claimed just now, for all we know */
	look(fixture, 1);
	assert_int_equal(slot_claim(fixture, 1), 0);
	assert_int_equal(process_claim(fixture, 0), 0);
	assert_int_equal(fixture->segment.slots[1].call, 0);
	assert_int_equal(fixture->segment.slots[1].entries, 5); /* G2 */
	assert_int_equal(fixture->segment.header->threads_ended, 1);
}

static void a_zombie_is_freed_even_if_nobody_reaps_it(void **state)
{
	struct fixture *fixture = *state;
	pid_t pid = start_child();

	claim_process(fixture, 0, pid, (uint64_t)clock_boot_ns());
	claim_slot(fixture, 1, 0, pid, pid);
	end_child(pid, WNOWAIT);
	look(fixture, 2);
	assert_int_equal(slot_claim(fixture, 1), 0);
	assert_int_equal(process_claim(fixture, 0), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_zombie_of_ours_is_freed_at_once(void **state)
{
	struct fixture *fixture = *state;
	pid_t pid = start_child();

	claim_process(fixture, 0, pid, (uint64_t)clock_boot_ns());
	claim_slot(fixture, 1, 0, pid, pid);
	claim_slot(fixture, 2, 0, pid, pid);
	claim_slot(fixture, 3, 1, getpid(), getpid());
	reclaim_zombie(&fixture->reclaim, pid);
	assert_int_equal(slot_claim(fixture, 1), 0);
	assert_int_equal(slot_claim(fixture, 2), 0);
	assert_int_not_equal(slot_claim(fixture, 3), 0);
	assert_int_equal(process_claim(fixture, 0), 0);
	end_child(pid, 0);
}

static void a_pid_given_to_another_process_frees_the_old_owner(void **state)
{
	struct fixture *fixture = *state;
	uint64_t long_ago = 1; /* before this process began */

	claim_process(fixture, 0, getpid(), long_ago);
	claim_slot(fixture, 1, 0, getpid(), getpid());
	look(fixture, 2);
	assert_int_equal(process_claim(fixture, 0), 0);
	assert_int_equal(slot_claim(fixture, 1), 0);
}

static void a_thread_that_is_gone_frees_its_slot_only(void **state)
{
	struct fixture *fixture = *state;
	pid_t no_thread = 1; /* exists, but is no thread of ours */

	claim_process(fixture, 0, getpid(), (uint64_t)clock_boot_ns());
	claim_slot(fixture, 1, 0, getpid(), getpid());
	claim_slot(fixture, 2, 0, getpid(), no_thread);
	look(fixture, 2);
	assert_int_not_equal(process_claim(fixture, 0), 0);
	assert_int_not_equal(slot_claim(fixture, 1), 0);
	assert_int_equal(slot_claim(fixture, 2), 0);
}

static void an_exec_frees_what_the_process_was_before(void **state)
{
	struct fixture *fixture = *state;
	uint64_t now = (uint64_t)clock_boot_ns();

	claim_process(fixture, 0, getpid(), now);
	claim_slot(fixture, 1, 0, getpid(), getpid());
	claim_process(fixture, 1, getpid(), now + 1);
	claim_slot(fixture, 2, 1, getpid(), getpid());
	look(fixture, 2);
	assert_int_equal(process_claim(fixture, 0), 0);
	assert_int_equal(slot_claim(fixture, 1), 0);
	assert_int_not_equal(process_claim(fixture, 1), 0);
	assert_int_not_equal(slot_claim(fixture, 2), 0);
}

static void a_program_without_the_segment_frees_what_was_before(void **state)
{
	struct fixture *fixture = *state;
	pid_t pid = start_child(); /* has it mapped, by fork */

	claim_process(fixture, 0, pid, (uint64_t)clock_boot_ns());
	claim_slot(fixture, 1, 0, pid, pid);
	look(fixture, 4);
	assert_int_not_equal(slot_claim(fixture, 1), 0);
	end_child(pid, 0);
	pid = fork();
	if (pid == 0) {
		(void)execl("/bin/sleep", "sleep", "60", (char *)NULL);
		_exit(1);
	}
	fixture->segment.slots[1].claim = fixture->segment.processes[0].claim = 0;
	claim_process(fixture, 0, pid, (uint64_t)clock_boot_ns());
	claim_slot(fixture, 1, 0, pid, pid);
	for (int i = 0; i < 5000 && slot_claim(fixture, 1); i++) { /* until it has exec'ed, 5 s at most */
		look(fixture, 1);
		(void)poll(NULL, 0, 1);
	}
	assert_int_equal(slot_claim(fixture, 1), 0);
	assert_int_equal(process_claim(fixture, 0), 0);
	end_child(pid, 0);
}

static void the_mapping_is_told_by_its_inode(void **state)
{
	static const char maps[] =
		"55d0-55d1 r--p 00000000 08:01 77  /bin/sleep\n"
		"7f00-7f01 rw-s 00000000 00:01 1025  /memfd:lifesign-notebook (deleted)\n"
		"7f01-7f02 rw-s 00000000 00:01 1026                     /memfd:lifesign (deleted)\n"
		"7f02-7f03 rw-s 00000000 00:01 1027                     /memfd:lifesign (deleted)\n";

	(void)state;
	assert_int_equal(mapping_find_in(maps, 1026), MAPPING_THERE);
	assert_int_equal(mapping_find_in(maps, 1027), MAPPING_THERE);
	assert_int_equal(mapping_find_in(maps, 1025), MAPPING_GONE);
	assert_int_equal(mapping_find_in(maps, 77), MAPPING_GONE);
	assert_int_equal(mapping_find_in("", 1), MAPPING_GONE);
	assert_int_equal(mapping_find_in("/memfd:lifesign (deleted)", 1), MAPPING_GONE);
	assert_int_equal(mapping_find(1 << 30, 1), MAPPING_UNKNOWN);
}

static void a_claim_made_since_the_last_look_is_not_judged(void **state)
{
	struct fixture *fixture = *state;
	pid_t pid = start_child();

	end_child(pid, 0);
	claim_process(fixture, 0, pid, (uint64_t)clock_boot_ns());
	claim_slot(fixture, 1, 0, pid, 0);
	look(fixture, 1);
	fixture->segment.slots[1].claim = claim_word(50, pid); /* another owner, the same number */
	look(fixture, 1);
	assert_int_equal(slot_claim(fixture, 1), claim_word(50, pid));
	assert_int_not_equal(process_claim(fixture, 0), 0); /* stays for as long as a slot may refer to it */
	look(fixture, 1);
	assert_int_equal(slot_claim(fixture, 1), 0);
}

static void a_half_written_slot_of_the_living_is_left_alone(void **state)
{
	struct fixture *fixture = *state;

	claim_process(fixture, 0, getpid(), (uint64_t)clock_boot_ns());
	claim_slot(fixture, 1, 0, getpid(), 0); /* no tid yet */
	look(fixture, 4);
	assert_int_not_equal(slot_claim(fixture, 1), 0);
}

static void hostile_words_are_harmless(void **state)
{
	struct fixture *fixture = *state;

	for (uint32_t i = 0; i < SLOTS; i++) {
		fixture->segment.slots[i] = (struct segment_slot){.claim = UINT64_MAX - i, .process = UINT32_MAX, .tid = UINT32_MAX};
		fixture->segment.processes[i].claim = UINT64_MAX << (i % 63);
	}
	fixture->segment.header->slot_count = UINT32_MAX;
	fixture->segment.header->process_count = 3;
	fixture->segment.header->slot_offset = UINT64_MAX;
	look(fixture, 4);
	reclaim_zombie(&fixture->reclaim, -1);
	assert_int_equal(kill(getpid(), 0), 0); /* nobody was touched */
}

static void every_look_goes_on_where_the_last_one_stopped(void **state)
{
	struct fixture *fixture = *state;

	claim_process(fixture, 0, getpid(), (uint64_t)clock_boot_ns());
	for (uint32_t i = 0; i < SLOTS; i++)
		claim_slot(fixture, i, 0, getpid(), 1);
	look(fixture, 3); /* the first sees them, the budget of the others is bounded */
	for (uint32_t i = 0; i < SLOTS; i++)
		assert_int_equal(slot_claim(fixture, i), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* No shim claims for pid 0 or less: a hostile writer filled the tables, and they are free again. */
static void claims_of_nobody_are_freed(void **state)
{
	struct fixture *fixture = *state;
	static const pid_t nobodies[] = {0, -1, INT32_MIN, 0};

	for (uint32_t i = 0; i < 4; i++) {
		claim_process(fixture, i, nobodies[i], UINT64_MAX);
		claim_slot(fixture, i, i + 40, nobodies[i], 7);
	}
	fixture->segment.slots[3].claim = RECLAIM_TAKEN;
	reclaim_look(&fixture->reclaim, false);
	assert_true(slot_claim(fixture, 1) != 0); /* as for others: not at first sight */
	reclaim_look(&fixture->reclaim, false);
	reclaim_look(&fixture->reclaim, false);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(slot_claim(fixture, i), 0);
		assert_int_equal(process_claim(fixture, i), 0);
	}
}

/* Refusals that a hostile writer invents make every tick urgent: looking has its share of the time and no more. */
static void looking_rests_in_between(void **state)
{
	struct fixture *fixture = *state;
	int64_t now = clock_boot_ns();

	fixture->reclaim.cost = NS_PER_SECOND / 10;
	fixture->reclaim.looked = now;
	fixture->segment.header->threads_refused = 99;
	reclaim_tick(&fixture->reclaim, now + NS_PER_SECOND / 2);
	assert_true(fixture->reclaim.looked == now);
	reclaim_tick(&fixture->reclaim, now + NS_PER_SECOND);
	assert_true(fixture->reclaim.looked == now + NS_PER_SECOND);
	assert_true(fixture->reclaim.cost < NS_PER_SECOND / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_living_keep_theirs),
		TEST(the_dead_are_freed_after_two_looks),
		TEST(a_zombie_is_freed_even_if_nobody_reaps_it),
		TEST(a_zombie_of_ours_is_freed_at_once),
		TEST(a_pid_given_to_another_process_frees_the_old_owner),
		TEST(a_thread_that_is_gone_frees_its_slot_only),
		TEST(an_exec_frees_what_the_process_was_before),
		TEST(a_program_without_the_segment_frees_what_was_before),
		TEST(the_mapping_is_told_by_its_inode),
		TEST(a_claim_made_since_the_last_look_is_not_judged),
		TEST(a_half_written_slot_of_the_living_is_left_alone),
		TEST(hostile_words_are_harmless),
		TEST(every_look_goes_on_where_the_last_one_stopped),
		TEST(claims_of_nobody_are_freed),
		TEST(looking_rests_in_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
