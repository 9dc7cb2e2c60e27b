/* SPDX-License-Identifier: Apache-2.0 */
/* What a wait is on, told from the descriptors and the kernel: real processes that really wait. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "judge/calls.h"
#include "watch/wait_on.h"

enum { OP_MAX = 256, ROWS = 4 };

static struct process_row rows[ROWS];
static struct tree tree = {.rows = rows};
static struct front front;
static struct pollfd polled[2]; /* at one address in all processes of the test */
static char fifo[64];

static uint32_t op_of(const char *name)
{
	for (uint32_t op = 1; op < OP_MAX; op++) {
		if (call_info(op)->name && strcmp(call_info(op)->name, name) == 0)
			return op;
	}
	fail_msg("no call %s", name);
	return 0;
}

static void add_process(pid_t pid)
{
	rows[tree.count++] = (struct process_row){.pid = pid, .uid = getuid(), .gid = getgid(), .readable = true};
}

/* A process of the service that does this and then nothing more. */
static pid_t a_process(void (*run)(int fd), int fd)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		run(fd);
		for (;;)
			(void)pause();
	}
	add_process(child);
	return child;
}

static struct evidence asleep(pid_t pid)
{
	const int64_t end = clock_mono_ns() + 10 * NS_PER_SECOND;
	struct evidence evidence;

	for (;;) {
		assert_true(evidence_read(&rows[0], pid, &evidence));
		if (evidence.state == 'S' && evidence.syscall >= 0)
			return evidence;
		assert_true(clock_mono_ns() < end);
		(void)sched_yield();
	}
}

/* What the first process waits on, said to be inside `op` with `object`; NULL: in no call that the shim sees. */
static struct wait_on_answer ask(const char *op, uint64_t object, uint64_t extra)
{
	struct evidence evidence = asleep(rows[0].pid);
	struct slot_record record = {.pid = rows[0].pid, .tid = rows[0].pid, .call = op ? op_of(op) : 0, .object = object, .extra = extra};

	return wait_on_find(&(struct wait_on_look){&tree, &front, &rows[0], &record, &evidence});
}

static int tear_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < tree.count; i++) {
		if (rows[i].pid != getpid()) {
			(void)kill(rows[i].pid, SIGKILL);
			(void)waitpid(rows[i].pid, NULL, 0);
		}
	}
	tree.count = 0;
	front_end(&front);
	if (fifo[0])
		(void)unlink(fifo);
	fifo[0] = '\0';
	return 0;
}

static void reads(int fd)
{
	char byte;

	(void)!read(fd, &byte, 1);
}

static void polls(int fd)
{
	(void)fd;
	(void)poll(polled, 2, -1);
}

static void holds(int fd)
{
	(void)fd;
}

static void opens(int fd)
{
	(void)fd;
	(void)!open(fifo, O_RDONLY);
}

static void sleeps(int fd)
{
	(void)fd;
	(void)nanosleep(&(struct timespec){.tv_sec = 1000}, NULL);
}

static void waits_for_a_child(int fd)
{
	(void)fd;
	if (fork() == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(STDOUT_FILENO); /* nobody waits for the end of its output … */
		(void)close(STDERR_FILENO);
		(void)alarm(60); /* … should its parent have been killed before it asked to be told */
		(void)pause();
		_exit(0);
	}
	(void)waitpid(-1, NULL, 0);
}

static void waits_in_a_futex(int fd)
{
	static uint32_t word;

	(void)fd;
	(void)syscall(SYS_futex, &word, 0, 0, NULL, NULL, 0);
}

static void a_pipe_to_nobody_of_the_service_is_a_pipe(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	(void)a_process(reads, ends[0]);
	assert_int_equal(ask("read", (uint64_t)ends[0], 0).on, WAIT_PIPE);
	assert_int_equal(ask(NULL, 0, 0).on, WAIT_PIPE); /* the kernel knows the descriptor, too */
	close(ends[0]);
	close(ends[1]);
}

static void a_pipe_that_another_process_of_the_service_holds_waits_for_that_process(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	(void)a_process(reads, ends[0]);
	(void)a_process(holds, ends[1]);
	assert_int_equal(ask("read", (uint64_t)ends[0], 0).on, WAIT_CHILD);
	rows[1].readable = false; /* who cannot be looked into may hold it */
	assert_int_equal(ask("read", (uint64_t)ends[0], 0).on, WAIT_UNKNOWN);
	close(ends[0]);
	close(ends[1]);
}

static void a_fifo_is_told_from_a_file_by_where_the_kernel_sleeps(void **state)
{
	(void)state;
	(void)snprintf(fifo, sizeof(fifo), "/tmp/ls-wait-%d", getpid());
	assert_int_equal(mkfifo(fifo, 0600), 0);
	(void)a_process(opens, 0);
	assert_int_equal(ask("open", 0, 0).on, WAIT_PIPE);
	assert_int_equal(ask(NULL, 0, 0).on, WAIT_PIPE);
}

