/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets whose segment, under which name. The processes are real, what they say of themselves is made up here. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "supervise/members.h"

enum { SLOTS = 64, CHILDREN = 8, STRANGER = 12345 };

struct fixture {
	struct members members;
	pid_t children[CHILDREN];
	unsigned count;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	assert_int_equal(members_open(&fixture->members, SLOTS), 0);
	*state = fixture;
	return 0;
}

static void end(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < fixture->count; i++)
		end(&fixture->children[i]);
	members_close(&fixture->members);
	free(fixture);
	return 0;
}

/* A process of its own session: a service that somebody else started. */
static pid_t *start(struct fixture *fixture)
{
	pid_t *pid = &fixture->children[fixture->count++];
	int ready[2];
	char byte;

	assert_true(fixture->count <= CHILDREN && pipe(ready) == 0);
	*pid = fork();
	assert_true(*pid >= 0);
	if (*pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setsid();
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static struct join_hello hello_of(const char *service, const char *program)
{
	struct join_hello hello = {.magic = JOIN_MAGIC};

	(void)snprintf(hello.service, sizeof(hello.service), "%s", service);
	(void)snprintf(hello.program, sizeof(hello.program), "%s", program);
	return hello;
}

static struct member *admit(struct fixture *fixture, pid_t pid, uid_t uid, const char *program)
{
	const struct peer peer = {.pid = pid, .uid = uid, .pidfd = (int)syscall(SYS_pidfd_open, pid, 0), .pid_namespace = 1,
		.own_pid = (uint32_t)pid};
	const struct join_hello hello = hello_of("", program);

	return members_admit(&fixture->members, &peer, &hello);
}

/* From a pid namespace that we do not see. */
static struct member *admit_unseen(struct fixture *fixture, uint64_t pid_namespace, uint32_t pid, uint32_t parent, uid_t uid)
{
	const struct peer peer = {.uid = uid, .pidfd = -1, .unseen = true, .pid_namespace = pid_namespace, .own_pid = pid, .own_parent = parent};
	const struct join_hello hello = hello_of("boxed", "program");

	return members_admit(&fixture->members, &peer, &hello);
}

static void claim(struct member *member, uint32_t index, uint32_t pid)
{
	member->segment.processes[index].stamp = (uint64_t)clock_boot_ns();
	member->segment.processes[index].claim = UINT64_C(1) << 32 | pid;
	member->segment.header->threads_started++;
}

static void each_has_a_name_of_its_own(void **state)
{
	struct fixture *fixture = *state;
	struct member *one = admit(fixture, *start(fixture), 0, "redis"), *two = admit(fixture, *start(fixture), 0, "redis");

	assert_string_equal(one->news.name, "redis");
	assert_string_equal(two->news.name, "redis-2");
	assert_ptr_not_equal(one, two);
}

static void the_same_process_asks_again_and_is_the_same(void **state)
{
	struct fixture *fixture = *state;
	pid_t pid = *start(fixture);
	struct member *one = admit(fixture, pid, 0, "sh");

	assert_ptr_equal(admit(fixture, pid, 0, "redis"), one);
	assert_string_equal(one->news.name, "redis"); /* it has exec'ed */
	assert_int_equal(fixture->members.count, 1);
}

/* Nobody waits for the end to be final. */
static void started_again_at_once_it_has_its_name(void **state)
{
	struct fixture *fixture = *state;
	pid_t *pid = start(fixture);
	struct member *one = admit(fixture, *pid, 0, "redis");
	uint32_t id = one->news.service;
	int notebook = one->notebook_fd;
	uint64_t created = one->segment.created;

	end(pid);
	assert_ptr_equal(admit(fixture, *start(fixture), 0, "redis"), one);
	assert_int_equal(one->news.service, id);
	assert_int_equal(one->notebook_fd, notebook);
	assert_true(one->segment.created != created && !one->introduced);
	assert_int_equal(fixture->members.count, 1);
}

static void another_user_never_takes_a_name(void **state)
{
	struct fixture *fixture = *state;
	pid_t *pid = start(fixture);
	struct member *other;

	(void)admit(fixture, *pid, 0, "redis");
	end(pid);
	other = admit(fixture, *start(fixture), STRANGER, "redis");
	assert_string_equal(other->news.name, "redis-2");
	assert_string_equal(admit(fixture, *start(fixture), 0, "redis")->news.name, "redis");
}

/* Who writes a segment may claim any pid: without the kernel's word nobody is moved by it. */
static void claims_alone_move_nobody(void **state)
{
	struct fixture *fixture = *state;
	pid_t pid = *start(fixture); /* before there is a segment that it would inherit from us */
	struct member *liar = admit(fixture, *start(fixture), 0, "liar"), *member;

	claim(liar, 1, (uint32_t)pid);
	claim(liar, 2, (uint32_t)getppid());
	claim(liar, 3, 1);
	member = admit(fixture, pid, 0, "honest");
	assert_ptr_not_equal(member, liar);
	assert_string_equal(member->news.name, "honest");
}

static void claims_alone_make_no_heir(void **state)
{
	struct fixture *fixture = *state;
	pid_t *pid = start(fixture), *other = start(fixture);
	struct member *liar = admit(fixture, *pid, 0, "liar");

	claim(liar, 1, (uint32_t)*other);
	claim(liar, 2, 1);
	end(pid);
	assert_false(member_look(liar, clock_mono_ns()));
	assert_true(liar->main_gone != 0);
	assert_true(member_look(liar, clock_mono_ns() + NS_PER_SECOND));
	assert_true(liar->ended != 0 && liar->news.main_ended == 1);
}

static void containers_that_number_alike_are_apart(void **state)
{
	struct fixture *fixture = *state;
	struct member *one = admit_unseen(fixture, 10, 1, 0, 0), *two;

	claim(one, 0, 1);
	two = admit_unseen(fixture, 11, 1, 0, 0);
	assert_ptr_not_equal(one, two);
	claim(two, 0, 1);
	assert_ptr_equal(admit_unseen(fixture, 10, 7, 1, 0), one); /* a child */
	assert_ptr_equal(admit_unseen(fixture, 11, 1, 0, 0), two); /* after an exec */
	assert_ptr_not_equal(admit_unseen(fixture, 10, 7, 1, STRANGER), one);
}

static void an_unknown_namespace_is_nobody_s(void **state)
{
	struct fixture *fixture = *state;
	struct member *one = admit_unseen(fixture, 0, 1, 0, 0);

	claim(one, 0, 1);
	assert_ptr_not_equal(admit_unseen(fixture, 0, 7, 1, 0), one);
}

static void more_than_there_is_room_for_stand_aside(void **state)
{
	struct fixture *fixture = *state;
	pid_t *first = start(fixture);

	fixture->members.most = 2;
	assert_non_null(admit(fixture, *first, 0, "a"));
	assert_non_null(admit(fixture, *start(fixture), 0, "b"));
	assert_null(admit(fixture, *start(fixture), 0, "c"));
	assert_int_equal(fixture->members.refused, 1);
	end(first);
	assert_non_null(admit(fixture, *start(fixture), 0, "a")); /* a name that is free costs no room */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_has_a_name_of_its_own),
		TEST(the_same_process_asks_again_and_is_the_same),
		TEST(started_again_at_once_it_has_its_name),
		TEST(another_user_never_takes_a_name),
		TEST(claims_alone_move_nobody),
		TEST(claims_alone_make_no_heir),
		TEST(containers_that_number_alike_are_apart),
		TEST(an_unknown_namespace_is_nobody_s),
		TEST(more_than_there_is_room_for_stand_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