static void a_fifo_that_is_read_is_a_pipe(void **state)
{
	int fd;

	(void)state;
	(void)snprintf(fifo, sizeof(fifo), "/tmp/ls-wait-%d", getpid());
	assert_int_equal(mkfifo(fifo, 0600), 0);
	fd = open(fifo, O_RDWR | O_CLOEXEC);
	(void)a_process(reads, fd);
	assert_int_equal(ask("read", (uint64_t)fd, 0).on, WAIT_PIPE);
	close(fd);
}

static void descriptors_of_the_kernel_say_what_they_are(void **state)
{
	int event = eventfd(0, EFD_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	(void)state;
	(void)a_process(reads, event);
	assert_int_equal(ask("read", (uint64_t)event, 0).on, WAIT_WAKE);
	(void)tear_down(NULL);
	(void)a_process(reads, timer);
	assert_int_equal(ask("read", (uint64_t)timer, 0).on, WAIT_TIME);
	close(event);
	close(timer);
}

static void a_socket_whose_other_end_is_unknown_is_external(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	(void)a_process(reads, ends[0]);
	assert_int_equal(ask("recv", (uint64_t)ends[0], 0).on, WAIT_EXTERNAL);
	close(ends[0]);
	close(ends[1]);
}

static void a_socket_inside_the_service_is_inside(void **state)
{
	static struct front_row inside = {.way = FRONT_INTERNAL};
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	inside.pid = a_process(reads, ends[0]);
	inside.fd = ends[0];
	front = (struct front){.rows = &inside, .count = 1};
	assert_int_equal(ask("recv", (uint64_t)ends[0], 0).on, WAIT_INSIDE);
	front = (struct front){0}; /* the row is not its own */
	close(ends[0]);
	close(ends[1]);
}

static void a_set_is_as_hopeful_as_its_best_member(void **state)
{
	int ends[2], event = eventfd(0, EFD_CLOEXEC);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	polled[0] = polled[1] = (struct pollfd){.fd = event, .events = POLLIN};
	(void)a_process(polls, 0);
	assert_int_equal(ask("poll", (uint64_t)(uintptr_t)polled, 2).on, WAIT_EVENTS);
	(void)tear_down(NULL);
	polled[1].fd = ends[0];
	(void)a_process(polls, 0);
	assert_int_equal(ask("poll", (uint64_t)(uintptr_t)polled, 2).on, WAIT_EXTERNAL);
	assert_int_equal(ask("poll", (uint64_t)(uintptr_t)polled, 2).fd, ends[0]);
	close(ends[0]);
	close(ends[1]);
	close(event);
}

static void what_the_shim_does_not_see_the_kernel_says(void **state)
{
	(void)state;
	(void)a_process(sleeps, 0);
	assert_int_equal(ask(NULL, 0, 0).on, WAIT_TIME);
	(void)tear_down(NULL);
	(void)a_process(waits_for_a_child, 0);
	assert_int_equal(ask(NULL, 0, 0).on, WAIT_CHILD);
	(void)tear_down(NULL);
	(void)a_process(waits_in_a_futex, 0);
	assert_int_equal(ask(NULL, 0, 0).on, WAIT_WAKE);
	assert_false(ask(NULL, 0, 0).timed);
	assert_int_equal(wait_on_of_syscall(SYS_connect), WAIT_EXTERNAL);
	assert_int_equal(wait_on_of_syscall(SYS_fsync), WAIT_FILE);
	assert_int_equal(wait_on_of_syscall(SYS_restart_syscall), WAIT_UNKNOWN);
	assert_int_equal(wait_on_of_syscall(-1), WAIT_UNKNOWN);
}

static void calls_that_say_it_themselves_are_not_looked_into(void **state)
{
	(void)state;
	(void)a_process(sleeps, 0);
	assert_int_equal(ask("pthread_mutex_lock", 0x1000, 0).on, WAIT_LOCK);
	assert_int_equal(ask("getaddrinfo", 0x1000, 0).on, WAIT_EXTERNAL);
	assert_int_equal(ask("fsync", 3, 0).on, WAIT_FILE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_pipe_to_nobody_of_the_service_is_a_pipe, tear_down),
		cmocka_unit_test_teardown(a_pipe_that_another_process_of_the_service_holds_waits_for_that_process, tear_down),
		cmocka_unit_test_teardown(a_fifo_is_told_from_a_file_by_where_the_kernel_sleeps, tear_down),
		cmocka_unit_test_teardown(a_fifo_that_is_read_is_a_pipe, tear_down),
		cmocka_unit_test_teardown(descriptors_of_the_kernel_say_what_they_are, tear_down),
		cmocka_unit_test_teardown(a_socket_whose_other_end_is_unknown_is_external, tear_down),
		cmocka_unit_test_teardown(a_socket_inside_the_service_is_inside, tear_down),
		cmocka_unit_test_teardown(a_set_is_as_hopeful_as_its_best_member, tear_down),
		cmocka_unit_test_teardown(what_the_shim_does_not_see_the_kernel_says, tear_down),
		cmocka_unit_test_teardown(calls_that_say_it_themselves_are_not_looked_into, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
